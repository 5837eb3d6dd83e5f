//! The leader's book of checkpoints: which were begun, which are durable, and which everything outside may rely on.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_channel::Sender;

use super::{Capture, Checkpointing, Complete, Order, Status};
use crate::epochs::EpochLog;
use crate::job::parts::SinkHandle;
use crate::job::shared::Shared;
use crate::time::FIRST_EPOCH;
use crate::turns;

pub(crate) struct Ledger {
    orders: Sender<Order>,
    status: Arc<Status>,
    shared: Arc<Shared>,
    every: Duration,
    keep: usize,
    last_begun: Instant,
    /// Begun, and not yet acknowledged by all.
    begun: VecDeque<(u64, Capture)>,
    /// Acknowledged by all, but not yet by the epoch log, which is to hold what sinks have prepared. Whether it knows.
    preparing: VecDeque<(bool, Box<Complete>)>,
    /// Acknowledged by all, and not yet durable.
    completing: VecDeque<u64>,
    /// Durable, the newest `keep` of them, rising.
    kept: VecDeque<u64>,
    /// What the thread is still to be told.
    orders_waiting: VecDeque<Order>,
    given: u64,
    /// Checkpoints for which sinks have prepared something that is not known to be visible.
    owing: VecDeque<u64>,
    ends: bool,
}

impl Ledger {
    /// `kept`: the checkpoints that there are, rising; `owed`: the newest that is yet to be committed.
    pub(crate) fn new(
        config: &Checkpointing,
        orders: Sender<Order>,
        status: Arc<Status>,
        shared: Arc<Shared>,
        kept: Vec<u64>,
        owed: Option<u64>,
    ) -> Self {
        let every = Duration::from_millis(config.every_ms);
        Ledger {
            orders,
            status,
            shared,
            every,
            keep: config.keep.max(1),
            last_begun: turns::now(),
            begun: VecDeque::new(),
            preparing: VecDeque::new(),
            completing: VecDeque::new(),
            kept: kept.into(),
            orders_waiting: VecDeque::new(),
            given: 0,
            owing: owed.into_iter().collect(),
            ends: false,
        }
    }

    /// Whether a checkpoint is to begin at the end of the present epoch.
    pub(crate) fn is_due(&self) -> bool {
        !self.is_under_way() && turns::now().duration_since(self.last_begun) >= self.every
    }

    fn is_under_way(&self) -> bool {
        !self.begun.is_empty() || !self.preparing.is_empty() || !self.completing.is_empty()
    }

    /// There is a checkpoint.
    pub(crate) fn has_one(&self) -> bool {
        !self.kept.is_empty()
    }

    /// There is none, and none is under way.
    pub(crate) fn is_new(&self) -> bool {
        !self.has_one() && !self.is_under_way()
    }

    pub(crate) fn begin(&mut self, checkpoint: u64, capture: Capture) {
        self.last_begun = turns::now();
        self.begun.push_back((checkpoint, capture));
    }

    /// Hands over what all have acknowledged, and tells which checkpoints have become durable since: with each, all that
    /// sinks had prepared for it may be committed.
    pub(crate) fn advance(
        &mut self,
        acknowledged_below: u64,
        log: Option<&EpochLog>,
        sinks: &[Arc<dyn SinkHandle>],
    ) -> Vec<u64> {
        let logged = log.map_or(u64::MAX, EpochLog::epoch);
        let ready = |checkpoint: u64| checkpoint < acknowledged_below && checkpoint <= logged;
        while self.begun.front().is_some_and(|(checkpoint, _)| ready(*checkpoint)) {
            let Some((checkpoint, capture)) = self.begun.pop_front() else { break };
            let files = self.shared.take_handed(checkpoint);
            let prepared: BTreeMap<String, Option<Vec<u8>>> =
                sinks.iter().map(|sink| (sink.name().to_owned(), sink.prepared(checkpoint))).collect();
            if prepared.values().any(Option::is_some) {
                self.owing.push_back(checkpoint);
            }
            let complete = Box::new(Complete { checkpoint, capture, handed: files, prepared });
            self.preparing.push_back((false, complete));
        }
        self.complete(log);
        self.tell();
        let durable = self.status.durable();
        let mut done = Vec::new();
        while let Some(checkpoint) = self.completing.front().copied().filter(|checkpoint| *checkpoint <= durable) {
            self.completing.pop_front();
            self.kept.push_back(checkpoint);
            done.push(checkpoint);
        }
        self.kept.drain(..self.kept.len().saturating_sub(self.keep));
        done
    }

    /// Lets checkpoints be made of which it is logged what sinks have prepared.
    fn complete(&mut self, log: Option<&EpochLog>) {
        while let Some((told, complete)) = self.preparing.front_mut() {
            let (checkpoint, prepared) = (complete.checkpoint, &complete.prepared);
            if let Some(log) = log.filter(|_| prepared.values().any(Option::is_some)) {
                *told = *told || log.prepare(checkpoint, prepared);
                if log.prepared() < checkpoint {
                    break;
                }
            }
            self.completing.push_back(checkpoint);
            self.orders_waiting.extend(self.preparing.pop_front().map(|(_, complete)| Order::Complete(complete)));
        }
    }

    /// All that sinks had prepared up to this checkpoint is visible. Written down if there was anything.
    pub(crate) fn committed(&mut self, checkpoint: u64) {
        if self.owing.front().is_none_or(|owing| *owing > checkpoint) {
            return;
        }
        self.owing.retain(|owing| *owing > checkpoint);
        self.orders_waiting.push_back(Order::Committed(checkpoint));
        self.tell();
    }

    /// The job is drained and everything committed: nothing follows the last checkpoint.
    pub(crate) fn finish(&mut self) {
        if !self.is_under_way() && !std::mem::replace(&mut self.ends, true) {
            self.orders_waiting.push_back(Order::Finished);
        }
        self.tell();
    }

    fn tell(&mut self) {
        while let Some(order) = self.orders_waiting.pop_front() {
            if let Err(refused) = self.orders.try_send(order) {
                // A thread that has gone has failed the job.
                self.orders_waiting.push_front(refused.into_inner());
                break;
            }
            self.given += 1;
        }
    }

    /// Everything in the epochs below is in every checkpoint that a start may fall back to.
    pub(crate) fn safe_below(&self) -> u64 {
        match self.kept.front() {
            _ if self.status.finished() => u64::MAX,
            Some(oldest) if self.kept.len() >= self.keep => oldest + 1,
            _ => FIRST_EPOCH,
        }
    }

    /// Nothing is under way. A job that is drained has said so too.
    pub(crate) fn settled(&self, drained: bool) -> bool {
        !self.is_under_way()
            && self.orders_waiting.is_empty()
            && self.status.done() == self.given
            && (!drained || self.status.finished())
    }

    /// The thread ends when it has done what it was given.
    pub(crate) fn close(self) {
        self.orders.close();
    }
}
