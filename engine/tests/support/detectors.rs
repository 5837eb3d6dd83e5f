//! Detectors with which the tests look into the engine.

use std::sync::Arc;

use watchfire_engine::{Context, Describe, Detector, END_MS, State, Verdict, rkyv};

use super::{Gate, Row, row};

#[derive(Default, Debug, Clone, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub(crate) struct Memory {
    pub(crate) rows: i64,
    pub(crate) mixed: i64,
    pub(crate) last_ms: i64,
    pub(crate) said: bool,
    /// An instant of the arrival clock, 0 for none.
    pub(crate) at_ms: i64,
}

impl State for Memory {
    const NAME: &'static str = "memory";
    const VERSION: u32 = 1;
}

pub(crate) type Cx<'a> = Context<'a, u32, Row>;

fn ordered(kind: &'static str, params: String) -> Describe {
    Describe { kind, params, ordered: true }
}

/// Emits none, one or two rows for a row, depending on the order of all before it; and rows on each of its clocks.
pub(crate) struct Tally {
    pub(crate) close_after_ms: i64,
    pub(crate) quiet_after_ms: i64,
}

impl Detector for Tally {
    type Key = u32;
    type In = Row;
    type Out = Row;
    type State = Memory;

    fn describe(&self) -> Describe {
        ordered("tally", format!("close {} quiet {}", self.close_after_ms, self.quiet_after_ms))
    }

    fn on_row(&self, state: &mut Memory, row_in: &Row, cx: &mut Cx<'_>) -> Verdict {
        state.rows += 1;
        state.mixed = state.mixed.wrapping_mul(31).wrapping_add(row_in.value) & 0xFFFF_FFFF;
        state.last_ms = cx.quiet_ms();
        for n in 0..state.mixed.rem_euclid(3) {
            cx.emit(row(row_in.at_ms, *cx.key(), state.mixed + n));
        }
        cx.wake_at_event_ms(row_in.at_ms + self.close_after_ms);
        if cx.quiet_ms() != i64::MIN {
            cx.wake_at_quiet_ms(cx.quiet_ms() + self.quiet_after_ms);
            if row_in.value % 4 == 0 {
                state.at_ms = cx.arrival_ms() + self.quiet_after_ms / 2;
                cx.wake_at_arrival_ms(state.at_ms);
            }
        }
        Verdict::Applied
    }

    fn on_watermark(&self, state: &mut Memory, cx: &mut Cx<'_>) {
        let sign = if cx.watermark_ms() == END_MS { -2 } else { -1 };
        state.mixed = state.mixed.wrapping_mul(7).wrapping_add(sign) & 0xFFFF_FFFF;
        cx.emit(row(cx.event_time_ms(), *cx.key(), sign * state.mixed));
    }

    fn on_quiet(&self, state: &mut Memory, cx: &mut Cx<'_>) {
        let due_ms = state.last_ms.saturating_add(self.quiet_after_ms);
        if cx.quiet_ms() < due_ms {
            return cx.wake_at_quiet_ms(due_ms);
        }
        state.mixed = state.mixed.wrapping_mul(5).wrapping_add(3) & 0xFFFF_FFFF;
        cx.emit(row(cx.event_time_ms(), *cx.key(), -3 * state.mixed));
    }

    fn on_arrival(&self, state: &mut Memory, cx: &mut Cx<'_>) {
        if cx.arrival_ms() < state.at_ms {
            return cx.wake_at_arrival_ms(state.at_ms);
        }
        if std::mem::take(&mut state.at_ms) != 0 {
            state.mixed = state.mixed.wrapping_mul(3).wrapping_add(7) & 0xFFFF_FFFF;
            cx.emit(row(cx.event_time_ms(), *cx.key(), -4 * state.mixed));
        }
    }
}

/// Passes rows on, and says once a key how many it had: when the key has ended.
pub(crate) struct CountsAtEnd;

impl Detector for CountsAtEnd {
    type Key = u32;
    type In = Row;
    type Out = Row;
    type State = Memory;

    fn describe(&self) -> Describe {
        Describe { kind: "counts_at_end", params: String::new(), ordered: false }
    }

    fn on_row(&self, state: &mut Memory, _row: &Row, cx: &mut Cx<'_>) -> Verdict {
        state.rows += 1;
        cx.wake_at_event_ms(END_MS - 1);
        Verdict::Applied
    }

    fn on_watermark(&self, state: &mut Memory, cx: &mut Cx<'_>) {
        if cx.watermark_ms() == END_MS {
            cx.emit(row(0, *cx.key(), state.rows));
        }
    }
}

/// Says once in each silence that a key has been silent, and when (by its quiet clock) in `value`.
pub(crate) struct Silence {
    pub(crate) after_ms: i64,
}

impl Detector for Silence {
    type Key = u32;
    type In = Row;
    type Out = Row;
    type State = Memory;

    fn describe(&self) -> Describe {
        Describe { kind: "silence", params: format!("after {} ms", self.after_ms), ordered: false }
    }

    fn on_row(&self, state: &mut Memory, _row: &Row, cx: &mut Cx<'_>) -> Verdict {
        (state.last_ms, state.said) = (cx.quiet_ms(), false);
        cx.wake_at_quiet_ms(cx.quiet_ms().saturating_add(self.after_ms));
        Verdict::Applied
    }

    fn on_quiet(&self, state: &mut Memory, cx: &mut Cx<'_>) {
        if state.last_ms == i64::MIN {
            // The row came before the clock was known: its silence counts from here on.
            state.last_ms = cx.quiet_ms();
        }
        let due_ms = state.last_ms.saturating_add(self.after_ms);
        if cx.quiet_ms() < due_ms {
            cx.wake_at_quiet_ms(due_ms);
        } else if !state.said {
            state.said = true;
            cx.emit(row(cx.arrival_ms(), *cx.key(), cx.quiet_ms()));
        }
    }
}

/// Passes every row on as it is, whatever its key.
pub(crate) struct Repeats;

impl Detector for Repeats {
    type Key = u32;
    type In = Row;
    type Out = Row;
    type State = ();

    fn describe(&self) -> Describe {
        Describe { kind: "repeats", params: String::new(), ordered: false }
    }

    fn on_row(&self, _state: &mut (), row: &Row, cx: &mut Cx<'_>) -> Verdict {
        cx.emit(row.clone());
        Verdict::Applied
    }
}

/// Says when the arrival clock has come to the value of a key's last row, and by how far it was passed.
pub(crate) struct Alarmclock;

impl Detector for Alarmclock {
    type Key = u32;
    type In = Row;
    type Out = Row;
    type State = Memory;

    fn describe(&self) -> Describe {
        Describe { kind: "alarmclock", params: String::new(), ordered: true }
    }

    fn on_row(&self, state: &mut Memory, row: &Row, cx: &mut Cx<'_>) -> Verdict {
        state.at_ms = row.value;
        cx.wake_at_arrival_ms(row.value);
        Verdict::Applied
    }

    fn on_arrival(&self, state: &mut Memory, cx: &mut Cx<'_>) {
        state.rows += 1;
        if cx.arrival_ms() < state.at_ms {
            return cx.wake_at_arrival_ms(state.at_ms);
        }
        cx.emit(row(cx.arrival_ms(), *cx.key(), state.rows));
    }
}

/// Passes every row on with the event time that the engine gives it.
pub(crate) struct Passes {
    pub(crate) gate: Arc<Gate>,
}

/// The value at which [`Passes`] stops, and the one at which it panics.
pub(crate) const STOPS_AT: i64 = 13_000_013;
pub(crate) const PANICS_AT: i64 = 66_000_066;

impl Detector for Passes {
    type Key = u32;
    type In = Row;
    type Out = Row;
    type State = ();

    fn describe(&self) -> Describe {
        Describe { kind: "passes", params: String::new(), ordered: false }
    }

    fn on_row(&self, _state: &mut (), row_in: &Row, cx: &mut Cx<'_>) -> Verdict {
        match row_in.value {
            STOPS_AT => self.gate.pass(),
            PANICS_AT => panic!("detector met {PANICS_AT}"),
            _ => {}
        }
        cx.emit(row(cx.event_time_ms(), *cx.key(), row_in.value));
        Verdict::Applied
    }
}

/// Emits the sum of a key's values, on every row and when it has been quiet.
pub(crate) struct Sums;

#[derive(Clone, Default, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub(crate) struct Sum {
    sum: i64,
    rows: i64,
}
impl State for Sum {
    const NAME: &'static str = "test.sum";
    const VERSION: u32 = 1;
}

impl Detector for Sums {
    type Key = u32;
    type In = Row;
    type Out = Row;
    type State = Sum;

    fn describe(&self) -> Describe {
        Describe { kind: "sums", params: String::new(), ordered: true }
    }

    fn on_row(&self, sum: &mut Sum, row: &Row, cx: &mut Context<'_, u32, Row>) -> Verdict {
        sum.sum += row.value;
        sum.rows += 1;
        cx.emit(Row { at_ms: row.at_ms, key: row.key, value: sum.sum });
        cx.wake_at_quiet_ms(cx.quiet_ms().max(0) + 700);
        Verdict::Applied
    }

    fn on_quiet(&self, sum: &mut Sum, cx: &mut Context<'_, u32, Row>) {
        cx.emit(Row { at_ms: sum.rows, key: *cx.key(), value: -sum.sum });
    }

    fn on_watermark(&self, sum: &mut Sum, cx: &mut Context<'_, u32, Row>) {
        cx.emit(Row { at_ms: sum.rows, key: *cx.key(), value: sum.sum });
    }
}
