//! Lifts that do not exist: what they do in a day, what their gateways tell of it, and when somebody was trapped.
//!
//! No public data hold the rows of a lift with people trapped in it, so this is what the rules are judged by. Every draw is by (seed, lift, day), so a lift's day is the
//! same whichever other lifts and days are asked for.

mod day;
mod gateway;
mod wear;
mod worn;

use serde::{Deserialize, Serialize};

use super::{Lift, LiftBook, LiftMode, LiftRow};
use crate::dispatch::Skills;
use crate::draw::{Draws, Purpose};
pub use gateway::{Gateway, PersonSensor};
pub use wear::{Breaks, WearSim, WearSimConfig};
pub use worn::WornLift;

const DAY_MS: i64 = 86_400_000;
const HOUR_MS: f64 = 3_600_000.0;

/// What is simulated.
///
/// # Examples
/// ```
/// use watchfire_operators::elevator::LiftSimConfig;
/// let config: LiftSimConfig = toml::from_str("seed = 9\nlifts = 40")?;
/// assert_eq!((config.lifts, config.lifts_a_building), (40, 4));
/// # Ok::<(), toml::de::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LiftSimConfig {
    /// What all draws are made from.
    pub seed: u64,
    /// How many lifts, numbered from 1.
    pub lifts: u32,
    /// So many share the power of a building.
    pub lifts_a_building: u32,
    /// When the first day begins, milliseconds since 1970-01-01 UTC.
    pub first_day_ms: i64,
    /// Runs of a lift a day, on average.
    pub trips_a_day: f64,
    /// How often somebody is trapped in a lift, a day; shared out among [`TrapCase`]s.
    pub trappings_a_day: f64,
    /// How often the power of a building is lost, a day.
    pub cuts_a_day: f64,
}

impl Default for LiftSimConfig {
    /// 400 lifts, four a building, 200 runs a day. People are trapped in 0.4 % of lifts a month (Rizhao 0.48, Qingdao 0.31), a third of that because of the power.
    fn default() -> Self {
        LiftSimConfig {
            seed: 1,
            lifts: 400,
            lifts_a_building: 4,
            first_day_ms: 20_000 * DAY_MS,
            trips_a_day: 200.0,
            trappings_a_day: 0.004 / 30.0,
            cuts_a_day: 0.01,
        }
    }
}

/// How somebody is trapped.
///
/// # Examples
/// ```
/// use watchfire_operators::elevator::TrapCase;
/// assert_eq!(TrapCase::ALL.len(), 10);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrapCase {
    /// The car stops between floors.
    OffLevel,
    /// The same, and somebody forces the doors open.
    ForcedDoors,
    /// The car arrives, and the doors stay closed.
    DoorsStayClosed,
    /// The doors close, and the car does not set out, nor do they open again.
    DoesNotSetOut,
    /// The power of the building is lost.
    PowerCut,
    /// The car stops between floors while a mechanic drives it.
    Inspection,
    /// The same, during maintenance.
    Maintenance,
    /// The same, while it returns for a fire alarm.
    Fire,
    /// The same, while it runs on emergency power.
    EmergencyPower,
    /// Somebody locks the lift, and it parks with its doors closed, and somebody in it: nothing is out of order.
    OutOfService,
}

impl TrapCase {
    /// All of them.
    pub const ALL: [TrapCase; 10] = [
        TrapCase::OffLevel,
        TrapCase::ForcedDoors,
        TrapCase::DoorsStayClosed,
        TrapCase::DoesNotSetOut,
        TrapCase::PowerCut,
        TrapCase::Inspection,
        TrapCase::Maintenance,
        TrapCase::Fire,
        TrapCase::EmergencyPower,
        TrapCase::OutOfService,
    ];

    /// What the lift is used for meanwhile.
    pub(super) fn mode(self) -> LiftMode {
        match self {
            TrapCase::Inspection => LiftMode::Inspection,
            TrapCase::Maintenance => LiftMode::Maintenance,
            TrapCase::Fire => LiftMode::Fire,
            TrapCase::EmergencyPower => LiftMode::EmergencyPower,
            TrapCase::OutOfService => LiftMode::OutOfService,
            _ => LiftMode::Normal,
        }
    }

    /// Somebody works on the lift.
    #[must_use]
    pub fn has_somebody_at_it(self) -> bool {
        self.mode().has_somebody_at_it()
    }

    /// Whether the car stands at a floor.
    #[must_use]
    pub fn is_level(self) -> bool {
        matches!(self, TrapCase::DoorsStayClosed | TrapCase::DoesNotSetOut | TrapCase::OutOfService)
    }
}

/// Somebody who was trapped: the right answer.
///
/// # Examples
/// ```
/// use watchfire_operators::elevator::{LiftSim, LiftSimConfig, TrapCase, Trapping};
/// let sim = LiftSim::new(LiftSimConfig { trappings_a_day: 4.0, ..LiftSimConfig::default() });
/// let trappings: Vec<Trapping> = (0..5).flat_map(|day| sim.day(7, day).trappings).collect();
/// assert!(!trappings.is_empty() && trappings.iter().all(|of| of.lift == 7 && of.from_ms < of.until_ms));
/// // Where the power is lost the car stands wherever it was.
/// assert!(trappings.iter().all(|of| of.level == of.case.is_level() || of.case == TrapCase::PowerCut), "{trappings:?}");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trapping {
    /// The lift.
    pub lift: u32,
    /// How.
    pub case: TrapCase,
    /// The car stands level with a floor.
    pub level: bool,
    /// Since when, milliseconds.
    pub from_ms: i64,
    /// Until when, milliseconds.
    pub until_ms: i64,
}

/// A lift's day: what its gateway tells, in the order in which it arrives, and who was trapped.
///
/// # Examples
/// ```
/// use watchfire_operators::elevator::{LiftDayRows, LiftSim, LiftSimConfig};
/// let LiftDayRows { rows, trappings } = LiftSim::new(LiftSimConfig { trappings_a_day: 4.0, ..LiftSimConfig::default() }).day(7, 0);
/// assert!(rows.iter().all(|(arrives_ms, row)| row.lift == 7 && (0..2_000).contains(&(arrives_ms - row.at_ms))));
/// assert!(rows.is_sorted_by_key(|(arrives_ms, _)| *arrives_ms));
/// assert!(trappings.is_sorted_by_key(|of| of.from_ms));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct LiftDayRows {
    /// What is told, each with the time at which it arrives, milliseconds.
    pub rows: Vec<(i64, LiftRow)>,
    /// Who was trapped, rising by time.
    pub trappings: Vec<Trapping>,
}

/// Lifts that do not exist.
///
/// # Examples
/// ```
/// use watchfire_operators::elevator::{LiftSim, LiftSimConfig};
/// let sim = LiftSim::new(LiftSimConfig { trappings_a_day: 1.0, ..LiftSimConfig::default() });
/// let day = sim.day(7, 0);
/// assert!(day.rows.len() > 2_000 && day.rows.is_sorted_by_key(|(arrives_ms, _)| *arrives_ms));
/// assert_eq!(day, sim.day(7, 0));
/// assert_eq!(sim.book().lifts().len(), 400);
/// ```
#[derive(Clone, Debug)]
pub struct LiftSim {
    config: LiftSimConfig,
}

impl LiftSim {
    /// By this configuration.
    #[must_use]
    pub fn new(config: LiftSimConfig) -> Self {
        LiftSim { config }
    }

    /// What is simulated.
    #[must_use]
    pub fn config(&self) -> &LiftSimConfig {
        &self.config
    }

    /// The lifts, without places; brands need licences 1, 2 and 4.
    #[must_use]
    pub fn book(&self) -> LiftBook {
        let lift = |lift: u32| Lift {
            building: Some(self.building(lift)),
            licence: Skills(1 << (lift % 3)),
            firm: 1 + lift % 5,
            senses_people: self.gateway(lift).sensor != PersonSensor::Missing,
            ..Lift::default()
        };
        LiftBook::new((1..=self.config.lifts).map(|number| (number, lift(number))))
    }

    /// The building of a lift.
    #[must_use]
    pub fn building(&self, lift: u32) -> u32 {
        lift.saturating_sub(1) / self.config.lifts_a_building.max(1)
    }

    /// What tells of a lift, and what is wrong with it.
    #[must_use]
    pub fn gateway(&self, lift: u32) -> Gateway {
        Gateway::drawn(Draws::new(self.config.seed, lift, Purpose::LiftKind))
    }

    /// When the power of a building is lost on a day, from and until.
    #[must_use]
    pub fn cut(&self, building: u32, day: u32) -> Option<(i64, i64)> {
        let draws = Draws::new(self.config.seed, building, Purpose::PowerCut);
        let nth = u64::from(day) * 4;
        draws.chance(nth, self.config.cuts_a_day).then(|| {
            let from_ms = self.day_ms(day) + draws.between(nth + 1, 6.0 * HOUR_MS, 22.0 * HOUR_MS) as i64;
            (from_ms, from_ms + draws.between(nth + 2, 20.0, 60.0) as i64 * 60_000)
        })
    }

    fn day_ms(&self, day: u32) -> i64 {
        self.config.first_day_ms + i64::from(day) * DAY_MS
    }

    /// A day of a lift, from 0. It begins and ends with the lift empty, at its main floor, by night.
    #[must_use]
    pub fn day(&self, lift: u32, day: u32) -> LiftDayRows {
        self.part(lift, day, i64::MIN..i64::MAX)
    }

    /// A day of a lift of which only what is so within a time is told, milliseconds: for many lifts of which not all can be held at once. The trappings are those of the whole day.
    ///
    /// ```
    /// use watchfire_operators::elevator::{LiftSim, LiftSimConfig};
    /// let (sim, noon_ms) = (LiftSim::new(LiftSimConfig::default()), 20_000 * 86_400_000 + 43_200_000);
    /// let (morning, rest) = (sim.part(7, 0, i64::MIN..noon_ms), sim.part(7, 0, noon_ms..i64::MAX));
    /// assert_eq!(morning.rows.len() + rest.rows.len(), sim.day(7, 0).rows.len());
    /// ```
    #[must_use]
    pub fn part(&self, lift: u32, day: u32, within_ms: std::ops::Range<i64>) -> LiftDayRows {
        let lived = day::live(self, lift, day);
        let rows = gateway::rows(self, (lift, day), &lived, &within_ms);
        LiftDayRows { rows, trappings: lived.trappings }
    }
}
