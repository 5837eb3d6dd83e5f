//! The plan of all open incidents: which crew goes where.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::scene::{Asked, Scene, unkept};
use super::{Cost, Problem};

/// What a crew can do, or a slot asks for: a set of up to 64 skills, whose meaning is the host's.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    rkyv::Archive,
    rkyv::Serialize,
    rkyv::Deserialize,
)]
pub struct Skills(pub u64);

impl Skills {
    /// Whether all of `asked` are among them.
    ///
    /// ```
    /// use watchfire_operators::dispatch::Skills;
    /// assert!(Skills(0b101).cover(Skills(0b100)) && !Skills(0b101).cover(Skills(0b010)));
    /// assert!(Skills(0).cover(Skills(0)));
    /// ```
    #[must_use]
    pub fn cover(self, asked: Skills) -> bool {
        self.0 & asked.0 == asked.0
    }
}

/// What an incident asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Need {
    /// How grave it is, 1 to 1,000: where there are too few crews, the graver incident gets its first. What is beyond counts as the nearest.
    pub gravity: u32,
    /// The slots, in the order of their rank.
    pub slots: Vec<Slot>,
}

/// A crew that an incident asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slot {
    /// What the crew must be able to do.
    pub asks: Skills,
    /// How much its time counts, in hundredths, 1 to 10,000; what is beyond counts as the nearest. Of the crew that must be there first, time
    /// counts before anything else, whatever stands here.
    pub weight_pct: u32,
}

/// A crew that can be sent, or has been.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Crew {
    /// What it can do.
    pub skills: Skills,
    /// What it does now.
    pub duty: Duty,
    /// Incidents that it can reach, and in what time, milliseconds.
    pub eta_ms: BTreeMap<u64, u32>,
    /// What people have ordered.
    pub order: Option<Order>,
    /// What is recommended for it, and waits for people to decide.
    pub offered: Option<Offered>,
}

/// What is recommended for a crew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Offered {
    /// To go to an incident.
    Goes {
        /// The incident.
        incident: u64,
    },
    /// Not to go on to where it was sent.
    Back,
}

/// What a crew does now.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Duty {
    /// It stands by in an area, which is left with one less if it goes.
    Stands {
        /// The area.
        area: u64,
    },
    /// It is free, and not counted on by any area: on its way back, or from elsewhere.
    Free,
    /// It was sent, and is not there yet.
    Sent {
        /// The incident.
        incident: u64,
    },
    /// It is there, and stays until people release it.
    OnScene {
        /// The incident.
        incident: u64,
    },
}

/// An order of a person, which holds until a person takes it back.
///
/// # Examples
/// ```
/// use watchfire_operators::dispatch::{Order, Says};
/// let says = r#"{"order":{"responder":7,"order":{"goes":{"incident":3}},"by":{"who":"officer 7"}}}"#;
/// assert!(matches!(serde_json::from_str(says)?, Says::Order { order: Some(Order::Goes { incident: 3 }), .. }));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// It goes to this incident, and to no other.
    Goes {
        /// The incident.
        incident: u64,
    },
    /// It does not go to this incident.
    GoesNot {
        /// The incident.
        incident: u64,
    },
    /// It goes nowhere.
    Stays,
}

/// What a plan weighs against time.
///
/// # Examples
/// ```
/// use watchfire_operators::dispatch::PlanConfig;
/// let config: PlanConfig = toml::from_str("switching_ms = 120000")?;
/// assert_eq!((config.switching_ms, config.rethinking_ms, config.area_ms.len()), (120_000, 10_000, 3));
/// # Ok::<(), toml::de::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PlanConfig {
    /// A crew that was sent is turned around only if that saves more than this, milliseconds (of slots with another weight, by that). 60 s keep nearly all that turning around
    /// gains, and rule out most turning to and fro (the example `dispatch_study`).
    pub switching_ms: u32,
    /// Another is recommended in the place of one that waits for people to decide only if that saves more than this, milliseconds: people cannot
    /// decide on what changes with every traffic light.
    pub rethinking_ms: u32,
    /// The price of each crew that leaves an area, milliseconds, the first to leave first. The price of the last that is left is the last
    /// one: an area with fewer crews than prices begins further on. The prices must not fall.
    pub area_ms: Vec<u32>,
}

impl Default for PlanConfig {
    /// 60 s for turning around; 10 s for recommending another; 30 s for a crew of an area that keeps two, 90 s where it keeps one, 300 s for the last.
    fn default() -> Self {
        PlanConfig { switching_ms: 60_000, rethinking_ms: 10_000, area_ms: vec![30_000, 90_000, 300_000] }
    }
}

/// Who goes where.
///
/// # Examples
/// ```
/// use std::collections::BTreeMap;
/// use watchfire_operators::dispatch::{Need, PlanConfig, Skills, Slot};
/// let fires = BTreeMap::from([(7, Need { gravity: 1, slots: vec![Slot { asks: Skills(1), weight_pct: 100 }] })]);
/// let plan = PlanConfig::default().plan(&fires, &BTreeMap::new());
/// assert_eq!((plan.missing[0].incident, plan.cost.first_unfilled), (7, 1), "nobody can go");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Who goes, by incident and slot.
    pub going: Vec<Going>,
    /// Slots that nobody fills, by incident and slot.
    pub missing: Vec<Missing>,
    /// Crews that people have ordered to an incident, and that do not go there: it is not open, has no slot for what they can do, or cannot be
    /// reached. Whoever ordered it is to be told.
    pub unkept: Vec<u64>,
    /// Incidents, and crews that could be the first there: but that would only push out another that is under way, and save no more than the price.
    pub passed_over: Vec<(u64, u64)>,
    /// What it costs.
    pub cost: Cost,
}

/// A crew that goes to a slot of an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Going {
    /// The incident.
    pub incident: u64,
    /// The slot, from 0.
    pub slot: usize,
    /// The crew.
    pub crew: u64,
    /// When it is there, milliseconds from now; 0 if it is there.
    pub eta_ms: u32,
    /// It must be there first.
    pub leads: bool,
}

/// A slot that nobody fills: help is to be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Missing {
    /// The incident.
    pub incident: u64,
    /// The slot, from 0.
    pub slot: usize,
}

impl PlanConfig {
    /// The plan that costs least, of all open incidents together, by their numbers and those of crews.
    ///
    /// In this order: crews that people have ordered somewhere get going, and crews on scene stay; as few incidents as can be have nobody, the graver ones before
    /// others; the first crews are there soonest; as few slots as can be are empty; the others are there soonest, by the weight of
    /// their slots, and areas are not left bare. So neither the price of an area nor any number of other crews delays the first crew to
    /// an incident. First is whoever is there soonest, where nobody is on scene, and where slots ask for different things also if another slot stands
    /// before its own. What is left is decided by a number of crew and slot, so the same scene gives the same plan.
    ///
    /// A crew that was sent is turned around only for more than the price: for the first of an incident that is counted where first
    /// crews are, for the others where the others are, and there too where one of them would become the first elsewhere; and where a graver incident
    /// would else have too few. A newcomer that would be the first, and push out one of the others, is [passed over](Plan::passed_over)
    /// unless that saves more than the price.
    ///
    /// Exact: no other plan costs less, of those that pass the same crews over. O(slots x crews) for each slot at worst, once and twice more for each
    /// incident at which somebody is passed over.
    ///
    /// # Examples
    /// ```
    /// use std::collections::BTreeMap;
    /// use watchfire_operators::dispatch::{Crew, Duty, Need, PlanConfig, Skills, Slot};
    /// let fires = BTreeMap::from([(7, Need { gravity: 1, slots: vec![Slot { asks: Skills(1), weight_pct: 100 }] })]);
    /// let crew = |area, eta_ms| Crew {
    ///     skills: Skills(1),
    ///     duty: Duty::Stands { area },
    ///     eta_ms: BTreeMap::from([(7, eta_ms)]),
    ///     order: None,
    ///     offered: None,
    /// };
    /// let crews = BTreeMap::from([(1, crew(1, 120_000)), (2, crew(2, 90_000))]);
    /// let plan = PlanConfig::default().plan(&fires, &crews);
    /// assert_eq!((plan.going[0].crew, plan.going[0].eta_ms), (2, 90_000));
    /// ```
    #[must_use]
    pub fn plan(&self, needs: &BTreeMap<u64, Need>, crews: &BTreeMap<u64, Crew>) -> Plan {
        let mut scene = Scene::new(self, needs, crews);
        let mut plan = self.settled(&mut scene);
        plan.unkept = unkept(&scene, &plan.going);
        scene.in_rank(&mut plan);
        plan.passed_over = scene.passed_over.into_iter().collect();
        plan
    }

    /// The plan that costs least, once those are passed over who would only push another out.
    pub(super) fn settled(&self, scene: &mut Scene<'_>) -> Plan {
        let mut plan = self.cheapest(scene);
        // Each incident is passed over for once at most, and taken back once.
        loop {
            let passed = scene.passes_over(self, &plan.going);
            if passed.is_empty() {
                return plan;
            }
            let before = std::mem::replace(&mut plan, self.cheapest(scene));
            if scene.takes_back(&passed, &before.going, &plan.going) {
                plan = self.cheapest(scene);
            }
        }
    }

    fn cheapest(&self, scene: &Scene<'_>) -> Plan {
        let (mut problem, mut slots) = (Problem::new(scene.crews.len()), Vec::new());
        // Looked up once for all slots of an incident, or of all.
        let bound: Vec<Option<&Asked<'_>>> = scene.crews.iter().map(|(_, crew)| scene.bound_for(crew)).collect();
        let mut eta_ms: Vec<Option<u32>> = Vec::with_capacity(scene.crews.len());
        for asked in &scene.needs {
            let incident = asked.incident;
            eta_ms.clear();
            eta_ms.extend(scene.crews.iter().map(|(_, crew)| crew.may_go(incident)));
            for (nth, slot) in asked.need.slots.iter().enumerate() {
                let of = problem.slot(asked.unfilled(nth));
                let passed_over = |crew: u64| {
                    let pair = (incident, crew);
                    scene.barred == Some(pair) || asked.leads(nth) && scene.passed_over.contains(&pair)
                };
                for (at, (crew, of_crew)) in scene.crews.iter().enumerate() {
                    if let Some(eta_ms) = eta_ms[at].filter(|_| of_crew.skills.cover(slot.asks) && !passed_over(*crew))
                    {
                        problem.may_fill(at, of, self.pair(asked, nth, (*crew, of_crew), eta_ms, bound[at]));
                    }
                }
                slots.push((asked, nth));
            }
        }
        self.areas(scene, &mut problem);
        let solved = problem.solve();
        let mut plan = Plan { cost: solved.cost, ..Plan::default() };
        for ((asked, slot), crew) in slots.into_iter().zip(solved.crews) {
            let Some((crew, of)) = crew.map(|crew| scene.crews[crew]) else { continue };
            let (incident, leads) = (asked.incident, asked.leads(slot));
            let eta_ms = of.eta_ms(incident).unwrap_or_default();
            plan.going.push(Going { incident, slot, crew, eta_ms, leads });
        }
        plan
    }

    /// What it costs that a crew goes where a plan has it go, the price of its area apart.
    #[must_use]
    pub fn costs(&self, needs: &BTreeMap<u64, Need>, crews: &BTreeMap<u64, Crew>, going: &Going) -> Cost {
        let scene = Scene::new(self, needs, crews);
        let asked = scene.needs.iter().find(|asked| asked.incident == going.incident);
        let asked = asked.filter(|asked| going.slot < asked.need.slots.len());
        let Some((asked, of)) = asked.zip(crews.get(&going.crew)) else { return Cost::ZERO };
        let eta_ms = of.eta_ms(going.incident).unwrap_or_default();
        self.pair(asked, going.slot, (going.crew, of), eta_ms, scene.bound_for(of))
    }

    fn areas(&self, scene: &Scene<'_>, problem: &mut Problem) {
        let mut areas: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
        for (at, (_, crew)) in scene.crews.iter().enumerate() {
            if let Duty::Stands { area } = crew.duty {
                areas.entry(area).or_default().push(at);
            }
        }
        for crews in areas.into_values() {
            let prices = &self.area_ms[self.area_ms.len().saturating_sub(crews.len())..];
            // Of a large area the first to go are missed by nobody.
            let free = std::iter::repeat_n(0, crews.len() - prices.len());
            let prices = free.chain(prices.iter().copied());
            problem.area(crews, prices.map(|ms| Cost { rest_ms: ms.into(), ..Cost::ZERO }));
        }
    }
}

#[cfg(test)]
mod tests;
