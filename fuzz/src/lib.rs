//! Fuzz targets: everything that bytes from outside reach, driven with bytes of any kind.
//!
//! Each target is a plain function over bytes that panics if the property it states does not hold. The files of
//! `fuzz/corpus/NAME`, seeds and whatever was once found (`found-*`), run as plain tests. cargo-fuzz runs targets live;
//! what it comes upon goes into the first folder, and link-time optimisation would only cost time:
//!
//! ```sh
//! mkdir -p target/fuzz-corpus/json && CARGO_PROFILE_RELEASE_LTO=off \
//!     cargo +nightly fuzz run json target/fuzz-corpus/json fuzz/corpus/json -- -max_total_time=600
//! cargo run -p watchfire-fuzz --bin json fuzz/artifacts/json/crash-*    # a finding, without nightly
//! ```
//!
//! | target | bytes are | what must hold |
//! | --- | --- | --- |
//! | [`json`] | one row | a row or a dead letter that repeats no value; what was decoded survives being encoded |
//! | [`csv`] | settings, then a file | the same, for every line |
//! | [`lines`] | sizes, then a file | lines do not depend on how the file was read |
//! | [`mqtt`] | a config in TOML, or an id or filter | configs are refused or work; ids make one level each |
//! | [`configs`] | a config in TOML | every config is refused or works, and survives being written down |
//! | [`charts`] | a chart book in TOML | rated loads are finite, capped by rope, and do not rise with the radius |
//! | [`roads`] | a map, or two tables in CSV | an error with lines, or a network whose times are those from scratch while roads close |
//! | [`windows`] | settings, then rows and cuts | windows and sessions are those of the plain reference, cut and restored at will |
//! | [`detectors`] | settings, then values | rows go on in order, scores are finite, cut and restored at will |
//! | [`cranes`] | settings, then readings | sums fit into their windows, ratios are finite, books balance |
//! | [`lifts`] | settings, then rows of lifts | faults end once, people alone end trappings, records only grow, cut and restored at will |
//! | [`alarms`] | a ladder, then events | nothing but proof lowers an alarm; ids have no holes |
//! | [`state`] | a kind, then a state | an error, or a state that can be written down and gone on from |
// A target speaks by panicking.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod alarms;
mod charts;
mod configs;
mod cranes;
mod csv;
mod detectors;
mod input;
mod json;
mod lifts;
mod lines;
mod mqtt;
mod refusal;
mod restored;
mod roads;
mod row;
mod state;
#[path = "../../operators/tests/support/mod.rs"]
mod support;
mod windows;

pub use alarms::alarms;
pub use charts::charts;
pub use configs::configs;
pub use cranes::cranes;
pub use csv::csv;
pub use detectors::detectors;
pub use json::json;
pub use lifts::lifts;
pub use lines::lines;
pub use mqtt::mqtt;
pub use roads::roads;
pub use state::state;
pub use windows::windows;

/// A function that panics if bytes break the property that it states.
pub type Target = fn(&[u8]);

/// Every target with its name, which is that of its folder in `fuzz/corpus` and of its file in `fuzz/fuzz_targets`.
pub const TARGETS: &[(&str, Target)] = &[
    ("alarms", alarms),
    ("charts", charts),
    ("configs", configs),
    ("cranes", cranes),
    ("csv", csv),
    ("detectors", detectors),
    ("json", json),
    ("lifts", lifts),
    ("lines", lines),
    ("mqtt", mqtt),
    ("roads", roads),
    ("state", state),
    ("windows", windows),
];

/// Runs a target over the files that the program's arguments name: how a finding is looked at without cargo-fuzz.
///
/// # Errors
/// A file cannot be read.
pub fn run_files(target: Target) -> std::io::Result<()> {
    for file in std::env::args_os().skip(1) {
        target(&std::fs::read(file)?);
    }
    Ok(())
}
