//! Trees of shortest times by differential dataflow alone: what our own are measured against.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

use watchfire_engine::expert::differential_dataflow::AsCollection;
use watchfire_engine::expert::differential_dataflow::input::{Input, InputSession};
use watchfire_engine::expert::differential_dataflow::operators::iterate::Variable;
use watchfire_engine::expert::differential_dataflow::trace::implementations::{ValBuilder, ValSpine};
use watchfire_engine::expert::timely::communication::Allocator;
use watchfire_engine::expert::timely::communication::allocator::thread::Thread;
use watchfire_engine::expert::timely::dataflow::ProbeHandle;
use watchfire_engine::expert::timely::dataflow::operators::vec::Map;
use watchfire_engine::expert::timely::order::Product;
use watchfire_engine::expert::timely::worker::{Config, Worker};
use watchfire_operators::road::{ArcId, NodeId, Roads};

const NEVER: u32 = u32::MAX;

/// Nodes are reached in rounds of so many milliseconds of way. Of 250, 500, 1,000, 2,000 and more this was found to be the best for the loop, in both cities; a
/// round for each arc, long or short, takes some fifty times as long, for a node is told again for each way to it that has fewer arcs and takes longer.
const ROUND_MS: u64 = 1_000;

/// From a node to another, in so many milliseconds.
type Way = (u32, (u32, u32));

/// The times from stations to all nodes, as a loop of differential dataflow keeps them, on this thread.
///
/// Each tree has a copy of the roads of its own, with other numbers for its nodes, so that one loop of plain numbers serves all: the least of the times
/// by which a node is reached, joined with the arcs that leave it, is reached in a later round: nearer nodes in earlier ones, as Dijkstra 1959 has them, so
/// nearly every node is told once. What the least is in each round is indexed once, for the loop and for the join alike. Memory: what every node was in every round.
pub struct Iterated {
    worker: Worker,
    arcs: InputSession<u64, Way, isize>,
    probe: ProbeHandle<u64>,
    /// By tree and node.
    times: Rc<RefCell<Vec<u32>>>,
    trees: usize,
    nodes: usize,
    /// What each arc takes in the loop.
    held_ms: Vec<Option<u32>>,
}

impl fmt::Debug for Iterated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Iterated").field("trees", &self.trees).field("nodes", &self.nodes).finish()
    }
}

impl Iterated {
    /// Of roads as they are.
    pub fn new(roads: &Roads, stations: &[NodeId]) -> Self {
        let (nodes, trees) = (roads.network().nodes_len(), stations.len());
        let begins: Vec<(u32, u32)> =
            stations.iter().enumerate().map(|(tree, station)| ((tree * nodes) as u32 + station.0, 0)).collect();
        let (times, probe) = (Rc::new(RefCell::new(vec![NEVER; nodes * trees])), ProbeHandle::new());
        let mut worker = Worker::new(Config::default(), Allocator::Thread(Thread::default()), None);
        let (told, seen) = (times.clone(), probe.clone());
        let arcs = worker.dataflow::<u64, _, _>(move |outside| {
            let (input, arcs) = outside.new_collection::<Way, isize>();
            let (_, begins) = outside.new_collection_from(begins);
            let arcs = arcs.arrange_by_key();
            let nearest = outside.scoped::<Product<u64, u64>, _, _>("trees", |inside| {
                let (further, reached) = Variable::new(inside, Product::new(0, 1));
                let reached = reached.concat(begins.enter(inside));
                let nearest = reached
                    .reduce_abelian::<_, ValBuilder<_, _, _, _>, ValSpine<_, _, _, _>>("nearest", |_, times, least| {
                        least.push((*times[0].0, 1_isize))
                    });
                let ways = nearest
                    .clone()
                    .join_core(arcs.enter(inside), |_, ms: &u32, (to, arc_ms): &(u32, u32)| Some((*to, ms + arc_ms)));
                let in_order = |((_, ms), time, _): &mut ((u32, u32), Product<u64, u64>, isize)| {
                    time.inner = time.inner.max(u64::from(*ms) / ROUND_MS);
                };
                further.set(ways.inner.map_in_place(in_order).as_collection());
                nearest.as_collection(|node, ms| (*node, *ms)).leave(outside)
            });
            let tell = move |((node, ms), _, times): &((u32, u32), u64, isize)| {
                let time_ms = &mut told.borrow_mut()[*node as usize];
                if *times > 0 {
                    *time_ms = *ms;
                } else if *time_ms == *ms {
                    *time_ms = NEVER;
                }
            };
            nearest.consolidate().inspect(tell).probe_with(&seen);
            input
        });
        let held_ms = vec![None; roads.network().arcs_len()];
        let mut all = Iterated { worker, arcs, probe, times, trees, nodes, held_ms };
        (0..all.held_ms.len() as u32).for_each(|arc| all.put(roads, ArcId(arc)));
        all.settle();
        all
    }

    /// Follows the change of an arc, until all times are what they are by it.
    pub fn follow(&mut self, roads: &Roads, arc: ArcId) {
        self.put(roads, arc);
        self.settle();
    }

    fn put(&mut self, roads: &Roads, arc: ArcId) {
        let (from, to) = (roads.network().from(arc).0, roads.network().to(arc).0);
        let now_ms = roads.time_ms(arc);
        let was_ms = std::mem::replace(&mut self.held_ms[arc.0 as usize], now_ms);
        for (ms, times) in [(was_ms, -1), (now_ms, 1)] {
            for first in (0..self.trees).map(|tree| (tree * self.nodes) as u32) {
                if let Some(ms) = ms {
                    self.arcs.update((first + from, (first + to, ms)), times);
                }
            }
        }
    }

    fn settle(&mut self) {
        let next = self.arcs.time() + 1;
        self.arcs.advance_to(next);
        self.arcs.flush();
        let Iterated { worker, probe, .. } = self;
        worker.step_while(|| probe.less_than(&next));
    }

    /// The time from the station of a tree to a node, milliseconds.
    #[must_use]
    pub fn time_ms(&self, tree: usize, node: NodeId) -> Option<u32> {
        Some(self.times.borrow()[tree * self.nodes + node.0 as usize]).filter(|ms| *ms != NEVER)
    }
}
