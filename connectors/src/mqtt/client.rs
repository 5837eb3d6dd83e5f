//! The only file that names the MQTT crate: both protocol versions behind one small face.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use rumqttc::v5::mqttbytes::v5 as p5;
use rumqttc::{NetworkOptions, Packet, QoS, v5};

use super::config::{MqttConnection, MqttVersion};
use crate::password::Password;

/// Publishes that are not acknowledged before the client waits.
const SINK_INFLIGHT: u16 = 100;

/// What the client is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Keeps its session, and acknowledges by hand.
    Source { max_unacknowledged: u16 },
    /// Starts clean: what is not acknowledged is published again by its owner.
    Sink,
}

/// What happened on the connection.
#[derive(Debug)]
pub(super) enum Event {
    Connected {
        session_present: bool,
    },
    /// Why the broker refused a filter, if it did.
    Subscribed(Option<String>),
    Message(Message),
    /// A publish left, under this packet id.
    Sent(u16),
    /// The broker answered a publish.
    Answered(u16, Answer),
    /// Our own disconnect left.
    Disconnected,
    Other,
}

/// A message that came in.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) topic: Bytes,
    pub(super) payload: Bytes,
    /// 0 for QoS 0, which is not acknowledged.
    pub(super) packet: u16,
    pub(super) again: bool,
    pub(super) retained: bool,
}

/// What the broker said to a publish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Taken,
    NotAuthorized,
    /// This row will never be taken.
    Unacceptable(String),
    /// Perhaps later.
    NotNow(String),
}

/// Why a connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Lost {
    /// The network or the broker: connecting again may help.
    Broken(String),
    /// The broker does not let this client in.
    Refused(String),
    /// A message beyond the limit came in.
    IncomingTooLarge,
    /// The packet of the last [`Event::Sent`] did not leave, being beyond the limit that the broker had announced.
    OutgoingTooLarge,
    /// Another client took the session (MQTT 5 only).
    TakenOver,
    /// Bytes that are no MQTT.
    Protocol(String),
}

/// The sending end. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) enum Handle {
    V311(rumqttc::AsyncClient),
    V5(v5::AsyncClient),
}

/// The receiving end, which must be polled for anything to happen.
pub(super) struct Connection {
    inner: Inner,
    /// Events of the lost connection that come before its loss.
    left: VecDeque<Event>,
    lost: Option<Lost>,
}

enum Inner {
    V311(Box<rumqttc::EventLoop>),
    V5(Box<v5::EventLoop>),
}

/// A client that connects when it is polled.
pub(super) fn client(
    about: &MqttConnection,
    client_id: &str,
    password: Option<Password>,
    role: Role,
) -> (Handle, Connection) {
    let login = about.username.clone().map(|name| (name, password.map_or_else(String::new, |p| p.0)));
    let keep_alive = Duration::from_secs(about.keep_alive_s.into());
    let mut network = NetworkOptions::new();
    network.set_tcp_nodelay(true);
    network.set_connection_timeout(about.connect_timeout_s.into());
    // A source never has more requests than packet ids to acknowledge; a sink waits for room.
    let requests = match role {
        Role::Source { .. } => usize::from(u16::MAX) + 64,
        Role::Sink => 16,
    };
    let (handle, inner) = match about.version {
        MqttVersion::V311 => {
            let mut options = rumqttc::MqttOptions::new(client_id, &about.host, about.port);
            let limit = about.max_packet_bytes as usize;
            options.set_max_packet_size(limit, limit).set_keep_alive(keep_alive).set_inflight(SINK_INFLIGHT);
            options.set_clean_session(role == Role::Sink).set_manual_acks(role != Role::Sink);
            if let Some((name, password)) = login {
                options.set_credentials(name, password);
            }
            let (client, mut events) = rumqttc::AsyncClient::new(options, requests);
            events.set_network_options(network);
            (Handle::V311(client), Inner::V311(Box::new(events)))
        }
        MqttVersion::V5 => {
            let mut options = v5::MqttOptions::new(client_id, &about.host, about.port);
            options.set_max_packet_size(Some(about.max_packet_bytes)).set_keep_alive(keep_alive);
            options.set_outgoing_inflight_upper_limit(SINK_INFLIGHT).set_network_options(network);
            options.set_connection_timeout(about.connect_timeout_s.into());
            options.set_clean_start(role == Role::Sink).set_manual_acks(role != Role::Sink);
            if let Role::Source { max_unacknowledged } = role {
                options.set_session_expiry_interval(Some(about.session_expiry_s));
                options.set_receive_maximum(Some(max_unacknowledged));
            }
            if let Some((name, password)) = login {
                options.set_credentials(name, password);
            }
            let (client, events) = v5::AsyncClient::new(options, requests);
            (Handle::V5(client), Inner::V5(Box::new(events)))
        }
    };
    (handle, Connection { inner, left: VecDeque::new(), lost: None })
}

/// The client ended, so nothing can be asked of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gone;

impl Handle {
    /// Asks for these filters with QoS 1, in one packet.
    pub(super) fn subscribe(&self, filters: &[String]) -> Result<(), Gone> {
        match self {
            Handle::V311(client) => {
                let filters = filters.iter().map(|f| rumqttc::SubscribeFilter::new(f.clone(), QoS::AtLeastOnce));
                client.try_subscribe_many(filters).map_err(|_| Gone)
            }
            Handle::V5(client) => {
                let filters = filters.iter().map(|f| p5::Filter::new(f.clone(), v5::mqttbytes::QoS::AtLeastOnce));
                client.try_subscribe_many(filters).map_err(|_| Gone)
            }
        }
    }

    /// Acknowledges a message by its packet id.
    pub(super) fn acknowledge(&self, packet: u16) -> Result<(), Gone> {
        match self {
            Handle::V311(client) => {
                let mut publish = rumqttc::Publish::from_bytes("", QoS::AtLeastOnce, Bytes::new());
                publish.pkid = packet;
                client.try_ack(&publish).map_err(|_| Gone)
            }
            Handle::V5(client) => {
                let mut publish = p5::Publish::new("", v5::mqttbytes::QoS::AtLeastOnce, Bytes::new(), None);
                publish.pkid = packet;
                client.try_ack(&publish).map_err(|_| Gone)
            }
        }
    }

    /// Publishes with QoS 1; waits while too much is in flight.
    pub(super) async fn publish(&self, topic: &str, retain: bool, payload: Bytes) -> Result<(), Gone> {
        match self {
            Handle::V311(client) => {
                client.publish_bytes(topic, QoS::AtLeastOnce, retain, payload).await.map_err(|_| Gone)
            }
            Handle::V5(client) => {
                let qos = v5::mqttbytes::QoS::AtLeastOnce;
                client.publish_bytes(topic, qos, retain, payload).await.map_err(|_| Gone)
            }
        }
    }

    /// Says goodbye, after everything that was asked for before.
    pub(super) fn disconnect(&self) -> Result<(), Gone> {
        match self {
            Handle::V311(client) => client.try_disconnect().map_err(|_| Gone),
            Handle::V5(client) => client.try_disconnect().map_err(|_| Gone),
        }
    }
}

impl Connection {
    /// The next event; connects (again) if there is no connection. Not cancel-safe: a packet may go half sent.
    ///
    /// After a loss everything that came before it is handed out first.
    pub(super) async fn poll(&mut self) -> Result<Event, Lost> {
        if let Some(event) = self.left.pop_front() {
            return Ok(event);
        }
        if let Some(lost) = self.lost.take() {
            return Err(lost);
        }
        // The crate keeps the events it had not handed out over a loss, and would mix them with those of the next connection.
        let lost = match &mut self.inner {
            Inner::V311(events) => match events.poll().await {
                Ok(event) => return Ok(event_311(event)),
                Err(e) => {
                    self.left = std::mem::take(&mut events.state.events).into_iter().map(event_311).collect();
                    lost_311(&e)
                }
            },
            Inner::V5(events) => match events.poll().await {
                Ok(event) => return Ok(event_5(event)),
                Err(e) => {
                    self.left = std::mem::take(&mut events.state.events).into_iter().map(event_5).collect();
                    lost_5(&e)
                }
            },
        };
        match self.left.pop_front() {
            Some(event) => {
                self.lost = Some(lost);
                Ok(event)
            }
            None => Err(lost),
        }
    }

    /// Forgets acknowledgements that were asked for and not sent: on the next connection they could name other messages.
    pub(super) fn forget_acknowledgements(&mut self) {
        match &mut self.inner {
            Inner::V311(events) => events.clean(),
            Inner::V5(events) => events.clean(),
        }
    }
}

fn event_311(event: rumqttc::Event) -> Event {
    use rumqttc::{Outgoing, SubscribeReasonCode};
    match event {
        rumqttc::Event::Incoming(packet) => match packet {
            Packet::ConnAck(ack) => Event::Connected { session_present: ack.session_present },
            Packet::SubAck(ack) => {
                let refused = ack.return_codes.contains(&SubscribeReasonCode::Failure);
                Event::Subscribed(refused.then(|| "the broker gives no reason".into()))
            }
            Packet::Publish(p) => Event::Message(Message {
                topic: p.topic.into(),
                payload: p.payload,
                packet: p.pkid,
                again: p.dup,
                retained: p.retain,
            }),
            Packet::PubAck(ack) => Event::Answered(ack.pkid, Answer::Taken),
            _ => Event::Other,
        },
        rumqttc::Event::Outgoing(Outgoing::Publish(packet)) => Event::Sent(packet),
        rumqttc::Event::Outgoing(Outgoing::Disconnect) => Event::Disconnected,
        rumqttc::Event::Outgoing(_) => Event::Other,
    }
}

fn event_5(event: v5::Event) -> Event {
    use p5::SubscribeReasonCode;
    match event {
        v5::Event::Incoming(packet) => match packet {
            p5::Packet::ConnAck(ack) => Event::Connected { session_present: ack.session_present },
            p5::Packet::SubAck(ack) => {
                let refused = ack.return_codes.iter().find(|code| !matches!(code, SubscribeReasonCode::Success(_)));
                Event::Subscribed(refused.map(|code| format!("reason: {code:?}")))
            }
            p5::Packet::Publish(p) => Event::Message(Message {
                topic: p.topic,
                payload: p.payload,
                packet: p.pkid,
                again: p.dup,
                retained: p.retain,
            }),
            p5::Packet::PubAck(ack) => Event::Answered(ack.pkid, answer(ack.reason)),
            _ => Event::Other,
        },
        v5::Event::Outgoing(rumqttc::Outgoing::Publish(packet)) => Event::Sent(packet),
        v5::Event::Outgoing(rumqttc::Outgoing::Disconnect) => Event::Disconnected,
        v5::Event::Outgoing(_) => Event::Other,
    }
}

fn answer(reason: p5::PubAckReason) -> Answer {
    use p5::PubAckReason as R;
    match reason {
        R::Success | R::NoMatchingSubscribers => Answer::Taken,
        R::NotAuthorized => Answer::NotAuthorized,
        R::TopicNameInvalid | R::PayloadFormatInvalid => Answer::Unacceptable(format!("{reason:?}")),
        _ => Answer::NotNow(format!("{reason:?}")),
    }
}

fn lost_311(e: &rumqttc::ConnectionError) -> Lost {
    use rumqttc::{ConnectReturnCode as Code, ConnectionError as E, Error as Packet, StateError as S};
    match e {
        E::ConnectionRefused(Code::ServiceUnavailable) => Lost::Broken("the broker is not available".into()),
        E::ConnectionRefused(code) => Lost::Refused(format!("{code:?}")),
        E::MqttState(S::Deserialization(Packet::PayloadSizeLimitExceeded(_))) => Lost::IncomingTooLarge,
        E::MqttState(S::Deserialization(Packet::OutgoingPacketTooLarge { .. })) => Lost::OutgoingTooLarge,
        E::MqttState(S::Deserialization(Packet::Io(e))) => Lost::Broken(e.to_string()),
        E::MqttState(S::Deserialization(e)) => Lost::Protocol(e.to_string()),
        // Its Debug form holds the packet.
        E::NotConnAck(_) => Lost::Protocol("no answer to the connect packet".into()),
        e => Lost::Broken(e.to_string()),
    }
}

fn lost_5(e: &v5::ConnectionError) -> Lost {
    use p5::{ConnectReturnCode as Code, DisconnectReasonCode as Reason};
    use v5::mqttbytes::Error as Packet;
    use v5::{ConnectionError as E, StateError as S};
    match e {
        E::ConnectionRefused(
            Code::ServiceUnavailable
            | Code::ServerUnavailable
            | Code::ServerBusy
            | Code::QuotaExceeded
            | Code::ConnectionRateExceeded
            | Code::UnspecifiedError
            | Code::ImplementationSpecificError,
        ) => Lost::Broken("the broker is not available".into()),
        E::ConnectionRefused(code) => Lost::Refused(format!("{code:?}")),
        E::MqttState(S::ServerDisconnect { reason_code, .. }) => match reason_code {
            Reason::SessionTakenOver => Lost::TakenOver,
            Reason::NotAuthorized | Reason::AdministrativeAction => Lost::Refused(format!("{reason_code:?}")),
            other => Lost::Broken(format!("the broker ended the connection: {other:?}")),
        },
        E::MqttState(S::OutgoingPacketTooLarge { .. }) => Lost::OutgoingTooLarge,
        E::MqttState(S::IncomingPacketTooLarge { .. }) => Lost::IncomingTooLarge,
        E::MqttState(S::Deserialization(e)) => match e {
            Packet::PayloadSizeLimitExceeded { .. } => Lost::IncomingTooLarge,
            Packet::OutgoingPacketTooLarge { .. } => Lost::OutgoingTooLarge,
            Packet::Io(e) => Lost::Broken(e.to_string()),
            e => Lost::Protocol(e.to_string()),
        },
        E::NotConnAck(_) => Lost::Protocol("no answer to the connect packet".into()),
        e => Lost::Broken(e.to_string()),
    }
}
