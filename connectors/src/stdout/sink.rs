//! The sink: prints a line per row.

use std::io::{ErrorKind, Write};

use watchfire_engine::Error;
use watchfire_engine::decode::EncodedRow;
use watchfire_engine::sink::{CommitMode, Sink, Writer};
use watchfire_engine::source::{Failure, Fut};

use super::config::StdoutSinkConfig;
use crate::lines_out::render;

/// Prints rows to standard output, a line each, flushed once per epoch.
///
/// [`CommitMode::AtLeastOnce`]: after a crash, rows since the last checkpoint are printed again. Lines of several parts
/// never mix within an epoch. A reader that went away (`E0336`) ends the job. Memory: the lines of one epoch.
///
/// # Examples
/// ```
/// use futures_lite::future::block_on;
/// use watchfire_connectors::stdout::{StdoutSink, StdoutSinkConfig};
/// use watchfire_engine::{decode::EncodedRow, sink::Sink};
///
/// let sink = StdoutSink::new(StdoutSinkConfig::default());
/// let mut writer = block_on(sink.open(0, 1)).expect("nothing to open");
/// let row = EncodedRow { body: b"{\"crane\":\"K1\"}".to_vec(), ..EncodedRow::default() };
/// block_on(writer.write(1, &[row])).expect("someone reads");
/// ```
#[derive(Clone, Debug, Default)]
pub struct StdoutSink {
    config: StdoutSinkConfig,
}

impl StdoutSink {
    /// A sink that prints as `config` says.
    pub fn new(config: StdoutSinkConfig) -> Self {
        StdoutSink { config }
    }
}

impl Sink for StdoutSink {
    fn commit_mode(&self) -> CommitMode {
        CommitMode::AtLeastOnce
    }

    fn open(&self, _part: usize, _generation: u64) -> Fut<'_, Result<Box<dyn Writer>, Failure>> {
        let config = self.config.clone();
        Box::pin(async move { Ok(Box::new(StdoutWriter { config }) as Box<dyn Writer>) })
    }
}

struct StdoutWriter {
    config: StdoutSinkConfig,
}

impl Writer for StdoutWriter {
    fn write<'a>(&'a mut self, _epoch: u64, rows: &'a [EncodedRow]) -> Fut<'a, Result<(), Failure>> {
        Box::pin(async move {
            let lines = render(rows, self.config.retractions)?;
            if lines.is_empty() {
                return Ok(());
            }
            blocking::unblock(move || print(&mut std::io::stdout().lock(), &lines)).await
        })
    }
}

/// Writes the lines at once. What was printed before an error cannot be taken back, so no error is tried again.
fn print(out: &mut impl Write, lines: &[u8]) -> Result<(), Failure> {
    out.write_all(lines).and_then(|()| out.flush()).map_err(|e| {
        let what = if e.kind() == ErrorKind::BrokenPipe {
            "nobody reads standard output any more"
        } else {
            "standard output cannot be written"
        };
        Failure::Fatal(Error::new("E0336", what).remedy("keep the reader alive, or use a file sink").because(e))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Gone;
    impl Write for Gone {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn prints_lines_and_says_when_nobody_reads() {
        let mut out = Vec::new();
        print(&mut out, b"a\nb\n").unwrap();
        assert_eq!(out, b"a\nb\n");
        assert!(matches!(print(&mut Gone, b"a\n"), Err(Failure::Fatal(e)) if e.code() == "E0336"));
    }
}
