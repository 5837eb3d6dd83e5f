//! The statistics of the shipped crane window by hand, for nothing else, on one thread; and the readings for both.
//!
//! Per reading one chart look-up, one hash look-up, one place in a short sorted list. When a crane's event time has passed
//! the end of a pane by the disorder bound, the list's front is folded into sums of that pane; a window's sums are those of
//! the window before, plus the new pane, less the one that fell out. Every window with a reading is a row.
//!
//! It leaves out what the engine does besides: repeated readings, clocks that run ahead, late output, corrections,
//! other chart models, settings, state that can be stored.

use rustc_hash::FxHashMap;
use watchfire_operators::crane::{CraneReading, OverloadWindow, RatedLoad, ReevingStats};
use watchfire_operators::window::WindowRow;

use crate::yardstick::{DISORDER_MS, SIZE_MS, SLIDE_MS, T0_MS, arrivals, draw, unit};

const PANES: usize = (SIZE_MS / SLIDE_MS) as usize;
/// For how long a reading speaks when no other follows.
const MAX_GAP_MS: i64 = 3_000;
/// In millionths of the rated load.
const THRESHOLDS: [i32; 4] = [900_000, 1_000_000, 1_050_000, 1_100_000];
/// Above every threshold.
const BEYOND_JIB: i32 = i32::MAX;
const UNKNOWN: i32 = i32::MIN;
/// Lower than every ratio.
const LEAST: i32 = i32::MIN + 1;
/// Points of the longer curve.
const POINTS: usize = 12;

/// One curve: between two points the rated moment is `moment + slope * radius`.
#[derive(Debug)]
struct Curve {
    /// Beyond the last point infinite, so that counting those below a radius needs no end.
    radii_m: [f64; POINTS],
    pieces: [Piece; POINTS],
    len: usize,
}

#[derive(Clone, Copy, Debug, Default)]
struct Piece {
    moment_kgm: f64,
    slope_kg: f64,
    least_kg: f64,
    most_kg: f64,
}

impl Curve {
    fn new(chart: &RatedLoad, falls: u8) -> Self {
        let points: Vec<(f64, f64)> = chart.curve(falls).map_or_else(Vec::new, |curve| curve.points().collect());
        let cap_kg = chart.curve(falls).map_or(0.0, |curve| curve.cap_kg());
        let mut built =
            Curve { radii_m: [f64::INFINITY; POINTS], pieces: [Piece::default(); POINTS], len: points.len() };
        for (i, (radius_m, kg)) in points.iter().enumerate() {
            let (before_m, before_kg) = points[i.saturating_sub(1)];
            let slope_kg = if i == 0 { *kg } else { (radius_m * kg - before_m * before_kg) / (radius_m - before_m) };
            built.radii_m[i] = *radius_m;
            let most_kg = before_kg.min(cap_kg);
            built.pieces[i] = Piece { moment_kgm: before_m * (before_kg - slope_kg), slope_kg, least_kg: *kg, most_kg };
        }
        built
    }

    #[inline(always)]
    fn level(&self, load_kg: f64, radius_m: f64) -> i32 {
        let i: usize = self.radii_m.iter().map(|point_m| usize::from(*point_m < radius_m)).sum();
        if i >= self.len {
            return BEYOND_JIB;
        }
        let piece = &self.pieces[i];
        let (least_kgm, most_kgm) = (piece.least_kg * radius_m, piece.most_kg * radius_m);
        let between_kgm = piece.moment_kgm + piece.slope_kg * radius_m;
        let rated_kgm = if between_kgm < least_kgm { least_kgm } else { between_kgm };
        let ratio = load_kg * radius_m / if rated_kgm > most_kgm { most_kgm } else { rated_kgm };
        (ratio * 1_000_000.0 + 0.5f64.copysign(ratio)) as i32
    }
}

/// The chart of a QTZ63.
#[derive(Debug)]
struct Chart {
    two: Curve,
    four: Curve,
}

impl Chart {
    fn new() -> Self {
        let chart = RatedLoad::qtz63();
        Chart { two: Curve::new(&chart, 2), four: Curve::new(&chart, 4) }
    }

    #[inline(always)]
    fn level(&self, r: &CraneReading) -> i32 {
        match r.reeving {
            4 => self.four.level(r.load_kg, r.radius_m),
            2 => self.two.level(r.load_kg, r.radius_m),
            _ => UNKNOWN,
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Sample {
    at_ms: i64,
    level: i32,
    reeving: u8,
}

#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    weighted: i64,
    above_ms: [u32; 4],
    ratio_ms: u32,
    beyond_ms: u32,
    readings: u32,
}

impl Sums {
    #[inline(always)]
    fn speak(&mut self, level: i32, for_ms: i64) {
        let for_ms = for_ms.max(0) as u32;
        for (above_ms, threshold) in self.above_ms.iter_mut().zip(THRESHOLDS) {
            *above_ms += if level >= threshold { for_ms } else { 0 };
        }
        match level {
            UNKNOWN => {}
            BEYOND_JIB => self.beyond_ms += for_ms,
            ratio => {
                self.ratio_ms += for_ms;
                self.weighted += i64::from(ratio) * i64::from(for_ms);
            }
        }
    }

    #[inline(always)]
    fn combine(&mut self, with: &Sums, long: fn(i64, i64) -> i64, short: fn(u32, u32) -> u32) {
        self.weighted = long(self.weighted, with.weighted);
        for (own, other) in self.above_ms.iter_mut().zip(with.above_ms) {
            *own = short(*own, other);
        }
        self.ratio_ms = short(self.ratio_ms, with.ratio_ms);
        self.beyond_ms = short(self.beyond_ms, with.beyond_ms);
        self.readings = short(self.readings, with.readings);
    }
}

/// A run of readings of one reeving, cut at the edges of a pane; or the part of a window that is one.
#[derive(Clone, Copy, Debug)]
struct Run {
    sums: Sums,
    max: i32,
    reeving: u8,
    max_at_ms: i64,
    /// `i64::MAX` if nothing speaks in it.
    from_ms: i64,
}

const NOTHING: Run = Run {
    sums: Sums { weighted: 0, above_ms: [0; 4], ratio_ms: 0, beyond_ms: 0, readings: 0 },
    max: LEAST,
    reeving: 0,
    max_at_ms: 0,
    from_ms: i64::MAX,
};

impl Run {
    fn begin(reeving: u8, from_ms: i64) -> Self {
        Run { reeving, from_ms, ..NOTHING }
    }

    #[inline(always)]
    fn highest(&mut self, level: i32, at_ms: i64) {
        if level > self.max && level != BEYOND_JIB {
            (self.max, self.max_at_ms) = (level, at_ms);
        }
    }

    fn join(&mut self, next: &Run) {
        self.sums.combine(&next.sums, i64::wrapping_add, u32::wrapping_add);
        self.highest(next.max, next.max_at_ms);
        self.from_ms = self.from_ms.min(next.from_ms);
    }
}

/// Of a pane in which the reeving changed, its runs; else its only one.
#[derive(Clone, Debug)]
struct Pane {
    all: Run,
    #[allow(clippy::box_collection)] // It is rare, and must not make every pane larger.
    runs: Option<Box<Vec<Run>>>,
}

/// One crane.
#[derive(Debug)]
struct Crane {
    latest_ms: i64,
    next_end_ms: i64,
    /// Not folded yet, by time.
    open: Vec<Sample>,
    /// The last that was folded.
    last: Sample,
    sums: Sums,
    /// The reeving changed in one of the panes of the windows that end before this.
    mixed_until_ms: i64,
    panes: [Pane; PANES],
}

impl Crane {
    fn new(first: &CraneReading) -> Self {
        Crane {
            latest_ms: i64::MIN,
            next_end_ms: ((first.event_time_ms - DISORDER_MS) / SLIDE_MS + 1) * SLIDE_MS,
            open: Vec::with_capacity(32),
            last: Sample { at_ms: i64::MIN / 2, level: UNKNOWN, reeving: first.reeving },
            sums: NOTHING.sums,
            mixed_until_ms: i64::MIN,
            panes: std::array::from_fn(|_| Pane { all: NOTHING, runs: None }),
        }
    }

    #[inline(always)]
    fn push(&mut self, r: &CraneReading, level: i32, rows: &mut CraneRows) {
        let at_ms = r.event_time_ms;
        if at_ms > self.latest_ms {
            self.latest_ms = at_ms;
            while at_ms - DISORDER_MS >= self.next_end_ms {
                self.close(r.crane, rows);
            }
        }
        if at_ms < self.next_end_ms - SLIDE_MS {
            return;
        }
        let sample = Sample { at_ms, level, reeving: r.reeving };
        let mut place = self.open.len();
        self.open.push(sample);
        while place > 0 && (self.open[place - 1].at_ms, self.open[place - 1].level) > (at_ms, level) {
            self.open[place] = self.open[place - 1];
            place -= 1;
        }
        self.open[place] = sample;
    }

    /// End of input: closes every window that still holds a reading.
    fn finish(&mut self, crane: u32, rows: &mut CraneRows) {
        let last_end_ms = self.latest_ms / SLIDE_MS * SLIDE_MS + SIZE_MS;
        while self.next_end_ms <= last_end_ms {
            self.close(crane, rows);
        }
    }

    #[inline(never)]
    fn close(&mut self, crane: u32, rows: &mut CraneRows) {
        let end_ms = self.next_end_ms;
        let slot = (end_ms / SLIDE_MS) as usize % PANES;
        self.sums.combine(&self.panes[slot].all.sums, i64::wrapping_sub, u32::wrapping_sub);
        self.fold(slot, end_ms);
        self.sums.combine(&self.panes[slot].all.sums, i64::wrapping_add, u32::wrapping_add);
        self.next_end_ms += SLIDE_MS;
        if self.sums.readings == 0 {
            return;
        }
        if end_ms < self.mixed_until_ms {
            return self.mixed(crane, slot, end_ms, rows);
        }
        let mut run = Run { sums: self.sums, ..Run::begin(self.last.reeving, i64::MAX) };
        for k in 1..=PANES {
            let pane = &self.panes[(slot + k) % PANES].all;
            run.highest(pane.max, pane.max_at_ms);
            run.from_ms = run.from_ms.min(pane.from_ms);
        }
        rows.count += 1;
        rows.push(crane, end_ms, &run);
    }

    /// Folds the samples before `end_ms`, and what the last one before them still says, into their pane.
    #[inline(always)]
    fn fold(&mut self, slot: usize, end_ms: i64) {
        let start_ms = end_ms - SLIDE_MS;
        let count = self.open.iter().take_while(|sample| sample.at_ms < end_ms).count();
        let first_ms = if count > 0 { self.open[0].at_ms } else { end_ms };
        let mut run = Run::begin(self.last.reeving, i64::MAX);
        let reach_ms = self.last.at_ms + MAX_GAP_MS;
        if reach_ms > start_ms && first_ms > start_ms {
            run.from_ms = start_ms;
            run.highest(self.last.level, start_ms);
            run.sums.speak(self.last.level, first_ms.min(reach_ms) - start_ms);
        } else if count > 0 {
            run.from_ms = first_ms;
        }
        run.sums.readings = count as u32;
        let before = run;
        let mut changed = 0;
        for (i, sample) in self.open[..count].iter().enumerate() {
            let until_ms = self.open.get(i + 1).map_or(end_ms, |next| next.at_ms.min(end_ms));
            run.highest(sample.level, sample.at_ms);
            run.sums.speak(sample.level, (until_ms - sample.at_ms).min(MAX_GAP_MS));
            changed |= sample.reeving ^ self.last.reeving;
        }
        self.panes[slot] = Pane { all: run, runs: None };
        if changed != 0 {
            self.panes[slot].runs = Some(Box::new(self.runs(count, end_ms, before)));
            self.mixed_until_ms = end_ms + SIZE_MS;
        }
        if count > 0 {
            self.last = self.open[count - 1];
            self.open.drain(..count);
        }
    }

    /// The runs of a pane in which the reeving changes; `before` is what the sample before them said.
    #[cold]
    fn runs(&self, count: usize, end_ms: i64, before: Run) -> Vec<Run> {
        let mut runs = vec![before];
        runs[0].sums.readings = 0;
        if before.from_ms > end_ms - SLIDE_MS {
            runs[0].from_ms = i64::MAX;
        }
        for (i, sample) in self.open[..count].iter().enumerate() {
            let until_ms = self.open.get(i + 1).map_or(end_ms, |next| next.at_ms.min(end_ms));
            let mut run = Run::begin(sample.reeving, sample.at_ms);
            run.sums.readings = 1;
            run.highest(sample.level, sample.at_ms);
            run.sums.speak(sample.level, (until_ms - sample.at_ms).min(MAX_GAP_MS));
            append(&mut runs, &run);
        }
        runs
    }

    /// The row of a window in which the reeving changed.
    #[cold]
    fn mixed(&self, crane: u32, slot: usize, end_ms: i64, rows: &mut CraneRows) {
        let mut all = Vec::new();
        for k in 1..=PANES {
            let pane = &self.panes[(slot + k) % PANES];
            match &pane.runs {
                Some(runs) => runs.iter().for_each(|run| append(&mut all, run)),
                None => append(&mut all, &pane.all),
            }
        }
        rows.count += 1;
        all.iter().for_each(|run| rows.push(crane, end_ms, run));
    }
}

fn append(runs: &mut Vec<Run>, run: &Run) {
    match runs.last_mut() {
        _ if run.from_ms == i64::MAX => {}
        Some(last) if last.reeving == run.reeving => last.join(run),
        _ => runs.push(*run),
    }
}

/// Rows, counted and summed in any order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CraneRows {
    /// How many.
    pub count: u64,
    /// The sum of the hashes of their stretches.
    pub checksum: u64,
}

impl CraneRows {
    #[inline]
    fn push(&mut self, crane: u32, end_ms: i64, run: &Run) {
        let sums = &run.sums;
        let mean = (sums.ratio_ms > 0).then(|| sums.weighted as f64 / f64::from(sums.ratio_ms) / 1_000_000.0);
        let max = (run.max != LEAST).then(|| (f64::from(run.max) / 1_000_000.0, run.max_at_ms));
        let covered_ms = i64::from(sums.ratio_ms) + i64::from(sums.beyond_ms);
        self.add([
            u64::from(crane) << 8 | u64::from(run.reeving),
            end_ms as u64,
            run.from_ms as u64,
            u64::from(sums.readings),
            mean.map_or(1, f64::to_bits),
            max.map_or(1, |(max, _)| max.to_bits()),
            max.map_or(1, |(_, at_ms)| at_ms as u64),
            u64::from(sums.above_ms[0]) << 32 | u64::from(sums.above_ms[1]),
            u64::from(sums.above_ms[2]) << 32 | u64::from(sums.above_ms[3]),
            covered_ms as u64,
        ]);
    }

    /// Adds a stretch of a row of the engine.
    fn push_stretch(&mut self, crane: u32, end_ms: i64, s: &ReevingStats) {
        let above_ms = s.above_ms.map(|ms| ms as u64);
        self.add([
            u64::from(crane) << 8 | u64::from(s.reeving),
            end_ms as u64,
            s.from_ms as u64,
            u64::from(s.readings),
            s.mean_utilisation.map_or(1, |mean| mean.get().to_bits()),
            s.max_utilisation.map_or(1, |max| max.get().to_bits()),
            s.max_at_ms.map_or(1, |at_ms| at_ms as u64),
            above_ms[0] << 32 | above_ms[1],
            above_ms[2] << 32 | above_ms[3],
            s.covered_ms as u64,
        ]);
    }

    /// Adds a row of the engine.
    pub fn push_row(&mut self, row: &WindowRow<u32, OverloadWindow>) {
        self.count += 1;
        row.value.stretches().for_each(|stretch| self.push_stretch(row.key, row.span.end_ms, stretch));
    }

    /// Products of their own for every field, so that none waits for another.
    #[inline(always)]
    fn add(&mut self, fields: [u64; 10]) {
        let mut odd = 0x9E37_79B9_7F4A_7C15u64;
        let mut sum = 0u64;
        for field in fields {
            sum = sum.wrapping_add((field ^ field >> 29).wrapping_mul(odd));
            odd = odd.wrapping_mul(0xD134_2543_DE82_EF95);
        }
        self.checksum = self.checksum.wrapping_add((sum ^ sum >> 32).wrapping_mul(0xE703_7ED1_A0B4_28DB));
    }
}

/// The loop over all readings.
pub fn by_hand(readings: &[CraneReading]) -> CraneRows {
    let chart = Chart::new();
    let mut state: FxHashMap<u32, Crane> = FxHashMap::default();
    let mut rows = CraneRows::default();
    for r in readings {
        state.entry(r.crane).or_insert_with(|| Crane::new(r)).push(r, chart.level(r), &mut rows);
    }
    for (crane, s) in &mut state {
        s.finish(*crane, &mut rows);
    }
    rows
}

/// `n` readings at 1 Hz a crane, in arrival order, up to 3 s out of order; about one reading in 2,500 overloads, and a crane
/// works with two falls for one stretch of ten minutes in twenty.
pub fn generate(cranes: u32, n: usize) -> Vec<CraneReading> {
    let chart = RatedLoad::qtz63();
    let arrivals = arrivals(cranes, n).into_iter();
    arrivals.map(|(second, crane)| reading(&chart, u64::from(crane), u64::from(second))).collect()
}

/// Reading `s` of crane `c`.
pub fn reading(chart: &RatedLoad, c: u64, s: u64) -> CraneReading {
    let reeving = if draw(8, c, (s + 37 * c) / 600).is_multiple_of(20) { 2 } else { 4 };
    let radius_m = 2.5 + 47.4 * unit(draw(3, c, s / 30));
    let block = draw(4, c, s / 10);
    let (start, len) = ((block >> 32) % 6, 1 + (block >> 40) % 4);
    let over = block.is_multiple_of(600) && (start..start + len).contains(&(s % 10));
    let utilisation = if over { 1.02 + 0.23 * unit(draw(5, c, s)) } else { 0.2 + 0.7 * unit(draw(6, c, s)) };
    let rated_kg = chart.rated_kg(reeving, radius_m).kg().unwrap_or(0.0);
    let at_ms = T0_MS + (s * 1000 + draw(1, c, 0) % 1000) as i64;
    CraneReading {
        wind_mps: Some(20.0 * unit(draw(7, c, s))),
        hook_height_m: Some(40.0 * unit(draw(9, c, s / 15))),
        operator: Some(1_000 + (c % 700) as u32),
        ..CraneReading::new(c as u32, at_ms, utilisation * rated_kg, radius_m, reeving)
    }
}
