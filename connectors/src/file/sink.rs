//! The sink: a line per row, appended at once or with its commit.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::sync::{Arc, Mutex, PoisonError};

use watchfire_engine::Error;
use watchfire_engine::decode::EncodedRow;
use watchfire_engine::sink::{CommitMode, Sink, Writer};
use watchfire_engine::source::{Failure, Fut};

use super::config::FileSinkConfig;
use super::disk::KindError;
use super::staged::Staged;
use crate::lines_out::render;

/// Appends rows to a file, a line each; visible when written, or when they are committed.
///
/// [`CommitMode::AtLeastOnce`]: after a crash, epochs since the last checkpoint are written again, behind what is there.
/// Within one run nothing doubles: a write that failed in the middle is cut off before it is repeated. A half line that a
/// crash left at the end of the file is ended by a line break before the first new row, so it damages no other row. The
/// generation of the job is not looked at: two jobs that append to one file mix their lines.
///
/// With [`two_phase`](FileSinkConfig::two_phase) it is [`CommitMode::TwoPhase`]: rows wait in hidden files beside it, and are
/// copied behind what is there when they are committed. Nothing doubles and nothing is lost across crashes of a job that
/// writes checkpoints; who reads the file meanwhile may find a half line at its end, which is completed. Nobody else may write
/// to it.
///
/// Codes: `E0331` writing failed (tried again), `E0332` the file cannot be opened (fatal), `E0333` a row that cannot be
/// a line, `E0334` somebody else has changed the file or what waits beside it (fatal), `E0335` what was prepared cannot be
/// read (fatal). Memory: the lines of one epoch.
///
/// # Examples
/// ```
/// use futures_lite::future::block_on;
/// use watchfire_connectors::file::{FileSink, FileSinkConfig};
/// use watchfire_engine::{decode::EncodedRow, sink::Sink};
///
/// let dir = tempfile::tempdir()?;
/// let path = dir.path().join("alarms.jsonl");
/// let sink = FileSink::new(FileSinkConfig::new(path.display().to_string()));
/// let mut writer = block_on(sink.open(0, 1)).expect("the directory is there");
/// let row = EncodedRow { body: b"{\"crane\":\"K1\"}".to_vec(), ..EncodedRow::default() };
/// block_on(writer.write(1, &[row])).expect("the disk has room");
/// assert_eq!(std::fs::read_to_string(path)?, "{\"crane\":\"K1\"}\n");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct FileSink {
    config: FileSinkConfig,
}

impl FileSink {
    /// A sink that appends as `config` says. Opens nothing yet.
    pub fn new(config: FileSinkConfig) -> Self {
        FileSink { config }
    }
}

impl Sink for FileSink {
    fn commit_mode(&self) -> CommitMode {
        if self.config.two_phase { CommitMode::TwoPhase } else { CommitMode::AtLeastOnce }
    }

    fn open(&self, part: usize, generation: u64) -> Fut<'_, Result<Box<dyn Writer>, Failure>> {
        Box::pin(async move {
            if part > 0 && !self.config.path.contains("{part}") {
                return Err(Failure::Fatal(
                    Error::new("E0332", format!("part {part} would share the file of part 0"))
                        .at(format!("file {:?}", self.config.path))
                        .remedy("put {part} into the path, or run the sink with one part"),
                ));
            }
            let path = self.config.path.replace("{part}", &part.to_string());
            if self.config.two_phase {
                let staged = blocking::unblock(move || Staged::open(&path, generation)).await?;
                let writer = StagedWriter { staged: Arc::new(Mutex::new(staged)), config: self.config.clone() };
                return Ok(Box::new(writer) as Box<dyn Writer>);
            }
            let out = blocking::unblock(move || Out::open(path)).await?;
            Ok(Box::new(FileWriter { out: Arc::new(Mutex::new(out)), config: self.config.clone() }) as Box<dyn Writer>)
        })
    }
}

/// Writes a part whose rows become visible with their commit.
struct StagedWriter {
    /// Shared with the blocking thread, so that a dropped future leaves it here.
    staged: Arc<Mutex<Staged>>,
    config: FileSinkConfig,
}

impl StagedWriter {
    async fn blocking<R: Send + 'static>(&self, work: impl FnOnce(&mut Staged) -> R + Send + 'static) -> R {
        let staged = Arc::clone(&self.staged);
        blocking::unblock(move || work(&mut staged.lock().unwrap_or_else(PoisonError::into_inner))).await
    }
}

impl Writer for StagedWriter {
    fn write<'a>(&'a mut self, epoch: u64, rows: &'a [EncodedRow]) -> Fut<'a, Result<(), Failure>> {
        Box::pin(async move {
            let lines = render(rows, self.config.retractions)?;
            if lines.is_empty() {
                return Ok(());
            }
            self.blocking(move |staged| staged.write(epoch, &lines)).await
        })
    }

    fn prepare(&mut self, commit: u64) -> Fut<'_, Result<Option<Vec<u8>>, Failure>> {
        Box::pin(self.blocking(move |staged| staged.prepare(commit)))
    }

    fn commit<'a>(&'a mut self, _commit: u64, committable: &'a [u8]) -> Fut<'a, Result<(), Failure>> {
        let committable = committable.to_vec();
        Box::pin(self.blocking(move |staged| staged.commit(&committable)))
    }

    fn abort_older(&mut self) -> Fut<'_, Result<(), Failure>> {
        Box::pin(self.blocking(Staged::abort_older))
    }
}

struct FileWriter {
    /// Shared with the blocking thread, so that a dropped future leaves the file here.
    out: Arc<Mutex<Out>>,
    config: FileSinkConfig,
}

impl FileWriter {
    async fn blocking(
        &self,
        work: impl FnOnce(&mut Out) -> Result<(), Failure> + Send + 'static,
    ) -> Result<(), Failure> {
        let out = Arc::clone(&self.out);
        blocking::unblock(move || work(&mut out.lock().unwrap_or_else(PoisonError::into_inner))).await
    }
}

impl Writer for FileWriter {
    fn write<'a>(&'a mut self, epoch: u64, rows: &'a [EncodedRow]) -> Fut<'a, Result<(), Failure>> {
        Box::pin(async move {
            let lines = render(rows, self.config.retractions)?;
            if lines.is_empty() {
                return Ok(());
            }
            self.blocking(move |out| out.write(epoch, &lines)).await
        })
    }

    fn prepare(&mut self, _commit: u64) -> Fut<'_, Result<Option<Vec<u8>>, Failure>> {
        Box::pin(async move {
            if self.config.sync {
                self.blocking(|out| out.file.sync_data().map_err(|e| out.failed(&e))).await?;
            }
            Ok(None)
        })
    }
}

struct Out {
    path: String,
    file: File,
    /// The epoch of the last write, and the length of the file before it.
    last: Option<(u64, u64)>,
}

impl Out {
    fn open(path: String) -> Result<Out, Failure> {
        let cannot = |e: std::io::Error| {
            Failure::Fatal(
                Error::new("E0332", "the sink's file cannot be opened")
                    .at(format!("file {path:?}"))
                    .remedy("make the directory, name a regular file, and check the permissions")
                    .because(e),
            )
        };
        let mut file = OpenOptions::new().read(true).append(true).create(true).open(&path).map_err(cannot)?;
        let length = file.metadata().map_err(cannot)?.len();
        if length > 0 {
            let mut last = [0];
            file.seek(SeekFrom::Start(length - 1)).map_err(cannot)?;
            file.read_exact(&mut last).map_err(cannot)?;
            if last != *b"\n" {
                tracing::warn!(path, "the file ends in a half line, left by a crash: it stays, as a line of its own");
                file.write_all(b"\n").map_err(cannot)?;
            }
        }
        Ok(Out { path, file, last: None })
    }

    fn write(&mut self, epoch: u64, lines: &[u8]) -> Result<(), Failure> {
        let start = match self.last {
            Some((again, start)) if again == epoch => {
                self.file.set_len(start).map_err(|e| self.failed(&e))?;
                start
            }
            _ => self.file.metadata().map_err(|e| self.failed(&e))?.len(),
        };
        self.last = Some((epoch, start));
        self.file.write_all(lines).map_err(|e| self.failed(&e))
    }

    fn failed(&self, e: &std::io::Error) -> Failure {
        Failure::Retry(
            Error::new("E0331", "writing failed")
                .at(format!("file {:?}", self.path))
                .remedy("free space on the disk; the sink tries again")
                .because(e.kind_error()),
        )
    }
}
