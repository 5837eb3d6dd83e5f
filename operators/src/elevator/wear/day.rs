//! What a day tells of a class of faults.

use std::fmt;

use serde::{Deserialize, Serialize};
use watchfire_engine::Timed;

use super::WearSign;
use crate::detect::{Example, Label, Observed};
use crate::elevator::FaultClass;

/// The features of a [`WearDay`], in words.
///
/// # Examples
/// What a model is asked by, in this order:
/// ```
/// use watchfire_operators::detect::Trees;
/// use watchfire_operators::elevator::{WEAR_FEATURES, WearModel};
/// let mut names = WEAR_FEATURES.map(str::to_owned).to_vec();
/// assert!(WearModel::new(Trees::new(names.clone(), 0.0, vec![])?).is_ok());
/// names.swap(0, 1);
/// assert_eq!(WearModel::new(Trees::new(names, 0.0, vec![])?).unwrap_err().code(), "E0622");
/// # Ok::<(), watchfire_engine::Error>(())
/// ```
pub const WEAR_FEATURES: [&str; 21] = [
    "what is measured is off, two days",
    "what is measured is off, a week",
    "what is measured has been off for long",
    "all that is measured is off, two days",
    "what is counted is off, two days",
    "what is counted is off, a week",
    "what is counted has been off for long",
    "how near the limit is",
    "faults lately",
    "faults so far",
    "door cycles since it was mended or first seen",
    "days since it was mended or first seen",
    "it failed today",
    "all signs together",
    "of door locks",
    "of door tracks",
    "of light curtains",
    "of levelling",
    "of ropes",
    "of the position",
    "of the drive",
];

/// So many of them tell of the lift; the others only of which class it is.
pub(in crate::elevator) const OF_THE_LIFT: usize = 14;

/// A day of a lift, and what it tells of faults of a class.
///
/// # Examples
/// ```
/// use watchfire_operators::elevator::{FaultClass, WEAR_FEATURES, WearDay, WearSign, WearWhy};
/// let why = WearWhy { sign: WearSign::DoorClosing, off_sd: 4.1, at: Some((7, false)), lately: 3_412.0, usual: 2_870.0 };
/// let day = WearDay {
///     lift: 31, day_ms: 0, class: FaultClass::DoorTrack, trips: 160, unusable: 0, features: vec![0.0; WEAR_FEATURES.len()],
///     failed: false, renewed: false, failed_lately: false, why: vec![why],
/// };
/// assert_eq!(day.why[0].to_string(), "doors take long to close: 3.41 s, usually 2.87 s, most on floor 7 coming down");
/// assert!(!day.observed().failed);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WearDay {
    /// The lift.
    pub lift: u32,
    /// When the day begins, milliseconds since 1970-01-01 UTC.
    pub day_ms: i64,
    /// The class.
    pub class: FaultClass,
    /// Trips that were seen.
    pub trips: u32,
    /// Values that cannot be, and counted for nothing.
    pub unusable: u32,
    /// What is known by the end of the day, as [`WEAR_FEATURES`] names it.
    pub features: Vec<f64>,
    /// There was a fault of the class.
    pub failed: bool,
    /// It was mended: what was known of it begins anew.
    pub renewed: bool,
    /// There was a fault of the class in the 30 days before this one.
    pub failed_lately: bool,
    /// Which signs are off, the furthest first.
    pub why: Vec<WearWhy>,
}

impl Timed for WearDay {
    fn event_time_ms(&self) -> i64 {
        self.day_ms
    }
}

impl WearDay {
    /// For telling whether there will be a fault of the class. Where clocks are set days have 23 to 25 hours, so give the [`Horizon`](crate::detect::Horizon) an hour of [slack](crate::detect::Horizon::slack_ms).
    #[must_use]
    pub fn observed(&self) -> Observed {
        Observed { features: Some(self.features.clone()), failed: self.failed, renewed: self.renewed }
    }

    /// What a model that was learned before is asked.
    #[must_use]
    pub fn asked(self) -> Example<(u32, FaultClass)> {
        let WearDay { lift, day_ms, class, features, .. } = self;
        Example { asset: (lift, class), at_ms: day_ms, said_ms: day_ms, features, label: Label::Open }
    }
}

/// A sign that is off.
///
/// # Examples
/// ```
/// use watchfire_operators::elevator::{WearSign, WearWhy};
/// let ropes = WearWhy { sign: WearSign::Slip, off_sd: 6.2, at: Some((9, true)), lately: 2_450.0, usual: 260.0 };
/// assert_eq!(ropes.to_string(), "ropes slip: 2.45 mm a floor, usually 0.26 mm a floor, most over 9 floors up");
/// let doors = WearWhy { sign: WearSign::Reversals, off_sd: 3.4, at: None, lately: 0.31, usual: 0.04 };
/// assert_eq!(doors.to_string(), "doors turn back: 0.31 a trip, usually 0.04 a trip");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct WearWhy {
    /// The sign.
    pub sign: WearSign,
    /// How far it is off, in the mean over two days, drawn a little towards 0; standard deviations.
    pub off_sd: f64,
    /// Where it is furthest off: the floor (of ropes and runs: over how many floors) and whether upward; nothing of what is counted.
    pub at: Option<(i16, bool)>,
    /// What it is there lately, in the unit of the sign.
    pub lately: f64,
    /// What is usual there.
    pub usual: f64,
}

impl fmt::Display for WearWhy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, unit, holds) = self.sign.words();
        let in_unit = |value: f64| {
            let digits = if holds > 1.0 || self.sign.is_counted() { 2 } else { 0 };
            format!("{:.digits$} {unit}", value / holds)
        };
        write!(f, "{what}: {}, usually {}", in_unit(self.lately), in_unit(self.usual))?;
        let by_distance = matches!(self.sign, WearSign::Slip | WearSign::RunTime);
        match self.at {
            Some((floors, true)) if by_distance => write!(f, ", most over {floors} floors up"),
            Some((floors, false)) if by_distance => write!(f, ", most over {floors} floors down"),
            Some((floor, true)) => write!(f, ", most on floor {floor} coming up"),
            Some((floor, false)) => write!(f, ", most on floor {floor} coming down"),
            None => Ok(()),
        }
    }
}
