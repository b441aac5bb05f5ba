//! Another address for one's own account: asked for with the password, made when a link that was sent to the
//! new address is opened and its button pressed.
//!
//! Asking never says whether the address is taken: that is decided when the link is used, in the statement that
//! writes the address.

use kernel::secret::Unsealable;
use kernel::{Event, Kind, SessionId, Timestamp, UserId};
use storage::Connection;
use users::link::{Purpose, Token};
use users::{Account, EmailAddress, Ended, PersonalDataError, Status};

use crate::attempts::Counter;
use crate::hashing::{Busy, Comparison, HashError, Memory};
use crate::link::{self, Good, LinkError, NewLink};
use crate::{Auth, Password, attempts, credential, hashing, session};

/// The change was not asked for.
#[derive(Debug, thiserror::Error)]
pub enum RequestEmailChangeError {
    /// The current password is not right, or was wrong too often lately.
    #[error("the current password is not right")]
    WrongPassword,
    /// The account is gone.
    #[error("the account has changed")]
    Gone,
    /// This account asked, or this address was asked for, too often lately.
    #[error("another address was asked for too often")]
    TooOften,
    /// Too many hashes wait.
    #[error(transparent)]
    Busy(#[from] Busy),
    /// The hash cannot be computed.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// The person's key does not open.
    #[error(transparent)]
    Unsealable(Unsealable),
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] storage::Error),
}

impl From<PersonalDataError> for RequestEmailChangeError {
    fn from(error: PersonalDataError) -> Self {
        match error {
            PersonalDataError::Storage(error) => Self::Storage(error),
            PersonalDataError::Unsealable(error) => Self::Unsealable(error),
        }
    }
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
    let mut tx = auth.db().begin().await?;
    // The password was compared outside of the transaction: what ended the trust meanwhile comes before this.
    session::lock_asking(&mut tx, user, asking, now).await?.ok_or(RequestEmailChangeError::Gone)?;
    if !credential::confirm(&mut tx, user, credential.version, now).await? {
        return Err(RequestEmailChangeError::Gone);
    }
    let sealed = auth.users().seal_said(&mut tx, user, link::OTHER, email.as_str()).await?;
    let new = NewLink { session: Some(asking), other: Some((email, &sealed)), ..NewLink::default() };
    let Some(link) = link::issue(auth, &mut tx, user, Purpose::ChangeEmail, new).await? else {
        drop(tx);
        attempt.was_right().await?;
        return Err(RequestEmailChangeError::TooOften);
    };
    let event = Event::new(Kind::EmailChangeRequested, now).by(user).in_session(asking);
    tx.append(link::said(event, &link).with(link::OTHER, sealed));
    attempt.succeeded(tx).await?;
    Ok(())
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
    let mut read = auth.db().read().await?;
    let found = link::newest(&mut read, account.id, Purpose::ChangeEmail, auth.clock().now()).await?;
    let Some(link) = found else { return Ok(None) };
    let Some(email) = link::open_other(auth, &mut read, &link).await? else { return Ok(None) };
    let token = auth.users().links.token(&link::bond(&link, Purpose::ChangeEmail, account, Some(&email)));
    Ok(Some(PendingLink { token, expires_at: link.expires_at, email }))
}

/// The link that this token is, if it is good and the session that asked is still trusted.
async fn asked_for(auth: &Auth, on: &mut impl Connection, token: &Token) -> Result<Good, LinkError> {
    let good = link::good(auth, on, token, Purpose::ChangeEmail).await?;
    let session = good.link.session_id.ok_or(LinkError::InvalidToken)?;
    let (user, from) = (good.account.id, good.account.sessions_from);
    // Whatever ended the session that asked (another password, a suspension, its owner) ended what it asked for.
    if session::is_alive(on, user, session, from, auth.clock().now()).await? {
        Ok(good)
    } else {
        Err(LinkError::InvalidToken)
    }
}

/// The address that this token would make somebody's, as it is now. Nothing is changed.
pub async fn check_email_change(auth: &Auth, token: &str) -> Result<String, LinkError> {
    let token = Token::parse(token).ok_or(LinkError::InvalidToken)?;
    let good = asked_for(auth, &mut auth.db().read().await?, &token).await?;
    good.other.ok_or(LinkError::InvalidToken)
}

/// Makes the change that this token is for. The address counts as verified, and all sessions but the one that
/// asked end.
pub async fn confirm_email_change(auth: &Auth, token: &str) -> Result<(), LinkError> {
    use LinkError::InvalidToken;
    let token = Token::parse(token).ok_or(InvalidToken)?;
    // Nobody makes everybody wait for the writer with tokens that are none.
    let user = asked_for(auth, &mut auth.db().read().await?, &token).await?.account.id;

    let now = auth.clock().now();
    let mut tx = auth.db().begin().await?;
    users::account::lock(&mut tx, user).await?;
    // Once more, behind the lock: another change may just have been made.
    let Good { link, account, other } = asked_for(auth, &mut tx, &token).await?;
    if !link::consume(&mut tx, link.id, Purpose::ChangeEmail, now).await? {
        return Err(InvalidToken);
    }
    let email = other.and_then(|other| EmailAddress::parse(&other).ok()).ok_or(InvalidToken)?;
    let previous = auth.users().seal_said(&mut tx, user, "previous", account.email.as_str()).await;
    let previous = previous.map_err(unreadable)?;
    if !users::account::set_email(&mut tx, user, &email, true, now).await? {
        return Err(InvalidToken);
    }
    let kept = link.session_id.ok_or(InvalidToken)?;
    let ended = session::end_others(&mut tx, user, kept, now).await?;
    let event = Event::new(Kind::EmailChanged, now).by(user).with("link", link.id.to_string());
    users::revoke(&mut tx, Ended::Sessions(user, ended), event.with("previous", previous)).await?;
    tx.commit().await?;
    Ok(())
}

/// The person's key does not open, though it did a moment ago for the address in the link.
fn unreadable(error: PersonalDataError) -> LinkError {
    match error {
        PersonalDataError::Storage(error) => LinkError::Storage(error),
        PersonalDataError::Unsealable(cause) => {
            tracing::error!(%cause, "the address before cannot be sealed");
            LinkError::InvalidToken
        }
    }
}
