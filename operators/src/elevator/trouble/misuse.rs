//! How often people hold the doors of a lift, by the hour of the day.

use watchfire_engine::{Verdict, rkyv};

use super::{Ails, News, Troubles};
use crate::detect::{EventRate, EventRateState, Judged, Score};
use crate::elevator::{Doors, LiftStatus, LiftTrip};

const HOUR_MS: i64 = 3_600_000;

/// An hour of the day is taken for like any other as if so many of it had been so.
const ALIKE: f64 = 7.0;

/// After so many days an hour counts 1/e of what it did.
const FADES_DAYS: f64 = 60.0;

/// Fewer in an hour are never odd.
const TIMES_MIN: u32 = 3;

#[derive(Clone, Debug, Default, PartialEq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
#[rkyv(crate = rkyv)]
pub(super) struct Misuse {
    /// When this hour began, which of the day it is, and how often it was so far.
    hour: Option<(i64, u8)>,
    times: u32,
    is_odd: bool,
    all: EventRateState,
    by_hour: [EventRateState; 24],
    /// Since when doors are open in each row, and when they were seen so last.
    open: Option<(i64, i64)>,
    counted: bool,
    /// The newest trip.
    trip_ms: Option<i64>,
    /// What was told, and since when.
    told: Option<(u32, f64, i64)>,
}

impl Misuse {
    pub(super) fn status(&mut self, config: &Troubles, status: &LiftStatus, at_ms: i64, told: &mut Vec<News>) {
        if status.doors != Some(Doors::Open) || status.moving == Some(true) {
            (self.open, self.counted) = (None, false);
            return;
        }
        // Of rows far apart nobody knows whether doors were open in between.
        let seen =
            self.open.filter(|(_, seen_ms)| at_ms.saturating_sub(*seen_ms) <= config.closed_ms.saturating_mul(2));
        let since_ms = seen.map_or(at_ms, |(since_ms, _)| since_ms);
        self.counted &= seen.is_some();
        self.open = Some((since_ms, at_ms));
        if at_ms.saturating_sub(since_ms) >= config.held_ms.max(1) && !std::mem::replace(&mut self.counted, true) {
            self.happened(config, at_ms, told);
        }
    }

    /// A trip, which counts for nothing while people work on the lift.
    pub(super) fn trip(
        &mut self,
        config: &Troubles,
        trip: &LiftTrip,
        (at_ms, is_normal): (i64, bool),
        told: &mut Vec<News>,
    ) -> Verdict {
        match self.trip_ms {
            Some(trip_ms) if at_ms < trip_ms => return Verdict::Late,
            Some(trip_ms) if at_ms == trip_ms => return Verdict::Duplicate,
            _ => self.trip_ms = Some(at_ms),
        }
        if is_normal && trip.reversals.is_some_and(|reversals| reversals >= config.reversals.max(1)) {
            self.happened(config, at_ms, told);
        }
        Verdict::Applied
    }

    /// The clock of the lift was set back: the hour that was counted is none of its.
    pub(super) fn set_back(&mut self) {
        (self.hour, self.times, self.is_odd) = (None, 0, false);
        (self.open, self.counted, self.trip_ms) = (None, false, None);
    }

    /// The lift was heard: an hour counts in which it was.
    pub(super) fn heard(&mut self, config: &Troubles, at_ms: i64, told: &mut Vec<News>) {
        let into_day_ms = config.zone.day_ms(at_ms);
        let hour = (at_ms - into_day_ms % HOUR_MS, (into_day_ms / HOUR_MS).clamp(0, 23) as u8);
        let Some((last_ms, of_day)) = self.hour else {
            self.hour = Some(hour);
            return;
        };
        if hour.0 <= last_ms {
            return;
        }
        let ended = [f64::from(self.times), 1.0];
        self.of_all(config).score(&mut self.all, last_ms, ended);
        self.of_hour(config).score(&mut self.by_hour[usize::from(of_day) % 24], last_ms, ended);
        let was_odd = std::mem::take(&mut self.is_odd);
        (self.hour, self.times) = (Some(hour), 0);
        if let Some((times, usual, from_ms)) = self.told.filter(|_| !was_odd) {
            self.told = None;
            told.push(News { from_ms, at_ms: last_ms + HOUR_MS, over: true, ails: Ails::Misused { times, usual } });
        }
    }

    fn happened(&mut self, config: &Troubles, at_ms: i64, told: &mut Vec<News>) {
        self.heard(config, at_ms, told);
        self.times = self.times.saturating_add(1);
        let Some((hour_ms, of_day)) = self.hour else { return };
        let mut of = self.by_hour[usize::from(of_day) % 24];
        let usual = rate(&self.of_hour(config), &mut of);
        if self.times < TIMES_MIN || at_least(usual, self.times) > config.odd {
            return;
        }
        self.is_odd = true;
        if self.told.is_none() {
            self.told = Some((self.times, usual, hour_ms));
            let ails = Ails::Misused { times: self.times, usual };
            told.push(News { from_ms: hour_ms, at_ms, over: false, ails });
        }
    }

    fn of_all(&self, config: &Troubles) -> EventRate {
        EventRate {
            prior_rate: config.misuses_an_hour,
            prior_exposure: config.believed_hours,
            fades_after: FADES_DAYS * 24.0,
        }
    }

    fn of_hour(&self, config: &Troubles) -> EventRate {
        let mut all = self.all;
        EventRate { prior_rate: rate(&self.of_all(config), &mut all), prior_exposure: ALIKE, fades_after: FADES_DAYS }
    }
}

/// What is known so far.
fn rate(of: &EventRate, state: &mut EventRateState) -> f64 {
    match of.score(state, 0, [0.0, 0.0]) {
        Judged::Score(rate, _) => rate,
        _ => of.prior_rate,
    }
}

/// How likely so many or more are where so many are usual, by the distribution of Poisson.
fn at_least(usual: f64, times: u32) -> f64 {
    let mut term = (-usual).exp();
    let mut fewer = 0.0;
    for n in 0..times {
        fewer += term;
        term *= usual / f64::from(n + 1);
    }
    (1.0 - fewer).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_likely_so_many_are() {
        // By tables: with a mean of 2, four or more come with 0.1429; with 0.5, three or more with 0.01439.
        assert!((at_least(2.0, 4) - 0.1429).abs() < 1e-4);
        assert!((at_least(0.5, 3) - 0.01439).abs() < 1e-5);
        assert_eq!((at_least(1.0, 0), at_least(0.0, 1)), (1.0, 0.0));
    }
}
