//! Times as people read them: relative under a day, then a date; the exact time goes beside it.

use kernel::Timestamp;

/// A time to show.
pub struct Moment {
    /// For programs: RFC 3339, UTC.
    pub exact: String,
    /// For people.
    pub words: String,
}

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

impl Moment {
    /// `then`, seen from `now`.
    pub fn new(then: Timestamp, now: Timestamp) -> Self {
        let words = match now.since(then).as_secs() {
            0..MINUTE => "just now".to_owned(),
            seconds @ MINUTE..HOUR => ago(seconds / MINUTE, "minute"),
            seconds @ HOUR..DAY => ago(seconds / HOUR, "hour"),
            _ => {
                let date = then.to_date_time().date();
                format!("on {} {} {}", date.day(), date.month(), date.year())
            }
        };
        Self { exact: then.to_string(), words }
    }

    /// `then`, seen from `now`, where there is little room.
    pub fn brief(then: Timestamp, now: Timestamp) -> Self {
        let words = match now.since(then).as_secs() {
            0..MINUTE => "now".to_owned(),
            seconds @ MINUTE..HOUR => format!("{} min", seconds / MINUTE),
            seconds @ HOUR..DAY => format!("{} h", seconds / HOUR),
            _ => Self::date(then).words,
        };
        Self { exact: then.to_string(), words }
    }

    /// The day and the minute of `then`, UTC.
    pub fn precise(then: Timestamp) -> Self {
        let moment = then.to_date_time();
        let (day, month, year) = (moment.day(), moment.month(), moment.year());
        let words =
            format!("{}, {day} {month} {year}, {:02}:{:02} UTC", moment.weekday(), moment.hour(), moment.minute());
        Self { exact: then.to_string(), words }
    }

    /// The date of `then`, for what is to come.
    pub fn date(then: Timestamp) -> Self {
        let date = then.to_date_time().date();
        Self { exact: then.to_string(), words: format!("{} {} {}", date.day(), date.month(), date.year()) }
    }
}

fn ago(count: u64, unit: &str) -> String {
    format!("{count} {unit}{} ago", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_relative_under_a_day_and_then_a_date() {
        let now = Timestamp::from_unix_seconds(1_790_000_000);
        let words = |seconds: i64| Moment::new(now.plus_seconds(-seconds), now).words;
        assert_eq!(words(-5), "just now");
        assert_eq!(words(59), "just now");
        assert_eq!(words(60), "1 minute ago");
        assert_eq!(words(3_599), "59 minutes ago");
        assert_eq!(words(7_200), "2 hours ago");
        assert_eq!(words(86_399), "23 hours ago");
        assert_eq!(words(86_400), "on 20 September 2026");
        let brief = |seconds: i64| Moment::brief(now.plus_seconds(-seconds), now).words;
        assert_eq!((brief(1).as_str(), brief(61).as_str(), brief(7_200).as_str()), ("now", "1 min", "2 h"));
        assert_eq!(brief(86_400), "20 September 2026");
        assert_eq!(Moment::precise(now).words, "Monday, 21 September 2026, 14:13 UTC");
        assert_eq!(Moment::new(now, now).exact, "2026-09-21T14:13:20Z");
    }
}
