//! The flow: readings by crane, through windows, episodes and alarms in one operator, to files and to the table.

use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use watchfire::alarm::Alarm;
use watchfire::connect::file::{FileSink, FileSinkConfig, FileSource, FileSourceConfig};
use watchfire::connect::format::JsonLines;
use watchfire::connect::mqtt::{MqttConnection, MqttSource, MqttSourceConfig};
use watchfire::crane::{
    ChartBook, CraneAlarmConfig, CraneReading, EpisodeConfig, OverloadConfig, OverloadEpisode, OverloadEpisodes,
    OverloadWindow, crane_alarms, overload_windows,
};
use watchfire::durable::Directory;
use watchfire::source::Replay;
use watchfire::window::WindowRow;
use watchfire::{Change, ChannelIn, Checkpointing, Compose, Data, Error, Flow, Job, Stream, TickSource};

use crate::args::Input;

pub type Window = Change<WindowRow<u32, OverloadWindow>>;
pub type Episode = Change<OverloadEpisode<u32>>;

/// A changing row as a line of JSON.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Line<T> {
    change: Kind,
    #[serde(flatten)]
    row: T,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Insert,
    Retract,
}

impl<T> From<Change<T>> for Line<T> {
    fn from(change: Change<T>) -> Self {
        match change {
            Change::Insert(row) => Line { change: Kind::Insert, row },
            Change::Retract(row) => Line { change: Kind::Retract, row },
        }
    }
}

/// Refuses what no crane can have measured; it becomes a dead letter.
fn plausible(reading: &CraneReading) -> Result<(), Error> {
    reading.validate().map_err(|e| {
        let text = e.to_string();
        Error::new(e.code(), text.strip_prefix(e.code()).unwrap_or(&text).trim_start())
    })
}

/// Where the job keeps its checkpoints.
pub struct State<'a> {
    pub dir: &'a Path,
    pub every_ms: u64,
}

/// The job that watches the cranes.
///
/// With a place for its state it comes back to where it was; then rows are seen in its files with the checkpoint that holds
/// them.
pub fn job(input: Input, charts: ChartBook, out: &Path, state: Option<State<'_>>) -> Result<Job, Error> {
    let book = Arc::new(charts);
    let windows = overload_windows::<u32>(&OverloadConfig::default(), book.clone())?;
    let episodes = OverloadEpisodes::<u32>::new(EpisodeConfig::default(), book.clone())?;
    let alarms = crane_alarms(book, CraneAlarmConfig::default())?;
    let files = Files { dir: out.display().to_string(), two_phase: state.is_some() };
    let source = Source::of(&input)?;
    let job = Job::new(move |flow| {
        let readings = source.readings(flow, &files);
        let watch = windows.clone().both(episodes.clone()).both(alarms.clone());
        let cranes = readings.key_by(|r| r.crane).detect("cranes", watch);
        let ((windows, episodes), alarms) = cranes.out;
        files.write("windows", windows.clone().map(Line::from));
        files.write("episodes", episodes.clone().map(Line::from));
        files.write("alarms", alarms.clone());
        files.write("late", cranes.late);
        files.write("skewed", cranes.skewed);
        windows.to_channel("windows");
        episodes.to_channel("episodes");
        alarms.to_channel("alarms");
    });
    let job = match state {
        Some(State { dir, every_ms }) => {
            let config = Checkpointing { every_ms, ..Checkpointing::named("huayang") };
            job.checkpoint_to(Arc::new(Directory::create(dir)?), config)
        }
        None => job,
    };
    // A simulated day brings its own time; files do so by themselves, and a broker lives by the wall clock.
    Ok(if matches!(input, Input::Simulated) { job.ticks(TickSource::FROM_EVENTS) } else { job })
}

/// Files of JSON lines in one folder.
struct Files {
    dir: String,
    two_phase: bool,
}

impl Files {
    fn write<T: Data>(&self, name: &str, rows: Stream<'_, T>) {
        let config =
            FileSinkConfig { two_phase: self.two_phase, ..FileSinkConfig::new(format!("{}/{name}.jsonl", self.dir)) };
        rows.to_sink(&format!("{name}.jsonl"), FileSink::new(config), JsonLines::<T>::new());
    }
}

/// Where readings come from, checked before the job is built.
enum Source {
    Channel,
    Files(FileSource),
    Mqtt(MqttSource),
}

impl Source {
    fn of(input: &Input) -> Result<Source, Error> {
        Ok(match input {
            Input::Simulated => Source::Channel,
            Input::Files(paths) => Source::Files(FileSource::new(FileSourceConfig::new(paths))?),
            Input::Mqtt { host, port, topic } => {
                let connection = MqttConnection::new(host, *port, "huayang-cranes");
                Source::Mqtt(MqttSource::new(MqttSourceConfig::new(connection, [topic]))?)
            }
        })
    }

    fn readings<'f>(&self, flow: &Flow<'f>, files: &Files) -> Stream<'f, CraneReading> {
        let json = JsonLines::<CraneReading>::new().validate(plausible);
        let sourced = match self {
            // The day is drawn from its seed, so it can be sent again.
            Source::Channel => {
                return flow.channel_with("readings", ChannelIn { replay: Replay::Exact, ..ChannelIn::default() });
            }
            Source::Files(source) => flow.source("readings", source.clone(), json),
            Source::Mqtt(source) => flow.source("readings", source.clone(), json),
        };
        files.write("dead", sourced.dead);
        sourced.rows
    }
}

/// What the table is made from.
pub type Alarms = Alarm<u32>;
