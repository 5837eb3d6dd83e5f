//! When a window closes, and what becomes of rows that come after.

use serde::{Deserialize, Serialize};

/// When a window is emitted, and whether it can still change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Close {
    /// When the key's watermark reaches the window's end, once. A row whose windows have all closed is late. The
    /// windows of a device that falls silent stay open until it speaks again or its source ends.
    Final,
    /// As `Final`, but a device that was silent for `max_ms` on its quiet clock is waited for no longer: its windows
    /// close as they are. Silence is measured from tick to tick, from the last tick before the device's last row (or the
    /// first after it, where none came before); late rows do not break it.
    Hold {
        /// The longest wait, in milliseconds of the quiet clock.
        max_ms: i64,
    },
    /// When the watermark reaches the end or the key was quiet for `after_quiet_ms`, whichever comes first; and again,
    /// as a retraction and an insertion, when a row changes the value of a window that was emitted.
    ///
    /// The end of a split emits all windows of its keys, but closes none: another split may go on with a key and correct
    /// them. A key's windows are kept until its watermark passes them.
    Provisional {
        /// Quiet time after which windows are emitted ahead of the watermark.
        after_quiet_ms: i64,
        /// The least time between two corrections of a key, in milliseconds of the quiet clock. Corrections leave with
        /// a tick; those of a window that closes, or of a split that ends, leave at once, whenever the last were.
        every_ms: i64,
        /// How long after its end, by the watermark, a window can still be corrected.
        allowed_lateness_ms: i64,
    },
}

impl Close {
    /// How long after its end a window can still change.
    pub(crate) fn lateness_ms(&self) -> i64 {
        match self {
            Close::Provisional { allowed_lateness_ms, .. } => (*allowed_lateness_ms).max(0),
            Close::Final | Close::Hold { .. } => 0,
        }
    }

    /// Quiet time after which windows no longer wait for the watermark.
    pub(crate) fn patience_ms(&self) -> Option<i64> {
        match self {
            Close::Final => None,
            Close::Hold { max_ms } => Some(*max_ms),
            Close::Provisional { after_quiet_ms, .. } => Some(*after_quiet_ms),
        }
    }

    /// The least quiet time between corrections; `None` where there are none.
    pub(crate) fn every_ms(&self) -> Option<i64> {
        match self {
            Close::Provisional { every_ms, .. } => Some(*every_ms),
            Close::Final | Close::Hold { .. } => None,
        }
    }
}
