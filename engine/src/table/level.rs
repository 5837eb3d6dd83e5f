//! Where a table stands: at the epochs of the flow, or in a loop, where each epoch has rounds.

use std::cell::RefCell;
use std::panic::Location;
use std::rc::Rc;

use differential_dataflow::lattice::Lattice;
use timely::order::Product;
use timely::progress::Timestamp;

use super::grouped::{self, Group};
use super::{Rows, Table};
use crate::flow::{Flow, Kind, Live, Origin, Plan};
use crate::job::shared::Current;
use crate::{Key, Row};

/// Where a table stands, which says when it changes: [`Epochs`] or [`Rounds`].
pub trait Level: sealed::Times {}

/// Tables of the flow: they change from epoch to epoch.
#[derive(Debug)]
pub enum Epochs {}

/// Tables in a loop: in each epoch they change from round to round. See [`Table::iterate`].
#[derive(Debug)]
pub enum Rounds {}

impl Level for Epochs {}
impl Level for Rounds {}

/// The node of the plan that a table in a loop comes from.
#[derive(Clone, Debug)]
pub struct Within {
    pub(super) plan: Rc<RefCell<Plan>>,
    pub(super) around: Option<Around>,
    pub(super) node: usize,
}

/// What operators need to know of the worker that they are on.
#[derive(Clone, Debug)]
pub struct Around {
    pub(super) peers: usize,
    current: Current,
    node: usize,
}

impl Around {
    pub(super) fn new(live: &Live<'_>, node: usize) -> Self {
        Around { peers: live.peers(), current: live.current.clone(), node }
    }

    /// What goes wrong from here on goes wrong in this node.
    #[inline]
    pub(super) fn mark(&self) {
        self.current.set(self.node);
    }
}

pub(super) mod sealed {
    use super::*;

    /// What differs from level to level.
    pub trait Times: Sized + 'static {
        type Time: Timestamp + Lattice;
        /// The node of the plan that a table comes from.
        type Home<'f>: Clone;

        fn node(home: &Self::Home<'_>) -> usize;

        /// A view of tables: its word and parameters, what it reads beside `home`, and where it stands in the user's code.
        fn add<'f>(
            home: &Self::Home<'f>,
            what: (&'static str, String),
            beside: Option<usize>,
            at: &'static Location<'static>,
        ) -> Self::Home<'f>;

        /// Nothing while the flow is planned.
        fn around(home: &Self::Home<'_>) -> Option<Around>;

        /// What a grouping says of the rows of each key.
        fn group<'f, K: Key, V: Row, G: Group<K, V>>(
            around: &Around,
            word: &str,
            rows: Rows<'f, K, V, Self::Time>,
            group: G,
        ) -> Rows<'f, K, G::Says, Self::Time>;
    }
}

impl sealed::Times for Epochs {
    type Time = u64;
    type Home<'f> = Origin<'f>;

    fn node(home: &Origin<'_>) -> usize {
        home.node
    }

    fn add<'f>(
        home: &Self::Home<'f>,
        (word, params): (&'static str, String),
        beside: Option<usize>,
        at: &'static Location<'static>,
    ) -> Self::Home<'f> {
        let inputs = [home.node].into_iter().chain(beside).collect();
        let node = home.flow.add(word, Kind::Table { word, params }, inputs, at);
        Origin { node, ..home.clone() }
    }

    fn around(home: &Origin<'_>) -> Option<Around> {
        home.flow.0.live.as_ref().map(|live| Around::new(live, home.node))
    }

    fn group<'f, K: Key, V: Row, G: Group<K, V>>(
        around: &Around,
        word: &str,
        rows: Rows<'f, K, V>,
        group: G,
    ) -> Rows<'f, K, G::Says> {
        grouped::at_epochs(around, word, rows, group)
    }
}

impl sealed::Times for Rounds {
    type Time = Product<u64, u64>;
    type Home<'f> = Within;

    fn node(home: &Within) -> usize {
        home.node
    }

    fn add<'f>(
        home: &Self::Home<'f>,
        (word, params): (&'static str, String),
        beside: Option<usize>,
        at: &'static Location<'static>,
    ) -> Self::Home<'f> {
        let inputs = [home.node].into_iter().chain(beside).collect();
        home.at(home.plan.borrow_mut().add(word, Kind::Table { word, params }, inputs, at))
    }

    fn around(home: &Within) -> Option<Around> {
        home.around.clone()
    }

    fn group<'f, K: Key, V: Row, G: Group<K, V>>(
        around: &Around,
        word: &str,
        rows: Rows<'f, K, V, Self::Time>,
        group: G,
    ) -> Rows<'f, K, G::Says, Self::Time> {
        grouped::in_rounds(around, word, rows, group)
    }
}

impl Within {
    pub(super) fn new(flow: &Flow<'_>, node: usize) -> Self {
        let around = flow.0.live.as_ref().map(|live| Around::new(live, node));
        Within { plan: flow.0.plan.clone(), around, node }
    }

    fn at(&self, node: usize) -> Self {
        let around = self.around.clone().map(|around| Around { node, ..around });
        Within { plan: self.plan.clone(), around, node }
    }
}

impl<'f, K: Key, V: Row, L: Level> Table<'f, K, V, L> {
    /// A view of this table.
    pub(super) fn view<A: Key, W: Row>(
        self,
        what: (&'static str, String),
        at: &'static Location<'static>,
        make: impl FnOnce(&Around, Rows<'f, K, V, L::Time>) -> Rows<'f, A, W, L::Time>,
    ) -> Table<'f, A, W, L> {
        let home = L::add(&self.home, what, None, at);
        let rows = L::around(&home).zip(self.rows).map(|(around, rows)| make(&around, rows));
        Table { home, rows }
    }

    /// A view of this table and another.
    pub(super) fn with<B: Key, W: Row, A: Key, X: Row>(
        self,
        word: &'static str,
        at: &'static Location<'static>,
        other: Table<'f, B, W, L>,
        make: impl FnOnce(&Around, Rows<'f, K, V, L::Time>, Rows<'f, B, W, L::Time>) -> Rows<'f, A, X, L::Time>,
    ) -> Table<'f, A, X, L> {
        let home = L::add(&self.home, (word, String::new()), Some(L::node(&other.home)), at);
        let both = self.rows.zip(other.rows);
        let rows = L::around(&home).zip(both).map(|(around, (rows, others))| make(&around, rows, others));
        Table { home, rows }
    }
}
