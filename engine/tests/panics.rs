//! A panic in user code ends the job with an error that names the culprit; nobody is left waiting.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::sync::Arc;

use support::detectors::{PANICS_AT, Passes};
use support::sink::{AsText, BREAKS_ENCODER, Fault, Keeps, On};
use support::source::{Lines, Scripted, Step};
use support::{Row, SOON, in_time, job, place_of, rest, row, rows};
use watchfire_engine::sink::CommitMode;
use watchfire_engine::source::Replay;
use watchfire_engine::testing::{Faults, FaultyStore};
use watchfire_engine::{Checkpointing, Error, Flow, Job, TickSource, Timed};

/// Sends rows until the job refuses them, the last of them being the bad one, and returns the error of `end`.
/// Fails if anything hangs: the sender, the receiver, the end.
fn fails(job: Job, bad: Row, drain: bool) -> Error {
    in_time(move || {
        let mut running = job.start().unwrap();
        let sender = running.sender::<Row>("in").unwrap();
        let out = running.receiver::<Row>("out").unwrap();
        let reading = std::thread::spawn(move || rest(&out));
        let _ = sender.send(rows(0..20)).and_then(|()| sender.send(vec![bad]));
        let error = if drain {
            running.drain(SOON).unwrap_err()
        } else {
            // A sender that does not look whether the job still runs is not left waiting.
            for n in 0.. {
                if sender.send(rows(n..n + 1)).is_err() {
                    break;
                }
            }
            running.wait().unwrap_err()
        };
        reading.join().unwrap();
        assert!(running.failed());
        error
    })
}

fn check(build: impl for<'f> Fn(&Flow<'f>) + Send + Sync + 'static, bad: i64, code: &str, parts: &[&str]) {
    let job = job(build);
    for workers in [1, 2, 4] {
        for drain in [false, true] {
            let error = fails(job.clone().workers(workers), row(100, 3, bad), drain);
            assert_eq!(error.code(), code, "{error}");
            parts.iter().for_each(|part| assert!(error.to_string().contains(part), "{error} lacks {part}"));
        }
    }
}

fn not_bad(r: &Row) -> u32 {
    assert!(r.value != PANICS_AT, "the closure met {PANICS_AT}");
    r.key
}

#[test]
fn in_a_closure_between_operators() {
    let build = |flow: &Flow<'_>| {
        let rows = flow.channel::<Row>("in");
        let keyed = rows.map(|r| row(r.at_ms, not_bad(&r), r.value)); // the bad closure
        keyed.to_channel("out");
    };
    let place = place_of(include_str!("panics.rs"), file!(), "// the bad closure");
    check(build, PANICS_AT, "E0901", &["operator \"map\" panicked: the closure met", &place]);
}

#[test]
fn in_a_key_function() {
    let build = |flow: &Flow<'_>| {
        let keyed = flow.channel::<Row>("in").key_by(not_bad);
        keyed.detect("by key", Passes { gate: Default::default() }).out.to_channel("out");
    };
    check(build, PANICS_AT, "E0901", &["operator \"by key\" panicked: the closure met"]);
}

#[test]
fn in_a_detector() {
    let build = |flow: &Flow<'_>| {
        let keyed = flow.channel::<Row>("in").key_by(|r| r.key);
        keyed.detect("watch", Passes { gate: Default::default() }).out.to_channel("out");
    };
    check(build, PANICS_AT, "E0901", &["operator \"watch\" panicked: detector met"]);
}

#[test]
fn in_an_encoder() {
    let build = |flow: &Flow<'_>| {
        let rows = flow.channel::<Row>("in");
        rows.clone().to_channel("out");
        rows.to_sink("pad", Keeps::new(CommitMode::AtLeastOnce), AsText { ids: false });
    };
    check(build, BREAKS_ENCODER, "E0903", &["the writer of sink \"pad\" panicked: the encoder met"]);
}

#[test]
fn in_a_writer() {
    let build = |flow: &Flow<'_>| {
        let rows = flow.channel::<Row>("in");
        rows.clone().to_channel("out");
        let sink = Keeps::new(CommitMode::AtLeastOnce).fails(On::Write, &[Fault::Panic]);
        rows.filter(|r| r.value == PANICS_AT).to_sink("pad", sink, AsText { ids: false });
    };
    check(build, PANICS_AT, "E0903", &["the writer of sink \"pad\" panicked: the writer met"]);
}

/// Runs a job with a scripted source `lines` to its end.
fn reads(source: Scripted, workers: usize) -> Result<Vec<Row>, Error> {
    in_time(move || {
        let job = Job::new(move |flow| {
            let lines = flow.source("lines", source.clone(), Lines);
            lines.rows.to_channel("out");
            lines.dead.to_channel("dead");
        });
        let mut running = job.workers(workers).ticks(TickSource::WALL).start().unwrap();
        let out = running.receiver::<Row>("out").unwrap();
        let left = rest(&out);
        running.wait().map(|_| left)
    })
}

#[test]
fn in_a_decoder_a_reader_or_discovery() {
    let good = || Step::Rows(rows(0..5));
    for workers in [1, 2, 4] {
        let decoder = Scripted::bounded(vec![("a", vec![good(), Step::Raw(vec!["panic"])])]);
        let error = reads(decoder, workers).unwrap_err();
        assert_eq!(error.code(), "E0903");
        let text = error.to_string();
        assert!(text.contains("reader of source \"lines\" panicked: the decoder met"), "{text}");
        assert!(text.contains("split \"a\""), "{text}");

        let reader = Scripted::bounded(vec![("a", vec![]), ("b", vec![good(), Step::Panic])]);
        let error = reads(reader, workers).unwrap_err();
        assert_eq!(error.code(), "E0903");
        let text = error.to_string();
        assert!(text.contains("reader of source \"lines\" panicked: the reader met"), "{text}");
        assert!(text.contains("split \"b\""), "{text}");

        // A source whose discovery died must not look like one that has no splits and has ended.
        let discovery = Scripted::bounded(vec![("a", vec![good()])]);
        discovery.discovery.lock().unwrap().push_back(Step::Panic);
        let error = reads(discovery, workers).unwrap_err();
        assert_eq!(error.code(), "E0903");
        let text = error.to_string();
        assert!(text.contains("discovery of source \"lines\" panicked: discovery met"), "{text}");
    }
}

/// A row that cannot be encoded.
#[derive(Clone, Debug, serde::Deserialize)]
struct Unwritable;

impl serde::Serialize for Unwritable {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        panic!("the row met its encoder")
    }
}

impl Timed for Unwritable {
    fn event_time_ms(&self) -> i64 {
        0
    }
}

#[test]
fn in_the_encoding_of_a_row_that_is_recorded_or_logged() {
    let store = || Arc::new(FaultyStore::new(Faults::default()));
    let job = Job::new(|flow| flow.channel::<Unwritable>("in").to_channel("out")).ticks(TickSource::WALL);
    let config = Checkpointing { log_epochs: true, ..Checkpointing::named("site") };
    for (job, doing) in [
        (job.clone().record_to(store()), "writing the recording"),
        (job.checkpoint_to(store(), config), "writing the epoch log"),
    ] {
        let error = in_time(move || {
            let mut running = job.start().unwrap();
            let (sender, _out) = (running.sender("in").unwrap(), running.receiver::<Unwritable>("out").unwrap());
            sender.send(vec![Unwritable]).unwrap();
            running.wait().unwrap_err()
        });
        assert_eq!(error.code(), "E0903", "{error}");
        assert!(error.to_string().contains(&format!("{doing} panicked: the row met")), "{error}");
    }
}

/// A runtime that drops every task at once, as one does that is shut down.
struct Drops;

impl watchfire_engine::io::IoRuntime for Drops {
    fn spawn(&self, _name: &str, task: watchfire_engine::source::Fut<'static, ()>) -> Result<(), Error> {
        drop(task);
        Ok(())
    }

    fn sleep(&self, _wait: std::time::Duration) -> watchfire_engine::source::Fut<'static, ()> {
        Box::pin(std::future::pending())
    }
}

#[test]
fn a_runtime_that_drops_a_task_does_not_end_a_source() {
    let source = Scripted::bounded(vec![("a", vec![Step::Rows(rows(0..5))])]);
    assert_eq!(watchfire_engine::source::Source::replay(&source), Replay::None);
    let error = in_time(move || {
        let job = Job::new(move |flow| {
            flow.source("lines", source.clone(), Lines).rows.to_channel("out");
        });
        job.io(Drops).start().and_then(|mut running| running.wait()).unwrap_err()
    });
    assert_eq!(error.code(), "E0905");
    assert!(error.to_string().contains("discovery of source \"lines\""), "{error}");
}
