//! What comes from a broker that forgets what was acknowledged, under a clock that runs on: nothing is lost, an epoch is seen
//! once, and what a tick caused is never seen twice under two names.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use watchfire::connect::format::JsonLines;
use watchfire::decode::{EncodedRow, Encoder};
use watchfire::sink::CommitMode;
use watchfire::source::Replay;
use watchfire::testing::{Lives, World};
use watchfire::{Context, Describe, Detector, Error, EventTime, Job, OnSkew, State, TickSource, Timed, Verdict, rkyv};

/// Messages of each key.
const MESSAGES: u64 = 400;
const KEYS: u32 = 5;

/// A message of a device.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Reading {
    key: u32,
    n: u64,
}

impl Timed for Reading {
    fn event_time_ms(&self) -> i64 {
        self.n as i64
    }
}

/// What is known of a device.
#[derive(Clone, Debug, Default, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
#[rkyv(crate = watchfire::rkyv)]
struct Device {
    next: u64,
    last_ms: i64,
}

impl State for Device {
    const NAME: &'static str = "device";
    const VERSION: u32 = 1;
}

/// Says each message once, and when a device has been silent, and on what it has ended.
struct Watch;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum Said {
    /// The message, if none before it is missing.
    Heard(u32, u64),
    Missing(u32, u64),
    /// After this message, at this time of the clock.
    Silent(u32, u64, i64),
}

impl Timed for Said {
    fn event_time_ms(&self) -> i64 {
        0
    }
}

const SILENT_MS: i64 = 4_000;

impl Detector for Watch {
    type Key = u32;
    type In = Reading;
    type Out = Said;
    type State = Device;

    fn describe(&self) -> Describe {
        Describe { kind: "watch", params: String::new(), ordered: true }
    }

    fn on_row(&self, state: &mut Device, row: &Reading, cx: &mut Context<'_, u32, Said>) -> Verdict {
        if row.n < state.next {
            return Verdict::Duplicate;
        }
        let missing = row.n > state.next;
        cx.emit(if missing { Said::Missing(row.key, state.next) } else { Said::Heard(row.key, row.n) });
        (state.next, state.last_ms) = (row.n + 1, cx.quiet_ms());
        cx.wake_at_quiet_ms(cx.quiet_ms().saturating_add(SILENT_MS));
        Verdict::Applied
    }

    fn on_quiet(&self, state: &mut Device, cx: &mut Context<'_, u32, Said>) {
        let due_ms = state.last_ms.saturating_add(SILENT_MS);
        if cx.quiet_ms() < due_ms {
            return cx.wake_at_quiet_ms(due_ms);
        }
        cx.emit(Said::Silent(*cx.key(), state.next, cx.arrival_ms()));
    }
}

/// An encoder whose ids name what is said.
#[derive(Clone)]
struct Named;

impl Encoder<Said> for Named {
    fn encode(&self, row: &Said) -> Result<EncodedRow, Error> {
        let id = match row {
            Said::Heard(key, n) => format!("{key} heard {n}"),
            Said::Missing(key, n) => format!("{key} missing {n}"),
            Said::Silent(key, n, at_ms) => format!("{key} silent {n} {at_ms}"),
        };
        Ok(EncodedRow { id: Some(id), retract: false, body: serde_json::to_vec(row).unwrap() })
    }

    fn gives_ids(&self) -> bool {
        true
    }
}

fn job(world: &World) -> Job {
    let messages = (0..MESSAGES).flat_map(|n| (0..KEYS).map(move |key| Reading { key, n }));
    let lines = messages.map(|message| serde_json::to_vec(&message).unwrap()).collect();
    // Some wait longer than a device may be silent.
    let broker =
        world.source("readings", Replay::None, [("session", lines)]).paused(40, Duration::from_millis(9)).endless();
    let [by_epoch, by_key] = SINKS.map(|(name, mode)| world.sink(name, mode));
    let job = Job::new(move |flow| {
        let readings = flow.source::<Reading, _, _>("readings", broker.clone(), JsonLines::new());
        let bounds = EventTime { disorder_ms: 0, max_skew_ms: i64::MAX, on_skew: OnSkew::Divert, clock_wrong_after: 3 };
        let watch = readings.rows.key_by(|reading| reading.key).event_time(bounds).detect("watch", Watch);
        watch.out.clone().to_sink(SINKS[0].0, by_epoch.clone(), Named);
        watch.out.to_sink(SINKS[1].0, by_key.clone(), Named);
    });
    // A thousand times as fast as the clock on the wall.
    job.ticks(TickSource::Scaled { interval_ms: 500, start_ms: 1_000_000, speed: 1_000.0 })
}

const SINKS: [(&str, CommitMode); 2] = [("by epoch", CommitMode::ByEpoch), ("by key", CommitMode::ByKey)];

/// What is wrong with what was said, or how often a device was silent.
fn silences(world: &World) -> Result<usize, String> {
    let broker = world.source("readings", Replay::None, Vec::<(String, Vec<Vec<u8>>)>::new());
    // The last acknowledgement may fail; a broker that is told nothing would say everything again.
    let told = broker.acknowledged("session");
    if told < MESSAGES * u64::from(KEYS) / 2 {
        return Err(format!("only {told} messages were acknowledged"));
    }
    let [by_epoch, by_key] = SINKS.map(|(name, mode)| world.sink(name, mode).visible());
    let mut said: Vec<Said> = by_epoch.iter().map(|row| serde_json::from_slice(&row.body).unwrap()).collect();
    said.sort();
    if let Some(twice) = said.windows(2).find(|two| two[0] == two[1]) {
        return Err(format!("{:?} is said twice", twice[0]));
    }
    let (silent, rest): (Vec<Said>, Vec<Said>) =
        said.iter().cloned().partition(|said| matches!(said, Said::Silent(..)));
    let heard: Vec<Said> = (0..KEYS).flat_map(|key| (0..MESSAGES).map(move |n| Said::Heard(key, n))).collect();
    if rest != heard {
        let odd = rest.iter().find(|said| !heard.contains(said)).or(heard.iter().find(|said| !rest.contains(said)));
        return Err(format!("{} messages are heard, and this is not as it should be: {odd:?}", rest.len()));
    }
    let mut keyed: Vec<Said> = by_key.iter().map(|row| serde_json::from_slice(&row.body).unwrap()).collect();
    keyed.sort();
    match keyed.iter().zip(&said).find(|(a, b)| a != b) {
        Some((keyed, said)) => Err(format!("{keyed:?} by its key, and {said:?} by its epoch")),
        None if keyed.len() != said.len() => Err(format!("{} rows by key, and {} by epoch", keyed.len(), said.len())),
        None => Ok(silent.len()),
    }
}

#[test]
fn unreplayed() {
    let silent = AtomicUsize::new(0);
    super::outlive("unreplayed", |name, seeds, lock_step, _| {
        // What is not logged would be lost.
        let lives = Lives { lock_step, ..Lives::default() };
        lives.judge(name, seeds, job, |world| {
            silences(world).map(|times| _ = silent.fetch_add(times, Ordering::Relaxed))
        })
    });
    assert!(silent.into_inner() > 0, "nobody was silent, which proves nothing");
}
