//! The yardstick, written as a user's aggregate in the public API, against the loop by hand.

use std::time::Instant;

use watchfire_benches::pairs::ratios;
use watchfire_benches::yardstick::{
    DISORDER_MS, Overload, OverloadWindow, Reading, Rows, SIZE_MS, SLIDE_MS, by_hand, generate,
};
use watchfire_engine::{Change, EventTime, Job};
use watchfire_operators::window::{Sliding, WindowRow};

use crate::{Args, report, timed};

pub fn job(windows: Sliding<u32, OverloadWindow>) -> Job {
    Job::new(move |flow| {
        let cranes = flow
            .channel::<Reading>("readings")
            .key_by(|r| r.crane)
            .event_time(EventTime { disorder_ms: DISORDER_MS, ..EventTime::default() })
            .detect("overload", windows.clone());
        cranes.out.to_channel("windows");
        cranes.late.to_channel("late");
        cranes.skewed.to_channel("skewed");
    })
}

pub fn gather(rows: &mut Rows, change: Change<WindowRow<u32, Overload>>) {
    let row = change.row();
    rows.push(row.key, row.span.end_ms, &row.value);
}

pub fn run(args: &Args) {
    for cranes in [1_000, 100_000] {
        if !args.wants("--cranes", cranes as usize) {
            continue;
        }
        let readings = generate(cranes, args.readings());
        for workers in [1, 2] {
            if args.wants("--workers", workers) {
                compare(&readings, cranes, workers, args.pairs());
            }
        }
    }
}

fn compare(readings: &[Reading], cranes: u32, workers: usize, pairs: usize) {
    let job = job(Sliding::new(SIZE_MS, SLIDE_MS, OverloadWindow).expect("valid lengths")).workers(workers);
    let (mut rows, mut expected) = (Rows::default(), Rows::default());
    let (mut hand_ms, mut engine_ms) = (Vec::new(), Vec::new());
    let ratios = ratios(
        pairs,
        || {
            let clock = Instant::now();
            expected = by_hand(readings);
            hand_ms.push(clock.elapsed().as_millis());
            clock.elapsed()
        },
        || {
            let (time, found) = timed(&job, readings, gather);
            rows = found;
            engine_ms.push(time.as_millis());
            time
        },
    );
    assert!(rows == expected, "the engine's rows differ: {rows:?}, by hand {expected:?}");
    hand_ms.sort_unstable();
    engine_ms.sort_unstable();
    let (hand_ms, engine_ms) = (hand_ms[hand_ms.len() / 2], engine_ms[engine_ms.len() / 2]);
    let more = format!(" rows={} checksum={:016x} hand_ms={hand_ms} engine_ms={engine_ms}", rows.count, rows.checksum);
    report(&format!("workload=yardstick cranes={cranes} workers={workers}"), ratios, &more);
}
