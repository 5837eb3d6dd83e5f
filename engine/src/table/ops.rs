//! What can be asked of tables.

use std::panic::Location;

use differential_dataflow::operators::arrange::{Arranged, TraceAgent, arrangement::arrange_core};
use differential_dataflow::trace::implementations::{ValBatcher, ValBuilder, ValSpine};
use timely::dataflow::channels::pact::Exchange;

use super::{Rows, Table};
use crate::flow::{Kind, Live, Origin};
use crate::job::shared::Current;
use crate::key::owner;
use crate::{Key, Row};

/// A table by key, where its rows can be looked up: on the worker that owns the key.
type ByKey<'f, K, V> = Arranged<'f, TraceAgent<ValSpine<K, V, u64, isize>>>;

impl<'f, K: Key, V: Row> Table<'f, K, V> {
    /// Another value for each row.
    #[track_caller]
    pub fn map<W: Row>(self, each: impl Fn(&K, V) -> W + 'static) -> Table<'f, K, W> {
        self.view("map", Location::caller(), |live, node, rows| {
            let current = live.current.clone();
            rows.map(move |(key, value)| {
                current.set(node);
                let value = each(&key, value);
                (key, value)
            })
        })
    }

    /// The rows for which `keep` holds.
    #[track_caller]
    pub fn filter(self, keep: impl Fn(&K, &V) -> bool + 'static) -> Table<'f, K, V> {
        self.view("filter", Location::caller(), |live, node, rows| {
            let current = live.current.clone();
            rows.filter(move |(key, value)| {
                current.set(node);
                keep(key, value)
            })
        })
    }

    /// The same rows under another key.
    #[track_caller]
    pub fn rekey<L: Key>(self, key: impl Fn(&K, &V) -> L + 'static) -> Table<'f, L, V> {
        self.flat_map_as("rekey", Location::caller(), move |old, value| [(key(&old, &value), value)])
    }

    /// None, one or many rows, under keys of their own, for each row.
    #[track_caller]
    pub fn flat_map<L: Key, W: Row, I: IntoIterator<Item = (L, W)>>(
        self,
        each: impl Fn(K, V) -> I + 'static,
    ) -> Table<'f, L, W>
    where
        I::IntoIter: 'static,
    {
        self.flat_map_as("flat_map", Location::caller(), each)
    }

    fn flat_map_as<L: Key, W: Row, I: IntoIterator<Item = (L, W)>>(
        self,
        word: &'static str,
        at: &'static Location<'static>,
        each: impl Fn(K, V) -> I + 'static,
    ) -> Table<'f, L, W> {
        self.view(word, at, |live, node, rows| {
            let current = live.current.clone();
            rows.flat_map(move |(key, value)| {
                current.set(node);
                each(key, value)
            })
        })
    }

    /// The rows of both tables: one that is in both is there as often as in both together.
    #[track_caller]
    pub fn union(self, other: Table<'f, K, V>) -> Table<'f, K, V> {
        let at = Location::caller();
        self.with("union", at, other, |_, _, rows, others| rows.concat(others))
    }

    /// For each key every row here with every row of the other table, as often as both say.
    #[track_caller]
    pub fn join<W: Row, X: Row>(
        self,
        other: Table<'f, K, W>,
        both: impl Fn(&K, &V, &W) -> X + 'static,
    ) -> Table<'f, K, X> {
        let at = Location::caller();
        self.with("join", at, other, |live, node, rows, others| {
            let current = live.current.clone();
            by_key(live, rows).join_core(by_key(live, others), move |key: &K, value: &V, other: &W| {
                current.set(node);
                Some((key.clone(), both(key, value, other)))
            })
        })
    }

    /// For each key that has rows, what `group` makes of them: it is given each row with how often it is there, at least once,
    /// rising. Called again whenever a row of the key changes: O(rows of the key).
    #[track_caller]
    pub fn reduce<W: Row, I: IntoIterator<Item = W>>(
        self,
        group: impl Fn(&K, &[(&V, isize)]) -> I + 'static,
    ) -> Table<'f, K, W> {
        self.reduce_as("reduce", Location::caller(), group)
    }

    /// How many rows each key has; a key without any is not there.
    #[track_caller]
    pub fn count(self) -> Table<'f, K, u64> {
        let count = |_: &K, rows: &[(&V, isize)]| Some(rows.iter().map(|(_, times)| times.unsigned_abs() as u64).sum());
        self.reduce_as("count", Location::caller(), count)
    }

    /// Each row once.
    #[track_caller]
    pub fn distinct(self) -> Table<'f, K, V> {
        let once = |_: &K, rows: &[(&V, isize)]| rows.iter().map(|(row, _)| (*row).clone()).collect::<Vec<V>>();
        self.reduce_as("distinct", Location::caller(), once)
    }

    fn reduce_as<W: Row, I: IntoIterator<Item = W>>(
        self,
        word: &'static str,
        at: &'static Location<'static>,
        group: impl Fn(&K, &[(&V, isize)]) -> I + 'static,
    ) -> Table<'f, K, W> {
        self.view(word, at, |live, node, rows| reduced(by_key(live, rows), word, live.current.clone(), node, group))
    }

    fn view<L: Key, W: Row>(
        self,
        word: &'static str,
        at: &'static Location<'static>,
        make: impl FnOnce(&Live<'f>, usize, Rows<'f, K, V>) -> Rows<'f, L, W>,
    ) -> Table<'f, L, W> {
        let Table { origin, rows } = self;
        let node = origin.flow.add(word, Kind::Table(word), vec![origin.node], at);
        let origin = Origin { node, ..origin };
        let rows = origin.flow.0.live.as_ref().zip(rows).map(|(live, rows)| make(live, node, rows));
        Table { origin, rows }
    }

    fn with<W: Row, X: Row>(
        self,
        word: &'static str,
        at: &'static Location<'static>,
        other: Table<'f, K, W>,
        make: impl FnOnce(&Live<'f>, usize, Rows<'f, K, V>, Rows<'f, K, W>) -> Rows<'f, K, X>,
    ) -> Table<'f, K, X> {
        let Table { origin, rows } = self;
        let node = origin.flow.add(word, Kind::Table(word), vec![origin.node, other.origin.node], at);
        let origin = Origin { node, ..origin };
        let both = rows.zip(other.rows);
        let rows = origin.flow.0.live.as_ref().zip(both).map(|(live, (rows, others))| make(live, node, rows, others));
        Table { origin, rows }
    }
}

/// Every index of a table goes through here: keys meet where their key groups are.
fn by_key<'f, K: Key, V: Row>(live: &Live<'f>, rows: Rows<'f, K, V>) -> ByKey<'f, K, V> {
    let peers = live.peers();
    let owner = Exchange::new(move |((key, _), _, _): &((K, V), u64, isize)| owner(key.stable_hash(), peers) as u64);
    arrange_core::<_, _, ValBatcher<K, V, u64, isize>, _>(rows.inner, owner, "by key", ValBatcher::new)
}

fn reduced<'f, K: Key, V: Row, W: Row, I: IntoIterator<Item = W>>(
    rows: ByKey<'f, K, V>,
    name: &str,
    current: Current,
    node: usize,
    group: impl Fn(&K, &[(&V, isize)]) -> I + 'static,
) -> Rows<'f, K, W> {
    let group = move |key: &K, rows: &[(&V, isize)], out: &mut Vec<(W, isize)>| {
        current.set(node);
        out.extend(group(key, rows).into_iter().map(|row| (row, 1)));
    };
    let push = |all: &mut Vec<((K, W), u64, isize)>, key: &K, changes: &mut Vec<(W, u64, isize)>| {
        all.clear();
        all.extend(changes.drain(..).map(|(row, epoch, times)| ((key.clone(), row), epoch, times)));
    };
    rows.reduce_abelian::<_, ValBuilder<K, W, u64, isize>, ValSpine<K, W, u64, isize>, _, _>(name, group, push)
        .as_collection(|key, row| (key.clone(), row.clone()))
}
