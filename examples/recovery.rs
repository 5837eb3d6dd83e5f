//! A job that is killed and comes back: its file holds every row once. `cargo run --example recovery`
// A program, not a library: it prints.
#![allow(clippy::print_stdout)]

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use watchfire::connect::file::{FileSink, FileSinkConfig, FileSource, FileSourceConfig};
use watchfire::connect::format::JsonLines;
use watchfire::crane::CraneReading;
use watchfire::durable::{Checkpoints, Directory};
use watchfire::window::{Sliding, WindowRow, mean};
use watchfire::{Change, Checkpointing, Error, Job, TickSource};

const READINGS: u64 = 60_000;

/// One-minute means of three cranes, from one file to another, in two phases.
fn job(folder: &Path, store: Arc<Directory>) -> Result<Job, Error> {
    let minute = Sliding::tumbling(60_000, mean(|r: &CraneReading| (r.load_kg * 1e3) as i64))?;
    let source = FileSource::new(FileSourceConfig::new([folder.join("readings.jsonl").display().to_string()]))?;
    let sink = FileSink::new(FileSinkConfig::two_phase(folder.join("minutes.jsonl").display().to_string()));
    let job = Job::new(move |flow| {
        let readings = flow.source("readings", source.clone(), JsonLines::<CraneReading>::new());
        let minutes = readings.rows.key_by(|r| r.crane).detect("minutes", minute.clone());
        minutes.out.to_sink("file", sink.clone(), JsonLines::<Change<WindowRow<_, _>>>::new());
    });
    let config = Checkpointing { every_ms: 1, ..Checkpointing::named("recovery") };
    Ok(job.ticks(TickSource::FROM_EVENTS).epoch_rows_max(50).checkpoint_to(store, config))
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let reading = |n: u64| {
        let (crane, at_ms) = (n as u32 % 3, 1_700_000_000_000 + n as i64 * 1_000);
        serde_json::to_string(&CraneReading::new(crane, at_ms, (n * n % 4_000) as f64, 20.0, 4)).map(|line| line + "\n")
    };
    let lines = (0..READINGS).map(reading).collect::<Result<String, _>>()?;
    std::fs::write(folder.path().join("readings.jsonl"), lines)?;
    let store = Arc::new(Directory::create(folder.path().join("state"))?);

    let mut running = job(folder.path(), store.clone())?.start()?;
    while Checkpoints::new(store.clone()).list()?.is_empty() {
        std::thread::sleep(Duration::from_millis(1));
    }
    running.abort();
    println!("killed: {}", running.wait().err().map_or("too late".into(), |error| error.code().to_owned()));

    // The same flow on the same store goes on where it was, here with another number of workers.
    job(folder.path(), store)?.workers(2).start()?.wait()?;
    let written = std::fs::read_to_string(folder.path().join("minutes.jsonl"))?;
    let different: BTreeSet<&str> = written.lines().collect();
    println!("came back: {} windows, {} of them different", written.lines().count(), different.len());
    Ok(())
}
