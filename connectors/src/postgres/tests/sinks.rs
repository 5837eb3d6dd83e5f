use futures_lite::future::block_on;
use watchfire_engine::decode::EncodedRow;
use watchfire_engine::sink::{Sink, Writer};
use watchfire_engine::source::Failure;

use super::super::{PostgresSink, PostgresSinkConfig};
use super::support::Server;

fn row(id: &str, body: &str) -> EncodedRow {
    EncodedRow { id: (!id.is_empty()).then(|| id.to_owned()), retract: false, body: body.as_bytes().to_vec() }
}

fn retracted(id: &str) -> EncodedRow {
    EncodedRow { retract: true, ..row(id, "") }
}

fn opened(config: &PostgresSinkConfig, generation: u64) -> Result<Box<dyn Writer>, Failure> {
    block_on(PostgresSink::new(config.clone()).unwrap().open(0, generation))
}

fn code(failure: &Failure) -> &'static str {
    match failure {
        Failure::Retry(error) | Failure::Fatal(error) | Failure::Poison { why: error, .. } => error.code(),
        Failure::Fenced => "fenced",
        _ => "other",
    }
}

const READINGS: &str = "CREATE TABLE readings (seq bigint GENERATED ALWAYS AS IDENTITY, crane int NOT NULL, load_kg float8, \
                        at timestamptz DEFAULT now(), tags jsonb, CHECK (load_kg >= 0))";

#[test]
fn an_epoch_is_there_once_whatever_comes_again() {
    let Some(mut server) = Server::start() else { return };
    server.run(READINGS);
    let config = server.config("readings");
    let mut writer = opened(&config, 1).unwrap();
    let rows = [row("", r#"{"crane":1,"load_kg":4.5,"tags":["a"],"more":1}"#), row("", r#"{"crane":2}"#)];
    block_on(async {
        writer.write(10, &rows).await.unwrap();
        writer.write(10, &rows).await.unwrap();
        writer.write(9, &rows).await.unwrap();
    });
    let text = "SELECT concat_ws(' ', crane, load_kg, tags, at IS NOT NULL) FROM readings ORDER BY seq";
    let both = ["1 4.5 [\"a\"] t", "2 t"];
    assert_eq!(server.ask(text), both);
    // The server goes down and comes back: the same call goes on.
    server.down();
    let failure = block_on(writer.write(11, &rows)).unwrap_err();
    assert!(matches!(&failure, Failure::Retry(_)) && code(&failure) == "E0362", "{failure:?}");
    server.up();
    block_on(writer.write(11, &rows)).unwrap();
    assert_eq!(server.ask(text), [both, both].concat());
    // So does another process of the same generation, and of the next.
    for generation in 1..=2 {
        block_on(opened(&config, generation).unwrap().write(11, &rows)).unwrap();
    }
    assert_eq!(server.ask("SELECT concat(generation, ' ', epoch) FROM watchfire_progress"), ["2 11"]);
    assert_eq!(server.ask(text).len(), 4);
}

#[test]
fn a_zombie_is_fenced_and_changes_nothing() {
    let Some(server) = Server::start() else { return };
    server.run(READINGS);
    let config = server.config("readings");
    let mut zombie = opened(&config, 3).unwrap();
    block_on(zombie.write(10, &[row("", r#"{"crane":1}"#)])).unwrap();
    let mut next = opened(&config, 4).unwrap();
    for epoch in [10, 11] {
        let failure = block_on(zombie.write(epoch, &[row("", r#"{"crane":7}"#)])).unwrap_err();
        assert!(matches!(failure, Failure::Fenced), "{failure:?}");
    }
    block_on(next.write(11, &[row("", r#"{"crane":2}"#)])).unwrap();
    assert_eq!(server.ask("SELECT crane::text FROM readings ORDER BY seq"), ["1", "2"]);
    assert!(matches!(opened(&config, 3).map(drop), Err(Failure::Fenced)));
    // Another writer of the same table has its own epochs.
    let other = PostgresSinkConfig { writer: "other".into(), ..config };
    block_on(opened(&other, 1).unwrap().write(5, &[row("", r#"{"crane":3}"#)])).unwrap();
    assert_eq!(server.ask("SELECT crane::text FROM readings ORDER BY seq"), ["1", "2", "3"]);
}

#[test]
fn many_writers_may_open_at_once() {
    let Some(server) = Server::start() else { return };
    server.run(READINGS);
    std::thread::scope(|scope| {
        for n in 0..8 {
            let config = PostgresSinkConfig { writer: format!("writer {n}"), ..server.config("readings") };
            scope.spawn(move || {
                let opened = (0..20).find_map(|_| match opened(&config, 1) {
                    Ok(writer) => Some(writer),
                    Err(Failure::Retry(_)) => None,
                    Err(failure) => panic!("{failure:?}"),
                });
                block_on(opened.unwrap().write(1, &[row("", r#"{"crane":1}"#)])).unwrap();
            });
        }
    });
    assert_eq!(server.ask("SELECT count(*)::text FROM readings"), ["8"]);
}

#[test]
fn with_ids_the_table_shows_what_is_so_now() {
    let Some(server) = Server::start() else { return };
    server.run("CREATE SCHEMA site; CREATE TABLE site.\"Alarms\" (\"the id\" text PRIMARY KEY, severity text)");
    let config = PostgresSinkConfig { id_column: Some("the id".into()), ..server.config("site.\"Alarms\"") };
    let mut writer = opened(&config, 1).unwrap();
    let now = || server.ask("SELECT concat_ws(' ', \"the id\", severity) FROM site.\"Alarms\" ORDER BY 1");
    block_on(async {
        let first =
            [row("a", r#"{"severity":"low"}"#), row("b", r#"{"severity":"low"}"#), row("a", r#"{"severity":"high"}"#)];
        writer.write(1, &first).await.unwrap();
        assert_eq!(now(), ["a high", "b low"]);
        let second =
            [retracted("b"), row("c", "{}"), retracted("a"), row("a", r#"{"severity":"mid"}"#), retracted("d")];
        writer.write(2, &second).await.unwrap();
        assert_eq!(now(), ["a mid", "c"]);
        let failure = writer.write(3, &[row("", "{}")]).await.unwrap_err();
        assert!(matches!(failure, Failure::Poison { index: 0, .. }));
        // An epoch of retractions alone.
        writer.write(4, &[retracted("c")]).await.unwrap();
        assert_eq!(now(), ["a mid"]);
    });
}

#[test]
fn rows_that_the_table_does_not_take_are_named_without_their_values() {
    let Some(server) = Server::start() else { return };
    server.run(READINGS);
    let mut writer = opened(&server.config("readings"), 1).unwrap();
    let good = row("", r#"{"crane":1}"#);
    let bad = [
        (row("", r#"{"crane":"secret"}"#), "SQLSTATE 22"),
        (row("", r#"{"load_kg":5}"#), "column \"crane\""),
        (row("", r#"{"crane":1,"load_kg":-77}"#), "constraint \"readings_load_kg_check\""),
        (row("", "[1]"), "no JSON object"),
        (row("", "{"), "no JSON object"),
        (row("", r#"{"crane":1,"tags":"nul \u0000"}"#), "SQLSTATE 22"),
        (retracted("a"), "retraction"),
    ];
    for (n, (bad, says)) in bad.into_iter().enumerate() {
        let rows = [good.clone(), good.clone(), bad, good.clone()];
        let failure = block_on(writer.write(n as u64 + 1, &rows)).unwrap_err();
        let Failure::Poison { index, why } = &failure else { panic!("{failure:?}") };
        assert!(*index == 2 && why.code() == "E0364" && why.to_string().contains(says), "{failure:?}");
        assert!(!why.to_string().contains("secret") && !why.to_string().contains("77"), "{why}");
    }
    assert_eq!(server.ask("SELECT count(*)::text FROM readings"), ["0"]);
    block_on(writer.write(99, &[good])).unwrap();
}

#[test]
fn what_is_missing_at_the_server_is_said() {
    let Some(server) = Server::start() else { return };
    server.run("CREATE TABLE plain (id text, n int); CREATE ROLE guest LOGIN; CREATE TABLE none ()");
    let fails = |config: PostgresSinkConfig| match opened(&config, 1) {
        Err(failure) => (code(&failure), format!("{failure:?}")),
        Ok(_) => panic!("it opened"),
    };
    let plain = server.config("plain");
    for (config, says) in [
        (server.config("nothing"), "no table nothing"),
        (server.config("none"), "no column"),
        (PostgresSinkConfig { columns: vec!["m".into()], ..plain.clone() }, "42703"),
        // An id needs a unique index.
        (PostgresSinkConfig { id_column: Some("id".into()), ..plain.clone() }, "42P10"),
    ] {
        let (code, text) = fails(config);
        assert!(code == "E0363" && text.contains(says), "{text}");
    }
    let mut guest = plain.clone();
    guest.connection.user = "guest".into();
    assert_eq!(fails(guest).0, "E0363");
    let mut nobody = plain.clone();
    nobody.connection.user = "nobody".into();
    assert_eq!(fails(nobody).0, "E0363");
    let mut elsewhere = plain;
    elsewhere.connection.port = 1;
    assert_eq!(fails(elsewhere).0, "E0362");
}
