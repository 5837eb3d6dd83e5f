//! Who is needed, by cause and level.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::incident::{Incident, LEVEL_MAX};
use super::{Need, Recipient, Skills, Slot, Stage};
use crate::alarm::Severity;

/// What a level asks for.
///
/// # Examples
/// ```
/// use watchfire_operators::dispatch::{Demand, Recipient};
/// let level: Demand = toml::from_str(r#"
///     slots = [{ asks = 1, weight_pct = 100 }, { asks = 3, weight_pct = 50 }]
///     tell = ["head_station", { district = 2 }]
///     water_lps = 30
///     supplies = { "foam can" = 4 }
/// "#)?;
/// assert_eq!((level.slots.len(), level.tell[1], level.supplies["foam can"]), (2, Recipient::District(2), 4));
/// # Ok::<(), toml::de::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Demand {
    /// The crews, in the order of their rank.
    pub slots: Vec<Slot>,
    /// Who is told, beside those who are sent.
    pub tell: Vec<Recipient>,
    /// How much water, litres a second.
    #[serde(default)]
    pub water_lps: u32,
    /// What is brought from depots, and how much of each; items are the host's.
    #[serde(default)]
    pub supplies: BTreeMap<String, u32>,
}

/// What an incident of a cause asks for.
///
/// # Examples
/// ```
/// use watchfire_operators::dispatch::{CauseDemand, Stage};
/// let trapped: CauseDemand = toml::from_str(r#"
///     levels = [{ slots = [{ asks = 2, weight_pct = 100 }], tell = [] }]
///     within_ms = { joins = 1800000 }
/// "#)?;
/// assert_eq!(trapped.within_ms[&Stage::Joins], 1_800_000);
/// # Ok::<(), toml::de::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CauseDemand {
    /// By level, from 1. A level beyond the last asks for what the last does.
    pub levels: Vec<Demand>,
    /// When each stage is to be reached, milliseconds from the opening, wall minutes; a stage that is not named has no end.
    pub within_ms: BTreeMap<Stage, u32>,
}

/// Who is needed, by cause and level: what a district has agreed on.
///
/// The default is that of micro fire stations for `fire`: one crew at level 1, with the head station and the brigade told; four at level 2; six, nine
/// and twelve above; the water of one hydrant for each level, 15 litres a second (GB 50974-2014), and no supplies. Within 1, 3 and 5 minutes somebody is on the way, there, and the brigade is there ("1-3-5", the joint defence of
/// micro stations by 公消\[2015\]301). How many vehicles the brigade brings at a level (at least 2, 7, 10, 25) is the brigade's own decision.
///
/// ```
/// use watchfire_operators::dispatch::{DemandConfig, Stage};
/// let demand = DemandConfig::default();
/// let fire = demand.of("fire");
/// assert_eq!(fire.levels.iter().map(|level| level.slots.len()).collect::<Vec<_>>(), [1, 4, 6, 9, 12]);
/// assert_eq!(fire.within_ms[&Stage::Joins], 180_000);
/// // What nobody has thought of gets one who is near, whoever that is, within twenty minutes.
/// assert_eq!(demand.of("landslide").within_ms[&Stage::Joins], 1_200_000);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DemandConfig {
    /// By cause.
    pub causes: BTreeMap<String, CauseDemand>,
    /// Of a cause that is not named.
    pub otherwise: CauseDemand,
    /// How grave an incident is for the plan, by how bad it is; 1 to 1,000.
    pub gravity: BTreeMap<Severity, u32>,
}

impl Default for DemandConfig {
    fn default() -> Self {
        let slots = |count| vec![Slot { asks: Skills(0), weight_pct: 100 }; count];
        let fire = |(level, count): (u32, usize)| {
            let slot = Slot { asks: DemandConfig::FIRE, weight_pct: 100 };
            let tell = vec![Recipient::HeadStation, Recipient::Brigade];
            Demand { slots: vec![slot; count], tell, water_lps: 15 * level, supplies: BTreeMap::new() }
        };
        let minutes = |minutes: [(Stage, u32); 3]| minutes.map(|(stage, of)| (stage, of * 60_000));
        let fire = CauseDemand {
            levels: (1..).zip([1, 4, 6, 9, 12]).map(fire).collect(),
            within_ms: minutes([(Stage::Acts, 1), (Stage::Joins, 3), (Stage::Brigade, 5)]).into(),
        };
        let otherwise = CauseDemand {
            levels: vec![Demand { slots: slots(1), tell: vec![], water_lps: 0, supplies: BTreeMap::new() }],
            within_ms: BTreeMap::from([(Stage::Joins, 20 * 60_000)]),
        };
        let gravity = [Severity::Unknown, Severity::Caution, Severity::PreWarn, Severity::Alarm];
        let gravity = gravity.into_iter().zip([3, 1, 2, 3]);
        DemandConfig {
            causes: BTreeMap::from([("fire".to_owned(), fire)]),
            otherwise,
            gravity: gravity.chain([(Severity::Violation, 5), (Severity::Critical, 10)]).collect(),
        }
    }
}

impl DemandConfig {
    /// What a crew must be able to do to fight a fire, in the default.
    pub const FIRE: Skills = Skills(1);

    /// What a cause asks for.
    #[must_use]
    pub fn of(&self, cause: &str) -> &CauseDemand {
        self.causes.get(cause).unwrap_or(&self.otherwise)
    }

    /// What is wrong with it.
    pub(super) fn findings(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        let causes = self.causes.iter().map(|(cause, demand)| (format!("cause \"{cause}\""), demand));
        for (of, demand) in causes.chain([("any other cause".to_owned(), &self.otherwise)]) {
            if demand.levels.is_empty() || demand.levels.len() > usize::from(LEVEL_MAX) {
                wrong.push(format!("{of} has {} levels, which is not 1 to {LEVEL_MAX}", demand.levels.len()));
            }
            if demand.levels.iter().any(|level| level.slots.is_empty() || level.slots.len() > SLOTS_MAX) {
                wrong.push(format!("a level of {of} asks for nobody, or for more than {SLOTS_MAX}"));
            }
            if demand.levels.windows(2).any(|two| two[1].slots.len() < two[0].slots.len()) {
                wrong.push(format!("a higher level of {of} asks for fewer"));
            }
        }
        wrong
    }

    /// What an incident asks for. Who fills the first slot has to be able to do all that is asked for; but if nobody is who can be
    /// sent there, as `anybody` tells, one fills it and another does the rest.
    pub(super) fn need(&self, incident: &Incident, anybody: impl Fn(Skills) -> bool) -> Need {
        let mut slots = self.slots(&incident.cause, incident.level).to_vec();
        if let Some(first) = slots.first_mut() {
            let all = Skills(first.asks.0 | incident.asks.0);
            if anybody(all) {
                first.asks = all;
            } else if all != first.asks {
                let rest = Slot { asks: incident.asks, ..*first };
                slots.push(rest);
            }
        }
        Need { gravity: self.gravity_of(incident.severity), slots }
    }

    /// How grave something so bad is for the plan.
    pub(super) fn gravity_of(&self, severity: Severity) -> u32 {
        self.gravity.get(&severity).copied().unwrap_or(1)
    }

    pub(super) fn slots(&self, cause: &str, level: u8) -> &[Slot] {
        self.level(cause, level).map_or(&[], |demand| &demand.slots)
    }

    pub(super) fn level(&self, cause: &str, level: u8) -> Option<&Demand> {
        let levels = &self.of(cause).levels;
        levels.get(usize::from(level.max(1)) - 1).or(levels.last())
    }
}

/// The most slots that a level may ask for.
const SLOTS_MAX: usize = 1_000;
