//! Road times while roads change: always what a computation from scratch gives.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::HashMap;
use std::sync::Arc;

use petgraph::algo::dijkstra;
use petgraph::graph::{DiGraph, NodeIndex};
use proptest::prelude::*;
use watchfire_operators::geo::Position;
use watchfire_operators::road::{
    ArcId, Network, NodeId, Reached, Repair, RoadChange, RoadState, Roads, Search, TIME_MAX_MS, Trees,
};

/// Arcs between a few nodes, with their times.
fn network(nodes: u32, arcs: &[(u32, u32, u32)]) -> Arc<Network> {
    let mut map = Network::builder();
    for node in 0..nodes {
        let place = Position::from_degrees(30.0 + f64::from(node) / 100.0, 104.0).unwrap();
        map.node(&node.to_string(), place, true);
    }
    for (nth, (from, to, ms)) in arcs.iter().enumerate() {
        map.arc(&nth.to_string(), &(from % nodes).to_string(), &(to % nodes).to_string(), f64::from(*ms));
    }
    Arc::new(map.build().unwrap())
}

/// The graph of the arcs that are open, either way round.
fn open(roads: &Roads, turned: bool) -> DiGraph<(), u32> {
    let network = roads.network();
    let mut graph = DiGraph::new();
    (0..network.nodes_len()).for_each(|_| {
        graph.add_node(());
    });
    for arc in (0..network.arcs_len() as u32).map(ArcId) {
        if let Some(ms) = roads.time_ms(arc) {
            let (from, to) = (NodeIndex::new(network.from(arc).0 as usize), NodeIndex::new(network.to(arc).0 as usize));
            if turned {
                graph.add_edge(to, from, ms)
            } else {
                graph.add_edge(from, to, ms)
            };
        }
    }
    graph
}

fn times(roads: &Roads, from: NodeId, turned: bool) -> HashMap<NodeIndex, u32> {
    let times = dijkstra(&open(roads, turned), NodeIndex::new(from.0 as usize), None, |arc| *arc.weight());
    times.into_iter().collect()
}

/// Everything that trees and searches say, against plain Dijkstra.
fn agrees(
    roads: &Roads,
    [trees, toward]: [&Trees; 2],
    stations: &[NodeId],
    search: &mut Search,
) -> Result<(), TestCaseError> {
    trees_agree(roads, trees, stations, false)?;
    trees_agree(roads, toward, stations, true)?;
    searches_agree(roads, stations, search)
}

fn trees_agree(roads: &Roads, trees: &Trees, stations: &[NodeId], toward: bool) -> Result<(), TestCaseError> {
    let nodes = roads.network().nodes_len() as u32;
    for (tree, station) in stations.iter().enumerate() {
        let plain = times(roads, *station, toward);
        for node in (0..nodes).map(NodeId) {
            let expected = plain.get(&NodeIndex::new(node.0 as usize)).copied();
            prop_assert_eq!(trees.time_ms(tree, node), expected);
            let route = trees.route(roads, tree, node);
            prop_assert_eq!(route.is_some(), expected.is_some());
            let Some(route) = route else { continue };
            let takes: u32 = route.iter().map(|arc| roads.time_ms(*arc).unwrap()).sum();
            prop_assert_eq!(Some(takes), expected);
            // From node to node without a gap.
            let (begins, ends) = if toward { (node, *station) } else { (*station, node) };
            let mut at = begins;
            for arc in route {
                prop_assert_eq!(roads.network().from(arc), at);
                at = roads.network().to(arc);
            }
            prop_assert_eq!(at, ends);
        }
    }
    Ok(())
}

fn searches_agree(roads: &Roads, stations: &[NodeId], search: &mut Search) -> Result<(), TestCaseError> {
    let fire = NodeId(roads.network().nodes_len() as u32 / 2);
    let plain = times(roads, fire, true);
    let mut all: Vec<Reached> = stations
        .iter()
        .filter_map(|node| Some(Reached { time_ms: *plain.get(&NodeIndex::new(node.0 as usize))?, node: *node }))
        .collect();
    all.sort();
    all.dedup();
    for count in 0..4 {
        let found = search.nearest(roads, fire, count, |node| stations.contains(&node));
        prop_assert_eq!(&found[..], &all[..count.min(all.len())]);
    }
    Ok(())
}

/// What changes on the roads, several at a time.
fn changes() -> impl Strategy<Value = Vec<Vec<(u32, RoadState)>>> {
    let becomes = prop_oneof![
        Just(RoadState::Closed),
        Just(RoadState::Open),
        (0_i64..40).prop_map(RoadState::Takes),
        Just(RoadState::Takes(-1)),
    ];
    prop::collection::vec(prop::collection::vec((0_u32..70, becomes), 0..12), 1..12)
}

proptest! {
    #[test]
    fn after_every_change_times_are_what_they_are_from_scratch(
        nodes in 2_u32..25,
        arcs in prop::collection::vec((0_u32..25, 0_u32..25, 1_u32..20), 1..60),
        batches in changes(),
    ) {
        let network = network(nodes, &arcs);
        let stations: Vec<NodeId> = (0..nodes).step_by(5).map(NodeId).collect();
        let mut roads = Roads::new(network.clone());
        let (mut trees, mut search) = (Trees::new(&roads, stations.clone()), Search::default());
        let mut toward = Trees::toward(&roads, stations.clone());
        agrees(&roads, [&trees, &toward], &stations, &mut search)?;
        let [mut mended, mut mended_toward] = [&trees, &toward].map(|trees| trees.clone().always_mends());
        for batch in batches {
            let change = |(arc, becomes): &(u32, RoadState)| RoadChange { arc: ArcId(*arc), becomes: *becomes };
            let wrong = |(arc, becomes): &&(u32, RoadState)| {
                *arc as usize >= network.arcs_len() || *becomes == RoadState::Takes(-1)
            };
            let refused = roads.apply(batch.iter().map(change));
            prop_assert!(refused.iter().map(|(of, _)| *of).eq(batch.iter().filter(wrong).map(change)));
            trees.follow(&roads);
            toward.follow(&roads);
            agrees(&roads, [&trees, &toward], &stations, &mut search)?;
            mended.follow(&roads);
            mended_toward.follow(&roads);
            agrees(&roads, [&mended, &mended_toward], &stations, &mut search)?;
        }
    }
}

proptest! {
    /// Days on end, so that times come to the end of their range.
    #[test]
    fn what_is_mended_is_what_is_worked_out_anew(
        arcs in prop::collection::vec((0_u32..70, 0_u32..70, 1_u32..=TIME_MAX_MS), 1..200),
        batches in changes(),
    ) {
        let line: Vec<(u32, u32, u32)> = (0..69).map(|node| (node, node + 1, TIME_MAX_MS)).chain(arcs).collect();
        let mut roads = Roads::new(network(70, &line));
        let stations: Vec<NodeId> = (0..70).step_by(9).map(NodeId).collect();
        let mut trees = Trees::new(&roads, stations.clone()).always_mends();
        for batch in batches {
            let slow = |becomes| match becomes {
                RoadState::Takes(ms) => RoadState::Takes(ms * i64::from(TIME_MAX_MS / 40)),
                other => other,
            };
            roads.apply(batch.into_iter().map(|(arc, becomes)| RoadChange { arc: ArcId(arc), becomes: slow(becomes) }));
            trees.follow(&roads);
            let anew = Trees::new(&roads, stations.clone());
            for (tree, node) in (0..stations.len()).flat_map(|tree| (0..70).map(move |node| (tree, NodeId(node)))) {
                prop_assert_eq!(trees.time_ms(tree, node), anew.time_ms(tree, node));
                prop_assert_eq!(trees.route(&roads, tree, node), anew.route(&roads, tree, node));
            }
        }
    }
}

#[test]
fn what_cannot_be_reached_has_no_time_until_a_road_opens() {
    let network = network(4, &[(0, 1, 10), (1, 0, 10), (2, 3, 10)]);
    let mut roads = Roads::new(network);
    let mut trees = Trees::new(&roads, [NodeId(0)]);
    assert_eq!((trees.time_ms(0, NodeId(3)), trees.route(&roads, 0, NodeId(3))), (None, None), "an island");
    assert_eq!(trees.time_ms(0, NodeId(99)), None);
    roads.apply([RoadChange { arc: ArcId(0), becomes: RoadState::Closed }]);
    assert_eq!(trees.follow(&roads).lost, 1);
    assert_eq!(trees.time_ms(0, NodeId(1)), None);
    assert!(Search::default().nearest(&roads, NodeId(1), 3, |node| node != NodeId(1)).is_empty());
    roads.apply([RoadChange { arc: ArcId(0), becomes: RoadState::Open }]);
    trees.follow(&roads);
    assert_eq!(trees.time_ms(0, NodeId(1)), Some(10));
}

#[test]
fn a_tree_of_which_many_arcs_are_slower_is_worked_out_anew() {
    let arcs: Vec<(u32, u32, u32)> = (0..99).map(|node| (node, node + 1, 10)).collect();
    let mut roads = Roads::new(network(100, &arcs));
    let mut trees = Trees::new(&roads, [NodeId(0)]);
    let takes = |arc, ms| RoadChange { arc: ArcId(arc), becomes: RoadState::Takes(ms) };
    roads.apply([takes(0, 20)]);
    assert_eq!(trees.follow(&roads), Repair { lost: 99, anew: 0 });
    roads.apply((0..10).map(|arc| takes(arc, 30)));
    assert_eq!(trees.follow(&roads), Repair { lost: 0, anew: 1 });
    assert_eq!(trees.time_ms(0, NodeId(99)), Some(1_190));
    roads.apply((0..10).map(|arc| takes(arc, 10)));
    assert_eq!(trees.follow(&roads), Repair::default());
    assert_eq!(trees.time_ms(0, NodeId(99)), Some(990));
}
