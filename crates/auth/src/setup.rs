//! The first administrator: a link that is printed at start while there is none. It works once, for
//! an hour, and a restart makes a new one. All SQL that touches `setup_links`.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kernel::id::LinkId;
use kernel::{Event, Kind, Timestamp};
use storage::{Lock, Tx, execute, fetch_one};
use users::account::{ADMIN, USER};

use crate::register::{RegisterError, hash_new_password, insert, open};
use crate::{Auth, Client, NewAccount, Opened};

/// How long a link works, in seconds.
const LIFETIME: i64 = 60 * 60;

/// No administrator was made.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// Used, old, not ours, or there is an administrator already: it does not say which.
    #[error("the link is not good any more")]
    InvalidLink,
    /// The account cannot be made.
    #[error(transparent)]
    Register(#[from] RegisterError),
}

impl From<storage::Error> for SetupError {
    fn from(error: storage::Error) -> Self {
        Self::Register(error.into())
    }
}

/// Makes the link while there is no administrator; those before it stop working.
pub async fn create_link(auth: &Auth) -> storage::Result<Option<String>> {
    let now = auth.clock().now();
    let mut tx = auth.db().begin().await?;
    tx.hold(Lock::Administrators).await?;
    if users::account::any_with_role(&mut tx, ADMIN).await? {
        return Ok(None);
    }
    let id = LinkId::new(now);
    execute!(&mut tx, "UPDATE setup_links SET used_at = $1 WHERE used_at IS NULL", now)?;
    execute!(
        &mut tx,
        "INSERT INTO setup_links (id, created_at, expires_at, used_at) VALUES ($1, $2, $3, NULL)",
        id,
        now,
        now.plus_seconds(LIFETIME)
    )?;
    tx.append(Event::new(Kind::SetupLinkCreated, now));
    tx.commit().await?;
    Ok(Some(format!("{}/setup?token={}", auth.settings().issuer, token(auth, id))))
}

fn token(auth: &Auth, id: LinkId) -> String {
    let tag = auth.link_key().sign(&[b"setup", id.as_bytes()]);
    URL_SAFE_NO_PAD.encode([&id.as_bytes()[..], &tag[..]].concat())
}

fn parse(auth: &Auth, token: &str) -> Option<LinkId> {
    if token.len() > 128 {
        return None;
    }
    let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
    let (id, tag) = bytes.split_first_chunk::<16>()?;
    auth.link_key().verify(&[b"setup", id], tag).then(|| LinkId::from_bytes(*id))
}

#[derive(sqlx::FromRow)]
struct Count {
    good: i64,
}

/// Whether a link would work now. It changes nothing, so that looking at a link does not use it.
pub async fn check(auth: &Auth, token: &str) -> storage::Result<bool> {
    let Some(id) = parse(auth, token) else { return Ok(false) };
    let mut read = auth.db().read().await?;
    let row: Count = fetch_one!(
        &mut read,
        "SELECT COUNT(*) AS good FROM setup_links WHERE id = $1 AND used_at IS NULL AND expires_at > $2",
        id,
        auth.clock().now()
    )?;
    Ok(row.good == 1 && !users::account::any_with_role(&mut read, ADMIN).await?)
}

/// Uses the link: makes the administrator and begins a session.
pub async fn redeem(auth: &Auth, token: &str, new: NewAccount, client: &Client) -> Result<Opened, SetupError> {
    let id = parse(auth, token).ok_or(SetupError::InvalidLink)?;
    if !check(auth, token).await? {
        return Err(SetupError::InvalidLink);
    }
    let hash = hash_new_password(auth, &new).await?;
    let mut tx = auth.db().begin().await?;
    tx.hold(Lock::Administrators).await?;
    if !consume(&mut tx, id, auth.clock().now()).await? {
        return Err(SetupError::InvalidLink);
    }
    if users::account::any_with_role(&mut tx, ADMIN).await? {
        return Err(SetupError::InvalidLink);
    }
    let account = insert(auth, &mut tx, &new, Some(&hash), &[ADMIN, USER]).await?;
    let now = account.created_at;
    let opened = open(auth, &mut tx, account, client, None, now).await?;
    tx.append(
        Event::new(Kind::AdministratorCreated, opened.session.created_at)
            .by(opened.account.id)
            .in_session(opened.session.id),
    );
    tx.commit().await?;
    Ok(opened)
}

async fn consume(tx: &mut Tx, id: LinkId, now: Timestamp) -> storage::Result<bool> {
    let used = execute!(
        tx,
        "UPDATE setup_links SET used_at = $1 WHERE id = $2 AND used_at IS NULL AND expires_at > $1",
        now,
        id
    )?;
    Ok(used == 1)
}
