//! What is usual of a sign at a floor, in a direction.

use watchfire_engine::rkyv;

use super::WearSign;

/// So many places are known of a lift.
const PLACES_MAX: usize = 4_096;

/// More places than a lift has: what counts its floors is broken.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct TooMany;

/// How far off anything counts, standard deviations: a single wild value does not make a day.
const FAR: f64 = 8.0;

/// How much the newest value counts in what is so lately.
const NEWEST: f32 = 0.1;

#[derive(Clone, Debug, PartialEq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
#[rkyv(crate = rkyv)]
pub(super) enum Usual {
    /// Too few are known.
    First(Vec<f32>),
    Known {
        median: f32,
        /// A standard deviation, by the MAD.
        sd: f32,
        /// What it is lately.
        lately: f32,
    },
}

/// A sign, the floor (or over how many floors), and whether it was upward.
pub(super) type PlaceOf = (WearSign, i16, bool);

/// All that is usual of a lift, rising by place.
#[derive(Clone, Debug, Default, PartialEq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
#[rkyv(crate = rkyv)]
pub(super) struct Places {
    all: Vec<(PlaceOf, Usual)>,
}

/// The median of values, which are some.
fn median(values: &mut [f32]) -> f32 {
    values.sort_unstable_by(f32::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { f32::midpoint(values[middle - 1], values[middle]) }
}

impl Places {
    /// How far a value is off what is usual there, standard deviations, as far as anything counts; and the value itself, no further than that from what it is lately. Nothing while the first `first`
    /// values are gathered.
    pub(super) fn off(&mut self, place: PlaceOf, value: f64, first: usize) -> Result<Option<(f64, f64)>, TooMany> {
        let (sign, ..) = place;
        let at = match self.all.binary_search_by_key(&place, |(of, _)| *of) {
            Ok(at) => at,
            Err(_) if self.all.len() >= PLACES_MAX => return Err(TooMany),
            Err(at) => {
                self.all.insert(at, (place, Usual::First(Vec::new())));
                at
            }
        };
        Ok(match &mut self.all[at].1 {
            Usual::First(values) => {
                values.push(value as f32);
                if values.len() >= first.max(2) {
                    let of = median(values);
                    values.iter_mut().for_each(|value| *value = (*value - of).abs());
                    let sd = (1.4826 * median(values)).max(sign.noise() as f32);
                    self.all[at].1 = Usual::Known { median: of, sd, lately: of };
                }
                None
            }
            Usual::Known { median, sd, lately } => {
                let (usual, sd) = (f64::from(*median), f64::from(*sd));
                // What it is may drift further away than counts, but no value is believed to be far from those before.
                let value = value.clamp(f64::from(*lately) - FAR * sd, f64::from(*lately) + FAR * sd);
                *lately += NEWEST * (value as f32 - *lately);
                Some((((value - usual) / sd).clamp(-FAR, FAR), value))
            }
        })
    }

    /// Where a sign is furthest off lately: the place, what it is there, and what is usual.
    pub(super) fn furthest(&self, sign: WearSign) -> Option<(i16, bool, f64, f64)> {
        let from = self.all.partition_point(|((of, ..), _)| *of < sign);
        let of_sign = self.all[from..].iter().take_while(|((of, ..), _)| *of == sign);
        let known = of_sign.filter_map(|((_, place, upward), usual)| match usual {
            Usual::First(_) => None,
            Usual::Known { median, sd, lately } => {
                let off = (lately - median) / sd;
                let off = if sign.both_sides() { off.abs() } else { off };
                Some((off, (*place, *upward, f64::from(*lately), f64::from(*median))))
            }
        });
        known.max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, found)| found)
    }

    /// What is usual of a sign goes so much of the way to what is so lately.
    pub(super) fn follow(&mut self, sign: WearSign, share: f32) {
        for (_, usual) in self.all.iter_mut().filter(|((of, ..), _)| *of == sign) {
            if let Usual::Known { median, lately, .. } = usual {
                *median += share * (*lately - *median);
            }
        }
    }

    /// What was usual of a sign is not any more.
    pub(super) fn forget(&mut self, sign: WearSign) {
        self.all.retain(|((of, ..), _)| *of != sign);
    }
}
