//! Checkpoints that somebody gave a name, and that stay until somebody lets them go.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::checkpoints::{Checkpoints, object};
use super::collect;
use super::frame::{self, Kind};
use super::log::{self, Log};
use super::record::{Entry, Manifest};
use super::store::{Store, check_name};
use crate::Error;

/// Where they lie: `savepoint/NAME`.
pub(crate) const FOLDER: &str = "savepoint";

/// The newest checkpoint may be a newer one when it has been named; then that is named instead, so often.
const TRIES: usize = 8;

/// That of whoever begins the log of a store.
const FIRST_GENERATION: u64 = 1;

/// A checkpoint with a name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Savepoint {
    /// Its name.
    pub name: String,
    /// The generation that completed the checkpoint.
    pub generation: u64,
    /// What it is made of.
    pub manifest: Manifest,
}

impl Savepoint {
    fn object(name: &str) -> Result<String, Error> {
        let object = format!("{FOLDER}/{name}");
        if name.contains('/') || check_name(&object).is_err() {
            let remedy = "use lower-case letters, digits, -, _ and ., and no dot at the beginning";
            return Err(Error::new("E0514", format!("\"{name}\" cannot name a savepoint")).remedy(remedy));
        }
        Ok(object)
    }

    fn decode(bytes: &[u8], object: &str) -> Result<Savepoint, Error> {
        let (_, body) = frame::unframed(Kind::Savepoint, bytes, object)?;
        serde_json::from_slice(body).map_err(|e| {
            let remedy = "run the release that wrote it, or restore the object from a backup";
            Error::new("E0521", "a savepoint that cannot be read").at(object).because(e).remedy(remedy)
        })
    }
}

/// Those that can be read, and of the others why not.
pub(crate) type Found = Vec<Result<Savepoint, Error>>;

/// All savepoints of a store, by their names.
///
/// # Errors
/// A [`StoreError`](super::StoreError) as an [`Error`]; `E0522` if a later release wrote one.
pub(crate) fn all(store: &dyn Store) -> Result<Found, Error> {
    let mut found = Found::new();
    for object in store.list(FOLDER)? {
        // One that has gone meanwhile is none.
        let Some(bytes) = store.get(&object)? else { continue };
        match Savepoint::decode(&bytes, &object) {
            Err(error) if error.code() == "E0522" => return Err(error),
            one => found.push(one),
        }
    }
    Ok(found)
}

impl Checkpoints {
    /// Gives the newest complete checkpoint a name. It stays, with all that it needs, until it is [let go](Checkpoints::forget),
    /// whatever is pruned. The job may be running, or stopped; a [`stop`](crate::Running::stop) ends with a checkpoint.
    ///
    /// # Examples
    /// ```
    /// use std::sync::Arc;
    /// use std::time::Duration;
    /// use watchfire_engine::durable::{Checkpoints, Directory};
    /// use watchfire_engine::{ChannelIn, Checkpointing, Job, source::Replay};
    /// # use serde::{Deserialize, Serialize};
    /// # #[derive(Clone, Debug, Serialize, Deserialize)]
    /// # struct Reading { event_time_ms: i64 }
    /// # impl watchfire_engine::Timed for Reading { fn event_time_ms(&self) -> i64 { self.event_time_ms } }
    /// # let folder = std::env::temp_dir().join(format!("watchfire-savepoints-{}", std::process::id()));
    /// # let second = folder.join("second");
    /// let store = Arc::new(Directory::create(folder.join("first"))?);
    /// let job = Job::new(|flow| {
    ///     let again = ChannelIn { replay: Replay::Exact, ..ChannelIn::default() };
    ///     flow.channel_with::<Reading>("readings", again).to_channel("same");
    /// });
    /// let mut running = job.clone().checkpoint_to(store.clone(), Checkpointing::named("site")).start()?;
    /// let (readings, _same) = (running.sender::<Reading>("readings")?, running.receiver::<Reading>("same")?);
    /// readings.send(vec![Reading { event_time_ms: 7 }])?;
    /// running.stop(Duration::from_secs(9))?;
    ///
    /// let checkpoints = Checkpoints::new(store);
    /// checkpoints.save("before-the-upgrade")?;
    /// // Another job goes on from there, in a store of its own.
    /// let second = Arc::new(Directory::create(second)?);
    /// checkpoints.fork("before-the-upgrade", second.clone(), "rehearsal")?;
    /// let mut running = job.checkpoint_to(second, Checkpointing::named("rehearsal")).start()?;
    /// assert_eq!(running.sender::<Reading>("readings")?.resumes_at(), 1);
    /// # let _same = running.receiver::<Reading>("same")?;
    /// # running.stop(Duration::from_secs(9))?;
    /// checkpoints.forget("before-the-upgrade")?;
    /// assert!(checkpoints.savepoints()?.is_empty());
    /// # std::fs::remove_dir_all(folder)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// `E0514` for a name that a store cannot hold, `E0535` if there is a savepoint of that name, `E0536` if there is no checkpoint,
    /// `E0537` if the job completed further ones again and again meanwhile; see [`log::read`]; a
    /// [`StoreError`](super::StoreError) as an [`Error`].
    pub fn save(&self, name: &str) -> Result<Savepoint, Error> {
        let object = Savepoint::object(name)?;
        for _ in 0..TRIES {
            let none = || Error::new("E0536", "there is no checkpoint to name").remedy("let the job complete one");
            let newest = self.list()?.pop().ok_or_else(none)?;
            let savepoint =
                Savepoint { name: name.to_owned(), generation: newest.generation, manifest: newest.manifest };
            let body = serde_json::to_vec(&savepoint)
                .map_err(|e| Error::new("E0523", "a manifest that has no form in JSON").at(name).because(e))?;
            if !self.store().put_if_absent(&object, &frame::framed(Kind::Savepoint, &body))? {
                let what = format!("there is a savepoint \"{name}\" already");
                return Err(Error::new("E0535", what).remedy("take another name, or let that one go first"));
            }
            // Who prunes looks for savepoints after it has read the log. If this checkpoint is still the newest, whoever has read
            // the log until now keeps it, and whoever reads it later finds the savepoint.
            if self.list()?.last().is_some_and(|last| last.record == newest.record) {
                return Ok(savepoint);
            }
            self.store().delete(&object)?;
        }
        let what = format!("further checkpoints were completed before one was named \"{name}\"");
        Err(Error::new("E0537", what).remedy("try again, or stop the job first"))
    }

    /// All savepoints, by name. Those that are damaged are passed over; [`verify`](Checkpoints::verify) tells of them.
    ///
    /// # Errors
    /// A [`StoreError`](super::StoreError) as an [`Error`]; `E0522` if a later release wrote one.
    pub fn savepoints(&self) -> Result<Vec<Savepoint>, Error> {
        Ok(all(&**self.store())?.into_iter().filter_map(Result::ok).collect())
    }

    /// Lets a savepoint go. What it alone needs goes when somebody [prunes](Checkpoints::prune).
    ///
    /// # Errors
    /// `E0514` for a name that a store cannot hold, `E0538` if there is no savepoint of that name; a
    /// [`StoreError`](super::StoreError) as an [`Error`].
    pub fn forget(&self, name: &str) -> Result<(), Error> {
        let object = Savepoint::object(name)?;
        let there = self.store().get(&object)?;
        // Also where it seems to be gone: a call that failed may have deleted it, and a power cut would bring it back.
        self.store().delete(&object)?;
        there.map(drop).ok_or_else(|| unknown(name))
    }

    /// Copies a savepoint into a store in which no job has begun, so that a job of this name goes on from there. O(bytes). After an
    /// error, or if the process ends meanwhile, empty that store and copy again.
    ///
    /// What sinks had prepared for the checkpoint is for the job that it comes from to commit, and is left out. A sink that knows
    /// generations or epochs, as that of PostgreSQL does, must not be shared with that job.
    ///
    /// # Errors
    /// `E0514` for a name that a store cannot hold, `E0538` if there is no savepoint of that name, `E0521` if something of it is
    /// damaged, `E0539` if the other store is not free, `E0524` if somebody begins there meanwhile; a
    /// [`StoreError`](super::StoreError) as an [`Error`].
    pub fn fork(&self, name: &str, into: Arc<dyn Store>, job: &str) -> Result<(), Error> {
        let object_name = Savepoint::object(name)?;
        let bytes = self.store().get(&object_name)?.ok_or_else(|| unknown(name))?;
        let mut manifest = Savepoint::decode(&bytes, &object_name)?.manifest;
        let there = log::read(&*into)?;
        if !there.is_empty() || !into.list(collect::STATES)?.is_empty() {
            let remedy = "give it an empty folder or prefix";
            return Err(Error::new("E0539", "the store that is to take the savepoint is not free").remedy(remedy));
        }
        let checkpoint = manifest.checkpoint;
        let states = manifest.operators.values_mut().flat_map(|operator| &mut operator.files);
        let files =
            states.map(|file| (Kind::State, file)).chain(manifest.ingest.as_mut().map(|file| (Kind::Ingest, file)));
        for (part, (kind, file)) in (1..).zip(files) {
            let bytes = object(&**self.store(), file)?;
            frame::named(kind, &bytes, file)?;
            file.name = collect::name_of(FIRST_GENERATION, checkpoint, part);
            into.put(&file.name, &bytes)?;
        }
        (manifest.job, manifest.logs_epochs) = (job.to_owned(), false);
        manifest.sinks.clear();
        // Last, for a job begins anew where there is a log without a checkpoint.
        let mut log = Log::begin(into, &there, job, None, log::nonce(), false)?;
        log.append(Entry::Checkpoint(Box::new(manifest)))?;
        Ok(())
    }
}

fn unknown(name: &str) -> Error {
    Error::new("E0538", format!("there is no savepoint \"{name}\"")).remedy("list them to see their names")
}
