//! What is measured of a person, at the resolution of the chart.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One of the seven that NEWS2 adds up.
///
/// # Examples
/// ```
/// use watchfire_operators::wristband::Vital;
/// assert_eq!(Vital::ALL.len(), 7);
/// assert_eq!(serde_json::to_string(&Vital::Spo2)?, r#""spo2""#);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Vital {
    /// Breaths a minute.
    Respiration,
    /// Oxygen saturation.
    Spo2,
    /// Whether oxygen is given.
    Oxygen,
    /// Systolic blood pressure.
    Systolic,
    /// Heart beats a minute.
    Pulse,
    /// Whether somebody is awake, and themselves.
    Consciousness,
    /// The temperature of the body, not of its skin.
    Temperature,
}

impl Vital {
    /// All of them, in the order of the chart.
    pub const ALL: [Vital; 7] = [
        Vital::Respiration,
        Vital::Spo2,
        Vital::Oxygen,
        Vital::Systolic,
        Vital::Pulse,
        Vital::Consciousness,
        Vital::Temperature,
    ];

    /// Its place in [`ALL`](Vital::ALL).
    pub(super) fn index(self) -> usize {
        self as usize
    }
}

/// Some of the seven.
///
/// # Examples
/// ```
/// use watchfire_operators::wristband::{Vital, VitalSet};
/// let known: VitalSet = [Vital::Pulse, Vital::Spo2].into_iter().collect();
/// assert!(known.contains(Vital::Pulse) && !known.contains(Vital::Oxygen));
/// assert_eq!(known.iter().collect::<Vec<_>>(), [Vital::Spo2, Vital::Pulse], "in the order of the chart");
/// assert_eq!(serde_json::to_string(&known)?, r#"["spo2","pulse"]"#);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "Vec<Vital>", into = "Vec<Vital>")]
pub struct VitalSet(u8);

impl VitalSet {
    /// Whether it is one of them.
    #[must_use]
    pub fn contains(self, vital: Vital) -> bool {
        self.0 & 1 << vital.index() != 0
    }

    /// Those that are, in the order of the chart.
    pub fn iter(self) -> impl Iterator<Item = Vital> {
        Vital::ALL.into_iter().filter(move |vital| self.contains(*vital))
    }

    /// How many.
    #[must_use]
    pub fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Debug for VitalSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

impl FromIterator<Vital> for VitalSet {
    fn from_iter<I: IntoIterator<Item = Vital>>(vitals: I) -> Self {
        VitalSet(vitals.into_iter().fold(0, |set, vital| set | 1 << vital.index()))
    }
}

impl From<Vec<Vital>> for VitalSet {
    fn from(vitals: Vec<Vital>) -> Self {
        vitals.into_iter().collect()
    }
}

impl From<VitalSet> for Vec<Vital> {
    fn from(set: VitalSet) -> Self {
        set.iter().collect()
    }
}

/// Whether oxygen is given.
///
/// # Examples
/// ```
/// use watchfire_operators::wristband::Supply;
/// assert_eq!(serde_json::from_str::<Supply>(r#""air""#)?, Supply::Air);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Supply {
    /// None is: somebody breathes air.
    Air,
    /// Some is.
    Oxygen,
}

/// Whether somebody is awake, and themselves (ACVPU).
///
/// # Examples
/// ```
/// use watchfire_operators::wristband::{Consciousness, News2Vitals};
/// let of = |consciousness| News2Vitals { consciousness: Some(consciousness), ..News2Vitals::default() }.score().partial;
/// assert_eq!((of(Consciousness::Alert), of(Consciousness::Confused)), (0, 3));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Consciousness {
    /// Awake.
    Alert,
    /// Confused, and was not before; delirious.
    Confused,
    /// Responds to a voice.
    Voice,
    /// Responds to pain.
    Pain,
    /// Responds to nothing.
    Unresponsive,
}

impl Consciousness {
    /// All of them, from the best to the worst.
    pub const ALL: [Consciousness; 5] = [
        Consciousness::Alert,
        Consciousness::Confused,
        Consciousness::Voice,
        Consciousness::Pain,
        Consciousness::Unresponsive,
    ];
}

/// Which scale the oxygen saturation of a person is judged by.
///
/// # Examples
/// ```
/// use watchfire_operators::wristband::{News2Vitals, Spo2Scale, Supply};
/// let of = |scale| News2Vitals { scale, spo2_pct: Some(90), oxygen: Some(Supply::Air), ..News2Vitals::default() };
/// assert_eq!((of(Spo2Scale::One).score().partial, of(Spo2Scale::Two).score().partial), (3, 0));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Spo2Scale {
    /// 96 % and more is as it should be.
    #[default]
    One,
    /// 88 to 92 % is: for people whose breathing fails with too much carbon dioxide. Only a clinician says so.
    Two,
}

/// A measurement as it comes, before it is rounded to the resolution of the chart.
///
/// `None` in a number says that the sensor has lost it: what was measured before counts no more. `Debug` shows which it is and no value: health data do not reach a log.
///
/// # Examples
/// ```
/// use watchfire_operators::wristband::{Measured, Vital};
/// let pulse = Measured::Pulse { per_min: Some(71.5) };
/// assert_eq!(pulse.vital(), Some(Vital::Pulse));
/// assert_eq!(format!("{pulse:?}"), "Pulse(..)");
/// assert_eq!(Measured::SkinTemperature { celsius: Some(33.0) }.vital(), None, "the chart knows no skin");
/// ```
#[derive(Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Measured {
    /// Breaths a minute.
    Respiration {
        /// So many; 0 is a person who does not breathe.
        per_min: Option<f64>,
    },
    /// Oxygen saturation.
    Spo2 {
        /// Per cent.
        pct: Option<f64>,
    },
    /// Whether oxygen is given: nobody knows until somebody says so.
    Oxygen(Option<Supply>),
    /// Systolic blood pressure.
    Systolic {
        /// Millimetres of mercury.
        mmhg: Option<f64>,
    },
    /// Heart beats a minute.
    Pulse {
        /// So many; less than 10 is a signal that was lost.
        per_min: Option<f64>,
    },
    /// Whether somebody is awake: nobody knows until somebody says so.
    Consciousness(Option<Consciousness>),
    /// The temperature of the body.
    Temperature {
        /// Degrees Celsius.
        celsius: Option<f64>,
    },
    /// The temperature of the skin under a band, 2 to 4 degrees below that of the body: never scored.
    SkinTemperature {
        /// Degrees Celsius.
        celsius: Option<f64>,
    },
}

impl fmt::Debug for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.vital() {
            Some(vital) => write!(f, "{vital:?}(..)"),
            None => f.write_str("SkinTemperature(..)"),
        }
    }
}

impl Measured {
    /// Which of the seven it is; none of the skin.
    #[must_use]
    pub fn vital(&self) -> Option<Vital> {
        Some(match self {
            Measured::Respiration { .. } => Vital::Respiration,
            Measured::Spo2 { .. } => Vital::Spo2,
            Measured::Oxygen(_) => Vital::Oxygen,
            Measured::Systolic { .. } => Vital::Systolic,
            Measured::Pulse { .. } => Vital::Pulse,
            Measured::Consciousness(_) => Vital::Consciousness,
            Measured::Temperature { .. } => Vital::Temperature,
            Measured::SkinTemperature { .. } => return None,
        })
    }
}
