//! Alarms through the real engine: rows in by a host channel, changes out by one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod frozen;
mod golden;
mod people;
#[path = "../support/played.rs"]
mod played;
mod rules;
mod silence;
mod site;

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use watchfire_engine::{Data, Flow, Job, Metrics, TickSource, Timed};
use watchfire_operators::alarm::{Alarm, AlarmChange, Alarms, ChangeKind, Event, Ladder, Severity, Signal};
use watchfire_operators::crane::{ChartBook, ChartMode, CraneReading, RatedLoad, crane_signal};

/// Event times tick the arrival clock every 100 ms, so a tick is never far from its row.
const TICKS: TickSource = TickSource::FromEvents { interval_ms: 100, max_jump_ms: 3_600_000 };

/// What a site sends: readings, what people do, and beats that only move the clock.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum SiteRow {
    Reading(CraneReading),
    Person { crane: u32, at_ms: i64, event: Event },
    Beat { at_ms: i64 },
}

impl Timed for SiteRow {
    fn event_time_ms(&self) -> i64 {
        match self {
            SiteRow::Reading(reading) => reading.event_time_ms,
            SiteRow::Person { at_ms, .. } | SiteRow::Beat { at_ms } => *at_ms,
        }
    }
}

impl SiteRow {
    fn crane(&self) -> u32 {
        match self {
            SiteRow::Reading(reading) => reading.crane,
            SiteRow::Person { crane, .. } => *crane,
            SiteRow::Beat { .. } => 0,
        }
    }
}

/// A crane with this load ratio: four falls at 20 m carry 3,920 kg.
fn at_ratio(crane: u32, at_ms: i64, ratio: f64) -> CraneReading {
    CraneReading::new(crane, at_ms, 3_920.0 * ratio, 20.0, 4)
}

/// Readings of a crane in `from_ms..to_ms`, ten a second.
fn steady(crane: u32, from_ms: i64, to_ms: i64, ratio: f64) -> Vec<CraneReading> {
    (from_ms..to_ms).step_by(100).map(|at_ms| at_ratio(crane, at_ms, ratio)).collect()
}

/// Cranes 1 to 8, all alike.
fn book() -> Arc<ChartBook> {
    let cranes: Vec<(u32, &str)> = (1..=8).map(|crane| (crane, "QTZ63")).collect();
    Arc::new(ChartBook::new(vec![RatedLoad::qtz63()], &cranes, None).unwrap())
}

/// The overload alarm over all that a site sends.
fn site_alarms(ladder: Ladder) -> Alarms<u32, SiteRow, impl Fn(&SiteRow) -> Signal + Send + Sync + 'static> {
    let book = book();
    let signal = move |row: &SiteRow| match row {
        SiteRow::Reading(reading) => crane_signal(&book, ChartMode::Product, -300.0, reading),
        SiteRow::Person { event, .. } => Signal::person(event.clone()),
        SiteRow::Beat { .. } => Signal::None,
    };
    Alarms::new(ladder, signal).unwrap()
}

fn site_flow(flow: &Flow<'_>) {
    let rows = flow.channel::<SiteRow>("site").key_by(SiteRow::crane);
    let detected = rows.detect("overload", site_alarms(Ladder::crane_overload()));
    detected.out.to_channel("alarms");
    detected.late.to_channel("late");
}

/// Runs a job over one channel and returns the changes that leave through another.
fn run<T: Data + Timed>(job: &Job, input: &str, rows: Vec<T>) -> (Vec<Alarm<u32>>, Metrics) {
    let mut running = job.start().unwrap();
    let (tx, rx) = (running.sender::<T>(input).unwrap(), running.receiver("alarms").unwrap());
    let late = running.receiver::<watchfire_engine::Late<T>>("late").ok();
    tx.send(rows).unwrap();
    drop(tx);
    let out = rx.rows().collect();
    late.iter().flat_map(|late| late.rows()).for_each(drop);
    (out, running.wait().unwrap())
}

/// The changes of one crane over what a site sends.
fn run_site(rows: Vec<SiteRow>) -> (Vec<AlarmChange>, Metrics) {
    let (out, metrics) = run(&Job::new(site_flow).ticks(TICKS), "site", rows);
    (out.into_iter().filter_map(Alarm::into_change).collect(), metrics)
}

fn readings(rows: impl IntoIterator<Item = CraneReading>) -> Vec<SiteRow> {
    rows.into_iter().map(SiteRow::Reading).collect()
}

/// By event time, as a recorder of the whole site would deliver it.
fn in_order(mut rows: Vec<SiteRow>) -> Vec<SiteRow> {
    rows.sort_by_key(Timed::event_time_ms);
    rows
}

fn kinds(changes: &[AlarmChange]) -> Vec<(ChangeKind, Option<Severity>)> {
    changes.iter().map(|change| (change.kind, change.severity)).collect()
}

/// Event time of the first change that shows at least this severity.
fn first_ms(changes: &[AlarmChange], severity: Severity) -> Option<i64> {
    changes.iter().find(|change| change.severity >= Some(severity))?.at_event_ms
}
