//! Secrets that are named in a config and are no part of it.

use std::fmt;

use serde::{Deserialize, Serialize};
use watchfire_engine::Error;

/// Where a password comes from, so that it is never part of a config.
///
/// ```
/// use watchfire_connectors::PasswordFrom;
/// #[derive(serde::Deserialize)]
/// struct Config { password: PasswordFrom }
/// let config: Config = toml::from_str(r#"password = { env = "PASSWORD_OF_SITE" }"#)?;
/// assert_eq!(config.password, PasswordFrom::Env("PASSWORD_OF_SITE".into()));
/// # Ok::<(), toml::de::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PasswordFrom {
    /// The value of the environment variable of this name.
    Env(String),
    /// The content of the file at this path, without a line break at its end.
    File(String),
}

/// A password that no `Debug` output shows.
#[derive(Clone)]
pub(crate) struct Password(pub(crate) String);

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl PasswordFrom {
    pub(crate) fn read(&self) -> Result<Password, Error> {
        let unreadable = |place: String| {
            Error::new("E0457", "the password cannot be read")
                .at(place)
                .remedy("set the variable, or make the file readable for this process")
        };
        match self {
            // The error of std would show the value of a variable that is not Unicode.
            PasswordFrom::Env(name) => {
                std::env::var(name).map(Password).map_err(|_| unreadable(format!("environment variable {name:?}")))
            }
            PasswordFrom::File(path) => {
                let text = std::fs::read_to_string(path).map_err(|_| unreadable(format!("file {path:?}")))?;
                Ok(Password(text.trim_end_matches(['\r', '\n']).to_string()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_read_and_never_shown() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        std::fs::write(&path, "open sesame\n").unwrap();
        let password = PasswordFrom::File(path.display().to_string()).read().unwrap();
        assert_eq!((password.0.as_str(), format!("{password:?}").as_str()), ("open sesame", "[redacted]"));
        assert_eq!(PasswordFrom::Env("WATCHFIRE_NO_SUCH_VARIABLE".into()).read().unwrap_err().code(), "E0457");
        assert_eq!(PasswordFrom::File("/no/such/file".into()).read().unwrap_err().code(), "E0457");
    }
}
