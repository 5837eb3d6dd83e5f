//! What is told of a lift, by itself and by people.

use serde::{Deserialize, Serialize};
use watchfire_engine::{EventTime, OnSkew, Timed, rkyv};

use super::{Coded, FaultClass, LiftCode, LiftTotals, LiftTrip};
use crate::alarm::Private;
use crate::detect::InOrder;
use crate::dispatch::Person;

/// Something that is told of a lift.
///
/// # Examples
/// ```
/// use watchfire_operators::elevator::{Doors, LiftRow, LiftSays};
/// let line = r#"{"lift":31,"at_ms":1000,"says":{"status":{"moving":false,"level":true,"doors":"closed","person":true}}}"#;
/// let row: LiftRow = serde_json::from_str(line)?;
/// let LiftSays::Status(status) = row.says else { return Ok(()) };
/// assert_eq!((status.doors, status.floor), (Some(Doors::Closed), None), "what is not said is not known");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiftRow {
    /// The lift.
    pub lift: u32,
    /// When it was so, by the clock of the source, milliseconds since 1970-01-01 UTC.
    pub at_ms: i64,
    /// What is told.
    pub says: LiftSays,
}

impl Timed for LiftRow {
    fn event_time_ms(&self) -> i64 {
        self.at_ms
    }
}

/// What is told in a [`LiftRow`].
///
/// # Examples
/// ```
/// use watchfire_operators::elevator::{LiftSays, RescueStep};
/// let says: LiftSays = serde_json::from_str(r#"{"code":{"raw":"90","code":"car_button"}}"#)?;
/// assert!(says.is_urgent());
/// let says: LiftSays = serde_json::from_str(r#"{"rescue":{"step":"arrived","by":{"who":"mechanic 7"}}}"#)?;
/// assert!(matches!(says, LiftSays::Rescue { step: RescueStep::Arrived, .. }));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LiftSays {
    /// What the lift does now.
    Status(LiftStatus),
    /// A code of its controller.
    Code(Coded),
    /// What was measured of a trip.
    Trip(Box<LiftTrip>),
    /// What it has counted.
    Totals(LiftTotals),
    /// Somebody has maintained it.
    Visited {
        /// What was repaired, replaced or adjusted: what is known of that begins anew. Nothing if somebody only looked.
        #[serde(default)]
        mended: Vec<FaultClass>,
        /// Who says so: not blank.
        by: Person,
    },
    /// Somebody in the car speaks through the intercom.
    Intercom,
    /// The power of the building is lost, or back: by a meter of the building, told of any lift in it.
    Power {
        /// It is lost.
        lost: bool,
    },
    /// Somebody works on the lift until then, and is told of what is raised meanwhile.
    OnSite {
        /// Who.
        who: Private,
        /// Until when at most, milliseconds since 1970-01-01 UTC.
        until_ms: i64,
    },
    /// Nobody works on the lift any more.
    OffSite,
    /// The sensor that tells whether somebody is in the car is out of order until then: what it tells says nothing, and what it does not tell is no reason to look each
    /// time that the lift is parked.
    SensorOut {
        /// Until when, milliseconds since 1970-01-01 UTC.
        until_ms: i64,
        /// Who says so, and why: neither blank.
        by: Person,
    },
    /// How far a rescue is.
    Rescue {
        /// How far.
        step: RescueStep,
        /// Which of the lift it is about; none is the one that is open.
        #[serde(default)]
        nth: Option<u32>,
        /// Who says so: not blank; and why, when it is closed.
        by: Person,
    },
}

/// What tells a row of a lift from another of the same instant: which lift, and what it says where there may be several.
///
/// # Examples
/// ```
/// use watchfire_operators::elevator::{LiftRowId, LiftTotals};
/// assert!(LiftRowId::Totals(31, LiftTotals::default()) < LiftRowId::Visited(31, vec![]));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LiftRowId {
    /// A status.
    Status(u32, LiftStatus),
    /// A code.
    Code(u32, Coded),
    /// A trip.
    Trip(u32, LiftTrip),
    /// What it has counted.
    Totals(u32, LiftTotals),
    /// What was mended.
    Visited(u32, Vec<FaultClass>),
    /// What waits for nothing, and is never compared.
    Urgent(u32),
}

impl LiftRow {
    /// How rows of lifts are taken: within 2 s out of order; of a gateway whose clock is far ahead the error is learned, so that who calls is heard.
    pub const EVENT_TIME: EventTime =
        EventTime { disorder_ms: 2_000, max_skew_ms: 60_000, on_skew: OnSkew::CorrectOffset, clock_wrong_after: 5 };

    /// Nothing of a lift waits for longer for what was before it, milliseconds: more than its rows are [out of order](LiftRow::EVENT_TIME).
    pub(super) const IN_ORDER_MS: i64 = 3_000;

    /// Puts the rows of a lift or a site in order, and lets go at once what is [urgent](LiftSays::is_urgent): what goes before [`Trapped`](super::Trapped) and [`Wear`](super::Wear), which know what is late of each lift. Nothing waits for longer than
    /// `wait_ms` on the arrival clock, which must be more than rows are out of order.
    ///
    /// ```
    /// use watchfire_operators::elevator::LiftRow;
    /// assert!(format!("{:?}", LiftRow::in_order::<u32>(3_000)).contains("some at once"));
    /// ```
    #[must_use]
    pub fn in_order<K>(wait_ms: i64) -> InOrder<K, LiftRow, fn(&LiftRow) -> LiftRowId> {
        let id: fn(&LiftRow) -> LiftRowId = |row| match &row.says {
            LiftSays::Status(status) => LiftRowId::Status(row.lift, *status),
            LiftSays::Code(coded) => LiftRowId::Code(row.lift, coded.clone()),
            LiftSays::Trip(trip) => LiftRowId::Trip(row.lift, **trip),
            LiftSays::Totals(totals) => LiftRowId::Totals(row.lift, *totals),
            LiftSays::Visited { mended, .. } => LiftRowId::Visited(row.lift, mended.clone()),
            _ => LiftRowId::Urgent(row.lift),
        };
        InOrder::new(id).wait_ms(wait_ms).at_once(|row| row.says.is_urgent()).late_go_on()
    }
}

impl LiftSays {
    /// It is acted upon at once, and waits for nothing that may have happened before.
    #[must_use]
    pub fn is_urgent(&self) -> bool {
        match self {
            LiftSays::Status(_) | LiftSays::Trip(_) | LiftSays::Totals(_) | LiftSays::Visited { .. } => false,
            LiftSays::Code(coded) => coded.code.calls_for_help() || coded.code == LiftCode::PowerLost,
            _ => true,
        }
    }
}

/// What a lift does. What is `None` is not measured, or not to be trusted: that is not the same as no.
///
/// # Examples
/// ```
/// use watchfire_operators::elevator::{LiftMode, LiftStatus};
/// let nothing_known = LiftStatus::default();
/// assert_eq!((nothing_known.person, nothing_known.mode), (None, LiftMode::Normal));
/// ```
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
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
#[serde(default, deny_unknown_fields)]
#[rkyv(crate = rkyv)]
pub struct LiftStatus {
    /// The car moves.
    pub moving: Option<bool>,
    /// The car stands level with a floor, or passes one.
    pub level: Option<bool>,
    /// The doors of the car.
    pub doors: Option<Doors>,
    /// Somebody is in the car.
    pub person: Option<bool>,
    /// The floor that the car is at, or nearest to.
    pub floor: Option<i16>,
    /// What the lift is used for.
    pub mode: LiftMode,
}

/// What the doors of a car are.
///
/// # Examples
/// ```
/// use watchfire_operators::elevator::{Doors, LiftStatus};
/// let doors = |line: &str| serde_json::from_str::<LiftStatus>(line).map(|status| status.doors);
/// assert_eq!(doors(r#"{"doors":"moving"}"#)?, Some(Doors::Moving));
/// assert_eq!(doors("{}")?, None, "what is not measured is not closed");
/// assert!(doors(r#"{"doors":"ajar"}"#).is_err());
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
pub enum Doors {
    /// Nobody gets in or out.
    Closed,
    /// They open or close.
    Moving,
    /// Open.
    Open,
}

/// What a lift is used for.
///
/// # Examples
/// ```
/// use watchfire_operators::elevator::LiftMode;
/// assert!(LiftMode::Inspection.has_somebody_at_it() && !LiftMode::OutOfService.has_somebody_at_it());
/// ```
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
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
pub enum LiftMode {
    /// Anybody uses it.
    #[default]
    Normal,
    /// A mechanic drives it.
    Inspection,
    /// A mechanic works on it.
    Maintenance,
    /// It returns for a fire alarm, or firefighters use it.
    Fire,
    /// Nobody is to use it.
    OutOfService,
    /// It runs on emergency power.
    EmergencyPower,
}

impl LiftMode {
    /// Somebody works on it, who is told first of what is raised: if it is known who.
    #[must_use]
    pub fn has_somebody_at_it(self) -> bool {
        matches!(self, LiftMode::Inspection | LiftMode::Maintenance | LiftMode::Fire)
    }
}

/// How far a rescue is.
///
/// # Examples
/// Steps have an order, and some may be left out:
/// ```
/// use watchfire_operators::elevator::RescueStep;
/// let told: Vec<RescueStep> = serde_json::from_str(r#"["answered","released",{"closed":{"false_alarm":false}}]"#)?;
/// assert!(told.is_sorted() && told[1] > RescueStep::Arrived, "whoever released them was there");
/// assert_eq!(told[2], RescueStep::Closed { false_alarm: false });
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
pub enum RescueStep {
    /// Somebody has answered.
    Answered,
    /// Somebody is at the lift.
    Arrived,
    /// Nobody is in the car any more.
    Released,
    /// It is over.
    Closed {
        /// Nobody was trapped.
        false_alarm: bool,
    },
}
