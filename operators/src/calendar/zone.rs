//! Time zones, and times as sources write them.

use std::fmt;
use std::ops::Range;

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{Offset, TimeZone};
use serde::{Deserialize, Serialize};
use watchfire_engine::Error;

/// A time zone of the IANA database, which is built in.
///
/// # Examples
/// ```
/// use watchfire_operators::calendar::Zone;
/// let here = Zone::default();
/// assert_eq!(here.to_string(), "Asia/Shanghai");
/// assert_eq!(here.instant_ms("1970-01-01 08:00:01.5")?, 1_500);
/// // An offset of its own goes before the zone.
/// assert_eq!(here.instant_ms("1970-01-01T01:00:00+01:00")?, 0);
/// assert_eq!(Zone::named("Asia/Huayang").unwrap_err().code(), "E0172");
/// # Ok::<(), watchfire_engine::Error>(())
/// ```
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Zone {
    name: String,
    zone: TimeZone,
}

impl Default for Zone {
    /// Asia/Shanghai: UTC+8 all year, since 1991.
    fn default() -> Self {
        let name = "Asia/Shanghai";
        let zone = TimeZone::get(name).unwrap_or_else(|_| TimeZone::fixed(Offset::constant(8)));
        Zone { name: name.to_owned(), zone }
    }
}

impl Zone {
    /// By its name in the IANA database.
    ///
    /// # Errors
    /// `E0172` if there is none of that name.
    pub fn named(name: &str) -> Result<Self, Error> {
        let unknown = |_| {
            Error::new("E0172", format!("there is no time zone \"{name}\""))
                .remedy("use a name of the IANA database, such as Asia/Shanghai")
        };
        Ok(Zone { name: name.to_owned(), zone: TimeZone::get(name).map_err(unknown)? })
    }

    /// The milliseconds since 1970 UTC of a date and time of day in the format of RFC 3339 or ISO 8601, with `T` or a space between them. One
    /// without an offset is of this zone; where clocks are set back it is the earlier of the two, where they are set forward it is
    /// taken as if they had not been.
    ///
    /// # Errors
    /// `E0474` if it is no such text, or a date alone.
    pub fn instant_ms(&self, text: &str) -> Result<i64, Error> {
        let text = text.trim();
        if let Ok(instant) = text.parse::<Timestamp>() {
            return Ok(instant.as_millisecond());
        }
        // A date alone would read as its midnight, and another zone behind it would be passed over.
        let civil = text.parse::<DateTime>().ok().filter(|_| text.contains(':') && !text.contains('['));
        let instant = civil.and_then(|civil| self.instant_of(civil));
        instant.ok_or_else(|| {
            Error::new("E0474", "a time is neither RFC 3339 nor a date and time of day").remedy(
                "give times as 2026-11-27T14:05:00+08:00, or without the offset in the zone that the source declares",
            )
        })
    }

    pub(super) fn instant_of(&self, civil: DateTime) -> Option<i64> {
        Some(self.zone.to_timestamp(civil).ok()?.as_millisecond())
    }

    /// How far the clocks here have come in the day, milliseconds since they showed midnight: 0 to 86,399,999. Where they are set back an hour comes twice. Of an
    /// instant that is not of the years -9999 to 9999 it is that of UTC.
    ///
    /// # Examples
    /// ```
    /// use watchfire_operators::calendar::Zone;
    /// let berlin = Zone::named("Europe/Berlin")?;
    /// let at = |text| berlin.instant_ms(text);
    /// assert_eq!(berlin.day_ms(at("2026-03-28 08:00:00")?), 8 * 3_600_000);
    /// assert_eq!(berlin.day_ms(at("2026-03-29 08:00:00")?), 8 * 3_600_000, "though that day has lost an hour");
    /// # Ok::<(), watchfire_engine::Error>(())
    /// ```
    #[must_use]
    pub fn day_ms(&self, at_ms: i64) -> i64 {
        match self.civil(at_ms) {
            Some((_, time)) => time.duration_since(Time::midnight()).as_millis() as i64,
            None => at_ms.rem_euclid(86_400_000),
        }
    }

    /// The day of an instant, from midnight here to the next, of 23 to 25 hours where clocks are set: milliseconds since 1970-01-01 UTC, half-open. Where clocks skip
    /// midnight it begins with the first instant after. Of an instant that is not of the years -9999 to 9999 it is that of UTC.
    ///
    /// # Examples
    /// ```
    /// use watchfire_operators::calendar::Zone;
    /// let berlin = Zone::named("Europe/Berlin")?;
    /// let day = berlin.day_of(berlin.instant_ms("2026-03-29 08:00:00")?);
    /// assert_eq!(day.start, berlin.instant_ms("2026-03-29 00:00:00")?);
    /// assert_eq!(day.end - day.start, 23 * 3_600_000);
    /// # Ok::<(), watchfire_engine::Error>(())
    /// ```
    #[must_use]
    pub fn day_of(&self, at_ms: i64) -> Range<i64> {
        let begins = |date: Date| self.instant_of(date.to_datetime(Time::midnight()));
        let days = |date: Date| Some(begins(date)?..begins(date.tomorrow().ok()?)?);
        self.civil(at_ms).and_then(|(date, _)| days(date)).filter(|day| day.contains(&at_ms)).unwrap_or_else(|| {
            let from_ms = at_ms.saturating_sub(at_ms.rem_euclid(86_400_000));
            from_ms..from_ms.saturating_add(86_400_000)
        })
    }

    /// The date and time of day here, if the instant is of the years -9999 to 9999.
    pub(super) fn civil(&self, at_ms: i64) -> Option<(Date, Time)> {
        let civil = self.zone.to_datetime(Timestamp::from_millisecond(at_ms).ok()?);
        Some((civil.date(), civil.time()))
    }
}

impl TryFrom<String> for Zone {
    type Error = Error;

    fn try_from(name: String) -> Result<Self, Error> {
        Zone::named(&name)
    }
}

impl From<Zone> for String {
    fn from(zone: Zone) -> Self {
        zone.name
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Zone({})", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_without_daylight_saving_is_eight_hours_off() {
        let (here, utc) = (Zone::default(), Zone::named("UTC").unwrap());
        let text = "2026-11-27 14:05:00";
        assert_eq!(utc.instant_ms(text).unwrap() - here.instant_ms(text).unwrap(), 8 * 3_600_000);
    }

    #[test]
    fn what_comes_twice_is_the_first_and_what_never_comes_is_as_if_it_did() {
        let berlin = Zone::named("Europe/Berlin").unwrap();
        let at = |text: &str| berlin.instant_ms(text).unwrap();
        assert_eq!(at("2026-10-25 02:30:00"), at("2026-10-25T00:30:00Z"));
        assert_eq!(at("2026-03-29 02:30:00"), at("2026-03-29T01:30:00Z"));
    }

    #[test]
    fn what_is_no_instant_is_refused() {
        for text in [
            "",
            "2026-11-27",
            "14:05:00",
            "27.11.2026 14:05",
            "2026-02-30 10:00:00",
            "2026-11-27T14:05:00[Europe/Berlin]",
            "1764223500",
        ] {
            assert_eq!(Zone::default().instant_ms(text).unwrap_err().code(), "E0474", "{text}");
        }
    }
}
