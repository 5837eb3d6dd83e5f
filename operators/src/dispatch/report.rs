//! What is reported to those who dispatch.

use serde::{Deserialize, Serialize};
use watchfire_engine::Timed;

use super::{Answer, Mode, NoticeId, Order, Raised, Responder, Status, WaterSource};
use crate::alarm::Private;
use crate::geo::Position;
use crate::road::RoadState;

/// Something that those who dispatch are told, by whatever source.
///
/// # Examples
/// ```
/// use watchfire_operators::dispatch::{Report, Says, Status};
/// let line = r#"{"theatre":1,"at_ms":1000,"says":{"status":{"responder":7,"status":"rolling","incident":3}}}"#;
/// let report: Report = serde_json::from_str(line)?;
/// assert_eq!(report.says, Says::Status { responder: 7, status: Status::Rolling, incident: Some(3) });
/// let line = r#"{"theatre":1,"at_ms":1000,"says":{"roads":[{"road":"7 north","becomes":"closed"},{"road":"8","becomes":{"takes":90000}}]}}"#;
/// assert!(matches!(serde_json::from_str::<Report>(line)?.says, Says::Roads(roads) if roads.len() == 2));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Where it belongs: all districts and domains that share responders are one theatre, for a responder is claimed by one incident alone.
    pub theatre: u32,
    /// When it was so, by the clock of the source, milliseconds since 1970-01-01 UTC.
    pub at_ms: i64,
    /// What is said.
    pub says: Says,
}

impl Timed for Report {
    fn event_time_ms(&self) -> i64 {
        self.at_ms
    }
}

/// What is said in a [`Report`].
///
/// # Examples
/// ```
/// use watchfire_operators::dispatch::{Answer, Says};
/// let says: Says = serde_json::from_str(r#"{"answer":{"notice":12,"answer":"accepted"}}"#)?;
/// assert!(matches!(says, Says::Answer { answer: Answer::Accepted, .. }));
/// let says: Says = serde_json::from_str(r#"{"closed":{"incident":3,"false_alarm":true,"by":{"who":"officer 7","reason":"steam"}}}"#)?;
/// assert!(matches!(says, Says::Closed { incident: 3, false_alarm: true, .. }));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Says {
    /// An alarm wants somebody to come.
    Raised(Raised),
    /// An incident is graver than it was, or people find that it is not.
    Level {
        /// The incident.
        incident: u64,
        /// The level, 1 to 5.
        level: u8,
        /// Who says so. Without one the level can only rise.
        by: Option<Person>,
    },
    /// An incident is over. Only people can say that.
    Closed {
        /// The incident.
        incident: u64,
        /// Nothing was the matter.
        false_alarm: bool,
        /// Who says so.
        by: Person,
    },
    /// A responder is there to be sent, or something about it has changed.
    Joined(Responder),
    /// A responder is not there any more.
    Left {
        /// The responder.
        responder: u64,
        /// Who says so.
        by: Person,
    },
    /// What a responder does.
    Status {
        /// The responder.
        responder: u64,
        /// What it does.
        status: Status,
        /// For which incident; none is the one to which it was sent.
        incident: Option<u64>,
    },
    /// Where a responder is.
    Fix {
        /// The responder.
        responder: u64,
        /// The place.
        place: Position,
    },
    /// What becomes of roads, all at once.
    Roads(Vec<RoadTold>),
    /// People decide over a responder, until they take it back.
    Order {
        /// The responder.
        responder: u64,
        /// What they order; none takes back what was ordered before.
        order: Option<Order>,
        /// Who orders it.
        by: Person,
    },
    /// What a notice, sent as a [`Message`](super::Message), has come to.
    Answer {
        /// The notice.
        notice: NoticeId,
        /// What it has come to.
        answer: Answer,
    },
    /// People decide over a change that was recommended.
    Decided {
        /// The change.
        change: u64,
        /// Whether it is to be.
        accept: bool,
        /// Who decides.
        by: Person,
    },
    /// What a place gives where water is taken.
    Water {
        /// Its number.
        source: u64,
        /// Where it is, and what it gives.
        is: WaterSource,
    },
    /// How much a depot has of an item that can be used, what is set aside included.
    Stock {
        /// The depot.
        depot: u32,
        /// The item.
        item: String,
        /// How much.
        count: u32,
    },
    /// A depot has handed out some of an item for an incident, and has that much less. Of one depot, item and incident once an instant.
    Handed {
        /// The incident.
        incident: u64,
        /// The depot.
        depot: u32,
        /// The item.
        item: String,
        /// How much.
        count: u32,
    },
    /// Who decides in a district.
    Mode {
        /// The district.
        district: u32,
        /// Who.
        mode: Mode,
        /// Who says so.
        by: Person,
    },
    /// The professional brigade is at an incident.
    Brigade {
        /// The incident.
        incident: u64,
    },
}

/// What becomes of a road.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoadTold {
    /// The arc, by the name that the map gives it.
    pub road: String,
    /// What becomes of it.
    pub becomes: RoadState,
}

/// A person who decides something, and why.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize,
)]
pub struct Person {
    /// Who: not blank.
    pub who: Private,
    /// Why; not blank where something is made less than it was.
    #[serde(default)]
    pub reason: Private,
}

impl Person {
    /// Somebody, with a reason.
    ///
    /// ```
    /// use watchfire_operators::dispatch::Person;
    /// assert_eq!(Person::named("duty officer 7", "smoke from a barbecue").who.reveal(), "duty officer 7");
    /// ```
    #[must_use]
    pub fn named(who: impl Into<Private>, reason: impl Into<Private>) -> Self {
        Person { who: who.into(), reason: reason.into() }
    }
}
