//! How often the power of a building was lost.

use watchfire_engine::rkyv;

use super::{Ails, News, Troubles};

const DAY_MS: i64 = 86_400_000;

/// Of no more losses than so many anybody is told.
const LOSSES_MAX: usize = 32;

/// So many words of lifts wait for those before them at most; of more the oldest counts at once.
const WAITING_MAX: usize = 256;

#[derive(Clone, Debug, Default, PartialEq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
#[rkyv(crate = rkyv)]
pub(super) struct Power {
    /// What was told, rising: lifts tell it at once, and so out of order.
    waiting: Vec<i64>,
    /// When the power was lost, and when that was told last, rising.
    losses: Vec<(i64, i64)>,
    /// Too many were told, the first of them then.
    poor: Option<(u32, i64)>,
}

impl Power {
    pub(super) fn lost(&mut self, at_ms: i64) {
        if let Err(place) = self.waiting.binary_search(&at_ms) {
            self.waiting.insert(place, at_ms);
        }
    }

    /// Counts all up to the watermark. Nothing is forgotten by a clock that is ahead of ours.
    pub(super) fn settle(&mut self, config: &Troubles, (watermark_ms, now_ms): (i64, i64), told: &mut Vec<News>) {
        let by_now = self.waiting.partition_point(|at_ms| *at_ms <= watermark_ms);
        let over = self.waiting.len().saturating_sub(WAITING_MAX);
        for at_ms in self.waiting.drain(..by_now.max(over)).collect::<Vec<_>>() {
            self.recover(config, at_ms.min(now_ms), told);
            let is_of = |(from_ms, last_ms): &&mut (i64, i64)| {
                let near_ms = from_ms.saturating_sub(config.joined_ms)..=last_ms.saturating_add(config.joined_ms);
                near_ms.contains(&at_ms)
            };
            match self.losses.iter_mut().find(is_of) {
                Some((from_ms, last_ms)) => (*from_ms, *last_ms) = ((*from_ms).min(at_ms), (*last_ms).max(at_ms)),
                None => {
                    let place = self.losses.partition_point(|(from_ms, _)| *from_ms < at_ms);
                    self.losses.insert(place, (at_ms, at_ms));
                }
            }
            if self.losses.len() > LOSSES_MAX {
                self.losses.remove(0);
            }
            let count = self.losses.len() as u32;
            if self.poor.is_none() && self.losses.len() >= most(config) {
                let from_ms = self.losses.first().map_or(at_ms, |(from_ms, _)| *from_ms);
                self.poor = Some((count, from_ms));
                told.push(News { from_ms, at_ms, over: false, ails: Ails::PowerPoor { losses: count } });
            }
        }
    }

    /// Forgets what is older than anybody counts.
    pub(super) fn recover(&mut self, config: &Troubles, now_ms: i64, told: &mut Vec<News>) {
        while let Some(gone_ms) = self.gone_ms(config).filter(|gone_ms| *gone_ms <= now_ms) {
            self.losses.remove(0);
            if let Some((losses, from_ms)) = self.poor.filter(|_| self.losses.len() < most(config)) {
                self.poor = None;
                told.push(News { from_ms, at_ms: gone_ms, over: true, ails: Ails::PowerPoor { losses } });
            }
        }
    }

    /// When the oldest counts no more.
    fn gone_ms(&self, config: &Troubles) -> Option<i64> {
        let (from_ms, _) = self.losses.first()?;
        Some(from_ms.saturating_add(i64::from(config.losses_days.max(1)) * DAY_MS))
    }

    /// The next event time at which there is something to do.
    pub(super) fn due_ms(&self, config: &Troubles) -> Option<i64> {
        let waits_ms = self.waiting.first().copied();
        let over_ms = self.gone_ms(config).filter(|_| self.poor.is_some());
        waits_ms.into_iter().chain(over_ms).min()
    }
}

fn most(config: &Troubles) -> usize {
    (config.losses.max(1) as usize).min(LOSSES_MAX)
}
