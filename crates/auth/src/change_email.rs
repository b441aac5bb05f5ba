//! Another address for one's own account: asked for with the password, made when a link that was sent to the
//! new address is opened.
//!
//! Asking never says whether the address is taken: that is decided when the link is opened, in the statement that
//! writes the address.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kernel::id::LinkId;
use kernel::{Event, Kind, SessionId, Timestamp, UserId};
use storage::Connection;
use users::{Account, EmailAddress, Ended, Status};

use crate::attempts::Counter;
use crate::email_change::{self, EmailChange};
use crate::hashing::{Busy, Comparison, HashError, Memory};
use crate::{Auth, Password, attempts, credential, hashing, session};

/// How long a link works, in seconds.
const LIFETIME: i64 = 60 * 60;

/// The change was not asked for.
#[derive(Debug, thiserror::Error)]
pub enum RequestEmailChangeError {
    /// The current password is not right, or was wrong too often lately.
    #[error("the current password is not right")]
    WrongPassword,
    /// The account is gone.
    #[error("the account has changed")]
    Gone,
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

/// The address was not changed.
#[derive(Debug, thiserror::Error)]
pub enum ConfirmEmailChangeError {
    /// Used, old, replaced, not ours, or the address is taken by now: it does not say which.
    #[error("the link is not good any more")]
    InvalidToken,
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] storage::Error),
}

/// Asks for another address, from the session `asking`. The link for it is [`pending_link`]'s; one that was
/// asked for before does not work any more.
pub async fn request_email_change(
    auth: &Auth,
    user: UserId,
    asking: SessionId,
    current: &str,
    email: &EmailAddress,
) -> Result<(), RequestEmailChangeError> {
    let Ok(current) = Password::prepare(current) else { return Err(RequestEmailChangeError::WrongPassword) };
    let mut read = auth.db().read().await?;
    let account = users::account::find(&mut read, user).await?;
    let account = account.filter(|account| account.status == Status::Active).ok_or(RequestEmailChangeError::Gone)?;
    let credential = credential::find(&mut read, user).await?.ok_or(RequestEmailChangeError::Gone)?;
    drop(read);
    // As for a change of password: whoever guesses from a stolen session locks that session's counter.
    let counter = Counter::new(auth, account.email.canonical(), Some(*asking.as_bytes()));
    let (place, attempt) = attempts::begin::<RequestEmailChangeError>(auth, counter).await?;
    let is_locked = attempt.is_locked();
    let (pepper, cost) = (auth.pepper().clone(), auth.hasher().cost());
    let compare = move |memory: &mut Memory| -> Result<Comparison, HashError> {
        hashing::compare(memory, &pepper, &current, &credential.hash, cost)
    };
    if place.run(compare).await?? == Comparison::Different || is_locked {
        let event = Event::new(Kind::SignInFailed, auth.clock().now()).about(user).in_session(asking);
        attempt.failed(event.with("at", "change_email")).await?;
        return Err(RequestEmailChangeError::WrongPassword);
    }
    let now = auth.clock().now();
    let change = EmailChange {
        id: LinkId::new(now),
        user_id: user,
        session_id: asking,
        email: email.as_str().to_owned(),
        expires_at: now.plus_seconds(LIFETIME),
    };
    let mut tx = auth.db().begin().await?;
    // The password was compared outside of the transaction: what ended the trust meanwhile comes before this.
    session::lock_asking(&mut tx, user, asking, now).await?.ok_or(RequestEmailChangeError::Gone)?;
    if !credential::confirm(&mut tx, user, credential.version, now).await? {
        return Err(RequestEmailChangeError::Gone);
    }
    email_change::insert(&mut tx, &change, now).await?;
    tx.append(Event::new(Kind::EmailChangeRequested, now).by(user).in_session(asking));
    attempt.succeeded(tx).await?;
    Ok(())
}

/// What the token of a link is bound to: which request, whose, from which address to which. When the account's
/// address has changed in between, it is another token.
fn tag(auth: &Auth, change: &EmailChange, account: &Account) -> [u8; 32] {
    auth.link_key().sign(&parts(change, account))
}

fn parts<'a>(change: &'a EmailChange, account: &'a Account) -> [&'a [u8]; 5] {
    [
        b"email-change",
        change.id.as_bytes(),
        change.user_id.as_bytes(),
        change.email.as_bytes(),
        account.email.canonical().as_bytes(),
    ]
}

/// A change that somebody waits for.
pub struct PendingLink {
    /// The address to send the token to.
    pub email: String,
    /// What shows that mail there reaches them.
    pub token: String,
    /// Until when it works.
    pub expires_at: Timestamp,
}

/// The token for what this account asked for, if it did.
pub async fn pending_link(auth: &Auth, account: &Account) -> storage::Result<Option<PendingLink>> {
    let change = email_change::pending(&mut auth.db().read().await?, account.id, auth.clock().now()).await?;
    Ok(change.map(|change| {
        let token = [&change.id.as_bytes()[..], &tag(auth, &change, account)].concat();
        PendingLink { token: URL_SAFE_NO_PAD.encode(token), expires_at: change.expires_at, email: change.email }
    }))
}

/// The change that this token is for, and the account as it is now, if the session that asked is still trusted.
async fn verified(
    auth: &Auth,
    on: &mut impl Connection,
    id: LinkId,
    tag: &[u8],
) -> Result<(EmailChange, Account), ConfirmEmailChangeError> {
    use ConfirmEmailChangeError::InvalidToken;
    let now = auth.clock().now();
    let change = email_change::find(on, id, now).await?.ok_or(InvalidToken)?;
    let account = users::account::find(on, change.user_id).await?.ok_or(InvalidToken)?;
    let good = account.status == Status::Active && auth.link_key().verify(&parts(&change, &account), tag);
    // Whatever ended the session that asked (another password, a suspension, its owner) ended what it asked for.
    if good && session::is_alive(on, account.id, change.session_id, account.sessions_from, now).await? {
        Ok((change, account))
    } else {
        Err(InvalidToken)
    }
}

/// The parts of a token: which request it is for, and what shows that it is ours.
fn take_apart(token: &str) -> Option<(LinkId, Vec<u8>)> {
    let bytes = (token.len() <= 128).then(|| URL_SAFE_NO_PAD.decode(token).ok()).flatten()?;
    let (id, tag) = bytes.split_first_chunk::<16>()?;
    Some((LinkId::from_bytes(*id), tag.to_vec()))
}

/// The address that this token would make somebody's, as it is now. Nothing is changed.
pub async fn check_email_change(auth: &Auth, token: &str) -> Result<String, ConfirmEmailChangeError> {
    let (id, tag) = take_apart(token).ok_or(ConfirmEmailChangeError::InvalidToken)?;
    let (change, _) = verified(auth, &mut auth.db().read().await?, id, &tag).await?;
    Ok(change.email)
}

/// Makes the change that this token is for. The address counts as verified, and all sessions but the one that
/// asked end.
pub async fn confirm_email_change(auth: &Auth, token: &str) -> Result<(), ConfirmEmailChangeError> {
    use ConfirmEmailChangeError::InvalidToken;
    let (id, tag) = take_apart(token).ok_or(InvalidToken)?;
    // Nobody makes everybody wait for the writer with tokens that are none.
    verified(auth, &mut auth.db().read().await?, id, &tag).await?;

    let now = auth.clock().now();
    let mut tx = auth.db().begin().await?;
    let (change, _) = verified(auth, &mut tx, id, &tag).await?;
    users::account::lock(&mut tx, change.user_id).await?;
    // Once more, behind the lock: another change may just have been made.
    let (change, account) = verified(auth, &mut tx, id, &tag).await?;
    if !email_change::consume(&mut tx, id, account.email.as_str(), now).await? {
        return Err(InvalidToken);
    }
    let email = EmailAddress::parse(&change.email).map_err(|_| InvalidToken)?;
    if !users::account::set_email(&mut tx, account.id, &email, true, now).await? {
        return Err(InvalidToken);
    }
    let ended = session::end_others(&mut tx, account.id, change.session_id, now).await?;
    let event = Event::new(Kind::EmailChanged, now).by(account.id).with("change", id.to_string());
    users::revoke(&mut tx, Ended::Sessions(account.id, ended), event).await?;
    tx.commit().await?;
    Ok(())
}
