//! Which rows of a person can still be taken in.

use crate::window::TIME_MAX_MS;

/// When a row is from, by the engine where the clock of the band is ahead; none if that is so much older than the newest that it is late, or no time at all.
#[inline]
pub(super) fn in_time(row_ms: i64, event_ms: i64, newest_ms: i64, late_ms: i64) -> Option<i64> {
    let at_ms = row_ms.min(event_ms);
    let is_time = (-TIME_MAX_MS..=TIME_MAX_MS).contains(&at_ms);
    (is_time && at_ms >= newest_ms.saturating_sub(late_ms)).then_some(at_ms)
}
