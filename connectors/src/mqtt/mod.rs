//! MQTT 3.1.1 and 5: a source that acknowledges only what is safe, and a sink that waits for the broker.
//!
//! | | guarantee | notes |
//! | --- | --- | --- |
//! | [`MqttSource`] | [`Replay::None`](watchfire_engine::source::Replay::None) | one split: the session; acknowledges in `durable` |
//! | [`MqttSink`] | [`ByKey`](watchfire_engine::sink::CommitMode::ByKey) if the topic holds `{id}`, else [`AtLeastOnce`](watchfire_engine::sink::CommitMode::AtLeastOnce) | `write` returns when the broker has the rows |
//!
//! Both run on any async runtime: the client lives on a thread of its own, named `watchfire-mqtt`, that ends with the
//! reader or writer.
//!
//! There is no TLS here yet: the pure Rust ways to it need a C compiler for their cryptography. Use a broker on the same
//! host or network segment, or a tunnel; a password sent elsewhere is warned of.
//!
//! Codes: `E0451` a config that cannot work, `E0452` no connection (tried again), `E0453` the broker refuses the client,
//! `E0454` a message beyond `max_packet_bytes`, `E0455` the broker refuses a subscription, `E0456` the client cannot go
//! on (opened again), `E0457` the password cannot be read; for the sink `E0341` not acknowledged (tried again), `E0342`
//! the broker refuses to take rows, `E0343` a row that cannot be a message, `E0344` a row without an id, or a retraction
//! that cannot be expressed.

mod client;
mod config;
mod inbox;
mod outbox;
mod sink;
mod source;
#[cfg(test)]
mod tests;
pub(crate) mod topic;

pub use config::{MqttConnection, MqttSinkConfig, MqttSourceConfig, MqttVersion, Retained};
pub use sink::MqttSink;
pub use source::{MqttSource, MqttStats};

pub use crate::password::PasswordFrom;

/// The name of a client's thread.
const THREAD: &str = "watchfire-mqtt";
