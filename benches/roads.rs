//! Times from the stations of real cities to every corner while roads change, against working all trees out anew. One `name=value` line a
//! result.
//!
//! `ratio` is the time of working out anew over that of following; `p99_ratio` sets the slowest hundredth of following against the median
//! of working out anew. A closure is drawn from the arcs on the shortest ways that hold (`of=tree`) or from all arcs (`of=any`); it is
//! reopened before the next. Batches let so many arcs take another time at once, and are set against the faster of mending, whatever is
//! touched, and working out anew: 1 is as fast as that.
//!
//! `--roads DIR` (`../shared/data/roads`, beside the checkout), `--closures N`, `--pairs N`.
#![allow(clippy::print_stdout, clippy::print_stderr, clippy::expect_used, missing_docs)]

use std::path::PathBuf;
use std::time::{Duration, Instant};

use watchfire_benches::args::arg;
use watchfire_benches::city::{City, Draw};
use watchfire_benches::pairs::{Ratios, tail};
use watchfire_operators::road::{ArcId, RoadChange, RoadState, Roads, Trees};

fn number(name: &str, default: &str) -> usize {
    arg(name, default).parse().expect("a whole number")
}

fn timed(body: impl FnOnce()) -> Duration {
    let began = Instant::now();
    body();
    began.elapsed()
}

fn closures(name: &str, city: &City, of_tree: bool, count: usize) {
    let mut roads = Roads::new(city.network.clone());
    let mut trees = Trees::new(&roads, city.stations.clone());
    let (mut draw, mut follow, mut anew, mut lost) = (Draw(7), Vec::new(), Vec::new(), 0);
    let mut fresh = trees.clone();
    while follow.len() < count {
        let arc = ArcId(draw.below(city.network.arcs_len()) as u32);
        if of_tree && !trees.uses(&roads, arc) {
            continue;
        }
        roads.apply([RoadChange { arc, becomes: RoadState::Closed }]);
        follow.push(timed(|| lost += trees.follow(&roads).lost));
        if follow.len().is_multiple_of(100) {
            anew.push(timed(|| fresh.anew(&roads)));
        }
        roads.apply([RoadChange { arc, becomes: RoadState::Open }]);
        trees.follow(&roads);
    }
    let ((p50_us, p99_us), (anew_us, _)) = (tail(follow), tail(anew));
    let (of, each) = (if of_tree { "tree" } else { "any" }, lost as f64 / count as f64);
    println!(
        "workload=closures city={name} of={of} trees={} ratio={:.1} p99_ratio={:.1} p50_us={p50_us:.1} p99_us={p99_us:.0} anew_us={anew_us:.0} lost={each:.0}",
        trees.len(),
        anew_us / p50_us,
        anew_us / p99_us
    );
}

/// A share of the arcs takes another time, up to twice as long as when nothing is in the way.
fn batch(city: &City, share: f64, draw: &mut Draw) -> Vec<RoadChange> {
    let arcs = city.network.arcs_len();
    let change = |arc: usize, draw: &mut Draw| {
        let arc = ArcId(arc as u32);
        let free_ms = city.network.free_ms(arc) as usize;
        RoadChange { arc, becomes: RoadState::Takes((free_ms + draw.below(free_ms + 1)) as i64) }
    };
    if share >= 1.0 {
        return (0..arcs).map(|arc| change(arc, draw)).collect();
    }
    let count = (arcs as f64 * share).round() as usize;
    (0..count)
        .map(|_| {
            let arc = draw.below(arcs);
            change(arc, draw)
        })
        .collect()
}

fn batches(name: &str, city: &City, share: f64, pairs: usize) {
    let mut roads = Roads::new(city.network.clone());
    let (mut draw, mut ratios, mut times) = (Draw(11), Vec::new(), Vec::new());
    let mut trees = Trees::new(&roads, city.stations.clone());
    let (mut mended, mut fresh) = (trees.clone().always_mends(), trees.clone());
    let mut anew = 0;
    for _ in 0..pairs {
        let changes = batch(city, share, &mut draw);
        assert!(roads.apply(changes).is_empty(), "all arcs are of the map");
        let followed = timed(|| anew += trees.follow(&roads).anew);
        let mending = timed(|| {
            mended.follow(&roads);
        });
        let from_scratch = timed(|| fresh.anew(&roads));
        ratios.push(followed.as_secs_f64() / mending.min(from_scratch).as_secs_f64());
        times.push((followed, mending, from_scratch));
    }
    let Ratios { low, median, high } = Ratios::of(ratios);
    let middle = |of: fn(&(Duration, Duration, Duration)) -> Duration| tail(times.iter().map(of).collect()).0 / 1e3;
    println!(
        "workload=batches city={name} share={share} slower={median:.2} q1={low:.2} q3={high:.2} follow_ms={:.2} mend_ms={:.2} anew_ms={:.2} anew_trees={anew}",
        middle(|all| all.0),
        middle(|all| all.1),
        middle(|all| all.2)
    );
}

fn main() {
    let folder = PathBuf::from(arg("roads", concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data/roads")));
    for name in ["manhattan", "edmonton"] {
        let city = match City::load(&folder, name) {
            Ok(city) => city,
            Err(error) => {
                eprintln!("SKIPPED {name}: {error} (give the folder by --roads)");
                continue;
            }
        };
        println!("city={name} {:?} stations={} raised={}", city.network, city.stations.len(), city.network.raised());
        for of_tree in [true, false] {
            closures(name, &city, of_tree, number("closures", "2000"));
        }
        for share in [0.001, 0.01, 0.05, 1.0] {
            batches(name, &city, share, number("pairs", "15"));
        }
    }
}
