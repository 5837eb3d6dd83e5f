//! Tests: golden crane cases, one test per promise, the stored bytes, and a slow reference on random input.

use super::*;

mod bytes;
mod golden;
mod ladders;
mod late;
mod people;
mod random;
mod reference;
mod unknown;

/// One alarm with its machine, for tests that tell a story.
pub(super) struct Bench {
    pub(super) machine: AlarmMachine,
    pub(super) state: AlarmState,
    pub(super) out: Vec<AlarmChange>,
}

impl Bench {
    pub(super) fn new(ladder: Ladder) -> Self {
        Bench { machine: AlarmMachine::new(ladder).unwrap(), state: AlarmState::default(), out: Vec::new() }
    }

    pub(super) fn crane() -> Self {
        Bench::new(Ladder::crane_overload())
    }

    pub(super) fn sample(&mut self, at_ms: i64, value: f64) -> Outcome {
        self.machine.sample(&mut self.state, at_ms, value, at_ms, &mut self.out)
    }

    /// 10 Hz samples of `value` over `[from_ms, to_ms)`.
    pub(super) fn hold(&mut self, from_ms: i64, to_ms: i64, value: f64) {
        for at_ms in (from_ms..to_ms).step_by(100) {
            self.sample(at_ms, value);
        }
    }

    pub(super) fn at(&mut self, arrival_ms: i64, event: Event) -> Result<Outcome, EventError> {
        self.machine.step(&mut self.state, event, arrival_ms, &mut self.out)
    }

    pub(super) fn severity(&self) -> Option<Severity> {
        self.machine.severity(&self.state)
    }

    pub(super) fn kinds(&self) -> Vec<ChangeKind> {
        self.out.iter().map(|change| change.kind).collect()
    }

    /// When the alarm first became at least this bad, event time.
    pub(super) fn first(&self, severity: Severity) -> Option<i64> {
        self.out.iter().find(|change| change.severity >= Some(severity))?.at_event_ms
    }
}

pub(super) fn suppress(from_ms: i64, until_ms: i64) -> Event {
    Event::Suppress { owner: "manager".into(), reason: "test lift".into(), from_ms, until_ms }
}

pub(super) fn acknowledge(at_ms: i64) -> Event {
    Event::Acknowledge { at_ms, who: "duty".into() }
}
