//! How likely it is, learned from what came of all that was alike.

use std::fmt;
use std::marker::PhantomData;

use serde::{Deserialize, Serialize};
use watchfire_engine::{Context, Data, Describe, Detector, Key, State, Verdict, rkyv};

use super::{Example, Label, Measured};

/// Logistic regression that learns while it runs: follow the regularised leader, proximal (McMahan et al. 2013, "Ad Click Prediction: a View from the
/// Trenches"). Each weight learns by itself, the less the more it has learned; `l1` keeps weights at nothing that are worth nothing.
///
/// Features are taken in standard deviations of those seen so far, and an intercept is added. O(features) an example.
///
/// # Examples
/// ```
/// use watchfire_operators::detect::{Ftrl, FtrlState};
/// let (ftrl, mut state) = (Ftrl::default(), FtrlState::default());
/// // What happens when the first is large, whatever the second is.
/// for n in 0..2_000_u32 {
///     let features = [f64::from(n % 10), f64::from(n * 7 % 13)];
///     ftrl.learn(&mut state, &features, features[0] > 6.0, 1.0);
/// }
/// let of = |first| ftrl.predict(&state, &[first, 5.0]);
/// assert!(of(9.0).p > 0.9 && of(1.0).p < 0.1, "{:?}", of(9.0));
/// assert!(of(9.0).why[1] > 1.0 && of(9.0).why[2].abs() < 0.1, "by the first feature");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Ftrl {
    /// How fast weights learn.
    pub alpha: f64,
    /// How soon they learn less.
    pub beta: f64,
    /// What a weight must be worth to be more than nothing.
    pub l1: f64,
    /// How strongly weights are kept small.
    pub l2: f64,
}

impl Default for Ftrl {
    /// As the paper has it, with 0.1, 1, and little of both penalties.
    fn default() -> Self {
        Ftrl { alpha: 0.1, beta: 1.0, l1: 0.1, l2: 1.0 }
    }
}

/// What [`Ftrl`] remembers: of the intercept and each feature.
#[derive(Clone, Debug, Default, PartialEq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
#[rkyv(crate = rkyv)]
pub struct FtrlState {
    of: Vec<Coordinate>,
    learned: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
#[rkyv(crate = rkyv)]
struct Coordinate {
    z: f64,
    /// The sum of squares of its gradients.
    n: f64,
    mean: f64,
    squares: f64,
}

impl State for FtrlState {
    const NAME: &'static str = "watchfire.ftrl";
    const VERSION: u32 = 1;
}

impl FtrlState {
    /// How many examples it has learned from.
    #[must_use]
    pub fn learned(&self) -> u64 {
        self.learned
    }
}

/// How likely it is, and why.
///
/// # Examples
/// The reasons add up to the logarithm of the odds:
/// ```
/// use watchfire_operators::detect::{Ftrl, FtrlState};
/// let (ftrl, mut state) = (Ftrl::default(), FtrlState::default());
/// (0..500_u32).for_each(|n| ftrl.learn(&mut state, &[f64::from(n % 10)], n % 10 > 6, 1.0));
/// let likely = ftrl.predict(&state, &[9.0]);
/// let logit: f64 = likely.why.iter().sum();
/// assert!((likely.p - 1.0 / (1.0 + (-logit).exp())).abs() < 1e-12);
/// assert!(likely.why[0] < 0.0 && likely.why[1] > 1.0, "seldom of all, likely by the feature: {likely:?}");
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Likely {
    /// Between 0 and 1.
    pub p: f64,
    /// What the intercept and each feature add to the logarithm of the odds.
    pub why: Vec<f64>,
}

/// No example moves the odds further.
const LOGIT_MAX: f64 = 35.0;

impl Likely {
    /// As likely as the sum of all this says.
    pub(super) fn of(why: Vec<f64>) -> Likely {
        let logit = why.iter().sum::<f64>().clamp(-LOGIT_MAX, LOGIT_MAX);
        Likely { p: 1.0 / (1.0 + (-logit).exp()), why }
    }
}

impl Ftrl {
    fn weight(&self, of: &Coordinate) -> f64 {
        if of.z.abs() <= self.l1 {
            return 0.0;
        }
        (of.z.signum() * self.l1 - of.z) / ((self.beta + of.n.sqrt()) / self.alpha.max(1e-12) + self.l2)
    }

    /// The intercept and the features in standard deviations.
    fn scaled<'f>(state: &'f FtrlState, features: &'f [f64]) -> impl Iterator<Item = f64> + 'f {
        let scaled = move |(nth, value): (usize, &f64)| {
            let Some(of) = state.of.get(nth + 1).filter(|of| of.squares > 0.0) else { return 0.0 };
            // No feature counts more because it was never so large before.
            ((value - of.mean) / (of.squares / state.learned.max(1) as f64).sqrt()).clamp(-10.0, 10.0)
        };
        std::iter::once(1.0).chain(features.iter().enumerate().map(scaled))
    }

    /// How likely it is with these features. Features that were never learned add nothing.
    #[must_use]
    pub fn predict(&self, state: &FtrlState, features: &[f64]) -> Likely {
        let weight = |nth: usize| state.of.get(nth).map_or(0.0, |of| self.weight(of));
        let why: Vec<f64> = Self::scaled(state, features).enumerate().map(|(nth, value)| weight(nth) * value).collect();
        Likely::of(why)
    }

    /// Learns from what came of it, so many times as `weight` says. Features of another number than before are the first of them; those that are missing are 0.
    pub fn learn(&self, state: &mut FtrlState, features: &[f64], label: bool, weight: f64) {
        if state.of.len() < features.len() + 1 {
            state.of.resize(features.len() + 1, Coordinate::default());
        }
        state.learned = state.learned.saturating_add(1);
        let learned = state.learned as f64;
        for (of, value) in state.of.iter_mut().skip(1).zip(features) {
            let off = value - of.mean;
            of.mean += off / learned;
            of.squares += off * (value - of.mean);
        }
        let missed = self.predict(state, features).p - f64::from(u8::from(label));
        let scaled: Vec<f64> = Self::scaled(state, features).collect();
        for (nth, value) in scaled.into_iter().enumerate() {
            let Some(of) = state.of.get_mut(nth) else { return };
            let gradient = missed * value * weight;
            let sigma = ((of.n + gradient * gradient).sqrt() - of.n.sqrt()) / self.alpha.max(1e-12);
            of.z += gradient - sigma * self.weight(of);
            of.n += gradient * gradient;
        }
    }
}

/// What is foretold of an asset.
///
/// # Examples
/// Doors that turned back more than six times have failed, and one has turned back nine times:
/// ```
/// use watchfire_engine::{Job, TickSource};
/// use watchfire_operators::detect::{Example, Foretells, Foretold, Ftrl, Label};
/// let job = Job::new(|flow| {
///     let examples = flow.channel::<Example<u32>>("examples").key_by(|_| 0_u32);
///     examples.detect("door failures", Foretells::new(Ftrl::default())).out.to_channel("foretold");
/// });
/// let mut running = job.ticks(TickSource::FROM_EVENTS).start()?;
/// let (examples, foretold) = (running.sender::<Example<u32>>("examples")?, running.receiver::<Foretold<u32>>("foretold")?);
/// let of = |n: i64, label| Example { asset: 7, at_ms: n, said_ms: n, features: vec![(n % 10) as f64], label };
/// examples.send((0..500).map(|n| of(n, Label::Known(n % 10 > 6))).chain([of(509, Label::Open)]).collect())?;
/// drop(examples);
/// let foretold: Vec<Foretold<u32>> = foretold.rows().collect();
/// assert!(matches!(&foretold[..], [of] if (of.asset, of.at_ms) == (7, 509) && of.likely.p > 0.6), "{foretold:?}");
/// running.wait()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Foretold<A> {
    /// The asset.
    pub asset: A,
    /// When, event time, milliseconds.
    pub at_ms: i64,
    /// How likely it is, and why.
    pub likely: Likely,
}

/// Learns from examples with a label, and foretells those without, one after another in the order in which they come: each is foretold by what was known before it.
///
/// Where the answer must not depend on the order in which assets arrive, put [`InOrder`](super::InOrder) before, by what was said, labels first:
/// `InOrder::new(|example: &Example<u32>| (example.label == Label::Open, example.asset, example.at_ms))`; and where an asset may be silent for long, a disorder
/// bound on the key, so that nothing is foretold by what came after.
///
/// The key is that of a model: all assets that share what is learned, so they are one worker's. Labels that are [censored](Label::Censored) teach nothing; nor do
/// features that are no numbers: what is asked with such is not foretold.
///
/// Per row: O(features). Memory per key: 32 bytes a feature.
///
/// # Examples
/// ```
/// use watchfire_engine::{Flow, Job};
/// use watchfire_operators::detect::{Example, Foretells, Ftrl};
/// let job = Job::new(|flow| {
///     // All lifts of a brand learn from each other.
///     let examples = flow.channel::<Example<(u8, u32)>>("examples").key_by(|example| example.asset.0);
///     examples.detect("door failures", Foretells::new(Ftrl::default())).out.to_channel("foretold");
/// });
/// assert!(job.check().is_empty());
/// ```
pub struct Foretells<K, A> {
    ftrl: Ftrl,
    positive_weight: f64,
    rows: PhantomData<fn(&A) -> K>,
}

impl<K, A> Clone for Foretells<K, A> {
    fn clone(&self) -> Self {
        Foretells { ftrl: self.ftrl, positive_weight: self.positive_weight, rows: self.rows }
    }
}

impl<K, A> fmt::Debug for Foretells<K, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Foretells({:?}, positive x {:?})", self.ftrl, self.positive_weight)
    }
}

impl<K, A> Foretells<K, A> {
    /// By this regression.
    #[must_use]
    pub fn new(ftrl: Ftrl) -> Self {
        Foretells { ftrl, positive_weight: 1.0, rows: PhantomData }
    }

    /// An example of what did happen teaches so many times as much: for what is rare. What is foretold is then no probability, but an order.
    #[must_use]
    pub fn positive_weight(self, positive_weight: f64) -> Self {
        Foretells { positive_weight, ..self }
    }
}

impl<K: Key, A: Data> Detector for Foretells<K, A> {
    type Key = K;
    type In = Example<A>;
    type Out = Foretold<A>;
    type State = FtrlState;

    fn describe(&self) -> Describe {
        Describe { kind: "ftrl", params: format!("{self:?}"), ordered: true }
    }

    fn on_row(&self, st: &mut FtrlState, row: &Example<A>, cx: &mut Context<'_, K, Foretold<A>>) -> Verdict {
        let sound = row.features.iter().all(|value| value.unsound().is_none());
        match row.label {
            _ if !sound => {}
            Label::Open => {
                let likely = self.ftrl.predict(st, &row.features);
                cx.emit(Foretold { asset: row.asset.clone(), at_ms: row.at_ms, likely });
            }
            Label::Known(label) => {
                let weight = if label { self.positive_weight } else { 1.0 };
                self.ftrl.learn(st, &row.features, label, weight);
            }
            Label::Censored => {}
        }
        Verdict::Applied
    }
}
