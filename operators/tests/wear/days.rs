//! Days, faults and people: what begins and ends a day, what is late, what is mended, and what is no wear.

use super::*;

#[test]
fn a_day_begins_at_midnight_where_lifts_stand_and_the_last_is_not_told() {
    let said = said(&days_of(7, 0..5, usual));
    let tracks = of_class(&said, 7, FaultClass::DoorTrack);
    assert_eq!(tracks.iter().map(|(day, _)| *day).collect::<Vec<_>>(), [0, 1, 2, 3]);
    assert!(tracks.iter().all(|(_, day)| day.trips == 40 && day.why.is_empty() && day.features.len() == 21));
    assert_eq!(said.days.len(), 4 * 7, "one of each class");
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
    assert!(feature(tracks[29].1, "door cycles since it was mended or first seen") > 0.7);
    assert!(feature(tracks[31].1, "door cycles since it was mended or first seen") < 0.1);
    assert_eq!(feature(tracks[31].1, "days since it was mended or first seen").exp().round(), 3.0);
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
        let cycles =
            |day: &WearDay| (feature(day, "door cycles since it was mended or first seen").exp_m1() * 1_000.0).round();
        tracks.iter().map(|(_, day)| cycles(day)).collect::<Vec<_>>()
    };
    // Forty trips until it said for the first time what it has counted.
    assert_eq!(rows_of([9_000, 9_100, 9_200, 9_300, 9_400, 9_500]), [40.0, 140.0, 240.0, 340.0, 440.0, 540.0]);
    assert_eq!(rows_of([9_000, 9_100, 100, 9_300, 9_400, 9_500])[5], 540.0, "it ran backwards once");
    assert_eq!(rows_of([9_000, 9_100, 50, 150, 250, 350])[5], 40.0 + 100.0 + 350.0, "it began anew");
    assert_eq!(rows_of([9_000, 9_100, u64::MAX, 9_300, 9_400, 9_500])[5], 540.0);
}

fn days_told(said: &Said, lift: u32) -> Vec<i64> {
    of_class(said, lift, FaultClass::DoorTrack).iter().map(|(day, _)| *day).collect()
}

/// A button in the first second of a day, which waits for nothing: what the lift told before midnight, and is still held, counts for the day before.
#[test]
fn a_call_at_midnight_does_not_end_the_day() {
    let midnight = FIRST_MS + 3 * DAY_MS;
    let with = |button: bool| {
        let mut rows = days_of(7, 0..6, usual);
        rows.push(code(7, midnight - 500, "02"));
        if button {
            rows.push(code(7, midnight + 300, "90"));
        }
        said(&sorted(rows))
    };
    assert_eq!(with(true), with(false));
    assert_eq!(with(true).late, 0);
    assert!(of_class(&with(true), 7, FaultClass::DoorTrack)[2].1.failed);
}

/// Nobody has heard the lift itself on that day.
#[test]
fn what_people_say_of_a_lift_that_is_offline_makes_no_day() {
    let mut rows: Vec<LiftRow> = days_of(7, 0..12, usual);
    rows.extend(days_of(8, 0..12, usual));
    rows.retain(|row| row.lift == 8 || !(at(5)..at(6)).contains(&row.at_ms));
    let by = Person::named("mechanic 7", "");
    let on_site = LiftSays::OnSite { who: Private::from("mechanic 7"), until_ms: at(5) + 3_600_000 };
    rows.extend([
        row(7, at(5) + 1, on_site),
        visited(7, at(5) + 2, &[FaultClass::Drive]),
        row(7, at(5) + 3, LiftSays::Rescue { step: RescueStep::Arrived, nth: None, by }),
        row(7, at(5) + 4, LiftSays::OffSite),
    ]);
    let said = said(&sorted(rows));
    assert_eq!(days_told(&said, 7), [0, 1, 2, 3, 4, 6, 7, 8, 9, 10]);
    assert!(of_class(&said, 7, FaultClass::Drive)[5].1.renewed, "told with the next day that is seen");
    let censored = said.week.iter().filter(|of| of.asset.0 == 7 && of.label == Label::Censored).count();
    assert_eq!(censored, 5 * 7);
}

/// Told at noon, of a day that was told at midnight.
#[test]
fn what_was_mended_counts_when_it_is_told_however_late() {
    let slower = |day: i64, trip: LiftTrip| LiftTrip {
        door_close_ms: trip.door_close_ms.map(|ms| ms + if (20..30).contains(&day) { 300 } else { 0 }),
        ..trip
    };
    let mut rows = days_of(7, 0..40, slower);
    // In the order of arrival: the row of the 29th day comes on the 31st.
    let until = rows.iter().position(|row| row.at_ms > at(31)).unwrap();
    rows.insert(until, visited(7, at(29) + 30_000 * S, &[FaultClass::DoorTrack]));
    rows.insert(until, code(7, at(29) + 20_000 * S, "02"));
    let said = said(&rows);
    let tracks = of_class(&said, 7, FaultClass::DoorTrack);
    assert_eq!(said.late, 0);
    assert!(!tracks[30].1.why.is_empty() && !tracks[30].1.failed);
    assert!(tracks[31].1.renewed && tracks[31].1.failed && tracks[31].1.why.is_empty());
    assert!(tracks[33..].iter().all(|(_, day)| day.why.is_empty()), "what is usual was learned anew");
}

/// It tells nothing after noon of the fifth day, for it has failed; others go on.
#[test]
fn a_lift_that_goes_dark_has_had_its_last_day() {
    let mut rows = days_of(7, 0..5, usual);
    rows.push(code(7, at(4) + 36_001 * S, "02"));
    rows.extend(days_of(8, 0..8, usual));
    let said = said(&sorted(rows.clone()));
    assert_eq!(days_told(&said, 7), [0, 1, 2, 3, 4]);
    assert!(of_class(&said, 7, FaultClass::DoorTrack)[4].1.failed);
    let known: Vec<_> = said.week.iter().filter(|of| of.label == Label::Known(true)).map(|of| of.at_ms).collect();
    assert_eq!(known, [0, 1, 2, 3].map(|day| FIRST_MS + day * DAY_MS));
    // What comes of that day afterwards is late.
    let next = rows.iter().map(|row| row.at_ms).max().unwrap();
    rows = sorted(rows);
    rows.push(row(7, at(4) + 50_000 * S, LiftSays::Trip(Box::default())));
    rows.push(row(8, next + DAY_MS, LiftSays::Status(LiftStatus::default())));
    let again = super::said(&rows);
    assert_eq!((again.late, days_told(&again, 7)), (1, vec![0, 1, 2, 3, 4]));
}

/// A mechanic drives it up and down with the doors open, breaks the safety chain on purpose, and switches the power off.
#[test]
fn what_people_do_at_a_lift_is_no_wear() {
    let rows = |says: &[(i64, LiftSays)]| {
        let odd = |day: i64, trip: LiftTrip| {
            if day == 20 { LiftTrip { lock_ms: Some(2_500), chain_opens: Some(3), ..trip } } else { trip }
        };
        let mut rows = days_of(7, 0..24, odd);
        rows.extend(says.iter().map(|(after_ms, says)| row(7, at(20) + after_ms, says.clone())));
        rows.push(code(7, at(20) + 7_000 * S, "01"));
        let said = said(&sorted(rows));
        let (_, day) = of_class(&said, 7, FaultClass::DoorLock)[20];
        (day.failed, day.why.is_empty(), day.trips)
    };
    assert_eq!(rows(&[]), (true, false, 40));
    let who = || Private::from("mechanic 7");
    let on_site = LiftSays::OnSite { who: who(), until_ms: at(20) + 40_000 * S };
    assert_eq!(rows(&[(-S, on_site.clone())]), (false, true, 0));
    // Until he has gone, or said he would have.
    assert_eq!(rows(&[(-S, on_site), (6_000 * S, LiftSays::OffSite)]), (true, false, 33));
    assert_eq!(rows(&[(-S, LiftSays::OnSite { who: who(), until_ms: at(20) + 6_000 * S })]), (true, false, 33));
    let failed = |says: &[(i64, LiftSays)]| rows(says).0;
    let used = |mode| LiftSays::Status(LiftStatus { mode, ..LiftStatus::default() });
    let (inspection, normal) = (used(LiftMode::Inspection), used(LiftMode::Normal));
    assert!(!failed(&[(6_500 * S, inspection.clone())]));
    assert!(failed(&[(6_500 * S, inspection.clone()), (6_900 * S, normal)]));
    assert!(failed(&[(3_000 * S, inspection)]), "an hour after it said so for the last time");
    assert!(!failed(&[(6_500 * S, LiftSays::Power { lost: true })]));
    assert!(!failed(&[(300 * S, LiftSays::Power { lost: true })]), "it is not back");
    let back = (6_300 * S, LiftSays::Power { lost: false });
    assert!(failed(&[(300 * S, LiftSays::Power { lost: true }), back]), "ten minutes after it is back");
}

/// A day of 25 hours and one of 23, in Berlin: each is a day, and a week has seven.
#[test]
fn where_clocks_are_set_days_are_as_long_as_they_are() {
    for (first, hours) in [("2026-10-19 00:00:00", 25), ("2026-03-23 00:00:00", 23)] {
        let zone = Zone::named("Europe/Berlin").unwrap();
        let from_ms = zone.instant_ms(first).unwrap();
        let job = Job::new({
            let zone = zone.clone();
            move |flow| {
                let rows = flow.channel::<LiftRow>("lifts").key_by(|row| row.lift).event_time(LiftRow::EVENT_TIME);
                let days = rows.detect("wear", Wear { zone: zone.clone(), ..Wear::default() }).out;
                let week = Horizon::new(7 * DAY_MS, DAY_MS * 3 / 2, WearDay::observed).slack_ms(3_600 * S);
                days.clone().to_channel("days");
                days.key_by(|day| (day.lift, day.class)).detect("within a week", week).out.to_channel("week");
            }
        });
        let mut running =
            job.ticks(TickSource::FromEvents { interval_ms: 60_000, max_jump_ms: 60 * DAY_MS }).start().unwrap();
        let sender = running.sender::<LiftRow>("lifts").unwrap();
        let status = LiftSays::Status(LiftStatus::default());
        let mut rows: Vec<LiftRow> =
            (0..24 * 16).map(|nth| row(7, from_ms + nth * 3_600_000 + 1, status.clone())).collect();
        // In the 30th minute of the last hour of the seventh day after the first.
        let fails_ms = zone.day_of(from_ms + 7 * DAY_MS + 12 * 3_600_000).end - 1_800_000;
        rows.push(code(7, fails_ms, "02"));
        rows.sort_by_key(|row| row.at_ms);
        sender.send(rows).unwrap();
        drop(sender);
        let (days, week) = (
            running.receiver::<WearDay>("days").unwrap(),
            running.receiver::<Example<(u32, FaultClass)>>("week").unwrap(),
        );
        let week = std::thread::spawn(move || week.rows().collect::<Vec<_>>());
        let days: Vec<WearDay> = days.rows().filter(|day| day.class == FaultClass::DoorTrack).collect();
        running.wait().unwrap();
        let long: Vec<i64> = days.windows(2).map(|two| (two[1].day_ms - two[0].day_ms) / 3_600_000).collect();
        assert_eq!((long[..6].to_vec(), long[6], long[7]), (vec![24; 6], hours, 24), "{first}");
        let week = week.join().unwrap();
        let of_first = week
            .iter()
            .find(|of| of.asset.1 == FaultClass::DoorTrack && of.at_ms == from_ms && of.label != Label::Open);
        assert_eq!(of_first.map(|of| of.label), Some(Label::Known(true)), "{first}");
    }
}

/// Two rows of one instant are two if they say something else, and one if they do not.
#[test]
fn trips_and_totals_of_one_instant_are_told_apart() {
    let totals = |of: u64| LiftSays::Totals(LiftTotals { runs: None, door_cycles: Some(of) });
    let mut rows = days_of(7, 0..3, usual);
    rows.extend([row(7, at(0) + 1, totals(100)), row(7, at(0) + 1, totals(130)), row(7, at(0) + 1, totals(130))]);
    let at_once =
        |floor: i16| row(7, at(1) + 1, LiftSays::Trip(Box::new(LiftTrip { from: 1, floor, ..LiftTrip::default() })));
    rows.extend([at_once(5), at_once(6), at_once(6)]);
    let said = said(&sorted(rows));
    let tracks = of_class(&said, 7, FaultClass::DoorTrack);
    assert_eq!(tracks[1].1.trips, 42);
    // One trip before the first total, then thirty.
    let cycles = (feature(tracks[0].1, "door cycles since it was mended or first seen").exp_m1() * 1_000.0).round();
    assert_eq!(cycles, 31.0);
}

/// It says no more what it has counted: trips do. When it says so again, they are not counted twice.
#[test]
fn use_is_counted_by_trips_when_totals_stop() {
    let totals = |of: u64| LiftSays::Totals(LiftTotals { runs: Some(of * 3), door_cycles: Some(of) });
    let runs = |of: u64| LiftSays::Totals(LiftTotals { runs: Some(of), door_cycles: None });
    let mut rows = days_of(7, 0..12, usual);
    rows.extend([(0, 1_000), (1, 1_040)].map(|(day, of)| row(7, at(day) + 36_001 * S, totals(of))));
    // A counter of something else.
    rows.push(row(7, at(2) + 36_001 * S, runs(90_000)));
    rows.push(row(7, at(9) + 36_001 * S, totals(1_400)));
    let said = said(&sorted(rows));
    let tracks = of_class(&said, 7, FaultClass::DoorTrack);
    let cycles = |day: usize| {
        (feature(tracks[day].1, "door cycles since it was mended or first seen").exp_m1() * 1_000.0).round()
    };
    assert_eq!((cycles(0), cycles(1), cycles(3)), (40.0, 80.0, 80.0));
    assert_eq!(cycles(8), 80.0 + 4.0 * 40.0, "from three days on trips are counted");
    assert_eq!(cycles(9), 40.0 + 400.0);
}

/// A visit that is told again three days later, when its doors have begun to drift.
#[test]
fn a_visit_that_is_told_again_makes_nothing_new() {
    let slower = |day: i64, trip: LiftTrip| LiftTrip {
        door_close_ms: trip.door_close_ms.map(|ms| ms + if day >= 27 { 300 } else { 0 }),
        ..trip
    };
    let mut rows = days_of(7, 0..36, slower);
    let visit = visited(7, at(25) + 1, &[FaultClass::DoorTrack]);
    rows.push(visit.clone());
    let mut rows = sorted(rows);
    let once = said(&rows);
    let until = rows.iter().position(|row| row.at_ms > at(30)).unwrap();
    rows.insert(until, visit);
    assert_eq!(said(&rows).days, once.days);
    assert!(!of_class(&once, 7, FaultClass::DoorTrack)[34].1.why.is_empty());
}
