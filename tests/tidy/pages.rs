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

/// Targets that commands of the page name and that cargo does not find from the top folder. `has` knows (kind, name).
fn commands_without_target(file: &str, text: &str, has: impl Fn(&str, &str) -> bool) -> Vec<Breach> {
    let mut all = Vec::new();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| line.contains("cargo ")) {
        let words: Vec<&str> = line.split([' ', '`']).collect();
        for pair in words.windows(2) {
            let kind = pair[0].strip_prefix("--").filter(|kind| ["bench", "example", "test"].contains(kind));
            if let Some(kind) = kind.filter(|kind| !has(kind, pair[1])) {
                all.push(Breach { file: file.to_owned(), line: number + 1, what: format!("no {kind} {}", pair[1]) });
            }
        }
    }
    all
}

/// What cargo finds from the top folder: the targets of the default members.
fn targets() -> Vec<(String, String)> {
    let metadata = std::process::Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let metadata: serde_json::Value = serde_json::from_slice(&metadata.stdout).unwrap();
    let default = metadata["workspace_default_members"].as_array().unwrap();
    let packages = metadata["packages"].as_array().unwrap().iter().filter(|package| default.contains(&package["id"]));
    let targets = packages.flat_map(|package| package["targets"].as_array().unwrap());
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    targets.map(|target| (text(&target["kind"][0]), text(&target["name"]))).collect()
}

#[test]
fn commands_of_the_pages_find_their_targets() {
    let targets = targets();
    let has = |kind: &str, name: &str| targets.contains(&(kind.to_owned(), name.to_owned()));
    let texts = checkout::texts();
    let pages = texts.iter().filter(|(file, _)| file.ends_with(".md"));
    let all = pages.flat_map(|(file, text)| commands_without_target(file, text, has));
    none("A command of a page finds its target from the top folder.", all);
    assert!(has("bench", "limit"), "the list is not empty");
}

#[test]
fn commands_without_a_target_are_found() {
    let text = "`cargo bench --bench limit -- --workload x`\ncargo run --example gone\n`--bench gone`";
    found_at(&commands_without_target("README.md", text, |_, name| name == "limit"), &[2]);
}

#[test]
fn dangling_names_are_found() {
    let text = "See `engine/src/gone.rs`, `engine/src/lib.rs` and\n`clocks::gone` but `clocks::there`.\n```\n`a/b`\n```\n\
                [a](gone.md), [b](there.md#part), [c](https://example.com/x)\n`connectors/src/NAME/` `std::fs`";
    let exists = |path: &str| matches!(path, "engine/src/lib.rs" | "docs/there.md");
    found_at(&dangling("docs/a.md", text, exists, &["clocks::there".to_owned()]), &[1, 2, 6]);
}
