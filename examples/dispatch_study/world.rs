//! What happens, whoever is sent: fires, the work they make, and traffic.
//!
//! All of it is drawn from the seed and from what it is about: a fire from its number, traffic from the step and the way.
//! Nothing depends on what was asked before, so policies that decide otherwise live in the same world.

use std::f64::consts::TAU;
use std::ops::Range;

use watchfire::connect::datagen::Draw;

// What is studied.

/// A side of the square district, metres.
pub const SIDE_M: f64 = 6_000.0;
/// Stations stand in the middle of equal fields: columns and rows of them.
pub const STATIONS: (usize, usize) = (4, 3);
/// Crews of each station.
pub const CREWS_A_STATION: usize = 2;
/// How fast a crew drives in median traffic, metres a millisecond: 8 m/s, along streets that run north and east.
pub const SPEED_M_PER_MS: f64 = 8.0 / 1_000.0;
/// Fires break out independently of each other, anywhere alike, so many an hour.
pub const FIRES_AN_HOUR: f64 = 6.0;
/// Crews that a fire asks for, and the share of fires that ask for no more.
pub const DEMANDS: [(usize, f64); 3] = [(2, 0.70), (4, 0.92), (7, 1.0)];
/// The share of fires that grow to the next demand later. Those that ask for most already stay.
pub const GROWING: f64 = 0.20;
/// Traffic changes, and all is planned anew, so often, milliseconds.
pub const STEP_MS: u64 = 30_000;
/// The deviation of the logarithm of what traffic makes of a drive's time; its median is 1.
pub const TRAFFIC_SIGMA: f64 = 0.25;

// What is assumed.

/// When after its call a fire grows, milliseconds: all times alike.
pub const GROWS_AFTER_MS: Range<i64> = 300_000..900_000;
/// From the order until a crew drives off its station, milliseconds. On the road it turns at once.
pub const TURNOUT_MS: u64 = 60_000;
/// How long a crew works at a fire, milliseconds, from when it is there until it is free: all times alike, for each crew by
/// itself. The first to come stays the same time under every policy, and so the second, and so on. A fire is out when all
/// that it asked for have come and left.
pub const WORK_MS: Range<i64> = 1_200_000..3_600_000;
/// Blocks on each side of the district: traffic is the same between any two places of the same two blocks. For a crew that
/// drives it is that of the block where it was when the step began.
pub const BLOCKS: u64 = 6;
/// What traffic is reckoned to make of a drive's time from the next step on, unless it is thought to stay: the median, for
/// each step has traffic of its own.
pub const TRAFFIC_LATER: f64 = 1.0;

/// The most that a fire asks for.
const MOST: usize = DEMANDS[DEMANDS.len() - 1].0;

/// Two readings of the study that it does not settle.
#[derive(Clone, Copy, Debug, Default)]
pub struct Traffic {
    /// In a step each crew has its own, on all its ways; if not, each way has its own, for all crews.
    pub of_crews: bool,
    /// Whoever plans reckons as if it stayed as it is.
    pub stays: bool,
}

/// What is drawn, so that no two draws are the same.
const FIRES: u32 = 0;
const TRAFFIC: u32 = 1;

/// A place, metres east and north of the district's corner.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Place {
    pub x_m: f64,
    pub y_m: f64,
}

/// A square of the district, in which traffic is the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block(u64);

impl Place {
    /// The middle of a station's field.
    fn of_station(n: usize) -> Place {
        let middle = |nth: usize, of: usize| (nth as f64 + 0.5) * SIDE_M / of as f64;
        Place { x_m: middle(n % STATIONS.0, STATIONS.0), y_m: middle(n / STATIONS.0, STATIONS.1) }
    }

    /// How far it is by the streets.
    pub fn metres_to(self, to: Place) -> f64 {
        (to.x_m - self.x_m).abs() + (to.y_m - self.y_m).abs()
    }

    /// Where one is after so many metres: first east or west, then north or south, and no further than there.
    pub fn towards(self, to: Place, metres: f64) -> Place {
        let (east_m, north_m) = (to.x_m - self.x_m, to.y_m - self.y_m);
        let first_m = metres.min(east_m.abs());
        let then_m = (metres - first_m).min(north_m.abs());
        Place { x_m: self.x_m + first_m.copysign(east_m), y_m: self.y_m + then_m.copysign(north_m) }
    }

    pub fn block(self) -> Block {
        let nth = |m: f64| ((m / SIDE_M * BLOCKS as f64) as u64).min(BLOCKS - 1);
        Block(nth(self.x_m) * BLOCKS + nth(self.y_m))
    }
}

/// A fire.
#[derive(Clone, Debug, PartialEq)]
pub struct Fire {
    pub place: Place,
    pub called_ms: u64,
    /// Crews that it asks for at first.
    at_first: usize,
    /// When it grows, and the crews that it asks for then.
    grows: Option<(u64, usize)>,
    /// How long each crew works, by the order in which they come.
    pub works_ms: [u64; MOST],
}

impl Fire {
    /// The fire of a number, `gap_ms` after the one before.
    fn drawn(seed: u64, n: u64, before_ms: u64) -> Fire {
        let mut draw = Draw::new(seed, FIRES, n);
        let gap_ms = -(1.0 - draw.unit()).ln() * 3_600_000.0 / FIRES_AN_HOUR;
        let called_ms = before_ms + gap_ms as u64;
        let place = Place { x_m: draw.unit() * SIDE_M, y_m: draw.unit() * SIDE_M };
        let share = draw.unit();
        let demand = DEMANDS.iter().position(|(_, up_to)| share < *up_to).unwrap_or(DEMANDS.len() - 1);
        let grows = draw.unit() < GROWING;
        let grows_ms = called_ms + drawn_of(&GROWS_AFTER_MS, &mut draw);
        let next = DEMANDS.get(demand + 1).filter(|_| grows);
        Fire {
            place,
            called_ms,
            at_first: DEMANDS[demand].0,
            grows: next.map(|(crews, _)| (grows_ms, *crews)),
            works_ms: std::array::from_fn(|_| drawn_of(&WORK_MS, &mut draw)),
        }
    }

    /// Crews that it asks for at a time, those who have left again included.
    pub fn asks(&self, now_ms: u64) -> usize {
        self.grows.filter(|(at_ms, _)| *at_ms <= now_ms).map_or(self.at_first, |(_, crews)| crews)
    }

    /// Crews that it asks for in the end.
    pub fn asks_at_last(&self) -> usize {
        self.asks(u64::MAX)
    }

    pub fn grows_ms(&self) -> Option<u64> {
        self.grows.map(|(at_ms, _)| at_ms)
    }
}

fn drawn_of(range: &Range<i64>, draw: &mut Draw) -> u64 {
    draw.between(range.start, range.end) as u64
}

/// A district for some hours.
#[derive(Clone, Debug)]
pub struct World {
    pub seed: u64,
    pub traffic: Traffic,
    pub stations: Vec<Place>,
    /// By the time of their calls.
    pub fires: Vec<Fire>,
}

impl World {
    pub fn new(seed: u64, hours: u64, traffic: Traffic) -> World {
        let (mut fires, mut before_ms) = (Vec::new(), 0);
        loop {
            let fire = Fire::drawn(seed, fires.len() as u64, before_ms);
            before_ms = fire.called_ms;
            if before_ms >= hours * 3_600_000 {
                break;
            }
            fires.push(fire);
        }
        let stations = (0..STATIONS.0 * STATIONS.1).map(Place::of_station).collect();
        World { seed, traffic, stations, fires }
    }

    /// What traffic makes of the time of a crew's drive, in a step: 2 is twice as long.
    pub fn traffic(&self, step: u64, crew: usize, (from, to): (Block, Block)) -> f64 {
        let blocks = BLOCKS * BLOCKS;
        let of = if self.traffic.of_crews { crew as u64 } else { from.0 * blocks + to.0 };
        let mut draw = Draw::new(self.seed, TRAFFIC, step * blocks * blocks + of);
        (TRAFFIC_SIGMA * normal(&mut draw)).exp()
    }
}

/// A draw from the normal distribution (Box and Muller 1958).
fn normal(draw: &mut Draw) -> f64 {
    (-2.0 * (1.0 - draw.unit()).ln()).sqrt() * (TAU * draw.unit()).cos()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn world(seed: u64, hours: u64) -> World {
        World::new(seed, hours, Traffic::default())
    }

    #[test]
    fn a_world_is_its_seed() {
        let (one, same, other) = (world(7, 20), world(7, 20), world(8, 20));
        assert_eq!(one.fires, same.fires);
        assert_ne!(one.fires, other.fires);
        // A longer one begins alike.
        assert_eq!(one.fires, world(7, 40).fires[..one.fires.len()]);
    }

    #[test]
    fn fires_are_those_of_the_study() {
        let fires: Vec<Fire> = world(1, 5_000).fires;
        let share =
            |of: &dyn Fn(&Fire) -> bool| fires.iter().filter(|fire| of(fire)).count() as f64 / fires.len() as f64;
        assert!((fires.len() as f64 / 30_000.0 - 1.0).abs() < 0.02, "{}", fires.len());
        for (crews, wanted) in [(2, 0.70), (4, 0.22), (7, 0.08)] {
            let is = share(&|fire| fire.asks(fire.called_ms) == crews);
            assert!((is - wanted).abs() < 0.01, "{is} of fires ask for {crews} crews");
        }
        let grown = share(&|fire| fire.asks_at_last() > fire.asks(fire.called_ms));
        assert!((grown - GROWING * 0.92).abs() < 0.01, "{grown} of fires grow");
        let growing = fires.iter().find(|fire| fire.grows.is_some_and(|(_, crews)| crews == 4)).unwrap();
        let at_ms = growing.grows_ms().unwrap();
        assert_eq!((growing.asks(at_ms - 1), growing.asks(at_ms)), (2, 4));
    }

    #[test]
    fn traffic_depends_on_step_and_way_alone() {
        let world = world(3, 1);
        let mut all: Vec<(u64, Block, Block)> = Vec::new();
        for step in 0..40 {
            let ways = (0..BLOCKS.pow(4)).map(|way| (Block(way / BLOCKS.pow(2)), Block(way % BLOCKS.pow(2))));
            all.extend(ways.map(|(from, to)| (step, from, to)));
        }
        let log = |crew, (step, from, to): &(u64, Block, Block)| world.traffic(*step, crew, (*from, *to)).ln();
        let logs: Vec<f64> = all.iter().map(|at| log(0, at)).collect();
        // Asked the other way round, by another crew.
        let mut again: Vec<f64> = all.iter().rev().map(|at| log(1, at)).collect();
        again.reverse();
        assert_eq!(logs, again);
        let count = logs.len() as f64;
        let mean = logs.iter().sum::<f64>() / count;
        let sigma = (logs.iter().map(|log| (log - mean).powi(2)).sum::<f64>() / count).sqrt();
        assert!(mean.abs() < 0.01 && (sigma - TRAFFIC_SIGMA).abs() < 0.01, "{mean} {sigma}");
        let mut different = logs;
        different.sort_by(f64::total_cmp);
        different.dedup();
        assert_eq!(different.len() as f64, count, "each step and way has its own");
    }

    #[test]
    fn traffic_of_a_crew_is_the_same_on_all_its_ways() {
        let world = World::new(3, 1, Traffic { of_crews: true, stays: false });
        let there = world.traffic(5, 7, (Block(1), Block(2)));
        assert_eq!(world.traffic(5, 7, (Block(3), Block(4))), there);
        assert_ne!(world.traffic(5, 8, (Block(1), Block(2))), there);
        assert_ne!(world.traffic(6, 7, (Block(1), Block(2))), there);
    }

    #[test]
    fn ways_follow_the_streets() {
        let place = |x_m: f64, y_m: f64| Place { x_m, y_m };
        let (from, to) = (place(1_000.0, 2_000.0), place(400.0, 5_000.0));
        assert_eq!(from.metres_to(to), 3_600.0);
        assert_eq!(from.towards(to, 500.0), place(500.0, 2_000.0));
        assert_eq!(from.towards(to, 700.0), place(400.0, 2_100.0));
        assert_eq!(from.towards(to, 9_000.0), to);
        assert_eq!((place(0.0, 999.0).block(), place(6_000.0, 6_000.0).block()), (Block(0), Block(35)));
        let stations = world(1, 1).stations;
        assert_eq!((stations.len(), stations[0], stations[11]), (12, place(750.0, 1_000.0), place(5_250.0, 5_000.0)));
    }
}
