//! What a source declares of its places and times.

use serde::{Deserialize, Serialize};
use watchfire_engine::Error;

use super::{Datum, Position};
use crate::calendar::Zone;

/// What a source says of the coordinates and times that it gives: part of its configuration, and used where its rows are decoded.
///
/// # Examples
/// ```
/// use watchfire_operators::geo::Declares;
/// let phones: Declares = toml::from_str("datum = \"gcj02\"")?;
/// let place = phones.position(30.4968, 104.0721)?;
/// assert_eq!(phones.instant_ms("2026-11-27 14:05:00")?, phones.instant_ms("2026-11-27T06:05:00Z")?);
/// // Nothing is assumed of a source that does not say what its numbers mean.
/// let refused = toml::from_str::<Declares>("zone = \"Asia/Shanghai\"").unwrap_err().to_string();
/// assert!(refused.contains("E0471"), "{refused}");
/// # let _ = place;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Written")]
pub struct Declares {
    /// What its coordinates mean.
    pub datum: Datum,
    /// Of times that come without an offset.
    pub zone: Zone,
}

/// As it is written, before anything is missed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    datum: Option<Datum>,
    #[serde(default)]
    zone: Zone,
}

impl TryFrom<Written> for Declares {
    type Error = Error;

    fn try_from(Written { datum, zone }: Written) -> Result<Self, Error> {
        let undeclared = || {
            let remedy = "set datum to wgs84, gcj02, bd09 or a site grid; ask whoever runs the source, for one taken for another is off by \
                          hundreds of metres";
            Error::new("E0471", "a source with coordinates declares no datum").remedy(remedy)
        };
        Ok(Declares { datum: datum.ok_or_else(undeclared)?, zone })
    }
}

impl Declares {
    /// As [`Datum::position`].
    ///
    /// # Errors
    /// As [`Datum::position`].
    pub fn position(&self, first: f64, second: f64) -> Result<Position, Error> {
        self.datum.position(first, second)
    }

    /// As [`Zone::instant_ms`].
    ///
    /// # Errors
    /// As [`Zone::instant_ms`].
    pub fn instant_ms(&self, text: &str) -> Result<i64, Error> {
        self.zone.instant_ms(text)
    }
}
