//! The Markdown table.

use std::fmt::Write as _;
use std::time::Duration;

use super::load::Measured;

/// The table, row by row.
#[derive(Default)]
pub struct Table {
    text: String,
    missed: Vec<String>,
}

/// What a row is held against.
pub struct Goal {
    /// The figure that counts, with its unit.
    pub seen: String,
    /// What it should be.
    pub wanted: String,
    pub met: bool,
}

impl Goal {
    /// A ratio that should not be larger than `most`.
    pub fn at_most(ratio: f64, most: f64, beside: &str) -> Self {
        Self { seen: format!("{ratio:.2} × {beside}"), wanted: format!("≤ {most} ×"), met: ratio <= most }
    }

    /// A value that should not be larger than `most`.
    pub fn below(value: f64, most: f64, unit: &str) -> Self {
        Self { seen: format!("{value:.1} {unit}"), wanted: format!("≤ {most} {unit}"), met: value <= most }
    }

    /// A value that should not be smaller than `least`.
    pub fn above(value: f64, least: f64, unit: &str) -> Self {
        let figure = |value: f64| if value >= 1000.0 { short(value) } else { format!("{value:.1}") };
        let wanted = if least >= 1000.0 { short(least) } else { least.to_string() };
        Self { seen: format!("{} {unit}", figure(value)), wanted: format!("≥ {wanted} {unit}"), met: value >= least }
    }
}

impl Table {
    pub fn new() -> Self {
        let mut table = Self::default();
        table.text.push_str("| work | requests/s | p50 ms | p99 ms | CPU µs a request | seen | goal | met |\n");
        table.text.push_str("|---|---:|---:|---:|---:|---|---|---|\n");
        table
    }

    /// A row of load.
    pub fn load(&mut self, work: &str, measured: &Measured, goals: &[Goal]) {
        let Measured { per_second, p50, p99, cpu_micros } = measured;
        let cells = [short(*per_second), millis(*p50), millis(*p99), short(*cpu_micros)];
        self.row(work, &cells, goals);
    }

    /// A row of times without a rate.
    pub fn times(&mut self, work: &str, p50: Duration, p99: Duration, goals: &[Goal]) {
        self.row(work, &[String::new(), millis(p50), millis(p99), String::new()], goals);
    }

    /// A row that is its goals alone.
    pub fn plain(&mut self, work: &str, goals: &[Goal]) {
        self.row(work, &[const { String::new() }; 4], goals);
    }

    /// A row that was measured once, elsewhere.
    pub fn elsewhere(&mut self, work: &str, cpu_micros: u32) {
        self.row(
            work,
            &[String::new(), String::new(), String::new(), format!("*{}*", short(f64::from(cpu_micros)))],
            &[],
        );
    }

    fn row(&mut self, work: &str, cells: &[String; 4], goals: &[Goal]) {
        let with_goal = || goals.iter().filter(|goal| !goal.wanted.is_empty());
        let seen = goals.iter().map(|goal| goal.seen.as_str()).collect::<Vec<_>>().join("; ");
        let wanted = with_goal().map(|goal| goal.wanted.as_str()).collect::<Vec<_>>().join("; ");
        let met = with_goal().map(|goal| if goal.met { "yes" } else { "**no**" }).collect::<Vec<_>>().join("; ");
        // A String takes whatever is written to it.
        let _ = writeln!(self.text, "| {work} | {} | {seen} | {wanted} | {met} |", cells.join(" | "));
        for goal in goals.iter().filter(|goal| !goal.met) {
            self.missed.push(format!("{work}: {} (goal {})", goal.seen, goal.wanted));
        }
    }

    /// The goals that were missed, in words.
    pub fn missed(&self) -> &[String] {
        &self.missed
    }

    pub fn text(&self) -> &str {
        &self.text
    }
}

fn millis(time: Duration) -> String {
    short(time.as_secs_f64() * 1e3)
}

/// Three figures that count, thousands apart.
fn short(value: f64) -> String {
    if value >= 1000.0 {
        let whole = value.round() as u64;
        format!("{},{:03}", whole / 1000, whole % 1000)
    } else if value >= 100.0 {
        format!("{value:.0}")
    } else if value >= 10.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.2}")
    }
}

/// A number with its thousands apart.
pub fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> = digits.as_bytes().rchunks(3).rev().filter_map(|three| str::from_utf8(three).ok()).collect();
    groups.join(",")
}
