//! Lazy timers on the quiet clocks of splits, and on the arrival clock.
//!
//! A key has at most one entry of either kind, at the earliest of its detectors' wishes. A wish for later leaves it alone: when it fires
//! the detectors look, and ask again.
//! Entries fire in (due, hash) order, at most `FIRED_PER_GROUP` of a key group at one tick; the rest keep their place
//! and fire at the next, whatever the number of workers.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use crate::batch::DERIVED;
use crate::control::{Health, Signal};
use crate::key::key_group;
use crate::time::EventTime;

/// Timers that one key group fires at one tick: bounds the work of a tick after an outage.
pub(crate) const FIRED_PER_GROUP: u32 = 256;

/// The arrival clock, and for each split the time that its silence did not count.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Clocks {
    arrival_ms: i64,
    splits: BTreeMap<u32, SplitClock>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct SplitClock {
    frozen_since_ms: Option<i64>,
    lost_ms: i64,
}

impl Clocks {
    pub(crate) fn new() -> Self {
        Clocks { arrival_ms: i64::MIN, splits: BTreeMap::new() }
    }

    pub(crate) fn arrival_ms(&self) -> i64 {
        self.arrival_ms
    }

    /// Event times above this are from the future; before the first tick none is.
    pub(crate) fn limit_ms(&self, bounds: &EventTime) -> i64 {
        if self.arrival_ms == i64::MIN { i64::MAX } else { self.arrival_ms.saturating_add(bounds.max_skew_ms) }
    }

    /// The quiet clock of a split: arrival, less what was lost to outages. Of rows that an operator emitted it is that of
    /// the split that caused them.
    pub(crate) fn quiet_ms(&self, split: u32) -> i64 {
        match self.splits.get(&(split & !DERIVED)) {
            Some(clock) => clock.frozen_since_ms.unwrap_or(self.arrival_ms).saturating_sub(clock.lost_ms),
            None => self.arrival_ms,
        }
    }

    pub(crate) fn tick(&mut self, arrival_ms: i64) {
        self.arrival_ms = self.arrival_ms.max(arrival_ms);
    }

    /// Follows a signal as every operator does.
    pub(crate) fn hear(&mut self, signal: &Signal) {
        match signal {
            Signal::Tick { arrival_ms } => self.tick(*arrival_ms),
            Signal::Split { split, health } => self.health(*split, *health),
            Signal::Commit { .. } | Signal::End | Signal::Closed => {}
        }
    }

    pub(crate) fn health(&mut self, split: u32, health: Health) {
        let now = self.arrival_ms;
        let clock = self.splits.entry(split).or_default();
        match (health, clock.frozen_since_ms) {
            (Health::Frozen, None) => clock.frozen_since_ms = Some(now),
            (Health::Live | Health::Ended, Some(since)) => {
                clock.frozen_since_ms = None;
                // Before the first tick the clock has no reading, so nothing can have been lost.
                clock.lost_ms += if since == i64::MIN { 0 } else { now - since };
            }
            _ => {}
        }
    }
}

/// Entries by split, then by (due on that split's quiet clock, hash, slot).
#[derive(Debug, Default)]
pub(crate) struct Timers {
    queues: BTreeMap<u32, Queue>,
}

/// When an entry is due, the hash of its key, and its slot.
pub(crate) type Due = (i64, u64, u32);
type Queue = BTreeSet<Due>;

impl Timers {
    /// A key is fed by another split from now on: its entry, if it has one, moves along.
    pub(crate) fn moved(&mut self, from: u32, to: u32, due_ms: i64, hash: u64, slot: u32) {
        if due_ms != i64::MAX {
            self.disarm(from, due_ms, hash, slot);
            self.arm(to, due_ms, hash, slot);
        }
    }

    pub(crate) fn arm(&mut self, split: u32, due_ms: i64, hash: u64, slot: u32) {
        self.queues.entry(split).or_default().insert((due_ms, hash, slot));
    }

    pub(crate) fn disarm(&mut self, split: u32, due_ms: i64, hash: u64, slot: u32) {
        if let Some(queue) = self.queues.get_mut(&split) {
            queue.remove(&(due_ms, hash, slot));
        }
    }

    /// Takes out the slots whose time has come, in order and within the cap of each key group.
    pub(crate) fn due(&mut self, clocks: &Clocks) -> Vec<u32> {
        let mut of_group = HashMap::new();
        let mut slots = Vec::new();
        for (split, queue) in &mut self.queues {
            for entry in ripe(queue, clocks.quiet_ms(*split), &mut of_group) {
                queue.remove(&entry);
                slots.push(entry.2);
            }
        }
        slots
    }
}

/// The entries of a queue that are due by `now_ms`, in order, as far as their groups have room.
fn ripe(queue: &Queue, now_ms: i64, of_group: &mut HashMap<u16, u32>) -> Vec<Due> {
    let has_room = |(_, hash, _): &&Due| {
        let fired = of_group.entry(key_group(*hash)).or_default();
        *fired += 1;
        *fired <= FIRED_PER_GROUP
    };
    queue.iter().take_while(|(due_ms, _, _)| *due_ms <= now_ms).filter(has_room).copied().collect()
}

/// Wishes on the plain arrival clock, at most one a key. Few keys have one, so they are kept apart from the keys.
#[derive(Debug, Default)]
pub(crate) struct Instants {
    queue: Queue,
    of_slot: HashMap<u32, i64>,
}

impl Instants {
    /// The wish of a slot, if it has one.
    pub(crate) fn of(&self, slot: u32) -> Option<i64> {
        self.of_slot.get(&slot).copied()
    }

    /// Of several wishes the earliest holds.
    pub(crate) fn wish(&mut self, due_ms: i64, hash: u64, slot: u32) {
        let before = self.of_slot.get(&slot).copied();
        if before.is_none_or(|before_ms| due_ms < before_ms) {
            if let Some(before_ms) = before {
                self.queue.remove(&(before_ms, hash, slot));
            }
            self.of_slot.insert(slot, due_ms);
            self.queue.insert((due_ms, hash, slot));
        }
    }

    /// The entries whose time has come, in order and within the cap of each key group.
    pub(crate) fn due(&self, arrival_ms: i64) -> Vec<Due> {
        ripe(&self.queue, arrival_ms, &mut HashMap::new())
    }

    /// Takes entries out.
    pub(crate) fn take(&mut self, due: &[Due]) {
        for entry in due {
            self.queue.remove(entry);
            self.of_slot.remove(&entry.2);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_does_not_count_as_silence() {
        let mut clocks = Clocks::new();
        clocks.tick(1_000);
        clocks.health(7, Health::Frozen);
        clocks.tick(61_000);
        assert_eq!(clocks.quiet_ms(7), 1_000);
        assert_eq!(clocks.quiet_ms(8), 61_000);
        clocks.health(7, Health::Live);
        clocks.tick(62_000);
        assert_eq!(clocks.quiet_ms(7), 2_000);
    }

    #[test]
    fn the_cap_is_per_key_group_and_carries_over_in_order() {
        let mut timers = Timers::default();
        let mut clocks = Clocks::new();
        let more = FIRED_PER_GROUP + 10;
        for slot in 0..more {
            timers.arm(0, i64::from(slot), 5, slot);
        }
        timers.arm(0, 0, 1 << 60, more);
        clocks.tick(10_000);
        let first = timers.due(&clocks);
        assert_eq!(first.len() as u32, FIRED_PER_GROUP + 1);
        let rest = timers.due(&clocks);
        assert_eq!(rest, (FIRED_PER_GROUP..more).collect::<Vec<_>>());
        assert!(timers.due(&clocks).is_empty());
    }

    #[test]
    fn of_several_instants_the_earliest_holds() {
        let mut instants = Instants::default();
        for due_ms in [500, 300, 400] {
            instants.wish(due_ms, 7, 1);
        }
        instants.wish(i64::MIN, 9, 2);
        let fire = |instants: &mut Instants, arrival_ms| {
            let due = instants.due(arrival_ms);
            instants.take(&due);
            due.into_iter().map(|(_, _, slot)| slot).collect::<Vec<_>>()
        };
        assert_eq!(fire(&mut instants, 299), [2]);
        assert_eq!((instants.of(1), fire(&mut instants, 300), instants.of(1)), (Some(300), vec![1], None));
        assert_eq!(fire(&mut instants, i64::MAX), [0u32; 0]);
        (0..300).for_each(|slot| instants.wish(i64::from(300 - slot), 5, slot as u32));
        assert_eq!(fire(&mut instants, 1_000), (44..300).rev().collect::<Vec<_>>());
        assert_eq!(fire(&mut instants, 1_000), (0..44).rev().collect::<Vec<_>>());
    }
}
