//! What a detector is made of: values in, and what it says of each.

use std::fmt;

use serde::{Deserialize, Serialize};
use watchfire_engine::{Data, State};

use crate::alarm::UnknownCause;

/// What a row says to a detector.
///
/// # Examples
/// ```
/// use watchfire_operators::alarm::UnknownCause;
/// use watchfire_operators::detect::Reading;
/// let of = |celsius: f64| {
///     if (-40.0..=125.0).contains(&celsius) { Reading::Value(celsius) } else { Reading::Unknown(UnknownCause::OutOfRange) }
/// };
/// assert_eq!((of(21.5), of(850.0)), (Reading::Value(21.5), Reading::Unknown(UnknownCause::OutOfRange)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading<V> {
    /// A trustworthy value. One that is no number, or beyond [`VALUE_MAX`], counts as unknown.
    Value(V),
    /// The row should have a value and has none, or none to be trusted. Unknown is not normal, and changes nothing that is remembered.
    Unknown(UnknownCause),
    /// From here on what was before says nothing: a part was replaced, a counter reset. The detector begins anew.
    Reset,
    /// The row is about something else.
    None,
}

/// No sensor measures more: what is further from zero is out of range, and squares of what is not add up.
///
/// # Examples
/// ```
/// use watchfire_operators::alarm::UnknownCause;
/// use watchfire_operators::detect::{Measured, VALUE_MAX};
/// assert_eq!((-VALUE_MAX).unsound(), None);
/// assert_eq!((10.0 * VALUE_MAX).unsound(), Some(UnknownCause::OutOfRange));
/// assert!((1e6 * VALUE_MAX * VALUE_MAX).is_finite(), "the squares of a million such values");
/// ```
pub const VALUE_MAX: f64 = 1e100;

/// A value that a detector can look at before it reckons with it.
///
/// # Examples
/// ```
/// use watchfire_operators::alarm::UnknownCause;
/// use watchfire_operators::detect::Measured;
/// assert_eq!((1.5.unsound(), [1.0, f64::NAN].unsound()), (None, Some(UnknownCause::NotANumber)));
/// assert_eq!(1e300.unsound(), Some(UnknownCause::OutOfRange));
/// ```
pub trait Measured {
    /// Why it is no value to reckon with, if it is none: not a number, or further from zero than [`VALUE_MAX`].
    fn unsound(&self) -> Option<UnknownCause>;
}

impl Measured for f64 {
    #[inline]
    fn unsound(&self) -> Option<UnknownCause> {
        if self.abs() <= VALUE_MAX {
            None
        } else if self.is_finite() {
            Some(UnknownCause::OutOfRange)
        } else {
            Some(UnknownCause::NotANumber)
        }
    }
}

impl<const N: usize> Measured for [f64; N] {
    #[inline]
    fn unsound(&self) -> Option<UnknownCause> {
        self.iter().find_map(Measured::unsound)
    }
}

/// What is said of a value.
///
/// # Examples
/// ```
/// use watchfire_operators::detect::{Judged, Rate, RateState, Score};
/// let (rate, mut state) = (Rate::default(), RateState::default());
/// let mut said = |at_ms, bar| match rate.score(&mut state, at_ms, bar) {
///     Judged::Score(a_second, why) => format!("{a_second} bar a second, from {} on", why.before),
///     Judged::WarmsUp => "too early to tell".to_owned(),
///     Judged::Unknown(cause) => format!("no value: {}", cause.as_str()),
///     Judged::Nothing => "nothing new".to_owned(),
/// };
/// assert_eq!(said(0, 2.0), "too early to tell");
/// assert_eq!(said(2_000, 5.0), "1.5 bar a second, from 2 on");
/// assert_eq!(said(2_000, 5.0), "nothing new");
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Judged<W> {
    /// How unusual it is, and the numbers behind that. Finite.
    Score(f64, W),
    /// Too little is known yet to tell.
    WarmsUp,
    /// The value cannot be, and changes nothing that is remembered.
    Unknown(UnknownCause),
    /// Nothing, and nothing is wrong: there is no step from one of two values of the same instant to the other.
    Nothing,
}

/// Which way a value must go to be unusual.
///
/// # Examples
/// ```
/// use watchfire_operators::detect::Side;
/// assert_eq!([Side::Both, Side::Above, Side::Below].map(|side| side.of(-2.0)), [2.0, -2.0, 2.0]);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// Either.
    #[default]
    Both,
    /// Up.
    Above,
    /// Down.
    Below,
}

impl Side {
    /// How far something is off to this side, of how far it is above.
    #[inline]
    #[must_use]
    pub fn of(self, above: f64) -> f64 {
        match self {
            Side::Both => above.abs(),
            Side::Above => above,
            Side::Below => -above,
        }
    }

    /// Of how far something is off upward and downward, what counts on this side.
    #[inline]
    pub(super) fn worse(self, above: f64, below: f64) -> f64 {
        match self {
            Side::Both => above.max(below),
            Side::Above => above,
            Side::Below => below,
        }
    }
}

/// How unusual values are, one after another in the order of their event times. Pure and deterministic; whoever wants another one writes this and
/// nothing else.
///
/// # Examples
/// How far a value is from the one before:
/// ```
/// use watchfire_engine::{State, rkyv};
/// use watchfire_operators::detect::{Judged, Score};
/// #[derive(Clone, Debug)]
/// struct Step;
/// #[derive(Clone, Default, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
/// struct Before(Option<f64>);
/// impl State for Before {
///     const NAME: &'static str = "example.before";
///     const VERSION: u32 = 1;
/// }
/// impl Score for Step {
///     type Value = f64;
///     type Why = (f64, f64);
///     type State = Before;
///     const KIND: &'static str = "step";
///     fn score(&self, state: &mut Before, _at_ms: i64, value: f64) -> Judged<(f64, f64)> {
///         match state.0.replace(value) {
///             Some(before) => Judged::Score((value - before).abs(), (before, value)),
///             None => Judged::WarmsUp,
///         }
///     }
/// }
/// let mut state = Before::default();
/// assert_eq!(Step.score(&mut state, 0, 3.0), Judged::WarmsUp);
/// assert_eq!(Step.score(&mut state, 1_000, 5.0), Judged::Score(2.0, (3.0, 5.0)));
/// ```
pub trait Score: Clone + fmt::Debug + Send + Sync + 'static {
    /// What it reads of a row.
    type Value: Measured;
    /// The numbers behind a score.
    type Why: Data;
    /// What it remembers of a key.
    type State: State;
    /// What it is, in a word.
    const KIND: &'static str;
    /// It takes values that are older than those before, and puts right what it knows. Else such a value is late. Its times are those that rows say, even where
    /// the engine knows that the clock of the key is ahead: what takes a row back says the same.
    const TAKES_OLDER: bool = false;

    /// Its parameters as text: part of the fingerprint of the flow.
    fn params(&self) -> String {
        format!("{self:?}")
    }

    /// Takes a sound value in and says how unusual it is. `at_ms` is its event time, no less than that of the value before, unless it
    /// [takes older ones](Score::TAKES_OLDER).
    fn score(&self, state: &mut Self::State, at_ms: i64, value: Self::Value) -> Judged<Self::Why>;
}
