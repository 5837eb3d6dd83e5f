//! The ladder: which value is how bad, for how long it must last, and how the alarm comes down again.

use serde::{Deserialize, Serialize};

use super::Severity;

/// The most steps a ladder can have: one per severity from `Caution` to `Critical`.
pub const MAX_STEPS: usize = 5;

/// Longest stretch in ms for which one sample speaks. From the 2 s storage step that GB/T 28264 asks of a crane's box.
pub const DEFAULT_MAX_GAP_MS: i64 = 2_000;
/// After so many ms without a trustworthy value a key without alarm raises `Unknown`: five missed 2 s reports.
pub const DEFAULT_UNKNOWN_AFTER_MS: i64 = 10_000;
/// Longest suppression in ms: one shift of 8 h, so that nobody inherits a silence of somebody else.
pub const DEFAULT_MAX_SUPPRESS_MS: i64 = 8 * 3_600_000;
/// Unacknowledged for so many ms, an alarm is escalated: first after 60 s, again after 5 min (practice of crane platforms).
pub const DEFAULT_ESCALATE_AFTER_MS: [i64; 2] = [60_000, 300_000];

/// Load ratio of the caution step: 80 % of the rated moment (JGJ 332-2014 output; GB 5144 slow trolley).
pub const CRANE_CAUTION_RATIO: f64 = 0.80;
/// Load ratio of the pre-warning: 90 % (JGJ 332-2014 output; EN 12077-2 indicators start at 90-95 %).
pub const CRANE_WARN_RATIO: f64 = 0.90;
/// Load ratio of the alarm: 100 % of the rated value (JGJ 332-2014).
pub const CRANE_ALARM_RATIO: f64 = 1.00;
/// Load ratio of the violation when it is sustained: 105 % (practice of crane platforms).
pub const CRANE_VIOLATION_RATIO: f64 = 1.05;
/// Load ratio of the critical step: 110 %, where GB 5144 wants the limiter to have acted.
pub const CRANE_CRITICAL_RATIO: f64 = 1.10;
/// A step lets go this far below where it raised. Practice is 0.03-0.05; the wide end is the safe one.
pub const CRANE_RELEASE_MARGIN: f64 = 0.05;
/// Ms at or above 80 % before the caution is raised, as for the warning (no source names one of its own).
pub const CRANE_CAUTION_HOLD_MS: i64 = 3_000;
/// Ms at or above 90 % before the warning is raised: 3 s rides out swing and snatch.
pub const CRANE_WARN_HOLD_MS: i64 = 3_000;
/// Ms at or above 100 % before the alarm is raised: practice is 1-2 s.
pub const CRANE_ALARM_HOLD_MS: i64 = 1_500;
/// Ms at or above 105 % before the violation is raised.
pub const CRANE_VIOLATION_HOLD_MS: i64 = 5_000;
/// Ms at or above 110 % before the critical alarm is raised: a snatch peaks shorter than that.
pub const CRANE_CRITICAL_HOLD_MS: i64 = 500;
/// Ms below the release value before a step lets go. Practice is 3-5 s; the long end is the safe one.
pub const CRANE_CLEAR_HOLD_MS: i64 = 5_000;

/// On which side of the threshold the danger lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Danger grows as the value rises: load ratio, wind, heart rate.
    #[default]
    Rises,
    /// Danger grows as the value falls: battery, blood oxygen, time to collision.
    Falls,
}

/// Whether the threshold itself already meets the condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bound {
    /// The threshold itself meets it (a load ratio of exactly 1.00 is an alarm): the default, as it is the safe one.
    #[default]
    Inclusive,
    /// Only a value strictly beyond the threshold meets it.
    Exclusive,
}

/// One step of a [`Ladder`].
///
/// # Examples
/// ```
/// use watchfire_operators::alarm::{Severity, Step};
/// let step = Step::new("gale", Severity::Alarm, 13.8, 12.0).held_ms(3_000).cleared_ms(60_000);
/// assert_eq!(step.min_consecutive, 1);
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// What people call it; unique within the ladder.
    pub name: String,
    /// How bad it is: `Caution` to `Critical`, ascending from step to step.
    pub severity: Severity,
    /// The value that raises the step, in the unit of the signal.
    pub raise_at: f64,
    /// Whether `raise_at` itself meets the condition. Default [`Bound::Inclusive`].
    #[serde(default)]
    pub bound: Bound,
    /// The step lets go only strictly beyond this value, on the safe side of `raise_at`, in the unit of the signal.
    pub release_at: f64,
    /// Event-time ms for which the condition must hold, from the first sample that meets it; 0 raises at once.
    #[serde(default)]
    pub hold_ms: i64,
    /// Samples in a row that must meet the condition, at least 1 (the default).
    #[serde(default = "one_sample")]
    pub min_consecutive: u32,
    /// Event-time ms for which the value must stay beyond `release_at` before the step lets go; 0 lets go at once.
    #[serde(default)]
    pub clear_hold_ms: i64,
}

fn one_sample() -> u32 {
    1
}

impl Step {
    /// A step that raises at once at `raise_at` (inclusive) and lets go at once beyond `release_at`.
    pub fn new(name: impl Into<String>, severity: Severity, raise_at: f64, release_at: f64) -> Self {
        Step {
            name: name.into(),
            severity,
            raise_at,
            bound: Bound::Inclusive,
            release_at,
            hold_ms: 0,
            min_consecutive: 1,
            clear_hold_ms: 0,
        }
    }

    /// Sets [`hold_ms`](Step::hold_ms).
    #[must_use]
    pub fn held_ms(mut self, hold_ms: i64) -> Self {
        self.hold_ms = hold_ms;
        self
    }

    /// Sets [`clear_hold_ms`](Step::clear_hold_ms).
    #[must_use]
    pub fn cleared_ms(mut self, clear_hold_ms: i64) -> Self {
        self.clear_hold_ms = clear_hold_ms;
        self
    }

    /// Sets [`min_consecutive`](Step::min_consecutive).
    #[must_use]
    pub fn consecutive(mut self, samples: u32) -> Self {
        self.min_consecutive = samples;
        self
    }

    /// Makes the threshold itself safe: only values strictly beyond it meet the condition.
    #[must_use]
    pub fn exclusive(mut self) -> Self {
        self.bound = Bound::Exclusive;
        self
    }
}

/// The rule of one alarm over one signal: a ladder of steps with durations, hysteresis and the rights of people.
///
/// It is plain configuration. [`Ladder::validate`] lists everything wrong with it at once;
/// [`AlarmMachine::new`](super::AlarmMachine::new) does so too and makes it run.
///
/// # Examples
/// ```
/// use watchfire_operators::alarm::{Ladder, Severity, Step};
///
/// let wind = Ladder::rises("wind_gust", vec![
///     Step::new("strong", Severity::PreWarn, 10.0, 9.0).held_ms(3_000).cleared_ms(60_000),
///     Step::new("gale", Severity::Alarm, 13.8, 12.0).cleared_ms(60_000),
/// ]);
/// assert!(wind.validate().is_ok());
///
/// let oxygen = Ladder::falls("spo2", vec![Step::new("low", Severity::Alarm, 90.0, 88.0)]);
/// let error = oxygen.validate().unwrap_err();
/// assert_eq!(error.findings()[0].code, "E0136"); // 88 is not on the safe side of 90
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ladder {
    /// The stable part of every id: lower-case letters, digits, `_`, `-` and `.`. Renaming it starts new alarms.
    pub rule: String,
    /// On which side the danger lies. Default [`Direction::Rises`].
    #[serde(default)]
    pub direction: Direction,
    /// 1 to [`MAX_STEPS`] steps, in ascending severity and with thresholds ever further into danger.
    pub steps: Vec<Step>,
    /// Longest event-time stretch in ms for which one sample speaks, at least 1. Set it to at least the reporting
    /// period of the slowest device: a slower one can raise alarms but never end them.
    /// Default [`DEFAULT_MAX_GAP_MS`].
    #[serde(default = "default_max_gap_ms")]
    pub max_gap_ms: i64,
    /// Arrival-clock ms without a trustworthy value after which [`Severity::Unknown`] is raised; 0 raises at once.
    /// Default [`DEFAULT_UNKNOWN_AFTER_MS`].
    #[serde(default = "default_unknown_after_ms")]
    pub unknown_after_ms: i64,
    /// Arrival-clock ms without acknowledgement after which the alarm is escalated to more people: positive, ascending,
    /// at most 16 stages; empty for never. Default [`DEFAULT_ESCALATE_AFTER_MS`].
    #[serde(default = "default_escalate_after_ms")]
    pub escalate_after_ms: Vec<i64>,
    /// The lowest severity that is escalated when nobody acknowledges it. Default [`Severity::Alarm`].
    #[serde(default = "default_escalate_from")]
    pub escalate_from: Severity,
    /// The longest suppression in ms, positive. Default [`DEFAULT_MAX_SUPPRESS_MS`].
    #[serde(default = "default_max_suppress_ms")]
    pub max_suppress_ms: i64,
    /// Whether [`Severity::Critical`] may be suppressed too. Default no.
    #[serde(default)]
    pub suppress_critical: bool,
}

fn default_max_gap_ms() -> i64 {
    DEFAULT_MAX_GAP_MS
}

fn default_unknown_after_ms() -> i64 {
    DEFAULT_UNKNOWN_AFTER_MS
}

fn default_escalate_after_ms() -> Vec<i64> {
    DEFAULT_ESCALATE_AFTER_MS.to_vec()
}

fn default_escalate_from() -> Severity {
    Severity::Alarm
}

fn default_max_suppress_ms() -> i64 {
    DEFAULT_MAX_SUPPRESS_MS
}

impl Ladder {
    /// A ladder with default durations whose danger grows as the value rises.
    pub fn rises(rule: impl Into<String>, steps: Vec<Step>) -> Self {
        Ladder {
            rule: rule.into(),
            direction: Direction::Rises,
            steps,
            max_gap_ms: DEFAULT_MAX_GAP_MS,
            unknown_after_ms: DEFAULT_UNKNOWN_AFTER_MS,
            escalate_after_ms: default_escalate_after_ms(),
            escalate_from: Severity::Alarm,
            max_suppress_ms: DEFAULT_MAX_SUPPRESS_MS,
            suppress_critical: false,
        }
    }

    /// A ladder with default durations whose danger grows as the value falls.
    pub fn falls(rule: impl Into<String>, steps: Vec<Step>) -> Self {
        Ladder { direction: Direction::Falls, ..Ladder::rises(rule, steps) }
    }

    /// The overload rule of a tower crane over its load ratio (load or moment divided by its rated value, no unit).
    ///
    /// Each number is a named constant of this module with its source. Change what your own law or chart says.
    ///
    /// # Examples
    /// ```
    /// use watchfire_operators::alarm::{Ladder, Severity};
    /// let ladder = Ladder::crane_overload();
    /// assert_eq!(ladder.steps[2].severity, Severity::Alarm);
    /// assert_eq!((ladder.steps[2].raise_at, ladder.steps[2].hold_ms), (1.00, 1_500));
    /// assert!(ladder.validate().is_ok());
    /// ```
    #[must_use]
    pub fn crane_overload() -> Self {
        let step = |name: &str, severity, ratio: f64, hold_ms| {
            Step::new(name, severity, ratio, ratio - CRANE_RELEASE_MARGIN)
                .held_ms(hold_ms)
                .cleared_ms(CRANE_CLEAR_HOLD_MS)
        };
        let steps = vec![
            step("caution", Severity::Caution, CRANE_CAUTION_RATIO, CRANE_CAUTION_HOLD_MS),
            step("warn", Severity::PreWarn, CRANE_WARN_RATIO, CRANE_WARN_HOLD_MS),
            step("alarm", Severity::Alarm, CRANE_ALARM_RATIO, CRANE_ALARM_HOLD_MS),
            step("violation", Severity::Violation, CRANE_VIOLATION_RATIO, CRANE_VIOLATION_HOLD_MS),
            step("critical", Severity::Critical, CRANE_CRITICAL_RATIO, CRANE_CRITICAL_HOLD_MS),
        ];
        Ladder::rises("crane_overload", steps)
    }
}
