//! What the ingest remembers beside the positions of splits: the place and the split to be given next, the clocks, and the
//! rows that have been read and wait for others before they have a place.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::control::Signal;
use crate::data::{row_from_bytes, row_to_bytes};
use crate::durable::{FrameKind, SplitAt, StateFile, Store, body_of, framed, states_name, sum_of};
use crate::keyed::Clocks;

/// As it is stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Ingest {
    /// The place of the next row or signal.
    pub(crate) next_at: u64,
    /// The number of the next split.
    pub(crate) next_split: u32,
    /// The latest tick, and the latest event time that the ticks believe.
    pub(crate) ticker: (Option<i64>, i64),
    pub(crate) clocks: Clocks,
    /// What waits for the clock, in order.
    pub(crate) held: Vec<SavedHeld>,
    /// The event times of rows that are ahead of the clock and went on all the same.
    pub(crate) gone: Vec<i64>,
    /// By source.
    pub(crate) merges: BTreeMap<String, SavedMerge>,
}

/// A row that is ahead of the clock, or what waits behind one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum SavedHeld {
    Row { event_ms: i64, split: u32, input: usize, row: Bytes },
    Health { split: u32, signal: Signal },
}

/// The merge of a source's splits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct SavedMerge {
    /// The split that the merged rows belong to.
    pub(crate) split: u32,
    /// Latest event time, and arrival of the last row, of each that is open.
    pub(crate) splits: BTreeMap<u32, (i64, i64)>,
    pub(crate) frozen: BTreeSet<u32>,
    pub(crate) released_ms: i64,
    pub(crate) arrived: u64,
    pub(crate) ended: bool,
    /// Event time, split and number of each row that is held.
    pub(crate) at: Vec<(i64, u32, u64)>,
    /// The same rows, a list in MessagePack.
    pub(crate) rows: Bytes,
}

/// Encodes a merge, where that may take its time.
pub(crate) type SaveMerge = Box<dyn FnOnce() -> Result<SavedMerge, Error> + Send>;

/// The ingest at the end of an epoch, before its merges are encoded.
pub(crate) struct Capture {
    /// Without its merges.
    pub(crate) ingest: Ingest,
    pub(crate) merges: Vec<(String, SaveMerge)>,
    /// Positions, by source.
    pub(crate) sources: BTreeMap<String, Vec<SplitAt>>,
}

impl Capture {
    /// # Errors
    /// `E0525` if a row cannot be encoded.
    pub(crate) fn finish(self) -> Result<(Ingest, BTreeMap<String, Vec<SplitAt>>), Error> {
        let mut ingest = self.ingest;
        for (source, save) in self.merges {
            ingest.merges.insert(source, save()?);
        }
        Ok((ingest, self.sources))
    }
}

impl Ingest {
    /// The object, and how a manifest refers to it.
    ///
    /// # Errors
    /// `E0525` if it cannot be encoded.
    pub(crate) fn encode(&self, generation: u64, checkpoint: u64, part: u32) -> Result<(Vec<u8>, StateFile), Error> {
        let bytes = framed(FrameKind::Ingest, &row_to_bytes(self)?);
        let name = states_name(generation, checkpoint, part);
        let file = StateFile { name, bytes: bytes.len() as u64, checksum: sum_of(&bytes), groups: (0, 0), base: true };
        Ok((bytes, file))
    }

    /// # Errors
    /// `E0521` if the object is damaged or missing, `E0522` if a later release wrote it; those of the store.
    pub(crate) fn read(store: &dyn Store, file: &StateFile) -> Result<Ingest, Error> {
        row_from_bytes(&body_of(store, file, FrameKind::Ingest)?).map_err(|e| {
            let remedy = "let the job fall back to an older checkpoint, or restore the object from a backup";
            Error::new("E0521", "what the ingest remembers cannot be read")
                .at(file.name.clone())
                .because(e)
                .remedy(remedy)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::Health;
    use crate::durable::Directory;

    fn ingest() -> Ingest {
        let mut clocks = Clocks::new();
        clocks.tick(1_000);
        clocks.health(3, Health::Frozen);
        let signal = Signal::Split { split: 3, health: Health::Ended };
        let merge = SavedMerge {
            split: 4,
            splits: [(3, (900, 1_000))].into(),
            frozen: [3].into(),
            released_ms: 800,
            arrived: 7,
            ended: false,
            at: vec![(900, 3, 7)],
            rows: Bytes::from_static(b"\x91\x07"),
        };
        Ingest {
            next_at: 17,
            next_split: 5,
            ticker: (Some(1_000), 1_100),
            clocks,
            held: vec![
                SavedHeld::Row { event_ms: 5_000, split: 3, input: 1, row: Bytes::from_static(b"\x07") },
                SavedHeld::Health { split: 3, signal },
            ],
            gone: vec![6_000],
            merges: [("readings".to_owned(), merge)].into(),
        }
    }

    #[test]
    fn the_bytes_stay_the_same() {
        let bytes = row_to_bytes(&ingest()).unwrap();
        assert!(String::from_utf8_lossy(&bytes).contains("next_split"), "fields have their names");
        assert_eq!((bytes.len(), xxhash_rust::xxh3::xxh3_64(&bytes)), (301, 7_810_826_823_265_711_951));
    }

    #[test]
    fn it_reads_back_and_damage_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let store = Directory::create(folder.path()).unwrap();
        let (bytes, file) = ingest().encode(1, 2, 3).unwrap();
        assert_eq!(Ingest::read(&store, &file).unwrap_err().code(), "E0521");
        store.put(&file.name, &bytes).unwrap();
        assert_eq!(Ingest::read(&store, &file).unwrap(), ingest());
        let other = StateFile { checksum: 9, ..file };
        assert_eq!(Ingest::read(&store, &other).unwrap_err().code(), "E0521");
    }
}
