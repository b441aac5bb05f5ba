//! Signing out: the session and everything that came from it is over, everywhere.

use kernel::{Event, Kind, SessionId, UserId};
use users::Ended;

use crate::{Auth, session};

/// Ends a session. To end one that is over already is no error: that is what was wanted. Then too the
/// answer waits for the commit, for whoever ended it may be in the same group and not be on disk yet.
pub async fn sign_out(auth: &Auth, user: UserId, id: SessionId) -> storage::Result<()> {
    let now = auth.clock().now();
    let mut tx = auth.db().begin().await?;
    let event = Event::new(Kind::SessionEnded, now).by(user).in_session(id);
    if session::end(&mut tx, user, id, now).await? {
        users::revoke(&mut tx, Ended::Sessions(user, vec![id]), event).await?;
    } else {
        users::revoke_again(&mut tx, user, id, event);
    }
    tx.commit().await
}
