//! Staging and committing through the sink, as a job does it, and what crashes and other hands do to it.
#![allow(clippy::unwrap_used, clippy::panic)]

use futures_lite::future::block_on;
use proptest::prelude::*;
use watchfire_engine::decode::EncodedRow;
use watchfire_engine::sink::{CommitMode, Sink, Writer};
use watchfire_engine::source::Failure;

use super::super::{FileSink, FileSinkConfig};

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Place(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> std::path::PathBuf {
        self.0.path().join("alarms.jsonl")
    }

    fn open(&self, generation: u64) -> Box<dyn Writer> {
        let sink = FileSink::new(FileSinkConfig::two_phase(self.path().display().to_string()));
        assert_eq!(sink.commit_mode(), CommitMode::TwoPhase);
        block_on(sink.open(0, generation)).unwrap()
    }

    fn text(&self) -> String {
        std::fs::read_to_string(self.path()).unwrap()
    }

    /// Files beside the sink's own.
    fn staged(&self) -> usize {
        std::fs::read_dir(self.0.path()).unwrap().count() - 1
    }
}

fn write(writer: &mut Box<dyn Writer>, epoch: u64, body: &str) {
    let row = EncodedRow { body: body.as_bytes().to_vec(), ..EncodedRow::default() };
    block_on(writer.write(epoch, &[row])).unwrap();
}

fn prepare(writer: &mut Box<dyn Writer>, commit: u64) -> Vec<u8> {
    block_on(writer.prepare(commit)).unwrap().unwrap()
}

fn commit(writer: &mut Box<dyn Writer>, ticket: &[u8]) -> Result<(), Failure> {
    block_on(writer.commit(0, ticket))
}

fn code(result: Result<(), Failure>) -> &'static str {
    match result.unwrap_err() {
        Failure::Fatal(error) => error.code(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn rows_are_seen_with_their_commit() {
    let place = Place::new();
    let mut writer = place.open(1);
    block_on(writer.abort_older()).unwrap();
    write(&mut writer, 1, "one");
    write(&mut writer, 2, "two");
    // A write that is repeated takes the place of what it left.
    write(&mut writer, 2, "2");
    let first = prepare(&mut writer, 7);
    assert_eq!(prepare(&mut writer, 7), first, "asked again it says the same");
    write(&mut writer, 3, "three");
    let second = prepare(&mut writer, 8);
    assert_eq!((place.text().as_str(), place.staged()), ("", 2));
    commit(&mut writer, &first).unwrap();
    assert_eq!((place.text().as_str(), place.staged()), ("one\n2\n", 1));
    commit(&mut writer, &second).unwrap();
    commit(&mut writer, &second).unwrap();
    assert_eq!((place.text().as_str(), place.staged()), ("one\n2\nthree\n", 0));
    assert_eq!(block_on(writer.prepare(9)).unwrap(), None, "there was nothing");
}

#[test]
fn another_run_finishes_what_was_promised_and_removes_the_rest() {
    let place = Place::new();
    std::fs::write(place.path(), "before\n").unwrap();
    let mut old = place.open(1);
    block_on(old.abort_older()).unwrap();
    write(&mut old, 1, "promised");
    let ticket = prepare(&mut old, 7);
    write(&mut old, 2, "begun");
    let mut new = place.open(5);
    commit(&mut new, &ticket).unwrap();
    block_on(new.abort_older()).unwrap();
    assert_eq!((place.text().as_str(), place.staged()), ("before\npromised\n", 0));
    write(&mut new, 3, "new");
    let next = prepare(&mut new, 8);
    commit(&mut new, &next).unwrap();
    // The old run wakes up, and has not heard of it.
    commit(&mut old, &ticket).unwrap();
    write(&mut old, 2, "again");
    block_on(new.abort_older()).unwrap();
    assert_eq!((place.text().as_str(), place.staged()), ("before\npromised\nnew\n", 0));
}

#[test]
fn what_somebody_else_has_changed_is_not_written_over() {
    let place = Place::new();
    let mut writer = place.open(1);
    block_on(writer.abort_older()).unwrap();
    write(&mut writer, 1, "one");
    let ticket = prepare(&mut writer, 7);
    std::fs::write(place.path(), "o!\n").unwrap();
    assert_eq!(code(commit(&mut writer, &ticket)), "E0334");
    std::fs::write(place.path(), "on").unwrap();
    commit(&mut writer, &ticket).unwrap();
    assert_eq!(place.text(), "one\n", "a half commit is completed");
    write(&mut writer, 2, "two");
    let ticket = prepare(&mut writer, 8);
    std::fs::write(place.path(), "").unwrap();
    assert_eq!(code(commit(&mut writer, &ticket)), "E0334");
    std::fs::write(place.path(), "one\n").unwrap();
    for entry in std::fs::read_dir(place.0.path()).unwrap() {
        let path = entry.unwrap().path();
        if path != place.path() {
            std::fs::remove_file(path).unwrap();
        }
    }
    assert_eq!(code(commit(&mut writer, &ticket)), "E0334");
    assert_eq!(code(commit(&mut writer, b"no ticket")), "E0335");
    let folder = FileSink::new(FileSinkConfig::two_phase(place.0.path().display().to_string()));
    assert!(matches!(block_on(folder.open(0, 1)), Err(Failure::Fatal(e)) if e.code() == "E0332"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]
    /// However far a commit came before it was cut off, the next run completes it, and only then goes on.
    #[test]
    fn a_commit_that_was_cut_off_is_completed(lines in prop::collection::vec("[a-z]{0,9000}", 1..60), cut in any::<prop::sample::Index>()) {
        let place = Place::new();
        let mut writer = place.open(1);
        block_on(writer.abort_older()).unwrap();
        for (epoch, line) in lines.iter().enumerate() {
            write(&mut writer, epoch as u64, line);
        }
        let ticket = prepare(&mut writer, 1);
        let whole: String = lines.iter().map(|line| format!("{line}\n")).collect();
        std::fs::write(place.path(), &whole[..cut.index(whole.len() + 1)]).unwrap();
        let mut next = place.open(2);
        commit(&mut next, &ticket).unwrap();
        block_on(next.abort_older()).unwrap();
        prop_assert_eq!(place.text(), whole);
    }
}
