//! How far help is, and who is told when it takes too long. All on the arrival clock.

use watchfire_engine::rkyv;

use super::config::ResponseConfig;
use super::told::{Goes, Tells, Trap};
use crate::elevator::RescueStep;

/// A trapping that people have not closed.
#[derive(Clone, Debug, PartialEq, Eq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
#[rkyv(crate = rkyv)]
pub(super) struct Rescue {
    pub(super) nth: u32,
    pub(super) trap: Trap,
    pub(super) goes: Goes,
    pub(super) level: u8,
    pub(super) raised_ms: i64,
    /// When, by the clock of the lift: its newest row then.
    pub(super) raised_at_ms: i64,
    /// The step that was reached last, and when.
    pub(super) step: Option<RescueStep>,
    step_ms: i64,
    /// How often it was told to more since then.
    escalated: u16,
    missed_answer: bool,
    missed_arrival: bool,
}

impl Rescue {
    pub(super) fn raised(nth: u32, trap: Trap, goes: Goes, now_ms: i64) -> Self {
        Rescue {
            nth,
            trap,
            goes,
            level: 1,
            raised_ms: now_ms,
            raised_at_ms: i64::MIN,
            step: None,
            step_ms: now_ms,
            escalated: 0,
            missed_answer: false,
            missed_arrival: false,
        }
    }

    /// A step is reached; none if it was before.
    pub(super) fn reach(&mut self, lift: u32, step: RescueStep, now_ms: i64) -> Option<Tells> {
        if self.step.is_some_and(|reached| reached >= step) {
            return None;
        }
        (self.step, self.step_ms, self.escalated) = (Some(step), now_ms, 0);
        Some(Tells::Step { lift, nth: self.nth, step, after_ms: now_ms.saturating_sub(self.raised_ms) })
    }

    /// The car is in use since, or whoever was in it was released, and somebody may be trapped in it again: help is awaited anew.
    pub(super) fn again(&mut self, goes: Goes, now_ms: i64) {
        let (nth, trap, level) = (self.nth, self.trap, self.level);
        *self = Rescue { level, ..Rescue::raised(nth, trap, goes, now_ms) };
    }

    /// Whoever works on the lift has not answered, or is gone: others go.
    pub(super) fn hand_on(&mut self, lift: u32) -> Option<Tells> {
        if self.step >= Some(RescueStep::Released) || self.goes == Goes::Dispatch {
            return None;
        }
        self.goes = Goes::Dispatch;
        Some(Tells::Goes { lift, nth: self.nth, goes: Goes::Dispatch, trap: self.trap, level: self.level })
    }

    /// Before the first tick there was no clock of ours: no instant lies ahead of it.
    pub(super) fn not_ahead_of(&mut self, now_ms: i64) {
        self.raised_ms = self.raised_ms.min(now_ms);
        self.step_ms = self.step_ms.min(now_ms);
    }

    fn answer_due_ms(&self, config: &ResponseConfig) -> Option<i64> {
        (!self.missed_answer && self.step.is_none()).then(|| self.raised_ms.saturating_add(config.answer_ms))
    }

    fn arrival_due_ms(&self, config: &ResponseConfig) -> Option<i64> {
        let is_open = !self.missed_arrival && self.step < Some(RescueStep::Arrived);
        is_open.then(|| self.raised_ms.saturating_add(config.arrive_ms))
    }

    /// After the last of them, so often again: what people have not closed is not forgotten.
    fn escalation_due_ms(&self, config: &ResponseConfig) -> Option<i64> {
        let last_ms = config.escalate_ms.last().filter(|_| self.escalated < u16::MAX)?;
        let nth = usize::from(self.escalated);
        let more = i64::from(self.escalated).saturating_sub(config.escalate_ms.len() as i64 - 1);
        let after_ms = config.escalate_ms.get(nth).copied().unwrap_or(last_ms.saturating_mul(more.saturating_add(1)));
        Some(self.step_ms.saturating_add(after_ms))
    }

    /// When something is to be told next.
    pub(super) fn due_ms(&self, config: &ResponseConfig) -> Option<i64> {
        let dues = [self.answer_due_ms(config), self.arrival_due_ms(config), self.escalation_due_ms(config)];
        dues.into_iter().flatten().min()
    }

    /// Tells what is due.
    pub(super) fn tick(&mut self, config: &ResponseConfig, lift: u32, now_ms: i64, told: &mut Vec<Tells>) {
        let is_due = |due_ms: Option<i64>| due_ms.is_some_and(|due_ms| due_ms <= now_ms);
        if is_due(self.answer_due_ms(config)) {
            self.missed_answer = true;
            told.push(Tells::Missed { lift, nth: self.nth, step: RescueStep::Answered });
            told.extend(self.hand_on(lift));
        }
        if is_due(self.arrival_due_ms(config)) {
            self.missed_arrival = true;
            told.push(Tells::Missed { lift, nth: self.nth, step: RescueStep::Arrived });
        }
        // What was due many times while we were away is told once to each.
        let mut told_to = None;
        while is_due(self.escalation_due_ms(config)) {
            self.escalated = self.escalated.saturating_add(1);
            if self.step < Some(RescueStep::Released) {
                self.level = (self.level + 1).min(1 + config.escalate_ms.len() as u8);
            }
            if told_to.replace(self.level) != Some(self.level) {
                told.push(Tells::Escalated { lift, nth: self.nth, level: self.level, trap: self.trap });
            }
            // Whoever works on it has had the time to say so.
            told.extend(self.hand_on(lift));
        }
    }
}
