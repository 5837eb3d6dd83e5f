//! What every store must promise.

use std::fmt::Debug;

use crate::durable::{Store, StoreError};

/// Checks that a store keeps what [`Store`] promises, but for power cuts. `open` gives a new handle of the same store, in
/// which there is nothing under `check` yet; the check leaves objects there.
///
/// # Panics
/// At the first promise that is broken, with what was found and what was promised.
///
/// # Examples
/// ```
/// use watchfire_engine::testing::{FaultyStore, check_store};
/// let store = FaultyStore::default();
/// check_store(|| Box::new(store.clone()));
/// ```
pub fn check_store(open: impl Fn() -> Box<dyn Store>) {
    read_back(&*open());
    ranges(&*open());
    listing(&*open());
    absence(&*open());
    bad_names(&*open());
    one_winner(&open);
    never_in_part(&open);
    let store = open();
    gives(store.get("check/back/a"), Some(b"seven".to_vec()));
    gives(store.list("check/back"), vec!["check/back/a".into(), "check/back/empty".into(), "check/back/long".into()]);
}

/// Fails unless a call succeeds with `expected`.
#[track_caller]
fn gives<T: PartialEq + Debug>(found: Result<T, StoreError>, expected: T) {
    assert_eq!(found.map_err(|e| e.to_string()), Ok(expected));
}

fn read_back(store: &dyn Store) {
    let long: Vec<u8> = (0..1_000_003_u32).map(|at| (at % 251) as u8).collect();
    for (name, bytes) in [("check/back/a", &b"seven"[..]), ("check/back/empty", b""), ("check/back/long", &long)] {
        gives(store.get(name), None);
        // Writing it again is no change.
        for _ in 0..2 {
            gives(store.put(name, bytes), ());
            assert!(store.get(name).is_ok_and(|found| found.as_deref() == Some(bytes)), "{name} is not what was put");
        }
        gives(store.put_if_absent(name, b"other"), false);
        assert!(store.get(name).is_ok_and(|found| found.as_deref() == Some(bytes)), "{name} was changed");
    }
}

fn ranges(store: &dyn Store) {
    gives(store.put("check/ranges/a", b"0123456789"), ());
    for (range, part) in [
        (0..10, "0123456789"),
        (0..1, "0"),
        (9..10, "9"),
        (3..7, "3456"),
        (4..4, ""),
        (8..12, "89"),
        (10..11, ""),
        (11..20, ""),
        (0..u64::MAX, "0123456789"),
        (u64::MAX - 1..u64::MAX, ""),
        (std::ops::Range { start: 7, end: 3 }, ""),
    ] {
        gives(store.get_range("check/ranges/a", range), Some(part.as_bytes().to_vec()));
    }
    gives(store.get_range("check/ranges/b", 0..1), None);
}

fn listing(store: &dyn Store) {
    gives(store.list("check/list"), vec![]);
    // By bytes: - and . come before the slash, digits after it.
    let rising = ["check/list/10", "check/list/9", "check/list/a-b", "check/list/a.b", "check/list/a/x/y"];
    let rising = [&rising[..], &["check/list/a/z", "check/list/a0", "check/list/a0_/x"]].concat();
    for name in rising.iter().rev().chain(&["check/list-more", "check/listed/x"]) {
        gives(store.put(name, name.as_bytes()), ());
    }
    gives(store.list("check/list"), rising.iter().map(|name| (*name).to_owned()).collect());
    gives(store.list("check/list/a"), vec!["check/list/a/x/y".into(), "check/list/a/z".into()]);
    gives(store.list("check/list/a/x/y"), vec![]);
    // A folder is no object, and nothing is below an object.
    gives(store.get("check/list/a"), None);
    gives(store.get_range("check/list/a", 0..0), None);
    gives(store.delete("check/list/a"), ());
    gives(store.get("check/list/9/x"), None);
    gives(store.list("check/list/9/x"), vec![]);
    gives(store.get("check/list/a/z"), Some(b"check/list/a/z".to_vec()));
}

fn absence(store: &dyn Store) {
    gives(store.delete("check/absent/folder/a"), ());
    gives(store.put_if_absent("check/absent/a", b"first"), true);
    gives(store.put_if_absent("check/absent/a", b"second"), false);
    gives(store.get("check/absent/a"), Some(b"first".to_vec()));
    gives(store.delete("check/absent/a"), ());
    gives(store.delete("check/absent/a"), ());
    gives(store.get("check/absent/a"), None);
    gives(store.list("check/absent"), vec![]);
    gives(store.put_if_absent("check/absent/a", b"third"), true);
    gives(store.get("check/absent/a"), Some(b"third".to_vec()));
}

fn bad_names(store: &dyn Store) {
    fn code<T>(done: Result<T, StoreError>) -> Option<&'static str> {
        done.err().map(|e| e.error().code())
    }
    for name in
        ["", "/", "/check", "check/", "check//a", "..", "check/../../a", "check/.a", ".tmp/a", "Check", "a b", "a\0"]
    {
        let refused = [
            code(store.put(name, b"a")),
            code(store.put_if_absent(name, b"a")),
            code(store.get(name)),
            code(store.get_range(name, 0..1)),
            code(store.list(name)),
            code(store.delete(name)),
        ];
        assert_eq!(refused, [Some("E0514"); 6], "{name:?}");
    }
}

/// Eight writers with handles of their own, at once, in a folder that is not there yet.
fn one_winner(open: &impl Fn() -> Box<dyn Store>) {
    for round in 0..32_u8 {
        let name = format!("check/winner/{round}/a");
        let stores: Vec<_> = (0..8_u8).map(|writer| (writer, open())).collect();
        let start = std::sync::Barrier::new(stores.len());
        let write = |writer: u8, store: &dyn Store| {
            start.wait();
            store.put_if_absent(&name, &[writer; 100]).map_err(|e| e.to_string())
        };
        let told: Vec<_> = std::thread::scope(|scope| {
            let write = &write;
            let spawn = |(writer, store): (u8, Box<dyn Store>)| scope.spawn(move || write(writer, &*store));
            let running: Vec<_> = stores.into_iter().map(spawn).collect();
            running.into_iter().map(|thread| thread.join().unwrap_or_else(|_| Err("panicked".into()))).collect()
        });
        let winners: Vec<u8> = (0..8).filter(|writer| told[usize::from(*writer)] == Ok(true)).collect();
        let losers = told.iter().filter(|told| **told == Ok(false)).count();
        assert!(winners.len() == 1 && losers == 7, "exactly one of eight writers wins, not {told:?}");
        gives(open().get(&name), Some(vec![winners[0]; 100]));
    }
}

/// An object that is being written is not there, or whole.
fn never_in_part(open: &impl Fn() -> Box<dyn Store>) {
    let (writer, reader) = (open(), open());
    let bytes = vec![7; 300_000];
    std::thread::scope(|scope| {
        let writing = scope.spawn(|| {
            let put = |round: u8| writer.put(&format!("check/whole/{round}"), &bytes).map_err(|e| e.to_string());
            (0..8).chain(0..8).try_for_each(put)
        });
        while !writing.is_finished() {
            for round in 0..8 {
                let found = reader.get(&format!("check/whole/{round}"));
                let whole = found.is_ok_and(|found| found.is_none_or(|found| found == bytes));
                assert!(whole, "check/whole/{round} was seen in part, or not read");
            }
        }
        assert!(matches!(writing.join(), Ok(Ok(()))), "an object was not written");
    });
}

#[cfg(test)]
mod tests;
