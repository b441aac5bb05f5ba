//! Another password for somebody who does not know theirs: a link goes to the address of the account.
//!
//! Asking says nothing about anybody: it is written down, and answered a moment later. With the new password everything
//! that was trusted ends; nobody is signed in by it.

use kernel::{Event, Kind};
use storage::{Result as Stored, Tx};
use users::link::{Purpose, Token};
use users::{EmailAddress, Ended};

use crate::hashing::{Busy, HashError};
use crate::link::{self, Good, LinkError, NewLink};
use crate::link_request::{LinkRequest, Wish};
use crate::register::{RegisterError, hash_for};
use crate::{Auth, Weakness, attempts, credential, known_device, link_request};

/// The password was not changed.
#[derive(Debug, thiserror::Error)]
pub enum ResetPasswordError {
    /// The link is none.
    #[error("the link is not good any more")]
    InvalidToken,
    /// The new password cannot be chosen. The link still works.
    #[error(transparent)]
    WeakPassword(#[from] Weakness),
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

impl From<LinkError> for ResetPasswordError {
    fn from(error: LinkError) -> Self {
        match error {
            LinkError::InvalidToken => Self::InvalidToken,
            LinkError::Storage(error) => Self::Storage(error),
        }
    }
}

impl From<RegisterError> for ResetPasswordError {
    fn from(error: RegisterError) -> Self {
        match error {
            RegisterError::EmailTaken => Self::InvalidToken,
            RegisterError::WeakPassword(weakness) => Self::WeakPassword(weakness),
            RegisterError::Busy(busy) => Self::Busy(busy),
            RegisterError::Hash(cause) => Self::Hash(cause),
            RegisterError::Storage(error) => Self::Storage(error),
        }
    }
}

/// Asks for the link. The answer is the same for everybody: what follows is not waited for.
pub async fn request_password_reset(auth: &Auth, email: &EmailAddress) -> Stored<()> {
    let email = email.as_str().to_owned();
    link_request::put(auth, &LinkRequest { wish: Wish::ResetPassword, email, browser: None }).await
}

/// Makes the link, if somebody has the address and there were not too many. One that was made before is dead then.
pub(crate) async fn answer(auth: &Auth, tx: &mut Tx, email: &str) -> Stored<()> {
    let Some(account) = link::lock_addressed(tx, email).await? else { return Ok(()) };
    if let Some(link) = link::issue(auth, tx, account.id, Purpose::ResetPassword, NewLink::default()).await? {
        let event = Event::new(Kind::PasswordResetRequested, auth.clock().now()).about(account.id);
        tx.append(link::said(event, &link));
    }
    Ok(())
}

/// The address of the account that this token would give another password, as it is now. Nothing is changed.
pub async fn check_password_reset(auth: &Auth, token: &str) -> Result<String, LinkError> {
    let token = Token::parse(token).ok_or(LinkError::InvalidToken)?;
    let good = link::good(auth, &mut auth.db().read().await?, &token, Purpose::ResetPassword).await?;
    Ok(good.account.email.as_str().to_owned())
}

/// Gives the account of this token another password. All its sessions and links end, and what had locked it is
/// forgotten; nobody is signed in.
pub async fn reset_password(auth: &Auth, token: &str, password: &str) -> Result<(), ResetPasswordError> {
    let token = Token::parse(token).ok_or(ResetPasswordError::InvalidToken)?;
    // Nobody has a password hashed with a token that is none.
    let account = link::good(auth, &mut auth.db().read().await?, &token, Purpose::ResetPassword).await?.account;
    let hash = hash_for(auth, password, &account.email, account.name.as_ref()).await?;

    let (now, user) = (auth.clock().now(), account.id);
    let mut tx = auth.db().begin().await?;
    users::account::lock(&mut tx, user).await?;
    let Good { link, account, .. } = link::good(auth, &mut tx, &token, Purpose::ResetPassword).await?;
    if !link::consume(&mut tx, link.id, Purpose::ResetPassword, now).await? {
        return Err(ResetPasswordError::InvalidToken);
    }
    credential::replace(&mut tx, user, &hash, now).await?;
    known_device::forget_all_but(&mut tx, user, None, now).await?;
    link::end_all(&mut tx, user, None, now).await?;
    attempts::forget_account(&mut tx, auth, account.email.canonical()).await?;
    let mut event = Event::new(Kind::PasswordReset, now).by(user);
    // Whoever could not come in for want of a verified address would not understand why the new password is refused.
    if !auth.admits(&account)
        && let Some(verifying) = link::issue(auth, &mut tx, user, Purpose::VerifyEmail, NewLink::default()).await?
    {
        event = link::said(event, &verifying);
    }
    users::revoke(&mut tx, Ended::Everything(user), event).await?;
    tx.commit().await?;
    Ok(())
}
