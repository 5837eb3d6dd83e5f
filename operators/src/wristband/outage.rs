//! Gateways of which nothing is heard, and who is unprotected meanwhile.

use std::cmp::Reverse;

use serde::{Deserialize, Serialize};
use watchfire_engine::{Context, Describe, Detector, Error, EventTime, State, Timed, Verdict, rkyv};

use super::{VitalRow, Wearer};
use crate::alarm::Severity;
use crate::dispatch::{Raised, Report, Says, Skills};
use crate::geo::Position;
use crate::window::TIME_MAX_MS;

/// Something of a gateway: what connects bands with us. A band that reaches us by itself is a gateway of its own.
///
/// # Examples
/// ```
/// use watchfire_operators::wristband::{GatewayRow, GatewaySays, Wearer};
/// let row: GatewayRow = serde_json::from_str(r#"{"gateway":3,"at_ms":1000,"says":{"heard":{"wearer":{"person":7}}}}"#)?;
/// assert_eq!(row.says, GatewaySays::Heard { wearer: Wearer::Person(7) });
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GatewayRow {
    /// The gateway.
    pub gateway: u32,
    /// When it was so, by the clock of whatever tells it, milliseconds since 1970-01-01 UTC.
    pub at_ms: i64,
    /// What is told.
    pub says: GatewaySays,
}

impl Timed for GatewayRow {
    fn event_time_ms(&self) -> i64 {
        self.at_ms
    }
}

impl GatewayRow {
    /// How rows are taken: as those of [vitals](VitalRow::EVENT_TIME).
    pub const EVENT_TIME: EventTime = VitalRow::EVENT_TIME;
}

/// What is told in a [`GatewayRow`].
///
/// # Examples
/// See [`GatewayRow`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GatewaySays {
    /// Somebody's band was heard through it.
    Heard {
        /// Whose.
        wearer: Wearer,
    },
    /// It says itself that it is there.
    Alive,
    /// Somebody counts on it, as is recorded.
    Serves {
        /// Who.
        wearer: Wearer,
        /// How much is at risk for them, more is worse: what it means is the host's.
        risk: u8,
    },
    /// Somebody does not count on it any more.
    Leaves {
        /// Who.
        wearer: Wearer,
    },
}

/// Something that happens to a gateway.
///
/// # Examples
/// See [`Outages`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutageTold {
    /// The gateway.
    pub gateway: u32,
    /// Which of its outages, from 1.
    pub nth: u32,
    /// When it is told, on the arrival clock.
    pub at_ms: i64,
    /// What.
    pub tells: OutageTells,
}

impl Timed for OutageTold {
    fn event_time_ms(&self) -> i64 {
        self.at_ms
    }
}

/// What is told in an [`OutageTold`].
///
/// # Examples
/// See [`Outages`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutageTells {
    /// Nothing is heard of it.
    Began {
        /// Since when, on the arrival clock.
        since_ms: i64,
        /// Who is unprotected: those of whom nobody has recorded the risk first, then those with the highest; of equals those first who were silent before.
        people: Vec<Unprotected>,
    },
    /// Somebody more is unprotected, as was recorded meanwhile.
    Joined(Unprotected),
    /// It is heard again.
    Over {
        /// For how long it was not.
        lasted_ms: i64,
    },
}

/// Somebody who counts on a gateway that is away.
///
/// # Examples
/// See [`Outages`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unprotected {
    /// Who.
    pub wearer: Wearer,
    /// How much is at risk for them; none where nobody has recorded it.
    pub risk: Option<u8>,
    /// When something was heard of them last, on the arrival clock; none if never through this.
    pub heard_ms: Option<i64>,
    /// They were silent already when it went away.
    pub was_silent: bool,
}

/// Tells of gateways of which nothing is heard, one incident each, with all who are unprotected meanwhile.
///
/// A gateway is away when nothing has come through it, and it has not said itself that it is there, for [`after_ms`](Outages::after_ms) on the arrival clock: whether or not its source is connected, for that may be why. One that is recorded to serve somebody and was never heard is away as well. Whatever
/// comes through it, however old, ends it.
///
/// It is a gateway that is away, not a person who is silent: [`NoSignal`](super::NoSignal) waits meanwhile, if the source says that it is disconnected, and whoever was silent before keeps the time ([`was_silent`](Unprotected::was_silent) here).
///
/// Whoever was heard through it counts on it, and is forgotten a week after they were heard last unless it is recorded that they do.
///
/// Per row: O(log people), of somebody new O(people). Memory per gateway: 48 bytes, and 32 for each who counts on it.
///
/// # Examples
/// ```
/// use watchfire_engine::{Job, TickSource};
/// use watchfire_operators::wristband::{GatewayRow, GatewaySays, OutageTells, OutageTold, Outages, Wearer};
/// let job = Job::new(|flow| {
///     let rows = flow.channel::<GatewayRow>("rows").key_by(|row| row.gateway).event_time(GatewayRow::EVENT_TIME);
///     rows.detect("outages", Outages::default()).out.to_channel("told");
/// });
/// let mut running = job.ticks(TickSource::FROM_EVENTS).start()?;
/// let (rows, told) = (running.sender::<GatewayRow>("rows")?, running.receiver::<OutageTold>("told")?);
/// let row = |gateway: u32, at_ms: i64, says: GatewaySays| GatewayRow { gateway, at_ms, says };
/// let serves = |person: u32, risk: u8| GatewaySays::Serves { wearer: Wearer::Person(person), risk };
/// let mut all = vec![row(3, 0, serves(7, 1)), row(3, 0, serves(8, 5))];
/// // The gateway 4 goes on, and the clock with it.
/// all.extend((0..400).map(|second| row(4, second * 1_000, GatewaySays::Alive)));
/// rows.send(all)?;
/// drop(rows);
/// let told: Vec<OutageTold> = told.rows().collect();
/// let OutageTells::Began { people, .. } = &told[0].tells else { panic!("{told:?}") };
/// assert_eq!((told[0].gateway, people[0].wearer, people[1].wearer), (3, Wearer::Person(8), Wearer::Person(7)));
/// running.wait()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Outages {
    /// After so long without anything a gateway is away.
    pub after_ms: i64,
    /// Whoever was not heard for so long before it went away was silent already.
    pub silent_ms: i64,
    /// Whoever was not heard for so long, and is not recorded to count on it, does not any more.
    pub forget_ms: i64,
}

impl Default for Outages {
    /// 4 minutes, so that it is told within 5; an hour, and a week.
    fn default() -> Self {
        Outages { after_ms: 240_000, silent_ms: 3_600_000, forget_ms: 7 * 86_400_000 }
    }
}

/// With so many more who count on it, those are looked for who do not any more.
const PRUNED: usize = 256;

/// Somebody who counts on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
#[rkyv(crate = rkyv)]
struct Served {
    wearer: Wearer,
    risk: Option<u8>,
    heard_ms: Option<i64>,
}

/// What [`Outages`] remembers of a gateway.
#[derive(Clone, Debug, Default, PartialEq, Eq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
#[rkyv(crate = rkyv)]
pub struct GatewayState {
    nth: u32,
    /// When something came through it last, on the arrival clock.
    heard_ms: Option<i64>,
    is_away: bool,
    /// By who they are.
    served: Vec<Served>,
}

impl State for GatewayState {
    const NAME: &'static str = "watchfire.gateway";
    const VERSION: u32 = 1;
}

impl GatewayState {
    /// Those who count on it, whoever it is with them.
    fn of(&mut self, wearer: Wearer) -> &mut Served {
        let at = match self.served.binary_search_by_key(&wearer, |of| of.wearer) {
            Ok(at) => at,
            Err(at) => {
                self.served.insert(at, Served { wearer, risk: None, heard_ms: None });
                at
            }
        };
        &mut self.served[at]
    }

    fn unprotected(&mut self, since_ms: i64, config: &Outages) -> Vec<Unprotected> {
        let is_long_ago =
            |of: &Served, ms: i64| of.heard_ms.is_none_or(|heard_ms| since_ms.saturating_sub(heard_ms) > ms);
        self.served.retain(|of| of.risk.is_some() || !is_long_ago(of, config.forget_ms));
        let unprotected = |of: &Served| Unprotected {
            wearer: of.wearer,
            risk: of.risk,
            heard_ms: of.heard_ms,
            was_silent: is_long_ago(of, config.silent_ms),
        };
        let mut people: Vec<Unprotected> = self.served.iter().map(unprotected).collect();
        people.sort_by_key(|of| {
            (of.risk.map_or(Reverse(u16::MAX), |risk| Reverse(risk.into())), !of.was_silent, of.wearer)
        });
        people
    }
}

type Cx<'a, 'b> = &'a mut Context<'b, u32, OutageTold>;

impl Outages {
    /// Whether it can be worked with.
    ///
    /// # Errors
    /// `E0638` if a time is not between a second and thirty days.
    ///
    /// # Examples
    /// ```
    /// use watchfire_operators::wristband::Outages;
    /// assert_eq!(Outages { after_ms: 0, ..Outages::default() }.check().unwrap_err().code(), "E0638");
    /// ```
    pub fn check(&self) -> Result<(), Error> {
        let times = [("after_ms", self.after_ms), ("silent_ms", self.silent_ms), ("forget_ms", self.forget_ms)];
        match times.iter().find(|(_, ms)| !(1_000..=30 * 86_400_000).contains(ms)) {
            Some((at, ms)) => {
                let what = format!("outages cannot be told by this: {at} is {ms}");
                Err(Error::new("E0638", what).at(*at).remedy("take a time from a second to thirty days"))
            }
            None => Ok(()),
        }
    }

    /// Something came through it.
    fn heard(st: &mut GatewayState, now_ms: i64, cx: Cx<'_, '_>) {
        let was_ms = st.heard_ms.replace(now_ms);
        if std::mem::take(&mut st.is_away) {
            let lasted_ms = now_ms.saturating_sub(was_ms.unwrap_or(now_ms));
            cx.emit(OutageTold {
                gateway: *cx.key(),
                nth: st.nth,
                at_ms: now_ms,
                tells: OutageTells::Over { lasted_ms },
            });
        }
    }

    /// Tells that it is away, if it is; or asks to look again when it may be.
    fn look(&self, st: &mut GatewayState, now_ms: i64, cx: Cx<'_, '_>) {
        let Some(since_ms) = st.heard_ms.filter(|_| !st.is_away && !st.served.is_empty()) else { return };
        let due_ms = since_ms.saturating_add(self.after_ms.max(1));
        if cx.arrival_ms() == i64::MIN {
            // Before the first tick nobody knows how far that is: it is looked at with the first.
            return cx.wake_at_arrival_ms(i64::MIN + 1);
        }
        if now_ms < due_ms {
            return cx.wake_at_arrival_ms(due_ms);
        }
        let people = st.unprotected(since_ms, self);
        if people.is_empty() {
            return;
        }
        (st.is_away, st.nth) = (true, st.nth.saturating_add(1));
        let tells = OutageTells::Began { since_ms, people };
        cx.emit(OutageTold { gateway: *cx.key(), nth: st.nth, at_ms: now_ms, tells });
    }
}

/// The arrival clock; before its first tick what comes is as new as it says.
fn now_ms(cx: Cx<'_, '_>) -> i64 {
    let now_ms = if cx.arrival_ms() == i64::MIN { cx.event_time_ms() } else { cx.arrival_ms() };
    now_ms.clamp(-TIME_MAX_MS, TIME_MAX_MS)
}

impl Detector for Outages {
    type Key = u32;
    type In = GatewayRow;
    type Out = OutageTold;
    type State = GatewayState;

    fn describe(&self) -> Describe {
        Describe { kind: "outages", params: format!("{self:?}"), ordered: false }
    }

    fn on_row(&self, st: &mut GatewayState, row: &GatewayRow, cx: Cx<'_, '_>) -> Verdict {
        let now_ms = now_ms(cx);
        match row.says {
            GatewaySays::Heard { wearer } => {
                if st.of(wearer).heard_ms.replace(now_ms).is_none() && st.served.len().is_multiple_of(PRUNED) {
                    let oldest_ms = now_ms.saturating_sub(self.forget_ms);
                    st.served
                        .retain(|of| of.risk.is_some() || of.heard_ms.is_some_and(|heard_ms| heard_ms >= oldest_ms));
                }
                Self::heard(st, now_ms, cx);
            }
            GatewaySays::Alive => Self::heard(st, now_ms, cx),
            GatewaySays::Serves { wearer, risk } => {
                let Served { heard_ms, .. } = *st.of(wearer);
                let was = st.of(wearer).risk.replace(risk);
                if st.is_away && was != Some(risk) {
                    let person = Unprotected { wearer, risk: Some(risk), heard_ms, was_silent: heard_ms.is_none() };
                    let tells = OutageTells::Joined(person);
                    cx.emit(OutageTold { gateway: row.gateway, nth: st.nth, at_ms: now_ms, tells });
                }
                // Of one that was never heard the time begins here.
                st.heard_ms.get_or_insert(now_ms);
            }
            GatewaySays::Leaves { wearer } => st.served.retain(|of| of.wearer != wearer),
        }
        self.look(st, now_ms, cx);
        Verdict::Applied
    }

    fn on_arrival(&self, st: &mut GatewayState, cx: Cx<'_, '_>) {
        let now_ms = now_ms(cx);
        // Before the first tick there was no clock of ours: nothing was heard ahead of it.
        st.heard_ms = st.heard_ms.map(|heard_ms| heard_ms.min(now_ms));
        self.look(st, now_ms, cx);
    }
}

/// The cause of an incident in which people are unprotected.
///
/// # Examples
/// See [`outage_to`].
pub const UNPROTECTED: &str = "unprotected";

/// What those who dispatch are to be told of an outage: somebody is to see to the gateway, at its place. One incident each, however many are unprotected. That it is heard again calls nobody back.
///
/// # Examples
/// ```
/// use watchfire_operators::dispatch::Says;
/// use watchfire_operators::wristband::{OutageTells, OutageTold, outage_to};
/// let told = OutageTold { gateway: 3, nth: 2, at_ms: 1_000, tells: OutageTells::Began { since_ms: 0, people: Vec::new() } };
/// let Some(Says::Raised(raised)) = outage_to(1, 2, None, &told).map(|report| report.says) else { return };
/// assert_eq!((raised.source.as_str(), raised.district), ("gateway/3/outage/2", 2));
/// ```
#[must_use]
pub fn outage_to(theatre: u32, district: u32, place: Option<Position>, told: &OutageTold) -> Option<Report> {
    let OutageTells::Began { .. } = told.tells else { return None };
    let raised = Raised {
        source: format!("gateway/{}/outage/{}", told.gateway, told.nth),
        cause: UNPROTECTED.to_owned(),
        place,
        asset: Some(format!("gateway/{}", told.gateway)),
        severity: Severity::Alarm,
        level: 1,
        district,
        asks: Skills(0),
        drill: false,
    };
    Some(Report { theatre, at_ms: told.at_ms, says: Says::Raised(raised) })
}

#[cfg(test)]
mod tests {
    use watchfire_engine::Key;

    use super::*;

    /// What is said of the memory of a gateway, and what is stored of it.
    #[test]
    fn states_take_so_many_bytes_and_are_stored_as_ever() {
        let served = vec![
            Served { wearer: Wearer::Person(7), risk: Some(3), heard_ms: None },
            Served { wearer: Wearer::Band(12), risk: None, heard_ms: Some(5) },
        ];
        let state = GatewayState { nth: 2, heard_ms: Some(6), is_away: true, served };
        let bytes = state.encode().unwrap();
        assert_eq!(GatewayState::decode(&bytes).unwrap(), state);
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!((size_of::<GatewayState>(), size_of::<Served>()), (48, 32));
        assert_eq!(
            (bytes.len(), hex.stable_hash()),
            (104, 9_955_183_621_932_782_283),
            "a new layout needs a new version"
        );
    }
}
