//! Windows against all rows in them, reckoned anew.

use proptest::prelude::*;
use watchfire_engine::Key;

use super::*;

/// Rows of one sensor, the latest last, by their definitions.
fn figures(rows: &[(i64, f64)]) -> [f64; 6] {
    let last = rows.last().copied().unwrap_or_default();
    let count = rows.len() as f64;
    let seconds = |at_ms: i64| (at_ms - last.0) as f64 / 1e3;
    let (time, mean) = rows.iter().fold((0.0, 0.0), |sum, (at_ms, value)| (sum.0 + seconds(*at_ms), sum.1 + value));
    let (time, mean) = (time / count, mean / count);
    let sum = |of: fn(f64, f64) -> f64| rows.iter().map(|row| of(seconds(row.0) - time, row.1 - mean)).sum::<f64>();
    let times = sum(|time, _| time * time);
    let slope = if times > 1e-9 { sum(|time, value| time * value) / times } else { 0.0 };
    let low = rows.iter().fold(f64::INFINITY, |low, row| low.min(row.1));
    let high = rows.iter().fold(f64::NEG_INFINITY, |high, row| high.max(row.1));
    [mean, (sum(|_, value| value * value) / count).sqrt(), low, high, slope, last.1 - mean]
}

/// Steps in time and the values after them: some at once, some after a gap.
fn rows() -> impl Strategy<Value = Vec<(i64, [f64; 2])>> {
    let gap_ms = prop_oneof![8 => 1_i64..4_000, 1 => Just(0_i64), 1 => 4_900_i64..5_200];
    let value = prop_oneof![4 => -3.0_f64..3.0, 1 => Just(0.0), 1 => 1e6_f64..1e7];
    prop::collection::vec((gap_ms, [value.clone(), value]), 1..150).prop_map(|steps| {
        let mut at_ms = 1_700_000_000_000;
        let step = |(gap_ms, values)| {
            at_ms += gap_ms;
            (at_ms, values)
        };
        steps.into_iter().map(step).collect()
    })
}

proptest! {
    #[test]
    fn a_window_is_what_all_its_rows_come_to(rows in rows(), rows_max in prop_oneof![Just(100_usize), 1_usize..9]) {
        let rolling = Rolling { lengths_ms: vec![9_000, 1, 30_000], gap_max_ms: 5_000, rows_max };
        let (mut state, mut since) = (RollingState::default(), 0);
        for (n, (at_ms, values)) in rows.iter().enumerate() {
            if n > 0 && at_ms - rows[n - 1].0 > 5_000 {
                since = n;
            }
            let features = rolling.roll(&mut state, *at_ms, values);
            // Written down and read back after every row.
            state = RollingState::decode(&state.encode().unwrap()).unwrap();
            let mut expected = Vec::new();
            for (sensor, value) in values.iter().enumerate() {
                expected.push(*value);
                for length_ms in &rolling.lengths_ms {
                    let inside: Vec<(i64, f64)> = rows[since..=n]
                        .iter()
                        .filter(|(of_ms, _)| at_ms - of_ms < *length_ms)
                        .map(|(of_ms, values)| (*of_ms, values[sensor]))
                        .collect();
                    expected.extend(figures(&inside[inside.len().saturating_sub(rows_max)..]));
                }
            }
            prop_assert_eq!(features.len(), expected.len());
            let scale = 1e-9 * values.iter().chain(&expected).fold(1.0_f64, |most, of| most.max(of.abs()));
            for (is, of) in features.iter().zip(&expected) {
                prop_assert!((is - of).abs() < scale.max(1e-6), "row {n}: {features:?} {expected:?}");
            }
            prop_assert!(state.times.len() <= rows_max && state.values.len() == 2 * state.times.len());
        }
    }

    /// A value as large as can be leaves nothing behind when it has left.
    #[test]
    fn what_has_left_is_gone(value in -3.0_f64..3.0) {
        let rolling = Rolling { lengths_ms: vec![10_000], ..Rolling::default() };
        let (mut state, mut plain) = (RollingState::default(), RollingState::default());
        for n in 0..40_i64 {
            let of = [if n == 7 { crate::detect::VALUE_MAX } else { value + (n % 5) as f64 }];
            let features = rolling.roll(&mut state, n * 1_000, &of);
            prop_assert!(features.iter().all(|of| of.is_finite()), "{features:?}");
            if n >= 20 {
                let expected = rolling.roll(&mut plain, n * 1_000, &of);
                if n >= 30 {
                    prop_assert!(features.iter().zip(&expected).all(|(is, of)| (is - of).abs() < 1e-9));
                }
            }
        }
    }
}

#[test]
fn what_changes_its_shape_begins_anew() {
    let rolling = Rolling { lengths_ms: vec![10_000, -5], ..Rolling::default() };
    let mut state = RollingState::default();
    rolling.roll(&mut state, 0, &[1.0, 2.0]);
    assert_eq!(rolling.roll(&mut state, 1_000, &[5.0])[..3], [5.0, 5.0, 0.0], "of one sensor nothing was known");
    assert_eq!(rolling.roll(&mut state, 2_000, &[7.0])[1], 6.0);
    assert!(rolling.roll(&mut state, 3_000, &[]).is_empty());
    let none = Rolling { lengths_ms: Vec::new(), ..Rolling::default() };
    assert_eq!(none.roll(&mut state, 4_000, &[3.0]), [3.0]);
    assert_eq!(rolling.names(&["bar", "amperes"]).len(), rolling.roll(&mut state, 5_000, &[1.0, 2.0]).len());
}

#[test]
fn its_state_is_stored_as_it_always_was() {
    let rolling = Rolling { lengths_ms: vec![5_000, 20_000], ..Rolling::default() };
    let mut state = RollingState::default();
    (0..50_i64).for_each(|n| drop(rolling.roll(&mut state, n * 1_000, &[(n * n % 17) as f64, n as f64])));
    let bytes = state.encode().unwrap();
    let words: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!((bytes.len(), words.stable_hash()), (2_304, 857_980_866_886_465_882));
    assert_eq!(RollingState::decode(&bytes).unwrap(), state);
}

#[test]
fn a_row_in_a_window_takes_as_much_memory_as_is_said() {
    assert_eq!(size_of::<Summary>(), 72);
    assert_eq!(240 * (8 + 4 * 8) + 4 * (5 + 15 + 60 + 240) * size_of::<Summary>(), 101_760);
}
