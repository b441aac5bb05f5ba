//! Ending sessions from the list: one, or all others.

use kernel::{Event, Kind, SessionId, UserId};
use users::{Authority, Ended, may};

use crate::{Auth, session};

/// The session was not ended.
#[derive(Debug, thiserror::Error)]
pub enum EndSessionError {
    /// This user has no such session, or it is over.
    #[error("no such session")]
    NotFound,
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] storage::Error),
}

/// Ends one session of this user, from the session `asking`.
pub async fn end_session(auth: &Auth, user: UserId, asking: SessionId, id: SessionId) -> Result<(), EndSessionError> {
    let now = auth.clock().now();
    let mut tx = auth.db().begin().await?;
    if !session::end(&mut tx, user, id, now).await? {
        return Err(EndSessionError::NotFound);
    }
    let event = Event::new(Kind::SessionEnded, now).by(user).in_session(id).with("by_session", asking.to_string());
    users::revoke(&mut tx, Ended::Sessions(user, vec![id]), event).await?;
    tx.commit().await?;
    Ok(())
}

/// Ends all sessions of this user but the one that asks. How many they were.
pub async fn end_other_sessions(auth: &Auth, user: UserId, asking: SessionId) -> storage::Result<usize> {
    let now = auth.clock().now();
    let mut tx = auth.db().begin().await?;
    let ended = session::end_others(&mut tx, user, asking, now).await?;
    let count = ended.len();
    let event = Event::new(Kind::OtherSessionsEnded, now).by(user).in_session(asking).with("sessions", count);
    users::revoke(&mut tx, Ended::Sessions(user, ended), event).await?;
    tx.commit().await?;
    Ok(count)
}

/// The session of somebody else was not ended.
#[derive(Debug, thiserror::Error)]
pub enum EndSessionOfError {
    /// Whoever asks lacks the permission, or has fewer rights than the account.
    #[error("the permission for this is missing")]
    Forbidden,
    /// This user has no such session, or it is over.
    #[error("no such session")]
    NotFound,
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] storage::Error),
}

/// Ends one session of an account, in the name of somebody who looks after it.
pub async fn end_session_of(
    auth: &Auth,
    authority: Authority,
    user: UserId,
    id: SessionId,
) -> Result<(), EndSessionOfError> {
    let now = auth.clock().now();
    let mut tx = auth.db().begin().await?;
    let ended = session::end(&mut tx, user, id, now).await?;
    if !authority.may_touch(&mut tx, may::USERS_BAN, user).await? {
        return Err(EndSessionOfError::Forbidden);
    }
    if !ended {
        return Err(EndSessionOfError::NotFound);
    }
    let event = Event::new(Kind::SessionEnded, now).about(user).in_session(id);
    users::revoke(&mut tx, Ended::Sessions(user, vec![id]), authority.sign(event)).await?;
    tx.commit().await?;
    Ok(())
}
