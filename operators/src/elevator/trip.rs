//! What is measured of a trip of a lift.

use serde::{Deserialize, Serialize};
use watchfire_engine::rkyv;

/// A run, and what the doors did at the end of it. What is `None` is not measured; whole numbers in small units, as controllers have them.
///
/// # Examples
/// ```
/// use watchfire_operators::elevator::LiftTrip;
/// let trip: LiftTrip = serde_json::from_str(r#"{"from":1,"floor":7,"door_close_ms":3120,"level_error_um":-4200,"reversals":0}"#)?;
/// assert_eq!((trip.is_upward(), trip.floors(), trip.slip_um), (true, 6, None));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    rkyv::Archive,
    rkyv::Serialize,
    rkyv::Deserialize,
)]
#[serde(default, deny_unknown_fields)]
#[rkyv(crate = rkyv)]
pub struct LiftTrip {
    /// Where it set out.
    pub from: i16,
    /// Where it stopped, and its doors opened and closed.
    pub floor: i16,
    /// How long the doors took to close, without what turned them back, ms.
    pub door_close_ms: Option<u32>,
    /// The highest current of their motor meanwhile, mA.
    pub door_current_ma: Option<u32>,
    /// From closed doors to a closed lock, ms.
    pub lock_ms: Option<u32>,
    /// How far above the floor the car stopped, below it less than 0, micrometres.
    pub level_error_um: Option<i32>,
    /// How far the ropes slipped on the whole run, micrometres.
    pub slip_um: Option<u32>,
    /// How long it ran, ms.
    pub run_ms: Option<u32>,
    /// From locked doors to the first move, ms.
    pub start_delay_ms: Option<u32>,
    /// How warm the drive was, degrees Celsius.
    pub drive_celsius: Option<i16>,
    /// How often the doors turned back.
    pub reversals: Option<u16>,
    /// How often the safety chain opened while the doors were closed.
    pub chain_opens: Option<u16>,
    /// How often the car was levelled again while it stood.
    pub relevels: Option<u16>,
    /// How often it had to find out where it was.
    pub corrections: Option<u16>,
}

impl LiftTrip {
    /// It went up.
    #[must_use]
    pub fn is_upward(&self) -> bool {
        self.floor > self.from
    }

    /// Over how many floors.
    #[must_use]
    pub fn floors(&self) -> u16 {
        self.floor.abs_diff(self.from)
    }
}

/// What a lift has counted since it was built, or since its controller was last replaced: its use, also of trips of which nothing else came.
///
/// # Examples
/// ```
/// use watchfire_operators::elevator::LiftTotals;
/// let totals: LiftTotals = serde_json::from_str(r#"{"door_cycles":184220}"#)?;
/// assert_eq!(totals.runs, None);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LiftTotals {
    /// Runs.
    pub runs: Option<u64>,
    /// Times that doors opened and closed.
    pub door_cycles: Option<u64>,
}
