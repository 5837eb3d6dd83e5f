//! Which splits there are, and how far each has been read.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::durable::SplitAt;

/// Splits by their number in this job; those that have ended stay.
#[derive(Debug, Default)]
pub(crate) struct SplitBook(BTreeMap<u32, (String, SplitAt)>);

impl SplitBook {
    /// The book as it was at a checkpoint.
    pub(crate) fn resumed(sources: &BTreeMap<String, Vec<SplitAt>>) -> Self {
        let each = sources.iter().flat_map(|(source, splits)| splits.iter().map(move |at| (source, at)));
        SplitBook(each.map(|(source, at)| (at.number, (source.clone(), at.clone()))).collect())
    }

    /// A split of a source is read; `name` is what the source calls it.
    pub(crate) fn open(&mut self, source: &str, number: u32, name: &Value) {
        let fresh = || SplitAt { split: name.clone(), number, offset: None, finished: false };
        self.0.entry(number).or_insert_with(|| (source.to_owned(), fresh()));
    }

    /// Everything before the offset has entered.
    pub(crate) fn reached(&mut self, number: u32, offset: Value) {
        if let Some((_, at)) = self.0.get_mut(&number) {
            at.offset = Some(offset);
        }
    }

    /// So many more rows have entered, of a split whose offset is their count.
    pub(crate) fn counted(&mut self, number: u32, rows: u64) {
        if let Some((_, at)) = self.0.get_mut(&number) {
            let before = at.offset.as_ref().and_then(Value::as_u64).unwrap_or(0);
            at.offset = Some((before + rows).into());
        }
    }

    pub(crate) fn finish(&mut self, number: u32) {
        if let Some((_, at)) = self.0.get_mut(&number) {
            at.finished = true;
        }
    }

    /// The book as a manifest holds it.
    pub(crate) fn sources(&self) -> BTreeMap<String, Vec<SplitAt>> {
        let mut sources: BTreeMap<String, Vec<SplitAt>> = BTreeMap::new();
        for (source, at) in self.0.values() {
            sources.entry(source.clone()).or_default().push(at.clone());
        }
        sources
    }
}
