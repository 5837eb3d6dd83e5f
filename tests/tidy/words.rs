//! The text speaks of the product alone: no word of how it was made, and no path of a machine.

use crate::{Breach, checkout, found_at, none};

/// Phrases, in pieces so that this file does not hold them.
const PHRASES: &[&[&str]] = &[
    &["this", " session"],
    &["our", " session"],
    &["AI", " agent"],
    &["AI", "-generated"],
    &["language", " model"],
    &["the", " CEO"],
];

/// Paths of machines that the project was made on, which may start a word or follow a quote or bracket.
const PATHS: &[&[&str]] = &[&["/wor", "k/"], &["/tmp", "/h/"], &["/root", "/"], &["/home", "/"]];

fn telling(file: &str, text: &str) -> Vec<Breach> {
    let mut all = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let lower = line.to_lowercase();
        let phrase = |pieces: &&&[&str]| {
            let phrase = pieces.concat().to_lowercase();
            lower.match_indices(&phrase).any(|(at, _)| stands_alone(&lower, at, phrase.len()))
        };
        let path = |pieces: &&&[&str]| {
            let path = pieces.concat();
            let starts =
                |at: usize| line[..at].chars().next_back().is_none_or(|before| " \t\"'`(=[<>:".contains(before));
            line.match_indices(&path).any(|(at, _)| starts(at))
        };
        for pieces in PHRASES.iter().filter(phrase).chain(PATHS.iter().filter(path)) {
            all.push(Breach { file: file.to_owned(), line: number + 1, what: format!("\"{}\"", pieces.concat()) });
        }
    }
    all
}

/// No letter before and none after.
fn stands_alone(line: &str, at: usize, length: usize) -> bool {
    let letter = |c: char| c.is_alphanumeric();
    !line[..at].chars().next_back().is_some_and(letter) && !line[at + length..].chars().next().is_some_and(letter)
}

#[test]
fn the_text_speaks_of_the_product_alone() {
    let texts = checkout::texts();
    none("The text speaks of the product alone.", texts.iter().flat_map(|(file, text)| telling(file, text)));
}

#[test]
fn telling_words_are_found() {
    let agent = ["AI", " agent"].concat();
    let path = ["/wor", "k/main"].concat();
    let text = format!("A session window.\nMade by an {agent}.\nSee `{path}`.\nnet{path}\nai agents and xAI agent\n");
    found_at(&telling("README.md", &text), &[2, 3]);
}
