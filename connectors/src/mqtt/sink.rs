//! The sink: publishes a message per row.

use bytes::Bytes;
use watchfire_engine::Error;
use watchfire_engine::decode::EncodedRow;
use watchfire_engine::sink::{CommitMode, Sink, Writer};
use watchfire_engine::source::{Failure, Fut};

use super::client::{Answer, Lost, Role, client};
use super::config::MqttSinkConfig;
use super::outbox::Link;
use super::source::failure_of;
use super::topic;

/// What a publish adds to topic and payload at most: header, length, packet id, property length.
const PACKET_OVERHEAD_BYTES: usize = 1 + 4 + 2 + 2 + 1;

/// Publishes rows with QoS 1, a message each; `write` returns when the broker has acknowledged all of them.
///
/// # Ids, retained messages and retractions
/// With `{id}` in the topic the sink is [`CommitMode::ByKey`]: a row that is repeated after a crash goes to the same
/// topic with the same bytes. With `retain` (the default) the broker keeps the last row of each id, so a dashboard
/// that subscribes later sees what is so now. A retraction is an empty retained message on the row's topic, which makes
/// the broker forget it and tells live subscribers. Without `{id}` the sink is [`CommitMode::AtLeastOnce`] and refuses
/// retractions (`E0344`).
///
/// # Errors
/// After [`Failure::Retry`] (`E0341`, `E0452`) the same call goes on behind the last row that the broker acknowledged, so
/// only rows whose acknowledgement was under way are published twice, in order. Rows too large for `max_packet_bytes` or
/// the broker, and topics that are none, are [`Failure::Poison`] (`E0343`); an empty row or a missing id too (`E0344`).
/// A client that the broker refuses or does not allow to publish is [`Failure::Fatal`] (`E0453`, `E0342`); MQTT 3.1.1
/// brokers may drop such rows without saying so, which is a reason for version 5. A newer generation of the job that
/// opens the same part takes over the client id; where the broker tells (MQTT 5, but not mosquitto 2.0), this writer is
/// [`Failure::Fenced`], elsewhere deterministic ids make its rows harmless.
///
/// Memory: one epoch's rows are referenced, about 100 of them copied at a time.
///
/// # Examples
/// ```no_run
/// use futures_lite::future::block_on;
/// use watchfire_connectors::mqtt::{MqttConnection, MqttSink, MqttSinkConfig};
/// use watchfire_engine::{decode::EncodedRow, sink::Sink};
///
/// let connection = MqttConnection::new("localhost", 1883, "watchfire-alarms");
/// let sink = MqttSink::new(MqttSinkConfig::new(connection, "district/alarms/{id}"))?;
/// let raised = EncodedRow { id: Some("overload-K1-3".into()), retract: false, body: b"{}".to_vec() };
/// block_on(async {
///     let mut writer = sink.open(0, 1).await?;
///     writer.write(1, &[raised]).await
/// }).expect("a broker on this host");
/// # Ok::<(), watchfire_engine::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct MqttSink {
    config: MqttSinkConfig,
}

impl MqttSink {
    /// A sink that publishes as `config` says. Does not connect yet.
    ///
    /// # Errors
    /// `E0451` for a config that cannot work.
    pub fn new(config: MqttSinkConfig) -> Result<Self, Error> {
        config.check()?;
        Ok(MqttSink { config })
    }
}

impl Sink for MqttSink {
    fn commit_mode(&self) -> CommitMode {
        if self.config.by_id() { CommitMode::ByKey } else { CommitMode::AtLeastOnce }
    }

    fn open(&self, part: usize, _generation: u64) -> Fut<'_, Result<Box<dyn Writer>, Failure>> {
        Box::pin(async move {
            let mut config = self.config.clone();
            config.connection.client_id = format!("{}-{part}", config.connection.client_id);
            let mut writer = MqttWriter { config, link: None, progress: Progress::default() };
            writer.connect().await?;
            Ok(Box::new(writer) as Box<dyn Writer>)
        })
    }
}

struct MqttWriter {
    config: MqttSinkConfig,
    link: Option<Link>,
    progress: Progress,
}

/// How far the current epoch got, over retries and connections.
#[derive(Clone, Copy, Default)]
struct Progress {
    epoch: Option<u64>,
    /// Rows of the epoch that the broker has acknowledged.
    done: usize,
}

/// One row as a message.
struct Outgoing {
    topic: String,
    payload: Bytes,
}

impl Writer for MqttWriter {
    fn write<'a>(&'a mut self, epoch: u64, rows: &'a [EncodedRow]) -> Fut<'a, Result<(), Failure>> {
        Box::pin(async move {
            if self.progress.epoch != Some(epoch) {
                self.progress = Progress { epoch: Some(epoch), done: 0 };
            }
            for (index, row) in rows.iter().enumerate().skip(self.progress.done) {
                self.message(row).map_err(|why| Failure::Poison { index, why })?;
            }
            if self.progress.done >= rows.len() {
                return Ok(());
            }
            self.connect().await?;
            self.publish(rows).await
        })
    }
}

impl MqttWriter {
    /// Makes sure that there is a connection.
    async fn connect(&mut self) -> Result<(), Failure> {
        match self.link.as_ref().map(Link::lost) {
            Some(None) => return Ok(()),
            Some(Some(Lost::TakenOver)) => return Err(Failure::Fenced),
            _ => self.link = None,
        }
        let about = &self.config.connection;
        let password = about.password.as_ref().map(|from| from.read()).transpose().map_err(Failure::Fatal)?;
        let (handle, connection) = client(about, &about.client_id, password, Role::Sink);
        let link = Link::new(handle, connection)?;
        let lost = link.until(|state| match &state.lost {
            Some(lost) => Some(Some(lost.clone())),
            None => state.live.then_some(None),
        });
        if let Some(lost) = lost.await {
            return Err(failure_of(&lost, about));
        }
        self.link = Some(link);
        Ok(())
    }

    /// Publishes the rest of the epoch and waits for its acknowledgements. Whatever happens, the progress is right, and
    /// a connection on which something is still in flight is given up.
    async fn publish(&mut self, rows: &[EncodedRow]) -> Result<(), Failure> {
        // Taken out, so that a dropped future drops the connection with what is in flight on it.
        let Some(link) = self.link.take() else { return Ok(()) };
        let (first, before) = (self.progress.done, link.until(|state| Some(state.taken)).await);
        let sent_before = link.until(|state| Some(state.sent)).await;
        for row in &rows[first..] {
            let Ok(message) = self.message(row) else { continue };
            if link.handle.publish(&message.topic, self.config.retain, message.payload).await.is_err() {
                break;
            }
        }
        let want = (rows.len() - first) as u64;
        let (taken, sent, refusal, lost) = link
            .until(|state| {
                let over = state.taken - before >= want || state.refusal.is_some() || state.lost.is_some();
                over.then(|| {
                    (state.taken - before, state.sent - sent_before, state.refusal.clone(), state.lost.clone())
                })
            })
            .await;
        self.progress.done = first + count(taken);
        if taken >= want {
            self.link = Some(link);
            return Ok(());
        }
        if let Some(refusal) = refusal {
            return Err(self.refused(&refusal, self.progress.done));
        }
        match lost {
            Some(Lost::OutgoingTooLarge) => {
                let index = first + count(sent.saturating_sub(1));
                Err(Failure::Poison { index, why: self.too_large("the broker's limit") })
            }
            Some(Lost::TakenOver) => {
                self.link = Some(link);
                Err(Failure::Fenced)
            }
            Some(lost) => Err(failure_of(&lost, &self.config.connection)),
            None => Err(failure_of(&Lost::Broken("unknown".into()), &self.config.connection)),
        }
    }

    /// The row as a message, or why it cannot be one.
    fn message(&self, row: &EncodedRow) -> Result<Outgoing, Error> {
        let unfit = |what: &str, remedy: &str| {
            Err(Error::new("E0344", what).at(format!("topic {:?}", self.config.topic)).remedy(remedy))
        };
        let topic = if self.config.by_id() {
            match row.id.as_deref() {
                Some(id) if !id.is_empty() => self.config.topic.replace("{id}", &topic::level_of(id)),
                _ => return unfit("the row has no id, which its topic needs", "use an encoder that gives ids"),
            }
        } else if row.retract {
            return unfit("the row is taken back, which needs {id} in the topic", "put {id} into the topic");
        } else {
            self.config.topic.clone()
        };
        if row.body.is_empty() && !row.retract {
            return unfit("the row is empty, which means a retraction here", "use an encoder that writes something");
        }
        let payload = if row.retract { Bytes::new() } else { Bytes::copy_from_slice(&row.body) };
        if !topic::is_topic(&topic) {
            return Err(Error::new("E0343", "the row's id makes no topic: too long").remedy("give shorter ids"));
        }
        if topic.len() + payload.len() + PACKET_OVERHEAD_BYTES > self.config.connection.max_packet_bytes as usize {
            return Err(self.too_large("max_packet_bytes"));
        }
        Ok(Outgoing { topic, payload })
    }

    fn too_large(&self, limit: &str) -> Error {
        Error::new("E0343", format!("the row is larger than {limit}"))
            .at(self.config.connection.place())
            .remedy("raise the limit here and at the broker, or write smaller rows")
    }

    /// What a refusal by the broker (MQTT 5) is for the job.
    fn refused(&self, refusal: &Answer, index: usize) -> Failure {
        let error =
            |code, what: String, remedy: &str| Error::new(code, what).at(self.config.connection.place()).remedy(remedy);
        match refusal {
            Answer::NotAuthorized => Failure::Fatal(error(
                "E0342",
                "the broker does not allow this client to publish".into(),
                "allow the client to write to the topic",
            )),
            Answer::Unacceptable(why) => {
                let why = error("E0343", format!("the broker does not take the row ({why})"), "check topic and format");
                Failure::Poison { index, why }
            }
            Answer::NotNow(why) => Failure::Retry(error(
                "E0341",
                format!("the broker does not take the row now ({why})"),
                "check its limits",
            )),
            Answer::Taken => Failure::Retry(error("E0341", "the broker did not answer".into(), "check the broker")),
        }
    }
}

fn count(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}
