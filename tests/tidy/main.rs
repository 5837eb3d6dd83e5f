//! The rules of the house, as tests over the checkout: what the project does without, and where a thing may stand.
//!
//! Each rule is a function from what it looks at to its breaches, with two tests: the checkout has none, and a bad
//! snippet has one. A breach names file and line.
#![allow(clippy::panic, clippy::unwrap_used)]

mod checkout;
mod clocks;
mod engine_only;
mod examples;
mod left_overs;
mod pages;
mod rooms;
mod sizes;
mod source;
mod words;

/// One place where a rule is broken.
#[derive(Debug, PartialEq, Eq)]
struct Breach {
    file: String,
    line: usize,
    what: String,
}

/// Fails with every breach, one a line.
#[track_caller]
fn none(rule: &str, breaches: impl IntoIterator<Item = Breach>) {
    let lines: Vec<String> =
        breaches.into_iter().map(|breach| format!("  {}:{}: {}", breach.file, breach.line, breach.what)).collect();
    assert!(lines.is_empty(), "{rule}\n{}", lines.join("\n"));
}

/// Fails unless the rule finds the lines `expected` in a bad snippet, and nothing else.
#[track_caller]
fn found_at(breaches: &[Breach], expected: &[usize]) {
    let lines: Vec<usize> = breaches.iter().map(|breach| breach.line).collect();
    assert_eq!(lines, expected, "{breaches:#?}");
}
