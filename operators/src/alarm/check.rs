//! What can be wrong with a ladder, all of it found at once.

use std::collections::BTreeSet;
use std::fmt;

use super::{Direction, Ladder, MAX_STEPS, Severity, Step};

/// The most escalation stages a ladder can have.
const MAX_STAGES: usize = 16;

/// One thing wrong with a [`Ladder`]: a stable code, the place, what is wrong and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LadderFinding {
    /// `E0131` rule name, `E0132` number of steps, `E0133` step names, `E0134` severities, `E0135` thresholds, `E0136`
    /// release values, `E0137` durations, `E0138` sample counts, `E0139` escalation, `E0140` suppression.
    pub code: &'static str,
    /// The field, such as `ladder "wind_gust" steps[1].release_at`.
    pub place: String,
    /// What is wrong, one clause.
    pub what: String,
    /// What to do, one imperative clause.
    pub remedy: String,
}

impl fmt::Display for LadderFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ({}). Remedy: {}.", self.code, self.what, self.place, self.remedy)
    }
}

/// Everything wrong with a [`Ladder`], never empty; reads as one finding per line.
///
/// # Examples
/// ```
/// use watchfire_operators::alarm::Ladder;
/// let error = Ladder::rises("Wind!", vec![]).validate().unwrap_err();
/// let codes: Vec<_> = error.findings().iter().map(|f| f.code).collect();
/// assert_eq!(codes, ["E0131", "E0132"]);
/// assert!(error.to_string().starts_with("E0131 the rule name"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LadderError {
    findings: Vec<LadderFinding>,
}

impl LadderError {
    /// The findings, in the order of the fields.
    #[must_use]
    pub fn findings(&self) -> &[LadderFinding] {
        &self.findings
    }
}

/// A ladder that cannot run, as an error of the engine: the code of its first finding, and all of them as text.
impl From<LadderError> for watchfire_engine::Error {
    fn from(ladder: LadderError) -> Self {
        let code = ladder.findings().first().map_or("E0131", |finding| finding.code);
        watchfire_engine::Error::new(code, format!("the alarm ladder cannot run: {ladder}"))
            .remedy("mend every finding")
    }
}

impl fmt::Display for LadderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, finding) in self.findings.iter().enumerate() {
            write!(f, "{}{finding}", if i == 0 { "" } else { "\n" })?;
        }
        Ok(())
    }
}

impl std::error::Error for LadderError {}

struct Findings<'a> {
    rule: &'a str,
    list: Vec<LadderFinding>,
}

impl Findings<'_> {
    fn refuse_if(&mut self, wrong: bool, code: &'static str, field: impl fmt::Display, what: &str, remedy: &str) {
        if wrong {
            let place = format!("ladder {:?} {field}", self.rule);
            self.list.push(LadderFinding { code, place, what: what.to_owned(), remedy: remedy.to_owned() });
        }
    }
}

impl Ladder {
    /// Checks the whole ladder.
    ///
    /// # Errors
    /// Everything wrong with it at once, each finding with a code from `E0131` to `E0140` (see [`LadderFinding`]).
    pub fn validate(&self) -> Result<(), LadderError> {
        let mut found = Findings { rule: &self.rule, list: Vec::new() };
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-' | '.');
        found.refuse_if(
            self.rule.is_empty() || !self.rule.chars().all(plain),
            "E0131",
            "rule",
            "the rule name is empty or holds a character that ids cannot carry",
            "use lower-case letters, digits, '_', '-' and '.'",
        );
        found.refuse_if(
            self.steps.is_empty() || self.steps.len() > MAX_STEPS,
            "E0132",
            "steps",
            "there are no steps, or more than severities",
            "give 1 to 5 steps",
        );
        let mut names = BTreeSet::new();
        for (i, step) in self.steps.iter().enumerate() {
            found.refuse_if(
                step.name.trim().is_empty() || !names.insert(step.name.as_str()),
                "E0133",
                format_args!("steps[{i}].name"),
                "the step name is empty or taken",
                "give every step a name of its own",
            );
            self.check_step(&mut found, i, step);
        }
        self.check_times(&mut found);
        if found.list.is_empty() { Ok(()) } else { Err(LadderError { findings: found.list }) }
    }

    /// The value on an axis where danger is always upwards.
    fn upward(&self, value: f64) -> f64 {
        match self.direction {
            Direction::Rises => value,
            Direction::Falls => -value,
        }
    }

    fn check_step(&self, found: &mut Findings<'_>, i: usize, step: &Step) {
        let before = i.checked_sub(1).and_then(|j| self.steps.get(j));
        found.refuse_if(
            step.severity == Severity::Unknown || before.is_some_and(|b| b.severity >= step.severity),
            "E0134",
            format_args!("steps[{i}].severity"),
            "the severity is Unknown, or not above that of the step before",
            "list the steps from Caution upwards, each severity once",
        );
        let (raise, release) = (self.upward(step.raise_at), self.upward(step.release_at));
        found.refuse_if(
            !raise.is_finite() || before.is_some_and(|b| self.upward(b.raise_at) >= raise),
            "E0135",
            format_args!("steps[{i}].raise_at"),
            "the threshold is not a finite number further into danger than that of the step before",
            "order the thresholds by danger, or set the direction",
        );
        found.refuse_if(
            !release.is_finite() || release >= raise || before.is_some_and(|b| self.upward(b.release_at) > release),
            "E0136",
            format_args!("steps[{i}].release_at"),
            "the release value is not on the safe side of raise_at, or safer than that of the step before",
            "put it between the safe side and raise_at, no safer than the step before",
        );
        found.refuse_if(
            step.hold_ms < 0 || step.clear_hold_ms < 0,
            "E0137",
            format_args!("steps[{i}]"),
            "hold_ms or clear_hold_ms is negative",
            "give durations in ms of 0 or more",
        );
        found.refuse_if(
            step.min_consecutive == 0,
            "E0138",
            format_args!("steps[{i}].min_consecutive"),
            "no sample would be needed to raise the step",
            "give at least 1",
        );
    }

    fn check_times(&self, found: &mut Findings<'_>) {
        found.refuse_if(
            self.max_gap_ms < 1,
            "E0137",
            "max_gap_ms",
            "a sample would speak for no time at all",
            "give at least the reporting period of the slowest device in ms",
        );
        found.refuse_if(
            self.unknown_after_ms < 0,
            "E0137",
            "unknown_after_ms",
            "the duration is negative",
            "give a duration in ms of 0 or more",
        );
        let stages = &self.escalate_after_ms;
        found.refuse_if(
            stages.len() > MAX_STAGES || stages.first().is_some_and(|&f| f <= 0) || !stages.is_sorted_by(|a, b| a < b),
            "E0139",
            "escalate_after_ms",
            "the stages are more than 16, not positive or not ascending",
            "give rising durations in ms, such as 60000 and 300000",
        );
        found.refuse_if(
            self.max_suppress_ms <= 0,
            "E0140",
            "max_suppress_ms",
            "the longest suppression is not positive, so no suppression could have an end",
            "give a positive duration in ms",
        );
    }
}
