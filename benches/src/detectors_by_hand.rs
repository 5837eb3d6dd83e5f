//! Eight detectors by hand, for nothing else, on one thread: one look-up of a lift a reading, and eight updates beside each other.

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use watchfire_engine::Timed;

use crate::yardstick::{T0_MS, arrivals, draw, unit};

/// What a lift measures each second.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Measured {
    /// The lift.
    pub lift: u32,
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
    /// The current of its door's motor.
    pub current_a: f64,
    /// Its temperature.
    pub celsius: f64,
}

impl Timed for Measured {
    #[inline]
    fn event_time_ms(&self) -> i64 {
        self.at_ms
    }
}

/// `n` measurements at 1 Hz a lift, in order; about one in 5,000 is far off.
#[must_use]
pub fn generate(lifts: u32, n: usize) -> Vec<Measured> {
    let mut order = arrivals(lifts, n);
    order.sort_unstable();
    let one = |(second, lift): (u32, u32)| {
        let drawn = |of: u64| unit(draw(u64::from(lift), u64::from(second), of)) - 0.5;
        let odd = if drawn(3) > 0.4998 { 20.0 } else { 0.0 };
        Measured {
            lift,
            at_ms: T0_MS + i64::from(second) * 1_000,
            current_a: 3.0 + drawn(1) + odd,
            celsius: 40.0 + drawn(2) + odd,
        }
    };
    order.into_iter().map(one).collect()
}

/// What scores so much is told.
pub const FROM: f64 = 9.0;
/// Of the time that is left so little, milliseconds.
pub const LEFT_MS: f64 = 60_000.0;
/// What has not moved for so long is told, milliseconds.
pub const STUCK_FROM_MS: f64 = 3_600_000.0;
/// How many values are taken for normal.
pub const WARM_UP: u32 = 60;
/// The two memories of the weighted means, milliseconds.
pub const TAUS_MS: [i64; 2] = [600_000, 3_600_000];
const SD_MIN: f64 = 1e-9;

#[derive(Clone, Copy, Default)]
struct Ewma {
    last_ms: i64,
    weight: f64,
    mean: f64,
    squares: f64,
    values: u32,
}

impl Ewma {
    #[inline(always)]
    fn score(&mut self, tau_ms: i64, at_ms: i64, value: f64) -> Option<f64> {
        let sd = (self.squares / self.weight).sqrt().max(SD_MIN);
        let faded = if self.values == 0 { 0.0 } else { (-((at_ms - self.last_ms) as f64) / tau_ms as f64).exp() };
        let (off, before) = (value - self.mean, self.values);
        self.weight = self.weight * faded + 1.0;
        self.mean += off / self.weight;
        self.squares = self.squares * faded + off * (value - self.mean);
        (self.last_ms, self.values) = (at_ms, before + 1);
        (before >= WARM_UP).then(|| (off / sd).abs())
    }
}

#[derive(Clone, Copy, Default)]
struct Cusum {
    values: u32,
    mean: f64,
    squares: f64,
    above: f64,
    below: f64,
}

impl Cusum {
    #[inline(always)]
    fn score(&mut self, value: f64) -> Option<f64> {
        if self.values < WARM_UP {
            self.values += 1;
            let off = value - self.mean;
            self.mean += off / f64::from(self.values);
            self.squares += off * (value - self.mean);
            return None;
        }
        let sd = (self.squares / f64::from(WARM_UP - 1)).sqrt().max(SD_MIN);
        let z = (value - self.mean) / sd;
        self.above = (self.above + z - 0.5).clamp(0.0, 16.0);
        self.below = (self.below - z - 0.5).clamp(0.0, 16.0);
        Some(self.above.max(self.below))
    }
}

#[derive(Clone, Copy, Default)]
struct Lift {
    ewmas: [Ewma; 2],
    cusums: [Cusum; 2],
    hinkley: (u64, f64, f64, f64),
    holt: (i64, i64, f64, f64, u32),
    rate: Option<(i64, f64)>,
    stuck: Option<(f64, i64, i64)>,
}

/// How often each of the eight has something to tell, and the sum of what it tells.
pub type Found = [(u64, f64); 8];

/// Whether one of them tells such a score.
#[inline(always)]
#[must_use]
pub fn is_told(of: usize, score: f64) -> bool {
    match of {
        5 => score <= LEFT_MS,
        7 => score >= STUCK_FROM_MS,
        _ => score >= FROM,
    }
}

/// Notes a score that is told.
#[inline(always)]
pub fn note((count, sum): &mut (u64, f64), score: Option<f64>, is_told: impl Fn(f64) -> bool) {
    if let Some(score) = score.filter(|score| is_told(*score)) {
        *count += 1;
        *sum += score;
    }
}

/// All eight over all measurements.
#[must_use]
pub fn by_hand(all: &[Measured]) -> Found {
    let (mut lifts, mut found): (FxHashMap<u32, Lift>, Found) = Default::default();
    for &Measured { lift, at_ms, current_a, celsius } in all {
        let of = lifts.entry(lift).or_default();
        let mut tell = |nth: usize, score| note(&mut found[nth], score, |score| is_told(nth, score));
        tell(0, of.ewmas[0].score(TAUS_MS[0], at_ms, current_a));
        tell(1, of.ewmas[1].score(TAUS_MS[1], at_ms, current_a));
        tell(2, of.cusums[0].score(current_a));
        tell(3, of.cusums[1].score(celsius));
        tell(4, hinkley(&mut of.hinkley, current_a));
        tell(5, holt(&mut of.holt, at_ms, celsius));
        let rate = of.rate.replace((at_ms, current_a)).filter(|(before_ms, _)| at_ms > *before_ms);
        let rate = rate.map(|(before_ms, before)| ((current_a - before) / ((at_ms - before_ms) as f64 / 1e3)).abs());
        tell(6, rate);
        tell(7, Some(stuck(&mut of.stuck, at_ms, celsius)));
    }
    found
}

#[inline(always)]
fn hinkley((values, mean, above, below): &mut (u64, f64, f64, f64), value: f64) -> Option<f64> {
    *values += 1;
    *mean += (value - *mean) / *values as f64;
    let off = value - *mean;
    *above = (*above + off - 0.05).max(0.0);
    *below = (*below - off - 0.05).max(0.0);
    (*values > u64::from(WARM_UP)).then(|| above.max(*below))
}

/// How much of a day is left.
#[inline(always)]
fn holt(
    (first_ms, last_ms, level, trend, values): &mut (i64, i64, f64, f64, u32),
    at_ms: i64,
    value: f64,
) -> Option<f64> {
    let gap_ms = (at_ms - *last_ms) as f64;
    if *values == 0 {
        (*level, *first_ms) = (value, at_ms);
    } else {
        let nth = f64::from(*values) + 1.0;
        let span_ms = (at_ms - *first_ms) as f64;
        let (share, part) = ((gap_ms * f64::from(*values) / span_ms).min(1.0), gap_ms / span_ms);
        let first = [share * 2.0 * (2.0 * nth - 1.0) / (nth * (nth + 1.0)), share * 3.0 / (2.0 * nth - 1.0)];
        let of_level = (1.0 - (-gap_ms / 600_000.0).exp()).max(part).max(first[0]);
        let of_trend = (1.0 - (-gap_ms / 3_600_000.0).exp()).max(part).max(first[1]);
        let expected = *level + *trend * gap_ms;
        let moves = of_level * (value - expected);
        (*level, *trend) = (expected + moves, *trend + of_trend * moves / gap_ms);
    }
    (*last_ms, *values) = (at_ms, *values + 1);
    if *values < WARM_UP {
        return None;
    }
    let (way, horizon_ms) = (80.0 - *level, 86_400_000.0);
    let left_ms = if way <= 0.0 {
        0.0
    } else if *trend <= 0.0 {
        horizon_ms
    } else {
        (way / *trend).min(horizon_ms)
    };
    Some(left_ms)
}

#[inline(always)]
fn stuck(of: &mut Option<(f64, i64, i64)>, at_ms: i64, value: f64) -> f64 {
    match of {
        Some((stands_at, last_ms, for_ms)) if value == *stands_at => {
            *for_ms += (at_ms - *last_ms).min(60_000);
            *last_ms = at_ms;
            *for_ms as f64
        }
        _ => {
            *of = Some((value, at_ms, 0));
            0.0
        }
    }
}
