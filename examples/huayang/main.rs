//! The street: one program that runs every computation of the district. So far its cranes, its fire crews, and its lifts.
//!
//! ```text
//! cargo run --release --example huayang                                   a simulated working day
//! cargo run --release --example huayang -- --cranes FILE.jsonl --charts FILE.toml --out DIR
//! cargo run --release --example huayang -- --reports FILE.jsonl --out DIR
//! cargo run --release --example huayang -- --roads DIR                    the fires of the day in a real city
//! cargo run --release --example huayang -- --state DIR --out DIR          goes on where it was killed
//! cargo run --release --example huayang -- --mqtt HOST:PORT               live, until Ctrl-C
//! cargo run --release --example huayang -- --state DIR --postgres URL --publish HOST:PORT
//! ```
// A program, not a library: it prints, and its modules share by `pub`.
#![allow(clippy::print_stdout, clippy::print_stderr, unreachable_pub)]

mod args;
mod crew;
mod district;
mod fires;
mod flow;
mod lifts;
mod report;
mod simulate;
mod streets;
mod trapped;
mod world;

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use watchfire::crane::ChartBook;
use watchfire::{Metrics, Receiver, Running};

use args::{Args, Input};
use fires::Fires;
use flow::{Alarms, Episode, Known, State, Street, Window};
use report::Report;
use simulate::Day;
use streets::Streets;
use trapped::Rescues;
use world::World;

type Failed = Box<dyn std::error::Error>;

/// How long the job may take to let everything leave after Ctrl-C.
const DEADLINE: Duration = Duration::from_secs(30);

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("huayang: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<(), Failed> {
    let mut world = World::shipped()?;
    world.fires.an_hour = args.fires_an_hour.unwrap_or(world.fires.an_hour);
    world.counts.lifts = args.lifts.unwrap_or(world.counts.lifts);
    world.lifts.trapped_an_hour = args.trapped_an_hour.unwrap_or(world.lifts.trapped_an_hour);
    println!("{}", world.summary());
    let streets = match &args.roads {
        Some(dir) => Streets::load(dir)?,
        None => Streets::of(&world)?,
    };
    if let Some(dir) = &args.roads {
        println!("its engines in {}: {} stations", dir.display(), streets.stations.len());
    }
    let input = args.input()?;
    let charts = match &args.charts {
        Some(path) => read_charts(path)?,
        None => world.charts()?,
    };
    let goes_on = args.state.as_deref().is_some_and(has_files);
    folder_for(&args.out, !goes_on)?;
    let state = args.state.as_deref().map(|dir| State { dir, every_ms: args.checkpoint_ms });
    let streets = Arc::new(streets);
    let sim = trapped::sim(&world, args.seed.unwrap_or(world.seed), simulate::START_MS);
    let lifts = Arc::new(trapped::book(&world, &streets, &sim));
    let (desk, desk_of_lifts, model) = (streets.desk()?, streets.desk_of_lifts()?, lifts::model()?);
    let known = Known { charts, desk, desk_of_lifts, lifts: lifts.clone(), model };
    let job = flow::job(input.clone(), known, args.outputs()?, state)?.workers(args.workers);
    job.check().iter().for_each(|finding| eprintln!("huayang: {finding}"));
    let mut running = job.start()?;
    let (host, views) = (Host::listen(&mut running)?, running.views());
    let mut end_ms = None;
    let metrics = match input {
        Input::Simulated => {
            let day = Day::new(&world, streets, &lifts, (args.hours, args.lift_days), args.seed)?;
            end_ms = Some(day.end_ms);
            simulated(&mut running, day)?
        }
        Input::Cranes(_) | Input::Reports(_) => running.wait()?,
        Input::Mqtt { .. } => until_interrupted(&mut running)?,
    };
    if let Some(text) = host.report()?.text(&metrics) {
        let since = if goes_on { "since it went on; all of it is in the files:\n" } else { "" };
        println!("{since}{text}");
    }
    if let Some(text) = Fires::written(&args.out.join("dispatched.jsonl"))?.text(end_ms) {
        println!("{text}");
    }
    if let Some(text) = Rescues::written(&args.out.join("rescues.jsonl"))?.text() {
        println!("{text}");
    }
    let troubles = lifts::ailing(&args.out.join("troubles.jsonl"))?;
    for text in [troubles, lifts::listed(&views)?, lifts::scored(&views)?].into_iter().flatten() {
        println!("{text}");
    }
    if let Some(text) = fires::not_taken(&metrics) {
        println!("{text}");
    }
    println!("written to {}", args.out.display());
    Ok(())
}

/// Whether a job has kept something there.
fn has_files(dir: &Path) -> bool {
    dir.read_dir().is_ok_and(|mut files| files.next().is_some())
}

fn read_charts(path: &Path) -> Result<ChartBook, Failed> {
    let text = std::fs::read_to_string(path).map_err(|e| format!("--charts {}: {e}", path.display()))?;
    ChartBook::from_toml(&text).map_err(|e| format!("--charts {}: {e}", path.display()).into())
}

/// A place for the output, without the files of an earlier run if it is to be fresh: they would be appended to.
fn folder_for(dir: &Path, fresh: bool) -> Result<(), Failed> {
    let cannot = |e: std::io::Error| format!("--out {}: {e}", dir.display());
    std::fs::create_dir_all(dir).map_err(cannot)?;
    if !fresh {
        return Ok(());
    }
    let of_cranes = ["windows", "episodes", "alarms", "late", "skewed", "dead"];
    let of_dispatch = ["dispatched", "reports_late", "reports_skewed", "reports_dead"];
    let of_lifts = ["trapped", "troubles", "rescues", "rescues_late", "rescues_skewed"];
    for name in of_cranes.into_iter().chain(of_dispatch).chain(of_lifts) {
        let file = dir.join(format!("{name}.jsonl"));
        if file.exists() {
            std::fs::remove_file(&file).map_err(cannot)?;
        }
    }
    Ok(())
}

fn simulated(running: &mut Running, mut day: Day) -> Result<Metrics, Failed> {
    let sender = running.sender::<Street>("street")?;
    let (start_ms, length_ms) = (day.start_ms, day.end_ms - day.start_ms);
    let hours = length_ms as f64 / 3_600_000.0;
    let bar = ProgressBar::new(length_ms as u64);
    bar.set_style(ProgressStyle::with_template("{bar:40} {percent} % of the day, {msg}, {elapsed}")?);
    let mut told = 0;
    let sent = day.send(&sender, |arrival_ms| {
        told += 1;
        if told % 64 == 0 {
            bar.set_position((arrival_ms - start_ms).clamp(0, length_ms) as u64);
            bar.set_message(format!("{:.1} million rows", told as f64 * 4_096.0 / 1e6));
        }
    });
    drop(sender);
    day.end()?;
    // A job that takes no rows has failed, and says why, or was drained before.
    let metrics = running.wait()?;
    bar.finish_and_clear();
    match sent {
        Ok(sent) => eprintln!("{sent} rows of {hours} hours in {:.1} s", bar.elapsed().as_secs_f64()),
        Err(_) => eprintln!("the day was watched to its end before"),
    }
    Ok(metrics)
}

fn until_interrupted(running: &mut Running) -> Result<Metrics, Failed> {
    let (tell, told) = std::sync::mpsc::sync_channel(1);
    ctrlc::set_handler(move || {
        let _ = tell.try_send(());
    })?;
    eprintln!("huayang: watching; Ctrl-C ends");
    while told.recv_timeout(Duration::from_millis(200)).is_err() {
        if running.failed() {
            return Ok(running.wait()?);
        }
        if running.beat_age() > Duration::from_secs(5) {
            eprintln!("huayang: the job has not moved for {:?}: nothing is being watched", running.beat_age());
        }
    }
    Ok(running.drain(DEADLINE)?)
}

/// The host's side: takes what leaves the job, on a thread of its own.
struct Host(std::thread::JoinHandle<Report>);

impl Host {
    fn listen(running: &mut Running) -> Result<Host, Failed> {
        let windows = running.receiver::<Window>("windows")?;
        let episodes = running.receiver::<Episode>("episodes")?;
        let alarms = running.receiver::<Alarms>("alarms")?;
        Ok(Host(std::thread::spawn(move || gather(&windows, &episodes, &alarms))))
    }

    fn report(self) -> Result<Report, Failed> {
        self.0.join().map_err(|_| "the thread that takes what leaves the job has panicked".into())
    }
}

fn gather(windows: &Receiver<Window>, episodes: &Receiver<Episode>, alarms: &Receiver<Alarms>) -> Report {
    let mut report = Report::default();
    let (mut windows_open, mut episodes_open, mut alarms_open) = (true, true, true);
    while windows_open || episodes_open || alarms_open {
        // Windows come most often: wait for them a little, and take whatever else is there.
        windows_open = windows_open && take(windows, Duration::from_millis(5), |row| report.window(row));
        episodes_open = episodes_open && take(episodes, Duration::ZERO, |row| report.episode(row));
        alarms_open = alarms_open && take(alarms, Duration::ZERO, |row| report.alarm(&row));
    }
    report
}

/// Takes what is there; false when nothing will come any more.
fn take<T>(from: &Receiver<T>, wait: Duration, mut each: impl FnMut(T)) -> bool {
    let mut wait = wait;
    loop {
        match from.recv_timeout(wait) {
            Ok(Some(output)) => output.rows.into_iter().for_each(&mut each),
            Ok(None) => return true,
            Err(_) => return false,
        }
        wait = Duration::ZERO;
    }
}
