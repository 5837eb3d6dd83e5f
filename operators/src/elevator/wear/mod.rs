//! How a lift wears: what its trips say of each class of faults, day by day.

mod day;
mod place;
mod sign;
mod signs;
#[cfg(test)]
mod tests;
mod usage;

use serde::{Deserialize, Serialize};
use watchfire_engine::{Context, Describe, Detector, END_MS, State, Timed, Verdict, rkyv};

use self::place::{Places, TooMany};
use self::sign::{renewed_with, signs_of};
use self::signs::{DaySums, Faded, SignState};
use self::usage::Usage;
use super::at_work::AtWork;
use super::{FaultClass, LiftRow, LiftSays, LiftTrip};
use crate::calendar::Zone;
use crate::detect::{EventRate, EventRateState, Judged, Score};
use crate::window::TIME_MAX_MS;
pub(super) use day::OF_THE_LIFT;
pub use day::{WEAR_FEATURES, WearDay, WearWhy};
pub use sign::WearSign;

const DAY_MS: i64 = 86_400_000;

/// After so many days what follows the weather has come 1 - 1/e of the way.
const WEATHER_DAYS: f64 = 14.0;

const CLASSES: [FaultClass; 7] = Wear::CLASSES;

const SIGNS: usize = WearSign::ALL.len();

/// Says of each lift, at the end of each day, how far the signs of each class of faults are off: a [`WearDay`] a class, with features from which
/// [`Foretells`](crate::detect::Foretells) learns over any horizon, and with reasons in words.
///
/// - **Usual** is, of what is measured, the median and the MAD of the first values at a floor and in a direction (of ropes and runs: over as many floors), and of what is counted the rate of the first
///   days. It stays: a drift does not become usual. A day is how far its trips are off on average, none of them by more than 8 standard deviations.
/// - **Mended** ([`LiftSays::Visited`]): what is usual of what is measured of that class is learned anew, and what has added up begins at nothing. What is usual of what is counted stays, and how
///   often the lift has failed.
/// - **Worn when it was first seen**, a lift is taken for usual until it was mended, but for what is counted, which is drawn towards what is usual of all.
/// - **Faults** are days with a code of the class, however often it was told.
/// - **People** who work on it ([`LiftSays::OnSite`], a mode that is not normal) and power that fails make a lift do and report what is no wear: trips and faults count from when it runs for its
///   passengers again ([`LiftBook::each`](super::LiftBook::each) tells all lifts of a building of its power). Such rows, and all that people say, make no day: a lift is seen when it tells something itself.
/// - **Use** is counted by what the lift itself has counted if it says so ([`LiftSays::Totals`]; of two counters the one that it tells first), whatever device counts, and by trips as long as it does not.
/// - **Offline** is a day on which it tells nothing: there is no [`WearDay`] of it, and [`Horizon`](crate::detect::Horizon) censors what it might have shown.
/// - **What cannot be** is left out, and told by number ([`WearDay::unusable`]). What a lift does not measure says nothing: its features are 0, which is what is usual.
///
/// A day ends with the first row after it, when the lift's watermark has passed it, or, since a lift that goes dark has often failed, [`told_after_ms`](Wear::told_after_ms) after it if nothing was heard of the
/// lift, measured on the quiet clock: an outage of its source, or that this is behind, puts it off. The last day of the input, which may not be over, is not told. Rows must come in order ([`LiftRow::in_order`] before). A trip or a total of a day that is over is [`Late`](Verdict::Late); a fault that is newer
/// than those that were told before, and what was mended, count for the day that is told next. Per trip: O(signs x log places). Memory per lift: 32 bytes a sign and place (90 while its first values are gathered), some 10 KB with 18 floors; of no lift more than 4,096 places.
///
/// # Examples
/// ```
/// use watchfire_engine::{Compose, Job, TickSource};
/// use watchfire_operators::elevator::{FaultClass, LiftRow, LiftSays, LiftTrip, Wear, WearDay};
/// let job = Job::new(|flow| {
///     let lifts = flow.channel::<LiftRow>("lifts").key_by(|row| row.lift).event_time(LiftRow::EVENT_TIME);
///     lifts.detect("wear", Wear::default()).out.to_channel("days");
/// });
/// let mut running = job.ticks(TickSource::FromEvents { interval_ms: 60_000, max_jump_ms: 30 * 86_400_000 }).start()?;
/// let (lifts, days) = (running.sender::<LiftRow>("lifts")?, running.receiver::<WearDay>("days")?);
/// // Every ten minutes doors close on the fourth floor: in three seconds, and from the 21st day on in 0.4 s more.
/// let trip = |n: i64| LiftTrip { from: 1, floor: 4, door_close_ms: Some(3_000 + (n % 7) as u32 * 20 + if n < 20 * 144 { 0 } else { 400 }), ..LiftTrip::default() };
/// lifts.send((0..25 * 144).map(|n| LiftRow { lift: 31, at_ms: n * 600_000, says: LiftSays::Trip(Box::new(trip(n))) }).collect())?;
/// drop(lifts);
/// let why: Vec<String> = days.rows().filter(|day| day.class == FaultClass::DoorTrack).map(|day| day.why.first().map(ToString::to_string).unwrap_or_default()).collect();
/// assert_eq!(why[19], "");
/// assert_eq!(why[22], "doors take long to close: 3.46 s, usually 3.06 s, most on floor 4 coming up");
/// running.wait()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Wear {
    /// By whose clocks days begin.
    pub zone: Zone,
    /// What is usual at a place is known by so many values; 2 at least.
    pub first_trips: u32,
    /// How many days are taken for usual, of what is counted and of what days are like; 2 at least.
    pub warm_up_days: u32,
    /// The allowance of the CUSUM over days, standard deviations.
    pub cusum_k: f64,
    /// Where a car may stop off the floor on average, micrometres: 10 mm (EN 81-20).
    pub level_limit_um: f64,
    /// How far ropes may slip, micrometres a floor: an assumption.
    pub slip_limit_um: f64,
    /// How many faults of a class a lift has in a year, and for how many years that is believed.
    pub faults_a_year: f64,
    /// See [`faults_a_year`](Wear::faults_a_year).
    pub believed_years: f64,
    /// So long after a day it is told although nothing more was heard, milliseconds on the quiet clock. Trips that come later are late.
    pub told_after_ms: i64,
    /// No lift opens its doors, or runs, more often between two rows that say how often it has.
    pub most_a_row: u64,
}

impl Default for Wear {
    /// Days in Shanghai; 15 trips, 7 days, an allowance of half a standard deviation, 10 mm, 3 mm a floor; a fifth of a fault a year and class, believed like two years; ten minutes; 20,000 door cycles.
    fn default() -> Self {
        Wear {
            zone: Zone::default(),
            first_trips: 15,
            warm_up_days: 7,
            cusum_k: 0.5,
            level_limit_um: 10_000.0,
            slip_limit_um: 3_000.0,
            faults_a_year: 0.2,
            believed_years: 2.0,
            told_after_ms: 600_000,
            most_a_row: 20_000,
        }
    }
}

/// What is known of a class.
#[derive(Clone, Copy, Debug, Default, PartialEq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
#[rkyv(crate = rkyv)]
struct ClassState {
    rate: EventRateState,
    lately: Faded,
    /// The day on which it failed last.
    failed_ms: Option<i64>,
    /// The newest code that was told.
    code_ms: Option<i64>,
    /// When it was mended last, or first seen.
    mended_ms: Option<i64>,
    /// The newest visit in which it was mended.
    renewed_ms: Option<i64>,
    cycles: u64,
    failed_today: bool,
    renewed_today: bool,
}

/// What [`Wear`] remembers of a lift.
#[derive(Clone, Debug, Default, PartialEq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
#[rkyv(crate = rkyv)]
pub struct WearState {
    /// The day that is not over: from and until.
    day: Option<(i64, i64)>,
    /// Until when days are over.
    over_ms: Option<i64>,
    /// When it was heard last, and on the quiet clock.
    heard: (i64, i64),
    trips: u32,
    unusable: u32,
    sums: [DaySums; SIGNS],
    places: Places,
    signs: [SignState; SIGNS],
    classes: [ClassState; CLASSES.len()],
    usage: Usage,
    at_work: AtWork,
}

impl State for WearState {
    const NAME: &'static str = "watchfire.lift_wear";
    const VERSION: u32 = 2;
}

impl Wear {
    /// The classes of which trips show signs. Power is a matter of the building, the link of the moment, misuse of people: of these [`Troubles`](super::Troubles) tell while they last.
    pub const CLASSES: [FaultClass; 7] = [
        FaultClass::DoorLock,
        FaultClass::DoorTrack,
        FaultClass::LightCurtain,
        FaultClass::Levelling,
        FaultClass::Traction,
        FaultClass::Encoder,
        FaultClass::Drive,
    ];

    fn trip(&self, st: &mut WearState, trip: &LiftTrip, at_ms: i64) {
        st.used(|usage| usage.trip(at_ms));
        if !st.at_work.is_normal(at_ms) {
            return;
        }
        st.trips = st.trips.saturating_add(1);
        for (sums, sign) in st.sums.iter_mut().zip(WearSign::ALL) {
            let Some(value) = sign.of(trip) else {
                st.unusable = st.unusable.saturating_add(sign.read(trip).is_some().into());
                continue;
            };
            let place = (sign, sign.place(trip), trip.is_upward());
            let first = self.first_trips.max(2) as usize;
            let said = if sign.is_counted() { Ok(Some((0.0, value))) } else { st.places.off(place, value, first) };
            match said {
                Ok(said) => said.into_iter().for_each(|(off, value)| sums.add(sign.counts(off, value))),
                Err(TooMany) => st.unusable = st.unusable.saturating_add(1),
            }
        }
    }

    /// The day is over: what it tells of each class.
    fn end_day(&self, st: &mut WearState, (from_ms, until_ms): (i64, i64), cx: &mut Context<'_, u32, WearDay>) {
        let lift = *cx.key();
        let gone =
            st.over_ms.map_or(1.0, |over_ms| 1.0 + from_ms.saturating_sub(over_ms).max(0) as f64 / DAY_MS as f64);
        for ((state, sums), sign) in st.signs.iter_mut().zip(&mut st.sums).zip(WearSign::ALL) {
            state.day(self, sign, (from_ms, gone), &std::mem::take(sums));
            if sign.follows_weather() {
                st.places.follow(sign, (1.0 - (-gone / WEATHER_DAYS).exp()) as f32);
            }
        }
        for (at, class) in CLASSES.into_iter().enumerate() {
            let of = st.classes[at];
            let lately_ms = from_ms.saturating_sub(30 * DAY_MS);
            let (rate, lately) = self.rate(&mut st.classes[at], from_ms, gone);
            let mended_ms = of.mended_ms.unwrap_or(from_ms);
            let mended_days = until_ms.saturating_sub(mended_ms) as f64 / DAY_MS as f64;
            let features = st.features(class, [lately, rate, mended_days]);
            cx.emit(WearDay {
                lift,
                day_ms: from_ms,
                class,
                trips: st.trips,
                unusable: st.unusable,
                features: features.to_vec(),
                failed: of.failed_today,
                renewed: of.renewed_today,
                failed_lately: of.failed_ms.is_some_and(|failed_ms| failed_ms >= lately_ms),
                why: st.why(class),
            });
            let state = &mut st.classes[at];
            (state.failed_today, state.renewed_today) = (false, false);
        }
        (st.trips, st.unusable, st.day, st.over_ms) = (0, 0, None, Some(until_ms));
    }

    /// A day more without a fault of the class, or with one: how often it has them, and how many it had lately.
    fn rate(&self, state: &mut ClassState, day_ms: i64, gone: f64) -> (f64, f64) {
        let failed = f64::from(u8::from(state.failed_today));
        let rate = EventRate {
            prior_rate: self.faults_a_year / 365.0,
            prior_exposure: self.believed_years * 365.0,
            ..EventRate::default()
        };
        let a_day = match rate.score(&mut state.rate, day_ms, [failed, 1.0]) {
            Judged::Score(a_day, _) => a_day,
            _ => rate.prior_rate,
        };
        state.lately.day(Some(failed), 7.0, gone);
        if state.failed_today {
            state.failed_ms = Some(day_ms);
        }
        (a_day, state.lately.drawn())
    }
}

impl WearState {
    /// It was used so often.
    fn used(&mut self, added: impl FnOnce(&mut Usage) -> u64) {
        let added = added(&mut self.usage);
        self.classes.iter_mut().for_each(|class| class.cycles = class.cycles.saturating_add(added));
    }

    fn mended(&mut self, mended: &[FaultClass], at_ms: i64) {
        let said = CLASSES.into_iter().zip(&mut self.classes).filter(|(class, _)| mended.contains(class));
        // Told again, what was learned since stays.
        for (class, state) in said.filter(|(_, state)| state.renewed_ms.is_none_or(|newest_ms| newest_ms < at_ms)) {
            (state.renewed_ms, state.mended_ms) = (Some(at_ms), Some(at_ms));
            (state.cycles, state.renewed_today) = (0, true);
            state.lately = Faded::default();
            renewed_with(class).iter().for_each(|sign| self.places.forget(*sign));
            for sign in renewed_with(class).iter().chain(signs_of(class).1) {
                self.signs[*sign as usize].mended();
                self.sums[*sign as usize] = DaySums::default();
            }
        }
    }

    /// A fault of a class, if it was not told before and nobody was at work.
    fn failed(&mut self, class: FaultClass, at_ms: i64) {
        let Some(at) = CLASSES.iter().position(|of| *of == class).filter(|_| !self.at_work.makes_faults(at_ms)) else {
            return;
        };
        let state = &mut self.classes[at];
        if state.code_ms.is_none_or(|code_ms| code_ms < at_ms) {
            (state.code_ms, state.failed_today) = (Some(at_ms), true);
        }
    }

    fn features(&self, class: FaultClass, [lately, rate, mended_days]: [f64; 3]) -> [f64; WEAR_FEATURES.len()] {
        let (measured, counted) = signs_of(class);
        let most = |of: &[WearSign], what: fn(&SignState) -> f64| {
            let each = of.iter().map(|sign| what(&self.signs[*sign as usize]));
            each.max_by(f64::total_cmp).unwrap_or(0.0)
        };
        let two_days: fn(&SignState) -> f64 = |of| of.two_days.drawn();
        let week: fn(&SignState) -> f64 = |of| of.week.drawn();
        let summed: fn(&SignState) -> f64 = |of| of.summed.ln_1p();
        let near: fn(&SignState) -> f64 = |of| 7.0 / (7.0 + of.left_ms / DAY_MS as f64);
        let mean = measured.iter().map(|sign| two_days(&self.signs[*sign as usize])).sum::<f64>()
            / measured.len().max(1) as f64;
        let nth = CLASSES.iter().position(|of| *of == class).unwrap_or_default();
        let of = self.classes[nth];
        let (off, count) = (most(measured, two_days), most(counted, two_days));
        let is = |class: usize| f64::from(u8::from(class == nth));
        [
            off,
            most(measured, week),
            most(measured, summed),
            mean,
            count,
            most(counted, week),
            most(counted, summed),
            most(measured, near),
            lately,
            (rate * 365.0).max(1e-9).ln(),
            (of.cycles as f64 / 1_000.0).ln_1p(),
            mended_days.max(0.0).ln_1p(),
            f64::from(u8::from(of.failed_today)),
            most(renewed_with(class), two_days).max(0.0) + count.max(0.0),
            is(0),
            is(1),
            is(2),
            is(3),
            is(4),
            is(5),
            is(6),
        ]
    }

    /// The signs of a class that are off by a standard deviation or more, the furthest first.
    fn why(&self, class: FaultClass) -> Vec<WearWhy> {
        let mut why: Vec<WearWhy> = renewed_with(class)
            .iter()
            .chain(signs_of(class).1)
            .filter_map(|sign| {
                let state = &self.signs[*sign as usize];
                let off_sd = state.two_days.drawn();
                if off_sd < 1.0 {
                    return None;
                }
                if sign.is_counted() {
                    let (lately, usual) = (state.lately(), state.usual(*sign));
                    return Some(WearWhy { sign: *sign, off_sd, at: None, lately, usual });
                }
                let (place, upward, lately, usual) = self.places.furthest(*sign)?;
                Some(WearWhy { sign: *sign, off_sd, at: Some((place, upward)), lately, usual })
            })
            .collect();
        why.sort_by(|a, b| b.off_sd.total_cmp(&a.off_sd));
        why
    }
}

impl Detector for Wear {
    type Key = u32;
    type In = LiftRow;
    type Out = WearDay;
    type State = WearState;

    fn describe(&self) -> Describe {
        Describe { kind: "lift_wear", params: format!("{self:?}"), ordered: true }
    }

    fn on_row(&self, st: &mut WearState, row: &LiftRow, cx: &mut Context<'_, u32, WearDay>) -> Verdict {
        // Of a lift whose clock is ahead the engine knows better.
        let at_ms = row.event_time_ms().min(cx.event_time_ms());
        if !(-TIME_MAX_MS..=TIME_MAX_MS).contains(&at_ms) {
            return Verdict::Late;
        }
        st.at_work.hear(&row.says, at_ms);
        let begins_ms = st.day.map_or(st.over_ms, |(from_ms, _)| Some(from_ms));
        let is_late = begins_ms.is_some_and(|begins_ms| at_ms < begins_ms);
        if let Some(day) = st.day.filter(|(_, until_ms)| *until_ms <= at_ms && !row.says.is_urgent()) {
            self.end_day(st, day, cx);
        }
        // What people say makes no day, and what does not wait for what was before it ends none.
        let is_seen = !matches!(row.says, LiftSays::Visited { .. }) && !row.says.is_urgent() && !is_late;
        if is_seen && st.day.is_none() {
            let day = self.zone.day_of(at_ms);
            st.day = Some((day.start, day.end));
            st.classes.iter_mut().for_each(|class| class.mended_ms = class.mended_ms.or(Some(at_ms)));
        }
        if is_seen {
            st.heard = (at_ms, cx.quiet_ms());
        }
        self.ask(st, cx);
        match &row.says {
            LiftSays::Trip(_) | LiftSays::Totals(_) if is_late => return Verdict::Late,
            LiftSays::Trip(trip) => self.trip(st, trip, at_ms),
            LiftSays::Totals(totals) => st.used(|usage| usage.totals(*totals, self.most_a_row, at_ms)),
            LiftSays::Visited { mended, .. } => st.mended(mended, at_ms),
            LiftSays::Code(coded) => coded.code.class().into_iter().for_each(|class| st.failed(class, at_ms)),
            _ => {}
        }
        Verdict::Applied
    }

    fn on_watermark(&self, st: &mut WearState, cx: &mut Context<'_, u32, WearDay>) {
        let watermark_ms = cx.watermark_ms();
        if watermark_ms == END_MS {
            return;
        }
        if let Some(day) = st.day.filter(|(_, until_ms)| *until_ms <= watermark_ms) {
            self.end_day(st, day, cx);
        }
        self.ask(st, cx);
    }

    fn on_quiet(&self, st: &mut WearState, cx: &mut Context<'_, u32, WearDay>) {
        // Before its first reading the clock tells nothing of how long it was quiet.
        if st.heard.1 == i64::MIN {
            st.heard.1 = cx.quiet_ms();
        }
        if let Some(day) = st.day.filter(|day| self.dark_ms(st, *day) <= cx.quiet_ms()) {
            self.end_day(st, day, cx);
        }
        self.ask(st, cx);
    }
}

impl Wear {
    /// When a lift of which nothing more is heard has seen the end of its day, on the quiet clock.
    fn dark_ms(&self, st: &WearState, (_, until_ms): (i64, i64)) -> i64 {
        let (heard_ms, quiet_ms) = st.heard;
        let left_ms = until_ms.saturating_sub(heard_ms).max(0);
        quiet_ms.saturating_add(left_ms).saturating_add(self.told_after_ms.max(0))
    }

    /// To be woken when the day is over: by what the lift tells later, or when it has gone dark.
    fn ask(&self, st: &WearState, cx: &mut Context<'_, u32, WearDay>) {
        if let Some(day) = st.day {
            cx.wake_at_event_ms(day.1);
            cx.wake_at_quiet_ms(self.dark_ms(st, day));
        }
    }
}
