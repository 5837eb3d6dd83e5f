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
    /// Crews that people have ordered to an incident, and that fill no slot of it: it is not open, has no slot for what they can do, or cannot be
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
    /// In this order: orders of people are kept, and crews on scene stay; as few incidents as can be have nobody, the graver ones before
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
        let mut plan = self.cheapest(&scene);
        // Each incident is passed over for once at most, and taken back once.
        while scene.passes_over(self, &plan.going) {
            let before = std::mem::replace(&mut plan, self.cheapest(&scene));
            if scene.takes_back(&before.going, &plan.going) {
                plan = self.cheapest(&scene);
            }
        }
        plan.unkept = unkept(&scene, &plan.going);
        scene.in_rank(&mut plan);
        plan.passed_over = scene.passed_over.into_iter().collect();
        plan
    }

    pub(super) fn cheapest(&self, scene: &Scene<'_>) -> Plan {
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
                let passed_over = |crew: u64| asked.leads(nth) && scene.passed_over.contains(&(incident, crew));
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
mod tests {
    use super::*;

    const PUMP: Skills = Skills(1);
    const LADDER: Skills = Skills(2);

    type Needs = BTreeMap<u64, Need>;

    fn asks(slots: &[Skills]) -> Need {
        Need { gravity: 1, slots: slots.iter().map(|asks| Slot { asks: *asks, weight_pct: 100 }).collect() }
    }

    /// Incidents 1, 2 and so on, each with so many slots.
    fn needs(slots: &[usize]) -> Needs {
        (1..).zip(slots).map(|(incident, slots)| (incident, asks(&vec![PUMP; *slots]))).collect()
    }

    /// A crew, with its times in seconds to incidents 1, 2, and so on; 0 is no way.
    fn crew(duty: Duty, etas_s: &[u32]) -> Crew {
        let etas = (1..).zip(etas_s).filter(|(_, s)| **s > 0);
        let eta_ms = etas.map(|(incident, s)| (incident, s * 1_000)).collect();
        Crew { skills: PUMP, duty, eta_ms, order: None, offered: None }
    }

    /// One of an area of its own.
    fn stands(area: u64, etas_s: &[u32]) -> Crew {
        crew(Duty::Stands { area }, etas_s)
    }

    fn free(etas_s: &[u32]) -> Crew {
        crew(Duty::Free, etas_s)
    }

    fn sent(incident: u64, etas_s: &[u32]) -> Crew {
        crew(Duty::Sent { incident }, etas_s)
    }

    fn there(incident: u64) -> Crew {
        crew(Duty::OnScene { incident }, &[])
    }

    /// The plan for crews 1, 2 and so on.
    fn plan<const N: usize>(needs: &Needs, crews: [Crew; N]) -> Plan {
        PlanConfig::default().plan(needs, &(1..).zip(crews).collect())
    }

    /// Incident, slot and crew.
    fn who<const N: usize>(needs: &Needs, crews: [Crew; N]) -> Vec<(u64, usize, u64)> {
        plan(needs, crews).going.iter().map(|going| (going.incident, going.slot, going.crew)).collect()
    }

    #[test]
    fn incidents_are_planned_together() {
        // The nearest of the first fire is needed more at the second.
        assert_eq!(who(&needs(&[1, 1]), [stands(1, &[60, 70]), stands(2, &[80, 300])]), [(1, 0, 2), (2, 0, 1)]);
    }

    #[test]
    fn first_crews_come_before_everything_else() {
        // The last crew of its area, and nearer by a second than one that nobody would miss.
        assert_eq!(who(&needs(&[1]), [stands(1, &[100]), free(&[101])]), [(1, 0, 1)]);
        // As the second it is left where it is.
        assert_eq!(who(&needs(&[2]), [stands(1, &[100]), free(&[101]), free(&[10])]), [(1, 0, 3), (1, 1, 2)]);
        // With one crew for two incidents the graver has it, and the other is told of.
        let mut two = needs(&[2, 1]);
        two.get_mut(&2).unwrap().gravity = 2;
        let alone = plan(&two, [stands(1, &[10, 900])]);
        assert_eq!((alone.going[0].incident, alone.going.len()), (2, 1));
        assert_eq!(alone.missing, [Missing { incident: 1, slot: 0 }, Missing { incident: 1, slot: 1 }]);
    }

    #[test]
    fn first_is_who_fills_the_first_slot_that_anybody_can() {
        // Nobody has a ladder: the pump is the first, and its area's price does not delay it.
        let need = BTreeMap::from([(1, asks(&[LADDER, PUMP]))]);
        let first = plan(&need, [stands(1, &[100]), free(&[101])]);
        assert_eq!((first.going[0].crew, &first.missing[..]), (1, &[Missing { incident: 1, slot: 0 }][..]));
        assert_eq!(first.cost.first_unfilled, 0);
    }

    #[test]
    fn a_crew_on_scene_fills_what_it_can_do_and_the_rest_is_sent_for() {
        let ladder = |eta_s| Crew { skills: LADDER, ..free(&[eta_s]) };
        let both = BTreeMap::from([(1, asks(&[LADDER, PUMP]))]);
        assert_eq!(who(&both, [there(1), ladder(300)]), [(1, 0, 2), (1, 1, 1)]);
        let one = BTreeMap::from([(1, asks(&[LADDER]))]);
        assert_eq!(who(&one, [there(1), ladder(300)]), [(1, 0, 2)]);
        assert_eq!(plan(&one, [there(1)]).missing, [Missing { incident: 1, slot: 0 }]);
        // More on scene than slots: they stay, and nobody else is sent.
        assert_eq!(who(&needs(&[1]), [there(1), there(1), free(&[5])]).len(), 1);
    }

    #[test]
    fn a_crew_that_was_sent_turns_around_only_for_more_than_the_price() {
        for (saves_s, turns) in [(59, false), (61, true)] {
            let by = if turns { 2 } else { 1 };
            // The first, replaced by one that has become free; the second, where one is on scene.
            assert_eq!(who(&needs(&[1]), [sent(1, &[300]), free(&[300 - saves_s])]), [(1, 0, by)], "{saves_s} s");
            let second = who(&needs(&[2]), [sent(1, &[300]), free(&[300 - saves_s]), there(1)]);
            assert!(second.iter().any(|(_, _, crew)| *crew == by), "{saves_s} s: {second:?}");
            // To be the first elsewhere, where another would be there later: one of two, and one beside a crew on scene.
            for beside in [sent(1, &[250]), there(1)] {
                let elsewhere = who(&needs(&[2, 1]), [stands(1, &[900, 100 + saves_s]), sent(1, &[300, 100]), beside]);
                assert_eq!(elsewhere.last(), Some(&(2, 0, by)), "{saves_s} s");
            }
            // The first itself.
            let first = who(&needs(&[1, 1]), [stands(1, &[300, 100 + saves_s]), sent(1, &[300, 100])]);
            assert_eq!(first, [(1, 0, 3 - by), (2, 0, by)], "{saves_s} s");
        }
    }

    #[test]
    fn to_save_just_the_price_or_to_push_another_out_nobody_turns_around() {
        // Whatever numbers break ties.
        for free in 2..12 {
            let crews = BTreeMap::from([(1, sent(1, &[300])), (free, super::tests::free(&[240]))]);
            assert_eq!(PlanConfig::default().plan(&needs(&[1]), &crews).going[0].crew, 1, "{free}");
        }
        // The newcomer would be there a second before the first of two, and the second would have to turn around.
        let pushes = |by_s: u32| [sent(1, &[300]), sent(1, &[310]), free(&[300 - by_s])];
        let passed = plan(&needs(&[2]), pushes(1));
        assert_eq!(passed.going.iter().map(|going| going.crew).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(passed.passed_over, [(1, 3)]);
        assert_eq!(who(&needs(&[2]), pushes(61)), [(1, 0, 3), (1, 1, 1)], "for more than the price it has to");
        // Where there is room it comes too, and nobody has to turn around.
        assert_eq!(who(&needs(&[3]), pushes(1)).len(), 3);
        // A newcomer that turns from elsewhere turns two around, so it has to save both prices.
        let twice = |by_s: u32| {
            plan(&needs(&[2, 2]), [sent(1, &[500]), sent(1, &[510]), sent(2, &[500 - by_s, 900]), there(2)])
        };
        assert_eq!((twice(119).passed_over, twice(122).going[0].crew), (vec![(1, 3)], 3));
        // An order is an order.
        let ordered = Crew { order: Some(Order::Goes { incident: 1 }), ..free(&[299]) };
        assert!(who(&needs(&[2]), [sent(1, &[300]), sent(1, &[310]), ordered]).iter().any(|(_, _, crew)| *crew == 3));
    }

    #[test]
    fn who_can_do_what_is_rare_does_not_leave_another_incident_with_nobody() {
        let both = |skills, etas_s: &[u32]| Crew { skills, ..free(etas_s) };
        let two = BTreeMap::from([(1, asks(&[LADDER, PUMP])), (2, asks(&[LADDER, PUMP]))]);
        // Both are nearer to the first; each incident gets one, in the way that is shortest.
        let crews = || [both(LADDER, &[100, 400]), both(PUMP, &[100, 300])];
        assert_eq!(who(&two, crews()), [(1, 0, 1), (2, 1, 2)]);
        // Where only a ladder helps, the ladder goes there.
        let rare = BTreeMap::from([(1, asks(&[LADDER, PUMP])), (2, asks(&[LADDER]))]);
        assert_eq!(who(&rare, crews()), [(1, 1, 2), (2, 0, 1)]);
        assert_eq!(plan(&rare, crews()).cost.first_unfilled, 0);
        // And a crew under way is not turned around for a second.
        let rolls = [Crew { skills: LADDER, ..sent(2, &[100, 101]) }, both(PUMP, &[100, 100])];
        assert_eq!(who(&two, rolls), [(1, 1, 2), (2, 0, 1)]);
    }

    #[test]
    fn what_waits_for_people_to_decide_does_not_waver() {
        let offered = |saves_s: u32| {
            let waits = Crew { offered: Some(Offered::Goes { incident: 1 }), ..free(&[300]) };
            who(&needs(&[1]), [waits, free(&[300 - saves_s])])[0].2
        };
        assert_eq!((offered(10), offered(11)), (1, 2));
        // One of two that are under way is enough; which of them comes back does not change when they pass each other.
        let back = |s: u32| [sent(1, &[300]), Crew { offered: Some(Offered::Back), ..sent(1, &[300 - s]) }];
        assert_eq!((who(&needs(&[1]), back(10))[0].2, who(&needs(&[1]), back(75))[0].2), (1, 2));
        // Nor does who goes where, of those who can do different things.
        let two = BTreeMap::from([(1, asks(&[LADDER, PUMP])), (2, asks(&[LADDER, PUMP]))]);
        let offered = |incident, of| Crew { offered: Some(Offered::Goes { incident }), ..of };
        for s in [92, 108] {
            let ladder = offered(1, Crew { skills: LADDER, ..free(&[s, 100]) });
            assert_eq!(who(&two, [ladder, offered(2, free(&[100, 100]))]), [(1, 0, 1), (2, 1, 2)], "{s}");
        }
    }

    #[test]
    fn turning_from_what_is_over_or_cannot_be_reached_is_free() {
        // Incident 1 is closed; or its road is; or people have ordered the crew not to go there.
        assert_eq!(who(&BTreeMap::from([(2, asks(&[PUMP]))]), [sent(1, &[300, 100]), free(&[0, 159])]), [(2, 0, 1)]);
        assert_eq!(who(&needs(&[1, 1]), [sent(1, &[0, 100]), free(&[0, 159])]), [(2, 0, 1)]);
        let not = Crew { order: Some(Order::GoesNot { incident: 1 }), ..sent(1, &[300, 100]) };
        assert_eq!(who(&needs(&[1, 1]), [not, free(&[0, 159])]), [(2, 0, 1)]);
    }

    #[test]
    fn who_is_on_scene_stays_and_orders_are_kept() {
        assert_eq!(who(&needs(&[1, 1]), [there(1), stands(2, &[500, 500])]), [(1, 0, 1), (2, 0, 2)]);
        // Ordered away it still is where it is: only people release it.
        let ordered = Crew { order: Some(Order::Goes { incident: 2 }), ..crew(Duty::OnScene { incident: 1 }, &[0, 1]) };
        let kept = plan(&needs(&[1, 1]), [ordered]);
        assert_eq!((kept.going[0].incident, kept.unkept), (1, vec![1]));
        let order = |order| Crew { order: Some(order), ..stands(1, &[10, 10]) };
        let first = |of: Crew| who(&needs(&[1]), [of, stands(2, &[900, 900])])[0].2;
        assert_eq!(first(order(Order::Stays)), 2);
        assert_eq!(first(order(Order::GoesNot { incident: 1 })), 2);
        assert_eq!(first(order(Order::Goes { incident: 2 })), 2);
        let pinned = Crew { order: Some(Order::Goes { incident: 1 }), ..stands(3, &[2_000, 2_000]) };
        assert_eq!(who(&needs(&[1, 1]), [stands(1, &[10, 10]), pinned]), [(1, 0, 2), (2, 0, 1)]);
        // What cannot be kept is told, and nobody goes elsewhere instead.
        for of in [order(Order::Goes { incident: 9 }), Crew { skills: LADDER, ..order(Order::Goes { incident: 1 }) }] {
            let told = plan(&needs(&[1]), [of]);
            assert_eq!((told.going, told.unkept), (vec![], vec![1]));
        }
    }

    #[test]
    fn who_cannot_do_it_or_get_there_does_not_go() {
        let nobody = plan(&needs(&[1]), [Crew { skills: LADDER, ..stands(1, &[10]) }, stands(2, &[])]);
        assert_eq!((nobody.going, nobody.missing), (vec![], vec![Missing { incident: 1, slot: 0 }]));
        assert_eq!(plan(&Needs::new(), [stands(1, &[1])]), Plan::default());
        assert_eq!(plan(&needs(&[0]), [stands(1, &[1])]), Plan::default());
    }

    #[test]
    fn areas_that_can_spare_a_crew_send_it() {
        let crews = [stands(1, &[10]), stands(2, &[100]), stands(3, &[110]), stands(3, &[400]), stands(3, &[400])];
        // The second crew: the last of area 2, or the first of three of area 3, ten seconds later.
        assert_eq!(who(&needs(&[2]), crews), [(1, 0, 1), (1, 1, 3)]);
    }

    #[test]
    fn extremes_are_planned_as_the_nearest_that_is_meant() {
        let mut all = needs(&[3]);
        all.insert(u64::MAX, Need { gravity: u32::MAX, slots: vec![Slot { asks: PUMP, weight_pct: u32::MAX }; 2] });
        let slow = Crew { eta_ms: BTreeMap::from([(1, u32::MAX), (u64::MAX, u32::MAX)]), ..free(&[]) };
        let told = plan(&all, [slow.clone(), slow.clone(), slow]);
        assert_eq!((told.going.len(), told.missing.len()), (3, 2), "nobody is left at home for being slow");
        assert!(told.going.iter().filter(|going| going.incident == u64::MAX).count() == 2);
    }
}
