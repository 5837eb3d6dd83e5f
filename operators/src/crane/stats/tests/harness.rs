//! Runs detectors over readings as a job does.

use std::sync::Arc;

use proptest::prelude::*;
use watchfire_engine::{
    Change, Data, Detector, EventTime, Job, Metrics, OnSkew, Receiver, Recording, Running, TickSource,
};

use crate::crane::{ChartBook, CraneReading, RatedLoad};

/// QTZ63 for all but crane 9, which has no chart.
pub(in crate::crane) fn book() -> Arc<ChartBook> {
    let listed: Vec<(u32, &str)> = (0..9).map(|crane| (crane, "QTZ63")).collect();
    Arc::new(ChartBook::new(vec![RatedLoad::qtz63()], &listed, None).unwrap())
}

pub(in crate::crane) fn disorder(disorder_ms: i64) -> EventTime {
    EventTime { disorder_ms, max_skew_ms: i64::MAX / 4, on_skew: OnSkew::Divert, clock_wrong_after: u32::MAX }
}

/// Ticks every `tick_ms` of event time.
pub(in crate::crane) fn ticks(tick_ms: i64) -> TickSource {
    TickSource::FromEvents { interval_ms: tick_ms, max_jump_ms: i64::MAX / 4 }
}

/// What a run gave.
#[derive(Clone, Debug)]
pub(in crate::crane) struct Ran<O> {
    pub(in crate::crane) out: Vec<O>,
    pub(in crate::crane) late: Vec<CraneReading>,
    pub(in crate::crane) metrics: Metrics,
}

pub(in crate::crane) fn job<D>(detector: impl Fn() -> D + Send + Sync + 'static, disorder_ms: i64, tick_ms: i64) -> Job
where
    D: Detector<Key = u32, In = CraneReading>,
{
    Job::new(move |flow| {
        let readings = flow.channel::<CraneReading>("readings").key_by(|r: &CraneReading| r.crane);
        let found = readings.event_time(disorder(disorder_ms)).detect("crane", detector());
        found.out.to_channel("out");
        found.late.to_channel("late");
    })
    .ticks(ticks(tick_ms))
}

fn collect<O: Data>(mut running: Running, feed: impl FnOnce(&mut Running)) -> (Ran<O>, Option<Recording>) {
    let out: Receiver<O> = running.receiver("out").unwrap();
    let late: Receiver<watchfire_engine::Late<CraneReading>> = running.receiver("late").unwrap();
    let reader = std::thread::spawn(move || out.rows().collect::<Vec<O>>());
    let late = std::thread::spawn(move || late.rows().map(|late| late.row).collect::<Vec<CraneReading>>());
    feed(&mut running);
    let metrics = running.wait().unwrap();
    let recording = running.recording();
    (Ran { out: reader.join().unwrap(), late: late.join().unwrap(), metrics }, recording)
}

/// Sends batches and waits for the end.
pub(in crate::crane) fn run<O: Data>(job: &Job, batches: Vec<Vec<CraneReading>>) -> (Ran<O>, Option<Recording>) {
    collect(job.start().unwrap(), |running| {
        let sender = running.sender::<CraneReading>("readings").unwrap();
        batches.into_iter().for_each(|batch| sender.send(batch).unwrap());
    })
}

/// Runs a recording again.
pub(in crate::crane) fn replay<O: Data>(job: &Job, recording: &Recording) -> Ran<O> {
    collect(job.replay(recording).unwrap(), |_| {}).0
}

/// Runs the readings, then the recording of that with other epochs, 1 to 4 workers and rehearsed recovery; all must give the
/// same.
pub(in crate::crane) fn run_every_way<O: Data + PartialEq>(
    job: &Job,
    batches: Vec<Vec<CraneReading>>,
    seed: u64,
) -> Ran<O> {
    let (ran, recording) = run::<O>(&job.clone().record(), batches);
    let recording = recording.unwrap();
    for (workers, one_in) in [(1, 3), (2, 7), (4, 40)] {
        let job = job.clone().workers(workers).rehearse_recovery(workers as u64 / 2);
        let again = replay::<O>(&job, &recording.recut(seed ^ workers as u64, one_in));
        assert_eq!(again.out, ran.out, "{workers} workers, cut one in {one_in}");
        assert_eq!(again.late, ran.late);
        assert_eq!(again.metrics.operators, ran.metrics.operators);
    }
    ran
}

/// The rows that hold in the end, each once. Panics if a change retracts a row that does not hold, or inserts one twice.
pub(in crate::crane) fn held<T: Ord + std::fmt::Debug>(changes: impl IntoIterator<Item = Change<T>>) -> Vec<T> {
    let mut held = std::collections::BTreeSet::new();
    for change in changes {
        match change {
            Change::Insert(row) => assert!(held.insert(row), "inserted twice"),
            Change::Retract(row) => assert!(held.remove(&row), "retracted what does not hold: {row:?}"),
        }
    }
    held.into_iter().collect()
}

pub(in crate::crane) fn retractions<T>(changes: &[Change<T>]) -> usize {
    changes.iter().filter(|change| matches!(change, Change::Retract(_))).count()
}

/// Puts rows into an order in which none comes more than `bound_ms` of event time after a later one.
pub(in crate::crane) fn shuffled(mut rows: Vec<CraneReading>, jitter_ms: &[i64], bound_ms: i64) -> Vec<CraneReading> {
    let mut at = 0;
    rows.sort_by_cached_key(|row| {
        at += 1;
        row.event_time_ms + jitter_ms[at % jitter_ms.len()].rem_euclid(bound_ms + 1)
    });
    rows
}

/// Cuts rows into batches of lengths drawn from `lengths`.
pub(in crate::crane) fn batches(rows: Vec<CraneReading>, lengths: &[usize]) -> Vec<Vec<CraneReading>> {
    let (mut rows, mut cut, mut n) = (rows.into_iter().peekable(), Vec::new(), 0);
    while rows.peek().is_some() {
        n += 1;
        cut.push(rows.by_ref().take(lengths[n % lengths.len()].max(1)).collect());
    }
    cut
}

/// A site's readings in time order: around the rated load, now and then beyond the jib, unknown, of another reeving,
/// missing, or of the same instant as the one before.
pub(in crate::crane) fn readings(
    steps: std::ops::Range<usize>,
    step_ms: i64,
) -> impl Strategy<Value = Vec<CraneReading>> {
    let one = (
        prop_oneof![8 => Just(1u32), 2 => Just(2), 1 => Just(9)],
        prop_oneof![20 => Just(1i64), 3 => 2i64..6, 2 => Just(0), 1 => 20i64..80],
        prop_oneof![6 => 0.2f64..0.95, 4 => 0.95f64..1.04, 4 => 1.0f64..1.2, 1 => Just(1.0)],
        prop_oneof![30 => Just(4u8), 2 => Just(2), 1 => Just(3)],
        prop_oneof![30 => Just(20.0f64), 10 => 5.0f64..50.0, 1 => Just(51.0)],
        prop::option::weighted(0.2, 0u32..3),
        0i64..3,
    );
    prop::collection::vec(one, steps).prop_map(move |all| {
        let mut at_ms = 1_000_000;
        let mut made: Vec<CraneReading> = Vec::new();
        let mut reeving_now = 4;
        for (crane, steps, ratio, reeving, radius_m, operator, off_ms) in all {
            at_ms += steps * step_ms + if steps == 0 { 0 } else { off_ms };
            reeving_now = if reeving == 4 { reeving_now } else { reeving };
            reeving_now = if reeving == 3 && made.len().is_multiple_of(2) { 4 } else { reeving_now };
            let rated = RatedLoad::qtz63().rated_kg(reeving_now, radius_m).kg().unwrap_or(3_000.0);
            let wind_mps = operator.map(|number| 3.5 * f64::from(number));
            let reading = CraneReading::new(crane, at_ms, ratio * rated, radius_m, reeving_now);
            made.push(CraneReading { operator, wind_mps, ..reading });
            if steps == 4 {
                made.extend(made.last().cloned());
            }
        }
        made
    })
}

/// Asserts that two lists of rows are equal, showing the first difference alone.
pub(in crate::crane) fn assert_same<T: PartialEq + std::fmt::Debug>(found: &[T], expected: &[T]) {
    let differ = found.iter().zip(expected).position(|(found, expected)| found != expected);
    let at = differ.unwrap_or(found.len().min(expected.len()));
    if found.len() != expected.len() || differ.is_some() {
        panic!(
            "row {at} of {} and {}\n   found {:?}\nexpected {:?}",
            found.len(),
            expected.len(),
            found.get(at),
            expected.get(at)
        );
    }
}
