//! Jobs that stop, or are killed, and come back to their newest checkpoint.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::sync::Arc;
use std::time::{Duration, Instant};

use support::detectors::Sums;
use support::sink::{AsText, Keeps};
use support::{BY_ROWS, Row, SOON, in_time, row, settles};
use watchfire_engine::durable::{Checkpoints, Store};
use watchfire_engine::sink::CommitMode;
use watchfire_engine::source::Replay;
use watchfire_engine::testing::{Faults, FaultyStore};
use watchfire_engine::{ChannelIn, Checkpointing, Error, Job, Running};

fn job(sink: &Keeps) -> Job {
    let sink = sink.clone();
    let job = Job::new(move |flow| {
        let again = ChannelIn { replay: Replay::Exact, ..ChannelIn::default() };
        let sums = flow.channel_with::<Row>("in", again).key_by(|row: &Row| row.key).detect("sums", Sums);
        sums.out.to_sink("out", sink.clone(), AsText { ids: false });
    });
    job.ticks(BY_ROWS).epoch_rows_max(50)
}

fn sink() -> Keeps {
    Keeps::new(CommitMode::TwoPhase)
}

fn store() -> FaultyStore {
    FaultyStore::new(Faults::default())
}

/// A checkpoint at the end of every epoch.
fn always(job: Job, store: &FaultyStore) -> Job {
    job.checkpoint_to(Arc::new(store.clone()), Checkpointing { every_ms: 0, ..Checkpointing::named("site") })
}

const ROWS: i64 = 3_000;

/// Rows of 37 keys.
fn input() -> Vec<Row> {
    (0..ROWS).map(|n| row(n * 10, (n * n % 37) as u32, n)).collect()
}

/// What leaves if nothing happens, in order.
fn expected() -> Vec<String> {
    let sink = sink();
    let mut running = job(&sink).start().unwrap();
    running.sender::<Row>("in").unwrap().send(input()).unwrap();
    in_time(move || running.wait()).unwrap();
    sink.visible()
}

/// Sends what the job has not, up to a row.
fn feed(running: &mut Running, upto: usize) -> u64 {
    let sender = running.sender::<Row>("in").unwrap();
    let from = sender.resumes_at();
    for batch in input()[from as usize..upto].chunks(100) {
        if sender.send(batch.to_vec()).is_err() {
            break;
        }
    }
    if upto < ROWS as usize {
        // Dropped, it would end the channel.
        std::mem::forget(sender);
    }
    from
}

#[test]
fn a_job_that_is_stopped_goes_on_where_it_was() {
    let expected = expected();
    for workers in 1..=3 {
        let (store, sink) = (store(), sink());
        for (n, upto) in [1_000, 1_000, 2_200, ROWS as usize].into_iter().enumerate() {
            let job = always(job(&sink), &store).workers((workers + n) % 3 + 1);
            let mut running = job.start().unwrap();
            let from = feed(&mut running, upto);
            assert_eq!(from, [0, 1_000, 1_000, 2_200][n], "{:?}", Checkpoints::new(Arc::new(store.clone())).list());
            if upto < ROWS as usize {
                assert!(settles(|| running.metrics().sources["in"].rows == upto as u64 - from));
                in_time(move || running.stop(SOON)).unwrap();
            } else {
                in_time(move || running.wait()).unwrap();
            }
        }
        assert_eq!(sink.visible(), expected);
        // It is done, and stays so.
        let mut running = always(job(&sink), &store).start().unwrap();
        let sender = running.sender::<Row>("in").unwrap();
        assert!(sender.send(input()).is_err());
        in_time(move || running.wait()).unwrap();
        assert_eq!(sink.visible(), expected);
    }
}

/// One life of a job: whether it came to its end before its store crashed, and the job with it.
fn live(job: &Job, store: &FaultyStore) -> bool {
    let mut running = match job.start() {
        Ok(running) => running,
        Err(error) => {
            assert!(store.is_down(), "{error}");
            return false;
        }
    };
    let sender = running.sender::<Row>("in").unwrap();
    let from = sender.resumes_at() as usize;
    let feeds =
        std::thread::spawn(move || input()[from..].chunks(100).all(|batch| sender.send(batch.to_vec()).is_ok()));
    let until = Instant::now() + SOON;
    while !feeds.is_finished() && !store.is_down() {
        std::thread::sleep(Duration::from_micros(200));
    }
    loop {
        if store.is_down() {
            running.abort();
            let error = in_time(move || running.wait()).unwrap_err();
            assert_eq!(error.code(), "E0906", "{error}");
            feeds.join().unwrap();
            return false;
        }
        match running.drain(Duration::from_millis(10)) {
            Ok(_) => return true,
            Err(error) => assert!(error.code() == "E0904" && Instant::now() < until, "{error}"),
        }
    }
}

#[test]
fn a_job_that_is_killed_anywhere_comes_back_and_loses_and_doubles_nothing() {
    let expected = expected();
    let mut crashes = 0;
    for seed in 0..60 {
        let (store, sink) = (FaultyStore::new(Faults { seed, ..Faults::default() }), sink());
        for life in 0.. {
            let job = always(job(&sink), &store).workers((seed + life) as usize % 4 + 1);
            if life < 8 {
                store.crash_after((seed * 7 + life * 13) % 60);
            }
            if live(&job, &store) {
                break;
            }
            crashes += 1;
            store.power_cut();
            store.restart();
        }
        let (mut seen, mut wanted) = (sink.visible(), expected.clone());
        seen.sort();
        wanted.sort();
        let lost: Vec<_> = wanted.iter().filter(|row| !seen.contains(row)).take(5).collect();
        let more: Vec<_> = seen.iter().filter(|row| !wanted.contains(row)).take(5).collect();
        assert!(seen == wanted, "seed {seed}: lost {lost:?}, more {more:?}, {} of {}", seen.len(), wanted.len());
    }
    assert!(crashes > 200, "{crashes}");
}

#[test]
fn another_job_or_flow_is_refused() {
    let (store, sink) = (store(), sink());
    let mut running = always(job(&sink), &store).start().unwrap();
    feed(&mut running, 100);
    assert!(settles(|| running.metrics().sources["in"].rows == 100));
    running.stop(SOON).unwrap();
    let start = |job: Job| -> Error { job.start().unwrap_err() };
    let other = job(&sink).checkpoint_to(Arc::new(store.clone()), Checkpointing::named("lifts"));
    assert_eq!(start(other).code(), "E0532");
    let other = Job::new(|flow| {
        let again = ChannelIn { replay: Replay::Exact, ..ChannelIn::default() };
        flow.channel_with::<Row>("in", again).to_channel("out");
    });
    let error = start(always(other, &store));
    assert!(error.code() == "E0528" && error.to_string().contains("+ 1 sink \"out\""), "{error}");
    let none = Job::new(|flow| flow.channel::<Row>("in").to_channel("out"));
    let error = start(always(none, &store));
    assert!(error.code() == "E0100" && error.to_string().contains("E0111"), "{error}");
    assert!(!store.list("log").unwrap().is_empty());
}

/// What a call deleted that failed is gone to the eye, and back after a power cut: a record must not name what was deleted since.
#[test]
fn no_power_cut_brings_back_a_record_of_what_is_gone() {
    let mut crashed = 0;
    for seed in 0..2 {
        for calls in 0.. {
            let store = FaultyStore::new(Faults { seed, ..Faults::default() });
            let config = Checkpointing { every_ms: 0, keep: 99, ..Checkpointing::named("site") };
            let job = job(&sink()).checkpoint_to(Arc::new(store.clone()), config);
            for upto in [100, 200, 300] {
                let mut running = job.start().unwrap();
                feed(&mut running, upto);
                running.stop(SOON).unwrap();
            }
            let checkpoints = Checkpoints::new(Arc::new(store.clone()));
            assert!(checkpoints.list().unwrap().len() > 2);
            store.crash_after(calls);
            if checkpoints.prune(1).is_ok() {
                break;
            }
            crashed += 1;
            store.restart();
            checkpoints.prune(1).unwrap();
            store.power_cut();
            store.restart();
            let damage = checkpoints.verify().unwrap();
            assert!(damage.is_empty(), "seed {seed}, {calls} calls: {damage:?}");
        }
    }
    assert!(crashed > 20, "{crashed}");
}
