//! Trees against what their leaves say, and what is refused.

use proptest::prelude::*;
use watchfire_engine::row_from_bytes;

use super::*;

/// A tree over three features, from numbers: an inner node while there are any, else leaves.
fn grown(numbers: &[(u32, f64, bool)]) -> Tree {
    let mut nodes = Vec::new();
    for (nth, (feature, below, missing_left)) in numbers.iter().enumerate() {
        // As in a heap: the children of the nth are 2n + 1 and 2n + 2.
        let (left, right) = (2 * nth as u32 + 1, 2 * nth as u32 + 2);
        let split = Split { feature: feature % 3, below: *below, left, right, missing_left: *missing_left };
        nodes.push(Node { value: below / 2.0, split: Some(split) });
    }
    (numbers.len()..=2 * numbers.len()).for_each(|nth| nodes.push(Node::leaf(nth as f64 / 7.0 - 1.0)));
    Tree { nodes }
}

/// What the leaf of a row says, step by step.
fn leaf(tree: &Tree, row: &[f64], at: usize) -> f64 {
    let node = &tree.nodes[at];
    let Some(split) = node.split else { return node.value };
    let value = row[split.feature as usize];
    let left = if value.is_finite() { value < split.below } else { split.missing_left };
    leaf(tree, row, if left { split.left } else { split.right } as usize)
}

fn names() -> Vec<String> {
    ["a", "b", "c"].map(str::to_owned).to_vec()
}

proptest! {
    #[test]
    fn what_features_add_is_what_leaves_say(
        numbers in prop::collection::vec(prop::collection::vec((0_u32..3, -2.0_f64..2.0, any::<bool>()), 0..8), 0..6),
        row in prop::collection::vec(prop_oneof![5 => -3.0_f64..3.0, 1 => Just(f64::NAN), 1 => Just(f64::INFINITY)], 3),
        base in -3.0_f64..3.0,
    ) {
        let grown: Vec<Tree> = numbers.iter().map(|numbers| grown(numbers)).collect();
        let log_odds = base + grown.iter().map(|tree| leaf(tree, &row, 0)).sum::<f64>();
        let trees = Trees::new(names(), base, grown).unwrap();
        let likely = trees.predict(&row);
        prop_assert_eq!(likely.why.len(), 4);
        prop_assert!((likely.why.iter().sum::<f64>() - log_odds).abs() < 1e-9, "{likely:?} {log_odds}");
        prop_assert!((likely.p - 1.0 / (1.0 + (-log_odds).exp())).abs() < 1e-9);
        // Only what a tree goes by has a say.
        for (feature, why) in (0..3).zip(&likely.why[1..]) {
            let goes_by = trees.trees.iter().flat_map(|tree| &tree.nodes).filter_map(|node| node.split);
            prop_assert!(*why == 0.0 || goes_by.into_iter().any(|split| split.feature == feature));
        }
        prop_assert_eq!(row_from_bytes::<Trees>(&row_to_bytes(&trees).unwrap()).unwrap(), trees);
    }
}

#[test]
fn what_is_no_tree_is_refused() {
    let split = Split { feature: 0, below: 1.0, left: 1, right: 2, missing_left: true };
    let of = |split: Split| {
        vec![Tree { nodes: vec![Node { value: 0.0, split: Some(split) }, Node::leaf(1.0), Node::leaf(2.0)] }]
    };
    assert!(Trees::new(names(), 0.0, of(split)).is_ok());
    let wrong = [
        of(Split { left: 0, ..split }),
        of(Split { right: 3, ..split }),
        of(Split { feature: 3, ..split }),
        of(Split { below: f64::NAN, ..split }),
        vec![Tree { nodes: Vec::new() }],
        vec![Tree { nodes: vec![Node::leaf(1e300)] }],
    ];
    for trees in wrong {
        assert_eq!(Trees::new(names(), 0.0, trees.clone()).unwrap_err().code(), "E0613", "{trees:?}");
    }
    assert_eq!(Trees::new(names(), f64::INFINITY, Vec::new()).unwrap_err().code(), "E0613");
}

#[test]
fn what_is_read_is_checked() {
    let read = |text: &str| serde_json::from_str::<Trees>(text);
    let form = |version: u32, left: u32| {
        format!(
            "{{\"version\":{version},\"features\":[\"a\"],\"base\":0.5,\"trees\":[{{\"nodes\":[{{\"value\":0.0,\"split\":{{\"feature\":0,\"below\":1.0,\"left\":{left},\"right\":1,\"missing_left\":false}}}},{{\"value\":1.0,\"split\":null}}]}}]}}"
        )
    };
    let trees = read(&form(1, 1)).unwrap();
    assert_eq!(serde_json::to_string(&trees).unwrap(), form(1, 1), "written as it always was");
    assert_eq!(trees.predict(&[0.0]).why, [0.5, 1.0]);
    for (version, left) in [(2, 1), (0, 1), (1, 0), (1, 9)] {
        let refused = read(&form(version, left)).unwrap_err().to_string();
        assert!(refused.contains("E0613"), "{refused}");
    }
    assert!(read("{\"version\":1,\"features\":[],\"base\":0.0,\"trees\":[],\"more\":1}").is_err());
}

#[test]
fn other_trees_are_another_flow() {
    let params = |value: f64| {
        let trees = Trees::new(names(), 0.0, vec![Tree { nodes: vec![Node::leaf(value)] }]).unwrap();
        Frozen::<u32, u32>::new(trees).describe().params
    };
    assert_eq!(params(1.0), params(1.0));
    assert_ne!(params(1.0), params(1.0 + f64::EPSILON));
    assert_eq!(params(1.0), "1 trees over 3 features, 880e40390987ff24", "as it always was");
}

#[test]
fn a_node_takes_as_much_memory_as_is_said() {
    assert_eq!(size_of::<Node>(), 32);
}
