//! The shipped crane window against a hand loop of the same statistics.

use std::sync::Arc;
use std::time::Instant;

use watchfire_benches::crane_by_hand::{CraneRows, by_hand, generate};
use watchfire_benches::pairs::ratios;
use watchfire_benches::yardstick::DISORDER_MS;
use watchfire_engine::{Change, EventTime, Job};
use watchfire_operators::crane::{
    ChartBook, CraneReading, OverloadConfig, OverloadWindow, RatedLoad, overload_windows,
};
use watchfire_operators::window::WindowRow;

use crate::{Args, report, timed};

const CRANES: u32 = 1_000;

fn job() -> Job {
    let book = ChartBook::new(vec![RatedLoad::qtz63()], &[], Some("QTZ63")).expect("a sound book");
    let windows = overload_windows::<u32>(&OverloadConfig::default(), Arc::new(book)).expect("the defaults are sound");
    Job::new(move |flow| {
        let bounds = EventTime { disorder_ms: DISORDER_MS, ..EventTime::default() };
        let cranes = flow.channel::<CraneReading>("readings").key_by(|r| r.crane).event_time(bounds);
        let cranes = cranes.detect("overload", windows.clone());
        cranes.out.to_channel("windows");
        cranes.late.to_channel("late");
        cranes.skewed.to_channel("skewed");
    })
}

fn gather(rows: &mut CraneRows, change: Change<WindowRow<u32, OverloadWindow>>) {
    rows.push_row(change.row());
}

pub fn run(args: &Args) {
    let readings = generate(CRANES, args.readings());
    let job = job();
    let (mut rows, mut expected) = (CraneRows::default(), CraneRows::default());
    let (mut hand_ms, mut engine_ms) = (Vec::new(), Vec::new());
    let ratios = ratios(
        args.pairs(),
        || {
            let clock = Instant::now();
            expected = by_hand(&readings);
            hand_ms.push(clock.elapsed().as_millis());
            clock.elapsed()
        },
        || {
            let (time, found) = timed(&job, &readings, gather);
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
    report(&format!("workload=crane cranes={CRANES} workers=1"), ratios, &more);
}
