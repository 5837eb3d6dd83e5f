//! The doubles keep the contracts they stand for.

use std::task::{Context, Waker};

use futures_lite::future::block_on;
use watchfire_engine::Error;
use watchfire_engine::decode::EncodedRow;
use watchfire_engine::sink::{CommitMode, Sink, Writer};
use watchfire_engine::source::{Failure, Next, Reader, Replay, Source};

use super::*;

fn retry() -> Failure {
    Failure::Retry(Error::new("E0000", "scripted"))
}

fn open(source: &PushSource, from: Option<u64>) -> Box<dyn Reader<u64>> {
    block_on(source.open("s".into(), from)).unwrap_or_else(|f| panic!("{f:?}"))
}

fn rows(next: Result<Next<u64>, Failure>) -> Vec<(u64, String)> {
    match next {
        Ok(Next::Rows { rows, after }) => {
            assert_eq!(rows.last().map(|row| row.place), Some(after));
            rows.iter().map(|row| (row.place, String::from_utf8_lossy(&row.body).into_owned())).collect()
        }
        other => panic!("{other:?}"),
    }
}

fn row(n: u64, body: &str) -> (u64, String) {
    (n, body.into())
}

#[test]
fn pushed_rows_come_in_order_within_credit_and_unacknowledged_ones_again() {
    let source = PushSource::new(["s"], 10, Redelivery::Unacknowledged);
    assert_eq!(source.replay(), Replay::None);
    for body in ["a", "b", "c"] {
        source.push("s", body).unwrap();
    }
    let mut reader = open(&source, None);
    assert_eq!(rows(block_on(reader.next(2))), [row(1, "a"), row(2, "b")]);
    assert_eq!(rows(block_on(reader.next(2))), [row(3, "c")]);
    assert!(matches!(block_on(reader.next(2)), Ok(Next::Idle)));
    block_on(reader.durable(1)).unwrap();
    drop(reader);
    let mut reader = open(&source, Some(3));
    assert_eq!(rows(block_on(reader.next(9))), [row(4, "b"), row(5, "c")], "under new offsets");
    block_on(reader.durable(5)).unwrap();
    assert_eq!((source.acknowledged("s"), source.durable_calls("s")), (5, vec![1, 5]));
    assert_eq!((source.openings("s"), source.handed_out("s")), (2, 5));
    let mut reader = open(&source, Some(5));
    assert!(matches!(block_on(reader.next(9)), Ok(Next::Idle)));
}

#[test]
fn a_webhook_forgets_what_it_handed_out() {
    let source = PushSource::new(["s"], 10, Redelivery::Never);
    source.push("s", "a").unwrap();
    assert_eq!(rows(block_on(open(&source, None).next(9))).len(), 1);
    assert!(matches!(block_on(open(&source, None).next(9)), Ok(Next::Idle)));
}

#[test]
fn pushes_are_bounded_and_a_waiting_reader_wakes() {
    let source = PushSource::new(["s"], 2, Redelivery::Unacknowledged);
    let mut reader = open(&source, None);
    assert!(matches!(block_on(reader.next(9)), Ok(Next::Idle)));
    for _ in 0..3 {
        let mut pending = reader.next(9);
        assert!(
            pending.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending(),
            "idle once, then it waits"
        );
    }
    let other = source.clone();
    let pusher = std::thread::spawn(move || {
        other.push("s", "a").unwrap();
        other.push("s", "b").unwrap();
        other.push("s", "c").unwrap_err()
    });
    let mut got = rows(block_on(reader.next(1)));
    assert_eq!(pusher.join().unwrap().code(), "E0438");
    got.extend(rows(block_on(reader.next(1))));
    assert_eq!(got, [row(1, "a"), row(2, "b")]);
    assert_eq!(source.push("nowhere", "x").unwrap_err().code(), "E0438");
}

#[test]
fn scripted_failures_and_the_end_come_in_their_place() {
    let source = PushSource::new(["s"], 10, Redelivery::Never);
    source.fail_open("s", retry());
    assert!(matches!(block_on(source.open("s".into(), None)), Err(Failure::Retry(_))));
    source.push("s", "a").unwrap();
    source.fail_next("s", Failure::Fatal(Error::new("E0000", "scripted")));
    source.push("s", "b").unwrap();
    source.end("s");
    let mut reader = open(&source, None);
    assert_eq!(rows(block_on(reader.next(9))), [row(1, "a")]);
    assert!(matches!(block_on(reader.next(9)), Err(Failure::Fatal(_))));
    assert_eq!(rows(block_on(reader.next(9))), [row(2, "b")]);
    assert!(matches!(block_on(reader.next(9)), Ok(Next::End)));
    assert!(matches!(block_on(reader.next(9)), Ok(Next::End)));
    source.fail_durable("s", retry());
    assert!(block_on(reader.durable(2)).is_err());
    assert_eq!(source.acknowledged("s"), 0);
}

fn written(body: &str) -> Vec<EncodedRow> {
    vec![EncodedRow { body: body.into(), ..EncodedRow::default() }]
}

fn visible(sink: &TwoPhaseSink) -> Vec<String> {
    sink.visible().iter().map(|row| String::from_utf8_lossy(&row.body).into_owned()).collect()
}

fn writer(sink: &TwoPhaseSink, generation: u64) -> Box<dyn Writer> {
    block_on(sink.open(0, generation)).unwrap_or_else(|f| panic!("{f:?}"))
}

#[test]
fn nothing_is_visible_before_its_commit_and_then_once() {
    let sink = TwoPhaseSink::new();
    assert_eq!(sink.commit_mode(), CommitMode::TwoPhase);
    let mut w = writer(&sink, 1);
    block_on(w.write(1, &written("a"))).unwrap();
    block_on(w.write(1, &written("a"))).unwrap();
    let first = block_on(w.prepare(10)).unwrap().unwrap();
    block_on(w.write(2, &written("b"))).unwrap();
    let second = block_on(w.prepare(11)).unwrap().unwrap();
    assert_eq!((sink.visible().len(), sink.pending()), (0, 2));
    for _ in 0..2 {
        block_on(w.commit(10, &first)).unwrap();
    }
    assert_eq!(visible(&sink), ["a"]);
    assert!(matches!(block_on(w.commit(10, &second)), Err(Failure::Fatal(e)) if e.code() == "E0353"));
    assert!(matches!(block_on(w.commit(11, b"junk")), Err(Failure::Fatal(_))));
    let mut other_part = block_on(sink.open(1, 1)).unwrap_or_else(|f| panic!("{f:?}"));
    assert!(block_on(other_part.commit(11, &second)).is_err());
    block_on(w.commit(11, &second)).unwrap();
    assert_eq!((visible(&sink), sink.pending()), (vec!["a".into(), "b".into()], 0));
}

#[test]
fn an_older_generation_is_fenced_and_its_leftovers_are_aborted() {
    let sink = TwoPhaseSink::new();
    let mut old = writer(&sink, 1);
    block_on(old.write(1, &written("kept"))).unwrap();
    let kept = block_on(old.prepare(1)).unwrap().unwrap();
    block_on(old.write(2, &written("lost"))).unwrap();
    let lost = block_on(old.prepare(2)).unwrap().unwrap();
    block_on(old.write(3, &written("never prepared"))).unwrap();
    let mut new = writer(&sink, 2);
    assert!(matches!(block_on(old.write(3, &written("x"))), Err(Failure::Fenced)));
    assert!(matches!(block_on(old.prepare(3)), Err(Failure::Fenced)));
    assert!(matches!(block_on(old.commit(1, &kept)), Err(Failure::Fenced)));
    assert!(matches!(block_on(old.abort_older()), Err(Failure::Fenced)));
    assert!(matches!(block_on(sink.open(0, 1)), Err(Failure::Fenced)));
    block_on(new.commit(1, &kept)).unwrap();
    block_on(new.abort_older()).unwrap();
    block_on(new.commit(1, &kept)).unwrap();
    assert!(matches!(block_on(new.commit(2, &lost)), Err(Failure::Fatal(e)) if e.code() == "E0353"));
    assert_eq!((visible(&sink), sink.pending()), (vec!["kept".into()], 0));
}

#[test]
fn a_call_can_fail_before_or_after_its_effect() {
    let sink = TwoPhaseSink::new();
    sink.fail_before(Step::Open, retry());
    assert!(block_on(sink.open(0, 1)).is_err());
    let mut w = writer(&sink, 1);
    sink.fail_before(Step::Write, retry());
    assert!(block_on(w.write(1, &written("a"))).is_err());
    assert_eq!(sink.pending(), 0);
    sink.fail_after(Step::Write, retry());
    assert!(block_on(w.write(1, &written("a"))).is_err());
    block_on(w.write(1, &written("a"))).unwrap();
    assert_eq!(sink.pending(), 1, "the repeated write replaced the first");
    sink.fail_after(Step::Prepare, retry());
    assert!(block_on(w.prepare(5)).is_err());
    let ticket = block_on(w.prepare(5)).unwrap().unwrap();
    sink.fail_after(Step::Commit, retry());
    assert!(block_on(w.commit(5, &ticket)).is_err());
    block_on(w.commit(5, &ticket)).unwrap();
    sink.fail_before(Step::AbortOlder, retry());
    assert!(block_on(w.abort_older()).is_err());
    assert_eq!(visible(&sink), ["a"]);
}
