//! Keeps what survives a job in an object store of a cloud, through the crate [`object_store`](mod@object_store).
//!
//! [`Objects`] stands on any [`ObjectStore`](object_store::ObjectStore). The crate is exported again from here; for S3,
//! Google Cloud Storage or Azure add it to your own manifest with its feature `aws`, `gcp` or `azure`.
//!
//! # What is safe when a call returns
//! The store below decides, and some give less than [`Store`](watchfire_engine::durable::Store) asks for:
//!
//! | store | `put` and `put_if_absent` have returned | of several `put_if_absent` |
//! | --- | --- | --- |
//! | S3, Google Cloud Storage, Azure | the service holds the object, as safely as it promises to | one is told `true` (see below) |
//! | S3-compatible servers | what the server promises: ask its documentation | one, if it honours `If-None-Match` |
//! | `LocalFileSystem` as it is made | **not safe**: nothing is flushed, so a power cut can lose the object or leave it torn; it survives a crash of the process alone | one |
//! | `LocalFileSystem` with `with_fsync(true)` | on Unix, file and folders are flushed; elsewhere only the file is. Deletions are never flushed, so a deleted object can come back | one; needs a file system with hard links |
//! | `HttpStore` (WebDAV) | what the server promises | refused with `E0513`: it has no conditional put |
//! | `InMemory` | **not safe**: it ends with the process; for tests | one |
//!
//! On a local disk use the engine's own `watchfire_engine::durable::Directory`, which needs no runtime and no switch to
//! be safe.
//!
//! Clients of clouds try again by themselves after an error of the server. If the failed try had taken effect all the
//! same, the second finds an object there, and `put_if_absent` says `false` to the very writer that made it. So over a
//! network *at most* one writer is told `true`; with `RetryConfig { max_retries: 0, .. }` such a call fails instead.
//!
//! # Time and size
//! A call waits as long as its client does: clouds by default up to ten tries and three minutes, with a timeout of its
//! own for each, to be set in `RetryConfig` and `ClientOptions`. An object goes out in one request, and is held in memory
//! twice while it does; S3 takes up to 5 GB so.
//!
//! # Codes
//! `E0510` the store does not answer (may pass), `E0511` no room on the device (may pass), `E0512` access refused,
//! `E0513` what will not pass: no bucket, no conditional put, a runtime that is unfit, entered or gone, `E0514` a name
//! that cannot be.

mod failure;
mod objects;
#[cfg(test)]
mod tests;

pub use ::object_store;

pub use objects::Objects;
