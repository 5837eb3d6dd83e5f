//! The leader: cuts the ingest order into epochs, bounds those in flight, and says when rows may be acknowledged.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::commits::Commits;
use super::held::{Held, ReadHeld};
use super::intake::{Cut, Feed, Intake};
use super::pace::{MANY_ROWS, Pace};
use super::record::{Player, Recorder};
use super::splits::SplitBook;
use super::ticker::Ticker;
use super::unacknowledged::Unacknowledged;
use crate::Error;
use crate::checkpoint::{Capture, Ingest, Resumed};
use crate::control::{Control, Signal};
use crate::epochs::{EpochLog, Heard, Hears, Logged};
use crate::job::shared::{Command, Shared};
use crate::keyed::Clocks;
use crate::time::{FIRST_EPOCH, TickSource};

/// What one worker gets of one epoch.
pub(crate) struct EpochFeed {
    pub(crate) feeds: Vec<Feed>,
    pub(crate) controls: Vec<Control>,
    /// The next epoch.
    pub(crate) next: u64,
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
    pub(crate) commits: Commits,
    /// What was heard and is not yet in an epoch, if it is to be logged.
    hears: Vec<Hears>,
    /// Epochs that were logged before, to be heard again.
    again: VecDeque<Logged>,
    /// The first epoch after those.
    next_epoch: u64,
    /// The epoch at whose end the job is where it was, from which on the host may look; none if it will not come to it.
    pub(crate) back_at: Option<u64>,
    splits: SplitBook,
    clocks: Clocks,
    /// The job comes back, and has cut no epoch yet.
    was_away: bool,
    /// The end was told: the job is not to go on.
    drained: bool,
    ticker: Ticker,
    pace: Pace,
    held: Held,
    bounds: Bounds,
    workers: usize,
    /// Operators are to be told when an epoch has ended.
    pub(crate) closes: bool,
    next_at: u64,
    epoch: u64,
    first_epoch: u64,
    arrival_ms: i64,
    turn: usize,
    closing: bool,
    closed: bool,
    unacknowledged: Unacknowledged,
    /// The same, of what can be acknowledged when the epoch is logged.
    unacknowledged_logged: Unacknowledged,
}

impl Leader {
    pub(crate) fn new(shared: Arc<Shared>, workers: usize, ticks: TickSource, bounds: Bounds) -> Self {
        Leader {
            pace: Pace::new(shared.clone(), workers),
            shared,
            intakes: Vec::new(),
            player: None,
            recorder: None,
            commits: Commits::new(bounds.commit_every_ms),
            hears: Vec::new(),
            again: VecDeque::new(),
            next_epoch: FIRST_EPOCH,
            back_at: Some(FIRST_EPOCH - 1),
            splits: SplitBook::default(),
            clocks: Clocks::new(),
            was_away: false,
            drained: false,
            ticker: Ticker::new(ticks),
            held: Held::default(),
            bounds,
            workers,
            closes: false,
            next_at: 0,
            epoch: FIRST_EPOCH,
            first_epoch: FIRST_EPOCH,
            arrival_ms: i64::MIN,
            turn: 0,
            closing: false,
            closed: false,
            unacknowledged: Unacknowledged::default(),
            unacknowledged_logged: Unacknowledged::default(),
        }
    }

    /// Goes on from a checkpoint. What is `owed` is committed by the sinks before anything else.
    ///
    /// # Errors
    /// `E0526` if a row that was held cannot be read.
    pub(crate) fn resume(&mut self, resumed: Resumed, inputs: &[ReadHeld], owed: u64) -> Result<(), Error> {
        self.first_epoch = resumed.first_epoch();
        let Resumed { sources, ingest, epochs, next_epoch, .. } = resumed;
        self.splits = SplitBook::resumed(&sources);
        self.next_at = ingest.next_at;
        self.arrival_ms = ingest.clocks.arrival_ms();
        self.clocks = ingest.clocks;
        self.ticker.resume(ingest.ticker);
        self.held = Held::resume(inputs, ingest.held, ingest.gone)?;
        (self.epoch, self.again, self.next_epoch) = (self.first_epoch, epochs, next_epoch);
        // Where all rows are in the log, no source has to give any.
        self.shared.set_hears_again(self.again.iter().any(|logged| !logged.given_again().is_empty()));
        self.back_at = Some(self.again.back().map_or(self.first_epoch - 1, |logged| logged.epoch));
        self.was_away = true;
        self.commits.owe(owed);
        Ok(())
    }

    /// The epoch up to which the flow must have passed before another may be cut.
    pub(crate) fn must_have_passed(&self) -> Option<u64> {
        (self.epoch >= self.first_epoch + self.bounds.in_flight_max).then(|| self.epoch - self.bounds.in_flight_max)
    }

    pub(crate) fn patience(&self) -> Duration {
        self.ticker.patience()
    }

    /// How much longer rows are to gather before the next epoch is cut. What is replayed has gathered long ago.
    pub(crate) fn gathers(&self) -> Option<Duration> {
        if self.player.is_some() || !self.again.is_empty() { None } else { self.pace.wait() }
    }

    /// Whether what records the input can take another epoch.
    fn has_room(&self) -> bool {
        self.recorder.as_ref().is_none_or(Recorder::has_room)
            && self.commits.log.as_ref().is_none_or(EpochLog::has_room)
    }

    /// Cuts an epoch, if there is anything to put into it; one part a worker.
    pub(crate) fn cut(&mut self) -> Result<Option<Vec<EpochFeed>>, Error> {
        if self.closed || !self.has_room() {
            return Ok(None);
        }
        if !self.is_given_again()? {
            // A job that is stopped comes back to the same checkpoint, and hears it then.
            return Ok((self.shared.command() == Command::Stop).then(|| self.leave()));
        }
        let logged = self.again.pop_front();
        if logged.is_none() && self.shared.command() != Command::Run && !self.closing {
            self.closing = true;
            self.intakes.iter_mut().for_each(|intake| intake.close());
        }
        let logs = self.commits.log.is_some() && logged.is_none();
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
            acknowledge_logged: Vec::new(),
            recorder: self.recorder.as_mut(),
            hears: logs.then_some(&mut self.hears),
            held: &mut self.held,
            splits: &mut self.splits,
            clocks: &mut self.clocks,
        };
        if let Some(logged) = logged {
            self.drained |= hear_again(&mut self.intakes, &mut cut, logged)?;
            let Cut { feeds, controls, acknowledge, .. } = cut;
            self.unacknowledged.push(self.epoch, acknowledge, true);
            return Ok(Some(self.cut_again(feeds, controls)));
        }
        let last = match &mut self.player {
            Some(player) => play(player, &mut cut, self.closing),
            // The end was told, and heard again, but the job did not come to its last checkpoint.
            None if self.drained => true,
            // What is logged is heard again from a checkpoint: the first comes before anything else.
            None if self.commits.begins() => false,
            None => pull(&mut self.intakes, &mut cut, std::mem::take(&mut self.was_away))?,
        };
        // Looked at only now: sources that a stop has interrupted have not ended.
        let stops = self.shared.command() == Command::Stop;
        if last && !self.drained {
            let told = !stops && self.player.as_ref().is_none_or(|_| self.closing);
            // Rows that wait for others go on waiting if the job comes back.
            cut.end(!(stops && self.commits.ledger.is_some()), told);
            self.drained = told;
        }
        let checkpoint = self.commits.signal(&mut cut, self.epoch, last, self.player.is_some());
        let rows_heard = cut.hears.as_ref().is_some_and(|hears| hears.iter().any(Hears::are_rows));
        let Cut { room, feeds, controls, acknowledge, acknowledge_logged, .. } = cut;
        let told = rows_heard || !acknowledge.is_empty() || !acknowledge_logged.is_empty();
        if feeds.is_empty() && controls.is_empty() && !told && !last {
            return Ok(None);
        }
        self.pace.cut(room == 0 || self.bounds.rows_max - room >= MANY_ROWS);
        self.unacknowledged.push(self.epoch, acknowledge, self.commits.ledger.is_some());
        self.unacknowledged_logged.push(self.epoch, acknowledge_logged, false);
        self.end_epoch(checkpoint, last)?;
        Ok(Some(self.share_out(feeds, controls, self.epoch + 1, last)))
    }

    /// Whether sources have given again what they are to give for the next epoch that was logged, if there is one.
    fn is_given_again(&mut self) -> Result<bool, Error> {
        let Some(logged) = self.again.front() else { return Ok(true) };
        let mut wanted = logged.given_again();
        for intake in &mut self.intakes {
            intake.receive(&mut wanted)?;
        }
        Ok(wanted.is_empty())
    }

    /// Ends in the midst of what was logged, with nothing of the epoch that is the next.
    fn leave(&mut self) -> Vec<EpochFeed> {
        self.again.clear();
        self.back_at = None;
        self.closed = true;
        self.share_out(Vec::new(), Vec::new(), self.epoch + 1, true)
    }

    /// What is recorded, logged or remembered at the end of an epoch.
    fn end_epoch(&mut self, checkpoint: bool, last: bool) -> Result<(), Error> {
        if let Some(recorder) = &mut self.recorder {
            recorder.cut(last);
        }
        if let Some(log) = &self.commits.log {
            log.take(self.epoch, std::mem::take(&mut self.hears));
        }
        if checkpoint {
            self.begin_checkpoint()?;
        }
        self.closed = last;
        Ok(())
    }

    /// An epoch was heard again: the next is the next that was logged, or the first after those.
    fn cut_again(&mut self, feeds: Vec<Feed>, controls: Vec<Control>) -> Vec<EpochFeed> {
        self.commits.changed();
        let next = self.again.front().map(|logged| logged.epoch);
        if next.is_none() {
            self.ticker.goes_on();
            self.shared.set_hears_again(false);
        }
        self.share_out(feeds, controls, next.unwrap_or(self.next_epoch), false)
    }

    /// Remembers the ingest as it is at the end of the present epoch.
    fn begin_checkpoint(&mut self) -> Result<(), Error> {
        let (held, gone) = self.held.remember()?;
        let ingest = Ingest {
            next_at: self.next_at,
            next_split: self.shared.next_split.load(Ordering::Relaxed),
            ticker: self.ticker.remember(),
            clocks: self.clocks.clone(),
            held,
            gone,
            merges: BTreeMap::new(),
        };
        let merges = self.intakes.iter().filter_map(|intake| intake.remember()).collect();
        self.unacknowledged.seal();
        self.commits.begin_checkpoint(self.epoch, Capture { ingest, merges, sources: self.splits.sources() });
        Ok(())
    }

    fn share_out(&mut self, feeds: Vec<Feed>, mut controls: Vec<Control>, next: u64, last: bool) -> Vec<EpochFeed> {
        self.epoch = next;
        if self.closes && !(feeds.is_empty() && controls.is_empty()) {
            controls.push(Control { at: self.next_at.saturating_sub(1), signal: Signal::Closed });
        }
        let mut parts: Vec<EpochFeed> = (0..self.workers)
            .map(|_| EpochFeed { feeds: Vec::new(), controls: controls.to_vec(), next, last })
            .collect();
        for feed in feeds {
            let worker = feed.worker;
            parts[worker].feeds.push(feed);
        }
        parts
    }

    /// Every sink has let go of the epochs below `passed`, and the states of those below `stored` are durable: lets commits be
    /// finished, and acknowledges the rows that a crash could no longer lose.
    pub(crate) fn passed(&mut self, passed: u64, stored: u64) {
        let safe_below = self.commits.passed(passed, stored, self.closed && self.drained);
        self.unacknowledged.safe_below(safe_below);
        let logged = self.commits.logged();
        self.shared.set_logged(logged);
        self.unacknowledged_logged.safe_below(logged.saturating_add(1));
    }

    /// Whether every commit that was begun has been finished by the sinks, every row acknowledged and, where that is wished
    /// for, the recording written.
    pub(crate) fn settled(&self) -> bool {
        // What is not acknowledged when a job stops is read again, or acknowledged, when it comes back.
        let acknowledged = self.unacknowledged_logged.is_empty()
            && (self.unacknowledged.is_empty() || self.commits.ledger.is_some() && !self.drained);
        acknowledged && self.commits.settled(self.drained) && self.recorder.as_ref().is_none_or(Recorder::is_done)
    }

    /// Lets go of everything but the record in memory: senders that wait are told, and what was not acknowledged never will be.
    pub(crate) fn dismiss(&mut self) {
        self.intakes.iter_mut().for_each(|intake| intake.close());
        self.intakes.clear();
        self.unacknowledged.clear();
        self.unacknowledged_logged.clear();
        self.hears.clear();
        self.again.clear();
        self.held.clear();
        self.commits.dismiss();
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

/// Fills an epoch with what was logged of it. Whether the end was told in it.
fn hear_again(intakes: &mut [Box<dyn Intake>], cut: &mut Cut<'_>, logged: Logged) -> Result<bool, Error> {
    let mut ended = false;
    for heard in logged.heard {
        ended |= matches!(heard, Heard::End);
        let Some(source) = heard.source(cut.splits) else {
            cut.again(&heard);
            continue;
        };
        match intakes.iter_mut().find(|intake| intake.name() == source) {
            Some(intake) => intake.again(heard, cut)?,
            None => {
                let what = format!("epoch {} was heard from source \"{source}\", which the flow has not", logged.epoch);
                return Err(Error::new("E0533", what).remedy("restore the epoch log from a backup"));
            }
        }
    }
    Ok(ended)
}

/// Fills an epoch from the sources. True if it is the last, for all of them have ended.
fn pull(intakes: &mut [Box<dyn Intake>], cut: &mut Cut<'_>, was_away: bool) -> Result<bool, Error> {
    if was_away && !cut.ticker.follows_rows() {
        intakes.iter_mut().for_each(|intake| intake.was_away(cut));
        if let Some(arrival_ms) = cut.ticker.by_clock() {
            cut.tick(arrival_ms);
        }
        intakes.iter_mut().for_each(|intake| intake.is_back(cut));
    }
    // The first tick goes ahead of the first row, so that arrival is known from the start.
    if *cut.arrival_ms == i64::MIN
        && let Some(arrival_ms) = cut.ticker.by_clock()
    {
        cut.tick(arrival_ms);
    }
    for intake in &mut *intakes {
        intake.pull(cut)?;
    }
    if let Some(arrival_ms) = cut.ticker.by_clock() {
        cut.tick(arrival_ms);
    }
    Ok(intakes.iter().all(|intake| intake.ended()))
}
