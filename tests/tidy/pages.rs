//! What the pages name is there: files, folders, links, and the tests of this folder.

use std::path::Path;

use crate::{Breach, checkout, found_at, none};

/// Words between backticks and targets of links, with their lines.
fn named(text: &str) -> Vec<(usize, String)> {
    let mut all = Vec::new();
    let mut code = false;
    for (number, line) in text.lines().enumerate() {
        code ^= line.trim_start().starts_with("```");
        if code {
            continue;
        }
        all.extend(line.split('`').skip(1).step_by(2).map(|word| (number + 1, word.to_owned())));
        let links = line.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
        all.extend(
            links
                .filter(|link| !link.is_empty() && !link.contains("://"))
                .map(|link| (number + 1, format!("./{link}"))),
        );
    }
    all
}

fn is_path(word: &str) -> bool {
    word.contains('/') && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-./".contains(c))
}

/// Names of the page that lead nowhere. `exists` knows paths from the root, `tests` the tests as `module::name`.
fn dangling(file: &str, text: &str, exists: impl Fn(&str) -> bool, tests: &[String]) -> Vec<Breach> {
    let folder = file.rsplit_once('/').map_or("", |(folder, _)| folder);
    let modules: Vec<&str> = tests.iter().filter_map(|test| Some(test.split_once("::")?.0)).collect();
    let gone = |word: &String| {
        if let Some(link) = word.strip_prefix("./") {
            return !exists(&if folder.is_empty() { link.to_owned() } else { format!("{folder}/{link}") });
        }
        match word.split_once("::") {
            Some((module, _)) if modules.contains(&module) => !tests.contains(word),
            _ => is_path(word) && !exists(word),
        }
    };
    let breach = |(line, word): (usize, String)| Breach { file: file.to_owned(), line, what: format!("no {word}") };
    named(text).into_iter().filter(|(_, word)| gone(word)).map(breach).collect()
}

/// The tests of this folder, as `module::name`.
fn tests() -> Vec<String> {
    let mut all = Vec::new();
    for source in checkout::rust() {
        let Some(module) = source.file.strip_prefix("tests/tidy/").and_then(|name| name.strip_suffix(".rs")) else {
            continue;
        };
        for item in &source.tree.items {
            if let syn::Item::Fn(function) = item
                && function.attrs.iter().any(|attribute| attribute.path().is_ident("test"))
            {
                all.push(format!("{module}::{}", function.sig.ident));
            }
        }
    }
    all
}

#[test]
fn what_pages_name_is_there() {
    let tests = tests();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let exists = |path: &str| root.join(path).exists();
    let texts = checkout::texts();
    let pages = texts.iter().filter(|(file, _)| file.ends_with(".md") && file != "CHANGELOG.md");
    let all = pages.flat_map(|(file, text)| dangling(file, text, exists, &tests));
    none("What a page names is there: mend the page, or put it back.", all);
}

#[test]
fn dangling_names_are_found() {
    let text = "See `engine/src/gone.rs`, `engine/src/lib.rs` and\n`clocks::gone` but `clocks::there`.\n```\n`a/b`\n```\n\
                [a](gone.md), [b](there.md#part), [c](https://example.com/x)\n`connectors/src/NAME/` `std::fs`";
    let exists = |path: &str| matches!(path, "engine/src/lib.rs" | "docs/there.md");
    found_at(&dangling("docs/a.md", text, exists, &["clocks::there".to_owned()]), &[1, 2, 6]);
}
