//! No thread outlives its job, however it ends. Alone in its process, for it counts threads.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::sync::Arc;

use support::detectors::{PANICS_AT, Passes};
use support::sink::{AsText, Fault, Keeps, On};
use support::source::{Lines, Scripted, Step};
use support::{Gate, Row, SOON, row, rows, settles};
use watchfire_engine::sink::CommitMode;
use watchfire_engine::{Error, Job};

/// Threads of this process that belong to a job.
fn threads() -> Vec<String> {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let names = tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
    names.filter(|name| name.starts_with("timely") || name.starts_with("watchfire")).collect()
}

struct Flowing {
    source: Scripted,
    sink: Keeps,
}

impl Flowing {
    fn job(&self) -> Job {
        let (source, sink) = (self.source.clone(), self.sink.clone());
        let job = Job::new(move |flow| {
            let lines = flow.source("lines", source.clone(), Lines);
            let rows = flow.channel::<Row>("in").union(lines.rows).key_by(|r| r.key);
            let passed = rows.detect("pass", Passes { gate: Arc::<Gate>::default() }).out;
            passed.clone().to_channel("out");
            passed.to_sink("pad", sink.clone(), AsText { ids: false });
        });
        job.workers(2)
    }
}

/// Runs the flow while `end` ends it; then no thread may be left, though the handle is still held.
fn leaves_none(
    what: &str,
    flowing: Flowing,
    row: Option<Row>,
    end: impl FnOnce(&mut watchfire_engine::Running) -> Option<Error>,
) {
    let mut running = flowing.job().start().unwrap();
    let sender = running.sender::<Row>("in").unwrap();
    let _out = running.receiver::<Row>("out").unwrap();
    let _ = sender.send(rows(0..100));
    row.into_iter().for_each(|row| drop(sender.send(vec![row])));
    if what == "wait" {
        drop(sender);
    }
    let error = end(&mut running);
    // That threads are counted at all is seen below, of a job that goes on running.
    assert_eq!(error.is_some(), what.contains("fail") || what.contains("panic"), "{what}: {error:?}");
    assert!(settles(|| threads().is_empty()), "{what}: {:?}", threads());
}

#[test]
fn no_thread_is_left() {
    let steps = || vec![Step::Rows(rows(0..50)), Step::Idle];
    let bounded = || Scripted::bounded(vec![("a", steps()), ("b", vec![])]);
    let endless = || Scripted::endless(vec![("a", steps()), ("b", vec![])]);
    let keeps = || Keeps::new(CommitMode::TwoPhase);
    let flowing = |source, sink| Flowing { source, sink };
    leaves_none("wait", flowing(bounded(), keeps()), None, |r| r.wait().err());
    leaves_none("drain", flowing(endless(), keeps()), None, |r| r.drain(SOON).err());
    leaves_none("stop", flowing(endless(), keeps()), None, |r| r.stop(SOON).err());
    let away = Scripted::endless(vec![("a", vec![Step::Retry; 20])]);
    leaves_none("drain while away", flowing(away, keeps()), None, |r| r.drain(SOON).err());
    let bad = Some(row(0, 3, PANICS_AT));
    leaves_none("a panic in an operator", flowing(endless(), keeps()), bad, |r| r.wait().err());
    let fatal = keeps().fails(On::Write, &[Fault::Fatal]);
    leaves_none("a sink that fails", flowing(endless(), fatal), None, |r| r.wait().err());
    let broken = Scripted::endless(vec![("a", vec![Step::Rows(rows(0..5)), Step::Panic]), ("b", steps())]);
    leaves_none("a reader that panics", flowing(broken, keeps()), None, |r| r.wait().err());

    // Dropped without a word.
    let running = flowing(endless(), keeps()).job().start().unwrap();
    assert!(settles(|| !threads().is_empty()));
    drop(running);
    assert!(settles(|| threads().is_empty()), "dropped: {:?}", threads());
}
