//! How a running job writes checkpoints, and how it comes back to one.
//!
//! No barrier stops a row. At the end of a chosen epoch the leader remembers how far it has read, and every keyed operator
//! begins to write down the keys that have changed, a few at a time, beside the rows. What is written down goes to one thread,
//! which may wait: it stores the parts, and an operator holds the epoch open on a stream of its own until all of its parts are
//! durable. When that stream and every sink have passed the epoch, all have acknowledged, and the thread writes the record that
//! makes the checkpoint. Only then do sinks commit, and only then may sources forget.

mod gather;
mod ingest;
mod ledger;
mod resume;
mod scribe;
mod tray;

pub(crate) use gather::{Handed, gather};
pub(crate) use ingest::{Capture, Ingest, SaveMerge, SavedHeld, SavedMerge};
pub(crate) use ledger::Ledger;
pub(crate) use resume::{Begin, Goes, Owed, Resumed, begin};
pub(crate) use scribe::{Complete, Order, Scribe, Status};
pub(crate) use tray::{Part, Tray};

use crate::durable::Chain;

/// How a job writes checkpoints. Given to [`Job::checkpoint_to`](crate::Job::checkpoint_to).
///
/// # Examples
/// ```
/// use watchfire_engine::Checkpointing;
/// let config = Checkpointing { every_ms: 5_000, ..Checkpointing::named("site") };
/// assert_eq!((config.job.as_str(), config.keep), ("site", 3));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpointing {
    /// The name of the job, by which it knows its own state again. No other job may keep its state in the same store.
    pub job: String,
    /// Wall milliseconds from the beginning of one checkpoint to that of the next; 0 is at the end of every epoch. A
    /// checkpoint never begins before the last is durable. Default 1,000.
    pub every_ms: u64,
    /// So many of the newest checkpoints are kept, at least 1. Sources may forget what the oldest of them holds. Where more
    /// than one is kept, so is the newest that shares no object with the newest of all. Default 3.
    pub keep: usize,
    /// When the objects of an operator are put together.
    pub chain: Chain,
    /// Whether everything that enters is logged before anything outside relies on it. Then sources that cannot give rows again
    /// lose none, sinks that know rows by their epoch can be used, and a start that finds its newest checkpoint damaged goes
    /// back to an older one without a double. Of a source with [`Replay::Exact`](crate::source::Replay::Exact) it is logged how many
    /// rows it gave: a start waits until it has given them again, and ends with
    /// `E0540` if something else comes. The rows of others are written once more. An output that must
    /// wait for its epoch to be logged leaves about one write of the store later. Default no.
    pub log_epochs: bool,
    /// Fingerprints of other flows from whose checkpoints this one may go on, for somebody has looked at what is different.
    /// Operators, sources and sinks keep what is stored under their names; of an operator each detector takes the next state
    /// of its type, new ones begin anew, and what nobody takes is dropped. What is new behind a table hears of its changes from then on,
    /// not of what was in it before. Default none.
    pub from_flows: Vec<u64>,
}

impl Checkpointing {
    /// The defaults, for a job of this name.
    pub fn named(job: impl Into<String>) -> Self {
        Checkpointing {
            job: job.into(),
            every_ms: 1_000,
            keep: 3,
            chain: Chain::default(),
            log_epochs: false,
            from_flows: Vec::new(),
        }
    }
}
