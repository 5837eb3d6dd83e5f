//! What is usual at a place, against what it is by definition; and what is stored of a lift.

use proptest::prelude::*;
use watchfire_engine::Key;

use super::place::Places;
use super::*;
use crate::elevator::LiftTotals;

proptest! {
    /// The median of the first values and their median distance from it, whatever comes after.
    #[test]
    fn what_is_usual_is_by_the_first_values(values in prop::collection::vec(1_000_u32..6_000, 15..60)) {
        let (mut places, place) = (Places::default(), (WearSign::DoorClosing, 4, true));
        let off: Vec<Option<(f64, f64)>> = values.iter().map(|value| places.off(place, f64::from(*value), 15).unwrap()).collect();
        let mut first: Vec<f64> = values[..15].iter().copied().map(f64::from).collect();
        first.sort_by(f64::total_cmp);
        let median = first[7];
        first.iter_mut().for_each(|value| *value = (*value - median).abs());
        first.sort_by(f64::total_cmp);
        let sd = (1.4826 * first[7]).max(20.0);
        let mut lately = median;
        for (nth, (off, value)) in off.into_iter().zip(&values).enumerate() {
            match off {
                None => prop_assert!(nth < 15),
                Some((off, said)) => {
                    let near = f64::from(*value).clamp(lately - 8.0 * sd, lately + 8.0 * sd);
                    lately += 0.1 * (near - lately);
                    prop_assert!((off - ((near - median) / sd).clamp(-8.0, 8.0)).abs() < 1e-3);
                    prop_assert!((said - near).abs() < 0.1);
                }
            }
        }
        // Other floors, directions and signs know nothing of it.
        for other in [(WearSign::DoorClosing, 5, true), (WearSign::DoorClosing, 4, false), (WearSign::Locking, 4, true)] {
            prop_assert_eq!(places.off(other, 1.0, 15), Ok(None));
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
        wear.trip(&mut st, &trip, 1_000);
    }
    st.used(|usage| usage.totals(LiftTotals { runs: None, door_cycles: Some(7_000) }, 20_000, 2_000));
    st.mended(&[FaultClass::Levelling], 60_000);
    st.failed(FaultClass::Drive, 61_000);
    st.at_work.hear(&LiftSays::Power { lost: true }, 62_000);
    let sums = st.sums[0];
    st.signs[0].day(&wear, WearSign::DoorClosing, (0, 1.0), &sums);
    st.heard = (62_000, 62_500);
    (st.day, st.over_ms) = (Some((0, DAY_MS)), Some(0));
    st
}

#[test]
fn states_are_stored_as_ever() {
    let bytes = state().encode().unwrap();
    assert_eq!(WearState::decode(&bytes).unwrap(), state());
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!((bytes.len(), hex.stable_hash()), (3_568, 397_022_438_697_845_274), "a new layout needs a new version");
    assert!(WearState::decode(&bytes[..bytes.len() - 1]).is_err());
}
