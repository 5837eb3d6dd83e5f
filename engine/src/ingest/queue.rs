//! Split queues: bounded, one a split, filled by a host or by a connector's reader, drained by the leader.

use std::any::Any;
use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_channel::{Receiver, TryRecvError, TrySendError};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::ahead::Ahead;
use super::pace::MANY_ROWS;
use crate::control::Health;
use crate::decode::DeadLetter;
use crate::durable::SplitAt;
use crate::job::parts::HostEnd;
use crate::job::shared::{Command, Shared};
use crate::source::{KeyPlacement, Replay};
use crate::{Data, Error};

/// Rows in one batch at most; larger ones are cut.
pub(crate) const BATCH_ROWS: usize = 4_096;

/// How a host channel is bounded and what its splits promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChannelIn {
    /// Batches (of at most 4,096 rows) that a split's queue holds before `send` waits. Default 16.
    pub capacity_batches: usize,
    /// Whether all rows of a key come through one split. Default [`KeyPlacement::OneSplit`].
    pub key_placement: KeyPlacement,
    /// What the host can do after a crash. Default [`Replay::None`]: what was sent cannot be sent again. Else the host opens
    /// its splits again in the same order, and sends each from [`Sender::resumes_at`] on; a job that writes checkpoints
    /// needs that. With [`Replay::Exact`] it sends the same rows again, and a job that logs its epochs waits for them.
    pub replay: Replay,
}

impl Default for ChannelIn {
    fn default() -> Self {
        ChannelIn { capacity_batches: 16, key_placement: KeyPlacement::OneSplit, replay: Replay::None }
    }
}

/// Called once what it belongs to has left the job by every sink.
pub(crate) type Acknowledge = Box<dyn FnOnce() + Send>;

/// What comes through a split queue.
pub(crate) enum Arrival<T> {
    Rows {
        rows: Vec<T>,
        dead: Vec<DeadLetter>,
        read: u64,
        decoded: u64,
        /// The offset after them, as the source writes it.
        after: Option<Value>,
        acknowledge: Option<Acknowledge>,
    },
    Health(Health),
    Failed(Error),
}

impl<T> Arrival<T> {
    /// Rows and dead letters. A failure counts as many: it is not to wait.
    fn rows(&self) -> usize {
        match self {
            Arrival::Rows { rows, dead, .. } => rows.len() + dead.len(),
            Arrival::Health(_) => 0,
            Arrival::Failed(_) => MANY_ROWS,
        }
    }
}

/// The leader's end of one split.
pub(crate) struct SplitQueue<T> {
    pub(crate) split: u32,
    /// What its source calls it.
    pub(crate) name: Value,
    /// When it was taken over, for a merge.
    pub(crate) opened_ms: i64,
    /// It stands in the book of splits.
    pub(crate) booked: bool,
    pub(crate) rx: Receiver<Arrival<T>>,
    /// What was received already.
    pub(crate) ahead: Ahead<T>,
}

impl<T> SplitQueue<T> {
    pub(crate) fn take(&mut self) -> Result<Arrival<T>, TryRecvError> {
        self.ahead.next().map_or_else(|| self.rx.try_recv(), Ok)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.ahead.is_empty() && self.rx.is_empty()
    }

    /// Receives until so many rows are here, as the source counts them; false if they have yet to come. `None`: they never will.
    ///
    /// # Errors
    /// The failure of the reader.
    pub(crate) fn receive(&mut self, read: u64) -> Result<Option<bool>, Error> {
        while self.ahead.read() < read {
            match self.rx.try_recv() {
                Ok(Arrival::Failed(error)) => return Err(error),
                Ok(arrival) => self.ahead.push(arrival),
                Err(TryRecvError::Empty) => return Ok(Some(false)),
                Err(TryRecvError::Closed) => return Ok(None),
            }
        }
        Ok(Some(true))
    }
}

/// Where splits of one source are opened and found by the leader.
pub(crate) struct Gate<T> {
    name: String,
    capacity: usize,
    /// Splits that were opened and not yet taken over by the leader; `None` once the job takes no more rows.
    opened: Mutex<Option<Vec<SplitQueue<T>>>>,
    /// Splits that are open or may yet be: at zero the source has ended.
    open: AtomicU32,
    /// How many splits a host has opened.
    by_host: AtomicU32,
    /// Where its splits are read on when the job comes back.
    resumed: Vec<SplitAt>,
    shared: Arc<Shared>,
}

impl<T> Gate<T> {
    pub(crate) fn new(name: &str, capacity: usize, shared: Arc<Shared>, resumed: Vec<SplitAt>) -> Arc<Self> {
        let (name, opened, capacity) = (name.to_owned(), Mutex::new(Some(Vec::new())), capacity.max(1));
        let (open, by_host) = (AtomicU32::new(0), AtomicU32::new(0));
        Arc::new(Gate { name, capacity, opened, open, by_host, resumed, shared })
    }

    /// Opens the next split of a host; they are called by their count.
    fn open_next(self: &Arc<Self>) -> Inlet<T> {
        self.open(self.by_host.fetch_add(1, Ordering::Relaxed).into())
    }

    /// Opens a split. Its number is new in this job, unless the split goes on. One that has ended takes no rows.
    pub(crate) fn open(self: &Arc<Self>, name: Value) -> Inlet<T> {
        let (tx, rx) = async_channel::bounded(self.capacity);
        let resumed = self.resumed.iter().find(|at| at.split == name).cloned();
        let fresh = || self.shared.next_split.fetch_add(1, Ordering::Relaxed);
        let split = resumed.as_ref().map_or_else(fresh, |at| at.number);
        self.open.fetch_add(1, Ordering::AcqRel);
        match self.lock().as_mut().filter(|_| !resumed.as_ref().is_some_and(|at| at.finished)) {
            Some(opened) => {
                let ahead = Ahead::default();
                opened.push(SplitQueue { split, name, opened_ms: i64::MIN, booked: false, rx, ahead });
            }
            None => drop(rx),
        }
        self.shared.wake(0);
        Inlet { split, tx, resumed, gate: self.clone() }
    }

    /// The splits that are read on when the job comes back.
    pub(crate) fn resumed(&self) -> impl Iterator<Item = u32> + use<T> {
        let live: Vec<u32> = self.resumed.iter().filter(|at| !at.finished).map(|at| at.number).collect();
        live.into_iter()
    }

    /// Of them, the first that is not among these.
    pub(crate) fn missing(&self, names: &[Value]) -> Option<&SplitAt> {
        self.resumed.iter().find(|at| !at.finished && !names.contains(&at.split))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Vec<SplitQueue<T>>>> {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn take_opened(&self) -> Vec<SplitQueue<T>> {
        self.lock().as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Refuses every further split. Those not yet taken over come back, for their rows have been accepted.
    pub(crate) fn close(&self) -> Vec<SplitQueue<T>> {
        self.lock().take().unwrap_or_default()
    }

    /// No split is open or waits to be taken over, and none may come.
    pub(crate) fn ended(&self) -> bool {
        // Looked at before the list: whoever opened a split and let it go since then has put it there.
        let none_open = self.open.load(Ordering::Acquire) == 0;
        self.lock().as_ref().is_none_or(|opened| none_open && opened.is_empty())
    }

    /// The job was told to stop, so that a split which closes has been interrupted and has not ended.
    pub(crate) fn stopping(&self) -> bool {
        self.shared.command() == Command::Stop
    }

    /// Keeps the source from ending while splits are still being discovered.
    pub(crate) fn hold(self: &Arc<Self>) -> Hold<T> {
        self.open.fetch_add(1, Ordering::AcqRel);
        Hold(self.clone())
    }
}

/// See [`Gate::hold`].
pub(crate) struct Hold<T>(Arc<Gate<T>>);

impl<T> Drop for Hold<T> {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::AcqRel);
        self.0.shared.wake(0);
    }
}

/// The filling end of one split. The split ends when it is dropped.
pub(crate) struct Inlet<T> {
    pub(crate) split: u32,
    /// Where the split is read on when the job comes back.
    pub(crate) resumed: Option<SplitAt>,
    tx: async_channel::Sender<Arrival<T>>,
    gate: Arc<Gate<T>>,
}

impl<T> Inlet<T> {
    /// Whether the split was read to its end before the checkpoint that the job comes back to.
    pub(crate) fn has_ended(&self) -> bool {
        self.resumed.as_ref().is_some_and(|at| at.finished)
    }

    /// The offset to go on from.
    ///
    /// # Errors
    /// `E0529` if it is none of this source.
    pub(crate) fn resumes_at<O: DeserializeOwned>(&self) -> Result<Option<O>, Error> {
        let Some(offset) = self.resumed.as_ref().and_then(|at| at.offset.clone()) else { return Ok(None) };
        let wrong = format!("{offset} is no offset of this source");
        serde_json::from_value(offset).map(Some).map_err(|e| {
            let remedy = "run the release that wrote the checkpoint, or begin anew with an empty store";
            Error::new("E0529", wrong).because(e).remedy(remedy)
        })
    }

    /// Waits for room. False if the job takes no more.
    pub(crate) async fn send(&self, arrival: Arrival<T>) -> bool {
        let rows = arrival.rows();
        let sent = self.tx.send(arrival).await.is_ok();
        self.queued(rows);
        sent
    }

    /// Lets the leader know, unless it waits for more: rows are enough when they are many, or fill half of the queue.
    fn queued(&self, rows: usize) {
        let half_full = self.tx.capacity().is_some_and(|capacity| 2 * self.tx.len() >= capacity);
        self.gate.shared.queued(rows >= MANY_ROWS || half_full);
    }
}

impl<T> Drop for Inlet<T> {
    fn drop(&mut self) {
        self.tx.close();
        self.gate.open.fetch_sub(1, Ordering::AcqRel);
        self.gate.shared.wake(0);
    }
}

/// The host's end of a channel into a job. One sender is one split: its rows keep their order.
///
/// Bounded: [`send`](Sender::send) waits while the queue is full, which is how back-pressure reaches the host;
/// [`try_send`](Sender::try_send) tells instead. When the last sender of a channel is dropped the source has ended, and
/// a job whose sources have all ended closes its windows and finishes.
pub struct Sender<T> {
    inlet: Inlet<T>,
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sender(\"{}\", split {})", self.inlet.gate.name, self.inlet.split)
    }
}

/// Rows that a channel did not take.
pub enum SendError<T> {
    /// The queue is full: try again, or slow down.
    Full(Vec<T>),
    /// The job has stopped, or is draining.
    Closed(Vec<T>),
}

impl<T> SendError<T> {
    /// The rows that were not taken, in their order.
    pub fn into_rows(self) -> Vec<T> {
        match self {
            SendError::Full(rows) | SendError::Closed(rows) => rows,
        }
    }
}

impl<T> fmt::Debug for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SendError::Full(rows) => write!(f, "E0406 the channel is full ({} rows not taken)", rows.len()),
            SendError::Closed(rows) => write!(f, "E0407 the job takes no more rows ({} rows not taken)", rows.len()),
        }
    }
}
impl<T> fmt::Display for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}
impl<T> std::error::Error for SendError<T> {}

impl<T: Data> HostEnd for Option<Sender<T>> {
    fn as_any(&mut self) -> &mut dyn Any {
        self
    }

    fn give_up(&mut self) {
        *self = None;
    }
}

impl<T: Data> Sender<T> {
    pub(crate) fn new(gate: &Arc<Gate<T>>) -> Self {
        Sender { inlet: gate.open_next() }
    }

    /// How many rows of this split the job does not need again: those that the checkpoint holds which it came back to, and, unless
    /// the channel is [`Replay::Exact`], those that were [logged](crate::Checkpointing::log_epochs) since. The host sends the rows
    /// after them, if it can. 0 for a job that begins.
    pub fn resumes_at(&self) -> u64 {
        let at = self.inlet.resumed.as_ref().and_then(|at| at.offset.as_ref());
        at.and_then(Value::as_u64).unwrap_or(0)
    }

    /// Opens a further split of the same channel. Its rows have no order relative to those of other splits.
    #[must_use]
    pub fn another_split(&self) -> Self {
        Sender { inlet: self.inlet.gate.open_next() }
    }

    /// Sends rows in order and waits while the queue is full. Batches of about 4,096 rows are cheapest; larger ones
    /// are cut.
    ///
    /// # Errors
    /// [`SendError::Closed`] with the rows that were not taken.
    pub fn send(&self, rows: Vec<T>) -> Result<(), SendError<T>> {
        self.offer(rows, |arrival| self.inlet.tx.send_blocking(arrival).map_err(|e| SendError::Closed(rows_of(e.0))))
    }

    /// Sends rows in order, without waiting.
    ///
    /// # Errors
    /// [`SendError::Full`] or [`SendError::Closed`] with the rows that were not taken; those before them were.
    pub fn try_send(&self, rows: Vec<T>) -> Result<(), SendError<T>> {
        self.offer(rows, |arrival| {
            self.inlet.tx.try_send(arrival).map_err(|e| match e {
                TrySendError::Full(arrival) => SendError::Full(rows_of(arrival)),
                TrySendError::Closed(arrival) => SendError::Closed(rows_of(arrival)),
            })
        })
    }

    fn offer(&self, rows: Vec<T>, send: impl Fn(Arrival<T>) -> Result<(), SendError<T>>) -> Result<(), SendError<T>> {
        let mut rest = rows.into_iter();
        while rest.len() > 0 {
            // Few enough are sent as they are; of many each is moved once.
            let rows: Vec<T> = if rest.len() > BATCH_ROWS {
                rest.by_ref().take(BATCH_ROWS).collect()
            } else {
                std::mem::take(&mut rest).collect()
            };
            let read = rows.len() as u64;
            let arrival = Arrival::Rows { rows, dead: Vec::new(), read, decoded: read, after: None, acknowledge: None };
            let sent = send(arrival);
            self.inlet.queued(read as usize);
            if let Err(e) = sent {
                return Err(match e {
                    SendError::Full(back) => SendError::Full(join(back, rest)),
                    SendError::Closed(back) => SendError::Closed(join(back, rest)),
                });
            }
        }
        Ok(())
    }
}

fn join<T>(mut back: Vec<T>, rest: impl Iterator<Item = T>) -> Vec<T> {
    back.extend(rest);
    back
}

fn rows_of<T>(arrival: Arrival<T>) -> Vec<T> {
    match arrival {
        Arrival::Rows { rows, .. } => rows,
        Arrival::Health(_) | Arrival::Failed(_) => Vec::new(),
    }
}
