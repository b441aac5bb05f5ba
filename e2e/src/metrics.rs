//! The program's own counters, as Prometheus would read them.

/// One reading of `/metrics`.
pub struct Metrics(pub(crate) String);

impl Metrics {
    /// The sum of a counter or gauge over all its labels; 0 when nothing was counted yet.
    #[track_caller]
    pub fn sum(&self, name: &str) -> f64 {
        self.sum_where(name, "")
    }

    /// The same, over the lines whose labels contain a text such as `outcome="refused"`.
    #[track_caller]
    pub fn sum_where(&self, name: &str, label: &str) -> f64 {
        let family = ["_total", "_count", "_sum"].iter().find_map(|suffix| name.strip_suffix(suffix)).unwrap_or(name);
        let known = format!("# TYPE {family}");
        assert!(self.0.contains(&known), "there is no metric {name} in:\n{}", self.0);
        self.0
            .lines()
            .filter(|line| {
                let rest = line.strip_prefix(name).unwrap_or_default();
                (rest.starts_with('{') || rest.starts_with(' ')) && rest.contains(label)
            })
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum()
    }

    /// How many passwords were hashed since the program started.
    #[track_caller]
    pub fn hashes(&self) -> u64 {
        // A counter of events is far below 2^53.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a counter of a short test")]
        let hashes = self.sum("usher_password_hashes_total") as u64;
        hashes
    }
}
