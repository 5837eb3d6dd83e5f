//! Readings of cranes through overload statistics and episodes, in one job.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use watchfire_engine::{
    Change, Data, DetectorMetrics, EventTime, Job, Metrics, OnSkew, Receiver, Recording, Running, TickSource,
};
use watchfire_operators::crane::{
    ChartBook, CraneReading, EpisodeConfig, EpisodeEnd, OverloadConfig, OverloadEpisode, OverloadEpisodes,
    OverloadWindow, RatedLoad, ReevingStats, overload_windows,
};
use watchfire_operators::window::{Close, WindowRow};

use crate::input::{Input, Walk};
use crate::restored::Restored;

/// Readings of one input.
const READINGS_MAX: usize = 64;

type Window = WindowRow<u32, OverloadWindow>;
type Episode = OverloadEpisode<u32>;

/// Settings, then readings with numbers and times of all kinds: sums fit into their windows and episodes, ratios are finite
/// shares, changes are legal, books balance, and everything is the same to the row when the input is cut otherwise, run by
/// other workers, and every state is written down and read back after every call.
pub fn cranes(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let plan = Plan::draw(&mut input);
    let (ran, recording) = plan.run();
    for change in &ran.windows {
        check_window(change.row(), &plan.overload);
    }
    for change in &ran.episodes {
        check_episode(change.row(), &plan.episode);
    }
    legal(&ran.windows);
    legal(&ran.episodes);
    check_books(&ran.metrics, plan.readings.len() as u64);
    let other = plan.again(&recording);
    assert_eq!(other.windows, ran.windows, "windows, restored and cut otherwise");
    assert_eq!(other.episodes, ran.episodes, "episodes, restored and cut otherwise");
    assert_eq!(other.metrics.operators, ran.metrics.operators, "books, restored and cut otherwise");
}

#[derive(Clone)]
struct Plan {
    overload: OverloadConfig,
    episode: EpisodeConfig,
    close: Close,
    bounds: EventTime,
    seed: u64,
    readings: Vec<CraneReading>,
}

struct Ran {
    windows: Vec<Change<Window>>,
    episodes: Vec<Change<Episode>>,
    metrics: Metrics,
}

impl Plan {
    fn draw(input: &mut Input<'_>) -> Plan {
        let mut overload = OverloadConfig::default();
        let slide_ms = i64::from(input.u8()) * 40 + 1;
        let panes = i64::from(input.below(12)) + 1;
        (overload.slide_ms, overload.size_ms) = (slide_ms, slide_ms * panes);
        overload.max_gap_ms = 1 + i64::from(input.u16()) % slide_ms;
        let mut episode = EpisodeConfig { max_gap_ms: overload.max_gap_ms, ..EpisodeConfig::default() };
        episode.merge_gap_ms = i64::from(input.u8()) * 20;
        episode.min_duration_ms = i64::from(input.u8()) * 10;
        episode.max_silence_ms = episode.max_gap_ms + i64::from(input.u16());
        episode.allowed_lateness_ms = i64::from(input.u16()) * 4;
        episode.open_after_ms = i64::from(input.u8()) * 50;
        let patience_ms = input.span_ms().clamp(0, i64::MAX / 4);
        let close = match input.below(3) {
            0 => Close::Final,
            1 => Close::Hold { max_ms: patience_ms },
            _ => Close::Provisional { after_quiet_ms: patience_ms, every_ms: 100, allowed_lateness_ms: slide_ms },
        };
        let max_skew_ms = if input.flag() { 60_000 } else { i64::MAX };
        let disorder_ms = i64::from(input.u8()) * 8;
        let bounds = EventTime { disorder_ms, max_skew_ms, on_skew: OnSkew::Divert, ..EventTime::default() };
        let seed = u64::from(input.u8());
        Plan { overload, episode, close, bounds, seed, readings: draw_readings(input) }
    }

    fn job(&self, restored: bool) -> Job {
        let plan = self.clone();
        let listed: Vec<(u32, &str)> = (0..3).map(|crane| (crane, "QTZ63")).collect();
        let book = Arc::new(ChartBook::new(vec![RatedLoad::qtz63()], &listed, None).expect("a sound book"));
        let ticks = TickSource::FromEvents { interval_ms: 500, max_jump_ms: i64::MAX / 4 };
        let build = move |flow: &watchfire_engine::Flow<'_>| {
            let windows = overload_windows::<u32>(&plan.overload, book.clone()).expect("sound settings");
            let windows = windows.close(plan.close);
            let episodes = OverloadEpisodes::new(plan.episode.clone(), book.clone()).expect("sound settings");
            let readings = flow.channel::<CraneReading>("readings");
            let keyed = |bounds| readings.clone().key_by(|r: &CraneReading| r.crane).event_time(bounds);
            if restored {
                keyed(plan.bounds).detect("overload windows", Restored(windows)).out.to_channel("windows");
                keyed(plan.bounds).detect("overload episodes", Restored(episodes)).out.to_channel("episodes");
            } else {
                keyed(plan.bounds).detect("overload windows", windows).out.to_channel("windows");
                keyed(plan.bounds).detect("overload episodes", episodes).out.to_channel("episodes");
            }
        };
        // No epoch waits for a receiver that is read after another.
        Job::new(build)
            .ticks(ticks)
            .epoch_rows_max(1 + (self.seed % 64) as usize)
            .epochs_in_flight_max(1 << 20)
            .record()
    }

    fn run(&self) -> (Ran, Recording) {
        let mut running = self.job(false).start().expect("the job starts");
        let sender = running.sender::<CraneReading>("readings").expect("the channel is there");
        let ran = collect(running, || {
            for batch in self.readings.chunks(1 + (self.seed % 9) as usize) {
                sender.send(batch.to_vec()).expect("the job runs");
            }
            drop(sender);
        });
        (ran.0, ran.1.recording().expect("the job was recorded"))
    }

    fn again(&self, recording: &Recording) -> Ran {
        let job = self.job(true).workers(1 + (self.seed % 3) as usize);
        collect(job.replay(&recording.recut(self.seed, 1 + self.seed % 5)).expect("the same flow"), || {}).0
    }
}

fn collect(mut running: Running, feed: impl FnOnce()) -> (Ran, Running) {
    let windows = running.receiver("windows").expect("the channel is there");
    let episodes = running.receiver("episodes").expect("the channel is there");
    let (windows, episodes) = std::thread::scope(|scope| {
        let windows = scope.spawn(|| rest(&windows));
        let episodes = scope.spawn(|| rest(&episodes));
        feed();
        let metrics = running.wait();
        metrics.map(|_| ()).expect("the job ends well");
        (windows.join().expect("no panic"), episodes.join().expect("no panic"))
    });
    (Ran { windows, episodes, metrics: running.metrics() }, running)
}

fn rest<T: Data>(receiver: &Receiver<T>) -> Vec<T> {
    let mut all = Vec::new();
    // An error says that the job has ended, well or not.
    while let Ok(output) = receiver.recv_timeout(Duration::from_millis(100)) {
        all.extend(output.into_iter().flat_map(|output| output.rows));
    }
    all
}

fn draw_readings(input: &mut Input<'_>) -> Vec<CraneReading> {
    let mut walk = Walk::from(1_000_000);
    let mut readings = Vec::new();
    while !input.is_empty() && readings.len() < READINGS_MAX {
        let op = input.u8();
        let at_ms = walk.next(input);
        let reeving = if op & 4 == 0 { 4 } else { input.u8() };
        let radius_m = if op & 8 == 0 { 20.0 } else { input.number() };
        // QTZ63 lifts 3,920 kg at 20 m: a byte goes from nothing to a fifth more than that.
        let load_kg = if op & 16 == 0 { f64::from(input.u8()) * 18.5 } else { input.number() };
        // Crane 3 has no chart.
        let mut reading = CraneReading::new(u32::from(op & 3), at_ms, load_kg, radius_m, reeving);
        if op & 32 != 0 {
            (reading.wind_mps, reading.hook_height_m) = (Some(input.number()), Some(input.number()));
            reading.operator = Some(u32::from(input.u16()));
        }
        // The same reading again.
        let twice = if op & 192 == 192 { 2 } else { 1 };
        readings.extend(std::iter::repeat_n(reading, twice));
    }
    readings
}

fn is_share(share: f64) -> bool {
    (0.0..=1.0).contains(&share)
}

fn check_window(row: &Window, config: &OverloadConfig) {
    let (span, value) = (row.span, &row.value);
    assert_eq!(span.end_ms - span.start_ms, config.size_ms);
    assert!(value.covered_ms >= 0 && value.unknown_ms >= 0, "{row:?}");
    assert!(value.covered_ms + value.unknown_ms <= config.size_ms, "more than the window: {row:?}");
    assert!(is_share(value.coverage.get()), "{row:?}");
    let sum = |of: fn(&ReevingStats) -> i64| value.stretches().map(of).sum::<i64>();
    assert_eq!((sum(|s| s.covered_ms), sum(|s| s.unknown_ms)), (value.covered_ms, value.unknown_ms), "{row:?}");
    for stats in value.stretches() {
        assert!(stats.above_ms.is_sorted_by(|low, high| low >= high), "more time above the higher: {row:?}");
        assert!(stats.above_ms.iter().all(|ms| (0..=stats.covered_ms).contains(ms)), "{row:?}");
        assert!((0..=stats.above_ms[3]).contains(&stats.beyond_jib_ms), "{row:?}");
        assert!((span.start_ms..span.end_ms).contains(&stats.from_ms), "{row:?}");
        assert!(stats.max_at_ms.is_none_or(|at_ms| (span.start_ms..span.end_ms).contains(&at_ms)), "{row:?}");
        assert!(stats.unknown_readings + stats.beyond_jib_readings <= stats.readings, "{row:?}");
        let (mean, max) = (stats.mean_utilisation, stats.max_utilisation);
        assert!(mean.is_none_or(|mean| mean.get().is_finite() && max.is_some_and(|max| mean <= max)), "{row:?}");
        assert!(max.is_none_or(|max| max.get().abs() <= 2_147.0), "{row:?}");
    }
}

fn check_episode(row: &Episode, config: &EpisodeConfig) {
    let length_ms = row.end_ms - row.start_ms;
    assert!(length_ms >= config.min_duration_ms, "{row:?}");
    assert!(row.covered_ms >= 0 && row.unknown_ms >= 0 && row.covered_ms + row.unknown_ms <= length_ms, "{row:?}");
    assert!((0..=row.covered_ms).contains(&row.over_ms) && (0..=row.over_ms).contains(&row.beyond_jib_ms), "{row:?}");
    assert!(is_share(row.coverage.get()) && row.readings > 0, "{row:?}");
    assert!((row.start_ms..=row.end_ms).contains(&row.peak_at_ms), "{row:?}");
    assert!(row.peak.is_none_or(|peak| config.enter_at - 1e-6 <= peak.get() && peak.get() <= 2_147.0), "{row:?}");
    assert!(row.mean.is_none_or(|mean| mean.get().is_finite() && row.peak.is_none_or(|peak| mean <= peak)), "{row:?}");
    assert!(row.peak.is_some() || row.beyond_jib_ms > 0 || row.end == EpisodeEnd::Open || length_ms == 0, "{row:?}");
    assert!(row.excess_millionth_ms >= 0, "{row:?}");
}

/// Only what holds is taken back, and nothing is inserted twice.
fn legal<T: Ord + Clone + Debug>(changes: &[Change<T>]) {
    let mut held = BTreeSet::new();
    for change in changes {
        match change {
            Change::Insert(row) => assert!(held.insert(row.clone()), "inserted twice: {row:?}"),
            Change::Retract(row) => assert!(held.remove(row), "retracted, and does not hold: {row:?}"),
        }
    }
}

fn check_books(metrics: &Metrics, sent: u64) {
    for (name, books) in &metrics.operators {
        let DetectorMetrics { applied, late, duplicate, .. } = books.detectors[0];
        assert_eq!(books.rows_in, sent, "{name}");
        assert_eq!(books.rows_in, applied + late + duplicate + books.skewed + books.out_of_bound, "{name}");
    }
}
