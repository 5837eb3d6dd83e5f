//! Silence in flows: what is told is what a plain look at rows and ticks says, however rows were cut and wherever a job was killed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use support::draw::walks;
use support::{First, ROOM, Reading as Row, Seen, Ticks, cases, readings};
use watchfire_engine::{EventTime, Job, Running, TickSource};
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

/// Rows and ticks in ingest order, each followed by what it caused.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Log {
    Row(Row),
    Clock(Seen<()>),
    Told(Silent<u32>),
}

fn job() -> Job {
    let bounds = EventTime { max_skew_ms: i64::MAX, disorder_ms: 3_000, ..EventTime::default() };
    let build = move |flow: &watchfire_engine::Flow<'_>| {
        let rows = flow.channel::<Row>("rows");
        let silence = Silence::new(after_ms, sign).about("values");
        let told = rows.clone().key_by(|row| row.key).event_time(bounds).detect("silence", silence);
        let ticks = rows.clone().key_by(|_| First).event_time(bounds).detect("ticks", Ticks);
        rows.map(Log::Row).union(ticks.out.map(Log::Clock)).union(told.out.map(Log::Told)).to_channel_with("log", ROOM);
    };
    Job::new(build).ticks(TickSource::FromEvents { interval_ms: 1_000, max_jump_ms: i64::MAX / 4 })
}

fn log(running: &mut Running) -> Vec<Log> {
    let mut all: Vec<Log> = running.receiver::<Log>("log").unwrap().rows().collect();
    running.wait().unwrap();
    // The tick before the first row is told with it.
    if let Some(at) = all.iter().position(|entry| matches!(entry, Log::Clock(Seen::TickBefore(_))))
        && let Log::Clock(Seen::TickBefore(ms)) = all.remove(at)
    {
        all.insert(at - 1, Log::Clock(Seen::Tick(ms)));
    }
    all
}

/// Straight, and cut otherwise with two workers and every state stored and read back after every epoch.
fn all_ways(rows: &[Row], seed: u64) -> Vec<Log> {
    let mut running = job().record().start().unwrap();
    let sender = running.sender::<Row>("rows").unwrap();
    rows.chunks(20).for_each(|rows| sender.send(rows.to_vec()).unwrap());
    drop(sender);
    let straight = log(&mut running);
    let recording = running.recording().unwrap();
    let mut again = job().workers(2).rehearse_recovery(1).replay(&recording.recut(seed, 3)).unwrap();
    assert_eq!(log(&mut again), straight);
    straight
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
fn expected(log: &[Log]) -> BTreeMap<u32, Vec<Silent<u32>>> {
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
        let log = all_ways(&rows, seed);
        let mut told = BTreeMap::<u32, Vec<Silent<u32>>>::new();
        for entry in &log {
            if let Log::Told(silent) = entry {
                told.entry(silent.key).or_default().push(silent.clone());
            }
        }
        prop_assert_eq!(told, expected(&log));
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
    let log = all_ways(&rows, 3);
    let told: Vec<&Silent<u32>> =
        log.iter().filter_map(|entry| if let Log::Told(silent) = entry { Some(silent) } else { None }).collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].silent && told[0].key == 1 && told[0].heard_ms == Some(3_000));
}
