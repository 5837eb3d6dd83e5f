//! Eight detectors by hand, for nothing else, on one thread: one look-up of a lift a reading, and eight updates beside each other, or one of them alone.

use std::hash::Hash;

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
    order.into_iter().map(measured).collect()
}

/// The same as they arrive: up to 2 s out of order.
#[must_use]
pub fn generate_out_of_order(lifts: u32, n: usize) -> Vec<Measured> {
    arrivals(lifts, n).into_iter().map(measured).collect()
}

fn measured((second, lift): (u32, u32)) -> Measured {
    let drawn = |of: u64| unit(draw(u64::from(lift), u64::from(second), of)) - 0.5;
    let odd = if drawn(3) > 0.4998 { 20.0 } else { 0.0 };
    Measured {
        lift,
        at_ms: T0_MS + i64::from(second) * 1_000,
        current_a: 3.0 + drawn(1) + odd,
        celsius: 40.0 + drawn(2) + odd,
    }
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

/// A weighted mean of a lift.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ewma {
    last_ms: i64,
    weight: f64,
    mean: f64,
    squares: f64,
    values: u32,
}

impl Ewma {
    /// How far a value is off the mean of those before.
    #[inline(always)]
    pub fn score(&mut self, tau_ms: i64, at_ms: i64, value: f64) -> Option<f64> {
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

/// A sum of what is off the baseline of a lift.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cusum {
    values: u32,
    mean: f64,
    squares: f64,
    above: f64,
    below: f64,
}

impl Cusum {
    /// How far values have been off their baseline.
    #[inline(always)]
    pub fn score(&mut self, value: f64) -> Option<f64> {
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

/// How many values there were, their mean, and how far the sum of what is off it is above its lowest and below its highest.
pub type Hinkley = (u64, f64, f64, f64);
/// When the first and the last value came, level and trend, and how many values there were.
pub type Holt = (i64, i64, f64, f64, u32);
/// When the last value came, and what it was.
pub type Rate = Option<(i64, f64)>;
/// Where a value stands, when it was there last, and for how long.
pub type Stuck = Option<(f64, i64, i64)>;

#[derive(Clone, Copy, Default)]
struct Lift {
    ewmas: [Ewma; 2],
    cusums: [Cusum; 2],
    hinkley: Hinkley,
    holt: Holt,
    rate: Rate,
    stuck: Stuck,
}

/// How often there was something to tell, and the sum of what was told.
pub type Told = (u64, f64);
/// The same of each of the eight.
pub type Found = [Told; 8];

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
pub fn note((count, sum): &mut Told, score: Option<f64>, is_told: impl Fn(f64) -> bool) {
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
        tell(6, rate(&mut of.rate, at_ms, current_a));
        tell(7, Some(stuck(&mut of.stuck, at_ms, celsius)));
    }
    found
}

/// One update alone, over all rows: one look-up of what is known of a key a row.
pub fn each<K: Hash + Eq, S: Default, T>(
    rows: &[T],
    key: impl Fn(&T) -> K,
    mut update: impl FnMut(&mut S, &T, &mut Told),
) -> (FxHashMap<K, S>, Told) {
    let (mut states, mut told): (FxHashMap<K, S>, Told) = Default::default();
    for row in rows {
        update(states.entry(key(row)).or_default(), row, &mut told);
    }
    (states, told)
}

/// How far the sum of what is off the mean has come.
#[inline(always)]
pub fn hinkley((values, mean, above, below): &mut Hinkley, value: f64) -> Option<f64> {
    *values += 1;
    *mean += (value - *mean) / *values as f64;
    let off = value - *mean;
    *above = (*above + off - 0.05).max(0.0);
    *below = (*below - off - 0.05).max(0.0);
    (*values > u64::from(WARM_UP)).then(|| above.max(*below))
}

/// How much of a day is left.
#[inline(always)]
pub fn holt((first_ms, last_ms, level, trend, values): &mut Holt, at_ms: i64, value: f64) -> Option<f64> {
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

/// How fast a value changes, a second.
#[inline(always)]
pub fn rate(of: &mut Rate, at_ms: i64, value: f64) -> Option<f64> {
    let before = of.replace((at_ms, value)).filter(|(before_ms, _)| at_ms > *before_ms);
    before.map(|(before_ms, before)| ((value - before) / ((at_ms - before_ms) as f64 / 1e3)).abs())
}

/// For how long a value has not moved.
#[inline(always)]
pub fn stuck(of: &mut Stuck, at_ms: i64, value: f64) -> f64 {
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
