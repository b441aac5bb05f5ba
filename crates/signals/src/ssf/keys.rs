//! The keys that sign event tokens: of each algorithm that a stream wants, one after the other.
//!
//! They are not the keys of access tokens, and are published elsewhere: whatever a receiver does with
//! a token of ours, no service that checks access tokens has a key that it would fit.
//!
//! A key's life is told by `signs_from`, as in `auth::keys`: it is published a day before it signs, and
//! stays published for as long as a token that it signed may be waited for.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use auth::keys::Algorithm;
use auth::keys::signer::{Signer, generate};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kernel::id::KeyId;
use kernel::secret::SealingRing;
use kernel::{Event, Kind, Timestamp};
use serde_json::{Value, json};
use storage::{Connection, Lock, Tx, execute, fetch_all, fetch_optional};

use crate::Signals;

/// A token cannot be signed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyError {
    /// The key does not open, or the cryptographic library refused.
    #[error("a key for Shared Signals could not be made, opened or used")]
    Key,
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] storage::Error),
}

/// A key that is open.
pub(super) struct OpenKey {
    id: KeyId,
    algorithm: Algorithm,
    /// The JOSE header, encoded.
    header: String,
    signer: Signer,
}

/// For how long the key set is believed without looking again: anybody may ask for it.
const FRESH: Duration = Duration::from_secs(1);

/// How long a key is published before it signs, in seconds: receivers of any make keep the key set for
/// hours.
const OVERLAP: i64 = 86_400;

/// For how long a key that was replaced stays published, in seconds. A token waits for its receiver for a
/// week, and is signed when it leaves.
const REPLACED: i64 = 8 * 86_400;

/// After how many seconds it is looked whether it is another key's turn.
const LOOK: i64 = 60;

/// The keys that this process has opened, and the key set as it last read it.
#[derive(Default)]
pub(super) struct Keys {
    /// Each with when it was last seen to be the one that signs.
    open: RwLock<Vec<(Timestamp, Arc<OpenKey>)>>,
    published: Mutex<Option<(Instant, Value)>>,
}

impl Keys {
    fn find(&self, algorithm: Algorithm) -> Option<(Timestamp, Arc<OpenKey>)> {
        let open = self.open.read().unwrap_or_else(PoisonError::into_inner);
        open.iter().find(|(_, key)| key.algorithm == algorithm).cloned()
    }

    fn keep(&self, now: Timestamp, key: Arc<OpenKey>) {
        let mut open = self.open.write().unwrap_or_else(PoisonError::into_inner);
        open.retain(|(_, other)| other.algorithm != key.algorithm);
        open.push((now, key));
        // It may be a new one, which its receiver is going to ask for.
        *self.published() = None;
    }

    fn published(&self) -> MutexGuard<'_, Option<(Instant, Value)>> {
        self.published.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The key of an algorithm that signs now; made, and published, if there is none yet.
pub(super) async fn key(signals: &Signals, algorithm: Algorithm) -> Result<Arc<OpenKey>, KeyError> {
    let now = signals.auth().clock().now();
    let known = signals.ssf().keys.find(algorithm);
    if let Some((seen_at, key)) = &known
        && seen_at.plus_seconds(LOOK) > now
    {
        return Ok(Arc::clone(key));
    }
    let mut row = signing(&mut signals.db().read().await?, algorithm, now).await?;
    if row.is_none() {
        create(signals, algorithm, None, now).await?;
        row = signing(&mut signals.db().read().await?, algorithm, now).await?;
    }
    let row = row.ok_or(KeyError::Key)?;
    let key = match known {
        Some((_, key)) if key.id == row.id => key,
        Some(_) | None => Arc::new(open(&signals.ssf().sealing, algorithm, &row)?),
    };
    signals.ssf().keys.keep(now, Arc::clone(&key));
    Ok(key)
}

/// Makes the next key of each algorithm whose newest is old enough, and removes those whose tokens
/// nobody can wait for any more. Any number of processes may.
pub(crate) async fn keep_fresh(signals: &Signals) -> Result<(), KeyError> {
    let now = signals.auth().clock().now();
    let age = 86_400 * i64::from(signals.auth().settings().tokens.rotation_days);
    let rows: Vec<TurnRow> = fetch_all!(
        &mut signals.db().read().await?,
        "SELECT id, algorithm, signs_from FROM signal_keys k WHERE NOT EXISTS
             (SELECT 1 FROM signal_keys later WHERE later.algorithm = k.algorithm AND later.signs_from > k.signs_from)
         ORDER BY algorithm LIMIT 100"
    )?;
    for newest in rows.iter().filter(|row| row.signs_from.plus_seconds(age) <= now) {
        // Of an algorithm that only a newer program knows, that program makes the next.
        if let Some(algorithm) = Algorithm::from_name(&newest.algorithm) {
            create(signals, algorithm, Some(newest.id), now.plus_seconds(OVERLAP)).await?;
        }
    }
    let mut tx = signals.db().begin().await?;
    execute!(
        &mut tx,
        "DELETE FROM signal_keys WHERE EXISTS (SELECT 1 FROM signal_keys later
             WHERE later.algorithm = signal_keys.algorithm AND later.signs_from > signal_keys.signs_from
             AND later.signs_from < $1)",
        now.plus_seconds(-REPLACED)
    )?;
    tx.commit().await?;
    Ok(())
}

#[derive(sqlx::FromRow)]
struct TurnRow {
    id: KeyId,
    algorithm: String,
    signs_from: Timestamp,
}

/// Makes the key after `newest`, unless another process has.
async fn create(
    signals: &Signals,
    algorithm: Algorithm,
    newest: Option<KeyId>,
    signs_from: Timestamp,
) -> Result<(), KeyError> {
    // Making an RSA key takes a second of CPU.
    let made = tokio::task::spawn_blocking(move || generate(algorithm)).await;
    let made = made.map_err(|_| KeyError::Key)?.map_err(|_| KeyError::Key)?;
    let now = signals.auth().clock().now();
    let id = KeyId::new(now);
    let mut public = made.public;
    public["kid"] = Value::String(id.to_string());
    let sealed = signals.ssf().sealing.seal(&place(id), &made.private).map_err(|_| KeyError::Key)?;
    let mut tx = signals.db().begin().await?;
    tx.hold(Lock::SigningKeys).await?;
    if last(&mut tx, algorithm).await? != newest {
        return Ok(());
    }
    execute!(
        &mut tx,
        "INSERT INTO signal_keys (id, algorithm, public_jwk, private_sealed, created_at, signs_from)
         VALUES ($1, $2, $3, $4, $5, $6)",
        id,
        algorithm.name(),
        public.to_string(),
        sealed.as_slice(),
        now,
        signs_from
    )?;
    let event = Event::new(Kind::SigningKeyCreated, now);
    tx.append(event.with("kid", id.to_string()).with("alg", algorithm.name()).with("use", "shared_signals"));
    tx.commit().await?;
    Ok(())
}

fn open(sealing: &SealingRing, algorithm: Algorithm, row: &Row) -> Result<OpenKey, KeyError> {
    let private = sealing.open(&place(row.id), &row.private_sealed).map_err(|_| KeyError::Key)?;
    let header = json!({ "typ": "secevent+jwt", "alg": algorithm.name(), "kid": row.id.to_string() });
    Ok(OpenKey {
        id: row.id,
        algorithm,
        header: URL_SAFE_NO_PAD.encode(header.to_string()),
        signer: Signer::from_pkcs8(algorithm, &private).map_err(|_| KeyError::Key)?,
    })
}

/// Signs claims, in order. On a thread of its own: a hundred RSA signatures take a third of a second.
pub(super) async fn sign(key: Arc<OpenKey>, claims: Vec<String>) -> Result<Vec<String>, KeyError> {
    let signing = move || claims.iter().map(|claims| sign_one(&key, claims)).collect();
    tokio::task::spawn_blocking(signing).await.map_err(|_| KeyError::Key)?
}

fn sign_one(key: &OpenKey, claims: &str) -> Result<String, KeyError> {
    let mut token = format!("{}.{}", key.header, URL_SAFE_NO_PAD.encode(claims));
    let signature = key.signer.sign(token.as_bytes()).map_err(|_| KeyError::Key)?;
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut token);
    Ok(token)
}

/// The public keys as a JWK set (RFC 7517 §5), of whichever process made them.
pub(super) async fn jwks(signals: &Signals) -> Result<Value, KeyError> {
    let known = signals.ssf().keys.published().clone();
    if let Some((_, jwks)) = known.filter(|(at, _)| at.elapsed() < FRESH) {
        return Ok(jwks);
    }
    let rows: Vec<PublicRow> =
        fetch_all!(&mut signals.db().read().await?, "SELECT public_jwk FROM signal_keys ORDER BY id LIMIT 100")?;
    let keys: Result<Vec<Value>, _> = rows.iter().map(|row| serde_json::from_str(&row.public_jwk)).collect();
    let jwks = json!({ "keys": keys.map_err(|_| KeyError::Key)? });
    *signals.ssf().keys.published() = Some((Instant::now(), jwks.clone()));
    Ok(jwks)
}

#[derive(sqlx::FromRow)]
struct PublicRow {
    public_jwk: String,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: KeyId,
    private_sealed: Vec<u8>,
}

/// The key whose turn it is. If none has begun, the clock of whoever made the first is ahead of ours: it
/// has to do.
async fn signing(on: &mut impl Connection, algorithm: Algorithm, now: Timestamp) -> storage::Result<Option<Row>> {
    let begun: Option<Row> = fetch_optional!(
        on,
        "SELECT id, private_sealed FROM signal_keys WHERE algorithm = $1 AND signs_from <= $2
         ORDER BY signs_from DESC LIMIT 1",
        algorithm.name(),
        now
    )?;
    if begun.is_some() {
        return Ok(begun);
    }
    fetch_optional!(
        on,
        "SELECT id, private_sealed FROM signal_keys WHERE algorithm = $1 ORDER BY signs_from LIMIT 1",
        algorithm.name()
    )
}

#[derive(sqlx::FromRow)]
struct IdRow {
    id: KeyId,
}

/// The key that signs last.
async fn last(on: &mut impl Connection, algorithm: Algorithm) -> storage::Result<Option<KeyId>> {
    let row: Option<IdRow> = fetch_optional!(
        on,
        "SELECT id FROM signal_keys WHERE algorithm = $1 ORDER BY signs_from DESC LIMIT 1",
        algorithm.name()
    )?;
    Ok(row.map(|row| row.id))
}

/// Every key as it is sealed. There are few: one a month and algorithm.
pub(super) async fn all_sealed(on: &mut impl Connection) -> storage::Result<Vec<(KeyId, Vec<u8>)>> {
    let rows: Vec<Row> = fetch_all!(on, "SELECT id, private_sealed FROM signal_keys ORDER BY id LIMIT 1000")?;
    Ok(rows.into_iter().map(|row| (row.id, row.private_sealed)).collect())
}

/// Replaces what a key is sealed to.
pub(super) async fn reseal(tx: &mut Tx, id: KeyId, sealed: &[u8]) -> storage::Result<()> {
    execute!(tx, "UPDATE signal_keys SET private_sealed = $1 WHERE id = $2", sealed, id)?;
    Ok(())
}

/// What a sealed private key is bound to.
pub(super) fn place(id: KeyId) -> Vec<u8> {
    [b"signal_keys/private_sealed/", &id.as_bytes()[..]].concat()
}
