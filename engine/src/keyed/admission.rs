//! What happens to a row before a detector sees it: its key's clock, the watermark, and rows from the future.

use std::collections::HashMap;

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

/// The event time of one key, and when its detectors want to be woken. Kept to 32 bytes, for every row reads it.
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
    /// Its clock has been wrong: [`WrongClocks`] knows more.
    clock_suspect: bool,
    /// The round in which the key changed, if that has yet to be written down; see [`Changes`](super::changes::Changes).
    pub(super) changed_in: u8,
}

/// The keys whose clocks have been wrong, by slot; apart, so that keys in good order stay small.
#[derive(Clone, Debug, Default)]
pub(crate) struct WrongClocks(HashMap<u32, WrongClock>);

#[derive(Clone, Copy, Debug, Default)]
struct WrongClock {
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
            clock_suspect: false,
            changed_in: 0,
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

    /// Whether a row's event time is good as it is: at or below `limit_ms`, and its key's clock above suspicion.
    #[inline]
    pub(crate) fn is_good(&self, event_ms: i64, limit_ms: i64) -> bool {
        event_ms <= limit_ms && !self.clock_suspect
    }
}

impl WrongClocks {
    /// What is known of a key's wrong clock: what is taken off, and how many rows in a row were from the future.
    pub(crate) fn of(&self, slot: u32) -> Option<(i64, u32)> {
        self.0.get(&slot).map(|clock| (clock.offset_ms, clock.skewed_in_a_row))
    }

    /// Knows again what [`of`](WrongClocks::of) told.
    pub(crate) fn restore(&mut self, slot: u32, time: &mut KeyTime, (offset_ms, skewed_in_a_row): (i64, u32)) {
        time.clock_suspect = true;
        self.0.insert(slot, WrongClock { offset_ms, skewed_in_a_row });
    }

    /// Judges a row that is not plainly good against the arrival clock.
    #[cold]
    pub(crate) fn judge(
        &mut self,
        slot: u32,
        time: &mut KeyTime,
        event_ms: i64,
        arrival_ms: i64,
        bounds: &EventTime,
    ) -> Admitted {
        let ahead_ms = event_ms.saturating_sub(arrival_ms);
        if ahead_ms <= bounds.max_skew_ms {
            // Right without a correction: the clock has been set, and nothing more is taken off.
            self.0.remove(&slot);
            time.clock_suspect = false;
            return Admitted::Good(event_ms);
        }
        time.clock_suspect = true;
        let clock = self.0.entry(slot).or_default();
        clock.skewed_in_a_row = clock.skewed_in_a_row.saturating_add(1);
        let clock_wrong = clock.skewed_in_a_row == bounds.clock_wrong_after;
        if bounds.on_skew == OnSkew::Divert {
            return Admitted::Skewed { at_ms: None, ahead_ms, clock_wrong };
        }
        let known = event_ms.saturating_sub(clock.offset_ms);
        let near = clock.offset_ms != 0 && known.abs_diff(arrival_ms) <= bounds.max_skew_ms.unsigned_abs();
        if near && !clock_wrong {
            return Admitted::Good(known);
        }
        if !near {
            clock.offset_ms = ahead_ms;
        }
        Admitted::Skewed { at_ms: Some(event_ms - clock.offset_ms), ahead_ms, clock_wrong }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: EventTime =
        EventTime { disorder_ms: 5_000, max_skew_ms: 60_000, on_skew: OnSkew::Divert, clock_wrong_after: 3 };

    fn admit(key: &mut (KeyTime, WrongClocks), event_ms: i64, arrival_ms: i64, bounds: &EventTime) -> Admitted {
        if key.0.is_good(event_ms, arrival_ms + bounds.max_skew_ms) {
            return Admitted::Good(event_ms);
        }
        key.1.judge(0, &mut key.0, event_ms, arrival_ms, bounds)
    }

    #[test]
    fn a_key_stays_small() {
        assert_eq!(size_of::<KeyTime>(), 32);
    }

    #[test]
    fn many_skewed_rows_mark_the_clock_once() {
        let mut time = (KeyTime::new(), WrongClocks::default());
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
        let mut time = (KeyTime::new(), WrongClocks::default());
        let hour = 3_600_000;
        assert!(matches!(admit(&mut time, hour, 0, &bounds), Admitted::Skewed { at_ms: Some(0), .. }));
        assert!(matches!(admit(&mut time, hour + 1_000, 900, &bounds), Admitted::Good(1_000)));
        assert!(matches!(admit(&mut time, 2_000, 1_900, &bounds), Admitted::Good(2_000)));
        assert!(matches!(admit(&mut time, 3 * hour, 2_000, &bounds), Admitted::Skewed { at_ms: Some(2_000), .. }));
    }
}
