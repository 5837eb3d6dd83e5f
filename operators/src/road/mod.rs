//! Roads: how long is the way, as it is now?
//!
//! A [`Network`] is what a map says: nodes, and arcs that lead one way and take a time. [`Roads`] are a network as it is driven now: arcs
//! close, reopen, slow down. [`Trees`] keep the times from every station to every node exact while they do, by mending what a change
//! touched; a [`Search`] looks from an incident for those who are nearest to it, wherever they are.

mod live;
mod load;
mod network;
#[cfg(feature = "osm")]
mod osm;
mod search;
mod trees;

pub use live::{RoadChange, RoadState, Roads};
pub use load::CsvNetwork;
pub use network::{ArcId, Network, NetworkBuilder, NodeId, TIME_MAX_MS};
#[cfg(feature = "osm")]
pub use osm::OsmNetwork;
pub use search::{Reached, Search};
pub use trees::{Repair, Trees};
