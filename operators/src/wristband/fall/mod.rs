//! Falls, from what the accelerometer of a band says.

mod detector;
mod impact;
mod model;
mod track;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use watchfire_engine::Error;

pub use detector::FallState;
pub use model::{FallModel, FallRule, FallTrial};

use super::{Concern, Wearer};

/// Tells of people who have fallen, from the stream of what the accelerometers of their bands say: [`MotionRow`](super::MotionRow)s, by wearer.
///
/// An impact is looked at that is the hardest of a second before and after; whether it is that of a fall the [`FallModel`] of the band says, by what was from 3 s before it to 4.5 s after. That is told as soon as it is known, or
/// [`wait_ms`](FallWatch::wait_ms) after the impact has come, by what is known then: a snippet that was cut off does not speak for somebody. A person who is not known to have moved for a minute after that is told
/// [urgently](super::Grade::Urgent): lying still, or with nothing heard of them.
///
/// Rows may come in any order, and twice: what is told in the end is the same, as long as they come while what is around them is kept. Each [`kept`](FallWatch::kept) ten seconds of a person that were added to last are
/// kept, and those of the last minute whatever is brought of the past. Rows within what is forgotten, more than 4,096 in ten seconds, or more than [`late_ms`](FallWatch::late_ms) older than the newest, go to the late output. What comes late can take back what was told.
///
/// Whoever is told of by a band whose numbers cannot be in g (their mean is beyond [`plausible_g`](FallWatch::plausible_g)) is told as a [`FallTells::Scale`], once, in the order in which rows come, and again when they can: of impacts among such numbers no falls are told.
///
/// Memory: [`kept`](FallWatch::kept) times ten seconds of samples, each of 8 bytes: 48 KB a person at 50 Hz as it comes, 393 KB at most. Per row: O(1), and at an impact O(the samples of 7.5 seconds).
///
/// # Examples
/// ```
/// use watchfire_engine::{Change, Job, TickSource};
/// use watchfire_operators::wristband::{Acceleration, FallTells, FallWatch, Grade, MotionRow, Wearer};
/// let job = Job::new(|flow| {
///     let motions = flow.channel::<MotionRow>("motions").key_by(|row| row.wearer).event_time(MotionRow::EVENT_TIME);
///     motions.detect("people", FallWatch::default()).out.to_channel("falls");
/// });
/// let mut running = job.ticks(TickSource::FROM_EVENTS).start()?;
/// let (motions, falls) = (running.sender::<MotionRow>("motions")?, running.receiver::<Change<FallTells>>("falls")?);
/// // Standing, a fall, and lying on the side for a minute.
/// let g = |ms: i64| match ms {
///     5_700..6_000 => [0.0, 0.0, 0.3],
///     6_000 => [0.5, 1.0, 3.0],
///     6_001.. => [1.0, 0.0, 0.0],
///     _ => [0.0, 0.0, 1.0],
/// };
/// let rows = (0..70_000).step_by(20).filter_map(|at_ms| {
///     let acceleration = Acceleration::from_g(g(at_ms))?;
///     Some(MotionRow { wearer: Wearer::Person(7), device: 1, at_ms, acceleration })
/// });
/// motions.send(rows.collect())?;
/// drop(motions);
/// let told: Vec<(i64, Grade)> = Change::consolidate(falls.rows())
///     .into_iter()
///     .filter_map(|(of, _)| match of {
///         FallTells::Concern(of) => Some((of.at_ms, of.grade)),
///         FallTells::Scale(_) => None,
///     })
///     .collect();
/// assert_eq!(told, [(10_500, Grade::CallBack), (66_000, Grade::Urgent)]);
/// running.wait()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FallWatch {
    /// How falls are told on each model of band, as the host numbers them; on all others by the default.
    pub models: BTreeMap<u16, FallModel>,
    /// After so long on the arrival clock an impact is judged by what is known.
    pub wait_ms: i64,
    /// After so long without having moved, as far as anybody knows, a fall is urgent.
    pub lie_ms: i64,
    /// A second in which the acceleration spreads by this or more is one in which they have moved.
    pub moving_g: f64,
    /// They have moved if they did in so many seconds.
    pub moving_s: u16,
    /// How many times ten seconds are kept of a person.
    pub kept: u16,
    /// Rows that are so much older than the newest are late.
    pub late_ms: i64,
    /// From which to which mean acceleration, over ten seconds, it can be in g: at rest it is 1, of somebody who runs it is no more than 3.
    pub plausible_g: (f64, f64),
}

impl Default for FallWatch {
    fn default() -> Self {
        FallWatch {
            models: BTreeMap::new(),
            wait_ms: 10_000,
            lie_ms: 60_000,
            moving_g: 0.1,
            moving_s: 5,
            kept: 12,
            late_ms: 26 * 3_600_000,
            plausible_g: (0.5, 3.0),
        }
    }
}

/// What [`FallWatch`] tells.
///
/// # Examples
/// See [`FallWatch`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FallTells {
    /// Somebody has fallen, or lies where they fell.
    Concern(Concern),
    /// Whether what a band says can be in g.
    Scale(Scale),
}

/// What a band says can, or cannot, be in g: metres a second squared, or another range, look like that.
///
/// # Examples
/// ```
/// use watchfire_operators::wristband::{Scale, Wearer};
/// let scale = Scale { wearer: Wearer::Band(12), from_ms: 0, mean_mg: 9_806, plausible: false };
/// assert!(!scale.plausible, "that was told in metres a second squared");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Scale {
    /// Whose band.
    pub wearer: Wearer,
    /// Of ten seconds from this time, milliseconds since 1970-01-01 UTC.
    pub from_ms: i64,
    /// The mean of what it said in them, in thousandths of g.
    pub mean_mg: u32,
    /// It can be; before that it could not.
    pub plausible: bool,
}

impl FallWatch {
    /// What is wrong with it, if anything.
    ///
    /// # Errors
    /// `E0636` if a number is out of its bounds, or a model goes by other features than this release.
    ///
    /// # Examples
    /// ```
    /// use watchfire_operators::wristband::FallWatch;
    /// assert_eq!(FallWatch { kept: 3, ..FallWatch::default() }.check().unwrap_err().code(), "E0636");
    /// ```
    pub fn check(&self) -> Result<(), Error> {
        let bounds = [
            ("wait_ms", self.wait_ms as f64, (impact::AFTER_MS as f64, 600_000.0)),
            ("lie_ms", self.lie_ms as f64, (impact::AFTER_MS as f64, 600_000.0)),
            ("moving_g", self.moving_g, (0.001, 10.0)),
            ("moving_s", f64::from(self.moving_s), (1.0, 600.0)),
            // All that is looked at of an impact, and as much for what comes out of order.
            ("kept", f64::from(self.kept), ((self.lie_ms / track::PIECE_MS + 4) as f64, 10_000.0)),
            ("late_ms", self.late_ms as f64, (0.0, 30.0 * 86_400_000.0)),
            ("plausible_g.0", self.plausible_g.0, (0.0, 1.0)),
            ("plausible_g.1", self.plausible_g.1, (1.0, 30.0)),
        ];
        match bounds.iter().find(|(_, is, (least, most))| !(*least..=*most).contains(is)) {
            Some((name, is, (least, most))) => {
                let what = format!("{name} of what watches for falls is {is}, not from {least} to {most}");
                Err(Error::new("E0636", what).remedy("take a number within those bounds"))
            }
            None => self.models.values().try_for_each(FallModel::check),
        }
    }
}
