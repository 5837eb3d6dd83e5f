//! The I/O runtime: where connectors run. The host brings its own, or takes a thread a task.

use std::time::Duration;

use crate::Error;
use crate::source::Fut;
use crate::turns;

/// Runs the tasks of connectors. Implement it over the host's async runtime, or use [`ThreadIo`].
pub trait IoRuntime: Send + Sync + 'static {
    /// Runs `task` to its end, apart from the caller. `name` is for people.
    ///
    /// # Errors
    /// `E0902` if the task cannot be started.
    fn spawn(&self, name: &str, task: Fut<'static, ()>) -> Result<(), Error>;

    /// Waits.
    fn sleep(&self, wait: Duration) -> Fut<'static, ()>;
}

/// A thread a task: no runtime needed, fit for a few dozen splits.
#[derive(Clone, Copy, Debug, Default)]
pub struct ThreadIo;

impl IoRuntime for ThreadIo {
    fn spawn(&self, name: &str, task: Fut<'static, ()>) -> Result<(), Error> {
        turns::spawn(name, move || turns::block_on(task)).map(drop).map_err(|e| {
            Error::new("E0902", format!("cannot start the I/O thread \"{name}\""))
                .because(e)
                .remedy("raise the thread limit")
        })
    }

    fn sleep(&self, wait: Duration) -> Fut<'static, ()> {
        Box::pin(turns::sleeps(wait))
    }
}
