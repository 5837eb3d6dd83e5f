//! What a score is worth as a probability, by what came of scores before.

use serde::{Deserialize, Serialize};
use watchfire_engine::Error;

/// A map from scores to probabilities, fitted once to what came of scores before, and frozen: a higher score is never less likely.
///
/// - [`isotonic`](Calibration::isotonic) takes no shape for granted, and wants many examples (some thousands): pool adjacent violators (Ayer et al. 1955; Zadrozny and
///   Elkan 2002). Where nothing happened it says 0, where all did 1.
/// - [`platt`](Calibration::platt) takes the shape of a logistic curve for granted, and is content with few (Platt 1999, with the sums of Lin, Lin and Weng 2007).
///
/// Fit it to examples that the score was not learned from, or it believes too much. [`brier`] and [`reliability`] say how good it is, on examples that it was not
/// fitted to. It is stored by serde, and refused with the same code if what is read is not monotone.
///
/// Memory: 16 bytes a knot, two a step of the map, no more than there are scores. [`of`](Calibration::of): O(log knots).
///
/// # Examples
/// ```
/// use watchfire_operators::detect::{Calibration, brier};
/// // Of scores of n tenths, n in ten came true.
/// let known: Vec<(f64, bool)> = (0..1_000).map(|n| (f64::from(n % 10) * 5.0, n / 10 % 10 < n % 10)).collect();
/// let map = Calibration::isotonic(known.iter().copied())?;
/// assert!((map.of(15.0) - 0.3).abs() < 1e-9 && (map.of(17.5) - 0.35).abs() < 1e-9, "between two scores on the line");
/// assert_eq!((map.of(-1e9), map.of(1e9)), (0.0, 0.9), "beyond all scores as at the last");
/// assert!(brier(known.iter().map(|(score, happened)| (map.of(*score), *happened))) < 0.17);
/// # Ok::<(), watchfire_engine::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Curve", into = "Curve")]
pub struct Calibration {
    curve: Curve,
}

/// As it is written down.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Curve {
    /// Scores, rising, and their probabilities, which do not fall; on the line between two.
    Knots(Vec<(f64, f64)>),
    /// `1 / (1 + exp(-(slope x score + offset)))`.
    Logistic { slope: f64, offset: f64 },
}

fn wrong(what: &str) -> Error {
    Error::new("E0612", what)
        .remedy("give examples of what happened and of what did not, where higher scores are likelier")
}

impl TryFrom<Curve> for Calibration {
    type Error = Error;

    fn try_from(curve: Curve) -> Result<Self, Error> {
        let sound = match &curve {
            Curve::Knots(knots) => {
                let rises = knots.windows(2).all(|two| two[0].0 <= two[1].0 && two[0].1 <= two[1].1);
                rises
                    && !knots.is_empty()
                    && knots.iter().all(|(score, p)| score.is_finite() && (0.0..=1.0).contains(p))
            }
            Curve::Logistic { slope, offset } => slope.is_finite() && *slope >= 0.0 && offset.is_finite(),
        };
        if sound { Ok(Calibration { curve }) } else { Err(wrong("a map from scores to probabilities is not monotone")) }
    }
}

impl From<Calibration> for Curve {
    fn from(map: Calibration) -> Self {
        map.curve
    }
}

/// Examples by score, and how many happened.
fn sorted(examples: impl IntoIterator<Item = (f64, bool)>) -> Result<(Vec<(f64, bool)>, usize), Error> {
    let mut all: Vec<(f64, bool)> = examples.into_iter().collect();
    if all.iter().any(|(score, _)| !score.is_finite()) {
        return Err(wrong("a score is no number"));
    }
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    let happened = all.iter().filter(|(_, happened)| *happened).count();
    if happened == 0 || happened == all.len() {
        return Err(wrong("of all examples none has happened, or all have"));
    }
    Ok((all, happened))
}

/// Examples in a row that share one probability.
struct Block {
    first: f64,
    last: f64,
    happened: f64,
    count: f64,
}

impl Calibration {
    /// The monotone map of least squares to scores, and whether what they foretold has happened. O(n log n).
    ///
    /// # Errors
    /// `E0612` if a score is no number, or none has happened, or all have.
    ///
    /// # Examples
    /// ```
    /// use watchfire_operators::detect::Calibration;
    /// // What goes against the order is pooled.
    /// let map = Calibration::isotonic([(1.0, false), (2.0, true), (3.0, false), (4.0, true)])?;
    /// assert_eq!([1.0, 2.0, 3.0, 4.0].map(|score| map.of(score)), [0.0, 0.5, 0.5, 1.0]);
    /// assert_eq!(Calibration::isotonic([(1.0, true)]).unwrap_err().code(), "E0612");
    /// # Ok::<(), watchfire_engine::Error>(())
    /// ```
    pub fn isotonic(examples: impl IntoIterator<Item = (f64, bool)>) -> Result<Calibration, Error> {
        let (all, _) = sorted(examples)?;
        let mut blocks: Vec<Block> = Vec::new();
        for same in all.chunk_by(|a, b| a.0 == b.0) {
            let happened = same.iter().filter(|(_, happened)| *happened).count() as f64;
            let mut block = Block { first: same[0].0, last: same[0].0, happened, count: same.len() as f64 };
            // Shares as products: no rounding makes two that are the same differ.
            while let Some(before) =
                blocks.pop_if(|before| before.happened * block.count >= block.happened * before.count)
            {
                block.first = before.first;
                (block.happened, block.count) = (block.happened + before.happened, block.count + before.count);
            }
            blocks.push(block);
        }
        let mut knots = Vec::new();
        for Block { first, last, happened, count } in blocks {
            knots.push((first, happened / count));
            if last > first {
                knots.push((last, happened / count));
            }
        }
        Ok(Calibration { curve: Curve::Knots(knots) })
    }

    /// The logistic curve that fits best. Of `n` examples that happened it takes that to have been likely by `(n + 1) / (n + 2)`, of `n` that did not by `1 / (n + 2)`,
    /// so that few of them prove nothing for certain. O(n), 100 times at most.
    ///
    /// # Errors
    /// `E0612` if a score is no number, none has happened or all have, or higher scores are not likelier.
    ///
    /// # Examples
    /// ```
    /// use watchfire_operators::detect::Calibration;
    /// let known = (0..400).map(|n| (f64::from(n % 20), n % 20 + n / 20 % 7 > 12));
    /// let map = Calibration::platt(known)?;
    /// assert!(map.of(2.0) < 0.02 && map.of(18.0) > 0.98, "{map:?}");
    /// assert_eq!(Calibration::platt([(1.0, true), (2.0, false)]).unwrap_err().code(), "E0612");
    /// # Ok::<(), watchfire_engine::Error>(())
    /// ```
    pub fn platt(examples: impl IntoIterator<Item = (f64, bool)>) -> Result<Calibration, Error> {
        let (all, happened) = sorted(examples)?;
        // By the middle and the spread of the scores, so that no score is too large to reckon with.
        let count = all.len() as f64;
        let middle = all.iter().map(|(score, _)| score / count).sum::<f64>();
        let spread = all.iter().map(|(score, _)| (score - middle).abs()).fold(0.0, f64::max);
        if !(spread > 0.0 && spread.is_finite()) {
            return Err(wrong("all scores are the same"));
        }
        let (yes, no) = (happened as f64, count - happened as f64);
        let targets = ((yes + 1.0) / (yes + 2.0), 1.0 / (no + 2.0));
        let scaled = all
            .iter()
            .map(|(score, happened)| ((score - middle) / spread, if *happened { targets.0 } else { targets.1 }));
        let (slope, offset) = logistic(&scaled.collect::<Vec<_>>(), ((yes + 1.0) / (no + 1.0)).ln());
        let (slope, offset) = (slope / spread, offset - slope * (middle / spread));
        if !(slope > 0.0 && slope.is_finite() && offset.is_finite()) {
            return Err(wrong("higher scores are not likelier"));
        }
        Ok(Calibration { curve: Curve::Logistic { slope, offset } })
    }

    /// How likely it is by this score, 0 to 1. Of what is no number nobody knows: NaN.
    #[must_use]
    pub fn of(&self, score: f64) -> f64 {
        // So that even without a slope the infinite has a likelihood.
        let score = score.clamp(f64::MIN, f64::MAX);
        match &self.curve {
            _ if score.is_nan() => f64::NAN,
            Curve::Logistic { slope, offset } => sigmoid(slope * score + offset),
            Curve::Knots(knots) => {
                let after = knots.partition_point(|(knot, _)| *knot <= score);
                match (after.checked_sub(1).map(|before| knots[before]), knots.get(after).copied()) {
                    (Some((from, low)), Some((to, high))) => {
                        let part = (score - from) / (to - from);
                        // Scores may lie so far apart, or so near, that there is no part.
                        if part.is_finite() { (low + part * (high - low)).clamp(low, high) } else { low }
                    }
                    (Some((_, p)), None) | (None, Some((_, p))) => p,
                    (None, None) => f64::NAN,
                }
            }
        }
    }
}

fn sigmoid(logit: f64) -> f64 {
    1.0 / (1.0 + (-logit).exp())
}

/// `ln(1 + exp(x))`.
fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

/// Slope and offset of the likeliest logistic curve, by Newton's steps, halved until they are of use (Lin, Lin and Weng 2007).
fn logistic(all: &[(f64, f64)], offset: f64) -> (f64, f64) {
    let loss = |slope: f64, offset: f64| {
        all.iter().map(|(x, target)| softplus(slope * x + offset) - target * (slope * x + offset)).sum::<f64>()
    };
    let (mut slope, mut offset) = (0.0, offset);
    let mut least = loss(slope, offset);
    for _ in 0..100 {
        // A little more on the diagonal keeps it from being singular.
        let (mut h11, mut h22, mut h12, mut g1, mut g2) = (1e-12, 1e-12, 0.0, 0.0, 0.0);
        for (x, target) in all {
            let p = sigmoid(slope * x + offset);
            let (off, weight) = (p - target, p * (1.0 - p));
            (g1, g2) = (g1 + x * off, g2 + off);
            (h11, h22, h12) = (h11 + x * x * weight, h22 + weight, h12 + x * weight);
        }
        if g1.abs() < 1e-9 && g2.abs() < 1e-9 {
            break;
        }
        let det = h11 * h22 - h12 * h12;
        let (by_slope, by_offset) = (-(h22 * g1 - h12 * g2) / det, -(h11 * g2 - h12 * g1) / det);
        let downhill = g1 * by_slope + g2 * by_offset;
        let mut step = 1.0;
        let next = loop {
            let next = (slope + step * by_slope, offset + step * by_offset);
            let then = loss(next.0, next.1);
            if then < least + 1e-4 * step * downhill {
                least = then;
                break next;
            }
            step /= 2.0;
            if step < 1e-10 {
                return (slope, offset);
            }
        };
        (slope, offset) = next;
    }
    (slope, offset)
}

/// The mean square by which probabilities were off what happened (Brier 1950): 0 is perfect, 0.25 is saying one half always, NaN of none.
///
/// # Examples
/// ```
/// use watchfire_operators::detect::brier;
/// assert_eq!(brier([(1.0, true), (0.5, false), (0.0, false), (0.5, true)]), 0.125);
/// ```
#[must_use]
pub fn brier(foretold: impl IntoIterator<Item = (f64, bool)>) -> f64 {
    let (mut sum, mut count) = (0.0, 0.0);
    for (p, happened) in foretold {
        (sum, count) = (sum + (p - f64::from(u8::from(happened))).powi(2), count + 1.0);
    }
    sum / count
}

/// What came of all that was foretold with about the same probability.
///
/// # Examples
/// ```
/// use watchfire_operators::detect::{Reliable, reliability};
/// let table = reliability([(0.75, true), (0.75, false)], 4);
/// assert_eq!(table, [Reliable { from: 0.75, to: 1.0, count: 2, foretold: 0.75, happened: 0.5 }]);
/// assert!(table.iter().all(|of| of.happened < of.foretold), "it promised too much");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reliable {
    /// From this probability on.
    pub from: f64,
    /// To, but not with, this one; the last holds 1 as well.
    pub to: f64,
    /// How often something was foretold.
    pub count: u64,
    /// With which probability, on average.
    pub foretold: f64,
    /// In which share of these it happened.
    pub happened: f64,
}

/// The reliability table: what was foretold in each of so many bins of the same width (1 to 1,000), beside what came of it. Bins without anything are left out, as is
/// what is no probability.
///
/// # Examples
/// ```
/// use watchfire_operators::detect::reliability;
/// let table = reliability([(0.1, false), (0.1, false), (0.3, true), (0.9, true), (1.0, true)], 2);
/// assert_eq!((table[0].count, table[1].count), (3, 2));
/// assert!((table[0].foretold - 0.5 / 3.0).abs() < 1e-12 && (table[0].happened - 1.0 / 3.0).abs() < 1e-12);
/// ```
#[must_use]
pub fn reliability(foretold: impl IntoIterator<Item = (f64, bool)>, bins: usize) -> Vec<Reliable> {
    let bins = bins.clamp(1, 1_000);
    let mut sums = vec![(0_u64, 0.0, 0_u64); bins];
    for (p, happened) in foretold.into_iter().filter(|(p, _)| (0.0..=1.0).contains(p)) {
        let (count, sum, came) = &mut sums[((p * bins as f64) as usize).min(bins - 1)];
        (*count, *sum, *came) = (*count + 1, *sum + p, *came + u64::from(happened));
    }
    let edge = |bin: usize| bin as f64 / bins as f64;
    let row = |(bin, (count, sum, came)): (usize, (u64, f64, u64))| Reliable {
        from: edge(bin),
        to: edge(bin + 1),
        count,
        foretold: sum / count as f64,
        happened: came as f64 / count as f64,
    };
    sums.into_iter().enumerate().filter(|(_, (count, _, _))| *count > 0).map(row).collect()
}

#[cfg(test)]
mod tests;
