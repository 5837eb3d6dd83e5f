//! One slot a key: its event time and the states of its detectors, found by one hash look-up.

use super::admission::KeyTime;
use crate::Key;

/// Hot fields first: with small keys, what every row touches lies in one cache line.
#[derive(Debug)]
#[repr(C)]
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
    slots: Vec<Slot<K, S>>,
}

impl<K: Key, S: Default> Slots<K, S> {
    pub(crate) fn new() -> Self {
        Slots { index: vec![EMPTY; 64], slots: Vec::new() }
    }

    /// The slot of a key, made if it is new.
    #[inline]
    pub(crate) fn find(&mut self, key: K) -> u32 {
        let hash = key.stable_hash();
        let mask = self.index.len() - 1;
        // The upper bits choose the worker; the lower ones are still even among its keys.
        let mut at = hash as usize & mask;
        loop {
            let entry = self.index[at];
            if entry.slot == EMPTY.slot {
                return self.insert(key, hash, at);
            }
            if entry.half == (hash >> 32) as u32 && self.slots[entry.slot as usize].key == key {
                return entry.slot;
            }
            at = (at + 1) & mask;
        }
    }

    #[cold]
    fn insert(&mut self, key: K, hash: u64, at: usize) -> u32 {
        let slot = self.slots.len() as u32;
        self.slots.push(Slot { time: KeyTime::new(), key, states: S::default() });
        self.index[at] = Entry { half: (hash >> 32) as u32, slot };
        if 2 * self.slots.len() > self.index.len() {
            self.grow();
        }
        slot
    }

    fn grow(&mut self) {
        let mut wider = vec![EMPTY; 4 * self.index.len()];
        let mask = wider.len() - 1;
        for (slot, of) in self.slots.iter().enumerate() {
            let hash = of.key.stable_hash();
            let mut at = hash as usize & mask;
            while wider[at].slot != EMPTY.slot {
                at = (at + 1) & mask;
            }
            wider[at] = Entry { half: (hash >> 32) as u32, slot: slot as u32 };
        }
        self.index = wider;
    }

    #[inline]
    pub(crate) fn get(&mut self, slot: u32) -> &mut Slot<K, S> {
        &mut self.slots[slot as usize]
    }

    pub(crate) fn len(&self) -> u32 {
        self.slots.len() as u32
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
                prop_assert_eq!(slots.find(key), *model.entry(key).or_insert(next));
                prop_assert_eq!(slots.get(model[&key]).key, key);
            }
            prop_assert_eq!(slots.len() as usize, model.len());
        }
    }
}
