//! The impacts of each person, in whatever order what is known of them comes.

use watchfire_engine::{Change, Context, Describe, Detector, END_MS, Key, State, Verdict, rkyv};

use super::impact::{AFTER_MS, APART_MS, BEFORE_MS, features, is_peak};
use super::model::IMPACT_MG;
use super::track::{PIECE_MS, Put, Sample, Track};
use super::{FallModel, FallTells, FallWatch, Scale};
use crate::window::TIME_MAX_MS;
use crate::wristband::late::in_time;
use crate::wristband::{Acceleration, Concern, Evidence, Grade, MotionRow, Sign, Wearer};

/// What is told of a fall.
#[derive(Clone, Copy, Debug, PartialEq, Eq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
#[rkyv(crate = rkyv)]
struct Fall {
    impact_ms: i64,
    impact_mg: u16,
    tilt_deg: Option<u8>,
}

impl Fall {
    fn told(self, wearer: Wearer, grade: Grade, after_ms: i64) -> FallTells {
        let Fall { impact_ms, impact_mg, tilt_deg } = self;
        let evidence = Evidence::Fall { impact_ms, impact_mg, tilt_deg };
        FallTells::Concern(Concern { wearer, at_ms: impact_ms + after_ms, sign: Sign::Fall, grade, evidence })
    }
}

/// An impact that may be that of a fall.
#[derive(Clone, Copy, Debug, PartialEq, Eq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
#[rkyv(crate = rkyv)]
struct Impact {
    at_ms: i64,
    is: Acceleration,
    device: u16,
    /// When it is judged if nothing more comes, on the arrival clock; none while nothing has come since it was.
    due_ms: Option<i64>,
    told: Option<Fall>,
    /// When it is looked whether they lie there still, on the arrival clock.
    lies_due_ms: Option<i64>,
    /// That they do is told.
    lies: bool,
}

impl Impact {
    fn is_greater(&self, than: &Sample) -> bool {
        self.is.square() > than.1.square()
    }
}

/// What [`FallWatch`] remembers of a person.
#[derive(Clone, Default, PartialEq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
#[rkyv(crate = rkyv)]
pub struct FallState {
    track: Track,
    /// In the order of time. Their surroundings are kept: what is told of them can be corrected.
    impacts: Vec<Impact>,
    newest_ms: Option<i64>,
    /// No row from this on changes what was judged.
    judged_until_ms: i64,
    /// No row before this completes what is known of an impact.
    completes_from_ms: i64,
    /// It was told that what is said cannot be in g.
    is_implausible: bool,
    /// When it is to be looked at again, on the arrival clock.
    asks_ms: Option<i64>,
}

impl std::fmt::Debug for FallState {
    /// No value: health data do not reach a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FallState").field("newest_ms", &self.newest_ms).finish_non_exhaustive()
    }
}

impl State for FallState {
    const NAME: &'static str = "watchfire.fall";
    const VERSION: u32 = 1;
}

type Cx<'a, 'b> = &'a mut Context<'b, Wearer, Change<FallTells>>;

/// The arrival clock; before its first tick what comes is as new as it says.
fn now_ms(cx: Cx<'_, '_>) -> i64 {
    if cx.arrival_ms() == i64::MIN { cx.event_time_ms() } else { cx.arrival_ms() }
}

impl FallWatch {
    fn model(&self, device: u16) -> &FallModel {
        const RULE: &FallModel = &FallModel::RULE;
        self.models.get(&device).unwrap_or(RULE)
    }

    fn patience_ms(&self) -> i64 {
        self.wait_ms.clamp(AFTER_MS, 600_000)
    }

    fn lying_ms(&self) -> i64 {
        self.lie_ms.clamp(AFTER_MS, 600_000)
    }

    fn pieces_kept(&self) -> usize {
        usize::from(self.kept).max((self.lying_ms() / PIECE_MS + 4) as usize)
    }

    /// A hard sample: it may be an impact, and others are none for it.
    fn hit(&self, st: &mut FallState, (at_ms, is): Sample, device: u16, cx: Cx<'_, '_>) {
        let (from, until) = (
            st.impacts.partition_point(|of| of.at_ms < at_ms - APART_MS),
            st.impacts.partition_point(|of| of.at_ms <= at_ms + APART_MS),
        );
        // Of what is not the greatest for what is no impact itself, the judgement takes care.
        if st.impacts[from..until].iter().any(|of| of.is_greater(&(at_ms, is))) {
            return;
        }
        let now_ms = now_ms(cx);
        let due_ms = Some(now_ms.saturating_add(self.patience_ms()));
        let at = st.impacts.partition_point(|of| of.at_ms <= at_ms);
        let impact = Impact { at_ms, is, device, due_ms, told: None, lies_due_ms: None, lies: false };
        st.impacts.insert(at, impact);
        st.completes_from_ms = st.completes_from_ms.min(at_ms + AFTER_MS);
        let is_less = |of: &Impact| is.square() > of.is.square() && (at_ms - of.at_ms).abs() <= APART_MS;
        st.impacts.retain(|of| of.told.is_some() || !is_less(of));
        // Granted at the end alone: what is judged before then rows and the arrival clock bring about.
        cx.wake_at_event_ms(TIME_MAX_MS);
        self.ask(st, cx);
    }

    /// A row that is not newer than all that was looked at: what was judged around it is judged again.
    fn reopen(&self, st: &mut FallState, at_ms: i64, cx: Cx<'_, '_>) {
        let soon_ms = now_ms(cx).saturating_add(1);
        for of in &mut st.impacts {
            if (of.at_ms - BEFORE_MS..of.at_ms + AFTER_MS).contains(&at_ms) && of.due_ms.is_none() {
                of.due_ms = Some(soon_ms);
            }
            if (of.at_ms + AFTER_MS..of.at_ms + self.lying_ms()).contains(&at_ms) && of.told.is_some() {
                of.lies_due_ms.get_or_insert(soon_ms);
            }
        }
        self.ask(st, cx);
    }

    /// Judges what a row completes.
    fn complete(&self, st: &mut FallState, at_ms: i64, cx: Cx<'_, '_>) {
        let (patience_ms, lying_ms) = (self.patience_ms(), self.lying_ms());
        let completes = |ms: i64| (ms..ms + patience_ms).contains(&at_ms);
        let is_due = |of: &Impact| of.due_ms.is_some() && completes(of.at_ms + AFTER_MS);
        let is_over = |of: &Impact| of.lies_due_ms.is_some() && completes(of.at_ms + lying_ms);
        if st.impacts.iter().any(|of| is_due(of) || is_over(of)) {
            self.judge_all(st, is_due, is_over, cx);
            self.ask(st, cx);
        }
        let next = |of: &Impact| match (of.due_ms, of.lies_due_ms) {
            (Some(_), _) => Some(of.at_ms + AFTER_MS),
            (None, Some(_)) => Some(of.at_ms + lying_ms),
            (None, None) => None,
        };
        st.completes_from_ms = st.impacts.iter().filter_map(next).min().unwrap_or(i64::MAX);
    }

    /// Judges those that are due, and looks whether people lie where they fell.
    fn judge_all(
        &self,
        st: &mut FallState,
        is_due: impl Fn(&Impact) -> bool,
        is_over: impl Fn(&Impact) -> bool,
        cx: Cx<'_, '_>,
    ) {
        let impacts = std::mem::take(&mut st.impacts);
        for mut of in impacts {
            let is_impact = !is_due(&of) || self.judge(st, &mut of, cx);
            if is_over(&of) {
                self.look(st, &mut of, cx);
            }
            if is_impact {
                st.impacts.push(of);
            }
        }
    }

    /// Judges an impact by what is known; false if it is none, since there was a greater one.
    fn judge(&self, st: &mut FallState, of: &mut Impact, cx: Cx<'_, '_>) -> bool {
        of.due_ms = None;
        st.judged_until_ms = st.judged_until_ms.max(of.at_ms + AFTER_MS);
        let around = st.track.between(of.at_ms - BEFORE_MS, of.at_ms + AFTER_MS);
        let at = around.binary_search(&(of.at_ms, of.is)).ok().filter(|at| is_peak(&around, *at, APART_MS));
        let fall = at.filter(|_| self.is_plausible(st, &around, cx)).and_then(|at| {
            let features = features(&around, at);
            let tilt_deg = Some(features[5]).filter(|of| !of.is_nan()).map(|of| of.round() as u8);
            let fall = Fall { impact_ms: of.at_ms, impact_mg: of.is.norm_mg() as u16, tilt_deg };
            self.model(of.device).is_fall(&features).then_some(fall)
        });
        let was = std::mem::replace(&mut of.told, fall);
        if was != of.told {
            self.tell(of, was, cx);
        }
        at.is_some()
    }

    /// Takes back what was told, and tells what is.
    fn tell(&self, of: &mut Impact, was: Option<Fall>, cx: Cx<'_, '_>) {
        let wearer = *cx.key();
        of.lies_due_ms = None;
        if let Some(fall) = of.told {
            // Before what it corrects is taken back: at no time does nothing speak for it.
            cx.emit(Change::Insert(fall.told(wearer, Grade::CallBack, AFTER_MS)));
            // A fall that is old already does not wait for what was a minute later.
            let left_ms = (of.at_ms.saturating_add(self.lying_ms()) - now_ms(cx)).max(0);
            of.lies_due_ms = Some(now_ms(cx).saturating_add(left_ms + self.patience_ms()));
        }
        if let Some(was) = was {
            cx.emit(Change::Retract(was.told(wearer, Grade::CallBack, AFTER_MS)));
            if std::mem::take(&mut of.lies) {
                cx.emit(Change::Retract(was.told(wearer, Grade::Urgent, self.lying_ms())));
            }
        }
    }

    /// Whether they are not known to have moved since they fell.
    fn look(&self, st: &mut FallState, of: &mut Impact, cx: Cx<'_, '_>) {
        of.lies_due_ms = None;
        let Some(fall) = of.told else { return };
        st.judged_until_ms = st.judged_until_ms.max(of.at_ms + self.lying_ms());
        let since = st.track.between(of.at_ms + AFTER_MS, of.at_ms + self.lying_ms());
        let seconds = since.chunk_by(|a, b| a.0.div_euclid(1_000) == b.0.div_euclid(1_000));
        let moved = seconds.filter(|of| spread_g(of) >= self.moving_g).count();
        let lies = moved < usize::from(self.moving_s);
        if lies != std::mem::replace(&mut of.lies, lies) {
            let told = fall.told(*cx.key(), Grade::Urgent, self.lying_ms());
            cx.emit(if lies { Change::Insert(told) } else { Change::Retract(told) });
        }
    }

    /// Whether what is said can be in g. It is told where that changes.
    fn is_plausible(&self, st: &mut FallState, samples: &[Sample], cx: Cx<'_, '_>) -> bool {
        /// Less says nothing of what comes after it.
        const ENOUGH: usize = 100;
        let Some((from_ms, _)) = samples.first() else { return true };
        let mean_mg = samples.iter().map(|of| of.1.norm_mg()).sum::<f64>() / samples.len() as f64;
        let plausible = (self.plausible_g.0..=self.plausible_g.1).contains(&(mean_mg / 1_000.0));
        if samples.len() < ENOUGH {
            // A few around an impact are higher than that by rights.
            return plausible || mean_mg / 1_000.0 < 2.0 * self.plausible_g.1;
        }
        if plausible == st.is_implausible {
            st.is_implausible = !plausible;
            let scale = Scale { wearer: *cx.key(), from_ms: *from_ms, mean_mg: mean_mg as u32, plausible };
            cx.emit(Change::Insert(FallTells::Scale(scale)));
        }
        plausible
    }

    /// Forgets the piece that was not added to for longest. What could be judged by it is judged for the last time.
    fn forget(&self, st: &mut FallState, cx: Cx<'_, '_>) {
        let newest_ms = st.newest_ms.unwrap_or(i64::MIN);
        let now_ms = newest_ms.saturating_sub(self.lying_ms() + BEFORE_MS + AFTER_MS);
        let Some(nth) = st.track.too_many(self.pieces_kept(), now_ms) else { return };
        let (from_ms, until_ms) = (nth * PIECE_MS, (nth + 1) * PIECE_MS);
        let needs = |of: &Impact| {
            let after_ms = if of.told.is_some() { self.lying_ms() } else { AFTER_MS };
            of.at_ms - BEFORE_MS < until_ms && of.at_ms + after_ms > from_ms
        };
        self.judge_all(st, |of| of.due_ms.is_some() && needs(of), |_| false, cx);
        self.judge_all(st, |_| false, |of| of.lies_due_ms.is_some() && needs(of), cx);
        st.impacts.retain(|of| !needs(of));
        st.track.forget(nth, newest_ms.saturating_sub(self.late_ms.max(0)));
    }

    /// Asks to be woken when the first is due. Wishes are dear: one that comes soon enough is left alone.
    fn ask(&self, st: &mut FallState, cx: Cx<'_, '_>) {
        let dues = st.impacts.iter().flat_map(|of| [of.due_ms, of.lies_due_ms]).flatten();
        if let Some(due_ms) = dues.min().filter(|due_ms| st.asks_ms.is_none_or(|asks_ms| *due_ms < asks_ms)) {
            st.asks_ms = Some(due_ms);
            cx.wake_at_arrival_ms(due_ms);
        }
    }
}

/// One standard deviation of how much it is, in g.
fn spread_g(samples: &[Sample]) -> f64 {
    let mean = |of: &dyn Fn(f64) -> f64| {
        samples.iter().map(|is| of(is.1.norm_mg() / 1_000.0)).sum::<f64>() / samples.len().max(1) as f64
    };
    let middle = mean(&|of| of);
    mean(&|of| (of - middle).powi(2)).sqrt()
}

impl Detector for FallWatch {
    type Key = Wearer;
    type In = MotionRow;
    type Out = Change<FallTells>;
    type State = FallState;

    fn describe(&self) -> Describe {
        let params = format!("{} models, {:016x}", self.models.len(), format!("{self:?}").stable_hash());
        Describe { kind: "fall_watch", params, ordered: false }
    }

    fn on_row(&self, st: &mut FallState, row: &MotionRow, cx: Cx<'_, '_>) -> Verdict {
        let newest_ms = st.newest_ms.unwrap_or(i64::MIN);
        let Some(at_ms) = in_time(row.at_ms, cx.event_time_ms(), newest_ms, self.late_ms.max(0)) else {
            return Verdict::Late;
        };
        let sample = (at_ms, row.acceleration);
        match st.track.put(sample) {
            Put::Refused => return Verdict::Late,
            Put::Twice => return Verdict::Duplicate,
            Put::New => {}
        }
        st.newest_ms = Some(newest_ms.max(at_ms));
        let piece = newest_ms.div_euclid(PIECE_MS);
        if at_ms.div_euclid(PIECE_MS) > piece && newest_ms != i64::MIN {
            // Another begins: of that before is known what it was like.
            let before = st.track.between(piece * PIECE_MS, (piece + 1) * PIECE_MS);
            self.is_plausible(st, &before, cx);
        }
        self.forget(st, cx);
        let is_hard = row.acceleration.square() >= IMPACT_MG * IMPACT_MG;
        if is_hard {
            self.hit(st, sample, row.device, cx);
        }
        if at_ms < st.judged_until_ms {
            self.reopen(st, at_ms, cx);
        }
        if at_ms >= st.completes_from_ms {
            self.complete(st, at_ms, cx);
        }
        Verdict::Applied
    }

    fn on_watermark(&self, st: &mut FallState, cx: Cx<'_, '_>) {
        if cx.watermark_ms() == END_MS {
            self.judge_all(st, |of| of.due_ms.is_some(), |_| false, cx);
            self.judge_all(st, |_| false, |of| of.lies_due_ms.is_some(), cx);
        }
    }

    fn on_arrival(&self, st: &mut FallState, cx: Cx<'_, '_>) {
        let Some(asks_ms) = st.asks_ms else { return };
        let now_ms = cx.arrival_ms();
        if asks_ms > now_ms {
            // Another detector of the operator was woken.
            return cx.wake_at_arrival_ms(asks_ms);
        }
        st.asks_ms = None;
        let is_due = |due_ms: Option<i64>| due_ms.is_some_and(|due_ms| due_ms <= now_ms);
        self.judge_all(st, |of| is_due(of.due_ms), |of| is_due(of.lies_due_ms), cx);
        self.ask(st, cx);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_stored_as_ever() {
        let mut state =
            FallState { newest_ms: Some(40), judged_until_ms: 4_500, asks_ms: Some(9), ..FallState::default() };
        let is = Acceleration { mg: [-1, 1_600, 7] };
        assert!([0, 20, 40].into_iter().all(|at_ms| state.track.put((at_ms, is)) == Put::New));
        state.track.forget(-3, -60_000);
        let fall = Fall { impact_ms: 0, impact_mg: 1_600, tilt_deg: Some(89) };
        let impact =
            Impact { at_ms: 0, is, device: 3, due_ms: None, told: Some(fall), lies_due_ms: Some(70_000), lies: false };
        state.impacts.push(impact);
        let bytes = state.encode().unwrap();
        assert!(FallState::decode(&bytes).unwrap() == state);
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(
            (size_of::<(u16, Acceleration)>(), bytes.len(), hex.stable_hash()),
            (8, 232, 3_846_997_567_446_266_088),
            "a new layout needs a new version"
        );
    }
}
