//! What a user can set about PostgreSQL.

use serde::{Deserialize, Serialize};
use watchfire_engine::Error;

use crate::password::PasswordFrom;

/// How to reach the server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PostgresConnection {
    /// The name or address of the server, or the folder of its socket, which begins with `/`.
    pub host: String,
    /// Default 5432.
    #[serde(default = "default_port")]
    pub port: u16,
    /// The database.
    pub database: String,
    /// The role under which to write.
    pub user: String,
    /// Default none.
    #[serde(default)]
    pub password: Option<PasswordFrom>,
    /// How long connecting may take, and how long the network may be silent under a statement, in seconds, from 1. Default 10.
    #[serde(default = "default_timeout_s")]
    pub timeout_s: u16,
}

fn default_port() -> u16 {
    5432
}

fn default_timeout_s() -> u16 {
    10
}

impl PostgresConnection {
    /// A connection with defaults for the rest.
    pub fn new(host: impl Into<String>, database: impl Into<String>, user: impl Into<String>) -> Self {
        PostgresConnection {
            host: host.into(),
            port: default_port(),
            database: database.into(),
            user: user.into(),
            password: None,
            timeout_s: default_timeout_s(),
        }
    }

    /// Reads `postgres://USER@HOST:PORT/DATABASE`, as PostgreSQL's own programs do.
    ///
    /// # Errors
    /// `E0361` if the text is no such URL, names several hosts, or holds a password: that belongs into
    /// [`password`](PostgresConnection::password), which says where it is.
    ///
    /// # Examples
    /// ```
    /// use watchfire_connectors::postgres::PostgresConnection;
    /// let connection = PostgresConnection::from_url("postgres://watchfire@db.site:5433/district")?;
    /// assert_eq!((connection.host.as_str(), connection.port, connection.user.as_str()), ("db.site", 5433, "watchfire"));
    /// assert!(PostgresConnection::from_url("postgres://watchfire:secret@db.site/district").is_err());
    /// # Ok::<(), watchfire_engine::Error>(())
    /// ```
    pub fn from_url(url: &str) -> Result<Self, Error> {
        // What is wrong with it may be near a password, so the text is not repeated.
        let about = super::client::parts_of(url).ok_or_else(|| wrong("write postgres://USER@HOST:PORT/DATABASE"))?;
        about.check()?;
        Ok(about)
    }

    /// The server and the database, for error texts.
    pub(super) fn place(&self) -> String {
        format!("PostgreSQL {}:{}, database {:?}", self.host, self.port, self.database)
    }

    fn check(&self) -> Result<(), Error> {
        if self.host.is_empty() || self.port == 0 || self.database.is_empty() || self.user.is_empty() {
            return Err(wrong("host, port, database and user must name a server and a role"));
        }
        if self.timeout_s == 0 {
            return Err(wrong("timeout_s must be at least 1"));
        }
        Ok(())
    }
}

/// Where rows go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PostgresSinkConfig {
    /// The server.
    pub connection: PostgresConnection,
    /// The table, with its schema if it is not on the search path, as SQL writes it: `alarms`, `site."Alarms"`.
    pub table: String,
    /// By this name the server remembers which epochs of the sink it has. The name of the job and the sink, say; no two sinks may
    /// share it.
    pub writer: String,
    /// The columns that are filled from the fields of a row. Default: all that have no default and are not generated.
    #[serde(default)]
    pub columns: Vec<String>,
    /// The text column that holds the id of a row, under a unique index of its own. With it, a row replaces the one with its
    /// id, and a retraction deletes it; without, rows are added, and retractions refused. Default none.
    #[serde(default)]
    pub id_column: Option<String>,
    /// The table, on the search path or with its schema, that remembers epochs; made if it is missing. Default
    /// `watchfire_progress`.
    #[serde(default = "default_progress_table")]
    pub progress_table: String,
}

fn default_progress_table() -> String {
    "watchfire_progress".into()
}

impl PostgresSinkConfig {
    /// Adds rows to a table, with defaults for the rest.
    pub fn new(connection: PostgresConnection, table: impl Into<String>, writer: impl Into<String>) -> Self {
        PostgresSinkConfig {
            connection,
            table: table.into(),
            writer: writer.into(),
            columns: Vec::new(),
            id_column: None,
            progress_table: default_progress_table(),
        }
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        self.connection.check()?;
        if self.table.is_empty() || self.progress_table.is_empty() || self.writer.is_empty() {
            return Err(wrong("table, progress_table and writer need names"));
        }
        let names = [&self.table, &self.progress_table, &self.writer];
        if names.into_iter().chain(&self.columns).chain(&self.id_column).any(|name| name.contains('\0')) {
            return Err(wrong("a name must not hold a NUL"));
        }
        if self.id_column.as_ref().is_some_and(String::is_empty) || self.columns.iter().any(String::is_empty) {
            return Err(wrong("a column needs a name"));
        }
        Ok(())
    }
}

fn wrong(what: &str) -> Error {
    Error::new("E0361", what).at("the config of a PostgreSQL sink").remedy("correct it")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configs_that_cannot_work_are_refused() {
        let connection = PostgresConnection::new("localhost", "district", "watchfire");
        let good = PostgresSinkConfig::new(connection.clone(), "alarms", "site alarms");
        good.check().unwrap();
        let bad = [
            PostgresSinkConfig {
                connection: PostgresConnection { host: String::new(), ..connection.clone() },
                ..good.clone()
            },
            PostgresSinkConfig { connection: PostgresConnection { timeout_s: 0, ..connection }, ..good.clone() },
            PostgresSinkConfig { writer: String::new(), ..good.clone() },
            PostgresSinkConfig { table: "a\0b".into(), ..good.clone() },
            PostgresSinkConfig { columns: vec![String::new()], ..good.clone() },
            PostgresSinkConfig { id_column: Some(String::new()), ..good },
        ];
        for config in bad {
            assert_eq!(config.check().unwrap_err().code(), "E0361");
        }
        let text = "table = \"a\"\nwriter = \"w\"\n[connection]\nhost = \"h\"\ndatabase = \"d\"\nuser = \"u\"";
        let read: PostgresSinkConfig = toml::from_str(text).unwrap();
        assert_eq!(read, PostgresSinkConfig::new(PostgresConnection::new("h", "d", "u"), "a", "w"));
        assert!(toml::from_str::<PostgresSinkConfig>(&format!("tabel = \"a\"\n{text}")).is_err());
    }
}
