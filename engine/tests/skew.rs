//! Rows from the future: a device with a fast clock harms only itself.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use support::detectors::{Passes, Silence};
use support::{Row, STANDING, rest, row};
use watchfire_engine::{EventTime, Job, Metrics, OnSkew, Skewed, TickSource};

const BOUNDS: EventTime =
    EventTime { disorder_ms: 0, max_skew_ms: 1_000, on_skew: OnSkew::Divert, clock_wrong_after: 3 };

fn now_ms() -> i64 {
    let TickSource::Scaled { start_ms, .. } = STANDING else { panic!("the clock stands") };
    start_ms
}

/// Runs rows (event times relative to the standing clock) and gives what passed and what was skewed, in their order.
fn run(bounds: EventTime, rows: &[(i64, u32)], workers: usize) -> (Vec<(i64, u32)>, Vec<Skewed<Row>>, Metrics) {
    let job = Job::new(move |flow| {
        let keyed = flow.channel::<Row>("in").key_by(|r| r.key).event_time(bounds);
        let passed = keyed.detect("pass", Passes { gate: Default::default() });
        passed.out.to_channel("out");
        passed.skewed.to_channel("skewed");
    });
    let mut running = job.ticks(STANDING).workers(workers).start().unwrap();
    let sender = running.sender::<Row>("in").unwrap();
    let (out, skewed) = (running.receiver::<Row>("out").unwrap(), running.receiver("skewed").unwrap());
    sender.send(rows.iter().map(|(ahead_ms, key)| row(now_ms() + ahead_ms, *key, 0)).collect()).unwrap();
    drop(sender);
    let metrics = running.wait().unwrap();
    let passed = rest(&out).iter().map(|r| (r.at_ms - now_ms(), r.key)).collect();
    (passed, skewed.rows().collect(), metrics)
}

#[test]
fn rows_beyond_the_bound_are_diverted() {
    let rows =
        [(1_000, 1), (1_001, 1), (500, 2), (9_000_000, 1), (-9_000_000, 2), (i64::MAX - 2_000_000_000_000, 2), (7, 1)];
    for workers in [1, 2] {
        let (passed, skewed, metrics) = run(BOUNDS, &rows, workers);
        assert_eq!(passed, [(1_000, 1), (500, 2), (-9_000_000, 2), (7, 1)]);
        let ahead: Vec<(i64, u32)> = skewed.iter().map(|s| (s.ahead_ms, s.row.key)).collect();
        assert_eq!(ahead, [(1_001, 1), (9_000_000, 1), (i64::MAX - 2_000_000_000_000, 2)]);
        assert!(skewed.iter().all(|s| s.arrival_ms == now_ms() && !s.corrected && !s.clock_wrong));
        let book = &metrics.operators["pass"];
        assert_eq!((book.rows_in, book.skewed, book.detectors[0].applied), (7, 3, 4));
    }
}

#[test]
fn a_wrong_clock_is_marked_once_in_each_row_of_rows() {
    let ahead = 5_000;
    let rows = [
        (ahead, 1),
        (ahead, 2),
        (ahead, 1),
        (ahead, 1), // the third of key 1
        (ahead, 1),
        (ahead, 1),
        (0, 1),
        (ahead, 1),
        (ahead, 1),
        (0, 1),
        (ahead, 1),
        (ahead, 1),
        (ahead, 1), // the third again, after the clock was right
        (ahead, 2),
    ];
    for on_skew in [OnSkew::Divert, OnSkew::CorrectOffset] {
        let (_, skewed, _) = run(EventTime { on_skew, ..BOUNDS }, &rows, 1);
        let marked: Vec<u32> = skewed.iter().filter(|s| s.clock_wrong).map(|s| s.row.key).collect();
        assert_eq!(marked, [1, 1], "{on_skew:?}");
    }
}

#[test]
fn a_learned_offset_corrects_event_times() {
    let hour = 3_600_000;
    let bounds = EventTime { on_skew: OnSkew::CorrectOffset, clock_wrong_after: 100, ..BOUNDS };
    let rows = [(hour, 1), (hour + 400, 1), (300, 2), (hour + 900, 1), (600, 1), (2 * hour, 1), (2 * hour + 5, 1)];
    let (passed, skewed, metrics) = run(bounds, &rows, 1);
    // The first row sets the offset, those after it are as far apart as the device says, until one is right without.
    assert_eq!(passed, [(0, 1), (400, 1), (300, 2), (900, 1), (600, 1), (0, 1), (5, 1)]);
    let learned: Vec<(i64, bool)> = skewed.iter().map(|s| (s.ahead_ms, s.corrected)).collect();
    assert_eq!(learned, [(hour, true), (2 * hour, true)]);
    let book = &metrics.operators["pass"];
    assert_eq!((book.rows_in, book.skewed, book.detectors[0].applied), (7, 0, 7));
}

/// Ticks from the rows: a gap that all keys share is not a wrong clock of the first device that speaks after it.
#[test]
fn a_gap_that_all_keys_share_diverts_nothing() {
    let (minute, hour) = (60_000, 3_600_000);
    let ticks = TickSource::FromEvents { interval_ms: 100, max_jump_ms: hour };
    for (gap_ms, after) in [(30 * minute, 20), (10 * hour, 20), (10 * hour, 8)] {
        let mut rows: Vec<Row> = (0..20).map(|n| row(n * 100, n as u32 % 4, n)).collect();
        rows.extend((20..20 + after).map(|n| row(gap_ms + n * 100, n as u32 % 4, n)));
        for (workers, cut) in [(1, 100), (1, 1), (2, 7)] {
            let job = Job::new(move |flow| {
                let keyed = flow.channel::<Row>("in").key_by(|r| r.key).event_time(BOUNDS);
                let found = keyed.detect("silent", Silence { after_ms: 5_000 });
                found.out.to_channel("out");
                found.skewed.to_channel("skewed");
            });
            let mut running = job.ticks(ticks).workers(workers).start().unwrap();
            let sender = running.sender::<Row>("in").unwrap();
            let (out, skewed) = (running.receiver::<Row>("out").unwrap(), running.receiver("skewed").unwrap());
            rows.chunks(cut).for_each(|part| sender.send(part.to_vec()).unwrap());
            drop(sender);
            let skewed: Vec<Skewed<Row>> = skewed.rows().collect();
            assert_eq!(skewed, [], "{gap_ms} ms, {after} rows");
            let mut silent: Vec<(i64, u32)> = rest(&out).iter().map(|r| (r.at_ms, r.key)).collect();
            silent.sort_unstable();
            // All were silent in the gap; none is, that has spoken since.
            let first_ms = gap_ms + 2_000;
            assert_eq!(silent, [0, 1, 2, 3].map(|key| (first_ms, key)), "{gap_ms} ms, {after} rows");
            running.wait().unwrap();
        }
    }
}

/// One device is an hour ahead: it alone is diverted, whether it speaks first, in between or last.
#[test]
fn a_few_rows_from_the_future_do_not_move_the_clock() {
    let ticks = TickSource::FromEvents { interval_ms: 100, max_jump_ms: 60_000 };
    for at in [0, 3, 20, 40] {
        let mut rows: Vec<Row> = (0..40).map(|n| row(n * 100, 1, n)).collect();
        let wrong = (0..7).map(|n| row(3_600_000 + n, 2, n));
        rows.splice(at..at, wrong);
        let job = Job::new(|flow| {
            let keyed = flow.channel::<Row>("in").key_by(|r| r.key).event_time(BOUNDS);
            let passed = keyed.detect("pass", Passes { gate: Default::default() });
            passed.out.to_channel("out");
            passed.skewed.to_channel("skewed");
        });
        let mut running = job.ticks(ticks).start().unwrap();
        let sender = running.sender::<Row>("in").unwrap();
        let (out, skewed) = (running.receiver::<Row>("out").unwrap(), running.receiver("skewed").unwrap());
        sender.send(rows).unwrap();
        drop(sender);
        let skewed: Vec<u32> = skewed.rows().map(|s: Skewed<Row>| s.row.key).collect();
        assert_eq!((skewed, rest(&out).len()), (vec![2; 7], 40), "at {at}");
        let metrics = running.wait().unwrap();
        assert_eq!(metrics.sources["in"].read, 47);
    }
}
