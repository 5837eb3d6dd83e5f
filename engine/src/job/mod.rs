//! `Job` plans, checks, starts and stops a flow; `Running` is the host's hold on it.

pub(crate) mod metrics;
pub(crate) mod outlet;
pub(crate) mod parts;
mod running;
pub(crate) mod shared;
mod start;
pub(crate) mod worker;
pub(crate) mod writing;

use std::fmt;
use std::panic::Location;
use std::sync::{Arc, Mutex};

pub use metrics::{DetectorMetrics, Metrics, OperatorMetrics, SourceMetrics};
pub use outlet::{ChannelOut, Ended, Output, Receiver};
pub use running::Running;

use crate::Error;
use crate::checkpoint::Checkpointing;
use crate::durable::Store;
use crate::flow::{Finding, Flow, Plan};
use crate::ingest::leader::{Bounds, Leader};
use crate::ingest::record::Recording;
use crate::ingest::saved::other_flow;
use crate::io::{IoRuntime, ThreadIo};
use crate::time::TickSource;

pub(crate) type BuildFn = dyn for<'f> Fn(&Flow<'f>) + Send + Sync;

/// A flow, and how it is to be run.
///
/// # Examples
/// ```
/// use serde::{Deserialize, Serialize};
/// use watchfire_engine::{Job, Timed};
/// #[derive(Clone, Debug, Serialize, Deserialize)]
/// struct Reading { event_time_ms: i64, load_kg: f64 }
/// impl Timed for Reading {
///     fn event_time_ms(&self) -> i64 { self.event_time_ms }
/// }
/// let job = Job::new(|flow| {
///     flow.channel::<Reading>("readings").filter(|r| r.load_kg > 1_000.0).to_channel("heavy");
/// });
/// assert!(job.check().is_empty());
/// let mut running = job.start()?;
/// let readings = running.sender::<Reading>("readings")?;
/// let heavy = running.receiver::<Reading>("heavy")?;
/// readings.send(vec![Reading { event_time_ms: 0, load_kg: 900.0 }, Reading { event_time_ms: 1, load_kg: 1_100.0 }])?;
/// drop(readings);
/// assert_eq!(heavy.rows().map(|r| r.event_time_ms).collect::<Vec<_>>(), [1]);
/// running.wait()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Job {
    build: Arc<BuildFn>,
    made_at: &'static Location<'static>,
    workers: usize,
    ticks: Option<TickSource>,
    bounds: Bounds,
    io: Arc<dyn IoRuntime>,
    record: bool,
    record_to: Option<Arc<dyn Store>>,
    rehearse_every: u64,
    checkpoints: Option<(Arc<dyn Store>, Checkpointing)>,
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job").field("workers", &self.workers).field("ticks", &self.ticks).finish_non_exhaustive()
    }
}

impl Job {
    /// A job that runs what `build` builds: one worker, wall-clock ticks, a thread for each connector task.
    ///
    /// `build` runs once to plan, and once on every worker; it must give the same flow each time.
    #[track_caller]
    pub fn new(build: impl for<'f> Fn(&Flow<'f>) + Send + Sync + 'static) -> Self {
        Job {
            build: Arc::new(build),
            made_at: Location::caller(),
            workers: 1,
            ticks: None,
            bounds: Bounds { rows_max: 16_384, in_flight_max: 8, commit_every_ms: 1_000 },
            io: Arc::new(ThreadIo),
            record: false,
            record_to: None,
            rehearse_every: 0,
            checkpoints: None,
        }
    }

    /// Sets the number of worker threads, at least 1. Results do not depend on it.
    #[must_use]
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = workers.max(1);
        self
    }

    /// Sets where the arrival clock's ticks come from. Without it: event times where every source is bounded, the wall
    /// clock otherwise.
    #[must_use]
    pub fn ticks(mut self, ticks: TickSource) -> Self {
        self.ticks = Some(ticks);
        self
    }

    /// Sets the runtime on which connectors run.
    #[must_use]
    pub fn io(mut self, io: impl IoRuntime) -> Self {
        self.io = Arc::new(io);
        self
    }

    /// Sets how many rows an epoch may take. Larger epochs cost less a row and leave later. Default 16,384.
    #[must_use]
    pub fn epoch_rows_max(mut self, rows: usize) -> Self {
        self.bounds.rows_max = rows.max(1);
        self
    }

    /// Sets how many epochs may be under way at once, at least 1: with the rows of an epoch it bounds the rows in
    /// flight. Default 8.
    #[must_use]
    pub fn epochs_in_flight_max(mut self, epochs: u64) -> Self {
        self.bounds.in_flight_max = epochs.max(1);
        self
    }

    /// Sets how often two-phase sinks commit, by the arrival clock. Default 1,000 ms. Of no effect in a job that writes
    /// checkpoints: there they commit with each of them.
    #[must_use]
    pub fn commit_every_ms(mut self, every_ms: i64) -> Self {
        self.bounds.commit_every_ms = every_ms.max(1);
        self
    }

    /// Writes checkpoints into a store, and comes back to the newest when it starts again: with any number of workers, with
    /// everything that its detectors remembered, and reading on where it was. Rows of a [two-phase] sink are committed with
    /// the checkpoint that holds them, so they are seen once whatever happens; other sinks and host channels get those after
    /// the newest checkpoint again. A job that was drained is done, and starting it again does nothing.
    ///
    /// One job may run at a time: a start fences all runs before it, which then fail with `E0524`. Every source must be able
    /// to [replay](crate::source::Replay), unless epochs are [logged](Checkpointing::log_epochs). Has no part in a replay of a
    /// recording.
    ///
    /// Memory: while a checkpoint is under way, the keys of it that were written down and are not yet stored; and the rows
    /// that merged sources hold, once more. Where epochs are logged, up to 65 of them that wait for the store; and at a start what
    /// was logged since the checkpoint.
    ///
    /// [two-phase]: crate::sink::CommitMode::TwoPhase
    ///
    /// # Examples
    /// ```
    /// use std::sync::Arc;
    /// use std::time::Duration;
    /// use watchfire_engine::{ChannelIn, Checkpointing, Job, durable::Directory, source::Replay};
    /// # use serde::{Deserialize, Serialize};
    /// # #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    /// # struct Reading { event_time_ms: i64 }
    /// # impl watchfire_engine::Timed for Reading { fn event_time_ms(&self) -> i64 { self.event_time_ms } }
    /// # let folder = std::env::temp_dir().join(format!("watchfire-checkpoint-to-{}", std::process::id()));
    /// # let store = Arc::new(Directory::create(&folder)?);
    /// let job = Job::new(|flow| {
    ///     // The host can send its rows again.
    ///     let again = ChannelIn { replay: Replay::Exact, ..ChannelIn::default() };
    ///     flow.channel_with::<Reading>("readings", again).to_channel("same");
    /// });
    /// let job = job.checkpoint_to(store, Checkpointing::named("site"));
    ///
    /// let mut running = job.start()?;
    /// let (readings, same) = (running.sender::<Reading>("readings")?, running.receiver::<Reading>("same")?);
    /// readings.send(vec![Reading { event_time_ms: 7 }, Reading { event_time_ms: 8 }])?;
    /// running.stop(Duration::from_secs(9))?;
    ///
    /// let mut running = job.start()?;
    /// assert_eq!(running.sender::<Reading>("readings")?.resumes_at(), 2);
    /// # let _same = running.receiver::<Reading>("same")?;
    /// # running.drain(Duration::from_secs(9))?;
    /// # std::fs::remove_dir_all(folder)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn checkpoint_to(mut self, store: Arc<dyn Store>, config: Checkpointing) -> Self {
        self.checkpoints = Some((store, config));
        self
    }

    /// Keeps everything that enters, for [`Running::recording`]. Memory grows with the input.
    #[must_use]
    pub fn record(mut self) -> Self {
        self.record = true;
        self
    }

    /// Writes everything that enters into a store, which must hold no recording yet. The job is held back if the store cannot
    /// follow, and waits while it does not answer or is full; its end waits until all is durable. Of a job that fails before
    /// its input ends the recording is not whole. Read it again with [`saved_recording`](Job::saved_recording). A replay is not recorded.
    ///
    /// Memory: up to 65 epochs that wait or are being encoded, and a few copies of a segment of about 4 MiB, or of one batch
    /// where that is larger.
    ///
    /// # Examples
    /// ```
    /// use std::sync::Arc;
    /// use watchfire_engine::{Job, durable::Directory};
    /// # use serde::{Deserialize, Serialize};
    /// # #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    /// # struct Reading { event_time_ms: i64 }
    /// # impl watchfire_engine::Timed for Reading { fn event_time_ms(&self) -> i64 { self.event_time_ms } }
    /// # let folder = std::env::temp_dir().join(format!("watchfire-record-to-{}", std::process::id()));
    /// let job = Job::new(|flow| flow.channel::<Reading>("readings").to_channel("same"));
    /// let store = Arc::new(Directory::create(&folder)?);
    /// let mut running = job.clone().record_to(store.clone()).start()?;
    /// running.sender::<Reading>("readings")?.send(vec![Reading { event_time_ms: 7 }])?;
    /// let _same = running.receiver::<Reading>("same")?;
    /// running.wait()?;
    /// assert_eq!(job.saved_recording(&*store)?.rows(), 1);
    /// # std::fs::remove_dir_all(folder)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn record_to(mut self, store: Arc<dyn Store>) -> Self {
        self.record_to = Some(store);
        self
    }

    /// Rehearses recovery: after every so many epochs each keyed operator forgets what it knows and goes on from what a
    /// checkpoint would hold of it. Results do not depend on it, unless the state of a detector keeps something that is
    /// not stored; so run the tests of a detector with it. 0, the default, is never. O(state) each time.
    ///
    /// # Examples
    /// ```
    /// use watchfire_engine::Job;
    /// # use serde::{Deserialize, Serialize};
    /// # #[derive(Clone, Debug, Serialize, Deserialize)]
    /// # struct Reading { event_time_ms: i64 }
    /// # impl watchfire_engine::Timed for Reading { fn event_time_ms(&self) -> i64 { self.event_time_ms } }
    /// let job = Job::new(|flow| flow.channel::<Reading>("readings").to_channel("same")).rehearse_recovery(1);
    /// # let mut running = job.start()?;
    /// # let (_send, _same) = (running.sender::<Reading>("readings")?, running.receiver::<Reading>("same")?);
    /// # running.stop(std::time::Duration::from_secs(9))?;
    /// # Ok::<(), watchfire_engine::Error>(())
    /// ```
    #[must_use]
    pub fn rehearse_recovery(mut self, every_epochs: u64) -> Self {
        self.rehearse_every = every_epochs;
        self
    }

    /// The plan of the flow: text, JSON, DOT.
    pub fn explain(&self) -> Plan {
        self.planned().plan
    }

    /// Everything that is wrong with the flow, errors first. Opens nothing.
    pub fn check(&self) -> Vec<Finding> {
        self.findings(&self.explain())
    }

    fn findings(&self, plan: &Plan) -> Vec<Finding> {
        let mut all = plan.check();
        if let Some((_, config)) = &self.checkpoints {
            plan.check_checkpoints(config.log_epochs, &mut all);
            all.sort_by_key(|finding| std::cmp::Reverse(finding.weight));
        }
        all
    }

    /// A hash of what the flow computes; see [`Plan::fingerprint`].
    pub fn fingerprint(&self) -> u64 {
        self.explain().fingerprint()
    }

    /// Starts the job, or lets it come back to its newest [checkpoint](Job::checkpoint_to).
    ///
    /// # Errors
    /// `E0100` with every error that [`check`](Job::check) finds; `E0902` if threads cannot be started; those of the store
    /// that the job is [recorded to](Job::record_to), `E0527` if it holds a recording.
    ///
    /// Where checkpoints are written: `E0112` if a job that comes back is to be recorded; `E0521` to `E0534`, which say what is
    /// wrong with the state that was found; those of its store.
    pub fn start(&self) -> Result<Running, Error> {
        self.start_with(None)
    }

    /// Runs a recording instead of the sources: same rows, same ticks, same places, so the same outputs to the byte,
    /// with any number of workers.
    ///
    /// # Errors
    /// As [`start`](Job::start); `E0106` if the recording was made by another flow.
    pub fn replay(&self, recording: &Recording) -> Result<Running, Error> {
        let planned = self.fingerprint();
        if recording.fingerprint != planned {
            return Err(other_flow(recording.fingerprint, planned));
        }
        self.start_with(Some(recording.clone()))
    }

    /// Reads the recording that [`Recording::save`] has written into a store. O(bytes) of time and memory.
    ///
    /// # Errors
    /// `E0106` if it was made by another flow; `E0521` if it is damaged, missing or not whole, `E0522` if a later release
    /// wrote it; `E0526` if rows of the flow cannot be read from it; those of the [store](crate::durable::StoreError).
    pub fn saved_recording(&self, store: &dyn Store) -> Result<Recording, Error> {
        let planned = self.planned();
        Recording::read(store, planned.plan.fingerprint(), &planned.inputs)
    }
}

/// The leader on its way to worker 0, and back with the record.
pub(crate) type LeaderSlot = Arc<Mutex<Option<Leader>>>;
