//! What an alarm by scores comes to: failures that it caught, and for how much of the time it was wrong.

use std::collections::BTreeMap;
use std::fmt;

pub const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;

/// False alarms a day that are borne, and the share of them that may be spent where the threshold is chosen: other months are worse.
const FALSE_A_DAY: f64 = 1.5;
const SPENT: f64 = 0.5;

/// Thresholds that are looked at, tenths of the logarithm of the odds.
const THRESHOLDS: std::ops::RangeInclusive<i32> = -80..=40;

/// Minutes in the order of time, and whether it fails within the hour after each.
pub struct Part {
    minutes: Vec<(i64, bool)>,
    /// The first and the last minute of each hour before a failure.
    failures: Vec<(i64, i64)>,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let within = self.minutes.iter().filter(|(_, within)| *within).count();
        let rate = within as f64 / self.minutes.len().max(1) as f64;
        let (rows, days, failures) = (self.minutes.len(), self.days(), self.failures.len());
        write!(f, "{rows} rows over {days:.1} days, {failures} failures, in the hour before one: {rate:.4}")
    }
}

impl Part {
    pub fn of(minutes: impl Iterator<Item = (i64, bool)>) -> Part {
        let minutes: Vec<(i64, bool)> = minutes.collect();
        let within = minutes.chunk_by(|a, b| a.1 == b.1 && b.0 - a.0 <= HOUR_MS).filter(|of| of[0].1);
        let failures = within.filter_map(|of| Some((of.first()?.0, of.last()?.0))).collect();
        Part { minutes, failures }
    }

    pub fn iter(&self) -> impl Iterator<Item = (i64, bool)> + '_ {
        self.minutes.iter().copied()
    }

    pub fn days(&self) -> f64 {
        let first_ms = self.minutes.first().map_or(0, |of| of.0);
        let last_ms = self.minutes.last().map_or(0, |of| of.0);
        (last_ms - first_ms).max(1) as f64 / (24.0 * HOUR_MS as f64)
    }
}

/// What came of it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Alarms {
    pub threshold: f64,
    pub caught: usize,
    pub of: usize,
    pub false_alarms: usize,
    /// Minutes from the first alarm in the hour before a failure to its end, in the mean over those that were caught.
    pub before: Option<f64>,
}

/// Alarms less than an hour apart are one, for an hour at most: one that stays on is another each hour. It is false if it touches no hour before a failure.
pub fn alarms(part: &Part, scores: &BTreeMap<i64, f64>, threshold: f64) -> Alarms {
    let is_on = |at_ms: &i64| scores.get(at_ms).is_some_and(|score| *score >= threshold);
    let on: Vec<i64> = part.minutes.iter().map(|of| of.0).filter(is_on).collect();
    let first_within = |(from_ms, to_ms): (i64, i64)| {
        on.get(on.partition_point(|at_ms| *at_ms < from_ms)).filter(|at_ms| **at_ms <= to_ms).map(|at_ms| to_ms - at_ms)
    };
    let before: Vec<i64> = part.failures.iter().filter_map(|hour| first_within(*hour)).collect();
    let (mut false_alarms, mut rest) = (0, on.as_slice());
    while let Some(first_ms) = rest.first() {
        let (alarm, after) = rest.split_at(rest.partition_point(|at_ms| at_ms - first_ms < HOUR_MS));
        let touches = |(from_ms, to_ms): &(i64, i64)| alarm.iter().any(|at_ms| (from_ms..=to_ms).contains(&at_ms));
        false_alarms += usize::from(!part.failures.iter().any(touches));
        rest = after;
    }
    let (caught, minutes) = (before.len(), before.iter().sum::<i64>() as f64 / MINUTE_MS as f64);
    let before = (caught > 0).then(|| minutes / caught as f64);
    Alarms { threshold, caught, of: part.failures.len(), false_alarms, before }
}

/// The threshold that catches most at no more false alarms than may be spent, far from both ends: the middle one of all such. The highest would miss the first failure
/// that is a little unlike the others, the lowest would overspend in a month that is a little worse.
pub fn choose(part: &Part, scores: &BTreeMap<i64, f64>) -> Alarms {
    let spent = FALSE_A_DAY * SPENT * part.days();
    let all = THRESHOLDS.map(|tenths| alarms(part, scores, f64::from(tenths) / 10.0));
    let borne: Vec<Alarms> = all.filter(|of| of.false_alarms as f64 <= spent).collect();
    let most = borne.iter().map(|of| of.caught).max().unwrap_or(0);
    let best: Vec<&Alarms> = borne.iter().filter(|of| of.caught == most).collect();
    let none = Alarms { threshold: f64::INFINITY, of: part.failures.len(), ..Alarms::default() };
    best.get(best.len() / 2).map_or(none, |of| **of)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ten hours, the seventh of which is before a failure.
    fn part() -> Part {
        Part::of((0..600).map(|minute| (minute * MINUTE_MS, (360..420).contains(&minute))))
    }

    fn scores(on: impl Fn(i64) -> bool) -> BTreeMap<i64, f64> {
        (0..600).map(|minute| (minute * MINUTE_MS, if on(minute) { 1.0 } else { -1.0 })).collect()
    }

    #[test]
    fn an_alarm_that_stays_on_is_no_good_alarm() {
        let always = alarms(&part(), &scores(|_| true), 0.0);
        assert_eq!((always.caught, always.of, always.false_alarms), (1, 1, 9));
        let early = alarms(&part(), &scores(|minute| (350..380).contains(&minute)), 0.0);
        assert_eq!((early.caught, early.false_alarms, early.before), (1, 0, Some(59.0)));
        let wrong = alarms(&part(), &scores(|minute| minute == 10 || minute == 60 || minute == 400), 0.0);
        assert_eq!((wrong.caught, wrong.false_alarms, wrong.before), (1, 1, Some(19.0)));
    }

    #[test]
    fn the_threshold_is_far_from_both_ends() {
        let chosen = choose(&part(), &scores(|minute| (390..420).contains(&minute)));
        // From -0.9 to 1.0 all are alike; below, false alarms are many.
        assert_eq!((chosen.caught, chosen.threshold), (1, 0.1));
        assert_eq!(choose(&part(), &BTreeMap::new()).caught, 0);
    }
}
