//! People who fall, and who are asked whether they are well: countdowns go on where they were, and whoever is sent is sent once.

use serde::{Deserialize, Serialize};
use watchfire::connect::format::JsonLines;
use watchfire::dispatch::Person;
use watchfire::testing::World;
use watchfire::wristband::{
    Acceleration, Answer, Ask, CareRow, CareSays, Confirm, FallTells, FallWatch, MotionRow, Press, Wearer,
};
use watchfire::{Change, Job, TickSource, Timed};

use crate::Draw;
use crate::flows::{source, two_phase};

const PEOPLE: u64 = 4;
const BEGIN_MS: i64 = 1_700_000_000_000;

/// What comes of people.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Row {
    Motion(MotionRow),
    Care(CareRow),
}

impl Timed for Row {
    fn event_time_ms(&self) -> i64 {
        match self {
            Row::Motion(row) => row.at_ms,
            Row::Care(row) => row.at_ms,
        }
    }
}

/// A snippet of twelve seconds, with a fall or without, ten a second.
fn snippet(wearer: Wearer, from_ms: i64, falls: bool) -> impl Iterator<Item = MotionRow> {
    (0..12_000).step_by(100).filter_map(move |ms| {
        let g = match ms {
            4_700..5_000 if falls => [0.1, 0.1, 0.3],
            5_000 => [0.5, 1.0, 3.0],
            5_001.. if falls => [1.0, 0.0, 0.0],
            _ => [0.0, 0.1, 1.0],
        };
        Some(MotionRow { wearer, device: 1, at_ms: from_ms + ms, acceleration: Acceleration::from_g(g)? })
    })
}

/// What they do, and what is done about it; much of it is about what is not, or not any more.
fn happens(draw: &mut Draw) -> CareSays {
    let by = || Person::named("duty officer 7", "on the telephone");
    let nth = 1 + draw.below(3) as u32;
    match draw.below(8) {
        0 => CareSays::Sos(Press { band: 12, boot: 1, seq: nth }),
        1 => CareSays::Walked,
        2 => CareSays::Answer { nth: Some(nth), is: Answer::Well, by: by() },
        3 => CareSays::Answer { nth: None, is: [Answer::Well, Answer::Help][draw.below(2) as usize], by: by() },
        4 => CareSays::Failed { nth, ask: [Ask::Buzz, Ask::Call][draw.below(2) as usize] },
        5 => CareSays::Arrived { nth, by: by() },
        6 => CareSays::Closed { nth, false_alarm: draw.below(2) == 0, by: by() },
        _ => CareSays::Muted { until_ms: BEGIN_MS + draw.below(900_000) as i64, by: by() },
    }
}

pub(crate) struct People(Vec<Vec<Row>>);

impl People {
    pub(crate) fn new() -> Self {
        let (mut draw, mut at_ms) = (Draw(23), BEGIN_MS);
        let (mut rows, mut nth) = (Vec::new(), 0);
        while at_ms < BEGIN_MS + 900_000 {
            let wearer = Wearer::Person(draw.below(PEOPLE) as u32);
            if nth % 12 == 0 {
                rows.extend(snippet(wearer, at_ms, draw.below(3) > 0).map(Row::Motion));
            }
            // Some are from long before.
            let ago_ms = [0, 0, 0, 3_600_000][draw.below(4) as usize];
            rows.push(Row::Care(CareRow { wearer, at_ms: at_ms - ago_ms, says: happens(&mut draw) }));
            at_ms += 1 + draw.below(9_000) as i64;
            nth += 1;
        }
        People(vec![rows])
    }

    pub(crate) fn job(&self, world: &World) -> Job {
        let (source, sink) = (source(world, &self.0), two_phase(world, "told"));
        let job = Job::new(move |flow| {
            let rows = flow.source::<Row, _, _>("in", source.clone(), JsonLines::new()).rows;
            let (motions, others) = (rows.clone(), rows);
            let motions = motions.filter_map(|row| if let Row::Motion(row) = row { Some(row) } else { None });
            let others = others.filter_map(|row| if let Row::Care(row) = row { Some(row) } else { None });
            let motions = motions.key_by(|row| row.wearer).event_time(MotionRow::EVENT_TIME);
            let falls = motions.detect("falls", FallWatch::default()).out.filter_map(|change| match change {
                Change::Insert(FallTells::Concern(of)) => Some(CareRow::of(Change::Insert(of))),
                Change::Retract(FallTells::Concern(of)) => Some(CareRow::of(Change::Retract(of))),
                _ => None,
            });
            let care = falls.union(others).key_by(|row| row.wearer).event_time(CareRow::EVENT_TIME);
            care.detect("confirm", Confirm::default()).out.to_sink("told", sink.clone(), JsonLines::new());
        });
        job.ticks(TickSource::FROM_EVENTS)
    }
}
