//! Patterns: what happened after what, and what did not, of one key?
//!
//! Shape: per key, rows in, [`Change`](watchfire_engine::Change)s of [`Found`] rows out. [`Steps`] say what is looked for, as conditions on rows: one after another, with
//! something that must not come in between, and what must not follow; [`Sequence`] looks for it in event time. Rows may come in any order within the disorder bound,
//! and the policies for those that come later are those of [windows](crate::window::Close).
//!
//! | what is looked for | steps |
//! | --- | --- |
//! | A, then B, then C within ten minutes | `Steps::new().step("A", a).step("B", b).step("C", c).within_ms(600_000)` |
//! | the same, with nothing else in between | `.strictly()` |
//! | A, then B with no C in between | `.step("A", a).without("C", c).step("B", b)` |
//! | A, and then no B within a minute | `Steps::new().step("A", a).absent("B", 60_000, b)` |
//! | each row in one match at most | `.apart()` |
//!
//! # Examples
//! Three times in ten minutes a door does not close, and the lift does not go back to automatic in between:
//! ```
//! use serde::{Deserialize, Serialize};
//! use watchfire_engine::{Change, Job, TickSource, Timed};
//! use watchfire_operators::pattern::{Found, Sequence, Steps};
//! #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
//! enum Code { DoorCloseFault, Automatic, Run }
//! #[derive(Clone, Debug, Serialize, Deserialize)]
//! struct Said { lift: u32, at_ms: i64, seq: u32, code: Code }
//! impl Timed for Said {
//!     fn event_time_ms(&self) -> i64 { self.at_ms }
//! }
//! let fault = |said: &Said| said.code == Code::DoorCloseFault;
//! let automatic = |said: &Said| said.code == Code::Automatic;
//! let steps = Steps::new()
//!     .step("door close fault", fault)
//!     .without("back to automatic", automatic)
//!     .step("again", fault)
//!     .without("back to automatic", automatic)
//!     .step("a third time", fault)
//!     .within_ms(600_000)
//!     .apart();
//! let doors = Sequence::new(steps, |said: &Said| said.seq)?;
//! let job = Job::new(move |flow| {
//!     flow.channel::<Said>("codes").key_by(|said| said.lift).detect("doors", doors.clone()).out.to_channel("found");
//! });
//! let mut running = job.ticks(TickSource::FROM_EVENTS).start()?;
//! let (codes, found) = (running.sender::<Said>("codes")?, running.receiver::<Change<Found<u32, Said>>>("found")?);
//! use Code::{Automatic, DoorCloseFault, Run};
//! let minutes = [(0, DoorCloseFault), (1, DoorCloseFault), (2, Automatic), (3, DoorCloseFault), (4, Run), (5, DoorCloseFault), (11, DoorCloseFault), (12, DoorCloseFault)];
//! codes.send((0..).zip(minutes).map(|(seq, (minute, code))| Said { lift: 7, at_ms: minute * 60_000, seq, code }).collect())?;
//! drop(codes);
//! let found: Vec<Change<Found<u32, Said>>> = found.rows().collect();
//! let matched = found[0].row().matched().ok_or("nothing was given up")?;
//! assert_eq!(matched.rows.iter().map(|said| said.at_ms / 60_000).collect::<Vec<_>>(), [3, 5, 11]);
//! assert_eq!(found.len(), 1, "what follows shares rows with it");
//! running.wait()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod run;
mod sequence;
mod steps;
#[cfg(test)]
mod tests;

pub use sequence::{Sequence, SequenceState};
pub use steps::{STEPS_MAX, Steps};

use serde::{Deserialize, Serialize};
use watchfire_engine::Timed;

/// Rows of a key that belong together.
///
/// # Examples
/// What happened, and how long that took:
/// ```
/// use watchfire_engine::Timed;
/// use watchfire_operators::pattern::{Found, Matched};
/// let found = Found::Match(Matched { key: 7, at_ms: 9_000, rows: vec![("smoke", 1_000), ("heat", 9_000)] });
/// let took_ms = found.matched().map(|of| of.rows[1].1 - of.rows[0].1);
/// assert_eq!((found.event_time_ms(), took_ms), (9_000, Some(8_000)));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Matched<K, T> {
    /// The key.
    pub key: K,
    /// When that was known, event time, milliseconds: of the last row, or of the end of the time in which nothing followed.
    pub at_ms: i64,
    /// One row a step, in their order. A key has one match at most that begins with a row, so key and first row name it.
    pub rows: Vec<T>,
}

/// What was found of a key.
///
/// # Examples
/// ```
/// use watchfire_operators::pattern::{Found, Matched};
/// let both = |key: u32| Matched { key, at_ms: 9_000, rows: vec!["smoke", "heat"] };
/// assert_eq!(Found::Match(both(7)).matched(), Some(&both(7)));
/// assert_eq!(Found::Dropped(both(7)).matched(), None);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Found<K, T> {
    /// All steps.
    Match(Matched<K, T>),
    /// The first steps alone: too many had begun ([`Sequence::matches_max`]), so this, the oldest, was given up. Nobody knows whether it would have become a match.
    Dropped(Matched<K, T>),
}

impl<K, T> Found<K, T> {
    /// The match, if it is one.
    #[must_use]
    pub fn matched(&self) -> Option<&Matched<K, T>> {
        match self {
            Found::Match(matched) => Some(matched),
            Found::Dropped(_) => None,
        }
    }
}

impl<K, T> Timed for Found<K, T> {
    fn event_time_ms(&self) -> i64 {
        let (Found::Match(of) | Found::Dropped(of)) = self;
        of.at_ms
    }
}
