//! Alarms over the rows of each key: the machine as a detector of the engine.

use std::fmt::{self, Write as _};
use std::marker::PhantomData;

use watchfire_engine::{Context, Data, Describe, Detector, Key, State, Timed, Verdict, ask_for};

use super::{
    Alarm, AlarmChange, AlarmMachine, AlarmState, Event, EventError, Ladder, LadderError, Outcome, StateMismatch,
    UnknownCause,
};

/// What a row says about one alarm.
///
/// # Examples
/// ```
/// use watchfire_operators::alarm::{Signal, UnknownCause};
/// let of = |wind_mps: Option<f64>| wind_mps.map_or(Signal::Unknown(UnknownCause::SensorNotOk), Signal::Value);
/// assert_eq!(of(Some(7.5)), Signal::Value(7.5));
/// assert_ne!(of(None), Signal::None); // a sensor that is out of order is not the same as no news
/// ```
#[derive(Clone, Debug, PartialEq)]
pub enum Signal {
    /// A trustworthy value, in the unit of the ladder.
    Value(f64),
    /// The row should have a value and has none, or none to be trusted. Unknown is not normal.
    Unknown(UnknownCause),
    /// Somebody acknowledges, suppresses or releases. Other events are handed on as they are.
    Person(Box<Event>),
    /// The row is about something else. It does not count as a sign of life.
    None,
}

impl Signal {
    /// What somebody does to the alarm.
    ///
    /// # Examples
    /// ```
    /// use watchfire_operators::alarm::{Event, Signal};
    /// let seen = Signal::person(Event::Acknowledge { at_ms: 1_000, who: "duty".into() });
    /// assert!(matches!(seen, Signal::Person(_)));
    /// ```
    #[must_use]
    pub fn person(event: Event) -> Self {
        Signal::Person(Box::new(event))
    }
}

/// On which clock the silence of a key is measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
#[rkyv(derive(Debug))]
enum Watch {
    /// On none: nothing was heard yet, or the silence has been told.
    #[default]
    Off,
    /// On the quiet clock of the split that the key's last reading came from.
    Quiet,
    /// On the arrival clock: rows of another split may have taken the key's quiet clock away.
    Arrival,
}

/// What [`Alarms`] remembers of a key: the alarm, and what it takes to notice silence.
///
/// 240 bytes live, plus the box that [`AlarmState`] has at times. Decoding checks the bytes; whoever restores it then
/// asks [`Alarms::check`] whether the ladder can go on from it.
///
/// # Examples
/// ```
/// use watchfire_engine::State;
/// use watchfire_operators::alarm::AlarmsState;
/// let state = AlarmsState::default();
/// assert_eq!(AlarmsState::decode(&state.encode()?)?, state);
/// assert!(std::mem::size_of::<AlarmsState>() <= 240);
/// # Ok::<(), watchfire_engine::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
#[rkyv(derive(Debug))]
pub struct AlarmsState {
    alarm: AlarmState,
    /// Both clocks when something new was heard last; `i64::MIN` before their first reading.
    heard_quiet_ms: i64,
    heard_arrival_ms: i64,
    /// The newest value, bit for bit, if the newest reading had one.
    newest: Option<u64>,
    watch: Watch,
    /// An event time stood in for an arrival clock that had no reading yet.
    stood_in: bool,
}

impl State for AlarmsState {
    const NAME: &'static str = "watchfire.alarm";
    const VERSION: u32 = 1;
}

impl AlarmsState {
    /// The alarm itself: its level, episode, acknowledgement and suppression.
    #[must_use]
    pub fn alarm(&self) -> &AlarmState {
        &self.alarm
    }

    /// The arrival instant of a row. Before the first tick its event time stands in for it; at the first tick what was
    /// measured from that is brought back, so that no instant lies ahead of the clock.
    fn arrival_ms(&mut self, arrival_ms: i64, at_ms: i64) -> i64 {
        if arrival_ms == i64::MIN {
            self.stood_in = true;
            return at_ms;
        }
        if self.stood_in {
            self.stood_in = false;
            let alarm = &mut self.alarm;
            alarm.worse_ms = alarm.worse_ms.min(arrival_ms);
            alarm.unacked_ms = alarm.unacked_ms.min(arrival_ms);
            alarm.unknown_arrival_ms = alarm.unknown_arrival_ms.min(arrival_ms);
        }
        arrival_ms
    }
}

/// Raises, escalates, lowers and ends the alarms of each key by a [`Ladder`].
///
/// `signal` says what a row means for this alarm, so that readings and what people do can come through one stream: give
/// both one row type and [`union`](watchfire_engine::Stream::union) them before `key_by`.
///
/// - **When**: a change leaves with the row or tick that causes it, in its place of the ingest order.
/// - **Time of a row**: its own event time, or that of the reading that caused it where that is earlier: a clock error
///   that the engine takes off, or a window that closed ahead of its end.
/// - **Silence**: when nothing new was heard for [`silent_after_ms`](Alarms::silent_after_ms), [`Event::Silent`] is
///   raised, at a tick. New is a reading with a later event time than all before it; a repeat, a late row, a device whose
///   clock stands still and what people do are no signs of life. Measured on the key's quiet clock, which stands still
///   while the source is disconnected; but after a row of a person, or one that is about something else, on the arrival
///   clock until the next reading, because such a row can come from another source that has outages of its own.
/// - **Arrival clock**: unknown, escalation and both ends of a suppression leave with the first tick that is not before
///   them, whether or not the source is connected.
/// - **Verdicts**: a reading behind the watermark is [`Late`](Verdict::Late) unless it raised something; out of order
///   ahead of it, it is weighed as evidence and applied. One that
///   repeats the newest (same time, same value) is a [`Duplicate`](Verdict::Duplicate), where no step counts samples:
///   then it proves nothing that was not proven, and must not end a silence.
/// - **The end** of the input clears nothing: no more news is not good news.
///
/// Per row: a few comparisons while nothing is on. Memory per key: [`AlarmsState`]. A key is looked at when one of its
/// instants has come, and not before.
///
/// # Examples
/// ```
/// use serde::{Deserialize, Serialize};
/// use watchfire_engine::{Job, TickSource, Timed};
/// use watchfire_operators::alarm::{Alarm, Alarms, Ladder, Severity, Signal, Step};
/// #[derive(Clone, Debug, Serialize, Deserialize)]
/// struct Wind { mast: u32, at_ms: i64, gust_mps: f64 }
/// impl Timed for Wind {
///     fn event_time_ms(&self) -> i64 { self.at_ms }
/// }
/// let job = Job::new(|flow| {
///     let gale = Step::new("gale", Severity::Alarm, 13.8, 12.0).held_ms(2_000).cleared_ms(10_000);
///     let Ok(alarms) = Alarms::new(Ladder::rises("wind", vec![gale]), |w: &Wind| Signal::Value(w.gust_mps)) else { return };
///     flow.channel::<Wind>("wind").key_by(|w| w.mast).detect("wind alarms", alarms).out.to_channel("alarms");
/// });
/// let mut running = job.ticks(TickSource::FROM_EVENTS).start()?;
/// let (wind, alarms) = (running.sender::<Wind>("wind")?, running.receiver::<Alarm<u32>>("alarms")?);
/// wind.send((0..5).map(|s| Wind { mast: 3, at_ms: s * 1_000, gust_mps: 15.0 }).collect())?;
/// drop(wind);
/// let ids: Vec<String> = alarms.rows().filter_map(|alarm| Some(alarm.id()?.to_string())).collect();
/// assert_eq!(ids, ["wind/3/1/0"]);
/// running.wait()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Alarms<K, T, F> {
    machine: AlarmMachine,
    signal: F,
    about: String,
    silence_ms: i64,
    /// No step counts samples, so a repeat of the newest can prove nothing.
    repeats_are_idle: bool,
    rows: PhantomData<fn(&T) -> K>,
}

impl<K, T, F: Clone> Clone for Alarms<K, T, F> {
    fn clone(&self) -> Self {
        let Alarms { machine, signal, about, silence_ms, repeats_are_idle, rows } = self;
        let (machine, signal, about) = (machine.clone(), signal.clone(), about.clone());
        Alarms { machine, signal, about, silence_ms: *silence_ms, repeats_are_idle: *repeats_are_idle, rows: *rows }
    }
}

impl<K, T, F> fmt::Debug for Alarms<K, T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Alarms({})", self.params())
    }
}

impl<K, T, F> Alarms<K, T, F> {
    /// Alarms by `ladder`, over what `signal` makes of a row. `signal` must be a pure function of the row.
    ///
    /// # Errors
    /// Everything wrong with the ladder at once, see [`Ladder::validate`].
    pub fn new(ladder: Ladder, signal: F) -> Result<Self, LadderError>
    where
        F: Fn(&T) -> Signal,
    {
        let silence_ms = ladder.unknown_after_ms.max(ladder.max_gap_ms);
        let repeats_are_idle = ladder.steps.iter().all(|step| step.min_consecutive <= 1);
        let machine = AlarmMachine::new(ladder)?;
        Ok(Alarms { machine, signal, about: String::new(), silence_ms, repeats_are_idle, rows: PhantomData })
    }

    /// Sets after how many ms without anything new a key is silent. Default: the ladder's `unknown_after_ms`; never less
    /// than its `max_gap_ms`, for which one reading speaks. Below `unknown_after_ms` it raises no sooner than that.
    #[must_use]
    pub fn silent_after_ms(self, silence_ms: i64) -> Self {
        let silence_ms = silence_ms.max(self.machine.ladder().max_gap_ms);
        Alarms { silence_ms, ..self }
    }

    /// Says in words what `signal` computes and from which tables: part of the flow's fingerprint, which cannot look
    /// into a function.
    #[must_use]
    pub fn about(self, about: impl Into<String>) -> Self {
        Alarms { about: about.into(), ..self }
    }

    /// The ladder.
    #[must_use]
    pub fn ladder(&self) -> &Ladder {
        self.machine.ladder()
    }

    /// Checks that a decoded state can go on under this ladder. The duty of whoever restores states, once each.
    ///
    /// # Errors
    /// `E0159`, see [`AlarmMachine::check`].
    ///
    /// # Examples
    /// ```
    /// use watchfire_operators::alarm::{Alarms, AlarmsState, Ladder, Signal};
    /// let alarms = Alarms::<u32, f64, _>::new(Ladder::crane_overload(), |ratio: &f64| Signal::Value(*ratio))?;
    /// assert!(alarms.check(&AlarmsState::default()).is_ok());
    /// # Ok::<(), watchfire_operators::alarm::LadderError>(())
    /// ```
    pub fn check(&self, state: &AlarmsState) -> Result<(), StateMismatch> {
        self.machine.check(&state.alarm)
    }

    fn params(&self) -> String {
        let Ladder { rule, direction, steps, max_gap_ms, unknown_after_ms, .. } = self.machine.ladder();
        let ladder = self.machine.ladder();
        let mut text = format!("{rule} {direction:?} of \"{}\":", self.about);
        for s in steps {
            let held = format!("{} ms, {} samples", s.hold_ms, s.min_consecutive);
            // Writing into a string cannot fail.
            let _ = write!(
                text,
                " {} {:?} {:?} at {:?} for {held}, released at {:?} for {} ms;",
                s.name, s.severity, s.bound, s.raise_at, s.release_at, s.clear_hold_ms
            );
        }
        let _ = write!(
            text,
            " gap {max_gap_ms} ms, unknown after {unknown_after_ms} ms, silent after {} ms, escalated from {:?} after \
             {:?} ms, suppressed for at most {} ms{}",
            self.silence_ms,
            ladder.escalate_from,
            ladder.escalate_after_ms,
            ladder.max_suppress_ms,
            if ladder.suppress_critical { ", even if critical" } else { "" }
        );
        text
    }
}

impl<K, T, F> Alarms<K, T, F>
where
    K: Key,
    T: Data + Timed,
    F: Fn(&T) -> Signal + Send + Sync + 'static,
{
    /// Notes a sign of life if the reading is newer than all before it.
    #[inline]
    fn hear(&self, st: &mut AlarmsState, at_ms: i64, cx: &mut Context<'_, K, Alarm<K>>) {
        if st.alarm.last_ms().is_some_and(|last_ms| at_ms <= last_ms) {
            return;
        }
        (st.heard_quiet_ms, st.heard_arrival_ms, st.watch) = (cx.quiet_ms(), cx.arrival_ms(), Watch::Quiet);
        cx.wake_at_quiet_ms(st.heard_quiet_ms.saturating_add(self.silence_ms));
    }

    #[inline]
    fn value(&self, st: &mut AlarmsState, at_ms: i64, value: f64, cx: &mut Context<'_, K, Alarm<K>>) -> Verdict {
        let newest = st.alarm.last_ms().is_none_or(|last_ms| at_ms >= last_ms);
        let bits = Some(value.to_bits());
        if self.repeats_are_idle && st.newest == bits && st.alarm.last_ms() == Some(at_ms) {
            return Verdict::Duplicate;
        }
        // Once silence was told, another reading of the newest instant shows that the clock of the device stands still.
        // Taken for a late one it can raise, but cannot end what is unknown.
        let stale = st.watch == Watch::Off && st.alarm.last_ms() == Some(at_ms);
        let at_ms = if stale { at_ms.saturating_sub(1) } else { at_ms };
        self.hear(st, at_ms, cx);
        if newest {
            st.newest = bits;
        }
        let mut changes = Vec::new();
        let level = st.alarm.level();
        let arrival_ms = st.arrival_ms(cx.arrival_ms(), at_ms);
        let outcome = self.machine.sample(&mut st.alarm, at_ms, value, arrival_ms, &mut changes);
        if st.alarm.is_quiet() && changes.is_empty() && outcome == Outcome::Applied {
            return Verdict::Applied;
        }
        let raised = st.alarm.level() > level;
        self.finish(st, changes, cx);
        // Out of order within the disorder bound it was weighed as evidence, as the machine does with every late sample.
        if outcome == Outcome::Late && !raised && at_ms < cx.watermark_ms() { Verdict::Late } else { Verdict::Applied }
    }

    #[cold]
    fn unknown(
        &self,
        st: &mut AlarmsState,
        at_ms: i64,
        cause: UnknownCause,
        cx: &mut Context<'_, K, Alarm<K>>,
    ) -> Verdict {
        self.hear(st, at_ms, cx);
        if st.alarm.last_ms().is_none_or(|last_ms| at_ms >= last_ms) {
            st.newest = None;
        }
        let arrival_ms = st.arrival_ms(cx.arrival_ms(), at_ms);
        match self.step(st, Event::Unknown { at_ms, cause }, arrival_ms, cx) {
            Ok(Outcome::Late) if at_ms < cx.watermark_ms() => Verdict::Late,
            _ => Verdict::Applied,
        }
    }

    #[cold]
    fn person(&self, st: &mut AlarmsState, at_ms: i64, event: Event, cx: &mut Context<'_, K, Alarm<K>>) {
        self.elsewhere(st, cx);
        let arrival_ms = st.arrival_ms(cx.arrival_ms(), at_ms);
        if let Err(error) = self.step(st, event, arrival_ms, cx) {
            let (code, why) = (error.code().to_owned(), error.to_string());
            let at_ms = st.alarm.last_ms().unwrap_or(cx.event_time_ms());
            cx.emit(Alarm::Refused { key: cx.key().clone(), at_ms, code, why });
        }
    }

    /// The row may come from another split than the readings, and then the key's quiet clock is that split's now.
    fn elsewhere(&self, st: &mut AlarmsState, cx: &mut Context<'_, K, Alarm<K>>) {
        if st.watch == Watch::Quiet {
            st.watch = Watch::Arrival;
            self.ask(st, cx);
        }
    }

    fn step(
        &self,
        st: &mut AlarmsState,
        event: Event,
        arrival_ms: i64,
        cx: &mut Context<'_, K, Alarm<K>>,
    ) -> Result<Outcome, EventError> {
        let mut changes = Vec::new();
        let outcome = self.machine.step(&mut st.alarm, event, arrival_ms, &mut changes);
        self.finish(st, changes, cx);
        outcome
    }

    /// Lets changes leave, and asks for what is still to come.
    fn finish(&self, st: &mut AlarmsState, changes: Vec<AlarmChange>, cx: &mut Context<'_, K, Alarm<K>>) {
        for change in changes {
            let at_ms = change.at_event_ms.or(st.alarm.last_ms()).unwrap_or(cx.event_time_ms());
            cx.emit(Alarm::Changed { key: cx.key().clone(), at_ms, change });
        }
        self.ask(st, cx);
    }

    fn ask(&self, st: &AlarmsState, cx: &mut Context<'_, K, Alarm<K>>) {
        match st.watch {
            Watch::Off => {}
            Watch::Quiet => cx.wake_at_quiet_ms(st.heard_quiet_ms.saturating_add(self.silence_ms)),
            Watch::Arrival => cx.wake_at_arrival_ms(st.heard_arrival_ms.saturating_add(self.silence_ms)),
        }
        if let Some(due) = self.machine.next_due(&st.alarm) {
            // What was measured from an event time is brought back at the first tick.
            cx.wake_at_arrival_ms(if st.stood_in { i64::MIN } else { due.arrival_ms });
        }
    }

    /// For how long the key has been silent, once that is long enough to be told.
    fn silent_ms(&self, st: &mut AlarmsState, cx: &Context<'_, K, Alarm<K>>) -> Option<i64> {
        let (since_ms, now_ms) = match st.watch {
            Watch::Off => return None,
            Watch::Quiet => (&mut st.heard_quiet_ms, cx.quiet_ms()),
            Watch::Arrival => (&mut st.heard_arrival_ms, cx.arrival_ms()),
        };
        if *since_ms == i64::MIN {
            // It was heard before the clock had its first reading, which this is.
            *since_ms = now_ms;
        }
        let silent_ms = now_ms.saturating_sub(*since_ms);
        (silent_ms >= self.silence_ms).then_some(silent_ms)
    }

    /// A clock has reached something that was asked for.
    fn look(&self, st: &mut AlarmsState, cx: &mut Context<'_, K, Alarm<K>>) {
        let arrival_ms = st.arrival_ms(cx.arrival_ms(), cx.event_time_ms());
        let event = match self.silent_ms(st, cx) {
            Some(for_ms) => {
                st.watch = Watch::Off;
                Event::Silent { for_ms }
            }
            None if self.machine.next_due(&st.alarm).is_some_and(|due| due.arrival_ms <= arrival_ms) => Event::Tick,
            None => return self.ask(st, cx),
        };
        // Neither silence nor a tick is ever refused.
        let _ = self.step(st, event, arrival_ms, cx);
    }
}

impl<K, T, F> Detector for Alarms<K, T, F>
where
    K: Key,
    T: Data + Timed,
    F: Fn(&T) -> Signal + Send + Sync + 'static,
{
    type Key = K;
    type In = T;
    type Out = Alarm<K>;
    type State = AlarmsState;

    fn describe(&self) -> Describe {
        Describe { kind: "alarm", params: self.params(), ordered: true }
    }

    #[inline]
    fn on_row(&self, st: &mut AlarmsState, row: &T, cx: &mut Context<'_, K, Alarm<K>>) -> Verdict {
        let at_ms = row.event_time_ms().min(cx.event_time_ms());
        match (self.signal)(row) {
            Signal::Value(value) => self.value(st, at_ms, value, cx),
            Signal::Unknown(cause) => self.unknown(st, at_ms, cause, cx),
            Signal::Person(event) => {
                self.person(st, at_ms, *event, cx);
                Verdict::Applied
            }
            Signal::None => {
                self.elsewhere(st, cx);
                Verdict::Applied
            }
        }
    }

    #[inline]
    fn warm(&self, st: &AlarmsState, _event_ms: i64) {
        ask_for(&st.alarm);
        ask_for(&st.heard_quiet_ms);
    }

    fn on_quiet(&self, st: &mut AlarmsState, cx: &mut Context<'_, K, Alarm<K>>) {
        self.look(st, cx);
    }

    fn on_arrival(&self, st: &mut AlarmsState, cx: &mut Context<'_, K, Alarm<K>>) {
        self.look(st, cx);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alarm::{Severity, Step};

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// A crane that is a second into an overload.
    fn example() -> AlarmsState {
        let machine = AlarmMachine::new(Ladder::crane_overload()).unwrap();
        let mut state = AlarmsState { heard_quiet_ms: 2_000, heard_arrival_ms: 7_000, ..AlarmsState::default() };
        (state.watch, state.newest, state.stood_in) = (Watch::Arrival, Some(1.02f64.to_bits()), true);
        for at_ms in [1_000, 2_000] {
            machine.sample(&mut state.alarm, at_ms, 1.02, at_ms + 5_000, &mut Vec::new());
        }
        state
    }

    const GOLDEN: &str = concat!(
        "d007000000000000e803000000000000e803000000000000e80300000000000000000000000000000000000000000000",
        "00000000000000000000000000000000000000000000000052b81e85eb51f03f00000000000000000000000000000000",
        "000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000",
        "020000000200000002000000000000000000000000000000000000000007000100000000000000000000000000000000",
        "d007000000000000581b000000000000010000000000000052b81e85eb51f03f0201000000000000",
    );

    #[test]
    fn the_bytes_stay_the_same() {
        let bytes = example().encode().unwrap();
        assert_eq!(hex(&bytes), GOLDEN, "the stored form changed: states need a new version");
        assert_eq!(AlarmsState::decode(&bytes).unwrap(), example());
        assert_eq!((AlarmsState::NAME, AlarmsState::VERSION), ("watchfire.alarm", 1));
    }

    #[test]
    fn damaged_bytes_are_refused() {
        let bytes = example().encode().unwrap();
        assert!(AlarmsState::decode(&bytes[8..]).is_err());
        let mut wrong = bytes.clone();
        wrong.iter_mut().for_each(|byte| *byte |= 0x80);
        assert!(AlarmsState::decode(&wrong).is_err());
    }

    #[test]
    fn a_state_of_a_longer_ladder_is_noticed() {
        let short = Ladder::rises("r", vec![Step::new("s", Severity::Alarm, 1.0, 0.9)]);
        let short = Alarms::<u32, f64, _>::new(short, |ratio: &f64| Signal::Value(*ratio)).unwrap();
        assert_eq!(short.check(&example()).unwrap_err().code(), "E0159");
    }

    #[test]
    fn silence_is_never_shorter_than_what_one_reading_speaks_for() {
        let at_once = Ladder { unknown_after_ms: 0, ..Ladder::crane_overload() };
        let alarms = Alarms::<u32, f64, _>::new(at_once, |ratio: &f64| Signal::Value(*ratio)).unwrap();
        assert_eq!(alarms.silence_ms, alarms.ladder().max_gap_ms);
        assert_eq!(alarms.silent_after_ms(60_000).silent_after_ms(1).silence_ms, 2_000);
    }
}
