//! The panes of one key: a ring of aggregate parts, the oldest at the head.

use watchfire_engine::{ask_for, rkyv};

use super::tree::Tree;

/// Rings of up to so many panes lie in the state itself: no pointer to follow on a row. A power of two.
const FLAT: usize = 8;

/// Rings of up to so many panes are merged pane by pane; above that a tree is cheaper. A power of two.
const RING: usize = 32;

/// A ring of panes. Pane `k` is the `k`-th after the head; a pane without rows holds nothing.
///
/// What every row reads stands in the first three bytes, not within a part where the compiler finds room for it.
#[derive(Clone, Debug, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
#[repr(u8)]
pub(super) enum Panes<P> {
    /// Bit `s` of the mask says that slot `s` has rows; the parts of other slots have none.
    Flat { head: u8, mask: u8, parts: [P; FLAT] },
    /// The same, behind a pointer.
    Ring { head: u8, mask: u32, parts: Box<[P]> },
    /// Boxed, for it is rare and must not make every key larger.
    Tree(Box<Large<P>>),
}

/// A ring over a tree. As many panes have rows as `occupied`, none from pane `len` on.
#[derive(Clone, Debug, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub(super) struct Large<P> {
    head: u32,
    occupied: u32,
    len: u32,
    tree: Tree<P>,
}

impl<P: Default> Default for Panes<P> {
    fn default() -> Self {
        Panes::Flat { head: 0, mask: 0, parts: std::array::from_fn(|_| P::default()) }
    }
}

impl<P: Clone + Default> Large<P> {
    fn leaf_mut(&mut self, k: usize) -> &mut Option<P> {
        self.tree.leaf_mut((self.head as usize + k) & (self.tree.cap() - 1))
    }
}

impl<P: Clone + Default> Panes<P> {
    /// Makes room for at least `panes` panes.
    #[cold]
    pub(super) fn reserve(&mut self, panes: usize) {
        if panes <= self.cap() {
            return;
        }
        let cap = panes.next_power_of_two();
        let mut wider = if cap <= RING {
            Panes::Ring { head: 0, mask: 0, parts: (0..cap).map(|_| P::default()).collect() }
        } else {
            Panes::Tree(Box::new(Large { head: 0, occupied: 0, len: 0, tree: Tree::new(cap) }))
        };
        for k in 0..self.len() {
            if let Some(part) = self.get(k) {
                let (place, made) = wider.open(k);
                *place = part.clone();
                wider.settle(k, made, true);
            }
        }
        *self = wider;
    }

    #[inline]
    pub(super) fn cap(&self) -> usize {
        match self {
            Panes::Flat { .. } => FLAT,
            Panes::Ring { parts, .. } => parts.len(),
            Panes::Tree(large) => large.tree.cap(),
        }
    }

    /// One more than the last pane that has rows.
    pub(super) fn len(&self) -> usize {
        match self {
            Panes::Flat { head, mask, .. } => len(usize::from(*head), u32::from(*mask), FLAT),
            Panes::Ring { head, mask, parts } => len(usize::from(*head), *mask, parts.len()),
            Panes::Tree(large) => large.len as usize,
        }
    }

    /// No pane has rows.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        match self {
            Panes::Flat { mask, .. } => *mask == 0,
            Panes::Ring { mask, .. } => *mask == 0,
            Panes::Tree(large) => large.occupied == 0,
        }
    }

    /// Pane `k`, to add a row to, and whether it was made for that. [`settle`](Self::settle) must follow.
    #[inline(always)]
    pub(super) fn open(&mut self, k: usize) -> (&mut P, bool) {
        match self {
            Panes::Flat { head, parts, .. } => (&mut parts[(*head as usize + k) & (FLAT - 1)], false),
            Panes::Ring { head, parts, .. } => {
                let slot = (*head as usize + k) & (parts.len() - 1);
                (&mut parts[slot], false)
            }
            Panes::Tree(large) => {
                let leaf = large.leaf_mut(k);
                let made = leaf.is_none();
                (leaf.get_or_insert_with(P::default), made)
            }
        }
    }

    /// Closes pane `k` again: if it `has_rows` now it counts, and if it was `made` in vain it is forgotten.
    #[inline(always)]
    pub(super) fn settle(&mut self, k: usize, made: bool, has_rows: bool) {
        match self {
            Panes::Flat { head, mask, .. } => *mask |= u8::from(has_rows) << ((*head as usize + k) & (FLAT - 1)),
            Panes::Ring { head, mask, parts } => {
                *mask |= u32::from(has_rows) << ((*head as usize + k) & (parts.len() - 1));
            }
            Panes::Tree(large) if has_rows => {
                large.occupied += u32::from(made);
                large.len = large.len.max(k as u32 + 1);
            }
            Panes::Tree(large) if made => *large.leaf_mut(k) = None,
            Panes::Tree(_) => {}
        }
    }

    /// Asks for the memory of pane `k`, unless it lies in a tree.
    #[inline]
    pub(super) fn ask_for(&self, k: usize) {
        match self {
            Panes::Flat { head, parts, .. } => ask_for(&parts[(*head as usize + k) & (FLAT - 1)]),
            Panes::Ring { head, parts, .. } => ask_for(&parts[(*head as usize + k) & (parts.len() - 1)]),
            Panes::Tree(_) => {}
        }
    }

    /// Pane `k` if it has rows.
    #[inline]
    pub(super) fn get(&self, k: usize) -> Option<&P> {
        match self {
            Panes::Flat { head, mask, parts } => {
                let slot = (*head as usize + k) & (FLAT - 1);
                (k < FLAT && mask >> slot & 1 == 1).then(|| &parts[slot])
            }
            Panes::Ring { head, mask, parts } => {
                let slot = (*head as usize + k) & (parts.len() - 1);
                (k < parts.len() && mask >> slot & 1 == 1).then(|| &parts[slot])
            }
            Panes::Tree(large) if k < large.tree.cap() => {
                large.tree.leaf((large.head as usize + k) & (large.tree.cap() - 1))
            }
            Panes::Tree(_) => None,
        }
    }

    /// The first pane from `k` on that has rows.
    pub(super) fn next_occupied(&self, k: usize) -> Option<usize> {
        (k..self.len()).find(|k| self.get(*k).is_some())
    }

    /// Changes pane `k` if it has rows.
    #[inline]
    pub(super) fn change<R>(&mut self, k: usize, change: impl FnOnce(&mut P) -> R) -> Option<R> {
        self.get(k).is_some().then(|| change(self.open(k).0))
    }

    /// The merge of the panes `from..to` in time order; `None` if none of them has rows.
    #[inline]
    pub(super) fn merged(&mut self, from: usize, to: usize, merge: impl Fn(&mut P, &P)) -> Option<P> {
        // A window may reach beyond the ring, where no pane has rows.
        let to = to.min(self.cap());
        let from = from.min(to);
        match self {
            Panes::Flat { head, mask, parts } => {
                merged(parts, usize::from(*head) + from, to - from, u32::from(*mask), merge)
            }
            Panes::Ring { head, mask, parts } => merged(parts, usize::from(*head) + from, to - from, *mask, merge),
            Panes::Tree(large) => large.tree.merged_ring(large.head as usize, from, to - from, &merge),
        }
    }

    /// Forgets the first `panes` panes and moves the head past them. `spare` has no rows; a pane to come may begin with it.
    pub(super) fn advance(&mut self, panes: usize, spare: &mut P) {
        let cap = self.cap();
        match self {
            Panes::Flat { head, mask, parts } => {
                *mask = forget(parts, usize::from(*head), panes, u32::from(*mask), spare) as u8;
                *head = ((usize::from(*head) + panes) & (cap - 1)) as u8;
            }
            Panes::Ring { head, mask, parts } => {
                *mask = forget(parts, usize::from(*head), panes, *mask, spare);
                *head = ((usize::from(*head) + panes) & (cap - 1)) as u8;
            }
            Panes::Tree(large) => {
                let Large { head, occupied, len, tree } = &mut **large;
                for k in 0..panes.min(*len as usize) {
                    let slot = (*head as usize + k) & (cap - 1);
                    if tree.leaf(slot).is_some() {
                        *tree.leaf_mut(slot) = None;
                        *occupied -= 1;
                    }
                }
                tree.touch(*head as usize);
                *head = ((*head as usize + panes) & (cap - 1)) as u32;
                *len = len.saturating_sub(panes as u32);
            }
        }
    }

    /// Moves the head back over `panes` panes without rows. Room for them must have been reserved.
    pub(super) fn retreat(&mut self, panes: usize) {
        let cap = self.cap();
        let back = |head: usize| (head + cap - panes % cap) & (cap - 1);
        match self {
            Panes::Flat { head, .. } | Panes::Ring { head, .. } => *head = back(usize::from(*head)) as u8,
            Panes::Tree(large) => {
                large.tree.touch(large.head as usize);
                large.head = back(large.head as usize) as u32;
                large.len += if large.len == 0 { 0 } else { panes as u32 };
            }
        }
    }
}

/// One more than the last pane of a ring of `cap` that has rows.
fn len(head: usize, mask: u32, cap: usize) -> usize {
    (0..cap).rev().find(|k| mask >> ((head + k) & (cap - 1)) & 1 == 1).map_or(0, |k| k + 1)
}

/// The merge of the `count` slots from the `first`-th on that have rows.
#[inline(always)]
fn merged<P: Clone>(parts: &[P], first: usize, count: usize, mask: u32, merge: impl Fn(&mut P, &P)) -> Option<P> {
    let mut slots = (first..first + count).map(|n| n & (parts.len() - 1)).filter(|slot| mask >> slot & 1 == 1);
    let mut all = parts[slots.next()?].clone();
    for slot in slots {
        merge(&mut all, &parts[slot]);
    }
    Some(all)
}

/// Empties the first `panes` slots from the head on; the mask of those that still have rows.
#[inline(always)]
fn forget<P: Default>(parts: &mut [P], head: usize, panes: usize, mut mask: u32, spare: &mut P) -> u32 {
    for n in head..head + panes.min(parts.len()) {
        let slot = n & (parts.len() - 1);
        if mask >> slot & 1 == 1 {
            mask &= !(1 << slot);
            parts[slot] = std::mem::take(spare);
        }
    }
    mask
}

#[cfg(test)]
mod tests;
