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
        /// The number of the first epoch to come: after the newest checkpoint, whichever is loaded.
        next_epoch: u64,
        /// Newer checkpoints that cannot be loaded: what they had committed will be made again, and must be skipped.
        passed_over: Vec<u64>,
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

/// Decides.
///
/// - A commit that is not known to be finished is finished before anything else, also of a checkpoint that cannot be
///   loaded: its outputs were promised when its record was written.
/// - The newest checkpoint that is whole is loaded. If there was one and none is whole, the start is refused: beginning
///   anew would send all outputs again.
/// - A damaged record may have been a checkpoint, so with one in the log a start without a checkpoint is refused too; and
///   so it is if records are missing.
pub fn decide(facts: &Facts<'_>) -> Action {
    let records = || {
        facts.log.iter().filter_map(|known| match known {
            Known::Good(record) => Some(record),
            Known::Damaged { .. } => None,
        })
    };
    let manifests: Vec<&Manifest> = records().filter_map(Record::manifest).collect();
    if let Some(other) = manifests.iter().find(|manifest| manifest.job != facts.job) {
        return Action::Refuse(Refusal::OtherJob { name: other.job.clone() });
    }
    let committed: BTreeSet<u64> = records().filter_map(Record::committed).collect();
    let mut commit: Vec<Manifest> = Vec::new();
    for manifest in manifests.iter().rev().take_while(|manifest| !committed.contains(&manifest.checkpoint)) {
        commit.insert(0, (*manifest).clone());
    }
    let finished = matches!(facts.log.last(), Some(Known::Good(last)) if last.entry == Entry::Finished);
    if finished && commit.is_empty() {
        return Action::Done;
    }
    let torn = facts.log.iter().filter_map(|known| match known {
        Known::Good(_) => None,
        Known::Damaged { number, why } => Some(format!("record {number}: {why}")),
    });
    let mut passed_over: Vec<u64> = Vec::new();
    let mut from = None;
    for manifest in manifests.iter().rev() {
        if !facts.damaged.contains(&manifest.checkpoint) {
            from = Some((*manifest).clone());
            break;
        }
        passed_over.push(manifest.checkpoint);
    }
    let Some(from) = from else {
        let lost = passed_over.iter().rev().map(|checkpoint| format!("state of checkpoint {checkpoint}"));
        let mut damaged: Vec<String> = torn.chain(lost).collect();
        // A log without a checkpoint begins at 1, rests on nothing, and has committed nothing, unless records are lost.
        let first = facts.log.first().map_or(1, Known::number);
        if first > 1 || !committed.is_empty() || records().any(rests_on_another) {
            damaged.push(format!("records before {first} are missing"));
        }
        return if damaged.is_empty() { Action::Fresh } else { Action::Refuse(Refusal::NothingWhole { damaged }) };
    };
    let newest = manifests.iter().map(|manifest| manifest.checkpoint).max().unwrap_or(FIRST_EPOCH);
    passed_over.reverse();
    Action::Resume { from: Box::new(from), commit, next_epoch: newest.saturating_add(1), passed_over }
}

fn rests_on_another(record: &Record) -> bool {
    matches!(record.entry, Entry::Started { from: Some(_), .. })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What can stand in a log, as one letter: a start, a checkpoint, the mark of the last commit, damage, the end.
    fn log_of(letters: &str) -> Vec<Known> {
        let mut newest = FIRST_EPOCH;
        let entry = |letter| match letter {
            's' => Entry::Started { nonce: 1, from: None, release: "0".into() },
            'c' => {
                newest += 10;
                let manifest = Manifest { checkpoint: newest, job: "site".into(), ..Manifest::default() };
                Entry::Checkpoint(Box::new(manifest))
            }
            'm' => Entry::Committed { checkpoint: newest },
            _ => Entry::Finished,
        };
        let entries: Vec<Option<Entry>> = letters
            .chars()
            .map({
                let mut entry = entry;
                move |letter| (letter != 'd').then(|| entry(letter))
            })
            .collect();
        let known = |(n, entry): (usize, Option<Entry>)| {
            let number = n as u64 + 1;
            match entry {
                Some(entry) => Known::Good(Record { number, previous: None, generation: 1, entry }),
                None => Known::Damaged { number, why: "flipped".into() },
            }
        };
        entries.into_iter().enumerate().map(known).collect()
    }

    fn all_logs(len: usize) -> Vec<String> {
        (0..len).fold(vec![String::new()], |all, _| {
            all.iter().flat_map(|log| "scmdf".chars().map(move |letter| format!("{log}{letter}"))).collect()
        })
    }

    /// Every log of up to six records, with every set of its checkpoints damaged.
    #[test]
    fn every_case_keeps_what_was_promised() {
        let mut cases = 0;
        for letters in (0..=6).flat_map(all_logs) {
            let log = log_of(&letters);
            let places: Vec<usize> =
                letters.char_indices().filter(|(_, letter)| *letter == 'c').map(|(n, _)| n).collect();
            for set in 0..1usize << places.len() {
                let checkpoint = |n: usize| FIRST_EPOCH + 10 * (n as u64 + 1);
                let damaged: BTreeSet<u64> = (0..places.len()).filter(|n| set >> n & 1 == 1).map(checkpoint).collect();
                let whole: Vec<usize> = (0..places.len()).filter(|n| set >> n & 1 == 0).collect();
                let action = decide(&Facts { job: "site", log: &log, damaged: &damaged });
                let marked = letters.rfind('m').map_or(0, |at| places.iter().filter(|place| **place < at).count());
                match action {
                    Action::Done => assert!(letters.ends_with('f') && marked == places.len(), "{letters}"),
                    Action::Fresh => assert!(!letters.contains(['c', 'd', 'm']), "{letters}: outputs would come again"),
                    Action::Refuse(Refusal::NothingWhole { damaged }) => {
                        assert!(whole.is_empty() && !damaged.is_empty(), "{letters} {set:b}");
                    }
                    Action::Refuse(Refusal::OtherJob { .. }) => panic!("{letters}"),
                    Action::Resume { from, commit, next_epoch, passed_over } => {
                        let newest = *whole.last().unwrap();
                        assert_eq!(from.checkpoint, checkpoint(newest), "{letters} {set:b}");
                        assert!(next_epoch > checkpoint(places.len() - 1));
                        let expected: Vec<u64> = (newest + 1..places.len()).map(checkpoint).collect();
                        assert_eq!(passed_over, expected, "{letters} {set:b}");
                        let commit: Vec<u64> = commit.iter().map(|manifest| manifest.checkpoint).collect();
                        let expected: Vec<u64> = (marked..places.len()).map(checkpoint).collect();
                        assert_eq!(
                            commit, expected,
                            "{letters} {set:b}: each that is not known to be committed, in order"
                        );
                    }
                }
                cases += 1;
            }
        }
        assert!(cases > 30_000, "{cases}");
    }

    /// What is left of a log of which records were lost, or which rests on a checkpoint that is not there.
    #[test]
    fn a_log_that_has_lost_its_checkpoints_is_not_begun_anew() {
        let refused = |log: &[Known]| {
            let action = decide(&Facts { job: "site", log, damaged: &BTreeSet::new() });
            assert!(matches!(action, Action::Refuse(Refusal::NothingWhole { .. })), "{action:?}");
        };
        refused(&log_of("scmss")[4..]);
        let mut log = log_of("s");
        let Some(Known::Good(record)) = log.first_mut() else { panic!("a start") };
        record.entry = Entry::Started { nonce: 1, from: Some(FIRST_EPOCH + 10), release: "0".into() };
        refused(&log);
    }

    #[test]
    fn the_state_of_another_job_is_refused_even_if_it_is_damaged() {
        let log = log_of("scm");
        let facts = Facts { job: "lifts", log: &log, damaged: &BTreeSet::from([FIRST_EPOCH + 10]) };
        assert_eq!(decide(&facts), Action::Refuse(Refusal::OtherJob { name: "site".into() }));
    }
}
