//! Which splits there are, and how far each has been read.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::durable::SplitAt;
use crate::epochs::Heard;

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

    /// The offset after so many more rows, of a split whose offset is their count.
    pub(crate) fn after(&self, number: u32, rows: u64) -> Value {
        let offset = self.0.get(&number).and_then(|(_, at)| at.offset.as_ref());
        (offset.and_then(Value::as_u64).unwrap_or(0) + rows).into()
    }

    pub(crate) fn finish(&mut self, number: u32) {
        if let Some((_, at)) = self.0.get_mut(&number) {
            at.finished = true;
        }
    }

    pub(crate) fn is_finished(&self, number: u32) -> bool {
        self.0.get(&number).is_some_and(|(_, at)| at.finished)
    }

    /// Where splits are read on, when these epochs are heard again: after them, but from the first row that the source is to give
    /// again.
    pub(crate) fn read_on<'a>(mut self, logged: impl Iterator<Item = &'a Heard>) -> BTreeMap<String, Vec<SplitAt>> {
        let mut given_again = BTreeSet::new();
        for heard in logged {
            match heard {
                Heard::Range { split, .. } => _ = given_again.insert(*split),
                Heard::Ended { split } if given_again.contains(split) => {}
                heard => self.hear(heard),
            }
        }
        self.sources()
    }

    fn hear(&mut self, heard: &Heard) {
        match heard {
            Heard::Opened { source, split, name, .. } => self.open(source, *split, name),
            Heard::Rows { split, after: Some(after), .. } => self.reached(*split, after.clone()),
            Heard::Ended { split } => self.finish(*split),
            _ => {}
        }
    }

    /// The source of a split.
    pub(crate) fn source_of(&self, number: u32) -> Option<&str> {
        self.0.get(&number).map(|(source, _)| source.as_str())
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
