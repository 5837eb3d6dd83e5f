//! What lies between a writer and its network thread: publishes, and what the broker said to them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_lite::future::or;
use watchfire_engine::source::Failure;

use super::client::{Answer, Connection, Event, Handle, Lost};
use crate::io_thread::IoThread;
use crate::signal::Signal;

/// One connection of a writer. Dropping it says goodbye and joins the thread.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) handle: Handle,
    outbox: Arc<Outbox>,
    thread: Option<IoThread>,
}

#[derive(Debug)]
struct Outbox {
    state: Mutex<State>,
    changed: Signal,
    closed: Signal,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) live: bool,
    /// Publishes that left, in order, until they and all before them are answered.
    in_flight: VecDeque<(u16, Option<Answer>)>,
    /// How many publishes left on this connection.
    pub(super) sent: u64,
    /// How many of them, from the first on without a gap, the broker took.
    pub(super) taken: u64,
    /// What the broker said to the publish after those, if it refused it.
    pub(super) refusal: Option<Answer>,
    /// The connection is over.
    pub(super) lost: Option<Lost>,
}

impl Outbox {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Link {
    /// Starts to connect.
    pub(super) fn new(handle: Handle, connection: Connection) -> Result<Link, Failure> {
        let outbox = Arc::new(Outbox { state: Mutex::default(), changed: Signal::new(), closed: Signal::new() });
        let thread =
            IoThread::run(super::THREAD, "E0456", drive(Arc::clone(&outbox), connection)).map_err(Failure::Retry)?;
        Ok(Link { handle, outbox, thread: Some(thread) })
    }

    pub(super) fn lost(&self) -> Option<Lost> {
        self.outbox.state().lost.clone()
    }

    /// Waits until `done` is there.
    pub(super) async fn until<R>(&self, mut done: impl FnMut(&State) -> Option<R>) -> R {
        loop {
            let found = done(&self.outbox.state());
            match found {
                Some(result) => return result,
                None => self.outbox.changed.wait().await,
            }
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        // Nothing is in flight here: a writer only returns when all is answered, or gives the rows again.
        let _ = self.handle.disconnect();
        self.outbox.closed.notify();
        self.thread = None;
    }
}

/// Lives on the network thread, for one connection.
async fn drive(outbox: Arc<Outbox>, mut connection: Connection) {
    /// Tells the writer, also when the client panics.
    struct Farewell(Arc<Outbox>);
    impl Drop for Farewell {
        fn drop(&mut self) {
            self.0.state().lost.get_or_insert(Lost::Broken("the MQTT client stopped".into()));
            self.0.changed.notify();
        }
    }
    let _farewell = Farewell(Arc::clone(&outbox));
    let work = async {
        let mut said_goodbye = false;
        loop {
            match connection.poll().await {
                Ok(Event::Disconnected) => said_goodbye = true,
                // The broker closes when it has read the goodbye.
                Err(_) if said_goodbye => return,
                Ok(event) => outbox.state().on_event(event),
                Err(lost) => {
                    outbox.state().lost = Some(lost);
                    return;
                }
            }
            outbox.changed.notify();
        }
    };
    let closed = async {
        outbox.closed.wait().await;
        let live = outbox.state().live;
        if live {
            tokio::time::sleep(super::source::CLOSE_TIMEOUT).await;
        }
    };
    or(work, closed).await;
}

impl State {
    fn on_event(&mut self, event: Event) {
        match event {
            Event::Connected { .. } => self.live = true,
            Event::Sent(packet) => {
                self.sent += 1;
                self.in_flight.push_back((packet, None));
            }
            Event::Answered(packet, answer) => {
                if let Some(entry) = self.in_flight.iter_mut().find(|(p, said)| *p == packet && said.is_none()) {
                    entry.1 = Some(answer);
                }
                while self.refusal.is_none() {
                    match self.in_flight.front() {
                        Some((_, Some(Answer::Taken))) => self.taken += 1,
                        Some((_, Some(other))) => self.refusal = Some(other.clone()),
                        _ => break,
                    }
                    self.in_flight.pop_front();
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_answers_without_a_gap_count() {
        let mut state = State::default();
        for packet in 1..=4 {
            state.on_event(Event::Sent(packet));
        }
        state.on_event(Event::Answered(2, Answer::Taken));
        assert_eq!((state.sent, state.taken), (4, 0));
        state.on_event(Event::Answered(1, Answer::Taken));
        assert_eq!(state.taken, 2);
        state.on_event(Event::Answered(3, Answer::NotAuthorized));
        state.on_event(Event::Answered(4, Answer::Taken));
        assert_eq!((state.taken, state.refusal), (2, Some(Answer::NotAuthorized)));
    }
}
