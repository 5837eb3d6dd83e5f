//! From bytes to rows and back. A row that cannot be decoded becomes a dead letter; it is never dropped.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::source::RawRow;

/// Turns the bytes of one raw row into rows. Runs on an I/O thread, never on a worker.
pub trait Decoder<T>: Send + Sync + 'static {
    /// Appends the rows that `raw` holds (none, one or many) to `out`.
    ///
    /// On error the caller discards what this call appended and makes a [`DeadLetter`] of the raw row.
    ///
    /// # Errors
    /// An error with a stable `E04xx` code. Its text must not repeat values of personal or health fields.
    fn decode(&self, raw: &RawRow, out: &mut Vec<T>) -> Result<(), Error>;
}

/// Turns one row into bytes for a sink. Runs on an I/O thread.
pub trait Encoder<T>: Send + Sync + 'static {
    /// Encodes `row`.
    ///
    /// # Errors
    /// An error with a stable `E03xx` code; the row then goes to the job's error count and the job stops, for a row
    /// that the flow made itself and cannot encode is a bug of the flow.
    fn encode(&self, row: &T) -> Result<EncodedRow, Error>;

    /// Whether every row gets an id that is the same after every replay.
    fn gives_ids(&self) -> bool {
        false
    }
}

/// A row ready to leave through a sink.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EncodedRow {
    /// A deterministic id, the same after every replay; [`CommitMode::ByKey`](crate::sink::CommitMode) sinks need it.
    pub id: Option<String>,
    /// The row takes back the one with the same id (or the same bytes).
    pub retract: bool,
    /// The encoded bytes, without a line ending.
    pub body: Vec<u8>,
}

/// A raw row that could not be decoded, kept whole, with everything needed to find it again.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DeadLetter {
    /// The name of the source in the flow.
    pub source: String,
    /// The split, as its `Debug` text.
    pub split: String,
    /// The place in the split: a line number, a packet number.
    pub place: u64,
    /// The undecoded bytes.
    pub bytes: Bytes,
    /// The stable code of the error.
    pub code: String,
    /// What was wrong, without personal or health values.
    pub what: String,
    /// How often decoding was tried, from 1.
    pub attempt: u32,
}
