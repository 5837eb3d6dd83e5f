//! From what speaks for somebody being unwell to somebody who goes there: are they well?

mod case;
mod raise;
mod row;
mod tally;
mod told;

use serde::{Deserialize, Serialize};
use watchfire_engine::{Context, Describe, Detector, Error, Verdict};

pub use case::CareState;
pub use raise::{Home, UNWELL, sends_to, unwell_demand};
pub use row::{Answer, Ask, CareRow, CareSays, Press};
pub use tally::{CareTally, FalseBudget, StepTally};
pub use told::{CareTells, CareTold, Cause, Refusal, ReviewWhy, SentWhy, Step};

use super::Wearer;
use crate::window::TIME_MAX_MS;
use case::Turn;

/// Finds out whether somebody is well of whom a detector says that they may not be, and sends somebody where nobody answers.
///
/// - **A concern** opens a case, or joins that which is open. The band buzzes for [`buzz_ms`](Confirm::buzz_ms), then they are called for [`call_ms`](Confirm::call_ms), then somebody is to go ([`sends_to`]). No answer, a call that
///   failed, a band that is dead and a gateway that is away advance it: it runs on the arrival clock, whether or not the source is connected, and a job that was away goes on where it would be. Only an answer by a person stops it. Of what is
///   [urgent](super::Grade::Urgent) those who would go are told at once.
/// - **A call for help** sends somebody at once. Pressed again, it joins, and whoever was sent is told; told twice, it is one press.
/// - **What is old when it comes** ([`old_after_ms`](Confirm::old_after_ms)) begins with the call. Where something newer shows that they were well (an answer, steps, the call for help taken back), a person is to look at it instead.
///   Calls for help send somebody up to [`sos_until_ms`](Confirm::sos_until_ms), and so does one that says that it is older than [`dated_ms`](Confirm::dated_ms): that is a clock that was reset. What is older than the last answer is for people to look at as well, however new.
/// - **What is taken back** before anybody was told to go is for people to look at, if nothing else speaks for it. After that it is written down, and nobody is called back: people alone close a case.
/// - **What people have not closed is not forgotten**: where nobody has arrived within [`arrive_ms`](Confirm::arrive_ms), or nobody has looked at it within [`review_ms`](Confirm::review_ms), more are told.
/// - **A mute** has an owner, a reason and an end. What it holds back is listed, and counts when it ends; what is urgent, a very low pulse, one beyond [`hard_pulse_per_min`](Confirm::hard_pulse_per_min), and calls for help pass.
///
/// What is told depends on the order in which rows of a person come, as it must: whoever answers first has answered; and what people said before something else came does not end that. It depends on nothing else.
///
/// Per row: O(what speaks for the case), 64 at most. Memory per person: [`CareState`], 200 bytes and what speaks for the case.
///
/// # Examples
/// ```
/// use watchfire_engine::{Change, Job, TickSource};
/// use watchfire_operators::wristband::{Ask, CareRow, CareTells, CareTold, Concern, Confirm, Evidence, Grade, SentWhy, Sign, Wearer};
/// let job = Job::new(|flow| {
///     let rows = flow.channel::<CareRow>("rows").key_by(|row| row.wearer).event_time(CareRow::EVENT_TIME);
///     rows.detect("confirm", Confirm::default()).out.to_channel("told");
/// });
/// let mut running = job.ticks(TickSource::FROM_EVENTS).start()?;
/// let (rows, told) = (running.sender::<CareRow>("rows")?, running.receiver::<CareTold>("told")?);
/// let fell = |at_ms: i64| {
///     let evidence = Evidence::Fall { impact_ms: at_ms, impact_mg: 3_200, tilt_deg: Some(80) };
///     Concern { wearer: Wearer::Person(7), at_ms, sign: Sign::Fall, grade: Grade::CallBack, evidence }
/// };
/// // Nobody answers, while others move the clock.
/// let other = |at_ms: i64| CareRow { wearer: Wearer::Person(8), at_ms, says: watchfire_operators::wristband::CareSays::Walked };
/// rows.send([vec![CareRow::of(Change::Insert(fell(1_000)))], (1..200).map(|s| other(s * 1_000)).collect()].concat())?;
/// drop(rows);
/// let told: Vec<CareTells> = told.rows().map(|told| told.tells).collect();
/// assert!(matches!(told[..], [
///     CareTells::Opened { .. },
///     CareTells::Asks { ask: Ask::Buzz, .. },
///     CareTells::Asks { ask: Ask::Call, .. },
///     CareTells::Sent { why: SentWhy::Unanswered },
/// ]));
/// running.wait()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Confirm {
    /// For how long the band buzzes.
    pub buzz_ms: i64,
    /// For how long they are called.
    pub call_ms: i64,
    /// What is older than this when it comes is old.
    pub old_after_ms: i64,
    /// Up to this age a call for help sends somebody.
    pub sos_until_ms: i64,
    /// What is older than this has a clock that is wrong: it is taken for new.
    pub dated_ms: i64,
    /// Within so long somebody is with them.
    pub arrive_ms: i64,
    /// Within so long somebody has looked at a case.
    pub review_ms: i64,
    /// Up to which level it is escalated, 1 to 5.
    pub levels: u8,
    /// No mute is longer.
    pub mute_max_ms: i64,
    /// A pulse from which on no mute holds back what is told.
    pub hard_pulse_per_min: u8,
}

impl Default for Confirm {
    /// 45 s, 90 s, half an hour, a day, a week, twenty minutes, half an hour, three levels, a week, and 131 (the upper red limit of NEWS2).
    fn default() -> Self {
        Confirm {
            buzz_ms: 45_000,
            call_ms: 90_000,
            old_after_ms: 30 * 60_000,
            sos_until_ms: 86_400_000,
            dated_ms: 7 * 86_400_000,
            arrive_ms: 20 * 60_000,
            review_ms: 30 * 60_000,
            levels: 3,
            mute_max_ms: 7 * 86_400_000,
            hard_pulse_per_min: 131,
        }
    }
}

impl Confirm {
    /// Whether it can be worked with.
    ///
    /// # Errors
    /// `E0637` if a time is not between a second and thirty days, calls for help are dated for less long than they send somebody, the levels are not 1 to 5, or the hard limit of the pulse is not 100 to 200.
    ///
    /// # Examples
    /// ```
    /// use watchfire_operators::wristband::Confirm;
    /// assert_eq!(Confirm { call_ms: 0, ..Confirm::default() }.check().unwrap_err().code(), "E0637");
    /// ```
    pub fn check(&self) -> Result<(), Error> {
        let times = [
            ("buzz_ms", self.buzz_ms),
            ("call_ms", self.call_ms),
            ("old_after_ms", self.old_after_ms),
            ("sos_until_ms", self.sos_until_ms),
            ("dated_ms", self.dated_ms),
            ("arrive_ms", self.arrive_ms),
            ("review_ms", self.review_ms),
            ("mute_max_ms", self.mute_max_ms),
        ];
        let wrong = times.iter().find(|(_, ms)| !(1_000..=30 * 86_400_000).contains(ms)).map(|(name, _)| *name);
        let wrong = wrong
            .or((self.dated_ms < self.sos_until_ms).then_some("dated_ms"))
            .or((!(1..=5).contains(&self.levels)).then_some("levels"))
            .or((!(100..=200).contains(&self.hard_pulse_per_min)).then_some("hard_pulse_per_min"));
        let Some(at) = wrong else { return Ok(()) };
        let what = format!("nobody can be asked by this: {at} is out of bounds");
        Err(Error::new("E0637", what)
            .at(at)
            .remedy("take times from a second to thirty days, 1 to 5 levels, and a pulse of 100 to 200"))
    }

    fn turn<'t>(&'t self, st: &'t mut CareState, cx: &Context<'_, Wearer, CareTold>) -> Turn<'t> {
        let is_ticking = cx.arrival_ms() != i64::MIN;
        let now_ms = if is_ticking { cx.arrival_ms() } else { cx.event_time_ms() };
        let now_ms = now_ms.clamp(-TIME_MAX_MS, TIME_MAX_MS);
        let mut turn = Turn { config: self, st, now_ms, told: Vec::new() };
        if is_ticking {
            turn.not_ahead_of(now_ms);
        }
        turn.tick();
        turn
    }

    fn leave(&self, turn: Turn<'_>, cx: &mut Context<'_, Wearer, CareTold>) {
        let Turn { st, now_ms, told, .. } = turn;
        let wearer = *cx.key();
        told.into_iter().for_each(|(nth, tells)| cx.emit(CareTold { wearer, nth, at_ms: now_ms, tells }));
        if let Some(due_ms) = st.due_ms() {
            // Before the first tick nobody knows how far that is: it is looked at with the first.
            cx.wake_at_arrival_ms(if cx.arrival_ms() == i64::MIN { i64::MIN + 1 } else { due_ms });
        }
    }
}

impl Detector for Confirm {
    type Key = Wearer;
    type In = CareRow;
    type Out = CareTold;
    type State = CareState;

    fn describe(&self) -> Describe {
        Describe { kind: "confirm", params: format!("{self:?}"), ordered: true }
    }

    fn on_row(&self, st: &mut CareState, row: &CareRow, cx: &mut Context<'_, Wearer, CareTold>) -> Verdict {
        let mut turn = self.turn(st, cx);
        let verdict = turn.row(row);
        self.leave(turn, cx);
        verdict
    }

    fn on_arrival(&self, st: &mut CareState, cx: &mut Context<'_, Wearer, CareTold>) {
        let turn = self.turn(st, cx);
        self.leave(turn, cx);
    }
}
