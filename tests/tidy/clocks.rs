//! Time comes in as data, and nothing queues without bound.

use crate::source::{Mention, Source};
use crate::{Breach, checkout, found_at, none};

/// The one file that reads the wall clock.
const TICKER: &str = "engine/src/ingest/ticker.rs";

/// Files that read a clock for spans of real time, which no result depends on. All others ask `turns`, whose clock lock-step can
/// stand in for.
const STOPWATCHES: &[&str] = &["engine/src/job/outlet.rs", "engine/src/job/worker.rs", "engine/src/turns.rs"];

/// Files of the engine that start threads, or let them wait, by other means than `turns`: what waits for the host, what reads
/// for a start, what joins threads that have left, and where workers sleep. In lock-step nothing that counts rests on it.
const WAITERS: &[&str] = &[
    "engine/src/durable/checkpoints.rs",
    "engine/src/ingest/queue.rs",
    "engine/src/job/outlet.rs",
    "engine/src/job/running.rs",
    "engine/src/job/worker.rs",
    "engine/src/testing/conformance.rs",
    "engine/src/turns.rs",
];

/// What starts a thread, and what waits, of the module `thread` and as methods.
const OF_THREADS: &[&str] = &["Builder", "park", "park_timeout", "scope", "sleep", "spawn"];
const WAITING_CALLS: &[&str] = &["recv_blocking", "send_blocking", "recv_timeout", "recv_deadline", "step_or_park"];
/// What waits, or tells the time, elsewhere.
const WAITING_WORDS: &[&str] =
    &["future::block_on", "async_io::Timer", "Timer::after", "sync::Condvar", "sync::Barrier"];

/// Types whose readings are wall-clock time.
const WALL_CLOCKS: &[&str] = &["SystemTime", "Utc", "Local", "Timestamp", "Zoned", "OffsetDateTime"];

fn breaches(source: &Source, what: &str, broken: impl Fn(&Mention) -> bool) -> Vec<Breach> {
    let breach = |m: &Mention| Breach { file: source.file.clone(), line: m.line, what: format!("{}: {what}", m.path) };
    source.mentions().filter(|m| broken(m)).map(breach).collect()
}

fn ends_with(mention: &Mention, owner: &str, word: &str) -> bool {
    mention.full.split(' ').any(|path| {
        let mut words = path.rsplit("::");
        words.next().is_some_and(|last| last.starts_with(word)) && words.next() == Some(owner)
    })
}

fn wall_clock(source: &Source) -> Vec<Breach> {
    if source.file == TICKER {
        return Vec::new();
    }
    breaches(source, "reads the wall clock", |m| WALL_CLOCKS.iter().any(|owner| ends_with(m, owner, "now")))
}

fn stopwatch(source: &Source) -> Vec<Breach> {
    if STOPWATCHES.contains(&source.file.as_str()) || source.file.starts_with("connectors/") {
        return Vec::new();
    }
    let in_library = |m: &Mention| !source.is_test(m.line);
    breaches(source, "reads a clock", |m| in_library(m) && ends_with(m, "Instant", "now"))
}

/// Whether a thread is started, or waits, here.
fn waits_here(m: &Mention) -> bool {
    let of_threads = m.full.split(' ').filter_map(|path| path.rsplit_once("thread::"));
    of_threads.map(|(_, rest)| rest.split("::").next()).any(|word| word.is_some_and(|word| OF_THREADS.contains(&word)))
        || m.after_dot && WAITING_CALLS.contains(&m.path.as_str())
        || WAITING_WORDS.iter().any(|word| m.full.split(' ').any(|path| path.contains(word)))
}

fn waits(source: &Source) -> Vec<Breach> {
    if !source.file.starts_with("engine/src/") || WAITERS.contains(&source.file.as_str()) {
        return Vec::new();
    }
    breaches(source, "a thread that lock-step has not", |m| !source.is_test(m.line) && waits_here(m))
}

fn without_bound(source: &Source) -> Vec<Breach> {
    let made = |m: &Mention| {
        let maker = matches!(m.path.rsplit("::").next(), Some("unbounded" | "unbounded_channel"));
        let std_channel = m.full.split(' ').any(|path| path == "std::sync::mpsc::channel");
        (maker && (m.next == '(' || m.path.contains("::"))) || (std_channel && !m.after_dot)
    };
    breaches(source, "a channel without bound", made)
}

#[test]
fn the_ticker_alone_reads_the_wall_clock() {
    none(
        "Time comes in as data; only the ticker reads the wall clock.",
        checkout::library().iter().flat_map(wall_clock),
    );
}

#[test]
fn stopwatches_are_where_they_are_listed() {
    none("`Instant::now` only where a span of real time is meant.", checkout::library().iter().flat_map(stopwatch));
    let library = checkout::library();
    for file in STOPWATCHES {
        let used = library.iter().find(|source| source.file == *file);
        let used = used.is_some_and(|source| source.mentions().any(|m| ends_with(m, "Instant", "now")));
        assert!(used, "{file} reads no clock any more: take it off the list");
    }
}

#[test]
fn threads_are_started_and_wait_where_it_is_listed() {
    let library = checkout::library();
    none("Threads start and wait by `turns`, so that lock-step has all of them.", library.iter().flat_map(waits));
    for file in WAITERS {
        let waits = library.iter().find(|source| source.file == *file);
        let waits = waits.is_some_and(|source| source.mentions().any(waits_here));
        assert!(waits, "{file} lets no thread wait any more: take it off the list");
    }
}

#[test]
fn every_channel_is_bounded() {
    none("Nothing queues without bound: give the channel a capacity.", checkout::rust().iter().flat_map(without_bound));
}

#[test]
fn wall_clocks_are_found() {
    let text =
        "use std::time as t;\nfn f() {\n    t::SystemTime::now();\n    log!(chrono::Utc::now());\n    // Utc::now()\n}";
    found_at(&wall_clock(&Source::parse("operators/src/a.rs", text)), &[3, 4]);
    found_at(&wall_clock(&Source::parse(TICKER, text)), &[]);
}

#[test]
fn stopwatches_are_found() {
    let text = "fn f() {\n    std::time::Instant::now();\n}\n#[test]\nfn g() {\n    std::time::Instant::now();\n}";
    found_at(&stopwatch(&Source::parse("engine/src/flow/a.rs", text)), &[2]);
    found_at(&stopwatch(&Source::parse("connectors/src/a.rs", text)), &[]);
}

#[test]
fn threads_and_waits_are_found() {
    let text = "use std::thread;\nfn f() {\n    thread::sleep(wait);\n    std::thread::Builder::new();\n    \
                rx.recv_blocking();\n    turns::sleep(wait);\n    std::thread::current();\n    \
                futures_lite::future::block_on(task);\n    turns::block_on(task);\n}";
    found_at(&waits(&Source::parse("engine/src/flow/a.rs", text)), &[3, 4, 5, 8]);
    found_at(&waits(&Source::parse("connectors/src/a.rs", text)), &[]);
}

#[test]
fn channels_without_bound_are_found() {
    let text = "use std::sync::mpsc::{Sender, channel};\nfn f() {\n    channel();\n    flow.channel();\n    \
                async_channel::unbounded();\n    tokio::sync::mpsc::unbounded_channel();\n    \
                tokio::sync::mpsc::channel(4);\n}";
    found_at(&without_bound(&Source::parse("connectors/src/a.rs", text)), &[1, 3, 5, 6]);
}
