//! The rows of each key together: what is kept of them, and what that says.

use std::collections::BTreeMap;

use differential_dataflow::AsCollection;
use differential_dataflow::consolidation::consolidate;
use differential_dataflow::trace::implementations::{ValBuilder, ValSpine};
use timely::dataflow::operators::generic::Operator;
use timely::order::Product;

use super::Rows;
use super::level::Around;
use super::open::Open;
use super::ops::{by_key, home};
use crate::{Key, Row};

/// A grouping.
pub trait Group<K, V>: 'static {
    /// What is kept of the rows of a key.
    type Kept: Default;
    type Says: Row;

    /// A row comes, or goes, so many times.
    fn add(&self, kept: &mut Self::Kept, key: &K, row: &V, by: isize);
    /// Whether nothing is left of the rows.
    fn is_empty(&self, kept: &Self::Kept) -> bool;
    /// What the rows that are kept say, each so often.
    fn say(&self, kept: &mut Self::Kept, key: &K, says: &mut dyn FnMut(Self::Says, isize));
}

/// Where an epoch that has closed is never gone back to, what is kept is enough, and a change costs no walk over the rows of its key.
pub(super) fn at_epochs<'f, K: Key, V: Row, G: Group<K, V>>(
    around: &Around,
    word: &str,
    rows: Rows<'f, K, V>,
    group: G,
) -> Rows<'f, K, G::Says> {
    let (around, home) = (around.clone(), home(around));
    let said = rows.inner.unary_frontier(home, word, move |_, _| {
        let mut open: Open<Vec<((K, V), isize)>> = Open::new();
        let mut all: BTreeMap<K, G::Kept> = BTreeMap::new();
        move |(input, frontier), output| {
            around.mark();
            input.for_each(|cap, data| {
                for (row, epoch, times) in data.drain(..) {
                    open.at(epoch, &cap).push((row, times));
                }
            });
            while let Some((epoch, cap, mut changes)) = open.closed(|epoch| frontier.less_equal(epoch)) {
                consolidate(&mut changes);
                let mut session = output.session(&cap);
                for changes in changes.chunk_by(|((a, _), _), ((b, _), _)| a == b) {
                    let key = &changes[0].0.0;
                    let kept = all.entry(key.clone()).or_default();
                    let mut told: Vec<(G::Says, isize)> = Vec::new();
                    group.say(kept, key, &mut |row, times| told.push((row, -times)));
                    changes.iter().for_each(|((_, row), by)| group.add(kept, key, row, *by));
                    group.say(kept, key, &mut |row, times| told.push((row, times)));
                    if group.is_empty(kept) {
                        all.remove(key);
                    }
                    consolidate(&mut told);
                    told.into_iter().for_each(|(row, times)| session.give(((key.clone(), row), epoch, times)));
                }
            }
        }
    });
    said.as_collection()
}

/// In a loop an epoch is gone back to in every round: all rows of a key are gone through again.
pub(super) fn in_rounds<'f, K: Key, V: Row, G: Group<K, V>>(
    around: &Around,
    word: &str,
    rows: Rows<'f, K, V, Product<u64, u64>>,
    group: G,
) -> Rows<'f, K, G::Says, Product<u64, u64>> {
    type Builder<K, W> = ValBuilder<K, W, Product<u64, u64>, isize>;
    type Spine<K, W> = ValSpine<K, W, Product<u64, u64>, isize>;
    let here = around.clone();
    let says = move |key: &K, rows: &[(&V, isize)], out: &mut Vec<(G::Says, isize)>| {
        here.mark();
        let mut kept = G::Kept::default();
        rows.iter().for_each(|(row, times)| group.add(&mut kept, key, row, *times));
        group.say(&mut kept, key, &mut |row, times| out.push((row, times)));
    };
    by_key(around, rows)
        .reduce_abelian::<_, Builder<K, G::Says>, Spine<K, G::Says>, _, _>(word, says, push)
        .as_collection(|key, row| (key.clone(), row.clone()))
}

/// Changes of a key, as an index takes them.
pub(super) fn push<K: Clone, W, T>(all: &mut Vec<((K, W), T, isize)>, key: &K, changes: &mut Vec<(W, T, isize)>) {
    all.clear();
    all.extend(changes.drain(..).map(|(row, time, times)| ((key.clone(), row), time, times)));
}
