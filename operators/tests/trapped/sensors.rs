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
    let of = by_code(None);
    assert!(matches!(of[..], [(of, 80..=85)] if of == locked), "{of:?}");
    assert_eq!(by_code(Some(code(3, 30 * S, "40"))), []);
    let mut opened = parks(LiftMode::Normal);
    opened.retain(|row| row.at_ms < 40 * S);
    opened.push(code(3, 25 * S, "42"));
    let doors = |second: i64| if second < 50 { Doors::Open } else { Doors::Closed };
    opened.extend(
        (40..200).map(|second| status(3, second * S, LiftStatus { person: None, ..stands(true, doors(second)) })),
    );
    assert_eq!(raised_of(opened), []);
    // Whoever works on it locks it, and goes on working.
    let mut worked = parks(LiftMode::Normal);
    worked.extend([code(3, 21 * S, "43"), code(3, 25 * S, "42")]);
    assert_eq!(raised_of(worked), []);
}
