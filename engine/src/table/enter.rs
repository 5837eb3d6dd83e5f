//! Where rows enter a table.

use std::marker::PhantomData;
use std::panic::Location;

use differential_dataflow::AsCollection;
use timely::dataflow::StreamVec;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::generic::Operator;

use super::relation::{Changelog, Latest};
use super::{Rows, Table};
use crate::batch::Batch;
use crate::flow::{KeyedStream, Stream};
use crate::keyed::Fused;
use crate::keyed::operator::Detected;
use crate::{Change, Data, Key, Row, Timed};

impl<'f, T: Data + Timed, F> KeyedStream<'f, T, F> {
    /// The newest row of each key, as a table: `value` says what is to be in it, and nothing takes the key out of it. Rows come in
    /// the ingest order. A row that changes nothing counts as a duplicate. Memory: each row, and a few words for each key that ever
    /// came.
    ///
    /// `name` names the operator and its state; it must be unique and stay the same from release to release. Of the event time
    /// only the bound on skew matters: rows are late only where a merge of splits says so.
    #[track_caller]
    pub fn latest<K: Key, V: Row>(
        self,
        name: &str,
        value: impl Fn(&T) -> Option<V> + Send + Sync + 'static,
    ) -> Detected<'f, Table<'f, K, V>, T>
    where
        F: Fn(&T) -> K + Clone + 'static,
    {
        self.enters(name, Latest { value, of: PhantomData }, Location::caller())
    }

    fn enters<K: Key, V: Row, D>(
        self,
        name: &str,
        relation: D,
        at: &'static Location<'static>,
    ) -> Detected<'f, Table<'f, K, V>, T>
    where
        D: for<'a> Fused<Key = K, In = T, Out<'a> = Stream<'a, Change<(K, V)>>>,
        F: Fn(&T) -> K + Clone + 'static,
    {
        let Detected { out, late, skewed } = self.detect_at(name, relation, at);
        let table = Table { home: out.origin, rows: out.inner.map(collection) };
        Detected { out: table, late, skewed }
    }
}

impl<'f, V: Row + Timed, F> KeyedStream<'f, Change<V>, F> {
    /// The rows that were inserted and not retracted since, each as often as that, as a table: what windows and other tables have
    /// said. A retraction of a row that is not there goes to the late output.
    ///
    /// O(rows of the key) for a row that comes or goes, and for each key that has changed since the last checkpoint; so a key should not
    /// have too many. `name` as in [`latest`](KeyedStream::latest).
    #[track_caller]
    pub fn changelog<K: Key>(self, name: &str) -> Detected<'f, Table<'f, K, V>, Change<V>>
    where
        F: Fn(&Change<V>) -> K + Clone + 'static,
    {
        self.enters(name, Changelog(PhantomData), Location::caller())
    }
}

/// Changes at the epochs at which they come.
fn collection<'f, K: Key, V: Row>(changes: StreamVec<'f, u64, Batch<Change<(K, V)>>>) -> Rows<'f, K, V> {
    let updates = changes.unary(Pipeline, "enter", |_, _| {
        move |input, output| {
            input.for_each(|cap, data| {
                let Some(epoch) = cap.least().copied() else { return };
                let mut session = output.session(&cap);
                for change in data.drain(..).flat_map(|batch| batch.rows) {
                    let (row, times) = change.into_parts();
                    session.give((row, epoch, times as isize));
                }
            });
        }
    });
    updates.as_collection()
}
