//! What the threads of one job share: commands, failure, wakers, beats, and the feeds of the workers.

use std::any::Any;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::Thread;
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;

use crate::Error;
use crate::checkpoint::{Handed, Order};
use crate::durable::{Body, StateType};
use crate::ingest::leader::EpochFeed;
use crate::job::metrics::Registry;
use crate::job::outlet::{Nudge, Outlet};
use crate::keyed::Clocks;
use crate::table::Snapshot;
use crate::time::FIRST_EPOCH;
use crate::turns;

/// What a checkpoint holds of one operator's keys.
#[derive(Clone, Debug, Default)]
pub(crate) struct KeyStates {
    pub(crate) types: Vec<StateType>,
    /// What holds the keys of all workers, oldest first.
    pub(crate) bodies: Arc<[Body]>,
    /// The next checkpoint is to hold all of them again.
    pub(crate) anew: bool,
}

/// What the host wants of the job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Run,
    Drain,
    Stop,
}

/// No node's code is running.
pub(crate) const IDLE_NODE: usize = usize::MAX;

pub(crate) struct Shared {
    nodes: Vec<NodeState>,
    pub(crate) metrics: Registry,
    pub(crate) next_split: AtomicU32,
    /// Typed ends of the sinks, each taken by the worker that owns it.
    pub(crate) outlets: Mutex<HashMap<usize, Box<dyn Any + Send>>>,
    command: AtomicU8,
    /// The leader lets rows gather, and looks again by itself.
    gathering: AtomicBool,
    /// Sources are to give rows again that were logged by their number.
    hears_again: AtomicBool,
    /// See [`Shared::rehearses`].
    rehearse_every: AtomicU64,
    /// Where operators hand over what they write down, if the job writes checkpoints.
    pub(crate) checkpoints: OnceLock<async_channel::Sender<Order>>,
    /// The clocks of the checkpoint that the job comes back to.
    pub(crate) clocks: OnceLock<Clocks>,
    /// Its states, by operator and worker: each lets go of them when it has its own.
    states: Mutex<HashMap<(String, usize), KeyStates>>,
    /// What operators have stored, by checkpoint.
    handed: Mutex<BTreeMap<u64, Vec<Handed>>>,
    /// The first epoch of this run.
    first_epoch: AtomicU64,
    /// The last epoch that would be heard again after a crash.
    logged: AtomicU64,
    /// Sinks that wait for epochs to be logged.
    log_waiters: Mutex<Vec<Arc<Nudge>>>,
    /// The store of checkpoints does not take what it is given.
    pub(crate) checkpoints_wait: AtomicBool,
    /// The store of the epoch log does not take what it is given.
    pub(crate) epochs_wait: AtomicBool,
    /// The store of the recording does not take what it is given.
    pub(crate) recording_waits: AtomicBool,
    /// What the host sees of the views.
    pub(crate) views: ArcSwapOption<Snapshot>,
    failed: AtomicBool,
    error: Mutex<Option<Error>>,
    workers: Vec<Worker>,
    /// What ends the outside of each sink when the job fails.
    closers: Mutex<Vec<Box<dyn FnOnce() + Send>>>,
    started: Instant,
    /// Closed when sources are to stop reading.
    reading: (async_channel::Sender<()>, async_channel::Receiver<()>),
}

/// A node of the plan, as errors speak of it.
struct NodeState {
    name: String,
    place: String,
    /// A sink whose outside has not taken what it was given.
    waiting: AtomicBool,
}

/// What others may know of, and tell to, one worker.
struct Worker {
    thread: OnceLock<Thread>,
    inbox: Mutex<VecDeque<EpochFeed>>,
    beat_us: AtomicU64,
    node: Current,
}

/// The node whose code a worker is running: names the culprit of a panic or a hang.
#[derive(Clone, Debug)]
pub(crate) struct Current(Arc<AtomicUsize>);

impl Current {
    #[inline]
    pub(crate) fn set(&self, node: usize) {
        self.0.store(node, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    /// `nodes`: name and place of each.
    pub(crate) fn new(nodes: impl Iterator<Item = (String, String)>, workers: usize) -> Arc<Self> {
        let worker = || Worker {
            thread: OnceLock::new(),
            inbox: Mutex::default(),
            beat_us: AtomicU64::new(0),
            node: Current(Arc::new(AtomicUsize::new(IDLE_NODE))),
        };
        Arc::new(Shared {
            nodes: nodes.map(|(name, place)| NodeState { name, place, waiting: AtomicBool::new(false) }).collect(),
            metrics: Registry::new(workers),
            next_split: AtomicU32::new(0),
            outlets: Mutex::default(),
            command: AtomicU8::new(0),
            gathering: AtomicBool::new(false),
            hears_again: AtomicBool::new(false),
            rehearse_every: AtomicU64::new(0),
            checkpoints: OnceLock::new(),
            clocks: OnceLock::new(),
            states: Mutex::default(),
            handed: Mutex::default(),
            first_epoch: AtomicU64::new(FIRST_EPOCH),
            logged: AtomicU64::new(u64::MAX),
            log_waiters: Mutex::default(),
            checkpoints_wait: AtomicBool::new(false),
            epochs_wait: AtomicBool::new(false),
            recording_waits: AtomicBool::new(false),
            views: ArcSwapOption::empty(),
            failed: AtomicBool::new(false),
            error: Mutex::default(),
            workers: (0..workers).map(|_| worker()).collect(),
            closers: Mutex::default(),
            started: turns::now(),
            reading: async_channel::bounded(1),
        })
    }

    /// The outlet of a sink, for the worker that owns it. Taken once.
    pub(crate) fn take_outlet<T: 'static>(&self, node: usize) -> Option<(Outlet<T>, Arc<Nudge>)> {
        lock(&self.outlets).remove(&node)?.downcast().ok().map(|both| *both)
    }

    /// What an operator comes back to on one worker. Taken once.
    pub(crate) fn take_states(&self, operator: &str, worker: usize) -> KeyStates {
        lock(&self.states).remove(&(operator.to_owned(), worker)).unwrap_or_default()
    }

    pub(crate) fn set_states(&self, operator: &str, worker: usize, states: KeyStates) {
        lock(&self.states).insert((operator.to_owned(), worker), states);
    }

    /// Operators have stored all of a checkpoint.
    pub(crate) fn handed(&self, checkpoint: u64, all: impl Iterator<Item = Handed>) {
        lock(&self.handed).entry(checkpoint).or_default().extend(all);
    }

    pub(crate) fn take_handed(&self, checkpoint: u64) -> Vec<Handed> {
        lock(&self.handed).remove(&checkpoint).unwrap_or_default()
    }

    pub(crate) fn first_epoch(&self) -> u64 {
        self.first_epoch.load(Ordering::Relaxed)
    }

    pub(crate) fn logged(&self) -> u64 {
        // In one order with the wish of a sink to be woken.
        self.logged.load(Ordering::SeqCst)
    }

    pub(crate) fn set_logged(&self, epoch: u64) {
        if self.logged.swap(epoch, Ordering::SeqCst) != epoch {
            lock(&self.log_waiters).iter().for_each(|nudge| nudge.give());
        }
    }

    /// Adds what is to be woken when epochs have been logged.
    pub(crate) fn on_logged(&self, nudge: Arc<Nudge>) {
        lock(&self.log_waiters).push(nudge);
    }

    /// Before the workers start.
    pub(crate) fn set_first_epoch(&self, epoch: u64) {
        self.first_epoch.store(epoch, Ordering::Relaxed);
    }

    /// Recovery is rehearsed after so many epochs; 0 is never.
    pub(crate) fn rehearse_every(&self, epochs: u64) {
        self.rehearse_every.store(epochs, Ordering::Relaxed);
    }

    /// Whether recovery is rehearsed at all.
    pub(crate) fn ever_rehearses(&self) -> bool {
        self.rehearse_every.load(Ordering::Relaxed) > 0
    }

    /// Whether this epoch is followed by a rehearsal.
    pub(crate) fn rehearses(&self, epoch: u64) -> bool {
        epoch.checked_rem(self.rehearse_every.load(Ordering::Relaxed)) == Some(0)
    }

    pub(crate) fn command(&self) -> Command {
        match self.command.load(Ordering::SeqCst) {
            0 => Command::Run,
            1 => Command::Drain,
            _ => Command::Stop,
        }
    }

    /// Tells the job to end. The first wish holds.
    pub(crate) fn order(&self, command: Command) {
        let wish = match command {
            Command::Run => return,
            Command::Drain => 1,
            Command::Stop => 2,
        };
        let _ = self.command.compare_exchange(0, wish, Ordering::SeqCst, Ordering::SeqCst);
        // Rows that were logged must enter before a job can be drained. One that is stopped gets them when it comes back.
        if self.command() == Command::Stop || !self.hears_again.load(Ordering::SeqCst) {
            self.stop_reading();
        }
        self.set_gathering(false);
        self.wake(0);
    }

    /// Whether rows are to gather. In one order with what is put into the queues: whoever still sees the leader gather has
    /// queued its rows before the leader stopped, and so before it looks.
    pub(crate) fn gathering(&self) -> bool {
        self.gathering.load(Ordering::SeqCst)
    }

    pub(crate) fn set_gathering(&self, gathering: bool) {
        self.gathering.store(gathering, Ordering::SeqCst);
    }

    /// Rows have been queued; `many` says that they are not to wait for more.
    pub(crate) fn queued(&self, many: bool) {
        if many {
            self.set_gathering(false);
        }
        if !self.gathering() {
            self.wake(0);
        }
    }

    /// Whether sources still have to give rows again: until then a job that is to be drained reads on.
    pub(crate) fn set_hears_again(&self, again: bool) {
        self.hears_again.store(again, Ordering::SeqCst);
        if !again && self.command() != Command::Run {
            self.stop_reading();
        }
    }

    pub(crate) fn stop_reading(&self) {
        self.reading.0.close();
    }

    /// Resolves when sources are to stop reading.
    pub(crate) async fn reading_over(&self) {
        let _ = self.reading.1.recv().await;
    }

    /// Poisons the job: every worker leaves at its next step. The first error is kept.
    pub(crate) fn fail(&self, error: Error) {
        tracing::error!(%error, "the job has failed");
        lock(&self.error).get_or_insert(error);
        self.failed.store(true, Ordering::Release);
        self.stop_reading();
        // The workers leave their graphs undropped, so what is in them would keep the outside waiting.
        let closers = std::mem::take(&mut *lock(&self.closers));
        closers.into_iter().for_each(|close| close());
        (0..self.workers.len()).for_each(|worker| self.wake(worker));
    }

    /// Adds what is to be called when the job fails.
    pub(crate) fn on_failure(&self, close: Box<dyn FnOnce() + Send>) {
        lock(&self.closers).push(close);
    }

    pub(crate) fn failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }

    pub(crate) fn error(&self) -> Option<Error> {
        lock(&self.error).clone()
    }

    /// Makes the calling thread a worker that others can wake.
    pub(crate) fn enlist(&self, worker: usize) -> Current {
        let _ = self.workers[worker].thread.set(std::thread::current());
        self.workers[worker].node.clone()
    }

    pub(crate) fn wake(&self, worker: usize) {
        if let Some(thread) = self.workers[worker].thread.get() {
            thread.unpark();
        }
    }

    pub(crate) fn hand_over(&self, worker: usize, feed: EpochFeed) {
        lock(&self.workers[worker].inbox).push_back(feed);
        self.wake(worker);
    }

    pub(crate) fn take_feed(&self, worker: usize) -> Option<EpochFeed> {
        lock(&self.workers[worker].inbox).pop_front()
    }

    pub(crate) fn beat(&self, worker: usize) {
        self.workers[worker]
            .beat_us
            .store(turns::now().duration_since(self.started).as_micros() as u64, Ordering::Relaxed);
    }

    /// How long ago the slowest worker last came round its loop.
    pub(crate) fn beat_age(&self) -> Duration {
        let oldest = self.workers.iter().map(|worker| worker.beat_us.load(Ordering::Relaxed)).min().unwrap_or(0);
        turns::now().duration_since(self.started).saturating_sub(Duration::from_micros(oldest))
    }

    /// The name and place of the node that a worker's thread is in.
    pub(crate) fn busy_with(&self) -> Option<(String, String)> {
        self.workers.iter().find_map(|worker| self.node(worker.node.get()))
    }

    /// The name and place of a node of the plan.
    pub(crate) fn node(&self, node: usize) -> Option<(String, String)> {
        self.nodes.get(node).map(|node| (node.name.clone(), node.place.clone()))
    }

    /// Says of a sink whether its outside is behind.
    pub(crate) fn set_waiting(&self, node: usize, waiting: bool) {
        if let Some(node) = self.nodes.get(node) {
            node.waiting.store(waiting, Ordering::Relaxed);
        }
    }

    /// What is behind: sources, the names of sinks, the recording, the epoch log, and the checkpoints.
    pub(crate) fn waiting(&self) -> Vec<String> {
        let behind = self.nodes.iter().filter(|node| node.waiting.load(Ordering::Relaxed));
        let sinks = behind.map(|node| format!("\"{}\"", node.name));
        let recording = self.recording_waits.load(Ordering::Relaxed).then(|| "the store of the recording".to_owned());
        let checkpoints = self.checkpoints_wait.load(Ordering::Relaxed).then(|| "the store of checkpoints".to_owned());
        let epochs = self.epochs_wait.load(Ordering::Relaxed).then(|| "the store of the epoch log".to_owned());
        let again = self.hears_again.load(Ordering::SeqCst);
        let sources = again.then(|| "sources that are to give logged rows again".to_owned());
        sources.into_iter().chain(sinks).chain(recording).chain(epochs).chain(checkpoints).collect()
    }
}

/// Travels with an I/O task: if the host's runtime drops the task before its end, the job fails instead of taking that
/// for the end of the rows.
pub(crate) struct TaskGuard {
    shared: Arc<Shared>,
    who: String,
    done: bool,
}

impl TaskGuard {
    pub(crate) fn new(shared: Arc<Shared>, who: String) -> Self {
        TaskGuard { shared, who, done: false }
    }

    pub(crate) fn done(mut self) {
        self.done = true;
    }
}

impl Drop for TaskGuard {
    fn drop(&mut self) {
        if !self.done && !self.shared.failed() {
            let what = format!("{} was dropped by the I/O runtime before its end", self.who);
            self.shared.fail(Error::new("E0905", what).remedy("keep the runtime until the job has ended"));
        }
    }
}

/// What a panic said.
pub(crate) fn panic_text(panic: &(dyn Any + Send)) -> String {
    if let Some(text) = panic.downcast_ref::<&str>() {
        (*text).to_owned()
    } else if let Some(text) = panic.downcast_ref::<String>() {
        text.clone()
    } else {
        "no message".to_owned()
    }
}
