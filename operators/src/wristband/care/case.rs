//! What is known of a person's case, and what follows from what comes.

use watchfire_engine::{Change, State, Verdict, rkyv};

use super::Confirm;
use super::row::{Answer, Ask, CareRow, CareSays, Press};
use super::told::{CareTells, Cause, Refusal, ReviewWhy, SentWhy, Step};
use crate::dispatch::Person;
use crate::window::TIME_MAX_MS;
use crate::wristband::{Concern, Evidence, Grade, Sign};

/// So many presses and concerns are kept by name.
const KEPT_MAX: usize = 64;

/// A case that people have not closed.
#[derive(Clone, Debug, PartialEq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
#[rkyv(crate = rkyv)]
struct Case {
    opened_ms: i64,
    /// When something came last that speaks for it: what people said before is not about that.
    joined_ms: i64,
    /// When that of it which is newest was so.
    newest_ms: i64,
    step: Step,
    /// How far it has come.
    reached: Step,
    /// When the next step is taken, on the arrival clock.
    due_ms: i64,
    /// What speaks for it, and was not taken back.
    concerns: Vec<Concern>,
    /// There was more than is kept by name: it is never all taken back.
    has_more: bool,
    /// They have called for help, or somebody has said that they need it.
    has_call: bool,
    /// All of it was old when it came: what they did since counts.
    is_old: bool,
    /// Those who would go were told.
    warned: bool,
    arrived: bool,
    level: u8,
}

/// What is told of a person is only listed.
#[derive(Clone, Debug, PartialEq, Eq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
#[rkyv(crate = rkyv)]
struct Mute {
    until_ms: i64,
    held: Vec<Concern>,
}

/// What [`Confirm`](super::Confirm) remembers of a person.
#[derive(Clone, Debug, Default, PartialEq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
#[rkyv(crate = rkyv)]
pub struct CareState {
    /// How many cases there were.
    nth: u32,
    case: Option<Case>,
    /// What the last case was opened by, that was closed.
    last: Vec<Concern>,
    /// Presses that were taken in.
    presses: Vec<(i64, Press)>,
    /// The newest answer by a person that they are well.
    answered_ms: Option<i64>,
    /// When they were last seen to be well, by whatever there is.
    well_ms: Option<i64>,
    mute: Option<Mute>,
    /// When people have last said that it begins, or ends.
    mute_said_ms: Option<i64>,
}

impl State for CareState {
    const NAME: &'static str = "watchfire.care";
    const VERSION: u32 = 1;
}

impl CareState {
    /// When something is to be done next, on the arrival clock.
    pub(super) fn due_ms(&self) -> Option<i64> {
        let case = self.case.as_ref().map(|case| case.due_ms);
        let mute = self.mute.as_ref().map(|mute| mute.until_ms);
        case.into_iter().chain(mute).min()
    }
}

/// What follows from a row, or from a time that has come.
pub(super) struct Turn<'a> {
    pub(super) config: &'a Confirm,
    pub(super) st: &'a mut CareState,
    pub(super) now_ms: i64,
    /// With the case that it is of.
    pub(super) told: Vec<(u32, CareTells)>,
}

impl Turn<'_> {
    fn tell(&mut self, tells: CareTells) {
        self.told.push((self.st.nth, tells));
    }

    fn refuse(&mut self, why: Refusal) {
        self.tell(CareTells::Refused { why });
    }

    fn age_ms(&self, at_ms: i64) -> i64 {
        self.now_ms.saturating_sub(at_ms)
    }

    /// Whether it is from when it says: a clock that is off by longer says nothing of how old something is, and it is taken for new.
    fn is_dated(&self, at_ms: i64) -> bool {
        self.age_ms(at_ms) <= self.config.dated_ms
    }

    fn is_old(&self, at_ms: i64) -> bool {
        self.age_ms(at_ms) > self.config.old_after_ms && self.is_dated(at_ms)
    }

    /// They were well after it: a person said so, or it is old and they have moved since.
    fn was_well_after(&self, at_ms: i64) -> bool {
        let since = |well_ms: Option<i64>| well_ms.is_some_and(|well_ms| well_ms > at_ms);
        (self.is_dated(at_ms) && since(self.st.answered_ms)) || (self.is_old(at_ms) && since(self.st.well_ms))
    }

    pub(super) fn row(&mut self, row: &CareRow) -> Verdict {
        let at_ms = row.at_ms.clamp(-TIME_MAX_MS, TIME_MAX_MS);
        match &row.says {
            CareSays::Concern(Change::Insert(of)) => self.concern(*of),
            CareSays::Concern(Change::Retract(of)) => self.withdraw(of),
            CareSays::Sos(press) => return self.sos(at_ms, *press),
            CareSays::SosCancelled => self.cancelled(at_ms),
            CareSays::Walked => self.seen_well(at_ms),
            CareSays::Answer { nth, is, by } => self.answer(at_ms, *nth, *is, by),
            CareSays::Failed { nth, ask } => self.failed(*nth, *ask),
            CareSays::Arrived { nth, by } => self.arrived(at_ms, *nth, by),
            CareSays::Closed { nth, false_alarm, by } => self.close(at_ms, *nth, *false_alarm, by),
            CareSays::Muted { until_ms, by } => self.mute(at_ms, *until_ms, by),
            CareSays::Unmuted { by } => self.unmuted(at_ms, by),
        }
        Verdict::Applied
    }

    /// What is urgent, and what is beyond hard limits, no mute holds back.
    fn passes(&self, of: &Concern) -> bool {
        let is_beyond = match of.evidence {
            Evidence::Pulse { per_min, .. } => per_min >= self.config.hard_pulse_per_min,
            Evidence::Silence { .. } | Evidence::Fall { .. } | Evidence::Band => false,
        };
        of.grade == Grade::Urgent || of.sign == Sign::PulseLow || is_beyond
    }

    fn concern(&mut self, of: Concern) {
        let passes = self.passes(&of);
        // What is more than can be listed is not held back either.
        if let Some(mute) = self.st.mute.as_mut().filter(|mute| !passes && mute.held.len() < KEPT_MAX) {
            let until_ms = mute.until_ms;
            if !mute.held.contains(&of) {
                mute.held.push(of);
                self.tell(CareTells::Held { concern: of, until_ms });
            }
            return;
        }
        let is_dated = self.is_dated(of.at_ms);
        if is_dated && self.st.case.as_ref().is_some_and(|case| case.concerns.contains(&of)) {
            return;
        }
        if self.corrects(of) {
            return;
        }
        let (is_old, was_well) = (self.is_old(of.at_ms), self.was_well_after(of.at_ms));
        let is_new = self.open_or_join(Cause::Concern(of));
        let Some(case) = &mut self.st.case else { return };
        if case.concerns.len() < KEPT_MAX {
            case.concerns.push(of);
        } else {
            case.has_more = true;
        }
        case.is_old &= is_old;
        if !was_well {
            self.ask(is_old);
            self.warn(of.grade);
            self.again(SentWhy::Anew, false);
        } else if is_new {
            self.tell(CareTells::Review { why: ReviewWhy::SeenWell });
        }
    }

    /// Whether it is what was told before, corrected: in a case that is open, or that people have closed. That opens none, and begins nothing anew. Without a clock to go by two are never the same.
    fn corrects(&mut self, of: Concern) -> bool {
        let is_dated = self.is_dated(of.at_ms);
        let is_same =
            |was: &&mut Concern| is_dated && (was.sign, was.grade, was.at_ms) == (of.sign, of.grade, of.at_ms);
        let is_open = self.st.case.is_some();
        let case = self.st.case.iter_mut().flat_map(|case| &mut case.concerns).find(is_same);
        let nth = if case.is_some() { self.st.nth } else { self.st.nth - u32::from(is_open) };
        let Some(was) = case.or_else(|| self.st.last.iter_mut().find(is_same)) else { return false };
        *was = of;
        let age_ms = self.age_ms(of.at_ms);
        self.told.push((nth, CareTells::Joined { cause: Cause::Concern(of), age_ms }));
        true
    }

    /// Whether a case is opened by it. A person is to look at it, until somebody is asked or sent.
    fn open_or_join(&mut self, cause: Cause) -> bool {
        let at_ms = cause.at_ms().unwrap_or(self.now_ms);
        let age_ms = self.age_ms(at_ms);
        if let Some(case) = &mut self.st.case {
            (case.joined_ms, case.newest_ms) = (self.now_ms, case.newest_ms.max(at_ms));
            self.tell(CareTells::Joined { cause, age_ms });
            return false;
        }
        self.st.nth += 1;
        self.st.case = Some(Case {
            opened_ms: self.now_ms,
            joined_ms: self.now_ms,
            newest_ms: at_ms,
            step: Step::Review,
            reached: Step::Review,
            due_ms: self.now_ms.saturating_add(self.config.review_ms),
            concerns: Vec::new(),
            has_more: false,
            has_call: false,
            is_old: true,
            warned: false,
            arrived: false,
            level: 1,
        });
        self.tell(CareTells::Opened { cause, age_ms });
        true
    }

    /// Begins to ask, if nobody is asked or sent yet: what is old by a call at once.
    fn ask(&mut self, is_old: bool) {
        if self.st.case.as_ref().is_some_and(|case| case.step == Step::Review) {
            self.step(if is_old { Ask::Call } else { Ask::Buzz }, self.now_ms);
        }
    }

    fn step(&mut self, ask: Ask, from_ms: i64) {
        let takes_ms = match ask {
            Ask::Buzz => self.config.buzz_ms,
            Ask::Call => self.config.call_ms,
        };
        let until_ms = from_ms.saturating_add(takes_ms);
        let Some(case) = &mut self.st.case else { return };
        (case.step, case.due_ms) = (Step::Asks(ask), until_ms);
        case.reached = case.reached.max(case.step);
        self.tell(CareTells::Asks { ask, until_ms });
    }

    /// Those who would go are told of what is urgent while they are asked.
    fn warn(&mut self, grade: Grade) {
        let Some(case) = &mut self.st.case else { return };
        if grade == Grade::Urgent && case.step < Step::Sent && !std::mem::replace(&mut case.warned, true) {
            self.tell(CareTells::Warned);
        }
    }

    fn send(&mut self, why: SentWhy) {
        let due_ms = self.now_ms.saturating_add(self.config.arrive_ms);
        let Some(case) = self.st.case.as_mut().filter(|case| case.step < Step::Sent) else { return };
        (case.step, case.reached, case.due_ms, case.arrived) = (Step::Sent, Step::Sent, due_ms, false);
        self.tell(CareTells::Sent { why });
    }

    /// More has come while somebody goes there, or after somebody has arrived: those who were sent are told, and are to be there anew. A call for help is graver than what they were sent for.
    fn again(&mut self, why: SentWhy, is_call: bool) {
        let due_ms = self.now_ms.saturating_add(self.config.arrive_ms);
        let Some(case) = self.st.case.as_mut().filter(|case| case.step == Step::Sent) else { return };
        if std::mem::take(&mut case.arrived) {
            case.due_ms = due_ms;
        } else if !is_call {
            return;
        }
        self.tell(CareTells::Sent { why });
    }

    /// Nobody is asked any more, if nobody was told to go: a person is to look at it.
    fn rest(&mut self, why: ReviewWhy) {
        let due_ms = self.now_ms.saturating_add(self.config.review_ms);
        let Some(case) = self.st.case.as_mut().filter(|case| !case.warned) else { return };
        if matches!(case.step, Step::Asks(_)) {
            (case.step, case.due_ms) = (Step::Review, due_ms);
            self.tell(CareTells::Review { why });
        }
    }

    fn withdraw(&mut self, of: &Concern) {
        if let Some(mute) = &mut self.st.mute
            && remove(&mut mute.held, of)
        {
            let last = mute.held.is_empty();
            return self.tell(CareTells::Withdrawn { concern: *of, last });
        }
        if let Some(case) = &mut self.st.case
            && remove(&mut case.concerns, of)
        {
            let last = case.concerns.is_empty() && !case.has_call && !case.has_more;
            self.tell(CareTells::Withdrawn { concern: *of, last });
            if last {
                self.rest(ReviewWhy::Withdrawn);
            }
        } else if remove(&mut self.st.last, of) {
            let nth = self.st.nth - u32::from(self.st.case.is_some());
            self.told.push((nth, CareTells::Withdrawn { concern: *of, last: self.st.last.is_empty() }));
        } else {
            // Of an older case, or of more than is kept by name.
            self.tell(CareTells::Withdrawn { concern: *of, last: false });
        }
    }

    fn sos(&mut self, at_ms: i64, press: Press) -> Verdict {
        if self.st.presses.contains(&(at_ms, press)) {
            return Verdict::Duplicate;
        }
        if self.st.presses.len() >= KEPT_MAX {
            // The same press, told once more after so many others, is one more that joins.
            self.st.presses.remove(0);
        }
        self.st.presses.push((at_ms, press));
        let (is_old, age_ms) = (self.is_old(at_ms), self.age_ms(at_ms));
        let was_well = is_old && self.was_well_after(at_ms);
        let is_new = self.open_or_join(Cause::Sos { at_ms, press });
        if let Some(case) = &mut self.st.case {
            case.has_call = true;
            case.is_old &= is_old;
        }
        if was_well {
            if is_new {
                self.tell(CareTells::Review { why: ReviewWhy::SeenWell });
            }
        } else if is_old && age_ms > self.config.sos_until_ms {
            self.ask(is_old);
        } else {
            self.call_out(SentWhy::Sos);
        }
        Verdict::Applied
    }

    /// Somebody is to go, or, where somebody was sent already, to know that they are called.
    fn call_out(&mut self, why: SentWhy) {
        if self.st.case.as_ref().is_some_and(|case| case.step == Step::Sent) {
            self.again(why, true);
        } else {
            self.send(why);
        }
    }

    /// They have taken back that they call for help.
    fn cancelled(&mut self, at_ms: i64) {
        if self.st.case.as_ref().is_some_and(|case| case.has_call) {
            self.tell(CareTells::Cancelled { age_ms: self.age_ms(at_ms) });
        }
        self.seen_well(at_ms);
    }

    /// Something shows that they were well then. It stops nothing but what was old when it came.
    fn seen_well(&mut self, at_ms: i64) {
        self.st.well_ms = self.st.well_ms.max(Some(at_ms.min(self.now_ms)));
        let well_ms = self.st.well_ms;
        let is_after = |case: &Case| case.is_old && well_ms > Some(case.newest_ms);
        if self.st.case.as_ref().is_some_and(is_after) {
            self.rest(ReviewWhy::SeenWell);
        }
    }

    fn answer(&mut self, at_ms: i64, nth: Option<u32>, is: Answer, by: &Person) {
        if by.who.is_blank() {
            return self.refuse(Refusal::Nobody);
        }
        let at_ms = at_ms.min(self.now_ms);
        // What was said before something else came is not about that.
        let is_after = self.st.case.as_ref().is_some_and(|case| at_ms >= case.joined_ms);
        let is_of_it = is_after && nth.is_none_or(|nth| nth == self.st.nth);
        if is == Answer::Help {
            // Whoever needs help is not asked in which case.
            if self.st.case.is_none() {
                let _ = self.open_or_join(Cause::Said);
            }
            if let Some(case) = &mut self.st.case {
                (case.joined_ms, case.has_call) = (self.now_ms, true);
            }
            self.tell(CareTells::Answered { is, by: by.clone() });
            return self.call_out(SentWhy::Said);
        }
        self.st.answered_ms = self.st.answered_ms.max(Some(at_ms));
        self.st.well_ms = self.st.well_ms.max(Some(at_ms));
        if !is_of_it {
            return self.refuse(Refusal::NotThis);
        }
        self.tell(CareTells::Answered { is, by: by.clone() });
        // Whoever was sent is stood down by those who close the case.
        if self.st.case.as_ref().is_some_and(|case| case.step < Step::Sent) {
            self.end(true, by);
        }
    }

    fn failed(&mut self, nth: u32, ask: Ask) {
        let is_it = nth == self.st.nth && self.st.case.as_ref().is_some_and(|case| case.step == Step::Asks(ask));
        if is_it {
            self.tell(CareTells::Failed { ask });
            self.unanswered(ask, self.now_ms);
        }
    }

    fn unanswered(&mut self, ask: Ask, at_ms: i64) {
        match ask {
            Ask::Buzz => self.step(Ask::Call, at_ms),
            Ask::Call => self.send(SentWhy::Unanswered),
        }
    }

    fn arrived(&mut self, at_ms: i64, nth: u32, by: &Person) {
        if by.who.is_blank() {
            return self.refuse(Refusal::Nobody);
        }
        let Some(case) = self.st.case.as_mut().filter(|_| nth == self.st.nth) else {
            return self.refuse(Refusal::NotThis);
        };
        // Whoever is there before somebody was sent is not who was sent, and whoever came before something else has not come for that: it goes on.
        if case.step == Step::Sent && at_ms >= case.joined_ms {
            (case.arrived, case.due_ms) = (true, self.now_ms.saturating_add(self.config.review_ms));
        }
        self.tell(CareTells::Arrived { by: by.clone() });
    }

    fn close(&mut self, at_ms: i64, nth: u32, false_alarm: bool, by: &Person) {
        // Whoever closed it before something else came has not seen that.
        let is_it = nth == self.st.nth && self.st.case.as_ref().is_some_and(|case| at_ms >= case.joined_ms);
        if by.who.is_blank() {
            self.refuse(Refusal::Nobody);
        } else if is_it {
            self.end(false_alarm, by);
        } else {
            self.refuse(Refusal::NotThis);
        }
    }

    fn end(&mut self, false_alarm: bool, by: &Person) {
        let Some(Case { reached, concerns, .. }) = self.st.case.take() else { return };
        self.st.last = concerns;
        self.tell(CareTells::Closed { reached, false_alarm, by: by.clone() });
    }

    /// Whether it is not older than what people have said of it last.
    fn is_last_word(&mut self, at_ms: i64) -> bool {
        let at_ms = at_ms.min(self.now_ms);
        let is_last = self.st.mute_said_ms.is_none_or(|said_ms| at_ms >= said_ms);
        self.st.mute_said_ms = self.st.mute_said_ms.max(Some(at_ms));
        is_last
    }

    fn mute(&mut self, at_ms: i64, until_ms: i64, by: &Person) {
        let longest_ms = self.now_ms.saturating_add(self.config.mute_max_ms);
        if by.who.is_blank() {
            self.refuse(Refusal::Nobody);
        } else if by.reason.is_blank() {
            self.refuse(Refusal::NoReason);
        } else if !(self.now_ms + 1..=longest_ms).contains(&until_ms) {
            self.refuse(Refusal::NoEnd);
        } else if !self.is_last_word(at_ms) {
            self.refuse(Refusal::NotThis);
        } else {
            let held = self.st.mute.take().map(|mute| mute.held).unwrap_or_default();
            self.st.mute = Some(Mute { until_ms, held });
            self.tell(CareTells::Muted { until_ms, by: by.clone() });
        }
    }

    fn unmuted(&mut self, at_ms: i64, by: &Person) {
        if by.who.is_blank() {
            self.refuse(Refusal::Nobody);
        } else if self.is_last_word(at_ms) {
            self.unmute(Some(by.clone()));
        } else {
            self.refuse(Refusal::NotThis);
        }
    }

    /// What was held counts from now on.
    fn unmute(&mut self, by: Option<Person>) {
        let Some(Mute { held, .. }) = self.st.mute.take() else { return };
        self.tell(CareTells::Unmuted { by });
        held.into_iter().for_each(|of| self.concern(of));
    }

    /// Does what is due. A countdown that ended while we were away has ended.
    pub(super) fn tick(&mut self) {
        if self.st.mute.as_ref().is_some_and(|mute| mute.until_ms <= self.now_ms) {
            self.unmute(None);
        }
        while let Some(case) = self.st.case.as_mut().filter(|case| case.due_ms <= self.now_ms) {
            match case.step {
                Step::Asks(ask) => {
                    let due_ms = case.due_ms;
                    self.unanswered(ask, due_ms);
                }
                Step::Review | Step::Sent => {
                    let sent = case.step == Step::Sent && !case.arrived;
                    let again_ms = if sent { self.config.arrive_ms } else { self.config.review_ms };
                    case.due_ms = self.now_ms.saturating_add(again_ms.max(1));
                    case.level = case.level.saturating_add(1).min(self.config.levels);
                    let level = case.level;
                    self.tell(CareTells::Escalated { level, sent });
                }
            }
        }
    }

    /// Before the first tick there was no clock of ours: no instant lies ahead of it.
    pub(super) fn not_ahead_of(&mut self, now_ms: i64) {
        let Confirm { buzz_ms, call_ms, arrive_ms, review_ms, .. } = self.config;
        let longest_ms = *[buzz_ms, call_ms, arrive_ms, review_ms].into_iter().max().unwrap_or(review_ms);
        let CareState { answered_ms, well_ms, mute_said_ms, .. } = &mut *self.st;
        [answered_ms, well_ms, mute_said_ms].into_iter().for_each(|of| *of = of.map(|ms| ms.min(now_ms)));
        let Some(case) = &mut self.st.case else { return };
        case.opened_ms = case.opened_ms.min(now_ms);
        case.joined_ms = case.joined_ms.min(now_ms);
        case.due_ms = case.due_ms.min(now_ms.saturating_add(longest_ms));
    }
}

fn remove(all: &mut Vec<Concern>, of: &Concern) -> bool {
    let at = all.iter().position(|is| is == of);
    at.map(|at| all.remove(at)).is_some()
}

#[cfg(test)]
mod tests {
    use watchfire_engine::Key;

    use super::*;
    use crate::wristband::Wearer;

    /// What is said of the memory of a person, and what is stored of them.
    #[test]
    fn states_take_so_many_bytes_and_are_stored_as_ever() {
        let evidence = Evidence::Pulse { per_min: 140, usual_per_min: Some(70), at_rest: true };
        let concern = |at_ms: i64| Concern {
            wearer: Wearer::Person(7),
            at_ms,
            sign: Sign::PulseHigh,
            grade: Grade::CallBack,
            evidence,
        };
        let state = CareState {
            nth: 3,
            case: Some(Case {
                opened_ms: 1,
                joined_ms: 1,
                newest_ms: 4,
                reached: Step::Sent,
                step: Step::Asks(Ask::Call),
                due_ms: 2,
                concerns: vec![concern(4)],
                has_more: false,
                has_call: true,
                is_old: false,
                warned: true,
                arrived: false,
                level: 1,
            }),
            last: vec![concern(6)],
            presses: vec![(7, Press { band: 8, boot: 9, seq: 10 })],
            answered_ms: Some(11),
            well_ms: None,
            mute: Some(Mute { until_ms: 12, held: vec![concern(13)] }),
            mute_said_ms: Some(14),
        };
        let bytes = state.encode().unwrap();
        assert_eq!(CareState::decode(&bytes).unwrap(), state);
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(
            (size_of::<CareState>(), bytes.len(), hex.stable_hash()),
            (200, 352, 17_368_413_139_376_342_043),
            "a new layout needs a new version"
        );
    }
}
