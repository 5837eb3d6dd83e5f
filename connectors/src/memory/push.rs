//! A source whose rows a test pushes.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use watchfire_engine::Error;
use watchfire_engine::source::{Failure, Fut, KeyPlacement, Next, RawRow, Reader, Replay, Source};

use crate::signal::Signal;

/// What happens to rows that were handed out but not made durable when a split is opened again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Redelivery {
    /// They come again, before all others, under new offsets: an MQTT session with QoS 1.
    Unacknowledged,
    /// They are gone: a webhook.
    Never,
}

/// A source with [`Replay::None`]: a test pushes rows, and sees what was acknowledged.
///
/// Clones share their splits, so one goes into the job and one stays with the test. A split's offset is the number of rows
/// it handed out, over all openings, from 1. A reader says [`Next::Idle`] once after its queue ran empty, then waits.
///
/// Memory: `capacity` rows per split that are not acknowledged; a push beyond that is refused.
///
/// # Examples
/// ```
/// use futures_lite::future::block_on;
/// use watchfire_connectors::memory::{PushSource, Redelivery};
/// use watchfire_engine::source::{Next, Source};
///
/// let source = PushSource::new(["door"], 100, Redelivery::Unacknowledged);
/// source.push("door", "opened")?;
/// let mut reader = block_on(source.open("door".into(), None)).expect("not scripted to fail");
/// let Ok(Next::Rows { rows, after }) = block_on(reader.next(10)) else { unreachable!() };
/// assert_eq!((rows[0].place, &rows[0].body[..], after), (1, &b"opened"[..], 1));
///
/// assert_eq!(source.acknowledged("door"), 0);
/// block_on(reader.durable(after)).expect("not scripted to fail");
/// assert_eq!(source.acknowledged("door"), 1);
/// # Ok::<(), watchfire_engine::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct PushSource {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    capacity: usize,
    redelivery: Redelivery,
    splits: BTreeMap<String, Split>,
}

#[derive(Debug)]
struct Split {
    queue: Mutex<Queue>,
    changed: Signal,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<Item>,
    /// Handed out and not acknowledged: offset and row.
    unacknowledged: VecDeque<(u64, RawRow)>,
    handed_out: u64,
    acknowledged: u64,
    durable_calls: Vec<u64>,
    openings: u64,
    fail_open: VecDeque<Failure>,
    fail_durable: VecDeque<Failure>,
}

#[derive(Debug)]
enum Item {
    Row(RawRow),
    Fail(Failure),
    End,
}

impl Split {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PushSource {
    /// A source with these splits, each with room for `capacity` rows (at least 1) that are not acknowledged.
    pub fn new<S: Into<String>>(splits: impl IntoIterator<Item = S>, capacity: usize, redelivery: Redelivery) -> Self {
        let empty = || Split { queue: Mutex::default(), changed: Signal::new() };
        let splits = splits.into_iter().map(|name| (name.into(), empty())).collect();
        PushSource { shared: Arc::new(Shared { capacity: capacity.max(1), redelivery, splits }) }
    }

    /// Appends a row to a split.
    ///
    /// # Errors
    /// `E0438` if the split is full or there is none of that name; the row is not taken.
    pub fn push(&self, split: &str, body: impl Into<Bytes>) -> Result<(), Error> {
        self.push_row(split, RawRow { place: 0, key: None, body: body.into() })
    }

    /// Appends a row with a key; its place is set when it is handed out.
    ///
    /// # Errors
    /// As [`push`](PushSource::push).
    pub fn push_row(&self, split: &str, row: RawRow) -> Result<(), Error> {
        let refuse = |what: &str| Err(Error::new("E0438", what).at(format!("split {split:?}")));
        let Some(split) = self.shared.splits.get(split) else {
            return refuse("there is no such split");
        };
        let mut queue = split.queue();
        if queue.waiting.len() + queue.unacknowledged.len() >= self.shared.capacity {
            return refuse("the split is full");
        }
        queue.waiting.push_back(Item::Row(row));
        drop(queue);
        split.changed.notify();
        Ok(())
    }

    /// Lets the reader fail once after the rows pushed so far. A split that does not exist is ignored.
    pub fn fail_next(&self, split: &str, failure: Failure) {
        self.change(split, |queue| queue.waiting.push_back(Item::Fail(failure)));
    }

    /// Lets the next call of `open` on the split fail.
    pub fn fail_open(&self, split: &str, failure: Failure) {
        self.change(split, |queue| queue.fail_open.push_back(failure));
    }

    /// Lets the next call of `durable` on the split fail, before it acknowledges anything.
    pub fn fail_durable(&self, split: &str, failure: Failure) {
        self.change(split, |queue| queue.fail_durable.push_back(failure));
    }

    /// Ends the split after the rows pushed so far.
    pub fn end(&self, split: &str) {
        self.change(split, |queue| queue.waiting.push_back(Item::End));
    }

    /// The highest offset that was acknowledged, 0 if none.
    pub fn acknowledged(&self, split: &str) -> u64 {
        self.look(split, |queue| queue.acknowledged)
    }

    /// Every offset that `durable` was called with, in order.
    pub fn durable_calls(&self, split: &str) -> Vec<u64> {
        self.look(split, |queue| queue.durable_calls.clone())
    }

    /// How many rows were handed out, those that came again counted again.
    pub fn handed_out(&self, split: &str) -> u64 {
        self.look(split, |queue| queue.handed_out)
    }

    /// How often the split was opened with success.
    pub fn openings(&self, split: &str) -> u64 {
        self.look(split, |queue| queue.openings)
    }

    fn change(&self, split: &str, change: impl FnOnce(&mut Queue)) {
        if let Some(split) = self.shared.splits.get(split) {
            change(&mut split.queue());
            split.changed.notify();
        }
    }

    fn look<R: Default>(&self, split: &str, look: impl FnOnce(&Queue) -> R) -> R {
        self.shared.splits.get(split).map_or_else(R::default, |split| look(&split.queue()))
    }
}

impl Source for PushSource {
    type Split = String;
    type Offset = u64;

    fn replay(&self) -> Replay {
        Replay::None
    }

    fn key_placement(&self) -> KeyPlacement {
        KeyPlacement::OneSplit
    }

    fn bounded(&self) -> bool {
        false
    }

    fn discover(&self) -> Fut<'_, Result<Vec<String>, Failure>> {
        Box::pin(async { Ok(self.shared.splits.keys().cloned().collect()) })
    }

    fn open(&self, name: String, from: Option<u64>) -> Fut<'_, Result<Box<dyn Reader<u64>>, Failure>> {
        Box::pin(async move {
            let Some(split) = self.shared.splits.get(&name) else {
                let what = format!("there is no split {name:?}");
                return Err(Failure::Fatal(Error::new("E0438", what).remedy("open only discovered splits")));
            };
            let mut queue = split.queue();
            if let Some(failure) = queue.fail_open.pop_front() {
                return Err(failure);
            }
            queue.openings += 1;
            // A restarted job knows offsets that this object has not handed out.
            queue.handed_out = queue.handed_out.max(from.unwrap_or(0));
            let left = std::mem::take(&mut queue.unacknowledged);
            if self.shared.redelivery == Redelivery::Unacknowledged {
                left.into_iter().rev().for_each(|(_, row)| queue.waiting.push_front(Item::Row(row)));
            }
            drop(queue);
            Ok(Box::new(PushReader { shared: Arc::clone(&self.shared), name, told_idle: false })
                as Box<dyn Reader<u64>>)
        })
    }
}

struct PushReader {
    shared: Arc<Shared>,
    name: String,
    told_idle: bool,
}

impl Reader<u64> for PushReader {
    fn next(&mut self, room: usize) -> Fut<'_, Result<Next<u64>, Failure>> {
        Box::pin(async move {
            let Some(split) = self.shared.splits.get(&self.name) else { return Ok(Next::End) };
            loop {
                if let Some(found) = split.queue().take(room.max(1)) {
                    self.told_idle = false;
                    return found;
                }
                if !std::mem::replace(&mut self.told_idle, true) {
                    return Ok(Next::Idle);
                }
                split.changed.wait().await;
            }
        })
    }

    fn durable(&mut self, upto: u64) -> Fut<'_, Result<(), Failure>> {
        Box::pin(async move {
            let Some(split) = self.shared.splits.get(&self.name) else { return Ok(()) };
            let mut queue = split.queue();
            if let Some(failure) = queue.fail_durable.pop_front() {
                return Err(failure);
            }
            queue.durable_calls.push(upto);
            queue.acknowledged = queue.acknowledged.max(upto.min(queue.handed_out));
            while queue.unacknowledged.front().is_some_and(|(offset, _)| *offset <= upto) {
                queue.unacknowledged.pop_front();
            }
            Ok(())
        })
    }
}

impl Queue {
    /// Rows, a scripted failure or the end; `None` if there is nothing now.
    fn take(&mut self, room: usize) -> Option<Result<Next<u64>, Failure>> {
        let mut rows = Vec::new();
        while rows.len() < room {
            match self.waiting.pop_front() {
                Some(Item::Row(row)) => {
                    self.handed_out += 1;
                    let row = RawRow { place: self.handed_out, ..row };
                    self.unacknowledged.push_back((self.handed_out, row.clone()));
                    rows.push(row);
                }
                Some(other) if !rows.is_empty() => {
                    self.waiting.push_front(other);
                    break;
                }
                Some(Item::Fail(failure)) => return Some(Err(failure)),
                Some(Item::End) => {
                    self.waiting.push_front(Item::End);
                    return Some(Ok(Next::End));
                }
                None => break,
            }
        }
        if rows.is_empty() { None } else { Some(Ok(Next::Rows { rows, after: self.handed_out })) }
    }
}
