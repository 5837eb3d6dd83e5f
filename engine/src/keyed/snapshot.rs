//! A keyed operator's share in a checkpoint: it writes its keys down beside the rows, hands them over in parts, and holds the
//! epoch open on its own stream until all parts are durable.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use async_channel::{Sender, TrySendError};
use timely::container::CapacityContainerBuilder;
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use timely::scheduling::Activator;

use super::Fused;
use super::operator::Core;
use super::stored::Entry;
use crate::checkpoint::{Handed, Order, Part, Tray};
use crate::durable::StateFile;
use crate::flow::Live;
use crate::job::shared::Shared;
use crate::{Error, Timed};

/// Keys that are written down before the operator looks for rows again.
const KEYS_AT_ONCE: usize = 64;

/// A part is handed over when it has so many bytes.
const PART_BYTES: usize = 4 << 20;

/// When the thread that stores parts has enough to do, the operator asks again after so long.
const PAUSE: Duration = Duration::from_millis(2);

/// One operator on one worker.
struct Snapshots {
    out: OutputBuilder<u64, CapacityContainerBuilder<Vec<Handed>>>,
    orders: Sender<Order>,
    tray: Arc<Tray>,
    activator: Activator,
    under_way: VecDeque<UnderWay>,
}

/// A checkpoint that this operator has not acknowledged.
struct UnderWay {
    cap: Capability<u64>,
    checkpoint: u64,
    /// Every key is in it.
    complete: bool,
    /// All keys are written down.
    written: bool,
    entries: Vec<Entry>,
    bytes: usize,
    /// Parts that were handed over, and the objects of those that are durable.
    parts: usize,
    stored: Vec<StateFile>,
}

impl UnderWay {
    fn add(&mut self, entries: Vec<Entry>) {
        self.bytes += entries.iter().map(Entry::bytes).sum::<usize>();
        self.entries.extend(entries);
    }

    /// The next part, if there is enough for one or nothing will come.
    fn part(&mut self) -> Option<Vec<Entry>> {
        if self.entries.is_empty() || self.bytes < PART_BYTES && !self.written {
            return None;
        }
        let mut bytes = 0;
        let full = self.entries.iter().position(|entry| {
            bytes += entry.bytes();
            bytes >= PART_BYTES
        });
        let rest = self.entries.split_off(full.map_or(self.entries.len(), |last| last + 1));
        self.bytes = rest.iter().map(Entry::bytes).sum();
        Some(std::mem::replace(&mut self.entries, rest))
    }

    fn is_durable(&self) -> bool {
        self.written && self.entries.is_empty() && self.stored.len() == self.parts
    }
}

/// What an operator does beside its rows, so that the job can come back.
pub(super) struct Recovery {
    snapshots: Option<Snapshots>,
    /// What a [rehearsal](Core::rehearse) has stored.
    stored: BTreeMap<(u16, Vec<u8>), Vec<u8>>,
    shared: Arc<Shared>,
    operator: String,
}

impl Recovery {
    /// Gives the operator its stream of what it has stored, if the job writes checkpoints.
    pub(super) fn wire<'f, F: Fused>(builder: &mut OperatorBuilder<'f, u64>, live: &Live<'f>, name: &str) -> Self {
        let snapshots = live.shared.checkpoints.get().map(|orders| {
            let (out, stream) = builder.new_output();
            live.snapshots.borrow_mut().push(stream);
            let mut types = Vec::new();
            F::types_into(&mut types);
            let types = types.into_iter().map(|one| (one.name, one.version)).collect();
            let (tray, address) = (Arc::new(Tray::new(name.to_owned(), types)), builder.operator_info().address);
            tray.nudge.install(live.scope.worker().sync_activator_for(address.to_vec()));
            let (out, activator) = (OutputBuilder::from(out), live.scope.activator_for(address));
            Snapshots { out, orders: orders.clone(), tray, activator, under_way: VecDeque::new() }
        });
        let (shared, operator) = (live.shared.clone(), name.to_owned());
        Recovery { snapshots, stored: BTreeMap::new(), shared, operator }
    }

    /// Whether the operator is to know which keys have changed.
    pub(super) fn needs_changes(&self) -> bool {
        self.snapshots.is_some() || self.shared.ever_rehearses()
    }

    /// Takes over what a checkpoint holds of the operator's keys on this worker, if the job comes back to one.
    pub(super) fn come_back<F, KF>(&self, core: &mut Core<F, KF>, worker: usize)
    where
        F: Fused<In: Timed>,
        KF: Fn(&F::In) -> F::Key,
    {
        if let Some(clocks) = self.shared.clocks.get() {
            core.resume(clocks.clone());
        }
        let mut states = self.shared.take_states(&self.operator, worker).into_iter();
        self.check(states.try_for_each(|(key, state)| core.restore(&key, &state)));
    }

    /// An epoch has been closed; with its capability if it ends a checkpoint.
    pub(super) fn after<F, KF>(&mut self, core: &mut Core<F, KF>, epoch: u64, checkpoint: Option<Capability<u64>>)
    where
        F: Fused<In: Timed>,
        KF: Fn(&F::In) -> F::Key,
    {
        let done = match (&mut self.snapshots, checkpoint) {
            (Some(snapshots), Some(cap)) => snapshots.begin(core, cap),
            (None, _) if self.shared.rehearses(epoch) => core.rehearse(&mut self.stored),
            _ => Ok(()),
        };
        self.check(done);
    }

    /// Goes on with a checkpoint that is under way.
    pub(super) fn go_on<F, KF>(&mut self, core: &mut Core<F, KF>)
    where
        F: Fused<In: Timed>,
        KF: Fn(&F::In) -> F::Key,
    {
        if let Some(Err(error)) = self.snapshots.as_mut().map(|snapshots| snapshots.go_on(core)) {
            self.check(Err(error));
        }
    }

    fn check(&self, done: Result<(), Error>) {
        if let Err(error) = done {
            self.shared.fail(error.at(format!("operator \"{}\"", self.operator)));
        }
    }
}

impl Snapshots {
    /// Begins a checkpoint of all keys as they are now.
    fn begin<F, KF>(&mut self, core: &mut Core<F, KF>, cap: Capability<u64>) -> Result<(), Error>
    where
        F: Fused<In: Timed>,
        KF: Fn(&F::In) -> F::Key,
    {
        let checkpoint = *cap.time();
        // Only the last checkpoint of a job begins while another is under way.
        if let Some(last) = self.under_way.back_mut().filter(|last| !last.written) {
            last.written = core.write_down(usize::MAX);
            last.add(core.written_down()?);
        }
        let complete = core.begin_checkpoint();
        self.under_way.push_back(UnderWay {
            cap,
            checkpoint,
            complete,
            written: false,
            entries: Vec::new(),
            bytes: 0,
            parts: 0,
            stored: Vec::new(),
        });
        Ok(())
    }

    /// Goes on with what is under way, for as long as that takes no time.
    fn go_on<F, KF>(&mut self, core: &mut Core<F, KF>) -> Result<(), Error>
    where
        F: Fused<In: Timed>,
        KF: Fn(&F::In) -> F::Key,
    {
        let Some(newest) = self.under_way.back_mut() else { return Ok(()) };
        if !newest.written {
            newest.written = core.write_down(KEYS_AT_ONCE);
            newest.add(core.written_down()?);
            self.activator.activate();
        }
        // The wish to be woken comes first: what moves after it cannot be missed.
        self.tray.nudge.want();
        self.hand_over();
        self.acknowledge();
        Ok(())
    }

    fn hand_over(&mut self) {
        for under_way in &mut self.under_way {
            while let Some(entries) = under_way.part() {
                let part = Part { tray: self.tray.clone(), checkpoint: under_way.checkpoint, entries };
                match self.orders.try_send(Order::Part(part)) {
                    Ok(()) => under_way.parts += 1,
                    Err(TrySendError::Full(Order::Part(part)) | TrySendError::Closed(Order::Part(part))) => {
                        // A thread that has gone has failed the job.
                        let rest = std::mem::take(&mut under_way.entries);
                        (under_way.entries, under_way.bytes) = (Vec::new(), 0);
                        under_way.add(part.entries);
                        under_way.add(rest);
                        self.activator.activate_after(PAUSE);
                        return;
                    }
                    Err(_) => return,
                }
            }
        }
    }

    fn acknowledge(&mut self) {
        for (checkpoint, file) in self.tray.take() {
            if let Some(of) = self.under_way.iter_mut().find(|under_way| under_way.checkpoint == checkpoint) {
                of.stored.push(file);
            }
        }
        while self.under_way.front().is_some_and(UnderWay::is_durable) {
            let Some(UnderWay { cap, complete, stored, .. }) = self.under_way.pop_front() else { return };
            let handed = Handed { operator: self.tray.operator.clone(), files: stored, complete };
            self.out.activate().session(&cap).give(handed);
        }
    }
}
