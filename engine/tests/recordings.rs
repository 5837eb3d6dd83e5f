//! Recordings in a store: what is read is what was recorded, to the bit, or an error says why it is not.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use support::{STANDING, in_time};
use watchfire_engine::durable::Store;
use watchfire_engine::testing::{Faults, FaultyStore};
use watchfire_engine::{Error, Job, Recording, Running, Timed};

/// Rows as users have them: shapes that only a self-describing format can read back.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Row {
    event_time_ms: i64,
    #[serde(flatten)]
    measured: Measured,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    id: Id,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Measured {
    load_kg: f64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum Id {
    Number(u64),
    Name(String),
}

impl Timed for Row {
    fn event_time_ms(&self) -> i64 {
        self.event_time_ms
    }
}

fn row() -> impl Strategy<Value = Row> {
    let id = prop_oneof![any::<u64>().prop_map(Id::Number), ".{0,9}".prop_map(Id::Name)];
    // Every pattern of bits, NaN with all its payloads among them.
    (any::<i64>(), any::<u64>(), prop::option::of(".{0,9}"), id).prop_map(|(event_time_ms, bits, note, id)| Row {
        event_time_ms,
        measured: Measured { load_kg: f64::from_bits(bits) },
        note,
        id,
    })
}

fn exactly(row: &Row) -> (u64, String) {
    (row.measured.load_kg.to_bits(), format!("{row:?}"))
}

fn job() -> Job {
    let build = |flow: &watchfire_engine::Flow<'_>| {
        let (a, b) = (flow.channel::<Row>("a"), flow.channel::<Row>("b"));
        a.union(b).to_channel("out");
    };
    Job::new(build).ticks(STANDING)
}

fn out(mut running: Running) -> (Vec<(u64, String)>, Running) {
    let rows = running.receiver::<Row>("out").unwrap().rows().map(|row| exactly(&row)).collect();
    running.wait().unwrap();
    (rows, running)
}

/// Runs batches through both channels, and records that.
fn recorded(batches: Vec<Vec<Row>>) -> (Vec<(u64, String)>, Recording) {
    in_time(move || {
        let mut running = job().record().start().unwrap();
        let (a, b) = (running.sender::<Row>("a").unwrap(), running.sender::<Row>("b").unwrap());
        for (n, batch) in batches.into_iter().enumerate() {
            if n % 2 == 0 { &a } else { &b }.send(batch).unwrap();
        }
        drop((a, b));
        let (rows, running) = out(running);
        (rows, running.recording().unwrap())
    })
}

fn store() -> FaultyStore {
    FaultyStore::new(Faults::default())
}

fn refused(read: Result<Recording, Error>, code: &str) {
    let error = read.unwrap_err();
    assert!(error.code() == code && error.to_string().contains("Remedy: "), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(32) })]

    #[test]
    fn a_saved_recording_replays_to_the_bit(batches in prop::collection::vec(prop::collection::vec(row(), 0..9), 0..6), workers in 1usize..5) {
        let (rows, recording) = recorded(batches);
        let store = store();
        // Also one that was cut otherwise, whose batches are parts of others.
        recording.recut(workers as u64, 3).save(&store).unwrap();
        let read = job().saved_recording(&store).unwrap();
        prop_assert_eq!((read.rows(), read.rows()), (recording.rows(), rows.len()));
        let again = in_time(move || out(job().workers(workers).replay(&read).unwrap()).0);
        prop_assert_eq!(again, rows);
    }
}

/// A row of about a megabyte, so that a few of them take several segments.
fn large(n: i64) -> Row {
    let note = Some(n.to_string().repeat(1 << 20));
    Row { event_time_ms: n, measured: Measured { load_kg: 0.1 + 0.2 }, note, id: Id::Name("crane".into()) }
}

#[test]
fn what_is_not_whole_is_refused() {
    let (rows, recording) = recorded((0..9).map(|n| vec![large(n)]).collect());
    let store = store();
    refused(job().saved_recording(&store), "E0521");
    recording.save(&store).unwrap();
    let names = store.list("recording").unwrap();
    assert_eq!(names.len(), 3, "{names:?}");
    let read = job().saved_recording(&store).unwrap();
    assert_eq!(out(job().replay(&read).unwrap()).0, rows);

    let error = recording.save(&store).unwrap_err();
    assert_eq!(error.code(), "E0527");
    for name in &names {
        let whole = store.get(name).unwrap().unwrap();
        store.delete(name).unwrap();
        refused(job().saved_recording(&store), "E0521");
        store.put(name, &whole[..whole.len() - 1]).unwrap();
        refused(job().saved_recording(&store), "E0521");
        let mut flipped = whole.clone();
        flipped[whole.len() / 2] ^= 1;
        store.put(name, &flipped).unwrap();
        refused(job().saved_recording(&store), "E0521");
        store.put(name, &whole).unwrap();
    }
    assert_eq!(job().saved_recording(&store).unwrap().rows(), 9);
}

#[test]
fn another_flow_or_other_rows_are_refused() {
    #[derive(Clone, Debug, Serialize, Deserialize)]
    struct Other {
        event_time_ms: i64,
        wind_m_s: f64,
    }
    impl Timed for Other {
        fn event_time_ms(&self) -> i64 {
            self.event_time_ms
        }
    }
    let (_, recording) = recorded(vec![vec![large(1)]]);
    let store = store();
    recording.save(&store).unwrap();
    let one = Job::new(|flow| flow.channel::<Row>("a").to_channel("out"));
    refused(one.saved_recording(&store), "E0106");
    // The same plan, but its rows have another shape by now.
    let other = Job::new(|flow| {
        let (a, b) = (flow.channel::<Other>("a"), flow.channel::<Other>("b"));
        a.union(b).to_channel("out");
    });
    refused(other.saved_recording(&store), "E0526");
}
