//! For how long a value has not moved.

use serde::{Deserialize, Serialize};
use watchfire_engine::{State, rkyv};

use super::{Judged, Score};

/// For how long a value has stayed within a tolerance of where it stood first, milliseconds. A sensor that is read and does not move though it should is
/// [stuck](crate::alarm::UnknownCause::Stuck); let the reading be [`None`](super::Reading::None) while it need not move. A gap proves nothing, so no
/// more than `gap_max_ms` of one counts. O(1) a value.
///
/// # Examples
/// ```
/// use watchfire_operators::detect::{Judged, Score, Stuck, StuckState, StuckWhy};
/// let (stuck, mut state) = (Stuck { tolerance: 0.05, ..Stuck::default() }, StuckState::default());
/// let for_ms = |state: &mut StuckState, at_s: i64, value| match stuck.score(state, at_s * 1_000, value) {
///     Judged::Score(for_ms, _) => for_ms,
///     _ => -1.0,
/// };
/// assert_eq!([(0, 7.0), (5, 7.04), (10, 6.96), (15, 7.1), (20, 7.1)].map(|(s, value)| for_ms(&mut state, s, value)),
///     [0.0, 5_000.0, 10_000.0, 0.0, 5_000.0]);
/// // An hour without a value counts for a minute.
/// assert_eq!(for_ms(&mut state, 3_620, 7.1), 65_000.0);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Stuck {
    /// What is no further off has not moved, in the unit of the value; 0 or more.
    pub tolerance: f64,
    /// For how long one value speaks at most, milliseconds.
    pub gap_max_ms: i64,
}

impl Default for Stuck {
    /// Not moved at all; a value speaks for a minute.
    fn default() -> Self {
        Stuck { tolerance: 0.0, gap_max_ms: 60_000 }
    }
}

/// What [`Stuck`] remembers of a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
#[rkyv(crate = rkyv)]
pub struct StuckState {
    /// Where it stood first, and when it was there last.
    stands: Option<(f64, i64)>,
    for_ms: i64,
}

impl State for StuckState {
    const NAME: &'static str = "watchfire.stuck";
    const VERSION: u32 = 1;
}

/// The numbers behind a score of [`Stuck`].
///
/// # Examples
/// ```
/// use watchfire_operators::detect::{Judged, Score, Stuck, StuckState, StuckWhy};
/// let (stuck, mut state) = (Stuck { tolerance: 0.05, ..Stuck::default() }, StuckState::default());
/// stuck.score(&mut state, 0, 7.0);
/// let said = stuck.score(&mut state, 5_000, 7.04);
/// assert_eq!(said, Judged::Score(5_000.0, StuckWhy { value: 7.04, stands_at: 7.0 }), "for five seconds");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct StuckWhy {
    /// The value.
    pub value: f64,
    /// Where it stood first.
    pub stands_at: f64,
}

impl Score for Stuck {
    type Value = f64;
    type Why = StuckWhy;
    type State = StuckState;
    const KIND: &'static str = "stuck";

    #[inline(always)]
    fn score(&self, st: &mut StuckState, at_ms: i64, value: f64) -> Judged<StuckWhy> {
        let here = st.stands.filter(|(stands_at, _)| (value - stands_at).abs() <= self.tolerance);
        let Some((stands_at, last_ms)) = here else {
            (st.stands, st.for_ms) = (Some((value, at_ms)), 0);
            return Judged::Score(0.0, StuckWhy { value, stands_at: value });
        };
        let gap_ms = at_ms.saturating_sub(last_ms).min(self.gap_max_ms.max(0));
        (st.stands, st.for_ms) = (Some((stands_at, at_ms)), st.for_ms.saturating_add(gap_ms));
        Judged::Score(st.for_ms as f64, StuckWhy { value, stands_at })
    }
}
