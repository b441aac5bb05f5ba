//! Refreshing: an old refresh token for a new pair.
//!
//! A session's refresh tokens are numbered, and derived from the session and the number, so the
//! database holds only the newest number `g` and asking twice gives the same answer twice:
//!
//! - token `g` is exchanged for `g + 1`;
//! - token `g - 1` gets `g` again: its answer was lost, for `g` was never used;
//! - an older one was replaced by one that was used, so somebody has a copy: the session ends.
//!
//! There is no time window in it, and no clock.

use kernel::{Event, Kind, Timestamp};
use storage::Tx;
use users::{Account, Ended};

use crate::tokens::{self, RefreshToken, SignedIn, TokenError};
use crate::{Auth, Session, SessionKind, news, session};

/// No new tokens.
#[derive(Debug, thiserror::Error)]
pub enum RefreshError {
    /// Not a token of ours, or its session or account is over: it does not say which.
    #[error("the refresh token is not good any more")]
    InvalidToken,
    /// There is no key to sign with.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] storage::Error),
}

/// Exchanges a refresh token.
pub async fn refresh(auth: &Auth, presented: &str) -> Result<SignedIn, RefreshError> {
    let presented = RefreshToken::parse(auth, presented).ok_or(RefreshError::InvalidToken)?;
    let now = auth.clock().now();
    let expires_at = now.plus_seconds(i64::from(auth.settings().tokens.refresh_seconds));
    let mut tx = auth.db().begin().await?;
    let Some(session) = session::rotate(&mut tx, presented.session, presented.generation, expires_at, now).await?
    else {
        return replay(auth, tx, &presented, now).await;
    };
    let account = account_of(auth, &mut tx, &session).await?;
    tx.append(Event::new(Kind::SessionRefreshed, now).by(session.user_id).in_session(session.id));
    tx.commit().await?;
    Ok(tokens::issue(auth, account, session, now)?)
}

/// The token is not the newest one.
async fn replay(auth: &Auth, mut tx: Tx, presented: &RefreshToken, now: Timestamp) -> Result<SignedIn, RefreshError> {
    let session = session::find(&mut tx, presented.session, SessionKind::Api, now).await?;
    let session = session.ok_or(RefreshError::InvalidToken)?;
    let account = account_of(auth, &mut tx, &session).await?;
    if presented.generation == session.generation - 1 {
        // Whoever moved the session on may be in the same group: its commit is awaited too.
        tx.commit().await?;
        return Ok(tokens::issue(auth, account, session, now)?);
    }
    if presented.generation < session.generation {
        users::account::lock(&mut tx, session.user_id).await?;
        if session::end(&mut tx, session.user_id, session.id, now).await? {
            let event = Event::new(Kind::RefreshTokenReused, now).about(session.user_id).in_session(session.id);
            let event = news::about_session(auth, &mut tx, &session, event).await?;
            users::revoke(&mut tx, Ended::Sessions(session.user_id, vec![session.id]), event).await?;
        }
        tx.commit().await?;
    }
    // A number that was never given out can only come from before an old backup was restored.
    Err(RefreshError::InvalidToken)
}

/// The session's account, if the session may still go on.
async fn account_of(auth: &Auth, tx: &mut Tx, session: &Session) -> Result<Account, RefreshError> {
    let account = users::account::find(tx, session.user_id).await?;
    account
        .filter(|account| auth.admits(account) && session.epoch >= account.sessions_from)
        .ok_or(RefreshError::InvalidToken)
}
