//! How much a lift was used: by what it has counted if it says so, and by its trips as long as it does not.

use watchfire_engine::rkyv;

use crate::detect::{Meter, MeterState};
use crate::elevator::LiftTotals;

/// A lift that has not said for so long what it has counted does so no more, milliseconds.
const SAID_MS: i64 = 3 * 86_400_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
#[rkyv(crate = rkyv)]
enum Reads {
    DoorCycles,
    Runs,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
#[rkyv(crate = rkyv)]
pub(super) struct Usage {
    meter: MeterState,
    /// What the meter reads: the first that was said. The other one counts something else.
    reads: Option<Reads>,
    /// When it said last what it has counted.
    said_ms: Option<i64>,
    /// Trips that were counted since then, of which the next total tells again.
    trips: u64,
}

impl Usage {
    /// What a trip adds.
    pub(super) fn trip(&mut self, at_ms: i64) -> u64 {
        if self.said_ms.is_some_and(|said_ms| at_ms < said_ms.saturating_add(SAID_MS)) {
            return 0;
        }
        self.trips += u64::from(self.said_ms.is_some());
        1
    }

    /// What a total adds, of which no more than `most` is believed.
    pub(super) fn totals(&mut self, totals: LiftTotals, most: u64, at_ms: i64) -> u64 {
        let first = if totals.door_cycles.is_some() { Reads::DoorCycles } else { Reads::Runs };
        let total = match self.reads.unwrap_or(first) {
            Reads::DoorCycles => totals.door_cycles,
            Reads::Runs => totals.runs,
        };
        let Some(total) = total else { return 0 };
        (self.reads, self.said_ms) = (Some(self.reads.unwrap_or(first)), Some(at_ms));
        // A total that is not believed tells nothing again.
        let meter = Meter { most };
        match meter.add(&mut self.meter, total) {
            0 => 0,
            added => added.saturating_sub(std::mem::take(&mut self.trips)),
        }
    }
}
