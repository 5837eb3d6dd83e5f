//! A thread with a runtime for one client, so that connectors run under any executor of the host.

use std::future::Future;
use std::thread::JoinHandle;

use watchfire_engine::Error;

/// Runs one future to its end on a thread of its own. Dropping joins the thread, so whoever drops this must have told
/// the future to end.
#[derive(Debug)]
pub(crate) struct IoThread(Option<JoinHandle<()>>);

impl IoThread {
    /// `name` has at most 15 bytes, or Linux cuts it.
    ///
    /// # Errors
    /// `code` if the system gives no thread, or the thread no runtime.
    pub(crate) fn run(
        name: &str,
        code: &'static str,
        work: impl Future<Output = ()> + Send + 'static,
    ) -> Result<IoThread, Error> {
        let cannot = |e: std::io::Error| {
            Error::new(code, "no thread or runtime for the client")
                .remedy("check the limits on threads and open files of this process")
                .because(e)
        };
        let (report, reported) = std::sync::mpsc::sync_channel(1);
        // Built on its thread: a runtime must not be dropped on a thread of the host's runtime, whatever goes wrong.
        let live = move || {
            let built = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build();
            match built {
                Ok(runtime) => {
                    let _ = report.send(Ok(()));
                    runtime.block_on(work);
                    // A look-up of a name may hang in the system; nobody waits for it.
                    runtime.shutdown_background();
                }
                Err(e) => {
                    let _ = report.send(Err(e));
                }
            }
        };
        let join = std::thread::Builder::new().name(name.into()).spawn(live).map_err(cannot)?;
        let ended = |_| std::io::Error::other("the thread ended at once");
        reported.recv().map_err(ended).and_then(|built| built).map_err(cannot)?;
        Ok(IoThread(Some(join)))
    }
}

impl Drop for IoThread {
    fn drop(&mut self) {
        if let Some(join) = self.0.take() {
            // A panic of the client was reported to its reader or writer by then.
            let _ = join.join();
        }
    }
}
