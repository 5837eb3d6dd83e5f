//! A crew: what it does, where it is, and when it would be elsewhere.

use crate::world::{Block, CREWS_A_STATION, Place, SPEED_M_PER_MS, STEP_MS, TRAFFIC_LATER, TURNOUT_MS, World};

/// A time, and the step that it is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    pub ms: u64,
    step: u64,
}

impl Now {
    pub fn at(ms: u64) -> Now {
        Now { ms, step: ms / STEP_MS }
    }

    pub fn step_ends_ms(self) -> u64 {
        (self.step + 1) * STEP_MS
    }

    pub fn begins_step(self) -> bool {
        self.ms == self.step * STEP_MS
    }
}

/// A crew.
#[derive(Clone, Debug)]
pub struct Crew {
    /// Its number; those of a station follow each other.
    n: usize,
    pub does: Does,
    /// Where it was when the step began.
    block: Block,
    /// It has been diverted since it last came to a fire or to its station.
    diverted: bool,
}

/// What a crew does.
#[derive(Clone, Debug)]
pub enum Does {
    /// It stands by in its station.
    Stands,
    /// It drives, or is about to.
    Drives(Drive),
    /// It works at a fire.
    Works { fire: usize, until_ms: u64 },
}

/// The rest of a way, as it is in a step.
#[derive(Clone, Debug)]
pub struct Drive {
    /// The fire; its station if none.
    pub fire: Option<usize>,
    from: Place,
    to: Place,
    /// When it leaves, or has left, `from`.
    leaves_ms: u64,
    /// What traffic makes of the time, until the step ends.
    traffic: f64,
    step_ends_ms: u64,
    /// What it is reckoned to make of it later.
    later: f64,
}

/// That a crew was diverted: it was on its way to a fire, and does not go there any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Diversion {
    /// It had been diverted before, and has come to no fire and not to its station since.
    pub again: bool,
}

impl Drive {
    /// When it is there: if that is in this step, it will be so.
    fn arrives_ms(&self) -> u64 {
        let metres = self.from.metres_to(self.to);
        let step_ms = self.step_ends_ms.saturating_sub(self.leaves_ms) as f64;
        let in_step_m = metres.min(step_ms * SPEED_M_PER_MS / self.traffic);
        let drives_ms = (in_step_m * self.traffic + (metres - in_step_m) * self.later) / SPEED_M_PER_MS;
        // Rounded up: nobody is early.
        self.leaves_ms + drives_ms.ceil() as u64
    }

    fn place(&self, now_ms: u64) -> Place {
        let driven_m = now_ms.saturating_sub(self.leaves_ms) as f64 * SPEED_M_PER_MS / self.traffic;
        self.from.towards(self.to, driven_m)
    }
}

impl Crew {
    pub fn new(world: &World, n: usize) -> Crew {
        let block = world.stations[n / CREWS_A_STATION].block();
        Crew { n, does: Does::Stands, block, diverted: false }
    }

    pub fn station(&self) -> usize {
        self.n / CREWS_A_STATION
    }

    /// Where it is.
    fn place(&self, world: &World, now_ms: u64) -> Place {
        match &self.does {
            Does::Stands => world.stations[self.station()],
            Does::Drives(drive) => drive.place(now_ms),
            Does::Works { fire, .. } => world.fires[*fire].place,
        }
    }

    /// When it would leave where it is: the rest of its turnout is to be waited for wherever it goes.
    fn leaves_ms(&self, now_ms: u64) -> u64 {
        match &self.does {
            Does::Stands => now_ms + TURNOUT_MS,
            Does::Drives(drive) => drive.leaves_ms.max(now_ms),
            Does::Works { .. } => now_ms,
        }
    }

    /// The way from where it is, in the traffic of the step.
    fn drive(&self, world: &World, now: Now, fire: Option<usize>) -> Drive {
        let to = fire.map_or(world.stations[self.station()], |fire| world.fires[fire].place);
        let traffic = world.traffic(now.step, self.n, (self.block, to.block()));
        Drive {
            fire,
            from: self.place(world, now.ms),
            to,
            leaves_ms: self.leaves_ms(now.ms),
            traffic,
            step_ends_ms: now.step_ends_ms(),
            later: if world.traffic.stays { traffic } else { TRAFFIC_LATER },
        }
    }

    /// In what time it is reckoned to be at a fire.
    pub fn eta_ms(&self, world: &World, now: Now, fire: usize) -> u64 {
        self.drive(world, now, Some(fire)).arrives_ms() - now.ms
    }

    /// The fire that it was sent to and has not come to yet.
    pub fn bound_for(&self) -> Option<usize> {
        match &self.does {
            Does::Drives(drive) => drive.fire,
            _ => None,
        }
    }

    /// When it does something else by itself: it is there, or has done its work.
    pub fn next_ms(&self) -> Option<u64> {
        match &self.does {
            Does::Stands => None,
            Does::Drives(drive) => Some(drive.arrives_ms()),
            Does::Works { until_ms, .. } => Some(*until_ms),
        }
    }

    /// A step has begun, with traffic of its own.
    pub fn step(&mut self, world: &World, now: Now) {
        self.block = self.place(world, now.ms).block();
        if let Does::Drives(Drive { fire, .. }) = self.does {
            self.does = Does::Drives(self.drive(world, now, fire));
        }
    }

    /// It goes to a fire, or to its station if to none; whoever has not driven off yet is there already.
    pub fn send(&mut self, world: &World, now: Now, fire: Option<usize>) -> Option<Diversion> {
        let before = self.bound_for();
        if before.is_some() && before == fire {
            return None;
        }
        let again = self.diverted;
        self.diverted |= before.is_some();
        let inside = matches!(&self.does, Does::Drives(drive) if drive.leaves_ms > now.ms);
        if fire.is_none() && inside {
            self.stand();
        } else {
            self.does = Does::Drives(self.drive(world, now, fire));
        }
        before.map(|_| Diversion { again })
    }

    /// It has come to a fire, where it works.
    pub fn work(&mut self, fire: usize, until_ms: u64) {
        (self.does, self.diverted) = (Does::Works { fire, until_ms }, false);
    }

    /// It is in its station.
    pub fn stand(&mut self) {
        (self.does, self.diverted) = (Does::Stands, false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::Traffic;

    fn world() -> World {
        World::new(1, 2, Traffic::default())
    }

    fn at(ms: u64) -> Now {
        Now::at(ms)
    }

    #[test]
    fn a_drive_is_what_the_traffic_of_each_step_lets_it_drive() {
        let world = world();
        for fire in 0..world.fires.len() {
            let mut crew = Crew::new(&world, fire % (world.stations.len() * CREWS_A_STATION));
            let (from, to) = (world.stations[crew.station()], world.fires[fire].place);
            let called_ms = 40_000;
            crew.send(&world, at(called_ms), Some(fire));
            // Millisecond by millisecond, once the crew has left.
            let (mut metres, mut ms) = (0.0, called_ms + TURNOUT_MS);
            let mut traffic = world.traffic(ms / STEP_MS, crew.n, (from.block(), to.block()));
            while metres < from.metres_to(to) {
                if ms % STEP_MS == 0 {
                    let block = from.towards(to, metres).block();
                    traffic = world.traffic(ms / STEP_MS, crew.n, (block, to.block()));
                }
                metres += SPEED_M_PER_MS / traffic;
                ms += 1;
            }
            let mut step = called_ms / STEP_MS + 1;
            while crew.next_ms().unwrap() > step * STEP_MS {
                crew.step(&world, at(step * STEP_MS));
                step += 1;
            }
            assert!(crew.next_ms().unwrap().abs_diff(ms) <= 1, "{crew:?}: {ms}");
        }
    }

    #[test]
    fn who_is_sent_elsewhere_before_leaving_waits_for_no_second_turnout() {
        let world = world();
        let mut crew = Crew::new(&world, 0);
        let fresh_ms = crew.eta_ms(&world, at(0), 1);
        assert_eq!(crew.send(&world, at(0), Some(0)), None);
        assert_eq!(crew.eta_ms(&world, at(20_000), 1), fresh_ms - 20_000);
        assert_eq!(crew.send(&world, at(20_000), Some(1)), Some(Diversion { again: false }));
        assert_eq!(crew.next_ms(), Some(fresh_ms));
        // Whoever is sent where it goes already has not been diverted.
        assert_eq!(crew.send(&world, at(21_000), Some(1)), None);
        assert_eq!(crew.next_ms(), Some(fresh_ms));
    }

    #[test]
    fn a_crew_is_diverted_again_until_it_comes_to_a_fire_or_home() {
        let world = world();
        let (once, again) = (Some(Diversion { again: false }), Some(Diversion { again: true }));
        let mut crew = Crew::new(&world, 0);
        let send = |crew: &mut Crew, ms, fire| crew.send(&world, at(ms), fire);
        assert_eq!(send(&mut crew, 0, Some(0)), None);
        assert_eq!(send(&mut crew, 70_000, Some(1)), once);
        assert_eq!(send(&mut crew, 75_000, Some(0)), again);
        assert_eq!(send(&mut crew, 80_000, None), again);
        // On its way back it is sent out once more: that is no diversion, and the next one is.
        assert_eq!(send(&mut crew, 85_000, Some(2)), None);
        assert_eq!(send(&mut crew, 90_000, Some(1)), again);
        crew.work(1, 1_000_000);
        assert_eq!(send(&mut crew, 1_000_000, None), None);
        assert_eq!(send(&mut crew, 1_001_000, Some(0)), None);
        assert_eq!(send(&mut crew, 1_002_000, None), once);
        // Called off before it has left, it is in its station.
        crew.stand();
        assert_eq!(send(&mut crew, 2_000_000, Some(0)), None);
        assert_eq!(send(&mut crew, 2_001_000, None), once);
        assert!(matches!(crew.does, Does::Stands));
        assert_eq!((send(&mut crew, 2_002_000, Some(0)), send(&mut crew, 2_003_000, None)), (None, once));
    }
}
