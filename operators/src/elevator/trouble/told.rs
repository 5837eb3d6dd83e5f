//! What is told of what ails a lift.

use std::fmt;

use serde::{Deserialize, Serialize};
use watchfire_engine::Timed;

use crate::elevator::{FaultClass, Site};

/// Something ails a lift or a building, or does so no more.
///
/// # Examples
/// ```
/// use watchfire_operators::elevator::{Ails, FaultClass, Site, Trouble};
/// let ails = Ails::PersonConstant { says: false, runs: 100 };
/// let trouble = Trouble { site: Site::building(7), lift: Some(31), from_ms: 0, at_ms: 7_200_000, over: false, ails };
/// assert_eq!(trouble.ails.class(), FaultClass::Comms);
/// assert_eq!(trouble.ails.to_string(), "the sensor in the car has said nobody for 100 runs");
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trouble {
    /// The building, or the lift that stands alone.
    pub site: Site,
    /// The lift; none if it is about all of a building.
    pub lift: Option<u32>,
    /// Since when, by the clock of the lift, milliseconds since 1970-01-01 UTC.
    pub from_ms: i64,
    /// When it was seen to be so, or to be over.
    pub at_ms: i64,
    /// It is over.
    pub over: bool,
    /// What it is; of what is over, what it was when it was told.
    pub ails: Ails,
}

impl Timed for Trouble {
    fn event_time_ms(&self) -> i64 {
        self.at_ms
    }
}

/// What ails a lift or a building.
///
/// # Examples
/// ```
/// use watchfire_operators::elevator::Ails;
/// let ails: Ails = serde_json::from_str(r#"{"misused":{"times":6,"usual":0.4}}"#)?;
/// assert_eq!(ails.to_string(), "people have held its doors 6 times within the hour, usually 0.40");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ails {
    /// It tells nothing.
    Silent,
    /// The sensor in the car changes its mind behind closed doors.
    PersonFlaps {
        /// How often lately.
        changes: u32,
    },
    /// The sensor in the car says the same, whoever comes or goes.
    PersonConstant {
        /// Whether somebody is in it.
        says: bool,
        /// Through so many runs.
        runs: u32,
    },
    /// The sensor in the car says nothing any more.
    PersonUnknown {
        /// Through so many runs.
        runs: u32,
    },
    /// The power of the building was lost too often.
    PowerPoor {
        /// How often lately.
        losses: u32,
    },
    /// People hold its doors, or keep them from closing, more often than usual.
    Misused {
        /// How often within the hour.
        times: u32,
        /// How often that is usual of this lift at this hour of the day.
        usual: f64,
    },
}

impl Ails {
    /// What breaks.
    #[must_use]
    pub fn class(&self) -> FaultClass {
        match self {
            Ails::PowerPoor { .. } => FaultClass::Power,
            Ails::Misused { .. } => FaultClass::Misuse,
            _ => FaultClass::Comms,
        }
    }
}

impl fmt::Display for Ails {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ails::Silent => f.write_str("nothing is heard of it"),
            Ails::PersonFlaps { changes } => {
                write!(f, "the sensor in the car has changed its mind {changes} times behind closed doors")
            }
            Ails::PersonConstant { says, runs } => {
                let who = if *says { "somebody" } else { "nobody" };
                write!(f, "the sensor in the car has said {who} for {runs} runs")
            }
            Ails::PersonUnknown { runs } => write!(f, "the sensor in the car has said nothing for {runs} runs"),
            Ails::PowerPoor { losses } => write!(f, "the power of the building was lost {losses} times"),
            Ails::Misused { times, usual } => {
                write!(f, "people have held its doors {times} times within the hour, usually {usual:.2}")
            }
        }
    }
}
