//! What one episode says.

use serde::{Deserialize, Serialize};
use watchfire_engine::{Real, Timed, rkyv};

use super::point::Point;
use crate::crane::stats::level::{mean_of, real_of, share_of};

/// How an episode ended.
///
/// ```
/// use watchfire_operators::crane::EpisodeEnd;
/// let seen_to_end = |end| matches!(end, EpisodeEnd::Released | EpisodeEnd::ReevingChanged);
/// assert!(seen_to_end(EpisodeEnd::Released) && !seen_to_end(EpisodeEnd::Silent));
/// ```
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    rkyv::Archive,
    rkyv::Serialize,
    rkyv::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum EpisodeEnd {
    /// It has not: the row tells it so far and will be replaced.
    Open,
    /// A reading below the release threshold came, and none at or above the entry threshold within the merge gap.
    Released,
    /// The reeving was changed, so the load is judged by another curve from then on.
    ReevingChanged,
    /// No more readings said how the load is, until `max_silence_ms` had passed or the input ended. The episode ends
    /// where the evidence does. **It was not seen to end.**
    Silent,
}

/// Names an episode: the same readings give the same name. A late reading that moves the start gives a new one.
///
/// ```
/// use watchfire_operators::crane::EpisodeId;
/// let id = EpisodeId { key: 7_u32, start_ms: 1_767_225_600_000 };
/// assert_eq!(id.to_string(), "7/1767225600000");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EpisodeId<K> {
    /// The key of the flow, usually the crane's number.
    pub key: K,
    /// Begin of the episode, milliseconds since 1970.
    pub start_ms: i64,
}

impl<K: std::fmt::Display> std::fmt::Display for EpisodeId<K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.key, self.start_ms)
    }
}

/// One overload episode of one crane: a longest stretch of readings at or above the release threshold that begins with
/// one at or above the entry threshold, stretches joined over short gaps, never across a change of the reeving.
///
/// Times are event time; a reading counts until the next, at most `max_gap_ms`. Sums are exact whatever order readings
/// came in. All thresholds are those of [`EpisodeConfig`](super::EpisodeConfig).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct OverloadEpisode<K> {
    /// The key of the flow, usually the crane's number.
    pub key: K,
    /// The first reading at or above the entry threshold, milliseconds since 1970.
    pub start_ms: i64,
    /// The first reading below the release threshold or of another reeving; where the evidence ends if the episode is
    /// open or fell silent. Exclusive.
    pub end_ms: i64,
    /// How it ended, if it did.
    pub end: EpisodeEnd,
    /// Falls of rope.
    pub reeving: u8,
    /// Highest utilisation, to the millionth; `None` if a load hung beyond the jib, which has none and is worse.
    pub peak: Option<Real>,
    /// When the peak was first reached.
    pub peak_at_ms: i64,
    /// Radius at the peak, metres, to the millimetre.
    pub peak_radius_m: Real,
    /// Wind at the peak, metres per second, to the hundredth; `None` if not measured.
    pub peak_wind_mps: Option<Real>,
    /// Number under which the operator was logged in at the peak. Personal: it reaches no log and no error text.
    pub peak_operator: Option<u32>,
    /// Mean utilisation over the time for which a ratio at or above the release threshold is known (joined gaps are
    /// left out); `None` if there is none.
    pub mean: Option<Real>,
    /// The integral of the utilisation above `excess_above` over time: millionths of the rated load times milliseconds.
    /// A load beyond the jib adds nothing here.
    pub excess_millionth_ms: i64,
    /// Milliseconds at or above the entry threshold, or beyond the jib.
    pub over_ms: i64,
    /// Milliseconds beyond the jib.
    pub beyond_jib_ms: i64,
    /// Milliseconds for which a reading says how the load was, joined gaps included.
    pub covered_ms: i64,
    /// Milliseconds for which a reading is there but says nothing.
    pub unknown_ms: i64,
    /// `covered_ms` as a share of the episode, 0 to 1.
    pub coverage: Real,
    /// Instants with a reading at or above the release threshold; joined gaps are left out.
    pub readings: u32,
}

impl<K: Clone> OverloadEpisode<K> {
    /// The episode's name.
    ///
    /// ```
    /// # use watchfire_operators::crane::{EpisodeEnd, OverloadEpisode};
    /// # use watchfire_engine::Real;
    /// # let zero = Real::new(0.0)?;
    /// let episode = OverloadEpisode {
    ///     key: 7_u32, start_ms: 1_000, end_ms: 3_000, end: EpisodeEnd::Released,
    ///     // ...
    /// #   reeving: 4, peak: None, peak_at_ms: 1_000, peak_radius_m: zero, peak_wind_mps: None, peak_operator: None,
    /// #   mean: None, excess_millionth_ms: 0, over_ms: 0, beyond_jib_ms: 0, covered_ms: 0, unknown_ms: 0, coverage: zero,
    /// #   readings: 1,
    /// };
    /// assert_eq!(episode.id().to_string(), "7/1000");
    /// # Ok::<(), watchfire_engine::Error>(())
    /// ```
    #[must_use]
    pub fn id(&self) -> EpisodeId<K> {
        EpisodeId { key: self.key.clone(), start_ms: self.start_ms }
    }
}

/// An episode happened at its last millisecond.
impl<K> Timed for OverloadEpisode<K> {
    fn event_time_ms(&self) -> i64 {
        self.end_ms.saturating_sub(1).max(self.start_ms)
    }
}

/// An episode without its key, in whole numbers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub(super) struct Found {
    pub(super) start_ms: i64,
    pub(super) end_ms: i64,
    pub(super) end: EpisodeEnd,
    pub(super) sums: Sums,
}

/// What an episode adds up.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub(super) struct Sums {
    pub(super) peak: Point,
    /// Millionths times milliseconds, and the milliseconds.
    pub(super) weighted: i64,
    pub(super) ratio_ms: i64,
    pub(super) excess: i64,
    pub(super) over_ms: i64,
    pub(super) beyond_ms: i64,
    pub(super) covered_ms: i64,
    pub(super) unknown_ms: i64,
    pub(super) readings: u32,
}

impl Sums {
    pub(super) fn begin(peak: Point) -> Self {
        Sums {
            peak,
            weighted: 0,
            ratio_ms: 0,
            excess: 0,
            over_ms: 0,
            beyond_ms: 0,
            covered_ms: 0,
            unknown_ms: 0,
            readings: 1,
        }
    }
}

impl Found {
    /// The row, the same for the same numbers.
    pub(super) fn row<K: Clone>(&self, key: &K) -> OverloadEpisode<K> {
        let Found { start_ms, end_ms, end, ref sums } = *self;
        let says = sums.peak.says;
        OverloadEpisode {
            key: key.clone(),
            start_ms,
            end_ms,
            end,
            reeving: says.reeving,
            peak: says.level.millionths().and_then(real_of),
            peak_at_ms: sums.peak.at_ms,
            peak_radius_m: says.radius_m(),
            peak_wind_mps: says.wind_mps(),
            peak_operator: says.operator(),
            mean: mean_of(sums.weighted, sums.ratio_ms),
            excess_millionth_ms: sums.excess,
            over_ms: sums.over_ms,
            beyond_jib_ms: sums.beyond_ms,
            covered_ms: sums.covered_ms,
            unknown_ms: sums.unknown_ms,
            coverage: share_of(sums.covered_ms, end_ms - start_ms),
            readings: sums.readings,
        }
    }
}
