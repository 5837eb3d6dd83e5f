//! A network as it is driven now.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use watchfire_engine::Error;

use super::network::{ArcId, Network, NodeId, TIME_MAX_MS};

/// Of an arc that is closed, and of what cannot be reached.
pub(super) const NEVER: u32 = u32::MAX;

/// Something that changes on an arc.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RoadChange {
    /// The arc.
    pub arc: ArcId,
    /// What becomes of it.
    pub becomes: RoadState,
}

/// What can become of an arc.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RoadState {
    /// Nobody passes.
    Closed,
    /// It is passed again, in the time that was last told.
    Open,
    /// It takes this long, milliseconds, once it is open; 0 is taken for 1, for nothing is passed in no time.
    Takes(i64),
}

/// A change of the time of an arc.
#[derive(Clone, Copy, Debug)]
pub(super) struct Changed {
    pub(super) arc: u32,
    pub(super) was_ms: u32,
    pub(super) now_ms: u32,
}

/// A network, and what each of its arcs takes now.
///
/// # Examples
/// ```
/// use std::sync::Arc;
/// use watchfire_operators::geo::Position;
/// use watchfire_operators::road::{Network, RoadChange, RoadState, Roads};
/// let mut map = Network::builder();
/// for (name, lat) in [("a", 30.50), ("b", 30.51)] {
///     map.node(name, Position::from_degrees(lat, 104.07)?, true);
/// }
/// let arc = map.arc("a-b", "a", "b", 60_000.0);
/// let mut roads = Roads::new(Arc::new(map.build()?));
/// let refused = roads.apply([RoadChange { arc, becomes: RoadState::Closed }]);
/// assert!(refused.is_empty() && roads.time_ms(arc).is_none());
/// // What is told of a closed road holds when it is open again.
/// roads.apply([RoadChange { arc, becomes: RoadState::Takes(90_000) }, RoadChange { arc, becomes: RoadState::Open }]);
/// assert_eq!(roads.time_ms(arc), Some(90_000));
/// let refused = roads.apply([RoadChange { arc, becomes: RoadState::Takes(-5) }]);
/// assert_eq!(refused[0].1.code(), "E0481");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Roads {
    network: Arc<Network>,
    /// What an arc takes when it is open.
    open_ms: Vec<u32>,
    /// What it takes now.
    now_ms: Vec<u32>,
    /// What the newest changes changed.
    changed: Vec<Changed>,
}

impl fmt::Debug for Roads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let closed = self.now_ms.iter().filter(|ms| **ms == NEVER).count();
        f.debug_struct("Roads").field("network", &self.network).field("closed", &closed).finish()
    }
}

impl Roads {
    /// A network on which nothing is in the way.
    #[must_use]
    pub fn new(network: Arc<Network>) -> Self {
        let open_ms = network.all_free_ms().to_vec();
        Roads { network, now_ms: open_ms.clone(), open_ms, changed: Vec::new() }
    }

    /// The map.
    #[must_use]
    pub fn network(&self) -> &Arc<Network> {
        &self.network
    }

    /// What an arc takes now, milliseconds; nothing if it is closed.
    #[must_use]
    pub fn time_ms(&self, arc: ArcId) -> Option<u32> {
        self.now_ms.get(arc.0 as usize).copied().filter(|ms| *ms != NEVER)
    }

    /// Takes changes in their order, as one: of several of one arc the last of each kind holds. Gives back those that it does not take,
    /// each with the reason, and leaves their arcs as they were. [`Trees`](super::Trees) follow by
    /// [`Trees::follow`](super::Trees::follow), before the next changes are applied. O(changes).
    ///
    /// The reason is `E0481` for a time below 0 or above [`TIME_MAX_MS`], and `E0482` for an arc that the map does not have.
    pub fn apply(&mut self, changes: impl IntoIterator<Item = RoadChange>) -> Vec<(RoadChange, Error)> {
        let mut refused = Vec::new();
        self.changed.clear();
        for change in changes {
            if let Err(error) = self.take(change) {
                refused.push((change, error));
            }
        }
        // Of several changes of an arc there is one, from what it took before the first to what it takes after the last.
        self.changed.sort_by_key(|changed| changed.arc);
        self.changed.dedup_by_key(|changed| changed.arc);
        let now_ms = &self.now_ms;
        self.changed.iter_mut().for_each(|changed| changed.now_ms = now_ms[changed.arc as usize]);
        self.changed.retain(|changed| changed.was_ms != changed.now_ms);
        refused
    }

    fn take(&mut self, RoadChange { arc, becomes }: RoadChange) -> Result<(), Error> {
        let at = arc.0 as usize;
        let Some(was_ms) = self.now_ms.get(at).copied() else {
            let what = format!("the map has no arc {}: it has {}", arc.0, self.network.arcs_len());
            return Err(Error::new("E0482", what).remedy("load the map that the source speaks of"));
        };
        let now_ms = match becomes {
            RoadState::Closed => NEVER,
            RoadState::Open => self.open_ms[at],
            RoadState::Takes(ms) => {
                let ms = u32::try_from(ms).ok().filter(|ms| *ms <= TIME_MAX_MS).ok_or_else(|| {
                    Error::new("E0481", format!("arc {} would take {ms} ms, which is not 0 to {TIME_MAX_MS}", arc.0))
                        .remedy("check the source of road times; close a road that cannot be passed")
                })?;
                self.open_ms[at] = ms.max(1);
                if was_ms == NEVER { NEVER } else { self.open_ms[at] }
            }
        };
        self.now_ms[at] = now_ms;
        self.changed.push(Changed { arc: arc.0, was_ms, now_ms });
        Ok(())
    }

    pub(super) fn now_ms(&self) -> &[u32] {
        &self.now_ms
    }

    pub(super) fn changed(&self) -> &[Changed] {
        &self.changed
    }

    /// The least time of the arcs that lead straight from one node to another, if one is open.
    #[must_use]
    pub fn between_ms(&self, from: NodeId, to: NodeId) -> Option<u32> {
        let known = (from.0 as usize) < self.network.nodes_len();
        let arcs = if known { self.network.out.of(from.0) } else { &[] };
        let arcs = arcs.iter().filter(|(_, other)| *other == to.0);
        arcs.filter_map(|(arc, _)| self.time_ms(ArcId(*arc))).min()
    }
}
