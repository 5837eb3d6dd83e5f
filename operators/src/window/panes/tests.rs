use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// Panes as a map from the pane's number, counted from a fixed point, to its rows.
#[derive(Default)]
struct Model {
    head: i64,
    rows: BTreeMap<i64, Vec<u32>>,
}

#[derive(Clone, Debug)]
enum Step {
    Add(usize),
    TryAdd(usize),
    Change(usize),
    Advance(usize),
    Retreat(usize),
    Reserve(usize),
    Merge(usize, usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let one = prop_oneof![
        8 => (0usize..70).prop_map(Step::Add),
        1 => (0usize..70).prop_map(Step::TryAdd),
        1 => (0usize..90).prop_map(Step::Change),
        4 => (0usize..30).prop_map(Step::Advance),
        2 => (0usize..20).prop_map(Step::Retreat),
        1 => (0usize..100).prop_map(Step::Reserve),
        6 => (0usize..90, 0usize..90).prop_map(|(from, count)| Step::Merge(from, count)),
    ];
    prop::collection::vec(one, 0..80)
}

/// Merging appends, and parts must come in the order of their panes.
fn append(into: &mut Vec<u32>, next: &Vec<u32>) {
    into.extend(next);
}

fn add(panes: &mut Panes<Vec<u32>>, k: usize, n: u32) {
    let (part, made) = panes.open(k);
    part.push(n);
    panes.settle(k, made, true);
}

fn check(panes: &Panes<Vec<u32>>, model: &Model) -> Result<(), TestCaseError> {
    let last = model.rows.keys().last().map_or(0, |pane| (pane - model.head + 1) as usize);
    prop_assert_eq!((panes.len(), panes.is_empty()), (last, model.rows.is_empty()));
    for k in 0..panes.cap() + 3 {
        prop_assert_eq!(panes.get(k), model.rows.get(&(model.head + k as i64)));
        let next = model.rows.range(model.head + k as i64..).next().map(|(pane, _)| (pane - model.head) as usize);
        prop_assert_eq!(panes.next_occupied(k), next);
    }
    Ok(())
}

proptest! {
    #[test]
    fn a_ring_is_a_map_of_panes(steps in steps(), most in prop_oneof![Just(5usize), Just(70)]) {
        let (mut panes, mut model) = (Panes::<Vec<u32>>::default(), Model::default());
        for (n, step) in steps.into_iter().enumerate() {
            let n = n as u32;
            match step {
                Step::Add(k) => {
                    let k = k % most;
                    panes.reserve(k + 1);
                    add(&mut panes, k, n);
                    model.rows.entry(model.head + k as i64).or_default().push(n);
                }
                Step::TryAdd(k) => {
                    panes.reserve(k % most + 1);
                    // Refused: the pane is as it was, and has rows only if it had.
                    let (_, made) = panes.open(k % most);
                    panes.settle(k % most, made, false);
                }
                Step::Change(k) => {
                    panes.change(k, |part| part.push(n));
                    if let Some(rows) = model.rows.get_mut(&(model.head + k as i64)) {
                        rows.push(n);
                    }
                }
                Step::Advance(count) => {
                    panes.advance(count, &mut Vec::new());
                    model.head += count as i64;
                    model.rows = model.rows.split_off(&model.head);
                }
                Step::Retreat(count) => {
                    let count = count % most;
                    panes.reserve(panes.len() + count);
                    panes.retreat(count);
                    model.head -= count as i64;
                }
                Step::Reserve(count) => panes.reserve(count % (most + 1)),
                Step::Merge(from, count) => {
                    let range = model.head + from as i64..model.head + (from + count) as i64;
                    let rows: Vec<u32> = model.rows.range(range).flat_map(|(_, rows)| rows.clone()).collect();
                    let merged = panes.merged(from, from + count, append);
                    prop_assert_eq!(merged, (!rows.is_empty()).then_some(rows));
                }
            }
            check(&panes, &model)?;
        }
    }
}
