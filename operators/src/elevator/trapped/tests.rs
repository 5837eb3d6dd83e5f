//! What is stored of a site.

use watchfire_engine::{Key, State, Verdict};

use super::site::Turn;
use super::*;
use crate::elevator::{CodeMap, Lift, LiftSays, LiftStatus};

/// A state with everything in it that can be.
fn state() -> SiteState {
    let (config, mut st, mut told) = (TrapConfig::default(), SiteState::default(), Vec::new());
    let book = LiftBook::new([1, 2].map(|lift| (lift, Lift { building: Some(7), ..Lift::default() })));
    let mut row =
        |lift, at_ms, says| {
            let (config, book, site, watermark_ms) = (&config, &book, Site::building(7), at_ms);
            let now_ms = st.now_ms(at_ms + 300, at_ms);
            let verdict = Turn { config, book, site, st: &mut st, now_ms, watermark_ms, told: &mut told }
                .row(&LiftRow { lift, at_ms, says });
            assert_eq!(verdict, Verdict::Applied);
        };
    let status = LiftStatus { moving: Some(false), level: Some(false), person: Some(true), ..LiftStatus::default() };
    row(1, 1_000, LiftSays::Status(LiftStatus { moving: Some(true), ..status }));
    row(1, 2_000, LiftSays::Status(status));
    row(1, 3_000, LiftSays::OnSite { who: "mechanic 7".into(), until_ms: 900_000 });
    row(1, 4_000, LiftSays::Code(CodeMap::gbt_24476().read("90")));
    row(2, 5_000, LiftSays::Code(CodeMap::gbt_24476().read("04")));
    row(2, 6_000, LiftSays::Power { lost: true });
    st
}

#[test]
fn states_are_stored_as_ever() {
    let bytes = state().encode().unwrap();
    assert_eq!(SiteState::decode(&bytes).unwrap(), state());
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let golden = (bytes.len(), hex.stable_hash());
    assert_eq!(golden, GOLDEN, "a new layout needs a new version");
    assert!(SiteState::decode(&bytes[..bytes.len() - 1]).is_err());
}

const GOLDEN: (usize, u64) = (2_376, 14_201_111_297_540_543_938);

#[test]
fn a_lift_takes_as_much_memory_as_is_said() {
    assert_eq!(std::mem::size_of::<super::site::Watched>(), 416);
}
