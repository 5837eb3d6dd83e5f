//! What people order and decide.

use watchfire_engine::Verdict;

use super::turn::Turn;
use crate::alarm::Private;
use crate::dispatch::{
    About, Because, By, Claim, Mode, Move, Order, Person, PlanChange, Recipient, Standing, Status, Tells,
};

impl Turn<'_> {
    pub(super) fn order(&mut self, id: u64, order: Option<Order>, by: &Person) -> Verdict {
        let Some(member) = self.state.members.get(&id) else { return self.no_responder(id) };
        let (before, claim, on_scene) = (member.ordered.clone(), member.claim, member.is_on_scene());
        let said_ms = member.ordered_ms;
        if let Some(Order::Goes { incident }) = order
            && !self.state.incidents.contains_key(&incident)
        {
            return self.no_incident(incident);
        }
        if !self.is_named(by, false) {
            return Verdict::Applied;
        }
        let ordered = order.map(|order| (order, by.who.clone()));
        let sent_to = claim.map(|claim| claim.incident);
        let is_kept = !matches!(order, Some(Order::Goes { incident }) if sent_to != Some(incident));
        if before == ordered && ordered.is_some() && is_kept {
            return Verdict::Duplicate;
        }
        if self.heard_ms < said_ms {
            return self.overtaken(&format!("an order for responder {id}"));
        }
        self.obeys(id, ordered);
        // Who is on scene is released by what it says itself, or when the incident is over; an exercise holds nobody.
        let drill = |incident: u64| self.state.incidents.get(&incident).is_some_and(|of| of.drill);
        if on_scene && !sent_to.is_some_and(drill) {
            let leaves =
                |at: &u64| matches!(order, Some(Order::Stays)) || order == Some(Order::GoesNot { incident: *at });
            if let Some(incident) = sent_to.filter(leaves) {
                self.tell(Tells::Unkept { responder: id, incident, by: by.who.clone() });
            }
            return Verdict::Applied;
        }
        match order {
            Some(Order::Goes { incident }) if sent_to != Some(incident) => {
                self.withdraw(id);
                let to = match sent_to {
                    Some(from) => Move::Reassign { incident, from },
                    None => Move::Assign { incident },
                };
                let change = self.new_change();
                self.execute(id, change, to, None, By::Person(by.clone()), None);
            }
            Some(Order::GoesNot { incident }) if sent_to == Some(incident) => self.call_back(id, by),
            Some(Order::Stays) if sent_to.is_some() => self.call_back(id, by),
            _ => {}
        }
        Verdict::Applied
    }

    /// What people order holds beside what they have barred before, until they take all of it back.
    fn obeys(&mut self, id: u64, ordered: Option<(Order, Private)>) {
        let heard_ms = self.heard_ms;
        self.stale = true;
        let Some(member) = self.member(id) else { return };
        (member.ordered_ms, member.unkept) = (heard_ms, false);
        let is = member.ordered.as_ref().map(|(order, _)| *order);
        match ordered.as_ref().map(|(order, _)| *order) {
            None => member.not_to.clear(),
            Some(Order::Goes { incident }) => {
                member.not_to.remove(&incident);
            }
            Some(Order::GoesNot { incident }) => {
                member.not_to.insert(incident);
                let stands = match is {
                    Some(Order::Goes { incident: to }) => to != incident,
                    other => other == Some(Order::Stays),
                };
                if stands {
                    return;
                }
            }
            Some(Order::Stays) => {}
        }
        member.ordered = ordered;
    }

    /// People call somebody back.
    fn call_back(&mut self, id: u64, by: &Person) {
        self.withdraw(id);
        let Some(claim) = self.state.members.get(&id).and_then(|member| member.claim) else { return };
        let change = self.new_change();
        self.execute(id, change, Move::Release { from: claim.incident }, None, By::Person(by.clone()), None);
    }

    /// An incident is over: whoever was sent is told, and is free; who is on scene says for itself when it leaves.
    pub(super) fn release_all(&mut self, incident: u64, by: &Person) {
        let of = |claim: Option<Claim>| claim.is_some_and(|claim| claim.incident == incident);
        let to = |to: Move| matches!(to, Move::Assign { incident: of } | Move::Reassign { incident: of, .. } if of == incident);
        let ids: Vec<u64> = self.state.members.keys().copied().collect();
        for id in ids {
            let Some(member) = self.state.members.get_mut(&id) else { continue };
            member.not_to.remove(&incident);
            if let Some((Order::Goes { incident: of } | Order::GoesNot { incident: of }, _)) = member.ordered
                && of == incident
            {
                member.ordered = None;
            }
            let (claimed, offered) = (of(member.claim), member.offer.is_some_and(|offer| to(offer.to)));
            if offered {
                self.withdraw(id);
            }
            if claimed {
                self.call_back(id, by);
            }
        }
    }

    pub(super) fn decided(&mut self, change: u64, accept: bool, by: &Person) -> Verdict {
        let offered = |offer: &crate::dispatch::Offer| offer.change == change;
        let found = self.state.members.iter().find(|(_, member)| member.offer.as_ref().is_some_and(offered));
        let Some((id, offer)) = found.and_then(|(id, member)| Some((*id, member.offer?))) else {
            let why = format!(
                "change {change} is not recommended, or not any more. Remedy: look at what is recommended now."
            );
            return self.refuse("E0496", why);
        };
        if !self.is_named(by, !accept) {
            return Verdict::Applied;
        }
        if let Some(member) = self.member(id) {
            member.offer = None;
        }
        self.stale = true;
        if accept {
            self.execute(id, change, offer.to, None, By::Person(by.clone()), None);
            return Verdict::Applied;
        }
        if let Some(member) = self.member(id) {
            match offer.to {
                Move::Assign { incident } | Move::Reassign { incident, .. } => {
                    member.not_to.insert(incident);
                }
                Move::Release { .. } => member.claim.iter_mut().for_each(|claim| claim.kept = true),
                Move::MoveUp { station } => {
                    member.not_cover.insert(station);
                }
            }
        }
        let standing = Standing::Declined { by: by.clone() };
        self.tell(Tells::Plan(Box::new(PlanChange { change, responder: id, to: offer.to, standing, because: None })));
        Verdict::Applied
    }

    pub(super) fn mode(&mut self, district: u32, mode: Mode, by: &Person) -> Verdict {
        // Handing over to the machine needs a reason; taking over does not.
        if !self.is_named(by, mode == Mode::Auto) {
            return Verdict::Applied;
        }
        let said_ms = self.state.modes.get(&district).map_or(i64::MIN, |(_, said_ms)| *said_ms);
        let is_so = self.state.mode(district) == mode;
        if self.heard_ms < said_ms && !is_so {
            return self.overtaken(&format!("who decides in district {district}"));
        }
        self.state.modes.insert(district, (mode, self.heard_ms.max(said_ms)));
        if is_so {
            return Verdict::Duplicate;
        }
        self.tell(Tells::Mode { district, mode, by: by.clone() });
        self.stale = true;
        Verdict::Applied
    }

    /// Does what was recommended, decided or ordered: claims, frees or moves a responder, and tells it.
    pub(super) fn execute(
        &mut self,
        id: u64,
        change: u64,
        to: Move,
        due_ms: Option<i64>,
        by: By,
        because: Option<Because>,
    ) {
        let now_ms = self.now_ms;
        let unheard = self.has_not_heard(id);
        self.drop_go(id);
        if let Some(member) = self.member(id) {
            member.turned_from = match to {
                Move::Reassign { from, .. } | Move::Release { from } => Some(from),
                // It may still be on its way to where it was sent before it was called back.
                Move::Assign { .. } => member.turned_from.filter(|_| unheard),
                Move::MoveUp { .. } => None,
            };
        }
        match to {
            Move::Assign { incident } | Move::Reassign { incident, .. } => {
                let due_ms = due_ms.or_else(|| self.due_ms_of(id, incident));
                let desk = self.desk;
                let Some(member) = self.member(id) else { return };
                let ready_ms = desk.ready_ms(member, now_ms);
                let (since_ms, heard_ms) = (now_ms, None);
                member.claim =
                    Some(Claim { incident, slot: None, change, since_ms, ready_ms, due_ms, heard_ms, kept: false });
                // Whoever was at one scene is not at the next.
                if member.status != Status::Rolling {
                    member.status = Status::Assigned;
                }
                member.covers = None;
                member.not_cover.clear();
            }
            Move::Release { .. } => {
                let Some(member) = self.member(id) else { return };
                member.claim = None;
                member.status = match member.status {
                    Status::Assigned => Status::Available,
                    Status::Rolling => Status::Returning,
                    as_it_is => as_it_is,
                };
            }
            Move::MoveUp { station } => {
                let from_ms = self.there_ms(id, station);
                if let Some(member) = self.member(id) {
                    member.covered = member.covers.filter(|(_, from_ms)| *from_ms <= now_ms).map(|(of, _)| of);
                    member.covers = Some((station, from_ms));
                }
            }
        }
        let standing = Standing::Done { by };
        self.tell(Tells::Plan(Box::new(PlanChange { change, responder: id, to, standing, because })));
        self.tell_responder(id, change, to);
        self.tell_taken(id, to);
    }

    /// Whoever has ordered somebody to an exercise is told that what is real has taken it.
    fn tell_taken(&mut self, id: u64, to: Move) {
        let Some(member) = self.state.members.get_mut(&id) else { return };
        let (Some((Order::Goes { incident, .. }, by)), Some(taken)) = (member.ordered.clone(), to.incident()) else {
            return;
        };
        if incident != taken {
            member.unkept = true;
            self.tell(Tells::Unkept { responder: id, incident, by });
        }
    }

    fn tell_responder(&mut self, id: u64, change: u64, to: Move) {
        let (about, incident) = match to {
            Move::Assign { incident } | Move::Reassign { incident, .. } => (About::Go { change }, Some(incident)),
            Move::Release { from } => (About::Stop { change }, Some(from)),
            Move::MoveUp { station } => (About::Cover { change, station }, None),
        };
        let of = incident.and_then(|incident| self.state.incidents.get(&incident));
        let home = self.state.members.get(&id).and_then(|member| self.desk.config.stations.get(&member.is.station));
        let district = of.map(|of| of.district).or(home.map(|station| station.district)).unwrap_or_default();
        let drill = of.is_some_and(|of| of.drill);
        let rungs = self.rungs(Recipient::Responder(id), district);
        self.notify(about, incident, drill, rungs);
    }

    /// Ends what a responder was told before: something else holds now. So there is one notice to each at most.
    pub(super) fn drop_go(&mut self, id: u64) {
        self.state.notices.retain(|_, notice| notice.meant_for() != Recipient::Responder(id));
    }

    /// Ends what was told of an incident.
    pub(super) fn forget_notices(&mut self, incident: u64, which: impl Fn(About) -> bool) {
        self.state.notices.retain(|_, notice| notice.incident != Some(incident) || !which(notice.about));
    }
}
