//! What is looked for: conditions on rows, one after another.

use std::fmt::{self, Write as _};
use std::sync::Arc;

use watchfire_engine::Error;

use crate::window::LENGTH_MAX_MS;

/// So many steps a sequence may have.
///
/// # Examples
/// ```
/// use watchfire_operators::pattern::{STEPS_MAX, Sequence, Steps};
/// let of = |count: usize| {
///     let next = |steps: Steps<usize>, n: usize| steps.step(format!("step {n}"), move |code: &usize| *code == n);
///     Sequence::<u32, usize, _>::new((0..count).fold(Steps::new().within_ms(60_000), next), |code: &usize| *code)
/// };
/// assert!(of(STEPS_MAX).is_ok());
/// assert_eq!(of(STEPS_MAX + 1).unwrap_err().code(), "E0621");
/// ```
pub const STEPS_MAX: usize = 64;

/// A condition on a row, with a name.
struct Condition<T> {
    name: String,
    holds: Arc<dyn Fn(&T) -> bool + Send + Sync>,
}

impl<T> Clone for Condition<T> {
    fn clone(&self) -> Self {
        Condition { name: self.name.clone(), holds: self.holds.clone() }
    }
}

/// A step, and what must not come between the one before and it.
struct Step<T> {
    is: Condition<T>,
    without: Vec<Condition<T>>,
}

impl<T> Clone for Step<T> {
    fn clone(&self) -> Self {
        Step { is: self.is.clone(), without: self.without.clone() }
    }
}

/// What is looked for in the rows of a key, in the order of their event times, and of one instant in that of their ids.
///
/// - **Each row for which the first step holds begins**; what has begun takes the next row for which its next step holds, and passes over all others (skip till next match:
///   Agrawal, Diao, Gyllstrom and Immerman 2008), or, [`strictly`](Steps::strictly), ends where the very next row is another. So a row begins one match at most.
/// - **It ends without a match** where a row comes for which a [`without`](Steps::without) before the next step holds, and not that step itself; where more than
///   [`within_ms`](Steps::within_ms) lie between the first row and the last, or more than [`gap_max_ms`](Steps::gap_max_ms) between two; or where what should be
///   [`absent`](Steps::absent) came.
/// - **Matches may share rows**, if they do not have to be [`apart`](Steps::apart).
///
/// All conditions must be pure functions of the row. Their names are part of the flow's fingerprint, which cannot look into functions.
///
/// # Examples
/// A lamp that says that help was called, and nobody who says that they come within a minute:
/// ```
/// use watchfire_operators::pattern::{Sequence, Steps};
/// let unanswered = Steps::new().step("called", |code: &u8| *code == 1).absent("answered", 60_000, |code| *code == 2);
/// assert!(Sequence::<u32, u8, _>::new(unanswered, |code: &u8| *code).is_ok());
/// // Two steps, and nothing says how long they may be apart.
/// let wrong = Steps::new().step("called", |code: &u8| *code == 1).step("answered", |code| *code == 2);
/// assert_eq!(Sequence::<u32, u8, _>::new(wrong, |code: &u8| *code).unwrap_err().code(), "E0621");
/// ```
pub struct Steps<T> {
    steps: Vec<Step<T>>,
    /// What must not come before the step that comes next.
    without: Vec<Condition<T>>,
    absent: Option<(Condition<T>, i64)>,
    within_ms: Option<i64>,
    gap_max_ms: i64,
    pub(super) strict: bool,
    pub(super) apart: bool,
    /// A step was added behind what must be absent.
    after_the_end: bool,
}

impl<T> Clone for Steps<T> {
    fn clone(&self) -> Self {
        Steps { steps: self.steps.clone(), without: self.without.clone(), absent: self.absent.clone(), ..*self }
    }
}

impl<T> Default for Steps<T> {
    fn default() -> Self {
        Steps {
            steps: Vec::new(),
            without: Vec::new(),
            absent: None,
            within_ms: None,
            gap_max_ms: i64::MAX,
            strict: false,
            apart: false,
            after_the_end: false,
        }
    }
}

impl<T> fmt::Debug for Steps<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Steps({})", self.params())
    }
}

impl<T> Steps<T> {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Steps::default()
    }

    fn condition(name: impl Into<String>, holds: impl Fn(&T) -> bool + Send + Sync + 'static) -> Condition<T> {
        Condition { name: name.into(), holds: Arc::new(holds) }
    }

    /// Then a row for which this holds.
    #[must_use]
    pub fn step(mut self, name: impl Into<String>, holds: impl Fn(&T) -> bool + Send + Sync + 'static) -> Self {
        let without = std::mem::take(&mut self.without);
        self.steps.push(Step { is: Self::condition(name, holds), without });
        self.after_the_end |= self.absent.is_some();
        self
    }

    /// Before the next step no row for which this holds. A row for which both hold is taken for the step.
    #[must_use]
    pub fn without(mut self, name: impl Into<String>, holds: impl Fn(&T) -> bool + Send + Sync + 'static) -> Self {
        self.without.push(Self::condition(name, holds));
        self
    }

    /// After the last step no row for which this holds, up to `for_ms` after it (inclusive). The match is known when that time is over by the key's watermark.
    #[must_use]
    pub fn absent(
        mut self,
        name: impl Into<String>,
        for_ms: i64,
        holds: impl Fn(&T) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.after_the_end |= self.absent.is_some();
        self.absent = Some((Self::condition(name, holds), for_ms));
        self
    }

    /// No more lies between the first row and that of the last step, in milliseconds of event time. Needed where there are several steps.
    #[must_use]
    pub fn within_ms(self, within_ms: i64) -> Self {
        Steps { within_ms: Some(within_ms), ..self }
    }

    /// No more lies between the rows of two steps that follow one another, in milliseconds of event time.
    #[must_use]
    pub fn gap_max_ms(self, gap_max_ms: i64) -> Self {
        Steps { gap_max_ms, ..self }
    }

    /// The rows of a match follow one another with no other row of the key in between.
    #[must_use]
    pub fn strictly(self) -> Self {
        Steps { strict: true, ..self }
    }

    /// A row is in one match at most: where one is known, all is given up that began with its last row or before. Of several that would end with one row the one that
    /// began first is taken.
    #[must_use]
    pub fn apart(self) -> Self {
        Steps { apart: true, ..self }
    }

    /// What is wrong with it.
    pub(super) fn check(&self) -> Result<(), Error> {
        let wrong = |what: &str, remedy: &str| {
            Err(Error::new("E0621", what).at(format!("steps {}", self.params())).remedy(remedy))
        };
        let length = |ms: i64| (1..=LENGTH_MAX_MS).contains(&ms);
        if self.steps.is_empty() || self.steps.len() > STEPS_MAX {
            return wrong("a sequence has no step, or more than 64", "give one step at least");
        }
        if self.after_the_end || !self.without.is_empty() {
            return wrong(
                "something stands behind what must be absent, or is ruled out before no step",
                "let the sequence end with a step, or with what must be absent after it",
            );
        }
        if !self.steps[0].without.is_empty() {
            return wrong("something is ruled out before the first step", "rule out what comes between two steps");
        }
        if self.steps.len() > 1 && !self.within_ms.is_some_and(length) {
            return wrong("several steps lie any time apart", "give within_ms of 1 ms at least");
        }
        if self.absent.as_ref().is_some_and(|(_, for_ms)| !length(*for_ms)) || self.gap_max_ms < 0 {
            return wrong(
                "a time is not positive, or longer than any record",
                "give times in milliseconds, 1 at least",
            );
        }
        Ok(())
    }

    pub(super) fn params(&self) -> String {
        let mut text = String::new();
        for Step { is, without } in &self.steps {
            // Writing into a string cannot fail.
            without.iter().for_each(|not| _ = write!(text, "without \"{}\" ", not.name));
            let _ = write!(text, "\"{}\" ", is.name);
        }
        if let Some((absent, for_ms)) = &self.absent {
            let _ = write!(text, "and no \"{}\" for {for_ms} ms ", absent.name);
        }
        let Steps { within_ms, gap_max_ms, strict, apart, .. } = self;
        let _ = write!(text, "within {within_ms:?} ms, gaps of {gap_max_ms}, strictly {strict}, apart {apart}");
        text
    }

    pub(super) fn len(&self) -> usize {
        self.steps.len()
    }

    /// The step of this number holds.
    pub(super) fn is(&self, step: usize, row: &T) -> bool {
        self.steps.get(step).is_some_and(|step| (step.is.holds)(row))
    }

    /// Something holds that must not come before the step of this number.
    pub(super) fn is_ruled_out(&self, step: usize, row: &T) -> bool {
        self.steps.get(step).is_some_and(|step| step.without.iter().any(|not| (not.holds)(row)))
    }

    /// What must be absent after the last step is this.
    pub(super) fn is_absent(&self, row: &T) -> bool {
        self.absent.as_ref().is_some_and(|(absent, _)| (absent.holds)(row))
    }

    /// For how long something must be absent after the last step.
    pub(super) fn absent_ms(&self) -> Option<i64> {
        self.absent.as_ref().map(|(_, for_ms)| *for_ms)
    }

    /// A row at this time comes too late to go on.
    pub(super) fn is_over(&self, first_ms: i64, last_ms: i64, at_ms: i64) -> bool {
        at_ms.saturating_sub(first_ms) > self.within_ms.unwrap_or(0) || at_ms.saturating_sub(last_ms) > self.gap_max_ms
    }
}
