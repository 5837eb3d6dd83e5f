//! Late samples: never lower, but never lost when they show something worse.

use super::*;

#[test]
fn a_late_safe_sample_changes_nothing() {
    let mut bench = Bench::crane();
    bench.hold(0, 2_000, 1.02);
    let before = bench.state.clone();
    assert_eq!(bench.machine.sample(&mut bench.state, 500, 0.1, 2_000, &mut bench.out), Outcome::Late);
    assert_eq!(bench.state, before);
    assert_eq!(bench.out.len(), 1);
}

#[test]
fn a_late_run_that_is_worse_raises_in_either_order() {
    for reversed in [false, true] {
        let mut bench = Bench::crane();
        bench.hold(100_000, 101_000, 0.2);
        let mut times: Vec<i64> = (50_000..51_000).step_by(100).collect();
        if reversed {
            times.reverse();
        }
        for at_ms in times {
            bench.machine.sample(&mut bench.state, at_ms, 1.2, 101_000, &mut bench.out);
        }
        assert_eq!(bench.kinds(), [ChangeKind::Raised], "0.5 s above 110 % are proven");
        let change = &bench.out[0];
        assert_eq!((change.severity, change.peak), (Some(Severity::Critical), Some(1.2)));
        let Why::Held { late, held_ms, samples, .. } = &change.why else { panic!("wrong reason") };
        assert_eq!((*late, *held_ms, *samples), (true, 500, 6));
        // It comes down by samples in order only.
        bench.hold(101_000, 130_000, 0.2);
        assert_eq!(bench.severity(), None);
        assert!(bench.state.rare.is_none(), "the box is given back");
    }
}

#[test]
fn one_late_peak_is_no_run() {
    let mut bench = Bench::crane();
    bench.hold(10_000, 11_000, 0.2);
    for at_ms in [5_000, 5_100, 5_200, 5_300, 5_400] {
        let value = if at_ms == 5_200 { 0.2 } else { 1.2 };
        bench.machine.sample(&mut bench.state, at_ms, value, 11_000, &mut bench.out);
    }
    assert!(bench.out.is_empty());
}

#[test]
fn what_was_told_is_not_told_again() {
    let mut bench = Bench::crane();
    bench.hold(0, 3_000, 1.2);
    bench.hold(3_000, 40_000, 0.2);
    assert_eq!(bench.severity(), None);
    let told = bench.out.len();
    // The same upload once more.
    for at_ms in (0..3_000).step_by(100) {
        bench.machine.sample(&mut bench.state, at_ms, 1.2, 41_000, &mut bench.out);
    }
    assert_eq!(bench.out.len(), told);
    // Another danger, after the end of what was told.
    for at_ms in (20_000..21_000).step_by(100) {
        bench.machine.sample(&mut bench.state, at_ms, 1.2, 41_000, &mut bench.out);
    }
    assert_eq!(bench.out.len(), told + 1);
    assert_eq!(bench.out[told].id.episode, 2);
}

#[test]
fn late_evidence_within_the_way_down_prolongs_it() {
    let late_unknown = Event::Unknown { at_ms: 4_950, cause: UnknownCause::Stuck };
    for event in [Event::Sample { at_ms: 4_950, value: 0.97 }, late_unknown] {
        let mut bench = Bench::crane();
        bench.hold(0, 2_000, 1.02);
        bench.hold(2_000, 6_100, 0.2);
        assert_eq!(bench.at(6_000, event), Ok(Outcome::Late));
        bench.hold(6_100, 11_000, 0.2);
        assert_eq!(bench.severity(), Some(Severity::Alarm), "5 s count from 6.0 s, not from 2.0 s");
        bench.sample(11_000, 0.2);
        assert_eq!(bench.severity(), Some(Severity::PreWarn));
    }
}

#[test]
fn a_safe_sample_far_from_a_late_run_says_nothing_about_it() {
    let mut bench = Bench::crane();
    bench.hold(100_000, 101_000, 0.2);
    let mut late = |at_ms, value| bench.machine.sample(&mut bench.state, at_ms, value, 101_000, &mut bench.out);
    for at_ms in (50_000..51_000).step_by(100) {
        late(at_ms, 1.02);
        late(at_ms + 20_000, 0.2);
    }
    for at_ms in (51_000..51_600).step_by(100) {
        late(at_ms, 1.02);
    }
    assert_eq!(bench.first(Severity::Alarm), Some(51_500));
}

/// A ladder that raises at once, for stories about what was told.
fn prompt() -> Bench {
    let step = |name: &str, severity, raise| Step::new(name, severity, raise, raise - 0.5);
    let steps = vec![step("low", Severity::Caution, 1.0), step("high", Severity::Alarm, 2.0)];
    Bench::new(Ladder::rises("r", steps))
}

#[test]
fn what_late_samples_told_is_not_told_again_either() {
    let mut bench = prompt();
    bench.sample(5_000, 1.2);
    let mut late = |at_ms, value| bench.machine.sample(&mut bench.state, at_ms, value, 6_000, &mut bench.out);
    late(3_000, 2.5);
    late(6_000, 1.2);
    assert_eq!(late(3_000, 2.5), Outcome::Late);
    assert_eq!(late(2_000, 2.5), Outcome::Late);
    assert_eq!(
        bench.kinds(),
        [ChangeKind::Raised, ChangeKind::Escalated, ChangeKind::Deescalated, ChangeKind::Escalated]
    );
    let times: Vec<_> = bench.out.iter().map(|change| change.at_event_ms).collect();
    assert_eq!(times, [Some(5_000), Some(3_000), Some(6_000), Some(2_000)], "3.0 s once, and 2.0 s is news");
}

#[test]
fn an_older_proof_does_not_shorten_what_was_told() {
    let mut bench = prompt();
    let mut sample = |at_ms, value| bench.machine.sample(&mut bench.state, at_ms, value, 9_000, &mut bench.out);
    for (at_ms, value) in [(5_000, 2.5), (6_000, 1.2), (3_000, 2.5), (7_000, 1.2), (5_000, 2.5)] {
        sample(at_ms, value);
    }
    let times: Vec<_> = bench.out.iter().map(|change| change.at_event_ms).collect();
    assert_eq!(times, [Some(5_000), Some(6_000), Some(3_000), Some(7_000)]);
}
