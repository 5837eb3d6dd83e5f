//! The source: row `n` of a split is a function of the seed, the split and `n`.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use watchfire_engine::Error;
use watchfire_engine::source::{Failure, Fut, KeyPlacement, Next, Opened, RawRow, Reader, Replay, Source};

use super::DatagenConfig;

/// What a row is drawn from: its number, and as many even numbers as the row needs.
///
/// # Examples
/// ```
/// use watchfire_connectors::datagen::Draw;
/// let (mut a, mut b) = (Draw::new(7, 0, 3), Draw::new(7, 0, 3));
/// let share = a.unit();
/// assert!((0.0..1.0).contains(&share) && share == b.unit());
/// assert!((10..20).contains(&a.between(10, 20)));
/// ```
#[derive(Clone, Debug)]
pub struct Draw {
    /// The split, from 0.
    pub split: u32,
    /// The row's number in its split, from 0.
    pub n: u64,
    state: u64,
}

impl Draw {
    /// The draws of row `n` of a split.
    pub fn new(seed: u64, split: u32, n: u64) -> Self {
        Draw { split, n, state: mix(mix(mix(seed) ^ u64::from(split)) ^ n) }
    }

    /// The next 64 even bits.
    pub fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mix(self.state)
    }

    /// The next number of `[0, 1)`.
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// The next whole number of `[low, high)`; `low` if that is empty.
    pub fn between(&mut self, low: i64, high: i64) -> i64 {
        let width = high.saturating_sub(low).max(1) as u64;
        low + ((u128::from(self.bits()) * u128::from(width)) >> 64) as i64
    }
}

/// The finaliser of splitmix64 (Steele, Lea, Flood 2014).
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// Makes rows up. Bounded, [`Replay::Exact`], and the same on every machine; rows leave as JSON, so that a flow reads
/// them as it would read a file.
///
/// A row that cannot be written as JSON (`E0439`) ends the job. Memory: one batch.
///
/// # Examples
/// ```
/// use watchfire_connectors::datagen::{Datagen, DatagenConfig};
/// use watchfire_engine::source::Source;
/// let steps = Datagen::new(DatagenConfig::new(100), |draw| (draw.n, draw.between(0, 6) + 1));
/// assert!(steps.bounded());
/// ```
pub struct Datagen<T> {
    config: DatagenConfig,
    make: Arc<dyn Fn(&mut Draw) -> T + Send + Sync>,
}

impl<T> fmt::Debug for Datagen<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Datagen").field("config", &self.config).finish_non_exhaustive()
    }
}

impl<T: Serialize + 'static> Datagen<T> {
    /// Rows that `make` makes from a draw; it must use nothing else.
    pub fn new(config: DatagenConfig, make: impl Fn(&mut Draw) -> T + Send + Sync + 'static) -> Self {
        Datagen { config, make: Arc::new(make) }
    }
}

impl<T: Serialize + 'static> Source for Datagen<T> {
    type Split = u32;
    type Offset = u64;

    fn replay(&self) -> Replay {
        Replay::Exact
    }

    fn key_placement(&self) -> KeyPlacement {
        if self.config.splits <= 1 { KeyPlacement::OneSplit } else { KeyPlacement::AnySplit }
    }

    fn bounded(&self) -> bool {
        true
    }

    fn discover(&self) -> Fut<'_, Result<Vec<u32>, Failure>> {
        Box::pin(async { Ok((0..self.config.splits).collect()) })
    }

    fn open(&self, split: u32, from: Option<u64>) -> Fut<'_, Opened<u64>> {
        let reader = DatagenReader { config: self.config, make: self.make.clone(), split, n: from.unwrap_or(0) };
        Box::pin(async { Ok(Box::new(reader) as Box<dyn Reader<u64>>) })
    }
}

struct DatagenReader<T> {
    config: DatagenConfig,
    make: Arc<dyn Fn(&mut Draw) -> T + Send + Sync>,
    split: u32,
    n: u64,
}

impl<T: Serialize + 'static> DatagenReader<T> {
    fn row(&self, n: u64) -> Result<RawRow, Failure> {
        let row = (self.make)(&mut Draw::new(self.config.seed, self.split, n));
        let body = serde_json::to_vec(&row).map_err(|e| {
            let what = format!("row {n} of split {} cannot be written as JSON", self.split);
            Failure::Fatal(Error::new("E0439", what).because(e).remedy("mend the function that makes the rows"))
        })?;
        Ok(RawRow { place: n + 1, key: None, body: Bytes::from(body) })
    }
}

impl<T: Serialize + 'static> Reader<u64> for DatagenReader<T> {
    fn next(&mut self, room: usize) -> Fut<'_, Result<Next<u64>, Failure>> {
        Box::pin(async move {
            if self.n >= self.config.rows {
                return Ok(Next::End);
            }
            let mut take = (self.config.rows - self.n).min(room as u64);
            if let Some(per_second) = self.config.rows_per_second.filter(|rate| *rate > 0.0) {
                take = take.min((per_second / 20.0).ceil() as u64).max(1);
                // Nothing has moved before the pause is over, so a dropped call loses nothing.
                async_io::Timer::after(Duration::from_secs_f64(take as f64 / per_second)).await;
            }
            let rows = (self.n..self.n + take).map(|n| self.row(n)).collect::<Result<Vec<_>, _>>()?;
            self.n += take;
            Ok(Next::Rows { rows, after: self.n })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_lite::future::block_on;

    fn all(source: &Datagen<(u64, i64)>, from: Option<u64>) -> Vec<Bytes> {
        let mut reader = block_on(source.open(1, from)).unwrap();
        let mut bodies = Vec::new();
        while let Next::Rows { rows, .. } = block_on(reader.next(7)).unwrap() {
            bodies.extend(rows.into_iter().map(|row| row.body));
        }
        bodies
    }

    #[test]
    fn the_rest_from_every_offset_is_the_same() {
        let config = DatagenConfig { splits: 2, seed: 9, ..DatagenConfig::new(30) };
        let source = Datagen::new(config, |draw| (draw.n, draw.between(-5, 5)));
        let whole = all(&source, None);
        assert_eq!(whole.len(), 30);
        for from in 0..=30 {
            assert_eq!(all(&source, Some(from)), whole[from as usize..]);
        }
    }

    #[test]
    fn draws_are_pinned() {
        let mut draw = Draw::new(1, 2, 3);
        assert_eq!([draw.bits(), draw.bits()], PINNED);
    }

    /// What a release must never change.
    const PINNED: [u64; 2] = [12_560_079_469_515_091_432, 9_643_713_164_311_169_692];
}
