//! Models that are learned from what is known before, frozen, and run through the engine: trees, and a weight for each bin of each feature.

use std::collections::BTreeMap;

use forust_ml::objective::ObjectiveType;
use forust_ml::{GradientBooster, Matrix};
use watchfire::detect::{self, Example, Foretold, Frozen, Logistic, Node, Split, Tree, Trees};
use watchfire::{Job, TickSource};

use crate::Failed;

/// What is known of something, and whether it happened.
pub type Known<'k> = [(&'k [f64], bool)];

/// How trees are grown. Nothing is drawn.
#[derive(Clone, Copy, Debug)]
pub struct Growth {
    pub trees: usize,
    pub depth: usize,
    /// How much of what is missed a tree puts right.
    pub rate: f32,
    /// The least sum of hessians in a leaf.
    pub leaf: f32,
    /// How strongly what a leaf says is kept small.
    pub l2: f32,
}

/// Few, for data that are drawn.
pub const FEW: Growth = Growth { trees: 12, depth: 3, rate: 0.3, leaf: 5.0, l2: 1.0 };

/// How strongly weights of a line are kept small.
const LINE_L2: f64 = 100.0;

/// A weight for each feature.
pub fn line(features: &[String], known: &Known<'_>) -> Result<Logistic, Failed> {
    let known: Vec<detect::Known<'_>> =
        known.iter().map(|(features, happened)| detect::Known { features, happened: *happened, weight: 1.0 }).collect();
    Ok(Logistic::fit(features.to_vec(), &known, LINE_L2)?)
}

/// Trees on what is known, one after another: each puts right what those before it miss.
pub fn grow(growth: &Growth, features: &[String], known: &Known<'_>) -> Result<Trees, Failed> {
    let columns: Vec<f64> = (0..features.len()).flat_map(|of| known.iter().map(move |(row, _)| row[of])).collect();
    let labels: Vec<f64> = known.iter().map(|(_, happened)| f64::from(u8::from(*happened))).collect();
    let mut booster = GradientBooster::default()
        .set_objective_type(ObjectiveType::LogLoss)
        .set_iterations(growth.trees)
        .set_max_depth(growth.depth)
        .set_learning_rate(growth.rate)
        .set_min_leaf_weight(growth.leaf)
        .set_l2(growth.l2)
        .set_parallel(false)
        .set_initialize_base_score(true);
    booster.fit_unweighted(&Matrix::new(&columns, known.len(), features.len()), &labels, None)?;
    let trees = booster.trees.iter().map(frozen).collect::<Result<Vec<_>, _>>()?;
    Ok(Trees::new(features.to_vec(), booster.base_score, trees)?)
}

fn frozen(from: &forust_ml::tree::Tree) -> Result<Tree, Failed> {
    let mut nodes = Vec::with_capacity(from.nodes.len());
    for node in &from.nodes {
        if !node.is_leaf && node.has_missing_branch() {
            return Err("a tree has a branch of its own for what is missing".into());
        }
        let split = (!node.is_leaf).then_some(Split {
            feature: node.split_feature as u32,
            below: node.split_value,
            left: node.left_child as u32,
            right: node.right_child as u32,
            missing_left: node.missing_node == node.left_child,
        });
        nodes.push(Node { value: node.weight_value.into(), split });
    }
    let weights = from.nodes.iter().map(|node| node.hessian_sum.into()).collect();
    Ok(Tree { nodes: averaged(nodes, weights) })
}

/// What is known at a node that leads on is the mean of the leaves below it, by their weights.
fn averaged(mut nodes: Vec<Node>, mut weights: Vec<f64>) -> Vec<Node> {
    // Children come after what leads to them.
    for at in (0..nodes.len()).rev() {
        let Some(Split { left, right, .. }) = nodes[at].split else { continue };
        let (left, right) = (left as usize, right as usize);
        weights[at] = weights[left] + weights[right];
        let sum = nodes[left].value * weights[left] + nodes[right].value * weights[right];
        nodes[at].value = sum / weights[at].max(f64::MIN_POSITIVE);
    }
    nodes
}

/// What is frozen.
#[derive(Clone)]
pub enum Model {
    Trees(Trees),
    Line(Logistic),
}

/// The logarithm of the odds of everything that is asked, by asset and time: run through the engine. Rows of an asset are a minute apart, or more.
pub fn foretold(model: Model, asked: Vec<Example<u32>>) -> Result<BTreeMap<(u32, i64), f64>, Failed> {
    let job = Job::new(move |flow| {
        let asked = flow.channel::<Example<u32>>("asked");
        let foretold = match model.clone() {
            Model::Trees(trees) => asked.key_by(|example| example.asset).detect("trees", Frozen::new(trees)).out,
            Model::Line(line) => asked.map(move |of: Example<u32>| {
                let likely = line.predict(&of.features);
                Foretold { asset: of.asset, at_ms: of.at_ms, likely }
            }),
        };
        foretold.to_channel("foretold");
    });
    let ticks = TickSource::FromEvents { interval_ms: 60_000, max_jump_ms: 1_000 * 86_400_000 };
    let mut running = job.ticks(ticks).start()?;
    let (sender, foretold) = (running.sender::<Example<u32>>("asked")?, running.receiver::<Foretold<u32>>("foretold")?);
    let count = asked.len();
    let send = std::thread::spawn(move || asked.chunks(1_024).try_for_each(|of| sender.send(of.to_vec())).is_ok());
    let all: BTreeMap<(u32, i64), f64> =
        foretold.rows().map(|of| ((of.asset, of.at_ms), of.likely.why.iter().sum())).collect();
    if !send.join().unwrap_or(false) {
        return Err("the job took no more examples".into());
    }
    running.wait()?;
    if all.len() == count { Ok(all) } else { Err(format!("{} of {count} are not foretold", count - all.len()).into()) }
}

/// Bins of each feature, with about as many examples each.
const BINS: usize = 16;

/// How often all examples are learned from, how fast, and the penalties, as FTRL has them.
const PASSES: usize = 5;
const ALPHA: f64 = 0.02;
const L1: f64 = 1.0;
const L2: f64 = 10.0;

#[derive(Clone, Copy, Default)]
struct Weight {
    z: f64,
    n: f64,
    seen: f64,
}

impl Weight {
    fn now(&self) -> f64 {
        if self.z.abs() <= L1 {
            return 0.0;
        }
        (self.z.signum() * L1 - self.z) / ((1.0 + self.n.sqrt()) / ALPHA + L2)
    }

    fn learn(&mut self, missed: f64) {
        let sigma = ((self.n + missed * missed).sqrt() - self.n.sqrt()) / ALPHA;
        self.z += missed - sigma * self.now();
        self.n += missed * missed;
        self.seen += 1.0;
    }
}

/// A logistic regression with a weight for each bin of each feature: it can say "neither high nor low", where a straight line cannot. What it has learned by
/// FTRL is a tree of each feature.
pub fn bins(features: &[String], known: &Known<'_>) -> Result<Trees, Failed> {
    let cuts: Vec<Vec<f64>> = (0..features.len()).map(|of| cuts(known.iter().map(|(row, _)| row[of]))).collect();
    let places: Vec<Vec<usize>> = known
        .iter()
        .map(|(row, _)| cuts.iter().zip(*row).map(|(cuts, value)| cuts.partition_point(|cut| cut <= value)).collect())
        .collect();
    let (mut base, mut weights) = (Weight::default(), vec![[Weight::default(); BINS]; features.len()]);
    for _ in 0..PASSES {
        for (places, (_, happened)) in places.iter().zip(known) {
            let sum: f64 = weights.iter().zip(places).map(|(of, at)| of[*at].now()).sum();
            let missed = 1.0 / (1.0 + (-sum - base.now()).exp()) - f64::from(u8::from(*happened));
            base.learn(missed);
            weights.iter_mut().zip(places).for_each(|(of, at)| of[*at].learn(missed));
        }
    }
    let tree = |(feature, (cuts, weights)): (usize, (&Vec<f64>, &[Weight; BINS]))| {
        let (mut nodes, mut seen) = (Vec::new(), Vec::new());
        branch(feature as u32, cuts, &weights[..=cuts.len()], &mut nodes, &mut seen);
        Tree { nodes: averaged(nodes, seen) }
    };
    let trees = cuts.iter().zip(&weights).enumerate().map(tree).collect();
    Ok(Trees::new(features.to_vec(), base.now(), trees)?)
}

/// Where one bin ends and the next begins.
fn cuts(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let mut cuts: Vec<f64> = (1..BINS).filter_map(|part| values.get(values.len() * part / BINS).copied()).collect();
    cuts.dedup();
    cuts
}

/// A tree over bins, halved at each node: one more bin than cuts.
fn branch(feature: u32, cuts: &[f64], bins: &[Weight], nodes: &mut Vec<Node>, seen: &mut Vec<f64>) {
    let at = nodes.len();
    nodes.push(Node::leaf(bins[0].now()));
    seen.push(bins[0].seen);
    if cuts.is_empty() {
        return;
    }
    let middle = cuts.len() / 2;
    let left = nodes.len() as u32;
    branch(feature, &cuts[..middle], &bins[..=middle], nodes, seen);
    let right = nodes.len() as u32;
    branch(feature, &cuts[middle + 1..], &bins[middle + 1..], nodes, seen);
    nodes[at].split = Some(Split { feature, below: cuts[middle], left, right, missing_left: true });
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What happens where the first is neither high nor low.
    fn drawn() -> Vec<(Vec<f64>, bool)> {
        let row = |n: u32| vec![f64::from(n * 7 % 100), f64::from(n * 13 % 31)];
        (0..1_000).map(row).map(|row| (row.clone(), (40.0..60.0).contains(&row[0]))).collect()
    }

    fn tells(trees: &Trees, times: f64) {
        let [low, middle, high] = [10.0, 50.0, 90.0].map(|first| trees.predict(&[first, 15.0]).p);
        assert!(middle > times * low.max(high), "{low} {middle} {high}");
    }

    #[test]
    fn what_is_neither_high_nor_low_is_told() {
        let (drawn, names) = (drawn(), ["a", "b"].map(str::to_owned));
        let known: Vec<(&[f64], bool)> = drawn.iter().map(|(row, happened)| (row.as_slice(), *happened)).collect();
        tells(&grow(&FEW, &names, &known).unwrap_or_else(|e| panic!("{e}")), 8.0);
        // So few examples teach bins little.
        tells(&bins(&names, &known).unwrap_or_else(|e| panic!("{e}")), 1.5);
    }

    #[test]
    fn frozen_trees_say_what_those_did_that_were_grown() {
        let (drawn, names) = (drawn(), ["a", "b"].map(str::to_owned));
        let known: Vec<(&[f64], bool)> = drawn.iter().map(|(row, happened)| (row.as_slice(), *happened)).collect();
        let columns: Vec<f64> = (0..2).flat_map(|of| known.iter().map(move |(row, _)| row[of])).collect();
        let labels: Vec<f64> = known.iter().map(|(_, happened)| f64::from(u8::from(*happened))).collect();
        let matrix = Matrix::new(&columns, known.len(), 2);
        let mut booster = GradientBooster::default().set_iterations(5).set_parallel(false);
        booster.fit_unweighted(&matrix, &labels, None).unwrap_or_else(|e| panic!("{e}"));
        let trees: Result<Vec<Tree>, Failed> = booster.trees.iter().map(frozen).collect();
        let trees = Trees::new(names.to_vec(), booster.base_score, trees.unwrap_or_default());
        let trees = trees.unwrap_or_else(|e| panic!("{e}"));
        for ((row, _), log_odds) in known.iter().zip(booster.predict(&matrix, false)) {
            assert!((trees.predict(row).why.iter().sum::<f64>() - log_odds).abs() < 1e-9);
        }
    }
}
