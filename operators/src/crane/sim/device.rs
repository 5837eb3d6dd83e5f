//! One crane's device: it samples the truth with faulty sensors and a faulty clock.

use std::sync::Arc;

use super::config::{SimConfig, SimRange};
use super::lift::{LiftMaker, SimLift, local_midnight_ms};
use crate::crane::CraneReading;
use crate::draw::{Draws, Purpose};

const MS_PER_HOUR: f64 = 3_600_000.0;
const MS_PER_MINUTE: i64 = 60_000;
const MS_PER_HALF_DAY: i64 = 43_200_000;
/// Knots of the wind: its mean wanders over ten minutes, its gusts over three seconds, the two usual averaging times.
const WIND_MEAN_MS: i64 = 600_000;
const WIND_GUST_MS: i64 = 3_000;
/// Operators log in as 1 to 99.
const OPERATORS: f64 = 99.0;
/// Draws of the wind belong to the site, which is "crane 0"; cranes are numbered from 1.
const SITE: u32 = 0;

/// Spells of something, with random gaps between them. Ask with times that do not fall.
#[derive(Clone, Debug)]
pub(super) struct Spells {
    draws: Draws,
    count: u64,
    mean_gap_ms: f64,
    least_gap_ms: f64,
    length_ms: SimRange,
    start_ms: i64,
    end_ms: i64,
}

impl Spells {
    fn new(draws: Draws, from_ms: i64, every_h: f64, least_gap_ms: f64, length_ms: SimRange) -> Self {
        let mean_gap_ms = every_h * MS_PER_HOUR;
        let mut spells =
            Self { draws, count: 0, mean_gap_ms, least_gap_ms, length_ms, start_ms: from_ms, end_ms: from_ms };
        spells.advance();
        spells
    }

    pub(super) fn outages(config: &SimConfig, crane: u32) -> Self {
        let (draws, link) = (Draws::new(config.seed, crane, Purpose::Outage), &config.link);
        Self::new(draws, config.start_ms, link.outage_every_h, link.outage_ms.high, link.outage_ms)
    }

    pub(super) fn stuck(config: &SimConfig, crane: u32) -> Self {
        let (draws, sensor) = (Draws::new(config.seed, crane, Purpose::Stuck), &config.sensor);
        Self::new(draws, config.start_ms, sensor.stuck_every_h, 0.0, sensor.stuck_ms)
    }

    pub(super) fn clock_jumps(config: &SimConfig, crane: u32) -> Self {
        let (draws, link) = (Draws::new(config.seed, crane, Purpose::ClockJump), &config.link);
        Self::new(draws, config.start_ms, link.clock_jump_every_h, 0.0, link.clock_jump_lasts_ms)
    }

    fn advance(&mut self) {
        let first = 4 * self.count;
        let gap_ms = self.draws.exponential(first, self.mean_gap_ms).max(self.least_gap_ms);
        let length_ms = self.draws.between(first + 1, self.length_ms.low, self.length_ms.high).max(1.0);
        self.start_ms = self.end_ms + gap_ms as i64;
        self.end_ms = self.start_ms + length_ms as i64;
        self.count += 1;
    }

    /// The number of the spell (from 1) that covers the instant.
    pub(super) fn covering(&mut self, true_ms: i64) -> Option<u64> {
        while true_ms >= self.end_ms {
            self.advance();
        }
        (true_ms >= self.start_ms).then_some(self.count)
    }

    /// A draw that belongs to one spell: uniform in [low, high), with either sign.
    fn signed(&self, spell: u64, range: SimRange) -> f64 {
        let first = 4 * (spell - 1);
        let size = self.draws.between(first + 2, range.low, range.high);
        if self.draws.chance(first + 3, 0.5) { -size } else { size }
    }

    /// All spells that begin before `end_ms`, half-open.
    pub(super) fn until(mut self, end_ms: i64) -> Vec<(i64, i64)> {
        let mut spells = Vec::new();
        while self.start_ms < end_ms {
            spells.push((self.start_ms, self.end_ms));
            self.advance();
        }
        spells
    }
}

/// A crane's device, sampling at a steady period from its own phase on.
#[derive(Clone, Debug)]
pub(super) struct Device {
    config: Arc<SimConfig>,
    crane: u32,
    next_ms: i64,
    end_ms: i64,
    count: u64,
    maker: LiftMaker,
    lift: SimLift,
    noise: Draws,
    noise_kg: f64,
    drift: Draws,
    drift_kg_per_h: f64,
    stuck: Spells,
    held_kg: Option<f64>,
    clock_offset_ms: i64,
    jumps: Spells,
    operators: Draws,
    wind: Wind,
}

/// One sample: its number within the crane, its true time, and what the device says.
pub(super) struct Sample {
    pub(super) number: u64,
    pub(super) true_ms: i64,
    pub(super) reading: CraneReading,
}

impl Device {
    pub(super) fn new(config: &Arc<SimConfig>, crane: u32) -> Self {
        let draws = |purpose| Draws::new(config.seed, crane, purpose);
        let mut maker = LiftMaker::new(config, crane);
        let lift = maker.make();
        let max_kg = config.chart.max_kg();
        let phase_ms = draws(Purpose::Phase).between(0, 0.0, f64::from(config.sample_period_ms)) as i64;
        let offset_ms = config.link.clock_offset_ms;
        Self {
            config: Arc::clone(config),
            crane,
            next_ms: config.start_ms + phase_ms,
            end_ms: config.start_ms + config.duration_ms,
            count: 0,
            maker,
            lift,
            noise: draws(Purpose::LoadNoise),
            noise_kg: config.sensor.noise_share * max_kg,
            drift: draws(Purpose::Drift),
            drift_kg_per_h: config.sensor.drift_share_per_h * max_kg,
            stuck: Spells::stuck(config, crane),
            held_kg: None,
            clock_offset_ms: draws(Purpose::ClockOffset).between(0, -offset_ms, offset_ms) as i64,
            jumps: Spells::clock_jumps(config, crane),
            operators: draws(Purpose::Operator),
            wind: Wind::new(config),
        }
    }

    /// True time of the next sample, whether or not it still lies within the run.
    pub(super) fn next_ms(&self) -> i64 {
        self.next_ms
    }

    /// Takes the next sample, or only lets its time pass if the run is over.
    pub(super) fn sample(&mut self) -> Option<Sample> {
        let (true_ms, number) = (self.next_ms, self.count);
        self.next_ms += i64::from(self.config.sample_period_ms);
        self.count += 1;
        if true_ms >= self.end_ms {
            return None;
        }
        while true_ms >= self.lift.end_ms {
            self.lift = self.maker.make();
        }
        let place = self.lift.at(true_ms, &self.config);
        let load_kg = self.weigh(true_ms, number, place.load_kg);
        let event_time_ms = self.clock(true_ms);
        let sensor = &self.config.sensor;
        let (step, quantise) = (sensor.step, self.config.faults.quantisation);
        let read = |value: f64, step: f64| if quantise { to_step(value, step) } else { value };
        let reading = CraneReading {
            crane: self.crane,
            event_time_ms,
            load_kg: read(load_kg, sensor.load_step_kg),
            radius_m: read(place.radius_m.max(0.0), step),
            reeving: self.lift.reeving,
            wind_mps: Some(read(self.wind.at(true_ms), step)),
            hook_height_m: Some(read(place.hook_m, step)),
            operator: self.operator(true_ms),
        };
        Some(Sample { number, true_ms, reading })
    }

    fn weigh(&mut self, true_ms: i64, number: u64, true_kg: f64) -> f64 {
        let mut load_kg = true_kg;
        if self.config.faults.noise {
            load_kg += self.noise_kg * self.noise.normal(number);
        }
        if self.config.faults.drift {
            let midnight_ms = local_midnight_ms(true_ms, &self.config);
            let first_min = self.config.work.shifts_min.first().map_or(0, |shift| shift.0);
            let zeroed_ms = midnight_ms + i64::from(first_min) * MS_PER_MINUTE;
            let hours = ((true_ms - zeroed_ms) as f64 / MS_PER_HOUR).max(0.0);
            load_kg += self.drift_kg_per_h * self.drift.between(midnight_ms as u64, -1.0, 1.0) * hours;
        }
        if self.config.faults.stuck && self.stuck.covering(true_ms).is_some() {
            return *self.held_kg.get_or_insert(load_kg);
        }
        self.held_kg = None;
        load_kg
    }

    fn clock(&mut self, true_ms: i64) -> i64 {
        let mut event_time_ms = true_ms;
        if self.config.faults.clock_offset {
            event_time_ms += self.clock_offset_ms;
        }
        if self.config.faults.clock_jumps
            && let Some(spell) = self.jumps.covering(true_ms)
        {
            event_time_ms += self.jumps.signed(spell, self.config.link.clock_jump_ms) as i64;
        }
        event_time_ms
    }

    fn operator(&self, true_ms: i64) -> Option<u32> {
        let half_day = (true_ms + self.config.work.utc_offset_ms).div_euclid(MS_PER_HALF_DAY) as u64;
        if self.operators.chance(2 * half_day, self.config.work.unlogged_share) {
            return None;
        }
        Some(self.operators.between(2 * half_day + 1, 1.0, OPERATORS + 1.0) as u32)
    }
}

/// The nearest multiple of the step, written as a display would: 3.3 and not 3.3000000000000003.
fn to_step(value: f64, step: f64) -> f64 {
    let steps = (value / step).round();
    if step < 1.0 { steps / (1.0 / step) } else { steps * step }
}

/// The wind over the site, the same for every crane.
#[derive(Clone, Debug)]
struct Wind {
    means: Draws,
    gusts: Draws,
    mean_mps: f64,
    knot: i64,
    from_mps: f64,
    to_mps: f64,
}

impl Wind {
    fn new(config: &SimConfig) -> Self {
        let draws = |purpose| Draws::new(config.seed, SITE, purpose);
        let mean_mps = config.work.wind_mean_mps;
        let (means, gusts) = (draws(Purpose::WindMean), draws(Purpose::WindGust));
        let mut wind = Self { means, gusts, mean_mps, knot: 0, from_mps: 0.0, to_mps: 0.0 };
        wind.turn_to(config.start_ms.div_euclid(WIND_MEAN_MS));
        wind
    }

    fn turn_to(&mut self, knot: i64) {
        (self.knot, self.from_mps, self.to_mps) = (knot, self.mean_at(knot), self.mean_at(knot + 1));
    }

    /// The mean of two exponential draws: many calm stretches, few strong ones.
    fn mean_at(&self, knot: i64) -> f64 {
        let first = 2 * knot as u64;
        let half_mps = self.mean_mps / 2.0;
        self.means.exponential(first, half_mps) + self.means.exponential(first + 1, half_mps)
    }

    /// From 0.7 to 1.8 of the mean: a median gust factor of 1.8 was measured on a tower crane.
    fn gust_at(&self, knot: i64) -> f64 {
        let share = self.gusts.unit(knot as u64);
        let square = share * share;
        0.7 + 0.2 * share + 0.9 * square * square
    }

    fn at(&mut self, true_ms: i64) -> f64 {
        let knot = true_ms.div_euclid(WIND_MEAN_MS);
        if knot != self.knot {
            self.turn_to(knot);
        }
        let share = |period_ms: i64| true_ms.rem_euclid(period_ms) as f64 / period_ms as f64;
        let gust_knot = true_ms.div_euclid(WIND_GUST_MS);
        let (from, to) = (self.gust_at(gust_knot), self.gust_at(gust_knot + 1));
        let mean_mps = self.from_mps + (self.to_mps - self.from_mps) * share(WIND_MEAN_MS);
        mean_mps * (from + (to - from) * share(WIND_GUST_MS))
    }
}
