//! Who can be sent.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Order, Skills};
use crate::alarm::Private;
use crate::geo::Position;
use crate::road::NodeId;

/// Somebody who can be sent: a fire crew, a grid worker, a volunteer, a lift mechanic, a medic, a patrol. What they can do is in their
/// [`Skills`], whose meaning is the host's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct Responder {
    /// The number by which it is known.
    pub id: u64,
    /// Where it belongs: the number of a station.
    pub station: u32,
    /// What it can do.
    pub skills: Skills,
    /// How many people it is.
    pub people: u16,
    /// How long it takes for a way, in hundredths of what a fire engine takes: 100 by engine, about 600 on foot. 1 to 10,000; what is beyond counts as
    /// the nearest.
    pub pace_pct: u32,
    /// How long it takes to get going, milliseconds; none is the default of the configuration.
    #[serde(default)]
    pub turnout_ms: Option<u32>,
    /// The shift on which it is on duty, by the name that the calendar gives it; none is always.
    #[serde(default)]
    pub shift: Option<String>,
    /// It has agreed to be sent. Of those who are paid for it that is true.
    #[serde(default = "yes")]
    pub consents: bool,
}

fn yes() -> bool {
    true
}

impl Responder {
    /// A crew with an engine, which belongs to a station and can do `skills`: three people, the least that a shift of a micro fire station has.
    ///
    /// ```
    /// use watchfire_operators::dispatch::{Responder, Skills};
    /// let crew = Responder::crew(12, 4, Skills(1));
    /// assert_eq!((crew.people, crew.pace_pct), (3, 100));
    /// ```
    #[must_use]
    pub fn crew(id: u64, station: u32, skills: Skills) -> Self {
        Responder { id, station, skills, people: 3, pace_pct: 100, turnout_ms: None, shift: None, consents: true }
    }
}

/// What a responder does.
///
/// # Examples
/// ```
/// use watchfire_operators::dispatch::Status;
/// assert_eq!(serde_json::to_string(&Status::OutOfService)?, r#""out_of_service""#);
/// # Ok::<(), serde_json::Error>(())
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
    Serialize,
    Deserialize,
    rkyv::Archive,
    rkyv::Serialize,
    rkyv::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It can be sent.
    #[default]
    Available,
    /// It was sent, and gets going.
    Assigned,
    /// It is on the way.
    Rolling,
    /// It is there.
    OnScene,
    /// It is on its way back, and can be sent.
    Returning,
    /// It cannot be sent.
    OutOfService,
}

/// Whose word sends people, in a district.
///
/// # Examples
/// ```
/// use watchfire_operators::dispatch::{DeskState, Mode};
/// assert_eq!(DeskState::default().mode(7), Mode::Recommend, "until people say otherwise");
/// ```
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    rkyv::Archive,
    rkyv::Serialize,
    rkyv::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// That of people: changes are recommended.
    #[default]
    Recommend,
    /// That of the plan. Nobody is called back all the same, but by people.
    Auto,
}

/// A responder as it is known now.
#[derive(Clone, Debug, PartialEq, Eq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct Member {
    /// Who it is.
    pub is: Responder,
    /// What it does.
    pub status: Status,
    /// When that was said last, by the clock of the source, milliseconds.
    pub(super) status_ms: i64,
    /// Where it was seen last.
    pub fix: Option<Fix>,
    /// The one incident to which it was sent, if it was.
    pub claim: Option<Claim>,
    /// What is recommended, and waits for people.
    pub offer: Option<Offer>,
    /// What people have ordered last. An incident that they have barred it from before stays barred, beside it.
    pub ordered: Option<(Order, Private)>,
    /// When they said so, and when its registration was told, by the clock of the source, milliseconds.
    pub(super) ordered_ms: i64,
    pub(super) told_ms: i64,
    /// Incidents that it will not be sent to: it has refused, or people have.
    pub(super) not_to: BTreeSet<u64>,
    /// It was told that it does not go where people have ordered it.
    pub(super) unkept: bool,
    /// The station that it covers, from some instant on, arrival clock, milliseconds.
    pub(super) covers: Option<(u32, i64)>,
    /// The station that it covered when it was sent to cover another, or home.
    pub(super) covered: Option<u32>,
    /// The incident from which it was turned around or called back last.
    pub(super) turned_from: Option<u64>,
    /// Stations that people do not want it to cover.
    pub(super) not_cover: BTreeSet<u32>,
}

/// Where a responder was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct Fix {
    /// The place.
    pub place: Position,
    /// The place on the road; none if it is off the map.
    pub(super) node: Option<NodeId>,
    /// When, by the clock of the source, milliseconds.
    pub at_ms: i64,
    /// It has said so itself, by being at an incident, and no device has.
    pub by_word: bool,
}

/// The incident to which a responder was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct Claim {
    /// The incident.
    pub incident: u64,
    /// The slot that it fills; none if it fills none any more, and nobody has called it back.
    pub slot: Option<u16>,
    /// The change that sent it.
    pub change: u64,
    /// When it was sent, arrival clock, milliseconds.
    pub since_ms: i64,
    /// When it has got going, or will have, arrival clock, milliseconds.
    pub ready_ms: i64,
    /// When it was expected there as it was sent, arrival clock, milliseconds; none if nobody could tell.
    pub due_ms: Option<i64>,
    /// When it has said first that it knows, by the clock of the source, milliseconds; none if it has not yet.
    pub(super) heard_ms: Option<i64>,
    /// People want it to go on, though the plan does not need it.
    pub(super) kept: bool,
}

/// Something that is recommended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct Offer {
    /// The change that is recommended.
    pub change: u64,
    /// What it would be.
    pub to: Move,
}

/// Where a responder is to go.
///
/// # Examples
/// ```
/// use watchfire_operators::dispatch::Move;
/// assert_eq!(serde_json::to_string(&Move::Reassign { incident: 8, from: 7 })?, r#"{"reassign":{"incident":8,"from":7}}"#);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Move {
    /// To an incident.
    Assign {
        /// The incident.
        incident: u64,
    },
    /// To an incident, and from another.
    Reassign {
        /// The incident.
        incident: u64,
        /// The one that it leaves.
        from: u64,
    },
    /// Back.
    Release {
        /// The incident that it leaves.
        from: u64,
    },
    /// To a station, to cover it.
    MoveUp {
        /// The station.
        station: u32,
    },
}

impl Move {
    /// The incident that it goes to, if it goes to one.
    pub(super) fn incident(self) -> Option<u64> {
        match self {
            Move::Assign { incident } | Move::Reassign { incident, .. } => Some(incident),
            Move::Release { .. } | Move::MoveUp { .. } => None,
        }
    }
}

impl Member {
    pub(super) fn new(is: Responder, told_ms: i64) -> Self {
        Member {
            is,
            status: Status::Available,
            status_ms: i64::MIN,
            fix: None,
            claim: None,
            offer: None,
            ordered: None,
            ordered_ms: i64::MIN,
            told_ms,
            not_to: BTreeSet::new(),
            unkept: false,
            covers: None,
            covered: None,
            turned_from: None,
            not_cover: BTreeSet::new(),
        }
    }

    /// The station that it covers, or is on its way to cover, in place of its own.
    #[must_use]
    pub fn covers_station(&self) -> Option<u32> {
        self.covers.map(|(station, _)| station).filter(|station| *station != self.is.station)
    }

    /// The station at which it stands by: its own, or from the instant at which it can be there the one that it covers. `now_ms` is the arrival clock.
    #[must_use]
    pub fn post(&self, now_ms: i64) -> u32 {
        self.covers.filter(|(_, from_ms)| *from_ms <= now_ms).map_or(self.is.station, |(station, _)| station)
    }

    /// It is at the incident to which it was sent.
    pub(super) fn is_on_scene(&self) -> bool {
        self.status == Status::OnScene && self.claim.is_some()
    }
}
