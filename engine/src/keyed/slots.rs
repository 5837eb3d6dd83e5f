//! One slot a key: its event time and the states of its detectors, found by one hash look-up.

use hashbrown::HashTable;

use super::admission::KeyTime;
use crate::Key;

#[derive(Debug)]
pub(crate) struct Slot<K, S> {
    pub(crate) time: KeyTime,
    pub(crate) key: K,
    pub(crate) hash: u64,
    pub(crate) states: S,
}

/// All keys of one worker. Slots never move between indices, so an index stays good.
#[derive(Debug)]
pub(crate) struct Slots<K, S> {
    /// Half of the hash beside the index spares most look-ups of a wrong slot.
    index: HashTable<(u32, u32)>,
    slots: Vec<Slot<K, S>>,
}

impl<K: Key, S: Default> Slots<K, S> {
    pub(crate) fn new() -> Self {
        Slots { index: HashTable::new(), slots: Vec::new() }
    }

    /// The slot of a key, made if it is new.
    #[inline]
    pub(crate) fn find(&mut self, key: K) -> u32 {
        let hash = key.stable_hash();
        let slots = &self.slots;
        match self.index.find(hash, |(half, slot)| *half == hash as u32 && slots[*slot as usize].key == key) {
            Some((_, slot)) => *slot,
            None => self.insert(key, hash),
        }
    }

    #[cold]
    fn insert(&mut self, key: K, hash: u64) -> u32 {
        let slot = self.slots.len() as u32;
        self.slots.push(Slot { time: KeyTime::new(), key, hash, states: S::default() });
        let slots = &self.slots;
        self.index.insert_unique(hash, (hash as u32, slot), |(_, slot)| slots[*slot as usize].hash);
        slot
    }

    #[inline]
    pub(crate) fn get(&mut self, slot: u32) -> &mut Slot<K, S> {
        &mut self.slots[slot as usize]
    }

    pub(crate) fn len(&self) -> u32 {
        self.slots.len() as u32
    }
}
