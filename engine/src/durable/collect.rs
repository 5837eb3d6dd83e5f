//! Which objects nothing needs any more: a pure function over what is there.

use std::collections::BTreeSet;

use super::log::Known;
use super::record::{self, Manifest};

/// Where states lie: `state/GENERATION-CHECKPOINT-PART`.
pub(crate) const STATES: &str = "state";

/// The name of the `part`-th object of states that a generation writes for a checkpoint.
pub(crate) fn name_of(generation: u64, checkpoint: u64, part: u32) -> String {
    format!("{STATES}/{generation:020}-{checkpoint:020}-{part:010}")
}

/// Of an object of states, its generation and checkpoint.
fn owner_of(name: &str) -> Option<(u64, u64)> {
    let mut parts = name.strip_prefix(STATES)?.strip_prefix('/')?.split('-');
    let (generation, checkpoint) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    // What only looks like one, such as somebody's copy, is not ours to delete.
    (name_of(generation, checkpoint, parts.next()?.parse().ok()?) == name).then_some((generation, checkpoint))
}

/// What to delete, in this order, so that the newest `keep` checkpoints stay whole, and so does everything that is still
/// being written. `names` are all objects of the store; `pinned` manifests, such as those of savepoints, stay as well.
///
/// Records go first, the oldest first, so that none ever names an object that is gone. Only what the log knows to be over
/// is deleted: states of fenced generations, and those of checkpoints up to the newest that is complete. Nothing is
/// deleted while fewer than `keep` checkpoints are there, and never the newest record.
pub(crate) fn plan(log: &[Known], names: &[String], keep: usize, pinned: &[Manifest]) -> Vec<String> {
    let checkpoints: Vec<(u64, u64, &Manifest)> = log
        .iter()
        .filter_map(|known| match known {
            Known::Good(record) => record.manifest().map(|manifest| (record.number, record.generation, manifest)),
            Known::Damaged { .. } => None,
        })
        .collect();
    let Some(first) = checkpoints.len().checked_sub(keep.max(1)) else { return Vec::new() };
    let kept = &checkpoints[first..];
    let (Some((oldest, ..)), Some((_, _, newest))) = (kept.first(), kept.last()) else { return Vec::new() };
    let Some(generation) = log.iter().filter_map(generation_of).max() else { return Vec::new() };
    let files = |manifest: &Manifest| -> Vec<String> {
        manifest.operators.values().flat_map(|operator| operator.files.iter().map(|file| file.name.clone())).collect()
    };
    let reached: BTreeSet<String> = kept.iter().map(|(.., manifest)| *manifest).chain(pinned).flat_map(files).collect();
    let is_over = |name: &str| {
        owner_of(name)
            .is_some_and(|(of, checkpoint)| of < generation || of == generation && checkpoint <= newest.checkpoint)
    };
    let mut records: Vec<u64> = names.iter().filter_map(|name| record::number_of(name)).collect();
    records.sort_unstable();
    let records = records.into_iter().filter(|number| number < oldest).map(record::name_of);
    let states = names.iter().filter(|name| is_over(name) && !reached.contains(*name)).cloned();
    records.chain(states).collect()
}

fn generation_of(known: &Known) -> Option<u64> {
    match known {
        Known::Good(record) => Some(record.generation),
        Known::Damaged { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::durable::{Entry, OperatorState, Record, StateFile};
    use proptest::prelude::*;

    /// A job's life: at each step a checkpoint that writes one object and still needs some of those before, a new
    /// generation, a damaged record, or an object that is written before its checkpoint is complete.
    #[derive(Clone, Debug)]
    enum Step {
        Checkpoint { needs: usize },
        Restart,
        Damage,
        Early,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            8 => (0usize..4).prop_map(|needs| Step::Checkpoint { needs }),
            2 => Just(Step::Restart),
            1 => Just(Step::Damage),
            2 => Just(Step::Early),
        ];
        prop::collection::vec(step, 0..30)
    }

    #[derive(Default)]
    struct World {
        log: Vec<Known>,
        names: Vec<String>,
        generation: u64,
        checkpoint: u64,
        /// Objects of checkpoints, oldest first.
        written: Vec<String>,
        /// Written by the present generation for a checkpoint to come.
        early: Vec<String>,
    }

    impl World {
        fn write(&mut self, entry: Option<Entry>) {
            let number = self.log.len() as u64 + 1;
            self.names.push(record::name_of(number));
            self.log.push(match entry {
                Some(entry) => Known::Good(Record { number, previous: None, generation: self.generation, entry }),
                None => Known::Damaged { number, why: String::new() },
            });
        }

        fn object(&mut self, checkpoint: u64) -> String {
            let name = name_of(self.generation, checkpoint, self.names.len() as u32);
            self.names.push(name.clone());
            name
        }

        fn take(&mut self, step: &Step) {
            match step {
                Step::Restart => {
                    self.generation = self.log.len() as u64 + 1;
                    self.early.clear();
                    self.write(Some(Entry::Started { nonce: 0, from: None, release: String::new() }));
                }
                Step::Damage => self.write(None),
                Step::Early => {
                    let name = self.object(self.checkpoint + 1);
                    self.early.push(name);
                }
                Step::Checkpoint { needs } => {
                    self.checkpoint += 1;
                    let name = self.object(self.checkpoint);
                    self.written.push(name);
                    let mut names = self.written.split_off(self.written.len().saturating_sub(needs + 1));
                    names.append(&mut self.early);
                    let file = |name: &String| StateFile { name: name.clone(), bytes: 0, checksum: 0, groups: (0, 0) };
                    let files = names.iter().map(file).collect();
                    let operators = [("site".to_owned(), OperatorState { states: Vec::new(), files })].into();
                    self.written = names;
                    let manifest = Manifest { checkpoint: self.checkpoint, operators, ..Manifest::default() };
                    self.write(Some(Entry::Checkpoint(Box::new(manifest))));
                }
            }
        }
    }

    proptest! {
        #[test]
        fn kept_checkpoints_stay_whole_and_nothing_under_way_goes(steps in steps(), keep in 1usize..4, pin in any::<prop::sample::Index>()) {
            let mut world = World { generation: 1, ..World::default() };
            world.write(Some(Entry::Started { nonce: 0, from: None, release: String::new() }));
            steps.iter().for_each(|step| world.take(step));
            let manifests: Vec<Manifest> = world.log.iter().filter_map(|known| match known {
                Known::Good(record) => record.manifest().cloned(),
                Known::Damaged { .. } => None,
            }).collect();
            let pinned: Vec<Manifest> = if manifests.is_empty() { vec![] } else { vec![pin.get(&manifests).clone()] };
            let gone = plan(&world.log, &world.names, keep, &pinned);

            let left: Vec<&String> = world.names.iter().filter(|name| !gone.contains(name)).collect();
            for manifest in manifests.iter().rev().take(keep).chain(&pinned) {
                for file in manifest.operators.values().flat_map(|operator| &operator.files) {
                    prop_assert!(left.contains(&&file.name), "{} needs {}", manifest.checkpoint, file.name);
                }
            }
            for name in &world.early {
                prop_assert!(left.contains(&name), "{name} is being written");
            }
            let records: Vec<u64> = gone.iter().filter_map(|name| record::number_of(name)).collect();
            prop_assert!(records.iter().copied().eq(1..records.len() as u64 + 1), "the oldest, without gap: {records:?}");
            if manifests.len() < keep {
                prop_assert!(gone.is_empty());
            }
            // What is left has nothing more to give, and the log that is left says the same.
            let log: Vec<Known> = world.log.split_off(records.len());
            let names: Vec<String> = left.into_iter().cloned().collect();
            prop_assert!(plan(&log, &names, keep, &pinned).is_empty());
            let reached = |name: &String| manifests.iter().rev().take(keep).chain(&pinned).any(|manifest| {
                manifest.operators.values().flat_map(|operator| &operator.files).any(|file| file.name == *name)
            });
            for name in names.iter().filter(|name| owner_of(name).is_some()) {
                prop_assert!(manifests.len() < keep || reached(name) || world.early.contains(name), "{name} is left for nothing");
            }
        }
    }
}
