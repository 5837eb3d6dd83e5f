//! The street: one program that runs every computation of the district. So far its cranes and its fire crews.
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
mod report;
mod simulate;
mod streets;
mod world;

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use watchfire::crane::ChartBook;
use watchfire::dispatch::Dispatch;
use watchfire::{Metrics, Receiver, Running};

use args::{Args, Input};
use fires::Fires;
use flow::{Alarms, Episode, State, Street, Window};
use report::Report;
use simulate::Day;
use streets::Streets;
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
    println!("{}", world.summary());
    let streets = match &args.roads {
        Some(dir) => Streets::load(dir)?,
        None => Streets::of(&world)?,
    };
    let input = args.input()?;
    let charts = match &args.charts {
        Some(path) => read_charts(path)?,
        None => world.charts()?,
    };
    folder_for(&args.out, args.state.is_none())?;
    let state = args.state.as_deref().map(|dir| State { dir, every_ms: args.checkpoint_ms });
    let job = flow::job(input.clone(), charts, streets.desk()?, args.outputs()?, state)?.workers(args.workers);
    job.check().iter().for_each(|finding| eprintln!("huayang: {finding}"));
    let mut running = job.start()?;
    let host = Host::listen(&mut running)?;
    let metrics = match input {
        Input::Simulated => simulated(&mut running, Day::new(&world, streets, args.hours, args.seed)?, args.hours)?,
        Input::Cranes(_) | Input::Reports(_) => running.wait()?,
        Input::Mqtt { .. } => until_interrupted(&mut running)?,
    };
    let (cranes, fires) = host.report();
    for text in [cranes.text(&metrics), fires.text()].into_iter().flatten() {
        println!("{text}");
    }
    println!("written to {}", args.out.display());
    Ok(())
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
    for name in of_cranes.into_iter().chain(of_dispatch) {
        let file = dir.join(format!("{name}.jsonl"));
        if file.exists() {
            std::fs::remove_file(&file).map_err(cannot)?;
        }
    }
    Ok(())
}

fn simulated(running: &mut Running, day: Day, hours: f64) -> Result<Metrics, Failed> {
    let sender = running.sender::<Street>("street")?;
    let (start_ms, length_ms) = (day.start_ms, (hours * 3_600_000.0) as i64);
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
struct Host(std::thread::JoinHandle<(Report, Fires)>);

impl Host {
    fn listen(running: &mut Running) -> Result<Host, Failed> {
        let windows = running.receiver::<Window>("windows")?;
        let episodes = running.receiver::<Episode>("episodes")?;
        let alarms = running.receiver::<Alarms>("alarms")?;
        let dispatched = running.receiver::<Dispatch>("dispatched")?;
        Ok(Host(std::thread::spawn(move || gather(&windows, &episodes, &alarms, &dispatched))))
    }

    fn report(self) -> (Report, Fires) {
        self.0.join().unwrap_or_default()
    }
}

fn gather(
    windows: &Receiver<Window>,
    episodes: &Receiver<Episode>,
    alarms: &Receiver<Alarms>,
    dispatched: &Receiver<Dispatch>,
) -> (Report, Fires) {
    let (mut report, mut fires) = (Report::default(), Fires::default());
    let (mut windows_open, mut episodes_open, mut alarms_open, mut dispatched_open) = (true, true, true, true);
    while windows_open || episodes_open || alarms_open || dispatched_open {
        // Windows come most often: wait for them a little, and take whatever else is there.
        windows_open = windows_open && take(windows, Duration::from_millis(5), |row| report.window(row));
        episodes_open = episodes_open && take(episodes, Duration::ZERO, |row| report.episode(row));
        alarms_open = alarms_open && take(alarms, Duration::ZERO, |row| report.alarm(&row));
        dispatched_open = dispatched_open && take(dispatched, Duration::ZERO, |row| fires.told(&row));
    }
    (report, fires)
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
