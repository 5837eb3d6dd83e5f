//! Every file of every corpus, as a plain test.
#![allow(clippy::print_stdout, clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use watchfire_fuzz::TARGETS;

/// All corpora together, in bytes: they are a part of every checkout.
const BYTES_MAX: u64 = 200_000;
/// What a corpus has at least. A corpus that is gone would pass every test.
const FILES_MIN: usize = 3;

fn names(folder: &str) -> BTreeSet<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    fs::read_dir(root.join(folder)).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

fn corpus(target: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= FILES_MIN, "the corpus of {target} has {} files", files.len());
    files
}

fn run(target: &str) {
    let (_, check) = TARGETS.iter().find(|(name, _)| *name == target).unwrap();
    check(&[]);
    for file in corpus(target) {
        // Shown only if the file breaks the property.
        println!("{}", file.display());
        check(&fs::read(file).unwrap());
    }
}

macro_rules! corpora {
    ($($target:ident)*) => {
        $(#[test]
        fn $target() {
            run(stringify!($target));
        })*

        const TESTED: &[&str] = &[$(stringify!($target)),*];
    };
}

corpora! { alarms charts configs cranes csv detectors json lifts lines mqtt roads state windows }

#[test]
fn every_target_has_a_test_a_corpus_and_a_program() {
    let targets: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(targets, TESTED.iter().map(|name| (*name).to_owned()).collect());
    assert_eq!(targets, names("corpus"));
    assert_eq!(targets, names("fuzz_targets").iter().map(|file| file.trim_end_matches(".rs").to_owned()).collect());
}

#[test]
fn corpora_stay_small() {
    let files = TARGETS.iter().flat_map(|(name, _)| corpus(name));
    let bytes: u64 = files.map(|file| fs::metadata(file).unwrap().len()).sum();
    assert!(bytes <= BYTES_MAX, "the corpora have {bytes} bytes: minimise them (cargo fuzz cmin, cargo fuzz tmin)");
}
