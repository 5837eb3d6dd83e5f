//! Lock-step: the threads of a job take turns, as a seed draws them, under a clock that nothing but turns moves.
//!
//! The engine starts its threads, reads its clock and waits by what is here. A thread in lock-step has a seat at a table, as has
//! each that it starts, and only the one whose turn it is runs; so the same seed gives the same run, call for call. Any other
//! thread does what the standard library does, for a look at a thread-local before it waits.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread::{JoinHandle, Thread};
use std::time::{Duration, Instant};

use async_channel::{Receiver, RecvError, TryRecvError};

use crate::key::mix;

/// A thread keeps its turn for at most so long on the wall: one that waits for something outside the table would keep it for ever.
const TURN_MAX: Duration = Duration::from_secs(60);

/// A turn takes up to so many microseconds of the table's clock, and one of many takes longer, as where a process is paused.
const TURN_US: u64 = 40;
const PAUSE_US: u64 = 5_000;
const PAUSE_ONE_IN: u64 = 128;

/// One of the threads goes slower or faster after so many turns.
const CHANGE_ONE_IN: u64 = 64;

thread_local! {
    static SEAT: RefCell<Option<Seat>> = const { RefCell::new(None) };
}

struct Table {
    began: Instant,
    turn: Mutex<Turn>,
}

struct Turn {
    seed: u64,
    draws: u64,
    /// Whose it is.
    holder: usize,
    /// How many there have been, and what the clock says.
    count: u64,
    elapsed: Duration,
    sitters: Vec<Option<Sitter>>,
}

struct Sitter {
    /// None until the thread has come.
    thread: Option<Thread>,
    /// How often it is drawn, against the others.
    weight: u64,
}

/// A place at a table, for one thread. Dropping it gives it up.
pub(crate) struct Seat {
    table: Arc<Table>,
    number: usize,
}

impl Turn {
    fn below(&mut self, n: u64) -> u64 {
        self.draws += 1;
        mix(self.seed ^ mix(self.draws)) % n.max(1)
    }

    /// Draws whose turn is next, and tells the thread. Nobody's, if all have left.
    fn give(&mut self) {
        self.count += 1;
        let pause_us = if self.below(PAUSE_ONE_IN) == 0 { self.below(PAUSE_US) } else { 0 };
        let takes_us = 1 + self.below(TURN_US) + pause_us;
        self.elapsed += Duration::from_micros(takes_us);
        if self.below(CHANGE_ONE_IN) == 0 {
            let (number, weight) = (self.below(self.sitters.len() as u64), 1 << (2 * self.below(4)));
            self.sitters[number as usize].iter_mut().for_each(|sitter| sitter.weight = weight);
        }
        let all = self.sitters.iter().flatten().map(|sitter| sitter.weight).sum();
        let mut drawn = self.below(all);
        for (number, sitter) in self.sitters.iter().enumerate() {
            let Some(sitter) = sitter else { continue };
            if drawn < sitter.weight {
                self.holder = number;
                sitter.thread.iter().for_each(Thread::unpark);
                return;
            }
            drawn -= sitter.weight;
        }
    }
}

impl Table {
    fn turn(&self) -> MutexGuard<'_, Turn> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn seat(self: &Arc<Self>, thread: Option<Thread>) -> Seat {
        let mut turn = self.turn();
        turn.sitters.push(Some(Sitter { thread, weight: 16 }));
        Seat { table: self.clone(), number: turn.sitters.len() - 1 }
    }
}

impl Seat {
    /// Until it is this thread's turn.
    fn wait(&self) {
        let mut since = (u64::MAX, Instant::now());
        loop {
            let turn = self.table.turn();
            if turn.holder == self.number {
                return;
            }
            let count = turn.count;
            drop(turn);
            if since.0 != count {
                since = (count, Instant::now());
            }
            assert!(since.1.elapsed() < TURN_MAX, "a thread in lock-step waits for something that no turn brings");
            std::thread::park_timeout(TURN_MAX / 4);
        }
    }

    fn pass(&self) {
        self.table.turn().give();
        self.wait();
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut turn = self.table.turn();
        turn.sitters[self.number] = None;
        if turn.holder == self.number {
            turn.give();
        }
    }
}

/// The calling thread sits down at a table of its own, until what is returned is dropped.
pub(crate) fn sit_down(seed: u64) -> impl Drop {
    let turn = Turn { seed, draws: 0, holder: 0, count: 0, elapsed: Duration::ZERO, sitters: Vec::new() };
    let table = Arc::new(Table { began: Instant::now(), turn: Mutex::new(turn) });
    sit(table.seat(Some(std::thread::current())))
}

/// Gives the seat of the calling thread up.
struct Sits;

impl Drop for Sits {
    fn drop(&mut self) {
        let seat = SEAT.with(|mine| mine.borrow_mut().take());
        drop(seat);
    }
}

fn sit(seat: Seat) -> Sits {
    SEAT.with(|mine| *mine.borrow_mut() = Some(seat));
    Sits
}

fn with_mine<R>(what: impl FnOnce(&Seat) -> R) -> Option<R> {
    SEAT.with(|mine| mine.borrow().as_ref().map(what))
}

/// A seat for a thread that the calling one is about to start, if that has one.
pub(crate) fn another() -> Option<Seat> {
    with_mine(|mine| mine.table.seat(None))
}

/// Runs the body of a thread in its seat, if it has one.
pub(crate) fn seated<R>(seat: Option<Seat>, body: impl FnOnce() -> R) -> R {
    let _sits = seat.map(|seat| {
        if let Some(sitter) = &mut seat.table.turn().sitters[seat.number] {
            sitter.thread = Some(std::thread::current());
        }
        seat.wait();
        sit(seat)
    });
    body()
}

/// Starts a thread.
pub(crate) fn spawn<R: Send + 'static>(
    name: &str,
    body: impl FnOnce() -> R + Send + 'static,
) -> io::Result<JoinHandle<R>> {
    let seat = another();
    std::thread::Builder::new().name(name.to_owned()).spawn(move || seated(seat, body))
}

/// Lets others go on, until it is the calling thread's turn again. False, at once, outside lock-step: then it has to wait by itself.
pub(crate) fn pass() -> bool {
    with_mine(Seat::pass).is_some()
}

/// What the clock of the table says since it was laid; nothing outside lock-step.
pub(crate) fn elapsed() -> Option<Duration> {
    with_mine(|mine| mine.table.turn().elapsed)
}

/// The clock by which spans are measured.
pub(crate) fn now() -> Instant {
    with_mine(|mine| mine.table.began + mine.table.turn().elapsed).unwrap_or_else(Instant::now)
}

/// Waits.
pub(crate) fn sleep(wait: Duration) {
    let until = elapsed().map(|now| now + wait);
    while elapsed() < until && pass() {}
    if until.is_none() {
        std::thread::sleep(wait);
    }
}

/// As [`sleep`], in a task.
pub(crate) async fn sleeps(wait: Duration) {
    match elapsed().map(|now| now + wait) {
        Some(until) => poll_fn(|_| if elapsed() < Some(until) { Poll::Pending } else { Poll::Ready(()) }).await,
        None => _ = async_io::Timer::after(wait).await,
    }
}

/// Waits until something comes, or nothing can any more.
pub(crate) fn receive<T>(rx: &Receiver<T>) -> Result<T, RecvError> {
    loop {
        match rx.try_recv() {
            Ok(item) => return Ok(item),
            Err(TryRecvError::Closed) => return Err(RecvError),
            Err(TryRecvError::Empty) if pass() => {}
            Err(TryRecvError::Empty) => return rx.recv_blocking(),
        }
    }
}

/// Runs a task to its end.
pub(crate) fn block_on<R>(task: impl Future<Output = R>) -> R {
    let mut task = pin!(task);
    if elapsed().is_none() {
        return futures_lite::future::block_on(task);
    }
    loop {
        // Nobody has to wake it: it looks whenever it is its turn.
        match task.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(result) => return result,
            Poll::Pending => _ = pass(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three threads that say their numbers, and wait for each other in all ways that there are.
    fn story(seed: u64) -> (Vec<u32>, Duration) {
        let _sits = sit_down(seed);
        let began = now();
        let said = Arc::new(Mutex::new(Vec::new()));
        let (tx, rx) = async_channel::bounded(1);
        let (to_others, of_thread) = (tx.clone(), said.clone());
        let sends = move || {
            for n in 0..50 {
                of_thread.lock().unwrap().push(n);
                sleep(Duration::from_micros(100));
                while to_others.try_send(n).is_err_and(|refused| refused.is_full()) && pass() {}
            }
        };
        let (of_task, from) = (said.clone(), rx.clone());
        let receives = async move {
            while let Ok(n) = from.recv().await {
                of_task.lock().unwrap().push(100 + n);
                sleeps(Duration::from_micros(150)).await;
            }
        };
        spawn("sends", sends).unwrap();
        spawn("receives", move || block_on(receives)).unwrap();
        drop(tx);
        while let Ok(n) = receive(&rx) {
            said.lock().unwrap().push(200 + n);
        }
        // The other may not have said its last.
        sleep(Duration::from_millis(50));
        let said = said.lock().unwrap().clone();
        (said, now().duration_since(began))
    }

    #[test]
    fn a_seed_draws_the_turns_and_the_time() {
        let all: Vec<_> = (0..6).map(story).collect();
        assert!(all.windows(2).all(|two| two[0] != two[1]));
        for ((said, passed), again) in all.iter().zip((0..6).map(story)) {
            assert_eq!((said, *passed), (&again.0, again.1));
            assert_eq!(said.len(), 100);
            assert!(*passed > Duration::from_millis(50));
        }
    }

    #[test]
    fn a_thread_that_panics_leaves_the_table() {
        let _sits = sit_down(1);
        let fails = spawn("fails", || assert!(!pass(), "as it should")).unwrap();
        while !fails.is_finished() {
            assert!(pass());
        }
        assert!(fails.join().is_err());
    }

    #[test]
    fn outside_lock_step_everything_waits_by_itself() {
        let (tx, rx) = async_channel::bounded(1);
        let other = spawn("other", move || {
            sleep(Duration::from_millis(5));
            block_on(sleeps(Duration::from_millis(5)));
            tx.try_send(elapsed())
        });
        assert_eq!(receive(&rx), Ok(None));
        other.unwrap().join().unwrap().unwrap();
        assert!(receive(&rx).is_err() && !pass());
    }
}
