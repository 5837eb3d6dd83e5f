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
