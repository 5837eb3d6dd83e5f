//! What a job finds when it comes back: splits that have ended, moved on or gone, time that has passed, another run of itself,
//! and a store that is not as it was.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use support::detectors::Sums;
use support::replayed::Replayed;
use support::sink::{AsText, Keeps};
use support::source::Lines;
use support::{BY_ROWS, Row, SOON, in_time, row, rows, settles};
use watchfire_engine::durable::{Checkpoints, Store};
use watchfire_engine::sink::CommitMode;
use watchfire_engine::source::Replay;
use watchfire_engine::testing::{CallKind, Faults, FaultyStore, Hooked};
use watchfire_engine::{
    ChannelIn, Checkpointing, Context, Describe, Detector, Error, Job, Running, State, TickSource, Verdict, rkyv,
};

fn store() -> FaultyStore {
    FaultyStore::new(Faults::default())
}

fn sink() -> Keeps {
    Keeps::new(CommitMode::TwoPhase)
}

fn config() -> Checkpointing {
    Checkpointing { every_ms: 0, keep: 2, ..Checkpointing::named("site") }
}

fn job(source: &Replayed, sink: &Keeps, store: &FaultyStore) -> Job {
    let (source, sink) = (source.clone(), sink.clone());
    let job = Job::new(move |flow| {
        let rows = flow.source::<Row, _, _>("in", source.clone(), Lines);
        rows.dead.to_channel("dead");
        let sums = rows.rows.key_by(|row: &Row| row.key).detect("sums", Sums);
        sums.out.to_sink("out", sink.clone(), AsText { ids: false });
    });
    job.ticks(BY_ROWS).epoch_rows_max(20).checkpoint_to(Arc::new(store.clone()), config())
}

fn read(running: &Running) -> u64 {
    running.metrics().sources["in"].read
}

fn two_splits() -> Replayed {
    let of = |key| (0..100).map(|n| row(n * 50, key, n)).collect::<Vec<_>>();
    let mut long = of(2);
    long.extend((100..300).map(|n| row(n * 50, 2, n)));
    Replayed::new(&[("a", of(1)), ("b", long)])
}

#[test]
fn a_split_that_has_ended_stays_ended_and_the_others_go_on_where_they_were() {
    let (source, sink, store) = (two_splits(), sink(), store());
    source.give_upto(150);
    let mut running = job(&source, &sink, &store).start().unwrap();
    assert!(settles(|| read(&running) == 250));
    running.stop(SOON).unwrap();
    assert_eq!(source.opened(), [("a".to_owned(), None), ("b".to_owned(), None)]);
    source.give_upto(u64::MAX);
    let mut running = job(&source, &sink, &store).workers(3).start().unwrap();
    in_time(move || running.wait()).unwrap();
    assert_eq!(source.opened(), [("b".to_owned(), Some(150))]);
    let sums: Vec<String> = sink.visible().into_iter().filter(|row| !row.contains(",-")).collect();
    assert_eq!(sums.len(), 400, "each row once");
    assert!(sums.contains(&format!("{},2,{}", 299 * 50, 299 * 300 / 2)) && sums.contains(&"4950,1,4950".to_owned()));
}

#[test]
fn rows_are_acknowledged_when_every_kept_checkpoint_has_them() {
    let (source, sink, store) = (two_splits(), sink(), store());
    let count = || Checkpoints::new(Arc::new(store.clone())).list().unwrap().len();
    source.give_upto(7);
    let mut running = job(&source, &sink, &store).start().unwrap();
    assert!(settles(|| count() > 0 && read(&running) == 14));
    running.stop(SOON).unwrap();
    // Of two checkpoints the older may be the first, which holds fewer rows.
    let early = source.acknowledged.lock().unwrap().clone();
    assert!(early.iter().all(|(_, upto)| *upto <= 7), "{early:?}");
    source.give_upto(u64::MAX);
    let mut running = job(&source, &sink, &store).start().unwrap();
    in_time(move || running.wait()).unwrap();
    assert!(
        settles(|| source.acknowledged.lock().unwrap().contains(&("b".to_owned(), 300))),
        "a drained job forgets all"
    );
}

#[test]
fn nothing_is_acknowledged_before_a_checkpoint_is_durable() {
    let (source, sink, store) = (two_splits(), sink(), store());
    source.give_upto(50);
    let mut running = job(&source, &sink, &store).start().unwrap();
    // It never writes anything again.
    store.crash_after(0);
    assert!(settles(|| read(&running) == 100));
    std::thread::sleep(Duration::from_millis(30));
    assert!(source.acknowledged.lock().unwrap().is_empty() && sink.visible().is_empty());
    let error = running.stop(Duration::from_millis(100)).unwrap_err();
    assert!(error.code() == "E0904" && error.to_string().contains("the store of checkpoints"), "{error}");
    store.restart();
    running.stop(SOON).unwrap();
    assert!(!sink.visible().is_empty());
}

#[test]
fn a_split_that_is_gone_or_an_offset_that_has_expired_is_an_error() {
    let (source, sink, store) = (two_splits(), sink(), store());
    source.give_upto(150);
    let mut running = job(&source, &sink, &store).start().unwrap();
    assert!(settles(|| read(&running) == 250));
    running.stop(SOON).unwrap();
    let fails = |source: &Replayed| {
        let mut running = job(source, &sink, &store).start().unwrap();
        in_time(move || running.wait()).unwrap_err()
    };
    source.earliest.store(200, std::sync::atomic::Ordering::SeqCst);
    let error = fails(&source);
    assert!(error.code() == "E0403" && error.to_string().contains("200"), "{error}");
    source.earliest.store(0, std::sync::atomic::Ordering::SeqCst);
    let other = two_splits();
    other.remove("b");
    let error = fails(&other);
    assert!(error.code() == "E0405" && error.to_string().contains("\"b\""), "{error}");
    // A split that has ended may go, and new ones may come.
    source.remove("a");
    source.give_upto(u64::MAX);
    let mut running = job(&source, &sink, &store).start().unwrap();
    in_time(move || running.wait()).unwrap();
}

/// Says when a key has been quiet for 300 ms: by the quiet clock, and how long by the arrival clock.
struct Quiet;

#[derive(Clone, Default, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
struct Last {
    quiet_ms: i64,
    arrival_ms: i64,
}
impl State for Last {
    const NAME: &'static str = "test.last";
    const VERSION: u32 = 1;
}

impl Detector for Quiet {
    type Key = u32;
    type In = Row;
    type Out = Row;
    type State = Last;

    fn describe(&self) -> Describe {
        Describe { kind: "quiet", params: String::new(), ordered: false }
    }

    fn on_row(&self, last: &mut Last, _: &Row, cx: &mut Context<'_, u32, Row>) -> Verdict {
        *last = Last { quiet_ms: cx.quiet_ms(), arrival_ms: cx.arrival_ms() };
        cx.wake_at_quiet_ms(cx.quiet_ms() + 300);
        Verdict::Applied
    }

    fn on_quiet(&self, last: &mut Last, cx: &mut Context<'_, u32, Row>) {
        let (quiet_ms, away_ms) = (cx.quiet_ms() - last.quiet_ms, cx.arrival_ms() - last.arrival_ms);
        cx.emit(row(away_ms, *cx.key(), quiet_ms));
    }
}

#[test]
fn time_that_passes_while_a_job_is_away_is_no_silence() {
    let store = store();
    let job = Job::new(|flow| {
        let again = ChannelIn { replay: Replay::Exact, ..ChannelIn::default() };
        let quiet = flow.channel_with::<Row>("in", again).key_by(|row: &Row| row.key).detect("quiet", Quiet);
        quiet.out.to_channel("out");
    });
    let job = job.ticks(TickSource::Wall { interval_ms: 10 }).checkpoint_to(Arc::new(store.clone()), config());
    let mut running = job.start().unwrap();
    let (sender, _out) = (running.sender::<Row>("in").unwrap(), running.receiver::<Row>("out").unwrap());
    sender.send(rows(0..5)).unwrap();
    assert!(settles(|| read(&running) == 5));
    running.stop(SOON).unwrap();
    std::thread::sleep(Duration::from_millis(900));
    let mut running = job.start().unwrap();
    let out = running.receiver::<Row>("out").unwrap();
    let heard = in_time(move || out.recv()).unwrap().rows;
    assert_eq!(heard.len(), 1);
    let (away_ms, quiet_ms) = (heard[0].at_ms, heard[0].value);
    assert!(away_ms >= 1_100 && (300..900).contains(&quiet_ms), "away {away_ms}, quiet {quiet_ms}");
    running.abort();
}

#[test]
fn a_second_run_fences_the_first() {
    let (source, sink, store) = (two_splits(), sink(), store());
    source.give_upto(30);
    let mut first = job(&source, &sink, &store).start().unwrap();
    assert!(settles(|| read(&first) == 60));
    let mut second = job(&source, &sink, &store).start().unwrap();
    source.give_upto(u64::MAX);
    let error = in_time(move || first.wait()).unwrap_err();
    assert!(error.code() == "E0524", "{error}");
    in_time(move || second.wait()).unwrap();
    let sums: Vec<String> = sink.visible().into_iter().filter(|row| !row.contains(",-")).collect();
    assert_eq!(sums.len(), 400, "each row once");
}

#[test]
fn a_damaged_checkpoint_is_not_loaded_and_what_was_committed_is_not_repeated() {
    let (source, sink, store) = (two_splits(), sink(), store());
    source.give_upto(30);
    let mut running = job(&source, &sink, &store).start().unwrap();
    assert!(settles(|| read(&running) == 60));
    running.stop(SOON).unwrap();
    source.give_upto(60);
    let mut running = job(&source, &sink, &store).start().unwrap();
    assert!(settles(|| read(&running) == 60));
    running.stop(SOON).unwrap();
    let newest = Checkpoints::new(Arc::new(store.clone())).list().unwrap().pop().unwrap().manifest;
    let file = newest.ingest.clone().unwrap();
    let backup = store.get(&file.name).unwrap().unwrap();
    assert!(store.flip(&file.name));
    let start = || job(&source, &sink, &store).start();
    let error = start().unwrap_err();
    assert!(error.code() == "E0530" && error.to_string().contains("\"out\""), "{error}");
    // Restored from a backup it goes on.
    store.put(&file.name, &backup).unwrap();
    source.give_upto(u64::MAX);
    let mut running = start().unwrap();
    in_time(move || running.wait()).unwrap();
    assert_eq!(sink.visible().iter().filter(|row| !row.contains(",-")).count(), 400);
}

#[test]
fn a_store_that_is_full_or_of_a_later_release_is_told() {
    let (source, sink) = (two_splits(), sink());
    let full = FaultyStore::new(Faults { seed: 1, full_per_mille: 1_000, ..Faults::default() });
    let error: Error = job(&source, &sink, &full).start().unwrap_err();
    assert_eq!(error.code(), "E0511", "{error}");
    let store = store();
    source.give_upto(30);
    let mut running = job(&source, &sink, &store).start().unwrap();
    assert!(settles(|| read(&running) == 60));
    running.stop(SOON).unwrap();
    let last = store.list("log").unwrap().pop().unwrap();
    let mut record = store.get(&last).unwrap().unwrap();
    record[10] = 9;
    let sum = xxhash_rust::xxh3::xxh3_64(&[&record[..24], &record[32..]].concat());
    record[24..32].copy_from_slice(&sum.to_le_bytes());
    store.put(&last, &record).unwrap();
    assert_eq!(job(&source, &sink, &store).start().unwrap_err().code(), "E0522");
}

/// Counts rows, in a state whose layout depends on the release.
struct Counts<S>(std::marker::PhantomData<fn() -> S>);

trait Counter: State {
    fn next(&mut self) -> i64;
}

#[derive(Clone, Default, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
struct First {
    count: i32,
}
impl State for First {
    const NAME: &'static str = "test.count";
    const VERSION: u32 = 1;
}
impl Counter for First {
    fn next(&mut self) -> i64 {
        self.count += 1;
        i64::from(self.count)
    }
}

#[derive(Clone, Default, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
struct Second {
    count: i64,
    migrated: bool,
}
impl State for Second {
    const NAME: &'static str = "test.count";
    const VERSION: u32 = 2;
    const MIGRATES: &'static [u32] = &[1];
    fn migrate(_version: u32, bytes: &[u8]) -> Result<Self, Error> {
        Ok(Second { count: First::decode(bytes)?.count.into(), migrated: true })
    }
}
impl Counter for Second {
    fn next(&mut self) -> i64 {
        self.count += 1;
        // So that the test sees which keys were migrated.
        self.count + if self.migrated { 1_000 } else { 0 }
    }
}

impl<S: Counter> Detector for Counts<S> {
    type Key = u32;
    type In = Row;
    type Out = Row;
    type State = S;

    fn describe(&self) -> Describe {
        Describe { kind: "counts", params: String::new(), ordered: false }
    }

    fn on_row(&self, count: &mut S, of: &Row, cx: &mut Context<'_, u32, Row>) -> Verdict {
        cx.emit(row(of.at_ms, of.key, count.next()));
        Verdict::Applied
    }
}

fn counts<S: Counter>(source: &Replayed, sink: &Keeps, name: &'static str) -> Job {
    let (source, sink) = (source.clone(), sink.clone());
    let job = Job::new(move |flow| {
        let rows = flow.source::<Row, _, _>("in", source.clone(), Lines).rows;
        let counts = rows.key_by(|row: &Row| row.key).detect(name, Counts::<S>(std::marker::PhantomData));
        counts.out.to_sink("out", sink.clone(), AsText { ids: false });
    });
    job.ticks(BY_ROWS).epoch_rows_max(20)
}

#[test]
fn states_migrate_and_other_flows_are_taken_over_knowingly_or_refused() {
    let (source, sink, store) = (two_splits(), sink(), store());
    let with = |job: Job, config: Checkpointing| job.checkpoint_to(Arc::new(store.clone()), config);
    let upto = |job: &Job, offset: u64, rows: u64| {
        source.give_upto(offset);
        let mut running = job.start().unwrap();
        assert!(settles(|| read(&running) == rows));
        running.stop(SOON).unwrap();
    };
    upto(&with(counts::<First>(&source, &sink, "counts"), config()), 50, 100);
    // The new release reads the old states, with another number of workers, and writes all of them anew.
    upto(&with(counts::<Second>(&source, &sink, "counts"), config()).workers(2), 60, 20);
    upto(&with(counts::<Second>(&source, &sink, "counts"), config()), 70, 20);
    assert!(sink.visible().contains(&"3450,2,1070".to_owned()));
    assert!(Checkpoints::new(Arc::new(store.clone())).verify().unwrap().is_empty());
    // The old one does not read the new ones.
    let error = with(counts::<First>(&source, &sink, "counts"), config()).start().unwrap_err();
    assert!(error.code() == "E0528" && error.to_string().contains("test.count version 2"), "{error}");
    // Under another name the operator begins anew, if somebody says that it may.
    let renamed = counts::<Second>(&source, &sink, "other");
    let error = with(renamed.clone(), config()).start().unwrap_err();
    let flow = counts::<Second>(&source, &sink, "counts").fingerprint();
    assert!(error.code() == "E0528" && error.to_string().contains(&format!("{flow:#018x}")), "{error}");
    upto(&with(renamed, Checkpointing { from_flows: vec![flow], ..config() }), 80, 20);
    // Which of the two splits comes first is not told.
    assert!(["3950,1,10", "3950,2,10"].iter().all(|of| sink.visible().contains(&(*of).to_owned())));
}

/// A store in which another run makes a checkpoint and collects the others whenever somebody is about to read one, for the
/// first few times.
fn outrun(store: &FaultyStore, times: u32) -> Hooked {
    let (left, of_other) = (AtomicU32::new(times), store.clone());
    Hooked::new(Arc::new(store.clone()), move |call| {
        let reads = call.kind == CallKind::Get && !call.done && call.name.starts_with("state/");
        if reads && left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_ok() {
            let mut other = endless(of_other.clone(), 1).start().unwrap();
            let sender = other.sender::<Row>("in").unwrap();
            sender.send(rows(0..10)).unwrap();
            other.stop(SOON).unwrap();
            Checkpoints::new(Arc::new(of_other.clone())).prune(1).unwrap();
        }
        Ok(())
    })
}

/// Counts what a host sends.
fn endless(store: impl Store, workers: usize) -> Job {
    let again = ChannelIn { replay: Replay::Seek, ..ChannelIn::default() };
    let job = Job::new(move |flow| {
        let sums = flow.channel_with::<Row>("in", again).key_by(|row: &Row| row.key).detect("sums", Sums);
        sums.out.to_sink("out", Keeps::new(CommitMode::TwoPhase), AsText { ids: false });
    });
    job.ticks(BY_ROWS).workers(workers).checkpoint_to(Arc::new(store), config())
}

#[test]
fn a_checkpoint_that_is_collected_while_it_is_read_is_not_missed_when_there_is_a_newer_one() {
    for times in [1, 3, 99] {
        let store = store();
        let mut first = endless(store.clone(), 1).start().unwrap();
        first.sender::<Row>("in").unwrap().send(rows(0..10)).unwrap();
        first.stop(SOON).unwrap();
        match endless(outrun(&store, times), 2).start() {
            Ok(mut running) => {
                assert!(times < 99);
                assert_eq!(running.sender::<Row>("in").unwrap().resumes_at(), 10 + 10 * u64::from(times));
                running.stop(SOON).unwrap();
            }
            Err(error) => assert!(times == 99 && error.code() == "E0531", "{error}"),
        }
    }
}
