//! What controllers report by number, in one language.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use watchfire_engine::{Key, rkyv};

/// What a code of a lift means, whoever made its controller.
///
/// The families are those that GB/T 24476 asks platforms to keep apart: faults, events, alarms.
///
/// # Examples
/// ```
/// use watchfire_operators::elevator::{CodeFamily, LiftCode};
/// assert_eq!((LiftCode::CarButton.family(), LiftCode::PowerLost.family()), (CodeFamily::Alarm, CodeFamily::Event));
/// assert!(LiftCode::CarButton.calls_for_help() && !LiftCode::Unknown.calls_for_help());
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
pub enum LiftCode {
    /// No fault any more.
    NoFault,
    /// The safety chain has opened while the car ran.
    SafetyChainOpen,
    /// The doors do not close.
    DoorCloseFault,
    /// The doors do not open.
    DoorOpenFault,
    /// The car stands outside the unlocking zone.
    StoppedOutsideZone,
    /// The car has moved when it should not.
    UnintendedMovement,
    /// A run took longer than any may.
    RunTimeLimit,
    /// The controller does not know where the car is.
    PositionLost,
    /// The car does not set out again.
    RerunPrevented,
    /// The doors have opened while the car ran.
    OpenedWhileRunning,
    /// The car has run beyond the top floor.
    OvertravelTop,
    /// The car has run into the pit.
    OvertravelPit,
    /// The car was too fast.
    Overspeed,
    /// The car has moved with its doors open.
    MovedWithDoorsOpen,
    /// The doors open and close again and again.
    DoorCycling,
    /// The controller says that somebody is trapped.
    Trapped,
    /// A fault that the scheme has no name for.
    OtherFault,
    /// In service again.
    BackToAutomatic,
    /// The main power is lost.
    PowerLost,
    /// Taken out of service.
    OutOfService,
    /// Under inspection.
    Inspection,
    /// Returns for a fire alarm.
    FireReturn,
    /// Used by firefighters.
    Firefighter,
    /// On emergency power.
    EmergencyPower,
    /// An earthquake was felt.
    Earthquake,
    /// Somebody presses the alarm button in the car.
    CarButton,
    /// Nobody has said what it means. Unknown is not normal: it proves neither a fault nor the end of one.
    Unknown,
}

/// What kind of news a code is.
///
/// # Examples
/// ```
/// use watchfire_operators::elevator::{CodeFamily, CodeMap};
/// let families = ["02", "43", "90", "77"].map(|raw| CodeMap::city().read(raw).code.family());
/// assert_eq!(families, [CodeFamily::Fault, CodeFamily::Event, CodeFamily::Alarm, CodeFamily::Unknown]);
/// assert_eq!(serde_json::to_string(&families)?, r#"["fault","event","alarm","unknown"]"#);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CodeFamily {
    /// Something does not work.
    Fault,
    /// What is done with the lift has changed.
    Event,
    /// Somebody calls.
    Alarm,
    /// Nobody knows.
    Unknown,
}

/// What breaks, as far as a code tells: what is foretold, and what a visit is for.
///
/// # Examples
/// ```
/// use watchfire_operators::elevator::{FaultClass, LiftCode};
/// assert_eq!(LiftCode::DoorCloseFault.class(), Some(FaultClass::DoorTrack));
/// assert_eq!(LiftCode::Inspection.class(), None);
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
#[rkyv(crate = rkyv, derive(PartialEq, Eq, PartialOrd, Ord))]
pub enum FaultClass {
    /// Contacts of door locks wear: the safety chain opens.
    DoorLock,
    /// Dirt in a door's track, worn rollers.
    DoorTrack,
    /// The light curtain of a door.
    LightCurtain,
    /// Levelling drifts, the brake wears.
    Levelling,
    /// Ropes slip.
    Traction,
    /// The position is lost.
    Encoder,
    /// The drive and its contactors.
    Drive,
    /// The power of the building.
    Power,
    /// The link, or a sensor.
    Comms,
    /// What people do.
    Misuse,
}

impl FaultClass {
    /// All of them.
    pub const ALL: [FaultClass; 10] = [
        FaultClass::DoorLock,
        FaultClass::DoorTrack,
        FaultClass::LightCurtain,
        FaultClass::Levelling,
        FaultClass::Traction,
        FaultClass::Encoder,
        FaultClass::Drive,
        FaultClass::Power,
        FaultClass::Comms,
        FaultClass::Misuse,
    ];
}

impl Key for FaultClass {
    fn stable_hash(&self) -> u64 {
        (*self as u8).stable_hash()
    }
}

impl LiftCode {
    /// What kind of news it is.
    #[must_use]
    pub fn family(self) -> CodeFamily {
        match self {
            LiftCode::Unknown => CodeFamily::Unknown,
            LiftCode::CarButton | LiftCode::Trapped => CodeFamily::Alarm,
            LiftCode::NoFault
            | LiftCode::BackToAutomatic
            | LiftCode::PowerLost
            | LiftCode::OutOfService
            | LiftCode::Inspection
            | LiftCode::FireReturn
            | LiftCode::Firefighter
            | LiftCode::EmergencyPower
            | LiftCode::Earthquake => CodeFamily::Event,
            _ => CodeFamily::Fault,
        }
    }

    /// Somebody in the car calls, or the controller says that somebody is trapped: people are told at once.
    #[must_use]
    pub fn calls_for_help(self) -> bool {
        matches!(self, LiftCode::CarButton | LiftCode::Trapped)
    }

    /// What breaks; none if it is not a fault, or says nothing of what it is.
    #[must_use]
    pub fn class(self) -> Option<FaultClass> {
        Some(match self {
            LiftCode::SafetyChainOpen | LiftCode::OpenedWhileRunning | LiftCode::MovedWithDoorsOpen => {
                FaultClass::DoorLock
            }
            LiftCode::DoorCloseFault | LiftCode::DoorOpenFault => FaultClass::DoorTrack,
            LiftCode::DoorCycling => FaultClass::LightCurtain,
            LiftCode::StoppedOutsideZone | LiftCode::UnintendedMovement => FaultClass::Levelling,
            LiftCode::OvertravelTop | LiftCode::OvertravelPit | LiftCode::Overspeed => FaultClass::Traction,
            LiftCode::PositionLost => FaultClass::Encoder,
            LiftCode::RunTimeLimit | LiftCode::RerunPrevented => FaultClass::Drive,
            LiftCode::PowerLost => FaultClass::Power,
            _ => return None,
        })
    }
}

/// A code as it came, and what it means.
///
/// # Examples
/// ```
/// use watchfire_operators::elevator::{Coded, LiftCode};
/// let coded = Coded { raw: "E-77".into(), code: LiftCode::Unknown };
/// assert_eq!(serde_json::to_string(&coded)?, r#"{"raw":"E-77","code":"unknown"}"#);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Coded {
    /// What the controller sent.
    pub raw: String,
    /// What it means.
    pub code: LiftCode,
}

/// What the codes of a controller mean.
///
/// A code of digits is the same with and without zeros before it, for gateways add and drop them; any other is compared as it is, without blanks around it.
///
/// # Examples
/// What a vendor names otherwise goes into a map of one's own:
/// ```
/// use watchfire_operators::elevator::{CodeMap, LiftCode};
/// let map: CodeMap = toml::from_str(r#"
///     name = "example works"
///     codes = { "E-21" = "door_close_fault", "077" = "power_lost" }
/// "#)?;
/// assert_eq!(map.read(" E-21 ").code, LiftCode::DoorCloseFault);
/// assert_eq!(map.read("77").code, LiftCode::PowerLost);
/// let unheard_of = map.read("E-99");
/// assert_eq!((unheard_of.raw.as_str(), unheard_of.code), ("E-99", LiftCode::Unknown));
/// # Ok::<(), toml::de::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct CodeMap {
    name: String,
    codes: BTreeMap<String, LiftCode>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: String,
    codes: BTreeMap<String, LiftCode>,
}

/// A map that gives one code two meanings.
///
/// # Examples
/// ```
/// use watchfire_operators::elevator::{CodeMap, LiftCode};
/// let error = CodeMap::new("example works", [("077", LiftCode::PowerLost), ("77", LiftCode::Inspection)]).unwrap_err();
/// assert_eq!(error.code(), "E0602");
/// assert!(error.to_string().starts_with(r#"E0602 code map "example works": "77" stands for two things."#), "{error}");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "E0602 code map {map:?}: {code:?} stands for two things. Remedy: name each code once, with or without zeros before it."
)]
pub struct CodeMapError {
    map: String,
    code: String,
}

impl CodeMapError {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        "E0602"
    }
}

/// Without blanks around it, and of digits without zeros before them.
fn plain(raw: &str) -> &str {
    let raw = raw.trim();
    if raw.is_empty() || !raw.bytes().all(|byte| byte.is_ascii_digit()) {
        return raw;
    }
    let digits = raw.trim_start_matches('0');
    if digits.is_empty() { "0" } else { digits }
}

impl CodeMap {
    /// A map of so many codes.
    ///
    /// # Errors
    /// `E0602` if two are the same code with different meanings.
    pub fn new<'c>(
        name: impl Into<String>,
        codes: impl IntoIterator<Item = (&'c str, LiftCode)>,
    ) -> Result<Self, CodeMapError> {
        let (name, mut by_code) = (name.into(), BTreeMap::new());
        for (raw, code) in codes {
            let before = by_code.insert(plain(raw).to_owned(), code);
            if before.is_some_and(|before| before != code) {
                return Err(CodeMapError { map: name, code: raw.to_owned() });
            }
        }
        Ok(CodeMap { name, codes: by_code })
    }

    /// As gateways of GB/T 24476-2017 send them: faults 00 to 08, events 40 to 47, alarm 90.
    #[must_use]
    pub fn gbt_24476() -> Self {
        Self::of("gbt_24476", &GBT_24476)
    }

    /// As several cities have it: 08 to 15 more, where 08 is another fault and 15 is the button in the car.
    #[must_use]
    pub fn city() -> Self {
        Self::of("city", &CITY)
    }

    /// Of four digits: 0101 is somebody trapped.
    #[must_use]
    pub fn four_digits() -> Self {
        Self::of("four_digits", &FOUR_DIGITS)
    }

    fn of(name: &str, codes: &[(&str, LiftCode)]) -> Self {
        let codes = codes.iter().map(|(raw, code)| (plain(raw).to_owned(), *code)).collect();
        CodeMap { name: name.to_owned(), codes }
    }

    /// What it is called.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What a code means. What the map does not have is [`LiftCode::Unknown`]; the code as it came is kept.
    #[must_use]
    pub fn read(&self, raw: &str) -> Coded {
        let code = self.codes.get(plain(raw)).copied().unwrap_or(LiftCode::Unknown);
        Coded { raw: raw.to_owned(), code }
    }
}

impl TryFrom<Written> for CodeMap {
    type Error = CodeMapError;

    fn try_from(written: Written) -> Result<Self, CodeMapError> {
        CodeMap::new(written.name, written.codes.iter().map(|(raw, code)| (raw.as_str(), *code)))
    }
}

impl From<CodeMap> for Written {
    fn from(CodeMap { name, codes }: CodeMap) -> Self {
        Written { name, codes }
    }
}

impl fmt::Display for CodeMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} codes)", self.name, self.codes.len())
    }
}

/// Events, and the alarm, are the same in both schemes of two digits.
const GBT_24476: [(&str, LiftCode); 19] = [
    ("00", LiftCode::NoFault),
    ("01", LiftCode::SafetyChainOpen),
    ("02", LiftCode::DoorCloseFault),
    ("03", LiftCode::DoorOpenFault),
    ("04", LiftCode::StoppedOutsideZone),
    ("05", LiftCode::UnintendedMovement),
    ("06", LiftCode::RunTimeLimit),
    ("07", LiftCode::PositionLost),
    ("08", LiftCode::RerunPrevented),
    ("40", LiftCode::BackToAutomatic),
    ("41", LiftCode::PowerLost),
    ("42", LiftCode::OutOfService),
    ("43", LiftCode::Inspection),
    ("44", LiftCode::FireReturn),
    ("45", LiftCode::Firefighter),
    ("46", LiftCode::EmergencyPower),
    ("47", LiftCode::Earthquake),
    ("90", LiftCode::CarButton),
    ("99", LiftCode::OtherFault),
];

const CITY: [(&str, LiftCode); 26] = [
    ("00", LiftCode::NoFault),
    ("01", LiftCode::SafetyChainOpen),
    ("02", LiftCode::DoorCloseFault),
    ("03", LiftCode::DoorOpenFault),
    ("04", LiftCode::StoppedOutsideZone),
    ("05", LiftCode::UnintendedMovement),
    ("06", LiftCode::RunTimeLimit),
    ("07", LiftCode::PositionLost),
    ("08", LiftCode::OpenedWhileRunning),
    ("09", LiftCode::OvertravelTop),
    ("10", LiftCode::OvertravelPit),
    ("11", LiftCode::Overspeed),
    ("12", LiftCode::MovedWithDoorsOpen),
    ("13", LiftCode::RunTimeLimit),
    ("14", LiftCode::DoorCycling),
    ("15", LiftCode::CarButton),
    ("40", LiftCode::BackToAutomatic),
    ("41", LiftCode::PowerLost),
    ("42", LiftCode::OutOfService),
    ("43", LiftCode::Inspection),
    ("44", LiftCode::FireReturn),
    ("45", LiftCode::Firefighter),
    ("46", LiftCode::EmergencyPower),
    ("47", LiftCode::Earthquake),
    ("90", LiftCode::CarButton),
    ("99", LiftCode::OtherFault),
];

/// What 0202 and 0203 mean is not public.
const FOUR_DIGITS: [(&str, LiftCode); 5] = [
    ("0101", LiftCode::Trapped),
    ("0204", LiftCode::OvertravelPit),
    ("0205", LiftCode::OvertravelTop),
    ("0401", LiftCode::OutOfService),
    ("0402", LiftCode::Inspection),
];
