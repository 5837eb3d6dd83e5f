//! One worker thread: builds the flow, feeds it epoch by epoch, steps it, and leaves when it is done or poisoned.

use std::any::Any;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use timely::communication::Allocator;
use timely::dataflow::operators::core::Input as _;
use timely::dataflow::{InputHandle, ProbeHandle};
use timely::worker::Worker;

use super::BuildFn;
use super::shared::{Current, IDLE_NODE, Shared, panic_text};
use crate::Error;
use crate::checkpoint::gather;
use crate::control::Control;
use crate::flow::{Flow, Live};
use crate::ingest::leader::{EpochFeed, Leader};
use crate::table::Board;
use crate::turns;

/// How long a worker sleeps when nothing wakes it; it then looks whether the job was poisoned.
const PATIENCE: Duration = Duration::from_millis(50);

/// A worker's end of one input of the flow.
pub(crate) trait Input {
    /// Puts a batch into the present epoch. False if it holds rows of another type.
    fn feed(&mut self, payload: Box<dyn Any + Send>) -> bool;
    fn advance_to(&mut self, epoch: u64);
}

type Controls = InputHandle<u64, timely::container::CapacityContainerBuilder<Vec<Control>>>;

/// Runs one worker to its end. Errors go to `shared`; the thread never unwinds into the host.
pub(crate) fn run(
    allocator: Allocator,
    shared: &Arc<Shared>,
    build: &BuildFn,
    fingerprint: u64,
    leader: Option<Leader>,
) -> Option<Leader> {
    // Without a clock of its own, as in lock-step, what is to run later runs at once.
    let clock = turns::elapsed().is_none().then(Instant::now);
    let mut worker = Worker::new(timely::WorkerConfig::default(), allocator, clock);
    let index = worker.index();
    let current = shared.enlist(index);
    let mut leader = leader;
    let mut run = None;
    let body = catch_unwind(AssertUnwindSafe(|| {
        let built = Run::new(&mut worker, shared, build, fingerprint, current.clone())?;
        run.insert(built).until_end(&mut worker, &mut leader)
    }));
    let panicked = body.is_err();
    match body {
        Ok(Ok(())) => {}
        Ok(Err(error)) => shared.fail(error),
        Err(panic) => shared.fail(error_of(shared, &current, &*panic)),
    }
    if panicked {
        // The unwind may have gone through timely's cells: its graph is neither stepped nor dropped any more.
        std::mem::forget((worker, run));
    }
    leader
}

fn error_of(shared: &Shared, current: &Current, panic: &(dyn Any + Send)) -> Error {
    let text = panic_text(panic);
    match shared.node(current.get()) {
        Some((name, place)) => Error::new("E0901", format!("operator \"{name}\" panicked: {text}"))
            .at(place)
            .remedy("mend the code of the operator; the rows of open epochs were not committed"),
        None => Error::new("E0901", format!("a worker panicked outside user code: {text}")),
    }
}

struct Run<'a> {
    shared: &'a Arc<Shared>,
    index: usize,
    inputs: Vec<Box<dyn Input>>,
    controls: Controls,
    /// What the host looks into.
    board: Board,
    probe: ProbeHandle<u64>,
    /// Epochs whose checkpoints are durable everywhere.
    stored: ProbeHandle<u64>,
    current: Current,
    closed: bool,
}

impl<'a> Run<'a> {
    fn new(
        worker: &mut Worker,
        shared: &'a Arc<Shared>,
        build: &BuildFn,
        fingerprint: u64,
        current: Current,
    ) -> Result<Self, Error> {
        let index = worker.index();
        let (probe, stored) = (ProbeHandle::new(), ProbeHandle::new());
        let (mut inputs, mut controls, board, built) = worker.dataflow_named::<u64, _, _>("watchfire", |scope| {
            let (controls, control_stream) = scope.new_input::<Vec<Control>>();
            let flow = Flow::new(Some(Live {
                scope,
                controls: control_stream,
                probe: probe.clone(),
                shared: shared.clone(),
                current: current.clone(),
                inputs: RefCell::default(),
                snapshots: RefCell::default(),
                views: RefCell::default(),
            }));
            build(&flow);
            let built = flow.0.plan.borrow().fingerprint();
            let made = flow.0.live.as_ref();
            let made = made.map(|live| (live.inputs.take(), live.snapshots.take(), live.views.take()));
            let (inputs, snapshots, views) = made.unwrap_or_default();
            gather(scope, snapshots, &stored, shared);
            (inputs, controls, Board::new(views), built)
        });
        if built != fingerprint {
            let what =
                format!("worker {index} built another flow ({built:016x}) than was planned ({fingerprint:016x})");
            return Err(Error::new("E0106", what).remedy("make the build function give the same flow every time"));
        }
        let first = shared.first_epoch();
        inputs.iter_mut().for_each(|input| input.advance_to(first));
        controls.advance_to(first);
        Ok(Run { shared, index, inputs, controls, board, probe, stored, current, closed: false })
    }

    fn until_end(&mut self, worker: &mut Worker, leader: &mut Option<Leader>) -> Result<(), Error> {
        // Until the first step the probe knows of no epoch, and would hold none back.
        worker.step();
        loop {
            self.shared.beat(self.index);
            if self.shared.failed() {
                return Ok(());
            }
            let mut patience = PATIENCE;
            if let Some(leader) = leader {
                patience = patience.min(self.lead(leader)?);
            }
            while let Some(feed) = self.shared.take_feed(self.index) {
                self.apply(feed)?;
            }
            self.current.set(IDLE_NODE);
            if turns::pass() {
                worker.step();
            } else {
                worker.step_or_park(Some(patience));
            }
            self.current.set(IDLE_NODE);
            if self.closed && self.probe.done() && !worker.has_dataflows() {
                return self.settle(leader);
            }
        }
    }

    /// The leader's share: cuts what may be cut, and learns what has passed. How long it may sleep if nothing wakes it.
    fn lead(&mut self, leader: &mut Leader) -> Result<Duration, Error> {
        let metrics = &self.shared.metrics;
        let passed = self.passed(leader);
        metrics.epochs_closed.store(passed.saturating_sub(self.shared.first_epoch()), Ordering::Relaxed);
        while !leader.closed() && leader.must_have_passed().is_none_or(|epoch| !self.probe.less_equal(&epoch)) {
            if let Some(wait) = leader.gathers() {
                return Ok(wait);
            }
            let Some(parts) = leader.cut()? else { break };
            metrics.epochs_cut.store(leader.epoch() - self.shared.first_epoch(), Ordering::Relaxed);
            for (worker, part) in parts.into_iter().enumerate() {
                self.shared.hand_over(worker, part);
            }
        }
        Ok(leader.patience())
    }

    /// Tells the leader what has passed.
    fn passed(&mut self, leader: &mut Leader) -> u64 {
        let below = |probe: &ProbeHandle<u64>| probe.with_frontier(|frontier| frontier.first().copied());
        let passed = below(&self.probe).unwrap_or(leader.epoch());
        leader.passed(passed, below(&self.stored).unwrap_or(leader.epoch()));
        let shows = passed.saturating_sub(1).min(self.shared.logged());
        self.board.pass(shows);
        if leader.back_at.is_some_and(|back_at| shows >= back_at) {
            self.board.show(self.shared);
        }
        passed
    }

    fn apply(&mut self, feed: EpochFeed) -> Result<(), Error> {
        let EpochFeed { feeds, mut controls, next, last } = feed;
        for feed in feeds {
            let fed = self.inputs.get_mut(feed.input).is_some_and(|input| input.feed(feed.payload));
            if !fed {
                let what = format!("input {} of the flow does not take what was recorded for it", feed.input);
                return Err(Error::new("E0107", what).remedy("replay a recording with the flow that made it"));
            }
        }
        self.controls.send_batch(&mut controls);
        if last {
            self.inputs.clear();
            // Dropping the handle closes the input; this one can only be replaced.
            self.controls = InputHandle::new();
            self.closed = true;
        } else {
            self.inputs.iter_mut().for_each(|input| input.advance_to(next));
            self.controls.advance_to(next);
        }
        Ok(())
    }

    /// After the last epoch: waits for the commits that are still under way.
    fn settle(&mut self, leader: &mut Option<Leader>) -> Result<(), Error> {
        if let Some(leader) = leader {
            loop {
                self.passed(leader);
                if leader.settled() || self.shared.failed() {
                    break;
                }
                self.shared.beat(self.index);
                if !turns::pass() {
                    std::thread::park_timeout(PATIENCE);
                }
            }
            let closed = leader.epoch() - self.shared.first_epoch();
            self.shared.metrics.epochs_closed.store(closed, Ordering::Relaxed);
        }
        Ok(())
    }
}
