//! The pulse of each person, minute by minute, whatever comes late.

use watchfire_engine::{Change, Context, Describe, Detector, END_MS, Key, State, Verdict, rkyv};

use super::habit::{Habit, PERIOD_MINUTES, Usual};
use super::run::{Onset, Run, UsualOf};
use super::{Above, DAYS_MAX, LATE_MAX_MS, PulseTells, PulseWatch, Watched};
use crate::window::TIME_MAX_MS;
use crate::wristband::chart::Charted;
use crate::wristband::late::in_time;
use crate::wristband::minute::{MINUTE_MS, Minute, Minutes};
use crate::wristband::{BandSays, Concern, Measured, Vital, Wearer, WornRow};

/// A minute is judged by what was before it, and by what is usual in its period.
#[derive(Clone, Copy, Debug, Default, PartialEq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
#[rkyv(crate = rkyv)]
struct Judge {
    run: Run,
    usual: UsualOf,
}

/// Something that was told, and may yet be retracted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
#[rkyv(crate = rkyv)]
struct Told {
    /// When; of a period its first.
    minute: i64,
    what: What,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
#[rkyv(crate = rkyv)]
enum What {
    Onset(Onset),
    Period { known: u8, judged: u8 },
}

impl Told {
    fn of(self, wearer: Wearer) -> PulseTells {
        match self.what {
            What::Onset(onset) => PulseTells::Concern(Concern {
                wearer,
                at_ms: (self.minute + 1) * MINUTE_MS,
                sign: onset.sign(),
                grade: onset.grade(),
                evidence: onset.evidence(),
            }),
            What::Period { known, judged } => PulseTells::Watched(Watched {
                wearer,
                from_ms: self.minute * MINUTE_MS,
                until_ms: (self.minute + PERIOD_MINUTES) * MINUTE_MS,
                known_minutes: known,
                judged_minutes: judged,
            }),
        }
    }
}

/// What [`PulseWatch`] remembers of a person.
#[derive(Clone, PartialEq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
#[rkyv(crate = rkyv)]
pub struct PulseState {
    /// From the first of a period on, so that what was told of them can be corrected.
    minutes: Minutes,
    habit: Habit,
    /// As it was before the first minute.
    before: Run,
    /// Nothing was before the first minute: what is earlier may come yet.
    is_first: bool,
    /// As it was before the next minute that is to be judged.
    judge: Judge,
    next: i64,
    newest_ms: i64,
    /// Of the minutes that are kept.
    told: Vec<Told>,
    /// Something has come of minutes that were judged.
    is_stale: bool,
    /// When it is to be looked at again, on the arrival clock.
    asks_ms: Option<i64>,
}

impl Default for PulseState {
    fn default() -> Self {
        PulseState {
            minutes: Minutes::default(),
            habit: Habit::default(),
            before: Run::default(),
            is_first: true,
            judge: Judge::default(),
            next: i64::MIN,
            newest_ms: i64::MIN,
            told: Vec::new(),
            is_stale: false,
            asks_ms: None,
        }
    }
}

impl std::fmt::Debug for PulseState {
    /// No value: health data do not reach a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PulseState").field("next", &self.next).finish_non_exhaustive()
    }
}

impl State for PulseState {
    const NAME: &'static str = "watchfire.pulse";
    const VERSION: u32 = 1;
}

/// The periods of a person. They begin at another minute for each, so that not all are looked at together.
#[derive(Clone, Copy)]
struct Periods {
    offset: i64,
}

impl Periods {
    fn of(wearer: Wearer) -> Self {
        Periods { offset: (wearer.stable_hash() >> 32) as i64 % PERIOD_MINUTES }
    }

    fn of_minute(self, minute: i64) -> i64 {
        (minute + self.offset).div_euclid(PERIOD_MINUTES)
    }

    fn first_minute(self, period: i64) -> i64 {
        period * PERIOD_MINUTES - self.offset
    }

    /// The first minute of the period that a minute is in.
    fn begin(self, minute: i64) -> i64 {
        self.first_minute(self.of_minute(minute))
    }
}

type Cx<'a, 'b> = &'a mut Context<'b, Wearer, Change<PulseTells>>;

impl PulseWatch {
    /// Whether a minute whose lowest pulse is this is high.
    #[inline]
    pub(super) fn is_high(&self, lowest: u8, at_rest: bool, usual: Option<Usual>) -> bool {
        if at_rest && lowest >= self.high_per_min {
            return true;
        }
        let Above { per_min, spreads } = if at_rest { self.at_rest } else { self.moving };
        usual.is_some_and(|usual| f32::from(lowest) - usual.per_min >= per_min.max(spreads * usual.spread))
    }

    fn days_kept(&self) -> u16 {
        self.days.clamp(1, DAYS_MAX)
    }

    pub(super) fn still_minutes(&self) -> u8 {
        self.rest_minutes.clamp(1, u8::MAX - 1)
    }

    fn lateness_ms(&self) -> i64 {
        self.late_ms.clamp(0, LATE_MAX_MS)
    }

    /// Judges minutes, and learns from the periods that end with them.
    fn walk(
        &self,
        (minutes, habit, periods): (&Minutes, &mut Habit, Periods),
        judge: &mut Judge,
        (from, until): (i64, i64),
        mut tell: impl FnMut(Told),
    ) {
        let (mut begins, mut next) = (periods.begin(from), periods.begin(from) + PERIOD_MINUTES);
        for minute in from..until {
            let told = |onset| tell(Told { minute, what: What::Onset(onset) });
            judge.run.next(self, &judge.usual, minutes.get(minute), told);
            if minute + 1 < next {
                continue;
            }
            let period = periods.of_minute(minute);
            let (is, (known, judged)) = judge.run.end_period(minutes.between(begins, next), self.still_minutes());
            if known > 0 {
                habit.put(period, is);
                tell(Told { minute: begins, what: What::Period { known, judged } });
            }
            judge.usual = habit.usual(period + 1, self.days_kept());
            (begins, next) = (next, next + PERIOD_MINUTES);
        }
    }

    /// Judges what is to be judged before a minute, and once more what something has come of.
    fn advance(&self, st: &mut PulseState, until: i64, cx: Cx<'_, '_>) {
        let wearer = *cx.key();
        let periods = Periods::of(wearer);
        let until = until.max(st.next);
        let from = if st.is_stale { st.minutes.first() } else { st.next };
        let mut was = Vec::new();
        if std::mem::take(&mut st.is_stale) {
            let period = periods.of_minute(from);
            st.habit.forget_from(period);
            st.judge = Judge { run: st.before, usual: st.habit.usual(period, self.days_kept()) };
            was = std::mem::take(&mut st.told);
        }
        let PulseState { minutes, habit, judge, told, .. } = st;
        let kept = told.len();
        self.walk((minutes, habit, periods), judge, (from, until), |of| told.push(of));
        st.next = until;
        // What is told anew before what it corrects is taken back: at no time does nothing speak for it.
        st.told[kept..].iter().filter(|of| !was.contains(of)).for_each(|of| cx.emit(Change::Insert(of.of(wearer))));
        was.iter().filter(|of| !st.told.contains(of)).for_each(|of| cx.emit(Change::Retract(of.of(wearer))));
    }

    /// Forgets minutes of which nothing can come any more.
    fn settle(&self, st: &mut PulseState, cx: Cx<'_, '_>) {
        let periods = Periods::of(*cx.key());
        let oldest = st.newest_ms.saturating_sub(self.lateness_ms()).div_euclid(MINUTE_MS);
        let (from, until) = (st.minutes.first(), periods.begin(oldest.min(st.next)));
        if until <= from {
            return;
        }
        if st.is_stale {
            self.advance(st, st.next, cx);
        }
        let period = periods.of_minute(from);
        let mut judge = Judge { run: st.before, usual: st.habit.usual(period, self.days_kept()) };
        // What the periods were like is known already: it is only gone through, not learned.
        let mut habit = st.habit.clone();
        self.walk((&st.minutes, &mut habit, periods), &mut judge, (from, until), |_| {});
        (st.before, st.is_first) = (judge.run, false);
        st.minutes.forget_before(until);
        st.told.retain(|of| of.minute >= until);
        st.habit.settle(periods.of_minute(until), self.days_kept());
    }

    /// Begins with a minute, after so long a time that nothing before it says anything of it.
    fn begin(&self, st: &mut PulseState, minute: i64, cx: Cx<'_, '_>) {
        let periods = Periods::of(*cx.key());
        let before = st.judge.run.long_after();
        st.minutes.begin(periods.begin(minute));
        st.habit = Habit::default();
        (st.before, st.is_first, st.judge) = (before, true, Judge { run: before, ..Judge::default() });
        (st.next, st.is_stale) = (st.minutes.first(), false);
        st.told.clear();
    }

    /// A row is newer than all others.
    fn go_on(&self, st: &mut PulseState, at_ms: i64, cx: Cx<'_, '_>) {
        let minute = at_ms.div_euclid(MINUTE_MS);
        let forgotten = i64::from(self.days_kept()) * 1_440 + self.lateness_ms() / MINUTE_MS + PERIOD_MINUTES;
        if st.newest_ms == i64::MIN {
            self.begin(st, minute, cx);
        } else if minute - st.newest_ms.div_euclid(MINUTE_MS) > forgotten {
            self.finish(st, cx);
            self.begin(st, minute, cx);
        }
        st.newest_ms = at_ms;
        let passed = cx.watermark_ms().div_euclid(MINUTE_MS);
        // What is stale waits for the next tick, if not too much comes before it.
        if passed > st.next && (!st.is_stale || passed - st.next > PERIOD_MINUTES) {
            self.advance(st, passed, cx);
        }
        self.settle(st, cx);
    }

    /// Whether what is known of the minutes that are not judged yet may tell of somebody.
    fn may_tell(&self, st: &PulseState, periods: Periods) -> bool {
        if periods.of_minute(st.next) != periods.of_minute(st.minutes.end() - 1) {
            // Something else will be usual.
            return true;
        }
        let (mut run, mut tells) = (st.judge.run, false);
        for minute in st.next..st.minutes.end() {
            run.next(self, &st.judge.usual, st.minutes.get(minute), |_| tells = true);
        }
        tells
    }

    /// Asks to be woken where something is to be judged before another row comes. Wishes are dear: one that comes soon enough is left alone.
    fn ask(&self, st: &mut PulseState, cx: Cx<'_, '_>) {
        let asks_ms = if st.is_stale {
            cx.arrival_ms().saturating_add(1)
        } else if st.next < st.minutes.end() && self.may_tell(st, Periods::of(*cx.key())) {
            st.minutes.end() * MINUTE_MS
        } else {
            return;
        };
        if st.asks_ms.is_none_or(|asked_ms| asks_ms < asked_ms) {
            st.asks_ms = Some(asks_ms);
            cx.wake_at_arrival_ms(asks_ms);
        }
    }

    /// Judges all that is known, to the end of its period.
    fn finish(&self, st: &mut PulseState, cx: Cx<'_, '_>) {
        let until = Periods::of(*cx.key()).begin(st.minutes.end() - 1) + PERIOD_MINUTES;
        self.advance(st, until, cx);
    }

    /// What a row tells of its minute; none if it is nothing of this.
    fn told(says: BandSays, at_ms: i64) -> Option<Minute> {
        match says {
            BandSays::Measured(measured @ Measured::Pulse { .. }) => {
                Charted::of(Vital::Pulse, &measured).number().map(Minute::of_pulse)
            }
            BandSays::Measured(_) | BandSays::Given => None,
            // That the other band was taken off says nothing of the next.
            BandSays::Returned => Some(Minute::of_wear(at_ms.rem_euclid(MINUTE_MS) / 1_000, true)),
            BandSays::Steps { total } => Some(Minute::of_steps(total)),
            BandSays::Worn(is_on) => Some(Minute::of_wear(at_ms.rem_euclid(MINUTE_MS) / 1_000, is_on)),
        }
    }
}

impl Detector for PulseWatch {
    type Key = Wearer;
    type In = WornRow;
    type Out = Change<PulseTells>;
    type State = PulseState;

    fn describe(&self) -> Describe {
        Describe { kind: "pulse_watch", params: format!("{self:?}"), ordered: false }
    }

    fn on_row(&self, st: &mut PulseState, row: &WornRow, cx: Cx<'_, '_>) -> Verdict {
        let Some(at_ms) = in_time(row.at_ms, cx.event_time_ms(), st.newest_ms, self.lateness_ms()) else {
            return Verdict::Late;
        };
        let Some(told) = Self::told(row.says, at_ms) else { return Verdict::Applied };
        // Granted at the end alone: what is judged before then rows and the arrival clock bring about.
        cx.wake_at_event_ms(TIME_MAX_MS);
        let minute = at_ms.div_euclid(MINUTE_MS);
        if at_ms > st.newest_ms {
            self.go_on(st, at_ms, cx);
        } else if minute < st.minutes.first() && st.is_first {
            st.minutes.reach_back(Periods::of(*cx.key()).begin(minute));
        }
        if !st.minutes.tell(minute, told) {
            return Verdict::Applied;
        }
        if minute < st.next {
            st.is_stale = true;
        }
        self.ask(st, cx);
        Verdict::Applied
    }

    fn on_watermark(&self, st: &mut PulseState, cx: Cx<'_, '_>) {
        if cx.watermark_ms() == END_MS && st.newest_ms != i64::MIN {
            self.finish(st, cx);
        }
    }

    fn on_arrival(&self, st: &mut PulseState, cx: Cx<'_, '_>) {
        match st.asks_ms {
            Some(asks_ms) if asks_ms <= cx.arrival_ms() => {
                st.asks_ms = None;
                let passed = cx.arrival_ms().div_euclid(MINUTE_MS);
                self.advance(st, passed.min(st.minutes.end()), cx);
                self.ask(st, cx);
            }
            // Another detector of the operator was woken.
            Some(asks_ms) => cx.wake_at_arrival_ms(asks_ms),
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said of the memory of a person, and what is stored of them.
    #[test]
    fn states_take_so_many_bytes_and_are_stored_as_ever() {
        assert_eq!((size_of::<PulseState>(), Habit::PERIOD_BYTES), (384, 2));
        let mut state = PulseState { is_first: false, next: 241, newest_ms: 14_460_000, ..PulseState::default() };
        state.minutes.begin(0);
        let (watch, periods) = (PulseWatch { days: 2, ..PulseWatch::default() }, Periods { offset: 0 });
        for minute in 0..=240 {
            let steps = if minute < 30 { minute as u32 * 70 } else { 2_100 };
            state.minutes.tell(minute, Minute::of_steps(steps));
            state.minutes.tell(minute, Minute::of_pulse(60 + (minute % 7) as u16));
        }
        let PulseState { minutes, habit, judge, told, .. } = &mut state;
        watch.walk((minutes, habit, periods), judge, (0, 241), |of| told.push(of));
        assert_eq!(state.told.len(), 2, "two periods have ended");
        let bytes = state.encode().unwrap();
        assert!(PulseState::decode(&bytes).unwrap() == state);
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(
            (bytes.len(), hex.stable_hash()),
            (1_616, 16_174_399_400_560_368_970),
            "a new layout needs a new version"
        );
    }
}
