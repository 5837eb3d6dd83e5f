//! A place on the earth.

use std::fmt;

use serde::{Deserialize, Serialize};
use watchfire_engine::Error;

/// Units of a [`Position`] in a degree.
const E7: f64 = 1e7;

/// The mean radius of the earth, metres: R1 of GRS 80 (Moritz 2000).
const EARTH_RADIUS_M: f64 = 6_371_008.8;

/// A place by WGS-84, in units of 10^-7 degrees (11 mm), so that places are equal, ordered and stored exactly.
///
/// Latitude is -90 to 90 degrees, longitude -180 (inclusive) to 180 (exclusive).
///
/// # Examples
/// ```
/// use watchfire_operators::geo::Position;
/// let sihe = Position::from_degrees(30.4968, 104.0721)?;
/// assert_eq!((sihe.lat_e7(), sihe.lon_e7()), (304_968_000, 1_040_721_000));
/// assert_eq!(Position::from_degrees(f64::NAN, 0.0).unwrap_err().code(), "E0472");
/// # Ok::<(), watchfire_engine::Error>(())
/// ```
#[derive(
    Clone,
    Copy,
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
#[serde(try_from = "(i32, i32)", into = "(i32, i32)")]
pub struct Position {
    lat_e7: i32,
    lon_e7: i32,
}

impl Position {
    /// From degrees north and east; rounded to the nearest unit.
    ///
    /// # Errors
    /// `E0472` if a number is not finite or not of its range.
    pub fn from_degrees(lat_deg: f64, lon_deg: f64) -> Result<Self, Error> {
        if !lat_deg.is_finite() || !lon_deg.is_finite() {
            return Err(no_place("a coordinate is not a finite number"));
        }
        if lat_deg.abs() > 90.0 || lon_deg.abs() > 180.0 {
            return Err(no_place("a coordinate is beyond 90 degrees of latitude or 180 of longitude"));
        }
        let lon_e7 = (lon_deg * E7).round() as i32;
        let lon_e7 = if lon_e7 == 1_800_000_000 { -1_800_000_000 } else { lon_e7 };
        Ok(Position { lat_e7: (lat_deg * E7).round() as i32, lon_e7 })
    }

    /// Latitude in units of 10^-7 degrees north.
    #[must_use]
    pub fn lat_e7(self) -> i32 {
        self.lat_e7
    }

    /// Longitude in units of 10^-7 degrees east.
    #[must_use]
    pub fn lon_e7(self) -> i32 {
        self.lon_e7
    }

    /// Latitude in degrees north.
    #[must_use]
    pub fn lat_deg(self) -> f64 {
        f64::from(self.lat_e7) / E7
    }

    /// Longitude in degrees east.
    #[must_use]
    pub fn lon_deg(self) -> f64 {
        f64::from(self.lon_e7) / E7
    }

    /// The way as the crow flies, metres, on a sphere (haversine): within 0.6 % of that on the ellipsoid.
    ///
    /// ```
    /// use watchfire_operators::geo::Position;
    /// let (a, b) = (Position::from_degrees(30.0, 104.0)?, Position::from_degrees(31.0, 104.0)?);
    /// assert_eq!(a.distance_m(b).round(), 111_195.0);
    /// # Ok::<(), watchfire_engine::Error>(())
    /// ```
    #[must_use]
    pub fn distance_m(self, other: Position) -> f64 {
        let (lat, other_lat) = (self.lat_deg().to_radians(), other.lat_deg().to_radians());
        let half_lat = (other_lat - lat) / 2.0;
        let half_lon = (other.lon_deg() - self.lon_deg()).to_radians() / 2.0;
        let square = half_lat.sin().powi(2) + lat.cos() * other_lat.cos() * half_lon.sin().powi(2);
        2.0 * EARTH_RADIUS_M * square.sqrt().min(1.0).asin()
    }
}

impl TryFrom<(i32, i32)> for Position {
    type Error = Error;

    fn try_from((lat_e7, lon_e7): (i32, i32)) -> Result<Self, Error> {
        if lat_e7.unsigned_abs() > 900_000_000 || !(-1_800_000_000..1_800_000_000).contains(&lon_e7) {
            return Err(no_place("a stored coordinate is beyond 90 degrees of latitude or 180 of longitude"));
        }
        Ok(Position { lat_e7, lon_e7 })
    }
}

impl From<Position> for (i32, i32) {
    fn from(of: Position) -> Self {
        (of.lat_e7, of.lon_e7)
    }
}

/// Says nothing of the place: it may be that of a person.
impl fmt::Debug for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Position(..)")
    }
}

pub(super) fn no_place(what: &str) -> Error {
    Error::new("E0472", what).remedy("check the device, and the order of latitude and longitude in the decoder")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seam_is_one_meridian() {
        let [west, east] = [-180.0, 180.0].map(|lon| Position::from_degrees(1.0, lon).unwrap());
        assert_eq!(west, east);
        let near = Position::from_degrees(1.0, 179.999).unwrap();
        assert!(west.distance_m(near) < 120.0);
    }

    #[test]
    fn stored_places_are_checked() {
        let read = |text: &str| serde_json::from_str::<Position>(text);
        assert_eq!(read("[304968000,1040721000]").unwrap(), Position::from_degrees(30.4968, 104.0721).unwrap());
        for text in ["[900000001,0]", "[0,1800000000]", "[-2147483648,0]"] {
            assert!(read(text).unwrap_err().to_string().contains("E0472"), "{text}");
        }
    }

    #[test]
    fn poles_and_antipodes_are_where_they_are() {
        let at = |lat, lon| Position::from_degrees(lat, lon).unwrap();
        let half = std::f64::consts::PI * EARTH_RADIUS_M;
        assert!((at(90.0, 0.0).distance_m(at(-90.0, 77.0)) - half).abs() < 1.0);
        assert!((at(0.0, 0.0).distance_m(at(0.0, -180.0)) - half).abs() < 1.0);
        assert_eq!(at(90.0, 3.0).distance_m(at(90.0, 99.0)).round(), 0.0);
    }
}
