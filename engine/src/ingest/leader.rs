//! The leader: cuts the ingest order into epochs, bounds those in flight, and says when rows may be acknowledged.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::held::Held;
use super::intake::{Cut, Feed, Intake};
use super::pace::{MANY_ROWS, Pace};
use super::queue::Acknowledge;
use super::record::{Player, Recorder};
use super::ticker::Ticker;
use crate::Error;
use crate::control::{Control, Signal};
use crate::job::parts::SinkHandle;
use crate::job::shared::{Command, Shared};
use crate::time::{FIRST_EPOCH, TickSource};

/// What one worker gets of one epoch.
pub(crate) struct EpochFeed {
    pub(crate) epoch: u64,
    pub(crate) feeds: Vec<Feed>,
    pub(crate) controls: Vec<Control>,
    /// No epoch follows: inputs are closed after this one.
    pub(crate) last: bool,
}

/// Bounds of an epoch and of what is in flight.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) rows_max: usize,
    pub(crate) in_flight_max: u64,
    pub(crate) commit_every_ms: i64,
}

pub(crate) struct Leader {
    pub(crate) shared: Arc<Shared>,
    pub(crate) intakes: Vec<Box<dyn Intake>>,
    pub(crate) player: Option<Player>,
    pub(crate) recorder: Option<Recorder>,
    pub(crate) sinks: Vec<Arc<dyn SinkHandle>>,
    ticker: Ticker,
    pace: Pace,
    held: Held,
    bounds: Bounds,
    workers: usize,
    next_at: u64,
    epoch: u64,
    arrival_ms: i64,
    turn: usize,
    closing: bool,
    closed: bool,
    unacknowledged: VecDeque<(u64, Vec<Acknowledge>)>,
    last_commit_ms: i64,
    commits: u64,
    /// Epochs that end a commit, with its number: not yet handed to every sink.
    uncommitted: VecDeque<(u64, u64)>,
    /// The same, handed over and not yet finished by every sink.
    committing: VecDeque<(u64, u64)>,
    /// Everything in the epochs below is committed by every two-phase sink.
    committed_below: u64,
}

impl Leader {
    pub(crate) fn new(shared: Arc<Shared>, workers: usize, ticks: TickSource, bounds: Bounds) -> Self {
        Leader {
            pace: Pace::new(shared.clone(), workers),
            shared,
            intakes: Vec::new(),
            player: None,
            recorder: None,
            sinks: Vec::new(),
            ticker: Ticker::new(ticks),
            held: Held::default(),
            bounds,
            workers,
            next_at: 0,
            epoch: FIRST_EPOCH,
            arrival_ms: i64::MIN,
            turn: 0,
            closing: false,
            closed: false,
            unacknowledged: VecDeque::new(),
            last_commit_ms: i64::MIN,
            commits: 0,
            uncommitted: VecDeque::new(),
            committing: VecDeque::new(),
            committed_below: FIRST_EPOCH,
        }
    }

    /// The epoch up to which the flow must have passed before another may be cut.
    pub(crate) fn must_have_passed(&self) -> Option<u64> {
        (self.epoch >= FIRST_EPOCH + self.bounds.in_flight_max).then(|| self.epoch - self.bounds.in_flight_max)
    }

    pub(crate) fn patience(&self) -> Duration {
        self.ticker.patience()
    }

    /// How much longer rows are to gather before the next epoch is cut. What is replayed has gathered long ago.
    pub(crate) fn gathers(&self) -> Option<Duration> {
        if self.player.is_some() { None } else { self.pace.wait() }
    }

    /// Cuts an epoch, if there is anything to put into it; one part a worker.
    pub(crate) fn cut(&mut self) -> Result<Option<Vec<EpochFeed>>, Error> {
        if self.closed || !self.recorder.as_ref().is_none_or(Recorder::has_room) {
            return Ok(None);
        }
        if self.shared.command() != Command::Run && !self.closing {
            self.closing = true;
            self.intakes.iter_mut().for_each(|intake| intake.close());
        }
        let mut cut = Cut {
            room: self.bounds.rows_max,
            next_at: &mut self.next_at,
            ticker: &mut self.ticker,
            arrival_ms: &mut self.arrival_ms,
            turn: &mut self.turn,
            workers: self.workers,
            feeds: Vec::new(),
            controls: Vec::new(),
            acknowledge: Vec::new(),
            recorder: self.recorder.as_mut(),
            held: &mut self.held,
        };
        let last = match &mut self.player {
            Some(player) => play(player, &mut cut, self.closing),
            None => pull(&mut self.intakes, &mut cut)?,
        };
        if last && self.player.as_ref().is_none_or(|_| self.closing) && self.shared.command() != Command::Stop {
            // Looked at again: sources that a stop has interrupted have not ended.
            cut.signal(Signal::End);
        }
        let due = *cut.arrival_ms >= self.last_commit_ms.saturating_add(self.bounds.commit_every_ms) || last;
        if due && self.sinks.iter().any(|sink| sink.two_phase()) && (self.player.is_none() || last) {
            self.last_commit_ms = *cut.arrival_ms;
            cut.signal(Signal::Commit { number: self.commits + 1 });
        }
        for control in &cut.controls {
            if let Signal::Commit { number } = control.signal {
                self.commits = number;
                self.uncommitted.push_back((self.epoch, number));
            }
        }
        if cut.feeds.is_empty() && cut.controls.is_empty() && cut.acknowledge.is_empty() && !last {
            return Ok(None);
        }
        let many = cut.room == 0 || self.bounds.rows_max - cut.room >= MANY_ROWS;
        let (feeds, controls, acknowledge) = (cut.feeds, cut.controls, cut.acknowledge);
        self.pace.cut(many);
        if let Some(recorder) = &mut self.recorder {
            recorder.cut(last);
        }
        if !acknowledge.is_empty() {
            self.unacknowledged.push_back((self.epoch, acknowledge));
        }
        self.closed = last;
        Ok(Some(self.share_out(feeds, &controls, last)))
    }

    fn share_out(&mut self, feeds: Vec<Feed>, controls: &[Control], last: bool) -> Vec<EpochFeed> {
        let epoch = self.epoch;
        self.epoch += 1;
        let mut parts: Vec<EpochFeed> = (0..self.workers)
            .map(|_| EpochFeed { epoch, feeds: Vec::new(), controls: controls.to_vec(), last })
            .collect();
        for feed in feeds {
            let worker = feed.worker;
            parts[worker].feeds.push(feed);
        }
        parts
    }

    /// Every sink has let go of the epochs below `passed`: lets commits be finished, and acknowledges the rows that a
    /// crash could no longer lose.
    pub(crate) fn passed(&mut self, passed: u64) {
        while let Some((epoch, number)) = self.uncommitted.front().copied().filter(|(epoch, _)| *epoch < passed) {
            // A sink that is busy takes it at the next call.
            if !self.sinks.iter().all(|sink| sink.commit(number)) {
                break;
            }
            self.uncommitted.pop_front();
            self.committing.push_back((epoch, number));
        }
        let two_phase = self.sinks.iter().filter(|sink| sink.two_phase());
        let safe_below = match two_phase.map(|sink| sink.committed()).min() {
            Some(done) => {
                while let Some((epoch, _)) = self.committing.front().copied().filter(|(_, number)| *number <= done) {
                    self.committed_below = epoch + 1;
                    self.committing.pop_front();
                }
                passed.min(self.committed_below)
            }
            None => passed,
        };
        while self.unacknowledged.front().is_some_and(|(epoch, _)| *epoch < safe_below) {
            let ready = self.unacknowledged.pop_front();
            ready.into_iter().flat_map(|(_, all)| all).for_each(|acknowledge| acknowledge());
        }
    }

    /// Whether every commit that was begun has been finished by the sinks, every row acknowledged and, where that is wished
    /// for, the recording written.
    pub(crate) fn settled(&self) -> bool {
        let committed = self.uncommitted.is_empty() && self.committing.is_empty();
        committed && self.unacknowledged.is_empty() && self.recorder.as_ref().is_none_or(Recorder::is_done)
    }

    /// Lets go of everything but the record in memory: senders that wait are told, and what was not acknowledged never will be.
    pub(crate) fn dismiss(&mut self) {
        self.intakes.iter_mut().for_each(|intake| intake.close());
        self.intakes.clear();
        self.unacknowledged.clear();
        self.held.clear();
        self.sinks.clear();
        self.player = None;
        // The thread that writes ends when it sees that nothing will come.
        self.recorder.take_if(|recorder| recorder.into.is_some());
    }

    pub(crate) fn closed(&self) -> bool {
        self.closed
    }

    /// The next epoch to be cut.
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch
    }
}

/// Fills an epoch from the record. True if it is the last; a job that is told to end plays no further.
fn play(player: &mut Player, cut: &mut Cut<'_>, closing: bool) -> bool {
    closing || !player.play(cut)
}

/// Fills an epoch from the sources. True if it is the last, for all of them have ended.
fn pull(intakes: &mut [Box<dyn Intake>], cut: &mut Cut<'_>) -> Result<bool, Error> {
    // The first tick goes ahead of the first row, so that arrival is known from the start.
    if *cut.arrival_ms == i64::MIN
        && let Some(arrival_ms) = cut.ticker.by_clock()
    {
        cut.signal(Signal::Tick { arrival_ms });
    }
    for intake in &mut *intakes {
        intake.pull(cut)?;
    }
    if let Some(arrival_ms) = cut.ticker.by_clock() {
        cut.signal(Signal::Tick { arrival_ms });
    }
    let last = intakes.iter().all(|intake| intake.ended());
    if last {
        cut.end_of_rows();
    }
    Ok(last)
}
