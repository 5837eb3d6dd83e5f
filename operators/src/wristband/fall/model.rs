//! What tells a fall from all else that a wrist goes through, on a model of band.

use serde::{Deserialize, Serialize};
use watchfire_engine::Error;

use super::impact::{APART_MS, FEATURES, Features, features, is_peak};
use super::track::Sample;
use crate::detect::{Known, Logistic};
use crate::window::TIME_MAX_MS;
use crate::wristband::Acceleration;

/// How falls are told on a model of band.
///
/// Thresholds do not carry over from one device to another. So each model of band has
/// its own, learned from people who fell on purpose with it ([`learn`](FallModel::learn)); with few of these, from what was learned of another
/// ([`adapt`](FallModel::adapt)); with none, it goes by the rule.
///
/// # Examples
/// See [`learn`](FallModel::learn).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FallModel {
    /// By a rule.
    Rule(FallRule),
    /// By what is learned, over what [`FallModel::features`] lists.
    Learned(Logistic),
}

impl Default for FallModel {
    fn default() -> Self {
        FallModel::RULE
    }
}

/// Free fall, an impact, and lying in another direction than before, hardly moving. What is not known of before and after does not speak against it.
///
/// The defaults are that end of what is published which misses least: of free fall 0.6 to 0.8 g, of impacts 2 to 4 g, of tilts 30 to 60 degrees, of stillness 0.1 to 0.5 g (Bagalà et al. 2012 review
/// thirteen such). Many are told for nothing: teach it.
///
/// # Examples
/// ```
/// use watchfire_operators::wristband::FallRule;
/// assert_eq!(FallRule::default().impact_g, 2.0);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FallRule {
    /// In the second before the impact it was no more than this once.
    pub free_fall_g: f64,
    /// The impact is this hard or harder; from 1.5 on, since what is softer is not looked at.
    pub impact_g: f64,
    /// Down is another direction afterwards, by this many degrees or more.
    pub tilt_deg: f64,
    /// Afterwards it spreads by this or less, one standard deviation from 1 s to 3.5 s after the impact.
    pub still_g: f64,
}

impl FallRule {
    const DEFAULT: FallRule = FallRule { free_fall_g: 0.8, impact_g: 2.0, tilt_deg: 30.0, still_g: 0.5 };
}

impl Default for FallRule {
    fn default() -> Self {
        FallRule::DEFAULT
    }
}

/// A stretch of what a band has said, with somebody who fell once in it, or did not: what a model is learned from. It should reach from three seconds before a fall to five after it.
///
/// # Examples
/// See [`FallModel::learn`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FallTrial {
    /// Milliseconds from whenever, and what was said then, in any order.
    pub samples: Vec<(i64, Acceleration)>,
    /// They fell.
    pub fell: bool,
}

/// How strongly the weights of a new model are kept small, and those of another device to what was learned before.
const LEARN_L2: f64 = 1.0;
const ADAPT_L2: f64 = 10.0;

/// Sums of the same numbers in another order differ by less.
const ROUNDING: f64 = 1e-9;

/// Impacts that are softer than this are not looked at.
pub(super) const IMPACT_MG: i64 = 1_500;

fn wrong(what: String) -> Error {
    Error::new("E0636", what).remedy(
        "learn the model anew, with this release, from trials in g of people who fell and of people who did not",
    )
}

impl FallModel {
    pub(super) const RULE: FallModel = FallModel::Rule(FallRule::DEFAULT);

    /// What is looked at of an impact, in this order.
    ///
    /// # Examples
    /// ```
    /// use watchfire_operators::wristband::FallModel;
    /// assert_eq!(FallModel::features()[..2], ["impact_g", "least_just_before_g"]);
    /// ```
    #[must_use]
    pub fn features() -> &'static [&'static str] {
        &FEATURES
    }

    /// Learns from labelled trials.
    ///
    /// Of a trial with a fall the hardest impact is that of the fall, and its others are not learned from; of one without, every impact is none. Impacts are those of 1.5 g and more that are the greatest
    /// of a second before and after. A [`Logistic`] regression weighs both kinds alike, and tells a fall from where most trials come out right: sensitivity and specificity add up to the most.
    ///
    /// # Errors
    /// `E0636` if less than ten trials of either kind have an impact.
    ///
    /// # Examples
    /// ```
    /// use watchfire_operators::wristband::{Acceleration, FallModel, FallTrial};
    /// // A fall: nothing weighs, an impact of so many g, and down is along another axis. The others clap their hands.
    /// let trial = |fell: bool, hard: f64| {
    ///     let g = |ms: i64| match ms {
    ///         2_700..3_000 if fell => [0.0, 0.0, 0.3],
    ///         3_000 => [0.0, 0.0, hard],
    ///         3_001.. if fell => [1.0, 0.0, 0.0],
    ///         _ => [0.0, 0.1 * (ms % 3) as f64, 1.0],
    ///     };
    ///     let samples = (0..8_000).step_by(20).filter_map(|ms| Some((ms, Acceleration::from_g(g(ms))?))).collect();
    ///     FallTrial { samples, fell }
    /// };
    /// let trials: Vec<FallTrial> = (0..40).map(|n| trial(n % 2 == 0, 2.0 + f64::from(n % 7) / 3.0)).collect();
    /// let model = FallModel::learn(&trials)?;
    /// assert!(trials.iter().all(|of| model.tells(of) == of.fell));
    /// # Ok::<(), watchfire_engine::Error>(())
    /// ```
    pub fn learn(trials: &[FallTrial]) -> Result<FallModel, Error> {
        let seen: Vec<Seen> = trials.iter().map(Seen::of).collect();
        let (falls, others) = counts(&seen);
        if falls < 10 || others < 10 {
            return Err(wrong(format!(
                "{falls} falls and {others} trials without have an impact, of each kind there are to be ten"
            )));
        }
        let names = FEATURES.map(str::to_owned).to_vec();
        let fitted = fit(&seen, |known| Logistic::fit(names, known, LEARN_L2))?;
        let from = best(&fitted, &seen);
        Ok(FallModel::Learned(fitted.likelier(ROUNDING - from)))
    }

    /// Learns a new model of band from few trials with it, twenty or so of both kinds, drawn towards this model.
    ///
    /// # Errors
    /// `E0636` if this model is a rule, or there is no trial of either kind with an impact.
    ///
    /// # Examples
    /// ```
    /// use watchfire_operators::wristband::FallModel;
    /// assert_eq!(FallModel::default().adapt(&[]).unwrap_err().code(), "E0636", "a rule does not learn");
    /// ```
    pub fn adapt(&self, trials: &[FallTrial]) -> Result<FallModel, Error> {
        let FallModel::Learned(before) = self else { return Err(wrong("a rule cannot be adapted".to_owned())) };
        let seen: Vec<Seen> = trials.iter().map(Seen::of).collect();
        let (falls, others) = counts(&seen);
        if falls == 0 || others == 0 {
            return Err(wrong(format!(
                "{falls} falls and {others} trials without have an impact: there is nothing to tell apart"
            )));
        }
        fit(&seen, |known| before.refit(known, ADAPT_L2)).map(FallModel::Learned)
    }

    /// Whether a fall is told of a trial, by all of it at once.
    ///
    /// # Examples
    /// See [`learn`](FallModel::learn).
    #[must_use]
    pub fn tells(&self, trial: &FallTrial) -> bool {
        Seen::of(trial).impacts.iter().any(|of| self.is_fall(of))
    }

    /// What is wrong with it, if anything.
    pub(super) fn check(&self) -> Result<(), Error> {
        match self {
            FallModel::Rule(FallRule { free_fall_g, impact_g, tilt_deg, still_g }) => {
                let all = [(free_fall_g, 0.0), (impact_g, IMPACT_MG as f64 / 1_000.0), (tilt_deg, 0.0), (still_g, 0.0)];
                match all.iter().find(|(of, least)| !(*least..=180.0).contains(*of)) {
                    Some((of, least)) => Err(wrong(format!("{of} in the rule of falls is not from {least} to 180"))),
                    None => Ok(()),
                }
            }
            FallModel::Learned(of) if of.features().ne(FEATURES) => {
                Err(wrong("a model of falls goes by other features".to_owned()))
            }
            FallModel::Learned(_) => Ok(()),
        }
    }

    /// Whether an impact is that of a fall.
    pub(super) fn is_fall(&self, of: &Features) -> bool {
        match self {
            FallModel::Learned(learned) => score(learned, of) >= 0.0,
            FallModel::Rule(rule) => {
                let [impact_g, least_g, _, spread_log, _, tilt_deg, ..] = of;
                let is_still = spread_log.is_nan() || spread_log.exp() - 0.01 <= rule.still_g;
                let is_turned = tilt_deg.is_nan() || *tilt_deg >= rule.tilt_deg;
                let falls_freely = least_g.is_nan() || *least_g <= rule.free_fall_g;
                *impact_g >= rule.impact_g && falls_freely && is_still && is_turned
            }
        }
    }
}

/// The logarithm of the odds.
fn score(model: &Logistic, of: &Features) -> f64 {
    model.predict(of).why.iter().sum()
}

/// The impacts of a trial.
struct Seen {
    impacts: Vec<Features>,
    fell: bool,
}

impl Seen {
    fn of(trial: &FallTrial) -> Seen {
        let is_time = |of: &&Sample| (-TIME_MAX_MS..=TIME_MAX_MS).contains(&of.0);
        let mut samples: Vec<Sample> = trial.samples.iter().filter(is_time).copied().collect();
        samples.sort_unstable();
        samples.dedup();
        let is_impact =
            |at: &usize| samples[*at].1.square() >= IMPACT_MG * IMPACT_MG && is_peak(&samples, *at, APART_MS);
        let impacts = (0..samples.len()).filter(is_impact).map(|at| features(&samples, at)).collect();
        Seen { impacts, fell: trial.fell }
    }

    /// Those that are learned from.
    fn learned_from(&self) -> &[Features] {
        let hardest = self.impacts.iter().enumerate().max_by(|a, b| a.1[0].total_cmp(&b.1[0])).map(|(at, _)| at);
        match hardest {
            Some(at) if self.fell => &self.impacts[at..=at],
            _ => &self.impacts,
        }
    }
}

/// Trials with impacts: with falls, and without.
fn counts(seen: &[Seen]) -> (usize, usize) {
    let count = |fell: bool| seen.iter().filter(|of| of.fell == fell && !of.impacts.is_empty()).count();
    (count(true), count(false))
}

fn fit(seen: &[Seen], fit: impl FnOnce(&[Known<'_>]) -> Result<Logistic, Error>) -> Result<Logistic, Error> {
    let all = || seen.iter().flat_map(|of| of.learned_from().iter().map(move |features| (features, of.fell)));
    let count = |fell: bool| all().filter(|of| of.1 == fell).count() as f64;
    let (falls, others) = (count(true), count(false));
    // Both kinds count alike, however many there are.
    let weight = |fell: bool| 0.5 * (falls + others) / if fell { falls } else { others };
    let known: Vec<Known<'_>> =
        all().map(|(features, fell)| Known { features, happened: fell, weight: weight(fell) }).collect();
    fit(&known)
}

/// From which score on a fall is told: where sensitivity and specificity of whole trials add up to the most, of such the lowest.
fn best(model: &Logistic, seen: &[Seen]) -> f64 {
    let most = |of: &Seen| of.impacts.iter().map(|of| score(model, of)).fold(f64::NEG_INFINITY, f64::max);
    let scores: Vec<(f64, bool)> = seen.iter().map(|of| (most(of), of.fell)).collect();
    let count = |fell: bool| scores.iter().filter(|of| of.1 == fell).count() as f64;
    let (falls, others) = (count(true), count(false));
    let right =
        |from: f64, fell: bool| scores.iter().filter(|of| of.1 == fell && (of.0 >= from) == fell).count() as f64;
    let worth = |from: f64| right(from, true) / falls + right(from, false) / others;
    let of_falls = scores.iter().filter(|of| of.1 && of.0.is_finite()).map(|of| of.0);
    let worths = of_falls.map(|from| (worth(from), from));
    worths.max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.total_cmp(&a.1))).map_or(0.0, |(_, from)| from)
}
