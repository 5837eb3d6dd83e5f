//! Whether somebody is trapped in a lift, and how far help is.

mod car;
mod config;
mod raise;
mod rescue;
mod site;
#[cfg(test)]
mod tests;
mod told;

pub use config::{ResponseConfig, TrapConfig};
pub use raise::{TRAPPED, reports_to};
pub use site::SiteState;
pub use told::{Doubt, Goes, InCut, LiftInCut, LiftTold, Tells, Trap, TrapCause, TrapWhy};

use std::fmt;
use std::sync::Arc;

use watchfire_engine::{Context, Describe, Detector, Error, Verdict};

use super::{LiftBook, LiftRow, Site};
use site::Turn;

/// Tells when somebody may be trapped in a lift, and watches over it until people say that it is over.
///
/// - **Stands between floors** for 45 s with somebody in it, whatever its doors are; **at a floor with closed doors** for 30 s
///   ([`TrapConfig`]). Who is in the car is kept between two openings of its doors at a floor: a sensor flickers, and nobody appears or vanishes in a closed car.
/// - **What is not known**, or not to be believed, is not taken for safe: it is told as [`Possibly`](Trap::Possibly), with the [`Doubt`]. Where an answer is missing
///   after twice as long, where it is only weak after no longer. Of a car between floors a sensor that says nobody is not enough. Where no sensor is fitted,
///   a car that is parked is no reason to look, but one that stands between floors is, one that has told a fault, and one that is taken out of service with its doors closed, until they open.
///   In a car that has told a fault, or is out of service, nobody waits for a sensor that may lie: one that says nobody makes it no longer, and whom it sees late was in it all the time.
/// - **The button, the intercom, and a controller that says so** are told at once, in every mode.
/// - **Whoever works on the lift** (inspection, maintenance, fire) is told first, if it is known who; whoever dispatches, when they do not
///   [answer](ResponseConfig::answer_ms) in time. Nothing is dropped.
/// - **Without power** all lifts of the building are listed, each with its own clock; one that was silent since, and in which somebody was seen, is told as possibly trapped.
/// - **People alone** say that it is over. Until then a lift has one trapping, which may become surer; after that it has none until the car moves, its doors open, or somebody calls.
/// - **Clocks**: what holds is acted upon when a later row of the lift, or the watermark, has passed it; and when neither comes, [`slack_ms`](TrapConfig::slack_ms) later
///   on the arrival clock, whether or not the source is connected. Answer, arrival and escalation are on the arrival clock.
///
/// Rows of a lift must come in the order of their times: put [`LiftRow::in_order`] before. A status that is older than the last of its lift is [`Late`](Verdict::Late), unless it is so by more than a minute, which is a clock that was set back; one that repeats it a [`Duplicate`](Verdict::Duplicate).
///
/// **A clock that is far ahead**: by default the engine keeps such rows from every detector, and a call may be among them. Take rows by
/// [`LiftRow::EVENT_TIME`], which lets it learn the error. A lift whose clock is behind those of its building is acted upon by its own rows and our clock.
///
/// Per row: O(lifts of the site). Memory per site: [`SiteState`], 416 bytes a lift and its last calls.
///
/// # Examples
/// ```
/// use std::sync::Arc;
/// use watchfire_engine::{Job, TickSource};
/// use watchfire_operators::elevator::{Doors, Lift, LiftBook, LiftRow, LiftSays, LiftStatus, LiftTold, Tells, Trap, TrapConfig, Trapped};
/// use watchfire_engine::Compose;
/// let book = Arc::new(LiftBook::new([(31, Lift { building: Some(7), ..Lift::default() })]));
/// let trapped = Trapped::new(TrapConfig::default(), book.clone())?;
/// let job = Job::new(move |flow| {
///     let book = book.clone();
///     let rows = flow.channel::<LiftRow>("lifts").key_by(move |row| book.site(row.lift));
///     let rows = rows.event_time(LiftRow::EVENT_TIME);
///     rows.detect("trapped", LiftRow::in_order(3_000).then(trapped.clone())).out.1.to_channel("told");
/// });
/// let mut running = job.ticks(TickSource::FROM_EVENTS).start()?;
/// let (lifts, told) = (running.sender::<LiftRow>("lifts")?, running.receiver::<LiftTold>("told")?);
/// // It stops between two floors, with somebody in it.
/// let status = |second: i64| LiftStatus {
///     moving: Some(second < 10), level: Some(false), doors: Some(Doors::Closed), person: Some(second > 3), ..LiftStatus::default()
/// };
/// lifts.send((0..70).map(|second| LiftRow { lift: 31, at_ms: second * 1_000, says: LiftSays::Status(status(second)) }).collect())?;
/// drop(lifts);
/// let raised = told.rows().find_map(|told| match told.tells {
///     Tells::Raised { lift, trap, why, .. } => Some((lift, trap, why.since_ms)),
///     _ => None,
/// });
/// assert_eq!(raised, Some((31, Trap::Trapped, 10_000)));
/// running.wait()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Trapped {
    config: TrapConfig,
    book: Arc<LiftBook>,
}

impl fmt::Debug for Trapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Trapped({:?}, {} lifts)", self.config, self.book.lifts().len())
    }
}

impl Trapped {
    /// By these rules, over these lifts; others are watched as well, each alone.
    ///
    /// # Errors
    /// `E0603` with everything that is wrong with the rules.
    pub fn new(config: TrapConfig, book: Arc<LiftBook>) -> Result<Self, Error> {
        let wrong = config.findings();
        if wrong.is_empty() {
            return Ok(Trapped { config, book });
        }
        Err(Error::new("E0603", format!("the rules for trapped people: {}", wrong.join("; ")))
            .remedy("give times between 1 ms and a day, and levels that rise"))
    }

    fn turn<'a>(
        &'a self,
        st: &'a mut SiteState,
        row_ms: i64,
        cx: &Context<'_, Site, LiftTold>,
        told: &'a mut Vec<Tells>,
    ) -> Turn<'a> {
        let now_ms = st.now_ms(cx.arrival_ms(), row_ms);
        let watermark_ms = cx.watermark_ms();
        Turn { config: &self.config, book: &self.book, site: *cx.key(), st, now_ms, watermark_ms, told }
    }

    fn leave(&self, st: &SiteState, told: Vec<Tells>, now_ms: i64, cx: &mut Context<'_, Site, LiftTold>) {
        let site = *cx.key();
        told.into_iter().for_each(|tells| cx.emit(LiftTold { site, at_ms: now_ms, tells }));
        let [by_event, by_arrival] = st.due_ms(&self.config, &self.book, now_ms);
        if let Some(due_ms) = by_event {
            cx.wake_at_event_ms(due_ms);
        }
        if let Some(due_ms) = by_arrival {
            cx.wake_at_arrival_ms(due_ms);
        }
    }
}

impl Detector for Trapped {
    type Key = Site;
    type In = LiftRow;
    type Out = LiftTold;
    type State = SiteState;

    fn describe(&self) -> Describe {
        let lifts: Vec<_> = self.book.lifts().map(|(lift, of)| (lift, of.building, of.senses_people)).collect();
        Describe { kind: "trapped", params: format!("{:?} of {lifts:?}", self.config), ordered: true }
    }

    fn on_row(&self, st: &mut SiteState, row: &LiftRow, cx: &mut Context<'_, Site, LiftTold>) -> Verdict {
        let mut told = Vec::new();
        let mut turn = self.turn(st, row.at_ms, cx, &mut told);
        let verdict = turn.row(row);
        let now_ms = turn.now_ms;
        self.leave(st, told, now_ms, cx);
        verdict
    }

    fn on_watermark(&self, st: &mut SiteState, cx: &mut Context<'_, Site, LiftTold>) {
        let mut told = Vec::new();
        let mut turn = self.turn(st, cx.event_time_ms(), cx, &mut told);
        turn.watermark(cx.watermark_ms());
        let now_ms = turn.now_ms;
        self.leave(st, told, now_ms, cx);
    }

    fn on_arrival(&self, st: &mut SiteState, cx: &mut Context<'_, Site, LiftTold>) {
        let mut told = Vec::new();
        let mut turn = self.turn(st, cx.event_time_ms(), cx, &mut told);
        turn.tick();
        let now_ms = turn.now_ms;
        self.leave(st, told, now_ms, cx);
    }
}
