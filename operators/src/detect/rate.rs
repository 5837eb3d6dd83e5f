//! How fast a value changes.

use serde::{Deserialize, Serialize};
use watchfire_engine::{State, rkyv};

use super::ewma::clamped;
use super::{Judged, Score, Side};

/// How fast a value changes, a second, from one value to the next. After a gap of more than `gap_max_ms` it begins anew: nobody knows how it went. Of two
/// values of one instant the second counts, and says nothing. O(1) a value.
///
/// # Examples
/// ```
/// use watchfire_operators::detect::{Judged, Rate, RateState, RateWhy, Score};
/// let (rate, mut state) = (Rate::default(), RateState::default());
/// assert_eq!(rate.score(&mut state, 0, 20.0), Judged::WarmsUp);
/// assert_eq!(rate.score(&mut state, 2_000, 26.0), Judged::Score(3.0, RateWhy { value: 26.0, before: 20.0, gap_ms: 2_000 }));
/// assert_eq!(rate.score(&mut state, 2_000, 27.0), Judged::Nothing);
/// assert_eq!(rate.score(&mut state, 70_000, 90.0), Judged::WarmsUp, "a minute later");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rate {
    /// The longest gap over which a change is told, milliseconds.
    pub gap_max_ms: i64,
    /// Which way is unusual.
    pub side: Side,
}

impl Default for Rate {
    /// Over a minute at most, either way.
    fn default() -> Self {
        Rate { gap_max_ms: 60_000, side: Side::Both }
    }
}

/// What [`Rate`] remembers of a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
#[rkyv(crate = rkyv)]
pub struct RateState {
    before: Option<(i64, f64)>,
}

impl State for RateState {
    const NAME: &'static str = "watchfire.rate";
    const VERSION: u32 = 1;
}

/// The numbers behind a score of [`Rate`].
///
/// # Examples
/// ```
/// use watchfire_operators::detect::{Judged, Rate, RateState, RateWhy, Score, Side};
/// let (falls, mut state) = (Rate { side: Side::Below, ..Rate::default() }, RateState::default());
/// falls.score(&mut state, 0, 80.0);
/// let said = falls.score(&mut state, 4_000, 60.0);
/// assert_eq!(said, Judged::Score(5.0, RateWhy { value: 60.0, before: 80.0, gap_ms: 4_000 }), "by 20 in 4 s");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RateWhy {
    /// The value.
    pub value: f64,
    /// The one before.
    pub before: f64,
    /// How long that was before, milliseconds.
    pub gap_ms: i64,
}

impl Score for Rate {
    type Value = f64;
    type Why = RateWhy;
    type State = RateState;
    const KIND: &'static str = "rate";

    #[inline(always)]
    fn score(&self, st: &mut RateState, at_ms: i64, value: f64) -> Judged<RateWhy> {
        let Some((before_ms, before)) = st.before.replace((at_ms, value)) else { return Judged::WarmsUp };
        let gap_ms = at_ms.saturating_sub(before_ms);
        if gap_ms <= 0 {
            return Judged::Nothing;
        }
        if gap_ms > self.gap_max_ms {
            return Judged::WarmsUp;
        }
        let a_second = (value - before) / (gap_ms as f64 / 1e3);
        Judged::Score(clamped(self.side.of(a_second)), RateWhy { value, before, gap_ms })
    }
}
