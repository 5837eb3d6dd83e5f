//! From a case to those who dispatch.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::told::{CareTells, CareTold, SentWhy};
use crate::alarm::Severity;
use crate::dispatch::{CauseDemand, Demand, Raised, Recipient, Report, Says, Skills, Slot, Stage};
use crate::geo::Position;
use crate::wristband::Wearer;

/// The cause of an incident in which somebody may be unwell.
///
/// # Examples
/// See [`sends_to`].
pub const UNWELL: &str = "unwell";

/// Where somebody lives, and who answers for them.
///
/// # Examples
/// See [`sends_to`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Home {
    /// Where. Without a place people are asked at once where to go.
    pub place: Option<Position>,
    /// The district that answers for them.
    pub district: u32,
}

/// What those who dispatch are to be told of it: somebody is to go, and more people the longer nobody has arrived. Nothing while they are asked.
///
/// Told again, it is the same incident, for its source is. That evidence was withdrawn, or that they were said to be well, calls nobody back: people close the incident there.
///
/// # Examples
/// ```
/// use std::collections::BTreeMap;
/// use watchfire_operators::dispatch::Says;
/// use watchfire_operators::wristband::{CareTells, CareTold, Home, SentWhy, UNWELL, Wearer, sends_to};
/// let homes = BTreeMap::from([(7, Home { district: 2, ..Home::default() })]);
/// let told = CareTold { wearer: Wearer::Person(7), nth: 3, at_ms: 1_000, tells: CareTells::Sent { why: SentWhy::Sos } };
/// let Some(Says::Raised(raised)) = sends_to(1, &homes, &told).map(|report| report.says) else { return };
/// assert_eq!((raised.source.as_str(), raised.cause.as_str()), ("person/7/unwell/3", UNWELL));
/// assert_eq!((raised.level, raised.district), (1, 2));
/// ```
#[must_use]
pub fn sends_to(theatre: u32, homes: &BTreeMap<u32, Home>, told: &CareTold) -> Option<Report> {
    let (level, severity) = match told.tells {
        CareTells::Sent { why: SentWhy::Unanswered | SentWhy::Anew } => (1, Severity::Alarm),
        CareTells::Sent { why: SentWhy::Sos | SentWhy::Said } => (1, Severity::Critical),
        CareTells::Escalated { level, sent: true } => (level, Severity::Critical),
        _ => return None,
    };
    let (asset, home) = match told.wearer {
        Wearer::Person(person) => (format!("person/{person}"), homes.get(&person).copied()),
        Wearer::Band(band) => (format!("band/{band}"), None),
    };
    let home = home.unwrap_or_default();
    let raised = Raised {
        source: format!("{asset}/unwell/{}", told.nth),
        cause: UNWELL.to_owned(),
        place: home.place,
        asset: Some(asset),
        severity,
        level,
        district: home.district,
        asks: Skills(0),
        drill: false,
    };
    Some(Report { theatre, at_ms: told.at_ms, says: Says::Raised(raised) })
}

/// Who is needed where somebody may be unwell: a grid worker and two volunteers, whoever is near and free, by what the host calls their skills; from level 2 on the governance centre is told, and at level 3 another grid worker goes.
/// Somebody is to be there within twenty minutes.
///
/// # Examples
/// ```
/// use watchfire_operators::dispatch::{DemandConfig, Skills};
/// use watchfire_operators::wristband::{UNWELL, unwell_demand};
/// let mut demand = DemandConfig::default();
/// demand.causes.insert(UNWELL.to_owned(), unwell_demand(Skills(16), Skills(32)));
/// let slots: Vec<u64> = demand.of(UNWELL).levels[0].slots.iter().map(|slot| slot.asks.0).collect();
/// assert_eq!(slots, [16, 32, 32]);
/// ```
#[must_use]
pub fn unwell_demand(grid_worker: Skills, volunteer: Skills) -> CauseDemand {
    let slot = |asks: Skills, weight_pct| Slot { asks, weight_pct };
    let three = [slot(grid_worker, 100), slot(volunteer, 50), slot(volunteer, 50)];
    let four = [three[0], three[1], three[2], slot(grid_worker, 100)];
    let level = |slots: &[Slot], tell: &[Recipient]| Demand {
        slots: slots.to_vec(),
        tell: tell.to_vec(),
        water_lps: 0,
        supplies: BTreeMap::new(),
    };
    let levels = vec![level(&three, &[]), level(&three, &[Recipient::Centre]), level(&four, &[Recipient::Centre])];
    CauseDemand { levels, within_ms: BTreeMap::from([(Stage::Joins, 20 * 60_000)]) }
}
