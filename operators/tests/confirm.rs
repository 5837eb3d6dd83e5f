//! From what speaks for somebody being unwell to somebody who goes there: nothing is swallowed, and nobody is called back by a machine.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/played.rs"]
mod played;

use std::collections::BTreeMap;

use played::{Json, Played, Scene};
use proptest::prelude::*;
use watchfire_engine::{Change, Job, Running, TickSource};
use watchfire_operators::dispatch::{Person, Says};
use watchfire_operators::wristband::{
    Answer, Ask, CareRow, CareSays, CareTells, CareTold, Cause, Concern, Confirm, Evidence, Grade, Home, Press, Sign,
    Step, Wearer, sends_to,
};

const PERSON: Wearer = Wearer::Person(7);
/// Somebody whose rows move the clock.
const OTHER: Wearer = Wearer::Person(8);

/// When a test begins: a hundred days after the clocks did.
const BEGIN: i64 = 100 * 86_400_000;
const HOUR_S: i64 = 3_600;

/// Of the person, so many seconds after the begin by the clock of the band.
fn of(at_s: i64, says: CareSays) -> CareRow {
    CareRow { wearer: PERSON, at_ms: BEGIN + at_s * 1_000, says }
}

fn fell(at_s: i64, grade: Grade) -> Concern {
    let at_ms = BEGIN + at_s * 1_000;
    let evidence = Evidence::Fall { impact_ms: at_ms, impact_mg: 3_200, tilt_deg: None };
    Concern { wearer: PERSON, at_ms, sign: Sign::Fall, grade, evidence }
}

fn told(at_s: i64) -> CareRow {
    CareRow::of(Change::Insert(fell(at_s, Grade::CallBack)))
}

fn withdrawn(at_s: i64) -> CareRow {
    CareRow::of(Change::Retract(fell(at_s, Grade::CallBack)))
}

fn sos(at_s: i64, seq: u32) -> CareRow {
    of(at_s, CareSays::Sos(Press { band: 12, boot: 1, seq }))
}

fn who() -> Person {
    Person::named("officer 7", "was there")
}

fn answer(at_s: i64, nth: Option<u32>, is: Answer) -> CareRow {
    of(at_s, CareSays::Answer { nth, is, by: who() })
}

fn closed(at_s: i64, nth: u32) -> CareRow {
    of(at_s, CareSays::Closed { nth, false_alarm: true, by: who() })
}

fn job(confirm: Confirm) -> Job {
    let job = Job::new(move |flow| {
        let rows = flow.channel::<CareRow>("rows").key_by(|row| row.wearer).event_time(CareRow::EVENT_TIME);
        rows.detect("confirm", confirm.clone()).out.to_channel("told");
    });
    job.ticks(TickSource::FROM_EVENTS)
}

fn tick(at_s: i64) -> CareRow {
    CareRow { wearer: OTHER, ..of(at_s, CareSays::Walked) }
}

/// Each row with when it comes, and every second a row of the other.
fn timeline(rows: &[(i64, CareRow)], until_s: i64) -> Vec<CareRow> {
    let mut all: Vec<(i64, CareRow)> = (-10..=until_s).map(|at_s| (at_s, tick(at_s))).collect();
    all.extend(rows.iter().cloned());
    all.sort_by_key(|(at_s, _)| *at_s);
    all.into_iter().map(|(_, row)| row).collect()
}

fn word(tells: &CareTells) -> String {
    match tells {
        CareTells::Opened { cause: Cause::Sos { .. }, age_ms } => format!("opened by sos of {}", age_ms / 1_000),
        CareTells::Opened { cause: Cause::Said, .. } => "opened by word".to_owned(),
        CareTells::Opened { age_ms, .. } => format!("opened of {}", age_ms / 1_000),
        CareTells::Joined { cause: Cause::Sos { .. }, .. } => "joined by sos".to_owned(),
        CareTells::Joined { .. } => "joined".to_owned(),
        CareTells::Asks { ask, until_ms } => format!("{ask:?} to {}", (until_ms - BEGIN) / 1_000),
        CareTells::Failed { ask } => format!("{ask:?} failed"),
        CareTells::Warned => "warned".to_owned(),
        CareTells::Sent { why } => format!("sent {why:?}"),
        CareTells::Answered { is, .. } => format!("answered {is:?}"),
        CareTells::Arrived { .. } => "arrived".to_owned(),
        CareTells::Withdrawn { last, .. } => if *last { "all withdrawn" } else { "withdrawn" }.to_owned(),
        CareTells::Review { why } => format!("review {why:?}"),
        CareTells::Escalated { level, sent } => format!("escalated {level} {}", if *sent { "sent" } else { "review" }),
        CareTells::Closed { reached, .. } => format!("closed at {reached:?}"),
        CareTells::Cancelled { age_ms } => format!("cancelled {} ago", age_ms / 1_000),
        CareTells::Muted { .. } => "muted".to_owned(),
        CareTells::Held { .. } => "held".to_owned(),
        CareTells::Unmuted { .. } => "unmuted".to_owned(),
        CareTells::Refused { why } => format!("refused {why:?}"),
    }
}

/// What is told of the person: when, in seconds, and what.
fn taken(running: &mut Running) -> Vec<CareTold> {
    let receiver = running.receiver::<CareTold>("told").unwrap();
    let told = receiver.rows().filter(|of| of.wearer == PERSON).collect();
    running.wait().unwrap();
    told
}

fn words(told: &[CareTold]) -> Vec<String> {
    told.iter().map(|of| format!("{} {}", (of.at_ms - BEGIN) / 1_000, word(&of.tells))).collect()
}

fn run(rows: &[(i64, CareRow)], until_s: i64) -> Vec<CareTold> {
    let mut running = job(Confirm::default()).start().unwrap();
    let sender = running.sender("rows").unwrap();
    timeline(rows, until_s).chunks(100).for_each(|rows| sender.send(rows.to_vec()).unwrap());
    drop(sender);
    taken(&mut running)
}

fn said(rows: &[(i64, CareRow)], until_s: i64) -> Vec<String> {
    words(&run(rows, until_s))
}

const COUNTDOWN: [&str; 4] = ["10 opened of 0", "10 Buzz to 55", "55 Call to 145", "145 sent Unanswered"];

#[test]
fn where_nobody_answers_somebody_goes() {
    assert_eq!(said(&[(10, told(10))], 200), COUNTDOWN);
    // What fails goes on at once.
    let failed = |ask: Ask| of(20, CareSays::Failed { nth: 1, ask });
    let fails = said(&[(10, told(10)), (20, failed(Ask::Buzz)), (25, failed(Ask::Buzz)), (30, failed(Ask::Call))], 200);
    let expected =
        ["10 opened of 0", "10 Buzz to 55", "20 Buzz failed", "20 Call to 110", "30 Call failed", "30 sent Unanswered"];
    assert_eq!(fails, expected);
}

#[test]
fn only_a_person_stops_it() {
    // Steps, the button taken back, an answer of nobody, one of another case, and one given before.
    let nobody = of(12, CareSays::Answer { nth: Some(1), is: Answer::Well, by: Person::named(" ", "") });
    let rows = [
        (10, told(10)),
        (11, of(11, CareSays::Walked)),
        (11, of(11, CareSays::SosCancelled)),
        (12, nobody),
        (13, answer(13, Some(2), Answer::Well)),
        (14, answer(9, None, Answer::Well)),
    ];
    let all = said(&rows, 200);
    assert_eq!(all.iter().filter(|of| of.contains("refused")).count(), 3, "{all:?}");
    assert_eq!(
        all.iter().filter(|of| !of.contains("refused")).collect::<Vec<_>>(),
        COUNTDOWN.iter().collect::<Vec<_>>()
    );
    for nth in [Some(1), None] {
        let all = said(&[(10, told(10)), (60, answer(60, nth, Answer::Well))], 2_000);
        assert_eq!(all[3..], ["60 answered Well", "60 closed at Asks(Call)"]);
    }
    let help = said(&[(10, told(10)), (60, answer(60, Some(1), Answer::Help))], 200);
    assert_eq!(help[3..], ["60 answered Help", "60 sent Said"]);
    assert_eq!(
        said(&[(60, answer(60, None, Answer::Help))], 200),
        ["60 opened by word", "60 answered Help", "60 sent Said"]
    );
}

#[test]
fn whoever_was_sent_is_called_back_by_people_alone() {
    let rows = [
        (10, told(10)),
        (150, withdrawn(10)),
        (160, of(160, CareSays::Walked)),
        (170, answer(170, Some(1), Answer::Well)),
        (180, closed(180, 2)),
    ];
    let all = said(&rows, 1_400);
    assert_eq!(all[4..], ["150 all withdrawn", "170 answered Well", "180 refused NotThis", "1345 escalated 2 sent"]);
    let rows = [rows.to_vec(), vec![(200, closed(200, 1)), (300, withdrawn(10))]].concat();
    assert_eq!(said(&rows, 3_000)[7..], ["200 closed at Sent", "300 withdrawn"], "nobody is called back");
    let arrives = of(900, CareSays::Arrived { nth: 1, by: who() });
    let all = run(&[(10, told(10)), (900, arrives.clone())], 3_000);
    assert_eq!(words(&all)[4..], ["900 arrived", "2700 escalated 2 review"], "it is not closed yet");
    assert_eq!(all.iter().filter_map(|of| sends_to(1, &BTreeMap::new(), of)).count(), 1, "nobody more is sent");
    // More comes after that: it is not swallowed by what people have not closed.
    for (row, why) in [(told(1_000), "Anew"), (sos(1_000, 1), "Sos"), (answer(1_000, None, Answer::Help), "Said")] {
        let all = said(&[(10, told(10)), (900, arrives.clone()), (1_000, row)], 2_300);
        assert!(all.contains(&format!("1000 sent {why}")) && all.last().unwrap() == "2200 escalated 2 sent", "{all:?}");
    }
    // Who is there before anybody was sent is not who was sent.
    let early = of(20, CareSays::Arrived { nth: 1, by: who() });
    let all = said(&[(10, told(10)), (20, early)], 1_400);
    assert_eq!(all[4..], ["145 sent Unanswered", "1345 escalated 2 sent"]);
}

#[test]
fn what_is_taken_back_at_every_step_is_looked_at_by_people() {
    for (at_s, from) in [(20, 2), (60, 3)] {
        let all = said(&[(10, told(10)), (at_s, withdrawn(10))], 2_000);
        let rest = [
            format!("{at_s} all withdrawn"),
            format!("{at_s} review Withdrawn"),
            format!("{} escalated 2 review", at_s + 1_800),
        ];
        assert_eq!(all[from..], rest);
    }
    // Something else speaks for it, or it was urgent: it goes on.
    let two = said(&[(10, told(10)), (11, told(11)), (20, withdrawn(10))], 200);
    assert_eq!(
        two,
        ["10 opened of 0", "10 Buzz to 55", "11 joined", "20 withdrawn", "55 Call to 145", "145 sent Unanswered"]
    );
    let urgent = CareRow::of(Change::Insert(fell(10, Grade::Urgent)));
    let back = CareRow::of(Change::Retract(fell(10, Grade::Urgent)));
    let all = said(&[(10, urgent), (20, back)], 200);
    assert_eq!(
        all,
        ["10 opened of 0", "10 Buzz to 55", "10 warned", "20 all withdrawn", "55 Call to 145", "145 sent Unanswered"]
    );
    // New evidence asks anew; a person ends the review.
    let again = said(&[(10, told(10)), (20, withdrawn(10)), (30, told(30)), (40, closed(40, 1))], 200);
    assert_eq!(again[4..], ["30 joined", "30 Buzz to 75", "40 closed at Asks(Buzz)"]);
    let furthest = said(&[(10, told(10)), (60, withdrawn(10)), (70, closed(70, 1))], 200);
    assert_eq!(furthest[5..], ["70 closed at Asks(Call)"], "they were called for it");
    // Of a case that was closed it is told as well.
    let late = said(&[(10, told(10)), (20, closed(20, 1)), (30, told(30)), (40, withdrawn(10))], 50);
    assert_eq!(late[3..], ["30 opened of 0", "30 Buzz to 75", "40 all withdrawn"]);
}

/// What is corrected does not begin anew, and what people said before something came does not end that.
#[test]
fn what_is_corrected_goes_on_and_what_was_said_before_ends_nothing() {
    let corrected = |at_s: i64| {
        let evidence = Evidence::Fall { impact_ms: BEGIN + at_s * 1_000, impact_mg: 3_200, tilt_deg: Some(89) };
        CareRow::of(Change::Insert(Concern { evidence, ..fell(at_s, Grade::CallBack) }))
    };
    let all = said(&[(10, told(10)), (140, corrected(10)), (140, withdrawn(10))], 200);
    assert_eq!(all[3..], ["140 joined", "140 withdrawn", "145 sent Unanswered"]);
    // Of a case that was closed nobody is asked again, whichever comes first.
    let (shut, back, anew) = ((20, closed(20, 1)), (30, withdrawn(10)), (30, corrected(10)));
    assert_eq!(said(&[(10, told(10)), shut.clone(), anew.clone(), back], 200)[3..], ["30 joined", "30 withdrawn"]);
    // After somebody has arrived it is no more than it was.
    let arrives = of(150, CareSays::Arrived { nth: 1, by: who() });
    let all = said(
        &[(10, told(10)), (150, arrives.clone()), (160, corrected(10)), (160, withdrawn(10)), (170, closed(155, 1))],
        200,
    );
    assert_eq!(all[4..], ["150 arrived", "160 joined", "160 withdrawn", "170 closed at Sent"]);
    // Without a clock two falls are two.
    let undated = || told(-90 * 86_400);
    let all = said(&[(10, undated()), (20, closed(20, 1)), (30, undated())], 40);
    assert_eq!(all[3], "30 opened of 7776030");
    // What was said before somebody needed help does not end that, nor who came before something else that.
    let all = said(&[(10, told(10)), (20, answer(20, None, Answer::Help)), (30, closed(15, 1))], 40);
    assert_eq!(all[4..], ["30 refused NotThis"]);
    let all = said(&[(10, told(10)), (150, arrives.clone()), (160, told(160)), (170, arrives)], 1_400);
    assert_eq!(all[5..], ["160 joined", "160 sent Anew", "170 arrived", "1360 escalated 2 sent"]);
    // An answer, and an officer, of before.
    let all = said(&[(10, told(10)), (95, told(90)), (100, answer(60, Some(1), Answer::Well))], 200);
    assert_eq!(all[3..], ["95 joined", "100 refused NotThis", "145 sent Unanswered"]);
    let all = said(&[(10, told(10)), (170, sos(170, 1)), (180, closed(160, 1))], 200);
    assert_eq!(all[4..], ["170 joined by sos", "170 sent Sos", "180 refused NotThis"]);
}

#[test]
fn calls_for_help_pass_every_gate() {
    assert_eq!(said(&[(10, sos(10, 1))], 100), ["10 opened by sos of 0", "10 sent Sos"]);
    // Told twice it is one; pressed twice it joins; while they are asked it sends.
    let rows =
        [(10, told(10)), (20, sos(20, 1)), (21, sos(20, 1)), (22, sos(22, 2)), (23, of(23, CareSays::SosCancelled))];
    let expected = ["20 joined by sos", "20 sent Sos", "22 joined by sos", "22 sent Sos", "23 cancelled 0 ago"];
    assert_eq!(said(&rows, 200)[2..], expected);
    // It is graver than that for which somebody was sent.
    assert_eq!(said(&[(10, told(10)), (150, sos(150, 1))], 200)[4..], ["150 joined by sos", "150 sent Sos"]);
    // A clock that was reset says nothing of how old it is.
    let reset = [(5, of(5, CareSays::Walked)), (10, sos(-90 * 86_400, 1))];
    assert_eq!(said(&reset, 100)[1..], ["10 sent Sos"]);
    // Old ones: within a day they send, unless they were well after it.
    let old = -23 * HOUR_S;
    assert_eq!(said(&[(10, sos(old, 1))], 100), ["10 opened by sos of 82810", "10 sent Sos"]);
    let cancelled = of(old + 60, CareSays::SosCancelled);
    assert_eq!(said(&[(9, cancelled), (10, sos(old, 1))], 100)[1..], ["10 review SeenWell"]);
    let before = of(old - 60, CareSays::Walked);
    assert_eq!(said(&[(9, before), (10, sos(old, 1))], 100)[1..], ["10 sent Sos"]);
    assert_eq!(said(&[(10, sos(-25 * HOUR_S, 1))], 200)[1..], ["10 Call to 100", "100 sent Unanswered"]);
}

#[test]
fn what_is_old_begins_with_a_call_or_is_looked_at() {
    let old = -2 * HOUR_S;
    assert_eq!(said(&[(10, told(old))], 200), ["10 opened of 7210", "10 Call to 100", "100 sent Unanswered"]);
    let walked = |at_s: i64| of(at_s, CareSays::Walked);
    assert_eq!(said(&[(9, walked(old + 60)), (10, told(old))], 200)[1..], ["10 review SeenWell"]);
    assert_eq!(said(&[(10, told(old)), (20, walked(old + 60))], 200)[2..], ["20 review SeenWell"]);
    assert_eq!(said(&[(10, told(old)), (20, walked(old - 60))], 200)[2..], ["100 sent Unanswered"]);
    // Something new beside it: steps do not stop that.
    let both = said(&[(10, told(old)), (15, told(15)), (20, walked(19))], 200);
    assert_eq!(both[2..], ["15 joined", "100 sent Unanswered"]);
    // Somebody has spoken with them since: however new it is, people look at it.
    let spoken = said(&[(10, told(10)), (60, answer(60, Some(1), Answer::Well)), (61, told(40)), (62, told(61))], 200);
    assert_eq!(
        spoken[5..],
        [
            "61 opened of 21",
            "61 review SeenWell",
            "62 joined",
            "62 Buzz to 107",
            "107 Call to 197",
            "197 sent Unanswered"
        ]
    );
}

#[test]
fn a_mute_has_an_owner_a_reason_and_an_end() {
    let mute = |until_s: i64, by: Person| of(5, CareSays::Muted { until_ms: BEGIN + until_s * 1_000, by });
    let wrong = [
        mute(50, Person::named("", "x")),
        mute(50, Person::named("x", " ")),
        mute(4, who()),
        mute(8 * 24 * HOUR_S, who()),
    ];
    let rows: Vec<(i64, CareRow)> = wrong.into_iter().map(|row| (5, row)).collect();
    assert_eq!(said(&rows, 20), ["5 refused Nobody", "5 refused NoReason", "5 refused NoEnd", "5 refused NoEnd"]);
    // What it holds back counts when it ends, but for what was taken back.
    let rows = [(5, mute(50, who())), (10, told(10)), (11, told(11)), (12, withdrawn(11))];
    let all = said(&rows, 300);
    assert_eq!(all[..4], ["5 muted", "10 held", "11 held", "12 withdrawn"]);
    assert_eq!(all[4..], ["50 unmuted", "50 opened of 40", "50 Buzz to 95", "95 Call to 185", "185 sent Unanswered"]);
    let ends = of(20, CareSays::Unmuted { by: who() });
    assert_eq!(
        said(&[(5, mute(50, who())), (10, told(10)), (20, ends)], 25)[2..],
        ["20 unmuted", "20 opened of 10", "20 Buzz to 65"]
    );
    // Told twice, after it was ended, it does not begin again.
    let ends = of(20, CareSays::Unmuted { by: who() });
    assert_eq!(
        said(&[(5, mute(50, who())), (20, ends), (25, mute(50, who()))], 30)[1..],
        ["20 unmuted", "25 refused NotThis"]
    );
    // What is urgent, a very low pulse, one beyond hard limits, and calls for help pass.
    let pulse = |sign: Sign, per_min: u8| {
        let evidence = Evidence::Pulse { per_min, usual_per_min: Some(70), at_rest: true };
        CareRow::of(Change::Insert(Concern { sign, evidence, ..fell(10, Grade::CallBack) }))
    };
    for (passes, row) in [
        (true, CareRow::of(Change::Insert(fell(10, Grade::Urgent)))),
        (true, pulse(Sign::PulseLow, 39)),
        (true, pulse(Sign::PulseHigh, 131)),
        (false, pulse(Sign::PulseHigh, 130)),
        (true, sos(10, 1)),
    ] {
        let all = said(&[(5, mute(50, who())), (10, row)], 20);
        assert_eq!(all[1].contains("opened"), passes, "{all:?}");
    }
}

#[test]
fn a_countdown_goes_on_while_the_gateway_is_away() {
    let (played, stage) = Played::new();
    let job = Job::new(move |flow| {
        let bands = flow.source::<CareRow, _, _>("bands", played.clone(), Json).rows;
        let rows = bands.union(flow.channel("host")).key_by(|row| row.wearer).event_time(CareRow::EVENT_TIME);
        rows.detect("confirm", Confirm::default()).out.to_channel("told");
    });
    let mut running = job.ticks(TickSource::FROM_EVENTS).start().unwrap();
    let host = running.sender("host").unwrap();
    let entered = |running: &Running, source: &str, rows: u64| {
        while running.metrics().sources[source].rows < rows {
            assert!(!running.failed());
            std::thread::yield_now();
        }
    };
    host.send((-10..=10).map(tick).collect()).unwrap();
    entered(&running, "host", 21);
    let last = CareRow { wearer: Wearer::Person(9), ..of(10, CareSays::Walked) };
    [Scene::Rows(vec![told(10)]), Scene::Lost, Scene::Rows(vec![last])]
        .into_iter()
        .for_each(|of| stage.send(of).unwrap());
    entered(&running, "bands", 2);
    host.send((11..=200).map(tick).collect()).unwrap();
    drop((host, stage));
    assert_eq!(words(&taken(&mut running)), COUNTDOWN);
}

#[test]
fn what_is_told_to_those_who_dispatch_is_one_incident() {
    let all = run(&[(10, told(10))], 2_600);
    let homes = BTreeMap::from([(7, Home { district: 3, ..Home::default() })]);
    let reports: Vec<(i64, String, u8)> = all
        .iter()
        .filter_map(|told| sends_to(1, &homes, told))
        .map(|report| match report.says {
            Says::Raised(raised) => ((report.at_ms - BEGIN) / 1_000, raised.source, raised.level),
            other => panic!("{other:?}"),
        })
        .collect();
    let source = "person/7/unwell/1".to_owned();
    assert_eq!(reports, [(145, source.clone(), 1), (1_345, source.clone(), 2), (2_545, source, 3)]);
}

/// Anything at all, with when it comes.
fn anything() -> impl Strategy<Value = Vec<(i64, CareRow)>> {
    let row = (0..20_u8, 0..400_i64, -400..20_i64, 1..4_u32).prop_map(|(kind, comes_s, since_s, nth)| {
        // One in four is half an hour older, or a day.
        let older_s = [0, 0, 2 * HOUR_S, 25 * HOUR_S][(since_s.rem_euclid(4)) as usize];
        let at_s = (comes_s + since_s / 20 - older_s).min(comes_s);
        let grade = if nth == 1 { Grade::Urgent } else { Grade::CallBack };
        let place = comes_s % 8;
        // No row is ahead of the clock, which would go on with it.
        let again_s = (place * 50).min(comes_s);
        let row = match kind {
            0..=5 => CareRow::of(Change::Insert(fell(again_s, grade))),
            6..=7 => CareRow::of(Change::Retract(fell(again_s, grade))),
            8 => CareRow::of(Change::Insert(fell(at_s, grade))),
            9 => sos(at_s, nth),
            10 => sos(again_s, nth),
            11 => of(at_s, CareSays::Walked),
            12 => of(at_s, CareSays::SosCancelled),
            13 => answer(at_s, Some(nth), Answer::Well),
            14 => answer(at_s, None, Answer::Well),
            15 => of(at_s, CareSays::Failed { nth, ask: [Ask::Buzz, Ask::Call][place as usize % 2] }),
            16 => of(at_s, CareSays::Arrived { nth, by: who() }),
            17 => closed(at_s, nth),
            18 => of(at_s, CareSays::Muted { until_ms: BEGIN + (comes_s + place * 20) * 1_000, by: who() }),
            _ => answer(at_s, None, Answer::Help),
        };
        (comes_s, row)
    });
    prop::collection::vec(row, 1..25).prop_map(|mut rows| {
        rows.sort_by_key(|(comes_s, _)| *comes_s);
        rows
    })
}

/// What must hold, whatever comes.
fn is_safe(rows: &[(i64, CareRow)], told: &[CareTold]) {
    let closes =
        |nth: u32| rows.iter().any(|(_, row)| matches!(&row.says, CareSays::Closed { nth: of, .. } if *of == nth));
    let (mut open, mut step, mut asked_ms) = (0, Step::Review, None);
    for of in told {
        let at_s = (of.at_ms - BEGIN) / 1_000;
        match &of.tells {
            CareTells::Opened { .. } => {
                assert_eq!((open, of.nth > 0), (0, true), "{at_s}: one at a time");
                (open, step, asked_ms) = (of.nth, Step::Review, None);
            }
            CareTells::Asks { ask, until_ms } => {
                assert!(step < Step::Sent, "{at_s}: whoever is sent for is not asked");
                step = Step::Asks(*ask);
                asked_ms = Some(*until_ms);
            }
            CareTells::Sent { .. } => (step, asked_ms) = (Step::Sent, None),
            CareTells::Review { .. } => {
                assert!(step < Step::Sent, "{at_s}: whoever was sent is not called back");
                (step, asked_ms) = (Step::Review, None);
            }
            CareTells::Closed { reached, by, .. } => {
                assert_eq!((open, by.who.reveal()), (of.nth, "officer 7"));
                assert!(*reached >= step);
                assert!(step < Step::Sent || closes(of.nth), "{at_s}: people alone close what somebody was sent for");
                (open, asked_ms) = (0, None);
            }
            _ => {}
        }
        // Nothing is told of the person later than a second after a countdown has ended but what follows from that.
        assert!(asked_ms.is_none_or(|until_ms| of.at_ms <= until_ms), "{at_s}: {:?} of {rows:?}", words(told));
    }
    assert_eq!(asked_ms, None, "a countdown ends with the job still running: {:?}", words(told));
    // Nothing is swallowed.
    let inserts = rows.iter().filter_map(|(comes_s, row)| match row.says {
        CareSays::Concern(Change::Insert(concern)) => Some((*comes_s, Cause::Concern(concern))),
        CareSays::Sos(press) => Some((*comes_s, Cause::Sos { at_ms: row.at_ms, press })),
        _ => None,
    });
    for (comes_s, cause) in inserts {
        // Of what was closed it is told as well, when it is corrected.
        let is_told = told.iter().any(|of| match &of.tells {
            CareTells::Opened { cause: is, .. } | CareTells::Joined { cause: is, .. } => *is == cause,
            CareTells::Held { concern, .. } => Cause::Concern(*concern) == cause,
            _ => false,
        });
        assert!(is_told, "{comes_s}: {cause:?} of {:?}", words(told));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_comes_nothing_is_swallowed_and_nobody_is_called_back(rows in anything()) {
        is_safe(&rows, &run(&rows, 1_000));
    }

    /// However rows were cut, on however many workers, and with every state read back, in the middle of every countdown.
    #[test]
    fn it_is_the_same_however_it_was_cut(rows in anything(), seed in any::<u64>()) {
        let mut running = job(Confirm::default()).record().start().unwrap();
        let sender = running.sender("rows").unwrap();
        timeline(&rows, 600).chunks(40).for_each(|rows| sender.send(rows.to_vec()).unwrap());
        drop(sender);
        let told = taken(&mut running);
        let recording = running.recording().unwrap();
        let mut again = job(Confirm::default()).workers(2).rehearse_recovery(1).replay(&recording.recut(seed, 9)).unwrap();
        prop_assert_eq!(taken(&mut again), told);
    }
}
