//! Silence in flows: what is told is what a plain look at rows and ticks says, however rows were cut and wherever a job was killed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::collections::BTreeMap;

use proptest::prelude::*;
use support::draw::walks;
use support::log::{self, Log, all_ways};
use support::{Reading as Row, Seen, cases, readings};
use watchfire_engine::Job;
use watchfire_operators::detect::{Sign, Silence, Silent};

fn after_ms(key: &u32) -> i64 {
    2_000 + 1_500 * i64::from(*key)
}

fn sign(row: &Row) -> Sign {
    match row.value {
        value if value % 13 == 0 => Sign::Expected,
        value if value % 11 == 0 => Sign::Retired,
        value if value % 7 == 0 => Sign::None,
        _ => Sign::Life,
    }
}

fn job() -> Job {
    log::job(3_000, || Silence::new(after_ms, sign).about("values"))
}

/// What is known of a key.
#[derive(Default)]
struct Plain {
    heard: Option<i64>,
    /// Since when it is waited for: event time, and the last tick before, if there was one.
    waits: Option<(i64, Option<i64>)>,
    silent: bool,
}

/// What must be told, by rows and ticks alone.
fn expected(log: &[Log<Silent<u32>>]) -> BTreeMap<u32, Vec<Silent<u32>>> {
    let (mut keys, mut told) = (BTreeMap::<u32, Plain>::new(), BTreeMap::<u32, Vec<Silent<u32>>>::new());
    let mut tick = None;
    for entry in log {
        match entry {
            Log::Row(row) => {
                let (of, at_ms) = (keys.entry(row.key).or_default(), row.at_ms);
                match sign(row) {
                    Sign::Life if of.heard.is_none_or(|heard| at_ms > heard) => {
                        let heard_ms = of.heard.replace(at_ms);
                        of.waits = Some((at_ms, tick));
                        if std::mem::take(&mut of.silent) {
                            told.entry(row.key).or_default().push(Silent {
                                key: row.key,
                                at_ms,
                                heard_ms,
                                silent: false,
                            });
                        }
                    }
                    Sign::Expected if of.waits.is_none() && !of.silent => of.waits = Some((at_ms, tick)),
                    Sign::Retired => {
                        of.waits = None;
                        if std::mem::take(&mut of.silent) {
                            let (key, heard_ms) = (row.key, of.heard);
                            told.entry(key).or_default().push(Silent { key, at_ms, heard_ms, silent: false });
                        }
                    }
                    _ => {}
                }
            }
            Log::Clock(Seen::Tick(now)) => {
                tick = Some(*now);
                for (key, of) in &mut keys {
                    let Some((at_ms, since)) = &mut of.waits else { continue };
                    let for_ms = now - *since.get_or_insert(*now);
                    if for_ms >= after_ms(key) {
                        let silent = Silent { key: *key, at_ms: *at_ms + for_ms, heard_ms: of.heard, silent: true };
                        told.entry(*key).or_default().push(silent);
                        (of.waits, of.silent) = (None, true);
                    }
                }
            }
            Log::Clock(_) | Log::Told(_) => {}
        }
    }
    told
}

proptest! {
    #![proptest_config(cases(48))]

    #[test]
    fn silence_is_what_rows_and_ticks_say(rows in walks(), seed in 0_u64..1_000) {
        let said = all_ways::<Silent<u32>>(&job(), &rows, seed);
        let mut told = BTreeMap::<u32, Vec<Silent<u32>>>::new();
        said.told().into_iter().for_each(|silent| told.entry(silent.key).or_default().push(silent.clone()));
        prop_assert_eq!(told, expected(&said.log));
    }
}

#[test]
fn a_clock_that_stands_still_and_a_repeat_are_no_signs_of_life() {
    let mut rows = readings(2, &(0..40).map(|n| n * 1_000).collect::<Vec<_>>());
    rows.iter_mut().for_each(|row| row.value = 1);
    let still = |at: usize| Row { key: 1, at_ms: 3_000, value: 1, id: 100 + at as u32 };
    for at in [4, 12, 20, 28] {
        rows.insert(at, still(at));
    }
    let said = all_ways::<Silent<u32>>(&job(), &rows, 3);
    let told = said.told();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].silent && told[0].key == 1 && told[0].heard_ms == Some(3_000));
}
