use std::panic::{AssertUnwindSafe, catch_unwind};

use super::*;
use crate::Error;
use crate::testing::FaultyStore;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flaw {
    None,
    PutsOnlyOnce,
    WritesInPart,
    LooksThenWrites,
    ReplacesWhenPresent,
    CountsRangeFromEnd,
    RangeOfNothing,
    ListsUnordered,
    ListsByPrefix,
    ListsOneFolder,
    DeleteMisses,
    DeleteDoesNothing,
    TakesAnyName,
    ForgetsOnReopen,
}

#[derive(Debug)]
struct Flawed(FaultyStore, Flaw);

impl Store for Flawed {
    fn put(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        match self.1 {
            Flaw::PutsOnlyOnce if self.0.get(name)?.is_some() => return self.missing(name),
            Flaw::WritesInPart => {
                self.0.put(name, &bytes[..bytes.len() / 2])?;
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
            Flaw::TakesAnyName if name.contains("..") => return Ok(()),
            _ => {}
        }
        self.0.put(name, bytes)
    }

    fn put_if_absent(&self, name: &str, bytes: &[u8]) -> Result<bool, StoreError> {
        if self.1 == Flaw::LooksThenWrites {
            let absent = self.0.get(name)?.is_none();
            std::thread::yield_now();
            return if absent { self.0.put(name, bytes).map(|()| true) } else { Ok(false) };
        }
        let made = self.0.put_if_absent(name, bytes)?;
        if !made && self.1 == Flaw::ReplacesWhenPresent {
            self.0.put(name, bytes)?;
        }
        Ok(made)
    }

    fn get(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.0.get(name)
    }

    fn get_range(&self, name: &str, range: std::ops::Range<u64>) -> Result<Option<Vec<u8>>, StoreError> {
        match self.1 {
            Flaw::CountsRangeFromEnd => self.0.get_range(name, range.start..range.end.saturating_add(1)),
            Flaw::RangeOfNothing => Ok(Some(self.0.get_range(name, range)?.unwrap_or_default())),
            _ => self.0.get_range(name, range),
        }
    }

    fn list(&self, folder: &str) -> Result<Vec<String>, StoreError> {
        let mut names = self.0.list(folder)?;
        match self.1 {
            Flaw::ListsUnordered => names.reverse(),
            Flaw::ListsOneFolder => names.retain(|name| !name[folder.len() + 1..].contains('/')),
            Flaw::ListsByPrefix if folder == "check/list" => names.push("check/listed/x".to_owned()),
            _ => {}
        }
        Ok(names)
    }

    fn delete(&self, name: &str) -> Result<(), StoreError> {
        match self.1 {
            Flaw::DeleteMisses if self.0.get(name)?.is_none() => self.missing(name),
            Flaw::DeleteDoesNothing => self.0.get(name).map(|_| ()),
            _ => self.0.delete(name),
        }
    }
}

impl Flawed {
    fn missing(&self, name: &str) -> Result<(), StoreError> {
        Err(StoreError::Broken(Error::new("E0513", "refused").at(name)))
    }
}

fn passes(flaw: Flaw) -> bool {
    let kept = FaultyStore::default();
    let store = || if flaw == Flaw::ForgetsOnReopen { FaultyStore::default() } else { kept.clone() };
    catch_unwind(AssertUnwindSafe(|| check_store(|| Box::new(Flawed(store(), flaw))))).is_ok()
}

#[test]
fn each_broken_promise_is_found() {
    assert!(passes(Flaw::None));
    for flaw in [
        Flaw::PutsOnlyOnce,
        Flaw::WritesInPart,
        Flaw::LooksThenWrites,
        Flaw::ReplacesWhenPresent,
        Flaw::CountsRangeFromEnd,
        Flaw::RangeOfNothing,
        Flaw::ListsUnordered,
        Flaw::ListsByPrefix,
        Flaw::ListsOneFolder,
        Flaw::DeleteMisses,
        Flaw::DeleteDoesNothing,
        Flaw::TakesAnyName,
        Flaw::ForgetsOnReopen,
    ] {
        assert!(!passes(flaw), "{flaw:?} passes");
    }
}
