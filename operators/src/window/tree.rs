//! A segment tree over a ring of panes: any run of panes is merged in logarithmic time.

use watchfire_engine::rkyv;

/// Leaves are the slots of a ring of `cap` panes (a power of two); an inner node holds the merge of its two halves.
#[derive(Clone, Debug, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub(super) struct Tree<P> {
    /// Node `1` is the root, the children of `i` are `2 i` and `2 i + 1`, leaf `s` is `cap + s`.
    nodes: Vec<Option<P>>,
    /// Leaves that changed since the inner nodes were last brought up to date.
    stale: Vec<u32>,
}

impl<P: Clone> Tree<P> {
    pub(super) fn new(cap: usize) -> Self {
        Tree { nodes: vec![None; 2 * cap], stale: Vec::new() }
    }

    pub(super) fn cap(&self) -> usize {
        self.nodes.len() / 2
    }

    pub(super) fn leaf(&self, slot: usize) -> Option<&P> {
        self.nodes[self.cap() + slot].as_ref()
    }

    /// The leaf, to be changed by the caller.
    pub(super) fn leaf_mut(&mut self, slot: usize) -> &mut Option<P> {
        self.touch(slot);
        let cap = self.cap();
        &mut self.nodes[cap + slot]
    }

    /// The inner nodes over a slot are to be brought up to date: its leaf changes, or the ring no longer begins there.
    pub(super) fn touch(&mut self, slot: usize) {
        // Rows mostly fall into the pane of the row before.
        if self.stale.last() != Some(&(slot as u32)) {
            if self.stale.len() >= self.nodes.len() {
                self.stale.sort_unstable();
                self.stale.dedup();
            }
            self.stale.push(slot as u32);
        }
    }

    /// Brings the inner nodes up to date. A node over both the last and the first slot of the ring stays empty: it would
    /// merge against the order of time, and no run needs it.
    fn refresh(&mut self, head: usize, merge: &impl Fn(&mut P, &P)) {
        let cap = self.cap();
        let mut stale = std::mem::take(&mut self.stale);
        stale.sort_unstable();
        stale.dedup();
        let mut level: Vec<usize> = stale.iter().map(|slot| (cap + *slot as usize) / 2).collect();
        let mut slots = 2;
        while level.first().is_some_and(|node| *node > 0) {
            level.dedup();
            for node in &level {
                let first = node * slots - cap;
                let astride = first < head && head < first + slots;
                let (low, high) = (self.nodes[2 * node].as_ref(), self.nodes[2 * node + 1].as_ref());
                self.nodes[*node] = if astride { None } else { join(low, high, merge) };
            }
            level.iter_mut().for_each(|node| *node /= 2);
            slots *= 2;
        }
        stale.clear();
        self.stale = stale;
    }

    /// The merge of the `count` slots from the `from`-th on of the ring that begins at `head`, in order.
    pub(super) fn merged_ring(
        &mut self,
        head: usize,
        from: usize,
        count: usize,
        merge: &impl Fn(&mut P, &P),
    ) -> Option<P> {
        self.refresh(head, merge);
        let cap = self.cap();
        let low = (head + from) & (cap - 1);
        let high = low + count;
        if high <= cap {
            return self.merged(low, high, merge);
        }
        let (first, second) = (self.merged(low, cap, merge), self.merged(0, high - cap, merge));
        join(first.as_ref(), second.as_ref(), merge)
    }

    /// The merge of the slots `from..to`, in order. They do not reach over the head.
    fn merged(&self, from: usize, to: usize, merge: &impl Fn(&mut P, &P)) -> Option<P> {
        let (mut left, mut right) = (None, None);
        let (mut low, mut high) = (self.cap() + from, self.cap() + to);
        while low < high {
            if low & 1 == 1 {
                left = join(left.as_ref(), self.nodes[low].as_ref(), merge);
                low += 1;
            }
            if high & 1 == 1 {
                high -= 1;
                right = join(self.nodes[high].as_ref(), right.as_ref(), merge);
            }
            (low, high) = (low / 2, high / 2);
        }
        join(left.as_ref(), right.as_ref(), merge)
    }
}

fn join<P: Clone>(a: Option<&P>, b: Option<&P>, merge: &impl Fn(&mut P, &P)) -> Option<P> {
    match (a, b) {
        (Some(a), Some(b)) => {
            let mut both = a.clone();
            merge(&mut both, b);
            Some(both)
        }
        (a, b) => a.or(b).cloned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_run_is_the_fold_of_its_leaves(
            changes in prop::collection::vec((0usize..16, prop::option::of(0u8..9), 0usize..20), 1..60),
            (a, b) in (0usize..=16, 0usize..=16),
        ) {
            let mut tree: Tree<Vec<u8>> = Tree::new(16);
            let merge = |into: &mut Vec<u8>, next: &Vec<u8>| into.extend(next);
            let mut head = 0;
            for (slot, value, head_after) in changes {
                *tree.leaf_mut(slot) = value.map(|v| vec![v]);
                let (from, to) = (a.min(b), a.max(b));
                let expect: Vec<u8> =
                    (from..to).filter_map(|k| tree.leaf((head + k) % 16).cloned()).flatten().collect();
                prop_assert_eq!(tree.merged_ring(head, from, to - from, &merge).unwrap_or_default(), expect);
                prop_assert!(tree.stale.len() <= 32);
                if head_after < 16 {
                    tree.touch(head);
                    head = head_after;
                }
            }
        }
    }

    #[test]
    fn what_is_noted_stays_bounded() {
        let mut tree: Tree<u8> = Tree::new(64);
        for n in 0..10_000 {
            *tree.leaf_mut(n % 3) = Some(1);
        }
        assert!(tree.stale.len() <= 128);
    }
}
