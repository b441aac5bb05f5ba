//! Writing accounts that come from elsewhere, with the hashes of their passwords: batch by batch, each one
//! transaction with one event. The same transaction says how far the file has got, so that whoever is
//! interrupted goes on behind the last row that was written, and no row is written twice.

use std::collections::BTreeSet;

use aws_lc_rs::digest::{Context, SHA256};
use kernel::{Event, Kind, UserId};
use serde::{Deserialize, Serialize};
use users::Authority;
use users::import::{ImportedAccount, RawAccount, RefusedRow, RoleVerdict};

use crate::hashing::{ForeignHash, StoredHash, Unacceptable};
use crate::{Auth, credential, import_record};

/// What is done with passwords.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Passwords {
    /// Every hash is kept; a row whose hash cannot be checked here is refused.
    #[default]
    All,
    /// Hashes that are weak, or cannot be checked here, are left out: their owners need another way in.
    Strong,
    /// None is kept.
    None,
}

/// What somebody wants of an import.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ImportOptions {
    /// Roles that everybody in the file gets.
    pub roles: Vec<String>,
    /// What is done with passwords.
    pub passwords: Passwords,
    /// Whether roles that do not exist here are left out, and their rows taken without them.
    pub skip_unknown_roles: bool,
    /// Whether the file may make people who may do everything.
    pub administrators: bool,
    /// Whether nothing is written.
    pub dry_run: bool,
}

/// One row of a file.
#[derive(Clone, Serialize, Deserialize)]
pub struct ImportRow {
    /// Where it stands in the file, for the report.
    pub line: u64,
    /// What it says.
    pub account: RawAccount,
    /// The hash of the password in a form of [`ForeignHash`], or one of ours.
    pub password_hash: Option<String>,
}

/// Rows that are written together.
#[derive(Clone, Serialize, Deserialize)]
pub struct ImportBatch {
    /// The digest of the file.
    pub file: [u8; 32],
    /// Where the file comes from: a name for the event.
    pub source: String,
    /// How many rows of the file are before these.
    pub from: u64,
    /// How many there are with these, and with those that could not be read.
    pub to: u64,
    /// Whether the file ends here.
    pub is_last: bool,
    /// The rows between that could not be read.
    pub unreadable: Vec<NotTaken>,
    /// The rows.
    pub rows: Vec<ImportRow>,
}

/// A row that was not taken, and why. It never has the hash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotTaken {
    /// Where it stands in the file.
    pub line: u64,
    /// Whether it is there already, which is no mistake.
    pub is_duplicate: bool,
    /// Why.
    pub reason: String,
}

/// What became of a batch.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct BatchReport {
    /// How many accounts were made.
    pub imported: u64,
    /// How many of them have a password.
    pub with_password: u64,
    /// How many of those can be found by whoever steals the hashes.
    pub weak: u64,
    /// What was not taken.
    pub not_taken: Vec<NotTaken>,
}

/// How far a file has got.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ImportState {
    /// How many rows are done.
    pub position: u64,
    /// How many accounts were made of them.
    pub imported: u64,
    /// How many were there already.
    pub skipped: u64,
    /// How many were refused.
    pub refused: u64,
    /// Those of the last batch that were not taken: a report may lack them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_taken: Vec<NotTaken>,
}

/// A batch could not be written; nothing of it was.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// Somebody else imports the same file.
    #[error("another import of the same file is under way: wait for it, or stop it")]
    Overtaken,
    /// Whoever asks may not make accounts.
    #[error("making accounts is not allowed")]
    Forbidden,
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] storage::Error),
}

/// A row that can be written.
struct Ready {
    line: u64,
    hash: Option<String>,
    is_weak: bool,
}

/// A batch that was read: everything that takes time without a transaction is done.
pub struct PreparedBatch {
    batch: ImportBatch,
    accounts: Vec<ImportedAccount>,
    ready: Vec<Ready>,
    report: BatchReport,
}

/// Reads what the rows say. It takes some milliseconds of CPU: not for a request thread.
pub fn prepare(auth: &Auth, options: &ImportOptions, mut batch: ImportBatch) -> PreparedBatch {
    let now = auth.clock().now();
    let rows = std::mem::take(&mut batch.rows);
    let mut prepared = PreparedBatch {
        accounts: Vec::with_capacity(rows.len()),
        ready: Vec::with_capacity(rows.len()),
        report: BatchReport { not_taken: std::mem::take(&mut batch.unreadable), ..BatchReport::default() },
        batch,
    };
    for row in rows {
        let read = ImportedAccount::parse(auth.users(), &row.account, &options.roles, now)
            .and_then(|account| Ok((account, password(auth, options.passwords, row.password_hash.as_deref())?)));
        match read {
            Ok((account, password)) => {
                let (hash, is_weak) = password.map_or((None, false), |(hash, is_weak)| (Some(hash), is_weak));
                prepared.accounts.push(account);
                prepared.ready.push(Ready { line: row.line, hash, is_weak });
            }
            Err(refused) => prepared.report.not_taken.push(NotTaken {
                line: row.line,
                is_duplicate: false,
                reason: refused.to_string(),
            }),
        }
    }
    prepared
}

/// The text that is stored for a hash, and whether it is weak.
fn password(auth: &Auth, wanted: Passwords, text: Option<&str>) -> Result<Option<(String, bool)>, RefusedRow> {
    let Some(text) = text.map(str::trim).filter(|text| !text.is_empty() && wanted != Passwords::None) else {
        return Ok(None);
    };
    let read = match StoredHash::parse(text) {
        Some(ours) if auth.pepper().by_id(ours.pepper).is_some() && ours.cost.is_allowed() => {
            Ok((ours.to_string(), false))
        }
        Some(_) => Err(RefusedRow::new(
            "password_hash",
            "It was made with a master key that is not here, or at a cost that is out of bounds.",
        )),
        None => ForeignHash::parse(text)
            .map(|hash| (hash.to_string(), hash.is_weak()))
            .map_err(|error: Unacceptable| RefusedRow::new("password_hash", error.to_string())),
    };
    match (wanted, read) {
        (Passwords::Strong, Ok((_, true)) | Err(_)) => Ok(None),
        (_, read) => read.map(Some),
    }
}

/// What a file is known by: a digest of its beginning and its length.
pub fn import_file_id(head: &[u8], length: u64) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    context.update(&length.to_be_bytes());
    context.update(head);
    let mut id = [0; 32];
    id.copy_from_slice(context.finish().as_ref());
    id
}

/// Where this file was left; if it was finished, or never begun, it begins now.
pub async fn begin_import(auth: &Auth, file: &[u8; 32], source: &str, dry_run: bool) -> storage::Result<ImportState> {
    if dry_run {
        return Ok(ImportState::default());
    }
    let mut tx = auth.db().begin().await?;
    import_record::begin(&mut tx, file, source, auth.clock().now()).await?;
    let progress = import_record::find(&mut tx, file).await?;
    tx.commit().await?;
    let number = |number: i64| u64::try_from(number).unwrap_or(0);
    Ok(progress.map_or_else(ImportState::default, |progress| ImportState {
        position: number(progress.position),
        imported: number(progress.imported),
        skipped: number(progress.skipped),
        refused: number(progress.refused),
        not_taken: progress.not_taken.and_then(|rows| serde_json::from_str(&rows).ok()).unwrap_or_default(),
    }))
}

/// Writes a batch, or, in a dry run, finds out what would come of it.
pub async fn import_batch(
    auth: &Auth,
    authority: Authority,
    options: &ImportOptions,
    prepared: PreparedBatch,
) -> Result<BatchReport, ImportError> {
    let PreparedBatch { batch, mut accounts, mut ready, mut report } = prepared;
    let now = auth.clock().now();
    let mut tx = auth.db().begin().await?;
    if !authority.may(&mut tx, users::may::USERS_WRITE).await? {
        return Err(ImportError::Forbidden);
    }
    refuse_roles(&mut tx, authority, options, &mut accounts, &mut ready, &mut report).await?;
    let made = users::import::insert_imported(&mut tx, &accounts, now).await?;
    let mut hashes: Vec<(UserId, &str)> = Vec::with_capacity(made.len());
    for ((account, row), made) in accounts.iter().zip(&ready).zip(made) {
        if !made {
            let reason = "email: An account has this address or this id already.".to_owned();
            report.not_taken.push(NotTaken { line: row.line, is_duplicate: true, reason });
            continue;
        }
        report.imported += 1;
        if let Some(hash) = &row.hash {
            hashes.push((account.id, hash));
            report.weak += u64::from(row.is_weak);
        }
    }
    report.with_password = hashes.len() as u64;
    credential::insert_many(&mut tx, &hashes, now).await?;
    report.not_taken.sort_by_key(|row| row.line);
    if options.dry_run {
        return Ok(report);
    }
    let count = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let skipped = report.not_taken.iter().filter(|row| row.is_duplicate).count() as u64;
    let refused = report.not_taken.len() as u64 - skipped;
    let step = import_record::Step {
        from: count(batch.from),
        to: count(batch.to),
        imported: count(report.imported),
        skipped: count(skipped),
        refused: count(refused),
        is_last: batch.is_last,
        // Lines and words can always be written.
        not_taken: serde_json::to_string(&report.not_taken).unwrap_or_default(),
    };
    if !import_record::advance(&mut tx, &batch.file, step, now).await? {
        return Err(ImportError::Overtaken);
    }
    let event = Event::new(Kind::AccountsImported, now)
        .with("source", batch.source)
        .with("imported", report.imported)
        .with("skipped", skipped)
        .with("refused", refused)
        .with("with_password", report.with_password);
    tx.append(authority.sign(event));
    tx.commit().await?;
    Ok(report)
}

/// Takes out the rows that want a role that they may not have.
async fn refuse_roles(
    tx: &mut storage::Tx,
    authority: Authority,
    options: &ImportOptions,
    accounts: &mut Vec<ImportedAccount>,
    ready: &mut Vec<Ready>,
    report: &mut BatchReport,
) -> storage::Result<()> {
    let wanted: BTreeSet<String> =
        accounts.iter().flat_map(ImportedAccount::special_roles).map(str::to_owned).collect();
    if wanted.is_empty() {
        return Ok(());
    }
    let verdicts = users::import::judge_roles(tx, authority, wanted).await?;
    let verdict = |role: &str| verdicts.get(role).copied().unwrap_or(RoleVerdict::Fine);
    let mut kept = (Vec::with_capacity(accounts.len()), Vec::with_capacity(ready.len()));
    for (mut account, row) in std::mem::take(accounts).into_iter().zip(std::mem::take(ready)) {
        if options.skip_unknown_roles {
            account.drop_roles(|role| verdict(role) == RoleVerdict::Unknown);
        }
        let reason = account.special_roles().find_map(|role| {
            let named = options.roles.iter().any(|named| named == role);
            match verdict(role) {
                RoleVerdict::Fine => None,
                RoleVerdict::Everything if options.administrators || named => None,
                RoleVerdict::Unknown => Some(format!("roles: There is no role {role} here.")),
                RoleVerdict::Beyond => Some(format!("roles: The role {role} allows more than you may.")),
                RoleVerdict::Everything => Some(format!(
                    "roles: The role {role} may do everything; a file gives it only with --administrators."
                )),
            }
        });
        if let Some(reason) = reason {
            report.not_taken.push(NotTaken { line: row.line, is_duplicate: false, reason });
        } else {
            kept.0.push(account);
            kept.1.push(row);
        }
    }
    (*accounts, *ready) = kept;
    Ok(())
}
