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
use watchfire_engine::durable::{Directory, Store, StoreError};
use watchfire_engine::source::Replay;
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

/// A store that pauses whoever writes into one of its folders for the n-th time.
#[derive(Clone, Debug)]
struct Pauses {
    store: Arc<dyn Store>,
    folder: &'static str,
    left: Arc<AtomicU32>,
    /// Whether somebody is paused, and whether it may go on.
    gate: Arc<(Mutex<(bool, bool)>, Condvar)>,
    /// Whether the write is done before the pause.
    done: bool,
}

impl Pauses {
    fn around<T>(&self, name: &str, write: impl FnOnce() -> T) -> T {
        let left = |n: u32| n.checked_sub(1);
        let hit = name.starts_with(self.folder)
            && self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, left).is_ok_and(|before| before == 1);
        if !hit {
            return write();
        }
        let mut write = Some(write);
        let early = self.done.then(|| write.take().unwrap()());
        let (lock, changed) = &*self.gate;
        let mut state = lock.lock().unwrap();
        state.0 = true;
        while !state.1 {
            state = changed.wait(state).unwrap();
        }
        drop(state);
        early.unwrap_or_else(|| write.take().unwrap()())
    }

    fn is_paused(&self) -> bool {
        self.gate.0.lock().unwrap().0
    }

    fn go_on(&self) {
        self.gate.0.lock().unwrap().1 = true;
        self.gate.1.notify_all();
    }
}

impl Store for Pauses {
    fn put(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        self.around(name, || self.store.put(name, bytes))
    }

    fn put_if_absent(&self, name: &str, bytes: &[u8]) -> Result<bool, StoreError> {
        self.around(name, || self.store.put_if_absent(name, bytes))
    }

    fn get(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.store.get(name)
    }

    fn list(&self, folder: &str) -> Result<Vec<String>, StoreError> {
        self.store.list(folder)
    }

    fn delete(&self, name: &str) -> Result<(), StoreError> {
        self.store.delete(name)
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
    let left = Arc::new(AtomicU32::new(nth));
    let pauses = Pauses { store: store.clone(), folder, left, gate: Arc::default(), done };
    let mut zombie = start(Arc::new(pauses.clone()), &sink, log_epochs);
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
