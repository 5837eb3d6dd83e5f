//! What an error text may say of a row that was refused: which rule it broke and where, but nothing that it held.

use std::collections::HashSet;
use std::sync::LazyLock;

use watchfire_engine::Error;

/// No text of a refusal is longer, whatever was refused.
const TEXT_BYTES_MAX: usize = 400;

/// Every word that a refusal may use: fixed texts of the formats and of serde, and names of the row types of this crate.
/// A word that is missing here came from the bytes.
const WORDS: &str = include_str!("refusal.words");

static KNOWN: LazyLock<HashSet<&str>> = LazyLock::new(|| WORDS.split_whitespace().collect());

/// A number may stand only behind one of these, where it is a position or a count and no value of the row.
const BEFORE_NUMBERS: [&str; 9] = ["column", "row", "line", "after", "of", "fields", "with", "length", "size"];

/// Checks that a refusal has one of these codes, is short, and repeats nothing that the row held.
pub(crate) fn check(error: &Error, codes: &[&str]) {
    let text = error.to_string();
    assert!(codes.contains(&error.code()), "an unexpected code: {text}");
    assert!(text.starts_with(error.code()) && text.len() <= TEXT_BYTES_MAX, "{} bytes: {text}", text.len());
    let mut before = "";
    let parts = |c: char| !c.is_alphanumeric() && c != '_';
    for word in text[error.code().len()..].split(parts).filter(|word| !word.is_empty()) {
        let counts = word.bytes().all(|byte| byte.is_ascii_digit());
        // "3 fields instead of 6" begins with a count.
        let begins = before.is_empty() && text.contains(" fields instead of ");
        let fine = KNOWN.contains(word) || (counts && (begins || BEFORE_NUMBERS.contains(&before)));
        assert!(fine, "{word:?} stands in the refusal: {text}");
        before = word;
    }
}
