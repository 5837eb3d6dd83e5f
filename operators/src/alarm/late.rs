//! Values that come after newer ones. They cannot say how it is now, so they never lower or end anything. But they can
//! show a danger that nobody was told of, and that must not be lost.
//!
//! Each step keeps one run of late samples that meet it, apart from the run of those in order, and judges it by the
//! same duration and count. The run grows at either end, so an upload in reverse counts too. A late sample that joins
//! a run lies within `max_gap_ms` of it; one in or that near it that does not meet the step ends the run; others start
//! a new run, or say nothing. What the latest episode has told already is not told again.

use super::machine::{Moment, Rung};
use super::state::{CLEARING, LateRun};
use super::{AlarmChange, AlarmMachine, AlarmState, Outcome};

impl LateRun {
    fn is_near(&self, at_ms: i64, max_gap_ms: i64) -> bool {
        self.samples > 0
            && at_ms >= self.from_ms.saturating_sub(max_gap_ms)
            && at_ms <= self.to_ms.saturating_add(max_gap_ms)
    }

    fn join(&mut self, at_ms: i64, max_gap_ms: i64) {
        if self.is_near(at_ms, max_gap_ms) {
            self.from_ms = self.from_ms.min(at_ms);
            self.to_ms = self.to_ms.max(at_ms);
            self.samples = self.samples.saturating_add(1);
        } else {
            *self = LateRun { from_ms: at_ms, to_ms: at_ms, samples: 1 };
        }
    }

    fn held_ms(&self) -> i64 {
        self.to_ms.saturating_sub(self.from_ms)
    }

    fn proves(&self, rung: &Rung) -> bool {
        self.held_ms() >= rung.hold_ms && self.samples >= rung.min_consecutive
    }
}

impl AlarmMachine {
    pub(super) fn late_sample(
        &self,
        state: &mut AlarmState,
        at_ms: i64,
        danger: f64,
        now: Moment,
        out: &mut Vec<AlarmChange>,
    ) -> Outcome {
        let level = self.level(state);
        let top = level.checked_sub(1).and_then(|top| self.rungs.get(top));
        if top.is_some_and(|rung| !rung.is_released(danger)) {
            self.disturb_clearing(state, at_ms);
        }
        let mut proven = None;
        for (step, rung) in self.rungs.iter().enumerate().skip(level) {
            let met = rung.is_met(danger);
            if (state.rare.is_none() && !met) || Self::is_told(state, step, at_ms) {
                continue;
            }
            let run = &mut state.rare_mut().late[step];
            if met {
                run.join(at_ms, self.ladder.max_gap_ms);
                proven = if run.proves(rung) { Some((step, *run)) } else { proven };
            } else if run.is_near(at_ms, self.ladder.max_gap_ms) {
                *run = LateRun::default();
            }
        }
        if let Some((step, run)) = proven {
            state.rare_mut().late[..=step].fill(LateRun::default());
            if state.level | state.pending == 0 {
                state.peak = now.value.unwrap_or_default();
            } else {
                self.note_peak(state, danger);
            }
            let why = self.held(step, run.held_ms(), run.samples, true);
            state.tidy();
            self.raise_to(state, step, (run.from_ms, run.to_ms), why, now, out);
        } else {
            state.tidy();
        }
        Outcome::Late
    }

    /// Whether the latest episode covers this step at this event time.
    fn is_told(state: &AlarmState, step: usize, at_ms: i64) -> bool {
        state.told & (1 << step) != 0 && at_ms >= state.told_from_ms && at_ms <= state.told_until_ms[step]
    }

    /// Something that is not safe, or not known, came to light within the way to safety: it starts again at the newest
    /// sample.
    pub(super) fn disturb_clearing(&self, state: &mut AlarmState, at_ms: i64) {
        if state.has(CLEARING) && at_ms >= state.clear_since_ms {
            state.clear_since_ms = state.last_ms;
        }
    }
}
