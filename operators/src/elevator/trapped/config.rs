//! When somebody is taken to be trapped, and how soon help must come.

use serde::{Deserialize, Serialize};

/// When somebody is taken to be trapped.
///
/// # Examples
/// ```
/// use watchfire_operators::elevator::TrapConfig;
/// let config: TrapConfig = toml::from_str("off_level_ms = 60000\n[response]\narrive_ms = 3600000")?;
/// assert_eq!((config.off_level_ms, config.level_ms, config.response.arrive_ms), (60_000, 30_000, 3_600_000));
/// # Ok::<(), toml::de::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrapConfig {
    /// A car with somebody in it that stands between floors for so long has trapped them, whatever its doors are; milliseconds.
    pub off_level_ms: i64,
    /// A car with somebody in it that stands at a floor for so long, with its doors closed, has trapped them; milliseconds.
    pub level_ms: i64,
    /// Doors that are open for less have not let anybody out: contacts are badly adjusted. Milliseconds.
    pub contact_ms: i64,
    /// A sensor that loses somebody for so long does not flap: it has seen nobody. Milliseconds.
    pub flaps_ms: i64,
    /// Between two rows that are further apart doors can have opened and closed, and nobody saw it: who was in the car may be gone. Milliseconds.
    pub gap_max_ms: i64,
    /// Nobody rides for so long without doors that open, whatever else is told; milliseconds.
    pub ride_max_ms: i64,
    /// A sensor that has seen nobody through so many runs is not believed any more.
    pub empty_runs_max: u16,
    /// What holds on a lift's clock is acted upon when so much more has passed on ours without a row that tells otherwise, milliseconds: rows have been put in order by
    /// then, so this is for what is later yet.
    pub slack_ms: i64,
    /// A lift of which nothing is heard for so long after the power of its building is lost is silent; milliseconds.
    pub silent_ms: i64,
    /// Nobody works on a lift for longer without saying so again; milliseconds.
    pub on_site_max_ms: i64,
    /// No sensor is out of order for longer without somebody saying so again; milliseconds.
    pub sensor_out_max_ms: i64,
    /// How soon help must come.
    pub response: ResponseConfig,
}

impl Default for TrapConfig {
    /// 45 s off level, where 30 s have proven too short; 30 s at a floor; sensors flap with periods below 10 s; a cycle of doors of 8 s (2 to open, 3.5 open, 2.5 to close); a second for what is later yet; rides of 5 minutes, which is more than six times what a motor's run-time limiter lets through
    /// (45 s, EN 81-20); a shift of 12 hours, a week.
    fn default() -> Self {
        TrapConfig {
            off_level_ms: 45_000,
            level_ms: 30_000,
            contact_ms: 3_000,
            flaps_ms: 10_000,
            gap_max_ms: 8_000,
            ride_max_ms: 300_000,
            empty_runs_max: 30,
            slack_ms: 1_000,
            on_site_max_ms: 43_200_000,
            sensor_out_max_ms: 7 * 86_400_000,
            silent_ms: 30_000,
            response: ResponseConfig::default(),
        }
    }
}

/// How soon help must come.
///
/// # Examples
/// ```
/// use watchfire_operators::elevator::ResponseConfig;
/// assert_eq!(ResponseConfig::default().arrive_ms, 30 * 60_000);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ResponseConfig {
    /// Somebody answers within so long; milliseconds.
    pub answer_ms: i64,
    /// Somebody is at the lift within so long; milliseconds.
    pub arrive_ms: i64,
    /// Where nothing has changed for so long, it is told to more: the next level for each; milliseconds, rising.
    pub escalate_ms: Vec<i64>,
}

impl Default for ResponseConfig {
    /// 3 minutes, which city desks are judged by; 30 minutes, the rule for city districts (TSG T5002-2017; an hour elsewhere); 5, 15 and 25 minutes: level 1 is the firm of the
    /// lift, 2 the nearest, 3 the fire brigade, 4 whoever commands.
    fn default() -> Self {
        ResponseConfig { answer_ms: 180_000, arrive_ms: 1_800_000, escalate_ms: vec![300_000, 900_000, 1_500_000] }
    }
}

impl TrapConfig {
    /// What is wrong with it, all at once.
    pub(super) fn findings(&self) -> Vec<String> {
        let ResponseConfig { answer_ms, arrive_ms, escalate_ms } = &self.response;
        let times = [
            ("off_level_ms", self.off_level_ms),
            ("level_ms", self.level_ms),
            ("contact_ms", self.contact_ms),
            ("flaps_ms", self.flaps_ms),
            ("gap_max_ms", self.gap_max_ms),
            ("ride_max_ms", self.ride_max_ms),
            ("slack_ms", self.slack_ms),
            ("silent_ms", self.silent_ms),
            ("on_site_max_ms", self.on_site_max_ms),
            ("response.answer_ms", *answer_ms),
            ("response.arrive_ms", *arrive_ms),
            ("response.escalate_ms", escalate_ms.first().copied().unwrap_or(1)),
        ];
        let wrong = times.into_iter().filter(|(_, of)| !(1..=86_400_000).contains(of));
        let mut wrong: Vec<String> = wrong.map(|(name, of)| format!("{name} is {of}, not of a day")).collect();
        if !(1..=365 * 86_400_000).contains(&self.sensor_out_max_ms) {
            wrong.push(format!("sensor_out_max_ms is {}, not of a year", self.sensor_out_max_ms));
        }
        if escalate_ms.windows(2).any(|two| two[1] <= two[0]) {
            wrong.push("response.escalate_ms does not rise".to_owned());
        }
        if escalate_ms.len() > 4 {
            wrong.push("response.escalate_ms has more than 4 steps: there is no level above 5".to_owned());
        }
        wrong
    }
}
