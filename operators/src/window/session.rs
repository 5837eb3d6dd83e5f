//! Session windows: rows that follow one another within a gap belong together.
//!
//! A session runs from its first row to a gap after its last, half-open. A row may extend a session, or join two.
//! Per row: a binary search over the key's open sessions. Memory per key: one part a session that can still change.

use watchfire_engine::{Change, Context, Describe, Detector, END_MS, Error, Key, State, Stored, Verdict, rkyv};

use super::{Aggregate, Close, LENGTH_MAX_MS, Span, TIME_MAX_MS, WindowRow};

/// Sessions that end when no row came for a gap.
///
/// # Examples
/// ```
/// use watchfire_operators::window::{Close, Sessions, count};
/// let lifts = Sessions::<u32, _>::new(30_000, count::<f64>())?.close(Close::Hold { max_ms: 60_000 });
/// assert!(Sessions::<u32, _>::new(0, count::<f64>()).is_err());
/// # Ok::<(), watchfire_engine::Error>(())
/// ```
pub struct Sessions<K, A> {
    gap_ms: i64,
    close: Close,
    aggregate: A,
    key: std::marker::PhantomData<fn(K)>,
}

impl<K, A: Clone> Clone for Sessions<K, A> {
    fn clone(&self) -> Self {
        Sessions { gap_ms: self.gap_ms, close: self.close, aggregate: self.aggregate.clone(), key: self.key }
    }
}

impl<K, A: Aggregate> std::fmt::Debug for Sessions<K, A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sessions({} with gaps of {} ms, {:?})", self.aggregate.params(), self.gap_ms, self.close)
    }
}

/// The sessions of one key, those that can still change.
#[derive(Clone, Debug, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct SessionState<P> {
    /// By start, rising; no two touch.
    sessions: Vec<Session<P>>,
    /// Sessions that end by then were closed for good.
    floor_ms: i64,
    last_quiet_ms: i64,
    last_correction_ms: i64,
}

#[derive(Clone, Debug, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
struct Session<P> {
    start_ms: i64,
    last_ms: i64,
    part: P,
    /// It was emitted as it is.
    emitted: bool,
    /// What was emitted of it, and of those it joined, and holds no more.
    outdated: Vec<(i64, i64, P)>,
}

impl<P> Default for SessionState<P> {
    fn default() -> Self {
        let (floor_ms, last_quiet_ms, last_correction_ms) = (i64::MIN, i64::MIN, i64::MIN);
        SessionState { sessions: Vec::new(), floor_ms, last_quiet_ms, last_correction_ms }
    }
}

impl<P: Clone + Default + Send + Stored + 'static> State for SessionState<P> {
    const NAME: &'static str = "watchfire.session";
    const VERSION: u32 = 1;
}

type Out<K, A> = Change<WindowRow<K, <A as Aggregate>::Out>>;

impl<K: Key, A: Aggregate> Sessions<K, A> {
    /// Sessions that end `gap_ms` after their last row.
    ///
    /// # Errors
    /// `E0122` if the gap is not positive or above [`LENGTH_MAX_MS`].
    pub fn new(gap_ms: i64, aggregate: A) -> Result<Self, Error> {
        if gap_ms <= 0 {
            let what = format!("a gap of {gap_ms} ms ends every session at once");
            return Err(Error::new("E0122", what).at("session").remedy("give a gap of at least 1 ms"));
        }
        if gap_ms > LENGTH_MAX_MS {
            let what = format!("a gap of {gap_ms} ms is longer than any record");
            return Err(Error::new("E0122", what).at("session").remedy("give the gap in milliseconds"));
        }
        Ok(Sessions { gap_ms, close: Close::Final, aggregate, key: std::marker::PhantomData })
    }

    /// Sets when sessions close. Default [`Close::Final`].
    #[must_use]
    pub fn close(self, close: Close) -> Self {
        Sessions { close, ..self }
    }

    fn end_of(&self, session: &Session<A::Part>) -> i64 {
        session.last_ms.saturating_add(self.gap_ms)
    }

    fn row_of(&self, key: &K, start_ms: i64, last_ms: i64, part: &A::Part) -> Option<WindowRow<K, A::Out>> {
        let span = Span { start_ms, end_ms: last_ms.saturating_add(self.gap_ms) };
        let value = self.aggregate.finish(span, part, None)?;
        Some(WindowRow { key: key.clone(), span, value })
    }

    /// Emits a session as it is now, after taking back what it replaces. Nothing if that is the same row.
    fn emit(&self, session: &mut Session<A::Part>, cx: &mut Context<'_, K, Out<K, A>>) {
        session.emitted = true;
        let was = session.outdated.drain(..);
        let was: Vec<_> = was.filter_map(|(start, last, part)| self.row_of(cx.key(), start, last, &part)).collect();
        let is = self.row_of(cx.key(), session.start_ms, session.last_ms, &session.part);
        if was.as_slice() != is.as_slice() {
            was.into_iter().for_each(|row| cx.emit(Change::Retract(row)));
            is.into_iter().for_each(|row| cx.emit(Change::Insert(row)));
        }
    }

    /// What was emitted of it no longer holds, or it came about when the watermark had passed its end: it goes with a tick.
    fn pending(&self, session: &Session<A::Part>, watermark_ms: i64) -> bool {
        !session.outdated.is_empty() || (!session.emitted && self.end_of(session) <= watermark_ms)
    }

    /// Emits all sessions that wait for a tick.
    fn correct(&self, st: &mut SessionState<A::Part>, cx: &mut Context<'_, K, Out<K, A>>) {
        let watermark_ms = cx.watermark_ms();
        for session in st.sessions.iter_mut().filter(|session| self.pending(session, watermark_ms)) {
            self.emit(session, cx);
        }
    }

    /// Emits what has ended by `upto_ms`, lets go of what ended by `closed_ms`, and asks for the next call.
    fn run(&self, st: &mut SessionState<A::Part>, upto_ms: i64, closed_ms: i64, cx: &mut Context<'_, K, Out<K, A>>) {
        for session in &mut st.sessions {
            let end_ms = self.end_of(session);
            // A correction waits for its time, but not beyond the last moment.
            let due = if session.outdated.is_empty() { end_ms <= upto_ms } else { end_ms <= closed_ms };
            if due && !session.emitted {
                self.emit(session, cx);
            }
            if end_ms <= closed_ms {
                st.floor_ms = st.floor_ms.max(end_ms);
            }
        }
        let floor_ms = st.floor_ms;
        st.sessions.retain(|session| self.end_of(session) > floor_ms);
        st.sessions.iter().for_each(|session| self.ask(session, cx));
    }

    /// Asks to be woken when a session is due, or can be corrected no more.
    fn ask(&self, session: &Session<A::Part>, cx: &mut Context<'_, K, Out<K, A>>) {
        let was_emitted = session.emitted || !session.outdated.is_empty();
        let lateness_ms = if was_emitted { self.close.lateness_ms() } else { 0 };
        cx.wake_at_event_ms(self.end_of(session).saturating_add(lateness_ms));
    }

    /// The open sessions that a row at `at_ms` touches, as a range of indices.
    fn touched(&self, st: &SessionState<A::Part>, at_ms: i64) -> std::ops::Range<usize> {
        let from = st.sessions.partition_point(|session| self.end_of(session) <= at_ms);
        let to = st.sessions.partition_point(|session| session.start_ms < at_ms.saturating_add(self.gap_ms));
        from..to.max(from)
    }

    /// Adds a row to the one or two sessions that it touches, and joins them; or begins one. A row that is not applied
    /// changes nothing.
    fn add(&self, st: &mut SessionState<A::Part>, touched: std::ops::Range<usize>, row: &A::In, at_ms: i64) -> Verdict {
        let at = touched.start;
        if touched.is_empty() {
            let mut part = A::Part::default();
            let verdict = self.aggregate.add(&mut part, row, at_ms);
            if verdict == Verdict::Applied {
                let outdated = Vec::new();
                st.sessions.insert(at, Session { start_ms: at_ms, last_ms: at_ms, part, emitted: false, outdated });
            }
            return verdict;
        }
        let first = &mut st.sessions[at];
        let was = first.emitted.then(|| first.part.clone());
        let verdict = self.aggregate.add(&mut first.part, row, at_ms);
        if verdict != Verdict::Applied {
            if let Some(was) = was {
                first.part = was;
            }
            return verdict;
        }
        if let Some(was) = was {
            first.outdated.push((first.start_ms, first.last_ms, was));
            first.emitted = false;
        }
        (first.start_ms, first.last_ms) = (first.start_ms.min(at_ms), first.last_ms.max(at_ms));
        // Sessions are a gap apart, so a row touches two at most.
        if touched.len() > 1 {
            let next = st.sessions.remove(at + 1);
            let first = &mut st.sessions[at];
            self.aggregate.merge(&mut first.part, &next.part);
            first.last_ms = first.last_ms.max(next.last_ms);
            first.outdated.extend(next.outdated);
            if next.emitted {
                first.outdated.push((next.start_ms, next.last_ms, next.part));
            }
        }
        verdict
    }
}

impl<K: Key, A: Aggregate> Detector for Sessions<K, A> {
    type Key = K;
    type In = A::In;
    type Out = Out<K, A>;
    type State = SessionState<A::Part>;

    fn describe(&self) -> Describe {
        let params = format!("{} with gaps of {} ms, {:?}", self.aggregate.params(), self.gap_ms, self.close);
        Describe { kind: "session_window", params, ordered: !matches!(self.close, Close::Provisional { .. }) }
    }

    fn on_row(&self, st: &mut Self::State, row: &A::In, cx: &mut Context<'_, K, Self::Out>) -> Verdict {
        let at_ms = cx.event_time_ms();
        if at_ms < st.floor_ms || !(-TIME_MAX_MS..=TIME_MAX_MS).contains(&at_ms) {
            return Verdict::Late;
        }
        let touched = self.touched(st, at_ms);
        let closed_ms = cx.watermark_ms().saturating_sub(self.close.lateness_ms());
        if touched.is_empty() && at_ms + self.gap_ms <= closed_ms {
            return Verdict::Late;
        }
        let at = touched.start;
        let verdict = self.add(st, touched, row, at_ms);
        if verdict == Verdict::Applied {
            let session = &st.sessions[at];
            self.ask(session, cx);
            if self.pending(session, cx.watermark_ms()) {
                // Not before the next tick, so that the rows of one tick make one correction.
                let due_ms = st.last_correction_ms.saturating_add(self.close.every_ms().unwrap_or(0));
                cx.wake_at_quiet_ms(due_ms.max(cx.quiet_ms().saturating_add(1)));
            }
        }
        if let Some(patience_ms) = self.close.patience_ms() {
            st.last_quiet_ms = cx.quiet_ms();
            cx.wake_at_quiet_ms(st.last_quiet_ms.saturating_add(patience_ms));
        }
        verdict
    }

    fn on_watermark(&self, st: &mut Self::State, cx: &mut Context<'_, K, Self::Out>) {
        let watermark_ms = cx.watermark_ms();
        if watermark_ms != END_MS {
            return self.run(st, watermark_ms, watermark_ms.saturating_sub(self.close.lateness_ms()), cx);
        }
        if self.close.every_ms().is_some() {
            // Another split may go on with the key: what it brings within the allowed lateness is a correction.
            self.correct(st, cx);
            return self.run(st, END_MS, i64::MIN, cx);
        }
        self.run(st, END_MS, END_MS, cx);
    }

    fn on_quiet(&self, st: &mut Self::State, cx: &mut Context<'_, K, Self::Out>) {
        let Some(patience_ms) = self.close.patience_ms() else { return };
        if st.last_quiet_ms == i64::MIN {
            // The row came before the first tick: its silence can be measured from here on.
            st.last_quiet_ms = cx.quiet_ms();
        }
        let due_ms = st.last_quiet_ms.saturating_add(patience_ms);
        let quiet = cx.quiet_ms() >= due_ms;
        if !quiet {
            cx.wake_at_quiet_ms(due_ms);
        }
        if let Some(every_ms) = self.close.every_ms()
            && st.sessions.iter().any(|session| self.pending(session, cx.watermark_ms()))
        {
            let due_ms = st.last_correction_ms.saturating_add(every_ms);
            if cx.quiet_ms() >= due_ms {
                st.last_correction_ms = cx.quiet_ms();
                self.correct(st, cx);
            } else {
                cx.wake_at_quiet_ms(due_ms);
            }
        }
        if quiet && !st.sessions.is_empty() {
            let closed_ms = match self.close {
                Close::Hold { .. } => END_MS,
                _ => cx.watermark_ms().saturating_sub(self.close.lateness_ms()),
            };
            self.run(st, END_MS, closed_ms, cx);
        }
    }
}

#[cfg(test)]
mod tests;
