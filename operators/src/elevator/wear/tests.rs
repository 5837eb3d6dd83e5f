//! What is usual at a place, against what it is by definition; and what is stored of a lift.

use proptest::prelude::*;
use watchfire_engine::Key;

use super::place::Places;
use super::*;

proptest! {
    /// The median of the first values and their median distance from it, whatever comes after.
    #[test]
    fn what_is_usual_is_by_the_first_values(values in prop::collection::vec(1_000_u32..6_000, 15..60)) {
        let (mut places, place) = (Places::default(), (WearSign::DoorClosing, 4, true));
        let off: Vec<Option<(f64, f64)>> = values.iter().map(|value| places.off(place, f64::from(*value), 15)).collect();
        let mut first: Vec<f64> = values[..15].iter().copied().map(f64::from).collect();
        first.sort_by(f64::total_cmp);
        let median = first[7];
        first.iter_mut().for_each(|value| *value = (*value - median).abs());
        first.sort_by(f64::total_cmp);
        let sd = (1.4826 * first[7]).max(20.0);
        for (nth, (off, value)) in off.into_iter().zip(&values).enumerate() {
            match off {
                None => prop_assert!(nth < 15),
                Some((off, said)) => {
                    prop_assert!((off - ((f64::from(*value) - median) / sd).clamp(-8.0, 8.0)).abs() < 1e-5);
                    prop_assert!((said - (median + off * sd)).abs() < 1e-2);
                }
            }
        }
        // Other floors, directions and signs know nothing of it.
        for other in [(WearSign::DoorClosing, 5, true), (WearSign::DoorClosing, 4, false), (WearSign::Locking, 4, true)] {
            prop_assert_eq!(places.off(other, 1.0, 15), None);
        }
        prop_assert!(places.furthest(WearSign::DoorClosing).is_some_and(|(floor, upward, ..)| (floor, upward) == (4, true)));
        places.forget(WearSign::DoorClosing);
        prop_assert!(places.furthest(WearSign::DoorClosing).is_none());
    }
}

/// A state with everything in it that can be.
fn state() -> WearState {
    let (wear, mut st) = (Wear { first_trips: 3, ..Wear::default() }, WearState::default());
    for nth in 0..5 {
        let (from, floor, wild) = (1, if nth == 4 { 5 } else { 4 }, Some(nth));
        let trip = LiftTrip {
            from,
            floor,
            door_close_ms: Some(3_000 + nth * 20),
            lock_ms: wild,
            reversals: Some(1),
            ..LiftTrip::default()
        };
        wear.trip(&mut st, &trip);
    }
    wear.totals(&mut st, LiftTotals { runs: None, door_cycles: Some(7_000) });
    Wear::visited(&mut st, &[FaultClass::Levelling], 60_000);
    Wear::failed(&mut st, FaultClass::Drive);
    let sums = st.sums[0];
    st.signs[0].day(&wear, WearSign::DoorClosing, 0, &sums);
    (st.day, st.over_ms) = (Some((0, DAY_MS)), Some(0));
    st
}

#[test]
fn states_are_stored_as_ever() {
    let bytes = state().encode().unwrap();
    assert_eq!(WearState::decode(&bytes).unwrap(), state());
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(
        (bytes.len(), hex.stable_hash()),
        (3_448, 1_229_704_157_014_719_181),
        "a new layout needs a new version"
    );
    assert!(WearState::decode(&bytes[..bytes.len() - 1]).is_err());
}
