//! Cuts a stream of buffers into lines, without copying them. Knows nothing of files.

use bytes::Bytes;
use memchr::{memchr_iter, memrchr};
use watchfire_engine::source::RawRow;

use super::source::FileOffset;
use crate::format::CUT_MARK;

/// Holds one buffer: its complete lines, which [`take`](Cutter::take) hands out as slices, and the half line after them.
///
/// Memory: one buffer, and the head of one line beyond the limit.
pub(crate) struct Cutter {
    max_line: usize,
    /// After the last line handed out.
    offset: FileOffset,
    /// Complete lines with their line endings, from `at` on.
    lines: Bytes,
    at: usize,
    /// The half line behind `lines`.
    tail: Bytes,
    /// The current line is beyond the limit: its head, and how many of its bytes went by. `tail` is empty then.
    cut: Option<Cut>,
}

struct Cut {
    head: Vec<u8>,
    gone: u64,
}

impl Cutter {
    pub(crate) fn new(max_line: usize, offset: FileOffset) -> Self {
        Cutter { max_line, offset, lines: Bytes::new(), at: 0, tail: Bytes::new(), cut: None }
    }

    /// The position after the last line handed out.
    pub(crate) fn offset(&self) -> FileOffset {
        self.offset
    }

    /// The half line with which the next buffer must begin.
    pub(crate) fn tail(&self) -> &[u8] {
        &self.tail
    }

    /// Takes the next buffer: the tail, then what follows it. All lines must have been taken.
    pub(crate) fn feed(&mut self, buffer: Bytes) {
        let complete = memrchr(b'\n', &buffer).map_or(0, |last| last + 1);
        self.lines = buffer.slice(..complete);
        self.at = 0;
        self.tail = buffer.slice(complete..);
        if complete == 0 {
            match &mut self.cut {
                Some(cut) => cut.gone += std::mem::take(&mut self.tail).len() as u64,
                // One more byte may be the carriage return of the ending: where buffers end must not decide.
                None if self.tail.len() > self.max_line + 1 => {
                    let gone = self.tail.len() as u64;
                    self.cut = Some(Cut { head: cut_head(&self.tail, self.max_line), gone });
                    self.tail = Bytes::new();
                }
                None => {}
            }
        }
    }

    /// At most `room` lines, in order. Empty only if there is no complete line.
    pub(crate) fn take(&mut self, room: usize) -> Vec<RawRow> {
        let region = self.lines.slice(self.at..);
        if region.is_empty() {
            return Vec::new();
        }
        let mut rows = Vec::with_capacity(room.min(1024));
        let mut start = 0;
        for end in memchr_iter(b'\n', &region).take(room.max(1)) {
            let mut body = self.body(region.slice(start..end));
            self.offset.pos += (end + 1 - start) as u64;
            self.offset.line += 1;
            if let Some(cut) = self.cut.take() {
                self.offset.pos += cut.gone;
                body = cut.head.into();
            }
            rows.push(RawRow { place: self.offset.line, key: None, body });
            start = end + 1;
        }
        self.at += start;
        rows
    }

    /// The last line, if it has no line ending. All lines must have been taken; nothing may follow.
    pub(crate) fn finish(&mut self) -> Option<RawRow> {
        let tail = std::mem::take(&mut self.tail);
        let (body, length) = match self.cut.take() {
            Some(cut) => (cut.head.into(), cut.gone),
            None if tail.is_empty() => return None,
            None => (self.body(tail.clone()), tail.len() as u64),
        };
        self.offset.pos += length;
        self.offset.line += 1;
        Some(RawRow { place: self.offset.line, key: None, body })
    }

    /// A line without its carriage return, or its marked head if it is too long.
    fn body(&self, line: Bytes) -> Bytes {
        let line = if line.ends_with(b"\r") { line.slice(..line.len() - 1) } else { line };
        if line.len() > self.max_line { cut_head(&line, self.max_line).into() } else { line }
    }
}

/// The first bytes of a line, marked so that no decoder takes them for the whole.
fn cut_head(line: &[u8], max_line: usize) -> Vec<u8> {
    let mut head = Vec::with_capacity(max_line + CUT_MARK.len());
    head.extend_from_slice(&line[..max_line]);
    head.extend_from_slice(CUT_MARK);
    head
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Lines as an obvious splitter sees them: (body, position after).
    fn reference(text: &[u8], max: usize) -> Vec<(Vec<u8>, u64)> {
        let mut rows = Vec::new();
        let mut start = 0;
        while start < text.len() {
            let end = text[start..].iter().position(|b| *b == b'\n').map(|n| start + n);
            let (stop, next) = end.map_or((text.len(), text.len()), |e| (e, e + 1));
            let line = &text[start..stop];
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let body = if line.len() > max { [&line[..max], CUT_MARK].concat() } else { line.to_vec() };
            rows.push((body, next as u64));
            start = next;
        }
        rows
    }

    proptest! {
        /// Whatever the buffers and the credits, the lines and the positions are those of the obvious splitter.
        #[test]
        fn cuts_as_the_reference_does(
            text in proptest::collection::vec(prop_oneof![3 => Just(b'x'), 1 => Just(b'\n'), 1 => Just(b'\r')], 0..120),
            sizes in proptest::collection::vec(1usize..9, 1..8),
            room in 1usize..4,
            max in 1usize..7,
        ) {
            let mut cutter = Cutter::new(max, FileOffset::default());
            let mut got = Vec::new();
            let mut read = 0;
            for size in sizes.iter().cycle() {
                let fresh = &text[read..text.len().min(read + size)];
                read += fresh.len();
                let buffer = [cutter.tail(), fresh].concat();
                prop_assert!(buffer.len() <= max + 1 + 2 * 9, "memory is bounded");
                cutter.feed(buffer.into());
                loop {
                    let rows = cutter.take(room);
                    prop_assert!(rows.len() <= room);
                    if rows.is_empty() { break; }
                    got.extend(rows);
                }
                if fresh.is_empty() { break; }
            }
            got.extend(cutter.finish());
            let want = reference(&text, max);
            prop_assert_eq!(cutter.offset().pos, text.len() as u64);
            prop_assert_eq!(cutter.offset().line, want.len() as u64);
            let same = |(i, (row, want)): (usize, (&RawRow, &(Vec<u8>, u64)))| row.place == i as u64 + 1 && row.body == want.0;
            prop_assert_eq!(got.len(), want.len());
            prop_assert!(got.iter().zip(&want).enumerate().all(same), "{:?} {:?}", got, want);
        }
    }
}
