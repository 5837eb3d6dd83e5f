//! When sinks may commit, and when sources may forget.
//!
//! Without checkpoints a commit may be finished when every sink has let go of what is in it, and rows may be forgotten when
//! they have left, or are committed where a sink commits in two phases. With checkpoints each is a commit, which may be
//! finished when it is durable, and rows may be forgotten when they are in every checkpoint that a start may choose.

use std::collections::VecDeque;
use std::sync::Arc;

use super::intake::Cut;
use crate::checkpoint::{Capture, Ledger};
use crate::control::Signal;
use crate::epochs::EpochLog;
use crate::job::parts::SinkHandle;
use crate::time::FIRST_EPOCH;

/// The leader's book of commits.
pub(crate) struct Commits {
    every_ms: i64,
    pub(crate) sinks: Vec<Arc<dyn SinkHandle>>,
    /// The book of checkpoints, if the job writes any.
    pub(crate) ledger: Option<Ledger>,
    /// The epoch log, if the job keeps one.
    pub(crate) log: Option<EpochLog>,
    /// Something has entered since the last checkpoint began.
    changed: bool,
    last_ms: i64,
    count: u64,
    /// Epochs that end a commit, with its number: not yet handed to every sink.
    uncommitted: VecDeque<(u64, u64)>,
    /// The same, handed over and not yet finished by every sink.
    committing: VecDeque<(u64, u64)>,
    /// Everything in the epochs below is committed by every two-phase sink.
    committed_below: u64,
}

impl Commits {
    /// `every_ms` of the arrival clock, where no checkpoints are written.
    pub(crate) fn new(every_ms: i64) -> Self {
        Commits {
            every_ms,
            sinks: Vec::new(),
            ledger: None,
            log: None,
            changed: false,
            last_ms: i64::MIN,
            count: 0,
            uncommitted: VecDeque::new(),
            committing: VecDeque::new(),
            committed_below: FIRST_EPOCH,
        }
    }

    /// Sinks commit what earlier runs have prepared up to this number before anything else.
    pub(crate) fn owe(&mut self, upto: u64) {
        if upto > 0 {
            self.committing.push_back((FIRST_EPOCH, upto));
        }
    }

    /// Ends a commit with the present epoch, if one is due. Whether that begins a checkpoint. What is replayed has its
    /// commits with it, but for the last.
    pub(crate) fn signal(&mut self, cut: &mut Cut<'_>, epoch: u64, last: bool, replays: bool) -> bool {
        self.changed |= !cut.feeds.is_empty() || !cut.controls.is_empty();
        if let Some(ledger) = &self.ledger {
            let due = last || self.begins() || self.changed && ledger.is_due();
            if due {
                cut.commit(epoch);
            }
            return due;
        }
        let due = *cut.arrival_ms >= self.last_ms.saturating_add(self.every_ms) || last;
        if due && self.sinks.iter().any(|sink| sink.two_phase()) && (!replays || last && self.changed) {
            self.last_ms = *cut.arrival_ms;
            cut.signal(Signal::Commit { number: self.count + 1 });
        }
        for control in &cut.controls {
            if let Signal::Commit { number } = control.signal {
                self.count = number;
                self.uncommitted.push_back((epoch, number));
            }
        }
        false
    }

    /// Epochs are to be logged, and there is no checkpoint yet from which they could be heard again, nor is one under way.
    pub(crate) fn begins(&self) -> bool {
        self.log.is_some() && self.ledger.as_ref().is_some_and(Ledger::is_new)
    }

    /// The last epoch that would be heard again after a crash; none where epochs are not logged but all that leaves may leave.
    pub(crate) fn logged(&self) -> u64 {
        match &self.log {
            None => u64::MAX,
            Some(log) if self.ledger.as_ref().is_some_and(Ledger::has_one) => log.epoch(),
            Some(_) => 0,
        }
    }

    /// Something has entered.
    pub(crate) fn changed(&mut self) {
        self.changed = true;
    }

    /// A checkpoint begins with what the ingest remembers at the end of this epoch.
    pub(crate) fn begin_checkpoint(&mut self, epoch: u64, capture: Capture) {
        self.changed = false;
        if let Some(ledger) = &mut self.ledger {
            ledger.begin(epoch, capture);
        }
    }

    /// Every sink has let go of the epochs below `passed`, and the states of those below `stored` are durable: lets commits
    /// be finished. Tells below which epoch no crash can lose a row any more. `drained`: nothing will follow.
    pub(crate) fn passed(&mut self, passed: u64, stored: u64, drained: bool) -> u64 {
        if let Some(ledger) = &mut self.ledger {
            let durable = ledger.advance(passed.min(stored), self.log.as_ref(), &self.sinks);
            self.uncommitted.extend(durable.into_iter().map(|checkpoint| (checkpoint, checkpoint)));
        }
        while let Some((epoch, number)) = self.uncommitted.front().copied().filter(|(epoch, _)| *epoch < passed) {
            // A sink that is busy takes it at the next call.
            if !self.sinks.iter().all(|sink| sink.commit(number)) {
                break;
            }
            self.uncommitted.pop_front();
            self.committing.push_back((epoch, number));
        }
        let two_phase = self.sinks.iter().filter(|sink| sink.two_phase());
        let done = two_phase.map(|sink| sink.committed()).min();
        let is_done = |(_, number): &(u64, u64)| done.is_none_or(|done| *number <= done);
        while let Some((epoch, number)) = self.committing.front().copied().filter(is_done) {
            self.committed_below = epoch + 1;
            self.committing.pop_front();
            self.ledger.iter_mut().for_each(|ledger| ledger.committed(number));
        }
        let all_done = self.all_done();
        match &mut self.ledger {
            Some(ledger) => {
                if drained && all_done {
                    ledger.finish();
                }
                ledger.safe_below()
            }
            None if done.is_some() => passed.min(self.committed_below),
            None => passed,
        }
    }

    fn all_done(&self) -> bool {
        self.uncommitted.is_empty() && self.committing.is_empty()
    }

    /// Whether everything that was begun is finished, by the sinks and by the store.
    pub(crate) fn settled(&self, drained: bool) -> bool {
        self.all_done() && self.ledger.as_ref().is_none_or(|ledger| ledger.settled(drained))
    }

    /// Lets go of the outside.
    pub(crate) fn dismiss(&mut self) {
        self.sinks.clear();
        self.ledger.take().into_iter().for_each(Ledger::close);
        // The thread ends when it sees that nothing will come.
        self.log = None;
    }
}
