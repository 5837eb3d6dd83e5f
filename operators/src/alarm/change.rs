//! What comes out of an alarm.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Private, Severity, UnknownCause};

/// Names one change of one alarm, apart from its key: the same input gives the same ids, so a sink that knows an id has
/// already seen the change.
///
/// # Examples
/// ```
/// use watchfire_operators::alarm::AlarmId;
/// let id = AlarmId { rule: "crane_overload".into(), episode: 3, revision: 0 };
/// assert_eq!(id.with_key("crane-17").to_string(), "crane_overload/crane-17/3/0");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AlarmId {
    /// The rule of the ladder.
    pub rule: String,
    /// Counts the alarms of the key under this rule from 1; 0 holds what people did before the first.
    pub episode: u32,
    /// Counts the changes within the episode from 0, without holes.
    pub revision: u32,
}

impl AlarmId {
    /// The whole name, with the key it belongs to.
    #[must_use]
    pub fn with_key<K>(self, key: K) -> KeyedAlarmId<K> {
        KeyedAlarmId { key, id: self }
    }
}

/// An [`AlarmId`] with its key. Its `Display` is `rule/key/episode/revision`: as a rule name has no slash and the last
/// two parts are numbers, this is unambiguous whatever the key holds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct KeyedAlarmId<K> {
    /// The key: a crane, a lift, a wristband.
    pub key: K,
    /// The rest of the name.
    pub id: AlarmId,
}

impl<K: fmt::Display> fmt::Display for KeyedAlarmId<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let AlarmId { rule, episode, revision } = &self.id;
        write!(f, "{rule}/{}/{episode}/{revision}", self.key)
    }
}

/// What happened to an alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// The alarm is on; an episode begins.
    Raised,
    /// It became worse. An acknowledgement is gone: a worse state needs a new look.
    Escalated,
    /// It came down by one step and is still on.
    Deescalated,
    /// It is off; the episode is over.
    Cleared,
    /// Somebody has seen it. It is still on.
    Acknowledged,
    /// Nobody knows the value any more. Begins an episode if nothing was on; else the alarm goes on as it was.
    UnknownRaised,
    /// The value is known again. Ends the episode if nothing else was on.
    UnknownCleared,
    /// A suppression begins: whoever shows the alarm shows it as suppressed until told otherwise. The next alarm to be
    /// shown is a new episode.
    Suppressed,
    /// A suppression is over. If something is on, `Raised` or `UnknownRaised` follows at once.
    SuppressionEnded,
    /// Nobody has acknowledged it for long: tell more people.
    EscalatedUnacknowledged,
}

/// Why the change happened, as data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// The condition of a step held for long enough.
    Held {
        /// Name of the step.
        step: String,
        /// Its threshold, in the unit of the signal.
        raise_at: f64,
        /// Event-time ms for which the samples prove the condition.
        held_ms: i64,
        /// Samples in a row that met it.
        samples: u32,
        /// Whether samples older than the newest one proved it.
        late: bool,
    },
    /// The value stayed on the safe side of a step's release value for long enough.
    Released {
        /// Name of the step that let go.
        step: String,
        /// Its release value, in the unit of the signal.
        release_at: f64,
        /// Event-time ms for which the samples prove it.
        held_ms: i64,
    },
    /// No trustworthy value.
    Unknown {
        /// The first cause.
        cause: UnknownCause,
        /// For how many arrival-clock ms.
        for_ms: i64,
    },
    /// A trustworthy value came back.
    Back {
        /// After how many arrival-clock ms.
        after_ms: i64,
    },
    /// Somebody saw it.
    Seen {
        /// Who.
        who: Private,
        /// When, arrival clock, ms.
        at_ms: i64,
    },
    /// Somebody suppressed it.
    Suppression {
        /// Who answers for it.
        owner: Private,
        /// Why.
        reason: Private,
        /// Begin, arrival clock, ms.
        from_ms: i64,
        /// End, arrival clock, ms, exclusive.
        until_ms: i64,
    },
    /// The suppression ran out or was released.
    SuppressionOver {
        /// Who released it; `None` if it ran out.
        released_by: Option<Private>,
        /// How many changes it hid.
        hidden: u32,
        /// The worst severity it hid.
        worst: Option<Severity>,
    },
    /// The suppression is over and the condition still holds.
    StillOn {
        /// Name of the step that is on; `None` if the value is unknown.
        step: Option<String>,
    },
    /// Nobody acknowledged it.
    Unacknowledged {
        /// Stage of escalation, from 1.
        stage: u8,
        /// For how many arrival-clock ms.
        for_ms: i64,
    },
}

/// One change of an alarm, complete enough to be stored or sent on as it is. The key is added by whoever holds it.
///
/// `value` and `peak` can be health data: log the id, never the change.
///
/// # Examples
/// ```
/// use watchfire_operators::alarm::{AlarmMachine, AlarmState, ChangeKind, Ladder, Severity, Step, Why};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let low = Step::new("flat", Severity::Caution, 15.0, 20.0);
/// let machine = AlarmMachine::new(Ladder::falls("battery_percent", vec![low]))?;
/// let mut out = Vec::new();
/// machine.sample(&mut AlarmState::default(), 7_000, 12.0, 7_030, &mut out);
/// assert_eq!((out[0].kind, out[0].severity, out[0].value), (ChangeKind::Raised, Some(Severity::Caution), Some(12.0)));
/// assert!(matches!(&out[0].why, Why::Held { step, held_ms: 0, .. } if step == "flat"));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AlarmChange {
    /// Its name, apart from the key.
    pub id: AlarmId,
    /// What happened.
    pub kind: ChangeKind,
    /// How bad it is from now on; `None` when nothing is on.
    pub severity: Option<Severity>,
    /// How bad it was shown to be before.
    pub previous: Option<Severity>,
    /// Whether somebody has acknowledged what is on now.
    pub acknowledged: bool,
    /// Event time of the row that caused it, ms; `None` if the arrival clock or a person did.
    pub at_event_ms: Option<i64>,
    /// Arrival-clock instant at which it left, ms.
    pub at_arrival_ms: i64,
    /// The value that caused it, in the unit of the signal.
    pub value: Option<f64>,
    /// The most dangerous value since the run of samples began that led to the alarm, in the unit of the signal.
    pub peak: Option<f64>,
    /// Why.
    pub why: Why,
}
