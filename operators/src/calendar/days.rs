//! Work days, holidays, make-up work days, and shifts.

use std::collections::BTreeMap;

use jiff::ToSpan;
use jiff::civil::{Date, Time};
use serde::{Deserialize, Serialize};
use watchfire_engine::Error;

use super::Zone;

/// When people work: which days of which years, which hours, which shifts.
///
/// It knows the days from `from` (inclusive) to `until` (exclusive), for which holidays have been published; what it is asked
/// beyond them is an error and no guess. Each edition has a `version`, which belongs beside every limit that was worked out by it.
///
/// # Examples
/// ```
/// use watchfire_operators::calendar::Calendar;
/// let calendar: Calendar = toml::from_str(r#"
///     version = "2025-1"
///     from = "2025-01-01"
///     until = "2026-01-01"
///     hours = [{ from = "09:00", until = "12:00" }, { from = "13:00", until = "18:00" }]
///     off = { 2025-10-01 = "National Day", 2025-10-02 = "National Day", 2025-10-03 = "National Day" }
///     work = { 2025-09-28 = "for 7 October" }
/// "#)?;
/// let at = |text| calendar.zone().instant_ms(text);
/// // One hour on the Tuesday evening, then three holidays and a weekend, then three hours on the Monday.
/// let due = calendar.after_work_ms(at("2025-09-30 17:00:00")?, 4 * 3_600_000)?;
/// assert_eq!(due, at("2025-10-06 12:00:00")?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Written")]
pub struct Calendar {
    #[serde(flatten)]
    written: Written,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    version: String,
    #[serde(default)]
    zone: Zone,
    from: Date,
    until: Date,
    hours: Vec<Hours>,
    #[serde(default = "weekend")]
    rest_days: Vec<Weekday>,
    #[serde(default)]
    off: BTreeMap<Date, String>,
    #[serde(default)]
    work: BTreeMap<Date, String>,
    #[serde(default)]
    shifts: Vec<Shift>,
}

/// Hours of a work day, `from` (inclusive) to `until` (exclusive) of the same day; `00:00` is the midnight at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hours {
    /// The first moment.
    pub from: Time,
    /// The moment after the last.
    pub until: Time,
}

/// Who is on duty when: `from` (inclusive) to `until` (exclusive), on the next day if that is not later.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shift {
    /// What the shift is called.
    pub name: String,
    /// When it begins.
    pub from: Time,
    /// When it ends; if that is when it begins, a day later.
    pub until: Time,
    /// On which days it begins.
    #[serde(default)]
    pub days: ShiftDays,
}

/// On which days a shift begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ShiftDays {
    /// On every day.
    #[default]
    Every,
    /// On work days.
    Work,
    /// On all others.
    Rest,
}

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Weekday {
    /// The first day.
    Monday,
    /// The second day.
    Tuesday,
    /// The third day.
    Wednesday,
    /// The fourth day.
    Thursday,
    /// The fifth day.
    Friday,
    /// The sixth day.
    Saturday,
    /// The seventh day.
    Sunday,
}

fn weekend() -> Vec<Weekday> {
    vec![Weekday::Saturday, Weekday::Sunday]
}

impl Hours {
    /// Whether they go on to the end of the day.
    fn to_midnight(self) -> bool {
        self.until == Time::midnight()
    }
}

impl TryFrom<Written> for Calendar {
    type Error = Error;

    fn try_from(written: Written) -> Result<Self, Error> {
        let wrong = written.wrong();
        if wrong.is_empty() {
            return Ok(Calendar { written });
        }
        let what = format!("calendar \"{}\" contradicts itself: {}", written.version, wrong.join("; "));
        Err(Error::new("E0171", what).remedy("mend the calendar as it was published"))
    }
}

impl Written {
    /// Everything that is wrong, at once.
    fn wrong(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        if self.from >= self.until {
            wrong.push(format!("it ends on {}, not after its first day {}", self.until, self.from));
        }
        if self.hours.is_empty() {
            wrong.push("a work day has no hours".to_owned());
        }
        for hours in self.hours.iter().filter(|hours| hours.from >= hours.until && !hours.to_midnight()) {
            wrong.push(format!("hours end at {}, not after they begin at {}", hours.until, hours.from));
        }
        for two in self.hours.windows(2).filter(|two| two[0].until > two[1].from || two[0].to_midnight()) {
            wrong.push(format!("hours from {} begin before those from {} end", two[1].from, two[0].from));
        }
        for (date, _) in self.off.iter().filter(|(date, _)| self.work.contains_key(date)) {
            wrong.push(format!("{date} is a holiday and a make-up work day"));
        }
        for date in self.off.keys().chain(self.work.keys()).filter(|date| !self.knows(**date)) {
            wrong.push(format!("{date} is not one of its days"));
        }
        wrong
    }

    fn knows(&self, date: Date) -> bool {
        (self.from..self.until).contains(&date)
    }
}

impl Calendar {
    /// Which edition it is.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.written.version
    }

    /// Where its days begin at midnight.
    #[must_use]
    pub fn zone(&self) -> &Zone {
        &self.written.zone
    }

    /// Whether the day of an instant is a work day: a make-up work day is, a holiday is not, others by their day of the week.
    ///
    /// # Errors
    /// `E0211` if the calendar does not know the day.
    pub fn is_work_day(&self, at_ms: i64) -> Result<bool, Error> {
        let (date, _) = self.civil(at_ms)?;
        Ok(self.works(date))
    }

    /// The work time from one instant (inclusive) to another (exclusive), milliseconds; below zero if that is earlier. O(days between).
    ///
    /// # Errors
    /// `E0211` if the calendar does not know all days between.
    pub fn work_ms_between(&self, from_ms: i64, until_ms: i64) -> Result<i64, Error> {
        if until_ms < from_ms {
            return Ok(-self.work_ms_between(until_ms, from_ms)?);
        }
        if from_ms == until_ms {
            return self.civil(from_ms).map(|_| 0);
        }
        let (first, last) = (self.civil(from_ms)?.0, self.civil(until_ms - 1)?.0);
        let (mut date, mut work_ms) = (first, 0);
        while date <= last {
            let spans = self.spans(date);
            work_ms += spans.map(|(begins, ends)| (ends.min(until_ms) - begins.max(from_ms)).max(0)).sum::<i64>();
            date = self.after(date)?;
        }
        Ok(work_ms)
    }

    /// The instant at which so much work time has passed since another: the first of those at which it has, so the end of a day's
    /// hours and not the beginning of the next. O(days between).
    ///
    /// # Errors
    /// `E0211` if the calendar ends before.
    pub fn after_work_ms(&self, from_ms: i64, work_ms: i64) -> Result<i64, Error> {
        let (mut date, mut left_ms) = (self.civil(from_ms)?.0, work_ms);
        if work_ms <= 0 {
            return Ok(from_ms);
        }
        loop {
            for (begins, ends) in self.spans(date) {
                let begins = begins.max(from_ms);
                let span_ms = (ends - begins).max(0);
                if 0 < span_ms && left_ms <= span_ms {
                    return Ok(begins + left_ms);
                }
                left_ms -= span_ms;
            }
            date = self.known(self.after(date)?)?;
        }
    }

    /// The end of the hours of the work day that is so many work days after the day of an instant, which does not count itself: "within
    /// five work days". Of none it is the end of that day, or of the first work day after it. O(days between).
    ///
    /// # Errors
    /// `E0211` if the calendar ends before.
    pub fn after_work_days(&self, from_ms: i64, days: u32) -> Result<i64, Error> {
        let mut date = self.civil(from_ms)?.0;
        let mut left = days;
        loop {
            if self.works(date) && left == 0 {
                let last = self.spans(date).last();
                return last.map(|(_, ends)| ends).ok_or_else(|| self.unknown(&date.to_string()));
            }
            date = self.known(self.after(date)?)?;
            left -= u32::from(self.works(date) && left > 0);
        }
    }

    /// The shifts that are on duty at an instant, as they are written. One that began the day before goes on over midnight.
    ///
    /// # Errors
    /// `E0211` if the calendar does not know the day on which one of them would have begun.
    pub fn shifts_at(&self, at_ms: i64) -> Result<Vec<&Shift>, Error> {
        let (date, time) = self.civil(at_ms)?;
        let mut on = Vec::new();
        for shift in &self.written.shifts {
            let over_midnight = shift.until <= shift.from;
            let today = time >= shift.from && (over_midnight || time < shift.until);
            let since_yesterday = over_midnight && time < shift.until;
            let began = if today { date } else { date.yesterday().map_err(|_| self.unknown(&date.to_string()))? };
            if (today || since_yesterday) && self.begins(shift.days, began)? {
                on.push(shift);
            }
        }
        Ok(on)
    }

    fn begins(&self, on: ShiftDays, date: Date) -> Result<bool, Error> {
        Ok(match on {
            ShiftDays::Every => true,
            ShiftDays::Work => self.works(self.known(date)?),
            ShiftDays::Rest => !self.works(self.known(date)?),
        })
    }

    fn works(&self, date: Date) -> bool {
        let Written { off, work, rest_days, .. } = &self.written;
        let nth = usize::from(date.weekday().to_monday_zero_offset().unsigned_abs());
        let rests = || rest_days.iter().any(|day| *day as usize == nth);
        work.contains_key(&date) || !off.contains_key(&date) && !rests()
    }

    /// The work hours of a day, as instants.
    fn spans(&self, date: Date) -> impl DoubleEndedIterator<Item = (i64, i64)> {
        let hours: &[Hours] = if self.works(date) { &self.written.hours } else { &[] };
        let mut before_ms = i64::MIN;
        let spans = hours.iter().filter_map(|hours| {
            let at = |date: Date, time| self.written.zone.instant_of(date.to_datetime(time));
            let last = if hours.to_midnight() { date.tomorrow().ok()? } else { date };
            // Where clocks are set forward, hours may begin before those before them have ended.
            let begins = at(date, hours.from)?.max(before_ms);
            before_ms = at(last, hours.until)?.max(begins);
            Some((begins, before_ms))
        });
        spans.collect::<Vec<_>>().into_iter()
    }

    fn civil(&self, at_ms: i64) -> Result<(Date, Time), Error> {
        let civil = self.written.zone.civil(at_ms);
        let (date, time) = civil.ok_or_else(|| self.unknown(&format!("the day of {at_ms} ms")))?;
        Ok((self.known(date)?, time))
    }

    fn after(&self, date: Date) -> Result<Date, Error> {
        date.checked_add(1.day()).map_err(|_| self.unknown(&date.to_string()))
    }

    fn known(&self, date: Date) -> Result<Date, Error> {
        if self.written.knows(date) { Ok(date) } else { Err(self.unknown(&date.to_string())) }
    }

    fn unknown(&self, day: &str) -> Error {
        let Written { version, from, until, .. } = &self.written;
        let what = format!("calendar \"{version}\" knows the days from {from} until {until}, and not {day}");
        Error::new("E0211", what).remedy("load the edition of the next year; until then count wall minutes")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The mainland's calendar of 2025, as the State Council published it.
    fn mainland() -> Calendar {
        let text = r#"
            version = "2025"
            from = "2025-01-01"
            until = "2026-01-01"
            hours = [{ from = "09:00", until = "12:00" }, { from = "13:30", until = "18:00" }]
            shifts = [
                { name = "day", from = "08:00", until = "20:00" },
                { name = "night", from = "20:00", until = "08:00" },
                { name = "duty", from = "08:00", until = "08:00", days = "rest" },
                { name = "office", from = "18:00", until = "06:00", days = "work" },
            ]
            [work]
            2025-01-26 = "Spring Festival"
            2025-02-08 = "Spring Festival"
            2025-04-27 = "Labour Day"
            2025-09-28 = "National Day"
            2025-10-11 = "National Day"
            [off]
            2025-01-01 = "New Year"
            2025-01-28 = "Spring Festival"
            2025-01-29 = "Spring Festival"
            2025-01-30 = "Spring Festival"
            2025-01-31 = "Spring Festival"
            2025-02-03 = "Spring Festival"
            2025-02-04 = "Spring Festival"
            2025-04-04 = "Qingming"
            2025-05-01 = "Labour Day"
            2025-05-02 = "Labour Day"
            2025-05-05 = "Labour Day"
            2025-06-02 = "Dragon Boat"
            2025-10-01 = "National Day"
            2025-10-02 = "National Day"
            2025-10-03 = "National Day"
            2025-10-06 = "Mid-Autumn"
            2025-10-07 = "National Day"
            2025-10-08 = "National Day"
        "#;
        toml::from_str(text).unwrap()
    }

    fn at(text: &str) -> i64 {
        Zone::default().instant_ms(text).unwrap()
    }

    const HOUR_MS: i64 = 3_600_000;

    #[test]
    fn work_hours_stand_still_over_holidays_and_run_on_make_up_days() {
        let calendar = mainland();
        // Eight days off: from the Tuesday before to the Thursday after.
        let due = calendar.after_work_ms(at("2025-09-30 17:00:00"), 4 * HOUR_MS).unwrap();
        assert_eq!(due, at("2025-10-09 12:00:00"));
        assert_eq!(calendar.work_ms_between(at("2025-09-30 17:00:00"), due).unwrap(), 4 * HOUR_MS);
        assert!(calendar.is_work_day(at("2025-10-11 03:00:00")).unwrap(), "a Saturday that makes up");
        assert_eq!(calendar.after_work_days(at("2025-09-30 23:59:59"), 5).unwrap(), at("2025-10-14 18:00:00"));
        assert_eq!(calendar.after_work_days(at("2025-10-04 10:00:00"), 0).unwrap(), at("2025-10-09 18:00:00"));
        // The end of the hours, and not the next morning.
        assert_eq!(calendar.after_work_ms(at("2025-09-30 17:00:00"), HOUR_MS).unwrap(), at("2025-09-30 18:00:00"));
    }

    #[test]
    fn a_year_has_the_work_days_that_were_published() {
        let calendar = mainland();
        let all = (0..365).map(|day| at("2025-01-01 12:00:00") + day * 24 * HOUR_MS);
        assert_eq!(all.filter(|at_ms| calendar.is_work_day(*at_ms).unwrap()).count(), 248);
    }

    #[test]
    fn what_is_not_published_is_not_guessed() {
        let calendar = mainland();
        for text in ["2024-12-31 23:59:59", "2026-01-01 00:00:00"] {
            assert_eq!(calendar.is_work_day(at(text)).unwrap_err().code(), "E0211");
        }
        let late = at("2025-12-31 17:00:00");
        assert_eq!(calendar.after_work_ms(late, 2 * HOUR_MS).unwrap_err().code(), "E0211");
        assert_eq!(calendar.after_work_days(late, 1).unwrap_err().code(), "E0211");
        // The first moment that it does not know is the end of what it does.
        assert_eq!(calendar.work_ms_between(late, at("2026-01-01 00:00:00")).unwrap(), HOUR_MS);
        assert_eq!(calendar.work_ms_between(i64::MIN, i64::MAX).unwrap_err().code(), "E0211");
        assert_eq!(calendar.after_work_ms(late, i64::MAX).unwrap_err().code(), "E0211");
    }

    #[test]
    fn shifts_go_on_over_midnight() {
        let calendar = mainland();
        let on = |text: &str| -> Vec<String> {
            calendar.shifts_at(at(text)).unwrap().into_iter().map(|shift| shift.name.clone()).collect()
        };
        assert_eq!(on("2025-03-03 07:59:59"), ["night", "duty"], "a Monday that began as a Sunday's duty");
        assert_eq!(on("2025-03-03 08:00:00"), ["day"]);
        assert_eq!(on("2025-03-03 19:59:59"), ["day", "office"]);
        assert_eq!(on("2025-03-03 20:00:00"), ["night", "office"]);
        assert_eq!(on("2025-03-04 05:59:59"), ["night", "office"]);
        assert_eq!(on("2025-03-04 06:00:00"), ["night"]);
        assert_eq!(calendar.shifts_at(at("2025-01-01 00:00:00")).unwrap_err().code(), "E0211", "who began last year?");
    }

    #[test]
    fn hours_go_on_to_midnight_and_through_a_night_that_is_short() {
        let text = r#"
            version = "short"
            zone = "Europe/Berlin"
            from = "2026-03-28"
            until = "2026-03-31"
            hours = [{ from = "01:00", until = "02:30" }, { from = "03:00", until = "05:00" }, { from = "23:00", until = "00:00" }]
            rest_days = []
        "#;
        let calendar: Calendar = toml::from_str(text).unwrap();
        let at = |text: &str| calendar.zone().instant_ms(text).unwrap();
        let of = |day: &str, next: &str| calendar.work_ms_between(at(day), at(next)).unwrap();
        assert_eq!(of("2026-03-28 00:00:00", "2026-03-29 00:00:00"), 9 * HOUR_MS / 2);
        // At two it is three: 1:00 to 5:00 are three hours.
        assert_eq!(of("2026-03-29 00:00:00", "2026-03-30 00:00:00"), 4 * HOUR_MS);
    }

    #[test]
    fn a_calendar_that_contradicts_itself_is_refused_with_all_that_is_wrong() {
        let text = r#"
            version = "odd"
            from = "2025-01-01"
            until = "2025-02-01"
            hours = [{ from = "09:00", until = "12:00" }, { from = "11:00", until = "10:00" }]
            off = { 2025-01-05 = "a", 2025-03-01 = "b" }
            work = { 2025-01-05 = "c" }
        "#;
        let error = toml::from_str::<Calendar>(text).unwrap_err().to_string();
        for part in
            ["E0171", "hours end at 10:00", "begin before those", "2025-01-05 is a holiday and", "2025-03-01 is not"]
        {
            assert!(error.contains(part), "{part}: {error}");
        }
    }

    proptest! {
        #[test]
        fn what_passes_and_what_it_takes_are_the_same(from_h in 0_i64..7_000, work_min in 1_i64..20_000) {
            let (calendar, from_ms) = (mainland(), at("2025-01-01 00:00:00") + from_h * HOUR_MS);
            let work_ms = work_min * 60_000;
            if let Ok(due) = calendar.after_work_ms(from_ms, work_ms) {
                prop_assert_eq!(calendar.work_ms_between(from_ms, due).unwrap(), work_ms);
                prop_assert_eq!(calendar.work_ms_between(from_ms, due - 1).unwrap(), work_ms - 1);
                prop_assert_eq!(calendar.work_ms_between(due, from_ms).unwrap(), -work_ms);
            }
        }
    }
}
