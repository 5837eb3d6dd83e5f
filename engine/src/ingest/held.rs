//! Rows that are further ahead than a single row may move the clock: they wait until it is decided whether the clock
//! follows them, so that its tick can have a place before theirs.
//!
//! What is decided depends on the order of the rows alone, never on how they were cut into batches or epochs. What must
//! not overtake them (later rows, the health of splits, acknowledgements) waits behind them.

use std::collections::VecDeque;

use super::intake::Cut;
use super::queue::Acknowledge;
use super::ticker::Sight;
use crate::checkpoint::SavedHeld;
use crate::control::{Health, Signal};
use crate::data::{row_from_bytes, row_to_bytes};
use crate::{Data, Error, Timed};

/// Rows in a row that must be ahead before they begin the clock, or move it by more than `max_jump_ms`.
const AGREEING_ROWS: usize = 8;

/// A row of whatever type.
pub(crate) trait HeldRow: Send {
    /// Gives it its place.
    fn give(self: Box<Self>, cut: &mut Cut<'_>);
    fn save(&self) -> Result<Vec<u8>, Error>;
}

struct OneRow<T> {
    input: usize,
    split: u32,
    row: T,
}

impl<T: Data> HeldRow for OneRow<T> {
    fn give(self: Box<Self>, cut: &mut Cut<'_>) {
        cut.batch(self.input, self.split, false, vec![self.row]);
    }

    fn save(&self) -> Result<Vec<u8>, Error> {
        row_to_bytes(&self.row)
    }
}

/// Reads a row of one input of a flow: the input, its split, its bytes.
pub(crate) type ReadHeld = fn(usize, u32, &[u8]) -> Result<Box<dyn HeldRow>, Error>;

pub(crate) fn read_held<T: Data>(input: usize, split: u32, bytes: &[u8]) -> Result<Box<dyn HeldRow>, Error> {
    Ok(Box::new(OneRow { input, split, row: row_from_bytes::<T>(bytes)? }))
}

enum Waiting {
    Row { event_ms: i64, split: u32, input: usize, row: Box<dyn HeldRow> },
    Health { split: u32, signal: Signal },
    Acknowledge { split: u32, acknowledge: Acknowledge },
}

/// Fewer than `AGREEING_ROWS` rows in a row that are ahead of the clock.
#[derive(Default)]
pub(crate) struct Held {
    /// Those that have no place yet, and what waits behind them: between two of them the newest health and the newest
    /// acknowledgement of each split.
    waiting: VecDeque<Waiting>,
    /// The event times of those that had to go on, because their splits have ended. They still count.
    gone: Vec<i64>,
}

impl Held {
    fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Event times of all rows in a row that are ahead.
    fn times(&self) -> impl Iterator<Item = i64> {
        self.gone.iter().copied().chain(self.rows().map(|(event_ms, _)| event_ms))
    }

    fn rows(&self) -> impl Iterator<Item = (i64, u32)> {
        self.waiting.iter().filter_map(|waiting| match waiting {
            Waiting::Row { event_ms, split, .. } => Some((*event_ms, *split)),
            _ => None,
        })
    }

    /// Whether a split has ended, and its end waits here.
    fn ends(&self, of: u32) -> bool {
        let is_end = |signal: &Signal| matches!(signal, Signal::Split { health: Health::Ended, .. });
        self.waiting.iter().any(|w| matches!(w, Waiting::Health { split, signal } if *split == of && is_end(signal)))
    }

    /// Puts something behind the rows. It takes the place of its like that came since the last row, for no row and no
    /// tick can come between them any more.
    fn push(&mut self, waiting: Waiting) {
        let last_row = self.waiting.iter().rposition(|w| matches!(w, Waiting::Row { .. }));
        let since = last_row.map_or(0, |at| at + 1);
        let like = self.waiting.range(since..).position(|before| match (before, &waiting) {
            (Waiting::Health { split: a, .. }, Waiting::Health { split: b, .. })
            | (Waiting::Acknowledge { split: a, .. }, Waiting::Acknowledge { split: b, .. }) => a == b,
            _ => false,
        });
        if let Some(at) = like {
            self.waiting.remove(since + at);
        }
        self.waiting.push_back(waiting);
    }

    /// What is held, and the event times of what has gone on. Acknowledgements are not remembered: the outside has yet to
    /// hear of what comes after the position that it is asked for.
    ///
    /// # Errors
    /// `E0525` if a row cannot be encoded.
    pub(crate) fn remember(&self) -> Result<(Vec<SavedHeld>, Vec<i64>), Error> {
        let save = |waiting: &Waiting| match waiting {
            Waiting::Row { event_ms, split, input, row } => Some(row.save().map(|row| SavedHeld::Row {
                event_ms: *event_ms,
                split: *split,
                input: *input,
                row: row.into(),
            })),
            Waiting::Health { split, signal } => Some(Ok(SavedHeld::Health { split: *split, signal: *signal })),
            Waiting::Acknowledge { .. } => None,
        };
        Ok((self.waiting.iter().filter_map(save).collect::<Result<_, _>>()?, self.gone.clone()))
    }

    /// Holds again what was remembered.
    ///
    /// # Errors
    /// `E0526` if a row cannot be read.
    pub(crate) fn resume(inputs: &[ReadHeld], held: Vec<SavedHeld>, gone: Vec<i64>) -> Result<Held, Error> {
        let wrong = |input: usize| Error::new("E0526", format!("a row for input {input}, which the flow has not"));
        let read = |saved| match saved {
            SavedHeld::Row { event_ms, split, input, row } => {
                let read = inputs.get(input).ok_or_else(|| wrong(input))?;
                Ok(Waiting::Row { event_ms, split, input, row: read(input, split, &row)? })
            }
            SavedHeld::Health { split, signal } => Ok(Waiting::Health { split, signal }),
        };
        Ok(Held { waiting: held.into_iter().map(read).collect::<Result<_, Error>>()?, gone })
    }

    /// Forgets everything: what was not acknowledged never will be.
    pub(crate) fn clear(&mut self) {
        self.waiting.clear();
        self.gone.clear();
    }
}

impl Cut<'_> {
    /// Gives rows their places, and before a row the tick that it causes, as if a clock on the wall had ticked before it
    /// came.
    pub(crate) fn rows<T: Data + Timed>(&mut self, input: usize, split: u32, rows: Vec<T>) {
        if !self.ticker.follows_rows() {
            return self.batch(input, split, false, rows);
        }
        let mut rest = rows.into_iter();
        while !rest.as_slice().is_empty() {
            let mut each = rest.as_slice().iter().map(|row| self.ticker.by_row(row.event_time_ms())).enumerate();
            let (calm, sight) = each.find(|(_, sight)| *sight != Sight::Passes).unwrap_or((rest.len(), Sight::Passes));
            if calm > 0 {
                self.break_off();
                let run = if calm == rest.len() {
                    std::mem::take(&mut rest).collect()
                } else {
                    rest.by_ref().take(calm).collect()
                };
                self.batch(input, split, false, run);
            }
            match sight {
                Sight::Passes => {}
                // The row itself passes when it is looked at again.
                Sight::Ticks(arrival_ms) => {
                    self.break_off();
                    self.signal(Signal::Tick { arrival_ms });
                }
                Sight::Ahead => rest.next().into_iter().for_each(|row| self.hold(input, split, row)),
            }
        }
    }

    fn hold<T: Data + Timed>(&mut self, input: usize, split: u32, row: T) {
        let event_ms = row.event_time_ms();
        let row = Box::new(OneRow { input, split, row });
        self.held.push(Waiting::Row { event_ms, split, input, row });
        self.settle();
    }

    /// Gives the health of a split its place, behind the rows that are held.
    pub(crate) fn health(&mut self, signal: Signal) {
        match signal {
            Signal::Split { split, .. } if !self.held.is_empty() => {
                self.held.push(Waiting::Health { split, signal });
                self.settle();
            }
            _ => self.signal(signal),
        }
    }

    /// Lets what came so far of a split be acknowledged with this epoch; not before the rows that are held.
    pub(crate) fn acknowledge(&mut self, split: u32, acknowledge: Acknowledge) {
        if self.held.is_empty() {
            self.acknowledge.push((split, acknowledge));
        } else {
            self.held.push(Waiting::Acknowledge { split, acknowledge });
        }
    }

    /// No row will come any more: decides by those that there are.
    pub(crate) fn end_of_rows(&mut self) {
        if !self.ticker.has_begun() {
            self.agree();
        }
        self.release();
    }

    /// Decides, if it can be decided.
    fn settle(&mut self) {
        if self.held.times().count() >= AGREEING_ROWS {
            self.agree();
        }
        // Who could still speak for the rows has gone, and they cannot wait for ever. Before the clock has begun they do:
        // else a single wrong clock that comes and goes would count as good.
        if self.ticker.has_begun() && self.held.rows().all(|(_, split)| self.held.ends(split)) {
            let times = self.held.times().collect();
            self.release();
            self.held.gone = times;
        }
    }

    /// The rows that are ahead are believed: the clock moves to the least of them, and those that are held come as if
    /// they came now.
    fn agree(&mut self) {
        let Some(least_ms) = self.held.times().min() else { return };
        if let Some(arrival_ms) = self.ticker.believe(least_ms) {
            self.signal(Signal::Tick { arrival_ms });
        }
        self.held.gone.retain(|event_ms| self.ticker.by_row(*event_ms) == Sight::Ahead);
        for waiting in std::mem::take(&mut self.held.waiting) {
            let sight = match &waiting {
                Waiting::Row { event_ms, .. } => self.ticker.by_row(*event_ms),
                // Behind a row that is still ahead it still waits.
                _ if self.held.is_empty() => {
                    self.let_go(waiting);
                    continue;
                }
                _ => Sight::Ahead,
            };
            match sight {
                Sight::Ahead => {
                    self.held.push(waiting);
                    continue;
                }
                Sight::Passes => self.break_off(),
                Sight::Ticks(arrival_ms) => {
                    self.break_off();
                    self.signal(Signal::Tick { arrival_ms });
                }
            }
            self.let_go(waiting);
        }
    }

    /// A row comes that is not ahead: those before it were ahead alone.
    fn break_off(&mut self) {
        self.held.gone.clear();
        self.release();
    }

    /// Lets go what is held, without a tick.
    fn release(&mut self) {
        for waiting in std::mem::take(&mut self.held.waiting) {
            self.let_go(waiting);
        }
    }

    fn let_go(&mut self, waiting: Waiting) {
        match waiting {
            Waiting::Row { row, .. } => row.give(self),
            Waiting::Health { signal, .. } => self.signal(signal),
            Waiting::Acknowledge { split, acknowledge } => self.acknowledge.push((split, acknowledge)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use proptest::prelude::*;

    use super::*;
    use crate::ingest::record::Recorder;
    use crate::ingest::splits::SplitBook;
    use crate::ingest::ticker::Ticker;
    use crate::keyed::Clocks;
    use crate::time::TickSource;

    #[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
    struct At(i64);
    impl Timed for At {
        fn event_time_ms(&self) -> i64 {
            self.0
        }
    }

    /// What got a place, in order of places.
    #[derive(Clone, Debug, PartialEq)]
    enum Placed {
        Tick(i64),
        Row(u32, i64),
        Health(u32, Health),
    }
    use Placed::{Row, Tick};

    /// A leader without a job around it.
    struct Leads {
        ticker: Ticker,
        held: Held,
        next_at: u64,
        arrival_ms: i64,
        turn: usize,
        splits: SplitBook,
        clocks: Clocks,
        placed: Vec<Placed>,
        acknowledged: Arc<AtomicUsize>,
    }

    const INTERVAL_MS: i64 = 1_000;
    const JUMP_MS: i64 = 60_000;

    impl Leads {
        fn new() -> Self {
            Leads {
                ticker: Ticker::new(TickSource::FromEvents { interval_ms: INTERVAL_MS, max_jump_ms: JUMP_MS }),
                held: Held::default(),
                next_at: 0,
                arrival_ms: i64::MIN,
                turn: 0,
                splits: SplitBook::default(),
                clocks: Clocks::new(),
                placed: Vec::new(),
                acknowledged: Arc::default(),
            }
        }

        /// One epoch.
        fn cut(&mut self, fill: impl FnOnce(&mut Cut<'_>)) {
            let mut recorder = Recorder::default();
            let mut cut = Cut {
                room: 0,
                next_at: &mut self.next_at,
                ticker: &mut self.ticker,
                arrival_ms: &mut self.arrival_ms,
                turn: &mut self.turn,
                workers: 1,
                feeds: Vec::new(),
                controls: Vec::new(),
                acknowledge: Vec::new(),
                acknowledge_logged: Vec::new(),
                hears: None,
                recorder: Some(&mut recorder),
                held: &mut self.held,
                splits: &mut self.splits,
                clocks: &mut self.clocks,
            };
            fill(&mut cut);
            let (feeds, controls, acknowledge) = (cut.feeds, cut.controls, cut.acknowledge);
            let mut all: Vec<(u64, Placed)> = Vec::new();
            for feed in feeds {
                let batch = feed.payload.downcast::<crate::batch::Batch<At>>().unwrap();
                let each = batch.rows.iter().enumerate();
                all.extend(each.map(|(i, row)| (batch.places.at(i), Row(batch.split, row.0))));
            }
            all.extend(controls.iter().map(|control| match control.signal {
                Signal::Tick { arrival_ms } => (control.at, Tick(arrival_ms)),
                Signal::Split { split, health } => (control.at, Placed::Health(split, health)),
                other => panic!("{other:?}"),
            }));
            all.sort_by_key(|(at, _)| *at);
            self.placed.extend(all.into_iter().map(|(_, placed)| placed));
            acknowledge.into_iter().for_each(|(_, acknowledge)| acknowledge());
        }

        fn rows(&mut self, split: u32, times: &[i64]) {
            self.cut(|cut| cut.rows(0, split, times.iter().copied().map(At).collect()));
        }

        fn acknowledge(&mut self, split: u32) {
            let count = self.acknowledged.clone();
            self.cut(|cut| {
                cut.acknowledge(
                    split,
                    Box::new(move || {
                        count.fetch_add(1, Ordering::SeqCst);
                    }),
                );
            });
        }

        fn acknowledged(&self) -> usize {
            self.acknowledged.load(Ordering::SeqCst)
        }

        fn health(&mut self, split: u32, health: Health) {
            self.cut(|cut| cut.health(Signal::Split { split, health }));
        }

        fn end(mut self) -> Vec<Placed> {
            self.cut(|cut| cut.end_of_rows());
            assert!(self.held.is_empty());
            self.placed
        }
    }

    fn times(times: &[i64]) -> Vec<Placed> {
        let mut leads = Leads::new();
        leads.rows(0, times);
        leads.end()
    }

    fn ticks(rows: &[i64]) -> Vec<i64> {
        times(rows).into_iter().filter_map(|placed| if let Tick(ms) = placed { Some(ms) } else { None }).collect()
    }

    #[test]
    fn a_tick_stands_before_the_row_that_causes_it() {
        let rows: Vec<i64> = (0..20).map(|n| 10_000 + n * 100).collect();
        let mut expected: Vec<Placed> = rows.iter().map(|ms| Row(0, *ms)).collect();
        expected.insert(10, Tick(11_000));
        expected.insert(0, Tick(10_000));
        assert_eq!(times(&rows), expected);
    }

    #[test]
    fn one_wrong_clock_does_not_drag_the_arrival_clock_along() {
        let year_9999 = 253_370_764_800_000;
        let mut rows = vec![year_9999, 10_000, 10_100, 10_200, 10_300, 10_400, 10_500, 10_600];
        rows.extend([11_000, year_9999, 12_000]);
        assert_eq!(ticks(&rows), [10_000, 11_000, 12_000]);
        assert_eq!(times(&rows)[..3], [Tick(10_000), Row(0, year_9999), Row(0, 10_000)]);
        // Nor does one that believes it is the past hold the clock back.
        let mut rows = vec![0];
        rows.extend((0..8).map(|n| 1_000_000_000 + n));
        assert_eq!(times(&rows)[..3], [Tick(0), Row(0, 0), Tick(1_000_000_000)]);
    }

    #[test]
    fn a_gap_that_all_rows_share_is_believed_before_the_first_of_them() {
        let mut rows: Vec<i64> = (0..8).map(|n| n * 100).collect();
        rows.extend((0..9).map(|n| 3_600_000 + n * 100));
        assert_eq!(ticks(&rows), [0, 3_600_000]);
        assert_eq!(times(&rows)[9..11], [Tick(3_600_000), Row(0, 3_600_000)]);
        // Of several gaps each has its tick, though the rows between them are few.
        let rows: Vec<i64> = (0..20).map(|n| n * 100_000).collect();
        assert_eq!(ticks(&rows), rows[..13]);
    }

    #[test]
    fn a_few_rows_are_a_job_too() {
        assert_eq!(times(&[5_500, 5_400]), [Tick(5_000), Row(0, 5_500), Row(0, 5_400)]);
        let year_9999 = 253_370_764_800_000;
        assert_eq!(times(&[year_9999, 5_400]), [Tick(5_000), Row(0, year_9999), Row(0, 5_400)]);
        assert_eq!(times(&[]), []);
        assert_eq!(times(&[i64::MIN, i64::MAX])[1..], [Row(0, i64::MIN), Row(0, i64::MAX)]);
    }

    #[test]
    fn health_and_ends_wait_behind_the_rows() {
        let begun = || {
            let mut leads = Leads::new();
            leads.rows(0, &[0; 8]);
            leads.placed.clear();
            leads
        };
        // A change of health overtakes no row, and the last change stands for all that nothing came between.
        let mut leads = begun();
        leads.rows(1, &[JUMP_MS + 1]);
        leads.health(1, Health::Frozen);
        leads.health(1, Health::Live);
        leads.health(2, Health::Frozen);
        assert_eq!(leads.placed, []);
        leads.rows(2, &[5]);
        let (live, frozen) = (Placed::Health(1, Health::Live), Placed::Health(2, Health::Frozen));
        assert_eq!(leads.placed, [Row(1, JUMP_MS + 1), live, frozen, Row(2, 5)]);
        // Rows go when all splits that they came from have ended.
        let mut leads = begun();
        leads.rows(1, &[JUMP_MS + 1]);
        leads.rows(2, &[JUMP_MS + 2]);
        leads.health(1, Health::Ended);
        assert_eq!(leads.placed, []);
        leads.health(2, Health::Ended);
        let ended = [1, 2].map(|split| Placed::Health(split, Health::Ended));
        assert_eq!(leads.placed, [[Row(1, JUMP_MS + 1), Row(2, JUMP_MS + 2)], ended].concat());
        // But no row begins the clock because its split has ended, and none goes on before it has begun.
        let mut leads = Leads::new();
        leads.rows(1, &[253_370_764_800_000]);
        leads.health(1, Health::Ended);
        leads.rows(2, &[10_000; 7]);
        let begins = [Tick(10_000), Row(1, 253_370_764_800_000), Placed::Health(1, Health::Ended), Row(2, 10_000)];
        assert_eq!(leads.placed[..4], begins);
    }

    #[test]
    fn nothing_is_acknowledged_before_the_rows_have_their_places() {
        let mut leads = Leads::new();
        leads.rows(0, &[0; 8]);
        leads.acknowledge(0);
        assert_eq!(leads.acknowledged(), 1);
        leads.rows(0, &[JUMP_MS + 1]);
        leads.acknowledge(0);
        leads.rows(1, &[JUMP_MS + 2]);
        (0..100).for_each(|_| leads.acknowledge(0));
        leads.acknowledge(1);
        assert_eq!(leads.acknowledged(), 1);
        assert_eq!(leads.held.waiting.len(), 5, "what came later stands for what came before");
        leads.rows(1, &[7]);
        assert_eq!(leads.acknowledged(), 4);
        // Of eight that agree those that are ahead even then keep what came after them waiting.
        leads.rows(0, &[JUMP_MS + 10, 9 * JUMP_MS]);
        leads.acknowledge(0);
        leads.rows(0, &[JUMP_MS + 10; 6]);
        assert_eq!(leads.acknowledged(), 5, "the seventh row let it go");
        leads.rows(0, &[9 * JUMP_MS]);
        leads.acknowledge(0);
        assert_eq!(leads.acknowledged(), 5);
    }

    #[test]
    fn splits_of_a_few_rows_move_the_clock_too() {
        let (mut leads, row_ms) = (Leads::new(), |n: i64| n / 10 * 10 * JUMP_MS + n * 1_000);
        let rows: Vec<i64> = (0..40).map(row_ms).collect();
        for (n, file) in rows.chunks(3).enumerate() {
            leads.rows(n as u32, file);
            leads.health(n as u32, Health::Ended);
        }
        let ticks = leads.end().into_iter().filter(|placed| matches!(placed, Tick(_)));
        // Every ten rows there is a gap. Of the eight that agree on it those of files that have ended are gone.
        let expected = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 15, 16, 17, 18, 19, 20, 27, 28, 29, 30, 36, 37, 38, 39];
        assert_eq!(ticks.collect::<Vec<_>>(), expected.map(|n| Tick(row_ms(n))));
    }

    /// The same by looking ahead at all rows.
    fn plain(rows: &[(u32, i64)]) -> Vec<Placed> {
        let (mut out, mut latest_ms, mut last_ms, mut i) = (Vec::new(), None::<i64>, i64::MIN, 0);
        while let Some((split, ms)) = rows.get(i).copied() {
            let ahead = |ms: i64| latest_ms.is_none_or(|latest_ms| ms > latest_ms + JUMP_MS);
            let next = &rows[i..rows.len().min(i + 8)];
            let agree = next.len() == 8 && next.iter().all(|(_, ms)| ahead(*ms));
            let (moves_to_ms, stays) = match ahead(ms) {
                false => (latest_ms.max(Some(ms)), false),
                true if agree || latest_ms.is_none() => (next.iter().map(|(_, ms)| *ms).min(), true),
                true => (latest_ms, false),
            };
            latest_ms = moves_to_ms;
            let tick_ms = latest_ms.map_or(i64::MIN, |ms| ms.div_euclid(INTERVAL_MS) * INTERVAL_MS);
            if tick_ms > last_ms {
                last_ms = tick_ms;
                out.push(Tick(tick_ms));
            }
            // Where the clock was moved to rows that agree, the row is looked at again.
            if !stays {
                out.push(Row(split, ms));
                i += 1;
            }
        }
        out
    }

    proptest! {
        #[test]
        fn places_are_a_function_of_the_order_of_rows_alone(
            rows in prop::collection::vec((0u32..3, prop_oneof![0i64..5_000, 0i64..400_000, Just(i64::from(i32::MAX))]), 0..80),
            steady in 0i64..40_000,
            cuts in prop::collection::vec(1usize..12, 1..8),
        ) {
            // Event times that wander, and that mostly rise.
            let rows: Vec<(u32, i64)> =
                rows.iter().enumerate().map(|(n, (split, ms))| (*split, ms + n as i64 * steady)).collect();
            let mut leads = Leads::new();
            let (mut rest, mut cuts) = (rows.as_slice(), cuts.iter().cycle());
            while let Some((split, _)) = rest.first() {
                let run = rest.iter().take_while(|(of, _)| of == split).count().min(*cuts.next().unwrap());
                let times: Vec<i64> = rest[..run].iter().map(|(_, ms)| *ms).collect();
                leads.rows(*split, &times);
                prop_assert!(leads.held.rows().count() < AGREEING_ROWS);
                rest = &rest[run..];
            }
            prop_assert_eq!(leads.end(), plain(&rows));
        }
    }
}
