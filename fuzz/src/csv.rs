//! The CSV format, over the lines of a file.

use watchfire_connectors::doors::cut_lines;
use watchfire_connectors::format::{Csv, CsvConfig};
use watchfire_engine::decode::Decoder;
use watchfire_engine::source::RawRow;

use crate::input::Input;
use crate::refusal;
use crate::row::{COLUMNS, Mood, Numbers, Vital};

/// A byte of settings, one of the delimiter, and a file: every line gives a row with finite numbers that is the same
/// after it was written and decoded again, a header or an empty line that is skipped, or a refusal that is short and
/// repeats nothing of the line.
pub fn csv(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let settings = input.u8();
    let config = CsvConfig {
        delimiter: char::from(input.u8()),
        header: settings & 1 != 0,
        trim: settings & 2 != 0,
        skip_empty_rows: settings & 4 != 0,
        ..CsvConfig::new(COLUMNS)
    };
    let format = match Csv::<Vital>::new(config.clone()) {
        Ok(format) => format,
        Err(error) => return assert_eq!(error.code(), "E0449"),
    };
    for line in cut_lines([input.rest()], 1 << 20, 1_000).0 {
        let mut rows = Vec::new();
        if let Err(error) = format.decode(&line, &mut rows) {
            let header = config.header && line.place == 1;
            refusal::check(&error, if header { &["E0435", "E0446", "E0447"] } else { &["E0435", "E0446", "E0448"] });
            continue;
        }
        let Some(row) = rows.pop() else {
            let empty = config.skip_empty_rows && line.body.trim_ascii().is_empty();
            assert!(empty || config.header || line.place == 1, "a line is lost: {line:?}");
            continue;
        };
        assert!(rows.is_empty(), "one line holds one record");
        assert!(row.numbers().iter().all(|number| number.is_finite()), "a number is not finite: {row:?}");
        // Beyond the first place, which a header may take.
        let again = RawRow { place: 2, key: None, body: written(&row, config.delimiter).into() };
        format.decode(&again, &mut rows).expect("what was written can be decoded");
        assert_eq!(rows, [row], "the row that was written and decoded again");
    }
}

/// A record as RFC 4180 wants it, with every field in quotes.
fn written(row: &Vital, delimiter: char) -> String {
    let mood = match row.mood {
        Mood::Calm => "calm",
        Mood::Alert => "alert",
    };
    let fever = row.fever.map_or_else(String::new, |fever| fever.get().to_string());
    let fields = [
        row.wearer.clone(),
        row.band.to_string(),
        row.at_ms.to_string(),
        row.pulse.to_string(),
        row.oxygen.to_string(),
        fever,
        mood.to_owned(),
        row.worn.to_string(),
    ];
    let quoted = fields.map(|field| format!("\"{}\"", field.replace('"', "\"\"")));
    quoted.join(&delimiter.to_string())
}
