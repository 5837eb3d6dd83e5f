use std::cell::RefCell;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::testing::check_store;

thread_local! {
    static STEPS: RefCell<Vec<(&'static str, PathBuf)>> = const { RefCell::new(Vec::new()) };
}

/// Notes what was done to a path, right after the system said that it was done.
pub(super) fn observe(step: &'static str, path: &Path) {
    STEPS.with_borrow_mut(|steps| steps.push((step, path.to_owned())));
}

/// What was done since it was asked last, with paths from the root on.
fn steps(root: &Path) -> Vec<String> {
    let tell = |(step, path): (&str, PathBuf)| {
        let path = path.strip_prefix(root).unwrap_or(&path);
        let path = if path.starts_with(TEMPORARY) { TEMPORARY } else { path.to_str().unwrap() };
        format!("{step} {}", if path.is_empty() { "root" } else { path })
    };
    STEPS.take().into_iter().map(tell).collect()
}

fn temporaries(root: &Path) -> usize {
    fs::read_dir(root.join(TEMPORARY)).unwrap().count()
}

#[test]
fn keeps_what_a_store_promises() {
    let folder = tempfile::tempdir().unwrap();
    check_store(|| Box::new(Directory::create(folder.path().join("a/b")).unwrap()));
    assert_eq!(temporaries(&folder.path().join("a/b")), 0);
}

#[test]
fn an_object_is_durable_before_it_has_a_name_and_its_name_before_the_call_returns() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let store = Directory::create(root).unwrap();
    steps(root);
    store.put("state/1/a", b"a").unwrap();
    assert_eq!(
        steps(root),
        ["synced .tmp", "named state/1/a", "synced state/1", "synced state", "synced root"],
        "folders that may be new are synced up to the root"
    );
    store.put("state/1/b", b"b").unwrap();
    assert_eq!(steps(root), ["synced .tmp", "named state/1/b", "synced state/1"]);
    assert!(store.put_if_absent("state/1/c", b"c").unwrap());
    assert_eq!(steps(root), ["synced .tmp", "named state/1/c", "synced state/1"]);
    assert!(!store.put_if_absent("state/1/c", b"d").unwrap());
    assert_eq!(steps(root), ["synced .tmp", "synced state/1"], "what another wrote is durable before it is relied on");
    for _ in 0..2 {
        store.delete("state/1/a").unwrap();
        assert_eq!(steps(root), ["synced state/1"]);
    }
    let other = Directory::open(root).unwrap();
    steps(root);
    assert!(!other.put_if_absent("state/1/c", b"d").unwrap());
    assert_eq!(
        steps(root),
        ["synced .tmp", "synced state/1", "synced state", "synced root"],
        "another may have made the folders and died"
    );
}

#[test]
fn folders_of_the_root_that_were_made_are_synced() {
    let folder = tempfile::tempdir().unwrap();
    STEPS.take();
    Directory::create(folder.path().join("a/b")).unwrap();
    assert_eq!(steps(folder.path())[..2], ["synced a", "synced root"]);
    Directory::create(folder.path().join("a/b")).unwrap();
    assert_eq!(steps(folder.path())[0], "synced a", "whoever made it may have died before");
}

#[test]
fn a_folder_that_vanished_is_made_and_synced_again_but_not_the_root() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("a");
    let store = Directory::create(&root).unwrap();
    store.put("log/1", b"first").unwrap();
    fs::remove_dir_all(root.join("log")).unwrap();
    steps(&root);
    store.put("log/2", b"second").unwrap();
    assert_eq!(steps(&root), ["synced .tmp", "named log/2", "synced log", "synced root"]);
    fs::remove_dir_all(&root).unwrap();
    assert_eq!(store.put("log/3", b"third").unwrap_err().error().code(), "E0513");
    assert!(!root.exists());
}

#[test]
fn a_folder_that_cannot_be_used_is_refused_with_a_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |opened: Result<Directory, StoreError>, what: &str| {
        let error = opened.unwrap_err().to_string();
        assert!(error.contains(what) && error.contains("Remedy: "), "{error}");
    };
    refused(Directory::open(folder.path().join("missing")), "E0513 the folder of the store is missing (");
    assert!(!folder.path().join("missing").exists());
    let file = folder.path().join("file");
    fs::write(&file, b"a").unwrap();
    refused(Directory::open(&file), "E0513 the store is no folder (");
    refused(Directory::create(&file), "E0513 the store is no folder (");
    refused(Directory::open(file.join("below")), "E0513 cannot open the folder (");
    refused(Directory::create(file.join("below")), "E0513 cannot make the folder (");
    refused(Directory::open(""), "E0513 cannot find the folder (");

    for (mode, open) in [(0o500, Directory::create as fn(PathBuf) -> _), (0o300, Directory::open)] {
        let root = folder.path().join(format!("mode-{mode}"));
        fs::create_dir(&root).unwrap();
        fs::set_permissions(&root, fs::Permissions::from_mode(mode)).unwrap();
        // Root may do everything.
        if fs::write(root.join("a"), b"a").is_ok() && fs::read_dir(&root).is_ok() {
            continue;
        }
        refused(open(root.clone()), "E0512 ");
        fs::set_permissions(&root, fs::Permissions::from_mode(0o700)).unwrap();
    }
}

#[test]
fn to_open_is_to_change_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = Directory::open(folder.path()).unwrap();
    assert_eq!((store.list("log").unwrap(), store.get("log/1").unwrap()), (vec![], None));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    store.put("log/1", b"first").unwrap();
    assert_eq!(store.get("log/1").unwrap().unwrap(), b"first");
}

#[test]
fn a_write_that_fails_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = Directory::create(folder.path()).unwrap();
    store.put("a", b"file").unwrap();
    store.put("b/c", b"file").unwrap();
    for (name, through) in [("a/b", "a file"), ("b", "a folder")] {
        let put = store.put(name, b"x").unwrap_err();
        assert!(matches!(put, StoreError::Broken(_)), "over {through}: {put}");
        let absent = store.put_if_absent(name, b"x").unwrap_err();
        assert!(matches!(absent, StoreError::Broken(_)), "over {through}: {absent}");
    }
    assert_eq!(temporaries(folder.path()), 0);
    assert_eq!(store.get("a").unwrap().unwrap(), b"file");
    assert_eq!(store.list("b").unwrap(), ["b/c"]);
}

#[test]
fn what_is_no_object_is_not_listed() {
    let folder = tempfile::tempdir().unwrap();
    let store = Directory::create(folder.path().join("store")).unwrap();
    let logs = folder.path().join("store/log");
    store.put("log/1", b"first").unwrap();
    fs::create_dir(logs.join(TEMPORARY)).unwrap();
    fs::create_dir(logs.join("Mine")).unwrap();
    for file in [".tmp/a", ".hidden", "UPPER", "a b", "Mine/a"] {
        fs::write(logs.join(file), b"x").unwrap();
    }
    // A link could lead out of the store, or round in it.
    symlink(folder.path(), logs.join("link")).unwrap();
    assert_eq!(store.list("log").unwrap(), ["log/1"]);
}

#[test]
fn only_old_temporaries_are_swept() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let store = Directory::create(root).unwrap();
    let now = written(&root.join(TEMPORARY), b"").unwrap().as_file().metadata().unwrap().modified().unwrap();
    for (name, age_s) in [("object-old", 3_700), ("object-young", 3_500), ("other", 3_700)] {
        let file = File::create(root.join(TEMPORARY).join(name)).unwrap();
        file.set_modified(now - Duration::from_secs(age_s)).unwrap();
    }
    store.put("log/1", b"first").unwrap();
    Directory::open(root).unwrap();
    assert_eq!(temporaries(root), 3, "only who begins to write sweeps");
    Directory::create(root).unwrap();
    assert_eq!(temporaries(root), 2);
    assert!(!root.join(TEMPORARY).join("object-old").exists());
    assert_eq!(store.list("log").unwrap(), ["log/1"]);
}

#[test]
fn threads_may_make_and_lose_the_same_folders() {
    let folder = tempfile::tempdir().unwrap();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let vandal = scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                // Fails while there is an object in it.
                let _ = fs::remove_dir(folder.path().join("a/b"));
                let _ = fs::remove_dir(folder.path().join("a"));
            }
        });
        let write = |writer: usize| {
            let store = Directory::create(folder.path()).unwrap();
            for round in 0..50 {
                let name = format!("a/b/{writer}-{round}");
                // The folder can go between its making and the name's: then the call fails, and may be made again.
                while let Err(error) = store.put(&name, b"x") {
                    assert_eq!(error.error().code(), "E0513", "{error}");
                }
                assert!(store.get(&name).unwrap().is_some());
                store.delete(&name).unwrap();
            }
        };
        let writers: Vec<_> = (0..2).map(|writer| scope.spawn(move || write(writer))).collect();
        let ended: Vec<bool> = writers.into_iter().map(|writer| writer.join().is_ok()).collect();
        stop.store(true, Ordering::Relaxed);
        vandal.join().unwrap();
        assert_eq!(ended, [true, true]);
    });
}

/// Where the processes that a test starts find the store.
const STORE: &str = "WATCHFIRE_TEST_STORE";

fn again(test: &str, root: &Path) -> std::process::Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", &format!("durable::directory::tests::{test}")]).env(STORE, root);
    command.stdout(Stdio::null()).spawn().unwrap()
}

#[test]
fn of_two_processes_one_wins_each_name() {
    if let Some(root) = std::env::var_os(STORE) {
        let store = Directory::open(root).unwrap();
        let me = std::process::id().to_string();
        for at in 0..200 {
            if store.put_if_absent(&format!("race/{at}"), me.as_bytes()).unwrap() {
                store.put(&format!("won/{me}/{at}"), b"").unwrap();
            }
        }
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let store = Directory::create(folder.path()).unwrap();
    let children = [(); 2].map(|()| again("of_two_processes_one_wins_each_name", folder.path()));
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    let won = store.list("won").unwrap();
    assert_eq!((won.len(), store.list("race").unwrap().len()), (200, 200));
    for name in won {
        let (process, at) = name.trim_start_matches("won/").split_once('/').unwrap();
        assert_eq!(store.get(&format!("race/{at}")).unwrap().unwrap(), process.as_bytes());
    }
}

#[test]
fn a_process_that_is_killed_leaves_whole_objects() {
    let bytes = vec![7; 400_000];
    if let Some(root) = std::env::var_os(STORE) {
        let store = Directory::open(root).unwrap();
        (0..100_000).for_each(|at| store.put(&format!("log/{}", at % 50), &bytes).unwrap());
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let store = Directory::create(folder.path()).unwrap();
    for kill_at in [1, 4, 9] {
        let mut child = again("a_process_that_is_killed_leaves_whole_objects", folder.path());
        while store.list("log").unwrap().len() < kill_at {
            assert!(child.try_wait().unwrap().is_none(), "it ended by itself");
            std::thread::yield_now();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        for name in store.list("log").unwrap() {
            assert!(store.get(&name).unwrap().unwrap() == bytes, "{name} is torn");
            store.delete(&name).unwrap();
        }
    }
}
