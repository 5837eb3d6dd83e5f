//! What a split has given before its turn: rows that were logged by their number come again from their source, in other
//! batches, and no epoch takes more of them than it had.

use std::collections::VecDeque;

use super::queue::{Acknowledge, Arrival};
use crate::Error;
use crate::control::Health;
use crate::decode::DeadLetter;
use crate::epochs::Given;

/// In the order in which it came. Memory: what the epoch takes that is heard again, and a batch.
pub(crate) struct Ahead<T> {
    arrivals: VecDeque<Arrival<T>>,
    /// Rows as the source counts them.
    read: u64,
}

/// What came again.
pub(crate) struct Again<T> {
    pub(crate) rows: Vec<T>,
    pub(crate) dead: Vec<DeadLetter>,
    /// Acknowledges the last batch that came whole.
    pub(crate) acknowledge: Option<Acknowledge>,
}

impl<T> Default for Ahead<T> {
    fn default() -> Self {
        Ahead { arrivals: VecDeque::new(), read: 0 }
    }
}

impl<T> Ahead<T> {
    pub(crate) fn is_empty(&self) -> bool {
        self.arrivals.is_empty()
    }

    /// So many rows are here, as the source counts them.
    pub(crate) fn read(&self) -> u64 {
        self.read
    }

    pub(crate) fn push(&mut self, arrival: Arrival<T>) {
        if let Arrival::Rows { read, .. } = &arrival {
            self.read += read;
        }
        self.arrivals.push_back(arrival);
    }

    /// The next, now that it is its turn.
    pub(crate) fn next(&mut self) -> Option<Arrival<T>> {
        let next = self.arrivals.pop_front();
        if let Some(Arrival::Rows { read, .. }) = &next {
            self.read -= read;
        }
        next
    }

    /// Takes as much as was given before. Of the health that was told meanwhile the newest stays, in front: what is heard again
    /// has its own.
    ///
    /// # Errors
    /// `E0540` if so many rows are not here, or something else came of them than before.
    pub(crate) fn again(&mut self, given: Given) -> Result<Again<T>, Error> {
        let (mut again, mut left) = (Again { rows: Vec::new(), dead: Vec::new(), acknowledge: None }, given);
        let mut told = None;
        while left.read > 0 {
            match self.next() {
                Some(Arrival::Rows { rows, dead, read, decoded, acknowledge, .. }) if read <= left.read => {
                    let whole = Given { read, decoded, rows: rows.len() as u64, dead: dead.len() as u64 };
                    left = less(left, whole).ok_or_else(|| differs(given))?;
                    again.rows.extend(rows);
                    again.dead.extend(dead);
                    again.acknowledge = acknowledge.or(again.acknowledge);
                }
                Some(Arrival::Rows { mut rows, mut dead, read, decoded, after, acknowledge }) => {
                    let whole = Given { read, decoded, rows: rows.len() as u64, dead: dead.len() as u64 };
                    let rest = less(whole, left).ok_or_else(|| differs(given))?;
                    again.rows.extend(rows.drain(..left.rows as usize));
                    again.dead.extend(dead.drain(..left.dead as usize));
                    left = Given::default();
                    self.read += rest.read;
                    let (read, decoded) = (rest.read, rest.decoded);
                    self.arrivals.push_front(Arrival::Rows { rows, dead, read, decoded, after, acknowledge });
                }
                Some(Arrival::Health(health)) => told = Some(health),
                Some(Arrival::Failed(error)) => return Err(error),
                None => return Err(differs(given)),
            }
        }
        if left != Given::default() {
            return Err(differs(given));
        }
        told.into_iter().for_each(|health: Health| self.arrivals.push_front(Arrival::Health(health)));
        Ok(again)
    }
}

fn less(of: Given, by: Given) -> Option<Given> {
    Some(Given {
        read: of.read.checked_sub(by.read)?,
        decoded: of.decoded.checked_sub(by.decoded)?,
        rows: of.rows.checked_sub(by.rows)?,
        dead: of.dead.checked_sub(by.dead)?,
    })
}

/// What is said of a source that does not give the same again.
pub(crate) fn differs(given: Given) -> Error {
    let Given { read, .. } = given;
    let what = format!("{read} rows do not come again as they were when their number was logged");
    let remedy = "let the source give again what it gave, and the decoder make the same of it; a source that cannot promise that says Replay::Seek, and its rows are logged whole";
    Error::new("E0540", what).remedy(remedy)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What the `n`-th row of a source gives: rows, or a dead letter.
    fn decoded(n: u64, made: u8) -> (Vec<(u64, u8)>, Option<DeadLetter>) {
        let dead = DeadLetter {
            source: String::new(),
            split: String::new(),
            place: n,
            bytes: bytes::Bytes::new(),
            code: "E0401".into(),
            what: String::new(),
            attempt: 1,
        };
        if made == 3 { (Vec::new(), Some(dead)) } else { ((0..made).map(|i| (n, i)).collect(), None) }
    }

    fn batch(from: u64, made: &[u8]) -> (Vec<(u64, u8)>, Vec<DeadLetter>, Given) {
        let (mut rows, mut dead) = (Vec::new(), Vec::new());
        for (n, made) in (from..).zip(made) {
            let (some, letter) = decoded(n, *made);
            rows.extend(some);
            dead.extend(letter);
        }
        let read = made.len() as u64;
        let given = Given { read, decoded: read - dead.len() as u64, rows: rows.len() as u64, dead: dead.len() as u64 };
        (rows, dead, given)
    }

    fn arrival(from: u64, made: &[u8]) -> Arrival<(u64, u8)> {
        let (rows, dead, Given { read, decoded, .. }) = batch(from, made);
        Arrival::Rows {
            rows,
            dead,
            read,
            decoded,
            after: Some((from + read).into()),
            acknowledge: Some(Box::new(|| {})),
        }
    }

    /// The same, cut into parts.
    fn cuts<'a>(made: &'a [u8], lengths: &'a [usize]) -> impl Iterator<Item = (u64, &'a [u8])> {
        let mut at = 0;
        lengths.iter().copied().chain([made.len()]).map(move |length| {
            let (from, to) = (at, (at + length).min(made.len()));
            at = to;
            (from as u64, &made[from..to])
        })
    }

    proptest! {
        #[test]
        fn however_it_is_cut_the_same_comes_again(
            made in prop::collection::vec(0u8..4, 0..60),
            before in prop::collection::vec(0usize..9, 0..20),
            now in prop::collection::vec(0usize..9, 0..20),
            told in prop::collection::vec(any::<bool>(), 0..20),
            logged in 0usize..60,
        ) {
            let mut ahead = Ahead::default();
            let mut newest = None;
            for ((from, part), frozen) in cuts(&made, &now).zip(told.into_iter().chain(std::iter::repeat(false))) {
                ahead.push(arrival(from, part));
                if frozen {
                    newest = Some(from);
                    ahead.push(Arrival::Health(Health::Frozen));
                }
            }
            prop_assert_eq!(ahead.read(), made.len() as u64);
            let logged = logged.min(made.len());
            for (from, part) in cuts(&made[..logged], &before) {
                let (rows, dead, given) = batch(from, part);
                let again = ahead.again(given).unwrap();
                prop_assert_eq!((again.rows, again.dead), (rows, dead));
            }
            // What was not taken comes as it would have, and the newest health before it.
            let (mut rows, mut dead, mut sum, mut health) = (Vec::new(), Vec::new(), Given::default(), 0);
            while let Some(arrival) = ahead.next() {
                match arrival {
                    Arrival::Rows { rows: some, dead: letters, read, decoded, .. } => {
                        (sum.read, sum.decoded) = (sum.read + read, sum.decoded + decoded);
                        rows.extend(some);
                        dead.extend(letters);
                    }
                    Arrival::Health(_) => health += 1,
                    Arrival::Failed(error) => panic!("{error}"),
                }
            }
            let (rest, letters, given) = batch(logged as u64, &made[logged..]);
            prop_assert_eq!((rows, dead, sum.read, sum.decoded), (rest, letters, given.read, given.decoded));
            prop_assert!(newest.is_none() || health > 0);
        }
    }

    #[test]
    fn what_does_not_come_as_it_was_is_refused() {
        let filled = |made: &[u8]| {
            let mut ahead = Ahead::default();
            cuts(made, &[2, 3]).for_each(|(from, part)| ahead.push(arrival(from, part)));
            ahead
        };
        let (_, _, given) = batch(0, &[1, 2, 3, 0]);
        assert!(filled(&[1, 2, 3, 0, 1, 1]).again(given).is_ok());
        for other in [&[1, 2, 3][..], &[1, 2, 2, 0, 1], &[2, 2, 3, 0], &[1, 2, 3, 3], &[1, 2, 3, 1]] {
            let error = filled(other).again(given).err().map(|error| error.code().to_owned());
            assert_eq!(error.as_deref(), Some("E0540"), "{other:?}");
        }
    }
}
