//! The cars of the street's lifts, what people do about those who are trapped in them, and how soon a mechanic was there.

use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::sync::Arc;

use watchfire::calendar::Zone;
use watchfire::connect::datagen::Draw;
use watchfire::dispatch::{Dispatch, IncidentTold, Person, Report, Skills, Stage, Tells};
use watchfire::elevator::{
    Lift, LiftBook, LiftRow, LiftSays, LiftSim, LiftSimConfig, LiftTold, PersonSensor, RescueStep, Tells as Told,
    TrapConfig, Trapped, Trapping, reports_to,
};
use watchfire::{Compose, Error, Job, Stream, TickSource};

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
            firm: number % FIRMS,
            senses_people: sim.gateway(number).sensor != PersonSensor::Missing,
        }
    };
    LiftBook::new((1..=world.counts.lifts).map(|number| (number, lift(number))))
}

/// What cars tell and people say, in order of arrival, an hour made at a time.
#[derive(Debug, Clone)]
pub struct Cars {
    sim: LiftSim,
    /// Since when people look, each half hour, whether somebody is in a lift that may have trapped somebody.
    looked_at: BTreeMap<u32, i64>,
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
        Cars { rows: out.into(), sim, looked_at: BTreeMap::new(), next_ms: start_ms, end_ms, later }
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
                let looks = self.looked_at.get(&lift).map(|since_ms| *since_ms..until_ms);
                let said = said(lift, &told.trappings, looks.unwrap_or(0..0));
                rows.extend(said.filter(|(at_ms, _)| (from_ms..until_ms).contains(at_ms)));
            }
        }
        rows.sort_by_key(|(arrives_ms, row)| (*arrives_ms, row.lift));
        self.later = rows.split_off(rows.partition_point(|(arrives_ms, _)| *arrives_ms < until_ms));
        self.rows = rows.into();
    }
}

/// When somebody looks for the first time after a lift has raised something, which is answered before; and how often after that, milliseconds.
const LOOKS_AFTER_MS: i64 = 720_000;
const LOOKS_EVERY_MS: usize = 1_800_000;

/// What people say of a lift: who is trapped is answered, freed and closed, and what nobody is in is closed when somebody looks.
fn said(lift: u32, trappings: &[Trapping], looks: std::ops::Range<i64>) -> impl Iterator<Item = (i64, LiftRow)> {
    let by = Person::named("on duty", "looked");
    let is_sound = |at_ms: &i64| !trappings.iter().any(|of| (of.from_ms - 1_000..of.until_ms + 90_000).contains(at_ms));
    let answered = (looks.start - LOOKS_AFTER_MS + 120_000, RescueStep::Answered);
    let mut said: Vec<(i64, RescueStep)> = (!looks.is_empty()).then_some(answered).into_iter().collect();
    let looks = looks.step_by(LOOKS_EVERY_MS).filter(is_sound);
    said.extend(looks.map(|at_ms| (at_ms, RescueStep::Closed { false_alarm: true })));
    for of in trappings {
        let arrives_ms = (of.until_ms - 120_000).max(of.from_ms + 240_000);
        said.extend([
            (of.from_ms + 150_000, RescueStep::Answered),
            (arrives_ms, RescueStep::Arrived),
            (of.until_ms, RescueStep::Released),
            (of.until_ms + 90_000, RescueStep::Closed { false_alarm: false }),
        ]);
    }
    said.into_iter().map(move |(at_ms, step)| {
        let says = LiftSays::Rescue { step, nth: None, by: by.clone() };
        (at_ms, LiftRow { lift, at_ms, says })
    })
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

/// Who may be trapped, from what cars do.
pub fn told<'f>(rows: Stream<'f, LiftRow>, trapped: Trapped, book: Arc<LiftBook>) -> Stream<'f, LiftTold> {
    let rows = rows.key_by(move |row| book.site(row.lift)).event_time(LiftRow::EVENT_TIME);
    rows.detect("cars", LiftRow::in_order(WAIT_MS).then(trapped)).out.1
}

/// What lifts will raise, and the cars with people who look when they do. People in the simulation act on what those who dispatch tell them, and these act on what lifts raise: so
/// the day is rehearsed, with the lifts alone; first with nobody who looks. Without all else that comes the clock of the rehearsal is a second or two off, and nobody answers as fast as that.
pub fn rehearsed(cars: Cars, book: &Arc<LiftBook>) -> Result<(Cars, Vec<Report>), Box<dyn std::error::Error>> {
    let mut cars = cars;
    for told in rehearse(cars.clone(), book)? {
        if let LiftTold { at_ms, tells: Told::Raised { lift, .. }, .. } = told {
            // Somebody has to go there first.
            cars.looked_at.entry(lift).or_insert(at_ms + LOOKS_AFTER_MS);
        }
    }
    let told = rehearse(cars.clone(), book)?;
    let reports = told.iter().filter_map(|told| reports_to(LIFTS, book, told)).collect();
    Ok((cars, reports))
}

fn rehearse(cars: Cars, book: &Arc<LiftBook>) -> Result<Vec<LiftTold>, Box<dyn std::error::Error>> {
    let (trapped, book) = (watched(book)?, book.clone());
    let job = Job::new(move |flow| {
        told(flow.channel::<LiftRow>("cars that move"), trapped.clone(), book.clone()).to_channel("told");
    });
    let mut running = job.ticks(TickSource::FROM_EVENTS).start()?;
    let (sender, told) = (running.sender::<LiftRow>("cars that move")?, running.receiver::<LiftTold>("told")?);
    let send = std::thread::spawn(move || {
        let mut rows = cars.map(|(_, row)| row).peekable();
        while rows.peek().is_some() {
            if sender.send(rows.by_ref().take(4_096).collect()).is_err() {
                return false;
            }
        }
        true
    });
    let told = told.rows().collect();
    let sent = send.join().unwrap_or(false);
    running.wait()?;
    if sent { Ok(told) } else { Err("the rehearsal took no more rows".into()) }
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
