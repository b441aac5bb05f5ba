//! A device that can be pushed to, and all SQL that touches `push_devices`.

use std::collections::BTreeSet;

use kernel::id::PushDeviceId;
use kernel::{SessionId, Timestamp, UserId};
use storage::{Connection, Result, Tx, execute, fetch_all, fetch_one, fetch_optional};

use crate::among::fetch_among;

use super::register::Address;
use crate::Notify;

/// How a device is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// By Firebase Cloud Messaging.
    Fcm,
    /// By Web Push.
    Web,
}

impl Kind {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Fcm => "fcm",
            Self::Web => "web",
        }
    }
}

/// A device, as its owner is shown it.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct PushDevice {
    /// Its id.
    pub id: PushDeviceId,
    /// The session that it belongs to.
    pub session_id: SessionId,
    /// `fcm` or `web`.
    pub kind: String,
    /// When it was registered.
    pub created_at: Timestamp,
    /// When it was registered last: apps do it at each start.
    pub seen_at: Timestamp,
}

/// A device whose address is known.
#[derive(Clone)]
pub(super) struct Opened {
    pub(super) id: PushDeviceId,
    pub(super) session: SessionId,
    pub(super) address: Address,
    seen_at: Timestamp,
}

/// A device to be written down.
pub(super) struct New<'a> {
    pub(super) id: PushDeviceId,
    pub(super) user: UserId,
    pub(super) session: SessionId,
    pub(super) kind: Kind,
    /// What it is found by: a keyed hash of its address.
    pub(super) lookup: &'a [u8],
    pub(super) sealed: &'a str,
}

/// Writes a device down. The one that had this address before has to be gone. Whether it was written.
pub(super) async fn insert(tx: &mut Tx, new: &New<'_>, now: Timestamp) -> Result<bool> {
    let inserted = execute!(
        tx,
        "INSERT INTO push_devices (id, user_id, session_id, kind, lookup, sealed, created_at, seen_at, checked_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $7, $7) ON CONFLICT DO NOTHING",
        new.id,
        new.user,
        new.session,
        new.kind.as_str(),
        new.lookup,
        new.sealed,
        now
    )?;
    Ok(inserted == 1)
}

#[derive(sqlx::FromRow)]
struct IdRow {
    id: PushDeviceId,
}

/// The same device of the same person in the same session, seen again.
pub(super) async fn see(
    tx: &mut Tx,
    lookup: &[u8],
    user: UserId,
    session: SessionId,
    now: Timestamp,
) -> Result<Option<PushDeviceId>> {
    let row: Option<IdRow> = fetch_optional!(
        tx,
        "UPDATE push_devices SET seen_at = $1 WHERE lookup = $2 AND user_id = $3 AND session_id = $4 RETURNING id",
        now,
        lookup,
        user,
        session
    )?;
    Ok(row.map(|row| row.id))
}

/// Its address as it was given now: a browser may have made other keys.
pub(super) async fn reseal(tx: &mut Tx, id: PushDeviceId, sealed: &str) -> Result<()> {
    execute!(tx, "UPDATE push_devices SET sealed = $1 WHERE id = $2", sealed, id)?;
    Ok(())
}

/// Removes the device of this address, whoever's it is: it is somebody else's now.
pub(super) async fn remove_address(tx: &mut Tx, lookup: &[u8]) -> Result<()> {
    execute!(tx, "DELETE FROM push_devices WHERE lookup = $1", lookup)?;
    Ok(())
}

/// Removes the device of this address, if it is theirs. Which it was.
pub(super) async fn remove_own_address(tx: &mut Tx, lookup: &[u8], user: UserId) -> Result<Option<PushDeviceId>> {
    let row: Option<IdRow> =
        fetch_optional!(tx, "DELETE FROM push_devices WHERE lookup = $1 AND user_id = $2 RETURNING id", lookup, user)?;
    Ok(row.map(|row| row.id))
}

/// Keeps the devices of somebody that were seen last, `kept` of them.
pub(super) async fn trim(tx: &mut Tx, user: UserId, kept: i64) -> Result<()> {
    execute!(
        tx,
        "DELETE FROM push_devices WHERE id IN (
             SELECT id FROM push_devices WHERE user_id = $1 ORDER BY seen_at DESC, id DESC LIMIT 100 OFFSET $2)",
        user,
        kept
    )?;
    Ok(())
}

/// Removes one of theirs. Whether there was one.
pub(super) async fn remove(tx: &mut Tx, user: UserId, id: PushDeviceId) -> Result<bool> {
    let removed = execute!(tx, "DELETE FROM push_devices WHERE id = $1 AND user_id = $2", id, user)?;
    Ok(removed == 1)
}

/// Removes all of theirs.
pub(crate) async fn remove_all(tx: &mut Tx, user: UserId) -> Result<()> {
    execute!(tx, "DELETE FROM push_devices WHERE user_id = $1", user)?;
    Ok(())
}

/// Something has ended sessions of theirs: it is soon looked which of their devices that concerns.
pub(crate) async fn suspect(tx: &mut Tx, user: UserId) -> Result<()> {
    let long_ago = Timestamp::from_unix_seconds(0);
    execute!(tx, "UPDATE push_devices SET checked_at = $1 WHERE user_id = $2", long_ago, user)?;
    Ok(())
}

/// Theirs, newest first.
pub(super) async fn list(on: &mut impl Connection, user: UserId) -> Result<Vec<PushDevice>> {
    fetch_all!(
        on,
        "SELECT id, session_id, kind, created_at, seen_at FROM push_devices
         WHERE user_id = $1 ORDER BY id DESC LIMIT 100",
        user
    )
}

#[derive(sqlx::FromRow)]
struct Count {
    count: i64,
}

/// Whether they have any.
pub(crate) async fn any(on: &mut impl Connection, user: UserId) -> Result<bool> {
    let row: Count = fetch_one!(
        on,
        "SELECT COUNT(*) AS count FROM (SELECT 1 AS one FROM push_devices WHERE user_id = $1 LIMIT 1) AS few",
        user
    )?;
    Ok(row.count > 0)
}

/// Whether the device of this address is theirs, in this session.
pub(super) async fn is_in(on: &mut impl Connection, lookup: &[u8], user: UserId, session: SessionId) -> Result<bool> {
    let row: Count = fetch_one!(
        on,
        "SELECT COUNT(*) AS count FROM push_devices WHERE lookup = $1 AND user_id = $2 AND session_id = $3",
        lookup,
        user,
        session
    )?;
    Ok(row.count > 0)
}

#[derive(sqlx::FromRow)]
struct Owner {
    user_id: UserId,
}

/// How many people one statement asks about.
const PIECE: usize = 200;

/// Those of these people who have any.
pub(crate) async fn owners(on: &mut impl Connection, people: &[UserId]) -> Result<BTreeSet<UserId>> {
    let mut owners = BTreeSet::new();
    for piece in people.chunks(PIECE) {
        let rows: Vec<Owner> = fetch_among!(on, Owner, " DISTINCT user_id FROM push_devices WHERE user_id", piece, "")?;
        owners.extend(rows.into_iter().map(|row| row.user_id));
    }
    Ok(owners)
}

#[derive(sqlx::FromRow)]
struct SealedRow {
    id: PushDeviceId,
    session_id: SessionId,
    sealed: String,
    seen_at: Timestamp,
}

/// Theirs, with addresses, for the ways that are configured. One that does not open is left out: its owner's key is gone.
pub(super) async fn open_all(notify: &Notify, user: UserId) -> Result<Vec<Opened>> {
    let mut read = notify.db().read().await?;
    let settings = &notify.settings().push;
    let rows: Vec<SealedRow> = fetch_all!(
        &mut read,
        "SELECT id, session_id, sealed, seen_at FROM push_devices WHERE user_id = $1 ORDER BY id LIMIT 100",
        user
    )?;
    let mut opened = Vec::with_capacity(rows.len());
    for row in rows {
        let text = notify.users().open_said(&mut read, user, &fact(row.id), &row.sealed).await.ok().flatten();
        let address: Option<Address> = text.and_then(|text| serde_json::from_str(&text).ok());
        if let Some(address) = address.filter(|address| settings.takes(address.kind())) {
            opened.push(Opened { id: row.id, session: row.session_id, address, seen_at: row.seen_at });
        }
    }
    Ok(opened)
}

/// What the address of a device is sealed as.
pub(super) fn fact(id: PushDeviceId) -> String {
    format!("push_device/{id}")
}

/// Throws devices away that are not there any more, unless they were registered anew meanwhile.
pub(super) async fn forget(notify: &Notify, devices: &[Opened]) -> Result<()> {
    if devices.is_empty() {
        return Ok(());
    }
    let mut tx = notify.db().begin().await?;
    for device in devices {
        execute!(&mut tx, "DELETE FROM push_devices WHERE id = $1 AND seen_at = $2", device.id, device.seen_at)?;
    }
    tx.commit().await
}

/// Whose device is to be looked at.
#[derive(sqlx::FromRow)]
pub(super) struct Unchecked {
    pub(super) id: PushDeviceId,
    pub(super) user_id: UserId,
    pub(super) session_id: SessionId,
}

/// Devices whose session was not looked at since then, at most `limit`.
pub(super) async fn unchecked(on: &mut impl Connection, before: Timestamp, limit: i64) -> Result<Vec<Unchecked>> {
    fetch_all!(
        on,
        "SELECT id, user_id, session_id FROM push_devices WHERE checked_at < $1 ORDER BY checked_at LIMIT $2",
        before,
        limit
    )
}

/// Its session is on.
pub(super) async fn checked(tx: &mut Tx, id: PushDeviceId, now: Timestamp) -> Result<()> {
    execute!(tx, "UPDATE push_devices SET checked_at = $1 WHERE id = $2", now, id)?;
    Ok(())
}

/// Its session is over.
pub(super) async fn remove_of_session(tx: &mut Tx, id: PushDeviceId, session: SessionId) -> Result<()> {
    execute!(tx, "DELETE FROM push_devices WHERE id = $1 AND session_id = $2", id, session)?;
    Ok(())
}
