//! The host's hold on a running job.

use std::fmt;
use std::mem::ManuallyDrop;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::TryRecvError;
use timely::communication::WorkerGuards;

use super::metrics::Metrics;
use super::parts::Ends;
use super::shared::{Command, Shared};
use super::{BuildFn, LeaderSlot, Receiver, worker};
use crate::ingest::Sender;
use crate::ingest::leader::Leader;
use crate::ingest::record::Recording;
use crate::table::Views;
use crate::{Data, Error, turns};

/// A job that runs. Dropping it stops the job without waiting.
pub struct Running {
    shared: Arc<Shared>,
    ends: Ends,
    leader: LeaderSlot,
    fingerprint: u64,
    /// One message a worker when it has left.
    left: crossbeam_channel::Receiver<()>,
    workers: usize,
    /// The threads, until somebody joins them.
    threads: Mutex<Option<WorkerGuards<()>>>,
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running")
            .field("workers", &self.workers)
            .field("beat_age", &self.beat_age())
            .finish_non_exhaustive()
    }
}

impl Running {
    pub(crate) fn launch(
        shared: Arc<Shared>,
        build: Arc<BuildFn>,
        fingerprint: u64,
        workers: usize,
        leader: Leader,
        ends: Ends,
    ) -> Result<Running, Error> {
        let (tell, left) = crossbeam_channel::bounded(workers);
        let slot: LeaderSlot = Arc::new(Mutex::new(Some(leader)));
        let (to_workers, state) = (slot.clone(), shared.clone());
        let cannot = |e: String| Error::new("E0902", format!("cannot start the workers: {e}"));
        let seats: Vec<_> = (0..workers).map(|_| Mutex::new(turns::another())).collect();
        let (builders, others) = timely::CommunicationConfig::Process(workers).try_build().map_err(cannot)?;
        let guards = timely::communication::initialize_from(builders, others, move |allocator| {
            let seat = seats.get(allocator.index()).and_then(|seat| lock(seat).take());
            turns::seated(seat, || {
                let lead = if is_first(&allocator) { lock(&to_workers).take() } else { None };
                let back = worker::run(allocator, &state, &*build, fingerprint, lead);
                if let Some(mut leader) = back {
                    leader.dismiss();
                    *lock(&to_workers) = Some(leader);
                }
                let _ = tell.send(());
            });
        })
        .map_err(cannot)?;
        Ok(Running { shared, ends, leader: slot, fingerprint, left, workers, threads: Mutex::new(Some(guards)) })
    }

    /// The host's end of a channel into the job. One a name: further splits come from
    /// [`Sender::another_split`].
    ///
    /// # Errors
    /// `E0408` if the flow has no such channel, its rows are of another type, or its sender was taken already.
    pub fn sender<T: Data>(&mut self, name: &str) -> Result<Sender<T>, Error> {
        self.end(name, "channel(..)")
    }

    /// The host's end of a channel out of the job. One a name.
    ///
    /// # Errors
    /// `E0408` if the flow has no such channel, its rows are of another type, or its receiver was taken already.
    pub fn receiver<T: Data>(&mut self, name: &str) -> Result<Receiver<T>, Error> {
        self.end(name, "to_channel(..)")
    }

    fn end<E: 'static>(&mut self, name: &str, made_by: &str) -> Result<E, Error> {
        let wrong = |what: String| Error::new("E0408", what).remedy(format!("compare with {made_by} in the flow"));
        let end = self.ends.get_mut(name).ok_or_else(|| wrong(format!("the flow has no channel \"{name}\"")))?;
        let end = end.as_any().downcast_mut::<Option<E>>();
        let end =
            end.ok_or_else(|| wrong(format!("channel \"{name}\" goes the other way or holds rows of another type")))?;
        end.take().ok_or_else(|| wrong(format!("the end of channel \"{name}\" was taken already, or closed by a wait")))
    }

    /// The tables that the flow shows by [`to_view`](crate::Table::to_view).
    ///
    /// # Examples
    /// ```
    /// use serde::{Deserialize, Serialize};
    /// use watchfire_engine::{Job, Timed};
    /// # #[derive(Clone, Debug, Serialize, Deserialize)]
    /// # struct Report { at_ms: i64, crew: u32, station: u32 }
    /// # impl Timed for Report { fn event_time_ms(&self) -> i64 { self.at_ms } }
    /// let job = Job::new(|flow| {
    ///     let crews = flow.channel::<Report>("crews").key_by(|report| report.crew).latest("at", |report| Some(report.station)).out;
    ///     crews.clone().to_view("places");
    ///     crews.rekey(|_, station| *station).count().to_view("stations");
    /// });
    /// let mut running = job.start()?;
    /// let (crews, views) = (running.sender::<Report>("crews")?, running.views());
    /// crews.send(vec![Report { at_ms: 0, crew: 1, station: 7 }, Report { at_ms: 0, crew: 2, station: 7 }])?;
    /// drop(crews);
    /// running.wait()?;
    /// let now = views.snapshot().ok_or("nothing is known yet")?;
    /// let (places, stations) = (now.view::<u32, u32>("places")?, now.view::<u32, u64>("stations")?);
    /// assert_eq!(places.get(&2).next(), Some((&7, 1)));
    /// assert_eq!(stations.iter().next(), Some((&7, &2, 1)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn views(&self) -> Views {
        Views(self.shared.clone())
    }

    /// A snapshot of the counters.
    pub fn metrics(&self) -> Metrics {
        self.shared.metrics.snapshot()
    }

    /// How long ago the slowest worker last came round its loop: at most some 50 ms while all is well. A host alarms
    /// when it grows to seconds, for then nothing watches any more.
    pub fn beat_age(&self) -> Duration {
        self.shared.beat_age()
    }

    /// Whether the job has failed; [`wait`](Running::wait) says why.
    pub fn failed(&self) -> bool {
        self.shared.failed()
    }

    /// Waits until the job ends by itself: all sources have ended and all rows have left. Senders that were not taken are
    /// closed, for nobody can send by them any more.
    ///
    /// # Errors
    /// The error that ended the job.
    pub fn wait(&mut self) -> Result<Metrics, Error> {
        self.ends.values_mut().for_each(|end| end.give_up());
        self.until(None)
    }

    /// As [`wait`](Running::wait), for at most `wait`, and without closing senders: nothing if the job goes on.
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    /// use watchfire_engine::Job;
    /// # use serde::{Deserialize, Serialize};
    /// # #[derive(Clone, Debug, Serialize, Deserialize)]
    /// # struct Reading { event_time_ms: i64 }
    /// # impl watchfire_engine::Timed for Reading { fn event_time_ms(&self) -> i64 { self.event_time_ms } }
    /// let mut running = Job::new(|flow| flow.channel::<Reading>("readings").to_channel("same")).start()?;
    /// let (readings, _same) = (running.sender::<Reading>("readings")?, running.receiver::<Reading>("same")?);
    /// assert!(running.wait_timeout(Duration::from_millis(1))?.is_none());
    /// drop(readings);
    /// assert!(running.wait_timeout(Duration::from_secs(9))?.is_some());
    /// # Ok::<(), watchfire_engine::Error>(())
    /// ```
    ///
    /// # Errors
    /// The error that ended the job.
    pub fn wait_timeout(&mut self, wait: Duration) -> Result<Option<Metrics>, Error> {
        if self.has_left(turns::now().checked_add(wait)) { self.result().map(Some) } else { Ok(None) }
    }

    /// Takes no more rows, closes all windows, lets everything leave, and finishes the job.
    ///
    /// # Errors
    /// The error that ended the job; `E0904` if it has not ended by the deadline, naming the operator that was running.
    pub fn drain(&mut self, deadline: Duration) -> Result<Metrics, Error> {
        self.shared.order(Command::Drain);
        self.until(Some(deadline))
    }

    /// Takes no more rows, lets what was taken leave, and closes no window: the job can be resumed.
    ///
    /// # Errors
    /// As [`drain`](Running::drain).
    pub fn stop(&mut self, deadline: Duration) -> Result<Metrics, Error> {
        self.shared.order(Command::Stop);
        self.until(Some(deadline))
    }

    /// Ends the job at once, as if its process were killed: what is under way is neither written nor committed. A job that
    /// writes checkpoints comes back to the newest; of another, what has not left is lost. Waits for nothing.
    ///
    /// # Examples
    /// ```
    /// use watchfire_engine::Job;
    /// # use serde::{Deserialize, Serialize};
    /// # #[derive(Clone, Debug, Serialize, Deserialize)]
    /// # struct Reading { event_time_ms: i64 }
    /// # impl watchfire_engine::Timed for Reading { fn event_time_ms(&self) -> i64 { self.event_time_ms } }
    /// let mut running = Job::new(|flow| flow.channel::<Reading>("readings").to_channel("same")).start()?;
    /// running.abort();
    /// assert_eq!(running.wait().unwrap_err().code(), "E0906");
    /// # Ok::<(), watchfire_engine::Error>(())
    /// ```
    pub fn abort(&self) {
        self.shared.fail(Error::new("E0906", "the host has aborted the job").remedy("start it again"));
    }

    fn until(&mut self, deadline: Option<Duration>) -> Result<Metrics, Error> {
        let ends_at = deadline.map(|wait| turns::now() + wait);
        if self.has_left(ends_at) { self.result() } else { Err(self.stuck(deadline.unwrap_or_default())) }
    }

    /// Whether every worker has left by then.
    fn has_left(&mut self, ends_at: Option<Instant>) -> bool {
        while self.workers > 0 {
            match self.left.try_recv() {
                Ok(()) => {}
                Err(_) if ends_at.is_some_and(|at| turns::now() >= at) => return false,
                Err(TryRecvError::Empty) if turns::pass() => continue,
                Err(_) => {
                    let left = match ends_at {
                        Some(at) => self.left.recv_deadline(at).is_ok(),
                        None => self.left.recv().is_ok(),
                    };
                    if !left {
                        return false;
                    }
                }
            }
            self.workers -= 1;
        }
        true
    }

    /// What came of the job, when every worker has left.
    fn result(&self) -> Result<Metrics, Error> {
        self.shared.stop_reading();
        self.join_apart();
        match self.shared.error() {
            Some(error) => Err(error),
            None => Ok(self.metrics()),
        }
    }

    /// Joins the workers, or their stacks stay for good: on a thread of its own, since they are waited for by their message,
    /// and a stuck one must not hang the host that drops this handle.
    fn join_apart(&self) {
        // Without another thread they are left alone: dropped, they would be waited for here.
        let Some(threads) = lock(&self.threads).take().map(ManuallyDrop::new) else { return };
        let join = move || drop(ManuallyDrop::into_inner(threads).join());
        let _ = std::thread::Builder::new().name("watchfire-join".into()).spawn(join);
    }

    fn stuck(&self, deadline: Duration) -> Error {
        if let Some(error) = self.shared.error() {
            return error;
        }
        let what = match self.shared.busy_with() {
            Some((name, place)) => {
                let what = format!("operator \"{name}\" is still running {deadline:?} after the job was told to end");
                return Error::new("E0904", what).at(place).remedy("look at the named operator, then wait again");
            }
            None => format!("rows have not left {deadline:?} after the job was told to end"),
        };
        let error =
            Error::new("E0904", what).remedy("take the rows from every receiver, look at the sinks, wait again");
        match self.shared.waiting().as_slice() {
            [] => error,
            behind => error.at(format!("behind: {}", behind.join(", "))),
        }
    }

    /// What entered the job, once it has ended. Only of a job made with [`Job::record`](crate::Job::record), and not with
    /// [`Job::record_to`](crate::Job::record_to).
    pub fn recording(&self) -> Option<Recording> {
        let mut leader = lock(&self.leader);
        let recorder = leader.as_mut()?.recorder.take()?;
        Some(Recording { items: recorder.items, fingerprint: self.fingerprint })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.shared.order(Command::Stop);
        self.join_apart();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn is_first(allocator: &timely::communication::Allocator) -> bool {
    allocator.index() == 0
}
