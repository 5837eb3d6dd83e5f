//! Times from every station to every node, or to one place from everywhere, kept exact while roads change.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::live::{Changed, NEVER, Roads};
use super::network::{ArcId, Fan, NodeId};

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
    /// Ways lead to the roots, not from them.
    toward: bool,
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
    root: u32,
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
    queue: BinaryHeap<Reverse<(u32, u32, u32)>>,
    /// Nodes that have a way again, from which others are to be looked for.
    found: Vec<u32>,
}

impl Trees {
    /// The trees of stations, in their order. O(stations x nodes), with a heap.
    pub fn new(roads: &Roads, stations: impl IntoIterator<Item = NodeId>) -> Self {
        Trees::of(roads, stations, false)
    }

    /// The trees of the ways *to* places, in their order: what it takes to get there from everywhere. Memory and complexity are those of [`new`](Trees::new).
    ///
    /// ```
    /// use std::sync::Arc;
    /// use watchfire_operators::geo::Position;
    /// use watchfire_operators::road::{Network, Roads, Trees};
    /// let mut map = Network::builder();
    /// let [a, fire] = [("a", 30.50), ("fire", 30.51)].map(|(name, lat)| (name, Position::from_degrees(lat, 104.07)));
    /// let (a, fire) = (map.node(a.0, a.1?, true), map.node(fire.0, fire.1?, true));
    /// let arc = map.arc("one way", "a", "fire", 60_000.0);
    /// let roads = Roads::new(Arc::new(map.build()?));
    /// let to = Trees::toward(&roads, [fire, a]);
    /// assert_eq!((to.time_ms(0, a), to.time_ms(1, fire)), (Some(60_000), None));
    /// assert_eq!(to.route(&roads, 0, a), Some(vec![arc]));
    /// # Ok::<(), watchfire_engine::Error>(())
    /// ```
    pub fn toward(roads: &Roads, places: impl IntoIterator<Item = NodeId>) -> Self {
        Trees::of(roads, places, true)
    }

    fn of(roads: &Roads, roots: impl IntoIterator<Item = NodeId>, toward: bool) -> Self {
        let nodes = roads.network().nodes_len();
        let tree = |root: NodeId| Tree { root: root.0, time_ms: vec![NEVER; nodes], by: vec![NONE; nodes] };
        let trees = roots.into_iter().map(tree).collect();
        let mut trees = Trees { trees, work: Work::default(), anew_share: ANEW_SHARE, toward };
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

    /// The time from the root of a tree to a node, or from the node to the root, milliseconds; nothing if there is no way. O(1).
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
        let (_, to) = Ways::of(roads, self.toward).ends(arc.0);
        self.trees.iter().any(|tree| tree.by[to as usize] == arc.0)
    }

    /// The shortest way between the root of a tree and a node, in the order in which it is driven; of several that take the same time always the same, whatever the changes before. Nothing if there is no
    /// way. O(arcs at the nodes of the way).
    #[must_use]
    pub fn route(&self, roads: &Roads, tree: usize, node: NodeId) -> Option<Vec<ArcId>> {
        self.time_ms(tree, node)?;
        let Tree { root, time_ms, .. } = self.trees.get(tree)?;
        let (ways, mut at, mut route) = (Ways::of(roads, self.toward), node.0, Vec::new());
        while at != *root {
            let is_on = |(arc, from): &&(u32, u32)| {
                let (before_ms, arc_ms) = (time_ms[*from as usize], ways.now_ms[*arc as usize]);
                before_ms != NEVER && arc_ms != NEVER && before_ms.checked_add(arc_ms) == Some(time_ms[at as usize])
            };
            let (arc, from) = ways.back.of(at).iter().find(is_on)?;
            route.push(ArcId(*arc));
            at = *from;
        }
        if !self.toward {
            route.reverse();
        }
        Some(route)
    }

    /// Works all trees out anew.
    pub fn anew(&mut self, roads: &Roads) {
        let ways = Ways::of(roads, self.toward);
        self.trees.iter_mut().for_each(|tree| tree.anew(&ways, &mut self.work));
    }

    /// Follows the changes of the last [`Roads::apply`]. O(nodes whose times change, and those that hang below arcs that became slower),
    /// with a heap; at most about what working out anew takes.
    pub fn follow(&mut self, roads: &Roads) -> Repair {
        let (ways, mut repair) = (Ways::of(roads, self.toward), Repair::default());
        for tree in &mut self.trees {
            if tree.lose(&ways, self.anew_share, &mut self.work) {
                repair.lost += self.work.lost.len();
                tree.find(&ways, &mut self.work);
                tree.near(&ways, &mut self.work);
            } else {
                tree.anew(&ways, &mut self.work);
                repair.anew += 1;
            }
        }
        repair
    }
}

/// The roads as a tree follows them: from its root onwards, or against the traffic where ways lead to the root.
struct Ways<'r> {
    roads: &'r Roads,
    on: &'r Fan,
    back: &'r Fan,
    now_ms: &'r [u32],
    toward: bool,
}

impl<'r> Ways<'r> {
    fn of(roads: &'r Roads, toward: bool) -> Self {
        let (out, into) = (&roads.network().out, &roads.network().into);
        let (on, back) = if toward { (into, out) } else { (out, into) };
        Ways { roads, on, back, now_ms: roads.now_ms(), toward }
    }

    /// The end of an arc that is nearer to the root by the direction of the tree, and the other.
    fn ends(&self, arc: u32) -> (u32, u32) {
        let (from, to) = (self.roads.network().from(ArcId(arc)).0, self.roads.network().to(ArcId(arc)).0);
        if self.toward { (to, from) } else { (from, to) }
    }
}

impl Tree {
    fn anew(&mut self, ways: &Ways<'_>, work: &mut Work) {
        self.time_ms.fill(NEVER);
        self.by.fill(NONE);
        work.heap.clear();
        if let Some(time_ms) = self.time_ms.get_mut(self.root as usize) {
            *time_ms = 0;
            work.heap.push(Reverse((0, self.root)));
        }
        self.spread(ways, work);
    }

    /// Finds out which nodes hang below arcs that became slower. False if those arcs are so many that mending is not worth it.
    fn lose(&mut self, ways: &Ways<'_>, anew_share: f64, Work { lost, .. }: &mut Work) -> bool {
        let limit = ((self.time_ms.len() as f64 * anew_share) as usize).max(1);
        lost.clear();
        for Changed { arc, was_ms, now_ms } in ways.roads.changed() {
            let (_, to) = ways.ends(*arc);
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
            for (arc, to) in ways.on.of(node) {
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
    fn find(&mut self, ways: &Ways<'_>, Work { lost, queue, found, .. }: &mut Work) {
        queue.clear();
        for node in &*lost {
            let from_outside = ways.back.of(*node).iter().filter(|(_, from)| self.by[*from as usize] != LOST);
            let ways_in = from_outside.filter_map(|(arc, from)| Some((self.later(ways, *from, *arc, *node)?, *arc)));
            if let Some((later_ms, arc)) = ways_in.min() {
                queue.push(Reverse((later_ms, *node, arc)));
            }
        }
        while let Some(Reverse((later_ms, node, arc))) = queue.pop() {
            self.regain(node, arc, later_ms, found);
            while let Some(node) = found.pop() {
                for (arc, to) in ways.on.of(node) {
                    if self.by[*to as usize] != LOST {
                        continue;
                    }
                    match self.later(ways, node, *arc, *to) {
                        Some(then_ms) if then_ms > later_ms => queue.push(Reverse((then_ms, *to, *arc))),
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
    fn later(&self, ways: &Ways<'_>, from: u32, arc: u32, node: u32) -> Option<u32> {
        let (from_ms, arc_ms) = (self.time_ms[from as usize], ways.now_ms[arc as usize]);
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
    fn near(&mut self, ways: &Ways<'_>, work: &mut Work) {
        work.heap.clear();
        for Changed { arc, was_ms, now_ms } in ways.roads.changed() {
            let (from, to) = ways.ends(*arc);
            if now_ms < was_ms && self.reach(to, *arc, self.time_ms[from as usize], *now_ms) {
                work.heap.push(Reverse((self.time_ms[to as usize], to)));
            }
        }
        self.spread(ways, work);
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
    fn spread(&mut self, ways: &Ways<'_>, Work { heap, .. }: &mut Work) {
        while let Some(Reverse((time_ms, node))) = heap.pop() {
            if time_ms > self.time_ms[node as usize] {
                continue;
            }
            for (arc, to) in ways.on.of(node) {
                if self.reach(*to, *arc, time_ms, ways.now_ms[*arc as usize]) {
                    heap.push(Reverse((self.time_ms[*to as usize], *to)));
                }
            }
        }
    }
}
