//! What is measured and counted: how far it is off, where, and what of it cannot be.

use super::*;

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

/// A deterministic wobble of about 1, of the n-th of something.
fn wobble(n: i64) -> f64 {
    f64::from((n * 7919 % 101) as i32) / 25.0 - 2.0
}

#[test]
fn a_car_that_stops_too_high_at_one_floor_and_too_low_at_another_is_not_level() {
    let nth = std::cell::Cell::new(0_i64);
    let stops = |off_mm: f64| {
        let trips = |day: i64, trip: LiftTrip| {
            nth.set(nth.get() + 1);
            let up = nth.get() % 2 == 0;
            let (from, floor) = if up { (1, 9) } else { (9, 1) };
            let off_um = if day >= 20 { off_mm * 1_000.0 } else { 0.0 } * if up { 1.0 } else { -1.0 };
            let level_error_um = Some((800.0 * wobble(nth.get()) + off_um) as i32);
            LiftTrip { from, floor, level_error_um, door_close_ms: None, lock_ms: None, ..trip }
        };
        said(&days_of(7, 0..40, trips))
    };
    let said = stops(6.0);
    let level = of_class(&said, 7, FaultClass::Levelling);
    let (before, after) = (level[19].1, level[30].1);
    assert!(before.why.is_empty(), "{:?}", before.why);
    assert_eq!(after.why[0].sign, WearSign::LevelError);
    assert!(after.why[0].off_sd > 3.0 && after.why[0].lately.abs() > 4_500.0, "{:?}", after.why);
    // Up at one floor and down at the other: neither makes up for the other, nor hides from the limit.
    let near = |day: &WearDay| feature(day, "how near the limit is");
    assert!(near(before) < 0.05 && near(level[24].1) > 0.3, "{} {}", near(before), near(level[24].1));
}

#[test]
fn what_drifts_towards_its_limit_is_nearer_to_it_every_day() {
    let slips = |day: i64, trip: LiftTrip| {
        // 0.3 mm a floor, and from the tenth day on 0.06 mm more each day: 3 mm would be reached after 45 days.
        let of = 300 + 60 * (day - 10).clamp(0, 25) as u32;
        LiftTrip { slip_um: Some(3 * of + (trip.lock_ms.unwrap_or(0) % 7) * 3), ..trip }
    };
    let said = said(&days_of(7, 0..36, slips));
    let near: Vec<f64> =
        of_class(&said, 7, FaultClass::Traction).iter().map(|(_, day)| feature(day, "how near the limit is")).collect();
    assert!(near[9] < 0.05, "{near:?}");
    assert!(near[14..].is_sorted(), "{near:?}");
    // After the 35th day 21 are left.
    assert!((near[34] - 7.0 / (7.0 + 21.0)).abs() < 0.03, "{near:?}");
}

#[test]
fn a_drive_that_warms_with_the_summer_is_well_and_one_that_is_hot_is_not() {
    let warm = |of: fn(i64) -> f64| {
        let warm = |day: i64, trip: LiftTrip| {
            let celsius = 38.0 + of(day) + f64::from(trip.lock_ms.unwrap_or(0) % 7) - 3.0;
            LiftTrip { drive_celsius: Some(celsius.round() as i16), ..trip }
        };
        let said = said(&days_of(7, 0..180, warm));
        let drives = of_class(&said, 7, FaultClass::Drive);
        drives.iter().map(|(_, day)| day.why.first().map_or(0.0, |why| why.off_sd)).collect::<Vec<_>>()
    };
    // Sixteen degrees from winter to summer, as between a cold and a hot month.
    let season = warm(|day| 8.0 - 8.0 * (std::f64::consts::PI * day as f64 / 180.0).cos());
    let hot = warm(|day| if day >= 150 { 12.0 } else { 0.0 });
    let most = season.iter().copied().fold(0.0, f64::max);
    assert!(most < 2.0, "{most}");
    assert!(hot[149] == 0.0 && hot[151] > 2.0 * most.max(1.0), "{} {}", hot[151], most);
}

#[test]
fn counts_are_told_as_a_rate_and_judged_by_what_is_usual_of_this_lift() {
    // Doors of this lift turn back on one trip in five, and then on two in five.
    let busy = |day: i64, trip: LiftTrip| {
        let nth = trip.door_close_ms.unwrap_or(0) / 20 + trip.lock_ms.unwrap_or(0) / 10;
        let turns = nth % 5 < if day >= 60 { 2 } else { 1 };
        LiftTrip { reversals: Some(u16::from(turns)), door_close_ms: Some(3_000), ..trip }
    };
    let said = said(&days_of(7, 0..90, busy));
    let tracks = of_class(&said, 7, FaultClass::DoorTrack);
    assert!(tracks[45..60].iter().all(|(_, day)| day.why.is_empty()), "{:?}", tracks[59].1.why);
    let why = &tracks[80].1.why[0];
    assert_eq!((why.sign, why.at), (WearSign::Reversals, None));
    assert!((why.lately - 0.4).abs() < 0.06 && (why.usual - 0.2).abs() < 0.06, "{why}");
    assert!(why.to_string().starts_with("doors turn back: 0.") && why.to_string().ends_with(" a trip"), "{why}");
}

/// Its doors were slow, and then nothing was measured of them for a month, on which it was heard.
#[test]
fn what_was_measured_a_month_ago_is_not_so_now() {
    let measured = |day: i64, trip: LiftTrip| match day {
        0..20 => trip,
        20..25 => LiftTrip { door_close_ms: trip.door_close_ms.map(|ms| ms + 500), ..trip },
        _ => LiftTrip { door_close_ms: None, ..trip },
    };
    let said = said(&days_of(7, 0..60, measured));
    let tracks = of_class(&said, 7, FaultClass::DoorTrack);
    let off = |day: usize| feature(tracks[day].1, "what is measured is off, two days");
    let long = |day: usize| feature(tracks[day].1, "what is measured has been off for long");
    assert!(long(24) > 2.0 && long(55) < 0.2, "{} {}", long(24), long(55));
    assert!(off(24) > 4.0 && off(26) < off(24) && off(50) < 0.1, "{} {} {}", off(24), off(26), off(50));
    assert!(!tracks[24].1.why.is_empty() && tracks[50].1.why.is_empty());
}

/// What counts its floors is broken: each trip goes to another one.
#[test]
fn floors_that_no_lift_has_are_unusable() {
    let nth = std::cell::Cell::new(0_i16);
    let nowhere = |_: i64, trip: LiftTrip| {
        nth.set(nth.get() + 5);
        LiftTrip { from: 1, floor: nth.get(), lock_ms: None, reversals: None, chain_opens: None, ..trip }
    };
    let said = said(&days_of(7, 0..110, nowhere));
    let tracks = of_class(&said, 7, FaultClass::DoorTrack);
    // 4,096 of them are known after 103 days.
    assert_eq!((tracks[101].1.unusable, tracks[104].1.unusable), (0, 40));
}
