//! All lifts of a site, one turn after another.

use std::collections::{BTreeMap, BTreeSet};

use watchfire_engine::{END_MS, State, Verdict, rkyv};

use super::car::{Car, Case};
use super::config::TrapConfig;
use super::rescue::Rescue;
use super::told::{Doubt, Goes, InCut, LiftInCut, Tells, Trap, TrapCause, TrapWhy};
use crate::alarm::Private;
use crate::dispatch::Person;
use crate::elevator::{
    CodeFamily, Coded, LiftBook, LiftCode, LiftMode, LiftRow, LiftSays, LiftStatus, RescueStep, Site,
};
use crate::window::TIME_MAX_MS;

/// So many calls of a lift are remembered, so that none that comes again is taken for a new one.
const CALLS_MAX: usize = 8;

/// Lifts that tell of a cut within so long tell of the same one.
const SAME_CUT_MS: i64 = 60_000;

/// The same call that comes within so long is the same.
const CALLS_AGAIN_MS: i64 = 120_000;

/// A second word that it is over, within so long, must say of which it is.
const CLOSED_AGAIN_MS: i64 = 1_800_000;

/// Rows of a lift come in order: one that is so much older is by a clock that was set back, and not late.
const SET_BACK_MS: i64 = 60_000;

/// What is remembered of a lift.
#[derive(Clone, Debug, Default, PartialEq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
#[rkyv(crate = rkyv)]
pub(super) struct Watched {
    car: Car,
    rescue: Option<Rescue>,
    /// How many there were.
    raised: u32,
    /// By the clock of the lift and ours, since people said last that it was over.
    calls: Vec<(i64, i64, TrapCause)>,
    /// When they said so.
    closed_ms: Option<i64>,
    on_site: Option<(Private, i64)>,
    /// What its controller has said that it is used for, where its status says nothing.
    told_mode: LiftMode,
    /// When it said so last.
    mode_ms: Option<i64>,
    /// Its rows come behind the watermark of the site.
    lags: bool,
    /// It has run since the power was lost.
    ran_since_cut: bool,
    /// People have closed its trapping since the power was lost.
    over_since_cut: bool,
}

/// A building without power.
#[derive(Clone, Debug, PartialEq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
#[rkyv(crate = rkyv)]
struct Cut {
    since_ms: i64,
    arrival_ms: i64,
    /// It is told to be back; lifts that have not been heard since may hold somebody.
    is_back: bool,
    /// What was told of it last.
    listed: Vec<LiftInCut>,
}

/// What [`Trapped`](super::Trapped) remembers of a site.
#[derive(Clone, Debug, Default, PartialEq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
#[rkyv(crate = rkyv)]
pub struct SiteState {
    lifts: BTreeMap<u32, Watched>,
    cut: Option<Cut>,
    /// When the power was told to be back last, by the clock of who told it.
    back_ms: Option<i64>,
    /// An event time stood in for an arrival clock that had no reading yet.
    stood_in: bool,
}

impl State for SiteState {
    const NAME: &'static str = "watchfire.trapped";
    const VERSION: u32 = 2;
}

impl SiteState {
    /// The arrival clock. Before the first tick the time of a row stands in for it; at the first tick no instant lies ahead of the clock.
    pub(super) fn now_ms(&mut self, arrival_ms: i64, row_ms: i64) -> i64 {
        if arrival_ms == i64::MIN {
            self.stood_in = true;
            return row_ms;
        }
        if std::mem::take(&mut self.stood_in) {
            for watched in self.lifts.values_mut() {
                if let Some(heard) = &mut watched.car.heard {
                    heard.arrival_ms = heard.arrival_ms.min(arrival_ms);
                }
                if let Some(rescue) = &mut watched.rescue {
                    rescue.not_ahead_of(arrival_ms);
                }
            }
            if let Some(cut) = &mut self.cut {
                cut.arrival_ms = cut.arrival_ms.min(arrival_ms);
            }
        }
        arrival_ms
    }

    fn next(&self, watched: &Watched, lift: u32, config: &TrapConfig, book: &LiftBook, now_ms: i64) -> Option<Case> {
        let out = watched.car.sensor_out_until_ms.is_some_and(|until_ms| now_ms < until_ms);
        let senses_people = !out && book.lift(lift).is_none_or(|lift| lift.senses_people);
        // Of a car that has run since, somebody may be trapped again.
        let raised = watched.rescue.as_ref().filter(|rescue| !watched.is_over_for(rescue)).map(|rescue| rescue.trap);
        watched.car.next(config, senses_people, raised)
    }

    /// When a watermark brings something, and when the arrival clock does.
    pub(super) fn due_ms(&self, config: &TrapConfig, book: &LiftBook, now_ms: i64) -> [Option<i64>; 2] {
        let sooner = |a: Option<i64>, b: Option<i64>| a.into_iter().chain(b).min();
        self.lifts.iter().fold([None, None], |[by_event, by_arrival], (lift, watched)| {
            let case = self.next(watched, *lift, config, book, now_ms);
            let stuck = case.as_ref().and_then(|case| watched.stuck_due_ms(case, config));
            let rescue = watched.rescue.as_ref().and_then(|rescue| rescue.due_ms(&config.response));
            let silent = self.silent_due(watched, config).map(|(due_ms, _)| due_ms);
            let sensor = watched.car.sensor_out_until_ms.filter(|until_ms| *until_ms > now_ms);
            let arrival = [stuck, rescue, silent, watched.leaves_ms(), sensor].into_iter().flatten().min();
            [sooner(by_event, case.map(|case| case.due_ms)), sooner(by_arrival, arrival)]
        })
    }

    /// When the silence of a lift whose building has no power is a reason to look.
    fn silent_due(&self, watched: &Watched, config: &TrapConfig) -> Option<(i64, Option<Doubt>)> {
        let (cut, heard) = (self.cut.as_ref()?, watched.car.heard?);
        // Once the power is back it is over for whoever was heard since.
        let is_over = cut.is_back && heard.arrival_ms > cut.arrival_ms.saturating_add(config.gap_max_ms);
        if is_over || watched.rescue.is_some() || watched.over_since_cut {
            return None;
        }
        let (after_ms, doubt) = watched.car.silent_after_ms(config)?;
        Some((cut.arrival_ms.max(heard.arrival_ms).saturating_add(after_ms), doubt))
    }
}

impl Watched {
    /// When a case is acted upon although nothing more was heard.
    fn stuck_due_ms(&self, case: &Case, config: &TrapConfig) -> Option<i64> {
        let heard = self.car.heard?;
        let after_ms = case.due_ms.saturating_sub(heard.at_ms).max(0);
        Some(heard.arrival_ms.saturating_add(after_ms).saturating_add(config.slack_ms))
    }

    /// When whoever works on the lift is gone, if that is who was told.
    fn leaves_ms(&self) -> Option<i64> {
        let is_told = |rescue: &&Rescue| rescue.goes != Goes::Dispatch && rescue.step < Some(RescueStep::Released);
        let rescue = self.rescue.as_ref().filter(is_told)?;
        let (_, until_ms) = self.on_site.as_ref()?;
        Some((*until_ms).max(rescue.raised_ms))
    }

    /// People have released whoever was in it, or have answered, and the car is in use since. Until somebody answers its clocks go on, and it is told to more.
    fn is_over_for(&self, rescue: &Rescue) -> bool {
        let is_answered = rescue.step.is_some();
        rescue.step >= Some(RescueStep::Released) || is_answered && self.car.is_in_use_since(rescue.raised_at_ms)
    }

    /// What it is used for, by its status or else by its codes.
    fn mode(&self) -> LiftMode {
        let by_status = self.car.heard.map_or(LiftMode::Normal, |heard| heard.status.mode);
        if by_status == LiftMode::Normal { self.told_mode } else { by_status }
    }

    fn goes(&self, now_ms: i64) -> Goes {
        let mode = self.mode();
        match &self.on_site {
            Some((who, until_ms)) if mode.has_somebody_at_it() && now_ms < *until_ms => {
                Goes::OnSite { who: who.clone(), mode }
            }
            _ => Goes::Dispatch,
        }
    }
}

/// One call: a row, a watermark, or a tick.
pub(super) struct Turn<'a> {
    pub(super) config: &'a TrapConfig,
    pub(super) book: &'a LiftBook,
    pub(super) site: Site,
    pub(super) st: &'a mut SiteState,
    pub(super) now_ms: i64,
    pub(super) watermark_ms: i64,
    pub(super) told: &'a mut Vec<Tells>,
}

impl Turn<'_> {
    pub(super) fn row(&mut self, row: &LiftRow) -> Verdict {
        let LiftRow { lift, at_ms, says } = row;
        // A clock can be wrong; whoever calls is heard whatever it shows.
        let at_ms = &(*at_ms).clamp(-TIME_MAX_MS, TIME_MAX_MS);
        let verdict = match says {
            LiftSays::Status(status) => self.status(*lift, *status, *at_ms),
            LiftSays::Code(coded) => self.code(*lift, coded, *at_ms),
            LiftSays::Intercom => self.call(*lift, TrapCause::Intercom, *at_ms),
            LiftSays::Power { lost: true } => self.power_lost(*at_ms),
            LiftSays::Power { lost: false } => self.power_back(*at_ms),
            LiftSays::OnSite { who, until_ms } => self.on_site(*lift, who, *until_ms),
            LiftSays::OffSite => self.off_site(*lift),
            LiftSays::SensorOut { until_ms, by } => self.sensor_out(*lift, *until_ms, by),
            LiftSays::Rescue { step, nth, by } => self.rescue(*lift, (*step, *nth), *at_ms, by),
            LiftSays::Trip(_) | LiftSays::Totals(_) | LiftSays::Visited { .. } => return Verdict::Applied,
        };
        self.list_lifts();
        verdict
    }

    /// No row of the site before it is expected any more. The end of the input proves nothing: what has not held for long enough by then has not.
    pub(super) fn watermark(&mut self, watermark_ms: i64) {
        if watermark_ms < END_MS {
            for lift in self.lifts() {
                // One whose clock is behind those of the others has rows to come; it is acted upon by ours.
                let lags = self.st.lifts.get(&lift).is_some_and(|watched| watched.lags);
                if !lags {
                    self.act_upon(lift, watermark_ms);
                }
            }
        }
        self.list_lifts();
    }

    /// The arrival clock goes on.
    pub(super) fn tick(&mut self) {
        for lift in self.lifts() {
            self.act_although_nothing_was_heard(lift);
            let Some(watched) = self.st.lifts.get_mut(&lift) else { continue };
            let is_gone = watched.leaves_ms().is_some_and(|leaves_ms| leaves_ms <= self.now_ms);
            if let Some(rescue) = &mut watched.rescue {
                if is_gone {
                    self.told.extend(rescue.hand_on(lift));
                }
                rescue.tick(&self.config.response, lift, self.now_ms, self.told);
            }
        }
        self.list_lifts();
    }

    fn lifts(&self) -> Vec<u32> {
        self.st.lifts.keys().copied().collect()
    }

    fn watched(&mut self, lift: u32) -> &mut Watched {
        self.st.lifts.entry(lift).or_default()
    }

    fn next(&self, lift: u32) -> Option<Case> {
        self.st.next(self.st.lifts.get(&lift)?, lift, self.config, self.book, self.now_ms)
    }

    /// Raises what holds by then, by the clock of the lift.
    fn act_upon(&mut self, lift: u32, by_ms: i64) {
        // Surer each time.
        while let Some(case) = self.next(lift).filter(|case| case.due_ms <= by_ms) {
            let why = case.why(&self.watched(lift).car);
            self.raise(lift, case.trap, why);
        }
    }

    fn act_although_nothing_was_heard(&mut self, lift: u32) {
        let (config, now_ms) = (self.config, self.now_ms);
        while let Some(watched) = self.st.lifts.get(&lift) {
            let is_due = |case: &Case| watched.stuck_due_ms(case, config).is_some_and(|due_ms| due_ms <= now_ms);
            let Some(case) = self.next(lift).filter(is_due) else { break };
            self.act_upon(lift, case.due_ms);
        }
        let Some(watched) = self.st.lifts.get(&lift) else { return };
        let (since_ms, status) =
            (self.st.cut.as_ref().map_or(0, |cut| cut.since_ms), watched.car.heard.map(|heard| heard.status));
        let silent = self.st.silent_due(watched, config).filter(|(due_ms, _)| *due_ms <= now_ms);
        if let Some((_, doubt)) = silent {
            let doubt = doubt.or(Some(Doubt::Unseen));
            self.raise(lift, Trap::Possibly, TrapWhy { cause: TrapCause::SilentSinceCut, since_ms, doubt, status });
        }
    }

    fn raise(&mut self, lift: u32, trap: Trap, why: TrapWhy) {
        let now_ms = self.now_ms;
        let watched = self.watched(lift);
        let (goes, is_again) =
            (watched.goes(now_ms), watched.rescue.as_ref().is_some_and(|of| watched.is_over_for(of)));
        let raised_at_ms = watched.car.heard.map_or(i64::MIN, |heard| heard.at_ms);
        if watched.rescue.is_none() {
            watched.raised = watched.raised.saturating_add(1);
            watched.rescue = Some(Rescue::raised(watched.raised, trap, goes.clone(), now_ms));
        }
        let Some(rescue) = &mut watched.rescue else { return };
        if is_again {
            rescue.again(goes.clone(), now_ms);
        }
        if is_again || rescue.raised_at_ms == i64::MIN {
            rescue.raised_at_ms = raised_at_ms;
        }
        if goes == Goes::Dispatch {
            rescue.goes = goes;
        }
        rescue.trap = rescue.trap.max(trap);
        let (nth, goes, level) = (rescue.nth, rescue.goes.clone(), rescue.level);
        self.told.push(Tells::Raised { lift, nth, trap, why, goes, level });
    }

    fn status(&mut self, lift: u32, mut status: LiftStatus, at_ms: i64) -> Verdict {
        // People have said that its sensor is out of order.
        if self.watched(lift).car.sensor_out_until_ms.is_some_and(|until_ms| self.now_ms < until_ms) {
            status.person = None;
        }
        if let Some(heard) = self.watched(lift).car.heard {
            if at_ms.saturating_add(SET_BACK_MS) < heard.at_ms {
                let now_ms = self.now_ms;
                let watched = self.watched(lift);
                watched.car.set_back(at_ms, now_ms);
                watched.mode_ms = None;
            } else if at_ms < heard.at_ms {
                return Verdict::Late;
            }
            if at_ms == heard.at_ms && status == heard.status {
                return Verdict::Duplicate;
            }
        }
        let (config, now_ms) = (self.config, self.now_ms);
        self.act_upon(lift, at_ms);
        self.watched(lift).car.hear(config, status, at_ms, now_ms);
        self.act_upon(lift, at_ms);
        let runs = status.moving == Some(true) && status.mode == LiftMode::Normal;
        let since_cut =
            self.st.cut.as_ref().is_some_and(|cut| now_ms > cut.arrival_ms.saturating_add(config.gap_max_ms));
        let lags = at_ms.saturating_add(config.gap_max_ms) < self.watermark_ms;
        let watched = self.watched(lift);
        (watched.lags, watched.ran_since_cut) = (lags, watched.ran_since_cut || runs && since_cut);
        self.if_nobody_is_at_it(lift);
        if since_cut && self.st.lifts.values().all(|watched| watched.ran_since_cut || watched.car.heard.is_none()) {
            self.power_back(at_ms);
        }
        Verdict::Applied
    }

    /// Whoever worked on it has gone without a word: others go.
    fn if_nobody_is_at_it(&mut self, lift: u32) {
        let watched = self.watched(lift);
        let is_left = !watched.mode().has_somebody_at_it();
        let handed_on = watched.rescue.as_mut().filter(|_| is_left).and_then(|rescue| rescue.hand_on(lift));
        self.told.extend(handed_on);
    }

    fn code(&mut self, lift: u32, coded: &Coded, at_ms: i64) -> Verdict {
        match coded.code {
            LiftCode::CarButton => return self.call(lift, TrapCause::Button, at_ms),
            LiftCode::Trapped => return self.call(lift, TrapCause::Controller, at_ms),
            LiftCode::PowerLost => return self.power_lost(at_ms),
            LiftCode::NoFault => self.watched(lift).car.fault_ms = None,
            LiftCode::Inspection
            | LiftCode::FireReturn
            | LiftCode::Firefighter
            | LiftCode::OutOfService
            | LiftCode::BackToAutomatic => return self.mode(lift, coded.code, at_ms),
            code if code.family() == CodeFamily::Fault => self.watched(lift).car.fault(at_ms),
            _ => {}
        }
        Verdict::Applied
    }

    /// What it is used for from now on, unless something newer was said of that.
    fn mode(&mut self, lift: u32, code: LiftCode, at_ms: i64) -> Verdict {
        let watched = self.watched(lift);
        if watched.mode_ms.is_some_and(|mode_ms| at_ms < mode_ms) {
            return Verdict::Late;
        }
        watched.mode_ms = Some(at_ms);
        match code {
            LiftCode::Inspection => watched.told_mode = LiftMode::Inspection,
            LiftCode::FireReturn | LiftCode::Firefighter => watched.told_mode = LiftMode::Fire,
            // Whoever works on it goes on to.
            LiftCode::OutOfService => watched.car.lock(at_ms),
            _ => {
                watched.told_mode = LiftMode::Normal;
                watched.car.unlock();
                self.if_nobody_is_at_it(lift);
            }
        }
        Verdict::Applied
    }

    /// Somebody calls: told at once, whatever else is known. One that comes late is told as well; one that comes again is not.
    fn call(&mut self, lift: u32, cause: TrapCause, at_ms: i64) -> Verdict {
        let now_ms = self.now_ms;
        let watched = self.watched(lift);
        // A clock that stands still tells the same time for days.
        let is_again = |call: &(i64, i64, TrapCause)| {
            (call.0, call.2) == (at_ms, cause) && now_ms.saturating_sub(call.1) <= CALLS_AGAIN_MS
        };
        if watched.calls.iter().any(is_again) {
            return Verdict::Duplicate;
        }
        if watched.calls.len() >= CALLS_MAX {
            watched.calls.remove(0);
        }
        watched.calls.push((at_ms, now_ms, cause));
        let status = watched.car.heard.map(|heard| heard.status);
        self.raise(lift, Trap::Called, TrapWhy { cause, since_ms: at_ms, doubt: None, status });
        Verdict::Applied
    }

    fn all_lifts(&self) -> BTreeSet<u32> {
        self.book.lifts_of(self.site).iter().copied().chain(self.st.lifts.keys().copied()).collect()
    }

    /// While a cut stands each lift that falls silent is a reason to look, so another one changes nothing.
    fn power_lost(&mut self, at_ms: i64) -> Verdict {
        if let Some(cut) =
            self.st.cut.as_mut().filter(|cut| !cut.is_back && at_ms >= cut.since_ms.saturating_sub(SAME_CUT_MS))
        {
            // Whoever tells of it first in time counts, whoever comes first.
            cut.since_ms = cut.since_ms.min(at_ms);
        }
        let was_back = self.st.back_ms.is_some_and(|back_ms| at_ms <= back_ms);
        if was_back || self.st.cut.as_ref().is_some_and(|cut| !cut.is_back) {
            return Verdict::Duplicate;
        }
        for lift in self.all_lifts() {
            let watched = self.watched(lift);
            (watched.ran_since_cut, watched.over_since_cut) = (false, false);
        }
        let (since_ms, arrival_ms) = (at_ms, self.now_ms);
        self.st.cut = Some(Cut { since_ms, arrival_ms, is_back: false, listed: Vec::new() });
        Verdict::Applied
    }

    fn power_back(&mut self, at_ms: i64) -> Verdict {
        self.st.back_ms = self.st.back_ms.max(Some(at_ms));
        if let Some(cut) = self.st.cut.as_mut().filter(|cut| !cut.is_back) {
            cut.is_back = true;
            self.told.push(Tells::PowerBack);
        }
        Verdict::Applied
    }

    /// Tells what is known of each lift of a building without power, when it is not what was told.
    fn list_lifts(&mut self) {
        let Some(cut) = &self.st.cut else { return };
        let waits = self.st.lifts.values().any(|watched| self.st.silent_due(watched, self.config).is_some());
        if cut.is_back && !waits {
            self.st.cut = None;
            return;
        }
        let (since_ms, heard_from_ms) = (cut.since_ms, cut.arrival_ms.saturating_add(self.config.gap_max_ms));
        let (all, now_ms) = (self.all_lifts(), self.now_ms);
        let Some(cut) = &mut self.st.cut else { return };
        let lifts: Vec<LiftInCut> = all
            .into_iter()
            .map(|lift| {
                let watched = self.st.lifts.get(&lift);
                let heard = watched.and_then(|watched| watched.car.heard);
                let rescue = watched.and_then(|watched| watched.rescue.as_ref());
                let (is, since_ms) = match (rescue, heard) {
                    (Some(rescue), _) => (InCut::Raised(rescue.trap), rescue.raised_ms),
                    _ if watched.is_some_and(|watched| watched.over_since_cut) => (InCut::Over, now_ms),
                    (None, Some(heard)) if heard.arrival_ms > heard_from_ms => (InCut::Heard, heard.at_ms),
                    (None, Some(heard)) => (InCut::Silent, heard.at_ms),
                    (None, None) => (InCut::NeverHeard, since_ms),
                };
                let before = cut.listed.iter().find(|before| before.lift == lift && before.is == is);
                before.cloned().unwrap_or(LiftInCut { lift, is, since_ms })
            })
            .collect();
        if lifts != cut.listed {
            cut.listed.clone_from(&lifts);
            self.told.push(Tells::PowerLost { since_ms, lifts });
        }
    }

    fn ends_within(&self, until_ms: i64, most_ms: i64) -> bool {
        until_ms > self.now_ms && until_ms <= self.now_ms.saturating_add(most_ms)
    }

    fn on_site(&mut self, lift: u32, who: &Private, until_ms: i64) -> Verdict {
        if who.is_blank() || !self.ends_within(until_ms, self.config.on_site_max_ms) {
            let why = "whoever works on a lift has a name, and an end that lies ahead and not too far";
            return self.refuse(lift, "E0604", why);
        }
        self.watched(lift).on_site = Some((who.clone(), until_ms));
        Verdict::Applied
    }

    fn off_site(&mut self, lift: u32) -> Verdict {
        let watched = self.watched(lift);
        watched.on_site = None;
        let handed_on = watched.rescue.as_mut().and_then(|rescue| rescue.hand_on(lift));
        self.told.extend(handed_on);
        Verdict::Applied
    }

    fn sensor_out(&mut self, lift: u32, until_ms: i64, by: &Person) -> Verdict {
        let ends = self.ends_within(until_ms, self.config.sensor_out_max_ms);
        if by.who.is_blank() || by.reason.is_blank() || !ends {
            let why = "whoever says that a sensor is out of order gives a name, a reason, and an end that lies ahead and not too far";
            return self.refuse(lift, "E0604", why);
        }
        self.watched(lift).car.lose_sensor(until_ms);
        Verdict::Applied
    }

    fn rescue(&mut self, lift: u32, (step, nth): (RescueStep, Option<u32>), at_ms: i64, by: &Person) -> Verdict {
        let closes = matches!(step, RescueStep::Closed { .. });
        if by.who.is_blank() || closes && by.reason.is_blank() {
            return self.refuse(
                lift,
                "E0604",
                "a step of a rescue is told by somebody with a name, and its end with a reason",
            );
        }
        let (now_ms, cut_ms) = (self.now_ms, self.st.cut.as_ref().map(|cut| cut.arrival_ms));
        let watched = self.watched(lift);
        let closed_before =
            watched.closed_ms.is_some_and(|closed_ms| now_ms.saturating_sub(closed_ms) < CLOSED_AGAIN_MS);
        let Some(rescue) = &mut watched.rescue else {
            return self.refuse(lift, "E0605", "nothing is raised of this lift; name the lift that it is about");
        };
        // In doubt it goes on: what was said before it was raised, or of another, may be about the one before.
        let is_of_it = match nth {
            Some(nth) => nth == rescue.nth,
            None => at_ms >= rescue.raised_ms && !(closes && closed_before),
        };
        if !is_of_it {
            return self.refuse(lift, "E0605", "it may be about an earlier one of this lift; say which, by its number");
        }
        let reached = rescue.reach(lift, step, now_ms);
        if closes {
            watched.over_since_cut |= cut_ms.is_some_and(|cut_ms| rescue.raised_ms >= cut_ms);
            (watched.rescue, watched.closed_ms) = (None, Some(now_ms));
            watched.calls.clear();
        }
        if closes || step == RescueStep::Released {
            watched.car.excuse(now_ms);
        }
        self.told.extend(reached);
        Verdict::Applied
    }

    fn refuse(&mut self, lift: u32, code: &str, why: &str) -> Verdict {
        self.told.push(Tells::Refused { lift, code: code.to_owned(), why: why.to_owned() });
        Verdict::Applied
    }
}
