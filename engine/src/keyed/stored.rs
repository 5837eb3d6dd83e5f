//! What a checkpoint holds of a key: all that its operator needs to go on as if nothing had happened.
//!
//! Not here, for they are the same on every worker: the clocks of splits and of arrival. Nor the counters, which begin anew.

use std::collections::BTreeMap;

use super::Fused;
use super::admission::{KeyTime, WrongClocks};
use super::fused::Found;
use super::operator::Core;
use super::slots::{Slot, Slots};
use super::timers::{Clocks, Instants, Timers};
use crate::data::{row_from_bytes, row_to_bytes};
use crate::durable::StateType;
use crate::key::key_group;
use crate::{Error, Key, State, Timed};

/// One key. Times are in milliseconds, each on its own clock.
#[derive(Clone, Debug, Default, PartialEq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
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
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Entry {
    pub(crate) group: u16,
    pub(crate) key: Vec<u8>,
    pub(crate) state: Vec<u8>,
}

impl Entry {
    /// About what it takes of memory and of an object.
    pub(crate) fn bytes(&self) -> usize {
        size_of::<Entry>() + self.key.len() + self.state.len()
    }
}

/// A copy of a key.
pub(super) struct SetAside<F: Fused> {
    key: F::Key,
    time: KeyTime,
    due_arrival_ms: Option<i64>,
    wrong_clock: Option<(i64, u32)>,
    states: F::States,
}

impl<F: Fused> SetAside<F> {
    pub(super) fn of(
        s: &Slot<F::Key, F::States>,
        due_arrival_ms: Option<i64>,
        wrong_clock: Option<(i64, u32)>,
    ) -> Self {
        SetAside { key: s.key.clone(), time: s.time.clone(), due_arrival_ms, wrong_clock, states: s.states.clone() }
    }

    /// The key as an object holds it.
    ///
    /// # Errors
    /// `E0525` if the key cannot be encoded, `E0501` if a state cannot.
    pub(super) fn entry(&self) -> Result<Entry, Error> {
        let mut states = Vec::new();
        F::encode(&self.states, &mut states)?;
        let remembered = Remembered {
            max_event_ms: self.time.max_event_ms,
            due_event_ms: self.time.due_event_ms,
            due_quiet_ms: self.time.due_quiet_ms,
            due_arrival_ms: self.due_arrival_ms,
            split: self.time.split,
            many_splits: self.time.many_splits,
            wrong_clock: self.wrong_clock,
            states,
        };
        Ok(Entry {
            group: key_group(self.key.stable_hash()),
            key: row_to_bytes(&self.key)?,
            state: remembered.encode()?,
        })
    }
}

impl<F: Fused<In: Timed>, KF: Fn(&F::In) -> F::Key> Core<F, KF> {
    /// Goes on with the clocks as they were.
    pub(crate) fn resume(&mut self, clocks: Clocks) {
        self.limit_ms = clocks.limit_ms(&self.bounds);
        self.clocks = clocks;
    }

    /// Takes keys over as they were when they were written down, with states of these types, before the first row; of a key that was
    /// written down several times, what comes first. Written `anew`, they count as changed.
    ///
    /// # Errors
    /// `E0526` if the bytes are not such a key, `E0502` if they are not its state; those of [`State::migrate`].
    pub(crate) fn restore(&mut self, some: &[(&[u8], &[u8])], types: &[StateType], anew: bool) -> Result<(), Error> {
        let key_of = |(key, _): &(&[u8], &[u8])| {
            let key: F::Key = row_from_bytes(key)?;
            let hash = key.stable_hash();
            self.slots.ask_index(hash);
            Ok((key, hash))
        };
        let keys: Vec<(F::Key, u64)> = some.iter().map(key_of).collect::<Result<_, Error>>()?;
        for ((key, hash), (_, state)) in keys.into_iter().zip(some) {
            self.take_over(key, hash, state, types, anew)?;
        }
        Ok(())
    }

    fn take_over(
        &mut self,
        key: F::Key,
        hash: u64,
        state: &[u8],
        types: &[StateType],
        anew: bool,
    ) -> Result<(), Error> {
        let (known, likely) = (self.slots.len(), self.slots.likely(hash));
        if self.slots.peek(likely).is_some_and(|slot| slot.key == key) {
            return Ok(());
        }
        let was = Remembered::decode(state)?;
        let states = F::decode(&mut Found::new(types, &was.states))?;
        let (slot, s) = self.slots.find(key, likely);
        if slot < known {
            return Ok(());
        }
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
        if anew {
            self.about_to_change(slot);
        }
        Ok(())
    }
}

impl<F: Fused<In: Timed>, KF: Fn(&F::In) -> F::Key> Core<F, KF> {
    /// Writes down what has changed since the last time, beside what was `stored` before; forgets everything, and goes on
    /// from what is stored, as a job does that comes back to a checkpoint.
    ///
    /// # Errors
    /// As [`written_down`](Core::written_down) and [`restore`](Core::restore).
    pub(super) fn rehearse(&mut self, stored: &mut BTreeMap<(u16, Vec<u8>), Vec<u8>>) -> Result<(), Error> {
        self.begin_checkpoint();
        self.set_aside(usize::MAX);
        stored.extend(self.written_down()?.into_iter().map(|entry| ((entry.group, entry.key), entry.state)));
        (self.slots, self.timers) = (Slots::new(), Timers::default());
        (self.instants, self.wrong_clocks) = (Instants::default(), WrongClocks::default());
        let clocks = std::mem::replace(&mut self.clocks, Clocks::new());
        self.resume(clocks);
        let mut types = Vec::new();
        F::types_into(&mut types);
        let types: Vec<StateType> = types.into_iter().map(|one| one.writes).collect();
        stored.iter().try_for_each(|((_, key), state)| self.restore(&[(key, state)], &types, false))
    }
}

#[cfg(test)]
mod tests;
