//! What is told of people who may be trapped.

use serde::{Deserialize, Serialize};
use watchfire_engine::{Timed, rkyv};

use crate::alarm::Private;
use crate::elevator::{LiftMode, LiftStatus, RescueStep, Site};

/// How sure it is.
///
/// # Examples
/// The surer it is, the more urgently somebody is to come:
/// ```
/// use watchfire_operators::alarm::Severity;
/// use watchfire_operators::dispatch::Says;
/// use watchfire_operators::elevator::{LiftBook, LiftTold, Site, Tells, Trap, reports_to};
/// let severity = |trap: Trap| {
///     let tells = Tells::Escalated { lift: 31, nth: 1, level: 2, trap };
///     let report = reports_to(1, &LiftBook::default(), &LiftTold { site: Site::alone(31), at_ms: 1_000, tells })?;
///     if let Says::Raised(raised) = report.says { Some(raised.severity) } else { None }
/// };
/// assert!(Trap::Possibly < Trap::Trapped && Trap::Trapped < Trap::Called);
/// assert_eq!((severity(Trap::Possibly), severity(Trap::Called)), (Some(Severity::Alarm), Some(Severity::Critical)));
/// ```
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    rkyv::Archive,
    rkyv::Serialize,
    rkyv::Deserialize,
)]
#[serde(rename_all = "snake_case")]
#[rkyv(crate = rkyv)]
pub enum Trap {
    /// Something that would tell is not known, or not to be believed. Somebody must look.
    Possibly,
    /// All that is known says so.
    Trapped,
    /// Somebody in the car calls.
    Called,
}

/// What a trapping is told from.
///
/// # Examples
/// Somebody presses the button in the car, and then speaks; `told` runs a job with [`Trapped`](super::Trapped):
/// ```
/// # use std::sync::Arc;
/// # use watchfire_engine::{Job, TickSource};
/// # use watchfire_operators::elevator::{LiftBook, LiftTold, Site, TrapConfig, Trapped};
/// # fn told(rows: Vec<LiftRow>) -> Result<Vec<Tells>, Box<dyn std::error::Error>> {
/// #     let trapped = Trapped::new(TrapConfig::default(), Arc::new(LiftBook::default()))?;
/// #     let job = Job::new(move |flow| {
/// #         let lifts = flow.channel::<LiftRow>("lifts").key_by(|_| Site::alone(31));
/// #         lifts.detect("trapped", trapped.clone()).out.to_channel("told");
/// #     });
/// #     let mut running = job.ticks(TickSource::FROM_EVENTS).start()?;
/// #     let (lifts, told) = (running.sender::<LiftRow>("lifts")?, running.receiver::<LiftTold>("told")?);
/// #     lifts.send(rows)?;
/// #     drop(lifts);
/// #     let told = told.rows().map(|told| told.tells).collect();
/// #     running.wait()?;
/// #     Ok(told)
/// # }
/// use watchfire_operators::elevator::{CodeMap, LiftRow, LiftSays, Tells, TrapCause};
/// let says = [LiftSays::Code(CodeMap::city().read("90")), LiftSays::Intercom];
/// let told = told(says.map(|says| LiftRow { lift: 31, at_ms: 1_000, says }).to_vec())?;
/// let causes = told.into_iter().filter_map(|tells| match tells {
///     Tells::Raised { why, .. } => Some(why.cause),
///     _ => None,
/// });
/// assert_eq!(causes.collect::<Vec<_>>(), [TrapCause::Button, TrapCause::Intercom]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize,
)]
#[serde(rename_all = "snake_case")]
#[rkyv(crate = rkyv)]
pub enum TrapCause {
    /// The car stands between floors.
    OffLevel,
    /// The car stands at a floor, and its doors are closed.
    Closed,
    /// The car stands, and nobody knows whether at a floor.
    Stands,
    /// Doors have not opened for longer than anybody rides.
    NeverOpened,
    /// Nothing was heard since the power of the building was lost.
    SilentSinceCut,
    /// Somebody has pressed the button in the car.
    Button,
    /// Somebody speaks through the intercom.
    Intercom,
    /// The controller says so.
    Controller,
}

/// Why nobody can be sure.
///
/// # Examples
/// A car stands between two floors, and nobody knows whether somebody is in it; `told` runs a job with [`Trapped`](super::Trapped):
/// ```
/// # use std::sync::Arc;
/// # use watchfire_engine::{Job, TickSource};
/// # use watchfire_operators::elevator::{LiftBook, LiftTold, Site, TrapConfig, Trapped};
/// # fn told(rows: Vec<LiftRow>) -> Result<Vec<Tells>, Box<dyn std::error::Error>> {
/// #     let trapped = Trapped::new(TrapConfig::default(), Arc::new(LiftBook::default()))?;
/// #     let job = Job::new(move |flow| {
/// #         let lifts = flow.channel::<LiftRow>("lifts").key_by(|_| Site::alone(31));
/// #         lifts.detect("trapped", trapped.clone()).out.to_channel("told");
/// #     });
/// #     let mut running = job.ticks(TickSource::FROM_EVENTS).start()?;
/// #     let (lifts, told) = (running.sender::<LiftRow>("lifts")?, running.receiver::<LiftTold>("told")?);
/// #     lifts.send(rows)?;
/// #     drop(lifts);
/// #     let told = told.rows().map(|told| told.tells).collect();
/// #     running.wait()?;
/// #     Ok(told)
/// # }
/// use watchfire_operators::elevator::{Doors, Doubt, LiftRow, LiftSays, LiftStatus, Tells, Trap};
/// let status = LiftStatus { moving: Some(false), level: Some(false), doors: Some(Doors::Closed), ..LiftStatus::default() };
/// let rows = (0..120).map(|second| LiftRow { lift: 31, at_ms: second * 1_000, says: LiftSays::Status(status) });
/// let raised = told(rows.collect())?.into_iter().filter_map(|tells| match tells {
///     Tells::Raised { trap, why, .. } => Some((trap, why.doubt)),
///     _ => None,
/// });
/// assert_eq!(raised.collect::<Vec<_>>(), [(Trap::Possibly, Some(Doubt::PersonUnknown))]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    rkyv::Archive,
    rkyv::Serialize,
    rkyv::Deserialize,
)]
#[serde(rename_all = "snake_case")]
#[rkyv(crate = rkyv)]
pub enum Doubt {
    /// Whether somebody is in the car is not known.
    PersonUnknown,
    /// The sensor says that somebody is in the car, and has not said nobody through two openings of the doors, or ever.
    PersonConstant,
    /// The sensor has seen somebody, and sees nobody any more, although no doors have opened.
    PersonGone,
    /// The sensor sees somebody in a car that has stood for a while with something wrong, and had not before, although no doors have opened.
    PersonAppears,
    /// The sensor says that nobody is in the car: of a car between floors that is not enough.
    PersonAbsent,
    /// Whether the car moves is not known.
    MovingUnknown,
    /// What the doors are is not known.
    DoorsUnknown,
    /// The doors are told to be closed, and have been told to be open right before; or a fault stands.
    DoorsFlicker,
    /// Too long between two rows, or since the last.
    Unseen,
}

impl Doubt {
    /// There is an answer, and only little trust in it.
    pub(super) fn is_weak(self) -> bool {
        matches!(
            self,
            Doubt::PersonConstant | Doubt::PersonGone | Doubt::PersonAppears | Doubt::DoorsFlicker | Doubt::Unseen
        )
    }
}

/// The numbers behind it.
///
/// # Examples
/// A car stops between two floors, with somebody in it; `told` runs a job with [`Trapped`](super::Trapped):
/// ```
/// # use std::sync::Arc;
/// # use watchfire_engine::{Job, TickSource};
/// # use watchfire_operators::elevator::{LiftBook, LiftTold, Site, TrapConfig, Trapped};
/// # fn told(rows: Vec<LiftRow>) -> Result<Vec<Tells>, Box<dyn std::error::Error>> {
/// #     let trapped = Trapped::new(TrapConfig::default(), Arc::new(LiftBook::default()))?;
/// #     let job = Job::new(move |flow| {
/// #         let lifts = flow.channel::<LiftRow>("lifts").key_by(|_| Site::alone(31));
/// #         lifts.detect("trapped", trapped.clone()).out.to_channel("told");
/// #     });
/// #     let mut running = job.ticks(TickSource::FROM_EVENTS).start()?;
/// #     let (lifts, told) = (running.sender::<LiftRow>("lifts")?, running.receiver::<LiftTold>("told")?);
/// #     lifts.send(rows)?;
/// #     drop(lifts);
/// #     let told = told.rows().map(|told| told.tells).collect();
/// #     running.wait()?;
/// #     Ok(told)
/// # }
/// use watchfire_operators::elevator::{Doors, LiftRow, LiftSays, LiftStatus, Tells, TrapCause};
/// let status = |second: i64| LiftStatus {
///     moving: Some(second < 10), level: Some(false), doors: Some(Doors::Closed), person: Some(second > 3), ..LiftStatus::default()
/// };
/// let rows = (0..70).map(|second| LiftRow { lift: 31, at_ms: second * 1_000, says: LiftSays::Status(status(second)) });
/// let why = told(rows.collect())?.into_iter().find_map(|tells| if let Tells::Raised { why, .. } = tells { Some(why) } else { None });
/// let why = why.ok_or("nobody is trapped")?;
/// assert_eq!((why.cause, why.since_ms, why.doubt), (TrapCause::OffLevel, 10_000, None));
/// assert_eq!(why.status.and_then(|status| status.person), Some(true));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrapWhy {
    /// What it is told from.
    pub cause: TrapCause,
    /// Since when, by the clock of the lift, milliseconds since 1970-01-01 UTC.
    pub since_ms: i64,
    /// Why nobody can be sure; none if it is sure.
    pub doubt: Option<Doubt>,
    /// What the lift told last; none if it never has.
    pub status: Option<LiftStatus>,
}

/// Who is told.
///
/// # Examples
/// ```
/// use watchfire_operators::elevator::{Goes, LiftMode};
/// let to = Goes::OnSite { who: "mechanic 7".into(), mode: LiftMode::Inspection };
/// assert_eq!(format!("{to:?}"), "OnSite { who: Private(..), mode: Inspection }", "names never reach a log");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
#[serde(rename_all = "snake_case")]
#[rkyv(crate = rkyv)]
pub enum Goes {
    /// Whoever dispatches.
    Dispatch,
    /// Who works on the lift; whoever dispatches, if they do not answer in time.
    OnSite {
        /// Who.
        who: Private,
        /// What the lift is used for.
        mode: LiftMode,
    },
}

/// What is told of a lift, or of all lifts of a site.
///
/// # Examples
/// ```
/// use watchfire_operators::elevator::{LiftTold, Site, Tells};
/// let back = LiftTold { site: Site::building(7), at_ms: 1_000, tells: Tells::PowerBack };
/// assert!(back.tells.lift().is_none());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiftTold {
    /// The site.
    pub site: Site,
    /// When it is told, arrival clock, milliseconds since 1970-01-01 UTC.
    pub at_ms: i64,
    /// What is told.
    pub tells: Tells,
}

impl Timed for LiftTold {
    fn event_time_ms(&self) -> i64 {
        self.at_ms
    }
}

/// What is told in [`LiftTold`].
///
/// # Examples
/// Somebody calls, a mechanic arrives, and says that it is over, but not why; `told` runs a job with [`Trapped`](super::Trapped):
/// ```
/// # use std::sync::Arc;
/// # use watchfire_engine::{Job, TickSource};
/// # use watchfire_operators::elevator::{LiftBook, LiftTold, Site, TrapConfig, Trapped};
/// # fn told(rows: Vec<LiftRow>) -> Result<Vec<Tells>, Box<dyn std::error::Error>> {
/// #     let trapped = Trapped::new(TrapConfig::default(), Arc::new(LiftBook::default()))?;
/// #     let job = Job::new(move |flow| {
/// #         let lifts = flow.channel::<LiftRow>("lifts").key_by(|_| Site::alone(31));
/// #         lifts.detect("trapped", trapped.clone()).out.to_channel("told");
/// #     });
/// #     let mut running = job.ticks(TickSource::FROM_EVENTS).start()?;
/// #     let (lifts, told) = (running.sender::<LiftRow>("lifts")?, running.receiver::<LiftTold>("told")?);
/// #     lifts.send(rows)?;
/// #     drop(lifts);
/// #     let told = told.rows().map(|told| told.tells).collect();
/// #     running.wait()?;
/// #     Ok(told)
/// # }
/// use watchfire_operators::dispatch::Person;
/// use watchfire_operators::elevator::{LiftRow, LiftSays, RescueStep, Tells};
/// let rescue = |step| LiftSays::Rescue { step, nth: Some(1), by: Person::named("mechanic 7", "") };
/// let says = [LiftSays::Intercom, rescue(RescueStep::Arrived), rescue(RescueStep::Closed { false_alarm: false })];
/// let told = told((0..).zip(says).map(|(second, says)| LiftRow { lift: 31, at_ms: second * 1_000, says }).collect())?;
/// let words = told.iter().map(|tells| match tells {
///     Tells::Raised { lift, nth, level, .. } => format!("lift {lift}, the {nth}st: told to level {level}"),
///     Tells::Step { step, .. } => format!("{step:?}"),
///     Tells::Refused { code, .. } => code.clone(),
///     _ => "something else".to_owned(),
/// });
/// assert_eq!(words.collect::<Vec<_>>(), ["lift 31, the 1st: told to level 1", "Arrived", "E0604"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tells {
    /// Somebody may be trapped, or it is surer than it was.
    Raised {
        /// The lift.
        lift: u32,
        /// Which of the lift it is, from 1: it is the same until people say that it is over.
        nth: u32,
        /// How sure it is.
        trap: Trap,
        /// The numbers behind it.
        why: TrapWhy,
        /// Who is told.
        goes: Goes,
        /// To whom it is told, 1 to 5: the firm of the lift, the nearest, the fire brigade, whoever commands.
        level: u8,
    },
    /// Others are told: nobody has answered in time, or nobody works on the lift any more.
    Goes {
        /// The lift.
        lift: u32,
        /// Which of the lift.
        nth: u32,
        /// Who is told now.
        goes: Goes,
        /// How sure it is.
        trap: Trap,
        /// To whom it is told.
        level: u8,
    },
    /// Nothing has changed for too long: it is told to more.
    Escalated {
        /// The lift.
        lift: u32,
        /// Which of the lift.
        nth: u32,
        /// The new level.
        level: u8,
        /// How sure it is.
        trap: Trap,
    },
    /// A rescue has come further.
    Step {
        /// The lift.
        lift: u32,
        /// Which of the lift.
        nth: u32,
        /// How far.
        step: RescueStep,
        /// How long it took since it was raised, milliseconds.
        after_ms: i64,
    },
    /// A step was not reached in time.
    Missed {
        /// The lift.
        lift: u32,
        /// Which of the lift.
        nth: u32,
        /// Which step.
        step: RescueStep,
    },
    /// The power of a building is lost: what is known of each of its lifts. Told again when that changes.
    PowerLost {
        /// Since when, by the clock of who told it, milliseconds.
        since_ms: i64,
        /// Its lifts.
        lifts: Vec<LiftInCut>,
    },
    /// The power is back. What was raised stays until people say that it is over.
    PowerBack,
    /// What somebody said changes nothing.
    Refused {
        /// The lift.
        lift: u32,
        /// The stable code.
        code: String,
        /// Why, and what to do.
        why: String,
    },
}

impl Tells {
    /// The lift that it is about; none if it is about all of a site.
    #[must_use]
    pub fn lift(&self) -> Option<u32> {
        match self {
            Tells::Raised { lift, .. }
            | Tells::Goes { lift, .. }
            | Tells::Escalated { lift, .. }
            | Tells::Step { lift, .. }
            | Tells::Missed { lift, .. }
            | Tells::Refused { lift, .. } => Some(*lift),
            Tells::PowerLost { .. } | Tells::PowerBack => None,
        }
    }
}

/// What is known of a lift of a building without power.
///
/// # Examples
/// ```
/// use watchfire_operators::elevator::{InCut, LiftInCut};
/// let silent = LiftInCut { lift: 31, is: InCut::Silent, since_ms: 1_000 };
/// assert_eq!(serde_json::to_string(&silent)?, r#"{"lift":31,"is":"silent","since_ms":1000}"#);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
#[rkyv(crate = rkyv)]
pub struct LiftInCut {
    /// The lift.
    pub lift: u32,
    /// What is known of it.
    pub is: InCut,
    /// Since when, milliseconds: by the clock of the lift where it has spoken, else by ours.
    pub since_ms: i64,
}

/// What is known of a lift whose building has no power.
///
/// # Examples
/// The power of a building is lost, and somebody in one of its two lifts speaks; `told` runs a job with [`Trapped`](super::Trapped):
/// ```
/// # use std::sync::Arc;
/// # use watchfire_engine::{Job, TickSource};
/// # use watchfire_operators::elevator::{Lift, LiftBook, LiftTold, Site, TrapConfig, Trapped};
/// # fn told(rows: Vec<LiftRow>) -> Result<Vec<Tells>, Box<dyn std::error::Error>> {
/// #     let lifts = [31, 32].map(|lift| (lift, Lift { building: Some(7), ..Lift::default() }));
/// #     let trapped = Trapped::new(TrapConfig::default(), Arc::new(LiftBook::new(lifts)))?;
/// #     let job = Job::new(move |flow| {
/// #         let lifts = flow.channel::<LiftRow>("lifts").key_by(|_| Site::building(7));
/// #         lifts.detect("trapped", trapped.clone()).out.to_channel("told");
/// #     });
/// #     let mut running = job.ticks(TickSource::FROM_EVENTS).start()?;
/// #     let (lifts, told) = (running.sender::<LiftRow>("lifts")?, running.receiver::<LiftTold>("told")?);
/// #     lifts.send(rows)?;
/// #     drop(lifts);
/// #     let told = told.rows().map(|told| told.tells).collect();
/// #     running.wait()?;
/// #     Ok(told)
/// # }
/// use watchfire_operators::elevator::{InCut, LiftRow, LiftSays, Tells, Trap};
/// let says = [LiftSays::Power { lost: true }, LiftSays::Intercom];
/// let told = told(says.map(|says| LiftRow { lift: 31, at_ms: 1_000, says }).to_vec())?;
/// let lists = told.iter().filter_map(|tells| match tells {
///     Tells::PowerLost { lifts, .. } => Some(lifts.iter().map(|of| of.is).collect::<Vec<InCut>>()),
///     _ => None,
/// });
/// assert_eq!(lists.collect::<Vec<_>>(), [[InCut::NeverHeard, InCut::NeverHeard], [InCut::Raised(Trap::Called), InCut::NeverHeard]]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize,
)]
#[serde(rename_all = "snake_case")]
#[rkyv(crate = rkyv)]
pub enum InCut {
    /// It has never told anything.
    NeverHeard,
    /// Nothing was heard of it since.
    Silent,
    /// It was heard since.
    Heard,
    /// Somebody may be, or is, trapped in it, and nobody has said that this is over.
    Raised(Trap),
    /// People have said that it is over.
    Over,
}
