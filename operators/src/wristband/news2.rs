//! The score of each person, instant by instant.

use serde::{Deserialize, Serialize};
use watchfire_engine::{Change, Context, Describe, Detector, Error, State, Timed, Verdict, rkyv};

use super::chart::Charted;
use super::late::in_time;
use super::timeline::{SCALE, Standing, Standings, Timeline, Told, vital_of};
use super::{News2Score, News2Vitals, Vital, VitalRow, VitalSays};

/// Scores people by NEWS2 (Royal College of Physicians, 2017), as far as their vitals are known, and tells each change of the score.
///
/// - **What is not known is missing**, and never normal: nobody is taken to breathe air, or to be alert, until somebody says so. [`EarlyWarning`] has what is known adds up to, the least
///   and the most it can be, what is missing and why, and when each of the seven was measured.
/// - **A measurement holds** until the next of its kind, or until it is [too old](News2::valid). One that the sensor has lost, or that no person lives with, ends that before it.
/// - **Rounding**: half up, to the resolution of the chart (1, and a tenth of a degree), before it is looked up.
/// - **The saturation** is judged by scale 1, until a [clinician](super::Clinician) records scale 2, and from then on. The skin of a person is no part of it.
/// - **Rows may come in any order**: one that is older than others changes the score from then on until the next of its kind, and what was told of that time is retracted. What is older than
///   [`late_ms`](News2::late_ms) before the newest is [`Late`](Verdict::Late). Of two measurements of one instant the graver holds, whichever comes first.
///
/// The changes add up to the score of each person from each instant at which it was another. A row in order costs O(1) on average, one that comes late O(n log n), with n the rows kept. Memory a person:
/// 440 bytes, and 8 a measurement within `late_ms` (and a third more, and what a `Vec` sets aside).
///
/// # Examples
/// ```
/// use watchfire_engine::{Change, Job};
/// use watchfire_operators::wristband::{EarlyWarning, Measured, News2, VitalRow, VitalSays};
/// let job = Job::new(|flow| {
///     let rows = flow.channel::<VitalRow>("vitals").key_by(|row| row.person).event_time(VitalRow::EVENT_TIME);
///     rows.detect("news2", News2::default()).out.to_channel("scores");
/// });
/// let mut running = job.start()?;
/// let (vitals, scores) = (running.sender::<VitalRow>("vitals")?, running.receiver::<Change<EarlyWarning>>("scores")?);
/// let pulse = |minute: i64, per_min: f64| {
///     VitalRow { person: 7, at_ms: minute * 60_000, says: VitalSays::Measured(vec![Measured::Pulse { per_min: Some(per_min) }]) }
/// };
/// // The row of the third minute comes last.
/// vitals.send(vec![pulse(0, 70.0), pulse(1, 71.4), pulse(2, 112.0), pulse(4, 72.0), pulse(3, 131.2)])?;
/// drop(vitals);
/// let scores = Change::consolidate(scores.rows());
/// let told: Vec<(i64, u8)> = scores.iter().map(|(of, _)| (of.from_ms / 60_000, of.score.partial)).collect();
/// assert_eq!(told, [(0, 0), (2, 2), (3, 3), (4, 0)]);
/// assert_eq!((scores[2].0.score.red, scores[2].0.score.missing.len(), scores[2].0.score.highest), (true, 6, 20));
/// running.wait()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct News2 {
    /// How long a measurement is taken to hold.
    pub valid: Validity,
    /// A row that is so much older than the newest of its person is late; milliseconds, 0 to 24 days.
    pub late_ms: i64,
}

/// How long a measurement of each of the seven is taken to hold, milliseconds, above 0.
///
/// # Examples
/// ```
/// use watchfire_operators::wristband::Validity;
/// let on_the_hour: Validity = serde_json::from_str(r#"{"systolic_ms":3600000}"#)?;
/// assert_eq!((on_the_hour.systolic_ms, on_the_hour.oxygen_ms), (3_600_000, 43_200_000));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Validity {
    /// Breaths.
    pub respiration_ms: i64,
    /// Oxygen saturation.
    pub spo2_ms: i64,
    /// Whether oxygen is given.
    pub oxygen_ms: i64,
    /// Blood pressure.
    pub systolic_ms: i64,
    /// Pulse.
    pub pulse_ms: i64,
    /// Whether somebody is awake.
    pub consciousness_ms: i64,
    /// The temperature of the body.
    pub temperature_ms: i64,
}

impl Default for Validity {
    /// 12 hours: the longest that the standard lets pass between two rounds. An hour for pulse and saturation, which a band measures more often: an assumption.
    fn default() -> Self {
        let (round_ms, band_ms) = (12 * 3_600_000, 3_600_000);
        Validity {
            respiration_ms: round_ms,
            spo2_ms: band_ms,
            oxygen_ms: round_ms,
            systolic_ms: round_ms,
            pulse_ms: band_ms,
            consciousness_ms: round_ms,
            temperature_ms: round_ms,
        }
    }
}

impl Validity {
    /// How long one of the seven holds.
    ///
    /// ```
    /// use watchfire_operators::wristband::{Validity, Vital};
    /// assert_eq!(Validity::default().of(Vital::Pulse), 3_600_000);
    /// ```
    #[must_use]
    pub fn of(&self, vital: Vital) -> i64 {
        match vital {
            Vital::Respiration => self.respiration_ms,
            Vital::Spo2 => self.spo2_ms,
            Vital::Oxygen => self.oxygen_ms,
            Vital::Systolic => self.systolic_ms,
            Vital::Pulse => self.pulse_ms,
            Vital::Consciousness => self.consciousness_ms,
            Vital::Temperature => self.temperature_ms,
        }
    }
}

impl Default for News2 {
    /// Rows of a band that was away for a day are not late, nor for two hours after.
    fn default() -> Self {
        News2 { valid: Validity::default(), late_ms: 26 * 3_600_000 }
    }
}

/// The score of a person from an instant on, until that of the next.
///
/// Its changes come as [`Change`]s: what a late row makes untrue is retracted.
///
/// # Examples
/// See [`News2`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct EarlyWarning {
    /// The person.
    pub person: u32,
    /// Since when, milliseconds since 1970-01-01 UTC.
    pub from_ms: i64,
    /// What it adds up to.
    pub score: News2Score,
    /// What is known at that instant.
    pub vitals: News2Vitals,
    /// Where each of the seven comes from, in the order of [`Vital::ALL`]. Until the next change they may be measured anew; older than [`Validity`] says they never are.
    pub inputs: [News2Input; 7],
}

impl Timed for EarlyWarning {
    fn event_time_ms(&self) -> i64 {
        self.from_ms
    }
}

/// When one of the seven was measured, and why it is not known.
///
/// # Examples
/// ```
/// use watchfire_operators::wristband::{Missing, News2Input};
/// let lost = News2Input { at_ms: Some(60_000), missing: Some(Missing::Lost) };
/// assert_eq!(lost.age_ms(90_000), Some(30_000));
/// assert_eq!(News2Input::default().missing, Some(Missing::NotMeasured));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct News2Input {
    /// When something was told of it last, milliseconds since 1970-01-01 UTC.
    pub at_ms: Option<i64>,
    /// Why it is not known; none if it is.
    pub missing: Option<Missing>,
}

impl Default for News2Input {
    /// Nothing was ever told of it.
    fn default() -> Self {
        News2Input { at_ms: None, missing: Some(Missing::NotMeasured) }
    }
}

impl News2Input {
    /// How old it is, milliseconds.
    #[must_use]
    pub fn age_ms(&self, now_ms: i64) -> Option<i64> {
        self.at_ms.map(|at_ms| now_ms.saturating_sub(at_ms))
    }
}

/// Why one of the seven is not known.
///
/// # Examples
/// ```
/// use watchfire_operators::wristband::Missing;
/// assert_eq!(serde_json::to_string(&Missing::TooOld)?, r#""too_old""#);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Missing {
    /// Nobody has ever measured it.
    NotMeasured,
    /// It was measured too long ago.
    TooOld,
    /// The sensor has lost it.
    Lost,
    /// No person lives with what was measured: the sensor is wrong, or its unit.
    Impossible,
}

/// What [`News2`] remembers of a person.
#[derive(Clone, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
#[rkyv(crate = rkyv)]
pub struct News2State {
    timeline: Timeline,
    /// Everything up to here was told.
    told_ms: i64,
    /// What stood then.
    standings: Standings,
    /// When it is to be looked at again, on the arrival clock.
    wakes_ms: Option<i64>,
}

impl Default for News2State {
    fn default() -> Self {
        let (timeline, standings) = (Timeline::default(), Standings::default());
        News2State { timeline, told_ms: i64::MIN, standings, wakes_ms: None }
    }
}

impl std::fmt::Debug for News2State {
    /// No value: health data do not reach a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("News2State").field("told_ms", &self.told_ms).finish_non_exhaustive()
    }
}

impl State for News2State {
    const NAME: &'static str = "watchfire.news2";
    const VERSION: u32 = 1;
}

type Cx<'a, 'b> = &'a mut Context<'b, u32, Change<EarlyWarning>>;

impl News2 {
    /// Whether it can be worked with. Unasked, what it refuses is taken for the nearest that can.
    ///
    /// # Errors
    /// `E0632` if a measurement is to hold for no time, or rows are late from the beginning, or after more than 24 days.
    ///
    /// ```
    /// use watchfire_operators::wristband::News2;
    /// assert!(News2::default().check().is_ok());
    /// assert_eq!(News2 { late_ms: -1, ..News2::default() }.check().unwrap_err().code(), "E0632");
    /// ```
    pub fn check(&self) -> Result<(), Error> {
        let wrong = |at: &str, what: String, remedy: &str| Err(Error::new("E0632", what).at(at).remedy(remedy));
        if let Some(vital) = Vital::ALL.into_iter().find(|vital| self.valid.of(*vital) <= 0) {
            return wrong("valid", format!("{vital:?} is to hold for no time"), "let it hold for a while");
        }
        if !(0..=Timeline::KEEP_MAX_MS).contains(&self.late_ms) {
            return wrong("late_ms", format!("rows cannot be late after {} ms", self.late_ms), "take 0 to 24 days");
        }
        Ok(())
    }

    fn keep_ms(&self) -> i64 {
        self.late_ms.clamp(0, Timeline::KEEP_MAX_MS)
    }

    /// When a standing is too old; never one that says nothing.
    fn ends_ms(&self, slot: usize, standing: Standing) -> Option<i64> {
        let vital = vital_of(slot)?;
        standing.is.number()?;
        Some(standing.at_ms.saturating_add(self.valid.of(vital).max(1)))
    }

    /// When the next of those that stand is too old, after an instant.
    fn next_end_ms(&self, standings: &Standings, after_ms: i64) -> Option<i64> {
        let ends = standings.iter().enumerate().filter_map(|(slot, of)| self.ends_ms(slot, (*of)?));
        ends.filter(|ends_ms| *ends_ms > after_ms).min()
    }

    /// What is known at an instant of that which stands.
    fn vitals(&self, standings: &Standings, at_ms: i64) -> News2Vitals {
        let mut vitals = News2Vitals::default();
        for (slot, standing) in standings.iter().enumerate() {
            let Some((number, standing)) = standing.and_then(|of| Some((of.is.number()?, of))) else { continue };
            match vital_of(slot) {
                None => vitals.set_scale(number),
                Some(vital) if self.ends_ms(slot, standing).is_some_and(|ends_ms| ends_ms > at_ms) => {
                    vitals.set(vital, number);
                }
                Some(_) => {}
            }
        }
        vitals
    }

    fn input(&self, slot: usize, standing: Option<Standing>, at_ms: i64) -> News2Input {
        let Some(standing) = standing else { return News2Input::default() };
        let missing = match self.ends_ms(slot, standing) {
            Some(ends_ms) => (ends_ms <= at_ms).then_some(Missing::TooOld),
            None if standing.is == Charted::IMPOSSIBLE => Some(Missing::Impossible),
            None => Some(Missing::Lost),
        };
        News2Input { at_ms: Some(standing.at_ms), missing }
    }

    /// The changes of the score in `from_ms..=upto_ms`, by what stood before; and what stands at the end.
    fn walk(
        &self,
        (person, timeline): (u32, &Timeline),
        standings: &mut Standings,
        (from_ms, upto_ms): (i64, i64),
        mut tell: impl FnMut(EarlyWarning),
    ) {
        let mut entries = timeline.since(from_ms).peekable();
        let mut before_ms = from_ms.saturating_sub(1);
        // Nothing was told before anything was known.
        let mut score = standings.iter().any(Option::is_some).then(|| self.vitals(standings, before_ms).score());
        loop {
            let entry_ms = entries.peek().map(|(_, of)| of.at_ms);
            let next_ms = [entry_ms, self.next_end_ms(standings, before_ms)].into_iter().flatten().min();
            let Some(at_ms) = next_ms.filter(|next_ms| *next_ms <= upto_ms) else { return };
            while let Some((slot, of)) = entries.next_if(|(_, of)| of.at_ms == at_ms) {
                standings[slot] = Some(of);
            }
            let vitals = self.vitals(standings, at_ms);
            let is = vitals.score();
            if score != Some(is) {
                let inputs = std::array::from_fn(|slot| self.input(slot, standings[slot], at_ms));
                tell(EarlyWarning { person, from_ms: at_ms, score: is, vitals, inputs });
            }
            (score, before_ms) = (Some(is), at_ms);
        }
    }

    /// Tells what has changed up to an instant.
    fn advance(&self, st: &mut News2State, upto_ms: i64, cx: Cx<'_, '_>) {
        let (person, from_ms) = (*cx.key(), st.told_ms.saturating_add(1));
        self.walk((person, &st.timeline), &mut st.standings, (from_ms, upto_ms), |of| cx.emit(Change::Insert(of)));
        st.told_ms = upto_ms;
    }

    /// Takes in what came late, and corrects what was told since then.
    fn correct(&self, st: &mut News2State, at_ms: i64, news: Told, cx: Cx<'_, '_>) {
        let person = *cx.key();
        let before = st.timeline.at(at_ms.saturating_sub(1));
        let upto_ms = st.timeline.replaced_ms(at_ms, &news).map_or(st.told_ms, |ms| ms.min(st.told_ms));
        let told = |timeline: &Timeline| {
            let (mut standings, mut told) = (before, Vec::new());
            self.walk((person, timeline), &mut standings, (at_ms, upto_ms), |of| told.push(of));
            told
        };
        let was = told(&st.timeline);
        st.timeline.insert(at_ms, news);
        let is = told(&st.timeline);
        // Both are in the order of time, an instant at most once.
        let holds = |all: &[EarlyWarning], of: &EarlyWarning| {
            all.binary_search_by_key(&of.from_ms, |of| of.from_ms).is_ok_and(|n| all[n] == *of)
        };
        was.iter().filter(|of| !holds(&is, of)).for_each(|of| cx.emit(Change::Retract(of.clone())));
        is.iter().filter(|of| !holds(&was, of)).for_each(|of| cx.emit(Change::Insert(of.clone())));
        st.standings = st.timeline.at(st.told_ms);
    }

    /// Asks to be woken when something is too old. What is asked for already is left alone: wishes are dear, and on waking there may be more to ask for.
    fn wake(&self, st: &mut News2State, cx: Cx<'_, '_>) {
        if st.wakes_ms.is_none()
            && let Some(ends_ms) = self.next_end_ms(&st.standings, st.told_ms)
        {
            st.wakes_ms = Some(ends_ms);
            cx.wake_at_arrival_ms(ends_ms);
        }
    }

    /// What a row tells of each slot; none if it tells nothing that is charted.
    fn told(says: &VitalSays) -> Option<Told> {
        let mut told = Told::default();
        match says {
            VitalSays::Scale { scale, by: _ } => told[SCALE] = Some(Charted::scale(*scale)),
            VitalSays::Measured(measured) => {
                for measured in measured {
                    let Some(vital) = measured.vital() else { continue };
                    let (is, of) = (Charted::of(vital, measured), &mut told[vital.index()]);
                    *of = Some(of.map_or(is, |other| other.graver(is, Some(vital))));
                }
            }
        }
        told.iter().any(Option::is_some).then_some(told)
    }
}

impl Detector for News2 {
    type Key = u32;
    type In = VitalRow;
    type Out = Change<EarlyWarning>;
    type State = News2State;

    fn describe(&self) -> Describe {
        Describe { kind: "news2", params: format!("{self:?}"), ordered: false }
    }

    fn on_row(&self, st: &mut News2State, row: &VitalRow, cx: Cx<'_, '_>) -> Verdict {
        let Some(at_ms) = in_time(row.at_ms, cx.event_time_ms(), st.told_ms, self.keep_ms()) else {
            return Verdict::Late;
        };
        let Some(told) = Self::told(&row.says) else { return Verdict::Applied };
        if at_ms > st.told_ms {
            st.timeline.forget_before(at_ms.saturating_sub(self.keep_ms()));
            st.timeline.insert(at_ms, told);
            self.advance(st, at_ms, cx);
        } else {
            let news = st.timeline.news(at_ms, told);
            if news.iter().all(Option::is_none) {
                return Verdict::Duplicate;
            }
            self.correct(st, at_ms, news, cx);
        }
        self.wake(st, cx);
        Verdict::Applied
    }

    fn on_arrival(&self, st: &mut News2State, cx: Cx<'_, '_>) {
        let arrival_ms = cx.arrival_ms();
        if st.wakes_ms.is_some_and(|wakes_ms| wakes_ms <= arrival_ms) {
            st.wakes_ms = None;
            if arrival_ms > st.told_ms {
                self.advance(st, arrival_ms, cx);
            }
            self.wake(st, cx);
        }
    }
}

#[cfg(test)]
mod tests {
    /// What is said of the memory of a person.
    #[test]
    fn a_person_takes_so_many_bytes() {
        assert_eq!((size_of::<super::News2State>(), super::Timeline::ENTRY_BYTES), (440, 8));
    }
}
