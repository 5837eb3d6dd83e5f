//! When a lift runs as it does for its passengers: what it does and reports while people work on it, or without power, is no sign of wear and no fault of it.

use watchfire_engine::rkyv;

use super::{LiftCode, LiftMode, LiftSays};

/// A lift that does not say again what it is used for is used as ever after so long, milliseconds.
const MODE_MS: i64 = 3_600_000;

/// Nobody works on a lift, and no power is lost, for longer without somebody saying so again, milliseconds.
const LONGEST_MS: i64 = 86_400_000;

/// For so long after the power was lost, or came back, controllers report what is no fault of the lift, milliseconds.
const POWER_MS: i64 = 600_000;

/// The last time in which something was so: from and until, half-open. What happened before it is judged as before, however late it is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
#[rkyv(crate = rkyv)]
struct Spell {
    of_ms: Option<(i64, i64)>,
    /// When somebody has said something of it last: older rows change nothing.
    said_ms: Option<i64>,
}

impl Spell {
    fn is_news(&mut self, at_ms: i64) -> bool {
        let is_news = self.said_ms.is_none_or(|said_ms| said_ms <= at_ms);
        if is_news {
            self.said_ms = Some(at_ms);
        }
        is_news
    }

    /// It is so for so long, if nobody says anything else.
    fn begins(&mut self, at_ms: i64, for_ms: i64) {
        if self.is_news(at_ms) {
            let from_ms = self.of_ms.filter(|(_, until_ms)| at_ms <= *until_ms).map_or(at_ms, |(from_ms, _)| from_ms);
            self.of_ms = Some((from_ms, at_ms.saturating_add(for_ms.max(0))));
        }
    }

    /// It is so for so long at least.
    fn goes_on(&mut self, at_ms: i64, for_ms: i64) {
        let until_ms = self.of_ms.filter(|_| self.holds(at_ms)).map_or(at_ms, |(_, until_ms)| until_ms);
        self.begins(at_ms, until_ms.saturating_sub(at_ms).max(for_ms));
    }

    /// It is so no more after so long.
    fn ends(&mut self, at_ms: i64, after_ms: i64) {
        if self.is_news(at_ms) {
            let end_ms = at_ms.saturating_add(after_ms);
            self.of_ms = self.of_ms.map(|(from_ms, until_ms)| (from_ms, until_ms.min(end_ms)));
        }
    }

    fn holds(&self, at_ms: i64) -> bool {
        self.of_ms.is_some_and(|(from_ms, until_ms)| (from_ms..until_ms).contains(&at_ms))
    }
}

/// What is told of what a lift is used for, by its codes or by its status: the one ends nothing that the other has begun, for many a status says nothing of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
#[rkyv(crate = rkyv)]
struct Mode {
    /// Not by passengers.
    not_normal: Spell,
    /// By somebody else.
    driven: Spell,
}

impl Mode {
    fn becomes(&mut self, mode: LiftMode, at_ms: i64) {
        match mode {
            LiftMode::Normal => {
                self.not_normal.ends(at_ms, 0);
                self.driven.ends(at_ms, 0);
            }
            // Because it has failed, or because somebody drives it, who goes on to.
            LiftMode::OutOfService => self.not_normal.begins(at_ms, MODE_MS),
            LiftMode::Inspection | LiftMode::Maintenance | LiftMode::Fire | LiftMode::EmergencyPower => {
                self.not_normal.begins(at_ms, MODE_MS);
                self.driven.begins(at_ms, MODE_MS);
            }
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
#[rkyv(crate = rkyv)]
pub(super) struct AtWork {
    by_code: Mode,
    by_status: Mode,
    on_site: Spell,
    powerless: Spell,
}

impl AtWork {
    pub(super) fn hear(&mut self, says: &LiftSays, at_ms: i64) {
        match says {
            LiftSays::Status(status) => self.by_status.becomes(status.mode, at_ms),
            LiftSays::OnSite { until_ms, .. } => {
                self.on_site.begins(at_ms, until_ms.saturating_sub(at_ms).min(LONGEST_MS));
            }
            LiftSays::OffSite => self.on_site.ends(at_ms, 0),
            LiftSays::Power { lost: true } => self.powerless.begins(at_ms, LONGEST_MS),
            LiftSays::Power { lost: false } => self.powerless.begins(at_ms, POWER_MS),
            LiftSays::Code(coded) => match coded.code {
                LiftCode::PowerLost => self.powerless.goes_on(at_ms, POWER_MS),
                LiftCode::Inspection => self.by_code.becomes(LiftMode::Inspection, at_ms),
                LiftCode::FireReturn | LiftCode::Firefighter => self.by_code.becomes(LiftMode::Fire, at_ms),
                LiftCode::EmergencyPower => self.by_code.becomes(LiftMode::EmergencyPower, at_ms),
                LiftCode::OutOfService => self.by_code.becomes(LiftMode::OutOfService, at_ms),
                LiftCode::BackToAutomatic => self.by_code.becomes(LiftMode::Normal, at_ms),
                _ => {}
            },
            _ => {}
        }
    }

    /// It runs for its passengers: its trips show how it wears.
    pub(super) fn is_normal(&self, at_ms: i64) -> bool {
        let modes = [&self.by_code, &self.by_status];
        !self.makes_faults(at_ms) && !modes.iter().any(|mode| mode.not_normal.holds(at_ms))
    }

    /// What is done to it makes it report faults that are none.
    pub(super) fn makes_faults(&self, at_ms: i64) -> bool {
        let spells = [&self.by_code.driven, &self.by_status.driven, &self.on_site, &self.powerless];
        spells.iter().any(|spell| spell.holds(at_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::elevator::{CodeMap, LiftStatus};

    fn code(raw: &str) -> LiftSays {
        LiftSays::Code(CodeMap::city().read(raw))
    }

    fn on_site(until_ms: i64) -> LiftSays {
        LiftSays::OnSite { who: "mechanic 7".into(), until_ms }
    }

    fn after(says: &[(i64, LiftSays)]) -> AtWork {
        let mut at_work = AtWork::default();
        says.iter().for_each(|(at_ms, says)| at_work.hear(says, *at_ms));
        at_work
    }

    #[test]
    fn what_was_before_is_judged_as_before() {
        let at_work = after(&[(1_000, on_site(5_000)), (4_000, LiftSays::OffSite)]);
        assert_eq!([999, 1_000, 3_999, 4_000].map(|at_ms| at_work.makes_faults(at_ms)), [false, true, true, false]);
    }

    #[test]
    fn what_is_told_again_or_late_changes_nothing() {
        let told = [(1_000, on_site(5_000)), (3_000, LiftSays::OffSite)];
        for again in [0, 1] {
            let mut says = told.to_vec();
            says.push((told[again].0 - 1, told[again].1.clone()));
            assert_eq!(after(&says), after(&told));
        }
        let still = after(&[(1_000, on_site(5_000)), (900, LiftSays::OffSite)]);
        assert!(still.makes_faults(4_000));
    }

    #[test]
    fn a_status_without_a_mode_ends_no_inspection_nor_does_being_out_of_service() {
        let status = |mode| LiftSays::Status(LiftStatus { mode, ..LiftStatus::default() });
        let driven = after(&[(0, code("43")), (1_000, status(LiftMode::Normal)), (2_000, code("42"))]);
        assert!(driven.makes_faults(3_000));
        assert!(!after(&[(0, code("43")), (1_000, code("40"))]).makes_faults(1_000));
        // A lift that has put itself out of service has failed.
        let failed = after(&[(0, code("42"))]);
        assert!(!failed.makes_faults(1_000) && !failed.is_normal(1_000));
        // As long as it says so, and an hour.
        let polled = after(&[(0, status(LiftMode::Inspection)), (3_000_000, status(LiftMode::Inspection))]);
        assert_eq!([0, 6_599_999, 6_600_000].map(|at_ms| polled.makes_faults(at_ms)), [true, true, false]);
    }

    #[test]
    fn without_power_and_for_ten_minutes_after_it_is_back() {
        let hour_ms = 3_600_000;
        let at_work = after(&[(0, LiftSays::Power { lost: true }), (2 * hour_ms, LiftSays::Power { lost: false })]);
        let instants = [0, hour_ms, 2 * hour_ms + 599_999, 2 * hour_ms + 600_000];
        assert_eq!(instants.map(|at_ms| at_work.makes_faults(at_ms)), [true, true, true, false]);
        assert!(!after(&[(0, code("41"))]).makes_faults(600_000));
        // What a controller says does not end what a meter has said.
        let both = after(&[(0, LiftSays::Power { lost: true }), (1_000, code("41"))]);
        assert!(both.makes_faults(hour_ms));
    }
}
