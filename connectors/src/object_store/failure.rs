//! Sorts what an object store says into what the engine acts on.

use std::error::Error as _;
use std::io;

use object_store::Error as Cause;
use watchfire_engine::Error;
use watchfire_engine::durable::StoreError;

/// What will not pass by itself.
pub(super) fn broken(what: &str, place: &str, remedy: &str) -> StoreError {
    StoreError::Broken(Error::new("E0513", what).at(place).remedy(remedy))
}

/// Sorts an error of the store; `doing` is a clause such as `cannot write`.
pub(super) fn sorted(doing: &str, place: &str, cause: Cause) -> StoreError {
    let device = device_error(&cause);
    let error = |code, cause: Cause, remedy: &str| Error::new(code, doing).at(place).because(cause).remedy(remedy);
    match cause {
        Cause::PermissionDenied { .. } | Cause::Unauthenticated { .. } => StoreError::Denied(error(
            "E0512",
            cause,
            "check the credentials, and let them read, write, list and delete under the prefix",
        )),
        Cause::NotImplemented { .. } | Cause::NotSupported { .. } => {
            StoreError::Broken(error("E0513", cause, "choose a store that can do this"))
        }
        Cause::NotFound { .. } => StoreError::Broken(error("E0513", cause, "create the bucket or container first")),
        Cause::InvalidPath { .. } => StoreError::Broken(error("E0513", cause, "choose another prefix")),
        Cause::UnknownConfigurationKey { .. } => StoreError::Broken(error("E0513", cause, "mend the store's options")),
        _ => match device {
            // The store on a local disk hands errors of the device through, which wait for a person.
            Some(kind) => StoreError::of_io(doing, place, io::Error::new(kind, cause)),
            None => StoreError::Unreachable(error(
                "E0510",
                cause,
                "see whether the network and the service answer; the job tries again",
            )),
        },
    }
}

/// The error of a device below, if it is one that names who has to act.
fn device_error(cause: &Cause) -> Option<io::ErrorKind> {
    use io::ErrorKind as Kind;
    let mut below = cause.source();
    while let Some(error) = below {
        if let Some(kind) = error.downcast_ref::<io::Error>().map(io::Error::kind)
            && matches!(
                kind,
                Kind::StorageFull
                    | Kind::QuotaExceeded
                    | Kind::FileTooLarge
                    | Kind::PermissionDenied
                    | Kind::ReadOnlyFilesystem
            )
        {
            return Some(kind);
        }
        below = error.source();
    }
    None
}
