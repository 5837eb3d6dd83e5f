//! Jobs that log of a source how much it gave, and are given it again.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use support::detectors::Sums;
use support::replayed::Replayed;
use support::source::Lines;
use support::{BY_ROWS, Row, SOON, in_time, rows, settles};
use watchfire_engine::decode::Decoder;
use watchfire_engine::durable::Store;
use watchfire_engine::source::{RawRow, Replay};
use watchfire_engine::testing::{Faults, FaultyStore};
use watchfire_engine::{ChannelIn, ChannelOut, Checkpointing, Error, Flow, Job, MergeSplits, Output, Running, Stream};

/// Logs epochs; checkpoints come seldom, but for the first and the last.
fn logs(store: &FaultyStore, workers: usize, input: impl Fn(&Flow<'_>) + Send + Sync + 'static) -> Job {
    let config = Checkpointing { every_ms: 3_600_000, log_epochs: true, ..Checkpointing::named("site") };
    Job::new(input).ticks(BY_ROWS).workers(workers).epoch_rows_max(10).checkpoint_to(Arc::new(store.clone()), config)
}

fn summed(rows: Stream<'_, Row>) {
    let by_epoch = ChannelOut { by_epoch: true, ..ChannelOut::default() };
    rows.key_by(|row: &Row| row.key).detect("sums", Sums).out.to_channel_with("out", by_epoch);
}

/// A job that reads splits.
fn reads(store: &FaultyStore, workers: usize, source: &Replayed) -> Running {
    let source = source.clone();
    logs(store, workers, move |flow| summed(flow.source("in", source.clone(), Lines).rows)).start().unwrap()
}

/// What leaves, until so many rows have.
fn leaves(running: &mut Running, rows: usize) -> Vec<Output<Row>> {
    let out = running.receiver::<Row>("out").unwrap();
    let mut all: Vec<Output<Row>> = Vec::new();
    while all.iter().map(|output| output.rows.len()).sum::<usize>() < rows {
        all.push(out.recv_timeout(SOON).unwrap().expect("it stands still"));
    }
    std::mem::forget(out);
    all
}

fn aborted(mut running: Running) {
    running.abort();
    assert!(in_time(move || running.wait()).is_err());
}

/// A job that has logged so many rows of each split, and dies: what has left of it.
fn dies_after(rows: u64, store: &FaultyStore, source: &Replayed) -> Vec<Output<Row>> {
    source.give_upto(rows);
    let mut running = reads(store, 1, source);
    let left = leaves(&mut running, rows as usize);
    aborted(running);
    left
}

fn store() -> FaultyStore {
    FaultyStore::new(Faults::default())
}

/// The bytes of the epoch log.
fn logged(store: &FaultyStore) -> Vec<u8> {
    store.list("epochs").unwrap().iter().flat_map(|name| store.get(name).unwrap().unwrap()).collect()
}

fn other_key(values: std::ops::Range<i64>) -> Vec<Row> {
    rows(values).into_iter().map(|row| Row { key: 1, ..row }).collect()
}

#[test]
fn a_host_sends_again_what_no_checkpoint_holds_and_the_same_leaves() {
    let store = store();
    let start = |workers| {
        let again = ChannelIn { replay: Replay::Exact, ..ChannelIn::default() };
        logs(&store, workers, move |flow| summed(flow.channel_with("in", again))).start().unwrap()
    };
    let mut first: Vec<Output<Row>> = Vec::new();
    for (life, batch) in [7, 4, 1, 100].into_iter().enumerate() {
        let mut running = start(1 + life % 3);
        let sender = running.sender("in").unwrap();
        assert_eq!(sender.resumes_at(), 0, "the first checkpoint holds nothing");
        // In other batches each time, and each time more.
        let upto = 100 + 10 * life as i64;
        rows(0..upto).chunks(batch).for_each(|batch| sender.send(batch.to_vec()).unwrap());
        let all = leaves(&mut running, upto as usize);
        assert!(all.starts_with(&first), "{all:?}");
        first = all;
        aborted(running);
        store.power_cut();
        store.restart();
    }
    assert!(first.len() > 10);
    let is_in = |name: &[u8]| logged(&store).windows(name.len()).any(|text| text == name);
    assert!(is_in(b"Range") && !is_in(b"value"), "no row is in the log");
    let mut running = start(2);
    let sender = running.sender("in").unwrap();
    sender.send(rows(0..130)).unwrap();
    assert_eq!(leaves(&mut running, 130), first);
    running.stop(SOON).unwrap();
    assert_eq!(start(1).sender::<Row>("in").unwrap().resumes_at(), 130);
}

#[test]
fn splits_that_have_ended_since_the_checkpoint_are_read_again_and_end_where_they_did() {
    let all = [("a", rows(0..40)), ("b", other_key(0..90))];
    let (store, source) = (store(), Replayed::new(&all));
    source.give_upto(60);
    let mut running = reads(&store, 2, &source);
    let first = leaves(&mut running, 100);
    assert!(settles(|| logged(&store).windows(5).any(|text| text == b"Ended")));
    aborted(running);
    assert!(source.acknowledged.lock().unwrap().is_empty(), "the first checkpoint holds nothing of them");
    for workers in [1, 3] {
        let mut running = reads(&store, workers, &source);
        assert_eq!(leaves(&mut running, 100), first);
        assert_eq!(running.metrics().sources["in"].rows, 100);
        aborted(running);
    }
    source.give_upto(90);
    let mut running = reads(&store, 2, &source);
    let whole = leaves(&mut running, 130);
    assert!(whole.starts_with(&first), "{whole:?}");
    in_time(move || running.wait()).unwrap();
    // The readers pass it on when the job has ended.
    let ends = || source.acknowledged.lock().unwrap().iter().filter(|(_, upto)| *upto == 40 || *upto == 90).count();
    assert!(settles(|| ends() == 2));
}

#[test]
fn merged_splits_come_again_in_their_order() {
    let all = [("a", rows(0..100)), ("b", rows(50..120))];
    let (store, source) = (store(), Replayed::new(&all));
    let start = |workers| {
        let (source, merge) = (source.clone(), MergeSplits { disorder_ms: 5, ..MergeSplits::default() });
        let job = logs(&store, workers, move |flow| {
            summed(flow.source_merged("in", source.clone(), Lines, merge).rows);
        });
        job.start().unwrap()
    };
    source.give_upto(70);
    let mut running = start(1);
    let first = leaves(&mut running, 60);
    aborted(running);
    source.give_upto(100);
    let mut running = start(2);
    let whole = leaves(&mut running, 170);
    assert!(whole.starts_with(&first), "{first:?} {whole:?}");
    in_time(move || running.wait()).unwrap();
}

/// Reads what [`Lines`] reads, but for one value that a later release of it refuses.
struct Stricter;

impl Decoder<Row> for Stricter {
    fn decode(&self, raw: &RawRow, out: &mut Vec<Row>) -> Result<(), Error> {
        if raw.place == 21 { Err(Error::new("E0498", "no such row any more")) } else { Lines.decode(raw, out) }
    }
}

#[test]
fn a_source_that_does_not_give_the_same_again_is_found_out() {
    let store = store();
    let source = Replayed::new(&[("a", rows(0..61))]);
    dies_after(60, &store, &source);
    let shorter = Replayed::new(&[("a", rows(0..30))]);
    shorter.give_upto(30);
    for job in [
        logs(&store, 1, move |flow| summed(flow.source("in", shorter.clone(), Lines).rows)),
        logs(&store, 1, move |flow| summed(flow.source("in", source.clone(), Stricter).rows)),
    ] {
        let mut running = job.start().unwrap();
        let _out = running.receiver::<Row>("out").unwrap();
        let error = in_time(move || running.wait()).unwrap_err();
        assert_eq!(error.code(), "E0540", "{error}");
        assert!(error.to_string().contains("source \"in\", split \"a\""), "{error}");
    }
}

#[test]
fn a_source_that_cannot_give_it_again_says_why() {
    let (store, source) = (store(), Replayed::new(&[("a", rows(0..100))]));
    dies_after(80, &store, &source);
    source.earliest.store(60, Ordering::SeqCst);
    let mut running = reads(&store, 1, &source);
    let _out = running.receiver::<Row>("out").unwrap();
    let error = in_time(move || running.wait()).unwrap_err();
    assert!(error.code() == "E0403" && error.to_string().contains("60"), "{error}");
}

#[test]
fn a_job_can_be_stopped_while_rows_are_still_to_come_again() {
    let (store, source) = (store(), Replayed::new(&[("a", rows(0..100))]));
    let first = dies_after(80, &store, &source);
    let records = store.list("log").unwrap().len();
    source.give_upto(33);
    let mut running = reads(&store, 2, &source);
    let some = leaves(&mut running, 20);
    assert!(first.starts_with(&some));
    running.stop(SOON).unwrap();
    assert_eq!(store.list("log").unwrap().len(), records + 1, "it began, and wrote no checkpoint");
    source.give_upto(80);
    let mut running = reads(&store, 1, &source);
    assert_eq!(leaves(&mut running, 80), first);
    running.stop(SOON).unwrap();
    source.give_upto(100);
    let mut running = reads(&store, 1, &source);
    assert_eq!(leaves(&mut running, 20).iter().flat_map(|output| &output.rows).count(), 20);
    in_time(move || running.wait()).unwrap();
}

#[test]
fn a_job_is_drained_when_all_has_come_again() {
    let (store, source) = (store(), Replayed::new(&[("a", rows(0..100))]));
    let first = dies_after(80, &store, &source);
    source.give_upto(33);
    let mut running = reads(&store, 2, &source);
    let error = running.drain(Duration::from_millis(200)).unwrap_err();
    assert!(error.code() == "E0904" && error.to_string().contains("give logged rows again"), "{error}");
    source.give_upto(80);
    assert_eq!(leaves(&mut running, 80), first);
    in_time(move || running.wait()).unwrap();
    // Nothing is left to do.
    let mut running = reads(&store, 1, &source);
    in_time(move || running.wait()).unwrap();
}
