//! Live bytes of each key, by a counting allocator. One `name=value` line a result.
//!
//! Each of 100,000 keys sends 100 readings at 1 Hz, neighbours in turned order. What is counted is what the job holds
//! once every row is received and every epoch is closed, less what was live before the first send.
#![allow(clippy::print_stdout, clippy::expect_used, missing_docs)]

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use peak_alloc::PeakAlloc;
use watchfire_benches::crane_by_hand;
use watchfire_benches::yardstick::{self, DISORDER_MS, Overload, OverloadWindow, Reading, SIZE_MS, SLIDE_MS};
use watchfire_engine::{Change, Compose, Data, EventTime, Job, Late, Receiver, Running, Skewed};
use watchfire_operators::alarm::Alarm;
use watchfire_operators::crane::{
    self, ChartBook, CraneAlarmConfig, CraneReading, EpisodeConfig, OverloadConfig, OverloadEpisode, OverloadEpisodes,
    RatedLoad, crane_alarms, overload_windows,
};
use watchfire_operators::window::{Sliding, WindowRow};

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

const KEYS: u32 = 100_000;
const SECONDS: u64 = 100;
const BATCH: u32 = 4_000;

/// Receives a whole output and drops it.
fn drain<O: Data>(running: &mut Running, name: &str) -> JoinHandle<u64> {
    let output: Receiver<O> = running.receiver(name).expect("has the channel");
    std::thread::spawn(move || output.rows().map(|_| 1).sum())
}

/// Feeds a job and reports what each key of it takes.
fn measure<T: Data>(
    flow: &str,
    job: &Job,
    reading: impl Fn(u64, u64) -> T,
    outputs: fn(&mut Running) -> Vec<JoinHandle<u64>>,
) {
    let mut running = job.start().expect("starts");
    let send = running.sender::<T>("readings").expect("has the channel");
    let mut others = outputs(&mut running);
    others.extend([drain::<Late<T>>(&mut running, "late"), drain::<Skewed<T>>(&mut running, "skewed")]);
    let before = ALLOCATOR.current_usage();
    for second in 0..SECONDS {
        for first in (0..KEYS).step_by(BATCH as usize) {
            let keys = first..(first + BATCH).min(KEYS);
            let turned = |key: u32| second ^ u64::from(key.is_multiple_of(3));
            send.send(keys.map(|key| reading(u64::from(key), turned(key))).collect()).expect("runs");
        }
    }
    let rows = u64::from(KEYS) * SECONDS;
    let is_done = || {
        let metrics = running.metrics();
        metrics.epochs_in_flight == 0 && metrics.operators.values().all(|operator| operator.rows_in == rows)
    };
    while !is_done() {
        std::thread::sleep(Duration::from_millis(20));
    }
    // The receiving threads drop the last rows after their epoch has closed.
    let mut after = ALLOCATOR.current_usage();
    loop {
        std::thread::sleep(Duration::from_millis(500));
        let settled = std::mem::replace(&mut after, ALLOCATOR.current_usage());
        if settled == after {
            break;
        }
    }
    let metrics = running.metrics();
    let keys: u64 = metrics.operators.values().map(|operator| operator.keys).sum();
    assert!(keys == u64::from(KEYS), "{keys} keys");
    running.stop(Duration::from_secs(60)).expect("stops");
    drop(send);
    let emitted: u64 = others.into_iter().map(|other| other.join().expect("receives")).sum();
    let bytes_per_key = after.saturating_sub(before) / KEYS as usize;
    println!("workload=memory flow={flow} keys={KEYS} bytes_per_key={bytes_per_key} rows_in={rows} rows_out={emitted}");
}

fn yardstick_flow() {
    let windows = Sliding::<u32, _>::new(SIZE_MS, SLIDE_MS, OverloadWindow).expect("valid lengths");
    let job = Job::new(move |flow| {
        let bounds = EventTime { disorder_ms: DISORDER_MS, ..EventTime::default() };
        let cranes = flow.channel::<Reading>("readings").key_by(|r| r.crane).event_time(bounds);
        let cranes = cranes.detect("overload", windows.clone());
        cranes.out.to_channel("windows");
        cranes.late.to_channel("late");
        cranes.skewed.to_channel("skewed");
    });
    measure("yardstick", &job, yardstick::reading, |running| {
        vec![drain::<Change<WindowRow<u32, Overload>>>(running, "windows")]
    });
}

fn crane_flow() {
    let book = Arc::new(ChartBook::new(vec![RatedLoad::qtz63()], &[], Some("QTZ63")).expect("a sound book"));
    let windows = overload_windows::<u32>(&OverloadConfig::default(), book.clone()).expect("the defaults are sound");
    let episodes =
        OverloadEpisodes::<u32>::new(EpisodeConfig::default(), book.clone()).expect("the defaults are sound");
    let alarms = crane_alarms(book, CraneAlarmConfig::default()).expect("the defaults are sound");
    let job = Job::new(move |flow| {
        let bounds = EventTime { disorder_ms: DISORDER_MS, ..EventTime::default() };
        let cranes = flow.channel::<CraneReading>("readings").key_by(|r| r.crane).event_time(bounds);
        let cranes = cranes.detect("overload", windows.clone().both(episodes.clone()).both(alarms.clone()));
        let ((windows, episodes), alarms) = cranes.out;
        windows.to_channel("windows");
        episodes.to_channel("episodes");
        alarms.to_channel("alarms");
        cranes.late.to_channel("late");
        cranes.skewed.to_channel("skewed");
    });
    let chart = RatedLoad::qtz63();
    measure(
        "crane",
        &job,
        |crane, second| crane_by_hand::reading(&chart, crane, second),
        |running| {
            vec![
                drain::<Change<WindowRow<u32, crane::OverloadWindow>>>(running, "windows"),
                drain::<Change<OverloadEpisode<u32>>>(running, "episodes"),
                drain::<Alarm<u32>>(running, "alarms"),
            ]
        },
    );
}

fn main() {
    let wish = std::env::args().skip_while(|a| a != "--flow").nth(1);
    let wants = |name: &str| wish.as_deref().is_none_or(|wish| wish == name);
    if wants("yardstick") {
        yardstick_flow();
    }
    if wants("crane") {
        crane_flow();
    }
}
