//! Rows as lines of text, for the sinks that write lines.

use serde::{Deserialize, Serialize};
use watchfire_engine::Error;
use watchfire_engine::decode::EncodedRow;
use watchfire_engine::source::Failure;

/// How a line says that it takes an earlier row back.
///
/// ```
/// use watchfire_connectors::Retractions;
/// assert_eq!(Retractions::default(), Retractions::Mark);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Retractions {
    /// A retraction is the row behind `-` and a tab, so that no reader takes it for a row; other rows are plain.
    #[default]
    Mark,
    /// A retraction is refused (`E0333`): for readers that only know rows.
    Refuse,
}

/// The lines of `rows`, or the first row that cannot be one line.
pub(crate) fn render(rows: &[EncodedRow], retractions: Retractions) -> Result<Vec<u8>, Failure> {
    let bytes = rows.iter().map(|row| row.body.len() + 3).sum();
    let mut lines = Vec::with_capacity(bytes);
    for (index, row) in rows.iter().enumerate() {
        let poison =
            |what: &str, remedy: &str| Failure::Poison { index, why: Error::new("E0333", what).remedy(remedy) };
        if row.body.contains(&b'\n') {
            return Err(poison("an encoded row holds a line break", "use an encoder that writes one line per row"));
        }
        if row.retract {
            if retractions == Retractions::Refuse {
                return Err(poison(
                    "a row is taken back, and this sink is set to refuse that",
                    "set retractions to mark, or use final windows, which correct nothing",
                ));
            }
            lines.extend_from_slice(b"-\t");
        }
        lines.extend_from_slice(&row.body);
        lines.push(b'\n');
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(body: &str, retract: bool) -> EncodedRow {
        EncodedRow { id: None, retract, body: body.into() }
    }

    #[test]
    fn lines_and_marks() {
        let rows = [row("a", false), row("a", true), row("", false)];
        assert_eq!(render(&rows, Retractions::Mark).unwrap(), b"a\n-\ta\n\n");
        let refused = render(&rows, Retractions::Refuse);
        assert!(matches!(refused, Err(Failure::Poison { index: 1, ref why }) if why.code() == "E0333"));
        let broken = render(&[row("a\nb", false)], Retractions::Mark);
        assert!(matches!(broken, Err(Failure::Poison { index: 0, .. })));
    }
}
