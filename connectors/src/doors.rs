//! Doors to private parts that parse what comes from outside, for the fuzz targets.
//!
//! No part of the API: hidden, behind a feature that nothing else asks for, and free to change with any commit.

use watchfire_engine::source::RawRow;

use crate::file::FileOffset;
use crate::file::lines::Cutter;
use crate::mqtt::topic;

/// Cuts the bytes of a file into lines as the file source does, read in these pieces and handed out `room` at a time.
///
/// The lines, each with its number as place, and the position after the last of them.
#[must_use]
pub fn cut_lines<'a>(
    pieces: impl IntoIterator<Item = &'a [u8]>,
    max_line_bytes: usize,
    room: usize,
) -> (Vec<RawRow>, FileOffset) {
    let (mut cutter, mut lines) = (Cutter::new(max_line_bytes, FileOffset::default()), Vec::new());
    for piece in pieces {
        cutter.feed([cutter.tail(), piece].concat().into());
        loop {
            let more = cutter.take(room);
            if more.is_empty() {
                break;
            }
            lines.extend(more);
        }
    }
    lines.extend(cutter.finish());
    (lines, cutter.offset())
}

/// Whether messages can be published to an MQTT topic.
#[must_use]
pub fn is_topic(topic: &str) -> bool {
    topic::is_topic(topic)
}

/// Whether an MQTT topic filter can be subscribed to.
#[must_use]
pub fn is_filter(filter: &str) -> bool {
    topic::is_filter(filter)
}

/// An id as one level of an MQTT topic.
#[must_use]
pub fn level_of(id: &str) -> String {
    topic::level_of(id)
}
