//! What sources are to be told when a crash can no longer lose it.

use std::collections::VecDeque;

use super::queue::Acknowledge;

/// Acknowledgements by the epoch that they wait for. A later one of a split stands for those before it, so of a stretch of
/// epochs that becomes safe at once the newest of each split is kept: nothing grows while a store does not answer.
#[derive(Default)]
pub(crate) struct Unacknowledged {
    waiting: VecDeque<(u64, Vec<(u32, Acknowledge)>)>,
    /// The newest entry still takes what comes.
    open: bool,
}

impl Unacknowledged {
    /// Adds those of an epoch. `stretch`: epochs become safe together, until the next [`seal`](Unacknowledged::seal).
    pub(crate) fn push(&mut self, epoch: u64, all: Vec<(u32, Acknowledge)>, stretch: bool) {
        if all.is_empty() {
            return;
        }
        if !self.open || self.waiting.is_empty() {
            self.waiting.push_back((epoch, Vec::new()));
        }
        self.open = stretch;
        if let Some((upto, waiting)) = self.waiting.back_mut() {
            *upto = epoch;
            for (split, acknowledge) in all {
                waiting.retain(|(of, _)| *of != split);
                waiting.push((split, acknowledge));
            }
        }
    }

    /// A stretch ends with the epochs that were pushed.
    pub(crate) fn seal(&mut self) {
        self.open = false;
    }

    /// Acknowledges what waits for epochs below this.
    pub(crate) fn safe_below(&mut self, epoch: u64) {
        while self.waiting.front().is_some_and(|(upto, _)| *upto < epoch) {
            let ready = self.waiting.pop_front();
            ready.into_iter().flat_map(|(_, all)| all).for_each(|(_, acknowledge)| acknowledge());
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Forgets everything: it never will be acknowledged.
    pub(crate) fn clear(&mut self) {
        self.waiting.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[test]
    fn of_a_stretch_the_newest_of_each_split_is_kept() {
        let told = Arc::new(Mutex::new(Vec::new()));
        let of = |split: u32, offset: u64| -> (u32, Acknowledge) {
            let told = told.clone();
            (split, Box::new(move || told.lock().unwrap().push((split, offset))))
        };
        let mut all = Unacknowledged::default();
        for epoch in 0..100 {
            all.push(epoch, vec![of(1, epoch), of(2, epoch)], true);
        }
        all.push(100, vec![of(1, 100)], true);
        assert_eq!(all.waiting.len(), 1);
        all.seal();
        all.push(101, vec![of(2, 101)], true);
        all.safe_below(100);
        assert!(told.lock().unwrap().is_empty(), "not before the last epoch of the stretch is safe");
        all.safe_below(101);
        assert_eq!(*told.lock().unwrap(), [(2, 99), (1, 100)]);
        all.safe_below(u64::MAX);
        assert!(told.lock().unwrap().ends_with(&[(2, 101)]) && all.is_empty());
        // Without stretches each epoch is told of by itself.
        (0..3).for_each(|epoch| all.push(epoch, vec![of(3, epoch)], false));
        all.safe_below(2);
        assert!(told.lock().unwrap().ends_with(&[(3, 0), (3, 1)]) && !all.is_empty());
    }
}
