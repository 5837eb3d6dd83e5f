//! What pulse is usual of a person: at a time of day while they rest, and after so many steps.

use watchfire_engine::rkyv;

use super::gait::{AT_REST, LEVELS};

/// A period is so long.
pub(super) const PERIOD_MINUTES: i64 = 120;

/// Periods a day.
const A_DAY: i64 = 1_440 / PERIOD_MINUTES;

/// So many minutes of a level make a period worth remembering.
const MINUTES_MIN: usize = 10;

/// At rest: so many periods of the same time of day, or of any, are enough.
const SAME_TIME_MIN: usize = 9;
const ANY_TIME_MIN: usize = 3;

/// Of a level of walking so many periods are enough, and so many of the newest are kept.
const WALKING_MIN: usize = 5;
const WALKING_KEPT: usize = 12;

/// What is usual varies by so much at least, beats a minute.
const SPREAD_MIN: f32 = 2.0;

/// A median absolute deviation is so much of a standard deviation.
const SD_OF_MAD: f32 = 1.4826;

/// What is usual at a level.
#[derive(Clone, Copy, Debug, PartialEq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
#[rkyv(crate = rkyv)]
pub(super) struct Usual {
    pub(super) per_min: f32,
    pub(super) spread: f32,
}

/// The median and the median absolute deviation of some minutes, beats a minute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
#[rkyv(crate = rkyv)]
pub(super) struct Middle {
    /// 0 where there is none.
    median: u8,
    mad: u8,
}

/// The median of a level of walking in a period.
#[derive(Clone, Copy, Debug, PartialEq, Eq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
#[rkyv(crate = rkyv)]
struct Walking {
    /// After the first that is kept.
    period: u16,
    level: u8,
    is: Middle,
}

/// What each period of the last weeks was like, in two bytes a period.
#[derive(Clone, Debug, Default, PartialEq, Eq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
#[rkyv(crate = rkyv)]
pub(super) struct Habit {
    /// The first period, since 1970-01-01 UTC.
    first: i64,
    /// At rest, period after period.
    rest: Vec<Middle>,
    /// By period.
    walking: Vec<Walking>,
}

/// The median of some numbers, in any order; 0 of none.
fn median(of: &mut [u8]) -> f32 {
    if of.is_empty() {
        return 0.0;
    }
    let is_even = of.len().is_multiple_of(2);
    let (below, upper, _) = of.select_nth_unstable(of.len() / 2);
    let lower = below.iter().max().filter(|_| is_even).unwrap_or(upper);
    f32::midpoint(f32::from(*lower), f32::from(*upper))
}

impl Middle {
    /// Of pulses, if they are enough.
    pub(super) fn of(pulses: &mut [u8]) -> Option<Middle> {
        if pulses.len() < MINUTES_MIN {
            return None;
        }
        let is = median(pulses).round();
        pulses.iter_mut().for_each(|of| *of = (f32::from(*of) - is).abs() as u8);
        Some(Middle { median: is as u8, mad: median(pulses).round() as u8 })
    }
}

/// What is usual by what periods were like.
fn usual(medians: &mut [u8], mads: &mut [u8]) -> Usual {
    let per_min = median(medians);
    let within = SD_OF_MAD * median(mads);
    // Twice as fine as the medians, which are halves.
    medians.iter_mut().for_each(|of| *of = (2.0 * (f32::from(*of) - per_min)).abs().min(255.0) as u8);
    let between = SD_OF_MAD * median(medians) / 2.0;
    Usual { per_min, spread: within.hypot(between).max(SPREAD_MIN) }
}

/// Medians and deviations of periods.
#[derive(Default)]
struct Gathered {
    medians: Vec<u8>,
    mads: Vec<u8>,
}

impl Gathered {
    fn push(&mut self, is: Middle) {
        self.medians.push(is.median);
        self.mads.push(is.mad);
    }

    fn usual(mut self, min: usize) -> Option<Usual> {
        (self.medians.len() >= min).then(|| usual(&mut self.medians, &mut self.mads))
    }
}

impl Habit {
    /// What a period at rest takes.
    #[cfg(test)]
    pub(super) const PERIOD_BYTES: usize = size_of::<Middle>();

    /// Takes in what a period was like, level by level, after all that were before it.
    pub(super) fn put(&mut self, period: i64, is: [Option<Middle>; LEVELS]) {
        self.forget_from(period);
        if self.rest.is_empty() {
            self.first = period;
        }
        let nth = (period - self.first).clamp(0, i64::from(u16::MAX)) as usize;
        if nth >= self.rest.capacity() {
            self.rest.reserve_exact(nth + 1 + A_DAY as usize - self.rest.len());
        }
        self.rest.resize(nth, Middle::default());
        self.rest.push(is[AT_REST].unwrap_or_default());
        for (level, is) in is.into_iter().enumerate().skip(1) {
            if let Some(is) = is {
                if self.walking.len() == self.walking.capacity() {
                    self.walking.reserve_exact(LEVELS);
                }
                self.walking.push(Walking { period: nth as u16, level: level as u8, is });
            }
        }
    }

    /// Forgets what periods from one on were like.
    pub(super) fn forget_from(&mut self, period: i64) {
        let nth = (period - self.first).clamp(0, self.rest.len() as i64) as usize;
        self.rest.truncate(nth);
        let kept = self.walking.partition_point(|of| usize::from(of.period) < nth);
        self.walking.truncate(kept);
    }

    /// Forgets what is not needed from a period on, which those after it may yet be corrected from.
    pub(super) fn settle(&mut self, period: i64, days: u16) {
        let old = (period - i64::from(days) * A_DAY - self.first).clamp(0, self.rest.len() as i64) as usize;
        self.rest.drain(..old);
        self.first += old as i64;
        let settled = (period - self.first).clamp(0, i64::from(u16::MAX)) as u16;
        let mut later = [0; LEVELS];
        for nth in (0..self.walking.len()).rev() {
            let of = self.walking[nth];
            let Some(after) = of.period.checked_sub(old as u16) else {
                self.walking.remove(nth);
                continue;
            };
            let count = &mut later[usize::from(of.level)];
            *count += usize::from(after < settled);
            if *count > WALKING_KEPT {
                self.walking.remove(nth);
            } else {
                self.walking[nth].period = after;
            }
        }
    }

    /// What is usual in a period, level by level, by those of so many days before it.
    pub(super) fn usual(&self, period: i64, days: u16) -> [Option<Usual>; LEVELS] {
        let from = (period - i64::from(days) * A_DAY - self.first).clamp(0, self.rest.len() as i64) as usize;
        let until = (period - self.first).clamp(from as i64, self.rest.len() as i64) as usize;
        let mut all = [None; LEVELS];
        all[AT_REST] = self.at_rest(period, from..until);
        for level in 1..LEVELS {
            let mut gathered = Gathered::default();
            let of_level = self
                .walking
                .iter()
                .rev()
                .filter(|of| usize::from(of.level) == level && (from..until).contains(&usize::from(of.period)));
            of_level.take(WALKING_KEPT).for_each(|of| gathered.push(of.is));
            // Of somebody who is hardly ever seen to walk so much: as after less, and after a rest by so much more.
            all[level] = gathered.usual(WALKING_MIN).or_else(|| {
                let lower = all[level - 1]?;
                let from_rest = Usual { per_min: lower.per_min + 10.0, spread: lower.spread * 1.5 };
                Some(if level == 1 { from_rest } else { lower })
            });
        }
        all
    }

    /// At rest: by periods of the same time of day and those beside it, or by all if they are too few.
    fn at_rest(&self, period: i64, kept: std::ops::Range<usize>) -> Option<Usual> {
        let (mut same_time, mut any_time) = (Gathered::default(), Gathered::default());
        let begins = self.first + kept.start as i64 - period;
        for (is, after) in self.rest[kept].iter().zip(begins..).filter(|(is, _)| is.median > 0) {
            any_time.push(*is);
            if (after + 1).rem_euclid(A_DAY) <= 2 {
                same_time.push(*is);
            }
        }
        same_time.usual(SAME_TIME_MIN).or_else(|| any_time.usual(ANY_TIME_MIN))
    }
}
