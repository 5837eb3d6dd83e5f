//! Who can be sent, what they do and where they are.

use watchfire_engine::Verdict;

use super::turn::Turn;
use super::{Gone, on_road};
use crate::dispatch::{
    About, By, Claim, Fix, IncidentTold, Member, Move, Order, Person, PlanChange, Recipient, Responder, Stage,
    Standing, Status, Tells,
};
use crate::geo::Position;

impl Turn<'_> {
    pub(super) fn joined(&mut self, responder: &Responder) -> Verdict {
        let (id, station, heard_ms) = (responder.id, responder.station, self.heard_ms);
        if !self.desk.config.stations.contains_key(&station) {
            let why = format!(
                "responder {id} belongs to station {station}, which is not known. Remedy: add the station, or mend the registration."
            );
            return self.refuse("E0493", why);
        }
        match self.state.members.get_mut(&id) {
            Some(member) if member.is == *responder => return Verdict::Duplicate,
            Some(member) if member.is.station != station => {
                let why = format!(
                    "responder {id} is registered at station {}, and now at {station} too: the first stays. Remedy: give each a number of its own, or let it leave first.",
                    member.is.station
                );
                return self.refuse("E0498", why);
            }
            Some(member) if heard_ms < member.told_ms => {
                return self.overtaken(&format!("the registration of responder {id}"));
            }
            Some(member) => (member.is, member.told_ms) = (responder.clone(), heard_ms),
            None if self.state.gone.get(&id).is_some_and(|gone| heard_ms <= gone.said_ms) => {
                return self.overtaken(&format!("that responder {id} is there"));
            }
            None => {
                self.state.gone.remove(&id);
                self.state.members.insert(id, Member::new(responder.clone(), heard_ms));
            }
        }
        self.stale = true;
        Verdict::Applied
    }

    pub(super) fn left(&mut self, id: u64, by: &Person) -> Verdict {
        if !self.state.members.contains_key(&id) {
            return self.no_responder(id);
        }
        if !self.is_named(by, true) {
            return Verdict::Applied;
        }
        if self.state.members.get(&id).is_some_and(|member| self.heard_ms < member.told_ms) {
            return self.overtaken(&format!("that responder {id} leaves"));
        }
        self.withdraw(id);
        self.unclaim(id, By::Person(by.clone()));
        self.drop_go(id);
        self.state.members.remove(&id);
        self.state.gone.insert(id, Gone { said_ms: self.heard_ms, since_ms: self.now_ms });
        self.stale = true;
        Verdict::Applied
    }

    pub(super) fn status(&mut self, id: u64, status: Status, incident: Option<u64>) -> Verdict {
        let at_ms = self.heard_ms;
        let Some(member) = self.state.members.get_mut(&id) else { return self.no_responder(id) };
        if at_ms < member.status_ms {
            incident.into_iter().for_each(|incident| self.was_there(status, incident));
            return Verdict::Late;
        }
        let for_it = incident.is_none_or(|of| member.claim.is_some_and(|claim| claim.incident == of));
        if at_ms == member.status_ms && status == member.status && for_it {
            return Verdict::Duplicate;
        }
        member.status_ms = at_ms;
        let (repeats, named) = (status == member.status, incident.is_some());
        let goes = matches!(status, Status::Assigned | Status::Rolling | Status::OnScene);
        let incident = incident.or(member.claim.map(|claim| claim.incident)).filter(|_| goes);
        let before_it_was_sent = member.claim.is_some_and(|claim| at_ms < claim.since_ms);
        let claim = member.claim.map(|claim| claim.incident);
        let turned_from = member.turned_from.filter(|from| claim != Some(*from));
        match incident {
            // It says what it did before: it has not heard yet that it was turned around, or called back. But where it is, it is.
            Some(of) if turned_from == Some(of) && status != Status::OnScene && self.has_not_heard(id) => {
                return Verdict::Late;
            }
            Some(_) if !named && repeats && self.has_not_heard(id) => return Verdict::Late,
            Some(_) if !named && (before_it_was_sent || turned_from.is_some()) && self.has_not_heard(id) => {
                return self.says_nothing(id);
            }
            Some(incident) if self.state.incidents.contains_key(&incident) => self.does(id, status, incident),
            Some(incident) => {
                self.no_incident(incident);
                if claim.is_none() {
                    self.idles(id, status);
                }
            }
            None => self.idles(id, status),
        }
        Verdict::Applied
    }

    /// What a responder did is told after what it does now: how far help was still counts.
    fn was_there(&mut self, status: Status, incident: u64) {
        let now_ms = self.now_ms;
        let Some(of) = self.state.incidents.get_mut(&incident) else { return };
        let (after_ms, line) = (now_ms.saturating_sub(of.opened_ms), &mut of.timeline);
        let there = [(Stage::Acts, &mut line.acts_ms), (Stage::Joins, &mut line.joins_ms)];
        let reached = match status {
            Status::OnScene => 2,
            Status::Rolling => 1,
            _ => 0,
        };
        let new = there.into_iter().take(reached).filter(|(_, at_ms)| at_ms.is_none());
        let new = new.map(|(stage, at_ms)| {
            *at_ms = Some(now_ms);
            stage
        });
        for stage in new.collect::<Vec<_>>() {
            self.tell_of(incident, IncidentTold::Reached { stage, after_ms });
        }
    }

    /// Whether a responder was sent or called back, and has not acknowledged that.
    pub(super) fn has_not_heard(&self, id: u64) -> bool {
        let open = self.state.notices.values().filter(|notice| notice.next_ms.is_some());
        let sends = |about: About| matches!(about, About::Go { .. } | About::Stop { .. });
        open.into_iter().any(|notice| notice.meant_for() == Recipient::Responder(id) && sends(notice.about))
    }

    /// What somebody says before it has heard where it was sent last, and names no incident, may be about another.
    fn says_nothing(&mut self, id: u64) -> Verdict {
        let why = format!(
            "responder {id} says what it does for no incident, before it has heard where it was sent: it is waited for. Remedy: name the incident, or acknowledge the notice; see whether its clock is behind."
        );
        self.refuse("E0491", why)
    }

    /// What a responder does shows that it knows what it was told.
    fn knows(&mut self, id: u64) {
        let to = Recipient::Responder(id);
        self.state
            .notices
            .values_mut()
            .filter(|notice| notice.meant_for() == to)
            .for_each(|notice| notice.next_ms = None);
    }

    /// A responder does not cover a station, by its own word.
    pub(super) fn does_not_cover(&mut self, id: u64, station: u32) {
        let now_ms = self.now_ms;
        if let Some(member) = self.member(id) {
            // It is where it was before.
            member.covers = member.covered.take().map(|station| (station, now_ms));
            member.not_cover.insert(station);
        }
        self.stale = true;
    }

    /// A responder does something for an incident, whether it was sent there or not.
    pub(super) fn does(&mut self, id: u64, status: Status, incident: u64) {
        let (now_ms, heard_ms) = (self.now_ms, self.heard_ms);
        let Some(member) = self.member(id) else { return };
        let sent = member.claim.is_some_and(|claim| claim.incident == incident);
        if !sent {
            // It has decided for itself, and is where it is: what it was sent to needs another.
            let to = match member.claim {
                Some(claim) => Move::Reassign { incident, from: claim.incident },
                None => Move::Assign { incident },
            };
            self.withdraw(id);
            let change = self.new_change();
            self.drop_go(id);
            let (since_ms, ready_ms, due_ms) = (now_ms, now_ms, None);
            let claim = Claim { incident, slot: None, change, since_ms, ready_ms, due_ms, heard_ms: None, kept: false };
            if let Some(member) = self.member(id) {
                member.claim = Some(claim);
            }
            self.tell_done(id, change, to, By::Responder(status));
            self.is_not_to(id, incident, status);
        }
        self.knows(id);
        if let Some(member) = self.member(id) {
            member.claim.iter_mut().for_each(|claim| {
                claim.heard_ms.get_or_insert(heard_ms);
            });
            member.not_to.remove(&incident);
            member.status = status;
            member.covers = None;
        }
        if let Some(of) = self.state.incidents.get_mut(&incident) {
            of.left.remove(&id);
        }
        if status == Status::OnScene {
            self.is_seen_at(id, incident);
        }
        self.stale = true;
    }

    /// Whoever has ordered a responder away from where it has come by its own word is told that it is there, and stays.
    fn is_not_to(&mut self, id: u64, incident: u64, status: Status) {
        let ordered = self.state.members.get(&id).and_then(|member| member.ordered.clone());
        let away = |order: Order| matches!(order, Order::Stays) || order == Order::GoesNot { incident };
        if let Some((_, by)) = ordered.filter(|(order, _)| status == Status::OnScene && away(*order)) {
            self.tell(Tells::Unkept { responder: id, incident, by });
        }
    }

    /// Who says that it is at an incident is there, if no device has told another place since.
    fn is_seen_at(&mut self, id: u64, incident: u64) {
        let at_ms = self.heard_ms;
        let of = self.state.incidents.get(&incident).map(|of| (of.place, of.node));
        let Some((Some(place), node)) = of else { return };
        let Some(member) = self.state.members.get_mut(&id) else { return };
        if member.fix.is_none_or(|fix| fix.by_word || fix.at_ms < at_ms) {
            member.fix = Some(Fix { place, node, at_ms, by_word: true });
        }
    }

    /// A responder does nothing for any incident.
    fn idles(&mut self, id: u64, status: Status) {
        let (heard_ms, unheard) = (self.heard_ms, self.has_not_heard(id));
        let Some(member) = self.member(id) else { return };
        let (claim, idle) = (member.claim, (member.status, status) == (Status::Available, Status::Available));
        let before = |of: Claim| unheard && heard_ms < of.since_ms;
        // Before it has got going, "available" is what it says while it does not know yet that it was sent.
        let knew = |of: Claim| of.heard_ms.is_some_and(|knew_ms| heard_ms > knew_ms);
        let waits = claim.is_some_and(|of| !knew(of)) && member.status == Status::Assigned;
        let (leaves, was_there) = (claim.map(|claim| claim.incident), member.is_on_scene());
        if matches!(status, Status::Available | Status::Returning) {
            if waits {
                return;
            }
            if claim.is_some_and(before) {
                self.says_nothing(id);
                return;
            }
            // Who was idle all the time may have heard of nothing.
            if !idle {
                self.knows(id);
            }
        }
        if status != Status::Assigned {
            self.unclaim(id, By::Responder(status));
            leaves.into_iter().for_each(|incident| self.leaves(id, incident, was_there));
        }
        if let Some(member) = self.member(id) {
            // Who has no device is back where it belongs when it says so.
            if (member.status, status) == (Status::Returning, Status::Available) {
                member.fix = member.fix.filter(|fix| !fix.by_word);
            }
            member.status = status;
            if matches!(status, Status::OutOfService | Status::Returning) {
                member.covers = None;
            }
        }
        if status == Status::OutOfService {
            self.withdraw(id);
        }
        self.stale = true;
    }

    /// Who leaves by its own word is not sent back; whether another is needed where it was, people decide.
    fn leaves(&mut self, id: u64, incident: u64, was_there: bool) {
        if let Some(member) = self.member(id) {
            member.not_to.insert(incident);
        }
        if let Some(of) = self.state.incidents.get_mut(&incident).filter(|_| was_there) {
            of.left.insert(id);
        }
    }

    pub(super) fn fix(&mut self, id: u64, place: Position) -> Verdict {
        let (at_ms, config) = (self.heard_ms, &self.desk.config);
        let Some(member) = self.state.members.get_mut(&id) else { return self.no_responder(id) };
        let fix = Fix { place, node: on_road(&self.desk.network, place, config.off_map_m), at_ms, by_word: false };
        if let Some(before) = member.fix.filter(|before| !before.by_word) {
            if at_ms < before.at_ms {
                return Verdict::Late;
            }
            if before.at_ms == at_ms && before.place == place {
                return Verdict::Duplicate;
            }
            let (after_ms, way_m) = (at_ms.saturating_sub(before.at_ms), before.place.distance_m(place));
            // Around a place that is known to some metres; and what is old says nothing.
            let far = way_m > config.at_station_m + config.speed_max_mps * after_ms as f64 / 1e3;
            if far && after_ms <= config.fix_max_age_ms {
                let why = format!(
                    "responder {id} was seen {way_m:.0} m from where it was {after_ms} ms before: it stays there. Remedy: see whether two devices have one number."
                );
                return self.refuse("E0499", why);
            }
        }
        member.fix = Some(fix);
        Verdict::Applied
    }

    /// A responder does not go where it was sent.
    pub(super) fn refuses(&mut self, id: u64, incident: u64) {
        self.unclaim(id, By::Responder(Status::Available));
        if let Some(member) = self.member(id) {
            member.not_to.insert(incident);
        }
        self.stale = true;
    }

    /// Ends the claim on a responder, and tells so. The responder itself is not told: it has said so, or is gone.
    pub(super) fn unclaim(&mut self, id: u64, by: By) {
        let Some(claim) = self.member(id).and_then(|member| member.claim) else { return };
        self.drop_go(id);
        self.withdraw(id);
        if let Some(member) = self.member(id) {
            member.claim = None;
            if member.status == Status::Assigned {
                member.status = Status::Available;
            }
        }
        let change = self.new_change();
        self.tell_done(id, change, Move::Release { from: claim.incident }, by);
    }

    pub(super) fn tell_done(&mut self, responder: u64, change: u64, to: Move, by: By) {
        let standing = Standing::Done { by };
        self.tell(Tells::Plan(Box::new(PlanChange { change, responder, to, standing, because: None })));
    }

    pub(super) fn new_change(&mut self) -> u64 {
        self.state.numbers.change += 1;
        self.state.numbers.change
    }

    pub(super) fn no_responder(&mut self, id: u64) -> Verdict {
        self.refuse("E0491", format!("responder {id} is not registered. Remedy: let it join first."))
    }
}
