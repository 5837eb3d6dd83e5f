//! What a plan costs.

use std::iter::Sum;
use std::ops::{Add, AddAssign, Neg, Sub};

use serde::{Deserialize, Serialize};

/// What a plan, or a part of one, costs: what stands first outweighs any amount of what follows. Costs add up place by place.
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

    fn add(self, other: Cost) -> Cost {
        self.zip(other, |a, b| a + b)
    }
}

impl AddAssign for Cost {
    fn add_assign(&mut self, other: Cost) {
        *self = *self + other;
    }
}

impl Sub for Cost {
    type Output = Cost;

    fn sub(self, other: Cost) -> Cost {
        self.zip(other, |a, b| a - b)
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
