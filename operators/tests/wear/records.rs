//! What is on record: days, faults, repairs, visits and calls, by lift and by firm.

use std::collections::BTreeMap;
use std::sync::Arc;

use watchfire_operators::elevator::{Faults, Lift, LiftBook, LiftRecords, LiftTold, Site, Tally, Tells, Trap};

use super::*;

fn job(config: LiftRecords) -> Job {
    job_by(config, 400 * DAY_MS)
}

/// By a clock that follows no row which is further ahead.
fn job_by(config: LiftRecords, max_jump_ms: i64) -> Job {
    // Lifts 1 and 2 belong to firm 1, the others to nobody who is known.
    let book =
        Arc::new(LiftBook::new([1, 2].map(|lift| (lift, Lift { firm: 1, building: Some(7), ..Lift::default() }))));
    let job = Job::new(move |flow| {
        let (rows, told) = (flow.channel::<LiftRow>("lifts"), flow.channel::<LiftTold>("told"));
        let lifts = config.clone().of_lifts(book.clone(), rows, Faults::default(), told);
        lifts.clone().to_view("by lift");
        Tally::by_firm(lifts, book.clone()).to_view("by firm");
    });
    job.ticks(TickSource::FromEvents { interval_ms: 60_000, max_jump_ms })
}

/// By lift, and by firm.
type Kept = (BTreeMap<u32, Tally>, BTreeMap<u32, Tally>);

fn kept(running: &mut Running) -> Kept {
    let views = running.views();
    running.wait().unwrap();
    let snapshot = views.snapshot().unwrap();
    let of = |name| -> BTreeMap<u32, Tally> {
        snapshot.view::<u32, Tally>(name).unwrap().iter().map(|(key, tally, _)| (*key, tally.clone())).collect()
    };
    (of("by lift"), of("by firm"))
}

fn records(rows: Vec<LiftRow>, told: Vec<LiftTold>) -> Kept {
    records_of(job(LiftRecords::default()), rows, told)
}

fn records_of(job: Job, rows: Vec<LiftRow>, told: Vec<LiftTold>) -> Kept {
    let mut running = job.start().unwrap();
    let (lifts, says) = (running.sender::<LiftRow>("lifts").unwrap(), running.sender::<LiftTold>("told").unwrap());
    rows.chunks(500).for_each(|rows| lifts.send(rows.to_vec()).unwrap());
    says.send(told).unwrap();
    drop((lifts, says));
    kept(&mut running)
}

fn heard(lift: u32, days: std::ops::Range<i64>) -> Vec<LiftRow> {
    days.map(|day| row(lift, at(day), LiftSays::Status(LiftStatus::default()))).collect()
}

#[test]
fn faults_count_once_and_are_mended_by_class() {
    let mut rows = heard(1, 0..60);
    rows.extend([
        code(1, at(3) + 1_000, "02"),
        code(1, at(3) + 61_000, "02"),
        visited(1, at(4), &[FaultClass::DoorTrack, FaultClass::Drive]),
        // Again within 30 days; a code of no class; and one that is out of service because of it.
        code(1, at(20) + 1_000, "99"),
        code(1, at(21) + 1_000, "42"),
        code(1, at(21) + 1_500, "01"),
        visited(1, at(40), &[]),
        visited(1, at(30), &[FaultClass::DoorLock]),
        // Nobody's fault.
        row(1, at(50), LiftSays::OnSite { who: Private::from("mechanic 7"), until_ms: at(51) }),
        code(1, at(50) + 2_000, "06"),
    ]);
    let (lifts, firms) = records(sorted(rows), vec![]);
    let faults = BTreeMap::from([(FaultClass::DoorTrack, 1), (FaultClass::DoorLock, 1)]);
    let of = &lifts[&1];
    assert_eq!((&of.faults, of.unclassed, of.repeats, of.days), (&faults, 1, 2, 60));
    assert_eq!((of.repairs, of.repair_ms), (2, (at(4) - at(3) - 1_000) + (at(30) - at(21) - 1_500)));
    assert_eq!(firms[&1], *of);
}

#[test]
fn visits_are_on_time_or_not() {
    let at_days = |days: &[i64]| {
        let mut rows = heard(1, 0..64);
        rows.extend(days.iter().map(|day| visited(1, at(*day) + 3_600 * S, &[])));
        let (lifts, _) = records(sorted(rows), vec![]);
        (lifts[&1].visits_on_time, lifts[&1].visits)
    };
    assert_eq!(at_days(&[]), (0, 4), "due on the 15th, 30th, 45th and 60th day");
    assert_eq!(at_days(&[14, 29, 45, 60]), (4, 4), "a day of grace");
    assert_eq!(at_days(&[14, 15, 16, 29, 44, 59]), (4, 4), "three in a row make up for none");
    assert_eq!(at_days(&[18, 33, 48, 63]), (3, 4), "the first was late, and the next are due after it");
    assert_eq!(at_days(&[40]), (0, 3), "the one of the 15th and of the 30th were missed, and then the one of the 55th");
}

#[test]
fn a_fault_that_goes_on_is_one_and_what_is_mended_long_after_is_something_else() {
    let mut rows = heard(1, 0..100);
    // Every eleven minutes for two days, where a fault is over after ten.
    rows.extend((0..262).map(|nth| code(1, at(3) + nth * 660_000, "02")));
    rows.push(visited(1, at(60), &[FaultClass::DoorTrack]));
    // Somebody leaves it broken.
    rows.extend([
        row(1, at(80), LiftSays::OnSite { who: Private::from("mechanic 7"), until_ms: at(81) }),
        code(1, at(80) + 1_000, "06"),
        row(1, at(80) + 300_000, LiftSays::OffSite),
        code(1, at(80) + 400_000, "06"),
    ]);
    let (lifts, _) = records(sorted(rows), vec![]);
    let faults = BTreeMap::from([(FaultClass::DoorTrack, 1), (FaultClass::Drive, 1)]);
    assert_eq!((&lifts[&1].faults, lifts[&1].repeats, lifts[&1].repairs), (&faults, 0, 0));
}

/// A button does not wait for what was before it, and makes nothing late.
#[test]
fn a_call_loses_no_fault_that_is_still_held() {
    let mut rows = heard(1, 0..3);
    rows.extend([code(1, at(1) + 1_000, "07"), code(1, at(1) + 1_500, "90")]);
    let (lifts, _) = records(sorted(rows), vec![]);
    assert_eq!(lifts[&1].faults, BTreeMap::from([(FaultClass::Encoder, 1)]));
}

#[test]
fn a_fault_that_is_told_without_a_pause_is_one() {
    let mut rows = heard(1, 0..6);
    rows.extend((0..360).map(|nth| code(1, at(1) + 1_000 + nth * 300_000, "02")));
    // Over after ten minutes, and told again after fifteen.
    rows.push(code(1, at(1) + 1_000 + 359 * 300_000 + 900_000, "02"));
    let (lifts, _) = records(sorted(rows), vec![]);
    assert_eq!((lifts[&1].faults.clone(), lifts[&1].repeats), (BTreeMap::from([(FaultClass::DoorTrack, 1)]), 0));
}

#[test]
fn a_visit_that_is_told_again_or_of_a_lift_that_is_gone_counts_for_nothing() {
    let visit = |day: i64| visited(1, at(day) + 3_600 * S, &[]);
    let once = sorted([heard(1, 0..24), vec![visit(0), visit(18)]].concat());
    let mut again = once.clone();
    let until = again.iter().position(|row| row.at_ms > at(20)).unwrap();
    again.insert(until, visit(0));
    let visits = |rows: Vec<LiftRow>| {
        let (lifts, _) = records(rows, vec![]);
        (lifts[&1].visits_on_time, lifts[&1].visits)
    };
    assert_eq!((visits(once), visits(again)), ((1, 2), (1, 2)));
    let rows = sorted([heard(1, 0..5), heard(2, 0..300), vec![visit(85), visit(270)]].concat());
    assert_eq!(visits(rows), (0, 5), "of the 15th to the 75th day, the last of them made on the 85th");
}

/// A gateway that takes the time of its place for UTC, and a mechanic with a telephone.
#[test]
fn repairs_and_work_have_the_time_of_those_who_know_it() {
    let ahead_ms = 8 * 3_600_000;
    let ours = |row: &LiftRow| {
        row.at_ms
            - if matches!(row.says, LiftSays::Visited { .. } | LiftSays::OnSite { .. }) || row.lift == 2 {
                0
            } else {
                ahead_ms
            }
    };
    let mut rows: Vec<LiftRow> =
        heard(2, 0..240).into_iter().map(|row| LiftRow { at_ms: at(0) + (row.at_ms - at(0)) / 24, ..row }).collect();
    let lift: Vec<LiftRow> = (0..240)
        .map(|hour| row(1, at(0) + hour * 3_600_000 + 1_000, LiftSays::Status(LiftStatus::default())))
        .collect();
    rows.extend(lift);
    rows.extend([
        code(1, at(5) + 60_000, "02"),
        visited(1, at(5) + 3 * 3_600_000, &[FaultClass::DoorTrack]),
        row(1, at(7), LiftSays::OnSite { who: Private::from("mechanic 7"), until_ms: at(7) + 3_600_000 }),
        code(1, at(7) + 1_800_000, "06"),
    ]);
    for row in
        rows.iter_mut().filter(|row| row.lift == 1 && matches!(row.says, LiftSays::Status(_) | LiftSays::Code(_)))
    {
        row.at_ms += ahead_ms;
    }
    rows.sort_by_key(ours);
    let (lifts, _) = records_of(job_by(LiftRecords::default(), 4 * 3_600_000), rows, vec![]);
    assert_eq!((lifts[&1].faults.clone(), lifts[&1].repairs), (BTreeMap::from([(FaultClass::DoorTrack, 1)]), 1));
    let hours = lifts[&1].repair_ms as f64 / 3_600_000.0;
    assert!((2.0..4.0).contains(&hours), "{hours}");
}

/// Told of one lift of a building.
#[test]
fn without_power_no_lift_of_the_building_has_a_fault() {
    let faults = |power: bool| {
        let mut rows = [heard(1, 0..3), heard(2, 0..3), heard(3, 0..3)].concat();
        if power {
            rows.push(row(1, at(1) + 1_000, LiftSays::Power { lost: true }));
        }
        rows.extend([1, 2, 3].map(|lift| code(lift, at(1) + 60_000, "07")));
        let (lifts, _) = records(sorted(rows), vec![]);
        [1, 2, 3].map(|lift| lifts[&lift].faults.len())
    };
    assert_eq!((faults(false), faults(true)), ([1, 1, 1], [0, 0, 1]));
}

/// It is heard for five days; others go on.
#[test]
fn visits_of_a_silent_lift_are_due_until_it_is_gone() {
    let visits = |back: std::ops::Range<i64>| {
        let (lifts, _) = records(sorted([heard(1, 0..5), heard(2, 0..300), heard(1, back)].concat()), vec![]);
        (lifts[&1].visits_on_time, lifts[&1].visits, lifts[&1].days)
    };
    // Of the 15th, 30th, 45th, 60th, 75th and 90th day; of the next nobody knows whether there is still a lift.
    assert_eq!(visits(0..0), (0, 6, 5));
    // When it is back, the next is due after 15 days.
    assert_eq!(visits(270..290), (0, 7, 25));
    // A clock that was never set is no lift that nobody has visited for decades.
    let mut rows = heard(2, 0..20);
    rows.insert(0, row(2, 0, LiftSays::Status(LiftStatus::default())));
    let (lifts, _) = records(rows, vec![]);
    assert!(lifts[&2].visits <= 6, "{:?}", lifts[&2]);
}

#[test]
fn who_comes_every_week_is_not_worse_than_who_comes_every_fortnight() {
    let every = |days: usize| {
        let mut rows = heard(1, 0..181);
        rows.extend((days as i64..181).step_by(days).map(|day| visited(1, at(day) + 3_600 * S, &[])));
        let (lifts, _) = records(sorted(rows), vec![]);
        (lifts[&1].visits_on_time, lifts[&1].visits)
    };
    assert_eq!((every(7), every(14)), ((13, 13), (12, 12)));
}

/// Its rows are taken for those of the future by whoever does not learn its error.
#[test]
fn a_lift_whose_clock_is_ahead_is_on_record() {
    let mut rows = heard(1, 0..10);
    rows.extend(heard(2, 0..10).into_iter().map(|of| LiftRow { at_ms: of.at_ms + 600_000, ..of }));
    rows.sort_by_key(|row| row.at_ms - if row.lift == 2 { 600_000 } else { 0 });
    let (lifts, _) = records(rows, vec![]);
    assert_eq!((lifts[&1].days, lifts[&2].days), (10, 10));
}

#[test]
fn calls_are_in_time_or_not_and_only_people_say_who_was_trapped() {
    let told = |at_ms: i64, tells: Tells| LiftTold { site: Site::alone(1), at_ms, tells };
    let step = |lift, step, after_ms: i64| told(at(1) + after_ms, Tells::Step { lift, nth: 1, step, after_ms });
    let closed = |false_alarm| RescueStep::Closed { false_alarm };
    let goes = Tells::Escalated { lift: 1, nth: 1, level: 2, trap: Trap::Trapped };
    let rows = vec![
        step(1, RescueStep::Answered, 60 * S),
        step(1, RescueStep::Arrived, 1_800 * S),
        step(1, RescueStep::Released, 2_000 * S),
        step(1, closed(false), 2_100 * S),
        told(at(2), goes),
        told(at(2), Tells::Missed { lift: 1, nth: 2, step: RescueStep::Answered }),
        told(at(2), Tells::Missed { lift: 1, nth: 2, step: RescueStep::Arrived }),
        step(1, RescueStep::Arrived, 3_000 * S),
        step(1, closed(true), 3_100 * S),
        told(at(3), Tells::PowerBack),
        // Of a lift of which nothing else was heard.
        step(9, closed(false), 100 * S),
    ];
    let (lifts, firms) = records(heard(1, 0..3), rows);
    assert_eq!((lifts[&1].calls, lifts[&1].in_time, lifts[&1].trappings), (2, 1, 1));
    assert_eq!((lifts[&9].lifts, lifts[&9].trappings, firms[&0].trappings), (1, 1, 1));
}

#[test]
fn lifts_with_the_same_record_are_two_for_their_firm() {
    let (_, firms) = records(sorted([heard(1, 0..5), heard(2, 0..5), heard(3, 0..2)].concat()), vec![]);
    assert_eq!((firms[&1].lifts, firms[&1].days), (2, 10));
    assert_eq!((firms[&0].lifts, firms[&0].days), (1, 2));
}

proptest! {
    #![proptest_config(cases(6))]

    #[test]
    fn records_are_the_same_however_rows_come_and_jobs_are_cut(seed in 0_u64..1_000, swaps in prop::collection::vec(0_i64..1_900, 1..30)) {
        let config = WearSimConfig { seed, lifts: 3, trips_a_day: 6.0, faults_a_year: 60.0, ..WearSimConfig::default() };
        let sim = WearSim::new(config);
        let lifts: Vec<_> = (1..=3).map(|lift| sim.lift(lift, 40)).collect();
        let rows = sorted(lifts.iter().flat_map(|lift| (0..40).flat_map(|day| lift.day(day))).collect());
        let run = |rows: &[LiftRow]| {
            let mut running = job(LiftRecords::default()).record().start().unwrap();
            let sender = running.sender::<LiftRow>("lifts").unwrap();
            drop(running.sender::<LiftTold>("told").unwrap());
            rows.chunks(40).for_each(|rows| sender.send(rows.to_vec()).unwrap());
            drop(sender);
            let straight = kept(&mut running);
            let recording = running.recording().unwrap();
            let mut again =
                job(LiftRecords::default()).workers(2).rehearse_recovery(1).replay(&recording.recut(seed, 3)).unwrap();
            assert_eq!(kept(&mut again), straight, "cut otherwise");
            straight
        };
        let straight = run(&rows);
        prop_assert!(straight.0.values().any(|of| of.repairs > 0));
        let mut arrive: Vec<(i64, &LiftRow)> = rows.iter().zip(swaps.iter().cycle()).map(|(row, late_ms)| (row.at_ms + late_ms, row)).collect();
        arrive.sort_by_key(|(arrives_ms, _)| *arrives_ms);
        let arrived: Vec<LiftRow> = arrive.into_iter().map(|(_, row)| row.clone()).collect();
        prop_assert_eq!(run(&arrived), straight);
    }
}
