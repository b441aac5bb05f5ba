//! Giving roles to accounts and taking them away: which roles somebody may do that with. Every path that does
//! either asks here, whatever account it is for and however it was chosen.

use storage::{Lock, Tx};

use crate::{Authority, role_record};

/// These roles are not for whoever asks to give or to take.
#[derive(Debug, thiserror::Error)]
pub enum GrantError {
    /// There is no role of this name.
    #[error("there is no role `{0}`")]
    UnknownRole(String),
    /// One of them comes to permissions that whoever asks lacks.
    #[error("a role comes to permissions that whoever gives or takes it lacks")]
    Exceeds,
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] storage::Error),
}

/// Whether all of these roles are there and come to nothing that the authority lacks. No role is changed or
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
    let mine = authority.permissions(tx).await?;
    if mine.covers(&book.permissions_of(roles.iter().copied())) { Ok(()) } else { Err(GrantError::Exceeds) }
}
