//! When a reading happened.

use watchfire_engine::Timed;

use super::CraneReading;

/// ```
/// use watchfire_engine::Timed;
/// use watchfire_operators::crane::CraneReading;
/// assert_eq!(CraneReading::new(7, 1_767_225_600_000, 200.0, 12.0, 4).event_time_ms(), 1_767_225_600_000);
/// ```
impl Timed for CraneReading {
    #[inline]
    fn event_time_ms(&self) -> i64 {
        self.event_time_ms
    }
}
