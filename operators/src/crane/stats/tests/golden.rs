//! The golden cases, by the numbers beside them.

use watchfire_engine::{Change, Real};

use super::harness::{assert_same, batches, book, held, job, retractions, run, run_every_way};
use super::reference;
use crate::crane::{
    CraneReading, GOLDEN_START_MS, OverloadConfig, OverloadWindow, creep, late_burst, overload_windows, reeving_change,
    sparse_poll, sparse_poll_truth, steady_overload,
};
use crate::window::{Close, WindowRow};

type Row = WindowRow<u32, OverloadWindow>;

fn final_windows(readings: Vec<CraneReading>) -> Vec<Row> {
    let config = OverloadConfig::default();
    let expected = reference::windows(&config, &book(), &readings);
    let job = job(move || overload_windows(&config, book()).unwrap(), 5_000, 1_000);
    let rows = held(run_every_way::<Change<Row>>(&job, batches(readings, &[7, 300]), 1).out);
    assert_same(&rows, &expected);
    rows
}

/// The window that starts so many milliseconds after the case does.
fn starting(rows: &[Row], after_ms: i64) -> &OverloadWindow {
    &rows.iter().find(|row| row.span.start_ms == GOLDEN_START_MS + after_ms).unwrap().value
}

#[test]
fn case_1_creep() {
    let rows = final_windows(creep());
    let window = starting(&rows, 0);
    // 30 s of readings; the last one counts on for 3 s. Thresholds are met at 12.4, 16.5, 18.5 and 20.5 s.
    assert_eq!(window.latest.readings, 300);
    assert_eq!(window.covered_ms, 32_900);
    for (above_ms, met_ms) in window.latest.above_ms.into_iter().zip([12_400, 16_500, 18_500, 20_500]) {
        assert!((above_ms - (32_900 - met_ms)).abs() <= 200, "{above_ms} from {met_ms}");
    }
    assert_eq!(window.latest.max_at_ms, Some(GOLDEN_START_MS + 24_000));
}

#[test]
fn case_2_steady_overload() {
    let rows = final_windows(steady_overload());
    let window = starting(&rows, 0);
    assert_eq!(window.latest.readings, 550);
    assert_eq!(window.latest.above_ms, [40_000, 40_000, 0, 0]);
    assert_eq!(window.latest.max_utilisation, Real::new(1.025_641).ok());
    assert_eq!(window.latest.max_at_ms, Some(GOLDEN_START_MS + 5_000));
    assert_eq!((window.covered_ms, window.unknown_ms), (57_900, 0));
    let mean = (15_000.0 * 200.0 / 3_510.0 + 2_900.0 * 200.0 / 3_510.0 + 40_000.0 * 3_600.0 / 3_510.0) / 57_900.0;
    assert!((window.latest.mean_utilisation.unwrap().get() - mean).abs() < 1e-6);
}

#[test]
fn case_6_reeving_change() {
    let rows = final_windows(reeving_change());
    let window = starting(&rows, 0);
    assert_eq!(window.reeving_changes(), 1);
    let (before, after) = (&window.earlier[0], &window.latest);
    assert_eq!((before.reeving, before.readings, before.above_ms), (4, 300, [0; 4]));
    assert_eq!((after.reeving, after.readings, after.from_ms), (2, 300, GOLDEN_START_MS + 30_000));
    assert_eq!(after.above_ms, [30_000; 4]);
    assert_eq!(before.mean_utilisation, Real::new(0.644_567).ok());
    assert_eq!(after.mean_utilisation, Real::new(1.166_667).ok());
    assert_eq!(window.coverage.get(), 1.0);
    assert!(window.reaches(3) && window.stretches().count() == 2);
    assert_eq!(starting(&rows, 30_000).reeving_changes(), 0);
    assert!(rows.iter().flat_map(|row| row.value.stretches()).all(|s| s.readings <= 300));
}

#[test]
fn case_7_sparse_poll() {
    let rows = final_windows(sparse_poll());
    for after_ms in (0..540_000).step_by(10_000) {
        let window = starting(&rows, after_ms);
        // Two polls speak for three seconds each.
        assert_eq!((window.latest.readings, window.covered_ms), (2, 6_000));
        assert_eq!(window.coverage.get(), 0.1);
        assert_eq!(window.latest.above_ms, [0; 4]);
    }
    let truth = final_windows(sparse_poll_truth());
    assert_eq!(starting(&truth, 300_000).latest.above_ms, [5_000, 5_000, 5_000, 0]);
    assert_eq!(starting(&truth, 300_000).coverage.get(), 1.0);
}

#[test]
fn case_8_late_burst() {
    let close = Close::Provisional { after_quiet_ms: 60_000, every_ms: 1_000, allowed_lateness_ms: 7_200_000 };
    let corrected = move || overload_windows(&OverloadConfig::default(), book()).unwrap().close(close);
    let (ran, _) = run::<Change<Row>>(&job(corrected, 5_000, 1_000), batches(late_burst(), &[4_096]));
    assert!(ran.late.is_empty());
    let mut sorted = late_burst();
    sorted.reverse();
    let plain = || overload_windows(&OverloadConfig::default(), book()).unwrap();
    let (expected, _) = run::<Change<Row>>(&job(plain, 5_000, 1_000), batches(sorted, &[4_096]));
    let retracted = retractions(&ran.out);
    let rows = held(ran.out);
    assert_same(&rows, &held(expected.out));
    let seconds: i64 = rows.iter().map(|row| row.value.latest.above_ms[2]).sum();
    // Twelve overloads of 20 s, each in all windows that touch it: 60 s of windows over every millisecond.
    assert_eq!(seconds, 12 * 20_000 * 6);
    println!("late burst: {} windows, {retracted} retractions", rows.len());
}
