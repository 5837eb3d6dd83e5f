//! What was told of a person over a stretch of time, at the resolution of the chart.

use watchfire_engine::rkyv;

use super::Vital;
use super::chart::Charted;

/// What there is an entry of at an instant: one of the seven, in their order, or the scale.
pub(super) const SLOTS: usize = 8;

/// The place of the scale.
pub(super) const SCALE: usize = 7;

/// Which of the seven it is; none of the scale.
pub(super) fn vital_of(slot: usize) -> Option<Vital> {
    Vital::ALL.get(slot).copied()
}

/// What was told last of one slot, and when.
#[derive(Clone, Copy, PartialEq, Eq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
#[rkyv(crate = rkyv)]
pub(super) struct Standing {
    pub(super) at_ms: i64,
    pub(super) is: Charted,
}

/// What was told last of each slot.
pub(super) type Standings = [Option<Standing>; SLOTS];

/// What is told of each slot of one instant.
pub(super) type Told = [Option<Charted>; SLOTS];

/// What is told, in 8 bytes: there are thousands of them of each person.
#[derive(Clone, Copy, PartialEq, Eq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
#[rkyv(crate = rkyv)]
struct Entry {
    /// After the first instant of the timeline.
    after_ms: u32,
    is: Charted,
    slot: u8,
}

/// Everything that was told of a person from an instant on, and what stood before that.
#[derive(Clone, Default, PartialEq, Eq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
#[rkyv(crate = rkyv)]
pub(super) struct Timeline {
    base_ms: i64,
    before: Standings,
    /// In the order of time, those of an instant in that of slots.
    entries: Vec<Entry>,
}

impl Timeline {
    /// What an entry takes.
    #[cfg(test)]
    pub(super) const ENTRY_BYTES: usize = size_of::<Entry>();

    /// Entries are no farther apart than this.
    const SPAN_MAX_MS: i64 = u32::MAX as i64;

    /// What is to be kept is no older than this.
    pub(super) const KEEP_MAX_MS: i64 = Self::SPAN_MAX_MS / 2;

    fn at_ms(&self, entry: &Entry) -> i64 {
        self.base_ms.saturating_add(i64::from(entry.after_ms))
    }

    /// The first entry from an instant on.
    fn from(&self, at_ms: i64) -> usize {
        match u32::try_from(at_ms.saturating_sub(self.base_ms)) {
            Ok(after_ms) => self.entries.partition_point(|entry| entry.after_ms < after_ms),
            Err(_) if at_ms < self.base_ms => 0,
            Err(_) => self.entries.len(),
        }
    }

    /// What stood at an instant, all of it told.
    pub(super) fn at(&self, at_ms: i64) -> Standings {
        let mut standings = Standings::default();
        let mut open = SLOTS;
        for entry in self.entries[..self.from(at_ms.saturating_add(1))].iter().rev() {
            let standing = &mut standings[usize::from(entry.slot)];
            if standing.is_none() {
                *standing = Some(Standing { at_ms: self.at_ms(entry), is: entry.is });
                open -= 1;
                if open == 0 {
                    return standings;
                }
            }
        }
        std::array::from_fn(|slot| standings[slot].or(self.before[slot]))
    }

    /// What of that which is told of an instant is not known yet. Of two of the same slot the graver one holds, whichever came first.
    pub(super) fn news(&self, at_ms: i64, told: Told) -> Told {
        let mut news = told;
        let of_instant = self.entries[self.from(at_ms)..].iter().take_while(|entry| self.at_ms(entry) == at_ms);
        for entry in of_instant {
            let slot = usize::from(entry.slot);
            news[slot] = news[slot].filter(|is| entry.is.graver(*is, vital_of(slot)) != entry.is);
        }
        news
    }

    /// Takes in [news](Timeline::news) of an instant that is not before the first one kept.
    pub(super) fn insert(&mut self, at_ms: i64, news: Told) {
        if self.entries.is_empty() {
            self.base_ms = at_ms;
        } else if at_ms < self.base_ms {
            self.rebase(at_ms);
        }
        let after_ms = at_ms.saturating_sub(self.base_ms).clamp(0, Self::SPAN_MAX_MS) as u32;
        for (slot, is) in news.into_iter().enumerate().filter_map(|(slot, is)| Some((slot as u8, is?))) {
            let order = |entry: &Entry| (entry.after_ms, entry.slot);
            match self.entries.last() {
                Some(last) if order(last) >= (after_ms, slot) => {
                    match self.entries.binary_search_by_key(&(after_ms, slot), order) {
                        Ok(n) => self.entries[n].is = is,
                        Err(n) => self.entries.insert(n, Entry { after_ms, is, slot }),
                    }
                }
                _ => self.entries.push(Entry { after_ms, is, slot }),
            }
        }
    }

    /// Entries from an instant on, in their order.
    pub(super) fn since(&self, at_ms: i64) -> impl Iterator<Item = (usize, Standing)> {
        let of = |entry: &Entry| (usize::from(entry.slot), Standing { at_ms: self.at_ms(entry), is: entry.is });
        self.entries[self.from(at_ms)..].iter().map(of)
    }

    /// When one of the slots that something is told of at an instant is told of again, of each of them: from then on that instant does not matter any more. None if some is not.
    pub(super) fn replaced_ms(&self, at_ms: i64, told: &Told) -> Option<i64> {
        let mut open = told.iter().flatten().count();
        let mut is_open = told.map(|is| is.is_some());
        for (slot, standing) in self.since(at_ms.saturating_add(1)) {
            if std::mem::take(&mut is_open[slot]) {
                open -= 1;
            }
            if open == 0 {
                return Some(standing.at_ms);
            }
        }
        None
    }

    /// Forgets what was told before an instant but for the last of each slot, when that is a quarter of all, or far away: so each entry is moved a few times and no more.
    pub(super) fn forget_before(&mut self, at_ms: i64) {
        let is_worth_it = self.entries.get(self.entries.len() / 4).is_some_and(|entry| self.at_ms(entry) < at_ms);
        let is_far = at_ms.saturating_sub(self.base_ms) > Self::KEEP_MAX_MS;
        if self.entries.is_empty() || !(is_worth_it || is_far) {
            return;
        }
        self.before = self.at(at_ms.saturating_sub(1));
        self.entries.drain(..self.from(at_ms));
        if let Some(first) = self.entries.first() {
            self.rebase(self.at_ms(first));
        }
    }

    fn rebase(&mut self, base_ms: i64) {
        let moved_ms = self.base_ms.saturating_sub(base_ms);
        for entry in &mut self.entries {
            entry.after_ms = (i64::from(entry.after_ms) + moved_ms).clamp(0, Self::SPAN_MAX_MS) as u32;
        }
        self.base_ms = base_ms;
    }
}
