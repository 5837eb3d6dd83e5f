//! The handles from which a flow is built, from left to right: `Flow`, `Stream`, `KeyedStream`.

mod check;
mod keyed;
mod outputs;
mod plan;
mod sources;
mod stream;

use std::cell::RefCell;
use std::fmt;
use std::panic::Location;
use std::rc::Rc;
use std::sync::Arc;

use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::generic::Operator;
use timely::dataflow::{ProbeHandle, Scope, StreamVec};

pub use check::{Finding, Weight};
pub use keyed::KeyedStream;
pub(crate) use plan::Kind;
pub use plan::Plan;
pub use sources::Sourced;
pub use stream::Stream;

use crate::batch::{Batch, partition};
use crate::checkpoint::Handed;
use crate::control::Control;
use crate::ingest::held::ReadHeld;
use crate::ingest::saved::ReadRows;
use crate::job::shared::{Current, Shared};
use crate::job::worker::Input;
use crate::key::owner;
use crate::table::Shown;
use crate::{Data, Key};

/// The beginning of a flow: sources enter here.
///
/// The build function that gets it runs once without a worker, to plan and check the flow, and then once on every
/// worker; it must build the same each time. Nothing is opened and no row moves while it runs.
#[derive(Clone)]
pub struct Flow<'f>(pub(crate) Rc<Inner<'f>>);

pub(crate) struct Inner<'f> {
    pub(crate) plan: Rc<RefCell<Plan>>,
    pub(crate) live: Option<Live<'f>>,
    /// What plan mode finds out and the job needs: one entry a source, a sink, a host channel.
    pub(crate) parts: RefCell<Vec<crate::job::parts::Part>>,
    /// Inputs handed out so far, a source's rows, a source's dead letters: how to read what was saved of each.
    pub(crate) inputs: RefCell<Vec<InputType>>,
}

/// How to read what was saved of the rows of one input.
#[derive(Clone, Copy)]
pub(crate) struct InputType {
    pub(crate) read_rows: ReadRows,
    pub(crate) read_held: ReadHeld,
}

/// What a worker gives to the flow that is built on it.
pub(crate) struct Live<'f> {
    pub(crate) scope: Scope<'f, u64>,
    pub(crate) controls: StreamVec<'f, u64, Control>,
    pub(crate) probe: ProbeHandle<u64>,
    pub(crate) shared: Arc<Shared>,
    /// The node whose code is running on this worker; names the culprit of a panic.
    pub(crate) current: Current,
    pub(crate) inputs: RefCell<Vec<Box<dyn Input>>>,
    /// What keyed operators have stored of checkpoints.
    pub(crate) snapshots: RefCell<Vec<StreamVec<'f, u64, Handed>>>,
    /// What the host looks into; on worker 0 alone.
    pub(crate) views: RefCell<Vec<Box<dyn Shown>>>,
}

impl Live<'_> {
    pub(crate) fn peers(&self) -> usize {
        self.scope.peers()
    }
}

impl fmt::Debug for Flow<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flow").field("nodes", &self.0.plan.borrow().nodes.len()).finish()
    }
}

impl<'f> Flow<'f> {
    pub(crate) fn new(live: Option<Live<'f>>) -> Self {
        Flow(Rc::new(Inner { plan: Rc::default(), live, parts: RefCell::default(), inputs: RefCell::default() }))
    }

    pub(crate) fn add(&self, name: &str, kind: Kind, inputs: Vec<usize>, at: &'static Location<'static>) -> usize {
        self.0.plan.borrow_mut().add(name, kind, inputs, at)
    }
}

/// The node that a stream comes from, and how deep its rows' places already are.
#[derive(Clone)]
pub struct Origin<'f> {
    pub(crate) flow: Flow<'f>,
    pub(crate) node: usize,
    pub(crate) depth: usize,
}

impl fmt::Debug for Origin<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "node {}", self.node)
    }
}

impl<'f> Origin<'f> {
    pub(crate) fn stream<T: 'static>(&self, inner: Option<StreamVec<'f, u64, Batch<T>>>) -> Stream<'f, T> {
        Stream { origin: self.clone(), inner }
    }

    /// The same node, with `words` more of sub-order in its rows' places.
    pub(crate) fn deeper(&self, words: usize) -> Self {
        let depth = self.depth + words;
        if depth > crate::batch::DEPTH_MAX {
            let mut plan = self.flow.0.plan.borrow_mut();
            let place = plan.place(self.node);
            plan.findings.push(Finding {
                code: "E0104",
                weight: Weight::Error,
                what: "too many keyed operators and flat_maps follow one another".into(),
                place,
                remedy: "fuse detectors of one key with .then(..) and .both(..)".into(),
            });
        }
        Origin { depth, ..self.clone() }
    }
}

/// Deals each batch out to the workers that own its keys.
pub(crate) fn route<'f, T: Data, K: Key>(
    live: &Live<'f>,
    node: usize,
    rows: StreamVec<'f, u64, Batch<T>>,
    key_of: impl Fn(&T) -> K + 'static,
) -> StreamVec<'f, u64, Batch<T>> {
    let (peers, current) = (live.peers(), live.current.clone());
    rows.unary(Pipeline, "route", move |_, _| {
        move |input, output| {
            current.set(node);
            input.for_each(|cap, data| {
                let mut session = output.session(&cap);
                for batch in data.drain(..) {
                    partition(batch, peers, |row| owner(key_of(row).stable_hash(), peers))
                        .for_each(|part| session.give(part));
                }
            });
        }
    })
}
