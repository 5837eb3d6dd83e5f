//! Tumbling and sliding windows.
//!
//! Rows go into panes of `gcd(size, slide)`; a window merges its panes. Per row: one pane update. Per emitted window: a
//! merge of its panes, or of logarithmically many parts where there are many. Empty stretches are skipped.
//!
//! Memory per key: `(size + disorder + allowed lateness) / pane + 3` parts, rounded up to a power of two, twice that
//! above 32.

use watchfire_engine::{Change, Context, Describe, Detector, END_MS, Error, Key, State, Stored, Verdict, rkyv};

use super::panes::Panes;
use super::{Aggregate, Close, Span, WindowRow};

/// Panes that a window may consist of, so that a typing error does not ask for gigabytes a key.
pub const PANES_MAX: i64 = 1 << 20;

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
    /// `ceil(2^64 / pane_ms)`: divides distances below `2^32` by a multiplication.
    reciprocal: u64,
    close: Close,
    /// Of `close`, looked up once: how long a window can still change after its end.
    lateness_ms: i64,
    /// And the quiet time after which it waits no longer.
    patience_ms: Option<i64>,
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
/// edge of a pane.
#[derive(Clone, Debug, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
#[repr(C)]
pub struct WindowState<P> {
    /// The end of the first window that can still change, `i64::MAX` while no pane has rows.
    open_end_ms: i64,
    panes: Panes<P>,
    /// The end of the first window that was not emitted: those before were, or had no rows.
    next_end_ms: i64,
    /// Windows that end by then were closed for good ahead of the watermark.
    floor_ms: i64,
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
    /// `E0121` if a length is not positive, the slide exceeds the size (rows between windows would be lost), or a window
    /// would have more than [`PANES_MAX`] panes.
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
        let pane_ms = gcd(size_ms, slide_ms);
        if size_ms / pane_ms > PANES_MAX {
            let what = format!("a window of {size_ms} ms has {} panes of {pane_ms} ms", size_ms / pane_ms);
            return wrong(what, "choose a longer slide, or a size that is a multiple of it");
        }
        let reciprocal = (u128::from(u64::MAX) / pane_ms.unsigned_abs() as u128 + 1) as u64;
        let key = std::marker::PhantomData;
        let (close, lateness_ms, patience_ms) = (Close::Final, 0, None);
        Ok(Sliding { size_ms, slide_ms, pane_ms, reciprocal, close, lateness_ms, patience_ms, aggregate, key })
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
        Sliding { close, lateness_ms: close.lateness_ms(), patience_ms: close.patience_ms(), ..self }
    }

    fn params(&self) -> String {
        format!("{} over {} ms every {} ms, {:?}", self.aggregate.params(), self.size_ms, self.slide_ms, self.close)
    }

    fn span(&self, end_ms: i64) -> Span {
        Span { start_ms: end_ms.saturating_sub(self.size_ms), end_ms }
    }

    /// The first window end after `at_ms`.
    fn first_end_after(&self, at_ms: i64) -> i64 {
        let phase = self.size_ms.rem_euclid(self.slide_ms);
        let into = at_ms.saturating_sub(phase).rem_euclid(self.slide_ms);
        at_ms.saturating_sub(into).saturating_add(self.slide_ms)
    }

    /// The pane of a time at or after the head's start.
    #[inline]
    fn pane_of(&self, from_head_ms: i64) -> usize {
        match u32::try_from(from_head_ms) {
            Ok(near) => ((u128::from(near) * u128::from(self.reciprocal)) >> 64) as usize,
            Err(_) => (from_head_ms / self.pane_ms) as usize,
        }
    }

    fn slide_panes(&self) -> usize {
        (self.slide_ms / self.pane_ms) as usize
    }

    /// Where the ring begins.
    fn head_ms(&self, st: &WindowState<A::Part>) -> i64 {
        st.open_end_ms.saturating_sub(self.size_ms).saturating_sub(self.pane_ms)
    }

    /// The panes of the window that ends at `end_ms`, counted from the head.
    fn panes_of(&self, st: &WindowState<A::Part>, end_ms: i64) -> (usize, usize) {
        let from = self.pane_of(end_ms - st.open_end_ms) + 1;
        (from, from + (self.size_ms / self.pane_ms) as usize)
    }

    /// The end of the last window that holds the last pane with rows.
    fn last_end_ms(&self, st: &WindowState<A::Part>) -> i64 {
        let last_ms = self.head_ms(st) + (st.panes.len() as i64 - 1) * self.pane_ms;
        last_ms - last_ms.rem_euclid(self.slide_ms) + self.size_ms
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
        let closed_ms = watermark_ms.saturating_sub(self.lateness_ms).max(st.floor_ms);
        let next_end_ms = self.first_end_after(watermark_ms.max(st.floor_ms));
        let open_end_ms = self.first_end_after(closed_ms.max(at_ms)).min(next_end_ms);
        if at_ms < open_end_ms.saturating_sub(self.size_ms) {
            return false;
        }
        (st.next_end_ms, st.open_end_ms) = (next_end_ms, open_end_ms);
        st.panes.reserve((self.size_ms / self.pane_ms) as usize + 2);
        cx.wake_at_event_ms(next_end_ms);
        true
    }

    /// Reaches back for a row before the ring, as far as windows can still be corrected. False if it is late.
    #[cold]
    fn reach_back(&self, st: &mut WindowState<A::Part>, at_ms: i64, watermark_ms: i64) -> bool {
        let closed_ms = watermark_ms.saturating_sub(self.lateness_ms).max(st.floor_ms);
        let open_end_ms = self.first_end_after(closed_ms.max(at_ms));
        if open_end_ms >= st.open_end_ms || at_ms < open_end_ms - self.size_ms {
            return false;
        }
        let panes = ((st.open_end_ms - open_end_ms) / self.pane_ms) as usize;
        st.panes.reserve(st.panes.len() + panes);
        st.panes.retreat(panes);
        st.open_end_ms = open_end_ms;
        true
    }

    /// Before a row at `at_ms` is added: keeps what the emitted windows that hold it were made of.
    #[cold]
    fn note_changes(
        &self,
        st: &mut WindowState<A::Part>,
        at_ms: i64,
        cx: &mut Context<'_, K, Change<WindowRow<K, A::Out>>>,
    ) {
        let Some(every_ms) = self.close.every_ms() else { return };
        let mut end_ms = self.first_end_after(at_ms).max(st.open_end_ms);
        while end_ms < st.next_end_ms && end_ms - self.size_ms <= at_ms {
            let known = st.corrections.as_ref().map(|c| c.changed.binary_search_by_key(&end_ms, |(end_ms, _)| *end_ms));
            if !matches!(known, Some(Ok(_))) {
                let was = self.made_of(st, end_ms);
                let quiet_ms = i64::MIN;
                let all = st
                    .corrections
                    .get_or_insert_with(|| Box::new(Corrections { changed: Vec::new(), last_quiet_ms: quiet_ms }));
                let at = all.changed.partition_point(|(known_ms, _)| *known_ms < end_ms);
                all.changed.insert(at, (end_ms, was));
            }
            end_ms += self.slide_ms;
        }
        if let Some(all) = &st.corrections
            && !all.changed.is_empty()
        {
            // Not before the next tick, so that the rows of one tick make one correction.
            cx.wake_at_quiet_ms(all.last_quiet_ms.saturating_add(every_ms).max(cx.quiet_ms().saturating_add(1)));
        }
    }

    fn made_of(&self, st: &mut WindowState<A::Part>, end_ms: i64) -> Option<Emitted<A::Part>> {
        let (from, to) = self.panes_of(st, end_ms);
        let part = st.panes.merged(from, to, |into, next| self.aggregate.merge(into, next))?;
        Some(Emitted { part, before: st.panes.get(from - 1).cloned() })
    }

    fn row_of(&self, key: &K, end_ms: i64, of: &Emitted<A::Part>) -> Option<WindowRow<K, A::Out>> {
        let span = self.span(end_ms);
        let value = self.aggregate.finish(span, &of.part, of.before.as_ref())?;
        Some(WindowRow { key: key.clone(), span, value })
    }

    /// Emits the corrections of windows that end by `upto_ms`.
    fn correct(
        &self,
        st: &mut WindowState<A::Part>,
        upto_ms: i64,
        cx: &mut Context<'_, K, Change<WindowRow<K, A::Out>>>,
    ) {
        let Some(mut all) = st.corrections.take() else { return };
        let rest = all.changed.split_off(all.changed.partition_point(|(end_ms, _)| *end_ms <= upto_ms));
        for (end_ms, was) in std::mem::replace(&mut all.changed, rest) {
            if let Some(row) = was.and_then(|was| self.row_of(cx.key(), end_ms, &was)) {
                cx.emit(Change::Retract(row));
            }
            if let Some(row) = self.made_of(st, end_ms).and_then(|is| self.row_of(cx.key(), end_ms, &is)) {
                cx.emit(Change::Insert(row));
            }
        }
        all.last_quiet_ms = cx.quiet_ms();
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
        while st.next_end_ms <= upto_ms && !st.panes.is_empty() {
            let end_ms = st.next_end_ms;
            if self.lateness_ms == 0 && end_ms <= closed_ms {
                self.seal(st, end_ms);
            }
            match self.made_of(st, end_ms) {
                Some(is) => {
                    if let Some(row) = self.row_of(cx.key(), end_ms, &is) {
                        cx.emit(Change::Insert(row));
                    }
                    st.next_end_ms = end_ms + self.slide_ms;
                }
                None => self.skip(st, upto_ms),
            }
            self.let_go(st, closed_ms, cx);
        }
        self.let_go(st, closed_ms, cx);
        if st.panes.is_empty() {
            (st.next_end_ms, st.open_end_ms) = (i64::MAX, i64::MAX);
        } else {
            cx.wake_at_event_ms(st.next_end_ms);
        }
    }

    /// Moves past windows without rows, to the next that has some or that is not due.
    #[cold]
    fn skip(&self, st: &mut WindowState<A::Part>, upto_ms: i64) {
        let (from, _) = self.panes_of(st, st.next_end_ms);
        match st.panes.next_occupied(from) {
            Some(k) => {
                let pane_ms = self.head_ms(st) + k as i64 * self.pane_ms;
                st.next_end_ms = self.first_end_after(pane_ms).max(st.next_end_ms + self.slide_ms);
            }
            None if upto_ms == END_MS => {
                st.floor_ms = st.floor_ms.max(st.next_end_ms - self.slide_ms);
                st.panes.clear();
            }
            None => st.next_end_ms = self.first_end_after(upto_ms),
        }
    }

    /// No row is expected any more in the panes that the window ending at `end_ms` is the first to hold.
    fn seal(&self, st: &mut WindowState<A::Part>, end_ms: i64) {
        let (_, to) = self.panes_of(st, end_ms);
        for k in to - self.slide_panes()..to {
            st.panes.change(k, |part| self.aggregate.seal(part));
        }
    }

    /// Lets go of emitted windows that can change no more, and of the panes that only they held.
    fn let_go(
        &self,
        st: &mut WindowState<A::Part>,
        closed_ms: i64,
        cx: &mut Context<'_, K, Change<WindowRow<K, A::Out>>>,
    ) {
        while st.open_end_ms <= closed_ms && st.open_end_ms < st.next_end_ms && !st.panes.is_empty() {
            if self.lateness_ms > 0 {
                self.correct(st, st.open_end_ms, cx);
                self.seal(st, st.open_end_ms);
            }
            st.panes.advance(self.slide_panes());
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

    #[inline]
    fn on_row(&self, st: &mut Self::State, row: &A::In, cx: &mut Context<'_, K, Self::Out>) -> Verdict {
        let at_ms = cx.event_time_ms();
        if st.open_end_ms == i64::MAX && !self.begin(st, at_ms, cx) {
            return Verdict::Late;
        }
        if at_ms < st.open_end_ms - self.size_ms && !self.reach_back(st, at_ms, cx.watermark_ms()) {
            return Verdict::Late;
        }
        let head_ms = st.open_end_ms - self.size_ms - self.pane_ms;
        let k = self.pane_of(at_ms - head_ms);
        if self.aggregate.sealed_is_shut() {
            let closed_ms = cx.watermark_ms().saturating_sub(self.lateness_ms);
            if head_ms + (k as i64 + 1) * self.pane_ms <= closed_ms.max(st.floor_ms) {
                return Verdict::Late;
            }
        }
        if self.lateness_ms > 0 && st.open_end_ms < st.next_end_ms {
            self.note_changes(st, at_ms, cx);
        }
        if k >= st.panes.cap() {
            st.panes.reserve(k + 1);
        }
        let verdict = st.panes.add(k, |part| {
            let verdict = self.aggregate.add(part, row, at_ms);
            (verdict, verdict == Verdict::Applied)
        });
        if let Some(patience_ms) = self.patience_ms {
            st.last_quiet_ms = cx.quiet_ms();
            cx.wake_at_quiet_ms(st.last_quiet_ms.saturating_add(patience_ms));
        }
        verdict
    }

    #[inline]
    fn warm(&self, st: &Self::State, event_ms: i64) -> u64 {
        // Before the first row the difference wraps, and the pane is one that does not exist.
        let k = self.pane_of(event_ms.wrapping_sub(st.open_end_ms.wrapping_sub(self.size_ms + self.pane_ms)));
        st.panes.get(k).map_or(0, |part| self.aggregate.warm(part))
    }

    fn on_watermark(&self, st: &mut Self::State, cx: &mut Context<'_, K, Self::Out>) {
        if st.open_end_ms == i64::MAX {
            return;
        }
        let watermark_ms = cx.watermark_ms();
        if watermark_ms == END_MS {
            self.correct(st, END_MS, cx);
            st.floor_ms = st.floor_ms.max(self.last_end_ms(st));
            return self.run(st, END_MS, END_MS, cx);
        }
        self.run(st, watermark_ms, watermark_ms.saturating_sub(self.lateness_ms), cx);
    }

    fn on_quiet(&self, st: &mut Self::State, cx: &mut Context<'_, K, Self::Out>) {
        if st.open_end_ms == i64::MAX {
            return;
        }
        if let Some(every_ms) = self.close.every_ms()
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
            // The last row came before the clock had a reading: silence counts from the first.
            st.last_quiet_ms = cx.quiet_ms();
        }
        let due_ms = st.last_quiet_ms.saturating_add(patience_ms);
        if cx.quiet_ms() < due_ms {
            return cx.wake_at_quiet_ms(due_ms);
        }
        let last_end_ms = self.last_end_ms(st);
        if let Close::Hold { .. } = self.close {
            st.floor_ms = st.floor_ms.max(last_end_ms);
            self.run(st, END_MS, END_MS, cx);
        } else if st.next_end_ms <= last_end_ms {
            let closed_ms = cx.watermark_ms().saturating_sub(self.lateness_ms);
            self.run(st, last_end_ms, closed_ms, cx);
        }
    }
}

fn gcd(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { gcd(b, a % b) }
}
