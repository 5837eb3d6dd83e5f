//! Of whom nothing is heard.

use serde::{Deserialize, Serialize};
use watchfire_engine::{Change, Context, Describe, Detector, Error, State, Verdict, rkyv};

use super::chart::Charted;
use super::late::in_time;
use super::slots::{SLOT_MS, Slots};
use super::{BandSays, Concern, Evidence, Grade, Sign, Wearer, WornRow};

const HOUR_MS: i64 = 3_600_000;

/// Slots a day.
const A_DAY: i64 = 24 * HOUR_MS / SLOT_MS;

/// Tells of people of whom nothing is heard for longer than is usual of them.
///
/// - **A sign of life** is a vital that somebody has, more steps than before, and the band being put on or taken off. A pulse of a band that is off is none, nor is anything that a band tells of itself,
///   nor a count of steps that comes after a later one; that it is off counts for what comes after that is told.
/// - **Whoever is heard** in [`regular_pct`](NoSignal::regular_pct) of the quarters of an hour of the last [`days`](NoSignal::days) wears it always: a silence of theirs is told after [`after_ms`](NoSignal::after_ms). So is
///   that of somebody who is new. Of others it is told after [`of_longest_pct`](NoSignal::of_longest_pct) of the longest silence of those days, from `after_ms` to [`most_ms`](NoSignal::most_ms): who takes it off every
///   night is not sought every morning.
/// - **Measured** in quarters of an hour, rounded up, from the end of the quarter of an hour of the last sign of life, on the quiet clock of its split: it stands still while the source is disconnected or behind, and goes on where it was, so an outage of ours
///   is no silence of theirs, and nobody who was silent before it gains more than its length. A sign of life that comes late counts from when it was.
/// - **Told once**, as [`Grade::CallBack`], and retracted if rows that come late, up to [`late_ms`](NoSignal::late_ms), show that they were heard in that time. That a band was taken off excuses nobody; it is told with it.
///
/// Who was never heard is not known here: let a roll name them, see [`Silence`](crate::detect::Silence). The end of the input tells nothing. Per row: O(1), and O(days) when somebody is silent; memory a person: 12 bytes a day of `days`, `most_ms` and `late_ms`,
/// and 150.
///
/// # Examples
/// Somebody is heard every minute for a day, and then no more:
/// ```
/// use watchfire_engine::{Change, Job, TickSource};
/// use watchfire_operators::wristband::{BandSays, Concern, Measured, NoSignal, Sign, Wearer, WornRow};
/// let job = Job::new(|flow| {
///     let rows = flow.channel::<WornRow>("bands").key_by(|row| row.wearer).event_time(WornRow::EVENT_TIME);
///     rows.detect("no signal", NoSignal::default()).out.to_channel("concerns");
/// });
/// let mut running = job.ticks(TickSource::FROM_EVENTS).start()?;
/// let (bands, concerns) = (running.sender::<WornRow>("bands")?, running.receiver::<Change<Concern>>("concerns")?);
/// let pulse = |person: u32, minute: i64| {
///     WornRow { wearer: Wearer::Person(person), at_ms: minute * 60_000, says: BandSays::Measured(Measured::Pulse { per_min: Some(70.0) }) }
/// };
/// // The clock goes on by somebody else.
/// let both = (0..2_880).flat_map(|minute| [pulse(7, minute.min(1_439)), pulse(8, minute)]);
/// bands.send(both.collect())?;
/// drop(bands);
/// let told: Vec<_> = concerns.rows().map(|change| match change {
///     Change::Insert(of) => (of.wearer, of.sign, of.at_ms / 3_600_000),
///     Change::Retract(_) => panic!("nothing came late"),
/// }).collect();
/// assert_eq!(told, [(Wearer::Person(7), Sign::NoSignal, 36)]);
/// running.wait()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NoSignal {
    /// After so long a silence of somebody who is always heard; milliseconds, 15 minutes to 31 days.
    pub after_ms: i64,
    /// Who is heard in so many quarters of an hour, per cent, is always heard; 1 to 100.
    pub regular_pct: u8,
    /// Of others after so much of their longest silence, per cent; 100 to 1,000.
    pub of_longest_pct: u16,
    /// And after so long at most; milliseconds, from `after_ms` to 31 days.
    pub most_ms: i64,
    /// What is usual is known by so many days before; 1 to 365.
    pub days: u16,
    /// A row that is so much older than the newest of its wearer is late; milliseconds, 0 to 31 days.
    pub late_ms: i64,
}

impl Default for NoSignal {
    /// 12 hours of those who are heard 70 % of the time; one and a half of their longest silence of others, three days at most.
    fn default() -> Self {
        NoSignal {
            after_ms: 12 * HOUR_MS,
            regular_pct: 70,
            of_longest_pct: 150,
            most_ms: 72 * HOUR_MS,
            days: 28,
            late_ms: 26 * HOUR_MS,
        }
    }
}

/// Rounded up to quarters of an hour.
fn whole_slots(ms: i64) -> i64 {
    (ms + SLOT_MS - 1) / SLOT_MS * SLOT_MS
}

/// A silence that was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
#[rkyv(crate = rkyv)]
struct Told {
    /// The first slot without a sign of life.
    since: i64,
    after_ms: i64,
    at_ms: i64,
    taken_off: bool,
}

impl Told {
    fn of(self, wearer: Wearer) -> Concern {
        let (since_ms, after_ms, taken_off) = (self.since * SLOT_MS, self.after_ms, self.taken_off);
        let evidence = Evidence::Silence { since_ms, after_ms, taken_off };
        Concern { wearer, at_ms: self.at_ms, sign: Sign::NoSignal, grade: Grade::CallBack, evidence }
    }
}

/// What [`NoSignal`] remembers of a person.
#[derive(Clone, Debug, PartialEq, Eq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
#[rkyv(crate = rkyv)]
pub struct NoSignalState {
    heard: Slots,
    /// The slot of the newest sign of life.
    newest: Option<i64>,
    newest_ms: i64,
    /// The quiet clock when that slot ended; `i64::MIN` before its first reading.
    quiet_ms: i64,
    /// The silence since then was told.
    is_told: bool,
    /// Put on or taken off last: when, and which.
    wear: Option<(i64, bool)>,
    /// What the counter of steps came to last, and when.
    steps: Option<(i64, u32)>,
    /// When they were heard last, and when their band was handed back last.
    life_ms: i64,
    returned_ms: i64,
    /// How many bands are recorded to be theirs.
    bands: i32,
    /// What may yet be retracted, the oldest first.
    told: Vec<Told>,
}

impl Default for NoSignalState {
    /// Never heard.
    fn default() -> Self {
        NoSignalState {
            heard: Slots::default(),
            newest: None,
            newest_ms: i64::MIN,
            quiet_ms: i64::MIN,
            is_told: false,
            wear: None,
            steps: None,
            life_ms: i64::MIN,
            returned_ms: i64::MIN,
            bands: 0,
            told: Vec::new(),
        }
    }
}

impl State for NoSignalState {
    const NAME: &'static str = "watchfire.no_signal";
    const VERSION: u32 = 1;
}

impl NoSignalState {
    /// Whether they have a band, as far as anybody has said.
    fn is_watched(&self) -> bool {
        self.bands > 0 || self.life_ms > self.returned_ms
    }

    /// Whether a row is a sign of life. What is told of the time before the last of its kind is taken to be in order.
    fn is_life(&mut self, says: BandSays, at_ms: i64) -> bool {
        match says {
            BandSays::Worn(is_on) => {
                self.wear = self.wear.max(Some((at_ms, is_on)));
                true
            }
            BandSays::Steps { total } => {
                let (before_ms, before) = *self.steps.get_or_insert((at_ms, total));
                if at_ms >= before_ms {
                    self.steps = Some((at_ms, total));
                }
                at_ms > before_ms && total > before
            }
            BandSays::Measured(measured) => {
                let is_off = self.wear.is_some_and(|(since_ms, is_on)| !is_on && at_ms >= since_ms);
                let is_possible = |vital| Charted::of(vital, &measured).number().is_some();
                !is_off && measured.vital().is_some_and(is_possible)
            }
            // Whoever hands it to them has seen them.
            BandSays::Given => true,
            BandSays::Returned => false,
        }
    }
}

type Cx<'a, 'b> = &'a mut Context<'b, Wearer, Change<Concern>>;

impl NoSignal {
    /// Whether it can be worked with. Unasked, what it refuses is taken for the nearest that can.
    ///
    /// # Errors
    /// `E0634` if a number is out of its bounds.
    ///
    /// ```
    /// use watchfire_operators::wristband::NoSignal;
    /// assert!(NoSignal::default().check().is_ok());
    /// assert_eq!(NoSignal { regular_pct: 0, ..NoSignal::default() }.check().unwrap_err().code(), "E0634");
    /// ```
    pub fn check(&self) -> Result<(), Error> {
        let month_ms = 31 * 24 * HOUR_MS;
        let wrong = (!(SLOT_MS..=month_ms).contains(&self.after_ms))
            .then_some("after_ms")
            .or((!(1..=100).contains(&self.regular_pct)).then_some("regular_pct"))
            .or((!(100..=1_000).contains(&self.of_longest_pct)).then_some("of_longest_pct"))
            .or((!(self.after_ms..=month_ms).contains(&self.most_ms)).then_some("most_ms"))
            .or((!(1..=365).contains(&self.days)).then_some("days"))
            .or((!(0..=month_ms).contains(&self.late_ms)).then_some("late_ms"));
        let Some(at) = wrong else { return Ok(()) };
        let what = format!("silence cannot be watched by this: {at} is out of bounds");
        Err(Error::new("E0634", what).at(at).remedy("take a number within those of its documentation"))
    }

    fn days_kept(&self) -> i64 {
        i64::from(self.days.clamp(1, 365)) * A_DAY
    }

    fn lateness_ms(&self) -> i64 {
        self.late_ms.clamp(0, 31 * 24 * HOUR_MS)
    }

    /// After how long at least a silence is told.
    fn shortest_ms(&self) -> i64 {
        whole_slots(self.after_ms.clamp(SLOT_MS, 31 * 24 * HOUR_MS))
    }

    /// After how long a silence that begins with a slot is told.
    fn told_after_ms(&self, st: &NoSignalState, since: i64) -> i64 {
        let after_ms = self.shortest_ms();
        let from = (since - self.days_kept()).max(st.heard.oldest().unwrap_or(since));
        let (heard, longest) = st.heard.share_and_gap(from, since);
        if heard * 100 >= (since - from) * i64::from(self.regular_pct.clamp(1, 100)) {
            return after_ms;
        }
        let usual_ms = longest * SLOT_MS / 100 * i64::from(self.of_longest_pct.clamp(100, 1_000));
        whole_slots(usual_ms.clamp(after_ms, self.most_ms.clamp(after_ms, 32 * 24 * HOUR_MS)))
    }

    /// Somebody was heard in a slot.
    fn heard(&self, st: &mut NoSignalState, slot: i64, cx: Cx<'_, '_>) {
        if st.newest.is_none_or(|newest| slot > newest) {
            st.newest = Some(slot);
            // A silence may begin so long ago, and what is usual is looked up before it.
            let silence = self.most_ms.clamp(SLOT_MS, 31 * 24 * HOUR_MS).max(self.lateness_ms());
            st.heard.forget_before(slot - self.days_kept() - (silence + self.lateness_ms()) / SLOT_MS);
            let was_ms = std::mem::replace(&mut st.quiet_ms, i64::MIN);
            st.is_told = false;
            Self::anchor(st, cx);
            if was_ms != i64::MIN {
                // Silent since now is no longer than silent since before: what an outage of ours took was taken off already.
                st.quiet_ms = st.quiet_ms.max(was_ms.min(cx.quiet_ms()));
            }
        }
        st.heard.set(slot);
        let wearer = *cx.key();
        let oldest = st.newest_ms.saturating_sub(self.lateness_ms());
        st.told.retain(|of| {
            let until_ms = (of.since * SLOT_MS).saturating_add(of.after_ms);
            let is_wrong = slot >= of.since && (slot + 1) * SLOT_MS <= until_ms;
            if is_wrong {
                cx.emit(Change::Retract(of.of(wearer)));
            }
            !is_wrong && until_ms >= oldest
        });
    }

    /// Their band was handed back: a silence that was told after that was none.
    fn returned(&self, st: &mut NoSignalState, at_ms: i64, cx: Cx<'_, '_>) {
        st.returned_ms = st.returned_ms.max(at_ms);
        if st.is_watched() {
            return;
        }
        // What that band was like says nothing of the next.
        st.wear = st.wear.filter(|(since_ms, _)| *since_ms > at_ms);
        st.steps = st.steps.filter(|(read_ms, _)| *read_ms > at_ms);
        let wearer = *cx.key();
        let told = st.told.len();
        st.told.retain(|of| {
            let is_wrong = at_ms < (of.since * SLOT_MS).saturating_add(of.after_ms);
            if is_wrong {
                cx.emit(Change::Retract(of.of(wearer)));
            }
            !is_wrong
        });
        st.is_told &= st.told.len() == told;
    }

    /// Where on the quiet clock the slot of the newest sign of life ends, once that clock can be read.
    fn anchor(st: &mut NoSignalState, cx: Cx<'_, '_>) {
        let Some(newest) = st.newest.filter(|_| cx.arrival_ms() != i64::MIN && cx.quiet_ms() != i64::MIN) else {
            return;
        };
        let ago_ms = cx.arrival_ms().saturating_sub((newest + 1) * SLOT_MS);
        st.quiet_ms = cx.quiet_ms().saturating_sub(ago_ms);
    }
}

impl Detector for NoSignal {
    type Key = Wearer;
    type In = WornRow;
    type Out = Change<Concern>;
    type State = NoSignalState;

    fn describe(&self) -> Describe {
        Describe { kind: "no_signal", params: format!("{self:?}"), ordered: false }
    }

    fn on_row(&self, st: &mut NoSignalState, row: &WornRow, cx: Cx<'_, '_>) -> Verdict {
        let Some(at_ms) = in_time(row.at_ms, cx.event_time_ms(), st.newest_ms, self.lateness_ms()) else {
            return Verdict::Late;
        };
        st.newest_ms = st.newest_ms.max(at_ms);
        match row.says {
            BandSays::Given => st.bands = st.bands.saturating_add(1),
            BandSays::Returned => {
                st.bands = st.bands.saturating_sub(1);
                self.returned(st, at_ms, cx);
            }
            _ => {}
        }
        if st.is_life(row.says, at_ms) {
            st.life_ms = st.life_ms.max(at_ms);
            self.heard(st, at_ms.div_euclid(SLOT_MS), cx);
        }
        if st.quiet_ms > cx.quiet_ms().saturating_add(SLOT_MS) {
            // Of another split, whose clock was frozen for longer: by the arrival clock, which is no later.
            Self::anchor(st, cx);
        }
        if st.newest.is_some() && !st.is_told && st.is_watched() {
            cx.wake_at_quiet_ms(st.quiet_ms.saturating_add(self.shortest_ms()));
        }
        Verdict::Applied
    }

    fn on_quiet(&self, st: &mut NoSignalState, cx: Cx<'_, '_>) {
        let Some(since) = st.newest.filter(|_| !st.is_told && st.is_watched()).map(|newest| newest + 1) else { return };
        if st.quiet_ms == i64::MIN {
            Self::anchor(st, cx);
        }
        // Nobody has waited yet who has not waited for the shortest time: what is usual is not looked up before.
        let shortest_ms = st.quiet_ms.saturating_add(self.shortest_ms());
        if cx.quiet_ms() < shortest_ms {
            return cx.wake_at_quiet_ms(shortest_ms);
        }
        let after_ms = self.told_after_ms(st, since);
        let due_ms = st.quiet_ms.saturating_add(after_ms);
        if cx.quiet_ms() < due_ms {
            return cx.wake_at_quiet_ms(due_ms);
        }
        st.is_told = true;
        let taken_off = st.wear.is_some_and(|(_, is_on)| !is_on);
        let told = Told { since, after_ms, at_ms: cx.arrival_ms(), taken_off };
        st.told.push(told);
        cx.emit(Change::Insert(told.of(*cx.key())));
    }
}

#[cfg(test)]
mod tests {
    use watchfire_engine::Key;

    use super::*;

    #[test]
    fn states_are_stored_as_ever() {
        let mut state = NoSignalState {
            newest: Some(200),
            newest_ms: 200 * SLOT_MS + 5,
            quiet_ms: 7,
            is_told: true,
            wear: Some((3, true)),
            steps: Some((4, 900)),
            told: vec![Told { since: 90, after_ms: 12 * HOUR_MS, at_ms: 138 * SLOT_MS, taken_off: true }],
            ..NoSignalState::default()
        };
        [3, 70, 200].into_iter().for_each(|slot| state.heard.set(slot));
        let bytes = state.encode().unwrap();
        assert_eq!(NoSignalState::decode(&bytes).unwrap(), state);
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(
            (size_of::<NoSignalState>(), bytes.len(), hex.stable_hash()),
            (152, 200, 18_174_873_284_832_700_199),
            "a new layout needs a new version"
        );
    }
}
