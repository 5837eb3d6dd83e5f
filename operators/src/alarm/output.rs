//! What leaves the detector: a change of an alarm, or a refusal.

use serde::{Deserialize, Serialize};
use watchfire_engine::Timed;

use super::{AlarmChange, KeyedAlarmId};

/// What leaves [`Alarms`](super::Alarms): a change of an alarm, or the answer to a person whose wish was refused.
///
/// As a row it happened by its key's own clock: at the reading that caused it or, where the arrival clock or a person
/// did, at the key's newest reading. The change itself holds the arrival instant.
///
/// # Examples
/// ```
/// use watchfire_engine::Timed;
/// use watchfire_operators::alarm::Alarm;
/// let refused = Alarm::Refused { key: 7, at_ms: 1_000, code: "E0151".into(), why: "E0151 a suppression ..".into() };
/// assert_eq!((refused.key(), refused.event_time_ms()), (&7, 1_000));
/// assert!(refused.id().is_none() && refused.into_change().is_none());
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Alarm<K> {
    /// An alarm changed.
    Changed {
        /// Whose alarm it is.
        key: K,
        /// When it happened by the key's own clock, ms since 1970.
        at_ms: i64,
        /// What changed. Can hold health data: log the id, never the change.
        change: AlarmChange,
    },
    /// An acknowledgement, suppression or release was refused; the alarm is as it was.
    Refused {
        /// Whose alarm it is.
        key: K,
        /// The key's own clock when it was refused, ms since 1970.
        at_ms: i64,
        /// The stable code, `E0151` to `E0158`.
        code: String,
        /// What was wrong and what to do; holds nothing personal.
        why: String,
    },
}

impl<K: Clone> Alarm<K> {
    /// The name of the change, the same after every replay; `None` for a refusal.
    #[must_use]
    pub fn id(&self) -> Option<KeyedAlarmId<K>> {
        let change = self.change()?;
        Some(change.id.clone().with_key(self.key().clone()))
    }

    /// Whose alarm it is.
    #[must_use]
    pub fn key(&self) -> &K {
        match self {
            Alarm::Changed { key, .. } | Alarm::Refused { key, .. } => key,
        }
    }

    /// The change, unless it is a refusal.
    #[must_use]
    pub fn change(&self) -> Option<&AlarmChange> {
        match self {
            Alarm::Changed { change, .. } => Some(change),
            Alarm::Refused { .. } => None,
        }
    }

    /// The change, unless it is a refusal.
    #[must_use]
    pub fn into_change(self) -> Option<AlarmChange> {
        match self {
            Alarm::Changed { change, .. } => Some(change),
            Alarm::Refused { .. } => None,
        }
    }
}

impl<K> Timed for Alarm<K> {
    fn event_time_ms(&self) -> i64 {
        match self {
            Alarm::Changed { at_ms, .. } | Alarm::Refused { at_ms, .. } => *at_ms,
        }
    }
}
