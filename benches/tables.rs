//! Views of 100,000 rows, of which one changes in each epoch, against computing the views from scratch. One `name=value` line a
//! result: `ratio` is the time that the same views take from scratch, in a job that is given all rows, over that of an epoch, epochs flowing;
//! `hand_ratio` the same for loops over hash maps, written by hand, which know these views alone and leave out finding what has
//! changed; `answer_us` the time from a change to its answer, where each waits for the one before.
//!
//! The views: rows of each kind, the sum over each district of a weight that a second table gives to kinds, the worst of each district,
//! and the ten kinds with the most rows.
//!
//! `--rows N`, `--epochs N` a pair, `--pairs N`, `--workers N`.
#![allow(clippy::print_stdout, clippy::expect_used, missing_docs)]

use std::time::{Duration, Instant};

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use watchfire_benches::args::arg;
use watchfire_benches::city::Draw;
use watchfire_benches::pairs::Ratios;
use watchfire_engine::{Change, Flow, Job, Receiver, Running, Sender, Table, TickSource, Timed};

const KINDS: u32 = 1_000;
const DISTRICTS: u32 = 50;

/// A district of its own, whose worst row tells that all before it has been seen.
const MARK: u32 = DISTRICTS;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Incident {
    kind: u32,
    district: u32,
    severity: i64,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Report {
    id: u32,
    incident: Option<Incident>,
}

impl Timed for Report {
    fn event_time_ms(&self) -> i64 {
        0
    }
}

/// What a kind counts for.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Weight {
    kind: u32,
    weight: i64,
}

impl Timed for Weight {
    fn event_time_ms(&self) -> i64 {
        0
    }
}

fn weight_of(kind: u32) -> i64 {
    i64::from(kind % 7) + 1
}

/// A view's number, a key, and what it says of that.
type Told = Change<((u8, u32), i64)>;

fn named<'f>(view: u8, table: Table<'f, u32, i64>) -> Table<'f, (u8, u32), i64> {
    table.rekey(move |key, _| (view, *key))
}

fn views(flow: &Flow<'_>) {
    let reports = flow.channel::<Report>("reports").key_by(|report| report.id);
    let incidents = reports.latest("incidents", |report| report.incident).out;
    let weights = flow.channel::<Weight>("weights").key_by(|weight| weight.kind);
    let weights = weights.latest("weighed", |weight| Some(weight.weight)).out;
    let by_kind = incidents.clone().rekey(|_, incident| incident.kind);
    let by_district = incidents.rekey(|_, incident| incident.district);
    let counts = by_kind.clone().count();
    let weighed = by_kind.join(weights, |_, incident, weight| (incident.district, weight * incident.severity));
    let sums = weighed.rekey(|_, (district, _)| *district).sum(|_, (_, weight)| *weight);
    let worst = by_district.map(|_, incident| incident.severity).max();
    let top = counts.clone().flat_map(|kind, rows| [((), (rows, kind))]).top_k(10, |(), (rows, _)| *rows);
    let all = named(0, counts.map(|_, rows| rows as i64))
        .union(named(1, sums))
        .union(named(2, worst))
        .union(named(3, top.flat_map(|(), (rows, kind)| [(kind, rows as i64)])));
    all.changes().to_channel("views");
}

/// An incident, or, one time in four, none.
fn report(draw: &mut Draw, id: u32) -> Report {
    let kinds = KINDS as usize;
    let incident = Incident {
        kind: (draw.below(kinds) * draw.below(kinds) / kinds) as u32,
        district: draw.below(DISTRICTS as usize) as u32,
        severity: draw.below(1_000_000) as i64,
    };
    Report { id, incident: (draw.below(4) > 0).then_some(incident) }
}

fn change(draw: &mut Draw, rows: usize) -> Report {
    let id = draw.below(rows) as u32;
    report(draw, id)
}

/// Not one of the rows that change.
fn mark(nth: i64) -> Report {
    Report { id: u32::MAX, incident: Some(Incident { kind: 0, district: MARK, severity: nth }) }
}

/// The views from scratch.
#[derive(Default)]
struct Scratch {
    rows: FxHashMap<u32, Incident>,
    weights: FxHashMap<u32, i64>,
}

impl Scratch {
    fn apply(&mut self, report: Report) {
        match report.incident {
            Some(incident) => self.rows.insert(report.id, incident),
            None => self.rows.remove(&report.id),
        };
    }

    fn views(&self) -> [FxHashMap<u32, i64>; 4] {
        let [mut counts, mut sums, mut worst, mut top] = [(); 4].map(|()| FxHashMap::default());
        for incident in self.rows.values() {
            *counts.entry(incident.kind).or_default() += 1;
            let of_district = worst.entry(incident.district).or_insert(incident.severity);
            *of_district = incident.severity.max(*of_district);
            if let Some(weight) = self.weights.get(&incident.kind) {
                *sums.entry(incident.district).or_default() += weight * incident.severity;
            }
        }
        let mut ranked: Vec<(i64, u32)> = counts.iter().map(|(kind, rows)| (-rows, *kind)).collect();
        ranked.sort_unstable();
        top.extend(ranked.into_iter().take(10).map(|(rows, kind)| (kind, -rows)));
        [counts, sums, worst, top]
    }
}

/// Our side: a job that runs, and what it has said.
struct Ours {
    running: Running,
    reports: Sender<Report>,
    views: Receiver<Told>,
    said: FxHashMap<(u8, u32), i64>,
}

impl Ours {
    /// And how long the first answer took.
    fn start(workers: usize, rows: &[Report]) -> (Self, Duration) {
        let ticks = TickSource::Scaled { interval_ms: 1_000, start_ms: 1_000_000, speed: 1e-9 };
        let mut running =
            Job::new(views).ticks(ticks).workers(workers).epoch_rows_max(1).start().expect("the flow is right");
        let weights = running.sender::<Weight>("weights").expect("has the channel");
        weights.send((0..KINDS).map(|kind| Weight { kind, weight: weight_of(kind) }).collect()).expect("runs");
        while running.metrics().operators["weighed"].rows_in < u64::from(KINDS) {
            std::thread::yield_now();
        }
        let reports = running.sender::<Report>("reports").expect("has the channel");
        let views = running.receiver::<Told>("views").expect("has the channel");
        let mut ours = Ours { running, reports, views, said: FxHashMap::default() };
        let took = ours.answered(rows.chunks(4_000).map(<[Report]>::to_vec).chain([vec![mark(0)]]).collect(), 0);
        (ours, took)
    }

    /// Sends batches, the last of which ends with the mark, and takes what is said until the mark is.
    fn answered(&mut self, batches: Vec<Vec<Report>>, nth: i64) -> Duration {
        let Ours { reports, views, said, .. } = self;
        let began = Instant::now();
        std::thread::scope(|threads| {
            threads.spawn(move || batches.into_iter().for_each(|batch| reports.send(batch).expect("runs")));
            while said.get(&(2, MARK)) != Some(&nth) {
                for change in views.recv().expect("runs").rows {
                    match change {
                        Change::Insert((key, value)) => said.insert(key, value),
                        Change::Retract((key, _)) => said.remove(&key),
                    };
                }
            }
            began.elapsed()
        })
    }

    /// The time of an epoch, of so many that flow.
    fn flowing(&mut self, changes: &[Report], nth: i64) -> Duration {
        let mut batches: Vec<Vec<Report>> = changes.iter().map(|change| vec![*change]).collect();
        batches.push(vec![mark(nth)]);
        let epochs = batches.len() as u32;
        self.answered(batches, nth) / epochs
    }

    fn agrees(&self, scratch: &Scratch) {
        let all: FxHashMap<(u8, u32), i64> = scratch
            .views()
            .into_iter()
            .zip(0..)
            .flat_map(|(view, of)| view.into_iter().map(move |(key, value)| ((of, key), value)))
            .collect();
        let keys = self.said.keys().chain(all.keys());
        let odd = keys.map(|key| (key, self.said.get(key), all.get(key))).find(|(_, ours, anew)| ours != anew);
        assert!(odd.is_none(), "view and key, what we say, what it is from scratch: {odd:?}");
    }
}

fn number(name: &str, default: &str) -> usize {
    arg(name, default).parse().expect("a whole number")
}

fn main() {
    let (rows, epochs, pairs, workers) =
        (number("rows", "100000"), number("epochs", "2000"), number("pairs", "15"), number("workers", "1"));
    let mut draw = Draw(7);
    let first: Vec<Report> = (0..rows as u32).map(|id| report(&mut draw, id)).collect();
    let mut scratch =
        Scratch { weights: (0..KINDS).map(|kind| (kind, weight_of(kind))).collect(), ..Scratch::default() };
    first.iter().chain([&mark(0)]).for_each(|report| scratch.apply(*report));
    let (mut ours, _) = Ours::start(workers, &first);
    ours.agrees(&scratch);
    let [mut ratio, mut hand_ratio, mut epoch, mut answer, mut anew, mut hand] = [(); 6].map(|()| Vec::new());
    for nth in (1..).step_by(2).take(pairs) {
        let changes: Vec<Report> = (0..epochs).map(|_| change(&mut draw, rows)).collect();
        let took = ours.flowing(&changes, nth).as_secs_f64();
        let (mut fresh, again) = Ours::start(workers, &first);
        fresh.running.stop(Duration::from_secs(60)).expect("stops");
        let again = again.as_secs_f64();
        changes.iter().chain([&mark(nth)]).for_each(|report| scratch.apply(*report));
        let began = Instant::now();
        for _ in 0..20 {
            std::hint::black_box(scratch.views());
        }
        let by_hand = began.elapsed().as_secs_f64() / 20.0;
        let one = change(&mut draw, rows);
        answer.push(ours.answered(vec![vec![one, mark(nth + 1)]], nth + 1).as_secs_f64() * 1e6);
        [one, mark(nth + 1)].into_iter().for_each(|report| scratch.apply(report));
        ratio.push(again / took);
        hand_ratio.push(by_hand / took);
        epoch.push(took * 1e6);
        anew.push(again * 1e6);
        hand.push(by_hand * 1e6);
    }
    ours.agrees(&scratch);
    ours.running.stop(Duration::from_secs(60)).expect("stops");
    let print = |what: &str, name: &str, all: Vec<f64>| {
        let Ratios { low, median, high } = Ratios::of(all);
        println!("workload=views rows={rows} workers={workers} of={what} {name}={median:.1} q1={low:.1} q3={high:.1}");
    };
    print("scratch", "ratio", ratio);
    print("hand", "hand_ratio", hand_ratio);
    print("epoch", "epoch_us", epoch);
    print("answer", "answer_us", answer);
    print("scratch", "scratch_us", anew);
    print("hand", "hand_us", hand);
}
