//! What is known of a person's case, and what follows from what comes.

use watchfire_engine::{Change, State, Verdict, rkyv};

use super::Confirm;
use super::row::{Answer, Ask, CareRow, CareSays, Press};
use super::told::{CareTells, Cause, Refusal, ReviewWhy, SentWhy, Step};
use crate::dispatch::Person;
use crate::wristband::{Concern, Evidence, Grade, Sign};

/// So many presses and concerns are kept by name.
const KEPT_MAX: usize = 64;

/// A case that people have not closed.
#[derive(Clone, Debug, PartialEq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
#[rkyv(crate = rkyv)]
struct Case {
    opened_ms: i64,
    step: Step,
    /// When the next step is taken, on the arrival clock.
    due_ms: i64,
    /// What speaks for it, and was not taken back.
    concerns: Vec<Concern>,
    /// There was more than is kept by name: it is never all taken back.
    has_more: bool,
    /// The newest call for help that is part of it.
    sos_ms: Option<i64>,
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

    fn is_old(&self, at_ms: i64) -> bool {
        self.age_ms(at_ms) > self.config.old_after_ms
    }

    /// They were well after it: a person said so, or it is old and they have moved since.
    fn was_well_after(&self, at_ms: i64) -> bool {
        let since = |well_ms: Option<i64>| well_ms.is_some_and(|well_ms| well_ms > at_ms);
        since(self.st.answered_ms) || (self.is_old(at_ms) && since(self.st.well_ms))
    }

    pub(super) fn row(&mut self, row: &CareRow) -> Verdict {
        match &row.says {
            CareSays::Concern(Change::Insert(of)) => self.concern(*of),
            CareSays::Concern(Change::Retract(of)) => self.withdraw(of),
            CareSays::Sos(press) => return self.sos(row.at_ms, *press),
            CareSays::SosCancelled | CareSays::Walked => self.seen_well(row.at_ms),
            CareSays::Answer { nth, is, by } => self.answer(row.at_ms, *nth, *is, by),
            CareSays::Failed { nth, ask } => self.failed(*nth, *ask),
            CareSays::Arrived { nth, by } => self.arrived(*nth, by),
            CareSays::Closed { nth, false_alarm, by } => self.close(*nth, *false_alarm, by),
            CareSays::Muted { until_ms, by } => self.mute(*until_ms, by),
            CareSays::Unmuted { by } if by.who.is_blank() => self.refuse(Refusal::Nobody),
            CareSays::Unmuted { by } => self.unmute(Some(by.clone())),
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
        if self.st.case.as_ref().is_some_and(|case| case.concerns.contains(&of)) {
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
        } else if is_new {
            self.tell(CareTells::Review { why: ReviewWhy::SeenWell });
        }
    }

    /// Whether a case is opened by it. A person is to look at it, until somebody is asked or sent.
    fn open_or_join(&mut self, cause: Cause) -> bool {
        let age_ms = cause.at_ms().map_or(0, |at_ms| self.age_ms(at_ms));
        if self.st.case.is_some() {
            self.tell(CareTells::Joined { cause, age_ms });
            return false;
        }
        self.st.nth += 1;
        self.st.case = Some(Case {
            opened_ms: self.now_ms,
            step: Step::Review,
            due_ms: self.now_ms.saturating_add(self.config.review_ms),
            concerns: Vec::new(),
            has_more: false,
            sos_ms: None,
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
        (case.step, case.due_ms) = (Step::Sent, due_ms);
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
            let last = case.concerns.is_empty() && case.sos_ms.is_none() && !case.has_more;
            self.tell(CareTells::Withdrawn { concern: *of, last });
            if last {
                self.rest(ReviewWhy::Withdrawn);
            }
        } else if remove(&mut self.st.last, of) {
            let nth = self.st.nth - u32::from(self.st.case.is_some());
            self.told.push((nth, CareTells::Withdrawn { concern: *of, last: self.st.last.is_empty() }));
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
            case.sos_ms = case.sos_ms.max(Some(at_ms));
            case.is_old &= is_old;
        }
        if was_well {
            if is_new {
                self.tell(CareTells::Review { why: ReviewWhy::SeenWell });
            }
        } else if age_ms > self.config.sos_until_ms {
            self.ask(is_old);
        } else {
            self.send(SentWhy::Sos);
        }
        Verdict::Applied
    }

    /// Something shows that they were well then. It stops nothing but what was old when it came.
    fn seen_well(&mut self, at_ms: i64) {
        self.st.well_ms = self.st.well_ms.max(Some(at_ms.min(self.now_ms)));
        let well_ms = self.st.well_ms;
        let is_after = |case: &Case| {
            let newest_ms = case.concerns.iter().map(|of| of.at_ms).max().max(case.sos_ms);
            case.is_old && newest_ms.is_some_and(|newest_ms| well_ms > Some(newest_ms))
        };
        if self.st.case.as_ref().is_some_and(is_after) {
            self.rest(ReviewWhy::SeenWell);
        }
    }

    fn answer(&mut self, at_ms: i64, nth: Option<u32>, is: Answer, by: &Person) {
        if by.who.is_blank() {
            return self.refuse(Refusal::Nobody);
        }
        let at_ms = at_ms.min(self.now_ms);
        let opened_ms = self.st.case.as_ref().map(|case| case.opened_ms);
        let is_of_it = match nth {
            Some(nth) => nth == self.st.nth && opened_ms.is_some(),
            None => opened_ms.is_some_and(|opened_ms| at_ms >= opened_ms),
        };
        if is == Answer::Help {
            // Whoever needs help is not asked in which case.
            if self.st.case.is_none() {
                let _ = self.open_or_join(Cause::Said);
            }
            self.tell(CareTells::Answered { is, by: by.clone() });
            return self.send(SentWhy::Said);
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

    fn arrived(&mut self, nth: u32, by: &Person) {
        if by.who.is_blank() {
            return self.refuse(Refusal::Nobody);
        }
        let Some(case) = self.st.case.as_mut().filter(|_| nth == self.st.nth) else {
            return self.refuse(Refusal::NotThis);
        };
        case.arrived = true;
        self.tell(CareTells::Arrived { by: by.clone() });
    }

    fn close(&mut self, nth: u32, false_alarm: bool, by: &Person) {
        if by.who.is_blank() {
            self.refuse(Refusal::Nobody);
        } else if nth != self.st.nth || self.st.case.is_none() {
            self.refuse(Refusal::NotThis);
        } else {
            self.end(false_alarm, by);
        }
    }

    fn end(&mut self, false_alarm: bool, by: &Person) {
        let Some(Case { step, concerns, .. }) = self.st.case.take() else { return };
        self.st.last = concerns;
        self.tell(CareTells::Closed { step, false_alarm, by: by.clone() });
    }

    fn mute(&mut self, until_ms: i64, by: &Person) {
        let longest_ms = self.now_ms.saturating_add(self.config.mute_max_ms);
        if by.who.is_blank() {
            self.refuse(Refusal::Nobody);
        } else if by.reason.is_blank() {
            self.refuse(Refusal::NoReason);
        } else if !(self.now_ms + 1..=longest_ms).contains(&until_ms) {
            self.refuse(Refusal::NoEnd);
        } else {
            let held = self.st.mute.take().map(|mute| mute.held).unwrap_or_default();
            self.st.mute = Some(Mute { until_ms, held });
            self.tell(CareTells::Muted { until_ms, by: by.clone() });
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
                Step::Sent if case.arrived => {
                    case.due_ms = i64::MAX;
                }
                Step::Review | Step::Sent => {
                    let sent = case.step == Step::Sent;
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
        let Some(case) = self.st.case.as_mut().filter(|case| case.opened_ms > now_ms) else { return };
        case.due_ms = case.due_ms.saturating_sub(case.opened_ms.saturating_sub(now_ms));
        case.opened_ms = now_ms;
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
                step: Step::Asks(Ask::Call),
                due_ms: 2,
                concerns: vec![concern(4)],
                has_more: false,
                sos_ms: Some(5),
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
        };
        let bytes = state.encode().unwrap();
        assert_eq!(CareState::decode(&bytes).unwrap(), state);
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(
            (size_of::<CareState>(), bytes.len(), hex.stable_hash()),
            (184, 344, 15_709_845_270_495_876_354),
            "a new layout needs a new version"
        );
    }
}
