//! What is said and what is told cross each other, and people change their minds.

use watchfire_engine::Verdict;
use watchfire_operators::dispatch::{
    About, Answer, Move, NoticeId, Order, Raised, Recipient, Responder, Says, Stage, Status,
};

use super::support::{FIRE, LIFT, Watch, duty, raised};

fn notice(watch: &Watch, responder: u64) -> NoticeId {
    let told = watch.told.iter().rev().find_map(|told| match &told.tells {
        watchfire_operators::dispatch::Tells::Message(message)
            if message.meant_for == Recipient::Responder(responder) =>
        {
            Some(message.notice)
        }
        _ => None,
    });
    told.unwrap()
}

fn order(responder: u64, order: Option<Order>) -> Says {
    Says::Order { responder, order, by: duty() }
}

#[test]
fn what_a_responder_says_before_it_has_heard_changes_nothing() {
    let mut watch = Watch::auto();
    watch.status(5, Status::Returning);
    let fire = watch.fire(2, 3);
    for status in [Status::Returning, Status::Available] {
        watch.wait_s(1);
        watch.status(5, status);
        assert_eq!(watch.claim(5), Some(fire));
    }
    // Called back, it goes on saying that it rolls until it has heard.
    watch.status(5, Status::Rolling);
    watch.wait_s(1);
    watch.says(order(5, Some(Order::Stays)));
    watch.wait_s(1);
    watch.says(Says::Status { responder: 5, status: Status::Rolling, incident: Some(fire) });
    assert_eq!(watch.claim(5), None);
    watch.fresh();
    watch.wait_s(60);
    assert!(watch.messages().iter().any(|message| matches!(message.about, About::Stop { .. })), "it is told again");
    watch.status(5, Status::Returning);
    watch.fresh();
    watch.wait_s(120);
    assert!(!watch.messages().iter().any(|message| message.meant_for == Recipient::Responder(5)), "now it knows");
    // A word for what is over does not take it from what it is sent to.
    watch.says(order(5, None));
    watch.wait_s(1);
    watch.close(fire);
    let next = watch.fire(2, 2);
    assert_eq!(watch.claim(5), Some(next));
    watch.says(Says::Status { responder: 5, status: Status::Rolling, incident: Some(fire) });
    assert_eq!(watch.claim(5), Some(next));
}

#[test]
fn who_rolls_need_not_be_told_to_go() {
    let mut watch = Watch::auto();
    watch.fire(2, 3);
    watch.status(5, Status::Rolling);
    watch.fresh();
    watch.wait_s(300);
    assert!(!watch.messages().iter().any(|message| message.meant_for == Recipient::Responder(5)));
}

#[test]
fn who_is_turned_around_does_not_act_before_it_has_heard() {
    let mut watch = Watch::auto();
    let far = watch.fire(5, 4);
    assert_eq!(watch.claim(4), Some(far));
    watch.status(4, Status::Rolling);
    watch.says(order(4, Some(Order::Goes { incident: far })));
    let near = watch.fire(2, 3);
    watch.says(order(4, Some(Order::Goes { incident: near })));
    assert_eq!(watch.claim(4), Some(near));
    let acts = |watch: &Watch| watch.state.incidents[&near].timeline.reached_ms(Stage::Acts);
    assert_eq!(acts(&watch), None);
    watch.answers(notice(&watch, 4), Answer::Accepted);
    assert!(acts(&watch).is_some());
}

#[test]
fn who_is_kept_by_people_is_not_counted_on_elsewhere() {
    let mut watch = Watch::auto();
    watch.says(Says::Status { responder: 5, status: Status::OutOfService, incident: None });
    let fire = watch.fire(2, 3);
    let sent = (1..=4).find(|id| watch.claim(*id) == Some(fire)).unwrap();
    watch.status(sent, Status::Rolling);
    watch.says(Says::Status { responder: 5, status: Status::Available, incident: None });
    let change = watch.state.members[&sent].offer.unwrap().change;
    watch.says(Says::Decided { change, accept: false, by: duty() });
    // Another fire at its station: somebody else goes there.
    let place = watch.desk.config().stations[&(sent as u32)].place;
    let other = watch.raised(Raised { place: Some(place), ..raised("next door", "fire", 0, 0) });
    assert_eq!(watch.claim(sent), Some(fire));
    assert!((1..=5).any(|id| watch.claim(id) == Some(other)), "{:?}", watch.changes());
    // And who is nearer to the first stays with it: people wanted both.
    assert_eq!(watch.claim(5), Some(fire));
}

#[test]
fn somebody_has_to_decide_until_it_is_decided() {
    let mut watch = Watch::recommending();
    let fire = watch.fire(2, 3);
    let decide = |watch: &mut Watch| {
        let asks: Vec<_> = watch.messages().into_iter().filter(|message| message.about == About::Decide).collect();
        asks.first().map(|message| (message.notice, message.meant_for, message.incident))
    };
    let (first, to, of) = decide(&mut watch).unwrap();
    assert_eq!((to, of), (Recipient::District(1), Some(fire)));
    watch.answers(first, Answer::Read);
    watch.wait_s(300);
    assert_eq!(decide(&mut watch), None);
    // Something else is recommended.
    watch.says(Says::Status { responder: 5, status: Status::OutOfService, incident: None });
    assert_ne!(decide(&mut watch).unwrap().0, first);
    watch.accept_all();
    watch.fresh();
    watch.wait_s(300);
    assert_eq!(decide(&mut watch), None);
}

#[test]
fn who_refuses_to_help_is_not_waited_for() {
    let mut watch = Watch::over(super::support::config());
    watch.raised(Raised { level: 2, ..raised("panel", "fire", 2, 3) });
    let aid = |watch: &mut Watch| {
        watch
            .messages()
            .into_iter()
            .rfind(|message| message.about == About::Aid)
            .map(|message| (message.notice, message.to))
    };
    let (asked, to) = aid(&mut watch).unwrap();
    assert_eq!(to, Recipient::Neighbours);
    watch.answers(asked, Answer::Refused);
    watch.wait_s(1);
    assert_eq!(aid(&mut watch), Some((asked, Recipient::Centre)));
    watch.answers(asked, Answer::Read);
    // When more is missing, help is asked for anew.
    watch.says(Says::Level { incident: 1, level: 3, by: None });
    assert_ne!(aid(&mut watch).unwrap().0, asked);
}

#[test]
fn a_fire_that_asks_for_what_nobody_can_do_gets_who_can_do_the_rest() {
    let mut watch = Watch::auto();
    let fire = watch.fire(2, 3);
    watch.raised(Raised { asks: LIFT, ..raised("lift 31", "fire", 2, 3) });
    assert_eq!(watch.claim(5), Some(fire));
    assert!(watch.state.members[&5].offer.is_none(), "nobody is called back");
    assert!(watch.state.incidents[&fire].missing.contains(&1));
    // With one who can do both it is one crew.
    let mut watch = Watch::auto();
    watch.says(Says::Joined(Responder::crew(6, 1, watchfire_operators::dispatch::Skills(FIRE.0 | LIFT.0))));
    let fire = watch.raised(Raised { asks: LIFT, ..raised("lift 31", "fire", 2, 3) });
    assert_eq!((watch.claim(6), watch.claim(5)), (Some(fire), None));
}

#[test]
fn a_clock_that_was_set_back_silences_no_alarm() {
    let mut watch = Watch::auto();
    let panel = |drill| Says::Raised(Raised { drill, ..raised("panel", "fire", 2, 3) });
    watch.says(panel(false));
    watch.close(1);
    assert_eq!(watch.says(panel(false)), Verdict::Duplicate);
    assert_eq!(watch.said_at(5, panel(false)), Verdict::Applied, "its clock was set back");
    watch.close(2);
    assert_eq!(watch.says(panel(true)), Verdict::Applied, "and an exercise is another thing");
    watch.close(3);
    assert!(watch.state.incidents.is_empty());
}

#[test]
fn an_order_given_again_is_carried_out_again() {
    let mut watch = Watch::auto();
    let fire = watch.fire(2, 3);
    let goes = order(1, Some(Order::Goes { incident: fire }));
    watch.says(goes.clone());
    watch.answers(notice(&watch, 1), Answer::Refused);
    assert_eq!(watch.claim(1), None);
    assert_eq!(watch.says(goes), Verdict::Applied);
    assert_eq!(watch.claim(1), Some(fire));
    let planned = watch.desk.planned(&mut watch.state, watch.now_ms);
    assert!(planned.crews[&1].eta_ms.contains_key(&fire), "it is counted on, though it refused before");
    assert!(planned.plan.unkept.is_empty());
}

#[test]
fn what_is_recommended_for_an_exercise_stands() {
    let mut watch = Watch::recommending();
    let drill = watch.raised(Raised { drill: true, ..raised("exercise", "fire", 4, 4) });
    watch.fire(0, 0);
    let offered = |watch: &Watch| watch.state.members.values().filter_map(|member| member.offer).collect::<Vec<_>>();
    let before = offered(&watch);
    assert!(before.iter().any(|offer| offer.to == Move::Assign { incident: drill }));
    watch.changes();
    watch.wait_s(120);
    assert_eq!((offered(&watch), watch.changes()), (before, vec![]));
}
