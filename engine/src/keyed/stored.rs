//! What a checkpoint holds of a key: all that its operator needs to go on as if nothing had happened.
//!
//! Not here, for they are the same on every worker: the clocks of splits and of arrival. Nor the counters, which begin anew.

use super::Fused;
use super::admission::WrongClocks;
use super::operator::Core;
use super::slots::Slots;
use super::timers::{Clocks, Instants, Timers};
use crate::data::{from_bytes, to_bytes};
use crate::key::key_group;
use crate::{Error, Key, State, Timed};

/// One key. Times are in milliseconds, each on its own clock.
#[derive(Debug, Default, PartialEq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
struct Remembered {
    max_event_ms: i64,
    due_event_ms: i64,
    due_quiet_ms: i64,
    due_arrival_ms: Option<i64>,
    /// The split that fed the key last.
    split: u32,
    many_splits: bool,
    /// What is taken off the key's event times, and how many rows in a row were from the future.
    wrong_clock: Option<(i64, u32)>,
    /// As bytes, in the order of the detectors.
    states: Vec<Vec<u8>>,
}

impl State for Remembered {
    const NAME: &'static str = "watchfire.key";
    const VERSION: u32 = 1;
}

/// A key as an object holds it. In an object they rise by group, then by key.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Entry {
    pub(crate) group: u16,
    pub(crate) key: Vec<u8>,
    pub(crate) state: Vec<u8>,
}

impl<F: Fused<In: Timed>, KF: Fn(&F::In) -> F::Key> Core<F, KF> {
    /// A key as it is now. Nothing for a slot that is not in use.
    ///
    /// # Errors
    /// `E0525` if the key cannot be encoded, `E0501` if a state cannot.
    pub(crate) fn remember(&self, slot: u32) -> Result<Option<Entry>, Error> {
        let Some(s) = self.slots.peek(slot) else { return Ok(None) };
        let mut states = Vec::new();
        F::encode(&s.states, &mut states)?;
        let remembered = Remembered {
            max_event_ms: s.time.max_event_ms,
            due_event_ms: s.time.due_event_ms,
            due_quiet_ms: s.time.due_quiet_ms,
            due_arrival_ms: self.instants.of(slot),
            split: s.time.split,
            many_splits: s.time.many_splits,
            wrong_clock: self.wrong_clocks.of(slot),
            states,
        };
        let key = to_bytes(&s.key)?;
        Ok(Some(Entry { group: key_group(s.key.stable_hash()), key, state: remembered.encode()? }))
    }

    /// Goes on with the clocks as they were.
    pub(crate) fn resume(&mut self, clocks: Clocks) {
        self.limit_ms = clocks.limit_ms(&self.bounds);
        self.clocks = clocks;
    }

    /// Takes a key over as it was when [`remember`](Core::remember) wrote it. Each key once, before the first row.
    ///
    /// # Errors
    /// `E0526` if the bytes are not such a key, `E0502` if they are not its state.
    pub(crate) fn restore(&mut self, key: &[u8], state: &[u8]) -> Result<(), Error> {
        let key: F::Key = from_bytes(key)?;
        let was = Remembered::decode(state)?;
        let states = F::decode(&mut was.states.iter())?;
        let hash = key.stable_hash();
        let (slot, s) = self.slots.find(key, self.slots.likely(hash));
        s.states = states;
        let time = &mut s.time;
        (time.max_event_ms, time.due_event_ms, time.due_quiet_ms) =
            (was.max_event_ms, was.due_event_ms, was.due_quiet_ms);
        (time.split, time.many_splits) = (was.split, was.many_splits);
        if let Some(clock) = was.wrong_clock {
            self.wrong_clocks.restore(slot, time, clock);
        }
        if was.due_quiet_ms != i64::MAX {
            self.timers.arm(was.split, was.due_quiet_ms, hash, slot);
        }
        if let Some(due_ms) = was.due_arrival_ms {
            self.instants.wish(due_ms, hash, slot);
        }
        Ok(())
    }
}

impl<F: Fused<In: Timed>, KF: Fn(&F::In) -> F::Key> Core<F, KF> {
    /// Forgets everything, and goes on from what a checkpoint would hold.
    ///
    /// # Errors
    /// As [`remember`](Core::remember) and [`restore`](Core::restore).
    pub(crate) fn rehearse(&mut self) -> Result<(), Error> {
        let entries: Result<Vec<Option<Entry>>, Error> =
            (0..self.slots.len()).map(|slot| self.remember(slot)).collect();
        let mut entries: Vec<Entry> = entries?.into_iter().flatten().collect();
        entries.sort_unstable();
        (self.slots, self.timers) = (Slots::new(), Timers::default());
        (self.instants, self.wrong_clocks) = (Instants::default(), WrongClocks::default());
        let clocks = std::mem::replace(&mut self.clocks, Clocks::new());
        self.resume(clocks);
        entries.iter().try_for_each(|entry| self.restore(&entry.key, &entry.state))
    }
}

#[cfg(test)]
mod tests;
