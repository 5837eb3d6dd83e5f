//! What a user can set about files.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use watchfire_engine::Error;

use crate::lines_out::Retractions;

/// Bytes read from a file at once.
pub(super) const CHUNK_BYTES: usize = 256 * 1024;

/// How files are read.
///
/// ```
/// use watchfire_connectors::file::FileSourceConfig;
/// let config: FileSourceConfig = toml::from_str(r#"paths = ["cranes.jsonl"]"#)?;
/// assert_eq!((config.follow, config.poll_ms, config.max_line_bytes), (false, 50, 1 << 20));
/// # Ok::<(), toml::de::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileSourceConfig {
    /// The files; each is one split, named by its path as written here. At least one, all different, none empty.
    pub paths: Vec<String>,
    /// Whether to wait at the end of a file for lines to be appended, instead of ending there. Default `false`.
    #[serde(default)]
    pub follow: bool,
    /// How long to wait at the end of a followed file before looking again, in milliseconds, at least 1. Default 50.
    #[serde(default = "default_poll_ms")]
    pub poll_ms: u64,
    /// The longest line that is handed out whole, in bytes without its line ending, from 1. A longer one becomes one row
    /// that no decoder accepts. Default 1 MiB (1,048,576).
    #[serde(default = "default_max_line_bytes")]
    pub max_line_bytes: usize,
    /// The writer of the files puts all rows of one key into one file. Only asked for with several paths: with one, it
    /// is so. If `false` (default), order-dependent operators ask for `merge_splits()`.
    #[serde(default)]
    pub one_file_per_key: bool,
}

impl FileSourceConfig {
    /// Reads these files to their ends, with defaults for the rest.
    pub fn new<S: Into<String>>(paths: impl IntoIterator<Item = S>) -> Self {
        FileSourceConfig {
            paths: paths.into_iter().map(Into::into).collect(),
            follow: false,
            poll_ms: default_poll_ms(),
            max_line_bytes: default_max_line_bytes(),
            one_file_per_key: false,
        }
    }

    /// Follows one file that grows, with defaults for the rest.
    pub fn follow(path: impl Into<String>) -> Self {
        FileSourceConfig { follow: true, ..FileSourceConfig::new([path]) }
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        let wrong = |what: &str| {
            Err(Error::new("E0436", format!("file source config: {what}"))
                .remedy("correct the source's part of the config"))
        };
        if self.paths.is_empty() || self.paths.iter().any(String::is_empty) {
            return wrong("paths must name at least one file, and none by an empty path");
        }
        if self.paths.iter().collect::<BTreeSet<_>>().len() != self.paths.len() {
            return wrong("paths names one file twice");
        }
        if self.poll_ms == 0 {
            return wrong("poll_ms must be at least 1");
        }
        if self.max_line_bytes == 0 {
            return wrong("max_line_bytes must be at least 1");
        }
        Ok(())
    }
}

fn default_poll_ms() -> u64 {
    50
}

fn default_max_line_bytes() -> usize {
    1 << 20
}

/// How rows are appended to a file.
///
/// ```
/// use watchfire_connectors::file::FileSinkConfig;
/// let config: FileSinkConfig = toml::from_str(r#"path = "alarms-{part}.jsonl""#)?;
/// assert!(config.sync);
/// # Ok::<(), toml::de::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileSinkConfig {
    /// The file, made if it is missing; its directory must exist. `{part}` becomes the number of the writer, and is
    /// needed when the job opens more than one.
    pub path: String,
    /// How a retraction is written. Default: marked.
    #[serde(default)]
    pub retractions: Retractions,
    /// Whether rows become visible only when the checkpoint that holds them is durable, each once, whatever happens; see
    /// [`FileSink`](super::FileSink). Default `false`.
    #[serde(default)]
    pub two_phase: bool,
    /// Whether `prepare` waits until the rows are on the disk (`fdatasync`), so that they survive a loss of power. Rows
    /// survive a crash of the process in any case. Default `true`; in two phases it always does.
    #[serde(default = "yes")]
    pub sync: bool,
}

impl FileSinkConfig {
    /// Appends to `path`, with defaults for the rest.
    pub fn new(path: impl Into<String>) -> Self {
        FileSinkConfig { path: path.into(), retractions: Retractions::default(), two_phase: false, sync: true }
    }

    /// Appends to `path` with each commit, with defaults for the rest.
    pub fn two_phase(path: impl Into<String>) -> Self {
        FileSinkConfig { two_phase: true, ..FileSinkConfig::new(path) }
    }
}

fn yes() -> bool {
    true
}
