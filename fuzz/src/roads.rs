//! Road networks in CSV.

use std::sync::Arc;

use watchfire_engine::Error;
use watchfire_operators::geo::Datum;
use watchfire_operators::road::{ArcId, CsvNetwork, Network, NodeId, OsmNetwork, RoadChange, RoadState, Roads, Trees};

/// More nodes or arcs than this only take time.
const MANY: usize = 300;

/// Bytes as a map of OpenStreetMap and as two texts, nodes and arcs, with a zero byte between them: refused with what is wrong, or a network on
/// which trees follow closures and reopenings to the times that a computation from scratch gives.
pub fn roads(bytes: &[u8]) {
    let at = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    let (nodes, arcs) = (&bytes[..at], bytes.get(at + 1..).unwrap_or_default());
    follows(CsvNetwork::new(Datum::Gcj02).load(nodes, arcs));
    follows(OsmNetwork::default().load(bytes));
}

fn follows(network: Result<Network, Error>) {
    let network = match network {
        Ok(network) => Arc::new(network),
        Err(error) => {
            assert!(["E0181", "E0182"].contains(&error.code()) && error.to_string().contains("Remedy: "), "{error}");
            return;
        }
    };
    assert!(network.nodes_len() > 0 && network.arcs_len() > 0);
    if network.nodes_len().max(network.arcs_len()) > MANY {
        return;
    }
    let stations = [0, network.nodes_len() as u32 - 1].map(NodeId);
    let mut roads = Roads::new(network.clone());
    let mut trees = Trees::new(&roads, stations);
    for becomes in [RoadState::Closed, RoadState::Takes(7), RoadState::Open] {
        for arc in (0..network.arcs_len() as u32).step_by(1 + network.arcs_len() / 20).map(ArcId) {
            assert!(roads.apply([RoadChange { arc, becomes }]).is_empty());
            trees.follow(&roads);
            let anew = Trees::new(&roads, stations);
            for node in (0..network.nodes_len() as u32).map(NodeId) {
                let times = [&trees, &anew].map(|trees| [trees.time_ms(0, node), trees.time_ms(1, node)]);
                assert_eq!(times[0], times[1], "{arc:?} {becomes:?} {node:?}");
            }
        }
    }
}
