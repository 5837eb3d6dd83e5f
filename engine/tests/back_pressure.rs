//! Nothing queues without bound: a host that does not read holds its own senders back, and loses nothing by it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use support::detectors::{Passes, STOPS_AT};
use support::sink::{AsText, Keeps};
use support::{Gate, OpensAtEnd, Row, SOON, in_time, job, recorded, rest, row, rows, settles, values};
use watchfire_engine::sink::CommitMode;
use watchfire_engine::{ChannelIn, ChannelOut, Job, SendError};

const IN_QUEUE: usize = 3;
const OUT_QUEUE: usize = 2;
const IN_FLIGHT: usize = 4;

/// `in` to `out` with the tightest of bounds: one row an epoch, so that batches, epochs and rows are one.
fn tight() -> Job {
    let build = job(|flow| {
        let config = ChannelIn { capacity_batches: IN_QUEUE, ..ChannelIn::default() };
        let out = ChannelOut { capacity_epochs: OUT_QUEUE, ..ChannelOut::default() };
        flow.channel_with::<Row>("in", config).map(|r| r).to_channel_with("out", out);
    });
    build.epoch_rows_max(1).epochs_in_flight_max(IN_FLIGHT as u64)
}

/// Sends single rows until the channel is full for good, and returns how many it took.
fn fill(sender: &watchfire_engine::Sender<Row>) -> i64 {
    let mut taken = 0;
    loop {
        match sender.try_send(rows(taken..taken + 1)) {
            Ok(()) => taken += 1,
            Err(SendError::Full(back)) => {
                assert_eq!(values(&back), [taken], "the row comes back");
                if !settles_full(sender, taken) {
                    taken += 1;
                    continue;
                }
                return taken;
            }
            Err(SendError::Closed(_)) => panic!("closed"),
        }
    }
}

/// Tries again and again for a while; true if the row was refused each time, false if it was taken.
fn settles_full(sender: &watchfire_engine::Sender<Row>, value: i64) -> bool {
    (0..40).all(|_| {
        std::thread::sleep(std::time::Duration::from_millis(2));
        sender.try_send(rows(value..value + 1)).is_err()
    })
}

#[test]
fn a_host_that_does_not_read_is_told_that_its_channel_is_full() {
    for workers in [1, 2] {
        let mut running = tight().workers(workers).start().unwrap();
        let sender = running.sender::<Row>("in").unwrap();
        let out = running.receiver::<Row>("out").unwrap();
        let taken = fill(&sender);
        let bound = (IN_QUEUE + IN_FLIGHT + OUT_QUEUE) as i64;
        assert!(taken <= bound, "{taken} rows are under way, {bound} may be");
        assert!(taken >= (IN_QUEUE + OUT_QUEUE) as i64, "{taken} rows fill the queues");
        let metrics = running.metrics();
        assert_eq!(metrics.sinks["out"], OUT_QUEUE as u64);
        assert!(metrics.epochs_in_flight <= IN_FLIGHT as u64);
        // A sender that waits goes on when the host reads.
        let reading = std::thread::spawn(move || values(&rest(&out)));
        sender.send(rows(taken..500)).unwrap();
        drop(sender);
        running.wait().unwrap();
        assert_eq!(reading.join().unwrap(), (0..500).collect::<Vec<_>>(), "nothing is lost");
    }
}

#[test]
fn a_large_batch_is_taken_in_part_and_the_rest_comes_back() {
    let gate = Arc::new(Gate::default());
    let _opens = OpensAtEnd(gate.clone());
    let hold = gate.clone();
    let job = job(move |flow| {
        let hold = hold.clone();
        let config = ChannelIn { capacity_batches: 2, ..ChannelIn::default() };
        let keyed = flow.channel_with::<Row>("in", config).key_by(|r| r.key);
        keyed.detect("pass", Passes { gate: hold }).out.to_channel("out");
    });
    let mut running = job.start().unwrap();
    let sender = running.sender::<Row>("in").unwrap();
    let out = running.receiver::<Row>("out").unwrap();
    sender.send(vec![row(0, 0, STOPS_AT)]).unwrap();
    assert!(settles(|| gate.come() == 1));
    // The worker stands; two batches of 4,096 rows fit.
    match sender.try_send(rows(0..20_000)) {
        Err(SendError::Full(back)) => assert_eq!(values(&back), (8_192..20_000).collect::<Vec<_>>()),
        other => panic!("{other:?}"),
    }
    gate.open();
    drop(sender);
    assert_eq!(values(&rest(&out))[1..], (0..8_192).collect::<Vec<_>>());
    running.wait().unwrap();
}

#[test]
fn a_slow_sink_holds_the_senders_back() {
    let gate = Arc::new(Gate::default());
    let _opens = OpensAtEnd(gate.clone());
    let sink = Keeps::new(CommitMode::AtLeastOnce).gated(gate.clone());
    let kept = sink.clone();
    let job = job(move |flow| {
        let config = ChannelIn { capacity_batches: IN_QUEUE, ..ChannelIn::default() };
        flow.channel_with::<Row>("in", config).to_sink("pad", sink.clone(), AsText { ids: false });
    });
    let mut running = job.epoch_rows_max(1).epochs_in_flight_max(IN_FLIGHT as u64).start().unwrap();
    let sender = running.sender::<Row>("in").unwrap();
    let taken = fill(&sender);
    assert!(taken <= (IN_QUEUE + IN_FLIGHT) as i64, "an epoch is under way until it is written: {taken}");
    assert_eq!(kept.visible(), [""; 0]);
    gate.open();
    sender.send(rows(taken..100)).unwrap();
    running.drain(SOON).unwrap();
    assert_eq!(kept.visible().len(), 100);
}

#[test]
fn dropping_a_receiver_fails_the_job() {
    for full in [false, true] {
        let error = in_time(move || {
            let mut running = tight().start().unwrap();
            let sender = running.sender::<Row>("in").unwrap();
            let out = running.receiver::<Row>("out").unwrap();
            if full {
                // The operator sleeps on a full queue, and no epoch may follow that would wake it.
                fill(&sender);
            }
            drop(out);
            for n in 0.. {
                if sender.send(rows(n..n + 1)).is_err() {
                    break;
                }
            }
            running.wait().unwrap_err()
        });
        assert_eq!(error.code(), "E0302");
        assert!(error.to_string().contains("nobody takes the rows of \"out\" any more"), "{error}");
        assert!(error.to_string().contains("keep the receiver"), "{error}");
    }
}

/// The bound on epochs holds from the first one on, though the whole record is there at once.
#[test]
fn a_replay_keeps_to_the_bound_of_epochs() {
    let passed = Arc::new(AtomicUsize::new(0));
    let seen = passed.clone();
    let (_, recording) = recorded(&wide(), vec![rows(0..50)]);
    assert!(recording.recut(1, 1).epochs() > 40);
    let counting = support::job(move |flow| {
        let seen = seen.clone();
        let rows = flow.channel::<Row>("in").map(move |r| {
            seen.fetch_add(1, Ordering::SeqCst);
            r
        });
        rows.to_channel_with("out", ChannelOut { capacity_epochs: 1, ..ChannelOut::default() });
    });
    let mut running = counting.epochs_in_flight_max(2).replay(&recording.recut(1, 1)).unwrap();
    let out = running.receiver::<Row>("out").unwrap();
    assert!(settles(|| running.metrics().sinks["out"] == 1));
    std::thread::sleep(std::time::Duration::from_millis(100));
    assert!(passed.load(Ordering::SeqCst) <= 3, "one has left, two are under way");
    assert!(running.metrics().epochs_in_flight <= 2);
    assert_eq!(values(&rest(&out)), (0..50).collect::<Vec<_>>());
    running.wait().unwrap();
}

fn wide() -> Job {
    support::job(|flow| flow.channel::<Row>("in").map(|r| r).to_channel("out"))
}
