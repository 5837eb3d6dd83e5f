//! What is needed beside people: water, and supplies from depots.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::geo::Position;

/// A place where water is taken, as it is now: a hydrant, a tank, a pond.
///
/// # Examples
/// ```
/// use watchfire_operators::dispatch::{Report, Says};
/// let line = r#"{"theatre":1,"at_ms":1000,"says":{"water":{"source":7,"is":{"place":[305000000,1040700000],"flow_lps":15}}}}"#;
/// let report: Report = serde_json::from_str(line)?;
/// assert!(matches!(report.says, Says::Water { source: 7, is } if is.flow_lps == 15));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize,
)]
pub struct WaterSource {
    /// Where it is.
    pub place: Position,
    /// What it gives, litres a second: 10 to 15 of a street hydrant (GB 50974-2014); 0 if it gives nothing, or cannot be got at.
    pub flow_lps: u32,
}

/// Water that an incident is to take from a source.
///
/// # Examples
/// ```
/// use watchfire_operators::dispatch::{IncidentTold, WaterFrom};
/// let from = vec![WaterFrom { source: 7, away_m: 40, flow_lps: 15 }];
/// let told = serde_json::to_string(&IncidentTold::Water { from, lacks_lps: 15 })?;
/// assert_eq!(told, r#"{"water":{"from":[{"source":7,"away_m":40,"flow_lps":15}],"lacks_lps":15}}"#);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaterFrom {
    /// The source.
    pub source: u64,
    /// How far it is from the incident in a straight line, metres.
    pub away_m: u32,
    /// How much of what it gives is for this incident, litres a second.
    pub flow_lps: u32,
}

/// Supplies that a depot is to bring to an incident.
///
/// # Examples
/// ```
/// use watchfire_operators::dispatch::{IncidentTold, SupplyFrom};
/// let from = vec![SupplyFrom { depot: 6, count: 4, way_ms: 73_000 }];
/// let told = serde_json::to_string(&IncidentTold::Supplies { item: "foam can".into(), from, lacks: 0 })?;
/// assert!(told.contains(r#""from":[{"depot":6,"count":4,"way_ms":73000}]"#));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SupplyFrom {
    /// The depot.
    pub depot: u32,
    /// How much.
    pub count: u32,
    /// How long an engine takes for the way as it is now, milliseconds.
    pub way_ms: u32,
}

/// What of an item an incident gets.
///
/// # Examples
/// ```
/// use watchfire_operators::dispatch::Supply;
/// let nothing_yet = Supply::default();
/// assert_eq!((nothing_yet.set_aside.len(), nothing_yet.handed), (0, 0));
/// ```
#[derive(
    Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize,
)]
pub struct Supply {
    /// How much is set aside for it, by depot.
    pub set_aside: BTreeMap<u32, u32>,
    /// How much was handed out for it.
    pub handed: u32,
    /// How much nobody has.
    pub lacks: u32,
    /// Which depot handed some out when, by the clock of the source, milliseconds.
    pub(super) handings: BTreeSet<(u32, i64)>,
    /// Some was handed out since it was told what is set aside.
    pub(super) untold: bool,
}

/// How much each of several gives to one who needs some.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Share<I> {
    /// Who can be reached, the nearest first, and how far each is.
    pub(super) near: Vec<(u32, I)>,
    /// How much is still needed.
    pub(super) lacks: u32,
    /// Who gives how much.
    pub(super) given: BTreeMap<I, u32>,
}

impl<I: Copy + Ord> Share<I> {
    /// Of one who needs so much.
    pub(super) fn of(needed: u32, mut near: Vec<(u32, I)>) -> Self {
        near.sort_unstable();
        Share { near, lacks: needed, given: BTreeMap::new() }
    }

    /// Whoever gives already goes on as far as it can; if less is needed, the farthest give less. What is given is taken from what is `free`.
    pub(super) fn keeps(&mut self, given: &BTreeMap<I, u32>, free: &mut BTreeMap<I, u32>) {
        self.takes_up_to(free, |of| given.get(&of).copied().unwrap_or(0));
    }

    /// The nearest give what is left.
    pub(super) fn takes(&mut self, free: &mut BTreeMap<I, u32>) {
        self.takes_up_to(free, |_| u32::MAX);
    }

    fn takes_up_to(&mut self, free: &mut BTreeMap<I, u32>, most: impl Fn(I) -> u32) {
        for (_, of) in &self.near {
            let Some(has) = free.get_mut(of) else { continue };
            let gives = self.lacks.min(*has).min(most(*of));
            if gives > 0 {
                (self.lacks, *has) = (self.lacks - gives, *has - gives);
                *self.given.entry(*of).or_default() += gives;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shares_of(needed: u32, given: &[(u8, u32)], has: &[(u8, u32)]) -> Vec<(u8, u32)> {
        let (given, mut free) = (given.iter().copied().collect(), has.iter().copied().collect());
        let mut share = Share::of(needed, vec![(300, 3), (100, 1), (200, 2)]);
        share.keeps(&given, &mut free);
        share.takes(&mut free);
        assert_eq!(share.given.values().sum::<u32>() + share.lacks, needed);
        share.given.into_iter().collect()
    }

    #[test]
    fn whoever_gives_goes_on_and_the_nearest_give_the_rest() {
        assert_eq!(shares_of(20, &[], &[(1, 15), (2, 15), (3, 15)]), [(1, 15), (2, 5)]);
        // The nearest has some again: what was laid from farther stays.
        assert_eq!(shares_of(20, &[(3, 15)], &[(1, 15), (2, 15), (3, 15)]), [(1, 5), (3, 15)]);
        // It gives less than it did, or is not to be reached any more.
        assert_eq!(shares_of(20, &[(3, 15)], &[(1, 2), (3, 7)]), [(1, 2), (3, 7)]);
        assert_eq!(shares_of(20, &[(9, 20)], &[(2, 30), (9, 20)]), [(2, 20)]);
        // Less is needed: the farthest give less.
        assert_eq!(shares_of(5, &[(1, 4), (3, 15)], &[(1, 15), (3, 15)]), [(1, 4), (3, 1)]);
        assert_eq!(shares_of(0, &[(1, 4)], &[(1, 4)]), []);
        assert_eq!(shares_of(u32::MAX, &[], &[(1, u32::MAX), (2, u32::MAX)]), [(1, u32::MAX)]);
    }
}
