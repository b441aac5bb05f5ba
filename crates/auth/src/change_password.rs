//! Changing one's own password: the current one is asked for, and all other sessions end.

use kernel::{Event, Kind, SessionId, UserId};
use users::{Ended, Status};

use crate::attempts::{Attempt, Counter};
use crate::hashing::{Busy, Comparison, HashError, Memory};
use crate::register::{RegisterError, check_strength, known_words};
use crate::{Auth, Password, Weakness, attempts, credential, hashing, session};

/// The password was not changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangePasswordError {
    /// The current password is not right, or was wrong too often lately.
    #[error("the current password is not right")]
    WrongPassword,
    /// The new one cannot be chosen.
    #[error(transparent)]
    WeakPassword(#[from] Weakness),
    /// The account is gone, or somebody else changed its password in between.
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

impl From<RegisterError> for ChangePasswordError {
    fn from(error: RegisterError) -> Self {
        match error {
            RegisterError::EmailTaken => Self::Gone,
            RegisterError::WeakPassword(weakness) => Self::WeakPassword(weakness),
            RegisterError::Busy(busy) => Self::Busy(busy),
            RegisterError::Hash(error) => Self::Hash(error),
            RegisterError::Storage(error) => Self::Storage(error),
        }
    }
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
    let known = known_words(auth, &account.email, account.name.as_ref());
    let new = check_strength(auth, Password::prepare(new)?, known).await?;

    let place = auth.hasher().enter().await?;
    // The session is the device here: guessing from a stolen session locks that session's counter,
    // and neither the owner's nor a stranger's.
    let counter = Counter::new(auth, account.email.canonical(), Some(*asking.as_bytes()));
    let attempt = attempts::begin(auth, &counter).await?;
    let (pepper, cost, stored) = (auth.pepper().clone(), auth.hasher().cost(), credential.hash.clone());
    let compare_and_hash = move |memory: &mut Memory| -> Result<Option<String>, HashError> {
        let compared = hashing::compare(memory, &pepper, &current, &stored, cost)?;
        if attempt == Attempt::Locked || compared == Comparison::Different {
            return Ok(None);
        }
        hashing::hash(memory, &pepper, &new, cost).map(Some)
    };
    let Some(hash) = place.run(compare_and_hash).await?? else {
        refuse(auth, user, asking, attempt, &counter).await?;
        return Err(ChangePasswordError::WrongPassword);
    };

    let now = auth.clock().now();
    let mut tx = auth.db().begin().await?;
    if !credential::change(&mut tx, user, credential.version, &hash, now).await? {
        return Err(ChangePasswordError::Gone);
    }
    attempts::forget(&mut tx, &counter).await?;
    let ended = session::end_others(&mut tx, user, asking, now).await?;
    let event = Event::new(Kind::PasswordChanged, now).by(user).in_session(asking);
    users::revoke(&mut tx, Ended::Sessions(user, ended), event).await?;
    tx.commit().await?;
    Ok(())
}

/// Counts the failure and says that it happened.
async fn refuse(
    auth: &Auth,
    user: UserId,
    asking: SessionId,
    attempt: Attempt,
    counter: &Counter,
) -> storage::Result<()> {
    let now = auth.clock().now();
    let mut tx = auth.db().begin().await?;
    if attempt == Attempt::Allowed {
        attempts::fail(&mut tx, auth, counter, now).await?;
    }
    let event = Event::new(Kind::SignInFailed, now).about(user).in_session(asking);
    tx.append(event.with("at", "change_password"));
    tx.commit().await
}
