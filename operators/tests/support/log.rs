//! Any detector over [`Reading`]s, with everything that entered and left in one order.

use serde::{Deserialize, Serialize};
use watchfire_engine::{Data, Detector, EventTime, Job, Late, Running, TickSource};

use super::{First, ROOM, Reading, Seen, Ticks};

/// Rows and ticks in ingest order, each followed by what it caused.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Log<O> {
    Row(Reading),
    Clock(Seen<()>),
    Told(O),
}

/// What came of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Said<O> {
    pub log: Vec<Log<O>>,
    pub late: Vec<Late<Reading>>,
    pub duplicates: u64,
}

impl<O> Said<O> {
    pub fn told(&self) -> Vec<&O> {
        self.log.iter().filter_map(|entry| if let Log::Told(told) = entry { Some(told) } else { None }).collect()
    }

    pub fn rows(&self) -> Vec<Reading> {
        self.log.iter().filter_map(|entry| if let Log::Row(row) = entry { Some(*row) } else { None }).collect()
    }
}

/// A job that runs one detector over the channel `rows`.
pub fn job<D>(disorder_ms: i64, detector: impl Fn() -> D + Send + Sync + 'static) -> Job
where
    D: Detector<Key = u32, In = Reading>,
{
    let bounds = EventTime { max_skew_ms: i64::MAX, disorder_ms, ..EventTime::default() };
    let build = move |flow: &watchfire_engine::Flow<'_>| {
        let rows = flow.channel::<Reading>("rows");
        let found = rows.clone().key_by(|row| row.key).event_time(bounds).detect("detector", detector());
        let ticks = rows.clone().key_by(|_| First).event_time(bounds).detect("ticks", Ticks);
        let entered = rows.map(Log::Row).union(ticks.out.map(Log::Clock));
        entered.union(found.out.map(Log::Told)).to_channel_with("log", ROOM);
        found.late.to_channel_with("late", ROOM);
    };
    Job::new(build).ticks(TickSource::FromEvents { interval_ms: 1_000, max_jump_ms: i64::MAX / 4 })
}

/// Waits for the end.
pub fn said<O: Data>(running: &mut Running) -> Said<O> {
    let mut log: Vec<Log<O>> = running.receiver::<Log<O>>("log").unwrap().rows().collect();
    let late = running.receiver::<Late<Reading>>("late").unwrap().rows().collect();
    let metrics = running.wait().unwrap();
    // The tick before the first row is told with it.
    if let Some(at) = log.iter().position(|entry| matches!(entry, Log::Clock(Seen::TickBefore(_))))
        && let Log::Clock(Seen::TickBefore(ms)) = log.remove(at)
    {
        log.insert(at - 1, Log::Clock(Seen::Tick(ms)));
    }
    Said { log, late, duplicates: metrics.operators["detector"].detectors[0].duplicate }
}

/// What is said of rows that come like this; the same cut otherwise, with two workers, and with every state stored and read back after every epoch.
pub fn all_ways<O: Data + PartialEq>(job: &Job, rows: &[Reading], seed: u64) -> Said<O> {
    let mut running = job.clone().record().start().unwrap();
    let sender = running.sender::<Reading>("rows").unwrap();
    rows.chunks(20).for_each(|rows| sender.send(rows.to_vec()).unwrap());
    drop(sender);
    let straight = said(&mut running);
    let recording = running.recording().unwrap();
    let mut again = job.clone().workers(2).rehearse_recovery(1).replay(&recording.recut(seed, 3)).unwrap();
    assert_eq!(said::<O>(&mut again), straight);
    straight
}
