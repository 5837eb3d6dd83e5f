//! Two generations of one job alive at once, on a directory and on object stores: the older, which was paused in the middle of a
//! write, wakes up when the newer has done its work.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![cfg(all(feature = "memory", feature = "object-store"))]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use watchfire_connectors::format::JsonLines;
use watchfire_connectors::memory::TwoPhaseSink;
use watchfire_connectors::object_store::Objects;
use watchfire_connectors::object_store::object_store::ObjectStore;
use watchfire_connectors::object_store::object_store::local::LocalFileSystem;
use watchfire_connectors::object_store::object_store::memory::InMemory;
use watchfire_engine::durable::{Directory, Store};
use watchfire_engine::source::Replay;
use watchfire_engine::testing::{Call, CallKind, Hooked};
use watchfire_engine::{ChannelIn, Checkpointing, Job, Running, TickSource, Timed};

const SOON: Duration = Duration::from_secs(60);
const ROWS: i64 = 400;

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Row(i64);

impl Timed for Row {
    fn event_time_ms(&self) -> i64 {
        self.0
    }
}

/// A store that pauses whoever writes into a folder for the n-th time.
struct Pauses {
    store: Hooked,
    /// Whether somebody is paused, and whether it may go on.
    gate: Arc<(Mutex<(bool, bool)>, Condvar)>,
}

impl Pauses {
    /// `done`: whether the write is done before the pause.
    fn new(store: Arc<dyn Store>, folder: &'static str, nth: u32, done: bool) -> Self {
        let gate = Arc::<(Mutex<(bool, bool)>, Condvar)>::default();
        let (at, left) = (gate.clone(), AtomicU32::new(nth));
        let hook = move |call: Call<'_>| {
            let writes = matches!(call.kind, CallKind::Put | CallKind::PutIfAbsent) && call.name.starts_with(folder);
            if writes
                && call.done == done
                && left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)) == Ok(1)
            {
                let (lock, changed) = &*at;
                let mut state = lock.lock().unwrap();
                state.0 = true;
                drop(changed.wait_while(state, |state| !state.1).unwrap());
            }
            Ok(())
        };
        Pauses { store: Hooked::new(store, hook), gate }
    }

    fn is_paused(&self) -> bool {
        self.gate.0.lock().unwrap().0
    }

    fn go_on(&self) {
        self.gate.0.lock().unwrap().1 = true;
        self.gate.1.notify_all();
    }
}

fn start(store: Arc<dyn Store>, sink: &TwoPhaseSink, log_epochs: bool) -> Running {
    let sink = sink.clone();
    let job = Job::new(move |flow| {
        let again = ChannelIn { replay: Replay::Exact, ..ChannelIn::default() };
        flow.channel_with::<Row>("in", again).to_sink("out", sink.clone(), JsonLines::new());
    });
    let config = Checkpointing { every_ms: 0, log_epochs, ..Checkpointing::named("site") };
    job.ticks(TickSource::FROM_EVENTS).epoch_rows_max(10).checkpoint_to(store, config).start().unwrap()
}

/// Sends what the job has not.
fn feed(running: &mut Running, pause: Duration) {
    let sender = running.sender::<Row>("in").unwrap();
    let from = sender.resumes_at() as i64;
    std::thread::spawn(move || {
        for n in from..ROWS {
            if sender.send(vec![Row(n)]).is_err() {
                return;
            }
            std::thread::sleep(pause);
        }
    });
}

fn wait(what: &str, holds: impl Fn() -> bool) {
    let until = Instant::now() + SOON;
    while !holds() {
        assert!(Instant::now() < until, "{what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn a_zombie_doubles_nothing(store: Arc<dyn Store>, folder: &'static str, nth: u32, done: bool, log_epochs: bool) {
    let sink = TwoPhaseSink::new();
    let pauses = Pauses::new(store.clone(), folder, nth, done);
    let mut zombie = start(Arc::new(pauses.store.clone()), &sink, log_epochs);
    feed(&mut zombie, Duration::from_micros(300));
    wait("the older generation is never paused", || pauses.is_paused());

    let mut next = start(store, &sink, log_epochs);
    feed(&mut next, Duration::ZERO);
    next.wait().unwrap();
    pauses.go_on();
    let error = zombie.drain(SOON).unwrap_err();
    assert!(matches!(error.code(), "E0524" | "E0303"), "{error}");

    let mut seen: BTreeMap<String, u32> = BTreeMap::new();
    sink.visible()
        .iter()
        .for_each(|row| *seen.entry(String::from_utf8_lossy(&row.body).into_owned()).or_default() += 1);
    let odd = seen.iter().find(|(_, times)| **times != 1);
    assert!(odd.is_none() && seen.len() == ROWS as usize, "{odd:?} of {} rows", seen.len());
}

fn in_all_places(open: impl Fn() -> Arc<dyn Store>) {
    for (folder, nth, log_epochs) in [
        ("state/", 2, false),
        ("state/", 5, true),
        // Its first record says that it has begun.
        ("log/", 2, false),
        ("log/", 3, false),
        ("log/", 6, true),
        ("epochs/", 3, true),
        ("epochs/", 9, true),
    ] {
        for done in [false, true] {
            a_zombie_doubles_nothing(open(), folder, nth, done, log_epochs);
        }
    }
}

#[test]
fn a_zombie_on_a_directory_is_fenced() {
    let folder = tempfile::tempdir().unwrap();
    let count = AtomicU32::new(0);
    in_all_places(|| {
        let next = folder.path().join(count.fetch_add(1, Ordering::SeqCst).to_string());
        Arc::new(Directory::create(next).unwrap())
    });
}

#[test]
fn a_zombie_on_an_object_store_is_fenced() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let count = AtomicU32::new(0);
    let objects = |store: Arc<dyn ObjectStore>| -> Arc<dyn Store> {
        let prefix = format!("job-{}", count.fetch_add(1, Ordering::SeqCst));
        Arc::new(Objects::new(store, &prefix, runtime.handle().clone()).unwrap())
    };
    let memory: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    in_all_places(|| objects(memory.clone()));
    let disk: Arc<dyn ObjectStore> =
        Arc::new(LocalFileSystem::new_with_prefix(folder.path()).unwrap().with_fsync(true));
    in_all_places(|| objects(disk.clone()));
}
