//! What came of it within a time: labels that are known later than what they belong to.

use std::collections::VecDeque;
use std::fmt;
use std::marker::PhantomData;

use serde::{Deserialize, Serialize};
use watchfire_engine::{Context, Data, Describe, Detector, Key, State, Timed, Verdict, rkyv};

/// What a row says of an asset.
///
/// # Examples
/// ```
/// use watchfire_operators::detect::Observed;
/// let today = Observed { features: Some(vec![3.0, 0.5]), ..Observed::default() };
/// assert!(!today.failed && !today.renewed);
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observed {
    /// What is known of it now, from which the future is to be told; none if the row is about something else.
    pub features: Option<Vec<f64>>,
    /// What is to be foretold has happened.
    pub failed: bool,
    /// It was repaired or replaced: what was known of it before says nothing of what comes.
    pub renewed: bool,
}

/// Whether it happened within the horizon.
///
/// # Examples
/// Only what is known teaches:
/// ```
/// use watchfire_operators::detect::Label;
/// let labels = [Label::Open, Label::Known(true), Label::Censored, Label::Known(false)];
/// let known = labels.into_iter().filter_map(|label| match label {
///     Label::Known(happened) => Some(happened),
///     Label::Open | Label::Censored => None,
/// });
/// assert_eq!(known.collect::<Vec<bool>>(), [true, false]);
/// assert_eq!(serde_json::to_string(&labels)?, r#"["open",{"known":true},"censored",{"known":false}]"#);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Label {
    /// Nobody can know yet: it is to be foretold.
    Open,
    /// It did, or did not.
    Known(bool),
    /// Nobody will ever know: the asset was not seen for too long, or was renewed. No is something else.
    Censored,
}

/// Something that is known of an asset, and what came of it.
///
/// # Examples
/// ```
/// use watchfire_engine::Timed;
/// use watchfire_operators::detect::{Example, Label};
/// let known = Example { asset: 7_u32, at_ms: 0, said_ms: 86_400_000, features: vec![3.0], label: Label::Known(true) };
/// assert_eq!(known.event_time_ms(), 86_400_000, "a day later it was known");
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Example<A> {
    /// The asset.
    pub asset: A,
    /// When that was known of it, event time, milliseconds.
    pub at_ms: i64,
    /// When this was said: then as well, or when the label became known.
    pub said_ms: i64,
    /// What is known.
    pub features: Vec<f64>,
    /// What came of it.
    pub label: Label,
}

impl<A> Timed for Example<A> {
    fn event_time_ms(&self) -> i64 {
        self.said_ms
    }
}

/// What [`Horizon`] remembers of an asset: what has no label yet.
#[derive(Clone, Debug, PartialEq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
#[rkyv(crate = rkyv)]
pub struct HorizonState {
    /// In the order of time.
    open: VecDeque<(i64, Vec<f64>)>,
    last_ms: i64,
}

impl Default for HorizonState {
    fn default() -> Self {
        HorizonState { open: VecDeque::new(), last_ms: i64::MIN }
    }
}

impl State for HorizonState {
    const NAME: &'static str = "watchfire.horizon";
    const VERSION: u32 = 1;
}

/// Tells of everything that is known of an asset, at once as [`Label::Open`], and once more when it is known whether the asset failed within the horizon: after
/// `at_ms`, and not after `at_ms + horizon_ms`.
///
/// It did as soon as it has failed (and was seen until then); it did not when it was seen at the end of that or later, without (of two rows of that instant the first decides); and nobody
/// knows ([`Label::Censored`]) if it was not seen for more than `gap_max_ms` in between, or was renewed. So a lift that is offline is no lift that works. What is
/// still open in the end stays without a label.
///
/// A row that is older than the last of its asset is [`Late`](Verdict::Late). Per row: O(examples that get their label). Memory per asset: the examples of one
/// horizon, but at most [`OPEN_MAX`](Horizon::OPEN_MAX): beyond that the oldest is censored. An asset that is never seen again keeps them.
///
/// # Examples
/// ```
/// use serde::{Deserialize, Serialize};
/// use watchfire_engine::{Job, TickSource, Timed};
/// use watchfire_operators::detect::{Example, Horizon, Label, Observed};
/// const DAY_MS: i64 = 86_400_000;
/// #[derive(Clone, Debug, Serialize, Deserialize)]
/// struct Day { lift: u32, day: i64, reversals: f64, failures: u32 }
/// impl Timed for Day {
///     fn event_time_ms(&self) -> i64 { self.day * DAY_MS }
/// }
/// let job = Job::new(|flow| {
///     let next_day = Horizon::new(DAY_MS, DAY_MS * 3 / 2, |day: &Day| Observed {
///         features: Some(vec![day.reversals]),
///         failed: day.failures > 0,
///         renewed: false,
///     });
///     flow.channel::<Day>("days").key_by(|day| day.lift).detect("next day", next_day).out.to_channel("examples");
/// });
/// let mut running = job.ticks(TickSource::FromEvents { interval_ms: 1_000, max_jump_ms: 30 * DAY_MS }).start()?;
/// let (days, examples) = (running.sender::<Day>("days")?, running.receiver::<Example<u32>>("examples")?);
/// // It fails on day 2; of day 4 nothing is known.
/// let of = [(0, 0), (1, 0), (2, 1), (3, 0), (5, 0)];
/// days.send(of.map(|(day, failures)| Day { lift: 7, day, reversals: day as f64, failures }).to_vec())?;
/// drop(days);
/// let known = examples.rows().filter(|example| example.label != Label::Open);
/// let known: Vec<(i64, Label)> = known.map(|example| (example.at_ms / DAY_MS, example.label)).collect();
/// assert_eq!(known, [(0, Label::Known(false)), (1, Label::Known(true)), (2, Label::Known(false)), (3, Label::Censored)]);
/// running.wait()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Horizon<K, T, X> {
    horizon_ms: i64,
    slack_ms: i64,
    gap_max_ms: i64,
    observe: X,
    about: String,
    rows: PhantomData<fn(&T) -> K>,
}

impl<K, T, X: Clone> Clone for Horizon<K, T, X> {
    fn clone(&self) -> Self {
        let Horizon { horizon_ms, slack_ms, gap_max_ms, observe, about, rows } = self;
        let (horizon_ms, slack_ms, gap_max_ms) = (*horizon_ms, *slack_ms, *gap_max_ms);
        Horizon { horizon_ms, slack_ms, gap_max_ms, observe: observe.clone(), about: about.clone(), rows: *rows }
    }
}

impl<K, T, X> fmt::Debug for Horizon<K, T, X> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Horizon({})", self.params())
    }
}

impl<K, T, X> Horizon<K, T, X> {
    /// So many examples of an asset wait for their label.
    pub const OPEN_MAX: usize = 100_000;

    /// What comes of it within `horizon_ms`, of an asset that is seen at least every `gap_max_ms`; both 1 at least. `observe` says what a row tells of it, a pure
    /// function of the row.
    #[must_use]
    pub fn new(horizon_ms: i64, gap_max_ms: i64, observe: X) -> Self
    where
        X: Fn(&T) -> Observed,
    {
        let (horizon_ms, gap_max_ms) = (horizon_ms.max(1), gap_max_ms.max(1));
        Horizon { horizon_ms, slack_ms: 0, gap_max_ms, observe, about: String::new(), rows: PhantomData }
    }

    /// A row up to so much before or after the end of a horizon is one of its end: for days, which have 23 to 25 hours where clocks are set. From 0 up to half of the time between rows.
    ///
    /// ```
    /// use watchfire_operators::detect::Horizon;
    /// use watchfire_operators::elevator::WearDay;
    /// let week = Horizon::<u32, WearDay, _>::new(7 * 86_400_000, 130_000_000, WearDay::observed).slack_ms(3_600_000);
    /// assert!(format!("{week:?}").contains("3600000 ms more or less"));
    /// ```
    #[must_use]
    pub fn slack_ms(self, slack_ms: i64) -> Self {
        Horizon { slack_ms: slack_ms.max(0), ..self }
    }

    /// Says in words what `observe` observes: part of the flow's fingerprint, which cannot look into a function.
    #[must_use]
    pub fn about(self, about: impl Into<String>) -> Self {
        Horizon { about: about.into(), ..self }
    }

    fn params(&self) -> String {
        let slack = if self.slack_ms > 0 { format!(" ({} ms more or less)", self.slack_ms) } else { String::new() };
        format!("of \"{}\" within {} ms{slack}, seen every {} ms", self.about, self.horizon_ms, self.gap_max_ms)
    }
}

impl<K: Key, T: Data + Timed, X: Fn(&T) -> Observed + Send + Sync + 'static> Detector for Horizon<K, T, X> {
    type Key = K;
    type In = T;
    type Out = Example<K>;
    type State = HorizonState;

    fn describe(&self) -> Describe {
        Describe { kind: "horizon", params: self.params(), ordered: true }
    }

    fn on_row(&self, st: &mut HorizonState, row: &T, cx: &mut Context<'_, K, Example<K>>) -> Verdict {
        // Of a key whose clock is ahead the engine knows better.
        let at_ms = row.event_time_ms().min(cx.event_time_ms());
        if at_ms < st.last_ms {
            return Verdict::Late;
        }
        let Observed { features, failed, renewed } = (self.observe)(row);
        let unseen = at_ms.saturating_sub(st.last_ms) > self.gap_max_ms;
        st.last_ms = at_ms;
        while let Some(label) = st.open.front().and_then(|(from_ms, _)| {
            let until_ms = from_ms.saturating_add(self.horizon_ms);
            // A failure after a gap is none either, or whoever is rarely seen would fail more often.
            if unseen {
                Some(Label::Censored)
            } else if failed && *from_ms < at_ms && at_ms <= until_ms.saturating_add(self.slack_ms) {
                Some(Label::Known(true))
            } else if until_ms.saturating_sub(self.slack_ms) <= at_ms {
                Some(Label::Known(false))
            } else {
                (renewed || st.open.len() > Self::OPEN_MAX).then_some(Label::Censored)
            }
        }) {
            let Some((from_ms, features)) = st.open.pop_front() else { break };
            let asset = cx.key().clone();
            cx.emit(Example { asset, at_ms: from_ms, said_ms: at_ms, features, label });
        }
        if let Some(features) = features {
            st.open.push_back((at_ms, features.clone()));
            let asset = cx.key().clone();
            cx.emit(Example { asset, at_ms, said_ms: at_ms, features, label: Label::Open });
        }
        Verdict::Applied
    }
}
