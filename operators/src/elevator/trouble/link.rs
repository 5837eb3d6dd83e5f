//! Whether a lift is heard, and whether the sensor in its car can be believed.

use watchfire_engine::{Verdict, rkyv};

use super::{Ails, News, Troubles};
use crate::elevator::{Doors, LiftStatus};

const DAY_MS: f64 = 86_400_000.0;

/// What is older than the last word of a lift by so much is of a clock that was set back, milliseconds.
const SET_BACK_MS: i64 = 60_000;

/// What is told of the sensor, and since when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
#[rkyv(crate = rkyv)]
enum Told {
    Flaps { changes: u32 },
    Constant { says: bool, runs: u32 },
    Unknown { runs: u32 },
}

impl Told {
    fn ails(self) -> Ails {
        match self {
            Told::Flaps { changes } => Ails::PersonFlaps { changes },
            Told::Constant { says, runs } => Ails::PersonConstant { says, runs },
            Told::Unknown { runs } => Ails::PersonUnknown { runs },
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
#[rkyv(crate = rkyv)]
pub(super) struct Link {
    /// When it told something last, by its clock and on the quiet clock, which reads nothing before the first tick.
    heard: Option<(i64, i64)>,
    silent: bool,
    /// The last word that was so old that its clock may have been set back.
    back_ms: Option<i64>,
    last: Option<(i64, LiftStatus)>,
    /// Whether it moves, as far as was told last, and whether its floor changed with the last row.
    moves: Option<bool>,
    passes: bool,
    /// Changes behind closed doors, of which the older count less, and when the last was added.
    changes: f64,
    changed_ms: i64,
    /// What the sensor said last, since when, and how often the car has run since.
    says: Option<(bool, i64)>,
    runs: u32,
    /// How often the car has run since the sensor said anything, and since when.
    unknown_runs: u32,
    unknown_ms: i64,
    flaps: Option<(Told, i64)>,
    stuck: Option<(Told, i64)>,
}

impl Link {
    /// It tells something itself. True if its clock was set back: what is older, twice and rising, is no repeat.
    pub(super) fn heard(&mut self, at_ms: i64, quiet_ms: i64, told: &mut Vec<News>) -> bool {
        let Some((heard_ms, _)) = self.heard else {
            self.heard = Some((at_ms, quiet_ms));
            return false;
        };
        let mut is_back = false;
        if at_ms <= heard_ms {
            let is_old = at_ms.saturating_add(SET_BACK_MS) < heard_ms;
            is_back = is_old && self.back_ms.is_some_and(|back_ms| at_ms > back_ms);
            self.back_ms = is_old.then_some(at_ms);
            if !is_back {
                return false;
            }
            (self.last, self.changed_ms) = (None, self.changed_ms.min(at_ms));
        }
        (self.heard, self.back_ms) = (Some((at_ms, quiet_ms)), None);
        if std::mem::take(&mut self.silent) {
            told.push(News { from_ms: heard_ms.min(at_ms), at_ms, over: true, ails: Ails::Silent });
        }
        is_back
    }

    /// It tells something whose time says nothing of what came before: a call, or another status of the same instant.
    pub(super) fn alive(&mut self, quiet_ms: i64) {
        if let Some((_, heard_quiet_ms)) = &mut self.heard {
            *heard_quiet_ms = quiet_ms;
        }
    }

    pub(super) fn silent_due_ms(&self, config: &Troubles) -> Option<i64> {
        let (_, quiet_ms) = self.heard.filter(|_| !self.silent)?;
        Some(quiet_ms.saturating_add(config.silent_ms.max(1)))
    }

    /// The quiet clock of its site goes on.
    pub(super) fn quiet(&mut self, config: &Troubles, now_ms: i64, told: &mut Vec<News>) {
        let Some((heard_ms, quiet_ms)) = &mut self.heard else { return };
        if *quiet_ms == i64::MIN {
            *quiet_ms = now_ms;
        }
        if !self.silent && now_ms.saturating_sub(*quiet_ms) >= config.silent_ms.max(1) {
            let at_ms = heard_ms.saturating_add(config.silent_ms.max(1));
            told.push(News { from_ms: *heard_ms, at_ms, over: false, ails: Ails::Silent });
            self.silent = true;
        }
    }

    pub(super) fn status(
        &mut self,
        config: &Troubles,
        status: &LiftStatus,
        at_ms: i64,
        told: &mut Vec<News>,
    ) -> Verdict {
        match &self.last {
            Some((last_ms, _)) if at_ms < *last_ms => return Verdict::Late,
            Some((last_ms, last)) if at_ms == *last_ms && status == last => return Verdict::Duplicate,
            _ => {}
        }
        let before = self.last.replace((at_ms, *status));
        let sets_out = status.moving == Some(true) && self.moves == Some(false);
        // Where nobody measures whether it moves, a run is over when its floor stays the same.
        let differs =
            before.is_some_and(|(_, before)| before.floor.zip(status.floor).is_some_and(|(was, is)| was != is));
        let leaves = differs && status.moving.is_none() && !self.passes;
        (self.moves, self.passes) = (status.moving.or(self.moves), differs);
        let is_run = sets_out || leaves;
        if let Some(before) = before {
            self.flaps(config, before, (at_ms, status), told);
        }
        self.stuck(config, status.person, (at_ms, is_run), told);
        Verdict::Applied
    }

    fn flaps(
        &mut self,
        config: &Troubles,
        (was_ms, was): (i64, LiftStatus),
        (at_ms, is): (i64, &LiftStatus),
        told: &mut Vec<News>,
    ) {
        let changes = was.person.zip(is.person).is_some_and(|(was, is)| was != is);
        let is_closed = [was.doors, is.doors] == [Some(Doors::Closed); 2] && at_ms - was_ms <= config.closed_ms;
        // Nothing to fade on most rows.
        if !(changes && is_closed) && self.flaps.is_none() {
            return;
        }
        let left = (-(at_ms.saturating_sub(self.changed_ms).max(0) as f64) / DAY_MS).exp();
        let limit = f64::from(config.flaps.max(1));
        if changes && is_closed {
            self.changes = self.changes * left + 1.0;
            self.changed_ms = at_ms;
            let is_enough = self.changes.round() >= limit;
            if is_enough && self.flaps.is_none() {
                let flaps = Told::Flaps { changes: self.changes.round() as u32 };
                self.flaps = Some((flaps, at_ms));
                told.push(News { from_ms: at_ms, at_ms, over: false, ails: flaps.ails() });
            }
        } else if let Some((flaps, from_ms)) = self.flaps.filter(|_| self.changes * left <= limit / 4.0) {
            self.flaps = None;
            told.push(News { from_ms, at_ms, over: true, ails: flaps.ails() });
        }
    }

    fn stuck(&mut self, config: &Troubles, person: Option<bool>, (at_ms, is_run): (i64, bool), told: &mut Vec<News>) {
        let ran = u32::from(is_run);
        match (person, self.says) {
            (Some(person), Some((says, _))) if person == says => {
                (self.runs, self.unknown_runs, self.unknown_ms) = (self.runs.saturating_add(ran), 0, at_ms);
            }
            (Some(person), _) => {
                (self.says, self.runs) = (Some((person, at_ms)), 0);
                (self.unknown_runs, self.unknown_ms) = (0, at_ms);
            }
            (None, Some(_)) => self.unknown_runs = self.unknown_runs.saturating_add(ran),
            // There is none.
            (None, None) => return,
        }
        let most = config.constant_runs.max(1);
        let now = match self.says {
            _ if self.unknown_runs >= most => Some((Told::Unknown { runs: self.unknown_runs }, self.unknown_ms)),
            Some((says, since_ms)) if self.runs >= most => Some((Told::Constant { says, runs: self.runs }, since_ms)),
            _ => None,
        };
        let is_other = |a: Told, b: Told| std::mem::discriminant(&a) != std::mem::discriminant(&b);
        match (self.stuck, now) {
            (Some((was, _)), Some((is, _))) if !is_other(was, is) => {}
            (None, None) => {}
            (was, is) => {
                if let Some((was, from_ms)) = was {
                    told.push(News { from_ms, at_ms, over: true, ails: was.ails() });
                }
                if let Some((is, from_ms)) = is {
                    told.push(News { from_ms, at_ms, over: false, ails: is.ails() });
                }
                self.stuck = is;
            }
        }
    }
}
