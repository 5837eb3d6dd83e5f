//! Random readings in random order, in random batches and epochs, on one to four workers.

use proptest::prelude::*;
use watchfire_engine::Change;

use super::harness::{assert_same, batches, book, held, job, readings, run, run_every_way, shuffled};
use super::reference;
use crate::crane::{CraneReading, CraneStats, OverloadConfig, OverloadWindow, overload_windows};
use crate::window::{Close, Sliding, WindowRow};

type Row = Change<WindowRow<u32, OverloadWindow>>;

/// A small clock, so that the reference can ask every millisecond.
fn config(size_ms: i64, slide_ms: i64) -> OverloadConfig {
    OverloadConfig { size_ms, slide_ms, max_gap_ms: 30, ..OverloadConfig::default() }
}

fn windows(config: &OverloadConfig, close: Close) -> Sliding<u32, CraneStats> {
    overload_windows(config, book()).unwrap().close(close)
}

fn orders() -> impl Strategy<Value = (Vec<i64>, Vec<usize>, u64)> {
    (prop::collection::vec(0i64..10_000, 1..50), prop::collection::vec(1usize..60, 1..8), any::<u64>())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn in_any_order_within_the_bound(
        rows in readings(1..160, 20),
        (jitter, lengths, seed) in orders(),
        (size_ms, slide_ms) in prop_oneof![Just((300, 50)), Just((120, 120)), Just((210, 90))],
    ) {
        let config = config(size_ms, slide_ms);
        let expected = reference::windows(&config, &book(), &rows);
        let arrived = shuffled(rows, &jitter, 70);
        let at = config.clone();
        let ran = run_every_way::<Row>(&job(move || windows(&at, Close::Final), 70, 50), batches(arrived, &lengths), seed);
        prop_assert!(ran.late.is_empty());
        assert_same(&held(ran.out), &expected);
    }

    #[test]
    fn in_any_order_with_corrections(rows in readings(1..120, 20), (jitter, lengths, seed) in orders()) {
        let config = config(300, 50);
        let close = Close::Provisional { after_quiet_ms: 200, every_ms: 100, allowed_lateness_ms: 3_000 };
        let expected = reference::windows(&config, &book(), &rows);
        let arrived = shuffled(rows, &jitter, 2_900);
        let at = config.clone();
        let ran = run_every_way::<Row>(&job(move || windows(&at, close), 10, 50), batches(arrived, &lengths), seed);
        prop_assert!(ran.late.is_empty());
        assert_same(&held(ran.out), &expected);
    }
}

#[test]
fn a_reading_that_says_the_same_of_the_load_is_a_duplicate_and_a_similar_one_is_not() {
    let one = CraneReading::new(1, 1_000, 3_000.0, 20.0, 4);
    let windy = CraneReading { wind_mps: Some(3.0), ..one.clone() };
    let lighter = CraneReading { load_kg: 2_999.0, ..one.clone() };
    let job = job(|| windows(&OverloadConfig::default(), Close::Final), 5_000, 1_000);
    let (ran, _) = run::<Row>(&job, vec![vec![one.clone(), lighter.clone(), one, windy, lighter]]);
    let books = ran.metrics.operators["crane"].detectors[0];
    assert_eq!((books.applied, books.duplicate, books.late), (2, 3, 0));
}

#[test]
fn a_reading_of_a_shut_pane_is_late() {
    let at = |at_ms| CraneReading::new(1, at_ms, 3_000.0, 20.0, 4);
    let job = job(|| windows(&OverloadConfig::default(), Close::Final), 0, 1_000);
    let (ran, _) = run::<Row>(&job, vec![vec![at(1_000), at(9_999), at(10_000), at(9_998)]]);
    assert_eq!(ran.late, [at(9_998)]);
}

#[test]
fn numbers_that_are_not_finite_are_counted_as_unknown() {
    let broken = CraneReading::new(1, 1_000, f64::NAN, 20.0, 4);
    let job = job(|| windows(&OverloadConfig::default(), Close::Final), 0, 1_000);
    let (ran, _) = run::<Row>(&job, vec![vec![broken, CraneReading::new(1, 1_000, 9.0, f64::INFINITY, 4)]]);
    let Change::Insert(row) = &ran.out[0] else { panic!("no window") };
    assert_eq!((row.value.latest.readings, row.value.latest.unknown_readings), (2, 1));
    assert_eq!(row.value.latest.beyond_jib_readings, 1);
}
