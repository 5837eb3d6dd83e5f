//! Workers that have left leave no stacks behind. Alone in its process, for it measures that.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

use serde::{Deserialize, Serialize};
use watchfire_engine::{Job, Timed};

const WORKERS: usize = 2;
/// Of a thread's stack, where std says nothing else.
const STACK_BYTES: usize = 2 << 20;

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Row(i64);

impl Timed for Row {
    fn event_time_ms(&self) -> i64 {
        self.0
    }
}

/// Bytes of address space that the process has taken.
fn taken() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').next().unwrap().parse::<usize>().unwrap() * 4096
}

fn run(jobs: usize, wait: bool) {
    for n in 0..jobs {
        let job = Job::new(|flow| flow.channel::<Row>("rows").to_channel("out")).workers(WORKERS);
        let mut running = job.start().unwrap();
        let rows = running.sender::<Row>("rows").unwrap();
        rows.send(vec![Row(n as i64)]).unwrap();
        drop(rows);
        let out = running.receiver::<Row>("out").unwrap();
        assert_eq!(out.rows().count(), 1);
        if wait {
            running.wait().unwrap();
        }
    }
}

#[test]
fn the_stacks_of_workers_are_given_back() {
    for wait in [true, false] {
        // The allocator takes what it keeps for each of some threads.
        run(100, wait);
        let before = taken();
        run(200, wait);
        let grown = taken().saturating_sub(before);
        assert!(grown < 100 * WORKERS * STACK_BYTES, "200 jobs have taken {grown} bytes for good");
    }
}
