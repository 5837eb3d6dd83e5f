//! What happens, and how grave it is.

use watchfire_engine::Verdict;

use super::turn::Turn;
use super::{Over, Road, on_road};
use crate::dispatch::incident::{LEVEL_MAX, Source};
use crate::dispatch::notice::Notice;
use crate::dispatch::{About, Incident, IncidentTold, NoticeId, Person, Raised, Recipient, RoadTold, Stage};
use crate::road::RoadChange;

/// How many incidents that are over are remembered of one source.
const OVER_MAX: usize = 8;

/// How many notices of earlier levels of an incident are remembered.
const SILENT_MAX: usize = 32;

impl Turn<'_> {
    pub(super) fn raised(&mut self, raised: &Raised) -> Verdict {
        let same = self.same_as(raised);
        let incident = same.and_then(|id| self.state.incidents.get(&id));
        let is_of_it = incident.is_some_and(|incident| incident.sources.contains_key(&raised.source));
        match same {
            // Nor is it news to another incident near by, which it would raise, and say what that is about.
            _ if !is_of_it && self.is_over(raised) => Verdict::Duplicate,
            Some(id) => self.raised_again(id, raised),
            None => self.open(raised),
        }
    }

    /// Whether this is what was told of something that is over: by the same source, while it told of that. What comes before or after is news, whatever
    /// the clock of the source.
    fn is_over(&self, raised: &Raised) -> bool {
        let over = self.state.over.get(&over_key(&raised.source, &raised.cause, raised.drill));
        let kept_ms = self.now_ms.saturating_sub(self.desk.config.remember_ms);
        let mut over = over.into_iter().flatten().filter(|over| over.since_ms >= kept_ms);
        over.any(|over| (over.first_ms..=over.last_ms).contains(&self.reported_ms))
    }

    /// The incident that is raised once more: that of the same source, or else about the same asset, or else the nearest.
    fn same_as(&self, raised: &Raised) -> Option<u64> {
        let config = &self.desk.config;
        let since_ms = self.now_ms.saturating_sub(config.merge_ms);
        let same = self.state.incidents.iter().filter(|(_, of)| of.is_same(raised, config.merge_m, since_ms));
        let away_mm = |of: &Incident| {
            let away_m = of.place.zip(raised.place).map_or(f64::MAX, |(a, b)| a.distance_m(b));
            let is_about = raised.asset.is_some() && of.asset == raised.asset;
            (!of.sources.contains_key(&raised.source), !is_about, (away_m * 1e3) as u64)
        };
        same.min_by_key(|(_, of)| away_mm(of)).map(|(id, _)| *id)
    }

    fn open(&mut self, raised: &Raised) -> Verdict {
        self.state.numbers.incident += 1;
        let id = self.state.numbers.incident;
        let node = raised.place.and_then(|place| on_road(&self.desk.network, place, self.desk.config.off_map_m));
        let sure_max = 1_u8.saturating_add(self.desk.config.sure_jump);
        let incident = Incident::opened(raised, node, sure_max, self.reported_ms, self.now_ms);
        self.state.incidents.insert(id, incident.clone());
        self.tell_of(id, IncidentTold::Opened(Box::new(incident)));
        self.is_level(id, raised.level);
        if node.is_none() {
            self.is_nowhere(id);
        }
        self.tell_people(id);
        self.stale = true;
        Verdict::Applied
    }

    fn is_nowhere(&mut self, id: u64) {
        let why = format!(
            "nobody can be found who is near incident {id}: it has no place, or one more than {} m from every road. Remedy: raise it again with its place, or order somebody there.",
            self.desk.config.off_map_m
        );
        self.refuse("E0499", why);
    }

    /// Tells of a level that cannot be.
    fn is_level(&mut self, id: u64, level: u8) {
        if !(1..=LEVEL_MAX).contains(&level) {
            let why = format!(
                "incident {id} was raised at level {level}, which is not 1 to {LEVEL_MAX}: the nearest is taken. Remedy: mend its source."
            );
            self.refuse("E0492", why);
        }
    }

    fn raised_again(&mut self, id: u64, raised: &Raised) -> Verdict {
        let (at_ms, level) = (self.reported_ms, raised.level.clamp(1, LEVEL_MAX));
        let node = raised.place.and_then(|place| on_road(&self.desk.network, place, self.desk.config.off_map_m));
        let now_ms = self.now_ms;
        let Some(incident) = self.state.incidents.get_mut(&id) else { return Verdict::Applied };
        let source = incident.kept_as(&raised.source);
        let before = incident.sources.get(source).copied();
        let demand = &self.desk.config.demand;
        // By gravity first: what is unknown may be as grave as an alarm.
        let severity = [incident.severity, raised.severity].into_iter().max_by_key(|of| (demand.gravity_of(*of), *of));
        let severity = severity.unwrap_or(raised.severity);
        let worse = severity != incident.severity || raised.asks.0 & !incident.asks.0 != 0;
        let found = incident.node.is_none() && node.is_some() || incident.place.is_none() && raised.place.is_some();
        let known = before.is_some_and(|before| before.at_ms == at_ms && before.level >= level);
        let named = incident.asset.is_none() && raised.asset.is_some();
        if known && !worse && !found && !named {
            return Verdict::Duplicate;
        }
        incident.severity = severity;
        incident.asks.0 |= raised.asks.0;
        incident.raised_ms = now_ms;
        incident.asset = incident.asset.take().or_else(|| raised.asset.clone());
        // A place that was missing is taken; another is not, for people are under way to the first.
        if found {
            (incident.place, incident.node) = (raised.place, node);
        }
        let away_m = incident.place.zip(raised.place).map_or(0.0, |(at, told)| at.distance_m(told));
        if found {
            self.state.reach.forget(id);
            if node.is_none() {
                self.is_nowhere(id);
            }
        }
        self.level_by_source(id, source, level);
        if before.is_none() {
            self.tell_of(id, IncidentTold::Joined { source: raised.source.clone() });
        }
        self.is_level(id, raised.level);
        if away_m > self.desk.config.merge_m {
            let why = format!(
                "incident {id} was raised again, {away_m:.0} m from where it is: people go on to where it is. Remedy: ask which is right, and send them there by an incident of another source."
            );
            self.refuse("E0499", why);
        }
        self.stale = true;
        Verdict::Applied
    }

    /// A source says a level: it can only rise, and only by what the source has not said before.
    fn level_by_source(&mut self, id: u64, source: &str, level: u8) {
        let at_ms = self.reported_ms;
        let Some(incident) = self.state.incidents.get_mut(&id) else { return };
        let told = incident.sources.entry(source.to_owned()).or_insert(Source { first_ms: at_ms, at_ms, level: 0 });
        // Of those who are kept by no name, what is later is news.
        let news = level > told.level || source.is_empty() && at_ms > told.at_ms && level > incident.level;
        (told.first_ms, told.at_ms) = (told.first_ms.min(at_ms), told.at_ms.max(at_ms));
        told.level = told.level.max(level);
        if news {
            self.rises(id, level);
        }
    }

    fn rises(&mut self, id: u64, level: u8) {
        let sure_max = 1_u8.saturating_add(self.desk.config.sure_jump);
        let Some(incident) = self.state.incidents.get(&id) else { return };
        let sure = incident.sure_level.max(level.min(sure_max));
        self.set_level(id, incident.level.max(level), sure, None);
    }

    pub(super) fn level(&mut self, id: u64, level: u8, by: Option<&Person>) -> Verdict {
        let Some(incident) = self.state.incidents.get_mut(&id) else { return self.no_incident(id) };
        let (now, sure, people) = (incident.level, incident.sure_level, incident.people);
        if !(1..=LEVEL_MAX).contains(&level) {
            let why = format!("level {level} of incident {id} is not 1 to {LEVEL_MAX}. Remedy: say which it is.");
            return self.refuse("E0492", why);
        }
        let Some(by) = by else {
            if level <= incident.automatic_level {
                return Verdict::Duplicate;
            }
            incident.automatic_level = level;
            self.rises(id, level);
            return Verdict::Applied;
        };
        if !self.is_named(by, level < now) {
            return Verdict::Applied;
        }
        let said = (level, self.heard_ms);
        if people == Some(said) {
            return Verdict::Duplicate;
        }
        if people.is_some_and(|(_, said_ms)| self.heard_ms < said_ms) {
            return self.overtaken(&format!("level {level} of incident {id}"));
        }
        if let Some(incident) = self.state.incidents.get_mut(&id) {
            incident.people = Some(said);
        }
        let jump = sure.saturating_add(self.desk.config.sure_jump);
        let sure = if level < now { sure.min(level) } else { sure.max(level.min(jump)) };
        self.set_level(id, level, sure, Some(by));
        Verdict::Applied
    }

    fn set_level(&mut self, id: u64, level: u8, sure: u8, by: Option<&Person>) {
        let Some(incident) = self.state.incidents.get_mut(&id) else { return };
        let from = incident.level;
        if (from, incident.sure_level) == (level, sure) {
            return;
        }
        (incident.level, incident.sure_level) = (level, sure);
        if level > from {
            incident.timeline.full_ms = None;
            // Whoever has left may be needed again.
            for left in std::mem::take(&mut incident.left) {
                if let Some(member) = self.state.members.get_mut(&left) {
                    member.not_to.remove(&id);
                }
            }
        }
        self.tell_of(id, IncidentTold::Level { from, to: level, sure, by: by.cloned() });
        if level != from {
            self.tell_people(id);
        }
        self.stale = true;
    }

    /// Tells those who are to know of an incident at its level: once more if they have not answered yet.
    fn tell_people(&mut self, id: u64) {
        let Some(incident) = self.state.incidents.get(&id) else { return };
        let (level, district, drill) = (incident.level, incident.district, incident.drill);
        let demand = self.desk.config.demand.level(&incident.cause, level);
        let mut tell = demand.map(|demand| demand.tell.clone()).unwrap_or_default();
        // Where nobody knows where it is, somebody has to ask.
        if incident.node.is_none() {
            tell.push(Recipient::District(district));
        }
        self.silence_opened(id);
        for to in tell {
            let rungs = self.rungs(to, district);
            self.notify(About::Opened { level }, Some(id), drill, rungs);
        }
    }

    /// What was told of a lower or higher level is not repeated any more. Whoever comes because of it can still say so.
    fn silence_opened(&mut self, id: u64) {
        let is = |notice: &Notice| notice.incident == Some(id) && matches!(notice.about, About::Opened { .. });
        let opened = self.state.notices.iter_mut().filter(|(_, notice)| is(notice));
        let old: Vec<NoticeId> = opened
            .map(|(id, notice)| {
                notice.next_ms = None;
                *id
            })
            .collect();
        for id in old.iter().rev().skip(SILENT_MAX) {
            self.state.notices.remove(id);
        }
    }

    pub(super) fn closed(&mut self, id: u64, false_alarm: bool, by: &Person) -> Verdict {
        if !self.state.incidents.contains_key(&id) {
            return self.no_incident(id);
        }
        if !self.is_named(by, true) {
            return Verdict::Applied;
        }
        self.release_all(id, by);
        self.forget_notices(id, |about| !matches!(about, About::Stop { .. }));
        self.state.reach.forget(id);
        if let Some(incident) = self.state.incidents.remove(&id) {
            let since_ms = self.now_ms;
            let Incident { cause, drill, sources, .. } = incident;
            for (of, Source { first_ms, at_ms: last_ms, .. }) in sources {
                let all = self.state.over.entry(over_key(&of, &cause, drill)).or_default();
                all.push(Over { first_ms, last_ms, since_ms });
                if all.len() > OVER_MAX {
                    all.remove(0);
                }
            }
        }
        self.tell_of(id, IncidentTold::Closed { false_alarm, by: by.clone() });
        self.stale = true;
        Verdict::Applied
    }

    pub(super) fn brigade(&mut self, id: u64) -> Verdict {
        let now_ms = self.now_ms;
        let Some(incident) = self.state.incidents.get_mut(&id) else { return self.no_incident(id) };
        if incident.timeline.brigade_ms.is_some() {
            return Verdict::Duplicate;
        }
        incident.timeline.brigade_ms = Some(now_ms);
        let after_ms = now_ms.saturating_sub(incident.opened_ms);
        self.tell_of(id, IncidentTold::Reached { stage: Stage::Brigade, after_ms });
        Verdict::Applied
    }

    pub(super) fn no_incident(&mut self, id: u64) -> Verdict {
        let why = format!("incident {id} is not open. Remedy: none if it is over; else raise it.");
        self.refuse("E0492", why)
    }

    /// Roads change, all at once.
    pub(super) fn roads(&mut self, told: &[RoadTold]) -> Verdict {
        let (at_ms, desk) = (self.heard_ms, self.desk);
        let (mut changes, mut refused, mut late) = (Vec::new(), Vec::new(), 0);
        for RoadTold { road, becomes } in told {
            match desk.network.arc(road) {
                None => refused.push((
                    "E0494",
                    format!("the map has no road \"{road}\". Remedy: load the map that the source speaks of."),
                )),
                Some(_) if !self.state.roads.entry(road.clone()).or_default().is_news(*becomes, at_ms) => late += 1,
                Some(arc) => changes.push((road, RoadChange { arc, becomes: *becomes })),
            }
        }
        let (reach, ..) = self.state.parts(desk);
        let wrong = reach.roads.apply(changes.iter().map(|(_, change)| *change));
        reach.follow();
        let is_wrong = |change: &RoadChange| wrong.iter().any(|(of, _)| of == change);
        for (road, change) in changes.iter().filter(|(_, change)| !is_wrong(change)) {
            self.state.roads.entry((*road).clone()).or_default().hears(change.becomes, at_ms);
        }
        self.state.roads.retain(|_, road| *road != Road::default());
        for (code, why) in refused {
            self.refuse(code, why);
        }
        for (_, error) in wrong {
            let text = error.to_string();
            self.refuse(error.code(), text.strip_prefix(error.code()).unwrap_or(&text).trim_start().to_owned());
        }
        self.stale = true;
        if late > 0 && late == told.len() {
            return Verdict::Late;
        }
        if late > 0 {
            let why = format!(
                "{late} of {} roads are told as they were before what is known of them: these stay as they are. Remedy: none, unless the clock of the source is behind.",
                told.len()
            );
            self.refuse("E0494", why);
        }
        Verdict::Applied
    }
}

/// What a source told of, by what it is about: the alarm of an exercise is not that of a fire.
fn over_key(source: &str, cause: &str, drill: bool) -> String {
    format!("{cause}\u{1f}{drill}\u{1f}{source}")
}
