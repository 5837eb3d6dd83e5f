//! A wake-up between two tasks of any runtime, which remembers one signal that nobody waited for.

use async_channel::{Receiver, Sender, bounded};

/// One side calls [`notify`](Signal::notify), the other awaits [`wait`](Signal::wait). For one waiter at a time.
#[derive(Clone, Debug)]
pub(crate) struct Signal {
    send: Sender<()>,
    receive: Receiver<()>,
}

impl Signal {
    pub(crate) fn new() -> Self {
        let (send, receive) = bounded(1);
        Signal { send, receive }
    }

    /// Wakes the waiter, or the next one. Never blocks.
    pub(crate) fn notify(&self) {
        // Full: a signal is waiting already, and one is enough.
        let _ = self.send.try_send(());
    }

    /// Returns after a signal. May return for an old one, so the caller looks at its condition again.
    pub(crate) async fn wait(&self) {
        // Cannot fail: this value holds a sender itself.
        let _ = self.receive.recv().await;
    }
}
