//! Signing in by a link to the address of the account, without a password. It is off unless it is configured, and never
//! for those who may do more in Usher than other people: what lets them in is to be more than a mailbox.
//!
//! Asking says nothing about anybody: it is written down, and answered a moment later. A link is for an account whose
//! address is verified, works for ten minutes, once, and only until a newer one is asked for.

use kernel::{Event, Kind};
use storage::{Result as Stored, Tx};
use users::link::{Purpose, Token};
use users::{Account, EmailAddress, account, may};

use crate::attempts::Counter;
use crate::enter::{self, Entering};
use crate::link::{self, Good, LinkError, NewLink};
use crate::link_request::{LinkRequest, Wish};
use crate::session::How;
use crate::{Auth, Client, Opened, attempts, browser, credential, link_request};

/// Asks for the link. The answer is the same for everybody: what follows is not waited for. `form` is what the form of
/// a page is bound to.
pub async fn request_sign_in_link(auth: &Auth, email: &EmailAddress, form: Option<&str>) -> Stored<()> {
    let browser = form.map(|form| link::browser_tag(auth, form).to_vec());
    link_request::put(auth, &LinkRequest { wish: Wish::SignIn, email: email.as_str().to_owned(), browser }).await
}

/// Makes the link, if it is for somebody who may come in by one and there were not too many.
pub(crate) async fn answer(auth: &Auth, tx: &mut Tx, email: &str, browser: Option<&[u8]>) -> Stored<()> {
    let Some(account) = link::lock_addressed(tx, email).await? else { return Ok(()) };
    let counter = Counter::new(auth, account.email.canonical(), None);
    if !may_come_in(auth, tx, &account).await? || attempts::is_locked(tx, auth, &counter).await? {
        return Ok(());
    }
    let new = NewLink { browser, ..NewLink::default() };
    if let Some(link) = link::issue(auth, tx, account.id, Purpose::SignIn, new).await? {
        let event = Event::new(Kind::SignInLinkRequested, auth.clock().now()).about(account.id);
        tx.append(link::said(event, &link));
    }
    Ok(())
}

/// Whether this account may be signed in to by a link, as its roles are now.
async fn may_come_in(auth: &Auth, tx: &mut Tx, account: &Account) -> Stored<bool> {
    // Whoever signed up with somebody else's address would wait in the account that its owner comes into.
    if !auth.settings().magic_link || !auth.admits(account) || !account.email_verified {
        return Ok(false);
    }
    Ok(!may::looks_after_anything(&users::role_record::permissions_of(tx, &account.roles).await?))
}

/// What a link would do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignInLink {
    /// The address of the account.
    pub email: String,
    /// Whether it was asked for in this browser.
    pub is_of_this_browser: bool,
}

/// Whom this token would sign in. Nothing is changed. `form` is what the forms of this browser are bound to.
pub async fn check_sign_in_link(auth: &Auth, token: &str, form: Option<&str>) -> Result<SignInLink, LinkError> {
    let token = Token::parse(token).ok_or(LinkError::InvalidToken)?;
    let good = link::good(auth, &mut auth.db().read().await?, &token, Purpose::SignIn).await?;
    Ok(SignInLink {
        is_of_this_browser: link::is_of_browser(auth, &good.link, form),
        email: good.account.email.as_str().to_owned(),
    })
}

/// Uses the link: begins a session. `cookie` is that of a browser that somebody signed in on before.
pub async fn sign_in_by_link(
    auth: &Auth,
    token: &str,
    cookie: Option<&str>,
    client: &Client,
) -> Result<Opened, LinkError> {
    use LinkError::InvalidToken;
    let token = Token::parse(token).ok_or(InvalidToken)?;
    // Nobody makes everybody wait for the writer with tokens that are none.
    let user = link::good(auth, &mut auth.db().read().await?, &token, Purpose::SignIn).await?.account.id;

    let now = auth.clock().now();
    let mut tx = auth.db().begin().await?;
    account::lock(&mut tx, user).await?;
    let Good { link, account, .. } = link::good(auth, &mut tx, &token, Purpose::SignIn).await?;
    let version = credential::find(&mut tx, user).await?.map(|credential| credential.version);
    let device = cookie.zip(version).and_then(|(cookie, version)| browser::known_device(auth, cookie, user, version));
    let counter = Counter::new(auth, account.email.canonical(), device);
    // What keeps a password from being tried keeps this out as well, also what came after the link was asked for.
    if !may_come_in(auth, &mut tx, &account).await? || attempts::is_locked(&mut tx, auth, &counter).await? {
        return Err(InvalidToken);
    }
    if !link::consume(&mut tx, link.id, Purpose::SignIn, now).await?
        || !account::record_sign_in(&mut tx, user, account.epoch, now).await?
    {
        return Err(InvalidToken);
    }
    let failures = credential::take_failures(&mut tx, user).await?;
    let browser = browser::id(auth, cookie);
    let entering =
        Entering { account, how: How::Link, password_version: version.unwrap_or(0), failures, browser, client };
    let opened = enter::begin(auth, &mut tx, entering, now).await?;
    tx.commit().await?;
    Ok(opened)
}
