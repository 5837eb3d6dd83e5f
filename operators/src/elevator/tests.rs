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

/// Codes of lift 7, each at a second; told as raw code, from, until, times, again.
fn faults_of(codes: &[(i64, &str)], rest: Vec<LiftRow>) -> Vec<(String, i64, Option<i64>, u32, bool)> {
    let job = Job::new(|flow| {
        let rows = flow.channel::<LiftRow>("lifts").key_by(|row| row.lift);
        rows.detect("of codes", Faults::default()).out.to_channel("faults");
    });
    let ticks = TickSource::FromEvents { interval_ms: 1_000, max_jump_ms: 1_000 * DAY_MS };
    let mut running = job.ticks(ticks).start().unwrap();
    let sender = running.sender::<LiftRow>("lifts").unwrap();
    let read = |raw| LiftSays::Code(CodeMap::gbt_24476().read(raw));
    let codes = codes.iter().map(|(second, raw)| LiftRow { lift: 7, at_ms: second * 1_000, says: read(raw) });
    sender.send(codes.chain(rest).collect()).unwrap();
    drop(sender);
    let seconds = |fault: LiftFault| {
        (fault.raw, fault.from_ms / 1_000, fault.until_ms.map(|ms| ms / 1_000), fault.times, fault.again)
    };
    let told = running.receiver::<LiftFault>("faults").unwrap().rows().map(seconds).collect();
    running.wait().unwrap();
    told
}

#[test]
fn faults_that_repeat_are_one_and_those_that_come_again_are_told_so() {
    let told = faults_of(&[(0, "02"), (300, "02"), (800, "02"), (2_000, "47"), (2_001, "02")], Vec::new());
    let is = |from, until, times, again| ("02".to_owned(), from, until, times, again);
    // Told again within ten minutes each, and then not for twenty: over when it was told last. The last stays open.
    assert_eq!(told, [is(0, None, 1, false), is(0, Some(800), 3, false), is(2_001, None, 1, true)]);
    // Codes that are older than the last are late, and a status is no code.
    let status = LiftRow { lift: 7, at_ms: 5_000, says: LiftSays::Status(LiftStatus::default()) };
    assert_eq!(faults_of(&[(10, "02"), (5, "03"), (20, "00")], vec![status]).len(), 2);
    // Different faults are open beside each other; one that nobody knows is one.
    let told = faults_of(&[(0, "02"), (1, "E-77"), (2, "E-78"), (3, "40")], Vec::new());
    assert_eq!(told.iter().filter(|of| of.2 == Some(3)).count(), 3, "{told:?}");
    // A lift that tells one new code after another.
    let many: Vec<String> = (0..40).map(|n| format!("X{n}")).collect();
    let many: Vec<(i64, &str)> = (0..).zip(many.iter().map(String::as_str)).collect();
    assert_eq!(faults_of(&many, Vec::new()).iter().filter(|of| of.2.is_some()).count(), 8);
}
