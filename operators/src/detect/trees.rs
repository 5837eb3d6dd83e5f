//! How likely it is, by trees that were grown before.

use std::fmt;
use std::marker::PhantomData;

use serde::{Deserialize, Serialize};
use watchfire_engine::{Context, Data, Describe, Detector, Error, Key, Verdict, row_to_bytes};

use super::{Example, Foretold, Label, Likely, Measured, VALUE_MAX};

#[cfg(test)]
mod tests;

/// Boosted trees, frozen: the sum of what many small trees say, in the logarithm of the odds (Friedman 2001). Whatever has grown them, this runs them: the same answer for
/// the same row everywhere, and why.
///
/// Stored by serde in a form with a version; what is read is checked, so that every path through a tree ends and no row makes a panic. As JSON, read it by what keeps
/// numbers to the bit (`float_roundtrip` of `serde_json`), or it is another model.
///
/// Memory: 32 bytes a node. [`predict`](Trees::predict): O(trees x depth).
///
/// # Examples
/// ```
/// use watchfire_operators::detect::{Node, Split, Tree, Trees};
/// // Doors that turned back more than 30 times: likelier to fail.
/// let split = Split { feature: 0, below: 30.0, left: 1, right: 2, missing_left: true };
/// let nodes = vec![Node { value: 0.0, split: Some(split) }, Node::leaf(-1.0), Node::leaf(1.5)];
/// let trees = Trees::new(vec!["reversals".to_owned()], -2.0, vec![Tree { nodes }])?;
/// let likely = trees.predict(&[45.0]);
/// assert_eq!(likely.why, [-2.0, 1.5], "from the odds of all, by the reversals");
/// assert!((likely.p - 0.378).abs() < 0.001);
/// # Ok::<(), watchfire_engine::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct Trees {
    features: Vec<String>,
    base: f64,
    trees: Vec<Tree>,
}

/// As they are written down.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    version: u32,
    features: Vec<String>,
    base: f64,
    trees: Vec<Tree>,
}

/// A tree: its root is the first node, and every other comes after the one that leads to it.
///
/// # Examples
/// ```
/// use watchfire_operators::detect::{Node, Tree};
/// let says_nothing = Tree { nodes: vec![Node::leaf(0.0)] };
/// assert_eq!(says_nothing.nodes.len(), 1);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tree {
    /// At least one.
    pub nodes: Vec<Node>,
}

/// A place in a tree.
///
/// # Examples
/// ```
/// use watchfire_operators::detect::Node;
/// assert_eq!(Node::leaf(0.7).split, None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Node {
    /// What a leaf adds to the logarithm of the odds. Of another node the mean of the leaves below it, by how much they were learned from: what is known on the way
    /// is told by it, and the sum does not depend on it.
    pub value: f64,
    /// Where it goes on; none of a leaf.
    pub split: Option<Split>,
}

impl Node {
    /// A leaf that adds so much.
    #[must_use]
    pub fn leaf(value: f64) -> Node {
        Node { value, split: None }
    }
}

/// Where a tree goes on, by one feature.
///
/// # Examples
/// ```
/// use watchfire_operators::detect::{Node, Split, Tree, Trees};
/// let split = Split { feature: 0, below: 30.0, left: 1, right: 2, missing_left: true };
/// let nodes = vec![Node { value: 0.0, split: Some(split) }, Node::leaf(-1.0), Node::leaf(1.5)];
/// let trees = Trees::new(vec!["reversals".to_owned()], 0.0, vec![Tree { nodes }])?;
/// let adds = |reversals: f64| trees.predict(&[reversals]).why[1];
/// assert_eq!([29.9, 30.0, f64::NAN].map(adds), [-1.0, 1.5, -1.0], "left, right, and left for want of a number");
/// # Ok::<(), watchfire_engine::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Split {
    /// Which feature, from 0.
    pub feature: u32,
    /// What is below goes left, all else right.
    pub below: f64,
    /// The node on the left.
    pub left: u32,
    /// The node on the right.
    pub right: u32,
    /// What is missing, or no sound number, goes left, not right.
    pub missing_left: bool,
}

/// The form that is written, and the only one that is read.
const VERSION: u32 = 1;

fn wrong(what: String) -> Error {
    Error::new("E0613", what).remedy("freeze the trees anew, with this release, from what has grown them")
}

impl TryFrom<Written> for Trees {
    type Error = Error;

    fn try_from(written: Written) -> Result<Self, Error> {
        let Written { version, features, base, trees } = written;
        if version != VERSION {
            return Err(wrong(format!("trees of version {version} cannot be read, only {VERSION}")));
        }
        Trees::new(features, base, trees)
    }
}

impl From<Trees> for Written {
    fn from(trees: Trees) -> Self {
        let Trees { features, base, trees } = trees;
        Written { version: VERSION, features, base, trees }
    }
}

impl Trees {
    /// These trees, over features of these names, from the logarithm of the odds before any of them has spoken.
    ///
    /// # Errors
    /// `E0613` if a tree has no root, a node leads to none that comes after it, or goes by a feature that has no name, or a number is beyond
    /// [`VALUE_MAX`]; when reading also if it is of another version.
    ///
    /// # Examples
    /// ```
    /// use watchfire_operators::detect::{Node, Split, Tree, Trees};
    /// let round = Split { feature: 0, below: 1.0, left: 0, right: 0, missing_left: true };
    /// let tree = Tree { nodes: vec![Node { value: 0.0, split: Some(round) }] };
    /// let refused = Trees::new(vec!["celsius".to_owned()], 0.0, vec![tree]);
    /// assert_eq!(refused.unwrap_err().code(), "E0613");
    /// ```
    pub fn new(features: Vec<String>, base: f64, trees: Vec<Tree>) -> Result<Trees, Error> {
        if base.unsound().is_some() {
            return Err(wrong(format!("trees start from {base}")));
        }
        for (nth, Tree { nodes }) in trees.iter().enumerate() {
            if nodes.is_empty() {
                return Err(wrong(format!("tree {nth} has no root")));
            }
            for (at, Node { value, split }) in nodes.iter().enumerate() {
                let below = split.map_or(0.0, |split| split.below);
                if value.unsound().or(below.unsound()).is_some() {
                    return Err(wrong(format!("tree {nth}, node {at}: a number beyond {VALUE_MAX:e}")));
                }
                let Some(Split { feature, left, right, .. }) = *split else { continue };
                // So every path ends.
                if [left, right].iter().any(|child| !(at + 1..nodes.len()).contains(&(*child as usize))) {
                    return Err(wrong(format!("tree {nth}, node {at} leads to {left} and {right}, not on")));
                }
                if feature as usize >= features.len() {
                    return Err(wrong(format!("tree {nth}, node {at} goes by feature {feature}, which is none")));
                }
            }
        }
        Ok(Trees { features, base, trees })
    }

    /// What the features are called, in their order.
    #[must_use]
    pub fn features(&self) -> &[String] {
        &self.features
    }

    /// How likely it is with these features, and why: `why[0]` is what is said of all, then follows what each feature adds. Each branch counts for the feature that it
    /// goes by: the mean of what is said beyond it, less that of what is said before it (Saabas 2014). Features beyond the last name are not looked at.
    ///
    /// # Examples
    /// See [`Trees`].
    #[must_use]
    pub fn predict(&self, features: &[f64]) -> Likely {
        let mut why = vec![0.0; 1 + self.features.len()];
        let mut add = |at: usize, more: f64| why.get_mut(at).into_iter().for_each(|of| *of += more);
        add(0, self.base);
        for Tree { nodes } in &self.trees {
            let Some(mut node) = nodes.first() else { continue };
            add(0, node.value);
            while let Some(split) = node.split {
                let value = features.get(split.feature as usize).filter(|value| value.unsound().is_none());
                let left = value.map_or(split.missing_left, |value| *value < split.below);
                let Some(next) = nodes.get(if left { split.left } else { split.right } as usize) else { break };
                add(1 + split.feature as usize, next.value - node.value);
                node = next;
            }
        }
        Likely::of(why)
    }

    /// The same bytes, the same hash.
    fn fingerprint(&self) -> u64 {
        let bytes = row_to_bytes(self).unwrap_or_default();
        bytes.chunks(8).fold(bytes.len() as u64, |hash, word| {
            let word = word.iter().fold(0, |word, byte| word << 8 | u64::from(*byte));
            (hash, word).stable_hash()
        })
    }
}

/// Foretells examples without a label by [`Trees`] that learn no more, each as it comes. What came of them ([`Label::Known`], [`Label::Censored`]) changes nothing; what is
/// asked with features that are no numbers, or with more or fewer than the trees know, is not foretold.
///
/// The trees are part of the fingerprint of the flow, by their hash: a job does not go on with others unawares.
///
/// Per row: O(trees x depth). Memory per key: none; of all, the trees once.
///
/// # Examples
/// ```
/// use watchfire_engine::{Job, TickSource};
/// use watchfire_operators::detect::{Example, Foretold, Frozen, Label, Node, Split, Tree, Trees};
/// let split = Split { feature: 0, below: 30.0, left: 1, right: 2, missing_left: true };
/// let tree = Tree { nodes: vec![Node { value: 0.0, split: Some(split) }, Node::leaf(-1.0), Node::leaf(1.5)] };
/// let trees = Trees::new(vec!["reversals".to_owned()], 0.0, vec![tree])?;
/// let job = Job::new(move |flow| {
///     let examples = flow.channel::<Example<u32>>("examples").key_by(|example| example.asset);
///     examples.detect("door failures", Frozen::new(trees.clone())).out.to_channel("foretold");
/// });
/// let mut running = job.ticks(TickSource::FROM_EVENTS).start()?;
/// let (examples, foretold) = (running.sender("examples")?, running.receiver::<Foretold<u32>>("foretold")?);
/// examples.send(vec![Example { asset: 7_u32, at_ms: 0, said_ms: 0, features: vec![45.0], label: Label::Open }])?;
/// drop(examples);
/// let likely: Vec<f64> = foretold.rows().map(|of| of.likely.p).collect();
/// assert!(matches!(likely[..], [p] if p > 0.8), "{likely:?}");
/// running.wait()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Frozen<K, A> {
    trees: Trees,
    rows: PhantomData<fn(&A) -> K>,
}

impl<K, A> Clone for Frozen<K, A> {
    fn clone(&self) -> Self {
        Frozen { trees: self.trees.clone(), rows: self.rows }
    }
}

impl<K, A> fmt::Debug for Frozen<K, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Frozen({})", self.params())
    }
}

impl<K, A> Frozen<K, A> {
    /// By these trees.
    #[must_use]
    pub fn new(trees: Trees) -> Self {
        Frozen { trees, rows: PhantomData }
    }

    fn params(&self) -> String {
        let (trees, features) = (self.trees.trees.len(), self.trees.features.len());
        format!("{trees} trees over {features} features, {:016x}", self.trees.fingerprint())
    }
}

impl<K: Key, A: Data> Detector for Frozen<K, A> {
    type Key = K;
    type In = Example<A>;
    type Out = Foretold<A>;
    type State = ();

    fn describe(&self) -> Describe {
        Describe { kind: "trees", params: self.params(), ordered: false }
    }

    fn on_row(&self, (): &mut (), row: &Example<A>, cx: &mut Context<'_, K, Foretold<A>>) -> Verdict {
        let sound = row.features.iter().all(|value| value.unsound().is_none());
        if row.label == Label::Open && sound && row.features.len() == self.trees.features.len() {
            let likely = self.trees.predict(&row.features);
            cx.emit(Foretold { asset: row.asset.clone(), at_ms: row.at_ms, likely });
        }
        Verdict::Applied
    }
}
