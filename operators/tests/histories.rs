//! What is known of lifts by what they count in a day: the same whatever order days came in, however they were cut, and wherever a job was killed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::collections::BTreeMap;

use proptest::prelude::*;
use support::cases;
use watchfire_engine::{Compose, EventTime, Job, Running, TickSource};
use watchfire_operators::detect::{Example, Horizon, InOrder, Label};
use watchfire_operators::elevator::{DailyCounters, FEATURES, History, LiftDay};

const DAY_MS: i64 = 86_400_000;
const FIRST: i64 = 20_000;
const TICKS: TickSource = TickSource::FromEvents { interval_ms: DAY_MS, max_jump_ms: 1_000 * DAY_MS };

/// Days of lifts, and what came of each within so many days.
fn job(disorder_days: i64, horizon_days: i64) -> Job {
    let job = Job::new(move |flow| {
        let bounds = EventTime { disorder_ms: disorder_days * DAY_MS, ..EventTime::default() };
        let days = flow.channel::<DailyCounters>("days").key_by(|day| day.lift).event_time(bounds);
        let sorted = InOrder::new(|day: &DailyCounters| day.lift).quiet_ms(1_000 * DAY_MS);
        let horizon = Horizon::new(horizon_days * DAY_MS, DAY_MS * 3 / 2, LiftDay::doors).about("door failures");
        let ((_, days), examples) = days.detect("lifts", sorted.then(History::default()).then(horizon)).out;
        days.to_channel("lift days");
        examples.to_channel("examples");
    });
    job.ticks(TICKS)
}

#[derive(Debug, Default, PartialEq)]
struct Said {
    days: Vec<LiftDay>,
    examples: Vec<Example<u32>>,
    /// Of rows that [`History`] read: applied, late and told twice.
    read: [u64; 3],
}

/// By lift and day, for lifts wait for each other's rows and not for their own.
fn taken(running: &mut Running) -> Said {
    let examples = running.receiver::<Example<u32>>("examples").unwrap();
    let mut days: Vec<LiftDay> = running.receiver::<LiftDay>("lift days").unwrap().rows().collect();
    let mut examples: Vec<Example<u32>> = examples.rows().collect();
    days.sort_by_key(|day| (day.lift, day.day_ms));
    examples.sort_by_key(|of| (of.asset, of.at_ms, of.label != Label::Open));
    let of = &running.wait().unwrap().operators["lifts"].detectors[1];
    Said { days, examples, read: [of.applied, of.late, of.duplicate] }
}

fn said(job: &Job, days: &[DailyCounters]) -> Said {
    let mut running = job.start().unwrap();
    let sender = running.sender::<DailyCounters>("days").unwrap();
    days.chunks(9).for_each(|days| sender.send(days.to_vec()).unwrap());
    drop(sender);
    taken(&mut running)
}

/// The same, and again, cut otherwise, by two workers, with every state stored and read back.
fn all_ways(days: &[DailyCounters], seed: u64) -> Said {
    let of_bound = job(3, 2).record();
    let mut running = of_bound.start().unwrap();
    let sender = running.sender::<DailyCounters>("days").unwrap();
    days.chunks(9).for_each(|days| sender.send(days.to_vec()).unwrap());
    drop(sender);
    let straight = taken(&mut running);
    let recording = running.recording().unwrap();
    let mut again = job(3, 2).workers(2).rehearse_recovery(1).replay(&recording.recut(seed, 3)).unwrap();
    assert_eq!(taken(&mut again), straight, "cut otherwise");
    straight
}

fn day(lift: u32, day: i64, failures: u32) -> DailyCounters {
    DailyCounters {
        lift,
        day_ms: (FIRST + day) * DAY_MS,
        total_door_operations: 200.0,
        total_door_reversals: f64::from(failures * 3),
        door_failure_events: f64::from(failures),
        ..DailyCounters::default()
    }
}

fn feature(day: &LiftDay, name: &str) -> f64 {
    day.features[FEATURES.iter().position(|of| *of == name).unwrap()]
}

/// What came of a day within two, by all days of the lift that were seen.
fn label_of(seen: &BTreeMap<i64, bool>, at: i64) -> Label {
    let mut before = at;
    for (day, failed) in seen.range(at + 1..) {
        match day - before {
            2.. => return Label::Censored,
            _ if *failed && day - at <= 2 => return Label::Known(true),
            _ if day - at >= 2 => return Label::Known(false),
            _ => before = *day,
        }
    }
    Label::Open
}

proptest! {
    #![proptest_config(cases(24))]

    /// Some days are missing, some hold what no lift can have counted, and some come again.
    #[test]
    fn order_within_the_bound_cuts_and_crashes_change_nothing(
        drawn in prop::collection::vec((1_u32..4, 0_u32..3, 0_u32..10), 1..60), delays in prop::collection::vec(0_i64..3, 1..20), seed in 0_u64..1_000,
    ) {
        // One after another, a third of a day apart: each lift is drawn or not.
        let mut rows: BTreeMap<(i64, u32), DailyCounters> = BTreeMap::new();
        for (nth, (lift, failures, wrong)) in (0_i64..).zip(drawn) {
            let of = day(lift, nth / 3, failures);
            let reversals = if wrong == 0 { -7.0 } else { of.total_door_reversals };
            rows.entry((nth / 3, lift)).or_insert(DailyCounters { total_door_reversals: reversals, ..of });
        }
        let sorted: Vec<DailyCounters> = rows.into_values().collect();
        let straight = all_ways(&sorted, seed);
        let twice = sorted.iter().enumerate().flat_map(|(nth, day)| std::iter::repeat_n(day, 1 + usize::from(nth % 5 == 0)));
        let mut arrive: Vec<(i64, &DailyCounters)> =
            twice.zip(delays.iter().cycle()).map(|(day, late)| (day.day_ms + late * DAY_MS, day)).collect();
        arrive.sort_by_key(|(arrives_ms, _)| *arrives_ms);
        let arrived: Vec<DailyCounters> = arrive.into_iter().map(|(_, day)| day.clone()).collect();
        prop_assert_eq!(&all_ways(&arrived, seed + 1), &straight);
        for lift in 1..4 {
            let seen: BTreeMap<i64, bool> = sorted.iter().filter(|day| day.lift == lift && day.validate().is_ok())
                .map(|day| (day.day_ms / DAY_MS, day.door_failure_events > 0.0)).collect();
            let of_lift: Vec<&LiftDay> = straight.days.iter().filter(|day| day.lift == lift).collect();
            prop_assert_eq!(of_lift.iter().map(|day| day.day_ms / DAY_MS).collect::<Vec<_>>(), seen.keys().copied().collect::<Vec<_>>());
            for (nth, day) in of_lift.iter().enumerate() {
                let failed = seen.values().take(nth + 1).filter(|failed| **failed).count() as f64;
                let share = (failed + 0.2) / (nth as f64 + 3.0);
                prop_assert!((feature(day, "share of days with door failures") - share).abs() < 1e-9);
            }
            let known = straight.examples.iter().filter(|of| of.asset == lift && of.label != Label::Open);
            let mut expected: Vec<(i64, Label)> = seen.keys().map(|at| (*at, label_of(&seen, *at))).collect();
            expected.retain(|(_, label)| *label != Label::Open);
            prop_assert_eq!(known.map(|of| (of.at_ms / DAY_MS, of.label)).collect::<Vec<_>>(), expected);
        }
    }
}

/// Ten lifts over twenty days, of which those with an odd number are not seen on the tenth. Each fails on days of its own.
#[test]
fn half_of_all_lifts_missing_for_a_day_are_censored_and_the_others_are_not() {
    let fails = |lift: u32, at: i64| u32::from((at + i64::from(lift)) % 9 == 0);
    let all = (0..20).flat_map(|at| (1..=10).map(move |lift| day(lift, at, fails(lift, at))));
    let all: Vec<DailyCounters> = all.collect();
    let mut half = all.clone();
    half.retain(|of| of.lift % 2 == 0 || of.day_ms != (FIRST + 10) * DAY_MS);
    let [all, half] = [all, half].map(|days| said(&job(0, 7), &days));
    for lift in 1..=10 {
        let of = |said: &Said| said.days.iter().filter(|day| day.lift == lift).cloned().collect::<Vec<_>>();
        let (all_days, days) = (of(&all), of(&half));
        let labels = |said: &Said, label: Label| {
            let of = said.examples.iter().filter(|of| of.asset == lift && of.label == label);
            of.map(|of| of.at_ms / DAY_MS - FIRST).collect::<Vec<_>>()
        };
        assert!(labels(&all, Label::Censored).is_empty());
        if lift % 2 == 0 {
            assert_eq!(days, all_days);
            assert!(labels(&half, Label::Censored).is_empty());
            continue;
        }
        // A day that was not seen is told by nobody, and is none without failures.
        assert_eq!(days.len(), 19);
        assert_eq!(days[..10], all_days[..10]);
        let failed = (0..10).chain(11..12).filter(|at| fails(lift, *at) > 0).count() as f64;
        assert!((feature(&days[10], "share of days with door failures") - (failed + 0.2) / 13.0).abs() < 1e-9);
        // What was foretold of the days before it nobody will know, unless it has failed already.
        let open = (3..10).filter(|from| !(from + 1..10).any(|at| fails(lift, at) > 0)).collect::<Vec<i64>>();
        assert_eq!(labels(&half, Label::Censored), open, "lift {lift}");
    }
}

/// A device that tells what it has counted so far, which was replaced: what it counted in the day is less than nothing.
#[test]
fn a_day_with_a_counter_that_ran_backwards_is_one_that_was_not_seen() {
    let totals = [100.0, 130.0, 150.0, 12.0, 40.0, 45.0];
    let days: Vec<DailyCounters> = (0..)
        .zip(totals.windows(2))
        .map(|(at, two)| DailyCounters { total_door_reversals: two[1] - two[0], ..day(7, at, 1) })
        .collect();
    let wrong = days[2].validate().unwrap_err();
    assert_eq!(wrong.code(), "E0601");
    assert!(wrong.to_string().contains("lift 7: total_door_reversals is no count"), "{wrong}");
    let with = said(&job(0, 1), &days);
    let without = said(&job(0, 1), &[&days[..2], &days[3..]].concat());
    assert_eq!((&with.days, &with.examples), (&without.days, &without.examples));
    // It is read, and neither late nor told twice.
    assert_eq!((with.read, without.read), ([5, 0, 0], [4, 0, 0]));
    let labels = with.examples.iter().filter(|of| of.label != Label::Open);
    let labels: Vec<_> = labels.map(|of| (of.at_ms / DAY_MS - FIRST, of.label)).collect();
    assert_eq!(labels, [(0, Label::Known(true)), (1, Label::Censored), (3, Label::Known(true))]);
    // Without anything before it that takes it for the same: told again, soundly, the day is seen.
    let job = Job::new(|flow| {
        let days = flow.channel::<DailyCounters>("days").key_by(|day| day.lift);
        days.detect("lifts", History::default()).out.to_channel("lift days");
    });
    let mut running = job.ticks(TICKS).start().unwrap();
    let mended = DailyCounters { total_door_reversals: 12.0, ..days[2].clone() };
    let sent = [&days[..3], &[mended], &days[3..]].concat();
    running.sender::<DailyCounters>("days").unwrap().send(sent).unwrap();
    let seen: Vec<LiftDay> = running.receiver::<LiftDay>("lift days").unwrap().rows().collect();
    running.wait().unwrap();
    assert_eq!(seen.iter().map(|day| day.day_ms / DAY_MS - FIRST).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
    assert!((feature(&seen[2], FEATURES[3]) - 12_f64.ln_1p()).abs() < 1e-9);
}
