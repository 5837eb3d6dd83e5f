//! Scores, each alone.

use watchfire_benches::detectors_by_hand::{
    self as by_hand, FROM, Measured, Rate as Before, TAUS_MS, each, generate, note,
};
use watchfire_benches::others_by_hand::{self as others, ODD_A, ODD_RATE, READINGS, SCALE, SHAPE, WITHIN};
use watchfire_engine::EventTime;
use watchfire_operators::detect::{
    Discord, Entry, EventRate, HalfSpaceTrees, Judged, Rate, Reading, RobustZ, Score, Scored, Scores, Stuck, Weibull,
};

use crate::alone::{Asked, LIFTS, Name};
use crate::fused;

/// Nothing here comes near a limit: sooner than this it seldom seems to be reached.
const HALF_A_DAY_MS: f64 = 43_200_000.0;

/// Which scores are told.
#[derive(Clone, Copy, Debug)]
enum Matters {
    AtLeast(f64),
    AtMost(f64),
}

impl Matters {
    fn of<K, T, X, S: Score>(self, scores: Scores<K, T, X, S>) -> Scores<K, T, X, S> {
        match self {
            Matters::AtLeast(least) => scores.at_least(least),
            Matters::AtMost(most) => scores.at_most(most),
        }
    }

    #[inline(always)]
    fn is(self, score: f64) -> bool {
        match self {
            Matters::AtLeast(least) => score >= least,
            Matters::AtMost(most) => score <= most,
        }
    }
}

impl Asked {
    /// Against an update by hand.
    fn hand<S: Score, H: Default>(
        self,
        rows: &[Measured],
        (score, matters): (S, Matters),
        reading: impl Fn(&Measured) -> S::Value + Copy + Send + Sync + 'static,
        update: impl Fn(&mut H, &Measured) -> Option<f64>,
    ) {
        self.score(Name::hand(S::KIND), rows, (score, matters), reading, update);
    }

    /// Against its own function, called in a loop.
    fn own<S: Score>(
        self,
        rows: &[Measured],
        (score, matters): (S, Matters),
        reading: impl Fn(&Measured) -> S::Value + Copy + Send + Sync + 'static,
    ) {
        let own = score.clone();
        let update = |state: &mut S::State, row: &Measured| match own.score(state, row.at_ms, reading(row)) {
            Judged::Score(score, _) => Some(score),
            _ => None,
        };
        self.score(Name::score(S::KIND), rows, (score, matters), reading, update);
    }

    fn score<S: Score, H: Default>(
        self,
        name: Name,
        rows: &[Measured],
        (score, matters): (S, Matters),
        reading: impl Fn(&Measured) -> S::Value + Copy + Send + Sync + 'static,
        update: impl Fn(&mut H, &Measured) -> Option<f64>,
    ) {
        let scores = matters.of(Scores::new(score, move |row: &Measured| Reading::Value(reading(row))));
        let says = move |scored: &Scored<u32, S::Why>| scored.score().filter(|score| matters.is(*score));
        let base = || {
            let update = |of: &mut H, row: &Measured, told: &mut _| note(told, update(of, row), |it| matters.is(it));
            each(rows, |row| row.lift, update).1
        };
        self.detector(name, rows, (|row: &Measured| row.lift, EventTime::default()), scores, says, base);
    }
}

pub fn run(asked: Asked) {
    let rows = generate(LIFTS, asked.rows);
    let current = |row: &Measured| row.current_a;
    let celsius = |row: &Measured| row.celsius;
    let odd = Matters::AtLeast(FROM);
    let ewma = fused::ewma(TAUS_MS[0]);
    asked.hand(&rows, (ewma, odd), current, |of: &mut by_hand::Ewma, row| {
        of.score(TAUS_MS[0], row.at_ms, row.current_a)
    });
    asked.hand(&rows, (fused::cusum(), odd), current, |of: &mut by_hand::Cusum, row| of.score(row.current_a));
    asked.hand(&rows, (fused::hinkley(), odd), current, |of, row| by_hand::hinkley(of, row.current_a));
    asked.hand(&rows, (fused::holt(), Matters::AtMost(HALF_A_DAY_MS)), celsius, |of, row| {
        by_hand::holt(of, row.at_ms, row.celsius)
    });
    asked.hand(&rows, (Rate::default(), odd), current, |of: &mut Before, row| {
        by_hand::rate(of, row.at_ms, row.current_a)
    });
    // Whole degrees, or nothing would ever stand still.
    let whole = |row: &Measured| row.celsius.floor();
    asked.hand(&rows, (Stuck::default(), Matters::AtLeast(5_000.0)), whole, move |of, row| {
        Some(by_hand::stuck(of, row.at_ms, whole(row)))
    });
    let rate = EventRate { prior_rate: ODD_RATE, prior_exposure: READINGS, fades_after: READINGS };
    let events = |row: &Measured| [f64::from(u8::from(row.current_a > ODD_A)), 1.0];
    asked.hand(&rows, (rate, Matters::AtLeast(0.0015)), events, move |of, row| {
        Some(others::event_rate(of, events(row)))
    });
    let life = Weibull { shape: SHAPE, scale: SCALE, within: WITHIN };
    asked.hand(&rows, (life, Matters::AtLeast(0.016)), current, |of, row| Some(others::weibull(of, row.current_a)));
    let part = |of_ten: usize| &rows[..rows.len() / 10 * of_ten];
    asked.own(part(2), (RobustZ::default(), odd), |row| Entry::Add(row.current_a));
    let trees = (HalfSpaceTrees::<2>::default(), Matters::AtLeast(3.0));
    asked.own(part(3), trees, |row| [row.current_a, row.celsius]);
    asked.own(part(5), (Discord::default(), Matters::AtLeast(f64::MIN_POSITIVE)), current);
}
