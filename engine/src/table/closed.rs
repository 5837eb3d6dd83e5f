//! The rows of a table at the end of an epoch, as operators hold them.

use std::collections::BTreeMap;
use std::mem::take;

use crate::{Key, Row};

/// More rows of a key than this are kept in a tree.
const FEW: usize = 16;

/// The rows of a key, rising, and how often each is there: none of them zero times.
#[derive(Clone)]
pub(super) enum RowsOf<V> {
    Few(Vec<(V, isize)>),
    Many(BTreeMap<V, isize>),
}

impl<V> Default for RowsOf<V> {
    fn default() -> Self {
        RowsOf::Few(Vec::new())
    }
}

impl<V: Row> RowsOf<V> {
    pub(super) fn is_empty(&self) -> bool {
        match self {
            RowsOf::Few(rows) => rows.is_empty(),
            RowsOf::Many(rows) => rows.is_empty(),
        }
    }

    /// The rows that are there.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&V, isize)> {
        let (few, many) = match self {
            RowsOf::Few(rows) => (Some(rows.iter().map(|(row, times)| (row, *times))), None),
            RowsOf::Many(rows) => (None, Some(rows.iter().map(|(row, times)| (row, *times)))),
        };
        few.into_iter().flatten().chain(many.into_iter().flatten()).filter(|(_, times)| *times > 0)
    }

    /// A row comes, or goes, so many times.
    pub(super) fn add(&mut self, row: &V, by: isize) {
        if by == 0 {
            return;
        }
        match self {
            RowsOf::Few(rows) => match rows.binary_search_by(|(one, _)| one.cmp(row)) {
                Ok(at) => {
                    rows[at].1 += by;
                    if rows[at].1 == 0 {
                        rows.remove(at);
                    }
                }
                Err(at) => {
                    rows.insert(at, (row.clone(), by));
                    if rows.len() > FEW {
                        *self = RowsOf::Many(take(rows).into_iter().collect());
                    }
                }
            },
            RowsOf::Many(rows) => {
                let times = rows.entry(row.clone()).or_default();
                *times += by;
                if *times == 0 {
                    rows.remove(row);
                    if rows.len() <= FEW / 2 {
                        *self = RowsOf::Few(take(rows).into_iter().collect());
                    }
                }
            }
        }
    }
}

/// Rows by key.
pub(super) struct Closed<K, V>(BTreeMap<K, RowsOf<V>>);

impl<K: Key, V: Row> Closed<K, V> {
    pub(super) fn new() -> Self {
        Closed(BTreeMap::new())
    }

    /// The rows of a key.
    pub(super) fn of(&self, key: &K) -> impl Iterator<Item = (&V, isize)> {
        self.0.get(key).into_iter().flat_map(RowsOf::iter)
    }

    /// A row comes, or goes, so many times.
    pub(super) fn add(&mut self, (key, row): &(K, V), by: isize) {
        if by == 0 {
            return;
        }
        match self.0.get_mut(key) {
            Some(rows) => {
                rows.add(row, by);
                if rows.is_empty() {
                    self.0.remove(key);
                }
            }
            None => {
                let mut rows = RowsOf::default();
                rows.add(row, by);
                self.0.insert(key.clone(), rows);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn few_rows_and_many_are_the_same(changes in prop::collection::vec((0_u32..40, -2_isize..3), 0..300)) {
            let (mut rows, mut plain) = (RowsOf::default(), BTreeMap::new());
            for (row, by) in changes {
                rows.add(&row, by);
                *plain.entry(row).or_default() += by;
                plain.retain(|_, times| *times != 0);
                let there = plain.iter().filter(|(_, times)| **times > 0);
                prop_assert!(rows.iter().eq(there.map(|(row, times)| (row, *times))));
                prop_assert_eq!(rows.is_empty(), plain.is_empty());
                prop_assert!(matches!(rows, RowsOf::Few(_)) || plain.len() > FEW / 2);
            }
        }
    }
}
