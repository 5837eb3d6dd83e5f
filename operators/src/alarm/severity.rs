//! How bad it is, and why a reading can be worth nothing.

use serde::{Deserialize, Serialize};

/// How bad an alarm is, in ascending order.
///
/// The order is the one platforms for cranes and hoists use: data that cannot be trusted ranks lowest of all alarms,
/// yet it is an alarm, because unknown is not normal. "No alarm" is `Option::<Severity>::None`, which compares below
/// every severity.
///
/// # Examples
/// ```
/// use watchfire_operators::alarm::Severity;
/// assert!(Severity::Critical > Severity::Violation);
/// assert!(Some(Severity::Unknown) > None);
/// assert_eq!(Severity::Alarm.rank(), 4);
/// ```
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    rkyv::Archive,
    rkyv::Serialize,
    rkyv::Deserialize,
)]
#[serde(rename_all = "snake_case")]
#[rkyv(derive(Debug))]
#[repr(u8)]
pub enum Severity {
    /// Data are unhealthy or missing: nobody knows whether it is safe.
    Unknown = 1,
    /// Attention: for a crane, 80 % of the rated load.
    Caution = 2,
    /// Close to the limit: for a crane, 90 % of the rated load, where an indicator has to warn.
    PreWarn = 3,
    /// The limit is reached: for a crane, 100 % of the rated load.
    Alarm = 4,
    /// The limit is broken for long enough to be counted against somebody.
    Violation = 5,
    /// Harm is near: act now.
    Critical = 6,
}

impl Severity {
    /// The place in the order, from 1 (`Unknown`) to 6 (`Critical`).
    #[must_use]
    pub fn rank(self) -> u8 {
        self as u8
    }
}

/// Why nothing is known about a signal at present.
///
/// # Examples
/// ```
/// use watchfire_operators::alarm::UnknownCause;
/// assert_eq!(UnknownCause::Silent.as_str(), "silent");
/// ```
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    rkyv::Archive,
    rkyv::Serialize,
    rkyv::Deserialize,
)]
#[serde(rename_all = "snake_case")]
#[rkyv(derive(Debug))]
pub enum UnknownCause {
    /// The device itself reports that the sensor is not in order.
    SensorNotOk,
    /// The value does not move although it should.
    Stuck,
    /// The value lies outside what the sensor can measure.
    OutOfRange,
    /// There is no limit to compare with: no rated-load chart, no profile of the wearer.
    NoLimit,
    /// The value is not a number, or an infinity on the safe side of the limit.
    NotANumber,
    /// No data arrived for the configured silence.
    Silent,
}

impl UnknownCause {
    /// The cause as a stable word, the same as in its serialised form.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            UnknownCause::SensorNotOk => "sensor_not_ok",
            UnknownCause::Stuck => "stuck",
            UnknownCause::OutOfRange => "out_of_range",
            UnknownCause::NoLimit => "no_limit",
            UnknownCause::NotANumber => "not_a_number",
            UnknownCause::Silent => "silent",
        }
    }
}
