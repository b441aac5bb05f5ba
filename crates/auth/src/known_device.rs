//! Which browsers and programs an account was signed in to from: all SQL that touches `known_devices`.
//!
//! A browser is known by the random id in its cookie, a program by what it calls itself and what its owner calls the
//! device. Both stand here as a keyed hash that is another one for each account, so that the database alone tells
//! neither which browser it was nor that two people share one.

use kernel::secret::{MacKey, random_bytes};
use kernel::{Timestamp, UserId};
use storage::{Result, Tx, execute, fetch_one};
use users::Account;

use crate::agent::Agent;
use crate::{Auth, Client, SessionKind};

/// For how long a device is known after a sign-in, in seconds: as long as browsers keep its cookie.
pub(crate) const KNOWN: i64 = 400 * 86_400;
/// How many devices of an account are known. One more takes the place of the one that was away longest.
const MOST: i64 = 50;

/// What somebody signs in from.
pub(crate) struct Device {
    /// By the keys of today and before, the one of today first.
    tags: Vec<[u8; 32]>,
}

impl Device {
    /// For this account, this client, and the id of its browser if it is one.
    pub(crate) fn new(auth: &Auth, user: UserId, client: &Client, browser: &[u8; 16]) -> Self {
        let family = Agent::read(&client.user_agent).words().collect::<Vec<_>>().join(", ");
        let name = client.device_name.as_deref().unwrap_or_default();
        let tag = |key: &MacKey| match client.kind {
            SessionKind::Browser => key.sign(&[b"known-device", user.as_bytes(), b"browser", browser]),
            SessionKind::Api => {
                key.sign(&[b"known-device", user.as_bytes(), b"program", family.as_bytes(), name.as_bytes()])
            }
        };
        Self { tags: auth.blind_index().keys().map(tag).collect() }
    }

    /// What it is known by from now on.
    pub(crate) fn tag(&self) -> &[u8] {
        self.tags.first().map_or(&[], |tag| tag.as_slice())
    }
}

#[derive(sqlx::FromRow)]
struct Met {
    sign_ins: i64,
    others: i64,
}

/// Records a sign-in from this device, in its transaction. Whether that is news to the account's owner: the device
/// is not known, and others are, or were. `account` is as it was before.
pub(crate) async fn meet(tx: &mut Tx, account: &Account, device: &Device, now: Timestamp) -> Result<bool> {
    let expired = now.plus_seconds(-KNOWN);
    let met: Met = fetch_one!(
        tx,
        "INSERT INTO known_devices (user_id, device, sign_ins, last_at) VALUES ($1, $2, 1, $3)
         ON CONFLICT (user_id, device) DO UPDATE SET last_at = $3,
             sign_ins = CASE WHEN known_devices.last_at < $4 THEN 1 ELSE known_devices.sign_ins + 1 END
         RETURNING sign_ins, (SELECT COUNT(*) FROM known_devices AS other
                              WHERE other.user_id = $1 AND other.device <> $2) AS others",
        account.id,
        device.tag(),
        now,
        expired
    )?;
    if met.sign_ins > 1 {
        return Ok(false);
    }
    let is_renamed = was_known_by_an_older_key(tx, account.id, device, expired).await?;
    if met.others >= MOST {
        forget_oldest(tx, account.id).await?;
    }
    // What was known 400 days ago is forgotten, but not that there was something.
    let was_away = account.last_login_at.is_some_and(|last| last < expired);
    Ok(!is_renamed && (met.others > 0 || was_away))
}

/// Whether the device was known, by a key that another has replaced since. It is known by the new one from now on.
async fn was_known_by_an_older_key(tx: &mut Tx, user: UserId, device: &Device, expired: Timestamp) -> Result<bool> {
    for tag in device.tags.iter().skip(1) {
        let removed = execute!(
            tx,
            "DELETE FROM known_devices WHERE user_id = $1 AND device = $2 AND last_at >= $3",
            user,
            tag.as_slice(),
            expired
        )?;
        if removed > 0 {
            return Ok(true);
        }
    }
    Ok(false)
}

async fn forget_oldest(tx: &mut Tx, user: UserId) -> Result<()> {
    execute!(
        tx,
        "DELETE FROM known_devices WHERE user_id = $1 AND device NOT IN (
             SELECT device FROM known_devices WHERE user_id = $1 ORDER BY last_at DESC, device LIMIT $2)",
        user,
        MOST
    )?;
    Ok(())
}

/// Forgets the devices of an account but the one that a session was begun on, because the password is another one:
/// whoever knew the old one may have been at any of them. That there were some stays known.
pub(crate) async fn forget_all_but(tx: &mut Tx, user: UserId, device: Option<&[u8]>, now: Timestamp) -> Result<()> {
    execute!(tx, "DELETE FROM known_devices WHERE user_id = $1 AND device <> $2", user, device.unwrap_or_default())?;
    // A device that nobody has stands for those that were forgotten: the next one is news.
    execute!(
        tx,
        "INSERT INTO known_devices (user_id, device, sign_ins, last_at) VALUES ($1, $2, 0, $3)",
        user,
        random_bytes::<32>().as_slice(),
        now
    )?;
    Ok(())
}

/// Forgets all devices of an account that is erased.
pub(crate) async fn remove_all(tx: &mut Tx, user: UserId) -> Result<()> {
    execute!(tx, "DELETE FROM known_devices WHERE user_id = $1", user)?;
    Ok(())
}

/// Removes devices that were not signed in from since then, at most `limit`. How many they were.
pub(crate) async fn sweep(tx: &mut Tx, before: Timestamp, limit: i64) -> Result<u64> {
    execute!(
        tx,
        "DELETE FROM known_devices WHERE (user_id, device) IN (
             SELECT user_id, device FROM known_devices WHERE last_at < $1 ORDER BY last_at LIMIT $2)",
        before,
        limit
    )
}
