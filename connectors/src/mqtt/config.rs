//! What a user can set about MQTT.

use serde::{Deserialize, Serialize};
use watchfire_engine::Error;

use super::topic;
use crate::password::PasswordFrom;

/// The version of the protocol.
///
/// Prefer 5 where the broker speaks it: it says why it refuses something, tells a client that another one took its
/// session, and limits what is in flight.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum MqttVersion {
    /// MQTT 3.1.1 (OASIS standard, 2014).
    #[serde(rename = "3.1.1")]
    V311,
    /// MQTT 5 (OASIS standard, 2019).
    #[default]
    #[serde(rename = "5")]
    V5,
}

/// How to reach the broker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MqttConnection {
    /// The name or address of the broker.
    pub host: String,
    /// The port of the broker. Default 1883.
    #[serde(default = "default_port")]
    pub port: u16,
    /// Default 5.
    #[serde(default)]
    pub version: MqttVersion,
    /// The name of the session at the broker: not empty, stable over restarts, used by no other client. Two clients of
    /// one name throw each other out. A sink appends `-` and the number of its part.
    pub client_id: String,
    /// Default none.
    #[serde(default)]
    pub username: Option<String>,
    /// Default none; needs a username.
    #[serde(default)]
    pub password: Option<PasswordFrom>,
    /// A connection on which the broker says nothing for about twice this time is taken for dead; seconds, 5 to 65,535.
    /// Default 30.
    #[serde(default = "default_keep_alive_s")]
    pub keep_alive_s: u16,
    /// How long connecting may take, in seconds, from 1. Default 5.
    #[serde(default = "default_connect_timeout_s")]
    pub connect_timeout_s: u16,
    /// The largest message with its topic, in bytes, from 64. With MQTT 5 the broker is told, and by the standard it then
    /// drops larger ones without a word; with 3.1.1 a larger one ends the source with `E0454`. Default 2 MiB.
    #[serde(default = "default_max_packet_bytes")]
    pub max_packet_bytes: u32,
    /// MQTT 5 only (3.1.1 leaves it to the broker): how long the broker keeps the session of a source that is away, in
    /// seconds; 4,294,967,295 is for ever. Default 604,800, a week.
    #[serde(default = "default_session_expiry_s")]
    pub session_expiry_s: u32,
}

impl MqttConnection {
    /// A connection with defaults for the rest.
    pub fn new(host: impl Into<String>, port: u16, client_id: impl Into<String>) -> Self {
        MqttConnection {
            host: host.into(),
            port,
            version: MqttVersion::default(),
            client_id: client_id.into(),
            username: None,
            password: None,
            keep_alive_s: default_keep_alive_s(),
            connect_timeout_s: default_connect_timeout_s(),
            max_packet_bytes: default_max_packet_bytes(),
            session_expiry_s: default_session_expiry_s(),
        }
    }

    /// The broker and the client, for error texts.
    pub(super) fn place(&self) -> String {
        format!("broker {}:{}, client {:?}", self.host, self.port, self.client_id)
    }

    fn check(&self) -> Result<(), Error> {
        if self.host.is_empty() || self.port == 0 {
            return Err(wrong("host and port must name a broker"));
        }
        if self.client_id.is_empty() || self.client_id.len() > 60_000 || self.client_id.contains('\0') {
            return Err(wrong("client_id must be a name of 1 to 60,000 bytes, without NUL"));
        }
        if self.password.is_some() && self.username.is_none() {
            return Err(wrong("a password needs a username"));
        }
        if self.keep_alive_s < 5 || self.connect_timeout_s == 0 {
            return Err(wrong("keep_alive_s must be at least 5, and connect_timeout_s at least 1"));
        }
        if self.max_packet_bytes < 64 {
            return Err(wrong("max_packet_bytes must be at least 64"));
        }
        Ok(())
    }
}

fn wrong(what: &str) -> Error {
    Error::new("E0451", format!("MQTT config: {what}")).remedy("correct the connector's part of the config")
}

/// What becomes of retained messages, which the broker keeps per topic and sends on each new subscription.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Retained {
    /// They are rows like all others; their event time shows their age.
    #[default]
    Accept,
    /// They are acknowledged, counted in [`MqttStats::retained_dropped`](super::MqttStats::retained_dropped), and never
    /// become rows.
    DropCounted,
}

/// How an [`MqttSource`](super::MqttSource) reads.
///
/// ```
/// use watchfire_connectors::mqtt::MqttSourceConfig;
/// let config: MqttSourceConfig = toml::from_str(r#"
///     topics = ["site/+/crane/#"]
///     [connection]
///     host = "broker.lan"
///     client_id = "watchfire-cranes"
/// "#)?;
/// assert_eq!((config.connection.port, config.buffer_rows), (1883, 1024));
/// # Ok::<(), toml::de::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MqttSourceConfig {
    /// The topic filters to subscribe to, with QoS 1; at least one. Shared subscriptions (`$share/..`) are refused,
    /// because they spread the rows of a key over several sessions.
    pub topics: Vec<String>,
    /// What becomes of retained messages. Default: they are rows.
    #[serde(default)]
    pub retained: Retained,
    /// Messages held between the network and the job; at that many, the source stops reading from the network. From 1.
    /// Default 1,024.
    #[serde(default = "default_buffer_rows")]
    pub buffer_rows: usize,
    /// As `buffer_rows`, in bytes of topics and payloads. From 1. Default 64 MiB.
    #[serde(default = "default_buffer_bytes")]
    pub buffer_bytes: usize,
    /// MQTT 5 only (3.1.1 leaves it to the broker): messages that the broker sends before the first of them is
    /// acknowledged, 1 to 65,535. Default 65,535. Brokers have limits of their own, see [`MqttSource`](super::MqttSource).
    #[serde(default = "default_max_unacknowledged")]
    pub max_unacknowledged: u16,
    /// After connecting, the source counts as caught up when nothing came for this long, in milliseconds. Default 250.
    #[serde(default = "default_settle_ms")]
    pub settle_ms: u64,
    /// The same at the latest after this time, in milliseconds, since a busy topic never rests. Default 5,000.
    #[serde(default = "default_settle_max_ms")]
    pub settle_max_ms: u64,
    /// The pause before the first attempt to connect again, in milliseconds, from 1; it doubles up to
    /// `reconnect_max_ms`. Default 100.
    #[serde(default = "default_reconnect_min_ms")]
    pub reconnect_min_ms: u64,
    /// The longest pause between two attempts to connect again, in milliseconds. Default 10,000.
    #[serde(default = "default_reconnect_max_ms")]
    pub reconnect_max_ms: u64,
    /// How to reach the broker.
    pub connection: MqttConnection,
}

impl MqttSourceConfig {
    /// Subscribes to `topics`, with defaults for the rest.
    pub fn new<S: Into<String>>(connection: MqttConnection, topics: impl IntoIterator<Item = S>) -> Self {
        MqttSourceConfig {
            topics: topics.into_iter().map(Into::into).collect(),
            retained: Retained::default(),
            buffer_rows: default_buffer_rows(),
            buffer_bytes: default_buffer_bytes(),
            max_unacknowledged: default_max_unacknowledged(),
            settle_ms: default_settle_ms(),
            settle_max_ms: default_settle_max_ms(),
            reconnect_min_ms: default_reconnect_min_ms(),
            reconnect_max_ms: default_reconnect_max_ms(),
            connection,
        }
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        self.connection.check()?;
        if self.topics.is_empty() {
            return Err(wrong("topics must hold at least one topic filter"));
        }
        if self.topics.iter().any(|filter| filter.starts_with("$share/")) {
            return Err(wrong("a shared subscription spreads the rows of one key over several sessions"));
        }
        if let Some(bad) = self.topics.iter().find(|filter| !topic::is_filter(filter)) {
            return Err(wrong(&format!("{bad:?} is not a topic filter")));
        }
        let least = [self.buffer_rows, self.buffer_bytes, usize::from(self.max_unacknowledged)];
        if least.contains(&0) || self.reconnect_min_ms == 0 || self.reconnect_max_ms < self.reconnect_min_ms {
            return Err(wrong(
                "buffer_rows, buffer_bytes, max_unacknowledged and reconnect_min_ms must be at least 1, \
                and reconnect_max_ms not below reconnect_min_ms",
            ));
        }
        Ok(())
    }
}

/// How an [`MqttSink`](super::MqttSink) writes.
///
/// ```
/// use watchfire_connectors::mqtt::MqttSinkConfig;
/// let config: MqttSinkConfig = toml::from_str(r#"
///     topic = "district/alarms/{id}"
///     [connection]
///     host = "broker.lan"
///     client_id = "watchfire-alarms"
/// "#)?;
/// assert!(config.retain);
/// # Ok::<(), toml::de::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MqttSinkConfig {
    /// The topic of each row; `{id}` becomes the row's id as one topic level, with `%`, `/`, `+`, `#` and control
    /// characters percent-encoded.
    pub topic: String,
    /// Whether the broker keeps the last row of each topic for later subscribers. Needs `{id}` in the topic. Default
    /// `true`.
    #[serde(default = "yes")]
    pub retain: bool,
    /// How to reach the broker.
    pub connection: MqttConnection,
}

impl MqttSinkConfig {
    /// Publishes to `topic`, with defaults for the rest.
    pub fn new(connection: MqttConnection, topic: impl Into<String>) -> Self {
        MqttSinkConfig { topic: topic.into(), retain: true, connection }
    }

    pub(super) fn by_id(&self) -> bool {
        self.topic.contains("{id}")
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        self.connection.check()?;
        if !topic::is_topic(&self.topic.replace("{id}", "i")) {
            return Err(wrong("topic must be a topic without wildcards; only {id} is replaced"));
        }
        if self.retain && !self.by_id() {
            return Err(wrong("retain without {id} in the topic keeps only the very last row; set retain to false"));
        }
        Ok(())
    }
}

fn yes() -> bool {
    true
}

macro_rules! defaults {
    ($($name:ident: $type:ty = $value:expr;)*) => { $(fn $name() -> $type { $value })* };
}

defaults! {
    default_port: u16 = 1883;
    default_keep_alive_s: u16 = 30;
    default_connect_timeout_s: u16 = 5;
    default_max_packet_bytes: u32 = 2 << 20;
    default_session_expiry_s: u32 = 604_800;
    default_buffer_rows: usize = 1024;
    default_buffer_bytes: usize = 64 << 20;
    default_max_unacknowledged: u16 = u16::MAX;
    default_settle_ms: u64 = 250;
    default_settle_max_ms: u64 = 5_000;
    default_reconnect_min_ms: u64 = 100;
    default_reconnect_max_ms: u64 = 10_000;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configs_that_cannot_work_are_refused() {
        let connection = MqttConnection::new("localhost", 1883, "c");
        let good = MqttSourceConfig::new(connection.clone(), ["a/+/b", "#"]);
        good.check().unwrap();
        let bad_connections = [
            MqttConnection { host: String::new(), ..connection.clone() },
            MqttConnection { client_id: String::new(), ..connection.clone() },
            MqttConnection { keep_alive_s: 4, ..connection.clone() },
            MqttConnection { max_packet_bytes: 63, ..connection.clone() },
            MqttConnection { password: Some(PasswordFrom::Env("X".into())), ..connection.clone() },
        ];
        for connection in bad_connections {
            assert_eq!(MqttSourceConfig { connection, ..good.clone() }.check().unwrap_err().code(), "E0451");
        }
        for topics in [vec![], vec!["$share/g/a".into()], vec!["a/#/b".into()], vec!["a+".into()], vec![String::new()]]
        {
            assert_eq!(MqttSourceConfig { topics, ..good.clone() }.check().unwrap_err().code(), "E0451");
        }
        assert!(MqttSourceConfig { buffer_rows: 0, ..good.clone() }.check().is_err());
        assert!(MqttSourceConfig { reconnect_max_ms: 1, ..good }.check().is_err());
        let sink = |topic: &str, retain| MqttSinkConfig { retain, ..MqttSinkConfig::new(connection.clone(), topic) };
        assert!(sink("a/{id}", true).check().is_ok() && sink("a", false).check().is_ok());
        assert!(sink("a", true).check().is_err() && sink("a/#", false).check().is_err());
        let unknown = "topic = 'a/{id}'\nretian = true\n[connection]\nhost = 'h'\nclient_id = 'c'";
        assert!(toml::from_str::<MqttSinkConfig>(unknown).is_err());
    }
}
