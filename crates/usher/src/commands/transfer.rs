//! What an import and an export ask of whoever has the database: one batch at a time.

use anyhow::{Context as _, Result};
use auth::{Auth, ImportBatch, ImportOptions};
use kernel::{Event, Kind, UserId};
use serde_json::{Value, json};
use users::{Authority, Avatar, Party};

use super::Output;

/// How many accounts stand in a page of an export.
pub const PAGE: i64 = 500;

fn data(data: Value) -> Output {
    Output { text: String::new(), data }
}

/// Where a file was left.
pub async fn begin(auth: &Auth, file: &[u8; 32], source: &str, dry_run: bool) -> Result<Output> {
    let state = auth::begin_import(auth, file, source, dry_run).await?;
    Ok(data(serde_json::to_value(state)?))
}

/// Writes a batch. What its rows say is read beside the request threads: it takes some milliseconds.
pub async fn write(auth: &Auth, options: ImportOptions, batch: ImportBatch) -> Result<Output> {
    let (reader, how) = (auth.clone(), options.clone());
    let prepared = tokio::task::spawn_blocking(move || auth::prepare_import(&reader, &how, batch)).await;
    let prepared = prepared.context("reading a batch failed")?;
    let report = auth::import_batch(auth, Authority::Operator, &options, prepared).await?;
    Ok(data(serde_json::to_value(report)?))
}

/// The accounts behind `after`, each as the API shows it, and with the hash of its password if that is
/// wanted.
pub async fn page(auth: &Auth, after: Option<UserId>, with_password_hashes: bool) -> Result<Output> {
    let mut read = auth.db().read().await?;
    let mut rows = Vec::new();
    for id in users::account::ids_after(&mut read, after, PAGE).await? {
        // It may have been erased since.
        let Some(account) = users::account::find(&mut read, id).await? else { continue };
        let mut row = serde_json::to_value(auth.users().view(&account, Party::Officers).await?)?;
        if let Some(fields) = row.as_object_mut() {
            // A picture that is kept here is at an address of this Usher, which may be about to go.
            let elsewhere = match &account.avatar {
                Some(Avatar::Elsewhere(url)) => Some(url.as_str()),
                Some(Avatar::Kept(_)) | None => None,
            };
            fields.insert("avatar_url".to_owned(), json!(elsewhere));
            if with_password_hashes {
                let hash = auth::password_hash_of(&mut read, id).await?;
                fields.insert("password_hash".to_owned(), json!(hash));
            }
        }
        rows.push(row);
    }
    Ok(data(Value::Array(rows)))
}

/// Records that everything was taken away in a file: how much, and whether passwords could be guessed from it.
pub async fn end_export(auth: &Auth, accounts: u64, with_password_hashes: bool) -> Result<Output> {
    let event = Event::new(Kind::AccountsExported, auth.clock().now())
        .with("accounts", accounts)
        .with("with_password_hashes", with_password_hashes);
    let mut tx = auth.db().begin().await?;
    tx.append(Authority::Operator.sign(event));
    tx.commit().await?;
    Ok(data(Value::Null))
}
