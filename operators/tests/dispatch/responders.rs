//! Who can be sent, and where they are.

use watchfire_engine::Verdict;
use watchfire_operators::dispatch::{Basis, Move, Raised, Responder, Says, Skills, Stage, Status, Tells};

use super::support::{FIRE, LIFT, Watch, duty, raised};

#[test]
fn one_person_whom_three_domains_want_is_claimed_once() {
    let mut watch = Watch::auto();
    (1..=5).for_each(|id| {
        watch.says(Says::Left { responder: id, by: duty() });
    });
    // A grid worker who fights fires, frees people from lifts and looks after the old.
    watch.says(Says::Joined(Responder::crew(9, 5, Skills(FIRE.0 | LIFT.0 | 4))));
    let fire = watch.fire(2, 3);
    let trapping = watch.raised(Raised { asks: LIFT, district: 2, ..raised("lift 31", "trapping", 2, 2) });
    let band = watch.raised(Raised { asks: Skills(4), ..raised("band 204", "band", 3, 2) });
    assert_eq!(watch.claim(9), Some(fire));
    for waits in [trapping, band] {
        assert!(watch.state.incidents[&waits].missing.contains(&0), "somebody is asked for");
    }
    // When the first is over, the next is gone to; at no time two have claimed it.
    watch.status(9, Status::Rolling);
    watch.status(9, Status::OnScene);
    watch.close(fire);
    watch.says(Says::Status { responder: 9, status: Status::Returning, incident: None });
    let next = watch.claim(9).unwrap();
    assert!([trapping, band].contains(&next));
    let claims = watch.told.iter().filter_map(|told| match &told.tells {
        Tells::Plan(change) if format!("{:?}", change.standing).contains("Done") => Some(change.to),
        _ => None,
    });
    let mut claimed = None;
    for to in claims {
        match to {
            Move::Assign { incident } => assert!(claimed.replace(incident).is_none(), "claimed twice"),
            Move::Reassign { incident, from } => assert_eq!(claimed.replace(incident), Some(from)),
            Move::Release { from } => assert_eq!(claimed.take(), Some(from)),
            Move::MoveUp { .. } => {}
        }
    }
}

#[test]
fn two_with_one_number_are_told_apart() {
    let mut watch = Watch::auto();
    assert_eq!(watch.says(Says::Joined(Responder::crew(1, 1, FIRE))), Verdict::Duplicate);
    watch.fresh();
    watch.says(Says::Joined(Responder::crew(1, 2, FIRE)));
    watch.says(Says::Joined(Responder::crew(7, 99, FIRE)));
    assert_eq!(watch.refusals(), ["E0498", "E0493"]);
    assert_eq!(watch.state.members[&1].is.station, 1, "the first stays");
    // What has changed about it is taken.
    watch.says(Says::Joined(Responder { people: 5, ..Responder::crew(1, 1, FIRE) }));
    assert_eq!(watch.state.members[&1].is.people, 5);
    // Two devices with one number: nobody drives five kilometres in ten seconds.
    watch.seen(1, 0, 0);
    watch.wait_s(10);
    watch.seen(1, 5, 0);
    assert_eq!(watch.refusals(), ["E0499"]);
    assert_eq!(watch.state.members[&1].fix.unwrap().place, super::support::corner(0, 0));
    watch.wait_s(6 * 60);
    assert_eq!(watch.seen(1, 5, 0), Verdict::Applied, "what is old says nothing");
    watch.fresh();
    for says in [
        Says::Fix { responder: 77, place: super::support::corner(0, 0) },
        Says::Status { responder: 77, status: Status::Rolling, incident: None },
        Says::Left { responder: 77, by: duty() },
        Says::Order { responder: 77, order: None, by: duty() },
    ] {
        watch.says(says);
        assert_eq!(watch.refusals(), ["E0491"]);
    }
}

#[test]
fn a_place_that_is_old_falls_back_to_the_station_and_says_so() {
    let mut watch = Watch::auto();
    watch.says(Says::Status { responder: 5, status: Status::OutOfService, incident: None });
    watch.fire(2, 3);
    // Sent from station 1 or 3, five minutes away.
    let sent = [1, 3].into_iter().find(|id| watch.claim(*id).is_some()).unwrap();
    let eta =
        |watch: &mut Watch, responder: u64| watch.desk.eta_of(&mut watch.state, responder, 1, watch.now_ms).unwrap();
    assert_eq!(eta(&mut watch, sent).basis, Basis::Station);
    watch.wait_s(30);
    let getting_going = eta(&mut watch, sent).ms;
    watch.status(sent, Status::Rolling);
    let reckoned = eta(&mut watch, sent);
    assert_eq!((reckoned.basis, reckoned.ms), (Basis::Reckoned, getting_going));
    // Seen under way, it is two minutes away.
    watch.wait_s(90);
    watch.seen(sent, 1, 2);
    assert_eq!((eta(&mut watch, sent).basis, eta(&mut watch, sent).ms), (Basis::Fix, 120_000));
    watch.wait_s(5 * 60);
    assert_eq!(eta(&mut watch, sent).basis, Basis::Fix);
    watch.wait_s(1);
    let (basis, ms) = (eta(&mut watch, sent).basis, eta(&mut watch, sent).ms);
    assert_eq!((basis, ms % 60_000), (Basis::Fallback, 0));
    assert_eq!(watch.said_at(5, Says::Fix { responder: sent, place: super::support::corner(0, 0) }), Verdict::Late);
}

#[test]
fn whoever_is_nearer_goes_whatever_station_it_belongs_to() {
    let mut watch = Watch::auto();
    watch.seen(4, 2, 4);
    let fire = watch.fire(2, 4);
    assert_eq!(watch.claim(4), Some(fire));
    // Stale, it would be looked for at its station.
    let mut watch = Watch::auto();
    watch.seen(4, 2, 4);
    watch.wait_s(301);
    let fire = watch.fire(2, 4);
    assert_eq!(watch.claim(5), Some(fire));
}

#[test]
fn who_has_not_agreed_or_is_not_there_is_not_sent() {
    let mut watch = Watch::auto();
    watch.says(Says::Joined(Responder { consents: false, ..Responder::crew(6, 5, FIRE) }));
    watch.says(Says::Status { responder: 5, status: Status::OutOfService, incident: None });
    let fire = watch.fire(2, 2);
    assert_eq!((watch.claim(5), watch.claim(6)), (None, None));
    // It has agreed now: it is nearer by far, and the one under way is not called back.
    watch.changes();
    watch.says(Says::Joined(Responder::crew(6, 5, FIRE)));
    let changes = watch.changes();
    assert!(changes.contains(&(6, Move::Assign { incident: fire }, "done")), "{changes:?}");
    assert!(changes.iter().any(|(_, to, standing)| *to == Move::Release { from: fire } && *standing == "recommended"));
}

#[test]
fn what_a_responder_does_is_so_whoever_sent_it() {
    let mut watch = Watch::recommending();
    let (near, far) = (watch.fire(2, 3), watch.fire(5, 4));
    watch.accept_all();
    assert_eq!((watch.claim(5), watch.claim(4)), (Some(near), Some(far)));
    watch.status(5, Status::Rolling);
    // It goes elsewhere by itself: the plan would have it elsewhere, but that is for people to say.
    watch.changes();
    watch.says(Says::Status { responder: 5, status: Status::Rolling, incident: Some(far) });
    assert_eq!(watch.claim(5), Some(far));
    let changes = watch.changes();
    assert_eq!(changes[0], (5, Move::Reassign { incident: far, from: near }, "done"));
    assert!(changes.contains(&(5, Move::Reassign { incident: near, from: far }, "recommended")), "{changes:?}");
    // What it said before is late; said again, a repeat.
    let at_ms = watch.now_ms;
    watch.wait_s(1);
    assert_eq!(
        watch.said_at(at_ms - 1, Says::Status { responder: 5, status: Status::Available, incident: None }),
        Verdict::Late
    );
    assert_eq!(
        watch.said_at(at_ms, Says::Status { responder: 5, status: Status::Rolling, incident: Some(far) }),
        Verdict::Duplicate
    );
    assert_eq!(watch.claim(5), Some(far));
    // What is over takes it from nothing. Busy with something that nobody knows of, it is not planned with.
    watch.fresh();
    let elsewhere = Says::Status { responder: 5, status: Status::OnScene, incident: Some(99) };
    watch.says(elsewhere.clone());
    assert_eq!((watch.refusals(), watch.claim(5)), (vec!["E0492".to_owned()], Some(far)));
    watch.status(5, Status::Returning);
    watch.says(elsewhere);
    assert_eq!(watch.state.members[&5].status, Status::OnScene);
    assert!(!watch.desk.planned(&mut watch.state, watch.now_ms).crews.contains_key(&5));
    // The first incident gets another.
    watch.accept_all();
    // A heartbeat does not take back what it has not heard yet.
    let sent = (1..=4).find(|id| watch.claim(*id) == Some(near)).unwrap();
    watch.says(Says::Status { responder: sent, status: Status::Available, incident: None });
    assert_eq!(watch.claim(sent), Some(near));
    watch.says(Says::Status { responder: sent, status: Status::OutOfService, incident: None });
    assert_eq!(watch.claim(sent), None);
    watch.accept_all();
    assert!((1..=5).any(|id| watch.claim(id) == Some(near)), "another goes");
}

#[test]
fn crews_move_up_when_stations_are_left_bare() {
    let mut watch = Watch::recommending();
    for (id, station) in [(11, 1), (12, 1), (13, 1)] {
        watch.says(Says::Joined(Responder::crew(id, station, FIRE)));
    }
    watch.fire(5, 4);
    watch.fresh();
    watch.accept_all();
    let moved = watch.state.members.values().filter(|member| member.covers_station().is_some()).count();
    assert!(moved > 0);
    let told = format!("{:?}", watch.fresh());
    assert!(told.contains("bare: [4") && told.contains("MoveUp"), "{told}");
    // It stands there when it has got there, and covers it; and goes to what happens there.
    watch.wait_s(15 * 60);
    let mover =
        watch.state.members.iter().find(|(_, member)| member.covers_station().is_some()).map(|(id, _)| *id).unwrap();
    let station = watch.state.members[&mover].covers_station().unwrap();
    let place = watch.desk.config().stations[&station].place;
    watch.raised(Raised { place: Some(place), ..raised("panel", "fire", 0, 0) });
    assert!(watch.state.members[&mover].offer.is_some() || watch.state.members[&mover].claim.is_some());
    assert!(watch.state.incidents.values().all(|of| of.timeline.reached_ms(Stage::Brigade).is_none()));
}

#[test]
fn who_is_about_to_move_up_is_not_asked_again() {
    let mut watch = Watch::recommending();
    for (id, station) in [(11, 1), (12, 1), (13, 1)] {
        watch.says(Says::Joined(Responder::crew(id, station, FIRE)));
        watch.seen(id, 0, 0);
    }
    watch.fire(5, 4);
    // It ends, though those who are to move up are still seen at their station.
    watch.accept_all();
    assert!(watch.state.members.values().any(|member| member.covers_station().is_some()));
    watch.wait_s(60);
    assert!(watch.state.members.values().all(|member| member.offer.is_none()));
}
