//! Tumbling and sliding windows.
//!
//! Rows go into panes of `gcd(size, slide)`; a window merges its panes. Per row: one pane update. Per emitted window: a
//! merge of its panes, or of logarithmically many parts where there are many. Empty stretches are skipped.
//!
//! Memory per key: 8 parts, or `(size + disorder + allowed lateness) / pane + 3` where that is more, rounded up to a power
//! of two, and doubled above 32; never more than [`RING_MAX`] panes.

use watchfire_engine::{Change, Context, Describe, Detector, END_MS, Error, Key, State, Stored, Verdict, rkyv};

use super::panes::Panes;
use super::{Aggregate, Close, FAR_MS, LENGTH_MAX_MS, Span, TIME_MAX_MS, WindowRow};

/// Panes that a window may consist of, so that a typing error does not ask for gigabytes a key.
pub const PANES_MAX: i64 = 1 << 20;

/// Panes that a key may hold at once. A row so far ahead of the key's first open window that more were needed goes to
/// the late output; only a disorder bound or an allowed lateness of millions of panes can bring that about.
pub const RING_MAX: usize = 1 << 24;

/// Sliding windows of one size, a new one every slide; a tumbling window is its own slide.
///
/// # Examples
/// ```
/// use watchfire_operators::window::{Close, Sliding, count};
/// let minutes = Sliding::<u32, _>::tumbling(60_000, count::<f64>())?.close(Close::Hold { max_ms: 300_000 });
/// let every_ten_seconds = Sliding::<u32, _>::new(60_000, 10_000, count::<f64>())?;
/// assert!(Sliding::<u32, _>::new(60_000, 0, count::<f64>()).is_err());
/// # Ok::<(), watchfire_engine::Error>(())
/// ```
#[derive(Clone)]
pub struct Sliding<K, A> {
    size_ms: i64,
    slide_ms: i64,
    pane_ms: i64,
    size_panes: usize,
    slide_panes: usize,
    /// `floor((2^64 - 1) / pane_ms)`: divides distances below `2^32` by a multiplication.
    reciprocal: u64,
    close: Close,
    /// Of `close`, looked up once: how long a window can still change after its end.
    lateness_ms: i64,
    /// The quiet time after which it waits no longer.
    patience_ms: Option<i64>,
    /// The quiet time between corrections, where there are any.
    every_ms: Option<i64>,
    /// A row that is further before the end of the ring's first window may belong to windows before it, or be late.
    reach_ms: i64,
    aggregate: A,
    key: std::marker::PhantomData<fn(K)>,
}

impl<K: Key, A: Aggregate> std::fmt::Debug for Sliding<K, A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sliding({})", self.params())
    }
}

/// The windows of one key.
///
/// Its ring begins one pane before the first window that can still change, for aggregates whose samples reach over the
/// edge of a pane. What every row reads stands first: with the key's clock it fills one cache line.
#[derive(Clone, Debug, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
#[repr(C)]
pub struct WindowState<P> {
    /// The end of the first window that can still change, `i64::MAX` while no pane has rows.
    open_end_ms: i64,
    /// Windows that end by then were closed for good ahead of the watermark.
    floor_ms: i64,
    panes: Panes<P>,
    /// The end of the first window that was not emitted: those before were, or had no rows.
    next_end_ms: i64,
    /// The quiet clock at the last row.
    last_quiet_ms: i64,
    corrections: Option<Box<Corrections<P>>>,
}

/// Windows that were emitted and have changed since.
#[derive(Clone, Debug, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
struct Corrections<P> {
    /// By end, rising: what the window was made of when it was last emitted, nothing if it had no rows.
    changed: Vec<(i64, Option<Emitted<P>>)>,
    last_quiet_ms: i64,
}

/// What an emitted window was made of: enough to repeat its row bit for bit.
#[derive(Clone, Debug, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
struct Emitted<P> {
    part: P,
    before: Option<P>,
}

impl<P: Default> Default for WindowState<P> {
    fn default() -> Self {
        let (next_end_ms, open_end_ms, floor_ms) = (i64::MAX, i64::MAX, i64::MIN);
        WindowState {
            next_end_ms,
            open_end_ms,
            floor_ms,
            last_quiet_ms: i64::MIN,
            panes: Panes::default(),
            corrections: None,
        }
    }
}

impl<P: Clone + Default + Send + Stored + 'static> State for WindowState<P> {
    const NAME: &'static str = "watchfire.window";
    const VERSION: u32 = 1;
}

impl<K: Key, A: Aggregate> Sliding<K, A> {
    /// Windows of `size_ms`, one every `slide_ms`. Their ends are multiples of `slide_ms`, offset by the size.
    ///
    /// # Errors
    /// `E0121` if a length is not positive or above [`LENGTH_MAX_MS`], the slide exceeds the size (rows between windows
    /// would be lost), or a window would have more than [`PANES_MAX`] panes.
    pub fn new(size_ms: i64, slide_ms: i64, aggregate: A) -> Result<Self, Error> {
        let wrong = |what: String, remedy: &str| Err(Error::new("E0121", what).at("window").remedy(remedy));
        if size_ms <= 0 || slide_ms <= 0 {
            let what = format!("size {size_ms} ms and slide {slide_ms} ms must both be positive");
            return wrong(what, "give both in milliseconds, at least 1");
        }
        if slide_ms > size_ms {
            let what = format!("a slide of {slide_ms} ms leaves rows between windows of {size_ms} ms");
            return wrong(what, "make the slide at most the size");
        }
        if size_ms > LENGTH_MAX_MS {
            let what = format!("a window of {size_ms} ms is longer than any record");
            return wrong(what, "give the size in milliseconds");
        }
        let pane_ms = gcd(size_ms, slide_ms);
        if size_ms / pane_ms > PANES_MAX {
            let what = format!("a window of {size_ms} ms has {} panes of {pane_ms} ms", size_ms / pane_ms);
            return wrong(what, "choose a longer slide, or a size that is a multiple of it");
        }
        let reciprocal = u64::MAX / pane_ms.unsigned_abs();
        let sliding = Sliding {
            size_ms,
            slide_ms,
            pane_ms,
            size_panes: (size_ms / pane_ms) as usize,
            slide_panes: (slide_ms / pane_ms) as usize,
            reciprocal,
            close: Close::Final,
            lateness_ms: 0,
            patience_ms: None,
            every_ms: None,
            reach_ms: size_ms,
            aggregate,
            key: std::marker::PhantomData,
        };
        Ok(sliding.close(Close::Final))
    }

    /// Windows that follow one another without overlap.
    ///
    /// # Errors
    /// As [`new`](Sliding::new).
    pub fn tumbling(size_ms: i64, aggregate: A) -> Result<Self, Error> {
        Self::new(size_ms, size_ms, aggregate)
    }

    /// Sets when windows close. Default [`Close::Final`].
    #[must_use]
    pub fn close(self, close: Close) -> Self {
        let (lateness_ms, patience_ms, every_ms) = (close.lateness_ms(), close.patience_ms(), close.every_ms());
        // Without corrections the ring begins with the first window that is not closed: there is none before it.
        let reach_ms = if every_ms.is_some() { self.slide_ms } else { self.size_ms };
        Sliding { close, lateness_ms, patience_ms, every_ms, reach_ms, ..self }
    }

    fn params(&self) -> String {
        format!("{} over {} ms every {} ms, {:?}", self.aggregate.params(), self.size_ms, self.slide_ms, self.close)
    }

    fn span(&self, end_ms: i64) -> Span {
        Span { start_ms: end_ms.saturating_sub(self.size_ms), end_ms }
    }

    /// The first window end after `at_ms`, held within what can be reckoned with.
    fn first_end_after(&self, at_ms: i64) -> i64 {
        let at_ms = at_ms.clamp(-FAR_MS, FAR_MS);
        let phase = self.size_ms.rem_euclid(self.slide_ms);
        at_ms - (at_ms - phase).rem_euclid(self.slide_ms) + self.slide_ms
    }

    /// The pane of a time at or after the head's start.
    #[inline]
    fn pane_of(&self, from_head_ms: i64) -> usize {
        match u32::try_from(from_head_ms) {
            // With the reciprocal rounded down and the distance rounded up the quotient is exact, for 1 ms too.
            Ok(near) => (((u128::from(near) + 1) * u128::from(self.reciprocal)) >> 64) as usize,
            Err(_) => (from_head_ms / self.pane_ms) as usize,
        }
    }

    /// Where the ring begins.
    fn head_ms(&self, st: &WindowState<A::Part>) -> i64 {
        st.open_end_ms - self.size_ms - self.pane_ms
    }

    /// The panes of the window that ends at `end_ms`, counted from the head.
    fn panes_of(&self, st: &WindowState<A::Part>, end_ms: i64) -> (usize, usize) {
        let from = self.pane_of(end_ms - st.open_end_ms) + 1;
        (from, from + self.size_panes)
    }

    /// The end of the last window that holds the last pane with rows.
    fn last_end_ms(&self, st: &WindowState<A::Part>) -> i64 {
        let last_ms = self.head_ms(st) + (st.panes.len() as i64 - 1) * self.pane_ms;
        last_ms - last_ms.rem_euclid(self.slide_ms) + self.size_ms
    }

    /// Windows that end by then are closed, by the watermark or ahead of it.
    fn closed_ms(&self, st: &WindowState<A::Part>, watermark_ms: i64) -> i64 {
        watermark_ms.saturating_sub(self.lateness_ms).max(st.floor_ms)
    }

    /// Begins the windows of a key, first or after a stretch without rows, around a row at `at_ms`. False if every
    /// window that holds the row is closed.
    #[cold]
    fn begin(
        &self,
        st: &mut WindowState<A::Part>,
        at_ms: i64,
        cx: &mut Context<'_, K, Change<WindowRow<K, A::Out>>>,
    ) -> bool {
        let watermark_ms = cx.watermark_ms();
        let next_end_ms = self.first_end_after(watermark_ms.max(st.floor_ms));
        let open_end_ms = self.first_end_after(self.closed_ms(st, watermark_ms).max(at_ms)).min(next_end_ms);
        if !(-TIME_MAX_MS..=TIME_MAX_MS).contains(&at_ms) || at_ms < open_end_ms - self.size_ms {
            return false;
        }
        (st.next_end_ms, st.open_end_ms) = (next_end_ms, open_end_ms);
        st.panes.reserve(self.size_panes + 2);
        self.ask(st, cx);
        true
    }

    /// Reaches back for a row that windows before the ring's first hold, as far as those can still be corrected. False if
    /// the row is late.
    #[cold]
    fn reach_back(
        &self,
        st: &mut WindowState<A::Part>,
        at_ms: i64,
        cx: &mut Context<'_, K, Change<WindowRow<K, A::Out>>>,
    ) -> bool {
        let open_end_ms = self.first_end_after(self.closed_ms(st, cx.watermark_ms()).max(at_ms));
        if open_end_ms >= st.open_end_ms {
            return at_ms >= st.open_end_ms - self.size_ms;
        }
        if at_ms < open_end_ms - self.size_ms {
            return false;
        }
        let panes = ((st.open_end_ms - open_end_ms) / self.pane_ms) as usize;
        if st.panes.len() + panes > RING_MAX {
            return false;
        }
        st.panes.reserve(st.panes.len() + panes);
        st.panes.retreat(panes);
        st.open_end_ms = open_end_ms;
        self.ask(st, cx);
        true
    }

    /// Makes room for pane `k`, which a row at `at_ms` falls into. False if that is further ahead than can be held.
    #[cold]
    fn widen(&self, st: &mut WindowState<A::Part>, k: usize, at_ms: i64) -> bool {
        let near = k < RING_MAX && at_ms <= TIME_MAX_MS;
        if near {
            st.panes.reserve(k + 1);
        }
        near
    }

    /// Asks to be woken when the next window is due, or when the first can be corrected no more.
    fn ask(&self, st: &WindowState<A::Part>, cx: &mut Context<'_, K, Change<WindowRow<K, A::Out>>>) {
        cx.wake_at_event_ms(st.next_end_ms);
        if st.open_end_ms < st.next_end_ms {
            cx.wake_at_event_ms(st.open_end_ms.saturating_add(self.lateness_ms));
        }
    }

    /// Before a row at `at_ms` is added: keeps what the emitted windows that it can change were made of.
    #[cold]
    fn note_changes(
        &self,
        st: &mut WindowState<A::Part>,
        at_ms: i64,
        every_ms: i64,
        cx: &mut Context<'_, K, Change<WindowRow<K, A::Out>>>,
    ) {
        let from_ms = self.first_end_after(at_ms).max(st.open_end_ms);
        // The window that begins after the row's pane may look back at it.
        let reach_ms = if self.aggregate.reads_before() { self.pane_ms } else { 0 };
        let to_ms = self.first_end_after(at_ms + self.size_ms + reach_ms).min(st.next_end_ms);
        if from_ms >= to_ms {
            return;
        }
        let fresh = || Box::new(Corrections { changed: Vec::new(), last_quiet_ms: i64::MIN });
        let mut all = st.corrections.take().unwrap_or_else(fresh);
        let low = all.changed.partition_point(|(end_ms, _)| *end_ms < from_ms);
        let high = all.changed.partition_point(|(end_ms, _)| *end_ms < to_ms);
        if ((high - low) as i64) < (to_ms - from_ms) / self.slide_ms {
            let after = all.changed.split_off(high);
            let mut known = all.changed.split_off(low).into_iter().peekable();
            let mut end_ms = from_ms;
            while end_ms < to_ms {
                let one = known.next_if(|(known_ms, _)| *known_ms == end_ms);
                all.changed.push(one.unwrap_or_else(|| (end_ms, self.made_of(st, end_ms))));
                end_ms += self.slide_ms;
            }
            all.changed.extend(after);
        }
        // Not before the next tick, so that the rows of one tick make one correction.
        cx.wake_at_quiet_ms(all.last_quiet_ms.saturating_add(every_ms).max(cx.quiet_ms().saturating_add(1)));
        st.corrections = Some(all);
    }

    fn made_of(&self, st: &mut WindowState<A::Part>, end_ms: i64) -> Option<Emitted<A::Part>> {
        let (from, to) = self.panes_of(st, end_ms);
        let part = st.panes.merged(from, to, |into, next| self.aggregate.merge(into, next))?;
        let before = if self.aggregate.reads_before() { st.panes.get(from - 1).cloned() } else { None };
        Some(Emitted { part, before })
    }

    fn row_of(&self, key: &K, end_ms: i64, of: &Emitted<A::Part>) -> Option<WindowRow<K, A::Out>> {
        let span = self.span(end_ms);
        let value = self.aggregate.finish(span, &of.part, of.before.as_ref())?;
        Some(WindowRow { key: key.clone(), span, value })
    }

    /// Emits the corrections of windows that end by `upto_ms`, those whose value is another than was emitted.
    fn correct(
        &self,
        st: &mut WindowState<A::Part>,
        upto_ms: i64,
        cx: &mut Context<'_, K, Change<WindowRow<K, A::Out>>>,
    ) {
        let Some(mut all) = st.corrections.take() else { return };
        let rest = all.changed.split_off(all.changed.partition_point(|(end_ms, _)| *end_ms <= upto_ms));
        for (end_ms, was) in std::mem::replace(&mut all.changed, rest) {
            let was = was.and_then(|was| self.row_of(cx.key(), end_ms, &was));
            let is = self.made_of(st, end_ms).and_then(|is| self.row_of(cx.key(), end_ms, &is));
            if was == is {
                continue;
            }
            all.last_quiet_ms = cx.quiet_ms();
            was.into_iter().for_each(|row| cx.emit(Change::Retract(row)));
            is.into_iter().for_each(|row| cx.emit(Change::Insert(row)));
        }
        st.corrections = Some(all);
    }

    /// Emits the windows that end by `upto_ms`, and lets go of those that end by `closed_ms`.
    fn run(
        &self,
        st: &mut WindowState<A::Part>,
        upto_ms: i64,
        closed_ms: i64,
        cx: &mut Context<'_, K, Change<WindowRow<K, A::Out>>>,
    ) {
        let mut spare = A::Part::default();
        while st.next_end_ms <= upto_ms && !st.panes.is_empty() {
            let end_ms = st.next_end_ms;
            if self.every_ms.is_none() && end_ms <= closed_ms {
                self.seal(st, end_ms, &mut spare);
            }
            let (from, to) = self.panes_of(st, end_ms);
            match st.panes.merged(from, to, |into, next| self.aggregate.merge(into, next)) {
                Some(part) => {
                    let before = if self.aggregate.reads_before() { st.panes.get(from - 1) } else { None };
                    let span = self.span(end_ms);
                    if let Some(value) = self.aggregate.finish(span, &part, before) {
                        cx.emit(Change::Insert(WindowRow { key: cx.key().clone(), span, value }));
                    }
                    st.next_end_ms = end_ms + self.slide_ms;
                }
                None => self.skip(st, upto_ms),
            }
            self.let_go(st, closed_ms, &mut spare, cx);
        }
        self.let_go(st, closed_ms, &mut spare, cx);
        if st.panes.is_empty() {
            (st.next_end_ms, st.open_end_ms) = (i64::MAX, i64::MAX);
        } else {
            self.ask(st, cx);
        }
    }

    /// Moves past windows without rows, to the next that has some or that is not due.
    #[cold]
    fn skip(&self, st: &mut WindowState<A::Part>, upto_ms: i64) {
        let (from, _) = self.panes_of(st, st.next_end_ms);
        let not_due_ms = self.first_end_after(upto_ms);
        let next_ms = match st.panes.next_occupied(from) {
            // A window that is not due yet may still get rows, although the panes before the next one have none.
            Some(k) => self.first_end_after(self.head_ms(st) + k as i64 * self.pane_ms).min(not_due_ms),
            None => not_due_ms,
        };
        st.next_end_ms = next_ms.max(st.next_end_ms + self.slide_ms);
    }

    /// Closes all windows that have rows as they are, ahead of the watermark. The last pane is kept where the next window
    /// looks back at it.
    fn close_all(&self, st: &mut WindowState<A::Part>, cx: &mut Context<'_, K, Change<WindowRow<K, A::Out>>>) {
        let last_end_ms = self.last_end_ms(st);
        st.floor_ms = st.floor_ms.max(last_end_ms);
        self.run(st, last_end_ms, last_end_ms, cx);
    }

    /// No row is expected any more in the panes that the window ending at `end_ms` is the first to hold.
    fn seal(&self, st: &mut WindowState<A::Part>, end_ms: i64, spare: &mut A::Part) {
        let (_, to) = self.panes_of(st, end_ms);
        for k in to - self.slide_panes..to {
            st.panes.change(k, |part| self.aggregate.seal(part, spare));
        }
    }

    /// Lets go of emitted windows that can change no more, and of the panes that only they held.
    fn let_go(
        &self,
        st: &mut WindowState<A::Part>,
        closed_ms: i64,
        spare: &mut A::Part,
        cx: &mut Context<'_, K, Change<WindowRow<K, A::Out>>>,
    ) {
        while st.open_end_ms <= closed_ms && st.open_end_ms < st.next_end_ms && !st.panes.is_empty() {
            if self.every_ms.is_some() {
                self.correct(st, st.open_end_ms, cx);
                self.seal(st, st.open_end_ms, spare);
            }
            st.panes.advance(self.slide_panes, spare);
            st.open_end_ms += self.slide_ms;
        }
    }
}

impl<K: Key, A: Aggregate> Detector for Sliding<K, A> {
    type Key = K;
    type In = A::In;
    type Out = Change<WindowRow<K, A::Out>>;
    type State = WindowState<A::Part>;

    fn describe(&self) -> Describe {
        let ordered = !matches!(self.close, Close::Provisional { .. });
        Describe { kind: "sliding_window", params: self.params(), ordered }
    }

    #[inline(always)]
    fn on_row(&self, st: &mut Self::State, row: &A::In, cx: &mut Context<'_, K, Self::Out>) -> Verdict {
        let at_ms = cx.event_time_ms();
        if st.open_end_ms == i64::MAX && !self.begin(st, at_ms, cx) {
            return Verdict::Late;
        }
        if at_ms < st.open_end_ms - self.reach_ms && !self.reach_back(st, at_ms, cx) {
            return Verdict::Late;
        }
        let head_ms = self.head_ms(st);
        let k = self.pane_of(at_ms.wrapping_sub(head_ms));
        if k >= st.panes.cap() && !self.widen(st, k, at_ms) {
            return Verdict::Late;
        }
        if self.aggregate.sealed_is_shut()
            && at_ms < cx.watermark_ms().max(st.floor_ms)
            && head_ms + (k as i64 + 1) * self.pane_ms <= self.closed_ms(st, cx.watermark_ms())
        {
            return Verdict::Late;
        }
        if let Some(every_ms) = self.every_ms
            && st.open_end_ms < st.next_end_ms
        {
            self.note_changes(st, at_ms, every_ms, cx);
        }
        let (part, made) = st.panes.open(k);
        let verdict = self.aggregate.add(part, row, at_ms);
        st.panes.settle(k, made, verdict == Verdict::Applied);
        if let Some(patience_ms) = self.patience_ms {
            st.last_quiet_ms = cx.quiet_ms();
            cx.wake_at_quiet_ms(st.last_quiet_ms.saturating_add(patience_ms));
        }
        verdict
    }

    #[inline(always)]
    fn warm(&self, st: &Self::State, event_ms: i64) {
        // Before the first row the difference wraps, and the pane is one that does not exist.
        let k = self.pane_of(event_ms.wrapping_sub(st.open_end_ms.wrapping_sub(self.size_ms + self.pane_ms)));
        st.panes.ask_for(k);
    }

    fn on_watermark(&self, st: &mut Self::State, cx: &mut Context<'_, K, Self::Out>) {
        if st.open_end_ms == i64::MAX {
            return;
        }
        if cx.watermark_ms() != END_MS {
            let watermark_ms = cx.watermark_ms().min(FAR_MS);
            return self.run(st, watermark_ms, watermark_ms.saturating_sub(self.lateness_ms), cx);
        }
        if self.every_ms.is_none() {
            return self.close_all(st, cx);
        }
        // Another split may go on with the key: what it brings within the allowed lateness is a correction.
        self.correct(st, END_MS, cx);
        self.run(st, self.last_end_ms(st), i64::MIN, cx);
    }

    fn on_quiet(&self, st: &mut Self::State, cx: &mut Context<'_, K, Self::Out>) {
        if st.open_end_ms == i64::MAX {
            return;
        }
        if let Some(every_ms) = self.every_ms
            && let Some(all) = &st.corrections
            && !all.changed.is_empty()
        {
            let due_ms = all.last_quiet_ms.saturating_add(every_ms);
            if cx.quiet_ms() >= due_ms {
                self.correct(st, END_MS, cx);
            } else {
                cx.wake_at_quiet_ms(due_ms);
            }
        }
        let Some(patience_ms) = self.patience_ms else { return };
        if st.last_quiet_ms == i64::MIN {
            // The row came before the first tick: its silence can be measured from here on.
            st.last_quiet_ms = cx.quiet_ms();
        }
        let due_ms = st.last_quiet_ms.saturating_add(patience_ms);
        if cx.quiet_ms() < due_ms {
            return cx.wake_at_quiet_ms(due_ms);
        }
        if self.every_ms.is_none() {
            return self.close_all(st, cx);
        }
        let closed_ms = cx.watermark_ms().min(FAR_MS).saturating_sub(self.lateness_ms);
        self.run(st, self.last_end_ms(st), closed_ms, cx);
    }
}

fn gcd(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests;
