//! What came of an import: numbers, and the rows that were not taken with the reason.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, Result};
use auth::{BatchReport, ImportState, NotTaken};
use serde_json::{Value, json};

use super::Import;

/// How many rows are named without a report.
const NAMED: usize = 20;

/// Rows as a report has them.
fn lines(rows: &[NotTaken]) -> String {
    let line = |row: &NotTaken| json!({"line": row.line, "duplicate": row.is_duplicate, "reason": row.reason});
    rows.iter().flat_map(|row| [line(row).to_string(), "\n".to_owned()]).collect()
}

/// Opens a report: a new one, or, where an import goes on, the one that it has. Whoever was interrupted may have
/// written the rows of the last batch there, or some of them, or none: what is missing is written now.
fn open(path: &Path, before: &ImportState) -> std::io::Result<File> {
    let is_new = before.position == 0;
    // It names lines of a file with people.
    let mut options = OpenOptions::new();
    let mut file = options.read(true).write(true).create(true).mode(0o600).truncate(is_new).open(path)?;
    let last = lines(&before.not_taken);
    let length = file.seek(SeekFrom::End(0))?;
    let mut tail = Vec::new();
    file.seek(SeekFrom::Start(length.saturating_sub(last.len() as u64)))?;
    file.read_to_end(&mut tail)?;
    file.write_all(&last.as_bytes()[overlap(&tail, last.as_bytes())..])?;
    file.sync_data()?;
    Ok(file)
}

/// How many bytes of `rows` stand at the end of `written`. No line stands in a report twice, so that what is the same is
/// the same rows.
fn overlap(written: &[u8], rows: &[u8]) -> usize {
    (0..=rows.len().min(written.len())).rev().find(|length| written.ends_with(&rows[..*length])).unwrap_or(0)
}

/// The numbers so far.
pub struct Summary {
    before: ImportState,
    imported: u64,
    with_password: u64,
    weak: u64,
    skipped: u64,
    refused: u64,
    named: Vec<NotTaken>,
    report: Option<(PathBuf, File)>,
    dry_run: bool,
    begun: Instant,
}

impl Summary {
    /// Nothing yet.
    pub fn new(import: &Import, mut before: ImportState) -> Result<Self> {
        let open = |path: &PathBuf| {
            let file = open(path, &before).with_context(|| format!("writing {}", path.display()))?;
            anyhow::Ok((path.clone(), file))
        };
        let report = import.report.as_ref().map(open).transpose()?;
        before.not_taken.clear();
        Ok(Self {
            report,
            before,
            imported: 0,
            with_password: 0,
            weak: 0,
            skipped: 0,
            refused: 0,
            named: Vec::new(),
            dry_run: import.options.dry_run,
            begun: Instant::now(),
        })
    }

    /// A batch was written.
    pub fn add(&mut self, report: BatchReport) -> Result<()> {
        self.imported += report.imported;
        self.with_password += report.with_password;
        self.weak += report.weak;
        // All of it is there before the next batch is written: an interruption can tear the last batch's only.
        if let Some((_, file)) = self.report.as_mut().filter(|_| !report.not_taken.is_empty()) {
            let written = file.write_all(lines(&report.not_taken).as_bytes()).and_then(|()| file.sync_data());
            written.context("writing the report")?;
        }
        for row in report.not_taken {
            if row.is_duplicate {
                self.skipped += 1;
            } else {
                self.refused += 1;
            }
            if self.named.len() < NAMED {
                self.named.push(row);
            }
        }
        Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;

    fn row(line: u64) -> NotTaken {
        NotTaken { line, is_duplicate: line.is_multiple_of(2), reason: "email: The row has none.".to_owned() }
    }

    #[test]
    fn a_report_that_was_torn_anywhere_in_the_last_batch_is_made_whole() {
        let (first, last) = (lines(&[row(1), row(2)]), [row(3), row(33), row(333)]);
        let before = ImportState { position: 1000, not_taken: last.to_vec(), ..ImportState::default() };
        let whole = format!("{first}{}", lines(&last));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.jsonl");
        for torn in first.len()..=whole.len() {
            std::fs::write(&path, &whole[..torn]).unwrap();
            open(&path, &before).unwrap().write_all(b"more\n").unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("{whole}more\n"), "torn at {torn}");
        }
        // One that was named for the first time has what is known, and a new import begins an empty one.
        std::fs::remove_file(&path).unwrap();
        drop(open(&path, &before).unwrap());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), lines(&last));
        drop(open(&path, &ImportState::default()).unwrap());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "");
    }
}
