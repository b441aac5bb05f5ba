//! What somebody asked for by naming an address, until it is answered: all SQL that touches `link_requests`.
//!
//! A request only writes down what was asked. Who has the address, whether anybody, is looked up by [`answer`], which
//! runs beside the requests: no answer, and no time that one takes, says anything about anybody's account.

use std::time::Duration;

use kernel::Timestamp;
use kernel::id::LinkId;
use serde::{Deserialize, Serialize};
use storage::{Connection, Dialect, Error, Result, Tx, execute, fetch_one, fetch_optional};

use crate::{Auth, register, reset_password, sign_in_link, verify_email};

/// How long to wait when nothing is heard: another process may have left something.
const PAUSE: Duration = Duration::from_secs(1);
/// For how long one that cannot be answered is tried again: whoever has waited longer has asked again.
const PATIENCE: Duration = Duration::from_secs(3_600);
/// Before all ids.
pub(crate) const FIRST: LinkId = LinkId::from_bytes([0; 16]);

/// What was asked for.
#[derive(Serialize, Deserialize)]
pub(crate) enum Wish {
    /// An account, which is there once its address is verified.
    Register { password_hash: String, name: Option<String>, locale: Option<String> },
    /// Once more the mail that verifies.
    VerifyEmail,
    /// The link to choose another password with.
    ResetPassword,
    /// The link to sign in with.
    SignIn,
}

/// A request as it is sealed.
#[derive(Serialize, Deserialize)]
pub(crate) struct LinkRequest {
    pub(crate) wish: Wish,
    /// The address as it was typed.
    pub(crate) email: String,
    /// A keyed hash of what the browser holds that asked.
    pub(crate) browser: Option<Vec<u8>>,
}

fn place(id: LinkId) -> Vec<u8> {
    [b"link_requests/sealed/", &id.as_bytes()[..]].concat()
}

/// Writes down what was asked for. When this returns, it will be answered.
pub(crate) async fn put(auth: &Auth, request: &LinkRequest) -> Result<()> {
    let now = auth.clock().now();
    let id = LinkId::new(now);
    let unwritable = |what: &str| Error::Unavailable(format!("what was asked for cannot be {what}"));
    let plain = serde_json::to_vec(request).map_err(|_| unwritable("written"))?;
    let sealed = auth.request_key().seal(&place(id), &plain).map_err(|_| unwritable("sealed"))?;
    let mut tx = auth.db().begin().await?;
    execute!(
        &mut tx,
        "INSERT INTO link_requests (id, sealed, created_at) VALUES ($1, $2, $3)",
        id,
        sealed.as_slice(),
        now
    )?;
    tx.commit().await?;
    auth.asked().notify_one();
    Ok(())
}

#[derive(sqlx::FromRow)]
struct Count {
    waiting: i64,
}

async fn is_any(on: &mut impl Connection) -> Result<bool> {
    let row: Count =
        fetch_one!(on, "SELECT COUNT(*) AS waiting FROM (SELECT 1 AS one FROM link_requests LIMIT 1) AS few")?;
    Ok(row.waiting > 0)
}

#[derive(sqlx::FromRow)]
struct Row {
    id: LinkId,
    sealed: Vec<u8>,
    created_at: Timestamp,
}

/// Takes out the oldest one after `passed`. Processes that ask at the same time get different ones.
async fn take(tx: &mut Tx, dialect: Dialect, passed: LinkId) -> Result<Option<Row>> {
    match dialect {
        Dialect::Sqlite => fetch_optional!(
            tx,
            "DELETE FROM link_requests WHERE id IN (SELECT id FROM link_requests WHERE id > $1 ORDER BY id LIMIT 1)
             RETURNING id, sealed, created_at",
            passed
        ),
        Dialect::Postgres => fetch_optional!(
            tx,
            "DELETE FROM link_requests WHERE id IN (
                 SELECT id FROM link_requests WHERE id > $1 ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED)
             RETURNING id, sealed, created_at",
            passed
        ),
    }
}

/// Answers what is asked for, for as long as the process lives.
pub async fn answer(auth: &Auth) {
    let mut passed = FIRST;
    loop {
        let before = passed;
        match answer_next(auth, &mut passed).await {
            Ok(true) => {}
            Ok(false) => {
                passed = FIRST;
                drop(tokio::time::timeout(PAUSE, auth.asked().notified()).await);
            }
            Err(error) => {
                tracing::warn!(%error, "what was asked for by mail cannot be answered now; it is tried again");
                // If it is this one alone, those behind it do not wait for it.
                if passed == before {
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }
}

/// Answers the next one after `passed`: it is taken out, and what it asks for is done, in one transaction. Whether there
/// was one. `passed` moves on whatever comes of it.
pub(crate) async fn answer_next(auth: &Auth, passed: &mut LinkId) -> Result<bool> {
    if !is_any(&mut auth.db().read().await?).await? {
        return Ok(false);
    }
    let mut tx = auth.db().begin().await?;
    let Some(Row { id, sealed, created_at }) = take(&mut tx, auth.db().dialect(), *passed).await? else {
        return Ok(false);
    };
    *passed = id;
    let plain = auth.request_key().open(&place(id), &sealed).ok();
    if let Some(request) = plain.and_then(|plain| serde_json::from_slice::<LinkRequest>(&plain).ok()) {
        if let Err(error) = grant(auth, &mut tx, request).await {
            drop(tx);
            if auth.clock().now().since(created_at) > PATIENCE {
                tracing::error!(%id, %error, "what was asked for by mail could not be answered for an hour: it is dropped");
                return give_up(auth, id).await.map(|()| true);
            }
            return Err(error);
        }
    } else {
        // Nobody can answer it: sealed with a master key that is gone, or by a newer program.
        tracing::error!(%id, "what was asked for by mail cannot be read: it is dropped");
    }
    tx.commit().await?;
    Ok(true)
}

async fn give_up(auth: &Auth, id: LinkId) -> Result<()> {
    let mut tx = auth.db().begin().await?;
    execute!(&mut tx, "DELETE FROM link_requests WHERE id = $1", id)?;
    tx.commit().await
}

async fn grant(auth: &Auth, tx: &mut Tx, LinkRequest { wish, email, browser }: LinkRequest) -> Result<()> {
    match wish {
        Wish::Register { password_hash, name, locale } => {
            register::answer(auth, tx, register::Wanted { email, password_hash, name, locale, browser }).await
        }
        Wish::VerifyEmail => verify_email::answer(auth, tx, &email, browser.as_deref()).await,
        Wish::SignIn => sign_in_link::answer(auth, tx, &email, browser.as_deref()).await,
        Wish::ResetPassword => reset_password::answer(auth, tx, &email).await,
    }
}
