//! What the last two hours were like, minute by minute, and whether something lasts.

use serde::{Deserialize, Serialize};
use watchfire_engine::rkyv;

use super::super::minute::Minute;
use super::super::{Evidence, Grade, Sign};
use super::PulseWatch;
use super::gait::{AT_REST, Gait, LEVELS};
use super::habit::{Middle, Usual};

/// For how long something must be so before anybody is troubled with it, minutes by the clock.
///
/// # Examples
/// ```
/// use watchfire_operators::wristband::{Lasting, PulseWatch};
/// let longer: Lasting = serde_json::from_str(r#"{"minutes":20,"share_pct":80,"known_pct":60,"known_minutes":20}"#)?;
/// assert!(longer.minutes > PulseWatch::default().call_back.minutes);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lasting {
    /// Of so many minutes, 1 to 128.
    pub minutes: u8,
    /// In so many of those in which a pulse is known, per cent, 1 to 100.
    pub share_pct: u8,
    /// And a pulse is known in so many, per cent, 1 to 100,
    pub known_pct: u8,
    /// of the last so many minutes, 1 to 128.
    pub known_minutes: u8,
}

/// The newest minutes, of so many.
fn newest(bits: u128, minutes: u8) -> u32 {
    let minutes = u32::from(minutes.clamp(1, 128));
    (bits << (128 - minutes)).count_ones()
}

impl Lasting {
    pub(super) fn is_in_bounds(&self) -> bool {
        let (minutes, pct) = (1..=128, 1..=100);
        [self.minutes, self.known_minutes].iter().all(|of| minutes.contains(of))
            && [self.share_pct, self.known_pct].iter().all(|of| pct.contains(of))
    }

    /// Whether it is so, by the minutes in which a pulse was known, and those in which it was so: the newest is the lowest bit.
    #[inline]
    fn holds(&self, known: u128, so: u128) -> bool {
        let (of, is_so) = (newest(known, self.minutes), newest(so, self.minutes));
        let known_minutes = self.known_minutes.clamp(1, 128);
        is_so > 0
            && is_so * 100 >= of * u32::from(self.share_pct.min(100))
            && newest(known, known_minutes) * 100 >= u32::from(known_minutes) * u32::from(self.known_pct.min(100))
    }
}

/// One of those that are told of pulses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
#[rkyv(crate = rkyv)]
pub(super) struct Onset {
    is_low: bool,
    is_urgent: bool,
    per_min: u8,
    /// 0 if nobody knows.
    usual_per_min: u8,
    at_rest: bool,
}

impl Onset {
    pub(super) fn sign(self) -> Sign {
        if self.is_low { Sign::PulseLow } else { Sign::PulseHigh }
    }

    pub(super) fn grade(self) -> Grade {
        if self.is_urgent { Grade::Urgent } else { Grade::CallBack }
    }

    pub(super) fn evidence(self) -> Evidence {
        let usual_per_min = Some(self.usual_per_min).filter(|of| *of > 0);
        Evidence::Pulse { per_min: self.per_min, usual_per_min, at_rest: self.at_rest }
    }
}

/// What is usual, level by level.
pub(super) type UsualOf = [Option<Usual>; LEVELS];

/// What of the minutes before one is needed to judge it.
#[derive(Clone, Copy, Debug, Default, PartialEq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
#[rkyv(crate = rkyv)]
pub(super) struct Run {
    gait: Gait,
    /// As it was when the period began.
    began: Gait,
    /// The newest is the lowest bit: a pulse was known, it was high, it was low.
    known: u128,
    high: u128,
    low: u128,
    /// Minutes since it lasted: high, high for longer, low; 0 if it never did.
    since: [u8; 3],
    /// In this period: minutes in which a pulse was known, and those in which it was known what is usual.
    known_minutes: u8,
    judged_minutes: u8,
}

impl Run {
    /// After days of which nothing is known.
    pub(super) fn long_after(&self) -> Self {
        let gait = self.gait.long_after();
        Run { gait, began: gait, ..Run::default() }
    }

    /// The next minute, and what it tells.
    #[inline]
    pub(super) fn next(&mut self, watch: &PulseWatch, usual: &UsualOf, minute: Minute, mut tell: impl FnMut(Onset)) {
        let (level, pulse) = self.gait.next(minute, watch.still_minutes());
        let usual = usual[level];
        let (is_high, is_low) = pulse.map_or((false, false), |(lowest, highest)| {
            (watch.is_high(lowest, level == AT_REST, usual), highest <= watch.low_per_min)
        });
        let (is_known, is_judged) = (pulse.is_some(), pulse.is_some() && usual.is_some());
        self.known = self.known << 1 | u128::from(is_known);
        self.high = self.high << 1 | u128::from(is_high);
        self.low = self.low << 1 | u128::from(is_low);
        self.known_minutes = self.known_minutes.saturating_add(is_known.into());
        self.judged_minutes = self.judged_minutes.saturating_add(is_judged.into());
        let of = [(&watch.call_back, false), (&watch.urgent, false), (&watch.low, true)];
        for (nth, (lasting, of_low)) in of.into_iter().enumerate() {
            let since = &mut self.since[nth];
            let so = if of_low { self.low } else { self.high };
            // A minute of which nothing is known tells of nobody: it only makes those before it fewer.
            let Some((lowest, highest)) = pulse.filter(|_| lasting.holds(self.known, so)) else {
                *since = if *since == 0 { 0 } else { since.saturating_add(1) };
                continue;
            };
            if *since == 0 || *since > watch.quiet_minutes.min(u8::MAX - 1) {
                let per_min = if of_low { highest } else { lowest };
                let usual_per_min = usual.map_or(0, |of| of.per_min.round() as u8);
                let (is_urgent, at_rest) = (nth > 0, level == AT_REST);
                tell(Onset { is_low: of_low, is_urgent, per_min, usual_per_min, at_rest });
            }
            *since = 1;
        }
    }

    /// A period is over: what it was like, level by level, and in how many of its minutes a pulse was known, and what is usual.
    pub(super) fn end_period(&mut self, minutes: &[Minute], rest_minutes: u8) -> ([Option<Middle>; LEVELS], (u8, u8)) {
        let (known, judged) = (std::mem::take(&mut self.known_minutes), std::mem::take(&mut self.judged_minutes));
        let mut gait = std::mem::replace(&mut self.began, self.gait);
        if known == 0 {
            return ([None; LEVELS], (0, 0));
        }
        let mut pulses: [Vec<u8>; LEVELS] = Default::default();
        for minute in minutes {
            if let (level, Some((lowest, highest))) = gait.next(*minute, rest_minutes) {
                pulses[level].push((u16::from(lowest) + u16::from(highest)).div_ceil(2) as u8);
            }
        }
        (pulses.map(|mut of| Middle::of(&mut of)), (known, judged))
    }
}
