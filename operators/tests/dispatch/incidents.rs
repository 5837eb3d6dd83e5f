//! What happens, how grave it is, and who is needed.

use watchfire_engine::Verdict;
use watchfire_operators::dispatch::{IncidentTold, Mode, Move, Person, Raised, Says, Skills, Stage, Status};
use watchfire_operators::geo::Position;
use watchfire_operators::road::RoadState;

use super::support::{Watch, config, corner, duty, raised};

#[test]
fn alarms_of_one_place_and_cause_are_one_incident() {
    let mut watch = Watch::auto();
    let near = Position::from_degrees(corner(2, 3).lat_deg() + 0.000_3, corner(2, 3).lon_deg()).unwrap();
    let first = watch.fire(2, 3);
    let again = watch.raised(Raised { place: Some(near), ..raised("caller", "fire", 2, 3) });
    assert_eq!((first, again, watch.state.incidents[&1].sources.len()), (1, 1, 2));
    // Another cause, another place, an exercise; and the same place, when it was over long before.
    assert_eq!(watch.raised(raised("lift", "trapping", 2, 3)), 2);
    assert_eq!(watch.fire(3, 3), 3);
    assert_eq!(watch.raised(Raised { drill: true, ..raised("caller", "fire", 2, 3) }), 4);
    watch.wait_s(31 * 60);
    assert_eq!(watch.raised(raised("somebody else", "fire", 2, 3)), 5);
    // The source that has raised it goes on to raise the same.
    assert_eq!(watch.says(Says::Raised(raised("caller", "fire", 2, 3))), Verdict::Applied);
    assert_eq!(watch.state.incidents.len(), 5);
}

#[test]
fn what_is_over_is_not_opened_again_by_what_was_told_before() {
    let mut watch = Watch::auto();
    let told_ms = watch.now_ms;
    let fire = watch.fire(2, 3);
    watch.wait_s(60);
    watch.close(fire);
    assert_eq!(watch.said_at(told_ms, Says::Raised(raised("panel 2,3", "fire", 2, 3))), Verdict::Duplicate);
    assert!(watch.state.incidents.is_empty());
    assert_eq!(watch.fire(2, 3), 2, "it burns again");
    // The memory of it ends.
    watch.wait_s(25 * 3_600);
    watch.close(2);
    watch.wait_s(25 * 3_600);
    watch.fire(5, 5);
    watch.wait_s(31);
    assert_eq!(watch.said_at(told_ms, Says::Raised(raised("panel 2,3", "fire", 2, 3))), Verdict::Applied);
}

#[test]
fn automation_raises_and_people_lower() {
    let mut watch = Watch::auto();
    let fire = watch.fire(2, 3);
    let level = |watch: &Watch| (watch.state.incidents[&fire].level, watch.state.incidents[&fire].sure_level);
    let by_machine = |level| Says::Level { incident: fire, level, by: None };
    watch.says(by_machine(2));
    assert_eq!(watch.says(by_machine(1)), Verdict::Duplicate);
    assert_eq!(level(&watch), (2, 2));
    // Only with a name and a reason it is lowered.
    watch.fresh();
    for by in [Person::named("", "smoke"), Person::named("duty officer 7", " ")] {
        watch.says(Says::Level { incident: fire, level: 1, by: Some(by) });
        assert_eq!(watch.refusals(), ["E0497"]);
    }
    watch.says(Says::Level { incident: fire, level: 1, by: Some(duty()) });
    let told = watch.of_incidents();
    assert!(
        told.iter()
            .any(|(_, what)| matches!(what, IncidentTold::Level { from: 2, to: 1, by: Some(by), .. } if *by == duty()))
    );
    // What automation has said before does not raise it again; what is worse does.
    assert_eq!(watch.says(by_machine(2)), Verdict::Duplicate);
    assert_eq!(level(&watch), (1, 1));
    watch.says(by_machine(3));
    assert_eq!(level(&watch), (3, 3));
}

#[test]
fn a_level_that_jumps_is_sure_only_when_people_say_it_again() {
    let mut watch = Watch::auto();
    let fire = watch.fire(2, 3);
    watch.changes();
    watch.says(Says::Level { incident: fire, level: 5, by: Some(duty()) });
    let changes = watch.changes();
    // Level 3 asks for six, and there are five: all go; nobody is left for what is above it.
    assert!(changes.iter().all(|(_, _, standing)| *standing == "done"), "{changes:?}");
    assert_eq!(watch.state.incidents[&fire].sure_level, 3);
    watch.says(Says::Level { incident: fire, level: 5, by: None });
    assert_eq!(watch.state.incidents[&fire].sure_level, 3, "no machine is sure of it");
    // The same word that comes twice is one.
    assert_eq!(watch.says(Says::Level { incident: fire, level: 5, by: Some(duty()) }), Verdict::Duplicate);
    assert_eq!(watch.state.incidents[&fire].sure_level, 3);
    watch.now_ms += 1_000;
    watch.says(Says::Level { incident: fire, level: 5, by: Some(duty()) });
    assert_eq!(watch.state.incidents[&fire].sure_level, 5);
    // Mis-keyed: people lower it, and whoever is too many is recommended to be released, by people.
    watch.changes();
    watch.says(Says::Level { incident: fire, level: 1, by: Some(duty()) });
    let changes = watch.changes();
    assert_eq!(changes.len(), 4);
    assert!(changes.iter().all(|(_, to, standing)| *to == Move::Release { from: fire } && *standing == "recommended"));
    // A level that there is not.
    watch.fresh();
    watch.says(Says::Level { incident: fire, level: 6, by: Some(duty()) });
    watch.raised(Raised { level: 9, ..raised("panel", "fire", 5, 5) });
    assert_eq!(watch.refusals(), ["E0492", "E0492"]);
    assert_eq!(watch.state.incidents[&2].level, 5, "the nearest, for it may be as bad");
}

#[test]
fn what_is_above_the_sure_level_is_recommended() {
    let mut watch = Watch::over(config());
    for id in 1..=8 {
        watch.says(Says::Joined(watchfire_operators::dispatch::Responder::crew(
            id,
            id as u32 % 5 + 1,
            super::support::FIRE,
        )));
    }
    watch.says(Says::Mode { district: 1, mode: Mode::Auto, by: duty() });
    watch.fresh();
    watch.raised(Raised { level: 5, ..raised("panel", "fire", 2, 3) });
    let changes = watch.changes();
    let with = |of: &str| changes.iter().filter(|(_, _, standing)| *standing == of).count();
    assert_eq!((with("done"), with("recommended")), (6, 2));
}

#[test]
fn help_is_late_when_nobody_comes() {
    let mut watch = Watch::auto();
    let fire = watch.fire(2, 3);
    watch.fresh();
    watch.wait_s(59);
    assert!(watch.of_incidents().is_empty());
    watch.wait_s(1);
    let missed = |stage, within_ms| vec![(fire, IncidentTold::Missed { stage, within_ms })];
    assert_eq!(watch.of_incidents(), missed(Stage::Acts, 60_000));
    watch.status(5, Status::Rolling);
    let reached = |stage, after_ms| vec![(fire, IncidentTold::Reached { stage, after_ms })];
    assert_eq!(watch.of_incidents(), reached(Stage::Acts, 60_000));
    watch.wait_s(90);
    watch.status(5, Status::OnScene);
    let mut told = reached(Stage::Joins, 150_000);
    told.push((fire, IncidentTold::Full { after_ms: 150_000 }));
    assert_eq!(watch.of_incidents(), told);
    watch.wait_s(150);
    assert_eq!(watch.of_incidents(), missed(Stage::Brigade, 300_000));
    watch.wait_s(60);
    assert_eq!(watch.says(Says::Brigade { incident: fire }), Verdict::Applied);
    assert_eq!(watch.of_incidents(), reached(Stage::Brigade, 360_000));
    assert_eq!(watch.says(Says::Brigade { incident: fire }), Verdict::Duplicate);
    watch.wait_s(3_600);
    assert!(watch.of_incidents().is_empty(), "each is told once");
}

#[test]
fn where_nobody_can_be_found_people_are_asked() {
    let mut watch = Watch::auto();
    let far = Position::from_degrees(31.0, 104.0).unwrap();
    for (nth, place) in [None, Some(far)].into_iter().enumerate() {
        watch.fresh();
        let id = watch.raised(Raised { place, ..raised(&format!("caller {nth}"), "fire", 0, 0) });
        let told = watch.fresh();
        let told = format!("{told:?}");
        assert!(told.contains("E0499") && told.contains("Missing { slots: [0] }"), "{told}");
        assert!(told.contains("District(1)") && told.contains("Neighbours"), "{told}");
        // People send somebody, whom nobody else takes; then the place is told.
        watch.says(Says::Order {
            responder: 3 + nth as u64,
            order: Some(watchfire_operators::dispatch::Order::Goes { incident: id }),
            by: duty(),
        });
        assert_eq!(watch.claim(3 + nth as u64), Some(id));
    }
    watch.raised(raised("caller 0", "fire", 1, 1));
    assert!(watch.state.incidents[&1].node.is_some() && watch.state.incidents[&1].missing.is_empty());
}

#[test]
fn an_island_is_missed_until_a_road_opens() {
    let mut watch = Watch::auto();
    for road in ["1,0-0,0", "0,1-0,0"] {
        watch.road(road, RoadState::Closed);
    }
    // The crew of the station on the island can go.
    watch.says(Says::Status { responder: 1, status: Status::OutOfService, incident: None });
    watch.fresh();
    let fire = watch.fire(0, 0);
    assert!(watch.of_incidents().contains(&(fire, IncidentTold::Missing { slots: vec![0] })));
    watch.road("0,1-0,0", RoadState::Open);
    let told = watch.fresh();
    assert!(format!("{told:?}").contains("Missing { slots: [] }"), "{told:?}");
    assert_eq!(watch.claim(5), Some(fire));
}

#[test]
fn roads_that_are_not_or_cannot_be_change_nothing() {
    let mut watch = Watch::auto();
    watch.fire(2, 4);
    let before = watch.desk.planned(&mut watch.state.clone(), watch.now_ms);
    watch.fresh();
    watch.road("nowhere", RoadState::Closed);
    watch.road("2,2-2,3", RoadState::Takes(-1));
    assert_eq!(watch.refusals(), ["E0494", "E0481"]);
    assert_eq!(watch.desk.planned(&mut watch.state, watch.now_ms), before);
    // No road is driven in no time; and what is older than what is known says nothing.
    watch.road("2,2-2,3", RoadState::Takes(0));
    assert_eq!(watch.said_at(5, Says::Roads(vec![])), Verdict::Applied);
    let older =
        watchfire_operators::dispatch::RoadTold { road: "2,2-2,3".to_owned(), becomes: RoadState::Takes(9_000_000) };
    assert_eq!(watch.said_at(5, Says::Roads(vec![older])), Verdict::Late);
    let after = watch.desk.planned(&mut watch.state, watch.now_ms);
    assert_eq!(before.crews[&5].eta_ms[&1] - after.crews[&5].eta_ms[&1], 59_999);
    // A closure has a clock of its own.
    let closed = watchfire_operators::dispatch::RoadTold { road: "2,2-2,3".to_owned(), becomes: RoadState::Closed };
    assert_eq!(watch.said_at(5, Says::Roads(vec![closed])), Verdict::Applied);
    assert_eq!(
        watch.desk.planned(&mut watch.state, watch.now_ms).crews[&5].eta_ms[&1],
        before.crews[&5].eta_ms[&1] + 120_000
    );
    // Worked out anew from what is stored, it is the same.
    assert_eq!(
        watch.desk.planned(&mut watch.state.clone(), watch.now_ms),
        watch.desk.planned(&mut watch.state, watch.now_ms)
    );
}

#[test]
fn exercises_take_nobody_from_what_is_real() {
    let mut watch = Watch::auto();
    let drill = watch.raised(Raised { drill: true, level: 2, ..raised("exercise", "fire", 2, 3) });
    assert_eq!((1..=5).filter(|id| watch.claim(*id) == Some(drill)).count(), 4);
    watch.status(5, Status::OnScene);
    let fire = watch.fire(2, 2);
    assert_eq!(watch.claim(5), Some(fire), "the nearest, though it is at the exercise");
    let of = &watch.state.incidents[&fire].timeline;
    assert_eq!((of.acts_ms, of.joins_ms, of.full_ms), (None, None, None), "it has to get there first");
    assert!(watch.messages().iter().any(|message| message.drill));
}

/// A lift of a building at one corner, by its number.
fn lift(number: u32, source: &str) -> Raised {
    let asks = Skills(1 << number);
    Raised { asset: Some(format!("lift/{number}")), asks, ..raised(source, "trapped", 2, 3) }
}

#[test]
fn two_lifts_of_a_building_are_two_incidents() {
    let mut watch = Watch::auto();
    let (first, second) = (watch.raised(lift(1, "car 1")), watch.raised(lift(2, "car 2")));
    assert_eq!((first, second), (1, 2));
    // Each asks for its own licence, whatever raises it.
    assert_eq!(watch.raised(lift(2, "button 2")), 2);
    let asks = |watch: &Watch, of: u64| watch.state.incidents[&of].asks;
    assert_eq!((asks(&watch, 1), asks(&watch, 2)), (Skills(2), Skills(4)));
    assert_eq!(watch.state.incidents[&2].sources.len(), 2);
    // One that is over leaves the other open, and what was told of it before opens nothing.
    let told_ms = watch.now_ms;
    watch.wait_s(60);
    watch.close(first);
    assert_eq!(watch.state.incidents.keys().copied().collect::<Vec<_>>(), [2]);
    assert_eq!(watch.said_at(told_ms, Says::Raised(lift(1, "car 1"))), Verdict::Duplicate);
    assert_eq!(watch.raised(lift(1, "button 1")), 3, "it has not joined the other one");
}

#[test]
fn who_does_not_say_which_joins_and_the_first_that_does_names_it() {
    let mut watch = Watch::auto();
    let caller = |source: &str| raised(source, "trapped", 2, 3);
    // Somebody calls, then a lift, which is what the call was about as far as anybody knows; and then another one.
    assert_eq!(watch.raised(caller("caller")), 1);
    assert_eq!((watch.raised(lift(1, "car 1")), watch.raised(lift(2, "car 2"))), (1, 2));
    assert_eq!(watch.state.incidents[&1].asset.as_deref(), Some("lift/1"));
    watch.fresh();
    assert_eq!(watch.says(Says::Raised(caller("neighbour"))), Verdict::Applied);
    assert!(matches!(watch.of_incidents()[..], [(1, IncidentTold::Joined { .. })]));
    watch.wait_s(1);
    // The same source goes on to raise the same, whatever it says that it is about.
    let other = Raised { asset: Some("lift/2".to_owned()), ..caller("caller") };
    assert_eq!(watch.says(Says::Raised(other)), Verdict::Applied);
    assert_eq!(watch.state.incidents[&1].asset.as_deref(), Some("lift/1"));
    // Of several that could be, the one that it is about: nearer or not.
    let away = Raised { place: Some(corner(2, 4)), ..lift(2, "button 2") };
    watch.says(Says::Raised(away));
    assert_eq!((watch.state.incidents.len(), watch.state.incidents[&2].sources.len()), (2, 2));
}

#[test]
fn what_was_told_of_something_that_is_over_is_no_news_of_what_is_open() {
    let mut watch = Watch::auto();
    let caller = |source: &str| raised(source, "trapped", 2, 3);
    let told_ms = watch.now_ms;
    let first = watch.raised(lift(1, "car 1"));
    watch.says(Says::Raised(caller("caller")));
    watch.wait_s(60);
    watch.close(first);
    // Somebody else is trapped, and nobody says in which lift.
    let other = watch.raised(caller("neighbour"));
    let echo = Raised { level: 3, ..lift(1, "car 1") };
    for echo in [echo, caller("caller")] {
        assert_eq!(watch.said_at(told_ms, Says::Raised(echo)), Verdict::Duplicate);
    }
    let incident = &watch.state.incidents[&other];
    assert_eq!((incident.asset.as_deref(), incident.asks, incident.level), (None, Skills(0), 1));
    assert_eq!(watch.state.incidents.len(), 1);
    // What it tells anew is news.
    watch.wait_s(1);
    watch.says(Says::Raised(lift(1, "car 1")));
    assert_eq!(watch.state.incidents[&other].asset.as_deref(), Some("lift/1"));
}
