//! The JSON format.

use std::fmt::Debug;

use serde::Serialize;
use serde::de::DeserializeOwned;
use watchfire_connectors::format::JsonLines;
use watchfire_engine::decode::{Decoder, Encoder};
use watchfire_engine::source::RawRow;
use watchfire_operators::crane::CraneReading;

use crate::refusal;
use crate::row::{Nested, Numbers, Vital};

/// Numbers beyond this may be rounded up to what no double holds when their text is read.
const SURE_TO_BE_READ: f64 = 1e308;

/// Bytes as one JSON row of three types: each gives a row with finite numbers that is the same, but for the last places of
/// numbers, after it was encoded and decoded again; or a refusal that is short and repeats nothing of the row.
pub fn json(bytes: &[u8]) {
    // The first row may begin with a byte order mark, later ones may not.
    for place in [1, 2] {
        let raw = RawRow { place, key: None, body: bytes.to_vec().into() };
        check::<Vital>(&raw);
        check::<Nested>(&raw);
        check::<CraneReading>(&raw);
    }
}

fn check<T: Serialize + DeserializeOwned + Numbers + Debug + Send + Sync + 'static>(raw: &RawRow) {
    let format = JsonLines::<T>::new().refuse_non_finite();
    let mut rows = Vec::new();
    if let Err(error) = format.decode(raw, &mut rows) {
        return refusal::check(&error, &["E0435", "E0441", "E0448"]);
    }
    assert_eq!(rows.len(), 1, "one row holds one value");
    let numbers = rows[0].numbers();
    assert!(numbers.iter().all(|number| number.is_finite()), "a number is not finite: {rows:?}");
    let body = format.encode(&rows[0]).expect("what was decoded can be encoded").body;
    assert!(!body.contains(&b'\n'), "a row is one line");
    let again = RawRow { body: body.into(), ..raw.clone() };
    match format.decode(&again, &mut rows) {
        Ok(()) => assert!(rows[0].alike(&rows[1]), "encoded and decoded again: {rows:?}"),
        Err(error) => assert!(numbers.iter().any(|number| number.abs() > SURE_TO_BE_READ), "{error}: {rows:?}"),
    }
}
