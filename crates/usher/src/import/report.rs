//! What came of an import: numbers, and the rows that were not taken with the reason.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context as _, Result};
use auth::{BatchReport, ImportState, NotTaken};
use serde_json::{Value, json};

use super::Import;

/// How many rows are named without a report.
const NAMED: usize = 20;

/// The numbers so far.
pub struct Summary {
    before: ImportState,
    imported: u64,
    with_password: u64,
    weak: u64,
    skipped: u64,
    refused: u64,
    named: Vec<NotTaken>,
    report: Option<(PathBuf, BufWriter<File>)>,
    dry_run: bool,
    begun: Instant,
}

impl Summary {
    /// Nothing yet.
    pub fn new(import: &Import, before: ImportState) -> Result<Self> {
        let open = |path: &PathBuf| {
            let mut options = OpenOptions::new();
            // What goes on is written behind what was written before; it names lines of a file with people.
            let is_new = before.position == 0;
            let options = options.write(true).create(true).mode(0o600).truncate(is_new).append(!is_new);
            let file = options.open(path).with_context(|| format!("writing {}", path.display()))?;
            anyhow::Ok((path.clone(), BufWriter::new(file)))
        };
        Ok(Self {
            before,
            imported: 0,
            with_password: 0,
            weak: 0,
            skipped: 0,
            refused: 0,
            named: Vec::new(),
            report: import.report.as_ref().map(open).transpose()?,
            dry_run: import.options.dry_run,
            begun: Instant::now(),
        })
    }

    /// A batch was written.
    pub fn add(&mut self, report: BatchReport, unreadable: Vec<NotTaken>) -> Result<()> {
        self.imported += report.imported;
        self.with_password += report.with_password;
        self.weak += report.weak;
        let mut not_taken = [report.not_taken, unreadable].concat();
        not_taken.sort_by_key(|row| row.line);
        for row in not_taken {
            if row.is_duplicate {
                self.skipped += 1;
            } else {
                self.refused += 1;
            }
            if let Some((_, file)) = &mut self.report {
                let line = json!({"line": row.line, "duplicate": row.is_duplicate, "reason": row.reason});
                writeln!(file, "{line}").context("writing the report")?;
            }
            if self.named.len() < NAMED {
                self.named.push(row);
            }
        }
        Ok(())
    }

    /// Everything is written.
    pub fn finish(&mut self) -> Result<()> {
        match &mut self.report {
            Some((_, file)) => file.flush().context("writing the report"),
            None => Ok(()),
        }
    }

    /// How many rows, and how fast.
    pub fn rate(&self) -> String {
        let rows = self.imported + self.skipped + self.refused;
        format!("{rows} rows, {:.0}/s", self.per_second(rows))
    }

    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    fn per_second(&self, rows: u64) -> f64 {
        rows as f64 / self.begun.elapsed().as_secs_f64().max(0.001)
    }

    /// For people.
    pub fn text(&self) -> String {
        let Self { imported, with_password, weak, skipped, refused, before, .. } = self;
        let done = if self.dry_run { "A dry run, nothing was written: would import" } else { "Imported" };
        let mut lines = vec![format!(
            "{done} {imported} accounts ({with_password} with a password, {weak} of those weakly hashed), skipped \
             {skipped} that are there already, refused {refused}; {:.1} s, {:.0} rows/s.",
            self.begun.elapsed().as_secs_f64(),
            self.per_second(imported + skipped + refused)
        )];
        if before.position > 0 {
            lines.push(format!(
                "It went on behind row {}, of which {} had been imported, {} skipped and {} refused.",
                before.position, before.imported, before.skipped, before.refused
            ));
        }
        lines.extend(self.named.iter().map(|row| format!("  line {}: {}", row.line, row.reason)));
        let more = usize::try_from(skipped + refused).unwrap_or(usize::MAX).saturating_sub(self.named.len());
        if more > 0 {
            lines.push(format!("  and {more} more: --report FILE has all of them"));
        }
        if let Some((path, _)) = &self.report {
            lines.push(format!("The report is {}.", path.display()));
        }
        lines.join("\n")
    }

    /// For programs.
    pub fn data(&self) -> Value {
        let Self { imported, with_password, weak, skipped, refused, before, .. } = self;
        json!({
            "dry_run": self.dry_run, "imported": imported, "with_password": with_password, "weak": weak,
            "skipped": skipped, "refused": refused, "seconds": self.begun.elapsed().as_secs_f64(),
            "before": before,
            "not_taken": self.named,
        })
    }
}
