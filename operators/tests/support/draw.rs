//! Random rows and policies.

use proptest::prelude::*;
use watchfire_operators::window::Close;

use super::Reading;

/// Rows of up to three keys that walk forwards by small steps, with a leap now and then, and fall behind now and then.
pub fn walks() -> impl Strategy<Value = Vec<Reading>> {
    let step = prop_oneof![8 => 0i64..40, 3 => 40i64..400, 1 => 400i64..9_000];
    let back = prop_oneof![5 => Just(0i64), 3 => 0i64..150, 1 => 150i64..3_000];
    let one = (0u32..3, step, back, -100i64..100);
    (prop::collection::vec(one, 0..140), -6_000i64..6_000).prop_map(|(steps, start)| {
        let mut now = start;
        let row = |(id, (key, step, back, value)): (usize, (u32, i64, i64, i64))| {
            now += step;
            Reading { key, at_ms: now - back, value, id: id as u32 }
        };
        steps.into_iter().enumerate().map(row).collect()
    })
}

pub fn provisional() -> impl Strategy<Value = Close> {
    (0i64..5_000, 0i64..4_000, prop_oneof![Just(0i64), 0i64..600, 600i64..6_000]).prop_map(
        |(after_quiet_ms, every_ms, allowed_lateness_ms)| Close::Provisional {
            after_quiet_ms,
            every_ms,
            allowed_lateness_ms,
        },
    )
}

/// Moves every row back in line by as much as the disorder bound allows: what has the lower (time + delay) comes first.
pub fn shuffled(rows: &[Reading], disorder_ms: i64, delays: &[i64]) -> Vec<Reading> {
    let mut late: Vec<(i64, Reading)> = rows
        .iter()
        .zip(delays.iter().cycle())
        .map(|(r, delay)| (r.at_ms + delay.rem_euclid(disorder_ms + 1), *r))
        .collect();
    late.sort_by_key(|(arrival_ms, _)| *arrival_ms);
    late.into_iter().map(|(_, row)| row).collect()
}
