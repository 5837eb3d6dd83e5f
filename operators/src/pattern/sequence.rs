//! Sequences of rows as a detector of the engine: in event order, whatever order rows came in.

use std::fmt;
use std::marker::PhantomData;

use watchfire_engine::{
    Change, Context, Data, Describe, Detector, END_MS, Error, Key, State, Timed, Verdict, rkyv, row_from_bytes,
    row_to_bytes,
};

use super::run::{Run, Told};
use super::{Found, Matched, Steps};
use crate::window::{Close, TIME_MAX_MS};

/// What [`Sequence`] remembers of a key: the rows that can still change something, and what has begun. Stored with serde, so a row needs no more.
#[derive(Clone, Debug, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
#[rkyv(crate = rkyv)]
pub struct SequenceState<T: 'static> {
    /// Rows that are not settled, rising by event time and id.
    #[rkyv(with = rkyv::with::Skip)]
    open: Vec<(i64, T)>,
    /// What has begun, by all rows that are settled: those before `floor_ms`.
    #[rkyv(with = rkyv::with::Skip)]
    settled: Run<T>,
    /// The same by all rows that were before `ahead_ms` when that was reached. Unused where nothing is corrected.
    #[rkyv(with = rkyv::with::Skip)]
    ahead: Run<T>,
    /// What was told of rows that are not settled, in order: it can be taken back.
    #[rkyv(with = rkyv::with::Skip)]
    told: Vec<Told<T>>,
    clocks: Clocks,
}

#[derive(Clone, Copy, Debug, PartialEq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
#[rkyv(crate = rkyv)]
struct Clocks {
    floor_ms: i64,
    ahead_ms: i64,
    /// The latest event time that counted, and the quiet clock when a row last did.
    heard_ms: i64,
    heard_quiet_ms: i64,
    corrected_quiet_ms: i64,
    /// A row came behind `ahead_ms`, and what was told may no longer hold.
    stale: bool,
}

impl Default for Clocks {
    fn default() -> Self {
        let (floor_ms, ahead_ms, heard_ms) = (i64::MIN, i64::MIN, i64::MIN);
        Clocks { floor_ms, ahead_ms, heard_ms, heard_quiet_ms: i64::MIN, corrected_quiet_ms: i64::MIN, stale: false }
    }
}

impl<T: 'static> Default for SequenceState<T> {
    fn default() -> Self {
        let (open, told, clocks) = (Vec::new(), Vec::new(), Clocks::default());
        SequenceState { open, settled: Run::default(), ahead: Run::default(), told, clocks }
    }
}

impl<T: Data> State for SequenceState<T> {
    const NAME: &'static str = "watchfire.sequence";
    const VERSION: u32 = 1;

    fn encode(&self) -> Result<Vec<u8>, Error> {
        let Clocks { floor_ms, ahead_ms, heard_ms, heard_quiet_ms, corrected_quiet_ms, stale } = self.clocks;
        let clocks = (floor_ms, ahead_ms, heard_ms, heard_quiet_ms, corrected_quiet_ms, stale);
        row_to_bytes(&(&self.open, &self.settled, &self.ahead, &self.told, clocks))
    }

    fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let (open, settled, ahead, told, clocks) = row_from_bytes(bytes)?;
        let (floor_ms, ahead_ms, heard_ms, heard_quiet_ms, corrected_quiet_ms, stale) = clocks;
        let clocks = Clocks { floor_ms, ahead_ms, heard_ms, heard_quiet_ms, corrected_quiet_ms, stale };
        Ok(SequenceState { open, settled, ahead, told, clocks })
    }
}

/// Finds [`Steps`] in the rows of each key, in the order of their event times, and of one instant in that of their ids.
///
/// - **A row counts** when the key's watermark has passed it; then a match that ends with it leaves. One that ends with something [absent](Steps::absent) leaves when
///   the watermark has passed the time in which that should not come.
/// - **Late rows** are treated by the policies of [windows](Close), [`Close::Hold`] for a minute if nothing else is said. With that and [`Close::Provisional`] a key that
///   was quiet for so long is waited for no longer: its rows count, and its event time is taken to go on with its quiet clock, so that what is absent is told of a
///   key that says nothing more; rows that are later than what it said last and what was told are not late. With [`Close::Provisional`] others count all the same, within
///   the allowed lateness: with a tick, matches that no longer hold are retracted, as they were, and those that hold now are inserted.
/// - **Verdicts**: a row that is older than what is settled is [`Late`](Verdict::Late), as is a time that can only be wrong ([`TIME_MAX_MS`]); what repeats the event
///   time and id of a row that is not settled is a [`Duplicate`](Verdict::Duplicate), whatever else it says.
/// - **The end** of the input ends all waiting: what has been absent until then is absent.
///
/// The rows of a key need not come in order, so nothing has to put them in order before; what does ([`InOrder`](crate::detect::InOrder), a window) may stand before it.
///
/// Per row: a binary search, moving the rows behind it, and a condition or two for each match that has begun; a correction looks at all rows that are not settled
/// again. Memory per key: the rows within the disorder bound and the allowed lateness, but at most [`held_max`](Sequence::held_max), beyond which the oldest are settled;
/// and the rows of [`matches_max`](Sequence::matches_max) matches that have begun, beyond which the oldest is given up, as [`Found::Dropped`] tells; twice that where
/// matches can be corrected, and what was told of rows that are not settled.
///
/// # Examples
/// Who calls, and is not answered within a minute? More stands in the [room](super).
/// ```
/// use serde::{Deserialize, Serialize};
/// use watchfire_engine::{Change, Job, TickSource, Timed};
/// use watchfire_operators::pattern::{Found, Sequence, Steps};
/// #[derive(Clone, Debug, Serialize, Deserialize)]
/// struct Said { desk: u32, at_ms: i64, calls: bool }
/// impl Timed for Said {
///     fn event_time_ms(&self) -> i64 { self.at_ms }
/// }
/// let steps = Steps::new().step("called", |said: &Said| said.calls).absent("answered", 60_000, |said| !said.calls);
/// let unanswered = Sequence::new(steps, |said: &Said| said.calls)?;
/// let job = Job::new(move |flow| {
///     let said = flow.channel::<Said>("said").key_by(|said| said.desk);
///     said.detect("unanswered", unanswered.clone()).out.to_channel("found");
/// });
/// let mut running = job.ticks(TickSource::FROM_EVENTS).start()?;
/// let (said, found) = (running.sender::<Said>("said")?, running.receiver::<Change<Found<u32, Said>>>("found")?);
/// let seconds = [(0, true), (30, false), (60, true), (121, false)];
/// said.send(seconds.map(|(second, calls)| Said { desk: 7, at_ms: second * 1_000, calls }).to_vec())?;
/// drop(said);
/// let known: Vec<i64> = found.rows().map(|change| change.row().event_time_ms() / 1_000).collect();
/// assert_eq!(known, [120], "a minute after the second call");
/// running.wait()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Sequence<K, T, F> {
    steps: Steps<T>,
    id: F,
    close: Close,
    matches_max: usize,
    held_max: usize,
    key: PhantomData<fn(&T) -> K>,
}

impl<K, T, F: Clone> Clone for Sequence<K, T, F> {
    fn clone(&self) -> Self {
        Sequence { steps: self.steps.clone(), id: self.id.clone(), ..*self }
    }
}

impl<K, T, F> fmt::Debug for Sequence<K, T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sequence({})", self.params())
    }
}

impl<K, T, F> Sequence<K, T, F> {
    /// So many matches may have begun of a key, if nothing else is said.
    pub const MATCHES_MAX: usize = 64;

    /// A key that was quiet for so long is waited for no longer, if nothing else is said: a minute.
    pub const QUIET_MS: i64 = 60_000;

    /// So many rows are held of a key, if nothing else is said.
    pub const HELD_MAX: usize = 100_000;

    /// Looks for `steps` in rows that are told apart by event time and `id`, a pure function of the row: a sequence number, or what was measured.
    ///
    /// # Errors
    /// `E0621` if there is no step or more than [`STEPS_MAX`](super::STEPS_MAX), several and no [`within_ms`](Steps::within_ms), a time that is not positive or above
    /// [`LENGTH_MAX_MS`](crate::window::LENGTH_MAX_MS), something ruled out where no step follows or none comes before, or a step behind what must be absent.
    pub fn new<I: Ord>(steps: Steps<T>, id: F) -> Result<Self, Error>
    where
        F: Fn(&T) -> I,
    {
        steps.check()?;
        let (matches_max, held_max) = (Self::MATCHES_MAX, Self::HELD_MAX);
        let close = Close::Hold { max_ms: Self::QUIET_MS };
        Ok(Sequence { steps, id, close, matches_max, held_max, key: PhantomData })
    }

    /// Sets what becomes of late rows, and how long a quiet key is waited for. Default [`Close::Hold`] for [`QUIET_MS`](Sequence::QUIET_MS): with [`Close::Final`] the last row of
    /// a key counts when it speaks again, or ends, and so does what it was to speak of.
    #[must_use]
    pub fn close(self, close: Close) -> Self {
        Sequence { close, ..self }
    }

    /// Sets how many matches of a key may have begun; 1 at least.
    #[must_use]
    pub fn matches_max(self, matches_max: usize) -> Self {
        Sequence { matches_max: matches_max.max(1), ..self }
    }

    /// Sets how many rows are held of a key; 1 at least.
    #[must_use]
    pub fn held_max(self, held_max: usize) -> Self {
        Sequence { held_max: held_max.max(1), ..self }
    }

    fn params(&self) -> String {
        let Sequence { steps, close, matches_max, held_max, .. } = self;
        format!("{}, {close:?}, at most {matches_max} begun and {held_max} held", steps.params())
    }
}

/// Where it has come by telling all that is known before `upto_ms`. What is later than the last row and all that was told may still come: of a device that
/// was offline for hours, or from another split.
fn reached_ms<T>(upto_ms: i64, clocks: &Clocks, told: &[Told<T>]) -> i64 {
    let last_ms = told.last().map_or(i64::MIN, |told| told.at_ms).max(clocks.heard_ms);
    upto_ms.min(last_ms.saturating_add(1))
}

type Cx<'a, 'b, K, T> = &'a mut Context<'b, K, Change<Found<K, T>>>;

impl<K, T, I, F> Sequence<K, T, F>
where
    K: Key,
    T: Data + Timed,
    I: Ord,
    F: Fn(&T) -> I + Send + Sync + 'static,
{
    fn corrects(&self) -> bool {
        matches!(self.close, Close::Provisional { .. })
    }

    fn found(key: &K, told: &Told<T>) -> Found<K, T> {
        let rows = told.rows.iter().map(|(_, row)| row.clone()).collect();
        let matched = Matched { key: key.clone(), at_ms: told.at_ms, rows };
        if told.is_match { Found::Match(matched) } else { Found::Dropped(matched) }
    }

    fn insert(told: &Told<T>, cx: Cx<'_, '_, K, T>) {
        let found = Self::found(cx.key(), told);
        cx.emit(Change::Insert(found));
    }

    /// Takes all that is open before `upto_ms` through a run.
    fn take(&self, run: &mut Run<T>, open: &[(i64, T)], upto_ms: i64) -> Vec<Told<T>> {
        let mut told = Vec::new();
        for (at_ms, row) in open {
            run.row(&self.steps, *at_ms, row, self.matches_max, &mut told);
        }
        run.pass(&self.steps, upto_ms, &mut told);
        told
    }

    /// Tells what is known by all rows before `upto_ms`; with corrections they can still change.
    fn show(&self, st: &mut SequenceState<T>, upto_ms: i64, cx: Cx<'_, '_, K, T>) {
        if !self.corrects() {
            return self.settle(st, upto_ms, cx);
        }
        if upto_ms <= st.clocks.ahead_ms {
            return;
        }
        let place = |at_ms: i64| st.open.partition_point(|(of, _)| *of < at_ms);
        let new = place(st.clocks.ahead_ms)..place(upto_ms);
        let told = self.take(&mut st.ahead, &st.open[new], upto_ms);
        told.iter().for_each(|told| Self::insert(told, cx));
        st.clocks.ahead_ms = st.clocks.ahead_ms.max(reached_ms(upto_ms, &st.clocks, &told));
        st.told.extend(told);
    }

    /// Lets go of all rows before `upto_ms`: what comes before it from now on is late. What they come to has been told, where that can be corrected.
    fn settle(&self, st: &mut SequenceState<T>, upto_ms: i64, cx: Cx<'_, '_, K, T>) {
        if upto_ms <= st.clocks.floor_ms {
            return;
        }
        if st.clocks.stale {
            self.correct(st, cx);
        }
        let count = st.open.partition_point(|(at_ms, _)| *at_ms < upto_ms);
        let told = self.take(&mut st.settled, &st.open[..count], upto_ms);
        st.open.drain(..count);
        if self.corrects() {
            st.told.drain(..told.len().min(st.told.len()));
        } else {
            told.iter().for_each(|told| Self::insert(told, cx));
        }
        st.clocks.floor_ms = st.clocks.floor_ms.max(reached_ms(upto_ms, &st.clocks, &told));
    }

    /// Retracts what no longer holds, and inserts what does.
    fn correct(&self, st: &mut SequenceState<T>, cx: Cx<'_, '_, K, T>) {
        st.clocks.stale = false;
        let mut run = st.settled.clone();
        let count = st.open.partition_point(|(at_ms, _)| *at_ms < st.clocks.ahead_ms);
        let told = self.take(&mut run, &st.open[..count], st.clocks.ahead_ms);
        let was = std::mem::replace(&mut st.told, told);
        st.ahead = run;
        for told in was.iter().filter(|told| !self.holds(&st.told, told)) {
            let found = Self::found(cx.key(), told);
            cx.emit(Change::Retract(found));
        }
        st.told.iter().filter(|told| !self.holds(&was, told)).for_each(|told| Self::insert(told, cx));
    }

    /// Something is among what was told, which is in the order of `at_ms`.
    fn holds(&self, all: &[Told<T>], one: &Told<T>) -> bool {
        let from = all.partition_point(|told| told.at_ms < one.at_ms);
        let same_row = |((a_ms, a), (b_ms, b)): (&(i64, T), &(i64, T))| a_ms == b_ms && (self.id)(a) == (self.id)(b);
        let same = |told: &Told<T>| {
            told.is_match == one.is_match
                && told.rows.len() == one.rows.len()
                && told.rows.iter().zip(&one.rows).all(same_row)
        };
        all[from..].iter().take_while(|told| told.at_ms == one.at_ms).any(same)
    }

    /// More rows are open than may be: the oldest are settled.
    fn bound(&self, st: &mut SequenceState<T>, cx: Cx<'_, '_, K, T>) {
        let Some(more) = st.open.len().checked_sub(self.held_max).filter(|more| *more > 0) else { return };
        let upto_ms = if st.open[more].0 > st.open[0].0 { st.open[more].0 } else { st.open[0].0.saturating_add(1) };
        self.show(st, upto_ms, cx);
        self.settle(st, upto_ms, cx);
    }

    /// Up to where a quiet key is waited for no longer.
    fn quiet_upto_ms(&self, st: &SequenceState<T>, cx: &Context<'_, K, Change<Found<K, T>>>) -> i64 {
        let Some(patience_ms) = self.close.patience_ms() else { return i64::MIN };
        let beyond_ms = cx.quiet_ms().saturating_sub(st.clocks.heard_quiet_ms).saturating_sub(patience_ms.max(0));
        if beyond_ms < 0 { i64::MIN } else { st.clocks.heard_ms.saturating_add(1).saturating_add(beyond_ms) }
    }

    /// Asks for the next call of the key's watermark.
    fn ask(&self, st: &SequenceState<T>, cx: Cx<'_, '_, K, T>) {
        let (run, known_ms) = if self.corrects() { (&st.ahead, st.clocks.ahead_ms) } else { (&st.settled, i64::MIN) };
        let next = st.open.get(st.open.partition_point(|(at_ms, _)| *at_ms < known_ms)).map(|(at_ms, _)| *at_ms);
        for at_ms in next.into_iter().chain(run.due_ms(&self.steps)) {
            cx.wake_at_event_ms(at_ms.saturating_add(1));
        }
        if self.corrects() {
            let settles = st.open.first().map(|(at_ms, _)| *at_ms).into_iter().chain(st.settled.due_ms(&self.steps));
            for at_ms in settles {
                cx.wake_at_event_ms(at_ms.saturating_add(1).saturating_add(self.close.lateness_ms()));
            }
        }
    }

    /// Asks for the next call of the key's quiet clock.
    fn ask_quiet(&self, st: &SequenceState<T>, cx: Cx<'_, '_, K, T>) {
        if st.clocks.stale {
            let due_ms = st.clocks.corrected_quiet_ms.saturating_add(self.close.every_ms().unwrap_or(0));
            cx.wake_at_quiet_ms(due_ms.max(cx.quiet_ms().saturating_add(1)));
        }
        let Some(patience_ms) = self.close.patience_ms() else { return };
        let (run, known_ms) =
            if self.corrects() { (&st.ahead, st.clocks.ahead_ms) } else { (&st.settled, st.clocks.floor_ms) };
        let quiet_ms = st.clocks.heard_quiet_ms.saturating_add(patience_ms.max(0));
        if st.open.last().is_some_and(|(at_ms, _)| *at_ms >= known_ms) {
            return cx.wake_at_quiet_ms(quiet_ms);
        }
        if let Some(due_ms) = run.due_ms(&self.steps) {
            cx.wake_at_quiet_ms(quiet_ms.saturating_add(due_ms.saturating_sub(st.clocks.heard_ms).max(0)));
        }
    }
}

impl<K, T, I, F> Detector for Sequence<K, T, F>
where
    K: Key,
    T: Data + Timed,
    I: Ord,
    F: Fn(&T) -> I + Send + Sync + 'static,
{
    type Key = K;
    type In = T;
    type Out = Change<Found<K, T>>;
    type State = SequenceState<T>;

    fn describe(&self) -> Describe {
        Describe { kind: "sequence", params: self.params(), ordered: !self.corrects() }
    }

    fn on_row(&self, st: &mut SequenceState<T>, row: &T, cx: Cx<'_, '_, K, T>) -> Verdict {
        // Of a key whose clock is ahead the engine knows better.
        let at_ms = row.event_time_ms().min(cx.event_time_ms());
        if at_ms < st.clocks.floor_ms || !(-TIME_MAX_MS..=TIME_MAX_MS).contains(&at_ms) {
            return Verdict::Late;
        }
        let is = (at_ms, (self.id)(row));
        let of = |(held_ms, held): &(i64, T)| (*held_ms, (self.id)(held));
        let place = st.open.partition_point(|held| of(held) < is);
        if st.open.get(place).is_some_and(|held| of(held) == is) {
            return Verdict::Duplicate;
        }
        st.open.insert(place, (at_ms, row.clone()));
        st.clocks.stale |= self.corrects() && at_ms < st.clocks.ahead_ms;
        (st.clocks.heard_ms, st.clocks.heard_quiet_ms) = (st.clocks.heard_ms.max(at_ms), cx.quiet_ms());
        self.bound(st, cx);
        self.ask(st, cx);
        self.ask_quiet(st, cx);
        Verdict::Applied
    }

    fn on_watermark(&self, st: &mut SequenceState<T>, cx: Cx<'_, '_, K, T>) {
        let watermark_ms = cx.watermark_ms();
        if watermark_ms == END_MS && st.clocks.stale {
            self.correct(st, cx);
        }
        self.show(st, watermark_ms, cx);
        // Where another split may go on with the key, what it brings within the allowed lateness is a correction.
        if self.corrects() && watermark_ms != END_MS {
            self.settle(st, watermark_ms.saturating_sub(self.close.lateness_ms()), cx);
        }
        self.ask(st, cx);
    }

    fn on_quiet(&self, st: &mut SequenceState<T>, cx: Cx<'_, '_, K, T>) {
        if st.clocks.heard_ms == i64::MIN {
            return;
        }
        if st.clocks.heard_quiet_ms == i64::MIN {
            // The row came before the first tick: its silence can be measured from here on.
            st.clocks.heard_quiet_ms = cx.quiet_ms();
        }
        let due_ms = st.clocks.corrected_quiet_ms.saturating_add(self.close.every_ms().unwrap_or(0));
        if st.clocks.stale && cx.quiet_ms() >= due_ms {
            st.clocks.corrected_quiet_ms = cx.quiet_ms();
            self.correct(st, cx);
        }
        self.show(st, self.quiet_upto_ms(st, cx), cx);
        self.ask(st, cx);
        self.ask_quiet(st, cx);
    }
}

#[cfg(test)]
impl SequenceState<(i64, u32)> {
    /// One of each that there is.
    pub(super) fn example() -> Self {
        let steps = Steps::new()
            .step("one", |(_, of): &(i64, u32)| *of == 1)
            .step("two", |(_, of)| *of == 2)
            .within_ms(60)
            .absent("three", 50, |(_, of)| *of == 3);
        let (mut settled, mut told) = (Run::default(), Vec::new());
        for row in [(100, 1), (110, 1), (120, 2)] {
            settled.row(&steps, row.0, &row, 8, &mut told);
        }
        let mut ahead = settled.clone();
        ahead.row(&steps, 400, &(400, 1), 8, &mut told);
        let clocks = Clocks { floor_ms: 130, ahead_ms: 401, heard_ms: 500, heard_quiet_ms: 7, ..Clocks::default() };
        SequenceState { open: vec![(400, (400, 1)), (500, (500, 2))], settled, ahead, told, clocks }
    }
}
