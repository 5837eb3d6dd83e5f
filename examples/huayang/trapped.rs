//! The cars of the street's lifts, what people do about those who are trapped in them, and how soon a mechanic was there.

use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use watchfire::calendar::Zone;
use watchfire::connect::datagen::Draw;
use watchfire::dispatch::{Dispatch, IncidentTold, Person, Report, Skills, Stage, Tells};
use watchfire::elevator::{
    Lift, LiftBook, LiftRow, LiftSays, LiftSim, LiftSimConfig, LiftTold, PersonSensor, RescueStep, Tells as Told,
    TrapConfig, Trapped, Trapping, Trouble, Troubles, reports_to,
};
use watchfire::{Compose, Error, Job, Receiver, Running, Sender, Stream, TickSource, Timed};

use crate::district::LIFTS;
use crate::streets::Streets;
use crate::world::{self, World};

const DAY_MS: i64 = 86_400_000;
const HOUR_MS: i64 = 3_600_000;

/// Firms that maintain lifts.
pub const FIRMS: u32 = 5;

/// Nothing of a building waits for longer, milliseconds: a little more than rows are out of order.
const WAIT_MS: i64 = 2_100;

/// The lifts as they are built: from the day on which `at_ms` is.
pub fn sim(world: &World, seed: u64, at_ms: i64) -> LiftSim {
    let lifts = world.counts.lifts.max(1);
    LiftSim::new(LiftSimConfig {
        seed,
        lifts: world.counts.lifts,
        lifts_a_building: world.lifts.a_building,
        first_day_ms: Zone::default().day_of(at_ms).start,
        trappings_a_day: world.lifts.trapped_an_hour * 24.0 / f64::from(lifts),
        ..LiftSimConfig::default()
    })
}

/// Where lifts are, who maintains them, and the licence for their brand.
pub fn book(world: &World, streets: &Streets, sim: &LiftSim) -> LiftBook {
    let lift = |number: u32| {
        let building = sim.building(number);
        let place = streets.address(&mut Draw::new(world.seed, world::LIFTS, building.into()));
        Lift {
            building: Some(building),
            place: Some(place),
            district: streets.district_of(place),
            licence: Skills(1 << (number % 3)),
            firm: 1 + number % FIRMS,
            senses_people: sim.gateway(number).sensor != PersonSensor::Missing,
        }
    };
    LiftBook::new((1..=world.counts.lifts).map(|number| (number, lift(number))))
}

/// What cars tell and people say, in order of arrival, an hour made at a time.
#[derive(Debug, Clone)]
pub struct Cars {
    sim: LiftSim,
    next_ms: i64,
    end_ms: i64,
    rows: VecDeque<(i64, LiftRow)>,
    /// What arrives after the hour.
    later: Vec<(i64, LiftRow)>,
}

impl Cars {
    /// From one time until another; none of no lifts.
    pub fn new(sim: LiftSim, (start_ms, end_ms): (i64, i64)) -> Cars {
        let broken =
            |sensor| matches!(sensor, PersonSensor::Failed | PersonSensor::StuckPresent | PersonSensor::StuckAbsent);
        // What is known to be out of order is said in the morning, and again each day.
        let out = (1..=sim.config().lifts).filter(|lift| broken(sim.gateway(*lift).sensor)).flat_map(|lift| {
            (start_ms..end_ms).step_by(DAY_MS as usize).map(move |at_ms| {
                let by = Person::named("caretaker", "the sensor is out of order");
                let says = LiftSays::SensorOut { until_ms: at_ms + DAY_MS * 3 / 2, by };
                (at_ms, LiftRow { lift, at_ms, says })
            })
        });
        let mut out: Vec<(i64, LiftRow)> = out.collect();
        out.sort_by_key(|(at_ms, row)| (*at_ms, row.lift));
        let later = out.split_off(out.partition_point(|(at_ms, _)| *at_ms == start_ms));
        Cars { rows: out.into(), sim, next_ms: start_ms, end_ms, later }
    }

    fn hour(&mut self) {
        let (from_ms, until_ms) = (self.next_ms, (self.next_ms + HOUR_MS).min(self.end_ms));
        self.next_ms = until_ms;
        let first_day_ms = self.sim.config().first_day_ms;
        let mut rows = std::mem::take(&mut self.later);
        for day in (from_ms - first_day_ms) / DAY_MS..=(until_ms - 1 - first_day_ms) / DAY_MS {
            for lift in 1..=self.sim.config().lifts {
                let told = self.sim.part(lift, day as u32, from_ms..until_ms);
                rows.extend(told.rows);
                let said = said(lift, &told.trappings);
                rows.extend(said.filter(|(at_ms, _)| (from_ms..until_ms).contains(at_ms)));
            }
        }
        rows.sort_by_key(|(arrives_ms, row)| (*arrives_ms, row.lift));
        self.later = rows.split_off(rows.partition_point(|(arrives_ms, _)| *arrives_ms < until_ms));
        self.rows = rows.into();
    }
}

/// What people say of a lift in which somebody is trapped: it is answered, they come, free whoever it is, and close it.
fn said(lift: u32, trappings: &[Trapping]) -> impl Iterator<Item = (i64, LiftRow)> {
    let steps = trappings.iter().flat_map(|of| {
        let arrives_ms = (of.until_ms - 120_000).max(of.from_ms + 240_000);
        [
            (of.from_ms + 150_000, RescueStep::Answered),
            (arrives_ms, RescueStep::Arrived),
            (of.until_ms, RescueStep::Released),
            (of.until_ms + 90_000, RescueStep::Closed { false_alarm: false }),
        ]
    });
    steps.map(move |(at_ms, step)| (at_ms, says(lift, at_ms, step))).collect::<Vec<_>>().into_iter()
}

fn says(lift: u32, at_ms: i64, step: RescueStep) -> LiftRow {
    let by = Person::named("on duty", "went there");
    LiftRow { lift, at_ms, says: LiftSays::Rescue { step, nth: None, by } }
}

impl Cars {
    /// What people do about a lift that may have trapped somebody and has not: they answer, go there, and close it.
    pub fn nobody_is_in(&self, lift: u32, now_ms: i64) -> Vec<LiftRow> {
        let (answered_ms, closed_ms) = (now_ms + 120_000, now_ms + 720_000);
        let day = (now_ms - self.sim.config().first_day_ms) / DAY_MS;
        let trappings = self.sim.part(lift, day as u32, 0..0).trappings;
        // Of whoever is trapped there all is told already.
        if trappings.iter().any(|of| of.from_ms < closed_ms + 1_000 && now_ms < of.until_ms + 90_000) {
            return Vec::new();
        }
        let closed = RescueStep::Closed { false_alarm: true };
        vec![says(lift, answered_ms, RescueStep::Answered), says(lift, closed_ms, closed)]
    }
}

impl Iterator for Cars {
    /// When it arrives, and what.
    type Item = (i64, LiftRow);

    fn next(&mut self) -> Option<(i64, LiftRow)> {
        while self.rows.is_empty() {
            if self.next_ms >= self.end_ms {
                return None;
            }
            self.hour();
        }
        self.rows.pop_front()
    }
}

/// Who may be trapped, from what cars do, and what ails them.
pub fn told<'f>(
    rows: Stream<'f, LiftRow>,
    trapped: Trapped,
    book: Arc<LiftBook>,
) -> (Stream<'f, LiftTold>, Stream<'f, Trouble>) {
    let rows = rows.key_by(move |row| book.site(row.lift)).event_time(LiftRow::EVENT_TIME);
    rows.detect("cars", LiftRow::in_order(WAIT_MS).then(trapped.both(Troubles::default()))).out.1
}

/// What the lifts that run beside the day hear.
#[derive(Clone, Debug, Serialize, Deserialize)]
enum Heard {
    Car(LiftRow),
    /// Something else came, and the clock goes on.
    Clock(i64),
    /// Whoever asks wants to hear all that was told until here.
    Asks(i64),
}

impl Timed for Heard {
    fn event_time_ms(&self) -> i64 {
        match self {
            Heard::Car(row) => row.at_ms,
            Heard::Clock(at_ms) | Heard::Asks(at_ms) => *at_ms,
        }
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
enum Said {
    Told(LiftTold),
    That,
}

/// People in the simulation act on what those who dispatch tell them, and these act on what lifts raise. So the lifts run once more beside the day, with the same rows and the
/// same clock, and it is known what they raise when the job hears of it.
pub struct Beside {
    running: Running,
    sender: Sender<Heard>,
    said: Receiver<Said>,
    heard: Vec<Heard>,
    /// The newest of what it has heard.
    latest_ms: i64,
    book: Arc<LiftBook>,
}

impl Beside {
    pub fn start(book: &Arc<LiftBook>, start_ms: i64) -> Result<Beside, Box<dyn std::error::Error>> {
        let (trapped, of_job) = (watched(book)?, book.clone());
        let job = Job::new(move |flow| {
            let heard = flow.channel::<Heard>("heard");
            let cars = heard.clone().filter_map(|heard| if let Heard::Car(row) = heard { Some(row) } else { None });
            let asks = heard.filter_map(|heard| matches!(heard, Heard::Asks(_)).then_some(Said::That));
            told(cars, trapped.clone(), of_job.clone()).0.map(Said::Told).union(asks).to_channel("said");
        });
        let mut running = job.ticks(TickSource::FROM_EVENTS).start()?;
        let (sender, said) = (running.sender::<Heard>("heard")?, running.receiver::<Said>("said")?);
        // So many rows have to agree before a clock begins.
        let heard = vec![Heard::Clock(start_ms); 8];
        Ok(Beside { running, sender, said, heard, latest_ms: start_ms, book: book.clone() })
    }

    pub fn car(&mut self, row: LiftRow) {
        self.latest_ms = self.latest_ms.max(row.at_ms);
        self.heard.push(Heard::Car(row));
    }

    pub fn clock(&mut self, at_ms: i64) {
        self.latest_ms = self.latest_ms.max(at_ms);
        self.heard.push(Heard::Clock(at_ms));
    }

    /// What was told since this was asked last: which lifts may have trapped somebody, and what those who dispatch are told.
    pub fn told(&mut self) -> Vec<(Option<u32>, Option<Report>)> {
        self.heard.push(Heard::Asks(self.latest_ms));
        let (mut told, mut all) = (Vec::new(), false);
        if self.sender.send(std::mem::take(&mut self.heard)).is_err() {
            return told;
        }
        while !all {
            let Some(output) = self.said.recv() else { break };
            for said in output.rows {
                let Said::Told(said) = said else {
                    all = true;
                    continue;
                };
                let lift = if let Told::Raised { lift, .. } = said.tells { Some(lift) } else { None };
                told.push((lift, reports_to(LIFTS, &self.book, &said)));
            }
        }
        told
    }

    /// What has gone wrong with it, if anything has.
    pub fn end(self) -> Result<(), Error> {
        let Beside { mut running, sender, .. } = self;
        drop(sender);
        running.wait().map(drop)
    }
}

/// As the job watches them.
pub fn watched(book: &Arc<LiftBook>) -> Result<Trapped, Error> {
    Trapped::new(TrapConfig::default(), book.clone())
}

/// How soon somebody was there.
#[derive(Debug, Default)]
pub struct Rescues {
    raised: u32,
    refused: u32,
    /// By incident: when it was opened, and how long it took until a mechanic was there, milliseconds.
    open: BTreeMap<u64, i64>,
    first_ms: Vec<i64>,
}

impl Rescues {
    /// Of all that a job has written, in however many lives.
    pub fn written(file: &Path) -> Result<Rescues, Box<dyn std::error::Error>> {
        let mut rescues = Rescues::default();
        let lines = BufReader::new(std::fs::File::open(file).map_err(|e| format!("{}: {e}", file.display()))?).lines();
        for line in lines {
            rescues.told(&serde_json::from_str(&line?)?);
        }
        rescues.first_ms.sort_unstable();
        Ok(rescues)
    }

    fn told(&mut self, told: &Dispatch) {
        match &told.tells {
            Tells::Incident { incident, what: IncidentTold::Opened(_) } => {
                self.raised += 1;
                self.open.insert(*incident, told.at_ms);
            }
            Tells::Incident { incident, what: IncidentTold::Reached { stage: Stage::Joins, after_ms } } => {
                self.open.remove(incident);
                self.first_ms.push(*after_ms);
            }
            Tells::Incident { incident, what: IncidentTold::Closed { .. } } => {
                self.open.remove(incident);
            }
            Tells::Refused(_) => self.refused += 1,
            _ => {}
        }
    }

    /// A line; nothing if nobody was to be looked for.
    pub fn text(&self) -> Option<String> {
        let at = |share: f64| {
            let of = (self.first_ms.len() as f64 * share).ceil() as usize;
            let ms = of.checked_sub(1).and_then(|at| self.first_ms.get(at))?;
            Some(format!("{}:{:02}", ms / 60_000, ms / 1_000 % 60))
        };
        let [half, most] = [0.5, 0.9].map(|share| at(share).unwrap_or_else(|| "-".to_owned()));
        let late = self.first_ms.iter().filter(|ms| **ms > 30 * 60_000).count();
        (self.raised > 0).then(|| {
            format!(
                "in lifts {} times somebody was or may have been trapped: a mechanic with the licence was there {} times, half within {half}, nine in \
                 ten within {most}, {late} after 30 minutes; {} are still awaited, {} reports refused",
                self.raised,
                self.first_ms.len(),
                self.open.len(),
                self.refused
            )
        })
    }
}
