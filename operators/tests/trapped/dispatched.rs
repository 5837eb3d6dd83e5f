//! From cars to those who dispatch: two lifts of one building are two incidents, each with a crew that may open it.

use watchfire_operators::dispatch::{
    Desk, DeskState, Dispatch, DispatchConfig, Mode, Report, Responder, Says, Skills, Station,
};
use watchfire_operators::elevator::reports_to;
use watchfire_operators::geo::Position;
use watchfire_operators::road::Network;

use super::*;

const OTIS: Skills = Skills(2);
const KONE: Skills = Skills(4);

/// Two corners a minute apart, with a mechanic of each licence at the first, and a house with two lifts at the second.
fn desk() -> Desk {
    let corner = |number: i32| Position::from_degrees(30.0, 104.0 + 0.01 * f64::from(number)).unwrap();
    let mut map = Network::builder();
    map.node("a", corner(0), true);
    map.node("b", corner(1), true);
    map.arc("a-b", "a", "b", 60_000.0);
    map.arc("b-a", "b", "a", 60_000.0);
    let stations = [(1, Station { place: corner(0), district: 1 })].into();
    Desk::new(DispatchConfig { stations, ..DispatchConfig::default() }, Arc::new(map.build().unwrap())).unwrap()
}

#[test]
fn two_lifts_of_one_building_are_two_incidents_until_each_is_closed() {
    let place = Position::from_degrees(30.0, 104.01).ok();
    let of = |licence| Lift { building: Some(7), senses_people: true, licence, place, district: 1, ..Lift::default() };
    let book = LiftBook::new([(1, of(OTIS)), (2, of(KONE))]);
    let mut rows = ride(1, 90 * S, |_| stands(false, Doors::Closed));
    rows.extend(ride(2, 90 * S, |_| stands(false, Doors::Closed)));
    rows.sort_by_key(|row| (row.at_ms, row.lift));
    let mut running = job(book.clone()).start().unwrap();
    let sender = running.sender::<LiftRow>("lifts").unwrap();
    rows.chunks(50).for_each(|rows| sender.send(rows.to_vec()).unwrap());
    drop(sender);
    let told = taken(&mut running);
    let reports: Vec<Report> = told.iter().filter_map(|told| reports_to(1, &book, told)).collect();
    assert_eq!(reports.len(), 2, "{told:?}");

    let (desk, mut state, mut says) = (desk(), DeskState::default(), Vec::<Dispatch>::new());
    let mut hears = |state: &mut DeskState, at_ms: i64, what: Says| {
        desk.report(state, &Report { theatre: 1, at_ms, says: what }, at_ms, &mut says)
    };
    for (number, skills) in [(1, OTIS), (2, KONE)] {
        hears(&mut state, 0, Says::Joined(Responder::crew(number, 1, skills)));
    }
    let by = Person::named("duty officer 7", "the street decides by itself");
    hears(&mut state, 0, Says::Mode { district: 1, mode: Mode::Auto, by: by.clone() });
    for report in reports {
        hears(&mut state, report.at_ms, report.says);
    }
    let lifts: Vec<_> = state.incidents.values().map(|of| (of.asset.clone(), of.asks)).collect();
    assert_eq!(lifts, [(Some("lift/1".to_owned()), OTIS), (Some("lift/2".to_owned()), KONE)]);
    let goes_to = |state: &DeskState, number: u64| {
        let incident = state.members[&number].claim.map(|claim| claim.incident);
        incident.and_then(|incident| state.incidents.get(&incident)).and_then(|of| of.asset.clone())
    };
    assert_eq!([1, 2].map(|number| goes_to(&state, number)), ["lift/1", "lift/2"].map(|of| Some(of.to_owned())));
    // Who is out of the one does not end what is known of the other.
    let first = state.incidents.keys().copied().min().unwrap();
    hears(&mut state, 100 * S, Says::Closed { incident: first, false_alarm: false, by });
    assert_eq!(state.incidents.values().map(|of| of.asset.as_deref()).collect::<Vec<_>>(), [Some("lift/2")]);
    assert_eq!(goes_to(&state, 2).as_deref(), Some("lift/2"));
}

/// Nobody knows where it stands: people are asked at once.
#[test]
fn a_lift_without_a_location_is_an_incident_and_people_are_asked() {
    let book = LiftBook::default();
    let told = told(ride(5, 90 * S, |_| stands(false, Doors::Closed)));
    let reports: Vec<Report> = told.iter().filter_map(|told| reports_to(1, &book, told)).collect();
    let [Report { at_ms, says: Says::Raised(raised), .. }] = &reports[..] else { panic!("{told:?}") };
    assert_eq!((raised.place, raised.asset.as_deref()), (None, Some("lift/5")));
    let (desk, mut state, mut says) = (desk(), DeskState::default(), Vec::<Dispatch>::new());
    desk.report(&mut state, &reports[0], *at_ms, &mut says);
    assert_eq!(state.incidents.values().map(|of| of.asset.as_deref()).collect::<Vec<_>>(), [Some("lift/5")]);
    let asked = says.iter().filter(|told| matches!(told.tells, watchfire_operators::dispatch::Tells::Message(_)));
    assert!(asked.count() > 0, "{says:?}");
}
