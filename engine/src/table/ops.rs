//! What can be asked of tables.

use std::panic::Location;
use std::rc::Rc;

use differential_dataflow::operators::arrange::{Arranged, TraceAgent, arrangement::arrange_core};
use differential_dataflow::trace::implementations::{KeyBatcher, KeySpine, ValBatcher, ValBuilder, ValSpine};
use timely::ExchangeData;
use timely::dataflow::channels::pact::{Exchange, ParallelizationContract};
use timely::dataflow::operators::vec::Map;

use super::{Rows, Table};
use crate::flow::{Kind, Live, Origin};
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

    /// As [`join`](Table::join), and each row whose key has none in the other table, with none.
    #[track_caller]
    pub fn left_join<W: Row, X: Row>(
        self,
        other: Table<'f, K, W>,
        both: impl Fn(&K, &V, Option<&W>) -> X + 'static,
    ) -> Table<'f, K, X> {
        let at = Location::caller();
        self.with("left_join", at, other, |live, node, rows, others| {
            let (current, both) = (live.current.clone(), Rc::new(both));
            let (indexed, alone) = (by_key(live, rows.clone()), both.clone());
            let joined = indexed.clone().join_core(by_key(live, others.clone()), {
                let current = current.clone();
                move |key: &K, value: &V, other: &W| {
                    current.set(node);
                    Some((key.clone(), both(key, value, Some(other))))
                }
            });
            let without = left_of(live, rows.concat(with_partner(live, node, indexed, others).negate()));
            joined.concat(without.map(move |(key, value)| {
                current.set(node);
                let row = alone(&key, &value, None);
                (key, row)
            }))
        })
    }

    /// The rows whose keys have rows in the other table.
    #[track_caller]
    pub fn semijoin<W: Row>(self, other: Table<'f, K, W>) -> Table<'f, K, V> {
        let at = Location::caller();
        self.with("semijoin", at, other, |live, node, rows, others| {
            with_partner(live, node, by_key(live, rows), others)
        })
    }

    /// The rows whose keys have none in the other table.
    #[track_caller]
    pub fn antijoin<W: Row>(self, other: Table<'f, K, W>) -> Table<'f, K, V> {
        let at = Location::caller();
        self.with("antijoin", at, other, |live, node, rows, others| {
            let with = with_partner(live, node, by_key(live, rows.clone()), others);
            left_of(live, rows.concat(with.negate()))
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

    /// How many rows each key has; a key without any is not there. O(1) for each change.
    #[track_caller]
    pub fn count(self) -> Table<'f, K, u64> {
        self.weighed("count", Location::caller(), |_, _| 0, |count, _| count)
    }

    /// The sum of a number of each row, for each key that has rows. O(1) for each change; what no `i64` holds is the nearest that one
    /// does.
    #[track_caller]
    pub fn sum(self, number: impl Fn(&K, &V) -> i64 + 'static) -> Table<'f, K, i64> {
        let nearest = |sum: i128| sum.clamp(i64::MIN.into(), i64::MAX.into()) as i64;
        self.weighed("sum", Location::caller(), number, move |_, sum| nearest(sum))
    }

    /// Each row once. O(1) for each change.
    #[track_caller]
    pub fn distinct(self) -> Table<'f, K, V> {
        self.view("distinct", Location::caller(), |live, _, rows| once(live, rows))
    }

    fn reduce_as<W: Row, I: IntoIterator<Item = W>>(
        self,
        word: &'static str,
        at: &'static Location<'static>,
        group: impl Fn(&K, &[(&V, isize)]) -> I + 'static,
    ) -> Table<'f, K, W> {
        self.view(word, at, |live, node, rows| {
            let current = live.current.clone();
            let group = move |key: &K, rows: &[(&V, isize)], out: &mut Vec<(W, isize)>| {
                current.set(node);
                out.extend(group(key, rows).into_iter().map(|row| (row, 1)));
            };
            by_key(live, rows)
                .reduce_abelian::<_, ValBuilder<K, W, u64, isize>, ValSpine<K, W, u64, isize>, _, _>(word, group, push)
                .as_collection(|key, row| (key.clone(), row.clone()))
        })
    }

    /// What `total` makes of the number of rows of each key, and of a sum over them.
    fn weighed<W: Row>(
        self,
        word: &'static str,
        at: &'static Location<'static>,
        number: impl Fn(&K, &V) -> i64 + 'static,
        total: impl Fn(u64, i128) -> W + 'static,
    ) -> Table<'f, K, W> {
        self.view(word, at, |live, node, rows| {
            let current = live.current.clone();
            let weigh = move |key: &K, value: &V| {
                current.set(node);
                number(key, value)
            };
            totals(live, rows, (word, node), weigh, total)
        })
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

/// How many rows, and a sum over them.
type Weighs = (isize, i128);

/// Every index of a table goes by this: keys meet where their key groups are.
fn home<K: Key, V: ExchangeData, R: ExchangeData>(
    live: &Live<'_>,
) -> impl ParallelizationContract<u64, Vec<((K, V), u64, R)>> + use<K, V, R> {
    let peers = live.peers();
    Exchange::new(move |((key, _), _, _): &((K, V), u64, R)| owner(key.stable_hash(), peers) as u64)
}

fn by_key<'f, K: Key, V: Row>(live: &Live<'f>, rows: Rows<'f, K, V>) -> ByKey<'f, K, V> {
    arrange_core::<_, _, ValBatcher<K, V, u64, isize>, _>(rows.inner, home(live), "by key", ValBatcher::new)
}

/// What `total` makes of the number of rows of each key, and of a sum over them.
fn totals<'f, K: Key, V: Row, W: Row>(
    live: &Live<'f>,
    rows: Rows<'f, K, V>,
    (word, node): (&str, usize),
    weigh: impl Fn(&K, &V) -> i64 + 'static,
    total: impl Fn(u64, i128) -> W + 'static,
) -> Rows<'f, K, W> {
    let weights = rows.inner.map(move |((key, value), epoch, times)| {
        let sum = i128::from(weigh(&key, &value)) * times as i128;
        ((key, ()), epoch, (times, sum))
    });
    let keys = arrange_core::<_, _, KeyBatcher<K, u64, Weighs>, KeySpine<K, u64, Weighs>>(
        weights,
        home(live),
        "by key",
        KeyBatcher::new,
    );
    let current = live.current.clone();
    let group = move |_: &K, weight: &[(&(), Weighs)], out: &mut Vec<(W, isize)>| {
        current.set(node);
        out.extend(weight.iter().map(|(_, (count, sum))| (total(count.unsigned_abs() as u64, *sum), 1)));
    };
    keys.reduce_abelian::<_, ValBuilder<K, W, u64, isize>, ValSpine<K, W, u64, isize>, _, _>(word, group, push)
        .as_collection(|key, row| (key.clone(), row.clone()))
}

/// What is left of the changes of an epoch, so that nobody is asked about rows that come and go within it.
fn left_of<'f, K: Key, V: Row>(live: &Live<'f>, rows: Rows<'f, K, V>) -> Rows<'f, K, V> {
    by_key(live, rows).as_collection(|key, value| (key.clone(), value.clone()))
}

fn once<'f, K: Key, V: Row>(live: &Live<'f>, rows: Rows<'f, K, V>) -> Rows<'f, K, V> {
    type Once<K, V> = ((K, V), u64, isize);
    let peers = live.peers();
    let home = Exchange::new(move |(((key, _), ()), _, _): &(((K, V), ()), u64, isize)| {
        owner(key.stable_hash(), peers) as u64
    });
    let rows = rows.inner.map(|(row, epoch, times): Once<K, V>| ((row, ()), epoch, times));
    let rows = arrange_core::<_, _, KeyBatcher<(K, V), u64, isize>, KeySpine<(K, V), u64, isize>>(
        rows,
        home,
        "by row",
        KeyBatcher::new,
    );
    let one = |_: &(K, V), _: &[(&(), isize)], out: &mut Vec<((), isize)>| out.push(((), 1));
    rows.reduce_abelian::<_, ValBuilder<(K, V), (), u64, isize>, ValSpine<(K, V), (), u64, isize>, _, _>(
        "distinct", one, push,
    )
    .as_collection(|row, ()| row.clone())
}

/// The rows whose keys have rows in another table.
fn with_partner<'f, K: Key, V: Row, W: Row>(
    live: &Live<'f>,
    node: usize,
    rows: ByKey<'f, K, V>,
    others: Rows<'f, K, W>,
) -> Rows<'f, K, V> {
    let keys = totals(live, others, ("keys", node), |_, _| 0, |_, _| ());
    rows.join_core(by_key(live, keys), |key: &K, value: &V, ()| Some((key.clone(), value.clone())))
}

/// Changes of a key, as an index takes them.
fn push<K: Clone, W>(all: &mut Vec<((K, W), u64, isize)>, key: &K, changes: &mut Vec<(W, u64, isize)>) {
    all.clear();
    all.extend(changes.drain(..).map(|(row, epoch, times)| ((key.clone(), row), epoch, times)));
}
