//! What a sink is: writers that take the rows of a closed epoch, and say how they commit them.
//!
//! **Unstable**; see the crate documentation.
//!
//! ```text
//! open(part, generation) -> commit(commit, bytes)* -> abort_older -> write(epoch, rows)* -> prepare(commit) -> commit(commit, bytes)
//!                          what older generations had promised
//! ```
//!
//! Numbers of commits rise, also from generation to generation. Epochs come in order, and each at most once a writer. A
//! `write` that does not return is back-pressure.

use crate::decode::EncodedRow;
use crate::source::{Failure, Fut};

/// How rows become visible outside, and so what a crash can do to them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CommitMode {
    /// Visible when written; a crash may repeat rows.
    AtLeastOnce,
    /// Visible when written; rows carry deterministic ids, so that a repeated row replaces itself.
    ByKey,
    /// The outside stores the epoch with the rows, and drops epochs that it has seen.
    ByEpoch,
    /// Invisible until committed; a commit is repeated after a crash from the bytes of [`Writer::prepare`].
    TwoPhase,
}

/// A place to write to.
pub trait Sink: Send + Sync + 'static {
    /// How the sink commits. Declared here, proved by the conformance tests.
    fn commit_mode(&self) -> CommitMode;

    /// Opens part `part` for generation `generation` of the job, which fences every older generation.
    ///
    /// # Errors
    /// [`Failure::Retry`] if the outside may answer later, [`Failure::Fatal`] if it never will.
    fn open(&self, part: usize, generation: u64) -> Fut<'_, Result<Box<dyn Writer>, Failure>>;
}

/// Writes one part of a sink.
pub trait Writer: Send {
    /// Writes the rows of one closed epoch, in order.
    ///
    /// # Errors
    /// Any [`Failure`]. After `Retry` the same call is repeated on the same writer.
    fn write<'a>(&'a mut self, epoch: u64, rows: &'a [EncodedRow]) -> Fut<'a, Result<(), Failure>>;

    /// Ends commit `commit`: everything written so far must survive a crash. A [`CommitMode::TwoPhase`] sink returns the
    /// bytes from which [`commit`](Writer::commit) can finish the work, also in another process.
    ///
    /// # Errors
    /// Any [`Failure`].
    fn prepare(&mut self, commit: u64) -> Fut<'_, Result<Option<Vec<u8>>, Failure>> {
        let _ = commit;
        Box::pin(async { Ok(None) })
    }

    /// Makes what was prepared visible. Must be idempotent, also after reopening.
    ///
    /// # Errors
    /// Any [`Failure`]; [`Failure::Fenced`] if a newer generation has opened the part.
    fn commit<'a>(&'a mut self, commit: u64, committable: &'a [u8]) -> Fut<'a, Result<(), Failure>> {
        let _ = (commit, committable);
        Box::pin(async { Ok(()) })
    }

    /// Removes what older generations left behind uncommitted.
    ///
    /// # Errors
    /// Any [`Failure`].
    fn abort_older(&mut self) -> Fut<'_, Result<(), Failure>> {
        Box::pin(async { Ok(()) })
    }
}
