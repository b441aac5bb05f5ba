//! All SQL that touches `signing_keys` and `withdrawn_keys`.

use kernel::Timestamp;
use kernel::id::KeyId;
use storage::{Connection, Result, Tx, execute, fetch_all, fetch_optional};

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

/// Adds a key. The caller holds the lock.
pub(super) async fn insert(tx: &mut Tx, row: &Row) -> Result<()> {
    execute!(
        tx,
        "INSERT INTO signing_keys (id, algorithm, public_jwk, private_sealed, created_at, signs_from)
         VALUES ($1, $2, $3, $4, $5, $6)",
        row.id,
        row.algorithm.as_str(),
        row.public_jwk.as_str(),
        row.private_sealed.as_slice(),
        row.created_at,
        row.signs_from
    )?;
    Ok(())
}

/// Replaces what the private key is sealed to. The caller holds the lock.
pub(super) async fn reseal(tx: &mut Tx, id: KeyId, sealed: &[u8]) -> Result<()> {
    execute!(tx, "UPDATE signing_keys SET private_sealed = $1 WHERE id = $2", sealed, id)?;
    Ok(())
}

/// Makes a key sign from then on. The caller holds the lock.
pub(super) async fn sign_from(tx: &mut Tx, id: KeyId, from: Timestamp) -> Result<()> {
    execute!(tx, "UPDATE signing_keys SET signs_from = $1 WHERE id = $2", from, id)?;
    Ok(())
}

/// Removes a key if one that began after it has been signing since before `replaced`.
pub(super) async fn delete_replaced(tx: &mut Tx, id: KeyId, replaced: Timestamp) -> Result<()> {
    execute!(
        tx,
        "DELETE FROM signing_keys WHERE id = $1 AND EXISTS (
             SELECT 1 FROM signing_keys AS successor
             WHERE successor.signs_from < $2 AND successor.id <> signing_keys.id
               AND successor.signs_from >= signing_keys.signs_from)",
        id,
        replaced
    )?;
    Ok(())
}

/// A key that was withdrawn.
#[derive(sqlx::FromRow)]
pub(super) struct Withdrawn {
    pub(super) id: KeyId,
    pub(super) algorithm: String,
    pub(super) created_at: Timestamp,
    pub(super) signs_from: Timestamp,
    pub(super) since: Timestamp,
}

#[derive(sqlx::FromRow)]
struct Deleted {
    algorithm: String,
    created_at: Timestamp,
    signs_from: Timestamp,
}

/// Deletes a key, and keeps of it what is no secret. Its algorithm, if there was such a key.
pub(super) async fn withdraw(tx: &mut Tx, id: KeyId, now: Timestamp) -> Result<Option<String>> {
    let deleted: Option<Deleted> =
        fetch_optional!(tx, "DELETE FROM signing_keys WHERE id = $1 RETURNING algorithm, created_at, signs_from", id)?;
    let Some(key) = deleted else { return Ok(None) };
    execute!(
        tx,
        "INSERT INTO withdrawn_keys (id, algorithm, created_at, signs_from, withdrawn_at) VALUES ($1, $2, $3, $4, $5)",
        id,
        key.algorithm.as_str(),
        key.created_at,
        key.signs_from,
        now
    )?;
    Ok(Some(key.algorithm))
}

/// The keys that were withdrawn, the last one first.
pub(super) async fn withdrawn(on: &mut impl Connection) -> Result<Vec<Withdrawn>> {
    fetch_all!(
        on,
        "SELECT id, algorithm, created_at, signs_from, withdrawn_at AS since
         FROM withdrawn_keys ORDER BY withdrawn_at DESC, id DESC LIMIT 100"
    )
}

/// Forgets the keys that were withdrawn before then.
pub(super) async fn forget_withdrawn(tx: &mut Tx, before: Timestamp) -> Result<()> {
    execute!(tx, "DELETE FROM withdrawn_keys WHERE withdrawn_at < $1", before)?;
    Ok(())
}
