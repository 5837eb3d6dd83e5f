//! What one tower crane reports at one instant: the input row of the crane flow.

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// One sample of one crane, as the decoder hands it to the flow.
///
/// The row is deliberately small (72 bytes, no heap): a site sends it ten times a second per crane. Field names carry
/// their unit last; a decoder converts (vendors send tonnes, decimetres and BCD clocks) before it builds this row.
///
/// **Unknown fields are tolerated on decoding** (`deny_unknown_fields` is not set). Vendor frames carry dozens of other
/// fields and a firmware update adds more; refusing the frame for one of them would silence the crane, and silence is
/// not safe. A *missing* mandatory field, or one of the wrong type, is an error. Fields of type `Option` may be
/// missing.
///
/// The row says nothing of the crane being "in climbing mode" or "under test": such a state suspends alarms, and a
/// suspension needs an owner, a reason and an end, which a device flag does not have.
///
/// Slew angle is absent because the rated load of a tower crane does not depend on it. The hook height is here because
/// it tells a stuck load cell from an idle hook (the hook travels, the load does not change).
///
/// ```
/// use watchfire_operators::crane::CraneReading;
///
/// let reading = CraneReading { wind_mps: Some(4.2), ..CraneReading::new(7, 1_767_225_600_000, 3_300.0, 15.0, 4) };
/// assert_eq!(reading.validate(), Ok(()));
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CraneReading {
    /// Number of the crane within the district; the key of the flow.
    pub crane: u32,
    /// Time of the sample by the device's clock, milliseconds since 1970-01-01 UTC.
    pub event_time_ms: i64,
    /// Load on the hook, hook block included, kilograms. Slightly negative values are real: see
    /// [`ReadingLimits::load_min_kg`].
    pub load_kg: f64,
    /// Horizontal distance from the slewing axis to the trolley, metres, from 0. Most devices measure the trolley and
    /// not the swinging load.
    pub radius_m: f64,
    /// Falls of rope that carry the hook, 1 or more; on tower cranes 2 or 4. Selects the load curve.
    pub reeving: u8,
    /// Wind speed at the crane, metres per second, from 0; `None` without an anemometer or while it is out of order.
    pub wind_mps: Option<f64>,
    /// Height of the hook above the foot of the crane, metres; negative over a pit. `None` if not measured.
    pub hook_height_m: Option<f64>,
    /// Number under which the operator logged in, never a name. Personal: it reaches no log and no error text.
    /// `None` while nobody is logged in.
    pub operator: Option<u32>,
}

impl CraneReading {
    /// A reading with the mandatory fields; the optional ones are `None`. Nothing is checked: see
    /// [`validate`](Self::validate).
    ///
    /// ```
    /// let reading = watchfire_operators::crane::CraneReading::new(1, 0, 200.0, 12.5, 2);
    /// assert_eq!(reading.operator, None);
    /// ```
    #[must_use]
    pub fn new(crane: u32, event_time_ms: i64, load_kg: f64, radius_m: f64, reeving: u8) -> Self {
        Self { crane, event_time_ms, load_kg, radius_m, reeving, wind_mps: None, hook_height_m: None, operator: None }
    }

    /// Checks the reading against the default [`ReadingLimits`].
    ///
    /// # Errors
    /// As [`validate_within`](Self::validate_within).
    ///
    /// ```
    /// use watchfire_operators::crane::CraneReading;
    ///
    /// let broken = CraneReading::new(1, 0, f64::NAN, 12.5, 2);
    /// assert_eq!(broken.validate().unwrap_err().code(), "E0411");
    /// ```
    pub fn validate(&self) -> Result<(), ReadingError> {
        self.validate_within(&ReadingLimits::default())
    }

    /// Checks every field and reports the first that is not a finite number or lies outside its closed range.
    ///
    /// Order of the checks: reeving, event time, load, radius, wind, hook height. Constant time, no allocation. A
    /// refused reading must go to the dead letters and count as *no evidence* for its crane, never as a normal state.
    ///
    /// # Errors
    /// A [`ReadingError`] that names the field, the value and the range, and never the operator.
    ///
    /// ```
    /// use watchfire_operators::crane::{CraneReading, ReadingLimits};
    ///
    /// let small_site = ReadingLimits { radius_max_m: 50.0, ..ReadingLimits::default() };
    /// let reading = CraneReading::new(1, 0, 1_000.0, 55.0, 2);
    /// assert_eq!(reading.validate_within(&small_site).unwrap_err().field(), "radius_m");
    /// ```
    pub fn validate_within(&self, limits: &ReadingLimits) -> Result<(), ReadingError> {
        if self.reeving == 0 || self.reeving > limits.reeving_max {
            return Err(ReadingError::Reeving { at: self.place(), reeving: self.reeving, max: limits.reeving_max });
        }
        if self.event_time_ms < limits.event_time_min_ms || self.event_time_ms > limits.event_time_max_ms {
            return Err(ReadingError::EventTime {
                at: self.place(),
                min_ms: limits.event_time_min_ms,
                max_ms: limits.event_time_max_ms,
            });
        }
        self.check("load_kg", self.load_kg, limits.load_min_kg, limits.load_max_kg)?;
        self.check("radius_m", self.radius_m, 0.0, limits.radius_max_m)?;
        if let Some(wind_mps) = self.wind_mps {
            self.check("wind_mps", wind_mps, 0.0, limits.wind_max_mps)?;
        }
        if let Some(height_m) = self.hook_height_m {
            self.check("hook_height_m", height_m, limits.hook_height_min_m, limits.hook_height_max_m)?;
        }
        Ok(())
    }

    fn check(&self, field: &'static str, value: f64, min: f64, max: f64) -> Result<(), ReadingError> {
        if !value.is_finite() {
            return Err(ReadingError::NotFinite { at: self.place(), field, value });
        }
        if value < min {
            return Err(ReadingError::TooLow { at: self.place(), field, value, min });
        }
        if value > max {
            return Err(ReadingError::TooHigh { at: self.place(), field, value, max });
        }
        Ok(())
    }

    fn place(&self) -> ReadingPlace {
        ReadingPlace { crane: self.crane, event_time_ms: self.event_time_ms }
    }
}

/// The closed ranges that a [`CraneReading`] must keep. They stop wrong units and broken sensors, not overloads: a
/// crane far above its rated load is well inside them.
///
/// ```
/// let limits = watchfire_operators::crane::ReadingLimits::default();
/// assert_eq!((limits.load_min_kg, limits.load_max_kg), (-300.0, 600_000.0));
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ReadingLimits {
    /// Least load, kilograms. Default -300: a load cell's zero drifts (0.5 % of the maximum per hour is usual), and 5 %
    /// is the combined error that GB/T 28264 is understood to allow, which is 300 kg on a 6 t crane. Below it the cell
    /// is broken, not drifting.
    pub load_min_kg: f64,
    /// Greatest load, kilograms. Default 600,000: the largest tower cranes built lift about 450 t.
    pub load_max_kg: f64,
    /// Greatest radius, metres. Default 120: the longest jibs built reach about 100 m.
    pub radius_max_m: f64,
    /// Greatest number of falls. Default 16; tower cranes have 2 or 4.
    pub reeving_max: u8,
    /// Greatest wind speed, metres per second. Default 100, above any gust a crane survives.
    pub wind_max_mps: f64,
    /// Least hook height above the foot of the crane, metres. Default -100 (a deep pit).
    pub hook_height_min_m: f64,
    /// Greatest hook height, metres. Default 1,000.
    pub hook_height_max_m: f64,
    /// Earliest event time, milliseconds since 1970. Default 0; a live site may demand its own first day, which also
    /// catches clocks that fell back to 1970 or 2000 and stamps given in seconds.
    pub event_time_min_ms: i64,
    /// Latest event time, milliseconds since 1970. Default 253,402,300,799,999 (the end of year 9999), which catches
    /// stamps in microseconds. A merely fast clock is not refused here: it is the skew output's business.
    pub event_time_max_ms: i64,
}

impl Default for ReadingLimits {
    fn default() -> Self {
        Self {
            load_min_kg: -300.0,
            load_max_kg: 600_000.0,
            radius_max_m: 120.0,
            reeving_max: 16,
            wind_max_mps: 100.0,
            hook_height_min_m: -100.0,
            hook_height_max_m: 1_000.0,
            event_time_min_ms: 0,
            event_time_max_ms: 253_402_300_799_999,
        }
    }
}

/// Which reading an error speaks of.
///
/// ```
/// let place = watchfire_operators::crane::ReadingPlace { crane: 7, event_time_ms: 1_000 };
/// assert_eq!(place.to_string(), "crane 7, event time 1000 ms");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadingPlace {
    /// The crane's number.
    pub crane: u32,
    /// The event time the reading carried, milliseconds since 1970.
    pub event_time_ms: i64,
}

impl std::fmt::Display for ReadingPlace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "crane {}, event time {} ms", self.crane, self.event_time_ms)
    }
}

/// Why a reading was refused. The text holds the stable code, the place, the field and the remedy; the operator's
/// number is not among its parts.
///
/// ```
/// use watchfire_operators::crane::CraneReading;
///
/// let error = CraneReading::new(7, 1_000, 1_000.0, 12.5, 0).validate().unwrap_err();
/// assert_eq!((error.code(), error.field()), ("E0414", "reeving"));
/// assert!(error.to_string().starts_with("E0414 reeving 0 is not 1 to 16 (crane 7, event time 1000 ms)"));
/// ```
#[derive(Clone, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum ReadingError {
    /// A field holds NaN or an infinity.
    #[error(
        "E0411 {field} is not a finite number: {value} ({at}). Remedy: check the sensor and the decoder; \
         treat the crane as unobserved until readings are sound"
    )]
    NotFinite {
        /// The reading.
        at: ReadingPlace,
        /// The field's name.
        field: &'static str,
        /// What it held.
        value: f64,
    },
    /// A field lies below its range.
    #[error(
        "E0412 {field} {value} is below {min} ({at}). Remedy: re-zero or replace the sensor, or lower the limit in \
         ReadingLimits if such values are real here"
    )]
    TooLow {
        /// The reading.
        at: ReadingPlace,
        /// The field's name.
        field: &'static str,
        /// What it held.
        value: f64,
        /// Least value allowed.
        min: f64,
    },
    /// A field lies above its range.
    #[error(
        "E0413 {field} {value} is above {max} ({at}). Remedy: check the unit the decoder assumes, or raise the limit \
         in ReadingLimits if such values are real here"
    )]
    TooHigh {
        /// The reading.
        at: ReadingPlace,
        /// The field's name.
        field: &'static str,
        /// What it held.
        value: f64,
        /// Greatest value allowed.
        max: f64,
    },
    /// The number of falls is zero or implausible.
    #[error("E0414 reeving {reeving} is not 1 to {max} ({at}). Remedy: check the reeving set at the crane's display")]
    Reeving {
        /// The reading.
        at: ReadingPlace,
        /// What it held.
        reeving: u8,
        /// Greatest number allowed.
        max: u8,
    },
    /// The event time is not a date in milliseconds.
    #[error(
        "E0415 event_time_ms is not within {min_ms} to {max_ms} ({at}). Remedy: check that the device sends \
         milliseconds since 1970 UTC and that its clock is set"
    )]
    EventTime {
        /// The reading.
        at: ReadingPlace,
        /// Earliest time allowed.
        min_ms: i64,
        /// Latest time allowed.
        max_ms: i64,
    },
}

impl ReadingError {
    /// The stable code, `E0411` to `E0415`.
    ///
    /// ```
    /// use watchfire_operators::crane::CraneReading;
    /// assert_eq!(CraneReading::new(1, -1, 0.0, 10.0, 2).validate().unwrap_err().code(), "E0415");
    /// ```
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotFinite { .. } => "E0411",
            Self::TooLow { .. } => "E0412",
            Self::TooHigh { .. } => "E0413",
            Self::Reeving { .. } => "E0414",
            Self::EventTime { .. } => "E0415",
        }
    }

    /// The name of the refused field, as in [`CraneReading`].
    ///
    /// ```
    /// use watchfire_operators::crane::CraneReading;
    /// assert_eq!(CraneReading::new(1, 0, 0.0, -0.1, 2).validate().unwrap_err().field(), "radius_m");
    /// ```
    #[must_use]
    pub fn field(&self) -> &'static str {
        match self {
            Self::NotFinite { field, .. } | Self::TooLow { field, .. } | Self::TooHigh { field, .. } => field,
            Self::Reeving { .. } => "reeving",
            Self::EventTime { .. } => "event_time_ms",
        }
    }

    /// Which reading was refused.
    ///
    /// ```
    /// use watchfire_operators::crane::CraneReading;
    /// assert_eq!(CraneReading::new(9, 5, 0.0, -1.0, 2).validate().unwrap_err().place().crane, 9);
    /// ```
    #[must_use]
    pub fn place(&self) -> ReadingPlace {
        match self {
            Self::NotFinite { at, .. }
            | Self::TooLow { at, .. }
            | Self::TooHigh { at, .. }
            | Self::Reeving { at, .. }
            | Self::EventTime { at, .. } => *at,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sound() -> CraneReading {
        CraneReading {
            wind_mps: Some(5.0),
            hook_height_m: Some(12.0),
            operator: Some(918_273),
            ..CraneReading::new(7, 1_767_225_600_000, 3_300.0, 15.0, 4)
        }
    }

    fn refused(reading: &CraneReading) -> (&'static str, &'static str) {
        let error = reading.validate().unwrap_err();
        assert!(error.to_string().starts_with(error.code()), "{error}");
        assert!(error.to_string().contains(error.field()), "{error}");
        assert!(error.to_string().contains("Remedy"), "{error}");
        assert!(!error.to_string().contains("918273"), "the operator leaked: {error}");
        (error.code(), error.field())
    }

    #[test]
    fn sound_reading_passes_and_stays_small() {
        assert_eq!(sound().validate(), Ok(()));
        assert!(size_of::<CraneReading>() <= 72, "{}", size_of::<CraneReading>());
    }

    #[test]
    fn not_finite_is_refused_in_every_field() {
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(refused(&CraneReading { load_kg: bad, ..sound() }), ("E0411", "load_kg"));
            assert_eq!(refused(&CraneReading { radius_m: bad, ..sound() }), ("E0411", "radius_m"));
            assert_eq!(refused(&CraneReading { wind_mps: Some(bad), ..sound() }), ("E0411", "wind_mps"));
            assert_eq!(refused(&CraneReading { hook_height_m: Some(bad), ..sound() }), ("E0411", "hook_height_m"));
        }
    }

    #[test]
    fn ranges_are_closed() {
        let at = |load_kg| CraneReading { load_kg, ..sound() };
        assert_eq!(at(-300.0).validate(), Ok(()));
        assert_eq!(at(600_000.0).validate(), Ok(()));
        assert_eq!(refused(&at(-300.1)), ("E0412", "load_kg"));
        assert_eq!(refused(&at(600_000.1)), ("E0413", "load_kg"));
        let at = |radius_m| CraneReading { radius_m, ..sound() };
        assert_eq!(at(0.0).validate(), Ok(()));
        assert_eq!(at(120.0).validate(), Ok(()));
        assert_eq!(refused(&at(-0.1)), ("E0412", "radius_m"));
        assert_eq!(refused(&at(120.1)), ("E0413", "radius_m"));
        assert_eq!(refused(&CraneReading { wind_mps: Some(-0.1), ..sound() }), ("E0412", "wind_mps"));
        assert_eq!(refused(&CraneReading { wind_mps: Some(100.1), ..sound() }), ("E0413", "wind_mps"));
        assert_eq!(refused(&CraneReading { hook_height_m: Some(-100.1), ..sound() }), ("E0412", "hook_height_m"));
        assert_eq!(refused(&CraneReading { hook_height_m: Some(1_000.1), ..sound() }), ("E0413", "hook_height_m"));
    }

    #[test]
    fn reeving_and_time_are_checked() {
        assert_eq!(refused(&CraneReading { reeving: 0, ..sound() }), ("E0414", "reeving"));
        assert_eq!(refused(&CraneReading { reeving: 17, ..sound() }), ("E0414", "reeving"));
        assert_eq!(CraneReading { reeving: 16, ..sound() }.validate(), Ok(()));
        assert_eq!(refused(&CraneReading { event_time_ms: -1, ..sound() }), ("E0415", "event_time_ms"));
        let microseconds = 1_767_225_600_000_000;
        assert_eq!(refused(&CraneReading { event_time_ms: microseconds, ..sound() }), ("E0415", "event_time_ms"));
        assert_eq!(refused(&CraneReading { event_time_ms: i64::MIN, ..sound() }), ("E0415", "event_time_ms"));
    }

    #[test]
    fn decoding_tolerates_unknown_fields_and_demands_known_ones() {
        let text = "crane = 1\nevent_time_ms = 5\nload_kg = 10.0\nradius_m = 3.0\nreeving = 2\nfirmware = \"9.1\"\n";
        assert_eq!(toml::from_str::<CraneReading>(text).unwrap(), CraneReading::new(1, 5, 10.0, 3.0, 2));
        let without_load = text.replace("load_kg = 10.0\n", "");
        assert!(toml::from_str::<CraneReading>(&without_load).is_err());
    }

    #[test]
    fn limits_refuse_unknown_fields_and_fill_in_defaults() {
        let limits: ReadingLimits = toml::from_str("radius_max_m = 60.0").unwrap();
        assert_eq!(limits, ReadingLimits { radius_max_m: 60.0, ..ReadingLimits::default() });
        assert!(toml::from_str::<ReadingLimits>("radius_max = 60.0").is_err());
    }

    proptest! {
        #[test]
        fn round_trip_and_totality(
            load in any::<f64>(), radius in any::<f64>(), falls in any::<u8>(), time in any::<i64>()
        ) {
            let reading = CraneReading { operator: Some(4), ..CraneReading::new(3, time, load, radius, falls) };
            let accepted = reading.validate().is_ok();
            let sound = (-300.0..=600_000.0).contains(&load) && (0.0..=120.0).contains(&radius)
                && (1..=16).contains(&falls) && (0..=253_402_300_799_999).contains(&time);
            prop_assert_eq!(accepted, sound);
            if load.is_finite() && radius.is_finite() {
                let back: CraneReading = toml::from_str(&toml::to_string(&reading).unwrap()).unwrap();
                prop_assert_eq!(back, reading);
            }
        }
    }
}
