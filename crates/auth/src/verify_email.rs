//! Showing that the address of an account is its owner's: by a link, or by the six digits beside it. Nothing else makes
//! an address verified, but somebody who vouches for it.
//!
//! Whoever reads mail there need not be who signed up with the address: somebody may have done so before the owner, and
//! wait for them to verify it. So the page behind the link asks for what was chosen at sign-up, unless it is opened in
//! the browser that did; and whoever does not know it takes the account over: password, sessions, links and known devices
//! of before are gone.

use kernel::{Event, Kind, UserId};
use storage::{Result as Stored, Tx};
use users::link::{Purpose, Token};
use users::{Account, EmailAddress, Ended, Status};

use crate::attempts::Counter;
use crate::hashing::{Busy, Comparison, HashError, Memory};
use crate::link::{self, Good, Link, LinkError, NewLink};
use crate::link_request::{LinkRequest, Wish};
use crate::{Auth, Password, attempts, credential, hashing, known_device, link_request};

/// Until how long after it was made an account is welcomed, in seconds.
const NEW: i64 = 7 * 86_400;

/// What becomes of the password and the sessions that an account has when its address is verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// They are the owner's.
    Everything,
    /// Somebody else chose them: they are over.
    Nothing,
}

/// What a link would verify.
pub struct Verification {
    /// The address.
    pub email: String,
    /// Whether whoever opened it has shown that the account is theirs, so that nothing need be asked.
    pub is_known: bool,
}

/// The address was not verified.
#[derive(Debug, thiserror::Error)]
pub enum VerifyEmailError {
    /// The link is none.
    #[error("the link is not good any more")]
    InvalidToken,
    /// It is not the password that was chosen at sign-up, or was wrong too often lately.
    #[error("the password is not right")]
    WrongPassword,
    /// Too many hashes wait.
    #[error(transparent)]
    Busy(#[from] Busy),
    /// The hash cannot be computed.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] storage::Error),
}

impl From<LinkError> for VerifyEmailError {
    fn from(error: LinkError) -> Self {
        match error {
            LinkError::InvalidToken => Self::InvalidToken,
            LinkError::Storage(error) => Self::Storage(error),
        }
    }
}

/// A code verified nothing.
#[derive(Debug, thiserror::Error)]
pub enum CodeError {
    /// Wrong, older than ten minutes, tried five times, or there is nothing to verify: it does not say which.
    #[error("the code is not right")]
    InvalidCode,
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] storage::Error),
}

impl From<LinkError> for CodeError {
    fn from(error: LinkError) -> Self {
        match error {
            LinkError::InvalidToken => Self::InvalidCode,
            LinkError::Storage(error) => Self::Storage(error),
        }
    }
}

/// Asks for the mail once more. The answer is the same for everybody: what follows is not waited for.
pub async fn request_verification(auth: &Auth, email: &EmailAddress, browser: Option<&str>) -> Stored<()> {
    let browser = browser.map(|browser| link::browser_tag(auth, browser).to_vec());
    link_request::put(auth, &LinkRequest { wish: Wish::VerifyEmail, email: email.as_str().to_owned(), browser }).await
}

/// Makes another link, if the address is one that can be verified and there were not too many.
pub(crate) async fn answer(auth: &Auth, tx: &mut Tx, email: &str, browser: Option<&[u8]>) -> Stored<()> {
    let Some(account) = link::lock_addressed(tx, email).await? else { return Ok(()) };
    if account.email_verified {
        return Ok(());
    }
    let now = auth.clock().now();
    // A browser is known by the new link only if it has signed up itself: what a stranger chose who did so with the
    // owner's address must not come into force by one press in the owner's browser.
    let own = match browser {
        Some(browser) => link::newest_of_browser(tx, account.id, Purpose::VerifyEmail, browser, now).await?,
        None => None,
    };
    // What was chosen at sign-up comes along, or it would be lost with the first link.
    let chosen = match &own {
        Some(own) => own.password_hash.clone(),
        None => link::chosen_password(tx, account.id, now).await?,
    };
    let browser = browser.filter(|_| own.is_some());
    let new = NewLink { browser, password_hash: chosen.as_deref(), ..NewLink::default() };
    if let Some(link) = link::issue(auth, tx, account.id, Purpose::VerifyEmail, new).await? {
        let event = Event::new(Kind::EmailVerificationRequested, auth.clock().now()).about(account.id);
        tx.append(link::said(event, &link));
    }
    Ok(())
}

/// The link that this token is, if there is something left to verify.
async fn good(auth: &Auth, on: &mut impl storage::Connection, token: &Token) -> Result<Good, LinkError> {
    let good = link::good(auth, on, token, Purpose::VerifyEmail).await?;
    // A password that somebody chose with the link must not become that of an account that was vouched for meanwhile.
    if good.account.email_verified { Err(LinkError::InvalidToken) } else { Ok(good) }
}

/// What this token would verify, as it is now, for whoever is signed in as `visitor` and holds `browser`. Nothing is
/// changed.
pub async fn check_verification(
    auth: &Auth,
    token: &str,
    visitor: Option<UserId>,
    browser: Option<&str>,
) -> Result<Verification, LinkError> {
    let token = Token::parse(token).ok_or(LinkError::InvalidToken)?;
    let mut read = auth.db().read().await?;
    let Good { link, account, .. } = good(auth, &mut read, &token).await?;
    let chose_nothing = link.password_hash.is_none() && credential::find(&mut read, account.id).await?.is_none();
    let is_known = visitor == Some(account.id) || link::is_of_browser(auth, &link, browser) || chose_nothing;
    Ok(Verification { email: account.email.as_str().to_owned(), is_known })
}

/// Verifies the address that this token is for.
pub async fn verify_email(auth: &Auth, token: &str, keep: Keep) -> Result<(), LinkError> {
    let token = Token::parse(token).ok_or(LinkError::InvalidToken)?;
    // Nobody makes everybody wait for the writer with tokens that are none.
    let user = good(auth, &mut auth.db().read().await?, &token).await?.account.id;
    let mut tx = auth.db().begin().await?;
    users::account::lock(&mut tx, user).await?;
    let Good { link, account, .. } = good(auth, &mut tx, &token).await?;
    finish(auth, &mut tx, &link, &account, keep).await?;
    tx.commit().await?;
    Ok(())
}

/// The same for somebody who knows the password that was chosen at sign-up, and so keeps it.
pub async fn verify_email_with_password(auth: &Auth, token: &str, password: &str) -> Result<(), VerifyEmailError> {
    let token = Token::parse(token).ok_or(VerifyEmailError::InvalidToken)?;
    let mut read = auth.db().read().await?;
    let Good { link, account, .. } = good(auth, &mut read, &token).await?;
    let current = credential::find(&mut read, account.id).await?;
    drop(read);
    let version = current.as_ref().filter(|_| link.password_hash.is_none()).map(|credential| credential.version);
    let stored = link.password_hash.clone().or(current.map(|credential| credential.hash));
    let stored = stored.ok_or(VerifyEmailError::WrongPassword)?;
    let Ok(password) = Password::prepare(password) else { return Err(VerifyEmailError::WrongPassword) };

    // Whoever guesses behind a link locks that link, and neither the owner nor strangers out.
    let counter = Counter::new(auth, account.email.canonical(), Some(*link.id.as_bytes()));
    let (place, attempt) = attempts::begin::<VerifyEmailError>(auth, counter).await?;
    let is_locked = attempt.is_locked();
    let (pepper, cost) = (auth.pepper().clone(), auth.hasher().cost());
    let compare = move |memory: &mut Memory| -> Result<Comparison, HashError> {
        hashing::compare(memory, &pepper, &password, &stored, cost)
    };
    if place.run(compare).await?? == Comparison::Different || is_locked {
        let event = Event::new(Kind::SignInFailed, auth.clock().now()).about(account.id);
        attempt.failed(event.with("at", "verify_email")).await?;
        return Err(VerifyEmailError::WrongPassword);
    }
    let mut tx = auth.db().begin().await?;
    users::account::lock(&mut tx, account.id).await?;
    let Good { link, account, .. } = good(auth, &mut tx, &token).await?;
    if let Some(version) = version
        && !credential::confirm(&mut tx, account.id, version, auth.clock().now()).await?
    {
        return Err(VerifyEmailError::WrongPassword);
    }
    finish(auth, &mut tx, &link, &account, Keep::Everything).await?;
    attempt.succeeded(tx).await?;
    Ok(())
}

/// Verifies the address of whoever is signed in by the code of the newest mail.
pub async fn verify_email_by_code(auth: &Auth, user: UserId, code: &str) -> Result<(), CodeError> {
    let account = users::account::find(&mut auth.db().read().await?, user).await?;
    let tx = auth.db().begin().await?;
    try_code(auth, tx, account, None, code).await
}

/// The same for somebody who signed up in this browser and is not signed in. Whether there is such an account makes no
/// difference to the answer, and what is written for it is written for every address.
pub async fn verify_email_by_code_here(
    auth: &Auth,
    email: &EmailAddress,
    browser: &str,
    code: &str,
) -> Result<(), CodeError> {
    let account = users::account::find_by_email(&mut auth.db().read().await?, email).await?;
    let browser = link::browser_tag(auth, browser);
    let mut tx = auth.db().begin().await?;
    let may_try = attempts::take_for_code(&mut tx, auth, email.canonical()).await?;
    try_code(auth, tx, account.filter(|_| may_try), Some(&browser), code).await
}

async fn try_code(
    auth: &Auth,
    mut tx: Tx,
    account: Option<Account>,
    browser: Option<&[u8]>,
    code: &str,
) -> Result<(), CodeError> {
    let now = auth.clock().now();
    let account = account.filter(|account| account.status == Status::Active && !account.email_verified);
    let user = account.as_ref().map_or(UserId::from_bytes([0; 16]), |account| account.id);
    let link = match browser {
        None => link::newest(&mut tx, user, Purpose::VerifyEmail, now).await?,
        Some(browser) => link::newest_of_browser(&mut tx, user, Purpose::VerifyEmail, browser, now).await?,
    };
    let id = link.as_ref().map_or(kernel::id::LinkId::from_bytes([0; 16]), |link| link.id);
    let may_compare = link::take_try(&mut tx, id, now).await?;
    // The try is on disk before anything is compared: a hundred at once are five, and a crash gives none back.
    tx.commit().await?;
    let (Some(account), Some(link), true) = (account, link, may_compare) else { return Err(CodeError::InvalidCode) };
    if !auth.users().links.is_code(&link::bond(&link, Purpose::VerifyEmail, &account, None), code) {
        return Err(CodeError::InvalidCode);
    }
    let mut tx = auth.db().begin().await?;
    users::account::lock(&mut tx, account.id).await?;
    let current = users::account::find(&mut tx, account.id).await?.ok_or(CodeError::InvalidCode)?;
    // What the code was derived for has to be so still.
    let same = current.status == Status::Active
        && !current.email_verified
        && current.email.canonical() == account.email.canonical();
    if !same {
        return Err(CodeError::InvalidCode);
    }
    finish(auth, &mut tx, &link, &current, Keep::Everything).await?;
    tx.commit().await?;
    Ok(())
}

/// Uses the link of an account whose row is locked, and makes its address verified.
async fn finish(auth: &Auth, tx: &mut Tx, link: &Link, account: &Account, keep: Keep) -> Result<(), LinkError> {
    let (now, user) = (auth.clock().now(), account.id);
    if !link::consume(tx, link.id, Purpose::VerifyEmail, now).await? {
        return Err(LinkError::InvalidToken);
    }
    users::account::set_verified(tx, user, now).await?;
    let event = Event::new(Kind::EmailVerified, now).by(user).with("link", link.id.to_string());
    let is_new = account.created_at > now.plus_seconds(-NEW);
    let event = if is_new { event.with("new", true) } else { event };
    match (keep, &link.password_hash) {
        (Keep::Everything, None) => {
            link::end_all(tx, user, Some(Purpose::VerifyEmail), now).await?;
            tx.append(event);
        }
        (Keep::Everything, Some(hash)) => {
            // What was there before was somebody else's, or nothing.
            credential::replace(tx, user, hash, now).await?;
            known_device::remove_all(tx, user).await?;
            link::end_all(tx, user, None, now).await?;
            users::revoke(tx, Ended::Everything(user), event).await?;
        }
        (Keep::Nothing, _) => {
            credential::remove(tx, user).await?;
            known_device::remove_all(tx, user).await?;
            link::end_all(tx, user, None, now).await?;
            users::revoke(tx, Ended::Everything(user), event.with("taken_over", true)).await?;
        }
    }
    Ok(())
}
