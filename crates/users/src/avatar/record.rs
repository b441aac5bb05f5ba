//! The picture record: all SQL that touches `pictures`.

use kernel::{PictureId, Timestamp, UserId};
use storage::{Connection, Result, Tx, execute, fetch_all};

/// Notes a picture whose files are about to be put, to be deleted at that time if nobody takes it.
pub(super) async fn announce(tx: &mut Tx, id: PictureId, user: UserId, delete_after: Timestamp) -> Result<()> {
    execute!(tx, "INSERT INTO pictures (id, user_id, delete_after) VALUES ($1, $2, $3)", id, user, delete_after)?;
    Ok(())
}

/// Keeps a picture that would not have been deleted before `latest`. Whether there was one: whoever took
/// so long that it is about to be swept has lost it.
pub(super) async fn keep(tx: &mut Tx, id: PictureId, user: UserId, latest: Timestamp) -> Result<bool> {
    let kept = execute!(
        tx,
        "UPDATE pictures SET delete_after = NULL WHERE id = $1 AND user_id = $2 AND delete_after > $3",
        id,
        user,
        latest
    )?;
    Ok(kept == 1)
}

/// Has every picture deleted that the account has now. To be called, before another one is kept, by
/// whatever gives it another picture or takes its own away, for good or with everything else of a person.
pub async fn release_all(tx: &mut Tx, user: UserId, now: Timestamp) -> Result<()> {
    execute!(tx, "UPDATE pictures SET delete_after = $1 WHERE user_id = $2 AND delete_after IS NULL", now, user)?;
    Ok(())
}

#[derive(sqlx::FromRow)]
struct Id {
    id: PictureId,
}

/// Pictures that are to be deleted by now, `limit` of them, the longest due first.
pub(super) async fn due(on: &mut impl Connection, now: Timestamp, limit: i64) -> Result<Vec<PictureId>> {
    let rows: Vec<Id> =
        fetch_all!(on, "SELECT id FROM pictures WHERE delete_after <= $1 ORDER BY delete_after LIMIT $2", now, limit)?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}

/// Forgets a picture whose files are gone.
pub(super) async fn forget(tx: &mut Tx, id: PictureId, now: Timestamp) -> Result<()> {
    execute!(tx, "DELETE FROM pictures WHERE id = $1 AND delete_after <= $2", id, now)?;
    Ok(())
}
