//! The source against a real broker.

use std::task::{Context, Poll, Waker};
use std::time::Duration;

use watchfire_engine::decode::{Decoder, EncodedRow};
use watchfire_engine::sink::{Sink, Writer};
use watchfire_engine::source::{Failure, KeyPlacement, Next, RawRow, Reader, Replay, Source};

use super::super::MqttVersion::{V5, V311};
use super::super::*;
use super::support::{Broker, Script, bodies, code, idle, rows, within};
use crate::format::JsonLines;

fn open(source: &MqttSource, from: Option<u64>) -> Box<dyn Reader<u64>> {
    within(20, source.open("source".into(), from)).unwrap_or_else(|f| panic!("{f:?}"))
}

fn source(config: MqttSourceConfig) -> MqttSource {
    MqttSource::new(config).unwrap()
}

fn writer(broker: &Broker, version: MqttVersion) -> Box<dyn Writer> {
    let config = MqttSinkConfig { retain: false, ..MqttSinkConfig::new(broker.connection(version, "sink"), "t/{id}") };
    within(20, MqttSink::new(config).unwrap().open(0, 1)).unwrap_or_else(|f| panic!("{f:?}"))
}

fn row(id: &str, body: impl Into<Vec<u8>>) -> EncodedRow {
    EncodedRow { id: Some(id.into()), retract: false, body: body.into() }
}

fn numbered(range: std::ops::Range<usize>) -> Vec<EncodedRow> {
    range.map(|i| row(&format!("k{}", i % 3), format!("{i}"))).collect()
}

fn numbers(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|i| i.to_string()).collect()
}

const ROOMY: &str = "max_inflight_messages 1000";

#[test]
fn messages_come_in_order_with_topic_and_number() {
    let Some(broker) = Broker::start(ROOMY) else { return };
    for version in [V311, V5] {
        let source = source(broker.source(version, "t/#"));
        assert_eq!(
            (source.replay(), source.key_placement(), source.bounded()),
            (Replay::None, KeyPlacement::OneSplit, false)
        );
        assert_eq!(within(1, source.discover()).unwrap(), ["source"]);
        let mut reader = open(&source, None);
        idle(&mut reader);
        within(20, writer(&broker, version).write(1, &numbered(0..300))).unwrap();
        let (got, after) = rows(&mut reader, 300);
        assert_eq!(bodies(&got), numbers(0..300));
        assert!(got.iter().enumerate().all(|(i, row)| row.place == i as u64 + 1));
        assert!(got.iter().enumerate().all(|(i, row)| row.key.as_deref() == Some(format!("t/k{}", i % 3).as_bytes())));
        assert_eq!(after, 300);
        idle(&mut reader);
        within(5, reader.durable(after)).unwrap();
        drop(reader);
        assert_eq!((source.stats().messages, source.stats().acknowledged), (300, 300));
        idle(&mut open(&source, Some(after)));
    }
}

#[test]
fn only_what_is_durable_is_acknowledged() {
    let Some(broker) = Broker::start("") else { return };
    for version in [V311, V5] {
        let source = source(broker.source(version, "t/#"));
        let mut reader = open(&source, None);
        within(20, writer(&broker, version).write(1, &numbered(0..5))).unwrap();
        let (got, after) = rows(&mut reader, 5);
        assert_eq!((bodies(&got), after), (numbers(0..5), 5));
        drop(reader);
        let mut reader = open(&source, Some(5));
        let (got, after) = rows(&mut reader, 5);
        assert_eq!((bodies(&got), after), (numbers(0..5), 10), "all come again, under new numbers");
        within(5, reader.durable(8)).unwrap();
        drop(reader);
        let mut reader = open(&source, Some(10));
        let (got, after) = rows(&mut reader, 2);
        assert_eq!(bodies(&got), numbers(3..5), "what was durable does not");
        within(5, reader.durable(after)).unwrap();
        drop(reader);
        let mut reader = open(&source, Some(after));
        idle(&mut reader);
        // The broker sends 20 messages unless some are acknowledged.
        within(20, writer(&broker, version).write(2, &numbered(0..50))).unwrap();
        let mut all = Vec::new();
        while all.len() < 50 {
            let Next::Rows { rows, after } = within(20, reader.next(10)).unwrap() else { continue };
            all.extend(bodies(&rows));
            within(5, reader.durable(after)).unwrap();
        }
        assert_eq!(all, numbers(0..50));
    }
}

#[test]
fn a_lost_connection_is_made_again_and_nothing_comes_twice_or_is_lost() {
    for version in [V311, V5] {
        let Some(mut broker) = Broker::start(ROOMY) else { return };
        let source = source(broker.source(version, "t/#"));
        let mut reader = open(&source, None);
        within(20, writer(&broker, version).write(1, &numbered(0..6))).unwrap();
        let (got, _) = rows(&mut reader, 6);
        assert_eq!(bodies(&got), numbers(0..6));
        idle(&mut reader);
        within(5, reader.durable(2)).unwrap();
        // The acknowledgements leave at once, but not before this thread is slower than the client's.
        std::thread::sleep(Duration::from_millis(200));
        broker.down();
        let found = within(20, reader.next(10)).unwrap();
        assert!(matches!(found, Next::Behind), "no longer caught up: {found:?}");
        within(5, reader.durable(4)).unwrap();
        broker.up();
        idle(&mut reader);
        within(20, writer(&broker, version).write(1, &numbered(6..9))).unwrap();
        let (got, after) = rows(&mut reader, 3);
        assert_eq!((bodies(&got), after), (numbers(6..9), 9));
        within(5, reader.durable(after)).unwrap();
        drop(reader);
        let stats = source.stats();
        assert_eq!((stats.connections_lost, stats.recognised, stats.sessions_lost), (1, 4, 0), "{stats:?}");
        assert_eq!(stats.acknowledged, 9);
        idle(&mut open(&source, Some(after)));
    }
}

#[test]
fn a_session_that_the_broker_lost_is_counted_and_the_source_goes_on() {
    let Some(mut broker) = Broker::start("") else { return };
    let source = source(broker.source(V5, "t/#"));
    let mut reader = open(&source, None);
    within(20, writer(&broker, V5).write(1, &numbered(0..2))).unwrap();
    rows(&mut reader, 2);
    broker.down();
    std::fs::remove_file(broker.dir().join("mosquitto.db")).unwrap();
    broker.up();
    idle(&mut reader);
    within(5, reader.durable(2)).unwrap();
    within(20, writer(&broker, V5).write(1, &numbered(2..4))).unwrap();
    let (got, after) = rows(&mut reader, 2);
    assert_eq!((bodies(&got), after), (numbers(2..4), 4));
    drop(reader);
    assert_eq!(
        (source.stats().sessions_lost, source.stats().acknowledged),
        (1, 0),
        "old ids mean nothing to a new session"
    );
}

#[test]
fn retained_messages_are_rows_or_are_dropped_and_counted() {
    let Some(broker) = Broker::start("") else { return };
    broker.publish_plainly("t/state", b"\"last known\"", true);
    for version in [V311, V5] {
        let accepting = source(broker.source(version, "t/#"));
        let mut reader = open(&accepting, None);
        assert_eq!(bodies(&rows(&mut reader, 1).0), ["\"last known\""]);
        drop(reader);
        let mut config = MqttSourceConfig { retained: Retained::DropCounted, ..broker.source(version, "t/#") };
        config.connection.client_id = "dropping".into();
        let dropping = source(config);
        let mut reader = open(&dropping, None);
        idle(&mut reader);
        broker.publish_plainly("t/state", b"live", false);
        assert_eq!(bodies(&rows(&mut reader, 1).0), ["live"], "only what was kept is dropped");
        drop(reader);
        assert_eq!(dropping.stats().retained_dropped, 1);
    }
}

#[test]
fn a_malformed_payload_is_the_decoders_dead_letter_and_the_next_one_is_fine() {
    let Some(broker) = Broker::start("") else { return };
    let source = source(broker.source(V5, "t/#"));
    let mut reader = open(&source, None);
    let bad = [row("a", &b"{\"load_kg\":"[..]), row("a", &b"\xff\xfe"[..]), row("a", &b"{\"load_kg\":2.5}"[..])];
    within(20, writer(&broker, V5).write(1, &bad)).unwrap();
    broker.publish_plainly("t/a", b"", false);
    let format = JsonLines::<std::collections::BTreeMap<String, f64>>::new();
    let mut out = Vec::new();
    let codes: Vec<_> = rows(&mut reader, 4)
        .0
        .iter()
        .map(|raw: &RawRow| format.decode(raw, &mut out).err().map(|e| e.code()))
        .collect();
    assert_eq!(codes, [Some("E0441"), Some("E0441"), None, Some("E0441")]);
    assert_eq!(out[0]["load_kg"], 2.5);
}

#[test]
fn a_megabyte_passes_and_what_is_beyond_the_limit_is_no_silence() {
    let Some(broker) = Broker::start("") else { return };
    for version in [V311, V5] {
        let source = source(broker.source(version, "t/#"));
        let mut reader = open(&source, None);
        let megabyte = vec![b'x'; 1 << 20];
        within(20, writer(&broker, version).write(1, &[row("big", megabyte.clone())])).unwrap();
        let (got, after) = rows(&mut reader, 1);
        assert_eq!(got[0].body, megabyte);
        within(5, reader.durable(after)).unwrap();
    }
    let mut small = broker.source(V311, "t/#");
    small.connection.max_packet_bytes = 100_000;
    small.connection.client_id = "small".into();
    let mut reader = open(&source(small), None);
    idle(&mut reader);
    within(20, writer(&broker, V311).write(2, &[row("big", vec![b'x'; 200_000])])).unwrap();
    let failure = loop {
        match within(20, reader.next(9)) {
            Ok(_) => {}
            Err(failure) => break failure,
        }
    };
    assert_eq!(code::<()>(Err(failure)), ("fatal", "E0454"));
}

#[test]
fn a_full_buffer_stops_the_network_and_a_cancelled_next_loses_nothing() {
    let Some(broker) = Broker::start(ROOMY) else { return };
    let config = MqttSourceConfig { buffer_rows: 3, ..broker.source(V5, "t/#") };
    let source = source(config);
    let mut reader = open(&source, None);
    within(20, writer(&broker, V5).write(1, &numbered(0..400))).unwrap();
    std::thread::sleep(Duration::from_millis(300));
    let Next::Rows { rows, .. } = within(5, reader.next(2)).unwrap() else { panic!() };
    assert!(source.stats().messages <= 3, "the rest waits in the network and at the broker");
    let mut got = bodies(&rows);
    while got.len() < 400 {
        let mut next = reader.next(2);
        match next.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Pending => std::thread::sleep(Duration::from_micros(100)),
            Poll::Ready(Ok(Next::Rows { rows, .. })) => got.extend(bodies(&rows)),
            Poll::Ready(Ok(_)) => {}
            Poll::Ready(Err(failure)) => panic!("{failure:?}"),
        }
    }
    assert_eq!(got, numbers(0..400));
}

#[test]
fn it_runs_under_a_tokio_runtime_that_has_no_network_too() {
    let Some(broker) = Broker::start("") else { return };
    let host = tokio::runtime::Builder::new_current_thread().build().unwrap();
    host.block_on(async {
        let source = source(broker.source(V5, "t/#"));
        let mut reader = source.open("source".into(), None).await.unwrap_or_else(|f| panic!("{f:?}"));
        assert!(matches!(reader.next(1).await, Ok(Next::Idle)));
        let config = MqttSinkConfig::new(broker.connection(V5, "sink"), "t/{id}");
        let mut writer = MqttSink::new(config).unwrap().open(0, 1).await.unwrap_or_else(|f| panic!("{f:?}"));
        writer.write(1, &[row("a", "1")]).await.unwrap();
        let Ok(Next::Rows { rows, after }) = reader.next(9).await else { panic!() };
        assert_eq!(bodies(&rows), ["1"]);
        reader.durable(after).await.unwrap();
    });
}

#[test]
fn the_first_connection_must_work() {
    let Some(mut broker) = Broker::start("") else { return };
    broker.down();
    for version in [V311, V5] {
        let source = source(broker.source(version, "t/#"));
        assert_eq!(code(within(10, source.open("source".into(), None))), ("retry", "E0452"));
    }
    let silent = std::net::TcpListener::bind(("127.0.0.1", broker.port)).unwrap();
    let mut config = broker.source(V5, "t/#");
    config.connection.connect_timeout_s = 1;
    assert_eq!(code(within(10, source(config).open("source".into(), None))), ("retry", "E0452"));
    drop(silent);
}

#[test]
fn who_may_not_come_in_is_told_so() {
    let Some(mut broker) = Broker::start("allow_anonymous false") else { return };
    broker.down();
    let passwords = broker.dir().join("passwords");
    let made = std::process::Command::new("mosquitto_passwd")
        .args(["-b", "-c"])
        .arg(&passwords)
        .args(["ada", "right"])
        .output();
    if !made.is_ok_and(|output| output.status.success()) {
        eprintln!("\n*** SKIPPED: this test needs the program mosquitto_passwd ***\n");
        return;
    }
    let config = broker.dir().join("mosquitto.conf");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(config, format!("{text}password_file {}\n", passwords.display())).unwrap();
    broker.up();
    for version in [V311, V5] {
        for (secret, want) in [("right\n", ("ok", "")), ("wrong", ("fatal", "E0453"))] {
            let file = broker.dir().join("secret");
            std::fs::write(&file, secret).unwrap();
            let mut config = broker.source(version, "t/#");
            config.connection.username = Some("ada".into());
            config.connection.password = Some(PasswordFrom::File(file.display().to_string()));
            assert!(!format!("{config:?}").contains(secret.trim()));
            assert_eq!(code(within(10, source(config).open("source".into(), None))), want);
        }
        let nameless = source(broker.source(version, "t/#"));
        assert_eq!(code(within(10, nameless.open("source".into(), None))), ("fatal", "E0453"));
    }
}

#[test]
fn a_session_taken_by_another_client_is_fenced() {
    // mosquitto 2.0 closes without a word, so this broker is a script.
    let script = Script::start(&[&[b"\x20\x03\x00\x00\x00", b"\x90\x04\x00\x01\x00\x01\xe0\x02\x8e\x00"]]);
    let connection = MqttConnection::new("127.0.0.1", script.port, "source");
    let source = source(MqttSourceConfig::new(connection, ["t/#"]));
    let fenced = match within(10, source.open("source".into(), None)) {
        Err(failure) => failure,
        Ok(mut reader) => loop {
            match within(10, reader.next(1)) {
                Ok(_) => {}
                Err(failure) => break failure,
            }
        },
    };
    assert!(matches!(fenced, Failure::Fenced), "{fenced:?}");
}

#[test]
fn a_refused_subscription_and_a_server_that_speaks_something_else() {
    for (script, want) in [
        (&[&b"\x20\x03\x00\x00\x00"[..], b"\x90\x04\x00\x01\x00\x87"][..], ("fatal", "E0455")),
        (&[&b"\x00\x00"[..]][..], ("retry", "E0456")),
        (&[&b"\x20\x03\x00\x89\x00"[..]][..], ("retry", "E0452")),
        (&[&b"\x20\x03\x00\x8a\x00"[..]][..], ("fatal", "E0453")),
    ] {
        let script = Script::start(&[script]);
        let connection = MqttConnection::new("127.0.0.1", script.port, "source");
        let source = source(MqttSourceConfig::new(connection, ["t/#"]));
        assert_eq!(code(within(10, source.open("source".into(), None))), want);
    }
}
