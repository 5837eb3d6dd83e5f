//! Tables: relations that change, with views that are kept up to date and agree with each other at every epoch.
//!
//! A keyed operator holds what enters a table (`relation.rs`), and is what a checkpoint stores of it; everything behind it is built
//! anew when a job comes back (`enter.rs`), and what that brings forth is dropped where a table becomes a stream (`leave.rs`).

mod closed;
mod enter;
pub mod expert;
mod grouped;
mod groups;
mod iterate;
mod leave;
mod level;
mod look_up;
mod open;
mod ops;
mod relation;
mod views;

use std::fmt;

use differential_dataflow::VecCollection;

pub use iterate::{Iterated, Loop};
pub use level::{Epochs, Level, Rounds};
pub(crate) use views::{Board, Shown};
pub use views::{Snapshot, View, Views};

/// Rows of a table, with how often each was added (or, below zero, taken away) at a time.
type Rows<'f, K, V, T = u64> = VecCollection<'f, T, (K, V), isize>;

/// A row, the epoch at which it comes or goes, and how often.
type Update<K, V> = ((K, V), u64, isize);

/// A relation that changes: rows `(K, V)`, each so many times, by key.
///
/// It begins with [`KeyedStream::latest`](crate::KeyedStream::latest) or [`KeyedStream::changelog`](crate::KeyedStream::changelog), and
/// becomes a stream again by [`changes`](Table::changes). Views change epoch by epoch, all at once: at the end of an epoch each says
/// what a computation from scratch over all that has entered until then would say. What an epoch holds depends on when rows come, so
/// two runs agree on what is left of their changes ([`Change::consolidate`](crate::Change::consolidate)), and on each change only with
/// the same epochs (an epoch log, a recording).
///
/// The functions given to a table must be deterministic, must not mind rows and pairs that come and go within an epoch, and must stay what
/// they are for as long as a store lives: a job that comes back says what is new by the functions that it has, and the outside has what
/// the old ones said. What depends on a table depends on where epochs end, so it leaves only when its epoch is logged, where
/// epochs are. Handles are cheap to clone. Memory: the rows of every join and grouping; an
/// input holds its rows once more.
///
/// # Examples
/// The number of incidents of each kind, of which the kind may change:
/// ```
/// use std::time::Duration;
/// use serde::{Deserialize, Serialize};
/// use watchfire_engine::{Change, Job, TickSource, Timed};
/// #[derive(Clone, Debug, Serialize, Deserialize)]
/// struct Report { at_ms: i64, incident: u32, kind: Option<String> }
/// impl Timed for Report {
///     fn event_time_ms(&self) -> i64 { self.at_ms }
/// }
/// let job = Job::new(|flow| {
///     let reports = flow.channel::<Report>("reports").key_by(|report| report.incident);
///     // A report without a kind ends the incident.
///     let incidents = reports.latest("incidents", |report| report.kind.clone()).out;
///     incidents.rekey(|_, kind| kind.clone()).count().changes().to_channel("kinds");
/// });
/// let mut running = job.ticks(TickSource::FROM_EVENTS).start()?;
/// let (reports, kinds) = (running.sender("reports")?, running.receiver::<Change<(String, u64)>>("kinds")?);
/// let report = |incident, kind: Option<&str>| Report { at_ms: 0, incident, kind: kind.map(str::to_owned) };
/// reports.send(vec![report(1, Some("fire")), report(2, Some("fire")), report(3, Some("lift"))])?;
/// reports.send(vec![report(2, None), report(1, Some("lift"))])?;
/// drop(reports);
/// let changes: Vec<_> = kinds.rows().collect();
/// running.wait()?;
/// assert_eq!(Change::consolidate(changes), [(("lift".to_owned(), 2), 1)]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Table<'f, K: 'static, V: 'static, L: Level = Epochs> {
    home: L::Home<'f>,
    rows: Option<Rows<'f, K, V, L::Time>>,
}

impl<K: Clone + 'static, V: Clone + 'static, L: Level> Clone for Table<'_, K, V, L> {
    fn clone(&self) -> Self {
        Table { home: self.home.clone(), rows: self.rows.clone() }
    }
}

impl<K: 'static, V: 'static, L: Level> fmt::Debug for Table<'_, K, V, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Table(node {})", L::node(&self.home))
    }
}
