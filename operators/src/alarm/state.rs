//! What is remembered of one alarm: small, comparable, and the same bytes for the same past.

use serde::{Deserialize, Serialize};

use super::{MAX_STEPS, Private, Severity, UnknownCause};

/// A trustworthy value or an unknown reading was seen: `last_ms` holds.
pub(super) const SEEN: u8 = 1;
/// The newest evidence is that nothing is known: `unknown_*` and `cause` hold.
pub(super) const UNKNOWN: u8 = 1 << 1;
/// It was unknown for long enough to be an alarm.
pub(super) const UNKNOWN_RAISED: u8 = 1 << 2;
/// The value is on the safe side of the release value: `clear_since_ms` holds.
pub(super) const CLEARING: u8 = 1 << 3;
/// Somebody has to look: `unacked_ms` and `stage` hold.
pub(super) const UNACKED: u8 = 1 << 4;
/// A suppression keeps changes from leaving.
pub(super) const HIDDEN: u8 = 1 << 5;

/// The state of one alarm: one key under one ladder.
///
/// Fields that mean nothing at present are zero, so equal pasts give equal states and equal bytes. At most 200 bytes
/// live, plus one box while there is an acknowledgement, a suppression or a run of late samples.
/// Encode it with `rkyv`; decoding checks the bytes, and [`AlarmMachine::check`](super::AlarmMachine::check) then
/// checks that the ladder can go on from it.
///
/// # Examples
/// ```
/// use watchfire_operators::alarm::AlarmState;
/// # fn main() -> Result<(), rkyv::rancor::Error> {
/// let state = AlarmState::default();
/// let bytes = rkyv::to_bytes::<rkyv::rancor::Error>(&state)?;
/// assert_eq!(rkyv::from_bytes::<AlarmState, rkyv::rancor::Error>(&bytes)?, state);
/// assert!(std::mem::size_of::<AlarmState>() <= 200);
/// # Ok(())
/// # }
/// ```
#[derive(
    Debug, Clone, Default, PartialEq, Serialize, Deserialize, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize,
)]
#[rkyv(derive(Debug))]
pub struct AlarmState {
    /// Newest event time, of a value or of an unknown reading.
    pub(super) last_ms: i64,
    /// Per step above the level, while its bit in `pending` is set: when the condition began, moved on by unproven gaps.
    pub(super) since_ms: [i64; MAX_STEPS],
    pub(super) clear_since_ms: i64,
    /// Event time from which nothing is known.
    pub(super) unknown_since_ms: i64,
    /// Arrival clock of the same.
    pub(super) unknown_arrival_ms: i64,
    /// Most dangerous value while a step is pending or on.
    pub(super) peak: f64,
    /// Arrival clock of the last change for the worse that was shown.
    pub(super) worse_ms: i64,
    /// Arrival clock since when somebody has to look.
    pub(super) unacked_ms: i64,
    /// Event time at which the latest episode began.
    pub(super) told_from_ms: i64,
    /// Per step with its bit in `told`: newest event time for which the latest episode covers it.
    pub(super) told_until_ms: [i64; MAX_STEPS],
    /// Per pending step: samples in a row.
    pub(super) samples: [u32; MAX_STEPS],
    pub(super) episode: u32,
    /// Number of the next change.
    pub(super) revision: u32,
    /// Steps that are on, 0 for none.
    pub(super) level: u8,
    /// Bit per step whose condition holds, but not for long enough.
    pub(super) pending: u8,
    /// Bit per step that was on in the latest episode.
    pub(super) told: u8,
    pub(super) flags: u8,
    /// Stages of escalation done.
    pub(super) stage: u8,
    pub(super) cause: Option<UnknownCause>,
    pub(super) rare: Option<Box<Rare>>,
}

/// A decoded state that a ladder cannot go on from: it was written under another ladder, or is damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[error(
    "E0159 the alarm state uses {used} steps of a ladder that has {steps}, or hides changes without a suppression \
     (alarm state). Remedy: go on with the ladder that wrote it, or migrate the state."
)]
pub struct StateMismatch {
    /// Steps that the state uses.
    pub used: usize,
    /// Steps that the ladder has.
    pub steps: usize,
}

impl StateMismatch {
    /// The stable code, `E0159`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        "E0159"
    }
}

/// What few alarms have.
#[derive(
    Debug, Clone, Default, PartialEq, Serialize, Deserialize, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize,
)]
#[rkyv(derive(Debug))]
pub(super) struct Rare {
    pub(super) acknowledged: Option<Acknowledgement>,
    pub(super) suppression: Option<Suppression>,
    /// Per step: late samples that meet it. All empty for most.
    pub(super) late: [LateRun; MAX_STEPS],
}

/// Who has seen the alarm that is on, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
#[rkyv(derive(Debug))]
pub struct Acknowledgement {
    /// Who.
    pub who: Private,
    /// When, arrival clock, ms.
    pub at_ms: i64,
}

/// A suppression that is planned or in force, `[from_ms, until_ms)` on the arrival clock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
#[rkyv(derive(Debug))]
pub struct Suppression {
    /// Who answers for it.
    pub owner: Private,
    /// Why.
    pub reason: Private,
    /// Begin, ms.
    pub from_ms: i64,
    /// End, ms, exclusive.
    pub until_ms: i64,
    /// Whether it has begun.
    pub in_force: bool,
    /// How many changes it has hidden so far.
    pub hidden: u32,
    /// The worst severity it has hidden so far.
    pub worst: Option<Severity>,
}

/// Late samples in a row that meet a step: they cover `[from_ms, to_ms]`; no samples, no run.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    rkyv::Archive,
    rkyv::Serialize,
    rkyv::Deserialize,
)]
#[rkyv(derive(Debug))]
pub(super) struct LateRun {
    pub(super) from_ms: i64,
    pub(super) to_ms: i64,
    pub(super) samples: u32,
}

impl AlarmState {
    /// How many steps are on: 0 for none, else the number of the highest one, from 1.
    #[must_use]
    pub fn level(&self) -> usize {
        usize::from(self.level)
    }

    /// Number of the latest episode that was shown; 0 before the first.
    #[must_use]
    pub fn episode(&self) -> u32 {
        self.episode
    }

    /// Event time of the newest reading, ms.
    #[must_use]
    pub fn last_ms(&self) -> Option<i64> {
        self.has(SEEN).then_some(self.last_ms)
    }

    /// Why nothing is known at present; `None` if the value is known or was never asked for.
    #[must_use]
    pub fn unknown(&self) -> Option<UnknownCause> {
        if self.has(UNKNOWN) { self.cause } else { None }
    }

    /// The most dangerous value of the run that is on or may lead to an alarm, in the unit of the signal.
    #[must_use]
    pub fn peak(&self) -> Option<f64> {
        (self.level | self.pending != 0).then_some(self.peak)
    }

    /// Who has seen the alarm that is on.
    #[must_use]
    pub fn acknowledgement(&self) -> Option<&Acknowledgement> {
        self.rare.as_ref()?.acknowledged.as_ref()
    }

    /// The suppression that is planned or in force.
    #[must_use]
    pub fn suppression(&self) -> Option<&Suppression> {
        self.rare.as_ref()?.suppression.as_ref()
    }

    /// Whether a suppression keeps changes from leaving at present.
    #[must_use]
    pub fn is_hidden(&self) -> bool {
        self.has(HIDDEN)
    }

    pub(super) fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    pub(super) fn set(&mut self, flag: u8, on: bool) {
        if on { self.flags |= flag } else { self.flags &= !flag }
    }

    /// Nothing on, pending, unknown or planned: the common case.
    pub(super) fn is_quiet(&self) -> bool {
        (self.level | self.pending) == 0 && self.flags == SEEN && self.rare.is_none()
    }

    pub(super) fn rare_mut(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    /// Gives the box back once nothing is in it.
    pub(super) fn tidy(&mut self) {
        if self.rare.as_deref().is_some_and(|rare| *rare == Rare::default()) {
            self.rare = None;
        }
    }

    pub(super) fn forget_acknowledgement(&mut self) {
        if let Some(rare) = &mut self.rare {
            rare.acknowledged = None;
            self.tidy();
        }
    }

    pub(super) fn drop_pending(&mut self, step: usize) {
        self.pending &= !(1 << step);
        self.since_ms[step] = 0;
        self.samples[step] = 0;
    }

    pub(super) fn is_pending(&self, step: usize) -> bool {
        self.pending & (1 << step) != 0
    }

    pub(super) fn stop_clearing(&mut self) {
        self.set(CLEARING, false);
        self.clear_since_ms = 0;
    }
}
