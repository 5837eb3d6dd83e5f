//! What the log of a job says: which generations began, which checkpoints they completed, and what was committed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::frame::{self, Kind};
use crate::Error;

/// One record of the log. Later releases may add fields; none changes its meaning.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Its place in the log, from 1.
    pub number: u64,
    /// The checksum of the record before, so that a record of a fenced generation is never taken for part of the log.
    /// Nothing in the first.
    pub previous: Option<u64>,
    /// The generation that wrote it: the number of the [`Entry::Started`] by which it began.
    pub generation: u64,
    /// What happened.
    pub entry: Entry,
}

/// What happened to a job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Entry {
    /// A generation began, and fenced all before it.
    Started {
        /// The name of the job.
        job: String,
        /// A number drawn for this start alone: of two that race for the same record, each knows its own.
        nonce: u64,
        /// The checkpoint that it goes on from, if there is one.
        from: Option<u64>,
        /// The release that runs it.
        release: String,
        /// It logs its epochs.
        #[serde(default)]
        logs_epochs: bool,
    },
    /// A checkpoint is complete: all that it names is durable.
    Checkpoint(Box<Manifest>),
    /// All that the sinks had prepared for this checkpoint is visible outside.
    Committed {
        /// The checkpoint.
        checkpoint: u64,
    },
    /// The job has processed its input to the end, and closed all windows.
    Finished,
}

/// What a checkpoint is made of. A checkpoint is named by the last epoch that is in it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Manifest {
    /// The last epoch whose rows and ticks are in the state, and none after it.
    pub checkpoint: u64,
    /// The name of the job.
    pub job: String,
    /// The fingerprint of its flow.
    pub fingerprint: u64,
    /// The plan of its flow as text.
    pub flow: String,
    /// Where to go on reading, by source.
    pub sources: BTreeMap<String, Vec<SplitAt>>,
    /// The arrival clock at the end of the checkpoint, milliseconds since 1970; nothing before the first tick.
    pub arrival_ms: Option<i64>,
    /// The object that holds the rest of what the ingest remembers: clocks, and rows that wait for others.
    pub ingest: Option<StateFile>,
    /// The generation logs its epochs: all up to this one are in the epoch log.
    pub logs_epochs: bool,
    /// The states of keyed operators, by operator.
    pub operators: BTreeMap<String, OperatorState>,
    /// What sinks have prepared, by sink; each part as its writer gave it.
    pub sinks: BTreeMap<String, Vec<Prepared>>,
}

/// Where a split was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SplitAt {
    /// The split, as its source writes it.
    pub split: Value,
    /// Its number in this job, by which keys remember it.
    pub number: u32,
    /// The offset after the last row that is in the checkpoint, as the source writes it; nothing if there was none.
    pub offset: Option<Value>,
    /// It has ended, and is not read again.
    pub finished: bool,
}

/// The stored state of one keyed operator.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct OperatorState {
    /// Names and versions of the states of its detectors, in their order.
    pub states: Vec<StateType>,
    /// The objects that hold it, oldest first: of two entries of a key the later one counts.
    pub files: Vec<StateFile>,
}

/// The type of a state.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct StateType {
    /// [`State::NAME`](crate::State::NAME).
    pub name: String,
    /// [`State::VERSION`](crate::State::VERSION).
    pub version: u32,
}

/// An object that holds states.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateFile {
    /// The name of the object.
    pub name: String,
    /// Its length in bytes.
    pub bytes: u64,
    /// The checksum in its head.
    pub checksum: u64,
    /// The first and the last key group in it.
    pub groups: (u16, u16),
    /// It is part of the base: what the objects after it hold has changed since.
    #[serde(default)]
    pub base: bool,
}

/// What one part of a sink has prepared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prepared {
    /// The part.
    pub part: usize,
    /// The bytes from which its commit can be finished, in hexadecimal; nothing if it has none.
    pub committable: Option<String>,
}

impl Manifest {
    /// Every object that the checkpoint needs; one may be named more than once.
    pub fn files(&self) -> impl Iterator<Item = &StateFile> {
        self.operators.values().flat_map(|operator| &operator.files).chain(&self.ingest)
    }

    /// A sink has prepared something, which is not visible before it is committed.
    pub fn owes_commit(&self) -> bool {
        self.sinks.values().flatten().any(|part| part.committable.is_some())
    }
}

impl Record {
    /// The record as an object.
    ///
    /// # Errors
    /// `E0523` if a value in it has no JSON form, or one that could not be read again.
    pub(crate) fn encode(&self) -> Result<Vec<u8>, Error> {
        let read_again = |body: Vec<u8>| serde_json::from_slice::<Record>(&body).map(|_| body);
        let body = serde_json::to_vec(self).and_then(read_again).map_err(|e| {
            let what = "an offset or split that has no form in JSON";
            let remedy = "use maps with text or whole numbers as keys only, and less than a hundred levels";
            Error::new("E0523", what).because(e).remedy(remedy)
        })?;
        Ok(frame::framed(Kind::Record, &body))
    }

    /// The record from an object.
    ///
    /// # Errors
    /// `E0521` if it is damaged, `E0522` if a later release wrote it.
    pub(crate) fn decode(bytes: &[u8], name: &str) -> Result<Record, Error> {
        let (_, body) = frame::unframed(Kind::Record, bytes, name)?;
        serde_json::from_slice(body).map_err(|e| {
            let remedy = "run the release that wrote it, or restore the object from a backup";
            Error::new("E0521", "a record that this release does not understand").at(name).because(e).remedy(remedy)
        })
    }

    /// The manifest, if the record is a checkpoint.
    pub fn manifest(&self) -> Option<&Manifest> {
        match &self.entry {
            Entry::Checkpoint(manifest) => Some(manifest),
            Entry::Started { .. } | Entry::Committed { .. } | Entry::Finished => None,
        }
    }
}

/// The name of a record's object.
pub(crate) fn name_of(number: u64) -> String {
    format!("{FOLDER}/{number:020}")
}

/// Where records lie.
pub(crate) const FOLDER: &str = "log";

/// The number of the record under a name, if it is one's.
pub(crate) fn number_of(name: &str) -> Option<u64> {
    let number = name.strip_prefix(FOLDER)?.strip_prefix('/')?.parse().ok()?;
    (name_of(number) == name).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_count_in_order() {
        assert_eq!(name_of(42), "log/00000000000000000042");
        assert_eq!(number_of("log/00000000000000000042"), Some(42));
        for other in
            ["log/42", "log/00000000000000000042.x", "state/00000000000000000042", "log/", "log/+0000000000000000042"]
        {
            assert_eq!(number_of(other), None, "{other}");
        }
        assert!(name_of(u64::MAX) > name_of(9) && number_of(&name_of(u64::MAX)) == Some(u64::MAX));
    }

    #[test]
    fn fields_that_a_later_release_adds_are_passed_over_and_missing_ones_have_defaults() {
        let body = br#"{"number":1,"previous":null,"generation":1,"mood":"good",
            "entry":{"checkpoint":{"checkpoint":7,"weather":"fine"}}}"#;
        let record = Record::decode(&frame::framed(Kind::Record, body), "log/1").unwrap();
        assert_eq!(record.manifest(), Some(&Manifest { checkpoint: 7, ..Manifest::default() }));
    }

    #[test]
    fn what_could_not_be_read_again_is_not_written() {
        let nested = |levels| (0..levels).fold(Value::Null, |inner, _| Value::Array(vec![inner]));
        let with = |offset| {
            let split = SplitAt { split: Value::Null, number: 0, offset: Some(offset), finished: false };
            let manifest = Manifest { sources: [("in".to_owned(), vec![split])].into(), ..Manifest::default() };
            Record { number: 1, previous: None, generation: 1, entry: Entry::Checkpoint(Box::new(manifest)) }
        };
        let record = with(nested(100));
        assert_eq!(Record::decode(&record.encode().unwrap(), "log/1").unwrap(), record);
        assert_eq!(with(nested(200)).encode().unwrap_err().code(), "E0523");
    }

    /// Every field by its name, as `engine/FORMAT.md` has it.
    const GOLDEN: &str = concat!(
        r#"{"number":2,"previous":9,"generation":1,"entry":{"checkpoint":{"checkpoint":1048600,"job":"site","fingerprint":5,"flow":"","#,
        r#""sources":{"readings":[{"split":"cranes.jsonl","number":3,"offset":17,"finished":true}]},"arrival_ms":1000,"ingest":null,"logs_epochs":true,"#,
        r#""operators":{"overload":{"states":[{"name":"watchfire.window","version":1}],"#,
        r#""files":[{"name":"state/x","bytes":40,"checksum":6,"groups":[0,1023],"base":true}]}},"#,
        r#""sinks":{"alarms":[{"part":0,"committable":"00ff"}]}}}}"#,
    );

    #[test]
    fn the_text_stays_the_same() {
        let files = vec![StateFile { name: "state/x".into(), bytes: 40, checksum: 6, groups: (0, 1_023), base: true }];
        let states = vec![StateType { name: "watchfire.window".into(), version: 1 }];
        let split = SplitAt { split: "cranes.jsonl".into(), number: 3, offset: Some(17.into()), finished: true };
        let manifest = Manifest {
            checkpoint: 1_048_600,
            job: "site".into(),
            fingerprint: 5,
            flow: String::new(),
            sources: [("readings".to_owned(), vec![split])].into(),
            arrival_ms: Some(1_000),
            ingest: None,
            logs_epochs: true,
            operators: [("overload".to_owned(), OperatorState { states, files })].into(),
            sinks: [("alarms".to_owned(), vec![Prepared { part: 0, committable: Some("00ff".into()) }])].into(),
        };
        let entry = Entry::Checkpoint(Box::new(manifest));
        let record = Record { number: 2, previous: Some(9), generation: 1, entry };
        assert_eq!(serde_json::to_string(&record).unwrap(), GOLDEN);
        assert_eq!(Record::decode(&frame::framed(Kind::Record, GOLDEN.as_bytes()), "log/2").unwrap(), record);
        let started =
            Entry::Started { job: "site".into(), nonce: 3, from: None, release: "0.1.0".into(), logs_epochs: true };
        let others = [started, Entry::Committed { checkpoint: 7 }, Entry::Finished];
        let texts = [
            r#"{"started":{"job":"site","nonce":3,"from":null,"release":"0.1.0","logs_epochs":true}}"#,
            r#"{"committed":{"checkpoint":7}}"#,
            r#""finished""#,
        ];
        for (entry, text) in others.into_iter().zip(texts) {
            assert_eq!(serde_json::to_string(&entry).unwrap(), text);
        }
    }
}
