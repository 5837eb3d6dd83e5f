//! Standard output: a sink that prints a line per row, for trying things out. The only place that prints.
//!
//! Codes: `E0333` a row that cannot be a line, `E0336` standard output cannot be written.

mod config;
mod sink;

pub use config::StdoutSinkConfig;
pub use sink::StdoutSink;
