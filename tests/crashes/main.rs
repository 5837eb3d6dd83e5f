//! Jobs that are killed again and again, at every step of what they write, and come back with another number of workers:
//! what their sinks show is what a run without a crash shows, each row once.
//!
//! `CRASHES` sets how many crashes each flow suffers at least, `CRASH_SEED` runs one seed alone.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod flows;
mod life;
mod unreplayed;

use std::collections::BTreeMap;

use flows::{Cranes, Flow, ManySplits, Visits};
use life::{Draw, Outside, calm, live};

/// Crashes of each flow, without `CRASHES`.
const CRASHES: u64 = 340;

/// So often a job may die before it is left alone.
const LIVES: u64 = 8;

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is \"{text}\", not a number")))
}

/// Rows, and how often each is there.
fn counted(rows: &[String]) -> BTreeMap<&str, u64> {
    let mut all = BTreeMap::new();
    rows.iter().for_each(|row| *all.entry(row.as_str()).or_default() += 1);
    all
}

/// One job, from its beginning to its end, through many deaths. How often it died.
fn outlives<F: Flow>(flow: &F, seed: u64, expected: &[Vec<String>]) -> u64 {
    let mut draw = Draw(seed);
    let outside = Outside::new::<F>(&mut draw);
    let mut deaths = 0;
    while !live(flow, &outside, &mut draw, deaths < LIVES) {
        deaths += 1;
    }
    let seen = outside.visible();
    for (sink, (seen, expected)) in seen.iter().zip(expected).enumerate() {
        let (seen, expected) = (counted(seen), counted(expected));
        let wrong = seen.keys().chain(expected.keys()).find(|row| seen.get(*row) != expected.get(*row));
        if let Some(row) = wrong {
            let [was, should] = [&seen, &expected].map(|all| all.get(row).copied().unwrap_or(0));
            let again = format!("CRASH_SEED={seed} cargo test --test crashes {}", F::NAME);
            panic!(
                "sink {sink} shows {was} times, not {should}: {row}\nafter {deaths} deaths of {seed}; again by\n{again}"
            );
        }
    }
    let damages = outside.damages();
    assert!(damages.is_empty(), "seed {seed}: {damages:?}");
    deaths
}

fn outlives_all<F: Flow>(flow: &F) {
    let expected = calm(flow);
    let shown: Vec<usize> = expected.iter().map(Vec::len).collect();
    assert!(shown.iter().all(|rows| *rows > 0), "a flow that shows nothing proves nothing: {shown:?}");
    if let Some(seed) = number("CRASH_SEED") {
        outlives(flow, seed, &expected);
        return;
    }
    let (crashes, mut suffered) = (number("CRASHES").unwrap_or(CRASHES), 0);
    // Seeds that never change, and some that nobody has seen.
    let fresh = u64::from(std::process::id()) << 32;
    for n in 0.. {
        suffered += outlives(flow, if n % 4 == 3 { fresh + n } else { n }, &expected);
        if suffered >= crashes {
            break;
        }
    }
    println!("{}: {suffered} crashes", F::NAME);
}

#[test]
fn cranes() {
    outlives_all(&Cranes::new());
}

#[test]
fn visits() {
    outlives_all(&Visits::new());
}

#[test]
fn many_splits() {
    outlives_all(&ManySplits::new());
}
