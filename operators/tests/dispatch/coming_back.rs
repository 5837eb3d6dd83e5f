//! What is stored of a desk is all that it needs.

use proptest::prelude::*;
use watchfire_engine::{Key, State};
use watchfire_operators::dispatch::{DeskState, Mode, Order, Raised, Responder, Says, Skills, Status, WaterSource};
use watchfire_operators::road::RoadState;

use super::exact::{Scene, event};
use super::support::{Watch, duty, raised};

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases / 4, ..ProptestConfig::default() })]
    #[test]
    fn a_desk_that_comes_back_goes_on_as_if_nothing_had_been(
        crews in 1_u64..12,
        auto in any::<bool>(),
        events in prop::collection::vec(event(), 5..30),
    ) {
        let (mut stays, mut comes_back) = (Scene::new(crews, auto), Scene::new(crews, auto));
        for event in &events {
            stays.happens(event);
            comes_back.happens(event);
            let stored = comes_back.watch.state.encode().unwrap();
            prop_assert_eq!(&stored, &stays.watch.state.encode().unwrap());
            comes_back.watch.state = DeskState::decode(&stored).unwrap();
        }
        stays.watch.wait_s(600);
        comes_back.watch.wait_s(600);
        prop_assert_eq!(stays.watch.told, comes_back.watch.told);
    }
}

/// States that were stored are read for ever: another layout needs another version.
#[test]
fn a_state_is_stored_as_it_always_was() {
    let mut watch = Watch::over(super::supplies::with_depots());
    (1..=5).for_each(|number| {
        watch.says(Says::Joined(Responder::crew(number, number as u32, super::support::FIRE)));
    });
    watch.says(Says::Mode { district: 1, mode: Mode::Auto, by: duty() });
    watch.road("2,2-2,3", RoadState::Takes(90_000));
    let fire = watch.fire(2, 3);
    let asset = Some("house 4".to_owned());
    watch.raised(Raised { drill: true, level: 2, asks: Skills(1), asset, ..raised("exercise", "fire", 4, 4) });
    watch.status(5, Status::Rolling);
    watch.seen(4, 4, 4);
    watch.says(Says::Order { responder: 1, order: Some(Order::GoesNot { incident: fire }), by: duty() });
    watch.says(Says::Mode { district: 2, mode: Mode::Recommend, by: duty() });
    let (place, item) = (super::support::corner(2, 3), "foam can".to_owned());
    watch.says(Says::Water { source: 7, is: WaterSource { place, flow_lps: 10 } });
    watch.says(Says::Stock { depot: 1, item, count: 5 });
    let over = watch.fire(0, 5);
    watch.wait_s(90);
    watch.close(over);
    let stored = watch.state.encode().unwrap();
    let words: String = stored.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!((stored.len(), words.stable_hash()), (7_568, 9_823_027_858_956_261_558));
}
