//! What the inbox and the client promise to each other, without a broker.

use std::sync::Arc;
use std::time::Duration;

use watchfire_engine::source::Failure;

use super::super::client::{Connection, Event, Message, Role, client};
use super::super::inbox::{Inbox, Phase};
use super::super::*;
use super::support::Script;

fn inbox(config: MqttSourceConfig) -> (Arc<Inbox>, Connection) {
    let (handle, connection) = client(&config.connection, "source", None, Role::Source { max_unacknowledged: 9 });
    (Inbox::new(handle, &config, 0), connection)
}

fn config() -> MqttSourceConfig {
    MqttSourceConfig::new(MqttConnection::new("127.0.0.1", 1, "source"), ["t/#"])
}

fn message(packet: u16, payload: &'static str, again: bool) -> Message {
    Message { topic: "t/a".into(), payload: payload.into(), packet, again, retained: false }
}

#[test]
fn a_full_inbox_says_so_by_rows_and_by_bytes() -> Result<(), Failure> {
    for config in [MqttSourceConfig { buffer_rows: 2, ..config() }, MqttSourceConfig { buffer_bytes: 10, ..config() }] {
        let (inbox, _connection) = inbox(config);
        let mut state = inbox.state();
        state.take_in(message(1, "12", false))?;
        assert!(!state.is_full());
        state.take_in(message(2, "34", false))?;
        assert!(state.is_full());
        assert_eq!(state.hand_out(1).len(), 1);
        assert!(!state.is_full());
    }
    Ok(())
}

#[test]
fn only_what_was_handed_out_is_acknowledged_whatever_is_asked() -> Result<(), Failure> {
    let (inbox, _connection) = inbox(config());
    let mut state = inbox.state();
    state.connected(false);
    state.phase = Phase::Live;
    for packet in 1..=3 {
        state.take_in(message(packet, "x", false))?;
    }
    assert_eq!(state.hand_out(2).len(), 2);
    state.durable(u64::MAX)?;
    assert_eq!(state.stats.acknowledged, 2);
    assert_eq!(state.hand_out(9).len(), 1);
    state.durable(3)?;
    assert_eq!(state.stats.acknowledged, 3);
    Ok(())
}

#[test]
fn a_message_that_comes_again_is_known_by_packet_and_content_in_its_session_only() -> Result<(), Failure> {
    let (inbox, _connection) = inbox(config());
    let mut state = inbox.state();
    state.connected(false);
    state.phase = Phase::Live;
    state.take_in(message(1, "x", false))?;
    state.take_in(message(2, "y", false))?;
    assert_eq!(state.hand_out(9).len(), 2);
    state.disconnected();
    state.durable(1)?;
    assert_eq!(state.stats.acknowledged, 0, "nobody to tell");
    state.connected(true);
    state.phase = Phase::Live;
    state.take_in(message(1, "x", true))?;
    state.take_in(message(2, "y", true))?;
    assert_eq!((state.hand_out(9).len(), state.stats.acknowledged), (0, 1), "told when it came again");
    state.take_in(message(1, "x", false))?;
    assert_eq!(state.hand_out(9).len(), 1, "a free packet id, so a new message");
    state.take_in(message(2, "z", true))?;
    assert_eq!(state.hand_out(9).len(), 1, "other content, so a new message");
    state.connected(false);
    assert_eq!(state.waiting(), 0);
    state.take_in(message(2, "z", true))?;
    assert_eq!(state.hand_out(9).len(), 1, "a new session, so a new message");
    state.durable(9)?;
    assert_eq!(state.stats.acknowledged, 2, "and nothing of the old session is acknowledged in it");
    Ok(())
}

#[test]
fn acknowledgements_asked_for_on_a_lost_connection_do_not_reach_the_next() {
    for forget in [false, true] {
        for (version, connack) in
            [(MqttVersion::V311, &b"\x20\x02\x00\x00"[..]), (MqttVersion::V5, b"\x20\x03\x00\x00\x00")]
        {
            let script = Script::start(&[&[connack]]);
            let about = MqttConnection { version, ..MqttConnection::new("127.0.0.1", script.port, "source") };
            let (handle, mut connection) = client(&about, "source", None, Role::Source { max_unacknowledged: 9 });
            handle.acknowledge(7).unwrap();
            if forget {
                connection.forget_acknowledgements();
            }
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                assert!(matches!(connection.poll().await, Ok(Event::Connected { .. })));
                let _ = tokio::time::timeout(Duration::from_millis(200), connection.poll()).await;
                drop(connection);
            });
            let heard = script.heard.clone();
            drop(script);
            let acknowledged = heard.lock().unwrap()[0].windows(4).any(|bytes| bytes == b"\x40\x02\x00\x07");
            assert_eq!(acknowledged, !forget, "{version:?}");
        }
    }
}
