//! The yardstick from a file of JSON lines, against a loop by hand with the same parser.

use std::io::{BufRead, BufReader, BufWriter, Write};
use std::time::Instant;

use watchfire_benches::pairs::ratios;
use watchfire_benches::yardstick::{
    Crane, DISORDER_MS, Overload, OverloadWindow, Reading, Rows, SIZE_MS, SLIDE_MS, generate,
};
use watchfire_connectors::file::{FileSource, FileSourceConfig};
use watchfire_connectors::format::JsonLines;
use watchfire_engine::{Change, EventTime, Job};
use watchfire_operators::window::{Sliding, WindowRow};

use crate::{Args, report, yardstick};

fn by_hand(path: &str) -> Rows {
    let mut lines = BufReader::with_capacity(1 << 18, std::fs::File::open(path).expect("opens"));
    let mut state: rustc_hash::FxHashMap<u32, Crane> = rustc_hash::FxHashMap::default();
    let (mut rows, mut line) = (Rows::default(), Vec::new());
    while lines.read_until(b'\n', &mut line).expect("reads") > 0 {
        let r: Reading = serde_json::from_slice(&line).expect("parses");
        state.entry(r.crane).or_insert_with(|| Crane::new(r.event_time_ms)).push(&r, &mut rows);
        line.clear();
    }
    state.iter_mut().for_each(|(crane, s)| s.finish(*crane, &mut rows));
    rows
}

fn by_engine(path: &str) -> Rows {
    let path = path.to_owned();
    let windows = Sliding::<u32, _>::new(SIZE_MS, SLIDE_MS, OverloadWindow).expect("valid lengths");
    let job = Job::new(move |flow| {
        let file = FileSource::new(FileSourceConfig::new([&path])).expect("valid config");
        let sourced = flow.source("readings", file, JsonLines::<Reading>::new());
        sourced.dead.to_channel("dead");
        let bounds = EventTime { disorder_ms: DISORDER_MS, ..EventTime::default() };
        let cranes = sourced.rows.key_by(|r| r.crane).event_time(bounds).detect("overload", windows.clone());
        cranes.out.to_channel("windows");
    });
    let mut running = job.start().expect("starts");
    let out = running.receiver::<Change<WindowRow<u32, Overload>>>("windows").expect("has the channel");
    let _dead = running.receiver::<watchfire_engine::decode::DeadLetter>("dead").expect("has the channel");
    let mut rows = Rows::default();
    out.rows().for_each(|change| yardstick::gather(&mut rows, change));
    running.wait().expect("ends well");
    rows
}

pub fn run(args: &Args) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let path = dir.path().join("readings.jsonl").display().to_string();
    let mut file = BufWriter::new(std::fs::File::create(&path).expect("creates"));
    let readings = generate(1_000, args.readings() / 5);
    for reading in &readings {
        serde_json::to_writer(&mut file, reading).expect("writes");
        file.write_all(b"\n").expect("writes");
    }
    file.into_inner().expect("flushes");
    let (mut expected, mut found) = (Rows::default(), Rows::default());
    let ratios = ratios(
        args.pairs(),
        || {
            let clock = Instant::now();
            expected = by_hand(&path);
            clock.elapsed()
        },
        || {
            let clock = Instant::now();
            found = by_engine(&path);
            clock.elapsed()
        },
    );
    assert!(found == expected, "the engine's rows differ: {found:?}, by hand {expected:?}");
    report("workload=json cranes=1000 workers=1", ratios, &format!(" rows={}", found.count));
}
