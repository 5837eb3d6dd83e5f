//! A recording as objects of a store, so that it can be replayed by another process, on another machine, after years.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::record::{Item, RecordedRows, Recording};
use crate::batch::{Batch, Places};
use crate::control::Control;
use crate::data::{row_from_bytes, row_to_bytes};
use crate::durable::{FrameKind, Store, framed, unframed};
use crate::flow::InputType;
use crate::{Data, Error};

/// Where the objects lie.
const FOLDER: &str = "recording";

/// A segment ends with the item by which it reaches so many bytes.
const SEGMENT_BYTES: usize = 4 << 20;

/// A run of items of a recording.
#[derive(Debug, Serialize, Deserialize)]
struct Segment {
    /// Of the flow that was recorded.
    fingerprint: u64,
    /// None follows.
    last: bool,
    items: Vec<Saved>,
}

#[derive(Debug, Serialize, Deserialize)]
enum Saved {
    Rows(usize, SavedRows),
    Control(Control),
    Cut,
}

/// Rows of one input and split, at places that follow one another.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SavedRows {
    pub(crate) split: u32,
    pub(crate) late: bool,
    /// The place of the first.
    pub(crate) first: u64,
    /// A list of rows in MessagePack.
    pub(crate) rows: Bytes,
}

/// Reads the rows of one input of a flow.
pub(crate) type ReadRows = fn(SavedRows) -> Result<Arc<dyn RecordedRows>, Error>;

pub(crate) fn read_rows<T: Data>(saved: SavedRows) -> Result<Arc<dyn RecordedRows>, Error> {
    let SavedRows { split, late, first, rows } = saved;
    Ok(Arc::new(Batch { target: 0, split, late, places: Places::Dense(first), rows: row_from_bytes::<Vec<T>>(&rows)? }))
}

/// Makes segments of items.
pub(crate) struct Segments {
    fingerprint: u64,
    /// Of the segment that is being filled.
    number: u64,
    items: Vec<Saved>,
    bytes: usize,
}

impl Segments {
    pub(crate) fn of(fingerprint: u64) -> Self {
        Segments { fingerprint, number: 1, items: Vec::new(), bytes: 0 }
    }

    /// Adds an item. Whether the segment is full by that.
    ///
    /// # Errors
    /// `E0525` if a row cannot be encoded.
    pub(crate) fn push(&mut self, item: &Item) -> Result<bool, Error> {
        self.items.push(match item {
            Item::Rows { input, batch } => {
                let saved = batch.save(0, batch.len())?;
                self.bytes += saved.rows.len();
                Saved::Rows(*input, saved)
            }
            Item::Control(control) => Saved::Control(*control),
            Item::Cut => Saved::Cut,
        });
        self.bytes += size_of::<Saved>();
        Ok(self.bytes >= SEGMENT_BYTES)
    }

    /// The segment as an object, by its name; the next one begins.
    ///
    /// # Errors
    /// `E0525` if it cannot be encoded.
    pub(crate) fn end(&mut self, last: bool) -> Result<(String, Vec<u8>), Error> {
        let segment = Segment { fingerprint: self.fingerprint, last, items: std::mem::take(&mut self.items) };
        let object = (name_of(self.number), framed(FrameKind::Segment, &row_to_bytes(&segment)?));
        (self.number, self.bytes) = (self.number + 1, 0);
        Ok(object)
    }
}

/// Refuses a store that holds a recording.
///
/// # Errors
/// `E0527`, or a [`StoreError`](crate::durable::StoreError) as an [`Error`].
pub(crate) fn check_free(store: &dyn Store) -> Result<(), Error> {
    store.list(FOLDER)?.into_iter().next().map_or(Ok(()), |name| Err(holds_one(name)))
}

pub(crate) fn holds_one(name: String) -> Error {
    Error::new("E0527", "the store holds a recording already")
        .at(name)
        .remedy("save each recording into a store of its own")
}

/// The name of a segment's object; they count from 1.
fn name_of(number: u64) -> String {
    format!("{FOLDER}/{number:020}")
}

impl Recording {
    /// Writes the recording into a store, which holds one at most. O(bytes), and a segment of about 4 MiB more in memory.
    ///
    /// # Examples
    /// ```
    /// use watchfire_engine::{Job, durable::Directory};
    /// # use serde::{Deserialize, Serialize};
    /// # use watchfire_engine::Timed;
    /// # #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    /// # struct Reading { event_time_ms: i64 }
    /// # impl Timed for Reading { fn event_time_ms(&self) -> i64 { self.event_time_ms } }
    /// # let folder = std::env::temp_dir().join(format!("watchfire-recording-{}", std::process::id()));
    /// let job = Job::new(|flow| flow.channel::<Reading>("readings").to_channel("same"));
    /// let mut running = job.clone().record().start()?;
    /// running.sender::<Reading>("readings")?.send(vec![Reading { event_time_ms: 7 }])?;
    /// let _same = running.receiver::<Reading>("same")?;
    /// running.wait()?;
    /// let recording = running.recording().ok_or("it was recorded")?;
    /// recording.save(&Directory::create(&folder)?)?;
    ///
    /// let mut again = job.replay(&job.saved_recording(&Directory::open(&folder)?)?)?;
    /// assert_eq!(again.receiver::<Reading>("same")?.rows().collect::<Vec<_>>(), [Reading { event_time_ms: 7 }]);
    /// # again.wait()?;
    /// # std::fs::remove_dir_all(folder)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// `E0527` if the store holds a recording already, `E0525` if a row cannot be encoded, or those of the
    /// [store](crate::durable::StoreError). What was written until then is told from a whole recording when it is read.
    pub fn save(&self, store: &dyn Store) -> Result<(), Error> {
        let write = |(name, bytes): (String, Vec<u8>)| {
            if store.put_if_absent(&name, &bytes)? { Ok(()) } else { Err(holds_one(name)) }
        };
        let mut segments = Segments::of(self.fingerprint);
        for item in &self.items {
            if segments.push(item)? {
                write(segments.end(false)?)?;
            }
        }
        write(segments.end(true)?)
    }

    /// Reads a recording of the flow with this fingerprint and these inputs.
    pub(crate) fn read(store: &dyn Store, fingerprint: u64, inputs: &[InputType]) -> Result<Recording, Error> {
        let mut all = Vec::new();
        for number in 1.. {
            let name = name_of(number);
            let damaged = |what: &str| {
                let remedy = "restore the object from a backup, or record again";
                Error::new("E0521", what).at(name.clone()).remedy(remedy)
            };
            let bytes = store.get(&name)?.ok_or_else(|| damaged("a part of the recording is missing"))?;
            let segment: Segment =
                row_from_bytes(unframed(FrameKind::Segment, &bytes, &name)?.1).map_err(|e| e.at(name.clone()))?;
            if segment.fingerprint != fingerprint {
                return Err(other_flow(segment.fingerprint, fingerprint));
            }
            for saved in segment.items {
                all.push(match saved {
                    Saved::Rows(input, rows) => {
                        let read =
                            inputs.get(input).ok_or_else(|| damaged("rows for an input that the flow has not"))?;
                        Item::Rows { input, batch: (read.read_rows)(rows).map_err(|e| e.at(name.clone()))? }
                    }
                    Saved::Control(control) => Item::Control(control),
                    Saved::Cut => Item::Cut,
                });
            }
            if segment.last {
                break;
            }
        }
        Ok(Recording { items: all, fingerprint })
    }
}

/// The error of a recording that was made by another flow.
pub(crate) fn other_flow(recorded: u64, planned: u64) -> Error {
    let what = format!("the recording is of flow {recorded:016x}, this is {planned:016x}");
    Error::new("E0106", what).remedy("replay it with the flow that made it")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::{Health, Signal};

    #[test]
    fn the_bytes_stay_the_same() {
        let rows = SavedRows { split: 3, late: true, first: 9, rows: Bytes::from_static(b"\x91\x07") };
        let signals = [
            Signal::Tick { arrival_ms: 1_000 },
            Signal::Split { split: 3, health: Health::Frozen },
            Signal::Commit { number: 2 },
            Signal::End,
        ];
        let controls = signals.into_iter().map(|signal| Saved::Control(Control { at: 10, signal }));
        let items = std::iter::once(Saved::Rows(1, rows)).chain(controls).chain([Saved::Cut]).collect();
        let bytes = row_to_bytes(&Segment { fingerprint: 5, last: true, items }).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        assert!(text.contains("fingerprint") && text.contains("arrival_ms"), "fields have their names: {text:?}");
        assert_eq!((bytes.len(), xxhash_rust::xxh3::xxh3_64(&bytes)), (224, 16_030_469_138_646_245_901));
        assert_eq!(row_to_bytes(&row_from_bytes::<Segment>(&bytes).unwrap()).unwrap(), bytes);
    }
}
