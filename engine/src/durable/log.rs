//! The log of a job: records under rising numbers, each written once, by whoever is first.
//!
//! That is the whole fence. A generation begins by writing the next record; one that was there before finds its own next
//! number taken, and stops. Old records are removed, so a number that is free again proves nothing: whoever has written
//! one looks whether higher ones are there.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;

use super::record::{self, Entry, Record};
use super::store::{Store, StoreError};
use crate::Error;
use crate::durable::frame;

/// What is known of one record.
#[derive(Clone, Debug, PartialEq)]
pub enum Known {
    /// It is whole.
    Good(Record),
    /// It is there, but its bytes are not those that were written.
    Damaged {
        /// Its number.
        number: u64,
        /// What is wrong with it.
        why: String,
    },
}

impl Known {
    /// The record, if it is whole.
    pub fn record(&self) -> Option<&Record> {
        match self {
            Known::Good(record) => Some(record),
            Known::Damaged { .. } => None,
        }
    }

    /// Its place in the log.
    pub fn number(&self) -> u64 {
        match self {
            Known::Good(record) => record.number,
            Known::Damaged { number, .. } => *number,
        }
    }
}

/// Reads the log: the unbroken run of records up to the highest, rising. What lies below a gap, or does not follow from
/// what is above it, was written by a generation that did not know that it was fenced, and is no part of it.
///
/// # Errors
/// [`StoreError`], and `E0522` if a later release wrote the log.
pub fn read(store: &dyn Store) -> Result<Vec<Known>, Error> {
    // The list tells the highest alone: it is no snapshot, and records may be written while it is made.
    let mut next = highest(store)?;
    let mut known: Vec<Known> = Vec::new();
    let mut expected: Option<u64> = None;
    let mut above: Option<u64> = None;
    while let Some(number) = next {
        let name = record::name_of(number);
        let Some(bytes) = store.get(&name)? else { break };
        next = number.checked_sub(1);
        let decoded = Record::decode(&bytes, &name).and_then(|found| in_place(found, number, &name));
        let found = match decoded {
            Ok(_) if expected.is_some_and(|sum| sum != frame::sum_of(&bytes)) => break,
            // No checksum tells what follows from a damaged record, but generations do.
            Ok(record) if !above.is_none_or(|above| may_precede(&record, above)) => break,
            Ok(record) => {
                expected = record.previous;
                above = Some(record.generation);
                Known::Good(record)
            }
            Err(e) if e.code() == "E0522" => return Err(e),
            Err(e) => {
                expected = None;
                Known::Damaged { number, why: e.to_string() }
            }
        };
        known.push(found);
    }
    known.reverse();
    Ok(known)
}

/// A generation is the number of the record by which it began, and all that follow it are its own until the next begins.
fn may_precede(record: &Record, above: u64) -> bool {
    if record.number < above { record.generation < above } else { record.generation == above }
}

fn in_place(record: Record, number: u64, name: &str) -> Result<Record, Error> {
    if record.number == number {
        return Ok(record);
    }
    let what = format!("record {} under the name of another", record.number);
    Err(Error::new("E0521", what).at(name).remedy("restore the object from a backup"))
}

/// A number for one start alone.
pub(crate) fn nonce() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// The end of the log, held by one generation.
#[derive(Debug)]
pub struct Log {
    store: Arc<dyn Store>,
    generation: u64,
    /// The last record that is known, and its checksum if it is whole.
    last: Option<(u64, Option<u64>)>,
}

impl Log {
    /// Begins a generation of a job after the records that were read, and fences all before it. Numbers that others take
    /// meanwhile are an error, for what was decided rests on what was read. `nonce` is drawn for this start alone.
    ///
    /// # Errors
    /// `E0524` if another generation began or wrote since the log was read; [`StoreError`].
    pub fn begin(
        store: Arc<dyn Store>,
        read: &[Known],
        job: &str,
        from: Option<u64>,
        nonce: u64,
        logs_epochs: bool,
    ) -> Result<Log, Error> {
        let last = match read.last() {
            Some(known) => {
                let Some(sum) = settle(&*store, known)? else { return Err(fenced(known.number())) };
                Some((known.number(), sum))
            }
            None => None,
        };
        let generation = after(last)?;
        let mut log = Log { store, generation, last };
        let release = env!("CARGO_PKG_VERSION").to_owned();
        log.append(Entry::Started { job: job.to_owned(), nonce, from, release, logs_epochs })?;
        Ok(log)
    }

    /// The number of this generation: higher than that of all before it.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Writes the next record. After an error that may pass, the same call may be made again.
    ///
    /// # Errors
    /// `E0524` if a newer generation has begun; [`StoreError`].
    pub fn append(&mut self, entry: Entry) -> Result<u64, Error> {
        let number = after(self.last)?;
        let previous = self.last.and_then(|(_, sum)| sum);
        let bytes = Record { number, previous, generation: self.generation, entry }.encode()?;
        let name = record::name_of(number);
        // An earlier try may have written it, and only its answer was lost.
        let mine = self.store.put_if_absent(&name, &bytes)? || self.store.get(&name)?.as_ref() == Some(&bytes);
        if !mine || highest(&*self.store)? > Some(number) {
            return Err(fenced(number));
        }
        self.last = Some((number, Some(frame::sum_of(&bytes))));
        Ok(number)
    }
}

/// What a generation looks at to see that no other has begun.
#[derive(Debug)]
pub(crate) struct Fence {
    generation: u64,
    /// The highest record that is known to be its own.
    known: u64,
}

impl Fence {
    pub(crate) fn of(generation: u64) -> Self {
        Fence { generation, known: generation }
    }

    /// Looks at the end of the log. One list; one record more if it has grown.
    ///
    /// # Errors
    /// `E0524` if a newer generation has begun, or the newest record is damaged, for it may have begun by that;
    /// [`StoreError`].
    pub(crate) fn check(&mut self, store: &dyn Store) -> Result<(), Error> {
        while let Some(number) = highest(store)?.filter(|number| *number > self.known) {
            let name = record::name_of(number);
            // One that was pruned meanwhile is not the newest.
            let Some(bytes) = store.get(&name)? else { continue };
            let own = Record::decode(&bytes, &name).is_ok_and(|record| record.generation == self.generation);
            if !own {
                return Err(fenced(number));
            }
            self.known = number;
        }
        Ok(())
    }
}

fn highest(store: &dyn Store) -> Result<Option<u64>, StoreError> {
    Ok(store.list(record::FOLDER)?.iter().filter_map(|name| record::number_of(name)).max())
}

fn after(last: Option<(u64, Option<u64>)>) -> Result<u64, Error> {
    let Some((number, _)) = last else { return Ok(1) };
    number.checked_add(1).ok_or_else(|| {
        let what = "an object under the highest number that a record can have";
        Error::new("E0521", what).at(record::name_of(number)).remedy("remove it; no job has written it")
    })
}

fn fenced(number: u64) -> Error {
    Error::new("E0524", "another generation of the job has begun, and this one must stop")
        .at(format!("record {number} of the log"))
        .remedy("let the other one run, or end it first")
}

/// Makes sure of the last record, as it is, before anything rests on it: whoever wrote it may have ended before it was
/// durable, and if it were lost later, the log would end above the gap. Nothing if it is another now, or gone; else its
/// checksum, unless it is damaged, for its bytes may still be restored.
pub(crate) fn settle(store: &dyn Store, last: &Known) -> Result<Option<Option<u64>>, Error> {
    let name = record::name_of(last.number());
    let Some(bytes) = store.get(&name)? else { return Ok(None) };
    store.put_if_absent(&name, &bytes)?;
    Ok(match (last, Record::decode(&bytes, &name)) {
        (Known::Good(read), Ok(found)) if *read == found => Some(Some(frame::sum_of(&bytes))),
        (Known::Damaged { .. }, Err(_)) => Some(None),
        _ => None,
    })
}

#[cfg(test)]
mod tests;
