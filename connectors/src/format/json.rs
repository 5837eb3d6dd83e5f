//! JSON, one value per row.

use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::error::Category;
use watchfire_engine::Error;
use watchfire_engine::decode::{Decoder, EncodedRow, Encoder};
use watchfire_engine::source::RawRow;

use super::{Validate, finite, place, redact, text_of};

/// One JSON value per row: decodes with serde, encodes with serde.
///
/// # Decoding
/// Each raw row holds exactly one value (RFC 8259) in UTF-8; a carriage return at its end and a byte order mark on row 1
/// are ignored. Everything else that is wrong is a dead letter with code `E0441`, and its text says which: `truncated`,
/// `syntax`, `wrong type`, `missing field`, `unknown field` (if the type denies them), `duplicate field`,
/// `out of range`, `invalid UTF-8`, `empty row`, `refused by the type`; always with the column (from 1, in bytes), never
/// with a value. `NaN` and `Infinity` are no JSON and are refused as `syntax`.
///
/// Numbers are read fast rather than to the last bit: one with more than 15 digits, or a power of ten beyond 22, may come
/// out as a neighbour of the nearest double. So a row that was encoded and decoded again can differ in the last places of
/// such numbers; one just below the greatest double may be refused as `out of range`.
///
/// An `f32` field takes a number beyond its range as infinity, by serde's rules: use `f64`, or
/// [`refuse_non_finite`](JsonLines::refuse_non_finite).
///
/// # Encoding
/// Compact, without line breaks. JSON has no NaN and no infinity, and serde_json writes them as `null`: here a row that
/// holds one is refused (`E0321`), and a value that JSON cannot hold, such as a map with array keys, as `E0322`.
///
/// # Cost
/// One pass over the bytes for UTF-8, one for JSON; memory for one row. Encoding walks the row once more for the check.
///
/// # Examples
/// ```
/// use serde::{Deserialize, Serialize};
/// use watchfire_connectors::format::JsonLines;
/// use watchfire_engine::decode::{Decoder, Encoder};
/// use watchfire_engine::source::RawRow;
///
/// #[derive(Debug, PartialEq, Serialize, Deserialize)]
/// struct Reading { crane: String, load_kg: f64 }
///
/// let format = JsonLines::<Reading>::new();
/// let raw = RawRow { place: 7, key: None, body: r#"{"crane":"K1","load_kg":4200.0}"#.into() };
/// let mut rows = Vec::new();
/// format.decode(&raw, &mut rows)?;
/// assert_eq!(rows, [Reading { crane: "K1".into(), load_kg: 4200.0 }]);
///
/// let raw = RawRow { body: r#"{"crane":"K1","load_kg":"heavy"}"#.into(), ..raw };
/// let e = format.decode(&raw, &mut rows).unwrap_err();
/// assert_eq!(e.to_string(), "E0441 wrong type: found a string, expected f64, at column 31 (row 7)");
///
/// let bad = Reading { crane: "K1".into(), load_kg: f64::NAN };
/// assert_eq!(format.encode(&bad).unwrap_err().code(), "E0321");
/// # Ok::<(), watchfire_engine::Error>(())
/// ```
pub struct JsonLines<T> {
    validate: Option<Validate<T>>,
    finite: Option<Validate<T>>,
    id: Option<fn(&T) -> String>,
    skip_empty: bool,
}

impl<T> JsonLines<T> {
    /// The strict format: every row is one value, an empty row is a dead letter.
    pub fn new() -> Self {
        JsonLines { validate: None, finite: None, id: None, skip_empty: false }
    }

    /// Runs `check` on every decoded row; its error becomes the dead letter's code and text.
    ///
    /// The text must not repeat personal or health values.
    ///
    /// ```
    /// use watchfire_connectors::format::JsonLines;
    /// use watchfire_engine::{Error, decode::Decoder, source::RawRow};
    /// let format = JsonLines::<f64>::new().validate(|load_kg| {
    ///     if *load_kg >= 0.0 { Ok(()) } else { Err(Error::new("E0460", "the load is negative")) }
    /// });
    /// let raw = RawRow { body: "-1.0".into(), ..RawRow::default() };
    /// assert_eq!(format.decode(&raw, &mut Vec::new()).unwrap_err().code(), "E0460");
    /// ```
    #[must_use]
    pub fn validate(mut self, check: Validate<T>) -> Self {
        self.validate = Some(check);
        self
    }

    /// Rows that hold only white space decode to no row, instead of being dead letters.
    #[must_use]
    pub fn skip_empty_rows(mut self) -> Self {
        self.skip_empty = true;
        self
    }

    /// Gives each encoded row the id that [`CommitMode::ByKey`](watchfire_engine::sink::CommitMode::ByKey) sinks need.
    ///
    /// It must be a function of the row alone, so that a replayed row has the same id.
    ///
    /// ```
    /// use watchfire_connectors::format::JsonLines;
    /// use watchfire_engine::decode::Encoder;
    /// let format = JsonLines::<(String, u32)>::new().id(|(rule, episode)| format!("{rule}-{episode}"));
    /// assert_eq!(format.encode(&("overload".into(), 3))?.id.as_deref(), Some("overload-3"));
    /// # Ok::<(), watchfire_engine::Error>(())
    /// ```
    #[must_use]
    pub fn id(mut self, id: fn(&T) -> String) -> Self {
        self.id = Some(id);
        self
    }
}

impl<T: Serialize> JsonLines<T> {
    /// Refuses decoded rows in which a number became NaN or infinite (`E0448`), as an `f32` beyond its range does.
    #[must_use]
    pub fn refuse_non_finite(mut self) -> Self {
        self.finite = Some(finite::refuse_decoded);
        self
    }
}

impl<T> Default for JsonLines<T> {
    fn default() -> Self {
        JsonLines::new()
    }
}

impl<T> Clone for JsonLines<T> {
    fn clone(&self) -> Self {
        JsonLines { validate: self.validate, finite: self.finite, id: self.id, skip_empty: self.skip_empty }
    }
}

impl<T> fmt::Debug for JsonLines<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JsonLines")
            .field("validates", &self.validate.is_some())
            .field("refuses_non_finite", &self.finite.is_some())
            .field("gives_ids", &self.id.is_some())
            .field("skips_empty_rows", &self.skip_empty)
            .finish()
    }
}

impl<T: DeserializeOwned + Send + Sync + 'static> Decoder<T> for JsonLines<T> {
    fn decode(&self, raw: &RawRow, out: &mut Vec<T>) -> Result<(), Error> {
        let text = text_of(raw, "E0441")?;
        if text.trim_ascii().is_empty() {
            if self.skip_empty {
                return Ok(());
            }
            return Err(Error::new("E0441", "empty row")
                .at(place(raw))
                .remedy("send no empty rows, or let the format skip them"));
        }
        let row: T = serde_json::from_str(text).map_err(|e| explain(&e, raw))?;
        for check in [self.finite, self.validate].into_iter().flatten() {
            check(&row).map_err(|e| if e.place().is_some() { e } else { e.at(place(raw)) })?;
        }
        out.push(row);
        Ok(())
    }
}

impl<T: Serialize + Send + Sync + 'static> Encoder<T> for JsonLines<T> {
    fn encode(&self, row: &T) -> Result<EncodedRow, Error> {
        finite::refuse_encoded(row)?;
        let body = serde_json::to_vec(row).map_err(|_| {
            Error::new("E0322", "a row holds a value that JSON cannot hold")
                .remedy("give maps text keys, and make the row's Serialize succeed")
        })?;
        Ok(EncodedRow { id: self.id.map(|id| id(row)), retract: false, body })
    }

    fn gives_ids(&self) -> bool {
        self.id.is_some()
    }
}

/// The error of serde_json without the values in it.
fn explain(e: &serde_json::Error, raw: &RawRow) -> Error {
    // Its text ends in " at line L column C"; a row is one line unless a transport without lines carries pretty JSON.
    let full = e.to_string();
    let position = format!(" at line {} column {}", e.line(), e.column());
    let message = full.strip_suffix(&position).unwrap_or(&full);
    let what = match e.classify() {
        Category::Eof => "truncated: the text ends inside the value".into(),
        Category::Data => redact::describe(message),
        Category::Syntax | Category::Io if message.starts_with("number out of range") => redact::describe(message),
        // Syntax messages are fixed texts of serde_json, without values.
        Category::Syntax | Category::Io => format!("syntax: {message}"),
    };
    let line = if e.line() > 1 { format!(" of line {}", e.line()) } else { String::new() };
    Error::new("E0441", format!("{what}, at column {}{line}", e.column())).at(place(raw))
}
