//! Who has not been heard of for too long.

use std::fmt;
use std::marker::PhantomData;

use serde::{Deserialize, Serialize};
use watchfire_engine::{Context, Data, Describe, Detector, Key, State, Timed, Verdict, rkyv};

/// What a row says of whether its key is there.
///
/// # Examples
/// ```
/// use watchfire_operators::detect::Sign;
/// enum Row { Beat, Roll { on: bool }, Order }
/// let sign = |row: &Row| match row {
///     Row::Beat => Sign::Life,
///     Row::Roll { on: true } => Sign::Expected,
///     Row::Roll { on: false } => Sign::Retired,
///     Row::Order => Sign::None, // what people say of a device is no word of its own
/// };
/// assert_eq!(sign(&Row::Roll { on: true }), Sign::Expected);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// The key has spoken itself.
    Life,
    /// The key stands on a roll: it should speak, even if it never has.
    Expected,
    /// The key is off the roll: it is silent no more, and nothing is expected until it speaks or stands on it again.
    Retired,
    /// The row is about something else.
    None,
}

/// A key fell silent, or came back (or need not).
///
/// # Examples
/// ```
/// use watchfire_operators::detect::Silent;
/// let began = Silent { key: 7, at_ms: 70_000, heard_ms: Some(60_000), silent: true };
/// assert_eq!(began.heard_ms.map(|heard_ms| began.at_ms - heard_ms), Some(10_000), "for ten seconds");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Silent<K> {
    /// The key.
    pub key: K,
    /// When, event time, milliseconds: of what came back, that of the row by which it did; of what fell silent, that of its last sign of life (or of the roll, where there
    /// was none) and how long it has been silent.
    pub at_ms: i64,
    /// The event time of the last sign of life before; none if it was never heard.
    pub heard_ms: Option<i64>,
    /// It is silent from now on, or is no more.
    pub silent: bool,
}

impl<K> Timed for Silent<K> {
    fn event_time_ms(&self) -> i64 {
        self.at_ms
    }
}

/// On which clock silence is measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
#[rkyv(crate = rkyv)]
enum Watch {
    /// On none: nothing is expected, or it has been told.
    #[default]
    Off,
    /// On the quiet clock of the split that the last sign of life came from.
    Quiet,
    /// On the arrival clock: rows of another split may have taken the key's quiet clock away.
    Arrival,
}

/// What [`Silence`] remembers of a key: 40 bytes.
#[derive(Clone, Debug, PartialEq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
#[rkyv(crate = rkyv)]
pub struct SilenceState {
    /// The event time of the last sign of life; `i64::MIN` if there was none.
    heard_ms: i64,
    /// That time, or that of the roll.
    since_ms: i64,
    /// Both clocks then; `i64::MIN` before their first reading.
    quiet_ms: i64,
    arrival_ms: i64,
    watch: Watch,
    silent: bool,
}

impl Default for SilenceState {
    fn default() -> Self {
        let (heard_ms, since_ms, quiet_ms, arrival_ms) = (i64::MIN, i64::MIN, i64::MIN, i64::MIN);
        SilenceState { heard_ms, since_ms, quiet_ms, arrival_ms, watch: Watch::Off, silent: false }
    }
}

impl SilenceState {
    fn heard(&self) -> Option<i64> {
        (self.heard_ms != i64::MIN).then_some(self.heard_ms)
    }
}

impl State for SilenceState {
    const NAME: &'static str = "watchfire.silence";
    const VERSION: u32 = 1;
}

/// Tells of a key that fell silent, and of one that came back. It is silent if nothing new was heard of it for as long as `after_ms` says.
///
/// - **A sign of life** is a row that is one and has a later event time than all before it. A repeat, a late row and a device whose clock stands still are none.
/// - **Measured** on the key's quiet clock, which stands still while its source is disconnected or behind, so an outage of ours is no silence of theirs; told with a tick.
///   After a row that is no sign of life it is the arrival clock, until the next one, for such a row may come from another source with outages of its own.
/// - **Keys that never spoke** are not known to the engine. Let a roll name them: rows of it that say [`Sign::Expected`], in one stream with the others (give both
///   one row type and [`union`](watchfire_engine::Stream::union) them before `key_by`). From its first such row on a key is waited for, by the arrival clock. What is
///   dismantled is [`Sign::Retired`], or it is silent for ever.
/// - **The end** of the input clears nothing, and tells nothing: no more news is not good news.
///
/// An alarm needs no such rows: [`Alarms`](crate::alarm::Alarms) measure the silence of what they watch themselves. Per row: a comparison or two. Memory per key: [`SilenceState`].
///
/// # Examples
/// ```
/// use serde::{Deserialize, Serialize};
/// use watchfire_engine::{Job, TickSource, Timed};
/// use watchfire_operators::detect::{Sign, Silence, Silent};
/// #[derive(Clone, Debug, Serialize, Deserialize)]
/// struct Beat { band: u32, at_ms: i64, roll: bool }
/// impl Timed for Beat {
///     fn event_time_ms(&self) -> i64 { self.at_ms }
/// }
/// let job = Job::new(|flow| {
///     let sign = |beat: &Beat| if beat.roll { Sign::Expected } else { Sign::Life };
///     let silence = Silence::new(|band: &u32| if *band == 3 { 60_000 } else { 10_000 }, sign);
///     flow.channel::<Beat>("beats").key_by(|beat| beat.band).detect("silence", silence).out.to_channel("silent");
/// });
/// let mut running = job.ticks(TickSource::FROM_EVENTS).start()?;
/// let (beats, silent) = (running.sender::<Beat>("beats")?, running.receiver::<Silent<u32>>("silent")?);
/// // Band 1 speaks every second, band 2 pauses for half a minute, and band 9 is on the roll alone.
/// let beat = |band: u32, second: i64| Beat { band, at_ms: second * 1_000, roll: band == 9 };
/// let mut all = vec![beat(9, 0)];
/// all.extend((0..60).flat_map(|s| [beat(1, s), beat(2, s)]).filter(|beat| beat.band == 1 || !(20_000..50_000).contains(&beat.at_ms)));
/// beats.send(all)?;
/// drop(beats);
/// let told: Vec<(u32, bool)> = silent.rows().map(|silent| (silent.key, silent.silent)).collect();
/// assert_eq!(told, [(9, true), (2, true), (2, false)]);
/// running.wait()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Silence<K, T, A, X> {
    after_ms: A,
    sign: X,
    about: String,
    rows: PhantomData<fn(&T) -> K>,
}

impl<K, T, A: Clone, X: Clone> Clone for Silence<K, T, A, X> {
    fn clone(&self) -> Self {
        let Silence { after_ms, sign, about, rows } = self;
        Silence { after_ms: after_ms.clone(), sign: sign.clone(), about: about.clone(), rows: *rows }
    }
}

impl<K, T, A, X> fmt::Debug for Silence<K, T, A, X> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Silence({})", self.params())
    }
}

impl<K, T, A, X> Silence<K, T, A, X> {
    /// `after_ms` says after how many milliseconds a key is silent, 1 at least; `sign` what a row says of it. Both must be pure functions.
    #[must_use]
    pub fn new(after_ms: A, sign: X) -> Self
    where
        A: Fn(&K) -> i64,
        X: Fn(&T) -> Sign,
    {
        Silence { after_ms, sign, about: String::new(), rows: PhantomData }
    }

    /// Says in words after how long, and what is a sign of life: part of the flow's fingerprint, which cannot look into functions.
    #[must_use]
    pub fn about(self, about: impl Into<String>) -> Self {
        Silence { about: about.into(), ..self }
    }

    fn params(&self) -> String {
        format!("of \"{}\"", self.about)
    }
}

type Cx<'a, 'b, K> = &'a mut Context<'b, K, Silent<K>>;

impl<K, T, A, X> Silence<K, T, A, X>
where
    K: Key,
    A: Fn(&K) -> i64,
{
    fn after_ms(&self, key: &K) -> i64 {
        (self.after_ms)(key).max(1)
    }

    /// Begins to measure.
    fn since(&self, st: &mut SilenceState, at_ms: i64, watch: Watch, cx: Cx<'_, '_, K>) {
        (st.since_ms, st.quiet_ms, st.arrival_ms, st.watch) = (at_ms, cx.quiet_ms(), cx.arrival_ms(), watch);
        self.ask(st, cx);
    }

    fn ask(&self, st: &SilenceState, cx: Cx<'_, '_, K>) {
        let after_ms = self.after_ms(cx.key());
        match st.watch {
            Watch::Off => {}
            Watch::Quiet => cx.wake_at_quiet_ms(st.quiet_ms.saturating_add(after_ms)),
            Watch::Arrival => cx.wake_at_arrival_ms(st.arrival_ms.saturating_add(after_ms)),
        }
    }

    fn life(&self, st: &mut SilenceState, at_ms: i64, cx: Cx<'_, '_, K>) -> Verdict {
        if at_ms <= st.heard_ms {
            return if at_ms < cx.watermark_ms() { Verdict::Late } else { Verdict::Applied };
        }
        let heard_ms = st.heard();
        st.heard_ms = at_ms;
        self.since(st, at_ms, Watch::Quiet, cx);
        self.ended(st, at_ms, heard_ms, cx);
        Verdict::Applied
    }

    fn ended(&self, st: &mut SilenceState, at_ms: i64, heard_ms: Option<i64>, cx: Cx<'_, '_, K>) {
        if std::mem::take(&mut st.silent) {
            let key = cx.key().clone();
            cx.emit(Silent { key, at_ms, heard_ms, silent: false });
        }
    }

    /// The row may come from another split than the signs of life, and then the key's quiet clock is that split's now.
    fn elsewhere(&self, st: &mut SilenceState, cx: Cx<'_, '_, K>) {
        if st.watch == Watch::Quiet {
            st.watch = Watch::Arrival;
            self.ask(st, cx);
        }
    }

    /// A clock has reached something that was asked for.
    fn look(&self, st: &mut SilenceState, cx: Cx<'_, '_, K>) {
        let (since_ms, now_ms) = match st.watch {
            Watch::Off => return,
            Watch::Quiet => (&mut st.quiet_ms, cx.quiet_ms()),
            Watch::Arrival => (&mut st.arrival_ms, cx.arrival_ms()),
        };
        if *since_ms == i64::MIN {
            // It was heard before the clock had its first reading, which this is.
            *since_ms = now_ms;
        }
        let for_ms = now_ms.saturating_sub(*since_ms);
        if for_ms < self.after_ms(cx.key()) {
            return self.ask(st, cx);
        }
        (st.watch, st.silent) = (Watch::Off, true);
        let (key, at_ms, heard_ms) = (cx.key().clone(), st.since_ms.saturating_add(for_ms), st.heard());
        cx.emit(Silent { key, at_ms, heard_ms, silent: true });
    }
}

impl<K, T, A, X> Detector for Silence<K, T, A, X>
where
    K: Key,
    T: Data + Timed,
    A: Fn(&K) -> i64 + Send + Sync + 'static,
    X: Fn(&T) -> Sign + Send + Sync + 'static,
{
    type Key = K;
    type In = T;
    type Out = Silent<K>;
    type State = SilenceState;

    fn describe(&self) -> Describe {
        Describe { kind: "silence", params: self.params(), ordered: true }
    }

    fn on_row(&self, st: &mut SilenceState, row: &T, cx: Cx<'_, '_, K>) -> Verdict {
        // Of a key whose clock is ahead the engine knows better.
        let at_ms = row.event_time_ms().min(cx.event_time_ms());
        match (self.sign)(row) {
            Sign::Life => return self.life(st, at_ms, cx),
            Sign::Expected if st.watch == Watch::Off && !st.silent => self.since(st, at_ms, Watch::Arrival, cx),
            Sign::Retired => {
                st.watch = Watch::Off;
                self.ended(st, at_ms, st.heard(), cx);
            }
            Sign::Expected | Sign::None => self.elsewhere(st, cx),
        }
        Verdict::Applied
    }

    fn on_quiet(&self, st: &mut SilenceState, cx: Cx<'_, '_, K>) {
        self.look(st, cx);
    }

    fn on_arrival(&self, st: &mut SilenceState, cx: Cx<'_, '_, K>) {
        self.look(st, cx);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_stay_the_same() {
        let state = SilenceState {
            heard_ms: 1_000,
            since_ms: 2_000,
            quiet_ms: 3_000,
            arrival_ms: i64::MIN,
            watch: Watch::Arrival,
            silent: true,
        };
        let bytes = state.encode().unwrap();
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(
            hex, "e803000000000000d007000000000000b80b00000000000000000000000000800201000000000000",
            "the stored form changed: states need a new version"
        );
        assert_eq!(SilenceState::decode(&bytes).unwrap(), state);
        assert_eq!(size_of::<SilenceState>(), 40);
    }
}
