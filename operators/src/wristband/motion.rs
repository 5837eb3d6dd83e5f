//! What the accelerometer of a band says.

use std::fmt;

use serde::{Deserialize, Serialize};
use watchfire_engine::{EventTime, Timed, rkyv};

use super::{VitalRow, Wearer};

/// Standard gravity, metres a second squared: 1 g (3rd General Conference on Weights and Measures, 1901).
///
/// # Examples
/// See [`Acceleration`].
pub const STANDARD_GRAVITY_M_S2: f64 = 9.806_65;

/// An acceleration along three axes, in thousandths of g. A band that lies still has 1 g, in whatever direction is down; one that falls freely has none.
///
/// # Examples
/// ```
/// use watchfire_operators::wristband::Acceleration;
/// let at_rest = Acceleration::from_m_s2([0.0, -9.80665, 0.0]).ok_or("no number")?;
/// assert_eq!(at_rest, Acceleration { mg: [0, -1_000, 0] });
/// assert_eq!((at_rest.norm_mg(), Acceleration::from_g([0.0, f64::NAN, 0.0])), (1_000.0, None));
/// assert!(!format!("{at_rest:?}").contains("1000"), "how somebody moves is nobody's business");
/// # Ok::<(), &str>(())
/// ```
#[derive(
    Clone,
    Copy,
    Default,
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
#[rkyv(crate = rkyv)]
#[serde(transparent)]
pub struct Acceleration {
    /// Along the axes of the band; 32.767 g at most.
    pub mg: [i16; 3],
}

impl Acceleration {
    /// Of what is told in g; none if it is no number. What is beyond the bounds is at the bounds.
    #[must_use]
    pub fn from_g(g: [f64; 3]) -> Option<Acceleration> {
        let is_known = g.iter().all(|of| !of.is_nan());
        // Casts of floats stop at the bounds.
        is_known.then(|| Acceleration { mg: g.map(|of| (of * 1_000.0).round() as i16) })
    }

    /// Of what is told in metres a second squared.
    #[must_use]
    pub fn from_m_s2(m_s2: [f64; 3]) -> Option<Acceleration> {
        Self::from_g(m_s2.map(|of| of / STANDARD_GRAVITY_M_S2))
    }

    /// Its square, whatever the direction, in millionths of g².
    pub(super) fn square(self) -> i64 {
        self.mg.iter().map(|of| i64::from(*of) * i64::from(*of)).sum()
    }

    /// How much it is, whatever the direction, in thousandths of g.
    #[must_use]
    pub fn norm_mg(self) -> f64 {
        (self.square() as f64).sqrt()
    }
}

impl fmt::Debug for Acceleration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Acceleration(..)")
    }
}

/// What the accelerometer of a band says at one time. Bands that send many at once send a row of each.
///
/// # Examples
/// ```
/// use watchfire_operators::wristband::{Acceleration, MotionRow, Wearer};
/// let row: MotionRow = serde_json::from_str(r#"{"wearer":{"person":7},"device":3,"at_ms":20,"acceleration":[12,-1003,40]}"#)?;
/// assert_eq!((row.wearer, row.acceleration), (Wearer::Person(7), Acceleration { mg: [12, -1_003, 40] }));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MotionRow {
    /// Who wears it.
    pub wearer: Wearer,
    /// Which model of band it is, as the host numbers them.
    pub device: u16,
    /// When, by the clock of the band, milliseconds since 1970-01-01 UTC.
    pub at_ms: i64,
    /// What it says.
    pub acceleration: Acceleration,
}

impl Timed for MotionRow {
    fn event_time_ms(&self) -> i64 {
        self.at_ms
    }
}

impl MotionRow {
    /// How rows of bands are taken: as those of [vitals](VitalRow::EVENT_TIME).
    pub const EVENT_TIME: EventTime = VitalRow::EVENT_TIME;
}
