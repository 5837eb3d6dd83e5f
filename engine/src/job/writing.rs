//! Threads that write down what a job leaves, and may wait for their store.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use async_channel::Sender;

use super::shared::{Shared, panic_text};
use crate::Error;
use crate::turns;

/// How urgent it is what a thread writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Urgency {
    /// Rows wait for it.
    Waited,
    /// Only commits and acknowledgements do: where cores are short, it gives way to the workers.
    Background,
}

/// Niceness of what gives way: about a tenth of a core that others want too.
#[cfg(target_os = "linux")]
const NICE: i32 = 10;

/// Runs `writes` on a thread of its own until it ends, and fails the job if it does not end well. When the job fails, the channel
/// that feeds it is closed: operators of such a job are never dropped, and would keep it waiting. `doing` says what it does.
///
/// # Errors
/// `E0902` if the thread cannot be started.
pub(crate) fn start_writing<T: Send + 'static>(
    (name, doing): (&str, &'static str),
    urgency: Urgency,
    feeds: &Sender<T>,
    shared: &Arc<Shared>,
    writes: impl FnOnce() -> Result<(), Error> + Send + 'static,
) -> Result<(), Error> {
    let (weak, of_job) = (feeds.downgrade(), shared.clone());
    shared.on_failure(Box::new(move || {
        weak.upgrade().map(|feeds| feeds.close());
    }));
    let body = move || {
        if urgency == Urgency::Background {
            give_way();
        }
        match std::panic::catch_unwind(AssertUnwindSafe(writes)) {
            Ok(Ok(())) => {}
            Ok(Err(error)) => of_job.fail(error),
            Err(panic) => {
                let what = format!("{doing} panicked: {}", panic_text(&*panic));
                of_job.fail(Error::new("E0903", what).remedy("mend how rows, keys and states are encoded"));
            }
        }
    };
    let started = turns::spawn(name, body);
    started.map(drop).map_err(|e| {
        let what = format!("cannot start a thread for {doing}");
        Error::new("E0902", what).because(e).remedy("raise the thread limit")
    })
}

/// Lets other threads go first. One that may not say so goes on as it is.
fn give_way() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(Some(rustix::thread::gettid()), NICE) {
        tracing::debug!(%error, "a thread in the background has the priority of the others");
    }
}
