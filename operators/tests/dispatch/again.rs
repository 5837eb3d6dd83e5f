//! What is said twice, or too late, and what crosses with something else that was said.

use watchfire_engine::Verdict;
use watchfire_operators::alarm::Severity;
use watchfire_operators::dispatch::{
    About, Answer, IncidentTold, Mode, Move, NoticeId, Order, Raised, Recipient, Responder, Says, Skills, Stage,
    Status, Tells,
};

use super::support::{FIRE, Watch, config, duty, raised};

fn order(responder: u64, order: Option<Order>) -> Says {
    Says::Order { responder, order, by: duty() }
}

fn does(responder: u64, status: Status, incident: Option<u64>) -> Says {
    Says::Status { responder, status, incident }
}

fn sent_to(watch: &Watch, incident: u64) -> Vec<u64> {
    let sent = watch.state.members.iter().filter(|(_, of)| of.claim.is_some_and(|claim| claim.incident == incident));
    sent.map(|(id, _)| *id).collect()
}

/// The notice of this kind that was told last.
fn notice(watch: &mut Watch, is: impl Fn(Recipient, About) -> bool) -> NoticeId {
    let told = watch.messages().into_iter().rfind(|message| is(message.meant_for, message.about));
    told.unwrap().notice
}

/// Crew 1 rolls to a fire, is turned around to another by the plan, and has not read that.
fn turned_around() -> (Watch, u64, u64) {
    let mut watch = Watch::auto();
    let first = watch.fire(1, 0);
    let [crew] = sent_to(&watch, first)[..] else { panic!("one is sent") };
    watch.says(does(crew, Status::Rolling, Some(first)));
    watch.now_ms += 30_000;
    let second = watch.raised(raised("panel", "fire", 5, 5));
    watch.says(order(crew, Some(Order::Goes { incident: second })));
    assert_eq!(watch.claim(crew), Some(second));
    watch.fresh();
    watch.now_ms += 5_000;
    (watch, first, crew)
}

#[test]
fn bans_hold_beside_one_another_until_they_are_taken_back() {
    let mut watch = Watch::auto();
    let first = watch.fire(1, 0);
    let [crew] = sent_to(&watch, first)[..] else { panic!("one is sent") };
    watch.says(order(crew, Some(Order::GoesNot { incident: first })));
    let second = watch.fire(5, 5);
    watch.now_ms += 1_000;
    watch.says(order(crew, Some(Order::GoesNot { incident: second })));
    for fire in [first, second] {
        assert!(!sent_to(&watch, fire).contains(&crew), "it was barred from fire {fire}");
    }
    // Who is to stay stays, though it is barred from somewhere too.
    watch.now_ms += 1_000;
    watch.says(order(crew, Some(Order::Stays)));
    watch.says(order(crew, Some(Order::GoesNot { incident: first })));
    let third = watch.fire(1, 1);
    assert!(!sent_to(&watch, third).contains(&crew), "it was to stay");
    watch.now_ms += 1_000;
    watch.says(order(crew, None));
    [first, second, third].into_iter().for_each(|fire| {
        watch.close(fire);
    });
    watch.now_ms += 1_000;
    let fourth = watch.fire(1, 0);
    assert_eq!(sent_to(&watch, fourth), [crew], "what was ordered was taken back");
}

#[test]
fn who_is_kept_is_kept_though_it_is_barred_from_elsewhere() {
    let mut watch = Watch::auto();
    let first = watch.raised(Raised { level: 2, ..raised("panel", "fire", 1, 0) });
    let elsewhere = watch.raised(raised("other", "landslide", 5, 0));
    watch.says(Says::Level { incident: first, level: 1, by: Some(duty()) });
    let recommended = watch.state.members.iter().find_map(|(id, of)| Some((*id, of.offer?)));
    let (crew, offer) = recommended.unwrap();
    assert_eq!(offer.to, Move::Release { from: first });
    watch.says(Says::Decided { change: offer.change, accept: false, by: duty() });
    watch.says(order(crew, Some(Order::GoesNot { incident: elsewhere })));
    // A fire beside it: somebody else goes there, or it is told that nobody does.
    watch.fresh();
    let second = watch.raised(raised("third", "fire", 1, 1));
    let nobody =
        watch.of_incidents().iter().any(|(id, what)| *id == second && matches!(what, IncidentTold::Missing { .. }));
    assert_eq!(watch.claim(crew), Some(first));
    assert!(nobody || !sent_to(&watch, second).is_empty(), "nobody goes, and nothing says so");
}

#[test]
fn who_arrives_before_it_has_heard_that_it_was_turned_around_is_where_it_is() {
    // It says where it is: there it is, and the other fire gets somebody else.
    let (mut watch, first, crew) = turned_around();
    watch.says(does(crew, Status::OnScene, Some(first)));
    assert_eq!(watch.claim(crew), Some(first));
    assert!(watch.state.incidents[&first].timeline.joins_ms.is_some());
    // It does not say where: nobody believes that help is at the other.
    let (mut watch, first, crew) = turned_around();
    let second = watch.claim(crew).unwrap();
    watch.says(does(crew, Status::OnScene, None));
    assert_eq!(watch.refusals(), ["E0491"]);
    for fire in [first, second] {
        assert!(watch.state.incidents[&fire].timeline.joins_ms.is_none());
    }
    assert_eq!(watch.claim(crew), Some(second), "it is waited for");
}

#[test]
fn who_was_called_back_and_sent_again_without_hearing_of_it_may_be_at_the_first() {
    let mut watch = Watch::auto();
    let first = watch.fire(1, 0);
    let [crew] = sent_to(&watch, first)[..] else { panic!("one is sent") };
    watch.says(does(crew, Status::Rolling, Some(first)));
    watch.says(order(crew, Some(Order::GoesNot { incident: first })));
    assert_eq!(watch.claim(crew), None);
    watch.now_ms += 1_000;
    let second = watch.fire(5, 5);
    watch.says(order(crew, Some(Order::Goes { incident: second })));
    watch.fresh();
    watch.now_ms += 5_000;
    watch.says(does(crew, Status::OnScene, None));
    assert_eq!(watch.refusals(), ["E0491"]);
    assert!(watch.state.incidents[&second].timeline.joins_ms.is_none(), "it may be at the first");
}

#[test]
fn who_turned_back_before_it_was_sent_elsewhere_is_waited_for() {
    let (mut watch, _, crew) = turned_around();
    let second = watch.claim(crew);
    watch.said_at(watch.now_ms - 20_000, does(crew, Status::Returning, None));
    assert_eq!((watch.refusals(), watch.claim(crew)), (vec!["E0491".to_owned()], second));
}

#[test]
fn who_is_ordered_away_and_comes_all_the_same_is_there_and_that_is_told() {
    let mut watch = Watch::auto();
    let fire = watch.fire(1, 0);
    let [crew] = sent_to(&watch, fire)[..] else { panic!("one is sent") };
    watch.says(does(crew, Status::Rolling, Some(fire)));
    watch.says(order(crew, Some(Order::GoesNot { incident: fire })));
    watch.now_ms += 5_000;
    watch.fresh();
    watch.says(does(crew, Status::OnScene, Some(fire)));
    assert!(watch.fresh().iter().any(|tells| matches!(tells, Tells::Unkept { responder, .. } if *responder == crew)));
    assert_eq!(watch.claim(crew), Some(fire));
}

#[test]
fn who_is_idle_all_the_time_has_read_nothing() {
    let mut watch = Watch::auto();
    let fire = watch.fire(1, 0);
    let [crew] = sent_to(&watch, fire)[..] else { panic!("one is sent") };
    watch.close(fire);
    watch.fresh();
    watch.now_ms += 5_000;
    watch.status(crew, Status::Available);
    watch.wait_s(300);
    let stops = watch.messages().into_iter().filter(|message| matches!(message.about, About::Stop { .. }));
    assert!(stops.count() > 3, "it is told until it says that it knows");
}

#[test]
fn who_has_accepted_and_stands_down_is_not_waited_for() {
    let mut watch = Watch::auto();
    let fire = watch.fire(1, 0);
    let [crew] = sent_to(&watch, fire)[..] else { panic!("one is sent") };
    let go = notice(&mut watch, |to, about| to == Recipient::Responder(crew) && matches!(about, About::Go { .. }));
    watch.now_ms += 10_000;
    watch.answers(go, Answer::Accepted);
    // What it said before it accepted, heard only now, takes nothing back.
    watch.said_at(watch.now_ms - 5_000, does(crew, Status::Available, None));
    assert_eq!(watch.claim(crew), Some(fire));
    watch.now_ms += 10_000;
    watch.status(crew, Status::Available);
    assert_eq!(watch.claim(crew), None);
    assert!(!sent_to(&watch, fire).is_empty(), "another goes");
}

#[test]
fn words_of_people_that_come_again_or_late_change_nothing() {
    let mut watch = Watch::auto();
    let mode = |mode| Says::Mode { district: 1, mode, by: duty() };
    let level = |level| Says::Level { incident: 1, level, by: Some(duty()) };
    let joined = |consents| Says::Joined(Responder { consents, ..Responder::crew(5, 5, FIRE) });
    let fire = watch.fire(1, 0);
    let at_ms = watch.now_ms;
    watch.now_ms += 60_000;
    watch.fresh();
    watch.said_at(at_ms + 2, mode(Mode::Recommend));
    assert_eq!(watch.said_at(at_ms + 1, mode(Mode::Auto)), Verdict::Late);
    assert_eq!(watch.state.mode(1), Mode::Recommend);
    watch.said_at(at_ms + 1, level(2));
    watch.said_at(at_ms + 2, Says::Level { incident: fire, level: 4, by: None });
    assert_eq!(watch.said_at(at_ms + 1, level(2)), Verdict::Duplicate);
    assert_eq!(watch.said_at(at_ms, level(1)), Verdict::Late);
    assert_eq!(watch.state.incidents[&fire].level, 4);
    watch.said_at(at_ms + 2, order(5, None));
    assert_eq!(watch.said_at(at_ms + 1, order(5, Some(Order::Stays))), Verdict::Late);
    assert_eq!(watch.state.members[&5].ordered, None);
    watch.said_at(at_ms + 2, joined(false));
    assert_eq!(watch.said_at(at_ms + 1, joined(true)), Verdict::Late);
    assert!(!watch.state.members[&5].is.consents);
    // Who has left does not come back by a word from before.
    watch.said_at(at_ms + 3, Says::Left { responder: 5, by: duty() });
    assert_eq!(watch.said_at(at_ms + 2, joined(true)), Verdict::Late);
    assert!(!watch.state.members.contains_key(&5));
    assert_eq!(watch.refusals(), ["E0490"; 5], "each is told");
    watch.said_at(at_ms + 4, joined(true));
    assert!(watch.state.members.contains_key(&5));
}

#[test]
fn who_comes_because_of_a_lower_level_can_still_say_so() {
    let mut watch = Watch::auto();
    let fire = watch.fire(1, 0);
    let brigade = notice(&mut watch, |to, about| to == Recipient::Brigade && matches!(about, About::Opened { .. }));
    watch.answers(brigade, Answer::Accepted);
    for nth in 0..100 {
        watch.now_ms += 1_000;
        watch.says(Says::Level { incident: fire, level: 2 - nth % 2, by: Some(duty()) });
    }
    let mut told = watch.messages().into_iter().filter(|message| message.meant_for == Recipient::Brigade);
    let last = told.next_back().unwrap().notice;
    assert!(last > brigade);
    // So many are not remembered, but the last are.
    watch.fresh();
    watch.answers(NoticeId(last.0 - 2), Answer::Arrived);
    let reached = IncidentTold::Reached { stage: Stage::Brigade, after_ms: 100_000 };
    assert!(watch.of_incidents().contains(&(fire, reached)));
}

#[test]
fn each_rung_that_refuses_is_heard_and_one_refusal_is_one() {
    let mut watch = Watch::auto();
    watch.says(Says::Raised(Raised { place: None, ..raised("call", "fire", 0, 0) }));
    let opened = notice(&mut watch, |to, _| to == Recipient::HeadStation);
    let at_ms = watch.now_ms;
    let rung = |watch: &mut Watch| {
        let told = watch.messages().into_iter().filter(|message| message.notice == opened);
        told.map(|message| (message.to, message.channel)).collect::<std::collections::BTreeSet<_>>()
    };
    watch.now_ms += 50_000;
    let refused =
        |watch: &mut Watch, at_ms| watch.said_at(at_ms, Says::Answer { notice: opened, answer: Answer::Refused });
    refused(&mut watch, at_ms + 1);
    watch.wait_s(20);
    // The district is told at once, and for as long as anybody on its first channel.
    assert_eq!(rung(&mut watch), [(Recipient::District(1), "app".to_owned())].into());
    assert_eq!(refused(&mut watch, at_ms + 1), Verdict::Duplicate, "it comes again");
    watch.wait_s(20);
    assert_eq!(rung(&mut watch), [(Recipient::District(1), "app".to_owned())].into());
    assert_eq!(refused(&mut watch, at_ms + 2), Verdict::Applied, "so does the district");
    watch.wait_s(20);
    assert_eq!(rung(&mut watch), [(Recipient::Centre, "app".to_owned())].into());
    // Nobody is behind the centre: it is told until it has read it, also if it has refused.
    refused(&mut watch, at_ms + 3);
    watch.wait_s(60);
    assert!(!rung(&mut watch).is_empty());
    watch.answers(opened, Answer::Read);
    watch.wait_s(120);
    assert!(rung(&mut watch).is_empty());
}

#[test]
fn a_place_off_the_roads_is_taken_and_told() {
    let mut watch = Watch::auto();
    let fire = watch.raised(Raised { place: None, ..raised("call", "fire", 0, 0) });
    watch.fresh();
    let far = watchfire_operators::geo::Position::from_degrees(30.60, 104.20).unwrap();
    watch.now_ms += 1_000;
    watch.says(Says::Raised(Raised { place: Some(far), ..raised("call", "fire", 0, 0) }));
    assert_eq!((watch.state.incidents[&fire].place, watch.refusals()), (Some(far), vec!["E0499".to_owned()]));
    // Whoever else calls from there means the same.
    watch.says(Says::Raised(Raised { place: Some(far), ..raised("another", "fire", 0, 0) }));
    assert_eq!(watch.state.incidents.len(), 1);
}

#[test]
fn nobody_is_complete_while_a_slot_is_empty() {
    let mut watch = Watch::over(config());
    watch.says(Says::Joined(Responder::crew(1, 1, FIRE)));
    watch.says(Says::Mode { district: 1, mode: Mode::Auto, by: duty() });
    let lift = Skills(1 << 7);
    let fire = watch.raised(Raised { asks: lift, ..raised("panel", "fire", 1, 0) });
    watch.now_ms += 60_000;
    watch.says(does(1, Status::OnScene, Some(fire)));
    assert!(watch.state.incidents[&fire].timeline.full_ms.is_none(), "nobody has come who opens lifts");
    watch.says(Says::Joined(Responder::crew(2, 2, lift)));
    watch.now_ms += 60_000;
    watch.says(does(2, Status::OnScene, Some(fire)));
    assert!(watch.state.incidents[&fire].timeline.full_ms.is_some());
}

#[test]
fn what_is_unknown_is_not_made_light_of_by_what_is_known() {
    let mut watch = Watch::auto();
    let fire = watch.raised(Raised { severity: Severity::Unknown, ..raised("panel", "fire", 1, 0) });
    watch.says(Says::Raised(Raised { severity: Severity::Caution, ..raised("other", "fire", 1, 0) }));
    assert_eq!(watch.state.incidents[&fire].severity, Severity::Unknown);
    watch.says(Says::Raised(Raised { severity: Severity::Alarm, ..raised("third", "fire", 1, 0) }));
    assert_eq!(watch.state.incidents[&fire].severity, Severity::Alarm);
}

#[test]
fn what_is_over_twice_is_not_opened_by_an_echo_of_the_first() {
    let mut watch = Watch::auto();
    let at_ms = watch.now_ms;
    for (said_ms, nth) in [(at_ms, 1), (at_ms + 400_000, 2)] {
        watch.now_ms = said_ms;
        assert_eq!(watch.fire(1, 0), nth);
        watch.close(nth);
    }
    let echo = Says::Raised(raised("panel 1,0", "fire", 1, 0));
    assert_eq!(watch.said_at(at_ms, echo), Verdict::Duplicate);
    assert!(watch.state.incidents.is_empty());
}
