//! What is remembered of one crane.

use std::collections::VecDeque;

use watchfire_engine::{State, rkyv};

use super::machine::Machine;
use super::point::{Point, Put};
use super::row::Found;
use super::trace::Trace;

/// The readings of one crane that can still matter, and the episodes that were told and can still change.
///
/// Memory of the trace, in bytes a key and hour within `allowed_lateness_ms` (a test keeps this table true):
///
/// | readings | 1 Hz | 10 Hz |
/// |---|---|---|
/// | below the release threshold, at regular times | 0 | 0 |
/// | the same, 2 % of them lost | 310 | 2,750 |
/// | the same, at irregular times (0 to 39 ms late) | 10,400 | 83,000 |
/// | never below the release threshold, each other than the last | 40,200 | 397,500 |
///
/// Besides: 176 bytes a key, 24 for each reading that the watermark has not passed, and 120 for each episode that was
/// told and can still change.
#[derive(Clone, Debug, PartialEq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct EpisodeState {
    /// Points that the watermark has not passed, rising.
    pub(super) pending: VecDeque<Point>,
    /// Points before this are in the trace.
    pub(super) settled_ms: i64,
    /// Points up to this have been forgotten.
    pub(super) forgotten_ms: i64,
    pub(super) trace: Trace,
    /// After what was forgotten, and before the trace.
    pub(super) base: Machine,
    /// After the trace, unless it was changed since.
    pub(super) tip: Machine,
    /// Most cranes are not overloaded and get no late readings.
    pub(super) rare: Option<Box<Rare>>,
}

/// The table above with its last line, first for 1 Hz, then for 10 Hz.
#[cfg(test)]
pub(super) const TRACE_BYTES_PER_HOUR: [usize; 8] = [0, 310, 10_400, 40_200, 0, 2_750, 83_000, 397_500];

/// What is only needed while there are episodes or late readings.
#[derive(Clone, Debug, PartialEq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub(super) struct Rare {
    /// Rows that hold at present and can still change, by start.
    pub(super) told: Vec<Told>,
    /// The trace was changed before the tip.
    pub(super) is_stale: bool,
    /// Quiet clock at which that is to be corrected; `i64::MAX` if it need not.
    pub(super) correct_at_ms: i64,
    /// Quiet clock at the last correction.
    pub(super) corrected_ms: i64,
    /// Quiet clock at which what is open is to be told; `i64::MAX` if nothing is.
    pub(super) tell_at_ms: i64,
}

/// An episode that was told.
#[derive(Clone, Debug, PartialEq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub(super) struct Told {
    pub(super) found: Found,
    /// Told ahead of the watermark: readings in time can still change it.
    pub(super) is_early: bool,
}

impl Default for EpisodeState {
    fn default() -> Self {
        EpisodeState {
            pending: VecDeque::new(),
            settled_ms: i64::MIN,
            forgotten_ms: i64::MIN,
            trace: Trace::default(),
            base: Machine::default(),
            tip: Machine::default(),
            rare: None,
        }
    }
}

impl Default for Rare {
    fn default() -> Self {
        Rare {
            told: Vec::new(),
            is_stale: false,
            correct_at_ms: i64::MAX,
            corrected_ms: i64::MIN,
            tell_at_ms: i64::MAX,
        }
    }
}

impl State for EpisodeState {
    const NAME: &'static str = "watchfire.crane_episodes";
    const VERSION: u32 = 1;
}

impl EpisodeState {
    /// Puts a point among those that the watermark has not passed.
    #[inline]
    pub(super) fn hold(&mut self, point: Point) -> Put {
        match self.pending.back() {
            Some(last) if last.at_ms >= point.at_ms => self.hold_among(point),
            _ => {
                self.pending.push_back(point);
                Put::New
            }
        }
    }

    #[cold]
    fn hold_among(&mut self, point: Point) -> Put {
        let after = self.pending.iter().rev().take_while(|known| known.at_ms > point.at_ms).count();
        let place = self.pending.len() - after;
        match place.checked_sub(1).and_then(|before| self.pending.get_mut(before)) {
            Some(known) if known.at_ms == point.at_ms => match known.says.cmp(&point.says) {
                std::cmp::Ordering::Less => {
                    *known = point;
                    Put::New
                }
                std::cmp::Ordering::Equal => Put::Known,
                std::cmp::Ordering::Greater => Put::Hidden,
            },
            _ => {
                self.pending.insert(place, point);
                Put::New
            }
        }
    }

    /// The next point that the watermark has passed.
    #[inline]
    pub(super) fn settled_before(&mut self, watermark_ms: i64) -> Option<Point> {
        if self.pending.front()?.at_ms < watermark_ms { self.pending.pop_front() } else { None }
    }

    pub(super) fn is_stale(&self) -> bool {
        self.rare.as_ref().is_some_and(|rare| rare.is_stale)
    }

    /// Whether something was told ahead of the watermark and nothing is set to look at it again: the input had ended,
    /// and goes on.
    #[inline]
    pub(super) fn is_told_early_only(&self) -> bool {
        self.rare.as_ref().is_some_and(|rare| {
            // What was told early comes after what is settled.
            rare.tell_at_ms == i64::MAX && rare.told.last().is_some_and(|told| told.is_early)
        })
    }

    /// Bytes of the trace of past readings on the heap: what grows with `allowed_lateness_ms`.
    ///
    /// ```
    /// assert_eq!(watchfire_operators::crane::EpisodeState::default().trace_bytes(), 0);
    /// ```
    #[must_use]
    pub fn trace_bytes(&self) -> usize {
        self.trace.heap_bytes()
    }
}
