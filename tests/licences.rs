//! Everything that is linked or run in tests comes from the registry, under a licence that asks for no more than a notice.
#![allow(clippy::unwrap_used)]

use std::process::Command;

/// Licences under which code may be used here, by their SPDX identifiers.
const ALLOWED: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "ISC",
    "MIT",
    "MIT-0",
    "NCSA",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Packages that come with the text of a licence in place of its identifier: name, version, and which it is by that text. Another version is read anew.
const READ: &[(&str, &str, &str)] = &[("forust-ml", "0.8.0", "Apache-2.0")];

/// Whether an SPDX expression can be met by licences of the list; an error if it is not an expression.
fn allowed(expression: &str) -> Result<bool, String> {
    // Before expressions were the rule, a slash stood between alternatives.
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = words.as_slice();
    let met = any_of(&mut rest)?;
    if rest.is_empty() { Ok(met) } else { Err(format!("\"{expression}\" goes on after its end")) }
}

fn take(rest: &mut &[&str], word: &str) -> bool {
    let next = rest.first() == Some(&word);
    *rest = if next { &rest[1..] } else { rest };
    next
}

fn any_of(rest: &mut &[&str]) -> Result<bool, String> {
    let mut met = all_of(rest)?;
    while take(rest, "OR") {
        met |= all_of(rest)?;
    }
    Ok(met)
}

fn all_of(rest: &mut &[&str]) -> Result<bool, String> {
    let mut met = one(rest)?;
    while take(rest, "AND") {
        met &= one(rest)?;
    }
    Ok(met)
}

fn one(rest: &mut &[&str]) -> Result<bool, String> {
    if take(rest, "(") {
        let met = any_of(rest)?;
        return if take(rest, ")") { Ok(met) } else { Err("a bracket is not closed".into()) };
    }
    let (name, after) = rest.split_first().ok_or("a licence is missing")?;
    *rest = after;
    if !take(rest, "WITH") {
        return Ok(ALLOWED.contains(name));
    }
    let (exception, after) = rest.split_first().ok_or("an exception is missing")?;
    *rest = after;
    Ok(ALLOWED.contains(&format!("{name} WITH {exception}").as_str()))
}

/// What is wrong with a package, as `cargo metadata` describes it.
fn finding(package: &serde_json::Value) -> Option<String> {
    let text = |field: &str| package[field].as_str();
    let name = format!("{} {}", text("name").unwrap_or("?"), text("version").unwrap_or("?"));
    let from_registry = text("source").is_none_or(|source| source.starts_with("registry+"));
    if !from_registry {
        return Some(format!("{name} does not come from the registry: {}", text("source").unwrap_or_default()));
    }
    let read = READ.iter().find(|(of, version, _)| text("name") == Some(of) && text("version") == Some(version));
    let read = read.filter(|_| text("license_file").is_some()).map(|(_, _, licence)| *licence);
    match text("license").or(read).map(allowed) {
        None => Some(format!("{name} names no licence")),
        Some(Err(why)) => Some(format!("{name}: {why}")),
        Some(Ok(false)) => Some(format!("{name} is under {}", text("license").unwrap_or_default())),
        Some(Ok(true)) => None,
    }
}

fn cargo(arguments: &[&str]) -> String {
    let program = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let mut command = Command::new(program);
    // What the fuzz targets link live is asked for by this cfg, which cargo-fuzz sets.
    command.env("RUSTFLAGS", "--cfg fuzzing").env_remove("CARGO_ENCODED_RUSTFLAGS");
    let output = command.args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn every_package_has_a_licence_of_the_list() {
    let version = cargo(&["--version", "--verbose"]);
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    let metadata =
        cargo(&["metadata", "--locked", "--all-features", "--format-version", "1", "--filter-platform", host]);
    let metadata: serde_json::Value = serde_json::from_str(&metadata).unwrap();
    // The list of packages knows all platforms; the graph knows those of this one.
    let used: Vec<&str> =
        metadata["resolve"]["nodes"].as_array().unwrap().iter().filter_map(|n| n["id"].as_str()).collect();
    let packages = metadata["packages"].as_array().unwrap().iter();
    let packages: Vec<_> = packages.filter(|p| p["id"].as_str().is_some_and(|id| used.contains(&id))).collect();
    assert!(packages.len() > 50, "only {} packages", packages.len());
    assert!(packages.iter().any(|p| p["name"] == "libfuzzer-sys"), "what fuzz targets link is not looked at");
    let findings: Vec<String> = packages.into_iter().filter_map(finding).collect();
    assert!(findings.is_empty(), "{}", findings.join("\n"));
}

#[test]
fn expressions_are_understood() {
    let met = ["MIT", "MIT OR GPL-3.0-only", "GPL-2.0/MIT", "(MIT OR Apache-2.0) AND Unicode-3.0"];
    let not = ["GPL-3.0-only", "MIT AND GPL-3.0-only", "Apache-2.0 WITH Other-exception", "(MIT OR Zlib) AND AGPL-3.0"];
    met.iter().for_each(|expression| assert_eq!(allowed(expression), Ok(true), "{expression}"));
    not.iter().for_each(|expression| assert_eq!(allowed(expression), Ok(false), "{expression}"));
    assert_eq!(allowed("GPL-2.0 WITH LLVM-exception OR Apache-2.0 WITH LLVM-exception"), Ok(true));
    ["", "(MIT", "MIT OR", "MIT Zlib", "MIT WITH"].iter().for_each(|e| assert!(allowed(e).is_err(), "{e}"));
}

#[test]
fn bad_packages_are_found() {
    let package = |text: &str| finding(&serde_json::from_str(text).unwrap());
    assert_eq!(package(r#"{"name": "a", "version": "1", "license": "MIT"}"#), None);
    assert!(package(r#"{"name": "a", "version": "1", "license": "AGPL-3.0-only"}"#).is_some());
    assert!(package(r#"{"name": "a", "version": "1", "license": null}"#).is_some());
    let own = |name: &str, version: &str| {
        package(&format!(r#"{{"name": "{name}", "version": "{version}", "license": null, "license_file": "LICENSE"}}"#))
    };
    assert!(own("a", "1").is_some() && own("forust-ml", "0.8.1").is_some());
    assert_eq!(own("forust-ml", "0.8.0"), None);
    let git = r#"{"name": "a", "version": "1", "license": "MIT", "source": "git+https://example.com/a"}"#;
    assert!(package(git).is_some());
}
