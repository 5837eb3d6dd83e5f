//! A source that loses its connection, and does what it said that it can after a crash.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::world::{Chances, outage};
use crate::key::mix;
use crate::source::{Failure, Fut, KeyPlacement, Next, Opened, RawRow, Reader, Replay, Source};
use crate::turns;

/// Batches have at most so many rows, so that a job lives long enough to die.
const BATCH_ROWS: u64 = 50;

/// A source with the rows of each split, made by [`World::source`](super::World::source). Clones share everything.
///
/// It fails now and then, falls behind, and gives batches of any size. What is acknowledged is gone at once: an offset before that
/// has expired. With [`Replay::None`] it gives what is not acknowledged again to whoever opens it next; so a row that was logged
/// and not yet acknowledged comes twice after a crash, as from a broker.
#[derive(Clone, Debug)]
pub struct FaultySource {
    replay: Replay,
    placement: KeyPlacement,
    bounded: bool,
    /// The world has a source that does not end.
    endless: Arc<AtomicBool>,
    splits: Arc<BTreeMap<String, Split>>,
    /// The seed of the world, none in a calm one, and when it began.
    seed: Option<u64>,
    began: Instant,
    /// The rows of each split in the order in which they come, if that is not theirs.
    order: Option<Arc<BTreeMap<String, Vec<usize>>>>,
    /// When each is there, if not from the beginning.
    there_at: Option<Arc<BTreeMap<String, Vec<Instant>>>>,
    chances: Arc<Chances>,
}

#[derive(Debug)]
struct Split {
    rows: Vec<Bytes>,
    outside: Mutex<Outside>,
}

/// What a broker knows of a session.
#[derive(Debug, Default)]
struct Outside {
    /// Rows that it has forgotten, for they were acknowledged.
    gone: u64,
    /// Who opened it last. What older readers say counts for nothing.
    session: u64,
    /// That one has given all there is.
    given: bool,
}

impl Split {
    fn outside(&self) -> MutexGuard<'_, Outside> {
        self.outside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FaultySource {
    pub(super) fn new(
        replay: Replay,
        splits: BTreeMap<String, Vec<Bytes>>,
        (seed, began, endless): (Option<u64>, Instant, Arc<AtomicBool>),
        chances: Arc<Chances>,
    ) -> Self {
        let split = |(name, rows)| (name, Split { rows, outside: Mutex::default() });
        let splits = Arc::new(splits.into_iter().map(split).collect());
        let placement = KeyPlacement::OneSplit;
        FaultySource {
            replay,
            placement,
            bounded: true,
            endless,
            splits,
            seed,
            began,
            order: None,
            there_at: None,
            chances,
        }
    }

    /// The same, of which a key may come from any split.
    #[must_use]
    pub fn any_split(self) -> Self {
        FaultySource { placement: KeyPlacement::AnySplit, ..self }
    }

    /// The same, which does not end when all its rows are read: the job is drained then.
    #[must_use]
    pub fn endless(self) -> Self {
        self.endless.store(true, Ordering::Relaxed);
        FaultySource { bounded: false, ..self }
    }

    /// What those say that have it open counts for nothing any more.
    pub(super) fn lose(&self) {
        for split in self.splits.values() {
            let mut outside = split.outside();
            (outside.session, outside.given) = (outside.session + 1, false);
        }
    }

    /// Whether every split has given all that it has to whoever opened it last.
    pub(super) fn is_read(&self) -> bool {
        self.splits.values().all(|split| split.outside().given)
    }

    /// The same, whose rows come up to `rows` others too late, and one of twenty twice: as the seed says, so that it can give them
    /// again as they came. A world in which nothing happens gives each once, and in order.
    #[must_use]
    pub fn disordered(self, rows: u64) -> Self {
        let Some(seed) = self.seed else { return self };
        let draw = Chances::new(!seed, 0);
        let order = |split: &Split| {
            let mut order: Vec<(u64, usize)> = Vec::new();
            for n in 0..split.rows.len() {
                for _ in 0..1 + u64::from(draw.below(20) == 0) {
                    order.push((n as u64 + draw.below(rows.saturating_add(1)), n));
                }
            }
            order.sort_unstable();
            order.into_iter().map(|(_, n)| n).collect()
        };
        let order = self.splits.iter().map(|(name, split)| (name.clone(), order(split))).collect();
        FaultySource { order: Some(Arc::new(order)), ..self }
    }

    /// The same, of which one of so many rows is there only up to `wait` after the one before it. A world in which nothing happens has
    /// all from its beginning.
    #[must_use]
    pub fn paused(self, one_in: u64, wait: Duration) -> Self {
        let Some(seed) = self.seed else { return self };
        let draw = Chances::new(mix(seed), 0);
        let wait_us = u64::try_from(wait.as_micros()).unwrap_or(u64::MAX);
        let there_at = |(name, split): (&String, &Split)| {
            let mut at = self.began;
            let rows = self.order.as_ref().and_then(|order| order.get(name)).map_or(split.rows.len(), Vec::len);
            let next = |_| {
                if draw.below(one_in) == 0 {
                    at += Duration::from_micros(draw.below(wait_us));
                }
                at
            };
            (name.clone(), (0..rows).map(next).collect())
        };
        FaultySource { there_at: Some(Arc::new(self.splits.iter().map(there_at).collect())), ..self }
    }

    /// Whether the row at a place of a split is there.
    fn is_there(&self, split: &str, at: u64) -> bool {
        let there_at = self.there_at.as_ref().and_then(|all| all.get(split)?.get(at as usize));
        there_at.is_none_or(|there_at| *there_at <= turns::now())
    }

    /// The row at a place of a split.
    fn row(&self, split: &str, at: u64) -> Option<&Bytes> {
        let n = match &self.order {
            Some(order) => *order.get(split)?.get(at as usize)?,
            None => at as usize,
        };
        self.splits.get(split)?.rows.get(n)
    }

    /// How many rows of a split were acknowledged; 0 for one that is not there.
    pub fn acknowledged(&self, split: &str) -> u64 {
        self.splits.get(split).map_or(0, |split| split.outside().gone)
    }
}

impl Source for FaultySource {
    type Split = String;
    type Offset = u64;

    fn replay(&self) -> Replay {
        self.replay
    }

    fn key_placement(&self) -> KeyPlacement {
        self.placement
    }

    fn bounded(&self) -> bool {
        self.bounded
    }

    fn discover(&self) -> Fut<'_, Result<Vec<String>, Failure>> {
        Box::pin(async {
            self.chances.try_call()?;
            Ok(self.splits.keys().cloned().collect())
        })
    }

    fn open(&self, split: String, from: Option<u64>) -> Fut<'_, Opened<u64>> {
        Box::pin(async move {
            self.chances.try_call()?;
            let Some(outside) = self.splits.get(&split).map(Split::outside) else {
                return Err(Failure::Fatal(outage("there is no such split")));
            };
            let (mut outside, from) = (outside, from.unwrap_or(0));
            if self.replay != Replay::None && from < outside.gone {
                return Err(Failure::OffsetExpired { earliest: outside.gone.to_string() });
            }
            outside.session += 1;
            outside.given = false;
            let at = if self.replay == Replay::None { outside.gone } else { from };
            let reads = Reads { source: self.clone(), split, session: outside.session, from, began: at, at };
            Ok(Box::new(reads) as Box<dyn Reader<u64>>)
        })
    }
}

struct Reads {
    source: FaultySource,
    split: String,
    session: u64,
    /// The offset at which it was opened, the row that was the next then, and that which is now.
    from: u64,
    began: u64,
    at: u64,
}

impl Reader<u64> for Reads {
    fn next(&mut self, room: usize) -> Fut<'_, Result<Next<u64>, Failure>> {
        Box::pin(async move {
            self.source.chances.try_call()?;
            if self.source.chances.one_in(40) {
                return Ok(Next::Behind);
            }
            let row = |at| Some(RawRow { place: at + 1, key: None, body: self.source.row(&self.split, at)?.clone() });
            let count = room.min(1 + self.source.chances.below(BATCH_ROWS) as usize);
            let there = (self.at..).take_while(|at| self.source.is_there(&self.split, *at));
            let rows: Vec<RawRow> = there.map_while(row).take(count).collect();
            if rows.is_empty() {
                let all = self.source.row(&self.split, self.at).is_none();
                let mut outside = self.source.splits[&self.split].outside();
                if outside.session == self.session {
                    outside.given |= all;
                }
                return Ok(if all && self.source.bounded { Next::End } else { Next::Idle });
            }
            self.at += rows.len() as u64;
            Ok(Next::Rows { rows, after: self.from + (self.at - self.began) })
        })
    }

    fn durable(&mut self, upto: u64) -> Fut<'_, Result<(), Failure>> {
        Box::pin(async move {
            self.source.chances.try_call()?;
            let mut outside = self.source.splits[&self.split].outside();
            // What was read before it was opened says nothing of a broker's session.
            let gone = match upto.checked_sub(self.from) {
                _ if self.source.replay != Replay::None => upto,
                Some(rows) => self.began + rows,
                None => 0,
            };
            if outside.session == self.session {
                outside.gone = outside.gone.max(gone);
            }
            Ok(())
        })
    }
}
