//! What is computed over a window: parts that take rows in any order, merge, and are finished into a row.

use std::marker::PhantomData;

use serde::{Deserialize, Serialize};
use watchfire_engine::{Data, Real, Stored, Verdict, rkyv};

use super::Span;

/// A mergeable aggregate.
///
/// Rows are added to the part of the pane they fall into; a window merges its panes in time order. Results must be exact
/// under any order of rows: count in integers or fixed point, or keep the rows of an open pane sorted and fold them in
/// [`seal`](Aggregate::seal). A sum of `f64` is exact only up to rounding, which depends on order.
///
/// # Examples
/// How long a door stood open, as the user would write it:
/// ```
/// use watchfire_engine::{Verdict, rkyv};
/// use watchfire_operators::window::{Aggregate, Span};
/// struct OpenTime;
/// #[derive(Clone, Default, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
/// struct Part { open_ms: u64 }
/// impl Aggregate for OpenTime {
///     type In = (i64, u64);
///     type Part = Part;
///     type Out = u64;
///     fn params(&self) -> String { "open_time".into() }
///     fn add(&self, part: &mut Part, row: &(i64, u64), _at_ms: i64) -> Verdict {
///         part.open_ms += row.1;
///         Verdict::Applied
///     }
///     fn merge(&self, into: &mut Part, next: &Part) { into.open_ms += next.open_ms; }
///     fn finish(&self, _span: Span, part: &Part, _before: Option<&Part>) -> Option<u64> { Some(part.open_ms) }
/// }
/// ```
pub trait Aggregate: Send + Sync + 'static {
    /// The rows it reads.
    type In: Data;
    /// What is kept of the rows of one pane. The default is a pane without rows.
    type Part: Clone + Default + Send + Stored + 'static;
    /// What a window gives. A window is corrected only if its value is no longer equal, so equal values should be the
    /// same bits: measured values in [`Real`].
    type Out: Data + PartialEq;

    /// Name and parameters: part of the flow's fingerprint.
    fn params(&self) -> String;

    /// Whether a pane that was sealed takes rows no more: then a row behind the watermark is late at once.
    fn sealed_is_shut(&self) -> bool {
        false
    }

    /// Whether [`finish`](Aggregate::finish) looks at `before`, which is not given otherwise. Then a late row also changes
    /// the window that starts where its pane ends.
    fn reads_before(&self) -> bool {
        false
    }

    /// Adds a row that happened at `at_ms` (the row's event time, corrected where its key's clock error is known).
    /// [`Verdict::Duplicate`] if it repeats one that was added; [`Verdict::Late`] leaves the part unchanged.
    fn add(&self, part: &mut Self::Part, row: &Self::In, at_ms: i64) -> Verdict;

    /// No row is expected in the pane any more: its samples can be folded. Whether parts were sealed before they were
    /// merged must not change what [`finish`](Aggregate::finish) makes of them, for a correction repeats from the sealed
    /// part what was emitted from the open one. Unless [`sealed_is_shut`](Aggregate::sealed_is_shut), a late row may still
    /// be added to a sealed part. Not called for sessions.
    ///
    /// `spare` is a part without rows for a pane to come; it may be given the room which the samples took.
    fn seal(&self, part: &mut Self::Part, spare: &mut Self::Part) {
        let _ = (part, spare);
    }

    /// Appends a part that follows `into` in time. Associative.
    fn merge(&self, into: &mut Self::Part, next: &Self::Part);

    /// The window's value; `None` emits nothing. `before` is the pane that ends where the window begins (a pane is as
    /// long as the greatest common divisor of size and slide), if it has rows: for aggregates in which a sample reaches
    /// beyond its pane. Sessions have none.
    fn finish(&self, span: Span, part: &Self::Part, before: Option<&Self::Part>) -> Option<Self::Out>;
}

/// Counts rows. Made by [`count`].
#[derive(Clone, Copy, Debug)]
pub struct Count<T>(PhantomData<fn(T)>);

/// Counts rows.
///
/// # Examples
/// ```
/// use watchfire_operators::window::{Aggregate, Span, count};
/// let (count, mut part) = (count::<u8>(), 0);
/// count.add(&mut part, &7, 0);
/// assert_eq!(count.finish(Span { start_ms: 0, end_ms: 1 }, &part, None), Some(1));
/// ```
pub fn count<T>() -> Count<T> {
    Count(PhantomData)
}

impl<T: Data> Aggregate for Count<T> {
    type In = T;
    type Part = u64;
    type Out = u64;

    fn params(&self) -> String {
        "count".into()
    }

    fn add(&self, part: &mut u64, _row: &T, _at_ms: i64) -> Verdict {
        *part += 1;
        Verdict::Applied
    }

    fn merge(&self, into: &mut u64, next: &u64) {
        *into += next;
    }

    fn finish(&self, _span: Span, part: &u64, _before: Option<&u64>) -> Option<u64> {
        Some(*part)
    }
}

/// Sums a whole number per row. Made by [`sum`].
#[derive(Clone, Copy, Debug)]
pub struct Sum<T, F>(F, PhantomData<fn(T)>);

/// Sums a whole number per row, exactly: measured values go in as fixed point, such as grams for kilograms.
///
/// # Examples
/// ```
/// use watchfire_operators::window::{Aggregate, Span, sum};
/// let (grams, mut part) = (sum(|load_g: &i64| *load_g), 0);
/// grams.add(&mut part, &1_500, 0);
/// grams.add(&mut part, &-500, 0);
/// assert_eq!(grams.finish(Span { start_ms: 0, end_ms: 1 }, &part, None), Some(1_000));
/// ```
pub fn sum<T, F: Fn(&T) -> i64>(of: F) -> Sum<T, F> {
    Sum(of, PhantomData)
}

impl<T: Data, F: Fn(&T) -> i64 + Send + Sync + 'static> Aggregate for Sum<T, F> {
    type In = T;
    type Part = i128;
    type Out = i128;

    fn params(&self) -> String {
        "sum".into()
    }

    fn add(&self, part: &mut i128, row: &T, _at_ms: i64) -> Verdict {
        *part += i128::from((self.0)(row));
        Verdict::Applied
    }

    fn merge(&self, into: &mut i128, next: &i128) {
        *into += next;
    }

    fn finish(&self, _span: Span, part: &i128, _before: Option<&i128>) -> Option<i128> {
        Some(*part)
    }
}

/// Takes the mean of a whole number per row. Made by [`mean`].
#[derive(Clone, Copy, Debug)]
pub struct Mean<T, F>(F, PhantomData<fn(T)>);

/// Takes the mean of a whole number per row; the sum is exact, so the mean is the same under any order.
///
/// # Examples
/// ```
/// use watchfire_operators::window::{Aggregate, Span, mean};
/// let (mean, mut part) = (mean(|load_g: &i64| *load_g), Default::default());
/// mean.add(&mut part, &1, 0);
/// mean.add(&mut part, &2, 0);
/// assert_eq!(mean.finish(Span { start_ms: 0, end_ms: 1 }, &part, None).unwrap().get(), 1.5);
/// ```
pub fn mean<T, F: Fn(&T) -> i64>(of: F) -> Mean<T, F> {
    Mean(of, PhantomData)
}

impl<T: Data, F: Fn(&T) -> i64 + Send + Sync + 'static> Aggregate for Mean<T, F> {
    type In = T;
    type Part = (i128, u64);
    type Out = Real;

    fn params(&self) -> String {
        "mean".into()
    }

    fn add(&self, part: &mut (i128, u64), row: &T, _at_ms: i64) -> Verdict {
        part.0 += i128::from((self.0)(row));
        part.1 += 1;
        Verdict::Applied
    }

    fn merge(&self, into: &mut (i128, u64), next: &(i128, u64)) {
        into.0 += next.0;
        into.1 += next.1;
    }

    fn finish(&self, _span: Span, part: &(i128, u64), _before: Option<&(i128, u64)>) -> Option<Real> {
        Real::new(part.0 as f64 / part.1 as f64).ok()
    }
}

/// The least and the greatest value of a window.
#[derive(
    Clone,
    Copy,
    Debug,
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
pub struct Bounds {
    /// The least.
    pub min: Real,
    /// The greatest.
    pub max: Real,
}

/// Takes the extremes of a measured value per row. Made by [`extremes`].
#[derive(Clone, Copy, Debug)]
pub struct Extremes<T, F>(F, PhantomData<fn(T)>);

/// Takes the least and the greatest measured value.
///
/// # Examples
/// ```
/// use watchfire_engine::Real;
/// use watchfire_operators::window::{Aggregate, Span, extremes};
/// let (extremes, mut part) = (extremes(|load: &Real| *load), None);
/// extremes.add(&mut part, &Real::new(2.0)?, 0);
/// extremes.add(&mut part, &Real::new(-1.0)?, 0);
/// let found = extremes.finish(Span { start_ms: 0, end_ms: 1 }, &part, None).unwrap();
/// assert_eq!((found.min.get(), found.max.get()), (-1.0, 2.0));
/// # Ok::<(), watchfire_engine::Error>(())
/// ```
pub fn extremes<T, F: Fn(&T) -> Real>(of: F) -> Extremes<T, F> {
    Extremes(of, PhantomData)
}

impl<T: Data, F: Fn(&T) -> Real + Send + Sync + 'static> Aggregate for Extremes<T, F> {
    type In = T;
    type Part = Option<Bounds>;
    type Out = Bounds;

    fn params(&self) -> String {
        "extremes".into()
    }

    fn add(&self, part: &mut Option<Bounds>, row: &T, _at_ms: i64) -> Verdict {
        let value = (self.0)(row);
        self.merge(part, &Some(Bounds { min: value, max: value }));
        Verdict::Applied
    }

    fn merge(&self, into: &mut Option<Bounds>, next: &Option<Bounds>) {
        *into = match (*into, *next) {
            (Some(a), Some(b)) => Some(Bounds { min: a.min.min(b.min), max: a.max.max(b.max) }),
            (a, b) => a.or(b),
        };
    }

    fn finish(&self, _span: Span, part: &Option<Bounds>, _before: Option<&Option<Bounds>>) -> Option<Bounds> {
        *part
    }
}
