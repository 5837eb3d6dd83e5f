//! Files of lines: a source that reads or follows them, and a sink that appends to one.
//!
//! | | guarantee | notes |
//! | --- | --- | --- |
//! | [`FileSource`] | [`Replay::Exact`](watchfire_engine::source::Replay::Exact) | one split per path; bounded, or following a file that grows |
//! | [`FileSink`] | [`CommitMode::AtLeastOnce`](watchfire_engine::sink::CommitMode::AtLeastOnce) | appends a line per row |
//! | with `two_phase` | [`CommitMode::TwoPhase`](watchfire_engine::sink::CommitMode::TwoPhase) | appends them with their commit |
//!
//! Codes: `E0431` a file cannot be opened, `E0432` not a regular file, `E0434` reading failed or the file is gone,
//! `E0435` a line cut at the limit, `E0436` a config that cannot work; `E0331` writing failed, `E0332` the sink's file
//! cannot be opened, `E0333` a row that cannot be a line, `E0334` somebody else has changed
//! the sink's file, `E0335` what was prepared cannot be read.

mod config;
mod disk;
pub(crate) mod lines;
mod sink;
mod source;
mod staged;
#[cfg(test)]
mod tests;

pub use config::{FileSinkConfig, FileSourceConfig};
pub use sink::FileSink;
pub use source::{FileOffset, FileSource};
