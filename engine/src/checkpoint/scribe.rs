//! The thread that writes checkpoints, and may wait for their store.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};

use async_channel::{Receiver, Sender};

use super::{Capture, Checkpointing, Handed, Part};
use crate::Error;
use crate::durable::{
    Checkpoints, Entry as Record, GroupStates, Log, Manifest, OperatorState, Prepared, StateFile, States, Store,
    compact, patiently,
};
use crate::job::shared::Shared;
use crate::job::writing::{Urgency, start_writing};
use crate::keyed::Entry;
use crate::turns;

/// Orders that wait before operators keep what they have written down.
const ORDERS_WAITING: usize = 16;

/// An object is stored when it has about so many bytes.
const OBJECT_BYTES: usize = 4 << 20;

/// What is no longer needed is looked for after so many checkpoints.
const COLLECT_EVERY: u64 = 8;

/// What the thread is to do, in order.
pub(crate) enum Order {
    /// Store keys.
    Part(Part),
    /// Everything has acknowledged: make the checkpoint.
    Complete(Box<Complete>),
    /// Write down that everything prepared up to this checkpoint is visible.
    Committed(u64),
    /// Write down that the job has been drained.
    Finished,
}

/// What a checkpoint is made of.
pub(crate) struct Complete {
    pub(crate) checkpoint: u64,
    pub(crate) capture: Capture,
    /// One entry for each keyed operator on each worker.
    pub(crate) handed: Vec<Handed>,
    /// What each sink has prepared, if anything.
    pub(crate) prepared: BTreeMap<String, Option<Vec<u8>>>,
}

/// How far the thread has come.
#[derive(Debug, Default)]
pub(crate) struct Status {
    durable: AtomicU64,
    finished: AtomicBool,
    /// Orders of the leader that have been carried out.
    done: AtomicU64,
}

impl Status {
    /// The newest checkpoint that is durable.
    pub(crate) fn durable(&self) -> u64 {
        self.durable.load(Ordering::Acquire)
    }

    pub(crate) fn finished(&self) -> bool {
        self.finished.load(Ordering::Acquire)
    }

    /// How many orders of the leader have been carried out.
    pub(crate) fn done(&self) -> u64 {
        self.done.load(Ordering::Acquire)
    }
}

/// What the thread holds.
pub(crate) struct Scribe {
    store: Arc<dyn Store>,
    log: Log,
    config: Checkpointing,
    /// What every manifest says of the flow.
    flow: Manifest,
    /// How many workers hand over for each operator.
    workers: usize,
    /// The next part. Counts on from checkpoint to checkpoint, so that no name is given twice.
    part: u32,
    checkpoints: u64,
    rx: Receiver<Order>,
    status: Arc<Status>,
    shared: Arc<Shared>,
}

impl Scribe {
    /// Starts the thread. `flow` says of the job and its flow what every manifest says, and holds the chains so far.
    ///
    /// # Errors
    /// `E0902` if the thread cannot be started.
    pub(crate) fn start(
        store: Arc<dyn Store>,
        log: Log,
        config: Checkpointing,
        flow: Manifest,
        workers: usize,
        shared: &Arc<Shared>,
    ) -> Result<(Sender<Order>, Arc<Status>), Error> {
        let (tx, rx) = async_channel::bounded(ORDERS_WAITING);
        let status = Arc::new(Status::default());
        let scribe = Scribe {
            store,
            log,
            config,
            flow,
            workers,
            part: 0,
            checkpoints: 0,
            rx,
            status: status.clone(),
            shared: shared.clone(),
        };
        let name = ("watchfire-checkpoints", "writing a checkpoint");
        start_writing(name, Urgency::Background, &tx, shared, move || scribe.all())?;
        Ok((tx, status))
    }

    fn all(mut self) -> Result<(), Error> {
        while let Ok(order) = turns::receive(&self.rx) {
            if self.shared.failed() {
                break;
            }
            match order {
                Order::Part(part) => {
                    self.store_part(part)?;
                    continue;
                }
                Order::Complete(complete) => self.complete(*complete)?,
                Order::Committed(checkpoint) => self.append(&Record::Committed { checkpoint })?,
                Order::Finished => {
                    self.append(&Record::Finished)?;
                    self.status.finished.store(true, Ordering::Release);
                }
            }
            self.status.done.fetch_add(1, Ordering::AcqRel);
            self.shared.wake(0);
        }
        Ok(())
    }

    fn next_part(&mut self) -> u32 {
        self.part += 1;
        self.part
    }

    fn store_part(&mut self, part: Part) -> Result<(), Error> {
        let Part { tray, checkpoint, entries, last } = part;
        let entries = entries().map_err(|e| e.at(format!("operator \"{}\"", tray.operator)))?;
        let mut gathered = tray.gathered.lock().unwrap_or_else(PoisonError::into_inner);
        gathered.bytes += entries.iter().map(Entry::bytes).sum::<usize>();
        gathered.entries.extend(entries);
        if gathered.bytes >= OBJECT_BYTES || last && !gathered.entries.is_empty() {
            gathered.bytes = 0;
            let groups = in_groups(std::mem::take(&mut gathered.entries));
            let states = States { operator: tray.operator.clone(), types: tray.types.clone(), groups };
            let (bytes, file) = states.encode(self.log.generation(), checkpoint, self.next_part())?;
            drop(states);
            self.put(&file.name, &bytes)?;
            gathered.files.push(file);
        }
        if last {
            tray.lay(checkpoint, std::mem::take(&mut gathered.files));
        }
        Ok(())
    }

    fn complete(&mut self, complete: Complete) -> Result<(), Error> {
        let Complete { checkpoint, capture, handed, prepared } = complete;
        let (ingest, sources) = capture.finish()?;
        let (bytes, file) = ingest.encode(self.log.generation(), checkpoint, self.next_part())?;
        self.put(&file.name, &bytes)?;
        extend(&mut self.flow.operators, handed, self.workers);
        let hex = |bytes: Vec<u8>| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let manifest = Manifest {
            checkpoint,
            sources,
            arrival_ms: ingest.ticker.0,
            ingest: Some(file),
            sinks: prepared
                .into_iter()
                .map(|(sink, bytes)| (sink, vec![Prepared { part: 0, committable: bytes.map(hex) }]))
                .collect(),
            ..self.flow.clone()
        };
        self.append(&Record::Checkpoint(Box::new(manifest)))?;
        self.status.durable.store(checkpoint, Ordering::Release);
        self.shared.wake(0);
        self.checkpoints += 1;
        self.tidy(checkpoint)
    }

    /// Puts long chains together, and deletes what nothing needs. Neither is needed to go on: what fails is tried again
    /// after the next checkpoint.
    fn tidy(&mut self, checkpoint: u64) -> Result<(), Error> {
        let long: Vec<String> = self
            .flow
            .operators
            .iter()
            .filter(|(_, operator)| self.config.chain.is_long(&operator.files))
            .map(|(name, _)| name.clone())
            .collect();
        for name in long {
            let chain = self.flow.operators[&name].files.clone();
            // Named for the next checkpoint, that nobody who tidies up takes them for what is left of an earlier one.
            let of = (self.log.generation(), checkpoint + 1);
            match compact(&*self.store, &chain, &self.config.chain, of, self.part + 1) {
                Ok(base) => {
                    self.part += base.len() as u32;
                    if let Some(operator) = self.flow.operators.get_mut(&name) {
                        operator.files = base;
                    }
                }
                Err(error) => {
                    // Whatever it has written may be there under its name.
                    self.part += crate::KEY_GROUPS as u32;
                    tracing::warn!(operator = %name, %error, "cannot put the objects of an operator together");
                }
            }
        }
        if self.checkpoints % COLLECT_EVERY == 1 {
            match Checkpoints::new(self.store.clone()).prune(self.config.keep) {
                Ok(gone) => tracing::debug!(objects = gone.len(), "deleted what no checkpoint needs"),
                Err(error) => tracing::warn!(%error, "cannot delete what no checkpoint needs"),
            }
        }
        Ok(())
    }

    fn put(&self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        patiently(&self.shared, &self.shared.checkpoints_wait, || Ok(self.store.put(name, bytes)?))
    }

    fn append(&mut self, entry: &Record) -> Result<(), Error> {
        patiently(&self.shared, &self.shared.checkpoints_wait, || self.log.append(entry.clone()).map(|_| ()))
    }
}

/// Keys by their groups, both rising.
fn in_groups(mut entries: Vec<Entry>) -> Vec<GroupStates> {
    entries.sort_unstable();
    let mut groups: Vec<GroupStates> = Vec::new();
    for Entry { group, key, state } in entries {
        if groups.last().is_none_or(|last| last.group != group) {
            groups.push(GroupStates { group, entries: Vec::new() });
        }
        if let Some(last) = groups.last_mut() {
            last.entries.push((key, Some(state)));
        }
    }
    groups
}

/// Adds what was handed over to the chains of the operators. Where every worker has written down every key, the chain begins
/// anew.
fn extend(operators: &mut BTreeMap<String, OperatorState>, handed: Vec<Handed>, workers: usize) {
    for (name, operator) in operators {
        let mine: Vec<&Handed> = handed.iter().filter(|one| one.operator == *name).collect();
        let complete = mine.len() == workers && mine.iter().all(|one| one.complete);
        if complete {
            operator.files.clear();
        }
        let files = mine.iter().flat_map(|one| &one.files).cloned();
        operator.files.extend(files.map(|file| StateFile { base: complete, ..file }));
    }
}
