//! The thread that writes the epoch log, and may wait for its store.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_channel::{Receiver, Sender};

use super::part::{Part, Place};
use super::{Heard, Hears, Logged, PreparedFor};
use crate::Error;
use crate::durable::{Fence, Store, patiently};
use crate::job::shared::Shared;
use crate::job::writing::{Urgency, start_writing};
use crate::turns;

/// Epochs that wait to be logged before no more are cut.
const EPOCHS_WAITING: usize = 64;

/// A part takes no further epoch when it has about so many bytes.
const PART_BYTES: usize = 4 << 20;

enum Entry {
    Epoch { epoch: u64, heard: Vec<Hears> },
    Prepared { checkpoint: u64, sinks: PreparedFor },
}

/// How far the thread has come.
#[derive(Debug, Default)]
struct Status {
    epoch: AtomicU64,
    prepared: AtomicU64,
}

/// The leader's end.
pub(crate) struct EpochLog {
    tx: Sender<Entry>,
    status: Arc<Status>,
}

/// Where a generation goes on in the log.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GoesOn {
    pub(crate) generation: u64,
    /// The part that its first follows.
    pub(crate) after: Option<Place>,
    /// The last epoch before its own.
    pub(crate) before: u64,
}

impl GoesOn {
    /// Writes a part without epochs, which says what counts of the log before: nothing that a generation which has been fenced
    /// may yet write. Before anything that the start does can be seen.
    ///
    /// # Errors
    /// A [`StoreError`](crate::durable::StoreError) as an [`Error`].
    pub(crate) fn mark(self, store: &dyn Store, fingerprint: u64) -> Result<GoesOn, Error> {
        let GoesOn { generation, after, before } = self;
        let place = Place(generation, before, 0);
        let part = Part { fingerprint, before, after, epochs: Vec::new(), prepared: Vec::new() };
        store.put(&place.name(), &part.encode()?)?;
        Ok(GoesOn { after: Some(place), ..self })
    }
}

impl EpochLog {
    /// Starts the thread that writes.
    ///
    /// # Errors
    /// `E0902` if the thread cannot be started.
    pub(crate) fn start(
        store: Arc<dyn Store>,
        fingerprint: u64,
        on: GoesOn,
        shared: &Arc<Shared>,
    ) -> Result<Self, Error> {
        let (tx, rx) = async_channel::bounded(EPOCHS_WAITING);
        let status = Arc::new(Status { epoch: AtomicU64::new(on.before), prepared: AtomicU64::new(0) });
        let fence = Fence::of(on.generation);
        let (status_too, shared_too) = (status.clone(), shared.clone());
        let writes = Writes { store, fingerprint, on, number: 0, fence, rx, status: status_too, shared: shared_too };
        let name = ("watchfire-epochs", "writing the epoch log");
        start_writing(name, Urgency::Waited, &tx, shared, move || writes.all())?;
        Ok(EpochLog { tx, status })
    }

    /// Whether an epoch can be taken; the leader is woken when one can again.
    pub(crate) fn has_room(&self) -> bool {
        !self.tx.is_full()
    }

    /// Takes an epoch. There must be room.
    pub(crate) fn take(&self, epoch: u64, heard: Vec<Hears>) {
        // It is refused only when the thread has ended, and then the job has failed.
        let _ = self.tx.try_send(Entry::Epoch { epoch, heard });
    }

    /// Takes what sinks have prepared for a checkpoint; false if there is no room now.
    pub(crate) fn prepare(&self, checkpoint: u64, sinks: &BTreeMap<String, Option<Vec<u8>>>) -> bool {
        let sinks = sinks.iter().filter_map(|(sink, bytes)| Some((sink.clone(), bytes.clone()?.into()))).collect();
        self.tx.try_send(Entry::Prepared { checkpoint, sinks }).is_ok()
    }

    /// The last epoch that is logged.
    pub(crate) fn epoch(&self) -> u64 {
        self.status.epoch.load(Ordering::Acquire)
    }

    /// The last checkpoint for which it is logged what sinks have prepared.
    pub(crate) fn prepared(&self) -> u64 {
        self.status.prepared.load(Ordering::Acquire)
    }
}

/// The thread's end.
struct Writes {
    store: Arc<dyn Store>,
    fingerprint: u64,
    on: GoesOn,
    /// Of the last part.
    number: u32,
    fence: Fence,
    rx: Receiver<Entry>,
    status: Arc<Status>,
    shared: Arc<Shared>,
}

impl Writes {
    /// What waits when a part has been written makes the next: the slower the store, the larger the parts.
    fn all(mut self) -> Result<(), Error> {
        while let Ok(entry) = turns::receive(&self.rx) {
            if self.shared.failed() {
                break;
            }
            let GoesOn { after, before, .. } = self.on;
            let mut part =
                Part { fingerprint: self.fingerprint, before, after, epochs: Vec::new(), prepared: Vec::new() };
            let mut bytes = add(&mut part, entry)?;
            while bytes < PART_BYTES
                && let Ok(entry) = self.rx.try_recv()
            {
                bytes += add(&mut part, entry)?;
            }
            self.write(&part)?;
        }
        Ok(())
    }

    fn write(&mut self, part: &Part) -> Result<(), Error> {
        let epoch = part.epochs.last().map_or(part.before, |logged| logged.epoch);
        self.number += 1;
        let place = Place(self.on.generation, epoch, self.number);
        let (name, bytes) = (place.name(), part.encode()?);
        patiently(&self.shared, &self.shared.epochs_wait, || Ok(self.store.put(&name, &bytes)?))?;
        // Whoever fenced this generation before the part was durable has not read it.
        patiently(&self.shared, &self.shared.epochs_wait, || self.fence.check(&*self.store))?;
        (self.on.after, self.on.before) = (Some(place), epoch);
        self.status.epoch.store(epoch, Ordering::Release);
        if let Some((checkpoint, _)) = part.prepared.last() {
            self.status.prepared.store(*checkpoint, Ordering::Release);
        }
        self.shared.wake(0);
        Ok(())
    }
}

/// Adds an entry to a part, and tells about how many bytes it takes.
fn add(part: &mut Part, entry: Entry) -> Result<usize, Error> {
    match entry {
        Entry::Epoch { epoch, heard } => {
            let heard = heard.into_iter().map(Hears::heard).collect::<Result<Vec<_>, Error>>()?;
            let bytes = heard
                .iter()
                .map(|heard| if let Heard::Rows { rows, .. } = heard { rows.len() } else { 0 })
                .sum::<usize>()
                + heard.len() * size_of::<Heard>();
            part.epochs.push(Logged { epoch, heard });
            Ok(bytes)
        }
        Entry::Prepared { checkpoint, sinks } => {
            let bytes = sinks.values().map(bytes::Bytes::len).sum();
            part.prepared.push((checkpoint, sinks));
            Ok(bytes)
        }
    }
}
