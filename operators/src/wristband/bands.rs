//! Whose rows a band's are.

use std::fmt;

use serde::{Deserialize, Serialize};
use watchfire_engine::{Change, Context, Describe, Detector, EventTime, State, Timed, Verdict, rkyv};

use super::{BandSays, CareRow, CareSays, Concern, Evidence, Grade, Press, Refusal, Sign, VitalRow, Wearer, WornRow};
use crate::dispatch::Person;
use crate::window::TIME_MAX_MS;

/// Something that a band sends, or that is recorded of it.
///
/// # Examples
/// ```
/// use watchfire_operators::wristband::{BandRow, BandSays, Sends};
/// let row: BandRow = serde_json::from_str(r#"{"band":12,"boot":1,"seq":4,"at_ms":1000,"sends":{"says":{"worn":true}}}"#)?;
/// assert_eq!(row.sends, Sends::Says(BandSays::Worn(true)));
/// let sos: BandRow = serde_json::from_str(r#"{"band":12,"at_ms":1000,"sends":"sos"}"#)?;
/// assert_eq!((sos.boot, sos.seq), (0, 0), "where a band counts neither");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BandRow {
    /// The band.
    pub band: u32,
    /// How often it was switched on so far.
    #[serde(default)]
    pub boot: u32,
    /// What number it gives this since then.
    #[serde(default)]
    pub seq: u32,
    /// When it was so, by the clock of the band, milliseconds since 1970-01-01 UTC; of what is recorded, by that of whoever records it.
    pub at_ms: i64,
    /// What it sends.
    pub sends: Sends,
}

impl Timed for BandRow {
    fn event_time_ms(&self) -> i64 {
        self.at_ms
    }
}

impl BandRow {
    /// How rows of bands are taken: as those of [vitals](VitalRow::EVENT_TIME). The error of a clock that is ahead is learned for each band.
    pub const EVENT_TIME: EventTime = VitalRow::EVENT_TIME;
}

/// What a band sends, or is recorded of it.
///
/// # Examples
/// See [`BandRow`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sends {
    /// Something of its wearer.
    Says(BandSays),
    /// Its button was pressed for help.
    Sos,
    /// That was taken back on it.
    SosCancelled,
    /// It says of itself that its wearer has fallen.
    Fell,
    /// It was handed to somebody, or taken in: from then on it is theirs.
    Handed {
        /// To whom; none who is known.
        to: Option<u32>,
        /// Who has recorded it: not blank.
        by: Person,
    },
}

/// What [`Bands`] tells.
///
/// # Examples
/// See [`Bands`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BandTold {
    /// Something of its wearer.
    Worn(WornRow),
    /// Something for those who find out whether its wearer is well.
    Care(CareRow),
    /// It was recorded late to whom it was handed: what it had sent since then was taken for somebody else's.
    Misread(Misread),
    /// What was recorded does not count.
    Refused {
        /// Of which band.
        band: u32,
        /// When, by whoever has recorded it.
        at_ms: i64,
        /// Why not.
        why: Refusal,
    },
}

impl BandTold {
    /// What is of its wearer.
    ///
    /// # Examples
    /// See [`Bands`].
    #[must_use]
    pub fn worn(self) -> Option<WornRow> {
        if let BandTold::Worn(row) = self { Some(row) } else { None }
    }

    /// What is for those who find out whether its wearer is well.
    ///
    /// # Examples
    /// See [`Bands`].
    #[must_use]
    pub fn care(self) -> Option<CareRow> {
        if let BandTold::Care(row) = self { Some(row) } else { None }
    }
}

/// For a while a band was somebody else's than it was taken to be.
///
/// # Examples
/// ```
/// use watchfire_operators::wristband::{Misread, Wearer};
/// let misread = Misread { band: 12, from_ms: 1_000, until_ms: 9_000, was: Wearer::Person(7), is: Wearer::Person(8) };
/// assert_ne!(misread.was, misread.is, "what 7 is told of from 1 s to 9 s may be about 8");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Misread {
    /// Which band.
    pub band: u32,
    /// From when.
    pub from_ms: i64,
    /// To before when.
    pub until_ms: i64,
    /// For whose its rows were taken.
    pub was: Wearer,
    /// Whose they were.
    pub is: Wearer,
}

/// Makes of what bands send what is known of those who wear them, by who has which band when.
///
/// A band of which nobody knows who has it is watched all the same, as [whoever wears it](Wearer::Band). What is recorded counts from the time that it names. Recorded late, it is told what was taken for somebody else's ([`Misread`]): rows that were
/// handed on are not called back, and people look at what was told by them. Whoever has had it before is [not watched any more](BandSays::Returned) unless another band is theirs. What is recorded for later than now is refused.
///
/// Calls for help, and falls that a band tells, are dropped where they come twice, by band, times switched on, kind, time and number; [64](Bands::KEPT) of them are remembered. What is measured may come twice: it makes no difference to what
/// reads it. A call or a fall of a band whose clock is off by more than [`dated_ms`](Bands::dated_ms) is of whoever has it now. That somebody has walked, by [`walked_steps`](Bands::walked_steps) or more, is told to those who find out whether they are well:
/// as of the time from which these are counted, for all of them were made after it.
///
/// Per row: O(1). Memory per band: 88 bytes, 24 for each event that is remembered, and 16 for each time that it was handed on, of which as many are kept.
///
/// # Examples
/// ```
/// use watchfire_engine::{Job, TickSource};
/// use watchfire_operators::dispatch::Person;
/// use watchfire_operators::wristband::{BandRow, BandTold, Bands, CareRow, CareSays, Sends, Wearer, WornRow};
/// let job = Job::new(|flow| {
///     let rows = flow.channel::<BandRow>("rows").key_by(|row| row.band).event_time(BandRow::EVENT_TIME);
///     let told = rows.detect("bands", Bands::default()).out;
///     told.clone().filter_map(BandTold::worn).to_channel("worn");
///     told.filter_map(BandTold::care).to_channel("care");
/// });
/// let mut running = job.ticks(TickSource::FROM_EVENTS).start()?;
/// let (rows, care) = (running.sender::<BandRow>("rows")?, running.receiver::<CareRow>("care")?);
/// let row = |at_ms: i64, seq: u32, sends: Sends| BandRow { band: 12, boot: 1, seq, at_ms, sends };
/// let handed = Sends::Handed { to: Some(7), by: Person::named("officer 3", "new band") };
/// rows.send(vec![row(1_000, 1, handed), row(2_000, 2, Sends::Sos), row(2_000, 2, Sends::Sos)])?;
/// drop(rows);
/// let care: Vec<CareRow> = care.rows().collect();
/// assert!(matches!(care[..], [CareRow { wearer: Wearer::Person(7), says: CareSays::Sos(_), .. }]), "once");
/// running.wait()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Bands {
    /// Whoever has made so many steps has walked.
    pub walked_steps: u32,
    /// An event that is older than this has a clock that is wrong.
    pub dated_ms: i64,
}

impl Default for Bands {
    /// 20 steps, and a week.
    fn default() -> Self {
        Bands { walked_steps: 20, dated_ms: 7 * 86_400_000 }
    }
}

impl Bands {
    /// So many events of a band are remembered, and so many times that it was handed on.
    pub const KEPT: usize = 64;

    /// Nobody waits longer for somebody to have walked.
    const WALK_MS: i64 = 600_000;

    /// Clocks of people are no more ahead than this.
    const AHEAD_MS: i64 = 60_000;
}

/// An event that must not come twice: when, times switched on, number, and which.
type Event = (i64, u32, u32, u8);

/// What [`Bands`] remembers of a band.
#[derive(Clone, Default, PartialEq, Eq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
#[rkyv(crate = rkyv)]
pub struct BandState {
    /// From when on it is whose, in the order of time.
    handed: Vec<(i64, Option<u32>)>,
    events: Vec<Event>,
    newest_ms: Option<i64>,
    /// The counter of steps from which walking is counted, and when it was read.
    steps: Option<(i64, u32)>,
}

impl fmt::Debug for BandState {
    /// No value: health data do not reach a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BandState").field("newest_ms", &self.newest_ms).finish_non_exhaustive()
    }
}

impl State for BandState {
    const NAME: &'static str = "watchfire.band";
    const VERSION: u32 = 1;
}

impl BandState {
    fn wearer(&self, band: u32, at_ms: i64) -> Wearer {
        let nth = self.handed.partition_point(|(from_ms, _)| *from_ms <= at_ms);
        let person = nth.checked_sub(1).and_then(|nth| self.handed[nth].1);
        person.map_or(Wearer::Band(band), Wearer::Person)
    }

    /// Whether it was there already.
    fn is_known(&mut self, event: Event) -> bool {
        if self.events.contains(&event) {
            return true;
        }
        if self.events.len() >= Bands::KEPT {
            self.events.remove(0);
        }
        self.events.push(event);
        false
    }
}

type Cx<'a, 'b> = &'a mut Context<'b, u32, BandTold>;

impl Bands {
    fn handed(st: &mut BandState, (at_ms, to): (i64, Option<u32>), by: &Person, cx: Cx<'_, '_>) {
        let band = *cx.key();
        if by.who.is_blank() {
            return cx.emit(BandTold::Refused { band, at_ms, why: Refusal::Nobody });
        }
        if cx.arrival_ms() != i64::MIN && at_ms > cx.arrival_ms().saturating_add(Self::AHEAD_MS) {
            return cx.emit(BandTold::Refused { band, at_ms, why: Refusal::Ahead });
        }
        let was = st.wearer(band, at_ms);
        let nth = st.handed.partition_point(|(from_ms, _)| *from_ms < at_ms);
        match st.handed.get_mut(nth) {
            // Recorded twice for the same instant, the later record holds.
            Some(same) if same.0 == at_ms => same.1 = to,
            _ => st.handed.insert(nth, (at_ms, to)),
        }
        let is = st.wearer(band, at_ms);
        if was == is {
            if st.handed.len() > Self::KEPT {
                st.handed.remove(0);
            }
            return;
        }
        st.steps = None;
        Self::passes((was, is), at_ms, cx);
        if let Some((next_ms, next)) = st.handed.get(nth + 1).copied() {
            // It is not from whom it was that it goes on then.
            let next = next.map_or(Wearer::Band(band), Wearer::Person);
            Self::passes((next, was), next_ms, cx);
            Self::passes((is, next), next_ms, cx);
        }
        let next_ms = st.handed.get(nth + 1).map_or(i64::MAX, |of| of.0);
        let until_ms = st.newest_ms.map_or(at_ms, |newest_ms| newest_ms.saturating_add(1).min(next_ms));
        if until_ms > at_ms {
            cx.emit(BandTold::Misread(Misread { band, from_ms: at_ms, until_ms, was, is }));
        }
        if st.handed.len() > Self::KEPT {
            st.handed.remove(0);
        }
    }

    /// It passes from one to another.
    fn passes((from, to): (Wearer, Wearer), at_ms: i64, cx: Cx<'_, '_>) {
        for (wearer, says) in [(from, BandSays::Returned), (to, BandSays::Given)] {
            if from != to && matches!(wearer, Wearer::Person(_)) {
                cx.emit(BandTold::Worn(WornRow { wearer, at_ms, says }));
            }
        }
    }

    /// Since when they have walked, if they have.
    fn walked(self, st: &mut BandState, at_ms: i64, total: u32) -> Option<i64> {
        let (before_ms, before) = *st.steps.get_or_insert((at_ms, total));
        if at_ms <= before_ms {
            return None;
        }
        // Of a counter that is less than before nobody knows when it has begun anew.
        let made = total.checked_sub(before);
        let has_walked = made.is_some_and(|made| made >= self.walked_steps.max(1));
        if has_walked || made.is_none() || at_ms.saturating_sub(before_ms) > Self::WALK_MS {
            st.steps = Some((at_ms, total));
        }
        has_walked.then_some(before_ms)
    }

    /// Whose an event is: that of a clock which is wrong is of whoever has the band now.
    fn of_event(self, st: &BandState, band: u32, at_ms: i64, arrival_ms: i64) -> Wearer {
        let is_dated = arrival_ms == i64::MIN || arrival_ms.saturating_sub(at_ms) <= self.dated_ms;
        st.wearer(band, if is_dated { at_ms } else { i64::MAX })
    }
}

impl Detector for Bands {
    type Key = u32;
    type In = BandRow;
    type Out = BandTold;
    type State = BandState;

    fn describe(&self) -> Describe {
        Describe { kind: "bands", params: format!("{self:?}"), ordered: false }
    }

    fn on_row(&self, st: &mut BandState, row: &BandRow, cx: Cx<'_, '_>) -> Verdict {
        if let Sends::Handed { to, by } = &row.sends {
            Self::handed(st, (row.at_ms, *to), by, cx);
            return Verdict::Applied;
        }
        let at_ms = row.at_ms.min(cx.event_time_ms()).clamp(-TIME_MAX_MS, TIME_MAX_MS);
        let event = |kind: u8| (row.at_ms, row.boot, row.seq, kind);
        let kind = match row.sends {
            Sends::Sos => Some(0),
            Sends::SosCancelled => Some(1),
            Sends::Fell => Some(2),
            Sends::Says(_) | Sends::Handed { .. } => None,
        };
        if kind.is_some_and(|kind| st.is_known(event(kind))) {
            return Verdict::Duplicate;
        }
        st.newest_ms = st.newest_ms.max(Some(at_ms));
        let wearer = match kind {
            None => st.wearer(row.band, at_ms),
            Some(_) => self.of_event(st, row.band, at_ms, cx.arrival_ms()),
        };
        let care = |says: CareSays| BandTold::Care(CareRow { wearer, at_ms, says });
        match row.sends {
            // Only people can record to whom it was handed.
            Sends::Says(BandSays::Returned | BandSays::Given) | Sends::Handed { .. } => {}
            Sends::Says(says) => {
                cx.emit(BandTold::Worn(WornRow { wearer, at_ms, says }));
                if let BandSays::Steps { total } = says
                    && let Some(at_ms) = self.walked(st, at_ms, total)
                {
                    cx.emit(BandTold::Care(CareRow { wearer, at_ms, says: CareSays::Walked }));
                }
            }
            Sends::Sos => cx.emit(care(CareSays::Sos(Press { band: row.band, boot: row.boot, seq: row.seq }))),
            Sends::SosCancelled => cx.emit(care(CareSays::SosCancelled)),
            Sends::Fell => {
                let (sign, grade, evidence) = (Sign::Fall, Grade::CallBack, Evidence::Band);
                cx.emit(BandTold::Care(CareRow::of(Change::Insert(Concern { wearer, at_ms, sign, grade, evidence }))));
            }
        }
        Verdict::Applied
    }
}

#[cfg(test)]
mod tests {
    use watchfire_engine::Key;

    use super::*;

    /// What is said of the memory of a band, and what is stored of it.
    #[test]
    fn states_take_so_many_bytes_and_are_stored_as_ever() {
        let state = BandState {
            handed: vec![(1, Some(7)), (2, None)],
            events: vec![(3, 4, 5, 1)],
            newest_ms: Some(6),
            steps: Some((7, 8)),
        };
        let bytes = state.encode().unwrap();
        assert_eq!(BandState::decode(&bytes).unwrap(), state);
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!((size_of::<BandState>(), size_of::<Event>(), size_of::<(i64, Option<u32>)>()), (88, 24, 16));
        assert_eq!(
            (bytes.len(), hex.stable_hash()),
            (112, 4_106_086_707_661_176_892),
            "a new layout needs a new version"
        );
    }
}
