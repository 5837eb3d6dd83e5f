//! A simulated site: cranes that lift all day, seen through faulty sensors, clocks and radios.
//!
//! No load data of real tower cranes is public, so this is the test bed of the crane flow. The rates of all faults are
//! settings with defaults in [`SimConfig`]; the same settings and seed give the same arrivals, bit for bit, on every
//! machine.

mod config;
mod device;
mod lift;
#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::sync::Arc;

pub use config::{
    LinkSettings, MotionSettings, ReplayOrder, SensorSettings, SimConfig, SimError, SimFaults, SimRange, WorkSettings,
};
use device::{Device, Sample, Spells};
pub use lift::{SimLift, SimLifts};

use crate::crane::CraneReading;
use crate::draw::{Draws, Purpose};

/// A reading as it reaches the receiver.
///
/// ```
/// use watchfire_operators::crane::{Arrival, CraneReading};
/// let arrival = Arrival { arrival_ms: 1_040, reading: CraneReading::new(1, 1_000, 200.0, 12.0, 2) };
/// assert_eq!(arrival.arrival_ms - arrival.reading.event_time_ms, 40);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Arrival {
    /// True time of the arrival, milliseconds since 1970 UTC.
    pub arrival_ms: i64,
    /// What arrived; its event time is by the crane's own clock.
    pub reading: CraneReading,
}

/// What went wrong for a while.
///
/// ```
/// use watchfire_operators::crane::SimFaultKind;
/// assert_ne!(SimFaultKind::Stuck, SimFaultKind::Outage);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SimFaultKind {
    /// The load stuck at one value.
    Stuck,
    /// The crane was cut off.
    Outage,
    /// The crane's clock was off by more than its constant error.
    ClockJump,
}

/// A spell of a fault in a simulated crane: the right answer for whoever detects faults.
///
/// ```
/// use watchfire_operators::crane::{SimFaultKind, SimFaultSpan};
/// let span = SimFaultSpan { start_ms: 0, end_ms: 60_000, kind: SimFaultKind::Stuck };
/// assert_eq!(span.end_ms - span.start_ms, 60_000);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SimFaultSpan {
    /// First instant, milliseconds since 1970 UTC, true time.
    pub start_ms: i64,
    /// First instant after it; may lie beyond the run.
    pub end_ms: i64,
    /// What went wrong.
    pub kind: SimFaultKind,
}

/// The readings of one crane in the order they were taken; made as they are asked for. See [`Site::truth`] and
/// [`Site::recorded`].
///
/// ```
/// use watchfire_operators::crane::{SimConfig, Site};
/// let mut recording = Site::new(SimConfig::default())?.truth(1).unwrap();
/// assert_eq!(recording.next().unwrap().crane, 1);
/// # Ok::<(), watchfire_operators::crane::SimError>(())
/// ```
#[derive(Clone, Debug)]
pub struct SimRecording {
    device: Device,
}

impl Iterator for SimRecording {
    type Item = CraneReading;

    fn next(&mut self) -> Option<CraneReading> {
        self.device.sample().map(|sample| sample.reading)
    }
}

/// A reading on its way, ordered by arrival and then by the order of sending.
#[derive(Clone, Debug)]
struct OnTheWay {
    arrival_ms: i64,
    sent: u64,
    reading: CraneReading,
}

impl PartialEq for OnTheWay {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for OnTheWay {}

impl PartialOrd for OnTheWay {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for OnTheWay {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.arrival_ms, self.sent).cmp(&(other.arrival_ms, other.sent))
    }
}

/// The arrivals that are still to come out.
#[derive(Clone, Debug, Default)]
struct Air {
    heap: BinaryHeap<Reverse<OnTheWay>>,
    sent: u64,
}

impl Air {
    fn send(&mut self, arrival_ms: i64, reading: CraneReading) {
        self.heap.push(Reverse(OnTheWay { arrival_ms, sent: self.sent, reading }));
        self.sent += 1;
    }
}

/// A crane's device with its radio.
#[derive(Clone, Debug)]
struct Station {
    device: Device,
    outages: Spells,
    kept: VecDeque<(u64, CraneReading)>,
    /// Readings that may be replayed by now, in fractions.
    credit: f64,
    dropout_share: f64,
    dropouts: Draws,
    duplicates: Draws,
    latencies: Draws,
}

impl Station {
    fn new(config: &Arc<SimConfig>, crane: u32) -> Self {
        let draws = |purpose| Draws::new(config.seed, crane, purpose);
        let dropout = config.link.dropout_share;
        Self {
            device: Device::new(config, crane),
            outages: Spells::outages(config, crane),
            kept: VecDeque::new(),
            credit: 0.0,
            dropout_share: draws(Purpose::DropoutRate).between(0, dropout.low, dropout.high),
            dropouts: draws(Purpose::Dropout),
            duplicates: draws(Purpose::Duplicate),
            latencies: draws(Purpose::Latency),
        }
    }

    /// One sampling period: take a reading, keep or send it, and replay what may be replayed.
    fn tick(&mut self, config: &SimConfig, air: &mut Air) {
        let now_ms = self.device.next_ms();
        let cut_off = config.faults.outages && self.outages.covering(now_ms).is_some();
        if let Some(Sample { number, true_ms, reading }) = self.device.sample() {
            let queue = config.link.replay_order == ReplayOrder::OldestFirst && !self.kept.is_empty();
            if config.faults.dropouts && self.dropouts.chance(number, self.dropout_share) {
                // Lost for good, whether or not the crane is cut off.
            } else if cut_off || queue {
                self.kept.push_back((number, reading));
            } else {
                let latency = config.link.latency_ms;
                let high_ms = if config.faults.jitter { latency.high } else { latency.low };
                let delay_ms = self.latencies.between(number, latency.low, high_ms);
                self.send(true_ms + delay_ms as i64, number, reading, config, air);
            }
        }
        if !cut_off && !self.kept.is_empty() {
            self.replay(now_ms, config, air);
        }
    }

    fn replay(&mut self, now_ms: i64, config: &SimConfig, air: &mut Air) {
        let period_ms = f64::from(config.sample_period_ms);
        self.credit += config.link.replay_per_s * period_ms / 1_000.0;
        let count = (self.credit as usize).min(self.kept.len());
        let spacing_ms = period_ms / (count.max(1) as f64);
        for place in 0..count {
            let Some((number, reading)) = self.kept.pop_front() else { break };
            let delay_ms = config.link.latency_ms.low + place as f64 * spacing_ms;
            self.send(now_ms + delay_ms as i64, number, reading, config, air);
        }
        self.credit = if self.kept.is_empty() { 0.0 } else { self.credit - count as f64 };
    }

    fn send(&self, arrival_ms: i64, number: u64, reading: CraneReading, config: &SimConfig, air: &mut Air) {
        if config.faults.duplicates && self.duplicates.chance(2 * number, config.link.duplicate_share) {
            let delay = config.link.duplicate_delay_ms;
            let again_ms = arrival_ms + self.duplicates.between(2 * number + 1, delay.low, delay.high) as i64;
            air.send(again_ms, reading.clone());
        }
        air.send(arrival_ms, reading);
    }
}

/// The arrivals of a whole simulated site, in the order of their arrival; cranes are numbered from 1.
///
/// Memory: per crane what it keeps during one outage (72,000 readings of 80 bytes for two hours at 10 Hz) and what is
/// on its way (a few readings). Time: a few hundred nanoseconds per reading.
///
/// Every reading that is not dropped arrives, those of an outage at the end of the run included, so the last arrivals
/// may lie hours after the last sample.
///
/// ```
/// use watchfire_operators::crane::{SimConfig, Site};
///
/// let config = SimConfig { seed: 42, cranes: 2, duration_ms: 60_000, ..SimConfig::default() };
/// let arrivals: Vec<_> = Site::new(config.clone())?.collect();
/// assert!(arrivals.is_sorted_by_key(|arrival| arrival.arrival_ms));
/// assert_eq!(arrivals, Site::new(config)?.collect::<Vec<_>>());
/// # Ok::<(), watchfire_operators::crane::SimError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Site {
    config: Arc<SimConfig>,
    stations: Vec<Station>,
    air: Air,
    /// Begin of the next sampling period: nothing that is yet to be sent arrives before it.
    horizon_ms: i64,
    done: bool,
}

impl Site {
    /// A site at the begin of its run.
    ///
    /// # Errors
    /// [`SimError`] for settings that no site can have.
    pub fn new(config: SimConfig) -> Result<Self, SimError> {
        config.check()?;
        let config = Arc::new(config);
        let stations = (1..=config.cranes).map(|crane| Station::new(&config, crane)).collect();
        let horizon_ms = config.start_ms;
        Ok(Self { config, stations, air: Air::default(), horizon_ms, done: false })
    }

    /// The settings.
    #[must_use]
    pub fn config(&self) -> &SimConfig {
        &self.config
    }

    /// One crane's readings without any fault: the true load at rest, the true clock, nothing lost, rising event times.
    /// Always from the begin of the run, however far the site has been read. `None` if there is no such crane.
    ///
    /// ```
    /// use watchfire_operators::crane::{SimConfig, Site};
    /// let site = Site::new(SimConfig { duration_ms: 60_000, ..SimConfig::default() })?;
    /// let truth: Vec<_> = site.truth(2).unwrap().collect();
    /// assert_eq!(truth.len(), 600);
    /// assert!(truth.is_sorted_by_key(|reading| reading.event_time_ms));
    /// assert!(site.truth(0).is_none() && site.truth(9).is_none());
    /// # Ok::<(), watchfire_operators::crane::SimError>(())
    /// ```
    #[must_use]
    pub fn truth(&self, crane: u32) -> Option<SimRecording> {
        let calm = Arc::new(SimConfig { faults: SimFaults::none(), ..(*self.config).clone() });
        self.has(crane).then(|| SimRecording { device: Device::new(&calm, crane) })
    }

    /// One crane's readings as its device took them: with the faults of motion, sensors and clock, but each once, in
    /// the order taken, and none lost or late. What arrives is this less the dropouts, plus the duplicates.
    /// `None` if there is no such crane.
    ///
    /// ```
    /// use watchfire_operators::crane::{SimConfig, Site};
    /// let site = Site::new(SimConfig { duration_ms: 60_000, ..SimConfig::default() })?;
    /// assert_eq!(site.recorded(8).unwrap().count(), 600);
    /// # Ok::<(), watchfire_operators::crane::SimError>(())
    /// ```
    #[must_use]
    pub fn recorded(&self, crane: u32) -> Option<SimRecording> {
        self.has(crane).then(|| SimRecording { device: Device::new(&self.config, crane) })
    }

    /// One crane's lifts that begin within the run. `None` if there is no such crane.
    ///
    /// ```
    /// use watchfire_operators::crane::{SimConfig, Site};
    /// let site = Site::new(SimConfig::default())?;
    /// let overloads = site.lifts(1).unwrap().filter(|lift| lift.worst_ratio > 1.0).count();
    /// assert!(overloads < site.lifts(1).unwrap().count());
    /// # Ok::<(), watchfire_operators::crane::SimError>(())
    /// ```
    #[must_use]
    pub fn lifts(&self, crane: u32) -> Option<SimLifts> {
        self.has(crane).then(|| SimLifts::new(&self.config, crane))
    }

    /// One crane's spells of lasting faults that begin within the run and are switched on, by their begin; empty if
    /// there is no such crane.
    ///
    /// ```
    /// use watchfire_operators::crane::{SimFaultKind, SimConfig, Site};
    /// let site = Site::new(SimConfig { duration_ms: 7 * 86_400_000, ..SimConfig::default() })?;
    /// assert!(site.fault_spans(1).iter().any(|span| span.kind == SimFaultKind::Outage));
    /// # Ok::<(), watchfire_operators::crane::SimError>(())
    /// ```
    #[must_use]
    pub fn fault_spans(&self, crane: u32) -> Vec<SimFaultSpan> {
        if !self.has(crane) {
            return Vec::new();
        }
        let (config, faults) = (&self.config, &self.config.faults);
        let kinds = [
            (SimFaultKind::Stuck, faults.stuck, Spells::stuck(config, crane)),
            (SimFaultKind::Outage, faults.outages, Spells::outages(config, crane)),
            (SimFaultKind::ClockJump, faults.clock_jumps, Spells::clock_jumps(config, crane)),
        ];
        let mut spans = Vec::new();
        for (kind, _, spells) in kinds.into_iter().filter(|(_, on, _)| *on) {
            let until_end = spells.until(config.start_ms + config.duration_ms);
            spans.extend(until_end.into_iter().map(|(start_ms, end_ms)| SimFaultSpan { start_ms, end_ms, kind }));
        }
        spans.sort_unstable();
        spans
    }

    fn has(&self, crane: u32) -> bool {
        (1..=self.config.cranes).contains(&crane)
    }

    fn tick(&mut self) {
        for station in &mut self.stations {
            station.tick(&self.config, &mut self.air);
        }
        self.horizon_ms += i64::from(self.config.sample_period_ms);
        let over = self.horizon_ms >= self.config.start_ms + self.config.duration_ms;
        self.done = over && self.stations.iter().all(|station| station.kept.is_empty());
    }
}

impl Iterator for Site {
    type Item = Arrival;

    fn next(&mut self) -> Option<Arrival> {
        loop {
            let ready =
                self.air.heap.peek().is_some_and(|Reverse(first)| self.done || first.arrival_ms < self.horizon_ms);
            if ready {
                let Reverse(OnTheWay { arrival_ms, reading, .. }) = self.air.heap.pop()?;
                return Some(Arrival { arrival_ms, reading });
            }
            if self.done {
                return None;
            }
            self.tick();
        }
    }
}

impl std::iter::FusedIterator for Site {}
