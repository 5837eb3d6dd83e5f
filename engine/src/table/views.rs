//! Tables that the host looks into, all as they were at the end of one epoch.

use std::any::Any;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::panic::Location;
use std::rc::Rc;
use std::sync::Arc;

use differential_dataflow::consolidation::consolidate;
use rpds::RedBlackTreeMapSync;
use timely::dataflow::channels::pact::Exchange;
use timely::dataflow::operators::Probe;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;

use super::level::Around;
use super::open::Open;
use super::{Rows, Table, Update};
use crate::flow::{Kind, Live};
use crate::job::shared::Shared;
use crate::{Error, Key, Row};

impl<'f, K: Key, V: Row> Table<'f, K, V> {
    /// Lets the host look into the table: see [`Running::views`](crate::Running::views). `name` must be unique in the flow.
    ///
    /// Memory: the rows once more, on worker 0. O(log rows) for a change.
    #[track_caller]
    pub fn to_view(self, name: &str) {
        let flow = self.home.flow;
        let node = flow.add(name, Kind::View, vec![self.home.node], Location::caller());
        if let Some((live, rows)) = flow.0.live.as_ref().zip(self.rows) {
            view(live, node, name, rows);
        }
    }
}

/// Rows by key. A copy shares what has not changed since.
type All<K, V> = RedBlackTreeMapSync<K, RedBlackTreeMapSync<V, isize>>;

/// What a view was at the end of epochs, the last of them last.
type Versions<K, V> = Rc<RefCell<VecDeque<(u64, All<K, V>)>>>;

/// A view as the leader sees it.
pub(crate) trait Shown {
    fn name(&self) -> &Arc<str>;
    /// The rows at the end of an epoch; it is not asked about earlier ones any more.
    fn at(&mut self, epoch: u64) -> Arc<dyn Any + Send + Sync>;
}

struct Named<K: Key, V: Row> {
    name: Arc<str>,
    versions: Versions<K, V>,
    newest: Arc<All<K, V>>,
}

impl<K: Key, V: Row> Shown for Named<K, V> {
    fn name(&self) -> &Arc<str> {
        &self.name
    }

    fn at(&mut self, epoch: u64) -> Arc<dyn Any + Send + Sync> {
        let mut versions = self.versions.borrow_mut();
        let passed = versions.partition_point(|(of, _)| *of <= epoch);
        if let Some((_, rows)) = versions.drain(..passed).next_back() {
            self.newest = Arc::new(rows);
        }
        self.newest.clone()
    }
}

/// The operator of a view: all rows meet on worker 0, where the leader is.
fn view<'f, K: Key, V: Row>(live: &Live<'f>, node: usize, name: &str, rows: Rows<'f, K, V>) {
    let around = Around::new(live, node);
    let mut builder = OperatorBuilder::new(name.to_owned(), live.scope);
    let mut rows_in = builder.new_input(rows.inner, Exchange::new(|_: &Update<K, V>| 0));
    // Nothing is sent on this output: an epoch that the view has not seen has not passed.
    let (_, held) = builder.new_output::<Vec<()>>();
    held.probe_with(&live.probe);
    let versions: Versions<K, V> = Rc::default();
    if live.scope.index() == 0 {
        let shown = Named { name: name.into(), versions: versions.clone(), newest: Arc::new(All::new_sync()) };
        live.views.borrow_mut().push(Box::new(shown));
    }
    builder.build(move |caps| {
        drop(caps);
        let mut open: Open<Vec<((K, V), isize)>> = Open::new();
        let mut all: All<K, V> = All::new_sync();
        move |frontiers| {
            around.mark();
            rows_in.for_each(|cap, data| {
                for (row, epoch, times) in data.drain(..) {
                    open.at(epoch, &cap).push((row, times));
                }
            });
            let is_open = |epoch: &u64| frontiers.iter().any(|frontier| frontier.less_equal(epoch));
            while let Some((epoch, _cap, mut changes)) = open.closed(is_open) {
                consolidate(&mut changes);
                changes.into_iter().for_each(|(row, by)| apply(&mut all, row, by));
                versions.borrow_mut().push_back((epoch, all.clone()));
            }
        }
    });
}

fn apply<K: Key, V: Row>(all: &mut All<K, V>, (key, row): (K, V), by: isize) {
    if !all.contains_key(&key) {
        all.insert_mut(key.clone(), RedBlackTreeMapSync::new_sync());
    }
    let Some(rows) = all.get_mut(&key) else { return };
    let times = rows.get(&row).copied().unwrap_or_default() + by;
    if times == 0 {
        rows.remove_mut(&row);
    } else {
        rows.insert_mut(row, times);
    }
    if rows.is_empty() {
        all.remove_mut(&key);
    }
}

/// What the leader shows of all views of the flow.
pub(crate) struct Board {
    views: Vec<Box<dyn Shown>>,
    /// The views at the end of the newest epoch that every view has passed and a job that comes back would hear again.
    passed: Option<Arc<Snapshot>>,
}

impl Board {
    pub(crate) fn new(views: Vec<Box<dyn Shown>>) -> Self {
        Board { views, passed: None }
    }

    /// An epoch has passed. What views were before is let go.
    pub(crate) fn pass(&mut self, epoch: u64) {
        if self.views.is_empty() || self.passed.as_ref().is_some_and(|passed| passed.epoch >= epoch) {
            return;
        }
        let views = self.views.iter_mut().map(|view| (view.name().clone(), view.at(epoch))).collect();
        self.passed = Some(Arc::new(Snapshot { epoch, views }));
    }

    /// Lets the host see the views as they are.
    pub(crate) fn show(&self, shared: &Shared) {
        let Some(passed) = &self.passed else { return };
        if shared.views.load().as_ref().is_none_or(|shown| !Arc::ptr_eq(shown, passed)) {
            shared.views.store(Some(passed.clone()));
        }
    }
}

/// The views of a job that runs, or has ended: [`Running::views`](crate::Running::views). Cheap to clone; it may go to any thread.
#[derive(Clone)]
pub struct Views(pub(crate) Arc<Shared>);

impl fmt::Debug for Views {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Views({:?})", self.snapshot())
    }
}

impl Views {
    /// All views as they were at the end of the newest epoch that has left by every sink and, where epochs are logged, would be
    /// heard again after a crash. Nothing until the job has begun or come back: to where the log ends, or else to its checkpoint, from
    /// which it goes on with what its sources give again; and nothing of a job that was drained before and has nothing left to do. O(1), and never waits; a snapshot stays what it is.
    pub fn snapshot(&self) -> Option<Arc<Snapshot>> {
        self.0.views.load_full()
    }
}

/// All views of a job at the end of one epoch.
pub struct Snapshot {
    epoch: u64,
    views: Vec<(Arc<str>, Arc<dyn Any + Send + Sync>)>,
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.views.iter().map(|(name, _)| &**name).collect();
        f.debug_struct("Snapshot").field("epoch", &self.epoch).field("views", &names).finish()
    }
}

impl Snapshot {
    /// The epoch at whose end the views are. Outputs carry epochs too.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The rows of a view.
    ///
    /// # Errors
    /// `E0409` if the flow has no such view, or its rows are of another type.
    pub fn view<K: Key, V: Row>(&self, name: &str) -> Result<View<K, V>, Error> {
        let wrong = |what: String| Error::new("E0409", what).remedy("compare with to_view(..) in the flow");
        let found = self.views.iter().find(|(of, _)| &**of == name);
        let (_, rows) = found.ok_or_else(|| wrong(format!("the flow has no view \"{name}\"")))?;
        let rows = rows.clone().downcast::<All<K, V>>();
        rows.map(View).map_err(|_| wrong(format!("view \"{name}\" holds rows of another type")))
    }
}

/// The rows of a table at the end of an epoch.
pub struct View<K: Key, V: Row>(Arc<All<K, V>>);

impl<K: Key, V: Row> fmt::Debug for View<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Rows may tell of people.
        write!(f, "View({} keys)", self.0.size())
    }
}

impl<K: Key, V: Row> View<K, V> {
    /// The rows of a key with how often each is there, rising. O(log keys).
    pub fn get<'a>(&'a self, key: &K) -> impl Iterator<Item = (&'a V, u64)> + use<'a, K, V> {
        self.0.get(key).into_iter().flat_map(there)
    }

    /// All rows by key, rising, with how often each is there.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V, u64)> {
        self.0.iter().flat_map(|(key, rows)| there(rows).map(move |(row, times)| (key, row, times)))
    }

    /// How many keys have rows. O(1).
    pub fn keys_len(&self) -> usize {
        self.0.size()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn there<V: Row>(rows: &RedBlackTreeMapSync<V, isize>) -> impl Iterator<Item = (&V, u64)> {
    rows.iter().filter_map(|(row, times)| Some((row, u64::try_from(*times).ok()?)))
}
