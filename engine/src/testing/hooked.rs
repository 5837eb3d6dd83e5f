//! A store that lets a test do something at a call.

use std::fmt;
use std::sync::Arc;

use crate::durable::{Store, StoreError};

/// What is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallKind {
    /// [`Store::put`].
    Put,
    /// [`Store::put_if_absent`].
    PutIfAbsent,
    /// [`Store::get`].
    Get,
    /// [`Store::list`]; the name is the folder.
    List,
    /// [`Store::delete`].
    Delete,
}

impl CallKind {
    /// Whether it changes what is stored.
    ///
    /// # Examples
    /// ```
    /// use watchfire_engine::testing::CallKind;
    /// assert!(CallKind::Delete.writes() && !CallKind::List.writes());
    /// ```
    pub fn writes(self) -> bool {
        !matches!(self, CallKind::Get | CallKind::List)
    }
}

/// A call of a [`Hooked`] store, before or after it is carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call<'a> {
    /// What is called.
    pub kind: CallKind,
    /// The object, or the folder.
    pub name: &'a str,
    /// It has been carried out, and has not yet returned.
    pub done: bool,
}

type Hook = dyn Fn(Call<'_>) -> Result<(), StoreError> + Send + Sync;

/// A [`Store`] that tells a test of each call, before it is carried out and, if it did not fail, after. There the test may let it
/// wait, do something meanwhile, or let it fail. Clones tell the same test.
///
/// # Examples
/// ```
/// use std::io::{Error, ErrorKind};
/// use std::sync::Arc;
/// use watchfire_engine::durable::{Store, StoreError};
/// use watchfire_engine::testing::{Call, FaultyStore, Hooked};
/// // A disk that has become read-only.
/// let sealed = Hooked::new(Arc::new(FaultyStore::default()), |call: Call<'_>| match call.kind.writes() {
///     true => Err(StoreError::of_io("cannot write", call.name, Error::from(ErrorKind::ReadOnlyFilesystem))),
///     false => Ok(()),
/// });
/// assert!(sealed.put("log/1", b"first").is_err() && sealed.list("log")?.is_empty());
/// # Ok::<(), StoreError>(())
/// ```
#[derive(Clone)]
pub struct Hooked {
    store: Arc<dyn Store>,
    hook: Arc<Hook>,
}

impl Hooked {
    /// A store before which a test stands.
    pub fn new(
        store: Arc<dyn Store>,
        hook: impl Fn(Call<'_>) -> Result<(), StoreError> + Send + Sync + 'static,
    ) -> Self {
        Hooked { store, hook: Arc::new(hook) }
    }

    fn around<T>(
        &self,
        kind: CallKind,
        name: &str,
        call: impl FnOnce(&dyn Store) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        (self.hook)(Call { kind, name, done: false })?;
        let result = call(&*self.store)?;
        (self.hook)(Call { kind, name, done: true })?;
        Ok(result)
    }
}

impl fmt::Debug for Hooked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hooked").field("store", &self.store).finish_non_exhaustive()
    }
}

impl Store for Hooked {
    fn put(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        self.around(CallKind::Put, name, |store| store.put(name, bytes))
    }

    fn put_if_absent(&self, name: &str, bytes: &[u8]) -> Result<bool, StoreError> {
        self.around(CallKind::PutIfAbsent, name, |store| store.put_if_absent(name, bytes))
    }

    fn get(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.around(CallKind::Get, name, |store| store.get(name))
    }

    fn list(&self, folder: &str) -> Result<Vec<String>, StoreError> {
        self.around(CallKind::List, folder, |store| store.list(folder))
    }

    fn delete(&self, name: &str) -> Result<(), StoreError> {
        self.around(CallKind::Delete, name, |store| store.delete(name))
    }
}
