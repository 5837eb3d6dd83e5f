//! Which lifts are worth a visit: as reckoned by hand from how they wear, however rows come and jobs are cut.

use std::collections::BTreeMap;
use std::sync::Arc;

use watchfire_operators::detect::{Node, Split, Tree, Trees};
use watchfire_operators::elevator::{CostConfig, Lift, LiftBook, Visit, Visits, WearModel};

use super::*;

/// By what is off, and by how often it failed lately.
fn trees() -> Trees {
    let stump = |name: &str, below: f64| {
        let feature = WEAR_FEATURES.iter().position(|of| *of == name).unwrap() as u32;
        let split = Split { feature, below, left: 1, right: 2, missing_left: true };
        Tree { nodes: vec![Node { value: 0.0, split: Some(split) }, Node::leaf(-0.7), Node::leaf(1.3)] }
    };
    let trees = vec![stump("all signs together", 0.3), stump("faults lately", 0.1), stump("it failed today", 0.5)];
    Trees::new(WEAR_FEATURES.map(str::to_owned).to_vec(), -1.0, trees).unwrap()
}

fn firm(lift: u32) -> u32 {
    1 + lift % 2
}

const LIFTS: u32 = 4;

/// Each firm has two lifts, and can visit one.
fn visits() -> Visits {
    let lift = |lift: u32| Lift { building: Some(7), firm: firm(lift), ..Lift::default() };
    let book = Arc::new(LiftBook::new((1..=LIFTS).map(|number| (number, lift(number)))));
    Visits { a_day: 1, ..Visits::new(book) }
}

fn list_job() -> Job {
    let model = WearModel::new(trees()).unwrap();
    let job = Job::new(move |flow| {
        visits().of_lifts(flow.channel::<LiftRow>("lifts"), Wear::default(), model.clone()).to_view("visits");
    });
    job.ticks(TickSource::FromEvents { interval_ms: 60_000, max_jump_ms: 60 * DAY_MS })
}

fn listed(running: &mut Running) -> BTreeMap<u32, Vec<Visit>> {
    let views = running.views();
    running.wait().unwrap();
    let mut all: BTreeMap<u32, Vec<Visit>> = BTreeMap::new();
    for (firm, visit, times) in views.snapshot().unwrap().view::<u32, Visit>("visits").unwrap().iter() {
        assert_eq!(times, 1);
        all.entry(*firm).or_default().push(visit.clone());
    }
    all
}

/// A lift, what it is worth, and by which classes of which day.
type Worth = (u32, f64, Vec<(FaultClass, i64)>);

/// What the last days of lifts come to: for each firm the lift that is worth most.
fn by_hand(days: &[WearDay]) -> BTreeMap<u32, Vec<Worth>> {
    let mut last: BTreeMap<(u32, FaultClass), &WearDay> = BTreeMap::new();
    days.iter().for_each(|day| _ = last.insert((day.lift, day.class), day));
    let (costs, trees) = (CostConfig::default(), trees());
    let mut all: BTreeMap<u32, Vec<Worth>> = BTreeMap::new();
    for lift in 1..=LIFTS {
        let of_lift = last.range((lift, FaultClass::DoorLock)..=(lift, FaultClass::Misuse));
        let cost = |day: &WearDay| trees.predict(&day.features).p * costs.classes[&day.class].mean_yuan();
        let mut classes: Vec<(f64, FaultClass, i64)> =
            of_lift.map(|(_, day)| (cost(day), day.class, day.day_ms)).collect();
        classes.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let worth = classes.iter().map(|(cost, ..)| cost).sum();
        let classes: Vec<_> = classes.into_iter().map(|(_, class, day_ms)| (class, day_ms)).collect();
        if !classes.is_empty() {
            all.entry(firm(lift)).or_default().push((lift, worth, classes));
        }
    }
    for of_firm in all.values_mut() {
        of_firm.sort_by(|a, b| b.1.total_cmp(&a.1));
        of_firm.truncate(1);
    }
    all
}

proptest! {
    #![proptest_config(cases(6))]

    #[test]
    fn lists_are_the_same_however_rows_come_and_jobs_are_cut(seed in 0_u64..1_000, swaps in prop::collection::vec(0_i64..1_900, 1..30)) {
        let config = WearSimConfig { seed, lifts: LIFTS, trips_a_day: 20.0, faults_a_year: 60.0, ..WearSimConfig::default() };
        let sim = WearSim::new(config);
        let lifts: Vec<_> = (1..=LIFTS).map(|lift| sim.lift(lift, 14)).collect();
        let rows = sorted(lifts.iter().flat_map(|lift| (0..14).flat_map(|day| lift.day(day))).collect());
        let run = |rows: &[LiftRow]| {
            let mut running = list_job().record().start().unwrap();
            let sender = running.sender::<LiftRow>("lifts").unwrap();
            rows.chunks(40).for_each(|rows| sender.send(rows.to_vec()).unwrap());
            drop(sender);
            let straight = listed(&mut running);
            let recording = running.recording().unwrap();
            let mut again = list_job().workers(2).rehearse_recovery(1).replay(&recording.recut(seed, 3)).unwrap();
            assert_eq!(listed(&mut again), straight, "cut otherwise");
            straight
        };
        let straight = run(&rows);
        let expected = by_hand(&said(&rows).days);
        prop_assert_eq!(straight.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
        for (of_firm, by_hand) in straight.values().flatten().zip(expected.values().flatten()) {
            let (lift, worth, classes) = by_hand;
            prop_assert!(of_firm.lift == *lift && (of_firm.worth_yuan.get() - worth).abs() < 1e-6, "{:?}, not {:?}", of_firm, by_hand);
            prop_assert_eq!(&of_firm.outlooks.iter().map(|of| (of.class, of.day_ms)).collect::<Vec<_>>(), classes);
        }
        let mut arrive: Vec<(i64, &LiftRow)> = rows.iter().zip(swaps.iter().cycle()).map(|(row, late_ms)| (row.at_ms + late_ms, row)).collect();
        arrive.sort_by_key(|(arrives_ms, _)| *arrives_ms);
        let arrived: Vec<LiftRow> = arrive.into_iter().map(|(_, row)| row.clone()).collect();
        prop_assert_eq!(run(&arrived), straight);
    }
}
