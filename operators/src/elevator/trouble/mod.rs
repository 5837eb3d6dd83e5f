//! What ails a lift now although nothing in it wears: its link, the sensor in its car, the power of its building, and people.

mod link;
mod misuse;
mod power;
#[cfg(test)]
mod tests;
mod told;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use watchfire_engine::{Context, Describe, Detector, END_MS, State, Verdict, rkyv};

use self::link::Link;
use self::misuse::Misuse;
use self::power::Power;
use super::at_work::AtWork;
use super::{LiftCode, LiftRow, LiftSays, Site};
use crate::calendar::Zone;
use crate::window::TIME_MAX_MS;
pub use told::{Ails, Trouble};

/// Tells what ails the lifts of a site now although nothing in them wears, when it begins and when it is over: what [`Wear`](super::Wear) cannot foretell, for it gives no sign, and what somebody has
/// to see to all the same, since [`Trapped`](super::Trapped) can tell no more than its sensors do.
///
/// - **The link** ([`Ails::Silent`]): a lift that has spoken has told nothing itself for [`silent_ms`](Troubles::silent_ms), measured on the quiet clock of its site, which stands still while the source of the site's last
///   row is away or behind: where people and lifts speak by different sources, leave out what people say before `key_by`. Of lifts that never spoke [`Silence`](crate::detect::Silence) knows, by a roll.
/// - **The sensor in the car**: it [flaps](Ails::PersonFlaps) (somebody comes or goes while doors are closed, as no rows that are [`closed_ms`](Troubles::closed_ms) apart or less can show),
///   it [says the same](Ails::PersonConstant) run after run, or it [says nothing any more](Ails::PersonUnknown). A lift whose sensor has never said anything has none.
/// - **The power of a building** ([`Ails::PowerPoor`]) was lost again and again: what its lifts and its meter tell within [`joined_ms`](Troubles::joined_ms) is one loss. Of each loss itself `Trapped` tells at once.
/// - **People** ([`Ails::Misused`]) hold doors open, or keep them from closing, more often than is to be expected of that lift at that hour of the day. What people at work do is none of it.
///
/// Rows must come in order ([`LiftRow::in_order`] before): a status or trip that is older than the last of its lift is [`Late`](Verdict::Late), until two of them that rise are older by more than a minute, which is a clock that was set back. The end of the input ends no trouble: no more news is no good news. Per
/// row: O(lifts of the site). Memory per lift: 896 bytes.
///
/// # Examples
/// ```
/// use watchfire_engine::{Compose, Job, TickSource};
/// use watchfire_operators::elevator::{Ails, Doors, LiftBook, LiftRow, LiftSays, LiftStatus, Trouble, Troubles};
/// let book = LiftBook::default();
/// let job = Job::new(move |flow| {
///     let book = book.clone();
///     let lifts = flow.channel::<LiftRow>("lifts").key_by(move |row| book.site(row.lift)).event_time(LiftRow::EVENT_TIME);
///     lifts.detect("troubles", LiftRow::in_order(3_000).then(Troubles::default())).out.1.to_channel("told");
/// });
/// let mut running = job.ticks(TickSource::FROM_EVENTS).start()?;
/// let (lifts, told) = (running.sender::<LiftRow>("lifts")?, running.receiver::<Trouble>("told")?);
/// // Doors stay closed, and somebody comes and goes.
/// let status = |second: i64| LiftStatus { doors: Some(Doors::Closed), person: Some(second % 9 < 5), ..LiftStatus::default() };
/// lifts.send((0..120).map(|second| LiftRow { lift: 31, at_ms: second * 1_000, says: LiftSays::Status(status(second)) }).collect())?;
/// drop(lifts);
/// let told: Vec<Trouble> = told.rows().collect();
/// assert_eq!((told.len(), &told[0].ails, told[0].lift), (1, &Ails::PersonFlaps { changes: 20 }, Some(31)));
/// running.wait()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Troubles {
    /// By whose clocks the hours of a day are told apart.
    pub zone: Zone,
    /// A lift that tells nothing for so long is silent; milliseconds, above 0.
    pub silent_ms: i64,
    /// Doors that are closed in two rows so far apart or less were closed in between; milliseconds.
    pub closed_ms: i64,
    /// A sensor that has changed its mind behind closed doors so often, each time counting 1/e of it a day later, flaps; until it is a quarter of that.
    pub flaps: u32,
    /// A sensor that says the same, or nothing, through so many runs is out of order.
    pub constant_runs: u32,
    /// Losses of power so far apart or less are one; milliseconds.
    pub joined_ms: i64,
    /// So many losses of power in [`losses_days`](Troubles::losses_days) are too many; 1 to 32.
    pub losses: u32,
    /// See [`losses`](Troubles::losses).
    pub losses_days: u32,
    /// Doors that are open for so long are held; milliseconds, above 0. Only rows can show it that are twice [`closed_ms`](Troubles::closed_ms) apart or less.
    pub held_ms: i64,
    /// Doors that turn back so often on one trip are kept from closing.
    pub reversals: u16,
    /// How often a lift is misused in an hour, and for how many hours that is believed; both above 0.
    pub misuses_an_hour: f64,
    /// See [`misuses_an_hour`](Troubles::misuses_an_hour).
    pub believed_hours: f64,
    /// What happens as often as in an hour of so many, or more seldom, is odd: a probability.
    pub odd: f64,
}

impl Default for Troubles {
    /// Hours of Shanghai; silent after 15 minutes, where gateways beat every ten; a cycle of doors takes 8 s; 20 changes; 100 runs; a quarter of an hour; three losses in 30 days; doors held for a minute, or turned back three
    /// times; once in fifty hours, believed for three days; one hour in 100,000 (a false one in ten days of 400 lifts). All but the cycle of doors and the minute are assumptions.
    fn default() -> Self {
        Troubles {
            zone: Zone::default(),
            silent_ms: 900_000,
            closed_ms: 8_000,
            flaps: 20,
            constant_runs: 100,
            joined_ms: 900_000,
            losses: 3,
            losses_days: 30,
            held_ms: 60_000,
            reversals: 3,
            misuses_an_hour: 0.02,
            believed_hours: 72.0,
            odd: 1e-5,
        }
    }
}

/// What is known of a lift.
#[derive(Clone, Debug, Default, PartialEq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
#[rkyv(crate = rkyv)]
struct Watched {
    link: Link,
    misuse: Misuse,
    work: AtWork,
}

/// What [`Troubles`] remembers of a site.
#[derive(Clone, Debug, Default, PartialEq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
#[rkyv(crate = rkyv)]
pub struct TroublesState {
    lifts: BTreeMap<u32, Watched>,
    power: Power,
}

impl State for TroublesState {
    const NAME: &'static str = "watchfire.lift_troubles";
    const VERSION: u32 = 1;
}

type Cx<'a, 'b> = &'a mut Context<'b, Site, Trouble>;

/// Something that begins or is over: since when, when, and what it is.
struct News {
    from_ms: i64,
    at_ms: i64,
    over: bool,
    ails: Ails,
}

impl Troubles {
    /// What a lift tells of itself, in the order of its time. Late if it told something newer before.
    fn own(&self, of: &mut Watched, says: &LiftSays, (at_ms, quiet_ms): (i64, i64), told: &mut Vec<News>) -> Verdict {
        if of.link.heard(at_ms, quiet_ms, told) {
            of.misuse.set_back();
        }
        let is_normal = of.work.is_normal(at_ms);
        let verdict = match says {
            LiftSays::Status(status) => {
                let verdict = of.link.status(self, status, at_ms, told);
                if verdict == Verdict::Applied {
                    of.link.alive(quiet_ms);
                }
                if verdict == Verdict::Applied && is_normal {
                    of.misuse.status(self, status, at_ms, told);
                }
                verdict
            }
            LiftSays::Trip(trip) => of.misuse.trip(self, trip, (at_ms, is_normal), told),
            _ => Verdict::Applied,
        };
        if verdict == Verdict::Applied {
            of.misuse.heard(self, at_ms, told);
        }
        verdict
    }

    /// Losses of power up to the watermark, and what is no longer so by then.
    fn settle(&self, st: &mut TroublesState, cx: Cx<'_, '_>) {
        let mut told = Vec::new();
        let (watermark_ms, arrival_ms) = (cx.watermark_ms(), cx.arrival_ms());
        // Before the first tick there is no clock of ours.
        let now_ms = if arrival_ms == i64::MIN { watermark_ms } else { watermark_ms.min(arrival_ms) };
        st.power.settle(self, (watermark_ms, now_ms), &mut told);
        if watermark_ms < END_MS {
            st.power.recover(self, now_ms, &mut told);
        }
        tell(None, told, cx);
        if let Some(due_ms) = st.power.due_ms(self) {
            cx.wake_at_event_ms(due_ms);
        }
    }

    fn wake_when_silent(&self, st: &TroublesState, cx: Cx<'_, '_>) {
        if let Some(due_ms) = st.lifts.values().filter_map(|of| of.link.silent_due_ms(self)).min() {
            cx.wake_at_quiet_ms(due_ms);
        }
    }
}

fn tell(lift: Option<u32>, told: Vec<News>, cx: Cx<'_, '_>) {
    let site = *cx.key();
    for News { from_ms, at_ms, over, ails } in told {
        // What began by a clock that was set back since did not begin after it ended.
        let from_ms = from_ms.min(at_ms);
        cx.emit(Trouble { site, lift, from_ms, at_ms, over, ails });
    }
}

impl Detector for Troubles {
    type Key = Site;
    type In = LiftRow;
    type Out = Trouble;
    type State = TroublesState;

    fn describe(&self) -> Describe {
        Describe { kind: "lift_troubles", params: format!("{self:?}"), ordered: true }
    }

    fn on_row(&self, st: &mut TroublesState, row: &LiftRow, cx: Cx<'_, '_>) -> Verdict {
        // Of a lift whose clock is ahead the engine knows better.
        let at_ms = row.at_ms.min(cx.event_time_ms());
        if !(-TIME_MAX_MS..=TIME_MAX_MS).contains(&at_ms) {
            return Verdict::Late;
        }
        let is_lost = matches!(&row.says, LiftSays::Power { lost: true })
            || matches!(&row.says, LiftSays::Code(coded) if coded.code == LiftCode::PowerLost);
        if is_lost {
            st.power.lost(at_ms);
        }
        let (mut told, mut verdict) = (Vec::new(), Verdict::Applied);
        // A meter tells of the power of the building, whatever becomes of the lift.
        if !matches!(row.says, LiftSays::Power { .. }) {
            let of = st.lifts.entry(row.lift).or_default();
            of.work.hear(&row.says, at_ms);
            match &row.says {
                // What waits for nothing has overtaken what was before it.
                LiftSays::Code(_) if row.says.is_urgent() => of.link.alive(cx.quiet_ms()),
                LiftSays::Status(_) | LiftSays::Code(_) | LiftSays::Trip(_) | LiftSays::Totals(_) => {
                    verdict = self.own(of, &row.says, (at_ms, cx.quiet_ms()), &mut told);
                }
                _ => {}
            }
        }
        tell(Some(row.lift), told, cx);
        self.settle(st, cx);
        self.wake_when_silent(st, cx);
        verdict
    }

    fn on_watermark(&self, st: &mut TroublesState, cx: Cx<'_, '_>) {
        self.settle(st, cx);
    }

    fn on_quiet(&self, st: &mut TroublesState, cx: Cx<'_, '_>) {
        let quiet_ms = cx.quiet_ms();
        for (lift, of) in &mut st.lifts {
            let mut told = Vec::new();
            of.link.quiet(self, quiet_ms, &mut told);
            tell(Some(*lift), told, cx);
        }
        self.wake_when_silent(st, cx);
    }
}
