//! Session windows: rows that follow one another within a gap belong together.
//!
//! A session runs from its first row to a gap after its last, half-open. A row may extend a session, or join two.
//! Per row: a binary search over the key's open sessions. Memory per key: one part a session that can still change.

use watchfire_engine::{Change, Context, Describe, Detector, END_MS, Error, Key, State, Stored, Verdict, rkyv};

use super::{Aggregate, Close, Span, WindowRow};

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
    /// `E0122` if the gap is not positive.
    pub fn new(gap_ms: i64, aggregate: A) -> Result<Self, Error> {
        if gap_ms <= 0 {
            let what = format!("a gap of {gap_ms} ms ends every session at once");
            return Err(Error::new("E0122", what).at("session").remedy("give a gap of at least 1 ms"));
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

    /// Emits a session as it is now, after taking back what it replaces.
    fn emit(&self, session: &mut Session<A::Part>, cx: &mut Context<'_, K, Out<K, A>>) {
        for (start_ms, last_ms, part) in session.outdated.drain(..) {
            if let Some(row) = self.row_of(cx.key(), start_ms, last_ms, &part) {
                cx.emit(Change::Retract(row));
            }
        }
        if let Some(row) = self.row_of(cx.key(), session.start_ms, session.last_ms, &session.part) {
            cx.emit(Change::Insert(row));
        }
        session.emitted = true;
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
        for session in &st.sessions {
            let end_ms = self.end_of(session);
            cx.wake_at_event_ms(if session.emitted { end_ms.saturating_add(self.close.lateness_ms()) } else { end_ms });
        }
    }

    /// The open sessions that a row at `at_ms` touches, as a range of indices.
    fn touched(&self, st: &SessionState<A::Part>, at_ms: i64) -> std::ops::Range<usize> {
        let from = st.sessions.partition_point(|session| self.end_of(session) <= at_ms);
        let to = st.sessions.partition_point(|session| session.start_ms < at_ms.saturating_add(self.gap_ms));
        from..to.max(from)
    }

    /// Joins the touched sessions into one and gives its index.
    fn joined(&self, st: &mut SessionState<A::Part>, touched: std::ops::Range<usize>, at_ms: i64) -> usize {
        let at = touched.start;
        let fresh = |part| Session { start_ms: at_ms, last_ms: at_ms, part, emitted: false, outdated: Vec::new() };
        let mut all = st.sessions.drain(touched);
        let mut one = match all.next() {
            Some(first) => self.reopened(first),
            None => fresh(A::Part::default()),
        };
        for next in all {
            let next = self.reopened(next);
            self.aggregate.merge(&mut one.part, &next.part);
            one.last_ms = one.last_ms.max(next.last_ms);
            one.outdated.extend(next.outdated);
        }
        (one.start_ms, one.last_ms) = (one.start_ms.min(at_ms), one.last_ms.max(at_ms));
        st.sessions.insert(at, one);
        at
    }

    /// A session that is about to change: what was emitted of it will have to be taken back.
    fn reopened(&self, mut session: Session<A::Part>) -> Session<A::Part> {
        if session.emitted {
            session.outdated.push((session.start_ms, session.last_ms, session.part.clone()));
            session.emitted = false;
        }
        session
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
        let closed_ms = cx.watermark_ms().saturating_sub(self.close.lateness_ms());
        let touched = self.touched(st, at_ms);
        let alone = touched.is_empty();
        if at_ms < st.floor_ms || (alone && at_ms.saturating_add(self.gap_ms) <= closed_ms) {
            return Verdict::Late;
        }
        // A repeated row changes nothing, so nothing that was emitted may be reopened for it.
        if touched.len() == 1 {
            let session = &st.sessions[touched.start];
            if (session.start_ms..=session.last_ms).contains(&at_ms) {
                let mut tried = session.part.clone();
                if self.aggregate.add(&mut tried, row, at_ms) == Verdict::Duplicate {
                    return Verdict::Duplicate;
                }
            }
        }
        let at = self.joined(st, touched, at_ms);
        let session = &mut st.sessions[at];
        let verdict = self.aggregate.add(&mut session.part, row, at_ms);
        cx.wake_at_event_ms(self.end_of(session));
        if !session.outdated.is_empty() {
            let every_ms = self.close.every_ms().unwrap_or(0);
            cx.wake_at_quiet_ms(st.last_correction_ms.saturating_add(every_ms).max(cx.quiet_ms().saturating_add(1)));
        }
        if let Some(patience_ms) = self.close.patience_ms() {
            st.last_quiet_ms = cx.quiet_ms();
            cx.wake_at_quiet_ms(st.last_quiet_ms.saturating_add(patience_ms));
        }
        verdict
    }

    fn on_watermark(&self, st: &mut Self::State, cx: &mut Context<'_, K, Self::Out>) {
        let watermark_ms = cx.watermark_ms();
        let closed_ms =
            if watermark_ms == END_MS { END_MS } else { watermark_ms.saturating_sub(self.close.lateness_ms()) };
        self.run(st, watermark_ms, closed_ms, cx);
    }

    fn on_quiet(&self, st: &mut Self::State, cx: &mut Context<'_, K, Self::Out>) {
        let Some(patience_ms) = self.close.patience_ms() else { return };
        if st.last_quiet_ms == i64::MIN {
            // The last row came before the clock had a reading: silence counts from the first.
            st.last_quiet_ms = cx.quiet_ms();
        }
        let due_ms = st.last_quiet_ms.saturating_add(patience_ms);
        let quiet = cx.quiet_ms() >= due_ms;
        if !quiet {
            cx.wake_at_quiet_ms(due_ms);
        }
        if let Some(every_ms) = self.close.every_ms()
            && st.sessions.iter().any(|session| !session.outdated.is_empty())
        {
            let due_ms = st.last_correction_ms.saturating_add(every_ms);
            if cx.quiet_ms() >= due_ms {
                st.last_correction_ms = cx.quiet_ms();
                st.sessions.iter_mut().filter(|session| !session.outdated.is_empty()).for_each(|s| self.emit(s, cx));
            } else {
                cx.wake_at_quiet_ms(due_ms);
            }
        }
        if quiet {
            let closed_ms = match self.close {
                Close::Hold { .. } => END_MS,
                _ => cx.watermark_ms().saturating_sub(self.close.lateness_ms()),
            };
            self.run(st, END_MS, closed_ms, cx);
        }
    }
}
