//! What is kept of a crane's readings for as long as late ones can still change its episodes: runs of equal points in
//! chunks of some two hundred bytes.
//!
//! A run of one distance costs nothing per point, a point out of step 2 to 3 bytes, a lost reading about 4, a change of
//! level (only at or above the release threshold) about 10. Chunks bound the work of an insertion and let calm stretches
//! be skipped unread.

use watchfire_engine::rkyv;

use super::machine::{Machine, Rules};
use super::point::{Point, Put, Run, Says, put};
use super::row::Found;
use crate::crane::stats::level::Level;

/// A chunk takes no more runs once it holds this; a chunk that an insertion made larger is halved.
const CHUNK_BYTES: usize = 240;

/// Points in time order.
#[derive(Clone, Debug, PartialEq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub(super) struct Trace {
    chunks: Vec<Chunk>,
    /// Where the writing of the last chunk stands.
    cursor: Cursor,
    /// The last run, not yet written, for it grows; nothing if its count is 0.
    tail: Run,
}

/// Written runs. Readable by itself.
#[derive(Clone, Debug, PartialEq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
struct Chunk {
    first_ms: i64,
    last_ms: i64,
    /// The highest level in it.
    highest: Level,
    bytes: Vec<u8>,
}

/// What the next run is written relative to.
#[derive(Clone, Debug, PartialEq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
struct Cursor {
    last_ms: i64,
    step_ms: i64,
    says: Says,
    /// The last one that was more than time, class and reeving.
    loaded: Says,
}

const NO_RUN: Run = Run { first_ms: 0, step_ms: 0, count: 0, says: START };
const START: Says = Says { level: Level::LEAST, radius_mm: 0, wind: 0, reeving: 0, logged_in: false, operator: 0 };

impl Default for Trace {
    fn default() -> Self {
        Trace { chunks: Vec::new(), cursor: Cursor::at(0), tail: NO_RUN }
    }
}

impl Cursor {
    fn at(first_ms: i64) -> Self {
        Cursor { last_ms: first_ms, step_ms: 0, says: START, loaded: START }
    }
}

const MANY: u64 = 1;
const STEP: u64 = 2;
const SAYS: u64 = 4;
const HEAD_BITS: u32 = 3;
const CLASS_LOADED: u64 = 2;
const CLASS_LOGGED_IN: u64 = 3;

impl Chunk {
    fn new(first_ms: i64) -> Self {
        Chunk { first_ms, last_ms: first_ms, highest: Level::UNKNOWN, bytes: Vec::new() }
    }

    fn write(&mut self, run: &Run, cursor: &mut Cursor) {
        let gap_ms = run.first_ms - cursor.last_ms;
        let (many, step_ms) = (run.count > 1, i64::from(run.step_ms));
        let new_step = many && step_ms != cursor.step_ms;
        let new_says = run.says != cursor.says;
        let flag = |on: bool, bit: u64| if on { bit } else { 0 };
        let head = flag(many, MANY) | flag(new_step, STEP) | flag(new_says, SAYS);
        // 61 bits of difference: two event times 36 million years apart would not fit.
        self.varint(zigzag(gap_ms - cursor.step_ms) << HEAD_BITS | head);
        if new_step {
            self.varint(u64::from(run.step_ms));
        }
        if many {
            self.varint(u64::from(run.count - 2));
        }
        if new_says {
            self.says(&run.says, &cursor.loaded);
        }
        cursor.last_ms = run.last_ms();
        cursor.step_ms = if many { step_ms } else { gap_ms };
        cursor.says = run.says;
        cursor.loaded = if run.says.is_plain() { cursor.loaded } else { run.says };
        self.last_ms = run.last_ms();
        self.highest = self.highest.max(run.says.level);
    }

    fn says(&mut self, says: &Says, before: &Says) {
        let class = match (says.level, says.logged_in) {
            (Level::UNKNOWN, _) => 0,
            (Level::LEAST, _) => 1,
            (_, false) => CLASS_LOADED,
            (_, true) => CLASS_LOGGED_IN,
        };
        self.varint(u64::from(says.reeving) << 2 | class);
        if class < CLASS_LOADED {
            return;
        }
        self.varint(zigzag(i64::from(says.level.raw()) - i64::from(before.level.raw())));
        self.varint(zigzag(i64::from(says.radius_mm) - i64::from(before.radius_mm)));
        self.varint(zigzag(i64::from(says.wind) - i64::from(before.wind)));
        if says.logged_in {
            self.varint(u64::from(says.operator));
        }
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.push(value as u8);
    }

    fn runs(&self) -> Reader<'_> {
        Reader { bytes: &self.bytes, cursor: Cursor::at(self.first_ms) }
    }
}

/// Reads a chunk. Bytes that are no runs end it.
struct Reader<'a> {
    bytes: &'a [u8],
    cursor: Cursor,
}

impl Reader<'_> {
    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.bytes.split_first()?;
            self.bytes = rest;
            value |= u64::from(byte & 0x7F) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn difference(&mut self) -> Option<i64> {
        self.varint().map(unzigzag)
    }

    fn says(&mut self) -> Option<Says> {
        let head = self.varint()?;
        let reeving = (head >> 2) as u8;
        match head & 3 {
            0 => return Some(Says::nothing(reeving)),
            1 => return Some(Says::low(reeving)),
            _ => {}
        }
        let before = self.cursor.loaded;
        let level = Level::from_raw(self.difference()?.wrapping_add(i64::from(before.level.raw())) as i32);
        let radius_mm = self.difference()?.wrapping_add(i64::from(before.radius_mm)) as u32;
        let wind = self.difference()?.wrapping_add(i64::from(before.wind)) as u16;
        let logged_in = head & 3 == CLASS_LOGGED_IN;
        let operator = if logged_in { self.varint()? as u32 } else { 0 };
        Some(Says { level, radius_mm, wind, reeving, logged_in, operator })
    }

    fn run(&mut self) -> Option<Run> {
        let head = self.varint()?;
        let gap_ms = unzigzag(head >> HEAD_BITS).wrapping_add(self.cursor.step_ms);
        let step_ms = if head & STEP == 0 { self.cursor.step_ms } else { self.varint()? as i64 };
        let many = head & MANY != 0;
        let count = if many { (self.varint()? as u32).saturating_add(2) } else { 1 };
        let says = if head & SAYS == 0 { self.cursor.says } else { self.says()? };
        let first_ms = self.cursor.last_ms.wrapping_add(gap_ms);
        let run = Run { first_ms, step_ms: if many { step_ms as u32 } else { 0 }, count, says };
        self.cursor = Cursor {
            last_ms: run.last_ms(),
            step_ms: if many { step_ms } else { gap_ms },
            says,
            loaded: if says.is_plain() { self.cursor.loaded } else { says },
        };
        Some(run)
    }
}

impl Iterator for Reader<'_> {
    type Item = Run;

    fn next(&mut self) -> Option<Run> {
        if self.bytes.is_empty() { None } else { self.run() }
    }
}

fn zigzag(value: i64) -> u64 {
    (value << 1 ^ value >> 63) as u64
}

fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

impl Trace {
    /// Appends a run after all that is there.
    #[inline]
    pub(super) fn append(&mut self, run: Run) {
        if self.tail.count == 0 {
            self.tail = run;
        } else if !self.tail.take_in(&run) {
            self.write_tail();
            self.tail = run;
        }
    }

    #[cold]
    fn write_tail(&mut self) {
        if self.chunks.last().is_none_or(|chunk| chunk.bytes.len() >= CHUNK_BYTES) {
            if let Some(full) = self.chunks.last_mut() {
                full.bytes.shrink_to_fit();
            }
            if self.chunks.len() == self.chunks.capacity() {
                // Doubling would leave half of the list unused in most cranes for most of the time.
                self.chunks.reserve_exact(self.chunks.len() / 4 + 1);
            }
            self.chunks.push(Chunk::new(self.tail.first_ms));
            self.cursor = Cursor::at(self.tail.first_ms);
        }
        if let Some(chunk) = self.chunks.last_mut() {
            chunk.write(&self.tail, &mut self.cursor);
        }
    }

    /// Puts a point where its time belongs.
    pub(super) fn insert(&mut self, point: Point) -> Put {
        let place = self.chunks.partition_point(|chunk| chunk.last_ms < point.at_ms);
        let Some(chunk) = self.chunks.get(place) else {
            let mut runs = if self.tail.count == 0 { Vec::new() } else { vec![self.tail] };
            let done = put(&mut runs, point);
            self.tail = NO_RUN;
            runs.into_iter().for_each(|run| self.append(run));
            return done;
        };
        let mut runs: Vec<Run> = chunk.runs().collect();
        let done = put(&mut runs, point);
        if done == Put::New {
            let whole = rewrite(&runs).filter(|(chunk, _)| chunk.bytes.len() <= CHUNK_BYTES || runs.len() == 1);
            let (before, after) = runs.split_at(runs.len() / 2);
            let parts = if whole.is_some() { [whole, None] } else { [rewrite(before), rewrite(after)] };
            let is_last = place + 1 == self.chunks.len();
            if is_last && let Some((_, cursor)) = parts.iter().flatten().last() {
                self.cursor = cursor.clone();
            }
            self.chunks.splice(place..=place, parts.into_iter().flatten().map(|(chunk, _)| chunk));
        }
        done
    }

    /// Feeds all points to a machine.
    pub(super) fn replay(&self, machine: &mut Machine, rules: &Rules, found: &mut Vec<Found>) {
        for chunk in &self.chunks {
            if !machine.is_idle() || chunk.highest >= rules.enter_at {
                chunk.runs().for_each(|run| machine.feed(&run, rules, found));
            }
        }
        machine.feed(&self.tail, rules, found);
    }

    /// Whether something lies wholly before the horizon.
    #[inline]
    pub(super) fn reaches_behind(&self, horizon_ms: i64) -> bool {
        self.chunks.first().is_some_and(|chunk| chunk.last_ms < horizon_ms)
    }

    /// Forgets the chunks that lie wholly before the horizon, feeding them to a machine. The time of the last point
    /// forgotten.
    pub(super) fn forget(
        &mut self,
        horizon_ms: i64,
        machine: &mut Machine,
        rules: &Rules,
        found: &mut Vec<Found>,
    ) -> Option<i64> {
        let count = self.chunks.iter().take_while(|chunk| chunk.last_ms < horizon_ms).count();
        let last_ms = self.chunks.get(count.checked_sub(1)?)?.last_ms;
        for chunk in self.chunks.drain(..count) {
            chunk.runs().for_each(|run| machine.feed(&run, rules, found));
        }
        Some(last_ms)
    }

    /// Bytes on the heap.
    pub(super) fn heap_bytes(&self) -> usize {
        let bytes: usize = self.chunks.iter().map(|chunk| chunk.bytes.capacity()).sum();
        bytes + self.chunks.capacity() * size_of::<Chunk>()
    }

    #[cfg(test)]
    pub(super) fn points(&self) -> Vec<Point> {
        let runs = self.chunks.iter().flat_map(Chunk::runs).chain((self.tail.count > 0).then_some(self.tail));
        runs.flat_map(|run| (0..run.count).map(move |n| Point { at_ms: run.at_ms(n), says: run.says })).collect()
    }
}

/// Runs as a chunk, and where its writing stands. Neighbours that have become one run are joined. `None` for no runs.
fn rewrite(runs: &[Run]) -> Option<(Chunk, Cursor)> {
    let (first, rest) = runs.split_first()?;
    let (mut chunk, mut cursor) = (Chunk::new(first.first_ms), Cursor::at(first.first_ms));
    let mut open = *first;
    for run in rest {
        if !open.take_in(run) {
            chunk.write(&open, &mut cursor);
            open = *run;
        }
    }
    chunk.write(&open, &mut cursor);
    chunk.bytes.shrink_to_fit();
    Some((chunk, cursor))
}
