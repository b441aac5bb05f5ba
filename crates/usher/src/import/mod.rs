//! `usher import`: accounts from a file, into the running server or, where there is none, right here.
//!
//! The file is read and taken apart in this process, a row at a time (`input`, `json`, `table`), each
//! source's form by itself (`sources`); `reader` makes batches of it on a thread of its own. What is handed
//! on are batches of plain rows: to `auth::import_batch` where the database is open, over the control
//! socket where a server has it.

mod input;
mod json;
mod progress;
mod reader;
mod report;
mod sources;
mod table;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use anyhow::{Context as _, Result, bail};
use auth::hashing::foreign::FirebaseParameters;
use auth::{Auth, BatchReport, ImportOptions, ImportState, NotTaken};
use kernel::Clock;
use tokio::sync::mpsc;
use users::{Authority, EmailAddress};

pub use reader::Format;
use reader::{Most, Source};
pub use report::Summary;

use crate::commands::Command;
use crate::config::Checked;
use crate::control;
use crate::setup::{self, Absent};

/// What somebody wants to import.
pub struct Import {
    /// The file.
    pub file: PathBuf,
    /// What it is.
    pub format: Format,
    /// How it is imported.
    pub options: ImportOptions,
    /// Where rows that are not taken are written.
    pub report: Option<PathBuf>,
    /// A file with what Firebase's hashes were made with.
    pub firebase: Option<PathBuf>,
}

/// Why reading ends early.
#[derive(Debug, thiserror::Error)]
pub enum Stop {
    /// The file cannot be read on.
    #[error("{0}")]
    Broken(String),
    /// It cannot be read at all.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Nobody takes rows any more.
    #[error("the import was stopped")]
    Abandoned,
}

/// Where rows go.
enum Sink {
    /// To the server that runs on this folder.
    Server(String),
    /// Into the database, which no other process has.
    Here(Box<Auth>),
}

impl Sink {
    async fn open(checked: &Checked, import: &Import, digest: [u8; 32]) -> Result<(Self, ImportState)> {
        let source = import.format.as_str();
        let dry_run = import.options.dry_run;
        let begin = Command::BeginImport { file: digest, source: source.to_owned(), dry_run };
        if let Some(output) = control::ask(&checked.config.data_dir, &begin).await? {
            return Ok((Self::Server(checked.config.data_dir.clone()), serde_json::from_value(output.data)?));
        }
        let absent = if dry_run { Absent::Refuse } else { Absent::Make };
        let opened = setup::open_for_bulk(checked, checked.public_url(checked.listen), absent).await?;
        let state = auth::begin_import(&opened.auth, &digest, source, dry_run).await?;
        Ok((Self::Here(Box::new(opened.auth)), state))
    }

    const fn most(&self) -> Most {
        match self {
            Self::Server(_) => Most::BESIDE_OTHERS,
            Self::Here(_) => Most::ALONE,
        }
    }

    async fn write(&self, options: &ImportOptions, handed: Handed) -> Result<BatchReport> {
        match (self, handed) {
            (Self::Here(auth), Handed::Prepared(prepared)) => {
                Ok(auth::import_batch(auth, Authority::Operator, options, *prepared).await?)
            }
            (Self::Server(data_dir), Handed::Raw(batch)) => {
                let command = Command::ImportBatch { options: options.clone(), batch };
                let output = control::ask(data_dir, &command).await?.context("the server has stopped: begin again")?;
                Ok(serde_json::from_value(output.data)?)
            }
            (Self::Here(_), Handed::Raw(_)) | (Self::Server(_), Handed::Prepared(_)) => bail!("a batch went astray"),
        }
    }
}

/// A batch on its way to the sink.
enum Handed {
    Raw(Box<auth::ImportBatch>),
    Prepared(Box<auth::PreparedBatch>),
}

/// Imports the file.
pub async fn run(checked: &Checked, import: Import) -> Result<Summary> {
    let firebase = import.firebase.as_deref().map(sources_of_firebase).transpose()?;
    let (digest, length) = reader::digest(&import.file)?;
    let (sink, state) = Sink::open(checked, &import, digest).await?;
    let source = Source {
        path: import.file.clone(),
        format: import.format,
        firebase,
        position: state.position,
        most: sink.most(),
        digest,
        now: Clock::system().now(),
    };
    let mut summary = Summary::new(&import, state)?;
    let read = Arc::new(AtomicU64::new(0));
    let bar = progress::Bar::new(length, read.clone());
    let (hand_on, mut batches) = mpsc::channel::<Handed>(2);
    let reading = read_apart(source, read, &sink, import.options.clone(), hand_on);
    let mut written = Ok(());
    while let Some(handed) = batches.recv().await {
        match sink.write(&import.options, handed).await {
            Ok(report) => summary.add(report)?,
            Err(error) => {
                written = Err(error);
                break;
            }
        }
        bar.show(&summary);
    }
    drop(batches);
    let ended = tokio::task::spawn_blocking(move || reading.join()).await?;
    bar.finish();
    if let Sink::Here(auth) = &sink {
        auth.db().close().await;
    }
    written?;
    match ended {
        Ok(Ok(())) => Ok(summary),
        Ok(Err(stop)) => Err(anyhow::Error::new(stop).context(summary.text())),
        Err(_) => bail!("reading the file failed"),
    }
}

/// Reads the file on a thread of its own, and, where the database is here, parses what the rows say there
/// too: the writer has enough to do.
fn read_apart(
    source: Source,
    read: Arc<AtomicU64>,
    sink: &Sink,
    options: ImportOptions,
    hand_on: mpsc::Sender<Handed>,
) -> std::thread::JoinHandle<Result<(), Stop>> {
    let auth = match sink {
        Sink::Here(auth) => Some(auth.clone()),
        Sink::Server(_) => None,
    };
    std::thread::spawn(move || {
        let mut twice = Twice::new(options.dry_run);
        reader::read(&source, read, &mut |mut batch| {
            twice.take_out(&mut batch);
            let handed = match &auth {
                Some(auth) => Handed::Prepared(Box::new(auth::prepare_import(auth, &options, batch))),
                None => Handed::Raw(Box::new(batch)),
            };
            hand_on.blocking_send(handed).map_err(|_| Stop::Abandoned)
        })
    })
}

/// Addresses that stand in a file twice. An import meets the first in the database; a dry run writes
/// nothing there, so it remembers them: eight bytes for each.
struct Twice {
    seen: Option<HashSet<u64>>,
    hasher: RandomState,
}

impl Twice {
    fn new(dry_run: bool) -> Self {
        Self { seen: dry_run.then(HashSet::new), hasher: RandomState::new() }
    }

    fn take_out(&mut self, batch: &mut auth::ImportBatch) {
        let Some(seen) = &mut self.seen else { return };
        let not_taken = &mut batch.unreadable;
        batch.rows.retain(|row| {
            let email = row.account.email.as_deref().and_then(|email| EmailAddress::parse(email).ok());
            let is_new = email.is_none_or(|email| seen.insert(self.hasher.hash_one(email.canonical())));
            if !is_new {
                let reason = "email: The address stands in the file before.".to_owned();
                not_taken.push(NotTaken { line: row.line, is_duplicate: true, reason });
            }
            is_new
        });
    }
}

/// Reads `base64_signer_key: …`, as the console of Firebase shows it under “Password hash parameters”.
fn sources_of_firebase(path: &std::path::Path) -> Result<FirebaseParameters> {
    let text = std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    let value = |name: &str| {
        let line = text.lines().find_map(|line| line.trim().trim_matches('"').strip_prefix(name))?;
        let value = line.trim_start_matches(['"', ':', ' ', '=']).trim_end_matches([',', ' ', ';']);
        Some(value.trim_matches('"').to_owned())
    };
    let wanted = |name: &str| value(name).with_context(|| format!("{} has no `{name}`", path.display()));
    let parameters = FirebaseParameters::parse(
        &wanted("base64_signer_key")?,
        &wanted("base64_salt_separator")?,
        wanted("rounds")?.parse().context("`rounds` is not a number")?,
        wanted("mem_cost")?.parse().context("`mem_cost` is not a number")?,
    );
    parameters.with_context(|| format!("the parameters in {}", path.display()))
}

/// A text that came from somewhere else, for a terminal: what would move its cursor, colour it or turn its
/// lines is shown as its number.
pub fn plain(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars().take(200) {
        if users::turns_or_breaks(c) {
            shown.extend(c.escape_unicode());
        } else {
            shown.push(c);
        }
    }
    shown
}
