//! Open-loop latency: from the due time of each reading that raises an alarm to the alarm in the host's hands, beside a
//! pipeline of threads and channels written by hand. One `name=value` line a result.
//!
//! Readings are due at a fixed rate whatever the engine does, so a stall shows in every reading that waits behind it.
#![allow(clippy::print_stdout, clippy::expect_used, missing_docs)]

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};
use watchfire_engine::{Context, Describe, Detector, Job, State, Timed, Verdict};

/// A reading that carries its number, by which its due time is known.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Reading {
    number: u64,
    key: u32,
    event_time_ms: i64,
    load: f64,
}

impl Timed for Reading {
    fn event_time_ms(&self) -> i64 {
        self.event_time_ms
    }
}

/// Raises once whenever the load rises above the limit.
struct Rising;

#[derive(Clone, Default, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
struct Raised(bool);

impl State for Raised {
    const NAME: &'static str = "raised";
    const VERSION: u32 = 1;
}

fn step(raised: &mut bool, load: f64) -> bool {
    let rises = load > 1.0 && !*raised;
    *raised = load > 1.0;
    rises
}

impl Detector for Rising {
    type Key = u32;
    type In = Reading;
    type Out = u64;
    type State = Raised;

    fn describe(&self) -> Describe {
        Describe { kind: "rising", params: String::new(), ordered: true }
    }

    fn on_row(&self, raised: &mut Raised, row: &Reading, cx: &mut Context<'_, u32, u64>) -> Verdict {
        if step(&mut raised.0, row.load) {
            cx.emit(row.number);
        }
        Verdict::Applied
    }
}

const START_MS: i64 = 1_700_000_000_000;

/// Every hundredth reading of a key is above the limit.
fn reading(number: u64, keys: u32, rate: u64) -> Reading {
    let key = (number % u64::from(keys)) as u32;
    let round = number / u64::from(keys) + u64::from(key) * 37;
    let load = if round % 100 == 99 { 1.2 } else { 0.8 };
    Reading { number, key, event_time_ms: START_MS + (number * 1_000 / rate) as i64, load }
}

/// Sends every reading as soon as it is due; returns when the first was.
fn pace(n: u64, keys: u32, rate: u64, start: Instant, mut send: impl FnMut(Vec<Reading>)) {
    let mut next = 0;
    while next < n {
        let due = (start.elapsed().as_nanos() * u128::from(rate) / 1_000_000_000) as u64;
        if due > next {
            let upto = due.min(n);
            send((next..upto).map(|number| reading(number, keys, rate)).collect());
            next = upto;
        } else {
            std::thread::yield_now();
        }
    }
}

struct Clock {
    start: Instant,
    rate: u64,
    /// Alarms of the first second are not counted: threads are still starting.
    warm_up: u64,
}

impl Clock {
    fn record(&self, numbers: &[u64], into: &mut Histogram<u64>) {
        let now = self.start.elapsed().as_nanos() as u64;
        for number in numbers.iter().filter(|number| **number >= self.warm_up) {
            into.saturating_record(now.saturating_sub(number * 1_000_000_000 / self.rate));
        }
    }
}

fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1_000, 60_000_000_000, 3).expect("valid bounds")
}

fn engine(n: u64, keys: u32, rate: u64, workers: usize) -> Histogram<u64> {
    let job = Job::new(|flow| {
        let raised = flow.channel::<Reading>("readings").key_by(|r| r.key).detect("rising", Rising);
        raised.out.to_channel("alarms");
        raised.late.to_channel("late");
        raised.skewed.to_channel("skewed");
    });
    let mut running = job.workers(workers).start().expect("starts");
    let send = running.sender::<Reading>("readings").expect("has the channel");
    let alarms = running.receiver::<u64>("alarms").expect("has the channel");
    let _late = running.receiver::<watchfire_engine::Late<Reading>>("late").expect("has the channel");
    let _skewed = running.receiver::<watchfire_engine::Skewed<Reading>>("skewed").expect("has the channel");
    let start = Instant::now();
    let clock = Clock { start, rate, warm_up: rate };
    let host = std::thread::spawn(move || {
        let mut all = histogram();
        while let Some(output) = alarms.recv() {
            clock.record(&output.rows, &mut all);
        }
        all
    });
    pace(n, keys, rate, start, |rows| send.send(rows).expect("runs"));
    drop(send);
    running.wait().expect("ends well");
    host.join().expect("receives")
}

/// By hand: the sender deals rows out to threads by key, each keeps its map, alarms meet in one channel.
fn by_hand(n: u64, keys: u32, rate: u64, workers: usize) -> Histogram<u64> {
    let (alarm, alarms) = crossbeam_channel::bounded::<Vec<u64>>(1_024);
    let threads: Vec<_> = (0..workers)
        .map(|_| {
            let (send, rows) = crossbeam_channel::bounded::<Vec<Reading>>(16);
            let alarm = alarm.clone();
            let thread = std::thread::spawn(move || {
                let mut state: rustc_hash::FxHashMap<u32, bool> = rustc_hash::FxHashMap::default();
                for batch in rows {
                    let raised: Vec<u64> = batch
                        .iter()
                        .filter_map(|r| step(state.entry(r.key).or_default(), r.load).then_some(r.number))
                        .collect();
                    if !raised.is_empty() {
                        alarm.send(raised).expect("host receives");
                    }
                }
            });
            (send, thread)
        })
        .collect();
    drop(alarm);
    let start = Instant::now();
    let clock = Clock { start, rate, warm_up: rate };
    let host = std::thread::spawn(move || {
        let mut all = histogram();
        for numbers in alarms {
            clock.record(&numbers, &mut all);
        }
        all
    });
    pace(n, keys, rate, start, |rows| {
        let mut parts: Vec<Vec<Reading>> = vec![Vec::new(); workers];
        rows.into_iter().for_each(|r| parts[r.key as usize % workers].push(r));
        for (part, (send, _)) in parts.into_iter().zip(&threads) {
            if !part.is_empty() {
                send.send(part).expect("worker receives");
            }
        }
    });
    for (send, thread) in threads {
        drop(send);
        thread.join().expect("worker ends well");
    }
    host.join().expect("receives")
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let arg = |name: &str, default: u64| {
        args.iter().position(|a| a == name).and_then(|i| args.get(i + 1)?.parse().ok()).unwrap_or(default)
    };
    let (rate, seconds, workers) = (arg("--rate", 50_000), arg("--seconds", 30), arg("--workers", 2) as usize);
    for keys in [1_000, 100_000] {
        // One run in two halves a side, taking turns, so that a busy moment of the machine falls on both.
        let (mut ours, mut theirs) = (histogram(), histogram());
        for _ in 0..2 {
            let n = rate * seconds.div_ceil(2);
            theirs += by_hand(n, keys, rate, workers);
            std::thread::sleep(Duration::from_millis(200));
            ours += engine(n, keys, rate, workers);
            std::thread::sleep(Duration::from_millis(200));
        }
        let at = |all: &Histogram<u64>, q: f64| all.value_at_quantile(q) as f64 / 1e6;
        let (p50, p99, hand_p50, hand_p99) = (at(&ours, 0.5), at(&ours, 0.99), at(&theirs, 0.5), at(&theirs, 0.99));
        println!(
            "workload=alarm rate={rate} keys={keys} workers={workers} alarms={} p50_ms={p50:.3} p99_ms={p99:.3} hand_p50_ms={hand_p50:.3} hand_p99_ms={hand_p99:.3} p50_ratio={:.1} p99_ratio={:.1}",
            ours.len(),
            p50 / hand_p50,
            p99 / hand_p99
        );
    }
}
