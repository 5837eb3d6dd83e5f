//! A detector of the engine, made of a score.

use std::fmt;
use std::marker::PhantomData;

use serde::{Deserialize, Serialize};
use watchfire_engine::{Context, Data, Describe, Detector, Key, State, Timed, Verdict, ask_for, rkyv};

use super::{Judged, Measured, Reading, Score};
use crate::alarm::{Signal, UnknownCause};

/// What a detector says of a row.
///
/// # Examples
/// ```
/// use watchfire_operators::alarm::UnknownCause;
/// use watchfire_operators::detect::{Finding, RateWhy};
/// let words = |finding: Finding<RateWhy>| match finding {
///     Finding::Score { score, why } => format!("{score} a second, from {} to {}", why.before, why.value),
///     Finding::Unknown(cause) => format!("nobody can tell: {}", cause.as_str()),
/// };
/// let fast = Finding::Score { score: 3.0, why: RateWhy { value: 26.0, before: 20.0, gap_ms: 2_000 } };
/// assert_eq!(words(fast), "3 a second, from 20 to 26");
/// assert_eq!(words(Finding::Unknown(UnknownCause::NoLimit)), "nobody can tell: no_limit");
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finding<W> {
    /// How unusual it is.
    Score {
        /// The score, finite, in the unit of the detector.
        score: f64,
        /// The numbers behind it.
        why: W,
    },
    /// Nobody can tell: there is no value to be trusted, or, as [`UnknownCause::NoLimit`], nothing yet to compare it with.
    Unknown(UnknownCause),
}

/// What was found of a key at a time.
///
/// # Examples
/// ```
/// use watchfire_operators::alarm::{Signal, UnknownCause};
/// use watchfire_operators::detect::{Finding, Scored};
/// let odd = Scored { key: 7, at_ms: 60_000, finding: Finding::Score { score: 4.5, why: (3.0, 12.0) } };
/// assert_eq!((odd.score(), odd.signal()), (Some(4.5), Signal::Value(4.5)));
/// let new = Scored::<u32, (f64, f64)> { key: 8, at_ms: 60_000, finding: Finding::Unknown(UnknownCause::NoLimit) };
/// assert_eq!((new.score(), new.signal()), (None, Signal::Unknown(UnknownCause::NoLimit)));
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scored<K, W> {
    /// The key.
    pub key: K,
    /// When the value was so, event time, milliseconds since 1970-01-01 UTC.
    pub at_ms: i64,
    /// What was found.
    pub finding: Finding<W>,
}

impl<K, W> Timed for Scored<K, W> {
    fn event_time_ms(&self) -> i64 {
        self.at_ms
    }
}

impl<K, W> Scored<K, W> {
    /// The score, if there is one.
    #[must_use]
    pub fn score(&self) -> Option<f64> {
        match &self.finding {
            Finding::Score { score, .. } => Some(*score),
            Finding::Unknown(_) => None,
        }
    }

    /// What it says to an alarm.
    #[must_use]
    pub fn signal(&self) -> Signal {
        match &self.finding {
            Finding::Score { score, .. } => Signal::Value(*score),
            Finding::Unknown(cause) => Signal::Unknown(*cause),
        }
    }
}

/// What was told last of a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
#[rkyv(crate = rkyv)]
enum Told {
    #[default]
    Nothing,
    Usual,
    Odd,
    Unknown(UnknownCause),
}

/// Which scores are told.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Matters {
    All,
    AtLeast(f64),
    AtMost(f64),
}

impl Matters {
    #[inline]
    fn is(self, score: f64) -> bool {
        match self {
            Matters::All => true,
            Matters::AtLeast(least) => score >= least,
            Matters::AtMost(most) => score <= most,
        }
    }
}

/// What [`Scores`] remembers of a key: what its score does, and 16 bytes more.
#[derive(Clone, Debug, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
#[rkyv(crate = rkyv)]
pub struct ScoresState<S> {
    last_ms: i64,
    told: Told,
    of: S,
}

impl<S: Default> Default for ScoresState<S> {
    fn default() -> Self {
        ScoresState { last_ms: i64::MIN, told: Told::Nothing, of: S::default() }
    }
}

impl<S: State> State for ScoresState<S> {
    const NAME: &'static str = S::NAME;
    const VERSION: u32 = S::VERSION;
}

/// Says how unusual the values of each key are, by a [`Score`].
///
/// `reading` says what a row means to it. Each row of a key that says something gives one [`Scored`] row, with the row that causes it; after
/// [`at_least`](Scores::at_least) or [`at_most`](Scores::at_most) only those do that matter. A row that is older than the last of its key is [`Late`](Verdict::Late), but for a
/// score that [takes older ones](Score::TAKES_OLDER): put [`InOrder`](super::InOrder) before where rows may overtake each other.
///
/// Per row: what the score costs, and a comparison or two. Memory per key: [`ScoresState`].
///
/// # Examples
/// A report of tanks whose level changes by a centimetre a second or more. With an alarm: see the [room](super).
/// ```
/// use serde::{Deserialize, Serialize};
/// use watchfire_engine::{Job, TickSource, Timed};
/// use watchfire_operators::detect::{Rate, RateWhy, Reading, Scored, Scores};
/// #[derive(Clone, Debug, Serialize, Deserialize)]
/// struct Tank { tank: u32, at_ms: i64, cm: f64 }
/// impl Timed for Tank {
///     fn event_time_ms(&self) -> i64 { self.at_ms }
/// }
/// let job = Job::new(|flow| {
///     let fast = Scores::new(Rate::default(), |tank: &Tank| Reading::Value(tank.cm)).at_least(1.0);
///     flow.channel::<Tank>("tanks").key_by(|tank| tank.tank).detect("fast", fast).out.to_channel("told");
/// });
/// let mut running = job.ticks(TickSource::FROM_EVENTS).start()?;
/// let (tanks, told) = (running.sender::<Tank>("tanks")?, running.receiver::<Scored<u32, RateWhy>>("told")?);
/// let cm = [90.0, 90.0, 90.0, 84.0, 84.0, 84.0];
/// tanks.send((0..).zip(cm).map(|(n, cm)| Tank { tank: 7, at_ms: n * 2_000, cm }).collect())?;
/// drop(tanks);
/// let told: Vec<(i64, Option<f64>)> = told.rows().map(|told| (told.at_ms / 1_000, told.score())).collect();
/// assert_eq!(told, [(0, None), (2, Some(0.0)), (6, Some(3.0)), (8, Some(0.0))], "unknown, usual, odd, usual");
/// running.wait()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Scores<K, T, X, S> {
    score: S,
    reading: X,
    matters: Matters,
    about: String,
    rows: PhantomData<fn(&T) -> K>,
}

impl<K, T, X: Clone, S: Clone> Clone for Scores<K, T, X, S> {
    fn clone(&self) -> Self {
        let Scores { score, reading, matters, about, rows } = self;
        Scores { score: score.clone(), reading: reading.clone(), matters: *matters, about: about.clone(), rows: *rows }
    }
}

impl<K, T, X, S: Score> fmt::Debug for Scores<K, T, X, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Scores({} {})", S::KIND, self.params())
    }
}

impl<K, T, X, S: Score> Scores<K, T, X, S>
where
    X: Fn(&T) -> Reading<S::Value>,
{
    /// Scores what `reading` makes of a row. `reading` must be a pure function of the row.
    #[must_use]
    pub fn new(score: S, reading: X) -> Self {
        Scores { score, reading, matters: Matters::All, about: String::new(), rows: PhantomData }
    }
}

impl<K, T, X, S: Score> Scores<K, T, X, S> {
    /// Emits only what scores so much or more, and each time that this changes: the first below it, and when it becomes unknown or known. For a report; an
    /// alarm has to see all of them.
    #[must_use]
    pub fn at_least(self, score: f64) -> Self {
        Scores { matters: Matters::AtLeast(score), ..self }
    }

    /// The same of what scores so much or less: where less is worse, as of the time that is left.
    #[must_use]
    pub fn at_most(self, score: f64) -> Self {
        Scores { matters: Matters::AtMost(score), ..self }
    }

    /// Says in words what `reading` reads: part of the flow's fingerprint, which cannot look into a function.
    #[must_use]
    pub fn about(self, about: impl Into<String>) -> Self {
        Scores { about: about.into(), ..self }
    }

    fn params(&self) -> String {
        format!("of \"{}\": {}, told {:?}", self.about, self.score.params(), self.matters)
    }
}

impl<K, T, X, S> Detector for Scores<K, T, X, S>
where
    K: Key,
    T: Data + Timed,
    X: Fn(&T) -> Reading<S::Value> + Send + Sync + 'static,
    S: Score,
{
    type Key = K;
    type In = T;
    type Out = Scored<K, S::Why>;
    type State = ScoresState<S::State>;

    fn describe(&self) -> Describe {
        Describe { kind: S::KIND, params: self.params(), ordered: true }
    }

    #[inline]
    fn warm(&self, st: &Self::State, _event_ms: i64) {
        ask_for(st);
    }

    // Into the operator's loop, as all that is rare is out of the way: calls between eight of them cost a twentieth.
    #[inline(always)]
    fn on_row(&self, st: &mut Self::State, row: &T, cx: &mut Context<'_, K, Self::Out>) -> Verdict {
        // Of a key whose clock is ahead the engine knows better; but what takes a row back repeats its time.
        let of_row_ms = row.event_time_ms();
        let at_ms = if S::TAKES_OLDER { of_row_ms } else { of_row_ms.min(cx.event_time_ms()) };
        let Reading::Value(value) = (self.reading)(row) else { return self.no_value(st, row, at_ms, cx) };
        if at_ms < st.last_ms && !S::TAKES_OLDER {
            return Verdict::Late;
        }
        st.last_ms = st.last_ms.max(at_ms);
        if let Some(cause) = value.unsound() {
            self.unknown(st, at_ms, cause, cx);
            return Verdict::Applied;
        }
        match self.score.score(&mut st.of, at_ms, value) {
            Judged::Score(score, why) => {
                let is_odd = self.matters.is(score);
                // Nothing was told, so there is nothing to take back.
                if is_odd || !matches!(st.told, Told::Nothing | Told::Usual) {
                    st.told = if is_odd { Told::Odd } else { Told::Usual };
                    emit(at_ms, score, why, cx);
                }
            }
            Judged::WarmsUp => self.unknown(st, at_ms, UnknownCause::NoLimit, cx),
            Judged::Unknown(cause) => self.unknown(st, at_ms, cause, cx),
            Judged::Nothing => {}
        }
        Verdict::Applied
    }
}

/// Out of the way of the many rows of which nothing is told.
#[inline(never)]
fn emit<K: Key, W: Data>(at_ms: i64, score: f64, why: W, cx: &mut Context<'_, K, Scored<K, W>>) {
    cx.emit(Scored { key: cx.key().clone(), at_ms, finding: Finding::Score { score, why } });
}

impl<K, T, X, S> Scores<K, T, X, S>
where
    K: Key,
    T: Data + Timed,
    X: Fn(&T) -> Reading<S::Value> + Send + Sync + 'static,
    S: Score,
{
    /// A row without a value. Rare, and so kept out of the way.
    #[cold]
    fn no_value(
        &self,
        st: &mut ScoresState<S::State>,
        row: &T,
        at_ms: i64,
        cx: &mut Context<'_, K, Scored<K, S::Why>>,
    ) -> Verdict {
        let reading = (self.reading)(row);
        if !matches!(reading, Reading::None) {
            if at_ms < st.last_ms {
                return Verdict::Late;
            }
            st.last_ms = at_ms;
        }
        match reading {
            Reading::Unknown(cause) => self.unknown(st, at_ms, cause, cx),
            Reading::Reset => st.of = S::State::default(),
            Reading::None | Reading::Value(_) => {}
        }
        Verdict::Applied
    }

    #[cold]
    fn unknown(
        &self,
        st: &mut ScoresState<S::State>,
        at_ms: i64,
        cause: UnknownCause,
        cx: &mut Context<'_, K, Scored<K, S::Why>>,
    ) {
        let told = std::mem::replace(&mut st.told, Told::Unknown(cause));
        if self.matters == Matters::All || told != st.told {
            cx.emit(Scored { key: cx.key().clone(), at_ms, finding: Finding::Unknown(cause) });
        }
    }
}
