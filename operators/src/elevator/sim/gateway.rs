//! What a gateway tells of a lift, and what is wrong with it.

use serde::{Deserialize, Serialize};

use super::LiftSim;
use super::day::{Lived, Moment};
use crate::draw::{Draws, Purpose};
use crate::elevator::{CodeMap, Doors, LiftCode, LiftRow, LiftSays, LiftStatus};

/// The sensor that tells whether somebody is in the car.
///
/// # Examples
/// ```
/// use watchfire_operators::elevator::PersonSensor;
/// assert_eq!(serde_json::to_string(&PersonSensor::StuckAbsent)?, r#""stuck_absent""#);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PersonSensor {
    /// As it should.
    Sound,
    /// It loses whoever is in the car for some seconds, again and again.
    Flaps,
    /// There is none.
    Missing,
    /// It is told to be out of order.
    Failed,
    /// It says nobody for ever, and nobody has noticed.
    StuckAbsent,
    /// It says somebody for ever, and nobody has noticed.
    StuckPresent,
}

/// What tells of a lift.
///
/// # Examples
/// ```
/// use watchfire_operators::elevator::{LiftSim, LiftSimConfig};
/// let sim = LiftSim::new(LiftSimConfig::default());
/// let slow = (1..=400).filter(|lift| sim.gateway(*lift).poll_ms == 30_000).count();
/// assert!((60..140).contains(&slow));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gateway {
    /// How often it asks the controller, milliseconds.
    pub poll_ms: i64,
    /// The sensor in the car.
    pub sensor: PersonSensor,
    /// The contacts of the doors flicker.
    pub contacts_flicker: bool,
    /// It goes on for an hour without power.
    pub has_battery: bool,
}

const POLLS_MS: [i64; 4] = [1_000, 5_000, 10_000, 30_000];

impl Gateway {
    /// Half of the sensors are sound, a fifth flaps; a fifth of all contacts flickers, half of all have a battery; polls are 1, 5, 10 and 30 s.
    pub(super) fn drawn(draws: Draws) -> Self {
        let sensor = match draws.unit(0) {
            of if of < 0.5 => PersonSensor::Sound,
            of if of < 0.7 => PersonSensor::Flaps,
            of if of < 0.8 => PersonSensor::Missing,
            of if of < 0.9 => PersonSensor::Failed,
            of if of < 0.95 => PersonSensor::StuckAbsent,
            _ => PersonSensor::StuckPresent,
        };
        Gateway {
            poll_ms: POLLS_MS[(draws.unit(1) * 4.0) as usize % 4],
            sensor,
            contacts_flicker: draws.chance(2, 0.2),
            has_battery: draws.chance(3, 0.5),
        }
    }

    fn sees(&self, draws: Draws, at_ms: i64, is: &LiftStatus) -> LiftStatus {
        let person = match (self.sensor, is.person) {
            (PersonSensor::Sound, person) => person,
            // Gone for up to 4 of each 9 seconds.
            (PersonSensor::Flaps, Some(true)) => {
                let (nth, into_ms) = (at_ms.div_euclid(9_000), at_ms.rem_euclid(9_000) as f64);
                Some(into_ms > 4_000.0 * draws.unit(1 << 40 | nth as u64))
            }
            (PersonSensor::Flaps, person) => person,
            (PersonSensor::Missing | PersonSensor::Failed, _) => None,
            (PersonSensor::StuckAbsent, _) => Some(false),
            (PersonSensor::StuckPresent, _) => Some(true),
        };
        let mut seen = LiftStatus { person, ..*is };
        // One contact in a minute or so, for up to 2 seconds.
        let (nth, into_ms) = (at_ms.div_euclid(60_000), at_ms.rem_euclid(60_000) as f64);
        let from_ms = 58_000.0 * draws.unit(2 << 40 | nth as u64);
        let lasts_ms = 2_000.0 * draws.unit(3 << 40 | nth as u64);
        if self.contacts_flicker && (from_ms..from_ms + lasts_ms).contains(&into_ms) {
            seen.doors = Some(if is.doors == Some(Doors::Closed) { Doors::Open } else { Doors::Closed });
        }
        seen
    }
}

/// What arrives of what is so within a part of a day: rows within 2 s out of order, one in a hundred twice. The same of each row, whatever part it is asked for in.
pub(super) fn rows(
    sim: &LiftSim,
    (lift, day): (u32, u32),
    lived: &Lived,
    part: &std::ops::Range<i64>,
) -> Vec<(i64, LiftRow)> {
    let (gateway, seed) = (sim.gateway(lift), sim.config().seed);
    let draws = Draws::new(seed, lift, Purpose::LiftRows);
    let map = CodeMap::gbt_24476();
    let is_on = |at_ms: i64| {
        lived.cut.is_none_or(|(from_ms, until_ms)| gateway.has_battery || !(from_ms..until_ms).contains(&at_ms))
    };
    let phase_ms = (draws.unit(u64::from(day)) * gateway.poll_ms as f64) as i64;
    let (first_ms, last_ms) = (sim.day_ms(day), sim.day_ms(day + 1));
    let (mut told, mut polls) = (Vec::new(), 0);
    let mut moments = lived.moments.iter().peekable();
    let mut is = lived.moments.first().map_or_else(LiftStatus::default, |moment: &Moment| moment.status);
    for at_ms in (first_ms + phase_ms..last_ms).step_by(gateway.poll_ms.max(1) as usize) {
        while let Some(moment) = moments.next_if(|moment| moment.at_ms <= at_ms) {
            is = moment.status;
        }
        if is_on(at_ms) {
            polls += 1;
            let status = part.contains(&at_ms).then(|| gateway.sees(draws, at_ms, &is));
            told.extend(status.map(|status| (polls - 1, at_ms, LiftSays::Status(status))));
        }
    }
    let codes = lived.codes.iter().map(|(at_ms, raw)| (*at_ms, map.read(raw)));
    // Somebody who is trapped without power finds the button, and it rings on a battery of its own; the gateway passes it on if it has one too.
    let lost = lived.cut.filter(|_| gateway.has_battery).map(|(from_ms, _)| (from_ms + 500, map.read("41")));
    let codes = codes.chain(lost).filter(|(at_ms, coded)| is_on(*at_ms) || coded.code == LiftCode::PowerLost);
    let mut others: Vec<(i64, LiftSays)> = codes.map(|(at_ms, coded)| (at_ms, LiftSays::Code(coded))).collect();
    // The meter of the building has a battery, and is told with its first lift.
    if let Some((from_ms, until_ms)) =
        lived.cut.filter(|_| sim.building(lift) != sim.building(lift.saturating_sub(1)) || lift == 1)
    {
        others.extend([(from_ms + 1_000, LiftSays::Power { lost: true }), (until_ms, LiftSays::Power { lost: false })]);
    }
    let others = (polls..).zip(others).map(|(nth, (at_ms, says))| (nth, at_ms, says));
    told.extend(others.filter(|(_, at_ms, _)| part.contains(at_ms)));
    let mut arrive = Vec::with_capacity(told.len() + told.len() / 50);
    for (nth, at_ms, says) in told {
        let n = (4 << 40) | (u64::from(day) << 24) | nth;
        let late_ms = (1_900.0 * draws.unit(n)) as i64;
        let row = LiftRow { lift, at_ms, says };
        if draws.chance((1 << 45) | n, 0.01) {
            arrive.push((at_ms + 1_950, row.clone()));
        }
        arrive.push((at_ms + late_ms, row));
    }
    arrive.sort_by_key(|(arrives_ms, _)| *arrives_ms);
    arrive
}
