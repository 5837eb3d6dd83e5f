//! The leader's view of one source, whatever its rows: pull what is queued into the epoch that is being cut.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::Arc;

use async_channel::TryRecvError;
use serde_json::Value;

use super::ahead::{Again, differs};
use super::held::Held;
use super::merge::Merger;
use super::queue::{Acknowledge, Arrival, BATCH_ROWS, Gate, SplitQueue};
use super::record::{Item, Recorder};
use super::splits::SplitBook;
use super::ticker::Ticker;
use crate::batch::{Batch, NO_SPLIT, Places};
use crate::checkpoint::SaveMerge;
use crate::control::{Control, Health, Signal};
use crate::data::{row_from_bytes, row_to_bytes};
use crate::decode::DeadLetter;
use crate::epochs::{Given, Heard, Hears};
use crate::job::metrics::SourceStats;
use crate::keyed::Clocks;
use crate::{Data, Error, Timed};

/// One source, rows of any type.
pub(crate) trait Intake: Send {
    fn name(&self) -> &str;
    /// Hears again what was logged of this source.
    fn again(&mut self, heard: Heard, cut: &mut Cut<'_>) -> Result<(), Error>;
    /// Receives what its splits are to give again, rows as it counts them by split, and removes those that have.
    fn receive(&mut self, wanted: &mut BTreeMap<u32, u64>) -> Result<(), Error>;
    /// Moves queued rows into the epoch.
    fn pull(&mut self, cut: &mut Cut<'_>) -> Result<(), Error>;
    /// Takes no new rows; what is queued can still be pulled.
    fn close(&mut self);
    /// Nothing is queued and nothing will be.
    fn ended(&self) -> bool;
    /// The job comes back from a checkpoint: no time since then counts as silence of a split that goes on.
    fn was_away(&mut self, cut: &mut Cut<'_>);
    /// The clock has caught up: splits whose health nobody tells are live again.
    fn is_back(&mut self, cut: &mut Cut<'_>);
    /// By its name, the rows that it holds.
    fn remember(&self) -> Option<(String, SaveMerge)>;
}

/// A batch on its way to the input of a worker.
pub(crate) struct Feed {
    pub(crate) input: usize,
    pub(crate) worker: usize,
    pub(crate) payload: Box<dyn Any + Send>,
}

/// The epoch that is being cut.
pub(crate) struct Cut<'a> {
    /// Rows that it may still take.
    pub(crate) room: usize,
    pub(crate) next_at: &'a mut u64,
    pub(crate) ticker: &'a mut Ticker,
    pub(crate) arrival_ms: &'a mut i64,
    pub(crate) turn: &'a mut usize,
    pub(crate) workers: usize,
    pub(crate) feeds: Vec<Feed>,
    pub(crate) controls: Vec<Control>,
    /// By split.
    pub(crate) acknowledge: Vec<(u32, Acknowledge)>,
    /// The same, of what can be acknowledged when the epoch is logged.
    pub(crate) acknowledge_logged: Vec<(u32, Acknowledge)>,
    pub(crate) recorder: Option<&'a mut Recorder>,
    /// What is heard, if it is to be logged.
    pub(crate) hears: Option<&'a mut Vec<Hears>>,
    pub(crate) held: &'a mut Held,
    pub(crate) splits: &'a mut SplitBook,
    /// As operators read them after the last signal.
    pub(crate) clocks: &'a mut Clocks,
}

impl Cut<'_> {
    /// Something is heard from outside.
    fn hear(&mut self, heard: impl FnOnce() -> Heard) {
        if let Some(hears) = &mut self.hears {
            hears.push(Hears::Now(heard()));
        }
    }

    /// The clock ticks by itself.
    pub(crate) fn tick(&mut self, arrival_ms: i64) {
        self.hear(|| Heard::Tick { arrival_ms });
        self.signal(Signal::Tick { arrival_ms });
    }

    /// A checkpoint begins at the end of the epoch.
    pub(crate) fn commit(&mut self, number: u64) {
        self.hear(|| Heard::Commit);
        self.signal(Signal::Commit { number });
    }

    /// No row will come any more. `told`: nor will the job go on.
    pub(crate) fn end(&mut self, rows: bool, told: bool) {
        if rows {
            self.hear(|| Heard::EndOfRows);
            self.end_of_rows();
        }
        if told {
            self.hear(|| Heard::End);
            self.signal(Signal::End);
        }
    }

    /// Hears again what belongs to no source.
    pub(crate) fn again(&mut self, heard: &Heard) {
        match heard {
            Heard::Tick { arrival_ms } => {
                self.ticker.ticked(*arrival_ms);
                self.signal(Signal::Tick { arrival_ms: *arrival_ms });
            }
            Heard::EndOfRows => self.end_of_rows(),
            Heard::End => self.signal(Signal::End),
            // The checkpoint does not begin again, but its signal took a place.
            _ => *self.next_at += 1,
        }
    }

    /// Gives a signal its place.
    pub(crate) fn signal(&mut self, signal: Signal) {
        if let Signal::Tick { arrival_ms } = signal {
            *self.arrival_ms = arrival_ms;
        }
        self.clocks.hear(&signal);
        let control = Control { at: *self.next_at, signal };
        *self.next_at += 1;
        if let Some(recorder) = &mut self.recorder {
            recorder.items.push(Item::Control(control));
        }
        self.controls.push(control);
    }

    /// Gives rows their places.
    pub(crate) fn batch<T: Data>(&mut self, input: usize, split: u32, late: bool, rows: Vec<T>) {
        if rows.is_empty() {
            return;
        }
        let first = *self.next_at;
        *self.next_at += rows.len() as u64;
        self.room = self.room.saturating_sub(rows.len());
        let batch = Batch { target: 0, split, late, places: Places::Dense(first), rows };
        if let Some(recorder) = &mut self.recorder {
            recorder.items.push(Item::Rows { input, batch: Arc::new(batch.clone()) });
        }
        self.feed(input, Box::new(batch));
    }

    /// Workers take turns: reading and routing is shared work, state is not.
    pub(crate) fn feed(&mut self, input: usize, payload: Box<dyn Any + Send>) {
        *self.turn = (*self.turn + 1) % self.workers;
        self.feeds.push(Feed { input, worker: *self.turn, payload });
    }
}

/// A source with rows of type `T`.
pub(crate) struct SourceIntake<T> {
    pub(crate) name: String,
    pub(crate) gate: Arc<Gate<T>>,
    pub(crate) splits: Vec<SplitQueue<T>>,
    pub(crate) input: usize,
    /// The input of its dead letters; host channels have none.
    pub(crate) dead_input: Option<usize>,
    pub(crate) merger: Option<Merger<T>>,
    pub(crate) stats: Arc<SourceStats>,
    /// The offset of a split is the count of its rows.
    pub(crate) counts: bool,
    /// Nobody tells the health of its splits.
    pub(crate) always_live: bool,
    /// What a stop interrupts will go on: the job writes checkpoints.
    pub(crate) comes_back: bool,
    /// It gives the same again: of its rows the number is enough for the log.
    pub(crate) keeps: bool,
    /// What it gives is logged: it may forget that when the epoch is, if it does not have to give it again.
    pub(crate) logs: bool,
}

/// Rows of a split, as they come.
struct Comes<T> {
    split: u32,
    rows: Vec<T>,
    dead: Vec<DeadLetter>,
    read: u64,
    decoded: u64,
    /// The offset after them.
    after: Option<Value>,
}

impl<T: Data> Comes<T> {
    /// As it is logged.
    fn hears(&self, keeps: bool) -> Hears {
        if keeps {
            let (rows, dead) = (self.rows.len() as u64, self.dead.len() as u64);
            let given = Given { read: self.read, decoded: self.decoded, rows, dead };
            return Hears::Now(Heard::Range { split: self.split, given, after: self.after.clone() });
        }
        let (split, rows, dead) = (self.split, self.rows.clone(), self.dead.clone());
        let (read, decoded, after) = (self.read, self.decoded, self.after.clone());
        Hears::Rows(Box::new(move || {
            Ok(Heard::Rows { split, rows: row_to_bytes(&rows)?.into(), dead, read, decoded, after })
        }))
    }
}

impl<T: Data + Timed> SourceIntake<T> {
    fn arrival(&mut self, split: u32, arrival: Arrival<T>, cut: &mut Cut<'_>) -> Result<(), Error> {
        match arrival {
            Arrival::Rows { rows, dead, read, decoded, after, mut acknowledge } => {
                let after = after.or_else(|| self.counts.then(|| cut.splits.after(split, rows.len() as u64)));
                if self.logs && !self.keeps {
                    cut.acknowledge_logged.extend(acknowledge.take().map(|acknowledge| (split, acknowledge)));
                }
                self.come(Comes { split, rows, dead, read, decoded, after }, acknowledge, cut);
            }
            Arrival::Health(health) => self.health(split, health, cut),
            Arrival::Failed(error) => return Err(error),
        }
        Ok(())
    }

    fn come(&mut self, comes: Comes<T>, acknowledge: Option<Acknowledge>, cut: &mut Cut<'_>) {
        if let Some(hears) = &mut cut.hears {
            hears.push(comes.hears(self.keeps));
        }
        let Comes { split, rows, dead, read, decoded, after } = comes;
        after.into_iter().for_each(|after| cut.splits.reached(split, after));
        self.stats.count(read, decoded, dead.len() as u64, rows.len() as u64);
        let acknowledge = self.take_rows(split, rows, acknowledge, cut);
        self.take_dead(dead, cut);
        acknowledge.into_iter().for_each(|acknowledge| cut.acknowledge(split, acknowledge));
    }

    fn health(&mut self, split: u32, health: Health, cut: &mut Cut<'_>) {
        cut.hear(|| Heard::Health { split, health });
        match &mut self.merger {
            Some(merger) => merger.health(split, health).into_iter().for_each(|signal| cut.health(signal)),
            None => cut.health(Signal::Split { split, health }),
        }
    }

    /// A split has rows that are not taken yet: it is held back, not silent.
    fn seen(&mut self, split: u32, cut: &mut Cut<'_>) {
        if let Some(merger) = &mut self.merger
            && merger.seen(split, merge_clock(cut))
        {
            cut.hear(|| Heard::Seen { split });
        }
    }

    /// Takes over the splits that were opened since the last time.
    fn take_over(&mut self, cut: &mut Cut<'_>) {
        // Of those that had ended when they were heard again, only the end can come.
        self.splits.extend(self.gate.take_opened().into_iter().filter(|queue| !cut.splits.is_finished(queue.split)));
        for index in 0..self.splits.len() {
            let queue = &mut self.splits[index];
            if !std::mem::replace(&mut queue.booked, true) {
                let at_ms = queue.opened_ms.max(merge_clock(cut));
                let (split, name) = (queue.split, queue.name.clone());
                self.opened(split, name, at_ms, cut);
            }
        }
    }

    fn opened(&mut self, split: u32, name: Value, at_ms: i64, cut: &mut Cut<'_>) {
        cut.splits.open(&self.name, split, &name);
        cut.hear(|| Heard::Opened { source: self.name.clone(), split, name, at_ms });
        if let Some(merger) = &mut self.merger {
            merger.open(split, at_ms);
        }
    }

    /// Gives rows to the epoch, or to the merge: then what acknowledges them goes with them.
    fn take_rows(
        &mut self,
        split: u32,
        rows: Vec<T>,
        acknowledge: Option<Acknowledge>,
        cut: &mut Cut<'_>,
    ) -> Option<Acknowledge> {
        let Some(merger) = &mut self.merger else {
            cut.rows(self.input, split, rows);
            return acknowledge;
        };
        let late = merger.push(split, rows, merge_clock(cut), acknowledge);
        let merged = merger.split;
        cut.batch(self.input, merged, true, late);
        self.release(cut);
        None
    }

    /// Lets go what may go. Whether the merge has moved by that.
    fn release(&mut self, cut: &mut Cut<'_>) -> bool {
        let Some(merger) = &mut self.merger else { return false };
        let (split, released) = (merger.split, merger.release(merge_clock(cut)));
        let moved = released.is_some();
        let mut ordered = released.unwrap_or_default();
        while !ordered.is_empty() {
            let rest = ordered.split_off(ordered.len().min(BATCH_ROWS));
            cut.rows(self.input, split, std::mem::replace(&mut ordered, rest));
        }
        merger.acknowledged().for_each(|(split, acknowledge)| cut.acknowledge(split, acknowledge));
        moved
    }

    fn take_dead(&mut self, dead: Vec<DeadLetter>, cut: &mut Cut<'_>) {
        if let Some(input) = self.dead_input {
            cut.batch(input, NO_SPLIT, false, dead);
        }
    }

    /// Rows that were logged by their number, as the source gives them again.
    fn given_again(&mut self, split: u32, given: Given) -> Result<Again<T>, Error> {
        let queue = self.splits.iter_mut().find(|queue| queue.split == split);
        let Some(queue) = queue else { return Err(differs(given).at(format!("source \"{}\"", self.name))) };
        queue.ahead.again(given).map_err(|e| e.at(format!("source \"{}\", split {}", self.name, queue.name)))
    }

    /// The splits that go on after what was heard again.
    fn resumed(&self, cut: &Cut<'_>) -> Vec<u32> {
        self.gate.resumed().filter(|split| !cut.splits.is_finished(*split)).collect()
    }

    fn end_split(&mut self, index: usize, cut: &mut Cut<'_>) {
        let split = self.splits.remove(index).split;
        if !self.gate.stopping() {
            cut.hear(|| Heard::Ended { split });
            self.split_ended(split, cut);
        } else if !self.comes_back {
            // What waits for other splits goes on without them.
            self.leave_merge(split, cut);
        }
    }

    fn split_ended(&mut self, split: u32, cut: &mut Cut<'_>) {
        cut.splits.finish(split);
        match &self.merger {
            Some(_) => self.leave_merge(split, cut),
            None => cut.health(Signal::Split { split, health: Health::Ended }),
        }
    }

    fn leave_merge(&mut self, split: u32, cut: &mut Cut<'_>) {
        if let Some(merger) = &mut self.merger {
            merger.end(split);
            let health = merger.health(split, Health::Ended);
            self.release(cut);
            health.into_iter().for_each(|signal| cut.health(signal));
        }
    }

    /// The merged split ends with the last that feeds it.
    fn merge_ended(&mut self, cut: &mut Cut<'_>) {
        if let Some(signal) = self.merger.as_mut().and_then(Merger::ended) {
            cut.hear(|| Heard::SourceEnded { source: self.name.clone() });
            cut.health(signal);
        }
    }
}

/// The clock by which splits of a merge fall idle. Ticks that follow the merged rows cannot tell: they wait with them.
fn merge_clock(cut: &Cut<'_>) -> i64 {
    if cut.ticker.follows_rows() { i64::MIN } else { *cut.arrival_ms }
}

impl<T: Data + Timed> Intake for SourceIntake<T> {
    fn name(&self) -> &str {
        &self.name
    }

    fn again(&mut self, heard: Heard, cut: &mut Cut<'_>) -> Result<(), Error> {
        match heard {
            Heard::Opened { split, name, at_ms, .. } => self.opened(split, name, at_ms, cut),
            Heard::Rows { split, rows, dead, read, decoded, after } => {
                let rows = row_from_bytes(&rows).map_err(|e| e.at(format!("source \"{}\"", self.name)))?;
                self.come(Comes { split, rows, dead, read, decoded, after }, None, cut);
            }
            Heard::Range { split, given, after } => {
                let Again { rows, dead, acknowledge } = self.given_again(split, given)?;
                let Given { read, decoded, .. } = given;
                self.come(Comes { split, rows, dead, read, decoded, after }, acknowledge, cut);
            }
            Heard::Health { split, health } => self.health(split, health, cut),
            Heard::Ended { split } => {
                self.splits.retain(|queue| queue.split != split);
                self.split_ended(split, cut);
            }
            Heard::Seen { split } => self.seen(split, cut),
            Heard::Released { .. } => _ = self.release(cut),
            Heard::SourceEnded { .. } => self.merge_ended(cut),
            Heard::Tick { .. } | Heard::Commit | Heard::EndOfRows | Heard::End => {}
        }
        Ok(())
    }

    fn receive(&mut self, wanted: &mut BTreeMap<u32, u64>) -> Result<(), Error> {
        self.splits.extend(self.gate.take_opened());
        for queue in &mut self.splits {
            let Some(read) = wanted.get(&queue.split).copied() else { continue };
            match queue.receive(read)? {
                Some(true) => _ = wanted.remove(&queue.split),
                None if !self.gate.stopping() => {
                    let place = format!("source \"{}\", split {}", self.name, queue.name);
                    return Err(differs(Given { read, ..Given::default() }).at(place));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn pull(&mut self, cut: &mut Cut<'_>) -> Result<(), Error> {
        self.take_over(cut);
        // Splits take turns batch by batch, so that a full one does not starve the others.
        let mut moved = true;
        while moved && cut.room > 0 {
            moved = false;
            let mut index = 0;
            while index < self.splits.len() && cut.room > 0 {
                let queue = &mut self.splits[index];
                let split = queue.split;
                if self.merger.as_ref().is_some_and(|merger| !merger.wants(split, merge_clock(cut))) {
                    if !queue.is_empty() {
                        self.seen(split, cut);
                    }
                    index += 1;
                    continue;
                }
                let taken = queue.take();
                if self.merger.is_some() {
                    // A split that was opened before these rows were sent, or before this one ended, holds them back.
                    self.take_over(cut);
                }
                match taken {
                    Ok(arrival) => {
                        self.arrival(split, arrival, cut)?;
                        (moved, index) = (true, index + 1);
                    }
                    Err(TryRecvError::Empty) => index += 1,
                    Err(TryRecvError::Closed) => self.end_split(index, cut),
                }
            }
        }
        if self.release(cut) {
            cut.hear(|| Heard::Released { source: self.name.clone() });
        }
        if self.ended() && !self.gate.stopping() {
            self.merge_ended(cut);
        }
        Ok(())
    }

    fn close(&mut self) {
        // A split that comes so late will not fall idle: its rows are all there, and then it ends.
        self.splits.extend(self.gate.close().into_iter().map(|queue| SplitQueue { opened_ms: i64::MAX, ..queue }));
        self.splits.iter().for_each(|queue| {
            queue.rx.close();
        });
    }

    fn ended(&self) -> bool {
        self.splits.is_empty() && self.gate.ended()
    }

    fn was_away(&mut self, cut: &mut Cut<'_>) {
        for split in self.resumed(cut) {
            self.health(split, Health::Frozen, cut);
        }
    }

    fn is_back(&mut self, cut: &mut Cut<'_>) {
        for split in self.resumed(cut) {
            self.seen(split, cut);
            if self.always_live {
                self.health(split, Health::Live, cut);
            }
        }
    }

    fn remember(&self) -> Option<(String, SaveMerge)> {
        Some((self.name.clone(), self.merger.as_ref()?.remember()))
    }
}
