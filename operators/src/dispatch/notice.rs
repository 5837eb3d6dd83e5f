//! Telling people, until they have said that they know.

use serde::{Deserialize, Serialize};

/// The number of a notice: the same each time it is repeated, on whatever channel, so whoever hears it twice knows.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    rkyv::Archive,
    rkyv::Serialize,
    rkyv::Deserialize,
)]
#[rkyv(derive(PartialEq, Eq, PartialOrd, Ord))]
pub struct NoticeId(pub u64);

/// Who is told.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    rkyv::Archive,
    rkyv::Serialize,
    rkyv::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Recipient {
    /// A responder.
    Responder(u64),
    /// Who is in charge of a station.
    Station(u32),
    /// The head station.
    HeadStation,
    /// The officer on duty of a district.
    District(u32),
    /// The professional brigade.
    Brigade,
    /// Who is in charge of a depot.
    Depot(u32),
    /// Those who have promised mutual aid.
    Neighbours,
    /// The governance centre: the last rung of every ladder, and always manned.
    Centre,
}

/// What a notice has come to. Only that it was read, or more, says that somebody knows.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    rkyv::Archive,
    rkyv::Serialize,
    rkyv::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// It is on the device.
    Delivered,
    /// Somebody has seen it.
    Read,
    /// Somebody goes.
    Accepted,
    /// Somebody does not go.
    Refused,
    /// Somebody is there.
    Arrived,
}

/// What people are told.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum About {
    /// Go there.
    Go {
        /// The change that sends them.
        change: u64,
    },
    /// You need not go there any more.
    Stop {
        /// The change that releases them.
        change: u64,
    },
    /// It has happened, at this level.
    Opened {
        /// The level.
        level: u8,
    },
    /// Stand by at another station.
    Cover {
        /// The change that sends them.
        change: u64,
        /// The station.
        station: u32,
    },
    /// Something is recommended, and waits for you.
    Decide,
    /// Slots are left that nobody can fill, or nobody knows where to go: help.
    Aid,
    /// Bring what is set aside for it.
    Bring,
    /// Water or supplies are lacking, and nobody near has any: see what can be brought.
    Lacks,
}

/// How people are told.
///
/// # Examples
/// ```
/// use watchfire_operators::dispatch::NoticeConfig;
/// let config: NoticeConfig = toml::from_str(r#"channels = ["radio", "voice"]"#)?;
/// assert_eq!((config.channels.len(), config.repeat_ms, config.step_ms), (2, 20_000, 60_000));
/// # Ok::<(), toml::de::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NoticeConfig {
    /// The channels, the first first; names of the host's.
    pub channels: Vec<String>,
    /// A notice that nobody has acknowledged is repeated after so long, milliseconds.
    pub repeat_ms: i64,
    /// After so long it goes to the next channel, and from the last to the first of the next who answers for it, milliseconds.
    pub step_ms: i64,
}

impl Default for NoticeConfig {
    /// App, text message and call; repeated every 20 s; 60 s a channel.
    fn default() -> Self {
        let channels = ["app", "sms", "voice"].map(str::to_owned).to_vec();
        NoticeConfig { channels, repeat_ms: 20_000, step_ms: 60_000 }
    }
}

impl NoticeConfig {
    /// What is wrong with it.
    pub(super) fn findings(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        if self.channels.is_empty() || self.channels.len() > usize::from(u8::MAX) {
            wrong.push(format!("notices go out on {} channels, which is not 1 to 255", self.channels.len()));
        }
        if self.repeat_ms <= 0 || self.step_ms < self.repeat_ms {
            wrong.push("a notice is repeated after more than no time, and at least once on a channel".to_owned());
        }
        wrong
    }
}

/// A notice as it goes out. One [`NoticeId`] goes out several times.
///
/// # Examples
/// ```
/// use watchfire_operators::dispatch::{About, Message, Recipient};
/// let line = r#"{"notice":6,"time":2,"to":{"responder":20},"meant_for":{"responder":20},"channel":"app","about":{"go":{"change":3}},"incident":1,"drill":false}"#;
/// let message: Message = serde_json::from_str(line)?;
/// assert_eq!((message.to, message.about, message.time), (Recipient::Responder(20), About::Go { change: 3 }, 2));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// Its number.
    pub notice: NoticeId,
    /// The how manyth time it goes out, from 1.
    pub time: u32,
    /// Who is told now.
    pub to: Recipient,
    /// Who was to be told at first.
    pub meant_for: Recipient,
    /// On which channel.
    pub channel: String,
    /// What they are told.
    pub about: About,
    /// Of which incident, if it is about one.
    pub incident: Option<u64>,
    /// It is an exercise.
    pub drill: bool,
}

/// A notice that was sent.
#[derive(Clone, Debug, PartialEq, Eq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub(super) struct Notice {
    pub(super) about: About,
    pub(super) incident: Option<u64>,
    pub(super) drill: bool,
    /// Who is told, one after the other; never empty.
    pub(super) rungs: Vec<Recipient>,
    pub(super) rung: u8,
    pub(super) channel: u8,
    pub(super) time: u32,
    /// Since when it goes out on this channel, arrival clock, ms.
    pub(super) since_ms: i64,
    /// When it goes out next; never once somebody has acknowledged it.
    pub(super) next_ms: Option<i64>,
    /// What it has come to, the last so many: each answer with when it was given, by the clock of the source in milliseconds, and the rung that was told
    /// then, none once somebody has refused.
    answers: Vec<(Answer, i64, Option<u8>)>,
}

/// How many answers to a notice are remembered: all of every rung, and then some.
const ANSWERS_MAX: usize = 32;

impl Notice {
    pub(super) fn new(about: About, incident: Option<u64>, drill: bool, rungs: Vec<Recipient>, now_ms: i64) -> Self {
        let next_ms = Some(now_ms);
        Notice {
            about,
            incident,
            drill,
            rungs,
            rung: 0,
            channel: 0,
            time: 0,
            since_ms: now_ms,
            next_ms,
            answers: Vec::new(),
        }
    }

    /// Takes in an answer; false if it was heard before. One that comes again, given at the same instant, is not taken for that of who is told now.
    pub(super) fn hears(&mut self, answer: Answer, said_ms: i64, now_ms: i64) -> bool {
        let again = |of: &(Answer, i64, Option<u8>)| of.0 == answer && (of.1 == said_ms || of.2 == Some(self.rung));
        if self.answers.iter().any(again) {
            return false;
        }
        if self.answers.len() >= ANSWERS_MAX {
            self.answers.remove(0);
        }
        self.answers.push((answer, said_ms, Some(self.rung)));
        let is_to_go = matches!(self.meant_for(), Recipient::Responder(_));
        match answer {
            Answer::Delivered => {}
            // Whoever else does not help, somebody has to: the next who answers for it, at once.
            Answer::Refused if !is_to_go => {
                self.rung = self.rung.saturating_add(1).min(self.rungs.len().saturating_sub(1) as u8);
                (self.channel, self.since_ms, self.next_ms) = (0, now_ms, Some(now_ms));
                self.answers.iter_mut().for_each(|(_, _, rung)| *rung = None);
            }
            _ => self.next_ms = None,
        }
        true
    }

    pub(super) fn meant_for(&self) -> Recipient {
        self.rungs.first().copied().unwrap_or(Recipient::Centre)
    }

    /// Goes out, on the next channel if this one has had its time.
    pub(super) fn goes_out(&mut self, id: NoticeId, config: &NoticeConfig, now_ms: i64) -> Message {
        if now_ms.saturating_sub(self.since_ms) >= config.step_ms {
            self.since_ms = now_ms;
            self.channel += 1;
            let last = usize::from(self.rung) + 1 >= self.rungs.len();
            if usize::from(self.channel) >= config.channels.len() {
                self.channel = 0;
                self.rung += u8::from(!last);
            }
        }
        self.time += 1;
        let steps_ms = self.since_ms.saturating_add(config.step_ms);
        self.next_ms = Some(now_ms.saturating_add(config.repeat_ms).min(steps_ms));
        Message {
            notice: id,
            time: self.time,
            to: self.rungs.get(usize::from(self.rung)).copied().unwrap_or(Recipient::Centre),
            meant_for: self.meant_for(),
            channel: config.channels.get(usize::from(self.channel)).cloned().unwrap_or_default(),
            about: self.about,
            incident: self.incident,
            drill: self.drill,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_climbs_until_it_is_acknowledged() {
        let config = NoticeConfig::default();
        let rungs = vec![Recipient::Responder(1), Recipient::Centre];
        let mut notice = Notice::new(About::Aid, Some(1), false, rungs, 1_000);
        let mut went = Vec::new();
        while let Some(at_ms) = notice.next_ms.filter(|at_ms| *at_ms <= 500_000) {
            let message = notice.goes_out(NoticeId(1), &config, at_ms);
            went.push(((at_ms - 1_000) / 1_000, message.channel, message.to));
        }
        let to = |rung, from_s: i64| {
            let of = move |(nth, channel): (i64, &'static str)| {
                [0, 20, 40].map(|s| (from_s + nth * 60 + s, channel.to_owned(), rung))
            };
            (0..).zip(["app", "sms", "voice"]).flat_map(of)
        };
        let crew = to(Recipient::Responder(1), 0);
        // The last rung goes on for ever.
        let centre = to(Recipient::Centre, 180).chain(to(Recipient::Centre, 360));
        assert!(went.into_iter().eq(crew.chain(centre).filter(|(s, _, _)| *s < 500)));
    }

    #[test]
    fn after_a_long_gap_it_goes_on_where_it_was() {
        let mut notice = Notice::new(About::Aid, Some(1), false, vec![Recipient::Brigade, Recipient::Centre], 0);
        let config = NoticeConfig::default();
        notice.goes_out(NoticeId(1), &config, 0);
        let message = notice.goes_out(NoticeId(1), &config, 3_600_000);
        assert_eq!((message.channel, message.to, message.time), ("sms".to_owned(), Recipient::Brigade, 2));
        assert_eq!(notice.next_ms, Some(3_620_000));
    }
}
