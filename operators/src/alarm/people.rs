//! What people may do to an alarm: say that they have seen it, suppress it for a while, release it again.

use super::machine::Moment;
use super::state::HIDDEN;
use super::{
    Acknowledgement, AlarmChange, AlarmMachine, AlarmState, ChangeKind, EventError, Outcome, Private, Severity,
    Suppression, Why,
};

impl AlarmMachine {
    /// Somebody has seen it. It stays on, but nobody else is called.
    pub(super) fn acknowledge(
        &self,
        state: &mut AlarmState,
        at_ms: i64,
        who: Private,
        arrival_ms: i64,
        out: &mut Vec<AlarmChange>,
    ) -> Result<Outcome, EventError> {
        if who.is_blank() {
            return Err(EventError::Nobody { event: "acknowledge" });
        }
        let severity = self.severity(state);
        if severity.is_none() || state.has(HIDDEN) || state.acknowledgement().is_some() {
            return Ok(Outcome::Ignored);
        }
        if at_ms < state.worse_ms {
            return Err(EventError::SeenBeforeWorse { at_ms, worse_ms: state.worse_ms });
        }
        state.rare_mut().acknowledged = Some(Acknowledgement { who: who.clone(), at_ms });
        self.refresh_unacked(state, arrival_ms);
        let why = Why::Seen { who, at_ms };
        self.emit(state, ChangeKind::Acknowledged, severity, why, Moment::clock(arrival_ms), out);
        Ok(Outcome::Applied)
    }

    /// Takes in a suppression; it begins now or, if planned, by its timer.
    pub(super) fn suppress(
        &self,
        state: &mut AlarmState,
        (owner, reason): (Private, Private),
        (from_ms, until_ms): (i64, i64),
        arrival_ms: i64,
        out: &mut Vec<AlarmChange>,
    ) -> Result<Outcome, EventError> {
        if owner.is_blank() {
            return Err(EventError::NoOwner);
        }
        if reason.is_blank() {
            return Err(EventError::NoReason);
        }
        if until_ms <= from_ms || until_ms <= arrival_ms {
            return Err(EventError::NoEnd { until_ms });
        }
        let (asked_ms, max_ms) = (until_ms.saturating_sub(from_ms), self.ladder.max_suppress_ms);
        if asked_ms > max_ms {
            return Err(EventError::TooLong { asked_ms, max_ms });
        }
        if let Some(present) = state.suppression() {
            return Err(EventError::AlreadySuppressed { until_ms: present.until_ms });
        }
        let now = from_ms <= arrival_ms;
        if now && !self.ladder.suppress_critical && self.severity(state) == Some(Severity::Critical) {
            return Err(EventError::CriticalIsOn);
        }
        state.rare_mut().suppression =
            Some(Suppression { owner, reason, from_ms, until_ms, in_force: false, hidden: 0, worst: None });
        if now {
            self.begin_suppression(state, arrival_ms, out);
        }
        Ok(Outcome::Applied)
    }

    /// Ends a suppression before its time, or drops a planned one without a change.
    pub(super) fn release(
        &self,
        state: &mut AlarmState,
        who: Private,
        arrival_ms: i64,
        out: &mut Vec<AlarmChange>,
    ) -> Result<Outcome, EventError> {
        if who.is_blank() {
            return Err(EventError::Nobody { event: "release" });
        }
        if state.suppression().is_none() {
            return Ok(Outcome::Ignored);
        }
        self.end_suppression(state, Some(who), arrival_ms, out);
        Ok(Outcome::Applied)
    }
}
