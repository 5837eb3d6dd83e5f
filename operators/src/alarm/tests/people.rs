//! Acknowledging, suppressing, releasing, and what happens when nobody looks.

use super::*;

#[test]
fn acknowledging_does_not_clear_and_a_worse_state_needs_a_new_look() {
    let mut bench = Bench::crane();
    bench.hold(0, 2_000, 1.02);
    assert_eq!(bench.at(2_000, acknowledge(2_000)), Ok(Outcome::Applied));
    assert_eq!(bench.at(2_050, acknowledge(2_050)), Ok(Outcome::Ignored), "once is enough");
    assert_eq!(bench.severity(), Some(Severity::Alarm));
    assert_eq!(bench.state.acknowledgement().map(|a| a.who.reveal()), Some("duty"));
    bench.hold(2_100, 3_000, 1.2);
    let last = bench.out.last().unwrap();
    assert_eq!((last.kind, last.acknowledged), (ChangeKind::Escalated, false));
    assert_eq!(bench.state.acknowledgement(), None);
    // A look from before it became worse does not count.
    let stale = bench.at(3_000, acknowledge(2_500)).unwrap_err();
    assert_eq!(stale, EventError::SeenBeforeWorse { at_ms: 2_500, worse_ms: 2_600 });
    assert_eq!(bench.at(3_000, acknowledge(3_000)), Ok(Outcome::Applied));
}

#[test]
fn nothing_to_act_on_is_ignored_and_nobody_is_refused() {
    let mut bench = Bench::crane();
    assert_eq!(bench.at(0, acknowledge(0)), Ok(Outcome::Ignored));
    assert_eq!(bench.at(0, Event::Release { at_ms: 0, who: "duty".into() }), Ok(Outcome::Ignored));
    let nobody = bench.at(0, Event::Acknowledge { at_ms: 0, who: " ".into() }).unwrap_err();
    assert_eq!(nobody.code(), "E0157");
    assert_eq!(bench.state, AlarmState::default());
}

#[test]
fn nobody_looks() {
    let mut bench = Bench::crane();
    bench.hold(0, 1_501, 1.02);
    let due = |arrival_ms| Some(Due { arrival_ms, reason: DueReason::Unacknowledged });
    assert_eq!(bench.machine.next_due(&bench.state), due(61_500));
    bench.at(61_500, Event::Tick).unwrap();
    assert_eq!(bench.out[1].why, Why::Unacknowledged { stage: 1, for_ms: 60_000 });
    assert_eq!(bench.machine.next_due(&bench.state), due(301_500));
    bench.at(400_000, Event::Tick).unwrap();
    assert_eq!(bench.out[2].why, Why::Unacknowledged { stage: 2, for_ms: 398_500 });
    assert_eq!(bench.machine.next_due(&bench.state), None);
    assert!(bench.out.iter().all(|c| c.severity == Some(Severity::Alarm)), "the danger itself is as it was");
}

#[test]
fn somebody_looks_in_time() {
    let mut bench = Bench::crane();
    bench.hold(0, 1_501, 1.02);
    bench.at(50_000, acknowledge(50_000)).unwrap();
    bench.at(900_000, Event::Tick).unwrap();
    assert_eq!(bench.kinds(), [ChangeKind::Raised, ChangeKind::Acknowledged]);
}

#[test]
fn a_warning_calls_nobody_else() {
    let mut bench = Bench::crane();
    bench.hold(0, 5_000, 0.95);
    assert_eq!(bench.out.len(), 1);
    assert_eq!(bench.machine.next_due(&bench.state), None);
}

#[test]
fn a_suppression_needs_owner_reason_and_end() {
    let mut bench = Bench::crane();
    let refused = |bench: &mut Bench, owner: &str, reason: &str, from_ms, until_ms| {
        let event = Event::Suppress { owner: owner.into(), reason: reason.into(), from_ms, until_ms };
        bench.at(1_000, event).unwrap_err().code()
    };
    assert_eq!(refused(&mut bench, "", "test", 0, 2_000), "E0151");
    assert_eq!(refused(&mut bench, "me", "\t", 0, 2_000), "E0152");
    assert_eq!(refused(&mut bench, "me", "test", 0, 1_000), "E0153");
    assert_eq!(refused(&mut bench, "me", "test", 3_000, 3_000), "E0153");
    assert_eq!(refused(&mut bench, "me", "test", 0, DEFAULT_MAX_SUPPRESS_MS + 1), "E0154");
    assert_eq!(bench.state, AlarmState::default());
    bench.at(1_000, suppress(0, DEFAULT_MAX_SUPPRESS_MS)).unwrap();
    assert_eq!(refused(&mut bench, "me", "test", 0, 2_000), "E0156");
}

#[test]
fn what_still_holds_is_raised_when_the_suppression_ends() {
    let mut bench = Bench::crane();
    bench.at(0, suppress(0, 10_000)).unwrap();
    bench.hold(0, 10_000, 1.02);
    assert_eq!(bench.kinds(), [ChangeKind::Suppressed]);
    assert_eq!(bench.severity(), Some(Severity::Alarm), "the state goes on underneath");
    assert_eq!(bench.machine.next_due(&bench.state).map(|due| due.arrival_ms), Some(10_000));
    bench.at(10_000, Event::Tick).unwrap();
    assert_eq!(bench.kinds(), [ChangeKind::Suppressed, ChangeKind::SuppressionEnded, ChangeKind::Raised]);
    let over = Why::SuppressionOver { released_by: None, hidden: 1, worst: Some(Severity::Alarm) };
    assert_eq!(bench.out[1].why, over);
    assert_eq!(bench.out[2].why, Why::StillOn { step: Some("alarm".into()) });
    let ids: Vec<_> = bench.out.iter().map(|c| (c.id.episode, c.id.revision)).collect();
    assert_eq!(ids, [(0, 0), (0, 1), (1, 0)]);
    assert_eq!(bench.machine.next_due(&bench.state).map(|due| due.arrival_ms), Some(70_000), "and calls for help");
}

#[test]
fn what_came_and_went_is_counted() {
    let mut bench = Bench::crane();
    bench.hold(0, 2_000, 1.02);
    bench.at(2_000, acknowledge(2_000)).unwrap();
    bench.at(2_000, suppress(2_000, 100_000)).unwrap();
    assert_eq!(bench.state.acknowledgement(), None);
    bench.hold(2_000, 60_000, 0.2);
    bench.at(61_000, Event::Release { at_ms: 61_000, who: "duty".into() }).unwrap();
    let last = bench.out.last().unwrap();
    let over = Why::SuppressionOver { released_by: Some("duty".into()), hidden: 3, worst: Some(Severity::PreWarn) };
    assert_eq!((last.kind, &last.why), (ChangeKind::SuppressionEnded, &over));
    assert_eq!(last.severity, None);
    assert!(bench.state.rare.is_none(), "the box is given back");
}

#[test]
fn silence_under_suppression_is_raised_at_its_end() {
    let mut bench = Bench::crane();
    bench.sample(0, 0.2);
    bench.at(0, suppress(0, 50_000)).unwrap();
    bench.at(30_000, Event::Silent { for_ms: 30_000 }).unwrap();
    bench.at(50_000, Event::Tick).unwrap();
    assert_eq!(bench.kinds(), [ChangeKind::Suppressed, ChangeKind::SuppressionEnded, ChangeKind::UnknownRaised]);
}

#[test]
fn critical_breaks_through() {
    let mut bench = Bench::crane();
    bench.at(0, suppress(0, 100_000)).unwrap();
    bench.hold(0, 2_000, 1.06);
    bench.hold(2_000, 3_000, 1.2);
    assert_eq!(bench.kinds(), [ChangeKind::Suppressed, ChangeKind::Raised]);
    assert_eq!((bench.out[1].severity, bench.out[1].previous), (Some(Severity::Critical), None));
    // It stays in sight until it is over; then the suppression goes on.
    bench.hold(3_000, 40_000, 0.2);
    assert_eq!(bench.out.last().unwrap().kind, ChangeKind::Cleared);
    assert_eq!(bench.out.len(), 7);
    bench.hold(40_000, 45_000, 1.02);
    assert_eq!(bench.out.len(), 7);
}

#[test]
fn critical_cannot_be_suppressed_unless_the_ladder_says_so() {
    let mut bench = Bench::crane();
    bench.hold(0, 1_000, 1.2);
    assert_eq!(bench.at(1_000, suppress(1_000, 2_000)), Err(EventError::CriticalIsOn));
    // Planned before the danger came: the suppression begins, the danger stays in sight.
    let mut planned = Bench::crane();
    planned.at(0, suppress(3_000, 60_000)).unwrap();
    planned.hold(0, 4_000, 1.2);
    assert_eq!(planned.kinds(), [ChangeKind::Raised, ChangeKind::Suppressed, ChangeKind::Raised]);
    assert!(!planned.state.is_hidden());

    let mut allowed = Bench::new(Ladder { suppress_critical: true, ..Ladder::crane_overload() });
    allowed.hold(0, 1_000, 1.2);
    allowed.at(1_000, suppress(1_000, 2_000)).unwrap();
    assert_eq!(allowed.kinds(), [ChangeKind::Raised, ChangeKind::Suppressed]);
    assert!(allowed.state.is_hidden());
}

#[test]
fn words_of_people_reach_no_log() {
    let mut bench = Bench::crane();
    bench.hold(0, 2_000, 1.02);
    bench.at(2_000, acknowledge(2_000)).unwrap();
    bench.at(2_000, suppress(2_000, 9_000)).unwrap();
    let error = bench.at(2_000, suppress(2_000, 9_000)).unwrap_err();
    let log = format!("{:?} {:?} {error} {error:?} {:?}", bench.out, bench.state, suppress(0, 1));
    assert!(!log.contains("duty") && !log.contains("manager") && !log.contains("test lift"));
}
