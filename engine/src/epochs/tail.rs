//! What was logged since a checkpoint.

use std::collections::BTreeMap;

use super::part::{FOLDER, Part, Place};
use super::{Heard, Logged, PreparedFor};
use crate::Error;
use crate::durable::Store;

/// The end of the epoch log, as a start finds it.
#[derive(Debug, Default)]
pub(crate) struct Tail {
    /// The newest part of the log that counts.
    pub(crate) newest: Option<Place>,
    /// Epochs after the checkpoint, rising, and the fingerprint of the flow that logged each.
    pub(crate) epochs: Vec<(u64, Logged)>,
    /// What sinks have prepared since the checkpoint.
    pub(crate) prepared: BTreeMap<u64, PreparedFor>,
}

impl Tail {
    /// Reads what was logged after a checkpoint. O(bytes logged since) of time and memory.
    ///
    /// # Errors
    /// `E0533` if a part is missing, `E0521` if one is damaged, `E0522` if a later release wrote it; those of the store.
    pub(crate) fn since(store: &dyn Store, checkpoint: u64) -> Result<Tail, Error> {
        let newest = newest(store)?;
        let mut tail = Tail { newest, ..Tail::default() };
        let (mut next, mut parts) = (newest, Vec::new());
        while let Some(place) = next.filter(|place| place.epoch() > checkpoint) {
            let name = place.name();
            let gone = || missing(checkpoint, place.epoch()).at(name.clone());
            let part = Part::decode(&store.get(&name)?.ok_or_else(gone)?, &name)?;
            if part.before > checkpoint && part.after.is_none() {
                return Err(missing(checkpoint, part.before).at(name));
            }
            next = part.after.filter(|_| part.before > checkpoint);
            parts.push(part);
        }
        for part in parts.into_iter().rev() {
            let fingerprint = part.fingerprint;
            let later = part.epochs.into_iter().filter(|logged| logged.epoch > checkpoint);
            tail.epochs.extend(later.map(|logged| (fingerprint, logged)));
            tail.prepared.extend(part.prepared.into_iter().filter(|(of, _)| *of > checkpoint));
        }
        Ok(tail)
    }

    /// Whether nothing was written to the log since.
    ///
    /// # Errors
    /// A [`StoreError`](crate::durable::StoreError) as an [`Error`].
    pub(crate) fn is_current(&self, store: &dyn Store) -> Result<bool, Error> {
        Ok(newest(store)? == self.newest)
    }

    /// Makes sure of the newest part, before anything rests on it: whoever wrote it may have ended before it was durable. Those
    /// before it were, when it was begun.
    ///
    /// # Errors
    /// A [`StoreError`](crate::durable::StoreError) as an [`Error`].
    pub(crate) fn settle(&self, store: &dyn Store) -> Result<(), Error> {
        if let Some(name) = self.newest.map(Place::name)
            && let Some(bytes) = store.get(&name)?
        {
            store.put(&name, &bytes)?;
        }
        Ok(())
    }

    /// The last epoch in it.
    pub(crate) fn upto(&self) -> Option<u64> {
        self.epochs.last().map(|(_, logged)| logged.epoch)
    }

    /// The highest number of a split in it.
    pub(crate) fn highest_split(&self) -> Option<u32> {
        let heard = self.epochs.iter().flat_map(|(_, logged)| &logged.heard);
        heard.filter_map(|heard| if let Heard::Opened { split, .. } = heard { Some(*split) } else { None }).max()
    }
}

fn newest(store: &dyn Store) -> Result<Option<Place>, Error> {
    Ok(store.list(FOLDER)?.iter().filter_map(|name| Place::of(name)).max())
}

fn missing(checkpoint: u64, upto: u64) -> Error {
    let what = format!("epochs between {checkpoint} and {upto} are not in the epoch log");
    let remedy = "restore the objects from a backup; without them rows are lost that no source can give again, and what sinks have of them comes again";
    Error::new("E0533", what).remedy(remedy)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::durable::Directory;

    fn logged(epochs: std::ops::RangeInclusive<u64>) -> Vec<Logged> {
        epochs.map(|epoch| Logged { epoch, heard: vec![Heard::Commit] }).collect()
    }

    /// The log of two generations: the first was still writing when the second had begun.
    fn store() -> (tempfile::TempDir, Directory) {
        let folder = tempfile::tempdir().unwrap();
        let store = Directory::create(folder.path()).unwrap();
        let put = |place: Place, before, after, epochs| {
            let part =
                Part { fingerprint: place.0, before, after, epochs, prepared: vec![(before, PreparedFor::new())] };
            store.put(&place.name(), &part.encode().unwrap()).unwrap();
        };
        put(Place(1, 12, 1), 10, None, logged(11..=12));
        put(Place(1, 15, 2), 12, Some(Place(1, 12, 1)), logged(13..=15));
        put(Place(1, 17, 3), 15, Some(Place(1, 15, 2)), logged(16..=17));
        put(Place(2, 16, 1), 15, Some(Place(1, 15, 2)), logged(16..=16));
        put(Place(2, 16, 2), 16, Some(Place(2, 16, 1)), Vec::new());
        (folder, store)
    }

    #[test]
    fn a_tail_leaves_out_what_a_fenced_generation_wrote() {
        let (_folder, store) = store();
        let tail = Tail::since(&store, 13).unwrap();
        let epochs: Vec<(u64, u64)> = tail.epochs.iter().map(|(by, logged)| (*by, logged.epoch)).collect();
        assert_eq!(epochs, [(1, 14), (1, 15), (2, 16)]);
        assert_eq!((tail.newest, tail.upto()), (Some(Place(2, 16, 2)), Some(16)));
        assert_eq!(tail.prepared.into_keys().collect::<Vec<_>>(), [15, 16]);
        assert_eq!(Tail::since(&store, 10).unwrap().epochs.len(), 6);
        assert_eq!(Tail::since(&store, 16).unwrap().epochs, []);
        assert!(Tail::since(&store, 99).unwrap().is_current(&store).unwrap());
    }

    #[test]
    fn what_is_missing_is_said() {
        let (_folder, store) = store();
        assert_eq!(Tail::since(&store, 9).unwrap_err().code(), "E0533");
        store.delete(&Place(1, 15, 2).name()).unwrap();
        let error = Tail::since(&store, 10).unwrap_err();
        assert_eq!(error.to_string().matches("epochs between 10 and 15").count(), 1, "{error}");
        // What lies before the checkpoint is not looked for.
        assert_eq!(Tail::since(&store, 15).unwrap().epochs.len(), 1);
    }
}
