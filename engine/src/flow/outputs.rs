//! Where rows go out: host channels and connectors' sinks. All rows of a sink meet on one worker, in ingest order.

use std::collections::{BTreeMap, VecDeque};
use std::panic::Location;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use timely::dataflow::StreamVec;
use timely::dataflow::channels::pact::{Exchange, Pipeline};
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use timely::dataflow::operators::{Capability, Probe};

use super::{Kind, Live, Stream};
use crate::batch::{Batch, Place};
use crate::control::{Control, Signal};
use crate::decode::Encoder;
use crate::job::outlet::{ChannelOut, Leaving, Nudge, Outlet, Receiver, Refused, TaskHandle, WriterTask};
use crate::job::parts::Start;
use crate::job::shared::{Shared, TaskGuard};
use crate::sink::{CommitMode, Sink};
use crate::{Data, Error};

/// Epochs that wait for a connector's writer before the job is held back.
const WRITER_QUEUE: usize = 64;

impl<'f, T: Data> Stream<'f, T> {
    /// Sends the rows to the host, who takes them from [`Running::receiver`](crate::Running::receiver).
    #[track_caller]
    pub fn to_channel(self, name: &str) {
        self.to_channel_with(name, ChannelOut::default());
    }

    /// As [`to_channel`](Stream::to_channel), with its bound set.
    #[track_caller]
    pub fn to_channel_with(self, name: &str, config: ChannelOut) {
        let kind = Kind::Sink { commit: None, encodes_ids: true };
        let node = self.origin.flow.add(name, kind, vec![self.origin.node], Location::caller());
        let own = name.to_owned();
        self.origin.flow.part(move |start| {
            let (tx, rx) = async_channel::bounded(config.capacity_epochs.max(1));
            let nudge = Arc::new(Nudge::default());
            start.ends.insert(own, Box::new(Some(Receiver::new(rx, nudge.clone()))));
            start.outlet::<T>(node, Outlet::Host { tx }, nudge);
            Ok(())
        });
        self.leave(node, name, if config.by_epoch { Waits::ForEpoch } else { Waits::ForSignals }, false);
    }

    /// Sends the rows to a connector's sink. Nothing is opened before the job starts.
    #[track_caller]
    pub fn to_sink<S: Sink, E: Encoder<T>>(self, name: &str, sink: S, encoder: E) {
        let kind = Kind::Sink { commit: Some(sink.commit_mode()), encodes_ids: encoder.gives_ids() };
        let node = self.origin.flow.add(name, kind, vec![self.origin.node], Location::caller());
        // Not visible before its checkpoint.
        let two_phase = sink.commit_mode() == CommitMode::TwoPhase;
        let waits = match sink.commit_mode() {
            CommitMode::AtLeastOnce | CommitMode::TwoPhase => Waits::Never,
            CommitMode::ByKey => Waits::ForSignals,
            CommitMode::ByEpoch => Waits::ForEpoch,
        };
        let name_owned = name.to_owned();
        self.origin.flow.part(move |start| {
            let (tx, rx) = async_channel::bounded(WRITER_QUEUE);
            let (done, committed) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
            let owed = start.owed.remove(&name_owned).unwrap_or_default();
            let prepared = Arc::new(Mutex::new(owed.into_iter().collect()));
            let (generation, owed_upto, visible_upto) = (start.generation, start.owed_upto, start.visible_upto);
            let nudge = Arc::new(Nudge::default());
            start.sinks.push(Arc::new(TaskHandle {
                name: name_owned.clone(),
                prepared: prepared.clone(),
                tx: tx.clone(),
                mode: sink.commit_mode(),
                committed: committed.clone(),
            }));
            start.outlet::<T>(node, Outlet::Task { tx, done: done.clone() }, nudge.clone());
            let (shared, io, name) = (start.shared.clone(), start.io.clone(), name_owned);
            let task_name = format!("watchfire-{name}");
            let task = WriterTask {
                name,
                sink,
                encoder,
                rx,
                done,
                committed,
                prepared,
                generation,
                owed_upto,
                visible_upto,
                nudge,
                shared,
                io: io.clone(),
            };
            let guard = TaskGuard::new(task.shared.clone(), format!("the writer of sink \"{}\"", task.name));
            start.later.push(Box::new(move || io.spawn(&task_name, Box::pin(task.run(guard)))));
            Ok(())
        });
        self.leave(node, name, waits, two_phase);
    }

    fn leave(self, node: usize, name: &str, waits: Waits, at_once: bool) {
        let flow = self.origin.flow;
        // What a table says comes again only with the same epochs.
        let waits = if !at_once && flow.0.plan.borrow().is_behind_table(node) { Waits::ForEpoch } else { waits };
        if let Some((live, rows)) = flow.0.live.as_ref().zip(self.inner) {
            leave(live, node, name, rows, waits);
        }
    }
}

/// What of the epoch log the rows of a sink wait for, where epochs are logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waits {
    /// A row that comes again replaces nothing, or is not visible before its checkpoint.
    Never,
    /// Ticks and the health of splits come at other places after a crash, unless they are logged; rows are the same, where no table
    /// is before them.
    ForSignals,
    /// Rows are known by their epoch.
    ForEpoch,
}

impl Start {
    fn outlet<T: Send + 'static>(&mut self, node: usize, outlet: Outlet<T>, nudge: Arc<Nudge>) {
        self.shared.on_failure(outlet.closer());
        self.shared.on_logged(nudge.clone());
        let mut outlets = self.shared.outlets.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        outlets.insert(node, Box::new((outlet, nudge)));
    }
}

/// The operator of a sink: gathers an epoch, orders it, hands it over, and holds the epoch until it is outside.
fn leave<'f, T: Data>(live: &Live<'f>, node: usize, name: &str, rows: StreamVec<'f, u64, Batch<T>>, waits: Waits) {
    let owner = node % live.peers();
    let mut builder = OperatorBuilder::new(name.to_owned(), live.scope);
    let mut rows_in = builder.new_input(rows, Exchange::new(move |_: &Batch<T>| owner as u64));
    let mut controls_in = builder.new_input(live.controls.clone(), Pipeline);
    // Nothing is sent on this output: its capabilities hold an epoch back from the probe until it is outside.
    let (_, held) = builder.new_output::<Vec<()>>();
    held.probe_with(&live.probe);
    let mine = (owner == live.scope.index()).then(|| live.shared.take_outlet::<T>(node)).flatten();
    if let Some((_, nudge)) = &mine {
        nudge.install(live.scope.worker().sync_activator_for(builder.operator_info().address.to_vec()));
    }
    let mut exit = mine.map(|(outlet, nudge)| Exit {
        outlet,
        nudge,
        leaving: VecDeque::new(),
        outside: VecDeque::new(),
        rows: live.shared.metrics.sink(name),
        shared: live.shared.clone(),
        node,
        name: name.to_owned(),
        waits,
        signalled: 0,
    });
    let current = live.current.clone();
    builder.build(move |caps| {
        drop(caps);
        let mut waiting: BTreeMap<u64, Gathering<T>> = BTreeMap::new();
        move |frontiers| {
            current.set(node);
            rows_in.for_each(|cap, data| {
                if let Some(epoch) = cap.least().copied() {
                    let gathering = waiting.entry(epoch).or_insert_with(|| Gathering::new(cap.delayed(&epoch, 0)));
                    gathering.batches.append(data);
                }
            });
            controls_in.for_each(|cap, data| {
                let Some(epoch) = cap.least().copied() else { return };
                for Control { signal, .. } in data.drain(..).filter(|control| control.signal != Signal::Closed) {
                    let gathering = waiting.entry(epoch).or_insert_with(|| Gathering::new(cap.delayed(&epoch, 0)));
                    match signal {
                        Signal::Commit { number } => gathering.prepare = Some(number),
                        _ => gathering.signalled = true,
                    }
                }
            });
            while let Some(first) = waiting.first_entry() {
                if frontiers.iter().any(|frontier| frontier.less_equal(first.key())) {
                    break;
                }
                let (epoch, gathering) = first.remove_entry();
                if let Some(exit) = &mut exit {
                    exit.closed(epoch, gathering);
                }
            }
            if let Some(exit) = &mut exit {
                exit.hand_over();
            }
        }
    });
}

/// What an open epoch has brought so far.
struct Gathering<T> {
    cap: Capability<u64>,
    batches: Vec<Batch<T>>,
    prepare: Option<u64>,
    /// A tick, or the health of a split, had a part in it.
    signalled: bool,
    /// The epoch that must be logged first.
    after: u64,
}

impl<T> Gathering<T> {
    fn new(cap: Capability<u64>) -> Self {
        Gathering { cap, batches: Vec::new(), prepare: None, signalled: false, after: 0 }
    }
}

/// The owner's half of a sink.
struct Exit<T> {
    outlet: Outlet<T>,
    nudge: Arc<Nudge>,
    /// Closed epochs that the outlet has not taken.
    leaving: VecDeque<(u64, Gathering<T>)>,
    /// Epochs that the outlet has taken and that are not outside yet.
    outside: VecDeque<(u64, Capability<u64>)>,
    rows: Arc<AtomicU64>,
    shared: Arc<Shared>,
    node: usize,
    name: String,
    waits: Waits,
    /// The last epoch with a signal.
    signalled: u64,
}

impl<T: Data> Exit<T> {
    /// An epoch has closed.
    fn closed(&mut self, epoch: u64, mut gathering: Gathering<T>) {
        if gathering.signalled {
            self.signalled = epoch;
        }
        if gathering.batches.is_empty() && gathering.prepare.is_none() {
            return;
        }
        gathering.after = match self.waits {
            // Where nothing leaves, nothing waits.
            _ if gathering.batches.is_empty() => 0,
            Waits::Never => 0,
            Waits::ForSignals => self.signalled,
            Waits::ForEpoch => epoch,
        };
        self.leaving.push_back((epoch, gathering));
    }

    fn hand_over(&mut self) {
        // The wish to be woken comes first: what moves after it cannot be missed.
        self.nudge.want();
        let logged = self.shared.logged();
        while self.leaving.front().is_some_and(|(_, gathering)| gathering.after <= logged) {
            let Some((epoch, Gathering { cap, batches, prepare, .. })) = self.leaving.pop_front() else { break };
            let rows = in_order(batches);
            let count = rows.len() as u64;
            match self.outlet.offer(Leaving { epoch, rows, prepare }) {
                Ok(()) => {
                    self.rows.fetch_add(count, Ordering::Relaxed);
                    self.outside.push_back((epoch, cap));
                }
                Err(Refused::Full(Leaving { rows, .. })) => {
                    let batches = vec![Batch::in_order(rows)];
                    self.leaving.push_front((epoch, Gathering { batches, prepare, ..Gathering::new(cap) }));
                    break;
                }
                Err(Refused::Gone) => {
                    let what = format!("nobody takes the rows of \"{}\" any more", self.name);
                    self.shared.fail(Error::new("E0302", what).remedy("keep the receiver until the job has ended"));
                    return;
                }
            }
        }
        let done = self.outlet.done();
        while self.outside.front().is_some_and(|(epoch, _)| *epoch <= done) {
            self.outside.pop_front();
        }
        self.shared.set_waiting(self.node, !self.leaving.is_empty() || !self.outside.is_empty());
    }
}

/// The rows of an epoch by place.
fn in_order<T>(mut batches: Vec<Batch<T>>) -> Vec<T> {
    if batches.len() == 1 {
        // Every batch is in order by itself.
        return batches.pop().map(|batch| batch.rows).unwrap_or_default();
    }
    batches.retain(|batch| !batch.rows.is_empty());
    batches.sort_by_key(|batch| batch.places.first());
    if batches.windows(2).all(|two| two[0].is_before(&two[1])) {
        return batches.into_iter().flat_map(|batch| batch.rows).collect();
    }
    let mut rows: Vec<(Place, T)> = Vec::new();
    for batch in batches {
        let places = batch.places;
        rows.extend(batch.rows.into_iter().enumerate().map(|(i, row)| (places.place(i), row)));
    }
    rows.sort_by_key(|(place, _)| *place);
    rows.into_iter().map(|(_, row)| row).collect()
}
