//! Where a job keeps what must survive it: objects under names, each written once and whole.

use std::fmt::Debug;
use std::ops::Range;

use crate::Error;

/// Holds objects under names of lower-case letters, digits, `-`, `_` and `.`, in folders cut by `/`.
///
/// An object is never changed: a name is written once, or again with the same bytes. All calls block, and are made on
/// threads that may wait, never on a worker. A call that failed may have taken effect all the same.
///
/// **Unstable**.
///
/// # Examples
/// ```
/// use watchfire_engine::durable::{Directory, Store};
/// let folder = std::env::temp_dir().join(format!("watchfire-store-{}", std::process::id()));
/// let store = Directory::create(&folder)?;
/// store.put("state/1/a", b"seven")?;
/// assert!(store.put_if_absent("log/1", b"first")?);
/// assert!(!store.put_if_absent("log/1", b"second")?);
/// assert_eq!(store.get("log/1")?.as_deref(), Some(&b"first"[..]));
/// assert_eq!(store.get_range("state/1/a", 1..3)?.as_deref(), Some(&b"ev"[..]));
/// assert_eq!(store.list("state")?, ["state/1/a"]);
/// # std::fs::remove_dir_all(folder)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Store: Send + Sync + Debug + 'static {
    /// Writes an object. When this returns, it survives a power cut, whole.
    ///
    /// # Errors
    /// [`StoreError`]; what was there under the name before, if anything, is there still or is replaced, never torn.
    fn put(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError>;

    /// Writes an object unless there is one under the name. Of several writers at once at most one is told `true`; over a
    /// network it can be none, if the answer to the first try was lost: compare what is there with what was written. When
    /// this returns, whatever is under the name survives a power cut.
    ///
    /// # Errors
    /// [`StoreError`]; then the object may be there or not.
    fn put_if_absent(&self, name: &str, bytes: &[u8]) -> Result<bool, StoreError>;

    /// The bytes of an object, `None` if there is none.
    ///
    /// # Errors
    /// [`StoreError`].
    fn get(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError>;

    /// A part of an object, as far as it reaches; `None` if there is none.
    ///
    /// # Errors
    /// [`StoreError`].
    fn get_range(&self, name: &str, range: Range<u64>) -> Result<Option<Vec<u8>>, StoreError> {
        let cut = |bytes: Vec<u8>| {
            let end = usize::try_from(range.end).unwrap_or(usize::MAX).min(bytes.len());
            let start = usize::try_from(range.start).unwrap_or(usize::MAX).min(end);
            bytes[start..end].to_vec()
        };
        Ok(self.get(name)?.map(cut))
    }

    /// The names of all objects in a folder and the folders below it, rising. A folder that is not there is empty. An object
    /// that is there from the call to its return is among them; of one that is written or deleted meanwhile nothing is said.
    ///
    /// # Errors
    /// [`StoreError`].
    fn list(&self, folder: &str) -> Result<Vec<String>, StoreError>;

    /// Removes an object; one that is not there is removed already.
    ///
    /// # Errors
    /// [`StoreError`].
    fn delete(&self, name: &str) -> Result<(), StoreError>;
}

/// Why a store did not do what it was asked for.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum StoreError {
    /// It may do it later: the network, a lock, a device that is slow. `E0510`.
    Unreachable(Error),
    /// There is no room. `E0511`.
    Full(Error),
    /// It must not be written or read. `E0512`.
    Denied(Error),
    /// It never will, for another reason. `E0513`.
    Broken(Error),
}

impl StoreError {
    /// What happened, with its code and remedy.
    pub fn error(&self) -> &Error {
        match self {
            StoreError::Unreachable(e) | StoreError::Full(e) | StoreError::Denied(e) | StoreError::Broken(e) => e,
        }
    }

    /// Whether the same call may succeed later.
    pub fn may_pass(&self) -> bool {
        matches!(self, StoreError::Unreachable(_) | StoreError::Full(_))
    }

    /// Sorts an error of the operating system; `doing` is a clause such as `cannot write`.
    pub fn of_io(doing: &str, place: &str, cause: std::io::Error) -> Self {
        use std::io::ErrorKind as Kind;
        let error = |code, remedy: &str| Error::new(code, doing).at(place).because(cause_of(&cause)).remedy(remedy);
        match cause.kind() {
            Kind::StorageFull | Kind::QuotaExceeded | Kind::FileTooLarge => {
                StoreError::Full(error("E0511", "make room; the job goes on and writes its next checkpoint then"))
            }
            Kind::PermissionDenied | Kind::ReadOnlyFilesystem => {
                StoreError::Denied(error("E0512", "let the job's user read and write there"))
            }
            Kind::Interrupted | Kind::TimedOut | Kind::WouldBlock | Kind::ResourceBusy | Kind::Deadlock => {
                StoreError::Unreachable(error("E0510", "see whether the device answers; the job tries again"))
            }
            _ => StoreError::Broken(error("E0513", "check the path and the device")),
        }
    }
}

impl std::fmt::Display for StoreError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self.error(), f)
    }
}

impl std::error::Error for StoreError {}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Error {
        error.error().clone()
    }
}

fn cause_of(cause: &std::io::Error) -> std::io::Error {
    match cause.raw_os_error() {
        Some(code) => std::io::Error::from_raw_os_error(code),
        None => std::io::Error::new(cause.kind(), cause.to_string()),
    }
}

/// Whether a name may stand in a store: every [`Store`] refuses the same ones, so that what one holds another can take.
///
/// # Errors
/// `E0514` for another character than lower-case letters, digits, `-`, `_` and `.` between slashes, or a part that is
/// empty or begins with a dot.
///
/// # Examples
/// ```
/// use watchfire_engine::durable::check_name;
/// assert!(check_name("state/0001/a-b_c.d").is_ok());
/// let refused = check_name("state/../secret").unwrap_err();
/// assert_eq!(refused.error().code(), "E0514");
/// ```
pub fn check_name(name: &str) -> Result<(), StoreError> {
    let sound = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.'))
    };
    if name.split('/').all(sound) {
        return Ok(());
    }
    let what = format!("\"{name}\" cannot name an object");
    Err(StoreError::Broken(
        Error::new("E0514", what).remedy("use lower-case letters, digits, -, _ and . between slashes"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_the_system_are_sorted_by_what_helps() {
        let sorted = |code: i32| {
            let error = StoreError::of_io("cannot write", "log/1", std::io::Error::from_raw_os_error(code));
            (error.error().code(), error.may_pass())
        };
        // EINTR, EAGAIN, EBUSY, ETIMEDOUT; ENOSPC, EFBIG, EDQUOT; EPERM, EACCES, EROFS; EIO, ENOTDIR, ESTALE, of Linux.
        assert_eq!([4, 11, 16, 110].map(sorted), [("E0510", true); 4]);
        assert_eq!([28, 27, 122].map(sorted), [("E0511", true); 3]);
        assert_eq!([1, 13, 30].map(sorted), [("E0512", false); 3]);
        assert_eq!([5, 20, 116].map(sorted), [("E0513", false); 3]);
    }

    #[test]
    fn names_cannot_leave_the_store() {
        for good in ["log/1", "a", "state/00000000000000000001/a-b_c.d"] {
            assert!(check_name(good).is_ok(), "{good}");
        }
        for bad in ["", "/", "a/", "/a", "a//b", "..", "a/../b", ".hidden", "A", "a b", "a\\b", "ü", "a\0"] {
            assert!(check_name(bad).is_err(), "{bad:?}");
        }
    }
}
