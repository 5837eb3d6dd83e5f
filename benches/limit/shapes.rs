//! Windows of other shapes and policies, against the plain ones.

use std::time::Duration;

use watchfire_benches::pairs::ratios;
use watchfire_benches::yardstick::{OverloadWindow, Reading, Rows, SIZE_MS, SLIDE_MS, generate};
use watchfire_engine::{Change, EventTime, Job};
use watchfire_operators::window::{Close, Sliding, WindowRow, count};

use crate::{Args, report, timed, yardstick};

/// One reading in a hundred comes 20 to 40 s late: beyond the disorder bound, within the allowed lateness.
fn with_late_rows(readings: Vec<Reading>, cranes: u32) -> Vec<Reading> {
    let mut order: Vec<(usize, Reading)> = readings
        .into_iter()
        .enumerate()
        .map(|(at, reading)| {
            let late_s = if at % 100 == 37 { 20 + at % 21 } else { 0 };
            (at + late_s * cranes as usize, reading)
        })
        .collect();
    order.sort_by_key(|(at, _)| *at);
    order.into_iter().map(|(_, reading)| reading).collect()
}

/// `Provisional` with one late row in a hundred, against `Final` on the same readings.
pub fn provisional(args: &Args) {
    let cranes = 1_000;
    let readings = with_late_rows(generate(cranes, args.readings() / 2), cranes);
    let plain = Sliding::new(SIZE_MS, SLIDE_MS, OverloadWindow).expect("valid lengths");
    let close = Close::Provisional { after_quiet_ms: 60_000, every_ms: 1_000, allowed_lateness_ms: 60_000 };
    let (last, provisional) = (yardstick::job(plain.clone()), yardstick::job(plain.close(close)));
    let mut rows = (Rows::default(), Rows::default());
    let ratios = ratios(
        args.pairs(),
        || {
            let (time, found) = timed(&last, &readings, yardstick::gather);
            rows.0 = found;
            time
        },
        || {
            let (time, found) = timed(&provisional, &readings, yardstick::gather);
            rows.1 = found;
            time
        },
    );
    let more = format!(" final_rows={} provisional_rows={}", rows.0.count, rows.1.count);
    report(&format!("workload=provisional cranes={cranes} late_share=0.01"), ratios, &more);
}

fn counting(size_ms: i64, slide_ms: i64) -> Job {
    let windows = Sliding::new(size_ms, slide_ms, count::<Reading>()).expect("valid lengths");
    Job::new(move |flow| {
        let bounds = EventTime { disorder_ms: 5_000, ..EventTime::default() };
        let cranes = flow.channel::<Reading>("readings").key_by(|r| r.crane).event_time(bounds);
        let cranes = cranes.detect("count", windows.clone());
        cranes.out.to_channel("windows");
        cranes.late.to_channel("late");
        cranes.skewed.to_channel("skewed");
    })
}

fn gather(rows: &mut u64, _change: Change<WindowRow<u32, u64>>) {
    *rows += 1;
}

/// One-day windows every second, against one-minute windows every ten: the time of each emitted row.
pub fn day(args: &Args) {
    let readings = generate(10, args.readings() / 10);
    let per_row = |job: &Job| {
        let (time, rows) = timed(job, &readings, gather);
        Duration::from_secs_f64(time.as_secs_f64() / rows as f64)
    };
    let (minute, day) = (counting(60_000, 10_000), counting(86_400_000, 1_000));
    let ratios = ratios(args.pairs(), || per_row(&minute), || per_row(&day));
    report("workload=day size_ms=86400000 slide_ms=1000 per=emitted_row", ratios, "");
}
