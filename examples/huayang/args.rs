//! What the program is told.

use std::path::PathBuf;

use clap::Parser;
use watchfire::connect::postgres::PostgresConnection;

/// Watches over the cranes of a street (overload windows, episodes and alarms), dispatches its fire crews, finds who is trapped in its lifts, and says which of them are worth a visit.
///
/// Without arguments it simulates a working day of 50 cranes at 10 Hz, 12 micro fire stations and 400 lifts, faster than real time.
#[derive(Debug, Parser)]
#[command(name = "huayang")]
pub struct Args {
    /// Readings as JSON lines, one file or several; each crane in one file.
    #[arg(long, value_name = "FILE.jsonl", num_args = 1.., conflicts_with = "mqtt")]
    pub cranes: Vec<String>,
    /// What is reported to those who dispatch, as JSON lines in order of time.
    #[arg(long, value_name = "FILE.jsonl", conflicts_with_all = ["cranes", "mqtt"])]
    pub reports: Option<String>,
    /// A broker to read from until Ctrl-C.
    #[arg(long, value_name = "HOST:PORT")]
    pub mqtt: Option<String>,
    /// The topics to read from it.
    #[arg(long, value_name = "FILTER", default_value = "cranes/+/readings", requires = "mqtt")]
    pub topic: String,
    /// The topic of what is reported to those who dispatch.
    #[arg(long, value_name = "FILTER", default_value = "dispatch/reports", requires = "mqtt")]
    pub reports_topic: String,
    /// A real city to drive in: a folder with nodes.csv, arcs.csv and stations.csv (a line a station with its number, longitude and latitude in WGS-84,
    /// below a line of headings or none); the street's own grid if absent.
    #[arg(long, value_name = "DIR")]
    pub roads: Option<PathBuf>,
    /// Fires an hour of the simulated day; the street's own if absent.
    #[arg(long, value_name = "RATE", value_parser = up_to::<3_600>, conflicts_with_all = ["cranes", "reports", "mqtt"])]
    pub fires_an_hour: Option<f64>,
    /// How many lifts there are; as many as the street has if absent.
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(..=100_000), conflicts_with_all = ["cranes", "reports", "mqtt"])]
    pub lifts: Option<u32>,
    /// How often somebody is trapped in a lift, an hour of the simulated day; as the street has it if absent.
    #[arg(long, value_name = "RATE", value_parser = up_to::<3_600>, conflicts_with_all = ["cranes", "reports", "mqtt"])]
    pub trapped_an_hour: Option<f64>,
    /// The cranes' rated load charts; those of the street if absent.
    #[arg(long, value_name = "FILE.toml")]
    pub charts: Option<PathBuf>,
    /// Where windows.jsonl, episodes.jsonl, alarms.jsonl, dispatched.jsonl, trapped.jsonl, rescues.jsonl and what was late, skewed or dead are written;
    /// files of an earlier run are replaced, unless the job goes on.
    #[arg(long, value_name = "DIR", default_value = "out")]
    pub out: PathBuf,
    /// Where checkpoints are kept: started again with the same arguments, the job goes on where it was killed, and its
    /// files are as if nothing had happened.
    #[arg(long, value_name = "DIR")]
    pub state: Option<PathBuf>,
    /// Milliseconds from one checkpoint to the next.
    #[arg(long, default_value_t = 1_000, requires = "state")]
    pub checkpoint_ms: u64,
    /// A database with the tables of examples/huayang/tables.sql, for windows and alarms.
    #[arg(long, value_name = "postgres://USER@HOST:PORT/DATABASE")]
    pub postgres: Option<String>,
    /// A broker to publish alarms to, each under its id, where the last stays for who comes later.
    #[arg(long, value_name = "HOST:PORT")]
    pub publish: Option<String>,
    /// The topic under which they are published.
    #[arg(long, value_name = "TOPIC", default_value = "street/alarms", requires = "publish")]
    pub publish_under: String,
    /// Worker threads. The results do not depend on them.
    #[arg(long, default_value_t = 2)]
    pub workers: usize,
    /// Hours of the simulated day.
    #[arg(long, default_value_t = 9.0, value_parser = up_to::<8_784>, conflicts_with_all = ["cranes", "reports", "mqtt"])]
    pub hours: f64,
    /// So many days before it, of which trips of lifts are known: by them it is foretold which are worth a visit. None leaves lifts out.
    #[arg(long, default_value_t = 28, value_parser = clap::value_parser!(u32).range(..=365), conflicts_with_all = ["cranes", "reports", "mqtt"])]
    pub lift_days: u32,
    /// What the simulated day is drawn from; the street's own seed if absent.
    #[arg(long, conflicts_with_all = ["cranes", "reports", "mqtt"])]
    pub seed: Option<u64>,
}

/// Where readings come from.
#[derive(Clone, Debug)]
pub enum Input {
    Simulated,
    Cranes(Vec<String>),
    Reports(String),
    Mqtt { host: String, port: u16, cranes: String, reports: String },
}

/// Where results go, beside the table.
#[derive(Clone, Debug)]
pub struct Outputs {
    pub files: PathBuf,
    pub postgres: Option<PostgresConnection>,
    /// Host, port and topic.
    pub publish: Option<(String, u16, String)>,
}

impl Args {
    pub fn input(&self) -> Result<Input, String> {
        let Some(broker) = &self.mqtt else {
            return Ok(match &self.reports {
                Some(file) => Input::Reports(file.clone()),
                None if self.cranes.is_empty() => Input::Simulated,
                None => Input::Cranes(self.cranes.clone()),
            });
        };
        let (host, port) = host_and_port("--mqtt", broker)?;
        Ok(Input::Mqtt { host, port, cranes: self.topic.clone(), reports: self.reports_topic.clone() })
    }

    pub fn outputs(&self) -> Result<Outputs, String> {
        let postgres = self.postgres.as_deref().map(PostgresConnection::from_url).transpose();
        let publish = self.publish.as_deref().map(|broker| host_and_port("--publish", broker)).transpose()?;
        Ok(Outputs {
            files: self.out.clone(),
            postgres: postgres.map_err(|e| format!("--postgres: {e}"))?,
            publish: publish.map(|(host, port)| (host, port, self.publish_under.clone())),
        })
    }
}

/// A number from 0 to a most.
fn up_to<const MOST: u32>(text: &str) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|e| format!("{e}"))?;
    let is_in = (0.0..=f64::from(MOST)).contains(&number);
    if is_in { Ok(number) } else { Err(format!("it is not from 0 to {MOST}")) }
}

fn host_and_port(option: &str, text: &str) -> Result<(String, u16), String> {
    let (host, port) = text.rsplit_once(':').ok_or(format!("{option} {text}: write HOST:PORT"))?;
    let port = port.parse().map_err(|e| format!("{option} {text}: the port is no number below 65536 ({e})"))?;
    Ok((host.to_owned(), port))
}
