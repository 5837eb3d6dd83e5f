//! What turning crews around is worth: the same fires under several prices of sending a crew elsewhere that is on its way.
//!
//! ```text
//! cargo run --release --example dispatch_study                            120 worlds of 24 hours each, on all cores
//! cargo run --release --example dispatch_study -- --seeds N --hours H --seed S
//! cargo run --release --example dispatch_study -- --traffic-stays         times as if the traffic of the moment stayed
//! cargo run --release --example dispatch_study -- --traffic-of-crews      traffic by crew in place of by way
//! ```
//!
//! Twelve stations with two crews each in a district of 6 by 6 km, six fires an hour, traffic that is another one every
//! 30 s. What is asked and what is assumed stands in `world.rs`, a constant each. At each step, call, growth of a fire,
//! arrival and end of a crew's work, `PlanConfig::plan` decides who goes where. Lateness counts for each fire, whichever crew
//! comes. A crew is diverted if it was on its way to a fire and does not go there any more; again if it had been diverted
//! before and has come to no fire and not to its station since. What is printed is the same for the same arguments, however
//! many cores there are.
// A program, not a library: it prints, and its modules share by `pub`.
#![allow(clippy::print_stdout, unreachable_pub)]

mod args;
mod crew;
mod figures;
mod simulation;
mod world;

use clap::Parser;
use indicatif::ProgressBar;
use rayon::prelude::*;

use args::Args;
use figures::{FOR_ALMOST_NOTHING, FOR_NOTHING, Figures, JUDGED};
use simulation::{Outcome, Policy, follow};
use world::World;

const POLICIES: [Policy; 8] = [
    Policy::Never,
    FOR_NOTHING,
    FOR_ALMOST_NOTHING,
    Policy::Price { ms: 15_000 },
    Policy::Price { ms: 30_000 },
    JUDGED,
    Policy::Price { ms: 120_000 },
    Policy::Price { ms: 300_000 },
];

fn main() {
    let args = Args::parse();
    let worlds: Vec<World> =
        (0..args.seeds).map(|n| World::new(args.seed.wrapping_add(n), args.hours, args.traffic())).collect();
    let fires: usize = worlds.iter().map(|world| world.fires.len()).sum();
    println!("{} worlds of {} h, {fires} fires, each under every policy", args.seeds, args.hours);
    let bar = ProgressBar::new(args.seeds);
    let under_all = |world: &World| -> Vec<Outcome> {
        let outcomes = POLICIES.iter().map(|policy| follow(world, *policy)).collect();
        bar.inc(1);
        outcomes
    };
    let outcomes = worlds.par_iter().map(under_all).collect();
    bar.finish_and_clear();
    println!("{}", Figures::new(&POLICIES, outcomes).text());
}
