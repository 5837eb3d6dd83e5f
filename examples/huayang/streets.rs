//! The streets that engines drive on, and who dispatches them: the world's own grid, or a real city.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use watchfire::connect::datagen::Draw;
use watchfire::dispatch::{CauseDemand, Demand, Desk, DispatchConfig, Recipient, Skills, Slot, Stage, Station};
use watchfire::elevator::TRAPPED;
use watchfire::geo::{Datum, Position, SiteGrid};
use watchfire::road::{CsvNetwork, Network, NetworkBuilder, NodeId};

use crate::world::{Place, World};

type Failed = Box<dyn std::error::Error>;

/// What a graver fire asks for from depots.
pub const FOAM: &str = "foam can";

/// About so many corners of a real city are to be covered.
const POINTS: usize = 500;

/// The two districts: in the west the plan decides, in the east people do.
pub const WEST: u32 = 1;
pub const EAST: u32 = 2;

pub struct Streets {
    pub network: Arc<Network>,
    pub stations: BTreeMap<u32, Station>,
    /// Crews of each station.
    pub crews: BTreeMap<u32, u32>,
    pub depots: BTreeMap<u32, Station>,
    /// Places that a fire engine is to reach in time, and how much may happen there.
    pub points: Vec<(Position, u32)>,
    /// Where it may burn, if that is known; else at any corner.
    addresses: Vec<Position>,
    /// The names of all streets, one for each way.
    roads: Vec<String>,
}

impl Streets {
    /// The world's own.
    pub fn of(world: &World) -> Result<Streets, Failed> {
        let grid = Datum::Site(SiteGrid::new(world.origin()?, 0.0, 50_000.0)?);
        let at = |place: Place| grid.position(place.y_m, place.x_m);
        let mut map = Network::builder();
        let (roads, mut names) = (world.roads, Vec::new());
        for (x, y) in corners(roads.columns, roads.rows) {
            let place = Place { x_m: f64::from(x) * roads.block_m, y_m: f64::from(y) * roads.block_m };
            map.node(&format!("{x},{y}"), at(place)?, true);
        }
        for (x, y) in corners(roads.columns, roads.rows) {
            let ahead = [(x + 1, y, y), (x, y + 1, x)];
            for (to_x, to_y, street) in ahead.into_iter().filter(|(x, y, _)| *x <= roads.columns && *y <= roads.rows) {
                let is_arterial = street % roads.arterial_every == 0;
                let speed_mps = if is_arterial { roads.arterial_speed_mps } else { roads.speed_mps };
                names.extend(both_ways(&mut map, (x, y), (to_x, to_y), roads.block_m / speed_mps * 1e3));
            }
        }
        let middle_m = f64::from(roads.columns) * roads.block_m / 2.0;
        let district = |x_m: f64| if x_m < middle_m { WEST } else { EAST };
        let mut stations = BTreeMap::new();
        for of in &world.stations {
            let place = at(Place { x_m: of.x_m, y_m: of.y_m })?;
            stations.insert(of.number, Station { place, district: district(of.x_m) });
        }
        // A shift is three people at least (公消[2015]301).
        let crews = world.stations.iter().map(|of| (of.number, of.crew / 3)).collect();
        let addresses: Vec<Position> = world.businesses().map(at).collect::<Result<_, _>>()?;
        let depots = world.depots.iter().filter_map(|number| Some((*number, *stations.get(number)?))).collect();
        let network = Arc::new(map.build()?);
        let mut near: BTreeMap<NodeId, u32> = BTreeMap::new();
        addresses.iter().filter_map(|place| network.nearest(*place)).for_each(|(node, _)| {
            *near.entry(node).or_default() += 1;
        });
        let points = near.into_iter().map(|(node, many)| (network.position(node), many)).collect();
        Ok(Streets { network, stations, crews, depots, points, addresses, roads: names })
    }

    /// Those of a real city: `nodes.csv` and `arcs.csv` as `road::CsvNetwork` reads them, in WGS-84, and `stations.csv`, a line a station with
    /// its number, longitude and latitude.
    pub fn load(dir: &Path) -> Result<Streets, Failed> {
        let read = |name: &str| {
            let file = dir.join(name);
            std::fs::read(&file).map_err(|e| format!("--roads {}: {e}", file.display()))
        };
        let network = Arc::new(CsvNetwork::new(Datum::Wgs84).load(&read("nodes.csv")?, &read("arcs.csv")?)?);
        let file = read("stations.csv")?;
        let places = places(&file).map_err(|e| format!("--roads {}: {e}", dir.join("stations.csv").display()))?;
        let middle_deg = places.iter().map(|(_, place)| place.lon_deg()).sum::<f64>() / places.len().max(1) as f64;
        let district = |place: Position| if place.lon_deg() < middle_deg { WEST } else { EAST };
        let station = |(number, place)| (number, Station { place, district: district(place) });
        let stations: BTreeMap<u32, Station> = places.into_iter().map(station).collect();
        let (crews, depots) =
            (stations.keys().map(|of| (*of, 2)).collect(), stations.iter().take(2).map(|(n, of)| (*n, *of)).collect());
        let roads =
            (1..=network.arcs_len()).map(|n| n.to_string()).filter(|name| network.arc(name).is_some()).collect();
        let nodes = network.nodes_len() as u32;
        let some = (0..nodes).step_by((nodes as usize / POINTS).max(1));
        let points = some.map(|node| (network.position(NodeId(node)), 1)).collect();
        Ok(Streets { network, stations, crews, depots, points, addresses: Vec::new(), roads })
    }

    /// Where it burns.
    pub fn address(&self, draw: &mut Draw) -> Position {
        let at = draw.between(0, self.addresses.len() as i64) as usize;
        self.addresses.get(at).copied().unwrap_or_else(|| self.corner(draw))
    }

    /// Some street, by its name, and how long it takes when it is empty, milliseconds.
    pub fn road(&self, draw: &mut Draw) -> (String, u32) {
        let at = draw.between(0, self.roads.len() as i64) as usize;
        let name = self.roads.get(at).cloned().unwrap_or_default();
        let free_ms = self.network.arc(&name).map_or(0, |arc| self.network.free_ms(arc));
        (name, free_ms)
    }

    /// Some corner.
    pub fn corner(&self, draw: &mut Draw) -> Position {
        self.network.position(NodeId(draw.between(0, self.network.nodes_len() as i64) as u32))
    }

    /// Those who send mechanics to lifts: one who has the licence for it, two where that takes too long, and then the brigade is told.
    pub fn desk_of_lifts(&self) -> Result<Desk, Failed> {
        let mut config = DispatchConfig { stations: self.stations.clone(), ..DispatchConfig::default() };
        let slot = Slot { asks: Skills(0), weight_pct: 100 };
        let level = |count: usize, tell: &[Recipient]| Demand {
            slots: vec![slot; count],
            tell: tell.to_vec(),
            water_lps: 0,
            supplies: BTreeMap::new(),
        };
        let levels = vec![level(1, &[]), level(2, &[]), level(2, &[Recipient::Brigade])];
        // Answered within 3 minutes, and somebody there within 30 (TSG T5002).
        let within_ms = BTreeMap::from([(Stage::Acts, 3 * 60_000), (Stage::Joins, 30 * 60_000)]);
        config.demand.causes.insert(TRAPPED.to_owned(), CauseDemand { levels, within_ms });
        Ok(Desk::new(config, self.network.clone())?)
    }

    /// In which district a place is: that of the station that is nearest.
    pub fn district_of(&self, place: Position) -> u32 {
        let nearest = self.stations.values().min_by_key(|of| (of.place.distance_m(place) * 1e3) as u64);
        nearest.map_or(EAST, |of| of.district)
    }

    /// Those who dispatch over these streets.
    pub fn desk(&self) -> Result<Desk, Failed> {
        let mut config = DispatchConfig {
            stations: self.stations.clone(),
            depots: self.depots.clone(),
            ..DispatchConfig::default()
        };
        config.cover.points.clone_from(&self.points);
        if let Some(fire) = config.demand.causes.get_mut("fire") {
            fire.levels.iter_mut().skip(1).for_each(|level| {
                level.supplies.insert(FOAM.to_owned(), 4);
            });
        }
        Ok(Desk::new(config, self.network.clone())?)
    }
}

/// The places of stations: lines of a number, a longitude and a latitude, below headings or none.
fn places(file: &[u8]) -> Result<Vec<(u32, Position)>, Failed> {
    let lines = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(file).into_records();
    let mut places: Vec<(u32, Position)> = Vec::new();
    for (line, nth) in lines.zip(1..) {
        let line = line.map_err(|e| format!("line {nth}: {e}"))?;
        let [number, lon, lat] = [0, 1, 2].map(|at| line.get(at).unwrap_or_default().trim());
        let (number, lon, lat) = match (number.parse::<u32>(), lon.parse::<f64>(), lat.parse::<f64>()) {
            (Ok(number), Ok(lon), Ok(lat)) => (number, lon, lat),
            // A heading begins with no number.
            _ if places.is_empty() && number.parse::<f64>().is_err() => continue,
            _ => return Err(format!("line {nth}: no number, longitude and latitude").into()),
        };
        if places.iter().any(|(of, _)| *of == number) {
            return Err(format!("line {nth}: there is a station {number} already").into());
        }
        places.push((number, Datum::Wgs84.position(lat, lon).map_err(|e| format!("line {nth}: {e}"))?));
    }
    if places.is_empty() { Err("no station".into()) } else { Ok(places) }
}

fn corners(columns: u32, rows: u32) -> impl Iterator<Item = (u32, u32)> {
    (0..=columns).flat_map(move |x| (0..=rows).map(move |y| (x, y)))
}

fn both_ways(map: &mut NetworkBuilder, a: (u32, u32), b: (u32, u32), time_ms: f64) -> [String; 2] {
    let name = |(x, y): (u32, u32)| format!("{x},{y}");
    let (a, b) = (name(a), name(b));
    let names = [format!("{a}-{b}"), format!("{b}-{a}")];
    map.arc(&names[0], &a, &b, time_ms);
    map.arc(&names[1], &b, &a, time_ms);
    names
}
