//! What a map says: nodes, and arcs between them.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use rstar::RTree;
use rstar::primitives::GeomWithData;
use serde::{Deserialize, Serialize};
use watchfire_engine::{Error, Key};

use crate::geo::Position;

/// The longest time that an arc may take, milliseconds: a day.
pub const TIME_MAX_MS: u32 = 86_400_000;

/// Findings that an error names.
const NAMED: usize = 20;

/// A node of a network: its index, in the order in which nodes were added.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    rkyv::Archive,
    rkyv::Serialize,
    rkyv::Deserialize,
)]
pub struct NodeId(pub u32);

/// An arc of a network: its index, in the order in which arcs were added.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    rkyv::Archive,
    rkyv::Serialize,
    rkyv::Deserialize,
)]
pub struct ArcId(pub u32);

/// A directed graph of places, with the time that each arc takes where nothing is in the way.
///
/// Memory: some 100 bytes a node and 28 an arc, and the names that the map gave them. Nodes and arcs are asked for by what
/// the network gave out: of others it panics, as a slice does.
///
/// # Examples
/// ```
/// use watchfire_operators::geo::Position;
/// use watchfire_operators::road::Network;
/// let mut map = Network::builder();
/// let [station, corner] = [30.50, 30.51].map(|lat| Position::from_degrees(lat, 104.07));
/// let (a, b) = (map.node("station", station?, true), map.node("corner", corner?, true));
/// let north = map.arc("north", "station", "corner", 60_000.0);
/// let network = map.build()?;
/// assert_eq!((network.from(north), network.to(north), network.free_ms(north)), (a, b, 60_000));
/// let (node, away_m) = network.nearest(network.position(b)).ok_or("no node")?;
/// assert_eq!((node, away_m), (b, 0.0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Network {
    positions: Vec<Position>,
    from: Vec<u32>,
    to: Vec<u32>,
    free_ms: Vec<u32>,
    pub(super) out: Fan,
    pub(super) into: Fan,
    node_names: BTreeMap<String, NodeId>,
    arc_names: BTreeMap<String, ArcId>,
    raised: usize,
    plane: Plane,
    entries: RTree<GeomWithData<[f64; 2], u32>>,
}

/// The arcs at each node, side by side: the arc and the node at its other end.
#[derive(Clone, Debug, Default)]
pub(super) struct Fan {
    starts: Vec<u32>,
    arcs: Vec<(u32, u32)>,
}

impl Fan {
    fn new(nodes: usize, at: &[u32], other: &[u32]) -> Self {
        let mut starts = vec![0; nodes + 1];
        at.iter().for_each(|node| starts[*node as usize + 1] += 1);
        (0..nodes).for_each(|node| starts[node + 1] += starts[node]);
        let (mut next, mut arcs) = (starts.clone(), vec![(0, 0); at.len()]);
        for (arc, (node, other)) in at.iter().zip(other).enumerate() {
            let place = &mut next[*node as usize];
            arcs[*place as usize] = (arc as u32, *other);
            *place += 1;
        }
        Fan { starts, arcs }
    }

    /// The arcs of a node, rising.
    #[inline]
    pub(super) fn of(&self, node: u32) -> &[(u32, u32)] {
        let at: Range<usize> = self.starts[node as usize] as usize..self.starts[node as usize + 1] as usize;
        &self.arcs[at]
    }
}

/// A plane that touches the earth in the middle of a network, for finding what is near.
#[derive(Clone, Copy, Debug)]
struct Plane {
    cos_lat: f64,
}

impl Plane {
    fn of(positions: &[Position]) -> Self {
        let middle = positions.iter().map(|place| place.lat_deg()).sum::<f64>() / positions.len().max(1) as f64;
        Plane { cos_lat: middle.to_radians().cos() }
    }

    fn point(self, place: Position) -> [f64; 2] {
        [place.lat_deg(), place.lon_deg() * self.cos_lat]
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Network").field("nodes", &self.nodes_len()).field("arcs", &self.arcs_len()).finish()
    }
}

impl Network {
    /// An empty one, to be filled.
    #[must_use]
    pub fn builder() -> NetworkBuilder {
        NetworkBuilder::default()
    }

    /// How many nodes there are.
    #[must_use]
    pub fn nodes_len(&self) -> usize {
        self.positions.len()
    }

    /// How many arcs there are.
    #[must_use]
    pub fn arcs_len(&self) -> usize {
        self.from.len()
    }

    /// Arcs that the map lets take no time, or less than a millisecond, and that take one here: nothing is crossed in no time.
    #[must_use]
    pub fn raised(&self) -> usize {
        self.raised
    }

    /// The node that the map calls so.
    #[must_use]
    pub fn node(&self, name: &str) -> Option<NodeId> {
        self.node_names.get(name).copied()
    }

    /// The arc that the map calls so.
    #[must_use]
    pub fn arc(&self, name: &str) -> Option<ArcId> {
        self.arc_names.get(name).copied()
    }

    /// Where a node is.
    #[must_use]
    pub fn position(&self, node: NodeId) -> Position {
        self.positions[node.0 as usize]
    }

    /// Where an arc begins.
    #[must_use]
    pub fn from(&self, arc: ArcId) -> NodeId {
        NodeId(self.from[arc.0 as usize])
    }

    /// Where an arc ends.
    #[must_use]
    pub fn to(&self, arc: ArcId) -> NodeId {
        NodeId(self.to[arc.0 as usize])
    }

    /// The time that an arc takes where nothing is in the way, milliseconds, at least 1.
    #[must_use]
    pub fn free_ms(&self, arc: ArcId) -> u32 {
        self.free_ms[arc.0 as usize]
    }

    /// A number of all nodes and arcs, with their places and times: another map has another. O(nodes + arcs).
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        let nodes = self.positions.iter().fold(0_u64, |all, at| (all, (at.lat_e7(), at.lon_e7())).stable_hash());
        let arcs = self.from.iter().zip(&self.to).zip(&self.free_ms);
        arcs.fold(nodes, |all, ((from, to), ms)| ((all, *from), (*to, *ms)).stable_hash())
    }

    pub(super) fn all_free_ms(&self) -> &[u32] {
        &self.free_ms
    }

    /// The node nearest to a place, of those from which a road can be left, and how far it is, metres. Nothing if there is no such node.
    /// Whether it is near enough is for the caller to say: a place off the map has a nearest node too. Of a network that
    /// does not lie across the 180th meridian. O(log nodes).
    #[must_use]
    pub fn nearest(&self, place: Position) -> Option<(NodeId, f64)> {
        let node = NodeId(self.entries.nearest_neighbor(&self.plane.point(place))?.data);
        Some((node, self.position(node).distance_m(place)))
    }
}

/// Fills a network; what is wrong with it is told when it is built, all at once.
#[derive(Debug, Default)]
pub struct NetworkBuilder {
    positions: Vec<Position>,
    leaves: Vec<bool>,
    from: Vec<u32>,
    to: Vec<u32>,
    free_ms: Vec<u32>,
    node_names: BTreeMap<String, NodeId>,
    arc_names: BTreeMap<String, ArcId>,
    raised: usize,
    wrong: Vec<String>,
}

impl NetworkBuilder {
    /// Adds a node. From a node that is not `enterable`, such as one of a motorway or a tunnel, no road can be left.
    pub fn node(&mut self, name: &str, place: Position, enterable: bool) -> NodeId {
        let id = NodeId(self.positions.len() as u32);
        if self.node_names.insert(name.to_owned(), id).is_some() {
            self.wrong(format!("node \"{name}\" is there twice"));
        }
        self.positions.push(place);
        self.leaves.push(enterable);
        id
    }

    /// Adds an arc that leads from one node to another in `time_ms` milliseconds, rounded to whole ones.
    pub fn arc(&mut self, name: &str, from: &str, to: &str, time_ms: f64) -> ArcId {
        let id = ArcId(self.from.len() as u32);
        if self.arc_names.insert(name.to_owned(), id).is_some() {
            self.wrong(format!("arc \"{name}\" is there twice"));
        }
        let [from_id, to_id] = [from, to].map(|node| self.node_names.get(node).copied());
        if from_id.is_none() || to_id.is_none() {
            self.wrong(format!("arc \"{name}\" leads from \"{from}\" to \"{to}\", which are not both nodes"));
        }
        if !(0.0..=f64::from(TIME_MAX_MS)).contains(&time_ms) {
            self.wrong(format!("arc \"{name}\" takes {time_ms} ms, which is not 0 to {TIME_MAX_MS}"));
        }
        self.raised += usize::from(time_ms.round() < 1.0);
        self.from.push(from_id.map_or(0, |node| node.0));
        self.to.push(to_id.map_or(0, |node| node.0));
        self.free_ms.push((time_ms.round() as u32).max(1));
        id
    }

    /// Adds something that is wrong, so that it is told with the rest.
    pub(super) fn wrong(&mut self, what: String) {
        self.wrong.push(what);
    }

    pub(super) fn nodes_len(&self) -> usize {
        self.positions.len()
    }

    pub(super) fn arcs_len(&self) -> usize {
        self.from.len()
    }

    /// The network.
    ///
    /// # Errors
    /// `E0181` with the first twenty things that are wrong.
    pub fn build(self) -> Result<Network, Error> {
        if !self.wrong.is_empty() {
            let more = self.wrong.len().saturating_sub(NAMED);
            let mut what = self.wrong[..self.wrong.len().min(NAMED)].join("; ");
            if more > 0 {
                what += &format!("; and {more} more");
            }
            return Err(Error::new("E0181", what).remedy("mend the map, or leave out what it has no sound data for"));
        }
        let nodes = self.positions.len();
        let plane = Plane::of(&self.positions);
        let entries = self.positions.iter().zip(&self.leaves).enumerate().filter(|(_, (_, leaves))| **leaves);
        let entries = entries.map(|(node, (place, _))| GeomWithData::new(plane.point(*place), node as u32)).collect();
        Ok(Network {
            out: Fan::new(nodes, &self.from, &self.to),
            into: Fan::new(nodes, &self.to, &self.from),
            entries: RTree::bulk_load(entries),
            positions: self.positions,
            from: self.from,
            to: self.to,
            free_ms: self.free_ms,
            node_names: self.node_names,
            arc_names: self.arc_names,
            raised: self.raised,
            plane,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(lat: f64, lon: f64) -> Position {
        Position::from_degrees(lat, lon).unwrap()
    }

    #[test]
    fn all_that_is_wrong_is_told_at_once() {
        let mut map = Network::builder();
        map.node("a", at(30.0, 104.0), true);
        map.node("a", at(30.1, 104.0), true);
        map.arc("x", "a", "b", 1.0);
        map.arc("x", "a", "a", -1.0);
        map.arc("y", "a", "a", f64::NAN);
        map.arc("z", "a", "a", 1e12);
        let error = map.build().unwrap_err().to_string();
        for part in ["E0181", "node \"a\"", "\"b\"", "\"x\" is there twice", "-1 ms", "NaN ms", "1000000000000 ms"] {
            assert!(error.contains(part), "{part}: {error}");
        }
        let mut map = Network::builder();
        (0..50).for_each(|n| {
            map.arc(&n.to_string(), "a", "b", 1.0);
        });
        assert!(map.build().unwrap_err().to_string().contains("; and 30 more"));
    }

    #[test]
    fn what_takes_no_time_takes_a_millisecond() {
        let mut map = Network::builder();
        map.node("a", at(30.0, 104.0), true);
        let arcs = [0.0, 0.4, 0.6, 1.5].map(|ms| map.arc(&ms.to_string(), "a", "a", ms));
        let network = map.build().unwrap();
        assert_eq!(arcs.map(|arc| network.free_ms(arc)), [1, 1, 1, 2]);
        assert_eq!(network.raised(), 2);
    }

    #[test]
    fn the_nearest_node_is_one_where_the_road_can_be_left() {
        let mut map = Network::builder();
        map.node("tunnel", at(30.0, 104.0), false);
        let (north, east) = (map.node("n", at(30.010, 104.0), true), map.node("e", at(30.0, 104.011), true));
        let network = map.build().unwrap();
        // A degree of longitude is shorter than one of latitude.
        assert_eq!(network.nearest(at(30.0, 104.0)).unwrap().0, east);
        assert_eq!(network.nearest(at(30.009, 104.0)).unwrap().0, north);
        assert!(Network::builder().build().unwrap().nearest(at(0.0, 0.0)).is_none());
    }
}
