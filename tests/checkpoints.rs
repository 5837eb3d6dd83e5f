//! The `watchfire` command over a directory that holds checkpoints, as a user calls it.
#![cfg(feature = "cli")]
#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use watchfire::durable::{
    Directory, Entry, GroupStates, Log, Manifest, OperatorState, Prepared, SplitAt, States, Store, log,
};

/// Ten checkpoints, each of one new object of states and the one before.
fn fill(dir: &Path) {
    let store = Arc::new(Directory::create(dir).unwrap());
    let mut log = Log::begin(store.clone(), &log::read(&*store).unwrap(), "site", None, 1, false).unwrap();
    let mut before = None;
    for n in 0..10 {
        let checkpoint = 1_048_600 + n;
        let entries = vec![(vec![1], Some(vec![n as u8; 100]))];
        let groups = vec![GroupStates { group: 3, entries }];
        let states = States { operator: "overload".into(), types: vec![("watchfire.window".into(), 1)], groups };
        let (bytes, file) = states.encode(log.generation(), checkpoint, 0).unwrap();
        store.put(&file.name, &bytes).unwrap();
        let files = before.replace(file.clone()).into_iter().chain([file]).collect();
        let operator = OperatorState { states: states.state_types(), files };
        let split = SplitAt { split: "cranes.jsonl".into(), number: 0, offset: Some(17.into()), finished: false };
        let manifest = Manifest {
            checkpoint,
            job: "site".into(),
            sources: [("readings".to_owned(), vec![split])].into(),
            sinks: [("alarms".to_owned(), vec![Prepared { part: 0, committable: Some("00".into()) }])].into(),
            operators: [("overload".to_owned(), operator)].into(),
            ..Manifest::default()
        };
        log.append(Entry::Checkpoint(Box::new(manifest))).unwrap();
        if n < 9 {
            log.append(Entry::Committed { checkpoint }).unwrap();
        }
    }
}

fn watchfire(args: &[&str]) -> (i32, String, String) {
    let out = Command::new(env!("CARGO_BIN_EXE_watchfire")).args(args).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (out.status.code().unwrap(), text(out.stdout), text(out.stderr))
}

#[test]
fn checkpoints_are_listed_verified_and_pruned() {
    let dir = tempfile::tempdir().unwrap();
    fill(dir.path());
    let path = dir.path().to_str().unwrap();

    let (code, list, _) = watchfire(&["checkpoints", "list", path]);
    assert_eq!((code, list.lines().count()), (0, 10));
    let first = "1048600  job \"site\"  generation 1  1 splits  1 files, ";
    assert!(list.starts_with(first) && list.lines().next().unwrap().ends_with("  committed"), "{list}");
    assert!(list.lines().last().unwrap().ends_with("not known to be committed"), "{list}");
    let (_, json, _) = watchfire(&["checkpoints", "list", "--json", path]);
    let last: serde_json::Value = serde_json::from_str(json.lines().last().unwrap()).unwrap();
    assert_eq!(last["manifest"]["sources"]["readings"][0]["offset"], 17);

    assert_eq!(watchfire(&["checkpoints", "verify", path]).1, "10 checkpoints, 0 damages\n");
    let (code, pruned, _) = watchfire(&["checkpoints", "prune", path, "--keep", "2"]);
    // The two newest share an object, so the one before stays too. The start goes, seven checkpoints with their commits, and
    // all states but the last four.
    assert_eq!((code, pruned.lines().last().unwrap()), (0, "21 objects deleted"));
    assert_eq!(watchfire(&["checkpoints", "verify", path]).1, "3 checkpoints, 0 damages\n");
    assert_eq!(watchfire(&["checkpoints", "prune", path, "--keep", "2"]).1, "0 objects deleted\n");
}

#[test]
fn damage_is_told_with_the_checkpoints_that_it_costs() {
    let dir = tempfile::tempdir().unwrap();
    fill(dir.path());
    let path = dir.path().to_str().unwrap();
    let mut states: Vec<_> = std::fs::read_dir(dir.path().join("state")).unwrap().map(|e| e.unwrap().path()).collect();
    states.sort();
    let mut bytes = std::fs::read(&states[8]).unwrap();
    bytes[60] ^= 1;
    std::fs::write(&states[8], bytes).unwrap();
    std::fs::remove_file(&states[2]).unwrap();
    let (code, told, _) = watchfire(&["checkpoints", "verify", path]);
    assert_eq!(code, 1);
    for (checkpoint, what) in
        [(1_048_602, "not there"), (1_048_603, "not there"), (1_048_608, "not those"), (1_048_609, "not those")]
    {
        let line = told.lines().find(|line| line.starts_with(&format!("checkpoint {checkpoint}: E0521"))).unwrap_or("");
        assert!(line.contains(what) && line.contains("Remedy"), "{checkpoint}: {told}");
    }
    assert!(told.ends_with("10 checkpoints, 4 damages\n"), "{told}");
}

#[test]
fn a_wrong_directory_is_told_with_a_remedy() {
    let (code, _, told) = watchfire(&["checkpoints", "list", "/no/such/folder"]);
    assert!(code == 2 && told.starts_with("E05") && told.contains("Remedy"), "{told}");
    let empty = tempfile::tempdir().unwrap();
    assert_eq!(watchfire(&["checkpoints", "list", empty.path().to_str().unwrap()]), (0, String::new(), String::new()));
    let (code, _, told) = watchfire(&["checkpoints", "prune", empty.path().to_str().unwrap(), "--keep", "0"]);
    assert!(code == 2 && told.contains("--keep"), "{told}");
}

#[test]
fn savepoints_are_saved_listed_forked_and_let_go() {
    let dir = tempfile::tempdir().unwrap();
    let (from, into) = (dir.path().join("job"), dir.path().join("fork"));
    fill(&from);
    let (path, fork) = (from.to_str().unwrap(), into.to_str().unwrap());
    assert_eq!(watchfire(&["savepoints", "save", path, "ninth"]).1, "checkpoint 1048609 is \"ninth\"\n");
    assert_eq!(watchfire(&["savepoints", "list", path]).1, "ninth  checkpoint 1048609  job \"site\"\n");
    let (code, _, error) = watchfire(&["savepoints", "save", path, "ninth"]);
    assert!(code == 2 && error.starts_with("E0535"), "{error}");
    let (code, _, error) = watchfire(&["savepoints", "fork", path, "tenth", fork, "--job", "other"]);
    assert!(code == 2 && error.starts_with("E0538"), "{error}");
    assert_eq!(watchfire(&["savepoints", "fork", path, "ninth", fork, "--job", "other"]).0, 0);
    let (_, list, _) = watchfire(&["checkpoints", "list", fork]);
    assert!(list.starts_with("1048609  job \"other\"  generation 1  1 splits  2 files"), "{list}");
    assert_eq!(watchfire(&["checkpoints", "verify", fork]).1, "1 checkpoints, 0 damages\n");
    assert_eq!(watchfire(&["savepoints", "forget", path, "ninth"]), (0, String::new(), String::new()));
    assert_eq!(watchfire(&["savepoints", "list", path]).1, "");
}
