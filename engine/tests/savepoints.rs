//! Checkpoints with names.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use support::detectors::Sums;
use support::{BY_ROWS, Row, SOON, rows};
use watchfire_engine::durable::{Checkpoints, Store};
use watchfire_engine::source::Replay;
use watchfire_engine::testing::{CallKind, Faults, FaultyStore, Hooked};
use watchfire_engine::{ChannelIn, Checkpointing, Job, Running};

fn store() -> FaultyStore {
    FaultyStore::new(Faults::default())
}

fn start(store: &FaultyStore, name: &str) -> Running {
    let config = Checkpointing { every_ms: 0, ..Checkpointing::named(name) };
    let job = Job::new(|flow| {
        let again = ChannelIn { replay: Replay::Exact, ..ChannelIn::default() };
        let rows = flow.channel_with::<Row>("in", again).key_by(|row: &Row| row.key);
        rows.detect("sums", Sums).out.to_channel("out");
    });
    job.ticks(BY_ROWS).checkpoint_to(Arc::new(store.clone()), config).start().unwrap()
}

/// Lets a job have so many rows, and stop; the last that it says of them.
fn upto(store: &FaultyStore, name: &str, upto: i64) -> i64 {
    let mut running = start(store, name);
    let (sender, out) = (running.sender::<Row>("in").unwrap(), running.receiver::<Row>("out").unwrap());
    let (mut last, expected): (i64, i64) = (0, (0..upto).sum());
    for n in sender.resumes_at() as i64..upto {
        sender.send(rows(n..n + 1)).unwrap();
    }
    while last != expected {
        let output = out.recv_timeout(SOON).unwrap().expect("it stands still");
        last = output.rows.last().unwrap().value;
    }
    std::mem::forget(sender);
    running.stop(SOON).unwrap();
    last
}

fn checkpoints(store: &FaultyStore) -> Checkpoints {
    Checkpoints::new(Arc::new(store.clone()))
}

#[test]
fn a_savepoint_outlives_what_is_pruned_and_another_job_goes_on_from_it() {
    let first = store();
    upto(&first, "site", 40);
    let saved = checkpoints(&first).save("early").unwrap();
    assert_eq!(checkpoints(&first).save("early").unwrap_err().code(), "E0535");
    for n in 5..9 {
        upto(&first, "site", 10 * n);
    }
    checkpoints(&first).prune(1).unwrap();
    let newest = checkpoints(&first).list().unwrap();
    assert!(newest.len() == 1 && newest[0].manifest.checkpoint > saved.manifest.checkpoint, "{newest:?}");
    assert_eq!(checkpoints(&first).savepoints().unwrap(), [saved]);
    assert!(checkpoints(&first).verify().unwrap().is_empty());

    let second = store();
    checkpoints(&first).fork("early", Arc::new(second.clone()), "rehearsal").unwrap();
    assert_eq!(start(&second, "rehearsal").sender::<Row>("in").unwrap().resumes_at(), 40);
    for n in 5..20 {
        // It goes its own way, also through pruning.
        upto(&second, "rehearsal", 10 * n);
        checkpoints(&second).prune(1).unwrap();
    }
    let left = second.list("state").unwrap();
    assert!(left.len() < 6 && left.iter().all(|name| !name.contains("/00000000000000000001-")), "{left:?}");
    // The first knows nothing of that.
    assert_eq!(start(&first, "site").sender::<Row>("in").unwrap().resumes_at(), 80);

    let before = first.list("state").unwrap().len();
    checkpoints(&first).forget("early").unwrap();
    checkpoints(&first).prune(1).unwrap();
    assert!(first.list("state").unwrap().len() < before);
    assert_eq!(checkpoints(&first).forget("early").unwrap_err().code(), "E0538");
}

#[test]
fn what_cannot_be_saved_or_taken_is_refused() {
    let first = store();
    assert_eq!(checkpoints(&first).save("none").unwrap_err().code(), "E0536");
    upto(&first, "site", 40);
    for name in ["", "a/b", "..", "A", "a b"] {
        assert_eq!(checkpoints(&first).save(name).unwrap_err().code(), "E0514", "{name:?}");
    }
    checkpoints(&first).save("one").unwrap();
    let other: Arc<dyn Store> = Arc::new(first.clone());
    assert_eq!(checkpoints(&first).fork("one", other, "site").unwrap_err().code(), "E0539");
    assert_eq!(checkpoints(&first).fork("two", Arc::new(store()), "site").unwrap_err().code(), "E0538");
    let needed = checkpoints(&first).savepoints().unwrap().remove(0).manifest;
    let (of_keys, of_ingest) = (needed.operators["sums"].files[0].clone(), needed.ingest.unwrap());
    for n in 5..9 {
        upto(&first, "site", 10 * n);
    }
    checkpoints(&first).prune(1).unwrap();
    // Damage is found before a job rests on it.
    for file in [of_keys, of_ingest] {
        let whole = first.get(&file.name).unwrap().unwrap();
        assert!(first.flip(&file.name));
        assert_eq!(checkpoints(&first).fork("one", Arc::new(store()), "site").unwrap_err().code(), "E0521");
        let damages = checkpoints(&first).verify().unwrap();
        assert!(damages.len() == 1 && damages[0].savepoint.as_deref() == Some("one"), "{damages:?}");
        first.put(&file.name, &whole).unwrap();
    }
    // Nothing that a damaged savepoint may need is deleted.
    upto(&first, "site", 120);
    assert!(first.truncate("savepoint/one", 60));
    assert!(checkpoints(&first).savepoints().unwrap().is_empty());
    assert!(checkpoints(&first).verify().unwrap().iter().any(|damage| damage.savepoint.is_some()));
    let gone = checkpoints(&first).prune(1).unwrap();
    assert!(!gone.is_empty() && gone.iter().all(|name| !name.starts_with("state/")), "{gone:?}");
}

/// A store in which a job completes a checkpoint whenever somebody names one, for the first few times.
fn overtaken(store: &FaultyStore, times: u32) -> Hooked {
    let (left, of_job) = (AtomicU32::new(times), store.clone());
    Hooked::new(Arc::new(store.clone()), move |call| {
        let names = call.done && call.kind == CallKind::PutIfAbsent && call.name.starts_with("savepoint/");
        if names && let Ok(left) = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)) {
            let newest = || checkpoints(&of_job).list().unwrap().pop().unwrap().manifest.checkpoint;
            let before = newest();
            upto(&of_job, "site", 40 + 10 * (100 - i64::from(left)));
            assert!(newest() > before);
        }
        Ok(())
    })
}

#[test]
fn a_checkpoint_that_is_overtaken_while_it_is_named_is_not_relied_on() {
    for times in [0, 1, 3, 99] {
        let first = store();
        upto(&first, "site", 40);
        let saved = Checkpoints::new(Arc::new(overtaken(&first, times))).save("one");
        if times == 99 {
            assert_eq!(saved.unwrap_err().code(), "E0537");
            assert!(checkpoints(&first).savepoints().unwrap().is_empty());
        } else {
            let newest = checkpoints(&first).list().unwrap().pop().unwrap();
            assert_eq!(saved.unwrap().manifest, newest.manifest);
            assert!(checkpoints(&first).verify().unwrap().is_empty());
        }
    }
}
