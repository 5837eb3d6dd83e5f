//! The store: calls that block, over a client that does not.

use std::fmt;
use std::future::Future;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures_lite::StreamExt;
use object_store::path::Path;
use object_store::{Error as Cause, GetOptions, GetRange, ObjectStore, ObjectStoreExt, PutMode, PutPayload};
use tokio::runtime::{Handle, RuntimeFlavor};
use watchfire_engine::durable::{Store, StoreError, check_name};

use super::failure::{broken, sorted};

/// Objects under a prefix of an object store.
///
/// Every call waits on the runtime that it was given, so it must come from a thread that may wait. What is safe when a
/// call returns depends on the store below: see the [module](super).
///
/// Several jobs may share a bucket under prefixes of which none lies in another. Objects under the prefix whose names no
/// [`Store`] takes, as others may have put there, are not listed.
///
/// # Examples
/// ```
/// use std::sync::Arc;
/// use watchfire_connectors::object_store::{Objects, object_store::memory::InMemory};
/// use watchfire_engine::durable::Store;
/// let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
/// let store = Objects::new(Arc::new(InMemory::new()), "huayang/job-1", runtime.handle().clone())?;
/// assert!(store.put_if_absent("log/1", b"first")?);
/// assert!(!store.put_if_absent("log/1", b"second")?);
/// assert_eq!(store.get_range("log/1", 1..3)?.as_deref(), Some(&b"ir"[..]));
/// assert_eq!(store.list("log")?, ["log/1"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Objects {
    store: Arc<dyn ObjectStore>,
    prefix: Path,
    runtime: Handle,
}

impl Objects {
    /// Objects of `store` under `prefix`, which may be empty; slashes around it do not count. Nothing is read or written.
    ///
    /// `runtime` runs the client's requests and must outlive the job. It needs threads of its own, and the drivers that
    /// the client asks for: `new_multi_thread().enable_all()`.
    ///
    /// # Errors
    /// `E0514` if the prefix cannot be a path, `E0513` if the runtime is one of a single thread: nobody may be driving
    /// it, and a call would wait for ever.
    pub fn new(store: Arc<dyn ObjectStore>, prefix: &str, runtime: Handle) -> Result<Self, StoreError> {
        let prefix = Path::parse(prefix).map_err(|cause| {
            let error = watchfire_engine::Error::new("E0514", format!("\"{prefix}\" cannot be a prefix"));
            let remedy = "use names between single slashes, none of them . or ..";
            StoreError::Broken(error.at(store.to_string()).because(cause).remedy(remedy))
        })?;
        if runtime.runtime_flavor() == RuntimeFlavor::CurrentThread {
            let what = "a runtime of one thread cannot serve an object store";
            return Err(broken(what, &store.to_string(), "give it a runtime with threads of its own"));
        }
        Ok(Objects { store, prefix, runtime })
    }

    /// Where a name lies in the store.
    fn path(&self, name: &str) -> Result<Path, StoreError> {
        check_name(name)?;
        let path = if self.prefix.is_root() { name.to_owned() } else { format!("{}/{name}", self.prefix) };
        Path::parse(path).map_err(|cause| sorted("cannot name", &self.place(name), cause.into()))
    }

    /// The name of what lies there, if it is under the prefix and one that this store can have written.
    fn name(&self, path: &Path) -> Option<String> {
        let path = path.as_ref();
        let name = match self.prefix.as_ref() {
            "" => path,
            prefix => path.strip_prefix(prefix)?.strip_prefix('/')?,
        };
        check_name(name).is_ok().then(|| name.to_owned())
    }

    fn place(&self, name: &str) -> String {
        let slash = if self.prefix.is_root() { "" } else { "/" };
        format!("{}{slash}{name} in {}", self.prefix, self.store)
    }

    /// Waits for work on the runtime. It runs there as a task, so that neither its panic nor a runtime that has ended
    /// can unwind the caller.
    fn wait<T: Send + 'static>(
        &self,
        doing: &str,
        name: &str,
        work: impl Future<Output = Result<T, Cause>> + Send + 'static,
    ) -> Result<Result<T, Cause>, StoreError> {
        let refuse = |why: &str, remedy: &str| broken(&format!("{doing}: {why}"), &self.place(name), remedy);
        if Handle::try_current().is_ok() {
            return Err(refuse(
                "the call comes from within a runtime, which must not wait",
                "call from a thread of std, not from a task, `spawn_blocking` or an entered runtime",
            ));
        }
        self.runtime.block_on(self.runtime.spawn(work)).map_err(|lost| {
            if lost.is_panic() {
                refuse("the object store panicked", "report it to its maker; the panic was printed")
            } else {
                refuse("the runtime has ended", "keep the runtime until the job has ended")
            }
        })
    }

    fn failed(&self, doing: &str, name: &str) -> impl FnOnce(Cause) -> StoreError {
        move |cause| sorted(doing, &self.place(name), cause)
    }
}

impl Store for Objects {
    fn put(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let doing = "cannot write";
        let (store, path, payload) = (Arc::clone(&self.store), self.path(name)?, payload(bytes));
        self.wait(doing, name, async move { store.put(&path, payload).await })?
            .map_err(self.failed(doing, name))
            .map(drop)
    }

    fn put_if_absent(&self, name: &str, bytes: &[u8]) -> Result<bool, StoreError> {
        let doing = "cannot write what must not be there yet";
        let (store, path, payload) = (Arc::clone(&self.store), self.path(name)?, payload(bytes));
        let put = async move { create(&*store, &path, payload).await };
        match self.wait(doing, name, put)? {
            Err(cause @ (Cause::NotImplemented { .. } | Cause::NotSupported { .. })) => {
                let error = watchfire_engine::Error::new("E0513", doing).at(self.place(name)).because(cause);
                Err(StoreError::Broken(error.remedy("choose a store with conditional put, or switch it on there")))
            }
            other => other.map_err(self.failed(doing, name)),
        }
    }

    fn get(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let doing = "cannot read";
        let (store, path) = (Arc::clone(&self.store), self.path(name)?);
        let bytes = self.wait(doing, name, async move { store.get(&path).await?.bytes().await })?;
        found(bytes).map_err(self.failed(doing, name))
    }

    fn get_range(&self, name: &str, range: Range<u64>) -> Result<Option<Vec<u8>>, StoreError> {
        let doing = "cannot read a part";
        let (store, path) = (Arc::clone(&self.store), self.path(name)?);
        let bytes = self.wait(doing, name, async move { part(&*store, &path, range).await })?;
        found(bytes).map_err(self.failed(doing, name))
    }

    fn list(&self, folder: &str) -> Result<Vec<String>, StoreError> {
        let doing = "cannot list";
        let (store, path) = (Arc::clone(&self.store), self.path(folder)?);
        let list = async move { store.list(Some(&path)).map(|meta| Ok(meta?.location)).try_collect().await };
        let paths: Vec<Path> = self.wait(doing, folder, list)?.map_err(self.failed(doing, folder))?;
        // Some stores take a prefix by its letters, and some give no order.
        let inside = |name: &String| name.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'));
        let mut names: Vec<String> = paths.iter().filter_map(|path| self.name(path)).filter(inside).collect();
        names.sort_unstable();
        Ok(names)
    }

    fn delete(&self, name: &str) -> Result<(), StoreError> {
        let doing = "cannot delete";
        let (store, path) = (Arc::clone(&self.store), self.path(name)?);
        match self.wait(doing, name, async move { store.delete(&path).await })? {
            Err(Cause::NotFound { .. }) => Ok(()),
            other => other.map_err(self.failed(doing, name)),
        }
    }
}

/// The store's own `Debug` may show credentials.
impl fmt::Debug for Objects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let store = self.store.to_string();
        f.debug_struct("Objects").field("store", &store).field("prefix", &self.prefix.as_ref()).finish_non_exhaustive()
    }
}

fn payload(bytes: &[u8]) -> PutPayload {
    Bytes::copy_from_slice(bytes).into()
}

fn found(bytes: Result<Bytes, Cause>) -> Result<Option<Vec<u8>>, Cause> {
    match bytes {
        Ok(bytes) => Ok(Some(bytes.into())),
        Err(Cause::NotFound { .. }) => Ok(None),
        Err(cause) => Err(cause),
    }
}

async fn create(store: &dyn ObjectStore, path: &Path, payload: PutPayload) -> Result<bool, Cause> {
    match store.put_opts(path, payload, PutMode::Create.into()).await {
        Ok(_) => Ok(true),
        // S3 also says so when it merely could not decide between requests at once: then there need be no object.
        Err(taken @ Cause::AlreadyExists { .. }) => match store.head(path).await {
            Ok(_) => Ok(false),
            Err(Cause::NotFound { .. }) => Err(taken),
            Err(cause) => Err(cause),
        },
        Err(cause) => Err(cause),
    }
}

/// A part of an object as far as it reaches, which stores themselves refuse where it is empty.
async fn part(store: &dyn ObjectStore, path: &Path, range: Range<u64>) -> Result<Bytes, Cause> {
    let start = range.start;
    let mut refused = None;
    if start < range.end {
        // Not every server takes a number that is no size.
        let far = range.end > i64::MAX as u64;
        let range = if far { GetRange::Offset(start) } else { GetRange::Bounded(range) };
        match store.get_opts(path, GetOptions::new().with_range(Some(range))).await {
            Ok(part) => return part.bytes().await,
            Err(cause @ Cause::Generic { .. }) => refused = Some(cause),
            Err(cause) => return Err(cause),
        }
    }
    let size = store.head(path).await?.size;
    match refused {
        Some(cause) if start < size => Err(cause),
        _ => Ok(Bytes::new()),
    }
}
