//! What can be asked of tables, row by row and of two at a time.

use std::panic::Location;
use std::rc::Rc;

use differential_dataflow::lattice::Lattice;
use differential_dataflow::operators::arrange::{Arranged, TraceAgent, arrangement::arrange_core};
use differential_dataflow::trace::implementations::{ValBatcher, ValSpine};
use timely::ExchangeData;
use timely::dataflow::channels::pact::{Exchange, ParallelizationContract};
use timely::progress::Timestamp;

use super::groups::once;
use super::level::Around;
use super::{Level, Rows, Table};
use crate::key::owner;
use crate::{Key, Row};

/// A table by key, where its rows can be looked up: on the worker that owns the key.
type ByKey<'f, K, V, T> = Arranged<'f, TraceAgent<ValSpine<K, V, T, isize>>>;

impl<'f, K: Key, V: Row, L: Level> Table<'f, K, V, L> {
    /// Another value for each row.
    #[track_caller]
    pub fn map<W: Row>(self, each: impl Fn(&K, V) -> W + 'static) -> Table<'f, K, W, L> {
        self.view(("map", String::new()), Location::caller(), |around, rows| {
            let around = around.clone();
            rows.map(move |(key, value)| {
                around.mark();
                let value = each(&key, value);
                (key, value)
            })
        })
    }

    /// The rows for which `keep` holds.
    #[track_caller]
    pub fn filter(self, keep: impl Fn(&K, &V) -> bool + 'static) -> Table<'f, K, V, L> {
        self.view(("filter", String::new()), Location::caller(), |around, rows| {
            let around = around.clone();
            rows.filter(move |(key, value)| {
                around.mark();
                keep(key, value)
            })
        })
    }

    /// The same rows under another key.
    #[track_caller]
    pub fn rekey<A: Key>(self, key: impl Fn(&K, &V) -> A + 'static) -> Table<'f, A, V, L> {
        self.flat_map_as("rekey", Location::caller(), move |old, value| [(key(&old, &value), value)])
    }

    /// None, one or many rows, under keys of their own, for each row.
    #[track_caller]
    pub fn flat_map<A: Key, W: Row, I: IntoIterator<Item = (A, W)>>(
        self,
        each: impl Fn(K, V) -> I + 'static,
    ) -> Table<'f, A, W, L>
    where
        I::IntoIter: 'static,
    {
        self.flat_map_as("flat_map", Location::caller(), each)
    }

    fn flat_map_as<A: Key, W: Row, I: IntoIterator<Item = (A, W)>>(
        self,
        word: &'static str,
        at: &'static Location<'static>,
        each: impl Fn(K, V) -> I + 'static,
    ) -> Table<'f, A, W, L> {
        self.view((word, String::new()), at, |around, rows| {
            let around = around.clone();
            rows.flat_map(move |(key, value)| {
                around.mark();
                each(key, value)
            })
        })
    }

    /// The rows of both tables: one that is in both is there as often as in both together.
    #[track_caller]
    pub fn union(self, other: Table<'f, K, V, L>) -> Table<'f, K, V, L> {
        self.with("union", Location::caller(), other, |_, rows, others| rows.concat(others))
    }

    /// For each key every row here with every row of the other table, as often as both say.
    #[track_caller]
    pub fn join<W: Row, X: Row>(
        self,
        other: Table<'f, K, W, L>,
        both: impl Fn(&K, &V, &W) -> X + 'static,
    ) -> Table<'f, K, X, L> {
        self.with("join", Location::caller(), other, |around, rows, others| {
            let (rows, others, around) = (by_key(around, rows), by_key(around, others), around.clone());
            rows.join_core(others, move |key: &K, value: &V, other: &W| {
                around.mark();
                Some((key.clone(), both(key, value, other)))
            })
        })
    }

    /// As [`join`](Table::join), and each row whose key has none in the other table, with none.
    #[track_caller]
    pub fn left_join<W: Row, X: Row>(
        self,
        other: Table<'f, K, W, L>,
        both: impl Fn(&K, &V, Option<&W>) -> X + 'static,
    ) -> Table<'f, K, X, L> {
        self.with("left_join", Location::caller(), other, |around, rows, others| {
            let (indexed, both) = (by_key(around, rows.clone()), Rc::new(both));
            let (alone, here) = (both.clone(), around.clone());
            let joined =
                indexed.clone().join_core(by_key(around, others.clone()), move |key: &K, value: &V, other: &W| {
                    here.mark();
                    Some((key.clone(), both(key, value, Some(other))))
                });
            let without = left_of(around, rows.concat(with_partner::<_, _, _, L>(around, indexed, others).negate()));
            let here = around.clone();
            joined.concat(without.map(move |(key, value)| {
                here.mark();
                let row = alone(&key, &value, None);
                (key, row)
            }))
        })
    }

    /// The rows whose keys have rows in the other table.
    #[track_caller]
    pub fn semijoin<W: Row>(self, other: Table<'f, K, W, L>) -> Table<'f, K, V, L> {
        self.with("semijoin", Location::caller(), other, |around, rows, others| {
            with_partner::<_, _, _, L>(around, by_key(around, rows), others)
        })
    }

    /// The rows whose keys have none in the other table.
    #[track_caller]
    pub fn antijoin<W: Row>(self, other: Table<'f, K, W, L>) -> Table<'f, K, V, L> {
        self.with("antijoin", Location::caller(), other, |around, rows, others| {
            let with = with_partner::<_, _, _, L>(around, by_key(around, rows.clone()), others);
            left_of(around, rows.concat(with.negate()))
        })
    }
}

/// Every index of a table goes by this: keys meet where their key groups are.
pub(super) fn home<K: Key, V: ExchangeData, T: Timestamp, R: ExchangeData>(
    around: &Around,
) -> impl ParallelizationContract<T, Vec<((K, V), T, R)>> + use<K, V, T, R> {
    let peers = around.peers;
    Exchange::new(move |((key, _), _, _): &((K, V), T, R)| owner(key.stable_hash(), peers) as u64)
}

pub(super) fn by_key<'f, K: Key, V: Row, T: Timestamp + Lattice>(
    around: &Around,
    rows: Rows<'f, K, V, T>,
) -> ByKey<'f, K, V, T> {
    arrange_core::<_, _, ValBatcher<K, V, T, isize>, _>(rows.inner, home(around), "by key", ValBatcher::new)
}

/// What is left of the changes of an epoch, so that nobody is asked about rows that come and go within it.
fn left_of<'f, K: Key, V: Row, T: Timestamp + Lattice>(around: &Around, rows: Rows<'f, K, V, T>) -> Rows<'f, K, V, T> {
    by_key(around, rows).as_collection(|key, value| (key.clone(), value.clone()))
}

/// The rows whose keys have rows in another table.
fn with_partner<'f, K: Key, V: Row, W: Row, L: Level>(
    around: &Around,
    rows: ByKey<'f, K, V, L::Time>,
    others: Rows<'f, K, W, L::Time>,
) -> Rows<'f, K, V, L::Time> {
    let keys = by_key(around, once::<_, _, L>(around, others));
    rows.join_core(keys, |key: &K, value: &V, ()| Some((key.clone(), value.clone())))
}
