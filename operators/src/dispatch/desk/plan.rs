//! From the plan to what is done and what is recommended.

use std::collections::{BTreeMap, BTreeSet};

use super::turn::Turn;
use super::{Desk, DeskState};
use crate::dispatch::{
    About, Because, By, Crew, Eta, Going, Incident, IncidentTold, Member, Mode, Move, Need, Offer, Order, Plan,
    PlanChange, Recipient, RunnerUp, Standing, Tells,
};

/// What is planned together: all that is real, or all exercises.
///
/// Of [`Desk::planned`], which has an example.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Planned {
    /// The open incidents.
    pub needs: BTreeMap<u64, Need>,
    /// Those who can be sent.
    pub crews: BTreeMap<u64, Crew>,
    /// The plan that costs least.
    pub plan: Plan,
}

impl Turn<'_> {
    /// Plans what is real, and exercises with whoever is left; does what may be done, and recommends the rest.
    pub(super) fn plan(&mut self) {
        self.state.planned_ms = self.now_ms;
        let (before, mut taken) = (self.offers(), BTreeSet::new());
        self.stands.clear();
        for drill in [false, true] {
            let scene = self.desk.scene(self.state, self.now_ms, drill, &taken);
            self.asked.extend(scene.needs.iter().map(|(id, need)| (*id, need.slots.len())));
            taken.extend(scene.plan.going.iter().map(|going| going.crew));
            self.carry_out(&scene);
            self.tell_missing(&scene.plan, drill);
            self.tell_unkept(&scene);
            taken.extend(self.claimed(drill));
        }
        // What neither plan wants any more.
        let stray = |(id, member): (&u64, &Member)| member.offer.filter(|offer| is_of_plan(offer.to)).map(|_| *id);
        let stray: Vec<u64> =
            self.state.members.iter().filter_map(stray).filter(|id| !self.stands.contains(id)).collect();
        stray.into_iter().for_each(|id| self.withdraw(id));
        self.ask_to_decide(&before);
    }

    /// Changes that are recommended and send somebody, by incident.
    fn offers(&self) -> BTreeMap<u64, BTreeSet<u64>> {
        let mut offers: BTreeMap<u64, BTreeSet<u64>> = BTreeMap::new();
        for Offer { change, to } in self.state.members.values().filter_map(|member| member.offer) {
            if let Move::Assign { incident } | Move::Reassign { incident, .. } = to {
                offers.entry(incident).or_default().insert(change);
            }
        }
        offers
    }

    /// Somebody has to look at what is recommended, or nobody goes: the district is told of each incident for which something new is.
    fn ask_to_decide(&mut self, before: &BTreeMap<u64, BTreeSet<u64>>) {
        let now = self.offers();
        let none = BTreeSet::new();
        for id in self.state.incidents.keys().copied().collect::<Vec<_>>() {
            let [was, is] = [before, &now].map(|offers| offers.get(&id).unwrap_or(&none));
            let of = self.state.incidents.get(&id).map(|of| (of.district, of.drill));
            let Some((district, drill)) = of else { continue };
            if is.is_empty() || !is.is_subset(was) {
                self.forget_notices(id, |about| about == About::Decide);
            }
            if !is.is_subset(was) {
                let rungs = self.rungs(Recipient::District(district), district);
                self.notify(About::Decide, Some(id), drill, rungs);
            }
        }
    }

    /// Responders that an incident of this kind has claimed.
    fn claimed(&self, drill: bool) -> Vec<u64> {
        let of = |incident: u64| self.state.incidents.get(&incident).is_some_and(|of| of.drill == drill);
        let claimed =
            self.state.members.iter().filter(|(_, member)| member.claim.is_some_and(|claim| of(claim.incident)));
        claimed.map(|(id, _)| *id).collect()
    }

    /// Each responder that was planned with, from where it is claimed to where the plan has it.
    fn carry_out(&mut self, scene: &Planned) {
        let going: BTreeMap<u64, &Going> = scene.plan.going.iter().map(|going| (going.crew, going)).collect();
        let mut wants: BTreeMap<u64, Move> = BTreeMap::new();
        for id in scene.crews.keys() {
            let going = going.get(id).copied();
            let Some(member) = self.state.members.get_mut(id) else { continue };
            if let Some(claim) = &mut member.claim {
                claim.slot = going.filter(|going| going.incident == claim.incident).map(|going| going.slot as u16);
            }
            wants.extend(wanted(member, going, scene).map(|to| (*id, to)));
        }
        let done = self.done_by_plan(&wants, scene);
        for (id, to) in wants {
            self.reconcile(id, to, going.get(&id).copied(), done.contains(&id), scene);
        }
    }

    /// For whom the plan does what it wants. From where it counts on somebody nobody goes before one of those does, for people may decide otherwise.
    fn done_by_plan(&self, wants: &BTreeMap<u64, Move>, scene: &Planned) -> BTreeSet<u64> {
        let mut done: BTreeSet<u64> =
            wants.iter().filter(|(id, to)| self.decides(**id, **to)).map(|(id, _)| *id).collect();
        let claimed = |incident: u64, of: &Member| of.claim.is_some_and(|claim| claim.incident == incident);
        loop {
            let comes =
                |incident: u64| wants.iter().any(|(id, to)| done.contains(id) && to.incident() == Some(incident));
            let stays = |incident: u64| {
                let mut there = self.state.members.iter().filter(|(_, of)| claimed(incident, of));
                there.any(|(id, _)| !done.contains(id))
            };
            let is_left = |from: u64| {
                let counts_on = scene.plan.going.iter().any(|going| going.incident == from);
                counts_on && !comes(from) && !stays(from)
            };
            let from =
                |id: &u64| if let Some(Move::Reassign { from, .. }) = wants.get(id) { Some(*from) } else { None };
            let Some(back) = done.iter().copied().find(|id| from(id).is_some_and(is_left)) else { return done };
            done.remove(&back);
        }
    }

    /// From what is recommended for a responder to what the plan wants now, and does if that `is_done`.
    fn reconcile(&mut self, id: u64, to: Move, going: Option<&Going>, is_done: bool, scene: &Planned) {
        self.stands.insert(id);
        let offer = self.state.members.get(&id).and_then(|member| member.offer);
        if offer.is_some_and(|offer| offer.to != to) {
            self.withdraw(id);
        }
        let standing = offer.filter(|offer| offer.to == to).map(|offer| offer.change);
        let sends = is_done && going.is_some() && self.decides(id, to);
        if standing.is_some() && !sends {
            return;
        }
        let change = standing.unwrap_or_else(|| self.new_change());
        let because = going.map(|going| self.because(scene, going));
        if sends {
            let due_ms = going.map(|going| self.now_ms.saturating_add(i64::from(going.eta_ms)));
            if let Some(member) = self.member(id) {
                member.offer = None;
            }
            self.execute(id, change, to, due_ms, By::Plan, because);
            if let Some(claim) = self.member(id).and_then(|member| member.claim.as_mut()) {
                claim.slot = going.map(|going| going.slot as u16);
            }
            return;
        }
        self.recommend(id, change, to, because);
    }

    pub(super) fn recommend(&mut self, responder: u64, change: u64, to: Move, because: Option<Because>) {
        if let Some(member) = self.member(responder) {
            member.offer = Some(Offer { change, to });
        }
        let standing = Standing::Recommended;
        self.tell(Tells::Plan(Box::new(PlanChange { change, responder, to, standing, because })));
    }

    /// What was recommended for a responder is not any more.
    pub(super) fn withdraw(&mut self, responder: u64) {
        let Some(Offer { change, to }) = self.member(responder).and_then(|member| member.offer.take()) else { return };
        let standing = Standing::Withdrawn;
        self.tell(Tells::Plan(Box::new(PlanChange { change, responder, to, standing, because: None })));
    }

    /// Whether the plan may do this by itself: where it decides, up to the level that is sure, and never to call somebody back.
    fn decides(&self, id: u64, to: Move) -> bool {
        // What people have ordered, people have decided.
        let ordered = self.state.members.get(&id).and_then(|member| member.ordered.as_ref()).map(|(order, _)| *order);
        if let (Some(Order::Goes { incident: by }), Move::Assign { incident } | Move::Reassign { incident, .. }) =
            (ordered, to)
            && by == incident
        {
            return true;
        }
        let auto = |incident: u64| {
            let of = self.state.incidents.get(&incident);
            of.is_some_and(|of| self.state.mode(of.district) == Mode::Auto)
        };
        let drill = |incident: u64| self.state.incidents.get(&incident).is_some_and(|of| of.drill);
        let sent = |incident: u64| {
            let to = self.state.members.values().filter_map(|member| member.claim);
            to.filter(|claim| claim.incident == incident).count()
        };
        let is_sure =
            |incident: u64| self.state.incidents.get(&incident).is_some_and(|of| self.desk.is_sure(of, sent(incident)));
        match to {
            Move::Assign { incident } => auto(incident) && is_sure(incident),
            Move::Reassign { incident, from } => auto(incident) && (auto(from) || drill(from)) && is_sure(incident),
            Move::Release { .. } | Move::MoveUp { .. } => false,
        }
    }

    fn because(&mut self, scene: &Planned, going: &Going) -> Because {
        let (desk, now_ms, incident) = (self.desk, self.now_ms, going.incident);
        let without = desk.config.plan.without(&scene.plan, &scene.needs, &scene.crews, incident, going.crew);
        let went: BTreeSet<u64> =
            scene.plan.going.iter().filter(|of| of.incident == incident).map(|of| of.crew).collect();
        let instead = without.going.iter().find(|of| of.incident == incident && !went.contains(&of.crew));
        Because {
            eta: desk.eta_of(self.state, going.crew, incident, now_ms),
            cost: desk.config.plan.costs(&scene.needs, &scene.crews, going),
            runner_up: instead.and_then(|of| {
                let eta = desk.eta_of(self.state, of.crew, incident, now_ms)?;
                Some(RunnerUp { responder: of.crew, eta })
            }),
            margin: without.cost - scene.plan.cost,
        }
    }

    /// When a responder would be at an incident, arrival clock, milliseconds.
    pub(super) fn due_ms_of(&mut self, id: u64, incident: u64) -> Option<i64> {
        let (desk, now_ms) = (self.desk, self.now_ms);
        let eta = desk.eta_of(self.state, id, incident, now_ms)?;
        Some(now_ms.saturating_add(i64::from(eta.ms)))
    }

    /// Tells which slots nobody fills, and asks for mutual aid as long as there are any.
    fn tell_missing(&mut self, plan: &Plan, drill: bool) {
        let mut missing: BTreeMap<u64, BTreeSet<u16>> = BTreeMap::new();
        for of in &plan.missing {
            missing.entry(of.incident).or_default().insert(of.slot as u16);
        }
        let ids = self.state.incidents.iter().filter(|(_, of)| of.drill == drill).map(|(id, _)| *id);
        for id in ids.collect::<Vec<_>>() {
            let missing = missing.remove(&id).unwrap_or_default();
            let Some(incident) = self.state.incidents.get_mut(&id) else { continue };
            if incident.missing == missing {
                continue;
            }
            let (more, district) = (!missing.is_subset(&incident.missing), incident.district);
            incident.missing.clone_from(&missing);
            let slots: Vec<u16> = missing.into_iter().collect();
            let asks = !slots.is_empty();
            self.tell_of(id, IncidentTold::Missing { slots });
            if more || !asks {
                self.forget_notices(id, |about| about == About::Aid);
            }
            if more {
                let rungs = self.rungs(Recipient::Neighbours, district);
                self.notify(About::Aid, Some(id), drill, rungs);
            }
        }
    }

    /// Tells whoever has ordered somebody to an incident that it does not go there.
    fn tell_unkept(&mut self, scene: &Planned) {
        for id in scene.crews.keys().copied() {
            let unkept = scene.plan.unkept.contains(&id);
            let Some(member) = self.state.members.get_mut(&id) else { continue };
            let Some((Order::Goes { incident }, by)) = member.ordered.clone() else { continue };
            let unkept = unkept && member.claim.is_none_or(|claim| claim.incident != incident);
            if std::mem::replace(&mut member.unkept, unkept) != unkept && unkept {
                self.tell(Tells::Unkept { responder: id, incident, by });
            }
        }
    }
}

impl Desk {
    /// The plan of all that is real, as it would be made now: for whoever wants to look at it. `now_ms` is the arrival clock.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use watchfire_operators::dispatch::{Desk, DeskState, DispatchConfig, Planned, Station};
    /// use watchfire_operators::geo::Position;
    /// use watchfire_operators::road::Network;
    /// let (mut map, place) = (Network::builder(), Position::from_degrees(30.50, 104.07)?);
    /// map.node("station", place, true);
    /// let mut config = DispatchConfig::default();
    /// config.stations.insert(4, Station { place, district: 1 });
    /// let desk = Desk::new(config, Arc::new(map.build()?))?;
    /// assert_eq!(desk.planned(&mut DeskState::default(), 0), Planned::default(), "nothing is open");
    /// # Ok::<(), watchfire_engine::Error>(())
    /// ```
    #[must_use]
    pub fn planned(&self, state: &mut DeskState, now_ms: i64) -> Planned {
        self.scene(state, now_ms, false, &BTreeSet::new())
    }

    /// When a responder would be at an incident, as it looks now; nothing if there is no way, or nobody knows one. `now_ms` is the arrival clock.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use watchfire_operators::dispatch::{Desk, DeskState, DispatchConfig, Station};
    /// # use watchfire_operators::geo::Position;
    /// # use watchfire_operators::road::Network;
    /// # let (mut map, place) = (Network::builder(), Position::from_degrees(30.50, 104.07)?);
    /// # map.node("station", place, true);
    /// # let mut config = DispatchConfig::default();
    /// # config.stations.insert(4, Station { place, district: 1 });
    /// # let desk = Desk::new(config, Arc::new(map.build()?))?;
    /// assert!(desk.eta_of(&mut DeskState::default(), 12, 1, 0).is_none(), "neither is known");
    /// # Ok::<(), watchfire_engine::Error>(())
    /// ```
    #[must_use]
    pub fn eta_of(&self, state: &mut DeskState, responder: u64, incident: u64, now_ms: i64) -> Option<Eta> {
        let (reach, incidents, members) = state.parts(self);
        self.eta(reach, members.get(&responder)?, (incident, incidents.get(&incident)?), now_ms)
    }

    fn scene(&self, state: &mut DeskState, now_ms: i64, drill: bool, taken: &BTreeSet<u64>) -> Planned {
        let (reach, incidents, members) = state.parts(self);
        let incidents: BTreeMap<u64, &Incident> =
            incidents.iter().filter(|(_, of)| of.drill == drill).map(|(id, of)| (*id, of)).collect();
        if incidents.is_empty() {
            return Planned::default();
        }
        let stays = self.not_to_be_left(&incidents, members);
        let members = members.iter().filter(|(id, _)| !taken.contains(id));
        let crews = members
            .filter_map(|(id, member)| Some((*id, self.crew(reach, member, &incidents, &stays, (now_ms, drill))?)));
        let crews: BTreeMap<u64, Crew> = crews.collect();
        let needs = incidents.iter().map(|(id, of)| {
            let anybody = |asks| crews.values().any(|crew| crew.may_do(*id, asks));
            (*id, self.config.demand.need(of, anybody))
        });
        let needs: BTreeMap<u64, Need> = needs.collect();
        let plan = self.config.plan.plan(&needs, &crews);
        Planned { needs, crews, plan }
    }

    /// Incidents to which one crew is sent, and people would have to decide on another in its place: taken from there, nobody would go.
    fn not_to_be_left(&self, incidents: &BTreeMap<u64, &Incident>, members: &BTreeMap<u64, Member>) -> BTreeSet<u64> {
        let mut sent: BTreeMap<u64, usize> = BTreeMap::new();
        for claim in members.values().filter_map(|member| member.claim) {
            *sent.entry(claim.incident).or_default() += 1;
        }
        let alone = |id: &u64, of: &Incident| sent.get(id) == Some(&1) && !self.is_sure(of, 0);
        incidents.iter().filter(|(id, of)| alone(id, of)).map(|(id, _)| *id).collect()
    }

    /// Whether one more may be sent to an incident without a word of people, where so many are.
    fn is_sure(&self, of: &Incident, sent: usize) -> bool {
        let sure = self.config.demand.slots(&of.cause, of.sure_level).len();
        of.left.is_empty() && of.sure_level >= of.level || sent + of.left.len() < sure
    }

    /// The tree of a station.
    pub(super) fn station(&self, number: u32) -> Option<usize> {
        self.stations.binary_search_by_key(&number, |(of, _)| *of).ok()
    }
}

/// Where the plan wants somebody who is not there yet, nor sent there.
fn wanted(member: &Member, going: Option<&Going>, scene: &Planned) -> Option<Move> {
    let at = member.claim.map(|claim| claim.incident);
    let is_here = at.is_some_and(|at| scene.needs.contains_key(&at));
    if is_here && (member.is_on_scene() || is_held(member)) {
        return None;
    }
    match (at, going) {
        (None, Some(going)) => Some(Move::Assign { incident: going.incident }),
        (Some(from), Some(going)) if from != going.incident => Some(Move::Reassign { incident: going.incident, from }),
        (Some(from), None) if is_here => Some(Move::Release { from }),
        _ => None,
    }
}

/// Whether a move comes from the plan of incidents, and not from the coverage.
pub(super) fn is_of_plan(to: Move) -> bool {
    !matches!(to, Move::MoveUp { .. })
}

/// Whether people want a responder to stay with what it was sent to.
fn is_held(member: &Member) -> bool {
    let ordered = member.ordered.as_ref().map(|(order, _)| *order);
    member.claim.is_some_and(|claim| claim.kept || ordered == Some(Order::Goes { incident: claim.incident }))
}
