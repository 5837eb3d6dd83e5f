//! How near the engine comes to loops written by hand for nothing else. One `name=value` line a result.
//!
//! ```text
//! cargo bench --bench limit                          all workloads
//! cargo bench --bench limit -- --workload yardstick  one of them; also --readings N --pairs N --cranes N --workers N
//! ```
//!
//! Rows enter as a host would send them: by the host channel, in owned batches of at most 4,096 that are built outside
//! the clock, with the default configuration. The clock runs from the first send to the last row received.
#![allow(clippy::print_stdout, clippy::expect_used, unreachable_pub, missing_docs)]

mod crane;
mod json;
mod shapes;
mod yardstick;

use std::time::{Duration, Instant};

use watchfire_benches::pairs::Ratios;
use watchfire_engine::{Data, Job, Late, Receiver, Skewed, Timed};

/// Rows of one batch.
const BATCH: usize = 4_096;

/// What the command line asks for.
#[derive(Debug)]
pub struct Args(Vec<String>);

impl Args {
    fn value<T: std::str::FromStr>(&self, name: &str) -> Option<T> {
        self.0.iter().position(|a| a == name).and_then(|i| self.0.get(i + 1)?.parse().ok())
    }

    pub fn readings(&self) -> usize {
        self.value("--readings").unwrap_or(10_000_000)
    }

    pub fn pairs(&self) -> usize {
        self.value("--pairs").unwrap_or(15)
    }

    /// Whether a variant is wanted: no wish means all.
    pub fn wants(&self, name: &str, value: usize) -> bool {
        self.value(name).is_none_or(|wish: usize| wish == value)
    }
}

/// Sends batches and receives the rows of one output on a thread of its own, as a host would; late and skewed rows are
/// received too. Gives the time from the first send to the last row, and what `gather` made of the rows.
pub fn timed<T: Data + Timed, O: Data, G: Default + Send + 'static>(
    job: &Job,
    rows: &[T],
    gather: fn(&mut G, O),
) -> (Duration, G) {
    let batches: Vec<Vec<T>> = rows.chunks(BATCH).map(<[T]>::to_vec).collect();
    let mut running = job.start().expect("starts");
    let send = running.sender::<T>("readings").expect("has the channel");
    let out = running.receiver::<O>("windows").expect("has the channel");
    let late = running.receiver::<Late<T>>("late").expect("has the channel");
    let skewed = running.receiver::<Skewed<T>>("skewed").expect("has the channel");
    let others = [drain(late), drain(skewed)];
    let received = std::thread::spawn(move || {
        let mut gathered = G::default();
        while let Some(output) = out.recv() {
            output.rows.into_iter().for_each(|row| gather(&mut gathered, row));
        }
        (gathered, Instant::now())
    });
    let start = Instant::now();
    for batch in batches {
        send.send(batch).expect("runs");
    }
    drop(send);
    let (gathered, end) = received.join().expect("receives");
    running.wait().expect("ends well");
    others.into_iter().for_each(|other| other.join().expect("receives"));
    (end - start, gathered)
}

fn drain<T: Send + 'static>(from: Receiver<T>) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || while from.recv().is_some() {})
}

/// Prints a result with its quartiles.
pub fn report(name: &str, ratios: Ratios, more: &str) {
    println!("{name} ratio={:.2} low={:.2} high={:.2}{more}", ratios.median, ratios.low, ratios.high);
}

fn main() {
    let args = Args(std::env::args().collect());
    let workload: Option<String> = args.value("--workload");
    let wants = |name: &str| workload.as_deref().is_none_or(|wish| wish == name);
    if wants("yardstick") {
        yardstick::run(&args);
    }
    if wants("crane") {
        crane::run(&args);
    }
    if wants("provisional") {
        shapes::provisional(&args);
    }
    if wants("day") {
        shapes::day(&args);
    }
    if wants("json") {
        json::run(&args);
    }
}
