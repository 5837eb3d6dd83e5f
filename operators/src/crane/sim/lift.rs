//! What a crane does over the day: lift after lift, and where load, trolley and hook are at any instant of one.

use std::sync::Arc;

use super::config::SimConfig;
use crate::draw::{Draws, Purpose, exp, sin_turns};

/// Parts of a lift cycle as shares of its length: the empty hook has returned, the load comes on, has been hoisted, has
/// been carried, comes off.
const RETURNED: f64 = 0.15;
const LOAD_ON: f64 = 0.22;
const HOISTED: f64 = 0.36;
const CARRIED: f64 = 0.58;
const LOAD_OFF: f64 = 0.72;
/// An eased movement peaks at 1.5 times its mean speed.
const EASE_PEAK: f64 = 1.5;
const MS_PER_MINUTE: i64 = 60_000;
const MS_PER_DAY: i64 = 86_400_000;
const GRAVITY_MPS2: f64 = 9.806_65;
/// Draws set aside for each lift.
const DRAWS_PER_LIFT: u64 = 64;
/// The trolley stays this share of the reach short of the tip.
const TIP_MARGIN: f64 = 0.01;
const GROUND_HOOK_M: f64 = 2.0;

/// One lift of a simulated crane, as it truly was.
///
/// ```
/// use watchfire_operators::crane::{SimConfig, Site};
///
/// let site = Site::new(SimConfig::default())?;
/// let first = site.lifts(1).unwrap().next().unwrap();
/// assert!(first.start_ms < first.load_on_ms && first.load_off_ms < first.end_ms);
/// # Ok::<(), watchfire_operators::crane::SimError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct SimLift {
    /// Begin of the cycle, milliseconds since 1970, true time.
    pub start_ms: i64,
    /// The load starts to come on.
    pub load_on_ms: i64,
    /// The load is off.
    pub load_off_ms: i64,
    /// End of the cycle.
    pub end_ms: i64,
    /// Falls of rope.
    pub reeving: u8,
    /// Load without the hook block, kilograms.
    pub payload_kg: f64,
    /// Radius at which the load is picked up, metres.
    pub pick_m: f64,
    /// Radius at which it is set down, metres.
    pub drop_m: f64,
    /// Load at rest (hook block included) over the rated load at the wider of the two radii. Bounce and swing come on
    /// top. Above 1 for an overloaded lift.
    pub worst_ratio: f64,
    from_m: f64,
    from_hook_m: f64,
    travel_hook_m: f64,
    drop_hook_m: f64,
    phi2: f64,
    bounce_hz: f64,
    bounce_damping: f64,
    bounce_s: f64,
    swing_rad: f64,
    swing_hz: f64,
}

/// Where everything is at one instant.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Place {
    pub(super) load_kg: f64,
    pub(super) radius_m: f64,
    pub(super) hook_m: f64,
}

impl SimLift {
    /// The state at a true time up to the end of the cycle; before its begin the crane stands idle.
    pub(super) fn at(&self, true_ms: i64, config: &SimConfig) -> Place {
        let share = (true_ms - self.start_ms) as f64 / (self.end_ms - self.start_ms) as f64;
        let radius_m = if share < RETURNED {
            ease(self.from_m, self.pick_m, share / RETURNED)
        } else {
            ease(self.pick_m, self.drop_m, (share - HOISTED) / (CARRIED - HOISTED))
        };
        let hook_m = if share < RETURNED {
            ease(self.from_hook_m, GROUND_HOOK_M, share / RETURNED)
        } else if share < CARRIED {
            ease(GROUND_HOOK_M, self.travel_hook_m, (share - LOAD_ON) / (HOISTED - LOAD_ON))
        } else {
            ease(self.travel_hook_m, self.drop_hook_m, (share - CARRIED) / (LOAD_OFF - CARRIED))
        };
        let mut place = Place { load_kg: config.work.tare_kg, radius_m, hook_m };
        if true_ms >= self.load_on_ms && true_ms < self.load_off_ms {
            self.load(true_ms, share, config, &mut place);
        }
        place
    }

    fn load(&self, true_ms: i64, share: f64, config: &SimConfig, place: &mut Place) {
        let take_up_ms = config.motion.take_up_ms;
        let since_on_ms = (true_ms - self.load_on_ms) as f64;
        let until_off_ms = (self.load_off_ms - true_ms) as f64;
        place.load_kg += self.payload_kg * (since_on_ms.min(until_off_ms) / take_up_ms).min(1.0);
        let bounce_s = (since_on_ms - take_up_ms) / 1_000.0;
        if config.faults.snatch && (0.0..self.bounce_s).contains(&bounce_s) {
            let cycles = self.bounce_hz * bounce_s;
            let decay = exp(-std::f64::consts::TAU * self.bounce_damping * cycles);
            // The taper ends the bounce where its duration says so, without a step.
            let taper = 1.0 - bounce_s / self.bounce_s;
            place.load_kg *= 1.0 + (self.phi2 - 1.0) * taper * decay * sin_turns(cycles);
        }
        if config.faults.swing && share >= CARRIED {
            let since_ms = (share - CARRIED) * (self.end_ms - self.start_ms) as f64;
            let widest = self.swing_rad * exp(-since_ms / config.motion.swing_decay_ms);
            let turns = self.swing_hz * since_ms / 1_000.0;
            let (angle, pace) = (widest * sin_turns(turns), widest * sin_turns(turns + 0.25));
            // Rope force of a pendulum over its weight: cos(angle) + (speed^2 / (g L)).
            place.load_kg *= 1.0 - angle * angle / 2.0 + pace * pace;
            if config.motion.radius_follows_swing {
                place.radius_m += angle * rope_m(config, self.travel_hook_m);
            }
        }
    }
}

fn rope_m(config: &SimConfig, hook_m: f64) -> f64 {
    (config.work.jib_height_m - hook_m).max(1.0)
}

/// From one value to another, starting and ending gently; `share` outside [0, 1] stays at the nearer end.
fn ease(from: f64, to: f64, share: f64) -> f64 {
    let share = share.clamp(0.0, 1.0);
    from + (to - from) * share * share * (3.0 - 2.0 * share)
}

/// Makes the lifts of one crane one after the other, without end.
#[derive(Clone, Debug)]
pub(super) struct LiftMaker {
    config: Arc<SimConfig>,
    draws: Draws,
    reeving_draws: Draws,
    count: u64,
    free_from_ms: i64,
    radius_m: f64,
    hook_m: f64,
}

impl LiftMaker {
    pub(super) fn new(config: &Arc<SimConfig>, crane: u32) -> Self {
        let draws = Draws::new(config.seed, crane, Purpose::Lift);
        // The first draws of all place the crane; each lift has its own after that.
        let wait_ms = draws.between(0, 0.0, config.work.cycle_ms.low);
        let radius_m = draws.between(1, config.work.radius_min_m, 2.0 * config.work.radius_min_m);
        Self {
            config: Arc::clone(config),
            draws,
            reeving_draws: Draws::new(config.seed, crane, Purpose::Reeving),
            count: 0,
            free_from_ms: config.start_ms + wait_ms as i64,
            radius_m,
            hook_m: GROUND_HOOK_M,
        }
    }

    pub(super) fn make(&mut self) -> SimLift {
        let config = Arc::clone(&self.config);
        let (work, motion) = (&config.work, &config.motion);
        let first = (self.count + 1) * DRAWS_PER_LIFT;
        let draw = |n: u64, low: f64, high: f64| self.draws.between(first + n, low, high);
        let cycle_ms = draw(0, work.cycle_ms.low, work.cycle_ms.high);
        let start_ms = next_start(self.free_from_ms, cycle_ms as i64, &config);

        let low = self.reeving_draws.chance(self.count / u64::from(work.reeving_block), work.low_reeving_share);
        let curves = config.chart.curves();
        let curve = if low { curves.first() } else { curves.last() };
        let reach_m = curve.map_or(0.0, |curve| curve.reach_m()) * (1.0 - TIP_MARGIN);

        let seconds = |share: f64| share * cycle_ms / 1_000.0 / EASE_PEAK;
        let trolley = |from: f64, n: u64, share: f64| {
            let step_m = work.trolley_mps * seconds(share);
            bounded(from + draw(n, -step_m, step_m), work.radius_min_m, reach_m)
        };
        let pick_m = trolley(self.radius_m, 1, RETURNED);
        let drop_m = trolley(pick_m, 2, CARRIED - HOISTED);
        let highest_m = (GROUND_HOOK_M + work.hoist_mps * seconds(HOISTED - LOAD_ON)).min(0.9 * work.jib_height_m);
        let travel_hook_m = draw(3, 0.5 * highest_m, highest_m);
        let lower_m = work.hoist_mps * seconds(LOAD_OFF - CARRIED);
        let drop_hook_m = draw(4, (travel_hook_m - lower_m).max(GROUND_HOOK_M), travel_hook_m);

        let rated_kg = curve.and_then(|curve| curve.rated(pick_m.max(drop_m)).kg()).unwrap_or(0.0);
        let payload_kg = self.ratio(first + 16) * (rated_kg - work.tare_kg);
        let instant = |share: f64| start_ms + (share * cycle_ms) as i64;
        let lift = SimLift {
            start_ms,
            load_on_ms: instant(LOAD_ON),
            load_off_ms: instant(LOAD_OFF),
            end_ms: instant(1.0),
            reeving: curve.map_or(0, |curve| curve.falls()),
            payload_kg,
            pick_m,
            drop_m,
            worst_ratio: (work.tare_kg + payload_kg) / rated_kg,
            from_m: self.radius_m,
            from_hook_m: self.hook_m,
            travel_hook_m,
            drop_hook_m,
            phi2: motion.phi2_base + motion.phi2_per_mps * draw(5, motion.snatch_mps.low, motion.snatch_mps.high),
            bounce_hz: draw(6, motion.bounce_hz.low, motion.bounce_hz.high),
            bounce_damping: draw(7, motion.bounce_damping.low, motion.bounce_damping.high),
            bounce_s: draw(8, motion.bounce_ms.low, motion.bounce_ms.high) / 1_000.0,
            swing_rad: draw(9, motion.swing_deg.low, motion.swing_deg.high).to_radians(),
            swing_hz: (GRAVITY_MPS2 / rope_m(&config, travel_hook_m)).sqrt() / std::f64::consts::TAU,
        };
        self.count += 1;
        (self.free_from_ms, self.radius_m, self.hook_m) = (lift.end_ms, drop_m, drop_hook_m);
        lift
    }

    /// Payload over what the chart leaves for it. Uses up to 33 draws from `first` on.
    fn ratio(&self, first: u64) -> f64 {
        let work = &self.config.work;
        if self.draws.chance(first, work.overload_share) {
            let excess = self.draws.exponential(first + 1, work.overload_mean);
            // A hair above 1 even where the excess is drawn as 0, so that the share is exact.
            return 1.0 + excess.clamp(1e-6, work.overload_max.max(1e-6));
        }
        let attempts = (0..8).map(|attempt| {
            let normal = (0..4).map(|part| self.draws.normal(first + 2 + 4 * attempt + part)).sum::<f64>() / 2.0;
            work.payload_median * exp(work.payload_sigma * normal)
        });
        attempts.into_iter().find(|ratio| *ratio < 1.0).unwrap_or(work.payload_median)
    }
}

/// Reflects a radius that would leave the jib back onto it.
fn bounded(radius_m: f64, low_m: f64, high_m: f64) -> f64 {
    let reflected = if radius_m > high_m {
        2.0 * high_m - radius_m
    } else if radius_m < low_m {
        2.0 * low_m - radius_m
    } else {
        radius_m
    };
    reflected.clamp(low_m, high_m)
}

/// The first instant from `free_from_ms` on at which a lift of the given length fits into a shift.
fn next_start(free_from_ms: i64, length_ms: i64, config: &SimConfig) -> i64 {
    let shifts = &config.work.shifts_min;
    let mut midnight_ms = local_midnight_ms(free_from_ms, config);
    // The settings were checked: some shift of every day is long enough, so the second day ends the search.
    while !shifts.is_empty() {
        for &(first, last) in shifts {
            let begin_ms = (midnight_ms + i64::from(first) * MS_PER_MINUTE).max(free_from_ms);
            if begin_ms + length_ms <= midnight_ms + i64::from(last) * MS_PER_MINUTE {
                return begin_ms;
            }
        }
        midnight_ms += MS_PER_DAY;
    }
    free_from_ms
}

/// The last local midnight, milliseconds since 1970 UTC.
pub(super) fn local_midnight_ms(true_ms: i64, config: &SimConfig) -> i64 {
    let local_ms = true_ms + config.work.utc_offset_ms;
    local_ms - local_ms.rem_euclid(MS_PER_DAY) - config.work.utc_offset_ms
}

/// The true lifts of one crane, in order, as far as they begin within the run. See [`Site::lifts`](super::Site::lifts).
#[derive(Clone, Debug)]
pub struct SimLifts {
    maker: LiftMaker,
    end_ms: i64,
}

impl SimLifts {
    pub(super) fn new(config: &Arc<SimConfig>, crane: u32) -> Self {
        Self { maker: LiftMaker::new(config, crane), end_ms: config.start_ms + config.duration_ms }
    }
}

impl Iterator for SimLifts {
    type Item = SimLift;

    fn next(&mut self) -> Option<SimLift> {
        let lift = self.maker.make();
        (lift.start_ms < self.end_ms).then_some(lift)
    }
}
