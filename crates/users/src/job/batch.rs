//! Changing a few accounts in one transaction.

use kernel::{Timestamp, UserId};
use storage::{Error, Result, Tx};

use super::record::{self, Claimed};
use super::run::{self, Step, authority_of, lease_end};
use super::{Action, State};
use crate::change_roles::{ChangeRolesError, change_roles_in};
use crate::change_status::{ChangeStatusError, StatusChange, change_status_in};
use crate::granting::{self, GrantError};
use crate::sign_out_everywhere::{SignOutEverywhereError, sign_out_everywhere_in};
use crate::{Authority, Reason, Roles, Users, account};

/// How many accounts one transaction changes. On SQLite everybody waits for whoever writes: these take some
/// milliseconds.
pub(super) const ACCOUNTS: usize = 25;

/// Why an account was left as it was.
enum Refused {
    /// The code of the problem.
    Code(&'static str),
    Storage(Error),
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self::Storage(error)
    }
}

/// Does what the job does to these accounts, which are in order, each with its event, and moves the
/// position on: all of it or nothing.
pub(super) async fn change(users: &Users, claimed: &mut Claimed, ids: &[UserId]) -> Result<Step> {
    let Some(last) = ids.last() else { return Ok(Step::On) };
    let now = users.clock.now();
    let authority = authority_of(&claimed.job);
    let mut tx = users.db.begin().await?;
    if !record::keep(&mut tx, claimed.job.id, claimed.lease, lease_end(now)).await? {
        return Ok(Step::Over);
    }
    // All rows first, and in their order: whoever changes one account locks its row and then what all
    // administrators share, so to lock a row after that would be to wait for each other.
    for id in ids {
        account::lock(&mut tx, *id).await?;
    }
    let mut job = claimed.job.clone();
    if let Some(trouble) = refusal_of_all(&mut tx, claimed).await? {
        run::finish_in(users, &mut tx, &mut job, State::Failed, Some(trouble), now).await?;
        tx.commit().await?;
        claimed.job = job;
        users.jobs.count_ended(false);
        return Ok(Step::Over);
    }
    for id in ids {
        match change_one(&mut tx, authority, &job.action, *id, now).await {
            Ok(()) => job.count_done(),
            Err(Refused::Code(code)) => job.count_refused(*id, code),
            Err(Refused::Storage(error)) => return Err(error),
        }
    }
    record::advance(&mut tx, &job, *last).await?;
    tx.commit().await?;
    (claimed.job, claimed.position) = (job, Some(*last));
    Ok(Step::On)
}

/// Why nothing of this may be done by them any more: they had the permission when they asked.
pub(super) async fn refusal_of_all(tx: &mut Tx, claimed: &Claimed) -> Result<Option<&'static str>> {
    if !run::may_go_on(tx, claimed).await? {
        return Ok(Some("forbidden"));
    }
    let Some(role) = claimed.job.action.role() else { return Ok(None) };
    match granting::check(tx, authority_of(&claimed.job), [role]).await {
        Ok(()) => Ok(None),
        Err(GrantError::Exceeds) => Ok(Some("forbidden")),
        Err(GrantError::UnknownRole(_)) => Ok(Some("unknown_role")),
        Err(GrantError::Storage(error)) => Err(error),
    }
}

/// One account, by the use case that changes it when it is changed alone. A refusal has written nothing.
async fn change_one(
    tx: &mut Tx,
    authority: Authority,
    action: &Action,
    user: UserId,
    now: Timestamp,
) -> std::result::Result<(), Refused> {
    // Whoever chooses many does not mean themselves.
    if authority.actor() == Some(user) {
        return Err(Refused::Code("own_account"));
    }
    match action {
        Action::GrantRole(role) => change_role(tx, authority, user, (role, true), now).await,
        Action::TakeRole(role) => change_role(tx, authority, user, (role, false), now).await,
        Action::Suspend { reason, until } => {
            status(tx, authority, user, (StatusChange::Suspend { until: *until }, reason), now).await
        }
        Action::Delete { reason } => status(tx, authority, user, (StatusChange::Delete, reason), now).await,
        Action::SignOut => match sign_out_everywhere_in(tx, authority, user, now).await {
            Ok(()) => Ok(()),
            Err(SignOutEverywhereError::Forbidden) => Err(Refused::Code("forbidden")),
            Err(SignOutEverywhereError::NotFound) => Err(Refused::Code("not_found")),
            Err(SignOutEverywhereError::Storage(error)) => Err(Refused::Storage(error)),
        },
        // Neither an export nor telling somebody something changes an account.
        Action::Export { .. } | Action::Notify { .. } => Ok(()),
    }
}

async fn status(
    tx: &mut Tx,
    authority: Authority,
    user: UserId,
    (change, reason): (StatusChange, &Reason),
    now: Timestamp,
) -> std::result::Result<(), Refused> {
    match change_status_in(tx, authority, user, (change, reason), now).await {
        Ok(()) => Ok(()),
        Err(ChangeStatusError::Forbidden) => Err(Refused::Code("forbidden")),
        Err(ChangeStatusError::NotFound) => Err(Refused::Code("not_found")),
        Err(ChangeStatusError::NotIn(_)) => Err(Refused::Code("wrong_status")),
        Err(ChangeStatusError::TooLate) => Err(Refused::Code("too_late")),
        Err(ChangeStatusError::LastAdministrator) => Err(Refused::Code("last_administrator")),
        Err(ChangeStatusError::OwnAccount) => Err(Refused::Code("own_account")),
        Err(ChangeStatusError::Storage(error)) => Err(Refused::Storage(error)),
    }
}

/// The roles that it has, with one more or one less.
async fn change_role(
    tx: &mut Tx,
    authority: Authority,
    user: UserId,
    (role, given): (&str, bool),
    now: Timestamp,
) -> std::result::Result<(), Refused> {
    let mut wanted = account::roles(tx, user).await?;
    wanted.retain(|had| had != role);
    if given {
        wanted.push(role.to_owned());
    }
    let Ok(roles) = Roles::parse(&wanted) else { return Err(Refused::Code("too_many_roles")) };
    match change_roles_in(tx, authority, user, (&roles, None), now).await {
        Ok(_) => Ok(()),
        Err(ChangeRolesError::Forbidden | ChangeRolesError::Exceeds) => Err(Refused::Code("forbidden")),
        Err(ChangeRolesError::UnknownRole(_)) => Err(Refused::Code("unknown_role")),
        Err(ChangeRolesError::NotFound) => Err(Refused::Code("not_found")),
        Err(ChangeRolesError::Stale) => Err(Refused::Code("stale")),
        Err(ChangeRolesError::LastAdministrator) => Err(Refused::Code("last_administrator")),
        Err(ChangeRolesError::Storage(error)) => Err(Refused::Storage(error)),
    }
}
