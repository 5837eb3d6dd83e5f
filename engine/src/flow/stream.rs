//! `Stream`: rows, and what can be done to them one by one.

use std::fmt;
use std::panic::Location;

use timely::dataflow::StreamVec;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::Concat;
use timely::dataflow::operators::generic::Operator;

use super::{KeyedStream, Kind, Origin};
use crate::batch::Batch;
use crate::time::EventTime;
use crate::{Data, Key};

/// A stream of rows.
///
/// Handles are cheap to clone; reading one twice copies its rows for the second reader.
#[derive(Clone)]
pub struct Stream<'f, T: 'static> {
    pub(crate) origin: Origin<'f>,
    pub(crate) inner: Option<StreamVec<'f, u64, Batch<T>>>,
}

impl<T: 'static> fmt::Debug for Stream<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Stream(node {})", self.origin.node)
    }
}

impl<'f, T: Data> Stream<'f, T> {
    /// Transforms every row.
    #[track_caller]
    pub fn map<U: Data>(self, each: impl Fn(T) -> U + 'static) -> Stream<'f, U> {
        self.stateless("map", 0, Location::caller(), move |batch, _| batch.map(&each))
    }

    /// Keeps the rows for which `keep` holds.
    #[track_caller]
    pub fn filter(self, keep: impl Fn(&T) -> bool + 'static) -> Stream<'f, T> {
        self.stateless("filter", 0, Location::caller(), move |batch, _| {
            batch.filter_map(|row| keep(&row).then_some(row))
        })
    }

    /// Transforms or drops every row.
    #[track_caller]
    pub fn filter_map<U: Data>(self, each: impl Fn(T) -> Option<U> + 'static) -> Stream<'f, U> {
        self.stateless("filter_map", 0, Location::caller(), move |batch, _| batch.filter_map(&each))
    }

    /// Replaces every row by none, one or many, in order.
    #[track_caller]
    pub fn flat_map<U: Data, I: IntoIterator<Item = U>>(self, each: impl Fn(T) -> I + 'static) -> Stream<'f, U> {
        self.stateless("flat_map", 1, Location::caller(), move |batch, depth| batch.flat_map(depth, &each))
    }

    fn stateless<U: Data>(
        self,
        word: &'static str,
        words: usize,
        at: &'static Location<'static>,
        each: impl Fn(Batch<T>, usize) -> Batch<U> + 'static,
    ) -> Stream<'f, U> {
        let Stream { origin, inner } = self;
        let node = origin.flow.add(word, Kind::Stateless(word), vec![origin.node], at);
        let depth = origin.depth;
        let origin = Origin { node, ..origin }.deeper(words);
        let inner = origin.flow.0.live.as_ref().zip(inner).map(|(live, rows)| {
            let current = live.current.clone();
            rows.unary(Pipeline, word, move |_, _| {
                move |input, output| {
                    current.set(node);
                    input.for_each(|cap, data| {
                        let mut session = output.session(&cap);
                        data.drain(..).for_each(|batch| session.give(each(batch, depth)));
                    });
                }
            })
        });
        origin.stream(inner)
    }

    /// The rows of both streams, in ingest order.
    ///
    /// Each row keeps the split that it came from, or that caused it. The silence of a key that several splits feed is
    /// measured on the quiet clock of the one that fed it last: while that one is disconnected its silence does not count,
    /// even if another that feeds it is connected. Such a key ends with the job.
    #[track_caller]
    pub fn union(self, other: Stream<'f, T>) -> Stream<'f, T> {
        let at = Location::caller();
        let flow = self.origin.flow.clone();
        let node = flow.add("union", Kind::Stateless("union"), vec![self.origin.node, other.origin.node], at);
        // Where both sides may have rows in one place, a word of sub-order tells them apart.
        let shared = flow.0.plan.borrow().share_places(self.origin.node, other.origin.node);
        let depth = self.origin.depth.max(other.origin.depth);
        let origin = Origin { flow: flow.clone(), node, depth }.deeper(1);
        let inner = self.inner.zip(other.inner).map(|(a, b)| {
            let mark = |rows: StreamVec<'f, u64, Batch<T>>, side: u32| {
                rows.unary(Pipeline, "union", move |_, _| {
                    move |input, output| {
                        input.for_each(|cap, data| {
                            let mut session = output.session(&cap);
                            data.drain(..)
                                .for_each(|batch| session.give(if shared { batch.tag(depth, side) } else { batch }));
                        });
                    }
                })
            };
            mark(a, 0).concat(mark(b, 1))
        });
        origin.stream(inner)
    }

    /// Groups rows by key. The bounds of event time are the defaults of [`EventTime`] until they are set.
    pub fn key_by<K: Key, F: Fn(&T) -> K + Clone + 'static>(self, key: F) -> KeyedStream<'f, T, F> {
        KeyedStream { stream: self, key, bounds: EventTime::default() }
    }
}
