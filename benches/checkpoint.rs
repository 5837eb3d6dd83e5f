//! What checkpoints cost: rows per second flat out and latency when paced, each with a checkpoint every second against none in
//! the same run; the bytes that they write by the share of keys that changed; and the time to come back to many keys. One
//! line of `name=value` a result.
//!
//! With `logged`, what it costs to log epochs as well.
//!
//! `--cranes N`, `--seconds N` a side, `--workers N`, `--only flat|logged|paced|dirty|recovery`.
#![allow(clippy::print_stdout, clippy::expect_used, missing_docs)]

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use watchfire_benches::pairs::Ratios;
use watchfire_benches::yardstick::{DISORDER_MS, Overload, OverloadWindow, Reading, SIZE_MS, SLIDE_MS, generate};
use watchfire_engine::durable::{Checkpoints, Directory, Manifest, Store, StoreError};
use watchfire_engine::source::Replay;
use watchfire_engine::{
    Change, ChannelIn, Checkpointing, Compose, Context, Describe, Detector, EventTime, Job, Late, Running, Sender,
    Skewed, Verdict,
};
use watchfire_operators::window::{Sliding, WindowRow};

/// Seconds of readings that are sent again and again, each time later.
const CYCLE_S: usize = 20;

/// Turns of the paced workload; a busy moment of the machine spoils one or two.
const PAIRS: u64 = 15;

/// Emits a reading now and then, by which latency is measured.
#[derive(Clone)]
struct Marks;

fn is_mark(reading: &Reading) -> bool {
    reading.wind_mps > 19.99
}

impl Detector for Marks {
    type Key = u32;
    type In = Reading;
    type Out = (u32, i64);
    type State = ();

    fn describe(&self) -> Describe {
        Describe { kind: "marks", params: String::new(), ordered: false }
    }

    fn on_row(&self, (): &mut (), row: &Reading, cx: &mut Context<'_, u32, (u32, i64)>) -> Verdict {
        if is_mark(row) {
            cx.emit((row.crane, row.event_time_ms));
        }
        Verdict::Applied
    }
}

/// A directory that counts what is written.
#[derive(Debug)]
struct Counted {
    of: Directory,
    state_bytes: AtomicU64,
    checkpoints: AtomicU64,
}

impl Counted {
    fn new(folder: &std::path::Path) -> Arc<Self> {
        let of = Directory::create(folder).expect("a folder for checkpoints");
        Arc::new(Counted { of, state_bytes: AtomicU64::new(0), checkpoints: AtomicU64::new(0) })
    }
}

impl Store for Counted {
    fn put(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        self.state_bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        self.of.put(name, bytes)
    }
    fn put_if_absent(&self, name: &str, bytes: &[u8]) -> Result<bool, StoreError> {
        // The first record of a run says that it began, the last that it ended; the others are checkpoints.
        self.checkpoints.fetch_add(1, Ordering::Relaxed);
        self.of.put_if_absent(name, bytes)
    }
    fn get(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.of.get(name)
    }
    fn get_range(&self, name: &str, range: Range<u64>) -> Result<Option<Vec<u8>>, StoreError> {
        self.of.get_range(name, range)
    }
    fn list(&self, folder: &str) -> Result<Vec<String>, StoreError> {
        self.of.list(folder)
    }
    fn delete(&self, name: &str) -> Result<(), StoreError> {
        self.of.delete(name)
    }
}

fn job(workers: usize) -> Job {
    let windows = Sliding::new(SIZE_MS, SLIDE_MS, OverloadWindow).expect("valid lengths");
    let job = Job::new(move |flow| {
        let again = ChannelIn { replay: Replay::Exact, ..ChannelIn::default() };
        let bounds = EventTime { disorder_ms: DISORDER_MS, ..EventTime::default() };
        let cranes = flow.channel_with::<Reading>("readings", again).key_by(|r| r.crane).event_time(bounds);
        let cranes = cranes.detect("overload", windows.clone().both(Marks));
        cranes.out.0.to_channel("windows");
        cranes.out.1.to_channel("marks");
        cranes.late.to_channel("late");
        cranes.skewed.to_channel("skewed");
    });
    job.workers(workers)
}

/// The host's side of a run: takes everything, and tells when each mark came.
fn listen(running: &mut Running) -> std::thread::JoinHandle<Vec<(u32, i64, Instant)>> {
    let windows = running.receiver::<Change<WindowRow<u32, Overload>>>("windows").expect("has the channel");
    let marks = running.receiver::<(u32, i64)>("marks").expect("has the channel");
    let late = running.receiver::<Late<Reading>>("late").expect("has the channel");
    let skewed = running.receiver::<Skewed<Reading>>("skewed").expect("has the channel");
    std::thread::spawn(move || {
        let other = std::thread::spawn(move || windows.rows().count() + late.rows().count() + skewed.rows().count());
        let mut seen = Vec::new();
        while let Some(output) = marks.recv() {
            let now = Instant::now();
            seen.extend(output.rows.into_iter().map(|(crane, at_ms)| (crane, at_ms, now)));
        }
        other.join().expect("takes all");
        seen
    })
}

/// The same readings again and again, each time later.
struct Cycle(Vec<Reading>);

impl Cycle {
    fn of(cranes: u32) -> Self {
        Cycle(generate(cranes, cranes as usize * CYCLE_S))
    }

    fn rows(&self, from: usize, upto: usize) -> Vec<Reading> {
        (from..upto)
            .map(|n| {
                let (turn, reading) = (n / self.0.len(), self.0[n % self.0.len()]);
                Reading { event_time_ms: reading.event_time_ms + (turn * CYCLE_S * 1_000) as i64, ..reading }
            })
            .collect()
    }
}

/// Where a run keeps its checkpoints, and whether it logs epochs.
type Kept = Option<(Arc<Counted>, bool)>;

fn started(workers: usize, kept: Kept) -> (Running, Sender<Reading>) {
    let job = match kept {
        Some((store, log_epochs)) => {
            job(workers).checkpoint_to(store, Checkpointing { log_epochs, ..Checkpointing::named("bench") })
        }
        None => job(workers),
    };
    let mut running = job.start().expect("starts");
    let sender = running.sender("readings").expect("has the channel");
    (running, sender)
}

/// Rows per second, sent as fast as they are taken.
fn flat(cycle: &Cycle, workers: usize, seconds: u64, kept: Kept) -> f64 {
    let (mut running, sender) = started(workers, kept);
    let host = listen(&mut running);
    let (start, mut sent) = (Instant::now(), 0);
    while start.elapsed() < Duration::from_secs(seconds) {
        sender.send(cycle.rows(sent, sent + 4_096)).expect("runs");
        sent += 4_096;
    }
    drop(sender);
    host.join().expect("takes all");
    let rate = sent as f64 / start.elapsed().as_secs_f64();
    running.wait().expect("ends well");
    rate
}

/// From the due time of marked readings to the host's hands, sent at a rate.
fn paced(cycle: &Cycle, workers: usize, seconds: u64, rate: f64, kept: Kept) -> Histogram<u64> {
    let (mut running, sender) = started(workers, kept);
    let host = listen(&mut running);
    let (start, n) = (Instant::now(), (rate * seconds as f64) as usize);
    let mut sent = 0;
    while sent < n {
        let due = ((start.elapsed().as_secs_f64() * rate) as usize).min(n);
        if due > sent {
            sender.send(cycle.rows(sent, due)).expect("runs");
            sent = due;
        } else {
            std::thread::yield_now();
        }
    }
    drop(sender);
    let seen = host.join().expect("takes all");
    running.wait().expect("ends well");
    let marked: Vec<usize> = (0..cycle.0.len()).filter(|n| is_mark(&cycle.0[*n])).collect();
    let turns = (0..sent.div_ceil(cycle.0.len())).flat_map(|turn| marked.iter().map(move |n| turn * cycle.0.len() + n));
    let marks: HashMap<(u32, i64), usize> = turns
        .map(|n| {
            let reading = cycle.rows(n, n + 1)[0];
            ((reading.crane, reading.event_time_ms), n)
        })
        .collect();
    let mut all = Histogram::new_with_bounds(1_000, 60_000_000_000, 3).expect("valid bounds");
    for (crane, at_ms, came) in seen {
        // The first second is not counted: threads are still starting.
        if let Some(n) = marks.get(&(crane, at_ms)).filter(|n| **n as f64 > rate) {
            let due = start + Duration::from_secs_f64(*n as f64 / rate);
            all.saturating_record(came.saturating_duration_since(due).as_nanos() as u64);
        }
    }
    all
}

/// A job that writes one checkpoint, when it is stopped.
fn stopped(workers: usize, store: &Arc<Counted>, rows: Vec<Reading>) -> Manifest {
    let config = Checkpointing { every_ms: 3_600_000, ..Checkpointing::named("bench") };
    let mut running = job(workers).checkpoint_to(store.clone(), config).start().expect("starts");
    let host = listen(&mut running);
    let sender: Sender<Reading> = running.sender("readings").expect("has the channel");
    let count = rows.len() as u64;
    sender.send(rows).expect("runs");
    while running.metrics().sources["readings"].rows < count {
        std::thread::sleep(Duration::from_millis(1));
    }
    running.stop(Duration::from_secs(300)).expect("stops");
    drop(sender);
    host.join().expect("takes all");
    let all = Checkpoints::new(store.clone()).list().expect("reads");
    all.last().expect("one at least").manifest.clone()
}

/// Bytes of states that a checkpoint writes when one key in so many has changed since the last.
fn dirty(cranes: u32, workers: usize) {
    let cycle = Cycle::of(cranes);
    for one_in in [100, 10, 1] {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Counted::new(folder.path());
        let before = stopped(workers, &store, cycle.rows(0, cycle.0.len()));
        let some = cycle.rows(cycle.0.len(), cycle.0.len() + 2 * cranes as usize);
        let some: Vec<Reading> = some.into_iter().filter(|r| r.crane % one_in == 0).collect();
        let changed = some.iter().map(|r| r.crane).collect::<HashSet<_>>().len() as u64;
        let after = stopped(workers, &store, some);
        let new = after.files().filter(|file| before.files().all(|other| other.name != file.name));
        let bytes: u64 = new.map(|file| file.bytes).sum();
        println!(
            "workload=dirty cranes={cranes} changed={changed} bytes={bytes} bytes_per_changed_key={}",
            bytes / changed
        );
    }
}

/// The time from the start of a job to its first row out, when it comes back to so many keys.
fn recovery(cranes: u32, workers: usize) {
    let cycle = Cycle(generate(cranes, cranes as usize * 8));
    let folder = tempfile::tempdir().expect("a folder");
    let store = Counted::new(folder.path());
    let manifest = stopped(workers, &store, cycle.rows(0, cycle.0.len()));
    let bytes: u64 = manifest.files().map(|file| file.bytes).sum();
    let clock = Instant::now();
    let (mut running, sender) = started(workers, Some((store, false)));
    let host = listen(&mut running);
    let first = Reading { event_time_ms: cycle.0[0].event_time_ms + 9_000, wind_mps: 20.0, ..cycle.0[0] };
    sender.send(vec![first]).expect("runs");
    while running.metrics().sinks["marks"] == 0 {
        std::thread::sleep(Duration::from_micros(200));
    }
    let ms = clock.elapsed().as_millis();
    println!(
        "workload=recovery cranes={cranes} workers={workers} ms={ms} bytes={bytes} bytes_per_key={}",
        bytes / u64::from(cranes)
    );
    running.abort();
    drop(sender);
    host.join().expect("takes all");
}

/// Rows per second with checkpoints, and the log if it is wished for, against neither; the latter.
fn flat_out(cycle: &Cycle, cranes: u32, workers: usize, seconds: u64, log_epochs: bool) -> f64 {
    // Short turns, so that a busy moment of the machine falls on both.
    let (mut with, mut without, mut count, mut bytes) = (Vec::new(), Vec::new(), 0, 0);
    for _ in 0..4 {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Counted::new(folder.path());
        without.push(flat(cycle, workers, seconds.div_ceil(4), None));
        with.push(flat(cycle, workers, seconds.div_ceil(4), Some((store.clone(), log_epochs))));
        count += store.checkpoints.load(Ordering::Relaxed) - 2;
        bytes += store.state_bytes.load(Ordering::Relaxed);
    }
    let mean = |all: &[f64]| all.iter().sum::<f64>() / all.len() as f64;
    let (with, without) = (mean(&with), mean(&without));
    println!(
        "workload={} cranes={cranes} workers={workers} checkpoints={count} megabytes={} rows_per_s={with:.0} without={without:.0} ratio={:.2}",
        if log_epochs { "logged" } else { "flat" },
        bytes / 1_000_000,
        with / without
    );
    without
}

/// Latency at a rate with checkpoints against none, in short turns.
fn paced_pairs(cycle: &Cycle, cranes: u32, workers: usize, seconds: u64, rate: f64) {
    let seconds = seconds.div_ceil(PAIRS).max(4);
    let (mut with, mut without, mut ratios, mut count) = (Vec::new(), Vec::new(), Vec::new(), 0);
    for _ in 0..PAIRS {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Counted::new(folder.path());
        without.push(paced(cycle, workers, seconds, rate, None));
        with.push(paced(cycle, workers, seconds, rate, Some((store.clone(), false))));
        count += store.checkpoints.load(Ordering::Relaxed) - 2;
        let p99 = |all: &[Histogram<u64>]| all.last().map_or(0, |all| all.value_at_quantile(0.99)) as f64;
        ratios.push(p99(&with) / p99(&without));
    }
    let at = |all: &[Histogram<u64>], q: f64| {
        Ratios::of(all.iter().map(|all| all.value_at_quantile(q) as f64 / 1e6).collect()).median
    };
    let Ratios { low, median, high } = Ratios::of(ratios);
    println!(
        "workload=paced cranes={cranes} workers={workers} rate={rate:.0} pairs={PAIRS} checkpoints={count} p50_ms={:.3} p99_ms={:.3} without_p50_ms={:.3} without_p99_ms={:.3} p99_ratio={median:.1} low={low:.1} high={high:.1}",
        at(&with, 0.5),
        at(&with, 0.99),
        at(&without, 0.5),
        at(&without, 0.99),
    );
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let text = |name: &str| args.iter().position(|a| a == name).and_then(|i| args.get(i + 1));
    let arg = |name: &str, default: u64| text(name).and_then(|text| text.parse().ok()).unwrap_or(default);
    let wants = |name: &str| text("--only").is_none_or(|only| only == name);
    let (cranes, seconds, workers) =
        (arg("--cranes", 100_000) as u32, arg("--seconds", 32), arg("--workers", 2) as usize);
    let cycle = Cycle::of(cranes);
    let mut most = arg("--rate", 0) as f64;
    if wants("flat") || most == 0.0 && wants("paced") {
        most = flat_out(&cycle, cranes, workers, seconds, false);
    }
    if wants("logged") {
        flat_out(&cycle, cranes, workers, seconds, true);
    }
    if wants("paced") {
        paced_pairs(&cycle, cranes, workers, seconds, most / 2.0);
    }
    if wants("dirty") {
        dirty(cranes, workers);
    }
    if wants("recovery") {
        [cranes, 10 * cranes].into_iter().for_each(|cranes| recovery(cranes, workers));
    }
}
