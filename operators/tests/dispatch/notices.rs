//! People are told until they know.

use watchfire_engine::Verdict;
use watchfire_operators::dispatch::{About, Answer, NoticeId, Recipient, Says, Status, Tells};

use super::support::{Watch, duty};

/// The notice to a responder, and the times it went out.
fn to(watch: &mut Watch, responder: u64) -> (NoticeId, usize) {
    let messages = watch.messages();
    let to = messages.iter().filter(|message| message.meant_for == Recipient::Responder(responder));
    let ids: Vec<NoticeId> = to.map(|message| message.notice).collect();
    (*ids.first().unwrap(), ids.len())
}

#[test]
fn what_nobody_acknowledges_climbs_to_the_centre() {
    let mut watch = Watch::auto();
    watch.fire(2, 3);
    watch.wait_s(13 * 60);
    let messages = watch.messages();
    let crew: Vec<_> = messages.iter().filter(|message| message.meant_for == Recipient::Responder(5)).collect();
    let steps: Vec<(Recipient, &str)> = crew.iter().map(|message| (message.to, &message.channel[..])).collect();
    let rungs = [Recipient::Responder(5), Recipient::Station(5), Recipient::District(1), Recipient::Centre];
    let all = rungs.iter().flat_map(|rung| ["app", "sms", "voice"].map(|channel| [(*rung, channel); 3])).flatten();
    assert!(steps.iter().copied().take(36).eq(all), "{steps:?}");
    assert!(steps[36..].iter().all(|(to, _)| *to == Recipient::Centre) && steps.len() > 36, "and goes on there");
    assert!(crew.iter().all(|message| message.notice == crew[0].notice), "it is one notice all the time");
    assert!(crew.iter().zip(1..).all(|(message, time)| message.time == time));
    for to in [Recipient::HeadStation, Recipient::Brigade] {
        assert!(messages.iter().any(|message| message.meant_for == to && message.to == Recipient::Centre), "{to:?}");
    }
}

#[test]
fn delivered_is_not_read() {
    let mut watch = Watch::auto();
    watch.fire(2, 3);
    let (notice, _) = to(&mut watch, 5);
    assert_eq!(watch.answers(notice, Answer::Delivered), Verdict::Applied);
    assert_eq!(watch.answers(notice, Answer::Delivered), Verdict::Duplicate);
    watch.wait_s(30);
    assert_eq!(to(&mut watch, 5), (notice, 1));
    watch.answers(notice, Answer::Read);
    watch.wait_s(120);
    assert!(!watch.messages().iter().any(|message| message.notice == notice));
    // Accepted and arrived are told by themselves.
    watch.fresh();
    watch.answers(notice, Answer::Accepted);
    watch.answers(notice, Answer::Arrived);
    let answers = watch
        .fresh()
        .into_iter()
        .filter(|tells| matches!(tells, Tells::Answered { meant_for: Recipient::Responder(5), .. }));
    assert_eq!(answers.count(), 2);
    assert_eq!(watch.state.members[&5].status, Status::OnScene);
}

#[test]
fn who_refuses_is_not_asked_again() {
    let mut watch = Watch::auto();
    let fire = watch.fire(2, 3);
    let (notice, _) = to(&mut watch, 5);
    watch.answers(notice, Answer::Refused);
    assert_eq!(watch.claim(5), None);
    let next = (1..=4).find(|id| watch.claim(*id) == Some(fire));
    assert!(next.is_some(), "the next is asked");
    watch.wait_s(300);
    assert_eq!(watch.claim(5), None);
    // An answer to what is over.
    watch.fresh();
    watch.answers(notice, Answer::Accepted);
    assert_eq!(watch.refusals(), ["E0495"]);
    // People may take it back.
    watch.says(Says::Order { responder: 5, order: None, by: duty() });
    assert_eq!(watch.claim(5), Some(fire));
}

#[test]
fn where_people_decide_somebody_has_to_look() {
    let mut watch = Watch::recommending();
    let fire = watch.fire(2, 3);
    let messages = watch.messages();
    assert!(messages.iter().any(|message| message.meant_for == Recipient::District(1)));
    // A level later they are told anew, and only of what is so.
    watch.says(Says::Level { incident: fire, level: 2, by: None });
    let messages = watch.messages();
    assert!(messages.iter().any(|message| message.about == About::Opened { level: 2 }));
    watch.wait_s(60);
    assert!(!watch.messages().iter().any(|message| message.about == About::Opened { level: 1 }));
    watch.close(fire);
    watch.fresh();
    watch.wait_s(600);
    assert!(watch.messages().is_empty(), "nothing is repeated of what is over");
}

#[test]
fn numbers_are_given_once() {
    let mut watch = Watch::auto();
    watch.fire(2, 3);
    watch.fire(5, 4);
    watch.wait_s(300);
    assert!(watch.told.iter().zip(1..).all(|(told, number)| told.number == number));
    let mut ids: Vec<String> = watch.told.iter().map(watchfire_operators::dispatch::Dispatch::id).collect();
    ids.dedup();
    assert_eq!(ids.len(), watch.told.len());
}
