//! Row types of the format targets: strict, with a field of every kind that can go wrong.

use serde::{Deserialize, Serialize};
use watchfire_engine::Real;
use watchfire_operators::crane::CraneReading;

/// How a person fares: an enum, whose unknown variants come from the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Mood {
    Calm,
    Alert,
}

/// A row with personal and health values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Vital {
    pub(crate) wearer: String,
    pub(crate) band: u16,
    pub(crate) at_ms: i64,
    pub(crate) pulse: f64,
    pub(crate) oxygen: f32,
    pub(crate) fever: Option<Real>,
    pub(crate) mood: Mood,
    pub(crate) worn: bool,
}

/// The columns of [`Vital`] in CSV.
pub(crate) const COLUMNS: [&str; 8] = ["wearer", "band", "at_ms", "pulse", "oxygen", "fever", "mood", "worn"];

/// What JSON can hold beyond a flat row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Nested {
    pub(crate) vital: Vital,
    pub(crate) trail: Vec<(f64, f64)>,
    pub(crate) seal: [u8; 3],
    pub(crate) mark: char,
    pub(crate) next: Option<Box<Nested>>,
}

/// Rows that show their floating-point numbers, to be read and changed.
pub(crate) trait Numbers: Clone + PartialEq {
    fn visit(&mut self, look: &mut dyn FnMut(&mut f64));

    fn numbers(&self) -> Vec<f64> {
        let mut all = Vec::new();
        self.clone().visit(&mut |number| all.push(*number));
        all
    }

    /// The same but for the last places of numbers, which JSON text does not always keep.
    fn alike(&self, other: &Self) -> bool {
        let (mine, theirs) = (self.numbers(), other.numbers());
        let without = |row: &Self| {
            let mut row = row.clone();
            row.visit(&mut |number| *number = 0.0);
            row
        };
        mine.len() == theirs.len()
            && mine.into_iter().zip(theirs).all(|(a, b)| near(a, b))
            && without(self) == without(other)
    }
}

fn near(a: f64, b: f64) -> bool {
    (a - b).abs() <= (a.abs() * 4.0 * f64::EPSILON).max(5e-323)
}

impl Numbers for Vital {
    fn visit(&mut self, look: &mut dyn FnMut(&mut f64)) {
        look(&mut self.pulse);
        let mut oxygen = f64::from(self.oxygen);
        look(&mut oxygen);
        self.oxygen = oxygen as f32;
        if let Some(fever) = &mut self.fever {
            let mut number = fever.get();
            look(&mut number);
            *fever = Real::new(number).unwrap_or(*fever);
        }
    }
}

impl Numbers for Nested {
    fn visit(&mut self, look: &mut dyn FnMut(&mut f64)) {
        self.vital.visit(look);
        for (a, b) in &mut self.trail {
            look(a);
            look(b);
        }
        if let Some(next) = &mut self.next {
            next.visit(look);
        }
    }
}

impl Numbers for CraneReading {
    fn visit(&mut self, look: &mut dyn FnMut(&mut f64)) {
        let optional = [&mut self.wind_mps, &mut self.hook_height_m];
        [&mut self.load_kg, &mut self.radius_m].into_iter().chain(optional.into_iter().flatten()).for_each(look);
    }
}
