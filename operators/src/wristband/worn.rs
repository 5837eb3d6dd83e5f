//! What bands tell of those who wear them.

use std::fmt;

use serde::{Deserialize, Serialize};
use watchfire_engine::{EventTime, Key, Timed, rkyv};

use super::{Measured, VitalRow, VitalSays};

/// Who wears a band: a person, or whoever it is where nobody knows who has it. The key of all that watches over people.
///
/// # Examples
/// ```
/// use watchfire_engine::Key;
/// use watchfire_operators::wristband::Wearer;
/// assert_eq!(serde_json::to_string(&Wearer::Person(7))?, r#"{"person":7}"#);
/// assert_ne!(Wearer::Person(7).stable_hash(), Wearer::Band(7).stable_hash());
/// # Ok::<(), serde_json::Error>(())
/// ```
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
#[serde(rename_all = "snake_case")]
#[rkyv(crate = rkyv)]
pub enum Wearer {
    /// A person who is known.
    Person(u32),
    /// Whoever wears this band.
    Band(u32),
}

impl Key for Wearer {
    fn stable_hash(&self) -> u64 {
        match self {
            Wearer::Person(person) => u64::from(*person).stable_hash(),
            Wearer::Band(band) => (1 << 32 | u64::from(*band)).stable_hash(),
        }
    }
}

/// Something that a band tells of its wearer.
///
/// # Examples
/// ```
/// use watchfire_operators::wristband::{BandSays, Measured, Wearer, WornRow};
/// let row: WornRow = serde_json::from_str(r#"{"wearer":{"person":7},"at_ms":1000,"says":{"measured":{"pulse":{"per_min":72.4}}}}"#)?;
/// assert_eq!((row.wearer, row.says), (Wearer::Person(7), BandSays::Measured(Measured::Pulse { per_min: Some(72.4) })));
/// assert!(!format!("{row:?}").contains("72"), "health data do not reach a log");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct WornRow {
    /// Who wears it.
    pub wearer: Wearer,
    /// When it was so, by the clock of the band, milliseconds since 1970-01-01 UTC.
    pub at_ms: i64,
    /// What is told.
    pub says: BandSays,
}

impl Timed for WornRow {
    fn event_time_ms(&self) -> i64 {
        self.at_ms
    }
}

impl WornRow {
    /// How rows of bands are taken: as those of [vitals](VitalRow::EVENT_TIME).
    pub const EVENT_TIME: EventTime = VitalRow::EVENT_TIME;

    /// What it says of the vitals of a person who is known.
    ///
    /// # Examples
    /// ```
    /// use watchfire_operators::wristband::{BandSays, Measured, Wearer, WornRow};
    /// let says = BandSays::Measured(Measured::Spo2 { pct: Some(96.0) });
    /// let row = WornRow { wearer: Wearer::Person(7), at_ms: 0, says };
    /// assert_eq!(row.vital().map(|row| row.person), Some(7));
    /// assert_eq!(WornRow { wearer: Wearer::Band(12), ..row }.vital(), None);
    /// ```
    #[must_use]
    pub fn vital(&self) -> Option<VitalRow> {
        match (self.wearer, self.says) {
            (Wearer::Person(person), BandSays::Measured(measured)) => {
                Some(VitalRow { person, at_ms: self.at_ms, says: VitalSays::Measured(vec![measured]) })
            }
            _ => None,
        }
    }
}

/// What a band tells.
///
/// # Examples
/// ```
/// use watchfire_operators::wristband::BandSays;
/// assert_eq!(serde_json::from_str::<BandSays>(r#"{"worn":false}"#)?, BandSays::Worn(false));
/// assert_eq!(format!("{:?}", BandSays::Steps { total: 4_711 }), "Steps(..)", "how somebody lives is nobody's business");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BandSays {
    /// It has measured something.
    Measured(Measured),
    /// So many steps it has counted.
    Steps {
        /// Since it began to count; less than before is a counter that has begun anew.
        total: u32,
    },
    /// It is put on, or taken off. Until one of them is told, a band that measures a pulse is worn.
    Worn(bool),
    /// It was handed to them, as somebody has recorded: from then on they are watched.
    Given,
    /// It was handed back, as somebody has recorded: if no other band is theirs, they are not watched any more until one says something of them.
    Returned,
}

impl fmt::Debug for BandSays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BandSays::Measured(measured) => fmt::Debug::fmt(measured, f),
            BandSays::Steps { .. } => f.write_str("Steps(..)"),
            BandSays::Worn(worn) => write!(f, "Worn({worn})"),
            BandSays::Given => f.write_str("Given"),
            BandSays::Returned => f.write_str("Returned"),
        }
    }
}
