//! What the shipped detectors are worth on a set of data, run through the engine, beside plain baselines.
//!
//! ```text
//! cargo run --release --example evaluate -- bidmc ../shared/data/bidmc/numerics.tar.gz
//! cargo run --release --example evaluate -- elevators ../shared/data/elevators/daily_counters_dev_units.csv.gz
//! cargo run --release --example evaluate -- fitbit ../shared/data/fitbit
//! cargo run --release --example evaluate -- ims ../shared/data/machines/ims_bearing_test2.csv
//! cargo run --release --example evaluate -- nab ../shared/data/nab/nab.tar.gz
//! cargo run --release --example evaluate -- nitrogen ../shared/data/machines
//! cargo run --release --example evaluate -- trapped                       people in lifts, simulated: no public data hold this
//! cargo run --release --example evaluate -- wear                          lifts that wear for a year, simulated
//! cargo run --release --example evaluate -- weda ../shared/data/weda_fall/accel_50hz.tar.gz
//! cargo run --release --example evaluate -- made-up 7                     all of them, on data drawn from a seed
//! ```
//!
//! Nothing is tuned to the files: settings are written down before, or learned from the part that comes first. But for `nab`: the detector was made on these files, and the
//! table says what is left of it when the family that is judged has no say. Another file with the same columns, or of the same layout, can be given in its place.
// A program, not a library: it prints, and its modules share by `pub`.
#![allow(clippy::print_stdout, clippy::print_stderr, unreachable_pub)]

mod alarmed;
mod archive;
mod bidmc;
mod elevators;
mod fitbit;
mod fitbit_episodes;
mod ims;
mod metrics;
mod nab;
mod nab_scoring;
mod nitrogen;
mod train;
mod trapped;
mod wear;
mod wear_tables;
mod weda;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use watchfire::elevator::WearSimConfig;

type Failed = Box<dyn std::error::Error>;

/// Runs the detectors over a set of data, and prints how well they did.
#[derive(Debug, Parser)]
#[command(name = "evaluate")]
struct Args {
    #[command(subcommand)]
    set: Set,
}

#[derive(Debug, Subcommand)]
enum Set {
    /// People in intensive care: what do their vitals score? A packed archive, or a folder, of tables of a second and what was measured in it, as CSV, one a person.
    Bidmc {
        #[arg(default_value = "../shared/data/bidmc/numerics.tar.gz")]
        path: PathBuf,
    },
    /// Lifts: do their doors fail tomorrow? A table of a line a lift and day, as CSV, packed by gzip or not.
    Elevators {
        #[arg(default_value = "../shared/data/elevators/daily_counters_dev_units.csv.gz")]
        path: PathBuf,
    },
    /// People with bands: how often would they be troubled for nothing, and would it be seen that they are unwell? A folder of `NAME_hr.csv` and `NAME_steps.csv`, as they are or each in a `.zip`: tables with the columns
    /// `datetime` and `heartrate` or `steps`.
    Fitbit {
        #[arg(default_value = "../shared/data/fitbit")]
        path: PathBuf,
        /// From which it is drawn when they are unwell.
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// Bearings that run until one fails. A table of a time and a column a bearing, as CSV.
    Ims {
        #[arg(default_value = "../shared/data/machines/ims_bearing_test2.csv")]
        path: PathBuf,
    },
    /// Series in which people have marked what was odd: a packed archive, or a folder, in the layout of the Numenta Anomaly Benchmark.
    Nab {
        #[arg(default_value = "../shared/data/nab/nab.tar.gz")]
        path: PathBuf,
    },
    /// A nitrogen generator: does it fail within the hour? A folder with `nitrogen_{train,val,test}.csv.gz`: tables of a time, four sensors and whether it does.
    Nitrogen {
        #[arg(default_value = "../shared/data/machines")]
        path: PathBuf,
    },
    /// People who are trapped in lifts, simulated: no public data hold this.
    Trapped {
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// How many days of a lift.
        #[arg(long, default_value_t = 10_000)]
        lift_days: u32,
        /// How often somebody is trapped in a lift, a day: far more often than in life, so that there is something to judge.
        #[arg(long, default_value_t = 0.2)]
        trappings_a_day: f64,
    },
    /// Lifts that wear, simulated: what breaks within 1, 7 and 30 days?
    Wear {
        #[arg(long, default_value_t = 1)]
        seed: u64,
        #[arg(long, default_value_t = 600)]
        lifts: u32,
        #[arg(long, default_value_t = 360)]
        days: u32,
        /// Faults of a lift in a year.
        #[arg(long, default_value_t = 1.25)]
        faults_a_year: f64,
        /// Keeps the trees that foretell a week in this file, as JSON.
        #[arg(long)]
        keep: Option<PathBuf>,
    },
    /// People who fall on purpose: is it told which is a fall, at the wrist? A packed archive, or a folder, of tables `F01/U01_R01_accel.csv`, F for falls, D for what is none, U for the person: a time in seconds, and three
    /// accelerations in m/s².
    Weda {
        #[arg(default_value = "../shared/data/weda_fall/accel_50hz.tar.gz")]
        path: PathBuf,
        /// From which people and trials are drawn.
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// All sets, on data that are drawn from a seed: what comes of it says nothing but that it works.
    MadeUp { seed: u64 },
}

fn main() -> ExitCode {
    let Args { set } = Args::parse();
    let done = match &set {
        Set::Bidmc { path } => bidmc::read(path).and_then(bidmc::evaluate),
        Set::Elevators { path } => elevators::read(path).and_then(|days| elevators::evaluate(days, &elevators::GROWTH)),
        Set::Fitbit { path, seed } => {
            fitbit::read(path).and_then(|people| fitbit::evaluate(people, &fitbit_episodes::FULL, *seed))
        }
        Set::Ims { path } => ims::read(path).and_then(ims::evaluate),
        Set::Nab { path } => nab::read(path).and_then(nab::evaluate),
        Set::Nitrogen { path } => nitrogen::read(path).and_then(|parts| nitrogen::evaluate(parts, &nitrogen::GROWTH)),
        Set::Trapped { seed, lift_days, trappings_a_day } => trapped::evaluate(*seed, *lift_days, *trappings_a_day),
        Set::Wear { seed, lifts, days, faults_a_year, keep } => {
            let config =
                WearSimConfig { seed: *seed, lifts: *lifts, faults_a_year: *faults_a_year, ..WearSimConfig::default() };
            wear::evaluate(config, *days, &wear::GROWTH, keep.as_deref())
        }
        Set::Weda { path, seed } => weda::read(path).and_then(|trials| weda::evaluate(&trials, *seed)),
        Set::MadeUp { seed } => made_up(*seed),
    };
    match done {
        Ok(table) => {
            println!("{table}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("evaluate: {error}");
            ExitCode::FAILURE
        }
    }
}

fn made_up(seed: u64) -> Result<String, Failed> {
    let worn = WearSimConfig { seed, lifts: 40, trips_a_day: 20.0, faults_a_year: 8.0, ..WearSimConfig::default() };
    let all = [
        bidmc::evaluate(bidmc::drawn(seed))?,
        elevators::evaluate(elevators::drawn(seed), &train::FEW)?,
        fitbit::evaluate(fitbit::drawn(seed), &fitbit_episodes::FEW, seed)?,
        ims::evaluate(ims::drawn(seed))?,
        nitrogen::evaluate(nitrogen::drawn(seed), &train::FEW)?,
        nab::evaluate(nab::drawn(seed))?,
        trapped::evaluate(seed, 12, 4.0)?,
        wear::evaluate(worn, 110, &train::FEW, None)?,
        weda::evaluate(&weda::drawn(seed), seed)?,
    ];
    Ok(all.join("\n"))
}
