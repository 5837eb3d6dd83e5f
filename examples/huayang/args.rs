//! What the program is told.

use std::path::PathBuf;

use clap::Parser;

/// Watches over the cranes of a street: overload windows, episodes and alarms.
///
/// Without arguments it simulates a working day of 50 cranes at 10 Hz, faster than real time.
#[derive(Debug, Parser)]
#[command(name = "huayang")]
pub struct Args {
    /// Readings as JSON lines, one file or several; each crane in one file.
    #[arg(long, value_name = "FILE.jsonl", num_args = 1.., conflicts_with = "mqtt")]
    pub cranes: Vec<String>,
    /// A broker to read from until Ctrl-C.
    #[arg(long, value_name = "HOST:PORT")]
    pub mqtt: Option<String>,
    /// The topics to read from it.
    #[arg(long, value_name = "FILTER", default_value = "cranes/+/readings", requires = "mqtt")]
    pub topic: String,
    /// The cranes' rated load charts; those of the street if absent.
    #[arg(long, value_name = "FILE.toml")]
    pub charts: Option<PathBuf>,
    /// Where windows.jsonl, episodes.jsonl, alarms.jsonl, late.jsonl, skewed.jsonl and dead.jsonl are written; files of
    /// an earlier run are replaced, unless the job goes on.
    #[arg(long, value_name = "DIR", default_value = "out")]
    pub out: PathBuf,
    /// Where checkpoints are kept: started again with the same arguments, the job goes on where it was killed, and its
    /// files are as if nothing had happened. Not for a broker yet.
    #[arg(long, value_name = "DIR", conflicts_with = "mqtt")]
    pub state: Option<PathBuf>,
    /// Milliseconds from one checkpoint to the next.
    #[arg(long, default_value_t = 1_000, requires = "state")]
    pub checkpoint_ms: u64,
    /// Worker threads. The results do not depend on them.
    #[arg(long, default_value_t = 2)]
    pub workers: usize,
    /// Hours of the simulated day.
    #[arg(long, default_value_t = 9.0)]
    pub hours: f64,
    /// What the simulated day is drawn from; the street's own seed if absent.
    #[arg(long)]
    pub seed: Option<u64>,
}

/// Where readings come from.
#[derive(Clone, Debug)]
pub enum Input {
    Simulated,
    Files(Vec<String>),
    Mqtt { host: String, port: u16, topic: String },
}

impl Args {
    pub fn input(&self) -> Result<Input, String> {
        let Some(broker) = &self.mqtt else {
            return Ok(if self.cranes.is_empty() { Input::Simulated } else { Input::Files(self.cranes.clone()) });
        };
        let (host, port) = broker.rsplit_once(':').ok_or(format!("--mqtt {broker}: write HOST:PORT"))?;
        let port = port.parse().map_err(|e| format!("--mqtt {broker}: the port is no number below 65536 ({e})"))?;
        Ok(Input::Mqtt { host: host.to_owned(), port, topic: self.topic.clone() })
    }
}
