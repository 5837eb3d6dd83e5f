//! The bounds on rows, fixed once because they spread through every signature.

use std::cmp::Ordering;
use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};

use crate::Error;

/// A row or a key as bytes: MessagePack with the names of fields, so that whatever serde can describe reads back, numbers to
/// the bit, and fields that were added since have their defaults. For a [`State`](crate::State) that holds rows.
///
/// # Errors
/// `E0525` if it does not serialise.
///
/// # Examples
/// ```
/// use watchfire_engine::{row_from_bytes, row_to_bytes};
/// let bytes = row_to_bytes(&(7_u32, "lift", 0.1))?;
/// assert_eq!(row_from_bytes::<(u32, String, f64)>(&bytes)?, (7, "lift".to_owned(), 0.1));
/// assert_eq!(row_from_bytes::<u32>(&bytes).unwrap_err().code(), "E0526");
/// # Ok::<(), watchfire_engine::Error>(())
/// ```
pub fn row_to_bytes<T: Serialize>(value: &T) -> Result<Vec<u8>, Error> {
    rmp_serde::to_vec_named(value).map_err(|e| {
        let what = format!("cannot encode a {}", std::any::type_name::<T>());
        Error::new("E0525", what).because(e).remedy("let its type serialise with serde as it deserialises")
    })
}

/// What [`row_to_bytes`] wrote, to the last byte.
///
/// # Errors
/// `E0526` if the bytes are no such row.
pub fn row_from_bytes<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    let mut rest = bytes;
    let read = T::deserialize(&mut rmp_serde::Deserializer::new(&mut rest));
    let cause = match read {
        Ok(value) if rest.is_empty() => return Ok(value),
        Ok(_) => format!("{} bytes too many", rest.len()),
        Err(e) => e.to_string(),
    };
    let remedy = "use the release that wrote it, or let its type serialise with serde as it deserialises";
    let what = format!("not a {}: {cause}", std::any::type_name::<T>());
    Err(Error::new("E0526", what).remedy(remedy))
}

/// A row of a stream. Implemented for everything that satisfies the bounds.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a row of a stream",
    note = "a row needs Clone, Debug, Send, Sync, serde::Serialize and serde::Deserialize"
)]
pub trait Data: Clone + fmt::Debug + Send + Sync + Serialize + DeserializeOwned + 'static {}
impl<T: Clone + fmt::Debug + Send + Sync + Serialize + DeserializeOwned + 'static> Data for T {}

/// A row of a table: as [`Data`], and totally ordered. Measured values go into [`Real`].
pub trait Row: Data + Ord {}
impl<T: Data + Ord> Row for T {}

/// A row that knows when it happened.
///
/// # Examples
/// ```
/// use watchfire_engine::Timed;
/// struct Reading { event_time_ms: i64, load_kg: f64 }
/// impl Timed for Reading {
///     fn event_time_ms(&self) -> i64 { self.event_time_ms }
/// }
/// assert_eq!(Reading { event_time_ms: 7, load_kg: 1.0 }.event_time_ms(), 7);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say when it happened",
    note = "implement `Timed` for the row: event time, in milliseconds since 1970-01-01 UTC, is part of the row"
)]
pub trait Timed {
    /// When the row happened, in milliseconds since 1970-01-01T00:00:00Z, by the device's clock.
    fn event_time_ms(&self) -> i64;
}

/// A measured value: an `f64` that is a number, so that it can be ordered, compared and hashed.
///
/// NaN and the infinities are refused when the value is made or decoded; `-0.0` becomes `0.0`.
///
/// # Examples
/// ```
/// use watchfire_engine::Real;
/// let load = Real::new(3.5).unwrap();
/// assert!(load < Real::new(4.0).unwrap());
/// assert!(Real::new(f64::NAN).is_err());
/// assert!(serde_json::from_str::<Real>("1e999").is_err());
/// ```
#[derive(Clone, Copy, PartialEq, Default, Serialize, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
#[serde(transparent)]
pub struct Real(f64);

impl Real {
    /// Wraps a finite number.
    ///
    /// # Errors
    /// `E0201` for NaN and the infinities.
    #[inline]
    pub fn new(value: f64) -> Result<Self, Error> {
        if value.is_finite() {
            Ok(Real(value + 0.0))
        } else {
            Err(Error::new("E0201", "a measured value must be a finite number").remedy("drop or repair it at decoding"))
        }
    }

    /// The number.
    #[inline]
    pub fn get(self) -> f64 {
        self.0
    }
}

impl Eq for Real {}
impl PartialOrd for Real {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Real {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}
impl std::hash::Hash for Real {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.to_bits().hash(state);
    }
}
impl fmt::Debug for Real {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}
impl fmt::Display for Real {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}
impl<'de> Deserialize<'de> for Real {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Real::new(f64::deserialize(from)?).map_err(serde::de::Error::custom)
    }
}

/// One change of a changing result.
///
/// A `Retract` repeats, bit for bit, a row that was inserted before.
///
/// # Examples
/// ```
/// use watchfire_engine::Change;
/// let changes = [Change::Insert(3), Change::Retract(3), Change::Insert(4)];
/// assert_eq!(Change::consolidate(changes), vec![(4, 1)]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Change<T> {
    /// The row holds from now on.
    Insert(T),
    /// The row, inserted before, no longer holds.
    Retract(T),
}

impl<T> Change<T> {
    /// The row that is inserted or retracted.
    pub fn row(&self) -> &T {
        match self {
            Change::Insert(row) | Change::Retract(row) => row,
        }
    }

    /// The row, and `+1` or `-1`.
    pub fn into_parts(self) -> (T, i64) {
        match self {
            Change::Insert(row) => (row, 1),
            Change::Retract(row) => (row, -1),
        }
    }

    /// What is left when every retraction has cancelled its insertion: each row once, sorted, with its count (never 0).
    /// Two runs of a flow are equal if this is.
    pub fn consolidate(changes: impl IntoIterator<Item = Change<T>>) -> Vec<(T, i64)>
    where
        T: Ord,
    {
        let mut rows: Vec<(T, i64)> = changes.into_iter().map(Change::into_parts).collect();
        rows.sort_by(|a, b| a.0.cmp(&b.0));
        let mut sums: Vec<(T, i64)> = Vec::with_capacity(rows.len());
        for (row, n) in rows {
            match sums.last_mut() {
                Some((last, sum)) if *last == row => *sum += n,
                _ => sums.push((row, n)),
            }
        }
        sums.retain(|(_, n)| *n != 0);
        sums
    }
}

impl<T: Timed> Timed for Change<T> {
    fn event_time_ms(&self) -> i64 {
        self.row().event_time_ms()
    }
}
