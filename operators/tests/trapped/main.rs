//! Trapped people, rule by rule: what is told when something is missing, flickers, comes late or again, and what people do about it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod calls;
mod dispatched;
mod sensors;
#[path = "../support/mod.rs"]
mod support;

use std::sync::Arc;

use proptest::prelude::*;
use support::cases;
use watchfire_engine::{Compose, EventTime, Job, OnSkew, Running, TickSource};
use watchfire_operators::dispatch::Person;
use watchfire_operators::elevator::{
    CodeMap, Doors, Doubt, Goes, InCut, Lift, LiftBook, LiftMode, LiftRow, LiftSays, LiftSim, LiftSimConfig,
    LiftStatus, LiftTold, RescueStep, Tells, Trap, TrapCause, TrapConfig, Trapped,
};

const S: i64 = 1_000;

/// Lifts 1 and 2 of a building, 3 alone without a sensor.
fn book() -> LiftBook {
    let of = |building, senses_people| Lift { building, senses_people, ..Lift::default() };
    LiftBook::new([(1, of(Some(7), true)), (2, of(Some(7), true)), (3, of(None, false))])
}

fn job(book: LiftBook) -> Job {
    // A clock that is ahead keeps nobody from being heard.
    let bounds = EventTime { disorder_ms: 2 * S, on_skew: OnSkew::CorrectOffset, ..EventTime::default() };
    let book = Arc::new(book);
    let trapped = Trapped::new(TrapConfig::default(), book.clone()).unwrap();
    let job = Job::new(move |flow| {
        let book = book.clone();
        let rows = flow.channel::<LiftRow>("lifts").key_by(move |row| book.site(row.lift)).event_time(bounds);
        let told = rows.detect("trapped", LiftRow::in_order(2_100).then(trapped.clone()));
        told.out.1.to_channel("told");
    });
    job.ticks(TickSource::FromEvents { interval_ms: 500, max_jump_ms: 86_400_000 })
}

fn taken(running: &mut Running) -> Vec<LiftTold> {
    let told = running.receiver::<LiftTold>("told").unwrap().rows().collect();
    running.wait().unwrap();
    told
}

/// What is told of rows in the order of their times.
fn told(mut rows: Vec<LiftRow>) -> Vec<LiftTold> {
    rows.sort_by_key(|row| row.at_ms);
    told_as_they_come(rows)
}

fn told_as_they_come(rows: Vec<LiftRow>) -> Vec<LiftTold> {
    let mut running = job(book()).start().unwrap();
    let sender = running.sender::<LiftRow>("lifts").unwrap();
    rows.chunks(50).for_each(|rows| sender.send(rows.to_vec()).unwrap());
    drop(sender);
    taken(&mut running)
}

/// A car that stands somewhere with somebody in it.
fn stands(level: bool, doors: Doors) -> LiftStatus {
    LiftStatus {
        moving: Some(false),
        level: Some(level),
        doors: Some(doors),
        person: Some(true),
        floor: Some(3),
        mode: LiftMode::Normal,
    }
}

fn status(lift: u32, at_ms: i64, status: LiftStatus) -> LiftRow {
    LiftRow { lift, at_ms, says: LiftSays::Status(status) }
}

fn code(lift: u32, at_ms: i64, raw: &str) -> LiftRow {
    LiftRow { lift, at_ms, says: LiftSays::Code(CodeMap::gbt_24476().read(raw)) }
}

fn step(lift: u32, at_ms: i64, step: RescueStep) -> LiftRow {
    LiftRow { lift, at_ms, says: LiftSays::Rescue { step, nth: None, by: Person::named("mechanic 7", "went there") } }
}

/// Once a second: empty at a floor, boarded, running until 20 s, and from then on what `then` makes of it.
fn ride(lift: u32, until_ms: i64, then: impl Fn(i64) -> LiftStatus) -> Vec<LiftRow> {
    let at = |at_ms: i64| match at_ms / S {
        0..5 => LiftStatus { person: Some(false), floor: Some(1), ..stands(true, Doors::Closed) },
        5..7 => LiftStatus { person: Some(false), floor: Some(1), ..stands(true, Doors::Moving) },
        7..12 => LiftStatus { floor: Some(1), ..stands(true, Doors::Open) },
        12..20 => LiftStatus { moving: Some(true), floor: Some(2), ..stands(false, Doors::Closed) },
        _ => then(at_ms),
    };
    (0..until_ms / S).map(|second| status(lift, second * S, at(second * S))).collect()
}

/// How sure, from what, with what doubt, since when, and when by our clock, both in seconds: of each that is raised.
fn raised(told: &[LiftTold]) -> Vec<(Trap, TrapCause, Option<Doubt>, i64, i64)> {
    let of = |told: &LiftTold| match &told.tells {
        Tells::Raised { trap, why, .. } => Some((*trap, why.cause, why.doubt, why.since_ms / S, told.at_ms / S)),
        _ => None,
    };
    told.iter().filter_map(of).collect()
}

#[test]
fn between_floors_it_takes_45_seconds_whatever_the_doors_are() {
    for doors in [Doors::Closed, Doors::Open, Doors::Moving] {
        let raised = raised(&told(ride(1, 90 * S, |_| stands(false, doors))));
        let [(Trap::Trapped, TrapCause::OffLevel, None, 20, told_s)] = raised[..] else { panic!("{raised:?}") };
        assert!((65..=70).contains(&told_s), "{told_s}");
    }
    assert_eq!(
        raised(&told(ride(1, 64 * S, |_| stands(false, Doors::Closed)))),
        [],
        "the end of the input proves nothing"
    );
}

#[test]
fn at_a_floor_it_takes_30_seconds_with_closed_doors() {
    let raised_of = |doors| raised(&told(ride(1, 90 * S, move |_| stands(true, doors))));
    assert!(matches!(raised_of(Doors::Closed)[..], [(Trap::Trapped, TrapCause::Closed, None, 20, 50..=55)]));
    assert_eq!(raised_of(Doors::Open), []);
    // Doors that jam half way: nobody knows.
    let jammed = raised_of(Doors::Moving);
    assert!(
        matches!(jammed[..], [(Trap::Possibly, TrapCause::Closed, Some(Doubt::DoorsUnknown), 20, 80..=85)]),
        "{jammed:?}"
    );
}

#[test]
fn an_unknown_person_takes_twice_as_long_and_is_never_dropped() {
    let unknown = |level| move |_| LiftStatus { person: None, ..stands(level, Doors::Closed) };
    let boards = |rows: Vec<LiftRow>| {
        let hide = |mut row: LiftRow| {
            if let LiftSays::Status(status) = &mut row.says {
                status.person = None;
            }
            row
        };
        rows.into_iter().map(hide).collect::<Vec<_>>()
    };
    let off = raised(&told(boards(ride(1, 150 * S, unknown(false)))));
    assert!(
        matches!(off[..], [(Trap::Possibly, TrapCause::OffLevel, Some(Doubt::PersonUnknown), 20, 110..=115)]),
        "{off:?}"
    );
    let level = raised(&told(boards(ride(1, 150 * S, unknown(true)))));
    assert!(
        matches!(level[..], [(Trap::Possibly, TrapCause::Closed, Some(Doubt::PersonUnknown), 20, 80..=85)]),
        "{level:?}"
    );
    // A sensor that fails on the way has told enough.
    assert!(matches!(raised(&told(ride(1, 90 * S, unknown(false))))[..], [(Trap::Trapped, _, None, 20, _)]));
    // Where there is no sensor a parked car is no reason to look; a fault makes it one.
    assert_eq!(raised(&told(boards(ride(3, 150 * S, unknown(true))))), []);
    let with_fault = [boards(ride(3, 150 * S, unknown(true))), vec![code(3, 22 * S, "03")]].concat();
    assert!(matches!(
        raised(&told(with_fault))[..],
        [(Trap::Possibly, TrapCause::Closed, Some(Doubt::PersonUnknown), 20, _)]
    ));
}

#[test]
fn who_is_in_the_car_is_kept_between_openings() {
    // It flaps, and sees somebody in one second of five.
    let flaps = |at_ms: i64| LiftStatus { person: Some(at_ms / S % 5 == 0), ..stands(false, Doors::Closed) };
    assert!(matches!(raised(&told(ride(1, 90 * S, flaps)))[..], [(Trap::Trapped, _, None, 20, 65..=70)]));
    // A contact that flickers lets nobody out.
    let flickers = |at_ms: i64| stands(true, if at_ms / S % 9 == 0 { Doors::Open } else { Doors::Closed });
    let flickering = raised(&told(ride(1, 120 * S, flickers)));
    assert_eq!((flickering[0].1, flickering[0].3), (TrapCause::Closed, 20), "{flickering:?}");
    assert!(flickering[0].4 <= 56, "{flickering:?}");
    // Whoever gets out is out, although the sensor has flapped before.
    let leaves = |at_ms: i64| match at_ms / S {
        20..25 => stands(true, Doors::Moving),
        25..32 => stands(true, Doors::Open),
        _ => LiftStatus { person: Some(false), ..stands(true, Doors::Closed) },
    };
    assert_eq!(raised(&told(ride(1, 400 * S, leaves))), []);
    // Between floors a sensor that sees nobody is not enough.
    let empty = |_| LiftStatus { person: Some(false), ..stands(false, Doors::Closed) };
    let rows: Vec<LiftRow> = (0..150).map(|second| status(1, second * S, empty(0))).collect();
    assert!(matches!(
        raised(&told(rows))[..],
        [(Trap::Possibly, TrapCause::OffLevel, Some(Doubt::PersonAbsent), 0, 90..=95)]
    ));
    // One that has never seen nobody is doubted, and nobody waits for longer.
    let constant: Vec<LiftRow> = (0..90).map(|second| status(1, second * S, stands(true, Doors::Closed))).collect();
    assert!(matches!(
        raised(&told(constant))[..],
        [(Trap::Possibly, TrapCause::Closed, Some(Doubt::PersonConstant), 0, 30..=35)]
    ));
}

/// What is told, without the rows that raise, and when in seconds by our clock.
fn followed(told: &[LiftTold]) -> Vec<(i64, String)> {
    let of = |told: &LiftTold| match &told.tells {
        Tells::Raised { goes, .. } => (told.at_ms / S, format!("raised to {goes:?}")),
        Tells::Goes { goes, .. } => (told.at_ms / S, format!("goes to {goes:?}")),
        Tells::Escalated { level, .. } => (told.at_ms / S, format!("level {level}")),
        Tells::Missed { step, .. } => (told.at_ms / S, format!("missed {step:?}")),
        Tells::Step { step, .. } => (told.at_ms / S, format!("{step:?}")),
        Tells::Refused { code, .. } => (told.at_ms / S, code.clone()),
        other => (told.at_ms / S, format!("{other:?}")),
    };
    told.iter().map(of).collect()
}

/// The clock goes on by another lift that stands still.
fn clock(from_ms: i64, until_ms: i64) -> impl Iterator<Item = LiftRow> {
    let idle = LiftStatus { person: Some(false), ..stands(true, Doors::Closed) };
    (from_ms / (10 * S)..until_ms / (10 * S)).map(move |tick| status(2, tick * 10 * S, idle))
}

#[test]
fn nobody_answers_and_more_are_told() {
    let mut rows = vec![code(1, 10 * S, "90")];
    rows.extend(clock(0, 2_000 * S));
    let expected = [
        (10, "raised to Dispatch"),
        (190, "missed Answered"),
        (310, "level 2"),
        (910, "level 3"),
        (1_510, "level 4"),
        (1_810, "missed Arrived"),
    ];
    let told = followed(&told(rows));
    assert_eq!(told.len(), expected.len(), "{told:?}");
    for ((told_s, what), (due_s, expected)) in told.iter().zip(expected) {
        assert!(
            what == expected && (due_s - 10..due_s + 11).contains(told_s),
            "{what} at {told_s}, {expected} at {due_s}"
        );
    }
}

#[test]
fn people_answer_arrive_and_close_and_what_was_closed_is_closed() {
    let stuck = ride(1, 400 * S, |_| stands(false, Doors::Closed));
    let closes = RescueStep::Closed { false_alarm: false };
    let mut rows = stuck;
    rows.extend([
        step(1, 100 * S, RescueStep::Answered),
        step(1, 101 * S, RescueStep::Answered),
        step(1, 200 * S, RescueStep::Arrived),
    ]);
    rows.extend([step(1, 300 * S, closes), step(1, 301 * S, closes)]);
    rows.push(LiftRow {
        lift: 1,
        at_ms: 250 * S,
        says: LiftSays::Rescue { step: closes, nth: None, by: Person::default() },
    });
    let what: Vec<String> = followed(&told(rows)).into_iter().map(|(_, what)| what).collect();
    let expected = ["raised to Dispatch", "Answered", "Arrived", "E0604", "Closed { false_alarm: false }", "E0605"];
    assert_eq!(what, expected, "it still stands there, and people have said that nobody is in it");
    // Somebody calls after that: it is another one.
    let mut again = ride(1, 400 * S, |_| stands(false, Doors::Closed));
    again.extend([step(1, 300 * S, closes), code(1, 350 * S, "90")]);
    assert_eq!(raised(&told(again)).iter().map(|of| of.0).collect::<Vec<_>>(), [Trap::Trapped, Trap::Called]);
}

#[test]
fn whoever_works_on_the_lift_is_told_first_and_others_when_they_do_not_answer() {
    let inspected = || ride(1, 120 * S, |_| LiftStatus { mode: LiftMode::Inspection, ..stands(false, Doors::Closed) });
    let until = |until_ms| LiftRow { lift: 1, at_ms: 0, says: LiftSays::OnSite { who: "mechanic 7".into(), until_ms } };
    let on_site = || until(3_600 * S);
    let mut rows = inspected();
    rows.push(on_site());
    rows.extend(clock(120 * S, 300 * S));
    let told_of = followed(&told(rows.clone()));
    assert!(told_of[0].1.starts_with("raised to OnSite"), "{told_of:?}");
    assert_eq!(
        told_of[1..].iter().map(|of| of.1.as_str()).collect::<Vec<_>>(),
        ["missed Answered", "goes to Dispatch"]
    );
    // They answer, and nobody else goes.
    rows.push(step(1, 100 * S, RescueStep::Answered));
    assert_eq!(followed(&told(rows.clone()))[1..].iter().map(|of| of.1.as_str()).collect::<Vec<_>>(), ["Answered"]);
    // They are gone, by their word, by their time, or because the lift is in service again.
    let leaves = LiftRow { lift: 1, at_ms: 90 * S, says: LiftSays::OffSite };
    assert_eq!(followed(&told([inspected(), vec![on_site(), leaves]].concat()))[1].1, "goes to Dispatch");
    assert_eq!(followed(&told([inspected(), vec![until(100 * S)]].concat()))[1].1, "goes to Dispatch");
    let mut back = inspected();
    back.extend([
        on_site(),
        status(1, 121 * S, stands(false, Doors::Closed)),
        status(1, 125 * S, stands(false, Doors::Closed)),
    ]);
    assert_eq!(followed(&told(back))[1].1, "goes to Dispatch");
    // A gateway that tells of inspections by code alone.
    let by_code = |raw: &str, at_ms| {
        let mut rows = ride(1, 120 * S, |_| stands(false, Doors::Closed));
        rows.extend([on_site(), code(1, 3 * S, "43"), code(1, at_ms, raw)]);
        followed(&told(rows))
    };
    assert!(by_code("43", 4 * S)[0].1.starts_with("raised to OnSite"));
    assert_eq!(by_code("40", 100 * S)[1].1, "goes to Dispatch");
    // Nobody is known to be there.
    assert_eq!(followed(&told(inspected()))[0].1, "raised to Dispatch");
}

#[test]
fn without_power_each_lift_of_the_building_is_listed_and_silence_is_a_reason_to_look() {
    // Lift 1 has somebody in it and falls silent; lift 2 has a battery and stands empty.
    let mut rows = ride(1, 18 * S, |_| stands(false, Doors::Closed));
    let idle = LiftStatus { person: Some(false), ..stands(true, Doors::Closed) };
    rows.extend((0..120).map(|second| status(2, second * S, idle)));
    rows.push(code(2, 19 * S, "41"));
    rows.push(LiftRow { lift: 2, at_ms: 110 * S, says: LiftSays::Power { lost: false } });
    let told = told(rows);
    let lists: Vec<Vec<(u32, InCut)>> = told
        .iter()
        .filter_map(|told| match &told.tells {
            Tells::PowerLost { lifts, .. } => Some(lifts.iter().map(|of| (of.lift, of.is)).collect()),
            _ => None,
        })
        .collect();
    let trapped = InCut::Raised(Trap::Possibly);
    let expected = [
        vec![(1, InCut::Silent), (2, InCut::Silent)],
        vec![(1, InCut::Silent), (2, InCut::Heard)],
        vec![(1, trapped), (2, InCut::Heard)],
    ];
    assert_eq!(lists, expected);
    let raised = raised(&told);
    assert!(
        matches!(raised[..], [(Trap::Possibly, TrapCause::SilentSinceCut, Some(Doubt::Unseen), 19, 49..=55)]),
        "{raised:?}"
    );
    assert!(told.iter().any(|told| told.tells == Tells::PowerBack));
    assert!(matches!(told[2].tells, Tells::Raised { goes: Goes::Dispatch, .. }));
}

#[test]
fn a_cut_whose_end_nobody_has_told_does_not_hide_the_next() {
    let idle = LiftStatus { person: Some(false), ..stands(true, Doors::Closed) };
    let mut rows: Vec<LiftRow> = (0..400).map(|second| status(2, second * S, idle)).collect();
    rows.push(code(2, 5 * S, "41"));
    // Power is back, nobody says so; lift 1 runs, and is silent from the second cut on.
    rows.extend(ride(1, 18 * S, |_| idle).into_iter().map(|row| LiftRow { at_ms: row.at_ms + 200 * S, ..row }));
    rows.push(code(2, 218 * S, "41"));
    let raised = raised(&told(rows));
    assert!(
        matches!(raised[..], [(Trap::Possibly, TrapCause::SilentSinceCut, Some(Doubt::Unseen), 5, 245..=255)]),
        "{raised:?}"
    );
}

#[test]
fn a_clock_that_is_ahead_does_not_silence_the_others() {
    // Lift 2 is 40 s ahead; a word of people is stamped a minute ahead as well.
    let idle = LiftStatus { person: Some(false), ..stands(true, Doors::Closed) };
    let mut rows: Vec<(i64, LiftRow)> =
        (0..100).map(|second| (second * S, status(2, (second + 40) * S, idle))).collect();
    rows.push((S, LiftRow { lift: 2, at_ms: 55 * S, says: LiftSays::Power { lost: false } }));
    rows.extend(ride(1, 90 * S, |_| stands(false, Doors::Closed)).into_iter().map(|row| (row.at_ms, row)));
    rows.sort_by_key(|(arrives_ms, _)| *arrives_ms);
    let mut running = job(book()).start().unwrap();
    let sender = running.sender::<LiftRow>("lifts").unwrap();
    rows.chunks(9).for_each(|rows| sender.send(rows.iter().map(|(_, row)| row.clone()).collect()).unwrap());
    drop(sender);
    let raised = raised(&taken(&mut running));
    assert!(matches!(raised[..], [(Trap::Trapped, TrapCause::OffLevel, None, 20, _)]), "{raised:?}");
}

#[test]
fn a_word_about_an_earlier_one_ends_nothing() {
    let closes = RescueStep::Closed { false_alarm: false };
    let idle = || ride(1, 700 * S, |_| LiftStatus { moving: Some(true), ..stands(false, Doors::Closed) });
    let mut rows = idle();
    rows.extend([code(1, 100 * S, "90"), step(1, 300 * S, closes), code(1, 350 * S, "90")]);
    // The first word again, and that of somebody else, without saying of which it is.
    let again = step(1, 300 * S, closes);
    rows.extend([step(1, 400 * S, closes), LiftRow { at_ms: 299 * S, ..again }]);
    let what: Vec<String> = followed(&told(rows)).into_iter().map(|(_, what)| what).collect();
    let expected = ["raised to Dispatch", "Closed { false_alarm: false }", "raised to Dispatch", "E0605", "level 2"];
    assert_eq!(
        what.iter().filter(|what| *what != "missed Answered").collect::<Vec<_>>().len(),
        expected.len() + 1,
        "{what:?}"
    );
    assert_eq!(what.iter().filter(|what| what.as_str() == "E0605").count(), 2);
    let by = Person::named("mechanic 7", "went there");
    let named = LiftRow { lift: 1, at_ms: 400 * S, says: LiftSays::Rescue { step: closes, nth: Some(2), by } };
    let mut rows = idle();
    rows.extend([code(1, 100 * S, "90"), step(1, 300 * S, closes), code(1, 350 * S, "90"), named]);
    assert_eq!(followed(&told(rows)).iter().filter(|of| of.1.starts_with("Closed")).count(), 2);
}

#[test]
fn what_people_have_not_closed_does_not_hide_who_is_trapped_next() {
    let mut rows = ride(1, 400 * S, |_| LiftStatus { moving: Some(true), ..stands(false, Doors::Closed) });
    rows.extend([code(1, 30 * S, "90"), step(1, 60 * S, RescueStep::Answered), step(1, 90 * S, RescueStep::Released)]);
    rows.push(code(1, 200 * S, "90"));
    let told_of = followed(&told(rows));
    let what: Vec<&str> = told_of.iter().map(|of| of.1.as_str()).collect();
    assert_eq!(what, ["raised to Dispatch", "Answered", "Released", "raised to Dispatch", "missed Answered"]);
    // It has run since, and stands again with somebody in it.
    let runs = |at_ms: i64| match at_ms / S {
        20..80 => stands(false, Doors::Closed),
        80..90 => stands(true, Doors::Open),
        90..95 => LiftStatus { person: Some(false), ..stands(true, Doors::Closed) },
        95..200 => LiftStatus { moving: Some(true), ..stands(false, Doors::Closed) },
        _ => stands(false, Doors::Closed),
    };
    let mut rows = ride(1, 300 * S, runs);
    // Nobody has answered yet: its clocks go on.
    assert_eq!(raised(&told(rows.clone())).iter().map(|of| of.3).collect::<Vec<_>>(), [20]);
    rows.push(step(1, 75 * S, RescueStep::Answered));
    assert_eq!(raised(&told(rows)).iter().map(|of| of.3).collect::<Vec<_>>(), [20, 200]);
}

#[test]
fn whoever_has_answered_and_left_is_not_who_is_told() {
    let inspected = ride(1, 200 * S, |_| LiftStatus { mode: LiftMode::Inspection, ..stands(false, Doors::Closed) });
    let says = LiftSays::OnSite { who: "mechanic 7".into(), until_ms: 3_600 * S };
    let mut rows = inspected;
    rows.extend([LiftRow { lift: 1, at_ms: 0, says }, step(1, 100 * S, RescueStep::Answered)]);
    rows.push(LiftRow { lift: 1, at_ms: 120 * S, says: LiftSays::OffSite });
    rows.push(code(1, 150 * S, "90"));
    let told_of = followed(&told(rows));
    assert_eq!(
        told_of[1..].iter().map(|of| of.1.as_str()).collect::<Vec<_>>(),
        ["Answered", "goes to Dispatch", "raised to Dispatch"]
    );
}

#[test]
fn silence_that_began_without_power_is_told_although_the_power_is_back() {
    let mut rows = ride(1, 18 * S, |_| stands(false, Doors::Closed));
    let idle = LiftStatus { person: Some(false), ..stands(true, Doors::Closed) };
    rows.extend((0..120).map(|second| status(2, second * S, idle)));
    for (second, lost) in [(19, true), (30, false)] {
        rows.push(LiftRow { lift: 2, at_ms: second * S, says: LiftSays::Power { lost } });
    }
    // It is told after the power is back that it was lost before.
    rows.push(code(2, 25 * S, "41"));
    let told = told(rows);
    assert!(
        matches!(raised(&told)[..], [(Trap::Possibly, TrapCause::SilentSinceCut, _, 19, 48..=56)]),
        "{:?}",
        raised(&told)
    );
    assert_eq!(told.iter().filter(|told| told.tells == Tells::PowerBack).count(), 1);
}

#[test]
fn what_is_not_known_of_floors_and_doors_hides_nobody() {
    // The nearest floor of a car that hangs between two.
    let jitters = |at_ms: i64| LiftStatus { floor: Some(3 + (at_ms / S % 2) as i16), ..stands(false, Doors::Closed) };
    assert!(matches!(raised(&told(ride(1, 90 * S, jitters)))[..], [(Trap::Trapped, TrapCause::OffLevel, None, 20, _)]));
    // Nobody knows whether it is at a floor; the doors are forced.
    let forced = |_| LiftStatus { level: None, ..stands(true, Doors::Open) };
    let forced = raised(&told(ride(1, 150 * S, forced)));
    assert!(
        matches!(forced[..], [(Trap::Possibly, TrapCause::Stands, Some(Doubt::DoorsUnknown), 20, 110..=120)]),
        "{forced:?}"
    );
    // Doors that jam half way, asked every five seconds.
    let jammed = ride(1, 200 * S, |_| stands(true, Doors::Moving));
    let jammed = raised(&told(jammed.into_iter().filter(|row| row.at_ms % (5 * S) == 0).collect()));
    assert!(
        matches!(jammed[..], [(Trap::Possibly, TrapCause::Closed, Some(Doubt::DoorsUnknown), _, 110..=125)]),
        "{jammed:?}"
    );
}

#[test]
fn rules_that_cannot_be_are_refused() {
    let wrong = TrapConfig { level_ms: 0, ..TrapConfig::default() };
    let error = Trapped::new(wrong, Arc::new(book())).unwrap_err();
    assert_eq!(error.code(), "E0603");
    assert!(error.to_string().contains("level_ms is 0"), "{error}");
    // A lift that nobody knows, and that has no place, is watched all the same.
    let unknown = raised(&told(ride(99, 90 * S, |_| stands(false, Doors::Closed))));
    assert!(matches!(unknown[..], [(Trap::Trapped, TrapCause::OffLevel, None, 20, _)]));
}

fn any_row() -> impl Strategy<Value = LiftRow> {
    let some = || prop::option::of(any::<bool>());
    let doors = prop::option::of(prop_oneof![Just(Doors::Closed), Just(Doors::Moving), Just(Doors::Open)]);
    let mode = prop_oneof![Just(LiftMode::Normal), Just(LiftMode::Inspection), Just(LiftMode::OutOfService)];
    let status = (some(), some(), doors, some(), prop::option::of(-3_i16..40), mode).prop_map(
        |(moving, level, doors, person, floor, mode)| {
            LiftSays::Status(LiftStatus { moving, level, doors, person, floor, mode })
        },
    );
    let until = prop_oneof![Just(i64::MAX), Just(i64::MIN), 0_i64..4_000_000];
    let person = || prop_oneof![Just(Person::default()), Just(Person::named("mechanic 7", "went there"))];
    let step = prop_oneof![
        Just(RescueStep::Answered),
        Just(RescueStep::Released),
        any::<bool>().prop_map(|false_alarm| RescueStep::Closed { false_alarm })
    ];
    let says = prop_oneof![
        8 => status,
        2 => prop_oneof![Just("00"), Just("04"), Just("40"), Just("41"), Just("43"), Just("x")]
            .prop_map(|raw| LiftSays::Code(CodeMap::gbt_24476().read(raw))),
        1 => Just(LiftSays::Intercom),
        1 => any::<bool>().prop_map(|lost| LiftSays::Power { lost }),
        1 => until.clone().prop_map(|until_ms| LiftSays::OnSite { who: "mechanic 7".into(), until_ms }),
        1 => (until, person()).prop_map(|(until_ms, by)| LiftSays::SensorOut { until_ms, by }),
        2 => (step, person()).prop_map(|(step, by)| LiftSays::Rescue { step, nth: None, by }),
    ];
    let at_ms = prop_oneof![30 => 0_i64..400_000, 1 => Just(i64::MAX), 1 => Just(i64::MIN)];
    (1_u32..4, at_ms, says).prop_map(|(lift, at_ms, says)| LiftRow { lift, at_ms, says })
}

proptest! {
    #![proptest_config(cases(8))]

    /// Rows that no lift has sent: whatever they say, nothing panics, whoever calls is heard, and one lift has one trapping at a time.
    #[test]
    fn any_rows_are_taken(rows in prop::collection::vec(any_row(), 1..60)) {
        let mut running = job(book()).start().unwrap();
        let sender = running.sender::<LiftRow>("lifts").unwrap();
        rows.chunks(7).for_each(|rows| sender.send(rows.to_vec()).unwrap());
        drop(sender);
        let told = taken(&mut running);
        for lift in 1..4 {
            let calls = rows.iter().any(|row| row.lift == lift && row.says == LiftSays::Intercom);
            let mut open = None;
            let mut was_called = false;
            for told in told.iter().filter(|told| told.tells.lift() == Some(lift)) {
                match &told.tells {
                    Tells::Raised { nth, trap, .. } => {
                        prop_assert!(open.is_none_or(|open| open == *nth), "{:?}", told);
                        (open, was_called) = (Some(*nth), was_called || *trap == Trap::Called);
                    }
                    Tells::Step { step: RescueStep::Closed { .. }, .. } => open = None,
                    _ => {}
                }
            }
            prop_assert!(was_called || !calls);
        }
    }

    /// Simulated lifts, in the morning: whatever order rows come in within their bound, however they are cut, and with every state stored and read back.
    #[test]
    fn order_within_the_bound_cuts_and_crashes_change_nothing(seed in 0_u64..1_000, swaps in prop::collection::vec(0_i64..1_900, 1..30)) {
        let config = LiftSimConfig { seed, lifts: 8, trappings_a_day: 20.0, cuts_a_day: 0.5, ..LiftSimConfig::default() };
        let sim = LiftSim::new(config);
        let from_ms = sim.config().first_day_ms + 25_200 * S;
        let is_then = |row: &LiftRow| (from_ms..from_ms + 3_000 * S).contains(&row.at_ms);
        let day = (1..=8).filter(|lift| sim.gateway(*lift).poll_ms > 1_000).flat_map(|lift| sim.day(lift, 0).rows);
        let mut rows: Vec<LiftRow> = day.map(|(_, row)| row).filter(is_then).collect();
        rows.sort_by_key(|row| (row.at_ms, row.lift, format!("{:?}", row.says)));
        let tells = |told: Vec<LiftTold>| {
            let mut tells: Vec<(String, i64)> = told.into_iter().filter_map(|told| match told.tells {
                Tells::Raised { lift, nth, trap, why, .. } => Some((format!("{lift} {nth} {trap:?} {:?}", why.cause), why.since_ms)),
                _ => None,
            }).collect();
            tells.sort();
            tells
        };
        let run = |rows: &[LiftRow]| {
            let mut running = job(sim.book()).record().start().unwrap();
            let sender = running.sender::<LiftRow>("lifts").unwrap();
            rows.chunks(40).for_each(|rows| sender.send(rows.to_vec()).unwrap());
            drop(sender);
            let told = taken(&mut running);
            let recording = running.recording().unwrap();
            let mut again = job(sim.book()).workers(2).rehearse_recovery(1).replay(&recording.recut(seed, 3)).unwrap();
            assert_eq!(tells(taken(&mut again)), tells(told.clone()), "cut otherwise");
            tells(told)
        };
        let straight = run(&rows);
        let mut arrive: Vec<(i64, &LiftRow)> = rows.iter().zip(swaps.iter().cycle()).map(|(row, late_ms)| (row.at_ms + late_ms, row)).collect();
        arrive.sort_by_key(|(arrives_ms, _)| *arrives_ms);
        let arrived: Vec<LiftRow> = arrive.into_iter().map(|(_, row)| row.clone()).collect();
        prop_assert_eq!(run(&arrived), straight);
    }
}
