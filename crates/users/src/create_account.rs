//! Making an account for somebody else. It has no password: nobody but its owner is ever to know one.

use kernel::{Event, Kind};
use storage::Tx;

use crate::update_profile::change_locked;
use crate::{
    Account, Authority, ChangeRolesError, NewAccount, PersonalDataError, ProfileChange, Roles, Users, account,
    granting, may,
};

/// What to make.
#[derive(Clone, Debug)]
pub struct NewProfile {
    /// Address, name and language.
    pub account: NewAccount,
    /// Its roles; `user` alone if nothing is said.
    pub roles: Option<Roles>,
    /// The rest.
    pub profile: ProfileChange,
}

/// No account was made.
#[derive(Debug, thiserror::Error)]
pub enum CreateAccountError {
    /// Whoever asks may not make accounts.
    #[error("the permission for this is missing")]
    Forbidden,
    /// There is an account with this address.
    #[error("there is an account with this address")]
    EmailTaken,
    /// The roles are not for whoever asks to give.
    #[error(transparent)]
    Roles(#[from] ChangeRolesError),
    /// What is personal cannot be sealed.
    #[error(transparent)]
    Personal(#[from] PersonalDataError),
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] storage::Error),
}

/// Makes it. Whoever gives it roles needs the permission for that too, and all that the roles come to.
pub async fn create_account(
    users: &Users,
    authority: Authority,
    new: &NewProfile,
) -> Result<Account, CreateAccountError> {
    let mut tx = users.db.begin().await?;
    let (made, event) = make_account(users, &mut tx, authority, new).await?;
    tx.append(event);
    tx.commit().await?;
    Ok(made)
}

/// The same in a transaction that does more, with the event for whoever appends it.
pub async fn make_account(
    users: &Users,
    tx: &mut Tx,
    authority: Authority,
    new: &NewProfile,
) -> Result<(Account, Event), CreateAccountError> {
    let now = users.clock.now();
    if !authority.may(tx, may::USERS_WRITE).await? {
        return Err(CreateAccountError::Forbidden);
    }
    let mut roles = vec![account::USER];
    if let Some(wanted) = &new.roles {
        let given: Vec<&str> = wanted.names().filter(|role| *role != account::USER).collect();
        if !given.is_empty() {
            if !authority.may(tx, may::ROLES_GRANT).await? {
                return Err(CreateAccountError::Forbidden);
            }
            granting::check(tx, authority, given.iter().copied()).await.map_err(ChangeRolesError::from)?;
        }
        roles.extend(given);
    }
    let made = account::insert(tx, &new.account, &roles, now).await?.ok_or(CreateAccountError::EmailTaken)?;
    change_locked(users, tx, &made, &new.profile, now).await?;
    let made = account::find(tx, made.id).await?.ok_or(CreateAccountError::EmailTaken)?;
    let event = Event::new(Kind::AccountCreated, now).about(made.id).with("roles", made.roles.clone());
    Ok((made, authority.sign(event)))
}
