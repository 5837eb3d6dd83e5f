//! What MQTT takes from outside: configs, topic filters, and the ids of rows that become topics.

use watchfire_connectors::doors::{is_filter, is_topic, level_of};
use watchfire_connectors::mqtt::{MqttSink, MqttSinkConfig, MqttSource, MqttSourceConfig};

/// Bytes as TOML, as a topic filter and as an id. A config is refused with `E0451`, or everything in it can be used. A
/// filter is accepted exactly if the standard does. An id becomes one level of a topic, from which it can be read back.
pub fn mqtt(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(config) = toml::from_str::<MqttSourceConfig>(text) {
        source(&config);
    }
    if let Ok(config) = toml::from_str::<MqttSinkConfig>(text) {
        sink(&config);
    }
    assert_eq!(is_filter(text), is_filter_by_the_standard(text), "{text:?} as a filter");
    let level = level_of(text);
    assert!(!level.contains('/') && !level.chars().any(char::is_control), "{level:?} is no level");
    assert!(text.is_empty() || level.len() > 65_535 || is_topic(&level), "{level:?} is no topic");
    assert_eq!(id_of(&level).as_deref(), Some(bytes), "{level:?} is not the level of {text:?} alone");
}

fn source(config: &MqttSourceConfig) {
    match MqttSource::new(config.clone()) {
        Err(error) => assert_eq!(error.code(), "E0451", "{error}"),
        Ok(_) => {
            assert!(!config.topics.is_empty() && config.topics.iter().all(|filter| is_filter_by_the_standard(filter)));
            assert!(!config.topics.iter().any(|filter| filter.starts_with("$share/")));
            assert!(config.buffer_rows > 0 && config.buffer_bytes > 0 && config.connection.port > 0);
            assert!(0 < config.reconnect_min_ms && config.reconnect_min_ms <= config.reconnect_max_ms);
        }
    }
}

fn sink(config: &MqttSinkConfig) {
    match MqttSink::new(config.clone()) {
        Err(error) => assert_eq!(error.code(), "E0451", "{error}"),
        Ok(_) => {
            for id in ["K1", "a/b", "+", "#", "\0", "{id}", "%2F", "$SYS"] {
                let topic = config.topic.replace("{id}", &level_of(id));
                assert!(is_topic(&topic) || topic.len() > 65_535, "{topic:?} is no topic");
            }
            assert!(!config.retain || config.topic.contains("{id}"));
        }
    }
}

/// MQTT 5, sections 1.5.4, 4.7.1 and 4.7.3, rule by rule.
fn is_filter_by_the_standard(filter: &str) -> bool {
    let bytes = filter.as_bytes();
    let whole = |at: usize| (at == 0 || bytes[at - 1] == b'/') && (at + 1 == bytes.len() || bytes[at + 1] == b'/');
    let wildcards = bytes.iter().enumerate().all(|(at, byte)| match byte {
        b'+' => whole(at),
        b'#' => whole(at) && at + 1 == bytes.len(),
        _ => *byte != 0,
    });
    (1..=65_535).contains(&bytes.len()) && wildcards
}

/// The id that a level stands for.
fn id_of(level: &str) -> Option<Vec<u8>> {
    let (mut id, mut rest) = (Vec::new(), level.as_bytes());
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if *byte == b'%' {
            let (code, after) = rest.split_at_checked(2)?;
            id.push(u8::from_str_radix(std::str::from_utf8(code).ok()?, 16).ok()?);
            rest = after;
        } else {
            id.push(*byte);
        }
    }
    Some(id)
}
