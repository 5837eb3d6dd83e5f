//! Files good and bad, read from everywhere, and followed.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures_lite::future::{block_on, or};
use tempfile::{TempDir, tempdir};
use watchfire_engine::decode::{Decoder, EncodedRow};
use watchfire_engine::sink::Sink;
use watchfire_engine::source::{Failure, KeyPlacement, Next, RawRow, Reader, Replay, Source};

use super::*;
use crate::Retractions;
use crate::format::{CUT_MARK, JsonLines};

type FileReader = Box<dyn Reader<FileOffset>>;

fn file(content: &[u8]) -> (TempDir, String) {
    let dir = tempdir().unwrap();
    let path = dir.path().join("rows.jsonl");
    std::fs::write(&path, content).unwrap();
    (dir, path.display().to_string())
}

fn open(config: FileSourceConfig, from: Option<FileOffset>) -> Result<FileReader, Failure> {
    let source = FileSource::new(config).unwrap();
    let split = block_on(source.discover()).unwrap().remove(0);
    block_on(source.open(split, from))
}

/// The rest of a bounded file: each row with the offset after its batch.
fn rest(reader: &mut FileReader, room: usize) -> Vec<(RawRow, FileOffset)> {
    let mut all = Vec::new();
    loop {
        match block_on(reader.next(room)).unwrap() {
            Next::Rows { rows, after } => {
                assert!(!rows.is_empty() && rows.len() <= room);
                all.extend(rows.into_iter().map(|row| (row, after)));
            }
            Next::Idle | Next::Behind => panic!("a bounded file never waits"),
            Next::End => return all,
        }
    }
}

fn append(path: &str, bytes: &[u8]) {
    OpenOptions::new().append(true).open(path).unwrap().write_all(bytes).unwrap();
}

/// `next`, but not for ever.
fn next(reader: &mut FileReader, wait_ms: u64) -> Option<Result<Next<FileOffset>, Failure>> {
    let timeout = async {
        async_io::Timer::after(Duration::from_millis(wait_ms)).await;
        None
    };
    block_on(or(async { Some(reader.next(10).await) }, timeout))
}

fn bodies(found: Option<Result<Next<FileOffset>, Failure>>) -> Vec<String> {
    match found {
        Some(Ok(Next::Rows { rows, .. })) => {
            rows.iter().map(|row| String::from_utf8_lossy(&row.body).into_owned()).collect()
        }
        other => panic!("{other:?}"),
    }
}

fn is_idle(found: Option<Result<Next<FileOffset>, Failure>>) -> bool {
    matches!(found, Some(Ok(Next::Idle)))
}

#[test]
fn reads_lines_of_every_ending_to_the_end() {
    let (_dir, path) = file(b"a\r\n\nb\r\nlast\r");
    let mut reader = open(FileSourceConfig::new([&path]), None).unwrap();
    let got = rest(&mut reader, 2);
    let rows: Vec<_> = got.iter().map(|(row, _)| (row.place, &row.body[..])).collect();
    assert_eq!(rows, [(1, &b"a"[..]), (2, b""), (3, b"b"), (4, b"last")]);
    assert_eq!(got[3].1, FileOffset { pos: 12, line: 4 });
    assert!(matches!(block_on(reader.next(1)), Ok(Next::End)), "the end stays the end");
    let mut again = open(FileSourceConfig::new([&path]), Some(got[3].1)).unwrap();
    assert!(matches!(block_on(again.next(1)), Ok(Next::End)), "also after a last line without an ending");
}

#[test]
fn an_empty_file_ends_at_once() {
    let (_dir, path) = file(b"");
    let mut reader = open(FileSourceConfig::new([path]), None).unwrap();
    assert!(matches!(block_on(reader.next(5)), Ok(Next::End)));
}

#[test]
fn what_is_no_readable_file_is_fatal() {
    let dir = tempdir().unwrap();
    let missing = dir.path().join("nowhere").display().to_string();
    let Err(Failure::Fatal(e)) = open(FileSourceConfig::new([&missing]), None) else { panic!() };
    assert_eq!(e.code(), "E0431");
    assert!(e.to_string().contains("nowhere") && e.to_string().contains("Remedy"), "{e}");
    let Err(Failure::Fatal(e)) = open(FileSourceConfig::follow(&missing), None) else { panic!() };
    assert_eq!(e.code(), "E0431");
    let offset = FileOffset { pos: 2, line: 1 };
    let Err(Failure::Retry(e)) = open(FileSourceConfig::follow(&missing), Some(offset)) else { panic!() };
    assert_eq!(e.code(), "E0431", "it was there before: it may be rotated just now");
    let directory = dir.path().display().to_string();
    let Err(Failure::Fatal(e)) = open(FileSourceConfig::new([directory]), None) else { panic!() };
    assert_eq!((e.code(), e.what()), ("E0432", "the path is a directory"));
    let Err(Failure::Fatal(e)) = open(FileSourceConfig::new(["/dev/null"]), None) else { panic!() };
    assert_eq!((e.code(), e.what()), ("E0432", "the path is not a regular file"));
    let under_a_file = dir.path().join("plain");
    std::fs::write(&under_a_file, "x").unwrap();
    let path = under_a_file.join("below").display().to_string();
    let Err(Failure::Fatal(e)) = open(FileSourceConfig::new([path]), None) else { panic!() };
    assert_eq!(e.code(), "E0431");
}

#[test]
fn goes_on_from_every_offset_with_exactly_the_rest() {
    let text: String =
        (0..40).map(|i| format!("{}{}", "x".repeat(i % 7), if i % 3 == 0 { "\r\n" } else { "\n" })).collect();
    for ending in ["", "unfinished"] {
        let (_dir, path) = file((text.clone() + ending).as_bytes());
        let config = FileSourceConfig { max_line_bytes: 5, ..FileSourceConfig::new([path]) };
        let all = rest(&mut open(config.clone(), None).unwrap(), 1);
        assert_eq!(all.len(), 40 + ending.len().min(1));
        for (i, (_, offset)) in all.iter().enumerate() {
            let offset: FileOffset = serde_json::from_str(&serde_json::to_string(offset).unwrap()).unwrap();
            for room in [1, 3, 100] {
                let got = rest(&mut open(config.clone(), Some(offset)).unwrap(), room);
                let got: Vec<_> = got.iter().map(|(row, _)| (row.place, row.body.clone())).collect();
                let want: Vec<_> = all[i + 1..].iter().map(|(row, _)| (row.place, row.body.clone())).collect();
                assert_eq!(got, want, "from row {i}");
            }
        }
    }
}

#[test]
fn cancelling_a_pending_next_loses_nothing() {
    let text: String = (0..20_000).map(|i| format!("{{\"i\":{i}}}\n")).collect();
    let (_dir, path) = file(text.as_bytes());
    let mut reader = open(FileSourceConfig::new([path]), None).unwrap();
    let mut got = 0;
    loop {
        let mut future = reader.next(7);
        match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Pending => std::thread::sleep(Duration::from_micros(200)),
            Poll::Ready(Ok(Next::Rows { rows, .. })) => {
                for row in rows {
                    assert_eq!(row.body, format!("{{\"i\":{got}}}"));
                    got += 1;
                }
            }
            Poll::Ready(Ok(Next::End)) => break,
            Poll::Ready(other) => panic!("{other:?}"),
        }
    }
    assert_eq!(got, 20_000);
}

#[test]
fn long_lines_are_whole_up_to_the_limit_and_one_marked_row_beyond() {
    let mib = 1 << 20;
    let whole = format!("\"{}\"", "w".repeat(mib - 2));
    let beyond = format!("\"{}\"", "b".repeat(mib - 1));
    let far_beyond = "f".repeat(5 * mib);
    let (_dir, path) = file(format!("{whole}\n{beyond}\n1\n{far_beyond}\n2\n{far_beyond}").as_bytes());
    let got = rest(&mut open(FileSourceConfig::new([&path]), None).unwrap(), 100);
    assert_eq!(got.len(), 6);
    assert_eq!(got[0].0.body.len(), mib);
    let decoder = JsonLines::<serde_json::Value>::new();
    let mut out = Vec::new();
    let codes: Vec<_> = got.iter().map(|(row, _)| decoder.decode(row, &mut out).err().map(|e| e.code())).collect();
    assert_eq!(codes, [None, Some("E0435"), None, Some("E0435"), None, Some("E0435")]);
    assert!(got.iter().all(|(row, _)| row.body.len() <= mib + CUT_MARK.len()));
    assert_eq!(got[5].1, FileOffset { pos: std::fs::metadata(&path).unwrap().len(), line: 6 });
    for (i, (_, offset)) in got.iter().enumerate() {
        let rest = rest(&mut open(FileSourceConfig::new([&path]), Some(*offset)).unwrap(), 1);
        assert!(rest.last().is_none_or(|(row, _)| row.place == 6), "from row {i}");
    }
}

#[test]
fn every_row_is_decoded_or_dead_and_duplicates_pass() {
    let lines: &[&[u8]] = &[
        b"{\"load_kg\":1}",
        b"{\"load_kg\":1}",
        b"{\"load_kg\":1",
        b"{\"load_kg\":\"1\"}",
        b"{}",
        b"{\"load_kg\":1,\"x\":2}",
        b"{\"load_kg\":NaN}",
        b"{\"load_kg\":1e999}",
        b"{\"load_kg\":\xff}",
        b"",
        b"{\"load_kg\":2}",
    ];
    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Row {
        load_kg: f64,
    }
    let (_dir, path) = file(&lines.join(&b'\n'));
    let (mut decoded, mut dead) = (Vec::<Row>::new(), 0);
    for (row, _) in rest(&mut open(FileSourceConfig::new([path]), None).unwrap(), 4) {
        dead += usize::from(JsonLines::new().decode(&row, &mut decoded).is_err());
    }
    assert_eq!(decoded.iter().map(|row| row.load_kg).collect::<Vec<_>>(), [1.0, 1.0, 2.0]);
    assert_eq!(decoded.len() + dead, lines.len());
}

#[test]
fn a_file_that_is_no_longer_what_was_read_is_expired() {
    let (_dir, path) = file(b"one\ntwo\n");
    let cases = [
        (FileSourceConfig::new([&path]), 9),
        (FileSourceConfig::new([&path]), 5),
        (FileSourceConfig::follow(&path), 7),
    ];
    for (config, pos) in cases {
        let found = open(config, Some(FileOffset { pos, line: 1 }));
        assert!(
            matches!(found, Err(Failure::OffsetExpired { ref earliest }) if earliest.starts_with("byte 0")),
            "{pos}"
        );
    }
    let mut reader = open(FileSourceConfig::new([&path]), None).unwrap();
    assert_eq!(bodies(next(&mut reader, 2_000)), ["one", "two"]);
    std::fs::write(&path, "x\n").unwrap();
    assert!(matches!(next(&mut reader, 2_000), Some(Err(Failure::OffsetExpired { .. }))));
    assert!(matches!(next(&mut reader, 2_000), Some(Err(Failure::OffsetExpired { .. }))), "it stays so");
}

#[test]
fn follows_a_file_that_grows_by_half_lines() {
    let (_dir, path) = file(b"one\ntw");
    let config = FileSourceConfig { poll_ms: 5, ..FileSourceConfig::follow(&path) };
    let mut reader = open(config.clone(), None).unwrap();
    assert_eq!(bodies(next(&mut reader, 2_000)), ["one"]);
    assert!(is_idle(next(&mut reader, 2_000)));
    assert!(next(&mut reader, 60).is_none(), "idle only once, and half a line is no row");
    append(&path, b"o");
    assert!(next(&mut reader, 60).is_none());
    append(&path, b"\r\nthree\nfo");
    assert_eq!(bodies(next(&mut reader, 2_000)), ["two", "three"]);
    assert!(is_idle(next(&mut reader, 2_000)));
    for _ in 0..20 {
        assert!(next(&mut reader, 1).is_none(), "cancelled before the poll is due");
    }
    append(&path, b"ur\n");
    let waited = (0..200).find_map(|_| next(&mut reader, 1));
    assert_eq!(bodies(waited), ["four"], "calls that are always cancelled early see it too");
    let mut again = open(config, Some(FileOffset { pos: 4, line: 1 })).unwrap();
    assert_eq!(bodies(next(&mut again, 2_000)), ["two", "three", "four"]);
}

fn follow_one(content: &[u8]) -> (TempDir, String, FileReader) {
    let (dir, path) = file(content);
    let mut reader = open(FileSourceConfig { poll_ms: 5, ..FileSourceConfig::follow(&path) }, None).unwrap();
    assert_eq!(bodies(next(&mut reader, 2_000)).len(), 1);
    assert!(is_idle(next(&mut reader, 2_000)));
    (dir, path, reader)
}

#[test]
fn a_followed_file_that_is_truncated_replaced_or_gone_says_so() {
    let (_dir, path, mut reader) = follow_one(b"a long first line\n");
    std::fs::write(&path, "new\n").unwrap();
    let found = next(&mut reader, 2_000);
    assert!(
        matches!(found, Some(Err(Failure::OffsetExpired { ref earliest })) if earliest.contains("truncated")),
        "{found:?}"
    );

    let (dir, path, mut reader) = follow_one(b"one\n");
    let old = dir.path().join("rows.jsonl.1");
    std::fs::rename(&path, &old).unwrap();
    std::fs::write(&path, "new\n").unwrap();
    append(&old.display().to_string(), b"still written to the old file\n");
    assert_eq!(bodies(next(&mut reader, 2_000)), ["still written to the old file"]);
    assert!(is_idle(next(&mut reader, 2_000)));
    let found = next(&mut reader, 2_000);
    assert!(
        matches!(found, Some(Err(Failure::OffsetExpired { ref earliest })) if earliest.contains("replaced")),
        "{found:?}"
    );

    let (_dir, path, mut reader) = follow_one(b"one\n");
    std::fs::remove_file(&path).unwrap();
    assert!(matches!(next(&mut reader, 2_000), Some(Err(Failure::Retry(e))) if e.code() == "E0434"));
}

#[test]
fn declares_what_it_can() {
    let one = FileSource::new(FileSourceConfig::new(["a"])).unwrap();
    assert_eq!((one.replay(), one.key_placement(), one.bounded()), (Replay::Exact, KeyPlacement::OneSplit, true));
    let two = FileSource::new(FileSourceConfig::new(["a", "b"])).unwrap();
    assert_eq!(two.key_placement(), KeyPlacement::AnySplit);
    assert_eq!(block_on(two.discover()).unwrap(), ["a", "b"]);
    assert!(!FileSource::new(FileSourceConfig::follow("a")).unwrap().bounded());
    for bad in [
        FileSourceConfig::new(Vec::<String>::new()),
        FileSourceConfig::new(["a", "a"]),
        FileSourceConfig::new([""]),
        FileSourceConfig { poll_ms: 0, ..FileSourceConfig::new(["a"]) },
        FileSourceConfig { max_line_bytes: 0, ..FileSourceConfig::new(["a"]) },
    ] {
        assert_eq!(FileSource::new(bad).unwrap_err().code(), "E0436");
    }
    assert!(toml::from_str::<FileSourceConfig>("paths = ['a']\nfolow = true").is_err());
}

fn rows(bodies: &[&str]) -> Vec<EncodedRow> {
    bodies.iter().map(|body| EncodedRow { body: body.as_bytes().to_vec(), ..EncodedRow::default() }).collect()
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn the_sink_appends_and_repeats_an_epoch_without_doubling_it() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("out.jsonl");
    std::fs::write(&path, "before\ntorn").unwrap();
    let sink = FileSink::new(FileSinkConfig::new(path.display().to_string()));
    let mut writer = block_on(sink.open(0, 1)).unwrap();
    block_on(writer.write(1, &rows(&["a", "b"]))).unwrap();
    block_on(writer.write(2, &rows(&["c"]))).unwrap();
    block_on(writer.write(2, &rows(&["c"]))).unwrap();
    block_on(writer.write(3, &[])).unwrap();
    assert!(block_on(writer.prepare(1)).unwrap().is_none());
    assert_eq!(read(&path), "before\ntorn\na\nb\nc\n");
    let refused = block_on(writer.write(4, &rows(&["good", "two\nlines"])));
    assert!(matches!(refused, Err(Failure::Poison { index: 1, .. })));
    assert_eq!(read(&path), "before\ntorn\na\nb\nc\n", "nothing of a refused epoch is written");
    drop(writer);
    let mut writer = block_on(sink.open(0, 2)).unwrap();
    block_on(writer.write(2, &rows(&["c"]))).unwrap();
    assert_eq!(read(&path), "before\ntorn\na\nb\nc\nc\n", "at least once: a new run repeats");
}

#[test]
fn the_sink_needs_a_file_of_its_own() {
    let dir = tempdir().unwrap();
    let fatal = |path: &Path, part| match block_on(
        FileSink::new(FileSinkConfig::new(path.display().to_string())).open(part, 1),
    ) {
        Err(Failure::Fatal(e)) => e.code(),
        _ => panic!(),
    };
    assert_eq!(fatal(dir.path(), 0), "E0332");
    assert_eq!(fatal(&dir.path().join("no/such/directory"), 0), "E0332");
    assert_eq!(fatal(&dir.path().join("shared"), 1), "E0332");
    let config = FileSinkConfig {
        retractions: Retractions::Refuse,
        ..FileSinkConfig::new(dir.path().join("out-{part}").display().to_string())
    };
    let mut writer = block_on(FileSink::new(config).open(3, 1)).unwrap();
    block_on(writer.write(1, &rows(&["x"]))).unwrap();
    assert_eq!(read(&dir.path().join("out-3")), "x\n");
    let back = EncodedRow { retract: true, ..EncodedRow::default() };
    assert!(matches!(block_on(writer.write(2, &[back])), Err(Failure::Poison { index: 0, .. })));
}
