//! How lifts wear: what a day says of what was measured on it, and what it does not say when something is missing, wrong, late, repeated or mended.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use proptest::prelude::*;
use support::cases;
use watchfire_engine::{Compose, EventTime, Job, Running, TickSource};
use watchfire_operators::detect::{Example, Horizon, Label};
use watchfire_operators::dispatch::Person;
use watchfire_operators::elevator::{
    CodeMap, FaultClass, LiftRow, LiftSays, LiftTotals, LiftTrip, WEAR_FEATURES, Wear, WearDay, WearSign, WearSim,
    WearSimConfig,
};

const DAY_MS: i64 = 86_400_000;
/// Midnight in Shanghai.
const FIRST_MS: i64 = 20_000 * DAY_MS - 8 * 3_600_000;
const S: i64 = 1_000;

fn job() -> Job {
    let job = Job::new(|flow| {
        let bounds = EventTime { disorder_ms: 2 * S, ..EventTime::default() };
        let rows = flow.channel::<LiftRow>("lifts").key_by(|row| row.lift).event_time(bounds);
        let found = rows.detect("wear", LiftRow::in_order(2_100).then(Wear::default()));
        found.out.1.clone().to_channel("days");
        let week = Horizon::new(7 * DAY_MS, DAY_MS * 3 / 2, WearDay::observed);
        found.out.1.key_by(|day| (day.lift, day.class)).detect("within a week", week).out.to_channel("week");
    });
    job.ticks(TickSource::FromEvents { interval_ms: 60_000, max_jump_ms: 60 * DAY_MS })
}

#[derive(Debug, Default, PartialEq)]
struct Said {
    days: Vec<WearDay>,
    week: Vec<Example<(u32, FaultClass)>>,
    late: u64,
}

fn taken(running: &mut Running) -> Said {
    let (days, week) =
        (running.receiver::<WearDay>("days").unwrap(), running.receiver::<Example<(u32, FaultClass)>>("week").unwrap());
    let week = std::thread::spawn(move || week.rows().collect::<Vec<_>>());
    let (mut days, mut week): (Vec<_>, _) = (days.rows().collect(), week.join().unwrap());
    let late = running.wait().unwrap().operators["wear"].detectors[1].late;
    days.sort_by_key(|day: &WearDay| (day.lift, day.day_ms, day.class));
    week.sort_by_key(|of| (of.asset, of.at_ms, of.label == Label::Open));
    Said { days, week, late }
}

fn said(rows: &[LiftRow]) -> Said {
    let mut running = job().start().unwrap();
    let sender = running.sender::<LiftRow>("lifts").unwrap();
    rows.chunks(500).for_each(|rows| sender.send(rows.to_vec()).unwrap());
    drop(sender);
    taken(&mut running)
}

fn row(lift: u32, at_ms: i64, says: LiftSays) -> LiftRow {
    LiftRow { lift, at_ms, says }
}

fn code(lift: u32, at_ms: i64, raw: &str) -> LiftRow {
    row(lift, at_ms, LiftSays::Code(CodeMap::city().read(raw)))
}

/// Half past three on a day, from 0.
fn at(day: i64) -> i64 {
    FIRST_MS + day * DAY_MS + 12_600 * S
}

/// Forty trips to the fourth floor on each of so many days, of which `trip` says what was measured.
fn days_of(lift: u32, days: std::ops::Range<i64>, trip: impl Fn(i64, LiftTrip) -> LiftTrip) -> Vec<LiftRow> {
    let one = |n: i64| {
        let usual = LiftTrip {
            from: 1,
            floor: 4,
            door_close_ms: Some(3_000 + (n * 7 % 11) as u32 * 20),
            lock_ms: Some(250 + (n * 5 % 7) as u32 * 10),
            reversals: Some(u16::from(n % 25 == 0)),
            chain_opens: Some(0),
            ..LiftTrip::default()
        };
        let at_ms = at(n.div_euclid(40)) + n.rem_euclid(40) * 900 * S;
        row(lift, at_ms, LiftSays::Trip(Box::new(trip(n.div_euclid(40), usual))))
    };
    (days.start * 40..days.end * 40).map(one).collect()
}

fn usual(_day: i64, trip: LiftTrip) -> LiftTrip {
    trip
}

fn feature(day: &WearDay, name: &str) -> f64 {
    day.features[WEAR_FEATURES.iter().position(|of| *of == name).unwrap()]
}

/// The days of a class, by number.
fn of_class(said: &Said, lift: u32, class: FaultClass) -> Vec<(i64, &WearDay)> {
    let of = said.days.iter().filter(|day| day.lift == lift && day.class == class);
    of.map(|day| ((day.day_ms - FIRST_MS) / DAY_MS, day)).collect()
}

#[test]
fn a_day_begins_at_midnight_where_lifts_stand_and_the_last_is_not_told() {
    let said = said(&days_of(7, 0..5, usual));
    let tracks = of_class(&said, 7, FaultClass::DoorTrack);
    assert_eq!(tracks.iter().map(|(day, _)| *day).collect::<Vec<_>>(), [0, 1, 2, 3]);
    assert!(tracks.iter().all(|(_, day)| day.trips == 40 && day.why.is_empty() && day.features.len() == 21));
    assert_eq!(said.days.len(), 4 * 7, "one of each class");
}

#[test]
fn what_lasts_adds_up_and_what_is_said_of_it_is_where_it_is_worst() {
    let slower = |more_ms: u32| {
        let slower = move |day: i64, trip: LiftTrip| LiftTrip {
            door_close_ms: trip.door_close_ms.map(|ms| ms + if day >= 20 { more_ms } else { 0 }),
            ..trip
        };
        said(&days_of(7, 0..40, slower))
    };
    // A fifth of a standard deviation, which no trip shows.
    let long = |(_, day): &(i64, &WearDay)| feature(day, "what is measured has been off for long");
    let little = slower(15);
    let long: Vec<f64> = of_class(&little, 7, FaultClass::DoorTrack).iter().map(long).collect();
    assert!(long[19] < 0.5 && long[23] > long[20] && long[28] > long[23] && long[28] > 2.0, "{long:?}");
    let said = slower(160);
    let tracks = of_class(&said, 7, FaultClass::DoorTrack);
    let (_, day) = tracks[30];
    assert_eq!((day.why[0].sign, day.why[0].at), (WearSign::DoorClosing, Some((4, true))));
    assert!((day.why[0].usual - 3_100.0).abs() < 25.0 && (day.why[0].lately - 3_260.0).abs() < 40.0, "{:?}", day.why);
    // What is usual stays what it was.
    assert!((tracks[38].1.why[0].off_sd - day.why[0].off_sd).abs() < 0.2);
    let locks = of_class(&said, 7, FaultClass::DoorLock);
    assert!(locks.iter().all(|(_, day)| day.why.is_empty()), "of locks it says nothing");
}

#[test]
fn floors_and_directions_differ_without_being_odd() {
    let by_floor = |day: i64, trip: LiftTrip| {
        let up = day % 2 == 0;
        let (from, floor) = if up { (1, 9) } else { (9, 1) };
        LiftTrip { from, floor, door_close_ms: trip.door_close_ms.map(|ms| if up { ms } else { ms + 900 }), ..trip }
    };
    let said = said(&days_of(7, 0..30, by_floor));
    assert!(said.days.iter().all(|day| day.why.is_empty()));
}

#[test]
fn sensors_out_of_range_are_counted_and_change_nothing() {
    let broken = |of: fn(LiftTrip) -> LiftTrip| move |day: i64, trip| if day % 3 == 2 { of(trip) } else { trip };
    let wild = |trip: LiftTrip| LiftTrip {
        door_close_ms: Some(u32::MAX),
        lock_ms: Some(0),
        reversals: Some(60_000),
        level_error_um: Some(i32::MIN),
        ..trip
    };
    let missing =
        |trip: LiftTrip| LiftTrip { door_close_ms: None, lock_ms: None, reversals: None, level_error_um: None, ..trip };
    let (wild, missing) = (said(&days_of(7, 0..30, broken(wild))), said(&days_of(7, 0..30, broken(missing))));
    for (wild, missing) in wild.days.iter().zip(&missing.days) {
        let third = (wild.day_ms - FIRST_MS) / DAY_MS % 3 == 2;
        assert_eq!((wild.unusable, missing.unusable), (if third { 160 } else { 0 }, 0));
        assert_eq!(wild.features, missing.features, "what cannot be is as if it had not been measured");
    }
}

#[test]
fn a_lift_that_measures_nothing_is_as_usual_and_its_faults_count() {
    let nothing = |_: i64, trip: LiftTrip| LiftTrip { from: trip.from, floor: trip.floor, ..LiftTrip::default() };
    let mut rows = days_of(7, 0..10, nothing);
    rows.push(code(7, at(4) + 1, "02"));
    rows.sort_by_key(|row| row.at_ms);
    let said = said(&rows);
    for (day, of) in of_class(&said, 7, FaultClass::DoorTrack) {
        assert_eq!((of.failed, of.failed_lately), (day == 4, day > 4));
        assert!(of.features[..8].iter().all(|value| *value == 0.0), "{:?}", of.features);
    }
}

#[test]
fn codes_that_come_again_are_one_fault_a_day_and_unknown_ones_are_none() {
    let rows_of = |codes: &[(i64, &str)]| {
        let mut rows = days_of(7, 0..10, usual);
        rows.extend(codes.iter().map(|(at_ms, raw)| code(7, *at_ms, raw)));
        rows.sort_by_key(|row| row.at_ms);
        said(&rows)
    };
    let once = rows_of(&[(at(4) + 1, "02")]);
    let again = rows_of(&[(at(4) + 1, "02"), (at(4) + 1, "02"), (at(4) + 2_001, "02"), (at(4) + 9_000, "03")]);
    assert_eq!(once.days, again.days);
    let unknown = rows_of(&[(at(4) + 1, "E-77"), (at(5) + 1, "90"), (at(6) + 1, "40"), (at(6) + 2, "00")]);
    assert_eq!(unknown.days, rows_of(&[]).days);
}

#[test]
fn what_comes_after_its_day_was_told_is_late() {
    let mut rows = days_of(7, 0..3, usual);
    rows.push(row(7, at(1), LiftSays::Trip(Box::default())));
    // Of a day that is not over it counts.
    rows.push(code(7, at(2) + 1, "02"));
    rows.extend(days_of(7, 3..5, usual));
    let said = said(&rows);
    assert_eq!(said.late, 1);
    let tracks = of_class(&said, 7, FaultClass::DoorTrack);
    assert_eq!(tracks.iter().map(|(_, day)| day.failed).collect::<Vec<_>>(), [false, false, true, false]);
}

fn visited(lift: u32, at_ms: i64, mended: &[FaultClass]) -> LiftRow {
    let by = Person::named("mechanic 7", "");
    row(lift, at_ms, LiftSays::Visited { mended: mended.to_vec(), by })
}

#[test]
fn mending_makes_a_class_new_and_leaves_the_others() {
    let slower = |day: i64, trip: LiftTrip| {
        let more = if day >= 20 { 1.2 } else { 1.0 };
        let longer = |ms: Option<u32>| ms.map(|ms| (f64::from(ms) * more) as u32);
        LiftTrip { door_close_ms: longer(trip.door_close_ms), lock_ms: longer(trip.lock_ms), ..trip }
    };
    let mut rows = days_of(7, 0..40, slower);
    rows.extend([
        code(7, at(10) + 1, "02"),
        visited(7, at(27) + 1, &[]),
        visited(7, at(30) + 1, &[FaultClass::DoorTrack]),
    ]);
    rows.sort_by_key(|row| row.at_ms);
    let said = said(&rows);
    let tracks = of_class(&said, 7, FaultClass::DoorTrack);
    assert!(!tracks[28].1.why.is_empty(), "somebody looked, and mended nothing");
    assert!(tracks[30].1.renewed && tracks[30].1.why.is_empty());
    // What is so after it was mended is usual from then on.
    assert!(tracks[31..].iter().all(|(_, day)| day.why.is_empty() && !day.renewed));
    assert!(feature(tracks[29].1, "door cycles since it was mended") > 0.7);
    assert!(feature(tracks[31].1, "door cycles since it was mended") < 0.1);
    assert_eq!(feature(tracks[31].1, "days since it was mended").exp().round(), 3.0);
    assert!(
        feature(tracks[31].1, "faults so far")
            > feature(of_class(&said, 7, FaultClass::DoorLock)[31].1, "faults so far")
    );
    let locks = of_class(&said, 7, FaultClass::DoorLock);
    assert!(locks[30..].iter().all(|(_, day)| !day.why.is_empty() && !day.renewed));
    // What was foretold of before nobody will know.
    let week = |day: i64| {
        let of = said.week.iter().filter(|of| of.asset == (7, FaultClass::DoorTrack) && of.label != Label::Open);
        of.filter(|of| of.at_ms == FIRST_MS + day * DAY_MS).map(|of| of.label).collect::<Vec<_>>()
    };
    assert_eq!(
        (week(8), week(20), week(25)),
        (vec![Label::Known(true)], vec![Label::Known(false)], vec![Label::Censored])
    );
}

#[test]
fn what_was_mended_in_one_visit_may_be_told_in_two_rows() {
    let mut rows = days_of(7, 0..4, usual);
    rows.extend([FaultClass::DoorTrack, FaultClass::Drive].map(|class| visited(7, at(2) + 1, &[class])));
    rows.sort_by_key(|row| row.at_ms);
    let said = said(&rows);
    let renewed: Vec<_> = said.days.iter().filter(|day| day.renewed).map(|day| day.class).collect();
    assert_eq!(renewed, [FaultClass::DoorTrack, FaultClass::Drive]);
}

#[test]
fn a_new_light_curtain_does_not_hide_worn_tracks() {
    let worn = |day: i64, trip: LiftTrip| LiftTrip {
        door_close_ms: trip.door_close_ms.map(|ms| ms + if day >= 20 { 200 } else { 0 }),
        reversals: trip.reversals.map(|count| if day >= 20 { 1 } else { count }),
        ..trip
    };
    let mut rows = days_of(7, 0..40, worn);
    rows.push(visited(7, at(25) + 1, &[FaultClass::LightCurtain]));
    rows.sort_by_key(|row| row.at_ms);
    let said = said(&rows);
    let signs = |day: i64| {
        let (_, of) = of_class(&said, 7, FaultClass::DoorTrack)[day as usize];
        of.why.iter().map(|why| why.sign).collect::<Vec<_>>()
    };
    assert_eq!(signs(24), [WearSign::Reversals, WearSign::DoorClosing]);
    // Doors go on to turn back, so that was not it.
    assert_eq!((signs(25), signs(28)), (signs(24), signs(24)));
    assert!(of_class(&said, 7, FaultClass::LightCurtain)[25].1.renewed);
}

#[test]
fn half_of_all_lifts_missing_for_a_day_are_censored_and_the_others_are_not() {
    let mut rows: Vec<LiftRow> = (1..=10).flat_map(|lift| days_of(lift, 0..20, usual)).collect();
    rows.retain(|row| row.lift % 2 == 0 || !(at(10)..at(11)).contains(&row.at_ms));
    rows.sort_by_key(|row| (row.at_ms, row.lift));
    let said = said(&rows);
    for lift in 1..=10 {
        let tracks = of_class(&said, lift, FaultClass::DoorTrack);
        assert_eq!(tracks.iter().any(|(day, _)| *day == 10), lift % 2 == 0);
        let censored = said.week.iter().filter(|of| of.asset.0 == lift && of.label == Label::Censored).count();
        // The seven days before, of each of seven classes.
        assert_eq!(censored, if lift % 2 == 0 { 0 } else { 49 });
    }
}

#[test]
fn what_a_lift_has_counted_is_its_use_whatever_counts_it() {
    let rows_of = |totals: [u64; 6]| {
        let mut rows = days_of(7, 0..7, usual);
        let told = (0..).zip(totals).map(|(day, total)| {
            let totals = LiftTotals { runs: None, door_cycles: Some(total) };
            row(7, at(day) + 36_001 * S, LiftSays::Totals(totals))
        });
        rows.extend(told);
        rows.sort_by_key(|row| row.at_ms);
        let said = said(&rows);
        let tracks = of_class(&said, 7, FaultClass::DoorTrack);
        let cycles = |day: &WearDay| (feature(day, "door cycles since it was mended").exp_m1() * 1_000.0).round();
        tracks.iter().map(|(_, day)| cycles(day)).collect::<Vec<_>>()
    };
    // Forty trips until it said for the first time what it has counted.
    assert_eq!(rows_of([9_000, 9_100, 9_200, 9_300, 9_400, 9_500]), [40.0, 140.0, 240.0, 340.0, 440.0, 540.0]);
    assert_eq!(rows_of([9_000, 9_100, 100, 9_300, 9_400, 9_500])[5], 540.0, "it ran backwards once");
    assert_eq!(rows_of([9_000, 9_100, 50, 150, 250, 350])[5], 40.0 + 100.0 + 350.0, "it began anew");
    assert_eq!(rows_of([9_000, 9_100, u64::MAX, 9_300, 9_400, 9_500])[5], 540.0);
}

proptest! {
    #![proptest_config(cases(6))]

    /// Simulated lifts over days: whatever order rows come in within their bound, however they are cut, and with every state stored and read back.
    #[test]
    fn order_within_the_bound_cuts_and_crashes_change_nothing(seed in 0_u64..1_000, swaps in prop::collection::vec(0_i64..1_900, 1..30)) {
        let config = WearSimConfig { seed, lifts: 3, trips_a_day: 30.0, faults_a_year: 60.0, ..WearSimConfig::default() };
        let sim = WearSim::new(config);
        let lifts: Vec<_> = (1..=3).map(|lift| sim.lift(lift, 12)).collect();
        let mut rows: Vec<LiftRow> = lifts.iter().flat_map(|lift| (0..12).flat_map(|day| lift.day(day))).collect();
        rows.sort_by_key(|row| (row.at_ms, row.lift));
        let run = |rows: &[LiftRow]| {
            let mut running = job().record().start().unwrap();
            let sender = running.sender::<LiftRow>("lifts").unwrap();
            rows.chunks(40).for_each(|rows| sender.send(rows.to_vec()).unwrap());
            drop(sender);
            let said = taken(&mut running);
            let recording = running.recording().unwrap();
            let mut again = job().workers(2).rehearse_recovery(1).replay(&recording.recut(seed, 3)).unwrap();
            assert_eq!(taken(&mut again), said, "cut otherwise");
            said
        };
        let straight = run(&rows);
        let mut arrive: Vec<(i64, &LiftRow)> = rows.iter().zip(swaps.iter().cycle()).map(|(row, late_ms)| (row.at_ms + late_ms, row)).collect();
        arrive.sort_by_key(|(arrives_ms, _)| *arrives_ms);
        let arrived: Vec<LiftRow> = arrive.into_iter().map(|(_, row)| row.clone()).collect();
        prop_assert_eq!(run(&arrived), straight);
    }
}
