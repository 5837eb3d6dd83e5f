//! Keys, and the one hash that says which key group, and so which worker, owns a key.

use std::fmt::Debug;

use serde::Serialize;
use serde::de::DeserializeOwned;
use xxhash_rust::xxh3::xxh3_64;

/// Key groups of every job. Fixed for ever: the unit in which state is stored and moved between workers.
pub const KEY_GROUPS: u16 = 1024;

/// What rows are grouped by.
///
/// The hash decides which worker owns a key and under which key group its state is stored. It must therefore be the
/// same in every run, on every machine and in every release; `std::hash::Hash` promises none of that.
///
/// # Examples
/// A key type of one's own delegates to what it wraps:
/// ```
/// use serde::{Deserialize, Serialize};
/// use watchfire_engine::Key;
/// #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
/// struct LiftId(String);
/// impl Key for LiftId {
///     fn stable_hash(&self) -> u64 { self.0.stable_hash() }
/// }
/// assert_eq!(LiftId("A-1".into()).stable_hash(), "A-1".to_string().stable_hash());
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a key",
    note = "integers, bool, String and tuples of keys are keys; a key of your own implements `Key` by delegating to what it wraps"
)]
pub trait Key: Clone + Ord + Debug + Send + Sync + Serialize + DeserializeOwned + 'static {
    /// A hash that never changes.
    fn stable_hash(&self) -> u64;
}

/// The key group of a hash: its ten highest bits.
pub(crate) fn key_group(hash: u64) -> u16 {
    (hash >> 54) as u16
}

/// The worker that owns a hash among `peers`: contiguous ranges of key groups.
pub(crate) fn owner(hash: u64, peers: usize) -> usize {
    owner_of(key_group(hash), peers)
}

/// The worker of a key group.
#[inline]
pub(crate) fn owner_of(group: u16, peers: usize) -> usize {
    usize::from(group) * peers / usize::from(KEY_GROUPS)
}

/// The finaliser of splitmix64: a bijection on `u64` that spreads every input bit (Steele, Lea, Flood 2014).
pub(crate) fn mix(mut z: u64) -> u64 {
    z = z.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

macro_rules! integer_keys {
    ($($t:ty),*) => {$(
        impl Key for $t {
            #[inline]
            fn stable_hash(&self) -> u64 {
                mix(*self as u64)
            }
        }
    )*};
}
integer_keys!(u8, u16, u32, u64, i8, i16, i32, i64, bool);

impl Key for String {
    fn stable_hash(&self) -> u64 {
        xxh3_64(self.as_bytes())
    }
}

impl Key for () {
    fn stable_hash(&self) -> u64 {
        mix(0)
    }
}

macro_rules! tuple_keys {
    ($($name:ident $index:tt),+) => {
        impl<$($name: Key),+> Key for ($($name,)+) {
            fn stable_hash(&self) -> u64 {
                let mut hash = 0;
                $(hash = mix(hash ^ self.$index.stable_hash());)+
                hash
            }
        }
    };
}
tuple_keys!(A 0, B 1);
tuple_keys!(A 0, B 1, C 2);
tuple_keys!(A 0, B 1, C 2, D 3);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_pinned() {
        assert_eq!(7u32.stable_hash(), 7_191_089_600_892_374_487);
        assert_eq!(7u32.stable_hash(), 7i64.stable_hash());
        assert_eq!("lift".to_string().stable_hash(), xxh3_64(b"lift"));
    }

    #[test]
    fn every_group_has_one_owner_and_ranges_are_contiguous() {
        for peers in 1..=7 {
            let owners: Vec<usize> = (0..u64::from(KEY_GROUPS)).map(|g| owner(g << 54, peers)).collect();
            assert!(owners.is_sorted());
            assert_eq!(owners.first(), Some(&0));
            assert_eq!(owners.last(), Some(&(peers - 1)));
        }
    }
}
