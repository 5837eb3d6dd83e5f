//! Whether somebody is at rest, and how much they walk, minute by minute.

use watchfire_engine::rkyv;

use super::super::minute::{Minute, steps_between};

/// At rest, and four levels of walking.
pub(super) const LEVELS: usize = 5;

/// The level of those who have not walked for a while.
pub(super) const AT_REST: usize = 0;

/// From how many steps a minute on the next level of walking begins: an assumption; 100 a minute is a brisk walk (Tudor-Locke et al., 2018), which a weighted mean over minutes does not reach for long.
const LEVELS_FROM: [f32; 3] = [2.0, 10.0, 30.0];

/// How much of the mean of steps is left after a minute: a time constant of five minutes, as the pulse goes down after exercise.
const LEFT: f32 = 0.818_730_8;

/// What of the minutes before says how somebody walks.
#[derive(Clone, Copy, Debug, PartialEq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
#[rkyv(crate = rkyv)]
pub(super) struct Gait {
    /// What the counter came to last.
    counter: Option<u16>,
    /// So many minutes ago.
    unheard: u8,
    /// The weighted mean of steps a minute.
    per_min: f32,
    /// Minutes since the last step.
    still: u8,
    /// It was taken off.
    is_off: bool,
}

impl Default for Gait {
    /// Nobody has seen a step.
    fn default() -> Self {
        Gait { counter: None, unheard: 0, per_min: 0.0, still: u8::MAX, is_off: false }
    }
}

impl Gait {
    /// After hours of which nothing is known.
    pub(super) fn long_after(self) -> Self {
        Gait { counter: self.counter, unheard: u8::MAX, is_off: self.is_off, ..Gait::default() }
    }

    /// The next minute: the level, and the lowest and highest pulse if the band is worn.
    pub(super) fn next(&mut self, minute: Minute, rest_minutes: u8) -> (usize, Option<(u8, u8)>) {
        let mut steps = 0;
        self.unheard = self.unheard.saturating_add(1);
        if let Some(counter) = minute.steps() {
            steps = self.counter.map_or(0, |before| steps_between(before, counter, self.unheard));
            (self.counter, self.unheard) = (Some(counter), 0);
        }
        self.still = if steps > 0 { 0 } else { self.still.saturating_add(1) };
        let per_min = self.per_min * LEFT + f32::from(steps) * (1.0 - LEFT);
        // Numbers that are nearly nothing are slow to reckon with, and never become nothing.
        self.per_min = if per_min < 0.01 { 0.0 } else { per_min };
        // Who walks with it has put it on, although that may not have been heard.
        self.is_off = minute.is_on().map_or(self.is_off && steps == 0, |is_on| !is_on);
        let level = if self.still >= rest_minutes {
            AT_REST
        } else {
            1 + LEVELS_FROM.iter().filter(|from| self.per_min >= **from).count()
        };
        (level, minute.pulse().filter(|_| !self.is_off))
    }
}
