//! How a job ends: by itself, drained, stopped, dropped, or not in time.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::sync::Arc;
use std::time::Duration;

use support::detectors::{CountsAtEnd, PANICS_AT, Passes, STOPS_AT};
use support::{Gate, OpensAtEnd, Row, SOON, in_time, job, rest, row, rows, settles, values};
use watchfire_engine::{ChannelOut, Job, SendError};

/// `in` through a detector that counts the rows of a key and says so at its end; the rows themselves leave by `out`.
fn counting() -> Job {
    job(|flow| {
        let rows = flow.channel::<Row>("in");
        rows.clone().to_channel("out");
        rows.key_by(|r| r.key).detect("count", CountsAtEnd).out.to_channel("ends");
    })
}

fn passing(gate: &Arc<Gate>) -> Job {
    let gate = gate.clone();
    job(move |flow| {
        flow.channel::<Row>("in")
            .key_by(|r| r.key)
            .detect("pass", Passes { gate: gate.clone() })
            .out
            .to_channel_with("out", ChannelOut { capacity_epochs: 2, ..ChannelOut::default() });
    })
}

#[test]
fn a_job_ends_by_itself_when_all_sources_have_ended() {
    for workers in [1, 2, 4] {
        let (out, ends, metrics) = in_time(move || {
            let mut running = counting().workers(workers).start().unwrap();
            let sender = running.sender::<Row>("in").unwrap();
            let second = sender.another_split();
            let (out, ends) = (running.receiver::<Row>("out").unwrap(), running.receiver::<Row>("ends").unwrap());
            sender.send(rows(0..10)).unwrap();
            drop(sender);
            second.send((10..15).map(|n| row(n, 1, n)).collect()).unwrap();
            drop(second);
            let metrics = running.wait().unwrap();
            (rest(&out), rest(&ends), metrics)
        });
        let mut seen = values(&out);
        seen.sort_unstable();
        assert_eq!(seen, (0..15).collect::<Vec<_>>());
        let mut counts: Vec<(u32, i64)> = ends.iter().map(|r| (r.key, r.value)).collect();
        counts.sort_unstable();
        assert_eq!(counts, [(0, 10), (1, 5)]);
        assert_eq!((metrics.sinks["out"], metrics.sources["in"].read, metrics.epochs_in_flight), (15, 15, 0));
    }
}

/// A split that is opened and let go in one breath, as the last one: its rows must not be taken for the end.
#[test]
fn rows_of_the_last_split_are_never_lost() {
    for n in 0..150 {
        let mut running = counting().start().unwrap();
        let sender = running.sender::<Row>("in").unwrap();
        let (out, _ends) = (running.receiver::<Row>("out").unwrap(), running.receiver::<Row>("ends").unwrap());
        std::thread::sleep(Duration::from_micros(n * 7));
        let last = sender.another_split();
        last.send(rows(0..3)).unwrap();
        drop((last, sender));
        assert_eq!(values(&rest(&out)), [0, 1, 2]);
        running.wait().unwrap();
    }
}

/// Drains or stops a job while a thread goes on sending, and compares what `send` accepted with what left.
fn end_while_sending(stop: bool, workers: usize) -> (Vec<i64>, Vec<Row>) {
    let mut running = counting().workers(workers).start().unwrap();
    let sender = running.sender::<Row>("in").unwrap();
    let (out, ends) = (running.receiver::<Row>("out").unwrap(), running.receiver::<Row>("ends").unwrap());
    let reading = std::thread::spawn(move || rest(&out));
    let sending = std::thread::spawn(move || {
        let (mut accepted, mut splits) = (Vec::new(), vec![sender]);
        for n in 0.. {
            let batch = rows(n * 100..n * 100 + 100);
            let back = match splits.last().unwrap().send(batch.clone()) {
                Ok(()) => Vec::new(),
                Err(SendError::Closed(back)) => back,
                Err(SendError::Full(_)) => panic!("send waits"),
            };
            let took = batch.len() - back.len();
            accepted.extend(values(&batch[..took]));
            if !back.is_empty() {
                // Refused once, refused for ever, also by further splits; the senders stay open all the while.
                assert!(matches!(splits.last().unwrap().send(rows(0..1)), Err(SendError::Closed(_))));
                assert!(matches!(splits[0].another_split().try_send(rows(0..1)), Err(SendError::Closed(_))));
                return (accepted, splits);
            }
            if n % 16 == 5 {
                splits.push(splits[0].another_split());
            }
        }
        unreachable!()
    });
    // The first split gives 600 rows, so by then the second has fed the key too: only the end of the job ends it.
    assert!(settles(|| running.metrics().sources["in"].read > 1_000));
    let metrics = if stop { running.stop(SOON) } else { running.drain(SOON) }.unwrap();
    let (accepted, _open) = sending.join().unwrap();
    let mut left = values(&reading.join().unwrap());
    left.sort_unstable();
    assert_eq!(left, accepted, "what was accepted left, and nothing else");
    assert_eq!(metrics.sources["in"].read as usize, accepted.len());
    (accepted, rest(&ends))
}

#[test]
fn drain_lets_everything_leave_and_closes_windows() {
    for workers in [1, 2] {
        let (accepted, ends) = in_time(move || end_while_sending(false, workers));
        assert_eq!(values(&ends), [accepted.len() as i64], "the key has ended");
    }
}

#[test]
fn stop_lets_everything_leave_and_closes_no_window() {
    for workers in [1, 2] {
        let (_, ends) = in_time(move || end_while_sending(true, workers));
        assert_eq!(ends, [], "no key has ended");
    }
}

#[test]
fn the_first_wish_holds() {
    let ends = in_time(|| {
        let mut running = counting().start().unwrap();
        let sender = running.sender::<Row>("in").unwrap();
        let (_out, ends) = (running.receiver::<Row>("out").unwrap(), running.receiver::<Row>("ends").unwrap());
        sender.send(rows(0..5)).unwrap();
        running.stop(SOON).unwrap();
        running.drain(SOON).unwrap();
        running.wait().unwrap();
        rest(&ends)
    });
    assert_eq!(ends, [], "a drain after a stop closes no window");
}

#[test]
fn dropping_a_running_job_stops_it() {
    let (left, ends) = in_time(|| {
        let mut running = counting().workers(2).start().unwrap();
        let sender = running.sender::<Row>("in").unwrap();
        let (out, ends) = (running.receiver::<Row>("out").unwrap(), running.receiver::<Row>("ends").unwrap());
        sender.send(rows(0..5)).unwrap();
        drop(running);
        let left = rest(&out);
        assert!(matches!(sender.send(rows(0..1)), Err(SendError::Closed(_))));
        (left, rest(&ends))
    });
    assert_eq!((values(&left), ends), (vec![0, 1, 2, 3, 4], vec![]));
}

#[test]
fn an_operator_that_hangs_is_named_at_the_deadline() {
    for workers in [1, 2] {
        let gate = Arc::new(Gate::default());
        let opens = OpensAtEnd(gate.clone());
        let mut running = passing(&gate).workers(workers).start().unwrap();
        let sender = running.sender::<Row>("in").unwrap();
        let out = running.receiver::<Row>("out").unwrap();
        sender.send(vec![row(0, 7, STOPS_AT)]).unwrap();
        assert!(settles(|| gate.come() == 1));
        let error = running.drain(Duration::from_millis(50)).unwrap_err();
        assert_eq!(error.code(), "E0904");
        assert!(error.to_string().contains("operator \"pass\" is still running"), "{error}");
        assert!(error.to_string().contains("lifecycle.rs:"), "{error}");
        // Once released it ends as it was told to.
        drop(opens);
        running.drain(SOON).unwrap();
        assert_eq!(values(&rest(&out)), [STOPS_AT]);
    }
}

#[test]
fn a_channel_that_the_host_does_not_read_is_named_at_the_deadline() {
    let mut running = passing(&Arc::default()).epoch_rows_max(1).start().unwrap();
    let sender = running.sender::<Row>("in").unwrap();
    let out = running.receiver::<Row>("out").unwrap();
    sender.send(rows(0..1)).unwrap();
    (1..10).for_each(|n| sender.send(rows(n..n + 1)).unwrap());
    let error = running.drain(Duration::from_millis(50)).unwrap_err();
    assert_eq!(error.code(), "E0904");
    assert!(error.to_string().contains("rows have not left"), "{error}");
    assert!(error.to_string().contains("behind: \"out\""), "{error}");
    assert!(error.to_string().contains("take the rows from every receiver"), "{error}");
    let reading = std::thread::spawn(move || values(&rest(&out)));
    running.drain(SOON).unwrap();
    assert_eq!(reading.join().unwrap(), (0..10).collect::<Vec<_>>());
}

#[test]
fn two_jobs_do_not_disturb_each_other() {
    let well = in_time(|| {
        let (mut ill, mut well) = (
            passing(&Arc::default()).workers(2).start().unwrap(),
            passing(&Arc::default()).workers(2).start().unwrap(),
        );
        let (to_ill, to_well) = (ill.sender::<Row>("in").unwrap(), well.sender::<Row>("in").unwrap());
        let (_from_ill, from_well) = (ill.receiver::<Row>("out").unwrap(), well.receiver::<Row>("out").unwrap());
        let reading = std::thread::spawn(move || values(&rest(&from_well)));
        to_well.send(rows(0..50)).unwrap();
        to_ill.send(vec![row(0, 0, PANICS_AT)]).unwrap();
        let error = ill.wait().unwrap_err();
        assert_eq!(error.code(), "E0901");
        assert!(ill.failed() && !well.failed());
        to_well.send(rows(50..100)).unwrap();
        drop(to_well);
        let metrics = well.wait().unwrap();
        assert_eq!((metrics.sources["in"].read, ill.metrics().sources["in"].read), (100, 1));
        reading.join().unwrap()
    });
    assert_eq!(well, (0..100).collect::<Vec<_>>());
}

#[test]
fn ends_are_handed_out_once_and_by_their_type() {
    let mut running = counting().start().unwrap();
    let codes = [
        running.sender::<Row>("nowhere").unwrap_err(),
        running.sender::<i64>("in").unwrap_err(),
        running.receiver::<Row>("in").unwrap_err(),
        running.sender::<Row>("in").map(|_| running.sender::<Row>("in").unwrap_err()).unwrap(),
    ];
    for (error, part) in codes.iter().zip(["no channel \"nowhere\"", "another type", "the other way", "taken already"])
    {
        assert_eq!(error.code(), "E0408");
        assert!(error.to_string().contains(part), "{error}");
    }
}

#[test]
fn a_channel_that_nobody_sends_into_does_not_keep_a_job_from_ending() {
    for taken in ["both", "one", "none"] {
        let (left, error) = in_time(move || {
            let job = job(|flow| {
                let rows = flow.channel::<Row>("in").union(flow.channel::<Row>("unused"));
                rows.key_by(|r| r.key).detect("count", CountsAtEnd).out.to_channel("out");
            });
            let mut running = job.start().unwrap();
            let out = running.receiver::<Row>("out").unwrap();
            if taken != "none" {
                running.sender::<Row>("in").unwrap().send(rows(0..3)).unwrap();
            }
            if taken == "both" {
                drop(running.sender::<Row>("unused").unwrap());
            }
            running.wait().unwrap();
            (values(&rest(&out)), running.sender::<Row>("unused").unwrap_err())
        });
        assert_eq!(left, if taken == "none" { vec![] } else { vec![3] }, "{taken}");
        assert_eq!(error.code(), "E0408");
        assert!(error.to_string().contains("closed by a wait"), "{error}");
    }
}

#[test]
fn the_beat_is_young_unless_an_operator_hangs() {
    let gate = Arc::new(Gate::default());
    let _opens = OpensAtEnd(gate.clone());
    let mut running = passing(&gate).workers(2).start().unwrap();
    let sender = running.sender::<Row>("in").unwrap();
    let out = running.receiver::<Row>("out").unwrap();
    let young = || running.beat_age() < Duration::from_millis(500);
    // Idle: it comes round though nothing happens. A single slow look on a loaded machine proves nothing.
    std::thread::sleep(Duration::from_millis(120));
    assert!(settles(young));
    let reading = std::thread::spawn(move || rest(&out).len());
    for n in 0..200 {
        sender.send(rows(n * 500..n * 500 + 500)).unwrap();
    }
    assert!(settles(young));
    sender.send(vec![row(0, 7, STOPS_AT)]).unwrap();
    assert!(settles(|| gate.come() == 1));
    let before = running.beat_age();
    std::thread::sleep(Duration::from_millis(700));
    let after = running.beat_age();
    assert!(after >= Duration::from_millis(700) && after > before, "it grows: {before:?}, {after:?}");
    gate.open();
    assert!(settles(young), "and is young again once it goes on");
    drop(sender);
    running.wait().unwrap();
    assert_eq!(reading.join().unwrap(), 100_001);
}
