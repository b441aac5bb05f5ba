//! Charts, drawn on the server: shapes in SVG attributes, labels in HTML, and the same numbers in a table.

use kernel::Timestamp;

/// The width that shapes are drawn in; the stylesheet stretches it.
const WIDTH: f64 = 1000.0;
/// The height.
const HEIGHT: f64 = 100.0;
/// Seconds of an hour.
const HOUR: i64 = 3_600;

/// What happened in one hour, beside what happened as long before as the chart reaches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hour {
    /// When it began, in words.
    pub label: String,
    /// How often then.
    pub count: u64,
    /// How often one range before.
    pub before: u64,
}

/// One kind of thing, hour by hour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chart {
    /// The hours, oldest first.
    pub hours: Vec<Hour>,
    /// What the upper edge stands for.
    pub top: u64,
}

/// A column to point at.
pub struct Column {
    /// Where it begins.
    pub x: String,
    /// How wide it is.
    pub width: String,
    /// Where its bar begins.
    pub y: String,
    /// How high its bar is.
    pub height: String,
    /// What it says.
    pub words: String,
}

impl Chart {
    /// Of counts by the hour that begin at `from`: the later half is shown, the earlier is what it is compared with.
    pub fn new(counts: &[u64], from: Timestamp) -> Self {
        let (before, now) = counts.split_at(counts.len() / 2);
        let first = from.plus_seconds(HOUR * i64::try_from(before.len()).unwrap_or(0));
        let hours: Vec<Hour> = now
            .iter()
            .zip(before.iter().chain(std::iter::repeat(&0)))
            .zip(0..)
            .map(|((count, before), at)| Hour {
                label: label(first.plus_seconds(HOUR * at)),
                count: *count,
                before: *before,
            })
            .collect();
        let most = hours.iter().map(|hour| hour.count.max(hour.before)).max().unwrap_or(0);
        Self { hours, top: round_up(most) }
    }

    /// How often in all hours.
    pub fn total(&self) -> u64 {
        self.hours.iter().map(|hour| hour.count).sum()
    }

    /// How often in all hours of the range before.
    pub fn total_before(&self) -> u64 {
        self.hours.iter().map(|hour| hour.before).sum()
    }

    /// The line through all hours.
    pub fn line(&self) -> String {
        self.path(|hour| hour.count)
    }

    /// The line through the same hours of the range before.
    pub fn line_before(&self) -> String {
        self.path(|hour| hour.before)
    }

    /// The area under the line.
    pub fn area(&self) -> String {
        format!("{} L{WIDTH:.1} {HEIGHT:.1} L0.0 {HEIGHT:.1} Z", self.line())
    }

    fn path(&self, count: impl Fn(&Hour) -> u64) -> String {
        let steps = real(self.hours.len().saturating_sub(1).max(1));
        let points = self.hours.iter().enumerate().map(|(at, hour)| {
            format!(
                "{}{:.1} {:.1}",
                if at == 0 { "M" } else { "L" },
                WIDTH * real(at) / steps,
                self.height(count(hour))
            )
        });
        points.collect::<Vec<_>>().join(" ")
    }

    /// Where a number is, from above.
    fn height(&self, count: u64) -> f64 {
        let (count, top) = (u32::try_from(count).unwrap_or(u32::MAX), u32::try_from(self.top).unwrap_or(u32::MAX));
        HEIGHT - HEIGHT * f64::from(count) / f64::from(top.max(1))
    }

    /// One column for each hour; `unit` says what is counted.
    pub fn columns(&self, unit: &str) -> Vec<Column> {
        let wide = WIDTH / real(self.hours.len().max(1));
        let column = |(at, hour): (usize, &Hour)| {
            let y = self.height(hour.count);
            Column {
                x: format!("{:.1}", wide * real(at) + wide * 0.15),
                width: format!("{:.1}", wide * 0.7),
                y: format!("{y:.1}"),
                height: format!("{:.1}", HEIGHT - y),
                words: format!("{}: {} {unit}", hour.label, grouped(hour.count)),
            }
        };
        self.hours.iter().enumerate().map(column).collect()
    }

    /// Five labels along the line.
    pub fn ticks(&self) -> Vec<&str> {
        let last = self.hours.len().saturating_sub(1);
        (0..5).filter_map(|at| self.hours.get(last * at / 4)).map(|hour| hour.label.as_str()).collect()
    }

    /// Whether the total is more than before, less, or neither, and by how much.
    pub fn trend(&self) -> String {
        trend(self.total(), self.total_before())
    }
}

/// How a number differs from the one before, in words.
fn trend(now: u64, before: u64) -> String {
    if now == before {
        return "as many as before".to_owned();
    }
    if before == 0 {
        return "none before".to_owned();
    }
    let tenths = now.abs_diff(before).saturating_mul(1_000) / before;
    format!("{} {}.{} % on before", if now > before { "▲" } else { "▼" }, tenths / 10, tenths % 10)
}

/// The hour in words: its clock time, and its day where a new one begins.
fn label(then: Timestamp) -> String {
    let moment = then.to_date_time();
    let month = moment.month().to_string();
    format!("{} {} {:02}:00", moment.day(), month.get(..3).unwrap_or(&month), moment.hour())
}

/// The next number that is easy to halve.
fn round_up(most: u64) -> u64 {
    let mut step = 1_u64;
    loop {
        for factor in [2, 4, 6, 10] {
            if let Some(top) = step.checked_mul(factor).filter(|top| *top >= most) {
                return top;
            }
        }
        match step.checked_mul(10) {
            Some(next) => step = next,
            None => return most,
        }
    }
}

/// There are never so many hours that a number of 32 bits would not do.
fn real(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

/// A whole number with its thousands apart.
pub fn grouped(number: impl std::fmt::Display) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_in_groups_of_three() {
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(number), text);
        }
    }

    #[test]
    fn a_chart_shows_the_later_half_and_compares_it_with_the_earlier() {
        let chart = Chart::new(&[1, 2, 3, 7, 0, 10], Timestamp::from_unix_seconds(1_790_000_000 / 3_600 * 3_600));
        assert_eq!((chart.total(), chart.total_before(), chart.top), (17, 6, 10));
        assert_eq!(chart.line(), "M0.0 30.0 L500.0 100.0 L1000.0 0.0");
        assert_eq!(chart.trend(), "▲ 183.3 % on before");
        assert_eq!(chart.columns("sign-ins")[1].words, "21 Sep 18:00: 0 sign-ins");
        assert_eq!(trend(1, 1), "as many as before");
        assert_eq!(trend(1, 2), "▼ 50.0 % on before");
    }

    #[test]
    fn nothing_and_very_much_can_be_drawn() {
        let empty = Chart::new(&[], Timestamp::from_unix_seconds(0));
        assert_eq!((empty.total(), empty.line().as_str()), (0, ""));
        let flat = Chart::new(&[0; 48], Timestamp::from_unix_seconds(0));
        assert!(flat.line().starts_with("M0.0 100.0 L") && flat.ticks().len() == 5);
        let much = Chart::new(&[u64::MAX; 2], Timestamp::from_unix_seconds(0));
        assert!(!much.line().contains("NaN") && !much.area().contains("inf"));
    }
}
