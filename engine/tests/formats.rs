//! What every format that was ever written holds can be read and gone on from: `engine/tests/fixtures/` keeps a store of each.
//!
//! `WRITE_FIXTURE=NAME` writes one, for a format that is about to be released; those that are there never change.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use support::detectors::Sums;
use support::sink::{AsText, Keeps};
use support::{BY_ROWS, Row, SOON, in_time, row, settles};
use watchfire_engine::durable::{Checkpoints, Directory};
use watchfire_engine::sink::CommitMode;
use watchfire_engine::source::{KeyPlacement, Replay};
use watchfire_engine::{ChannelIn, Checkpointing, Job, MergeSplits, Running, Sender};

/// Rows of two splits that are merged, so that some wait, and one whose clock is far ahead, so that it waits too.
fn input(split: i64) -> Vec<Row> {
    let mut all: Vec<Row> = (0..400).map(|n| row(n * 25 + split, ((n * n + split) % 11) as u32, n)).collect();
    all[199].at_ms += 1_000_000_000;
    all
}

/// How many rows of each split a fixture has.
const HALF: usize = 200;

fn job(sink: &Keeps) -> Job {
    let sink = sink.clone();
    let job = Job::new(move |flow| {
        let again = ChannelIn { replay: Replay::Exact, key_placement: KeyPlacement::AnySplit, ..ChannelIn::default() };
        let merge = MergeSplits { disorder_ms: 500, ..MergeSplits::default() };
        let sums = flow.channel_merged::<Row>("in", again, merge).key_by(|row: &Row| row.key).detect("sums", Sums);
        sums.out.to_sink("out", sink.clone(), AsText { ids: false });
    });
    job.ticks(BY_ROWS).epoch_rows_max(50)
}

fn sink() -> Keeps {
    Keeps::new(CommitMode::TwoPhase)
}

fn feed(running: &mut Running, upto: usize) -> [Sender<Row>; 2] {
    let first = running.sender::<Row>("in").unwrap();
    let both = [first.another_split(), first];
    // The first that was opened is split 0.
    for (split, sender) in [(0, &both[1]), (1, &both[0])] {
        sender.send(input(split)[sender.resumes_at() as usize..upto].to_vec()).unwrap();
    }
    both
}

fn rest(job: Job) {
    let mut running = job.start().unwrap();
    drop(feed(&mut running, 400));
    in_time(move || running.wait()).unwrap();
}

/// Runs the first half of the input, with its checkpoints in a folder; what was seen by then.
fn first_half(folder: &Path) -> Vec<String> {
    let sink = sink();
    let store = Arc::new(Directory::create(folder).unwrap());
    let mut running = job(&sink).checkpoint_to(store, Checkpointing::named("fixture")).start().unwrap();
    let senders = feed(&mut running, HALF);
    assert!(settles(|| running.metrics().sources["in"].read == 2 * HALF as u64));
    running.stop(SOON).unwrap();
    drop(senders);
    sink.visible()
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

/// A copy of a store, for a job changes it.
fn copied(from: &Path) -> tempfile::TempDir {
    let to = tempfile::tempdir().unwrap();
    for folder in ["log", "state"] {
        std::fs::create_dir_all(to.path().join(folder)).unwrap();
        for entry in std::fs::read_dir(from.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            std::fs::copy(&path, to.path().join(folder).join(path.file_name().unwrap())).unwrap();
        }
    }
    to
}

#[test]
fn every_format_is_gone_on_from() {
    let whole = sink();
    rest(job(&whole));
    if let Ok(name) = std::env::var("WRITE_FIXTURE") {
        first_half(&fixtures().join(name));
    }
    let fresh = tempfile::tempdir().unwrap();
    let first = first_half(fresh.path());
    assert!(first.len() > 100 && whole.visible().starts_with(&first));
    let kept = std::fs::read_dir(fixtures()).unwrap().map(|entry| entry.unwrap().path());
    let all: Vec<PathBuf> = kept.chain([fresh.path().to_owned()]).collect();
    assert!(all.len() > 1, "a fixture of each format is kept");
    for from in all {
        let folder = copied(&from);
        let store = Arc::new(Directory::open(folder.path()).unwrap());
        assert!(Checkpoints::new(store.clone()).verify().unwrap().is_empty(), "{from:?}");
        let second = sink();
        rest(job(&second).workers(2).checkpoint_to(store, Checkpointing::named("fixture")));
        assert_eq!([first.clone(), second.visible()].concat(), whole.visible(), "{from:?}");
    }
}
