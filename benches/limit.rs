//! How near the engine comes to a loop written by hand for nothing else. One `name=value` line a result.
#![allow(clippy::print_stdout, clippy::expect_used, missing_docs)]

use std::time::{Duration, Instant};

use watchfire_benches::pairs::ratios;
use watchfire_benches::yardstick::{
    DISORDER_MS, Overload, OverloadWindow, Reading, Rows, SIZE_MS, SLIDE_MS, by_hand, generate,
};
use watchfire_engine::{Change, EventTime, Job};
use watchfire_operators::window::{Sliding, WindowRow};

const BATCH: usize = 4_096;

fn job(workers: usize) -> Job {
    Job::new(|flow| {
        let windows = Sliding::new(SIZE_MS, SLIDE_MS, OverloadWindow).expect("valid lengths");
        let cranes = flow
            .channel::<Reading>("readings")
            .key_by(|r| r.crane)
            .event_time(EventTime { disorder_ms: DISORDER_MS, ..EventTime::default() })
            .detect("overload", windows);
        cranes.out.to_channel("windows");
        cranes.late.to_channel("late");
        cranes.skewed.to_channel("skewed");
    })
    .workers(workers)
}

/// From the first send to the last row received, batches built outside the clock.
fn by_engine(readings: &[Reading], workers: usize) -> (Duration, Rows) {
    let batches: Vec<Vec<Reading>> = readings.chunks(BATCH).map(<[Reading]>::to_vec).collect();
    let mut running = job(workers).start().expect("starts");
    let send = running.sender::<Reading>("readings").expect("has the channel");
    let windows = running.receiver::<Change<WindowRow<u32, Overload>>>("windows").expect("has the channel");
    let _late = running.receiver::<watchfire_engine::Late<Reading>>("late").expect("has the channel");
    let _skewed = running.receiver::<watchfire_engine::Skewed<Reading>>("skewed").expect("has the channel");
    let received = std::thread::spawn(move || {
        let mut rows = Rows::default();
        for change in windows.rows() {
            let row = change.row();
            rows.push(row.key, row.span.end_ms, &row.value);
        }
        (rows, Instant::now())
    });
    let start = Instant::now();
    for batch in batches {
        send.send(batch).expect("runs");
    }
    drop(send);
    let (rows, end) = received.join().expect("receives");
    running.wait().expect("ends well");
    (end - start, rows)
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let arg = |name: &str, default: usize| {
        args.iter().position(|a| a == name).and_then(|i| args.get(i + 1)?.parse().ok()).unwrap_or(default)
    };
    let (n, pairs) = (arg("--readings", 10_000_000), arg("--pairs", 15));
    let only = |name: &str, value: usize| arg(name, value) == value;
    for cranes in [1_000, 100_000] {
        if !only("--cranes", cranes as usize) {
            continue;
        }
        let readings = generate(cranes, n);
        for workers in [1, 2] {
            if !only("--workers", workers) {
                continue;
            }
            let (mut rows, mut expected) = (Rows::default(), Rows::default());
            let (mut hand_ms, mut engine_ms) = (Vec::new(), Vec::new());
            let r = ratios(
                pairs,
                || {
                    let clock = Instant::now();
                    expected = by_hand(&readings);
                    hand_ms.push(clock.elapsed().as_millis());
                    clock.elapsed()
                },
                || {
                    let (time, found) = by_engine(&readings, workers);
                    rows = found;
                    engine_ms.push(time.as_millis());
                    time
                },
            );
            assert!(rows == expected, "the engine's rows differ: {rows:?}, by hand {expected:?}");
            hand_ms.sort_unstable();
            engine_ms.sort_unstable();
            println!(
                "workload=yardstick cranes={cranes} workers={workers} ratio={:.2} low={:.2} high={:.2} rows={} checksum={:016x} hand_ms={} engine_ms={}",
                r.median,
                r.low,
                r.high,
                rows.count,
                rows.checksum,
                hand_ms[hand_ms.len() / 2],
                engine_ms[engine_ms.len() / 2]
            );
        }
    }
}
