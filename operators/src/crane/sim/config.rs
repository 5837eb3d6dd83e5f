//! Every setting of the simulated site, with its default and where that comes from.

use thiserror::Error;

use crate::crane::RatedLoad;

/// A closed range to draw from: `low` to `high`, both finite, `low <= high`.
///
/// ```
/// use watchfire_operators::crane::SimRange;
/// assert_eq!(SimRange::new(1.0, 2.0).high, 2.0);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SimRange {
    /// Least value.
    pub low: f64,
    /// Greatest value.
    pub high: f64,
}

impl SimRange {
    /// A range; not checked before the site is built.
    #[must_use]
    pub const fn new(low: f64, high: f64) -> Self {
        Self { low, high }
    }
}

/// The whole simulated site. Times are in milliseconds and on one true clock, which no crane's own clock quite keeps.
///
/// ```
/// use watchfire_operators::crane::{SimConfig, SimFaults, Site};
///
/// let quiet = SimConfig { seed: 7, cranes: 3, faults: SimFaults::none(), ..SimConfig::default() };
/// assert_eq!(Site::new(quiet)?.take(100).count(), 100);
/// # Ok::<(), watchfire_operators::crane::SimError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct SimConfig {
    /// Everything random follows from this, the crane's number and the other settings. Default 1.
    pub seed: u64,
    /// Number of cranes, 1 or more; they are numbered from 1. Default 8.
    pub cranes: u32,
    /// First instant, milliseconds since 1970 UTC. Default 1,772,406,000,000: Monday 2 March 2026, 07:00 in Beijing.
    pub start_ms: i64,
    /// Readings are taken in `start_ms .. start_ms + duration_ms`; the last ones arrive later. Default one hour.
    pub duration_ms: i64,
    /// Time between two readings of a crane. Default 100 (10 Hz), the longest sampling period that GB/T 28264 is
    /// understood to allow.
    pub sample_period_ms: u32,
    /// The chart of all cranes. Default [`RatedLoad::qtz63`].
    pub chart: RatedLoad,
    /// Which faults occur. Default all.
    pub faults: SimFaults,
    /// How the cranes are worked.
    pub work: WorkSettings,
    /// How loads bounce and swing.
    pub motion: MotionSettings,
    /// What the sensors do to the truth.
    pub sensor: SensorSettings,
    /// What the device's clock and the way to the receiver do to the readings.
    pub link: LinkSettings,
}

impl Default for SimConfig {
    fn default() -> Self {
        Self {
            seed: 1,
            cranes: 8,
            start_ms: 1_772_406_000_000,
            duration_ms: 3_600_000,
            sample_period_ms: 100,
            chart: RatedLoad::qtz63(),
            faults: SimFaults::all(),
            work: WorkSettings::default(),
            motion: MotionSettings::default(),
            sensor: SensorSettings::default(),
            link: LinkSettings::default(),
        }
    }
}

/// One switch per fault. Turning one off changes none of the others' draws.
///
/// ```
/// use watchfire_operators::crane::SimFaults;
/// let only_late = SimFaults { outages: true, ..SimFaults::none() };
/// assert!(only_late.outages && !only_late.duplicates);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SimFaults {
    /// The load bounces on the rope when it comes off the ground.
    pub snatch: bool,
    /// The load swings after the crane has stopped slewing.
    pub swing: bool,
    /// Noise on the load.
    pub noise: bool,
    /// Values are rounded to the device's steps.
    pub quantisation: bool,
    /// The load cell's zero drifts over the day.
    pub drift: bool,
    /// The load sticks at one value for minutes.
    pub stuck: bool,
    /// Single readings are lost for good.
    pub dropouts: bool,
    /// The crane is cut off; its readings come later.
    pub outages: bool,
    /// Readings arrive twice.
    pub duplicates: bool,
    /// The crane's clock is off by a constant.
    pub clock_offset: bool,
    /// The crane's clock jumps away for a while.
    pub clock_jumps: bool,
    /// The delay to the receiver varies, so that neighbours overtake each other.
    pub jitter: bool,
}

impl SimFaults {
    /// Every fault.
    #[must_use]
    pub const fn all() -> Self {
        Self::each(true)
    }

    /// No fault: the truth, delivered at once and in order.
    #[must_use]
    pub const fn none() -> Self {
        Self::each(false)
    }

    const fn each(on: bool) -> Self {
        Self {
            snatch: on,
            swing: on,
            noise: on,
            quantisation: on,
            drift: on,
            stuck: on,
            dropouts: on,
            outages: on,
            duplicates: on,
            clock_offset: on,
            clock_jumps: on,
            jitter: on,
        }
    }
}

impl Default for SimFaults {
    fn default() -> Self {
        Self::all()
    }
}

/// The working day and the lifts in it.
///
/// ```
/// let work = watchfire_operators::crane::WorkSettings::default();
/// assert_eq!(work.shifts_min.len(), 2);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct WorkSettings {
    /// Shifts of a day as (first, last) minute of the local day, half-open, rising and apart, within 0 to 1,440.
    /// Default 07:00-12:00 and 13:00-18:00. Empty: work around the clock. Idle cranes go on reporting.
    pub shifts_min: Vec<(u32, u32)>,
    /// Local time ahead of UTC. Default 28,800,000 (China).
    pub utc_offset_ms: i64,
    /// Length of a lift cycle, milliseconds. Default 180,000 to 480,000 (3 to 8 minutes, 60 to 120 cycles a shift).
    pub cycle_ms: SimRange,
    /// Load of the empty hook block. Default 200.
    pub tare_kg: f64,
    /// Median of payload over what the chart leaves for it at the lift's widest radius. Default 0.45.
    pub payload_median: f64,
    /// Standard deviation of that ratio's logarithm. Default 0.389, which leaves 2 % above 1 at a median of 0.45.
    /// Ratios are cut off below 1: overloads come from the next setting alone.
    pub payload_sigma: f64,
    /// Share of lifts above 100 %. Default 0.02.
    pub overload_share: f64,
    /// Mean of what an overloaded lift has above 100 %, exponentially distributed. Default 0.08.
    pub overload_mean: f64,
    /// Greatest excess of an overloaded lift. Default 0.40.
    pub overload_max: f64,
    /// Height of the jib above the foot. Default 40, the free height of a QTZ63.
    pub jib_height_m: f64,
    /// Least radius. Default 3.
    pub radius_min_m: f64,
    /// Trolley speed. Default 0.53 (32 m/min).
    pub trolley_mps: f64,
    /// Hoisting speed under load. Default 0.67 (40 m/min, four falls).
    pub hoist_mps: f64,
    /// Lifts between two draws of the reeving, 1 or more. Default 24.
    pub reeving_block: u32,
    /// Share of those draws that give the chart's lowest number of falls. Default 0.3.
    pub low_reeving_share: f64,
    /// Share of half days on which nobody logs in. Default 0.02.
    pub unlogged_share: f64,
    /// Mean of the ten-minute wind, metres per second. Default 2.7, as measured on one tower crane over a month of
    /// working hours.
    pub wind_mean_mps: f64,
}

impl Default for WorkSettings {
    fn default() -> Self {
        Self {
            shifts_min: vec![(420, 720), (780, 1_080)],
            utc_offset_ms: 28_800_000,
            cycle_ms: SimRange::new(180_000.0, 480_000.0),
            tare_kg: 200.0,
            payload_median: 0.45,
            payload_sigma: 0.389,
            overload_share: 0.02,
            overload_mean: 0.08,
            overload_max: 0.40,
            jib_height_m: 40.0,
            radius_min_m: 3.0,
            trolley_mps: 0.53,
            hoist_mps: 0.67,
            reeving_block: 24,
            low_reeving_share: 0.3,
            unlogged_share: 0.02,
            wind_mean_mps: 2.7,
        }
    }
}

/// Dynamics of the load on its rope.
///
/// ```
/// assert_eq!(watchfire_operators::crane::MotionSettings::default().phi2_base, 1.05);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct MotionSettings {
    /// Hoist factor at no speed. Default 1.05 (EN 13001-2, class HC1, from memory: verify before quoting).
    pub phi2_base: f64,
    /// What a metre per second of hoisting adds. Default 0.17 (as above).
    pub phi2_per_mps: f64,
    /// Speed at which the load leaves the ground, metres per second. Default 0.08 to 0.67.
    pub snatch_mps: SimRange,
    /// Frequency of the bounce, hertz. Default 0.4 to 1.
    pub bounce_hz: SimRange,
    /// Damping ratio of the bounce. Default 0.05 to 0.10.
    pub bounce_damping: SimRange,
    /// The bounce is over after this many milliseconds. Default 2,000 to 4,000.
    pub bounce_ms: SimRange,
    /// Time in which the rope takes up the load. Default 800.
    pub take_up_ms: f64,
    /// Amplitude of the swing, degrees. Default 2 to 6.
    pub swing_deg: SimRange,
    /// Time in which the swing falls to 37 %, milliseconds. Default 30,000.
    pub swing_decay_ms: f64,
    /// Whether the radius follows the swinging load. Default false: most devices measure the trolley and so never see
    /// the moment that the swing adds.
    pub radius_follows_swing: bool,
}

impl Default for MotionSettings {
    fn default() -> Self {
        Self {
            phi2_base: 1.05,
            phi2_per_mps: 0.17,
            snatch_mps: SimRange::new(0.08, 0.67),
            bounce_hz: SimRange::new(0.4, 1.0),
            bounce_damping: SimRange::new(0.05, 0.10),
            bounce_ms: SimRange::new(2_000.0, 4_000.0),
            take_up_ms: 800.0,
            swing_deg: SimRange::new(2.0, 6.0),
            swing_decay_ms: 30_000.0,
            radius_follows_swing: false,
        }
    }
}

/// Faults of the sensors.
///
/// ```
/// assert_eq!(watchfire_operators::crane::SensorSettings::default().load_step_kg, 10.0);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct SensorSettings {
    /// Standard deviation of the load, as a share of the greatest load of the chart. Default 0.005.
    pub noise_share: f64,
    /// Step of the load. Default 10 (0.01 t).
    pub load_step_kg: f64,
    /// Step of radius, hook height and wind (metres, metres per second). Default 0.1.
    pub step: f64,
    /// Greatest drift of the load's zero per hour, as a share of the greatest load; each crane draws its own between
    /// plus and minus this, anew each local day, from the day's first shift on. Default 0.005.
    pub drift_share_per_h: f64,
    /// Mean time between two stuck spells. Default 200.
    pub stuck_every_h: f64,
    /// Length of a stuck spell, milliseconds. Default 300,000 to 3,600,000.
    pub stuck_ms: SimRange,
}

impl Default for SensorSettings {
    fn default() -> Self {
        Self {
            noise_share: 0.005,
            load_step_kg: 10.0,
            step: 0.1,
            drift_share_per_h: 0.005,
            stuck_every_h: 200.0,
            stuck_ms: SimRange::new(300_000.0, 3_600_000.0),
        }
    }
}

/// How a device that was cut off delivers what it kept.
///
/// ```
/// use watchfire_operators::crane::ReplayOrder;
/// assert_eq!(ReplayOrder::default(), ReplayOrder::OldestFirst);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReplayOrder {
    /// One queue: new readings wait behind the kept ones, so each crane's event times rise. The default.
    #[default]
    OldestFirst,
    /// New readings at once, the kept ones between them: event times of one crane go back by up to an outage.
    LiveFirst,
}

/// Clock and way to the receiver.
///
/// ```
/// assert_eq!(watchfire_operators::crane::LinkSettings::default().outage_ms.high, 7_200_000.0);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct LinkSettings {
    /// Delay from sample to receiver, milliseconds. Default 20 to 220; without jitter always the least.
    pub latency_ms: SimRange,
    /// Share of readings lost; each crane draws its own. Default 0.01 to 0.05.
    pub dropout_share: SimRange,
    /// Share of readings that arrive twice. Default 0.01.
    pub duplicate_share: f64,
    /// How much later the second copy arrives, milliseconds. Default 100 to 5,000 (a resend after 5 s is usual).
    pub duplicate_delay_ms: SimRange,
    /// Mean time between two outages of a crane. Default 24. At least the longest outage lies between two in any case.
    pub outage_every_h: f64,
    /// Length of an outage, milliseconds. Default 600,000 to 7,200,000 (10 minutes to 2 hours).
    pub outage_ms: SimRange,
    /// Readings per second with which a crane delivers what it kept, at least twice its sampling rate. Default 200.
    pub replay_per_s: f64,
    /// In which order it does.
    pub replay_order: ReplayOrder,
    /// Greatest constant error of a crane's clock, either way, milliseconds. Default 2,000.
    pub clock_offset_ms: f64,
    /// Mean time between two jumps of a clock. Default 168 (a week).
    pub clock_jump_every_h: f64,
    /// Size of a jump, either way, milliseconds. Default 5,000 to 600,000.
    pub clock_jump_ms: SimRange,
    /// How long until the clock is set right, milliseconds. Default 600,000 to 7,200,000 (heartbeats of ten minutes,
    /// reconnection after two hours).
    pub clock_jump_lasts_ms: SimRange,
}

impl Default for LinkSettings {
    fn default() -> Self {
        Self {
            latency_ms: SimRange::new(20.0, 220.0),
            dropout_share: SimRange::new(0.01, 0.05),
            duplicate_share: 0.01,
            duplicate_delay_ms: SimRange::new(100.0, 5_000.0),
            outage_every_h: 24.0,
            outage_ms: SimRange::new(600_000.0, 7_200_000.0),
            replay_per_s: 200.0,
            replay_order: ReplayOrder::OldestFirst,
            clock_offset_ms: 2_000.0,
            clock_jump_every_h: 168.0,
            clock_jump_ms: SimRange::new(5_000.0, 600_000.0),
            clock_jump_lasts_ms: SimRange::new(600_000.0, 7_200_000.0),
        }
    }
}

/// Why a site cannot be simulated.
///
/// ```
/// use watchfire_operators::crane::{SimConfig, Site};
/// let error = Site::new(SimConfig { cranes: 0, ..SimConfig::default() }).unwrap_err();
/// assert!(error.to_string().starts_with("E0441 setting cranes is 0"));
/// ```
#[derive(Clone, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum SimError {
    /// A setting is NaN or outside its closed range.
    #[error("E0441 setting {setting} is {value}, not {min} to {max}. Remedy: choose a value in that range")]
    OutOfRange {
        /// Name of the setting.
        setting: &'static str,
        /// What it holds.
        value: f64,
        /// Least value allowed.
        min: f64,
        /// Greatest value allowed.
        max: f64,
    },
    /// The shifts of the day overlap, run backwards, leave the day, or are all shorter than a lift cycle.
    #[error(
        "E0442 setting work.shifts_min: {why}. Remedy: list (first, last) minutes of the day in rising order, \
         one of them at least as long as work.cycle_ms.high"
    )]
    Shifts {
        /// What is wrong.
        why: &'static str,
    },
}

const MS_PER_YEAR: f64 = 3.2e10;
const YEARS_MS: f64 = 1e13;

impl SimConfig {
    /// Refuses settings that no site can have.
    pub(super) fn check(&self) -> Result<(), SimError> {
        self.check_site()?;
        self.check_work()?;
        self.check_motion()?;
        self.check_sensor_and_link()?;
        self.check_shifts()
    }

    fn check_site(&self) -> Result<(), SimError> {
        within("cranes", f64::from(self.cranes), 1.0, 1e6)?;
        within("start_ms", self.start_ms as f64, 0.0, YEARS_MS)?;
        within("duration_ms", self.duration_ms as f64, 0.0, YEARS_MS)?;
        within("sample_period_ms", f64::from(self.sample_period_ms), 1.0, 3.6e6)
    }

    fn check_work(&self) -> Result<(), SimError> {
        let work = &self.work;
        within("work.utc_offset_ms", work.utc_offset_ms as f64, -5.04e7, 5.04e7)?;
        range("work.cycle_ms", work.cycle_ms, 10_000.0, 8.64e7)?;
        // Every lift must leave something for a payload, and some way for the trolley.
        let tips = self.chart.curves().iter().filter_map(|curve| curve.points().last());
        let (reach_m, tip_kg) = tips.fold((f64::MAX, f64::MAX), |least, tip| (least.0.min(tip.0), least.1.min(tip.1)));
        within("work.tare_kg", work.tare_kg, 0.0, 0.9 * tip_kg)?;
        within("work.payload_median", work.payload_median, 0.01, 0.99)?;
        within("work.payload_sigma", work.payload_sigma, 0.0, 3.0)?;
        within("work.overload_share", work.overload_share, 0.0, 1.0)?;
        within("work.overload_mean", work.overload_mean, 0.0, 10.0)?;
        within("work.overload_max", work.overload_max, 0.0, 10.0)?;
        within("work.jib_height_m", work.jib_height_m, 10.0, 500.0)?;
        within("work.radius_min_m", work.radius_min_m, 0.1, 0.5 * reach_m)?;
        within("work.trolley_mps", work.trolley_mps, 0.01, 5.0)?;
        within("work.hoist_mps", work.hoist_mps, 0.01, 5.0)?;
        within("work.reeving_block", f64::from(work.reeving_block), 1.0, 1e6)?;
        within("work.low_reeving_share", work.low_reeving_share, 0.0, 1.0)?;
        within("work.unlogged_share", work.unlogged_share, 0.0, 1.0)?;
        within("work.wind_mean_mps", work.wind_mean_mps, 0.0, 30.0)
    }

    fn check_motion(&self) -> Result<(), SimError> {
        let motion = &self.motion;
        within("motion.phi2_base", motion.phi2_base, 1.0, 3.0)?;
        within("motion.phi2_per_mps", motion.phi2_per_mps, 0.0, 3.0)?;
        range("motion.snatch_mps", motion.snatch_mps, 0.0, 5.0)?;
        range("motion.bounce_hz", motion.bounce_hz, 0.01, 100.0)?;
        range("motion.bounce_damping", motion.bounce_damping, 0.0, 1.0)?;
        range("motion.bounce_ms", motion.bounce_ms, 1.0, 60_000.0)?;
        within("motion.take_up_ms", motion.take_up_ms, 1.0, 10_000.0)?;
        range("motion.swing_deg", motion.swing_deg, 0.0, 20.0)?;
        within("motion.swing_decay_ms", motion.swing_decay_ms, 1.0, 1e7)
    }

    fn check_sensor_and_link(&self) -> Result<(), SimError> {
        let (sensor, link) = (&self.sensor, &self.link);
        within("sensor.noise_share", sensor.noise_share, 0.0, 1.0)?;
        within("sensor.load_step_kg", sensor.load_step_kg, 1e-6, 1e5)?;
        within("sensor.step", sensor.step, 1e-6, 10.0)?;
        within("sensor.drift_share_per_h", sensor.drift_share_per_h, 0.0, 1.0)?;
        within("sensor.stuck_every_h", sensor.stuck_every_h, 0.001, 1e6)?;
        range("sensor.stuck_ms", sensor.stuck_ms, 1.0, MS_PER_YEAR)?;
        range("link.latency_ms", link.latency_ms, 0.0, 3.6e6)?;
        range("link.dropout_share", link.dropout_share, 0.0, 1.0)?;
        within("link.duplicate_share", link.duplicate_share, 0.0, 1.0)?;
        range("link.duplicate_delay_ms", link.duplicate_delay_ms, 0.0, 3.6e6)?;
        within("link.outage_every_h", link.outage_every_h, 0.001, 1e6)?;
        range("link.outage_ms", link.outage_ms, 1.0, MS_PER_YEAR)?;
        // Below twice the sampling rate the kept readings would not be out before the next outage.
        let slowest = 2_000.0 / f64::from(self.sample_period_ms.max(1));
        within("link.replay_per_s", link.replay_per_s, slowest, 1e9)?;
        within("link.clock_offset_ms", link.clock_offset_ms, 0.0, 8.64e7)?;
        within("link.clock_jump_every_h", link.clock_jump_every_h, 0.001, 1e6)?;
        range("link.clock_jump_ms", link.clock_jump_ms, 0.0, MS_PER_YEAR)?;
        range("link.clock_jump_lasts_ms", link.clock_jump_lasts_ms, 1.0, MS_PER_YEAR)
    }

    fn check_shifts(&self) -> Result<(), SimError> {
        let shifts = &self.work.shifts_min;
        let mut free_from = 0;
        for &(first, last) in shifts {
            if first < free_from {
                return Err(SimError::Shifts { why: "a shift begins before the one before it ends" });
            }
            if last <= first || last > 1_440 {
                return Err(SimError::Shifts { why: "a shift is empty, runs backwards or ends after minute 1440" });
            }
            free_from = last;
        }
        let longest = shifts.iter().map(|(first, last)| last - first).max();
        if longest.is_some_and(|minutes| f64::from(minutes) * 60_000.0 < self.work.cycle_ms.high) {
            return Err(SimError::Shifts { why: "no shift is as long as the longest lift cycle" });
        }
        Ok(())
    }
}

fn within(setting: &'static str, value: f64, min: f64, max: f64) -> Result<(), SimError> {
    if (min..=max).contains(&value) { Ok(()) } else { Err(SimError::OutOfRange { setting, value, min, max }) }
}

fn range(setting: &'static str, range: SimRange, min: f64, max: f64) -> Result<(), SimError> {
    within(setting, range.low, min, max)?;
    within(setting, range.high, range.low, max)
}
