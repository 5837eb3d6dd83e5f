//! The machine: a ladder that runs. Values in order go through here; late ones, people and clocks have their own files.

use super::state::{CLEARING, HIDDEN, SEEN, UNACKED, UNKNOWN, UNKNOWN_RAISED};
use super::{
    AlarmChange, AlarmId, AlarmState, Bound, ChangeKind, Direction, Event, EventError, Ladder, LadderError, MAX_STEPS,
    Outcome, Severity, StateMismatch, UnknownCause, Why,
};

/// A step with its numbers turned so that danger is always upwards.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rung {
    pub(super) severity: Severity,
    raise: f64,
    strict: bool,
    release: f64,
    pub(super) hold_ms: i64,
    pub(super) min_consecutive: u32,
    clear_hold_ms: i64,
}

impl Rung {
    pub(super) fn is_met(&self, danger: f64) -> bool {
        if self.strict { danger > self.raise } else { danger >= self.raise }
    }

    pub(super) fn is_released(&self, danger: f64) -> bool {
        danger < self.release
    }
}

/// When and with which value something happens.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    pub(super) event_ms: Option<i64>,
    pub(super) arrival_ms: i64,
    pub(super) value: Option<f64>,
}

impl Moment {
    pub(super) fn clock(arrival_ms: i64) -> Self {
        Moment { event_ms: None, arrival_ms, value: None }
    }
}

/// A validated [`Ladder`] that turns events into changes of alarms.
///
/// It holds no state of its own: each key brings its [`AlarmState`]. It is pure and deterministic, and reads no clock.
/// One call costs O(steps); a harmless value on a quiet key costs a few comparisons and no allocation.
///
/// # Examples
/// ```
/// use watchfire_operators::alarm::{AlarmMachine, AlarmState, ChangeKind, Ladder, Outcome, Severity};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let machine = AlarmMachine::new(Ladder::crane_overload())?;
/// let (mut state, mut out) = (AlarmState::default(), Vec::new());
/// for i in 0..16 {
///     let at_ms = i * 100;
///     assert_eq!(machine.sample(&mut state, at_ms, 1.02, at_ms + 40, &mut out), Outcome::Applied);
/// }
/// // 100 % held for 1.5 s: the alarm leaves with the sample that proves it.
/// assert_eq!(out.len(), 1);
/// assert_eq!((out[0].kind, out[0].severity), (ChangeKind::Raised, Some(Severity::Alarm)));
/// assert_eq!((out[0].at_event_ms, out[0].at_arrival_ms), (Some(1_500), 1_540));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct AlarmMachine {
    pub(super) ladder: Ladder,
    pub(super) rungs: Vec<Rung>,
    falls: bool,
    first_raise: f64,
}

impl AlarmMachine {
    /// Checks the ladder and makes it run.
    ///
    /// # Errors
    /// Everything wrong with the ladder at once, see [`Ladder::validate`].
    pub fn new(ladder: Ladder) -> Result<Self, LadderError> {
        ladder.validate()?;
        let falls = ladder.direction == Direction::Falls;
        let upward = |value: f64| if falls { -value } else { value };
        let rung = |step: &super::Step| Rung {
            severity: step.severity,
            raise: upward(step.raise_at),
            strict: step.bound == Bound::Exclusive,
            release: upward(step.release_at),
            hold_ms: step.hold_ms,
            min_consecutive: step.min_consecutive,
            clear_hold_ms: step.clear_hold_ms,
        };
        let rungs: Vec<Rung> = ladder.steps.iter().map(rung).collect();
        let first_raise = rungs.first().map_or(f64::MAX, |first| first.raise);
        Ok(AlarmMachine { ladder, rungs, falls, first_raise })
    }

    /// The ladder that runs.
    #[must_use]
    pub fn ladder(&self) -> &Ladder {
        &self.ladder
    }

    /// How bad it is at present, whether shown or suppressed; `None` when nothing is on.
    #[must_use]
    pub fn severity(&self, state: &AlarmState) -> Option<Severity> {
        match self.level(state).checked_sub(1).and_then(|top| self.rungs.get(top)) {
            Some(rung) => Some(rung.severity),
            None if state.has(UNKNOWN_RAISED) => Some(Severity::Unknown),
            None => None,
        }
    }

    /// Checks that this ladder can go on from a decoded state. Ask once after decoding: an unchecked state that uses
    /// more steps than there are is taken for the highest step that exists.
    ///
    /// # Errors
    /// `E0159` if the state uses more steps than the ladder has, or hides changes without a suppression in force.
    ///
    /// # Examples
    /// ```
    /// use watchfire_operators::alarm::{AlarmMachine, AlarmState, Ladder};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let machine = AlarmMachine::new(Ladder::crane_overload())?;
    /// machine.check(&AlarmState::default())?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn check(&self, state: &AlarmState) -> Result<(), StateMismatch> {
        let pending_or_told = 8 - (state.pending | state.told).leading_zeros() as usize;
        let (used, steps) = (state.level().max(pending_or_told), self.rungs.len());
        let in_force = state.suppression().is_some_and(|suppression| suppression.in_force);
        if used > steps || (state.has(HIDDEN) && !in_force) { Err(StateMismatch { used, steps }) } else { Ok(()) }
    }

    /// Applies one event that arrived at `arrival_ms` (never decreasing from call to call) and appends what changed to
    /// `out`, which is not cleared. Timers that are due by `arrival_ms` go first.
    ///
    /// # Errors
    /// An event of a person that is refused; due timers have been applied all the same. Samples, unknown readings,
    /// silence and ticks are never refused.
    ///
    /// # Examples
    /// ```
    /// use watchfire_operators::alarm::{AlarmMachine, AlarmState, ChangeKind, Event, Ladder, Severity};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let machine = AlarmMachine::new(Ladder::crane_overload())?;
    /// let (mut state, mut out) = (AlarmState::default(), Vec::new());
    /// machine.step(&mut state, Event::Silent { for_ms: 30_000 }, 90_000, &mut out)?;
    /// assert_eq!((out[0].kind, out[0].severity), (ChangeKind::UnknownRaised, Some(Severity::Unknown)));
    /// machine.step(&mut state, Event::Sample { at_ms: 91_000, value: 0.4 }, 91_000, &mut out)?;
    /// assert_eq!((out[1].kind, out[1].severity), (ChangeKind::UnknownCleared, None));
    /// # Ok(())
    /// # }
    /// ```
    pub fn step(
        &self,
        state: &mut AlarmState,
        event: Event,
        arrival_ms: i64,
        out: &mut Vec<AlarmChange>,
    ) -> Result<Outcome, EventError> {
        if let Event::Sample { at_ms, value } = event {
            return Ok(self.sample(state, at_ms, value, arrival_ms, out));
        }
        self.run_clock(state, arrival_ms, out);
        match event {
            Event::Sample { .. } | Event::Tick => Ok(Outcome::Applied),
            Event::Unknown { at_ms, cause } => Ok(self.unknown(state, at_ms, cause, arrival_ms, out)),
            Event::Silent { for_ms } => Ok(self.silent(state, for_ms, arrival_ms, out)),
            Event::Acknowledge { at_ms, who } => self.acknowledge(state, at_ms, who, arrival_ms, out),
            Event::Suppress { owner, reason, from_ms, until_ms } => {
                self.suppress(state, (owner, reason), (from_ms, until_ms), arrival_ms, out)
            }
            Event::Release { who, .. } => self.release(state, who, arrival_ms, out),
        }
    }

    /// As [`step`](Self::step) with an [`Event::Sample`]: the way for hot loops.
    #[inline]
    pub fn sample(
        &self,
        state: &mut AlarmState,
        at_ms: i64,
        value: f64,
        arrival_ms: i64,
        out: &mut Vec<AlarmChange>,
    ) -> Outcome {
        let danger = if self.falls { -value } else { value };
        // NaN and the infinity on the safe side fail these comparisons and take the long way.
        if danger < self.first_raise && danger >= f64::MIN && at_ms >= state.last_ms && state.is_quiet() {
            state.last_ms = at_ms;
            return Outcome::Applied;
        }
        self.run_clock(state, arrival_ms, out);
        if danger.is_nan() || danger == f64::NEG_INFINITY {
            return self.unknown(state, at_ms, UnknownCause::NotANumber, arrival_ms, out);
        }
        let danger = danger.min(f64::MAX);
        let now = Moment { event_ms: Some(at_ms), arrival_ms, value: Some(self.turn_back(danger)) };
        if state.has(SEEN) && at_ms < state.last_ms {
            return self.late_sample(state, at_ms, danger, now, out);
        }
        self.sample_in_order(state, at_ms, danger, now, out);
        Outcome::Applied
    }

    fn turn_back(&self, danger: f64) -> f64 {
        if self.falls { -danger } else { danger }
    }

    /// Steps that are on, never more than the ladder has.
    pub(super) fn level(&self, state: &AlarmState) -> usize {
        state.level().min(self.rungs.len())
    }

    fn sample_in_order(
        &self,
        state: &mut AlarmState,
        at_ms: i64,
        danger: f64,
        now: Moment,
        out: &mut Vec<AlarmChange>,
    ) {
        let unproven_ms = self.end_unknown(state, at_ms, now, out);
        state.last_ms = at_ms;
        state.set(SEEN, true);
        if let Some(step) = self.advance_pending(state, at_ms, danger, unproven_ms) {
            let (since_ms, samples) = (state.since_ms[step], state.samples[step]);
            self.note_peak(state, danger);
            let why = self.held(step, at_ms.saturating_sub(since_ms), samples, false);
            self.raise_to(state, step, (since_ms, at_ms), why, now, out);
        } else if state.level > 0 {
            self.note_peak(state, danger);
            self.come_down(state, at_ms, danger, unproven_ms > 0, now, out);
        } else {
            self.note_peak(state, danger);
        }
    }

    /// Ends an unknown state, and returns for how many ms before `at_ms` no evidence stands: a sample speaks for at
    /// most `max_gap_ms`, and not past the first sign that nothing is known.
    fn end_unknown(&self, state: &mut AlarmState, at_ms: i64, now: Moment, out: &mut Vec<AlarmChange>) -> i64 {
        if !state.has(UNKNOWN) {
            let gap_ms = if state.has(SEEN) { at_ms.saturating_sub(state.last_ms) } else { 0 };
            return gap_ms.saturating_sub(self.ladder.max_gap_ms).max(0);
        }
        let unproven_ms = at_ms.saturating_sub(state.unknown_since_ms).max(0);
        let after_ms = now.arrival_ms.saturating_sub(state.unknown_arrival_ms);
        let previous = self.severity(state);
        let shown = state.has(UNKNOWN_RAISED);
        state.set(UNKNOWN | UNKNOWN_RAISED, false);
        (state.unknown_since_ms, state.unknown_arrival_ms, state.cause) = (0, 0, None);
        if shown {
            self.changed(state, ChangeKind::UnknownCleared, previous, Why::Back { after_ms }, now, out);
        }
        unproven_ms
    }

    /// Counts the sample for each step above the level and returns the highest step that is proven by it.
    fn advance_pending(&self, state: &mut AlarmState, at_ms: i64, danger: f64, unproven_ms: i64) -> Option<usize> {
        let mut proven = None;
        for (step, rung) in self.rungs.iter().enumerate().skip(self.level(state)) {
            if !rung.is_met(danger) {
                // Thresholds ascend, so no higher step is met either.
                (step..MAX_STEPS).for_each(|s| state.drop_pending(s));
                break;
            }
            if state.is_pending(step) {
                state.since_ms[step] = state.since_ms[step].saturating_add(unproven_ms);
                state.samples[step] = state.samples[step].saturating_add(1);
            } else {
                // A peak that is left over belongs to a run that has ended.
                if state.level | state.pending == 0 {
                    state.peak = self.turn_back(danger);
                }
                state.pending |= 1 << step;
                (state.since_ms[step], state.samples[step]) = (at_ms, 1);
            }
            let held_ms = at_ms.saturating_sub(state.since_ms[step]);
            if held_ms >= rung.hold_ms && state.samples[step] >= rung.min_consecutive {
                proven = Some(step);
            }
        }
        proven
    }

    pub(super) fn note_peak(&self, state: &mut AlarmState, danger: f64) {
        if state.level | state.pending == 0 {
            state.peak = 0.0;
        } else if danger > if self.falls { -state.peak } else { state.peak } {
            state.peak = self.turn_back(danger);
        }
    }

    pub(super) fn held(&self, step: usize, held_ms: i64, samples: u32, late: bool) -> Why {
        let (step, raise_at) =
            self.ladder.steps.get(step).map_or_else(Default::default, |s| (s.name.clone(), s.raise_at));
        Why::Held { step, raise_at, held_ms, samples, late }
    }

    /// Switches `step` on. `(from_ms, to_ms)` is the event time that its proof covers.
    pub(super) fn raise_to(
        &self,
        state: &mut AlarmState,
        step: usize,
        (from_ms, to_ms): (i64, i64),
        why: Why,
        now: Moment,
        out: &mut Vec<AlarmChange>,
    ) {
        let previous = self.severity(state);
        if state.level == 0 {
            state.told = 0;
            state.told_until_ms = [0; MAX_STEPS];
            state.told_from_ms = from_ms;
        }
        state.told_from_ms = state.told_from_ms.min(from_ms);
        state.level = u8::try_from(step + 1).unwrap_or(u8::MAX);
        state.stop_clearing();
        for s in 0..=step {
            state.drop_pending(s);
            Self::tell(state, s, to_ms);
        }
        let kind = if previous.is_none() { ChangeKind::Raised } else { ChangeKind::Escalated };
        self.changed(state, kind, previous, why, now, out);
    }

    fn tell(state: &mut AlarmState, step: usize, until_ms: i64) {
        let told = state.told & (1 << step) != 0;
        state.told |= 1 << step;
        state.told_until_ms[step] = if told { state.told_until_ms[step].max(until_ms) } else { until_ms };
    }

    /// Lets go of the highest step once the value has been beyond its release value for long enough.
    fn come_down(
        &self,
        state: &mut AlarmState,
        at_ms: i64,
        danger: f64,
        after_gap: bool,
        now: Moment,
        out: &mut Vec<AlarmChange>,
    ) {
        let level = self.level(state);
        for (step, _) in self.rungs.iter().enumerate().take(level).filter(|(_, rung)| rung.is_met(danger)) {
            Self::tell(state, step, at_ms);
        }
        let Some((top, rung)) = level.checked_sub(1).and_then(|top| Some((top, self.rungs.get(top)?))) else { return };
        if !rung.is_released(danger) {
            return state.stop_clearing();
        }
        // Nobody saw what happened in a gap, so the way to safety starts again after it.
        if after_gap || !state.has(CLEARING) {
            state.set(CLEARING, true);
            state.clear_since_ms = at_ms;
        }
        let held_ms = at_ms.saturating_sub(state.clear_since_ms);
        if held_ms < rung.clear_hold_ms {
            return;
        }
        let previous = self.severity(state);
        state.level = u8::try_from(top).unwrap_or(u8::MAX);
        state.stop_clearing();
        if top.checked_sub(1).and_then(|next| self.rungs.get(next)).is_some_and(|next| next.is_released(danger)) {
            state.set(CLEARING, true);
            state.clear_since_ms = at_ms;
        }
        let (step, release_at) =
            self.ladder.steps.get(top).map_or_else(Default::default, |s| (s.name.clone(), s.release_at));
        let kind = if top == 0 { ChangeKind::Cleared } else { ChangeKind::Deescalated };
        self.changed(state, kind, previous, Why::Released { step, release_at, held_ms }, now, out);
    }

    /// Lets a change that is already in the state leave, or counts it as hidden; then does what goes with it.
    pub(super) fn changed(
        &self,
        state: &mut AlarmState,
        kind: ChangeKind,
        previous: Option<Severity>,
        why: Why,
        now: Moment,
        out: &mut Vec<AlarmChange>,
    ) {
        let severity = self.severity(state);
        let (mut kind, mut previous) = (kind, previous);
        if state.has(HIDDEN) {
            if severity == Some(Severity::Critical) && !self.ladder.suppress_critical {
                // It breaks through, and stays in sight until it is over.
                state.set(HIDDEN, false);
                (kind, previous) = (ChangeKind::Raised, None);
            } else {
                Self::count_hidden(state, severity);
            }
        }
        if !state.has(HIDDEN) {
            let worse = matches!(kind, ChangeKind::Raised | ChangeKind::Escalated);
            if previous.is_none() && (worse || kind == ChangeKind::UnknownRaised) {
                state.episode = state.episode.saturating_add(1);
                state.revision = 0;
            }
            if severity > previous {
                state.worse_ms = now.arrival_ms;
            }
            if worse {
                state.forget_acknowledgement();
            }
            self.emit(state, kind, previous, why, now, out);
        }
        if severity.is_none() {
            self.end_episode(state);
        }
        self.refresh_unacked(state, now.arrival_ms);
    }

    pub(super) fn emit(
        &self,
        state: &mut AlarmState,
        kind: ChangeKind,
        previous: Option<Severity>,
        why: Why,
        now: Moment,
        out: &mut Vec<AlarmChange>,
    ) {
        let id = AlarmId { rule: self.ladder.rule.clone(), episode: state.episode, revision: state.revision };
        state.revision = state.revision.saturating_add(1);
        // After the last step has let go, the state no longer counts the peak as its own; the change still does.
        let has_peak = state.level | state.pending != 0 || kind == ChangeKind::Cleared;
        out.push(AlarmChange {
            id,
            kind,
            severity: self.severity(state),
            previous,
            acknowledged: state.acknowledgement().is_some(),
            at_event_ms: now.event_ms,
            at_arrival_ms: now.arrival_ms,
            value: now.value,
            peak: has_peak.then_some(state.peak),
            why,
        });
    }

    fn count_hidden(state: &mut AlarmState, severity: Option<Severity>) {
        if let Some(suppression) = state.rare.as_mut().and_then(|rare| rare.suppression.as_mut()) {
            suppression.hidden = suppression.hidden.saturating_add(1);
            suppression.worst = suppression.worst.max(severity);
        }
    }

    fn end_episode(&self, state: &mut AlarmState) {
        state.forget_acknowledgement();
        if state.pending == 0 {
            state.peak = 0.0;
        }
        state.worse_ms = 0;
        let in_force = state.suppression().is_some_and(|s| s.in_force);
        state.set(HIDDEN, in_force);
    }

    /// Starts or stops the time within which somebody has to look.
    pub(super) fn refresh_unacked(&self, state: &mut AlarmState, arrival_ms: i64) {
        let needed = !state.has(HIDDEN)
            && state.acknowledgement().is_none()
            && self.severity(state) >= Some(self.ladder.escalate_from);
        if needed && !state.has(UNACKED) {
            state.set(UNACKED, true);
            state.unacked_ms = arrival_ms;
        } else if !needed {
            state.set(UNACKED, false);
            (state.unacked_ms, state.stage) = (0, 0);
        }
    }
}
