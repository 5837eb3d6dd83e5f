use proptest::prelude::*;

use super::*;

/// A tree by its cuts: how many of some places lie where a place does, by looking at all of them.
fn looked_up(of: HalfSpaceTrees<2>, tree: u32, all: &[[f64; 2]], place: [f64; 2]) -> (f64, u32) {
    let mut boxed = [work_range(of.seed, tree, 0), work_range(of.seed, tree, 1)];
    let (mut inside, mut node, mut depth) = (all.to_vec(), 0_u64, 0);
    while depth < of.depth && inside.len() as f64 > of.few * f64::from(of.window) {
        let number = (draw(of.seed, tree, node) % 2) as usize;
        let (low, high) = boxed[number];
        let middle = (low + high) / 2.0;
        let left = place[number] < middle;
        inside.retain(|one| (one[number] < middle) == left);
        boxed[number] = if left { (low, middle) } else { (middle, high) };
        (node, depth) = (2 * node + if left { 1 } else { 2 }, depth + 1);
    }
    (inside.len() as f64, depth)
}

proptest! {
    #[test]
    fn mass_is_how_many_of_the_last_full_window_lie_there(
        values in prop::collection::vec((-3_i32..9, -3_i32..9), 1..70), seed in any::<u64>(), window in 1_u32..20, depth in 1_u32..6, few in 0.0_f64..0.4,
    ) {
        let of = HalfSpaceTrees::<2> { trees: 3, depth, window, warm_up: 5, few, seed };
        let values: Vec<[f64; 2]> = values.into_iter().map(|(a, b)| [f64::from(a), f64::from(b) * 1e3]).collect();
        let range = |number: usize| {
            let first = values.iter().take(5).map(|value| value[number]);
            let (low, high) = (first.clone().fold(f64::INFINITY, f64::min), first.fold(f64::NEG_INFINITY, f64::max));
            (low, if high > low { high - low } else { f64::MIN_POSITIVE })
        };
        let scaled = |value: [f64; 2]| [0, 1].map(|n| ((value[n] - range(n).0) / range(n).1).clamp(-1e12, 1e12));
        let mut state = HalfSpaceTreesState::default();
        for (n, value) in values.iter().enumerate() {
            let said = of.score(&mut state, 0, *value);
            state = HalfSpaceTreesState::decode(&state.encode().unwrap()).unwrap();
            let windows = n.saturating_sub(5) / window as usize;
            if n < 5 || windows == 0 {
                prop_assert_eq!(said, Judged::WarmsUp);
                continue;
            }
            let from = 5 + (windows - 1) * window as usize;
            let last: Vec<[f64; 2]> = values[from..from + window as usize].iter().map(|value| scaled(*value)).collect();
            let looked: Vec<(f64, u32)> = (0..3).map(|tree| looked_up(of, tree, &last, scaled(*value))).collect();
            let sum: f64 = looked.iter().map(|(mass, depth)| mass * 2_f64.powi(*depth as i32)).sum();
            let Judged::Score(score, why) = said else { return Err(TestCaseError::fail("it is warm")) };
            prop_assert!((score + (sum.max(1.0) / f64::from(3 * window)).log2()).abs() < 1e-9);
            prop_assert!((why.mass - looked.iter().map(|(mass, _)| mass).sum::<f64>() / 3.0).abs() < 1e-9);
            prop_assert!((why.depth - looked.iter().map(|(_, depth)| f64::from(*depth)).sum::<f64>() / 3.0).abs() < 1e-9);
        }
    }

    #[test]
    fn every_score_is_finite_and_within_its_bounds(
        values in prop::collection::vec(prop_oneof![-1e100_f64..1e100, Just(0.0), Just(5e-324), Just(1e100)], 1..80), few in prop_oneof![Just(f64::NAN), Just(-1.0), Just(2.0)],
    ) {
        let of = HalfSpaceTrees::<1> { trees: 0, depth: 99, window: 0, warm_up: 0, few, seed: 7 };
        let mut state = HalfSpaceTreesState::default();
        for value in values {
            if let Judged::Score(score, why) = of.score(&mut state, 0, [value]) {
                prop_assert!((-15.0..=0.0).contains(&score) && why.of_number.is_finite(), "{score} {why:?}");
            }
        }
    }
}

#[test]
fn what_is_odd_in_one_number_is_said_of_that() {
    let trees = HalfSpaceTrees::<3>::default();
    let mut state = HalfSpaceTreesState::default();
    let usual = |n: u64, of: u32| (draw(n, of, 1) % 1_000) as f64 / 1e3;
    (0..700).for_each(|n| _ = trees.score(&mut state, 0, [usual(n, 1), usual(n, 2), usual(n, 3)]));
    for odd in 0..3 {
        let mut value = [0.5; 3];
        value[odd] = 1.6;
        let (mut usual_state, mut odd_state) = (state.clone(), state.clone());
        let Judged::Score(usual, _) = trees.score(&mut usual_state, 0, [0.5; 3]) else { panic!("it is warm") };
        let Judged::Score(score, why) = trees.score(&mut odd_state, 0, value) else { panic!("it is warm") };
        assert!(score > usual + 1.0 && why.number as usize == odd, "{usual} {score} {why:?}");
    }
}

#[test]
fn what_is_not_said_is_the_default_and_what_is_wrong_is_refused() {
    let of: HalfSpaceTrees<2> = toml::from_str("depth = 5\nseed = 9").unwrap();
    assert_eq!(of, HalfSpaceTrees { depth: 5, seed: 9, ..HalfSpaceTrees::default() });
    assert_eq!(toml::from_str::<HalfSpaceTrees<2>>(&toml::to_string(&of).unwrap()).unwrap(), of);
    assert!(toml::from_str::<HalfSpaceTrees<2>>("tress = 5").is_err());
}

#[test]
fn trees_stay_what_they_were() {
    let cuts: Vec<u64> = (0..12).map(|node| draw(7, 1, node) % 3).collect();
    assert_eq!(cuts, [2, 1, 0, 0, 0, 0, 1, 1, 2, 2, 0, 1]);
    for number in 0..50 {
        let (low, high) = work_range(7, 1, number);
        assert!(low <= 0.0 && high >= 1.0 && (2.0..=4.0).contains(&(high - low)), "{low} {high}");
    }
}
