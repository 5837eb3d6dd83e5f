//! Comma-separated values, one record per row.

use std::collections::BTreeSet;
use std::fmt;
use std::marker::PhantomData;

use csv::{DeserializeErrorKind, ErrorKind, ReaderBuilder, StringRecord};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use watchfire_engine::Error;
use watchfire_engine::decode::Decoder;
use watchfire_engine::source::RawRow;

use super::{Validate, finite, place, redact, text_of};

/// How the records look.
///
/// ```
/// use watchfire_connectors::format::CsvConfig;
/// let config: CsvConfig = toml::from_str(r#"
///     columns = ["crane", "load_kg"]
///     delimiter = ";"
///     header = true
/// "#)?;
/// assert_eq!(config.columns.len(), 2);
/// assert!(toml::from_str::<CsvConfig>(r#"colums = []"#).is_err(), "a misspelt key is an error");
/// # Ok::<(), toml::de::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CsvConfig {
    /// The names of the columns in order; at least one, all different, none empty. They match the fields of the row type.
    pub columns: Vec<String>,
    /// What stands between two fields: one ASCII character, not a quote, a line break or NUL. Default `,`.
    #[serde(default = "comma")]
    pub delimiter: char,
    /// Whether row 1 is a header line, which must name exactly `columns`, in order. Later rows that repeat the header
    /// line (of files put together) are skipped too. Default `false`.
    #[serde(default)]
    pub header: bool,
    /// Whether white space around fields is cut off. Default `false`.
    #[serde(default)]
    pub trim: bool,
    /// Whether empty rows decode to no row, instead of being dead letters. Default `false`.
    #[serde(default)]
    pub skip_empty_rows: bool,
}

impl CsvConfig {
    /// Records with these columns, and defaults for the rest.
    pub fn new<S: Into<String>>(columns: impl IntoIterator<Item = S>) -> Self {
        let columns = columns.into_iter().map(Into::into).collect();
        CsvConfig { columns, delimiter: comma(), header: false, trim: false, skip_empty_rows: false }
    }
}

fn comma() -> char {
    ','
}

/// Comma-separated values (RFC 4180), one record per row; decodes only.
///
/// Quoted fields are understood, line breaks inside them are not, since the transport cuts rows at line breaks: a row
/// with an odd number of quotes is a dead letter. So are rows with too few or too many fields, fields that do not parse,
/// and numbers that are NaN, infinite or beyond their type (`E0448`; the text `NaN` would parse as a float). Other codes:
/// `E0446` a record, `E0447` a header line that is not the one in the config. Texts name the column, never the value.
///
/// After an `E0447` the records that follow are still decoded by position, so treat that dead letter as a wrong file.
///
/// Cost: one pass for UTF-8, one for splitting; memory for one row.
///
/// ```
/// use serde::{Deserialize, Serialize};
/// use watchfire_connectors::format::{Csv, CsvConfig};
/// use watchfire_engine::{decode::Decoder, source::RawRow};
///
/// #[derive(Debug, PartialEq, Serialize, Deserialize)]
/// struct Reading { crane: String, load_kg: f64 }
///
/// let format = Csv::<Reading>::new(CsvConfig { header: true, ..CsvConfig::new(["crane", "load_kg"]) })?;
/// let mut rows = Vec::new();
/// for (place, body) in [(1, "crane,load_kg"), (2, "K1,4200"), (3, "\"K,2\",10.5")] {
///     format.decode(&RawRow { place, key: None, body: body.into() }, &mut rows)?;
/// }
/// assert_eq!(rows[0], Reading { crane: "K1".into(), load_kg: 4200.0 });
/// assert_eq!(rows[1].crane, "K,2");
///
/// let e = format.decode(&RawRow { place: 4, key: None, body: "K1,much".into() }, &mut rows).unwrap_err();
/// assert_eq!(e.to_string(), "E0446 not a number: column `load_kg` (row 4)");
/// # Ok::<(), watchfire_engine::Error>(())
/// ```
pub struct Csv<T> {
    config: CsvConfig,
    columns: StringRecord,
    reader: ReaderBuilder,
    validate: Option<Validate<T>>,
    row: PhantomData<fn() -> T>,
}

impl<T> Csv<T> {
    /// A decoder for records that look as `config` says.
    ///
    /// # Errors
    /// `E0449` for a config that cannot work: no columns, two of one name, or a delimiter that cannot be one.
    pub fn new(config: CsvConfig) -> Result<Self, Error> {
        let wrong = |what: &str| {
            Err(Error::new("E0449", format!("CSV config: {what}")).remedy("correct the format's part of the config"))
        };
        if config.columns.is_empty() || config.columns.iter().any(String::is_empty) {
            return wrong("columns must name at least one column, and none by an empty name");
        }
        if config.columns.iter().collect::<BTreeSet<_>>().len() != config.columns.len() {
            return wrong("two columns have the same name");
        }
        if !config.delimiter.is_ascii() || matches!(config.delimiter, '"' | '\r' | '\n' | '\0') {
            return wrong("the delimiter must be one ASCII character, not a quote, a line break or NUL");
        }
        let mut reader = ReaderBuilder::new();
        // Rows come one by one: a small buffer, since one is made per row that holds quotes.
        reader.has_headers(false).flexible(true).delimiter(config.delimiter as u8).buffer_capacity(1024);
        let columns = StringRecord::from(config.columns.clone());
        Ok(Csv { config, columns, reader, validate: None, row: PhantomData })
    }

    /// Runs `check` on every decoded row; its error becomes the dead letter's code and text, which must not repeat
    /// personal or health values.
    #[must_use]
    pub fn validate(mut self, check: Validate<T>) -> Self {
        self.validate = Some(check);
        self
    }

    /// The fields of one record.
    fn split(&self, text: &str, raw: &RawRow) -> Result<StringRecord, Error> {
        let quotes = text.bytes().filter(|b| *b == b'"').count();
        if quotes % 2 != 0 {
            return Err(Error::new("E0446", "truncated: a quoted field does not end")
                .at(place(raw))
                .remedy("double the quotes inside fields, and put no line break into a field"));
        }
        let mut record = StringRecord::with_capacity(text.len(), self.columns.len());
        if quotes == 0 {
            text.split(self.config.delimiter).for_each(|field| record.push_field(field));
        } else {
            let mut reader = self.reader.from_reader(text.as_bytes());
            reader.read_record(&mut record).map_err(|_| Error::new("E0446", "not a CSV record").at(place(raw)))?;
        }
        if self.config.trim {
            record.trim();
        }
        Ok(record)
    }

    /// Whether the record is a header line, which is skipped. A wrong header is an error.
    fn is_header(&self, record: &StringRecord, raw: &RawRow) -> Result<bool, Error> {
        if !self.config.header {
            return Ok(false);
        }
        if *record == self.columns {
            return Ok(true);
        }
        if raw.place > 1 {
            return Ok(false);
        }
        Err(Error::new("E0447", format!("the header line is not: {}", self.config.columns.join(", ")))
            .at(place(raw))
            .remedy("check the file, or correct columns and header in the config"))
    }

    /// The error of the csv crate without the values in it.
    fn explain(&self, e: &csv::Error, raw: &RawRow) -> Error {
        let what = match e.kind() {
            ErrorKind::Deserialize { err, .. } => {
                let column = err.field().and_then(|i| self.config.columns.get(usize::try_from(i).ok()?));
                let column = column.map_or_else(String::new, |name| format!(": column `{name}`"));
                match err.kind() {
                    DeserializeErrorKind::ParseInt(e) => match e.kind() {
                        std::num::IntErrorKind::PosOverflow | std::num::IntErrorKind::NegOverflow => {
                            format!("out of range{column}")
                        }
                        _ => format!("not an integer{column}"),
                    },
                    DeserializeErrorKind::ParseFloat(_) => format!("not a number{column}"),
                    DeserializeErrorKind::ParseBool(_) => format!("not true or false{column}"),
                    DeserializeErrorKind::UnexpectedEndOfRow => "too few fields".into(),
                    DeserializeErrorKind::Message(text) => format!("{}{column}", redact::describe(text)),
                    _ => format!("refused by the type{column}"),
                }
            }
            _ => "not a CSV record".into(),
        };
        Error::new("E0446", what).at(place(raw))
    }
}

impl<T> fmt::Debug for Csv<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Csv").field("config", &self.config).field("validates", &self.validate.is_some()).finish()
    }
}

impl<T: Serialize + DeserializeOwned + Send + Sync + 'static> Decoder<T> for Csv<T> {
    fn decode(&self, raw: &RawRow, out: &mut Vec<T>) -> Result<(), Error> {
        let text = text_of(raw, "E0446")?;
        if text.trim_ascii().is_empty() {
            if self.config.skip_empty_rows {
                return Ok(());
            }
            return Err(Error::new("E0446", "empty row")
                .at(place(raw))
                .remedy("send no empty rows, or set skip_empty_rows"));
        }
        let record = self.split(text, raw)?;
        if self.is_header(&record, raw)? {
            return Ok(());
        }
        if record.len() != self.columns.len() {
            return Err(Error::new("E0446", format!("{} fields instead of {}", record.len(), self.columns.len()))
                .at(place(raw))
                .remedy("check the delimiter and the columns in the config"));
        }
        let row: T = record.deserialize(Some(&self.columns)).map_err(|e| self.explain(&e, raw))?;
        finite::refuse_decoded(&row).map_err(|e| e.at(place(raw)))?;
        if let Some(check) = self.validate {
            check(&row).map_err(|e| if e.place().is_some() { e } else { e.at(place(raw)) })?;
        }
        out.push(row);
        Ok(())
    }
}
