//! Stores that go bad while a job runs: it ends with an error that says what to do, and loses nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use support::sink::{AsText, Keeps};
use support::{BY_ROWS, Row, SOON, in_time, rows, settles};
use watchfire_engine::durable::{Directory, Store, StoreError};
use watchfire_engine::sink::CommitMode;
use watchfire_engine::source::Replay;
use watchfire_engine::testing::{FaultyStore, Hooked};
use watchfire_engine::{ChannelIn, Checkpointing, Error, Job, Running};

/// A store that is read-only while it is sealed.
fn sealed() -> (Hooked, Arc<AtomicBool>) {
    let sealed = Arc::new(AtomicBool::new(false));
    let now = sealed.clone();
    let store = Hooked::new(Arc::new(FaultyStore::default()), move |call| {
        if call.kind.writes() && !call.done && now.load(Ordering::SeqCst) {
            let read_only = std::io::Error::from(std::io::ErrorKind::ReadOnlyFilesystem);
            return Err(StoreError::of_io("cannot write", call.name, read_only));
        }
        Ok(())
    });
    (store, sealed)
}

fn job(store: Arc<dyn Store>, sink: &Keeps, log_epochs: bool) -> Job {
    let sink = sink.clone();
    let job = Job::new(move |flow| {
        let again = ChannelIn { replay: Replay::Exact, ..ChannelIn::default() };
        flow.channel_with::<Row>("in", again).to_sink("out", sink.clone(), AsText { ids: false });
    });
    let config = Checkpointing { every_ms: 0, log_epochs, ..Checkpointing::named("site") };
    job.ticks(BY_ROWS).epoch_rows_max(10).checkpoint_to(store, config)
}

/// Sends rows from where the job is, until it has them all or fails.
fn feed(running: &mut Running, meanwhile: impl Fn(i64)) {
    let sender = running.sender::<Row>("in").unwrap();
    for n in sender.resumes_at() as i64..2_000 {
        if sender.send(rows(n..n + 1)).is_err() {
            return;
        }
        meanwhile(n);
    }
}

fn comes_back(store: Arc<dyn Store>, sink: &Keeps, log_epochs: bool) {
    let mut running = job(store, sink, log_epochs).start().unwrap();
    feed(&mut running, |_| {});
    in_time(move || running.wait()).unwrap();
    assert_eq!(sink.visible().len(), 2_000);
}

#[test]
fn a_store_that_becomes_read_only_ends_the_job_and_nothing_is_lost() {
    for log_epochs in [false, true] {
        let sink = Keeps::new(CommitMode::TwoPhase);
        let (store, sealed) = sealed();
        sealed.store(true, Ordering::SeqCst);
        let error: Error = job(Arc::new(store.clone()), &sink, log_epochs).start().unwrap_err();
        assert!(error.code() == "E0512" && error.to_string().contains("Remedy"), "{error}");
        sealed.store(false, Ordering::SeqCst);
        let mut running = job(Arc::new(store.clone()), &sink, log_epochs).start().unwrap();
        feed(&mut running, |n| {
            if n == 700 {
                assert!(settles(|| !sink.visible().is_empty()));
                sealed.store(true, Ordering::SeqCst);
            }
        });
        let error = running.drain(SOON).unwrap_err();
        assert_eq!(error.code(), "E0512", "{error}");
        assert!(sink.visible().len() < 2_000);
        sealed.store(false, Ordering::SeqCst);
        comes_back(Arc::new(store), &sink, log_epochs);
    }
}

#[test]
fn a_directory_that_goes_away_ends_the_job_and_is_not_begun_anew() {
    for log_epochs in [false, true] {
        let sink = Keeps::new(CommitMode::TwoPhase);
        let folder = tempfile::tempdir().unwrap();
        let (place, away) = (folder.path().join("state"), folder.path().join("away"));
        let store = Arc::new(Directory::create(&place).unwrap());
        let mut running = job(store, &sink, log_epochs).start().unwrap();
        feed(&mut running, |n| {
            if n == 700 {
                assert!(settles(|| !sink.visible().is_empty()));
                std::fs::rename(&place, &away).unwrap();
            }
        });
        let error = running.drain(SOON).unwrap_err();
        assert!(error.code() == "E0513" && error.to_string().contains("state"), "{error}");
        // Whoever expects state there is told, instead of beginning at the first row.
        let error = Directory::open(&place).map(drop).unwrap_err();
        assert_eq!(error.error().code(), "E0513", "{error}");
        comes_back(Arc::new(Directory::open(&away).unwrap()), &sink, log_epochs);
    }
}
