//! Signing in with a password.
//!
//! Unknown, wrong, locked, suspended, deleted and (where that is asked for) not verified are one answer, and one amount of
//! work: every attempt runs the same two reads, waits for a place, is counted by the same statements, computes
//! one hash and commits one event.

use kernel::{Event, Kind, Timestamp};
use storage::Tx;
use users::{Account, EmailAddress};

use crate::attempts::{Attempt, Counter};
use crate::credential::Credential;
use crate::enter::{self, Entering};
use crate::hashing::{Busy, Comparison, HashError};
use crate::session::How;
use crate::{Auth, Client, Opened, Password, attempts, browser, credential, hashing};

/// What somebody signs in with, as typed.
#[derive(Clone)]
pub struct Credentials {
    /// Their address.
    pub email: String,
    /// Their password.
    pub password: String,
}

/// Nobody was signed in.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// Unknown, wrong, locked, suspended, deleted or not verified: it does not say which.
    #[error("the email or the password is not right")]
    InvalidCredentials,
    /// Too many hashes wait.
    #[error(transparent)]
    Busy(#[from] Busy),
    /// The hash cannot be computed.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] storage::Error),
}

/// Checks a password and begins a session. `cookie` is that of a browser that signed in before.
pub async fn sign_in(
    auth: &Auth,
    credentials: &Credentials,
    cookie: Option<&str>,
    client: &Client,
) -> Result<Opened, SignInError> {
    auth.hasher().expect_room()?;
    // What can be no password of anybody says nothing about anybody, and costs no hash.
    let Ok(password) = Password::prepare(&credentials.password) else {
        return Err(SignInError::InvalidCredentials);
    };
    let email = EmailAddress::parse(&credentials.email).ok();
    let found = look_up(auth, email.as_ref()).await?;
    let device = cookie.zip(found.as_ref()).and_then(|(cookie, (account, credential))| {
        browser::known_device(auth, cookie, account.id, credential.version)
    });
    let canonical = email.as_ref().map_or(credentials.email.as_str(), EmailAddress::canonical);
    let (place, attempt) = attempts::begin::<SignInError>(auth, Counter::new(auth, canonical, device)).await?;

    let may_come_in = |account: &Account| auth.admits(account) && !attempt.is_locked();
    let comparable = found.as_ref().filter(|(account, _)| may_come_in(account));
    let stored = comparable.map(|(_, credential)| credential.hash.clone());
    let outcome = compare(auth, place, password, stored).await?;
    match (found, outcome) {
        (Some((account, credential)), Outcome::Same { rehashed }) => {
            let browser = browser::id(auth, cookie);
            begin_session(auth, Checked { account, credential, rehashed, browser }, attempt, client).await
        }
        (found, _) => {
            let subject = found.map(|(account, _)| account.id);
            attempt.failed(Event { subject, ..Event::new(Kind::SignInFailed, auth.clock().now()) }).await?;
            Err(SignInError::InvalidCredentials)
        }
    }
}

/// The account and its credential. For an unknown address the same two reads are done.
async fn look_up(auth: &Auth, email: Option<&EmailAddress>) -> storage::Result<Option<(Account, Credential)>> {
    let mut read = auth.db().read().await?;
    let nobody = kernel::UserId::from_bytes([0; 16]);
    let account = match email {
        Some(email) => users::account::find_by_email(&mut read, email).await?,
        None => users::account::find(&mut read, nobody).await?,
    };
    let credential = credential::find(&mut read, account.as_ref().map_or(nobody, |account| account.id)).await?;
    Ok(account.zip(credential))
}

enum Outcome {
    /// It is the password. If it was hashed another way, here is how it is today.
    Same {
        rehashed: Option<String>,
    },
    Different,
}

/// One hash, whether there is something to compare with or not.
async fn compare(
    auth: &Auth,
    place: hashing::Place,
    password: Password,
    stored: Option<String>,
) -> Result<Outcome, SignInError> {
    let (pepper, cost) = (auth.pepper().clone(), auth.hasher().cost());
    let outcome = place
        .run(move |memory| -> Result<Outcome, HashError> {
            let Some(stored) = stored else {
                hashing::decoy(memory, &pepper, &password, cost)?;
                return Ok(Outcome::Different);
            };
            Ok(match hashing::compare(memory, &pepper, &password, &stored, cost)? {
                Comparison::Same => Outcome::Same { rehashed: None },
                Comparison::SameButOld => {
                    Outcome::Same { rehashed: Some(hashing::hash(memory, &pepper, &password, cost)?) }
                }
                Comparison::Different => Outcome::Different,
            })
        })
        .await??;
    Ok(outcome)
}

struct Checked {
    account: Account,
    credential: Credential,
    rehashed: Option<String>,
    browser: [u8; 16],
}

/// Begins the session, if account and password are still what they were when they were read.
async fn begin_session(
    auth: &Auth,
    checked: Checked,
    attempt: Attempt,
    client: &Client,
) -> Result<Opened, SignInError> {
    let now = auth.clock().now();
    let mut tx = auth.db().begin().await?;
    let Some(failures) = still_good(&mut tx, &checked, now).await? else {
        drop(tx);
        attempt.was_right().await?;
        return Err(SignInError::InvalidCredentials);
    };
    let Checked { account, credential, browser, .. } = checked;
    let (how, password_version) = (How::Password, credential.version);
    let entering = Entering { account, how, password_version, failures, browser, client };
    let opened = enter::begin(auth, &mut tx, entering, now).await?;
    attempt.succeeded(tx).await?;
    Ok(opened)
}

/// How many wrong passwords there were since the last sign-in, if the right one is still what it was.
async fn still_good(tx: &mut Tx, checked: &Checked, now: Timestamp) -> storage::Result<Option<i64>> {
    let Checked { account, credential, rehashed, .. } = checked;
    // The account's row first, as whatever changes a password does: neither waits for the other's second row.
    if !users::account::record_sign_in(tx, account.id, account.epoch, now).await? {
        return Ok(None);
    }
    credential::signed_in(tx, account.id, credential.version, rehashed.as_deref(), now).await
}
