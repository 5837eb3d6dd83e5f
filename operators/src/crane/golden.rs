//! Golden cases of the crane flow: small inputs whose right answer is known and written beside them.
//!
//! All cases are for the chart [`RatedLoad::qtz63`](super::RatedLoad::qtz63), crane [`GOLDEN_CRANE`], four falls unless
//! said otherwise, ten readings per second, the first at [`GOLDEN_START_MS`], without noise. "At 12.4 s" means at
//! `GOLDEN_START_MS + 12_400`. Expected alarms assume the usual ladder: warn at 0.90 held 3 s, alarm at 1.00 held
//! 1-2 s, violation at 1.05 held 5 s or 1.10 held 0.5 s, clear 0.03-0.05 lower after 3-5 s.

use super::CraneReading;

/// Event time of the first reading of every golden case: 2026-01-01 00:00 UTC, milliseconds since 1970.
pub const GOLDEN_START_MS: i64 = 1_767_225_600_000;
/// The crane of every golden case.
pub const GOLDEN_CRANE: u32 = 1;
/// Time between two readings of a golden case, unless it says otherwise.
pub const GOLDEN_PERIOD_MS: i64 = 100;
/// Load of the empty hook in the golden cases.
pub const GOLDEN_TARE_KG: f64 = 200.0;
/// Rated load of four falls at 20 m, where most cases are set.
const RATED_20_M_KG: f64 = 3_920.0;
const FOUR_FALLS: u8 = 4;

/// A case under construction: readings are appended at the case's period.
struct Case {
    readings: Vec<CraneReading>,
    period_ms: i64,
}

impl Case {
    fn new(period_ms: i64) -> Self {
        Self { readings: Vec::new(), period_ms }
    }

    /// Appends readings for a duration; `state` gives load (kilograms) and radius (metres) by milliseconds since the
    /// begin of the case.
    fn run(mut self, duration_ms: i64, reeving: u8, state: impl Fn(i64) -> (f64, f64)) -> Self {
        for _ in 0..duration_ms / self.period_ms {
            let since_ms = self.readings.len() as i64 * self.period_ms;
            let (load_kg, radius_m) = state(since_ms);
            self.readings.push(CraneReading::new(GOLDEN_CRANE, GOLDEN_START_MS + since_ms, load_kg, radius_m, reeving));
        }
        self
    }

    fn hold(self, duration_ms: i64, load_kg: f64, radius_m: f64) -> Self {
        self.run(duration_ms, FOUR_FALLS, |_| (load_kg, radius_m))
    }
}

/// Case 1, trolley-out creep: 3.30 t moves out from 15 m at 0.5 m/s for 24 s and then rests at 27 m for 6 s.
///
/// The ratio meets 0.90 at 21.2 m (12.4 s), 1.00 at 23.2 m (16.5 s), 1.05 at 24.2 m (18.5 s) and 1.10 at 25.2 m
/// (20.5 s), each to 0.2 s. Expected: warn near 15.4 s, alarm near 18 s, critical near 21 s. 300 readings.
///
/// ```
/// use watchfire_operators::crane::{CraneReading, GOLDEN_START_MS, RatedLoad, creep};
/// let chart = RatedLoad::qtz63();
/// let first = |limit: f64| {
///     let reached = |r: &CraneReading| chart.utilisation(r.reeving, r.load_kg, r.radius_m).reaches(limit);
///     (creep().into_iter().find(reached).unwrap().event_time_ms - GOLDEN_START_MS) as f64 / 1_000.0
/// };
/// for (limit, expected_s) in [(0.90, 12.4), (1.00, 16.5), (1.05, 18.5), (1.10, 20.5)] {
///     assert!((first(limit) - expected_s).abs() <= 0.2, "{limit}: {}", first(limit));
/// }
/// ```
#[must_use]
pub fn creep() -> Vec<CraneReading> {
    const MOVING_MS: i64 = 24_000;
    let radius_m = |since_ms: i64| 15.0 + 0.5 * since_ms.min(MOVING_MS) as f64 / 1_000.0;
    Case::new(GOLDEN_PERIOD_MS).run(30_000, FOUR_FALLS, |since_ms| (3_300.0, radius_m(since_ms))).readings
}

/// Case 2, steady overload: 5 s empty, 3.60 t at 22.0 m for 40 s (5.0 s up to 45.0 s), 10 s empty.
///
/// The ratio is 1.026 (3,600 / 3,510; 1.024 by the unrounded curve). Expected: one overload window of 40 s, one alarm,
/// no violation; 400 of 550 readings above 1.00.
///
/// ```
/// use watchfire_operators::crane::{RatedLoad, steady_overload};
/// let chart = RatedLoad::qtz63();
/// let over = steady_overload().iter().filter(|r| chart.utilisation(4, r.load_kg, r.radius_m).reaches(1.0)).count();
/// assert_eq!(over, 400);
/// ```
#[must_use]
pub fn steady_overload() -> Vec<CraneReading> {
    Case::new(GOLDEN_PERIOD_MS)
        .hold(5_000, GOLDEN_TARE_KG, 22.0)
        .hold(40_000, 3_600.0, 22.0)
        .hold(10_000, GOLDEN_TARE_KG, 22.0)
        .readings
}

/// A load comes on at 20 m after 5 s, reads its peak for 0.4 s, then its resting value for 55.6 s; 10 s empty follow.
fn snatched(rest_kg: f64, peak_ratio: f64) -> Vec<CraneReading> {
    Case::new(GOLDEN_PERIOD_MS)
        .hold(5_000, GOLDEN_TARE_KG, 20.0)
        .hold(400, peak_ratio * RATED_20_M_KG, 20.0)
        .hold(55_600, rest_kg, 20.0)
        .hold(10_000, GOLDEN_TARE_KG, 20.0)
        .readings
}

/// Case 3, snatch: 3.60 t at 20 m rests at 0.918 (3,600 / 3,920) after a peak of 1.07 for 0.4 s (5.0 s up to 5.4 s).
///
/// Expected: one warn (0.90 is held from 5.0 s to 61.0 s), no alarm. 710 readings, 4 of them at the peak.
///
/// ```
/// use watchfire_operators::crane::{RatedLoad, snatch};
/// let chart = RatedLoad::qtz63();
/// let over = snatch().iter().filter(|r| chart.utilisation(4, r.load_kg, r.radius_m).reaches(1.0)).count();
/// assert_eq!(over, 4);
/// ```
#[must_use]
pub fn snatch() -> Vec<CraneReading> {
    snatched(3_600.0, 1.07)
}

/// Case 4, snatch near the limit: rests at 0.95 (3,724 kg at 20 m) after a peak of 1.105 for 0.4 s.
///
/// Expected: one warn and no violation, because 1.10 is held for less than 0.5 s; no alarm, because 1.00 is held for
/// less than 1 s. 710 readings.
///
/// ```
/// use watchfire_operators::crane::{RatedLoad, snatch_near_limit};
/// let chart = RatedLoad::qtz63();
/// let hard = snatch_near_limit().iter().filter(|r| chart.utilisation(4, r.load_kg, r.radius_m).reaches(1.1)).count();
/// assert_eq!(hard, 4);
/// ```
#[must_use]
pub fn snatch_near_limit() -> Vec<CraneReading> {
    snatched(0.95 * RATED_20_M_KG, 1.105)
}

/// Case 5, chatter: at 20 m the ratio is 0.99 and 1.01 in turn, one second each, for 60 s, beginning with 0.99; 10 s
/// empty follow.
///
/// Expected: at most one alarm and one clear. 700 readings, 300 of them above 1.00 in 30 stretches of 1 s.
///
/// ```
/// use watchfire_operators::crane::{RatedLoad, chatter};
/// let chart = RatedLoad::qtz63();
/// let over = chatter().iter().filter(|r| chart.utilisation(4, r.load_kg, r.radius_m).reaches(1.0)).count();
/// assert_eq!(over, 300);
/// ```
#[must_use]
pub fn chatter() -> Vec<CraneReading> {
    let load_kg = |since_ms: i64| if since_ms / 1_000 % 2 == 0 { 0.99 * RATED_20_M_KG } else { 1.01 * RATED_20_M_KG };
    Case::new(GOLDEN_PERIOD_MS)
        .run(60_000, FOUR_FALLS, |since_ms| (load_kg(since_ms), 20.0))
        .hold(10_000, GOLDEN_TARE_KG, 20.0)
        .readings
}

/// Case 6, reeving change: 3.5 t at 15 m is reported with four falls for 30 s (0.645 of 5,430 kg), then with two for
/// 30 s (1.167 of the cap of 3,000 kg).
///
/// Expected: an alarm and a violation raised after 30.0 s, and no window that holds readings from both sides of it.
/// 600 readings.
///
/// ```
/// use watchfire_operators::crane::{CraneReading, RatedLoad, reeving_change};
/// let chart = RatedLoad::qtz63();
/// let over = |r: &CraneReading| chart.utilisation(r.reeving, r.load_kg, r.radius_m).reaches(1.1);
/// assert_eq!(reeving_change().iter().position(over), Some(300));
/// ```
#[must_use]
pub fn reeving_change() -> Vec<CraneReading> {
    let state = |_| (3_500.0, 15.0);
    Case::new(GOLDEN_PERIOD_MS).run(30_000, FOUR_FALLS, state).run(30_000, 2, state).readings
}

/// Case 7 as a poll every 30 s sees it: ten minutes of 0.80 at 20 m; the overload of [`sparse_poll_truth`] falls
/// between two polls.
///
/// Expected: no overload window from these readings; only the device's own alarm frames can show it, and every result
/// says that its coverage is below 1 (20 readings where 6,000 were taken). A watch for silence shorter than 30 s must
/// not read the gaps as normal.
///
/// ```
/// use watchfire_operators::crane::{RatedLoad, sparse_poll};
/// let chart = RatedLoad::qtz63();
/// assert_eq!(sparse_poll().len(), 20);
/// assert!(!sparse_poll().iter().any(|r| chart.utilisation(4, r.load_kg, r.radius_m).reaches(0.9)));
/// ```
#[must_use]
pub fn sparse_poll() -> Vec<CraneReading> {
    Case::new(30_000).run(600_000, FOUR_FALLS, sparse_state).readings
}

/// Case 7 as it was: as [`sparse_poll`], at ten readings per second, with 1.08 from 310.0 s up to 315.0 s.
///
/// Expected: one overload window of 5 s (50 readings of 6,000) and one alarm.
///
/// ```
/// use watchfire_operators::crane::{RatedLoad, sparse_poll_truth};
/// let chart = RatedLoad::qtz63();
/// let over = sparse_poll_truth().iter().filter(|r| chart.utilisation(4, r.load_kg, r.radius_m).reaches(1.0)).count();
/// assert_eq!(over, 50);
/// ```
#[must_use]
pub fn sparse_poll_truth() -> Vec<CraneReading> {
    Case::new(GOLDEN_PERIOD_MS).run(600_000, FOUR_FALLS, sparse_state).readings
}

fn sparse_state(since_ms: i64) -> (f64, f64) {
    let ratio = if (310_000..315_000).contains(&since_ms) { 1.08 } else { 0.80 };
    (ratio * RATED_20_M_KG, 20.0)
}

/// Case 8, late burst: two hours of readings **in reversed order of time**, as they arrive.
///
/// In every ten minutes: 0.60 at 20 m, and 1.06 from 300 s up to 320 s. Expected: the final windows equal those of the
/// same readings sorted by time: 12 overload windows of 20 s (200 readings each) and 12 violations; the number of
/// retractions on the way is reported. 72,000 readings.
///
/// ```
/// use watchfire_operators::crane::late_burst;
/// let arrived = late_burst();
/// assert_eq!(arrived.len(), 72_000);
/// assert!(arrived.is_sorted_by(|a, b| a.event_time_ms > b.event_time_ms));
/// ```
#[must_use]
pub fn late_burst() -> Vec<CraneReading> {
    const HOURS_2_MS: i64 = 7_200_000;
    const BLOCK_MS: i64 = 600_000;
    let over = |since_ms: i64| (300_000..320_000).contains(&(since_ms % BLOCK_MS));
    let state = |since_ms: i64| (if over(since_ms) { 1.06 } else { 0.60 } * RATED_20_M_KG, 20.0);
    let mut readings = Case::new(GOLDEN_PERIOD_MS).run(HOURS_2_MS, FOUR_FALLS, state).readings;
    readings.reverse();
    readings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crane::RatedLoad;

    /// Stretches of readings at or above a limit, as (first, last) in milliseconds since the begin.
    fn stretches(readings: &[CraneReading], limit: f64) -> Vec<(i64, i64)> {
        let chart = RatedLoad::qtz63();
        let mut found: Vec<(i64, i64)> = Vec::new();
        let mut open = false;
        for reading in readings {
            let since_ms = reading.event_time_ms - GOLDEN_START_MS;
            let over = chart.utilisation(reading.reeving, reading.load_kg, reading.radius_m).reaches(limit);
            match found.last_mut() {
                Some(last) if over && open => last.1 = since_ms,
                _ if over => found.push((since_ms, since_ms)),
                _ => {}
            }
            open = over;
        }
        found
    }

    fn all() -> Vec<(&'static str, Vec<CraneReading>)> {
        vec![
            ("creep", creep()),
            ("steady_overload", steady_overload()),
            ("snatch", snatch()),
            ("snatch_near_limit", snatch_near_limit()),
            ("chatter", chatter()),
            ("reeving_change", reeving_change()),
            ("sparse_poll", sparse_poll()),
            ("sparse_poll_truth", sparse_poll_truth()),
            ("late_burst", late_burst()),
        ]
    }

    #[test]
    fn every_case_is_sound_and_steady() {
        for (name, mut readings) in all() {
            if name == "late_burst" {
                readings.reverse();
            }
            let period_ms = if name == "sparse_poll" { 30_000 } else { GOLDEN_PERIOD_MS };
            assert_eq!(readings.first().unwrap().event_time_ms, GOLDEN_START_MS, "{name}");
            for pair in readings.windows(2) {
                assert_eq!(pair[1].event_time_ms - pair[0].event_time_ms, period_ms, "{name}");
            }
            for reading in &readings {
                assert_eq!(reading.validate(), Ok(()), "{name}");
                assert_eq!(reading.crane, GOLDEN_CRANE);
            }
        }
    }

    #[test]
    fn lengths_are_as_documented() {
        let lengths: Vec<usize> = all().iter().map(|(_, readings)| readings.len()).collect();
        assert_eq!(lengths, [300, 550, 710, 710, 700, 600, 20, 6_000, 72_000]);
    }

    #[test]
    fn creep_crosses_the_ladder_once_per_rung() {
        for (limit, radius_m) in [(0.90, 21.2), (1.00, 23.2), (1.05, 24.2), (1.10, 25.2)] {
            let crossed = stretches(&creep(), limit);
            assert_eq!((crossed.len(), crossed[0].1), (1, 29_900), "{limit}");
            let at_m = 15.0 + 0.5 * crossed[0].0 as f64 / 1_000.0;
            assert!((at_m - radius_m).abs() < 0.1, "{limit}: {at_m}");
        }
    }

    #[test]
    fn overloads_lie_where_documented() {
        assert_eq!(stretches(&steady_overload(), 1.0), [(5_000, 44_900)]);
        assert!(stretches(&steady_overload(), 1.05).is_empty());
        assert_eq!(stretches(&snatch(), 1.0), [(5_000, 5_300)]);
        assert_eq!(stretches(&snatch(), 0.90), [(5_000, 60_900)]);
        assert_eq!(stretches(&snatch_near_limit(), 1.10), [(5_000, 5_300)]);
        assert_eq!(stretches(&snatch_near_limit(), 0.95), [(5_000, 60_900)]);
        let chattered = stretches(&chatter(), 1.0);
        assert_eq!((chattered.len(), chattered[0]), (30, (1_000, 1_900)));
        assert_eq!(stretches(&reeving_change(), 1.0), [(30_000, 59_900)]);
        assert!(stretches(&sparse_poll(), 0.81).is_empty());
        assert_eq!(stretches(&sparse_poll_truth(), 1.0), [(310_000, 314_900)]);
        let mut sorted = late_burst();
        sorted.reverse();
        let late = stretches(&sorted, 1.05);
        assert_eq!((late.len(), late[0], late[11]), (12, (300_000, 319_900), (6_900_000, 6_919_900)));
    }
}
