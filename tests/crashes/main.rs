//! Jobs that are killed again and again, at every step of what they write, and come back with another number of workers:
//! what their sinks show is what a run without a crash shows, each row once.
//!
//! `CRASHES` sets how many crashes each flow suffers at least, `WATCHFIRE_SEED` runs one seed alone.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod dispatched;
mod flows;
mod foretold;
mod lifts;
mod people;
mod unreplayed;

use dispatched::Dispatched;
use flows::{Cranes, ManySplits, Visits};
use lifts::Lifts;
use people::People;
use watchfire::Job;
use watchfire::testing::{Lives, World};

/// Crashes of each flow, without `CRASHES`.
const CRASHES: u64 = 340;

/// Numbers from a seed (splitmix64).
struct Draw(u64);

impl Draw {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % n
    }
}

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is \"{text}\", not a number")))
}

/// Seeds that never change, and some that nobody has seen.
fn seeds() -> impl Iterator<Item = u64> {
    let fresh = u64::from(std::process::id()) << 32;
    (0..).map(move |n| if n % 4 == 3 { fresh + n } else { n })
}

/// Lets a flow die until it has suffered enough. Epochs are logged always, never, or in some lives; threads are in lock-step, or do as
/// they like. `lives` are those of some seeds, and tell how often the flow died.
fn outlive(name: &str, lives: impl Fn(&str, Vec<u64>, bool, Option<bool>) -> u64) {
    let (crashes, mut suffered) = (number("CRASHES").unwrap_or(CRASHES), 0);
    let logs = [Some(true), Some(false), None];
    let mut seeds = seeds();
    for (n, log_epochs) in logs.into_iter().cycle().enumerate() {
        let some = seeds.by_ref().take(12).collect();
        suffered += lives(&format!("--test crashes {name}"), some, n % 2 == 0, log_epochs);
        // One seed alone is run in each of the six ways.
        if number("WATCHFIRE_SEED").map_or(suffered >= crashes, |_| n == 5) {
            break;
        }
    }
    println!("{name}: {suffered} crashes");
}

fn outlives(name: &str, outages: bool, build: impl Fn(&World) -> Job) {
    outlive(name, |name, seeds, lock_step, log_epochs| {
        Lives { log_epochs, outages, lock_step, ..Lives::default() }.check(name, seeds, &build)
    });
}

#[test]
fn cranes() {
    let flow = Cranes::new();
    outlives("cranes", true, |world| flow.job(world));
}

#[test]
fn visits() {
    let flow = Visits::new();
    // It counts how long people are silent.
    outlives("visits", false, |world| flow.job(world));
}

#[test]
fn many_splits() {
    let flow = ManySplits::new();
    outlives("many_splits", true, |world| flow.job(world));
}

#[test]
fn dispatched() {
    let flow = Dispatched::new();
    outlives("dispatched", true, |world| flow.job(world));
}

#[test]
fn lifts() {
    let flow = Lifts::new();
    // What is held goes on when a building is silent.
    outlives("lifts", false, |world| flow.job(world));
}

#[test]
fn people() {
    let flow = People::new();
    outlives("people", true, |world| flow.job(world));
}

#[test]
fn foretold() {
    let flow = foretold::Lifts::new();
    outlive("foretold", |name, seeds, lock_step, log_epochs| {
        // What is held goes on, and days end, when a lift is silent.
        let lives = Lives { log_epochs, outages: false, lock_step, ..Lives::default() };
        lives.judge(name, seeds, |world| flow.job(world), |world| flow.judge(world))
    });
}
