//! What the tests of the engine share: a row, detectors, scripted sources and sinks, and gates to hold things open.
#![allow(dead_code)] // Every test file takes what it needs.

pub(crate) mod detectors;
pub(crate) mod replayed;
pub(crate) mod sink;
pub(crate) mod source;

use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use watchfire_engine::{Error, Flow, Job, Metrics, Receiver, Recording, TickSource, Timed};

/// Longer than anything takes on a loaded machine; reached only by a test that fails.
pub(crate) const SOON: Duration = Duration::from_secs(30);

/// A clock that stands still for as long as any test runs, ahead of every row.
pub(crate) const STANDING: TickSource = TickSource::Scaled { interval_ms: 1, start_ms: 1_000_000_000_000, speed: 1e-9 };

/// Ticks every 100 ms of event time.
pub(crate) const BY_ROWS: TickSource = TickSource::FromEvents { interval_ms: 100, max_jump_ms: 3_600_000 };

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) at_ms: i64,
    pub(crate) key: u32,
    pub(crate) value: i64,
}

impl Timed for Row {
    fn event_time_ms(&self) -> i64 {
        self.at_ms
    }
}

pub(crate) fn row(at_ms: i64, key: u32, value: i64) -> Row {
    Row { at_ms, key, value }
}

/// Rows of one key, one a millisecond, with rising values.
pub(crate) fn rows(values: std::ops::Range<i64>) -> Vec<Row> {
    values.map(|value| row(value, 0, value)).collect()
}

pub(crate) fn values(rows: &[Row]) -> Vec<i64> {
    rows.iter().map(|row| row.value).collect()
}

/// Waits until `holds`, looking again and again. False if it does not come to hold.
pub(crate) fn settles(holds: impl Fn() -> bool) -> bool {
    let until = Instant::now() + SOON;
    while !holds() {
        if Instant::now() > until {
            return false;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    true
}

/// Everything that is left in a receiver, after its job has ended.
pub(crate) fn rest(receiver: &Receiver<Row>) -> Vec<Row> {
    receiver.rows().collect()
}

/// Runs a flow with one channel `in` and one receiver `out` to its end, on one batch after another.
pub(crate) fn run(job: &Job, batches: Vec<Vec<Row>>) -> Result<(Vec<Row>, Metrics), Error> {
    let mut running = job.start()?;
    let sender = running.sender::<Row>("in")?;
    let out = running.receiver::<Row>("out")?;
    for batch in batches {
        if sender.send(batch).is_err() {
            break;
        }
    }
    drop(sender);
    let rows = rest(&out);
    Ok((rows, running.wait()?))
}

/// As [`run`], and the recording.
pub(crate) fn recorded(job: &Job, batches: Vec<Vec<Row>>) -> (Vec<Row>, Recording) {
    let mut running = job.clone().record().start().unwrap();
    let sender = running.sender::<Row>("in").unwrap();
    let out = running.receiver::<Row>("out").unwrap();
    batches.into_iter().for_each(|batch| sender.send(batch).unwrap());
    drop(sender);
    let rows = rest(&out);
    running.wait().unwrap();
    let recording = running.recording().unwrap();
    (rows, recording)
}

/// Replays a recording, with recovery rehearsed all the time, and returns what left by `out`.
pub(crate) fn replayed(job: &Job, recording: &Recording) -> Vec<Row> {
    let mut running = job.clone().rehearse_recovery(1).replay(recording).unwrap();
    let out = running.receiver::<Row>("out").unwrap();
    let rows = rest(&out);
    running.wait().unwrap();
    rows
}

/// A job with ticks that do not move.
pub(crate) fn job(build: impl for<'f> Fn(&Flow<'f>) + Send + Sync + 'static) -> Job {
    Job::new(build).ticks(STANDING)
}

/// Holds threads until it is opened. Opens by itself when a test ends, so that a failing one leaves nothing behind.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    open: Mutex<bool>,
    changed: Condvar,
    /// How many threads have come to it.
    come: std::sync::atomic::AtomicUsize,
}

impl Gate {
    pub(crate) fn open(&self) {
        *self.open.lock().unwrap() = true;
        self.changed.notify_all();
    }

    pub(crate) fn is_open(&self) -> bool {
        *self.open.lock().unwrap()
    }

    pub(crate) fn pass(&self) {
        self.come.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        let mut open = self.open.lock().unwrap();
        while !*open {
            open = self.changed.wait(open).unwrap();
        }
    }

    pub(crate) fn come(&self) -> usize {
        self.come.load(std::sync::atomic::Ordering::SeqCst)
    }
}

/// Opens a gate when it is dropped.
pub(crate) struct OpensAtEnd(pub(crate) std::sync::Arc<Gate>);

impl Drop for OpensAtEnd {
    fn drop(&mut self) {
        self.0.open();
    }
}

/// Runs `body` on a thread of its own; its result, or a failed test if it hangs.
pub(crate) fn in_time<R: Send + 'static>(body: impl FnOnce() -> R + Send + 'static) -> R {
    let (tell, told) = std::sync::mpsc::sync_channel(1);
    std::thread::spawn(move || tell.send(body()));
    told.recv_timeout(2 * SOON).expect("it hangs, or it panicked")
}

/// `file:line` of the one line of a file that ends in `marker`.
pub(crate) fn place_of(text: &str, file: &str, marker: &str) -> String {
    let lines: Vec<usize> =
        (1..).zip(text.lines()).filter(|(_, line)| line.ends_with(marker)).map(|(n, _)| n).collect();
    let [line] = lines.as_slice() else { panic!("{marker} must end one line: {lines:?}") };
    format!("{file}:{line}")
}
