//! The cookies of the pages: one that names the session, one that names the browser.
//!
//! Both are derived, not stored: ids and a 256-bit tag by the cookie key. A new session has a new
//! id, so a cookie from before a sign-in is worth nothing after it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kernel::secret::random_bytes;
use kernel::{SessionId, Timestamp, UserId};
use users::Account;

use crate::{Auth, Opened, Session, SessionKind, session};

/// A session's last use is written down at most this often, in seconds.
const TOUCH: i64 = 300;

/// The value of the session cookie.
pub fn session_cookie(auth: &Auth, session: &Session) -> String {
    encode(session.id.as_bytes(), &auth.cookie_key().sign(&[b"session", session.id.as_bytes()]))
}

/// Who the session cookie belongs to, if it is good and the session and the account are.
pub async fn find(auth: &Auth, cookie: &str) -> storage::Result<Option<(Account, Session)>> {
    let Some(id) = decode::<16>(auth, b"session", cookie).map(SessionId::from_bytes) else { return Ok(None) };
    let now = auth.clock().now();
    let mut read = auth.db().read().await?;
    let Some(session) = session::find(&mut read, id, SessionKind::Browser, now).await? else { return Ok(None) };
    let account = users::account::find(&mut read, session.user_id).await?;
    drop(read);
    let Some(account) = account.filter(|account| auth.admits(account) && session.epoch >= account.sessions_from) else {
        return Ok(None);
    };
    let stale = now.plus_seconds(-TOUCH);
    if session.last_seen_at < stale
        && let Err(error) = touch(auth, id, stale, now).await
    {
        // To look at a page is possible when nothing can be written.
        tracing::warn!(%error, "the last use of a session could not be written down");
    }
    Ok(Some((account, session)))
}

/// Whether a session is still good: for what goes on after its page was answered.
pub async fn is_good(auth: &Auth, session: &Session) -> storage::Result<bool> {
    Ok(find(auth, &session_cookie(auth, session)).await?.is_some())
}

async fn touch(auth: &Auth, id: SessionId, stale: Timestamp, now: Timestamp) -> storage::Result<()> {
    let mut tx = auth.db().begin().await?;
    session::touch(&mut tx, id, stale, now).await?;
    tx.commit().await
}

/// The value of the device cookie for a browser that signed in to this account. It gives the browser
/// a failure counter of its own, so that a stranger who guesses cannot lock its owner out. For that it is good
/// for as long as the password is: who learnt an old one has no counters left after it was changed. And by its
/// random id the browser is known again, whichever account is signed in to.
pub fn device_cookie(auth: &Auth, opened: &Opened) -> String {
    let mut device = [0; DEVICE];
    device[..16].copy_from_slice(opened.account.id.as_bytes());
    device[16..24].copy_from_slice(&opened.password_version.to_be_bytes());
    device[24..].copy_from_slice(&opened.browser);
    encode(&device, &auth.cookie_key().sign(&[b"device", &device]))
}

/// Of an account and the version of its password, then a random id.
const DEVICE: usize = 16 + 8 + 16;

/// The browser's id, if the cookie was made for this account and this version of its password.
pub(crate) fn known_device(auth: &Auth, cookie: &str, account: UserId, version: i64) -> Option<[u8; 16]> {
    let device: [u8; DEVICE] = decode(auth, b"device", cookie)?;
    let (user, rest) = device.split_first_chunk::<16>()?;
    let (of_version, id) = rest.split_first_chunk::<8>()?;
    let is_for = account == UserId::from_bytes(*user) && version == i64::from_be_bytes(*of_version);
    is_for.then(|| id.try_into().ok()).flatten()
}

/// The id of the browser that the cookie was given to, for whichever account and password; a new one if it is none
/// of ours.
pub(crate) fn id(auth: &Auth, cookie: Option<&str>) -> [u8; 16] {
    let device: Option<[u8; DEVICE]> = cookie.and_then(|cookie| decode(auth, b"device", cookie));
    device.and_then(|device| device.last_chunk::<16>().copied()).unwrap_or_else(random_bytes::<16>)
}

fn encode(value: &[u8], tag: &[u8; 32]) -> String {
    URL_SAFE_NO_PAD.encode([value, tag].concat())
}

fn decode<const N: usize>(auth: &Auth, purpose: &[u8], cookie: &str) -> Option<[u8; N]> {
    if cookie.len() > 128 {
        return None;
    }
    let bytes = URL_SAFE_NO_PAD.decode(cookie).ok()?;
    let (value, tag) = bytes.split_first_chunk::<N>()?;
    auth.cookie_key().verify(&[purpose, value], tag).then_some(*value)
}
