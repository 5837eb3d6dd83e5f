//! What is told while it is found out whether somebody is well.

use serde::{Deserialize, Serialize};
use watchfire_engine::{Timed, rkyv};

use super::row::{Answer, Ask, Press};
use crate::dispatch::Person;
use crate::wristband::{Concern, Wearer};

/// Something that happens to a case of a person. What is told is never taken back: it is the record of the case.
///
/// # Examples
/// See [`Confirm`](super::Confirm).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CareTold {
    /// Whom it is about.
    pub wearer: Wearer,
    /// Which of the cases of that person, from 1; what is of none is of the last.
    pub nth: u32,
    /// When it is told, on the arrival clock.
    pub at_ms: i64,
    /// What is told.
    pub tells: CareTells,
}

impl Timed for CareTold {
    fn event_time_ms(&self) -> i64 {
        self.at_ms
    }
}

/// What a case is about.
///
/// # Examples
/// ```
/// use watchfire_operators::wristband::{Cause, Press};
/// let call = Cause::Sos { at_ms: 1_000, press: Press { band: 12, boot: 3, seq: 1 } };
/// assert_eq!(call.at_ms(), Some(1_000));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// Something speaks for their being unwell.
    Concern(Concern),
    /// They have called for help.
    Sos {
        /// When, by the clock of the band.
        at_ms: i64,
        /// Which press.
        press: Press,
    },
    /// A person says that they need help.
    Said,
}

impl Cause {
    /// When it was so; nobody knows of what is said.
    ///
    /// # Examples
    /// See [`Cause`].
    #[must_use]
    pub fn at_ms(&self) -> Option<i64> {
        match self {
            Cause::Concern(of) => Some(of.at_ms),
            Cause::Sos { at_ms, .. } => Some(*at_ms),
            Cause::Said => None,
        }
    }
}

/// What is told in a [`CareTold`].
///
/// # Examples
/// See [`Confirm`](super::Confirm).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CareTells {
    /// A case is opened.
    Opened {
        /// By what.
        cause: Cause,
        /// How long ago that was when it came.
        age_ms: i64,
    },
    /// More of the kind, in a case that is open.
    Joined {
        /// What.
        cause: Cause,
        /// How long ago that was when it came.
        age_ms: i64,
    },
    /// They are to be asked.
    Asks {
        /// How.
        ask: Ask,
        /// After that it goes on without an answer.
        until_ms: i64,
    },
    /// That has failed.
    Failed {
        /// What was tried.
        ask: Ask,
    },
    /// It is urgent: those who would go are told while they are asked.
    Warned,
    /// They have taken back on the band that they call for help. Whoever was sent goes on.
    Cancelled {
        /// How long ago.
        age_ms: i64,
    },
    /// Somebody is to go. Told again, it is graver than it was, or there is more after somebody had arrived.
    Sent {
        /// Why.
        why: SentWhy,
    },
    /// Somebody said how they are.
    Answered {
        /// How.
        is: Answer,
        /// Who.
        by: Person,
    },
    /// Somebody is with them.
    Arrived {
        /// Who says so.
        by: Person,
    },
    /// It was shown since that it was not so. Whoever was told of it goes on until people say otherwise.
    Withdrawn {
        /// What was taken back.
        concern: Concern,
        /// Nothing else speaks for it.
        last: bool,
    },
    /// Nobody is asked or sent for this any more, and a person is to look at it.
    Review {
        /// Why.
        why: ReviewWhy,
    },
    /// Nobody has closed it for long, or nobody has arrived: more are to be told.
    Escalated {
        /// How many times more than at first, from 2.
        level: u8,
        /// Somebody is to go, and nobody has arrived.
        sent: bool,
    },
    /// It is over.
    Closed {
        /// How far it had come at most.
        reached: Step,
        /// Nothing was the matter.
        false_alarm: bool,
        /// Who says so.
        by: Person,
    },
    /// From now on what is told of them is only listed.
    Muted {
        /// Until when.
        until_ms: i64,
        /// Who answers for it, and why.
        by: Person,
    },
    /// What would have opened a case is only listed. When that ends, it does.
    Held {
        /// What.
        concern: Concern,
        /// When that ends.
        until_ms: i64,
    },
    /// What is told of them counts again.
    Unmuted {
        /// Who says so; none where the time was over.
        by: Option<Person>,
    },
    /// What was said does not count.
    Refused {
        /// Why not.
        why: Refusal,
    },
}

/// Why somebody is to go.
///
/// # Examples
/// ```
/// use watchfire_operators::wristband::SentWhy;
/// assert_eq!(serde_json::to_string(&SentWhy::Unanswered)?, r#""unanswered""#);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SentWhy {
    /// They did not answer.
    Unanswered,
    /// They have called for help.
    Sos,
    /// A person says that they need it.
    Said,
    /// More has come after somebody had arrived.
    Anew,
}

/// Why a person is to look at a case instead of anybody being asked or sent.
///
/// # Examples
/// ```
/// use watchfire_operators::wristband::ReviewWhy;
/// assert_eq!(serde_json::to_string(&ReviewWhy::SeenWell)?, r#""seen_well""#);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReviewWhy {
    /// It was shown that it was not so, before anybody was told to go.
    Withdrawn,
    /// They were well after it.
    SeenWell,
}

/// Why something that people have said does not count.
///
/// # Examples
/// ```
/// use watchfire_operators::wristband::Refusal;
/// assert_eq!(serde_json::to_string(&Refusal::Nobody)?, r#""nobody""#);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// It does not say who.
    Nobody,
    /// It does not say why.
    NoReason,
    /// It ends before now, or later than is allowed.
    NoEnd,
    /// It is for later than now.
    Ahead,
    /// It is about a case that is not open: an older one, or it was said before this was opened.
    NotThis,
}

/// How far a case has come.
///
/// # Examples
/// ```
/// use watchfire_operators::wristband::{Ask, Step};
/// assert!(Step::Review < Step::Asks(Ask::Buzz) && Step::Asks(Ask::Call) < Step::Sent);
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
pub enum Step {
    /// A person is to look at it.
    Review,
    /// They are asked.
    Asks(Ask),
    /// Somebody is to go.
    Sent,
}
