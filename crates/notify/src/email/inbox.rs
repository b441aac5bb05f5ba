//! The development inbox: mail is kept, sealed, and shown. The record of `development_mails`.

use kernel::Timestamp;
use kernel::id::DeliveryId;
use serde::{Deserialize, Serialize};
use storage::{Result, Tx, execute, fetch_all, fetch_optional};

use super::mime;
use crate::Notify;
use crate::channel::{Receipt, Rendered, SendError};

/// How many mails are kept.
const KEPT: i64 = 500;

/// A mail as somebody who develops sees it. It has no `Debug`: links that work are in it.
#[derive(Clone, Serialize, Deserialize)]
pub struct DevelopmentMail {
    /// The delivery that it is of.
    pub id: DeliveryId,
    /// When it was handed over.
    pub at: Timestamp,
    /// Whom it is for: name and address.
    pub to: String,
    /// The address alone.
    pub address: String,
    /// Whom it is from.
    pub from: String,
    /// The name of its template.
    pub template: String,
    /// Its language (BCP 47).
    pub language: String,
    /// Its subject.
    pub subject: String,
    /// The line that mail programs show beside the subject.
    pub preview: String,
    /// It as HTML.
    pub html: String,
    /// It as text.
    pub text: String,
    /// Where its button leads.
    pub link: Option<String>,
    /// What would go over the wire.
    pub source: String,
}

fn place(id: DeliveryId) -> Vec<u8> {
    [b"development_mails/sealed/", &id.as_bytes()[..]].concat()
}

/// Keeps a mail. A second time it is the same mail.
pub(super) async fn keep(notify: &Notify, message: &Rendered) -> std::result::Result<Receipt, SendError> {
    let from = &notify.settings().from;
    let wire = mime::message(from, message)?;
    let mail = DevelopmentMail {
        id: message.delivery,
        at: notify.users().clock.now(),
        to: mime::recipient(message)?.to_string(),
        address: message.address.clone(),
        from: from.mailbox().to_string(),
        template: message.template.as_str().to_owned(),
        language: message.language.clone(),
        subject: message.subject.clone(),
        preview: message.preview.clone(),
        html: message.html.clone(),
        text: message.text.clone(),
        link: message.link.clone(),
        source: String::from_utf8_lossy(&wire.formatted()).into_owned(),
    };
    let plain = serde_json::to_vec(&mail).map_err(|error| SendError::never(error.to_string()))?;
    let sealed = notify.sealing().seal(&place(mail.id), &plain).map_err(|_| SendError::never("it cannot be sealed"))?;
    let kept = async {
        let mut tx = notify.db().begin().await?;
        insert(&mut tx, mail.id, &sealed, mail.at).await?;
        tx.commit().await
    };
    match kept.await {
        Ok(()) => Ok(Receipt::default()),
        Err(error) => Err(SendError::later(error.to_string())),
    }
}

async fn insert(tx: &mut Tx, id: DeliveryId, sealed: &[u8], now: Timestamp) -> Result<()> {
    execute!(
        tx,
        "INSERT INTO development_mails (id, sealed, created_at) VALUES ($1, $2, $3) ON CONFLICT (id) DO NOTHING",
        id,
        sealed,
        now
    )?;
    execute!(
        tx,
        "DELETE FROM development_mails WHERE id IN (
             SELECT id FROM development_mails ORDER BY created_at DESC, id DESC LIMIT 100 OFFSET $1)",
        KEPT
    )?;
    Ok(())
}

#[derive(sqlx::FromRow)]
struct Row {
    id: DeliveryId,
    sealed: Vec<u8>,
}

impl Row {
    /// What was sealed with a key that is not here any more is as good as gone.
    fn open(self, notify: &Notify) -> Option<DevelopmentMail> {
        let plain = notify.sealing().open(&place(self.id), &self.sealed).ok()?;
        serde_json::from_slice(&plain).ok()
    }
}

/// The mails that are kept, newest first, at most `limit`.
pub(crate) async fn list(notify: &Notify, limit: i64) -> Result<Vec<DevelopmentMail>> {
    let rows: Vec<Row> = fetch_all!(
        &mut notify.db().read().await?,
        "SELECT id, sealed FROM development_mails ORDER BY created_at DESC, id DESC LIMIT $1",
        limit
    )?;
    Ok(rows.into_iter().filter_map(|row| row.open(notify)).collect())
}

/// One of them.
pub(crate) async fn find(notify: &Notify, id: DeliveryId) -> Result<Option<DevelopmentMail>> {
    let row: Option<Row> =
        fetch_optional!(&mut notify.db().read().await?, "SELECT id, sealed FROM development_mails WHERE id = $1", id)?;
    Ok(row.and_then(|row| row.open(notify)))
}

/// Throws all of them away.
pub(crate) async fn clear(notify: &Notify) -> Result<()> {
    let mut tx = notify.db().begin().await?;
    execute!(&mut tx, "DELETE FROM development_mails")?;
    tx.commit().await
}
