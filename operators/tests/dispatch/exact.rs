//! After every event the plan costs what an independent solver says it must, and times are those of plain Dijkstra.

use std::collections::BTreeMap;

use pathfinding::prelude::{Matrix, kuhn_munkres};
use petgraph::algo::dijkstra;
use petgraph::graph::{DiGraph, NodeIndex};
use proptest::prelude::*;
use watchfire_operators::alarm::Severity;
use watchfire_operators::dispatch::{
    Basis, Cost, Crew, Duty, Going, Mode, Need, Offered, Order, Plan, PlanConfig, Planned, Raised, Responder, Says,
    Skills, Status, WaterSource,
};
use watchfire_operators::road::RoadState;

use super::supplies::{handed, stock, with_depots};
use super::support::{FIRE, LIFT, SIDE, Watch, corner, duty, raised};

/// Something that happens; numbers are taken for what is there, by remainder.
#[derive(Clone, Debug)]
pub enum Event {
    Fire { x: u32, y: u32, level: u8, asks: u64, severity: u8 },
    Level { incident: usize, level: u8 },
    Close { incident: usize },
    Does { responder: usize, status: u8 },
    Seen { responder: usize, x: u32, y: u32 },
    Order { responder: usize, order: u8, incident: usize },
    Closed { road: usize },
    Open { road: usize },
    Takes { road: usize, ms: i64 },
    Water { x: u32, y: u32, flow_lps: u32 },
    Stock { depot: u32, count: u32 },
    Handed { incident: usize, depot: u32, count: u32 },
    Accept,
    Wait { seconds: i64 },
}

pub fn event() -> impl Strategy<Value = Event> {
    let fire = (0..SIDE, 0..SIDE, 1_u8..4, 0_u64..4, 0_u8..3).prop_map(|(x, y, level, asks, severity)| Event::Fire {
        x,
        y,
        level,
        asks,
        severity,
    });
    let at = any::<u16>().prop_map(usize::from);
    prop_oneof![
        4 => fire,
        1 => (at.clone(), 1_u8..4).prop_map(|(incident, level)| Event::Level { incident, level }),
        1 => at.clone().prop_map(|incident| Event::Close { incident }),
        5 => (at.clone(), 0_u8..6).prop_map(|(responder, status)| Event::Does { responder, status }),
        3 => (at.clone(), 0..SIDE, 0..SIDE).prop_map(|(responder, x, y)| Event::Seen { responder, x, y }),
        2 => (at.clone(), 0_u8..4, at.clone()).prop_map(|(responder, order, incident)| Event::Order { responder, order, incident }),
        3 => at.clone().prop_map(|road| Event::Closed { road }),
        1 => at.clone().prop_map(|road| Event::Open { road }),
        2 => (at, prop_oneof![Just(-1_i64), 1_i64..400]).prop_map(|(road, s)| Event::Takes { road, ms: s * 1_000 }),
        1 => (0..SIDE, 0..SIDE, 0_u32..40).prop_map(|(x, y, flow_lps)| Event::Water { x, y, flow_lps }),
        1 => (1_u32..3, 0_u32..12).prop_map(|(depot, count)| Event::Stock { depot, count }),
        1 => (any::<u16>(), 1_u32..3, 0_u32..4).prop_map(|(at, depot, count)| Event::Handed { incident: at.into(), depot, count }),
        3 => Just(Event::Accept),
        2 => (1_i64..200).prop_map(|seconds| Event::Wait { seconds }),
    ]
}

/// The city, and what is known of its roads by another way than the desk's.
pub struct Scene {
    pub watch: Watch,
    roads: Vec<(String, usize, usize)>,
    takes_ms: Vec<u32>,
    closed: Vec<bool>,
    /// What each source of water gives, and how much each depot has.
    flow_lps: BTreeMap<u64, u32>,
    stock: BTreeMap<u32, u32>,
}

fn node(x: u32, y: u32) -> usize {
    (x * SIDE + y) as usize
}

impl Scene {
    pub fn new(crews: u64, auto: bool) -> Self {
        let mut watch = Watch::over(with_depots());
        let skills = |id: u64| if id.is_multiple_of(4) { Skills(FIRE.0 | LIFT.0) } else { FIRE };
        for id in 1..=crews {
            watch.says(Says::Joined(Responder::crew(id, id as u32 % 5 + 1, skills(id))));
        }
        if auto {
            watch.says(Says::Mode { district: 1, mode: Mode::Auto, by: duty() });
        }
        let mut roads = Vec::new();
        for (x, y) in (0..SIDE).flat_map(|x| (0..SIDE).map(move |y| (x, y))) {
            for (to_x, to_y) in [(x + 1, y), (x, y + 1)].into_iter().filter(|(x, y)| *x < SIDE && *y < SIDE) {
                roads.push((format!("{x},{y}-{to_x},{to_y}"), node(x, y), node(to_x, to_y)));
                roads.push((format!("{to_x},{to_y}-{x},{y}"), node(to_x, to_y), node(x, y)));
            }
        }
        let (takes_ms, closed) = (vec![60_000; roads.len()], vec![false; roads.len()]);
        Scene { watch, roads, takes_ms, closed, flow_lps: BTreeMap::new(), stock: BTreeMap::new() }
    }

    pub fn happens(&mut self, event: &Event) {
        let watch = &mut self.watch;
        watch.now_ms += 1_000;
        let nth = |ids: Vec<u64>, at: usize| (!ids.is_empty()).then(|| ids[at % ids.len()]);
        let incidents: Vec<u64> = watch.state.incidents.keys().copied().collect();
        let responder = |watch: &Watch, at| nth(watch.state.members.keys().copied().collect(), at).unwrap();
        let open = incidents.len();
        match *event {
            Event::Fire { x, y, level, asks, severity } if open < 8 => {
                let severity = [Severity::Caution, Severity::Alarm, Severity::Critical][usize::from(severity)];
                let asks = if asks == 3 { LIFT } else { Skills(0) };
                let source = format!("{} {x},{y}", watch.now_ms);
                watch.says(Says::Raised(Raised { level, asks, severity, ..raised(&source, "fire", x, y) }));
            }
            Event::Level { incident, level } => {
                let Some(incident) = nth(incidents, incident) else { return };
                watch.says(Says::Level { incident, level, by: Some(duty()) });
            }
            Event::Close { incident } => {
                nth(incidents, incident).into_iter().for_each(|incident| {
                    watch.close(incident);
                });
            }
            Event::Does { responder: at, status } => {
                let all = [Status::Available, Status::Rolling, Status::OnScene, Status::OnScene, Status::Returning];
                let status = all.get(usize::from(status)).copied().unwrap_or(Status::OutOfService);
                let responder = responder(watch, at);
                watch.status(responder, status);
            }
            Event::Seen { responder: at, x, y } => {
                let responder = responder(watch, at);
                watch.seen(responder, x, y);
            }
            Event::Order { responder: at, order, incident } => {
                let (responder, incident) = (responder(watch, at), nth(incidents, incident).unwrap_or(1));
                let all = [Order::Goes { incident }, Order::GoesNot { incident }, Order::Stays];
                watch.says(Says::Order { responder, order: all.get(usize::from(order)).copied(), by: duty() });
            }
            Event::Closed { road } | Event::Open { road } => {
                let (at, closes) = (road % self.roads.len(), matches!(event, Event::Closed { .. }));
                self.closed[at] = closes;
                watch.road(&self.roads[at].0, if closes { RoadState::Closed } else { RoadState::Open });
            }
            Event::Takes { road, ms } => {
                let at = road % self.roads.len();
                watch.road(&self.roads[at].0, RoadState::Takes(ms));
                if let Ok(ms) = u32::try_from(ms) {
                    self.takes_ms[at] = ms;
                }
            }
            Event::Water { x, y, flow_lps } => {
                let source = node(x, y) as u64;
                watch.says(Says::Water { source, is: WaterSource { place: corner(x, y), flow_lps } });
                self.flow_lps.insert(source, flow_lps);
            }
            Event::Stock { depot, count } => {
                watch.says(stock(depot, count));
                self.stock.insert(depot, count);
            }
            Event::Handed { incident, depot, count } => {
                let Some(incident) = nth(incidents, incident) else { return };
                watch.says(handed(incident, depot, count));
                self.stock.entry(depot).and_modify(|has| *has = has.saturating_sub(count));
            }
            Event::Accept => watch.accept_all(),
            Event::Wait { seconds } => watch.wait_s(seconds),
            Event::Fire { .. } => {}
        }
    }

    fn times_ms(&self, from: usize) -> BTreeMap<usize, u32> {
        let mut graph: DiGraph<(), u32> = DiGraph::new();
        (0..node(SIDE, 0)).for_each(|_| {
            graph.add_node(());
        });
        for (at, (_, from, to)) in self.roads.iter().enumerate().filter(|(at, _)| !self.closed[*at]) {
            graph.add_edge(NodeIndex::new(*from), NodeIndex::new(*to), self.takes_ms[at]);
        }
        let times = dijkstra(&graph, NodeIndex::new(from), None, |arc| *arc.weight());
        times.into_iter().map(|(node, ms)| (node.index(), ms)).collect()
    }

    /// Every arrival is that of plain Dijkstra, from where the responder is.
    fn times_agree(&mut self, planned: &Planned) -> Result<(), TestCaseError> {
        let corners: BTreeMap<_, usize> =
            (0..SIDE).flat_map(|x| (0..SIDE).map(move |y| (corner(x, y), node(x, y)))).collect();
        let now_ms = self.watch.now_ms;
        for responder in planned.crews.keys() {
            let member = self.watch.state.members[responder].clone();
            let (station, seen) = (self.watch.desk.config().stations[&member.post(now_ms)].place, member.fix);
            for incident in planned.needs.keys() {
                let eta = self.watch.desk.eta_of(&mut self.watch.state, *responder, *incident, now_ms);
                let to = corners[&self.watch.state.incidents[incident].place.unwrap()];
                let fresh = seen.filter(|fix| now_ms - fix.at_ms <= 300_000);
                let from = fresh.map_or(corners[&station], |fix| corners[&fix.place]);
                let way_ms = self.times_ms(from).get(&to).copied();
                let turnout_ms = match (member.status, member.claim) {
                    (Status::Available, _) => 60_000,
                    (Status::Assigned, Some(claim)) => {
                        prop_assert!((0..=60_000).contains(&(claim.ready_ms - claim.since_ms)));
                        (claim.ready_ms - now_ms).max(0)
                    }
                    _ => 0,
                };
                match eta {
                    // What was expected when it was sent.
                    Some(eta) if eta.basis == Basis::Reckoned => {
                        let claim = member.claim.filter(|claim| claim.incident == *incident).unwrap();
                        prop_assert_eq!(i64::from(eta.ms), (claim.due_ms.unwrap() - now_ms).max(0));
                    }
                    Some(eta) => prop_assert_eq!(Some(i64::from(eta.ms) - turnout_ms), way_ms.map(i64::from)),
                    None => prop_assert_eq!(way_ms, None),
                }
            }
        }
        Ok(())
    }

    /// Nobody gives more than there is, and what is needed is either given or told to be lacking.
    fn supplies_agree(&self) -> Result<(), TestCaseError> {
        let (mut water, mut cans): (BTreeMap<u64, u32>, BTreeMap<u32, u32>) = Default::default();
        for incident in self.watch.state.incidents.values() {
            let fire = &self.watch.desk.config().demand.of("fire").levels[usize::from(incident.level) - 1];
            let needed = if self.flow_lps.is_empty() { 0 } else { fire.water_lps };
            prop_assert_eq!(incident.water.values().sum::<u32>() + incident.lacks_lps, needed);
            incident.water.iter().for_each(|(source, lps)| *water.entry(*source).or_default() += lps);
            let needed = fire.supplies.get("foam can").copied().unwrap_or(0);
            let Some(supply) = incident.supplies.get("foam can") else {
                prop_assert_eq!(needed, 0);
                continue;
            };
            let has = supply.set_aside.values().sum::<u32>() + supply.lacks;
            prop_assert_eq!(has, needed.saturating_sub(supply.handed));
            supply.set_aside.iter().for_each(|(depot, count)| *cans.entry(*depot).or_default() += count);
        }
        prop_assert!(water.iter().all(|(source, lps)| *lps <= self.flow_lps[source]), "{water:?}");
        prop_assert!(cans.iter().all(|(depot, count)| *count <= self.stock[depot]), "{cans:?}");
        Ok(())
    }

    /// What the desk does is what is planned, and nobody is claimed by what is not open.
    fn claims_agree(&self, planned: &Planned) -> Result<(), TestCaseError> {
        let going: BTreeMap<u64, u64> = planned.plan.going.iter().map(|going| (going.crew, going.incident)).collect();
        prop_assert_eq!(going.len(), planned.plan.going.len(), "somebody goes to two");
        for (id, member) in &self.watch.state.members {
            let claimed = member.claim.map(|claim| claim.incident);
            prop_assert!(claimed.is_none_or(|incident| self.watch.state.incidents.contains_key(&incident)));
            if member.status == Status::OnScene && claimed.is_some() && planned.crews.contains_key(id) {
                prop_assert!(going.get(id).is_none_or(|to| Some(*to) == claimed), "who is there stays there");
            }
        }
        Ok(())
    }
}

/// A cost in one number: what stands first outweighs all that follows, for as many crews and incidents as there are here.
fn packed(cost: &Cost) -> i128 {
    let places = [cost.orders_broken, cost.first_unfilled, cost.first_ms, cost.unfilled, cost.rest_ms];
    places.into_iter().zip([102, 88, 56, 36, 0]).map(|(place, bits)| i128::from(place) << bits).sum()
}

/// The plan as an assignment of crews to slots and to staying where they are, by the rules of [`PlanConfig::plan`] written down once more.
struct Program<'p> {
    needs: &'p BTreeMap<u64, Need>,
    crews: &'p BTreeMap<u64, Crew>,
    plan: &'p Plan,
    config: PlanConfig,
}

impl Program<'_> {
    fn eta_ms(&self, crew: u64, incident: u64) -> Option<i64> {
        let of = &self.crews[&crew];
        let there = of.duty == Duty::OnScene { incident };
        if there { Some(0) } else { of.eta_ms.get(&incident).copied().map(i64::from) }
    }

    fn may(&self, crew: u64, incident: u64, asks: Skills) -> bool {
        let of = &self.crews[&crew];
        let free = match of.duty {
            Duty::OnScene { incident: at } => at == incident,
            _ => match of.order {
                None => true,
                Some(Order::Goes { incident: to }) => to == incident,
                Some(Order::GoesNot { incident: not }) => not != incident,
                Some(Order::Stays) => false,
            },
        };
        free && of.skills.0 & asks.0 == asks.0 && self.eta_ms(crew, incident).is_some()
    }

    fn somebody_is_there(&self, incident: u64) -> bool {
        let can =
            |crew: &Crew| self.needs[&incident].slots.iter().any(|slot| crew.skills.0 & slot.asks.0 == slot.asks.0);
        self.crews.values().any(|crew| crew.duty == Duty::OnScene { incident } && can(crew))
    }

    /// The rank of the first slot that a crew can fill.
    fn rank(&self, crew: u64, incident: u64) -> Option<usize> {
        self.needs[&incident].slots.iter().position(|slot| self.may(crew, incident, slot.asks))
    }

    /// The slot whose crew must be there first: that of the plan, if it has one ([`leads_agree`](Program::leads_agree)).
    fn lead(&self, incident: u64) -> Option<usize> {
        if self.somebody_is_there(incident) {
            return None;
        }
        let planned = self.plan.going.iter().find(|going| going.incident == incident && going.leads);
        let any = || self.crews.keys().filter_map(|crew| self.rank(*crew, incident)).min();
        Some(planned.map(|going| going.slot).or_else(any).unwrap_or(0))
    }

    /// As few incidents as can be have nobody, the graver ones before others; and where there is somebody, somebody leads.
    fn leads_agree(&self) -> Result<(), TestCaseError> {
        let open: Vec<u64> = self.needs.keys().copied().filter(|incident| !self.somebody_is_there(*incident)).collect();
        // Where nobody is on the way, or waits, or is ordered, they are there as soon as can be, too.
        let is_fresh =
            |crew: &Crew| !matches!(crew.duty, Duty::Sent { .. }) && (crew.order, crew.offered) == (None, None);
        let times = i128::from(self.crews.values().all(is_fresh));
        let gravity = |incident: &u64| i128::from(self.needs[incident].gravity) << 40;
        let worth =
            |crew: u64, incident: &u64| gravity(incident) - times * self.eta_ms(crew, *incident).map_or(0, i128::from);
        let saves = |crew: &u64| {
            let fills = open.iter().map(|incident| self.rank(*crew, *incident).map_or(0, |_| worth(*crew, incident)));
            fills.chain(self.crews.keys().map(|_| 0)).collect::<Vec<i128>>()
        };
        let most = Matrix::from_rows(self.crews.keys().map(saves)).map_or(0, |saves| kuhn_munkres(&saves).0);
        let led = self.plan.going.iter().filter(|of| of.leads && open.contains(&of.incident));
        let led: i128 = led.map(|of| worth(of.crew, &of.incident)).sum();
        let held = self.crews.values().any(|crew| matches!(crew.order, Some(Order::Goes { .. })));
        // What people order comes before that.
        prop_assert!(held || led == most, "more incidents have nobody than must, or somebody could be there sooner");
        for going in self.plan.going.iter().filter(|going| !going.leads && !self.somebody_is_there(going.incident)) {
            let leads = self.plan.going.iter().any(|of| of.incident == going.incident && of.leads);
            prop_assert!(held || leads, "{} has somebody, and nobody leads", going.incident);
        }
        Ok(())
    }

    /// Who is passed over would save no more than what turning around costs; and nobody else is pushed out for less.
    fn passed_over_agree(&self) -> Result<(), TestCaseError> {
        let price_ms = i64::from(self.config.switching_ms);
        let is_bound = |of: &Crew| matches!(of.duty, Duty::Sent { incident } if self.needs.contains_key(&incident));
        for (incident, crew) in &self.plan.passed_over {
            let first = self.first_sent(*incident).unwrap();
            let turned = 1 + i64::from(is_bound(&self.crews[crew]));
            let saves_ms = self.eta_ms(first, *incident).unwrap() - self.eta_ms(*crew, *incident).unwrap();
            prop_assert!(saves_ms < turned * (price_ms + 1));
            prop_assert_ne!(self.crews[crew].duty, Duty::Sent { incident: *incident });
            let ordered = matches!(self.crews[crew].order, Some(Order::Goes { .. }));
            prop_assert!(!ordered, "an order is an order");
        }
        let to: BTreeMap<u64, u64> = self.plan.going.iter().map(|going| (going.crew, going.incident)).collect();
        for incident in self.needs.keys() {
            let sent = |of: &Crew| of.duty == Duty::Sent { incident: *incident };
            let here = self.plan.going.iter().filter(|of| of.incident == *incident);
            let newcomers: Vec<&Going> = here.filter(|of| !sent(&self.crews[&of.crew])).collect();
            let (Some(first), [leads]) = (self.first_sent(*incident), &newcomers[..]) else { continue };
            let newcomer = &self.crews[&leads.crew];
            // What was ordered stands, and what was recommended unless it is worse by more than that is worth.
            let stands = newcomer.order.is_some() || newcomer.offered.is_some();
            if !leads.leads || stands || to.get(&first) != Some(incident) {
                continue;
            }
            let saves_ms = |than: u64| self.eta_ms(than, *incident).unwrap() - i64::from(leads.eta_ms);
            // Nobody but the newcomer came, and it would not be worth its place as one of the others either.
            let slots = &self.needs[incident].slots;
            let may = |id: &u64| slots.iter().any(|slot| self.may(*id, *incident, slot.asks));
            let bound = self.crews.iter().filter(|(id, of)| sent(of) && may(id)).map(|(id, _)| *id);
            let (out, goes_on): (Vec<u64>, Vec<u64>) = bound.partition(|id| !to.contains_key(id));
            // More than slots are under way: some are out in any case.
            let is_pushed = out.len() + goes_on.len() <= slots.len() && out.iter().any(|id| saves_ms(*id) <= price_ms);
            if is_pushed {
                let saves_ms = saves_ms(first);
                prop_assert!(saves_ms > price_ms, "somebody is turned around for {saves_ms} ms");
            }
        }
        Ok(())
    }

    /// Of those under way to an incident who could be its first, the one that would be there first.
    fn first_sent(&self, incident: u64) -> Option<u64> {
        let asks = self.needs[&incident].slots[self.lead(incident)?].asks;
        let sent = self.crews.iter().filter(|(_, crew)| crew.duty == Duty::Sent { incident });
        let sent = sent.map(|(id, _)| *id).filter(|id| self.may(*id, incident, asks));
        let is_back = |id: &u64| self.crews[id].offered == Some(Offered::Back);
        sent.min_by_key(|id| (is_back(id), self.eta_ms(*id, incident), *id))
    }

    fn pair(&self, crew: u64, incident: u64, leads: bool) -> Cost {
        // To save just the price is not enough.
        let (of, eta_ms, price_ms) =
            (&self.crews[&crew], self.eta_ms(crew, incident).unwrap(), i64::from(self.config.switching_ms) + 1);
        // Who is there, and who was ordered there and is not yet on the way: after that it goes on anyway.
        let held = matches!(of.duty, Duty::OnScene { .. })
            || matches!(of.order, Some(Order::Goes { .. })) && of.duty != Duty::Sent { incident };
        let mut cost = Cost { orders_broken: -i64::from(held), ..Cost::ZERO };
        if leads {
            cost.first_ms += eta_ms
        } else {
            cost.rest_ms += eta_ms
        }
        let rethinking_ms = i64::from(self.config.rethinking_ms) + 1;
        let place = if leads { &mut cost.first_ms } else { &mut cost.rest_ms };
        match (of.offered, of.duty) {
            (Some(Offered::Goes { incident: to }), _) if to == incident => *place -= rethinking_ms,
            (Some(Offered::Back), Duty::Sent { incident: bound }) if bound == incident => *place += rethinking_ms,
            _ => {}
        }
        let Duty::Sent { incident: bound } = of.duty else { return cost };
        let open =
            self.needs.get(&bound).is_some_and(|need| need.slots.iter().any(|slot| self.may(crew, bound, slot.asks)));
        if !open {
            return cost;
        }
        let was_first = self.first_sent(bound) == Some(crew);
        if bound == incident && was_first {
            cost.first_ms -= price_ms;
        } else if bound == incident {
            cost.rest_ms -= price_ms;
        } else if leads && !was_first {
            cost.first_ms += price_ms;
        }
        cost
    }

    /// The least cost, by the algorithm of Kuhn and Munkres (1957): each crew fills a slot or stays, and what is best is what saves most.
    fn least(&self) -> i128 {
        let mut nothing_done = 0;
        let mut slots = Vec::new();
        for (incident, need) in self.needs {
            let (lead, gravity) = (self.lead(*incident), i64::from(need.gravity));
            for (nth, slot) in need.slots.iter().enumerate() {
                let leads = lead == Some(nth);
                let (first_unfilled, unfilled) = if leads { (gravity, 0) } else { (0, gravity * 100) };
                let unfilled = packed(&Cost { first_unfilled, unfilled, ..Cost::ZERO });
                nothing_done += unfilled;
                slots.push((*incident, leads, slot.asks, unfilled));
            }
        }
        // Who stays in an area saves a price that leaving would cost, the highest first; elsewhere there is none.
        let mut stays: Vec<(Option<u64>, i128)> = Vec::new();
        let stands = |crew: &Crew| if let Duty::Stands { area } = crew.duty { Some(area) } else { None };
        let mut areas: BTreeMap<Option<u64>, usize> = BTreeMap::new();
        self.crews.values().for_each(|crew| *areas.entry(stands(crew)).or_default() += 1);
        for (area, crews) in areas {
            for left in 0..crews {
                let at = self.config.area_ms.len().checked_sub(left + 1).filter(|_| area.is_some());
                let price = i128::from(at.map_or(0, |at| self.config.area_ms[at]));
                nothing_done += price;
                stays.push((area, price));
            }
        }
        let never = -(1_i128 << 118);
        let saves = |crew: u64, of: &Crew| {
            let fills = slots.iter().map(move |(incident, leads, asks, unfilled)| {
                let passed_over = *leads && self.plan.passed_over.contains(&(*incident, crew));
                if self.may(crew, *incident, *asks) && !passed_over {
                    unfilled - packed(&self.pair(crew, *incident, *leads))
                } else {
                    never
                }
            });
            let area = stands(of);
            fills.chain(stays.iter().map(move |(at, price)| if *at == area { *price } else { never })).collect()
        };
        let rows: Vec<Vec<i128>> = self.crews.iter().map(|(crew, of)| saves(*crew, of)).collect();
        // All prices are due when everybody leaves; each who stays takes one back.
        nothing_done - Matrix::from_rows(rows).map_or(0, |saves| kuhn_munkres(&saves).0)
    }
}

fn agrees(scene: &mut Scene) -> Result<(), TestCaseError> {
    let planned = scene.watch.desk.planned(&mut scene.watch.state, scene.watch.now_ms);
    scene.times_agree(&planned)?;
    scene.claims_agree(&planned)?;
    scene.supplies_agree()?;
    if planned.needs.is_empty() {
        return Ok(());
    }
    let Planned { needs, crews, plan } = &planned;
    let program = Program { needs, crews, plan, config: scene.watch.desk.config().plan.clone() };
    program.leads_agree()?;
    program.passed_over_agree()?;
    prop_assert_eq!(packed(&planned.plan.cost), program.least());
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases / 4, ..ProptestConfig::default() })]
    #[test]
    fn after_every_event_no_plan_costs_less(
        crews in prop_oneof![2 => 1_u64..12, 1 => 40_u64..=40],
        auto in any::<bool>(),
        events in prop::collection::vec(event(), 5..25),
    ) {
        let mut scene = Scene::new(crews, auto);
        for event in &events {
            scene.happens(event);
            agrees(&mut scene)?;
        }
    }
}
