//! All SQL that touches `signing_keys`.

use kernel::Timestamp;
use kernel::id::KeyId;
use storage::{Connection, Result, Tx, execute, fetch_all};

#[derive(sqlx::FromRow)]
pub(super) struct Row {
    pub(super) id: KeyId,
    pub(super) algorithm: String,
    pub(super) public_jwk: String,
    pub(super) private_sealed: Vec<u8>,
    pub(super) created_at: Timestamp,
    pub(super) signs_from: Timestamp,
}

/// All keys, in the order in which they sign. There are few: old ones are removed.
pub(super) async fn list(on: &mut impl Connection) -> Result<Vec<Row>> {
    let mut newest: Vec<Row> = fetch_all!(
        on,
        "SELECT id, algorithm, public_jwk, private_sealed, created_at, signs_from
         FROM signing_keys ORDER BY signs_from DESC, id DESC LIMIT 100"
    )?;
    newest.reverse();
    Ok(newest)
}

/// Adds a key, if the newest one is still the one that the caller knows. The caller holds the lock.
pub(super) async fn insert_after(tx: &mut Tx, row: &Row, newest: Option<KeyId>) -> Result<bool> {
    let inserted = execute!(
        tx,
        "INSERT INTO signing_keys (id, algorithm, public_jwk, private_sealed, created_at, signs_from)
         SELECT $1, $2, $3, $4, $5, $6
         WHERE (SELECT COUNT(*) FROM signing_keys WHERE id > $7) = 0",
        row.id,
        row.algorithm.as_str(),
        row.public_jwk.as_str(),
        row.private_sealed.as_slice(),
        row.created_at,
        row.signs_from,
        newest.unwrap_or(KeyId::from_bytes([0; 16]))
    )?;
    Ok(inserted == 1)
}

pub(super) async fn delete(tx: &mut Tx, id: KeyId) -> Result<()> {
    execute!(tx, "DELETE FROM signing_keys WHERE id = $1", id)?;
    Ok(())
}
