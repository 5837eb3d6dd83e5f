//! Every score against its definition, written down plainly over all values so far; and what states are as bytes.

use proptest::prelude::*;
use watchfire_engine::{Key, State};

use super::*;
use crate::alarm::UnknownCause;

/// Values, each so long after the one before.
fn values() -> impl Strategy<Value = Vec<(i64, f64)>> {
    let value = prop_oneof![4 => -3.0_f64..3.0, 1 => Just(0.0), 1 => 20.0..30.0_f64];
    prop::collection::vec((0_i64..5_000, value), 1..80).prop_map(|steps| {
        let mut at_ms = 1_700_000_000_000;
        let step = |(gap_ms, value)| {
            at_ms += gap_ms;
            (at_ms, value)
        };
        steps.into_iter().map(step).collect()
    })
}

/// What is said of each value.
fn said<S: Score<Value = f64>>(score: &S, values: &[(i64, f64)]) -> Vec<Judged<S::Why>> {
    let mut state = S::State::default();
    let said = values.iter().map(|(at_ms, value)| {
        let said = score.score(&mut state, *at_ms, *value);
        // Written down and read back after every value.
        state = S::State::decode(&state.encode().unwrap()).unwrap();
        said
    });
    said.collect()
}

fn score_of<W>(said: &Judged<W>) -> Option<f64> {
    if let Judged::Score(score, _) = said { Some(*score) } else { None }
}

fn near(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-6 * (1.0 + a.abs().max(b.abs()))
}

/// Mean and standard deviation by weight.
fn moments(values: &[(f64, f64)]) -> (f64, f64) {
    let weight: f64 = values.iter().map(|(weight, _)| weight).sum();
    let mean = values.iter().map(|(weight, value)| weight * value).sum::<f64>() / weight;
    let variance = values.iter().map(|(weight, value)| weight * (value - mean).powi(2)).sum::<f64>() / weight;
    (mean, variance.sqrt())
}

/// The largest of all sums that end with the last, and nothing.
fn largest_tail(terms: &[f64]) -> f64 {
    (0..=terms.len()).map(|from| terms[from..].iter().sum::<f64>()).fold(0.0, f64::max)
}

proptest! {
    #[test]
    fn ewma_is_the_mean_by_weight_of_all_before(values in values(), tau_ms in 1_000_i64..20_000) {
        let ewma = Ewma { tau_ms, warm_up: 5, sd_min: 0.1, side: Side::Above };
        let mut warm = 0;
        for (n, said) in said(&ewma, &values).iter().enumerate() {
            let (before, (at_ms, value)) = (&values[..n], values[n]);
            let left: f64 = before.iter().map(|(at, _)| (-((at_ms - at) as f64) / tau_ms as f64).exp()).sum();
            // After a gap that leaves less than one value weighs it warms up again.
            if warm > 1 && left < 1.0 {
                warm = 0;
            }
            warm += 1;
            if warm <= 5 {
                prop_assert_eq!(said, &Judged::WarmsUp);
                continue;
            }
            let last_ms = before[n - 1].0;
            let weighted = before.iter().map(|(at, value)| ((-((last_ms - at) as f64) / tau_ms as f64).exp(), *value));
            let (mean, sd) = moments(&weighted.collect::<Vec<_>>());
            let Judged::Score(score, why) = said else { return Err(TestCaseError::fail("it is warm")) };
            prop_assert!(near(why.mean, mean) && (why.sd - sd.max(0.1)).abs() < 1e-5, "{why:?} {mean} {sd}");
            prop_assert!((score - (value - mean) / sd.max(0.1)).abs() < 1e-3 * (1.0 + score.abs()));
        }
    }

    #[test]
    fn cusum_is_the_largest_sum_that_ends_now(values in values(), k in 0.0_f64..1.0) {
        let cusum = Cusum { k, warm_up: 10, most: 1e9, ..Cusum::default() };
        let first: Vec<f64> = values.iter().take(10).map(|(_, value)| *value).collect();
        let mean = first.iter().sum::<f64>() / first.len() as f64;
        let sd = (first.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / 9.0).sqrt().max(1e-9);
        let z: Vec<f64> = values.iter().skip(10).map(|(_, value)| ((value - mean) / sd).clamp(-1e12, 1e12)).collect();
        for (n, said) in said(&cusum, &values).iter().enumerate() {
            let Some(now) = n.checked_sub(10) else {
                prop_assert_eq!(said, &Judged::WarmsUp);
                continue;
            };
            let tail = |sign: f64| largest_tail(&z[..=now].iter().map(|z| sign * z - k).collect::<Vec<_>>());
            let Judged::Score(score, why) = said else { return Err(TestCaseError::fail("it is warm")) };
            prop_assert!(near(why.above, tail(1.0)) && near(why.below, tail(-1.0)), "{why:?}");
            prop_assert_eq!(*score, why.above.max(why.below));
        }
    }

    #[test]
    fn page_hinkley_is_the_sum_less_its_lowest(values in values(), allowance in 0.0_f64..0.5) {
        let test = PageHinkley { allowance, warm_up: 3, side: Side::Both, ..PageHinkley::default() };
        let mean = |upto: usize| values[..=upto].iter().map(|(_, value)| value).sum::<f64>() / (upto + 1) as f64;
        let off: Vec<f64> = values.iter().enumerate().map(|(n, (_, value))| value - mean(n)).collect();
        for (n, said) in said(&test, &values).iter().enumerate() {
            // Each sum from the first on, and the lowest of them, nothing included.
            let from_lowest = |sign: f64| {
                let mut sum = 0.0;
                let sums = off[..=n].iter().map(|off| { sum += sign * off - allowance; sum });
                let sums: Vec<f64> = std::iter::once(0.0).chain(sums).collect();
                sums[sums.len() - 1] - sums.iter().copied().fold(f64::INFINITY, f64::min)
            };
            match said {
                Judged::Score(score, why) => {
                    prop_assert!(n >= 3 && near(why.above, from_lowest(1.0)) && near(why.below, from_lowest(-1.0)));
                    prop_assert_eq!(*score, why.above.max(why.below));
                }
                other => prop_assert!(n < 3, "{other:?}"),
            }
        }
    }

    #[test]
    fn holt_is_the_recursion_over_values_of_different_instants(values in values(), limit in -5.0_f64..5.0) {
        let holt = Holt { level_ms: 5_000, trend_ms: 30_000, limit, warm_up: 4, horizon_ms: 60_000, side: Side::Both };
        let mut apart = values.clone();
        apart.dedup_by_key(|(at_ms, _)| *at_ms);
        let said: Vec<f64> = said(&holt, &values).iter().filter_map(score_of).collect();
        // By seconds, and with all levels and trends kept.
        let (mut levels, mut trends) = (vec![apart[0].1], vec![0.0]);
        for pair in apart.windows(2) {
            let (gap_s, value, n) = ((pair[1].0 - pair[0].0) as f64 / 1e3, pair[1].1, levels.len() - 1);
            let nth = (n + 2) as f64;
            let usual_s = (pair[1].0 - apart[0].0) as f64 / 1e3 / (n + 1) as f64;
            let share = (gap_s / usual_s).min(1.0);
            let part = gap_s / (usual_s * (n + 1) as f64);
            let alpha = (1.0 - (-gap_s / 5.0).exp()).max(part).max(share * (4.0 * nth - 2.0) / (nth * nth + nth));
            let beta = (1.0 - (-gap_s / 30.0).exp()).max(part).max(share * 3.0 / (2.0 * nth - 1.0));
            levels.push(alpha * value + (1.0 - alpha) * (levels[n] + trends[n] * gap_s));
            trends.push(beta * (levels[n + 1] - levels[n]) / gap_s + (1.0 - beta) * trends[n]);
        }
        let expected: Vec<f64> = (3..levels.len()).map(|n| {
            let (way, trend) = (limit - levels[n], trends[n]);
            let up = levels[3] < limit;
            if (up && way <= 0.0) || (!up && way >= 0.0) { return 0.0 }
            let left_ms = way / trend * 1e3;
            if left_ms > 0.0 { left_ms.min(60_000.0) } else { 60_000.0 }
        }).collect();
        prop_assert_eq!(said.len(), expected.len());
        for (said, expected) in said.iter().zip(&expected) {
            prop_assert!((said - expected).abs() < 1e-3 * (1.0 + expected), "{said} {expected}");
        }
    }

    #[test]
    fn holt_begins_with_the_line_of_least_squares(values in prop::collection::vec(-3.0_f64..3.0, 2..60)) {
        let holt = Holt { level_ms: i64::MAX, trend_ms: i64::MAX, warm_up: 2, limit: 1e6, ..Holt::default() };
        let at: Vec<(i64, f64)> = (0..).zip(&values).map(|(n, value)| (n * 1_000, *value)).collect();
        let count = values.len() as f64;
        let (mean_s, mean) = ((count - 1.0) / 2.0, values.iter().sum::<f64>() / count);
        let (mut covariance, mut variance) = (0.0, 0.0);
        for (at_ms, value) in &at {
            let off_s = *at_ms as f64 / 1e3 - mean_s;
            (covariance, variance) = (covariance + off_s * (value - mean), variance + off_s * off_s);
        }
        let slope = covariance / variance;
        let Some(Judged::Score(_, why)) = said(&holt, &at).pop() else { return Err(TestCaseError::fail("it is warm")) };
        prop_assert!((why.trend_a_day / 86_400.0 - slope).abs() < 1e-6, "{why:?} {slope}");
        prop_assert!((why.level - (mean + slope * (count - 1.0 - mean_s))).abs() < 1e-6);
    }

    /// Whatever the gaps: two values a millisecond apart say nothing of a trend.
    #[test]
    fn holt_stays_where_values_are(gaps in prop::collection::vec(prop_oneof![Just(1_i64), 1_i64..600_000], 2..400), seed in 0_u64..1_000) {
        let (holt, mut at_ms) = (Holt { warm_up: 2, limit: 1e6, ..Holt::default() }, 0);
        let noise = |n: u64| ((n + seed).stable_hash() % 1_000) as f64 / 1e3;
        let values: Vec<(i64, f64)> = (0..).zip(&gaps).map(|(n, gap_ms)| {
            at_ms += gap_ms;
            (at_ms, noise(n))
        }).collect();
        for said in said(&holt, &values) {
            if let Judged::Score(_, why) = said {
                prop_assert!(why.level.abs() < 10.0 && why.trend_a_day.is_finite(), "{why:?}");
            }
        }
    }

    #[test]
    fn a_rate_is_a_difference_by_time_and_what_is_stuck_has_not_moved(values in values()) {
        let rates = said(&Rate { gap_max_ms: 4_000, side: Side::Below }, &values);
        let stuck = said(&Stuck { tolerance: 1.0, gap_max_ms: 4_000 }, &values);
        prop_assert_eq!(&rates[0], &Judged::WarmsUp);
        let mut since = 0;
        for n in 0..values.len() {
            if (values[n].1 - values[since].1).abs() > 1.0 {
                since = n;
            }
            let still_ms: i64 = (since..n).map(|n| (values[n + 1].0 - values[n].0).min(4_000)).sum();
            prop_assert_eq!(score_of(&stuck[n]), Some(still_ms as f64));
            let Some(before) = n.checked_sub(1) else { continue };
            let gap_ms = values[n].0 - values[before].0;
            match &rates[n] {
                Judged::Score(score, _) => prop_assert!(near(*score, (values[before].1 - values[n].1) * 1e3 / gap_ms as f64)),
                Judged::Nothing => prop_assert_eq!(gap_ms, 0),
                Judged::WarmsUp => prop_assert!(gap_ms > 4_000),
                Judged::Unknown(cause) => prop_assert!(false, "{cause:?}"),
            }
        }
    }

    #[test]
    fn no_sound_value_makes_a_score_that_is_not_finite(
        values in prop::collection::vec(prop_oneof![any::<f64>(), Just(VALUE_MAX), Just(-VALUE_MAX), Just(5e-324)], 1..60),
        gap_ms in 0_i64..i64::MAX / 64,
    ) {
        let finite: Vec<(i64, f64)> =
            (0..).zip(values).filter(|(_, value)| value.unsound().is_none()).map(|(n, value)| (n * gap_ms, value)).collect();
        fn all<S: Score<Value = f64>>(score: &S, values: &[(i64, f64)]) -> Vec<Option<f64>> {
            said(score, values).iter().map(score_of).collect()
        }
        let scores = [
            all(&Ewma { warm_up: 2, ..Ewma::default() }, &finite),
            all(&Cusum { warm_up: 2, ..Cusum::default() }, &finite),
            all(&PageHinkley { warm_up: 2, ..PageHinkley::default() }, &finite),
            all(&Holt { warm_up: 2, side: Side::Both, ..Holt::default() }, &finite),
            all(&Rate::default(), &finite),
            all(&Stuck::default(), &finite),
            all(&Discord { warm_up: 2, stretch: 3, memory: 9, ..Discord::default() }, &finite),
        ];
        for scores in scores {
            prop_assert!(scores.iter().flatten().all(|score| score.is_finite()), "{scores:?}");
        }
    }
}

proptest! {
    #[test]
    fn an_event_rate_is_all_events_by_all_exposure(
        of in prop::collection::vec((0_u32..4, 0.0_f64..3.0), 1..40), prior_rate in 0.1_f64..3.0, prior_exposure in 0.1_f64..5.0,
    ) {
        let rate = EventRate { prior_rate, prior_exposure, ..EventRate::default() };
        let mut state = EventRateState::default();
        for (n, (events, exposure)) in of.iter().enumerate() {
            let Judged::Score(score, why) = rate.score(&mut state, 0, [f64::from(*events), *exposure]) else {
                return Err(TestCaseError::fail("it is never cold"));
            };
            let events: f64 = of[..=n].iter().map(|(events, _)| f64::from(*events)).sum();
            let exposure: f64 = of[..=n].iter().map(|(_, exposure)| exposure).sum();
            let (a, b) = (prior_rate * prior_exposure + events, prior_exposure + exposure);
            prop_assert!(near(score, a / b) && near(why.sd * why.sd, a / (b * b)));
        }
    }

    /// The hazard `shape / scale x (use / scale)^(shape - 1)`, added up in small steps.
    #[test]
    fn a_part_fails_by_the_hazard_that_adds_up(shape in 1.0_f64..4.0, scale in 0.5_f64..20.0, used in prop::collection::vec(0.0_f64..3.0, 1..10)) {
        let weibull = Weibull { shape, scale, within: 1.0 };
        let mut state = WeibullState::default();
        let mut said = Judged::Nothing;
        used.iter().for_each(|used| said = weibull.score(&mut state, 0, *used));
        let from: f64 = used.iter().sum();
        let step = 1.0 / 20_000.0;
        let hazard: f64 = (0..20_000)
            .map(|n| shape / scale * ((from + (f64::from(n) + 0.5) * step) / scale).powf(shape - 1.0) * step)
            .sum();
        let Judged::Score(fails, why) = said else { return Err(TestCaseError::fail("it is never cold")) };
        prop_assert!((fails - (1.0 - (-hazard).exp())).abs() < 1e-6 && near(why.used, from), "{fails} {hazard}");
    }

    #[test]
    fn no_life_near_the_fitted_one_is_likelier(lives in prop::collection::vec((0.1_f64..50.0, any::<bool>()), 4..60)) {
        let lives: Vec<Life> = lives.into_iter().map(|(used, failed)| Life { used, failed }).collect();
        let Ok(fitted) = Weibull::fit(lives.iter().copied(), 1.0) else { return Ok(()) };
        let likelihood = |shape: f64, scale: f64| lives.iter().map(|Life { used, failed }| {
            let hazard = (shape / scale * (used / scale).powf(shape - 1.0)).ln();
            f64::from(u8::from(*failed)) * hazard - (used / scale).powf(shape)
        }).sum::<f64>();
        let best = likelihood(fitted.shape, fitted.scale);
        for (shape, scale) in [(1.01, 1.0), (0.99, 1.0), (1.0, 1.01), (1.0, 0.99)] {
            let other = likelihood(fitted.shape * shape, fitted.scale * scale);
            prop_assert!(other <= best + 1e-9 * best.abs(), "{fitted:?}: {best} {other}");
        }
    }
}

#[test]
fn use_and_events_are_never_taken_back() {
    let (weibull, mut state) = (Weibull::default(), WeibullState::default());
    assert_eq!(weibull.score(&mut state, 0, -1.0), Judged::Unknown(UnknownCause::OutOfRange));
    for used in [0.0, 1.0, VALUE_MAX, 0.0] {
        assert!(matches!(weibull.score(&mut state, 0, used), Judged::Score(p, _) if (0.0..=1.0).contains(&p)));
    }
    // What was hardly used at all is like new.
    let fails = |used: f64| match weibull.score(&mut WeibullState::default(), 0, used) {
        Judged::Score(p, _) => p,
        said => panic!("{said:?}"),
    };
    for used in [5e-324, 1e-300, 1e-200, 1e-12] {
        assert!((fails(used) - fails(0.0)).abs() < 1e-9, "{used:e}: {}", fails(used));
    }
    let (rate, mut state) = (EventRate { fades_after: 2.0, ..EventRate::default() }, EventRateState::default());
    for value in [[-5.0, 3.0], [5.0, -3.0]] {
        assert_eq!(rate.score(&mut state, 0, value), Judged::Unknown(UnknownCause::OutOfRange));
    }
    for value in [[VALUE_MAX, VALUE_MAX], [1.0, 0.0]] {
        assert!(matches!(rate.score(&mut state, 0, value), Judged::Score(rate, _) if rate.is_finite() && rate >= 0.0));
    }
}

#[test]
fn after_a_long_gap_the_first_value_back_measures_nothing() {
    let (ewma, mut state) = (Ewma::default(), EwmaState::default());
    let value = |n: i64| 40.0 + (n % 5) as f64;
    (0..600).for_each(|n| _ = ewma.score(&mut state, n * 60_000, value(n)));
    let night_ms = 600 * 60_000 + 8 * 3_600_000;
    for n in 0..30 {
        assert_eq!(ewma.score(&mut state, night_ms + n * 60_000, value(n)), Judged::WarmsUp);
    }
    let Judged::Score(score, _) = ewma.score(&mut state, night_ms + 30 * 60_000, 42.0) else { panic!("it is warm") };
    assert!(score < 1.0);
}

#[test]
fn settings_that_make_no_sense_make_no_nonsense() {
    for none in [0.0, -1.0, f64::NAN] {
        let cusum = Cusum { warm_up: 2, sd_min: none, most: none, ..Cusum::default() };
        let hinkley = PageHinkley { warm_up: 1, most: none, ..PageHinkley::default() };
        let ewma = Ewma { warm_up: 2, sd_min: none, ..Ewma::default() };
        let values: Vec<(i64, f64)> = (0..9).map(|n| (n * 1_000, 5.0)).collect();
        let all = [said(&cusum, &values).iter().filter_map(score_of).collect::<Vec<_>>()];
        let more = [
            said(&hinkley, &values).iter().filter_map(score_of).collect(),
            said(&ewma, &values).iter().filter_map(score_of).collect(),
        ];
        assert!(
            all.iter().chain(&more).all(|scores| !scores.is_empty() && scores.iter().all(|score| score.is_finite()))
        );
        let rate = EventRate { prior_rate: none, prior_exposure: none, fades_after: none };
        assert!(
            matches!(rate.score(&mut EventRateState::default(), 0, [1.0, 0.0]), Judged::Score(score, _) if score.is_finite())
        );
    }
}

proptest! {
    /// Without penalties, and with rates that begin at the highest, it is gradient descent with a rate of its own for each weight.
    #[test]
    fn ftrl_is_gradient_descent_that_learns_less_and_less(
        examples in prop::collection::vec((prop::collection::vec(-3.0_f64..3.0, 2), any::<bool>()), 1..60), alpha in 0.05_f64..0.5,
    ) {
        let ftrl = Ftrl { alpha, beta: 0.0, l1: 0.0, l2: 0.0 };
        let (mut state, mut weights, mut squares) = (FtrlState::default(), [0.0; 3], [0.0; 3]);
        for (n, (features, label)) in examples.iter().enumerate() {
            let seen = &examples[..=n];
            let scaled = |of: usize| {
                let (mean, sd) = moments(&seen.iter().map(|(features, _)| (1.0, features[of])).collect::<Vec<_>>());
                if sd > 1e-12 { ((features[of] - mean) / sd).clamp(-10.0, 10.0) } else { 0.0 }
            };
            let values = [1.0, scaled(0), scaled(1)];
            let logit: f64 = values.iter().zip(&weights).map(|(value, weight)| value * weight).sum();
            let missed = 1.0 / (1.0 + (-logit.clamp(-35.0, 35.0)).exp()) - f64::from(u8::from(*label));
            ftrl.learn(&mut state, features, *label, 1.0);
            for of in 0..3 {
                let gradient = missed * values[of];
                squares[of] += gradient * gradient;
                if squares[of] > 0.0 {
                    weights[of] -= alpha / squares[of].sqrt() * gradient;
                }
            }
            let said = ftrl.predict(&state, features);
            let expected: Vec<f64> = values.iter().zip(&weights).map(|(value, weight)| value * weight).collect();
            for (said, expected) in said.why.iter().zip(&expected) {
                prop_assert!((said - expected).abs() < 1e-6 * (1.0 + expected.abs()), "{said} {expected}");
            }
            prop_assert!((0.0..=1.0).contains(&said.p));
        }
        prop_assert_eq!(state.learned(), examples.len() as u64);
    }
}

#[test]
fn whatever_is_learned_likelihoods_are_numbers() {
    let ftrl = Ftrl::default();
    let mut state = FtrlState::default();
    for n in 0..200_u32 {
        let of = [VALUE_MAX, -VALUE_MAX, 0.0, 5e-324][n as usize % 4];
        ftrl.learn(&mut state, &[of, f64::from(n)][..1 + n as usize % 2], n % 3 == 0, 50.0);
        let said = ftrl.predict(&state, &[of, 1e9, 7.0]);
        assert!((0.0..=1.0).contains(&said.p) && said.why.iter().all(|of| of.is_finite()), "{said:?}");
    }
    assert_eq!(Ftrl::default().predict(&FtrlState::default(), &[1.0]).p, 0.5, "nothing is known");
}

/// A state after some values, as bytes: how many, and their hash.
fn bytes<S: Score<Value = f64>>(score: &S) -> (&'static str, usize, u64) {
    bytes_of(score, |value| value)
}

fn bytes_of<S: Score>(score: &S, value: fn(f64) -> S::Value) -> (&'static str, usize, u64) {
    let mut state = S::State::default();
    (0..50).for_each(|n| drop(score.score(&mut state, n * 1_000, value((n * n % 17) as f64))));
    let bytes = state.encode().unwrap();
    let words: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    (S::State::NAME, bytes.len(), words.stable_hash())
}

#[test]
fn states_are_stored_as_they_always_were() {
    let stored = [
        bytes(&Ewma::default()),
        bytes(&Cusum { warm_up: 20, ..Cusum::default() }),
        bytes(&PageHinkley::default()),
        bytes(&Holt::default()),
        bytes(&Rate::default()),
        bytes(&Stuck { tolerance: 20.0, ..Stuck::default() }),
        bytes(&Weibull::default()),
        bytes_of(&EventRate::default(), |value| [value, 1.0]),
        bytes_of(&RobustZ { keep: 9, ..RobustZ::default() }, Entry::Add),
        bytes_of(&HalfSpaceTrees { trees: 2, depth: 3, window: 9, warm_up: 8, ..HalfSpaceTrees::default() }, |value| {
            [value, -value]
        }),
        bytes(&Discord { warm_up: 8, stretch: 3, memory: 9, ..Discord::default() }),
    ];
    let always = [
        ("watchfire.ewma", 40, 6_373_683_541_024_376_976),
        ("watchfire.cusum", 40, 4_309_075_141_916_526_570),
        ("watchfire.page_hinkley", 32, 6_777_714_078_442_463_579),
        ("watchfire.holt", 40, 2_422_059_985_841_454_828),
        ("watchfire.rate", 24, 1_498_108_171_819_168_908),
        ("watchfire.stuck", 32, 940_665_814_006_209_353),
        ("watchfire.weibull", 8, 6_091_934_898_346_670_658),
        ("watchfire.event_rate", 16, 11_096_986_317_464_680_118),
        ("watchfire.robust_z", 232, 11_357_911_803_095_162_933),
        ("watchfire.half_space_trees", 176, 9_761_489_034_374_592_255),
        ("watchfire.discord", 384, 6_461_686_852_303_515_836),
    ];
    assert_eq!(stored, always);
}

#[test]
fn what_is_learned_and_what_is_open_is_stored_as_it_always_was() {
    let (ftrl, mut state) = (Ftrl::default(), FtrlState::default());
    (0..20).for_each(|n| ftrl.learn(&mut state, &[f64::from(n % 5), f64::from(n % 7)], n % 3 == 0, 1.0));
    let hash = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>().stable_hash();
    let bytes = state.encode().unwrap();
    assert_eq!((bytes.len(), hash(&bytes)), (112, 8_631_489_096_427_367_316));
    assert_eq!(FtrlState::decode(&bytes).unwrap(), state);
}

#[test]
fn a_key_takes_as_much_memory_as_is_said() {
    let of = [
        size_of::<EwmaState>(),
        size_of::<CusumState>(),
        size_of::<PageHinkleyState>(),
        size_of::<HoltState>(),
        size_of::<RateState>(),
        size_of::<StuckState>(),
        size_of::<EventRateState>(),
        size_of::<WeibullState>(),
        size_of::<SilenceState>(),
    ];
    assert_eq!(of, [40, 40, 32, 40, 24, 32, 16, 8, 40]);
    assert_eq!(size_of::<ScoresState<EwmaState>>(), size_of::<EwmaState>() + 16);
    // Values of all parts of the day, and nodes of all trees.
    assert_eq!(24 * 100 * size_of::<(f64, i64)>(), 38_400);
    assert_eq!(25 * ((2 << 8) - 1) * size_of::<(u16, u16)>(), 51_100);
    assert_eq!((2_000 * 24 + 32 * 16, size_of::<DiscordState>()), (48_512, 168));
}
