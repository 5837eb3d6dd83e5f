//! In which quarters of an hour somebody was heard of.

use watchfire_engine::rkyv;

/// The length of a slot.
pub(super) const SLOT_MS: i64 = 900_000;

/// A bit a slot: heard once or often, in whatever order, it is the same.
#[derive(Clone, Debug, Default, PartialEq, Eq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
#[rkyv(crate = rkyv)]
pub(super) struct Slots {
    /// The slot of the first bit, since 1970-01-01 UTC: a multiple of 64.
    first: i64,
    words: Vec<u64>,
}

impl Slots {
    /// Takes in that somebody was heard in a slot that is not before those that were forgotten.
    pub(super) fn set(&mut self, slot: i64) {
        let word = slot.div_euclid(64) * 64;
        if self.words.is_empty() {
            self.first = word;
        }
        if let Some(more) = usize::try_from((self.first - word) / 64).ok().filter(|more| *more > 0) {
            self.words.splice(..0, std::iter::repeat_n(0, more));
            self.first = word;
        }
        let nth = ((word - self.first) / 64) as usize;
        if nth >= self.words.len() {
            self.words.reserve_exact(nth + 1 - self.words.len());
            self.words.resize(nth + 1, 0);
        }
        self.words[nth] |= 1 << slot.rem_euclid(64);
    }

    fn is_set(&self, slot: i64) -> bool {
        let nth = usize::try_from((slot - self.first).div_euclid(64)).ok();
        nth.and_then(|nth| self.words.get(nth)).is_some_and(|word| word >> slot.rem_euclid(64) & 1 == 1)
    }

    /// In how many of the slots from one to before another, and the longest run of those in which not, between two in which.
    pub(super) fn share_and_gap(&self, from: i64, until: i64) -> (i64, i64) {
        let (mut heard, mut gap, mut last) = (0, 0, None);
        for slot in (from.max(self.first)..until).filter(|slot| self.is_set(*slot)) {
            heard += 1;
            gap = gap.max(last.map_or(0, |last| slot - last - 1));
            last = Some(slot);
        }
        (heard, gap)
    }

    /// The first in which somebody was heard.
    pub(super) fn oldest(&self) -> Option<i64> {
        let nth = self.words.iter().position(|word| *word != 0)?;
        Some(self.first + nth as i64 * 64 + i64::from(self.words[nth].trailing_zeros()))
    }

    /// Forgets those before a slot, 64 at a time.
    pub(super) fn forget_before(&mut self, slot: i64) {
        let words = ((slot - self.first).div_euclid(64)).clamp(0, self.words.len() as i64) as usize;
        self.words.drain(..words);
        self.first += words as i64 * 64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_heard_or_not() {
        let mut slots = Slots::default();
        [-3, 200, 70, 70, 71].into_iter().for_each(|slot| slots.set(slot));
        assert_eq!(slots.share_and_gap(-100, 300), (4, 128));
        assert_eq!(slots.share_and_gap(70, 200), (2, 0), "what is open at either end is no gap");
        assert_eq!(slots.oldest(), Some(-3));
        slots.forget_before(70);
        assert_eq!((slots.oldest(), slots.share_and_gap(-100, 300)), (Some(70), (3, 128)));
        slots.forget_before(10_000);
        assert_eq!((slots.oldest(), slots.share_and_gap(0, 20_000)), (None, (0, 0)));
        slots.set(5);
        assert_eq!(slots.oldest(), Some(5));
    }
}
