//! A store in memory that fails as disks and networks do, by a seed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::Error;
use crate::durable::{Store, StoreError, check_name};
use crate::key::mix;
use crate::turns;

/// A slow call takes less than so many microseconds.
const SLOW_US: u64 = 20_000;

/// What goes wrong in a [`FaultyStore`], and how often. By default nothing does.
///
/// The chances are drawn from once a call, but for that of a slow one, which is drawn apart. Those that go beyond a sum of 1,000
/// never come true.
///
/// # Examples
/// ```
/// use watchfire_engine::testing::Faults;
/// let faults = Faults { seed: 7, before_per_mille: 20, after_per_mille: 20, ..Faults::default() };
/// assert_eq!((faults.full_per_mille, faults.torn), (0, false));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// The same seed and the same order of calls give the same faults.
    pub seed: u64,
    /// How many of 1,000 calls fail with [`StoreError::Unreachable`] and do nothing.
    pub before_per_mille: u16,
    /// How many of 1,000 calls do what they are asked for and fail with [`StoreError::Unreachable`] all the same. What
    /// such a call wrote or deleted is not durable.
    pub after_per_mille: u16,
    /// How many of 1,000 writes fail with [`StoreError::Full`] and do nothing.
    pub full_per_mille: u16,
    /// How many of 1,000 calls take up to 20 ms, by the clock of whoever calls.
    pub slow_per_mille: u16,
    /// Whether a crash may leave a beginning of what was being written. A [`Store`] promises that it does not; bytes that
    /// carry their check do not need that promise.
    pub torn: bool,
}

/// A [`Store`] in memory that fails on purpose.
///
/// Clones are handles of the same store, so a process that was given up and its successor can hold it both.
///
/// It keeps apart what can be seen from what is durable. A call that returned is durable. What a call did that failed
/// or was cut by a crash can be seen, but [`power_cut`](FaultyStore::power_cut) takes it back, also after a restart;
/// unless a later write or delete of the name returned. A `false` of `put_if_absent` counts as one, a `get` does not.
///
/// # Examples
/// ```
/// use watchfire_engine::durable::{Store, StoreError};
/// use watchfire_engine::testing::{FaultyStore, Faults};
/// let store = FaultyStore::new(Faults { seed: 7, ..Faults::default() });
/// store.put("log/1", b"first")?;
///
/// store.crash_after(0);
/// assert!(matches!(store.put("log/2", b"second"), Err(StoreError::Unreachable(_))));
/// store.power_cut();
/// store.restart();
/// assert_eq!(store.list("log")?, ["log/1"]);
///
/// assert!(store.flip("log/1"));
/// assert_ne!(store.get("log/1")?.as_deref(), Some(&b"first"[..]));
/// # Ok::<(), StoreError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct FaultyStore(Arc<Mutex<Disk>>);

#[derive(Debug, Default)]
struct Disk {
    faults: Faults,
    seen: BTreeMap<String, Vec<u8>>,
    /// What is there after a power cut, for the names where that is not what is seen.
    durable: BTreeMap<String, Option<Vec<u8>>>,
    draws: u64,
    calls: u64,
    /// The number of the call in which the crash falls.
    crash_at: Option<u64>,
    down: bool,
}

/// What happens to a call.
enum Fate {
    Returns,
    FailsBefore,
    FailsAfter,
    FindsNoRoom,
    Crashes,
}

impl FaultyStore {
    /// An empty store.
    pub fn new(faults: Faults) -> Self {
        FaultyStore(Arc::new(Mutex::new(Disk { faults, ..Disk::default() })))
    }

    /// Lets `n_calls` more calls through and crashes in the next one: every call fails with [`StoreError::Unreachable`]
    /// from then on, on every handle, until [`restart`](FaultyStore::restart). Whether the call in which the crash falls
    /// did what it was asked for is drawn from the seed.
    pub fn crash_after(&self, n_calls: u64) {
        let mut disk = self.disk();
        disk.crash_at = Some(disk.calls.saturating_add(n_calls));
    }

    /// Crashes, if that has not happened, and takes back all that is not durable.
    pub fn power_cut(&self) {
        let mut disk = self.disk();
        disk.down = true;
        for (name, bytes) in std::mem::take(&mut disk.durable) {
            disk.set(&name, bytes);
        }
    }

    /// Answers again after a crash. A crash that was to come is called off.
    pub fn restart(&self) {
        let mut disk = self.disk();
        (disk.down, disk.crash_at) = (false, None);
    }

    /// Whether it has crashed and was not started again.
    pub fn is_down(&self) -> bool {
        self.disk().down
    }

    /// How many calls it has had but for those while it was down, so that a test can crash in each of them. Calls with a
    /// name that cannot be do not count.
    pub fn calls(&self) -> u64 {
        self.disk().calls
    }

    /// Turns over one bit of an object, drawn from the seed; `false` if the object is empty or not there.
    pub fn flip(&self, name: &str) -> bool {
        let mut disk = self.disk();
        let draw = disk.draw();
        let Some(bytes) = disk.seen.get_mut(name).filter(|bytes| !bytes.is_empty()) else { return false };
        let bit = draw % (bytes.len() as u64 * 8);
        bytes[(bit / 8) as usize] ^= 1 << (bit % 8);
        true
    }

    /// Cuts an object off after `len` bytes; `false` if it is not longer or not there.
    pub fn truncate(&self, name: &str, len: usize) -> bool {
        let mut disk = self.disk();
        let Some(bytes) = disk.seen.get_mut(name).filter(|bytes| bytes.len() > len) else { return false };
        bytes.truncate(len);
        true
    }

    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets others go on, and is slow now and then.
    fn take_time(&self) {
        turns::pass();
        let mut disk = self.disk();
        let slow = u64::from(disk.faults.slow_per_mille);
        if slow > 0 && !disk.down && disk.draw() % 1_000 < slow {
            let takes_us = disk.draw() % SLOW_US;
            drop(disk);
            turns::sleep(Duration::from_micros(takes_us));
        }
    }

    /// What is read, unless the call fails.
    fn read<T>(&self, name: &str, read: impl FnOnce(&BTreeMap<String, Vec<u8>>) -> T) -> Result<T, StoreError> {
        check_name(name)?;
        self.take_time();
        let mut disk = self.disk();
        match disk.fate() {
            Fate::Returns | Fate::FindsNoRoom => Ok(read(&disk.seen)),
            Fate::FailsBefore | Fate::FailsAfter | Fate::Crashes => Err(unreachable_at(name)),
        }
    }

    /// Sets an object, or deletes it. `false` if it must not go `over` another and there is one.
    fn change(&self, name: &str, bytes: Option<&[u8]>, over: bool) -> Result<bool, StoreError> {
        check_name(name)?;
        self.take_time();
        let mut disk = self.disk();
        let takes = over || !disk.seen.contains_key(name);
        match disk.fate() {
            Fate::FindsNoRoom if bytes.is_some() => {
                let error = Error::new("E0511", "cannot write").at(name).remedy("let the test try again");
                return Err(StoreError::Full(error));
            }
            Fate::Returns | Fate::FindsNoRoom => {
                if takes {
                    disk.set(name, bytes.map(<[u8]>::to_vec));
                }
                disk.durable.remove(name);
                return Ok(takes);
            }
            Fate::FailsAfter if takes => disk.set_in_flight(name, bytes.map(<[u8]>::to_vec)),
            Fate::Crashes if takes => disk.crash_in(name, bytes),
            Fate::FailsBefore | Fate::FailsAfter | Fate::Crashes => {}
        }
        Err(unreachable_at(name))
    }
}

impl Disk {
    fn draw(&mut self) -> u64 {
        self.draws += 1;
        mix(self.faults.seed ^ mix(self.draws))
    }

    fn fate(&mut self) -> Fate {
        if self.down {
            return Fate::FailsBefore;
        }
        let call = self.calls;
        self.calls += 1;
        if self.crash_at == Some(call) {
            self.down = true;
            return Fate::Crashes;
        }
        let Faults { before_per_mille, after_per_mille, full_per_mille, .. } = self.faults;
        let draw = self.draw() % 1_000;
        let before = u64::from(before_per_mille);
        let after = before + u64::from(after_per_mille);
        let full = after + u64::from(full_per_mille);
        match draw {
            _ if draw < before => Fate::FailsBefore,
            _ if draw < after => Fate::FailsAfter,
            _ if draw < full => Fate::FindsNoRoom,
            _ => Fate::Returns,
        }
    }

    fn set(&mut self, name: &str, bytes: Option<Vec<u8>>) {
        match bytes {
            Some(bytes) => self.seen.insert(name.to_owned(), bytes),
            None => self.seen.remove(name),
        };
    }

    /// The first of several calls in flight knows what is durable.
    fn set_in_flight(&mut self, name: &str, bytes: Option<Vec<u8>>) {
        let before = self.seen.get(name).cloned();
        self.durable.entry(name.to_owned()).or_insert(before);
        self.set(name, bytes);
    }

    fn crash_in(&mut self, name: &str, bytes: Option<&[u8]>) {
        let torn = bytes.filter(|bytes| self.faults.torn && !bytes.is_empty());
        let outcomes = if torn.is_some() { 3 } else { 2 };
        match (self.draw() % outcomes, torn) {
            (0, _) => {}
            (1, _) | (_, None) => self.set_in_flight(name, bytes.map(<[u8]>::to_vec)),
            (_, Some(bytes)) => {
                let len = self.draw() % bytes.len() as u64;
                self.set_in_flight(name, Some(bytes[..len as usize].to_vec()));
            }
        }
    }
}

fn unreachable_at(name: &str) -> StoreError {
    let error = Error::new("E0510", "the store does not answer").at(name);
    StoreError::Unreachable(error.remedy("let the test try again, or restart the store after a crash"))
}

impl Store for FaultyStore {
    fn put(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        self.change(name, Some(bytes), true).map(|_| ())
    }

    fn put_if_absent(&self, name: &str, bytes: &[u8]) -> Result<bool, StoreError> {
        self.change(name, Some(bytes), false)
    }

    fn get(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.read(name, |seen| seen.get(name).cloned())
    }

    fn list(&self, folder: &str) -> Result<Vec<String>, StoreError> {
        let below = format!("{folder}/");
        self.read(folder, |seen| {
            seen.range(below.clone()..)
                .map(|(name, _)| name)
                .take_while(|name| name.starts_with(&below))
                .cloned()
                .collect()
        })
    }

    fn delete(&self, name: &str) -> Result<(), StoreError> {
        self.change(name, None, true).map(|_| ())
    }
}

#[cfg(test)]
mod tests;
