//! Detectors: how unusual is what a key says now, and by what numbers?
//!
//! Shape: per key, values in, [`Scored`] rows out, each with the numbers behind it. A [`Score`] is a pure function of what it remembers and a value;
//! [`Scores`] makes a detector of it, for rows of any kind, and keeps it from what is no value: unknown, not a number, older than the last. Thresholds that
//! hold, hysteresis, and what people do to an alarm belong to [`alarm`](crate::alarm): `scores.then(alarms)`, with [`Scored::signal`].
//!
//! | score | what it says | unit | memory a key |
//! | --- | --- | --- | --- |
//! | [`Ewma`] | how far a value is from the weighted mean of those before | standard deviations | 40 bytes |
//! | [`Cusum`] | for how long, and how far, values have been off their baseline | standard deviations | 40 bytes |
//! | [`PageHinkley`] | how far the sum of what is above (below) the mean has come from its lowest (highest) | that of the value | 32 bytes |
//! | [`Holt`] | how long until the trend reaches a limit | milliseconds, less is worse | 40 bytes |
//! | [`Rate`] | how fast a value changes | that of the value a second | 24 bytes |
//! | [`EventRate`] | how often something happens, drawn towards what is usual | events for a unit of exposure | 16 bytes |
//! | [`Weibull`] | how likely a part fails soon, by how much it was used | a probability | 8 bytes |
//! | [`Stuck`] | for how long a value has not moved | milliseconds | 32 bytes |
//! | [`RobustZ`] | how far a value is from the median of its part of the day; values can be taken back | standard deviations, by the MAD | 16 bytes a value that is kept, 38 KB at most as it comes |
//! | [`HalfSpaceTrees`] | how thinly the place of several values together is settled | bits | 51 KB as it comes |
//! | [`Discord`] | by which share values go beyond all before them: the last, their level, their shape, their shape at that time of day | a share of the record, 0 where it is no news | 49 KB as it comes |
//!
//! A value that does not come has no score: [`Silence`] tells of keys that were not heard of for too long, in 40 bytes a key. What a score is worth as a
//! probability, by what came of scores before, a [`Calibration`] says.
//!
//! What is to be foretold takes two: [`Horizon`] tells of each asset what is known, and later what came of it; [`Foretells`] learns from that, of all assets
//! of a model, and foretells with reasons.
//!
//! | for that | what it does | memory a key |
//! | --- | --- | --- |
//! | [`Rolls`] | puts to a row what its sensors were like over windows that end with it | 72 bytes a row, sensor and window, as [`Rolling`] says |
//! | [`Foretells`] | a regression that learns while it runs ([`Ftrl`]) | 32 bytes a feature |
//! | [`Frozen`] | trees that were grown before, on what [`Horizon`] has told ([`Trees`]) | none |
//!
//! Of few examples, all known at once, a [`Logistic`] learns, and from fewer still of something a little different.
//!
//! What a device counts and never begins anew, a [`Meter`] makes into what was counted in between.
//!
//! Each takes O(1) a value, whatever it has seen before (but [`RobustZ`], which looks at what it keeps of that part of the day, and [`Discord`], which looks at all it keeps). All depend on the order of
//! values: where rows of a key come out of order within their disorder bound, put [`InOrder`] before them, once for all: `in_order.then(ewma.both(cusum))`. Then any order of a key's rows gives the same.
//!
//! # Examples
//! ```
//! use serde::{Deserialize, Serialize};
//! use watchfire_engine::{Compose, Job, TickSource, Timed};
//! use watchfire_operators::alarm::{Alarm, Alarms, ChangeKind, Ladder, Severity, Step};
//! use watchfire_operators::detect::{Cusum, Reading, Scored, Scores};
//! #[derive(Clone, Debug, Serialize, Deserialize)]
//! struct Closing { lift: u32, at_ms: i64, takes_s: f64 }
//! impl Timed for Closing {
//!     fn event_time_ms(&self) -> i64 { self.at_ms }
//! }
//! let job = Job::new(|flow| {
//!     let slower = Scores::new(Cusum::default(), |door: &Closing| Reading::Value(door.takes_s));
//!     let slow = Step::new("slower", Severity::Caution, 8.0, 1.0);
//!     // A door may stand still for an hour.
//!     let ladder = Ladder { max_gap_ms: 3_600_000, unknown_after_ms: 7_200_000, ..Ladder::rises("door", vec![slow]) };
//!     let Ok(alarms) = Alarms::new(ladder, |scored: &Scored<u32, _>| scored.signal()) else { return };
//!     let doors = flow.channel::<Closing>("doors").key_by(|door| door.lift).detect("slower", slower.then(alarms));
//!     doors.out.1.to_channel("alarms");
//! });
//! let mut running = job.ticks(TickSource::FROM_EVENTS).start()?;
//! let (doors, alarms) = (running.sender::<Closing>("doors")?, running.receiver::<Alarm<u32>>("alarms")?);
//! // A door that closes in three seconds, give or take a tenth, and then takes a fifth of a second longer.
//! let takes_s = |n: i64| 3.0 + [0.1, -0.1, 0.0, 0.05, -0.05][n as usize % 5] + if n < 200 { 0.0 } else { 0.2 };
//! doors.send((0..230).map(|n| Closing { lift: 7, at_ms: n * 60_000, takes_s: takes_s(n) }).collect())?;
//! drop(doors);
//! let raised: Vec<i64> = alarms
//!     .rows()
//!     .filter(|alarm| alarm.change().is_some_and(|change| change.kind == ChangeKind::Raised))
//!     .map(|alarm| alarm.event_time_ms() / 60_000)
//!     .collect();
//! assert_eq!(raised, [203], "at the fourth of these");
//! running.wait()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod calibration;
mod cusum;
mod discord;
mod event_rate;
mod ewma;
mod ftrl;
mod half_space;
mod holt;
mod horizon;
mod in_order;
mod logistic;
mod meter;
mod page_hinkley;
mod rate;
mod robust_z;
mod rolling;
mod score;
mod scores;
mod silence;
mod stuck;
#[cfg(test)]
mod tests;
mod trees;
mod weibull;

pub use calibration::{Calibration, Reliable, brier, reliability};
pub use cusum::{Cusum, CusumState, CusumWhy};
pub use discord::{Discord, DiscordCheck, DiscordState, DiscordWhy};
pub use event_rate::{EventRate, EventRateState, EventRateWhy};
pub use ewma::{Ewma, EwmaState, EwmaWhy};
pub use ftrl::{Foretells, Foretold, Ftrl, FtrlState, Likely};
pub use half_space::{HalfSpaceTrees, HalfSpaceTreesState, HalfSpaceTreesWhy};
pub use holt::{Holt, HoltState, HoltWhy};
pub use horizon::{Example, Horizon, HorizonState, Label, Observed};
pub use in_order::{InOrder, InOrderState};
pub use logistic::{Known, Logistic};
pub use meter::{Meter, MeterState};
pub use page_hinkley::{PageHinkley, PageHinkleyState, PageHinkleyWhy};
pub use rate::{Rate, RateState, RateWhy};
pub use robust_z::{Entry, RobustZ, RobustZState, RobustZWhy};
pub use rolling::{Features, Rolled, Rolling, RollingState, Rolls};
pub use score::{Judged, Measured, Reading, Score, Side, VALUE_MAX};
pub use scores::{Finding, Scored, Scores, ScoresState};
pub use silence::{Sign, Silence, SilenceState, Silent};
pub use stuck::{Stuck, StuckState, StuckWhy};
pub use trees::{Frozen, Node, Split, Tree, Trees};
pub use weibull::{Life, Weibull, WeibullState, WeibullWhy};
