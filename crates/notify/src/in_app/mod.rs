//! The inbox of each person: messages that wait where somebody looks, and are shown as they come.
//!
//! A message is a row (`record`), and with that it is delivered: there is no queue. What it says is written when it is
//! read (`show`), in the language of whoever reads it then. `hub` tells those who look right now, all of them by the
//! same two questions to the database; `stream` is one of them. `sweep` removes what is old or too much.

mod hub;
mod record;
mod show;
mod stream;
mod sweep;

use kernel::UserId;
use kernel::id::NotificationId;
use users::Account;

pub use record::Wanted;
pub use show::Shown;
pub use stream::{Listening, NotNow};

pub(crate) use hub::Hub;
pub(crate) use record::{NewNotification, insert, remove_all};
pub(crate) use show::{brief, key_of, values_of};
pub(crate) use stream::listen;
pub(crate) use sweep::{Sweeper, sweep};

use crate::Notify;

/// For how many days a message is kept.
pub const KEPT_DAYS: i64 = 180;

/// A message is not there.
#[derive(Debug, thiserror::Error)]
pub enum ReadNotificationError {
    /// There is none, or it is somebody else's.
    #[error("there is no such message")]
    NotFound,
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] storage::Error),
}

/// Somebody's messages, newest first: `limit` of those before `before`.
pub async fn list(
    notify: &Notify,
    account: &Account,
    wanted: &Wanted,
    before: Option<NotificationId>,
    limit: u32,
) -> storage::Result<Vec<Shown>> {
    let mut read = notify.db().read().await?;
    let found = record::list(&mut read, account.id, wanted, before, limit.into()).await?;
    let key = key_of(notify, &mut read, account.id).await?;
    drop(read);
    Ok(found.iter().map(|notification| show::show(notify, notification, account, key.as_ref())).collect())
}

/// How many messages somebody has not read.
pub async fn unread(notify: &Notify, user: UserId) -> storage::Result<i64> {
    record::unread(&mut notify.db().read().await?, user).await
}

/// Marks a message as read. One that was read before stays as it is.
///
/// That somebody has read something is no event: it is theirs to know.
pub async fn mark_read(notify: &Notify, user: UserId, id: NotificationId) -> Result<(), ReadNotificationError> {
    let mut tx = notify.db().begin().await?;
    if record::mark_read(&mut tx, user, id, notify.users().clock.now()).await? {
        tx.commit().await?;
        notify.hub().wake();
        return Ok(());
    }
    // Nothing was changed, so no number is used up.
    drop(tx);
    let exists = record::exists(&mut notify.db().read().await?, user, id).await?;
    if exists { Ok(()) } else { Err(ReadNotificationError::NotFound) }
}

/// Marks everything as read that somebody has, or everything up to a message: what came after they looked is new to
/// them.
pub async fn mark_all_read(notify: &Notify, user: UserId, up_to: Option<NotificationId>) -> storage::Result<()> {
    let up_to = up_to.unwrap_or(NotificationId::from_bytes([0xff; 16]));
    let mut tx = notify.db().begin().await?;
    if record::mark_all_read(&mut tx, user, up_to, notify.users().clock.now()).await? {
        tx.commit().await?;
        notify.hub().wake();
    }
    Ok(())
}
