//! `check`: everything that is wrong with a flow, at once, before a connector is opened.

use std::collections::BTreeMap;
use std::fmt;

use super::plan::{Kind, Plan};
use crate::sink::CommitMode;
use crate::source::{KeyPlacement, Replay};

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// The job runs; the finding says what it will not do.
    Warning,
    /// The job does not start.
    Error,
}

/// Something that is wrong with a flow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// A stable code, `E01xx`.
    pub code: &'static str,
    /// Whether the job starts all the same.
    pub weight: Weight,
    /// What is wrong.
    pub what: String,
    /// Where: the node, and file and line of the user's code.
    pub place: String,
    /// What to do about it.
    pub remedy: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ({}). Remedy: {}.", self.code, self.what, self.place, self.remedy)
    }
}

impl Plan {
    /// All findings, errors first.
    pub fn check(&self) -> Vec<Finding> {
        let mut all = self.findings.clone();
        self.check_names(&mut all);
        self.check_sources(&mut all);
        self.check_order(&mut all);
        self.check_sinks(&mut all);
        self.check_outputs(&mut all);
        all.sort_by_key(|finding| std::cmp::Reverse(finding.weight));
        all
    }

    fn finding(&self, code: &'static str, node: usize, what: String, remedy: &str) -> Finding {
        Finding { code, weight: Weight::Error, what, place: self.place(node), remedy: remedy.to_owned() }
    }

    fn check_names(&self, all: &mut Vec<Finding>) {
        let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
        for (id, node) in self.named() {
            if node.name.is_empty() {
                all.push(self.finding("E0102", id, "the name is empty".into(), "give it a name of its own"));
            } else if let Some(first) = seen.insert(&node.name, id) {
                let what = format!("the name \"{}\" is taken by {}", node.name, self.place(first));
                all.push(self.finding("E0101", id, what, "give each source, detector and sink a name of its own"));
            }
        }
    }

    fn check_sources(&self, all: &mut Vec<Finding>) {
        if !self.nodes.iter().any(|node| matches!(node.kind, Kind::Source { .. })) {
            all.push(Finding {
                code: "E0103",
                weight: Weight::Error,
                what: "the flow has no source".into(),
                place: self.made_at.map_or_else(String::new, |at| format!("the flow at {}:{}", at.file(), at.line())),
                remedy: "start with flow.channel(..) or flow.source(..)".into(),
            });
        }
    }

    /// Order-dependent detectors need each key in one split, or the splits merged.
    fn check_order(&self, all: &mut Vec<Finding>) {
        for (id, node) in self.named() {
            let Kind::Keyed { detectors, .. } = &node.kind else { continue };
            let Some(ordered) = detectors.iter().find(|detector| detector.ordered) else { continue };
            for source in self.sources_of(id) {
                if let Kind::Source { placement: KeyPlacement::AnySplit, merged: None, .. } = self.nodes[source].kind {
                    let what = format!(
                        "\"{}\" depends on the order of a key's rows, but {} spreads a key over splits",
                        ordered.kind,
                        self.place(source)
                    );
                    all.push(self.finding(
                        "E0105",
                        id,
                        what,
                        "merge its splits: flow.channel_merged(..) or flow.source_merged(..)",
                    ));
                }
            }
        }
    }

    /// Whether rows of two nodes may have the same place: they come from one source, or ticks caused some of both.
    pub(super) fn share_places(&self, a: usize, b: usize) -> bool {
        let (of_a, of_b) = (self.behind(a), self.behind(b));
        let ticked = |behind: &[usize]| behind.iter().any(|id| matches!(self.nodes[*id].kind, Kind::Keyed { .. }));
        of_b.iter().any(|id| of_a.contains(id)) || (ticked(&of_a) && ticked(&of_b))
    }

    /// The sources from which a node's rows come; a source is its own.
    fn sources_of(&self, node: usize) -> Vec<usize> {
        let behind = self.behind(node);
        behind.into_iter().filter(|id| matches!(self.nodes[*id].kind, Kind::Source { .. })).collect()
    }

    /// A node and all that its rows come through, each once.
    pub(super) fn behind(&self, node: usize) -> Vec<usize> {
        let mut behind = vec![node];
        let mut next = 0;
        while let Some(id) = behind.get(next).copied() {
            next += 1;
            for input in &self.nodes[id].inputs {
                if !behind.contains(input) {
                    behind.push(*input);
                }
            }
        }
        behind
    }

    /// Whether what comes to a node depends on where epochs end.
    pub(super) fn is_behind_table(&self, node: usize) -> bool {
        self.behind(node).into_iter().any(|id| matches!(self.nodes[id].kind, Kind::Table { .. }))
    }

    fn check_sinks(&self, all: &mut Vec<Finding>) {
        for (id, node) in self.named() {
            if let Kind::Sink { commit: Some(CommitMode::ByKey), encodes_ids: false } = node.kind {
                let what = "the sink replaces rows by id, but its encoder gives none".to_owned();
                all.push(self.finding("E0301", id, what, "use an encoder whose rows carry a deterministic id"));
            }
        }
    }

    /// What a job that comes back to a checkpoint cannot do, or does twice.
    pub(crate) fn check_checkpoints(&self, logs_epochs: bool, all: &mut Vec<Finding>) {
        for (id, node) in self.named() {
            let (code, weight, what, remedy) = match &node.kind {
                Kind::Source { replay: Replay::None, .. } if !logs_epochs => (
                    "E0111",
                    Weight::Error,
                    "the source cannot give rows again: those after the newest checkpoint would be lost",
                    "set Checkpointing { log_epochs }; or let it replay, as ChannelIn { replay } does for a host that can send again",
                ),
                Kind::Sink { commit: Some(CommitMode::ByKey), .. } if !logs_epochs && self.is_behind_table(id) => (
                    "E0113",
                    Weight::Error,
                    "what a table says depends on its epochs, but a job that comes back cuts them otherwise: a row that was shown may never be taken back",
                    "set Checkpointing { log_epochs }, or use a sink that commits in two phases",
                ),
                Kind::Sink { commit: Some(CommitMode::ByEpoch), .. } if !logs_epochs => (
                    "E0113",
                    Weight::Error,
                    "the sink knows rows by their epoch, but a job that comes back cuts its epochs otherwise",
                    "set Checkpointing { log_epochs }, or use a sink that commits in two phases or replaces rows by id",
                ),
                Kind::Sink { commit: None, .. } if logs_epochs => (
                    "E0114",
                    Weight::Warning,
                    "after a crash the rows since the newest checkpoint leave again",
                    "set ChannelOut { by_epoch } and pass over outputs whose epoch was received; or tell rows apart by ids",
                ),
                Kind::Sink { commit: None | Some(CommitMode::AtLeastOnce), .. } => (
                    "E0114",
                    Weight::Warning,
                    "after a crash the rows since the newest checkpoint leave again",
                    "tell rows apart by ids, or use a sink that commits in two phases",
                ),
                Kind::Sink { commit: Some(CommitMode::ByKey), .. } if !logs_epochs => (
                    "E0115",
                    Weight::Warning,
                    "what a tick of the clock caused since the newest checkpoint may leave under another id after a crash",
                    "set Checkpointing { log_epochs }, or use ticks from the rows",
                ),
                Kind::Sink { commit: Some(CommitMode::TwoPhase), .. } if !logs_epochs => (
                    "E0116",
                    Weight::Warning,
                    "if the newest checkpoint is damaged the job does not start: from an older one it would repeat what the sink has committed since",
                    "set Checkpointing { log_epochs }, or keep backups of the store",
                ),
                _ => continue,
            };
            all.push(Finding { weight, ..self.finding(code, id, what.to_owned(), remedy) });
        }
    }

    /// Every stream of rows must end somewhere, or be counted knowingly.
    fn check_outputs(&self, all: &mut Vec<Finding>) {
        for (id, node) in self.nodes.iter().enumerate() {
            let read = self.nodes.iter().any(|other| other.inputs.contains(&id));
            let (what, remedy) = match &node.kind {
                _ if read => continue,
                Kind::DeadLetters => (
                    "rows that cannot be decoded are counted, but go nowhere",
                    "send the dead letters to a sink or a channel",
                ),
                Kind::Sink { .. } | Kind::View => continue,
                Kind::Table { word: "unsettled", .. } => (
                    "nobody looks whether the loop comes to rest",
                    "send `unsettled` to a sink, a channel or a view, and alarm on its rows",
                ),
                _ => ("nothing reads this stream", "send it to a sink or a channel, or leave it out"),
            };
            let mut finding = self.finding("E0110", id, what.to_owned(), remedy);
            finding.weight = Weight::Warning;
            all.push(finding);
        }
    }
}
