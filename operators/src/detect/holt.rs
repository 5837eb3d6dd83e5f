//! How long until a trend reaches a limit.

use serde::{Deserialize, Serialize};
use watchfire_engine::{State, rkyv};

use super::{Judged, Score, Side};

/// The time that is left until the trend of a value reaches a limit, by double exponential smoothing (Holt 1957) with the gaps that values really have
/// (Wright 1986). Less is worse: an alarm on it [falls](crate::alarm::Ladder::falls).
///
/// Each value moves the level by `1 - exp(-gap / level_ms)` of what it is off, and the trend by `1 - exp(-gap / trend_ms)` of what the level is. The first values
/// move both by more: the `n`th by no less than `2 (2n - 1) / n (n + 1)` and `3 / (2n - 1)`, which gives the straight line of least squares where gaps are the
/// same (the growing memory filter, Brookner 1998, ch. 5); after a gap that is shorter than they are on average, by so much less, and by no less than the part
/// that the gap is of all time so far. So neither noise of the first two values is a trend, nor that of two that come close together. Of several values of one instant the first counts. O(1) a value.
///
/// # Examples
/// A brake that wears: a tenth of a millimetre a day, at 8 mm of 10.
/// ```
/// use watchfire_operators::detect::{Holt, HoltState, Judged, Score};
/// const DAY_MS: i64 = 86_400_000;
/// let left = Holt { limit: 10.0, ..Holt::default() };
/// let mut state = HoltState::default();
/// let mut said = Judged::Nothing;
/// (0..=80).for_each(|day| said = left.score(&mut state, day * DAY_MS, 0.1 * day as f64));
/// let Judged::Score(left_ms, why) = said else { return };
/// assert!((left_ms / DAY_MS as f64 - 20.0).abs() < 0.1, "{why:?}");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Holt {
    /// After so long a value counts 1/e for the level, milliseconds; above 0.
    pub level_ms: i64,
    /// And for the trend.
    pub trend_ms: i64,
    /// The limit, in the unit of the value.
    pub limit: f64,
    /// From which side it is reached: from below (`Above`), from above (`Below`), or from where the level is when it is first judged (`Both`).
    pub side: Side,
    /// What is further away is as good as never, milliseconds.
    pub horizon_ms: i64,
    /// How many values there are before one is judged; 2 at least.
    pub warm_up: u32,
}

impl Default for Holt {
    /// A level over a day and a trend over a week, up to a limit of 1; after 10 values, a year ahead.
    fn default() -> Self {
        const DAY_MS: i64 = 86_400_000;
        let (level_ms, trend_ms, horizon_ms) = (DAY_MS, 7 * DAY_MS, 365 * DAY_MS);
        Holt { level_ms, trend_ms, limit: 1.0, side: Side::Above, horizon_ms, warm_up: 10 }
    }
}

/// What [`Holt`] remembers of a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
#[rkyv(crate = rkyv)]
pub struct HoltState {
    first_ms: i64,
    last_ms: i64,
    level: f64,
    /// A millisecond.
    trend: f64,
    values: u32,
    /// The limit was above the level when it was first judged.
    from_below: bool,
}

impl State for HoltState {
    const NAME: &'static str = "watchfire.holt";
    const VERSION: u32 = 1;
}

/// The numbers behind a score of [`Holt`].
///
/// # Examples
/// A brake at 8.5 mm of 10, which was at 8 a day before:
/// ```
/// use watchfire_operators::detect::{Holt, HoltState, Judged, Score};
/// let (left, mut state) = (Holt { limit: 10.0, warm_up: 2, ..Holt::default() }, HoltState::default());
/// left.score(&mut state, 0, 8.0);
/// let Judged::Score(left_ms, why) = left.score(&mut state, 86_400_000, 8.5) else { panic!("it is warm") };
/// assert!((why.level - 8.5).abs() < 1e-9 && (why.trend_a_day - 0.5).abs() < 1e-9, "{why:?}");
/// let days = (why.limit - why.level) / why.trend_a_day;
/// assert!((days - 3.0).abs() < 1e-9 && (left_ms / 86_400_000.0 - days).abs() < 1e-9);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct HoltWhy {
    /// The value.
    pub value: f64,
    /// The level.
    pub level: f64,
    /// By how much it changes a day.
    pub trend_a_day: f64,
    /// The limit.
    pub limit: f64,
}

impl Score for Holt {
    type Value = f64;
    type Why = HoltWhy;
    type State = HoltState;
    const KIND: &'static str = "holt";

    #[inline(always)]
    fn score(&self, st: &mut HoltState, at_ms: i64, value: f64) -> Judged<HoltWhy> {
        let gap_ms = at_ms.saturating_sub(st.last_ms) as f64;
        if st.values == 0 {
            (st.level, st.first_ms) = (value, at_ms);
        } else if gap_ms <= 0.0 {
            return Judged::Nothing;
        } else {
            let nth = f64::from(st.values) + 1.0;
            let span_ms = at_ms.saturating_sub(st.first_ms) as f64;
            let share = (gap_ms * f64::from(st.values) / span_ms).min(1.0);
            let new = |tau_ms: i64| (1.0 - (-gap_ms / tau_ms.max(1) as f64).exp()).max(gap_ms / span_ms);
            let of_level = new(self.level_ms).max(share * 2.0 * (2.0 * nth - 1.0) / (nth * (nth + 1.0)));
            let of_trend = new(self.trend_ms).max(share * 3.0 / (2.0 * nth - 1.0));
            let expected = st.level + st.trend * gap_ms;
            let moves = of_level * (value - expected);
            (st.level, st.trend) = (expected + moves, st.trend + of_trend * moves / gap_ms);
        }
        (st.last_ms, st.values) = (at_ms, st.values.saturating_add(1));
        if !st.level.is_finite() || !st.trend.is_finite() {
            // Beyond reckoning: what is remembered says nothing any more.
            *st = HoltState::default();
        }
        let warm_up = self.warm_up.max(2);
        if st.values < warm_up {
            return Judged::WarmsUp;
        }
        if st.values == warm_up {
            st.from_below = match self.side {
                Side::Above => true,
                Side::Below => false,
                Side::Both => st.level < self.limit,
            };
        }
        let toward = if st.from_below { 1.0 } else { -1.0 };
        let (way, speed) = ((self.limit - st.level) * toward, st.trend * toward);
        let most_ms = self.horizon_ms.max(0) as f64;
        let left_ms = if way <= 0.0 {
            0.0
        } else if speed <= 0.0 {
            most_ms
        } else {
            (way / speed).min(most_ms)
        };
        let trend_a_day = st.trend * 86_400_000.0;
        Judged::Score(left_ms, HoltWhy { value, level: st.level, trend_a_day, limit: self.limit })
    }
}
