//! Runs window detectors through real jobs and shows everything that entered and left in one order.
//!
//! A flow made by [`job`] writes a log: every row and every tick in ingest order, each followed by the changes that it
//! caused. A reference reads the rows and ticks of the log and says which changes must follow.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub mod aggregates;
pub mod draw;
pub mod log;
pub mod model;
pub mod sessions;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use watchfire_engine::source::KeyPlacement;
use watchfire_engine::{
    Change, ChannelIn, ChannelOut, Context, Data, Describe, Detector, END_MS, EventTime, Job, Key, Late, MergeSplits,
    Metrics, Receiver, Recording, Running, Sender, Skewed, State, TickSource, Timed, Verdict, rkyv,
};
use watchfire_operators::window::WindowRow;

/// So many cases, or as many as `PROPTEST_CASES` says.
pub fn cases(cases: u32) -> proptest::test_runner::Config {
    let default = proptest::test_runner::Config::default();
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { default.cases } else { cases };
    proptest::test_runner::Config { cases, failure_persistence: None, ..default }
}

/// The rows of all tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Reading {
    pub key: u32,
    pub at_ms: i64,
    pub value: i64,
    pub id: u32,
}

impl Timed for Reading {
    fn event_time_ms(&self) -> i64 {
        self.at_ms
    }
}

/// Rows of one key at these times, numbered from 0, with values that differ.
pub fn readings(key: u32, times: &[i64]) -> Vec<Reading> {
    let row =
        |(id, at_ms): (usize, &i64)| Reading { key, at_ms: *at_ms, value: (id as i64 * 7919) % 101, id: id as u32 };
    times.iter().enumerate().map(row).collect()
}

/// One entry of the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Seen<V> {
    Row(Reading),
    Tick(i64),
    /// The tick before the row that stands before this; put right when the run has ended.
    TickBefore(i64),
    /// All rows have come.
    End,
    Change(Change<WindowRow<u32, V>>),
}

/// How a flow is set up.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    pub bounds: EventTime,
    pub ticks: TickSource,
    pub merge: Option<MergeSplits>,
    pub epoch_rows: usize,
}

impl Setting {
    /// A disorder bound, ticks of a second from the rows, and no row from the future.
    pub fn disorder(disorder_ms: i64) -> Self {
        Setting {
            bounds: EventTime { disorder_ms, max_skew_ms: i64::MAX, ..EventTime::default() },
            ticks: TickSource::FromEvents { interval_ms: 1_000, max_jump_ms: i64::MAX / 4 },
            merge: None,
            epoch_rows: 64,
        }
    }
}

/// The key of the ticker: its place is before that of every other key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct First;
impl Key for First {
    fn stable_hash(&self) -> u64 {
        0
    }
}

/// Emits every tick, the one before the first row with that row, and the end.
#[derive(Debug)]
pub struct Ticks;

#[derive(Clone, Debug, Default, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct Begun(bool);
impl State for Begun {
    const NAME: &'static str = "begun";
    const VERSION: u32 = 1;
}

impl Detector for Ticks {
    type Key = First;
    type In = Reading;
    type Out = Seen<()>;
    type State = Begun;
    fn describe(&self) -> Describe {
        Describe { kind: "ticks", params: String::new(), ordered: false }
    }
    fn on_row(&self, begun: &mut Begun, _: &Reading, cx: &mut Context<'_, First, Seen<()>>) -> Verdict {
        if !std::mem::replace(&mut begun.0, true) && cx.arrival_ms() != i64::MIN {
            cx.emit(Seen::TickBefore(cx.arrival_ms()));
        }
        cx.wake_at_quiet_ms(cx.quiet_ms().saturating_add(1));
        cx.wake_at_event_ms(END_MS - 1);
        Verdict::Applied
    }
    fn on_watermark(&self, _: &mut Begun, cx: &mut Context<'_, First, Seen<()>>) {
        cx.emit(Seen::End);
    }
    fn on_quiet(&self, _: &mut Begun, cx: &mut Context<'_, First, Seen<()>>) {
        cx.emit(Seen::Tick(cx.arrival_ms()));
        cx.wake_at_quiet_ms(cx.quiet_ms().saturating_add(1));
    }
}

pub const ROOM: ChannelOut = ChannelOut { capacity_epochs: 1 << 16, by_epoch: false };

/// A job that runs one window detector over the channel `rows`.
pub fn job<V, D>(setting: Setting, detector: impl Fn() -> D + Send + Sync + 'static) -> Job
where
    V: Data,
    D: Detector<Key = u32, In = Reading, Out = Change<WindowRow<u32, V>>>,
{
    let Setting { bounds, ticks, merge, epoch_rows } = setting;
    let build = move |flow: &watchfire_engine::Flow<'_>| {
        let rows = match merge {
            Some(merge) => {
                let config = ChannelIn { key_placement: KeyPlacement::AnySplit, ..ChannelIn::default() };
                flow.channel_merged::<Reading>("rows", config, merge)
            }
            None => flow.channel::<Reading>("rows"),
        };
        let windows = rows.clone().key_by(|row| row.key).event_time(bounds).detect("windows", detector());
        let ticks = rows.clone().key_by(|_| First).event_time(bounds).detect("ticks", Ticks);
        let entered = rows.map(Seen::Row).union(ticks.out.map(|seen| match seen {
            Seen::Tick(ms) => Seen::Tick(ms),
            Seen::TickBefore(ms) => Seen::TickBefore(ms),
            _ => Seen::End,
        }));
        entered.union(windows.out.map(Seen::Change)).to_channel_with("log", ROOM);
        windows.late.to_channel_with("late", ROOM);
        windows.skewed.to_channel_with("skewed", ROOM);
    };
    Job::new(build).ticks(ticks).epoch_rows_max(epoch_rows).record()
}

/// One step of the host.
#[derive(Clone, Debug)]
pub enum Feed {
    /// Sends a batch by this split.
    Rows(u32, Vec<Reading>),
    /// Ends this split.
    End(u32),
    /// Waits until so many changes have come.
    Await(usize),
}

/// Batches of at most `size` rows, all by split 0.
pub fn batches(rows: &[Reading], size: usize) -> Vec<Feed> {
    rows.chunks(size).map(|part| Feed::Rows(0, part.to_vec())).collect()
}

/// What came of a run.
#[derive(Debug)]
pub struct Ran<V> {
    pub log: Vec<Seen<V>>,
    pub late: Vec<Late<Reading>>,
    pub skewed: Vec<Skewed<Reading>>,
    pub metrics: Metrics,
    pub recording: Recording,
}

impl<V: Clone + Ord> Ran<V> {
    /// All changes, in order.
    pub fn changes(&self) -> Vec<Change<WindowRow<u32, V>>> {
        self.log
            .iter()
            .filter_map(|seen| if let Seen::Change(change) = seen { Some(change.clone()) } else { None })
            .collect()
    }

    /// What holds in the end.
    pub fn consolidated(&self) -> Vec<(WindowRow<u32, V>, i64)> {
        Change::consolidate(self.changes())
    }

    /// The numbers of the late rows of a key, in order.
    pub fn late_of(&self, key: u32) -> Vec<u32> {
        self.late.iter().filter(|late| late.row.key == key).map(|late| late.row.id).collect()
    }

    /// The entries that concern a key.
    pub fn log_of(&self, key: u32) -> Vec<Seen<V>> {
        let of_key = |seen: &&Seen<V>| match seen {
            Seen::Row(row) => row.key == key,
            Seen::Tick(_) | Seen::TickBefore(_) | Seen::End => true,
            Seen::Change(change) => change.row().key == key,
        };
        self.log.iter().filter(of_key).cloned().collect()
    }
}

/// Runs a job over what a host feeds it. With several splits every step waits until the one before has entered, so that
/// the ingest order is the order of the steps.
pub fn run<V: Data>(job: &Job, feeds: &[Feed]) -> Ran<V> {
    let mut running = job.start().unwrap();
    let first = running.sender::<Reading>("rows").unwrap();
    let log = running.receiver::<Seen<V>>("log").unwrap();
    let mut seen = Vec::new();
    let ids = feeds.iter().filter_map(|feed| if let Feed::Rows(split, _) = feed { Some(*split) } else { None });
    let ids: std::collections::BTreeSet<u32> = ids.collect();
    let mut splits: BTreeMap<u32, Sender<Reading>> =
        ids.iter().skip(1).map(|id| (*id, first.another_split())).collect();
    splits.insert(ids.first().copied().unwrap_or(0), first);
    let mut sent = 0;
    for feed in feeds {
        match feed {
            Feed::Rows(split, rows) => {
                sent += rows.len() as u64;
                splits[split].send(rows.clone()).unwrap();
                if ids.len() > 1 {
                    until(|| running.metrics().sources["rows"].read == sent);
                }
            }
            Feed::End(split) => drop(splits.remove(split).unwrap()),
            Feed::Await(changes) => until(|| {
                seen.extend(log.try_recv().unwrap().into_iter().flat_map(|output| output.rows));
                seen.iter().filter(|seen| matches!(seen, Seen::Change(_))).count() >= *changes
            }),
        }
    }
    drop(splits);
    finish(running, seen, &log)
}

fn until(mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(30), "what was waited for did not happen");
        std::thread::sleep(Duration::from_micros(200));
    }
}

fn finish<V: Data>(mut running: Running, mut seen: Vec<Seen<V>>, log: &Receiver<Seen<V>>) -> Ran<V> {
    let late = running.receiver::<Late<Reading>>("late").unwrap();
    let skewed = running.receiver::<Skewed<Reading>>("skewed").unwrap();
    seen.extend(rest(&mut running, log));
    let (late, skewed) = (rest(&mut running, &late), rest(&mut running, &skewed));
    let metrics = running.wait().unwrap();
    if let Some(at) = seen.iter().position(|seen| matches!(seen, Seen::TickBefore(_)))
        && let Seen::TickBefore(ms) = seen.remove(at)
    {
        seen.insert(at - 1, Seen::Tick(ms));
    }
    Ran { log: seen, late, skewed, metrics, recording: running.recording().unwrap_or_default() }
}

/// All rows until the job ends. A job that fails must not be waited for.
fn rest<T: Data>(running: &mut Running, receiver: &Receiver<T>) -> Vec<T> {
    let mut all = Vec::new();
    loop {
        match receiver.recv_timeout(Duration::from_millis(100)) {
            Ok(Some(output)) => all.extend(output.rows),
            Ok(None) if running.failed() => panic!("{}", running.wait().unwrap_err()),
            Ok(None) => {}
            Err(_) => return all,
        }
    }
}

/// Runs a recording again, and recovery is rehearsed all the time.
pub fn again<V: Data>(job: &Job, recording: &Recording, workers: usize) -> Ran<V> {
    let mut running = job.clone().workers(workers).rehearse_recovery(1).replay(recording).unwrap();
    let log = running.receiver::<Seen<V>>("log").unwrap();
    finish(running, Vec::new(), &log)
}

/// Runs a job, checks its books, and checks that its outputs are the same to the row whatever the epochs and workers.
pub fn run_all_ways<V: Data + PartialEq>(job: &Job, feeds: &[Feed], seed: u64) -> Ran<V> {
    let ran = run::<V>(job, feeds);
    books_balance(&ran);
    for (one_in, workers) in [(2 + seed % 5, 1 + (seed % 3) as usize), (1 << 30, 4 - (seed % 3) as usize)] {
        let other = again::<V>(job, &ran.recording.recut(seed, one_in), workers);
        model::same(&other.log, &ran.log, &format!("log, cut one in {one_in}, {workers} workers"));
        assert_eq!(other.late, ran.late, "cut one in {one_in}, {workers} workers");
        assert_eq!(other.skewed, ran.skewed, "cut one in {one_in}, {workers} workers");
        assert_eq!(other.metrics.operators, ran.metrics.operators, "cut one in {one_in}, {workers} workers");
    }
    ran
}

/// Every row that came in is accounted for once, and those that were turned away are in their outputs.
pub fn books_balance<V>(ran: &Ran<V>) {
    let books = &ran.metrics.operators["windows"];
    let of = books.detectors[0];
    assert_eq!(books.rows_in, of.applied + of.late + of.duplicate + books.skewed + books.out_of_bound);
    let entered = ran.log.iter().filter(|seen| matches!(seen, Seen::Row(_))).count() as u64;
    let emitted = ran.log.iter().filter(|seen| matches!(seen, Seen::Change(_))).count() as u64;
    assert_eq!((books.rows_in, of.emitted), (entered, emitted));
    assert_eq!(ran.late.len() as u64, of.late + books.out_of_bound);
    assert_eq!(ran.skewed.iter().filter(|row| !row.corrected).count() as u64, books.skewed);
}
