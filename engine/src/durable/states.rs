//! Objects that hold the states of keys, by key group.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use bytes::Bytes;
use rkyv::rancor;
use rkyv::util::AlignedVec;

use super::collect;
use super::frame::{self, Kind};
use super::record::{StateFile, StateType};
use crate::Error;

/// One object: what one worker wrote of one operator at one checkpoint, or a run of its key groups.
///
/// # Examples
/// ```
/// use watchfire_engine::durable::{GroupStates, States, merge};
/// let of = |entries| States {
///     operator: "overload".into(),
///     types: vec![("watchfire.window".into(), 1)],
///     groups: vec![GroupStates { group: 7, entries }],
/// };
/// let base = of(vec![(b"crane 1".to_vec(), Some(vec![1])), (b"crane 2".to_vec(), Some(vec![1]))]);
/// let delta = of(vec![(b"crane 1".to_vec(), Some(vec![2])), (b"crane 2".to_vec(), None)]);
///
/// let (bytes, file) = delta.encode(5, 1_048_600, 0)?;
/// assert_eq!(file.name, "state/00000000000000000005-00000000000001048600-0000000000");
/// let all = merge([base, States::decode(&bytes, &file)?]);
/// assert_eq!(all[&7].iter().collect::<Vec<_>>(), [(&b"crane 1".to_vec(), &vec![2])]);
/// # Ok::<(), watchfire_engine::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct States {
    /// The operator.
    pub operator: String,
    /// Names and versions of the states of its detectors, in their order.
    pub types: Vec<(String, u32)>,
    /// Rising by group.
    pub groups: Vec<GroupStates>,
}

/// Of one key group.
#[derive(Clone, Debug, PartialEq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct GroupStates {
    /// The group, below [`KEY_GROUPS`](crate::KEY_GROUPS).
    pub group: u16,
    /// Key and state, rising by key; no state where the key is forgotten.
    pub entries: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

/// The states of all keys, by key group and key.
pub type Merged = BTreeMap<u16, BTreeMap<Vec<u8>, Vec<u8>>>;

impl States {
    /// The object, and how a manifest refers to it, as a delta. It is the `part`-th of those that a generation writes for a checkpoint.
    ///
    /// # Errors
    /// `E0501` if it cannot be encoded, which only running out of memory can cause.
    pub fn encode(&self, generation: u64, checkpoint: u64, part: u32) -> Result<(Vec<u8>, StateFile), Error> {
        let body = rkyv::to_bytes::<rancor::Error>(self)
            .map_err(|e| Error::new("E0501", "cannot encode states").at(self.operator.clone()).because(e))?;
        let bytes = frame::framed(Kind::State, &body);
        let name = collect::name_of(generation, checkpoint, part);
        let groups = self.groups.first().zip(self.groups.last()).map_or((0, 0), |(a, b)| (a.group, b.group));
        let file = StateFile { name, bytes: bytes.len() as u64, checksum: frame::sum_of(&bytes), groups, base: false };
        Ok((bytes, file))
    }

    /// The states from the object that a manifest names.
    ///
    /// # Errors
    /// `E0521` if the bytes are damaged or are not those that the manifest names, `E0522` if a later release wrote them.
    pub fn decode(bytes: &[u8], file: &StateFile) -> Result<States, Error> {
        let body = frame::named(Kind::State, bytes, file)?;
        let mut aligned = AlignedVec::<16>::with_capacity(body.len());
        aligned.extend_from_slice(body);
        rkyv::from_bytes::<States, rancor::Error>(&aligned).map_err(|e| unreadable(file).because(e))
    }

    /// Names and versions as a manifest holds them.
    pub fn state_types(&self) -> Vec<StateType> {
        self.types.iter().map(|(name, version)| StateType { name: name.clone(), version: *version }).collect()
    }
}

/// Puts objects together, oldest first: of two entries of a key the later counts. O(entries).
pub fn merge(files: impl IntoIterator<Item = States>) -> Merged {
    let mut all = Merged::new();
    files.into_iter().for_each(|file| merge_into(&mut all, file, &(0..=u16::MAX)));
    all
}

/// Puts those groups of an object that lie in a range behind what older objects said.
pub(crate) fn merge_into(all: &mut Merged, file: States, groups: &RangeInclusive<u16>) {
    for part in file.groups.into_iter().filter(|part| groups.contains(&part.group)) {
        let group = all.entry(part.group).or_default();
        for (key, state) in part.entries {
            match state {
                Some(state) => group.insert(key, state),
                None => group.remove(&key),
            };
        }
    }
    all.retain(|_, keys| !keys.is_empty());
}

/// The same without a copy of any key or state, in the objects that they were read from.
#[derive(Debug)]
pub(crate) struct Body(Bytes);

impl Body {
    /// An object as it was read. O(entries).
    ///
    /// # Errors
    /// As [`States::decode`].
    pub(crate) fn of(bytes: Vec<u8>, file: &StateFile) -> Result<Self, Error> {
        let body = frame::named(Kind::State, &bytes, file)?;
        let head = bytes.len() - body.len();
        let mut body = Bytes::from(bytes).slice(head..);
        if body.as_ptr().align_offset(AlignedVec::<16>::ALIGNMENT) != 0 {
            let mut aligned = AlignedVec::<16>::with_capacity(body.len());
            aligned.extend_from_slice(&body);
            body = Bytes::from_owner(aligned);
        }
        access(&body).map_err(|e| unreadable(file).because(e))?;
        Ok(Body(body))
    }
}

fn access(body: &[u8]) -> Result<&ArchivedStates, rancor::Error> {
    rkyv::access::<ArchivedStates, rancor::Error>(body)
}

/// Entries that are given at a time: enough for the memory of the last to be there when it is its turn.
const SOME: usize = 32;

/// Gives keys and states of some groups, some at a time: the newest of each key, and maybe older ones behind it. One that says that
/// its key is forgotten hides those, and is not given. `bodies`: oldest first. O(entries).
///
/// # Errors
/// The first of `each`.
pub(crate) fn newest_first(
    bodies: &[Body],
    groups: impl Fn(u16) -> bool,
    mut each: impl FnMut(&[(&[u8], &[u8])]) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut forgotten = BTreeSet::new();
    let mut some = Vec::with_capacity(SOME);
    for body in bodies.iter().rev() {
        let states = access(&body.0).map_err(|e| Error::new("E0521", "states that cannot be read").because(e))?;
        for group in states.groups.iter().rev().filter(|group| groups(group.group.to_native())) {
            for entry in group.entries.iter().rev() {
                let key = entry.0.as_slice();
                match entry.1.as_ref() {
                    _ if forgotten.contains(key) => {}
                    Some(state) => some.push((key, state.as_slice())),
                    None => _ = forgotten.insert(key),
                }
                if some.len() == SOME {
                    each(&some)?;
                    some.clear();
                }
            }
        }
    }
    each(&some)
}

fn unreadable(file: &StateFile) -> Error {
    let remedy = "let the job fall back to an older checkpoint, or restore the object from a backup";
    Error::new("E0521", "states that cannot be read").at(file.name.clone()).remedy(remedy)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn states(groups: Vec<GroupStates>) -> States {
        States { operator: "overload".into(), types: vec![("watchfire.window".into(), 1)], groups }
    }

    fn group() -> impl Strategy<Value = GroupStates> {
        let entry = (0u8..6, prop::option::of(0u8..9));
        (0u16..3, prop::collection::btree_map(0u8..6, entry, 0..5)).prop_map(|(group, entries)| {
            let entries = entries.into_iter().map(|(key, (_, state))| (vec![key], state.map(|s| vec![s]))).collect();
            GroupStates { group, entries }
        })
    }

    proptest! {
        #[test]
        fn merging_is_a_map_that_forgets(all in prop::collection::vec(group(), 0..20)) {
            let mut model: Merged = Merged::new();
            for one in &all {
                let keys = model.entry(one.group).or_default();
                for (key, state) in &one.entries {
                    keys.remove(key);
                    keys.extend(state.clone().map(|state| (key.clone(), state)));
                }
            }
            model.retain(|_, keys| !keys.is_empty());
            prop_assert_eq!(merge(all.iter().cloned().map(|one| states(vec![one]))), model);
        }

        #[test]
        fn what_comes_first_is_what_is_merged(all in prop::collection::vec(prop::collection::vec(group(), 0..4), 0..6)) {
            let all: Vec<States> = all.into_iter().map(states).collect();
            let mut bodies = Vec::new();
            for (n, one) in all.iter().enumerate() {
                let (bytes, file) = one.encode(1, 2, n as u32).unwrap();
                bodies.push(Body::of(bytes, &file).unwrap());
            }
            let mut merged = Merged::new();
            for group in 0..3 {
                newest_first(&bodies, |of| of == group, |some| {
                    for (key, state) in some {
                        merged.entry(group).or_default().entry(key.to_vec()).or_insert_with(|| state.to_vec());
                    }
                    Ok(())
                }).unwrap();
            }
            prop_assert_eq!(merged, merge(all));
        }

        #[test]
        fn objects_read_back_and_damage_is_found(all in prop::collection::vec(group(), 0..4), at in any::<prop::sample::Index>()) {
            let all = states(all);
            let (bytes, file) = all.encode(1, 2, 0).unwrap();
            prop_assert_eq!(States::decode(&bytes, &file).unwrap(), all);
            let mut flipped = bytes.clone();
            *at.get_mut(&mut flipped[..]) ^= 4;
            prop_assert_eq!(States::decode(&flipped, &file).unwrap_err().code(), "E0521");
            prop_assert_eq!(Body::of(flipped, &file).unwrap_err().code(), "E0521");
        }
    }

    #[test]
    fn a_sound_object_in_the_place_of_another_is_told() {
        let (one, file) = states(vec![]).encode(1, 2, 0).unwrap();
        let entries = vec![(vec![1], None)];
        let (other, _) = states(vec![GroupStates { group: 7, entries }]).encode(1, 2, 1).unwrap();
        assert!(States::decode(&one, &file).is_ok());
        assert_eq!(States::decode(&other, &file).unwrap_err().code(), "E0521");
    }
}
