//! What detectors cost: eight of them fused, against the same eight by hand, and each alone. One `name=value` line a result.
//!
//! ```text
//! cargo bench --bench detectors                 also --rows N --pairs N --lifts N --workers N
//! ```
//!
//! Rows enter as a host would send them: by the host channel, in owned batches of 4,096 that are built outside the clock. The clock runs from the first send to the
//! last row received. Only what matters is told ([`Scores::at_least`]).
#![allow(clippy::print_stdout, clippy::expect_used, missing_docs)]

use std::time::{Duration, Instant};

use watchfire_benches::args::arg;
use watchfire_benches::detectors_by_hand::{
    FROM, Found, LEFT_MS, Measured, STUCK_FROM_MS, TAUS_MS, WARM_UP, by_hand, generate, is_told, note,
};
use watchfire_benches::pairs::ratios;
use watchfire_engine::{Compose, Data, Job, Running, TickSource};
use watchfire_operators::detect::{Cusum, Ewma, Holt, PageHinkley, Rate, Reading, Score, Scored, Scores, Side, Stuck};

const BATCH: usize = 4_096;

fn main() {
    let number = |name: &str, default: &str| arg(name, default).parse::<usize>().expect("a number");
    let (rows, pairs) = (number("rows", "6000000"), number("pairs", "15"));
    let wish = (number("lifts", "0"), number("workers", "0"));
    for lifts in [1_000, 100_000] {
        if wish.0 != 0 && wish.0 != lifts {
            continue;
        }
        let measured = generate(lifts as u32, rows);
        for workers in [1, 2] {
            if wish.1 == 0 || wish.1 == workers {
                compare(&measured, lifts, workers, pairs);
            }
        }
    }
}

fn compare(measured: &[Measured], lifts: usize, workers: usize, pairs: usize) {
    let (mut by_engine, mut hand): (Found, Found) = Default::default();
    let (mut hand_s, mut engine_s) = (Vec::new(), Vec::new());
    let ratios = ratios(
        pairs,
        || {
            let clock = Instant::now();
            hand = by_hand(measured);
            hand_s.push(clock.elapsed().as_secs_f64());
            clock.elapsed()
        },
        || {
            let (time, found) = fused(measured, workers);
            by_engine = found;
            engine_s.push(time.as_secs_f64());
            time
        },
    );
    for (of, (engine, hand)) in by_engine.iter().zip(&hand).enumerate() {
        assert_eq!(engine.0, hand.0, "detector {of} tells another number");
        assert!((engine.1 - hand.1).abs() <= 1e-6 * (1.0 + hand.1.abs()), "detector {of}: {engine:?} {hand:?}");
    }
    let middle = |all: &mut Vec<f64>| {
        all.sort_by(f64::total_cmp);
        all[all.len() / 2]
    };
    let (hand_s, engine_s) = (middle(&mut hand_s), middle(&mut engine_s));
    let a_row = |seconds: f64| seconds * 1e9 / measured.len() as f64;
    println!(
        "workload=fused lifts={lifts} workers={workers} ratio={:.2} low={:.2} high={:.2} hand_ns={:.0} engine_ns={:.0} rows_a_second={:.0} told={:?}",
        ratios.median,
        ratios.low,
        ratios.high,
        a_row(hand_s),
        a_row(engine_s),
        measured.len() as f64 / engine_s,
        hand.map(|(count, _)| count)
    );
}

fn ewma(tau_ms: i64) -> Ewma {
    Ewma { tau_ms, warm_up: WARM_UP, ..Ewma::default() }
}

fn holt() -> Holt {
    let (level_ms, trend_ms, horizon_ms) = (600_000, 3_600_000, 86_400_000);
    Holt { level_ms, trend_ms, horizon_ms, limit: 80.0, side: Side::Above, warm_up: WARM_UP }
}

/// The eight in one operator, and how long they take.
fn fused(measured: &[Measured], workers: usize) -> (Duration, Found) {
    let job = Job::new(|flow| {
        let current = |row: &Measured| Reading::Value(row.current_a);
        let celsius = |row: &Measured| Reading::Value(row.celsius);
        let cusum = Cusum { warm_up: WARM_UP, ..Cusum::default() };
        let hinkley = PageHinkley { allowance: 0.05, warm_up: WARM_UP, ..PageHinkley::default() };
        let means = Scores::new(ewma(TAUS_MS[0]), current)
            .at_least(FROM)
            .both(Scores::new(ewma(TAUS_MS[1]), current).at_least(FROM));
        let sums = Scores::new(cusum, current).at_least(FROM).both(Scores::new(cusum, celsius).at_least(FROM));
        let ways = Scores::new(hinkley, current).at_least(FROM).both(Scores::new(holt(), celsius).at_most(LEFT_MS));
        let steps = Scores::new(Rate::default(), current)
            .at_least(FROM)
            .both(Scores::new(Stuck::default(), celsius).at_least(STUCK_FROM_MS));
        let lifts = flow.channel::<Measured>("measured").key_by(|row| row.lift);
        let found = lifts.detect("eight", means.both(sums).both(ways.both(steps)));
        let (((a, b), (c, d)), ((e, f), (g, h))) = found.out;
        a.to_channel("0");
        b.to_channel("1");
        c.to_channel("2");
        d.to_channel("3");
        e.to_channel("4");
        f.to_channel("5");
        g.to_channel("6");
        h.to_channel("7");
    });
    let batches: Vec<Vec<Measured>> = measured.chunks(BATCH).map(<[Measured]>::to_vec).collect();
    let mut running = job.workers(workers).ticks(TickSource::FROM_EVENTS).start().expect("starts");
    let send = running.sender::<Measured>("measured").expect("has the channel");
    let told = [
        told::<Ewma>(&mut running, 0),
        told::<Ewma>(&mut running, 1),
        told::<Cusum>(&mut running, 2),
        told::<Cusum>(&mut running, 3),
        told::<PageHinkley>(&mut running, 4),
        told::<Holt>(&mut running, 5),
        told::<Rate>(&mut running, 6),
        told::<Stuck>(&mut running, 7),
    ];
    let clock = Instant::now();
    for batch in batches {
        send.send(batch).expect("runs");
    }
    drop(send);
    let mut found = Found::default();
    for (of, told) in told.into_iter().enumerate() {
        found[of] = told.join().expect("receives");
    }
    let time = clock.elapsed();
    running.wait().expect("ends well");
    (time, found)
}

/// Takes what one of them tells, on a thread of its own.
fn told<S: Score>(running: &mut Running, of: usize) -> std::thread::JoinHandle<(u64, f64)>
where
    S::Why: Data,
{
    let told = running.receiver::<Scored<u32, S::Why>>(&of.to_string()).expect("has the channel");
    std::thread::spawn(move || {
        let mut found = (0, 0.0);
        while let Some(output) = told.recv() {
            output.rows.iter().for_each(|row| note(&mut found, row.score(), |score| is_told(of, score)));
        }
        found
    })
}
