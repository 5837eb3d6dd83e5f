//! Where rows leave: host channels, and the I/O task that feeds a connector's writer.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{self, Poll, Wake};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use async_channel::{TryRecvError, TrySendError};
use timely::scheduling::SyncActivator;

use super::parts::{HostEnd, SinkHandle};
use super::shared::{Shared, TaskGuard};
use crate::Error;
use crate::decode::Encoder;
use crate::io::IoRuntime;
use crate::sink::{CommitMode, Sink, Writer};
use crate::source::Failure;

/// How a host channel out of a job is bounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChannelOut {
    /// Outputs (one an epoch that has rows) that wait for the host before the job is held back. Default 1,024.
    pub capacity_epochs: usize,
    /// Of a job that [logs its epochs](crate::Checkpointing::log_epochs), whether every output waits until its epoch is logged.
    /// Then one that comes again after a crash has the same number and the same rows, and the host can pass it over. Else
    /// only those wait that a tick of the clock or the health of a split has a part in. Default no.
    pub by_epoch: bool,
}

impl Default for ChannelOut {
    fn default() -> Self {
        ChannelOut { capacity_epochs: 1_024, by_epoch: false }
    }
}

/// The rows of one closed epoch, in ingest order of what caused them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output<T> {
    /// The epoch. Rises from output to output.
    pub epoch: u64,
    /// The rows; never empty.
    pub rows: Vec<T>,
}

/// Wakes the operator of a sink that is waiting for its outside.
#[derive(Default)]
pub(crate) struct Nudge {
    activator: Mutex<Option<SyncActivator>>,
    wanted: AtomicBool,
}

impl fmt::Debug for Nudge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Nudge")
    }
}

impl Nudge {
    pub(crate) fn install(&self, activator: SyncActivator) {
        *self.activator.lock().unwrap_or_else(PoisonError::into_inner) = Some(activator);
    }

    /// The operator asks to be woken when something has moved.
    pub(crate) fn want(&self) {
        self.wanted.store(true, Ordering::SeqCst);
    }

    /// Something has moved.
    pub(crate) fn give(&self) {
        if self.wanted.swap(false, Ordering::SeqCst)
            && let Some(activator) = self.activator.lock().unwrap_or_else(PoisonError::into_inner).as_ref()
        {
            // It fails only once the worker has gone, and then nobody waits.
            let _ = activator.activate();
        }
    }
}

/// The host's end of a channel out of a job.
///
/// Bounded: a host that does not read holds the job back, in the end its own senders. Dropping it while the job runs
/// fails the job, for rows that nobody takes are lost.
pub struct Receiver<T> {
    // Dropped in this order: the sink's operator is woken when it can see that nobody receives any more.
    rx: async_channel::Receiver<Output<T>>,
    nudge: Farewell,
}

struct Farewell(Arc<Nudge>);

impl Drop for Farewell {
    fn drop(&mut self) {
        self.0.give();
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Receiver({} waiting)", self.rx.len())
    }
}

impl<T: Send + 'static> HostEnd for Option<Receiver<T>> {
    fn as_any(&mut self) -> &mut dyn Any {
        self
    }

    /// Nothing: rows that nobody takes are lost, and that is no way to end a job.
    fn give_up(&mut self) {}
}

impl<T> Receiver<T> {
    pub(crate) fn new(rx: async_channel::Receiver<Output<T>>, nudge: Arc<Nudge>) -> Self {
        Receiver { rx, nudge: Farewell(nudge) }
    }

    /// Waits for the next output. `None` when the job has ended and everything was received.
    pub fn recv(&self) -> Option<Output<T>> {
        self.recv_until(None).ok().flatten()
    }

    /// The next output if there is one now. `Ok(None)` means not yet; an error means never again.
    ///
    /// # Errors
    /// [`Ended`] when the job has ended and everything was received.
    pub fn try_recv(&self) -> Result<Option<Output<T>>, Ended> {
        match self.rx.try_recv() {
            Ok(output) => Ok(self.taken(Some(output))),
            Err(TryRecvError::Empty) => Ok(None),
            Err(TryRecvError::Closed) => Err(Ended),
        }
    }

    /// As [`try_recv`](Receiver::try_recv), waiting at most `wait`.
    ///
    /// # Errors
    /// [`Ended`] when the job has ended and everything was received.
    pub fn recv_timeout(&self, wait: Duration) -> Result<Option<Output<T>>, Ended> {
        self.recv_until(Instant::now().checked_add(wait))
    }

    /// Sleeps until there is an output. Yielding the core first, as channels that block do, would cost the host its turn:
    /// a scheduler that counts a yield as a used slice lets it wait for milliseconds behind workers that wake each other.
    fn recv_until(&self, end: Option<Instant>) -> Result<Option<Output<T>>, Ended> {
        let mut next = pin!(self.rx.recv());
        let waker = Arc::new(Unpark(thread::current())).into();
        loop {
            if let Poll::Ready(output) = next.as_mut().poll(&mut task::Context::from_waker(&waker)) {
                return output.map(|output| self.taken(Some(output))).map_err(|_| Ended);
            }
            match end.map(|end| end.saturating_duration_since(Instant::now())) {
                None => thread::park(),
                Some(Duration::ZERO) => return Ok(None),
                Some(rest) => thread::park_timeout(rest),
            }
        }
    }

    /// All rows until the job ends, in order.
    pub fn rows(&self) -> impl Iterator<Item = T> {
        std::iter::from_fn(|| self.recv()).flat_map(|output| output.rows)
    }

    fn taken(&self, output: Option<Output<T>>) -> Option<Output<T>> {
        self.nudge.0.give();
        output
    }
}

/// Wakes the thread that waits.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// The job has ended and everything was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended;

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the job has ended and everything was received")
    }
}
impl std::error::Error for Ended {}

/// One closed epoch on its way to a sink.
pub(crate) struct Leaving<T> {
    pub(crate) epoch: u64,
    pub(crate) rows: Vec<T>,
    /// After the rows, everything so far is to be prepared under this number.
    pub(crate) prepare: Option<u64>,
}

/// What a sink's operator hands closed epochs to. Never blocks.
pub(crate) enum Outlet<T> {
    Host { tx: async_channel::Sender<Output<T>> },
    Task { tx: async_channel::Sender<ToTask<T>>, done: Arc<AtomicU64> },
}

pub(crate) enum ToTask<T> {
    Leaving(Leaving<T>),
    Commit(u64),
}

/// Why an outlet did not take an epoch.
pub(crate) enum Refused<T> {
    Full(Leaving<T>),
    Gone,
}

impl<T: Send + 'static> Outlet<T> {
    /// What tells the outside that nothing will come any more, after what was handed over. Does not keep it waiting.
    pub(crate) fn closer(&self) -> Box<dyn FnOnce() + Send> {
        match self {
            Outlet::Host { tx } => closer(tx),
            Outlet::Task { tx, .. } => closer(tx),
        }
    }

    pub(crate) fn offer(&self, leaving: Leaving<T>) -> Result<(), Refused<T>> {
        match self {
            Outlet::Host { tx } => {
                let Leaving { epoch, rows, prepare } = leaving;
                if rows.is_empty() {
                    return Ok(());
                }
                tx.try_send(Output { epoch, rows }).map_err(|e| match e {
                    TrySendError::Full(Output { epoch, rows }) => Refused::Full(Leaving { epoch, rows, prepare }),
                    TrySendError::Closed(_) => Refused::Gone,
                })
            }
            Outlet::Task { tx, .. } => tx.try_send(ToTask::Leaving(leaving)).map_err(|e| match e {
                TrySendError::Full(ToTask::Leaving(leaving)) => Refused::Full(leaving),
                _ => Refused::Gone,
            }),
        }
    }

    /// Epochs up to this one are outside; a host channel is outside at once.
    pub(crate) fn done(&self) -> u64 {
        match self {
            Outlet::Host { .. } => u64::MAX,
            // In one order with the wish to be woken, so that one side always sees the other.
            Outlet::Task { done, .. } => done.load(Ordering::SeqCst),
        }
    }
}

fn closer<M: Send + 'static>(tx: &async_channel::Sender<M>) -> Box<dyn FnOnce() + Send> {
    let tx = tx.downgrade();
    Box::new(move || {
        if let Some(tx) = tx.upgrade() {
            tx.close();
        }
    })
}

/// What a sink has prepared and not committed, by number.
pub(crate) type PreparedBook = Arc<Mutex<BTreeMap<u64, Vec<u8>>>>;

/// The leader's handle on a connector's sink.
pub(crate) struct TaskHandle<T> {
    pub(crate) name: String,
    pub(crate) prepared: PreparedBook,
    pub(crate) tx: async_channel::Sender<ToTask<T>>,
    pub(crate) mode: CommitMode,
    pub(crate) committed: Arc<AtomicU64>,
}

impl<T: Send> SinkHandle for TaskHandle<T> {
    fn name(&self) -> &str {
        &self.name
    }

    fn prepared(&self, number: u64) -> Option<Vec<u8>> {
        self.prepared.lock().unwrap_or_else(PoisonError::into_inner).get(&number).cloned()
    }

    fn two_phase(&self) -> bool {
        self.mode == CommitMode::TwoPhase
    }

    fn commit(&self, number: u64) -> bool {
        !self.two_phase()
            || self.committed.load(Ordering::Acquire) >= number
            || self.tx.try_send(ToTask::Commit(number)).is_ok()
    }

    fn committed(&self) -> u64 {
        self.committed.load(Ordering::Acquire)
    }
}

/// Runs one writer: encodes, writes, prepares, commits, retries.
pub(crate) struct WriterTask<S, E, T> {
    pub(crate) name: String,
    pub(crate) sink: S,
    pub(crate) encoder: E,
    pub(crate) rx: async_channel::Receiver<ToTask<T>>,
    pub(crate) done: Arc<AtomicU64>,
    pub(crate) committed: Arc<AtomicU64>,
    pub(crate) prepared: PreparedBook,
    pub(crate) generation: u64,
    /// Earlier runs have prepared something up to this number.
    pub(crate) owed_upto: u64,
    /// Rows of epochs up to this one are visible, or will be by what is owed.
    pub(crate) visible_upto: u64,
    pub(crate) nudge: Arc<Nudge>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) io: Arc<dyn IoRuntime>,
}

/// The first pause after a failure, and the longest.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(10));

/// Calls a writer again and again while it says that the outside may recover.
macro_rules! retried {
    ($task:expr, $call:expr) => {{
        let mut pause = BACK_OFF.0;
        loop {
            match $call.await {
                Err(Failure::Retry(error)) => {
                    tracing::warn!(sink = %$task.name, %error, "writing failed, trying again");
                    if $task.shared.failed() {
                        break Err($task.error_of(Failure::Retry(error)));
                    }
                    $task.io.sleep(pause).await;
                    pause = (pause * 2).min(BACK_OFF.1);
                }
                Err(failure) => break Err($task.error_of(failure)),
                Ok(value) => break Ok(value),
            }
        }
    }};
}

impl<T: Send + 'static, S: Sink, E: Encoder<T>> WriterTask<S, E, T> {
    pub(crate) async fn run(self, guard: TaskGuard) {
        let body = std::panic::AssertUnwindSafe(self.write_all());
        let result = futures_lite::FutureExt::catch_unwind(body).await;
        let error = match result {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error),
            Err(panic) => {
                let what =
                    format!("the writer of sink \"{}\" panicked: {}", self.name, super::shared::panic_text(&*panic));
                Some(Error::new("E0903", what).remedy("mend the connector or encoder"))
            }
        };
        if let Some(error) = error {
            self.shared.fail(error);
        }
        guard.done();
    }

    async fn write_all(&self) -> Result<(), Error> {
        let mut writer: Box<dyn Writer> = retried!(self, self.sink.open(0, self.generation))?;
        // What was promised comes before what was only begun is removed.
        self.commit(&mut writer, self.owed_upto).await?;
        retried!(self, writer.abort_older())?;
        let two_phase = self.sink.commit_mode() == CommitMode::TwoPhase;
        while let Ok(message) = self.rx.recv().await {
            match message {
                ToTask::Leaving(Leaving { epoch, rows, prepare }) => {
                    let encoded = rows.iter().map(|row| self.encoder.encode(row)).collect::<Result<Vec<_>, _>>();
                    let encoded = encoded.map_err(|e| e.at(format!("sink \"{}\"", self.name)))?;
                    // Epochs that come again after the job went back to an older checkpoint.
                    let visible = two_phase && epoch <= self.visible_upto;
                    if !encoded.is_empty() && !visible {
                        retried!(self, writer.write(epoch, &encoded))?;
                    }
                    if let Some(number) = prepare
                        && let Some(bytes) = retried!(self, writer.prepare(number))?
                        && two_phase
                    {
                        self.prepared.lock().unwrap_or_else(PoisonError::into_inner).insert(number, bytes);
                    }
                    self.done.store(epoch, Ordering::SeqCst);
                    self.nudge.give();
                }
                ToTask::Commit(upto) => self.commit(&mut writer, upto).await?,
            }
        }
        Ok(())
    }

    /// Commits everything that was prepared up to a number.
    async fn commit(&self, writer: &mut Box<dyn Writer>, upto: u64) -> Result<(), Error> {
        let prepared = || self.prepared.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let next = prepared().first_key_value().map(|(number, bytes)| (*number, bytes.clone()));
            let Some((number, bytes)) = next.filter(|(number, _)| *number <= upto) else { break };
            retried!(self, writer.commit(number, &bytes))?;
            prepared().remove(&number);
        }
        self.committed.store(upto, Ordering::Release);
        self.shared.wake(0);
        Ok(())
    }

    fn error_of(&self, failure: Failure) -> Error {
        let place = format!("sink \"{}\"", self.name);
        match failure {
            Failure::Retry(error) | Failure::Fatal(error) => match error.place() {
                Some(at) => {
                    let place = format!("{place}, {at}");
                    error.at(place)
                }
                None => error.at(place),
            },
            Failure::Fenced => Error::new("E0303", "a newer generation of this job writes to this sink").at(place),
            Failure::Poison { index, why } => why.at(format!("{place}, row {index} of the epoch")),
            Failure::OffsetExpired { earliest } => {
                Error::new("E0304", format!("a sink spoke of an expired offset ({earliest})")).at(place)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn channel(capacity: usize) -> (async_channel::Sender<Output<u64>>, Receiver<u64>) {
        let (tx, rx) = async_channel::bounded(capacity);
        (tx, Receiver::new(rx, Arc::default()))
    }

    fn output(epoch: u64) -> Output<u64> {
        Output { epoch, rows: vec![epoch] }
    }

    #[test]
    fn a_wait_ends_with_an_output_with_the_end_or_by_itself() {
        let (tx, rx) = channel(8);
        assert_eq!(rx.recv_timeout(Duration::ZERO), Ok(None));
        assert_eq!(rx.recv_timeout(Duration::from_millis(5)), Ok(None));
        tx.try_send(output(1)).unwrap();
        assert_eq!(rx.recv_timeout(Duration::ZERO), Ok(Some(output(1))));
        thread::scope(|threads| {
            let waits = threads.spawn(|| (rx.recv(), rx.recv_timeout(Duration::MAX), rx.recv_timeout(Duration::MAX)));
            for epoch in 2..4 {
                thread::sleep(Duration::from_millis(5));
                tx.try_send(output(epoch)).unwrap();
            }
            thread::sleep(Duration::from_millis(5));
            drop(tx);
            assert_eq!(waits.join().unwrap(), (Some(output(2)), Ok(Some(output(3))), Err(Ended)));
        });
        assert_eq!((rx.recv(), rx.try_recv()), (None, Err(Ended)));
    }

    #[test]
    fn many_may_wait_and_each_output_goes_to_one() {
        let (tx, rx) = channel(1_000);
        thread::scope(|threads| {
            let all: Vec<_> = (0..4).map(|_| threads.spawn(|| rx.rows().collect::<Vec<u64>>())).collect();
            (0..1_000).for_each(|epoch| tx.try_send(output(epoch)).unwrap());
            drop(tx);
            let mut seen: Vec<u64> = all.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
            seen.sort_unstable();
            assert!(seen.into_iter().eq(0..1_000));
        });
    }
}
