//! The signing keys: made here, sealed at rest, published before they sign, kept until the last
//! token they signed has expired.
//!
//! A key's life is told by one time, `signs_from`. The key with the latest `signs_from` that has
//! come signs. A key is published from its making, which is at least [`OVERLAP`] seconds before it
//! signs, and stays published until tokens signed by it are dead. `withdraw` ends it before its time.

mod record;
mod rewrap;
pub mod signer;
mod withdraw;

use std::sync::{Arc, PoisonError, RwLock};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kernel::id::KeyId;
use kernel::{Clock, Event, Kind, Label, MasterKeys, Timestamp};
use serde_json::{Value, json};
use storage::{Connection, Db, Lock};
use tokio::sync::watch;
use users::{Authority, may};

use crate::settings::{JWKS_MAX_AGE, LEEWAY, MAX_ACCESS_SECONDS, TokenSettings};
use crate::tokens::TokenError;

pub use signer::Algorithm;
use signer::Signer;
pub use withdraw::WithdrawError;

/// A key is published this long before it signs, in seconds: as long as a verifier may keep its copy
/// of the JWKS, and as much again.
pub const OVERLAP: i64 = 2 * JWKS_MAX_AGE as i64;

/// For how long a withdrawn key is shown to operators, in seconds.
const SHOWN_WITHDRAWN: i64 = 30 * 86_400;

/// The keys cannot be loaded or made.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The master key is another one than the one they were sealed with.
    #[error("the signing keys in the database do not open with this master key: put back the right `master.key`")]
    WrongMasterKey,
    /// The cryptographic library refused.
    #[error("a signing key could not be made or read")]
    Key,
    /// The system gives no threads to hash passwords on.
    #[error("the hashing threads cannot be started: {0}")]
    Threads(std::io::Error),
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] storage::Error),
}

/// Whether a database has signing keys, and so belongs to a master key already.
pub async fn exist(db: &Db) -> storage::Result<bool> {
    Ok(!record::list(&mut db.read().await?).await?.is_empty())
}

/// No key was made.
#[derive(Debug, thiserror::Error)]
pub enum RotateError {
    /// Whoever asks may not.
    #[error("the permission for this is missing")]
    Forbidden,
    /// The keys cannot be made or read.
    #[error(transparent)]
    Keys(#[from] KeysError),
}

/// The signing keys as this process knows them. Cheap to clone.
#[derive(Clone)]
pub struct Keys(Arc<Inner>);

struct Inner {
    db: Db,
    clock: Clock,
    settings: TokenSettings,
    sealing: kernel::secret::SealingRing,
    loaded: RwLock<Arc<Loaded>>,
    /// Held from reading the keys until they are in place: an older view must not replace a newer one.
    reading: tokio::sync::Mutex<()>,
    /// Counts reloads, so that whoever publishes the keys knows.
    changes: watch::Sender<u64>,
}

/// What was in the database.
struct Loaded {
    /// Oldest `signs_from` first.
    keys: Vec<Key>,
    /// Those that are no keys any more, the last withdrawn first.
    withdrawn: Vec<record::Withdrawn>,
}

struct Key {
    id: KeyId,
    algorithm: Algorithm,
    created_at: Timestamp,
    signs_from: Timestamp,
    public: Value,
    /// The JOSE header, encoded: it is the same for every token of this key.
    header: String,
    signer: Signer,
}

/// One key, for operators.
#[derive(Clone, Debug)]
pub struct KeyInfo {
    /// Its `kid`.
    pub id: KeyId,
    /// Its algorithm.
    pub algorithm: Algorithm,
    /// When it was made, and so published.
    pub created_at: Timestamp,
    /// From when on it signs.
    pub signs_from: Timestamp,
    /// `next`, `signing`, `retiring` or `withdrawn`.
    pub state: &'static str,
}

impl Keys {
    /// Loads the keys. [`Keys::keep_fresh`] makes the first one: only a server should.
    pub async fn load(
        db: &Db,
        clock: &Clock,
        settings: &TokenSettings,
        master: &MasterKeys,
    ) -> Result<Self, KeysError> {
        let inner = Inner {
            db: db.clone(),
            clock: clock.clone(),
            settings: settings.clone(),
            sealing: master.sealing_ring(Label::KeyEncryption),
            loaded: RwLock::new(Arc::new(Loaded { keys: Vec::new(), withdrawn: Vec::new() })),
            reading: tokio::sync::Mutex::new(()),
            changes: watch::Sender::new(0),
        };
        let keys = Self(Arc::new(inner));
        keys.reload().await?;
        Ok(keys)
    }

    /// Reads the keys again, because another process may have made or withdrawn one.
    pub async fn reload(&self) -> Result<(), KeysError> {
        let _reading = self.0.reading.lock().await;
        let loaded = self.read(&mut self.0.db.read().await?).await?;
        self.put_in_place(loaded);
        Ok(())
    }

    async fn read(&self, on: &mut impl Connection) -> Result<Loaded, KeysError> {
        let rows = record::list(on).await?;
        let keys = rows.into_iter().map(|row| self.open(&row)).collect::<Result<Vec<Key>, KeysError>>()?;
        Ok(Loaded { keys, withdrawn: record::withdrawn(on).await? })
    }

    fn put_in_place(&self, loaded: Loaded) {
        *self.0.loaded.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(loaded);
        self.0.changes.send_modify(|count| *count += 1);
    }

    /// Changes whenever the keys were read again.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.0.changes.subscribe()
    }

    fn open(&self, row: &record::Row) -> Result<Key, KeysError> {
        let algorithm = Algorithm::from_name(&row.algorithm).ok_or(KeysError::Key)?;
        let private =
            self.0.sealing.open(&place(row.id), &row.private_sealed).map_err(|_| KeysError::WrongMasterKey)?;
        let header = json!({ "typ": "at+jwt", "alg": algorithm.name(), "kid": row.id.to_string() });
        Ok(Key {
            id: row.id,
            algorithm,
            created_at: row.created_at,
            signs_from: row.signs_from,
            public: serde_json::from_str(&row.public_jwk).map_err(|_| KeysError::Key)?,
            header: URL_SAFE_NO_PAD.encode(header.to_string()),
            signer: Signer::from_pkcs8(algorithm, &private).map_err(|_| KeysError::Key)?,
        })
    }

    fn loaded(&self) -> Arc<Loaded> {
        self.0.loaded.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Makes the next key when the schedule or the configuration asks for one, and removes those that
    /// nothing needs. To be called now and then; any number of processes may.
    pub async fn keep_fresh(&self) -> Result<(), KeysError> {
        let now = self.0.clock.now();
        let loaded = self.loaded();
        match loaded.keys.last() {
            None => {
                self.create(Authority::Schedule, now, now).await?;
            }
            Some(newest) => {
                let age = 86_400 * i64::from(self.0.settings.rotation_days);
                let wanted = self.0.settings.algorithm;
                // At most one a day: two processes that are configured differently must not take turns.
                let has_one = |key: &Key| key.algorithm == wanted && key.created_at.plus_seconds(86_400) > now;
                let changed = newest.algorithm != wanted && !loaded.keys.iter().any(has_one);
                if changed || newest.signs_from.plus_seconds(age) <= now {
                    self.create(Authority::Schedule, now, now.plus_seconds(OVERLAP)).await?;
                }
            }
        }
        self.remove_expired(now).await?;
        self.reload().await
    }

    /// Makes a new key now; it is published at once and signs after [`OVERLAP`].
    pub async fn rotate(&self, authority: Authority) -> Result<(), RotateError> {
        let now = self.0.clock.now();
        if !self.create(authority, now, now.plus_seconds(OVERLAP)).await? {
            return Err(RotateError::Forbidden);
        }
        Ok(self.reload().await?)
    }

    /// Whether whoever wants it may have it; then there is a newer key than before, of this process or another.
    async fn create(&self, authority: Authority, now: Timestamp, signs_from: Timestamp) -> Result<bool, KeysError> {
        let newest = self.loaded().keys.last().map(|key| key.id);
        let row = self.generate(now, signs_from).await?;
        let mut tx = self.0.db.begin().await?;
        tx.hold(Lock::SigningKeys).await?;
        if !authority.may(&mut tx, may::KEYS_WRITE).await? {
            return Ok(false);
        }
        if !record::insert_after(&mut tx, &row, newest).await? {
            return Ok(true); // another process made one in between
        }
        let event = Event::new(Kind::SigningKeyCreated, now);
        tx.append(authority.sign(event.with("kid", row.id.to_string()).with("alg", row.algorithm)));
        tx.commit().await?;
        Ok(true)
    }

    /// A new key of the configured algorithm, sealed, for a row that is yet to be written.
    async fn generate(&self, now: Timestamp, signs_from: Timestamp) -> Result<record::Row, KeysError> {
        let algorithm = self.0.settings.algorithm;
        // Making an RSA key takes a second of CPU.
        let made = tokio::task::spawn_blocking(move || signer::generate(algorithm)).await;
        let made = made.map_err(|_| KeysError::Key)?.map_err(|_| KeysError::Key)?;
        let id = KeyId::new(now);
        let mut jwk = made.public;
        jwk["kid"] = Value::String(id.to_string());
        Ok(record::Row {
            id,
            algorithm: algorithm.name().to_owned(),
            public_jwk: jwk.to_string(),
            private_sealed: self.0.sealing.seal(&place(id), &made.private).map_err(|_| KeysError::Key)?,
            created_at: now,
            signs_from,
        })
    }

    /// Removes keys whose last token is dead: replaced for as long as an access token lives, and two
    /// minutes of leeway. What was withdrawn is forgotten after a month.
    async fn remove_expired(&self, now: Timestamp) -> Result<(), KeysError> {
        let replaced = now.plus_seconds(-i64::from(MAX_ACCESS_SECONDS + 2 * LEEWAY));
        let forgotten = now.plus_seconds(-SHOWN_WITHDRAWN);
        let loaded = self.loaded();
        let successors = loaded.keys.iter().skip(1);
        let expired = successors.filter(|key| key.signs_from < replaced).count();
        let stale = loaded.withdrawn.iter().any(|key| key.since < forgotten);
        if expired == 0 && !stale {
            return Ok(());
        }
        let mut tx = self.0.db.begin().await?;
        // The successor that this process knows may just be withdrawn: then the old key is needed again.
        tx.hold(Lock::SigningKeys).await?;
        for old in loaded.keys.iter().take(expired) {
            record::delete_replaced(&mut tx, old.id, replaced).await?;
        }
        record::forget_withdrawn(&mut tx, forgotten).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Signs claims as a JWT with the key whose turn it is.
    pub(crate) fn sign(&self, claims: &[u8], now: Timestamp) -> Result<String, TokenError> {
        let loaded = self.loaded();
        let key = loaded.signing(now).ok_or(TokenError::NoKey)?;
        let mut token = String::with_capacity(key.header.len() + claims.len() * 4 / 3 + 520);
        token.push_str(&key.header);
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(claims, &mut token);
        let signature = key.signer.sign(token.as_bytes()).map_err(|_| TokenError::Unsigned)?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Ok(token)
    }

    /// The public keys as a JWK set (RFC 7517 §5).
    pub fn jwks(&self) -> Value {
        json!({ "keys": self.loaded().keys.iter().map(|key| key.public.clone()).collect::<Vec<Value>>() })
    }

    /// The algorithms that tokens may be signed with now.
    pub fn algorithms(&self) -> Vec<&'static str> {
        let mut names: Vec<&str> = self.loaded().keys.iter().map(|key| key.algorithm.name()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// The keys, for operators.
    pub fn list(&self) -> Vec<KeyInfo> {
        let (loaded, now) = (self.loaded(), self.0.clock.now());
        let signing = loaded.signing(now).map(|key| key.id);
        let state = |key: &Key| {
            if Some(key.id) == signing {
                "signing"
            } else if key.signs_from > now {
                "next"
            } else {
                "retiring"
            }
        };
        let withdrawn = loaded.withdrawn.iter().map(|key| KeyInfo {
            id: key.id,
            algorithm: Algorithm::from_name(&key.algorithm).unwrap_or(self.0.settings.algorithm),
            created_at: key.created_at,
            signs_from: key.signs_from,
            state: "withdrawn",
        });
        let living = loaded.keys.iter().map(|key| KeyInfo {
            id: key.id,
            algorithm: key.algorithm,
            created_at: key.created_at,
            signs_from: key.signs_from,
            state: state(key),
        });
        living.chain(withdrawn).collect()
    }
}

impl Loaded {
    /// The key whose turn it is. If none has begun, the clock of whoever made the first is ahead of
    /// ours: it has to do, for there is no other.
    fn signing(&self, now: Timestamp) -> Option<&Key> {
        self.keys.iter().rfind(|key| key.signs_from <= now).or(self.keys.first())
    }
}

/// What the sealed private key is bound to.
fn place(id: KeyId) -> Vec<u8> {
    [b"signing_keys/private_sealed/", &id.as_bytes()[..]].concat()
}
