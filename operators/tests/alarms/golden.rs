//! The golden cases of the crane flow: right answers that are known beforehand.

use super::*;
use watchfire_operators::crane::{
    CraneAlarmConfig, GOLDEN_CRANE, GOLDEN_START_MS, chatter, crane_alarms, creep, late_burst, reeving_change, snatch,
    snatch_near_limit, sparse_poll, steady_overload,
};

fn crane_job(config: CraneAlarmConfig) -> Job {
    let book = book();
    Job::new(move |flow| {
        let alarms = crane_alarms(book.clone(), config.clone()).unwrap();
        let detected = flow.channel::<CraneReading>("readings").key_by(|r| r.crane).detect("overload", alarms);
        detected.out.to_channel("alarms");
        detected.late.to_channel("late");
    })
    .ticks(TICKS)
}

fn case(rows: Vec<CraneReading>) -> Vec<AlarmChange> {
    let (out, metrics) = run(&crane_job(CraneAlarmConfig::default()), "readings", rows);
    let books = &metrics.operators["overload"];
    let book = books.detectors[0];
    assert_eq!(books.rows_in, book.applied + book.late + book.duplicate + books.skewed);
    assert!(out.iter().all(|alarm| *alarm.key() == GOLDEN_CRANE));
    out.into_iter().filter_map(Alarm::into_change).collect()
}

/// Seconds since the begin of the case at which the severity was first reached.
fn first_s(changes: &[AlarmChange], severity: Severity) -> Option<f64> {
    first_ms(changes, severity).map(|at_ms| (at_ms - GOLDEN_START_MS) as f64 / 1_000.0)
}

fn near(found_s: Option<f64>, expected_s: f64) {
    let found_s = found_s.expect("raised");
    assert!((found_s - expected_s).abs() <= 0.2, "{found_s} s is not near {expected_s} s");
}

/// How often this severity or a worse one was reached from below it.
fn raised(changes: &[AlarmChange], severity: Severity) -> usize {
    changes.iter().filter(|c| c.severity >= Some(severity) && c.previous < Some(severity)).count()
}

#[test]
fn case_1_the_trolley_creeps_out() {
    let changes = case(creep());
    near(first_s(&changes, Severity::PreWarn), 15.4);
    near(first_s(&changes, Severity::Alarm), 18.0);
    near(first_s(&changes, Severity::Critical), 21.0);
    assert_eq!(raised(&changes, Severity::Alarm), 1);
    // What was on at the end of the input stays on: the end is no evidence.
    assert_eq!(changes.last().unwrap().severity, Some(Severity::Critical));
    let ids: Vec<String> = changes.iter().map(|c| c.id.clone().with_key(GOLDEN_CRANE).to_string()).collect();
    let expected: Vec<String> = (0..changes.len()).map(|n| format!("crane_overload/1/1/{n}")).collect();
    assert_eq!(ids, expected);
}

#[test]
fn case_2_a_steady_overload_is_one_alarm_and_no_violation() {
    let changes = case(steady_overload());
    assert_eq!((raised(&changes, Severity::Alarm), raised(&changes, Severity::Violation)), (1, 0));
    near(first_s(&changes, Severity::Alarm), 6.5);
    let down = changes.iter().find(|c| c.kind == ChangeKind::Deescalated).unwrap();
    near(down.at_event_ms.map(|at_ms| (at_ms - GOLDEN_START_MS) as f64 / 1_000.0), 50.0);
}

#[test]
fn case_3_a_snatch_is_one_warning() {
    let changes = case(snatch());
    assert_eq!((raised(&changes, Severity::PreWarn), raised(&changes, Severity::Alarm)), (1, 0));
    near(first_s(&changes, Severity::PreWarn), 8.0);
}

#[test]
fn case_4_a_snatch_near_the_limit_is_no_violation() {
    let changes = case(snatch_near_limit());
    assert_eq!((raised(&changes, Severity::PreWarn), raised(&changes, Severity::Alarm)), (1, 0));
}

#[test]
fn case_5_chatter_is_at_most_one_alarm_and_one_clear() {
    let changes = case(chatter());
    assert!(raised(&changes, Severity::Alarm) <= 1);
    assert!(changes.iter().filter(|c| c.kind == ChangeKind::Cleared).count() <= 1);
    assert_eq!(raised(&changes, Severity::PreWarn), 1);
}

#[test]
fn case_6_a_reeving_change_raises() {
    let changes = case(reeving_change());
    assert_eq!(changes[0].at_event_ms, Some(GOLDEN_START_MS + 30_500));
    near(first_s(&changes, Severity::Critical), 30.5);
    // Nothing of the time with four falls counts: the peak is that of two.
    assert_eq!(changes[0].peak, Some(3_500.0 / 3_000.0));
}

#[test]
fn case_7_a_sparse_poll_cannot_clear_and_says_what_it_does_not_know() {
    let changes = case(sparse_poll());
    assert!(changes.iter().all(|c| c.severity < Some(Severity::Alarm)));
    // Every gap of 30 s is longer than the 10 s after which nothing is known.
    assert!(changes.iter().filter(|c| c.kind == ChangeKind::UnknownRaised).count() >= 1, "{:?}", kinds(&changes));
}

#[test]
fn case_8_a_reversed_burst_loses_no_violation() {
    let mut rows = vec![at_ratio(GOLDEN_CRANE, GOLDEN_START_MS + 7_200_000, 0.6)];
    rows.extend(late_burst());
    let changes = case(rows);
    // All of it is late, so each may raise and none may lower: the first violation is told, and stays on.
    let worst = changes.iter().filter(|c| c.severity >= Some(Severity::Violation)).count();
    assert!(worst >= 1, "{:?}", kinds(&changes));
    assert!(changes.iter().all(|c| !matches!(c.kind, ChangeKind::Cleared | ChangeKind::Deescalated)));
}

#[test]
fn what_has_no_limit_is_unknown_and_beyond_the_jib_is_critical() {
    let stray = |crane, radius_m, reeving| -> Vec<CraneReading> {
        let times = (GOLDEN_START_MS..GOLDEN_START_MS + 12_000).step_by(100);
        times.map(|at_ms| CraneReading::new(crane, at_ms, 500.0, radius_m, reeving)).collect()
    };
    let unknown = [(99, 20.0, 4), (GOLDEN_CRANE, 20.0, 3), (GOLDEN_CRANE, f64::NAN, 4)];
    for (crane, radius_m, reeving) in unknown {
        let (out, _) = run(&crane_job(CraneAlarmConfig::default()), "readings", stray(crane, radius_m, reeving));
        let changes: Vec<AlarmChange> = out.into_iter().filter_map(Alarm::into_change).collect();
        assert_eq!(kinds(&changes), [(ChangeKind::UnknownRaised, Some(Severity::Unknown))]);
    }
    let changes = case(stray(GOLDEN_CRANE, 50.1, 4));
    assert_eq!(kinds(&changes), [(ChangeKind::Raised, Some(Severity::Critical))]);
    assert_eq!((changes[0].at_event_ms, changes[0].peak), (Some(GOLDEN_START_MS + 500), Some(f64::MAX)));
}
