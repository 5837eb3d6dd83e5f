//! Evidence that is late, ahead, far away, or only somebody's word.

use std::sync::Arc;

use watchfire_engine::Verdict;
use watchfire_operators::calendar::Calendar;
use watchfire_operators::dispatch::{
    About, Answer, Basis, Desk, Member, Move, Order, Raised, Report, Responder, RoadTold, Says, Stage, Status, Tells,
};
use watchfire_operators::road::RoadState;

use super::support::{FIRE, Watch, city, config, corner, duty, raised};

fn order(responder: u64, order: Order) -> Says {
    Says::Order { responder, order: Some(order), by: duty() }
}

fn on_scene(responder: u64, incident: u64) -> Says {
    Says::Status { responder, status: Status::OnScene, incident: Some(incident) }
}

/// A fire in the corner of station 4, whose crew has gone there, so that one of the three of station 1 is on its way to cover it.
fn moved_up() -> (Watch, u64) {
    let mut watch = Watch::recommending();
    for id in [11, 12] {
        watch.says(Says::Joined(Responder::crew(id, 1, FIRE)));
    }
    let fire = watch.fire(5, 4);
    watch.accept_all();
    (watch, fire)
}

/// The fire is out, and the crew of station 4 back.
fn is_over(watch: &mut Watch, fire: u64) {
    watch.close(fire);
    watch.status(4, Status::Returning);
    watch.wait_s(1);
    watch.status(4, Status::Available);
}

#[test]
fn a_clock_that_is_far_ahead_holds_nothing_back() {
    let day_ms = 86_400_000;
    let mut watch = Watch::auto();
    // While the arrival clock has no reading, nobody can tell.
    let ahead = |watch: &mut Watch, says| {
        let report = Report { theatre: 1, at_ms: watch.now_ms + day_ms, says };
        watch.desk.report(&mut watch.state, &report, i64::MIN, &mut watch.told)
    };
    ahead(&mut watch, Says::Status { responder: 4, status: Status::OutOfService, incident: None });
    ahead(&mut watch, Says::Fix { responder: 4, place: corner(5, 4) });
    let road = |becomes| Says::Roads(vec![RoadTold { road: "2,2-2,3".to_owned(), becomes }]);
    ahead(&mut watch, road(RoadState::Closed));
    watch.desk.tick(&mut watch.state, 1, watch.now_ms, &mut watch.told);
    // And once it has one, so much is believed.
    watch.said_at(watch.now_ms + day_ms, Says::Status { responder: 5, status: Status::OutOfService, incident: None });
    watch.wait_s(60);
    assert_eq!(watch.status(4, Status::Available), Verdict::Applied);
    assert_eq!(watch.status(5, Status::Available), Verdict::Applied);
    assert_eq!(watch.says(road(RoadState::Open)), Verdict::Applied);
    // The place grows old, as all do.
    watch.wait_s(301);
    let fire = watch.fire(2, 2);
    let eta = watch.desk.eta_of(&mut watch.state, 4, fire, watch.now_ms);
    assert_eq!(eta.map(|eta| eta.basis), Some(Basis::Fallback));
}

#[test]
fn what_is_told_after_what_came_later_still_counts_for_how_far_help_is() {
    let mut watch = Watch::recommending();
    let fire = watch.fire(2, 3);
    watch.accept_all();
    watch.wait_s(100);
    let at_ms = watch.now_ms;
    watch.says(Says::Status { responder: 5, status: Status::OutOfService, incident: None });
    let reached = |watch: &Watch, stage| watch.state.incidents[&fire].timeline.reached_ms(stage);
    assert_eq!(reached(&watch, Stage::Joins), None);
    assert_eq!(watch.said_at(at_ms - 20_000, on_scene(5, fire)), Verdict::Late);
    assert_eq!((reached(&watch, Stage::Acts), reached(&watch, Stage::Joins)), (Some(at_ms), Some(at_ms)));
    let told = watch.of_incidents();
    assert_eq!(told.iter().filter(|(_, what)| format!("{what:?}").starts_with("Reached")).count(), 2, "{told:?}");
    // It is not there any more, though.
    assert_eq!(watch.claim(5), None);
}

#[test]
fn what_was_said_before_somebody_was_sent_does_not_count_for_where_they_were_sent() {
    let mut watch = Watch::auto();
    let far = watch.fire(2, 3);
    watch.status(5, Status::Rolling);
    watch.wait_s(60);
    let before_ms = watch.now_ms - 1_000;
    let near = watch.fire(5, 5);
    watch.says(order(5, Order::Goes { incident: near }));
    watch.said_at(before_ms, Says::Status { responder: 5, status: Status::OnScene, incident: None });
    let joins = |watch: &Watch, of: u64| watch.state.incidents[&of].timeline.reached_ms(Stage::Joins);
    assert_eq!((joins(&watch, near), watch.state.members[&5].status), (None, Status::Rolling));
    // By its name it counts for what it was.
    watch.said_at(before_ms, on_scene(5, far));
    assert_eq!(joins(&watch, near), None);
}

#[test]
fn a_source_that_is_elsewhere_now_is_told() {
    let mut watch = Watch::auto();
    let fire = watch.fire(2, 3);
    watch.wait_s(1);
    watch.fresh();
    let again = Raised { place: Some(corner(2, 4)), ..raised("panel 2,3", "fire", 2, 3) };
    assert_eq!(watch.raised(again.clone()), fire);
    assert_eq!(watch.refusals(), ["E0499"]);
    assert_eq!(watch.state.incidents[&fire].place, Some(corner(2, 3)));
    assert_eq!(watch.says(Says::Raised(again)), Verdict::Duplicate);
    // And a level that cannot be, however often it is raised.
    watch.wait_s(1);
    watch.fresh();
    watch.raised(Raised { level: 9, ..raised("panel 2,3", "fire", 2, 3) });
    assert_eq!((watch.refusals(), watch.state.incidents[&fire].level), (vec!["E0492".to_owned()], 5));
}

#[test]
fn a_thousand_sources_of_one_incident_are_bounded_and_raise_it_all_the_same() {
    let mut watch = Watch::auto();
    let fire = watch.fire(2, 3);
    for nth in 0..1_000 {
        watch.raised(raised(&format!("sensor {nth}"), "fire", 2, 3));
    }
    assert_eq!((watch.state.incidents.len(), watch.state.incidents[&fire].sources.len()), (1, 257));
    watch.raised(Raised { level: 3, ..raised("sensor 999", "fire", 2, 3) });
    assert_eq!(watch.state.incidents[&fire].level, 3);
    // A source may have any name, and automation is none.
    watch.raised(Raised { level: 4, ..raised("automation", "fire", 5, 5) });
    watch.says(Says::Level { incident: fire, level: 4, by: None });
    assert_eq!(watch.state.incidents[&fire].level, 4);
    assert_eq!(watch.says(Says::Level { incident: fire, level: 4, by: None }), Verdict::Duplicate);
}

#[test]
fn roads_that_are_told_too_late_are_told_of() {
    let mut watch = Watch::auto();
    watch.road("2,2-2,3", RoadState::Closed);
    watch.fresh();
    let told = |road: &str| RoadTold { road: road.to_owned(), becomes: RoadState::Open };
    let both = Says::Roads(vec![told("2,2-2,3"), told("2,3-2,4")]);
    assert_eq!(watch.said_at(watch.now_ms - 1, both.clone()), Verdict::Applied);
    assert_eq!(watch.refusals(), ["E0494"]);
    assert_eq!(watch.said_at(watch.now_ms - 2, both), Verdict::Late, "all of them");
}

#[test]
fn who_is_on_scene_stays_and_whoever_ordered_otherwise_is_told() {
    let mut watch = Watch::auto();
    let fire = watch.fire(2, 3);
    watch.status(5, Status::OnScene);
    for (away, told) in [(Order::Stays, 1), (Order::GoesNot { incident: fire }, 1), (Order::GoesNot { incident: 9 }, 0)]
    {
        watch.fresh();
        watch.says(order(5, away));
        let unkept = watch.fresh().iter().filter(|tells| matches!(tells, Tells::Unkept { responder: 5, .. })).count();
        assert_eq!((unkept, watch.claim(5)), (told, Some(fire)), "{away:?}");
    }
}

#[test]
fn who_says_that_it_is_there_is_there_and_not_at_its_station() {
    let mut watch = Watch::auto();
    let fire = watch.fire(2, 3);
    watch.status(5, Status::OnScene);
    watch.close(fire);
    watch.wait_s(1);
    watch.status(5, Status::Available);
    assert!(watch.state.members[&5].fix.is_some_and(|fix| fix.by_word && fix.place == corner(2, 3)));
    let next = watch.fire(2, 4);
    let basis = |watch: &mut Watch| watch.desk.eta_of(&mut watch.state, 5, next, watch.now_ms).map(|eta| eta.basis);
    assert_eq!((watch.claim(5), basis(&mut watch)), (Some(next), Some(Basis::Fix)));
    // On its way back it says so, and that it is back.
    watch.close(next);
    watch.status(5, Status::Returning);
    watch.status(5, Status::Available);
    assert_eq!(watch.state.members[&5].fix, None);
    // What a device tells outweighs it, and is not measured by it.
    let last = watch.fire(2, 4);
    watch.says(on_scene(5, last));
    assert_eq!(watch.seen(5, 5, 5), Verdict::Applied);
    assert!(watch.state.members[&5].fix.is_some_and(|fix| !fix.by_word));
}

#[test]
fn whoever_covered_another_station_goes_home_when_it_is_not_needed_there() {
    let (mut watch, fire) = moved_up();
    let away = |watch: &Watch| {
        let away = watch.state.members.iter().filter(|(_, member)| member.covers_station().is_some());
        away.map(|(id, _)| *id).collect::<Vec<_>>()
    };
    let moved = away(&watch);
    assert!(!moved.is_empty());
    watch.wait_s(15 * 60);
    is_over(&mut watch, fire);
    watch.fresh();
    watch.wait_s(120);
    watch.accept_all();
    watch.wait_s(15 * 60);
    assert!(away(&watch).is_empty(), "{moved:?} are still at {:?}", away(&watch));
    let told = format!("{:?}", watch.fresh());
    assert!(told.contains("MoveUp { station: 1 }"), "{told}");
    // And there it stays.
    watch.wait_s(3_600);
    assert!(watch.fresh().iter().all(|tells| !matches!(tells, Tells::Plan(_))));
}

#[test]
fn coverage_is_looked_at_also_while_nothing_is_open() {
    let mut watch = Watch::recommending();
    let bare = |watch: &mut Watch| {
        let told = watch.fresh().into_iter().rev();
        told.filter_map(
            |tells| if let Tells::Coverage(of) = tells { Some((of.covered_permille, of.bare)) } else { None },
        )
        .next()
    };
    watch.seen(5, 4, 4);
    watch.wait_s(60);
    assert!(bare(&mut watch).is_some_and(|(_, bare)| bare == [5]), "it stands by elsewhere");
    // A shift ends.
    let calendar: Calendar = toml::from_str(
        r#"
        version = "test"
        from = "2026-01-01"
        until = "2027-01-01"
        hours = [{ from = "09:00", until = "17:00" }]
        shifts = [{ name = "day", from = "08:00", until = "20:00" }]
        "#,
    )
    .unwrap();
    watch.desk = Desk::new(config(), city()).unwrap().shifts(Arc::new(calendar));
    // 19:59 in Shanghai.
    watch.now_ms = 1_775_044_740_000;
    watch.says(Says::Joined(Responder { shift: Some("day".to_owned()), ..Responder::crew(1, 1, FIRE) }));
    watch.fresh();
    watch.wait_s(120);
    assert!(bare(&mut watch).is_some_and(|(_, bare)| bare.contains(&1)));
}

#[test]
fn who_was_there_and_leaves_is_not_sent_back_and_people_decide_on_another() {
    let mut watch = Watch::auto();
    let fire = watch.fire(2, 3);
    watch.status(5, Status::OnScene);
    watch.changes();
    watch.wait_s(60);
    watch.status(5, Status::Returning);
    assert!(watch.state.members.values().all(|member| member.claim.is_none()));
    let offers = |watch: &Watch| {
        watch.state.members.iter().filter(|(_, of)| of.offer.is_some()).map(|(id, _)| *id).collect::<Vec<_>>()
    };
    let offered = offers(&watch);
    assert!(offered.len() == 1 && offered != [5], "{offered:?}");
    assert!(watch.messages().iter().any(|message| message.about == About::Decide), "somebody has to look");
    // It turns around by itself: it is there again, and nobody else is needed.
    watch.wait_s(5);
    watch.says(on_scene(5, fire));
    assert_eq!((watch.claim(5), offers(&watch)), (Some(fire), vec![]));
    // It gets worse: whoever has left goes again, for the nearest goes.
    watch.wait_s(5);
    watch.status(5, Status::Returning);
    watch.wait_s(5);
    watch.says(Says::Level { incident: fire, level: 2, by: None });
    assert_eq!(watch.claim(5), Some(fire));
    assert_eq!(watch.state.members.values().filter(|member| member.claim.is_some()).count(), 4);
}

#[test]
fn nobody_else_moves_up_to_where_somebody_is_on_the_way() {
    let mut watch = Watch::recommending();
    for (id, station) in [(11, 1), (12, 1), (13, 1), (14, 1), (15, 1)] {
        watch.says(Says::Joined(Responder::crew(id, station, FIRE)));
    }
    watch.fire(5, 4);
    watch.fresh();
    watch.accept_all();
    let covered = |watch: &Watch| {
        let covered = watch.state.members.values().filter_map(|member| member.covers_station());
        covered.collect::<Vec<_>>()
    };
    let moved = covered(&watch);
    assert!(!moved.is_empty());
    for _ in 0..8 {
        watch.wait_s(30);
        watch.accept_all();
        let now = covered(&watch);
        assert_eq!(now.iter().collect::<std::collections::BTreeSet<_>>().len(), now.len(), "one is enough: {now:?}");
    }
}

#[test]
fn nobody_is_taken_from_where_only_people_can_send_another() {
    let mut watch = Watch::auto();
    let fire = watch.fire(2, 3);
    watch.status(5, Status::OnScene);
    watch.wait_s(1);
    watch.status(5, Status::Returning);
    watch.accept_all();
    let sent = (1..=4).find(|id| watch.claim(*id) == Some(fire)).unwrap();
    watch.status(sent, Status::Rolling);
    watch.says(Says::Status { responder: 5, status: Status::OutOfService, incident: None });
    // Its own station burns.
    let place = watch.desk.config().stations[&(sent as u32)].place;
    let other = watch.raised(Raised { place: Some(place), ..raised("panel", "fire", 0, 0) });
    assert_eq!(watch.claim(sent), Some(fire));
    assert!((1..=4).any(|id| watch.claim(id) == Some(other)), "another goes there");
}

#[test]
fn who_comes_upon_a_fire_is_there_whatever_it_was_told_before() {
    let mut watch = Watch::auto();
    // Called back from a fire that is over, and not heard yet: what it says of another fire is news.
    let over = watch.fire(2, 3);
    watch.status(5, Status::Rolling);
    watch.close(over);
    for id in 1..=4 {
        watch.says(Says::Status { responder: id, status: Status::OutOfService, incident: None });
    }
    watch.says(order(5, Order::Stays));
    let fire = watch.fire(2, 4);
    assert_eq!(watch.claim(5), None);
    watch.wait_s(10);
    watch.says(on_scene(5, fire));
    assert_eq!(watch.claim(5), Some(fire));
    // And who was told to move up, and has not heard, too.
    let (mut watch, far) = moved_up();
    let moving = watch.state.members.iter().find(|(_, member)| member.covers_station().is_some()).map(|(id, _)| *id);
    let moving = moving.unwrap();
    let fire = watch.fire(1, 1);
    watch.says(on_scene(moving, fire));
    assert_eq!(watch.claim(moving), Some(fire));
    assert_ne!(far, fire);
}

#[test]
fn who_refuses_to_move_stays_where_it_was() {
    let (mut watch, fire) = moved_up();
    let moved = *watch.state.members.iter().find(|(_, member)| member.covers_station() == Some(4)).unwrap().0;
    watch.wait_s(15 * 60);
    is_over(&mut watch, fire);
    watch.wait_s(60);
    watch.accept_all();
    assert_eq!(watch.state.members[&moved].covers_station(), None, "it is sent home");
    let cover = watch.messages().into_iter().rev().find(|message| matches!(message.about, About::Cover { .. }));
    watch.answers(cover.unwrap().notice, Answer::Refused);
    let member = &watch.state.members[&moved];
    assert_eq!((member.covers_station(), member.post(watch.now_ms)), (Some(4), 4));
}

#[test]
fn without_a_way_nobody_moves_home_and_who_is_ordered_to_stay_covers_nothing() {
    let (mut watch, fire) = moved_up();
    watch.wait_s(15 * 60);
    for road in ["0,1-0,0", "1,0-0,0"] {
        watch.road(road, RoadState::Closed);
    }
    is_over(&mut watch, fire);
    watch.wait_s(60);
    assert!(watch.state.members.values().all(|member| member.offer.is_none()), "no way leads home");
    // Who must stay is counted nowhere, and asked for nothing.
    for id in [1, 2, 3, 4, 5, 11, 12] {
        watch.says(order(id, Order::Stays));
    }
    let told = watch.fresh().into_iter().rev();
    let bare = told.filter_map(|tells| if let Tells::Coverage(of) = tells { Some(of.bare) } else { None }).next();
    assert_eq!(bare.unwrap(), [1, 2, 3, 4, 5]);
    watch.fire(3, 3);
    assert!(watch.state.members.values().all(|member| member.offer.is_none()));
}

#[test]
fn an_alarm_whose_clock_stands_still_is_heard_again() {
    let mut watch = Watch::auto();
    let panel = || Says::Raised(raised("panel", "fire", 2, 3));
    watch.said_at(0, panel());
    let first = *watch.state.incidents.keys().next().unwrap();
    watch.close(first);
    watch.wait_s(60);
    assert_eq!(watch.said_at(0, panel()), Verdict::Duplicate, "an echo of what is over");
    watch.wait_s(3 * 3_600);
    assert_eq!(watch.said_at(0, panel()), Verdict::Applied);
    assert_eq!(watch.state.incidents.len(), 1);
}

#[test]
fn a_clock_that_is_behind_is_told() {
    let mut watch = Watch::auto();
    let fire = watch.fire(2, 3);
    watch.wait_s(60);
    watch.fresh();
    let at_ms = watch.now_ms - 300_000;
    watch.said_at(at_ms, Says::Status { responder: 5, status: Status::OnScene, incident: None });
    assert_eq!((watch.refusals(), watch.state.members[&5].status), (vec!["E0491".to_owned()], Status::Assigned));
    watch.said_at(at_ms + 1, on_scene(5, fire));
    assert_eq!(watch.state.members[&5].status, Status::OnScene);
}

#[test]
fn crews_that_pass_each_other_are_not_called_back_in_turns() {
    let mut watch = Watch::auto();
    let fire = watch.raised(Raised { level: 2, ..raised("panel", "fire", 2, 3) });
    let sent: Vec<u64> = (1..=5).filter(|id| watch.claim(*id) == Some(fire)).collect();
    sent.iter().for_each(|id| {
        watch.status(*id, Status::Rolling);
    });
    watch.says(Says::Level { incident: fire, level: 1, by: Some(duty()) });
    let back = |watch: &Watch| {
        let is_back = |of: &Member| matches!(of.offer.map(|offer| offer.to), Some(Move::Release { .. }));
        let back = watch.state.members.iter().filter(|(_, of)| is_back(of));
        back.map(|(id, _)| *id).collect::<Vec<_>>()
    };
    let first = back(&watch);
    assert_eq!(first.len(), 3);
    let mut turns = [(2, 2), (2, 1), (2, 2)].into_iter().cycle();
    for _ in 0..6 {
        let (x, y) = turns.next().unwrap();
        watch.wait_s(20);
        sent.iter().for_each(|id| {
            // Each a minute nearer or farther than before.
            let (x, y) = if id % 2 == 0 { (x, y) } else { (x, 3 - y) };
            watch.seen(*id, x, y);
        });
        watch.wait_s(20);
    }
    assert_eq!(back(&watch), first);
    let told = watch.changes();
    let withdrawn = told.iter().filter(|(_, _, standing)| *standing == "withdrawn").count();
    assert!(withdrawn <= 1, "{told:?}");
}
