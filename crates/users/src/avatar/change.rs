//! An account gets another picture, or none.

use axum::body::Bytes;
use kernel::{Event, Kind, PictureId, Timestamp, UserId};
use storage::{BlobError, Tx};

use super::container::BadImage;
use super::studio::Busy;
use super::{SIZES, file, record, serve};
use crate::{Account, Authority, Status, Users, account, may};

/// How long a picture is kept that nobody has taken, in seconds: until then a process that put its files
/// has also given it to the account, or has died.
const UNTAKEN: i64 = 3_600;
/// How long before that it cannot be taken any more, so that the clocks of two processes may differ.
const TOO_LATE: i64 = 1_800;

/// The picture was not changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeAvatarError {
    /// There is no such account, or it may not be used.
    #[error("no such account")]
    NotFound,
    /// The officer has no right to this, or less rights than the account.
    #[error("not allowed")]
    NotAllowed,
    /// What was sent cannot be taken.
    #[error(transparent)]
    Image(#[from] BadImage),
    /// Too many pictures are being made.
    #[error(transparent)]
    Busy(#[from] Busy),
    /// The store for files failed.
    #[error(transparent)]
    Blobs(#[from] BlobError),
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] storage::Error),
}

/// Makes a picture of what a person sent, and gives it to their account.
///
/// The files are put first, under a name of their own, and noted before that: whatever happens in between,
/// an account never has a picture that is not there, and no file is left that nobody knows of.
pub async fn set_avatar(users: &Users, user: UserId, sent: Bytes) -> Result<Account, ChangeAvatarError> {
    let developed = users.pictures.studio.develop(sent).await??;
    let now = users.clock.now();
    let picture = PictureId::new(now);
    let mut tx = users.db.begin().await?;
    expect_active(&mut tx, user).await?;
    record::announce(&mut tx, picture, user, now.plus_seconds(UNTAKEN)).await?;
    tx.commit().await?;
    for (size, content) in SIZES.into_iter().zip(developed) {
        let name = file(picture, size).map_err(|error| BlobError::Unavailable(error.to_string()))?;
        users.pictures.blobs.put(&name, content).await?;
    }
    serve::forget(&users.pictures, picture);
    let now = users.clock.now();
    let mut tx = users.db.begin().await?;
    account::lock(&mut tx, user).await?;
    expect_active(&mut tx, user).await?;
    replace(&mut tx, user, Some(picture), now).await?;
    if !record::keep(&mut tx, picture, user, now.plus_seconds(TOO_LATE)).await? {
        return Err(BlobError::Unavailable("the picture took too long to be put".into()).into());
    }
    tx.append(Event::new(Kind::AvatarChanged, now).by(user).with("picture", picture.to_string()));
    let account = account::find(&mut tx, user).await?.ok_or(ChangeAvatarError::NotFound)?;
    tx.commit().await?;
    Ok(account)
}

/// Takes a person's own picture away. Without one, nothing happens.
pub async fn remove_avatar(users: &Users, user: UserId) -> Result<Account, ChangeAvatarError> {
    let now = users.clock.now();
    let mut tx = users.db.begin().await?;
    account::lock(&mut tx, user).await?;
    expect_active(&mut tx, user).await?;
    take_away(users, tx, user, Event::new(Kind::AvatarChanged, now).by(user)).await
}

/// Takes somebody's picture away, in the name of whoever looks after accounts.
pub async fn remove_avatar_of(users: &Users, by: Authority, user: UserId) -> Result<Account, ChangeAvatarError> {
    let now = users.clock.now();
    let mut tx = users.db.begin().await?;
    let exists = account::lock(&mut tx, user).await?;
    if !by.may_touch(&mut tx, may::USERS_WRITE, user).await? {
        return Err(ChangeAvatarError::NotAllowed);
    }
    if !exists {
        return Err(ChangeAvatarError::NotFound);
    }
    take_away(users, tx, user, by.sign(Event::new(Kind::AvatarChanged, now).about(user))).await
}

async fn take_away(users: &Users, mut tx: Tx, user: UserId, event: Event) -> Result<Account, ChangeAvatarError> {
    let account = account::find(&mut tx, user).await?.ok_or(ChangeAvatarError::NotFound)?;
    if account.avatar.is_none() {
        tx.commit().await?;
        return Ok(account);
    }
    replace(&mut tx, user, None, users.clock.now()).await?;
    let account = account::find(&mut tx, user).await?.ok_or(ChangeAvatarError::NotFound)?;
    tx.append(event);
    tx.commit().await?;
    Ok(account)
}

/// Writes the picture to the account, whose row is locked, and has the one from before deleted.
async fn replace(tx: &mut Tx, user: UserId, picture: Option<PictureId>, now: Timestamp) -> storage::Result<()> {
    record::release_all(tx, user, now).await?;
    account::set_picture(tx, user, picture, now).await
}

async fn expect_active(tx: &mut Tx, user: UserId) -> Result<(), ChangeAvatarError> {
    let account = account::find(tx, user).await?.filter(|account| account.status == Status::Active);
    account.map(|_| ()).ok_or(ChangeAvatarError::NotFound)
}
