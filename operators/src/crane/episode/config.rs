//! When an overload episode begins, ends, and is told.

use serde::{Deserialize, Serialize};
use watchfire_engine::Error;

use crate::crane::ChartMode;
use crate::crane::stats::level::Level;

/// Settings of [`OverloadEpisodes`](super::OverloadEpisodes).
///
/// ```
/// use watchfire_operators::crane::EpisodeConfig;
/// let config = EpisodeConfig::default();
/// assert_eq!((config.enter_at, config.release_at), (1.00, 0.97));
/// let upside_down = EpisodeConfig { release_at: 1.2, ..config };
/// assert_eq!(upside_down.check().unwrap_err().code(), "E0162");
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EpisodeConfig {
    /// An episode begins with a reading at or above this utilisation. Default 1.00, the rated load.
    pub enter_at: f64,
    /// It ends with a reading below this. Default 0.97: the usual distance of 0.03 to 0.05, so that noise of half a
    /// percent does not end it.
    pub release_at: f64,
    /// Utilisation above which the excess is integrated. Default 1.00, the rated load.
    pub excess_above: f64,
    /// Episodes of one reeving that are apart by at most this are one, milliseconds. Default 3,000: an alarm, too, is
    /// usually cleared only after 3 to 5 s.
    pub merge_gap_ms: i64,
    /// Shorter episodes are not told, milliseconds. Default 1,000: a hoist snatch lets a true 95 % read 110 % for a
    /// fraction of a second (EN 13001-2, hoist amplification). The sliding statistics still count it.
    pub min_duration_ms: i64,
    /// For how long a reading speaks when no other follows, milliseconds. Default 3,000, as in
    /// [`OverloadConfig::max_gap_ms`](crate::crane::OverloadConfig::max_gap_ms).
    pub max_gap_ms: i64,
    /// An episode goes on without a reading that says how the load is for up to this, milliseconds; then it ends where
    /// the evidence did. Default 60,000: two polls of a device that reports every 30 s. Silence is not safe, so a gap
    /// alone does not end an episode at once; it lowers the coverage.
    pub max_silence_ms: i64,
    /// How far behind its key's watermark a reading can still change episodes, milliseconds. Default 7,200,000: devices
    /// replay up to two hours after an outage. Later ones are late. This bounds the trace.
    pub allowed_lateness_ms: i64,
    /// An open episode is first told when so many milliseconds of the quiet clock have passed since it was noticed.
    /// Default 5,000.
    pub open_after_ms: i64,
    /// And then again, as a retraction and an insertion, every so often, if it changed. Default 10,000.
    pub update_every_ms: i64,
    /// The least time between two corrections by late readings, in milliseconds of the quiet clock. Default 1,000. Never
    /// more than one a tick.
    pub correct_every_ms: i64,
    /// How the chart answers between two of its points. Default [`ChartMode::Product`].
    pub chart_mode: ChartMode,
}

impl Default for EpisodeConfig {
    fn default() -> Self {
        Self {
            enter_at: 1.00,
            release_at: 0.97,
            excess_above: 1.00,
            merge_gap_ms: 3_000,
            min_duration_ms: 1_000,
            max_gap_ms: 3_000,
            max_silence_ms: 60_000,
            allowed_lateness_ms: 7_200_000,
            open_after_ms: 5_000,
            update_every_ms: 10_000,
            correct_every_ms: 1_000,
            chart_mode: ChartMode::Product,
        }
    }
}

/// Longest time that any of the settings may name: 31 days.
const TIME_MAX_MS: i64 = 31 * 86_400_000;

impl EpisodeConfig {
    /// Whether episodes can be found with these settings.
    ///
    /// # Errors
    /// `E0162` if the utilisations are not `0 < release_at <= enter_at < 2147` (and `excess_above` likewise above 0), if
    /// a time is negative or above 31 days, if `max_gap_ms` or `update_every_ms` is 0, or if `max_silence_ms` is below
    /// `max_gap_ms`.
    ///
    /// ```
    /// use watchfire_operators::crane::EpisodeConfig;
    /// let hasty = EpisodeConfig { max_silence_ms: 1_000, ..EpisodeConfig::default() };
    /// assert!(hasty.check().unwrap_err().to_string().contains("max_silence_ms 1000 is not from 3000"));
    /// ```
    pub fn check(&self) -> Result<(), Error> {
        let wrong = |what: String, remedy: &str| Err(Error::new("E0162", what).at("overload episodes").remedy(remedy));
        let share = |limit: f64| limit > 0.0 && limit < Level::RATIO_MAX;
        let shares = [self.enter_at, self.release_at, self.excess_above];
        if !shares.into_iter().all(share) || self.release_at > self.enter_at {
            let what = format!(
                "enter_at {}, release_at {}, excess_above {} do not fit together",
                self.enter_at, self.release_at, self.excess_above
            );
            return wrong(what, "give shares of the rated load above 0, the release not above the entry");
        }
        let times = [
            ("merge_gap_ms", self.merge_gap_ms, 0),
            ("min_duration_ms", self.min_duration_ms, 0),
            ("max_gap_ms", self.max_gap_ms, 1),
            ("max_silence_ms", self.max_silence_ms, self.max_gap_ms),
            ("allowed_lateness_ms", self.allowed_lateness_ms, 0),
            ("open_after_ms", self.open_after_ms, 0),
            ("update_every_ms", self.update_every_ms, 1),
            ("correct_every_ms", self.correct_every_ms, 0),
        ];
        for (name, ms, least_ms) in times {
            if ms < least_ms || ms > TIME_MAX_MS {
                let what = format!("{name} {ms} is not from {least_ms} to {TIME_MAX_MS}");
                return wrong(what, "give milliseconds within that range");
            }
        }
        Ok(())
    }
}
