//! What speaks for somebody being unwell.

use std::fmt;

use serde::{Deserialize, Serialize};
use watchfire_engine::{Timed, rkyv};

use super::Wearer;

/// Something speaks for a person being unwell: somebody is to find out.
///
/// That it is over does not make it undone, and is not told: whether a person is well people say. It is retracted where rows that came late show that it never was.
///
/// # Examples
/// ```
/// use watchfire_operators::wristband::{Concern, Evidence, Grade, Sign, Wearer};
/// let evidence = Evidence::Pulse { per_min: 131, usual_per_min: Some(72), at_rest: true };
/// let concern = Concern { wearer: Wearer::Person(7), at_ms: 720_000, sign: Sign::PulseHigh, grade: Grade::CallBack, evidence };
/// assert!(!format!("{concern:?}").contains("131"), "health data do not reach a log");
/// assert!(Grade::Urgent > Grade::CallBack);
/// ```
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    rkyv::Archive,
    rkyv::Serialize,
    rkyv::Deserialize,
)]
#[rkyv(crate = rkyv)]
pub struct Concern {
    /// Who it is about.
    pub wearer: Wearer,
    /// Since when all that speaks for it is there, milliseconds since 1970-01-01 UTC.
    pub at_ms: i64,
    /// What it is.
    pub sign: Sign,
    /// How strongly it speaks for it.
    pub grade: Grade,
    /// What was seen.
    pub evidence: Evidence,
}

impl Timed for Concern {
    fn event_time_ms(&self) -> i64 {
        self.at_ms
    }
}

/// What speaks for somebody being unwell.
///
/// # Examples
/// See [`Concern`].
#[derive(
    Clone,
    Copy,
    Debug,
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
#[rkyv(crate = rkyv)]
#[serde(rename_all = "snake_case")]
pub enum Sign {
    /// The pulse is far higher than usual.
    PulseHigh,
    /// The pulse is very low.
    PulseLow,
    /// Nothing is heard of them.
    NoSignal,
    /// They have fallen.
    Fall,
}

/// How strongly something speaks for somebody being unwell.
///
/// # Examples
/// See [`Concern`].
#[derive(
    Clone,
    Copy,
    Debug,
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
#[rkyv(crate = rkyv)]
#[serde(rename_all = "snake_case")]
pub enum Grade {
    /// They are asked, by the band and by telephone; somebody goes if they do not answer.
    CallBack,
    /// Those who would go are told while they are asked.
    Urgent,
}

/// What was seen. `Debug` shows no value: health data do not reach a log.
///
/// # Examples
/// See [`Concern`].
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    rkyv::Archive,
    rkyv::Serialize,
    rkyv::Deserialize,
)]
#[rkyv(crate = rkyv)]
#[serde(rename_all = "snake_case")]
pub enum Evidence {
    /// A pulse.
    Pulse {
        /// In the last minute: the lowest where it is high, the highest where it is low.
        per_min: u8,
        /// What is usual of that person, at that time of day, after so many steps; none while nobody knows.
        usual_per_min: Option<u8>,
        /// They had not walked for a while, as far as anybody knows.
        at_rest: bool,
    },
    /// A silence.
    Silence {
        /// Since when, milliseconds since 1970-01-01 UTC.
        since_ms: i64,
        /// Of this person so long a one is told.
        after_ms: i64,
        /// The band was taken off before it.
        taken_off: bool,
    },
    /// The band says so of itself, and not why.
    Band,
    /// A fall.
    Fall {
        /// When they hit the ground, milliseconds since 1970-01-01 UTC.
        impact_ms: i64,
        /// How hard, thousandths of g.
        impact_mg: u16,
        /// By how much down is another direction of the band afterwards; none if nobody knows.
        tilt_deg: Option<u8>,
    },
}

impl fmt::Debug for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Evidence::Pulse { .. } => f.write_str("Pulse(..)"),
            Evidence::Silence { .. } => f.write_str("Silence(..)"),
            Evidence::Band => f.write_str("Band"),
            Evidence::Fall { .. } => f.write_str("Fall(..)"),
        }
    }
}
