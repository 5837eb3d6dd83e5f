//! Loops: what holds when a step changes nothing any more.

use std::fmt;
use std::panic::Location;

use differential_dataflow::AsCollection;
use differential_dataflow::operators::iterate::Variable;
use differential_dataflow::trace::implementations::{ValBuilder, ValSpine};
use timely::dataflow::Scope;
use timely::dataflow::operators::vec::Filter;
use timely::order::Product;

use super::grouped::push;
use super::level::{Around, Within, sealed::Times};
use super::ops::by_key;
use super::{Epochs, Rounds, Rows, Table};
use crate::flow::Flow;
use crate::{Key, Row};

/// The rows of a table inside of a loop.
type InLoop<'i, K, V> = Rows<'i, K, V, Product<u64, u64>>;

/// What a loop gives.
pub struct Iterated<'f, K: 'static, V: 'static> {
    /// The rows after the last round.
    pub rows: Table<'f, K, V>,
    /// The keys whose rows the last round that was allowed still changed, and how many rows came or went by it. Empty where the loop
    /// has come to rest.
    pub unsettled: Table<'f, K, u64>,
}

impl<K: 'static, V: 'static> fmt::Debug for Iterated<'_, K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Iterated").field("rows", &self.rows).field("unsettled", &self.unsettled).finish()
    }
}

/// The inside of a loop, into which other tables can be brought.
pub struct Loop<'f, 'i> {
    flow: Flow<'f>,
    scope: Option<Scope<'i, Product<u64, u64>>>,
}

impl fmt::Debug for Loop<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Loop in {:?}", self.flow)
    }
}

impl<'f, 'i> Loop<'f, 'i> {
    /// A table of the flow, as it is in every round.
    pub fn enter<K: Key, V: Row>(&self, table: Table<'f, K, V>) -> Table<'i, K, V, Rounds> {
        let rows = self.scope.zip(table.rows).map(|(scope, rows)| rows.enter(scope));
        Table { home: Within::new(&self.flow, table.home.node), rows }
    }
}

impl<'f, K: Key, V: Row> Table<'f, K, V> {
    /// What `step` makes of the table, and of that, and so on, until it changes nothing any more: within each epoch, from what has
    /// changed.
    ///
    /// After `rounds_max` rounds (at least 2) no further one is begun, so a loop that has no rest ends too: `rows` are then what that many rounds
    /// make, and `unsettled` says where they would go on. Whoever decides by the rows should look there as well. `step` must end
    /// with what sees a table whole ([`min`](Table::min), [`distinct`](Table::distinct), [`reduce`](Table::reduce) and their like), or
    /// rows that cancel each other, or come by two ways, become more from round to round.
    ///
    /// Memory: the rows of every round. It is for relations that settle in few rounds; for road distances use what was made for them.
    ///
    /// # Examples
    /// Who is called if a person does not answer, and who then, for all persons:
    /// ```
    /// use serde::{Deserialize, Serialize};
    /// use watchfire_engine::{Change, Job, Timed};
    /// #[derive(Clone, Debug, Serialize, Deserialize)]
    /// struct Deputy { at_ms: i64, of: u32, is: u32 }
    /// impl Timed for Deputy {
    ///     fn event_time_ms(&self) -> i64 { self.at_ms }
    /// }
    /// let job = Job::new(|flow| {
    ///     let named = flow.channel::<Deputy>("named").key_by(|deputy| deputy.of);
    ///     let deputies = named.latest("deputies", |deputy| Some(deputy.is)).out;
    ///     let called = deputies.clone().iterate(100, |inside, called| {
    ///         let of_those = called.clone().flat_map(|of, is| [(is, of)]).join(inside.enter(deputies), |_, of, is| (*of, *is));
    ///         of_those.flat_map(|_, (of, is)| [(of, is)]).union(called).distinct()
    ///     });
    ///     called.rows.changes().to_channel("called");
    ///     called.unsettled.changes().to_channel("without end");
    /// });
    /// let mut running = job.start()?;
    /// let (deputies, called) = (running.sender("named")?, running.receiver::<Change<(u32, u32)>>("called")?);
    /// let endless = running.receiver::<Change<(u32, u64)>>("without end")?;
    /// deputies.send(vec![Deputy { at_ms: 0, of: 1, is: 2 }, Deputy { at_ms: 0, of: 2, is: 3 }])?;
    /// drop(deputies);
    /// let called = Change::consolidate(called.rows());
    /// assert_eq!(called, [((1, 2), 1), ((1, 3), 1), ((2, 3), 1)]);
    /// assert_eq!(endless.rows().count(), 0);
    /// running.wait()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn iterate(
        self,
        rounds_max: u64,
        step: impl for<'i> FnOnce(&Loop<'f, 'i>, Table<'i, K, V, Rounds>) -> Table<'i, K, V, Rounds>,
    ) -> Iterated<'f, K, V> {
        let at = Location::caller();
        let last = rounds_max.max(2) - 1;
        let home = Epochs::add(&self.home, ("iterate", rounds_max.to_string()), None, at);
        let flow = home.flow.clone();
        let within = Within::new(&flow, home.node);
        let scope = flow.0.live.as_ref().map(|live| live.scope);
        let (ends, all, further) = match scope.zip(self.rows) {
            None => (step(&Loop { flow, scope: None }, Table { home: within, rows: None }).home.node, None, None),
            Some((outer, rows)) => outer.scoped::<Product<u64, u64>, _, _>("iterate", |scope| {
                let (round, begins) = Variable::new_from(rows.enter(scope), Product::new(0, 1));
                let inside = Table { home: within, rows: Some(begins.clone()) };
                let Table { home, rows } = step(&Loop { flow, scope: Some(scope) }, inside);
                let made = rows.unwrap_or(begins);
                round.set(of_rounds(made.clone(), move |round| round < last));
                let further = of_rounds(made.clone(), move |round| round == last);
                (home.node, Some(made.leave(outer)), Some(further.leave(outer)))
            }),
        };
        let rows = Table { home: Epochs::add(&home, ("settled", String::new()), Some(ends), at), rows: all };
        let told = Epochs::add(&home, ("unsettled", String::new()), Some(ends), at);
        let further = Epochs::around(&told).zip(further).map(|(around, further)| changed(&around, further));
        Iterated { rows, unsettled: Table { home: told, rows: further } }
    }
}

/// What comes and goes in some of the rounds.
fn of_rounds<'i, K: Key, V: Row>(rows: InLoop<'i, K, V>, of: impl Fn(u64) -> bool + 'static) -> InLoop<'i, K, V> {
    rows.inner.filter(move |(_, time, _)| of(time.inner)).as_collection()
}

/// The keys that have changes, and how many.
fn changed<'f, K: Key, V: Row>(around: &Around, changes: Rows<'f, K, V>) -> Rows<'f, K, u64> {
    let all = |_: &K, changes: &[(&V, isize)], out: &mut Vec<(u64, isize)>| {
        out.push((changes.iter().map(|(_, times)| times.unsigned_abs() as u64).sum(), 1));
    };
    by_key(around, changes)
        .reduce_abelian::<_, ValBuilder<K, u64, u64, isize>, ValSpine<K, u64, u64, isize>, _, _>("unsettled", all, push)
        .as_collection(|key, rows| (key.clone(), *rows))
}
