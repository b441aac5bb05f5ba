//! Counting failed sign-ins: all SQL that touches `sign_in_attempts`.
//!
//! An attempt is counted *before* its password is compared and forgotten when it turns out right,
//! so two hundred at once get no more comparisons than one after the other (GHSA-7h8m-vrxx-vr4m).

use kernel::Timestamp;
use storage::{Result, Tx, execute, fetch_optional};

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

/// What counting an attempt says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attempt {
    /// It may be compared. If it fails, it is this many in a row.
    Allowed(u32),
    /// The account is locked for this browser: the password does not matter now.
    Locked,
}

#[derive(sqlx::FromRow)]
struct Row {
    failures: i64,
}

/// Counts an attempt, unless the account is locked, in one statement.
pub(crate) async fn count(tx: &mut Tx, auth: &Auth, counter: &Counter, now: Timestamp) -> Result<Attempt> {
    let lapsed = now.plus_seconds(-60 * i64::from(auth.settings().lockout_minutes));
    let row: Option<Row> = fetch_optional!(
        tx,
        "INSERT INTO sign_in_attempts (account, device, failures, last_at) VALUES ($1, $2, 1, $3)
         ON CONFLICT (account, device) DO UPDATE SET
             failures = CASE WHEN sign_in_attempts.last_at <= $4 THEN 1 ELSE sign_in_attempts.failures + 1 END,
             last_at = $3
         WHERE sign_in_attempts.failures < $5 OR sign_in_attempts.last_at <= $4
         RETURNING failures",
        counter.account.as_slice(),
        counter.device.as_slice(),
        now,
        lapsed,
        i64::from(auth.settings().lockout_failures)
    )?;
    Ok(row.map_or(Attempt::Locked, |row| Attempt::Allowed(u32::try_from(row.failures).unwrap_or(u32::MAX))))
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
