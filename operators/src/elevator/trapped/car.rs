//! What is known of a car, and whether somebody is trapped in it.

use watchfire_engine::rkyv;

use super::config::TrapConfig;
use super::told::{Doubt, Trap, TrapCause, TrapWhy};
use crate::elevator::{Doors, LiftMode, LiftStatus};

/// No row is awaited for longer.
const AWAITED_MAX_MS: i64 = 60_000;

/// Who is in the car, as far as is known: nobody appears in a car whose doors are closed, and nobody vanishes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
#[rkyv(crate = rkyv)]
enum Inside {
    /// Nothing was read since the doors were open.
    #[default]
    Unread,
    /// Nobody was seen since.
    Nobody,
    /// Somebody was seen since.
    Somebody,
}

/// What was told last, and when by the clock of the lift and by ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
#[rkyv(crate = rkyv)]
pub(super) struct Heard {
    pub(super) at_ms: i64,
    pub(super) arrival_ms: i64,
    pub(super) status: LiftStatus,
}

/// What is known of a car.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
#[rkyv(crate = rkyv)]
pub(super) struct Car {
    pub(super) heard: Option<Heard>,
    /// Since when it has not been seen to move, nor its doors to be open at a floor.
    stands_since_ms: Option<i64>,
    /// How many rows have said so.
    stands_rows: u32,
    /// Between the last two rows.
    gap_ms: i64,
    /// Some row since then did not say whether it moves.
    moving_unknown: bool,
    /// Too long between two rows since then.
    unseen: bool,
    /// Since when its doors have been open at a floor.
    open_since_ms: Option<i64>,
    seen_open: bool,
    told_open: bool,
    open_rows: u32,
    /// Since when its doors have been closed in each row.
    closed_since_ms: Option<i64>,
    /// For so long that people got out.
    has_opened: bool,
    inside: Inside,
    aboard_since_ms: i64,
    /// When somebody was seen in it first, since it moved and its doors were open at a floor.
    seen_since_ms: Option<i64>,
    /// Since when the sensor has said nobody, each time that it was asked.
    nobody_since_ms: Option<i64>,
    /// It has said so once.
    has_said_nobody: bool,
    /// How often doors have opened since.
    openings_since_nobody: u16,
    /// How often it has run since the sensor said somebody.
    runs_since_somebody: u16,
    /// When it was seen to move last, and when its doors let people out at a floor.
    ran_ms: Option<i64>,
    opened_ms: Option<i64>,
    /// When a fault was told, if it has not moved since.
    pub(super) fault_ms: Option<i64>,
    /// When people have said that it is over: how it stands since is no reason to raise it again.
    excused_ms: Option<i64>,
    /// When it was taken out of service, if its doors have not let people out since, and people have not said that nobody is in it.
    locked_ms: Option<i64>,
    /// Until when its sensor is known to be out of order.
    pub(super) sensor_out_until_ms: Option<i64>,
}

/// A reason to raise something, when that becomes due on the clock of the lift.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Case {
    pub(super) due_ms: i64,
    pub(super) trap: Trap,
    pub(super) cause: TrapCause,
    pub(super) since_ms: i64,
    pub(super) doubt: Option<Doubt>,
}

impl Case {
    pub(super) fn why(&self, car: &Car) -> TrapWhy {
        let status = car.heard.map(|heard| heard.status);
        TrapWhy { cause: self.cause, since_ms: self.since_ms, doubt: self.doubt, status }
    }
}

impl Car {
    /// Takes in what the lift tells; the caller has acted upon all that was due by then.
    pub(super) fn hear(&mut self, config: &TrapConfig, status: LiftStatus, at_ms: i64, arrival_ms: i64) {
        let before = self.heard.replace(Heard { at_ms, arrival_ms, status });
        let gap_ms = before.map_or(0, |before| at_ms.saturating_sub(before.at_ms));
        self.gap_ms = gap_ms;
        self.hear_doors(config, &status, at_ms, gap_ms);
        self.hear_mode(before.as_ref(), &status, at_ms);
        let is_closed = status.doors == Some(Doors::Closed);
        self.closed_since_ms = is_closed.then(|| self.closed_since_ms.unwrap_or(at_ms));
        self.hear_person(config, &status, at_ms);
        self.hear_moves(before.as_ref(), &status, at_ms);
        let is_held = gap_ms <= config.gap_max_ms && status.person != Some(true);
        // Of rows far apart nobody knows for long that it has not moved; and who is seen in it may be somebody else.
        let is_old = self.excused_ms.is_some_and(|at| at_ms.saturating_sub(at) > config.ride_max_ms);
        self.excused_ms = self.excused_ms.filter(|_| !is_old || is_held);
        if status.moving == Some(true) || self.has_opened {
            self.stands_since_ms = None;
        } else if self.stands_since_ms.is_none() {
            (self.stands_since_ms, self.moving_unknown, self.unseen) = (Some(at_ms), status.moving.is_none(), false);
            self.stands_rows = 1;
        } else {
            self.stands_rows = self.stands_rows.saturating_add(1);
            self.moving_unknown |= status.moving.is_none();
            self.unseen |= gap_ms > config.gap_max_ms;
        }
    }

    /// Whether it is taken out of service, or back in it. Locked with open doors it holds nobody.
    fn hear_mode(&mut self, before: Option<&Heard>, status: &LiftStatus, at_ms: i64) {
        let was_out = before.is_some_and(|before| before.status.mode == LiftMode::OutOfService);
        match status.mode {
            LiftMode::OutOfService if !was_out => self.lock(at_ms),
            LiftMode::Normal if was_out => self.unlock(),
            _ => {}
        }
        if self.has_opened {
            self.unlock();
        }
    }

    /// Whether it has moved since the row before.
    fn hear_moves(&mut self, before: Option<&Heard>, status: &LiftStatus, at_ms: i64) {
        let seen_ms = before.map_or(i64::MIN, |before| before.at_ms);
        let was = before.map(|before| before.status);
        let differs = was.and_then(|was| was.floor).zip(status.floor).is_some_and(|(was, is)| was != is);
        // The nearest floor of a car that hangs half way between two changes by itself.
        let hangs = status.moving == Some(false) && status.level != Some(true);
        if status.moving == Some(true) || differs && !hangs {
            let was_standing = self.stands_since_ms.take().is_some();
            self.runs_since_somebody = self.runs_since_somebody.saturating_add(was_standing.into());
            self.seen_since_ms = (status.person == Some(true)).then_some(at_ms);
            (self.excused_ms, self.ran_ms) = (None, Some(at_ms));
            // Of a fault that was told since the last row nobody knows whether it came before or after.
            self.fault_ms = self.fault_ms.filter(|fault_ms| *fault_ms > seen_ms);
        }
        let levels = was.and_then(|was| was.level).zip(status.level);
        self.excused_ms = self.excused_ms.filter(|_| levels.is_none_or(|(was, is)| was == is));
    }

    /// Whether doors have been open at a floor, for so long that it was no contact that flickers.
    fn hear_doors(&mut self, config: &TrapConfig, status: &LiftStatus, at_ms: i64, gap_ms: i64) {
        let not_closed = matches!(status.doors, Some(Doors::Open | Doors::Moving));
        // Where nobody knows whether it is at a floor, open doors let somebody out who is not seen any more.
        let at_floor = status.level.unwrap_or(self.fault_ms.is_none() && status.person != Some(true));
        let is_open = not_closed && status.moving != Some(true) && at_floor;
        self.told_open |= status.doors == Some(Doors::Open) && is_open;
        let open_ms = self.open_since_ms.map_or(0, |since_ms| at_ms.saturating_sub(since_ms));
        // Doors that jam half way are seen neither open nor closed; of rows far apart nobody can tell at first.
        let was_open = self.open_since_ms.is_some() && gap_ms > config.contact_ms;
        self.seen_open = self.told_open || (self.seen_open || was_open) && open_ms <= config.level_ms;
        if self.has_opened && !self.seen_open {
            (self.has_opened, self.stands_since_ms, self.stands_rows) = (false, self.open_since_ms, 2);
        }
        if is_open {
            self.open_since_ms.get_or_insert(at_ms);
            self.open_rows = self.open_rows.saturating_add(1);
        }
        // Where a fault stands, one row alone is a contact.
        let rows_min = if self.fault_ms.is_some() { 2 } else { 1 };
        let lasts = self.open_rows >= rows_min && open_ms >= config.contact_ms;
        if lasts && self.seen_open && !self.has_opened {
            self.has_opened = true;
            // One row alone may have been a contact: no sensor is doubted for that.
            self.openings_since_nobody = self.openings_since_nobody.saturating_add((self.open_rows > 1).into());
        }
        if self.has_opened {
            // Who stands in open doors may be in or out.
            (self.inside, self.excused_ms, self.opened_ms) = (Inside::Unread, None, Some(at_ms));
            (self.stands_since_ms, self.seen_since_ms) = (None, None);
        } else if gap_ms > config.gap_max_ms && !self.holds(status) {
            // Doors may have opened and closed, and nobody saw it.
            self.inside = Inside::Unread;
        }
        if !is_open {
            (self.open_since_ms, self.open_rows) = (None, 0);
            (self.has_opened, self.seen_open, self.told_open) = (false, false, false);
        }
    }

    /// Whoever was in the car is in it still, although nobody looked for a while: it is seen again, or the car stands between floors or with something wrong; and whoever was not in
    /// it, when people have said so.
    fn holds(&self, status: &LiftStatus) -> bool {
        let stands = self.stands_since_ms.is_some() && (status.level == Some(false) || self.is_wrong());
        match self.inside {
            Inside::Somebody => stands || status.person == Some(true),
            _ => self.excused_ms.is_some(),
        }
    }

    fn hear_person(&mut self, config: &TrapConfig, status: &LiftStatus, at_ms: i64) {
        match status.person {
            Some(true) => (self.runs_since_somebody, self.nobody_since_ms) = (0, None),
            Some(false) => {
                (self.openings_since_nobody, self.has_said_nobody) = (0, true);
                let nobody_ms = self.nobody_since_ms.get_or_insert(at_ms);
                if at_ms.saturating_sub(*nobody_ms) >= config.flaps_ms {
                    self.seen_since_ms = None;
                }
            }
            None => return,
        }
        if status.person == Some(true) && !self.has_opened {
            self.seen_since_ms.get_or_insert(at_ms);
        }
        match (status.person == Some(true), self.inside) {
            _ if self.has_opened => {}
            (true, Inside::Unread | Inside::Nobody) => {
                (self.inside, self.aboard_since_ms) = (Inside::Somebody, at_ms);
            }
            (false, Inside::Unread) => self.inside = Inside::Nobody,
            _ => {}
        }
    }

    /// The clock of the lift was set back: how long something has held is kept, by the new clock.
    pub(super) fn set_back(&mut self, at_ms: i64, now_ms: i64) {
        let Some(heard) = &mut self.heard else { return };
        let since_ms = now_ms.saturating_sub(heard.arrival_ms).max(0);
        let later_ms = at_ms.saturating_sub(heard.at_ms).saturating_sub(since_ms);
        heard.at_ms = at_ms.saturating_sub(since_ms);
        let times =
            [&mut self.stands_since_ms, &mut self.open_since_ms, &mut self.closed_since_ms, &mut self.nobody_since_ms];
        let more =
            [&mut self.seen_since_ms, &mut self.fault_ms, &mut self.excused_ms, &mut self.ran_ms, &mut self.opened_ms];
        let more = more.into_iter().chain([&mut self.locked_ms]);
        let all = times.into_iter().chain(more).flatten().chain([&mut self.aboard_since_ms]);
        all.for_each(|time_ms| *time_ms = time_ms.saturating_add(later_ms));
    }

    /// It was taken out of service: it sets out no more, and whoever is in it stays there until its doors open.
    pub(super) fn lock(&mut self, at_ms: i64) {
        self.locked_ms.get_or_insert(at_ms);
    }

    /// It is in service again.
    pub(super) fn unlock(&mut self) {
        self.locked_ms = None;
    }

    /// People say that it is over: nobody is in the car, and that it stands where it does says nothing, until it moves, its doors open, or it tells a fault.
    pub(super) fn excuse(&mut self, now_ms: i64) {
        self.excused_ms = Some(self.heard.map_or(now_ms, |heard| heard.at_ms));
        (self.inside, self.seen_since_ms, self.locked_ms) = (Inside::Nobody, None, None);
    }

    /// People say that its sensor is out of order until then: what it has said of who is in the car says nothing.
    pub(super) fn lose_sensor(&mut self, until_ms: i64) {
        self.sensor_out_until_ms = Some(until_ms);
        (self.inside, self.seen_since_ms, self.nobody_since_ms) = (Inside::Unread, None, None);
    }

    /// A fault is told.
    pub(super) fn fault(&mut self, at_ms: i64) {
        (self.fault_ms, self.excused_ms) = (Some(at_ms), None);
    }

    /// Its doors have let people out since then, and it has run: who is in it is somebody else.
    pub(super) fn is_in_use_since(&self, at_ms: i64) -> bool {
        self.opened_ms.is_some_and(|opened_ms| opened_ms > at_ms) && self.ran_ms.is_some_and(|ran_ms| ran_ms > at_ms)
    }

    /// What there is to raise next that is surer than what has been raised.
    pub(super) fn next(&self, config: &TrapConfig, senses_people: bool, raised: Option<Trap>) -> Option<Case> {
        let heard = self.heard.filter(|_| self.excused_ms.is_none())?;
        let is_new = |case: &Case| raised.is_none_or(|raised| case.trap > raised);
        let standing = self.standing(config, &heard, senses_people);
        let cases = [standing, standing.and_then(|case| self.appeared(&case)), self.never_opened(config)];
        // Of two that become due at once the surer one.
        let order = |case: &Case| (case.due_ms, std::cmp::Reverse(case.trap));
        cases.into_iter().flatten().filter(is_new).min_by_key(order)
    }

    /// The car stands, and somebody may be in it.
    fn standing(&self, config: &TrapConfig, heard: &Heard, senses_people: bool) -> Option<Case> {
        let stands_ms = self.stands_since_ms?;
        let seen_ms = self.seen_since_ms.filter(|_| self.inside == Inside::Somebody);
        let since_ms = stands_ms.max(seen_ms.unwrap_or(stands_ms));
        let (cause, hold_ms) = match heard.status.level {
            Some(false) => (TrapCause::OffLevel, config.off_level_ms),
            Some(true) => (TrapCause::Closed, config.level_ms),
            None => (TrapCause::Stands, config.off_level_ms),
        };
        let off_level = cause == TrapCause::OffLevel;
        let since_ms = if self.may_hold_somebody(config, off_level, senses_people) {
            since_ms
        } else {
            // Where nobody can know who is in it a car that is parked is no reason to look; one that is locked is.
            let locked_ms = self.locked_ms.filter(|_| self.may_hold_somebody(config, off_level, true))?;
            since_ms.max(locked_ms)
        };
        let person = self.person_doubt(config, heard);
        let doors = self.doors_doubt(config, heard, since_ms.saturating_add(hold_ms)).filter(|_| !off_level);
        let moving = self.moving_unknown.then_some(Doubt::MovingUnknown);
        // Where the answer is missing it takes twice as long; no longer where it is only weak, or where something is wrong and the sensor says nobody.
        let unsure = person.filter(|_| !(self.is_wrong() && self.inside == Inside::Nobody));
        let missing = [unsure, moving, doors].into_iter().flatten().find(|doubt| !doubt.is_weak());
        let due_ms = since_ms.saturating_add(if missing.is_some() { hold_ms.saturating_mul(2) } else { hold_ms });
        // Where one row alone says so, the next may say otherwise: it is awaited.
        let next_ms = heard.at_ms.saturating_add(self.next_row_ms() + 1);
        let due_ms = if self.stands_rows < 2 { due_ms.max(next_ms) } else { due_ms };
        let unseen = self.unseen || due_ms.saturating_sub(heard.at_ms) > config.gap_max_ms;
        let doubt = missing.or(person).or(doors).or(unseen.then_some(Doubt::Unseen));
        let trap = if doubt.is_some() { Trap::Possibly } else { Trap::Trapped };
        Some(Case { due_ms, trap, cause, since_ms, doubt })
    }

    /// Something is wrong with it: a fault stands, or it is taken out of service. It needs somebody anyway, so a sensor that may lie is no reason to wait.
    fn is_wrong(&self) -> bool {
        self.fault_ms.is_some() || self.locked_ms.is_some()
    }

    /// Somebody is seen first in a car that has stood for a while, and something is wrong with it: nobody appears in a closed car, so they were in it all the time.
    fn appeared(&self, standing: &Case) -> Option<Case> {
        let stands_ms = self.stands_since_ms.filter(|_| self.is_wrong() && self.inside == Inside::Somebody)?;
        let earlier_ms = standing.since_ms.saturating_sub(stands_ms);
        (earlier_ms > 0).then(|| Case {
            due_ms: standing.due_ms.saturating_sub(earlier_ms),
            trap: Trap::Possibly,
            since_ms: stands_ms,
            doubt: standing.doubt.or(Some(Doubt::PersonAppears)),
            ..*standing
        })
    }

    /// Nobody says that nobody is in it; or that is not good enough.
    fn may_hold_somebody(&self, config: &TrapConfig, off_level: bool, senses_people: bool) -> bool {
        match self.inside {
            Inside::Somebody => true,
            Inside::Nobody if self.trusts_nobody(config) => off_level,
            // Where nobody can ever know, a car that is parked is no reason to look; one that has told a fault is.
            Inside::Nobody | Inside::Unread => senses_people || off_level || self.fault_ms.is_some(),
        }
    }

    /// Its sensor has seen somebody not long ago, so it is believed when it sees nobody.
    fn trusts_nobody(&self, config: &TrapConfig) -> bool {
        self.runs_since_somebody < config.empty_runs_max
    }

    /// Why nobody can be sure that somebody is in the car.
    fn person_doubt(&self, config: &TrapConfig, heard: &Heard) -> Option<Doubt> {
        let nobody_ms = self.nobody_since_ms.map_or(0, |nobody_ms| heard.at_ms.saturating_sub(nobody_ms));
        match self.inside {
            Inside::Somebody if self.openings_since_nobody > 1 || !self.has_said_nobody => Some(Doubt::PersonConstant),
            Inside::Somebody => (nobody_ms >= config.flaps_ms).then_some(Doubt::PersonGone),
            Inside::Nobody if self.trusts_nobody(config) => Some(Doubt::PersonAbsent),
            Inside::Nobody | Inside::Unread => Some(Doubt::PersonUnknown),
        }
    }

    /// Why nobody can be sure that the doors of a car at a floor are closed. Closed ones may be a contact that flickers, and so may open ones that have not counted as an
    /// opening.
    fn doors_doubt(&self, config: &TrapConfig, heard: &Heard, due_ms: i64) -> Option<Doubt> {
        match (heard.status.doors, self.closed_since_ms) {
            (Some(Doors::Closed), Some(closed_ms))
                if due_ms.max(heard.at_ms).saturating_sub(closed_ms) >= config.contact_ms =>
            {
                None
            }
            (Some(Doors::Closed), _) => Some(Doubt::DoorsFlicker),
            _ if self.fault_ms.is_some() => Some(Doubt::DoorsFlicker),
            _ => Some(Doubt::DoorsUnknown),
        }
    }

    /// Somebody has been in the car for longer than anybody rides.
    fn never_opened(&self, config: &TrapConfig) -> Option<Case> {
        (self.inside == Inside::Somebody).then(|| Case {
            due_ms: self.aboard_since_ms.saturating_add(config.ride_max_ms),
            trap: Trap::Possibly,
            cause: TrapCause::NeverOpened,
            since_ms: self.aboard_since_ms,
            doubt: Some(Doubt::Unseen),
        })
    }

    /// How long after the last row the next is awaited: as long as that one was, and a quarter more.
    fn next_row_ms(&self) -> i64 {
        self.gap_ms.min(AWAITED_MAX_MS) * 5 / 4
    }

    /// How long after the power was lost its silence is a reason to look; none if nobody is in it.
    pub(super) fn silent_after_ms(&self, config: &TrapConfig) -> Option<(i64, Option<Doubt>)> {
        // The next row was still awaited.
        let after_ms = config.silent_ms.max(self.next_row_ms().saturating_add(config.slack_ms));
        match self.inside {
            _ if self.excused_ms.is_some() => None,
            Inside::Somebody => Some((after_ms, None)),
            // Whoever was not in it when it was asked last may have been when the power was lost.
            Inside::Nobody if self.trusts_nobody(config) && self.gap_ms <= config.gap_max_ms => None,
            Inside::Nobody | Inside::Unread => Some((after_ms, Some(Doubt::PersonUnknown))),
        }
    }
}
