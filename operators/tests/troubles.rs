//! What ails lifts although nothing in them wears: told when it begins and when it is over, and not of what is no trouble.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::sync::Arc;

use proptest::prelude::*;
use support::cases;
use watchfire_engine::{Compose, Job, Running, TickSource};
use watchfire_operators::alarm::Private;
use watchfire_operators::elevator::{
    Ails, CodeMap, Doors, FaultClass, Lift, LiftBook, LiftRow, LiftSays, LiftSim, LiftSimConfig, LiftStatus, LiftTrip,
    Trouble, Troubles,
};

const S: i64 = 1_000;
const HOUR_MS: i64 = 3_600 * S;
const DAY_MS: i64 = 24 * HOUR_MS;
/// Midnight in Shanghai.
const FIRST_MS: i64 = 20_000 * DAY_MS - 8 * HOUR_MS;

fn job(troubles: Troubles, book: Arc<LiftBook>) -> Job {
    let job = Job::new(move |flow| {
        let book = book.clone();
        let rows = flow.channel::<LiftRow>("lifts").key_by(move |row| book.site(row.lift));
        let rows = rows.event_time(LiftRow::EVENT_TIME);
        rows.detect("troubles", LiftRow::in_order(2_100).then(troubles.clone())).out.1.to_channel("told");
    });
    job.ticks(TickSource::FromEvents { interval_ms: 10 * S, max_jump_ms: 60 * DAY_MS })
}

fn taken(running: &mut Running) -> (Vec<Trouble>, u64) {
    let told = running.receiver::<Trouble>("told").unwrap();
    let mut told: Vec<Trouble> = told.rows().collect();
    told.sort_by_key(|of| (of.at_ms, of.lift, of.over, of.ails.to_string()));
    let late = running.wait().unwrap().operators["troubles"].detectors[1].late;
    (told, late)
}

/// Two lifts in building 7, and others that stand alone.
fn book() -> Arc<LiftBook> {
    let lift = |number| (number, Lift { building: Some(7), ..Lift::default() });
    Arc::new(LiftBook::new([1, 2].map(lift)))
}

fn said(mut rows: Vec<LiftRow>) -> (Vec<Trouble>, u64) {
    rows.sort_by_key(|row| row.at_ms);
    as_they_come(&rows)
}

fn as_they_come(rows: &[LiftRow]) -> (Vec<Trouble>, u64) {
    let mut running = job(Troubles::default(), book()).start().unwrap();
    let sender = running.sender::<LiftRow>("lifts").unwrap();
    rows.chunks(500).for_each(|rows| sender.send(rows.to_vec()).unwrap());
    drop(sender);
    taken(&mut running)
}

/// What begins and is over: of which lift, in which second from the first, since which, and what.
fn told(rows: Vec<LiftRow>) -> Vec<(Option<u32>, i64, i64, bool, Ails)> {
    let second = |ms: i64| (ms - FIRST_MS) / S;
    let of = said(rows).0.into_iter();
    of.map(|of| (of.lift, second(of.at_ms), second(of.from_ms), of.over, of.ails)).collect()
}

fn row(lift: u32, second: i64, says: LiftSays) -> LiftRow {
    LiftRow { lift, at_ms: FIRST_MS + second * S, says }
}

fn status(lift: u32, second: i64, doors: Doors, person: Option<bool>) -> LiftRow {
    let of = LiftStatus { moving: Some(false), doors: Some(doors), person, ..LiftStatus::default() };
    row(lift, second, LiftSays::Status(of))
}

fn code(lift: u32, second: i64, raw: &str) -> LiftRow {
    row(lift, second, LiftSays::Code(CodeMap::city().read(raw)))
}

/// Parked from and until, and heard every ten seconds.
fn parked(lift: u32, seconds: std::ops::Range<i64>) -> impl Iterator<Item = LiftRow> {
    seconds.step_by(10).map(move |second| status(lift, second, Doors::Closed, Some(false)))
}

#[test]
fn a_lift_that_tells_nothing_is_silent_until_it_does() {
    let mut rows: Vec<LiftRow> = parked(1, 0..7_200).collect();
    rows.extend(parked(2, 0..600).chain(parked(2, 5_000..7_200)));
    // What people say is no word of the lift.
    rows.push(row(2, 3_000, LiftSays::OffSite));
    assert_eq!(
        told(rows.clone()),
        [(Some(2), 1_490, 590, false, Ails::Silent), (Some(2), 5_000, 590, true, Ails::Silent)]
    );
    // A pause that is shorter is none, and the end of the input is no silence.
    let short: Vec<LiftRow> = parked(1, 0..600).chain(parked(1, 1_400..1_500)).collect();
    assert_eq!(told(short), []);
    // What it said again is no word of it either.
    rows.retain(|row| row.lift == 1 || row.at_ms < FIRST_MS + 600 * S);
    rows.extend(
        (600..7_200)
            .step_by(600)
            .map(|second| status(2, second, Doors::Closed, Some(false)))
            .map(|row| LiftRow { at_ms: FIRST_MS + 590 * S, ..row }),
    );
    assert_eq!(told(rows), [(Some(2), 1_490, 590, false, Ails::Silent)]);
}

#[test]
fn a_sensor_that_changes_its_mind_behind_closed_doors_flaps() {
    let flaps = |seconds: std::ops::Range<i64>, every: usize| {
        seconds.step_by(every).map(|second| status(1, second, Doors::Closed, Some(second / 9 % 2 == 0)))
    };
    let (begins, over) = (Ails::PersonFlaps { changes: 20 }, Ails::PersonFlaps { changes: 20 });
    let rows: Vec<LiftRow> = flaps(0..200, 1).chain(parked(1, 200..2 * 86_400)).collect();
    let told_of = told(rows);
    assert_eq!(told_of[0], (Some(1), 180, 180, false, begins));
    // A quarter of it is left after a day and more.
    let (_, at, since, is_over, ails) = told_of[1].clone();
    assert_eq!((since, is_over, ails), (180, true, over));
    assert!((86_400..2 * 86_400).contains(&at), "{at}");
    // Where half a minute lies between two rows, doors may have opened.
    assert_eq!(told(flaps(0..7_200, 30).collect()), []);
    // Where doors are open people come and go.
    let open = |second: i64| {
        let doors = if second % 9 == 0 { Doors::Open } else { Doors::Closed };
        status(1, second, doors, Some(second / 9 % 2 == 0))
    };
    assert_eq!(told((0..900).map(open).collect()), []);
}

/// A run to another floor and back each two minutes, of which the sensor says that.
fn runs(from: i64, count: i64, person: impl Fn(i64) -> Option<bool>) -> Vec<LiftRow> {
    let of = |n: i64| {
        let is = |second: i64, moving: bool| {
            let status = LiftStatus { moving: Some(moving), person: person(n), ..LiftStatus::default() };
            row(1, from + n * 120 + second, LiftSays::Status(status))
        };
        [is(0, false), is(10, true), is(30, false)]
    };
    (0..count).flat_map(of).collect()
}

#[test]
fn a_sensor_that_says_the_same_run_after_run_is_out_of_order() {
    let nobody = Ails::PersonConstant { says: false, runs: 100 };
    let mut rows = runs(0, 150, |_| Some(false));
    let begins = (Some(1), 99 * 120 + 10, 0, false, nobody.clone());
    assert_eq!(told(rows.clone()), std::slice::from_ref(&begins));
    // It sees somebody: it is not.
    rows.push(status(1, 150 * 120, Doors::Closed, Some(true)));
    assert_eq!(told(rows), [begins, (Some(1), 150 * 120, 0, true, nobody)]);
    // One that sees somebody now and then is sound; one that has never said anything is none.
    assert_eq!(told(runs(0, 400, |n| Some(n % 50 == 0))), []);
    assert_eq!(told(runs(0, 400, |_| None)), []);
    // One that has, and says nothing any more, is out of order; now and then without a word it is not.
    let gone = runs(0, 400, |n| (n < 50).then_some(n % 2 == 0));
    assert_eq!(told(gone), [(Some(1), 149 * 120 + 10, 49 * 120 + 30, false, Ails::PersonUnknown { runs: 100 })]);
    assert_eq!(told(runs(0, 400, |n| (n % 3 > 0).then_some(n % 2 == 0))), []);
}

#[test]
fn power_that_is_lost_again_and_again_is_told_of_the_building() {
    const DAY: i64 = 86_400;
    let poor = Ails::PowerPoor { losses: 3 };
    // Lifts of the building, and its meter, tell of one loss; on another day of the next.
    let loss = |day: i64| {
        let power = row(2, day * DAY + 60, LiftSays::Power { lost: true });
        [code(1, day * DAY, "41"), code(2, day * DAY + 2, "41"), power, code(1, day * DAY + 500, "41")]
    };
    let heard = |days: i64| (0..days * 24).map(|hour| status(1, hour * 3_600, Doors::Closed, None));
    let of_building = |rows: Vec<LiftRow>| -> Vec<_> {
        told(rows).into_iter().filter(|(_, _, _, _, ails)| ails.class() == FaultClass::Power).collect()
    };
    let twice: Vec<LiftRow> = [3, 9].into_iter().flat_map(loss).chain(heard(40)).collect();
    assert_eq!(of_building(twice.clone()), []);
    let thrice: Vec<LiftRow> = twice.iter().cloned().chain(loss(12)).collect();
    let begins = (None, 12 * DAY, 3 * DAY, false, poor.clone());
    assert_eq!(of_building(thrice), [begins.clone(), (None, 33 * DAY, 3 * DAY, true, poor.clone())]);
    // The end of the input is no end of it.
    let short: Vec<LiftRow> = [3, 9, 12].into_iter().flat_map(loss).chain(heard(20)).collect();
    assert_eq!(of_building(short), [begins]);
    // Three in more than thirty days, and those of another building.
    let spread: Vec<LiftRow> = [3, 20, 34].into_iter().flat_map(loss).chain(heard(40)).collect();
    assert_eq!(of_building(spread), []);
    let other = LiftRow { lift: 9, ..code(9, 10 * DAY, "41") };
    assert_eq!(of_building(twice.into_iter().chain([other]).collect()), []);
}

/// Doors that are held for a minute and a half.
fn held(lift: u32, second: i64) -> impl Iterator<Item = LiftRow> {
    let open = (second..second + 90).step_by(10).map(move |second| status(lift, second, Doors::Open, None));
    open.chain([status(lift, second + 90, Doors::Closed, None)])
}

#[test]
fn doors_that_are_held_more_often_than_usual_at_that_hour_are_told() {
    const DAY: i64 = 86_400;
    let heard = |days: i64| (0..days * 6 * 24).map(|n| status(1, n * 600 + 7, Doors::Closed, None));
    // People move in: six times within the hour.
    let burst = |at: i64| (0..6).flat_map(move |n| held(1, at + n * 500));
    let once: Vec<LiftRow> = heard(3).chain(burst(2 * DAY + 3 * 3_600)).collect();
    let all = told(once.clone());
    let [(Some(1), at, since, false, Ails::Misused { times: 3, usual }), (Some(1), ends, _, true, _)] = all[..] else {
        panic!("{all:?}")
    };
    assert_eq!((at, since, ends), (2 * DAY + 3 * 3_600 + 1_060, 2 * DAY + 3 * 3_600, 2 * DAY + 5 * 3_600));
    assert!((0.005..0.03).contains(&usual), "{usual}");
    // The same hour of each day: usual after some weeks, and at another hour it is not.
    let each: Vec<LiftRow> = heard(60).chain((0..60).flat_map(|day| burst(day * DAY + 8 * 3_600))).collect();
    let begins = |rows: Vec<LiftRow>| -> Vec<i64> {
        told(rows).into_iter().filter(|(_, _, _, over, _)| !over).map(|(_, at, _, _, _)| at / 3_600).collect()
    };
    let days: Vec<i64> = begins(each.clone()).into_iter().map(|hour| hour / 24).collect();
    assert!(!days.is_empty() && days.iter().all(|day| *day < 21), "{days:?}");
    let other: Vec<LiftRow> = each.into_iter().chain(burst(50 * DAY + 3 * 3_600)).collect();
    assert_eq!(begins(other).last(), Some(&(50 * 24 + 3)));
    // Whoever works on it may hold its doors.
    let site = LiftSays::OnSite { who: Private::from("mechanic"), until_ms: FIRST_MS + (2 * DAY + 4 * 3_600) * S };
    assert_eq!(told(once.into_iter().chain([row(1, 2 * DAY + 3 * 3_600 - 60, site)]).collect()), []);
}

#[test]
fn doors_that_are_kept_from_closing_count_by_trip() {
    let trip = |second: i64, reversals: u16| {
        let of = LiftTrip { from: 1, floor: 4, reversals: Some(reversals), ..LiftTrip::default() };
        row(1, second, LiftSays::Trip(Box::new(of)))
    };
    let of = |reversals: u16| told((0..20).map(|n| trip(n * 120, reversals)).collect());
    assert!(matches!(of(3)[..], [(Some(1), 240, 0, false, Ails::Misused { times: 3, .. })]), "{:?}", of(3));
    assert_eq!(of(2), []);
}

#[test]
fn what_cannot_be_is_late_and_what_comes_again_counts_once() {
    let mut rows: Vec<LiftRow> = (0..200).map(|n| status(1, n, Doors::Closed, Some(n / 9 % 2 == 0))).collect();
    let straight = said(rows.clone());
    assert_eq!(straight.1, 0);
    let again: Vec<LiftRow> = rows.iter().flat_map(|row| [row.clone(), row.clone()]).collect();
    assert_eq!(said(again).0, straight.0);
    rows.push(LiftRow { at_ms: i64::MIN, ..status(1, 0, Doors::Open, None) });
    rows.push(LiftRow { at_ms: i64::MAX, ..status(1, 0, Doors::Open, None) });
    assert_eq!(said(rows).0, straight.0);
}

/// Its gateway starts anew, eight hours behind, and lift 9, elsewhere, says what time it is.
#[test]
fn a_lift_whose_clock_is_set_back_is_heard() {
    let at = |second: i64| if second < 40_000 { second } else { second - 28_800 };
    let rows = |stops: i64| -> Vec<LiftRow> {
        let both = |second: i64| {
            let person = Some(second < 39_300 && second % 2 == 0);
            let is = (second < stops).then(|| status(1, at(second), Doors::Closed, person));
            is.into_iter().chain([status(9, second, Doors::Closed, None)])
        };
        (39_000..42_000).flat_map(both).collect()
    };
    let silent = |of: &[Trouble]| of.iter().filter(|of| of.ails == Ails::Silent).count();
    let (heard, _) = as_they_come(&rows(42_000));
    assert_eq!(silent(&heard), 0, "{heard:?}");
    assert!(!heard.is_empty() && heard.iter().all(|of| of.from_ms <= of.at_ms), "{heard:?}");
    let (gone, _) = as_they_come(&rows(40_500));
    assert_eq!(silent(&gone), 1, "{gone:?}");
}

proptest! {
    #![proptest_config(cases(6))]

    /// Simulated lifts of two buildings over hours: whatever order rows come in within their bound, however they are cut, and with every state stored and read back.
    #[test]
    fn order_within_the_bound_cuts_and_crashes_change_nothing(seed in 0_u64..1_000, swaps in prop::collection::vec(0_i64..1_900, 1..30)) {
        let sim = LiftSim::new(LiftSimConfig { seed, lifts: 4, lifts_a_building: 2, cuts_a_day: 1.0, ..LiftSimConfig::default() });
        let troubles = Troubles { silent_ms: 60 * S, flaps: 4, constant_runs: 8, losses: 1, misuses_an_hour: 1e-6, odd: 0.1, held_ms: 3 * S, ..Troubles::default() };
        // Around when one of them loses its power.
        let from_ms = sim.cut(0, 0).map_or(0, |(from_ms, _)| from_ms) - 1_200 * S;
        let part = |lift| sim.part(lift, 0, from_ms..from_ms + 2_400 * S).rows;
        let mut rows: Vec<LiftRow> = (1..=4).flat_map(part).map(|(_, row)| row).collect();
        rows.sort_by_key(|row| (row.at_ms, row.lift));
        let book = Arc::new(sim.book());
        let run = |rows: &[LiftRow]| {
            let mut running = job(troubles.clone(), book.clone()).record().start().unwrap();
            let sender = running.sender::<LiftRow>("lifts").unwrap();
            rows.chunks(40).for_each(|rows| sender.send(rows.to_vec()).unwrap());
            drop(sender);
            let said = taken(&mut running);
            let recording = running.recording().unwrap();
            let mut again = job(troubles.clone(), book.clone()).workers(2).rehearse_recovery(1).replay(&recording.recut(seed, 3)).unwrap();
            assert_eq!(taken(&mut again), said, "cut otherwise");
            said
        };
        let straight = run(&rows);
        prop_assert!(straight.0.iter().any(|of| of.ails.class() == FaultClass::Power), "{:?}", straight);
        let mut arrive: Vec<(i64, &LiftRow)> = rows.iter().zip(swaps.iter().cycle()).map(|(row, late_ms)| (row.at_ms + late_ms, row)).collect();
        arrive.sort_by_key(|(arrives_ms, _)| *arrives_ms);
        let arrived: Vec<LiftRow> = arrive.into_iter().map(|(_, row)| row.clone()).collect();
        prop_assert_eq!(run(&arrived).0, straight.0);
    }
}
