//! The files of the checkout.

use std::fs;
use std::path::{Path, PathBuf};

use crate::source::{Source, test_modules};

/// Rust code is looked for here, and nowhere else.
const ROOMS: &[&str] = &["benches", "connectors", "engine", "examples", "fuzz", "operators", "src", "tests"];

/// The folders whose code users run: everything else is tests, fuzz targets, benches and examples.
const LIBRARY: &[&str] = &["connectors/src/", "engine/src/", "operators/src/", "src/"];

/// What is made, not written.
const MADE: &[&str] = &[".git", "artifacts", "coverage", "target", "out"];

/// All Rust files, parsed.
pub(crate) fn rust() -> Vec<Source> {
    let mut paths = Vec::new();
    for room in ROOMS {
        walk(&root().join(room), &mut paths);
    }
    let mut all: Vec<Source> = paths
        .iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .map(|path| Source::parse(&relative(path), &read(path)))
        .collect();
    // A walk that finds nothing would keep every rule.
    assert!(all.len() > 50, "only {} Rust files found under {}", all.len(), root().display());
    let tests: Vec<String> = all.iter().flat_map(test_modules).collect();
    for source in &mut all {
        source.all_test |= tests.iter().any(|module| source.is_in_module(module));
    }
    all
}

/// The Rust files of the libraries.
pub(crate) fn library() -> Vec<Source> {
    let mut all = rust();
    all.retain(|source| LIBRARY.iter().any(|room| source.file.starts_with(room)));
    all
}

/// Every `Cargo.toml`, by its path.
pub(crate) fn manifests() -> Vec<(String, toml::Table)> {
    let mut paths = vec![root().join("Cargo.toml")];
    for room in ROOMS {
        walk(&root().join(room), &mut paths);
    }
    let mut all = Vec::new();
    for path in paths.iter().filter(|path| path.ends_with("Cargo.toml")) {
        match read(path).parse::<toml::Table>() {
            Ok(table) => all.push((relative(path), table)),
            Err(e) => panic!("{}: {e}", relative(path)),
        }
    }
    all
}

/// Every file that is text, by its path.
pub(crate) fn texts() -> Vec<(String, String)> {
    let mut paths = Vec::new();
    walk(root(), &mut paths);
    let lock = root().join("Cargo.lock");
    let text = |path: &PathBuf| String::from_utf8(fs::read(path).ok()?).ok();
    paths.iter().filter(|path| **path != lock).filter_map(|path| Some((relative(path), text(path)?))).collect()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn relative(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// All files under `folder`, in the order of their names. A room that is not there has none.
fn walk(folder: &Path, paths: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let mut entries: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        let made = path.file_name().is_some_and(|name| MADE.iter().any(|made| name == *made));
        match path.is_dir() {
            _ if made || path.is_symlink() => {}
            true => walk(&path, paths),
            false => paths.push(path),
        }
    }
}
