//! What a source is: splits that are discovered, readers that hand out rows *with* the offset after them.
//!
//! **Unstable**; see the crate documentation.
//!
//! A reader lives on the host's I/O runtime and obeys this life:
//!
//! ```text
//! discover -> open(split, from) -> next(room)* -> End            a bounded split
//!                  ^                  |   \-> durable(upto)*     acknowledge, any time between two calls of next
//!                  |                  v
//!                  +--- back-off --- Err(Retry)                  the runtime reopens at the last offset it was given
//! ```
//!
//! The runtime, not the connector, keeps offsets, counts credits, retries and backs off.

use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Error;

/// A boxed future, so that the traits below can be used as objects.
pub type Fut<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What a source can do after a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Replay {
    /// What was read is gone (a webhook, MQTT): a job that writes checkpoints must
    /// [log its epochs](crate::Checkpointing::log_epochs), and acknowledges rows when they are logged.
    None,
    /// Reading goes on from any offset that was handed out. A job that [logs its epochs](crate::Checkpointing::log_epochs) writes the
    /// rows into its log, and waits for no source when it comes back.
    Seek,
    /// As `Seek`, and the same offsets give the same rows for ever (a file that is not rewritten, a log), though batches may be cut
    /// differently. A job that logs its epochs writes down how many rows there were, and waits for them when it comes back.
    Exact,
}

/// Where the rows of one key can be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyPlacement {
    /// All rows of one key come from one split, so their order is that split's order.
    OneSplit,
    /// A key may come from several splits: order-dependent operators need its splits merged, by
    /// [`channel_merged`](crate::Flow::channel_merged) or [`source_merged`](crate::Flow::source_merged).
    AnySplit,
}

/// A place to read from.
pub trait Source: Send + Sync + 'static {
    /// Names one independently ordered part: a file, a partition, a session. Never changes its meaning.
    type Split: Clone + Ord + Debug + Serialize + DeserializeOwned + Send + Sync + 'static;
    /// A position in a split, from which reading can go on.
    type Offset: Clone + Ord + Debug + Serialize + DeserializeOwned + Send + Sync + 'static;

    /// What the source can do after a crash. Declared here, proved by the conformance tests.
    fn replay(&self) -> Replay;

    /// Where the rows of one key can be found.
    fn key_placement(&self) -> KeyPlacement;

    /// Whether every split ends by itself, as a file does that nobody appends to.
    fn bounded(&self) -> bool;

    /// The splits there are now. Called at start; must name each split the same way every time.
    ///
    /// # Errors
    /// [`Failure::Retry`] if the outside may answer later, [`Failure::Fatal`] if it never will.
    fn discover(&self) -> Fut<'_, Result<Vec<Self::Split>, Failure>>;

    /// Opens one split at an offset that [`Reader::next`] returned earlier, or at its start.
    ///
    /// # Errors
    /// As [`discover`](Source::discover); [`Failure::OffsetExpired`] if the outside no longer holds `from`.
    fn open(&self, split: Self::Split, from: Option<Self::Offset>) -> Fut<'_, Opened<Self::Offset>>;
}

/// A reader, or why there is none.
pub type Opened<O> = Result<Box<dyn Reader<O>>, Failure>;

/// Reads one split.
pub trait Reader<O>: Send {
    /// At most `room` rows (`room >= 1`) and the offset after them. May wait for rows to come.
    ///
    /// Must return [`Next::Idle`] once when it has caught up, before it waits: the silence clocks of its keys stay
    /// frozen until then.
    ///
    /// # Cancel safety
    /// Dropping the future loses no row: the next call returns it.
    ///
    /// # Errors
    /// Any [`Failure`]. After `Retry` the runtime drops the reader and opens another at the last offset.
    fn next(&mut self, room: usize) -> Fut<'_, Result<Next<O>, Failure>>;

    /// Everything up to `upto` is safe; the source may acknowledge it and forget it. Offsets come in order.
    ///
    /// # Errors
    /// Any [`Failure`]; handled as in [`next`](Reader::next).
    fn durable(&mut self, upto: O) -> Fut<'_, Result<(), Failure>> {
        let _ = upto;
        Box::pin(async { Ok(()) })
    }
}

/// What [`Reader::next`] found.
#[derive(Debug)]
pub enum Next<O> {
    /// Rows, in the split's order, and the offset after the last of them.
    Rows {
        /// The rows; never more than `room`. May be empty when only the offset moved.
        rows: Vec<RawRow>,
        /// The position from which reading goes on after these rows.
        after: O,
    },
    /// Nothing now; the reader has caught up with the outside.
    Idle,
    /// The outside was lost, or is ahead by an unknown measure, and the reader is recovering by itself. The silence
    /// clocks of the split's keys stay frozen until the next [`Next::Idle`].
    Behind,
    /// The split has ended and will never give another row.
    End,
}

/// A row as the transport delivers it, before decoding.
#[derive(Clone, Debug, Default)]
pub struct RawRow {
    /// The place in the split that a person would look for: a line number, a packet number. Shown in dead letters.
    pub place: u64,
    /// The transport's key (a topic, a message key), if it has one.
    pub key: Option<Bytes>,
    /// The undecoded bytes.
    pub body: Bytes,
}

/// Why a connector could not go on.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Failure {
    /// The outside may recover: the runtime backs off and tries again.
    Retry(Error),
    /// It never will: the job ends with this error.
    Fatal(Error),
    /// The outside no longer holds the offset; `earliest` says, in the source's own words, what it still holds.
    OffsetExpired {
        /// The earliest position that is still there.
        earliest: String,
    },
    /// A newer generation of this job owns the outside: this one must stop.
    Fenced,
    /// One row that the outside will never take; `index` counts within the call.
    Poison {
        /// Which row of the call.
        index: usize,
        /// Why it was refused.
        why: Error,
    },
}
