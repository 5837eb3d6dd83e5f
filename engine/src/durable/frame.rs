//! The form that all stored bytes share: a head that says what follows, how long it is, and its checksum.

use xxhash_rust::xxh3::Xxh3;

use super::record::StateFile;
use crate::Error;

/// The first bytes of every object.
const MAGIC: [u8; 8] = *b"WATCHFIR";

/// Length of the head.
const HEAD: usize = 32;

/// Where in the head the checksum stands; it covers all bytes before it, and the body.
const SUM_AT: usize = 24;

/// What an object holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A record of the log.
    Record = 1,
    /// States of keys.
    State = 2,
    /// A part of a recording.
    Segment = 3,
    /// What the ingest remembers.
    Ingest = 4,
    /// A part of the epoch log.
    Epochs = 5,
    /// A checkpoint with a name.
    Savepoint = 6,
}

impl Kind {
    /// The layout that this release writes.
    const fn version(self) -> u16 {
        match self {
            Kind::Record | Kind::State | Kind::Segment | Kind::Ingest | Kind::Epochs | Kind::Savepoint => 1,
        }
    }
}

/// The body behind its head.
pub(crate) fn framed(kind: Kind, body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEAD + body.len());
    bytes.extend(MAGIC);
    bytes.extend((kind as u16).to_le_bytes());
    bytes.extend(kind.version().to_le_bytes());
    bytes.extend([0; 4]);
    bytes.extend((body.len() as u64).to_le_bytes());
    let sum = checksum(&bytes, body);
    bytes.extend(sum.to_le_bytes());
    bytes.extend(body);
    bytes
}

/// The checksum that stands in the head of a frame: one number for the whole object.
pub(crate) fn sum_of(frame: &[u8]) -> u64 {
    word(frame, SUM_AT).unwrap_or_default()
}

/// The body of an object, every byte of which was checked, and the version of its layout.
///
/// # Errors
/// `E0521` if the bytes are damaged, cut short, or no object of this kind; `E0522` if a later release wrote them.
pub(crate) fn unframed<'a>(kind: Kind, bytes: &'a [u8], name: &str) -> Result<(u16, &'a [u8]), Error> {
    let damaged = |what: String| {
        let remedy = "let the job fall back to an older checkpoint, or restore the object from a backup";
        Error::new("E0521", what).at(name.to_owned()).remedy(remedy)
    };
    if bytes.len() < HEAD || bytes[..8] != MAGIC {
        return Err(damaged(format!("{} bytes that do not begin as an object of watchfire", bytes.len())));
    }
    let body = &bytes[HEAD..];
    let len = word(bytes, 16).unwrap_or_default();
    if len != body.len() as u64 {
        return Err(damaged(format!("{} bytes where {len} were written", body.len())));
    }
    if sum_of(bytes) != checksum(&bytes[..SUM_AT], body) {
        return Err(damaged("the bytes are not those that were written".to_owned()));
    }
    let (found, version) = (half(bytes, 8), half(bytes, 10));
    if found != kind as u16 {
        return Err(damaged(format!("an object of kind {found} where kind {} belongs", kind as u16)));
    }
    if version > kind.version() {
        let what = format!("layout {version} of kind {found}; this release reads up to {}", kind.version());
        return Err(Error::new("E0522", what)
            .at(name.to_owned())
            .remedy("run the release that wrote it, or a later one"));
    }
    Ok((version, body))
}

/// The body of the object that a manifest names, every byte of which was checked.
///
/// # Errors
/// As [`unframed`]; `E0521` if it is another object.
pub(crate) fn named<'a>(kind: Kind, bytes: &'a [u8], file: &StateFile) -> Result<&'a [u8], Error> {
    let (_, body) = unframed(kind, bytes, &file.name)?;
    if (bytes.len() as u64, sum_of(bytes)) == (file.bytes, file.checksum) {
        return Ok(body);
    }
    let remedy = "let the job fall back to an older checkpoint, or restore the object from a backup";
    Err(Error::new("E0521", "another object than the checkpoint names").at(file.name.clone()).remedy(remedy))
}

fn checksum(head: &[u8], body: &[u8]) -> u64 {
    let mut hash = Xxh3::new();
    hash.update(head);
    hash.update(body);
    hash.digest()
}

fn word(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..at + 8)?.try_into().ok().map(u64::from_le_bytes)
}

fn half(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_bytes_stay_the_same() {
        let hex: String = framed(Kind::Record, b"{}").iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "574154434846495201000100000000000200000000000000419ec32707e7787c7b7d");
    }

    #[test]
    fn a_later_layout_is_told_from_damage() {
        let mut bytes = framed(Kind::State, b"body");
        bytes[10] = 9;
        let sum = checksum(&bytes[..SUM_AT], b"body");
        bytes[SUM_AT..HEAD].copy_from_slice(&sum.to_le_bytes());
        assert_eq!(unframed(Kind::State, &bytes, "state/1").unwrap_err().code(), "E0522");
        assert_eq!(unframed(Kind::Record, &framed(Kind::State, b"body"), "log/1").unwrap_err().code(), "E0521");
    }

    proptest! {
        #[test]
        fn every_damage_is_found(
            body in prop::collection::vec(any::<u8>(), 0..200),
            at in any::<prop::sample::Index>(),
            bit in 0u32..8,
            len in any::<prop::sample::Index>(),
        ) {
            let good = framed(Kind::State, &body);
            prop_assert_eq!(unframed(Kind::State, &good, "x").unwrap(), (1, &body[..]));
            let mut flipped = good.clone();
            *at.get_mut(&mut flipped[..]) ^= 1 << bit;
            prop_assert_eq!(unframed(Kind::State, &flipped, "x").unwrap_err().code(), "E0521");
            prop_assert_eq!(unframed(Kind::State, &good[..len.index(good.len())], "x").unwrap_err().code(), "E0521");
            let longer = [&good[..], &[0]].concat();
            prop_assert_eq!(unframed(Kind::State, &longer, "x").unwrap_err().code(), "E0521");
        }
    }
}
