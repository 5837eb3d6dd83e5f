//! Aggregates that show exactly which rows a window was made of, and in which order.

use watchfire_engine::{Verdict, rkyv};
use watchfire_operators::window::{Aggregate, Span};

use super::Reading;

/// The numbers of a window's rows, by event time. A number that comes twice in a pane is a duplicate.
#[derive(Clone, Copy, Debug)]
pub struct Ids;

impl Aggregate for Ids {
    type In = Reading;
    type Part = Vec<(i64, u32)>;
    type Out = Vec<u32>;

    fn params(&self) -> String {
        "ids".into()
    }

    fn add(&self, part: &mut Self::Part, row: &Reading, at_ms: i64) -> Verdict {
        match part.binary_search(&(at_ms, row.id)) {
            Ok(_) => Verdict::Duplicate,
            Err(at) => {
                part.insert(at, (at_ms, row.id));
                Verdict::Applied
            }
        }
    }

    fn merge(&self, into: &mut Self::Part, next: &Self::Part) {
        assert!(into.last() < next.first(), "parts are merged in time order");
        into.extend(next);
    }

    fn finish(&self, _span: Span, part: &Self::Part, _before: Option<&Self::Part>) -> Option<Vec<u32>> {
        Some(part.iter().map(|(_, id)| *id).collect())
    }
}

/// What [`Ids`] must give.
pub fn ids(_span: Span, rows: &[Reading], _before: &[Reading]) -> Option<Vec<u32>> {
    let mut rows = rows.to_vec();
    rows.sort_by_key(|row| (row.at_ms, row.id));
    rows.dedup_by_key(|row| (row.at_ms, row.id));
    Some(rows.iter().map(|row| row.id).collect())
}

/// The integral of a signal that keeps its value until the next sample, and for how long it was known. A sample of the
/// pane before the window reaches into it. Samples of a sealed pane are folded, and the pane is shut.
#[derive(Clone, Copy, Debug)]
pub struct Integral;

/// The samples of an open pane, by (time, number), or the fold of a sealed one.
#[derive(Clone, Debug, Default, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct Samples {
    open: Vec<(i64, u32, i64)>,
    folded: Option<Fold>,
}

#[derive(Clone, Copy, Debug, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
struct Fold {
    first_ms: i64,
    last_ms: i64,
    last: i64,
    area: i128,
}

impl Samples {
    fn fold(&self) -> Option<Fold> {
        if self.folded.is_some() {
            return self.folded;
        }
        let (first_ms, _, first) = *self.open.first()?;
        let start = Fold { first_ms, last_ms: first_ms, last: first, area: 0 };
        Some(self.open.iter().fold(start, |fold, (at_ms, _, value)| {
            let area = fold.area + i128::from(at_ms - fold.last_ms) * i128::from(fold.last);
            Fold { last_ms: *at_ms, last: *value, area, ..fold }
        }))
    }
}

impl Aggregate for Integral {
    type In = Reading;
    type Part = Samples;
    type Out = (i128, i64);

    fn params(&self) -> String {
        "integral".into()
    }

    fn sealed_is_shut(&self) -> bool {
        true
    }

    fn reads_before(&self) -> bool {
        true
    }

    fn add(&self, part: &mut Samples, row: &Reading, at_ms: i64) -> Verdict {
        assert!(part.folded.is_none(), "a shut pane takes no rows");
        let at = part.open.partition_point(|sample| (sample.0, sample.1) < (at_ms, row.id));
        part.open.insert(at, (at_ms, row.id, row.value));
        Verdict::Applied
    }

    fn seal(&self, part: &mut Samples, spare: &mut Samples) {
        part.folded = part.fold();
        let mut open = std::mem::take(&mut part.open);
        open.clear();
        spare.open = open;
    }

    fn merge(&self, into: &mut Samples, next: &Samples) {
        let folded = match (into.fold(), next.fold()) {
            (Some(a), Some(b)) => {
                let between = i128::from(b.first_ms - a.last_ms) * i128::from(a.last);
                Some(Fold { first_ms: a.first_ms, area: a.area + between + b.area, ..b })
            }
            (a, b) => a.or(b),
        };
        *into = Samples { folded, open: Vec::new() };
    }

    fn finish(&self, span: Span, part: &Samples, before: Option<&Samples>) -> Option<(i128, i64)> {
        let fold = part.fold()?;
        let mut area = fold.area + i128::from(span.end_ms - fold.last_ms) * i128::from(fold.last);
        let mut known_from_ms = fold.first_ms;
        if let Some(before) = before.and_then(Samples::fold) {
            area += i128::from(fold.first_ms - span.start_ms) * i128::from(before.last);
            known_from_ms = span.start_ms;
        }
        Some((area, span.end_ms - known_from_ms))
    }
}

/// What [`Integral`] must give: millisecond by millisecond.
pub fn integral(span: Span, rows: &[Reading], before: &[Reading]) -> Option<(i128, i64)> {
    let mut rows: Vec<Reading> = before.iter().chain(rows).copied().collect();
    rows.sort_by_key(|row| (row.at_ms, row.id));
    let (mut area, mut known_ms) = (0, 0);
    for at_ms in span.start_ms..span.end_ms {
        if let Some(row) = rows.iter().rfind(|row| row.at_ms <= at_ms) {
            (area, known_ms) = (area + i128::from(row.value), known_ms + 1);
        }
    }
    Some((area, known_ms))
}
