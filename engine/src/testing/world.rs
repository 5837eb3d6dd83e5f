//! What is outside a job, and outlives it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use bytes::Bytes;

use super::faulty::{Faults, FaultyStore};
use super::sink::FaultySink;
use super::source::FaultySource;
use crate::Error;
use crate::key::mix;
use crate::sink::CommitMode;
use crate::source::{Failure, Replay};
use crate::turns;

/// Numbers from a seed, and how often calls fail.
#[derive(Debug)]
pub(super) struct Chances {
    seed: u64,
    draws: AtomicU64,
    /// How many of 1,000 calls fail for a while.
    fails_per_mille: u64,
}

impl Chances {
    pub(super) fn new(seed: u64, fails_per_mille: u64) -> Self {
        Chances { seed, draws: AtomicU64::new(0), fails_per_mille }
    }

    /// A number below `n`; 0 if that is 0.
    pub(super) fn below(&self, n: u64) -> u64 {
        let draw = self.draws.fetch_add(1, Ordering::Relaxed);
        mix(self.seed ^ mix(draw.wrapping_add(1))).checked_rem(n).unwrap_or(0)
    }

    /// Never in a calm world.
    pub(super) fn one_in(&self, n: u64) -> bool {
        self.fails_per_mille > 0 && self.below(n) == 0
    }

    /// Whether a call of the outside fails for a while.
    pub(super) fn try_call(&self) -> Result<(), Failure> {
        turns::pass();
        if self.fails_per_mille > 0 && self.below(1_000) < self.fails_per_mille {
            return Err(Failure::Retry(outage("the outside is away for a while")));
        }
        Ok(())
    }
}

/// What the outside of a test says when it fails.
pub(super) fn outage(what: &str) -> Error {
    Error::new("E0599", what).at("a simulated outside").remedy("nothing: the test wants it so")
}

/// What a job under [`Lives`](super::Lives) reads from, writes to and keeps its state in.
#[derive(Debug)]
pub struct World {
    pub(super) store: FaultyStore,
    /// None if nothing happens in it.
    seed: Option<u64>,
    began: Instant,
    /// It has a source that does not end.
    endless: Arc<AtomicBool>,
    /// Of sinks, and of sources.
    chances: [Arc<Chances>; 2],
    sources: Mutex<BTreeMap<String, FaultySource>>,
    sinks: Mutex<BTreeMap<String, FaultySink>>,
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

impl World {
    /// Nothing fails.
    pub(super) fn calm() -> Self {
        World::new(None, Faults::default(), [0, 0].map(|fails| Chances::new(0, fails)))
    }

    /// `outages`: sources lose their connection.
    pub(super) fn faulty(seed: u64, outages: bool) -> Self {
        let chances = Chances::new(seed, 5);
        let often = || chances.below(2) as u16 * 10;
        let [before_per_mille, after_per_mille, full_per_mille, slow_per_mille] = [(); 4].map(|()| often());
        // A store promises that it tears nothing.
        let faults = Faults { seed, before_per_mille, after_per_mille, full_per_mille, slow_per_mille, torn: false };
        World::new(Some(seed), faults, [chances, Chances::new(mix(seed), if outages { 5 } else { 0 })])
    }

    fn new(seed: Option<u64>, faults: Faults, chances: [Chances; 2]) -> Self {
        let (sources, sinks) = (Mutex::default(), Mutex::default());
        World {
            store: FaultyStore::new(faults),
            seed,
            began: turns::now(),
            endless: Arc::default(),
            chances: chances.map(Arc::new),
            sources,
            sinks,
        }
    }

    /// The source of this name: made by the first call, the same for all that follow. A split is its name and the bodies of
    /// its rows.
    pub fn source<N: Into<String>, B: Into<Bytes>>(
        &self,
        name: &str,
        replay: Replay,
        splits: impl IntoIterator<Item = (N, Vec<B>)>,
    ) -> FaultySource {
        let make = || {
            let bytes = |rows: Vec<B>| rows.into_iter().map(Into::into).collect();
            let splits = splits.into_iter().map(|(name, rows)| (name.into(), bytes(rows))).collect();
            FaultySource::new(replay, splits, (self.seed, self.began, self.endless.clone()), self.chances[1].clone())
        };
        lock(&self.sources).entry(name.to_owned()).or_insert_with(make).clone()
    }

    /// The sink of this name: made by the first call, the same for all that follow.
    pub fn sink(&self, name: &str, mode: CommitMode) -> FaultySink {
        let make = || FaultySink::new(mode, self.chances[0].clone());
        lock(&self.sinks).entry(name.to_owned()).or_insert_with(make).clone()
    }

    /// Another life begins.
    pub(super) fn begin(&self) {
        lock(&self.sources).values().for_each(FaultySource::lose);
    }

    /// Whether all sources have given all rows that they have, and there is one that would go on for ever.
    pub(super) fn is_over(&self) -> bool {
        let sources = lock(&self.sources);
        self.endless.load(Ordering::Relaxed) && sources.values().all(FaultySource::is_read)
    }

    pub(super) fn sinks(&self) -> BTreeMap<String, FaultySink> {
        lock(&self.sinks).clone()
    }
}
