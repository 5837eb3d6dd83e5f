//! A part of the epoch log: an object of its store.

use serde::{Deserialize, Serialize};

use super::{Logged, PreparedFor};
use crate::Error;
use crate::data::{row_from_bytes, row_to_bytes};
use crate::durable::{FrameKind, framed, unframed};

/// Where the parts lie: `epochs/GENERATION-EPOCH-NUMBER`.
pub(crate) const FOLDER: &str = "epochs";

/// The place of a part in the log: its generation, the last epoch that is logged with it, its number in the generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Place(pub(crate) u64, pub(crate) u64, pub(crate) u32);

impl Place {
    pub(crate) fn name(self) -> String {
        let Place(generation, epoch, number) = self;
        format!("{FOLDER}/{generation:020}-{epoch:020}-{number:010}")
    }

    /// The place that a name tells. What only looks like one, such as somebody's copy, is none of ours.
    pub(crate) fn of(name: &str) -> Option<Place> {
        let mut numbers = name.strip_prefix(FOLDER)?.strip_prefix('/')?.split('-');
        let place = Place(numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?);
        (place.name() == name).then_some(place)
    }

    /// The last epoch that is logged with the part.
    pub(crate) fn epoch(self) -> u64 {
        self.1
    }
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Part {
    /// Of the flow.
    pub(crate) fingerprint: u64,
    /// The last epoch before those of this part, or the checkpoint that its generation went on from.
    pub(crate) before: u64,
    pub(crate) after: Option<Place>,
    /// Rising.
    pub(crate) epochs: Vec<Logged>,
    /// By checkpoint.
    pub(crate) prepared: Vec<(u64, PreparedFor)>,
}

impl Part {
    /// # Errors
    /// `E0525` if it cannot be encoded.
    pub(crate) fn encode(&self) -> Result<Vec<u8>, Error> {
        Ok(framed(FrameKind::Epochs, &row_to_bytes(self)?))
    }

    /// # Errors
    /// `E0521` if the bytes are damaged, `E0522` if a later release wrote them.
    pub(crate) fn decode(bytes: &[u8], name: &str) -> Result<Part, Error> {
        row_from_bytes(unframed(FrameKind::Epochs, bytes, name)?.1).map_err(|e| {
            let what = "a part of the epoch log cannot be read";
            Error::new("E0521", what).at(name).because(e).remedy("restore the object from a backup")
        })
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::control::Health;
    use crate::decode::DeadLetter;
    use crate::epochs::{Given, Heard};

    fn part() -> Part {
        let dead = DeadLetter { source: "readings".into(), split: "3".into(), place: 9, ..dead() };
        let heard = vec![
            Heard::Opened { source: "readings".into(), split: 3, name: "a".into(), at_ms: 900 },
            Heard::Rows {
                split: 3,
                rows: Bytes::from_static(b"\x91\x07"),
                dead: vec![dead],
                read: 2,
                decoded: 1,
                after: Some(2.into()),
            },
            Heard::Range { split: 3, given: Given { read: 5, decoded: 4, rows: 6, dead: 1 }, after: Some(7.into()) },
            Heard::Health { split: 3, health: Health::Live },
            Heard::Seen { split: 3 },
            Heard::Ended { split: 3 },
            Heard::Released { source: "readings".into() },
            Heard::SourceEnded { source: "readings".into() },
            Heard::Tick { arrival_ms: 1_000 },
            Heard::Commit,
            Heard::EndOfRows,
            Heard::End,
        ];
        Part {
            fingerprint: 5,
            before: 1_048_576,
            after: Some(Place(1, 1_048_576, 0)),
            epochs: vec![Logged { epoch: 1_048_577, heard }],
            prepared: vec![(1_048_576, [("alarms".to_owned(), Bytes::from_static(b"\x00\x01"))].into())],
        }
    }

    fn dead() -> DeadLetter {
        DeadLetter {
            source: String::new(),
            split: String::new(),
            place: 0,
            bytes: Bytes::from_static(b"?"),
            code: "E0401".into(),
            what: "no number".into(),
            attempt: 1,
        }
    }

    #[test]
    fn the_bytes_stay_the_same() {
        let bytes = row_to_bytes(&part()).unwrap();
        assert!(String::from_utf8_lossy(&bytes).contains("arrival_ms"), "fields have their names");
        assert_eq!((bytes.len(), xxhash_rust::xxh3::xxh3_64(&bytes)), (482, 10_720_543_019_599_840_780));
    }

    #[test]
    fn a_part_reads_back_and_damage_is_found() {
        let name = Place(1, 2, 3).name();
        assert_eq!(name, "epochs/00000000000000000001-00000000000000000002-0000000003");
        assert_eq!(Place::of(&name), Some(Place(1, 2, 3)));
        for other in ["epochs/1-2-3", "state/1", "epochs/", &name[..name.len() - 1], &format!("{name}-4")] {
            assert_eq!(Place::of(other), None, "{other}");
        }
        let bytes = part().encode().unwrap();
        assert_eq!(Part::decode(&bytes, &name).unwrap(), part());
        let mut flipped = bytes.clone();
        flipped[70] ^= 1;
        assert_eq!(Part::decode(&flipped, &name).unwrap_err().code(), "E0521");
        // A sound frame around something else.
        let other = framed(FrameKind::Epochs, &row_to_bytes(&"no part").unwrap());
        assert_eq!(Part::decode(&other, &name).unwrap_err().code(), "E0521");
    }
}
