//! How thinly the place is settled where several values lie together.

use serde::{Deserialize, Serialize};
use watchfire_engine::{State, rkyv};

use super::{Judged, Score};

/// How few of the values of late lay where one of `N` numbers lies, in bits: 0 where they lie as densely as over the whole range, 1 where half as densely, less than 0
/// where more so. Half-space trees (Tan, Ting and Liu 2011): each cuts the range in two, at the middle of a number drawn by lot, and its halves again, to a `depth`; how many of
/// the last full `window` of values lay in each part is known, and at its end those of the next take their place. So it learns in one pass, forgets as fast, and needs
/// no labels. The trees are the same for the same `seed`, and not stored.
///
/// The paper takes the ranges of the numbers for known; here they are those of the first `warm_up` values, by which all are scaled, and each tree widens them by lot as
/// there, to twice to four times as far. The window after that is the first reference, so `warm_up + window` values come before one is judged. When the ranges no longer hold, the
/// reading says [`Reset`](super::Reading::Reset).
///
/// The score is `-log2(s / (trees x window))` with `s` the sum of `mass x 2^depth` over the trees, which the paper ranks by, at least 1: so it is no more than `log2(trees x
/// window)`, 12.6 if nothing else is said. Values are told from one another by their place alone: what is unusual is no worse on one side than on the other.
///
/// O(trees x depth) a value. Memory a key: 4 bytes a node, `trees x (2^(depth + 1) - 1)` of them, and 16 a number: 51 KB if nothing else is said.
///
/// # Examples
/// Load and current of a hoist belong together; each alone is usual.
/// ```
/// use watchfire_operators::detect::{HalfSpaceTrees, HalfSpaceTreesState, Judged, Score};
/// let trees = HalfSpaceTrees::<2>::default();
/// let mut state = HalfSpaceTreesState::default();
/// let usual = |n: u32| f64::from(n * 37 % 101) / 100.0;
/// for n in 0..800 {
///     trees.score(&mut state, 0, [usual(n), 10.0 * usual(n)]);
/// }
/// let mut score = |of: [f64; 2]| match trees.score(&mut state, 0, of) {
///     Judged::Score(score, _) => score,
///     _ => f64::NAN,
/// };
/// let (together, apart) = (score([0.5, 5.0]), score([0.1, 9.0]));
/// assert!(apart > together + 2.0, "{together} {apart}");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "Written", into = "Written")]
pub struct HalfSpaceTrees<const N: usize> {
    /// How many trees, 1 to 1,000.
    pub trees: u32,
    /// How often a tree cuts, 1 to 15.
    pub depth: u32,
    /// After so many values the latest become the reference, 1 to 65,535.
    pub window: u32,
    /// The ranges are those of so many values; 2 at least.
    pub warm_up: u32,
    /// Where no more than this part of a window lay, a tree looks no deeper: so few say nothing.
    pub few: f64,
    /// What the trees are drawn by.
    pub seed: u64,
}

impl<const N: usize> Default for HalfSpaceTrees<N> {
    /// 25 trees, windows of 250 and a tenth of one for few, as in the paper; but 8 cuts deep, where 15 would take 6.6 MB a key; ranges by 100 values.
    fn default() -> Self {
        HalfSpaceTrees { trees: 25, depth: 8, window: 250, warm_up: 100, few: 0.1, seed: 0 }
    }
}

/// As it is written down: serde has no defaults for what counts numbers in its type.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Written {
    trees: u32,
    depth: u32,
    window: u32,
    warm_up: u32,
    few: f64,
    seed: u64,
}

impl Default for Written {
    fn default() -> Self {
        HalfSpaceTrees::<1>::default().into()
    }
}

impl<const N: usize> From<HalfSpaceTrees<N>> for Written {
    fn from(of: HalfSpaceTrees<N>) -> Self {
        let HalfSpaceTrees { trees, depth, window, warm_up, few, seed } = of;
        Written { trees, depth, window, warm_up, few, seed }
    }
}

impl<const N: usize> From<Written> for HalfSpaceTrees<N> {
    fn from(of: Written) -> Self {
        let Written { trees, depth, window, warm_up, few, seed } = of;
        HalfSpaceTrees { trees, depth, window, warm_up, few, seed }
    }
}

/// What [`HalfSpaceTrees`] remembers of a key.
#[derive(Clone, Debug, Default, PartialEq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
#[rkyv(crate = rkyv)]
pub struct HalfSpaceTreesState {
    /// The least and the greatest of each number while it warmed up.
    ranges: Vec<(f64, f64)>,
    /// How many of the last full window lay in each node, and of this one, tree by tree; the children of `n` are `2n + 1` and `2n + 2`.
    mass: Vec<(u16, u16)>,
    /// How many values there were: of the warm-up, then of this window.
    values: u32,
    /// There is a full window.
    full: bool,
}

impl State for HalfSpaceTreesState {
    const NAME: &'static str = "watchfire.half_space_trees";
    const VERSION: u32 = 1;
}

/// The numbers behind a score of [`HalfSpaceTrees`].
///
/// # Examples
/// A hoist whose current is four times as high as ever, at a load that is usual:
/// ```
/// use watchfire_operators::detect::{HalfSpaceTrees, HalfSpaceTreesState, Judged, Score};
/// let (trees, mut state) = (HalfSpaceTrees::<2>::default(), HalfSpaceTreesState::default());
/// let usual = |n: u32| f64::from(n * 37 % 101) / 100.0;
/// (0..800).for_each(|n| _ = trees.score(&mut state, 0, [usual(n), 10.0 * usual(n)]));
/// let Judged::Score(score, why) = trees.score(&mut state, 0, [0.5, 40.0]) else { panic!("it is warm") };
/// assert!(score > 2.0 && why.mass < 5.0, "hardly any of 250 lay there: {why:?}");
/// assert!(why.number == 1 && why.of_number > 3.0, "by the current: {why:?}");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct HalfSpaceTreesWhy {
    /// How many of the last full window lay where it lies, the mean over the trees.
    pub mass: f64,
    /// How deep that was, the mean over the trees.
    pub depth: f64,
    /// The number, from 0 on, whose cuts have made most of the score.
    pub number: u32,
    /// How much that is, in bits: the mean over the trees.
    pub of_number: f64,
}

/// Bits that are random to whoever does not know the seed, the same for ever (splitmix64, Steele, Lea and Flood 2014).
fn draw(seed: u64, tree: u32, of: u64) -> u64 {
    let mut bits = seed ^ u64::from(tree).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ of.wrapping_mul(0xd134_2543_de82_ef95);
    for _ in 0..2 {
        bits = bits.wrapping_add(0x9e37_79b9_7f4a_7c15);
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^= bits >> 31;
    }
    bits
}

/// The range of a number in a tree, where values of the warm-up lie between 0 and 1: about a point of these, as far as to the further end, twice.
fn work_range(seed: u64, tree: u32, number: usize) -> (f64, f64) {
    // The numbers have draws of their own, behind those of any node.
    let about = (draw(seed, tree, (1 << 32) + number as u64) >> 11) as f64 / (1_u64 << 53) as f64;
    let reach = 2.0 * about.max(1.0 - about);
    (about - reach, about + reach)
}

/// What one tree says of a value.
struct Leaf {
    mass: f64,
    depth: u32,
}

impl<const N: usize> HalfSpaceTrees<N> {
    fn sound(self) -> Self {
        HalfSpaceTrees {
            trees: self.trees.clamp(1, 1_000),
            depth: self.depth.clamp(1, 15),
            window: self.window.clamp(1, u32::from(u16::MAX)),
            warm_up: self.warm_up.max(2),
            ..self
        }
    }

    fn nodes(self) -> usize {
        (2 << self.depth) - 1
    }

    /// Visits the nodes of a tree on the way of a value, each with the number by which its parent was cut.
    fn way(self, tree: u32, place: &[f64; N], mut visit: impl FnMut(usize, Option<usize>)) {
        let mut ranges: [(f64, f64); N] = std::array::from_fn(|number| work_range(self.seed, tree, number));
        let mut node = 0;
        visit(node, None);
        for _ in 0..self.depth {
            let number = (draw(self.seed, tree, node as u64) % N.max(1) as u64) as usize;
            // Without any number there is nothing to cut.
            let Some((low, high)) = ranges.get_mut(number) else { return };
            let middle = f64::midpoint(*low, *high);
            if place[number] < middle {
                (*high, node) = (middle, 2 * node + 1);
            } else {
                (*low, node) = (middle, 2 * node + 2);
            }
            visit(node, Some(number));
        }
    }

    /// Counts a value in, and says where it came to lie in what the tree knows of the last full window; `bits` gets what the cuts of each number have made of it.
    fn settle(self, tree: u32, mass: &mut [(u16, u16)], place: &[f64; N], bits: &mut [f64; N]) -> Leaf {
        let few = self.few.max(0.0) * f64::from(self.window);
        let (mut leaf, mut level, mut ended) = (Leaf { mass: 0.0, depth: 0 }, 0, false);
        self.way(tree, place, |node, number| {
            let (reference, latest) = &mut mass[node];
            *latest = latest.saturating_add(1);
            let here = f64::from(*reference);
            if !ended {
                if let Some(number) = number {
                    // No value at all counts as half of one.
                    bits[number] += (leaf.mass.max(0.5) / (2.0 * here.max(0.5))).log2();
                }
                leaf = Leaf { mass: here, depth: level };
                ended = here <= few;
            }
            level += 1;
        });
        leaf
    }

    /// Where a value lies by the ranges of the warm-up, 0 to 1 for what lay within.
    fn place(ranges: &[(f64, f64)], value: [f64; N]) -> [f64; N] {
        std::array::from_fn(|number| {
            let (low, high) = ranges[number];
            // What never moved is told from what has by any step.
            let width = if high > low { high - low } else { f64::MIN_POSITIVE };
            super::ewma::clamped((value[number] - low) / width)
        })
    }

    /// All trees' answers as one.
    fn judge(self, leaves: &[Leaf], bits: &[f64; N]) -> Judged<HalfSpaceTreesWhy> {
        let trees = f64::from(self.trees);
        let sum: f64 = leaves.iter().map(|leaf| leaf.mass * f64::from(1_u32 << leaf.depth)).sum();
        let score = -(sum.max(1.0) / (trees * f64::from(self.window))).log2();
        let most = (0..N).max_by(|a, b| bits[*a].total_cmp(&bits[*b]).then(b.cmp(a))).unwrap_or(0);
        let mean = |of: fn(&Leaf) -> f64| leaves.iter().map(of).sum::<f64>() / trees;
        let why = HalfSpaceTreesWhy {
            mass: mean(|leaf| leaf.mass),
            depth: mean(|leaf| f64::from(leaf.depth)),
            number: most as u32,
            of_number: bits.get(most).map_or(0.0, |bits| bits / trees),
        };
        Judged::Score(score, why)
    }
}

impl<const N: usize> Score for HalfSpaceTrees<N> {
    type Value = [f64; N];
    type Why = HalfSpaceTreesWhy;
    type State = HalfSpaceTreesState;
    const KIND: &'static str = "half_space_trees";

    fn score(&self, st: &mut HalfSpaceTreesState, _at_ms: i64, value: [f64; N]) -> Judged<HalfSpaceTreesWhy> {
        let of = self.sound();
        let nodes = of.nodes();
        if st.mass.is_empty() {
            st.ranges.resize(N, (f64::INFINITY, f64::NEG_INFINITY));
            for ((low, high), value) in st.ranges.iter_mut().zip(value) {
                (*low, *high) = (low.min(value), high.max(value));
            }
            st.values = st.values.saturating_add(1);
            if st.values >= of.warm_up {
                (st.values, st.mass) = (0, vec![(0, 0); nodes * of.trees as usize]);
            }
            return Judged::WarmsUp;
        }
        if st.mass.len() != nodes * of.trees as usize || st.ranges.len() != N {
            // Stored under other settings: what is known is of other trees.
            *st = HalfSpaceTreesState::default();
            return Judged::WarmsUp;
        }
        let place = Self::place(&st.ranges, value);
        let mut bits = [0.0; N];
        let trees = (0..of.trees).zip(st.mass.chunks_mut(nodes));
        let leaves: Vec<Leaf> = trees.map(|(tree, mass)| of.settle(tree, mass, &place, &mut bits)).collect();
        let said = if st.full { of.judge(&leaves, &bits) } else { Judged::WarmsUp };
        st.values = st.values.saturating_add(1);
        if st.values >= of.window {
            (st.values, st.full) = (0, true);
            st.mass.iter_mut().for_each(|mass| *mass = (mass.1, 0));
        }
        said
    }
}

#[cfg(test)]
mod tests;
