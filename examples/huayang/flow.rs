//! The flow: readings by crane, through windows, episodes and alarms in one operator; reports to those who dispatch; all to files and to the table.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use watchfire::Timed;
use watchfire::alarm::{Alarm, AlarmChange};
use watchfire::connect::file::{FileSink, FileSinkConfig, FileSource, FileSourceConfig};
use watchfire::connect::format::JsonLines;
use watchfire::connect::mqtt::{MqttConnection, MqttSink, MqttSinkConfig, MqttSource, MqttSourceConfig};
use watchfire::connect::postgres::{PostgresConnection, PostgresSink, PostgresSinkConfig};
use watchfire::crane::{
    ChartBook, CraneAlarmConfig, CraneReading, EpisodeConfig, OverloadConfig, OverloadEpisode, OverloadEpisodes,
    OverloadWindow, crane_alarms, overload_windows,
};
use watchfire::dispatch::{Desk, Dispatching, Report};
use watchfire::durable::Directory;
use watchfire::elevator::{LiftBook, LiftRow, WearModel, reports_to};
use watchfire::source::Replay;
use watchfire::window::WindowRow;
use watchfire::{Change, ChannelIn, Checkpointing, Compose, Data, Error, Flow, Job, Late, Skewed, Stream, TickSource};

use crate::args::{Input, Outputs};
use crate::district::LIFTS;
use crate::{lifts, trapped};

/// What comes from the street, in order of arrival.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Street {
    Crane(CraneReading),
    Report(Box<Report>),
    /// What a car does, or people do about it.
    Car(LiftRow),
    /// What was measured of a trip, what has failed, and who has mended it.
    Trip(LiftRow),
}

impl Timed for Street {
    fn event_time_ms(&self) -> i64 {
        match self {
            Street::Crane(reading) => reading.event_time_ms,
            Street::Report(report) => report.at_ms,
            Street::Car(row) | Street::Trip(row) => row.at_ms,
        }
    }
}

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

/// A change of an alarm as a row of a table, and as a message.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct AlarmRow {
    id: String,
    crane: u32,
    at_ms: i64,
    change: AlarmChange,
}

impl AlarmRow {
    fn of(alarm: Alarm<u32>) -> Option<Self> {
        let (id, crane, at_ms) = (alarm.id()?.to_string(), *alarm.key(), alarm.event_time_ms());
        Some(AlarmRow { id, crane, at_ms, change: alarm.into_change()? })
    }
}

/// Refuses what no crane can have measured; it becomes a dead letter.
fn plausible(reading: &CraneReading) -> Result<(), Error> {
    reading.validate().map_err(|e| {
        let text = e.to_string();
        Error::new(e.code(), text.strip_prefix(e.code()).unwrap_or(&text).trim_start())
    })
}

/// How much time may lie between two lines of a file of reports: a week.
const REPORTS_APART_MS: i64 = 7 * 24 * 3_600_000;

/// Where the job keeps its checkpoints.
pub struct State<'a> {
    pub dir: &'a Path,
    pub every_ms: u64,
}

/// What the job knows of the street before anything comes.
pub struct Known {
    pub charts: ChartBook,
    pub desk: Desk,
    pub desk_of_lifts: Desk,
    pub lifts: Arc<LiftBook>,
    /// Foretells what breaks in lifts.
    pub model: WearModel,
}

/// The job that watches the cranes and the lifts, and dispatches.
///
/// With a place for its state it comes back to where it was; then rows are seen in its files with the checkpoint that holds
/// them. What a broker sends, and what goes to a database or a broker, is logged: the one cannot be had again, the others know
/// rows by their epoch or their id.
pub fn job(input: Input, known: Known, outputs: Outputs, state: Option<State<'_>>) -> Result<Job, Error> {
    let Known { charts, desk, desk_of_lifts, lifts, model } = known;
    let [desk, desk_of_lifts] = [desk, desk_of_lifts].map(Dispatching::new);
    let trapped = trapped::watched(&lifts)?;
    let book = Arc::new(charts);
    let windows = overload_windows::<u32>(&OverloadConfig::default(), book.clone())?;
    let episodes = OverloadEpisodes::<u32>::new(EpisodeConfig::default(), book.clone())?;
    let alarms = crane_alarms(book, CraneAlarmConfig::default())?;
    let files = Files { dir: outputs.files, two_phase: state.is_some() };
    let log_epochs = matches!(input, Input::Mqtt { .. }) || outputs.postgres.is_some() || outputs.publish.is_some();
    let tables = outputs.postgres.map(Tables::of).transpose()?;
    let broker = outputs.publish.map(publisher).transpose()?;
    let source = Source::of(&input)?;
    let job = Job::new(move |flow| {
        let Rows { readings, reports, cars, trips } = source.rows(flow, &files);
        let watch = windows.clone().both(episodes.clone()).both(alarms.clone());
        let cranes = readings.key_by(|r| r.crane).detect("cranes", watch);
        let ((windows, episodes), alarms) = cranes.out;
        files.write("windows", windows.clone().map(Line::from));
        files.write("episodes", episodes.clone().map(Line::from));
        files.write("alarms", alarms.clone());
        if let Some(tables) = &tables {
            let rows = windows.clone().map(Line::from);
            rows.to_sink("windows in PostgreSQL", tables.windows.clone(), JsonLines::new());
            let rows = alarms.clone().filter_map(AlarmRow::of);
            rows.to_sink("alarms in PostgreSQL", tables.alarms.clone(), JsonLines::new());
        }
        if let Some(broker) = &broker {
            let rows = alarms.clone().filter_map(AlarmRow::of);
            rows.to_sink("alarms published", broker.clone(), JsonLines::new().id(|row: &AlarmRow| row.id.clone()));
        }
        files.write("late", cranes.late);
        files.write("skewed", cranes.skewed);
        // Who may be trapped is told to those who send mechanics.
        let (told, troubles) = trapped::told(cars, trapped.clone(), lifts.clone());
        files.write("trapped", told.clone());
        files.write("troubles", troubles);
        lifts::firms(trips.clone(), told.clone(), lifts.clone()).to_view("firms");
        let book = lifts.clone();
        let raised = told.filter_map(move |told| reports_to(LIFTS, &book, &told));
        let of_lifts = reports.clone().filter(|report| report.theatre == LIFTS).union(raised);
        let rescues = of_lifts.key_by(|report| report.theatre).detect("rescues", desk_of_lifts.clone());
        files.write("rescues", rescues.out);
        files.write_aside("rescues", rescues.late, rescues.skewed);
        lifts::visits(trips, model.clone(), lifts.clone()).to_view("visits");
        let reports = reports.filter(|report| report.theatre != LIFTS);
        let dispatched = reports.key_by(|report| report.theatre).detect("dispatch", desk.clone());
        files.write("dispatched", dispatched.out);
        // Nothing that wants somebody to come may be set aside unseen.
        files.write_aside("reports", dispatched.late, dispatched.skewed);
        windows.to_channel("windows");
        episodes.to_channel("episodes");
        alarms.to_channel("alarms");
    });
    let job = match state {
        Some(State { dir, every_ms }) => {
            let config = Checkpointing { every_ms, log_epochs, ..Checkpointing::named("huayang") };
            job.checkpoint_to(Arc::new(Directory::create(dir)?), config)
        }
        None => job,
    };
    // A simulated day brings its own time; files do so by themselves, and a broker lives by the wall clock.
    Ok(match input {
        Input::Simulated => job.ticks(TickSource::FROM_EVENTS),
        // Hours may pass between two reports, and one is enough to say so.
        Input::Reports(_) => job.ticks(TickSource::FromEvents { interval_ms: 1_000, max_jump_ms: REPORTS_APART_MS }),
        Input::Cranes(_) | Input::Mqtt { .. } => job,
    })
}

/// Files of JSON lines in one folder.
struct Files {
    dir: PathBuf,
    two_phase: bool,
}

impl Files {
    /// What no detector took.
    fn write_aside<T: Data>(&self, name: &str, late: Stream<'_, Late<T>>, skewed: Stream<'_, Skewed<T>>) {
        self.write(&format!("{name} late"), late);
        self.write(&format!("{name} skewed"), skewed);
    }

    fn write<T: Data>(&self, name: &str, rows: Stream<'_, T>) {
        let name = name.replace(' ', "_");
        let file = self.dir.join(format!("{name}.jsonl"));
        let config = FileSinkConfig { two_phase: self.two_phase, ..FileSinkConfig::new(file.display().to_string()) };
        rows.to_sink(&format!("{name}.jsonl"), FileSink::new(config), JsonLines::<T>::new());
    }
}

/// The tables of examples/huayang/tables.sql.
struct Tables {
    windows: PostgresSink,
    alarms: PostgresSink,
}

impl Tables {
    fn of(server: PostgresConnection) -> Result<Self, Error> {
        let table = |name: &str| {
            let config = PostgresSinkConfig::new(server.clone(), name, format!("huayang {name}"));
            PostgresSink::new(config)
        };
        Ok(Tables { windows: table("windows")?, alarms: table("alarms")? })
    }
}

fn publisher((host, port, under): (String, u16, String)) -> Result<MqttSink, Error> {
    let connection = MqttConnection::new(host, port, "huayang-alarms");
    MqttSink::new(MqttSinkConfig::new(connection, format!("{under}/{{id}}")))
}

/// What comes of all that is watched.
struct Rows<'f> {
    readings: Stream<'f, CraneReading>,
    reports: Stream<'f, Report>,
    cars: Stream<'f, LiftRow>,
    trips: Stream<'f, LiftRow>,
}

/// Where readings come from, checked before the job is built.
enum Source {
    Channel,
    Cranes(FileSource),
    Reports(FileSource),
    /// Of readings, and of reports.
    Mqtt(Box<(MqttSource, MqttSource)>),
}

impl Source {
    fn of(input: &Input) -> Result<Source, Error> {
        Ok(match input {
            Input::Simulated => Source::Channel,
            Input::Cranes(files) => Source::Cranes(FileSource::new(FileSourceConfig::new(files))?),
            Input::Reports(file) => Source::Reports(FileSource::new(FileSourceConfig::new([file]))?),
            Input::Mqtt { host, port, cranes, reports } => {
                let topic = |topic: &str, client: &str| {
                    let connection = MqttConnection::new(host, *port, client);
                    MqttSource::new(MqttSourceConfig::new(connection, [topic]))
                };
                Source::Mqtt(Box::new((topic(cranes, "huayang-cranes")?, topic(reports, "huayang-reports")?)))
            }
        })
    }

    /// Readings and reports. Of files there are the ones or the others: each file brings its own time.
    fn rows<'f>(&self, flow: &Flow<'f>, files: &Files) -> Rows<'f> {
        let (json, reports) = (JsonLines::<CraneReading>::new().validate(plausible), JsonLines::<Report>::new());
        match self {
            Source::Channel => simulated(flow),
            Source::Cranes(source) => {
                let cranes = flow.source("readings", source.clone(), json);
                files.write("dead", cranes.dead);
                Rows {
                    reports: nothing(&cranes.rows),
                    cars: nothing(&cranes.rows),
                    trips: nothing(&cranes.rows),
                    readings: cranes.rows,
                }
            }
            Source::Reports(source) => {
                let reports = flow.source("reports", source.clone(), reports);
                files.write("reports dead", reports.dead);
                Rows {
                    readings: nothing(&reports.rows),
                    cars: nothing(&reports.rows),
                    trips: nothing(&reports.rows),
                    reports: reports.rows,
                }
            }
            Source::Mqtt(both) => {
                let (of_cranes, of_reports) = &**both;
                let cranes = flow.source("readings", of_cranes.clone(), json);
                let reports = flow.source("reports", of_reports.clone(), reports);
                files.write("dead", cranes.dead);
                files.write("reports dead", reports.dead);
                let (cars, trips) = (nothing(&cranes.rows), nothing(&cranes.rows));
                Rows { readings: cranes.rows, reports: reports.rows, cars, trips }
            }
        }
    }
}

/// Rows of another kind, of which there are none.
fn nothing<'f, T: Data, U: Data>(rows: &Stream<'f, T>) -> Stream<'f, U> {
    rows.clone().filter_map(|_| None)
}

/// The simulated day: one channel, so that what comes keeps its order. It is drawn from its seed, so it can be sent again.
fn simulated<'f>(flow: &Flow<'f>) -> Rows<'f> {
    let street = flow.channel_with("street", ChannelIn { replay: Replay::Exact, ..ChannelIn::default() });
    let readings = street.clone().filter_map(|row| if let Street::Crane(reading) = row { Some(reading) } else { None });
    let reports = street.clone().filter_map(|row| if let Street::Report(report) = row { Some(*report) } else { None });
    let cars = street.clone().filter_map(|row| if let Street::Car(row) = row { Some(row) } else { None });
    let trips = street.filter_map(|row| if let Street::Trip(row) = row { Some(row) } else { None });
    Rows { readings, reports, cars, trips }
}

/// What the table is made from.
pub type Alarms = Alarm<u32>;
