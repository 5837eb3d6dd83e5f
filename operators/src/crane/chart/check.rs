//! The checks that a chart must pass before anyone lifts by it.

use serde::{Deserialize, Serialize};

use super::{ChartFinding, CurveSpec};

/// What the moments (load x radius, kilogram-metres) of a plausible chart keep to. These catch wrong units and slipped
/// digits; no standard sets them.
///
/// ```
/// let limits = watchfire_operators::crane::ChartLimits::default();
/// assert_eq!(limits.moment_min_kgm, 5_000.0);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ChartLimits {
    /// Least moment of a curve's strongest point. Default 5,000 (5 t m, below the smallest tower cranes): a chart
    /// entered in tonnes falls under it.
    pub moment_min_kgm: f64,
    /// Greatest moment. Default 30,000,000 (30,000 t m, above the largest tower cranes).
    pub moment_max_kgm: f64,
    /// By what share the moment may rise from one point to the next once the curve has left its plateau. Default 0.05.
    /// Beyond the plateau the mast is the limit, and then the moment falls slowly with the radius.
    pub moment_rise_max: f64,
    /// By what share the moment may fall from one point to the next. Default 0.50: over a whole jib it falls by 20 to
    /// 45 %, so more in one step is a slipped digit.
    pub moment_fall_max: f64,
}

impl Default for ChartLimits {
    fn default() -> Self {
        Self { moment_min_kgm: 5_000.0, moment_max_kgm: 30_000_000.0, moment_rise_max: 0.05, moment_fall_max: 0.50 }
    }
}

/// All findings about the curves of one model, in the order given.
pub(super) fn model(name: &str, curves: &[CurveSpec], limits: &ChartLimits) -> Vec<ChartFinding> {
    let mut findings = Vec::new();
    if curves.is_empty() {
        let remedy = "add a [[model.reeving]] with falls, cap_kg and points";
        findings.push(ChartFinding::new("E0427", format!("model {name:?}"), "the model has no reeving", remedy));
    }
    for (index, curve) in curves.iter().enumerate() {
        let place = format!("model {name:?}, {} falls", curve.falls);
        if curve.falls == 0 {
            let remedy = "give the falls of rope, 2 or 4 on most tower cranes";
            findings.push(ChartFinding::new("E0433", &place, "falls is 0", remedy));
        }
        if curves.iter().take(index).any(|earlier| earlier.falls == curve.falls) {
            let remedy = "keep one curve per number of falls";
            findings.push(ChartFinding::new("E0435", &place, "a second curve for this reeving", remedy));
        }
        cap(&place, curve.cap_kg, &mut findings);
        points(&place, &curve.points, &mut findings);
        moments(&place, curve, limits, &mut findings);
    }
    findings
}

fn cap(place: &str, cap_kg: f64, findings: &mut Vec<ChartFinding>) {
    if !cap_kg.is_finite() {
        findings.push(not_finite(format!("{place}, cap_kg"), cap_kg));
    } else if cap_kg <= 0.0 {
        let remedy = "give the load that rope and hoist carry in this reeving, in kilograms";
        findings.push(ChartFinding::new("E0428", place, format_args!("cap_kg is {cap_kg:?}"), remedy));
    }
}

fn points(place: &str, points: &[(f64, f64)], findings: &mut Vec<ChartFinding>) {
    if points.is_empty() {
        let remedy = "enter the points of the maker's chart as [radius_m, load_kg]";
        findings.push(ChartFinding::new("E0427", place, "the curve has no points", remedy));
    }
    for (index, &(radius_m, kg)) in points.iter().enumerate() {
        let at = format!("{place}, point {}", index + 1);
        if !radius_m.is_finite() {
            findings.push(not_finite(format!("{at}, radius"), radius_m));
        } else if radius_m <= 0.0 {
            let remedy = "give the distance from the slewing axis in metres";
            findings.push(ChartFinding::new("E0423", &at, format_args!("{radius_m:?} m"), remedy));
        }
        if !kg.is_finite() {
            findings.push(not_finite(format!("{at}, load"), kg));
        } else if kg <= 0.0 {
            let remedy = "give the load in kilograms; leave out points where nothing may be lifted";
            findings.push(ChartFinding::new("E0424", &at, format_args!("{kg:?} kg"), remedy));
        }
        if let Some(&previous) = index.checked_sub(1).and_then(|before| points.get(before)) {
            order(&at, previous, (radius_m, kg), findings);
        }
    }
}

fn order(at: &str, previous: (f64, f64), this: (f64, f64), findings: &mut Vec<ChartFinding>) {
    if this.0 == previous.0 {
        let detail = format_args!("{:?} m again", this.0).to_string();
        findings.push(ChartFinding::new("E0422", at, detail, "keep one load per radius, the lower if in doubt"));
    } else if this.0 < previous.0 {
        let detail = format!("{:?} m after {:?} m", this.0, previous.0);
        findings.push(ChartFinding::new("E0421", at, detail, "sort the points by radius"));
    } else if this.1 > previous.1 && [previous.0, this.0, this.1].iter().all(|number| number.is_finite()) {
        let detail = format!("{:?} kg at {:?} m after {:?} kg at {:?} m", this.1, this.0, previous.1, previous.0);
        findings.push(ChartFinding::new("E0425", at, detail, "compare both loads with the maker's chart"));
    }
}

/// Speaks only about pairs that are otherwise in order, so that one slip gives one finding.
fn moments(place: &str, curve: &CurveSpec, limits: &ChartLimits, findings: &mut Vec<ChartFinding>) {
    let sound = |point: (f64, f64)| point.0.is_finite() && point.0 > 0.0 && point.1.is_finite() && point.1 > 0.0;
    let Some(plateau_kg) = curve.points.iter().find(|point| sound(**point)).map(|point| point.1) else { return };
    let sound_points = curve.points.iter().filter(|point| sound(**point));
    let strongest = sound_points.map(|(radius_m, kg)| radius_m * kg).fold(0.0, f64::max);
    if strongest < limits.moment_min_kgm || strongest > limits.moment_max_kgm {
        let detail = format!(
            "the greatest load x radius is {strongest:?} kg m, not {:?} to {:?}",
            limits.moment_min_kgm, limits.moment_max_kgm
        );
        findings.push(ChartFinding::new("E0426", place, detail, "give loads in kilograms and radii in metres"));
    }
    for (index, pair) in curve.points.windows(2).enumerate() {
        let &[previous, this] = pair else { continue };
        if !(sound(previous) && sound(this)) || this.0 <= previous.0 || this.1 > previous.1 {
            continue;
        }
        let change = (this.0 * this.1) / (previous.0 * previous.1) - 1.0;
        let on_plateau = previous.1 >= plateau_kg || previous.1 >= curve.cap_kg;
        if (change > limits.moment_rise_max && !on_plateau) || -change > limits.moment_fall_max {
            let detail = format!("load x radius changes by {:.0} % from point {}", change * 100.0, index + 1);
            let remedy = "compare both points with the maker's chart; look for a slipped digit";
            findings.push(ChartFinding::new("E0426", format!("{place}, point {}", index + 2), detail, remedy));
        }
    }
}

fn not_finite(place: String, value: f64) -> ChartFinding {
    ChartFinding::new("E0429", place, format_args!("{value:?}"), "enter a number")
}
