//! Rows of a stream, each beside what a table says of its key.

use std::panic::Location;

use timely::dataflow::StreamVec;
use timely::dataflow::channels::pact::Exchange;
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;

use super::closed::Closed;
use super::level::Around;
use super::open::Open;
use super::ops::home;
use super::{Rows, Table, Update};
use crate::batch::Batch;
use crate::flow::{KeyedStream, Kind, Live, Origin, Stream, route};
use crate::keyed::Output;
use crate::{Data, Key, Row};

impl<'f, T: Data, F> KeyedStream<'f, T, F> {
    /// Each row beside the rows that a table has of its key at the end of the row's epoch: all that entered until then counts, what
    /// enters later changes nothing that was said. `each` is given the row, and the rows of the table with how often each is there, rising;
    /// none if the key has none, and what it makes stands where the row stood. To choose by event time, let the table hold versions,
    /// each with the time from which it holds.
    ///
    /// Which epoch a row falls into depends on when it comes; so does, within an epoch, what it finds (see [`Table`]). Where that must
    /// not be, run one detector over the union of both streams, which sees them in the ingest order.
    ///
    /// Memory: the rows of the table once more. O(log rows of the table) for a row or a change, and the rows of its key.
    ///
    /// # Examples
    /// Readings beside the crane that sent them:
    /// ```
    /// use serde::{Deserialize, Serialize};
    /// use watchfire_engine::{Job, Timed};
    /// #[derive(Clone, Debug, Serialize, Deserialize)]
    /// struct Said<T> { at_ms: i64, crane: u32, what: T }
    /// impl<T> Timed for Said<T> {
    ///     fn event_time_ms(&self) -> i64 { self.at_ms }
    /// }
    /// let job = Job::new(|flow| {
    ///     let cranes = flow.channel::<Said<String>>("registry").key_by(|said| said.crane);
    ///     let names = cranes.latest("names", |said| Some(said.what.clone())).out;
    ///     let loads = flow.channel::<Said<i64>>("loads").key_by(|said| said.crane);
    ///     let named = loads.join_as_of(names, |load, names| {
    ///         // A crane that nobody has registered is told of all the same.
    ///         let name = names.first().map_or("unknown", |(name, _)| name);
    ///         [format!("{name}: {} kg", load.what)]
    ///     });
    ///     named.to_channel("named");
    /// });
    /// let mut running = job.start()?;
    /// let loads = running.sender::<Said<i64>>("loads")?;
    /// loads.send(vec![Said { at_ms: 0, crane: 8, what: 50 }])?;
    /// drop(loads);
    /// let named = running.receiver::<String>("named")?;
    /// let named = std::thread::spawn(move || named.rows().collect::<Vec<_>>());
    /// running.wait()?;
    /// assert_eq!(named.join().map_err(|_| "the reader panicked")?, ["unknown: 50 kg"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn join_as_of<K: Key, V: Row, U: Data, I: IntoIterator<Item = U>>(
        self,
        table: Table<'f, K, V>,
        each: impl Fn(T, &[(&V, isize)]) -> I + 'static,
    ) -> Stream<'f, U>
    where
        F: Fn(&T) -> K + Clone + 'static,
    {
        let KeyedStream { stream: Stream { origin, inner }, key, .. } = self;
        let kind = Kind::Table { word: "join_as_of", params: String::new() };
        let node = origin.flow.add("join_as_of", kind, vec![origin.node, table.home.node], Location::caller());
        let depth = origin.depth;
        let origin = Origin { node, ..origin }.deeper(1);
        let both = inner.zip(table.rows);
        let inner = origin.flow.0.live.as_ref().zip(both).map(|(live, (rows, table))| {
            let rows = if live.peers() == 1 { rows } else { route(live, node, rows, key.clone()) };
            let each = move |held: &Closed<K, V>, batch: Batch<T>| {
                batch.flat_map(depth, |row| {
                    let beside: Vec<(&V, isize)> = held.of(&key(&row)).collect();
                    each(row, &beside)
                })
            };
            look_up(live, node, rows, table, each)
        });
        origin.stream(inner)
    }
}

/// What has come of an epoch: changes of the table, and rows.
type Came<K, V, T> = (Vec<Update<K, V>>, Vec<Batch<T>>);

fn look_up<'f, K: Key, V: Row, T: Data, U: Data>(
    live: &Live<'f>,
    node: usize,
    rows: StreamVec<'f, u64, Batch<T>>,
    table: Rows<'f, K, V>,
    each: impl Fn(&Closed<K, V>, Batch<T>) -> Batch<U> + 'static,
) -> StreamVec<'f, u64, Batch<U>> {
    let around = Around::new(live, node);
    let mut builder = OperatorBuilder::new("join_as_of".to_owned(), live.scope);
    let mut rows_in = builder.new_input(rows, Exchange::new(|batch: &Batch<T>| u64::from(batch.target)));
    let mut table_in = builder.new_input(table.inner, home::<K, V, u64, isize>(&around));
    let (out, stream) = builder.new_output();
    let mut out: Output<U> = OutputBuilder::from(out);
    builder.build(move |caps| {
        drop(caps);
        let mut open: Open<Came<K, V, T>> = Open::new();
        let mut held = Closed::new();
        move |frontiers| {
            around.mark();
            table_in.for_each(|cap, data| {
                for update in data.drain(..) {
                    open.at(update.1, &cap).0.push(update);
                }
            });
            rows_in.for_each(|cap, data| {
                if let Some(epoch) = cap.least().copied() {
                    open.at(epoch, &cap).1.append(data);
                }
            });
            let mut out = out.activate();
            let is_open = |epoch: &u64| frontiers.iter().any(|frontier| frontier.less_equal(epoch));
            while let Some((_, cap, (changes, batches))) = open.closed(is_open) {
                changes.iter().for_each(|(row, _, by)| held.add(row, *by));
                let mut session = out.session(&cap);
                batches.into_iter().for_each(|batch| session.give(each(&held, batch)));
            }
        }
    });
    stream
}
