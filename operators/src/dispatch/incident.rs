//! What has happened, and where.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Skills, Supply};
use crate::alarm::Severity;
use crate::geo::Position;
use crate::road::NodeId;

/// The gravest level.
pub(super) const LEVEL_MAX: u8 = 5;

/// How many sources of an incident are kept by name.
const SOURCES_MAX: usize = 256;

/// An alarm that wants somebody to come. Whatever raises it, a detector or a person who calls, it becomes a source of an [`Incident`].
///
/// # Examples
/// ```
/// use watchfire_operators::dispatch::Raised;
/// let raised: Raised = serde_json::from_str(
///     r#"{"source":"panel/31","cause":"fire","place":[305000000,1040700000],"severity":"alarm","level":1,"district":1}"#,
/// )?;
/// assert!(!raised.drill && raised.asks.0 == 0);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Raised {
    /// What raised it, by a name of its own: `lift/31/trapped`. The same source raises the same incident again while that is open.
    pub source: String,
    /// What it is about, such as `fire`: decides who is needed, and only what is about the same is one incident.
    pub cause: String,
    /// Where. Without a place nobody can be found who is near: people are asked at once.
    pub place: Option<Position>,
    /// Which of several things near each other it is about, where that is known: `lift/31`. What is about another one is another
    /// incident, and what is about the same one is the same, however far away; what does not say which joins the nearest. One source is about one thing: where it may be about several, let each have a name.
    #[serde(default)]
    pub asset: Option<String>,
    /// How bad it is.
    pub severity: Severity,
    /// The level that it is raised at, 1 to 5. What is beyond counts as the nearest.
    pub level: u8,
    /// The district that answers for it.
    pub district: u32,
    /// What whoever fills the first slot must be able to do, beside what the cause asks for: the licence for a brand of lifts.
    #[serde(default)]
    pub asks: Skills,
    /// An exercise. It takes nobody from what is real.
    #[serde(default)]
    pub drill: bool,
}

/// Something to which people are sent, until people say that it is over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct Incident {
    /// What it is about.
    pub cause: String,
    /// Where; the place that was told first.
    pub place: Option<Position>,
    /// Which of several things near each other it is about: the first that was told; none as long as nobody has said.
    pub asset: Option<String>,
    /// The place on the road from which it is reached; none if it has no place, or that is off the map.
    pub node: Option<NodeId>,
    /// The district that answers for it.
    pub district: u32,
    /// How bad it is: the worst that was told.
    pub severity: Severity,
    /// The level, 1 to 5. Only people lower it.
    pub level: u8,
    /// Up to which level it is sure: what is above it is recommended and not sent, until people say the level again.
    pub sure_level: u8,
    /// What whoever fills the first slot must be able to do, beside what the cause asks for.
    pub asks: Skills,
    /// An exercise.
    pub drill: bool,
    /// What has raised it: the first that did by name, and beyond 256 all others under a name that is empty.
    pub sources: BTreeMap<String, Source>,
    /// Responders that were there, and have left by their own word: others are recommended in their place, and not sent, until the level rises.
    pub left: BTreeSet<u64>,
    /// The highest level that was told without a source or a person; 0 is none.
    pub(super) automatic_level: u8,
    /// The level that people said last, and when by the clock of the source, milliseconds.
    pub(super) people: Option<(u8, i64)>,
    /// When it was opened, arrival clock, milliseconds.
    pub opened_ms: i64,
    /// When it was raised last, arrival clock, milliseconds.
    pub(super) raised_ms: i64,
    /// How far help is.
    pub timeline: Timeline,
    /// The slots that nobody fills.
    pub missing: BTreeSet<u16>,
    /// How much water it gets, litres a second, by source.
    pub water: BTreeMap<u64, u32>,
    /// How much water it lacks, litres a second.
    pub lacks_lps: u32,
    /// What supplies it gets.
    pub supplies: BTreeMap<String, Supply>,
    /// Stages that were told to have been missed, one bit each.
    pub(super) missed: u8,
}

/// What a source has told of an incident.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize,
)]
pub struct Source {
    /// When it was told first, by the clock of the source, milliseconds.
    pub first_ms: i64,
    /// When it was told last, by the clock of the source, milliseconds.
    pub at_ms: i64,
    /// The highest level that it has told: told again, it raises nothing that people have lowered.
    pub level: u8,
}

/// How far help is, each on the arrival clock in milliseconds: none has not happened.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    rkyv::Archive,
    rkyv::Serialize,
    rkyv::Deserialize,
)]
pub struct Timeline {
    /// Somebody was sent.
    pub sent_ms: Option<i64>,
    /// Somebody is on the way.
    pub acts_ms: Option<i64>,
    /// Somebody is there.
    pub joins_ms: Option<i64>,
    /// The professional brigade is there.
    pub brigade_ms: Option<i64>,
    /// All slots are filled by somebody who is there.
    pub full_ms: Option<i64>,
}

/// A stage of "1-3-5": within a minute the nearest acts, within three the neighbours join in, within five the brigade is there.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    rkyv::Archive,
    rkyv::Serialize,
    rkyv::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Somebody is on the way.
    Acts,
    /// Somebody is there.
    Joins,
    /// The professional brigade is there.
    Brigade,
}

impl Stage {
    pub(super) fn bit(self) -> u8 {
        1 << self as u8
    }
}

impl Timeline {
    /// When a stage was reached; none if it has not been.
    ///
    /// ```
    /// use watchfire_operators::dispatch::{Stage, Timeline};
    /// let begun = Timeline { acts_ms: Some(1_000), ..Timeline::default() };
    /// assert_eq!((begun.reached_ms(Stage::Acts), begun.reached_ms(Stage::Joins)), (Some(1_000), None));
    /// ```
    #[must_use]
    pub fn reached_ms(&self, stage: Stage) -> Option<i64> {
        match stage {
            Stage::Acts => self.acts_ms,
            Stage::Joins => self.joins_ms,
            Stage::Brigade => self.brigade_ms,
        }
    }
}

impl Incident {
    /// A new one.
    pub(super) fn opened(raised: &Raised, node: Option<NodeId>, sure_max: u8, at_ms: i64, now_ms: i64) -> Self {
        let level = raised.level.clamp(1, LEVEL_MAX);
        Incident {
            cause: raised.cause.clone(),
            place: raised.place,
            asset: raised.asset.clone(),
            node,
            district: raised.district,
            severity: raised.severity,
            level,
            sure_level: level.min(sure_max),
            asks: raised.asks,
            drill: raised.drill,
            sources: BTreeMap::from([(raised.source.clone(), Source { first_ms: at_ms, at_ms, level })]),
            left: BTreeSet::new(),
            automatic_level: 0,
            people: None,
            opened_ms: now_ms,
            raised_ms: now_ms,
            timeline: Timeline::default(),
            missing: BTreeSet::new(),
            water: BTreeMap::new(),
            lacks_lps: 0,
            supplies: BTreeMap::new(),
            missed: 0,
        }
    }

    /// The name under which a source is kept.
    pub(super) fn kept_as<'n>(&self, source: &'n str) -> &'n str {
        if self.sources.len() < SOURCES_MAX || self.sources.contains_key(source) { source } else { "" }
    }

    /// Whether what is raised is this incident: told by the same source; or of the same cause, an exercise or not, not long after it was raised last, and about the same asset or, where one
    /// of them does not say which, at the same place.
    pub(super) fn is_same(&self, raised: &Raised, within_m: f64, since_ms: i64) -> bool {
        if self.cause != raised.cause || self.drill != raised.drill {
            return false;
        }
        let is_it = match (&self.asset, &raised.asset) {
            (Some(this), Some(that)) => this == that,
            _ => self.place.zip(raised.place).is_some_and(|(a, b)| a.distance_m(b) <= within_m),
        };
        self.sources.contains_key(&raised.source) || is_it && self.raised_ms >= since_ms
    }
}
