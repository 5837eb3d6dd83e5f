//! What is stored of a site.

use watchfire_engine::Key;

use super::*;
use crate::elevator::{Doors, LiftStatus};

/// A state with everything in it that can be.
fn state() -> TroublesState {
    let config = Troubles { flaps: 2, constant_runs: 2, held_ms: 2_000, odd: 1.0, ..Troubles::default() };
    let (mut st, mut told) = (TroublesState::default(), Vec::new());
    let of = st.lifts.entry(31).or_default();
    for second in 0..12 {
        let (doors, moving) = if second < 8 { (Doors::Closed, second % 2 == 1) } else { (Doors::Open, false) };
        let person = if second < 4 { second % 2 == 0 } else { false };
        let floor = Some(second as i16);
        let status = LiftStatus {
            moving: Some(moving),
            level: Some(true),
            doors: Some(doors),
            person: Some(person),
            floor,
            ..LiftStatus::default()
        };
        assert_eq!(config.own(of, &LiftSays::Status(status), (second * 1_000, 5_000), &mut told), Verdict::Applied);
    }
    [0, 60_000, 9_000_000, 9_000_001].into_iter().for_each(|at_ms| st.power.lost(at_ms));
    st.power.settle(&Troubles { losses: 2, ..Troubles::default() }, (9_000_000, 9_000_000), &mut told);
    assert_eq!(told.len(), 3, "it flaps, says the same, and power was lost");
    st
}

#[test]
fn states_are_stored_as_ever() {
    let bytes = state().encode().unwrap();
    assert_eq!(TroublesState::decode(&bytes).unwrap(), state());
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let golden = (bytes.len(), hex.stable_hash());
    assert_eq!(golden, GOLDEN, "a new layout needs a new version");
    assert!(TroublesState::decode(&bytes[..bytes.len() - 1]).is_err());
}

const GOLDEN: (usize, u64) = (4_840, 11_256_952_032_827_130_217);

#[test]
fn a_lift_takes_as_much_memory_as_is_said() {
    assert_eq!(size_of::<Watched>(), 896);
}
