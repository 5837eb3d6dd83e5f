//! Sensors that are out of order, and people who say so.

use super::*;

/// A sensor that says somebody for ever: looked for at each stop until people say that it is out of order, and again when the time that they gave is over.
#[test]
fn a_sensor_that_is_out_of_order_says_nothing() {
    let out = |at_ms, until_ms| LiftRow {
        lift: 1,
        at_ms,
        says: LiftSays::SensorOut { until_ms, by: Person::named("caretaker", "says somebody for ever") },
    };
    let mut rows = ride(1, 200 * S, |_| stands(true, Doors::Closed));
    assert_eq!(raised(&told(rows.clone())).len(), 1);
    rows.push(out(25 * S, 900 * S));
    assert_eq!(raised(&told(rows.clone())), [], "a lift that is parked");
    // The time is over while it stands: what the sensor says counts again.
    rows.pop();
    rows.push(out(25 * S, 100 * S));
    let again = raised(&told(rows));
    let [unknown, seen] = again[..] else { panic!("{again:?}") };
    assert!(
        matches!(unknown, (Trap::Possibly, TrapCause::Closed, Some(Doubt::PersonUnknown), 20, 100..=101)),
        "{unknown:?}"
    );
    assert!(matches!(seen, (Trap::Trapped, TrapCause::Closed, None, 97..=101, 127..=132)), "{seen:?}");
    // Between floors somebody may be in it all the same.
    let mut rows = ride(1, 200 * S, |_| stands(false, Doors::Closed));
    rows.push(out(5 * S, 900 * S));
    let between = raised(&told(rows));
    assert!(
        matches!(between[..], [(Trap::Possibly, TrapCause::OffLevel, Some(Doubt::PersonUnknown), 20, 110..=115)]),
        "{between:?}"
    );
}

/// Lift 3 has no sensor: parked it is no reason to look, and locked with its doors closed it is, until they open.
#[test]
fn a_lift_that_is_locked_is_looked_into_where_nobody_can_know() {
    let parks = |mode| {
        let of = move |_| LiftStatus { person: None, mode, ..stands(true, Doors::Closed) };
        let unseen = |row: LiftRow| match row.says {
            LiftSays::Status(of) => status(row.lift, row.at_ms, LiftStatus { person: None, ..of }),
            _ => row,
        };
        ride(3, 200 * S, of).into_iter().map(unseen).collect::<Vec<_>>()
    };
    let locked = (Trap::Possibly, TrapCause::Closed, Some(Doubt::PersonUnknown), 20);
    let raised_of = |rows: Vec<LiftRow>| -> Vec<_> {
        let all = raised(&told(rows)).into_iter();
        all.map(|(trap, cause, doubt, since, at)| ((trap, cause, doubt, since), at)).collect()
    };
    assert_eq!(raised_of(parks(LiftMode::Normal)), []);
    let of = raised_of(parks(LiftMode::OutOfService));
    assert!(matches!(of[..], [(of, 80..=85)] if of == locked), "{of:?}");
    // By its code alone, and no more when its doors have opened or it is in service again.
    let by_code = |then: Option<LiftRow>| {
        let mut rows = parks(LiftMode::Normal);
        rows.push(code(3, 25 * S, "42"));
        rows.extend(then);
        raised_of(rows)
    };
    let (of, since_code) = (by_code(None), (Trap::Possibly, TrapCause::Closed, Some(Doubt::PersonUnknown), 25));
    assert!(matches!(of[..], [(of, 85..=90)] if of == since_code), "{of:?}");
    assert_eq!(by_code(Some(code(3, 30 * S, "40"))), []);
    let mut opened = parks(LiftMode::Normal);
    opened.retain(|row| row.at_ms < 40 * S);
    opened.push(code(3, 25 * S, "42"));
    let doors = |second: i64| if second < 50 { Doors::Open } else { Doors::Closed };
    opened.extend(
        (40..200).map(|second| status(3, second * S, LiftStatus { person: None, ..stands(true, doors(second)) })),
    );
    assert_eq!(raised_of(opened), []);
    // A mode that was told before hides nothing.
    let mut worked = parks(LiftMode::Normal);
    worked.extend([code(3, 21 * S, "43"), code(3, 25 * S, "42")]);
    assert_eq!(raised_of(worked).len(), 1);
    // Told again late, an old code changes nothing: neither that it is locked nor that it is in service.
    let again = |first: &str, then: &str| {
        let mut rows = parks(LiftMode::Normal);
        rows.extend([code(3, 25 * S, first), code(3, 30 * S, then)]);
        rows.sort_by_key(|row| row.at_ms);
        let at = rows.partition_point(|row| row.at_ms <= 40 * S);
        rows.insert(at, code(3, 25 * S, first));
        raised(&told_as_they_come(rows)).len()
    };
    assert_eq!((again("42", "40"), again("40", "42")), (0, 1));
    // People have looked: while it stands there locked for days, polled every ten minutes, nobody is sent again.
    let mut stands_locked = parks(LiftMode::OutOfService);
    stands_locked.push(step(3, 150 * S, RescueStep::Closed { false_alarm: true }));
    let days = |_: i64| LiftStatus { person: None, mode: LiftMode::OutOfService, ..stands(true, Doors::Closed) };
    stands_locked.extend((1..100).map(|n| status(3, n * 600 * S, days(n))));
    assert_eq!(raised_of(stands_locked).len(), 1);
    // Parked for hours, and locked then: as long as ever, not at once.
    let mut parked = parks(LiftMode::Normal);
    parked.push(code(3, 150 * S, "42"));
    let of = raised_of(parked);
    assert!(of.is_empty(), "the end of the input proves nothing: {of:?}");
}

/// Polled every 10 s, its sensor misses whoever is in the car three times. With a fault told nobody waits for it any longer once it sees them.
#[test]
fn who_is_seen_late_in_a_car_with_a_fault_was_in_it_all_the_time() {
    let seen_from = |seen_s: i64, raw: Option<&str>| {
        let of = move |at_ms| LiftStatus { person: Some(at_ms >= seen_s * S), ..stands(true, Doors::Closed) };
        let mut rows = ride(1, 120 * S, of);
        rows.retain(|row| row.at_ms % (10 * S) == 0);
        // Another lift goes on, and time with it.
        let parks = |second: i64| LiftStatus { person: Some(false), ..stands(second % 8 != 0, Doors::Open) };
        rows.extend((0..120).map(|second| status(2, second * S, parks(second))));
        rows.extend(raw.map(|raw| code(1, 22 * S, raw)));
        raised(&told(rows)).into_iter().filter(|(_, cause, ..)| *cause == TrapCause::Closed).collect::<Vec<_>>()
    };
    let sure = |at: &[(Trap, TrapCause, Option<Doubt>, i64, i64)]| at.iter().position(|of| of.0 == Trap::Trapped);
    let (without, with) = (seen_from(60, None), seen_from(60, Some("03")));
    assert!(without.iter().all(|of| of.4 >= 90), "{without:?}");
    let [(Trap::Possibly, TrapCause::Closed, Some(_), 20, 60..=65), ..] = with[..] else { panic!("{with:?}") };
    assert!(sure(&with) != Some(0), "one reading after three of nobody proves nothing: {with:?}");
    // Locked is as good as a fault; and nobody is seen, so nobody is raised.
    let [(Trap::Possibly, TrapCause::Closed, Some(_), 20, 60..=65), ..] = seen_from(60, Some("42"))[..] else {
        panic!("{:?}", seen_from(60, Some("42")))
    };
    assert_eq!(seen_from(1_000, Some("03")), []);
}

/// Between floors with a fault told it takes no longer where the sensor says nobody: a mechanic has to come anyway.
#[test]
fn between_floors_with_a_fault_a_sensor_that_says_nobody_is_no_reason_to_wait() {
    let nobody = |raw: Option<&str>| {
        let mut rows = ride(1, 150 * S, |_| LiftStatus { person: Some(false), ..stands(false, Doors::Closed) });
        rows.iter_mut().for_each(|row| {
            if let LiftSays::Status(status) = &mut row.says {
                status.person = Some(false);
            }
        });
        rows.extend(raw.map(|raw| code(1, 22 * S, raw)));
        raised(&told(rows))
    };
    let absent = Some(Doubt::PersonAbsent);
    let (slow, fast) = (nobody(None), nobody(Some("04")));
    assert!(matches!(slow[..], [(Trap::Possibly, TrapCause::OffLevel, of, 20, 110..=115)] if of == absent), "{slow:?}");
    assert!(matches!(fast[..], [(Trap::Possibly, TrapCause::OffLevel, of, 20, 65..=70)] if of == absent), "{fast:?}");
}
