//! Sources, sinks and formats for watchfire: the only crate of the project that does network I/O.
//!
//! Transport is apart from format: a source gives raw rows, a [format](mod@format) turns their bytes into rows of the flow, and
//! rows that cannot be decoded become dead letters. Sources and sinks implement the traits of
//! [`watchfire_engine::source`] and [`watchfire_engine::sink`], declare what they can do, and keep no checkpoints, no
//! retry loops and no queues without bound of their own.
//!
//! One folder and one cargo feature per connector; all are on by default. The list is [`registry::ENTRIES`].
//!
//! | connector | source | sink |
//! | --- | --- | --- |
//! | `file` | lines, read to the end or followed; `Exact` | a line per row; `AtLeastOnce` |
//! | `datagen` | rows made up from a seed; `Exact` | |
//! | `mqtt` | a session of MQTT 3.1.1 or 5; `None`, acknowledged when durable | a message per row; `ByKey` |
//! | `stdout` | | a line per row; `AtLeastOnce` |
//! | `postgres` | | a row of a table per row; `ByEpoch` |
//! | `memory` | rows that a test pushes; `None` | a double of a transactional target; `TwoPhase` |
//!
//! What survives a job may be kept in an object store of a cloud: feature `object-store`, whose `Objects` implements
//! [`watchfire_engine::durable::Store`].
//!
//! # Examples
//! Lines of JSON from a file to rows:
//!
//! ```
//! use futures_lite::future::block_on;
//! use watchfire_connectors::file::{FileSource, FileSourceConfig};
//! use watchfire_connectors::format::JsonLines;
//! use watchfire_engine::{decode::Decoder, source::{Next, Source}};
//!
//! #[derive(serde::Deserialize)]
//! struct Reading { crane: String, load_kg: f64 }
//!
//! let dir = tempfile::tempdir()?;
//! let path = dir.path().join("cranes.jsonl").display().to_string();
//! std::fs::write(&path, "{\"crane\":\"K1\",\"load_kg\":4200}\n{\"crane\":\"K1\"}\n")?;
//!
//! let source = FileSource::new(FileSourceConfig::new([&path]))?;
//! let format = JsonLines::<Reading>::new();
//! let (mut readings, mut dead) = (Vec::new(), Vec::new());
//! let mut reader = block_on(source.open(path, None)).expect("the file is there");
//! while let Ok(Next::Rows { rows, .. }) = block_on(reader.next(100)) {
//!     for row in rows {
//!         if let Err(e) = format.decode(&row, &mut readings) {
//!             dead.push((row.place, e.to_string()));
//!         }
//!     }
//! }
//! assert_eq!((readings.len(), readings[0].load_kg), (1, 4200.0));
//! assert_eq!(dead, [(2, "E0441 missing field `load_kg`, at column 14 (row 2)".to_string())]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#[cfg(feature = "datagen")]
pub mod datagen;
#[cfg(feature = "doors")]
#[doc(hidden)]
pub mod doors;
#[cfg(feature = "file")]
pub mod file;
pub mod format;
#[cfg(any(feature = "mqtt", feature = "postgres"))]
mod io_thread;
#[cfg(any(feature = "file", feature = "stdout"))]
mod lines_out;
#[cfg(feature = "memory")]
pub mod memory;
#[cfg(feature = "mqtt")]
pub mod mqtt;
#[cfg(feature = "object-store")]
pub mod object_store;
#[cfg(any(feature = "mqtt", feature = "postgres"))]
mod password;
#[cfg(feature = "postgres")]
pub mod postgres;
pub mod registry;
#[cfg(any(feature = "memory", feature = "mqtt"))]
mod signal;
#[cfg(feature = "stdout")]
pub mod stdout;

#[cfg(any(feature = "file", feature = "stdout"))]
pub use lines_out::Retractions;
#[cfg(any(feature = "mqtt", feature = "postgres"))]
pub use password::PasswordFrom;
