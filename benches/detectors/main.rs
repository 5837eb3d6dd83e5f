//! What detectors cost: eight of them fused, against the same eight by hand, and each alone. One `name=value` line a result.
//!
//! ```text
//! cargo bench --bench detectors                 also --rows N --pairs N
//! cargo bench --bench detectors -- --only fused also --lifts N --workers N
//! cargo bench --bench detectors -- --only alone also --detector NAME
//! ```
//!
//! Rows enter as a host would send them: by the host channel, in owned batches of 4,096 that are built outside the clock. The clock runs from the first send to the
//! last row received. Of scores only what matters is told ([`Scores::at_least`](watchfire_operators::detect::Scores::at_least)).
//!
//! What each is measured against, the line says: `hand` is a loop that does the same for nothing else, one look-up of what is known of a lift a row; `score` is such a
//! loop around the very function that the detector calls, where that is the work, so that the rest is what the engine adds; `none` is nothing. A loop counts what it
//! tells and makes no rows of it, and knows that its readings have no gaps.
#![allow(clippy::print_stdout, clippy::expect_used, unreachable_pub, missing_docs)]

mod alone;
mod fused;
mod lifts;
mod others;
mod scores;

use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use watchfire_benches::args::arg;
use watchfire_benches::detectors_by_hand::Told;
use watchfire_benches::pairs::ratios;
use watchfire_engine::{Data, Job, Running, TickSource, Timed};

const BATCH: usize = 4_096;
/// The channel that rows enter by.
const ROWS: &str = "rows";

fn main() {
    let number = |name: &str, default: &str| arg(name, default).parse::<usize>().expect("a number");
    let (rows, pairs) = (number("rows", "6000000"), number("pairs", "15"));
    let only = arg("only", "both");
    if only != "alone" {
        fused::run(rows, pairs, number("lifts", "0"), number("workers", "0"));
    }
    if only != "fused" {
        alone::run(rows, pairs);
    }
}

/// Sends all rows and receives what is told, by threads that `receive` starts, one for each output.
fn timed<T: Data + Timed, const N: usize>(
    job: Job,
    workers: usize,
    rows: &[T],
    receive: impl FnOnce(&mut Running) -> [JoinHandle<Told>; N],
) -> (Duration, [Told; N]) {
    let batches: Vec<Vec<T>> = rows.chunks(BATCH).map(<[T]>::to_vec).collect();
    let mut running = job.workers(workers).ticks(TickSource::FROM_EVENTS).start().expect("starts");
    let send = running.sender::<T>(ROWS).expect("has the channel");
    let told = receive(&mut running);
    let clock = Instant::now();
    for batch in batches {
        send.send(batch).expect("runs");
    }
    drop(send);
    let told = told.map(|told| told.join().expect("receives"));
    let time = clock.elapsed();
    running.wait().expect("ends well");
    (time, told)
}

/// Takes what one output tells, on a thread of its own; `says` what of it counts.
fn told<O: Data>(
    running: &mut Running,
    output: &str,
    says: impl Fn(&O) -> Option<f64> + Send + 'static,
) -> JoinHandle<Told> {
    let told = running.receiver::<O>(output).expect("has the channel");
    std::thread::spawn(move || {
        let mut found = (0, 0.0);
        while let Some(output) = told.recv() {
            for score in output.rows.iter().filter_map(&says) {
                found = (found.0 + 1, found.1 + score);
            }
        }
        found
    })
}

/// Runs both sides in turns, sees to it that they tell the same, and prints how they compare. Without a `base` the engine runs alone, and tells the same each time.
fn compare<const N: usize>(
    line: &str,
    (rows, pairs): (usize, usize),
    base: Option<&mut dyn FnMut() -> [Told; N]>,
    mut engine: impl FnMut() -> (Duration, [Told; N]),
) {
    let (mut expected, mut found): (Option<[Told; N]>, Option<[Told; N]>) = (None, None);
    let (mut base_ns, mut engine_ns) = (Vec::new(), Vec::new());
    let a_row = |time: Duration| time.as_secs_f64() * 1e9 / rows as f64;
    let mut run = || {
        let (time, told) = engine();
        engine_ns.push(a_row(time));
        same(line, &told, found.get_or_insert(told));
        time
    };
    let against = base.map(|base| {
        let mut base = || {
            let clock = Instant::now();
            expected = Some(base());
            let time = clock.elapsed();
            base_ns.push(a_row(time));
            time
        };
        ratios(pairs, &mut base, &mut run)
    });
    let ratio = match against {
        Some(ratios) => format!("ratio={:.2} low={:.2} high={:.2}", ratios.median, ratios.low, ratios.high),
        None => {
            (0..pairs.max(1)).for_each(|_| _ = run());
            "ratio=- low=- high=-".to_owned()
        }
    };
    let found = found.expect("has run");
    if let Some(expected) = expected {
        same(line, &found, &expected);
    }
    let hand = if base_ns.is_empty() { "-".to_owned() } else { format!("{:.0}", middle(base_ns)) };
    let engine_ns = middle(engine_ns);
    let told = found.map(|(count, _)| count.to_string()).join(",");
    println!("{line} {ratio} hand_ns={hand} engine_ns={engine_ns:.0} rows_a_second={:.0} told={told}", 1e9 / engine_ns);
}

fn same(line: &str, found: &[Told], expected: &[Told]) {
    for (of, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert_eq!(found.0, expected.0, "{line}: output {of} tells another number");
        let off = (found.1 - expected.1).abs();
        assert!(off <= 1e-6 * (1.0 + expected.1.abs()), "{line}: output {of}: {found:?} {expected:?}");
    }
}

fn middle(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}
