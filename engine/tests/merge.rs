//! Splits merged into one order: the same order however they were read.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::sync::Arc;

use support::detectors::{Passes, Silence};
use support::source::{Done, Lines, Scripted, Step};
use support::{BY_ROWS, Gate, OpensAtEnd, Row, in_time, rest, row, settles};
use watchfire_engine::{ChannelIn, Job, Late, MergeSplits, Metrics, TickSource};

const MERGE: MergeSplits = MergeSplits { disorder_ms: 50, idle_after_ms: 1_000, held_rows_max: 1_000_000 };

/// Event time and value of each row.
type Pairs = Vec<(i64, i64)>;

fn pair(r: &Row) -> (i64, i64) {
    (r.at_ms, r.value)
}

/// Runs a merged source to its end; `value` of a row names its split.
fn merged(source: Scripted, config: MergeSplits, workers: usize) -> (Pairs, Pairs, Metrics) {
    in_time(move || {
        let job = Job::new(move |flow| {
            let lines = flow.source_merged("lines", source.clone(), Lines, config);
            let keyed = lines.rows.key_by(|r| r.key).detect("pass", Passes { gate: Default::default() });
            keyed.out.to_channel("out");
            keyed.late.to_channel("late");
        });
        let mut running = job.workers(workers).ticks(BY_ROWS).start().unwrap();
        let (out, late) = (running.receiver::<Row>("out").unwrap(), running.receiver::<Late<Row>>("late").unwrap());
        let metrics = running.wait().unwrap();
        let out = rest(&out).iter().map(pair).collect();
        (out, late.rows().map(|l| pair(&l.row)).collect(), metrics)
    })
}

/// Steps of `batch` rows each.
fn steps(split: i64, times: &[i64], batch: usize) -> Vec<Step> {
    times.chunks(batch).map(|part| Step::Rows(part.iter().map(|at_ms| row(*at_ms, 0, split)).collect())).collect()
}

#[test]
fn the_order_is_that_of_event_times_and_splits() {
    // Event times far apart and close together, equal ones, and each split's own disorder.
    let a: Vec<i64> = (0..300).map(|n| n * 100 - (n % 3) * 20).collect();
    let b: Vec<i64> = (0..300).map(|n| n * 100).collect();
    let c: Vec<i64> = (0..30).map(|n| n * 1_000).collect();
    let mut expected: Vec<(i64, i64)> = Vec::new();
    for (split, times) in [(1, &a), (2, &b), (3, &c)] {
        expected.extend(times.iter().map(|at_ms| (*at_ms, split)));
    }
    expected.sort();
    for (workers, batches) in [(1, [1, 300, 7]), (2, [300, 1, 1]), (2, [11, 13, 30])] {
        // Discovered in another order than that of their names.
        let splits =
            vec![("c", steps(3, &c, batches[2])), ("a", steps(1, &a, batches[0])), ("b", steps(2, &b, batches[1]))];
        let (out, late, metrics) = merged(Scripted::bounded(splits).any_split(), MERGE, workers);
        assert_eq!(out, expected, "batches of {batches:?}");
        assert_eq!(late, []);
        assert_eq!(metrics.operators["pass"].out_of_bound, 0);
    }
}

#[test]
fn rows_that_break_their_splits_bound_go_to_the_late_output() {
    let a = steps(1, &[0, 500, 449, 450, 1_000, 100], 1);
    let b = steps(2, &[0, 600, 1_000], 3);
    let (out, late, metrics) = merged(Scripted::bounded(vec![("a", a), ("b", b)]).any_split(), MERGE, 1);
    assert_eq!(out, [(0, 1), (0, 2), (450, 1), (500, 1), (600, 2), (1_000, 1), (1_000, 2)]);
    assert_eq!(late, [(449, 1), (100, 1)]);
    let book = &metrics.operators["pass"];
    assert_eq!((book.rows_in, book.out_of_bound, book.detectors[0].applied), (9, 2, 7));
}

#[test]
fn an_idle_split_holds_the_others_back_no_more() {
    let job = Job::new(|flow| {
        flow.channel_merged::<Row>("in", ChannelIn::default(), MERGE).to_channel("out");
    });
    let mut running = job.ticks(TickSource::Wall { interval_ms: 10 }).start().unwrap();
    let a = running.sender::<Row>("in").unwrap();
    let b = a.another_split();
    let out = running.receiver::<Row>("out").unwrap();
    b.send(vec![row(0, 0, 2)]).unwrap();
    a.send(vec![row(0, 0, 1), row(100, 0, 1), row(200, 0, 1)]).unwrap();
    // `b` has said 0 and falls idle; `a` falls idle after it. Then all that waits may go.
    let (first, out) = in_time(move || {
        let mut rows = Vec::new();
        while rows.len() < 4 {
            rows.extend(out.recv().unwrap().rows.iter().map(pair));
        }
        (rows, out)
    });
    assert_eq!(first, [(0, 1), (0, 2), (100, 1), (200, 1)]);
    b.send(vec![row(900, 0, 2)]).unwrap();
    drop((a, b));
    assert_eq!(rest(&out).iter().map(pair).collect::<Vec<_>>(), [(900, 2)]);
    running.wait().unwrap();
}

/// A split that is far ahead is read no further, and goes on in order once the others have come.
fn pauses_the_fast_split(ticks: TickSource, idle_after_ms: i64, in_steps: bool) {
    let slow = Arc::new(Gate::default());
    let _opens = OpensAtEnd(slow.clone());
    let fast: Vec<i64> = (0..400).map(|n| n * 10).collect();
    let mut slow_steps = vec![Step::Rows(vec![row(0, 0, 2)]), Step::Wait(slow.clone())];
    slow_steps.extend(steps(2, &fast[1..], if in_steps { 1 } else { 399 }));
    let source = Scripted::bounded(vec![("fast", steps(1, &fast, 5)), ("slow", slow_steps)]).any_split();
    let config = MergeSplits { held_rows_max: 20, idle_after_ms, ..MERGE };
    let job = Job::new(move |flow| {
        flow.source_merged("lines", source.clone(), Lines, config).rows.to_channel("out");
    });
    let mut running = job.ticks(ticks).start().unwrap();
    let out = running.receiver::<Row>("out").unwrap();
    assert!(settles(|| running.metrics().sources["lines"].read >= 21));
    std::thread::sleep(std::time::Duration::from_millis(60));
    let read = running.metrics().sources["lines"].read;
    assert!(read <= 26, "{read} rows were taken, 20 may wait");
    slow.open();
    let rows = in_time(move || rest(&out));
    let expected: Vec<(i64, i64)> = fast.iter().flat_map(|at_ms| [(*at_ms, 1), (*at_ms, 2)]).collect();
    assert_eq!(rows.iter().map(pair).collect::<Vec<_>>(), expected);
    running.wait().unwrap();
}

#[test]
fn more_held_rows_than_may_wait_pause_the_fast_split() {
    for in_steps in [true, false] {
        pauses_the_fast_split(BY_ROWS, 1_000, in_steps);
        pauses_the_fast_split(TickSource::Wall { interval_ms: 5 }, 3_600_000, in_steps);
    }
}

/// A split that is silent for good must not keep one that is read no further from going on.
#[test]
fn a_paused_split_goes_on_when_the_one_behind_falls_idle() {
    let rows = in_time(|| {
        let job = Job::new(|flow| {
            let config = MergeSplits { disorder_ms: 1_000, idle_after_ms: 500, held_rows_max: 4 };
            flow.channel_merged::<Row>("in", ChannelIn::default(), config).to_channel("out");
        });
        let clock = TickSource::Scaled { interval_ms: 10, start_ms: 0, speed: 5.0 };
        let mut running = job.ticks(clock).start().unwrap();
        let a = running.sender::<Row>("in").unwrap();
        let b = a.another_split();
        let out = running.receiver::<Row>("out").unwrap();
        b.send(vec![row(0, 0, 2)]).unwrap();
        // More rows within the disorder than may wait: only reading on moves the watermark past them.
        for n in 0..300 {
            a.send(vec![row(n * 10, 0, 1)]).unwrap();
        }
        drop(a);
        let first: Vec<Row> = (0..).map_while(|_| out.recv()).flat_map(|o| o.rows).take(301).collect();
        drop(b);
        running.wait().unwrap();
        first
    });
    assert!(rows.is_sorted_by_key(|r| r.at_ms), "in order all the same");
    assert_eq!(rows.len(), 301);
}

/// Silence means nothing while any of the merged splits is away, and they end together.
#[test]
fn the_merged_splits_are_frozen_and_end_as_one() {
    let (away, a_back, b_back) = (Arc::<Gate>::default(), Arc::<Gate>::default(), Arc::<Gate>::default());
    let _open = [&away, &a_back, &b_back].map(|gate| OpensAtEnd(gate.clone()));
    let script = |key: u32, back: &Arc<Gate>| {
        let one = |at_ms| Step::Rows(vec![row(at_ms, key, 0)]);
        let (wait, back) = (Step::Wait(away.clone()), Step::Wait(back.clone()));
        vec![Step::Idle, one(0), wait, Step::Retry, one(1), back, Step::Idle, one(2)]
    };
    let source = Scripted::endless(vec![("a", script(1, &a_back)), ("b", script(2, &b_back))]).any_split();
    let discovered = Arc::<Gate>::default();
    let _opens = OpensAtEnd(discovered.clone());
    source.discovery.lock().unwrap().push_back(Step::Wait(discovered.clone()));
    let job = Job::new(move |flow| {
        flow.channel::<Row>("clock").to_channel("clock out");
        let config = MergeSplits { disorder_ms: 0, ..MERGE };
        let lines = flow.source_merged("lines", source.clone(), Lines, config);
        lines.rows.key_by(|r| r.key).detect("silent", Silence { after_ms: 600 }).out.to_channel("out");
    });
    let mut running = job.ticks(BY_ROWS).start().unwrap();
    let clock = running.sender::<Row>("clock").unwrap();
    let ticked = running.receiver::<Row>("clock out").unwrap();
    let out = running.receiver::<Row>("out").unwrap();
    let advance = |to_ms: i64| {
        clock.send(vec![row(to_ms, 0, 0); if to_ms == 0 { 8 } else { 1 }]).unwrap();
        ticked.recv().unwrap();
    };
    let read = |rows: u64| assert!(settles(|| running.metrics().sources["lines"].read == rows));
    advance(0);
    discovered.open();
    read(2);
    away.open();
    read(4);
    advance(5_000);
    a_back.open();
    read(5);
    // `b` is still away, and any key may be waiting in it.
    advance(9_000);
    b_back.open();
    read(6);
    advance(9_500);
    advance(9_600);
    running.stop(support::SOON).unwrap();
    let silent: Vec<(i64, u32)> = rest(&out).iter().map(|r| (r.at_ms, r.key)).collect();
    assert_eq!(silent.len(), 2, "{silent:?}");
    assert!(silent.iter().all(|(at_ms, _)| *at_ms == 9_600), "{silent:?}");
}

/// Rows that wait for other splits are not acknowledged.
#[test]
fn rows_are_acknowledged_when_they_have_been_merged() {
    for end in [true, false] {
        let slow = Arc::new(Gate::default());
        let _opens = OpensAtEnd(slow.clone());
        let mut fast_steps = steps(1, &[0, 100, 200, 300], 2);
        fast_steps.extend([Step::Raw(vec!["garbage"]), Step::Raw(vec!["more"])]);
        let slow_steps =
            vec![Step::Rows(vec![row(0, 0, 2)]), Step::Wait(slow.clone()), Step::Rows(vec![row(220, 0, 2)])];
        let splits = vec![("fast", fast_steps), ("slow", slow_steps)];
        let source = if end { Scripted::bounded(splits) } else { Scripted::endless(splits) }.any_split();
        let of = source.clone();
        let job = Job::new(move |flow| flow.source_merged("lines", of.clone(), Lines, MERGE).rows.to_channel("out"));
        let mut running = job.ticks(TickSource::Scaled { interval_ms: 1, start_ms: 0, speed: 1e-9 }).start().unwrap();
        let out = running.receiver::<Row>("out").unwrap();
        assert!(settles(|| running.metrics().sources["lines"].read == 7));
        std::thread::sleep(std::time::Duration::from_millis(60));
        let durable = |name| {
            source.log().into_iter().rev().find_map(|done| match done {
                Done::Durable(of, upto) if of == name => Some(upto),
                _ => None,
            })
        };
        assert_eq!((durable("fast"), durable("slow")), (None, None), "all of them wait");
        slow.open();
        if end {
            assert_eq!(rest(&out).len(), 6);
            running.wait().unwrap();
        } else {
            // 220 less the disorder is past two rows of the first batch alone.
            assert!(settles(|| durable("fast") == Some(2)), "{:?}", source.log());
            running.drain(support::SOON).unwrap();
        }
        assert!(settles(|| (durable("fast"), durable("slow")) == (Some(6), Some(2))), "{:?}", source.log());
    }
}
