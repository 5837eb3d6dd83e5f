//! How likely it is, by a weight for each feature, learned from all that is known at once.

use nalgebra::{Cholesky, DMatrix, DVector};
use serde::{Deserialize, Serialize};
use watchfire_engine::Error;

use super::{Likely, Measured, VALUE_MAX};

/// Something of which is known whether it happened.
///
/// # Examples
/// See [`Logistic`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Known<'k> {
    /// What was known of it before; what is no sound number is unknown.
    pub features: &'k [f64],
    /// Whether it happened.
    pub happened: bool,
    /// For how many of the kind it counts.
    pub weight: f64,
}

/// A logistic regression over features in standard deviations, fitted by Newton's method, its weights kept small by the sum of their squares.
///
/// Of a feature that is not known it is taken to be as it is, on average, where it has happened: what is missing never speaks against it more than what is usual of it.
/// No feature counts for more than [`SPREADS_MAX`](Logistic::SPREADS_MAX) standard deviations, since none was ever so large before.
///
/// Stored by serde in a form with a version; what is read is checked. As JSON, read it by what keeps numbers to the bit (`float_roundtrip` of `serde_json`).
///
/// Memory: 32 bytes a feature. [`predict`](Logistic::predict): O(features). [`fit`](Logistic::fit): O(examples x features²) a step, some ten steps.
///
/// # Examples
/// ```
/// use watchfire_operators::detect::{Known, Logistic};
/// // Doors that turn back often are likelier to fail; what their number is says nothing.
/// let rows: Vec<([f64; 2], bool)> = (0..400_u32).map(|n| ([f64::from(n % 17), f64::from(n % 5)], n % 17 + n % 3 > 9)).collect();
/// let known: Vec<Known<'_>> =
///     rows.iter().map(|(features, happened)| Known { features, happened: *happened, weight: 1.0 }).collect();
/// let names = ["reversals", "number"].map(str::to_owned).to_vec();
/// let doors = Logistic::fit(names, &known, 1.0)?;
/// assert!(doors.predict(&[15.0, 0.0]).p > 0.95 && doors.predict(&[3.0, 0.0]).p < 0.05);
/// assert!(doors.predict(&[f64::NAN, 0.0]).p > 0.9, "unknown is not well");
/// # Ok::<(), watchfire_engine::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct Logistic {
    intercept: f64,
    of: Vec<Feature>,
}

/// A feature, and what it is worth.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Feature {
    name: String,
    mean: f64,
    spread: f64,
    /// What it is taken for where it is not known.
    unknown: f64,
    /// What a standard deviation more adds to the logarithm of the odds.
    weight: f64,
}

/// As it is written down.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    version: u32,
    intercept: f64,
    features: Vec<Feature>,
}

/// The form that is written, and the only one that is read.
const VERSION: u32 = 1;

const STEPS_MAX: usize = 100;

fn wrong(what: String) -> Error {
    Error::new("E0635", what).remedy("fit it anew, with this release, on examples of both kinds with sound numbers")
}

impl TryFrom<Written> for Logistic {
    type Error = Error;

    fn try_from(written: Written) -> Result<Self, Error> {
        let Written { version, intercept, features: of } = written;
        if version != VERSION {
            return Err(wrong(format!("a regression of version {version} cannot be read, only {VERSION}")));
        }
        let sound = |of: &Feature| {
            of.spread > 0.0 && [of.mean, of.spread, of.unknown, of.weight].iter().all(|of| of.unsound().is_none())
        };
        match of.iter().find(|of| !sound(of)) {
            Some(of) => Err(wrong(format!("{:?} has a number beyond {VALUE_MAX:e}, or no spread", of.name))),
            None if intercept.unsound().is_some() => Err(wrong(format!("it starts from {intercept}"))),
            None => Ok(Logistic { intercept, of }),
        }
    }
}

impl From<Logistic> for Written {
    fn from(Logistic { intercept, of }: Logistic) -> Self {
        Written { version: VERSION, intercept, features: of }
    }
}

impl Logistic {
    /// How many standard deviations a feature can count for.
    pub const SPREADS_MAX: f64 = 10.0;

    /// Fits it on all that is known, features in the order of their names. The greater `l2`, the smaller the weights: as if each had been seen to be nothing so often.
    ///
    /// # Errors
    /// `E0635` if none has happened or all have, the rows have another number of features than names, or `l2` or a weight is not sound or below zero.
    ///
    /// # Examples
    /// See [`Logistic`].
    pub fn fit(features: Vec<String>, known: &[Known<'_>], l2: f64) -> Result<Logistic, Error> {
        check(features.len(), known, l2)?;
        let feature = |(nth, name): (usize, String)| {
            let sound = |of: &&Known<'_>| of.features[nth].unsound().is_none();
            let mean_of = |of: &dyn Fn(&Known<'_>) -> f64, among: &dyn Fn(&&Known<'_>) -> bool| {
                let (sum, count) =
                    known.iter().filter(among).fold((0.0, 0.0), |(sum, count), is| (sum + of(is), count + 1.0));
                (count > 0.0).then(|| sum / count)
            };
            let value = |of: &Known<'_>| of.features[nth];
            let mean = mean_of(&value, &sound).unwrap_or(0.0);
            let variance = mean_of(&|of| (value(of) - mean).powi(2), &sound).unwrap_or(0.0);
            let unknown = mean_of(&value, &|of| of.happened && sound(of)).unwrap_or(mean);
            let spread = if variance.sqrt() > 1e-12 { variance.sqrt() } else { 1.0 };
            Feature { name, mean, spread, unknown, weight: 0.0 }
        };
        let of = features.into_iter().enumerate().map(feature).collect();
        let none = Logistic { intercept: 0.0, of };
        none.fitted(known, l2, 1e-9)
    }

    /// Fits it on what is known of something a little different, drawn towards what this one has learned: the greater `l2`, the stronger.
    ///
    /// # Errors
    /// As of [`fit`](Logistic::fit).
    ///
    /// # Examples
    /// ```
    /// use watchfire_operators::detect::{Known, Logistic};
    /// let known = |from: f64| (0..40).map(move |n| ([f64::from(n)], f64::from(n) > from)).collect::<Vec<_>>();
    /// let fit = |rows: &[([f64; 1], bool)], before: Option<&Logistic>| {
    ///     let known: Vec<Known<'_>> = rows.iter().map(|(features, happened)| Known { features, happened: *happened, weight: 1.0 }).collect();
    ///     match before {
    ///         None => Logistic::fit(vec!["n".to_owned()], &known, 1.0),
    ///         Some(before) => before.refit(&known, 1.0),
    ///     }
    /// };
    /// let before = fit(&known(19.5), None)?;
    /// let after = fit(&known(29.5)[25..35], Some(&before))?;
    /// let asked = [25.0];
    /// assert!(after.predict(&asked).p < before.predict(&asked).p, "it begins later there, by the few that are known");
    /// # Ok::<(), watchfire_engine::Error>(())
    /// ```
    pub fn refit(&self, known: &[Known<'_>], l2: f64) -> Result<Logistic, Error> {
        check(self.of.len(), known, l2)?;
        self.clone().fitted(known, l2, l2)
    }

    /// What its features are called, in their order.
    ///
    /// # Examples
    /// ```
    /// use watchfire_operators::detect::{Known, Logistic};
    /// let known = [(1.0, false), (2.0, true)];
    /// let known = known.each_ref().map(|(of, happened)| Known { features: std::slice::from_ref(of), happened: *happened, weight: 1.0 });
    /// assert_eq!(Logistic::fit(vec!["reversals".to_owned()], &known, 1.0)?.features().collect::<Vec<_>>(), ["reversals"]);
    /// # Ok::<(), watchfire_engine::Error>(())
    /// ```
    pub fn features(&self) -> impl Iterator<Item = &str> {
        self.of.iter().map(|of| of.name.as_str())
    }

    /// The same, but that everything is likelier by so much: it is added to the logarithm of the odds.
    ///
    /// # Examples
    /// ```
    /// use watchfire_operators::detect::{Known, Logistic};
    /// let known = [(1.0, false), (2.0, true)];
    /// let known = known.each_ref().map(|(of, happened)| Known { features: std::slice::from_ref(of), happened: *happened, weight: 1.0 });
    /// let even = Logistic::fit(vec!["reversals".to_owned()], &known, 1.0)?;
    /// assert!(even.clone().likelier(-2.0).predict(&[1.5]).p < even.predict(&[1.5]).p);
    /// # Ok::<(), watchfire_engine::Error>(())
    /// ```
    #[must_use]
    pub fn likelier(self, logit: f64) -> Logistic {
        Logistic { intercept: self.intercept + logit, ..self }
    }

    /// How likely it is with these features, in their order, and why: what is said of all, and what each adds. Features that are missing at the end are not known.
    ///
    /// # Examples
    /// See [`Logistic`].
    #[must_use]
    pub fn predict(&self, features: &[f64]) -> Likely {
        let added = self.scaled(features).zip(&self.of).map(|(value, of)| of.weight * value);
        Likely::of(std::iter::once(self.intercept).chain(added).collect())
    }

    fn scaled<'f>(&'f self, features: &'f [f64]) -> impl Iterator<Item = f64> + 'f {
        self.of.iter().enumerate().map(|(nth, of)| {
            let value = features.get(nth).copied().filter(|of| of.unsound().is_none()).unwrap_or(of.unknown);
            ((value - of.mean) / of.spread).clamp(-Self::SPREADS_MAX, Self::SPREADS_MAX)
        })
    }

    /// Newton's steps from here, drawn to here; a step that makes it worse is halved.
    fn fitted(mut self, known: &[Known<'_>], l2: f64, intercept_l2: f64) -> Result<Logistic, Error> {
        let ones = |of: &Known<'_>| std::iter::once(1.0).chain(self.scaled(of.features)).collect::<Vec<_>>();
        let rows: Vec<Vec<f64>> = known.iter().map(ones).collect();
        let rows = DMatrix::from_row_iterator(rows.len(), 1 + self.of.len(), rows.into_iter().flatten());
        let start = DVector::from_iterator(
            rows.ncols(),
            std::iter::once(self.intercept).chain(self.of.iter().map(|of| of.weight)),
        );
        let pull = DVector::from_fn(rows.ncols(), |nth, _| if nth == 0 { intercept_l2 } else { l2 });
        let loss = |weights: &DVector<f64>| {
            let logits = &rows * weights;
            let missed = logits.iter().zip(known).map(|(logit, of)| {
                // ln(1 + e^x), whatever x is.
                let all = logit.max(0.0) + (-logit.abs()).exp().ln_1p();
                of.weight * (all - if of.happened { *logit } else { 0.0 })
            });
            let far = weights - &start;
            missed.sum::<f64>() + 0.5 * far.component_mul(&far).dot(&pull)
        };
        let (mut weights, mut is) = (start.clone(), loss(&start));
        for _ in 0..STEPS_MAX {
            let step = newton(&rows, known, &weights, (&pull, &start))
                .ok_or_else(|| wrong("its features depend on each other".to_owned()))?;
            let mut share = 1.0;
            let (next, then) = loop {
                let next = &weights + share * &step;
                let then = loss(&next);
                if then <= is || share < 1e-6 {
                    break (next, then);
                }
                share /= 2.0;
            };
            let is_there = step.amax() < 1e-9 || then >= is;
            if then <= is {
                (weights, is) = (next, then);
            }
            if is_there {
                break;
            }
        }
        self.intercept = weights[0];
        self.of.iter_mut().zip(weights.iter().skip(1)).for_each(|(of, weight)| of.weight = *weight);
        Ok(self)
    }
}

/// From the weights to where the parabola that fits there has its lowest point.
fn newton(
    rows: &DMatrix<f64>,
    known: &[Known<'_>],
    weights: &DVector<f64>,
    (pull, start): (&DVector<f64>, &DVector<f64>),
) -> Option<DVector<f64>> {
    let p = (rows * weights).map(|logit| 1.0 / (1.0 + (-logit).exp()));
    let missed = p.zip_map(
        &DVector::from_iterator(known.len(), known.iter().map(|of| f64::from(u8::from(of.happened)))),
        |p, of| of - p,
    );
    let missed = DVector::from_iterator(known.len(), missed.iter().zip(known).map(|(missed, of)| of.weight * missed));
    let mut curved = rows.clone();
    for ((mut row, p), of) in curved.row_iter_mut().zip(&p).zip(known) {
        row *= of.weight * p * (1.0 - p);
    }
    let gradient = rows.tr_mul(&missed) - (weights - start).component_mul(pull);
    let hessian = rows.tr_mul(&curved) + DMatrix::from_diagonal(&pull.add_scalar(1e-12));
    Some(Cholesky::new(hessian)?.solve(&gradient))
}

fn check(features: usize, known: &[Known<'_>], l2: f64) -> Result<(), Error> {
    if let Some(of) = known.iter().find(|of| of.features.len() != features) {
        return Err(wrong(format!("an example has {} features, there are {features} names", of.features.len())));
    }
    if known.iter().all(|of| of.happened) || !known.iter().any(|of| of.happened) {
        return Err(wrong(format!("of {} examples none has happened, or all have", known.len())));
    }
    let is_sound = |of: f64| of.unsound().is_none() && of >= 0.0;
    if !is_sound(l2) || !known.iter().all(|of| is_sound(of.weight)) {
        return Err(wrong(format!("l2 is {l2}, or a weight is not sound: all are to be numbers from zero on")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(count: usize) -> Vec<String> {
        (0..count).map(|nth| format!("x{nth}")).collect()
    }

    fn known(rows: &[(Vec<f64>, bool)]) -> Vec<Known<'_>> {
        rows.iter().map(|(features, happened)| Known { features, happened: *happened, weight: 1.0 }).collect()
    }

    #[test]
    fn at_the_fitted_weights_nothing_pulls() {
        let rows: Vec<(Vec<f64>, bool)> =
            (0..400_u32).map(|n| (vec![f64::from(n % 17), f64::from(n % 5)], n % 17 + n % 3 > 9)).collect();
        let fitted = Logistic::fit(names(2), &known(&rows), 100.0).unwrap();
        let (mut pull, mut happened) = (0.0, 0.0);
        for (row, of) in &rows {
            happened += f64::from(u8::from(*of));
            pull += fitted.predict(row).p;
        }
        assert!((pull - happened).abs() < 1e-6, "as many are foretold as have happened: {pull} {happened}");
        assert!(fitted.of[0].weight > 10.0 * fitted.of[1].weight.abs(), "{fitted:?}");
    }

    #[test]
    fn what_can_be_told_apart_is_fitted_all_the_same() {
        let rows: Vec<(Vec<f64>, bool)> = (0..20).map(|n| (vec![f64::from(n), 7.0], n > 11)).collect();
        let fitted = Logistic::fit(names(2), &known(&rows), 1e-6).unwrap();
        assert!(rows.iter().all(|(row, happened)| (fitted.predict(row).p > 0.5) == *happened));
        assert_eq!(fitted.of[1].weight, 0.0, "what is always the same says nothing");
    }

    #[test]
    fn strongly_drawn_to_what_was_learned_it_stays_there() {
        let rows: Vec<(Vec<f64>, bool)> = (0..40).map(|n| (vec![f64::from(n)], n > 19)).collect();
        let before = Logistic::fit(names(1), &known(&rows), 1.0).unwrap();
        let others: Vec<(Vec<f64>, bool)> = (0..40).map(|n| (vec![f64::from(n)], n > 29)).collect();
        let stays = before.refit(&known(&others), 1e9).unwrap();
        assert!((stays.predict(&[25.0]).p - before.predict(&[25.0]).p).abs() < 1e-6);
        let goes = before.refit(&known(&others), 0.01).unwrap();
        assert!(goes.predict(&[25.0]).p < 0.1 && goes.predict(&[35.0]).p > 0.9, "{goes:?}");
    }

    #[test]
    fn what_cannot_be_fitted_or_read_is_refused() {
        let all = [Known { features: &[1.0], happened: true, weight: 1.0 }];
        assert_eq!(Logistic::fit(names(1), &all, 1.0).unwrap_err().code(), "E0635");
        let rows = [(vec![1.0], true), (vec![2.0], false)];
        let known = known(&rows);
        assert_eq!(Logistic::fit(names(2), &known, 1.0).unwrap_err().code(), "E0635");
        assert_eq!(Logistic::fit(names(1), &known, f64::NAN).unwrap_err().code(), "E0635");
        let fitted = Logistic::fit(names(1), &known, 1.0).unwrap();
        let text = serde_json::to_string(&fitted).unwrap();
        assert_eq!(serde_json::from_str::<Logistic>(&text).unwrap(), fitted);
        let flat = text.replace("\"spread\":0.5", "\"spread\":0.0");
        assert!(flat != text && serde_json::from_str::<Logistic>(&flat).unwrap_err().to_string().contains("E0635"));
        let newer = text.replace("\"version\":1", "\"version\":2");
        assert!(serde_json::from_str::<Logistic>(&newer).unwrap_err().to_string().contains("version 2"));
    }
}
