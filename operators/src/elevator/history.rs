//! What of a lift's past says something of its future.

use serde::{Deserialize, Serialize};
use watchfire_engine::{Context, Describe, Detector, State, Timed, Verdict, rkyv};

use super::DailyCounters;
use crate::detect::Observed;

/// The features of a [`LiftDay`], in words.
///
/// # Examples
/// What speaks most for a failure, in words: here doors fail after a day with many reversals.
/// ```
/// use watchfire_operators::detect::{Ftrl, FtrlState};
/// use watchfire_operators::elevator::FEATURES;
/// let day = |reversals: u32| FEATURES.map(|name| if name == "reversals today" { f64::from(reversals).ln_1p() } else { 0.0 });
/// let (ftrl, mut state) = (Ftrl::default(), FtrlState::default());
/// (0..2_000).for_each(|n| ftrl.learn(&mut state, &day(n % 10), n % 10 > 6, 1.0));
/// let likely = ftrl.predict(&state, &day(9));
/// let most = likely.why[1..].iter().zip(FEATURES).max_by(|a, b| a.0.total_cmp(b.0)).map(|(_, name)| name);
/// assert_eq!((likely.why.len(), most), (1 + FEATURES.len(), Some("reversals today")));
/// ```
pub const FEATURES: [&str; 22] = [
    "door failures today",
    "door failures before",
    "share of days with door failures",
    "reversals today",
    "reversals before",
    "reversals a hundred door operations",
    "slow door operations today",
    "slow door operations before",
    "slow in a hundred door operations",
    "door cycles today",
    "door operations today",
    "hoistway faults today",
    "safety chain today",
    "safety chain before",
    "share of days with the safety chain open",
    "levelling errors today",
    "levelling errors before",
    "start delays today",
    "run time today",
    "runs today",
    "door failed today",
    "safety chain opened today",
];

/// A day of a lift, and what is known of it by then.
///
/// # Examples
/// ```
/// use watchfire_operators::elevator::{FEATURES, LiftDay};
/// let day = LiftDay { lift: 31, day_ms: 0, features: vec![0.0; FEATURES.len()], door_failed: true, chain_opened: false, failed_before: false };
/// assert!(day.doors().failed && !day.safety_chain().failed);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LiftDay {
    /// The lift.
    pub lift: u32,
    /// When the day begins, milliseconds since 1970-01-01 UTC.
    pub day_ms: i64,
    /// What is known by the end of it, as [`FEATURES`] names it.
    pub features: Vec<f64>,
    /// Its doors failed on that day.
    pub door_failed: bool,
    /// Its safety chain opened on that day.
    pub chain_opened: bool,
    /// Its doors failed on an earlier day that was seen.
    pub failed_before: bool,
}

impl Timed for LiftDay {
    fn event_time_ms(&self) -> i64 {
        self.day_ms
    }
}

impl LiftDay {
    /// For telling whether doors fail.
    #[must_use]
    pub fn doors(&self) -> Observed {
        Observed { features: Some(self.features.clone()), failed: self.door_failed, renewed: false }
    }

    /// For telling whether the safety chain opens.
    #[must_use]
    pub fn safety_chain(&self) -> Observed {
        Observed { features: Some(self.features.clone()), failed: self.chain_opened, renewed: false }
    }
}

/// What [`History`] remembers of a lift.
#[derive(Clone, Debug, Default, PartialEq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
#[rkyv(crate = rkyv)]
pub struct HistoryState {
    last_ms: Option<i64>,
    days: u32,
    days_failed: u32,
    days_opened: u32,
    /// Weighted means of the logarithms of counts, of the days before.
    failures: f64,
    reversals: f64,
    slow: f64,
    chain: f64,
    levelling: f64,
}

impl State for HistoryState {
    const NAME: &'static str = "watchfire.lift_history";
    const VERSION: u32 = 1;
}

/// Puts beside each day of a lift what its days before were like.
///
/// Counts are taken as `ln(1 + count)`; days before count half as much each as the one after; a share of days is drawn towards `prior_share` by
/// `prior_days`, so one bad day of a new lift is not a hundred percent. A day with a count that is none ([`DailyCounters::validate`]) is passed over as if it had
/// not been seen, which is no day without failures; refuse it where it is decoded, and it is a dead letter. A second report of a day is a [`Duplicate`](Verdict::Duplicate), one of an earlier day
/// [`Late`](Verdict::Late). O(1) a day; memory per lift: [`HistoryState`], 72 bytes.
///
/// # Examples
/// ```
/// use watchfire_engine::Job;
/// use watchfire_operators::elevator::{DailyCounters, History};
/// let job = Job::new(|flow| {
///     let days = flow.channel::<DailyCounters>("days").key_by(|day| day.lift);
///     days.detect("histories", History::default()).out.to_channel("lift days");
/// });
/// assert!(job.check().is_empty());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct History {
    /// The share of days with a failure that is believed of a lift of which nothing is known.
    pub prior_share: f64,
    /// How many days that belief is worth.
    pub prior_days: f64,
}

impl Default for History {
    /// One day in ten, worth two days.
    fn default() -> Self {
        History { prior_share: 0.1, prior_days: 2.0 }
    }
}

impl History {
    fn share(&self, of: u32, days: u32) -> f64 {
        (f64::from(of) + self.prior_share * self.prior_days) / (f64::from(days) + self.prior_days)
    }

    fn day(&self, st: &HistoryState, row: &DailyCounters) -> LiftDay {
        let ln = |count: f64| count.max(0.0).ln_1p();
        let a_hundred = |count: f64| 100.0 * count / row.total_door_operations.max(1.0);
        let (failed, opened) = (row.door_failure_events > 0.0, row.safety_chain_issues > 0.0);
        let (days, is) = (st.days.saturating_add(1), |is: bool| f64::from(u8::from(is)));
        let features = [
            ln(row.door_failure_events),
            st.failures,
            self.share(st.days_failed.saturating_add(failed.into()), days),
            ln(row.total_door_reversals),
            st.reversals,
            ln(a_hundred(row.total_door_reversals)),
            ln(row.slow_door_operations),
            st.slow,
            ln(a_hundred(row.slow_door_operations)),
            ln(row.total_door_cycles),
            ln(row.total_door_operations),
            ln(row.hoistway_faults),
            ln(row.safety_chain_issues),
            st.chain,
            self.share(st.days_opened.saturating_add(opened.into()), days),
            ln(row.levelling_total_errors),
            st.levelling,
            ln(row.startup_delays),
            ln(row.average_run_time),
            ln(row.total_run_starts),
            is(failed),
            is(opened),
        ];
        LiftDay {
            lift: row.lift,
            day_ms: row.day_ms,
            features: features.to_vec(),
            door_failed: failed,
            chain_opened: opened,
            failed_before: st.days_failed > 0,
        }
    }

    pub(super) fn remember(st: &mut HistoryState, row: &DailyCounters) {
        let faded = |before: &mut f64, count: f64| {
            let now = count.max(0.0).ln_1p();
            *before = if st.days == 0 { now } else { (*before + now) / 2.0 };
        };
        faded(&mut st.failures, row.door_failure_events);
        faded(&mut st.reversals, row.total_door_reversals);
        faded(&mut st.slow, row.slow_door_operations);
        faded(&mut st.chain, row.safety_chain_issues);
        faded(&mut st.levelling, row.levelling_total_errors);
        st.days = st.days.saturating_add(1);
        st.days_failed = st.days_failed.saturating_add((row.door_failure_events > 0.0).into());
        st.days_opened = st.days_opened.saturating_add((row.safety_chain_issues > 0.0).into());
        st.last_ms = Some(row.day_ms);
    }
}

impl Detector for History {
    type Key = u32;
    type In = DailyCounters;
    type Out = LiftDay;
    type State = HistoryState;

    fn describe(&self) -> Describe {
        Describe { kind: "lift_history", params: format!("{self:?}"), ordered: true }
    }

    fn on_row(&self, st: &mut HistoryState, row: &DailyCounters, cx: &mut Context<'_, u32, LiftDay>) -> Verdict {
        // Nobody knows what such a day was like: it was not seen.
        if row.validate().is_err() {
            return Verdict::Applied;
        }
        match st.last_ms {
            Some(last_ms) if row.day_ms == last_ms => return Verdict::Duplicate,
            Some(last_ms) if row.day_ms < last_ms => return Verdict::Late,
            _ => {}
        }
        cx.emit(self.day(st, row));
        Self::remember(st, row);
        Verdict::Applied
    }
}
