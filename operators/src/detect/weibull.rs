//! How likely a part fails soon, by how much it was used.

use serde::{Deserialize, Serialize};
use watchfire_engine::{Error, State, rkyv};

use super::{Judged, Score};
use crate::alarm::UnknownCause;

/// How likely a part that has come so far fails within so much more use: a Weibull life by usage (Weibull 1951). With a shape above 1 it wears out; below,
/// what is young fails; at 1, age says nothing.
///
/// A value is the use since the one before: cycles, runs, hours under load; less than none is out of range, and counts for nothing. Where the part is replaced the reading says
/// [`Reset`](super::Reading::Reset). O(1) a value.
///
/// # Examples
/// ```
/// use watchfire_operators::detect::{Judged, Score, Weibull, WeibullState};
/// // Rollers that last some 200,000 door cycles, and wear out; how likely within the 5,000 of the next week?
/// let rollers = Weibull { shape: 2.0, scale: 200_000.0, within: 5_000.0 };
/// let mut state = WeibullState::default();
/// let mut p = |cycles| match rollers.score(&mut state, 0, cycles) {
///     Judged::Score(p, _) => p,
///     _ => f64::NAN,
/// };
/// let (new, old) = (p(0.0), p(300_000.0));
/// assert!(new < 0.001 && (0.07..0.08).contains(&old), "{new} {old}");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Weibull {
    /// The shape; above 0.
    pub shape: f64,
    /// The use by which 63 % have failed; above 0.
    pub scale: f64,
    /// How much more use is looked ahead; 0 or more.
    pub within: f64,
}

impl Default for Weibull {
    /// Wears out a little (a shape of 1.5, as door parts of lifts do), by a scale of 1, looked ahead a hundredth of it.
    fn default() -> Self {
        Weibull { shape: 1.5, scale: 1.0, within: 0.01 }
    }
}

/// What [`Weibull`] remembers of a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
#[rkyv(crate = rkyv)]
pub struct WeibullState {
    used: f64,
}

impl State for WeibullState {
    const NAME: &'static str = "watchfire.weibull";
    const VERSION: u32 = 1;
}

/// The numbers behind a score of [`Weibull`].
///
/// # Examples
/// ```
/// use watchfire_operators::detect::{Judged, Score, Weibull, WeibullState};
/// let rollers = Weibull { shape: 2.0, scale: 200_000.0, within: 5_000.0 };
/// let mut state = WeibullState::default();
/// rollers.score(&mut state, 0, 150_000.0);
/// let Judged::Score(_, why) = rollers.score(&mut state, 0, 50_000.0) else { panic!("it never warms up") };
/// assert_eq!(why.used, 200_000.0);
/// assert!((why.survives - 0.37).abs() < 0.01, "63 % have failed by then: {why:?}");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct WeibullWhy {
    /// How much it was used.
    pub used: f64,
    /// How likely a part comes so far.
    pub survives: f64,
}

/// The life of a part: how much it was used, and whether it failed then or still worked.
///
/// # Examples
/// ```
/// use watchfire_operators::detect::Life;
/// let works = Life { used: 120_000.0, failed: false };
/// assert!(!works.failed);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Life {
    /// How much it was used.
    pub used: f64,
    /// It failed then; else it still worked, or was replaced before it failed.
    pub failed: bool,
}

/// Shapes that are looked at.
const SHAPES: (f64, f64) = (0.05, 50.0);

impl Weibull {
    /// The likeliest life of parts of which these are known, those that still work included, looked ahead by `within`. O(lives), 60 times.
    ///
    /// # Errors
    /// `E0611` if fewer than two have failed, all after nearly the same use (by a shape above 50), or a use is no number above 0.
    ///
    /// # Examples
    /// ```
    /// use watchfire_operators::detect::{Life, Weibull};
    /// let failed = [80.0, 95.0, 110.0, 120.0, 140.0].map(|used| Life { used, failed: true });
    /// let works = Life { used: 130.0, failed: false };
    /// let fitted = Weibull::fit(failed.iter().chain([&works]).copied(), 10.0)?;
    /// assert!(fitted.shape > 4.0 && (110.0..130.0).contains(&fitted.scale), "{fitted:?}");
    /// assert_eq!(Weibull::fit([works], 10.0).unwrap_err().code(), "E0611");
    /// # Ok::<(), watchfire_engine::Error>(())
    /// ```
    pub fn fit(lives: impl IntoIterator<Item = Life>, within: f64) -> Result<Weibull, Error> {
        let lives: Vec<Life> = lives.into_iter().collect();
        let wrong =
            |what: &str| Error::new("E0611", what).remedy("give the lives of at least two parts that have failed");
        if lives.iter().any(|life| !(life.used > 0.0 && life.used.is_finite())) {
            return Err(wrong("a part was used for no number above 0"));
        }
        let most = lives.iter().map(|life| life.used).fold(0.0, f64::max);
        let logs: Vec<f64> = lives.iter().map(|life| (life.used / most).ln()).collect();
        let failed: Vec<f64> = lives.iter().zip(&logs).filter(|(life, _)| life.failed).map(|(_, ln)| *ln).collect();
        if failed.len() < 2 || failed.iter().all(|ln| *ln == failed[0]) {
            return Err(wrong("too few parts have failed, or all after the same use"));
        }
        let mean = failed.iter().sum::<f64>() / failed.len() as f64;
        // The derivative of the likelihood by the shape, where the scale is the best for it: it falls, so it is halved in between.
        let excess = |shape: f64| {
            let (of, with) = logs.iter().fold((0.0, 0.0), |(of, with), ln| {
                let power = (shape * ln).exp();
                (of + power, with + power * ln)
            });
            with / of - 1.0 / shape - mean
        };
        let (mut low, mut high) = SHAPES;
        if excess(low) > 0.0 || excess(high) < 0.0 {
            return Err(wrong(
                "parts have failed after nearly the same use, or after use of every size: no shape from 0.05 to 50 is the likeliest",
            ));
        }
        for _ in 0..60 {
            let middle = f64::midpoint(low, high);
            if excess(middle) < 0.0 { low = middle } else { high = middle }
        }
        let shape = f64::midpoint(low, high);
        let sum: f64 = logs.iter().map(|ln| (shape * ln).exp()).sum();
        Ok(Weibull { shape, scale: most * (sum / failed.len() as f64).powf(1.0 / shape), within })
    }

    /// The hazard that has added up by so much use.
    fn hazard(&self, used: f64) -> f64 {
        (used / self.scale).powf(self.shape)
    }
}

impl Score for Weibull {
    type Value = f64;
    type Why = WeibullWhy;
    type State = WeibullState;
    const KIND: &'static str = "weibull";

    #[inline]
    fn score(&self, st: &mut WeibullState, _at_ms: i64, used: f64) -> Judged<WeibullWhy> {
        if used < 0.0 {
            return Judged::Unknown(UnknownCause::OutOfRange);
        }
        st.used += used;
        let (now, within) = (self.hazard(st.used), self.within.max(0.0));
        let more = if within < st.used {
            // Not as a difference: of what was used very much no digits would be left.
            now * (self.shape * (within / st.used).ln_1p()).exp_m1()
        } else {
            self.hazard(st.used + within) - now
        };
        // What is beyond reckoning does not last.
        let fails = if more.is_nan() { 1.0 } else { -(-more).exp_m1() };
        Judged::Score(fails, WeibullWhy { used: st.used, survives: (-now).exp() })
    }
}
