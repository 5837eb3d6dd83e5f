//! Crane load cases for a QTZ63 with four falls of rope at 10 Hz: the load ratio goes in as a detector computes it.

use super::*;

/// Rated load in t at a radius in m: the fit of the QTZ63 chart, capped at 6 t.
fn rated_t(radius_m: f64) -> f64 {
    (82.73 / (radius_m - 0.752) - 0.380).min(6.0)
}

fn near(at_ms: Option<i64>, expected_ms: i64) {
    let at_ms = at_ms.unwrap();
    assert!((at_ms - expected_ms).abs() <= 200, "{at_ms} is not near {expected_ms}");
}

#[test]
fn case_1_trolley_creeps_out() {
    let mut bench = Bench::crane();
    for i in 0..=220 {
        let at_ms = i * 100;
        let radius_m = 15.0 + 0.5 * at_ms as f64 / 1_000.0;
        bench.sample(at_ms, 3.30 / rated_t(radius_m));
    }
    near(bench.first(Severity::PreWarn), 15_400);
    near(bench.first(Severity::Alarm), 18_000);
    near(bench.first(Severity::Critical), 21_000);
    // 1.05 is met at 18.5 s and would be a violation after 5 s; the critical step comes first.
    assert_eq!(bench.out.last().unwrap().severity, Some(Severity::Critical));
    assert!(bench.out.iter().all(|change| change.severity != Some(Severity::Violation)));
    assert!(bench.out.iter().all(|change| change.id.episode == 1));
    let revisions: Vec<_> = bench.out.iter().map(|change| change.id.revision).collect();
    assert_eq!(revisions, [0, 1, 2, 3]);
}

#[test]
fn case_2_steady_overload_is_one_alarm() {
    let mut bench = Bench::crane();
    let ratio = 3.60 / rated_t(22.0);
    assert!((ratio - 1.024).abs() < 0.002);
    bench.hold(0, 40_000, ratio);
    assert_eq!(bench.out.iter().filter(|change| change.severity == Some(Severity::Alarm)).count(), 1);
    assert_eq!(bench.kinds(), [ChangeKind::Raised]);
    assert_eq!(bench.first(Severity::Violation), None);
}

/// A static ratio, then a snatch to `peak` for 0.4 s, then static again.
fn snatch(rest: f64, peak: f64) -> Bench {
    let mut bench = Bench::crane();
    bench.hold(0, 5_000, rest);
    bench.hold(5_000, 5_401, peak);
    bench.hold(5_500, 15_000, rest);
    bench
}

#[test]
fn case_3_snatch_is_a_warning_only() {
    let rest = 3.60 / rated_t(20.0);
    assert!((rest - 0.919).abs() < 0.002);
    let bench = snatch(rest, 1.07);
    assert_eq!(bench.out.iter().filter(|change| change.severity == Some(Severity::PreWarn)).count(), 1);
    assert_eq!(bench.first(Severity::Alarm), None);
}

#[test]
fn case_4_snatch_near_the_limit_is_no_violation() {
    let bench = snatch(0.95, 1.105);
    assert_eq!(bench.first(Severity::Violation), None);
    assert_eq!(bench.kinds(), [ChangeKind::Raised]);
}

#[test]
fn case_5_chatter_is_one_alarm_and_one_clear() {
    for period_ms in [1_000, 2_000] {
        let mut bench = Bench::crane();
        for at_ms in (0..60_000).step_by(100) {
            bench.sample(at_ms, if (at_ms / period_ms) % 2 == 0 { 0.99 } else { 1.01 });
        }
        bench.hold(60_000, 90_000, 0.5);
        let count = |kind| bench.out.iter().filter(|change| change.kind == kind).count();
        assert_eq!((count(ChangeKind::Raised), count(ChangeKind::Cleared)), (1, 1));
        let up = |kind| matches!(kind, ChangeKind::Raised | ChangeKind::Escalated);
        let alarms = bench.out.iter().filter(|c| up(c.kind) && c.severity == Some(Severity::Alarm)).count();
        assert_eq!(alarms, usize::from(period_ms == 2_000), "1 s above the limit is shorter than the hold");
        assert_eq!(bench.severity(), None);
    }
}

#[test]
fn case_6_reeving_change_raises() {
    let mut bench = Bench::crane();
    bench.hold(0, 10_000, 3.5 / 6.0);
    assert!(bench.out.is_empty());
    bench.hold(10_000, 10_600, 3.5 / 3.0);
    let change = &bench.out[0];
    assert_eq!((change.kind, change.severity), (ChangeKind::Raised, Some(Severity::Critical)));
    assert_eq!(change.at_event_ms, Some(10_500));
    let why = Why::Held { step: "critical".into(), raise_at: 1.10, held_ms: 500, samples: 6, late: false };
    assert_eq!(change.why, why);
}

#[test]
fn comes_down_one_step_at_a_time() {
    let mut bench = Bench::crane();
    bench.hold(0, 1_000, 1.2);
    bench.hold(1_000, 40_000, 0.3);
    let steps: Vec<_> = bench.out.iter().map(|c| (c.kind, c.severity, c.at_event_ms)).collect();
    let down = |severity, at| (ChangeKind::Deescalated, Some(severity), Some(at));
    assert_eq!(
        steps,
        [
            (ChangeKind::Raised, Some(Severity::Critical), Some(500)),
            down(Severity::Violation, 6_000),
            down(Severity::Alarm, 11_000),
            down(Severity::PreWarn, 16_000),
            down(Severity::Caution, 21_000),
            (ChangeKind::Cleared, None, Some(26_000)),
        ]
    );
    assert_eq!(bench.out[5].peak, Some(1.2));
    bench.hold(40_000, 41_000, 1.2);
    assert_eq!((bench.out[6].id.episode, bench.out[6].id.revision), (2, 0), "raised again is a new episode");
}

#[test]
fn the_threshold_itself_is_an_alarm() {
    let step = Step::new("limit", Severity::Alarm, 1.0, 0.9);
    let mut inclusive = Bench::new(Ladder::rises("r", vec![step.clone()]));
    let mut exclusive = Bench::new(Ladder::rises("r", vec![step.exclusive()]));
    inclusive.sample(0, 1.0);
    exclusive.sample(0, 1.0);
    assert_eq!((inclusive.out.len(), exclusive.out.len()), (1, 0));
    exclusive.sample(1, 1.0 + f64::EPSILON);
    assert_eq!(exclusive.out.len(), 1);
}

#[test]
fn a_falling_signal_mirrors_a_rising_one() {
    let up = Step::new("s", Severity::Alarm, 5.0, 4.0).held_ms(200).cleared_ms(300).consecutive(2);
    let down = Step { raise_at: -5.0, release_at: -4.0, ..up.clone() };
    let mut rises = Bench::new(Ladder::rises("r", vec![up]));
    let mut falls = Bench::new(Ladder::falls("r", vec![down]));
    for (i, value) in [1.0, 5.0, 6.0, 5.5, 7.0, 3.0, 3.0, 3.0, 3.0, 3.0, f64::INFINITY, 6.0, 6.0].iter().enumerate() {
        rises.sample(i as i64 * 100, *value);
        falls.sample(i as i64 * 100, -value);
    }
    let view = |b: &Bench| b.out.iter().map(|c| (c.kind, c.at_event_ms, c.peak.map(f64::abs))).collect::<Vec<_>>();
    assert_eq!(view(&rises), view(&falls));
    assert_eq!(rises.kinds(), [ChangeKind::Raised, ChangeKind::Cleared, ChangeKind::Raised]);
    assert_eq!(rises.out[1].peak, Some(7.0));
    assert_eq!(falls.out[2].peak, Some(-f64::MAX), "an infinity on the dangerous side is a danger");
}
