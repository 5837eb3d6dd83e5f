//! How threads that may wait write into a store that does not answer or is full.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::Error;
use crate::job::shared::Shared;
use crate::turns;

/// The first pause after a store did not answer or was full, and the longest.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(10));

/// Calls again and again while the store may yet do it and the job has not failed. `waits` tells meanwhile.
///
/// # Errors
/// The first that will not pass, or the last of a job that has failed.
pub(crate) fn patiently(
    shared: &Shared,
    waits: &AtomicBool,
    mut call: impl FnMut() -> Result<(), Error>,
) -> Result<(), Error> {
    let mut pause = BACK_OFF.0;
    loop {
        match call() {
            // Of a store that is unreachable, or full.
            Err(error) if matches!(error.code(), "E0510" | "E0511") && !shared.failed() => {
                waits.store(true, Ordering::Relaxed);
                tracing::warn!(%error, "the store does not take what it is given, trying again");
                turns::sleep(pause);
                pause = (pause * 2).min(BACK_OFF.1);
            }
            Err(error) => return Err(error),
            Ok(()) => {
                waits.store(false, Ordering::Relaxed);
                return Ok(());
            }
        }
    }
}
