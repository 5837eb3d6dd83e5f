//! How far a value is from the weighted mean of those before it.

use serde::{Deserialize, Serialize};
use watchfire_engine::{State, rkyv};

use super::{Judged, Score, Side};

/// How many standard deviations a value is from the mean of all before it, each weighted by `exp(-age / tau)`: the exponentially weighted moving average (Roberts
/// 1959) and its variance, with the gaps that values really have.
///
/// The mean and the variance are those of all values so far by that weight, exactly: there is no beginning that has to be forgotten first. Values that come
/// closer together weigh more together. Once so much time has passed that less is left than one value weighs, it warms up again: after a long gap the first
/// value back is no measure for the second, and a key that speaks less often than every `tau_ms` is never judged. O(1) a value.
///
/// # Examples
/// ```
/// use watchfire_operators::detect::{Ewma, EwmaState, Judged, Score};
/// let ewma = Ewma { tau_ms: 600_000, ..Ewma::default() };
/// let mut state = EwmaState::default();
/// let celsius = |n: i64| 40.0 + (n % 3) as f64;
/// let said: Vec<_> = (0..100).map(|n| ewma.score(&mut state, n * 10_000, celsius(n))).collect();
/// assert!(said[..30].iter().all(|said| *said == Judged::WarmsUp));
/// assert!(said[30..].iter().all(|said| matches!(said, Judged::Score(score, _) if *score < 2.0)));
/// let Judged::Score(score, why) = ewma.score(&mut state, 1_000_000, 60.0) else { return };
/// assert!(score > 20.0 && (why.mean - 41.0).abs() < 0.2, "{score} {why:?}");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Ewma {
    /// After so long a value weighs 1/e of what it did, milliseconds; above 0.
    pub tau_ms: i64,
    /// How many values there are before one is judged.
    pub warm_up: u32,
    /// The standard deviation is taken to be no less, in the unit of the value; above 0. What lies closer together than that is noise of the sensor.
    pub sd_min: f64,
    /// Which way is unusual.
    pub side: Side,
}

impl Default for Ewma {
    /// An hour, after 30 values, on both sides.
    fn default() -> Self {
        Ewma { tau_ms: 3_600_000, warm_up: 30, sd_min: 1e-9, side: Side::Both }
    }
}

/// What [`Ewma`] remembers of a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
#[rkyv(crate = rkyv)]
pub struct EwmaState {
    last_ms: i64,
    /// The weight of all values, by their ages at the last of them.
    weight: f64,
    mean: f64,
    /// The weighted sum of squares about the mean.
    squares: f64,
    values: u32,
}

impl State for EwmaState {
    const NAME: &'static str = "watchfire.ewma";
    const VERSION: u32 = 1;
}

/// The numbers behind a score of [`Ewma`].
///
/// # Examples
/// ```
/// use watchfire_operators::detect::{Ewma, EwmaState, EwmaWhy, Judged, Score};
/// let (ewma, mut state) = (Ewma { warm_up: 2, ..Ewma::default() }, EwmaState::default());
/// // All of one instant, so they weigh the same.
/// let said = [9.0, 11.0, 20.0].map(|value| ewma.score(&mut state, 0, value));
/// assert_eq!(said[2], Judged::Score(10.0, EwmaWhy { value: 20.0, mean: 10.0, sd: 1.0, values: 2 }));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct EwmaWhy {
    /// The value.
    pub value: f64,
    /// The mean of those before it.
    pub mean: f64,
    /// Their standard deviation.
    pub sd: f64,
    /// How many there were.
    pub values: u32,
}

impl Score for Ewma {
    type Value = f64;
    type Why = EwmaWhy;
    type State = EwmaState;
    const KIND: &'static str = "ewma";

    #[inline(always)]
    fn score(&self, st: &mut EwmaState, at_ms: i64, value: f64) -> Judged<EwmaWhy> {
        let mean = st.mean;
        let sd = (st.squares / st.weight).sqrt().max(self.sd_min.max(f64::MIN_POSITIVE));
        let age_ms = at_ms.saturating_sub(st.last_ms) as f64;
        let faded = if st.values == 0 { 0.0 } else { (-age_ms / self.tau_ms.max(1) as f64).exp() };
        let before = if st.values > 1 && st.weight * faded < 1.0 { 0 } else { st.values };
        (st.last_ms, st.weight, st.values) = (at_ms, st.weight * faded + 1.0, before.saturating_add(1));
        let off = value - mean;
        st.mean += off / st.weight;
        st.squares = st.squares * faded + off * (value - st.mean);
        if before < self.warm_up.max(1) {
            return Judged::WarmsUp;
        }
        let score = clamped(self.side.of(off / sd));
        Judged::Score(score, EwmaWhy { value, mean, sd, values: before })
    }
}

/// Scores are finite, however far off a value is.
pub(super) fn clamped(score: f64) -> f64 {
    score.clamp(-1e12, 1e12)
}
