//! One slot a key: its event time and the states of its detectors, found by one hash look-up.

use prefetch_index::prefetch_index;

use super::admission::KeyTime;
use crate::Key;

/// Hot fields first, and a cache line each: with a small key, what every row touches is the first line.
#[derive(Debug)]
#[repr(C, align(64))]
pub(crate) struct Slot<K, S> {
    pub(crate) time: KeyTime,
    pub(crate) key: K,
    pub(crate) states: S,
}

/// An entry of the index: half of the hash, which spares most look-ups of a wrong slot, and the slot.
#[derive(Clone, Copy, Debug)]
struct Entry {
    half: u32,
    slot: u32,
}

const EMPTY: Entry = Entry { half: 0, slot: u32::MAX };

/// All keys of one worker. Slots never move between indices, so an index stays good.
///
/// The index is open addressing with linear probing at a load of at most one half: one cache line a look-up where a
/// general table needs two, and the hash is the one that routed the row.
#[derive(Debug)]
pub(crate) struct Slots<K, S> {
    index: Vec<Entry>,
    /// In chunks, so that a new key never moves the others: no pause, no spare room for as many keys again.
    chunks: Vec<Vec<Slot<K, S>>>,
    len: u32,
}

/// Slots of a chunk; a power of two.
const CHUNK: usize = 256;

#[inline]
fn within(slot: u32) -> (usize, usize) {
    (slot as usize / CHUNK, slot as usize % CHUNK)
}

impl<K: Key, S: Default> Slots<K, S> {
    pub(crate) fn new() -> Self {
        Slots { index: vec![EMPTY; 64], chunks: Vec::new(), len: 0 }
    }

    /// The slot of a key, made if it is new. `likely` is looked at first.
    #[inline(always)]
    pub(crate) fn find(&mut self, key: K, likely: u32) -> (u32, &mut Slot<K, S>) {
        let slot = if self.peek(likely).is_some_and(|slot| slot.key == key) { likely } else { self.search(key) };
        (slot, self.get(slot))
    }

    #[cold]
    fn search(&mut self, key: K) -> u32 {
        let hash = key.stable_hash();
        let mask = self.index.len() - 1;
        // The upper bits choose the worker; the lower ones are still even among its keys.
        let mut at = hash as usize & mask;
        loop {
            let entry = self.index[at];
            if entry.slot == EMPTY.slot {
                return self.insert(key, hash, at);
            }
            if entry.half == (hash >> 32) as u32 && self.get(entry.slot).key == key {
                return entry.slot;
            }
            at = (at + 1) & mask;
        }
    }

    /// The slot of a key with this hash, most likely; beyond all slots if there is none.
    #[inline]
    pub(crate) fn likely(&self, hash: u64) -> u32 {
        let mask = self.index.len() - 1;
        let mut at = hash as usize & mask;
        loop {
            let entry = self.index[at];
            if entry.half == (hash >> 32) as u32 || entry.slot == EMPTY.slot {
                return entry.slot;
            }
            at = (at + 1) & mask;
        }
    }

    /// Asks for the memory of the index that a look-up of this hash reads.
    #[inline]
    pub(crate) fn ask_index(&self, hash: u64) {
        prefetch_index(&self.index, hash as usize & (self.index.len() - 1));
    }

    /// Asks for the memory of a slot, if there is one.
    #[inline]
    pub(crate) fn ask(&self, slot: u32) {
        let (chunk, at) = within(slot);
        if let Some(chunk) = self.chunks.get(chunk) {
            prefetch_index(chunk, at);
        }
    }

    #[inline]
    pub(crate) fn peek(&self, slot: u32) -> Option<&Slot<K, S>> {
        let (chunk, at) = within(slot);
        self.chunks.get(chunk)?.get(at)
    }

    #[cold]
    fn insert(&mut self, key: K, hash: u64, at: usize) -> u32 {
        let slot = self.len;
        self.len += 1;
        let fresh = Slot { time: KeyTime::new(), key, states: S::default() };
        match self.chunks.last_mut().filter(|chunk| chunk.len() < CHUNK) {
            Some(chunk) => chunk.push(fresh),
            None => {
                let mut chunk = Vec::with_capacity(CHUNK);
                chunk.push(fresh);
                self.chunks.push(chunk);
            }
        }
        self.index[at] = Entry { half: (hash >> 32) as u32, slot };
        if 2 * self.len as usize > self.index.len() {
            self.grow();
        }
        slot
    }

    fn grow(&mut self) {
        let mut wider = vec![EMPTY; 4 * self.index.len()];
        let mask = wider.len() - 1;
        for (slot, of) in self.chunks.iter().flatten().enumerate() {
            let hash = of.key.stable_hash();
            let mut at = hash as usize & mask;
            while wider[at].slot != EMPTY.slot {
                at = (at + 1) & mask;
            }
            wider[at] = Entry { half: (hash >> 32) as u32, slot: slot as u32 };
        }
        self.index = wider;
    }

    #[inline(always)]
    pub(crate) fn get(&mut self, slot: u32) -> &mut Slot<K, S> {
        let (chunk, at) = within(slot);
        &mut self.chunks[chunk][at]
    }

    pub(crate) fn len(&self) -> u32 {
        self.len
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    proptest! {
        #[test]
        fn every_key_keeps_its_own_slot(keys in prop::collection::vec(0u64..500, 0..2_000)) {
            let mut slots: Slots<u64, u32> = Slots::new();
            let mut model: HashMap<u64, u32> = HashMap::new();
            for key in keys {
                let next = model.len() as u32;
                prop_assert_eq!(slots.find(key, 0).0, *model.entry(key).or_insert(next));
                prop_assert_eq!(slots.get(model[&key]).key, key);
                prop_assert_eq!(slots.likely(key.stable_hash()), model[&key]);
            }
            prop_assert_eq!(slots.len() as usize, model.len());
        }
    }
}
