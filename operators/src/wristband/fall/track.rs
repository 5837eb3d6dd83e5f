//! What is kept of how somebody moved: the last minutes, and what was brought of earlier ones.

use watchfire_engine::rkyv;

use crate::wristband::Acceleration;

/// What is kept and forgotten together.
pub(super) const PIECE_MS: i64 = 10_000;

/// An acceleration, and when.
pub(super) type Sample = (i64, Acceleration);

/// Ten seconds.
#[derive(Clone, PartialEq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
#[rkyv(crate = rkyv)]
struct Piece {
    /// Since 1970-01-01 UTC.
    nth: i64,
    /// How many rows had come when the last one came for it.
    touched: u64,
    /// Milliseconds from its begin and what was said, in order: nothing twice.
    samples: Vec<(u16, Acceleration)>,
}

/// What became of a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Put {
    New,
    /// It was there already.
    Twice,
    /// What was around it is forgotten, or there is more than any band can say.
    Refused,
}

/// No band says more in ten seconds: what does has a clock that stands still.
pub(super) const SAMPLES_MAX: usize = 4_096;

/// Pieces in order, each with its samples in order: in whatever order they came, it is the same. That which was not added to for longest is forgotten first.
#[derive(Clone, Default, PartialEq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
#[rkyv(crate = rkyv)]
pub(super) struct Track {
    pieces: Vec<Piece>,
    rows: u64,
    /// From which to before which pieces are forgotten; they neither touch nor overlap.
    forgotten: Vec<(i64, i64)>,
}

impl Track {
    pub(super) fn put(&mut self, (at_ms, acceleration): Sample) -> Put {
        let nth = at_ms.div_euclid(PIECE_MS);
        let at = match self.pieces.last() {
            Some(last) if last.nth == nth => self.pieces.len() - 1,
            _ => match self.pieces.binary_search_by_key(&nth, |of| of.nth) {
                Ok(at) => at,
                Err(_) if self.is_forgotten(nth, nth + 1) => return Put::Refused,
                Err(at) => {
                    self.pieces.insert(at, Piece { nth, touched: 0, samples: Vec::new() });
                    at
                }
            },
        };
        let (piece, sample) = (&mut self.pieces[at], (at_ms.rem_euclid(PIECE_MS) as u16, acceleration));
        self.rows += 1;
        piece.touched = self.rows;
        if piece.samples.len() >= SAMPLES_MAX {
            return if piece.samples.binary_search(&sample).is_ok() { Put::Twice } else { Put::Refused };
        }
        if piece.samples.last().is_none_or(|last| *last < sample) {
            piece.samples.push(sample);
            return Put::New;
        }
        match piece.samples.binary_search(&sample) {
            Ok(_) => Put::Twice,
            Err(at) => {
                piece.samples.insert(at, sample);
                Put::New
            }
        }
    }

    /// All that is known from a time to before another, in order.
    pub(super) fn between(&self, from_ms: i64, until_ms: i64) -> Vec<Sample> {
        let from = self.pieces.partition_point(|of| (of.nth + 1) * PIECE_MS <= from_ms);
        let pieces = self.pieces[from..].iter().take_while(|of| of.nth * PIECE_MS < until_ms);
        let samples = pieces.flat_map(|of| of.samples.iter().map(|(ms, is)| (of.nth * PIECE_MS + i64::from(*ms), *is)));
        samples.skip_while(|(at_ms, _)| *at_ms < from_ms).take_while(|(at_ms, _)| *at_ms < until_ms).collect()
    }

    /// Whether any piece is forgotten, from one to before another.
    pub(super) fn is_forgotten(&self, from: i64, until: i64) -> bool {
        let at = self.forgotten.partition_point(|(_, end)| *end <= from);
        self.forgotten.get(at).is_some_and(|(begin, _)| *begin < until)
    }

    /// The piece that is to be forgotten next, if more than so many are kept: of those before a time, if there are any, so that what is brought of the past takes nothing from now.
    pub(super) fn too_many(&self, kept: usize, before_ms: i64) -> Option<i64> {
        if self.pieces.len() <= kept {
            return None;
        }
        let is_past = |of: &&Piece| (of.nth + 1) * PIECE_MS <= before_ms;
        let oldest = self.pieces.iter().filter(is_past).min_by_key(|of| of.touched);
        oldest.or(self.pieces.iter().min_by_key(|of| of.touched)).map(|of| of.nth)
    }

    /// Forgets a piece, and where no row is taken any more also that it is forgotten.
    pub(super) fn forget(&mut self, nth: i64, oldest_ms: i64) {
        self.pieces.retain(|of| of.nth != nth);
        let at = self.forgotten.partition_point(|(_, end)| *end < nth);
        match self.forgotten.get_mut(at) {
            Some((begin, end)) if *begin <= nth + 1 => (*begin, *end) = ((*begin).min(nth), (*end).max(nth + 1)),
            _ => self.forgotten.insert(at, (nth, nth + 1)),
        }
        if let Some((_, end)) = self.forgotten.get(at).copied()
            && self.forgotten.get(at + 1).is_some_and(|(begin, _)| *begin == end)
        {
            self.forgotten[at].1 = self.forgotten.remove(at + 1).1;
        }
        let oldest = oldest_ms.div_euclid(PIECE_MS);
        self.forgotten.retain(|(_, end)| *end > oldest);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sample(at_ms: i64) -> Sample {
        (at_ms, Acceleration { mg: [(at_ms % 7) as i16, 0, 0] })
    }

    #[test]
    fn what_was_added_to_last_is_kept() {
        let mut track = Track::default();
        let puts = [5, 25_000, -1, 25_000, 12_000, 7].map(|at_ms| track.put(sample(at_ms)));
        assert_eq!(puts, [Put::New, Put::New, Put::New, Put::Twice, Put::New, Put::New]);
        assert_eq!(track.between(-1, 12_000), [-1, 5, 7].map(sample));
        assert_eq!(
            (track.too_many(4, i64::MAX), track.too_many(3, i64::MAX)),
            (None, Some(-1)),
            "25,000 came twice, after -1"
        );
        track.forget(-1, -10_000);
        assert_eq!((track.put(sample(-5_000)), track.too_many(2, i64::MAX)), (Put::Refused, Some(2)));
        assert_eq!(track.too_many(2, 20_000), Some(1), "2 is of now");
        track.forget(2, -10_000);
        assert_eq!(
            (track.is_forgotten(-1, 0), track.is_forgotten(0, 2), track.is_forgotten(0, 3)),
            (true, false, true)
        );
        track.forget(1, -10_000);
        track.forget(0, -10_000);
        assert_eq!(track.forgotten, [(-1, 3)], "they have become one");
        track.put(sample(95_000));
        track.forget(9, 90_000);
        assert_eq!(track.forgotten, [(9, 10)], "nothing comes of the others");
    }

    proptest! {
        #[test]
        fn what_is_forgotten_is_what_was_said_to_be(pieces in prop::collection::vec(0..40_i64, 1..40)) {
            let (mut track, mut all) = (Track::default(), std::collections::BTreeSet::new());
            for nth in pieces {
                if all.insert(nth) {
                    track.forget(nth, 0);
                }
                for of in -1..42 {
                    prop_assert_eq!(track.is_forgotten(of, of + 1), all.contains(&of));
                }
                prop_assert!(track.forgotten.windows(2).all(|of| of[0].1 < of[1].0));
            }
        }
    }
}
