//! Which objects nothing needs any more: a pure function over what is there.

use std::collections::BTreeSet;

use super::log::Known;
use super::record::{self, Entry, Manifest};
use crate::epochs::Place;

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

/// Of a log, the checkpoints that still count, and what must stay for the sake of others.
#[derive(Default)]
struct Counted<'a> {
    /// Every checkpoint, by its record.
    all: Vec<(u64, &'a Manifest)>,
    /// Those that a start may choose: one that a generation passed over when it began is not counted any more.
    eligible: Vec<(u64, &'a Manifest)>,
    /// Records of checkpoints that have yet to be committed, with the checkpoint.
    owed: Vec<(u64, u64)>,
    generation: u64,
    newest_damaged: Option<u64>,
}

impl<'a> Counted<'a> {
    fn in_log(log: &'a [Known]) -> Self {
        let mut counted = Counted::default();
        for known in log {
            let Known::Good(record) = known else {
                counted.newest_damaged = Some(known.number());
                continue;
            };
            counted.generation = counted.generation.max(record.generation);
            match &record.entry {
                Entry::Started { from, .. } => {
                    counted.eligible.retain(|(_, manifest)| Some(manifest.checkpoint) <= *from);
                }
                Entry::Checkpoint(manifest) => {
                    counted.all.push((record.number, manifest));
                    counted.eligible.push((record.number, manifest));
                    if manifest.owes_commit() {
                        counted.owed.push((record.number, manifest.checkpoint));
                    }
                }
                Entry::Committed { checkpoint } => counted.owed.retain(|(_, owed)| owed > checkpoint),
                Entry::Finished => {}
            }
        }
        counted
    }

    /// The oldest record that stays: that of the oldest of the newest `keep`, of the one to fall back to if an object of the
    /// newest is damaged, or of one that has yet to be committed.
    fn oldest(&self, keep: usize) -> Option<u64> {
        let first = self.eligible.len().checked_sub(keep.max(1))?;
        let apart = if keep > 1 { self.newest_apart() } else { None };
        let (kept, _) = self.eligible.get(apart.map_or(first, |apart| apart.min(first)))?;
        Some(self.owed.iter().map(|(record, _)| *record).fold(*kept, u64::min))
    }

    /// The newest checkpoint that shares no object with the newest of all.
    fn newest_apart(&self) -> Option<usize> {
        let (_, newest) = self.eligible.last()?;
        let of_newest: BTreeSet<&str> = newest.files().map(|file| file.name.as_str()).collect();
        self.eligible.iter().rposition(|(_, older)| older.files().all(|file| !of_newest.contains(file.name.as_str())))
    }
}

/// What to delete, in this order, so that the newest `keep` checkpoints stay whole, and so does everything that is still
/// being written; with them, where more than one is kept, the newest that shares no object with the newest of all, so that
/// no single damaged object takes all of them. `names` are all objects of the store; `pinned` manifests, such as those of savepoints, stay as well.
///
/// Records go first, the oldest first, so that none ever names an object that is gone. Only what the log knows to be over
/// is deleted: states of fenced generations, and those of checkpoints up to the newest that is complete. Nothing is
/// deleted while fewer than `keep` checkpoints are there that a start may choose, and never the newest record. While a
/// damaged record stays no states go and no part of the epoch log, for nobody knows which it needs, and it may yet be restored.
pub(crate) fn plan(log: &[Known], names: &[String], keep: usize, pinned: &[Manifest]) -> Vec<String> {
    let counted = Counted::in_log(log);
    let (Some(oldest), Some((_, newest))) = (counted.oldest(keep), counted.eligible.last()) else { return Vec::new() };
    let mut records: Vec<u64> = names.iter().filter_map(|name| record::number_of(name)).collect();
    records.sort_unstable();
    let records = records.into_iter().filter(|number| *number < oldest).map(record::name_of);
    if counted.newest_damaged.is_some_and(|number| number > oldest) {
        return records.collect();
    }
    let logged = epochs_before(&counted, oldest, names);
    let stay = counted.all.iter().filter(|(number, _)| *number >= oldest).map(|(_, manifest)| *manifest);
    let reached: BTreeSet<&str> = stay.chain(pinned).flat_map(Manifest::files).map(|file| file.name.as_str()).collect();
    let is_over = |name: &str| {
        owner_of(name).is_some_and(|(of, checkpoint)| {
            of < counted.generation || of == counted.generation && checkpoint <= newest.checkpoint
        })
    };
    let states = names.iter().filter(|name| is_over(name) && !reached.contains(name.as_str())).cloned();
    records.chain(states).chain(logged).collect()
}

/// Parts of the epoch log that no checkpoint which stays needs: nothing in them comes after it. The newest stays, for it says
/// that what a fenced generation may yet write counts for nothing.
fn epochs_before(counted: &Counted<'_>, oldest: u64, names: &[String]) -> Vec<String> {
    let stay = counted.all.iter().filter(|(number, _)| *number >= oldest).map(|(_, manifest)| manifest.checkpoint);
    let Some(first) = stay.min() else { return Vec::new() };
    let newest = names.iter().filter_map(|name| Place::of(name)).max();
    let is_over = |name: &&String| Place::of(name).is_some_and(|place| place.epoch() <= first && Some(place) < newest);
    names.iter().filter(is_over).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::durable::{OperatorState, Prepared, Record, StateFile};
    use proptest::prelude::*;

    /// A job's life: at each step a checkpoint that writes one object and still needs some of those before, a commit, a new
    /// generation that goes on from an older checkpoint, a damaged record, or an object that is written before its
    /// checkpoint is complete.
    #[derive(Clone, Debug)]
    enum Step {
        Checkpoint { needs: usize, owes: bool },
        Commit,
        Restart { back: usize },
        Damage,
        Early,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            8 => (0usize..4, any::<bool>()).prop_map(|(needs, owes)| Step::Checkpoint { needs, owes }),
            4 => Just(Step::Commit),
            2 => prop_oneof![3 => Just(0usize), 1 => 1usize..3].prop_map(|back| Step::Restart { back }),
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
        /// Checkpoints that may be gone on from, oldest first.
        eligible: Vec<Manifest>,
        owed: Vec<Manifest>,
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

        fn start(&mut self, back: usize) {
            self.generation = self.log.len() as u64 + 1;
            self.early.clear();
            self.eligible.truncate(self.eligible.len().saturating_sub(back).max(1));
            let from = self.eligible.last().map(|manifest| manifest.checkpoint);
            self.write(Some(Entry::Started {
                job: "site".into(),
                nonce: 0,
                from,
                release: String::new(),
                logs_epochs: false,
            }));
        }

        fn take(&mut self, step: &Step) {
            match step {
                Step::Restart { back } => self.start(*back),
                Step::Commit => {
                    self.owed.clear();
                    self.write(Some(Entry::Committed { checkpoint: self.checkpoint }));
                }
                Step::Damage => self.write(None),
                Step::Early => {
                    let name = self.object(self.checkpoint + 1);
                    self.early.push(name);
                }
                Step::Checkpoint { needs, owes } => {
                    self.checkpoint += 1;
                    let before = self.eligible.last().into_iter().flat_map(Manifest::files);
                    let mut names: Vec<String> = before.map(|file| file.name.clone()).collect();
                    names.drain(..names.len().saturating_sub(*needs));
                    names.append(&mut self.early);
                    names.push(self.object(self.checkpoint));
                    let file = |name: String| StateFile { name, bytes: 0, checksum: 0, groups: (0, 0), base: false };
                    let files = names.into_iter().map(file).collect();
                    let operators = [("site".to_owned(), OperatorState { states: Vec::new(), files })].into();
                    let part = Prepared { part: 0, committable: owes.then(String::new) };
                    let sinks = [("alarms".to_owned(), vec![part])].into();
                    let manifest = Manifest { checkpoint: self.checkpoint, operators, sinks, ..Manifest::default() };
                    self.eligible.push(manifest.clone());
                    if *owes {
                        self.owed.push(manifest.clone());
                    }
                    self.write(Some(Entry::Checkpoint(Box::new(manifest))));
                }
            }
        }
    }

    proptest! {
        #[test]
        fn kept_checkpoints_stay_whole_and_nothing_under_way_goes(steps in steps(), keep in 1usize..4, pin in any::<prop::sample::Index>()) {
            let mut world = World::default();
            world.start(0);
            steps.iter().for_each(|step| world.take(step));
            let in_log = |log: &[Known]| -> Vec<Manifest> {
                log.iter().filter_map(Known::record).filter_map(Record::manifest).cloned().collect()
            };
            let all = in_log(&world.log);
            let pinned: Vec<Manifest> = if all.is_empty() { vec![] } else { vec![pin.get(&all).clone()] };
            let gone = plan(&world.log, &world.names, keep, &pinned);

            let left: Vec<String> = world.names.iter().filter(|name| !gone.contains(name)).cloned().collect();
            let records: Vec<u64> = gone.iter().filter_map(|name| record::number_of(name)).collect();
            prop_assert!(records.iter().copied().eq(1..records.len() as u64 + 1), "the oldest, without gap: {records:?}");
            let log = &world.log[records.len()..];
            let in_left = in_log(log);
            let shares = |a: &Manifest, b: &Manifest| a.files().any(|file| b.files().any(|other| other.name == file.name));
            let newest = world.eligible.last();
            let apart = world.eligible.iter().rfind(|one| keep > 1 && newest.is_some_and(|newest| !shares(one, newest)));
            let kept = world.eligible.iter().rev().take(keep).chain(apart).chain(&world.owed);
            for manifest in kept.clone() {
                prop_assert!(in_left.contains(manifest), "{} is kept", manifest.checkpoint);
            }
            for manifest in in_left.iter().chain(&pinned) {
                for file in manifest.files() {
                    prop_assert!(left.contains(&file.name), "{} needs {}", manifest.checkpoint, file.name);
                }
            }
            for name in &world.early {
                prop_assert!(left.contains(name), "{name} is being written");
            }
            if world.eligible.len() < keep {
                prop_assert!(gone.is_empty());
                return Ok(());
            }
            // What is left has nothing more to give, and the log that is left says the same.
            prop_assert!(plan(log, &left, keep, &pinned).is_empty());
            let oldest = kept.map(|manifest| manifest.checkpoint).min();
            prop_assert!(in_left.first().is_none_or(|manifest| Some(manifest.checkpoint) == oldest), "no more than is kept");
            let unknown = log.iter().any(|known| known.record().is_none());
            let reached = |name: &String| in_left.iter().chain(&pinned).flat_map(Manifest::files).any(|file| file.name == *name);
            for name in left.iter().filter(|name| owner_of(name).is_some()) {
                prop_assert!(unknown || reached(name) || world.early.contains(name), "{name} is left for nothing");
            }
        }
    }

    #[test]
    fn of_the_epoch_log_stays_what_the_oldest_kept_checkpoint_needs_and_the_newest_part() {
        let checkpoint = |number: u64, checkpoint: u64| {
            let manifest = Manifest { checkpoint, job: "site".into(), ..Manifest::default() };
            let entry = Entry::Checkpoint(Box::new(manifest));
            Known::Good(Record { number, previous: None, generation: 1, entry })
        };
        let log: Vec<Known> = [(2, 20), (3, 30), (4, 40)].map(|(number, epoch)| checkpoint(number, epoch)).into();
        let parts = [Place(1, 19, 1), Place(1, 30, 2), Place(1, 31, 3), Place(2, 10, 1)];
        let names: Vec<String> = parts.iter().map(|place| place.name()).collect();
        let deleted = |keep: usize, names: &[String]| plan(&log, names, keep, &[]);
        assert_eq!(deleted(2, &names), [parts[0].name(), parts[1].name()]);
        assert_eq!(deleted(3, &names), [parts[0].name()]);
        assert_eq!(deleted(2, &names[..1]), Vec::<String>::new(), "the newest says what zombies may not");
        // Somebody's copy.
        let copy = "epochs/copy-of-1".to_owned();
        assert!(!deleted(1, &[vec![copy.clone()], names].concat()).contains(&copy));
    }
}
