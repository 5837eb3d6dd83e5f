//! What the datagen source is told.

use serde::{Deserialize, Serialize};

/// How many rows, from which seed, how fast.
///
/// # Examples
/// ```
/// use watchfire_connectors::datagen::DatagenConfig;
/// let config: DatagenConfig = toml::from_str("rows = 1000\nseed = 7")?;
/// assert_eq!((config.rows, config.splits, config.rows_per_second), (1_000, 1, None));
/// # Ok::<(), toml::de::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatagenConfig {
    /// Rows of each split.
    pub rows: u64,
    /// What all rows are drawn from: the same seed gives the same rows, for ever. Default 0.
    #[serde(default)]
    pub seed: u64,
    /// Independently ordered parts. Default 1.
    #[serde(default = "one")]
    pub splits: u32,
    /// Rows of each split in a second of wall time; as fast as they are taken if absent.
    #[serde(default)]
    pub rows_per_second: Option<f64>,
}

fn one() -> u32 {
    1
}

impl DatagenConfig {
    /// `rows` rows in one split, from seed 0, as fast as they are taken.
    pub fn new(rows: u64) -> Self {
        DatagenConfig { rows, seed: 0, splits: 1, rows_per_second: None }
    }
}
