//! What the arrival clock does to an alarm: unknown after silence, escalation when nobody looks, ends of suppressions.

use serde::{Deserialize, Serialize};

use super::machine::Moment;
use super::state::{HIDDEN, SEEN, UNACKED, UNKNOWN, UNKNOWN_RAISED};
use super::{AlarmChange, AlarmMachine, AlarmState, ChangeKind, Outcome, Severity, UnknownCause, Why};

/// What a timer is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DueReason {
    /// A planned suppression begins.
    SuppressionBegins,
    /// A suppression ends.
    SuppressionEnds,
    /// Nothing has been known for long enough to be an alarm.
    Unknown,
    /// Nobody has acknowledged for long enough to tell more people.
    Unacknowledged,
}

/// The next instant on the arrival clock at which the machine must be called, with any event; a tick will do.
///
/// There are no timers in event time: without a new reading nothing more is proven, neither danger nor safety, so only
/// a reading can raise or end a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Due {
    /// Arrival clock, ms: call at this instant or as soon after it as can be.
    pub arrival_ms: i64,
    /// What for.
    pub reason: DueReason,
}

impl AlarmMachine {
    /// The next timer of this alarm; `None` if it has none. Ask again after each call that may have changed the state.
    ///
    /// A timer of the wrapper that fires too early does no harm; one that fires late lets the change leave late. The
    /// silence of a device is not among these timers: who sees all rows of a key measures it and sends
    /// [`Event::Silent`](super::Event::Silent).
    ///
    /// # Examples
    /// ```
    /// use watchfire_operators::alarm::{AlarmMachine, AlarmState, Due, DueReason, Event, Ladder, UnknownCause};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let machine = AlarmMachine::new(Ladder::crane_overload())?;
    /// let (mut state, mut out) = (AlarmState::default(), Vec::new());
    /// assert_eq!(machine.next_due(&state), None);
    /// let stuck = Event::Unknown { at_ms: 100, cause: UnknownCause::Stuck };
    /// machine.step(&mut state, stuck, 200, &mut out)?;
    /// assert_eq!(machine.next_due(&state), Some(Due { arrival_ms: 10_200, reason: DueReason::Unknown }));
    /// machine.step(&mut state, Event::Tick, 10_200, &mut out)?;
    /// assert_eq!(out.len(), 1);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn next_due(&self, state: &AlarmState) -> Option<Due> {
        let due = |arrival_ms, reason| Some(Due { arrival_ms, reason });
        let suppression = state.suppression().and_then(|s| match s.in_force {
            false => due(s.from_ms, DueReason::SuppressionBegins),
            true => due(s.until_ms, DueReason::SuppressionEnds),
        });
        let unknown = if state.has(UNKNOWN) && !state.has(UNKNOWN_RAISED) {
            due(state.unknown_arrival_ms.saturating_add(self.ladder.unknown_after_ms), DueReason::Unknown)
        } else {
            None
        };
        let stage_ms = self.ladder.escalate_after_ms.get(usize::from(state.stage)).filter(|_| state.has(UNACKED));
        let unacked =
            stage_ms.and_then(|after| due(state.unacked_ms.saturating_add(*after), DueReason::Unacknowledged));
        [suppression, unknown, unacked].into_iter().flatten().min()
    }

    /// Fires all timers that are due by `arrival_ms`, the earliest first. Each makes progress, so this ends.
    pub(super) fn run_clock(&self, state: &mut AlarmState, arrival_ms: i64, out: &mut Vec<AlarmChange>) {
        while let Some(due) = self.next_due(state).filter(|due| due.arrival_ms <= arrival_ms) {
            match due.reason {
                DueReason::SuppressionBegins => self.begin_suppression(state, arrival_ms, out),
                DueReason::SuppressionEnds => self.end_suppression(state, None, arrival_ms, out),
                DueReason::Unknown => self.raise_unknown(state, arrival_ms, out),
                DueReason::Unacknowledged => self.escalate_unacknowledged(state, arrival_ms, out),
            }
        }
    }

    fn raise_unknown(&self, state: &mut AlarmState, arrival_ms: i64, out: &mut Vec<AlarmChange>) {
        let previous = self.severity(state);
        state.set(UNKNOWN_RAISED, true);
        let cause = state.cause.unwrap_or(UnknownCause::Silent);
        let for_ms = arrival_ms.saturating_sub(state.unknown_arrival_ms);
        let why = Why::Unknown { cause, for_ms };
        self.changed(state, ChangeKind::UnknownRaised, previous, why, Moment::clock(arrival_ms), out);
    }

    fn escalate_unacknowledged(&self, state: &mut AlarmState, arrival_ms: i64, out: &mut Vec<AlarmChange>) {
        state.stage = state.stage.saturating_add(1);
        let for_ms = arrival_ms.saturating_sub(state.unacked_ms);
        let why = Why::Unacknowledged { stage: state.stage, for_ms };
        let severity = self.severity(state);
        self.emit(state, ChangeKind::EscalatedUnacknowledged, severity, why, Moment::clock(arrival_ms), out);
    }

    /// A reading that says nothing: the present is unknown, and a way to safety that had begun is broken off.
    pub(super) fn unknown(
        &self,
        state: &mut AlarmState,
        at_ms: i64,
        cause: UnknownCause,
        arrival_ms: i64,
        out: &mut Vec<AlarmChange>,
    ) -> Outcome {
        if state.has(SEEN) && at_ms < state.last_ms {
            self.disturb_clearing(state, at_ms);
            return Outcome::Late;
        }
        if state.has(UNKNOWN) {
            state.unknown_since_ms = state.unknown_since_ms.min(at_ms);
        } else {
            state.unknown_since_ms = at_ms.min(self.spoken_until(state).unwrap_or(at_ms));
            Self::begin_unknown(state, cause, arrival_ms);
        }
        state.last_ms = at_ms;
        state.set(SEEN, true);
        state.stop_clearing();
        self.run_clock(state, arrival_ms, out);
        Outcome::Applied
    }

    /// Nothing was heard. What was measured meanwhile may still come and count in event time, so a way to safety is
    /// not broken off here: the gap before the next sample does that, if there is one.
    pub(super) fn silent(
        &self,
        state: &mut AlarmState,
        for_ms: i64,
        arrival_ms: i64,
        out: &mut Vec<AlarmChange>,
    ) -> Outcome {
        let since_ms = arrival_ms.saturating_sub(for_ms.max(0));
        if state.has(UNKNOWN) {
            state.unknown_arrival_ms = state.unknown_arrival_ms.min(since_ms);
        } else {
            // A key that was never heard has no event time yet: nothing is known from the beginning of time.
            state.unknown_since_ms = self.spoken_until(state).unwrap_or(i64::MIN);
            Self::begin_unknown(state, UnknownCause::Silent, since_ms);
        }
        self.run_clock(state, arrival_ms, out);
        Outcome::Applied
    }

    /// Event time until which the newest sample speaks.
    fn spoken_until(&self, state: &AlarmState) -> Option<i64> {
        state.last_ms().map(|last_ms| last_ms.saturating_add(self.ladder.max_gap_ms))
    }

    fn begin_unknown(state: &mut AlarmState, cause: UnknownCause, arrival_ms: i64) {
        state.set(UNKNOWN, true);
        state.unknown_arrival_ms = arrival_ms;
        state.cause = Some(cause);
    }

    pub(super) fn begin_suppression(&self, state: &mut AlarmState, arrival_ms: i64, out: &mut Vec<AlarmChange>) {
        let Some(suppression) = state.rare.as_mut().and_then(|rare| rare.suppression.as_mut()) else { return };
        suppression.in_force = true;
        let why = Why::Suppression {
            owner: suppression.owner.clone(),
            reason: suppression.reason.clone(),
            from_ms: suppression.from_ms,
            until_ms: suppression.until_ms,
        };
        let severity = self.severity(state);
        state.forget_acknowledgement();
        self.emit(state, ChangeKind::Suppressed, severity, why, Moment::clock(arrival_ms), out);
        state.set(HIDDEN, true);
        if severity == Some(Severity::Critical) && !self.ladder.suppress_critical {
            // It was planned before the danger came: the danger stays in sight.
            state.set(HIDDEN, false);
            self.show_again(state, arrival_ms, out);
        }
        self.refresh_unacked(state, arrival_ms);
    }

    /// Ends a suppression, by its time or by a person; what still holds is raised at once.
    pub(super) fn end_suppression(
        &self,
        state: &mut AlarmState,
        released_by: Option<super::Private>,
        arrival_ms: i64,
        out: &mut Vec<AlarmChange>,
    ) {
        let Some(suppression) = state.rare.as_mut().and_then(|rare| rare.suppression.take()) else { return };
        state.tidy();
        if !suppression.in_force {
            return;
        }
        let was_hidden = state.has(HIDDEN);
        state.set(HIDDEN, false);
        let severity = self.severity(state);
        let why = Why::SuppressionOver { released_by, hidden: suppression.hidden, worst: suppression.worst };
        self.emit(state, ChangeKind::SuppressionEnded, severity, why, Moment::clock(arrival_ms), out);
        if was_hidden && severity.is_some() {
            self.show_again(state, arrival_ms, out);
        }
    }

    /// Raises what is on as a new episode.
    fn show_again(&self, state: &mut AlarmState, arrival_ms: i64, out: &mut Vec<AlarmChange>) {
        let step = self.level(state).checked_sub(1).and_then(|top| self.ladder.steps.get(top)).map(|s| s.name.clone());
        let kind = if step.is_some() { ChangeKind::Raised } else { ChangeKind::UnknownRaised };
        self.changed(state, kind, None, Why::StillOn { step }, Moment::clock(arrival_ms), out);
    }
}
