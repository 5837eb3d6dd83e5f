//! What happens to a row before a detector sees it: its key's clock, the watermark, and rows from the future.

use serde::{Deserialize, Serialize};

use crate::time::{EventTime, OnSkew};

/// A row that came too late for at least one detector of an operator.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Late<T> {
    /// The row.
    pub row: T,
    /// Its key's watermark when it came.
    pub watermark_ms: i64,
    /// The arrival clock when it came.
    pub arrival_ms: i64,
}

/// A row from the future: its event time is more than `max_skew_ms` ahead of the arrival clock.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Skewed<T> {
    /// The row.
    pub row: T,
    /// How far ahead of the arrival clock it is.
    pub ahead_ms: i64,
    /// The arrival clock when it came.
    pub arrival_ms: i64,
    /// It reached the detectors all the same, with the key's clock error taken off.
    pub corrected: bool,
    /// Set on the row that made the count reach `clock_wrong_after`: the key's clock is wrong, not a single row.
    pub clock_wrong: bool,
}

/// No split has fed the key yet.
const FED_BY_NONE: u32 = u32::MAX - 1;

/// The event time of one key, and when its detectors want to be woken.
#[derive(Clone, Debug)]
#[repr(C)]
pub(crate) struct KeyTime {
    pub(crate) max_event_ms: i64,
    pub(crate) due_event_ms: i64,
    /// When the key's one entry in the timers is due, `i64::MAX` if it has none.
    pub(crate) due_quiet_ms: i64,
    /// The split that fed the key last.
    pub(crate) split: u32,
    /// Several splits have fed it: only the end of the job ends it.
    pub(crate) many_splits: bool,
    /// Rare parts, so that a key in good order stays small.
    rare: Option<Box<Rare>>,
}

#[derive(Clone, Debug, Default)]
struct Rare {
    /// What is taken off the key's event times.
    offset_ms: i64,
    skewed_in_a_row: u32,
}

/// What admission found.
pub(crate) enum Admitted {
    /// The row is good, at this event time.
    Good(i64),
    /// It is from the future: `Some` event time if it is corrected and goes on.
    Skewed { at_ms: Option<i64>, ahead_ms: i64, clock_wrong: bool },
}

impl KeyTime {
    pub(crate) fn new() -> Self {
        KeyTime {
            max_event_ms: i64::MIN,
            due_event_ms: i64::MAX,
            due_quiet_ms: i64::MAX,
            split: FED_BY_NONE,
            many_splits: false,
            rare: None,
        }
    }

    /// The watermark: the latest event time less the disorder bound; `i64::MIN` before the first row.
    #[inline]
    pub(crate) fn watermark_ms(&self, bounds: &EventTime) -> i64 {
        self.max_event_ms.saturating_sub(bounds.disorder_ms)
    }

    /// Notes that a row came from another split than the row before. The split that fed the key until now, if any did.
    #[cold]
    pub(crate) fn fed_by(&mut self, split: u32) -> Option<u32> {
        let before = std::mem::replace(&mut self.split, split);
        self.many_splits |= before != FED_BY_NONE;
        (before != FED_BY_NONE).then_some(before)
    }

    /// Judges the event time of a row against the arrival clock (`i64::MIN` while it is unknown: all rows are good).
    #[inline]
    pub(crate) fn admit(&mut self, event_ms: i64, limit_ms: i64, arrival_ms: i64, bounds: &EventTime) -> Admitted {
        if event_ms <= limit_ms && self.rare.is_none() {
            return Admitted::Good(event_ms);
        }
        self.admit_rare(event_ms, limit_ms, arrival_ms, bounds)
    }

    #[cold]
    fn admit_rare(&mut self, event_ms: i64, limit_ms: i64, arrival_ms: i64, bounds: &EventTime) -> Admitted {
        if event_ms <= limit_ms {
            // Right without a correction: the clock has been set, and nothing more is taken off.
            self.rare = None;
            return Admitted::Good(event_ms);
        }
        let ahead_ms = event_ms.saturating_sub(arrival_ms);
        let rare = self.rare.get_or_insert_default();
        rare.skewed_in_a_row = rare.skewed_in_a_row.saturating_add(1);
        let clock_wrong = rare.skewed_in_a_row == bounds.clock_wrong_after;
        if bounds.on_skew == OnSkew::Divert {
            return Admitted::Skewed { at_ms: None, ahead_ms, clock_wrong };
        }
        let known = event_ms.saturating_sub(rare.offset_ms);
        let near = known.abs_diff(arrival_ms) <= bounds.max_skew_ms.unsigned_abs();
        if rare.offset_ms != 0 && near && !clock_wrong {
            return Admitted::Good(known);
        }
        if rare.offset_ms == 0 || !near {
            rare.offset_ms = ahead_ms;
        }
        Admitted::Skewed { at_ms: Some(event_ms - rare.offset_ms), ahead_ms, clock_wrong }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: EventTime =
        EventTime { disorder_ms: 5_000, max_skew_ms: 60_000, on_skew: OnSkew::Divert, clock_wrong_after: 3 };

    fn admit(time: &mut KeyTime, event_ms: i64, arrival_ms: i64, bounds: &EventTime) -> Admitted {
        time.admit(event_ms, arrival_ms + bounds.max_skew_ms, arrival_ms, bounds)
    }

    #[test]
    fn many_skewed_rows_mark_the_clock_once() {
        let mut time = KeyTime::new();
        let mut marks = 0;
        for _ in 0..10 {
            match admit(&mut time, 10_000_000, 0, &BOUNDS) {
                Admitted::Skewed { at_ms: None, ahead_ms: 10_000_000, clock_wrong } => marks += u32::from(clock_wrong),
                _ => panic!("diverted"),
            }
        }
        assert_eq!(marks, 1);
        assert!(matches!(admit(&mut time, 500, 0, &BOUNDS), Admitted::Good(500)));
    }

    #[test]
    fn a_learned_offset_is_taken_off_until_the_clock_is_right() {
        let bounds = EventTime { on_skew: OnSkew::CorrectOffset, ..BOUNDS };
        let mut time = KeyTime::new();
        let hour = 3_600_000;
        assert!(matches!(admit(&mut time, hour, 0, &bounds), Admitted::Skewed { at_ms: Some(0), .. }));
        assert!(matches!(admit(&mut time, hour + 1_000, 900, &bounds), Admitted::Good(1_000)));
        assert!(matches!(admit(&mut time, 2_000, 1_900, &bounds), Admitted::Good(2_000)));
        assert!(matches!(admit(&mut time, 3 * hour, 2_000, &bounds), Admitted::Skewed { at_ms: Some(2_000), .. }));
    }
}
