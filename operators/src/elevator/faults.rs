//! From codes to faults: each told once when it begins, and once when it is over.

use serde::{Deserialize, Serialize};
use watchfire_engine::{Context, Describe, Detector, END_MS, State, Timed, Verdict, rkyv};

use super::at_work::AtWork;
use super::{CodeFamily, FaultClass, LiftCode, LiftRow, LiftSays};
use crate::window::TIME_MAX_MS;

/// So many faults of a lift are open at once; of more the oldest is over.
const OPEN_MAX: usize = 32;

/// A fault of a lift.
///
/// # Examples
/// ```
/// use watchfire_operators::elevator::{LiftCode, LiftFault};
/// let fault: LiftFault = serde_json::from_str(
///     r#"{"lift":31,"raw":"02","code":"door_close_fault","class":"door_track","from_ms":0,"until_ms":null,"times":1,"again":false,"at_work":false}"#,
/// )?;
/// assert!(fault.code == LiftCode::DoorCloseFault && fault.until_ms.is_none());
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiftFault {
    /// The lift.
    pub lift: u32,
    /// The code as it came.
    pub raw: String,
    /// What it means. One that nobody knows is a fault as well: unknown is not normal.
    pub code: LiftCode,
    /// What breaks, as far as the code tells.
    pub class: Option<FaultClass>,
    /// When it was told first, by the clock of the lift, milliseconds since 1970-01-01 UTC.
    pub from_ms: i64,
    /// When it was over; none when it begins.
    pub until_ms: Option<i64>,
    /// How often it was told so far.
    pub times: u32,
    /// The lift had another fault, of whatever kind, not long before: whoever was there has not mended it.
    pub again: bool,
    /// It began while people worked on the lift, or its power failed, and was not told after that: told like any other, and no sign of how it is kept.
    #[serde(default)]
    pub at_work: bool,
}

impl Timed for LiftFault {
    fn event_time_ms(&self) -> i64 {
        self.until_ms.unwrap_or(self.from_ms)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
#[rkyv(crate = rkyv)]
struct Open {
    raw: String,
    code: LiftCode,
    from_ms: i64,
    last_ms: i64,
    times: u32,
    again: bool,
    at_work: bool,
}

/// What [`Faults`] remembers of a lift.
#[derive(Clone, Debug, Default, PartialEq, Eq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
#[rkyv(crate = rkyv)]
pub struct FaultsState {
    /// In the order in which they began.
    open: Vec<Open>,
    /// When the last fault began.
    last_ms: Option<i64>,
    /// The newest code that was read.
    read_ms: Option<i64>,
    work: AtWork,
}

impl State for FaultsState {
    const NAME: &'static str = "watchfire.lift_faults";
    const VERSION: u32 = 2;
}

/// Makes faults of the codes of each lift.
///
/// A code that is told again while its fault is open is the same fault. It is over when the lift says that it has none ([`LiftCode::NoFault`]) or is back in service
/// ([`LiftCode::BackToAutomatic`]), or when it was not told again for [`quiet_ms`](Faults::quiet_ms) of the lift's own time: many gateways tell a fault once and never that it is
/// over. A lift that falls silent has its faults for ever: no news is not good news, nor is the end of the input.
///
/// A fault that begins while people [work on the lift](LiftSays::OnSite), while somebody drives it otherwise than its passengers do, or while its power is [lost](LiftSays::Power) and just after, says [so](LiftFault::at_work), and those after it do not
/// [come again](LiftFault::again) because of it.
///
/// Codes must come in the order of their times ([`LiftRow::in_order`] before); one that is older than the last is [`Late`](Verdict::Late). Of all other rows only what is said of people and power is read. Per
/// row: O(faults that are open). Memory per lift: 32 faults at most that are open at once.
///
/// # Examples
/// ```
/// use watchfire_engine::{Job, TickSource};
/// use watchfire_operators::elevator::{CodeMap, Faults, LiftFault, LiftRow, LiftSays};
/// let job = Job::new(|flow| {
///     let rows = flow.channel::<LiftRow>("lifts").key_by(|row| row.lift);
///     rows.detect("of codes", Faults::default()).out.to_channel("faults");
/// });
/// let mut running = job.ticks(TickSource::FROM_EVENTS).start()?;
/// let (lifts, faults) = (running.sender::<LiftRow>("lifts")?, running.receiver::<LiftFault>("faults")?);
/// let codes = [(0, "02"), (5, "02"), (60, "00"), (3_600, "77"), (3_660, "00")];
/// lifts.send(codes.map(|(second, raw)| LiftRow { lift: 31, at_ms: second * 1_000, says: LiftSays::Code(CodeMap::gbt_24476().read(raw)) }).to_vec())?;
/// drop(lifts);
/// let told: Vec<_> = faults.rows().map(|fault| (fault.raw, fault.from_ms / 1_000, fault.until_ms.map(|ms| ms / 1_000), fault.times, fault.again)).collect();
/// assert_eq!(told, [
///     ("02".into(), 0, None, 1, false),
///     ("02".into(), 0, Some(60), 2, false),
///     ("77".into(), 3_600, None, 1, true),
///     ("77".into(), 3_600, Some(3_660), 1, true),
/// ]);
/// running.wait()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Faults {
    /// A fault that is not told again for so long is over; milliseconds, above 0.
    pub quiet_ms: i64,
    /// A fault of a lift that had one so long ago or less comes again; milliseconds.
    pub again_ms: i64,
}

impl Default for Faults {
    /// Ten minutes; 30 days, the "first time fix" of the trade, counted by lift and not by what was written down.
    fn default() -> Self {
        Faults { quiet_ms: 600_000, again_ms: 30 * 86_400_000 }
    }
}

impl Faults {
    /// Ends those that were not told again by then.
    fn end_quiet(&self, st: &mut FaultsState, by_ms: i64, cx: &mut Context<'_, u32, LiftFault>) {
        let lift = *cx.key();
        st.open.retain(|open| {
            let is_over = open.last_ms.saturating_add(self.quiet_ms.max(1)) <= by_ms;
            if is_over {
                cx.emit(open.told(lift, Some(open.last_ms)));
            }
            !is_over
        });
    }

    fn begin_or_go_on(
        &self,
        st: &mut FaultsState,
        (raw, code): (&str, LiftCode),
        (at_ms, at_work): (i64, bool),
        cx: &mut Context<'_, u32, LiftFault>,
    ) {
        if let Some(nth) = st.open.iter().position(|open| open.code == code && open.raw == raw) {
            let open = &mut st.open[nth];
            if at_work || !open.at_work {
                (open.last_ms, open.times) = (at_ms, open.times.saturating_add(1));
                return;
            }
            // Whoever worked on it is gone, and it goes on: a fault like any other from now on.
            let made = st.open.remove(nth);
            cx.emit(made.told(*cx.key(), Some(made.last_ms)));
        }
        let again = !at_work && st.last_ms.is_some_and(|last_ms| at_ms - last_ms <= self.again_ms);
        let open = Open { raw: raw.to_owned(), code, from_ms: at_ms, last_ms: at_ms, times: 1, again, at_work };
        cx.emit(open.told(*cx.key(), None));
        if !at_work {
            st.last_ms = Some(at_ms);
        }
        st.open.push(open);
        if st.open.len() > OPEN_MAX {
            let oldest = st.open.remove(0);
            cx.emit(oldest.told(*cx.key(), Some(at_ms)));
        }
    }
}

impl Open {
    fn told(&self, lift: u32, until_ms: Option<i64>) -> LiftFault {
        let Open { raw, code, from_ms, times, again, at_work, .. } = self.clone();
        LiftFault { lift, raw, code, class: code.class(), from_ms, until_ms, times, again, at_work }
    }
}

impl Detector for Faults {
    type Key = u32;
    type In = LiftRow;
    type Out = LiftFault;
    type State = FaultsState;

    fn describe(&self) -> Describe {
        Describe { kind: "lift_faults", params: format!("{self:?}"), ordered: true }
    }

    fn on_row(&self, st: &mut FaultsState, row: &LiftRow, cx: &mut Context<'_, u32, LiftFault>) -> Verdict {
        if !(-TIME_MAX_MS..=TIME_MAX_MS).contains(&row.at_ms) {
            return Verdict::Late;
        }
        // What people say has their time: of a lift whose clock is ahead the engine knows better.
        let now_ms = row.at_ms.min(cx.event_time_ms());
        st.work.hear(&row.says, now_ms);
        let LiftSays::Code(coded) = &row.says else { return Verdict::Applied };
        // What does not wait for what was before it is no fault, and makes no other late.
        if row.says.is_urgent() {
            return Verdict::Applied;
        }
        if st.read_ms.is_some_and(|read_ms| row.at_ms < read_ms) {
            return Verdict::Late;
        }
        let at_work = st.work.makes_faults(now_ms);
        st.read_ms = Some(row.at_ms);
        self.end_quiet(st, row.at_ms, cx);
        match coded.code {
            LiftCode::NoFault | LiftCode::BackToAutomatic => {
                let lift = *cx.key();
                st.open.drain(..).for_each(|open| cx.emit(open.told(lift, Some(row.at_ms))));
            }
            code if matches!(code.family(), CodeFamily::Fault | CodeFamily::Unknown) => {
                self.begin_or_go_on(st, (&coded.raw, code), (row.at_ms, at_work), cx);
            }
            _ => {}
        }
        self.wake(st, cx);
        Verdict::Applied
    }

    fn on_watermark(&self, st: &mut FaultsState, cx: &mut Context<'_, u32, LiftFault>) {
        if cx.watermark_ms() < END_MS {
            self.end_quiet(st, cx.watermark_ms(), cx);
            self.wake(st, cx);
        }
    }
}

impl Faults {
    fn wake(&self, st: &FaultsState, cx: &mut Context<'_, u32, LiftFault>) {
        if let Some(last_ms) = st.open.iter().map(|open| open.last_ms).min() {
            cx.wake_at_event_ms(last_ms.saturating_add(self.quiet_ms.max(1)));
        }
    }
}

#[cfg(test)]
mod tests {
    use watchfire_engine::Key;

    use super::*;

    #[test]
    fn states_are_stored_as_ever() {
        let (raw, code) = ("02".to_owned(), LiftCode::DoorCloseFault);
        let open = Open { raw, code, from_ms: 1_000, last_ms: 4_000, times: 3, again: true, at_work: false };
        let state =
            FaultsState { open: vec![open], last_ms: Some(1_000), read_ms: Some(4_000), work: AtWork::default() };
        let bytes = state.encode().unwrap();
        assert_eq!(FaultsState::decode(&bytes).unwrap(), state);
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(
            (bytes.len(), hex.stable_hash()),
            (320, 11_052_943_512_451_958_495),
            "a new layout needs a new version"
        );
    }
}
