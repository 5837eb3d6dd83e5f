//! Connectors' sources: what is acknowledged and when, what fails and how, and what cannot be decoded.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::sync::Arc;

use support::detectors::{Passes, STOPS_AT};
use support::sink::{AsText, Keeps};
use support::source::{Done, Event, Lines, Scripted, Step};
use support::{BY_ROWS, Gate, OpensAtEnd, Row, SOON, in_time, rest, row, rows, settles, values};
use watchfire_engine::decode::DeadLetter;
use watchfire_engine::sink::CommitMode;
use watchfire_engine::{Error, Job, Metrics, TickSource};

fn batches(range: std::ops::Range<i64>) -> Vec<Step> {
    range.map(|n| Step::Rows(rows(n..n + 1))).collect()
}

/// `lines` into two sinks that write each epoch when their gates are open; epochs of a single row.
fn two_sinks(source: &Scripted, fast: &Arc<Gate>, slow: &Arc<Gate>) -> Job {
    let fast = Keeps::new(CommitMode::AtLeastOnce).gated(fast.clone()).tells("fast", &source.events);
    let slow = Keeps::new(CommitMode::AtLeastOnce).gated(slow.clone()).tells("slow", &source.events);
    let source = source.clone();
    let job = Job::new(move |flow| {
        let lines = flow.source("lines", source.clone(), Lines);
        lines.rows.clone().to_sink("fast", fast.clone(), AsText { ids: false });
        lines.rows.to_sink("slow", slow.clone(), AsText { ids: false });
        lines.dead.to_channel("dead");
    });
    job.epoch_rows_max(1).workers(2)
}

/// Every acknowledgement came after its rows could be seen in both sinks, in order, and the last covers all.
fn acknowledged_in_time(events: &[Event], total: u64) {
    let (mut fast, mut slow, mut upto) = (0, 0, 0);
    for event in events {
        match event {
            Event::Visible("fast", rows) => fast = *rows as u64,
            Event::Visible(_, rows) => slow = *rows as u64,
            Event::Acknowledged(offset) => {
                assert!(*offset <= fast.min(slow), "{offset} was acknowledged too early: {events:?}");
                assert!(*offset > upto, "acknowledgements rise: {events:?}");
                upto = *offset;
            }
        }
    }
    assert_eq!(upto, total, "everything that left is acknowledged: {events:?}");
}

#[test]
fn rows_are_acknowledged_when_they_have_left_every_sink() {
    for end in ["wait", "drain", "stop"] {
        let (fast, slow) = (Arc::<Gate>::default(), Arc::<Gate>::default());
        let _open = [OpensAtEnd(fast.clone()), OpensAtEnd(slow.clone())];
        let script = vec![("a", batches(0..40))];
        let source = if end == "wait" { Scripted::bounded(script) } else { Scripted::endless(script) };
        let mut running = two_sinks(&source, &fast, &slow).start().unwrap();
        let _dead = running.receiver::<DeadLetter>("dead").unwrap();
        assert!(settles(|| source.log().contains(&Done::Gave("a", 20))));
        fast.open();
        assert!(settles(|| source.events.lock().unwrap().iter().any(|e| matches!(e, Event::Visible("fast", _)))));
        assert_eq!(source.acknowledged(), [0u64; 0], "one sink has not written them");
        slow.open();
        if end != "wait" {
            assert!(settles(|| running.metrics().sources["lines"].read == 40));
        }
        let running = in_time(move || {
            match end {
                "wait" => running.wait(),
                "drain" => running.drain(SOON),
                _ => running.stop(SOON),
            }
            .unwrap();
            running
        });
        // The reader passes the last acknowledgement on by itself, after the job.
        assert!(settles(|| source.acknowledged().last() == Some(&40)), "{end}: {:?}", source.acknowledged());
        acknowledged_in_time(&source.events.lock().unwrap(), 40);
        drop(running);
    }
}

#[test]
fn an_acknowledgement_that_fails_is_made_again_by_the_next_reader() {
    let source = Scripted::endless(vec![("a", batches(0..3))]);
    *source.durable_fails.lock().unwrap() = 1;
    let (fast, slow) = (Arc::<Gate>::default(), Arc::<Gate>::default());
    fast.open();
    slow.open();
    let mut running = two_sinks(&source, &fast, &slow).start().unwrap();
    let _dead = running.receiver::<DeadLetter>("dead").unwrap();
    assert!(settles(|| source.acknowledged().last() == Some(&3)), "{:?}", source.log());
    assert_eq!(*source.durable_fails.lock().unwrap(), 0);
    running.drain(SOON).unwrap();
    assert!(source.log().iter().filter(|done| matches!(done, Done::Opened(..))).count() >= 2);
}

/// Runs `lines` to its end.
fn read(source: &Scripted) -> Result<(Vec<i64>, Vec<DeadLetter>, Metrics), Error> {
    let source = source.clone();
    in_time(move || {
        let job = Job::new(move |flow| {
            let lines = flow.source("lines", source.clone(), Lines);
            lines.rows.to_channel("out");
            lines.dead.to_channel("dead");
        });
        let mut running = job.ticks(TickSource::WALL).start()?;
        let (out, dead) = (running.receiver::<Row>("out")?, running.receiver::<DeadLetter>("dead")?);
        let metrics = running.wait()?;
        Ok((values(&rest(&out)), dead.rows().collect(), metrics))
    })
}

#[test]
fn a_reader_that_fails_for_a_while_goes_on_where_it_was() {
    let steps = vec![Step::Retry, Step::Rows(rows(0..3)), Step::Retry, Step::Retry, Step::Idle, Step::Rows(rows(3..5))];
    let source = Scripted::bounded(vec![("a", steps)]);
    let (left, _, metrics) = read(&source).unwrap();
    assert_eq!(left, [0, 1, 2, 3, 4]);
    assert_eq!(metrics.sources["lines"].read, 5);
    let opened: Vec<Done> = source.log().into_iter().filter(|done| matches!(done, Done::Opened(..))).collect();
    let at = |from| Done::Opened("a", from);
    assert_eq!(opened, [at(None), at(None), at(Some(3)), at(Some(3))]);
}

#[test]
fn a_source_that_cannot_go_on_fails_the_job_by_name() {
    for (step, code, parts) in [
        (Step::Fatal, "E0499", ["away for ever", "the script"]),
        (Step::Expired, "E0403", ["the earliest left is row 90", "Remedy: decide whether to start"]),
        (Step::Fenced, "E0404", ["a newer generation of this job", "source"]),
    ] {
        let source = Scripted::bounded(vec![("a", batches(0..2)), ("b", vec![Step::Rows(rows(0..2)), step.clone()])]);
        let error = read(&source).unwrap_err();
        assert_eq!(error.code(), code);
        let text = error.to_string();
        assert!(text.contains("source \"lines\", split \"b\""), "{text}");
        parts.iter().for_each(|part| assert!(text.contains(part), "{text} lacks {part}"));

        let source = Scripted::bounded(vec![("a", vec![])]);
        source.discovery.lock().unwrap().push_back(step);
        let error = read(&source).unwrap_err();
        assert_eq!(error.code(), code);
        assert!(error.to_string().contains("source \"lines\", split discovery"), "{error}");
    }
}

#[test]
fn discovery_is_tried_again() {
    let source = Scripted::bounded(vec![("a", batches(0..3))]);
    source.discovery.lock().unwrap().extend([Step::Retry, Step::Retry]);
    assert_eq!(read(&source).unwrap().0, [0, 1, 2]);
}

#[test]
fn a_job_whose_source_is_away_can_be_ended() {
    for stuck_in_discovery in [true, false] {
        let source = Scripted::endless(vec![("a", vec![Step::Retry; 50])]);
        if stuck_in_discovery {
            source.discovery.lock().unwrap().extend(vec![Step::Retry; 50]);
        }
        let job = Job::new(move |flow| flow.source("lines", source.clone(), Lines).rows.to_channel("out"));
        in_time(move || job.start().unwrap().drain(SOON).unwrap());
    }
}

#[test]
fn what_cannot_be_decoded_is_kept_whole() {
    let a = vec![Step::Raw(vec!["0,1,10", "garbage", "2,1,12"]), Step::Raw(vec!["x,y,z", "4,1,14"])];
    let source = Scripted::bounded(vec![("a", a), ("b", vec![Step::Raw(vec!["", "5,2,15"])])]);
    let (mut left, mut dead, metrics) = read(&source).unwrap();
    left.sort_unstable();
    assert_eq!(left, [10, 12, 14, 15], "a decoder's half row does not slip in");
    let letter = |split: &str, place, bytes: &'static str, code: &str, what: &str| DeadLetter {
        source: "lines".into(),
        split: format!("{split:?}"),
        place,
        bytes: bytes.into(),
        code: code.into(),
        what: what.into(),
        attempt: 1,
    };
    dead.sort();
    let expected = [
        letter("a", 2, "garbage", "E0498", "not three fields"),
        letter("a", 4, "x,y,z", "E0497", "a field is not a number"),
        letter("b", 1, "", "E0498", "not three fields"),
    ];
    assert_eq!(dead, expected);
    let book = metrics.sources["lines"];
    assert_eq!((book.read, book.decoded, book.dead, book.rows), (7, 4, 3, 4));
    assert_eq!(book.read, book.decoded + book.dead);
}

/// A stop interrupts sources; it does not make them end.
#[test]
fn a_stop_is_not_the_end_of_a_source() {
    for (drain, expected) in [(true, 1), (false, 0)] {
        let source = Scripted::endless(vec![("a", vec![Step::Rows(rows(0..4)), Step::Idle])]);
        let job = Job::new(move |flow| {
            let lines = flow.source("lines", source.clone(), Lines);
            let keyed = lines.rows.key_by(|r| r.key);
            keyed.detect("count", support::detectors::CountsAtEnd).out.to_channel("out");
        });
        let mut running = job.ticks(BY_ROWS).start().unwrap();
        let out = running.receiver::<Row>("out").unwrap();
        assert!(settles(|| running.metrics().sources["lines"].read == 4));
        if drain { running.drain(SOON) } else { running.stop(SOON) }.unwrap();
        assert_eq!(rest(&out).len(), expected);
    }
}

/// What was read before a failure in the same split is not acknowledged by it.
#[test]
fn a_failed_job_acknowledges_nothing_that_was_under_way() {
    let gate = Arc::new(Gate::default());
    let _opens = OpensAtEnd(gate.clone());
    let source = Scripted::endless(vec![("a", vec![Step::Rows(vec![row(0, 0, STOPS_AT)])])]);
    let (of, hold) = (source.clone(), gate.clone());
    let job = Job::new(move |flow| {
        let keyed = flow.source("lines", of.clone(), Lines).rows.key_by(|r| r.key);
        keyed.detect("pass", Passes { gate: hold.clone() }).out.to_channel("out");
    });
    let mut running = job.start().unwrap();
    assert!(settles(|| gate.come() == 1));
    drop(running.receiver::<Row>("out").unwrap());
    gate.open();
    assert_eq!(running.wait().unwrap_err().code(), "E0302");
    drop(running);
    assert_eq!(source.acknowledged(), [0u64; 0]);
}

/// Rows that wait for the clock are not acknowledged, and a stop lets them leave.
#[test]
fn rows_that_wait_for_the_clock_are_acknowledged_when_they_have_left() {
    for (last, upto) in [(None, 8), (Some(row(1, 0, 10)), 11)] {
        let more = Arc::new(Gate::default());
        let _opens = OpensAtEnd(more.clone());
        let ahead = |value| Step::Rows(vec![row(7_200_000, 0, value)]);
        let begin = Step::Rows((0..8).map(|n| row(0, 0, n)).collect());
        let mut steps = vec![begin, ahead(8), ahead(9), Step::Wait(more.clone())];
        steps.extend(last.map(|row| Step::Rows(vec![row])));
        let source = Scripted::endless(vec![("a", steps)]);
        let of = source.clone();
        let job = Job::new(move |flow| flow.source("lines", of.clone(), Lines).rows.to_channel("out"));
        let mut running = job.ticks(BY_ROWS).start().unwrap();
        let out = running.receiver::<Row>("out").unwrap();
        assert!(settles(|| running.metrics().sources["lines"].read == 10));
        assert!(settles(|| source.acknowledged().last() == Some(&8)));
        std::thread::sleep(std::time::Duration::from_millis(120));
        assert_eq!(source.acknowledged().last(), Some(&8), "two rows wait");
        more.open();
        assert!(settles(|| running.metrics().sources["lines"].read == upto.max(10)));
        assert!(settles(|| source.acknowledged().last() == Some(&upto)), "{:?}", source.log());
        running.stop(SOON).unwrap();
        assert_eq!(values(&rest(&out)), (0..upto.max(10) as i64).collect::<Vec<_>>());
        assert!(settles(|| source.acknowledged().last() == Some(&upto.max(10))), "{:?}", source.log());
    }
}
