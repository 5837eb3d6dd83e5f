//! The first rows of a job, with which the arrival clock begins, are not taken for a device that fell silent.
#![allow(clippy::unwrap_used)]

use serde::{Deserialize, Serialize};
use watchfire_engine::{Change, Detector, Job, Late, TickSource, Timed};
use watchfire_operators::window::{Close, Sessions, Sliding, WindowRow, count};

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Row(i64);

impl Timed for Row {
    fn event_time_ms(&self) -> i64 {
        self.0
    }
}

/// The counts of the windows over fifty rows, one a second, and how many rows were late.
fn counts<D>(windows: impl Fn() -> D + Send + Sync + 'static) -> (Vec<u64>, usize)
where
    D: Detector<Key = u32, In = Row, Out = Change<WindowRow<u32, u64>>>,
{
    let job = Job::new(move |flow| {
        let found = flow.channel::<Row>("rows").key_by(|_| 1).detect("windows", windows());
        found.out.to_channel("out");
        found.late.to_channel("late");
    });
    let mut running = job.ticks(TickSource::FROM_EVENTS).start().unwrap();
    running.sender("rows").unwrap().send((0..50).map(|n| Row(n * 1_000)).collect()).unwrap();
    let out = running.receiver::<Change<WindowRow<u32, u64>>>("out").unwrap();
    let late = running.receiver::<Late<Row>>("late").unwrap();
    let counts = out.rows().map(|change| change.row().value).collect();
    let late = late.rows().count();
    running.wait().unwrap();
    (counts, late)
}

const HOLD: Close = Close::Hold { max_ms: 300_000 };
const PROVISIONAL: Close = Close::Provisional { after_quiet_ms: 300_000, every_ms: 1_000, allowed_lateness_ms: 10_000 };

#[test]
fn windows_wait_from_the_first_reading_on() {
    for close in [HOLD, PROVISIONAL] {
        let windows = move || Sliding::tumbling(60_000, count::<Row>()).unwrap().close(close);
        assert_eq!(counts(windows), (vec![50], 0), "{close:?}");
    }
}

#[test]
fn sessions_wait_from_the_first_reading_on() {
    for close in [HOLD, PROVISIONAL] {
        let sessions = move || Sessions::new(30_000, count::<Row>()).unwrap().close(close);
        assert_eq!(counts(sessions), (vec![50], 0), "{close:?}");
    }
}
