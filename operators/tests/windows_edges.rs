//! Windows where it is narrow: many panes, odd lengths, far times, ended and merged splits, books.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::time::{Duration, Instant};

use proptest::prelude::*;
use support::aggregates::{Ids, Integral, ids, integral};
use support::draw::walks;
use support::model::{Model, same};
use support::{Feed, Reading, Setting, batches, books_balance, job, readings, run, run_all_ways};
use watchfire_engine::{Change, EventTime, Job, MergeSplits, OnSkew, TickSource};
use watchfire_operators::window::{Close, Sessions, Sliding, TIME_MAX_MS, WindowRow, count};

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
/// The first milliseconds of the years 1 and 9999.
const YEAR_1_MS: i64 = -62_135_596_800_000;
const YEAR_9999_MS: i64 = 253_370_764_800_000;

fn sliding(setting: Setting, size_ms: i64, slide_ms: i64, close: Close) -> Job {
    job(setting, move || Sliding::new(size_ms, slide_ms, Ids).unwrap().close(close))
}

/// The spans and rows that were inserted, in order; nothing may have been retracted.
fn inserted(changes: Vec<Change<WindowRow<u32, Vec<u32>>>>) -> Vec<(i64, i64, Vec<u32>)> {
    let tell = |change| match change {
        Change::Insert(WindowRow { span, value, .. }) => (span.start_ms, span.end_ms, value),
        Change::Retract(row) => panic!("{row:?} is retracted"),
    };
    changes.into_iter().map(tell).collect()
}

proptest! {
    #![proptest_config(support::cases(6))]

    /// An hour every second is 3,600 panes in a tree, and gives what the rows give.
    #[test]
    fn an_hour_every_second_is_the_reference(
        offsets in prop::collection::vec(0i64..20_000, 1..12), lateness_s in 0i64..5, which in 0usize..3,
    ) {
        let close = [
            Close::Final,
            Close::Hold { max_ms: 5_000 },
            Close::Provisional { after_quiet_ms: 3_000, every_ms: 0, allowed_lateness_ms: lateness_s * 1_000 },
        ][which];
        let model = Model { size_ms: HOUR_MS, slide_ms: 1_000, disorder_ms: 3_000, close, shut: false, value: ids };
        let ran = run_all_ways(&sliding(Setting::disorder(3_000), HOUR_MS, 1_000, close), &batches(&readings(1, &offsets), 5), 1);
        model.check(&ran);
    }
}

proptest! {
    #![proptest_config(support::cases(16))]

    /// Windows of as many panes as a flat ring holds, and of just more, over the same rows.
    #[test]
    fn trees_and_flat_rings_are_the_same(rows in walks(), slide_ms in 1i64..60, more in 1i64..3, seed in 0u64..100) {
        for panes in [5, 6, 6 + more] {
            let close = Close::Provisional { after_quiet_ms: 2_000, every_ms: 500, allowed_lateness_ms: 300 };
            let (size_ms, shut, value) = (panes * slide_ms, true, integral as support::model::Value<_>);
            let model = Model { size_ms, slide_ms, disorder_ms: 100, close, shut, value };
            let detector = move || Sliding::new(size_ms, slide_ms, Integral).unwrap().close(close);
            model.check(&run_all_ways(&job(Setting::disorder(100), detector), &batches(&rows, 25), seed));
        }
    }

    /// Three splits feed every key; merged they are one.
    #[test]
    fn merged_splits_are_one_sorted_split(
        rows in walks(), picks in prop::collection::vec(0usize..3, 1..40), batch in 1usize..9, which in 0usize..4,
    ) {
        let mut sorted = rows;
        sorted.sort_by_key(|row| (row.at_ms, row.id % 3, row.id));
        let close = [
            Close::Final,
            Close::Hold { max_ms: 4_000 },
            Close::Provisional { after_quiet_ms: 2_000, every_ms: 500, allowed_lateness_ms: 300 },
            Close::Final,
        ][which];
        let flow = move |setting: Setting| match which {
            3 => job(setting, || Sessions::new(150, Ids).unwrap()),
            _ => sliding(setting, 350, 100, close),
        };
        let merge = MergeSplits { disorder_ms: 0, idle_after_ms: i64::MAX, ..MergeSplits::default() };
        let merged = flow(Setting { merge: Some(merge), ..Setting::disorder(0) });
        let mut queues: Vec<Vec<Feed>> = (0..3u32)
            .map(|split| {
                let own: Vec<Reading> = sorted.iter().filter(|row| row.id % 3 == split).copied().collect();
                own.chunks(batch).rev().map(|part| Feed::Rows(split, part.to_vec())).collect()
            })
            .collect();
        let mut feeds = Vec::new();
        for pick in picks.iter().cycle().copied().chain(0..3).take(400).chain((0..3).cycle().take(600)) {
            feeds.extend(queues[pick].pop());
        }
        let in_pieces = run_all_ways::<Vec<u32>>(&merged, &feeds, 7);
        let at_once = run::<Vec<u32>>(&flow(Setting::disorder(0)), &batches(&sorted, 4_096));
        same(&in_pieces.log, &at_once.log, "the log of the merged splits");
        same(&in_pieces.late, &at_once.late, "the late rows of the merged splits");
        prop_assert!(in_pieces.late.is_empty() || which == 1);
    }
}

#[test]
fn odd_lengths_have_panes_of_their_common_divisor() {
    for (size_ms, slide_ms) in [(7, 3), (1_001, 1_000), (90, 60), (1, 1), (2, 1)] {
        let times = [-7, -6, -1, 0, 1, 2, 3, 5, 6, 7, 8, 59, 60, 61, 999, 1_000, 1_001, 2_001];
        let model = Model { size_ms, slide_ms, disorder_ms: 3, close: Close::Final, shut: false, value: ids };
        let job = sliding(Setting::disorder(3), size_ms, slide_ms, Close::Final);
        let ran = run_all_ways(&job, &batches(&readings(1, &times), 4), 9);
        model.check(&ran);
        same(&ran.consolidated(), &model.of_all(&readings(1, &times)), "windows of all rows");
    }
}

#[test]
fn a_row_in_time_that_fills_a_gap_is_in_its_window() {
    // The watermark has passed empty windows, and the next row kept lies far ahead: what comes between is not late.
    let times = [0, 105, 125, 30, 300];
    let ran =
        run_all_ways(&sliding(Setting::disorder(100), 10, 10, Close::Final), &batches(&readings(1, &times), 1), 0);
    assert_eq!(ran.late, []);
    let expected = [(0, 10, 0), (30, 40, 3), (100, 110, 1), (120, 130, 2), (300, 310, 4)];
    assert_eq!(inserted(ran.changes()), expected.map(|(from, to, id)| (from, to, vec![id])));
}

/// A minute every second, over rows that leap by days, centuries and millennia: nothing loops over what is empty.
#[test]
fn empty_stretches_cost_nothing() {
    let times = [YEAR_1_MS, 0, 5 * DAY_MS, 5 * DAY_MS + 500, 400 * DAY_MS, YEAR_9999_MS, YEAR_9999_MS + 40 * DAY_MS];
    let closes = [
        Close::Final,
        Close::Hold { max_ms: 10_000 },
        Close::Provisional { after_quiet_ms: 10_000, every_ms: 0, allowed_lateness_ms: 20_000 },
    ];
    for close in closes {
        let clock = Instant::now();
        let feeds = batches(&readings(1, &times), 2);
        let ran = run::<Vec<u32>>(&sliding(Setting::disorder(5_000), 60_000, 1_000, close), &feeds);
        let took = clock.elapsed();
        // Six times sixty windows, and one more second where two rows share them.
        let windows = inserted(ran.changes());
        assert_eq!((windows.len(), ran.late.len()), (360, 0), "{close:?}");
        assert_eq!((windows[0].0, windows[0].1), (YEAR_1_MS - 59_000, YEAR_1_MS + 1_000));
        assert!(took < Duration::from_secs(2), "{close:?} took {took:?}");
        let ran = run::<Vec<u32>>(
            &job(Setting::disorder(5_000), move || Sessions::new(60_000, Ids).unwrap().close(close)),
            &feeds,
        );
        assert_eq!(inserted(ran.changes()).len(), 6, "{close:?}");
    }
}

/// Times at the ends of the number range: no overflow, no endless loop, and every row is accounted for.
#[test]
fn hostile_times_are_late_and_do_no_harm() {
    let closes = [
        Close::Final,
        Close::Hold { max_ms: 1_000 },
        Close::Provisional { after_quiet_ms: 1_000, every_ms: 0, allowed_lateness_ms: 5_000 },
        Close::Provisional { after_quiet_ms: i64::MAX, every_ms: i64::MAX, allowed_lateness_ms: i64::MAX },
    ];
    let mut turn = 0;
    for close in closes {
        for bad in [i64::MIN, i64::MIN + 1, -TIME_MAX_MS - 1, TIME_MAX_MS + 1, i64::MAX - 1, i64::MAX] {
            for times in [[bad, 1_000, 2_000], [1_000, bad, 2_000], [1_000, 2_000, bad]] {
                turn += 1;
                hostile_row_is_late(close, bad, &times, turn);
            }
        }
    }
}

/// Before the first tick no row is from the future, so it is the windows that must stand it.
fn hostile_row_is_late(close: Close, bad: i64, times: &[i64], turn: usize) {
    let rows = readings(1, times);
    let setting = Setting::disorder([0, 5_000][turn / 3 % 2]);
    let job = match turn % 3 {
        0 => sliding(setting, 1_000, 1_000, close),
        1 => sliding(setting, 40_000, 1_000, close),
        _ => job(setting, move || Sessions::new(700, Ids).unwrap().close(close)),
    };
    let ran = run::<Vec<u32>>(&job, &batches(&rows, 2));
    books_balance(&ran);
    let late = ran.late_of(1);
    let held: Vec<u32> = ran.consolidated().into_iter().flat_map(|(row, _)| row.value).collect();
    for row in &rows {
        assert!(row.at_ms != bad || late.contains(&row.id), "{close:?} {times:?}");
        assert!(held.contains(&row.id) != late.contains(&row.id), "{close:?} {times:?} {held:?} {late:?}");
    }
}

#[test]
fn lengths_that_cannot_be_are_refused() {
    for (size_ms, slide_ms) in
        [(0, 1), (1, 0), (-5, -5), (10, 20), (i64::MAX, i64::MAX), (1 << 52, 1), (1 << 53, 1 << 53)]
    {
        assert_eq!(Sliding::<u32, _>::new(size_ms, slide_ms, count::<u8>()).unwrap_err().code(), "E0121");
    }
    for gap_ms in [0, -1, i64::MAX] {
        assert_eq!(Sessions::<u32, _>::new(gap_ms, count::<u8>()).unwrap_err().code(), "E0122");
    }
}

/// Split 1 ends and its windows leave; split 2 goes on with the key.
fn ended_and_fed_again(close: Close, first: &[i64], awaited: usize, then: &[i64]) -> support::Ran<Vec<u32>> {
    let all = readings(1, &[first, then].concat());
    let (first, then) = all.split_at(first.len());
    let feeds =
        [begins(), Feed::Rows(1, first.to_vec()), Feed::End(1), Feed::Await(awaited), Feed::Rows(2, then.to_vec())];
    of_key_1(run_all_ways(&sliding(Setting::disorder(10_000), 1_000, 1_000, close), &feeds, 3))
}

/// Rows of another key, by split 2: so many begin the clock.
fn begins() -> Feed {
    Feed::Rows(2, readings(9, &[0; 8]))
}

fn of_key_1<V>(mut ran: support::Ran<V>) -> support::Ran<V> {
    ran.log.retain(|seen| !matches!(seen, support::Seen::Change(change) if change.row().key != 1));
    ran.late.retain(|late| late.row.key == 1);
    ran
}

#[test]
fn a_key_that_goes_on_in_another_split_is_not_late() {
    for close in [Close::Final, Close::Hold { max_ms: 60_000 }] {
        let ran = ended_and_fed_again(close, &[500, 1_500], 2, &[2_500, 12_500, 3_500, 1_700, 900]);
        let expected = [(0, 0), (1_000, 1), (2_000, 2), (3_000, 4), (12_000, 3)];
        assert_eq!(inserted(ran.changes()), expected.map(|(from, id)| (from, from + 1_000, vec![id])));
        // Those windows have left, once and for all.
        assert_eq!(ran.late_of(1), [5, 6]);
    }
    // What left as provisional can be corrected, as far as the watermark allows.
    let close = Close::Provisional { after_quiet_ms: 60_000, every_ms: 0, allowed_lateness_ms: 1_000 };
    let ran = ended_and_fed_again(close, &[500, 1_500], 2, &[12_500, 1_700, 900, 30_000]);
    assert_eq!(ran.late_of(1), [4]);
    let held: Vec<_> = ran.consolidated().into_iter().map(|(row, n)| (row.span.start_ms, row.value, n)).collect();
    let expected = [(0, vec![0]), (1_000, vec![1, 3]), (12_000, vec![2]), (30_000, vec![5])];
    assert_eq!(held, expected.map(|(from, ids)| (from, ids, 1)));
}

#[test]
fn a_session_that_goes_on_in_another_split_is_not_late() {
    let all = readings(1, &[0, 50, 90, 400, 20_000]);
    let feeds = |rest: &[Reading]| {
        [begins(), Feed::Rows(1, all[..2].to_vec()), Feed::End(1), Feed::Await(1), Feed::Rows(2, rest.to_vec())]
    };
    let flow = |close| job(Setting::disorder(10_000), move || Sessions::new(100, Ids).unwrap().close(close));
    let ran = of_key_1(run_all_ways::<Vec<u32>>(&flow(Close::Final), &feeds(&all[2..]), 1));
    assert_eq!(inserted(ran.changes()), [(0, 150, vec![0, 1]), (400, 500, vec![3]), (20_000, 20_100, vec![4])]);
    assert_eq!(ran.late_of(1), [2]);
    let close = Close::Provisional { after_quiet_ms: 60_000, every_ms: 0, allowed_lateness_ms: 0 };
    let ran = of_key_1(run_all_ways::<Vec<u32>>(&flow(close), &feeds(&all[2..]), 1));
    let held: Vec<_> = ran.consolidated().into_iter().map(|(row, n)| (row.span.end_ms, row.value, n)).collect();
    assert_eq!(held, [(190, vec![0, 1, 2], 1), (500, vec![3], 1), (20_100, vec![4], 1)]);
    assert_eq!(ran.late, []);
}

#[test]
fn a_device_that_spoke_with_the_first_tick_is_not_silent() {
    // Silence is measured from there, not from the beginning of time.
    let rows = readings(1, &[100, 200, 300, 400, 500, 600, 700, 800, 850, 900, 950, 2_100]);
    let close = Close::Hold { max_ms: 5_000 };
    let ran = run_all_ways(&sliding(Setting::disorder(500), 1_000, 1_000, close), &batches(&rows, 3), 6);
    assert_eq!(ran.late, []);
    assert_eq!(inserted(ran.changes()), [(0, 1_000, (0..11).collect()), (2_000, 3_000, vec![11])]);
}

#[test]
fn a_held_window_closes_with_the_first_tick_after_its_time() {
    let mut rows: Vec<Reading> = readings(2, &(0..40).map(|n| 250 * n).collect::<Vec<_>>());
    rows.insert(12, Reading { key: 1, at_ms: 2_800, value: 0, id: 900 });
    let close = Close::Hold { max_ms: 2_500 };
    let model = Model { size_ms: 60_000, slide_ms: 60_000, disorder_ms: 5_000, close, shut: false, value: ids };
    let ran = run_all_ways(&sliding(Setting::disorder(5_000), 60_000, 60_000, close), &batches(&rows, 7), 8);
    model.check(&ran);
    // Heard after the tick at 2,000, silent for 2,500: the tick at 5,000 is the first to show it.
    let causes = support::model::causes(ran.log_of(1));
    let closing = causes.iter().find(|(_, changes)| !changes.is_empty()).map(|(cause, _)| cause.clone());
    assert_eq!(closing, Some(support::Seen::Tick(5_000)));
}

/// Late, duplicate, skewed and corrected rows: each is counted once, and those turned away are in their outputs.
#[test]
fn every_row_is_in_the_books() {
    let mut rows = readings(1, &(0..40).map(|n| 250 * n).collect::<Vec<_>>());
    rows.push(rows[39]);
    rows.extend([(1, 900), (2, 9_000_000), (2, 9_800), (2, 9_900_000), (1, 9_990)].map(|(key, at_ms)| {
        let id = 100 + (at_ms % 97) as u32;
        Reading { key, at_ms, value: 0, id }
    }));
    let ticks = TickSource::FromEvents { interval_ms: 1_000, max_jump_ms: 60_000 };
    for on_skew in [OnSkew::Divert, OnSkew::CorrectOffset] {
        let bounds = EventTime { disorder_ms: 500, max_skew_ms: 30_000, on_skew, clock_wrong_after: 5 };
        let setting = Setting { bounds, ticks, ..Setting::disorder(500) };
        let ran = run_all_ways::<Vec<u32>>(&sliding(setting, 1_000, 1_000, Close::Final), &batches(&rows, 6), 4);
        let books = &ran.metrics.operators["windows"];
        let of = books.detectors[0];
        assert_eq!((books.rows_in, of.duplicate, of.late, books.out_of_bound, books.keys), (46, 1, 1, 0, 2));
        assert_eq!(ran.late_of(1), [100 + 900 % 97]);
        match on_skew {
            OnSkew::Divert => assert_eq!((books.skewed, ran.skewed.len(), of.applied), (2, 2, 42)),
            OnSkew::CorrectOffset => assert_eq!((books.skewed, of.applied), (0, 44)),
        }
    }
}

#[test]
fn rows_out_of_their_splits_order_are_in_the_books_of_a_merge() {
    let merge = MergeSplits { disorder_ms: 100, idle_after_ms: i64::MAX, ..MergeSplits::default() };
    let setting = Setting { merge: Some(merge), ..Setting::disorder(100) };
    let (a, b) = (readings(1, &[0, 1_000, 500, 3_000]), readings(2, &[100, 900, 2_500, 2_450]));
    let feeds = [Feed::Rows(0, a), Feed::Rows(1, b)];
    let ran = run_all_ways::<Vec<u32>>(&sliding(setting, 1_000, 1_000, Close::Final), &feeds, 2);
    let books = &ran.metrics.operators["windows"];
    assert_eq!((books.rows_in, books.out_of_bound, books.detectors[0].late), (8, 1, 0));
    assert_eq!((ran.late_of(1), ran.late_of(2)), (vec![2], vec![]));
}
