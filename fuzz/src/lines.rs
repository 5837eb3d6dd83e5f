//! The line splitter of the file source.

use watchfire_connectors::doors::cut_lines;
use watchfire_connectors::format::CUT_MARK;

use crate::input::Input;

/// The longest line in a byte, a byte of room, four sizes of pieces, and a file: its lines and the position after them are
/// those of an obvious splitter, however the file was read and handed out.
pub fn lines(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let max_line_bytes = usize::from(input.u8()) + 1;
    let room = usize::from(input.below(7)) + 1;
    let sizes: [usize; 4] = std::array::from_fn(|_| usize::from(input.u8()) + 1);
    let file = input.rest();
    let expected = plainly(file, max_line_bytes);
    let mut pieces = Vec::new();
    let (mut rest, mut turn) = (file, 0);
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(rest.len().min(sizes[turn % sizes.len()]));
        pieces.push(piece);
        (rest, turn) = (after, turn + 1);
    }
    for (pieces, room) in [(pieces, room), (vec![file], 1_000)] {
        let (rows, after) = cut_lines(pieces, max_line_bytes, room);
        let found: Vec<&[u8]> = rows.iter().map(|row| &row.body[..]).collect();
        assert_eq!(found, expected);
        assert!(rows.iter().zip(1..).all(|(row, number)| row.place == number), "lines are numbered from 1");
        assert_eq!((after.pos, after.line), (file.len() as u64, expected.len() as u64));
    }
}

fn plainly(file: &[u8], max_line_bytes: usize) -> Vec<Vec<u8>> {
    let mut lines: Vec<&[u8]> = file.split(|byte| *byte == b'\n').collect();
    // What follows the last line break is a line only if it is not empty.
    lines.pop_if(|last| last.is_empty());
    let body = |line: &[u8]| {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.len() > max_line_bytes { [&line[..max_line_bytes], CUT_MARK].concat() } else { line.to_vec() }
    };
    lines.into_iter().map(body).collect()
}
