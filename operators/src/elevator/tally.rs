//! What is on record of lifts and of the firms that maintain them.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use watchfire_engine::{Table, rkyv};

use super::{FaultClass, FirmRecord, LiftBook, LiftRecord};

const HOUR_MS: f64 = 3_600_000.0;

const YEAR_DAYS: f64 = 365.25;

/// What is on record of a lift, or of several together.
///
/// # Examples
/// ```
/// use std::collections::BTreeMap;
/// use watchfire_operators::elevator::{FaultClass, Tally};
/// let one = Tally { lifts: 1, days: 30, faults: BTreeMap::from([(FaultClass::DoorTrack, 2)]), ..Tally::default() };
/// let both = one.clone() + Tally { lifts: 1, days: 20, unclassed: 1, ..Tally::default() };
/// assert_eq!((both.lifts, both.days, both.firm().faults), (2, 50, 3));
/// assert!((both.lift().years - 50.0 / 365.25).abs() < 1e-12);
/// ```
#[derive(
    Clone,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    rkyv::Archive,
    rkyv::Serialize,
    rkyv::Deserialize,
)]
#[serde(default, deny_unknown_fields)]
#[rkyv(crate = rkyv)]
pub struct Tally {
    /// How many lifts.
    pub lifts: u32,
    /// Days on which a lift has told something itself.
    pub days: u32,
    /// Faults that began while nobody was at work, by class.
    pub faults: BTreeMap<FaultClass, u32>,
    /// Those of which the code does not tell the class.
    pub unclassed: u32,
    /// Those that came again.
    pub repeats: u32,
    /// How often somebody was trapped, by those who closed it.
    pub trappings: u32,
    /// How often somebody was to come to who may have been trapped, and came or did not come in time.
    pub calls: u32,
    /// How often somebody came in time.
    pub in_time: u32,
    /// Visits that were due.
    pub visits: u32,
    /// Those that were made by then.
    pub visits_on_time: u32,
    /// Faults of which it is known when they were mended.
    pub repairs: u32,
    /// How long that took, all together, milliseconds.
    pub repair_ms: i64,
}

impl Tally {
    /// For [`FirmScoring`](super::FirmScoring).
    #[must_use]
    pub fn firm(&self) -> FirmRecord {
        FirmRecord {
            lift_months: f64::from(self.days) * 12.0 / YEAR_DAYS,
            trappings: self.trappings,
            faults: self.faults.values().fold(self.unclassed, |sum, faults| sum.saturating_add(*faults)),
            repeats: self.repeats,
            calls: self.calls,
            in_time: self.in_time,
            visits: self.visits,
            visits_on_time: self.visits_on_time,
            repairs: self.repairs,
            repair_hours: self.repair_ms as f64 / HOUR_MS,
        }
    }

    /// For [`CostConfig`](super::CostConfig).
    #[must_use]
    pub fn lift(&self) -> LiftRecord {
        LiftRecord { years: f64::from(self.days) / YEAR_DAYS, faults: self.faults.clone() }
    }

    /// What is on record of the firms, by their numbers; of lifts that nobody knows under firm 0, so number firms from 1. O(lifts of a firm) for each that changes.
    #[track_caller]
    pub fn by_firm<'f>(lifts: Table<'f, u32, Tally>, book: Arc<LiftBook>) -> Table<'f, u32, Tally> {
        let of_firm = lifts.rekey(move |lift, _| book.lift(*lift).map_or(0, |lift| lift.firm));
        of_firm.reduce(|_, lifts| {
            // Two lifts with the same record are two.
            let each = lifts.iter().flat_map(|(tally, times)| (0..*times).map(|_| (*tally).clone()));
            [each.fold(Tally::default(), |sum, tally| sum + tally)]
        })
    }
}

impl std::ops::Add for Tally {
    type Output = Tally;

    fn add(self, other: Tally) -> Tally {
        let mut faults = self.faults;
        for (class, more) in other.faults {
            let sum = faults.entry(class).or_default();
            *sum = sum.saturating_add(more);
        }
        Tally {
            lifts: self.lifts.saturating_add(other.lifts),
            days: self.days.saturating_add(other.days),
            faults,
            unclassed: self.unclassed.saturating_add(other.unclassed),
            repeats: self.repeats.saturating_add(other.repeats),
            trappings: self.trappings.saturating_add(other.trappings),
            calls: self.calls.saturating_add(other.calls),
            in_time: self.in_time.saturating_add(other.in_time),
            visits: self.visits.saturating_add(other.visits),
            visits_on_time: self.visits_on_time.saturating_add(other.visits_on_time),
            repairs: self.repairs.saturating_add(other.repairs),
            repair_ms: self.repair_ms.saturating_add(other.repair_ms),
        }
    }
}
