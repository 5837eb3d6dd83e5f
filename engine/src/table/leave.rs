//! Where a table becomes a stream: what is left of the changes of an epoch, in an order of their own.

use std::panic::Location;

use differential_dataflow::consolidation::consolidate;
use timely::dataflow::StreamVec;
use timely::dataflow::channels::pact::{Exchange, Pipeline};
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;

use super::level::{Around, sealed::Times};
use super::open::Open;
use super::{Epochs, Rows, Table, Update};
use crate::batch::{Batch, NO_SPLIT, Place, Places};
use crate::control::Signal;
use crate::flow::{Live, Origin, Stream};
use crate::key::owner;
use crate::keyed::Output;
use crate::{Change, Key, Row};

/// Words of sub-order of a change: behind everything of its epoch, then by the hash of the key.
const WORDS: usize = 4;

impl<'f, K: Key, V: Row> Table<'f, K, V> {
    /// The changes of the table, as a stream: at the end of each epoch what is left of them, each row as often as it comes or goes,
    /// for each key retractions first, then by row. They stand behind all other rows of the epoch, but for what other operators make of
    /// the end of a job, and belong to no split.
    ///
    /// After a crash the table is built anew, and its changes go on where they were.
    #[track_caller]
    pub fn changes(self) -> Stream<'f, Change<(K, V)>> {
        let home = Epochs::add(&self.home, ("changes", String::new()), None, Location::caller());
        let origin = Origin { depth: 0, ..home }.deeper(WORDS);
        let node = origin.node;
        let inner = origin.flow.0.live.as_ref().zip(self.rows).map(|(live, rows)| leave(live, node, rows));
        origin.stream(inner)
    }
}

/// The changes of an epoch, and the last place of the ingest order in it.
type Said<K, V> = (Vec<((K, V), isize)>, u64);

fn leave<'f, K: Key, V: Row>(
    live: &Live<'f>,
    node: usize,
    rows: Rows<'f, K, V>,
) -> StreamVec<'f, u64, Batch<Change<(K, V)>>> {
    let (around, peers, shared) = (Around::new(live, node), live.peers(), live.shared.clone());
    let mut builder = OperatorBuilder::new("changes".to_owned(), live.scope);
    let by_key = Exchange::new(move |((key, _), _, _): &Update<K, V>| owner(key.stable_hash(), peers) as u64);
    let mut rows_in = builder.new_input(rows.inner, by_key);
    let mut controls_in = builder.new_input(live.controls.clone(), Pipeline);
    let (out, stream) = builder.new_output();
    let mut out: Output<Change<(K, V)>> = OutputBuilder::from(out);
    builder.build(move |caps| {
        drop(caps);
        let mut open: Open<Said<K, V>> = Open::new();
        move |frontiers| {
            around.mark();
            // What a table is built anew from stands before the first epoch, and was said long ago.
            let first = shared.first_epoch();
            rows_in.for_each(|cap, data| {
                // An update may be later than the message that carries it.
                for (row, epoch, times) in data.drain(..).filter(|(_, epoch, _)| *epoch >= first) {
                    open.at(epoch, &cap).0.push((row, times));
                }
            });
            controls_in.for_each(|cap, data| {
                let Some(epoch) = cap.least().copied() else { return };
                for control in data.drain(..).filter(|control| control.signal == Signal::Closed) {
                    open.at(epoch, &cap).1 = control.at;
                }
            });
            let mut out = out.activate();
            let is_open = |epoch: &u64| frontiers.iter().any(|frontier| frontier.less_equal(epoch));
            while let Some((_, cap, (mut changes, at))) = open.closed(is_open) {
                consolidate(&mut changes);
                if !changes.is_empty() {
                    out.session(&cap).give(batch(changes, at));
                }
            }
        }
    });
    stream
}

/// Puts the changes of an epoch into their order.
fn batch<K: Key, V: Row>(changes: Vec<((K, V), isize)>, at: u64) -> Batch<Change<(K, V)>> {
    let mut changes: Vec<(u64, (K, V), isize)> =
        changes.into_iter().map(|(row, times)| (row.0.stable_hash(), row, times)).collect();
    changes.sort_by(|(hash, row, times), (other_hash, other, other_times)| {
        (hash, &row.0, *times > 0, &row.1).cmp(&(other_hash, &other.0, *other_times > 0, &other.1))
    });
    let (mut rows, mut places) = (Vec::with_capacity(changes.len()), Vec::with_capacity(changes.len()));
    let (mut of, mut nth) = (0, 0);
    for (hash, row, times) in changes {
        (of, nth) = (hash, if of == hash { nth } else { 0 });
        for _ in 0..times.unsigned_abs() {
            rows.push(if times > 0 { Change::Insert(row.clone()) } else { Change::Retract(row.clone()) });
            places.push(place(at, hash, nth));
            nth += 1;
        }
    }
    Batch { target: 0, split: NO_SPLIT, late: false, places: Places::Tagged(places), rows }
}

fn place(at: u64, hash: u64, nth: u32) -> Place {
    Place::top(at).with(0, u32::MAX).with(1, (hash >> 32) as u32).with(2, hash as u32).with(3, nth)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retractions_come_first_and_each_change_has_its_place() {
        let row = |key: u32, value: &str| (key, value.to_owned());
        let changes = vec![(row(1, "b"), 1), (row(1, "c"), -2), (row(2, "a"), 1), (row(1, "a"), 2)];
        let made = batch(changes, 9);
        let of = |key| made.rows.iter().filter(move |change| change.row().0 == key).cloned().collect::<Vec<_>>();
        let [insert, retract] = [Change::Insert, Change::Retract];
        let (a, b, c) = (row(1, "a"), row(1, "b"), row(1, "c"));
        assert_eq!(of(1), [retract(c.clone()), retract(c), insert(a.clone()), insert(a), insert(b)]);
        assert_eq!(of(2), [insert(row(2, "a"))]);
        let places: Vec<Place> = (0..made.rows.len()).map(|i| made.places.place(i)).collect();
        assert!(places.windows(2).all(|two| two[0] < two[1]));
        assert!(places.iter().all(|place| *place > Place::top(9) && *place < Place::top(10)));
    }
}
