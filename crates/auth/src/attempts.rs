//! Counting failed sign-ins: all SQL that touches `sign_in_attempts`.
//!
//! An attempt takes one of the allowed failures *before* its password is compared and gives it back
//! when it turns out right, so two hundred at once get no more comparisons than one after the other
//! (GHSA-7h8m-vrxx-vr4m). Whoever finds all of them taken by attempts that are still being compared
//! waits for those: six right passwords at once are six sign-ins.

use std::time::Duration;

use kernel::{Event, Kind, Timestamp, UserId};
use storage::{Connection, Result, Tx, execute, fetch_all, fetch_one, fetch_optional};

use crate::hashing::{Busy, Place};
use crate::{Auth, credential};

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

/// An attempt whose password may be compared, or may not because the account is locked for this
/// browser. One that may ends in [`Attempt::failed`], [`Attempt::succeeded`] or
/// [`Attempt::was_right`]; if it is dropped before, because its client hung up, it is a failure.
pub(crate) struct Attempt {
    auth: Auth,
    counter: Counter,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// It holds one of the allowed failures.
    Open,
    Locked,
    Ended,
}

/// How long an attempt that is being compared may take, in seconds. One that takes longer died with
/// its process, and is a failure.
const COMPARING: i64 = 5;
/// How long to wait before looking again whether others have ended.
const PAUSE: Duration = Duration::from_millis(50);
/// How often to look.
const LOOKS: u32 = 20;

/// Waits for a place to hash and takes one of the allowed failures, unless the account is locked.
///
/// While others of the same account hold them all, the place is given back: whoever waits for them
/// keeps nobody else from signing in. It fails as the use case that asks does, for want of a place or a database.
pub(crate) async fn begin<E>(auth: &Auth, counter: Counter) -> std::result::Result<(Place, Attempt), E>
where
    E: From<Busy> + From<storage::Error>,
{
    for _ in 0..LOOKS {
        let place = auth.hasher().enter().await?;
        if let Some(attempt) = look(auth, &counter).await? {
            return Ok((place, attempt));
        }
        drop(place);
        tokio::time::sleep(PAUSE).await;
    }
    Ok((auth.hasher().enter().await?, Attempt::new(auth, counter, State::Locked)))
}

/// The attempt; nothing while all allowed failures are held by attempts that are being compared.
async fn look(auth: &Auth, counter: &Counter) -> Result<Option<Attempt>> {
    let now = auth.clock().now();
    let mut tx = auth.db().begin().await?;
    let taken = take(&mut tx, auth, counter, now).await?;
    let being_compared = !taken && are_being_compared(&mut tx, counter, now).await?;
    // It exists before the commit, so that a client that hangs up during that leaves nothing held.
    let attempt = Attempt::new(auth, counter.clone(), if taken { State::Open } else { State::Locked });
    tx.commit().await?;
    Ok((!being_compared).then_some(attempt))
}

impl Attempt {
    fn new(auth: &Auth, counter: Counter, state: State) -> Self {
        Self { auth: auth.clone(), counter, state }
    }

    /// Whether the password does not matter now.
    pub(crate) fn is_locked(&self) -> bool {
        self.state == State::Locked
    }

    /// Counts the failure and appends what happened; `AccountLocked` if it was the last one allowed.
    pub(crate) async fn failed(mut self, event: Event) -> Result<()> {
        let counts = self.state == State::Open;
        self.state = State::Ended;
        // A task of its own: a client that hangs up now has failed all the same, and once.
        let (auth, counter) = (self.auth.clone(), self.counter.clone());
        let recorded = tokio::spawn(async move { record_failure(&auth, &counter, event, counts).await }).await;
        recorded.unwrap_or_else(|_| Err(storage::Error::Unavailable("a failure could not be counted".into())))
    }

    /// Forgets the failures and commits `tx` with it: somebody signed in, with everything that was
    /// asked of them. If that does not come to its end, the attempt is a failure.
    pub(crate) async fn succeeded(mut self, mut tx: Tx) -> Result<()> {
        forget(&mut tx, &self.counter).await?;
        tx.commit().await?;
        self.state = State::Ended;
        Ok(())
    }

    /// The password was right, and something else was not.
    pub(crate) async fn was_right(self) -> Result<()> {
        let tx = self.auth.db().begin().await?;
        self.succeeded(tx).await
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if self.state != State::Open {
            return;
        }
        let (auth, counter) = (self.auth.clone(), self.counter.clone());
        tokio::spawn(async move {
            let event = Event::new(Kind::SignInFailed, auth.clock().now()).with("given_up", true);
            if let Err(error) = record_failure(&auth, &counter, event, true).await {
                tracing::warn!(%error, "an attempt that was given up stays counted until it lapses");
            }
        });
    }
}

async fn record_failure(auth: &Auth, counter: &Counter, event: Event, counts: bool) -> Result<()> {
    let mut tx = auth.db().begin().await?;
    // Where a password is asked for otherwise than at a sign-in, the event says it. For an address without an account it is
    // the same statement. It comes first, as in the transaction of a sign-in: neither waits for the other's second row.
    if !event.data.contains_key("at") {
        credential::count_failure(&mut tx, event.subject.unwrap_or(UserId::from_bytes([0; 16])), counts).await?;
    }
    let locks = fail(&mut tx, auth, counter, counts, event.at).await?;
    tx.append(Event { kind: if locks { Kind::AccountLocked } else { event.kind }, ..event });
    tx.commit().await
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

/// Turns a held failure into a counted one. Whether that locked the account.
///
/// An attempt at a locked account does the same writing and changes nothing.
async fn fail(tx: &mut Tx, auth: &Auth, counter: &Counter, counts: bool, now: Timestamp) -> Result<bool> {
    let lapses_from = if counts { now } else { Timestamp::from_unix_micros(0) };
    let row: Row = fetch_one!(
        tx,
        "INSERT INTO sign_in_attempts (account, device, failures, pending, last_at) VALUES ($1, $2, $3, 0, $4)
         ON CONFLICT (account, device) DO UPDATE SET failures = sign_in_attempts.failures + $3,
             last_at = CASE WHEN $4 > sign_in_attempts.last_at THEN $4 ELSE sign_in_attempts.last_at END,
             pending = CASE WHEN sign_in_attempts.pending >= $3 THEN sign_in_attempts.pending - $3 ELSE 0 END
         RETURNING failures",
        counter.account.as_slice(),
        counter.device.as_slice(),
        i64::from(counts),
        lapses_from
    )?;
    Ok(counts && row.failures == i64::from(auth.settings().lockout_failures))
}

/// A lock that is on now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lock {
    /// Whether it is for everybody who did not sign in here before. Otherwise it is one browser's, or one session's.
    pub for_strangers: bool,
    /// When it lapses by itself.
    pub until: Timestamp,
}

#[derive(sqlx::FromRow)]
struct Locked {
    device: Vec<u8>,
    last_at: Timestamp,
}

/// The locks of an address, the one for strangers first; 100 at most.
pub(crate) async fn locks(on: &mut impl Connection, auth: &Auth, canonical: &str) -> Result<Vec<Lock>> {
    let Counter { account, device: stranger } = Counter::new(auth, canonical, None);
    let seconds = 60 * i64::from(auth.settings().lockout_minutes);
    let found: Vec<Locked> = fetch_all!(
        on,
        "SELECT device, last_at FROM sign_in_attempts
         WHERE account = $1 AND failures >= $2 AND last_at > $3 ORDER BY device LIMIT 100",
        account.as_slice(),
        i64::from(auth.settings().lockout_failures),
        auth.clock().now().plus_seconds(-seconds)
    )?;
    let lock = |row: Locked| Lock { for_strangers: row.device == stranger, until: row.last_at.plus_seconds(seconds) };
    Ok(found.into_iter().map(lock).collect())
}

/// Counts that somebody tries a code for this address, whether there is an account or not. Whether they may.
pub(crate) async fn take_for_code(tx: &mut Tx, auth: &Auth, canonical: &str) -> Result<bool> {
    let account = auth.blind_index().sign(&[b"code-attempts", canonical.as_bytes()]).to_vec();
    take(tx, auth, &Counter { account, device: STRANGER.to_vec() }, auth.clock().now()).await
}

/// Whether no more passwords are tried now that would count here.
pub(crate) async fn is_locked(on: &mut impl Connection, auth: &Auth, counter: &Counter) -> Result<bool> {
    let seconds = 60 * i64::from(auth.settings().lockout_minutes);
    let row: Row = fetch_one!(
        on,
        "SELECT COUNT(*) AS failures FROM sign_in_attempts
         WHERE account = $1 AND device = $2 AND failures >= $3 AND last_at > $4",
        counter.account.as_slice(),
        counter.device.as_slice(),
        i64::from(auth.settings().lockout_failures),
        auth.clock().now().plus_seconds(-seconds)
    )?;
    Ok(row.failures > 0)
}

/// Forgets the failures of an account.
pub(crate) async fn forget(tx: &mut Tx, counter: &Counter) -> Result<()> {
    execute!(
        tx,
        "DELETE FROM sign_in_attempts WHERE account = $1 AND device = $2",
        counter.account.as_slice(),
        counter.device.as_slice()
    )?;
    Ok(())
}

/// Forgets the failures of an address, whoever made them and from wherever.
pub(crate) async fn forget_account(tx: &mut Tx, auth: &Auth, canonical: &str) -> Result<()> {
    let Counter { account, .. } = Counter::new(auth, canonical, None);
    execute!(tx, "DELETE FROM sign_in_attempts WHERE account = $1", account.as_slice())?;
    Ok(())
}

/// Forgets attempts that were being compared when the process before this one died. Only for a
/// database that no other process uses: theirs may still be under way.
pub(crate) async fn forget_interrupted(tx: &mut Tx) -> Result<()> {
    execute!(tx, "UPDATE sign_in_attempts SET pending = 0 WHERE pending > 0")?;
    Ok(())
}

/// Removes what has lapsed, at most `limit`. How much it was.
pub(crate) async fn sweep(tx: &mut Tx, before: Timestamp, limit: i64) -> Result<u64> {
    execute!(
        tx,
        "DELETE FROM sign_in_attempts WHERE (account, device) IN (
             SELECT account, device FROM sign_in_attempts WHERE last_at < $1 ORDER BY last_at LIMIT $2)",
        before,
        limit
    )
}
