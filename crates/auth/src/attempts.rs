//! Counting failed sign-ins: all SQL that touches `sign_in_attempts`.
//!
//! An attempt takes one of the allowed failures *before* its password is compared and gives it back
//! when it turns out right, so two hundred at once get no more comparisons than one after the other
//! (GHSA-7h8m-vrxx-vr4m). Whoever finds all of them taken by attempts that are still being compared
//! waits for those: six right passwords at once are six sign-ins.

use std::time::Duration;

use kernel::Timestamp;
use storage::{Result, Tx, execute, fetch_one, fetch_optional};

use crate::Auth;

/// The account and the browser that a failure counts against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Counter {
    account: Vec<u8>,
    device: Vec<u8>,
}

/// The device of everybody who did not sign in here before.
const STRANGER: [u8; 16] = [0; 16];

impl Counter {
    /// For this canonical address, and the browser's id if it signed in to this account before.
    pub(crate) fn new(auth: &Auth, canonical: &str, device: Option<[u8; 16]>) -> Self {
        let account = auth.blind_index().sign(&[b"sign-in-attempts", canonical.as_bytes()]);
        Self { account: account.to_vec(), device: device.unwrap_or(STRANGER).to_vec() }
    }
}

/// Whether a password may be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attempt {
    /// It may. [`fail`] or [`forget`] has to follow; if neither does, it stays a failure.
    Allowed,
    /// The account is locked for this browser: the password does not matter now.
    Locked,
}

/// How long an attempt that is being compared may take, in seconds. One that takes longer was given
/// up by its client, and is a failure.
const COMPARING: i64 = 5;
/// How long to wait before looking again whether those have ended.
const PAUSE: Duration = Duration::from_millis(40);

/// Takes one of the allowed failures, unless the account is locked.
pub(crate) async fn begin(auth: &Auth, counter: &Counter) -> Result<Attempt> {
    let waits = COMPARING * 1000 / i64::try_from(PAUSE.as_millis()).unwrap_or(1);
    for _ in 0..waits {
        let now = auth.clock().now();
        let mut tx = auth.db().begin().await?;
        let taken = take(&mut tx, auth, counter, now).await?;
        let being_compared = !taken && are_being_compared(&mut tx, counter, now).await?;
        tx.commit().await?;
        if taken {
            return Ok(Attempt::Allowed);
        }
        if !being_compared {
            break;
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(Attempt::Locked)
}

#[derive(sqlx::FromRow)]
struct Row {
    failures: i64,
}

/// Check and act in one statement.
async fn take(tx: &mut Tx, auth: &Auth, counter: &Counter, now: Timestamp) -> Result<bool> {
    let lapsed = now.plus_seconds(-60 * i64::from(auth.settings().lockout_minutes));
    let row: Option<Row> = fetch_optional!(
        tx,
        "INSERT INTO sign_in_attempts (account, device, failures, pending, last_at) VALUES ($1, $2, 0, 1, $3)
         ON CONFLICT (account, device) DO UPDATE SET
             failures = CASE WHEN sign_in_attempts.last_at <= $4 THEN 0 ELSE sign_in_attempts.failures END,
             pending = CASE WHEN sign_in_attempts.last_at <= $4 THEN 1 ELSE sign_in_attempts.pending + 1 END,
             last_at = $3
         WHERE sign_in_attempts.failures + sign_in_attempts.pending < $5 OR sign_in_attempts.last_at <= $4
         RETURNING failures",
        counter.account.as_slice(),
        counter.device.as_slice(),
        now,
        lapsed,
        i64::from(auth.settings().lockout_failures)
    )?;
    Ok(row.is_some())
}

async fn are_being_compared(tx: &mut Tx, counter: &Counter, now: Timestamp) -> Result<bool> {
    let row: Row = fetch_one!(
        tx,
        "SELECT COUNT(*) AS failures FROM sign_in_attempts
         WHERE account = $1 AND device = $2 AND pending > 0 AND last_at > $3",
        counter.account.as_slice(),
        counter.device.as_slice(),
        now.plus_seconds(-COMPARING)
    )?;
    Ok(row.failures > 0)
}

/// The password was wrong, or there was nothing to compare it with. Whether that locked the account.
pub(crate) async fn fail(tx: &mut Tx, auth: &Auth, counter: &Counter, now: Timestamp) -> Result<bool> {
    let row: Row = fetch_one!(
        tx,
        "INSERT INTO sign_in_attempts (account, device, failures, pending, last_at) VALUES ($1, $2, 1, 0, $3)
         ON CONFLICT (account, device) DO UPDATE SET failures = sign_in_attempts.failures + 1, last_at = $3,
             pending = CASE WHEN sign_in_attempts.pending > 0 THEN sign_in_attempts.pending - 1 ELSE 0 END
         RETURNING failures",
        counter.account.as_slice(),
        counter.device.as_slice(),
        now
    )?;
    Ok(row.failures >= i64::from(auth.settings().lockout_failures))
}

/// Forgets the failures: somebody signed in, with everything that was asked of them.
pub(crate) async fn forget(tx: &mut Tx, counter: &Counter) -> Result<()> {
    execute!(
        tx,
        "DELETE FROM sign_in_attempts WHERE account = $1 AND device = $2",
        counter.account.as_slice(),
        counter.device.as_slice()
    )?;
    Ok(())
}

/// Removes what has lapsed.
pub(crate) async fn sweep(tx: &mut Tx, before: Timestamp) -> Result<u64> {
    execute!(tx, "DELETE FROM sign_in_attempts WHERE last_at < $1", before)
}
