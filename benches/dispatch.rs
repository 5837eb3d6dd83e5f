//! From an event to the new plan, in real cities with eight open incidents. One `name=value` line a result.
//!
//! Three crews stand at each station. The events: a new fire, which takes the place of the oldest; a closure of an arc on the shortest ways
//! that hold (`of=tree`), on a way that somebody drives (`of=route`), or of any arc (`of=any`), each reopened before the next.
//!
//! `workload=dispatch` is against working all anew. Our side mends the trees of all stations, looks up the time from each station to each fire, and, if one
//! has changed, tells the crews and plans. The other side, once in fifty events, works all trees out anew, looks up the same times, tells the same crews
//! and plans from scratch, with the same planner; the plan must be the same. `ratio` is its median over our median, `p99_ratio` the same over our slowest
//! hundredth.
//!
//! `workload=iterate` is against trees that a loop of differential dataflow keeps ([`Iterated`]), of so many stations on both sides. Both follow
//! each closure, one after the other, whoever is first taking turns, and plan with the same planner; the plans must be the same. `ratio` is their
//! median over ours, `p99_ratio` their slowest hundredth over ours, `pair_ratio` the median of the ratios closure by closure.
//!
//! `--roads DIR` (`../shared/data/roads`, beside the checkout), `--events N`, `--closures N` against the loop, `--stations N` there at most.
#![allow(clippy::print_stdout, clippy::print_stderr, clippy::expect_used, missing_docs)]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use watchfire_benches::args::arg;
use watchfire_benches::city::{City, Draw};
use watchfire_benches::iterated::Iterated;
use watchfire_benches::pairs::{Ratios, tail};
use watchfire_operators::dispatch::{Crew, Duty, Need, Plan, PlanConfig, Skills, Slot};
use watchfire_operators::road::{ArcId, NodeId, RoadChange, RoadState, Roads, Trees};

const OPEN: usize = 8;
const CREWS_A_STATION: u64 = 3;
/// Slots of an incident, by how many incidents have them: part demand of the stress that the policies are studied under.
const SLOTS: [usize; OPEN] = [2, 2, 2, 2, 2, 4, 4, 7];

/// A city with incidents.
#[derive(Clone)]
struct Scene {
    roads: Roads,
    trees: Trees,
    fires: Vec<NodeId>,
    crews: BTreeMap<u64, Crew>,
    needs: BTreeMap<u64, Need>,
    /// The time from each station to each fire.
    times: Vec<Option<u32>>,
    plan: Plan,
}

impl Scene {
    fn new(city: &City, draw: &mut Draw) -> Self {
        let roads = Roads::new(city.network.clone());
        let trees = Trees::new(&roads, city.stations.clone());
        let fires = (0..OPEN).map(|_| NodeId(draw.below(city.network.nodes_len()) as u32)).collect();
        let crew = |crew: u64| {
            let duty = Duty::Stands { area: crew / CREWS_A_STATION };
            (crew, Crew { skills: Skills(1), duty, eta_ms: BTreeMap::new(), order: None, offered: None })
        };
        let need = |(incident, slots): (u64, &usize)| {
            let slots = vec![Slot { asks: Skills(1), weight_pct: 100 }; *slots];
            (incident, Need { gravity: 1, slots })
        };
        let crews = (0..city.stations.len() as u64 * CREWS_A_STATION).map(crew).collect();
        let needs = (0..).zip(&SLOTS).map(need).collect();
        let mut scene = Scene { roads, trees, fires, crews, needs, times: Vec::new(), plan: Plan::default() };
        scene.times = scene.times(|tree, node| scene.trees.time_ms(tree, node));
        scene.replan();
        scene
    }

    fn times(&self, time_ms: impl Fn(usize, NodeId) -> Option<u32>) -> Vec<Option<u32>> {
        let all = (0..self.trees.len()).flat_map(|tree| self.fires.iter().map(move |fire| (tree, *fire)));
        all.map(|(tree, fire)| time_ms(tree, fire)).collect()
    }

    /// Plans with the times as they are.
    fn replan(&mut self) {
        for (of, crew) in &mut self.crews {
            let station = (of / CREWS_A_STATION) as usize * OPEN;
            let times = self.times[station..station + OPEN].iter().enumerate();
            crew.eta_ms = times.filter_map(|(fire, time_ms)| Some((fire as u64, (*time_ms)?))).collect();
        }
        self.plan = PlanConfig::default().plan(&self.needs, &self.crews);
    }

    /// Plans only if somebody would arrive at another time.
    fn follow(&mut self, times: Vec<Option<u32>>) {
        if times != self.times {
            self.times = times;
            self.replan();
        }
    }

    fn change(&mut self, arc: ArcId, becomes: RoadState) -> Duration {
        let began = Instant::now();
        self.roads.apply([RoadChange { arc, becomes }]);
        self.trees.follow(&self.roads);
        self.follow(self.times(|tree, node| self.trees.time_ms(tree, node)));
        began.elapsed()
    }

    /// The same with the times of a loop.
    fn change_by(&mut self, iterated: &mut Iterated, arc: ArcId, becomes: RoadState) -> Duration {
        let began = Instant::now();
        self.roads.apply([RoadChange { arc, becomes }]);
        iterated.follow(&self.roads, arc);
        self.follow(self.times(|tree, node| iterated.time_ms(tree, node)));
        began.elapsed()
    }

    /// The same from scratch. The plan must be the same.
    fn all_anew(&mut self, fresh: &mut Trees) -> Duration {
        let followed = self.plan.clone();
        let began = Instant::now();
        fresh.anew(&self.roads);
        self.times = self.times(|tree, node| fresh.time_ms(tree, node));
        self.replan();
        let took = began.elapsed();
        assert!(self.plan == followed, "the plan that was followed is not the one from scratch");
        took
    }

    /// An arc that somebody drives.
    fn on_route(&self, draw: &mut Draw) -> Option<ArcId> {
        let going = self.plan.going.get(draw.below(self.plan.going.len()))?;
        let tree = (going.crew / CREWS_A_STATION) as usize;
        let route = self.trees.route(&self.roads, tree, self.fires[going.incident as usize])?;
        route.get(draw.below(route.len())).copied()
    }

    /// An arc to close, if this draw gives one.
    fn closing(&self, of: &str, draw: &mut Draw) -> Option<ArcId> {
        let any = ArcId(draw.below(self.roads.network().arcs_len()) as u32);
        match of {
            "route" => self.on_route(draw),
            "tree" => Some(any).filter(|arc| self.trees.uses(&self.roads, *arc)),
            _ => Some(any),
        }
    }
}

fn events(name: &str, city: &City, of: &str, count: usize) {
    let mut draw = Draw(3);
    let mut scene = Scene::new(city, &mut draw);
    let (mut ours, mut anew, mut fresh) = (Vec::new(), Vec::new(), scene.trees.clone());
    while ours.len() < count {
        if of == "fire" {
            let began = Instant::now();
            scene.fires[ours.len() % OPEN] = NodeId(draw.below(city.network.nodes_len()) as u32);
            scene.follow(scene.times(|tree, node| scene.trees.time_ms(tree, node)));
            ours.push(began.elapsed());
            if ours.len().is_multiple_of(50) {
                anew.push(scene.all_anew(&mut fresh));
            }
            continue;
        }
        let Some(arc) = scene.closing(of, &mut draw) else { continue };
        ours.push(scene.change(arc, RoadState::Closed));
        if ours.len().is_multiple_of(50) {
            anew.push(scene.all_anew(&mut fresh));
        }
        scene.change(arc, RoadState::Open);
    }
    let ((p50_us, p99_us), (anew_us, _)) = (tail(ours), tail(anew));
    println!(
        "workload=dispatch city={name} of={of} crews={} ratio={:.1} p99_ratio={:.1} p50_us={p50_us:.1} p99_us={p99_us:.0} anew_us={anew_us:.0}",
        scene.crews.len(),
        anew_us / p50_us,
        anew_us / p99_us
    );
}

/// Closures of one kind, by our trees and by the loop's.
fn closures_by_both(name: &str, ours: &mut Scene, iterated: &mut Iterated, of: &str, count: usize) {
    let (mut draw, mut theirs, mut pairs) = (Draw(5), ours.clone(), Vec::new());
    while pairs.len() < count {
        let Some(arc) = ours.closing(of, &mut draw) else { continue };
        let loop_first = pairs.len() % 2 == 1;
        let first = loop_first.then(|| theirs.change_by(iterated, arc, RoadState::Closed));
        let our_time = ours.change(arc, RoadState::Closed);
        let their_time = first.unwrap_or_else(|| theirs.change_by(iterated, arc, RoadState::Closed));
        assert!(ours.times == theirs.times && ours.plan == theirs.plan, "the loop says something else");
        pairs.push((our_time, their_time));
        ours.change(arc, RoadState::Open);
        theirs.change_by(iterated, arc, RoadState::Open);
    }
    let ratio = |(ours, theirs): &(Duration, Duration)| theirs.as_secs_f64() / ours.as_secs_f64();
    let Ratios { low, median, high } = Ratios::of(pairs.iter().map(ratio).collect());
    let (our, their): (Vec<Duration>, Vec<Duration>) = pairs.into_iter().unzip();
    let ((p50_us, p99_us), (their_p50_us, their_p99_us)) = (tail(our), tail(their));
    println!(
        "workload=iterate city={name} of={of} stations={} ratio={:.0} p99_ratio={:.0} pair_ratio={median:.0} q1={low:.0} q3={high:.0} p50_us={p50_us:.1} p99_us={p99_us:.0} iterate_p50_us={their_p50_us:.0} iterate_p99_us={their_p99_us:.0}",
        ours.trees.len(),
        their_p50_us / p50_us,
        their_p99_us / p99_us
    );
}

fn against_iterate(name: &str, city: &City, stations: usize, count: usize) {
    let stations = city.stations.iter().copied().take(stations).collect();
    let city = City { network: city.network.clone(), stations };
    let mut scene = Scene::new(&city, &mut Draw(3));
    let began = Instant::now();
    let mut iterated = Iterated::new(&scene.roads, &city.stations);
    println!(
        "workload=iterate city={name} stations={} load_s={:.1}",
        city.stations.len(),
        began.elapsed().as_secs_f64()
    );
    for of in ["tree", "route"] {
        closures_by_both(name, &mut scene, &mut iterated, of, count);
    }
}

fn number(name: &str, default: &str) -> usize {
    arg(name, default).parse().expect("a whole number")
}

fn main() {
    let folder = arg("roads", concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data/roads"));
    let (count, closures, stations) = (number("events", "2000"), number("closures", "100"), number("stations", "100"));
    for name in ["manhattan", "edmonton"] {
        match City::load(&PathBuf::from(&folder), name) {
            Ok(city) => {
                ["fire", "tree", "route", "any"].iter().for_each(|of| events(name, &city, of, count));
                against_iterate(name, &city, stations, closures);
            }
            Err(error) => eprintln!("SKIPPED {name}: {error} (give the folder by --roads)"),
        }
    }
}
