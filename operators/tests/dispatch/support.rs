//! A small city, and somebody who tells the desk what happens.

use std::sync::Arc;

use watchfire_engine::Verdict;
use watchfire_operators::alarm::Severity;
use watchfire_operators::dispatch::{
    Answer, Desk, DeskState, Dispatch, DispatchConfig, IncidentTold, Message, Mode, Move, NoticeId, Person, PlanChange,
    Raised, Report, Responder, RoadTold, Says, Skills, Standing, Station, Status, Tells,
};
use watchfire_operators::geo::Position;
use watchfire_operators::road::{Network, RoadState};

pub const FIRE: Skills = DispatchConfigFire::FIRE;
/// What a lift mechanic with the licence for a brand can do.
pub const LIFT: Skills = Skills(2);

type DispatchConfigFire = watchfire_operators::dispatch::DemandConfig;

/// The side of the city, in corners.
pub const SIDE: u32 = 6;

/// A corner, 1 km from the next.
pub fn corner(x: u32, y: u32) -> Position {
    Position::from_degrees(30.0 + f64::from(y) * 0.009, 104.0 + f64::from(x) * 0.010_4).unwrap()
}

/// Streets between the corners, each a minute long in both directions: "x,y-x,y" is one.
pub fn city() -> Arc<Network> {
    let mut map = Network::builder();
    let name = |x: u32, y: u32| format!("{x},{y}");
    for (x, y) in (0..SIDE).flat_map(|x| (0..SIDE).map(move |y| (x, y))) {
        map.node(&name(x, y), corner(x, y), true);
    }
    for (x, y) in (0..SIDE).flat_map(|x| (0..SIDE).map(move |y| (x, y))) {
        for (to_x, to_y) in [(x + 1, y), (x, y + 1)].into_iter().filter(|(x, y)| *x < SIDE && *y < SIDE) {
            let (a, b) = (name(x, y), name(to_x, to_y));
            map.arc(&format!("{a}-{b}"), &a, &b, 60_000.0);
            map.arc(&format!("{b}-{a}"), &b, &a, 60_000.0);
        }
    }
    Arc::new(map.build().unwrap())
}

/// Stations 1 to 4 at the corners of the city, 5 near its middle; station 1 and 2 belong to district 1, the others to 2.
pub fn config() -> DispatchConfig {
    let last = SIDE - 1;
    let places = [(0, 0), (last, 0), (0, last), (last, last), (2, 2)];
    let station = |(x, y), district| Station { place: corner(x, y), district };
    let stations = (1..).zip(places).map(|(number, at)| (number, station(at, if number < 3 { 1 } else { 2 })));
    DispatchConfig { stations: stations.collect(), turnout_ms: 60_000, ..DispatchConfig::default() }
}

/// The desk, and what it has told.
pub struct Watch {
    pub desk: Desk,
    pub state: DeskState,
    pub now_ms: i64,
    /// All that was told, and up to where it was looked at.
    pub told: Vec<Dispatch>,
    seen: usize,
}

impl Watch {
    /// An empty city, on a clock that begins at 1,000,000.
    pub fn over(config: DispatchConfig) -> Watch {
        let desk = Desk::new(config, city()).unwrap();
        Watch { desk, state: DeskState::default(), now_ms: 1_000_000, told: Vec::new(), seen: 0 }
    }

    /// One crew at each station, by its number; both districts let the plan decide.
    pub fn auto() -> Watch {
        let mut watch = Watch::recommending();
        for district in [1, 2] {
            watch.says(Says::Mode { district, mode: Mode::Auto, by: duty() });
        }
        watch.fresh();
        watch
    }

    /// One crew at each station, by its number; people decide.
    pub fn recommending() -> Watch {
        let mut watch = Watch::over(config());
        (1..=5).for_each(|number| {
            watch.says(Says::Joined(Responder::crew(number, number as u32, FIRE)));
        });
        watch.fresh();
        watch
    }

    pub fn says(&mut self, says: Says) -> Verdict {
        self.said_at(self.now_ms, says)
    }

    /// Something that was so at another time than now.
    pub fn said_at(&mut self, at_ms: i64, says: Says) -> Verdict {
        let report = Report { theatre: 1, at_ms, says };
        self.desk.report(&mut self.state, &report, self.now_ms, &mut self.told)
    }

    /// Time passes: the desk is woken whenever it has asked for that.
    pub fn wait_s(&mut self, seconds: i64) {
        let until_ms = self.now_ms + seconds * 1_000;
        while let Some(due_ms) = self.desk.due_ms(&self.state).filter(|due_ms| *due_ms <= until_ms) {
            self.now_ms = due_ms.max(self.now_ms);
            self.desk.tick(&mut self.state, 1, self.now_ms, &mut self.told);
        }
        self.now_ms = until_ms;
    }

    /// What was told since this was asked last.
    pub fn fresh(&mut self) -> Vec<Tells> {
        let fresh = self.told[self.seen..].iter().map(|told| told.tells.clone()).collect();
        self.seen = self.told.len();
        fresh
    }

    /// Changes of the plan of incidents since last asked: who, where to, and what has become of it.
    pub fn changes(&mut self) -> Vec<(u64, Move, &'static str)> {
        let plan = self.fresh().into_iter().filter_map(|tells| match tells {
            Tells::Plan(change) if !matches!(change.to, Move::MoveUp { .. }) => Some(*change),
            _ => None,
        });
        plan.map(|PlanChange { responder, to, standing, .. }| (responder, to, named(&standing))).collect()
    }

    /// What was told of incidents since last asked.
    pub fn of_incidents(&mut self) -> Vec<(u64, IncidentTold)> {
        let fresh = self.fresh().into_iter();
        fresh
            .filter_map(
                |tells| if let Tells::Incident { incident, what } = tells { Some((incident, what)) } else { None },
            )
            .collect()
    }

    /// Codes of what was refused since last asked.
    pub fn refusals(&mut self) -> Vec<String> {
        let fresh = self.fresh().into_iter();
        fresh.filter_map(|tells| if let Tells::Refused(refused) = tells { Some(refused.code) } else { None }).collect()
    }

    /// Notices that went out since last asked.
    pub fn messages(&mut self) -> Vec<Message> {
        let fresh = self.fresh().into_iter();
        fresh.filter_map(|tells| if let Tells::Message(message) = tells { Some(message) } else { None }).collect()
    }

    pub fn fire(&mut self, x: u32, y: u32) -> u64 {
        self.raised(raised(&format!("panel {x},{y}"), "fire", x, y))
    }

    /// The incident that is open since.
    pub fn raised(&mut self, raised: Raised) -> u64 {
        self.says(Says::Raised(raised));
        self.state.incidents.keys().copied().max().unwrap_or_default()
    }

    pub fn status(&mut self, responder: u64, status: Status) -> Verdict {
        self.says(Says::Status { responder, status, incident: None })
    }

    pub fn seen(&mut self, responder: u64, x: u32, y: u32) -> Verdict {
        self.says(Says::Fix { responder, place: corner(x, y) })
    }

    pub fn road(&mut self, road: &str, becomes: RoadState) -> Verdict {
        self.says(Says::Roads(vec![RoadTold { road: road.to_owned(), becomes }]))
    }

    pub fn answers(&mut self, notice: NoticeId, answer: Answer) -> Verdict {
        self.says(Says::Answer { notice, answer })
    }

    pub fn close(&mut self, incident: u64) -> Verdict {
        self.says(Says::Closed { incident, false_alarm: false, by: duty() })
    }

    /// Accepts all that is recommended, until nothing more is.
    pub fn accept_all(&mut self) {
        let mut accepted = 0;
        while let Some(offer) = self.state.members.values().find_map(|member| member.offer) {
            self.says(Says::Decided { change: offer.change, accept: true, by: duty() });
            accepted += 1;
            assert!(accepted < 500, "what was accepted is not what is recommended next: {:?}", self.changes());
        }
    }

    /// To which incident a responder was sent.
    pub fn claim(&self, responder: u64) -> Option<u64> {
        self.state.members[&responder].claim.map(|claim| claim.incident)
    }
}

pub fn raised(source: &str, cause: &str, x: u32, y: u32) -> Raised {
    Raised {
        source: source.to_owned(),
        cause: cause.to_owned(),
        place: Some(corner(x, y)),
        severity: Severity::Alarm,
        level: 1,
        district: 1,
        asks: Skills(0),
        asset: None,
        drill: false,
    }
}

pub fn duty() -> Person {
    Person::named("duty officer 7", "as the rules say")
}

fn named(standing: &Standing) -> &'static str {
    match standing {
        Standing::Recommended => "recommended",
        Standing::Done { .. } => "done",
        Standing::Withdrawn => "withdrawn",
        Standing::Declined { .. } => "declined",
    }
}
