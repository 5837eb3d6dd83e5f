//! A keyed operator's share in a checkpoint: it sets its keys aside beside the rows, hands them over in parts, and holds the
//! epoch open on its own stream until all parts are durable.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use async_channel::Sender;
use timely::container::CapacityContainerBuilder;
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use timely::scheduling::Activator;

use super::Fused;
use super::fused::Reads;
use super::operator::Core;
use super::stored::SetAside;
use crate::checkpoint::{Handed, Order, Part, Tray};
use crate::durable::newest_first;
use crate::flow::Live;
use crate::job::shared::{KeyStates, Shared};
use crate::key::owner_of;
use crate::{Error, Timed};

/// Keys that are set aside before the operator looks for rows again.
const KEYS_AT_ONCE: usize = 256;

/// Keys that are handed over at once.
const PART_KEYS: usize = 2_048;

/// When the thread that stores parts has enough to do, the operator asks again after so long.
const PAUSE: Duration = Duration::from_millis(2);

/// One operator on one worker.
struct Snapshots {
    out: OutputBuilder<u64, CapacityContainerBuilder<Vec<Handed>>>,
    orders: Sender<Order>,
    tray: Arc<Tray>,
    activator: Activator,
    under_way: VecDeque<UnderWay>,
    /// What the thread has yet to take.
    out_parts: VecDeque<Part>,
}

/// A checkpoint that this operator has not acknowledged.
struct UnderWay {
    cap: Capability<u64>,
    checkpoint: u64,
    /// Every key is in it.
    complete: bool,
    /// All keys are set aside.
    set_aside: bool,
    /// All keys are handed over.
    handed_over: bool,
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
            let types = types.into_iter().map(|one: Reads| (one.writes.name, one.writes.version)).collect();
            let (tray, address) = (Arc::new(Tray::new(name.to_owned(), types)), builder.operator_info().address);
            tray.nudge.install(live.scope.worker().sync_activator_for(address.to_vec()));
            let (out, activator) = (OutputBuilder::from(out), live.scope.activator_for(address));
            Snapshots {
                out,
                orders: orders.clone(),
                tray,
                activator,
                under_way: VecDeque::new(),
                out_parts: VecDeque::new(),
            }
        });
        let (shared, operator) = (live.shared.clone(), name.to_owned());
        Recovery { snapshots, stored: BTreeMap::new(), shared, operator }
    }

    /// Whether the operator is to know which keys have changed.
    pub(super) fn needs_changes(&self) -> bool {
        self.snapshots.is_some() || self.shared.ever_rehearses()
    }

    /// Takes over what a checkpoint holds of the operator's keys on this worker, if the job comes back to one.
    pub(super) fn come_back<F, KF>(&self, core: &mut Core<F, KF>, (worker, peers): (usize, usize))
    where
        F: Fused<In: Timed>,
        KF: Fn(&F::In) -> F::Key,
    {
        if let Some(clocks) = self.shared.clocks.get() {
            core.resume(clocks.clone());
        }
        let KeyStates { types, bodies, anew } = self.shared.take_states(&self.operator, worker);
        let mine = |group| owner_of(group, peers) == worker;
        self.check(newest_first(&bodies, mine, |some| core.restore(some, &types, anew)));
    }

    /// An epoch has been closed; with its capability if it ends a checkpoint.
    pub(super) fn after<F, KF>(&mut self, core: &mut Core<F, KF>, epoch: u64, checkpoint: Option<Capability<u64>>)
    where
        F: Fused<In: Timed>,
        KF: Fn(&F::In) -> F::Key,
    {
        let done = match (&mut self.snapshots, checkpoint) {
            (Some(snapshots), Some(cap)) => {
                snapshots.begin(core, cap);
                Ok(())
            }
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
        if let Some(snapshots) = &mut self.snapshots {
            snapshots.go_on(core);
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
    fn begin<F, KF>(&mut self, core: &mut Core<F, KF>, cap: Capability<u64>)
    where
        F: Fused<In: Timed>,
        KF: Fn(&F::In) -> F::Key,
    {
        // Only the last checkpoint of a job begins while another is under way.
        if self.under_way.back().is_some_and(|last| !last.handed_over) {
            core.set_aside(usize::MAX);
            self.put_out(core, usize::MAX, true);
        }
        let (checkpoint, complete) = (*cap.time(), core.begin_checkpoint());
        self.under_way.push_back(UnderWay { cap, checkpoint, complete, set_aside: false, handed_over: false });
    }

    /// Goes on with what is under way, for as long as that takes no time.
    fn go_on<F, KF>(&mut self, core: &mut Core<F, KF>)
    where
        F: Fused<In: Timed>,
        KF: Fn(&F::In) -> F::Key,
    {
        let Some(newest) = self.under_way.back_mut() else { return };
        if !newest.set_aside {
            newest.set_aside = core.set_aside(KEYS_AT_ONCE);
            self.activator.activate();
        }
        // The wish to be woken comes first: what moves after it cannot be missed.
        self.tray.nudge.want();
        while self.hand_over() {
            let Some(newest) = self.under_way.back().filter(|newest| !newest.handed_over) else { break };
            let (waiting, set_aside) = (core.changes.copies(), newest.set_aside);
            if waiting < PART_KEYS && !set_aside {
                break;
            }
            self.put_out(core, PART_KEYS, set_aside && waiting <= PART_KEYS);
        }
        self.acknowledge();
    }

    /// Puts at most so many keys out for the thread.
    fn put_out<F, KF>(&mut self, core: &mut Core<F, KF>, most: usize, last: bool)
    where
        F: Fused<In: Timed>,
        KF: Fn(&F::In) -> F::Key,
    {
        let Some(newest) = self.under_way.back_mut() else { return };
        let copies = core.changes.take(most);
        let entries = Box::new(move || copies.iter().map(SetAside::entry).collect());
        (newest.set_aside, newest.handed_over) = (newest.set_aside || last, last);
        self.out_parts.push_back(Part { tray: self.tray.clone(), checkpoint: newest.checkpoint, entries, last });
    }

    /// Hands over what was put out. False if the thread has enough to do.
    fn hand_over(&mut self) -> bool {
        while let Some(part) = self.out_parts.pop_front() {
            if let Err(refused) = self.orders.try_send(Order::Part(part)) {
                // A thread that has gone has failed the job.
                if let Order::Part(part) = refused.into_inner() {
                    self.out_parts.push_front(part);
                }
                self.activator.activate_after(PAUSE);
                return false;
            }
        }
        true
    }

    fn acknowledge(&mut self) {
        for (checkpoint, files) in self.tray.take() {
            // They are done in their order.
            let Some(UnderWay { cap, complete, .. }) = self.under_way.pop_front() else { break };
            debug_assert!(*cap.time() == checkpoint);
            let handed = Handed { operator: self.tray.operator.clone(), files, complete };
            self.out.activate().session(&cap).give(handed);
        }
    }
}
