//! Changing one's own password: the current one is asked for, and all other sessions end.

use kernel::{Event, Kind, SessionId, UserId};
use users::link::Purpose;
use users::{Ended, Status};

use crate::attempts::Counter;
use crate::hashing::{Busy, Comparison, HashError, Memory};
use crate::register::known_words;
use crate::{Auth, Password, Weakness, attempts, credential, hashing, known_device, link, session};

/// The password was not changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangePasswordError {
    /// The current password is not right, or was wrong too often lately.
    #[error("the current password is not right")]
    WrongPassword,
    /// The new one cannot be chosen.
    #[error(transparent)]
    WeakPassword(#[from] Weakness),
    /// The account or the session that asks is gone, or somebody else changed the password in between.
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

/// Changes the password of `user`, from the session `asking`, which goes on.
pub async fn change_password(
    auth: &Auth,
    user: UserId,
    asking: SessionId,
    current: &str,
    new: &str,
) -> Result<(), ChangePasswordError> {
    let Ok(current) = Password::prepare(current) else { return Err(ChangePasswordError::WrongPassword) };
    let mut read = auth.db().read().await?;
    let account = users::account::find(&mut read, user).await?;
    let account = account.filter(|account| account.status == Status::Active).ok_or(ChangePasswordError::Gone)?;
    let credential = credential::find(&mut read, user).await?.ok_or(ChangePasswordError::Gone)?;
    drop(read);
    let new = Password::prepare(new)?;
    let known = known_words(auth, &account.email, account.name.as_ref());

    // The session is the device here: guessing from a stolen session locks that session's counter,
    // and neither the owner's nor a stranger's.
    let counter = Counter::new(auth, account.email.canonical(), Some(*asking.as_bytes()));
    let (place, attempt) = attempts::begin::<ChangePasswordError>(auth, counter).await?;
    let is_locked = attempt.is_locked();
    let (policy, pepper) = (auth.settings().policy.clone(), auth.pepper().clone());
    let (cost, stored) = (auth.hasher().cost(), credential.hash.clone());
    let compare_and_hash = move |memory: &mut Memory| -> Result<Option<String>, ChangePasswordError> {
        let compared = hashing::compare(memory, &pepper, &current, &stored, cost)?;
        if is_locked || compared == Comparison::Different {
            return Ok(None);
        }
        new.check(&policy, &known)?;
        Ok(Some(hashing::hash(memory, &pepper, &new, cost)?))
    };
    let hash = match place.run(compare_and_hash).await? {
        Ok(Some(hash)) => hash,
        Ok(None) => {
            let event = Event::new(Kind::SignInFailed, auth.clock().now()).about(user).in_session(asking);
            attempt.failed(event.with("at", "change_password")).await?;
            return Err(ChangePasswordError::WrongPassword);
        }
        Err(weak @ ChangePasswordError::WeakPassword(_)) => {
            attempt.was_right().await?;
            return Err(weak);
        }
        Err(other) => return Err(other),
    };

    let now = auth.clock().now();
    let mut tx = auth.db().begin().await?;
    session::lock_asking(&mut tx, user, asking, now).await?.ok_or(ChangePasswordError::Gone)?;
    if !credential::change(&mut tx, user, credential.version, &hash, now).await? {
        return Err(ChangePasswordError::Gone);
    }
    let device = session::device_of(&mut tx, asking).await?;
    known_device::forget_all_but(&mut tx, user, device.as_deref(), now).await?;
    // Somebody who read the mail may hold a link that would undo this.
    for purpose in [Purpose::ResetPassword, Purpose::SignIn] {
        link::end_all(&mut tx, user, Some(purpose), now).await?;
    }
    let ended = session::end_others(&mut tx, user, asking, now).await?;
    let event = Event::new(Kind::PasswordChanged, now).by(user).in_session(asking);
    users::revoke(&mut tx, Ended::Sessions(user, ended), event).await?;
    attempt.succeeded(tx).await?;
    Ok(())
}
