//! How a theatre is dispatched.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{CoverConfig, DemandConfig, NoticeConfig, PlanConfig};
use crate::geo::Position;

/// What those who dispatch have agreed on.
///
/// # Examples
/// ```
/// use watchfire_operators::dispatch::DispatchConfig;
/// let config: DispatchConfig = toml::from_str(r#"
///     turnout_ms = 45000
///     [stations.4]
///     place = [305000000, 1040700000]
///     district = 1
///     [plan]
///     switching_ms = 90000
///     [demand.gravity]
///     critical = 20
/// "#)?;
/// assert_eq!((config.turnout_ms, config.stations[&4].district, config.plan.switching_ms), (45_000, 1, 90_000));
/// assert_eq!(config.merge_m, 50.0, "what is not said is the default");
/// # Ok::<(), toml::de::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DispatchConfig {
    /// The stations, by number.
    pub stations: BTreeMap<u32, Station>,
    /// Where supplies are kept, by number.
    pub depots: BTreeMap<u32, Station>,
    /// Who is needed.
    pub demand: DemandConfig,
    /// What the plan weighs.
    pub plan: PlanConfig,
    /// How people are told.
    pub notices: NoticeConfig,
    /// How the theatre is to be covered.
    pub cover: CoverConfig,
    /// Alarms of one cause within so many metres are one incident, as long as it was raised within
    /// [`merge_ms`](DispatchConfig::merge_ms). Those about the same [asset](crate::dispatch::Raised::asset) are one
    /// wherever they are, and those about two are never one.
    pub merge_m: f64,
    /// See [`merge_m`](DispatchConfig::merge_m). Milliseconds.
    pub merge_ms: i64,
    /// Water is taken from sources within so many metres, in a straight line.
    pub water_reach_m: f64,
    /// What is further from every road is off the map, metres: nobody is sent there but by people.
    pub off_map_m: f64,
    /// How long a responder takes to get going, milliseconds.
    pub turnout_ms: u32,
    /// A place that was told longer ago is worth nothing, milliseconds.
    pub fix_max_age_ms: i64,
    /// Who was seen within so many metres of its station stands by there.
    pub at_station_m: f64,
    /// Nobody is faster, metres a second: where somebody was seen in between is not taken.
    pub speed_max_mps: f64,
    /// The plan and the coverage are looked at again after so long, milliseconds, beside every time that something happens: places and shifts change by
    /// themselves.
    pub replan_every_ms: i64,
    /// A source whose clock is ahead of ours by more is taken to have spoken so much ahead of it, milliseconds: what it says later is not behind it for long.
    pub clock_ahead_ms: i64,
    /// By how many levels one report can raise an incident for sure. What is above that is recommended until a person says it again.
    pub sure_jump: u8,
    /// For how long sources of what is over are remembered, milliseconds: what they repeat opens nothing. What comes later opens it again, whatever it
    /// says of its time: a clock may stand still, and whoever is asked can close it.
    pub remember_ms: i64,
}

/// A station, or a depot.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Station {
    /// Where it is.
    pub place: Position,
    /// Its district.
    pub district: u32,
}

impl Default for DispatchConfig {
    /// No stations yet. Water within 150 m, which a street hydrant protects (GB 50974-2014); merged within 50 m and 30 minutes; off the map beyond 500 m; turnout 60 s, the norm of Chinese brigades by night (45 s by day);
    /// places are good for 5 minutes; planned every 30 s; clocks are ahead by a minute at most; one report raises by 2 levels for sure; remembered for half an hour.
    fn default() -> Self {
        DispatchConfig {
            stations: BTreeMap::new(),
            depots: BTreeMap::new(),
            demand: DemandConfig::default(),
            plan: PlanConfig::default(),
            notices: NoticeConfig::default(),
            cover: CoverConfig::default(),
            water_reach_m: 150.0,
            merge_m: 50.0,
            merge_ms: 30 * 60_000,
            off_map_m: 500.0,
            turnout_ms: 60_000,
            fix_max_age_ms: 5 * 60_000,
            at_station_m: 150.0,
            speed_max_mps: 70.0,
            replan_every_ms: 30_000,
            clock_ahead_ms: 60_000,
            sure_jump: 2,
            remember_ms: 30 * 60_000,
        }
    }
}

impl DispatchConfig {
    /// What is wrong with it, all at once.
    pub(super) fn findings(&self) -> Vec<String> {
        let mut wrong = self.demand.findings();
        wrong.extend(self.notices.findings());
        wrong.extend(self.cover.findings());
        let lengths = [
            ("water_reach_m", self.water_reach_m),
            ("merge_m", self.merge_m),
            ("off_map_m", self.off_map_m),
            ("at_station_m", self.at_station_m),
            ("speed_max_mps", self.speed_max_mps),
        ];
        let times = [
            ("merge_ms", self.merge_ms),
            ("fix_max_age_ms", self.fix_max_age_ms),
            ("replan_every_ms", self.replan_every_ms),
            ("clock_ahead_ms", self.clock_ahead_ms),
            ("remember_ms", self.remember_ms),
        ];
        let lengths = lengths.iter().filter(|(_, of)| !of.is_finite() || *of <= 0.0);
        wrong.extend(lengths.map(|(name, of)| format!("{name} is {of}, which is not above 0")));
        let times = times.iter().filter(|(_, of)| *of <= 0);
        wrong.extend(times.map(|(name, of)| format!("{name} is {of}, which is not above 0")));
        if self.plan.area_ms.windows(2).any(|two| two[1] < two[0]) {
            wrong.push("plan.area_ms falls: whoever leaves an area last is missed most".to_owned());
        }
        if self.stations.is_empty() {
            wrong.push("there is no station".to_owned());
        }
        wrong
    }
}
