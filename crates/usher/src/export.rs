//! `usher export`: accounts into a file, a page at a time, from the running server or right here.

use std::fs::OpenOptions;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use clap::ValueEnum;
use serde_json::Value;
use users::export::defused;

use crate::commands::{self, Command, Output, Page};
use crate::config::Checked;
use crate::control;
use crate::setup::{self, Absent, Opened};

/// How an export is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    /// A user in JSON a line; `usher import --from usher` reads it
    Jsonl,
    /// Columns with a header, safe to open in a spreadsheet
    Csv,
}

/// What somebody wants to export.
pub struct Export {
    /// Which accounts, by the names of the API.
    pub filter: Vec<(String, String)>,
    /// How it is written.
    pub format: ExportFormat,
    /// Where to, if not to standard output.
    pub output: Option<PathBuf>,
    /// Whether the hashes of passwords go along.
    pub with_password_hashes: bool,
}

/// The columns of a CSV, in order; the hash of the password comes last, if it is wanted.
const COLUMNS: [&str; 18] = [
    "id",
    "email",
    "email_verified",
    "name",
    "locale",
    "status",
    "roles",
    "created_at",
    "updated_at",
    "last_login_at",
    "version",
    "avatar_url",
    "bio",
    "timezone",
    "phone_number",
    "address",
    "preferences",
    "attributes",
];

/// Whoever answers: the server on this folder, or the database itself.
enum Asked<'c> {
    Server(&'c str),
    Here(Box<Opened>),
}

impl Asked<'_> {
    async fn ask(&self, command: Command) -> Result<Output> {
        match self {
            Self::Server(folder) => {
                control::ask(folder, &command).await?.context("the server has stopped: begin again")
            }
            Self::Here(opened) => commands::execute(&opened.auth, &opened.signals, &opened.notify, command).await,
        }
    }
}

/// Writes the accounts in the order of their ids; says how many they are.
pub async fn run(checked: &Checked, export: &Export) -> Result<u64> {
    let with_password_hashes = export.with_password_hashes;
    let page = |after| Command::ExportPage { filter: export.filter.clone(), after, with_password_hashes };
    let folder = checked.config.data_dir.as_str();
    let (asked, mut output) = if let Some(output) = control::ask(folder, &page(None)).await? {
        (Asked::Server(folder), output)
    } else {
        let opened = setup::open(checked, checked.public_url(checked.listen), Absent::Refuse).await?;
        let asked = Asked::Here(Box::new(opened));
        let output = asked.ask(page(None)).await?;
        (asked, output)
    };
    let mut writer = open(export)?;
    let mut count = 0;
    loop {
        let Page { accounts, next } = serde_json::from_value(output.data)?;
        for account in &accounts {
            writer.row(account).context("writing the export")?;
        }
        count += accounts.len() as u64;
        if next.is_none() {
            break;
        }
        output = asked.ask(page(next)).await?;
    }
    writer.finish().context("writing the export")?;
    let filtered = !export.filter.is_empty();
    let ended = Command::EndExport { accounts: count, filtered, with_password_hashes };
    asked.ask(ended).await.context("the export is written, but the ledger does not say so")?;
    if let Asked::Here(opened) = &asked {
        opened.auth.db().close().await;
    }
    Ok(count)
}

/// What an export goes to.
enum Rows {
    Json(BufWriter<Box<dyn Write>>),
    Table { writer: Box<csv::Writer<Box<dyn Write>>>, with_password_hashes: bool },
}

fn open(export: &Export) -> Result<Rows> {
    let target: Box<dyn Write> = match &export.output {
        None => Box::new(io::stdout()),
        Some(path) => {
            // People's addresses stand in it, and perhaps what their passwords can be guessed from.
            let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
            match file {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    bail!("{} is there already: name a new file", path.display())
                }
                file => Box::new(file.with_context(|| format!("writing {}", path.display()))?),
            }
        }
    };
    Ok(match export.format {
        ExportFormat::Jsonl => Rows::Json(BufWriter::new(target)),
        ExportFormat::Csv => {
            let with_password_hashes = export.with_password_hashes;
            // RFC 4180 §2: lines end in CR LF; a cell with a quote, a comma or a line break is quoted.
            let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(target);
            writer.write_record(COLUMNS.iter().copied().chain(with_password_hashes.then_some("password_hash")))?;
            Rows::Table { writer: Box::new(writer), with_password_hashes }
        }
    })
}

impl Rows {
    fn row(&mut self, row: &Value) -> Result<()> {
        match self {
            Self::Json(writer) => writeln!(writer, "{row}")?,
            Self::Table { writer, with_password_hashes } => {
                let columns = COLUMNS.iter().copied().chain(with_password_hashes.then_some("password_hash"));
                writer.write_record(columns.map(|column| cell(column, &row[column])))?;
            }
        }
        Ok(())
    }

    fn finish(self) -> Result<()> {
        match self {
            Self::Json(mut writer) => writer.flush()?,
            Self::Table { mut writer, .. } => writer.flush()?,
        }
        Ok(())
    }
}

fn cell(column: &str, value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        // Its own bytes, or it could not be read again. It begins with `$`, `{` or a letter.
        Value::String(hash) if column == "password_hash" => hash.clone(),
        Value::String(text) => defused(text).into_owned(),
        Value::Array(list) => {
            defused(&list.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" ")).into_owned()
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn i8_cells_that_would_be_formulas_are_text_joined_ones_too() {
        assert_eq!(cell("name", &json!("=HYPERLINK(\"http://evil.example\")")), "'=HYPERLINK(\"http://evil.example\")");
        assert_eq!(cell("roles", &json!(["-2", "user"])), "'-2 user");
        assert_eq!(cell("roles", &json!(["support", "-2"])), "support -2");
        assert_eq!(cell("version", &json!(3)), "3");
        assert_eq!(cell("password_hash", &json!("=not a hash")), "=not a hash");
    }

    #[test]
    fn i8_quotes_commas_and_line_breaks_are_quoted_as_rfc_4180_says() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let writer: Box<dyn Write> = Box::new(file.reopen().unwrap());
        let writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(writer);
        let mut rows = Rows::Table { writer: Box::new(writer), with_password_hashes: false };
        rows.row(&json!({"id": "1", "email": "a@example.com", "name": "=1,\"2\"\n3", "roles": ["a", "b"]})).unwrap();
        rows.finish().unwrap();
        let text = std::fs::read_to_string(file.path()).unwrap();
        assert_eq!(text, "1,a@example.com,,\"'=1,\"\"2\"\"\n3\",,,a b,,,,,,,,,,,\r\n");
    }
}
