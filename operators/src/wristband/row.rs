//! What is told of the vitals of a person, by bands, monitors and clinicians.

use serde::{Deserialize, Serialize};
use watchfire_engine::{Error, EventTime, OnSkew, Timed};

use super::{Measured, Spo2Scale};
use crate::alarm::Private;

/// Something that is told of the vitals of a person.
///
/// # Examples
/// ```
/// use watchfire_operators::wristband::{Measured, VitalRow, VitalSays};
/// let line = r#"{"person":7,"at_ms":1000,"says":{"measured":[{"pulse":{"per_min":72.4}},{"consciousness":"alert"},{"spo2":{"pct":null}}]}}"#;
/// let row: VitalRow = serde_json::from_str(line)?;
/// let VitalSays::Measured(measured) = &row.says else { panic!("it is measured") };
/// assert_eq!(measured[0], Measured::Pulse { per_min: Some(72.4) });
/// assert!(!format!("{row:?}").contains("72"), "health data do not reach a log");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VitalRow {
    /// The person.
    pub person: u32,
    /// When it was so, by the clock of the source, milliseconds since 1970-01-01 UTC.
    pub at_ms: i64,
    /// What is told.
    pub says: VitalSays,
}

impl Timed for VitalRow {
    fn event_time_ms(&self) -> i64 {
        self.at_ms
    }
}

impl VitalRow {
    /// How rows of people are taken: within 5 s out of order; of a device whose clock is far ahead the error is learned.
    pub const EVENT_TIME: EventTime =
        EventTime { disorder_ms: 5_000, max_skew_ms: 60_000, on_skew: OnSkew::CorrectOffset, clock_wrong_after: 5 };
}

/// What is told in a [`VitalRow`].
///
/// # Examples
/// ```
/// use watchfire_operators::wristband::{Spo2Scale, VitalSays};
/// let says: VitalSays = serde_json::from_str(r#"{"scale":{"scale":"two","by":"Dr Li"}}"#)?;
/// assert!(matches!(says, VitalSays::Scale { scale: Spo2Scale::Two, .. }));
/// assert!(serde_json::from_str::<VitalSays>(r#"{"scale":{"scale":"two","by":" "}}"#).is_err(), "somebody answers for it");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VitalSays {
    /// What was measured at one instant; what is not among it was not measured.
    Measured(Vec<Measured>),
    /// Which scale the oxygen saturation is judged by from then on.
    Scale {
        /// Which.
        scale: Spo2Scale,
        /// Who has decided it.
        by: Clinician,
    },
}

/// A clinician who answers for an entry: not blank.
///
/// # Examples
/// ```
/// use watchfire_operators::wristband::Clinician;
/// let by = Clinician::new("Dr Li")?;
/// assert_eq!((by.reveal(), format!("{by:?}")), ("Dr Li", "Clinician(Private(..))".to_owned()));
/// assert_eq!(Clinician::new(" ").unwrap_err().code(), "E0631");
/// # Ok::<(), watchfire_engine::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Clinician(Private);

impl Clinician {
    /// By name, or number.
    ///
    /// # Errors
    /// `E0631` if it is blank.
    pub fn new(who: &str) -> Result<Self, Error> {
        if who.trim().is_empty() {
            let error = Error::new("E0631", "an entry that a clinician has to answer for names nobody");
            return Err(error.at("by").remedy("name the clinician who has decided it"));
        }
        Ok(Clinician(who.into()))
    }

    /// The name, for those who may see it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        self.0.reveal()
    }
}

impl TryFrom<String> for Clinician {
    type Error = Error;

    fn try_from(who: String) -> Result<Self, Error> {
        Clinician::new(&who)
    }
}

impl From<Clinician> for String {
    fn from(who: Clinician) -> Self {
        who.reveal().to_owned()
    }
}
