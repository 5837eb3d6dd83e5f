//! How often people are troubled for nothing, beside how often they may be.

use serde::{Deserialize, Serialize};

use super::told::{CareTells, CareTold, Step};

/// How often a person may be troubled for nothing, a day that a band is worn.
///
/// The defaults: of 235 people, about one real fall in two and a half days is to be expected (three in ten fall in a year, who are 65 or older); so that one in ten who are sent for finds somebody who has fallen, 0.015 may be sent for
/// nothing a person and day.
///
/// # Examples
/// See [`CareTally`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FalseBudget {
    /// By something that people have to look at.
    pub review: f64,
    /// By being asked.
    pub asked: f64,
    /// By somebody who comes.
    pub sent: f64,
}

impl Default for FalseBudget {
    fn default() -> Self {
        FalseBudget { review: 0.1, asked: 0.1, sent: 0.015 }
    }
}

/// Cases that were closed, by how far they had come: how many of them for nothing.
///
/// # Examples
/// ```
/// use watchfire_operators::dispatch::Person;
/// use watchfire_operators::wristband::{CareTally, CareTells, CareTold, FalseBudget, Step, Wearer};
/// let mut tally = CareTally::default();
/// let closed = |step: Step, false_alarm: bool| {
///     let tells = CareTells::Closed { reached: step, false_alarm, by: Person::named("officer 7", "asleep") };
///     CareTold { wearer: Wearer::Person(7), nth: 1, at_ms: 0, tells }
/// };
/// [(Step::Sent, true), (Step::Sent, false)].map(|(step, false_alarm)| tally.take(&closed(step, false_alarm)));
/// let [_, _, sent] = tally.report(&FalseBudget::default(), 50.0);
/// assert_eq!((sent.closed, sent.for_nothing, sent.a_person_day, sent.is_over), (2, 1, 0.02, true));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CareTally {
    /// Review, asked, sent: closed, and of these for nothing.
    steps: [(u64, u64); 3],
}

/// Cases that had come so far, beside the budget.
///
/// # Examples
/// See [`CareTally`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepTally {
    /// How many were closed.
    pub closed: u64,
    /// How many of these were for nothing.
    pub for_nothing: u64,
    /// These a person-day.
    pub a_person_day: f64,
    /// How many it may be.
    pub budget: f64,
    /// It is more.
    pub is_over: bool,
}

impl CareTally {
    /// Takes in something that was told; only what is closed counts.
    ///
    /// # Examples
    /// See [`CareTally`].
    pub fn take(&mut self, told: &CareTold) {
        let CareTells::Closed { reached, false_alarm, .. } = &told.tells else { return };
        let of = match reached {
            Step::Review => 0,
            Step::Asks(_) => 1,
            Step::Sent => 2,
        };
        let (closed, for_nothing) = &mut self.steps[of];
        (*closed, *for_nothing) = (*closed + 1, *for_nothing + u64::from(*false_alarm));
    }

    /// What was only looked at, what people were asked for, and what somebody was sent for, over so many person-days.
    ///
    /// # Examples
    /// See [`CareTally`].
    #[must_use]
    pub fn report(&self, budget: &FalseBudget, person_days: f64) -> [StepTally; 3] {
        let budgets = [budget.review, budget.asked, budget.sent];
        let [a, b, c] = self.steps;
        [(a, budgets[0]), (b, budgets[1]), (c, budgets[2])].map(|((closed, for_nothing), budget)| {
            // Of no days at all nothing is in the budget but nothing.
            let a_person_day = if for_nothing > 0 { for_nothing as f64 / person_days.max(0.0) } else { 0.0 };
            StepTally { closed, for_nothing, a_person_day, budget, is_over: a_person_day > budget }
        })
    }
}
