//! Giving roles to accounts and taking them away: which roles somebody may do that with. Every path that does
//! either asks here, whatever account it is for and however it was chosen.

use kernel::Permissions;
use kernel::permission::RoleBook;
use storage::{Lock, Tx};

use crate::{Authority, account, role_record};

/// These roles are not for whoever asks to give or to take.
#[derive(Debug, thiserror::Error)]
pub enum GrantError {
    /// There is no role of this name.
    #[error("there is no role `{0}`")]
    UnknownRole(String),
    /// One of them comes to permissions that whoever asks lacks, or to none, and is not theirs.
    #[error("a role comes to permissions that whoever gives or takes it lacks")]
    Exceeds,
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] storage::Error),
}

/// Whether somebody who may do `mine` and holds the roles `held` may give and take this role. Permissions are
/// not all that a role gives: routes and services trust roles by their names too. So one that comes to no
/// permission is not everybody's to give, but only theirs who hold it or may do everything.
pub fn may_hand(mine: &Permissions, held: &[String], book: &RoleBook, role: &str) -> bool {
    may_hand_what(mine, held, role, &book.permissions_of([role]))
}

/// The same of a role that comes to this.
pub(crate) fn may_hand_what(mine: &Permissions, held: &[String], role: &str, comes_to: &Permissions) -> bool {
    let is_theirs = role == account::USER || held.iter().any(|own| own == role);
    *mine == Permissions::Everything || is_theirs || (*comes_to != Permissions::default() && mine.covers(comes_to))
}

/// Whether all of these roles are there and the authority may hand on each. No role is changed or
/// deleted until the transaction ends. To be asked when the rows of accounts are locked.
pub(crate) async fn check(
    tx: &mut Tx,
    authority: Authority,
    roles: impl IntoIterator<Item = &str>,
) -> Result<(), GrantError> {
    tx.hold(Lock::Roles).await?;
    let book = role_record::book(tx).await?;
    let roles: Vec<&str> = roles.into_iter().collect();
    if let Some(unknown) = roles.iter().find(|role| !book.contains(role)) {
        return Err(GrantError::UnknownRole((*unknown).to_owned()));
    }
    let mine = authority.standing(tx).await?;
    if roles.iter().all(|role| mine.may_hand(&book, role)) { Ok(()) } else { Err(GrantError::Exceeds) }
}

#[cfg(test)]
mod tests {
    use kernel::permission::RoleDefinition;

    use super::*;

    #[test]
    fn z3_a_role_that_is_only_a_name_is_not_everybodys_to_give() {
        let role = |name: &str, permissions: &[&str]| RoleDefinition {
            name: name.into(),
            permissions: permissions.iter().map(|name| (*name).to_owned()).collect(),
            ..RoleDefinition::default()
        };
        let definitions = [
            role("admin", &["*"]),
            role("user", &[]),
            role("vip", &[]),
            role("reader", &["users:read"]),
            role("author", &["quiz:author"]),
        ];
        let book = RoleBook::new(&definitions);
        let mine = Permissions::of(["users:read", "roles:grant"]);
        let may = |held: &[String], role: &str| may_hand(&mine, held, &book, role);
        assert!(may(&[], "user") && may(&[], "reader"));
        for role in ["vip", "author", "admin", "unknown"] {
            assert!(!may(&[], role), "{role}");
            assert!(may_hand(&Permissions::Everything, &[], &book, role), "{role}");
        }
        assert!(may(&["vip".to_owned()], "vip"));
    }
}
