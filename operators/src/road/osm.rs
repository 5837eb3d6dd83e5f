//! Networks from OpenStreetMap, in its PBF format.

use std::collections::{BTreeMap, HashMap, HashSet};

use osmpbf::{Element, ElementReader, Way};
use serde::{Deserialize, Serialize};
use watchfire_engine::Error;

use super::network::{Network, NetworkBuilder};
use crate::geo::Position;

/// How a map of OpenStreetMap becomes a network.
///
/// Nodes of the network are the ends and crossings of its roads, by their numbers in the map; arcs are the stretches between them, called
/// `WAY:N` after the way and the place of the stretch in it, and `WAY:N back` the other way round. How long an arc takes is its length
/// by the speed of its kind of road, or by the `maxspeed` that is signed, where that is less. A road that leads one way does so for
/// everybody; one with `access` or `motor_vehicle` `no` is left out, unless its `emergency` is `yes`. From motorways and out of tunnels no road
/// can be left.
///
/// Coordinates of OpenStreetMap are WGS-84. Map data is under the Open Database License: name its contributors where it is shown.
///
/// Memory while it loads: the file, and some 100 bytes a node of its roads.
///
/// # Examples
/// ```
/// use watchfire_operators::road::OsmNetwork;
/// let slow: OsmNetwork = toml::from_str("speeds_kmh = { primary = 40.0, residential = 20.0 }")?;
/// assert_eq!(slow.load(b"no map").unwrap_err().code(), "E0182");
/// # Ok::<(), toml::de::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OsmNetwork {
    /// The roads that are driven, by the value of `highway`, and how fast, kilometres an hour.
    #[serde(default = "OsmNetwork::default_speeds_kmh")]
    pub speeds_kmh: BTreeMap<String, f64>,
    /// Whether nobody drives faster than is signed. Crews with blue lights may; then the speeds alone hold.
    #[serde(default = "yes")]
    pub keeps_maxspeed: bool,
}

fn yes() -> bool {
    true
}

impl Default for OsmNetwork {
    fn default() -> Self {
        OsmNetwork { speeds_kmh: Self::default_speeds_kmh(), keeps_maxspeed: true }
    }
}

/// A mile, kilometres (the international yard and pound agreement of 1959).
const MILE_KM: f64 = 1.609_344;

/// A road of the map.
struct Road {
    id: i64,
    nodes: Vec<i64>,
    speed_kmh: f64,
    forward: bool,
    back: bool,
    /// Whether it can be left between its ends.
    leaves: bool,
}

impl OsmNetwork {
    /// Speeds of a truck in a city, kilometres an hour: of the order of what is measured there, and to be replaced by what is measured here.
    #[must_use]
    pub fn default_speeds_kmh() -> BTreeMap<String, f64> {
        let speeds = [
            ("motorway", 80.0),
            ("motorway_link", 45.0),
            ("trunk", 60.0),
            ("trunk_link", 40.0),
            ("primary", 50.0),
            ("primary_link", 35.0),
            ("secondary", 45.0),
            ("secondary_link", 30.0),
            ("tertiary", 40.0),
            ("tertiary_link", 30.0),
            ("unclassified", 30.0),
            ("residential", 30.0),
            ("living_street", 15.0),
            ("service", 15.0),
        ];
        speeds.into_iter().map(|(kind, kmh)| (kind.to_owned(), kmh)).collect()
    }

    /// The network of a file.
    ///
    /// # Errors
    /// `E0183` if a speed is none, `E0182` if the file is no map or has no roads, `E0181` with the first twenty things that are wrong with them.
    pub fn load(&self, file: &[u8]) -> Result<Network, Error> {
        let wrong = self.speeds_kmh.iter().find(|(_, kmh)| !(kmh.is_finite() && **kmh > 0.0));
        if let Some((kind, kmh)) = wrong {
            let what = format!("{kind} would be driven at {kmh} km/h");
            return Err(Error::new("E0183", what).remedy("give a speed above 0, or leave the kind out"));
        }
        let mut roads = Vec::new();
        read(file, |element| {
            if let Element::Way(way) = element {
                roads.extend(self.road(&way));
            }
        })?;
        if roads.is_empty() {
            let what = "the map has no road of a kind that is driven";
            return Err(
                Error::new("E0182", what).remedy("check that the extract holds ways, and the kinds in speeds_kmh")
            );
        }
        let mut wanted: HashSet<i64> = roads.iter().flat_map(|road| road.nodes.iter().copied()).collect();
        let mut places: HashMap<i64, (f64, f64)> = HashMap::with_capacity(wanted.len());
        read(file, |element| {
            let (id, lat_deg, lon_deg) = match element {
                Element::Node(node) => (node.id(), node.lat(), node.lon()),
                Element::DenseNode(node) => (node.id(), node.lat(), node.lon()),
                Element::Way(_) | Element::Relation(_) => return,
            };
            if wanted.remove(&id) {
                places.insert(id, (lat_deg, lon_deg));
            }
        })?;
        build(&roads, &places)
    }

    /// Of a way, if it is a road that is driven.
    fn road(&self, way: &Way<'_>) -> Option<Road> {
        let tags: HashMap<&str, &str> = way.tags().collect();
        let tag = |key: &str| tags.get(key).copied();
        let kind = tag("highway")?;
        let mut speed_kmh = *self.speeds_kmh.get(kind)?;
        let shut = [tag("access"), tag("motor_vehicle")].contains(&Some("no"));
        if shut && tag("emergency") != Some("yes") {
            return None;
        }
        if let Some(signed_kmh) = tag("maxspeed").and_then(signed_kmh).filter(|_| self.keeps_maxspeed) {
            speed_kmh = speed_kmh.min(signed_kmh);
        }
        let of_itself = kind.starts_with("motorway") || matches!(tag("junction"), Some("roundabout" | "circular"));
        let (forward, back) = match tag("oneway") {
            Some("yes" | "true" | "1") => (true, false),
            Some("-1" | "reverse") => (false, true),
            Some("no" | "false" | "0") => (true, true),
            // It leads now one way and now the other: which, the map does not say.
            Some("reversible" | "alternating") => return None,
            _ => (true, !of_itself),
        };
        let leaves = !kind.starts_with("motorway") && tag("tunnel").is_none_or(|tunnel| tunnel == "no");
        Some(Road { id: way.id(), nodes: way.refs().collect(), speed_kmh, forward, back, leaves })
    }
}

/// What a sign says, kilometres an hour, if it says a number: `50`, `30 mph`.
fn signed_kmh(text: &str) -> Option<f64> {
    let (number, unit_km) = match text.strip_suffix("mph") {
        Some(miles) => (miles, MILE_KM),
        None => (text.strip_suffix("km/h").unwrap_or(text), 1.0),
    };
    number.trim().parse::<f64>().ok().map(|speed| speed * unit_km).filter(|kmh| kmh.is_finite() && *kmh > 0.0)
}

fn read(file: &[u8], each: impl for<'a> FnMut(Element<'a>)) -> Result<(), Error> {
    let broken = |error: osmpbf::Error| {
        Error::new("E0182", "the file is no map of OpenStreetMap in PBF")
            .remedy("download the extract again, as .osm.pbf")
            .because(error)
    };
    ElementReader::new(file).for_each(each).map_err(broken)
}

/// Puts stretches between ends and crossings together.
fn build(roads: &[Road], places: &HashMap<i64, (f64, f64)>) -> Result<Network, Error> {
    let mut map = Network::builder();
    let mut roads_at: HashMap<i64, u32> = HashMap::new();
    for road in roads {
        // An end counts twice: it is a node of the network also where nothing crosses.
        let ends = [road.nodes.first(), road.nodes.last()];
        ends.into_iter().flatten().chain(&road.nodes).for_each(|node| *roads_at.entry(*node).or_default() += 1);
    }
    let is_node = |node: &i64| roads_at.get(node).is_some_and(|count| *count > 1);
    let mut leaves: BTreeMap<i64, bool> = BTreeMap::new();
    for road in roads {
        for node in road.nodes.iter().filter(|node| is_node(node)) {
            *leaves.entry(*node).or_default() |= road.leaves;
        }
    }
    for (node, leaves) in leaves {
        if let Some(place) = place(node, places, &mut map) {
            map.node(&node.to_string(), place, leaves);
        }
    }
    for road in roads {
        stretches(road, places, is_node, &mut map);
    }
    map.build()
}

fn place(node: i64, places: &HashMap<i64, (f64, f64)>, map: &mut NetworkBuilder) -> Option<Position> {
    let Some((lat_deg, lon_deg)) = places.get(&node) else {
        map.wrong(format!("node {node} is on a road, but not in the map"));
        return None;
    };
    let place = Position::from_degrees(*lat_deg, *lon_deg);
    place.inspect_err(|error| map.wrong(format!("node {node} is no place: {error}"))).ok()
}

fn stretches(road: &Road, places: &HashMap<i64, (f64, f64)>, is_node: impl Fn(&i64) -> bool, map: &mut NetworkBuilder) {
    let (mut from, mut length_m, mut nth) = (None, 0.0, 0);
    let mut before: Option<Position> = None;
    for node in &road.nodes {
        let Some(place) = place(*node, places, map) else { return };
        length_m += before.map_or(0.0, |before| before.distance_m(place));
        before = Some(place);
        if !is_node(node) {
            continue;
        }
        if let Some(from) = from {
            let (name, time_ms) = (format!("{}:{nth}", road.id), length_m / road.speed_kmh * 3_600.0);
            let [from, to]: [String; 2] = [from, *node].map(|node: i64| node.to_string());
            if road.forward {
                map.arc(&name, &from, &to, time_ms);
            }
            if road.back {
                map.arc(&format!("{name} back"), &to, &from, time_ms);
            }
            nth += 1;
        }
        (from, length_m) = (Some(*node), 0.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two streets that cross at node 5, of which one (way 10, nodes 1, 2, 5, 3) is signed 20 mph and has a bend at node 2, and one (way 11, nodes
    /// 4, 5, 6) leads one way; a motorway (way 12, nodes 6, 7); a footway (way 13); and a road that is shut (way 14, nodes 3, 7).
    const CROSSING: &[u8] = include_bytes!("../../tests/fixtures/crossing.osm.pbf");

    #[test]
    fn ways_become_arcs_between_crossings() {
        let network = OsmNetwork::default().load(CROSSING).unwrap();
        assert_eq!((network.nodes_len(), network.arcs_len()), (6, 7), "the bend is no node");
        let arc = |name: &str| network.arc(name).unwrap();
        let time_ms = |name: &str| network.free_ms(arc(name));
        // 200 m of latitude and 300 m of it, at 20 mph where a street of its kind would be driven at 30 km/h.
        assert!((time_ms("10:0") as f64 - 200.0 * 3_600.0 / 30.0).abs() < 200.0, "{}", time_ms("10:0"));
        assert_eq!(time_ms("10:0"), time_ms("10:0 back"));
        assert!(
            network.arc("11:0").is_some() && network.arc("11:0 back").is_none() && network.arc("12:0 back").is_none()
        );
        assert!(network.arc("13:0").is_none() && network.arc("14:0").is_none());
        assert_eq!(
            (network.from(arc("10:1")), network.to(arc("10:1"))),
            (network.node("5").unwrap(), network.node("3").unwrap())
        );
        // The end of the motorway is where nobody can be reached.
        let by_motorway = network.position(network.node("7").unwrap());
        assert_ne!(network.nearest(by_motorway).unwrap().0, network.node("7").unwrap());
    }

    #[test]
    fn what_is_no_map_is_refused() {
        for file in [&b""[..], b"no map", &CROSSING[..CROSSING.len() / 2], &CROSSING[7..]] {
            assert_eq!(OsmNetwork::default().load(file).unwrap_err().code(), "E0182");
        }
        let nothing =
            OsmNetwork { speeds_kmh: BTreeMap::from([("raceway".to_owned(), 200.0)]), ..OsmNetwork::default() };
        assert_eq!(nothing.load(CROSSING).unwrap_err().code(), "E0182");
        let still =
            OsmNetwork { speeds_kmh: BTreeMap::from([("residential".to_owned(), 0.0)]), ..OsmNetwork::default() };
        assert_eq!(still.load(CROSSING).unwrap_err().code(), "E0183", "nobody arrives");
    }

    #[test]
    fn signs_are_read_in_their_units() {
        assert_eq!(signed_kmh("50"), Some(50.0));
        assert_eq!(signed_kmh("30 mph").map(f64::round), Some(48.0));
        assert_eq!([signed_kmh("none"), signed_kmh("0"), signed_kmh("-3"), signed_kmh("walk")], [None; 4]);
    }
}
