//! For how long, and how far, values have been off their baseline.

use serde::{Deserialize, Serialize};
use watchfire_engine::{State, rkyv};

use super::ewma::clamped;
use super::{Judged, Score, Side};

/// The cumulative sum of how far values are off their baseline, beyond an allowance (CUSUM, Page 1954): `S = max(0, S + z - k)`, with `z` in standard
/// deviations of the baseline. It finds a small shift that lasts, soon.
///
/// The baseline is what the first values come to, and stays: a drift does not become usual. When it no longer holds, the reading says
/// [`Reset`](super::Reading::Reset). A threshold of 8 on the score is usual with `k` = 0.5 (4 to 5 raise sooner, and falsely more often: Montgomery,
/// Introduction to Statistical Quality Control, ch. 9). O(1) a value.
///
/// # Examples
/// ```
/// use watchfire_operators::detect::{Cusum, CusumState, Judged, Score};
/// let cusum = Cusum { warm_up: 4, ..Cusum::default() };
/// let mut state = CusumState::default();
/// for (n, value) in [9.0, 11.0, 9.0, 11.0].into_iter().enumerate() {
///     assert_eq!(cusum.score(&mut state, n as i64, value), Judged::WarmsUp);
/// }
/// // One and a half standard deviations up: each adds 1 (1.5 less 0.5).
/// let sd = (4.0_f64 / 3.0).sqrt();
/// for n in 1..=10 {
///     let Judged::Score(score, _) = cusum.score(&mut state, 3 + n, 10.0 + 1.5 * sd) else { return };
///     assert!((score - n as f64).abs() < 1e-9, "{n}: {score}");
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Cusum {
    /// The allowance, in standard deviations: half of the shift that is to be found.
    pub k: f64,
    /// The mean and the standard deviation are those of so many values; 2 at least.
    pub warm_up: u32,
    /// The standard deviation is taken to be no less, in the unit of the value; above 0.
    pub sd_min: f64,
    /// The sums grow no further, so that the way down is not longer than the way up: about twice the threshold.
    pub most: f64,
    /// Which way is unusual.
    pub side: Side,
}

impl Default for Cusum {
    /// An allowance of half a standard deviation, a baseline of 100 values, at most 16, on both sides.
    fn default() -> Self {
        Cusum { k: 0.5, warm_up: 100, sd_min: 1e-9, most: 16.0, side: Side::Both }
    }
}

/// What [`Cusum`] remembers of a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
#[rkyv(crate = rkyv)]
pub struct CusumState {
    values: u32,
    mean: f64,
    /// The sum of squares about the mean while it warms up.
    squares: f64,
    above: f64,
    below: f64,
}

impl State for CusumState {
    const NAME: &'static str = "watchfire.cusum";
    const VERSION: u32 = 1;
}

/// The numbers behind a score of [`Cusum`].
///
/// # Examples
/// ```
/// use watchfire_operators::detect::{Cusum, CusumState, CusumWhy, Judged, Score};
/// let (cusum, mut state) = (Cusum { warm_up: 3, ..Cusum::default() }, CusumState::default());
/// let said = [8.0, 10.0, 12.0, 14.0].map(|value| cusum.score(&mut state, 0, value));
/// // Two standard deviations up, less the allowance of one half.
/// assert_eq!(said[3], Judged::Score(1.5, CusumWhy { value: 14.0, mean: 10.0, sd: 2.0, above: 1.5, below: 0.0 }));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct CusumWhy {
    /// The value.
    pub value: f64,
    /// The mean of the baseline.
    pub mean: f64,
    /// Its standard deviation.
    pub sd: f64,
    /// The sum upward.
    pub above: f64,
    /// The sum downward.
    pub below: f64,
}

impl Score for Cusum {
    type Value = f64;
    type Why = CusumWhy;
    type State = CusumState;
    const KIND: &'static str = "cusum";

    #[inline(always)]
    fn score(&self, st: &mut CusumState, _at_ms: i64, value: f64) -> Judged<CusumWhy> {
        let warm_up = self.warm_up.max(2);
        if st.values < warm_up {
            // Welford 1962.
            st.values += 1;
            let off = value - st.mean;
            st.mean += off / f64::from(st.values);
            st.squares += off * (value - st.mean);
            return Judged::WarmsUp;
        }
        let sd = (st.squares / f64::from(warm_up - 1)).sqrt().max(self.sd_min.max(f64::MIN_POSITIVE));
        let most = self.most.max(0.0);
        let z = clamped((value - st.mean) / sd);
        st.above = (st.above + z - self.k).clamp(0.0, most);
        st.below = (st.below - z - self.k).clamp(0.0, most);
        let score = self.side.worse(st.above, st.below);
        Judged::Score(score, CusumWhy { value, mean: st.mean, sd, above: st.above, below: st.below })
    }
}
