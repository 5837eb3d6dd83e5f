//! What coordinates mean: datums, and the way from each to WGS-84.

use std::f64::consts::PI;

use serde::{Deserialize, Serialize};
use watchfire_engine::Error;

use super::Position;
use super::position::no_place;

/// What the numbers of a coordinate mean.
///
/// # Examples
/// The same numbers, read by two datums, are two places:
/// ```
/// use watchfire_operators::geo::Datum;
/// let [wgs, gcj] = [Datum::Wgs84, Datum::Gcj02].map(|datum| datum.position(30.4968, 104.0721));
/// assert_eq!(wgs?.distance_m(gcj?).round(), 365.0);
/// # Ok::<(), watchfire_engine::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Datum {
    /// Latitude and longitude as satellites give them. CGCS2000, the datum of Chinese surveyors, is within a few decimetres of it.
    Wgs84,
    /// Latitude and longitude as Chinese maps and phones give them, bent by the rule of the surveying bureau (GB 20263).
    Gcj02,
    /// Latitude and longitude as Baidu gives them: GCJ-02, bent once more.
    Bd09,
    /// Metres north and east on the grid of a building site.
    Site(SiteGrid),
}

/// The grid of a building site: a plane that touches the earth at its origin.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "WrittenGrid", into = "WrittenGrid")]
pub struct SiteGrid {
    origin: Position,
    north_deg: f64,
    reach_m: f64,
}

/// As a configuration has it.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenGrid {
    lat_deg: f64,
    lon_deg: f64,
    #[serde(default)]
    north_deg: f64,
    #[serde(default = "WrittenGrid::default_reach_m")]
    reach_m: f64,
}

impl WrittenGrid {
    fn default_reach_m() -> f64 {
        5_000.0
    }
}

impl TryFrom<WrittenGrid> for SiteGrid {
    type Error = Error;

    fn try_from(WrittenGrid { lat_deg, lon_deg, north_deg, reach_m }: WrittenGrid) -> Result<Self, Error> {
        SiteGrid::new(Position::from_degrees(lat_deg, lon_deg)?, north_deg, reach_m)
    }
}

impl From<SiteGrid> for WrittenGrid {
    fn from(SiteGrid { origin, north_deg, reach_m }: SiteGrid) -> Self {
        WrittenGrid { lat_deg: origin.lat_deg(), lon_deg: origin.lon_deg(), north_deg, reach_m }
    }
}

/// The furthest that a site may reach, metres: there a plane that touches the earth is 200 m above it.
const REACH_MAX_M: f64 = 50_000.0;

/// Semi-major axis and squared eccentricity of WGS-84.
const WGS84_AXIS_M: f64 = 6_378_137.0;
const WGS84_ECCENTRICITY_2: f64 = 0.006_694_379_990_141_316;

/// Of the ellipsoid by which GCJ-02 is bent (Krassowsky 1940).
const GCJ02_AXIS_M: f64 = 6_378_245.0;
const GCJ02_ECCENTRICITY_2: f64 = 0.006_693_421_622_965_943;

/// Where GCJ-02 bends: latitudes and longitudes, degrees.
const GCJ02_LAT_DEG: std::ops::RangeInclusive<f64> = 0.8293..=55.8271;
const GCJ02_LON_DEG: std::ops::RangeInclusive<f64> = 72.004..=137.8347;

/// A way back is sought until it is as exact as positions are, degrees.
const NEAR_DEG: f64 = 1e-9;

impl Datum {
    /// The place that two numbers name: degrees of latitude and longitude, or metres north and east on the site.
    ///
    /// From GCJ-02 and BD-09 the way back is sought until it is exact to 10^-9 degrees; providers differ by centimetres among
    /// themselves; at the border of the rectangle it may not be found. Outside of the rectangle from 0.8 to 55.8 degrees north, 72 to 137.8 east GCJ-02 is WGS-84.
    ///
    /// # Errors
    /// `E0472` if a number is not finite or of its range, `E0473` if it is beyond the reach of the site.
    pub fn position(&self, first: f64, second: f64) -> Result<Position, Error> {
        if !first.is_finite() || !second.is_finite() {
            return Err(no_place("a coordinate is not a finite number"));
        }
        if let Datum::Site(grid) = self {
            return grid.position(first, second);
        }
        // Whether it is a place at all, before it is bent.
        Position::from_degrees(first, second)?;
        let (lat_deg, lon_deg) = match self {
            Datum::Gcj02 => back(gcj02, (first, second)),
            Datum::Bd09 => back(gcj02, back(bd09, (first, second))),
            Datum::Wgs84 | Datum::Site(_) => (first, second),
        };
        Position::from_degrees(lat_deg.clamp(-90.0, 90.0), lon_deg.clamp(-180.0, 180.0))
    }

    /// The two numbers that name a place: what a map or a site is to be given.
    ///
    /// ```
    /// use watchfire_operators::geo::Datum;
    /// let place = Datum::Bd09.position(30.5, 104.07)?;
    /// let (lat_deg, lon_deg) = Datum::Bd09.of(place);
    /// assert!((lat_deg - 30.5).abs() < 1e-6 && (lon_deg - 104.07).abs() < 1e-6);
    /// # Ok::<(), watchfire_engine::Error>(())
    /// ```
    #[must_use]
    pub fn of(&self, place: Position) -> (f64, f64) {
        let wgs84 = (place.lat_deg(), place.lon_deg());
        match self {
            Datum::Wgs84 => wgs84,
            Datum::Gcj02 => gcj02(wgs84),
            Datum::Bd09 => bd09(gcj02(wgs84)),
            Datum::Site(grid) => grid.of(place),
        }
    }
}

impl SiteGrid {
    /// A grid whose north is `north_deg` degrees clockwise from true north. A coordinate further than `reach_m` metres from the origin is no place of
    /// the site.
    ///
    /// # Errors
    /// `E0173` if the origin is within a degree of a pole, an angle is not finite or beyond a full turn, or the reach is not above 0 and at most
    /// 50 km.
    pub fn new(origin: Position, north_deg: f64, reach_m: f64) -> Result<Self, Error> {
        let sound =
            origin.lat_deg().abs() <= 89.0 && north_deg.abs() <= 360.0 && reach_m > 0.0 && reach_m <= REACH_MAX_M;
        if !sound {
            let what = "the grid of a site lies at a pole, is turned by no angle, or reaches nowhere or too far";
            return Err(
                Error::new("E0173", what).remedy("check the origin, north_deg (-360 to 360) and reach_m (to 50000)")
            );
        }
        Ok(SiteGrid { origin, north_deg, reach_m })
    }

    fn position(&self, north_m: f64, east_m: f64) -> Result<Position, Error> {
        if north_m.hypot(east_m) > self.reach_m {
            let what = format!("a coordinate is further than {} m from the origin of the site", self.reach_m);
            return Err(Error::new("E0473", what).remedy("check which datum the source speaks, or raise reach_m"));
        }
        let (sin, cos) = self.north_deg.to_radians().sin_cos();
        let (north_m, east_m) = (north_m * cos - east_m * sin, north_m * sin + east_m * cos);
        let Axes { north, east, .. } = Axes::at(self.origin);
        let at = earth_m(self.origin);
        let (lat_deg, lon_deg) = degrees(std::array::from_fn(|i| at[i] + north[i] * north_m + east[i] * east_m));
        Position::from_degrees(lat_deg, lon_deg)
    }

    fn of(&self, place: Position) -> (f64, f64) {
        let (sin, cos) = self.north_deg.to_radians().sin_cos();
        let Axes { north, east, up } = Axes::at(self.origin);
        let (from, to) = (earth_m(self.origin), earth_m(place));
        let away: [f64; 3] = std::array::from_fn(|i| to[i] - from[i]);
        let along = |axis: [f64; 3]| (0..3).map(|i| axis[i] * away[i]).sum::<f64>();
        // What lies on the earth below the plane, as seen from the middle of the earth.
        let above = 1.0 - along(up) / WGS84_AXIS_M;
        let (north_m, east_m) = (along(north) * above, along(east) * above);
        (north_m * cos + east_m * sin, east_m * cos - north_m * sin)
    }
}

/// North, east and up at a place, in the axes of the earth.
struct Axes {
    north: [f64; 3],
    east: [f64; 3],
    up: [f64; 3],
}

impl Axes {
    fn at(place: Position) -> Self {
        let (sin_lat, cos_lat) = place.lat_deg().to_radians().sin_cos();
        let (sin_lon, cos_lon) = place.lon_deg().to_radians().sin_cos();
        Axes {
            north: [-sin_lat * cos_lon, -sin_lat * sin_lon, cos_lat],
            east: [-sin_lon, cos_lon, 0.0],
            up: [cos_lat * cos_lon, cos_lat * sin_lon, sin_lat],
        }
    }
}

/// A place on the ellipsoid, metres from the middle of the earth.
fn earth_m(place: Position) -> [f64; 3] {
    let (sin_lat, cos_lat) = place.lat_deg().to_radians().sin_cos();
    let (sin_lon, cos_lon) = place.lon_deg().to_radians().sin_cos();
    let across_m = WGS84_AXIS_M / (1.0 - WGS84_ECCENTRICITY_2 * sin_lat * sin_lat).sqrt();
    [across_m * cos_lat * cos_lon, across_m * cos_lat * sin_lon, across_m * (1.0 - WGS84_ECCENTRICITY_2) * sin_lat]
}

/// Latitude and longitude of a point near the ellipsoid (Bowring 1976).
fn degrees([x, y, z]: [f64; 3]) -> (f64, f64) {
    let flat = (1.0 - WGS84_ECCENTRICITY_2).sqrt();
    let across = x.hypot(y);
    let (sin, cos) = (z / flat).atan2(across).sin_cos();
    let second = WGS84_ECCENTRICITY_2 / (1.0 - WGS84_ECCENTRICITY_2);
    let lat = (z + second * WGS84_AXIS_M * flat * sin.powi(3))
        .atan2(across - WGS84_ECCENTRICITY_2 * WGS84_AXIS_M * cos.powi(3));
    (lat.to_degrees(), y.atan2(x).to_degrees())
}

/// What is bent into a coordinate.
fn back(bend: impl Fn((f64, f64)) -> (f64, f64), to: (f64, f64)) -> (f64, f64) {
    let mut from = to;
    // Each step is a thousand times nearer; three are enough everywhere.
    for _ in 0..10 {
        let (lat, lon) = bend(from);
        let off = (to.0 - lat, to.1 - lon);
        from = (from.0 + off.0, from.1 + off.1);
        if off.0.abs().max(off.1.abs()) < NEAR_DEG {
            break;
        }
    }
    from
}

/// From WGS-84 to GCJ-02, degrees; as published with maps that have to use it.
fn gcj02((lat_deg, lon_deg): (f64, f64)) -> (f64, f64) {
    if !GCJ02_LAT_DEG.contains(&lat_deg) || !GCJ02_LON_DEG.contains(&lon_deg) {
        return (lat_deg, lon_deg);
    }
    let (x, y) = (lon_deg - 105.0, lat_deg - 35.0);
    let waves = |terms: [(f64, f64); 2]| terms.iter().map(|(size, of)| size * of.sin()).sum::<f64>() * 2.0 / 3.0;
    let both = 0.1 * x * y + waves([(20.0, 6.0 * PI * x), (20.0, 2.0 * PI * x)]);
    let root = x.abs().sqrt();
    let north = -100.0
        + 2.0 * x
        + 3.0 * y
        + 0.2 * y * y
        + 0.2 * root
        + both
        + waves([(20.0, PI * y), (40.0, PI * y / 3.0)])
        + waves([(160.0, PI * y / 12.0), (320.0, PI * y / 30.0)]);
    let east = 300.0
        + x
        + 2.0 * y
        + 0.1 * x * x
        + 0.1 * root
        + both
        + waves([(20.0, PI * x), (40.0, PI * x / 3.0)])
        + waves([(150.0, PI * x / 12.0), (300.0, PI * x / 30.0)]);
    let lat = lat_deg.to_radians();
    let flat = 1.0 - GCJ02_ECCENTRICITY_2 * lat.sin().powi(2);
    let along_m = GCJ02_AXIS_M * (1.0 - GCJ02_ECCENTRICITY_2) / (flat * flat.sqrt());
    let across_m = GCJ02_AXIS_M / flat.sqrt() * lat.cos();
    (lat_deg + (north / along_m).to_degrees(), lon_deg + (east / across_m).to_degrees())
}

/// From GCJ-02 to BD-09, degrees.
fn bd09((lat_deg, lon_deg): (f64, f64)) -> (f64, f64) {
    const TURN: f64 = PI * 3_000.0 / 180.0;
    let size = lon_deg.hypot(lat_deg) + 0.000_02 * (lat_deg * TURN).sin();
    let angle = lat_deg.atan2(lon_deg) + 0.000_003 * (lon_deg * TURN).cos();
    (size * angle.sin() + 0.006, size * angle.cos() + 0.006_5)
}

#[cfg(test)]
mod tests {
    use coordtransform::{gcj02_to_bd09, wgs84_to_gcj02_in_mainland};
    use proptest::prelude::*;

    use super::*;

    /// Places in the inland rectangle of the mainland.
    fn mainland() -> impl Strategy<Value = (f64, f64)> {
        (22.0_f64..48.0, 80.0_f64..122.0)
    }

    fn near(a: (f64, f64), b: (f64, f64), deg: f64) -> bool {
        (a.0 - b.0).abs() < deg && (a.1 - b.1).abs() < deg
    }

    proptest! {
        #[test]
        fn bends_are_those_that_others_publish((lat, lon) in mainland()) {
            let theirs = wgs84_to_gcj02_in_mainland(lon, lat);
            prop_assert!(near(gcj02((lat, lon)), (theirs.1, theirs.0), 1e-9));
            let theirs = gcj02_to_bd09(lon, lat);
            prop_assert!(near(bd09((lat, lon)), (theirs.1, theirs.0), 1e-9));
        }

        #[test]
        fn the_way_back_ends_where_it_began((lat, lon) in mainland()) {
            let place = Position::from_degrees(lat, lon).unwrap();
            for datum in [Datum::Wgs84, Datum::Gcj02, Datum::Bd09] {
                let (first, second) = datum.of(place);
                prop_assert!(datum.position(first, second).unwrap().distance_m(place) < 0.02, "{datum:?}");
            }
        }

        #[test]
        fn a_site_is_as_large_as_it_says(north in -3_000.0_f64..3_000.0, east in -3_000.0_f64..3_000.0, turned in -180.0_f64..180.0) {
            let grid = site(turned);
            let origin = Position::from_degrees(30.5, 104.07).unwrap();
            let place = grid.position(north, east).unwrap();
            let away = north.hypot(east);
            // The sphere of `distance_m` is not the ellipsoid.
            prop_assert!((place.distance_m(origin) - away).abs() < 0.006 * away + 0.02);
            prop_assert!(near(grid.of(place), (north, east), 0.02));
        }
    }

    fn site(north_deg: f64) -> Datum {
        Datum::Site(SiteGrid::new(Position::from_degrees(30.5, 104.07).unwrap(), north_deg, 5_000.0).unwrap())
    }

    #[test]
    fn a_straight_line_to_the_east_bends_to_the_south() {
        let place = site(0.0).position(0.0, 5_000.0).unwrap();
        let south_m = (30.5 - place.lat_deg()) * 110_860.0;
        // tan(latitude) / 2 / radius times the square of the way.
        assert!((south_m - 1.15).abs() < 0.03, "{south_m} m");
        // A degree to the north is 110,860.9 m long here, by the series of the meridian's length.
        let north = site(0.0).position(1_000.0, 0.0).unwrap();
        assert!(((north.lat_deg() - 30.5) - 1_000.0 / 110_860.9).abs() < 3e-8, "{}", north.lat_deg());
    }

    #[test]
    fn a_turned_grid_points_where_it_says() {
        let place = site(90.0).position(1_000.0, 0.0).unwrap();
        // Its north is east.
        assert!((place.lat_deg() - 30.5).abs() < 1e-6 && place.lon_deg() > 104.08);
        assert_eq!(site(90.0).position(4_000.0, 4_000.0).unwrap_err().code(), "E0473");
        for text in [
            "lat_deg = nan",
            "lat_deg = 89.5",
            "lat_deg = 30.5\nreach_m = nan",
            "lat_deg = 30.5\nreach_m = -1.0",
            "lat_deg = 30.5\nnorth_deg = inf",
        ] {
            let error = toml::from_str::<SiteGrid>(&format!("lon_deg = 104.07\n{text}")).unwrap_err().to_string();
            assert!(error.contains("E0173") || error.contains("E0472"), "{text}: {error}");
        }
    }

    #[test]
    fn abroad_nothing_is_bent_and_nonsense_is_refused() {
        let london = Datum::Gcj02.position(51.5, -0.12).unwrap();
        assert_eq!(london, Datum::Wgs84.position(51.5, -0.12).unwrap());
        for (lat, lon) in [(f64::NAN, 0.0), (0.0, f64::INFINITY), (104.07, 30.5), (0.0, 200.0)] {
            for datum in [Datum::Wgs84, Datum::Gcj02, Datum::Bd09] {
                assert_eq!(datum.position(lat, lon).unwrap_err().code(), "E0472");
            }
        }
    }
}
