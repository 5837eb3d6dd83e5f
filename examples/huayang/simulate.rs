//! The simulated day: every site's cranes and what happens in the district, merged in order of arrival and sent into the job.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::iter::Peekable;

use watchfire::crane::{Arrival, RatedLoad, SimConfig, Site};
use watchfire::{SendError, Sender};

use crate::district::District;
use crate::flow::Street;
use crate::streets::Streets;
use crate::world::World;

/// Readings in one batch.
const BATCH: usize = 4_096;

/// All that arrives, in order; cranes are numbered through.
pub struct Day {
    cranes: Cranes,
    next_crane: Option<Arrival>,
    district: District,
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
        streets: Streets,
        hours: f64,
        seed: Option<u64>,
    ) -> Result<Day, Box<dyn std::error::Error>> {
        let start_ms = SimConfig::default().start_ms;
        let end_ms = start_ms + (hours * 3_600_000.0) as i64;
        let district = District::new(world, streets, (start_ms, end_ms), seed.unwrap_or(world.seed))?;
        let mut cranes = Cranes::new(world, hours, seed)?;
        Ok(Day { next_crane: cranes.next(), cranes, district, start_ms, end_ms })
    }

    /// Sends what the job does not have of the day; `told` hears how far it has come.
    pub fn send(self, sender: &Sender<Street>, mut told: impl FnMut(i64)) -> Result<u64, SendError<Street>> {
        let (mut batch, mut sent) = (Vec::with_capacity(BATCH), 0);
        for (arrival_ms, row) in self.skip(sender.resumes_at() as usize) {
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

impl Iterator for Day {
    /// When it arrives, and what.
    type Item = (i64, Street);

    fn next(&mut self) -> Option<(i64, Street)> {
        let crane_ms = self.next_crane.as_ref().map_or(i64::MAX, |next| next.arrival_ms);
        if let Some(report) = self.district.before(crane_ms) {
            return Some((report.at_ms, Street::Report(Box::new(report))));
        }
        let Arrival { arrival_ms, reading } = std::mem::replace(&mut self.next_crane, self.cranes.next())?;
        self.district.passes(arrival_ms, reading.event_time_ms);
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
