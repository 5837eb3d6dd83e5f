//! What enters a table, by key: the detectors that hold it.

use std::marker::PhantomData;

use rkyv::with::Skip;

use crate::data::{row_from_bytes, row_to_bytes};
use crate::keyed::{Context, Describe, Detector, Verdict};
use crate::{Change, Error, Key, Row, State, Timed};

/// The rows of one key and how often each is there: rising by row, none of them zero times. Stored in MessagePack, so that a row
/// needs no more than serde.
#[derive(Clone, Debug, PartialEq, Eq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub(super) struct Relation<V: 'static> {
    #[rkyv(with = Skip)]
    rows: Vec<(V, u64)>,
}

impl<V: 'static> Default for Relation<V> {
    fn default() -> Self {
        Relation { rows: Vec::new() }
    }
}

impl<V: Row> State for Relation<V> {
    const NAME: &'static str = "watchfire.relation";
    const VERSION: u32 = 1;

    fn encode(&self) -> Result<Vec<u8>, Error> {
        row_to_bytes(&self.rows)
    }

    fn decode(bytes: &[u8]) -> Result<Self, Error> {
        Ok(Relation { rows: row_from_bytes(bytes)? })
    }
}

impl<V: Row> Relation<V> {
    fn add(&mut self, row: V) {
        match self.rows.binary_search_by(|(one, _)| one.cmp(&row)) {
            Ok(at) => self.rows[at].1 += 1,
            Err(at) => self.rows.insert(at, (row, 1)),
        }
    }

    /// False if the row is not there.
    fn take(&mut self, row: &V) -> bool {
        let Ok(at) = self.rows.binary_search_by(|(one, _)| one.cmp(row)) else { return false };
        self.rows[at].1 -= 1;
        if self.rows[at].1 == 0 {
            self.rows.remove(at);
        }
        true
    }

    fn all<K: Key>(&self, cx: &mut Context<'_, K, Change<(K, V)>>) {
        for (row, times) in &self.rows {
            (0..*times).for_each(|_| cx.emit(Change::Insert((cx.key().clone(), row.clone()))));
        }
    }
}

/// The newest row of each key.
pub(super) struct Latest<K, T, V, G> {
    pub(super) value: G,
    pub(super) of: PhantomData<fn(K, T) -> V>,
}

impl<K: Key, T: crate::Data, V: Row, G: Fn(&T) -> Option<V> + Send + Sync + 'static> Detector for Latest<K, T, V, G> {
    type Key = K;
    type In = T;
    type Out = Change<(K, V)>;
    type State = Relation<V>;
    const REBUILDS: bool = true;

    fn describe(&self) -> Describe {
        Describe { kind: "latest", params: String::new(), ordered: true }
    }

    fn on_row(&self, relation: &mut Relation<V>, row: &T, cx: &mut Context<'_, K, Self::Out>) -> Verdict {
        let value = (self.value)(row);
        if relation.rows.first().map(|(was, _)| was) == value.as_ref() {
            return Verdict::Duplicate;
        }
        for (was, _) in relation.rows.drain(..) {
            cx.emit(Change::Retract((cx.key().clone(), was)));
        }
        if let Some(value) = value {
            cx.emit(Change::Insert((cx.key().clone(), value.clone())));
            relation.add(value);
        }
        Verdict::Applied
    }

    fn rebuild(&self, relation: &Relation<V>, cx: &mut Context<'_, K, Self::Out>) {
        relation.all(cx);
    }
}

/// All rows of each key that were inserted and not retracted.
pub(super) struct Changelog<K, V>(pub(super) PhantomData<fn(K) -> V>);

impl<K: Key, V: Row + Timed> Detector for Changelog<K, V> {
    type Key = K;
    type In = Change<V>;
    type Out = Change<(K, V)>;
    type State = Relation<V>;
    const REBUILDS: bool = true;

    fn describe(&self) -> Describe {
        Describe { kind: "changelog", params: String::new(), ordered: true }
    }

    fn on_row(&self, relation: &mut Relation<V>, row: &Change<V>, cx: &mut Context<'_, K, Self::Out>) -> Verdict {
        match row {
            Change::Insert(row) => {
                relation.add(row.clone());
                cx.emit(Change::Insert((cx.key().clone(), row.clone())));
            }
            Change::Retract(row) if relation.take(row) => cx.emit(Change::Retract((cx.key().clone(), row.clone()))),
            // Nothing to retract: it is put aside, for a table has no row less than no times.
            Change::Retract(_) => return Verdict::Late,
        }
        Verdict::Applied
    }

    fn rebuild(&self, relation: &Relation<V>, cx: &mut Context<'_, K, Self::Out>) {
        relation.all(cx);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relation_is_stored_as_it_always_was() {
        let mut relation = Relation::default();
        for row in ["lift", "fire", "lift"] {
            relation.add(row.to_owned());
        }
        let bytes = relation.encode().unwrap();
        assert_eq!(bytes, b"\x92\x92\xa4fire\x01\x92\xa4lift\x02");
        assert_eq!(Relation::decode(&bytes).unwrap(), relation);
        assert_eq!(Relation::<String>::decode(&bytes[1..]).unwrap_err().code(), "E0526");
    }

    #[test]
    fn what_is_not_there_cannot_be_taken() {
        let mut relation = Relation::default();
        relation.add(7);
        relation.add(7);
        assert!(relation.take(&7) && relation.take(&7) && !relation.take(&7) && !relation.take(&8));
        assert_eq!(relation, Relation::default());
    }
}
