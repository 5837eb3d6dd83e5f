//! What a plan costs.

use std::iter::Sum;
use std::ops::{Add, AddAssign, Neg, Sub};

use serde::{Deserialize, Serialize};

/// What a plan, or a part of one, costs: what stands first outweighs any amount of what follows. Costs add up place by place, to the most
/// that a place holds.
///
/// ```
/// use watchfire_operators::dispatch::Cost;
/// let seconds = Cost { rest_ms: 3_600_000, ..Cost::ZERO };
/// let nobody = Cost { first_unfilled: 1, ..Cost::ZERO };
/// assert!(seconds + seconds < nobody && nobody - nobody == Cost::ZERO);
/// ```
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    rkyv::Archive,
    rkyv::Serialize,
    rkyv::Deserialize,
)]
pub struct Cost {
    /// Orders of people that the plan does not keep.
    pub orders_broken: i64,
    /// Incidents to which nobody goes, by how grave they are.
    pub first_unfilled: i64,
    /// Until the first crews are there, milliseconds, and the prices of turning around crews that roll to be first elsewhere.
    pub first_ms: i64,
    /// Other slots that nobody fills, by how much they weigh.
    pub unfilled: i64,
    /// Until the other crews are there, milliseconds by the weight of their slot, and all prices: of turning around, and of areas that are left.
    pub rest_ms: i64,
    /// Between plans that cost the same: a number of the crew and the slot, so that the plan is always the same one.
    pub tie: i64,
}

impl Cost {
    /// Nothing.
    pub const ZERO: Cost = Cost { orders_broken: 0, first_unfilled: 0, first_ms: 0, unfilled: 0, rest_ms: 0, tie: 0 };

    fn zip(self, other: Cost, each: impl Fn(i64, i64) -> i64) -> Cost {
        Cost {
            orders_broken: each(self.orders_broken, other.orders_broken),
            first_unfilled: each(self.first_unfilled, other.first_unfilled),
            first_ms: each(self.first_ms, other.first_ms),
            unfilled: each(self.unfilled, other.unfilled),
            rest_ms: each(self.rest_ms, other.rest_ms),
            tie: each(self.tie, other.tie),
        }
    }

    /// Whether no place is farther from zero than the same place of another.
    pub(super) fn within(&self, most: &Cost) -> bool {
        let place = |of: fn(&Cost) -> i64| of(self).unsigned_abs() <= of(most).unsigned_abs();
        place(|cost| cost.orders_broken)
            && place(|cost| cost.first_unfilled)
            && place(|cost| cost.first_ms)
            && place(|cost| cost.unfilled)
            && place(|cost| cost.rest_ms)
            && place(|cost| cost.tie)
    }

    /// The number by which a crew and a slot are told apart where nothing else does: 32 bits that look drawn, so that no two plans of real size
    /// have the same sum but by a chance of one in millions; it depends on nothing but the two.
    #[must_use]
    pub fn tie_of(crew: u64, slot: u64) -> i64 {
        use watchfire_engine::Key;
        ((crew, slot).stable_hash() >> 32) as i64
    }
}

impl Add for Cost {
    type Output = Cost;

    #[inline]
    fn add(self, other: Cost) -> Cost {
        self.zip(other, i64::saturating_add)
    }
}

impl AddAssign for Cost {
    fn add_assign(&mut self, other: Cost) {
        *self = *self + other;
    }
}

impl Sub for Cost {
    type Output = Cost;

    #[inline]
    fn sub(self, other: Cost) -> Cost {
        self.zip(other, i64::saturating_sub)
    }
}

impl Neg for Cost {
    type Output = Cost;

    fn neg(self) -> Cost {
        Cost::ZERO - self
    }
}

impl Sum for Cost {
    fn sum<I: Iterator<Item = Cost>>(costs: I) -> Cost {
        costs.fold(Cost::ZERO, Cost::add)
    }
}

/// What a search adds up and compares costs as.
pub(super) trait Amount: Copy + Ord + Add<Output = Self> + Sub<Output = Self> {
    fn of(cost: Cost) -> Self;
}

impl Amount for Cost {
    fn of(cost: Cost) -> Self {
        cost
    }
}

/// Bits of the places of a [`Packed`]; those that lead a word have what is left of it.
const FIRST_UNFILLED_BITS: u32 = 30;
const FIRST_MS_BITS: u32 = 50;
const REST_MS_BITS: u32 = 48;
const TIE_BITS: u32 = 42;

/// A cost in two words, three places in each, which add up and compare as the cost does while no place overflows into the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Packed(i128, i128);

impl Packed {
    /// The most that may stand in each place of every cost, of either sign, so that assignments of so many slots compare as their costs do
    /// and no sum of a search overflows. 128 slots may cost all that a plan lets a slot cost.
    ///
    /// An assignment costs one pair and one price a slot, so two of them differ in a place by at most 4 times slots what may stand there: less
    /// than one of the place before. A search adds up no more than 16 times (slots + 1) costs: each chain of changes passes a slot once, and a
    /// potential is the difference of two chains.
    pub(super) fn most(slots: usize) -> Cost {
        let slots = slots.max(1) as i64;
        let below = |bits: u32| ((1_i64 << bits) - 1) / (4 * slots);
        let leads = |bits: u32| (1_i64 << (126 - bits).min(62)) / (16 * (slots + 1)) - 1;
        Cost {
            orders_broken: leads(FIRST_UNFILLED_BITS + FIRST_MS_BITS),
            first_unfilled: below(FIRST_UNFILLED_BITS),
            first_ms: below(FIRST_MS_BITS),
            unfilled: leads(REST_MS_BITS + TIE_BITS),
            rest_ms: below(REST_MS_BITS),
            tie: below(TIE_BITS),
        }
    }
}

impl Amount for Packed {
    fn of(cost: Cost) -> Self {
        let word = |places: [(i64, u32); 3]| places.iter().map(|(place, bits)| i128::from(*place) << bits).sum();
        Packed(
            word([
                (cost.orders_broken, FIRST_UNFILLED_BITS + FIRST_MS_BITS),
                (cost.first_unfilled, FIRST_MS_BITS),
                (cost.first_ms, 0),
            ]),
            word([(cost.unfilled, REST_MS_BITS + TIE_BITS), (cost.rest_ms, TIE_BITS), (cost.tie, 0)]),
        )
    }
}

impl Add for Packed {
    type Output = Packed;

    #[inline]
    fn add(self, other: Packed) -> Packed {
        Packed(self.0 + other.0, self.1 + other.1)
    }
}

impl Sub for Packed {
    type Output = Packed;

    #[inline]
    fn sub(self, other: Packed) -> Packed {
        Packed(self.0 - other.0, self.1 - other.1)
    }
}
