//! The way down to the collections of differential dataflow that tables stand on. It alone shows types of timely and differential, and
//! changes as they do.
//!
//! What is built here is a view like others: its updates are at the epochs of the flow, it is built anew after a crash, and it must be
//! a deterministic function of its input alone, in which at the end of an epoch no row is there less than never. A panic in it is blamed on whatever operator ran before.

use std::panic::Location;

pub use differential_dataflow;
use differential_dataflow::VecCollection;
pub use timely;

use super::Table;
use crate::{Key, Row};

/// Rows of a table, with how often each was added (or, below zero, taken away) at an epoch.
pub type Collection<'f, K, V> = VecCollection<'f, u64, (K, V), isize>;

impl<'f, K: Key, V: Row> Table<'f, K, V> {
    /// What `make` makes of the collection of the table; `word` says in the plan what that is. `make` is not called while the flow is
    /// planned.
    ///
    /// # Examples
    /// ```
    /// use serde::{Deserialize, Serialize};
    /// use watchfire_engine::{Change, Job, Timed};
    /// # #[derive(Clone, Debug, Serialize, Deserialize)]
    /// # struct Arc { at_ms: i64, from: u32, to: u32 }
    /// # impl Timed for Arc { fn event_time_ms(&self) -> i64 { self.at_ms } }
    /// let job = Job::new(|flow| {
    ///     let arcs = flow.channel::<Arc>("roads").key_by(|arc| (arc.from, arc.to)).latest("arcs", |arc| Some(arc.to)).out;
    ///     let ends = arcs.rekey(|(from, _), _| *from).by_hand("both ways", |arcs| {
    ///         arcs.clone().concat(arcs.map(|(from, to)| (to, from)))
    ///     });
    ///     ends.changes().to_channel("ends");
    /// });
    /// let mut running = job.start()?;
    /// let (roads, ends) = (running.sender("roads")?, running.receiver::<Change<(u32, u32)>>("ends")?);
    /// roads.send(vec![Arc { at_ms: 0, from: 1, to: 2 }])?;
    /// drop(roads);
    /// assert_eq!(Change::consolidate(ends.rows()), [((1, 2), 1), ((2, 1), 1)]);
    /// running.wait()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn by_hand<A: Key, W: Row>(
        self,
        word: &'static str,
        make: impl FnOnce(Collection<'f, K, V>) -> Collection<'f, A, W>,
    ) -> Table<'f, A, W> {
        self.view((word, String::new()), Location::caller(), |_, rows| make(rows))
    }

    /// As [`by_hand`](Table::by_hand), of two tables.
    #[track_caller]
    pub fn by_hand_with<B: Key, X: Row, A: Key, W: Row>(
        self,
        word: &'static str,
        other: Table<'f, B, X>,
        make: impl FnOnce(Collection<'f, K, V>, Collection<'f, B, X>) -> Collection<'f, A, W>,
    ) -> Table<'f, A, W> {
        self.with(word, Location::caller(), other, |_, rows, others| make(rows, others))
    }
}
