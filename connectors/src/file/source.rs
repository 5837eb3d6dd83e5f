//! The source: files of lines, read to their ends or followed while they grow.

use std::time::Duration;

use async_io::Timer;
use blocking::Task;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use watchfire_engine::Error;
use watchfire_engine::source::{Failure, Fut, KeyPlacement, Next, Reader, Replay, Source};

use super::config::{CHUNK_BYTES, FileSourceConfig};
use super::disk::{Disk, Found};
use super::lines::Cutter;

/// A position in a file: after a complete line.
///
/// ```
/// use watchfire_connectors::file::FileOffset;
/// let after_two_lines = FileOffset { pos: 20, line: 2 };
/// assert!(FileOffset::default() < after_two_lines);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileOffset {
    /// Bytes before this position, in `0..=file length`.
    pub pos: u64,
    /// Lines before this position, so that line numbers stay right after reading goes on here.
    pub line: u64,
}

/// Reads lines from files: one split per path, one row per line, the line number as the row's place.
///
/// # Lines
/// Lines end in LF or CR LF, which are not part of the row. At the end of a bounded file a last line without a line
/// ending is a row; in a followed file it waits for its line ending. A line beyond `max_line_bytes` becomes one row: its
/// head and [`CUT_MARK`](crate::format::CUT_MARK), which decoders refuse as `E0435`; reading goes on at the next line.
/// The bytes are not judged: UTF-8 is the decoder's business. An empty file ends at once.
///
/// # Replay
/// [`Replay::Exact`], followed or not, because what is behind an offset must not be rewritten; the source refuses what it
/// can see of that as [`Failure::OffsetExpired`]: a file shorter than the offset, an offset that is no longer the end
/// of a line, a followed file that was truncated, or replaced by another (rotated; it is read to its end first, and given
/// one more poll). A followed file that is gone is a [`Failure::Retry`] (`E0434`). A path that leads to no file when
/// the job starts, to a directory, or to a file that may not be read is a [`Failure::Fatal`] (`E0431`, `E0432`).
///
/// # Cost
/// Rows are slices of the 256 KiB buffer that was read: no line is copied or allocated, but a row that is kept keeps its
/// buffer. One buffer is read ahead on a thread that may block, so any async runtime can drive the reader. Memory per
/// split: at most about three buffers and three times `max_line_bytes`, beyond the rows handed out.
///
/// # Examples
/// ```
/// use futures_lite::future::block_on;
/// use watchfire_connectors::file::{FileSource, FileSourceConfig};
/// use watchfire_engine::source::{Next, Source};
///
/// let dir = tempfile::tempdir()?;
/// let path = dir.path().join("cranes.jsonl").display().to_string();
/// std::fs::write(&path, "{\"crane\":\"K1\"}\n{\"crane\":\"K2\"}\n")?;
///
/// let source = FileSource::new(FileSourceConfig::new([&path]))?;
/// let mut reader = block_on(source.open(path, None)).expect("the file is there");
/// let Ok(Next::Rows { rows, after }) = block_on(reader.next(1)) else { unreachable!() };
/// assert_eq!((rows[0].place, &rows[0].body[..], after.pos), (1, &b"{\"crane\":\"K1\"}"[..], 15));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct FileSource {
    config: FileSourceConfig,
}

impl FileSource {
    /// A source over the files of `config`. Opens none of them.
    ///
    /// # Errors
    /// `E0436` for a config that cannot work.
    pub fn new(config: FileSourceConfig) -> Result<Self, Error> {
        config.check()?;
        Ok(FileSource { config })
    }
}

impl Source for FileSource {
    type Split = String;
    type Offset = FileOffset;

    fn replay(&self) -> Replay {
        Replay::Exact
    }

    fn key_placement(&self) -> KeyPlacement {
        if self.config.paths.len() == 1 || self.config.one_file_per_key {
            KeyPlacement::OneSplit
        } else {
            KeyPlacement::AnySplit
        }
    }

    fn bounded(&self) -> bool {
        !self.config.follow
    }

    fn discover(&self) -> Fut<'_, Result<Vec<String>, Failure>> {
        Box::pin(async { Ok(self.config.paths.clone()) })
    }

    fn open(&self, split: String, from: Option<FileOffset>) -> Fut<'_, Result<Box<dyn Reader<FileOffset>>, Failure>> {
        Box::pin(async move {
            let follow = self.config.follow;
            let disk = blocking::unblock(move || Disk::open(split, follow, from)).await?;
            Ok(Box::new(FileReader {
                cutter: Cutter::new(self.config.max_line_bytes, from.unwrap_or_default()),
                follow,
                poll: Duration::from_millis(self.config.poll_ms),
                work: Work::Resting(disk),
                at_end: false,
                told_idle: false,
                timer: None,
            }) as Box<dyn Reader<FileOffset>>)
        })
    }
}

/// Where the open file is: with the reader, or on its way through a read.
enum Work {
    Resting(Disk),
    Reading(Task<(Disk, Result<Found, Failure>)>),
    Over(Over),
}

/// Why there is nothing more to read.
#[derive(Clone)]
enum Over {
    Ended,
    Failed(Failure),
}

struct FileReader {
    cutter: Cutter,
    follow: bool,
    poll: Duration,
    /// A read in progress lives here and not in a future, so that dropping the future loses nothing.
    work: Work,
    /// The last read found nothing new.
    at_end: bool,
    told_idle: bool,
    /// Kept over cancelled calls, or a caller that cancels often would never see the file again.
    timer: Option<Timer>,
}

impl Reader<FileOffset> for FileReader {
    fn next(&mut self, room: usize) -> Fut<'_, Result<Next<FileOffset>, Failure>> {
        Box::pin(async move {
            loop {
                let rows = self.cutter.take(room);
                if !rows.is_empty() {
                    self.told_idle = false;
                    return Ok(Next::Rows { rows, after: self.cutter.offset() });
                }
                if self.at_end && self.follow {
                    if !std::mem::replace(&mut self.told_idle, true) {
                        return Ok(Next::Idle);
                    }
                    self.timer.get_or_insert_with(|| Timer::after(self.poll)).await;
                    self.timer = None;
                    self.at_end = false;
                }
                match self.read().await {
                    Ok(Found::Bytes { buffer, full }) => {
                        self.cutter.feed(Bytes::from(buffer));
                        if full {
                            self.start_reading();
                        }
                    }
                    Ok(Found::End) if self.follow => self.at_end = true,
                    Ok(Found::End) => {
                        self.work = Work::Over(Over::Ended);
                        if let Some(row) = self.cutter.finish() {
                            return Ok(Next::Rows { rows: vec![row], after: self.cutter.offset() });
                        }
                    }
                    Err(Over::Ended) => return Ok(Next::End),
                    Err(Over::Failed(failure)) => return Err(failure),
                }
            }
        })
    }
}

impl FileReader {
    /// Starts the next read, unless one is in progress. The tail of the current buffer must be final.
    fn start_reading(&mut self) {
        // Growing with the tail keeps the copying of a long line linear.
        let bytes = CHUNK_BYTES.max(self.cutter.tail().len());
        let mut tail = Vec::with_capacity(self.cutter.tail().len() + bytes);
        tail.extend_from_slice(self.cutter.tail());
        self.work = match std::mem::replace(&mut self.work, Work::Over(Over::Ended)) {
            Work::Resting(mut disk) => Work::Reading(blocking::unblock(move || {
                let found = disk.read(tail, bytes);
                (disk, found)
            })),
            other => other,
        };
    }

    /// Waits for the read in progress, or makes one.
    async fn read(&mut self) -> Result<Found, Over> {
        if matches!(self.work, Work::Resting(_)) {
            self.start_reading();
        }
        match &mut self.work {
            Work::Reading(task) => {
                let (disk, found) = task.await;
                match found {
                    Ok(found) => {
                        self.work = Work::Resting(disk);
                        Ok(found)
                    }
                    Err(failure) => {
                        self.work = Work::Over(Over::Failed(failure.clone()));
                        Err(Over::Failed(failure))
                    }
                }
            }
            Work::Over(over) => Err(over.clone()),
            Work::Resting(_) => Ok(Found::End),
        }
    }
}
