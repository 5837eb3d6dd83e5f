//! What the sliding statistics of a crane are measured against.

use serde::{Deserialize, Serialize};
use watchfire_engine::Error;

use super::level::Level;
use crate::crane::ChartMode;

/// Thresholds of the statistics: their number is fixed, their values are settings.
pub const OVERLOAD_THRESHOLDS: usize = 4;

/// Settings of [`CraneStats`](super::CraneStats) and [`overload_windows`](super::overload_windows).
///
/// ```
/// use watchfire_operators::crane::OverloadConfig;
/// let config = OverloadConfig::default();
/// assert_eq!(config.thresholds, [0.90, 1.00, 1.05, 1.10]);
/// assert_eq!((config.size_ms, config.slide_ms, config.max_gap_ms), (60_000, 10_000, 3_000));
/// assert!(OverloadConfig { thresholds: [1.0, 0.9, 1.05, 1.1], ..config }.check().is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OverloadConfig {
    /// Length of a window, milliseconds. Default 60,000.
    pub size_ms: i64,
    /// Milliseconds from one window to the next. Default 10,000.
    pub slide_ms: i64,
    /// Utilisations (1.0 is the rated load) whose time is counted, rising, above 0. A reading *at* a threshold counts.
    ///
    /// Default 0.90 (pre-warning), 1.00 (rated), 1.05 (sustained violation), 1.10 (hard limit). They follow JGJ 332-2014,
    /// which demands outputs at 90 % and 100 % of the rated moment, and the bound of 110 % by which limiters have to act
    /// (GB 5144, EN 14439); 105 % is this library's own step between them.
    pub thresholds: [f64; OVERLOAD_THRESHOLDS],
    /// For how long a reading speaks when no other follows, milliseconds. Default 3,000: two lost readings at one a
    /// second. What lies beyond is uncovered: neither normal nor overloaded.
    pub max_gap_ms: i64,
    /// How the chart answers between two of its points. Default [`ChartMode::Product`].
    pub chart_mode: ChartMode,
}

impl Default for OverloadConfig {
    fn default() -> Self {
        Self {
            size_ms: 60_000,
            slide_ms: 10_000,
            thresholds: [0.90, 1.00, 1.05, 1.10],
            max_gap_ms: 3_000,
            chart_mode: ChartMode::Product,
        }
    }
}

/// Milliseconds that a window may be long: the sums of one are kept in 32 bits.
const SIZE_MAX_MS: i64 = i32::MAX as i64;

impl OverloadConfig {
    /// Whether statistics can be made with these settings.
    ///
    /// # Errors
    /// `E0161` if the thresholds do not rise or lie outside 0 to 2,147, if the gap is not positive, or if it exceeds
    /// the greatest common divisor of size and slide: a reading would then speak across a whole pane, and the window
    /// would not know. Also for a window longer than 24 days.
    ///
    /// ```
    /// use watchfire_operators::crane::OverloadConfig;
    /// let coarse = OverloadConfig { max_gap_ms: 30_000, ..OverloadConfig::default() };
    /// assert_eq!(coarse.check().unwrap_err().code(), "E0161");
    /// ```
    pub fn check(&self) -> Result<(), Error> {
        let wrong =
            |what: String, remedy: &str| Err(Error::new("E0161", what).at("overload statistics").remedy(remedy));
        let sound = |limit: &f64| *limit > 0.0 && *limit < Level::RATIO_MAX;
        if !self.thresholds.iter().all(sound) || !self.thresholds.is_sorted_by(|a, b| a < b) {
            let what = format!("thresholds {:?} do not rise, or are not shares of the rated load", self.thresholds);
            return wrong(what, "give four rising numbers above 0, with 1.0 for the rated load");
        }
        if self.size_ms <= 0 || self.slide_ms <= 0 || self.size_ms > SIZE_MAX_MS {
            let what = format!("a window of {} ms every {} ms cannot be kept", self.size_ms, self.slide_ms);
            return wrong(what, "choose lengths from 1 ms to 24 days");
        }
        let pane_ms = gcd(self.size_ms, self.slide_ms);
        if self.max_gap_ms <= 0 || self.max_gap_ms > pane_ms {
            let what = format!("max_gap_ms {} is not from 1 to the pane of {pane_ms} ms", self.max_gap_ms);
            return wrong(what, "shorten the gap, or choose a slide that is a multiple of it");
        }
        Ok(())
    }
}

fn gcd(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { gcd(b, a % b) }
}
