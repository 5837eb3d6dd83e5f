//! Histories against what they are by definition, over all days before.

use proptest::prelude::*;
use watchfire_engine::{Job, Key, State, TickSource};

use super::*;

const DAY_MS: i64 = 86_400_000;

fn days_of(counts: &[(i64, u32, u32)]) -> Vec<LiftDay> {
    let job = Job::new(|flow| {
        let days = flow.channel::<DailyCounters>("days").key_by(|day| day.lift);
        days.detect("histories", History::default()).out.to_channel("lift days");
    });
    let ticks = TickSource::FromEvents { interval_ms: 1_000, max_jump_ms: 1_000 * DAY_MS };
    let mut running = job.ticks(ticks).start().unwrap();
    let sender = running.sender::<DailyCounters>("days").unwrap();
    let day = |(day, failures, reversals): &(i64, u32, u32)| DailyCounters {
        lift: 7,
        day_ms: day * DAY_MS,
        total_door_operations: 200.0,
        door_failure_events: f64::from(*failures),
        total_door_reversals: f64::from(*reversals),
        ..DailyCounters::default()
    };
    sender.send(counts.iter().map(day).collect()).unwrap();
    drop(sender);
    let days = running.receiver::<LiftDay>("lift days").unwrap().rows().collect();
    running.wait().unwrap();
    days
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases / 8, ..ProptestConfig::default() })]

    #[test]
    fn a_day_knows_what_was_before_it(counts in prop::collection::vec((1_i64..4, 0_u32..3, 0_u32..50), 1..12)) {
        let mut day = 20_000;
        let counts: Vec<(i64, u32, u32)> = counts.into_iter().map(|(gap, failures, reversals)| {
            day += gap;
            (day, failures, reversals)
        }).collect();
        let days = days_of(&counts);
        prop_assert_eq!(days.len(), counts.len());
        for (n, day) in days.iter().enumerate() {
            let (before, (_, failures, reversals)) = (&counts[..n], counts[n]);
            let failed = counts[..=n].iter().filter(|(_, failures, _)| *failures > 0).count() as f64;
            prop_assert_eq!(day.failed_before, before.iter().any(|(_, failures, _)| *failures > 0));
            prop_assert_eq!(day.door_failed, failures > 0);
            let of = |name: &str| day.features[FEATURES.iter().position(|of| *of == name).unwrap()];
            prop_assert!((of("share of days with door failures") - (failed + 0.2) / (n as f64 + 3.0)).abs() < 1e-9);
            prop_assert!((of("reversals a hundred door operations") - (f64::from(reversals) / 2.0).ln_1p()).abs() < 1e-9);
            // Half of the last, a quarter of the one before, and so on; the first as much as what is left.
            let halves = |count: fn(&(i64, u32, u32)) -> u32| before.iter().rev().enumerate().map(|(back, day)| {
                let exponent = if back + 1 == n { back } else { back + 1 };
                f64::from(count(day)).ln_1p() / f64::from(2_u32.pow(exponent as u32))
            }).sum::<f64>();
            prop_assert!((of("reversals before") - halves(|(_, _, reversals)| *reversals)).abs() < 1e-9);
            prop_assert!((of("door failures before") - halves(|(_, failures, _)| *failures)).abs() < 1e-9);
        }
    }
}

#[test]
fn a_day_that_comes_again_or_too_late_is_none() {
    let days = days_of(&[(1, 0, 5), (2, 1, 5), (2, 9, 9), (1, 9, 9), (3, 0, 0)]);
    assert_eq!(days.iter().map(|day| day.day_ms / DAY_MS).collect::<Vec<_>>(), [1, 2, 3]);
    assert!(days[2].failed_before && !days[2].door_failed);
}

#[test]
fn counts_that_are_none_are_refused() {
    for wrong in [-1.0, f64::NAN, f64::INFINITY, 1e13] {
        let day = DailyCounters { levelling_total_errors: wrong, ..DailyCounters::default() };
        let error = day.validate().unwrap_err();
        assert!(error.to_string().starts_with(error.code()) && error.to_string().contains("levelling_total_errors"));
    }
}

#[test]
fn a_history_is_stored_as_it_always_was() {
    let mut state = HistoryState::default();
    for n in 0..5 {
        let count = f64::from(n);
        let day =
            DailyCounters { day_ms: i64::from(n) * DAY_MS, door_failure_events: count, ..DailyCounters::default() };
        History::remember(&mut state, &day);
    }
    let bytes = state.encode().unwrap();
    let words: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!((bytes.len(), words.stable_hash()), (72, 1_938_004_074_766_535_234));
    assert_eq!(HistoryState::decode(&bytes).unwrap(), state);
    assert_eq!(size_of::<HistoryState>(), 72);
}
