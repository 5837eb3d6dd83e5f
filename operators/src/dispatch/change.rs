//! What those who dispatch tell.

use serde::{Deserialize, Serialize};

use crate::alarm::Private;

use super::{
    Answer, Cost, Incident, Message, Mode, Move, NoticeId, Person, Recipient, Stage, Status, SupplyFrom, WaterFrom,
};

/// Something that the plan, or people, have changed, and that people are to know.
///
/// Every one has an [`id`](Dispatch::id), the same in every run of the same input, whatever happened to the job in between.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Dispatch {
    /// The theatre.
    pub theatre: u32,
    /// When, arrival clock, milliseconds; before its first tick the time of the report.
    pub at_ms: i64,
    /// The how manyth of its theatre, from 1.
    pub number: u64,
    /// What is told.
    pub tells: Tells,
}

impl Dispatch {
    /// The theatre and the number: what a sink by key tells them apart by.
    ///
    /// ```
    /// use watchfire_operators::dispatch::{Coverage, Dispatch, Tells};
    /// let told = Dispatch { theatre: 1, at_ms: 0, number: 7, tells: Tells::Coverage(Coverage::default()) };
    /// assert_eq!(told.id(), "dispatch/1/7");
    /// ```
    #[must_use]
    pub fn id(&self) -> String {
        format!("dispatch/{}/{}", self.theatre, self.number)
    }
}

/// What is told in a [`Dispatch`].
///
/// # Examples
/// ```
/// use watchfire_operators::dispatch::{Dispatch, Tells};
/// let line = r#"{"theatre":1,"at_ms":9000,"number":4,"tells":{"coverage":{"covered_permille":980,"expected_permille":710,"bare":[3]}}}"#;
/// let Dispatch { tells: Tells::Coverage(coverage), .. } = serde_json::from_str(line)? else { return Ok(()) };
/// assert_eq!(coverage.bare, [3]);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tells {
    /// Something about an incident.
    Incident {
        /// The incident.
        incident: u64,
        /// What.
        what: IncidentTold,
    },
    /// Who goes where.
    Plan(Box<PlanChange>),
    /// A notice goes out.
    Message(Message),
    /// A notice has come to something.
    Answered {
        /// The notice.
        notice: NoticeId,
        /// Who it was meant for.
        meant_for: Recipient,
        /// Of which incident, if it is about one.
        incident: Option<u64>,
        /// What it has come to.
        answer: Answer,
    },
    /// Who decides in a district has changed.
    Mode {
        /// The district.
        district: u32,
        /// Who decides.
        mode: Mode,
        /// Who says so.
        by: Person,
    },
    /// Somebody was ordered to an incident, and does not go there: it is on scene elsewhere, or nobody knows a way. Or it was ordered away from where it is
    /// on scene: there it stays until it says itself that it leaves, or people close the incident.
    Unkept {
        /// Who.
        responder: u64,
        /// The incident to which it does not go, or from which it does not leave.
        incident: u64,
        /// Who has ordered it.
        by: Private,
    },
    /// How well the theatre is covered by those who stand by has changed.
    Coverage(Coverage),
    /// A report that was not taken, or not as it was meant.
    Refused(Refused),
}

/// What is told about an incident.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IncidentTold {
    /// It is open.
    Opened(Box<Incident>),
    /// Something else has raised it too.
    Joined {
        /// The source.
        source: String,
    },
    /// Its level has changed.
    Level {
        /// From.
        from: u8,
        /// To.
        to: u8,
        /// Up to which it is sure.
        sure: u8,
        /// Who says so, if people do.
        by: Option<Person>,
    },
    /// The slots that nobody fills have changed: mutual aid is asked for, if there are any.
    Missing {
        /// The slots, from 0.
        slots: Vec<u16>,
    },
    /// Where it takes its water has changed.
    Water {
        /// From where, the nearest first. What is laid stays until it gives nothing.
        from: Vec<WaterFrom>,
        /// How much it lacks, litres a second.
        lacks_lps: u32,
    },
    /// What is brought to it has changed.
    Supplies {
        /// The item.
        item: String,
        /// From where, the nearest first, beside what was handed out already.
        from: Vec<SupplyFrom>,
        /// How much of it nobody has who can be reached.
        lacks: u32,
    },
    /// A stage was reached.
    Reached {
        /// The stage.
        stage: Stage,
        /// After so long, milliseconds.
        after_ms: i64,
    },
    /// A stage was not reached in time.
    Missed {
        /// The stage.
        stage: Stage,
        /// In so long, milliseconds.
        within_ms: u32,
    },
    /// Everybody who is asked for is there.
    Full {
        /// After so long, milliseconds.
        after_ms: i64,
    },
    /// It is over.
    Closed {
        /// Nothing was the matter.
        false_alarm: bool,
        /// Who says so.
        by: Person,
    },
}

/// A change of who goes where.
///
/// # Examples
/// ```
/// use watchfire_operators::dispatch::{By, Move, PlanChange, Standing};
/// let line = r#"{"change":2,"responder":60,"to":{"assign":{"incident":1}},"standing":{"done":{"by":"plan"}},"because":null}"#;
/// let change: PlanChange = serde_json::from_str(line)?;
/// assert_eq!((change.to, change.standing), (Move::Assign { incident: 1 }, Standing::Done { by: By::Plan }));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlanChange {
    /// Its number: the same from when it is recommended until it is decided.
    pub change: u64,
    /// Who.
    pub responder: u64,
    /// Where to.
    pub to: Move,
    /// What has become of it.
    pub standing: Standing,
    /// Why, by the plan; none if people ordered it.
    pub because: Option<Because>,
}

/// What has become of a change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// People are to decide.
    Recommended,
    /// It is so.
    Done {
        /// By whose word.
        by: By,
    },
    /// It is not recommended any more.
    Withdrawn,
    /// People have decided against it.
    Declined {
        /// Who.
        by: Person,
    },
}

/// By whose word.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// That of the plan, in a district where it decides.
    Plan,
    /// That of people who dispatch.
    Person(Person),
    /// That of the responder, by what it does or answers.
    Responder(Status),
}

/// Why the plan sends somebody.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Because {
    /// When it is there.
    pub eta: Option<Eta>,
    /// What it costs that it goes there, the price of its area apart.
    pub cost: Cost,
    /// Who would go if it did not.
    pub runner_up: Option<RunnerUp>,
    /// What the whole plan would cost more then: by how much its own way must become longer for the plan to change, by the weight of its slot.
    pub margin: Cost,
}

/// Who would go instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunnerUp {
    /// Who.
    pub responder: u64,
    /// When it would be there.
    pub eta: Eta,
}

/// When somebody is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Eta {
    /// Milliseconds from now.
    pub ms: u32,
    /// What it is counted from.
    pub basis: Basis,
}

/// What an arrival is counted from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// From its station, where it stands by.
    Station,
    /// From where it was seen.
    Fix,
    /// From when it was sent, for it has not been seen since.
    Reckoned,
    /// From its station, though it is not there: nobody knows where it is.
    Fallback,
}

/// How well those who stand by cover the theatre.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize,
)]
pub struct Coverage {
    /// The part of the demand that somebody reaches in time, in thousandths, rounded down.
    pub covered_permille: u32,
    /// The part that is expected to find somebody who is free (MEXCLP, Daskin 1983), in thousandths, rounded down.
    pub expected_permille: u32,
    /// Stations from which nobody can be sent.
    pub bare: Vec<u32>,
}

/// A report that was not taken, or not as it was meant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// The stable code.
    pub code: String,
    /// What, where, why and what to do. Without names of people.
    pub why: String,
    /// When the report says that it was made, milliseconds.
    pub reported_ms: i64,
}
