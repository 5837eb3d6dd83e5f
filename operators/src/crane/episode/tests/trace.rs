//! The trace: it loses nothing, and it is as small as is written.

use proptest::prelude::*;

use crate::crane::CraneReading;
use crate::crane::episode::machine::{Machine, Rules};
use crate::crane::episode::point::{Point, Put, Run};
use crate::crane::episode::trace::Trace;
use crate::crane::stats::level::Level;

fn point(at_ms: i64, level: i32, reeving: u8, operator: Option<u32>) -> Point {
    let wind_mps = operator.map(|number| f64::from(number) * 1.5);
    let radius_m = 20.0 + f64::from(level % 7);
    let reading = CraneReading { operator, wind_mps, ..CraneReading::new(1, at_ms, 1.0, radius_m, reeving) };
    let level = if level < 0 { Level::UNKNOWN } else { Level::ratio(f64::from(level) / 10.0) };
    Point::new(at_ms, level, Level::ratio(0.97), &reading)
}

fn points() -> impl Strategy<Value = Vec<Point>> {
    let one = (
        prop_oneof![10 => Just(100i64), 2 => 1i64..5_000, 1 => Just(1 << 40)],
        prop_oneof![10 => Just(3), 1 => Just(-1), 3 => 9..13],
        prop_oneof![20 => Just(4u8), 1 => Just(2u8)],
        prop::option::weighted(0.2, any::<u32>()),
    );
    prop::collection::vec(one, 0..300).prop_map(|steps| {
        let mut at_ms = 1_767_225_600_000;
        let mut made = Vec::new();
        for (step_ms, level, reeving, operator) in steps {
            at_ms += step_ms;
            made.push(point(at_ms, level, reeving, operator));
        }
        made
    })
}

const RULES: Rules = Rules {
    enter_at: Level::LEAST,
    excess_above: Level::LEAST,
    merge_gap_ms: 0,
    min_duration_ms: 0,
    max_gap_ms: 1_000,
    max_silence_ms: 1_000,
};

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn it_gives_back_what_it_took(points in points()) {
        let mut trace = Trace::default();
        points.iter().for_each(|point| trace.append(Run::one(*point)));
        prop_assert_eq!(trace.points(), points);
    }

    #[test]
    fn insertions_in_any_order_give_the_same_points(
        points in points(), keys in prop::collection::vec(any::<u32>(), 300), appended in 0usize..300,
    ) {
        let (early, later) = points.split_at(appended.min(points.len()));
        let mut trace = Trace::default();
        early.iter().for_each(|point| trace.append(Run::one(*point)));
        let mut order: Vec<(u32, Point)> = keys.into_iter().zip(later.iter().copied()).collect();
        order.sort();
        for (_, point) in &order {
            prop_assert_eq!(trace.insert(*point), Put::New);
        }
        for (_, point) in order {
            prop_assert_eq!(trace.insert(point), Put::Known);
        }
        prop_assert_eq!(trace.points(), points);
    }

    #[test]
    fn forgetting_is_feeding(points in points(), horizon in 0usize..300) {
        let mut trace = Trace::default();
        points.iter().for_each(|point| trace.append(Run::one(*point)));
        let (mut whole, mut found_whole) = (Machine::default(), Vec::new());
        trace.replay(&mut whole, &RULES, &mut found_whole);
        let horizon_ms = points.get(horizon).map_or(i64::MAX, |point| point.at_ms);
        let (mut base, mut found) = (Machine::default(), Vec::new());
        let last_ms = trace.forget(horizon_ms, &mut base, &RULES, &mut found);
        prop_assert!(last_ms.is_none_or(|last_ms| last_ms < horizon_ms));
        trace.replay(&mut base, &RULES, &mut found);
        prop_assert_eq!(base, whole);
        prop_assert_eq!(found, found_whole);
    }
}

#[test]
fn the_worst_of_an_instant_stays() {
    let (low, high, unknown) = (point(5, 3, 4, None), point(5, 11, 4, None), point(5, -1, 4, None));
    let mut trace = Trace::default();
    for (point, put) in [(low, Put::New), (unknown, Put::Hidden), (high, Put::New), (low, Put::Hidden)] {
        assert_eq!(trace.insert(point), put);
    }
    assert_eq!(trace.points(), [high]);
}

/// Bytes of an hour of readings, `at` giving the times.
fn hour(hertz: i64, level: i32, mut at: impl FnMut(i64) -> Option<i64>) -> usize {
    let mut trace = Trace::default();
    for n in 0..3_600 * hertz {
        let level = if level > 9 { level + (n % 3) as i32 } else { level };
        if let Some(at_ms) = at(n * 1_000 / hertz) {
            trace.append(Run::one(point(1_767_225_600_000 + at_ms, level, 4, Some(7))));
        }
    }
    trace.heap_bytes()
}

/// The table in the documentation of the state, with a tenth to spare.
#[test]
fn bytes_per_key_and_hour_are_as_documented() {
    let mut seed = 7u64;
    let mut draw = move || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as i64
    };
    let mut measured = Vec::new();
    for hertz in [1, 10] {
        let regular = hour(hertz, 3, Some);
        let lossy = hour(hertz, 3, |at_ms| (draw() % 50 != 0).then_some(at_ms));
        let irregular = hour(hertz, 3, |at_ms| Some(at_ms + draw() % 40));
        let overloaded = hour(hertz, 10, Some);
        measured.push([regular, lossy, irregular, overloaded]);
    }
    println!("bytes a key and hour: regular, lossy, irregular, overloaded: {measured:?}");
    for (measured, documented) in measured.into_iter().flatten().zip(super::super::state::TRACE_BYTES_PER_HOUR) {
        assert!(measured * 10 <= documented * 11, "{measured} instead of {documented}");
        assert!(measured * 10 >= documented * 7, "{measured} instead of {documented}: the table can be lowered");
    }
}
