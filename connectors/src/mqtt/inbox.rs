//! What lies between the network thread and the reader: messages, and which of them the broker still waits for.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use watchfire_engine::Error;
use watchfire_engine::source::{Failure, RawRow};
use xxhash_rust::xxh3::xxh3_64;

use super::client::{Handle, Message};
use super::config::Retained;
use super::source::MqttStats;
use crate::signal::Signal;

/// The inbox of one session.
#[derive(Debug)]
pub(super) struct Inbox {
    state: Mutex<State>,
    /// For the reader: something changed.
    pub(super) changed: Signal,
    /// For the network thread: there is room, or it shall end.
    pub(super) room: Signal,
    /// For the network thread: the reader is gone.
    pub(super) closed: Signal,
}

/// How the connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Connecting,
    Live,
    Down,
}

#[derive(Debug)]
pub(super) struct State {
    handle: Handle,
    retained: Retained,
    max_rows: usize,
    max_bytes: usize,

    rows: VecDeque<RawRow>,
    bytes: usize,
    /// The number of the last message that came in, and of the last that was handed out.
    last_in: u64,
    handed_out: u64,
    /// Messages that the broker waits for, by number; and their numbers by packet id.
    unacknowledged: BTreeMap<u64, Unacknowledged>,
    numbers: HashMap<u16, u64>,

    pub(super) phase: Phase,
    /// Counts connections.
    pub(super) connection: u64,
    /// Counts everything that came in on this connection.
    pub(super) arrivals: u64,
    /// The backlog of this connection counts as read.
    pub(super) settled: bool,
    /// The reader has to say that it is no longer caught up.
    pub(super) fell_behind: bool,
    pub(super) failure: Option<Failure>,
    pub(super) closing: bool,
    pub(super) stats: MqttStats,
}

#[derive(Debug)]
struct Unacknowledged {
    packet: u16,
    hash: u64,
    connection: u64,
    /// Safe on our side; only the broker does not know yet.
    durable: bool,
}

impl Inbox {
    /// An empty inbox that numbers its messages from `from + 1`.
    pub(super) fn new(handle: Handle, config: &super::config::MqttSourceConfig, from: u64) -> Arc<Inbox> {
        let state = State {
            handle,
            retained: config.retained,
            max_rows: config.buffer_rows,
            max_bytes: config.buffer_bytes,
            rows: VecDeque::new(),
            bytes: 0,
            last_in: from,
            handed_out: from,
            unacknowledged: BTreeMap::new(),
            numbers: HashMap::new(),
            phase: Phase::Connecting,
            connection: 0,
            arrivals: 0,
            settled: false,
            fell_behind: false,
            failure: None,
            closing: false,
            stats: MqttStats::default(),
        };
        Arc::new(Inbox { state: Mutex::new(state), changed: Signal::new(), room: Signal::new(), closed: Signal::new() })
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the session's use with this failure, unless it has one.
    pub(super) fn fail(&self, failure: Failure) {
        self.state().failure.get_or_insert(failure);
        self.changed.notify();
    }
}

impl State {
    pub(super) fn is_full(&self) -> bool {
        self.rows.len() >= self.max_rows || self.bytes >= self.max_bytes
    }

    pub(super) fn handed_out(&self) -> u64 {
        self.handed_out
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.unacknowledged.len()
    }

    /// A connection is up. Without the old session, nothing that came before can be acknowledged any more.
    pub(super) fn connected(&mut self, session_present: bool) {
        self.connection += 1;
        self.arrivals = 0;
        self.settled = false;
        if !session_present {
            self.unacknowledged.clear();
            self.numbers.clear();
        }
    }

    pub(super) fn disconnected(&mut self) {
        if self.phase == Phase::Live {
            self.stats.connections_lost += 1;
            self.fell_behind = true;
        }
        self.phase = Phase::Down;
        self.settled = false;
    }

    /// Takes a message in: as a row, or as one that is here already.
    pub(super) fn take_in(&mut self, message: Message) -> Result<(), Failure> {
        if self.closing {
            // Not acknowledged, so the broker keeps it for the next reader.
            return Ok(());
        }
        self.arrivals += 1;
        self.stats.messages += 1;
        if message.retained && self.retained == Retained::DropCounted {
            self.stats.retained_dropped += 1;
            return if message.packet == 0 { Ok(()) } else { self.acknowledge(message.packet) };
        }
        if message.packet != 0 {
            let hash = xxh3_64(&message.payload) ^ xxh3_64(&message.topic).rotate_left(32);
            if self.is_here_already(&message, hash)? {
                self.stats.recognised += 1;
                return Ok(());
            }
            let number = self.last_in + 1;
            self.numbers.insert(message.packet, number);
            let entry = Unacknowledged { packet: message.packet, hash, connection: self.connection, durable: false };
            self.unacknowledged.insert(number, entry);
        }
        self.last_in += 1;
        self.bytes += message.topic.len() + message.payload.len();
        self.rows.push_back(RawRow { place: self.last_in, key: Some(message.topic), body: message.payload });
        Ok(())
    }

    /// A message that was not acknowledged comes again under its packet id, which the broker may not give to another
    /// one before (MQTT 5, section 2.2.1), so it is the same and needs no second row.
    fn is_here_already(&mut self, message: &Message, hash: u64) -> Result<bool, Failure> {
        let Some(number) = self.numbers.get(&message.packet).copied() else { return Ok(false) };
        let Some(entry) = self.unacknowledged.get_mut(&number) else { return Ok(false) };
        if !message.again || entry.hash != hash {
            self.unacknowledged.remove(&number);
            return Ok(false);
        }
        entry.connection = self.connection;
        if entry.durable {
            self.unacknowledged.remove(&number);
            self.numbers.remove(&message.packet);
            self.acknowledge(message.packet)?;
        }
        Ok(true)
    }

    /// At most `room` messages.
    pub(super) fn hand_out(&mut self, room: usize) -> Vec<RawRow> {
        let rows: Vec<RawRow> = self.rows.drain(..room.min(self.rows.len())).collect();
        for row in &rows {
            self.bytes -= row.body.len() + row.key.as_ref().map_or(0, |topic| topic.len());
            self.handed_out = row.place;
        }
        rows
    }

    /// Acknowledges everything up to `upto` that was handed out; what came on an earlier connection when it comes again.
    pub(super) fn durable(&mut self, upto: u64) -> Result<(), Failure> {
        let live = self.phase == Phase::Live;
        let mut later = BTreeMap::new();
        let upto = upto.min(self.handed_out);
        while let Some(first) = self.unacknowledged.first_entry().filter(|first| *first.key() <= upto) {
            let (number, mut entry) = first.remove_entry();
            if live && entry.connection == self.connection {
                self.numbers.remove(&entry.packet);
                self.acknowledge(entry.packet)?;
            } else {
                entry.durable = true;
                later.insert(number, entry);
            }
        }
        self.unacknowledged.append(&mut later);
        Ok(())
    }

    fn acknowledge(&mut self, packet: u16) -> Result<(), Failure> {
        self.stats.acknowledged += 1;
        self.handle.acknowledge(packet).map_err(|_| stopped())
    }
}

/// The client ended although nobody asked it to.
pub(super) fn stopped() -> Failure {
    Failure::Retry(Error::new("E0456", "the MQTT client stopped").remedy("nothing; the connector opens it again"))
}
