//! Silence, bad readings and gaps: none of them is safe.

use super::*;

fn unknown(at_ms: i64) -> Event {
    Event::Unknown { at_ms, cause: UnknownCause::SensorNotOk }
}

#[test]
fn a_gap_counts_for_one_sample_only_when_raising() {
    let mut bench = Bench::crane();
    // 1.06 every 30 s: each sample speaks for 2 s, so 5 s are proven by the fourth.
    for i in 0..4 {
        bench.sample(i * 30_000, 1.06);
    }
    assert_eq!(bench.first(Severity::Violation), Some(90_000));
    let Why::Held { held_ms, samples, .. } = &bench.out.last().unwrap().why else { panic!("wrong reason") };
    assert_eq!((*held_ms, *samples), (6_000, 4));
}

#[test]
fn a_gap_never_counts_when_clearing() {
    let mut bench = Bench::crane();
    bench.hold(0, 2_000, 1.02);
    for i in 1..20 {
        bench.sample(2_000 + i * 2_001, 0.2);
    }
    assert_eq!(bench.severity(), Some(Severity::Alarm), "a feed slower than max_gap_ms never proves safety");
    for i in 1..20 {
        bench.sample(50_000 + i * 2_000, 0.2);
    }
    assert_eq!(bench.severity(), None);
}

#[test]
fn one_sample_below_starts_the_hold_again() {
    let mut bench = Bench::crane();
    bench.hold(0, 1_400, 1.02);
    bench.sample(1_400, 0.5);
    bench.hold(1_500, 3_000, 1.02);
    assert!(bench.out.is_empty());
    bench.sample(3_000, 1.02);
    assert_eq!(bench.first(Severity::Alarm), Some(3_000));
}

#[test]
fn unknown_keeps_an_alarm_on_and_starts_the_way_down_again() {
    let mut bench = Bench::crane();
    bench.hold(0, 2_000, 1.02);
    bench.hold(2_000, 6_900, 0.2);
    bench.at(6_900, unknown(6_900)).unwrap();
    bench.at(60_000, Event::Silent { for_ms: 50_000 }).unwrap();
    bench.at(600_000, Event::Tick).unwrap();
    assert_eq!(bench.severity(), Some(Severity::Alarm));
    let blind = bench.out.iter().find(|c| c.kind == ChangeKind::UnknownRaised).unwrap();
    assert_eq!((blind.severity, blind.previous), (Some(Severity::Alarm), Some(Severity::Alarm)));
    assert_eq!(blind.id.episode, 1);
    bench.hold(600_000, 604_900, 0.2);
    assert_eq!(bench.severity(), Some(Severity::Alarm));
    bench.hold(604_900, 605_100, 0.2);
    assert_eq!(bench.severity(), Some(Severity::PreWarn));
}

#[test]
fn unknown_neither_proves_nor_disproves_a_danger() {
    let mut bench = Bench::crane();
    bench.hold(0, 1_001, 1.02);
    bench.at(1_200, unknown(1_200)).unwrap();
    bench.sample(9_000, 1.02);
    assert!(bench.out.is_empty(), "1.2 s are proven");
    bench.sample(9_300, 1.02);
    assert_eq!(bench.first(Severity::Alarm), Some(9_300));
}

#[test]
fn a_bad_reading_after_silence_cuts_what_the_last_sample_proves() {
    let mut bench = Bench::crane();
    bench.sample(0, 1.02);
    bench.at(9_000, Event::Silent { for_ms: 9_000 }).unwrap();
    bench.at(9_000, unknown(500)).unwrap();
    bench.sample(20_000, 1.02);
    bench.sample(20_999, 1.02);
    assert_eq!(bench.first(Severity::Alarm), None);
    bench.sample(21_000, 1.02);
    assert_eq!(bench.first(Severity::Alarm), Some(21_000));
}

#[test]
fn a_quiet_key_raises_unknown_after_its_time() {
    let mut bench = Bench::crane();
    bench.sample(0, 0.3);
    bench.sample(100, f64::NAN);
    assert_eq!(bench.state.unknown(), Some(UnknownCause::NotANumber));
    let due = bench.machine.next_due(&bench.state).unwrap();
    assert_eq!(due, Due { arrival_ms: 10_100, reason: DueReason::Unknown });
    bench.at(10_099, Event::Tick).unwrap();
    assert!(bench.out.is_empty());
    bench.at(10_100, Event::Tick).unwrap();
    assert_eq!(bench.out[0].severity, Some(Severity::Unknown));
    assert_eq!(bench.out[0].why, Why::Unknown { cause: UnknownCause::NotANumber, for_ms: 10_000 });
    bench.sample(12_000, 0.3);
    assert_eq!(bench.kinds(), [ChangeKind::UnknownRaised, ChangeKind::UnknownCleared]);
    bench.sample(12_100, f64::NEG_INFINITY);
    bench.at(22_100, Event::Tick).unwrap();
    assert_eq!((bench.out[2].id.episode, bench.out[2].id.revision), (2, 0));
}

#[test]
fn silence_raises_at_once_if_it_lasted_long_enough() {
    let mut bench = Bench::crane();
    bench.at(600_000, Event::Silent { for_ms: 600_000 }).unwrap();
    assert_eq!(bench.out[0].why, Why::Unknown { cause: UnknownCause::Silent, for_ms: 600_000 });
    assert_eq!(bench.out[0].at_event_ms, None);
    // The buffered upload of the silent time is complete in event time: it proves danger and safety as if in time.
    for at_ms in (500_000..502_000).step_by(100) {
        bench.machine.sample(&mut bench.state, at_ms, 1.02, 600_100, &mut bench.out);
    }
    assert_eq!(bench.kinds(), [ChangeKind::UnknownRaised, ChangeKind::UnknownCleared, ChangeKind::Raised]);
    assert_eq!(bench.first(Severity::Alarm), Some(501_500));
}

#[test]
fn a_worse_sample_raises_over_unknown() {
    let ladder = Ladder::rises("r", vec![Step::new("limit", Severity::Alarm, 1.0, 0.9)]);
    let mut bench = Bench::new(ladder);
    bench.at(0, unknown(1_000)).unwrap();
    bench.at(20_000, Event::Tick).unwrap();
    bench.machine.sample(&mut bench.state, 500, 2.0, 20_100, &mut bench.out);
    assert_eq!(bench.kinds(), [ChangeKind::UnknownRaised, ChangeKind::Escalated], "late, and still unknown now");
    assert_eq!(bench.out[1].previous, Some(Severity::Unknown));
    assert_eq!(bench.state.unknown(), Some(UnknownCause::SensorNotOk));
}

#[test]
fn extreme_times_do_not_overflow() {
    for at in [i64::MIN, i64::MAX, 0] {
        let mut bench = Bench::crane();
        for value in [1.2, f64::NAN, 1.2, 0.1] {
            bench.sample(at, value);
            bench.sample(i64::MAX, value);
            bench.sample(i64::MIN, value);
            bench.at(at, Event::Silent { for_ms: i64::MAX }).unwrap();
            bench.at(at, Event::Silent { for_ms: i64::MIN }).unwrap();
        }
        bench.at(i64::MAX, suppress(i64::MIN, i64::MAX)).unwrap_err();
        bench.at(i64::MAX, Event::Tick).unwrap();
    }
}
