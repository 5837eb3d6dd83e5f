//! The one list of what there is: connectors and formats, what they promise, and the feature that brings them.

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Rows come in.
    Source,
    /// Rows go out.
    Sink,
    /// Bytes to rows, or back.
    Format,
    /// What survives a job is kept.
    Store,
}

/// One connector or format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The name a config uses.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// What it does, in a clause.
    pub what: &'static str,
    /// What it promises, in the words of the engine: [`Replay`](watchfire_engine::source::Replay) of a source,
    /// [`CommitMode`](watchfire_engine::sink::CommitMode) of a sink, the dead-letter codes of a format, what makes
    /// the one writer of a store's object.
    pub guarantee: &'static str,
    /// The cargo feature of this crate that brings it; `None` for what is always there.
    pub feature: Option<&'static str>,
    /// Whether this build has it.
    pub built: bool,
}

macro_rules! entries {
    ($($kind:ident $name:literal $(feature $feature:literal)?: $what:literal, $guarantee:literal;)*) => {
        /// All connectors and formats, whether or not this build has them.
        ///
        /// ```
        /// use watchfire_connectors::registry::{ENTRIES, Kind};
        /// let sinks: Vec<_> = ENTRIES.iter().filter(|e| e.kind == Kind::Sink && e.built).map(|e| e.name).collect();
        /// assert!(sinks.contains(&"stdout"));
        /// ```
        pub const ENTRIES: &[Entry] = &[$(Entry {
            name: $name,
            kind: Kind::$kind,
            what: $what,
            guarantee: $guarantee,
            feature: entries!(@feature $($feature)?),
            built: entries!(@built $($feature)?),
        },)*];
    };
    (@feature) => { None };
    (@feature $feature:literal) => { Some($feature) };
    (@built) => { true };
    (@built $feature:literal) => { cfg!(feature = $feature) };
}

entries! {
    Source "file" feature "file": "lines of files, read to the end or followed", "Exact";
    Source "datagen" feature "datagen": "rows made up from a seed", "Exact";
    Source "mqtt" feature "mqtt": "messages of an MQTT 3.1.1 or 5 session, acknowledged when durable", "None";
    Source "memory" feature "memory": "rows that a test pushes", "None";
    Sink "file" feature "file": "appends a line per row", "AtLeastOnce";
    Sink "stdout" feature "stdout": "prints a line per row", "AtLeastOnce";
    Sink "mqtt" feature "mqtt": "publishes a message per row with QoS 1", "ByKey with {id} in the topic, else AtLeastOnce";
    Sink "postgres" feature "postgres": "a row of a table per row, with the epoch in one transaction", "ByEpoch";
    Sink "memory" feature "memory": "a transactional target that a test looks into", "TwoPhase";
    Format "json": "one JSON value per row, decoded and encoded", "dead letters E0435, E0441, E0448";
    Store "object-store" feature "object-store": "objects in S3, GCS, Azure or whatever the crate object_store speaks to",
        "conditional put, else E0513";
    Format "csv": "one CSV record per row, decoded", "dead letters E0435, E0446, E0447, E0448";
}

/// The entry of this name and kind. A config that names what there is not should show [`ENTRIES`] instead.
///
/// ```
/// use watchfire_connectors::registry::{Kind, find};
/// assert_eq!(find(Kind::Source, "file").map(|entry| entry.guarantee), Some("Exact"));
/// assert!(find(Kind::Sink, "pigeon").is_none());
/// ```
pub fn find(kind: Kind, name: &str) -> Option<&'static Entry> {
    ENTRIES.iter().find(|entry| entry.kind == kind && entry.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_there_once_per_kind() {
        for entry in ENTRIES {
            assert_eq!(ENTRIES.iter().filter(|e| (e.kind, e.name) == (entry.kind, entry.name)).count(), 1);
            assert!(find(entry.kind, entry.name).is_some());
        }
    }

    #[cfg(all(
        feature = "datagen",
        feature = "file",
        feature = "memory",
        feature = "mqtt",
        feature = "postgres",
        feature = "stdout"
    ))]
    #[test]
    fn what_is_listed_is_what_the_connectors_declare() {
        use crate::{datagen, file, memory, mqtt, postgres, stdout};
        use watchfire_engine::sink::Sink;
        use watchfire_engine::source::Source;
        let listed = |kind, name| find(kind, name).map(|entry| entry.guarantee).unwrap();
        let connection = mqtt::MqttConnection::new("localhost", 1883, "c");
        let made_up = datagen::Datagen::new(datagen::DatagenConfig::new(1), |draw| draw.n);
        let replays = [
            ("datagen", made_up.replay()),
            ("file", file::FileSource::new(file::FileSourceConfig::new(["a"])).unwrap().replay()),
            ("mqtt", mqtt::MqttSource::new(mqtt::MqttSourceConfig::new(connection.clone(), ["a"])).unwrap().replay()),
            ("memory", memory::PushSource::new(["a"], 1, memory::Redelivery::Never).replay()),
        ];
        for (name, replay) in replays {
            assert_eq!(listed(Kind::Source, name), format!("{replay:?}"));
        }
        let server = postgres::PostgresConnection::new("localhost", "district", "watchfire");
        let table = postgres::PostgresSinkConfig::new(server, "alarms", "site");
        let modes = [
            ("file", file::FileSink::new(file::FileSinkConfig::new("a")).commit_mode()),
            ("stdout", stdout::StdoutSink::default().commit_mode()),
            ("mqtt", mqtt::MqttSink::new(mqtt::MqttSinkConfig::new(connection, "a/{id}")).unwrap().commit_mode()),
            ("postgres", postgres::PostgresSink::new(table).unwrap().commit_mode()),
            ("memory", memory::TwoPhaseSink::new().commit_mode()),
        ];
        for (name, mode) in modes {
            assert!(listed(Kind::Sink, name).starts_with(&format!("{mode:?}")), "{name}");
        }
    }
}
