use super::*;
use crate::testing::check_store;

/// What came of a call, and how.
fn told<T>(done: Result<T, StoreError>) -> &'static str {
    match done {
        Ok(_) => "done",
        Err(StoreError::Unreachable(_)) => "unreachable",
        Err(StoreError::Full(_)) => "full",
        Err(_) => "other",
    }
}

#[test]
fn without_faults_it_keeps_what_a_store_promises() {
    let store = FaultyStore::default();
    check_store(|| Box::new(store.clone()));
}

#[test]
fn faults_come_as_often_as_asked_and_the_same_for_the_same_seed() {
    let run = |seed| {
        let faults =
            Faults { seed, before_per_mille: 100, after_per_mille: 200, full_per_mille: 50, ..Faults::default() };
        let store = FaultyStore::new(faults);
        let put = |at: u32| {
            let told = told(store.put(&format!("a/{at}"), b"x"));
            (told, store.disk().seen.contains_key(&format!("a/{at}")))
        };
        (0..10_000).map(put).collect::<Vec<_>>()
    };
    let once = run(7);
    assert_eq!(once, run(7));
    assert_ne!(once, run(8));
    for (outcome, expected) in [
        (("unreachable", false), 1_000),
        (("unreachable", true), 2_000),
        (("full", false), 500),
        (("done", true), 6_500),
    ] {
        let count = once.iter().filter(|found| **found == outcome).count();
        assert!(count.abs_diff(expected) < 150, "{outcome:?}: {count} of 10,000");
    }
}

#[test]
fn slow_calls_take_their_time_by_the_clock_of_lock_step_too() {
    let _sits = turns::sit_down(3);
    let passes = |slow_per_mille| {
        let store = FaultyStore::new(Faults { slow_per_mille, ..Faults::default() });
        let began = turns::now();
        (0..100).for_each(|_| store.put("a", b"x").unwrap());
        turns::now().duration_since(began)
    };
    let (quick, slow) = (passes(0), passes(1_000));
    assert!(quick < Duration::from_millis(100) && slow > Duration::from_millis(500), "{quick:?} {slow:?}");
}

#[test]
fn only_writes_find_no_room() {
    let store = FaultyStore::new(Faults { full_per_mille: 1_000, ..Faults::default() });
    assert_eq!(told(store.put("a", b"x")), "full");
    assert_eq!(told(store.put_if_absent("a", b"x")), "full");
    assert!(store.get("a").unwrap().is_none());
    assert!(store.list("a").unwrap().is_empty());
    store.delete("a").unwrap();
}

#[test]
fn a_crash_falls_where_it_is_told_to_and_stops_every_handle() {
    let store = FaultyStore::default();
    let zombie = store.clone();
    store.put("a", b"x").unwrap();
    store.crash_after(2);
    zombie.put("b", b"x").unwrap();
    store.get("a").unwrap();
    assert!(!store.is_down());
    assert_eq!(told(store.get("a")), "unreachable");
    assert!(store.is_down());
    assert_eq!(store.calls(), 4);
    let calls: [&dyn Fn() -> &'static str; 5] = [
        &|| told(zombie.put("c", b"x")),
        &|| told(zombie.put_if_absent("c", b"x")),
        &|| told(zombie.get("a")),
        &|| told(zombie.list("a")),
        &|| told(zombie.delete("a")),
    ];
    assert_eq!(calls.map(|call| call()), ["unreachable"; 5]);
    assert_eq!(store.calls(), 4);
    store.restart();
    assert!(zombie.get("c").unwrap().is_none());
    assert_eq!(zombie.get("a").unwrap().unwrap(), b"x");
}

#[test]
fn restart_calls_a_coming_crash_off() {
    let store = FaultyStore::default();
    store.crash_after(0);
    store.restart();
    store.put("a", b"x").unwrap();
}

/// What is seen under `a` after a crash in a call, over many seeds, sorted.
fn after_crash(torn: bool, cut: bool, call: impl Fn(&FaultyStore)) -> Vec<Option<String>> {
    let mut seen: Vec<_> = (0..200)
        .map(|seed| {
            let store = FaultyStore::new(Faults { seed, torn, ..Faults::default() });
            store.put("a", b"old").unwrap();
            store.crash_after(0);
            call(&store);
            if cut {
                store.power_cut();
            }
            store.restart();
            store.get("a").unwrap().map(|bytes| String::from_utf8(bytes).unwrap())
        })
        .collect();
    seen.sort();
    seen.dedup();
    seen
}

#[test]
fn a_call_cut_by_a_crash_was_done_or_not_or_torn_and_a_power_cut_takes_it_back() {
    let text = |texts: &[&str]| texts.iter().map(|text| Some((*text).to_owned())).collect::<Vec<_>>();
    let put = |store: &FaultyStore| assert!(store.put("a", b"new").is_err());
    let absent = |store: &FaultyStore| assert!(store.put_if_absent("a", b"new").is_err());
    let delete = |store: &FaultyStore| assert!(store.delete("a").is_err());
    assert_eq!(after_crash(false, false, put), text(&["new", "old"]));
    assert_eq!(after_crash(true, false, put), text(&["", "n", "ne", "new", "old"]));
    assert_eq!(after_crash(true, false, absent), text(&["old"]));
    assert_eq!(after_crash(true, false, delete), [None, Some("old".into())]);
    for torn in [false, true] {
        assert_eq!(after_crash(torn, true, put), text(&["old"]));
        assert_eq!(after_crash(torn, true, delete), text(&["old"]));
    }
}

#[test]
fn what_a_failed_call_did_is_durable_only_after_one_that_returned() {
    let ambiguous = Faults { after_per_mille: 1_000, ..Faults::default() };
    let cut_after = |last: &dyn Fn(&FaultyStore)| {
        let store = FaultyStore::new(ambiguous);
        assert_eq!(told(store.put_if_absent("a", b"x")), "unreachable");
        assert_eq!(told(store.put("a", b"y")), "unreachable");
        store.disk().faults = Faults::default();
        assert_eq!(store.get("a").unwrap().unwrap(), b"y");
        last(&store);
        // Neither a restart nor a look makes it durable.
        store.restart();
        store.power_cut();
        assert!(store.is_down());
        store.restart();
        store.get("a").unwrap()
    };
    assert_eq!(cut_after(&|_| {}), None);
    assert_eq!(cut_after(&|store| assert!(!store.put_if_absent("a", b"z").unwrap())), Some(b"y".to_vec()));
    assert_eq!(cut_after(&|store| store.put("a", b"z").unwrap()), Some(b"z".to_vec()));
    assert_eq!(cut_after(&|store| store.delete("a").unwrap()), None);
}

#[test]
fn what_returned_survives_a_power_cut() {
    let store = FaultyStore::default();
    store.put("a/1", b"x").unwrap();
    store.put("a/2", b"x").unwrap();
    assert!(store.put_if_absent("a/3", b"x").unwrap());
    store.delete("a/2").unwrap();
    store.power_cut();
    assert_eq!(told(store.list("a")), "unreachable");
    store.restart();
    assert_eq!(store.list("a").unwrap(), ["a/1", "a/3"]);
}

#[test]
fn objects_can_be_damaged() {
    let damaged = |seed| {
        let store = FaultyStore::new(Faults { seed, ..Faults::default() });
        store.put("a", &[0; 64]).unwrap();
        store.put("empty", b"").unwrap();
        assert!(!store.flip("b") && !store.flip("empty"));
        assert!(store.flip("a"));
        store.get("a").unwrap().unwrap()
    };
    assert_eq!(damaged(7).iter().map(|byte| byte.count_ones()).sum::<u32>(), 1);
    assert_eq!(damaged(7), damaged(7));
    assert_ne!(damaged(7), damaged(8));

    let store = FaultyStore::default();
    store.put("a", b"0123").unwrap();
    assert!(!store.truncate("a", 4) && !store.truncate("b", 0));
    assert!(store.truncate("a", 1));
    assert_eq!(store.get("a").unwrap().unwrap(), b"0");
}
