//! What an operator has of epochs that are not closed.

use std::collections::BTreeMap;

use timely::dataflow::operators::{Capability, InputCapability};

/// What has come of each open epoch, with the right to say something at it.
pub(super) struct Open<T>(BTreeMap<u64, (Capability<u64>, T)>);

impl<T: Default> Open<T> {
    pub(super) fn new() -> Self {
        Open(BTreeMap::new())
    }

    /// What has come of an epoch, which `cap` or a part of it speaks of.
    pub(super) fn at(&mut self, epoch: u64, cap: &InputCapability<u64>) -> &mut T {
        &mut self.0.entry(epoch).or_insert_with(|| (cap.delayed(&epoch, 0), T::default())).1
    }

    /// The first epoch that has something, if it is not open any more.
    pub(super) fn closed(&mut self, is_open: impl Fn(&u64) -> bool) -> Option<(u64, Capability<u64>, T)> {
        let first = self.0.first_entry()?;
        if is_open(first.key()) {
            return None;
        }
        let (epoch, (cap, all)) = first.remove_entry();
        Some((epoch, cap, all))
    }
}
