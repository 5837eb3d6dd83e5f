//! What goes into an alarm, and why it can be refused.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::UnknownCause;

/// Words about or by a person (a name, an operator number, a reason in free text): data that must not reach a log.
///
/// Serialises as the plain text, for those who may see it; its `Debug` shows nothing and it has no `Display`.
///
/// # Examples
/// ```
/// use watchfire_operators::alarm::Private;
/// let who = Private::from("duty officer 7");
/// assert_eq!(format!("{who:?}"), "Private(..)");
/// assert_eq!(who.reveal(), "duty officer 7");
/// ```
#[derive(
    Clone,
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
#[serde(transparent)]
pub struct Private(String);

impl Private {
    /// The words themselves, for those who may see them.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    pub(crate) fn is_blank(&self) -> bool {
        self.0.trim().is_empty()
    }
}

impl fmt::Debug for Private {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Private(..)")
    }
}

impl fmt::Debug for ArchivedPrivate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Private(..)")
    }
}

impl From<&str> for Private {
    fn from(words: &str) -> Self {
        Private(words.to_owned())
    }
}

impl From<String> for Private {
    fn from(words: String) -> Self {
        Private(words)
    }
}

/// One thing that happens to an alarm.
///
/// Times named `at_ms` of samples are event time; those of people are on the arrival clock, as are the two ends of a
/// suppression. The arrival instant of the event itself is an argument of
/// [`AlarmMachine::step`](super::AlarmMachine::step).
///
/// # Examples
/// ```
/// use watchfire_operators::alarm::Event;
/// let test_lift = Event::Suppress {
///     owner: "site manager".into(),
///     reason: "110 % test lift".into(),
///     from_ms: 1_000,
///     until_ms: 601_000,
/// };
/// assert!(matches!(test_lift, Event::Suppress { .. }));
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// A trustworthy value, in the unit of the signal. It also ends an unknown state. NaN, and an infinity on the safe
    /// side, count as [`Event::Unknown`]; an infinity on the dangerous side counts as the largest finite value.
    Sample {
        /// Event time of the value, ms.
        at_ms: i64,
        /// The value, in the unit of the signal.
        value: f64,
    },
    /// A reading that says nothing about the signal.
    Unknown {
        /// Event time of the reading, ms.
        at_ms: i64,
        /// Why it says nothing.
        cause: UnknownCause,
    },
    /// The arrival clock says that nothing was heard.
    Silent {
        /// For how many arrival-clock ms nothing was heard until now, 0 or more.
        for_ms: i64,
    },
    /// Somebody has seen the alarm. It stays on.
    Acknowledge {
        /// When they saw it, arrival clock, ms.
        at_ms: i64,
        /// Who: not blank.
        who: Private,
    },
    /// Somebody wants no alarm for a while: `[from_ms, until_ms)` on the arrival clock.
    Suppress {
        /// Who answers for it: not blank.
        owner: Private,
        /// Why: not blank.
        reason: Private,
        /// When it begins, ms; may lie ahead.
        from_ms: i64,
        /// When it ends, ms; after `from_ms` and after now, and at most `max_suppress_ms` after `from_ms`.
        until_ms: i64,
    },
    /// Somebody ends a suppression before its time.
    Release {
        /// When they did, arrival clock, ms.
        at_ms: i64,
        /// Who: not blank.
        who: Private,
    },
    /// The arrival clock has moved on. Needed at each [`Due`](super::Due), harmless at any other time.
    Tick,
}

/// What became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It is part of the state now.
    Applied,
    /// It is older than the newest one. It can have raised or prolonged an alarm, never lowered or ended one.
    Late,
    /// There was nothing for it to act on: an acknowledgement without alarm, or a second one; a release without
    /// suppression.
    Ignored,
}

/// Why an event of a person is refused. The alarm is then as it was.
///
/// # Examples
/// ```
/// use watchfire_operators::alarm::EventError;
/// assert_eq!(EventError::NoOwner.code(), "E0151");
/// assert!(EventError::NoOwner.to_string().contains("Remedy: "));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum EventError {
    /// `E0151`: a suppression without owner.
    #[error("E0151 a suppression needs an owner (event suppress.owner). Remedy: name who answers for it.")]
    NoOwner,
    /// `E0152`: a suppression without reason.
    #[error("E0152 a suppression needs a reason (event suppress.reason). Remedy: say why.")]
    NoReason,
    /// `E0153`: a suppression that ends before it begins, or already has.
    #[error(
        "E0153 the suppression ends at {until_ms} ms, not after its begin and the present (event suppress.until_ms). \
         Remedy: give an end that lies ahead."
    )]
    NoEnd {
        /// The end that was asked for, arrival clock, ms.
        until_ms: i64,
    },
    /// `E0154`: a suppression longer than the ladder allows.
    #[error(
        "E0154 the suppression lasts {asked_ms} ms, longer than the {max_ms} ms allowed (event suppress.until_ms). \
         Remedy: ask for less, or raise max_suppress_ms of the ladder."
    )]
    TooLong {
        /// The length that was asked for, ms.
        asked_ms: i64,
        /// The longest the ladder allows, ms.
        max_ms: i64,
    },
    /// `E0155`: a critical alarm is on, and the ladder does not let it be suppressed.
    #[error(
        "E0155 a critical alarm is on and cannot be suppressed (event suppress). \
         Remedy: end the danger first; only a ladder with suppress_critical allows this."
    )]
    CriticalIsOn,
    /// `E0156`: a suppression is already there.
    #[error(
        "E0156 a suppression is already in force or planned, until {until_ms} ms (event suppress). \
         Remedy: release it first, so that each one keeps its own owner, reason and end."
    )]
    AlreadySuppressed {
        /// Its end, arrival clock, ms.
        until_ms: i64,
    },
    /// `E0157`: an acknowledgement or release by nobody.
    #[error("E0157 nobody is named (event {event}.who). Remedy: name who acknowledges or releases.")]
    Nobody {
        /// `acknowledge` or `release`.
        event: &'static str,
    },
    /// `E0158`: the alarm became worse after the person looked.
    #[error(
        "E0158 acknowledged at {at_ms} ms, but the alarm became worse at {worse_ms} ms (event acknowledge.at_ms). \
         Remedy: look again and acknowledge what is on now."
    )]
    SeenBeforeWorse {
        /// When the person looked, arrival clock, ms.
        at_ms: i64,
        /// When the alarm was raised or escalated last, arrival clock, ms.
        worse_ms: i64,
    },
}

impl EventError {
    /// The stable code, such as `E0151`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            EventError::NoOwner => "E0151",
            EventError::NoReason => "E0152",
            EventError::NoEnd { .. } => "E0153",
            EventError::TooLong { .. } => "E0154",
            EventError::CriticalIsOn => "E0155",
            EventError::AlreadySuppressed { .. } => "E0156",
            EventError::Nobody { .. } => "E0157",
            EventError::SeenBeforeWorse { .. } => "E0158",
        }
    }
}
