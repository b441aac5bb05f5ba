//! Somebody who looks after accounts changes one.

use kernel::{Event, Kind, UserId};

use crate::update_profile::change_locked;
use crate::{
    Account, Authority, EmailAddress, Ended, PersonalDataError, ProfileChange, Status, Users, account, may, revoke,
};

/// What to change.
#[derive(Clone, Debug, Default)]
pub struct AccountChange {
    /// Another address.
    pub email: Option<EmailAddress>,
    /// Whether somebody vouches for it that the address is its owner's. Another address is not, unless said.
    pub email_verified: Option<bool>,
    /// The rest.
    pub profile: ProfileChange,
}

/// The account was not changed.
#[derive(Debug, thiserror::Error)]
pub enum UpdateAccountError {
    /// Whoever asks lacks the permission, or the account has more.
    #[error("the permission for this is missing")]
    Forbidden,
    /// There is no such account.
    #[error("no such account")]
    NotFound,
    /// It is deleted: bring it back first.
    #[error("the account is deleted")]
    Deleted,
    /// Their own address is not changed in this way: nothing would have shown that it is theirs.
    #[error("nobody vouches for their own address")]
    OwnAccount,
    /// Somebody else changed it in between.
    #[error("the account has changed since it was read")]
    Stale,
    /// There is another account with this address.
    #[error("there is an account with this address")]
    EmailTaken,
    /// What is stored does not open.
    #[error(transparent)]
    Personal(#[from] PersonalDataError),
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] storage::Error),
}

/// Changes it; with `expected` (from `If-Match`) only if that is still its version. With another address all
/// its sessions end: whoever is signed in may be somebody else than the owner of that address.
pub async fn update_account(
    users: &Users,
    authority: Authority,
    user: UserId,
    change: &AccountChange,
    expected: Option<i64>,
) -> Result<Account, UpdateAccountError> {
    let now = users.clock.now();
    let mut tx = users.db.begin().await?;
    account::lock(&mut tx, user).await?;
    if !authority.may_touch(&mut tx, may::USERS_WRITE, user).await? {
        return Err(UpdateAccountError::Forbidden);
    }
    let current = account::find(&mut tx, user).await?.ok_or(UpdateAccountError::NotFound)?;
    if current.status == Status::Deleted {
        return Err(UpdateAccountError::Deleted);
    }
    if expected.is_some_and(|expected| expected != current.version) {
        return Err(UpdateAccountError::Stale);
    }
    let mut fields = change_locked(users, &mut tx, &current, &change.profile, now).await?;
    let email = change.email.as_ref().unwrap_or(&current.email);
    let moves = email.canonical() != current.email.canonical();
    let verified = change.email_verified.unwrap_or(current.email_verified && !moves);
    // One's own password and a link are asked for when somebody changes their own address; a stolen session of
    // an officer must not get round that.
    if authority.actor() == Some(user) && (*email != current.email || verified != current.email_verified) {
        return Err(UpdateAccountError::OwnAccount);
    }
    if *email != current.email || verified != current.email_verified {
        if !account::set_email(&mut tx, user, email, verified, now).await? {
            return Err(UpdateAccountError::EmailTaken);
        }
        fields.extend((*email != current.email).then(|| "email".to_owned()));
        fields.extend((verified != current.email_verified).then(|| "email_verified".to_owned()));
    }
    if fields.is_empty() {
        return Ok(current);
    }
    let kind = if moves { Kind::EmailChanged } else { Kind::AccountUpdated };
    let event = authority.sign(Event::new(kind, now).about(user).with("fields", fields));
    if moves {
        let previous = users.seal_said(&mut tx, user, "previous", current.email.as_str()).await?;
        let event = event.with("previous", previous);
        revoke(&mut tx, Ended::Everything(user), event).await?;
    } else {
        tx.append(event);
    }
    let updated = account::find(&mut tx, user).await?.ok_or(UpdateAccountError::NotFound)?;
    tx.commit().await?;
    Ok(updated)
}
