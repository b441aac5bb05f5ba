//! The session record: all SQL that touches `sessions`.

use kernel::{SessionId, Timestamp, UserId};
use storage::{Connection, Result, Tx, execute, fetch_all, fetch_one, fetch_optional};
use users::{Account, Status};

use crate::known_device::Device;
use crate::{Auth, Client, SessionKind};

/// One signed-in browser or program.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Session {
    /// Its id: the `sid` of its tokens.
    pub id: SessionId,
    /// Whose it is.
    pub user_id: UserId,
    /// The account's epoch when it began.
    pub epoch: i64,
    /// The number of its newest refresh token.
    pub generation: i64,
    /// What its owner calls it.
    pub device_name: Option<String>,
    /// The address that it was begun from.
    pub ip: String,
    /// What the browser or program said it was.
    pub user_agent: String,
    /// When it was begun: the `auth_time` of its tokens.
    pub created_at: Timestamp,
    /// When it was last used, to within some minutes.
    pub last_seen_at: Timestamp,
    /// When it ends if nobody uses it.
    pub expires_at: Timestamp,
    /// When it ends in any case.
    pub ends_at: Timestamp,
    /// How whoever began it showed who they are (RFC 8176): the `amr` of its tokens.
    pub amr: String,
}

/// How somebody showed who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    /// By a password.
    Password,
    /// By a link that came by mail. RFC 8176 has no name for that.
    Link,
}

impl How {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Password => "pwd",
            Self::Link => "email",
        }
    }
}

/// An account and the session that was just begun for it.
#[derive(Clone, Debug)]
pub struct Opened {
    /// Who.
    pub account: Account,
    /// In which session.
    pub session: Session,
    /// Which of the account's passwords was in force; 0 if it has none.
    pub password_version: i64,
    /// The id that the browser's cookie has from now on.
    pub(crate) browser: [u8; 16],
}

#[derive(sqlx::FromRow)]
struct Others {
    others: i64,
}

/// Begins a session. With it, how many others of the account are on.
pub(crate) async fn insert(
    tx: &mut Tx,
    auth: &Auth,
    account: &Account,
    client: &Client,
    (how, device): (How, &Device),
    now: Timestamp,
) -> Result<(Session, i64)> {
    let settings = auth.settings();
    let ends_at = now.plus_seconds(86_400 * i64::from(settings.session_days));
    let expires_at = match client.kind {
        // A browser that does not keep its cookie is trusted for a day at most.
        SessionKind::Browser if client.keep => ends_at,
        SessionKind::Browser => now.plus_seconds(86_400).min(ends_at),
        SessionKind::Api => now.plus_seconds(i64::from(settings.tokens.refresh_seconds)).min(ends_at),
    };
    let session = Session {
        id: SessionId::new(now),
        user_id: account.id,
        epoch: account.epoch,
        generation: 1,
        device_name: client.device_name.clone(),
        ip: client.ip.to_string(),
        user_agent: client.user_agent.clone(),
        created_at: now,
        last_seen_at: now,
        expires_at,
        ends_at,
        amr: how.as_str().to_owned(),
    };
    let row: Others = fetch_one!(
        tx,
        "INSERT INTO sessions (id, user_id, kind, epoch, generation, device_name, ip, user_agent, created_at,
                               last_seen_at, expires_at, ends_at, ended_at, device, amr)
         VALUES ($1, $2, $3, $4, 1, $5, $6, $7, $8, $8, $9, $10, NULL, $11, $12)
         RETURNING (SELECT COUNT(*) FROM sessions AS other
                    WHERE other.user_id = $2 AND other.id <> $1 AND other.ended_at IS NULL) AS others",
        session.id,
        session.user_id,
        client.kind.as_str(),
        session.epoch,
        session.device_name.as_deref(),
        session.ip.as_str(),
        session.user_agent.as_str(),
        now,
        session.expires_at,
        session.ends_at,
        device.tag(),
        session.amr.as_str()
    )?;
    Ok((session, row.others))
}

/// A session of this kind that is still on.
pub(crate) async fn find(
    on: &mut impl Connection,
    id: SessionId,
    kind: SessionKind,
    now: Timestamp,
) -> Result<Option<Session>> {
    fetch_optional!(
        on,
        "SELECT id, user_id, epoch, generation, device_name, ip, user_agent, created_at, last_seen_at, expires_at, ends_at, amr
         FROM sessions WHERE id = $1 AND kind = $2 AND ended_at IS NULL AND expires_at > $3",
        id,
        kind.as_str(),
        now
    )
}

#[derive(sqlx::FromRow)]
struct Alive {
    found: i64,
}

/// Whether this session of this user still counts: neither ended nor expired, and not older than what ended all
/// sessions of the account. To be asked behind the account's lock where something is done for it.
pub(crate) async fn is_alive(
    on: &mut impl Connection,
    user: UserId,
    id: SessionId,
    sessions_from: i64,
    now: Timestamp,
) -> Result<bool> {
    let row: Alive = fetch_one!(
        on,
        "SELECT COUNT(*) AS found FROM sessions
         WHERE id = $1 AND user_id = $2 AND ended_at IS NULL AND expires_at > $3 AND epoch >= $4",
        id,
        user,
        now,
        sessions_from
    )?;
    Ok(row.found == 1)
}

/// Those of these sessions of this user that still count; none of somebody who is not active.
pub async fn on(auth: &Auth, user: UserId, ids: &[SessionId]) -> Result<Vec<SessionId>> {
    let now = auth.clock().now();
    let mut read = auth.db().read().await?;
    let account = users::account::find(&mut read, user).await?;
    let Some(account) = account.filter(|account| account.status == Status::Active) else { return Ok(Vec::new()) };
    let mut on = Vec::new();
    for id in ids {
        if !on.contains(id) && is_alive(&mut read, user, *id, account.sessions_from, now).await? {
            on.push(*id);
        }
    }
    Ok(on)
}

/// The account, locked until the transaction ends, if it is active and this session of it still counts: what
/// was asked for from a session is only done while both are trusted.
pub(crate) async fn lock_asking(tx: &mut Tx, user: UserId, id: SessionId, now: Timestamp) -> Result<Option<Account>> {
    users::account::lock(tx, user).await?;
    let Some(account) = users::account::find(tx, user).await? else { return Ok(None) };
    let trusted = account.status == Status::Active && is_alive(tx, user, id, account.sessions_from, now).await?;
    Ok(trusted.then_some(account))
}

/// Exchanges refresh token number `generation` for the next, if it is the newest and the session is
/// still on: check and act in one statement.
pub(crate) async fn rotate(
    tx: &mut Tx,
    id: SessionId,
    generation: i64,
    expires_at: Timestamp,
    now: Timestamp,
) -> Result<Option<Session>> {
    fetch_optional!(
        tx,
        "UPDATE sessions SET generation = generation + 1, last_seen_at = $1,
             expires_at = CASE WHEN ends_at < $2 THEN ends_at ELSE $2 END
         WHERE id = $3 AND generation = $4 AND kind = 'api' AND ended_at IS NULL AND expires_at > $1
         RETURNING id, user_id, epoch, generation, device_name, ip, user_agent, created_at, last_seen_at, expires_at, ends_at, amr",
        now,
        expires_at,
        id,
        generation
    )
}

#[derive(sqlx::FromRow)]
struct On {
    device: Option<Vec<u8>>,
}

/// The device that a session was begun on; nothing if that is not known.
pub(crate) async fn device_of(on: &mut impl Connection, id: SessionId) -> Result<Option<Vec<u8>>> {
    let row: Option<On> = fetch_optional!(on, "SELECT device FROM sessions WHERE id = $1", id)?;
    Ok(row.and_then(|row| row.device))
}

/// Ends one session. Whether it was still on.
pub(crate) async fn end(tx: &mut Tx, user: UserId, id: SessionId, now: Timestamp) -> Result<bool> {
    let ended = execute!(
        tx,
        "UPDATE sessions SET ended_at = $1 WHERE id = $2 AND user_id = $3 AND ended_at IS NULL",
        now,
        id,
        user
    )?;
    Ok(ended == 1)
}

#[derive(sqlx::FromRow)]
struct Id {
    id: SessionId,
}

/// Ends all sessions of a user but one. Which they were.
pub(crate) async fn end_others(tx: &mut Tx, user: UserId, kept: SessionId, now: Timestamp) -> Result<Vec<SessionId>> {
    let ended: Vec<Id> = fetch_all!(
        tx,
        "UPDATE sessions SET ended_at = $1 WHERE user_id = $2 AND id <> $3 AND ended_at IS NULL RETURNING id",
        now,
        user,
        kept
    )?;
    Ok(ended.into_iter().map(|row| row.id).collect())
}

/// Ends the oldest sessions of a user so that `kept` are left, `newest` among them whatever another
/// node's clock says. Which they were.
pub(crate) async fn end_oldest(
    tx: &mut Tx,
    user: UserId,
    newest: SessionId,
    kept: u32,
    now: Timestamp,
) -> Result<Vec<SessionId>> {
    let ended: Vec<Id> = fetch_all!(
        tx,
        "UPDATE sessions SET ended_at = $1 WHERE id IN (
             SELECT id FROM sessions WHERE user_id = $2 AND id <> $3 AND ended_at IS NULL
             ORDER BY id DESC LIMIT 1000 OFFSET $4)
         RETURNING id",
        now,
        user,
        newest,
        i64::from(kept) - 1
    )?;
    Ok(ended.into_iter().map(|row| row.id).collect())
}

/// The sessions of a user that are on, newest first, `limit` of those before `before`.
pub async fn list(auth: &Auth, user: UserId, before: Option<SessionId>, limit: u32) -> Result<Vec<Session>> {
    let mut read = auth.db().read().await?;
    let Some(account) = users::account::find(&mut read, user).await? else { return Ok(Vec::new()) };
    fetch_all!(
        &mut read,
        "SELECT id, user_id, epoch, generation, device_name, ip, user_agent, created_at, last_seen_at, expires_at, ends_at, amr
         FROM sessions
         WHERE user_id = $1 AND id < $2 AND ended_at IS NULL AND expires_at > $3 AND epoch >= $4
         ORDER BY id DESC LIMIT $5",
        user,
        before.unwrap_or(SessionId::from_bytes([0xff; 16])),
        auth.clock().now(),
        account.sessions_from,
        i64::from(limit)
    )
}

#[derive(sqlx::FromRow)]
struct Count {
    sessions: i64,
}

/// How many sessions are on, counted up to `most`.
pub(crate) async fn count(on: &mut impl Connection, now: Timestamp, most: i64) -> Result<i64> {
    let row: Count = fetch_one!(
        on,
        "SELECT COUNT(*) AS sessions FROM (
             SELECT 1 AS one FROM sessions JOIN users ON users.id = sessions.user_id
             WHERE sessions.expires_at > $1 AND sessions.ended_at IS NULL AND sessions.epoch >= users.sessions_from
             LIMIT $2) AS few",
        now,
        most
    )?;
    Ok(row.sessions)
}

/// Records that a session was used, if that was not recorded since `stale`.
pub(crate) async fn touch(tx: &mut Tx, id: SessionId, stale: Timestamp, now: Timestamp) -> Result<()> {
    execute!(tx, "UPDATE sessions SET last_seen_at = $1 WHERE id = $2 AND last_seen_at < $3", now, id, stale)?;
    Ok(())
}

/// Forgets all sessions of an account. Whoever calls it ends their tokens too.
pub(crate) async fn remove_all(tx: &mut Tx, user: UserId) -> Result<()> {
    execute!(tx, "DELETE FROM sessions WHERE user_id = $1", user)?;
    Ok(())
}

/// Removes sessions that nobody can use any more, at most `limit`. How many they were.
pub(crate) async fn sweep(tx: &mut Tx, before: Timestamp, limit: i64) -> Result<u64> {
    execute!(
        tx,
        "DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE expires_at < $1 ORDER BY expires_at LIMIT $2)",
        before,
        limit
    )
}
