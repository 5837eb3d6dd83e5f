//! What happens in the district and what people do about it: reports in order of arrival, a function of the seed.
//!
//! People act on what those who dispatch tell them. So the desk is asked here as well, on the clock that the job has, and what it tells decides what
//! is reported next: crews answer, set out, drive, arrive, return; officers decide, depots hand out, fires grow and are put out.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use watchfire::alarm::Severity;
use watchfire::connect::datagen::Draw;
use watchfire::dispatch::{
    About, Answer, Desk, DeskState, Dispatch, IncidentTold, Message, Mode, Person, Raised, Recipient, Report,
    Responder, RoadTold, Says, Skills, Stage, Standing, Status, Tells, WaterSource,
};
use watchfire::geo::Position;
use watchfire::road::{NodeId, RoadChange, RoadState, Roads};

use crate::crew::{Aim, Crew, Doing};
use crate::streets::{EAST, FOAM, Streets, WEST};
use crate::world::{Fires, World};

const MINUTE_MS: i64 = 60_000;

/// How often a crew on its way says where it is.
const SEEN_EVERY_MS: i64 = 30_000;

/// What is drawn from the seed here.
const DRAWS: u32 = 4;

/// Something that comes.
#[derive(Debug)]
enum Next {
    Fire(u64),
    Says(Box<Says>),
    /// The same report once more.
    Again(Box<Report>),
    /// A crew sets out.
    Leaves(u64),
    /// A crew is at the next corner.
    Corner(u64, NodeId),
    Grows(u64),
    HandsOut {
        incident: u64,
        depot: u32,
    },
    Closure,
}

/// The clock that the job has: it ticks by the seconds of what comes.
#[derive(Clone, Copy, Debug)]
struct Clock {
    latest_ms: i64,
    ticked_ms: i64,
}

impl Clock {
    fn sees(&mut self, event_ms: i64) -> Option<i64> {
        // What is an hour ahead is a device that is wrong.
        if event_ms <= self.latest_ms || event_ms > self.latest_ms + 3_600_000 {
            return None;
        }
        self.latest_ms = event_ms;
        let tick_ms = event_ms - event_ms.rem_euclid(1_000);
        (tick_ms > self.ticked_ms).then(|| {
            self.ticked_ms = tick_ms;
            tick_ms
        })
    }
}

/// Who is dispatched, and to what.
pub enum Theatre {
    Fires,
    Lifts,
}

/// The numbers of the theatres.
pub const FIRES: u32 = 1;
pub const LIFTS: u32 = 2;

pub struct District {
    theatre: u32,
    streets: Arc<Streets>,
    fires: Fires,
    /// How long a rescue from a lift takes, minutes.
    rescue_min: (u32, u32),
    desk: Desk,
    state: DeskState,
    clock: Clock,
    /// As they are driven on.
    roads: Roads,
    crews: BTreeMap<u64, Crew>,
    seed: u64,
    draws: u64,
    agenda: BTreeMap<(i64, u64), Next>,
    planned: u64,
    reports: VecDeque<Report>,
    end_ms: i64,
}

fn officer() -> Person {
    Person::named("officer on duty", "as the district has agreed")
}

impl District {
    pub fn new(
        world: &World,
        streets: Arc<Streets>,
        (start_ms, end_ms): (i64, i64),
        seed: u64,
        theatre: Theatre,
    ) -> Result<District, Box<dyn std::error::Error>> {
        let (number, desk) = match theatre {
            Theatre::Fires => (FIRES, streets.desk()?),
            Theatre::Lifts => (LIFTS, streets.desk_of_lifts()?),
        };
        let roads = Roads::new(streets.network.clone());
        let mut district = District {
            theatre: number,
            fires: world.fires,
            rescue_min: (world.lifts.rescue_min, world.lifts.rescue_max),
            desk,
            state: DeskState::default(),
            clock: Clock { latest_ms: start_ms, ticked_ms: start_ms - start_ms.rem_euclid(1_000) },
            roads,
            crews: BTreeMap::new(),
            seed,
            draws: 0,
            agenda: BTreeMap::new(),
            planned: 0,
            reports: VecDeque::new(),
            end_ms,
            streets,
        };
        match theatre {
            Theatre::Fires => district.fires_begin(start_ms),
            Theatre::Lifts => district.lifts_begin(start_ms),
        }
        Ok(district)
    }

    /// A mechanic stands by at each station, with the licence for one brand of three.
    fn lifts_begin(&mut self, now_ms: i64) {
        let mut says = Vec::new();
        for (nth, station) in self.streets.stations.keys().copied().collect::<Vec<_>>().into_iter().enumerate() {
            let at = self.node_of(self.streets.stations.get(&station).map(|of| of.place));
            self.crews.insert(u64::from(station), Crew::of(station, at.unwrap_or(NodeId(0))));
            let mechanic = Responder::crew(u64::from(station), station, Skills(1 << (nth % 3)));
            says.push(Says::Joined(Responder { people: 1, ..mechanic }));
        }
        says.extend([WEST, EAST].map(|district| Says::Mode { district, mode: Mode::Auto, by: officer() }));
        says.into_iter().for_each(|says| self.in_ms(now_ms, 0, Next::Says(Box::new(says))));
    }

    /// Who is on duty, and what there is.
    fn fires_begin(&mut self, now_ms: i64) {
        let mut says = Vec::new();
        for (station, crews) in self.streets.crews.clone() {
            for nth in 0..u64::from(crews) {
                let id = u64::from(station) * 10 + nth;
                let at = self.node_of(self.streets.stations.get(&station).map(|of| of.place));
                self.crews.insert(id, Crew::of(station, at.unwrap_or(NodeId(0))));
                says.push(Says::Joined(Responder::crew(id, station, Skills(1))));
            }
        }
        says.push(Says::Mode { district: WEST, mode: Mode::Auto, by: officer() });
        for source in 0..u64::from(self.fires.hydrants) {
            let place = self.streets.corner(&mut Draw::new(self.seed, DRAWS + 1, source));
            says.push(Says::Water { source, is: WaterSource { place, flow_lps: 15 } });
        }
        for depot in self.streets.depots.keys() {
            says.push(Says::Stock { depot: *depot, item: FOAM.to_owned(), count: 40 });
        }
        says.into_iter().for_each(|says| self.in_ms(now_ms, 0, Next::Says(Box::new(says))));
        self.next_fire(now_ms, 0);
        self.next_closure(now_ms);
    }

    fn node_of(&self, place: Option<Position>) -> Option<NodeId> {
        Some(self.streets.network.nearest(place?)?.0)
    }

    fn draw(&mut self) -> Draw {
        self.draws += 1;
        Draw::new(self.seed, DRAWS + 16 * (self.theatre - FIRES), self.draws)
    }

    /// A time between two, seconds.
    fn within_s(&mut self, from_s: i64, to_s: i64) -> i64 {
        self.draw().between(from_s * 1_000, to_s * 1_000)
    }

    /// How long until something comes of which so many come an hour, independent of each other; nothing if none do.
    fn gap_ms(&mut self, an_hour: f64) -> Option<i64> {
        let share = 1.0 - self.draw().unit();
        (an_hour > 0.0).then(|| (-share.ln() / an_hour * 3_600_000.0) as i64)
    }

    fn in_ms(&mut self, now_ms: i64, wait_ms: i64, next: Next) {
        self.planned += 1;
        self.agenda.insert((now_ms + wait_ms, self.planned), next);
    }

    fn says_in(&mut self, now_ms: i64, (from_s, to_s): (i64, i64), says: Says) {
        let wait_ms = self.within_s(from_s, to_s);
        self.in_ms(now_ms, wait_ms, Next::Says(Box::new(says)));
    }

    /// When something is next to be seen to here; it may come to nothing.
    pub fn next_ms(&self) -> i64 {
        let planned = self.agenda.keys().next().map(|(at_ms, _)| *at_ms);
        let report = self.reports.front().map(|_| i64::MIN);
        report.or(planned).filter(|at_ms| *at_ms < self.end_ms).unwrap_or(i64::MAX)
    }

    /// The next report that comes before something else does.
    pub fn before(&mut self, other_ms: i64) -> Option<Report> {
        while self.reports.is_empty() {
            let entry = self.agenda.first_entry().filter(|entry| entry.key().0 < other_ms.min(self.end_ms))?;
            let ((now_ms, _), next) = entry.remove_entry();
            self.comes(now_ms, next);
        }
        self.reports.pop_front()
    }

    /// Whether the clock ticks if something so new comes.
    pub fn ticks_at(&self, event_ms: i64) -> bool {
        let mut clock = self.clock;
        clock.sees(event_ms).is_some()
    }

    /// Something else than a report came: whether the clock has ticked.
    pub fn passes(&mut self, now_ms: i64, event_ms: i64) -> bool {
        let tick_ms = self.clock.sees(event_ms);
        tick_ms.into_iter().for_each(|tick_ms| self.ticks(now_ms, tick_ms));
        tick_ms.is_some()
    }

    fn ticks(&mut self, now_ms: i64, tick_ms: i64) {
        if self.desk.due_ms(&self.state).is_some_and(|due_ms| due_ms <= tick_ms) {
            let mut told = Vec::new();
            self.desk.tick(&mut self.state, self.theatre, tick_ms, &mut told);
            self.hears(now_ms, told);
        }
    }

    fn comes(&mut self, now_ms: i64, next: Next) {
        match next {
            Next::Says(says) => self.says(now_ms, *says),
            Next::Again(report) => self.report(now_ms, *report),
            Next::Fire(nth) => self.burns(now_ms, nth),
            Next::Leaves(crew) => self.leaves(now_ms, crew),
            Next::Corner(crew, at) => self.corner(now_ms, crew, at),
            Next::Grows(incident) => self.grows(now_ms, incident),
            Next::HandsOut { incident, depot } => self.hands_out(now_ms, incident, depot),
            Next::Closure => self.closure(now_ms),
        }
    }

    fn says(&mut self, now_ms: i64, says: Says) {
        self.report(now_ms, Report { theatre: self.theatre, at_ms: now_ms, says });
    }

    /// Lifts have raised it: the job hears of it by itself.
    pub fn raised(&mut self, now_ms: i64, report: &Report) {
        let mut told = Vec::new();
        self.desk.report(&mut self.state, report, self.clock.ticked_ms, &mut told);
        self.hears(now_ms, told);
    }

    fn report(&mut self, now_ms: i64, report: Report) {
        let is_first = report.at_ms == now_ms;
        if let Some(tick_ms) = self.clock.sees(report.at_ms) {
            self.ticks(now_ms, tick_ms);
        }
        if let Says::Roads(roads) = &report.says {
            let arc = |road: &str| self.streets.network.arc(road);
            let changes = roads.iter().filter_map(|of| Some(RoadChange { arc: arc(&of.road)?, becomes: of.becomes }));
            self.roads.apply(changes);
        }
        let mut told = Vec::new();
        self.desk.report(&mut self.state, &report, self.clock.ticked_ms, &mut told);
        self.reports.push_back(report.clone());
        // Some come twice.
        if is_first && self.draw().unit() < 0.03 {
            let wait_ms = self.within_s(1, 5);
            self.in_ms(now_ms, wait_ms, Next::Again(Box::new(report)));
        }
        self.hears(now_ms, told);
    }

    fn next_fire(&mut self, now_ms: i64, nth: u64) {
        if let Some(wait_ms) = self.gap_ms(self.fires.an_hour) {
            self.in_ms(now_ms, wait_ms, Next::Fire(nth));
        }
    }

    fn burns(&mut self, now_ms: i64, nth: u64) {
        let mut draw = self.draw();
        let place = self.streets.address(&mut draw);
        let raised = Raised {
            source: format!("panel/{nth}"),
            cause: "fire".to_owned(),
            place: Some(place),
            severity: if draw.unit() < 0.2 { Severity::Violation } else { Severity::Alarm },
            level: if draw.unit() < 0.15 { 2 } else { 1 },
            district: self.streets.district_of(place),
            asks: Skills(0),
            asset: None,
            drill: draw.unit() < 0.05,
        };
        // Somebody calls, too.
        if draw.unit() < 0.4 {
            let call = Raised { source: format!("call/{nth}"), ..raised.clone() };
            self.says_in(now_ms, (20, 60), Says::Raised(call));
        }
        self.says(now_ms, Says::Raised(raised));
        self.next_fire(now_ms, nth + 1);
    }

    fn next_closure(&mut self, now_ms: i64) {
        if let Some(wait_ms) = self.gap_ms(self.fires.closures_an_hour) {
            self.in_ms(now_ms, wait_ms, Next::Closure);
        }
    }

    /// A street is closed, or slow, for a while.
    fn closure(&mut self, now_ms: i64) {
        let mut draw = self.draw();
        let (road, free_ms) = self.streets.road(&mut draw);
        let slow = RoadState::Takes(i64::from(free_ms) * 3);
        let (becomes, then) = match draw.unit() {
            half if half < 0.5 => (RoadState::Closed, RoadState::Open),
            _ => (slow, RoadState::Takes(free_ms.into())),
        };
        let told = |becomes| Says::Roads(vec![RoadTold { road: road.clone(), becomes }]);
        self.says_in(now_ms, (600, 2_400), told(then));
        self.says(now_ms, told(becomes));
        self.next_closure(now_ms);
    }

    fn hears(&mut self, now_ms: i64, told: Vec<Dispatch>) {
        for Dispatch { tells, .. } in told {
            match tells {
                Tells::Incident { incident, what: IncidentTold::Reached { stage: Stage::Joins, .. } } => {
                    self.is_there(now_ms, incident);
                }
                Tells::Plan(change) if change.standing == Standing::Recommended => {
                    let decided = Says::Decided { change: change.change, accept: true, by: officer() };
                    self.says_in(now_ms, (8, 30), decided);
                }
                Tells::Message(message) => self.is_told(now_ms, &message),
                _ => {}
            }
        }
    }

    /// The first crew is at a fire: it may be worse than it looked, and it is put out some time.
    fn is_there(&mut self, now_ms: i64, incident: u64) {
        if self.theatre == LIFTS {
            let (least, most) = self.rescue_min;
            let rescue_s = (i64::from(least) * 60, i64::from(most) * 60);
            return self.says_in(now_ms, rescue_s, Says::Closed { incident, false_alarm: false, by: officer() });
        }
        let Fires { growing_share, work_min, work_max, .. } = self.fires;
        if self.draw().unit() < growing_share {
            let wait_ms = self.within_s(30, 180);
            self.in_ms(now_ms, wait_ms, Next::Grows(incident));
        }
        let false_alarm = self.draw().unit() < 0.1;
        let work_s = (i64::from(work_min) * 60, i64::from(work_max) * 60);
        self.says_in(now_ms, work_s, Says::Closed { incident, false_alarm, by: officer() });
    }

    fn grows(&mut self, now_ms: i64, incident: u64) {
        let Some(level) = self.state.incidents.get(&incident).map(|of| (of.level + 1).min(5)) else { return };
        let by = Some(Person::named("crew leader", "it burns through the roof"));
        self.says(now_ms, Says::Level { incident, level, by });
    }

    /// Whoever is told something does it; some do not hear the first time.
    fn is_told(&mut self, now_ms: i64, message: &Message) {
        let deaf = message.time == 1 && self.draw().unit() < 0.1;
        if deaf || message.time > 2 {
            return;
        }
        let answer = |answer| Says::Answer { notice: message.notice, answer };
        match (message.to, message.about, message.incident) {
            (Recipient::Responder(crew), About::Go { .. }, Some(incident)) => {
                self.says_in(now_ms, (4, 12), answer(Answer::Accepted));
                self.sets_out(now_ms, crew, Aim::Incident(incident));
            }
            (Recipient::Responder(crew), About::Stop { .. }, _) => {
                self.says_in(now_ms, (4, 12), answer(Answer::Read));
                self.goes_back(now_ms, crew);
            }
            (Recipient::Responder(crew), About::Cover { station, .. }, _) => {
                self.says_in(now_ms, (4, 12), answer(Answer::Accepted));
                self.sets_out(now_ms, crew, Aim::Station(station));
            }
            (Recipient::Brigade, ..) => {
                self.says_in(now_ms, (5, 20), answer(Answer::Accepted));
                self.says_in(now_ms, (240, 480), answer(Answer::Arrived));
            }
            (Recipient::Depot(depot), _, Some(incident)) => {
                self.says_in(now_ms, (5, 20), answer(Answer::Accepted));
                let wait_ms = self.within_s(60, 180);
                self.in_ms(now_ms, wait_ms, Next::HandsOut { incident, depot });
            }
            _ => self.says_in(now_ms, (10, 40), answer(Answer::Read)),
        }
    }

    fn sets_out(&mut self, now_ms: i64, id: u64, aim: Aim) {
        let wait_ms = self.within_s(35, 75);
        if self.crews.get_mut(&id).is_some_and(|crew| crew.turns_to(aim)) {
            self.in_ms(now_ms, wait_ms, Next::Leaves(id));
        }
    }

    fn goes_back(&mut self, now_ms: i64, id: u64) {
        let Some(crew) = self.crews.get_mut(&id) else { return };
        let (was, home) = (crew.doing, crew.home);
        let has_not_left = was == Doing::Leaving && self.state.members.get(&id).is_some_and(|of| of.fix.is_none());
        let packs_up = crew.turns_to(Aim::Station(home));
        if packs_up {
            let wait_ms = self.within_s(60, 300);
            self.in_ms(now_ms, wait_ms, Next::Leaves(id));
        }
        if was != Doing::Inside && !has_not_left {
            let says = Says::Status { responder: id, status: Status::Returning, incident: None };
            self.says_in(now_ms, (15, 25), says);
        }
    }

    fn target(&self, aim: Aim) -> Option<NodeId> {
        match aim {
            Aim::Station(station) => self.node_of(self.streets.stations.get(&station).map(|of| of.place)),
            Aim::Incident(incident) => self.state.incidents.get(&incident)?.node,
        }
    }

    fn leaves(&mut self, now_ms: i64, id: u64) {
        let Some(Crew { doing: Doing::Leaving, aim, .. }) = self.crews.get(&id).cloned() else { return };
        if let (Aim::Incident(incident), Some(_)) = (aim, self.target(aim)) {
            self.status(now_ms, id, Status::Rolling, Some(incident));
        }
        self.drives(now_ms, id);
    }

    /// On to the next corner, or it is there.
    fn drives(&mut self, now_ms: i64, id: u64) {
        let aim = self.crews.get(&id).map(|crew| crew.aim);
        let target = aim.and_then(|aim| self.target(aim));
        let slow = 0.9 + 0.4 * self.draw().unit();
        let Some((crew, aim)) = self.crews.get_mut(&id).zip(aim) else { return };
        let Some(target) = target else {
            // What it drives to is over: it waits to be told.
            crew.doing = Doing::Leaving;
            return self.in_ms(now_ms, MINUTE_MS, Next::Leaves(id));
        };
        if crew.at == target {
            return self.arrives(now_ms, id, aim);
        }
        let street = crew.next_street(&self.roads, target);
        match street.and_then(|arc| Some((arc, self.roads.time_ms(arc)?))) {
            Some((arc, takes_ms)) => {
                let to = self.streets.network.to(arc);
                self.in_ms(now_ms, (f64::from(takes_ms) * slow) as i64, Next::Corner(id, to));
            }
            None => self.in_ms(now_ms, MINUTE_MS, Next::Leaves(id)),
        }
    }

    fn corner(&mut self, now_ms: i64, id: u64, at: NodeId) {
        let Some(crew) = self.crews.get_mut(&id) else { return };
        crew.at = at;
        if now_ms - crew.seen_ms >= SEEN_EVERY_MS {
            crew.seen_ms = now_ms;
            let place = self.streets.network.position(at);
            self.says(now_ms, Says::Fix { responder: id, place });
        }
        self.drives(now_ms, id);
    }

    fn arrives(&mut self, now_ms: i64, id: u64, aim: Aim) {
        let (doing, status, incident) = match aim {
            Aim::Station(_) => (Doing::Inside, Status::Available, None),
            Aim::Incident(incident) => (Doing::OnScene, Status::OnScene, Some(incident)),
        };
        let Some(crew) = self.crews.get_mut(&id) else { return };
        crew.doing = doing;
        let place = self.streets.network.position(crew.at);
        self.says(now_ms, Says::Fix { responder: id, place });
        self.status(now_ms, id, status, incident);
    }

    fn status(&mut self, now_ms: i64, responder: u64, status: Status, incident: Option<u64>) {
        let says = Says::Status { responder, status, incident };
        self.says(now_ms, says);
    }

    fn hands_out(&mut self, now_ms: i64, incident: u64, depot: u32) {
        let of = self.state.incidents.get(&incident).and_then(|of| of.supplies.get(FOAM));
        if let Some(count) = of.and_then(|supply| supply.set_aside.get(&depot)).copied() {
            let says = Says::Handed { incident, depot, item: FOAM.to_owned(), count };
            self.says(now_ms, says);
        }
    }
}
