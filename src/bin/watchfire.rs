//! Looks after what jobs have stored in a directory.
//!
//! ```text
//! watchfire checkpoints list DIR [--json]     what is there, oldest first
//! watchfire checkpoints verify DIR            reads every byte; ends with 1 if any is not as it was written
//! watchfire checkpoints prune DIR [--keep 3]  deletes what the newest checkpoints do not need
//! watchfire savepoints list DIR               what has a name
//! watchfire savepoints save DIR NAME          gives the newest checkpoint a name: it stays
//! watchfire savepoints forget DIR NAME        lets it go
//! watchfire savepoints fork DIR NAME INTO --job JOB   a store of its own, from which a job goes on
//! ```

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Parser, Subcommand};
use watchfire::durable::{Checkpoint, Checkpoints, Directory};

type Failed = Box<dyn std::error::Error>;

/// Looks after what watchfire jobs have stored.
#[derive(Debug, Parser)]
#[command(version)]
enum Command {
    /// The checkpoints of a job.
    #[command(subcommand)]
    Checkpoints(Wish),
    /// Checkpoints with names, which stay until they are let go.
    #[command(subcommand)]
    Savepoints(Named),
}

#[derive(Debug, Subcommand)]
enum Wish {
    /// Lists the complete checkpoints, oldest first.
    List {
        /// Where the job keeps them.
        dir: PathBuf,
        /// Everything that they are made of, one JSON object a line.
        #[arg(long)]
        json: bool,
    },
    /// Reads everything that the checkpoints need, and tells what is not as it was written.
    Verify {
        /// Where the job keeps them.
        dir: PathBuf,
    },
    /// Deletes what the newest checkpoints do not need. The job may be running.
    Prune {
        /// Where the job keeps them.
        dir: PathBuf,
        /// How many of the newest checkpoints to keep; more where those share an object with one another.
        #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..))]
        keep: u16,
    },
}

#[derive(Debug, Subcommand)]
enum Named {
    /// Lists them by name.
    List {
        /// Where the job keeps its checkpoints.
        dir: PathBuf,
    },
    /// Gives the newest checkpoint a name. The job may be running.
    Save {
        /// Where the job keeps its checkpoints.
        dir: PathBuf,
        /// Lower-case letters, digits, `-`, `_` and `.`.
        name: String,
    },
    /// Lets one go.
    Forget {
        /// Where the job keeps its checkpoints.
        dir: PathBuf,
        /// Its name.
        name: String,
    },
    /// Copies one into a folder of its own, from which a job goes on.
    Fork {
        /// Where the job keeps its checkpoints.
        dir: PathBuf,
        /// Its name.
        name: String,
        /// A folder in which no job has begun; made if it is missing.
        into: PathBuf,
        /// The name of the job that goes on from there.
        #[arg(long)]
        job: String,
    },
}

fn main() -> ExitCode {
    let mut out = std::io::stdout().lock();
    let done = match Command::parse() {
        Command::Checkpoints(wish) => run(wish, &mut out),
        Command::Savepoints(wish) => name(wish, &mut out),
    };
    done.unwrap_or_else(|error| {
        // Where even that cannot be written, the exit code has to say it.
        let _ = writeln!(std::io::stderr(), "{error}");
        ExitCode::from(2)
    })
}

fn checkpoints(dir: PathBuf) -> Result<Checkpoints, Failed> {
    Ok(Checkpoints::new(Arc::new(Directory::open(dir)?)))
}

fn run(wish: Wish, out: &mut impl Write) -> Result<ExitCode, Failed> {
    match wish {
        Wish::List { dir, json } => {
            for one in checkpoints(dir)?.list()? {
                writeln!(out, "{}", line(&one, json))?;
            }
        }
        Wish::Verify { dir } => {
            let checkpoints = checkpoints(dir)?;
            let damages = checkpoints.verify()?;
            for damage in &damages {
                let of = match (&damage.savepoint, damage.checkpoint) {
                    (Some(savepoint), _) => format!("savepoint {savepoint}"),
                    (None, Some(checkpoint)) => format!("checkpoint {checkpoint}"),
                    (None, None) => "the log".to_owned(),
                };
                writeln!(out, "{of}: {}", damage.error)?;
            }
            writeln!(out, "{} checkpoints, {} damages", checkpoints.list()?.len(), damages.len())?;
            return Ok(if damages.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        Wish::Prune { dir, keep } => {
            let gone = checkpoints(dir)?.prune(usize::from(keep))?;
            for name in &gone {
                writeln!(out, "{name}")?;
            }
            writeln!(out, "{} objects deleted", gone.len())?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn name(wish: Named, out: &mut impl Write) -> Result<ExitCode, Failed> {
    match wish {
        Named::List { dir } => {
            for one in checkpoints(dir)?.savepoints()? {
                writeln!(out, "{}  checkpoint {}  job \"{}\"", one.name, one.manifest.checkpoint, one.manifest.job)?;
            }
        }
        Named::Save { dir, name } => {
            let saved = checkpoints(dir)?.save(&name)?;
            writeln!(out, "checkpoint {} is \"{name}\"", saved.manifest.checkpoint)?;
        }
        Named::Forget { dir, name } => checkpoints(dir)?.forget(&name)?,
        Named::Fork { dir, name, into, job } => {
            checkpoints(dir)?.fork(&name, Arc::new(Directory::create(&into)?), &job)?;
            writeln!(out, "job \"{job}\" goes on from {}", into.display())?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn line(one: &Checkpoint, json: bool) -> String {
    let Checkpoint { manifest, generation, committed, .. } = one;
    if json {
        return serde_json::json!({ "generation": generation, "committed": committed, "manifest": manifest })
            .to_string();
    }
    let splits: usize = manifest.sources.values().map(Vec::len).sum();
    let (count, bytes) = manifest.files().fold((0, 0u64), |(n, bytes), file| (n + 1, bytes.saturating_add(file.bytes)));
    let committed = if *committed { "committed" } else { "not known to be committed" };
    let checkpoint = manifest.checkpoint;
    format!(
        "{checkpoint}  job \"{}\"  generation {generation}  {splits} splits  {count} files, {bytes} bytes  {committed}",
        manifest.job
    )
}
