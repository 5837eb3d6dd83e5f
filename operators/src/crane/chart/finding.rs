//! What is wrong with a chart, said so that a site engineer can repair it.

use std::fmt;

/// One thing that is wrong with a chart or a chart file.
///
/// Its text is `code what (place): detail. Remedy: remedy.`
///
/// | code | what |
/// |---|---|
/// | E0421 | radii do not rise |
/// | E0422 | a radius is given twice |
/// | E0423 | a radius is zero or negative |
/// | E0424 | a load is zero or negative |
/// | E0425 | the load rises with the radius |
/// | E0426 | the moment (load x radius) is implausible |
/// | E0427 | a curve without points, or a model without curves |
/// | E0428 | the rope limit is missing, zero or negative |
/// | E0429 | a number is NaN or infinite |
/// | E0430 | a name that no model has |
/// | E0431 | a crane is listed twice |
/// | E0432 | an unknown field |
/// | E0433 | a missing field, or one of the wrong type |
/// | E0434 | the text is not TOML |
/// | E0435 | a model, or a reeving within a model, is given twice |
///
/// ```
/// use watchfire_operators::crane::{CurveSpec, RatedLoad};
///
/// let spec = CurveSpec { falls: 4, cap_kg: 6_000.0, points: vec![(14.0, 6_000.0), (18.0, 4_420.0), (15.0, 4_400.0)] };
/// let errors = RatedLoad::new("QTZ63", &[spec]).unwrap_err();
/// assert_eq!(
///     errors.findings()[0].to_string(),
///     "E0421 radii must rise (model \"QTZ63\", 4 falls, point 3): 15.0 m after 18.0 m. \
///      Remedy: sort the points by radius."
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChartFinding {
    /// Stable code, `E0421` to `E0435`.
    pub code: &'static str,
    /// Where: model, falls and number of the point (from 1), as far as they apply.
    pub place: String,
    /// What is wrong there, with the values found.
    pub what: String,
    /// What to do about it.
    pub remedy: String,
}

impl ChartFinding {
    pub(super) fn new(
        code: &'static str,
        place: impl Into<String>,
        detail: impl fmt::Display,
        remedy: impl Into<String>,
    ) -> Self {
        Self { code, place: place.into(), what: detail.to_string(), remedy: remedy.into() }
    }

    /// The rule that the code stands for.
    fn rule(&self) -> &'static str {
        match self.code {
            "E0421" => "radii must rise",
            "E0422" => "radius given twice",
            "E0423" => "radius must be above 0",
            "E0424" => "load must be above 0",
            "E0425" => "load must not rise with the radius",
            "E0426" => "moment is implausible",
            "E0427" => "no points or no curves",
            "E0428" => "rope limit must be above 0",
            "E0429" => "number must be finite",
            "E0430" => "unknown model",
            "E0431" => "crane listed twice",
            "E0432" => "unknown field",
            "E0433" => "missing field or wrong type",
            "E0434" => "not TOML",
            _ => "given twice",
        }
    }
}

impl fmt::Display for ChartFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ({}): {}. Remedy: {}.", self.code, self.rule(), self.place, self.what, self.remedy)
    }
}

/// Everything that is wrong with a chart or a chart file: at least one finding, in the order of the file.
///
/// ```
/// use watchfire_operators::crane::ChartBook;
///
/// let errors = ChartBook::from_toml("defualt_model = \"QTZ63\"").unwrap_err();
/// assert_eq!(errors.findings()[0].code, "E0432");
/// println!("{errors}");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChartErrors {
    findings: Vec<ChartFinding>,
}

impl ChartErrors {
    pub(super) fn unless_empty(findings: Vec<ChartFinding>) -> Result<(), Self> {
        if findings.is_empty() { Ok(()) } else { Err(Self { findings }) }
    }

    pub(super) fn one(finding: ChartFinding) -> Self {
        Self { findings: vec![finding] }
    }

    /// The findings, at least one.
    #[must_use]
    pub fn findings(&self) -> &[ChartFinding] {
        &self.findings
    }
}

impl fmt::Display for ChartErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the crane load charts are refused, {} finding(s):", self.findings.len())?;
        for finding in &self.findings {
            write!(f, "\n{finding}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ChartErrors {}
