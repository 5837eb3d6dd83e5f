//! What travels beside the rows: ticks, the health of splits, commit points, the end. Each with its ingest place.

use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Control {
    pub(crate) at: u64,
    pub(crate) signal: Signal,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Signal {
    /// The arrival clock reads this from here on.
    Tick { arrival_ms: i64 },
    /// The silence of this split's keys counts from here on, or does not.
    Split { split: u32, health: Health },
    /// Everything before is to be made durable under this number.
    Commit { number: u64 },
    /// No row will follow from any split.
    End,
    /// Nothing more comes in this epoch. Stands at the last place of it, and takes none; only flows with tables need it.
    Closed,
}

/// Whether the silence of a split's keys means anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Health {
    /// Connected and caught up.
    Live,
    /// Disconnected or behind.
    Frozen,
    /// It will never give another row.
    Ended,
}
