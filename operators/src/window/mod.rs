//! Windows over event time: tumbling, sliding and session, with any mergeable aggregate.
//!
//! All spans are half-open, `[start, end)`, in milliseconds since 1970-01-01 UTC, and aligned to that instant. Each key's
//! windows close on that key's own watermark.

mod aggregate;
mod panes;
mod policy;
mod session;
mod sliding;
mod tree;

pub use aggregate::{Aggregate, Bounds, Count, Extremes, Mean, Sum, count, extremes, mean, sum};
pub use policy::Close;
pub use session::{SessionState, Sessions};
pub use sliding::{PANES_MAX, RING_MAX, Sliding, WindowState};

use serde::{Deserialize, Serialize};
use watchfire_engine::Timed;

/// Event times further than this from 1970, some 36 million years, can only be wrong: no window begins for a row with
/// such a time, and it goes to the late output unless it falls into a window that is open. So no sum of a time and a
/// length overflows.
pub const TIME_MAX_MS: i64 = 1 << 60;

/// The longest window, slide or gap: some 142,000 years.
pub const LENGTH_MAX_MS: i64 = 1 << 52;

/// Watermarks and the ends of windows are reckoned with as far as this.
const FAR_MS: i64 = 2 * TIME_MAX_MS;

/// A span of event time, half-open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Span {
    /// The first millisecond in it.
    pub start_ms: i64,
    /// The first millisecond after it.
    pub end_ms: i64,
}

/// The result of one window of one key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct WindowRow<K, V> {
    /// The key.
    pub key: K,
    /// The window.
    pub span: Span,
    /// What the aggregate made of its rows.
    pub value: V,
}

/// A window happened at its last millisecond.
impl<K, V> Timed for WindowRow<K, V> {
    fn event_time_ms(&self) -> i64 {
        self.span.end_ms.saturating_sub(1)
    }
}
