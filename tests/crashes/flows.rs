//! The flows that are to outlive their crashes.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use watchfire::connect::format::JsonLines;
use watchfire::crane::{
    Arrival, ChartBook, CraneAlarmConfig, CraneReading, EpisodeConfig, OverloadConfig, OverloadEpisodes, RatedLoad,
    SimConfig, Site, crane_alarms, overload_windows,
};
use watchfire::sink::CommitMode;
use watchfire::source::Replay;
use watchfire::testing::{FaultySink, FaultySource, World};
use watchfire::window::{Close, Sessions, count, sum};
use watchfire::{Compose, EventTime, Job, MergeSplits, TickSource, Timed};

use crate::Draw;

/// The rows of splits as lines of JSON, in a source that gives them again.
pub(crate) fn source<T: Serialize>(world: &World, splits: &[Vec<T>]) -> FaultySource {
    let line = |row: &T| serde_json::to_vec(row).unwrap();
    let lines = splits.iter().enumerate().map(|(n, rows)| (n.to_string(), rows.iter().map(line).collect()));
    world.source("in", Replay::Exact, lines)
}

pub(crate) fn two_phase(world: &World, name: &str) -> FaultySink {
    world.sink(name, CommitMode::TwoPhase)
}

/// Overload windows, episodes and alarms of a site's cranes.
pub(crate) struct Cranes(Vec<Vec<CraneReading>>);

impl Cranes {
    pub(crate) fn new() -> Self {
        let config = SimConfig { seed: 5, cranes: 4, duration_ms: 1_200_000, ..SimConfig::default() };
        // Heavier than the cranes may lift, so that there are alarms.
        let heavy = |Arrival { reading, .. }| CraneReading { load_kg: reading.load_kg * 1.8, ..reading };
        let readings = Site::new(config).unwrap().map(heavy);
        Cranes(vec![readings.collect()])
    }
}

impl Cranes {
    pub(crate) fn job(&self, world: &World) -> Job {
        let book = Arc::new(ChartBook::new(vec![RatedLoad::qtz63()], &[], Some("QTZ63")).unwrap());
        let windows = overload_windows::<u32>(&OverloadConfig::default(), book.clone()).unwrap();
        let episodes = OverloadEpisodes::<u32>::new(EpisodeConfig::default(), book.clone()).unwrap();
        let alarms = crane_alarms(book, CraneAlarmConfig::default()).unwrap();
        let source = source(world, &self.0);
        let [to_windows, to_alarms] = ["windows", "alarms"].map(|name| two_phase(world, name));
        let job = Job::new(move |flow| {
            let readings = flow.source::<CraneReading, _, _>("in", source.clone(), JsonLines::new()).rows;
            let watch = windows.clone().both(episodes.clone()).both(alarms.clone());
            let ((windows, _), alarms) = readings.key_by(|r| r.crane).detect("cranes", watch).out;
            windows.to_sink("windows", to_windows.clone(), JsonLines::new());
            alarms.to_sink("alarms", to_alarms.clone(), JsonLines::new());
        });
        job.ticks(TickSource::FROM_EVENTS)
    }
}

/// Somebody was seen somewhere.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Seen {
    at_ms: i64,
    who: u32,
    n: i64,
}

impl Timed for Seen {
    fn event_time_ms(&self) -> i64 {
        self.at_ms
    }
}

/// People who come and go: bursts, pauses, rows out of order, and now and then a clock that is far ahead.
fn seen(seed: u64, rows: i64) -> Vec<Seen> {
    let mut draw = Draw(seed);
    let mut at_ms = 0;
    let mut all = Vec::new();
    for n in 0..rows {
        at_ms += if draw.below(12) == 0 { 700 + draw.below(900) as i64 } else { draw.below(60) as i64 };
        let early_ms = if draw.below(5) == 0 { draw.below(350) as i64 } else { 0 };
        let ahead_ms = if draw.below(60) == 0 { 10_000_000 } else { 0 };
        all.push(Seen { at_ms: at_ms - early_ms + ahead_ms, who: draw.below(23) as u32, n });
    }
    all
}

const BOUNDS: EventTime =
    EventTime { disorder_ms: 300, max_skew_ms: 5_000, on_skew: watchfire::OnSkew::Divert, clock_wrong_after: 3 };
const TICKS: TickSource = TickSource::FromEvents { interval_ms: 50, max_jump_ms: 3_000 };

/// Sessions, and counts of their lengths behind them in a second operator.
pub(crate) struct Visits(Vec<Vec<Seen>>);

impl Visits {
    pub(crate) fn new() -> Self {
        Visits(vec![seen(3, 4_000)])
    }
}

impl Visits {
    pub(crate) fn job(&self, world: &World) -> Job {
        // Emitted when somebody has been quiet for a while, and corrected: timers count.
        let early = Close::Provisional { after_quiet_ms: 150, every_ms: 200, allowed_lateness_ms: 1_000 };
        let visits = Sessions::new(400, sum(|seen: &Seen| seen.n)).unwrap().close(early);
        let days = Sessions::new(5_000, count()).unwrap();
        let source = source(world, &self.0);
        let [to_visits, to_skewed, to_days] = ["visits", "skewed", "days"].map(|name| two_phase(world, name));
        let job = Job::new(move |flow| {
            let rows = flow.source::<Seen, _, _>("in", source.clone(), JsonLines::new()).rows;
            let visits = rows.key_by(|seen| seen.who).event_time(BOUNDS).detect("sessions", visits.clone());
            visits.out.clone().to_sink("visits", to_visits.clone(), JsonLines::new());
            visits.skewed.to_sink("skewed", to_skewed.clone(), JsonLines::new());
            let bounds = EventTime { disorder_ms: 2_000, ..BOUNDS };
            let by_five = visits.out.key_by(|visit| visit.row().key % 5).event_time(bounds);
            by_five.detect("stays", days.clone()).out.to_sink("days", to_days.clone(), JsonLines::new());
        });
        job.ticks(TICKS)
    }
}

/// Keys that come from three splits, merged into one order for a detector that depends on it.
pub(crate) struct ManySplits(Vec<Vec<Seen>>);

impl ManySplits {
    pub(crate) fn new() -> Self {
        ManySplits((10..13).map(|seed| seen(seed, 3_000)).collect())
    }
}

impl ManySplits {
    pub(crate) fn job(&self, world: &World) -> Job {
        let visits = Sessions::new(200, sum(|seen: &Seen| seen.n)).unwrap();
        let source = source(world, &self.0);
        let [to_visits, to_skewed] = ["visits", "skewed"].map(|name| two_phase(world, name));
        let job = Job::new(move |flow| {
            let merge = MergeSplits { disorder_ms: 500, ..MergeSplits::default() };
            let rows = flow.source_merged::<Seen, _, _>("in", source.clone().any_split(), JsonLines::new(), merge).rows;
            let visits = rows.key_by(|seen| seen.who).event_time(BOUNDS).detect("sessions", visits.clone());
            visits.out.to_sink("visits", to_visits.clone(), JsonLines::new());
            visits.skewed.to_sink("skewed", to_skewed.clone(), JsonLines::new());
        });
        job.ticks(TICKS)
    }
}
