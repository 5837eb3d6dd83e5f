//! Who is where, and how long it takes from there.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::{Desk, DeskState, Road};
use crate::dispatch::{Basis, Crew, Duty, Eta, Fix, Incident, Member, Move, Offered, Order, Status};
use crate::geo::Position;
use crate::road::{NodeId, RoadChange, RoadState, Roads, Trees};

/// Times on the roads as they are now. Worked out from what is stored, and not stored: a copy of it has nothing.
#[derive(Default)]
pub(in crate::dispatch) struct Reach {
    /// Water within reach of each incident, and how far it is, metres.
    pub(super) near_water: BTreeMap<u64, Vec<(u32, u64)>>,
    worked_out: Option<WorkedOut>,
}

pub(super) struct WorkedOut {
    pub(super) roads: Roads,
    /// From each station, and then from depots that are elsewhere.
    pub(super) stations: Trees,
    /// To each incident for which somebody was asked who is not at a station, and its node.
    toward: BTreeMap<u64, (NodeId, Trees)>,
}

impl Clone for Reach {
    fn clone(&self) -> Self {
        Reach::default()
    }
}

impl fmt::Debug for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reach").field("worked_out", &self.worked_out.is_some()).finish()
    }
}

impl Reach {
    pub(super) fn get(&mut self, desk: &Desk, told: &BTreeMap<String, Road>) -> &mut WorkedOut {
        self.worked_out.get_or_insert_with(|| WorkedOut::new(desk, told))
    }

    /// Forgets what led to incidents that are over.
    pub(super) fn forget(&mut self, incident: u64) {
        self.near_water.remove(&incident);
        if let Some(of) = &mut self.worked_out {
            of.toward.remove(&incident);
        }
    }
}

impl WorkedOut {
    fn new(desk: &Desk, told: &BTreeMap<String, Road>) -> Self {
        let mut roads = Roads::new(desk.network.clone());
        let arcs = told.iter().filter_map(|(name, road)| Some((desk.network.arc(name)?, road)));
        let changes = arcs.flat_map(|(arc, road)| {
            let takes = road.takes_ms.map(RoadState::Takes);
            let closed = road.closed.then_some(RoadState::Closed);
            takes.into_iter().chain(closed).map(move |becomes| RoadChange { arc, becomes })
        });
        roads.apply(changes.collect::<Vec<_>>());
        let stations = Trees::new(&roads, desk.roots.iter().copied());
        WorkedOut { roads, stations, toward: BTreeMap::new() }
    }

    /// Follows the roads after they have changed.
    pub(super) fn follow(&mut self) {
        self.stations.follow(&self.roads);
        self.toward.values_mut().for_each(|(_, trees)| {
            trees.follow(&self.roads);
        });
    }

    fn way_from_ms(&mut self, from: NodeId, incident: u64, to: NodeId) -> Option<u32> {
        let roads = &self.roads;
        let (at, trees) = self.toward.entry(incident).or_insert_with(|| (to, Trees::toward(roads, [to])));
        if *at != to {
            (*at, *trees) = (to, Trees::toward(roads, [to]));
        }
        trees.time_ms(0, from)
    }
}

/// Where a responder sets out from.
#[derive(Clone, Copy, Debug, PartialEq)]
enum From {
    /// A station: its tree.
    Station(usize, Basis),
    Node(NodeId),
}

impl Desk {
    /// When a responder would be at an incident; nothing if there is no way, or nobody knows one.
    pub(super) fn eta(
        &self,
        reach: &mut WorkedOut,
        member: &Member,
        (incident, of): (u64, &Incident),
        now_ms: i64,
    ) -> Option<Eta> {
        let to = of.node?;
        let from = self.from(member, now_ms)?;
        let (travel_ms, basis) = match from {
            From::Station(tree, basis) => (reach.stations.time_ms(tree, to)?, basis),
            From::Node(node) => (reach.way_from_ms(node, incident, to)?, Basis::Fix),
        };
        let claim = member.claim.filter(|claim| claim.incident == incident);
        let due_ms = claim
            .filter(|_| basis == Basis::Fallback)
            .and_then(|claim| self.reckoned_ms(claim.since_ms, claim.due_ms, now_ms));
        if let Some(due_ms) = due_ms {
            let ms = u32::try_from(due_ms.saturating_sub(now_ms)).unwrap_or(u32::MAX);
            return Some(Eta { ms, basis: Basis::Reckoned });
        }
        Some(Eta { ms: u32::try_from(self.takes_ms(member, travel_ms, now_ms)).unwrap_or(u32::MAX), basis })
    }

    /// How long a responder takes for a way that an engine takes so long for, its getting going included.
    pub(super) fn takes_ms(&self, member: &Member, travel_ms: u32, now_ms: i64) -> u64 {
        let pace = u64::from(member.is.pace_pct.clamp(1, 10_000));
        u64::from(travel_ms) * pace / 100 + self.turnout_ms(member, now_ms)
    }

    /// Of one that was sent and has not been seen since: what was expected then holds, as long as a place would, and until it is overdue.
    fn reckoned_ms(&self, since_ms: i64, due_ms: Option<i64>, now_ms: i64) -> Option<i64> {
        due_ms.filter(|due_ms| *due_ms >= now_ms && now_ms.saturating_sub(since_ms) <= self.config.fix_max_age_ms)
    }

    /// How long it still takes a responder to get going.
    fn turnout_ms(&self, member: &Member, now_ms: i64) -> u64 {
        let all_ms = u64::from(member.is.turnout_ms.unwrap_or(self.config.turnout_ms));
        match (member.status, member.claim) {
            (Status::Available, _) => all_ms,
            (Status::Assigned, Some(claim)) => u64::try_from(claim.ready_ms.saturating_sub(now_ms)).unwrap_or(0),
            _ => 0,
        }
    }

    /// When a responder that is sent now has got going: who was sent before goes on with that, and who is out is ready.
    pub(super) fn ready_ms(&self, member: &Member, now_ms: i64) -> i64 {
        now_ms.saturating_add(i64::try_from(self.turnout_ms(member, now_ms)).unwrap_or(i64::MAX))
    }

    fn from(&self, member: &Member, now_ms: i64) -> Option<From> {
        let post = member.post(now_ms);
        let tree = self.stations.binary_search_by_key(&post, |(number, _)| *number).ok();
        let is_fresh = |fix: &Fix| now_ms.saturating_sub(fix.at_ms) <= self.config.fix_max_age_ms;
        // What somebody said of a place without a device is worth nothing when it is old.
        let fix = member.fix.filter(|fix| !fix.by_word || is_fresh(fix));
        let (seen_at_post, fresh) = (fix.map(|fix| self.is_at(post, fix.place)), fix.filter(is_fresh));
        if let Some(node) = fresh.and_then(|fix| fix.node).filter(|_| seen_at_post == Some(false)) {
            return Some(From::Node(node));
        }
        let moving_up = member.covers.is_some_and(|(_, from_ms)| from_ms > now_ms);
        let stands = matches!(member.status, Status::Available | Status::Assigned) && !moving_up;
        // Who was last seen elsewhere, and not lately, may be anywhere.
        let known = if fresh.is_some() { seen_at_post == Some(true) } else { stands && seen_at_post != Some(false) };
        let basis = if known { Basis::Station } else { Basis::Fallback };
        tree.map(|tree| From::Station(tree, basis))
    }

    /// Whether a place is that of a station.
    fn is_at(&self, station: u32, place: Position) -> bool {
        let station = self.config.stations.get(&station);
        station.is_some_and(|station| station.place.distance_m(place) <= self.config.at_station_m)
    }

    /// Whether a responder stands by at the station where it is counted on: it has not been seen elsewhere, and is not about to cover another.
    pub(super) fn stands_by(&self, member: &Member, now_ms: i64) -> bool {
        member.status == Status::Available
            && member.covers.is_none_or(|(_, from_ms)| from_ms <= now_ms)
            && member.claim.is_none()
            && matches!(self.from(member, now_ms), Some(From::Station(_, Basis::Station)))
    }

    /// Whether a responder can be planned with. One who does something that nobody has sent it to cannot.
    pub(super) fn can_be_sent(&self, member: &Member, now_ms: i64) -> bool {
        let idle = matches!(member.status, Status::Available | Status::Returning);
        let is = &member.is;
        // Whoever was sent is planned with until people say otherwise, whatever the hour.
        member.claim.is_some() || idle && is.consents && self.on_duty(is.shift.as_deref(), now_ms)
    }

    /// Whether a shift is on. What the calendar does not know does not keep anybody from being asked.
    fn on_duty(&self, shift: Option<&str>, now_ms: i64) -> bool {
        let Some((shift, calendar)) = shift.zip(self.shifts.as_ref()) else { return true };
        calendar.shifts_at(now_ms).map_or(true, |on| on.iter().any(|on| on.name == shift))
    }

    /// A responder as the plan of these incidents sees it; none if it has no part in it.
    pub(super) fn crew(
        &self,
        reach: &mut WorkedOut,
        member: &Member,
        incidents: &BTreeMap<u64, &Incident>,
        stays: &BTreeSet<u64>,
        (now_ms, drill): (i64, bool),
    ) -> Option<Crew> {
        if !self.can_be_sent(member, now_ms) {
            return None;
        }
        let claim = member.claim.filter(|claim| incidents.contains_key(&claim.incident));
        let duty = match claim {
            Some(claim) if member.is_on_scene() => Duty::OnScene { incident: claim.incident },
            Some(claim) => Duty::Sent { incident: claim.incident },
            None if self.stands_by(member, now_ms) => Duty::Stands { area: member.post(now_ms).into() },
            None => Duty::Free,
        };
        // Who is to go on by the word of people is not counted on elsewhere.
        let kept = claim.filter(|claim| claim.kept).map(|claim| claim.incident);
        let may = |incident: &u64| !member.not_to.contains(incident) && kept.is_none_or(|to| to == *incident);
        let etas = incidents
            .iter()
            .filter(|(incident, _)| may(incident))
            .filter_map(|(incident, of)| Some((*incident, self.eta(reach, member, (*incident, of), now_ms)?.ms)));
        let eta_ms: BTreeMap<u64, u32> = etas.collect();
        // Nor is one whom nobody would replace without the word of people, if it can get there.
        let alone = claim.map(|claim| claim.incident).filter(|to| stays.contains(to) && eta_ms.contains_key(to));
        let ordered = member.ordered.as_ref().map(|(order, _)| *order);
        // What is real comes before an order to an exercise.
        let ordered = ordered.filter(|order| match order {
            Order::Goes { incident } => drill || incidents.contains_key(incident),
            _ => true,
        });
        let order = match (ordered, alone) {
            // That it does not go elsewhere is known from where it may go.
            (None, Some(incident)) => Some(Order::Goes { incident }),
            (Some(Order::GoesNot { incident: not }), Some(incident)) if not != incident => {
                Some(Order::Goes { incident })
            }
            _ => ordered,
        };
        let offered = member.offer.and_then(|offer| match offer.to {
            Move::Assign { incident } | Move::Reassign { incident, .. } => Some(Offered::Goes { incident }),
            Move::Release { .. } => Some(Offered::Back),
            Move::MoveUp { .. } => None,
        });
        Some(Crew { skills: member.is.skills, duty, eta_ms, order, offered })
    }
}

impl DeskState {
    /// Times on the roads, beside the incidents and the responders.
    pub(super) fn parts(&mut self, desk: &Desk) -> (&mut WorkedOut, &BTreeMap<u64, Incident>, &BTreeMap<u64, Member>) {
        (self.reach.get(desk, &self.roads), &self.incidents, &self.members)
    }
}
