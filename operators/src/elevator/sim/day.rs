//! What a lift and the people in it do in a day.

use super::{DAY_MS, LiftSim, TrapCase, Trapping};
use crate::draw::{Draws, Purpose};
use crate::elevator::{Doors, LiftMode, LiftStatus};

/// From here on the lift is so, with everything known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    pub(super) at_ms: i64,
    pub(super) status: LiftStatus,
}

/// A day as it was.
#[derive(Debug)]
pub(super) struct Lived {
    pub(super) moments: Vec<Moment>,
    pub(super) trappings: Vec<Trapping>,
    /// What the controller reports, by the scheme of GB/T 24476.
    pub(super) codes: Vec<(i64, &'static str)>,
    /// When the building had no power.
    pub(super) cut: Option<(i64, i64)>,
}

/// Runs an hour, of a hundred a day, from midnight: peaks from 8 to 10 and 18 to 20.
const BY_HOUR: [f64; 24] = [
    0.5, 0.3, 0.2, 0.2, 0.3, 1.0, 3.0, 7.0, 9.0, 7.0, 5.0, 5.0, 6.0, 5.0, 4.0, 4.5, 5.5, 7.5, 9.0, 7.5, 5.0, 4.0, 2.5,
    1.0,
];

const FLOORS: f64 = 18.0;

/// Draws one after another.
struct Rolls {
    draws: Draws,
    nth: u64,
}

impl Rolls {
    fn unit(&mut self) -> f64 {
        self.nth += 1;
        self.draws.unit(self.nth)
    }

    fn between_ms(&mut self, low_ms: f64, high_ms: f64) -> i64 {
        (low_ms + (high_ms - low_ms) * self.unit()) as i64
    }

    fn pause_ms(&mut self, mean_ms: f64) -> i64 {
        self.nth += 1;
        self.draws.exponential(self.nth, mean_ms).min(6.0 * 3_600_000.0) as i64
    }
}

struct Living<'a> {
    rolls: Rolls,
    lived: &'a mut Lived,
    lift: u32,
    now_ms: i64,
    is: LiftStatus,
    /// When the power will be lost, and be back.
    cut: Option<(i64, i64)>,
}

/// Lives through a day of a lift.
pub(super) fn live(sim: &LiftSim, lift: u32, day: u32) -> Lived {
    let (config, first_ms) = (sim.config(), sim.day_ms(day));
    let is = LiftStatus {
        moving: Some(false),
        level: Some(true),
        doors: Some(Doors::Closed),
        person: Some(false),
        floor: Some(1),
        mode: LiftMode::Normal,
    };
    let (moments, cut) = (vec![Moment { at_ms: first_ms, status: is }], sim.cut(sim.building(lift), day));
    let mut lived = Lived { moments, trappings: Vec::new(), codes: Vec::new(), cut };
    let rolls = Rolls { draws: Draws::new(config.seed, lift, Purpose::LiftDay), nth: u64::from(day) << 32 };
    let mut living = Living { rolls, lived: &mut lived, lift, now_ms: first_ms, is, cut };
    let chance = config.trappings_a_day / config.trips_a_day.max(1.0);
    loop {
        let hour = ((living.now_ms - first_ms) / 3_600_000).clamp(0, 23) as usize;
        let an_hour = config.trips_a_day * BY_HOUR[hour] / 100.0;
        // Nobody waits for longer than until the next hour, which may be busier.
        let pause_ms = living.rolls.pause_ms(3_600_000.0 / an_hour.max(0.01)).min(3_600_000);
        if pause_ms > 180_000 {
            living.home();
        }
        living.now_ms += pause_ms;
        if living.now_ms > first_ms + DAY_MS - 5_400_000 {
            return lived;
        }
        if pause_ms < 3_600_000 {
            let case = (living.rolls.unit() < chance).then(|| living.case());
            living.trip(case.filter(|case| *case != TrapCase::PowerCut));
        }
        living.settle_cut();
    }
}

impl Living<'_> {
    fn case(&mut self) -> TrapCase {
        let cases = TrapCase::ALL.len();
        TrapCase::ALL[((self.rolls.unit() * cases as f64) as usize).min(cases - 1)]
    }

    fn becomes(&mut self, after_ms: i64, change: impl FnOnce(&mut LiftStatus)) {
        self.now_ms += after_ms;
        change(&mut self.is);
        self.lived.moments.push(Moment { at_ms: self.now_ms, status: self.is });
    }

    /// Back to the main floor, empty.
    fn home(&mut self) {
        if self.is.floor != Some(1) {
            self.now_ms += 60_000;
            self.run(1);
            self.stop(1);
        }
    }

    fn run(&mut self, to: i16) {
        let floors = self.is.floor.map_or(1, |from| (from - to).abs().max(1));
        self.becomes(1_000, |is| (is.moving, is.level) = (Some(true), Some(true)));
        self.becomes(700, |is| is.level = Some(false));
        let between = i64::from(floors) * 2_200 + 1_500;
        self.becomes(between / 2, |is| is.floor = Some((is.floor.unwrap_or(to) + to) / 2));
        self.now_ms += between - between / 2;
    }

    fn stop(&mut self, at: i16) {
        self.becomes(0, |is| (is.level, is.floor) = (Some(true), Some(at)));
        self.becomes(700, |is| is.moving = Some(false));
    }

    /// Doors open, people get in or out, doors close.
    fn doors(&mut self, person: bool) {
        self.becomes(600, |is| is.doors = Some(Doors::Moving));
        self.becomes(2_000, |is| is.doors = Some(Doors::Open));
        // Now and then somebody holds them.
        let held_ms = if self.rolls.unit() < 0.01 { 90_000 } else { 0 };
        let stays_ms = self.rolls.between_ms(3_500.0, 7_000.0) + held_ms;
        self.becomes(stays_ms / 2, |is| is.person = Some(person));
        self.becomes(stays_ms - stays_ms / 2, |is| is.doors = Some(Doors::Moving));
        let closes_ms = self.rolls.between_ms(2_500.0, 3_500.0);
        self.becomes(closes_ms, |is| is.doors = Some(Doors::Closed));
    }

    fn trip(&mut self, case: Option<TrapCase>) {
        let floor = |unit: f64| if unit < 0.45 { 1 } else { 2 + ((unit - 0.45) / 0.55 * (FLOORS - 1.0)) as i16 };
        let (from, to) = (floor(self.rolls.unit()), floor(self.rolls.unit()));
        let to = if to == from { from % 18 + 1 } else { to };
        if self.is.floor != Some(from) {
            self.run(from);
            self.stop(from);
        }
        self.doors(true);
        match case {
            None => self.run(to),
            Some(TrapCase::DoesNotSetOut) => return self.trapped(TrapCase::DoesNotSetOut, 1_500),
            Some(case) => {
                self.becomes(0, |is| is.mode = case.mode());
                self.run(to);
                if !case.is_level() {
                    return self.trapped(case, 0);
                }
            }
        }
        self.stop(to);
        if let Some(case) = case {
            return self.trapped(case, 0);
        }
        self.doors(false);
    }

    /// Somebody is in the car, and does not get out until somebody helps.
    fn trapped(&mut self, case: TrapCase, after_ms: i64) {
        let level = case.is_level();
        self.becomes(after_ms, |is| (is.moving, is.level) = (Some(false), Some(level)));
        let from_ms = self.now_ms;
        let code = match case {
            TrapCase::DoorsStayClosed => Some("03"),
            TrapCase::DoesNotSetOut => Some("08"),
            // As it was told to.
            TrapCase::OutOfService => None,
            _ => Some("04"),
        };
        self.lived.codes.extend(code.map(|code| (from_ms + 2_000, code)));
        let until_ms = from_ms + self.rolls.between_ms(480_000.0, 1_500_000.0);
        // Three in ten find the button.
        if self.rolls.unit() < 0.3 {
            let presses_ms = self.rolls.between_ms(5_000.0, 120_000.0);
            self.lived.codes.push((from_ms + presses_ms, "90"));
        }
        if case == TrapCase::ForcedDoors {
            self.becomes(20_000, |is| is.doors = Some(Doors::Open));
        }
        self.freed(case, level, from_ms, until_ms);
    }

    fn freed(&mut self, case: TrapCase, level: bool, from_ms: i64, until_ms: i64) {
        self.lived.trappings.push(Trapping { lift: self.lift, case, level, from_ms, until_ms });
        self.now_ms = until_ms;
        if !level {
            self.becomes(0, |is| (is.moving, is.doors) = (Some(true), Some(Doors::Closed)));
            self.becomes(8_000, |is| (is.moving, is.level) = (Some(false), Some(true)));
        }
        self.doors(false);
        self.becomes(30_000, |is| is.mode = LiftMode::Normal);
    }

    /// The power may have been lost meanwhile: what came after has not happened, and nothing does until it is back.
    fn settle_cut(&mut self) {
        let Some((from_ms, until_ms)) = self.cut.take_if(|(from_ms, _)| *from_ms <= self.now_ms) else { return };
        if self.lived.trappings.last().is_some_and(|last| (last.from_ms..last.until_ms).contains(&from_ms)) {
            return;
        }
        let keep = self.lived.moments.partition_point(|moment| moment.at_ms < from_ms);
        self.lived.moments.truncate(keep);
        self.lived.trappings.retain(|trapping| trapping.from_ms < from_ms);
        self.lived.codes.retain(|(at_ms, _)| *at_ms < from_ms);
        let Some(last) = self.lived.moments.last() else { return };
        (self.is, self.now_ms) = (last.status, from_ms);
        let inside = self.is.person == Some(true) && self.is.doors == Some(Doors::Closed);
        let level = self.is.level == Some(true) && self.is.moving == Some(false);
        self.becomes(0, |is| (is.moving, is.level) = (Some(false), Some(level)));
        if inside {
            return self.freed(TrapCase::PowerCut, level, from_ms, until_ms);
        }
        if self.is.doors != Some(Doors::Closed) {
            // Whoever stands in open doors walks out.
            self.becomes(3_000, |is| (is.doors, is.person) = (Some(Doors::Open), Some(false)));
        }
        self.now_ms = until_ms;
        self.becomes(0, |is| is.moving = Some(!level));
        self.becomes(8_000, |is| {
            (is.moving, is.level) = (Some(false), Some(true));
            (is.doors, is.person) = (Some(Doors::Closed), Some(false));
        });
    }
}
