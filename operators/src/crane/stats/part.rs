//! The readings of one pane: sorted while it is open, folded into stretches of one reeving when it is shut.

use std::borrow::Cow;

use watchfire_engine::{Verdict, rkyv};

use super::OVERLOAD_THRESHOLDS;
use super::level::Level;

/// Room for the readings of a pane of ten seconds at one a second, so that such a pane allocates once.
const FIRST_ROOM: usize = 12;

/// What the folding of samples depends on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    /// Rising.
    pub(super) thresholds: [Level; OVERLOAD_THRESHOLDS],
    pub(super) max_gap_ms: i64,
}

impl Rules {
    /// Whether a level is a ratio below every threshold, as nearly all are.
    #[inline]
    fn is_plain(&self, level: Level) -> bool {
        level > Level::UNKNOWN && level < self.thresholds[0]
    }
}

/// One reading, in 16 bytes. The order is time, then danger, so that of several readings of one instant the worst is
/// the last, whose value holds on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub(super) struct Sample {
    at_ms: i64,
    /// The level in the upper 32 bits, the reeving in the lowest 8. One word, for two words travel in registers and
    /// three fields do not.
    says: u64,
}

impl Sample {
    #[inline]
    pub(super) fn new(at_ms: i64, level: Level, reeving: u8) -> Self {
        Sample { at_ms, says: u64::from(level.ordinal()) << 32 | u64::from(reeving) }
    }

    #[inline]
    fn level(self) -> Level {
        Level::from_ordinal((self.says >> 32) as u32)
    }

    #[inline]
    fn reeving(self) -> u8 {
        self.says as u8
    }
}

/// The readings of one pane of one crane; see [`CraneStats`](super::CraneStats).
///
/// Open, it takes 16 bytes a reading. Shut, it takes 96 bytes however many they were, and 80 more for every change of
/// the reeving.
///
/// ```
/// use watchfire_operators::crane::OverloadPart;
/// assert!(size_of::<OverloadPart>() <= 96);
/// ```
#[derive(Clone, Debug, Default, PartialEq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct OverloadPart(pub(super) Pane);

#[derive(Clone, Debug, Default, PartialEq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub(super) enum Pane {
    #[default]
    Empty,
    /// Rising; the time of the last stands here too, so that a reading after it waits for nothing on the heap.
    Open {
        last_ms: i64,
        samples: Vec<Sample>,
    },
    Shut(Folded),
}

/// Readings in time order, folded. `earlier` ended with a change of the reeving each.
#[derive(Clone, Debug, PartialEq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub(super) struct Folded {
    pub(super) latest: Stretch,
    earlier: Option<Box<Earlier>>,
}

/// Behind one pointer, for it is rare and must not make every part larger.
#[derive(Clone, Debug, Default, PartialEq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
struct Earlier(Vec<Stretch>);

/// Readings of one reeving without another in between. Durations are from each reading to the next; the last reading
/// has none yet.
#[derive(Clone, Copy, Debug, PartialEq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub(super) struct Stretch {
    pub(super) first_ms: i64,
    pub(super) last_ms: i64,
    /// Millionths of the rated load times milliseconds.
    pub(super) weighted: i64,
    pub(super) notable: Notable,
    pub(super) ratio_ms: u32,
    pub(super) readings: u32,
    /// The highest ratio, `LEAST` if there is none.
    pub(super) max: Level,
    /// When it was first reached, from `first_ms`.
    pub(super) max_after_ms: u32,
    pub(super) last: Level,
    pub(super) reeving: u8,
}

/// What a crane has only if it is near its limit or says nothing; nearly always zero, so that adding is seldom needed.
#[derive(Clone, Copy, Debug, Default, PartialEq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub(super) struct Notable {
    pub(super) above_ms: [u32; OVERLOAD_THRESHOLDS],
    pub(super) unknown_ms: u32,
    pub(super) beyond_ms: u32,
    pub(super) unknown: u32,
    pub(super) beyond: u32,
}

impl Notable {
    #[cold]
    fn read(&mut self, level: Level) {
        if level == Level::UNKNOWN {
            self.unknown = self.unknown.saturating_add(1);
        } else if level == Level::BEYOND_JIB {
            self.beyond = self.beyond.saturating_add(1);
        }
    }

    #[cold]
    fn reach(&mut self, level: Level, for_ms: u32, rules: &Rules) {
        for (above_ms, threshold) in self.above_ms.iter_mut().zip(&rules.thresholds) {
            *above_ms = above_ms.saturating_add(if level >= *threshold { for_ms } else { 0 });
        }
        if level == Level::UNKNOWN {
            self.unknown_ms = self.unknown_ms.saturating_add(for_ms);
        } else if level == Level::BEYOND_JIB {
            self.beyond_ms = self.beyond_ms.saturating_add(for_ms);
        }
    }

    #[cold]
    fn join(&mut self, next: &Notable) {
        for (into, from) in self.above_ms.iter_mut().zip(next.above_ms) {
            *into = into.saturating_add(from);
        }
        self.unknown_ms = self.unknown_ms.saturating_add(next.unknown_ms);
        self.beyond_ms = self.beyond_ms.saturating_add(next.beyond_ms);
        self.unknown = self.unknown.saturating_add(next.unknown);
        self.beyond = self.beyond.saturating_add(next.beyond);
    }
}

/// Sums saturate: in a window too long for them an overload must not wrap round to a short one.
impl Stretch {
    /// One level at one instant, counted as one reading.
    pub(super) fn begin(at_ms: i64, level: Level, reeving: u8) -> Self {
        let mut stretch = Stretch {
            first_ms: at_ms,
            last_ms: at_ms,
            weighted: 0,
            notable: Notable::default(),
            ratio_ms: 0,
            readings: 0,
            max: Level::LEAST,
            max_after_ms: 0,
            last: level,
            reeving,
        };
        stretch.read(at_ms, level);
        stretch
    }

    /// A reading after the last.
    #[inline]
    fn read(&mut self, at_ms: i64, level: Level) {
        (self.last_ms, self.last) = (at_ms, level);
        self.readings = self.readings.saturating_add(1);
        if !level.is_ratio() {
            self.notable.read(level);
        } else if level > self.max {
            self.max = level;
            self.max_after_ms = u32::try_from(at_ms - self.first_ms).unwrap_or(u32::MAX);
        }
    }

    /// The last reading speaks until `until_ms` or for the gap, whichever is shorter.
    #[inline(always)]
    pub(super) fn reach(&mut self, until_ms: i64, rules: &Rules) {
        debug_assert!(until_ms >= self.last_ms, "time order");
        let for_ms = until_ms.wrapping_sub(self.last_ms).cast_unsigned().min(rules.max_gap_ms.cast_unsigned()) as u32;
        self.speak(self.last, for_ms, rules);
    }

    #[inline(always)]
    fn speak(&mut self, level: Level, for_ms: u32, rules: &Rules) {
        if let Some(ratio) = level.millionths() {
            self.add(ratio * i64::from(for_ms), for_ms);
        }
        if !rules.is_plain(level) {
            self.notable.reach(level, for_ms, rules);
        }
    }

    /// A ratio is below `2^31` millionths, so as long as the time fits into 32 bits its weight fits into 64.
    #[inline(always)]
    fn add(&mut self, weighted: i64, ratio_ms: u32) {
        match self.ratio_ms.checked_add(ratio_ms) {
            Some(sum_ms) => (self.weighted, self.ratio_ms) = (self.weighted + weighted, sum_ms),
            None => self.saturate(weighted),
        }
    }

    #[cold]
    fn saturate(&mut self, weighted: i64) {
        (self.weighted, self.ratio_ms) = (self.weighted.saturating_add(weighted), u32::MAX);
    }

    /// Appends a later stretch of the same reeving.
    #[inline(always)]
    fn join(&mut self, next: &Stretch) {
        self.add(next.weighted, next.ratio_ms);
        self.readings = self.readings.saturating_add(next.readings);
        if next.notable != Notable::default() {
            self.notable.join(&next.notable);
        }
        if next.max > self.max {
            self.max = next.max;
            let after_ms = next.first_ms + i64::from(next.max_after_ms) - self.first_ms;
            self.max_after_ms = u32::try_from(after_ms).unwrap_or(u32::MAX);
        }
        (self.last_ms, self.last) = (next.last_ms, next.last);
    }

    /// Begins earlier, at `from_ms`, with what a reading of the same reeving from before still says for up to `left_ms`.
    #[inline]
    pub(super) fn carry(&mut self, from_ms: i64, level: Level, left_ms: i64, rules: &Rules) {
        let earlier_ms = self.first_ms - from_ms;
        self.first_ms = from_ms;
        self.max_after_ms = u32::try_from(i64::from(self.max_after_ms) + earlier_ms).unwrap_or(u32::MAX);
        if level.is_ratio() && level >= self.max {
            (self.max, self.max_after_ms) = (level, 0);
        }
        self.speak(level, earlier_ms.min(left_ms) as u32, rules);
    }

    /// What a reading of another reeving says before the next, from `from_ms` on; no reading of its own.
    #[cold]
    pub(super) fn carried(from_ms: i64, level: Level, reeving: u8, until_ms: i64, rules: &Rules) -> Self {
        let mut stretch = Stretch::begin(from_ms, level, reeving);
        (stretch.readings, stretch.notable) = (0, Notable::default());
        stretch.reach(until_ms, rules);
        stretch
    }
}

impl Folded {
    /// The stretches before the latest, in time order.
    pub(super) fn earlier(&self) -> &[Stretch] {
        self.earlier.as_ref().map_or(&[], |earlier| &earlier.0)
    }

    fn change(&mut self, next: Stretch) {
        let ended = std::mem::replace(&mut self.latest, next);
        change(&mut self.earlier, ended);
    }

    /// Appends what follows in time.
    #[inline(always)]
    pub(super) fn append(&mut self, next: &Folded, rules: &Rules) {
        if next.earlier.is_none() && self.latest.reeving == next.latest.reeving {
            self.latest.reach(next.latest.first_ms, rules);
            self.latest.join(&next.latest);
        } else {
            self.append_changed(next, rules);
        }
    }

    /// As [`append`](Self::append), where the reeving changes.
    #[cold]
    fn append_changed(&mut self, next: &Folded, rules: &Rules) {
        for (n, stretch) in next.earlier().iter().chain([&next.latest]).enumerate() {
            if n > 0 {
                self.change(*stretch);
                continue;
            }
            self.latest.reach(stretch.first_ms, rules);
            if self.latest.reeving == stretch.reeving {
                self.latest.join(stretch);
            } else {
                self.change(*stretch);
            }
        }
    }
}

#[cold]
fn change(earlier: &mut Option<Box<Earlier>>, ended: Stretch) {
    earlier.get_or_insert_default().0.push(ended);
}

/// Folds rising samples; `None` if there are none.
fn fold(samples: &[Sample], rules: &Rules) -> Option<Folded> {
    let (first, rest) = samples.split_first()?;
    if let Some(latest) = fold_plain(*first, rest, rules) {
        return Some(Folded { latest, earlier: None });
    }
    let (mut latest, mut earlier) = (Stretch::begin(first.at_ms, first.level(), first.reeving()), None);
    for sample in rest {
        latest.reach(sample.at_ms, rules);
        if latest.reeving == sample.reeving() {
            latest.read(sample.at_ms, sample.level());
        } else {
            let ended = std::mem::replace(&mut latest, Stretch::begin(sample.at_ms, sample.level(), sample.reeving()));
            change(&mut earlier, ended);
        }
    }
    Some(Folded { latest, earlier })
}

/// The same for samples of one reeving that say nothing notable: sums, with no question asked of a single sample. `None`
/// if they turn out to be others.
#[inline]
fn fold_plain(first: Sample, rest: &[Sample], rules: &Rules) -> Option<Stretch> {
    // No sum leaves its bits then, whatever the levels are.
    let readings = u32::try_from(rest.len() + 1).ok()?;
    u32::try_from(rest.last().unwrap_or(&first).at_ms.checked_sub(first.at_ms)?).ok()?;
    let (mut weighted, mut ratio_ms, mut changed) = (0, 0, 0);
    let (mut least, mut max, mut last) = (first, first, first);
    for sample in rest {
        let for_ms = (sample.at_ms - last.at_ms).min(rules.max_gap_ms);
        weighted += i64::from(last.level().raw()) * for_ms;
        ratio_ms += for_ms;
        changed |= sample.says ^ first.says;
        least = if sample.says < least.says { *sample } else { least };
        max = if sample.says > max.says { *sample } else { max };
        last = *sample;
    }
    let plain = changed as u8 == 0 && rules.is_plain(least.level()) && rules.is_plain(max.level());
    plain.then(|| Stretch {
        first_ms: first.at_ms,
        last_ms: last.at_ms,
        weighted,
        notable: Notable::default(),
        ratio_ms: ratio_ms as u32,
        readings,
        max: max.level(),
        max_after_ms: (max.at_ms - first.at_ms) as u32,
        last: last.level(),
        reeving: first.reeving(),
    })
}

impl OverloadPart {
    /// Adds a reading to an open pane.
    #[inline]
    pub(super) fn add(&mut self, sample: Sample) -> Verdict {
        match &mut self.0 {
            Pane::Open { last_ms, samples } if *last_ms < sample.at_ms => {
                *last_ms = sample.at_ms;
                samples.push(sample);
                Verdict::Applied
            }
            Pane::Open { samples, .. } => insert(samples, sample),
            Pane::Empty => {
                let mut samples = Vec::with_capacity(FIRST_ROOM);
                samples.push(sample);
                self.0 = Pane::Open { last_ms: sample.at_ms, samples };
                Verdict::Applied
            }
            Pane::Shut(_) => Verdict::Late,
        }
    }

    /// Folds the samples. Leaves the room that they took to `spare`, a pane without readings.
    #[inline]
    pub(super) fn shut(&mut self, spare: &mut OverloadPart, rules: &Rules) {
        let Pane::Open { samples, .. } = &mut self.0 else { return };
        let mut room = std::mem::take(samples);
        self.0 = fold(&room, rules).map_or(Pane::Empty, Pane::Shut);
        room.clear();
        spare.0 = Pane::Open { last_ms: i64::MIN, samples: room };
    }

    /// The pane as if it were shut.
    pub(super) fn folded(&self, rules: &Rules) -> Option<Cow<'_, Folded>> {
        match &self.0 {
            Pane::Empty => None,
            Pane::Open { samples, .. } => fold(samples, rules).map(Cow::Owned),
            Pane::Shut(folded) => Some(Cow::Borrowed(folded)),
        }
    }

    #[inline(always)]
    pub(super) fn append(&mut self, next: &OverloadPart, rules: &Rules) {
        match (&mut self.0, &next.0) {
            (Pane::Shut(all), Pane::Shut(next)) => all.append(next, rules),
            _ => self.append_open(next, rules),
        }
    }

    /// As [`append`](Self::append), where one of them is not shut.
    #[cold]
    fn append_open(&mut self, next: &OverloadPart, rules: &Rules) {
        self.shut(&mut OverloadPart::default(), rules);
        match (&mut self.0, &next.0) {
            (_, Pane::Empty) => {}
            (Pane::Shut(all), Pane::Shut(next)) => all.append(next, rules),
            (Pane::Shut(all), Pane::Open { samples, .. }) => {
                // A fold of its own, so that how an open pane is merged depends on its samples alone.
                if let Some(next) = fold(samples, rules) {
                    all.append(&next, rules);
                }
            }
            (Pane::Empty | Pane::Open { .. }, next) => self.0 = next.clone(),
        }
    }

    /// The last reading: when, what it says, and its reeving.
    pub(super) fn last(&self) -> Option<(i64, Level, u8)> {
        match &self.0 {
            Pane::Empty => None,
            Pane::Open { samples, .. } => samples.last().map(|last| (last.at_ms, last.level(), last.reeving())),
            Pane::Shut(folded) => Some((folded.latest.last_ms, folded.latest.last, folded.latest.reeving)),
        }
    }
}

/// Inserts a reading that is not later than the last; most belong near the end.
#[cold]
fn insert(samples: &mut Vec<Sample>, sample: Sample) -> Verdict {
    let after = samples.iter().rev().take_while(|known| **known > sample).count();
    let at = samples.len() - after;
    if at > 0 && samples.get(at - 1) == Some(&sample) {
        return Verdict::Duplicate;
    }
    samples.insert(at, sample);
    Verdict::Applied
}
