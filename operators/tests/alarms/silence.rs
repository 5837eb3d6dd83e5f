//! Silence, rows out of order, repeats, and clocks that stand still.

use super::*;
use watchfire_operators::alarm::UnknownCause;
use watchfire_operators::alarm::Why;

/// Crane 2 keeps the clock going while crane 1 does what the test is about.
fn beside(rows: Vec<CraneReading>, until_ms: i64) -> Vec<SiteRow> {
    let beats = (0..=until_ms).step_by(100).map(|at_ms| SiteRow::Beat { at_ms });
    in_order(readings(rows).into_iter().chain(beats).collect())
}

#[test]
fn a_silent_crane_becomes_unknown_and_comes_back() {
    let mut rows = steady(1, 0, 20_000, 0.3);
    rows.extend(steady(1, 50_000, 55_000, 0.3));
    let (changes, _) = run_site(beside(rows, 60_000));
    assert_eq!(
        kinds(&changes),
        [(ChangeKind::UnknownRaised, Some(Severity::Unknown)), (ChangeKind::UnknownCleared, None),]
    );
    // Last heard at 19.9 s; 10 s later it is told, at the tick.
    assert!(matches!(changes[0].why, Why::Unknown { cause: UnknownCause::Silent, for_ms: 10_000 }), "{:?}", changes[0]);
    assert_eq!((changes[0].at_event_ms, changes[1].at_event_ms), (None, Some(50_000)));
    assert!((29_800..=30_000).contains(&changes[0].at_arrival_ms), "{}", changes[0].at_arrival_ms);
}

#[test]
fn silence_and_the_end_leave_an_alarm_on() {
    let (changes, _) = run_site(beside(steady(1, 0, 5_000, 1.02), 40_000));
    let last = changes.last().unwrap();
    assert_eq!((last.kind, last.severity), (ChangeKind::UnknownRaised, Some(Severity::Alarm)));
    assert!(changes.iter().all(|c| !matches!(c.kind, ChangeKind::Cleared | ChangeKind::Deescalated)));
}

#[test]
fn a_crane_heard_only_at_the_first_tick_is_missed_too() {
    let mut rows = readings(steady(1, 1_000_000, 1_000_100, 0.3));
    rows.extend((1_000_100..1_030_000).step_by(100).map(|at_ms| SiteRow::Beat { at_ms }));
    let (changes, _) = run_site(rows);
    assert_eq!(kinds(&changes), [(ChangeKind::UnknownRaised, Some(Severity::Unknown))]);
    assert!((1_010_000..=1_011_000).contains(&changes[0].at_arrival_ms), "{}", changes[0].at_arrival_ms);
}

#[test]
fn an_alarm_of_the_first_rows_escalates_in_its_time() {
    let at_once = Ladder::rises("at_once", vec![watchfire_operators::alarm::Step::new("a", Severity::Alarm, 1.0, 0.9)]);
    let job = Job::new(move |flow| {
        let rows = flow.channel::<SiteRow>("site").key_by(SiteRow::crane);
        rows.detect("overload", site_alarms(at_once.clone())).out.to_channel("alarms");
    });
    let mut rows = readings(steady(1, 1_000_000, 1_000_200, 1.2));
    // Crane 2 believes that it is the year 2100: it is diverted, and must not put the escalation of crane 1 there.
    rows.insert(0, SiteRow::Reading(at_ratio(2, 4_102_444_800_000, 1.2)));
    rows.extend((1_000_200..1_100_000).step_by(100).map(|at_ms| SiteRow::Beat { at_ms }));
    let (out, metrics) = run(&job.ticks(TICKS), "site", rows);
    assert_eq!(metrics.operators["overload"].skewed, 1);
    let changes: Vec<AlarmChange> = out.into_iter().filter_map(Alarm::into_change).collect();
    assert_eq!((changes[0].kind, changes[0].at_arrival_ms), (ChangeKind::Raised, 1_000_000));
    let told = changes.iter().filter(|c| c.kind == ChangeKind::EscalatedUnacknowledged);
    assert_eq!(told.map(|c| c.at_arrival_ms).collect::<Vec<_>>(), [1_060_000]);
}

#[test]
fn late_rows_raise_but_never_lower() {
    let mut rows = steady(1, 0, 10_000, 0.3);
    rows.extend(steady(1, 20_000, 22_000, 0.3));
    // What was measured between comes late: 3 s above 100 %.
    rows.extend(steady(1, 12_000, 15_000, 1.02));
    rows.extend(steady(1, 22_000, 24_000, 1.02));
    // And a late stretch of safety says nothing about now.
    rows.extend(steady(1, 15_000, 20_000, 0.1));
    let (changes, metrics) = run_site(readings(rows));
    assert_eq!(changes.iter().filter(|c| c.severity == Some(Severity::Alarm)).count(), 1);
    let alarm = changes.iter().find(|c| c.severity == Some(Severity::Alarm)).unwrap();
    assert!(matches!(alarm.why, Why::Held { late: true, .. }), "{:?}", alarm.why);
    assert_eq!(alarm.at_event_ms, Some(13_500));
    assert!(changes.iter().all(|c| !matches!(c.kind, ChangeKind::Cleared | ChangeKind::Deescalated)));
    // 80 rows were out of order; the one that raised the alarm and the 11 ahead of the watermark (18,900) were applied.
    let book = metrics.operators["overload"].detectors[0];
    assert_eq!((book.late, book.applied + book.late, book.duplicate), (68, 220, 0));
}

#[test]
fn a_repeat_of_the_newest_is_a_duplicate_and_no_sign_of_life() {
    let mut rows = readings(steady(1, 0, 1_000, 0.3));
    rows.extend(
        (1_000..=30_000)
            .step_by(100)
            .flat_map(|at_ms| [SiteRow::Beat { at_ms }, SiteRow::Reading(at_ratio(1, 900, 0.3))]),
    );
    let (changes, metrics) = run_site(rows);
    assert_eq!(kinds(&changes), [(ChangeKind::UnknownRaised, Some(Severity::Unknown))]);
    assert_eq!(metrics.operators["overload"].detectors[0].duplicate, 291);
}

#[test]
fn repeats_change_nothing_else() {
    let once = steady(1, 0, 5_000, 1.02).into_iter().chain(steady(1, 5_000, 20_000, 0.5));
    let twice = once.clone().flat_map(|row| [row.clone(), row]);
    let (a, b) = (run_site(readings(once)).0, run_site(readings(twice)).0);
    assert!(a.len() >= 3);
    assert_eq!(a, b);
}

#[test]
fn a_clock_that_stands_still_is_not_a_healthy_crane() {
    let mut rows = readings(steady(1, 0, 1_000, 0.3));
    let ratio = |at_ms: i64| 0.3 + (at_ms % 700) as f64 / 1e6;
    rows.extend(
        (1_000..=60_000)
            .step_by(100)
            .flat_map(|at_ms| [SiteRow::Beat { at_ms }, SiteRow::Reading(at_ratio(1, 900, ratio(at_ms)))]),
    );
    let (changes, _) = run_site(rows);
    assert_eq!(kinds(&changes), [(ChangeKind::UnknownRaised, Some(Severity::Unknown))]);
}
