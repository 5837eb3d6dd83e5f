//! Keeps what is on record of lifts, from what is told of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use watchfire_engine::{Compose, Context, Describe, Detector, State, Stream, Table, Timed, Verdict, rkyv};

use super::{FaultClass, Faults, LiftBook, LiftFault, LiftRow, LiftSays, LiftTold, RescueStep, Tally, Tells};
use crate::calendar::Zone;
use crate::window::TIME_MAX_MS;

const DAY_MS: i64 = 86_400_000;

/// What goes into the record of a lift.
///
/// # Examples
/// ```
/// use watchfire_operators::elevator::{LiftNews, LiftTold, Site, Tells};
/// let told = LiftTold { site: Site::building(7), at_ms: 0, tells: Tells::PowerBack };
/// assert_eq!(LiftNews::Told(told).lift(), None);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LiftNews {
    /// What it has told itself, and people of it.
    Row(LiftRow),
    /// A fault.
    Fault(LiftFault),
    /// What was told of people who may be trapped in it.
    Told(LiftTold),
}

impl LiftNews {
    /// The lift; none if it is about all of a building.
    #[must_use]
    pub fn lift(&self) -> Option<u32> {
        match self {
            LiftNews::Row(row) => Some(row.lift),
            LiftNews::Fault(fault) => Some(fault.lift),
            LiftNews::Told(told) => told.tells.lift(),
        }
    }
}

impl Timed for LiftNews {
    fn event_time_ms(&self) -> i64 {
        match self {
            LiftNews::Row(row) => row.event_time_ms(),
            LiftNews::Fault(fault) => fault.event_time_ms(),
            LiftNews::Told(told) => told.event_time_ms(),
        }
    }
}

/// The record of a lift, when it has changed.
///
/// # Examples
/// A lift that is heard twice on one day, and once on the next:
/// ```
/// use watchfire_engine::{Job, TickSource};
/// use watchfire_operators::elevator::{LiftNews, LiftRecords, LiftRow, LiftSays, LiftStatus, Recorded};
/// let job = Job::new(|flow| {
///     let news = flow.channel::<LiftNews>("news").key_by(|news| news.lift().unwrap_or_default());
///     news.detect("records", LiftRecords::default()).out.to_channel("recorded");
/// });
/// let mut running = job.ticks(TickSource::FromEvents { interval_ms: 60_000, max_jump_ms: 30 * 86_400_000 }).start()?;
/// let (news, recorded) = (running.sender::<LiftNews>("news")?, running.receiver::<Recorded>("recorded")?);
/// let heard = |hour: i64| LiftRow { lift: 31, at_ms: hour * 3_600_000, says: LiftSays::Status(LiftStatus::default()) };
/// news.send([0, 1, 24].map(|hour| LiftNews::Row(heard(hour))).to_vec())?;
/// drop(news);
/// let days: Vec<(i64, u32)> = recorded.rows().map(|of| (of.at_ms / 3_600_000, of.tally.days)).collect();
/// assert_eq!(days, [(0, 1), (24, 2)]);
/// running.wait()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recorded {
    /// The lift.
    pub lift: u32,
    /// By what it has changed: when that was, milliseconds since 1970-01-01 UTC.
    pub at_ms: i64,
    /// All that is on record.
    pub tally: Tally,
}

impl Timed for Recorded {
    fn event_time_ms(&self) -> i64 {
        self.at_ms
    }
}

/// Keeps the record of each lift, and tells it whenever it has changed: at most once a day, and with what happens.
///
/// - **Days** count on which the lift told something itself, each later than those before. An offline lift gains none.
/// - **Faults** are those of [`Faults`] that began while nobody was [at work](LiftFault::at_work): one of a class, however often it is told, until it was not told for a day.
/// - **Repairs**: mended ([`LiftSays::Visited`]) not more than [`repair_days`](LiftRecords::repair_days) after a fault of the class was told for the first time; what was mended later was something else.
/// - **Visits** are due [`visit_every_days`](LiftRecords::visit_every_days) after the last that counted, or after the lift was first heard, also of a lift that is silent, until it is
///   [gone](LiftRecords::gone_days). One that comes more than [`grace_days`](LiftRecords::grace_days) later, or never, was not on time; one that comes before half of that is over counts for none.
/// - **Calls** are those where [somebody came](RescueStep::Arrived) or [whoever it was is out](RescueStep::Released), or [nobody came in time](Tells::Missed): whichever is told first, by the limits of [`Trapped`](super::Trapped). A call that was
///   closed before either counts for nobody.
///
/// Rows of a lift must come in order; those that are late by days may shift a day, a repair or a visit. Per row: O(log classes). Memory per lift: some 500 bytes.
///
/// # Examples
/// ```
/// use std::sync::Arc;
/// use watchfire_engine::{Job, TickSource};
/// use watchfire_operators::dispatch::Person;
/// use watchfire_operators::elevator::{
///     CodeMap, FaultClass, Faults, FirmScoring, Lift, LiftBook, LiftRecords, LiftRow, LiftSays, LiftStatus, LiftTold, Tally,
/// };
/// const DAY_MS: i64 = 86_400_000;
/// let book = Arc::new(LiftBook::new([31, 32].map(|lift| (lift, Lift { firm: lift - 30, ..Lift::default() }))));
/// let job = Job::new(move |flow| {
///     let (rows, told) = (flow.channel::<LiftRow>("lifts"), flow.channel::<LiftTold>("told"));
///     let lifts = LiftRecords::default().of_lifts(book.clone(), rows, Faults::default(), told);
///     Tally::by_firm(lifts, book.clone()).to_view("firms");
/// });
/// let mut running = job.ticks(TickSource::FromEvents { interval_ms: 60_000, max_jump_ms: 30 * DAY_MS }).start()?;
/// let views = running.views();
/// let lifts = running.sender::<LiftRow>("lifts")?;
/// drop(running.sender::<LiftTold>("told")?);
/// // Both are heard every day for eight weeks, the doors of both fail on the tenth, and are mended on the eleventh; lift 31 is visited every fortnight.
/// let row = |lift, at_ms, says| LiftRow { lift, at_ms, says };
/// let visit = |mended: &[FaultClass]| LiftSays::Visited { mended: mended.to_vec(), by: Person::named("mechanic 7", "") };
/// let day = |day: i64| [31, 32].into_iter().flat_map(move |lift| {
///     let (at_ms, comes) = (day * DAY_MS, lift == 31 && day % 14 == 0 || day == 11);
///     let heard = row(lift, at_ms, LiftSays::Status(LiftStatus::default()));
///     let fails = (day == 10).then(|| row(lift, at_ms + 1, LiftSays::Code(CodeMap::city().read("02"))));
///     let visited = comes.then(|| row(lift, at_ms + 2, visit(if day == 11 { &[FaultClass::DoorTrack] } else { &[] })));
///     [Some(heard), fails, visited].into_iter().flatten()
/// });
/// lifts.send((0..56).flat_map(day).collect())?;
/// drop(lifts);
/// running.wait()?;
/// let view = views.snapshot().ok_or("nothing is on record")?.view::<u32, Tally>("firms")?;
/// let firms: std::collections::BTreeMap<u32, Tally> = view.iter().map(|(firm, tally, _)| (*firm, tally.clone())).collect();
/// assert_eq!((firms[&1].days, firms[&1].repairs, firms[&1].repair_ms), (56, 1, DAY_MS + 1));
/// assert_eq!((firms[&1].visits_on_time, firms[&1].visits), (4, 4));
/// assert_eq!((firms[&2].visits_on_time, firms[&2].visits), (1, 3));
/// let scores = FirmScoring::default().score(&firms.into_iter().map(|(firm, tally)| (firm, tally.firm())).collect());
/// assert!(scores[&1].points > scores[&2].points);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LiftRecords {
    /// By whose clocks days begin.
    pub zone: Zone,
    /// A visit is due so many days after the last; 1 at least.
    pub visit_every_days: u32,
    /// One that comes so many days later is still on time.
    pub grace_days: u32,
    /// What is mended so many days after a fault began is no repair of it.
    pub repair_days: u32,
    /// A lift of which nothing was heard for so many days is gone: no visit is due any more. When it is back, all begins anew. 1 to 3,650.
    pub gone_days: u32,
}

impl Default for LiftRecords {
    /// Days in Shanghai; 15 days (TSG T5002-2017), a day of grace; repairs within 14 days; gone after 90.
    fn default() -> Self {
        LiftRecords { zone: Zone::default(), visit_every_days: 15, grace_days: 1, repair_days: 14, gone_days: 90 }
    }
}

/// What is known of faults of a class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
#[rkyv(crate = rkyv)]
struct OfClass {
    /// When it was told last.
    told_ms: Option<i64>,
    /// Since when one is open.
    open_ms: Option<i64>,
    /// When it was mended while none was known to be.
    mended_ms: Option<i64>,
}

/// What [`LiftRecords`] remembers of a lift.
#[derive(Clone, Debug, Default, PartialEq, Eq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
#[rkyv(crate = rkyv)]
pub struct LiftRecordState {
    tally: Tally,
    /// When the last day began on which it was heard.
    day_ms: Option<i64>,
    /// When it was heard last, and on the quiet clock.
    heard: Option<(i64, i64)>,
    /// The newest visit, and the last that counted.
    visited_ms: Option<i64>,
    counted_ms: Option<i64>,
    due_ms: Option<i64>,
    /// The visit that was due is not made yet, and no longer on time.
    overdue: bool,
    /// It was silent until a visit was overdue: what is still held before may say otherwise.
    suspected: bool,
    /// The last call that counted.
    called: u32,
    faults: BTreeMap<Option<FaultClass>, OfClass>,
}

impl State for LiftRecordState {
    const NAME: &'static str = "watchfire.lift_record";
    const VERSION: u32 = 1;
}

/// See [`LiftRecords::gone_days`].
const GONE_DAYS_MAX: u32 = 3_650;

/// One more.
fn count(of: &mut u32) {
    *of = of.saturating_add(1);
}

impl LiftRecordState {
    /// It is the first time on a day.
    fn is_first_of(&mut self, day_ms: i64) -> bool {
        let is_first = self.day_ms.is_none_or(|last_ms| last_ms < day_ms);
        if is_first {
            self.day_ms = Some(day_ms);
            count(&mut self.tally.days);
        }
        is_first
    }

    fn visited(&mut self, at_ms: i64, every_ms: i64) {
        if self.visited_ms.is_some_and(|newest_ms| at_ms <= newest_ms) {
            return;
        }
        self.visited_ms = Some(at_ms);
        self.due_ms = self.due_ms.max(Some(at_ms.saturating_add(every_ms)));
        let is_next = self.counted_ms.is_none_or(|last_ms| at_ms.saturating_sub(last_ms) >= every_ms / 2);
        let was_overdue = std::mem::take(&mut self.overdue);
        if was_overdue || is_next {
            self.counted_ms = Some(at_ms);
        }
        if is_next && !was_overdue {
            count(&mut self.tally.visits);
            count(&mut self.tally.visits_on_time);
        }
    }

    fn repaired(&mut self, from_ms: i64, mended_ms: i64) {
        count(&mut self.tally.repairs);
        self.tally.repair_ms = self.tally.repair_ms.saturating_add(mended_ms.saturating_sub(from_ms));
    }

    fn mended(&mut self, class: FaultClass, at_ms: i64, within_ms: i64) {
        let of = self.faults.entry(Some(class)).or_default();
        match of.open_ms.filter(|open_ms| *open_ms <= at_ms) {
            Some(open_ms) => {
                of.open_ms = None;
                if at_ms.saturating_sub(open_ms) <= within_ms {
                    self.repaired(open_ms, at_ms);
                }
            }
            None => of.mended_ms = Some(at_ms),
        }
    }

    /// Whether the record has changed.
    fn failed(&mut self, fault: &LiftFault, at_ms: i64, within_ms: i64) -> bool {
        let of = self.faults.entry(fault.class).or_default();
        let is_new = of.told_ms.is_none_or(|told_ms| at_ms.saturating_sub(told_ms) > DAY_MS);
        of.told_ms = of.told_ms.max(Some(at_ms));
        if !is_new || fault.until_ms.is_some() {
            return false;
        }
        match of.mended_ms.filter(|mended_ms| (at_ms..=at_ms.saturating_add(within_ms)).contains(mended_ms)) {
            // Told after it was mended.
            Some(mended_ms) => {
                of.mended_ms = None;
                self.repaired(at_ms, mended_ms);
            }
            // Of one that nobody has mended the first telling counts, if that is not too long ago.
            None => {
                let is_open = |open_ms: &i64| at_ms.saturating_sub(*open_ms) <= within_ms;
                of.open_ms = of.open_ms.filter(is_open).or(Some(at_ms));
            }
        }
        count(fault.class.map_or(&mut self.tally.unclassed, |class| self.tally.faults.entry(class).or_default()));
        self.tally.repeats = self.tally.repeats.saturating_add(fault.again.into());
        true
    }
}

impl LiftRecords {
    /// The records of lifts, from their rows in any order within their bounds, and what [`Trapped`](super::Trapped) tells.
    #[track_caller]
    pub fn of_lifts<'f>(
        self,
        book: Arc<LiftBook>,
        rows: Stream<'f, LiftRow>,
        faults: Faults,
        told: Stream<'f, LiftTold>,
    ) -> Table<'f, u32, Tally> {
        let rows = rows.flat_map(move |row| book.each(row));
        let lifts = rows.key_by(|row| row.lift).event_time(LiftRow::EVENT_TIME);
        let (rows, faults) = lifts.detect("faults of lifts", LiftRow::in_order(LiftRow::IN_ORDER_MS).then(faults)).out;
        let news = rows.map(LiftNews::Row).union(faults.map(LiftNews::Fault)).union(told.map(LiftNews::Told));
        let of_lifts = news.filter(|news| news.lift().is_some()).key_by(|news| news.lift().unwrap_or_default());
        // Rows keep the times of their devices.
        let records = of_lifts.event_time(LiftRow::EVENT_TIME).detect("records of lifts", self).out;
        records.key_by(|of| of.lift).latest("lifts on record", |of| Some(of.tally.clone())).out
    }

    fn every_ms(&self) -> i64 {
        i64::from(self.visit_every_days.max(1)) * DAY_MS
    }

    /// When a visit that is due is not on time any more.
    fn over_ms(&self, st: &LiftRecordState) -> Option<i64> {
        Some(st.due_ms?.saturating_add(i64::from(self.grace_days) * DAY_MS))
    }

    /// Until when visits are due, if it is heard no more.
    fn gone_ms(&self, heard_ms: i64) -> i64 {
        heard_ms.saturating_add(i64::from(self.gone_days.clamp(1, GONE_DAYS_MAX)) * DAY_MS)
    }

    /// Counts the visits that were due and are not on time any more, if there are any.
    fn miss(&self, st: &mut LiftRecordState, at_ms: i64) -> bool {
        let (Some(due_ms), Some(over_ms)) = (st.due_ms, self.over_ms(st).filter(|over_ms| *over_ms < at_ms)) else {
            return false;
        };
        let missed = 1 + (at_ms - 1).saturating_sub(over_ms) / self.every_ms();
        st.tally.visits = st.tally.visits.saturating_add(u32::try_from(missed).unwrap_or(u32::MAX));
        (st.due_ms, st.overdue) = (Some(due_ms.saturating_add(missed.saturating_mul(self.every_ms()))), true);
        true
    }

    /// Whether the record has changed.
    fn row(&self, st: &mut LiftRecordState, row: &LiftRow, (at_ms, quiet_ms): (i64, i64)) -> bool {
        st.suspected = false;
        let says = &row.says;
        let is_of_lift =
            matches!(says, LiftSays::Status(_) | LiftSays::Code(_) | LiftSays::Trip(_) | LiftSays::Totals(_));
        let is_gone = st.heard.is_none_or(|(heard_ms, _)| self.gone_ms(heard_ms) <= at_ms);
        let is_missed = !is_gone && self.miss(st, at_ms);
        let mut is_first = false;
        if is_of_lift {
            is_first = st.is_first_of(self.zone.day_of(at_ms).start);
            if is_gone {
                (st.due_ms, st.overdue) = (Some(at_ms.saturating_add(self.every_ms())), false);
            }
            let heard_ms = st.heard.map_or(at_ms, |(heard_ms, _)| heard_ms.max(at_ms));
            st.heard = Some((heard_ms, quiet_ms));
        }
        let LiftSays::Visited { mended, .. } = says else { return is_first || is_missed };
        // Of a lift that has told nothing, or is gone, no visit is due.
        if !is_gone {
            st.visited(at_ms, self.every_ms());
        }
        mended.iter().for_each(|class| st.mended(*class, at_ms, i64::from(self.repair_days) * DAY_MS));
        true
    }
}

/// Whether the record has changed.
fn told(st: &mut LiftRecordState, tells: &Tells) -> bool {
    let (nth, in_time) = match tells {
        Tells::Step { step: RescueStep::Closed { false_alarm: false }, .. } => {
            count(&mut st.tally.trappings);
            return true;
        }
        Tells::Step { step: RescueStep::Arrived | RescueStep::Released, nth, .. } => (*nth, true),
        Tells::Missed { step: RescueStep::Arrived, nth, .. } => (*nth, false),
        _ => return false,
    };
    // Who came late was missed before.
    if nth <= st.called {
        return false;
    }
    st.called = nth;
    count(&mut st.tally.calls);
    st.tally.in_time = st.tally.in_time.saturating_add(in_time.into());
    true
}

impl Detector for LiftRecords {
    type Key = u32;
    type In = LiftNews;
    type Out = Recorded;
    type State = LiftRecordState;

    fn describe(&self) -> Describe {
        Describe { kind: "lift_record", params: format!("{self:?}"), ordered: false }
    }

    fn on_row(&self, st: &mut LiftRecordState, news: &LiftNews, cx: &mut Context<'_, u32, Recorded>) -> Verdict {
        // Of a lift whose clock is ahead the engine knows better.
        let at_ms = news.event_time_ms().min(cx.event_time_ms());
        if !(-TIME_MAX_MS..=TIME_MAX_MS).contains(&at_ms) {
            return Verdict::Late;
        }
        st.tally.lifts = 1;
        let has_changed = match news {
            LiftNews::Row(row) => self.row(st, row, (at_ms, cx.quiet_ms())),
            LiftNews::Fault(fault) => !fault.at_work && st.failed(fault, at_ms, i64::from(self.repair_days) * DAY_MS),
            LiftNews::Told(says) => {
                // Its quiet clock may be another one: until the lift is heard again nobody can tell for how long it was silent.
                st.heard = st.heard.map(|(heard_ms, _)| (heard_ms, i64::MAX));
                told(st, &says.tells)
            }
        };
        if has_changed {
            cx.emit(Recorded { lift: *cx.key(), at_ms, tally: st.tally.clone() });
        }
        self.ask(st, cx);
        Verdict::Applied
    }

    fn on_quiet(&self, st: &mut LiftRecordState, cx: &mut Context<'_, u32, Recorded>) {
        let Some((heard_ms, quiet_ms)) = &mut st.heard else { return };
        // Before its first reading the clock tells nothing of how long it was quiet.
        if *quiet_ms == i64::MIN {
            *quiet_ms = cx.quiet_ms();
        }
        let now_ms = heard_ms.saturating_add(cx.quiet_ms().saturating_sub(*quiet_ms).max(0));
        let until_ms = now_ms.min(self.gone_ms(*heard_ms));
        if self.over_ms(st).is_some_and(|over_ms| over_ms < until_ms) {
            if !std::mem::replace(&mut st.suspected, true) {
                return cx.wake_at_quiet_ms(cx.quiet_ms());
            }
            st.suspected = false;
            self.miss(st, until_ms);
            cx.emit(Recorded { lift: *cx.key(), at_ms: until_ms, tally: st.tally.clone() });
        }
        self.ask(st, cx);
    }
}

impl LiftRecords {
    /// To be woken when a visit of a lift that is silent is not on time any more.
    fn ask(&self, st: &LiftRecordState, cx: &mut Context<'_, u32, Recorded>) {
        let Some((over_ms, (heard_ms, quiet_ms))) = self.over_ms(st).zip(st.heard) else { return };
        if over_ms < self.gone_ms(heard_ms) {
            let wait_ms = over_ms.saturating_sub(heard_ms).saturating_add(1).max(1);
            cx.wake_at_quiet_ms(quiet_ms.saturating_add(wait_ms));
        }
    }
}

#[cfg(test)]
mod tests {
    use watchfire_engine::Key;

    use super::*;

    #[test]
    fn states_are_stored_as_ever() {
        let mut state = LiftRecordState { day_ms: Some(DAY_MS), overdue: true, ..LiftRecordState::default() };
        (state.visited_ms, state.counted_ms, state.due_ms) = (Some(3 * DAY_MS), Some(DAY_MS), Some(18 * DAY_MS));
        (state.heard, state.called) = (Some((5, 6)), 2);
        state.faults.insert(None, OfClass { told_ms: Some(4), open_ms: Some(5), mended_ms: None });
        state.tally = Tally { lifts: 1, days: 7, repair_ms: 9, ..Tally::default() };
        state.tally.faults.insert(FaultClass::DoorLock, 3);
        let bytes = state.encode().unwrap();
        assert_eq!(LiftRecordState::decode(&bytes).unwrap(), state);
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(
            (bytes.len(), hex.stable_hash()),
            (456, 10_117_422_611_350_130_097),
            "a new layout needs a new version"
        );
    }
}
