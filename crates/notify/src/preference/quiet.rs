//! Times by somebody's clock: when they want to be left alone, and when their digest comes.

use std::fmt;

use jiff::civil::{Date, Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp as Instant};
use kernel::Timestamp;

/// Between two times of the day, by somebody's clock, they want to be left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuietHours {
    from: Time,
    to: Time,
}

/// Not a time of the day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidQuietHours {
    /// It is no time at all.
    #[error("Write a time like 22:00.")]
    NoTime,
    /// From a time to the same time.
    #[error("Choose two different times.")]
    Same,
}

impl QuietHours {
    /// From one time to the next time of the other, each like `22:00`.
    pub fn parse(from: &str, to: &str) -> Result<Self, InvalidQuietHours> {
        let (from, to) = (time(from)?, time(to)?);
        if from == to { Err(InvalidQuietHours::Same) } else { Ok(Self { from, to }) }
    }

    /// From minutes after midnight, as they are stored.
    pub(crate) fn from_stored(from: i64, to: i64) -> Option<Self> {
        let time =
            |minutes: i64| Time::new(i8::try_from(minutes / 60).ok()?, i8::try_from(minutes % 60).ok()?, 0, 0).ok();
        Some(Self { from: time(from)?, to: time(to)? })
    }

    /// Minutes after midnight.
    pub(crate) fn to_stored(self) -> (i64, i64) {
        let minutes = |time: Time| i64::from(time.hour()) * 60 + i64::from(time.minute());
        (minutes(self.from), minutes(self.to))
    }

    /// When it begins, like `22:00`.
    pub fn from(&self) -> String {
        clock(self.from)
    }

    /// When it ends.
    pub fn to(&self) -> String {
        clock(self.to)
    }

    /// When it ends, if it is such a time now.
    pub(crate) fn until(&self, now: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let there = zone.to_datetime(instant(now)?);
        let time = there.time();
        let is_quiet = if self.from < self.to {
            (self.from..self.to).contains(&time)
        } else {
            time >= self.from || time < self.to
        };
        is_quiet.then(|| next(self.to, there.date(), now, zone)).flatten()
    }
}

impl fmt::Display for QuietHours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {}", self.from(), self.to())
    }
}

fn time(text: &str) -> Result<Time, InvalidQuietHours> {
    let parts = text.split_once(':').filter(|(hour, minute)| {
        let digits = |text: &str| text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        digits(hour) && digits(minute)
    });
    let (hour, minute) = parts.ok_or(InvalidQuietHours::NoTime)?;
    let number = |text: &str| text.parse::<i8>().map_err(|_| InvalidQuietHours::NoTime);
    Time::new(number(hour)?, number(minute)?, 0, 0).map_err(|_| InvalidQuietHours::NoTime)
}

fn clock(time: Time) -> String {
    format!("{:02}:{:02}", time.hour(), time.minute())
}

fn instant(at: Timestamp) -> Option<Instant> {
    Instant::from_microsecond(at.unix_micros()).ok()
}

/// The next moment after `now` at which a clock there shows this time: on `date`, or on the day after.
fn next(time: Time, date: Date, now: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
    let after = |date: Date| {
        let wanted = || zone.to_ambiguous_timestamp(date.to_datetime(time));
        // A time that is shown twice comes twice, and one that is skipped comes when the clock has been put forward.
        let moments = [wanted().compatible(), wanted().later()];
        moments.into_iter().flatten().map(Instant::as_microsecond).find(|at| *at > now.unix_micros())
    };
    let found = after(date).or_else(|| after(date.tomorrow().ok()?));
    found.map(Timestamp::from_unix_micros)
}

/// The zone of this name, else UTC.
pub(crate) fn zone(name: Option<&str>) -> TimeZone {
    name.and_then(|name| TimeZone::get(name).ok()).unwrap_or(TimeZone::UTC)
}

/// Whether, and how often, what can wait comes together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Digest {
    /// Each by itself.
    #[default]
    Off,
    /// Once a day.
    Daily,
    /// On Mondays.
    Weekly,
}

impl Digest {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Off, Self::Daily, Self::Weekly];

    /// Its name in the database and the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Daily => "daily",
            Self::Weekly => "weekly",
        }
    }

    /// The one of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|digest| digest.as_str() == name)
    }

    /// When the next one comes, at this hour of somebody's clock; nothing if none does.
    pub(crate) fn next(self, hour: i8, now: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let at = Time::new(hour, 0, 0, 0).ok()?;
        let today = zone.to_datetime(instant(now)?).date();
        match self {
            Self::Off => None,
            Self::Daily => next(at, today, now, zone),
            Self::Weekly => {
                let days = today.weekday().until(Weekday::Monday);
                let monday = today.checked_add(Span::new().days(days)).ok()?;
                let this = next(at, monday, now, zone)?;
                // On a Monday after that hour, `next` has gone on to Tuesday.
                let is_monday = zone.to_datetime(instant(this)?).date().weekday() == Weekday::Monday;
                if is_monday { Some(this) } else { next(at, monday.checked_add(Span::new().days(7)).ok()?, now, zone) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::from_unix_micros(text.parse::<Instant>().unwrap().as_microsecond())
    }

    fn until(from: &str, to: &str, now: &str, name: &str) -> Option<String> {
        let quiet = QuietHours::parse(from, to).unwrap();
        quiet.until(at(now), &zone(Some(name))).map(|end| end.to_string())
    }

    #[test]
    fn quiet_hours_are_by_the_clock_of_whoever_wants_them() {
        assert_eq!(until("22:00", "07:00", "2026-10-13T21:59:59Z", "UTC"), None);
        assert_eq!(until("22:00", "07:00", "2026-10-13T22:00:00Z", "UTC").unwrap(), "2026-10-14T07:00:00Z");
        assert_eq!(until("22:00", "07:00", "2026-10-14T06:59:59Z", "UTC").unwrap(), "2026-10-14T07:00:00Z");
        assert_eq!(until("22:00", "07:00", "2026-10-14T07:00:00Z", "UTC"), None);
        // In Vienna it is two hours later then.
        assert_eq!(until("22:00", "07:00", "2026-10-13T20:30:00Z", "Europe/Vienna").unwrap(), "2026-10-14T05:00:00Z");
        assert_eq!(until("22:00", "07:00", "2026-10-14T05:30:00Z", "Europe/Vienna"), None);
        // At noon for an hour.
        assert_eq!(until("12:00", "13:00", "2026-10-14T12:30:00Z", "UTC").unwrap(), "2026-10-14T13:00:00Z");
        assert_eq!(until("12:00", "13:00", "2026-10-14T13:30:00Z", "UTC"), None);
        assert_eq!(until("22:00", "07:00", "2026-10-13T22:00:00Z", "Mars/Olympus").unwrap(), "2026-10-14T07:00:00Z");
    }

    #[test]
    fn an_end_that_is_shown_twice_or_never_is_an_end_all_the_same() {
        // On 29 March 2026 the clocks in Vienna go from 02:00 to 03:00.
        assert_eq!(until("22:00", "02:30", "2026-03-29T00:30:00Z", "Europe/Vienna").unwrap(), "2026-03-29T01:30:00Z");
        // On 25 October 2026 they show 02:00 to 03:00 twice, first until 01:00 UTC.
        assert_eq!(until("22:00", "02:30", "2026-10-25T00:10:00Z", "Europe/Vienna").unwrap(), "2026-10-25T00:30:00Z");
        assert_eq!(until("22:00", "02:30", "2026-10-25T01:10:00Z", "Europe/Vienna").unwrap(), "2026-10-25T01:30:00Z");
        // Whatever the moment, what is quiet ends, and within a day and an hour.
        let quiet = QuietHours::parse("01:15", "01:05").unwrap();
        for name in ["Europe/Vienna", "America/St_Johns", "Australia/Lord_Howe", "Africa/Cairo", "Pacific/Apia"] {
            let (zone, begin) = (zone(Some(name)), at("2026-01-01T00:00:00Z"));
            for quarter in 0..4 * 24 * 366 {
                let now = begin.plus_seconds(quarter * 900);
                if let Some(end) = quiet.until(now, &zone) {
                    assert!(end > now && end <= now.plus_seconds(25 * 3_600), "{name} {now}: {end}");
                }
            }
        }
    }

    #[test]
    fn a_digest_comes_at_its_hour() {
        let next = |digest: Digest, hour: i8, now: &str, name: &str| {
            digest.next(hour, at(now), &zone(Some(name))).map(|at| at.to_string())
        };
        assert_eq!(next(Digest::Off, 8, "2026-10-13T07:00:00Z", "UTC"), None);
        assert_eq!(next(Digest::Daily, 8, "2026-10-13T07:00:00Z", "UTC").unwrap(), "2026-10-13T08:00:00Z");
        assert_eq!(next(Digest::Daily, 8, "2026-10-13T08:00:00Z", "UTC").unwrap(), "2026-10-14T08:00:00Z");
        assert_eq!(next(Digest::Daily, 8, "2026-10-13T07:00:00Z", "Asia/Tokyo").unwrap(), "2026-10-13T23:00:00Z");
        // 12 October 2026 is a Monday.
        assert_eq!(next(Digest::Weekly, 8, "2026-10-12T07:59:00Z", "UTC").unwrap(), "2026-10-12T08:00:00Z");
        assert_eq!(next(Digest::Weekly, 8, "2026-10-12T08:00:00Z", "UTC").unwrap(), "2026-10-19T08:00:00Z");
        assert_eq!(next(Digest::Weekly, 8, "2026-10-18T23:00:00Z", "UTC").unwrap(), "2026-10-19T08:00:00Z");
        assert_eq!(next(Digest::Weekly, 0, "2026-10-13T00:00:00Z", "UTC").unwrap(), "2026-10-19T00:00:00Z");
        // An hour that is skipped: as soon as there is one.
        assert_eq!(next(Digest::Daily, 2, "2026-03-28T12:00:00Z", "Europe/Vienna").unwrap(), "2026-03-29T01:00:00Z");
    }

    #[test]
    fn times_are_written_in_one_way() {
        assert_eq!(QuietHours::parse("22:00", "07:30").unwrap().to_string(), "22:00 to 07:30");
        for wrong in ["", "7:00", "24:00", "12:60", "noon", "12:00:00", "+1:00", "１２:00"] {
            assert_eq!(QuietHours::parse(wrong, "07:00"), Err(InvalidQuietHours::NoTime), "{wrong}");
        }
        assert_eq!(QuietHours::parse("07:00", "07:00"), Err(InvalidQuietHours::Same));
        let stored = QuietHours::parse("22:00", "07:30").unwrap().to_stored();
        assert_eq!(QuietHours::from_stored(stored.0, stored.1).unwrap().to_string(), "22:00 to 07:30");
    }
}
