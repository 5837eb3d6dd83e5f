//! The sink against a real broker.

use watchfire_engine::decode::EncodedRow;
use watchfire_engine::sink::{CommitMode, Sink, Writer};
use watchfire_engine::source::{Failure, Next, Reader, Source};

use super::super::MqttVersion::{V5, V311};
use super::super::*;
use super::support::{Broker, Script, bodies, code, idle, rows, within};

fn sink(broker: &Broker, version: MqttVersion, topic: &str, retain: bool) -> MqttSink {
    let config = MqttSinkConfig { retain, ..MqttSinkConfig::new(broker.connection(version, "sink"), topic) };
    MqttSink::new(config).unwrap()
}

fn open(sink: &MqttSink) -> Box<dyn Writer> {
    within(20, sink.open(0, 1)).unwrap_or_else(|f| panic!("{f:?}"))
}

fn read(broker: &Broker, client_id: &str) -> Box<dyn Reader<u64>> {
    let mut config = broker.source(V5, "#");
    config.connection.client_id = client_id.into();
    within(20, MqttSource::new(config).unwrap().open("s".into(), None)).unwrap_or_else(|f| panic!("{f:?}"))
}

fn row(id: &str, body: &str) -> EncodedRow {
    EncodedRow { id: Some(id.into()), retract: false, body: body.into() }
}

fn retraction(id: &str) -> EncodedRow {
    EncodedRow { retract: true, ..row(id, "whatever it was") }
}

#[test]
fn the_broker_keeps_what_is_so_and_forgets_what_is_taken_back() {
    let Some(broker) = Broker::start("") else { return };
    for version in [V311, V5] {
        let sink = sink(&broker, version, "alarms/{id}", true);
        assert_eq!(sink.commit_mode(), CommitMode::ByKey);
        let mut writer = open(&sink);
        let client_id = format!("live{version:?}");
        let mut live = read(&broker, &client_id);
        idle(&mut live);
        within(20, writer.write(1, &[row("K1/+", "raised"), row("K2", "raised")])).unwrap();
        within(20, writer.write(2, &[row("K2", "worse"), retraction("K1/+")])).unwrap();
        within(20, writer.write(3, &[])).unwrap();
        let seen: Vec<_> = rows(&mut live, 4).0.iter().map(|r| (r.key.clone().unwrap(), r.body.clone())).collect();
        let want =
            [("alarms/K1%2F%2B", "raised"), ("alarms/K2", "raised"), ("alarms/K2", "worse"), ("alarms/K1%2F%2B", "")];
        assert!(seen.iter().zip(want).all(|((topic, body), want)| *topic == want.0 && *body == want.1), "{seen:?}");
        let mut late = read(&broker, &format!("late{version:?}"));
        assert_eq!(bodies(&rows(&mut late, 1).0), ["worse"], "who comes later sees what is so now");
        idle(&mut late);
        within(20, writer.write(4, &[retraction("K2")])).unwrap();
    }
}

#[test]
fn a_broker_that_goes_away_costs_retries_and_no_row() {
    for version in [V311, V5] {
        let Some(mut broker) = Broker::start("") else { return };
        drop(read(&broker, "reader"));
        let mut writer = open(&sink(&broker, version, "t/{id}", false));
        within(20, writer.write(1, &[row("a", "1")])).unwrap();
        broker.down();
        let epoch = [row("a", "2"), row("a", "3")];
        for _ in 0..3 {
            assert_eq!(code(within(20, writer.write(2, &epoch))).0, "retry");
        }
        broker.up();
        within(20, writer.write(2, &epoch)).unwrap();
        within(20, writer.write(3, &[row("a", "4")])).unwrap();
        let mut reader = read(&broker, "reader");
        assert_eq!(bodies(&rows(&mut reader, 4).0), ["1", "2", "3", "4"]);
        idle(&mut reader);
    }
}

#[test]
fn rows_that_cannot_be_messages_are_poison_and_say_which() {
    let Some(broker) = Broker::start("") else { return };
    let mut writer = open(&sink(&broker, V5, "t/{id}", true));
    let nameless = EncodedRow { id: None, ..row("", "x") };
    let long = row(&"i".repeat(70_000), "x");
    let big = row("a", &"x".repeat(3 << 20));
    for (bad, want) in [(nameless, "E0344"), (row("a", ""), "E0344"), (long, "E0343"), (big, "E0343")] {
        let refused = within(20, writer.write(1, &[row("a", "ok"), bad]));
        assert!(matches!(refused, Err(Failure::Poison { index: 1, .. })), "{refused:?}");
        assert_eq!(code(refused), ("poison", want));
    }
    let mut writer = open(&sink(&broker, V5, "one/topic", false));
    assert_eq!(code(within(20, writer.write(1, &[retraction("a")]))), ("poison", "E0344"));
    assert_eq!(sink(&broker, V5, "one/topic", false).commit_mode(), CommitMode::AtLeastOnce);
}

#[test]
fn a_row_beyond_the_brokers_own_limit_is_found() {
    let Some(broker) = Broker::start("max_packet_size 10000") else { return };
    let mut writer = open(&sink(&broker, V5, "t/{id}", false));
    let epoch = [row("a", "1"), row("b", "2"), row("c", &"x".repeat(20_000)), row("d", "4")];
    let refused = within(20, writer.write(1, &epoch));
    assert!(matches!(refused, Err(Failure::Poison { index: 2, ref why }) if why.code() == "E0343"), "{refused:?}");
    within(20, writer.write(2, &epoch[..2])).unwrap();
}

#[test]
fn who_may_not_publish_is_told_so_by_version_5() {
    let Some(mut broker) = Broker::start("") else { return };
    broker.down();
    let rules = broker.dir().join("acl");
    std::fs::write(&rules, "topic read t/#\n").unwrap();
    let config = broker.dir().join("mosquitto.conf");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(config, format!("{text}acl_file {}\n", rules.display())).unwrap();
    broker.up();
    let mut writer = open(&sink(&broker, V5, "t/{id}", false));
    assert_eq!(code(within(20, writer.write(1, &[row("a", "1")]))), ("fatal", "E0342"));
}

#[test]
fn thousands_of_rows_in_one_epoch_keep_their_order() {
    let Some(broker) = Broker::start("max_queued_messages 0\nmax_inflight_messages 0") else { return };
    let mut reader = read(&broker, "reader");
    let mut writer = open(&sink(&broker, V5, "t/{id}", false));
    let epoch: Vec<_> = (0..3000).map(|i| row("a", &i.to_string())).collect();
    within(30, writer.write(1, &epoch)).unwrap();
    let mut seen = 0;
    while seen < 3000 {
        let Next::Rows { rows, after } = within(20, reader.next(500)).unwrap() else { continue };
        for row in &rows {
            assert_eq!(row.body, seen.to_string());
            seen += 1;
        }
        within(5, reader.durable(after)).unwrap();
    }
}

#[test]
fn a_writer_whose_client_id_was_taken_is_fenced() {
    let script = Script::start(&[&[b"\x20\x03\x00\x00\x00", b"\xe0\x02\x8e\x00"]]);
    let connection = MqttConnection::new("127.0.0.1", script.port, "sink");
    let mut writer = open(&MqttSink::new(MqttSinkConfig::new(connection, "t/{id}")).unwrap());
    for _ in 0..2 {
        assert_eq!(code(within(20, writer.write(2, &[row("a", "older")]))), ("fenced", ""));
    }
}

#[test]
fn a_repeated_call_goes_on_behind_the_last_acknowledged_row() {
    let accepted = &b"\x20\x03\x00\x00\x00"[..];
    // The first connection acknowledges one row and ends (server shutting down), the second acknowledges the other.
    let script = Script::start(&[&[accepted, b"\x40\x02\x00\x01\xe0\x02\x8b\x00"], &[accepted, b"\x40\x02\x00\x01"]]);
    let connection = MqttConnection::new("127.0.0.1", script.port, "sink");
    let mut writer = open(&MqttSink::new(MqttSinkConfig::new(connection, "t/{id}")).unwrap());
    let epoch = [row("a", "first row"), row("a", "second row")];
    assert_eq!(code(within(20, writer.write(2, &epoch))), ("retry", "E0452"));
    within(20, writer.write(2, &epoch)).unwrap();
    drop(writer);
    let heard = script.heard.clone();
    drop(script);
    let heard: Vec<_> = heard.lock().unwrap().iter().map(|bytes| String::from_utf8_lossy(bytes).into_owned()).collect();
    assert!(heard[0].contains("first row"));
    assert!(!heard[1].contains("first row") && heard[1].contains("second row"), "{heard:?}");
}

#[test]
fn what_a_version_5_broker_answers_to_a_row_decides_what_becomes_of_it() {
    for (reason, want) in [(0x97, ("retry", "E0341")), (0x90, ("poison", "E0343")), (0x87, ("fatal", "E0342"))] {
        let refusal = [0x40, 3, 0, 1, reason];
        let script = Script::start(&[&[b"\x20\x03\x00\x00\x00", &refusal]]);
        let connection = MqttConnection::new("127.0.0.1", script.port, "sink");
        let mut writer = open(&MqttSink::new(MqttSinkConfig::new(connection, "t/{id}")).unwrap());
        assert_eq!(code(within(20, writer.write(1, &[row("a", "1")]))), want);
    }
}
