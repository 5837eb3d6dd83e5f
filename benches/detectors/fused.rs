//! Eight detectors in one operator, against the same eight by hand.

use std::thread::JoinHandle;
use std::time::Duration;

use watchfire_benches::detectors_by_hand::{
    FROM, Found, LEFT_MS, Measured, STUCK_FROM_MS, TAUS_MS, Told, WARM_UP, by_hand, generate, is_told,
};
use watchfire_engine::{Compose, Data, Job, Running};
use watchfire_operators::detect::{Cusum, Ewma, Holt, PageHinkley, Rate, Reading, Score, Scored, Scores, Side, Stuck};

use crate::{ROWS, compare, timed, told};

pub fn run(rows: usize, pairs: usize, lifts_wished: usize, workers_wished: usize) {
    for lifts in [1_000, 100_000] {
        if lifts_wished != 0 && lifts_wished != lifts {
            continue;
        }
        let measured = generate(lifts as u32, rows);
        for workers in [1, 2] {
            if workers_wished == 0 || workers_wished == workers {
                let line = format!("workload=fused lifts={lifts} workers={workers}");
                compare(&line, (rows, pairs), Some(&mut || by_hand(&measured)), || fused(&measured, workers));
            }
        }
    }
}

pub fn ewma(tau_ms: i64) -> Ewma {
    Ewma { tau_ms, warm_up: WARM_UP, ..Ewma::default() }
}

pub fn cusum() -> Cusum {
    Cusum { warm_up: WARM_UP, ..Cusum::default() }
}

pub fn hinkley() -> PageHinkley {
    PageHinkley { allowance: 0.05, warm_up: WARM_UP, ..PageHinkley::default() }
}

pub fn holt() -> Holt {
    let (level_ms, trend_ms, horizon_ms) = (600_000, 3_600_000, 86_400_000);
    Holt { level_ms, trend_ms, horizon_ms, limit: 80.0, side: Side::Above, warm_up: WARM_UP }
}

/// The eight in one operator, and how long they take.
fn fused(measured: &[Measured], workers: usize) -> (Duration, Found) {
    let job = Job::new(|flow| {
        let current = |row: &Measured| Reading::Value(row.current_a);
        let celsius = |row: &Measured| Reading::Value(row.celsius);
        let means = Scores::new(ewma(TAUS_MS[0]), current)
            .at_least(FROM)
            .both(Scores::new(ewma(TAUS_MS[1]), current).at_least(FROM));
        let sums = Scores::new(cusum(), current).at_least(FROM).both(Scores::new(cusum(), celsius).at_least(FROM));
        let ways = Scores::new(hinkley(), current).at_least(FROM).both(Scores::new(holt(), celsius).at_most(LEFT_MS));
        let steps = Scores::new(Rate::default(), current)
            .at_least(FROM)
            .both(Scores::new(Stuck::default(), celsius).at_least(STUCK_FROM_MS));
        let lifts = flow.channel::<Measured>(ROWS).key_by(|row| row.lift);
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
    timed(job, workers, measured, |running| {
        [
            score::<Ewma>(running, 0),
            score::<Ewma>(running, 1),
            score::<Cusum>(running, 2),
            score::<Cusum>(running, 3),
            score::<PageHinkley>(running, 4),
            score::<Holt>(running, 5),
            score::<Rate>(running, 6),
            score::<Stuck>(running, 7),
        ]
    })
}

/// Takes what one of them tells.
fn score<S: Score>(running: &mut Running, of: usize) -> JoinHandle<Told>
where
    S::Why: Data,
{
    told(running, &of.to_string(), move |row: &Scored<u32, S::Why>| row.score().filter(|score| is_told(of, *score)))
}
