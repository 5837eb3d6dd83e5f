//! A store in a folder of a file system.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tempfile::{Builder, NamedTempFile};

use super::store::{Store, StoreError, check_name};
use crate::Error;

/// How temporary files are called: others are not the store's.
const PREFIX: &str = "object-";

/// Where objects are written before they get their names. No object is below it, since no name has a part with a dot first.
const TEMPORARY: &str = ".tmp";

/// The age at which a temporary file is one of a process that died. Should its writer only be slow, its write fails whole.
const LEFT_OVER_AFTER: Duration = Duration::from_secs(3_600);

/// So many folders are remembered as durable, then all are forgotten.
const DURABLE_MAX: usize = 1_024;

/// A [`Store`] in a folder: each object is a file at the path that its name says.
///
/// Several processes may use one folder at a time. An object is written beside its place, made durable, and only then
/// gets its name, so it is never seen in part. The folder `.tmp` in it is the store's own; files whose names no object
/// can have are let alone. A name cannot be an object and a folder at once (`E0513`). Folders that have become empty
/// stay.
///
/// The file system must be able to rename, to link and to sync folders, as local ones of Unix are.
///
/// # Examples
/// ```
/// use watchfire_engine::durable::{Directory, Store};
/// let folder = std::env::temp_dir().join(format!("watchfire-directory-{}", std::process::id()));
/// assert!(Directory::open(&folder).is_err());
/// Directory::create(&folder)?.put("log/1", b"first")?;
/// assert_eq!(Directory::open(&folder)?.get("log/1")?.as_deref(), Some(&b"first"[..]));
/// # std::fs::remove_dir_all(folder)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Directory {
    root: PathBuf,
    /// Folders whose own entries, up to the root, have been synced since they were made.
    durable: Mutex<BTreeSet<PathBuf>>,
}

impl Directory {
    /// Opens the store in a folder, which is made if it is missing, with the folders above it. What processes that died
    /// have left in `.tmp` for more than an hour is removed.
    ///
    /// # Errors
    /// [`StoreError`] if the folder cannot be made, read or written, or is none.
    pub fn create(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        let root = absolute(path.as_ref())?;
        let made = root.ancestors().take_while(|folder| !folder.exists()).count();
        if made > 0 {
            fs::create_dir_all(&root).map_err(|e| failed("cannot make the folder", &root, e))?;
        }
        // The parent of each folder that was made; that of the root in any case, since whoever made it may have died
        // before he synced it.
        for folder in root.ancestors().skip(1).take(made.max(1)) {
            match sync_folder(folder) {
                Err(e) if made == 0 && e.kind() == ErrorKind::PermissionDenied => {}
                synced => synced.map_err(|e| failed("cannot sync the folder", folder, e))?,
            }
        }
        let store = Self::open(root)?;
        let temporary = store.root.join(TEMPORARY);
        make_folder(&temporary).and_then(|()| sweep(&temporary)).map_err(|e| failed("cannot use", &temporary, e))?;
        Ok(store)
    }

    /// Opens the store in a folder, which must be there. Nothing is changed, so a copy that may only be read will do until
    /// something is written.
    ///
    /// # Errors
    /// [`StoreError`] if the folder is missing, cannot be read, or is none.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        let root = absolute(path.as_ref())?;
        let broken = |what: &str, remedy: &str| {
            Err(StoreError::Broken(Error::new("E0513", what).at(root.display().to_string()).remedy(remedy)))
        };
        match fs::metadata(&root) {
            Ok(found) if found.is_dir() => {}
            Ok(_) => return broken("the store is no folder", "name a folder, or move what is there away"),
            Err(e) if e.kind() == ErrorKind::NotFound => {
                return broken(
                    "the folder of the store is missing",
                    "check the path, or let Directory::create make it",
                );
            }
            Err(e) => return Err(failed("cannot open the folder", &root, e)),
        }
        fs::read_dir(&root).map_err(|e| failed("cannot read the folder", &root, e))?;
        Ok(Directory { root, durable: Mutex::default() })
    }

    fn path(&self, name: &str) -> Result<PathBuf, StoreError> {
        check_name(name)?;
        Ok(self.root.join(name))
    }

    /// Whether the object was written: always if it may go `over` another.
    fn write(&self, name: &str, bytes: &[u8], over: bool) -> Result<bool, StoreError> {
        let path = self.path(name)?;
        let failed = |e| failed("cannot write", &path, e);
        // Fails if the root is gone, as it does when a disk is taken away: it is not made again.
        let temporary = self.root.join(TEMPORARY);
        let file = match written(&temporary, bytes) {
            Err(e) if e.kind() == ErrorKind::NotFound => {
                make_folder(&temporary).and_then(|()| written(&temporary, bytes))
            }
            file => file,
        };
        let file = file.map_err(failed)?;
        let made = match self.name(file, &path, over) {
            Ok(()) => true,
            Err(e) if e.kind() == ErrorKind::AlreadyExists && !over && !path.is_dir() => false,
            Err(e) => return Err(failed(e)),
        };
        // Also when another wrote it, who may not have come so far yet: the caller will rely on it.
        self.sync_above(&path).map_err(failed)?;
        Ok(made)
    }

    /// Gives a file its name; makes the folders above it if they are missing.
    fn name(&self, file: NamedTempFile, path: &Path, over: bool) -> io::Result<()> {
        let name = |file: NamedTempFile| if over { file.persist(path) } else { file.persist_noclobber(path) };
        let named = match name(file) {
            Err(refused) if refused.error.kind() == ErrorKind::NotFound => {
                self.durable().clear();
                // Not the root, which may have been taken away since the file was written.
                let folders: Vec<&Path> = self.above(path).filter(|folder| *folder != self.root).collect();
                folders.into_iter().rev().try_for_each(make_folder)?;
                name(refused.file)
            }
            named => named,
        };
        named.map_err(|refused| refused.error)?;
        observe("named", path);
        Ok(())
    }

    /// The folders above a file, up to the root.
    fn above<'a>(&'a self, path: &'a Path) -> impl Iterator<Item = &'a Path> {
        path.ancestors().skip(1).take_while(|folder| folder.starts_with(&self.root))
    }

    /// Makes the name of a file durable. Whether a folder was there before says nothing about its entry in the one above:
    /// another may just have made it. So the first time, all are synced.
    fn sync_above(&self, path: &Path) -> io::Result<()> {
        let Some(folder) = path.parent() else { return Ok(()) };
        if self.durable().contains(folder) {
            return sync_folder(folder);
        }
        self.above(path).try_for_each(sync_folder)?;
        let mut durable = self.durable();
        if durable.len() >= DURABLE_MAX {
            durable.clear();
        }
        durable.insert(folder.to_owned());
        Ok(())
    }

    fn durable(&self) -> MutexGuard<'_, BTreeSet<PathBuf>> {
        self.durable.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for Directory {
    fn put(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        self.write(name, bytes, true).map(|_| ())
    }

    fn put_if_absent(&self, name: &str, bytes: &[u8]) -> Result<bool, StoreError> {
        self.write(name, bytes, false)
    }

    fn get(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.get_range(name, 0..u64::MAX)
    }

    fn get_range(&self, name: &str, range: Range<u64>) -> Result<Option<Vec<u8>>, StoreError> {
        let path = self.path(name)?;
        if_there(read(&path, range)).map(Option::flatten).map_err(|e| failed("cannot read", &path, e))
    }

    fn list(&self, folder: &str) -> Result<Vec<String>, StoreError> {
        check_name(folder)?;
        let mut names = Vec::new();
        let mut folders = vec![folder.to_owned()];
        while let Some(folder) = folders.pop() {
            let path = self.root.join(&folder);
            let failed = |e| failed("cannot list", &path, e);
            let Some(entries) = if_there(fs::read_dir(&path)).map_err(failed)? else { continue };
            for entry in entries {
                let entry = entry.map_err(failed)?;
                // What no object can be named is none of ours.
                let Some(part) = entry.file_name().to_str().filter(|part| check_name(part).is_ok()).map(str::to_owned)
                else {
                    continue;
                };
                match if_there(entry.file_type()).map_err(failed)? {
                    Some(kind) if kind.is_dir() => folders.push(format!("{folder}/{part}")),
                    Some(kind) if kind.is_file() => names.push(format!("{folder}/{part}")),
                    _ => {}
                }
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    fn delete(&self, name: &str) -> Result<(), StoreError> {
        let path = self.path(name)?;
        let failed = |e| failed("cannot delete", &path, e);
        if_there(fs::remove_file(&path)).map_err(failed)?;
        // Also when it was gone: whoever removed it may have died before he synced the folder.
        let synced = path.parent().map_or(Ok(()), sync_folder);
        if_there(synced).map(|_| ()).map_err(failed)
    }
}

/// The host may change its working folder later on.
fn absolute(path: &Path) -> Result<PathBuf, StoreError> {
    std::path::absolute(path).map_err(|e| failed("cannot find the folder", path, e))
}

fn failed(doing: &str, path: &Path, cause: io::Error) -> StoreError {
    StoreError::of_io(doing, &path.display().to_string(), cause)
}

/// `None` if there is no object: nothing at all, a folder, or a file where a folder should be.
fn if_there<T>(done: io::Result<T>) -> io::Result<Option<T>> {
    match done {
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::IsADirectory) => {
            Ok(None)
        }
        done => done.map(Some),
    }
}

fn read(path: &Path, range: Range<u64>) -> io::Result<Option<Vec<u8>>> {
    let mut file = File::open(path)?;
    let found = file.metadata()?;
    if !found.is_file() {
        return Ok(None);
    }
    let end = range.end.min(found.len());
    let start = range.start.min(end);
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::with_capacity(usize::try_from(end - start).unwrap_or(0));
    file.take(end - start).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

/// A new file of these bytes, durable but for its name. It is removed unless it gets another.
fn written(folder: &Path, bytes: &[u8]) -> io::Result<NamedTempFile> {
    // Made by hand, so that it may be read by whom the process lets read its files.
    let make = |path: &Path| File::options().write(true).create_new(true).open(path);
    let mut file = Builder::new().prefix(PREFIX).make_in(folder, make)?;
    file.write_all(bytes)?;
    sync(file.as_file(), file.path())?;
    Ok(file)
}

fn make_folder(path: &Path) -> io::Result<()> {
    match fs::create_dir(path) {
        Err(e) if e.kind() == ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}

fn sync_folder(path: &Path) -> io::Result<()> {
    sync(&File::open(path)?, path)
}

fn sync(file: &File, path: &Path) -> io::Result<()> {
    file.sync_all()?;
    observe("synced", path);
    Ok(())
}

/// Removes what processes that died have left. Their age is told by the clock of the file system, which made them all.
fn sweep(temporary: &Path) -> io::Result<()> {
    let fresh = written(temporary, &[])?;
    let now = fresh.as_file().metadata()?.modified()?;
    for entry in fs::read_dir(temporary)? {
        let entry = entry?;
        if !entry.file_name().to_string_lossy().starts_with(PREFIX) {
            continue;
        }
        let modified = entry.metadata().and_then(|found| found.modified());
        let age = modified.ok().and_then(|modified| now.duration_since(modified).ok());
        if age.is_some_and(|age| age > LEFT_OVER_AFTER) {
            // If it cannot be removed it is in nobody's way: the next start tries again.
            let _ = fs::remove_file(entry.path());
        }
    }
    Ok(())
}

#[cfg(not(test))]
fn observe(_: &'static str, _: &Path) {}

#[cfg(test)]
use tests::observe;

#[cfg(test)]
mod tests;
