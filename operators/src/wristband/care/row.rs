//! What comes of a person: what speaks for their being unwell, what they say, and what others do.

use serde::{Deserialize, Serialize};
use watchfire_engine::{Change, EventTime, Timed, rkyv};

use crate::dispatch::Person;
use crate::wristband::{Concern, VitalRow, Wearer};

/// Something that [`Confirm`](super::Confirm) has to know of a person.
///
/// # Examples
/// ```
/// use watchfire_operators::wristband::{Answer, CareRow, CareSays, Wearer};
/// let line = r#"{"wearer":{"person":7},"at_ms":1000,"says":{"answer":{"nth":3,"is":"well","by":{"who":"herself"}}}}"#;
/// let row: CareRow = serde_json::from_str(line)?;
/// assert_eq!(row.wearer, Wearer::Person(7));
/// assert!(matches!(row.says, CareSays::Answer { nth: Some(3), is: Answer::Well, .. }));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CareRow {
    /// Whom it is about.
    pub wearer: Wearer,
    /// When it was so, by the clock of whatever tells it, milliseconds since 1970-01-01 UTC.
    pub at_ms: i64,
    /// What is told.
    pub says: CareSays,
}

impl Timed for CareRow {
    fn event_time_ms(&self) -> i64 {
        self.at_ms
    }
}

impl CareRow {
    /// How rows are taken: as those of [vitals](VitalRow::EVENT_TIME), so that no call is turned away because a band is ahead of time.
    pub const EVENT_TIME: EventTime = VitalRow::EVENT_TIME;

    /// A concern that a detector tells, or takes back.
    ///
    /// # Examples
    /// ```
    /// use watchfire_engine::Change;
    /// use watchfire_operators::wristband::{CareRow, Concern, Evidence, Grade, Sign, Wearer};
    /// let evidence = Evidence::Silence { since_ms: 0, after_ms: 43_200_000, taken_off: false };
    /// let concern = Concern { wearer: Wearer::Person(7), at_ms: 43_200_000, sign: Sign::NoSignal, grade: Grade::CallBack, evidence };
    /// assert_eq!(CareRow::of(Change::Insert(concern)).at_ms, 43_200_000);
    /// ```
    #[must_use]
    pub fn of(change: Change<Concern>) -> CareRow {
        let Concern { wearer, at_ms, .. } = *change.row();
        CareRow { wearer, at_ms, says: CareSays::Concern(change) }
    }
}

/// What is told in a [`CareRow`].
///
/// # Examples
/// See [`CareRow`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CareSays {
    /// Something speaks for their being unwell, or does not any more.
    Concern(Change<Concern>),
    /// They have pressed the button that calls for help.
    Sos(Press),
    /// They have taken that back on the band.
    SosCancelled,
    /// They have walked: the band has counted steps then.
    Walked,
    /// Somebody has answered, whom it was asked or who has seen them.
    Answer {
        /// In which of the cases of that person; of none in particular it counts for a case that was opened before it.
        nth: Option<u32>,
        /// How they are.
        is: Answer,
        /// Who says so: not blank.
        by: Person,
    },
    /// What was tried has failed: the band is dead or off, the line is engaged, nobody has taken up.
    Failed {
        /// In which case.
        nth: u32,
        /// What was tried.
        ask: Ask,
    },
    /// Somebody is with them.
    Arrived {
        /// In which case.
        nth: u32,
        /// Who says so: not blank.
        by: Person,
    },
    /// A case is over. Only people can say that.
    Closed {
        /// Which.
        nth: u32,
        /// Nothing was the matter.
        false_alarm: bool,
        /// Who says so: not blank.
        by: Person,
    },
    /// For a while what is told of them is only listed: a drill, a stay in hospital, a band in repair. Hard limits, what is urgent, and calls for help pass.
    Muted {
        /// Until when, on the arrival clock.
        until_ms: i64,
        /// Who answers for it, and why: neither blank.
        by: Person,
    },
    /// That is over before its time.
    Unmuted {
        /// Who says so: not blank.
        by: Person,
    },
}

/// A press of the button: which of which band, since when it was switched on. The same one may be told twice.
///
/// # Examples
/// ```
/// use watchfire_operators::wristband::Press;
/// let press = Press { band: 12, boot: 3, seq: 1 };
/// assert_ne!(press, Press { boot: 4, ..press }, "it was switched off in between, and counts anew");
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
#[rkyv(crate = rkyv)]
pub struct Press {
    /// The band.
    pub band: u32,
    /// How often it was switched on so far.
    pub boot: u32,
    /// What number it gives the press since then.
    pub seq: u32,
}

/// How somebody is, by a person.
///
/// # Examples
/// See [`CareRow`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// They need nobody.
    Well,
    /// Somebody is to come.
    Help,
}

/// How somebody is asked whether they are well.
///
/// # Examples
/// ```
/// use watchfire_operators::wristband::Ask;
/// assert!(Ask::Buzz < Ask::Call, "one after the other");
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
pub enum Ask {
    /// The band buzzes until they press.
    Buzz,
    /// They are called up.
    Call,
}
