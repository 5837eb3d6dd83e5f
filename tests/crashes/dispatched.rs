//! Those who dispatch a small town: whoever was sent was sent once, and whoever was told is told until it answers.

use std::sync::Arc;

use watchfire::alarm::Severity;
use watchfire::connect::format::JsonLines;
use watchfire::dispatch::{
    Answer, Desk, DispatchConfig, Dispatching, Mode, NoticeId, Order, Person, Raised, Report, Responder, RoadTold,
    Says, Skills, Station, Status, WaterSource,
};
use watchfire::geo::Position;
use watchfire::road::{Network, RoadState};
use watchfire::testing::World;
use watchfire::{Job, TickSource};

use crate::Draw;
use crate::flows::{source, two_phase};

/// The corners of the town lie on a line, a minute apart.
const CORNERS: u64 = 12;
const CREWS: u64 = 10;

fn corner(at: u64) -> Position {
    Position::from_degrees(30.0 + at as f64 / 100.0, 104.0).unwrap()
}

fn desk() -> Desk {
    let mut map = Network::builder();
    (0..CORNERS).for_each(|at| {
        map.node(&at.to_string(), corner(at), true);
    });
    for at in 1..CORNERS {
        let (from, to) = ((at - 1).to_string(), at.to_string());
        map.arc(&format!("up {from}"), &from, &to, 60_000.0);
        map.arc(&format!("down {from}"), &to, &from, 60_000.0);
    }
    let mut config = DispatchConfig::default();
    for (number, at) in [(1, 0), (2, 5), (3, 11)] {
        config.stations.insert(number, Station { place: corner(at), district: 1 + number % 2 });
    }
    config.depots.insert(1, Station { place: corner(7), district: 2 });
    if let Some(fire) = config.demand.causes.get_mut("fire") {
        fire.levels.iter_mut().for_each(|level| {
            level.supplies.insert("foam can".to_owned(), 2);
        });
    }
    Desk::new(config, Arc::new(map.build().unwrap())).unwrap()
}

/// What happens in the town; much of it is about what is not, or not any more.
fn happens(draw: &mut Draw, at_ms: i64) -> Says {
    let by = || Person::named("duty officer 7", "as the rules say");
    let responder = 1 + draw.below(CREWS);
    let incident = 1 + draw.below(12);
    match draw.below(18) {
        0 | 1 => {
            let place = Some(corner(draw.below(CORNERS)));
            let (level, district, drill) = (1 + draw.below(2) as u8, 1 + draw.below(2) as u32, draw.below(8) == 0);
            let (source, severity) = (format!("panel {at_ms}"), Severity::Alarm);
            Says::Raised(Raised {
                source,
                cause: "fire".into(),
                place,
                severity,
                level,
                district,
                asks: Skills(0),
                asset: None,
                drill,
            })
        }
        2 => Says::Closed { incident, false_alarm: false, by: by() },
        3..=6 => {
            let all = [Status::Rolling, Status::OnScene, Status::Returning, Status::Available, Status::OutOfService];
            Says::Status { responder, status: all[draw.below(5) as usize], incident: None }
        }
        7 => Says::Fix { responder, place: corner(draw.below(CORNERS)) },
        8 | 9 => {
            let becomes = [RoadState::Closed, RoadState::Open, RoadState::Takes(90_000)][draw.below(3) as usize];
            let road = format!("{} {}", ["up", "down"][draw.below(2) as usize], draw.below(CORNERS - 1));
            Says::Roads(vec![RoadTold { road, becomes }])
        }
        10 => {
            let order = [Some(Order::Goes { incident }), Some(Order::Stays), None][draw.below(3) as usize];
            Says::Order { responder, order, by: by() }
        }
        11..=13 => {
            let all = [Answer::Delivered, Answer::Read, Answer::Accepted, Answer::Refused, Answer::Arrived];
            Says::Answer { notice: NoticeId(1 + draw.below(120)), answer: all[draw.below(5) as usize] }
        }
        14 => {
            let (place, flow_lps) = (corner(draw.below(CORNERS)), 15 * draw.below(3) as u32);
            Says::Water { source: draw.below(4), is: WaterSource { place, flow_lps } }
        }
        15 => {
            let (depot, item, count) = (1, "foam can".to_owned(), draw.below(8) as u32);
            if draw.below(2) == 0 {
                Says::Stock { depot, item, count }
            } else {
                Says::Handed { incident, depot, item, count }
            }
        }
        16 => Says::Decided { change: 1 + draw.below(80), accept: draw.below(2) == 0, by: by() },
        _ => Says::Level { incident, level: 1 + draw.below(3) as u8, by: Some(by()) },
    }
}

/// Districts of which one lets the plan decide.
pub(crate) struct Dispatched(Vec<Vec<Report>>);

impl Dispatched {
    pub(crate) fn new() -> Self {
        let (mut draw, mut at_ms) = (Draw(11), 1_700_000_000_000);
        let mut says: Vec<Says> =
            (1..=CREWS).map(|id| Says::Joined(Responder::crew(id, 1 + id as u32 % 3, Skills(1)))).collect();
        says.push(Says::Mode { district: 1, mode: Mode::Auto, by: Person::named("duty officer 7", "night") });
        let mut reports = Vec::new();
        for nth in 0..250 {
            at_ms += 1 + draw.below(20_000) as i64;
            let says = says.get(nth).cloned().unwrap_or_else(|| happens(&mut draw, at_ms));
            reports.push(Report { theatre: 1, at_ms, says });
        }
        Dispatched(vec![reports])
    }

    pub(crate) fn job(&self, world: &World) -> Job {
        let (source, sink) = (source(world, &self.0), two_phase(world, "dispatched"));
        let desk = Dispatching::new(desk());
        let job = Job::new(move |flow| {
            let reports = flow.source::<Report, _, _>("in", source.clone(), JsonLines::new()).rows;
            let told = reports.key_by(|report| report.theatre).detect("dispatch", desk.clone()).out;
            told.to_sink("dispatched", sink.clone(), JsonLines::new());
        });
        job.ticks(TickSource::FROM_EVENTS)
    }
}
