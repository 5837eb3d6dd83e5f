//! From the plan to what is done: nobody is left because somebody else was counted on who does not come.

use watchfire_operators::alarm::Severity;
use watchfire_operators::dispatch::{Mode, Move, Order, Raised, Responder, Says, Skills, Status, Tells};
use watchfire_operators::road::RoadState;

use super::support::{FIRE, LIFT, Watch, config, corner, duty, raised};

/// Crews 1 and 2, at their stations; the plan decides in district 1 alone.
fn two() -> Watch {
    let mut watch = Watch::over(config());
    for id in [1, 2] {
        watch.says(Says::Joined(Responder::crew(id, id as u32, FIRE)));
    }
    watch.says(Says::Mode { district: 1, mode: Mode::Auto, by: duty() });
    watch.fresh();
    watch
}

fn does(responder: u64, status: Status, incident: Option<u64>) -> Says {
    Says::Status { responder, status, incident }
}

#[test]
fn who_cannot_be_sent_keeps_nobody_from_going() {
    let mut watch = two();
    watch.says(Says::Joined(Responder::crew(6, 1, Skills(FIRE.0 | LIFT.0))));
    watch.says(does(6, Status::OutOfService, None));
    let fire = watch.raised(Raised { asks: LIFT, ..raised("lift 31", "fire", 1, 0) });
    assert_eq!(watch.claim(1), Some(fire), "one fights the fire, though nobody opens the lift");
    assert!(watch.state.incidents[&fire].missing.contains(&1));
    // When it comes back it is sent for what it alone can do.
    watch.says(does(6, Status::Available, None));
    assert_eq!((watch.claim(6), watch.state.incidents[&fire].missing.is_empty()), (Some(fire), true));
    // Nor does one that people keep from there.
    watch.says(Says::Order { responder: 6, order: Some(Order::GoesNot { incident: fire }), by: duty() });
    assert_eq!(watch.state.members[&1].claim.and_then(|claim| claim.slot), Some(0));
    assert!(watch.state.incidents[&fire].missing.contains(&1));
}

#[test]
fn nobody_leaves_before_who_comes_instead() {
    let mut watch = two();
    // In district 2 people decide: crew 2 is under way there to something light.
    let light = Raised { severity: Severity::Caution, district: 2, ..raised("bin", "fire", 5, 3) };
    let light = watch.raised(light);
    watch.accept_all();
    let first = watch.raised(raised("panel", "fire", 2, 0));
    assert_eq!((watch.claim(1), watch.claim(2)), (Some(first), Some(light)));
    // For a third the nearest would turn around, and crew 2 come instead; but whether it does, people decide.
    let third = watch.raised(raised("other", "fire", 0, 1));
    assert_eq!(watch.claim(1), Some(first), "nobody has decided that another comes");
    let offers = [1, 2].map(|id| watch.state.members[&id].offer.unwrap());
    let moves = [Move::Reassign { incident: third, from: first }, Move::Reassign { incident: first, from: light }];
    assert_eq!(offers.map(|offer| offer.to), moves);
    watch.says(Says::Decided { change: offers[1].change, accept: true, by: duty() });
    assert_eq!((watch.claim(1), watch.claim(2)), (Some(third), Some(first)));
}

#[test]
fn who_is_out_already_is_there_when_it_was_told_to_be() {
    let mut watch = two();
    watch.says(Says::Joined(Responder { turnout_ms: Some(180_000), ..Responder::crew(1, 1, FIRE) }));
    watch.says(does(1, Status::Returning, None));
    watch.says(Says::Fix { responder: 1, place: corner(3, 0) });
    let fire = watch.fire(3, 1);
    assert_eq!(watch.claim(1), Some(fire));
    let eta_ms = |watch: &mut Watch, id| watch.desk.eta_of(&mut watch.state, id, fire, watch.now_ms).unwrap().ms;
    assert_eq!(eta_ms(&mut watch, 1), 60_000, "it gets going no second time");
    // Nor does who is turned around before it has got going.
    let fire = watch.fire(5, 1);
    assert_eq!((watch.claim(2), watch.now_ms), (Some(fire), 1_000_000));
    watch.now_ms += 30_000;
    let next = watch.raised(Raised { severity: Severity::Critical, ..raised("next", "fire", 4, 0) });
    watch.says(Says::Order { responder: 2, order: Some(Order::Goes { incident: next }), by: duty() });
    let eta = watch.desk.eta_of(&mut watch.state, 2, next, watch.now_ms).unwrap();
    assert_eq!(eta.ms, 30_000 + 60_000);
}

#[test]
fn who_is_alone_at_what_it_cannot_reach_can_go_elsewhere() {
    let mut watch = two();
    let fire = watch.raised(raised("panel", "fire", 0, 5));
    watch.says(does(1, Status::OnScene, Some(fire)));
    watch.now_ms += 60_000;
    watch.says(does(1, Status::OutOfService, None));
    watch.accept_all();
    assert_eq!(watch.claim(2), Some(fire), "people have sent another in the place of the one that left");
    for road in ["0,4-0,5", "1,5-0,5"] {
        watch.road(road, RoadState::Closed);
    }
    let other = watch.raised(raised("other", "fire", 5, 1));
    assert_eq!(watch.claim(2), Some(other), "to the first there is no way");
}

#[test]
fn an_order_to_an_exercise_takes_nobody_from_what_is_real() {
    let mut watch = two();
    watch.says(does(2, Status::OutOfService, None));
    let drill = watch.raised(Raised { drill: true, ..raised("exercise", "fire", 4, 4) });
    watch.says(Says::Order { responder: 1, order: Some(Order::Goes { incident: drill }), by: duty() });
    assert_eq!(watch.claim(1), Some(drill));
    watch.fresh();
    let fire = watch.raised(raised("panel", "fire", 1, 0));
    assert_eq!(watch.claim(1), Some(fire));
    let unkept = Tells::Unkept { responder: 1, incident: drill, by: duty().who };
    assert!(watch.fresh().contains(&unkept), "whoever ordered it is told");
    // When it is over, the order still stands.
    watch.close(fire);
    assert_eq!(watch.claim(1), Some(drill));
}
