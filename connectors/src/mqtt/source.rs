//! The source: one session that subscribes to topics.

use std::future::pending;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_io::Timer;
use futures_lite::future::or;
use serde::{Deserialize, Serialize};
use watchfire_engine::Error;
use watchfire_engine::source::{Failure, Fut, KeyPlacement, Next, Reader, Replay, Source};

use super::THREAD;
use super::client::{Connection, Event, Handle, Lost, Role, client};
use super::config::{MqttConnection, MqttSourceConfig};
use super::inbox::{Inbox, Phase, stopped};
use crate::io_thread::IoThread;

/// How long a reader or writer that is dropped may take to say goodbye to the broker.
pub(super) const CLOSE_TIMEOUT: Duration = Duration::from_millis(1_000);

/// Reads messages of one MQTT session: the topic is the row's key, the payload its body, a number from 1 its place.
///
/// # Splits and order
/// The session is the one split, named by its client id, whatever it subscribes to: all rows of one topic come through
/// it, in the order in which the broker sends them ([`KeyPlacement::OneSplit`]).
///
/// # What is safe
/// [`Replay::None`]: the broker cannot seek. A message with QoS 1 is acknowledged in
/// [`durable`](Reader::durable) and not before, so what was not made durable comes again after a crash. A message that a
/// device published with QoS 0 has no acknowledgement and is lost if it is not made durable. Duplicates are possible by
/// the standard: after a crash, for messages whose acknowledgement was under way; and whatever devices send twice. While
/// the reader lives, a message that comes again after a reconnect is recognised and gives no second row.
///
/// The session is kept by the broker while the job is away (see
/// [`session_expiry_s`](MqttConnection::session_expiry_s)). If the broker has lost it, the messages between are gone: that
/// is logged as a warning and counted in [`MqttStats::sessions_lost`]. Brokers limit what they send unacknowledged
/// (mosquitto: `max_inflight_messages`, default 20) and what they queue beyond that (`max_queued_messages`, default
/// 1,000; the rest is dropped): raise both, and make rows durable often.
///
/// Retained messages come on the first connection of every reader, and are rows unless
/// [`Retained::DropCounted`](super::Retained::DropCounted) is set.
///
/// # Losing the connection
/// The source connects again by itself, with pauses that double. `next` then says [`Next::Behind`], because the
/// source is no longer caught up, and [`Next::Idle`] again after the backlog was read: when nothing came for
/// [`settle_ms`](MqttSourceConfig::settle_ms). It fails with `Retry` only if the first connection fails (`E0452`) or the
/// client cannot go on (`E0456`), with `Fatal` if the broker refuses the client or a subscription (`E0453`, `E0455`), or
/// if a message is beyond the limit (`E0454`), and with `Fenced` if the broker says that another
/// client took the session (MQTT 5, but mosquitto 2.0 does not say it). Two clients of one id that are not told throw
/// each other out again and again: see the warnings and [`MqttStats::connections_lost`].
///
/// # Memory
/// `buffer_rows` and `buffer_bytes`, and 10 messages more; then the source stops reading from the network, and the broker
/// keeps the rest. If that lasts longer than one and a half `keep_alive_s`, the broker ends the connection, which is then
/// made again. About 60 bytes
/// per unacknowledged message. Dropping a reader blocks until the broker has read the last acknowledgements, for 1 s at
/// most.
///
/// # Examples
/// ```no_run
/// use futures_lite::future::block_on;
/// use watchfire_connectors::mqtt::{MqttConnection, MqttSource, MqttSourceConfig};
/// use watchfire_engine::source::{Next, Source};
///
/// let connection = MqttConnection::new("localhost", 1883, "watchfire-cranes");
/// let source = MqttSource::new(MqttSourceConfig::new(connection, ["site/+/crane/#"]))?;
/// block_on(async {
///     let split = source.discover().await?.remove(0);
///     let mut reader = source.open(split, None).await?;
///     if let Next::Rows { rows, after } = reader.next(100).await? {
///         // ... write the rows where they are safe, and only then:
///         reader.durable(after).await?;
///         assert!(rows.len() <= 100);
///     }
///     Ok::<(), watchfire_engine::source::Failure>(())
/// }).expect("a broker on this host");
/// # Ok::<(), watchfire_engine::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct MqttSource {
    config: MqttSourceConfig,
    stats: Arc<Mutex<MqttStats>>,
}

/// What a source counted, over all its readers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MqttStats {
    /// Messages that came in, of any kind.
    pub messages: u64,
    /// Messages that came in again after a reconnect, and gave no second row.
    pub recognised: u64,
    /// Retained messages that were dropped because the config says so.
    pub retained_dropped: u64,
    /// Acknowledgements handed to the client.
    pub acknowledged: u64,
    /// Connections that were lost after they worked.
    pub connections_lost: u64,
    /// Connections on which the broker had no session although there should have been one: messages may be missing.
    pub sessions_lost: u64,
}

impl MqttSource {
    /// A source that reads as `config` says. Does not connect yet.
    ///
    /// # Errors
    /// `E0451` for a config that cannot work.
    pub fn new(config: MqttSourceConfig) -> Result<Self, Error> {
        config.check()?;
        Ok(MqttSource { config, stats: Arc::default() })
    }

    /// What was counted by readers that are closed or that have returned from `next` since.
    pub fn stats(&self) -> MqttStats {
        *self.stats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Source for MqttSource {
    type Split = String;
    type Offset = u64;

    fn replay(&self) -> Replay {
        Replay::None
    }

    fn key_placement(&self) -> KeyPlacement {
        KeyPlacement::OneSplit
    }

    fn bounded(&self) -> bool {
        false
    }

    fn discover(&self) -> Fut<'_, Result<Vec<String>, Failure>> {
        Box::pin(async { Ok(vec![self.config.connection.client_id.clone()]) })
    }

    fn open(&self, _split: String, from: Option<u64>) -> Fut<'_, Result<Box<dyn Reader<u64>>, Failure>> {
        Box::pin(async move {
            let about = &self.config.connection;
            let password = about.password.as_ref().map(|from| from.read()).transpose().map_err(Failure::Fatal)?;
            if password.is_some() && !is_local(&about.host) {
                tracing::warn!(broker = about.place(), "the MQTT password goes over the network in the clear");
            }
            let role = Role::Source { max_unacknowledged: self.config.max_unacknowledged };
            let (handle, connection) = client(about, &about.client_id, password, role);
            let inbox = Inbox::new(handle.clone(), &self.config, from.unwrap_or(0));
            let driver = Driver {
                inbox: Arc::clone(&inbox),
                handle: handle.clone(),
                config: self.config.clone(),
                resumes: from.is_some(),
                subscribed: false,
            };
            let thread = IoThread::run(THREAD, "E0456", driver.run(connection)).map_err(Failure::Retry)?;
            let reader = MqttReader {
                inbox,
                handle,
                stats: Arc::clone(&self.stats),
                counted: MqttStats::default(),
                settle: Duration::from_millis(self.config.settle_ms),
                settle_max: Duration::from_millis(self.config.settle_max_ms.max(self.config.settle_ms)),
                told_idle: false,
                resting: None,
                latest: None,
                thread: Some(thread),
            };
            reader.until_live().await?;
            Ok(Box::new(reader) as Box<dyn Reader<u64>>)
        })
    }
}

fn is_local(host: &str) -> bool {
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Lives on the network thread: polls the client and fills the inbox.
struct Driver {
    inbox: Arc<Inbox>,
    handle: Handle,
    config: MqttSourceConfig,
    /// There was a reader before, so the broker should know the session.
    resumes: bool,
    subscribed: bool,
}

impl Driver {
    async fn run(mut self, connection: Connection) {
        /// Tells the reader, also when the client panics.
        struct Farewell(Arc<Inbox>);
        impl Drop for Farewell {
            fn drop(&mut self) {
                self.0.fail(stopped());
            }
        }
        let inbox = Arc::clone(&self.inbox);
        let _farewell = Farewell(Arc::clone(&inbox));
        let deadline = async {
            inbox.closed.wait().await;
            let live = inbox.state().phase == Phase::Live;
            if live {
                tokio::time::sleep(CLOSE_TIMEOUT).await;
            }
        };
        or(self.drive(connection), deadline).await;
    }

    async fn drive(&mut self, mut connection: Connection) {
        let longest = Duration::from_millis(self.config.reconnect_max_ms);
        let shortest = Duration::from_millis(self.config.reconnect_min_ms);
        let (mut pause, mut said_goodbye) = (shortest, false);
        loop {
            self.until_room().await;
            match connection.poll().await {
                Ok(Event::Disconnected) => said_goodbye = true,
                // The broker closes when it has read everything, acknowledgements included. Until then the session must
                // not be opened again, or the broker may forget what it has not read.
                Err(_) if said_goodbye => return,
                Ok(event) => {
                    if let Err(failure) = self.on_event(event) {
                        return self.inbox.fail(failure);
                    }
                }
                Err(lost) => {
                    // A connection that never came to rest is no reason to hurry.
                    if self.on_lost(&mut connection) {
                        pause = shortest;
                    }
                    match self.verdict(&lost) {
                        Some(failure) => return self.inbox.fail(failure),
                        None => {
                            tracing::warn!(broker = self.config.connection.place(), ?lost, ?pause, "MQTT reconnects")
                        }
                    }
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(longest);
                }
            }
        }
    }

    /// Not polling the client is what stops the flow from the network.
    async fn until_room(&self) {
        loop {
            let goes_on = {
                let state = self.inbox.state();
                state.closing || !state.is_full()
            };
            if goes_on {
                return;
            }
            self.inbox.room.wait().await;
        }
    }

    fn on_event(&mut self, event: Event) -> Result<(), Failure> {
        let mut state = self.inbox.state();
        match event {
            Event::Connected { session_present } => {
                let expected = self.resumes || state.connection > 0;
                if expected && !session_present {
                    state.stats.sessions_lost += 1;
                    let broker = self.config.connection.place();
                    tracing::warn!(broker, "the broker had lost the MQTT session: messages may be missing");
                }
                let first = state.connection == 0;
                state.connected(session_present);
                if first || !session_present || !self.subscribed {
                    self.handle.subscribe(&self.config.topics).map_err(|_| stopped())?;
                } else {
                    state.phase = Phase::Live;
                }
            }
            Event::Subscribed(None) => {
                self.subscribed = true;
                state.phase = Phase::Live;
            }
            Event::Subscribed(Some(why)) => {
                return Err(Failure::Fatal(
                    Error::new("E0455", format!("the broker refuses a subscription ({why})"))
                        .at(self.config.connection.place())
                        .remedy("allow the client to read these topics, or correct them"),
                ));
            }
            Event::Message(message) => state.take_in(message)?,
            Event::Sent(_) | Event::Answered(..) | Event::Disconnected | Event::Other => return Ok(()),
        }
        drop(state);
        self.inbox.changed.notify();
        Ok(())
    }

    /// Marks the connection as down and returns whether it had settled.
    fn on_lost(&mut self, connection: &mut Connection) -> bool {
        let mut state = self.inbox.state();
        let settled = state.settled;
        state.disconnected();
        // Under the lock: from here on nobody acknowledges, so nothing old is left for the next connection.
        connection.forget_acknowledgements();
        drop(state);
        self.inbox.changed.notify();
        settled
    }

    /// What the reader is told of a loss; `None` if connecting again may help.
    fn verdict(&self, lost: &Lost) -> Option<Failure> {
        let about = &self.config.connection;
        match lost {
            Lost::Broken(_) if self.subscribed => None,
            Lost::Refused(why) if self.subscribed => Some(Failure::Retry(no_connection(about, why))),
            other => Some(failure_of(other, about)),
        }
    }
}

/// What a loss is for a reader or a writer.
pub(super) fn failure_of(lost: &Lost, about: &MqttConnection) -> Failure {
    let place = about.place();
    match lost {
        Lost::Broken(why) => Failure::Retry(no_connection(about, why)),
        Lost::Refused(why) => Failure::Fatal(
            Error::new("E0453", format!("the broker refuses this client ({why})"))
                .at(place)
                .remedy("check client id, user name, password and the protocol version"),
        ),
        Lost::IncomingTooLarge => Failure::Fatal(
            Error::new("E0454", format!("a message is larger than max_packet_bytes ({})", about.max_packet_bytes))
                .at(place)
                .remedy("raise max_packet_bytes; the broker keeps the message until it is read"),
        ),
        Lost::OutgoingTooLarge => Failure::Retry(
            Error::new("E0341", "a message is larger than the broker takes")
                .at(place)
                .remedy("raise the broker's limit on packets"),
        ),
        Lost::TakenOver => Failure::Fenced,
        Lost::Protocol(why) => Failure::Retry(
            Error::new("E0456", format!("the broker sent something that is no MQTT ({why})"))
                .at(place)
                .remedy("check that host and port are those of an MQTT broker, and the version"),
        ),
    }
}

fn no_connection(about: &MqttConnection, why: &str) -> Error {
    Error::new("E0452", format!("no connection to the broker ({why})"))
        .at(about.place())
        .remedy("check that the broker runs and can be reached; the connector tries again")
}

struct MqttReader {
    inbox: Arc<Inbox>,
    handle: Handle,
    stats: Arc<Mutex<MqttStats>>,
    /// What of this reader's counts is in `stats` already.
    counted: MqttStats,
    settle: Duration,
    settle_max: Duration,
    told_idle: bool,
    /// The timers since the last arrival (connection, arrivals) and since the connection; kept over cancelled calls.
    resting: Option<(u64, u64, Timer)>,
    latest: Option<(u64, Timer)>,
    thread: Option<IoThread>,
}

/// What the reader does next.
enum Look {
    Found(Result<Next<u64>, Failure>),
    Wait,
    /// Connected, empty, and perhaps there is a backlog still to come.
    Settle {
        connection: u64,
        arrivals: u64,
    },
}

impl Reader<u64> for MqttReader {
    fn next(&mut self, room: usize) -> Fut<'_, Result<Next<u64>, Failure>> {
        Box::pin(async move {
            loop {
                match self.look(room.max(1)) {
                    Look::Found(found) => return found,
                    Look::Wait => self.inbox.changed.wait().await,
                    Look::Settle { connection, arrivals } => self.settle(connection, arrivals).await,
                }
            }
        })
    }

    fn durable(&mut self, upto: u64) -> Fut<'_, Result<(), Failure>> {
        Box::pin(async move { self.inbox.state().durable(upto) })
    }
}

impl MqttReader {
    async fn until_live(&self) -> Result<(), Failure> {
        loop {
            let (phase, failure) = {
                let state = self.inbox.state();
                (state.phase, state.failure.clone())
            };
            match failure {
                Some(failure) => return Err(failure),
                None if phase == Phase::Live => return Ok(()),
                None => self.inbox.changed.wait().await,
            }
        }
    }

    fn look(&mut self, room: usize) -> Look {
        let mut state = self.inbox.state();
        let rows = state.hand_out(room);
        let after = state.handed_out();
        if rows.is_empty() && std::mem::take(&mut state.fell_behind) {
            self.told_idle = false;
            return Look::Found(Ok(Next::Behind));
        }
        if !rows.is_empty() {
            let stats = state.stats;
            drop(state);
            self.count(stats);
            self.told_idle = false;
            self.inbox.room.notify();
            return Look::Found(Ok(Next::Rows { rows, after }));
        }
        if let Some(failure) = &state.failure {
            return Look::Found(Err(failure.clone()));
        }
        if self.told_idle || state.phase != Phase::Live {
            return Look::Wait;
        }
        if !state.settled {
            return Look::Settle { connection: state.connection, arrivals: state.arrivals };
        }
        let stats = state.stats;
        drop(state);
        self.count(stats);
        self.told_idle = true;
        Look::Found(Ok(Next::Idle))
    }

    /// Waits until something changes, or until nothing did for long enough.
    async fn settle(&mut self, connection: u64, arrivals: u64) {
        if self.resting.as_ref().is_none_or(|(c, a, _)| (*c, *a) != (connection, arrivals)) {
            self.resting = Some((connection, arrivals, Timer::after(self.settle)));
        }
        if self.latest.as_ref().is_none_or(|(c, _)| *c != connection) {
            self.latest = Some((connection, Timer::after(self.settle_max)));
        }
        let rested = until(self.resting.as_mut().map(|(.., timer)| timer));
        let late = until(self.latest.as_mut().map(|(_, timer)| timer));
        let due = async {
            or(rested, late).await;
            true
        };
        let changed = async {
            self.inbox.changed.wait().await;
            false
        };
        if or(due, changed).await {
            let mut state = self.inbox.state();
            if state.connection == connection && state.phase == Phase::Live && state.is_empty() {
                state.settled = true;
            }
            drop(state);
            // A timer that fired must not be polled again.
            (self.resting, self.latest) = (None, None);
        }
    }

    /// Adds what this reader counted since the last time to the source's counts.
    fn count(&mut self, now: MqttStats) {
        let before = std::mem::replace(&mut self.counted, now);
        let mut all = self.stats.lock().unwrap_or_else(PoisonError::into_inner);
        all.messages += now.messages - before.messages;
        all.recognised += now.recognised - before.recognised;
        all.retained_dropped += now.retained_dropped - before.retained_dropped;
        all.acknowledged += now.acknowledged - before.acknowledged;
        all.connections_lost += now.connections_lost - before.connections_lost;
        all.sessions_lost += now.sessions_lost - before.sessions_lost;
    }
}

/// Until the timer fires; for ever without one.
async fn until(timer: Option<&mut Timer>) {
    match timer {
        Some(timer) => {
            Pin::new(timer).await;
        }
        None => pending().await,
    }
}

impl Drop for MqttReader {
    fn drop(&mut self) {
        self.inbox.state().closing = true;
        // After the acknowledgements, which are in the same queue.
        let _ = self.handle.disconnect();
        self.inbox.room.notify();
        self.inbox.closed.notify();
        self.thread = None;
        let stats = self.inbox.state().stats;
        self.count(stats);
    }
}
