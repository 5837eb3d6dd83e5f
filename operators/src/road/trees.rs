//! Times from every station to every node, or to one place from everywhere, kept exact while roads change.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::live::{Changed, NEVER, Roads};
use super::network::{ArcId, Fan, NodeId};

/// No arc leads to the node: it is the station itself, or cannot be reached.
const NONE: u32 = u32::MAX;

/// A tree of which more than this share of the nodes has lost its way is worked out anew: mending costs about half as much again for a
/// node as working out anew does.
const ANEW_SHARE: f64 = 0.6;

/// The trees of shortest times from stations, over [`Roads`] that change.
///
/// Times are exact, always: what a computation from scratch gives. A change is mended where it reaches (Ramalingam and Reps 1996, for
/// many changes at once): what hung below an arc that became slower looks for another way, what an arc that became faster brings
/// nearer is followed. A tree of which too much is touched is worked out anew.
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

    /// Finds out which nodes hang below arcs that became slower. False if there are so many that mending is not worth it.
    fn lose(&mut self, ways: &Ways<'_>, anew_share: f64, Work { lost, .. }: &mut Work) -> bool {
        let limit = (self.time_ms.len() as f64 * anew_share) as usize;
        lost.clear();
        for Changed { arc, was_ms, now_ms } in ways.roads.changed() {
            let (_, to) = ways.ends(*arc);
            if now_ms > was_ms && self.by[to as usize] == *arc {
                self.cut(to, lost);
            }
        }
        let mut next = 0;
        while let Some(node) = lost.get(next).copied() {
            if lost.len() > limit {
                return false;
            }
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
        (self.by[node as usize], self.time_ms[node as usize]) = (NONE, NEVER);
        lost.push(node);
    }

    /// Finds the ways of those that were lost, and follows what became nearer.
    fn find(&mut self, ways: &Ways<'_>, work: &mut Work) {
        work.heap.clear();
        for node in &work.lost {
            for (arc, from) in ways.back.of(*node) {
                let from_ms = self.time_ms[*from as usize];
                // From one that was lost too it is found when that one is; its first guess is a way all the same.
                self.reach(*node, *arc, from_ms, ways.now_ms[*arc as usize]);
            }
            let time_ms = self.time_ms[*node as usize];
            if time_ms != NEVER {
                work.heap.push(Reverse((time_ms, *node)));
            }
        }
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
