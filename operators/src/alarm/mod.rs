//! Alarms: how a stream of values becomes something that people act on.
//!
//! Shape: per key and rule, [`Event`]s in, [`AlarmChange`]s out. A [`Ladder`] says what is how bad, for how long it must
//! last and how it ends; [`AlarmMachine`] runs it; [`AlarmState`] is all that is remembered. Every detector raises its
//! alarms through this one machine, whatever its signal: load ratio, wind, heart rate, time to collision.
//!
//! What it promises:
//! - **An alarm leaves with the sample that proves it**, and with no other.
//! - **It counts only what is proven.** A sample speaks for `max_gap_ms`. A longer gap neither proves nor disproves a
//!   danger: the run goes on, but only `max_gap_ms` of the gap count, so a slow or broken feed can still raise. For
//!   safety a gap counts for nothing: the way down starts again after it.
//! - **Silence, unknown and late never lower it.** An alarm that is on stays on; where none is on, `Unknown` is raised
//!   after `unknown_after_ms`. A late sample may raise or prolong, never lower.
//! - **It comes down one step at a time**, each after its own `clear_hold_ms`.
//! - **People**: acknowledging does not clear, and a worse state needs a new look. A suppression has an owner, a reason
//!   and an end; the state goes on underneath, `Critical` breaks through, what was hidden is counted, and what still
//!   holds at the end is raised at once.
//! - **The same input gives the same ids**, [`AlarmId`]: rule, key, episode, revision.
//!
//! Rows of one key come in arrival order. Rows from the future make all that follow late, so divert them before.
//!
//! # Examples
//! ```
//! use watchfire_operators::alarm::{AlarmMachine, AlarmState, ChangeKind, Event, Ladder, Severity, Step};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let gale = Step::new("gale", Severity::Alarm, 13.8, 12.0).held_ms(3_000).cleared_ms(10_000);
//! let machine = AlarmMachine::new(Ladder::rises("wind", vec![gale]))?;
//! let (mut state, mut out) = (AlarmState::default(), Vec::new());
//! for at_ms in (0..=4_000).step_by(1_000) {
//!     machine.sample(&mut state, at_ms, 15.0, at_ms, &mut out);
//! }
//! machine.step(&mut state, Event::Acknowledge { at_ms: 4_500, who: "duty".into() }, 4_500, &mut out)?;
//! for at_ms in (5_000..=15_000).step_by(1_000) {
//!     machine.sample(&mut state, at_ms, 8.0, at_ms, &mut out);
//! }
//! let kinds: Vec<_> = out.iter().map(|change| change.kind).collect();
//! assert_eq!(kinds, [ChangeKind::Raised, ChangeKind::Acknowledged, ChangeKind::Cleared]);
//! assert_eq!(out[2].id.clone().with_key("mast-3").to_string(), "wind/mast-3/1/2");
//! assert_eq!(out[2].peak, Some(15.0));
//! # Ok(())
//! # }
//! ```

mod change;
mod check;
mod clock;
mod detector;
mod event;
mod ladder;
mod late;
mod machine;
mod output;
mod people;
mod severity;
mod state;
#[cfg(test)]
mod tests;

pub use change::{AlarmChange, AlarmId, ChangeKind, KeyedAlarmId, Why};
pub use check::{LadderError, LadderFinding};
pub use clock::{Due, DueReason};
pub use detector::{Alarms, AlarmsState, Signal};
pub use event::{Event, EventError, Outcome, Private};
pub use ladder::{
    Bound, CRANE_ALARM_HOLD_MS, CRANE_ALARM_RATIO, CRANE_CAUTION_HOLD_MS, CRANE_CAUTION_RATIO, CRANE_CLEAR_HOLD_MS,
    CRANE_CRITICAL_HOLD_MS, CRANE_CRITICAL_RATIO, CRANE_RELEASE_MARGIN, CRANE_VIOLATION_HOLD_MS, CRANE_VIOLATION_RATIO,
    CRANE_WARN_HOLD_MS, CRANE_WARN_RATIO, DEFAULT_ESCALATE_AFTER_MS, DEFAULT_MAX_GAP_MS, DEFAULT_MAX_SUPPRESS_MS,
    DEFAULT_UNKNOWN_AFTER_MS, Direction, Ladder, MAX_STEPS, Step,
};
pub use machine::AlarmMachine;
pub use output::Alarm;
pub use severity::{Severity, UnknownCause};
pub use state::{Acknowledgement, AlarmState, StateMismatch, Suppression};
