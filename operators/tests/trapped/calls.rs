//! Who calls from a car is heard at once, whatever the lift is used for; and who works on it hears first of what is raised.

use super::*;

const MODES: [LiftMode; 6] = [
    LiftMode::Normal,
    LiftMode::Inspection,
    LiftMode::Maintenance,
    LiftMode::Fire,
    LiftMode::OutOfService,
    LiftMode::EmergencyPower,
];

#[test]
fn who_calls_is_heard_at_once_in_every_mode() {
    let city = |raw: &str| LiftSays::Code(CodeMap::city().read(raw));
    let national = LiftSays::Code(CodeMap::gbt_24476().read("90"));
    let calls = [
        (national, TrapCause::Button),
        (city("15"), TrapCause::Button),
        (city("90"), TrapCause::Button),
        (LiftSays::Intercom, TrapCause::Intercom),
    ];
    for mode in MODES {
        for (says, by) in &calls {
            let moves = LiftStatus { mode, moving: Some(true), ..stands(false, Doors::Closed) };
            let mut rows = ride(1, 60 * S, |_| moves);
            rows.push(LiftRow { lift: 1, at_ms: 30 * S, says: says.clone() });
            let raised = raised(&told(rows));
            let [(Trap::Called, cause, None, 30, 29..=30)] = raised[..] else { panic!("{mode:?} {says:?} {raised:?}") };
            assert_eq!(cause, *by);
        }
    }
}

/// Told late, and each once. Codes that nobody knows neither raise nor clear.
#[test]
fn calls_that_come_late_and_again_are_each_told_once() {
    let mut rows = ride(1, 60 * S, |_| LiftStatus { moving: Some(true), ..stands(false, Doors::Closed) });
    rows.extend([code(1, 58 * S, "77"), code(1, 59 * S, "00")]);
    let mut running = job(book()).start().unwrap();
    let sender = running.sender::<LiftRow>("lifts").unwrap();
    sender.send(rows).unwrap();
    sender.send(vec![code(1, 25 * S, "90"), code(1, 25 * S, "90"), code(1, 24 * S, "90")]).unwrap();
    drop(sender);
    assert_eq!(raised(&taken(&mut running)).iter().map(|of| of.3).collect::<Vec<_>>(), [25, 24]);
}

#[test]
fn in_every_mode_in_which_somebody_is_at_it_they_are_told_first() {
    for mode in MODES {
        let mut rows = ride(1, 120 * S, |_| LiftStatus { mode, ..stands(false, Doors::Closed) });
        let on_site = LiftSays::OnSite { who: "mechanic 7".into(), until_ms: 3_600 * S };
        rows.push(LiftRow { lift: 1, at_ms: 0, says: on_site });
        let goes = told(rows).into_iter().find_map(|told| match told.tells {
            Tells::Raised { goes, .. } => Some(goes),
            _ => None,
        });
        let expected =
            if mode.has_somebody_at_it() { Goes::OnSite { who: "mechanic 7".into(), mode } } else { Goes::Dispatch };
        assert_eq!(goes, Some(expected), "{mode:?}");
    }
}

/// A day without a clock, as when we were away: more are told, each once, and then again as ever.
#[test]
fn what_was_due_many_times_is_told_once_to_each() {
    let mut rows = vec![code(1, 10 * S, "90")];
    let back = 86_400 * S;
    rows.extend(clock(0, 200 * S).chain(clock(back, back + 2_000 * S)));
    let told = followed(&told(rows));
    let levels: Vec<&str> =
        told.iter().filter(|(at_s, _)| *at_s < back / S + 600).map(|(_, what)| what.as_str()).collect();
    assert_eq!(levels, ["raised to Dispatch", "missed Answered", "missed Arrived", "level 2", "level 3", "level 4"]);
    let later: Vec<i64> = told.iter().filter(|(at_s, _)| *at_s >= back / S + 600).map(|(at_s, _)| *at_s).collect();
    assert_eq!(later.len(), 1, "{told:?}");
}
