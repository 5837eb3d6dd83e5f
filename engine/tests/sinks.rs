//! Connectors' sinks: what can be seen and when, and what becomes of their failures.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::collections::BTreeSet;

use support::sink::{AsText, Did, Fault, Keeps, On, REFUSED_BY_ENCODER};
use support::source::{Lines, Scripted, Step, written};
use support::{BY_ROWS, Row, SOON, STANDING, in_time, row, rows, settles};
use watchfire_engine::sink::CommitMode;
use watchfire_engine::{Error, Job, TickSource};

fn texts(range: std::ops::Range<i64>) -> Vec<String> {
    rows(range).iter().map(written).collect()
}

fn into(sink: &Keeps) -> Job {
    let sink = sink.clone();
    Job::new(move |flow| flow.channel::<Row>("in").to_sink("pad", sink.clone(), AsText { ids: false }))
}

/// Sends ten rows into a sink and drains the job.
fn ten(sink: &Keeps) -> Result<(), Error> {
    let job = into(sink).ticks(STANDING);
    in_time(move || {
        let mut running = job.start()?;
        let sender = running.sender::<Row>("in")?;
        for n in 0..10 {
            let _ = sender.send(rows(n..n + 1));
        }
        running.drain(SOON).map(|_| ())
    })
}

/// In what was done: opened and cleared first, every commit prepared before, nothing twice.
fn in_good_order(did: &[Did]) {
    assert_eq!(did[..2], [Did::Opened(1), Did::Aborted]);
    let (mut prepared, mut committed, mut last) = (BTreeSet::new(), BTreeSet::new(), 0);
    for step in &did[2..] {
        match step {
            Did::Wrote(epoch, rows) => {
                assert!(*epoch > last && !rows.is_empty(), "epochs rise and are not empty: {did:?}");
                last = *epoch;
            }
            Did::Prepared(number) => assert!(prepared.insert(*number), "{did:?}"),
            Did::Committed(number) => assert!(prepared.contains(number) && committed.insert(*number), "{did:?}"),
            Did::Opened(_) | Did::Aborted => panic!("{did:?}"),
        }
    }
    assert_eq!(prepared, committed, "what was prepared is committed");
}

#[test]
fn two_phase_rows_cannot_be_seen_before_their_commit() {
    for stop in [false, true] {
        let sink = Keeps::new(CommitMode::TwoPhase);
        let job = into(&sink).ticks(STANDING).commit_every_ms(1_000);
        let mut running = job.start().unwrap();
        let sender = running.sender::<Row>("in").unwrap();
        // The first commit is at the first tick; the clock stands, so there is no other before the end.
        assert!(settles(|| sink.did().contains(&Did::Committed(1))));
        for n in 0..6 {
            sender.send(rows(n..n + 1)).unwrap();
        }
        assert!(settles(|| sink.staged() == 6));
        assert_eq!(sink.visible(), [""; 0]);
        if stop { running.stop(SOON) } else { running.drain(SOON) }.unwrap();
        assert_eq!(sink.visible(), texts(0..6), "the end commits what is left, before it is told");
        in_good_order(&sink.did());
    }
}

#[test]
fn commits_come_by_the_arrival_clock() {
    let sink = Keeps::new(CommitMode::TwoPhase);
    let mut running = into(&sink).ticks(BY_ROWS).commit_every_ms(1_000).start().unwrap();
    let sender = running.sender::<Row>("in").unwrap();
    let prepared = || sink.did().iter().filter(|did| matches!(did, Did::Prepared(_))).count();
    sender.send(vec![row(0, 0, 0); 8]).unwrap();
    assert!(settles(|| prepared() == 1));
    for (at_ms, commits) in [(900, 1), (1_000, 2), (1_900, 2), (2_050, 3), (9_000, 4)] {
        sender.send(vec![row(at_ms, 0, 0)]).unwrap();
        assert!(settles(|| prepared() == commits), "{at_ms}: {:?}", sink.did());
        // A commit comes with the epoch of its tick, and that epoch's rows with it.
        let written = |did: &Did| matches!(did, Did::Wrote(_, rows) if rows.contains(&format!("{at_ms},0,0")));
        assert!(settles(|| sink.did().iter().any(written)));
        assert_eq!(prepared(), commits);
    }
    assert!(settles(|| sink.visible().contains(&"9000,0,0".into())), "without an end");
    running.drain(SOON).unwrap();
    in_good_order(&sink.did());
    assert_eq!(sink.visible().len(), 13);
}

#[test]
fn a_commit_whose_answer_was_lost_is_repeated_and_does_its_work_once() {
    let sink = Keeps::new(CommitMode::TwoPhase).fails(On::Commit, &[Fault::Retry, Fault::Retry]);
    ten(&sink).unwrap();
    assert_eq!(sink.visible(), texts(0..10));
    let committed: Vec<Did> = sink.did().into_iter().filter(|did| matches!(did, Did::Committed(_))).collect();
    assert_eq!(committed[..3], [1, 1, 1].map(Did::Committed));
    assert!(!committed[3..].contains(&Did::Committed(1)), "{committed:?}");
    assert_eq!(sink.faults_left(), 0);
}

#[test]
fn a_sink_that_is_away_for_a_while_is_tried_again() {
    for on in [On::Open, On::Write, On::Prepare] {
        let sink = Keeps::new(CommitMode::TwoPhase).fails(on, &[Fault::Retry, Fault::Retry]);
        ten(&sink).unwrap();
        assert_eq!(sink.faults_left(), 0);
        assert_eq!(sink.visible(), texts(0..10), "{on:?}");
        in_good_order(&sink.did());
    }
    for mode in [CommitMode::AtLeastOnce, CommitMode::ByEpoch] {
        let sink = Keeps::new(mode).fails(On::Write, &[Fault::Retry, Fault::Retry]);
        ten(&sink).unwrap();
        assert_eq!(sink.visible(), texts(0..10));
    }
}

#[test]
fn a_sink_that_cannot_go_on_fails_the_job_by_name() {
    for on in [On::Open, On::Write, On::Prepare, On::Commit] {
        for (fault, code, part) in [
            (Fault::Fatal, "E0399", "away for ever (sink \"pad\", the outside)"),
            (Fault::Fenced, "E0303", "a newer generation of this job writes to this sink (sink \"pad\")"),
            (Fault::Poison, "E0399", "will not have it (sink \"pad\", row 1 of the epoch)"),
        ] {
            let error = ten(&Keeps::new(CommitMode::TwoPhase).fails(on, &[fault])).unwrap_err();
            assert_eq!(error.code(), code, "{on:?}: {error}");
            assert!(error.to_string().contains(part), "{on:?}: {error}");
        }
    }
}

#[test]
fn a_row_that_cannot_be_encoded_fails_the_job_by_name() {
    let sink = Keeps::new(CommitMode::AtLeastOnce);
    let error = in_time({
        let job = into(&sink).ticks(STANDING);
        move || fails_on(&job, row(0, 0, REFUSED_BY_ENCODER))
    });
    assert_eq!(error.code(), "E0398");
    assert!(error.to_string().contains("sink \"pad\""), "{error}");
}

fn fails_on(job: &Job, bad: Row) -> Error {
    let mut running = job.start().unwrap();
    let sender = running.sender::<Row>("in").unwrap();
    sender.send(vec![bad]).unwrap();
    drop(sender);
    running.wait().unwrap_err()
}

/// What a two-phase sink has not committed, a crash takes back: the source must keep it until then.
#[test]
fn rows_for_a_two_phase_sink_are_acknowledged_after_their_commit() {
    let source = Scripted::endless(vec![("a", (0..5).map(|n| Step::Rows(rows(n..n + 1))).collect())]);
    let sink = Keeps::new(CommitMode::TwoPhase).tells("pad", &source.events);
    let (of, pad) = (source.clone(), sink.clone());
    let job = Job::new(move |flow| {
        let lines = flow.source("lines", of.clone(), Lines);
        lines.rows.to_sink("pad", pad.clone(), AsText { ids: false });
    });
    let mut running = job.ticks(TickSource::Wall { interval_ms: 1 }).commit_every_ms(3_600_000).start().unwrap();
    // Rows that came with the first tick are committed with it, those after it wait for the end.
    assert!(settles(|| sink.staged() + sink.visible().len() == 5));
    assert!(settles(|| running.metrics().epochs_in_flight == 0));
    let visible = sink.visible().len() as u64;
    assert!(source.acknowledged().iter().all(|upto| *upto <= visible), "{:?}", source.log());
    in_time(move || running.drain(SOON).map(|_| running).unwrap());
    assert!(settles(|| source.acknowledged().last() == Some(&5)), "{:?}", source.log());
    assert_eq!(sink.visible(), texts(0..5));
}

#[test]
fn a_replay_commits_what_it_writes() {
    let (first, second) = (Keeps::new(CommitMode::TwoPhase), Keeps::new(CommitMode::TwoPhase));
    let mut running = into(&first).ticks(BY_ROWS).commit_every_ms(200).record().start().unwrap();
    let sender = running.sender::<Row>("in").unwrap();
    sender.send((0..50).map(|n| row(n * 30, 0, n)).collect()).unwrap();
    drop(sender);
    running.wait().unwrap();
    let recording = running.recording().unwrap();
    for recut in [recording.recut(5, 1), recording.recut(5, 20), recording] {
        let replaying = second.clone();
        let job = into(&replaying);
        in_time(move || job.replay(&recut).unwrap().wait().unwrap());
    }
    assert_eq!(first.visible().len(), 50);
    assert_eq!(second.visible().len(), 50, "the same commits, repeated, do their work once");
}
