//! What a start does, from what it finds: a pure function, so that every case can be enumerated.

use std::collections::BTreeSet;

use super::log::Known;
use super::record::{Entry, Manifest, Record};
use crate::time::FIRST_EPOCH;

/// What a start finds.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The name of the job that starts.
    pub job: &'a str,
    /// The log, rising and without gap.
    pub log: &'a [Known],
    /// Checkpoints of which a state was found to be damaged or missing.
    pub damaged: &'a BTreeSet<u64>,
}

/// What it does.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// There is nothing: begin at the first epoch.
    Fresh,
    /// Go on from a checkpoint.
    Resume {
        /// The checkpoint to load.
        from: Box<Manifest>,
        /// Commits to finish first, in this order, because nothing says that they were: doing one again is harmless.
        commit: Vec<Manifest>,
        /// The number of the first new epoch: above every epoch that a checkpoint was ever named by, whichever is loaded.
        /// Epochs that were logged come again under their own numbers.
        next_epoch: u64,
        /// Newer checkpoints that cannot be loaded, rising: what they had committed will be made again, and must be skipped.
        passed_over: Vec<u64>,
        /// Damaged records after that of the checkpoint: each may have been one more that is passed over.
        unknown: Vec<u64>,
    },
    /// The job was drained: there is nothing to do.
    Done,
    /// Nothing good can be done.
    Refuse(Refusal),
}

/// Why a start is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The state is that of another job.
    OtherJob {
        /// Its name.
        name: String,
    },
    /// There are records, but no checkpoint that can be loaded.
    NothingWhole {
        /// What is damaged, in the order of the log.
        damaged: Vec<String>,
    },
}

/// More epochs than lie between two checkpoints: so far above what is known may a checkpoint be whose record is damaged.
const EPOCHS_UNKNOWN: u64 = 1 << 32;

/// What a log says, read from its beginning.
#[derive(Default)]
struct Said<'a> {
    manifests: Vec<(u64, &'a Manifest)>,
    /// Prepared, and not known to be committed.
    owed: Vec<&'a Manifest>,
    /// Every checkpoint that was complete, also if only a mark or a start that rested on it is left to say so.
    complete: BTreeSet<u64>,
    damaged: Vec<(u64, &'a str)>,
    /// Above all of them, and above what damaged records may have named.
    next_epoch: u64,
}

impl<'a> Said<'a> {
    fn by(log: &'a [Known]) -> Self {
        let mut said = Said::default();
        for known in log {
            match known {
                Known::Good(record) => said.hear(record),
                Known::Damaged { number, why } => {
                    said.damaged.push((*number, why));
                    said.next_epoch = said.next_epoch.max(FIRST_EPOCH).saturating_add(EPOCHS_UNKNOWN);
                }
            }
        }
        said
    }

    fn hear(&mut self, record: &'a Record) {
        let complete = match &record.entry {
            Entry::Checkpoint(manifest) => {
                self.manifests.push((record.number, manifest));
                if manifest.owes_commit() {
                    self.owed.push(manifest);
                }
                Some(manifest.checkpoint)
            }
            Entry::Committed { checkpoint } => {
                self.owed.retain(|manifest| manifest.checkpoint > *checkpoint);
                Some(*checkpoint)
            }
            Entry::Started { from, .. } => *from,
            Entry::Finished => None,
        };
        if let Some(checkpoint) = complete {
            self.complete.insert(checkpoint);
            self.next_epoch = self.next_epoch.max(checkpoint.saturating_add(1));
        }
    }

    /// Why nothing may be begun anew, if so: rising.
    fn lost(&self, log: &[Known]) -> Vec<String> {
        let torn = self.damaged.iter().map(|(number, why)| format!("record {number}: {why}"));
        let named = |checkpoint: &&u64| self.manifests.iter().any(|(_, manifest)| manifest.checkpoint == **checkpoint);
        let states = self.manifests.iter().map(|(_, manifest)| format!("state of checkpoint {}", manifest.checkpoint));
        let missing = self.complete.iter().filter(|checkpoint| !named(checkpoint));
        let missing = missing.map(|checkpoint| format!("record of checkpoint {checkpoint}"));
        let first = log.first().map_or(1, Known::number);
        let pruned = (first > 1).then(|| format!("records before {first}"));
        torn.chain(states).chain(missing).chain(pruned).collect()
    }
}

fn job_of(record: &Record) -> Option<&str> {
    match &record.entry {
        Entry::Started { job, .. } => Some(job),
        Entry::Checkpoint(manifest) => Some(&manifest.job),
        Entry::Committed { .. } | Entry::Finished => None,
    }
}

/// Decides.
///
/// - A commit that is not known to be finished is finished before anything else, also of a checkpoint that cannot be
///   loaded: its outputs were promised when its record was written.
/// - The newest checkpoint that is whole is loaded. If there was one and none is whole, the start is refused: beginning
///   anew would send all outputs again.
/// - A damaged record may have been a checkpoint, so with one in the log a start without a checkpoint is refused too; and
///   so it is if records are missing.
pub fn decide(facts: &Facts<'_>) -> Action {
    let mut jobs = facts.log.iter().filter_map(Known::record).filter_map(job_of);
    if let Some(other) = jobs.find(|job| *job != facts.job) {
        return Action::Refuse(Refusal::OtherJob { name: other.to_owned() });
    }
    let said = Said::by(facts.log);
    let finished = facts.log.last().and_then(Known::record).is_some_and(|last| last.entry == Entry::Finished);
    if finished && said.owed.is_empty() {
        return Action::Done;
    }
    let whole = |(_, manifest): &&(u64, &Manifest)| !facts.damaged.contains(&manifest.checkpoint);
    let Some((record, from)) = said.manifests.iter().rev().find(whole) else {
        let damaged = said.lost(facts.log);
        return if damaged.is_empty() { Action::Fresh } else { Action::Refuse(Refusal::NothingWhole { damaged }) };
    };
    Action::Resume {
        from: Box::new((*from).clone()),
        commit: said.owed.into_iter().cloned().collect(),
        next_epoch: said.next_epoch,
        passed_over: said.complete.into_iter().filter(|checkpoint| *checkpoint > from.checkpoint).collect(),
        unknown: said.damaged.into_iter().map(|(number, _)| number).filter(|number| number > record).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::durable::Prepared;

    fn checkpoint(checkpoint: u64, owes: bool) -> Entry {
        let committable = owes.then(|| "00".to_owned());
        let sinks = [("alarms".to_owned(), vec![Prepared { part: 0, committable }])].into();
        Entry::Checkpoint(Box::new(Manifest { checkpoint, job: "site".into(), sinks, ..Manifest::default() }))
    }

    /// A log, and what was true of its checkpoints: the place of each in the log, its number, and whether its record is whole.
    struct Case {
        log: Vec<Known>,
        checkpoints: Vec<(usize, u64, bool)>,
    }

    /// What can stand in a log, as one letter: a start; a checkpoint that has prepared something (`c`) or nothing (`n`), or
    /// of which the record is damaged (`d`); the mark of the last commit; the end.
    fn case_of(letters: &str) -> Case {
        let (mut log, mut checkpoints, mut newest) = (Vec::new(), Vec::new(), FIRST_EPOCH);
        for (at, letter) in letters.char_indices() {
            if "cnd".contains(letter) {
                newest += 10;
                checkpoints.push((at, newest, letter != 'd'));
            }
            let number = at as u64 + 1;
            let entry = match letter {
                's' => {
                    Entry::Started { job: "site".into(), nonce: 1, from: None, release: "0".into(), logs_epochs: false }
                }
                'c' | 'n' => checkpoint(newest, letter == 'c'),
                'm' => Entry::Committed { checkpoint: newest },
                _ => Entry::Finished,
            };
            log.push(match letter {
                'd' => Known::Damaged { number, why: "flipped".into() },
                _ => Known::Good(Record { number, previous: None, generation: 1, entry }),
            });
        }
        Case { log, checkpoints }
    }

    fn log_of(letters: &str) -> Vec<Known> {
        case_of(letters).log
    }

    fn all_logs(len: usize) -> Vec<String> {
        (0..len).fold(vec![String::new()], |all, _| {
            all.iter().flat_map(|log| "scnmdf".chars().map(move |letter| format!("{log}{letter}"))).collect()
        })
    }

    /// Every log of up to six records, with every set of its checkpoints damaged.
    #[test]
    fn every_case_keeps_what_was_promised() {
        let mut cases = 0;
        for letters in (0..=6).flat_map(all_logs) {
            let Case { log, checkpoints } = case_of(&letters);
            let known: Vec<(usize, u64)> =
                checkpoints.iter().filter(|(.., good)| *good).map(|(at, number, _)| (*at, *number)).collect();
            let mark = letters.rfind('m');
            let owed: Vec<u64> = known
                .iter()
                .filter(|(at, _)| letters.as_bytes()[*at] == b'c' && mark.is_none_or(|mark| mark < *at))
                .map(|(_, number)| *number)
                .collect();
            for set in 0..1usize << known.len() {
                let damaged: BTreeSet<u64> = known
                    .iter()
                    .enumerate()
                    .filter(|(n, _)| set >> n & 1 == 1)
                    .map(|(_, (_, number))| *number)
                    .collect();
                let whole = known.iter().rfind(|(_, number)| !damaged.contains(number));
                let say = || format!("{letters} without the states of {damaged:?}");
                match decide(&Facts { job: "site", log: &log, damaged: &damaged }) {
                    Action::Done => assert!(letters.ends_with('f') && owed.is_empty(), "{}", say()),
                    Action::Fresh => assert!(!letters.contains(['c', 'n', 'd', 'm']), "{}: outputs come again", say()),
                    Action::Refuse(Refusal::NothingWhole { damaged }) => {
                        assert!(whole.is_none() && !damaged.is_empty(), "{}", say());
                    }
                    Action::Refuse(Refusal::OtherJob { .. }) => panic!("{}", say()),
                    Action::Resume { from, commit, next_epoch, passed_over, unknown } => {
                        let (at, newest) = *whole.expect("resumes from one that is whole");
                        assert_eq!(from.checkpoint, newest, "{}", say());
                        assert!(checkpoints.iter().all(|(_, number, _)| next_epoch > *number), "{}", say());
                        let commit: Vec<u64> = commit.iter().map(|manifest| manifest.checkpoint).collect();
                        assert_eq!(commit, owed, "{}: each that is owed, in order", say());
                        // Each that was newer is told: by its number if the log has it, else by that of its record.
                        for (at, number, good) in checkpoints.iter().filter(|(then, ..)| *then > at) {
                            let told = passed_over.contains(number) || !good && unknown.contains(&(*at as u64 + 1));
                            assert!(told, "{}: {number} is passed over in silence", say());
                        }
                        let marked = mark.and_then(|mark| checkpoints.iter().rfind(|(at, ..)| *at < mark));
                        if let Some(number) = marked.map(|(_, number, _)| *number).filter(|number| *number > newest) {
                            assert!(passed_over.contains(&number), "{}: {number} was committed", say());
                        }
                    }
                }
                cases += 1;
            }
        }
        assert!(cases > 200_000, "{cases}");
    }

    /// What is left of a log of which records were lost, or which rests on a checkpoint that is not there.
    #[test]
    fn a_log_that_has_lost_its_checkpoints_is_not_begun_anew() {
        let refused = |log: &[Known]| {
            let action = decide(&Facts { job: "site", log, damaged: &BTreeSet::new() });
            assert!(matches!(action, Action::Refuse(Refusal::NothingWhole { .. })), "{action:?}");
        };
        refused(&log_of("scmss")[4..]);
        let (job, from) = ("site".into(), Some(FIRST_EPOCH + 10));
        let entry = Entry::Started { job, nonce: 1, from, release: "0".into(), logs_epochs: false };
        refused(&[Known::Good(Record { number: 1, previous: None, generation: 1, entry })]);
    }

    #[test]
    fn the_state_of_another_job_is_refused_even_if_it_is_damaged() {
        for letters in ["scm", "s"] {
            let log = log_of(letters);
            let facts = Facts { job: "lifts", log: &log, damaged: &BTreeSet::from([FIRST_EPOCH + 10]) };
            assert_eq!(decide(&facts), Action::Refuse(Refusal::OtherJob { name: "site".into() }));
        }
    }
}
