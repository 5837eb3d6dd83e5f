//! A recording that is written while the job runs: whole when the job has ended, and the job waits for its store.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::sync::Arc;
use std::time::Duration;

use support::{Row, SOON, STANDING, in_time, rows, settles, values};
use watchfire_engine::durable::Store;
use watchfire_engine::testing::{Faults, FaultyStore};
use watchfire_engine::{Job, Running, SendError, Sender};

fn job() -> Job {
    Job::new(|flow| flow.channel::<Row>("in").to_channel("out")).ticks(STANDING)
}

fn store() -> FaultyStore {
    FaultyStore::new(Faults::default())
}

fn started(store: &FaultyStore, workers: usize) -> (Running, Sender<Row>) {
    let mut running = job().workers(workers).record_to(Arc::new(store.clone())).start().unwrap();
    let sender = running.sender::<Row>("in").unwrap();
    (running, sender)
}

fn received(mut running: Running) -> Vec<i64> {
    let rows: Vec<Row> = running.receiver::<Row>("out").unwrap().rows().collect();
    running.wait().unwrap();
    values(&rows)
}

/// Several segments.
const MANY: i64 = 300_000;

#[test]
fn what_entered_is_in_the_store_when_the_job_has_ended() {
    for workers in 1..=3 {
        let store = store();
        let (running, sender) = started(&store, workers);
        let sends = std::thread::spawn(move || sender.send(rows(0..MANY)).unwrap());
        let first = in_time(move || {
            let rows = received(running);
            sends.join().unwrap();
            rows
        });
        assert!(first.iter().copied().eq(0..MANY));
        let segments = store.list("recording").unwrap();
        assert!(segments.len() > 1, "{segments:?}");
        let recording = job().saved_recording(&store).unwrap();
        assert_eq!(recording.rows(), MANY as usize);
        let again = in_time(move || received(job().workers(4 - workers).replay(&recording).unwrap()));
        assert_eq!(again, first);
    }
}

#[test]
fn a_job_without_rows_and_one_that_is_stopped_leave_a_whole_recording() {
    for n in [0, 5] {
        let store = store();
        let (mut running, sender) = started(&store, 1);
        let out = running.receiver::<Row>("out").unwrap();
        sender.send(rows(0..n)).unwrap();
        assert!(settles(|| running.metrics().sources["in"].rows == n as u64));
        running.stop(SOON).unwrap();
        assert_eq!(out.rows().count(), n as usize);
        assert!(running.recording().is_none(), "nothing of it is in memory");
        assert_eq!(job().saved_recording(&store).unwrap().rows(), n as usize);
    }
}

#[test]
fn a_store_with_a_recording_is_refused_before_anything_starts() {
    let store = store();
    let (running, sender) = started(&store, 1);
    drop(sender);
    assert!(in_time(move || received(running)).is_empty());
    let error = job().record_to(Arc::new(store.clone())).start().unwrap_err();
    assert!(error.code() == "E0527" && error.to_string().contains("Remedy: "), "{error}");
    assert_eq!(job().saved_recording(&store).unwrap().rows(), 0);
}

#[test]
fn a_store_that_does_not_answer_holds_the_job_back_and_loses_nothing() {
    let store = store();
    // The start lists what is there; then nothing is taken any more.
    store.crash_after(1);
    let (mut running, sender) = started(&store, 1);
    let out = running.receiver::<Row>("out").unwrap();
    let reads = std::thread::spawn(move || values(&out.rows().collect::<Vec<_>>()));
    let mut sent = 0;
    let full = in_time(move || {
        loop {
            match sender.try_send(rows(sent..sent + 4_000)) {
                Ok(()) => sent += 4_000,
                // The queue is full for a moment while the job goes on, and for good when it is held back.
                Err(SendError::Full(_)) if sent < 1_000_000 => std::thread::sleep(Duration::from_millis(1)),
                Err(SendError::Full(_)) => break (sender, sent),
                Err(SendError::Closed(_)) => panic!("the job has ended"),
            }
            if sent >= 3_000_000 {
                break (sender, sent);
            }
        }
    });
    let (sender, sent) = full;
    assert!(sent < 3_000_000, "the job went on without its recording");
    drop(sender);
    // On a slow machine the rows before take their time; then it is the store that is waited for.
    let mut told = String::new();
    while !told.contains("the store of the recording") {
        let error = running.drain(Duration::from_millis(300)).unwrap_err();
        assert_eq!(error.code(), "E0904", "{error}");
        told = error.to_string();
    }
    store.restart();
    running.drain(SOON).unwrap();
    assert!(reads.join().unwrap().into_iter().eq(0..sent));
    assert_eq!(job().saved_recording(&store).unwrap().rows(), sent as usize);
}

#[test]
fn a_store_that_fails_now_and_then_gets_it_whole() {
    for seed in 0..6 {
        let store = FaultyStore::new(Faults {
            seed,
            before_per_mille: 60,
            after_per_mille: 150,
            full_per_mille: 60,
            ..Faults::default()
        });
        // The start itself may meet a fault.
        let start = || job().record_to(Arc::new(store.clone())).start();
        let mut running = (0..99).find_map(|_| start().ok()).unwrap();
        let sender = running.sender::<Row>("in").unwrap();
        let sends = std::thread::spawn(move || sender.send(rows(0..MANY)).unwrap());
        assert_eq!(in_time(move || received(running)).len(), MANY as usize);
        sends.join().unwrap();
        let recording = (0..99).find_map(|_| job().saved_recording(&store).ok()).unwrap();
        assert_eq!(recording.rows(), MANY as usize);
    }
}

#[test]
fn of_a_job_that_fails_the_recording_is_not_whole() {
    let build = |flow: &watchfire_engine::Flow<'_>| {
        let rows = flow.channel::<Row>("in");
        rows.map(|row| if row.value == 7 { panic!("seven") } else { row }).to_channel("out");
    };
    let (job, store) = (Job::new(build).ticks(STANDING), store());
    let mut running = job.clone().record_to(Arc::new(store.clone())).start().unwrap();
    let _out = running.receiver::<Row>("out").unwrap();
    let sender = running.sender::<Row>("in").unwrap();
    sender.send(rows(0..9)).unwrap();
    let error = in_time(move || running.wait().unwrap_err());
    assert!(error.code() == "E0901", "{error}");
    drop(sender);
    let error = job.saved_recording(&store).unwrap_err();
    assert_eq!(error.code(), "E0521");
}
