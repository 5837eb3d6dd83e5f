//! The checkpoints of a job, for whoever looks after them: what is there, whether it is whole, and what can go.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::frame::{self, Kind};
use super::log::{self, Known};
use super::record::{Entry, Manifest, StateFile};
use super::savepoints::{self, Savepoint};
use super::states::{Body, States};
use super::store::Store;
use super::{collect, record};
use crate::{Error, epochs, turns};

/// Objects that are read at a time.
const READERS: usize = 4;

/// What a store holds of one job.
///
/// # Examples
/// ```
/// use std::sync::Arc;
/// use watchfire_engine::durable::{Checkpoints, Directory, Entry, Log, Manifest};
/// # let folder = std::env::temp_dir().join(format!("watchfire-checkpoints-{}", std::process::id()));
/// let store = Arc::new(Directory::create(&folder)?);
/// let mut log = Log::begin(store.clone(), &[], "site", None, 7, false)?;
/// log.append(Entry::Checkpoint(Box::new(Manifest { checkpoint: 1_048_600, ..Manifest::default() })))?;
///
/// let checkpoints = Checkpoints::new(store);
/// assert_eq!(checkpoints.list()?[0].manifest.checkpoint, 1_048_600);
/// assert!(checkpoints.verify()?.is_empty());
/// assert_eq!(checkpoints.prune(3)?, Vec::<String>::new());
/// # std::fs::remove_dir_all(folder)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Checkpoints {
    store: Arc<dyn Store>,
}

/// One checkpoint.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    /// What it is made of.
    pub manifest: Manifest,
    /// The generation that completed it.
    pub generation: u64,
    /// The record that completed it.
    pub record: u64,
    /// All that its sinks had prepared, if anything, is known to be visible.
    pub committed: bool,
}

/// Something that is not as it was written.
#[derive(Clone, Debug)]
pub struct Damage {
    /// The record that is damaged, or that names what is; 0 where that is a savepoint.
    pub record: u64,
    /// The checkpoint that cannot be loaded for it; nothing if a record is damaged, for then it is not known which.
    pub checkpoint: Option<u64>,
    /// The savepoint that is damaged, or that names what is; then there is no record.
    pub savepoint: Option<String>,
    /// What is damaged, and how.
    pub error: Error,
}

impl Checkpoints {
    /// The checkpoints in a store. Nothing is read yet.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Checkpoints { store }
    }

    /// All complete checkpoints, oldest first. Only the log is read.
    ///
    /// # Errors
    /// See [`log::read`]. Damaged records are passed over; [`verify`](Checkpoints::verify) tells of them.
    pub fn list(&self) -> Result<Vec<Checkpoint>, Error> {
        Ok(all_in(&log::read(&*self.store)?))
    }

    /// Reads every object that a checkpoint needs, and says what is not as it was written. O(bytes stored). What is pruned
    /// meanwhile is no damage.
    ///
    /// # Errors
    /// A [`StoreError`](super::StoreError) as an [`Error`]: it could not be found out.
    pub fn verify(&self) -> Result<Vec<Damage>, Error> {
        let log = log::read(&*self.store)?;
        let mut damages: Vec<Damage> = Vec::new();
        for known in &log {
            if let Known::Damaged { number, why } = known {
                let error = Error::new("E0521", why.clone()).at(record::name_of(*number));
                damages.push(Damage { record: *number, checkpoint: None, savepoint: None, error });
            }
        }
        // Neighbours share most of their objects: each is read once.
        let mut sound: BTreeSet<(String, u64)> = BTreeSet::new();
        for Checkpoint { manifest, record, .. } in &all_in(&log) {
            self.verify_files(manifest, &mut sound, |error| {
                damages.push(Damage { record: *record, checkpoint: Some(manifest.checkpoint), savepoint: None, error });
            })?;
        }
        for found in savepoints::all(&*self.store)? {
            let of = |savepoint: Option<String>, checkpoint, error| Damage { record: 0, checkpoint, savepoint, error };
            match found {
                Ok(Savepoint { name, manifest, .. }) => self.verify_files(&manifest, &mut sound, |error| {
                    damages.push(of(Some(name.clone()), Some(manifest.checkpoint), error));
                })?,
                Err(error) => damages.push(of(error.place().map(str::to_owned), None, error)),
            }
        }
        if !damages.is_empty() {
            let still: BTreeSet<u64> = log::read(&*self.store)?.iter().map(Known::number).collect();
            damages.retain(|damage| damage.savepoint.is_some() || still.contains(&damage.record));
        }
        Ok(damages)
    }

    /// Reads the objects that a checkpoint names, but those that are known to be sound.
    fn verify_files(
        &self,
        manifest: &Manifest,
        sound: &mut BTreeSet<(String, u64)>,
        mut damaged: impl FnMut(Error),
    ) -> Result<(), Error> {
        for file in manifest.files() {
            let known = (file.name.clone(), file.checksum);
            if sound.contains(&known) {
                continue;
            }
            let read = match &manifest.ingest {
                Some(ingest) if ingest == file => body_of(&*self.store, file, Kind::Ingest).map(drop),
                _ => states_in(&*self.store, file).map(drop),
            };
            match read {
                Ok(()) => _ = sound.insert(known),
                // What may pass says nothing of the object.
                Err(error) if !matches!(error.code(), "E0521" | "E0522") => return Err(error),
                Err(error) => damaged(error),
            }
        }
        Ok(())
    }

    pub(super) fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// Deletes what none of the newest `keep` checkpoints needs, at least one; the names of what was deleted. Where more than
    /// one is kept, so is the newest that shares no object with the newest of all, for no damaged object is to take all of
    /// them. What [savepoints](Checkpoints::savepoints) need stays too; while one of them is damaged, all states do. May be called while the job runs: what is still being written stays, and so does what has yet to be committed.
    ///
    /// # Errors
    /// A [`StoreError`](super::StoreError) as an [`Error`]; what was deleted until then stays deleted, and nothing that a
    /// kept checkpoint needs.
    pub fn prune(&self, keep: usize) -> Result<Vec<String>, Error> {
        // Names first: what is written after that is not among them, and so not deleted.
        let mut names = self.store.list(record::FOLDER)?;
        names.extend(self.store.list(collect::STATES)?);
        names.extend(self.store.list(epochs::FOLDER)?);
        let log = log::read(&*self.store)?;
        // What stays must be there for good before anything goes; if it has just gone, somebody else is at it.
        if log.last().map(|last| log::settle(&*self.store, last)).transpose()?.flatten().is_none() {
            return Ok(Vec::new());
        }
        // After the log: see `save`.
        let savepoints = savepoints::all(&*self.store)?;
        // Nobody knows what one that is damaged needs.
        let known = savepoints.iter().all(Result::is_ok);
        let pinned: Vec<Manifest> = savepoints.into_iter().filter_map(|one| Some(one.ok()?.manifest)).collect();
        let mut gone = collect::plan(&log, &names, keep, &pinned);
        gone.retain(|name| known || !name.starts_with(collect::STATES));
        // Records go one after the other. The last that went may have been deleted by a call that failed, and be back after a power
        // cut: then what it names must be there.
        if let Some(last) = names.iter().filter_map(|name| record::number_of(name)).min().and_then(|n| n.checked_sub(1))
        {
            self.store.delete(&record::name_of(last))?;
        }
        for name in &gone {
            self.store.delete(name)?;
        }
        Ok(gone)
    }
}

/// The states in an object that a checkpoint names.
///
/// # Errors
/// As [`States::decode`]; `E0521` if the object is missing; a [`StoreError`](super::StoreError) as an [`Error`].
pub(crate) fn states_in(store: &dyn Store, file: &StateFile) -> Result<States, Error> {
    States::decode(&object(store, file)?, file)
}

/// The body of an object of one kind that a checkpoint names.
///
/// # Errors
/// As [`states_in`].
pub(crate) fn body_of(store: &dyn Store, file: &StateFile, kind: Kind) -> Result<Vec<u8>, Error> {
    Ok(frame::named(kind, &object(store, file)?, file)?.to_vec())
}

/// The states in the objects that a checkpoint names, in their order. Several are read at a time: a store that is far away takes its
/// time for each.
///
/// # Errors
/// As [`States::decode`], and if an object is missing; a [`StoreError`](super::StoreError) as an [`Error`].
pub(crate) fn bodies(store: &dyn Store, files: &[StateFile]) -> Result<Vec<Body>, Error> {
    let next = AtomicUsize::new(0);
    let read = || {
        let mut mine = Vec::new();
        loop {
            let n = next.fetch_add(1, Ordering::Relaxed);
            let Some(file) = files.get(n) else { return mine };
            mine.push((n, object(store, file).and_then(|bytes| Body::of(bytes, file))));
        }
    };
    // In lock-step there is an order, so one reads all.
    let readers = if turns::elapsed().is_some() { 1 } else { READERS.min(files.len()) };
    let mut all = std::thread::scope(|scope| {
        // Where no thread is to be had, those that there are read all.
        let reader = |_| std::thread::Builder::new().name("watchfire-load".to_owned()).spawn_scoped(scope, read).ok();
        let others: Vec<_> = (1..readers).filter_map(reader).collect();
        let mut all = read();
        for other in others {
            all.extend(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        all
    });
    all.sort_by_key(|(n, _)| *n);
    all.into_iter().map(|(_, body)| body).collect()
}

pub(super) fn object(store: &dyn Store, file: &StateFile) -> Result<Vec<u8>, Error> {
    store.get(&file.name)?.ok_or_else(|| {
        let remedy = "let the job fall back to an older checkpoint, or restore the object from a backup";
        Error::new("E0521", "an object that is not there").at(file.name.clone()).remedy(remedy)
    })
}

fn all_in(log: &[Known]) -> Vec<Checkpoint> {
    let mut all: Vec<Checkpoint> = Vec::new();
    for record in log.iter().filter_map(Known::record) {
        match &record.entry {
            Entry::Checkpoint(manifest) => all.push(Checkpoint {
                manifest: (**manifest).clone(),
                generation: record.generation,
                record: record.number,
                committed: !manifest.owes_commit(),
            }),
            Entry::Committed { checkpoint } => {
                all.iter_mut()
                    .filter(|one| one.manifest.checkpoint <= *checkpoint)
                    .for_each(|one| one.committed = true);
            }
            Entry::Started { .. } | Entry::Finished => {}
        }
    }
    all
}
