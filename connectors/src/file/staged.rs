//! The sink's file where rows become visible only with their commit.
//!
//! Rows are staged in hidden files beside it, named by generation, so that no run takes another's for its own. A commit
//! copies one of them to the place in the file that it was given when it was prepared. Copied again, it writes the same bytes
//! to the same place, whatever has been written behind them since: so a commit can be repeated, also by a run that does not
//! know that it was fenced.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use watchfire_engine::Error;
use watchfire_engine::source::Failure;

use super::disk::KindError;

/// Bytes copied at once.
const CHUNK_BYTES: usize = 256 * 1024;

/// What was prepared: everything that a commit needs to know, also in another process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Ticket {
    /// The name of the staged file, beside the sink's file.
    staged: String,
    /// Where in the sink's file its bytes belong.
    offset: u64,
    bytes: u64,
}

/// One part of the sink.
pub(super) struct Staged {
    path: PathBuf,
    generation: u64,
    /// Staged files that this run has begun.
    count: u64,
    open: Option<Open>,
    /// Where the next bytes belong; known once everything that was promised is visible.
    next_offset: Option<u64>,
    /// The last commit that was prepared, and its ticket.
    last: Option<(u64, Option<Vec<u8>>)>,
}

/// The file that is being filled.
struct Open {
    name: String,
    file: File,
    bytes: u64,
    /// The epoch of the last write, and the length before it.
    last: Option<(u64, u64)>,
}

impl Staged {
    pub(super) fn open(path: &str, generation: u64) -> Result<Self, Failure> {
        let path = PathBuf::from(path);
        let staged = Staged { path, generation, count: 0, open: None, next_offset: None, last: None };
        let file = staged.visible().map_err(|e| staged.cannot_open(&e))?;
        let is_file = file.metadata().map_err(|e| staged.cannot_open(&e))?.is_file();
        if !is_file || staged.path.file_name().is_none() {
            return Err(staged.cannot_open(&ErrorKind::InvalidInput.into()));
        }
        Ok(staged)
    }

    /// The sink's file, made if it is missing. Never cut: what is in it may have been read.
    fn visible(&self) -> std::io::Result<File> {
        OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&self.path)
    }

    fn folder(&self) -> &Path {
        self.path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
    }

    /// What the names of all staged files of this sink begin with.
    fn prefix(&self) -> String {
        format!(".{}.staged-", self.path.file_name().unwrap_or_default().to_string_lossy())
    }

    pub(super) fn write(&mut self, epoch: u64, lines: &[u8]) -> Result<(), Failure> {
        let done = self.append(epoch, lines);
        done.map_err(|e| self.failed(&e))
    }

    fn append(&mut self, epoch: u64, lines: &[u8]) -> std::io::Result<()> {
        let mut open = match self.open.take() {
            Some(open) => open,
            None => {
                let name = format!("{}{:020}-{:020}", self.prefix(), self.generation, self.count);
                let file = File::create(self.folder().join(&name))?;
                self.count += 1;
                Open { name, file, bytes: 0, last: None }
            }
        };
        let start = match open.last {
            Some((again, start)) if again == epoch => start,
            _ => open.bytes,
        };
        let mut done = || {
            open.file.set_len(start)?;
            open.file.seek(SeekFrom::Start(start))?;
            open.file.write_all(lines)
        };
        let done = done();
        // The same epoch comes again after a failure, and then begins where it began.
        (open.last, open.bytes) = (Some((epoch, start)), start + lines.len() as u64);
        self.open = Some(open);
        done
    }

    pub(super) fn prepare(&mut self, commit: u64) -> Result<Option<Vec<u8>>, Failure> {
        if let Some((_, ticket)) = self.last.as_ref().filter(|(last, _)| *last == commit) {
            return Ok(ticket.clone());
        }
        let done = self.settle();
        let ticket = done.map_err(|e| self.failed(&e))?;
        self.last = Some((commit, ticket.clone()));
        Ok(ticket)
    }

    /// Makes what is staged durable, and gives it its place.
    fn settle(&mut self) -> std::io::Result<Option<Vec<u8>>> {
        let Some(open) = &self.open else { return Ok(None) };
        open.file.sync_data()?;
        sync_folder(self.folder())?;
        let offset = match self.next_offset {
            Some(offset) => offset,
            None => self.visible()?.metadata()?.len(),
        };
        let ticket = Ticket { staged: open.name.clone(), offset, bytes: open.bytes };
        let bytes = serde_json::to_vec(&ticket)?;
        self.next_offset = Some(offset + ticket.bytes);
        self.open = None;
        Ok(Some(bytes))
    }

    pub(super) fn commit(&mut self, committable: &[u8]) -> Result<(), Failure> {
        let ticket: Ticket = serde_json::from_slice(committable).map_err(|e| {
            let error = Error::new("E0335", "what was prepared cannot be read").at(self.place()).because(e);
            Failure::Fatal(error.remedy("restore the state of the job from a backup"))
        })?;
        self.copy(&ticket)
    }

    fn copy(&self, ticket: &Ticket) -> Result<(), Failure> {
        let failed = |e: std::io::Error| self.failed(&e);
        let staged_at = self.folder().join(&ticket.staged);
        let mut visible = self.visible().map_err(failed)?;
        let length = visible.metadata().map_err(failed)?.len();
        let mut staged = match File::open(&staged_at) {
            Ok(staged) => staged,
            // It was committed before, and removed.
            Err(e) if e.kind() == ErrorKind::NotFound && length >= ticket.offset + ticket.bytes => return Ok(()),
            Err(e) if e.kind() == ErrorKind::NotFound => {
                return Err(self.changed(&format!("{:?} is gone before it was committed", ticket.staged)));
            }
            Err(e) => return Err(failed(e)),
        };
        if length < ticket.offset {
            return Err(self.changed(&format!("the file has {length} bytes where {} were committed", ticket.offset)));
        }
        let (mut buffer, mut at) = (vec![0; CHUNK_BYTES], ticket.offset);
        visible.seek(SeekFrom::Start(at)).map_err(failed)?;
        loop {
            let n = staged.read(&mut buffer).map_err(failed)?;
            if n == 0 {
                break;
            }
            let there = (length.saturating_sub(at) as usize).min(n);
            let mut before = vec![0; there];
            visible.read_exact(&mut before).map_err(failed)?;
            if before != buffer[..there] {
                return Err(self.changed(&format!("something else was written behind byte {at}")));
            }
            visible.write_all(&buffer[there..n]).map_err(failed)?;
            at += n as u64;
        }
        visible.sync_data().map_err(failed)?;
        if length == 0 {
            sync_folder(self.folder()).map_err(failed)?;
        }
        match std::fs::remove_file(&staged_at) {
            Err(e) if e.kind() != ErrorKind::NotFound => Err(failed(e)),
            _ => Ok(()),
        }
    }

    /// Removes what earlier runs have staged. What was promised is visible by now.
    pub(super) fn abort_older(&mut self) -> Result<(), Failure> {
        let done = self.clear();
        done.map_err(|e| self.failed(&e))
    }

    fn clear(&mut self) -> std::io::Result<()> {
        let prefix = self.prefix();
        for entry in std::fs::read_dir(self.folder())? {
            let entry = entry?;
            let name = entry.file_name();
            let rest = name.to_str().and_then(|name| name.strip_prefix(&prefix));
            let generation = rest.and_then(|rest| rest.split('-').next()?.parse::<u64>().ok());
            if generation.is_some_and(|generation| generation <= self.generation) {
                std::fs::remove_file(entry.path())?;
            }
        }
        let mut visible = self.visible()?;
        let length = visible.metadata()?.len();
        let mut last = [b'\n'];
        if length > 0 {
            visible.seek(SeekFrom::Start(length - 1))?;
            visible.read_exact(&mut last)?;
        }
        if last != *b"\n" {
            tracing::warn!(path = %self.path.display(), "the file ends in a half line: it stays, as a line of its own");
            visible.write_all(b"\n")?;
        }
        self.next_offset = Some(visible.metadata()?.len());
        Ok(())
    }

    fn place(&self) -> String {
        format!("file {:?}", self.path.display().to_string())
    }

    fn cannot_open(&self, e: &std::io::Error) -> Failure {
        let error = Error::new("E0332", "the sink's file cannot be opened").at(self.place());
        let remedy = "make the directory, name a regular file, and check the permissions";
        Failure::Fatal(error.remedy(remedy).because(e.kind_error()))
    }

    fn changed(&self, what: &str) -> Failure {
        let remedy = "leave the file and those beside it to the job; restore them as they were, or begin anew with another path and an empty store";
        Failure::Fatal(Error::new("E0334", what).at(self.place()).remedy(remedy))
    }

    fn failed(&self, e: &std::io::Error) -> Failure {
        let error = Error::new("E0331", "writing failed").at(self.place());
        Failure::Retry(error.remedy("free space on the disk; the sink tries again").because(e.kind_error()))
    }
}

fn sync_folder(folder: &Path) -> std::io::Result<()> {
    // Elsewhere folders cannot be opened, and need not be.
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

#[cfg(test)]
mod tests;
