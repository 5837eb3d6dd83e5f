use super::*;
use crate::durable::{Checkpoints, Manifest, OperatorState, StateFile, collect};
use crate::testing::{Faults, FaultyStore};
use proptest::prelude::*;

fn store() -> FaultyStore {
    FaultyStore::new(Faults::default())
}

fn checkpoint(checkpoint: u64) -> Entry {
    Entry::Checkpoint(Box::new(Manifest { checkpoint, job: "site".into(), ..Manifest::default() }))
}

fn begin(store: &FaultyStore) -> Result<Log, Error> {
    let known = read(store)?;
    let newest = known.iter().filter_map(Known::record).filter_map(Record::manifest).next_back();
    let from = newest.map(|manifest| manifest.checkpoint);
    Log::begin(Arc::new(store.clone()), &known, "site", from, store.calls(), false)
}

fn numbers(store: &FaultyStore) -> Vec<u64> {
    read(store).unwrap().iter().map(Known::number).collect()
}

fn fenced<T: std::fmt::Debug>(result: Result<T, Error>) {
    assert_eq!(result.unwrap_err().code(), "E0524");
}

#[test]
fn a_log_reads_back() {
    let store = store();
    let mut log = begin(&store).unwrap();
    assert_eq!((log.append(checkpoint(7)).unwrap(), log.append(Entry::Committed { checkpoint: 7 }).unwrap()), (2, 3));
    let again = begin(&store).unwrap();
    assert_eq!((log.generation(), again.generation()), (1, 4));
    let entries: Vec<Entry> = read(&store)
        .unwrap()
        .into_iter()
        .map(|known| match known {
            Known::Good(record) => record.entry,
            Known::Damaged { why, .. } => panic!("{why}"),
        })
        .collect();
    assert_eq!(entries[1..3], [checkpoint(7), Entry::Committed { checkpoint: 7 }]);
    assert!(matches!(entries[3], Entry::Started { from: Some(7), .. }));
}

#[test]
fn a_zombie_is_fenced_even_when_its_number_is_free_again() {
    let store = store();
    let mut zombie = begin(&store).unwrap();
    zombie.append(checkpoint(1)).unwrap();
    let mut next = begin(&store).unwrap();
    fenced(zombie.append(checkpoint(2)));
    for n in 2..9 {
        next.append(checkpoint(n)).unwrap();
    }
    Checkpoints::new(Arc::new(store.clone())).prune(2).unwrap();
    let kept = numbers(&store);
    assert_eq!(kept, [9, 10]);
    // Its next number was 3, and nothing is there any more.
    fenced(zombie.append(checkpoint(2)));
    assert!(store.get(&record::name_of(3)).unwrap().is_some(), "it did write");
    assert_eq!(numbers(&store), kept, "and nobody takes that for part of the log");
}

#[test]
fn what_a_zombie_left_right_below_the_log_is_no_part_of_it() {
    let store = store();
    let mut zombie = begin(&store).unwrap();
    let mut next = begin(&store).unwrap();
    next.append(checkpoint(1)).unwrap();
    let mut gone = Checkpoints::new(Arc::new(store.clone())).prune(1).unwrap();
    gone.sort();
    assert_eq!(gone, [record::name_of(1), record::name_of(2)]);
    fenced(zombie.append(checkpoint(9)));
    assert_eq!(store.list(record::FOLDER).unwrap().len(), 2);
    assert_eq!(numbers(&store), [3]);
}

#[test]
fn nor_is_it_below_a_damaged_record() {
    let store = store();
    let mut zombie = begin(&store).unwrap();
    let mut next = begin(&store).unwrap();
    next.append(checkpoint(1)).unwrap();
    Checkpoints::new(Arc::new(store.clone())).prune(1).unwrap();
    fenced(zombie.append(checkpoint(9)));
    next.append(checkpoint(2)).unwrap();
    store.flip(&record::name_of(3));
    assert_eq!(numbers(&store), [3, 4]);
}

#[test]
fn of_two_that_start_at_once_one_goes_on() {
    let store = store();
    begin(&store).unwrap();
    let seen = read(&store).unwrap();
    let start = |nonce| Log::begin(Arc::new(store.clone()), &seen, "site", None, nonce, false);
    let mut first = start(1).unwrap();
    fenced(start(2));
    first.append(checkpoint(1)).unwrap();
}

#[test]
fn damage_is_told_and_breaks_nothing_off() {
    let store = store();
    let mut log = begin(&store).unwrap();
    (1..5).for_each(|n| _ = log.append(checkpoint(n)).unwrap());
    store.flip(&record::name_of(3));
    let known = read(&store).unwrap();
    let damaged: Vec<bool> = known.iter().map(|known| matches!(known, Known::Damaged { .. })).collect();
    assert_eq!(damaged, [false, false, true, false, false]);
    let damages = Checkpoints::new(Arc::new(store.clone())).verify().unwrap();
    assert_eq!((damages.len(), damages[0].checkpoint, damages[0].error.code()), (1, None, "E0521"));
    // The newest record may be the damaged one.
    store.truncate(&record::name_of(5), 40);
    let mut next = begin(&store).unwrap();
    next.append(checkpoint(9)).unwrap();
    assert_eq!(numbers(&store), (1..=7).collect::<Vec<_>>());
}

#[test]
fn a_log_of_a_later_release_is_not_begun_anew() {
    let store = store();
    let mut bytes = frame::framed(frame::Kind::Record, b"{}");
    bytes[10] = 2;
    let sum = xxhash_rust::xxh3::xxh3_64(&[&bytes[..24], b"{}"].concat());
    bytes[24..32].copy_from_slice(&sum.to_le_bytes());
    store.put(&record::name_of(1), &bytes).unwrap();
    assert_eq!(read(&store).unwrap_err().code(), "E0522");
}

/// What one of several processes does next.
#[derive(Clone, Debug)]
enum Act {
    Start(usize),
    Append(usize),
    Prune,
    Crash { after_calls: u64, power: bool },
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        3 => (0usize..3).prop_map(Act::Start),
        12 => (0usize..3).prop_map(Act::Append),
        1 => Just(Act::Prune),
        2 => (0u64..12, any::<bool>()).prop_map(|(after_calls, power)| Act::Crash { after_calls, power }),
    ];
    prop::collection::vec(act, 1..60)
}

/// A checkpoint that needs the object of the one before, too. Nothing if its own cannot be written.
fn with_files(store: &FaultyStore, generation: u64, number: u64, before: &mut Vec<StateFile>) -> Option<Entry> {
    let file =
        StateFile { name: collect::name_of(generation, number, 0), bytes: 0, checksum: 0, groups: (0, 0), base: false };
    (0..3).find(|_| store.put(&file.name, b"states").is_ok())?;
    let files = before.last().cloned().into_iter().chain([file]).collect();
    before.clone_from(&files);
    let operators = [("site".to_owned(), OperatorState { states: Vec::new(), files })].into();
    Some(Entry::Checkpoint(Box::new(Manifest { checkpoint: number, operators, ..Manifest::default() })))
}

/// The record of the second newest checkpoint, below which may be pruned; 1 while there is none.
fn floor(store: &FaultyStore) -> u64 {
    let known = (0..).find_map(|_| read(store).ok()).unwrap_or_default();
    let mut checkpoints = known.iter().filter_map(Known::record).filter(|record| record.manifest().is_some()).rev();
    checkpoints.nth(1).map_or(1, |record| record.number)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Three processes on one store that fails, crashes and loses what was not durable: what one of them was told is
    /// written stays in the log for ever, in its place, until it is pruned; and there is one log.
    #[test]
    fn what_was_written_stays_and_only_one_writes(acts in acts(), seed in any::<u64>()) {
        let faults = Faults { seed, before_per_mille: 20, after_per_mille: 60, full_per_mille: 10, torn: true, ..Faults::default() };
        let store = FaultyStore::new(faults);
        let mut logs: [Option<Log>; 3] = [None, None, None];
        let mut told: std::collections::BTreeMap<u64, Entry> = std::collections::BTreeMap::new();
        let (mut next, mut pruned_below) = (0, 1);
        // Of all generations, for each of them goes on from the last checkpoint.
        let mut files = Vec::new();
        for act in acts {
            match act {
                Act::Start(who) => logs[who] = begin(&store).ok(),
                Act::Append(who) => {
                    next += 1;
                    let Some(log) = &mut logs[who] else { continue };
                    let Some(entry) = with_files(&store, log.generation(), next, &mut files) else { continue };
                    // As a job does: what may pass is tried again.
                    let written = (0..3).find_map(|_| match log.append(entry.clone()) {
                        Err(e) if ["E0510", "E0511"].contains(&e.code()) => None,
                        other => Some(other),
                    });
                    match written {
                        Some(Ok(number)) => {
                            prop_assert!(told.insert(number, entry).is_none(), "record {number} was told twice");
                        }
                        Some(Err(_)) => logs[who] = None,
                        // It does not know, and must not go on with another entry.
                        None => logs[who] = None,
                    }
                }
                Act::Prune => {
                    pruned_below = pruned_below.max(floor(&store));
                    let _ = Checkpoints::new(Arc::new(store.clone())).prune(2);
                    pruned_below = pruned_below.max(floor(&store));
                }
                Act::Crash { after_calls, power } => {
                    store.crash_after(after_calls);
                    for mut log in logs.iter_mut().filter_map(Option::take) {
                        if let Ok(number) = log.append(Entry::Finished) {
                            prop_assert!(told.insert(number, Entry::Finished).is_none(), "record {number} was told twice");
                        }
                    }
                    let _ = begin(&store);
                    if power {
                        store.power_cut();
                    }
                    store.restart();
                }
            }
        }
        let known = loop {
            if let Ok(known) = read(&store) { break known; }
        };
        let first = known.first().map_or(u64::MAX, Known::number);
        for (number, entry) in told.range(first..) {
            let found = known.iter().find(|known| known.number() == *number);
            let same = matches!(found, Some(Known::Good(record)) if record.entry == *entry);
            prop_assert!(same, "record {number} is {found:?}, and {entry:?} was told");
        }
        prop_assert!(told.is_empty() || first <= pruned_below, "{first} is the first, and {pruned_below} was the lowest kept");
    }
}
