//! The simulated day: every site's cranes and what happens in the district, merged in order of arrival and sent into the job.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::iter::Peekable;
use std::sync::Arc;

use watchfire::crane::{Arrival, RatedLoad, SimConfig, Site};
use watchfire::dispatch::Report;
use watchfire::elevator::{LiftBook, LiftRow};
use watchfire::{SendError, Sender};

use crate::district::{District, Theatre};
use crate::flow::Street;
use crate::lifts::Trips;
use crate::streets::Streets;
use crate::trapped::{self, Beside, Cars};
use crate::world::World;

/// When the day begins: 2 March 2026, seven in the morning.
pub const START_MS: i64 = 1_772_406_000_000;

/// Readings in one batch.
const BATCH: usize = 4_096;

/// All that arrives, in order; cranes are numbered through.
pub struct Day {
    trips: Peekable<Trips>,
    cars: Cars,
    next_car: Option<(i64, LiftRow)>,
    /// What people do about lifts, by when.
    people: BTreeMap<(i64, u64), LiftRow>,
    planned: u64,
    beside: Option<Beside>,
    cranes: Cranes,
    next_crane: Option<Arrival>,
    fires: District,
    rescues: District,
    pub start_ms: i64,
    pub end_ms: i64,
}

/// All sites' readings in order of arrival.
struct Cranes {
    sites: Vec<(u32, Peekable<Site>)>,
    /// The next arrival of each site, earliest first; ties go to the first site.
    next: BinaryHeap<Reverse<(i64, usize)>>,
}

impl Cranes {
    fn new(world: &World, hours: f64, seed: Option<u64>) -> Result<Cranes, Box<dyn std::error::Error>> {
        let mut sites = Vec::new();
        for (index, site) in world.sites.iter().enumerate() {
            let chart = match site.model.as_str() {
                "QTZ63" => RatedLoad::qtz63(),
                "QTZ80" => RatedLoad::qtz80(),
                other => return Err(format!("site \"{}\": no chart for model \"{other}\"", site.name).into()),
            };
            let config = SimConfig {
                seed: seed.unwrap_or(world.seed).wrapping_add(index as u64),
                start_ms: START_MS,
                cranes: site.cranes,
                duration_ms: (hours * 3_600_000.0) as i64,
                chart,
                ..SimConfig::default()
            };
            sites.push((world.cranes_of(index).start - 1, Site::new(config)?.peekable()));
        }
        let next = sites
            .iter_mut()
            .enumerate()
            .filter_map(|(index, (_, site))| site.peek().map(|first| Reverse((first.arrival_ms, index))))
            .collect();
        Ok(Cranes { sites, next })
    }
}

impl Day {
    pub fn new(
        world: &World,
        streets: Arc<Streets>,
        book: &Arc<LiftBook>,
        (hours, lift_days): (f64, u32),
        seed: Option<u64>,
    ) -> Result<Day, Box<dyn std::error::Error>> {
        let start_ms = START_MS;
        let end_ms = start_ms + (hours * 3_600_000.0) as i64;
        let (span, seed_of) = ((start_ms, end_ms), seed.unwrap_or(world.seed));
        let fires = District::new(world, streets.clone(), span, seed_of, Theatre::Fires)?;
        let rescues = District::new(world, streets, span, seed_of, Theatre::Lifts)?;
        let mut cars = Cars::new(trapped::sim(world, seed_of, start_ms), span);
        let beside = (world.counts.lifts > 0).then(|| Beside::start(book, start_ms)).transpose()?;
        let mut cranes = Cranes::new(world, hours, seed)?;
        let trips = Trips::new(world, seed_of, lift_days, span).peekable();
        let next_car = cars.next();
        let next_crane = cranes.next();
        let people = BTreeMap::new();
        Ok(Day {
            trips,
            cars,
            next_car,
            people,
            planned: 0,
            beside,
            next_crane,
            cranes,
            fires,
            rescues,
            start_ms,
            end_ms,
        })
    }

    /// Sends what the job does not have of the day; `told` hears how far it has come.
    pub fn send(&mut self, sender: &Sender<Street>, mut told: impl FnMut(i64)) -> Result<u64, SendError<Street>> {
        let (mut batch, mut sent) = (Vec::with_capacity(BATCH), 0);
        for (arrival_ms, row) in self.by_ref().skip(sender.resumes_at() as usize) {
            batch.push(row);
            if batch.len() == BATCH {
                sent += BATCH as u64;
                sender.send(std::mem::replace(&mut batch, Vec::with_capacity(BATCH)))?;
                told(arrival_ms);
            }
        }
        sent += batch.len() as u64;
        sender.send(batch)?;
        Ok(sent)
    }
}

impl Day {
    /// What is reported before something else comes, by whichever theatre is first.
    fn report(&mut self, other_ms: i64) -> Option<Report> {
        loop {
            let (fires_ms, rescues_ms) = (self.fires.next_ms(), self.rescues.next_ms());
            if fires_ms.min(rescues_ms) >= other_ms {
                return None;
            }
            // Only as far as the other one, which may come to nothing.
            let report = if fires_ms <= rescues_ms {
                self.fires.before(other_ms.min(rescues_ms.saturating_add(1)))
            } else {
                // What lifts have raised by then is heard before.
                if rescues_ms > i64::MIN {
                    self.lifts_hear(rescues_ms, rescues_ms, None);
                    self.raised(rescues_ms);
                }
                self.rescues.before(other_ms.min(fires_ms.saturating_add(1)).min(rescues_ms.saturating_add(1)))
            };
            if let Some(report) = report {
                // Its own theatre has seen it.
                self.passes(report.at_ms, report.at_ms, None);
                return Some(report);
            }
        }
    }

    /// Something came.
    fn passes(&mut self, now_ms: i64, event_ms: i64, car: Option<&LiftRow>) {
        self.fires.passes(now_ms, event_ms);
        self.lifts_hear(now_ms, event_ms, car);
    }

    /// Those who send mechanics and the lifts beside them hear the clock, and the former what the latter raise.
    fn lifts_hear(&mut self, now_ms: i64, event_ms: i64, car: Option<&LiftRow>) {
        if self.rescues.ticks_at(event_ms) {
            // What was raised in the second before is heard in it.
            self.raised(now_ms);
        }
        let ticks = self.rescues.passes(now_ms, event_ms);
        let Some(beside) = &mut self.beside else { return };
        match car {
            Some(row) => beside.car(row.clone()),
            None if ticks => beside.clock(event_ms),
            None => {}
        }
        if ticks || car.is_some_and(|row| row.says.is_urgent()) {
            self.raised(now_ms);
        }
    }

    /// What lifts have raised since this was asked last, and what people do about those in which nobody is.
    fn raised(&mut self, now_ms: i64) {
        let Some(beside) = &mut self.beside else { return };
        for (lift, report) in beside.told() {
            let rows = lift.map(|lift| self.cars.nobody_is_in(lift, now_ms)).unwrap_or_default();
            for row in rows.into_iter().filter(|row| row.at_ms < self.end_ms) {
                self.planned += 1;
                self.people.insert((row.at_ms, self.planned), row);
            }
            if let Some(report) = report {
                self.rescues.raised(now_ms, &report);
            }
        }
    }

    /// The next row of a lift that is a car's, or of people: when it arrives, and what.
    fn car(&mut self) -> Option<(i64, LiftRow)> {
        let person = self
            .people
            .first_entry()
            .filter(|entry| self.next_car.as_ref().is_none_or(|(arrives_ms, _)| entry.key().0 < *arrives_ms));
        match person {
            Some(entry) => Some((entry.key().0, entry.remove())),
            None => std::mem::replace(&mut self.next_car, self.cars.next()),
        }
    }

    /// The lifts beside the day have to end well.
    pub fn end(self) -> Result<(), watchfire::Error> {
        self.beside.map_or(Ok(()), Beside::end)
    }
}

impl Iterator for Day {
    /// When it arrives, and what.
    type Item = (i64, Street);

    fn next(&mut self) -> Option<(i64, Street)> {
        let crane_ms = self.next_crane.as_ref().map_or(i64::MAX, |next| next.arrival_ms);
        // What was before the day comes first, and nothing comes after it.
        let trip_ms = self.trips.peek().map_or(i64::MAX, |row| row.at_ms);
        let trip_ms = if trip_ms < self.end_ms { trip_ms } else { i64::MAX };
        let person_ms = self.people.keys().next().map_or(i64::MAX, |(at_ms, _)| *at_ms);
        let car_ms = self.next_car.as_ref().map_or(i64::MAX, |(arrives_ms, _)| *arrives_ms).min(person_ms);
        let first_ms = crane_ms.min(trip_ms).min(car_ms);
        if let Some(report) = self.report(first_ms) {
            return Some((report.at_ms, Street::Report(Box::new(report))));
        }
        if trip_ms == first_ms && trip_ms < i64::MAX {
            let row = self.trips.next()?;
            self.passes(row.at_ms, row.at_ms, None);
            return Some((row.at_ms, Street::Trip(row)));
        }
        if car_ms == first_ms && car_ms < i64::MAX {
            let (arrives_ms, row) = self.car()?;
            self.passes(arrives_ms, row.at_ms, Some(&row));
            return Some((arrives_ms, Street::Car(row)));
        }
        let Arrival { arrival_ms, reading } = std::mem::replace(&mut self.next_crane, self.cranes.next())?;
        self.passes(arrival_ms, reading.event_time_ms, None);
        Some((arrival_ms, Street::Crane(reading)))
    }
}

impl Iterator for Cranes {
    type Item = Arrival;

    fn next(&mut self) -> Option<Arrival> {
        let Reverse((_, index)) = self.next.pop()?;
        let (before, site) = self.sites.get_mut(index)?;
        let mut arrival = site.next()?;
        arrival.reading.crane += *before;
        if let Some(following) = site.peek() {
            self.next.push(Reverse((following.arrival_ms, index)));
        }
        Some(arrival)
    }
}
