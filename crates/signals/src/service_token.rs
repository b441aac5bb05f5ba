//! Tokens of services: who may follow the feed, who may receive Shared Signals, and who may have messages sent.
//!
//! A token is an id and a 256-bit tag that only the holder of the master key can make, so the database
//! holds nothing that opens anything (as with refresh tokens, decision 0001). The row says whose it is
//! and whether it was taken back.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kernel::id::ServiceTokenId;
use kernel::{Event, Kind, Timestamp};
use serde::{Deserialize, Serialize};
use storage::{Connection, Tx, execute, fetch_all, fetch_optional};

use crate::Signals;

/// What a token is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenKind {
    /// Following the revocation feed.
    Verifier,
    /// Receiving Shared Signals.
    Receiver,
    /// Having messages sent to people.
    Sender,
}

impl TokenKind {
    /// Its name in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Verifier => "verifier",
            Self::Receiver => "receiver",
            Self::Sender => "sender",
        }
    }

    /// All of them.
    const ALL: [Self; 3] = [Self::Verifier, Self::Receiver, Self::Sender];

    /// How its tokens begin.
    pub(crate) const fn prefix(self) -> &'static str {
        match self {
            Self::Verifier => "uvt_",
            Self::Receiver => "urt_",
            Self::Sender => "ust_",
        }
    }

    fn from_stored(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// What a service is called: 1 to 64 of `a-z 0-9 - _ .`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ServiceName(String);

/// Not a service's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the name has to be 1 to 64 of a-z, 0-9, -, _ and .")]
pub struct InvalidName;

impl ServiceName {
    /// Reads a name.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        let fits = (1..=64).contains(&text.len())
            && text
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_' | b'.'));
        if fits { Ok(Self(text.to_owned())) } else { Err(InvalidName) }
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A service that has a token.
#[derive(Clone, Debug)]
pub struct Service {
    /// The token's id.
    pub id: ServiceTokenId,
    /// What the token is good for.
    pub kind: TokenKind,
    /// What the service is called.
    pub name: String,
    /// What a receiver's security event tokens are for.
    pub audience: Option<String>,
    /// When the token was made.
    pub created_at: Timestamp,
}

/// A token as it is given out. It is a secret: it has no `Display`, and `Debug` hides it.
pub struct TokenText(String);

impl TokenText {
    /// To be shown once.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for TokenText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenText(…)")
    }
}

/// The token was not made.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// A service of this kind and name has one.
    #[error("there is a token for this name already: take it back first, or use another name")]
    Taken,
    /// A receiver without an audience, or one that is not an absolute address.
    #[error("the audience has to be an address like https://receiver.example.com, at most 512 characters")]
    Audience,
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] storage::Error),
}

/// The token was not taken back.
#[derive(Debug, thiserror::Error)]
pub enum RevokeError {
    /// There is none for this name.
    #[error("there is no token for this name")]
    NotFound,
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] storage::Error),
}

/// Makes a token for a service.
pub async fn create(
    signals: &Signals,
    kind: TokenKind,
    name: &ServiceName,
    audience: Option<&str>,
) -> Result<(Service, TokenText), CreateError> {
    let is_address = |text: &&str| {
        text.len() <= 512 && text.split_once("://").is_some_and(|(_, rest)| !rest.is_empty()) && text.is_ascii()
    };
    match (kind, audience) {
        (TokenKind::Verifier | TokenKind::Sender, None) => {}
        (TokenKind::Receiver, Some(audience)) if is_address(&audience) => {}
        (TokenKind::Verifier | TokenKind::Sender, Some(_)) | (TokenKind::Receiver, _) => {
            return Err(CreateError::Audience);
        }
    }
    let now = signals.auth().clock().now();
    let service = Service {
        id: ServiceTokenId::new(now),
        kind,
        name: name.as_str().to_owned(),
        audience: audience.map(str::to_owned),
        created_at: now,
    };
    let mut tx = signals.db().begin().await?;
    if !insert(&mut tx, &service).await? {
        return Err(CreateError::Taken);
    }
    let event = Event::new(Kind::ServiceTokenCreated, now);
    tx.append(event.with("kind", kind.as_str()).with("name", name.as_str()).with("id", service.id.to_string()));
    tx.commit().await?;
    let text = to_text(signals, kind, service.id);
    Ok((service, text))
}

/// Takes a service's token back. What it has open ends within a second or two.
pub async fn revoke(signals: &Signals, kind: TokenKind, name: &ServiceName) -> Result<(), RevokeError> {
    let now = signals.auth().clock().now();
    let mut tx = signals.db().begin().await?;
    let id = end(&mut tx, kind, name.as_str(), now).await?.ok_or(RevokeError::NotFound)?;
    let event = Event::new(Kind::ServiceTokenRevoked, now);
    tx.append(event.with("kind", kind.as_str()).with("name", name.as_str()).with("id", id.to_string()));
    tx.commit().await?;
    signals.callers().forget(id);
    signals.feed().end(id);
    Ok(())
}

/// The services of a kind, in alphabetical order. There are few: an operator made each of them.
pub async fn list(signals: &Signals, kind: TokenKind) -> storage::Result<Vec<Service>> {
    let rows: Vec<Row> = fetch_all!(
        &mut signals.db().read().await?,
        "SELECT id, kind, name, audience, created_at FROM service_tokens
         WHERE kind = $1 AND revoked_at IS NULL ORDER BY name LIMIT 10000",
        kind.as_str()
    )?;
    Ok(rows.into_iter().filter_map(Row::service).collect())
}

const TAG: usize = 32;
const LENGTH: usize = 16 + TAG;

fn to_text(signals: &Signals, kind: TokenKind, id: ServiceTokenId) -> TokenText {
    let tag = signals.token_key().sign(&[kind.prefix().as_bytes(), id.as_bytes()]);
    let mut bytes = Vec::with_capacity(LENGTH);
    bytes.extend_from_slice(id.as_bytes());
    bytes.extend_from_slice(&tag);
    TokenText(format!("{}{}", kind.prefix(), URL_SAFE_NO_PAD.encode(bytes)))
}

/// Reads a token; nothing if it is not one that was given out. Whether it was taken back, the row says.
pub(crate) fn parse(signals: &Signals, text: &str) -> Option<(TokenKind, ServiceTokenId)> {
    let kind = TokenKind::ALL.into_iter().find(|kind| text.starts_with(kind.prefix()))?;
    let encoded = text.strip_prefix(kind.prefix()).filter(|rest| rest.len() <= 2 * LENGTH)?;
    let bytes: [u8; LENGTH] = URL_SAFE_NO_PAD.decode(encoded).ok()?.try_into().ok()?;
    let (id, tag) = bytes.split_first_chunk::<16>()?;
    let is_ours = signals.token_key().verify(&[kind.prefix().as_bytes(), id], tag);
    is_ours.then(|| (kind, ServiceTokenId::from_bytes(*id)))
}

#[derive(sqlx::FromRow)]
struct Row {
    id: ServiceTokenId,
    kind: String,
    name: String,
    audience: Option<String>,
    created_at: Timestamp,
}

impl Row {
    fn service(self) -> Option<Service> {
        let kind = TokenKind::from_stored(&self.kind)?;
        Some(Service { id: self.id, kind, name: self.name, audience: self.audience, created_at: self.created_at })
    }
}

async fn insert(tx: &mut Tx, service: &Service) -> storage::Result<bool> {
    let inserted = execute!(
        tx,
        "INSERT INTO service_tokens (id, kind, name, audience, created_at, revoked_at)
         VALUES ($1, $2, $3, $4, $5, NULL) ON CONFLICT DO NOTHING",
        service.id,
        service.kind.as_str(),
        service.name.as_str(),
        service.audience.as_deref(),
        service.created_at
    )?;
    Ok(inserted == 1)
}

#[derive(sqlx::FromRow)]
struct IdRow {
    id: ServiceTokenId,
}

async fn end(tx: &mut Tx, kind: TokenKind, name: &str, now: Timestamp) -> storage::Result<Option<ServiceTokenId>> {
    let row: Option<IdRow> = fetch_optional!(
        tx,
        "UPDATE service_tokens SET revoked_at = $1 WHERE kind = $2 AND name = $3 AND revoked_at IS NULL RETURNING id",
        now,
        kind.as_str(),
        name
    )?;
    Ok(row.map(|row| row.id))
}

/// The service of a token that was not taken back.
pub(crate) async fn find(on: &mut impl Connection, id: ServiceTokenId) -> storage::Result<Option<Service>> {
    let row: Option<Row> = fetch_optional!(
        on,
        "SELECT id, kind, name, audience, created_at FROM service_tokens WHERE id = $1 AND revoked_at IS NULL",
        id
    )?;
    Ok(row.and_then(Row::service))
}

/// The tokens that were taken back since then, by whichever process.
pub(crate) async fn revoked_since(on: &mut impl Connection, since: Timestamp) -> storage::Result<Vec<ServiceTokenId>> {
    let rows: Vec<IdRow> = fetch_all!(
        on,
        "SELECT id FROM service_tokens WHERE revoked_at IS NOT NULL AND revoked_at >= $1 ORDER BY revoked_at LIMIT 10000",
        since
    )?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}
