//! The signs of wear: what is measured or counted on each trip, what of it can be, and of which class of faults it speaks.

use serde::{Deserialize, Serialize};
use watchfire_engine::rkyv;

use crate::elevator::{FaultClass, LiftTrip};

/// A sign of wear.
///
/// # Examples
/// ```
/// use watchfire_operators::elevator::{LiftTrip, WearSign};
/// let trip = LiftTrip { from: 1, floor: 5, slip_um: Some(2_000), ..LiftTrip::default() };
/// assert_eq!(WearSign::Slip.of(&trip), Some(500.0), "a floor");
/// let broken = LiftTrip { door_close_ms: Some(4_000_000), ..trip };
/// assert_eq!(WearSign::DoorClosing.of(&broken), None, "no door takes an hour to close");
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
pub enum WearSign {
    /// How long doors take to close, ms.
    DoorClosing,
    /// The current of their motor, mA.
    DoorCurrent,
    /// How long locks take, ms.
    Locking,
    /// Where the car stops, micrometres above the floor.
    LevelError,
    /// How far ropes slip, micrometres a floor.
    Slip,
    /// How long a run takes, ms.
    RunTime,
    /// How long it takes to set out, ms.
    StartDelay,
    /// How warm the drive is, degrees Celsius.
    DriveHeat,
    /// How often doors turn back, a trip.
    Reversals,
    /// How often the safety chain opens, a trip.
    ChainOpens,
    /// How often the car is levelled again, a trip.
    Relevels,
    /// How often the position is corrected, a trip.
    Corrections,
}

use WearSign::{
    ChainOpens, Corrections, DoorClosing, DoorCurrent, DriveHeat, LevelError, Locking, Relevels, Reversals, RunTime,
    Slip, StartDelay,
};

impl WearSign {
    /// All of them: first those that are measured, then those that are counted.
    pub const ALL: [WearSign; 12] = [
        DoorClosing,
        DoorCurrent,
        Locking,
        LevelError,
        Slip,
        RunTime,
        StartDelay,
        DriveHeat,
        Reversals,
        ChainOpens,
        Relevels,
        Corrections,
    ];

    /// It is counted, and not measured.
    #[must_use]
    pub fn is_counted(self) -> bool {
        self >= Reversals
    }

    /// What a trip says of it; nothing if it was not measured, or cannot be.
    #[must_use]
    pub fn of(self, trip: &LiftTrip) -> Option<f64> {
        self.read(trip).filter(|value| self.can_be().contains(value))
    }

    /// What a trip says, whether or not it can be.
    pub(super) fn read(self, trip: &LiftTrip) -> Option<f64> {
        Some(match self {
            DoorClosing => trip.door_close_ms?.into(),
            DoorCurrent => trip.door_current_ma?.into(),
            Locking => trip.lock_ms?.into(),
            LevelError => trip.level_error_um?.into(),
            Slip => f64::from(trip.slip_um?) / f64::from(trip.floors().max(1)),
            RunTime => trip.run_ms?.into(),
            StartDelay => trip.start_delay_ms?.into(),
            DriveHeat => trip.drive_celsius?.into(),
            Reversals => trip.reversals?.into(),
            ChainOpens => trip.chain_opens?.into(),
            Relevels => trip.relevels?.into(),
            Corrections => trip.corrections?.into(),
        })
    }

    /// What is beyond this comes of a sensor and not of a lift.
    fn can_be(self) -> std::ops::RangeInclusive<f64> {
        match self {
            DoorClosing => 500.0..=30_000.0,
            DoorCurrent => 10.0..=30_000.0,
            Locking => 1.0..=10_000.0,
            LevelError => -350_000.0..=350_000.0,
            Slip => 0.0..=100_000.0,
            RunTime => 500.0..=300_000.0,
            StartDelay => 1.0..=30_000.0,
            DriveHeat => -40.0..=150.0,
            Reversals | ChainOpens | Relevels | Corrections => 0.0..=100.0,
        }
    }

    /// What lies closer together than this is noise of the sensor.
    pub(super) fn noise(self) -> f64 {
        match self {
            DoorClosing | RunTime => 20.0,
            DoorCurrent | Locking | StartDelay => 5.0,
            LevelError => 300.0,
            Slip => 20.0,
            _ => 0.5,
        }
    }

    /// How often it is counted a trip in lifts that are well: assumed, and soon outweighed by what a lift shows.
    pub(super) fn usual_of_all(self) -> f64 {
        match self {
            Reversals => 0.04,
            Relevels => 0.02,
            ChainOpens => 0.001,
            Corrections => 0.002,
            _ => 0.0,
        }
    }

    /// With which it is compared: a run with those over as many floors, all else with what was at the same floor.
    pub(super) fn place(self, trip: &LiftTrip) -> i16 {
        match self {
            Slip | RunTime => i16::try_from(trip.floors()).unwrap_or(i16::MAX),
            _ => trip.floor,
        }
    }

    /// It changes with the weather, and what was so for weeks is usual.
    pub(super) fn follows_weather(self) -> bool {
        self == DriveHeat
    }

    /// It is worse to both sides.
    pub(super) fn both_sides(self) -> bool {
        self == LevelError
    }

    /// What counts of how far it is off, and of what it is: of what is worse to both sides how large each is, for one floor does not make up for another; less
    /// what that is when nothing is off.
    pub(super) fn counts(self, off: f64, value: f64) -> (f64, f64) {
        // The mean size of what is normally distributed: the square root of 2 / pi.
        if self.both_sides() { (off.abs() - 0.797_884_560_802_865_4, value.abs()) } else { (off, value) }
    }

    /// What it is called, its unit, and how many of what it is measured in that unit holds.
    pub(super) fn words(self) -> (&'static str, &'static str, f64) {
        match self {
            DoorClosing => ("doors take long to close", "s", 1_000.0),
            DoorCurrent => ("the door motor draws much", "A", 1_000.0),
            Locking => ("the door lock takes long", "ms", 1.0),
            LevelError => ("the car stops off the floor", "mm", 1_000.0),
            Slip => ("ropes slip", "mm a floor", 1_000.0),
            RunTime => ("runs take long", "s", 1_000.0),
            StartDelay => ("the car sets out late", "ms", 1.0),
            DriveHeat => ("the drive is warm", "degrees", 1.0),
            Reversals => ("doors turn back", "a trip", 1.0),
            ChainOpens => ("the safety chain opens", "a trip", 1.0),
            Relevels => ("the car is levelled again", "a trip", 1.0),
            Corrections => ("the position is corrected", "a trip", 1.0),
        }
    }
}

/// The signs of a class: what is measured, and what is counted.
pub(super) fn signs_of(class: FaultClass) -> (&'static [WearSign], &'static [WearSign]) {
    match class {
        FaultClass::DoorLock => (&[Locking], &[ChainOpens]),
        FaultClass::DoorTrack => (&[DoorClosing, DoorCurrent], &[Reversals]),
        // Doors that turn back and close as fast as ever.
        FaultClass::LightCurtain => (&[DoorClosing], &[Reversals]),
        FaultClass::Levelling => (&[LevelError], &[Relevels]),
        FaultClass::Traction => (&[Slip, RunTime], &[]),
        FaultClass::Encoder => (&[], &[Corrections]),
        FaultClass::Drive => (&[StartDelay, DriveHeat], &[]),
        FaultClass::Power | FaultClass::Comms | FaultClass::Misuse => (&[], &[]),
    }
}

/// What of that is measured anew when the class was mended: a new light curtain makes no door faster.
pub(super) fn renewed_with(class: FaultClass) -> &'static [WearSign] {
    if class == FaultClass::LightCurtain { &[] } else { signs_of(class).0 }
}
