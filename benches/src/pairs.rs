//! Ratios measured in one run, pair by pair, so that whatever else the machine does falls on both sides.

use std::time::Duration;

/// The median and quartiles of ratios.
#[derive(Clone, Copy, Debug)]
pub struct Ratios {
    /// The lower quartile.
    pub low: f64,
    /// The median.
    pub median: f64,
    /// The upper quartile.
    pub high: f64,
}

impl Ratios {
    /// Of one at least.
    pub fn of(mut all: Vec<f64>) -> Self {
        all.sort_by(f64::total_cmp);
        let at = |share: f64| all[((all.len() - 1) as f64 * share).round() as usize];
        Ratios { low: at(0.25), median: at(0.5), high: at(0.75) }
    }
}

/// Median and the slowest hundredth of times, microseconds. Of one at least.
#[must_use]
pub fn tail(mut all: Vec<Duration>) -> (f64, f64) {
    all.sort_unstable();
    let at = |share: f64| all[((all.len() - 1) as f64 * share).round() as usize].as_secs_f64() * 1e6;
    (at(0.5), at(0.99))
}

/// Runs `base` and `tested` in turns, `pairs` times, and gives the ratios `base / tested` of their times: above 1 the
/// tested side is faster.
pub fn ratios(pairs: usize, mut base: impl FnMut() -> Duration, mut tested: impl FnMut() -> Duration) -> Ratios {
    let all = (0..pairs.max(1))
        .map(|n| {
            // Who goes first changes from pair to pair.
            let (b, t) = if n % 2 == 0 {
                let b = base();
                (b, tested())
            } else {
                let t = tested();
                (base(), t)
            };
            b.as_secs_f64() / t.as_secs_f64()
        })
        .collect();
    Ratios::of(all)
}
