//! The yardstick: crane overload windows by hand, for nothing else, on one thread; and the same as a user's aggregate.
//!
//! Per reading one chart look-up, one hash look-up, one pane update; per crane a 60 s window every 10 s, closed when that
//! crane's own event time has passed its end by 5 s. Only windows with an overload are rows.

use serde::{Deserialize, Serialize};
use watchfire_engine::{Timed, Verdict};
use watchfire_operators::window::{Aggregate, Span};

/// When readings begin.
pub const T0_MS: i64 = 1_700_000_000_000;
/// Window size.
pub const SIZE_MS: i64 = 60_000;
/// Window slide.
pub const SLIDE_MS: i64 = 10_000;
/// Disorder bound.
pub const DISORDER_MS: i64 = 5_000;
const PANES: usize = 8;
const RADIUS_M: [f64; 10] = [2.5, 5.0, 10.0, 15.0, 20.0, 25.0, 30.0, 40.0, 50.0, 60.0];
const RATED_KG: [f64; 10] = [8000.0, 7600.0, 6900.0, 6000.0, 5000.0, 4100.0, 3400.0, 2400.0, 1750.0, 1300.0];

/// A reading of the yardstick.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Reading {
    /// The crane.
    pub crane: u32,
    /// When, in milliseconds since 1970.
    pub event_time_ms: i64,
    /// The load on the hook.
    pub load_kg: f64,
    /// The trolley's distance from the mast.
    pub radius_m: f64,
    /// Wind; carried, as a real reading would.
    pub wind_mps: f64,
}

impl Timed for Reading {
    #[inline]
    fn event_time_ms(&self) -> i64 {
        self.event_time_ms
    }
}

/// Straight-line chart: cheap on purpose, so that the engine's own cost shows.
#[inline(always)]
fn rated_kg(radius_m: f64) -> f64 {
    let mut i = 0;
    for edge in &RADIUS_M[1..9] {
        i += usize::from(radius_m >= *edge);
    }
    let (x0, x1, y0, y1) = (RADIUS_M[i], RADIUS_M[i + 1], RATED_KG[i], RATED_KG[i + 1]);
    y0 + (y1 - y0) * (radius_m - x0) / (x1 - x0)
}

fn mix(mut z: u64) -> u64 {
    z = z.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

pub(crate) fn draw(a: u64, b: u64, c: u64) -> u64 {
    mix(mix(mix(a) ^ b) ^ c)
}

pub(crate) fn unit(x: u64) -> f64 {
    (x >> 11) as f64 / (1u64 << 53) as f64
}

/// `n` readings at 1 Hz a crane, in arrival order, up to 3 s out of order; about one reading in 2,500 overloads.
pub fn generate(cranes: u32, n: usize) -> Vec<Reading> {
    let arrivals = arrivals(cranes, n).into_iter();
    arrivals.map(|(second, crane)| reading(u64::from(crane), u64::from(second))).collect()
}

/// Second and crane of `n` readings in arrival order.
pub(crate) fn arrivals(cranes: u32, n: usize) -> Vec<(u32, u32)> {
    let mut order = Vec::with_capacity(n);
    'all: for second in 0.. {
        for crane in 0..u64::from(cranes) {
            if order.len() == n {
                break 'all;
            }
            let phase = draw(1, crane, 0) % 1000;
            order.push((second * 1000 + phase + draw(2, crane, second) % 3000, second as u32, crane as u32));
        }
    }
    order.sort_unstable();
    order.into_iter().map(|(_, second, crane)| (second, crane)).collect()
}

/// Reading `s` of crane `c`.
pub fn reading(c: u64, s: u64) -> Reading {
    let radius_m = 2.5 + 57.4 * unit(draw(3, c, s / 30));
    let block = draw(4, c, s / 10);
    let (start, len) = ((block >> 32) % 6, 1 + (block >> 40) % 4);
    let over = block.is_multiple_of(600) && (start..start + len).contains(&(s % 10));
    let utilisation = if over { 1.02 + 0.23 * unit(draw(5, c, s)) } else { 0.2 + 0.7 * unit(draw(6, c, s)) };
    Reading {
        crane: c as u32,
        event_time_ms: T0_MS + (s * 1000 + draw(1, c, 0) % 1000) as i64,
        load_kg: utilisation * rated_kg(radius_m),
        radius_m,
        wind_mps: 20.0 * unit(draw(7, c, s)),
    }
}

#[derive(Clone, Copy, Debug)]
struct Pane {
    max: f64,
    sum: f64,
    count: u32,
    over: u32,
}
const EMPTY: Pane = Pane { max: f64::NEG_INFINITY, sum: 0.0, count: 0, over: 0 };

/// One crane's windows, by hand.
#[derive(Debug)]
pub struct Crane {
    latest_ms: i64,
    next_end_ms: i64,
    panes: [Pane; PANES],
}

/// Rows, counted and summed in any order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rows {
    /// How many.
    pub count: u64,
    /// The sum of their hashes.
    pub checksum: u64,
}

impl Rows {
    /// Adds a row.
    pub fn push(&mut self, crane: u32, end_ms: i64, row: &Overload) {
        self.count += 1;
        let hash =
            draw(draw(u64::from(crane), end_ms as u64, u64::from(row.count)), row.max.to_bits(), u64::from(row.over));
        self.checksum = self.checksum.wrapping_add(hash);
    }
}

impl Crane {
    /// Begins at a crane's first reading.
    pub fn new(first_ms: i64) -> Self {
        let pane_end = (first_ms / SLIDE_MS + 1) * SLIDE_MS;
        Crane { latest_ms: i64::MIN, next_end_ms: pane_end - 2 * SLIDE_MS, panes: [EMPTY; PANES] }
    }

    /// One reading.
    #[inline(always)]
    pub fn push(&mut self, r: &Reading, rows: &mut Rows) {
        let t = r.event_time_ms;
        if t > self.latest_ms {
            self.latest_ms = t;
            while t - DISORDER_MS >= self.next_end_ms {
                self.close(r.crane, rows);
            }
        }
        let pane = t / SLIDE_MS;
        if pane * SLIDE_MS + SIZE_MS < self.next_end_ms {
            return;
        }
        let utilisation = r.load_kg / rated_kg(r.radius_m);
        let p = &mut self.panes[pane as usize % PANES];
        p.count += 1;
        p.sum += utilisation;
        p.max = if utilisation > p.max { utilisation } else { p.max };
        p.over += u32::from(utilisation > 1.0);
    }

    /// End of input: closes every window that still holds a reading.
    pub fn finish(&mut self, crane: u32, rows: &mut Rows) {
        let last_end_ms = self.latest_ms / SLIDE_MS * SLIDE_MS + SIZE_MS;
        while self.next_end_ms <= last_end_ms {
            self.close(crane, rows);
        }
    }

    #[inline]
    fn close(&mut self, crane: u32, rows: &mut Rows) {
        let last = (self.next_end_ms / SLIDE_MS - 1) as usize;
        let mut all = EMPTY;
        for k in 0..(SIZE_MS / SLIDE_MS) as usize {
            let p = &self.panes[(last - k) % PANES];
            all.max = if p.max > all.max { p.max } else { all.max };
            all.sum += p.sum;
            all.count += p.count;
            all.over += p.over;
        }
        if all.max > 1.0 {
            rows.push(crane, self.next_end_ms, &Overload { max: all.max, mean: 0.0, count: all.count, over: all.over });
        }
        self.panes[(last + 1 - (SIZE_MS / SLIDE_MS) as usize) % PANES] = EMPTY;
        self.next_end_ms += SLIDE_MS;
    }
}

/// The loop over all readings.
pub fn by_hand(readings: &[Reading]) -> Rows {
    let mut state: rustc_hash::FxHashMap<u32, Crane> = rustc_hash::FxHashMap::default();
    let mut rows = Rows::default();
    for r in readings {
        state.entry(r.crane).or_insert_with(|| Crane::new(r.event_time_ms)).push(r, &mut rows);
    }
    for (crane, s) in &mut state {
        s.finish(*crane, &mut rows);
    }
    rows
}

/// The same as a user's aggregate.
#[derive(Clone, Copy, Debug)]
pub struct OverloadWindow;

/// A window with an overload.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Overload {
    /// The highest utilisation.
    pub max: f64,
    /// The mean utilisation.
    pub mean: f64,
    /// Readings.
    pub count: u32,
    /// Readings above 1.
    pub over: u32,
}

/// The readings of one pane.
#[derive(Clone, Copy, Debug, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct OverloadPart {
    max: f64,
    sum: f64,
    count: u32,
    over: u32,
}

impl Default for OverloadPart {
    fn default() -> Self {
        OverloadPart { max: f64::NEG_INFINITY, sum: 0.0, count: 0, over: 0 }
    }
}

impl Aggregate for OverloadWindow {
    type In = Reading;
    type Part = OverloadPart;
    type Out = Overload;

    fn params(&self) -> String {
        "overload".into()
    }

    #[inline]
    fn add(&self, part: &mut OverloadPart, r: &Reading, _at_ms: i64) -> Verdict {
        let utilisation = r.load_kg / rated_kg(r.radius_m);
        part.count += 1;
        part.sum += utilisation;
        part.max = if utilisation > part.max { utilisation } else { part.max };
        part.over += u32::from(utilisation > 1.0);
        Verdict::Applied
    }

    #[inline]
    fn merge(&self, into: &mut OverloadPart, next: &OverloadPart) {
        into.max = if next.max > into.max { next.max } else { into.max };
        into.sum += next.sum;
        into.count += next.count;
        into.over += next.over;
    }

    fn finish(&self, _span: Span, part: &OverloadPart, _before: Option<&OverloadPart>) -> Option<Overload> {
        let OverloadPart { max, sum, count, over } = *part;
        (max > 1.0).then(|| Overload { max, mean: sum / f64::from(count), count, over })
    }
}
