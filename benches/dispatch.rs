//! From an event to the new plan, in real cities with eight open incidents: against working all trees of times out anew and planning anew. One
//! `name=value` line a result.
//!
//! Three crews stand at each station. The events: a new fire, which takes the place of the oldest; a closure of an arc on the shortest ways
//! that hold (`of=tree`), on a way that somebody drives (`of=route`), or of any arc (`of=any`), each reopened before the next. `ratio` is the median
//! time from scratch over our median, `p99_ratio` the same over our slowest hundredth.
//!
//! `--roads DIR` (`../shared/data/roads`, beside the checkout), `--events N`.
#![allow(clippy::print_stdout, clippy::print_stderr, clippy::expect_used, missing_docs)]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use watchfire_benches::args::arg;
use watchfire_benches::city::{City, Draw};
use watchfire_benches::pairs::tail;
use watchfire_operators::dispatch::{Crew, Duty, Need, Plan, PlanConfig, Skills, Slot};
use watchfire_operators::road::{ArcId, NodeId, RoadChange, RoadState, Roads, Trees};

const OPEN: usize = 8;
const CREWS_A_STATION: u64 = 3;
/// Slots of an incident, by how many incidents have them: part demand of the stress that the policies are studied under.
const SLOTS: [usize; OPEN] = [2, 2, 2, 2, 2, 4, 4, 7];

/// A city with incidents.
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
            (crew, Crew { skills: Skills(1), duty, eta_ms: BTreeMap::new(), order: None })
        };
        let need = |(incident, slots): (u64, &usize)| {
            let slots = vec![Slot { asks: Skills(1), weight_pct: 100 }; *slots];
            (incident, Need { gravity: 1, slots })
        };
        let crews = (0..city.stations.len() as u64 * CREWS_A_STATION).map(crew).collect();
        let needs = (0..).zip(&SLOTS).map(need).collect();
        let mut scene = Scene { roads, trees, fires, crews, needs, times: Vec::new(), plan: Plan::default() };
        scene.times = scene.times(&scene.trees);
        scene.replan();
        scene
    }

    fn times(&self, trees: &Trees) -> Vec<Option<u32>> {
        let of_tree = |tree: usize| self.fires.iter().map(move |fire| trees.time_ms(tree, *fire));
        (0..trees.len()).flat_map(of_tree).collect()
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
    fn follow(&mut self) {
        let times = self.times(&self.trees);
        if times != self.times {
            self.times = times;
            self.replan();
        }
    }

    fn change(&mut self, arc: ArcId, becomes: RoadState) -> Duration {
        let began = Instant::now();
        self.roads.apply([RoadChange { arc, becomes }]);
        self.trees.follow(&self.roads);
        self.follow();
        began.elapsed()
    }

    /// The same from scratch. The plan must be the same.
    fn all_anew(&mut self, fresh: &mut Trees) -> Duration {
        let followed = self.plan.clone();
        let began = Instant::now();
        fresh.anew(&self.roads);
        self.times = self.times(fresh);
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
}

fn events(name: &str, city: &City, of: &str, count: usize) {
    let mut draw = Draw(3);
    let mut scene = Scene::new(city, &mut draw);
    let (mut ours, mut anew, mut fresh) = (Vec::new(), Vec::new(), scene.trees.clone());
    while ours.len() < count {
        if of == "fire" {
            let began = Instant::now();
            scene.fires[ours.len() % OPEN] = NodeId(draw.below(city.network.nodes_len()) as u32);
            scene.follow();
            ours.push(began.elapsed());
            if ours.len().is_multiple_of(50) {
                anew.push(scene.all_anew(&mut fresh));
            }
            continue;
        }
        let any = ArcId(draw.below(city.network.arcs_len()) as u32);
        let arc = match of {
            "route" => scene.on_route(&mut draw),
            "tree" => Some(any).filter(|arc| scene.trees.uses(&scene.roads, *arc)),
            _ => Some(any),
        };
        let Some(arc) = arc else { continue };
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

fn main() {
    let folder = arg("roads", concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data/roads"));
    let count = arg("events", "2000").parse().expect("a whole number");
    for name in ["manhattan", "edmonton"] {
        match City::load(&PathBuf::from(&folder), name) {
            Ok(city) => ["fire", "tree", "route", "any"].iter().for_each(|of| events(name, &city, of, count)),
            Err(error) => eprintln!("SKIPPED {name}: {error} (give the folder by --roads)"),
        }
    }
}
