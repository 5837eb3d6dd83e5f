//! Times from every station to every node, kept exact while roads change.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::live::{Changed, NEVER, Roads};
use super::network::{ArcId, Network, NodeId};

/// No arc leads to the node: it is the station itself, or cannot be reached.
const NONE: u32 = u32::MAX;

/// The node has lost its way, and none has been found yet. Its time is still what it was.
const LOST: u32 = u32::MAX - 1;

/// A tree is worked out anew where more than this share of its nodes are reached by an arc that became slower. Whatever hangs below a few such arcs
/// is mended in little more than half the time of working out anew, be it the whole tree; the more they are, the less nodes keep to those before them.
const ANEW_SHARE: f64 = 0.015;

/// The trees of shortest times from stations, over [`Roads`] that change.
///
/// Times are exact, always: what a computation from scratch gives. A change is mended where it reaches (Ramalingam and Reps 1996, for
/// many changes at once): what hung below an arc that became slower looks for another way, what an arc that became faster brings
/// nearer is followed. A tree of which too many arcs became slower is worked out anew.
///
/// Memory: 8 bytes a node and station.
///
/// # Examples
/// ```
/// use std::sync::Arc;
/// use watchfire_operators::geo::Position;
/// use watchfire_operators::road::{Network, RoadChange, RoadState, Roads, Trees};
/// let mut map = Network::builder();
/// for (name, lat) in [("station", 30.50), ("corner", 30.51), ("fire", 30.52)] {
///     map.node(name, Position::from_degrees(lat, 104.07)?, true);
/// }
/// let [_, short, _, long] = [("1", "station", "corner"), ("2", "corner", "fire"), ("3", "fire", "corner"), ("4", "station", "fire")]
///     .map(|(name, from, to)| map.arc(name, from, to, if name == "4" { 300_000.0 } else { 60_000.0 }));
/// let mut roads = Roads::new(Arc::new(map.build()?));
/// let [station, fire] = ["station", "fire"].map(|name| roads.network().node(name));
/// let (station, fire) = station.zip(fire).ok_or("no node")?;
/// let mut trees = Trees::new(&roads, [station]);
/// assert_eq!(trees.time_ms(0, fire), Some(120_000));
/// roads.apply([RoadChange { arc: short, becomes: RoadState::Closed }]);
/// trees.follow(&roads);
/// assert_eq!((trees.time_ms(0, fire), trees.route(&roads, 0, fire)), (Some(300_000), Some(vec![long])));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Trees {
    trees: Vec<Tree>,
    work: Work,
    anew_share: f64,
}

/// What it took to follow changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Repair {
    /// Nodes of all trees that lost their way and looked for another.
    pub lost: usize,
    /// Trees that were worked out anew.
    pub anew: usize,
}

#[derive(Clone, Debug)]
struct Tree {
    station: u32,
    time_ms: Vec<u32>,
    /// The arc by which a node is reached.
    by: Vec<u32>,
}

/// Memory that is kept from one tree to the next.
#[derive(Clone, Debug, Default)]
struct Work {
    heap: BinaryHeap<Reverse<(u32, u32)>>,
    lost: Vec<u32>,
    /// Ways to nodes that are lost: how much later than before one is there, the node, and the arc by which it is reached.
    ways: BinaryHeap<Reverse<(u32, u32, u32)>>,
    /// Nodes that have a way again, from which others are to be looked for.
    found: Vec<u32>,
}

impl Trees {
    /// The trees of stations, in their order. O(stations x nodes), with a heap.
    pub fn new(roads: &Roads, stations: impl IntoIterator<Item = NodeId>) -> Self {
        let nodes = roads.network().nodes_len();
        let tree = |station: NodeId| Tree { station: station.0, time_ms: vec![NEVER; nodes], by: vec![NONE; nodes] };
        let mut trees =
            Trees { trees: stations.into_iter().map(tree).collect(), work: Work::default(), anew_share: ANEW_SHARE };
        trees.anew(roads);
        trees
    }

    /// The same, but no tree is ever worked out anew: to measure against.
    #[must_use]
    pub fn always_mends(self) -> Self {
        Trees { anew_share: 1.0, ..self }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.trees.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.trees.is_empty()
    }

    /// The time from the station of a tree to a node, milliseconds; nothing if there is no way. O(1).
    #[must_use]
    pub fn time_ms(&self, tree: usize, node: NodeId) -> Option<u32> {
        self.trees.get(tree)?.time_ms.get(node.0 as usize).copied().filter(|ms| *ms != NEVER)
    }

    /// Whether a shortest way of some tree goes over an arc, by the ways that it remembers.
    #[must_use]
    pub fn uses(&self, roads: &Roads, arc: ArcId) -> bool {
        if arc.0 as usize >= roads.network().arcs_len() {
            return false;
        }
        let to = roads.network().to(arc).0 as usize;
        self.trees.iter().any(|tree| tree.by[to] == arc.0)
    }

    /// The shortest way to a node; of several that take the same time always the same, whatever the changes before. Nothing if there is no
    /// way. O(arcs at the nodes of the way).
    #[must_use]
    pub fn route(&self, roads: &Roads, tree: usize, node: NodeId) -> Option<Vec<ArcId>> {
        self.time_ms(tree, node)?;
        let Tree { station, time_ms, .. } = self.trees.get(tree)?;
        let (mut at, mut route) = (node.0, Vec::new());
        while at != *station {
            let is_on = |(arc, from): &&(u32, u32)| {
                let (before_ms, arc_ms) = (time_ms[*from as usize], roads.now_ms()[*arc as usize]);
                before_ms != NEVER && arc_ms != NEVER && before_ms.checked_add(arc_ms) == Some(time_ms[at as usize])
            };
            let (arc, from) = roads.network().into.of(at).iter().find(is_on)?;
            route.push(ArcId(*arc));
            at = *from;
        }
        route.reverse();
        Some(route)
    }

    /// Works all trees out anew.
    pub fn anew(&mut self, roads: &Roads) {
        self.trees.iter_mut().for_each(|tree| tree.anew(roads, &mut self.work));
    }

    /// Follows the changes of the last [`Roads::apply`]. O(nodes whose times change, and those that hang below arcs that became slower),
    /// with a heap; at most about what working out anew takes.
    pub fn follow(&mut self, roads: &Roads) -> Repair {
        let mut repair = Repair::default();
        for tree in &mut self.trees {
            if tree.lose(roads, self.anew_share, &mut self.work) {
                repair.lost += self.work.lost.len();
                tree.find(roads, &mut self.work);
                tree.near(roads, &mut self.work);
            } else {
                tree.anew(roads, &mut self.work);
                repair.anew += 1;
            }
        }
        repair
    }
}

impl Tree {
    fn anew(&mut self, roads: &Roads, work: &mut Work) {
        self.time_ms.fill(NEVER);
        self.by.fill(NONE);
        work.heap.clear();
        if let Some(time_ms) = self.time_ms.get_mut(self.station as usize) {
            *time_ms = 0;
            work.heap.push(Reverse((0, self.station)));
        }
        self.spread(roads, work);
    }

    /// Finds out which nodes hang below arcs that became slower. False if those arcs are so many that mending is not worth it.
    fn lose(&mut self, roads: &Roads, anew_share: f64, Work { lost, .. }: &mut Work) -> bool {
        let network: &Network = roads.network();
        let limit = (self.time_ms.len() as f64 * anew_share) as usize;
        lost.clear();
        for Changed { arc, was_ms, now_ms } in roads.changed() {
            let to = network.to(ArcId(*arc)).0;
            if now_ms > was_ms && self.by[to as usize] == *arc {
                self.cut(to, lost);
            }
            if lost.len() > limit {
                return false;
            }
        }
        let mut next = 0;
        while let Some(node) = lost.get(next).copied() {
            next += 1;
            for (arc, to) in network.out.of(node) {
                if self.by[*to as usize] == *arc {
                    self.cut(*to, lost);
                }
            }
        }
        true
    }

    fn cut(&mut self, node: u32, lost: &mut Vec<u32>) {
        self.by[node as usize] = LOST;
        lost.push(node);
    }

    /// Finds the ways of those that were lost, those first that are least later than before (Dijkstra 1959 with what times were as potentials). Along
    /// an arc of the old tree nobody is later than who was before them, so nearly all are found without a heap.
    ///
    /// An arc that became faster is taken here for no faster than it may have been before; what it brings nearer is followed afterwards.
    fn find(&mut self, roads: &Roads, Work { lost, ways, found, .. }: &mut Work) {
        let network: &Network = roads.network();
        ways.clear();
        for node in &*lost {
            let from_outside = network.into.of(*node).iter().filter(|(_, from)| self.by[*from as usize] != LOST);
            let ways_in = from_outside.filter_map(|(arc, from)| Some((self.later(roads, *from, *arc, *node)?, *arc)));
            if let Some((later_ms, arc)) = ways_in.min() {
                ways.push(Reverse((later_ms, *node, arc)));
            }
        }
        while let Some(Reverse((later_ms, node, arc))) = ways.pop() {
            self.regain(node, arc, later_ms, found);
            while let Some(node) = found.pop() {
                for (arc, to) in network.out.of(node) {
                    if self.by[*to as usize] != LOST {
                        continue;
                    }
                    match self.later(roads, node, *arc, *to) {
                        Some(then_ms) if then_ms > later_ms => ways.push(Reverse((then_ms, *to, *arc))),
                        Some(_) => self.regain(*to, *arc, later_ms, found),
                        None => {}
                    }
                }
            }
        }
        for node in lost.iter().map(|node| *node as usize) {
            if self.by[node] == LOST {
                (self.by[node], self.time_ms[node]) = (NONE, NEVER);
            }
        }
    }

    /// How much later than before one is at a lost node who comes by an arc; nothing if nobody can.
    #[inline]
    fn later(&self, roads: &Roads, from: u32, arc: u32, node: u32) -> Option<u32> {
        let (from_ms, arc_ms) = (self.time_ms[from as usize], roads.now_ms()[arc as usize]);
        let time_ms = from_ms.saturating_add(arc_ms);
        (arc_ms != NEVER && time_ms != NEVER).then(|| time_ms.saturating_sub(self.time_ms[node as usize]))
    }

    #[inline]
    fn regain(&mut self, node: u32, arc: u32, later_ms: u32, found: &mut Vec<u32>) {
        let at = node as usize;
        if self.by[at] == LOST {
            self.by[at] = arc;
            self.time_ms[at] = self.time_ms[at].saturating_add(later_ms);
            found.push(node);
        }
    }

    /// Follows what became nearer.
    fn near(&mut self, roads: &Roads, work: &mut Work) {
        let network: &Network = roads.network();
        work.heap.clear();
        for Changed { arc, was_ms, now_ms } in roads.changed() {
            let (from, to) = (network.from(ArcId(*arc)).0, network.to(ArcId(*arc)).0);
            if now_ms < was_ms && self.reach(to, *arc, self.time_ms[from as usize], *now_ms) {
                work.heap.push(Reverse((self.time_ms[to as usize], to)));
            }
        }
        self.spread(roads, work);
    }

    /// Whether a node is nearer by an arc.
    #[inline]
    fn reach(&mut self, node: u32, arc: u32, from_ms: u32, arc_ms: u32) -> bool {
        let at = node as usize;
        let time_ms = from_ms.saturating_add(arc_ms);
        let nearer = arc_ms != NEVER && time_ms < self.time_ms[at];
        if nearer {
            (self.time_ms[at], self.by[at]) = (time_ms, arc);
        }
        nearer
    }

    /// From the nodes in the heap onwards (Dijkstra 1959).
    fn spread(&mut self, roads: &Roads, Work { heap, .. }: &mut Work) {
        let (network, now_ms): (&Network, _) = (roads.network(), roads.now_ms());
        while let Some(Reverse((time_ms, node))) = heap.pop() {
            if time_ms > self.time_ms[node as usize] {
                continue;
            }
            for (arc, to) in network.out.of(node) {
                if self.reach(*to, *arc, time_ms, now_ms[*arc as usize]) {
                    heap.push(Reverse((self.time_ms[*to as usize], *to)));
                }
            }
        }
    }
}
