//! Real cities: roads and stations, from the files of JEMSS.

use std::io::{Error, Read};
use std::path::Path;
use std::sync::Arc;

use flate2::read::GzDecoder;
use watchfire_operators::geo::Datum;
use watchfire_operators::road::{CsvNetwork, Network, NodeId};

/// A city.
#[derive(Debug)]
pub struct City {
    /// Its roads.
    pub network: Arc<Network>,
    /// The nodes nearest to its stations.
    pub stations: Vec<NodeId>,
}

impl City {
    /// Reads `NAME.tar.gz`, with `nodes.csv` and `arcs.csv` in it, and `NAME_stations.csv` in a folder.
    pub fn load(folder: &Path, name: &str) -> Result<City, Error> {
        let mut archive =
            tar::Archive::new(GzDecoder::new(std::fs::File::open(folder.join(format!("{name}.tar.gz")))?));
        let (mut nodes, mut arcs) = (Vec::new(), Vec::new());
        for entry in archive.entries()? {
            let mut entry = entry?;
            match entry.path()?.file_name().and_then(|file| file.to_str()) {
                Some("nodes.csv") => entry.read_to_end(&mut nodes)?,
                Some("arcs.csv") => entry.read_to_end(&mut arcs)?,
                _ => 0,
            };
        }
        let network = CsvNetwork::new(Datum::Wgs84).load(&nodes, &arcs).map_err(Error::other)?;
        let stations = std::fs::read_to_string(folder.join(format!("{name}_stations.csv")))?;
        let mut lines = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(stations.as_bytes());
        let place = |line: csv::StringRecord| {
            let number = |at: usize| line.get(at)?.trim().parse::<f64>().ok();
            Some((number(2)?, number(1)?))
        };
        let places = lines.records().filter_map(Result::ok).filter_map(place);
        let near = |(lat, lon)| Some(network.nearest(Datum::Wgs84.position(lat, lon).ok()?)?.0);
        let stations = places.filter_map(near).collect();
        Ok(City { network: Arc::new(network), stations })
    }
}

/// Draws numbers, the same in every run.
#[derive(Clone, Debug)]
pub struct Draw(pub u64);

impl Draw {
    /// A number below another.
    pub fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) % n.max(1) as u64) as usize
    }
}
