//! The promises of a store over the two that need no network, and over one that fails on demand.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::ops::Range;
use std::sync::{Arc, Barrier};

use async_trait::async_trait;
use futures_lite::{StreamExt, stream};
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error as Cause, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult,
};
use proptest::prelude::*;
use tokio::runtime::{Builder, Runtime};
use watchfire_engine::durable::{Store, StoreError};

use super::Objects;

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// Runs a test over stores in memory and on a disk.
fn over_all(test: impl Fn(&dyn Fn(&str) -> Objects)) {
    let runtime = runtime();
    let folder = tempfile::tempdir().unwrap();
    let stores: [Arc<dyn ObjectStore>; 3] = [
        Arc::new(InMemory::new()),
        Arc::new(LocalFileSystem::new_with_prefix(tempfile::tempdir_in(&folder).unwrap().keep()).unwrap()),
        Arc::new(
            LocalFileSystem::new_with_prefix(tempfile::tempdir_in(&folder).unwrap().keep()).unwrap().with_fsync(true),
        ),
    ];
    for store in stores {
        test(&|prefix| Objects::new(Arc::clone(&store), prefix, runtime.handle().clone()).unwrap());
    }
}

/// An error of the store, as code, and whether it may pass.
fn code<T: fmt::Debug>(result: Result<T, StoreError>) -> (&'static str, bool) {
    let error = result.unwrap_err();
    (error.error().code(), error.may_pass())
}

#[test]
fn what_is_put_is_got() {
    over_all(|open| {
        let store = open("jobs/1");
        assert_eq!(store.get("state/1/a").unwrap(), None);
        store.put("state/1/a", b"seven").unwrap();
        store.put("state/1/empty", b"").unwrap();
        assert_eq!(store.get("state/1/a").unwrap().unwrap(), b"seven");
        assert_eq!(store.get("state/1/empty").unwrap().unwrap(), b"");
        assert_eq!(store.get("state/1").unwrap(), None, "a folder is no object");
        store.put("state/1/a", b"eight").unwrap();
        let again = open("/jobs/1/");
        assert_eq!(again.get("state/1/a").unwrap().unwrap(), b"eight");
        let large: Vec<u8> = (0..3_000_000_u32).map(|n| n.to_le_bytes()[1]).collect();
        store.put("large", &large).unwrap();
        assert!(store.get("large").unwrap().unwrap() == large);
    });
}

#[test]
fn ranges_are_cut_at_the_edges() {
    over_all(|open| {
        let store = open("p");
        for bytes in [&b"seven"[..], b""] {
            store.put("a", bytes).unwrap();
            let ends = [0, 1, 2, 3, 4, 5, 6, 7, i64::MAX as u64, i64::MAX as u64 + 1, u64::MAX - 1, u64::MAX];
            for (start, end) in ends.into_iter().flat_map(|start| ends.map(|end| (start, end))) {
                let length = bytes.len() as u64;
                let to = end.min(length) as usize;
                let expected = &bytes[(start.min(length) as usize).min(to)..to];
                let range = Range { start, end };
                assert_eq!(store.get_range("a", range.clone()).unwrap().as_deref(), Some(expected), "{range:?}");
                assert_eq!(store.get_range("b", range.clone()).unwrap(), None, "{range:?}");
            }
        }
    });
}

#[test]
fn one_of_eight_puts_if_absent() {
    over_all(|open| {
        for round in 0..20 {
            let name = format!("log/{round}");
            let barrier = Barrier::new(8);
            let told: Vec<bool> = std::thread::scope(|scope| {
                let writer = |n: u8| {
                    let (store, name, barrier) = (open("p"), &name, &barrier);
                    scope.spawn(move || {
                        barrier.wait();
                        store.put_if_absent(name, &[n; 100]).unwrap()
                    })
                };
                let writers: Vec<_> = (0..8).map(writer).collect();
                writers.into_iter().map(|writer| writer.join().unwrap()).collect()
            });
            assert_eq!(told.iter().filter(|first| **first).count(), 1, "{told:?}");
            let winner = told.iter().position(|first| *first).unwrap();
            let store = open("p");
            assert_eq!(store.get(&name).unwrap().unwrap(), [winner as u8; 100]);
            assert!(!store.put_if_absent(&name, b"late").unwrap());
            assert_eq!(store.get(&name).unwrap().unwrap(), [winner as u8; 100]);
        }
    });
}

#[test]
fn a_folder_is_listed_exactly_and_rising() {
    over_all(|open| {
        let store = open("p");
        assert_eq!(store.list("state").unwrap(), [""; 0]);
        for name in ["state/b", "state/10", "state/9", "state/a/x", "state/a-b", "state2/x", "stat/x", "x/state/a"] {
            store.put(name, name.as_bytes()).unwrap();
        }
        assert_eq!(store.list("state").unwrap(), ["state/10", "state/9", "state/a-b", "state/a/x", "state/b"]);
        assert_eq!(store.list("state/a").unwrap(), ["state/a/x"]);
        assert_eq!(store.list("state/b").unwrap(), [""; 0], "an object is no folder");
        for name in store.list("state").unwrap() {
            assert_eq!(store.get(&name).unwrap().unwrap(), name.as_bytes());
        }
    });
}

#[test]
fn prefixes_are_apart() {
    over_all(|open| {
        let (one, two, top) = (open("a"), open("ab"), open(""));
        one.put("state/x", b"one").unwrap();
        two.put("state/x", b"two").unwrap();
        two.put("state/y", b"two").unwrap();
        assert_eq!(one.list("state").unwrap(), ["state/x"]);
        assert_eq!(two.list("state").unwrap(), ["state/x", "state/y"]);
        assert!(one.put_if_absent("state/y", b"one").unwrap());
        one.delete("state/x").unwrap();
        assert_eq!(one.get("state/x").unwrap(), None);
        assert_eq!(two.get("state/x").unwrap().unwrap(), b"two");
        assert_eq!(top.list("a").unwrap(), ["a/state/y"], "without a prefix, names are whole paths");
        assert_eq!(top.get("ab/state/y").unwrap().unwrap(), b"two");
    });
}

#[test]
fn names_of_others_are_not_listed() {
    let (runtime, folder) = (runtime(), tempfile::tempdir().unwrap());
    let local = LocalFileSystem::new_with_prefix(folder.path()).unwrap();
    let store = Objects::new(Arc::new(local), "Prod", runtime.handle().clone()).unwrap();
    store.put("state/a", b"1").unwrap();
    for name in ["READ.ME", ".hidden", "a#1", "b c"] {
        std::fs::write(folder.path().join("Prod/state").join(name), b"x").unwrap();
    }
    assert_eq!(store.list("state").unwrap(), ["state/a"]);
}

#[test]
fn what_is_deleted_is_deleted_twice() {
    over_all(|open| {
        let store = open("p");
        store.put("state/a", b"1").unwrap();
        store.put("state/b", b"2").unwrap();
        for _ in 0..2 {
            store.delete("state/a").unwrap();
            assert_eq!(store.get("state/a").unwrap(), None);
            assert_eq!(store.list("state").unwrap(), ["state/b"]);
        }
        store.delete("never/there").unwrap();
        assert!(store.put_if_absent("state/a", b"3").unwrap());
    });
}

#[test]
fn bad_names_are_refused() {
    over_all(|open| {
        let store = open("p");
        for bad in ["", "/", "a/", "/a", "a//b", "..", "a/../b", ".hidden", "A", "a b", "a\\b", "ü", "a\0", "%41"] {
            let refused = ("E0514", false);
            assert_eq!(code(store.put(bad, b"")), refused, "{bad:?}");
            assert_eq!(code(store.put_if_absent(bad, b"")), refused, "{bad:?}");
            assert_eq!(code(store.get(bad)), refused, "{bad:?}");
            assert_eq!(code(store.get_range(bad, 0..1)), refused, "{bad:?}");
            assert_eq!(code(store.list(bad)), refused, "{bad:?}");
            assert_eq!(code(store.delete(bad)), refused, "{bad:?}");
        }
    });
}

#[test]
fn unfit_prefixes_and_runtimes_are_refused() {
    let (many, single) = (runtime(), Builder::new_current_thread().build().unwrap());
    let open =
        |prefix: &str, runtime: &Runtime| Objects::new(Arc::new(InMemory::new()), prefix, runtime.handle().clone());
    for bad in ["a//b", "a/../b", "..", "a\0"] {
        assert_eq!(code(open(bad, &many)), ("E0514", false), "{bad:?}");
    }
    assert_eq!(code(open("a", &single)), ("E0513", false));
}

/// Every call, each with what it said.
fn all_calls(store: &Objects) -> [(&'static str, Result<(), StoreError>); 6] {
    [
        ("put", store.put("log/1", b"new")),
        ("put_if_absent", store.put_if_absent("log/2", b"new").map(drop)),
        ("get", store.get("log/0").map(drop)),
        ("get_range", store.get_range("log/0", 0..1).map(drop)),
        ("list", store.list("log").map(drop)),
        ("delete", store.delete("log/0")),
    ]
}

#[test]
fn a_call_from_within_a_runtime_is_an_error() {
    let (runtime, other) = (runtime(), Builder::new_current_thread().build().unwrap());
    let store = Objects::new(Arc::new(InMemory::new()), "p", runtime.handle().clone()).unwrap();
    let store = Arc::new(store);
    store.put("log/0", b"old").unwrap();
    let refused = |store: &Objects| {
        for (call, result) in all_calls(store) {
            let text = result.as_ref().map_err(ToString::to_string).expect_err(call);
            assert!(text.contains("within a runtime") && text.contains("Remedy"), "{text}");
            assert_eq!(code(result), ("E0513", false), "{call}");
        }
    };
    runtime.block_on(async { refused(&store) });
    other.block_on(async { refused(&store) });
    let task = Arc::clone(&store);
    runtime.block_on(runtime.spawn(async move { refused(&task) })).unwrap();
    let task = Arc::clone(&store);
    runtime.block_on(runtime.spawn_blocking(move || refused(&task))).unwrap();
    {
        let _entered = runtime.enter();
        refused(&store);
    }
    assert_eq!(store.list("log").unwrap(), ["log/0"], "nothing was done, and outside it works again");
}

#[test]
fn a_runtime_that_has_ended_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let local = Arc::new(LocalFileSystem::new_with_prefix(folder.path()).unwrap());
    for store in [local as Arc<dyn ObjectStore>, Arc::new(InMemory::new())] {
        let runtime = runtime();
        let store = Objects::new(store, "p", runtime.handle().clone()).unwrap();
        store.put("log/0", b"old").unwrap();
        drop(runtime);
        for (call, result) in all_calls(&store) {
            assert_eq!(code(result), ("E0513", false), "{call}");
        }
    }
}

/// A store in memory that fails as it is told, call by call.
struct Faulty {
    below: InMemory,
    fault: fn(&str) -> Option<Cause>,
}

impl fmt::Debug for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Faulty { password: hunter2 }")
    }
}

impl fmt::Display for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Faulty(bucket)")
    }
}

impl Faulty {
    fn pass(&self, call: &str) -> Result<(), Cause> {
        (self.fault)(call).map_or(Ok(()), Err)
    }
}

#[async_trait]
impl ObjectStore for Faulty {
    async fn put_opts(&self, path: &Path, bytes: PutPayload, options: PutOptions) -> Result<PutResult, Cause> {
        self.pass("put")?;
        self.below.put_opts(path, bytes, options).await
    }

    async fn put_multipart_opts(
        &self,
        path: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>, Cause> {
        self.below.put_multipart_opts(path, options).await
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult, Cause> {
        self.pass(if options.head { "head" } else { "get" })?;
        self.below.get_opts(path, options).await
    }

    fn delete_stream(&self, paths: stream::Boxed<Result<Path, Cause>>) -> stream::Boxed<Result<Path, Cause>> {
        match self.pass("delete") {
            Ok(()) => self.below.delete_stream(paths),
            Err(cause) => stream::once(Err(cause)).boxed(),
        }
    }

    fn list(&self, prefix: Option<&Path>) -> stream::Boxed<Result<ObjectMeta, Cause>> {
        match self.pass("list") {
            // As loosely as a store may: more than was asked for, and falling.
            Ok(()) => {
                let all: Vec<_> = futures_lite::future::block_on(self.below.list(None).collect());
                stream::iter(all.into_iter().rev()).boxed()
            }
            Err(cause) => self.below.list(prefix).chain(stream::once(Err(cause))).boxed(),
        }
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult, Cause> {
        self.below.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<(), Cause> {
        self.below.copy_opts(from, to, options).await
    }
}

fn faulty(runtime: &Runtime, fault: fn(&str) -> Option<Cause>) -> Objects {
    let below = InMemory::new();
    let plain = Objects::new(Arc::new(below.clone()), "p", runtime.handle().clone()).unwrap();
    plain.put("log/0", b"old").unwrap();
    Objects::new(Arc::new(Faulty { below, fault }), "p", runtime.handle().clone()).unwrap()
}

fn denied(_: &str) -> Option<Cause> {
    Some(Cause::PermissionDenied { path: "p".into(), source: "403".into() })
}

fn unauthenticated(_: &str) -> Option<Cause> {
    Some(Cause::Unauthenticated { path: "p".into(), source: "401".into() })
}

fn not_implemented(_: &str) -> Option<Cause> {
    Some(Cause::NotImplemented { operation: "it".into(), implementer: "Faulty".into() })
}

fn not_supported(_: &str) -> Option<Cause> {
    Some(Cause::NotSupported { source: "it".into() })
}

fn silent(_: &str) -> Option<Cause> {
    Some(Cause::Generic { store: "Faulty", source: "no route to host".into() })
}

fn full(_: &str) -> Option<Cause> {
    Some(Cause::Generic { store: "Faulty", source: io::Error::from(io::ErrorKind::StorageFull).into() })
}

fn read_only(_: &str) -> Option<Cause> {
    Some(Cause::Generic { store: "Faulty", source: io::Error::from(io::ErrorKind::ReadOnlyFilesystem).into() })
}

#[test]
fn errors_are_sorted_and_say_where_and_what_to_do() {
    type Kind = fn(&StoreError) -> bool;
    type Fault = fn(&str) -> Option<Cause>;
    let is_denied: Kind = |e| matches!(e, StoreError::Denied(_));
    let is_broken: Kind = |e| matches!(e, StoreError::Broken(_));
    let runtime = runtime();
    let faults: [(Fault, &str, Kind); 7] = [
        (denied, "E0512", is_denied),
        (unauthenticated, "E0512", is_denied),
        (not_implemented, "E0513", is_broken),
        (not_supported, "E0513", is_broken),
        (silent, "E0510", |e| matches!(e, StoreError::Unreachable(_))),
        (full, "E0511", |e| matches!(e, StoreError::Full(_))),
        (read_only, "E0512", is_denied),
    ];
    for (fault, expected, kind) in faults {
        for (call, result) in all_calls(&faulty(&runtime, fault)) {
            let error = result.expect_err(call);
            let text = error.to_string();
            assert_eq!(error.error().code(), expected, "{call}: {text}");
            assert!(kind(&error), "{call}: {text}");
            let place = error.error().place().unwrap();
            assert!(place.starts_with("p/log") && place.ends_with(" in Faulty(bucket)"), "{text}");
            assert!(text.contains("Remedy: "), "{text}");
        }
    }
}

#[test]
fn a_loose_listing_is_made_exact() {
    let runtime = runtime();
    let loose: Arc<dyn ObjectStore> = Arc::new(Faulty { below: InMemory::new(), fault: |_| None });
    let open = |prefix: &str| Objects::new(Arc::clone(&loose), prefix, runtime.handle().clone()).unwrap();
    let (store, beside) = (open("p"), open("pp"));
    beside.put("log/7", b"").unwrap();
    open("").put("plog/8", b"").unwrap();
    for name in ["log/0", "log/2", "log/1", "log2/3", "lo/4", "x/log/5"] {
        store.put(name, b"").unwrap();
    }
    assert_eq!(store.list("log").unwrap(), ["log/0", "log/1", "log/2"]);
    assert_eq!(beside.list("log").unwrap(), ["log/7"]);
}

#[test]
fn a_store_without_conditional_put_is_broken() {
    let runtime = runtime();
    for fault in [not_implemented, not_supported] {
        let store = faulty(&runtime, fault);
        let text = store.put_if_absent("log/1", b"1").unwrap_err().to_string();
        assert!(text.starts_with("E0513") && text.contains("choose a store with conditional put"), "{text}");
    }
}

#[test]
fn a_bucket_that_is_not_there_is_an_error() {
    let gone: fn(&str) -> Option<Cause> = |_| Some(Cause::NotFound { path: "p".into(), source: "no bucket".into() });
    let (runtime, broken) = (runtime(), ("E0513", false));
    let store = faulty(&runtime, gone);
    assert_eq!(code(store.put("log/1", b"1")), broken);
    assert_eq!(code(store.put_if_absent("log/1", b"1")), broken);
    assert_eq!(code(store.list("log")), broken);
    // These two cannot be told from an object that is not there.
    assert_eq!(store.get("log/0").unwrap(), None);
    store.delete("log/0").unwrap();
}

#[test]
fn a_conflict_is_no_object() {
    let conflict: fn(&str) -> Option<Cause> =
        |call| (call == "put").then(|| Cause::AlreadyExists { path: "p".into(), source: "409".into() });
    let runtime = runtime();
    let store = faulty(&runtime, conflict);
    assert!(!store.put_if_absent("log/0", b"new").unwrap(), "it is there");
    assert_eq!(code(store.put_if_absent("log/1", b"new")), ("E0510", true), "it is not");
}

#[test]
fn a_part_that_cannot_be_read_is_not_empty() {
    let runtime = runtime();
    let store = faulty(&runtime, |call| if call == "get" { silent(call) } else { None });
    assert_eq!(code(store.get_range("log/0", 2..9)), ("E0510", true));
    assert_eq!(store.get_range("log/0", 3..9).unwrap().unwrap(), b"");
    assert_eq!(store.get_range("log/9", 0..1).unwrap(), None);
}

#[test]
fn a_panic_of_the_store_does_not_unwind_the_caller() {
    let runtime = runtime();
    let store = faulty(&runtime, |_| panic!("a fault of the store, wanted by a test"));
    for (call, result) in all_calls(&store) {
        assert_eq!(code(result), ("E0513", false), "{call}");
    }
}

#[test]
fn what_the_store_holds_secret_is_not_shown() {
    let runtime = runtime();
    let shown = format!("{:?}", faulty(&runtime, silent));
    assert!(shown.contains("Faulty(bucket)") && shown.contains("\"p\"") && !shown.contains("hunter2"), "{shown}");
}

#[derive(Clone, Debug)]
enum Step {
    Put(String, Vec<u8>),
    PutIfAbsent(String, Vec<u8>),
    Delete(String),
    List(String),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    // Folders and objects have other letters: on a disk no name can be both.
    let name = "([ab]/){0,2}[xy][xy.]?";
    let bytes = || proptest::collection::vec(any::<u8>(), 0..5);
    let step = prop_oneof![
        (name, bytes()).prop_map(|(name, bytes)| Step::Put(name, bytes)),
        (name, bytes()).prop_map(|(name, bytes)| Step::PutIfAbsent(name, bytes)),
        name.prop_map(Step::Delete),
        "[ab](/[ab])?".prop_map(Step::List),
    ];
    proptest::collection::vec(step, 0..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn a_store_is_a_map(steps in steps()) {
        over_all(|open| {
            let (store, mut map) = (open("p"), BTreeMap::<String, Vec<u8>>::new());
            for step in &steps {
                match step {
                    Step::Put(name, bytes) => {
                        store.put(name, bytes).unwrap();
                        map.insert(name.clone(), bytes.clone());
                    }
                    Step::PutIfAbsent(name, bytes) => {
                        assert_eq!(store.put_if_absent(name, bytes).unwrap(), !map.contains_key(name));
                        map.entry(name.clone()).or_insert_with(|| bytes.clone());
                    }
                    Step::Delete(name) => {
                        store.delete(name).unwrap();
                        map.remove(name);
                    }
                    Step::List(folder) => {
                        let inside = |name: &&String| name.starts_with(&format!("{folder}/"));
                        let expected: Vec<_> = map.keys().filter(inside).cloned().collect();
                        assert_eq!(store.list(folder).unwrap(), expected);
                    }
                }
            }
            for name in ["x", "a/x", "a/b/x", "b/y", "b/b/xy"] {
                assert_eq!(store.get(name).unwrap(), map.get(name).cloned());
            }
        });
    }
}
