//! One report or tick, from what it says to what is told.

use std::collections::{BTreeMap, BTreeSet};

use super::{Desk, DeskState};
use crate::dispatch::notice::Notice;
use crate::dispatch::{
    About, Answer, Dispatch, IncidentTold, Member, NoticeId, Person, Recipient, Refused, Stage, Status, Tells, Timeline,
};
use watchfire_engine::Verdict;

/// The turn of a report or a tick.
pub(super) struct Turn<'t> {
    pub(super) desk: &'t Desk,
    pub(super) state: &'t mut DeskState,
    theatre: u32,
    /// When the report was made, by the clock of its source.
    pub(super) reported_ms: i64,
    /// The same, but not far ahead of the arrival clock: what is compared with what comes later.
    pub(super) heard_ms: i64,
    /// The arrival clock.
    pub(super) now_ms: i64,
    out: &'t mut Vec<Dispatch>,
    /// The plan has to be looked at again.
    pub(super) stale: bool,
    /// Water or supplies have to be given anew.
    pub(super) short: bool,
    /// Responders for whom the plan wants what is recommended.
    pub(super) stands: BTreeSet<u64>,
    /// How many slots each incident has by the plan of this turn.
    pub(super) asked: BTreeMap<u64, usize>,
}

impl<'t> Turn<'t> {
    pub(super) fn begin(
        desk: &'t Desk,
        state: &'t mut DeskState,
        theatre: u32,
        (reported_ms, now_ms): (i64, i64),
        out: &'t mut Vec<Dispatch>,
    ) -> Self {
        let has_clock = now_ms != i64::MIN;
        if has_clock && state.stood_in {
            bring_back(state, now_ms, desk.config.clock_ahead_ms, desk.config.cover.move_max_ms);
        }
        state.stood_in = !has_clock;
        let now_ms = if has_clock { now_ms } else { reported_ms };
        let heard_ms = reported_ms.min(now_ms.saturating_add(desk.config.clock_ahead_ms));
        Turn {
            desk,
            state,
            theatre,
            reported_ms,
            heard_ms,
            now_ms,
            out,
            stale: false,
            short: false,
            stands: BTreeSet::new(),
            asked: BTreeMap::new(),
        }
    }

    /// Does what is due.
    pub(super) fn tick(&mut self) {
        let now_ms = self.now_ms;
        self.stale = self.state.planned_ms.saturating_add(self.desk.config.replan_every_ms) <= now_ms;
        let ids: Vec<NoticeId> = self.state.notices.keys().copied().collect();
        for id in ids {
            if self.state.notices.get(&id).and_then(|notice| notice.next_ms).is_some_and(|next_ms| next_ms <= now_ms) {
                self.goes_out(id);
            }
        }
        let kept_ms = now_ms.saturating_sub(self.desk.config.remember_ms);
        self.state.over.retain(|_, all| {
            all.retain(|over| over.since_ms >= kept_ms);
            !all.is_empty()
        });
        self.state.gone.retain(|_, gone| gone.since_ms >= kept_ms);
    }

    /// Plans, if there is reason to, and tells how far help is.
    pub(super) fn end(mut self) {
        if self.stale {
            self.plan();
        }
        if self.stale || self.short {
            self.supplies();
        }
        self.timelines();
        if self.stale {
            self.coverage();
        }
    }

    pub(super) fn tell(&mut self, tells: Tells) {
        self.state.numbers.told += 1;
        let number = self.state.numbers.told;
        self.out.push(Dispatch { theatre: self.theatre, at_ms: self.now_ms, number, tells });
    }

    pub(super) fn tell_of(&mut self, incident: u64, what: IncidentTold) {
        self.tell(Tells::Incident { incident, what });
    }

    /// Tells that a report is not taken.
    pub(super) fn refuse(&mut self, code: &str, why: String) -> Verdict {
        let reported_ms = self.reported_ms;
        self.tell(Tells::Refused(Refused { code: code.to_owned(), why, reported_ms }));
        Verdict::Applied
    }

    /// Whether a person may decide: refused if nobody is named, or no reason is given where one is needed.
    pub(super) fn is_named(&mut self, by: &Person, needs_reason: bool) -> bool {
        let what = match (by.who.is_blank(), needs_reason && by.reason.is_blank()) {
            (true, _) => "nobody is named who decides this. Remedy: name who answers for it.",
            (_, true) => "no reason is given for this. Remedy: say why.",
            _ => return true,
        };
        self.refuse("E0497", what.to_owned());
        false
    }

    /// What people have said before something that is known already is told to them, and changes nothing.
    pub(super) fn overtaken(&mut self, what: &str) -> Verdict {
        let why = format!(
            "{what} was said before what is known of it, which stays. Remedy: none if it came twice or late; say it again if it is meant, and see whether a clock is wrong."
        );
        self.refuse("E0490", why);
        Verdict::Late
    }

    /// Sends a notice out, and repeats it until somebody has read it.
    pub(super) fn notify(
        &mut self,
        about: About,
        incident: Option<u64>,
        drill: bool,
        rungs: Vec<Recipient>,
    ) -> NoticeId {
        self.state.numbers.notice += 1;
        let id = NoticeId(self.state.numbers.notice);
        self.state.notices.insert(id, Notice::new(about, incident, drill, rungs, self.now_ms));
        self.goes_out(id);
        id
    }

    fn goes_out(&mut self, id: NoticeId) {
        let (config, now_ms) = (&self.desk.config.notices, self.now_ms);
        if let Some(message) = self.state.notices.get_mut(&id).map(|notice| notice.goes_out(id, config, now_ms)) {
            self.tell(Tells::Message(message));
        }
    }

    /// Who is told one after the other, if the first does not answer.
    pub(super) fn rungs(&self, first: Recipient, district: u32) -> Vec<Recipient> {
        let station = match first {
            Recipient::Responder(of) => self.state.members.get(&of).map(|member| Recipient::Station(member.is.station)),
            _ => None,
        };
        let district = Some(Recipient::District(district)).filter(|district| *district != first);
        let district =
            district.filter(|_| !matches!(first, Recipient::Brigade | Recipient::Neighbours | Recipient::Centre));
        let centre = Some(Recipient::Centre).filter(|centre| *centre != first);
        [Some(first), station, district, centre].into_iter().flatten().collect()
    }

    /// What a notice has come to.
    pub(super) fn answer(&mut self, id: NoticeId, answer: Answer) -> Verdict {
        let Some(notice) = self.state.notices.get_mut(&id) else {
            let why = format!("notice {} is not known, or over. Remedy: none if it was answered late.", id.0);
            return self.refuse("E0495", why);
        };
        if !notice.hears(answer, self.reported_ms, self.now_ms) {
            return Verdict::Duplicate;
        }
        let (meant_for, about, incident) = (notice.meant_for(), notice.about, notice.incident);
        self.tell(Tells::Answered { notice: id, meant_for, incident, answer });
        match (meant_for, about, incident) {
            (Recipient::Responder(of), About::Go { change }, _) => self.answers_go(of, change, answer),
            (Recipient::Responder(of), About::Cover { station, .. }, _) if answer == Answer::Refused => {
                self.does_not_cover(of, station);
            }
            (Recipient::Brigade, _, Some(incident)) if answer == Answer::Arrived => {
                self.brigade(incident);
            }
            _ => {}
        }
        Verdict::Applied
    }

    fn answers_go(&mut self, of: u64, change: u64, answer: Answer) {
        let heard_ms = self.heard_ms;
        let Some(member) = self.member(of) else { return };
        let on_scene = member.is_on_scene();
        let Some(claim) = member.claim.as_mut().filter(|claim| claim.change == change) else { return };
        let incident = claim.incident;
        if answer == Answer::Accepted {
            claim.heard_ms.get_or_insert(heard_ms);
        }
        match answer {
            // Who is there does not go back by an answer that comes late.
            Answer::Refused if !on_scene => self.refuses(of, incident),
            Answer::Arrived => {
                member.status_ms = member.status_ms.max(heard_ms);
                self.does(of, Status::OnScene, incident);
            }
            _ => {}
        }
    }

    /// Notes how far help is, and tells what was reached and what was missed.
    fn timelines(&mut self) {
        let (desk, now_ms) = (self.desk, self.now_ms);
        let mut told = Vec::new();
        for (id, incident) in &mut self.state.incidents {
            let sent =
                self.state.members.values().filter(|member| member.claim.is_some_and(|claim| claim.incident == *id));
            let (mut any, mut acts, mut there, mut filled) = (false, false, false, 0);
            for member in sent {
                let on_scene = member.is_on_scene();
                (any, there) = (true, there || on_scene);
                // Who was turned around rolls, but does not know yet where to.
                let knows = member.claim.is_some_and(|claim| claim.heard_ms.is_some());
                acts |= on_scene || member.status == Status::Rolling && knows;
                filled += usize::from(on_scene && member.claim.is_some_and(|claim| claim.slot.is_some()));
            }
            // Nobody comes to be there, nor is more asked for, without a plan.
            let full = filled > 0 && self.asked.get(id).is_some_and(|asked| filled >= *asked);
            let (after_ms, line) = (now_ms.saturating_sub(incident.opened_ms), &mut incident.timeline);
            let mut reached = |is: bool, at_ms: &mut Option<i64>, what: IncidentTold| {
                if is && at_ms.is_none() {
                    *at_ms = Some(now_ms);
                    told.push((*id, what));
                }
            };
            if any && line.sent_ms.is_none() {
                line.sent_ms = Some(now_ms);
            }
            reached(acts, &mut line.acts_ms, IncidentTold::Reached { stage: Stage::Acts, after_ms });
            reached(there, &mut line.joins_ms, IncidentTold::Reached { stage: Stage::Joins, after_ms });
            reached(full, &mut line.full_ms, IncidentTold::Full { after_ms });
            let missed: Vec<_> = desk.stages(incident).filter(|(_, _, due_ms)| *due_ms <= now_ms).collect();
            for (stage, within_ms, _) in missed {
                incident.missed |= stage.bit();
                told.push((*id, IncidentTold::Missed { stage, within_ms }));
            }
        }
        told.into_iter().for_each(|(id, what)| self.tell_of(id, what));
    }

    pub(super) fn member(&mut self, of: u64) -> Option<&mut Member> {
        self.state.members.get_mut(&of)
    }
}

/// An event time stood in for the arrival clock: nothing that was measured from it lies ahead of the clock.
fn bring_back(state: &mut DeskState, now_ms: i64, clock_ahead_ms: i64, move_max_ms: u32) {
    let ahead_ms = now_ms.saturating_add(clock_ahead_ms);
    let heard = |at_ms: &mut i64| *at_ms = (*at_ms).min(ahead_ms);
    state.water.values_mut().for_each(|water| heard(&mut water.at_ms));
    state.stock.values_mut().flat_map(BTreeMap::values_mut).for_each(|stock| stock.bring_back(ahead_ms));
    state.modes.values_mut().for_each(|(_, said_ms)| heard(said_ms));
    state.gone.values_mut().for_each(|gone| heard(&mut gone.said_ms));
    for road in state.roads.values_mut() {
        [&mut road.closed_at_ms, &mut road.takes_at_ms].into_iter().flatten().for_each(heard);
    }
    let back = |at_ms: &mut i64| *at_ms = (*at_ms).min(now_ms);
    for incident in state.incidents.values_mut() {
        back(&mut incident.opened_ms);
        back(&mut incident.raised_ms);
        incident.people.iter_mut().for_each(|(_, said_ms)| heard(said_ms));
        let Timeline { sent_ms, acts_ms, joins_ms, brigade_ms, full_ms } = &mut incident.timeline;
        [sent_ms, acts_ms, joins_ms, brigade_ms, full_ms].into_iter().flatten().for_each(back);
    }
    state.over.values_mut().flatten().for_each(|over| back(&mut over.since_ms));
    state.gone.values_mut().for_each(|gone| back(&mut gone.since_ms));
    for notice in state.notices.values_mut() {
        back(&mut notice.since_ms);
        notice.next_ms.iter_mut().for_each(back);
    }
    for member in state.members.values_mut() {
        [&mut member.status_ms, &mut member.ordered_ms, &mut member.told_ms].into_iter().for_each(heard);
        let latest_ms = ahead_ms.saturating_add(i64::from(move_max_ms));
        member.covers.iter_mut().for_each(|(_, from_ms)| *from_ms = (*from_ms).min(latest_ms));
        member.fix.iter_mut().for_each(|fix| heard(&mut fix.at_ms));
        if let Some(claim) = &mut member.claim {
            let ahead_ms = claim.since_ms.saturating_sub(now_ms).max(0);
            back(&mut claim.since_ms);
            claim.heard_ms.iter_mut().for_each(heard);
            claim.ready_ms = claim.ready_ms.saturating_sub(ahead_ms);
            claim.due_ms.iter_mut().for_each(|due_ms| *due_ms = due_ms.saturating_sub(ahead_ms));
        }
    }
    back(&mut state.planned_ms);
}
