//! What the leader hears from outside: all that its order of rows and signals depends on.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Error;
use crate::control::Health;
use crate::decode::DeadLetter;
use crate::ingest::splits::SplitBook;

/// One thing that was heard.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Heard {
    /// A split of a source is read; a merge takes it as last heard of at `at_ms`.
    Opened {
        source: String,
        split: u32,
        name: Value,
        at_ms: i64,
    },
    /// Rows (a list in MessagePack) and dead letters of a split, and the offset after them.
    Rows {
        split: u32,
        rows: Bytes,
        dead: Vec<DeadLetter>,
        read: u64,
        decoded: u64,
        after: Option<Value>,
    },
    /// As many rows and dead letters of a split, which its source gives again.
    Range {
        split: u32,
        given: Given,
        after: Option<Value>,
    },
    Health {
        split: u32,
        health: Health,
    },
    /// It has ended.
    Ended {
        split: u32,
    },
    /// It has rows that its merge does not take yet.
    Seen {
        split: u32,
    },
    /// The merge of a source lets go what the clock says that it may.
    Released {
        source: String,
    },
    /// The last split of a merged source has ended.
    SourceEnded {
        source: String,
    },
    /// A clock ticked. Ticks that rows cause are not heard.
    Tick {
        arrival_ms: i64,
    },
    /// A checkpoint began here; takes a place.
    Commit,
    EndOfRows,
    End,
}

/// So much of a split: rows as its source counts them, those of them that could be decoded, and what came of that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Given {
    pub(crate) read: u64,
    pub(crate) decoded: u64,
    pub(crate) rows: u64,
    pub(crate) dead: u64,
}

/// The same, where rows may yet have to be encoded, on a thread that may take its time.
pub(crate) enum Hears {
    Now(Heard),
    Rows(Box<dyn FnOnce() -> Result<Heard, Error> + Send>),
}

impl Heard {
    /// The source that it was heard from, if it was one.
    pub(crate) fn source(&self, splits: &SplitBook) -> Option<String> {
        match self {
            Heard::Opened { source, .. } | Heard::Released { source } | Heard::SourceEnded { source } => {
                Some(source.clone())
            }
            Heard::Rows { split, .. }
            | Heard::Range { split, .. }
            | Heard::Health { split, .. }
            | Heard::Ended { split }
            | Heard::Seen { split } => Some(splits.source_of(*split).unwrap_or_default().to_owned()),
            Heard::Tick { .. } | Heard::Commit | Heard::EndOfRows | Heard::End => None,
        }
    }
}

impl Hears {
    pub(crate) fn are_rows(&self) -> bool {
        matches!(self, Hears::Rows(_) | Hears::Now(Heard::Range { .. }))
    }

    /// # Errors
    /// `E0525` if a row cannot be encoded.
    pub(crate) fn heard(self) -> Result<Heard, Error> {
        match self {
            Hears::Now(heard) => Ok(heard),
            Hears::Rows(encode) => encode(),
        }
    }
}

/// An epoch as it is logged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Logged {
    pub(crate) epoch: u64,
    pub(crate) heard: Vec<Heard>,
}

impl Logged {
    /// By split, the rows that its source gives again, as it counts them.
    pub(crate) fn given_again(&self) -> BTreeMap<u32, u64> {
        let mut all = BTreeMap::new();
        for heard in &self.heard {
            if let Heard::Range { split, given, .. } = heard {
                *all.entry(*split).or_default() += given.read;
            }
        }
        all
    }
}
