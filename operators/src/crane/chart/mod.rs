//! Rated load charts: how much a tower crane may lift at which radius, per reeving.
//!
//! A chart is a falling, convex curve, close to `Q = a / (R - b) - c`. A straight line between two of its points lies
//! *above* the curve and so overstates what may be lifted (2.5 % between 15 m and 20 m of a QTZ63). The product
//! `Q x R` is nearly straight, so this module interpolates that and divides by the radius, which stays within 0.2 %.

mod book;
mod check;
mod finding;
mod models;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub use book::ChartBook;
pub use check::ChartLimits;
pub use finding::{ChartErrors, ChartFinding};

/// What a chart says about one radius.
///
/// Only [`Kg`](Self::Kg) permits a lift. There is no number for the other answers, so that none can be compared and
/// found "below the limit" by accident.
///
/// ```
/// use watchfire_operators::crane::{Rated, RatedLoad};
///
/// let chart = RatedLoad::qtz63();
/// assert_eq!(chart.rated_kg(4, 20.0), Rated::Kg(3_920.0));
/// assert_eq!(chart.rated_kg(4, 50.1), Rated::BeyondJib);
/// assert_eq!(chart.rated_kg(3, 20.0), Rated::NoReeving);
/// assert_eq!(chart.rated_kg(4, f64::NAN), Rated::Unknown);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rated {
    /// The load that may hang on the hook, hook block included as the chart includes it, kilograms, above 0.
    Kg(f64),
    /// The radius lies beyond the last point: nothing may hang there.
    BeyondJib,
    /// The chart has no curve for this number of falls.
    NoReeving,
    /// The radius is negative or not a number.
    Unknown,
}

impl Rated {
    /// The rated load in kilograms, or `None` where there is none. Do not replace `None` by a number: see
    /// [`utilisation`](Self::utilisation).
    ///
    /// ```
    /// use watchfire_operators::crane::Rated;
    /// assert_eq!((Rated::Kg(5.0).kg(), Rated::BeyondJib.kg()), (Some(5.0), None));
    /// ```
    #[must_use]
    pub fn kg(self) -> Option<f64> {
        match self {
            Self::Kg(kg) => Some(kg),
            Self::BeyondJib | Self::NoReeving | Self::Unknown => None,
        }
    }

    /// A load (kilograms) as a share of this rated load. A load that is not finite gives [`Utilisation::Unknown`].
    ///
    /// ```
    /// use watchfire_operators::crane::{Rated, Utilisation};
    /// assert_eq!(Rated::Kg(4_000.0).utilisation(3_000.0), Utilisation::Ratio(0.75));
    /// assert_eq!(Rated::BeyondJib.utilisation(0.0), Utilisation::BeyondJib);
    /// ```
    #[inline]
    #[must_use]
    pub fn utilisation(self, load_kg: f64) -> Utilisation {
        match self {
            Self::Kg(kg) if load_kg.is_finite() => Utilisation::Ratio(load_kg / kg),
            Self::Kg(_) | Self::Unknown => Utilisation::Unknown,
            Self::BeyondJib => Utilisation::BeyondJib,
            Self::NoReeving => Utilisation::NoReeving,
        }
    }
}

/// Load over rated load. It equals the moment over the rated moment at the same radius.
///
/// ```
/// use watchfire_operators::crane::{RatedLoad, Utilisation};
///
/// let chart = RatedLoad::qtz63();
/// assert_eq!(chart.utilisation(4, 1_960.0, 20.0), Utilisation::Ratio(0.5));
/// assert!(!chart.utilisation(4, 1_960.0, 20.0).reaches(0.9));
/// assert!(chart.utilisation(4, 0.0, 50.5).reaches(0.9), "beyond the jib is never safe");
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Utilisation {
    /// 1.0 is the rated load. Finite; slightly negative if the load cell's zero drifted.
    Ratio(f64),
    /// See [`Rated::BeyondJib`].
    BeyondJib,
    /// See [`Rated::NoReeving`].
    NoReeving,
    /// The load or the radius is not a usable number.
    Unknown,
}

impl Utilisation {
    /// The ratio, or `None` where there is none.
    ///
    /// ```
    /// use watchfire_operators::crane::Utilisation;
    /// assert_eq!((Utilisation::Ratio(0.9).ratio(), Utilisation::Unknown.ratio()), (Some(0.9), None));
    /// ```
    #[must_use]
    pub fn ratio(self) -> Option<f64> {
        match self {
            Self::Ratio(ratio) => Some(ratio),
            Self::BeyondJib | Self::NoReeving | Self::Unknown => None,
        }
    }

    /// Whether the load must be treated as at or above `limit` (1.0 is the rated load): true unless it is *known* to
    /// be below. A `limit` that is NaN is reached by everything.
    ///
    /// ```
    /// use watchfire_operators::crane::Utilisation;
    /// assert!(Utilisation::Ratio(1.0).reaches(1.0));
    /// assert!(!Utilisation::Ratio(0.999).reaches(1.0));
    /// assert!(Utilisation::Unknown.reaches(1.0));
    /// ```
    #[inline]
    #[must_use]
    pub fn reaches(self, limit: f64) -> bool {
        match self {
            // `partial_cmp` and not `>=`: a limit that is NaN must count as reached.
            Self::Ratio(ratio) => ratio.partial_cmp(&limit) != Some(std::cmp::Ordering::Less),
            Self::BeyondJib | Self::NoReeving | Self::Unknown => true,
        }
    }
}

/// How a curve answers between two of its points.
///
/// ```
/// use watchfire_operators::crane::{ChartMode, Rated, RatedLoad};
///
/// let chart = RatedLoad::qtz63();
/// let curve = chart.curve(4).unwrap();
/// assert_eq!(curve.rated_in(ChartMode::Strict, 15.1), Rated::Kg(4_420.0)); // the value at 18 m
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChartMode {
    /// Interpolate the product of load and radius. The default.
    #[default]
    Product,
    /// Round the radius up to the next point of the chart: never above what the chart prints.
    Strict,
}

/// Nearer to the axis than this a load has next to no moment, and is compared with the rated load itself.
const MOMENT_FROM_M: f64 = 0.001;

/// Cells of a curve's index at most; a chart with points so close that more were needed is searched in halves.
const CELLS_MAX: usize = 256;

/// The points of one curve before they are checked. Radii in metres and loads in kilograms, both above 0; radii
/// strictly rising, loads not rising.
///
/// ```
/// use watchfire_operators::crane::{CurveSpec, RatedLoad};
///
/// let spec = CurveSpec { falls: 2, cap_kg: 3_000.0, points: vec![(25.0, 3_000.0), (50.0, 1_300.0)] };
/// assert!(RatedLoad::new("small", &[spec]).is_ok());
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CurveSpec {
    /// Falls of rope, 1 or more.
    pub falls: u8,
    /// What rope and hoist carry in this reeving at any radius, kilograms, above 0.
    pub cap_kg: f64,
    /// (radius in metres, rated load in kilograms).
    pub points: Vec<(f64, f64)>,
}

/// One point, with the interpolation from the point before it worked out in advance.
#[derive(Clone, Debug, PartialEq)]
struct Point {
    radius_m: f64,
    kg: f64,
    /// The load of the point before, or the cap of the curve if that is less.
    most_kg: f64,
    /// Between the previous point and this one the rated load is `moment_kgm / radius + slope_kg`.
    moment_kgm: f64,
    slope_kg: f64,
}

/// The rated load of one crane model in one reeving, over the radius.
///
/// A look-up is one step into an index of equal lengths of jib (a binary search where points lie very close together)
/// and at most one division: a few nanoseconds, no allocation. Get the curve once per run of readings with the same reeving and keep it.
///
/// ```
/// use watchfire_operators::crane::{Rated, RatedLoad};
///
/// let chart = RatedLoad::qtz63();
/// let curve = chart.curve(2).unwrap();
/// assert_eq!(curve.rated(10.0), Rated::Kg(3_000.0));
/// assert_eq!(curve.rated(30.0), Rated::Kg(2_450.0));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    falls: u8,
    cap_kg: f64,
    points: Box<[Point]>,
    index: Index,
}

/// Equal cells of the radius, each with at most one point in it: so that a look-up takes no branch that hangs on the
/// radius, and no scan.
#[derive(Clone, Debug, PartialEq)]
struct Index {
    cells_per_m: f64,
    /// How many points lie before each cell. Empty if no number of cells up to [`CELLS_MAX`] tells all points apart.
    before: Box<[u8]>,
}

impl Index {
    fn new(radii_m: &[f64]) -> Self {
        let reach_m = radii_m.last().copied().unwrap_or(0.0);
        let mut cells = radii_m.len().next_power_of_two();
        while cells <= CELLS_MAX && radii_m.len() < CELLS_MAX {
            let cells_per_m = cells as f64 / reach_m;
            let cell_of = |radius_m: &f64| (radius_m * cells_per_m) as u32;
            if cells_per_m.is_finite() && radii_m.is_sorted_by(|a, b| cell_of(a) < cell_of(b)) {
                // The last point may be rounded to the cell after the last.
                let before = |cell| radii_m.iter().filter(|radius_m| cell_of(radius_m) < cell).count() as u8;
                return Index { cells_per_m, before: (0..=cells as u32).map(before).collect() };
            }
            cells *= 2;
        }
        Index { cells_per_m: 0.0, before: Box::default() }
    }
}

impl Curve {
    /// Builds from points that are known to be sound: at least one, as [`CurveSpec`] demands.
    fn from_sound(falls: u8, cap_kg: f64, points: &[(f64, f64)]) -> Self {
        let mut built = Vec::with_capacity(points.len());
        let mut previous: Option<(f64, f64)> = None;
        for &(radius_m, kg) in points {
            let (radius_0_m, kg_0) = previous.unwrap_or((radius_m, kg));
            let slope_kg = match previous {
                Some(_) => (radius_m * kg - radius_0_m * kg_0) / (radius_m - radius_0_m),
                None => kg,
            };
            built.push(Point {
                radius_m,
                kg,
                most_kg: kg_0.min(cap_kg),
                moment_kgm: radius_0_m * (kg_0 - slope_kg),
                slope_kg,
            });
            previous = Some((radius_m, kg));
        }
        let radii_m: Vec<f64> = points.iter().map(|point| point.0).collect();
        Self { falls, cap_kg, points: built.into_boxed_slice(), index: Index::new(&radii_m) }
    }

    /// Falls of rope that this curve is for.
    #[must_use]
    pub fn falls(&self) -> u8 {
        self.falls
    }

    /// What rope and hoist carry at any radius, kilograms. The share of *this* is the rope's utilisation, to be kept
    /// beside the share of the radius chart.
    #[must_use]
    pub fn cap_kg(&self) -> f64 {
        self.cap_kg
    }

    /// Radius of the last point, metres: the end of the jib as far as the chart knows.
    #[must_use]
    pub fn reach_m(&self) -> f64 {
        self.points.last().map_or(0.0, |point| point.radius_m)
    }

    /// The points as given: (radius in metres, load in kilograms), radii rising.
    ///
    /// ```
    /// let chart = watchfire_operators::crane::RatedLoad::qtz63();
    /// assert_eq!(chart.curve(4).unwrap().points().last(), Some((50.0, 1_300.0)));
    /// ```
    pub fn points(&self) -> impl DoubleEndedIterator<Item = (f64, f64)> + '_ {
        self.points.iter().map(|point| (point.radius_m, point.kg))
    }

    /// The rated load at a radius (metres), with the product of load and radius interpolated between points.
    ///
    /// - Never above [`cap_kg`](Self::cap_kg), and exactly the given load (or the cap) at a point.
    /// - Below the first point: the first point's load. A chart that starts at 15 m says nothing about lifting more at
    ///   12 m, so nothing more is assumed.
    /// - Beyond the last point: [`Rated::BeyondJib`]. A negative radius or NaN: [`Rated::Unknown`].
    /// - Not rising with the radius.
    ///
    /// O(1); O(log points) where points lie closer together than a 256th of the jib.
    ///
    /// ```
    /// use watchfire_operators::crane::RatedLoad;
    ///
    /// let chart = RatedLoad::qtz63();
    /// let kg = chart.curve(4).unwrap().rated(16.5).kg().unwrap();
    /// assert!((kg - 4_879.0).abs() < 5.0, "{kg}"); // a straight line would say 4,925
    /// ```
    #[inline]
    #[must_use]
    pub fn rated(&self, radius_m: f64) -> Rated {
        match self.at_or_beyond(radius_m) {
            Ok(point) => {
                // No branch that hangs on the radius: the next crane's is elsewhere. Up to the first point and on a
                // plateau both bounds are the same load, also where radius 0 gives 0 / 0: `max` drops a NaN. At a point
                // the printed load is returned as it is; a division could miss it by a rounding step.
                let between_kg = (point.moment_kgm / radius_m + point.slope_kg).max(point.kg);
                let kg = if point.radius_m == radius_m { point.kg } else { between_kg };
                Rated::Kg(kg.min(point.most_kg))
            }
            Err(none) => none,
        }
    }

    /// The rated load with the radius rounded up to the next point of the chart; otherwise as [`rated`](Self::rated),
    /// and never above it.
    ///
    /// ```
    /// use watchfire_operators::crane::{Rated, RatedLoad};
    ///
    /// let chart = RatedLoad::qtz63();
    /// assert_eq!(chart.curve(4).unwrap().rated_strict(20.01), Rated::Kg(3_510.0));
    /// ```
    #[inline]
    #[must_use]
    pub fn rated_strict(&self, radius_m: f64) -> Rated {
        match self.at_or_beyond(radius_m) {
            Ok(point) => Rated::Kg(point.kg.min(self.cap_kg)),
            Err(none) => none,
        }
    }

    /// [`rated`](Self::rated) or [`rated_strict`](Self::rated_strict), as a setting says.
    ///
    /// ```
    /// use watchfire_operators::crane::{ChartMode, RatedLoad};
    /// let chart = RatedLoad::qtz63();
    /// let curve = chart.curve(4).unwrap();
    /// assert_eq!(curve.rated_in(ChartMode::Product, 19.0), curve.rated(19.0));
    /// ```
    #[inline]
    #[must_use]
    pub fn rated_in(&self, mode: ChartMode, radius_m: f64) -> Rated {
        match mode {
            ChartMode::Product => self.rated(radius_m),
            ChartMode::Strict => self.rated_strict(radius_m),
        }
    }

    /// A load (kilograms) at a radius (metres) as a share of the rated load there, with the product of load and radius
    /// interpolated between points; see [`utilisation_in`](Self::utilisation_in).
    ///
    /// ```
    /// use watchfire_operators::crane::{RatedLoad, Utilisation};
    /// let chart = RatedLoad::qtz63();
    /// assert_eq!(chart.curve(4).unwrap().utilisation(3_920.0, 20.0), Utilisation::Ratio(1.0));
    /// ```
    #[inline]
    #[must_use]
    pub fn utilisation(&self, load_kg: f64, radius_m: f64) -> Utilisation {
        self.utilisation_in(ChartMode::Product, load_kg, radius_m)
    }

    /// A load (kilograms) at a radius (metres) as a share of the rated load there, as a load moment limiter reckons it:
    /// load moment over rated moment. That is the load over [`rated_in`](Self::rated_in), with one division, up to the
    /// rounding of the last digit; at a point of the chart it is the load over the printed load.
    ///
    /// ```
    /// use watchfire_operators::crane::{ChartMode, RatedLoad, Utilisation};
    /// let chart = RatedLoad::qtz63();
    /// let curve = chart.curve(4).unwrap();
    /// assert_eq!(curve.utilisation_in(ChartMode::Strict, 4_420.0, 15.1), Utilisation::Ratio(1.0));
    /// assert_eq!(curve.utilisation_in(ChartMode::Product, 1_000.0, 51.0), Utilisation::BeyondJib);
    /// ```
    #[inline]
    #[must_use]
    pub fn utilisation_in(&self, mode: ChartMode, load_kg: f64, radius_m: f64) -> Utilisation {
        let moment_kgm = load_kg * radius_m;
        let far_enough = mode == ChartMode::Product && radius_m >= MOMENT_FROM_M && moment_kgm.is_finite();
        if !far_enough {
            return self.rated_in(mode, radius_m).utilisation(load_kg);
        }
        match self.at_or_beyond(radius_m) {
            Ok(point) => {
                let between_kgm = point.moment_kgm + point.slope_kg * radius_m;
                let (least_kgm, most_kgm) = (point.kg * radius_m, point.most_kg * radius_m);
                let rated_kgm = if point.radius_m == radius_m { least_kgm } else { between_kgm };
                // Nothing here is NaN: comparing is all that the least and the greatest need.
                let rated_kgm = if rated_kgm < least_kgm { least_kgm } else { rated_kgm };
                Utilisation::Ratio(moment_kgm / if rated_kgm > most_kgm { most_kgm } else { rated_kgm })
            }
            Err(none) => none.utilisation(load_kg),
        }
    }

    /// The first point whose radius is not below the given one.
    #[inline]
    fn at_or_beyond(&self, radius_m: f64) -> Result<&Point, Rated> {
        if radius_m.is_nan() || radius_m < 0.0 {
            return Err(Rated::Unknown);
        }
        let cell = (radius_m * self.index.cells_per_m) as u32 as usize;
        let at = match self.index.before.get(cell) {
            // Rounding keeps order: points of cells before this one are below the radius, those of cells after are not.
            Some(before) => usize::from(*before) + self.one_below(usize::from(*before), radius_m),
            None if self.index.before.is_empty() => self.points.partition_point(|point| point.radius_m < radius_m),
            None => return Err(Rated::BeyondJib),
        };
        self.points.get(at).ok_or(Rated::BeyondJib)
    }

    #[inline]
    fn one_below(&self, at: usize, radius_m: f64) -> usize {
        self.points.get(at).map_or(0, |point| usize::from(point.radius_m < radius_m))
    }
}

/// The load chart of one crane model: one [`Curve`] per reeving.
///
/// ```
/// use watchfire_operators::crane::{Rated, RatedLoad};
///
/// let chart = RatedLoad::qtz63();
/// assert_eq!(chart.model(), "QTZ63");
/// assert_eq!(chart.rated_kg(4, 15.0), Rated::Kg(5_430.0));
/// assert_eq!(chart.rated_kg(2, 15.0), Rated::Kg(3_000.0));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct RatedLoad {
    model: String,
    curves: Vec<Curve>,
}

impl RatedLoad {
    /// Checks the curves against the default [`ChartLimits`] and builds the chart.
    ///
    /// # Errors
    /// Every finding at once; see [`ChartErrors`].
    ///
    /// ```
    /// use watchfire_operators::crane::{CurveSpec, RatedLoad};
    ///
    /// let swapped = CurveSpec { falls: 2, cap_kg: 3_000.0, points: vec![(50.0, 1_300.0), (25.0, 3_000.0)] };
    /// let errors = RatedLoad::new("small", &[swapped]).unwrap_err();
    /// assert_eq!(errors.findings()[0].code, "E0421");
    /// ```
    pub fn new(model: impl Into<String>, curves: &[CurveSpec]) -> Result<Self, ChartErrors> {
        Self::new_within(model, curves, &ChartLimits::default())
    }

    /// As [`new`](Self::new), with limits of the caller's choice.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn new_within(
        model: impl Into<String>,
        curves: &[CurveSpec],
        limits: &ChartLimits,
    ) -> Result<Self, ChartErrors> {
        let model = model.into();
        ChartErrors::unless_empty(check::model(&model, curves, limits))?;
        Ok(Self::from_sound(model, curves))
    }

    fn from_sound(model: String, curves: &[CurveSpec]) -> Self {
        let mut curves: Vec<Curve> =
            curves.iter().map(|curve| Curve::from_sound(curve.falls, curve.cap_kg, &curve.points)).collect();
        curves.sort_by_key(Curve::falls);
        Self { model, curves }
    }

    /// The model's name.
    #[must_use]
    pub fn model(&self) -> &str {
        &self.model
    }

    /// The curves, by rising number of falls.
    #[must_use]
    pub fn curves(&self) -> &[Curve] {
        &self.curves
    }

    /// The curve of a reeving, or `None` if the chart has none. A scan over the two or three curves a crane has.
    ///
    /// ```
    /// assert!(watchfire_operators::crane::RatedLoad::qtz63().curve(3).is_none());
    /// ```
    #[inline]
    #[must_use]
    pub fn curve(&self, reeving: u8) -> Option<&Curve> {
        self.curves.iter().find(|curve| curve.falls == reeving)
    }

    /// The rated load in a reeving at a radius (metres); see [`Curve::rated`].
    ///
    /// ```
    /// use watchfire_operators::crane::{Rated, RatedLoad};
    /// assert_eq!(RatedLoad::qtz80().rated_kg(4, 20.0), Rated::Kg(4_480.0));
    /// ```
    #[inline]
    #[must_use]
    pub fn rated_kg(&self, reeving: u8, radius_m: f64) -> Rated {
        self.curve(reeving).map_or(Rated::NoReeving, |curve| curve.rated(radius_m))
    }

    /// A load (kilograms) as a share of the rated load in a reeving at a radius (metres).
    ///
    /// ```
    /// use watchfire_operators::crane::{RatedLoad, Utilisation};
    /// assert_eq!(RatedLoad::qtz63().utilisation(3, 100.0, 20.0), Utilisation::NoReeving);
    /// ```
    #[inline]
    #[must_use]
    pub fn utilisation(&self, reeving: u8, load_kg: f64, radius_m: f64) -> Utilisation {
        self.curve(reeving).map_or(Utilisation::NoReeving, |curve| curve.utilisation(load_kg, radius_m))
    }

    /// The greatest load the crane lifts in any reeving, kilograms.
    ///
    /// ```
    /// assert_eq!(watchfire_operators::crane::RatedLoad::qtz63().max_kg(), 6_000.0);
    /// ```
    #[must_use]
    pub fn max_kg(&self) -> f64 {
        let best = |curve: &Curve| curve.points.first().map_or(0.0, |point| point.kg.min(curve.cap_kg));
        self.curves.iter().map(best).fold(0.0, f64::max)
    }
}
