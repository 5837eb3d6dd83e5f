//! Water and supplies, all changing.

use watchfire_engine::Verdict;
use watchfire_operators::alarm::Severity;
use watchfire_operators::dispatch::{
    About, DispatchConfig, IncidentTold, Raised, Recipient, Says, Station, SupplyFrom, WaterFrom, WaterSource,
};
use watchfire_operators::geo::Position;
use watchfire_operators::road::RoadState;

use super::support::{Watch, config, corner, duty, raised};

/// About 55 m north of a corner for each step.
fn near(x: u32, y: u32, steps: u32) -> Position {
    let at = corner(x, y);
    Position::from_degrees(at.lat_deg() + f64::from(steps) * 0.000_5, at.lon_deg()).unwrap()
}

fn hydrant(source: u64, place: Position, flow_lps: u32) -> Says {
    Says::Water { source, is: WaterSource { place, flow_lps } }
}

/// Two foam cans for a fire, four for one of level 2; kept at depots 1 in the middle, where station 5 is, and 2 in a corner of the city.
pub fn with_depots() -> DispatchConfig {
    let mut config = config();
    config.depots.insert(1, Station { place: corner(2, 2), district: 2 });
    config.depots.insert(2, Station { place: corner(5, 2), district: 1 });
    let fire = config.demand.causes.get_mut("fire").unwrap();
    for (level, count) in [(0, 2), (1, 4)] {
        fire.levels[level].supplies.insert("foam can".to_owned(), count);
    }
    config
}

pub fn stock(depot: u32, count: u32) -> Says {
    Says::Stock { depot, item: "foam can".to_owned(), count }
}

pub fn handed(incident: u64, depot: u32, count: u32) -> Says {
    Says::Handed { incident, depot, item: "foam can".to_owned(), count }
}

/// An incident, who gives how much to it, and what is lacking.
type Given<I> = (u64, Vec<(I, u32)>, u32);

/// What was told of water since last asked.
fn water(watch: &mut Watch) -> Vec<Given<u64>> {
    let told = watch.of_incidents().into_iter();
    told.filter_map(|(incident, what)| match what {
        IncidentTold::Water { from, lacks_lps } => {
            let from = from.iter().map(|WaterFrom { source, flow_lps, .. }| (*source, *flow_lps));
            Some((incident, from.collect(), lacks_lps))
        }
        _ => None,
    })
    .collect()
}

/// What was told of supplies since last asked.
fn supplies(watch: &mut Watch) -> Vec<Given<u32>> {
    let told = watch.of_incidents().into_iter();
    told.filter_map(|(incident, what)| match what {
        IncidentTold::Supplies { item, from, lacks } => {
            assert_eq!(item, "foam can");
            Some((incident, from.iter().map(|SupplyFrom { depot, count, .. }| (*depot, *count)).collect(), lacks))
        }
        _ => None,
    })
    .collect()
}

#[test]
fn a_fire_takes_water_from_the_nearest_and_what_is_laid_stays() {
    let mut watch = Watch::auto();
    let fire = watch.fire(2, 3);
    assert_eq!(water(&mut watch), [], "nobody has told of any water");
    watch.says(hydrant(7, near(2, 3, 2), 15));
    assert_eq!(water(&mut watch), [(fire, vec![(7, 15)], 0)]);
    watch.says(hydrant(8, near(2, 3, 1), 15));
    watch.says(hydrant(9, near(2, 3, 3), 15));
    assert_eq!(water(&mut watch), [], "a nearer one is no reason to lay it anew, and one at 165 m is too far");
    // It gives less; a level more asks for more than there is.
    watch.wait_s(1);
    watch.says(hydrant(7, near(2, 3, 2), 10));
    assert_eq!(water(&mut watch), [(fire, vec![(8, 5), (7, 10)], 0)]);
    watch.says(Says::Level { incident: fire, level: 2, by: None });
    assert_eq!(water(&mut watch), [(fire, vec![(8, 15), (7, 10)], 5)]);
    watch.says(hydrant(8, near(2, 3, 1), 0));
    let told = watch.messages();
    assert!(told.iter().any(|of| of.about == About::Lacks && of.to == Recipient::HeadStation), "{told:?}");
    watch.wait_s(25);
    assert!(watch.messages().iter().any(|of| of.about == About::Lacks), "until somebody knows");
    assert_eq!(watch.state.incidents[&fire].lacks_lps, 20);
    watch.says(hydrant(8, near(2, 3, 1), 20));
    watch.fresh();
    watch.wait_s(60);
    assert!(watch.messages().iter().all(|of| of.about != About::Lacks), "nothing is lacking any more");
    // What was told before, and again.
    assert_eq!(watch.said_at(watch.now_ms - 61_000, hydrant(8, near(2, 3, 1), 0)), Verdict::Late);
    assert_eq!(watch.says(hydrant(8, near(2, 3, 1), 20)), Verdict::Duplicate);
}

#[test]
fn the_graver_fire_has_the_water_and_an_exercise_takes_none() {
    let mut watch = Watch::auto();
    watch.says(hydrant(7, near(2, 3, 1), 15));
    let drill = watch.raised(Raised { drill: true, ..raised("exercise", "fire", 2, 3) });
    assert_eq!(water(&mut watch), [(drill, vec![(7, 15)], 0)]);
    let place = Some(near(2, 3, 2));
    let fire = watch.raised(Raised { place, severity: Severity::Caution, ..raised("panel", "fire", 2, 3) });
    assert_eq!(water(&mut watch), [(fire, vec![(7, 15)], 0), (drill, vec![], 15)]);
    // Hoses that are laid stay where they are, whatever else burns.
    let place = Some(near(2, 3, 3));
    let graver = watch.raised(Raised { place, severity: Severity::Critical, ..raised("other", "fire", 2, 3) });
    assert_ne!(graver, fire);
    assert_eq!(water(&mut watch), [(graver, vec![], 15)]);
    let place = Some(near(2, 3, 4));
    let slight = watch.raised(Raised { place, severity: Severity::Caution, ..raised("third", "fire", 2, 3) });
    assert_eq!(water(&mut watch), [(slight, vec![], 15)]);
    watch.close(fire);
    assert_eq!(water(&mut watch), [(graver, vec![(7, 15)], 0)], "the graver has what becomes free");
}

#[test]
fn depots_set_aside_what_is_needed_and_bring_it() {
    let mut watch = Watch::over(with_depots());
    watch.says(stock(1, 3));
    watch.says(stock(2, 10));
    let fire = watch.fire(2, 3);
    assert_eq!(supplies(&mut watch), [(fire, vec![(1, 2)], 0)]);
    // Of three that the nearest has, two are set aside.
    let other = watch.fire(2, 1);
    watch.now_ms += 1;
    let told = watch.fresh();
    let text = format!("{told:?}");
    assert!(text.contains("to: Depot(1)") && text.contains("to: Depot(2)"), "{text}");
    let set_aside = |watch: &Watch, of: u64| {
        let supply = &watch.state.incidents[&of].supplies["foam can"];
        (supply.set_aside.clone().into_iter().collect::<Vec<_>>(), supply.handed, supply.lacks)
    };
    assert_eq!(set_aside(&watch, other), (vec![(1, 1), (2, 1)], 0, 0));
    // Handed out: the depot has less, and the fire has what it needs.
    watch.says(handed(fire, 1, 2));
    assert_eq!(watch.says(handed(fire, 1, 2)), Verdict::Duplicate);
    assert_eq!(set_aside(&watch, fire), (vec![], 2, 0));
    assert_eq!(set_aside(&watch, other), (vec![(1, 1), (2, 1)], 0, 0));
    // It is worse than it looked, and the way from the other depot is closed: what is lacking is told.
    for road in ["5,2-4,2", "5,2-5,1", "5,2-5,3"] {
        watch.road(road, RoadState::Closed);
    }
    assert_eq!(set_aside(&watch, other), (vec![(1, 1)], 0, 1));
    watch.says(Says::Level { incident: fire, level: 2, by: Some(duty()) });
    assert_eq!(set_aside(&watch, fire), (vec![], 2, 2));
    watch.now_ms += 1;
    assert!(watch.messages().iter().any(|of| of.about == About::Lacks && of.incident == Some(fire)));
    watch.road("5,2-4,2", RoadState::Open);
    assert_eq!((set_aside(&watch, fire), set_aside(&watch, other).2), ((vec![(2, 2)], 2, 0), 0));
    // The depot has counted: there is nothing after all.
    watch.says(stock(2, 0));
    assert_eq!((set_aside(&watch, fire).2, set_aside(&watch, other).2), (2, 1));
    // What is over gives back what was set aside, and not what it has got.
    watch.close(fire);
    watch.says(stock(1, 1));
    assert_eq!(set_aside(&watch, other), (vec![(1, 1)], 0, 1));
}

#[test]
fn what_a_depot_cannot_mean_is_refused() {
    let mut watch = Watch::over(with_depots());
    let fire = watch.fire(2, 3);
    watch.fresh();
    watch.says(stock(9, 3));
    watch.says(handed(fire, 9, 3));
    // It has not so much, as far as is known; nor is there an incident 99.
    watch.says(handed(99, 1, 3));
    assert_eq!(watch.refusals(), ["E0493", "E0493", "E0493", "E0492"]);
    watch.says(stock(1, 5));
    assert_eq!(watch.said_at(watch.now_ms - 1, stock(1, 7)), Verdict::Late);
    assert_eq!(watch.says(stock(1, 5)), Verdict::Duplicate);
    // More than there was is handed out: somebody is to count.
    watch.now_ms += 1_000;
    watch.fresh();
    assert_eq!(watch.says(handed(fire, 1, 9)), Verdict::Applied);
    assert_eq!(watch.refusals(), ["E0493"]);
    assert_eq!(watch.state.incidents[&fire].supplies["foam can"].handed, 9);
    let mut config = with_depots();
    config.depots.insert(3, Station { place: Position::from_degrees(0.0, 0.0).unwrap(), district: 1 });
    let error = watchfire_operators::dispatch::Desk::new(config, super::support::city()).unwrap_err().to_string();
    assert!(error.contains("E0191") && error.contains("depot 3"), "{error}");
}

#[test]
fn what_is_handed_out_is_gone_in_whatever_order_it_is_told() {
    let mut watch = Watch::over(with_depots());
    let at_ms = watch.now_ms;
    let has = |watch: &mut Watch| {
        // A fire that asks for as much as there may be.
        let place = Some(near(4, 4, 0));
        let probe = watch.raised(Raised { place, level: 2, ..raised("probe", "fire", 4, 4) });
        let has = watch.state.incidents[&probe].supplies["foam can"].set_aside.values().sum::<u32>();
        watch.close(probe);
        watch.now_ms += 1;
        // What is over is remembered; the next probe is another.
        watch.wait_s(1_801);
        has
    };
    let fire = watch.fire(2, 3);
    watch.said_at(at_ms, stock(1, 4));
    // The later of two is heard first.
    watch.said_at(at_ms + 20, handed(fire, 1, 1));
    assert_eq!(watch.said_at(at_ms + 15, handed(fire, 1, 1)), Verdict::Applied);
    assert_eq!(watch.said_at(at_ms + 15, handed(fire, 1, 1)), Verdict::Duplicate);
    assert_eq!(watch.state.incidents[&fire].supplies["foam can"].handed, 2);
    assert_eq!(has(&mut watch), 2);
    // A count from before is heard after.
    watch.said_at(at_ms + 10, stock(1, 4));
    assert_eq!(has(&mut watch), 2);
    // For what is over by then, it is gone all the same.
    watch.close(fire);
    watch.fresh();
    watch.said_at(at_ms + 30, handed(fire, 1, 1));
    assert_eq!(watch.refusals(), ["E0492"]);
    assert_eq!(has(&mut watch), 1);
    // And counted anew.
    watch.said_at(at_ms + 40, stock(1, 3));
    assert_eq!(has(&mut watch), 3);
}

#[test]
fn a_depot_is_told_until_it_has_brought_what_was_set_aside() {
    let mut watch = Watch::over(with_depots());
    watch.says(stock(1, 4));
    let fire = watch.fire(2, 3);
    let brings = |watch: &mut Watch| watch.messages().iter().filter(|message| message.about == About::Bring).count();
    assert_eq!(brings(&mut watch), 1);
    watch.wait_s(60);
    assert_eq!(brings(&mut watch), 3);
    watch.says(handed(fire, 1, 2));
    assert_eq!(supplies(&mut watch), [(fire, vec![], 0)], "nothing more is set aside");
    watch.wait_s(600);
    assert_eq!(brings(&mut watch), 0);
    // Another asks, and there is nothing after all.
    watch.fire(5, 5);
    watch.wait_s(30);
    assert_eq!(brings(&mut watch), 2);
    watch.says(stock(1, 0));
    watch.wait_s(600);
    assert_eq!(brings(&mut watch), 0);
}

#[test]
fn a_handing_is_one_whatever_the_clock_of_the_depot() {
    let mut watch = Watch::over(with_depots());
    let fire = watch.raised(Raised { level: 2, ..raised("panel", "fire", 2, 3) });
    let ahead_ms = watch.now_ms + 3_600_000;
    watch.says(stock(1, 4));
    assert_eq!(watch.said_at(ahead_ms, handed(fire, 1, 1)), Verdict::Applied);
    // By a count of later it is in it; told again much later, it is no other.
    watch.wait_s(120);
    watch.says(stock(1, 3));
    watch.wait_s(60);
    assert_eq!(watch.said_at(ahead_ms, handed(fire, 1, 1)), Verdict::Duplicate);
    let has = |watch: &Watch| watch.state.incidents[&fire].supplies["foam can"].set_aside.values().sum::<u32>();
    assert_eq!(has(&watch), 3);
    // A count that comes again, from such a clock, counts nothing away.
    watch.said_at(ahead_ms, stock(1, 3));
    watch.wait_s(120);
    watch.says(handed(fire, 1, 1));
    watch.fresh();
    assert_eq!(watch.said_at(ahead_ms, stock(1, 3)), Verdict::Duplicate);
    assert_eq!(has(&watch), 2);
}

#[test]
fn a_dry_hydrant_that_was_told_of_twice_stays_dry() {
    let mut watch = Watch::auto();
    let fire = watch.fire(2, 3);
    watch.says(hydrant(7, near(2, 3, 1), 0));
    watch.wait_s(20);
    assert_eq!(watch.says(hydrant(7, near(2, 3, 1), 0)), Verdict::Duplicate);
    assert_eq!(watch.said_at(watch.now_ms - 10_000, hydrant(7, near(2, 3, 1), 15)), Verdict::Late);
    assert_eq!(watch.state.incidents[&fire].lacks_lps, 15);
}
