//! What was told of each minute, whatever came twice or in another order.

use watchfire_engine::rkyv;

/// The length of a minute.
pub(super) const MINUTE_MS: i64 = 60_000;

/// Steps are kept by this module: a counter tells them apart by what is left.
const STEPS_KEPT: u32 = 65_535;

/// What was told of one minute. Two of one minute become one by taking the greater of each byte and number, so that order and repetition make no difference.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
#[rkyv(crate = rkyv)]
pub(super) struct Minute {
    /// 255 less the lowest pulse; 0 if none is known.
    under: u8,
    /// The highest pulse.
    highest: u8,
    /// Put on or taken off last: 128, twice the second, and 1 if put on; 0 if neither was told.
    wear: u8,
    /// 1 more than the highest that the counter of steps came to, low byte first; 0 if it was not told.
    steps: [u8; 2],
}

impl Minute {
    /// A pulse that somebody can have.
    pub(super) fn of_pulse(per_min: u16) -> Self {
        let per_min = per_min.clamp(1, 254) as u8;
        Minute { under: 255 - per_min, highest: per_min, ..Minute::default() }
    }

    pub(super) fn of_steps(total: u32) -> Self {
        Minute { steps: ((total % STEPS_KEPT + 1) as u16).to_le_bytes(), ..Minute::default() }
    }

    /// Put on, or taken off, in a second of the minute.
    pub(super) fn of_wear(second: i64, is_on: bool) -> Self {
        Minute { wear: 128 | (second.clamp(0, 59) as u8) << 1 | u8::from(is_on), ..Minute::default() }
    }

    /// Both.
    fn and(self, other: Minute) -> Minute {
        let steps = u16::from_le_bytes(self.steps).max(u16::from_le_bytes(other.steps));
        Minute {
            under: self.under.max(other.under),
            highest: self.highest.max(other.highest),
            wear: self.wear.max(other.wear),
            steps: steps.to_le_bytes(),
        }
    }

    /// The lowest and the highest pulse.
    pub(super) fn pulse(self) -> Option<(u8, u8)> {
        (self.highest > 0).then_some((255 - self.under, self.highest))
    }

    /// Whether it was on at the end of the minute, if that was told in it.
    pub(super) fn is_on(self) -> Option<bool> {
        (self.wear > 0).then_some(self.wear & 1 == 1)
    }

    /// What is left of the counter of steps.
    pub(super) fn steps(self) -> Option<u16> {
        u16::from_le_bytes(self.steps).checked_sub(1)
    }
}

/// Nobody walks more steps a minute.
const STEPS_MAX: i32 = 300;

/// Steps between two of what is left of the counter, so many minutes apart: one that went backwards has begun anew, and one that leaps is of another band.
pub(super) fn steps_between(before: u16, after: u16, minutes: u8) -> u16 {
    let possible = 0..=(STEPS_MAX * i32::from(minutes)).min(STEPS_KEPT as i32 / 2);
    let counted = (i32::from(after) - i32::from(before)).rem_euclid(STEPS_KEPT as i32);
    [counted, i32::from(after)].into_iter().find(|steps| possible.contains(steps)).unwrap_or_default() as u16
}

/// Minutes in a row.
#[derive(Clone, Debug, Default, PartialEq, Eq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
#[rkyv(crate = rkyv)]
pub(super) struct Minutes {
    /// The first, since 1970-01-01 UTC.
    first: i64,
    all: Vec<Minute>,
}

impl Minutes {
    /// Vectors grow by so many: doubled they would take twice what is needed.
    const MORE: usize = 32;

    pub(super) fn first(&self) -> i64 {
        self.first
    }

    /// The minute after the last.
    pub(super) fn end(&self) -> i64 {
        self.first + self.all.len() as i64
    }

    /// One that nothing was told of, if it is not kept.
    pub(super) fn get(&self, minute: i64) -> Minute {
        usize::try_from(minute - self.first).ok().and_then(|n| self.all.get(n)).copied().unwrap_or_default()
    }

    /// Those from one minute to before another, as far as they are kept.
    pub(super) fn between(&self, from: i64, until: i64) -> &[Minute] {
        let at = |minute: i64| (minute - self.first).clamp(0, self.all.len() as i64) as usize;
        &self.all[at(from)..at(until).max(at(from))]
    }

    /// Begins anew with a minute.
    pub(super) fn begin(&mut self, first: i64) {
        self.all.clear();
        self.first = first;
    }

    /// Puts minutes of which nothing was told before the first.
    pub(super) fn reach_back(&mut self, first: i64) {
        if let Some(more) = usize::try_from(self.first - first).ok().filter(|more| *more > 0) {
            self.all.splice(..0, std::iter::repeat_n(Minute::default(), more));
            self.first = first;
        }
    }

    /// Takes in what is told of a minute that is not before the first; whether anything has become another.
    pub(super) fn tell(&mut self, minute: i64, told: Minute) -> bool {
        let nth = usize::try_from(minute - self.first).unwrap_or_default();
        if nth >= self.all.len() {
            if nth >= self.all.capacity() {
                self.all.reserve_exact(nth + Self::MORE - self.all.len());
            }
            self.all.resize(nth + 1, Minute::default());
        }
        let is = self.all[nth].and(told);
        std::mem::replace(&mut self.all[nth], is) != is
    }

    /// Forgets those before a minute.
    pub(super) fn forget_before(&mut self, first: i64) {
        let count = (first - self.first).clamp(0, self.all.len() as i64) as usize;
        self.all.drain(..count);
        self.first = self.first.max(first);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minutes_take_five_bytes_and_order_and_repetition_make_no_difference() {
        assert_eq!(size_of::<Minute>(), 5);
        let told = [
            Minute::of_pulse(72),
            Minute::of_pulse(80),
            Minute::of_steps(70_000),
            Minute::of_wear(3, true),
            Minute::of_wear(2, false),
        ];
        let all = |order: &[usize]| order.iter().fold(Minute::default(), |of, n| of.and(told[*n]));
        let is = all(&[0, 1, 2, 3, 4]);
        assert_eq!((is.pulse(), is.is_on(), is.steps()), (Some((72, 80)), Some(true), Some(4_465)));
        assert_eq!(all(&[4, 3, 2, 1, 0, 0, 2, 4]), is);
    }

    #[test]
    fn a_counter_that_goes_backwards_has_begun_anew() {
        let of = [(3, 10, 1), (65_530, 4, 1), (9_000, 40, 1), (40, 40, 1), (40, 4_540, 15), (34_000, 300, 1)];
        assert_eq!(of.map(|(before, after, minutes)| steps_between(before, after, minutes)), [7, 9, 40, 0, 4_500, 300]);
        assert_eq!([(40, 9_000), (9_000, 8_000)].map(|(before, after)| steps_between(before, after, 20)), [0, 0]);
    }
}
