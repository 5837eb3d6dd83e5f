//! Which room may see which: from the manifests and from what the code names.

use crate::source::Source;
use crate::{Breach, checkout, found_at, none};

/// Crates that speak to the network: for `connectors` alone.
const NETWORK: &[&str] = &[
    "async-nats",
    "axum",
    "hyper",
    "mio",
    "native-tls",
    "object_store",
    "quinn",
    "rdkafka",
    "redis",
    "reqwest",
    "rumqttc",
    "rustls",
    "socket2",
    "tokio",
    "tonic",
    "tungstenite",
    "ureq",
];

/// What a room may not depend on, in any table of its manifest.
const UNSEEN: &[(&str, &[&str])] = &[
    ("Cargo.toml", &["watchfire-fuzz"]),
    ("benches/Cargo.toml", &["watchfire-fuzz"]),
    (
        "connectors/Cargo.toml",
        &["watchfire", "watchfire-fuzz", "watchfire-operators", "timely", "differential-dataflow"],
    ),
    ("engine/Cargo.toml", &["watchfire", "watchfire-connectors", "watchfire-fuzz", "watchfire-operators"]),
    (
        "operators/Cargo.toml",
        &["watchfire", "watchfire-connectors", "watchfire-fuzz", "timely", "differential-dataflow"],
    ),
];

/// Features that open private parts, and the one room that may ask for them.
const DOORS: (&str, &str) = ("doors", "fuzz/Cargo.toml");

/// Parts of the standard library that reach outside: operators are pure.
const OUTSIDE: &[&str] = &["std::env", "std::fs", "std::io", "std::net", "std::process", "std::thread"];

/// Lints that every crate takes over, with the levels they may have.
const LINTS: &[(&str, &str, &[&str])] = &[
    ("rust", "missing_docs", &["warn", "deny", "forbid"]),
    ("rust", "unsafe_code", &["forbid"]),
    ("clippy", "expect_used", &["warn", "deny"]),
    ("clippy", "unwrap_used", &["warn", "deny"]),
];

fn dependencies(manifest: &toml::Table) -> Vec<String> {
    let tables = ["dependencies", "dev-dependencies", "build-dependencies"];
    let named = tables.iter().filter_map(|table| manifest.get(*table)?.as_table());
    named.flat_map(|table| table.keys().cloned()).collect()
}

fn at(file: &str, what: String) -> Breach {
    Breach { file: file.to_owned(), line: 1, what }
}

fn sees_too_much(file: &str, manifest: &toml::Table) -> Vec<Breach> {
    let unseen = UNSEEN.iter().find(|(room, _)| *room == file).map_or(&[][..], |(_, unseen)| *unseen);
    let quiet = matches!(file, "engine/Cargo.toml" | "operators/Cargo.toml");
    let network = if quiet { NETWORK } else { &[] };
    let banned = |name: &String| unseen.contains(&name.as_str()) || network.contains(&name.as_str());
    dependencies(manifest).into_iter().filter(banned).map(|name| at(file, format!("depends on {name}"))).collect()
}

fn opens_doors(file: &str, manifest: &toml::Table) -> Vec<Breach> {
    let (doors, room) = DOORS;
    let mut tables: Vec<&toml::Table> = vec![manifest];
    tables.extend(manifest.get("workspace").and_then(toml::Value::as_table));
    let kinds = ["dependencies", "dev-dependencies", "build-dependencies"];
    let named = tables.into_iter().flat_map(|table| kinds.iter().filter_map(|kind| table.get(*kind)?.as_table()));
    let asks = |wanted: &toml::Value| {
        let features = wanted.get("features").and_then(toml::Value::as_array);
        features.is_some_and(|features| features.iter().any(|feature| feature.as_str() == Some(doors)))
    };
    let asked = named.flat_map(|table| table.iter().filter(|(_, wanted)| asks(wanted)));
    asked.filter(|_| file != room).map(|(name, _)| at(file, format!("asks for the {doors} of {name}"))).collect()
}

fn lints_missing(file: &str, manifest: &toml::Table) -> Vec<Breach> {
    let taken = manifest.get("lints").and_then(|lints| lints.get("workspace")).and_then(toml::Value::as_bool);
    let mut all = Vec::new();
    if manifest.contains_key("package") && taken != Some(true) {
        all.push(at(file, "has no [lints] workspace = true".into()));
    }
    if let Some(workspace) = manifest.get("workspace") {
        for (tool, lint, levels) in LINTS {
            let level = workspace.get("lints").and_then(|l| l.get(tool)?.get(lint)?.as_str()).unwrap_or("not set");
            if !levels.contains(&level) {
                all.push(at(file, format!("{tool} lint {lint} is {level}, not {}", levels.join(" or "))));
            }
        }
    }
    all
}

/// What one room names of another, whatever its manifest says.
fn names(source: &Source) -> Vec<Breach> {
    let banned: &[&str] = match source.file.split('/').next() {
        Some("operators") => &["watchfire", "watchfire_connectors"],
        Some("connectors") => &["watchfire", "watchfire_operators"],
        Some("engine") => &["watchfire", "watchfire_connectors", "watchfire_operators"],
        _ => &[],
    };
    let starts = |full: &str| banned.iter().any(|room| full.starts_with(&format!("{room}::")));
    let breach = |line, path: &String| Breach { file: source.file.clone(), line, what: format!("names {path}") };
    source.mentions().filter(|m| starts(&m.full)).map(|m| breach(m.line, &m.path)).collect()
}

fn reaches_outside(source: &Source) -> Vec<Breach> {
    let inside = |full: &str| {
        full.split(' ').any(|full| OUTSIDE.iter().any(|part| full == *part || full.starts_with(&format!("{part}::"))))
    };
    let breach = |line, path: &String| Breach { file: source.file.clone(), line, what: path.clone() };
    source.mentions().filter(|m| !source.is_test(m.line) && inside(&m.full)).map(|m| breach(m.line, &m.path)).collect()
}

#[test]
fn rooms_see_only_the_engine() {
    let manifests = checkout::manifests();
    for (room, _) in UNSEEN {
        assert!(manifests.iter().any(|(file, _)| file == room), "{room} is gone: mend the list");
    }
    none("A room depends only on the engine.", manifests.iter().flat_map(|(file, table)| sees_too_much(file, table)));
    none("A room names only the engine.", checkout::rust().iter().flat_map(names));
}

#[test]
fn operators_are_pure() {
    let library = checkout::library();
    let operators = library.iter().filter(|source| source.file.starts_with("operators/"));
    none("Operators do no I/O and start no thread.", operators.flat_map(reaches_outside));
}

#[test]
fn only_fuzz_targets_open_doors() {
    let manifests = checkout::manifests();
    none("Doors are for fuzz targets alone.", manifests.iter().flat_map(|(file, table)| opens_doors(file, table)));
}

#[test]
fn every_crate_takes_the_lints() {
    let manifests = checkout::manifests();
    let all = manifests.iter().flat_map(|(file, table)| lints_missing(file, table));
    none("Every crate has the lints of the workspace, missing_docs among them.", all);
}

#[test]
fn wrong_dependencies_are_found() {
    let manifest = |text: &str| text.parse::<toml::Table>().unwrap();
    let wrong =
        manifest("[dependencies]\ntokio = \"1\"\nserde = \"1\"\n[dev-dependencies]\nwatchfire-connectors = \"1\"");
    assert_eq!(sees_too_much("operators/Cargo.toml", &wrong).len(), 2);
    assert_eq!(sees_too_much("connectors/Cargo.toml", &wrong).len(), 0);
    found_at(&names(&Source::parse("operators/src/a.rs", "fn f() {\n    watchfire_connectors::f();\n}")), &[2]);
    found_at(&names(&Source::parse("connectors/tests/a.rs", "use watchfire_operators::window;")), &[1]);
    found_at(&names(&Source::parse("connectors/src/a.rs", "use watchfire_engine::Error;")), &[]);
}

#[test]
fn opened_doors_are_found() {
    let open = |file: &str, text: &str| opens_doors(file, &text.parse::<toml::Table>().unwrap()).len();
    let wanted = "[dependencies]\na = { workspace = true, features = [\"file\", \"doors\"] }\nb = \"1\"";
    assert_eq!((open("fuzz/Cargo.toml", wanted), open("benches/Cargo.toml", wanted)), (0, 1));
    assert_eq!(open("Cargo.toml", "[workspace.dependencies]\na = { path = \"a\", features = [\"doors\"] }"), 1);
    assert_eq!(open("Cargo.toml", "[workspace.dependencies]\na = { path = \"a\" }"), 0);
}

#[test]
fn impure_operators_are_found() {
    let text = "use std::{fmt, fs};\nfn f() {\n    fs::read(\"a\");\n}\nuse std::io;\n#[test]\nfn g() {\n    fs::read(\"a\");\n}";
    found_at(&reaches_outside(&Source::parse("operators/src/a.rs", text)), &[1, 3, 5]);
}

#[test]
fn missing_lints_are_found() {
    let missing = |text: &str| lints_missing("a/Cargo.toml", &text.parse::<toml::Table>().unwrap()).len();
    assert_eq!(missing("[package]\nname = \"a\""), 1);
    assert_eq!(missing("[package]\nname = \"a\"\n[lints]\nworkspace = true"), 0);
    assert_eq!(missing("[workspace.lints.rust]\nmissing_docs = \"allow\""), LINTS.len());
}
