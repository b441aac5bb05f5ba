//! The keys that sign event tokens: one for each algorithm, made when the first stream wants it.
//!
//! They are not the keys of access tokens, and are published elsewhere: whatever a receiver does with
//! a token of ours, no service that checks access tokens has a key that it would fit.

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
use storage::{Connection, Tx, execute, fetch_all, fetch_optional};

use crate::Signals;

/// A token cannot be signed.
#[derive(Debug, thiserror::Error)]
pub(super) enum KeyError {
    /// The key does not open, or the cryptographic library refused.
    #[error("a key for Shared Signals could not be made, opened or used")]
    Key,
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] storage::Error),
}

/// A key that is open, for as long as the process lives.
pub(super) struct OpenKey {
    algorithm: Algorithm,
    /// The JOSE header, encoded.
    header: String,
    signer: Signer,
}

/// For how long the key set is believed without looking again: anybody may ask for it.
const FRESH: Duration = Duration::from_secs(1);

/// The keys that this process has opened, and the key set as it last read it.
#[derive(Default)]
pub(super) struct Keys {
    open: RwLock<Vec<Arc<OpenKey>>>,
    published: Mutex<Option<(Instant, Value)>>,
}

impl Keys {
    fn find(&self, algorithm: Algorithm) -> Option<Arc<OpenKey>> {
        let open = self.open.read().unwrap_or_else(PoisonError::into_inner);
        open.iter().find(|key| key.algorithm == algorithm).cloned()
    }

    fn keep(&self, key: Arc<OpenKey>) {
        self.open.write().unwrap_or_else(PoisonError::into_inner).push(key);
        // It may be a new one, which its receiver is going to ask for.
        *self.published() = None;
    }

    fn published(&self) -> MutexGuard<'_, Option<(Instant, Value)>> {
        self.published.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The key of an algorithm; made, and published, if there is none yet.
pub(super) async fn key(signals: &Signals, algorithm: Algorithm) -> Result<Arc<OpenKey>, KeyError> {
    if let Some(key) = signals.ssf().keys.find(algorithm) {
        return Ok(key);
    }
    let mut row = find(&mut signals.db().read().await?, algorithm).await?;
    if row.is_none() {
        create(signals, algorithm).await?;
        row = find(&mut signals.db().read().await?, algorithm).await?;
    }
    let key = Arc::new(open(&signals.ssf().sealing, algorithm, &row.ok_or(KeyError::Key)?)?);
    signals.ssf().keys.keep(Arc::clone(&key));
    Ok(key)
}

async fn create(signals: &Signals, algorithm: Algorithm) -> Result<(), KeyError> {
    // Making an RSA key takes a second of CPU.
    let made = tokio::task::spawn_blocking(move || generate(algorithm)).await;
    let made = made.map_err(|_| KeyError::Key)?.map_err(|_| KeyError::Key)?;
    let now = signals.auth().clock().now();
    let id = KeyId::new(now);
    let mut public = made.public;
    public["kid"] = Value::String(id.to_string());
    let sealed = signals.ssf().sealing.seal(&place(id), &made.private).map_err(|_| KeyError::Key)?;
    let mut tx = signals.db().begin().await?;
    if insert(&mut tx, &Row { id, private_sealed: sealed }, algorithm, &public.to_string(), now).await? {
        let event = Event::new(Kind::SigningKeyCreated, now);
        let event = event.with("kid", id.to_string()).with("alg", algorithm.name()).with("use", "shared_signals");
        tx.append(event);
        tx.commit().await?;
    }
    Ok(())
}

fn open(sealing: &SealingRing, algorithm: Algorithm, row: &Row) -> Result<OpenKey, KeyError> {
    let private = sealing.open(&place(row.id), &row.private_sealed).map_err(|_| KeyError::Key)?;
    let header = json!({ "typ": "secevent+jwt", "alg": algorithm.name(), "kid": row.id.to_string() });
    Ok(OpenKey {
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

async fn find(on: &mut impl Connection, algorithm: Algorithm) -> storage::Result<Option<Row>> {
    fetch_optional!(on, "SELECT id, private_sealed FROM signal_keys WHERE algorithm = $1", algorithm.name())
}

async fn insert(
    tx: &mut Tx,
    row: &Row,
    algorithm: Algorithm,
    public_jwk: &str,
    now: Timestamp,
) -> storage::Result<bool> {
    let inserted = execute!(
        tx,
        "INSERT INTO signal_keys (id, algorithm, public_jwk, private_sealed, created_at)
         VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
        row.id,
        algorithm.name(),
        public_jwk,
        row.private_sealed.as_slice(),
        now
    )?;
    Ok(inserted == 1)
}

/// What a sealed private key is bound to.
fn place(id: KeyId) -> Vec<u8> {
    [b"signal_keys/private_sealed/", &id.as_bytes()[..]].concat()
}
