//! A sink that fails, and notices what a real one would not forgive.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::world::{Chances, outage};
use crate::decode::EncodedRow;
use crate::sink::{CommitMode, Sink, Writer};
use crate::source::{Failure, Fut};

/// A sink of any mode, made by [`World::sink`](super::World::sink). Clones share their target.
///
/// Calls fail now and then, done or not. The target is as strict as a real one: an older generation is fenced, an epoch that comes
/// again must have the same rows, an id the same bytes, and what is committed must have been prepared.
#[derive(Clone, Debug)]
pub struct FaultySink {
    mode: CommitMode,
    target: Arc<Mutex<Target>>,
    chances: Arc<Chances>,
}

#[derive(Debug, Default)]
struct Target {
    generation: u64,
    /// Written and not prepared, by generation and epoch.
    written: BTreeMap<u64, BTreeMap<u64, Vec<EncodedRow>>>,
    /// By generation and commit.
    prepared: BTreeMap<(u64, u64), Vec<EncodedRow>>,
    committed: BTreeSet<(u64, u64)>,
    epochs: BTreeMap<u64, Vec<EncodedRow>>,
    ids: BTreeMap<String, EncodedRow>,
    visible: Vec<EncodedRow>,
    /// What no sink would forgive.
    wrong: Vec<String>,
    /// The call that fails for good, counted down.
    doom: Option<u64>,
}

impl FaultySink {
    pub(super) fn new(mode: CommitMode, chances: Arc<Chances>) -> Self {
        FaultySink { mode, target: Arc::default(), chances }
    }

    fn target(&self) -> MutexGuard<'_, Target> {
        self.target.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What can be seen in it: by id the last row where ids name rows, else all rows in the order in which they became visible.
    pub fn visible(&self) -> Vec<EncodedRow> {
        let target = self.target();
        match self.mode {
            CommitMode::ByKey => target.ids.values().cloned().collect(),
            CommitMode::ByEpoch => target.epochs.values().flatten().cloned().collect(),
            CommitMode::AtLeastOnce | CommitMode::TwoPhase => target.visible.clone(),
        }
    }

    pub(super) fn mode(&self) -> CommitMode {
        self.mode
    }

    pub(super) fn wrong(&self) -> Vec<String> {
        self.target().wrong.clone()
    }

    /// The n-th call from now on fails for good; none if nothing is said.
    pub(super) fn doom(&self, nth: Option<u64>) {
        self.target().doom = nth;
    }

    /// Before and after the work of a call: whether it fails.
    fn call(&self, generation: u64) -> Result<(), Failure> {
        // It lets others go on, so it comes first: what follows a call is done by whoever was not fenced then.
        self.chances.try_call()?;
        let mut target = self.target();
        if generation < target.generation {
            return Err(Failure::Fenced);
        }
        target.doom = target.doom.map(|left| left.saturating_sub(1));
        if target.doom == Some(0) {
            return Err(Failure::Fatal(outage("the sink has failed for good")));
        }
        Ok(())
    }
}

impl Sink for FaultySink {
    fn commit_mode(&self) -> CommitMode {
        self.mode
    }

    fn open(&self, _part: usize, generation: u64) -> Fut<'_, Result<Box<dyn Writer>, Failure>> {
        Box::pin(async move {
            self.call(generation)?;
            let mut target = self.target();
            target.generation = target.generation.max(generation);
            drop(target);
            Ok(Box::new(Writes { sink: self.clone(), generation }) as Box<dyn Writer>)
        })
    }
}

struct Writes {
    sink: FaultySink,
    generation: u64,
}

impl Target {
    fn write(&mut self, mode: CommitMode, generation: u64, epoch: u64, rows: &[EncodedRow]) {
        match mode {
            CommitMode::AtLeastOnce => self.visible.extend_from_slice(rows),
            CommitMode::TwoPhase => _ = self.written.entry(generation).or_default().insert(epoch, rows.to_vec()),
            CommitMode::ByKey => {
                for row in rows {
                    let Some(id) = row.id.clone() else { continue };
                    let before = self.ids.insert(id.clone(), row.clone());
                    if before.is_some_and(|before| before != *row) {
                        self.wrong.push(format!("id {id} came again with other bytes"));
                    }
                }
            }
            CommitMode::ByEpoch if self.epochs.last_key_value().is_some_and(|(last, _)| *last >= epoch) => {
                if self.epochs.get(&epoch).map(Vec::as_slice) != Some(rows) {
                    self.wrong.push(format!("epoch {epoch} came again with other rows"));
                }
            }
            CommitMode::ByEpoch => _ = self.epochs.insert(epoch, rows.to_vec()),
        }
    }

    fn commit(&mut self, ticket: (u64, u64)) {
        match self.prepared.get(&ticket) {
            _ if self.committed.contains(&ticket) => {}
            Some(rows) => {
                self.visible.extend_from_slice(rows);
                self.committed.insert(ticket);
            }
            None => self.wrong.push(format!("commit {} of generation {} is not prepared", ticket.1, ticket.0)),
        }
    }
}

/// Generation and commit as bytes, and back.
fn ticket_of(bytes: &[u8]) -> Option<(u64, u64)> {
    let (a, b) = bytes.split_at_checked(8)?;
    Some((u64::from_le_bytes(a.try_into().ok()?), u64::from_le_bytes(b.try_into().ok()?)))
}

impl Writer for Writes {
    fn write<'a>(&'a mut self, epoch: u64, rows: &'a [EncodedRow]) -> Fut<'a, Result<(), Failure>> {
        Box::pin(async move {
            self.sink.call(self.generation)?;
            self.sink.target().write(self.sink.mode, self.generation, epoch, rows);
            self.sink.call(self.generation)
        })
    }

    fn prepare(&mut self, commit: u64) -> Fut<'_, Result<Option<Vec<u8>>, Failure>> {
        Box::pin(async move {
            self.sink.call(self.generation)?;
            let mut target = self.sink.target();
            let written = target.written.remove(&self.generation).unwrap_or_default();
            let rows = written.into_values().flatten();
            let ticket = (self.generation, commit);
            target.prepared.entry(ticket).or_default().extend(rows);
            drop(target);
            self.sink.call(self.generation)?;
            let bytes = [ticket.0.to_le_bytes(), ticket.1.to_le_bytes()].concat();
            Ok((self.sink.mode == CommitMode::TwoPhase).then_some(bytes))
        })
    }

    fn commit<'a>(&'a mut self, _commit: u64, committable: &'a [u8]) -> Fut<'a, Result<(), Failure>> {
        Box::pin(async move {
            self.sink.call(self.generation)?;
            let ticket = ticket_of(committable).ok_or_else(|| Failure::Fatal(outage("no ticket of this sink")))?;
            self.sink.target().commit(ticket);
            self.sink.call(self.generation)
        })
    }

    fn abort_older(&mut self) -> Fut<'_, Result<(), Failure>> {
        Box::pin(async move {
            self.sink.call(self.generation)?;
            let mut target = self.sink.target();
            target.written.retain(|generation, _| *generation >= self.generation);
            let Target { prepared, committed, .. } = &mut *target;
            prepared.retain(|ticket, _| ticket.0 >= self.generation || committed.contains(ticket));
            drop(target);
            self.sink.call(self.generation)
        })
    }
}
