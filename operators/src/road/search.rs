//! From a place to those who are nearest to it.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::live::{NEVER, Roads};
use super::network::NodeId;

/// A node that was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reached {
    /// How long the way takes from it, milliseconds.
    pub time_ms: u32,
    /// The node.
    pub node: NodeId,
}

/// Looks for the way *to* a node, from where it is nearest outwards, and stops when enough was found. Keeps its memory from one search to
/// the next: 12 bytes a node.
///
/// # Examples
/// ```
/// use std::sync::Arc;
/// use watchfire_operators::geo::Position;
/// use watchfire_operators::road::{Network, Reached, Roads, Search};
/// let mut map = Network::builder();
/// for (name, lat) in [("a", 30.50), ("b", 30.51), ("fire", 30.52)] {
///     map.node(name, Position::from_degrees(lat, 104.07)?, true);
/// }
/// map.arc("a-b", "a", "b", 60_000.0);
/// map.arc("b-fire", "b", "fire", 30_000.0);
/// let roads = Roads::new(Arc::new(map.build()?));
/// let [a, b, fire] = ["a", "b", "fire"].map(|name| roads.network().node(name));
/// let found = Search::default().nearest(&roads, fire.ok_or("no node")?, 1, |node| [a, b].contains(&Some(node)));
/// assert_eq!(found, [Reached { time_ms: 30_000, node: b.ok_or("no node")? }]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Search {
    time_ms: Vec<u32>,
    /// In which search a time was found: others say nothing.
    found_in: Vec<u32>,
    search: u32,
    heap: BinaryHeap<Reverse<(u32, u32)>>,
}

impl Search {
    /// The `count` nodes from which `to` is reached soonest, of those for which `is_wanted` holds, soonest first and by node where they
    /// are equal; `to` itself is one. Fewer if no more can get there. O(nodes that are nearer than the last), with a heap.
    pub fn nearest(
        &mut self,
        roads: &Roads,
        to: NodeId,
        count: usize,
        mut is_wanted: impl FnMut(NodeId) -> bool,
    ) -> Vec<Reached> {
        let (network, now_ms) = (roads.network(), roads.now_ms());
        self.begin(network.nodes_len());
        let mut found: Vec<Reached> = Vec::new();
        if (to.0 as usize) < network.nodes_len() {
            self.reach(to.0, 0);
        }
        while let Some(Reverse((time_ms, node))) = self.heap.pop() {
            if time_ms > self.time_ms[node as usize] {
                continue;
            }
            // What is as near as the last may come before it by node, so it is looked at too.
            if found.len() >= count && found.last().is_none_or(|last| last.time_ms < time_ms) {
                break;
            }
            if is_wanted(NodeId(node)) {
                found.push(Reached { time_ms, node: NodeId(node) });
            }
            for (arc, other) in network.into.of(node) {
                let arc_ms = now_ms[*arc as usize];
                if arc_ms != NEVER {
                    self.reach(*other, time_ms.saturating_add(arc_ms));
                }
            }
        }
        found.sort_unstable();
        found.truncate(count);
        found
    }

    fn begin(&mut self, nodes: usize) {
        self.heap.clear();
        if self.time_ms.len() != nodes || self.search == u32::MAX {
            (self.time_ms, self.found_in, self.search) = (vec![0; nodes], vec![0; nodes], 0);
        }
        self.search += 1;
    }

    fn reach(&mut self, node: u32, time_ms: u32) {
        let at = node as usize;
        if time_ms != NEVER && (self.found_in[at] != self.search || time_ms < self.time_ms[at]) {
            (self.found_in[at], self.time_ms[at]) = (self.search, time_ms);
            self.heap.push(Reverse((time_ms, node)));
        }
    }
}
