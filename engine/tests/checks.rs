//! What is wrong with a flow is found before it starts, all at once, with the place in the user's code.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde::{Deserialize, Serialize};
use support::detectors::{CountsAtEnd, Silence, Tally};
use support::sink::{AsText, Keeps};
use support::source::{Lines, Scripted};
use support::{Row, place_of, recorded, rest, rows};
use watchfire_engine::sink::CommitMode;
use watchfire_engine::source::KeyPlacement;
use watchfire_engine::{ChannelIn, EventTime, Finding, Flow, Job, MergeSplits, Timed, Weight};

const TALLY: Tally = Tally { close_after_ms: 500, quiet_after_ms: 900 };

fn here(marker: &str) -> String {
    place_of(include_str!("checks.rs"), file!(), marker)
}

/// The one finding with this code; it must name its place and what to do.
fn only(findings: &[Finding], code: &str, weight: Weight, places: &[&str]) -> Finding {
    let all: Vec<&Finding> = findings.iter().filter(|finding| finding.code == code).collect();
    let [found] = all.as_slice() else { panic!("{code}: {findings:?}") };
    assert_eq!(found.weight, weight, "{found}");
    assert!(!found.remedy.is_empty());
    let text = found.to_string();
    assert!(text.starts_with(code) && text.contains("Remedy: "), "{text}");
    places.iter().for_each(|marker| assert!(text.contains(&here(marker)), "{text} lacks {}", here(marker)));
    (*found).clone()
}

fn sink() -> Keeps {
    Keeps::new(CommitMode::ByKey)
}

#[test]
fn a_sound_flow_has_no_findings() {
    let job = Job::new(|flow| {
        let counted = flow.channel::<Row>("in").key_by(|r| r.key).detect("tally", TALLY);
        counted.out.to_sink("pad", sink(), AsText { ids: true });
    });
    assert_eq!(job.check(), []);
}

fn wrong(flow: &Flow<'_>) {
    let twice = flow.channel::<Row>("same");
    let again = flow.channel::<Row>("same"); // taken name
    twice.union(again).to_channel(""); // empty name
    let mut deep = flow.channel::<Row>("deep");
    for n in 0..5 {
        deep = deep.key_by(|r| r.key).detect(&format!("level {n}"), CountsAtEnd).out;
    }
    let deeper = deep.flat_map(|r| [r]); // too deep
    deeper.to_channel("bottom");
    let any = ChannelIn { key_placement: KeyPlacement::AnySplit, ..ChannelIn::default() };
    let spread = flow.channel_with::<Row>("spread", any); // spreads keys
    let doubled = spread.clone().map(|r| r);
    let judged = doubled.key_by(|r| r.key).detect("in order", TALLY); // needs order
    judged.out.to_channel("judged");
    spread.key_by(|r| r.key).detect("any order", CountsAtEnd).out.to_channel("counted");
    let merged = flow.channel_merged::<Row>("merged", any, MergeSplits::default());
    merged.key_by(|r| r.key).detect("merged order", TALLY).out.to_channel("merged out");
    let lines = flow.source("lines", Scripted::bounded(vec![]), Lines); // dead letters
    lines.rows.clone().to_sink("pad", sink(), AsText { ids: false }); // no ids
    let _ = lines.rows.filter(|r| r.key > 0); // unread
}

#[test]
fn everything_wrong_is_told_at_once() {
    let job = Job::new(wrong);
    let found = job.check();
    let taken = only(&found, "E0101", Weight::Error, &["// taken name"]);
    assert!(taken.what.contains("the name \"same\" is taken by source \"same\" at"), "{taken}");
    only(&found, "E0102", Weight::Error, &["// empty name"]);
    only(&found, "E0104", Weight::Error, &["// too deep"]);
    let order = only(&found, "E0105", Weight::Error, &["// spreads keys", "// needs order"]);
    assert!(order.what.contains("\"tally\" depends on the order"), "{order}");
    assert!(order.remedy.contains("channel_merged"), "{order}");
    only(&found, "E0301", Weight::Error, &["// no ids"]);
    let unread: Vec<String> = found
        .iter()
        .filter(|f| f.code == "E0110")
        .inspect(|f| assert_eq!(f.weight, Weight::Warning))
        .map(|f| f.place.clone())
        .collect();
    assert_eq!(unread.len(), 2);
    assert!(unread[0].ends_with(&here("// dead letters")) && unread[1].ends_with(&here("// unread")), "{unread:?}");
    assert!(found.is_sorted_by_key(|f| std::cmp::Reverse(f.weight)), "errors first");

    let refused = job.start().unwrap_err();
    assert_eq!(refused.code(), "E0100");
    for finding in &found {
        let told = refused.to_string().contains(&finding.to_string());
        assert_eq!(told, finding.weight == Weight::Error, "{finding}");
    }
}

#[test]
fn a_flow_without_a_source_is_refused() {
    let job = Job::new(|_| ()); // no source
    only(&job.check(), "E0103", Weight::Error, &["// no source"]);
    assert_eq!(job.start().unwrap_err().code(), "E0100");
}

#[test]
fn warnings_do_not_refuse_the_start() {
    let job = Job::new(|flow| {
        let rows = flow.channel::<Row>("in");
        rows.clone().to_channel("out");
        let _ = rows.map(|r| r); // nobody reads it
    });
    only(&job.check(), "E0110", Weight::Warning, &["// nobody reads it"]);
    assert_eq!(support::run(&job, vec![rows(0..3)]).unwrap().0.len(), 3);
}

fn small(flow: &Flow<'_>) {
    let lines = flow.source("lines", Scripted::bounded(vec![]), Lines); // 0 and 1
    lines.dead.to_channel("dead \"letters\""); // 2
    let pushed = flow.channel::<Row>("pushed"); // 3
    let all = lines.rows.union(pushed); // 4
    let silent = all.key_by(|r| r.key).detect("silent", Silence { after_ms: 600 }); // 5
    silent.out.to_sink("pad", sink(), AsText { ids: true }); // 6
}

const BOUNDS: &str = "EventTime { disorder_ms: 5000, max_skew_ms: 60000, on_skew: Divert, clock_wrong_after: 5 }";

#[test]
fn explain_as_text() {
    let expected = format!(
        "0 source \"lines\": bounded, replay None, keys in OneSplit\n\
         1 dead_letters \"lines dead letters\" <- 0\n\
         2 sink \"dead \"letters\"\" <- 1: host channel\n\
         3 source \"pushed\": endless, replay None, keys in OneSplit\n\
         4 union \"union\" <- 0, 3\n\
         5 keyed \"silent\" <- 4: silence(after 600 ms); {BOUNDS}\n\
         6 sink \"pad\" <- 5: commits ByKey\n"
    );
    assert_eq!(Job::new(small).explain().text(), expected);
}

#[test]
fn explain_as_json() {
    let nodes: serde_json::Value = serde_json::from_str(&Job::new(small).explain().json()).unwrap();
    let node = |id: usize, name: &str, kind: &str, details: &str, inputs: &[usize], marker: &str| serde_json::json!({ "id": id, "name": name, "kind": kind, "details": details, "inputs": inputs, "at": here(marker) });
    let keyed = format!("silence(after 600 ms); {BOUNDS}");
    let expected = serde_json::json!([
        node(0, "lines", "source", "bounded, replay None, keys in OneSplit", &[], "// 0 and 1"),
        node(1, "lines dead letters", "dead_letters", "", &[0], "// 0 and 1"),
        node(2, "dead \"letters\"", "sink", "host channel", &[1], "// 2"),
        node(3, "pushed", "source", "endless, replay None, keys in OneSplit", &[], "// 3"),
        node(4, "union", "union", "", &[0, 3], "// 4"),
        node(5, "silent", "keyed", &keyed, &[4], "// 5"),
        node(6, "pad", "sink", "commits ByKey", &[5], "// 6"),
    ]);
    assert_eq!(nodes, expected);
}

#[test]
fn explain_as_dot() {
    let expected = r#"digraph flow {
  rankdir=LR;
  node [shape=box];
  n0 [label="source\nlines"];
  n1 [label="dead_letters\nlines dead letters"];
  n0 -> n1;
  n2 [label="sink\ndead \"letters\""];
  n1 -> n2;
  n3 [label="source\npushed"];
  n4 [label="union\nunion"];
  n0 -> n4;
  n3 -> n4;
  n5 [label="keyed\nsilent"];
  n4 -> n5;
  n6 [label="sink\npad"];
  n5 -> n6;
}
"#;
    assert_eq!(Job::new(small).explain().dot(), expected);
}

/// One flow with every part that the fingerprint sees as a parameter.
fn shaped(input: &'static str, after_ms: i64, disorder_ms: i64, tapped: bool) -> Job {
    Job::new(move |flow| {
        let rows = flow.channel::<Row>(input);
        let mapped = rows.clone().map(|r| r);
        let bounds = EventTime { disorder_ms, ..EventTime::default() };
        let read = if tapped { rows } else { mapped };
        read.key_by(|r| r.key).event_time(bounds).detect("silent", Silence { after_ms }).out.to_channel("out");
    })
}

#[test]
fn the_fingerprint_is_pinned() {
    // A stored recording or state is refused if these change: do not, unless results change.
    assert_eq!(Job::new(small).fingerprint(), SMALL);
    assert_eq!(shaped("in", 600, 5_000, false).fingerprint(), SHAPED);
}

const SMALL: u64 = 348_889_294_788_284_660;
const SHAPED: u64 = 2_770_317_796_637_438_825;

#[test]
fn the_fingerprint_changes_with_what_the_flow_computes() {
    let of = shaped("in", 600, 5_000, false).fingerprint();
    let others = [
        shaped("other", 600, 5_000, false),
        shaped("in", 601, 5_000, false),
        shaped("in", 600, 5_001, false),
        shaped("in", 600, 5_000, true),
    ];
    let mut all: Vec<u64> = others.iter().map(Job::fingerprint).collect();
    all.push(of);
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 5, "name, parameter, bounds and edge each count");
}

#[test]
fn the_fingerprint_does_not_change_with_code_places_or_types() {
    #[derive(Clone, Debug, Serialize, Deserialize)]
    struct Elsewhere(i64);
    impl Timed for Elsewhere {
        fn event_time_ms(&self) -> i64 {
            self.0
        }
    }
    let one = Job::new(|flow| flow.channel::<Row>("in").filter(|r| r.key > 1).to_channel("out"));
    let other = Job::new(|flow| {
        let rows = flow.channel::<Elsewhere>("in");

        rows.filter(|r| r.0 > 1).to_channel("out");
    });
    assert_eq!(one.fingerprint(), other.fingerprint());
    assert_ne!(one.explain().json(), other.explain().json(), "the places are elsewhere");

    // Rows of another type are then told by the recording itself.
    let (_, recording) = recorded(&one, vec![rows(0..5)]);
    let mut running = other.replay(&recording).unwrap();
    let error = running.wait().unwrap_err();
    assert_eq!(error.code(), "E0107");
    assert!(error.to_string().contains("Remedy: replay a recording with the flow that made it"), "{error}");
}

#[test]
fn replaying_with_another_flow_is_refused() {
    let (_, recording) = recorded(&shaped("in", 600, 5_000, false), vec![rows(0..5)]);
    let error = shaped("in", 601, 5_000, false).replay(&recording).unwrap_err();
    assert_eq!(error.code(), "E0106");
    assert!(error.to_string().contains("Remedy: replay it with the flow that made it"), "{error}");
    let mut same = shaped("in", 600, 5_000, false).replay(&recording).unwrap();
    let sender = same.sender::<Row>("in").unwrap();
    assert!(sender.send(rows(0..1)).is_err(), "nothing but the record enters");
    assert_eq!(rest(&same.receiver::<Row>("out").unwrap()), []);
    same.wait().unwrap();
}

#[test]
fn a_build_function_that_is_not_deterministic_is_refused() {
    let calls = Arc::new(AtomicUsize::new(0));
    let job = Job::new(move |flow| {
        let after_ms = calls.fetch_add(1, Ordering::SeqCst) as i64;
        flow.channel::<Row>("in").key_by(|r| r.key).detect("silent", Silence { after_ms }).out.to_channel("out");
    });
    for workers in [1, 2] {
        let mut running = job.clone().workers(workers).start().unwrap();
        let error = running.wait().unwrap_err();
        assert_eq!(error.code(), "E0106");
        assert!(error.to_string().contains("make the build function give the same flow every time"), "{error}");
    }
}
