use proptest::prelude::*;
use watchfire_engine::{row_from_bytes, row_to_bytes};

use super::*;

fn examples() -> impl Strategy<Value = Vec<(f64, bool)>> {
    let score = prop_oneof![3 => (-8_i32..8).prop_map(f64::from), 1 => -20.0_f64..20.0];
    prop::collection::vec((score, any::<bool>()), 2..60)
}

/// The isotonic fit by its definition: at each score the largest of all least means, `max over from <= at of min over to >= at of mean(from..=to)`.
fn min_max(all: &[(f64, bool)], score: f64) -> f64 {
    let mut scores: Vec<f64> = all.iter().map(|(score, _)| *score).collect();
    scores.sort_by(f64::total_cmp);
    scores.dedup();
    let mean = |from: f64, to: f64| {
        let within: Vec<bool> =
            all.iter().filter(|(score, _)| (from..=to).contains(score)).map(|(_, happened)| *happened).collect();
        within.iter().filter(|happened| **happened).count() as f64 / within.len() as f64
    };
    let least =
        |from: f64| scores.iter().filter(|to| **to >= score).map(|to| mean(from, *to)).fold(f64::INFINITY, f64::min);
    scores.iter().filter(|from| **from <= score).map(|from| least(*from)).fold(0.0, f64::max)
}

proptest! {
    #[test]
    fn isotonic_is_the_min_max_of_means_and_monotone(all in examples(), between in -25.0_f64..25.0) {
        let Ok(map) = Calibration::isotonic(all.iter().copied()) else {
            prop_assert!(all.iter().all(|(_, happened)| *happened == all[0].1));
            return Ok(());
        };
        for (score, _) in &all {
            prop_assert!((map.of(*score) - min_max(&all, *score)).abs() < 1e-12, "{score}");
        }
        prop_assert!((0.0..=1.0).contains(&map.of(between)) && map.of(between) <= map.of(between + 0.5));
        prop_assert_eq!(row_from_bytes::<Calibration>(&row_to_bytes(&map).unwrap()).unwrap(), map);
    }

    #[test]
    fn no_logistic_curve_near_the_fitted_one_is_likelier(all in examples(), far in prop_oneof![Just(1.0), Just(1e6), Just(1e-6)]) {
        let all: Vec<(f64, bool)> = all.iter().map(|(score, happened)| (score * far, *happened)).collect();
        let Ok(Calibration { curve: Curve::Logistic { slope, offset } }) = Calibration::platt(all.iter().copied()) else {
            return Ok(());
        };
        let yes = all.iter().filter(|(_, happened)| *happened).count() as f64;
        let no = all.len() as f64 - yes;
        let loss = |slope: f64, offset: f64| all.iter().map(|(score, happened)| {
            let (p, target) = (1.0 / (1.0 + (-(slope * score + offset)).exp()), if *happened { (yes + 1.0) / (yes + 2.0) } else { 1.0 / (no + 2.0) });
            -target * p.ln() - (1.0 - target) * (1.0 - p).ln()
        }).sum::<f64>();
        let best = loss(slope, offset);
        for (slope, offset) in [(slope * 1.02, offset), (slope * 0.98, offset), (slope, offset + 0.02), (slope, offset - 0.02)] {
            prop_assert!(loss(slope, offset) >= best - 1e-9 * best.abs());
        }
    }

    #[test]
    fn a_table_holds_all_and_its_parts_make_the_brier_score(all in prop::collection::vec((0_u8..=20, any::<bool>()), 1..80), bins in 1_usize..12) {
        let all: Vec<(f64, bool)> = all.into_iter().map(|(p, happened)| (f64::from(p) / 20.0, happened)).collect();
        let table = reliability(all.iter().copied(), bins);
        prop_assert_eq!(table.iter().map(|row| row.count).sum::<u64>(), all.len() as u64);
        for row in &table {
            let last = row.to == 1.0;
            let of: Vec<_> = all.iter().filter(|(p, _)| *p >= row.from && (*p < row.to || last)).collect();
            let share = of.iter().filter(|(_, happened)| *happened).count() as f64 / of.len() as f64;
            prop_assert_eq!((of.len() as u64, share), (row.count, row.happened));
        }
        let plain = all.iter().map(|(p, happened)| if *happened { (1.0 - p) * (1.0 - p) } else { p * p }).sum::<f64>();
        prop_assert!((brier(all.iter().copied()) - plain / all.len() as f64).abs() < 1e-12);
    }
}

#[test]
fn what_is_no_map_is_refused() {
    let no_map = [
        r#"{"knots":[]}"#,
        r#"{"knots":[[1.0,0.5],[2.0,0.4]]}"#,
        r#"{"knots":[[2.0,0.5],[1.0,0.6]]}"#,
        r#"{"knots":[[1.0,1.5]]}"#,
        r#"{"logistic":{"slope":-1.0,"offset":0.0}}"#,
    ];
    for text in no_map {
        let error = serde_json::from_str::<Calibration>(text).unwrap_err();
        assert!(error.to_string().contains("E0612"), "{error}");
    }
    let map: Calibration = serde_json::from_str(r#"{"logistic":{"slope":2.0,"offset":-1.0}}"#).unwrap();
    assert_eq!((map.of(0.5), map.of(f64::INFINITY)), (0.5, 1.0));
    assert!(map.of(f64::NAN).is_nan());
}

#[test]
fn scores_at_the_edges_give_probabilities() {
    let wide = [(-1e308, false), (0.0, true), (0.5, false), (1e308, true)];
    for map in [Calibration::isotonic(wide), Calibration::platt(wide)].into_iter().flatten() {
        for score in [f64::NEG_INFINITY, -1e308, -1.0, 0.0, 0.25, 1.0, 1e308, f64::INFINITY] {
            assert!((0.0..=1.0).contains(&map.of(score)), "{map:?} of {score}");
        }
    }
    assert_eq!(Calibration::platt([(1.0, true), (1.0, false)]).unwrap_err().code(), "E0612");
    assert_eq!(Calibration::isotonic([(f64::NAN, true), (1.0, false)]).unwrap_err().code(), "E0612");
}
