//! Whether the pulse of a person is far from what is usual of them.

mod detector;
mod gait;
mod habit;
mod run;

use serde::{Deserialize, Serialize};
use watchfire_engine::{Error, Timed};

pub use self::detector::PulseState;
pub use self::run::Lasting;

use super::{Concern, Wearer};

/// See [`PulseWatch::days`].
const DAYS_MAX: u16 = 365;

/// See [`PulseWatch::late_ms`].
const LATE_MAX_MS: i64 = 31 * 86_400_000;

/// Tells where the pulse of a person is far above what is usual of them, or very low, for a while.
///
/// - **What is usual** is learned of each person: at rest by the time of day, in periods of two hours and those beside them; while they walk by how much they have walked lately, in four levels. Of each
///   period of the last [`days`](PulseWatch::days) the median and the median absolute deviation (MAD) are kept. Usual is the median of the medians; the spread is `1.4826 * MAD` of the medians and the median of the MADs, added as squares, and 2 at least.
///   At rest three periods are enough; until then only [`high_per_min`](PulseWatch::high_per_min) and [`low_per_min`](PulseWatch::low_per_min) hold.
/// - **At rest** is who has made no step for [`rest_minutes`](PulseWatch::rest_minutes), as far as anybody knows: a band that counts no steps is one of somebody at rest, for what is missing excuses nothing.
/// - **High** is a minute whose lowest pulse is so far above it: so many beats, and so many spreads. **Low** is one whose highest pulse is not above [`low_per_min`](PulseWatch::low_per_min).
/// - **Told** is what [lasts](Lasting), once: what is so again within [`quiet_minutes`](PulseWatch::quiet_minutes) is the same. Only minutes in which a pulse is known tell. A pulse counts only while the band is [worn](super::BandSays::Worn), and steps say that it is; one that no person has counts for none.
/// - **Rows may come in any order, and twice**: of each minute the lowest and highest pulse, the last that was told of wear and the highest count of steps are kept, so neither makes a difference. What late rows make untrue is retracted, at the next tick.
///   What is older than [`late_ms`](PulseWatch::late_ms) before the newest is [`Late`](watchfire_engine::Verdict::Late).
///
/// A minute is judged when a row comes after the watermark has passed it, or when the clock has, if it may tell of somebody. The changes add up to what is true of all rows that were not late. Steps count in the minute in which they are told, so
/// they are to be told minute by minute; a counter that goes backwards has begun anew. A person wears one band at a time.
///
/// A row in order costs O(1), and O(days) every two hours; late rows O(minutes within `late_ms`) a tick. Memory a person: 800 bytes, 5 a minute within `late_ms` and the two hours before, 24 a day of [`days`](PulseWatch::days).
///
/// # Examples
/// Somebody whose pulse is 70 at rest for a day, and 115 for a quarter of an hour after it:
/// ```
/// use watchfire_engine::{Change, Job, TickSource};
/// use watchfire_operators::wristband::{BandSays, Grade, Measured, PulseTells, PulseWatch, Sign, Wearer, WornRow};
/// let job = Job::new(|flow| {
///     let rows = flow.channel::<WornRow>("bands").key_by(|row| row.wearer).event_time(WornRow::EVENT_TIME);
///     rows.detect("pulses", PulseWatch::default()).out.to_channel("told");
/// });
/// let mut running = job.ticks(TickSource::FROM_EVENTS).start()?;
/// let (bands, told) = (running.sender::<WornRow>("bands")?, running.receiver::<Change<PulseTells>>("told")?);
/// let row = |minute: i64| {
///     let per_min = if (1_440..1_455).contains(&minute) { 115.0 } else { 70.0 + (minute % 3) as f64 };
///     WornRow { wearer: Wearer::Person(7), at_ms: minute * 60_000, says: BandSays::Measured(Measured::Pulse { per_min: Some(per_min) }) }
/// };
/// bands.send((0..1_500).map(row).collect())?;
/// drop(bands);
/// let concerns: Vec<_> = told.rows().filter_map(|change| match change {
///     Change::Insert(PulseTells::Concern(of)) => Some((of.sign, of.grade, of.at_ms / 60_000)),
///     _ => None,
/// }).collect();
/// assert_eq!(concerns, [(Sign::PulseHigh, Grade::CallBack, 1_451)]);
/// running.wait()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PulseWatch {
    /// What is high at rest.
    pub at_rest: Above,
    /// What is high after steps.
    pub moving: Above,
    /// What is high at rest, whatever is usual; beats a minute.
    pub high_per_min: u8,
    /// What is low; beats a minute.
    pub low_per_min: u8,
    /// Who is at rest has made no step for so many minutes; 1 to 254.
    pub rest_minutes: u8,
    /// For how long it is high before it is told as [`Grade::CallBack`](super::Grade::CallBack).
    pub call_back: Lasting,
    /// For how long it is high before it is told as [`Grade::Urgent`](super::Grade::Urgent).
    pub urgent: Lasting,
    /// For how long it is low before it is told, as [`Grade::Urgent`](super::Grade::Urgent).
    pub low: Lasting,
    /// What is so again after so many minutes is told again; 1 to 254.
    pub quiet_minutes: u8,
    /// By how many days before it is judged what is usual; 1 to 365.
    pub days: u16,
    /// A row that is so much older than the newest of its wearer is late; milliseconds, 0 to 31 days.
    pub late_ms: i64,
}

/// How far a pulse is above what is usual to be high.
///
/// # Examples
/// ```
/// use watchfire_operators::wristband::{Above, PulseWatch};
/// assert_eq!(PulseWatch::default().at_rest, Above { per_min: 33.0, spreads: 2.0 });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Above {
    /// By so many beats a minute.
    pub per_min: f32,
    /// And by so many of its spread.
    pub spreads: f32,
}

impl Default for PulseWatch {
    /// As it stands in the README what they are worth: 33 beats and 2 spreads at rest, 45 and 8 otherwise, in 80 % of 13 minutes, or of 30 in an hour and a half of which 90 % are known; at rest after 12 minutes, by 28 days.
    /// 131 and 40 are what scores 3 in NEWS2.
    fn default() -> Self {
        let lasting = |minutes| Lasting { minutes, share_pct: 80, known_pct: 60, known_minutes: minutes };
        PulseWatch {
            at_rest: Above { per_min: 33.0, spreads: 2.0 },
            moving: Above { per_min: 45.0, spreads: 8.0 },
            high_per_min: 131,
            low_per_min: 40,
            rest_minutes: 12,
            call_back: lasting(13),
            urgent: Lasting { known_pct: 90, known_minutes: 90, ..lasting(30) },
            low: lasting(10),
            quiet_minutes: 60,
            days: 28,
            late_ms: 26 * 3_600_000,
        }
    }
}

/// What [`PulseWatch`] tells.
///
/// # Examples
/// See [`PulseWatch`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PulseTells {
    /// A pulse is far from what it should be.
    Concern(Concern),
    /// Two hours are over.
    Watched(Watched),
}

impl Timed for PulseTells {
    fn event_time_ms(&self) -> i64 {
        match self {
            PulseTells::Concern(concern) => concern.event_time_ms(),
            PulseTells::Watched(watched) => watched.event_time_ms(),
        }
    }
}

/// How far somebody was watched over in two hours in which anything was known: told with the first row after their end, and at the end of all.
///
/// # Examples
/// ```
/// use watchfire_operators::wristband::{Watched, Wearer};
/// let watched = Watched { wearer: Wearer::Person(7), from_ms: 0, until_ms: 7_200_000, known_minutes: 120, judged_minutes: 90 };
/// assert!(watched.judged_minutes < watched.known_minutes, "for half an hour nobody knew what is usual");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Watched {
    /// Who.
    pub wearer: Wearer,
    /// From then, milliseconds since 1970-01-01 UTC,
    pub from_ms: i64,
    /// to before then.
    pub until_ms: i64,
    /// In so many minutes a pulse is known.
    pub known_minutes: u8,
    /// And in so many of those what is usual.
    pub judged_minutes: u8,
}

impl Timed for Watched {
    fn event_time_ms(&self) -> i64 {
        self.from_ms
    }
}

impl PulseWatch {
    /// Whether it can be worked with. Unasked, what it refuses is taken for the nearest that can.
    ///
    /// # Errors
    /// `E0633` if a number is out of its bounds, or nothing would be high.
    ///
    /// ```
    /// use watchfire_operators::wristband::PulseWatch;
    /// assert!(PulseWatch::default().check().is_ok());
    /// assert_eq!(PulseWatch { days: 0, ..PulseWatch::default() }.check().unwrap_err().code(), "E0633");
    /// ```
    pub fn check(&self) -> Result<(), Error> {
        let lasting = [("call_back", self.call_back), ("urgent", self.urgent), ("low", self.low)];
        let mut at = lasting.iter().filter(|(_, of)| !of.is_in_bounds()).map(|(at, _)| *at);
        let above = [("at_rest", self.at_rest), ("moving", self.moving)];
        let is_high = |of: &Above| of.per_min > 0.0 && of.spreads >= 0.0;
        let wrong = at.next().or_else(|| above.iter().find(|(_, of)| !is_high(of)).map(|(at, _)| *at));
        let minutes = 1..=u8::MAX - 1;
        let wrong = wrong
            .or((!minutes.contains(&self.rest_minutes)).then_some("rest_minutes"))
            .or((!minutes.contains(&self.quiet_minutes)).then_some("quiet_minutes"))
            .or((self.high_per_min <= self.low_per_min).then_some("high_per_min"))
            .or((!(1..=DAYS_MAX).contains(&self.days)).then_some("days"))
            .or((!(0..=LATE_MAX_MS).contains(&self.late_ms)).then_some("late_ms"));
        let Some(at) = wrong else { return Ok(()) };
        let what = format!("pulses cannot be watched by this: {at} is out of bounds");
        Err(Error::new("E0633", what).at(at).remedy("take a number within those of its documentation"))
    }
}
