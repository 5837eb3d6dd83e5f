//! People stay in charge.

use watchfire_engine::Verdict;
use watchfire_operators::dispatch::{Mode, Move, Order, Person, Says, Status, Tells};

use super::support::{Watch, duty};

fn order(responder: u64, order: Option<Order>) -> Says {
    Says::Order { responder, order, by: duty() }
}

#[test]
fn people_decide_over_what_is_recommended() {
    let mut watch = Watch::recommending();
    let fire = watch.fire(2, 3);
    assert_eq!(watch.changes(), [(5, Move::Assign { incident: fire }, "recommended")]);
    assert_eq!(watch.claim(5), None);
    let change = watch.state.members[&5].offer.unwrap().change;
    // Declined, the next is recommended; only with a reason, and only once.
    watch.says(Says::Decided { change, accept: false, by: Person::named("duty officer 7", "") });
    watch.says(Says::Decided { change: 99, accept: true, by: duty() });
    assert_eq!(watch.refusals(), ["E0497", "E0496"]);
    watch.says(Says::Decided { change, accept: false, by: duty() });
    let changes = watch.changes();
    assert_eq!(changes[0], (5, Move::Assign { incident: fire }, "declined"));
    let [(_, _, "recommended")] = changes[1..] else { panic!("{changes:?}") };
    let (next, change) = (changes[1].0, watch.state.members[&changes[1].0].offer.unwrap().change);
    watch.says(Says::Decided { change, accept: true, by: duty() });
    assert_eq!((watch.claim(next), watch.state.members[&next].status), (Some(fire), Status::Assigned));
    watch.says(Says::Decided { change, accept: true, by: duty() });
    assert_eq!(watch.refusals(), ["E0496"]);
}

#[test]
fn what_is_recommended_is_withdrawn_when_it_is_not_best_any_more() {
    let mut watch = Watch::recommending();
    let fire = watch.fire(2, 3);
    watch.changes();
    watch.seen(4, 2, 3);
    watch.wait_s(30);
    let changes = watch.changes();
    assert_eq!(
        changes[..],
        [(4, Move::Assign { incident: fire }, "recommended"), (5, Move::Assign { incident: fire }, "withdrawn"),]
    );
    // Cancelled before anybody was sent.
    watch.close(fire);
    assert_eq!(watch.changes(), [(4, Move::Assign { incident: fire }, "withdrawn")]);
    assert!(watch.state.members.values().all(|member| member.claim.is_none() && member.offer.is_none()));
}

#[test]
fn orders_hold_until_they_are_taken_back() {
    let mut watch = Watch::auto();
    watch.says(order(5, Some(Order::Stays)));
    let fire = watch.fire(2, 3);
    assert_eq!(watch.claim(5), None);
    watch.says(order(4, Some(Order::Goes { incident: fire })));
    assert_eq!(watch.claim(4), Some(fire));
    let other = watch.fire(5, 5);
    watch.wait_s(120);
    assert_eq!(watch.claim(4), Some(fire), "it is obeyed, though the other fire is at its door");
    assert_eq!(watch.says(order(4, Some(Order::Goes { incident: fire }))), Verdict::Duplicate);
    watch.says(order(4, None));
    assert_eq!(watch.claim(4), Some(other));
    // Forbidden, it is called back by those who forbid it, and told.
    watch.fresh();
    watch.says(order(4, Some(Order::GoesNot { incident: other })));
    let told = format!("{:?}", watch.fresh());
    assert_ne!(watch.claim(4), Some(other));
    assert!(told.contains("Release") && told.contains("Stop"), "{told}");
    // Orders without a name, and to what is not open.
    watch.says(Says::Order { responder: 1, order: Some(Order::Stays), by: Person::default() });
    watch.says(order(1, Some(Order::Goes { incident: 99 })));
    assert_eq!(watch.refusals(), ["E0497", "E0492"]);
}

#[test]
fn who_is_on_scene_stays_there_whatever_is_ordered() {
    let mut watch = Watch::auto();
    let fire = watch.fire(2, 3);
    watch.status(5, Status::OnScene);
    let other = watch.fire(2, 2);
    watch.fresh();
    watch.says(order(5, Some(Order::Goes { incident: other })));
    assert_eq!(watch.claim(5), Some(fire));
    let unkept = watch.fresh().into_iter().filter(|tells| matches!(tells, Tells::Unkept { responder: 5, .. })).count();
    assert_eq!(unkept, 1, "whoever has ordered it is told");
    watch.wait_s(300);
    assert!(!watch.fresh().iter().any(|tells| matches!(tells, Tells::Unkept { .. })), "once");
    // When it leaves by itself, the order is kept.
    watch.status(5, Status::Returning);
    assert_eq!(watch.claim(5), Some(other));
}

#[test]
fn nobody_is_called_back_but_by_people() {
    let mut watch = Watch::auto();
    watch.says(Says::Status { responder: 5, status: Status::OutOfService, incident: None });
    let fire = watch.fire(2, 3);
    let sent = (1..=4).find(|id| watch.claim(*id) == Some(fire)).unwrap();
    watch.status(sent, Status::Rolling);
    watch.changes();
    watch.says(Says::Status { responder: 5, status: Status::Available, incident: None });
    let changes = watch.changes();
    assert!(changes.contains(&(5, Move::Assign { incident: fire }, "done")), "{changes:?}");
    assert!(changes.contains(&(sent, Move::Release { from: fire }, "recommended")));
    watch.status(5, Status::OnScene);
    watch.wait_s(300);
    assert_eq!((watch.claim(sent), watch.changes().len()), (Some(fire), 0), "it is asked once, and goes on");
    // People want it to go on: they are not asked again.
    let change = watch.state.members[&sent].offer.unwrap().change;
    watch.says(Says::Decided { change, accept: false, by: duty() });
    watch.wait_s(300);
    assert_eq!((watch.claim(sent), watch.changes().len()), (Some(fire), 1));
}

#[test]
fn who_decides_is_decided_by_people() {
    let mut watch = Watch::recommending();
    let fire = watch.fire(2, 3);
    watch.fresh();
    watch.says(Says::Mode { district: 1, mode: Mode::Auto, by: Person::named("duty officer 7", "") });
    assert_eq!(watch.refusals(), ["E0497"], "handing over to the machine needs a reason");
    let offered = watch.state.members[&5].offer.unwrap().change;
    watch.says(Says::Mode { district: 1, mode: Mode::Auto, by: duty() });
    assert_eq!(watch.state.members[&5].claim.map(|claim| (claim.incident, claim.change)), Some((fire, offered)));
    assert_eq!(watch.says(Says::Mode { district: 1, mode: Mode::Auto, by: duty() }), Verdict::Duplicate);
    // Taking over does not.
    watch.says(Says::Mode { district: 1, mode: Mode::Recommend, by: Person::named("duty officer 7", "") });
    assert_eq!(watch.state.mode(1), Mode::Recommend);
    assert_eq!(watch.claim(5), Some(fire), "who was sent was sent");
}

#[test]
fn an_incident_is_closed_by_people_who_say_why() {
    let mut watch = Watch::auto();
    let fire = watch.fire(2, 3);
    watch.status(5, Status::Rolling);
    watch.fresh();
    watch.says(Says::Closed { incident: fire, false_alarm: true, by: Person::named("duty officer 7", "") });
    watch.says(Says::Closed { incident: 9, false_alarm: true, by: duty() });
    assert_eq!(watch.refusals(), ["E0497", "E0492"]);
    watch.close(fire);
    assert_eq!((watch.claim(5), watch.state.members[&5].status), (None, Status::Returning));
    let told = format!("{:?}", watch.fresh());
    assert!(told.contains("Stop"), "whoever was under way is told: {told}");
}

#[test]
fn a_plan_says_why() {
    let mut watch = Watch::recommending();
    watch.fire(2, 3);
    let because = watch.fresh().into_iter().find_map(|tells| match tells {
        Tells::Plan(change) => change.because,
        _ => None,
    });
    let because = because.unwrap();
    assert_eq!(because.eta.unwrap().ms, 120_000);
    assert_eq!(because.cost.first_ms, 120_000);
    // From station 1 or 3: five blocks, six minutes in all.
    let runner_up = because.runner_up.unwrap();
    assert!([1, 3].contains(&runner_up.responder));
    assert_eq!(i64::from(runner_up.eta.ms), 120_000 + because.margin.first_ms);
}
