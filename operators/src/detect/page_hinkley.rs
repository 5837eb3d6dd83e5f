//! How far the sum of what is off the mean has come from where it turned.

use serde::{Deserialize, Serialize};
use watchfire_engine::{State, rkyv};

use super::ewma::clamped;
use super::{Judged, Score, Side};

/// The test of Page and Hinkley (Hinkley 1971): the sum of how far values are above the mean of all so far, beyond an allowance, less the lowest that this sum
/// has been; and the same downward. In the unit of the value, so it needs no standard deviation; the mean follows, so a step is found, and then
/// becomes usual. O(1) a value.
///
/// # Examples
/// ```
/// use watchfire_operators::detect::{Judged, PageHinkley, PageHinkleyState, Score, Side};
/// let test = PageHinkley { allowance: 0.1, warm_up: 10, side: Side::Above, ..PageHinkley::default() };
/// let mut state = PageHinkleyState::default();
/// (0..50).for_each(|n| drop(test.score(&mut state, n, 5.0)));
/// // One higher: each adds a little less than 0.9, for the mean follows.
/// let Judged::Score(score, why) = test.score(&mut state, 50, 6.0) else { return };
/// assert!((score - (6.0 - why.mean - 0.1)).abs() < 1e-9, "{score} {why:?}");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PageHinkley {
    /// What is no further off than this adds nothing, in the unit of the value; 0 or more.
    pub allowance: f64,
    /// How many values there are before one is judged.
    pub warm_up: u32,
    /// The score grows no further, so that the way down is not longer than the way up, in the unit of the value: about twice the threshold.
    pub most: f64,
    /// Which way is unusual.
    pub side: Side,
}

impl Default for PageHinkley {
    /// An allowance of 0.005, after 30 values, without an end, on both sides.
    fn default() -> Self {
        PageHinkley { allowance: 0.005, warm_up: 30, most: 1e12, side: Side::Both }
    }
}

/// What [`PageHinkley`] remembers of a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
#[rkyv(crate = rkyv)]
pub struct PageHinkleyState {
    values: u64,
    mean: f64,
    /// How far each sum is from where it turned.
    above: f64,
    below: f64,
}

impl State for PageHinkleyState {
    const NAME: &'static str = "watchfire.page_hinkley";
    const VERSION: u32 = 1;
}

/// The numbers behind a score of [`PageHinkley`].
///
/// # Examples
/// ```
/// use watchfire_operators::detect::{Judged, PageHinkley, PageHinkleyState, PageHinkleyWhy, Score};
/// let (test, mut state) = (PageHinkley { allowance: 0.5, warm_up: 2, ..PageHinkley::default() }, PageHinkleyState::default());
/// let said = [5.0, 5.0, 8.0].map(|value| test.score(&mut state, 0, value));
/// // Two above the mean of all three, less the allowance.
/// assert_eq!(said[2], Judged::Score(1.5, PageHinkleyWhy { value: 8.0, mean: 6.0, above: 1.5, below: 0.0 }));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PageHinkleyWhy {
    /// The value.
    pub value: f64,
    /// The mean of all values, this one included.
    pub mean: f64,
    /// How far the sum is above its lowest.
    pub above: f64,
    /// How far it is below its highest.
    pub below: f64,
}

impl Score for PageHinkley {
    type Value = f64;
    type Why = PageHinkleyWhy;
    type State = PageHinkleyState;
    const KIND: &'static str = "page_hinkley";

    #[inline(always)]
    fn score(&self, st: &mut PageHinkleyState, _at_ms: i64, value: f64) -> Judged<PageHinkleyWhy> {
        st.values = st.values.saturating_add(1);
        st.mean += (value - st.mean) / st.values as f64;
        let off = clamped(value - st.mean);
        // A sum less its lowest is the sum that is never let below nothing.
        let most = self.most.max(0.0);
        st.above = (st.above + off - self.allowance).clamp(0.0, most);
        st.below = (st.below - off - self.allowance).clamp(0.0, most);
        if st.values <= u64::from(self.warm_up) {
            return Judged::WarmsUp;
        }
        let score = self.side.worse(st.above, st.below);
        Judged::Score(score, PageHinkleyWhy { value, mean: st.mean, above: st.above, below: st.below })
    }
}
