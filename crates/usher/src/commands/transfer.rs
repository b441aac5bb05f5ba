//! What an import and an export ask of whoever has the database: one batch at a time.

use std::collections::HashMap;

use anyhow::{Context as _, Result};
use auth::{Auth, ImportBatch, ImportOptions};
use kernel::{Event, Kind, UserId};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use users::{Authority, Avatar, Party};

use super::{Output, people};

/// How many accounts stand in a page of an export.
pub const PAGE: u32 = 500;

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

/// A page of accounts for an export.
#[derive(Serialize, Deserialize)]
pub struct Page {
    /// Each as the API shows it, and with the hash of its password if that is wanted.
    pub accounts: Vec<Value>,
    /// Whom the following page is behind; nobody after the last.
    pub next: Option<UserId>,
}

/// The accounts that the filter wants behind `after`.
pub async fn page(
    auth: &Auth,
    filter: Vec<(String, String)>,
    after: Option<UserId>,
    with_password_hashes: bool,
) -> Result<Output> {
    let filter = people::filter(auth, filter)?;
    let (accounts, next) = users::search::page_by_id(auth.users(), &filter, after, PAGE).await?;
    let ids: Vec<UserId> = accounts.iter().map(|account| account.id).collect();
    let mut hashes = if with_password_hashes {
        auth::password_hashes_of(&mut auth.db().read().await?, &ids).await?
    } else {
        HashMap::new()
    };
    let mut rows = Vec::with_capacity(accounts.len());
    for (account, view) in accounts.iter().zip(auth.users().views(&accounts, Party::Officers).await?) {
        let mut row = serde_json::to_value(view)?;
        if let Some(fields) = row.as_object_mut() {
            // A picture that is kept here is at an address of this Usher, which may be about to go.
            let elsewhere = match &account.avatar {
                Some(Avatar::Elsewhere(url)) => Some(url.as_str()),
                Some(Avatar::Kept(_)) | None => None,
            };
            fields.insert("avatar_url".to_owned(), json!(elsewhere));
            if with_password_hashes {
                fields.insert("password_hash".to_owned(), json!(hashes.remove(&account.id)));
            }
        }
        rows.push(row);
    }
    Ok(data(serde_json::to_value(Page { accounts: rows, next })?))
}

/// Records that accounts were taken away in a file: how many, whether those were all that there are, and whether
/// passwords could be guessed from it. What a filter said may be a person's name, so it is not told.
pub async fn end_export(auth: &Auth, accounts: u64, filtered: bool, with_password_hashes: bool) -> Result<Output> {
    let event = Event::new(Kind::AccountsExported, auth.clock().now())
        .with("accounts", accounts)
        .with("filtered", filtered)
        .with("with_password_hashes", with_password_hashes);
    let mut tx = auth.db().begin().await?;
    tx.append(Authority::Operator.sign(event));
    tx.commit().await?;
    Ok(data(Value::Null))
}
