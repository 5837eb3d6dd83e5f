//! The epoch log in memory: everything that entered a job, in ingest order, and where epochs were cut.
//!
//! Replaying it gives byte-equal outputs, with any number of workers and however the epochs are cut.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use super::intake::{Cut, Feed};
use super::saved::SavedRows;
use super::streamed::Streamed;
use crate::batch::{Batch, Places};
use crate::control::{Control, Signal};
use crate::data::row_to_bytes;
use crate::{Data, Error};

/// Rows of any type that were recorded.
pub(crate) trait RecordedRows: Send + Sync {
    fn len(&self) -> usize;
    /// The place after the last of them.
    fn end(&self) -> u64;
    /// The rows `from..to` as a batch for a worker's input.
    fn part(&self, from: usize, to: usize) -> Box<dyn Any + Send>;
    /// The same rows as they are saved.
    fn save(&self, from: usize, to: usize) -> Result<SavedRows, Error>;
}

impl<T: Data> RecordedRows for Batch<T> {
    fn len(&self) -> usize {
        self.rows.len()
    }

    fn end(&self) -> u64 {
        self.places.first() + self.rows.len() as u64
    }

    fn part(&self, from: usize, to: usize) -> Box<dyn Any + Send> {
        let places = Places::Dense(self.places.at(from));
        Box::new(Batch { target: 0, split: self.split, late: self.late, places, rows: self.rows[from..to].to_vec() })
    }

    fn save(&self, from: usize, to: usize) -> Result<SavedRows, Error> {
        let rows = row_to_bytes(&&self.rows[from..to])?.into();
        Ok(SavedRows { split: self.split, late: self.late, first: self.places.at(from), rows })
    }
}

#[derive(Clone)]
pub(crate) enum Item {
    Rows { input: usize, batch: Arc<dyn RecordedRows> },
    Control(Control),
    Cut,
}

/// Collects items while a job runs: all of them, or those of the epoch that is being cut.
#[derive(Default)]
pub(crate) struct Recorder {
    pub(crate) items: Vec<Item>,
    /// Where the items of an epoch go.
    pub(crate) into: Option<Streamed>,
}

impl Recorder {
    /// Whether another epoch may be cut.
    pub(crate) fn has_room(&self) -> bool {
        self.into.as_ref().is_none_or(Streamed::has_room)
    }

    /// An epoch ends.
    pub(crate) fn cut(&mut self, last: bool) {
        self.items.push(Item::Cut);
        if let Some(into) = &self.into {
            into.take(std::mem::take(&mut self.items), last);
        }
    }

    /// Whether everything is where it belongs. Only after the last epoch.
    pub(crate) fn is_done(&self) -> bool {
        self.into.as_ref().is_none_or(Streamed::is_done)
    }
}

/// What entered a job, in its order. Made by [`Job::record`](crate::Job::record), run again by
/// [`Job::replay`](crate::Job::replay).
#[derive(Clone, Default)]
pub struct Recording {
    pub(crate) items: Vec<Item>,
    pub(crate) fingerprint: u64,
}

impl fmt::Debug for Recording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recording").field("rows", &self.rows()).field("epochs", &self.epochs()).finish()
    }
}

impl Recording {
    /// Rows in it, dead letters among them.
    pub fn rows(&self) -> usize {
        self.items.iter().map(|item| if let Item::Rows { batch, .. } = item { batch.len() } else { 0 }).sum()
    }

    /// Epochs in it.
    pub fn epochs(&self) -> usize {
        self.items.iter().filter(|item| matches!(item, Item::Cut)).count()
    }

    /// The same order of rows and ticks, cut into other batches and epochs: after every row with a chance of one in
    /// `one_in`, drawn from `seed`. Replaying it must give the same outputs.
    #[must_use]
    pub fn recut(&self, seed: u64, one_in: u64) -> Recording {
        let mut draw = seed;
        let mut cut_here = move || {
            draw = draw.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (draw >> 33).is_multiple_of(one_in.max(1))
        };
        let mut items = Vec::new();
        for item in &self.items {
            match item {
                Item::Cut => {}
                Item::Control(control) => items.push(Item::Control(*control)),
                Item::Rows { input, batch } => {
                    let mut from = 0;
                    for to in 1..=batch.len() {
                        if to == batch.len() || cut_here() {
                            items.push(Item::Rows {
                                input: *input,
                                batch: Arc::new(Slice { of: batch.clone(), from, to }),
                            });
                            from = to;
                            if to < batch.len() || cut_here() {
                                items.push(Item::Cut);
                            }
                        }
                    }
                }
            }
        }
        items.push(Item::Cut);
        Recording { items, fingerprint: self.fingerprint }
    }
}

/// A part of recorded rows.
struct Slice {
    of: Arc<dyn RecordedRows>,
    from: usize,
    to: usize,
}

impl RecordedRows for Slice {
    fn len(&self) -> usize {
        self.to - self.from
    }

    fn end(&self) -> u64 {
        self.of.end() - (self.of.len() - self.to) as u64
    }

    fn part(&self, from: usize, to: usize) -> Box<dyn Any + Send> {
        self.of.part(self.from + from, self.from + to)
    }

    fn save(&self, from: usize, to: usize) -> Result<SavedRows, Error> {
        self.of.save(self.from + from, self.from + to)
    }
}

/// Feeds a recording to the workers, an epoch a call.
pub(crate) struct Player {
    items: std::vec::IntoIter<Item>,
}

impl Player {
    pub(crate) fn new(recording: Recording) -> Self {
        Player { items: recording.items.into_iter() }
    }

    /// The next epoch; false when there is none. Places are those of the record.
    pub(crate) fn play(&mut self, cut: &mut Cut<'_>) -> bool {
        let mut any = false;
        for item in self.items.by_ref() {
            any = true;
            match item {
                Item::Cut => break,
                Item::Control(control) => {
                    if let Signal::Tick { arrival_ms } = control.signal {
                        *cut.arrival_ms = arrival_ms;
                    }
                    *cut.next_at = control.at + 1;
                    cut.controls.push(control);
                }
                Item::Rows { input, batch } => {
                    *cut.turn = (*cut.turn + 1) % cut.workers;
                    *cut.next_at = batch.end();
                    cut.feeds.push(Feed { input, worker: *cut.turn, payload: batch.part(0, batch.len()) });
                }
            }
        }
        any
    }
}
