//! The blocking side: opening, reading and looking after a file. Every function here runs on a thread that may block.

use std::fs::{File, Metadata};
use std::io::{ErrorKind, Read, Seek, SeekFrom};

use watchfire_engine::Error;
use watchfire_engine::source::Failure;

use super::source::FileOffset;

/// An open file, and how far it was read.
#[derive(Debug)]
pub(super) struct Disk {
    path: String,
    file: File,
    follow: bool,
    read_to: u64,
    /// The path no longer led to this file when it was last looked at.
    moved_away: bool,
}

/// What one read found.
#[derive(Debug)]
pub(super) enum Found {
    /// The tail that was given, then new bytes; `full` if there may be more at once.
    Bytes { buffer: Vec<u8>, full: bool },
    /// Nothing new.
    End,
}

impl Disk {
    /// Opens the file at a position that [`FileOffset`] names, and checks that the position still is the end of a line.
    pub(super) fn open(path: String, follow: bool, from: Option<FileOffset>) -> Result<Disk, Failure> {
        let cannot = |e: std::io::Error| {
            let error = Error::new("E0431", "the file cannot be opened")
                .at(format!("file {path:?}"))
                .remedy("check the path and the permissions")
                .because(e.kind_error());
            // A followed file that was there before may be in the middle of a rotation.
            let may_come_back = follow && from.is_some() && e.kind() == ErrorKind::NotFound;
            if may_come_back || e.kind() == ErrorKind::Interrupted {
                Failure::Retry(error)
            } else {
                Failure::Fatal(error)
            }
        };
        let file = File::open(&path).map_err(cannot)?;
        let about = file.metadata().map_err(cannot)?;
        if !about.is_file() {
            let kind = if about.is_dir() { "a directory" } else { "not a regular file" };
            return Err(Failure::Fatal(
                Error::new("E0432", format!("the path is {kind}"))
                    .at(format!("file {path:?}"))
                    .remedy("name a regular file; directories and pipes cannot be read again after a crash"),
            ));
        }
        let mut disk = Disk { path, file, follow, read_to: 0, moved_away: false };
        if let Some(from) = from {
            disk.seek(from.pos, about.len())?;
        }
        Ok(disk)
    }

    /// Goes to `pos`, which must follow a line break or, if nothing can be appended to that line, be the end.
    fn seek(&mut self, pos: u64, length: u64) -> Result<(), Failure> {
        if pos > length {
            return Err(expired(format!("byte 0; the file has only {length} bytes, offset {pos} was read before")));
        }
        if pos > 0 {
            self.file.seek(SeekFrom::Start(pos - 1)).map_err(|e| self.failed(&e))?;
            let mut before = [0];
            self.file.read_exact(&mut before).map_err(|e| self.failed(&e))?;
            let at_end = pos == length && !self.follow;
            if before != *b"\n" && !at_end {
                return Err(expired(format!("byte 0; offset {pos} is not the end of a line, the file was rewritten")));
            }
        }
        self.read_to = pos;
        Ok(())
    }

    /// Reads up to `bytes` new bytes behind `tail`.
    pub(super) fn read(&mut self, tail: Vec<u8>, bytes: usize) -> Result<Found, Failure> {
        let mut buffer = tail;
        buffer.reserve_exact(bytes);
        let limit = bytes as u64;
        let fresh = (&self.file).take(limit).read_to_end(&mut buffer).map_err(|e| self.failed(&e))?;
        if fresh > 0 {
            self.read_to += fresh as u64;
            self.moved_away = false;
            return Ok(Found::Bytes { buffer, full: fresh == bytes });
        }
        self.look_after()?;
        Ok(Found::End)
    }

    /// At the end of the file: is it still the file that was opened, and whole?
    fn look_after(&mut self) -> Result<(), Failure> {
        let about = self.file.metadata().map_err(|e| self.failed(&e))?;
        if about.len() < self.read_to {
            let (length, read) = (about.len(), self.read_to);
            return Err(expired(format!("byte 0; the file was truncated to {length} bytes after {read} were read")));
        }
        if !self.follow {
            return Ok(());
        }
        let there = match std::fs::metadata(&self.path) {
            Ok(there) => Some(there),
            Err(e) if e.kind() == ErrorKind::NotFound => None,
            Err(e) => return Err(self.failed(&e)),
        };
        if there.as_ref().is_some_and(|there| same_file(there, &about)) {
            self.moved_away = false;
            return Ok(());
        }
        // The writer may still finish a line in the old file, so it gets one more poll.
        if !std::mem::replace(&mut self.moved_away, true) {
            return Ok(());
        }
        match there {
            Some(_) => Err(expired("byte 0; the file was replaced by another one, and was read to its end".into())),
            None => Err(Failure::Retry(
                Error::new("E0434", "the followed file is gone; it was read to its end")
                    .at(format!("file {:?}", self.path))
                    .remedy("restore the file, or end the source"),
            )),
        }
    }

    fn failed(&self, e: &std::io::Error) -> Failure {
        Failure::Retry(
            Error::new("E0434", "reading failed")
                .at(format!("file {:?}, byte {}", self.path, self.read_to))
                .remedy("check the disk; the source tries again")
                .because(e.kind_error()),
        )
    }
}

fn expired(earliest: String) -> Failure {
    Failure::OffsetExpired { earliest }
}

#[cfg(unix)]
fn same_file(a: &Metadata, b: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (a.dev(), a.ino()) == (b.dev(), b.ino())
}

/// Without inode numbers a replaced file is only noticed when it is shorter.
#[cfg(not(unix))]
fn same_file(a: &Metadata, b: &Metadata) -> bool {
    a.len() >= b.len()
}

/// An I/O error without the text that only std's own type can hold, so that it can be shared.
pub(super) trait KindError {
    fn kind_error(&self) -> std::io::Error;
}

impl KindError for std::io::Error {
    fn kind_error(&self) -> std::io::Error {
        self.raw_os_error().map_or_else(|| self.kind().into(), std::io::Error::from_raw_os_error)
    }
}
