//! Counters, kept in atomics by the workers and read as one snapshot by the host.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::flow::{Kind, Plan};
use crate::keyed::Book;

/// A snapshot of a job's counters. Totals since the start; never reset.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metrics {
    /// Epochs that every sink has let go.
    pub epochs_closed: u64,
    /// Epochs that were cut and not yet let go.
    pub epochs_in_flight: u64,
    /// By source name.
    pub sources: BTreeMap<String, SourceMetrics>,
    /// By operator name.
    pub operators: BTreeMap<String, OperatorMetrics>,
    /// By sink name: rows handed over.
    pub sinks: BTreeMap<String, u64>,
}

/// The book of a source: `read = decoded + dead`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SourceMetrics {
    /// Raw rows read; for a host channel, rows received.
    pub read: u64,
    /// Raw rows that were decoded.
    pub decoded: u64,
    /// Raw rows that became dead letters.
    pub dead: u64,
    /// Rows that the decoded ones gave.
    pub rows: u64,
}

/// The books of a keyed operator. For each detector that reads its rows directly,
/// `rows_in = applied + late + duplicate + skewed + out_of_bound`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OperatorMetrics {
    /// Rows that came in.
    pub rows_in: u64,
    /// Rows from the future that were diverted.
    pub skewed: u64,
    /// Rows that broke the bound of their own split in a merge, and are late everywhere.
    pub out_of_bound: u64,
    /// Keys that the operator knows.
    pub keys: u64,
    /// One entry a detector, in the order in which they were composed.
    pub detectors: Vec<DetectorMetrics>,
}

/// What one detector did with the rows that it read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DetectorMetrics {
    /// Rows that were applied.
    pub applied: u64,
    /// Rows that came too late.
    pub late: u64,
    /// Rows that repeated one that was applied.
    pub duplicate: u64,
    /// Rows that it emitted.
    pub emitted: u64,
}

#[derive(Debug, Default)]
pub(crate) struct SourceStats {
    read: AtomicU64,
    decoded: AtomicU64,
    dead: AtomicU64,
    rows: AtomicU64,
}

impl SourceStats {
    pub(crate) fn count(&self, read: u64, decoded: u64, dead: u64, rows: u64) {
        self.read.fetch_add(read, Ordering::Relaxed);
        self.decoded.fetch_add(decoded, Ordering::Relaxed);
        self.dead.fetch_add(dead, Ordering::Relaxed);
        self.rows.fetch_add(rows, Ordering::Relaxed);
    }
}

/// One cell a worker; each is written by its worker alone.
#[derive(Debug)]
pub(crate) struct KeyedStats {
    workers: Vec<Mutex<OperatorMetrics>>,
}

impl KeyedStats {
    pub(crate) fn publish(
        &self,
        worker: usize,
        rows_in: u64,
        skewed: u64,
        out_of_bound: u64,
        keys: u64,
        books: &[Book],
    ) {
        let detectors = books.iter().map(|b| DetectorMetrics {
            applied: b.applied,
            late: b.late,
            duplicate: b.duplicate,
            emitted: b.emitted,
        });
        // Only this worker writes the cell, and a reader holds it for the length of a copy.
        let mut cell = self.workers[worker].lock().unwrap_or_else(PoisonError::into_inner);
        cell.detectors.clear();
        cell.detectors.extend(detectors);
        (cell.rows_in, cell.skewed, cell.out_of_bound, cell.keys) = (rows_in, skewed, out_of_bound, keys);
    }

    fn sum(&self) -> OperatorMetrics {
        let mut sum = OperatorMetrics::default();
        for cell in &self.workers {
            let part = cell.lock().unwrap_or_else(PoisonError::into_inner);
            sum.rows_in += part.rows_in;
            sum.skewed += part.skewed;
            sum.out_of_bound += part.out_of_bound;
            sum.keys += part.keys;
            sum.detectors.resize_with(part.detectors.len().max(sum.detectors.len()), Default::default);
            for (sum, part) in sum.detectors.iter_mut().zip(&part.detectors) {
                sum.applied += part.applied;
                sum.late += part.late;
                sum.duplicate += part.duplicate;
                sum.emitted += part.emitted;
            }
        }
        sum
    }
}

/// All counters of one job; no global state, so that two jobs never mix.
#[derive(Debug)]
pub(crate) struct Registry {
    workers: usize,
    pub(crate) epochs_closed: AtomicU64,
    pub(crate) epochs_cut: AtomicU64,
    sources: Mutex<BTreeMap<String, Arc<SourceStats>>>,
    keyed: Mutex<BTreeMap<String, Arc<KeyedStats>>>,
    sinks: Mutex<BTreeMap<String, Arc<AtomicU64>>>,
}

fn entry<T>(map: &Mutex<BTreeMap<String, Arc<T>>>, name: &str, make: impl FnOnce() -> T) -> Arc<T> {
    let mut map = map.lock().unwrap_or_else(PoisonError::into_inner);
    map.entry(name.to_owned()).or_insert_with(|| Arc::new(make())).clone()
}

impl Registry {
    pub(crate) fn new(workers: usize) -> Self {
        Registry {
            workers,
            epochs_closed: AtomicU64::new(0),
            epochs_cut: AtomicU64::new(0),
            sources: Mutex::default(),
            keyed: Mutex::default(),
            sinks: Mutex::default(),
        }
    }

    /// Begins every counter of a plan at zero, so that none is missing before its first row.
    pub(crate) fn begin_at_zero(&self, plan: &Plan) {
        for (_, node) in plan.named() {
            match node.kind {
                Kind::Source { .. } => drop(self.source(&node.name)),
                Kind::Keyed { .. } => drop(self.keyed(&node.name)),
                Kind::Sink { .. } => drop(self.sink(&node.name)),
                Kind::DeadLetters | Kind::Stateless(_) | Kind::Table { .. } | Kind::View => {}
            }
        }
    }

    pub(crate) fn source(&self, name: &str) -> Arc<SourceStats> {
        entry(&self.sources, name, SourceStats::default)
    }

    pub(crate) fn keyed(&self, name: &str) -> Arc<KeyedStats> {
        entry(&self.keyed, name, || KeyedStats { workers: (0..self.workers).map(|_| Mutex::default()).collect() })
    }

    pub(crate) fn sink(&self, name: &str) -> Arc<AtomicU64> {
        entry(&self.sinks, name, AtomicU64::default)
    }

    pub(crate) fn snapshot(&self) -> Metrics {
        let load = |cell: &AtomicU64| cell.load(Ordering::Relaxed);
        let closed = load(&self.epochs_closed);
        Metrics {
            epochs_closed: closed,
            epochs_in_flight: load(&self.epochs_cut).saturating_sub(closed),
            sources: each(&self.sources, |s| SourceMetrics {
                read: load(&s.read),
                decoded: load(&s.decoded),
                dead: load(&s.dead),
                rows: load(&s.rows),
            }),
            operators: each(&self.keyed, KeyedStats::sum),
            sinks: each(&self.sinks, load),
        }
    }
}

fn each<T, M>(map: &Mutex<BTreeMap<String, Arc<T>>>, read: impl Fn(&T) -> M) -> BTreeMap<String, M> {
    let map = map.lock().unwrap_or_else(PoisonError::into_inner);
    map.iter().map(|(name, stats)| (name.clone(), read(stats))).collect()
}
