//! What sessions must do, as plainly as it can be said: every session is a list of rows.

use std::collections::BTreeSet;

use watchfire_engine::Change;
use watchfire_operators::window::{Close, Span, TIME_MAX_MS, WindowRow};

use super::model::{causes, same};
use super::{Ran, Reading, Seen};

type Row = WindowRow<u32, Vec<u32>>;

/// What is to be modelled: sessions of [`Ids`](super::aggregates::Ids).
#[derive(Clone, Copy, Debug)]
pub struct Model {
    pub gap_ms: i64,
    pub disorder_ms: i64,
    pub close: Close,
}

/// The rows of a session, by event time.
type Session = Vec<Reading>;

#[derive(Default)]
struct Taken {
    sessions: Vec<Session>,
    floor_ms: Option<i64>,
    late: Vec<u32>,
}

impl Model {
    fn row_of(&self, session: &Session) -> Row {
        let span = Span { start_ms: session[0].at_ms, end_ms: self.end_of(session) };
        WindowRow { key: session[0].key, span, value: session.iter().map(|row| row.id).collect() }
    }

    fn end_of(&self, session: &Session) -> i64 {
        session[session.len() - 1].at_ms + self.gap_ms
    }

    /// Takes a row into the open sessions that are less than a gap away, which become one.
    fn take(&self, taken: &mut Taken, row: Reading, closed_ms: i64) -> bool {
        // No time at all.
        if !(-TIME_MAX_MS..=TIME_MAX_MS).contains(&row.at_ms) {
            taken.late.push(row.id);
            return false;
        }
        let near = |session: &Session| session[0].at_ms - self.gap_ms < row.at_ms && row.at_ms < self.end_of(session);
        let alone = !taken.sessions.iter().any(near);
        if taken.floor_ms.is_some_and(|floor| row.at_ms < floor) || (alone && row.at_ms + self.gap_ms <= closed_ms) {
            taken.late.push(row.id);
            return false;
        }
        let (touched, mut rest): (Vec<Session>, Vec<Session>) = taken.sessions.drain(..).partition(near);
        let mut one: Session = touched.into_iter().flatten().chain([row]).collect();
        one.sort_by_key(|row| (row.at_ms, row.id));
        one.dedup_by_key(|row| (row.at_ms, row.id));
        rest.push(one);
        rest.sort_by_key(|session| session[0].at_ms);
        taken.sessions = rest;
        true
    }

    /// Takes out the sessions that end by then, for good.
    fn close(&self, taken: &mut Taken, closed_ms: i64) -> Vec<Row> {
        let (closed, open) = taken.sessions.drain(..).partition(|session| self.end_of(session) <= closed_ms);
        let closed: Vec<Session> = closed;
        taken.sessions = open;
        taken.floor_ms = taken.floor_ms.max(closed.iter().map(|session| self.end_of(session)).max());
        closed.iter().map(|session| self.row_of(session)).collect()
    }

    /// The sessions over the rows in any order, none of them late.
    pub fn of_all(&self, rows: &[Reading]) -> Vec<(Row, i64)> {
        let mut rows = rows.to_vec();
        rows.sort_by_key(|row| (row.key, row.at_ms, row.id));
        let together = |a: &Reading, b: &Reading| a.key == b.key && b.at_ms - a.at_ms < self.gap_ms;
        rows.chunk_by(together).map(|session| (self.row_of(&session.to_vec()), 1)).collect()
    }

    /// Checks every key of a run.
    pub fn check(&self, ran: &Ran<Vec<u32>>) {
        let keys = ran.log.iter().filter_map(|seen| if let Seen::Row(row) = seen { Some(row.key) } else { None });
        for key in keys.collect::<BTreeSet<u32>>() {
            match self.close {
                Close::Provisional { .. } => self.check_provisional(ran, key),
                _ => self.check_once(ran, key),
            }
        }
    }

    fn check_once(&self, ran: &Ran<Vec<u32>>, key: u32) {
        let (mut taken, mut expected) = (Taken::default(), Vec::new());
        let (mut max_ms, mut tick, mut heard): (_, Option<i64>, Option<Option<i64>>) = (i64::MIN, None, None);
        for (cause, _) in causes(ran.log_of(key)) {
            match cause {
                Seen::Row(row) => {
                    max_ms = max_ms.max(row.at_ms);
                    let watermark_ms = max_ms.saturating_sub(self.disorder_ms);
                    expected.extend(self.close(&mut taken, watermark_ms));
                    if self.take(&mut taken, row, watermark_ms) {
                        heard = Some(tick);
                    }
                }
                Seen::Tick(now) => {
                    tick = Some(now);
                    heard = heard.map(|since| since.or(tick));
                    if let (Close::Hold { max_ms }, Some(Some(since))) = (self.close, heard)
                        && now.saturating_sub(since) >= max_ms
                    {
                        expected.extend(self.close(&mut taken, i64::MAX));
                    }
                }
                Seen::End => expected.extend(self.close(&mut taken, i64::MAX)),
                Seen::Change(_) | Seen::TickBefore(_) => panic!("a change without a cause"),
            }
        }
        let changes: Vec<_> = ran.changes().into_iter().filter(|change| change.row().key == key).collect();
        let expected: Vec<_> = expected.into_iter().map(Change::Insert).collect();
        same(&changes, &expected, &format!("changes of key {key}"));
        same(&ran.late_of(key), &taken.late, &format!("late rows of key {key}"));
    }

    fn check_provisional(&self, ran: &Ran<Vec<u32>>, key: u32) {
        let Close::Provisional { after_quiet_ms, every_ms, allowed_lateness_ms } = self.close else { return };
        let (mut taken, mut shown, mut done) = (Taken::default(), BTreeSet::new(), BTreeSet::new());
        let (mut max_ms, mut now, mut heard): (_, Option<i64>, Option<Option<i64>>) = (i64::MIN, None, None);
        let mut corrected: Option<i64> = None;
        for (cause, changes) in causes(ran.log_of(key)) {
            let was = shown.clone();
            apply(&changes, &mut shown, &done);
            let retracts = changes.iter().any(|change| matches!(change, Change::Retract(_)));
            match cause {
                Seen::Row(row) => {
                    let advanced = row.at_ms > max_ms;
                    max_ms = max_ms.max(row.at_ms);
                    let watermark_ms = max_ms.saturating_sub(self.disorder_ms);
                    let open: Vec<Row> = taken.sessions.iter().map(|session| self.row_of(session)).collect();
                    let closed = self.close(&mut taken, watermark_ms.saturating_sub(allowed_lateness_ms));
                    assert!(
                        closed.iter().all(|row| shown.contains(row)),
                        "a session closed that is not shown as it is"
                    );
                    for row in open.iter().filter(|row| advanced && row.span.end_ms <= watermark_ms) {
                        // One that replaces another waits for a tick.
                        let pending = was.iter().any(|old| overlap(old.span, row.span));
                        assert!(shown.contains(row) || pending, "{row:?} is not shown");
                    }
                    let fresh = shown.difference(&was).all(|row| row.span.end_ms <= watermark_ms);
                    assert!(fresh, "a session is emitted before its time");
                    assert!(!retracts || !closed.is_empty(), "only what closes is corrected without a tick");
                    done.extend(closed);
                    if self.take(&mut taken, row, watermark_ms.saturating_sub(allowed_lateness_ms)) {
                        heard = Some(now);
                    }
                }
                Seen::Tick(tick) => {
                    now = Some(tick);
                    heard = heard.map(|since| since.or(now));
                    let due = corrected.is_none_or(|last| tick.saturating_sub(last) >= every_ms);
                    assert!(due || !retracts, "corrected at {tick}, again after {corrected:?}");
                    let after =
                        |change: &Change<Row>| change.row().span.end_ms <= max_ms.saturating_sub(self.disorder_ms);
                    corrected = if retracts || (due && changes.iter().any(after)) { now } else { corrected };
                    let quiet = heard.flatten().is_some_and(|since| tick.saturating_sub(since) >= after_quiet_ms);
                    for row in taken.sessions.iter().map(|session| self.row_of(session)) {
                        let replaces = was.iter().any(|old| overlap(old.span, row.span));
                        let after = row.span.end_ms <= max_ms.saturating_sub(self.disorder_ms);
                        let must = if replaces { due } else { quiet || (after && due) };
                        assert!(shown.contains(&row) || !must, "{row:?} is not shown at {tick}");
                    }
                }
                Seen::End => {
                    let open = self.close(&mut taken, i64::MAX);
                    assert!(open.iter().all(|row| shown.contains(row)));
                    done.extend(open);
                }
                Seen::Change(_) | Seen::TickBefore(_) => panic!("a change without a cause"),
            }
        }
        same(&ran.late_of(key), &taken.late, &format!("late rows of key {key}"));
        let found = ran.consolidated().into_iter().filter(|(row, _)| row.key == key);
        let expected = done.into_iter().map(|row| (row, 1));
        same(&found.collect::<Vec<_>>(), &expected.collect::<Vec<_>>(), "what holds in the end");
    }
}

fn overlap(a: Span, b: Span) -> bool {
    a.start_ms < b.end_ms && b.start_ms < a.end_ms
}

/// Follows changes: only what holds is retracted, nothing is inserted twice, what is done stays.
fn apply(changes: &[Change<Row>], shown: &mut BTreeSet<Row>, done: &BTreeSet<Row>) {
    for change in changes {
        assert!(!done.contains(change.row()), "a closed session changes: {change:?}");
        match change {
            Change::Retract(row) => assert!(shown.remove(row), "what was never inserted is retracted: {row:?}"),
            Change::Insert(row) => assert!(shown.insert(row.clone()), "inserted twice: {row:?}"),
        }
    }
}
