//! PostgreSQL: a sink that keeps the epoch with the rows, in one transaction.
//!
//! No TLS: use a server on this host or network segment, or a tunnel; a password sent elsewhere is warned of.
//!
//! Codes: `E0361` a config that cannot work, `E0362` no connection, or the server cannot now (tried again), `E0363` the server
//! refuses the client, the table or a statement, `E0364` a row that the table does not take, `E0365` no thread for the client
//! (tried again), `E0457` the password cannot be read.

mod client;
mod config;
mod sink;
mod statements;
#[cfg(test)]
mod tests;

pub use config::{PostgresConnection, PostgresSinkConfig};
pub use sink::PostgresSink;
