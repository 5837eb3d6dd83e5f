//! Which keys have changed since the last checkpoint, and which of the one under way have yet to be written down.
//!
//! A checkpoint stops nothing: it holds every key as it was when it began, and keys are written down a few at a time. One
//! that is about to change before its turn is written down first.

use super::Fused;
use super::admission::WrongClocks;
use super::operator::Core;
use super::slots::Slot;
use super::stored::{Entry, entry_of};
use super::timers::Instants;
use crate::{Error, Timed};

/// The changes of one operator's keys. Memory: 4 bytes for each key that changed since the last checkpoint, and the
/// entries that were not taken.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// 0 while no checkpoints are made. Else 1 and 2 in turn, from checkpoint to checkpoint: a key that changed bears the
    /// round in which it did, until it is written down.
    round: u8,
    /// Slots that changed in this round.
    changed: Vec<u32>,
    /// Slots that changed in the round before. Those that bear it still are to be written down.
    pending: Vec<u32>,
    entries: Vec<Entry>,
    failed: Option<Error>,
}

impl Changes {
    /// Keeps account from the first row on if checkpoints are to be made.
    pub(super) fn new(checkpoints: bool) -> Self {
        Changes { round: u8::from(checkpoints), ..Changes::default() }
    }

    /// Whether a change of a key has been noted already, or need not be.
    #[inline(always)]
    pub(super) fn knows(&self, changed_in: u8) -> bool {
        changed_in == self.round
    }

    fn before(&self) -> u8 {
        3 - self.round
    }

    /// Notes that a key is about to change. What the checkpoint under way needs of it is written down first.
    #[cold]
    pub(super) fn note<F: Fused>(
        &mut self,
        slot: u32,
        s: &mut Slot<F::Key, F::States>,
        instants: &Instants,
        wrong_clocks: &WrongClocks,
    ) {
        if s.time.changed_in == self.before() {
            self.write_down::<F>(slot, s, instants, wrong_clocks);
        }
        s.time.changed_in = self.round;
        self.changed.push(slot);
    }

    fn write_down<F: Fused>(
        &mut self,
        slot: u32,
        s: &Slot<F::Key, F::States>,
        instants: &Instants,
        wrong_clocks: &WrongClocks,
    ) {
        match entry_of::<F>(s, instants.of(slot), wrong_clocks.of(slot)) {
            Ok(entry) => self.entries.push(entry),
            Err(error) => _ = self.failed.get_or_insert(error),
        }
    }
}

impl<F: Fused<In: Timed>, KF: Fn(&F::In) -> F::Key> Core<F, KF> {
    /// A key is about to change.
    pub(super) fn about_to_change(&mut self, slot: u32) {
        let s = self.slots.get(slot);
        if !self.changes.knows(s.time.changed_in) {
            self.changes.note::<F>(slot, s, &self.instants, &self.wrong_clocks);
        }
    }

    /// Begins a checkpoint of all keys as they are now. One that is under way is finished before. O(1) else. Whether every
    /// key is to be written down.
    pub(super) fn begin_checkpoint(&mut self) -> bool {
        self.write_down(usize::MAX);
        let changes = &mut self.changes;
        std::mem::swap(&mut changes.changed, &mut changes.pending);
        changes.round = changes.before();
        changes.pending.len() == self.slots.len() as usize
    }

    /// Writes down at most so many keys of the checkpoint under way. Whether that was the last.
    pub(super) fn write_down(&mut self, most: usize) -> bool {
        let left = self.changes.pending.len().saturating_sub(most);
        for slot in self.changes.pending.split_off(left) {
            let s = self.slots.get(slot);
            if s.time.changed_in == self.changes.before() {
                self.changes.write_down::<F>(slot, s, &self.instants, &self.wrong_clocks);
                s.time.changed_in = 0;
            }
        }
        left == 0
    }

    /// Takes what was written down of the checkpoint under way.
    ///
    /// # Errors
    /// `E0525` if a key could not be encoded, `E0501` if a state could not.
    pub(super) fn written_down(&mut self) -> Result<Vec<Entry>, Error> {
        match self.changes.failed.take() {
            Some(error) => Err(error),
            None => Ok(std::mem::take(&mut self.changes.entries)),
        }
    }
}
