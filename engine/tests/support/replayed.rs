//! A source that gives the same rows again from any offset, as a log does, and remembers what was asked of it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use watchfire_engine::source::{Failure, Fut, KeyPlacement, Next, RawRow, Reader, Replay, Source};

use super::Row;
use super::source::written;

/// A split, and where it was opened.
type Opened = (String, Option<u64>);

/// Clones share everything.
#[derive(Clone, Default)]
pub(crate) struct Replayed {
    splits: Arc<Mutex<BTreeMap<String, Vec<Row>>>>,
    /// No split gives rows from this offset on, but waits.
    upto: Arc<AtomicU64>,
    /// Offsets below have expired.
    pub(crate) earliest: Arc<AtomicU64>,
    opened: Arc<Mutex<Vec<Opened>>>,
    pub(crate) acknowledged: Arc<Mutex<Vec<(String, u64)>>>,
}

impl Replayed {
    pub(crate) fn new(splits: &[(&str, Vec<Row>)]) -> Self {
        let splits = splits.iter().map(|(name, rows)| ((*name).to_owned(), rows.clone())).collect();
        Replayed { splits: Arc::new(Mutex::new(splits)), ..Replayed::default() }
    }

    pub(crate) fn give_upto(&self, offset: u64) {
        self.upto.store(offset, Ordering::SeqCst);
    }

    pub(crate) fn remove(&self, split: &str) {
        self.splits.lock().unwrap().remove(split);
    }

    pub(crate) fn opened(&self) -> Vec<Opened> {
        let mut opened = std::mem::take(&mut *self.opened.lock().unwrap());
        opened.sort();
        opened
    }
}

impl Source for Replayed {
    type Split = String;
    type Offset = u64;

    fn replay(&self) -> Replay {
        Replay::Exact
    }

    fn key_placement(&self) -> KeyPlacement {
        KeyPlacement::OneSplit
    }

    fn bounded(&self) -> bool {
        true
    }

    fn discover(&self) -> Fut<'_, Result<Vec<String>, Failure>> {
        Box::pin(async { Ok(self.splits.lock().unwrap().keys().cloned().collect()) })
    }

    fn open(&self, split: String, from: Option<u64>) -> Fut<'_, Result<Box<dyn Reader<u64>>, Failure>> {
        Box::pin(async move {
            let earliest = self.earliest.load(Ordering::SeqCst);
            if from.unwrap_or(0) < earliest {
                return Err(Failure::OffsetExpired { earliest: earliest.to_string() });
            }
            self.opened.lock().unwrap().push((split.clone(), from));
            Ok(Box::new(Reads { of: self.clone(), split, at: from.unwrap_or(0) }) as Box<dyn Reader<u64>>)
        })
    }
}

struct Reads {
    of: Replayed,
    split: String,
    at: u64,
}

impl Reader<u64> for Reads {
    fn next(&mut self, room: usize) -> Fut<'_, Result<Next<u64>, Failure>> {
        Box::pin(async move {
            let splits = self.of.splits.lock().unwrap();
            let rows = &splits[&self.split];
            let upto = (rows.len() as u64).min(self.of.upto.load(Ordering::SeqCst));
            if self.at == rows.len() as u64 {
                return Ok(Next::End);
            }
            let to = upto.min(self.at + room.min(7) as u64);
            if to <= self.at {
                return Ok(Next::Idle);
            }
            let raw = |n: u64| RawRow { place: n + 1, key: None, body: written(&rows[n as usize]).into() };
            let given = (self.at..to).map(raw).collect();
            self.at = to;
            Ok(Next::Rows { rows: given, after: to })
        })
    }

    fn durable(&mut self, upto: u64) -> Fut<'_, Result<(), Failure>> {
        Box::pin(async move {
            self.of.acknowledged.lock().unwrap().push((self.split.clone(), upto));
            Ok(())
        })
    }
}
