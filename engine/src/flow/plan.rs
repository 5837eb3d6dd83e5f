//! The plan: what a flow consists of, found by running its build function without a worker.

use std::panic::Location;

use serde::Serialize;
use xxhash_rust::xxh3::xxh3_64;

use super::check::Finding;
use crate::keyed::{Describe, Reads};
use crate::sink::CommitMode;
use crate::source::{KeyPlacement, Replay};

/// One node of the plan.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) inputs: Vec<usize>,
    pub(crate) at: &'static Location<'static>,
}

#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Source {
        replay: Replay,
        placement: KeyPlacement,
        bounded: bool,
        merged: Option<String>,
    },
    DeadLetters,
    Stateless(&'static str),
    Keyed {
        detectors: Vec<Describe>,
        bounds: String,
        states: Vec<Reads>,
    },
    /// What depends on tables, and so on where epochs end.
    Table {
        word: &'static str,
        params: String,
    },
    /// A table that the host looks into.
    View,
    Sink {
        commit: Option<CommitMode>,
        encodes_ids: bool,
    },
}

impl Kind {
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Kind::Source { .. } => "source",
            Kind::DeadLetters => "dead_letters",
            Kind::Stateless(word) | Kind::Table { word, .. } => word,
            Kind::View => "view",
            Kind::Keyed { .. } => "keyed",
            Kind::Sink { .. } => "sink",
        }
    }

    /// Whether the user gives the name, which must then be unique.
    fn named(&self) -> bool {
        matches!(self, Kind::Source { .. } | Kind::Keyed { .. } | Kind::Sink { .. } | Kind::View)
    }

    fn details(&self) -> String {
        match self {
            Kind::Source { replay, placement, bounded, merged } => {
                let ends = if *bounded { "bounded" } else { "endless" };
                let merged = merged.as_deref().map_or(String::new(), |m| format!(", splits merged ({m})"));
                format!("{ends}, replay {replay:?}, keys in {placement:?}{merged}")
            }
            Kind::Keyed { detectors, bounds, .. } => {
                let all: Vec<String> = detectors.iter().map(|d| format!("{}({})", d.kind, d.params)).collect();
                format!("{}; {bounds}", all.join(" + "))
            }
            Kind::Sink { commit: Some(mode), .. } => format!("commits {mode:?}"),
            Kind::Sink { commit: None, .. } => "host channel".into(),
            Kind::Table { params, .. } => params.clone(),
            Kind::DeadLetters | Kind::Stateless(_) | Kind::View => String::new(),
        }
    }
}

/// The plan of a flow: nodes in the order in which they were built, so that inputs come before what reads them.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    pub(crate) nodes: Vec<Node>,
    /// What was found wrong while the flow was built.
    pub(crate) findings: Vec<Finding>,
    /// Where the job was made.
    pub(crate) made_at: Option<&'static Location<'static>>,
}

#[derive(Serialize)]
struct NodeJson<'a> {
    id: usize,
    name: &'a str,
    kind: &'static str,
    details: String,
    inputs: &'a [usize],
    at: String,
}

impl Plan {
    pub(crate) fn add(&mut self, name: &str, kind: Kind, inputs: Vec<usize>, at: &'static Location<'static>) -> usize {
        self.nodes.push(Node { name: name.to_owned(), kind, inputs, at });
        self.nodes.len() - 1
    }

    /// Whether every source ends by itself.
    pub(crate) fn bounded(&self) -> bool {
        self.nodes.iter().all(|node| !matches!(node.kind, Kind::Source { bounded: false, .. }))
    }

    /// Whether anything is known only when an epoch has ended.
    pub(crate) fn has_tables(&self) -> bool {
        self.nodes.iter().any(|node| matches!(node.kind, Kind::Table { .. }))
    }

    /// The place of a node in the user's code, and its name.
    pub(crate) fn place(&self, node: usize) -> String {
        self.nodes.get(node).map_or_else(String::new, |n| {
            format!("{} \"{}\" at {}:{}", n.kind.word(), n.name, n.at.file(), n.at.line())
        })
    }

    pub(crate) fn named(&self) -> impl Iterator<Item = (usize, &Node)> {
        self.nodes.iter().enumerate().filter(|(_, node)| node.kind.named())
    }

    /// A hash of what the flow computes: names, kinds, parameters and edges. Neither code places nor type names enter
    /// it, so it changes only when results or stored state may.
    pub fn fingerprint(&self) -> u64 {
        let mut text = String::new();
        for node in &self.nodes {
            let name = if node.kind.named() { node.name.as_str() } else { "" };
            text += &format!("{name}|{}|{}|{:?}\n", node.kind.word(), node.kind.details(), node.inputs);
        }
        xxh3_64(text.as_bytes())
    }

    /// The plan as text, one node a line, in data order.
    pub fn text(&self) -> String {
        let mut out = String::new();
        for (id, node) in self.nodes.iter().enumerate() {
            let from = match node.inputs.as_slice() {
                [] => String::new(),
                inputs => format!(" <- {}", inputs.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")),
            };
            let details = node.kind.details();
            let details = if details.is_empty() { details } else { format!(": {details}") };
            out += &format!("{id} {} \"{}\"{from}{details}\n", node.kind.word(), node.name);
        }
        out
    }

    /// The plan as a JSON array of nodes.
    pub fn json(&self) -> String {
        let nodes: Vec<NodeJson<'_>> = self
            .nodes
            .iter()
            .enumerate()
            .map(|(id, node)| NodeJson {
                id,
                name: &node.name,
                kind: node.kind.word(),
                details: node.kind.details(),
                inputs: &node.inputs,
                at: format!("{}:{}", node.at.file(), node.at.line()),
            })
            .collect();
        serde_json::to_string_pretty(&nodes).unwrap_or_default()
    }

    /// The plan as a Graphviz digraph.
    pub fn dot(&self) -> String {
        let mut out = String::from("digraph flow {\n  rankdir=LR;\n  node [shape=box];\n");
        for (id, node) in self.nodes.iter().enumerate() {
            let name = node.name.replace('\\', "\\\\").replace('"', "\\\"");
            out += &format!("  n{id} [label=\"{}\\n{}\"];\n", node.kind.word(), name);
            for input in &node.inputs {
                out += &format!("  n{input} -> n{id};\n");
            }
        }
        out + "}\n"
    }
}
