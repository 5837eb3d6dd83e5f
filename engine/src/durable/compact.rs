//! Chains of objects: a base that holds all groups of keys, and deltas on top of it. A chain that has grown is put together
//! into a new base, beside the old one, by whoever does not hold up the rows.

use std::collections::BTreeMap;

use super::checkpoints::states_in;
use super::record::StateFile;
use super::states::{GroupStates, Merged, States, merge_into};
use super::store::Store;
use crate::Error;
use crate::key::KEY_GROUPS;

/// When a chain is put together.
///
/// # Examples
/// ```
/// use watchfire_engine::durable::{Chain, StateFile};
/// let file = |bytes, base| StateFile { name: "x".into(), bytes, checksum: 0, groups: (0, 9), base };
/// let chain = Chain::default();
/// assert!(!chain.is_long(&[file(2_000_000, true), file(1_500_000, false)]));
/// assert!(chain.is_long(&[file(2_000_000, true), file(1_500_000, false), file(700_000, false)]));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chain {
    /// Deltas of fewer bytes than this are left alone, however small their base. Default 1 MiB.
    pub deltas_min_bytes: u64,
    /// A chain of more objects than this is put together, however few bytes they have. Default 64.
    pub files_max: usize,
    /// So many bytes of states are put together at once: what it takes of memory, beside one object. Default 64 MiB.
    pub slice_bytes: u64,
}

impl Default for Chain {
    fn default() -> Self {
        Chain { deltas_min_bytes: 1 << 20, files_max: 64, slice_bytes: 64 << 20 }
    }
}

impl Chain {
    /// Whether the deltas have as many bytes as their base, or the objects are too many. So a start reads at most about
    /// twice the states, and at most as much is written anew as was written in deltas.
    pub fn is_long(&self, files: &[StateFile]) -> bool {
        let bytes = |files: &[StateFile]| files.iter().map(|file| file.bytes).sum::<u64>();
        let (base, deltas) = files.split_at(files.iter().position(|file| !file.base).unwrap_or(files.len()));
        let full = bytes(deltas) >= self.deltas_min_bytes.max(bytes(base));
        !deltas.is_empty() && (full || files.len() > self.files_max)
    }
}

/// Writes a new base from a chain, and tells its objects, which stand for all of the chain. They are named for a checkpoint to
/// come of a generation, as parts from `first_part` on. The chain's own objects stay: older checkpoints need them.
///
/// Reads every object once for each slice of groups that it reaches into; O(bytes read) time, O(slice) memory.
///
/// # Errors
/// `E0521` if an object is damaged, missing, or of another operator or state than its neighbours; `E0522` if a later release
/// wrote it; [`StoreError`](super::StoreError).
///
/// # Examples
/// ```
/// use watchfire_engine::durable::{Chain, Directory, GroupStates, States, Store, compact};
/// # let folder = std::env::temp_dir().join(format!("watchfire-compact-{}", std::process::id()));
/// let store = Directory::create(&folder)?;
/// let write = |part, state: u8| {
///     let groups = vec![GroupStates { group: 7, entries: vec![(b"crane 1".to_vec(), Some(vec![state]))] }];
///     let states = States { operator: "overload".into(), types: vec![("watchfire.window".into(), 1)], groups };
///     let (bytes, file) = states.encode(5, 1_048_600, part)?;
///     store.put(&file.name, &bytes).map(|()| file).map_err(watchfire_engine::Error::from)
/// };
/// let chain = [write(0, 1)?, write(1, 2)?];
///
/// let base = compact(&store, &chain, &Chain::default(), (5, 1_048_700), 0)?;
/// assert!(base.len() == 1 && base[0].base);
/// let bytes = store.get(&base[0].name)?.unwrap_or_default();
/// assert_eq!(States::decode(&bytes, &base[0])?.groups[0].entries, [(b"crane 1".to_vec(), Some(vec![2]))]);
/// # std::fs::remove_dir_all(folder)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn compact(
    store: &dyn Store,
    chain: &[StateFile],
    limits: &Chain,
    (generation, checkpoint): (u64, u64),
    first_part: u32,
) -> Result<Vec<StateFile>, Error> {
    let all: u64 = chain.iter().map(|file| file.bytes).sum();
    let slices = all.div_ceil(limits.slice_bytes.max(1)).clamp(1, u64::from(KEY_GROUPS)) as u16;
    let mut base = Vec::new();
    for slice in 0..slices {
        let edge = |slice: u16| (u32::from(KEY_GROUPS) * u32::from(slice) / u32::from(slices)) as u16;
        let groups = edge(slice)..=edge(slice + 1) - 1;
        let mut merged = Merged::new();
        let mut of: Option<(String, Vec<(String, u32)>)> = None;
        for file in chain.iter().filter(|file| file.groups.0 <= *groups.end() && file.groups.1 >= *groups.start()) {
            let states = states_in(store, file)?;
            let (operator, types) = of.get_or_insert_with(|| (states.operator.clone(), states.types.clone()));
            if (&states.operator, &states.types) != (&*operator, &*types) {
                let what = format!("states of \"{}\" in a chain of \"{operator}\", or of other types", states.operator);
                let remedy = "restore the object from a backup";
                return Err(Error::new("E0521", what).at(file.name.clone()).remedy(remedy));
            }
            merge_into(&mut merged, states, &groups);
        }
        let Some((operator, types)) = of.filter(|_| !merged.is_empty()) else { continue };
        let part = first_part.saturating_add(base.len() as u32);
        let (bytes, file) =
            States { operator, types, groups: groups_of(merged) }.encode(generation, checkpoint, part)?;
        store.put(&file.name, &bytes)?;
        base.push(StateFile { base: true, ..file });
    }
    Ok(base)
}

fn groups_of(merged: Merged) -> Vec<GroupStates> {
    let entries = |keys: BTreeMap<Vec<u8>, Vec<u8>>| keys.into_iter().map(|(key, state)| (key, Some(state))).collect();
    merged.into_iter().map(|(group, keys)| GroupStates { group, entries: entries(keys) }).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use proptest::prelude::*;

    use super::*;
    use crate::durable::{Directory, merge};

    fn of(operator: &str, groups: Vec<GroupStates>) -> States {
        States { operator: operator.into(), types: vec![("watchfire.window".into(), 1)], groups }
    }

    /// A store that counts the objects read.
    #[derive(Debug)]
    struct Reads(Directory, AtomicUsize);

    impl Reads {
        fn new() -> (tempfile::TempDir, Self) {
            let folder = tempfile::tempdir().unwrap();
            let store = Directory::create(folder.path()).unwrap();
            (folder, Reads(store, AtomicUsize::new(0)))
        }

        fn write(&self, states: &States, part: u32) -> StateFile {
            let (bytes, file) = states.encode(1, 10, part).unwrap();
            self.0.put(&file.name, &bytes).unwrap();
            file
        }

        fn read(&self, files: &[StateFile]) -> Vec<States> {
            files.iter().map(|file| states_in(&self.0, file).unwrap()).collect()
        }
    }

    impl Store for Reads {
        fn put(&self, name: &str, bytes: &[u8]) -> Result<(), crate::durable::StoreError> {
            self.0.put(name, bytes)
        }
        fn put_if_absent(&self, name: &str, bytes: &[u8]) -> Result<bool, crate::durable::StoreError> {
            self.0.put_if_absent(name, bytes)
        }
        fn get(&self, name: &str) -> Result<Option<Vec<u8>>, crate::durable::StoreError> {
            self.1.fetch_add(1, Ordering::Relaxed);
            self.0.get(name)
        }
        fn list(&self, folder: &str) -> Result<Vec<String>, crate::durable::StoreError> {
            self.0.list(folder)
        }
        fn delete(&self, name: &str) -> Result<(), crate::durable::StoreError> {
            self.0.delete(name)
        }
    }

    /// An object: some groups, rising, each with some keys, of which some are forgotten.
    fn object() -> impl Strategy<Value = Vec<GroupStates>> {
        let entries = prop::collection::btree_map(0u8..5, prop::option::weighted(0.8, any::<u8>()), 0..5);
        prop::collection::btree_map(0u16..KEY_GROUPS, entries, 0..6).prop_map(|groups| {
            let entry = |(key, state): (u8, Option<u8>)| (vec![key], state.map(|state| vec![state; 40]));
            let of = |(group, entries): (u16, BTreeMap<u8, Option<u8>>)| GroupStates {
                group,
                entries: entries.into_iter().map(entry).collect(),
            };
            groups.into_iter().map(of).collect()
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
        #[test]
        fn a_base_says_what_its_chain_said(objects in prop::collection::vec(object(), 0..8), slice_bytes in 1u64..4_000) {
            let (_folder, store) = Reads::new();
            let chain: Vec<StateFile> =
                objects.into_iter().zip(0..).map(|(groups, part)| store.write(&of("site", groups), part)).collect();
            let limits = Chain { slice_bytes, ..Chain::default() };
            let base = compact(&store, &chain, &limits, (1, 20), 3).unwrap();
            let read = store.read(&base);
            prop_assert_eq!(merge(read.clone()), merge(store.read(&chain)));
            prop_assert!(base.iter().all(|file| file.base) && !limits.is_long(&base));
            let groups: Vec<u16> = read.iter().flat_map(|states| &states.groups).map(|group| group.group).collect();
            prop_assert!(groups.is_sorted_by(|a, b| a < b), "each group once: {groups:?}");
            let names: Vec<&str> = base.iter().map(|file| file.name.as_str()).collect();
            prop_assert!(names.is_sorted_by(|a, b| a < b) && names.iter().all(|name| name.contains("020-")), "{names:?}");
            // Whatever comes on top of it is put together with it again.
            let again = compact(&store, &[&base[..], &chain[..]].concat(), &limits, (1, 30), 0).unwrap();
            prop_assert_eq!(merge(store.read(&again)), merge(read.into_iter().chain(store.read(&chain))));
        }
    }

    #[test]
    fn an_object_is_read_once_for_each_slice_that_it_reaches_into() {
        let (_folder, store) = Reads::new();
        let group = |group| GroupStates { group, entries: vec![(vec![1], Some(vec![0; 1_000]))] };
        let chain = [store.write(&of("site", vec![group(5)]), 0), store.write(&of("site", vec![group(1_000)]), 1)];
        let limits = Chain { slice_bytes: 1_100, ..Chain::default() };
        assert_eq!(compact(&store, &chain, &limits, (1, 20), 0).unwrap().len(), 2);
        assert_eq!(store.1.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn what_does_not_belong_together_is_not_put_together() {
        let (_folder, store) = Reads::new();
        let group = || vec![GroupStates { group: 5, entries: vec![(vec![1], Some(vec![2]))] }];
        let chain = [store.write(&of("site", group()), 0), store.write(&of("lifts", group()), 1)];
        let refused =
            |chain: &[StateFile]| compact(&store, chain, &Chain::default(), (1, 20), 0).unwrap_err().to_string();
        assert!(refused(&chain).starts_with("E0521") && refused(&chain).contains("lifts"), "{}", refused(&chain));
        store.delete(&chain[0].name).unwrap();
        assert!(refused(&chain).contains("not there"), "{}", refused(&chain));
    }

    #[test]
    fn a_chain_is_long_by_its_bytes_or_its_objects() {
        let file = |bytes, base| StateFile { name: String::new(), bytes, checksum: 0, groups: (0, 1), base };
        let limits = Chain { deltas_min_bytes: 100, files_max: 4, ..Chain::default() };
        let long = |files: &[(u64, bool)]| {
            limits.is_long(&files.iter().map(|(bytes, base)| file(*bytes, *base)).collect::<Vec<_>>())
        };
        assert!(!long(&[]) && !long(&[(900, true); 9]), "nothing but a base cannot be made shorter");
        assert!(!long(&[(99, false)]) && long(&[(100, false)]));
        assert!(!long(&[(500, true), (499, false)]) && long(&[(500, true), (300, false), (200, false)]));
        assert!(!long(&[(500, true), (1, false), (1, false), (1, false)]));
        assert!(long(&[(500, true), (1, false), (1, false), (1, false), (1, false)]));
    }
}
