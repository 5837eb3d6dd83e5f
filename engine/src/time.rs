//! The clocks: event time with its bounds per key, and where ticks of the arrival clock come from.

use serde::{Deserialize, Serialize};

/// Job epochs start here; lower numbers are kept for rebuilding tables.
pub const FIRST_EPOCH: u64 = 1 << 20;

/// The watermark of a key that will get no more rows.
pub const END_MS: i64 = i64::MAX;

/// How far event time may be out of order, and how far ahead of arrival.
///
/// # Examples
/// ```
/// use watchfire_engine::{EventTime, OnSkew};
/// let bounds = EventTime { disorder_ms: 2_000, ..EventTime::default() };
/// assert_eq!((bounds.max_skew_ms, bounds.on_skew), (60_000, OnSkew::Divert));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventTime {
    /// A key's watermark is the latest event time it has shown, less this. Default 5,000 ms.
    pub disorder_ms: i64,
    /// A row more than this ahead of the arrival clock comes from a wrong clock. Default 60,000 ms.
    pub max_skew_ms: i64,
    /// What becomes of such a row. Default [`OnSkew::Divert`].
    pub on_skew: OnSkew,
    /// So many of them in a row mark the key's clock as wrong. Default 5.
    pub clock_wrong_after: u32,
}

impl Default for EventTime {
    fn default() -> Self {
        EventTime { disorder_ms: 5_000, max_skew_ms: 60_000, on_skew: OnSkew::Divert, clock_wrong_after: 5 }
    }
}

/// What becomes of a row from the future.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnSkew {
    /// It reaches no detector and goes to the skew output.
    Divert,
    /// The key's clock error is learned from it and taken off this and later rows, until a row is right without it.
    /// Each time the error is learned anew the row also goes to the skew output, marked as corrected.
    CorrectOffset,
}

/// Where the ticks of the arrival clock come from.
///
/// A tick has its place in the ingest order, between two rows. All that an operator knows of arrival comes from ticks.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum TickSource {
    /// The wall clock, every `interval_ms`. One that is set back neither turns back nor stops the arrival clock, which runs a
    /// tenth slower until the wall clock has caught up.
    Wall {
        /// Milliseconds between ticks, at least 1.
        interval_ms: i64,
    },
    /// A clock that starts at `start_ms` and runs `speed` times as fast as the wall clock.
    Scaled {
        /// Milliseconds between ticks, on this clock.
        interval_ms: i64,
        /// Where the clock starts, in milliseconds since 1970.
        start_ms: i64,
        /// Clock milliseconds per wall millisecond, above 0.
        speed: f64,
    },
    /// The event times of the rows themselves: a tick whenever the latest passes a multiple of `interval_ms`, in the
    /// place before the row that passes it, as if a clock on the wall had ticked before the row came. For bounded files,
    /// where it makes the run a function of the file alone.
    ///
    /// Eight rows in a row must agree before the clock begins, or moves by more than `max_jump_ms`, so that no single
    /// wrong device drags it along. Until then up to seven rows wait for their places, and with them what came after them
    /// and whatever acknowledges them; on agreement the clock moves to the least of the eight, before the first of them.
    /// Without it (a row within the range comes, or all splits that the rows came from end, or the job does) they go on
    /// as rows from the future. The first rows of a job wait until there are eight, or until the job ends: then the clock
    /// begins with the least of them.
    ///
    /// So rows that are sparse need a `max_jump_ms` above what lies between them, or up to seven of them wait for the
    /// next, and at the end of the job are taken for rows from the future.
    FromEvents {
        /// Milliseconds between ticks.
        interval_ms: i64,
        /// The widest step that a single row may cause, in milliseconds.
        max_jump_ms: i64,
    },
}

impl TickSource {
    /// The wall clock every 100 ms.
    pub const WALL: TickSource = TickSource::Wall { interval_ms: 100 };
    /// Event times every second, with jumps of up to an hour.
    pub const FROM_EVENTS: TickSource = TickSource::FromEvents { interval_ms: 1_000, max_jump_ms: 3_600_000 };
}
