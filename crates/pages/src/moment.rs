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
        assert_eq!(Moment::new(now, now).exact, "2026-09-21T14:13:20Z");
    }
}
