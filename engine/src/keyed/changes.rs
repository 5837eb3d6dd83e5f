//! Which keys have changed since the last checkpoint, and which of the one under way have yet to be set aside.
//!
//! A checkpoint stops nothing: it holds every key as it was when it began, and keys are set aside a few at a time. One
//! that is about to change before its turn is set aside first. To set aside is to copy: what a copy is as bytes is found out
//! where that holds up no row.

use super::Fused;
use super::admission::WrongClocks;
use super::operator::Core;
use super::slots::Slot;
use super::stored::{Entry, SetAside};
use super::timers::Instants;
use crate::{Error, Timed};

/// The changes of one operator's keys. Memory: 4 bytes for each key that changed since the last checkpoint, and the
/// copies that were not taken.
pub(super) struct Changes<F: Fused> {
    /// 0 while no checkpoints are made. Else 1 and 2 in turn, from checkpoint to checkpoint: a key that changed bears the
    /// round in which it did, until it is set aside.
    round: u8,
    /// Slots that changed in this round.
    changed: Vec<u32>,
    /// Slots that changed in the round before. Those that bear it still are to be set aside.
    pending: Vec<u32>,
    copies: Vec<SetAside<F>>,
}

impl<F: Fused> Changes<F> {
    /// Keeps account from the first row on if checkpoints are to be made.
    pub(super) fn new(checkpoints: bool) -> Self {
        Changes { round: u8::from(checkpoints), changed: Vec::new(), pending: Vec::new(), copies: Vec::new() }
    }

    /// Whether a change of a key has been noted already, or need not be.
    #[inline(always)]
    pub(super) fn knows(&self, changed_in: u8) -> bool {
        changed_in == self.round
    }

    fn before(&self) -> u8 {
        3 - self.round
    }

    /// Notes that a key is about to change. What the checkpoint under way needs of it is set aside first.
    #[cold]
    pub(super) fn note(
        &mut self,
        slot: u32,
        s: &mut Slot<F::Key, F::States>,
        instants: &Instants,
        wrong_clocks: &WrongClocks,
    ) {
        if s.time.changed_in == self.before() {
            self.copies.push(SetAside::of(s, instants.of(slot), wrong_clocks.of(slot)));
        }
        s.time.changed_in = self.round;
        self.changed.push(slot);
    }

    /// How many copies wait to be taken.
    pub(super) fn copies(&self) -> usize {
        self.copies.len()
    }

    /// Takes at most so many copies.
    pub(super) fn take(&mut self, most: usize) -> Vec<SetAside<F>> {
        if self.copies.len() <= most {
            return std::mem::take(&mut self.copies);
        }
        self.copies.split_off(self.copies.len() - most)
    }
}

impl<F: Fused<In: Timed>, KF: Fn(&F::In) -> F::Key> Core<F, KF> {
    /// A key is about to change.
    pub(super) fn about_to_change(&mut self, slot: u32) {
        let s = self.slots.get(slot);
        if !self.changes.knows(s.time.changed_in) {
            self.changes.note(slot, s, &self.instants, &self.wrong_clocks);
        }
    }

    /// Begins a checkpoint of all keys as they are now. The keys of one that is under way are set aside before. O(1) else.
    /// Whether every key is to be set aside.
    pub(super) fn begin_checkpoint(&mut self) -> bool {
        self.set_aside(usize::MAX);
        let changes = &mut self.changes;
        std::mem::swap(&mut changes.changed, &mut changes.pending);
        changes.round = changes.before();
        changes.pending.len() == self.slots.len() as usize
    }

    /// Sets aside at most so many keys of the checkpoint under way. Whether that was the last.
    pub(super) fn set_aside(&mut self, most: usize) -> bool {
        let left = self.changes.pending.len().saturating_sub(most);
        for slot in self.changes.pending.split_off(left) {
            let s = self.slots.get(slot);
            if s.time.changed_in == self.changes.before() {
                self.changes.copies.push(SetAside::of(s, self.instants.of(slot), self.wrong_clocks.of(slot)));
                s.time.changed_in = 0;
            }
        }
        left == 0
    }

    /// What was set aside of the checkpoint under way, written down.
    ///
    /// # Errors
    /// `E0525` if a key could not be encoded, `E0501` if a state could not.
    pub(super) fn written_down(&mut self) -> Result<Vec<Entry>, Error> {
        self.changes.take(usize::MAX).iter().map(SetAside::entry).collect()
    }
}
