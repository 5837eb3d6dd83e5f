//! Formats: from the bytes of one raw row to rows, and back. They know nothing of the transport that moved the bytes.
//!
//! | format | decodes | encodes | text |
//! | --- | --- | --- | --- |
//! | [`JsonLines`] | yes | yes | one JSON value per row (RFC 8259, UTF-8) |
//! | [`Csv`] | yes | no | one record per row (RFC 4180, without line breaks inside fields) |
//!
//! Codes: `E0435` a line cut at the transport's limit, `E0441` JSON, `E0446` CSV, `E0447` a wrong CSV header,
//! `E0448` a number that no measurement can have, `E0449` a CSV config that cannot work; encoding: `E0321` a number that JSON has not, `E0322` a value
//! that JSON cannot hold.
//!
//! No error text repeats a value of the row, because a row may hold personal or health data: it says the kind of the
//! error, the column, and names that come from the type, never from the bytes.

mod csv;
mod finite;
mod json;
mod redact;
#[cfg(test)]
mod tests;

use watchfire_engine::Error;
use watchfire_engine::source::RawRow;

pub use self::csv::{Csv, CsvConfig};
pub use self::json::JsonLines;

/// A check that a decoded row passes before it enters the flow.
type Validate<T> = fn(&T) -> Result<(), Error>;

/// What a transport puts after the head of a row that it had to cut, so that no decoder can take the head for a row.
///
/// It starts with `0xFF`, which occurs in no UTF-8 text; the rest tells a person who reads the dead letter. Decoders for
/// formats that are not UTF-8 text must look for it themselves.
///
/// ```
/// use watchfire_connectors::format::CUT_MARK;
/// assert!(std::str::from_utf8(CUT_MARK).is_err());
/// ```
pub const CUT_MARK: &[u8] = b"\xff[cut here: the line is longer than max_line_bytes]";

/// The text of a raw row: valid UTF-8, without a carriage return at its end and without a byte order mark on row 1.
fn text_of<'a>(raw: &'a RawRow, code: &'static str) -> Result<&'a str, Error> {
    let mut bytes: &[u8] = &raw.body;
    if bytes.ends_with(CUT_MARK) {
        let head = bytes.len() - CUT_MARK.len();
        return Err(Error::new("E0435", format!("line too long: cut after {head} bytes"))
            .at(place(raw))
            .remedy("raise max_line_bytes of the source, or repair the line"));
    }
    if raw.place <= 1 {
        bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    }
    bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
    std::str::from_utf8(bytes).map_err(|e| {
        Error::new(code, format!("invalid UTF-8 at column {}", e.valid_up_to() + 1))
            .at(place(raw))
            .remedy("send the text as UTF-8")
    })
}

/// Where a person finds the raw row.
fn place(raw: &RawRow) -> String {
    format!("row {}", raw.place)
}
