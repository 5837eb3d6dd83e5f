//! How well the firms that maintain lifts do it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What a firm has done in a time, summed up over its lifts. Records of parts of a time add up.
///
/// # Examples
/// ```
/// use watchfire_operators::elevator::FirmRecord;
/// let may = FirmRecord { lift_months: 12.0, trappings: 1, ..FirmRecord::default() };
/// let june = FirmRecord { lift_months: 12.5, faults: 3, ..FirmRecord::default() };
/// let both = may + june;
/// assert_eq!((both.lift_months, both.trappings, both.faults), (24.5, 1, 3));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FirmRecord {
    /// Its lifts, by the months for which it had each.
    pub lift_months: f64,
    /// How often somebody was trapped.
    pub trappings: u32,
    /// Faults.
    pub faults: u32,
    /// Those of a lift that had one in the 30 days before, whatever was written down about either.
    pub repeats: u32,
    /// How often it was called to somebody who was trapped.
    pub calls: u32,
    /// How often it was there in time.
    pub in_time: u32,
    /// Visits that were planned.
    pub visits: u32,
    /// Those that were made when they were planned.
    pub visits_on_time: u32,
    /// Repairs that were done.
    pub repairs: u32,
    /// How long they took, all together, hours.
    pub repair_hours: f64,
}

impl std::ops::Add for FirmRecord {
    type Output = FirmRecord;

    fn add(self, other: FirmRecord) -> FirmRecord {
        FirmRecord {
            lift_months: self.lift_months + other.lift_months,
            trappings: self.trappings.saturating_add(other.trappings),
            faults: self.faults.saturating_add(other.faults),
            repeats: self.repeats.saturating_add(other.repeats),
            calls: self.calls.saturating_add(other.calls),
            in_time: self.in_time.saturating_add(other.in_time),
            visits: self.visits.saturating_add(other.visits),
            visits_on_time: self.visits_on_time.saturating_add(other.visits_on_time),
            repairs: self.repairs.saturating_add(other.repairs),
            repair_hours: self.repair_hours + other.repair_hours,
        }
    }
}

/// How firms are scored: out of a hundred points, each part against what all firms do together.
///
/// A rate or a share of a firm is drawn towards that of all, by as much as so many lift-months, faults, calls, visits and repairs: a firm with one lift and one trapping is not the
/// worst of a city.
///
/// # Examples
/// ```
/// use std::collections::BTreeMap;
/// use watchfire_operators::elevator::{FirmRecord, FirmScoring};
/// let of = |lift_months: f64, trappings| FirmRecord { lift_months, trappings, ..FirmRecord::default() };
/// let firms = BTreeMap::from([(1, of(12_000.0, 50)), (2, of(1.0, 1)), (3, of(6_000.0, 90))]);
/// let scores = FirmScoring::default().score(&firms);
/// assert!(scores[&1].points > scores[&2].points && scores[&2].points > scores[&3].points, "{scores:?}");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FirmScoring {
    /// For how seldom people are trapped.
    pub trapping_points: f64,
    /// For how seldom a fault comes again.
    pub repeat_points: f64,
    /// For being there in time.
    pub arrival_points: f64,
    /// For visits that are made when they are planned.
    pub visit_points: f64,
    /// For how soon repairs are done.
    pub repair_points: f64,
    /// A trapping rate is believed like so many lift-months of all firms together; above 0.
    pub prior_lift_months: f64,
    /// The other parts, like so many faults, calls, visits and repairs; above 0.
    pub prior_count: f64,
}

impl Default for FirmScoring {
    /// 30, 20, 20, 15 and 15 points; drawn by 250 lift-months, which is about one trapping, and by 20 of all else.
    fn default() -> Self {
        FirmScoring {
            trapping_points: 30.0,
            repeat_points: 20.0,
            arrival_points: 20.0,
            visit_points: 15.0,
            repair_points: 15.0,
            prior_lift_months: 250.0,
            prior_count: 20.0,
        }
    }
}

/// How well a firm does.
///
/// # Examples
/// Two firms with as many lifts, and all trappings in those of one:
/// ```
/// use std::collections::BTreeMap;
/// use watchfire_operators::elevator::{FirmRecord, FirmScoring};
/// let of = |trappings| FirmRecord { lift_months: 1_000.0, trappings, ..FirmRecord::default() };
/// let scores = FirmScoring::default().score(&BTreeMap::from([("east", of(4)), ("west", of(0))]));
/// let (east, west) = (scores["east"], scores["west"]);
/// assert!((east.trapping_rate - 4.5 / 1_250.0).abs() < 1e-12, "drawn from 4 in 1,000 towards 2, by 250");
/// assert!(east.points < west.points && east.in_time_share == 1.0, "neither was ever called: {east:?}");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct FirmScore {
    /// All together, 0 to the sum of what there is for each part.
    pub points: f64,
    /// Trappings a lift-month, drawn towards all.
    pub trapping_rate: f64,
    /// The share of faults that came again, drawn towards all.
    pub repeat_share: f64,
    /// The share of calls at which it was in time, drawn towards all.
    pub in_time_share: f64,
    /// The share of visits made when they were planned, drawn towards all.
    pub on_time_share: f64,
    /// How long a repair takes, hours, drawn towards all.
    pub repair_hours: f64,
}

/// `(of + share of all x weight) / (out of + weight)`; what nobody has done is `unknown`.
fn drawn(of: f64, out_of: f64, (all_of, all_out_of): (f64, f64), weight: f64, unknown: f64) -> f64 {
    let of_all = if all_out_of > 0.0 { all_of / all_out_of } else { unknown };
    (of + of_all * weight) / (out_of + weight).max(f64::MIN_POSITIVE)
}

/// Half where it is as with all, everything at half as much or less, nothing at twice as much or more.
fn less_is_better(is: f64, all: f64) -> f64 {
    if is <= 0.0 && all <= 0.0 {
        return 0.5;
    }
    (0.5 - (is / all.max(f64::MIN_POSITIVE)).max(f64::MIN_POSITIVE).log2() / 2.0).clamp(0.0, 1.0)
}

impl FirmScoring {
    /// The score of each firm. What is scored by less or more than others (trappings, repeats, repair times) gives half of its points to a firm that does as all do together, all
    /// to one with half as much, none to one with twice as much; what is scored by a share gives that share of its points. Counts that cannot be (more in time than were called)
    /// count as all. O(firms).
    #[must_use]
    pub fn score<F: Ord + Clone>(&self, firms: &BTreeMap<F, FirmRecord>) -> BTreeMap<F, FirmScore> {
        let sound = |record: &FirmRecord| FirmRecord {
            lift_months: if record.lift_months.is_finite() { record.lift_months.max(0.0) } else { 0.0 },
            repair_hours: if record.repair_hours.is_finite() { record.repair_hours.max(0.0) } else { 0.0 },
            repeats: record.repeats.min(record.faults),
            in_time: record.in_time.min(record.calls),
            visits_on_time: record.visits_on_time.min(record.visits),
            ..*record
        };
        let all = firms.values().map(sound).fold(FirmRecord::default(), |all, one| all + one);
        firms.iter().map(|(firm, record)| (firm.clone(), self.one(&sound(record), &all))).collect()
    }

    fn one(&self, of: &FirmRecord, all: &FirmRecord) -> FirmScore {
        let count = f64::from;
        let share = |part: u32, whole: u32, all_part: u32, all_whole: u32, unknown: f64| {
            drawn(count(part), count(whole), (count(all_part), count(all_whole)), self.prior_count, unknown)
        };
        let trappings = (count(all.trappings), all.lift_months);
        let trapping_rate = drawn(count(of.trappings), of.lift_months, trappings, self.prior_lift_months, 0.0);
        let repeat_share = share(of.repeats, of.faults, all.repeats, all.faults, 0.0);
        let in_time_share = share(of.in_time, of.calls, all.in_time, all.calls, 1.0);
        let on_time_share = share(of.visits_on_time, of.visits, all.visits_on_time, all.visits, 1.0);
        let repairs = (all.repair_hours, count(all.repairs));
        let repair_hours = drawn(of.repair_hours, count(of.repairs), repairs, self.prior_count, 0.0);
        let ratio = |part: f64, whole: f64| if whole > 0.0 { part / whole } else { 0.0 };
        let points = self.trapping_points * less_is_better(trapping_rate, ratio(trappings.0, trappings.1))
            + self.repeat_points * less_is_better(repeat_share, ratio(count(all.repeats), count(all.faults)))
            + self.arrival_points * in_time_share
            + self.visit_points * on_time_share
            + self.repair_points * less_is_better(repair_hours, ratio(repairs.0, repairs.1));
        FirmScore { points, trapping_rate, repeat_share, in_time_share, on_time_share, repair_hours }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_scored_against_all_and_by_share() {
        let usual = FirmRecord {
            lift_months: 1e6,
            trappings: 4_000,
            faults: 100_000,
            repeats: 20_000,
            calls: 4_000,
            in_time: 4_000,
            visits: 100_000,
            visits_on_time: 100_000,
            repairs: 100_000,
            repair_hours: 200_000.0,
        };
        let as_all = FirmScoring::default().score(&BTreeMap::from([(1, usual)]));
        assert!((as_all[&1].points - (15.0 + 10.0 + 20.0 + 15.0 + 7.5)).abs() < 1e-9, "{as_all:?}");
        // Twice as much of what is bad, beside so many that it does not move what all do.
        let bad = FirmRecord {
            lift_months: 1e5,
            trappings: 800,
            faults: 10_000,
            repeats: 4_000,
            calls: 800,
            in_time: 400,
            ..usual
        };
        let many: BTreeMap<u32, FirmRecord> = (0..1_000).map(|firm| (firm, usual)).chain([(1_000, bad)]).collect();
        let scores = FirmScoring::default().score(&many);
        assert!((scores[&1_000].points - (20.0 * 410.0 / 820.0 + 15.0 + 7.5)).abs() < 1.0, "{:?}", scores[&1_000]);
        assert!((scores[&1_000].trapping_rate - 0.008).abs() < 1e-4);
    }

    #[test]
    fn what_nobody_has_done_is_nobodys_fault_and_what_cannot_be_counts_as_all() {
        let none = FirmScoring::default().score(&BTreeMap::from([("new", FirmRecord::default())]));
        assert!((none["new"].points - 67.5).abs() < 1e-9, "{none:?}");
        let wrong =
            FirmRecord { lift_months: f64::NAN, calls: 1, in_time: 9, repair_hours: -3.0, ..FirmRecord::default() };
        let wrong = FirmScoring::default().score(&BTreeMap::from([("wrong", wrong)]));
        assert!(wrong["wrong"].points.is_finite() && wrong["wrong"].in_time_share <= 1.0, "{wrong:?}");
    }
}
