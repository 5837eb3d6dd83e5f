//! What a user can set about standard output.

use serde::{Deserialize, Serialize};

use crate::lines_out::Retractions;

/// How rows are printed.
///
/// ```
/// use watchfire_connectors::stdout::StdoutSinkConfig;
/// assert_eq!(toml::from_str::<StdoutSinkConfig>("")?, StdoutSinkConfig::default());
/// # Ok::<(), toml::de::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StdoutSinkConfig {
    /// How a retraction is printed. Default: marked.
    #[serde(default)]
    pub retractions: Retractions,
}
