//! Rows of a key in the order of their event times.

use std::cmp::Ordering;
use std::fmt;
use std::marker::PhantomData;

use watchfire_engine::{
    Context, Data, Describe, Detector, Error, Key, State, Timed, Verdict, rkyv, row_from_bytes, row_to_bytes,
};

use crate::window::TIME_MAX_MS;

/// What [`InOrder`] remembers of a key: the rows that it holds. Stored with serde, so a row needs no more.
#[derive(Clone, Debug, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
#[rkyv(crate = rkyv)]
pub struct InOrderState<T: 'static> {
    /// Rising by event time and id.
    #[rkyv(with = rkyv::with::Skip)]
    held: Vec<(i64, T)>,
    /// What was let go last.
    #[rkyv(with = rkyv::with::Skip)]
    last: Option<(i64, T)>,
    /// The quiet clock when the last row came.
    heard_quiet_ms: i64,
    /// The arrival clock then.
    heard_arrival_ms: i64,
}

impl<T: 'static> Default for InOrderState<T> {
    fn default() -> Self {
        InOrderState { held: Vec::new(), last: None, heard_quiet_ms: i64::MIN, heard_arrival_ms: i64::MIN }
    }
}

impl<T: Data> State for InOrderState<T> {
    const NAME: &'static str = "watchfire.in_order";
    const VERSION: u32 = 2;
    const MIGRATES: &'static [u32] = &[1];

    fn encode(&self) -> Result<Vec<u8>, Error> {
        row_to_bytes(&(&self.held, &self.last, self.heard_quiet_ms, self.heard_arrival_ms))
    }

    fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let (held, last, heard_quiet_ms, heard_arrival_ms) = row_from_bytes(bytes)?;
        Ok(InOrderState { held, last, heard_quiet_ms, heard_arrival_ms })
    }

    fn migrate(_version: u32, bytes: &[u8]) -> Result<Self, Error> {
        let (held, last, heard_quiet_ms) = row_from_bytes(bytes)?;
        Ok(InOrderState { held, last, heard_quiet_ms, heard_arrival_ms: i64::MIN })
    }
}

/// Lets the rows of each key go on in the order of their event times, and of one instant in that of their ids: whatever order they came in, as long as that is within
/// the disorder bound. For what depends on order, put before it once: `in_order.then(a.both(b))`.
///
/// - **A row waits** until the key's watermark has passed it: for the disorder bound, and until a later row comes. So that the last rows of a key that falls
///   silent are seen too, all that is held goes on when nothing came for [`quiet_ms`](InOrder::quiet_ms) on the key's quiet clock. That clock stands still while a source is away: where
///   what is held must not wait for it, all goes on after [`wait_ms`](InOrder::wait_ms) on the arrival clock.
/// - **At once** goes what must not wait for anything ([`at_once`](InOrder::at_once)), before what is held, each time that it comes.
/// - **Verdicts**: what is behind the watermark, or behind what went on in silence, is [`Late`](Verdict::Late), as is a time that
///   can only be wrong ([`TIME_MAX_MS`]); what repeats the event time and id of a row that
///   is held, or went on last, is a [`Duplicate`](Verdict::Duplicate), whatever else it says.
///
/// Per row: a binary search, and moving the rows behind it. Memory per key: the rows within the disorder bound, but at most
/// [`held_max`](InOrder::held_max): beyond that the oldest goes on, and what is older yet is late.
///
/// # Examples
/// ```
/// use serde::{Deserialize, Serialize};
/// use watchfire_engine::{EventTime, Job, TickSource, Timed};
/// use watchfire_operators::detect::InOrder;
/// #[derive(Clone, Debug, Serialize, Deserialize)]
/// struct Beat { band: u32, at_ms: i64, seq: u32 }
/// impl Timed for Beat {
///     fn event_time_ms(&self) -> i64 { self.at_ms }
/// }
/// let job = Job::new(|flow| {
///     let bands = flow.channel::<Beat>("beats").key_by(|beat| beat.band).event_time(EventTime { disorder_ms: 5_000, ..EventTime::default() });
///     bands.detect("in order", InOrder::new(|beat: &Beat| beat.seq)).out.to_channel("sorted");
/// });
/// let mut running = job.ticks(TickSource::FROM_EVENTS).start()?;
/// let (beats, sorted) = (running.sender::<Beat>("beats")?, running.receiver::<Beat>("sorted")?);
/// beats.send([3, 1, 2, 2, 6, 4].map(|seq| Beat { band: 7, at_ms: i64::from(seq) * 1_000, seq }).to_vec())?;
/// drop(beats);
/// assert_eq!(sorted.rows().map(|beat| beat.seq).collect::<Vec<_>>(), [1, 2, 3, 4, 6]);
/// running.wait()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct InOrder<K, T, F> {
    id: F,
    quiet_ms: i64,
    wait_ms: Option<i64>,
    held_max: usize,
    at_once: Option<fn(&T) -> bool>,
    late_go_on: bool,
    rows: PhantomData<fn(&T) -> K>,
}

impl<K, T, F: Clone> Clone for InOrder<K, T, F> {
    fn clone(&self) -> Self {
        let InOrder { id, quiet_ms, wait_ms, held_max, at_once, late_go_on, rows } = self;
        let (quiet_ms, wait_ms, held_max) = (*quiet_ms, *wait_ms, *held_max);
        InOrder { id: id.clone(), quiet_ms, wait_ms, held_max, at_once: *at_once, late_go_on: *late_go_on, rows: *rows }
    }
}

impl<K, T, F> fmt::Debug for InOrder<K, T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "InOrder({})", self.params())
    }
}

impl<K, T, F> InOrder<K, T, F> {
    /// After so long without a row all that is held of a key goes on, if nothing else is said: a minute.
    pub const QUIET_MS: i64 = 60_000;

    /// So many rows are held of a key, if nothing else is said.
    pub const HELD_MAX: usize = 100_000;

    /// Rows of one event time go on by their `id`, a pure function of the row: a sequence number, or what was measured.
    #[must_use]
    pub fn new<I: Ord>(id: F) -> Self
    where
        F: Fn(&T) -> I,
    {
        let (quiet_ms, held_max) = (Self::QUIET_MS, Self::HELD_MAX);
        InOrder { id, quiet_ms, wait_ms: None, held_max, at_once: None, late_go_on: false, rows: PhantomData }
    }

    /// Sets after how many ms without a row all that is held of a key goes on; 1 at least.
    #[must_use]
    pub fn quiet_ms(self, quiet_ms: i64) -> Self {
        InOrder { quiet_ms: quiet_ms.max(1), ..self }
    }

    /// Sets after how many ms without a row all that is held of a key goes on, whether or not its source is connected; 1 at least. What comes after that, and is
    /// older, is late: let it be more than rows are out of order.
    #[must_use]
    pub fn wait_ms(self, wait_ms: i64) -> Self {
        InOrder { wait_ms: Some(wait_ms.max(1)), ..self }
    }

    /// Sets which rows wait for nothing: a call for help. They go on as they come, again when they come again, and before what is held although that may be older.
    #[must_use]
    pub fn at_once(self, at_once: fn(&T) -> bool) -> Self {
        InOrder { at_once: Some(at_once), ..self }
    }

    /// Rows that are late go on at once as well, each time that they come: for a key of several devices, of which one with a clock that is ahead must not silence the others. Whoever
    /// reads them has to know what is late of each.
    #[must_use]
    pub fn late_go_on(self) -> Self {
        InOrder { late_go_on: true, ..self }
    }

    /// Sets how many rows are held of a key; 1 at least.
    #[must_use]
    pub fn held_max(self, held_max: usize) -> Self {
        InOrder { held_max: held_max.max(1), ..self }
    }

    fn params(&self) -> String {
        let at_once = if self.at_once.is_some() { ", some at once" } else { "" };
        let late = if self.late_go_on { ", late ones too" } else { "" };
        let wait = self.wait_ms.map_or(String::new(), |wait_ms| format!(", {wait_ms} ms whatever its source is"));
        format!("let go after {} ms{wait}, at most {}{at_once}{late}", self.quiet_ms, self.held_max)
    }
}

/// Lets the first `count` rows go on.
fn let_go<K, T: Data>(st: &mut InOrderState<T>, count: usize, cx: &mut Context<'_, K, T>) {
    if let Some(last) = count.checked_sub(1).and_then(|at| st.held.get(at)) {
        st.last = Some(last.clone());
    }
    st.held.drain(..count).for_each(|(_, row)| cx.emit(row));
    // It goes on when a later one has come for sure, not one of the same instant.
    if let Some((first_ms, _)) = st.held.first() {
        cx.wake_at_event_ms(first_ms.saturating_add(1));
    }
}

impl<K, T: Data, F> InOrder<K, T, F> {
    fn late(&self, can_be: bool, row: &T, cx: &mut Context<'_, K, T>) -> Verdict {
        if !can_be || !self.late_go_on {
            return Verdict::Late;
        }
        cx.emit(row.clone());
        Verdict::Applied
    }
}

impl<K: Key, T: Data + Timed, I: Ord, F: Fn(&T) -> I + Send + Sync + 'static> Detector for InOrder<K, T, F> {
    type Key = K;
    type In = T;
    type Out = T;
    type State = InOrderState<T>;

    fn describe(&self) -> Describe {
        Describe { kind: "in_order", params: self.params(), ordered: true }
    }

    fn on_row(&self, st: &mut InOrderState<T>, row: &T, cx: &mut Context<'_, K, T>) -> Verdict {
        if self.at_once.is_some_and(|at_once| at_once(row)) {
            cx.emit(row.clone());
            return Verdict::Applied;
        }
        // Of a key whose clock is ahead the engine knows better.
        let at_ms = row.event_time_ms().min(cx.event_time_ms());
        let can_be = (-TIME_MAX_MS..=TIME_MAX_MS).contains(&at_ms);
        if !can_be || at_ms < cx.watermark_ms() {
            return self.late(can_be, row, cx);
        }
        let is = (at_ms, (self.id)(row));
        let of = |(held_ms, held): &(i64, T)| (*held_ms, (self.id)(held));
        match st.last.as_ref().map(|last| is.cmp(&of(last))) {
            Some(Ordering::Less) => return self.late(true, row, cx),
            Some(Ordering::Equal) => return Verdict::Duplicate,
            Some(Ordering::Greater) | None => {}
        }
        let at = st.held.partition_point(|held| of(held) < is);
        if st.held.get(at).is_some_and(|held| of(held) == is) {
            return Verdict::Duplicate;
        }
        st.held.insert(at, (at_ms, row.clone()));
        st.heard_quiet_ms = cx.quiet_ms();
        cx.wake_at_quiet_ms(cx.quiet_ms().saturating_add(self.quiet_ms));
        if let Some(wait_ms) = self.wait_ms {
            st.heard_arrival_ms = cx.arrival_ms();
            cx.wake_at_arrival_ms(cx.arrival_ms().saturating_add(wait_ms));
        }
        let_go(st, st.held.len().saturating_sub(self.held_max), cx);
        Verdict::Applied
    }

    fn on_watermark(&self, st: &mut InOrderState<T>, cx: &mut Context<'_, K, T>) {
        let watermark_ms = cx.watermark_ms();
        let_go(st, st.held.partition_point(|(at_ms, _)| *at_ms < watermark_ms), cx);
    }

    fn on_quiet(&self, st: &mut InOrderState<T>, cx: &mut Context<'_, K, T>) {
        // Before its first reading the clock tells nothing of how long it was quiet.
        if st.heard_quiet_ms == i64::MIN {
            st.heard_quiet_ms = cx.quiet_ms();
        }
        let due_ms = st.heard_quiet_ms.saturating_add(self.quiet_ms);
        if st.held.is_empty() {
            return;
        }
        if cx.quiet_ms() < due_ms {
            cx.wake_at_quiet_ms(due_ms);
        } else {
            let_go(st, st.held.len(), cx);
        }
    }

    fn on_arrival(&self, st: &mut InOrderState<T>, cx: &mut Context<'_, K, T>) {
        let Some(wait_ms) = self.wait_ms.filter(|_| !st.held.is_empty()) else { return };
        // Before its first reading the clock tells nothing of how long nothing came.
        if st.heard_arrival_ms == i64::MIN {
            st.heard_arrival_ms = cx.arrival_ms();
        }
        let due_ms = st.heard_arrival_ms.saturating_add(wait_ms);
        if cx.arrival_ms() < due_ms {
            cx.wake_at_arrival_ms(due_ms);
        } else {
            let_go(st, st.held.len(), cx);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_first_version_held_is_held_on() {
        let held = vec![(1_000_i64, 7_u32), (2_000, 8)];
        let bytes = row_to_bytes(&(&held, &Some((500_i64, 6_u32)), 300_i64)).unwrap();
        let st = InOrderState::<u32>::migrate(1, &bytes).unwrap();
        assert_eq!((&st.held, st.last, st.heard_quiet_ms), (&held, Some((500, 6)), 300));
        // It had no arrival clock: the first reading that there is begins it.
        assert_eq!(st.heard_arrival_ms, i64::MIN);
        let again = InOrderState::<u32>::decode(&st.encode().unwrap()).unwrap();
        assert_eq!((again.held, again.last, again.heard_arrival_ms), (held, Some((500, 6)), i64::MIN));
        assert!(InOrderState::<u32>::migrate(1, &bytes[..bytes.len() - 1]).is_err());
    }
}
