//! Signing up: a new account, signed in at once; or one that is there when its address is verified.

use kernel::{Event, Kind, Timestamp};
use storage::Tx;
use users::account::{ADMIN, USER};
use users::link::Purpose;
use users::{Account, DisplayName, EmailAddress, Locale};

use crate::hashing::{Busy, HashError, Memory};
use crate::known_device::{self, Device};
use crate::link::{self, NewLink};
use crate::link_request::{LinkRequest, Wish};
use crate::session::{self, How};
use crate::{Auth, Client, Opened, Password, Weakness, attempts, browser, credential, hashing, link_request};

/// What somebody signs up with.
#[derive(Clone)]
pub struct NewAccount {
    /// Their address.
    pub email: EmailAddress,
    /// The password as typed.
    pub password: String,
    /// What they call themselves.
    pub name: Option<DisplayName>,
    /// The language they read.
    pub locale: Option<Locale>,
}

/// No account was made.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// There is an account with this address.
    #[error("there is an account with this address")]
    EmailTaken,
    /// The password cannot be chosen.
    #[error(transparent)]
    WeakPassword(#[from] Weakness),
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

/// What has become of a sign-up.
#[derive(Clone, Debug)]
pub enum Registered {
    /// There is an account, and its first session.
    SignedIn(Box<Opened>),
    /// A mail is on its way, to whoever reads it. It is not said whether there was an account before.
    ByMail,
}

/// Makes an account and begins a session for it; or, where an address has to be verified before an account is used,
/// writes down that somebody wants one. `browser` is what the form of a page is bound to.
pub async fn register(
    auth: &Auth,
    new: NewAccount,
    client: &Client,
    browser: Option<&str>,
) -> Result<Registered, RegisterError> {
    let hash = hash_new_password(auth, &new).await?;
    let browser = browser.map(|value| link::browser_tag(auth, value));
    if auth.settings().require_verified_email {
        let wish = Wish::Register {
            password_hash: hash,
            name: new.name.as_ref().map(|name| name.as_str().to_owned()),
            locale: new.locale.as_ref().map(|locale| locale.as_str().to_owned()),
        };
        let browser = browser.map(|tag| tag.to_vec());
        link_request::put(auth, &LinkRequest { wish, email: new.email.as_str().to_owned(), browser }).await?;
        return Ok(Registered::ByMail);
    }
    let mut tx = auth.db().begin().await?;
    let account = insert(auth, &mut tx, &new, Some(&hash), &[USER]).await?;
    let now = account.created_at;
    let opened = open(auth, &mut tx, account, client, None, now).await?;
    let event = Event::new(Kind::AccountRegistered, now).by(opened.account.id).in_session(opened.session.id);
    let new = NewLink { browser: browser.as_ref().map(<[u8; 32]>::as_slice), ..NewLink::default() };
    let verifying = link::issue(auth, &mut tx, opened.account.id, Purpose::VerifyEmail, new).await?;
    tx.append(verifying.iter().fold(event, link::said));
    tx.commit().await?;
    Ok(Registered::SignedIn(Box::new(opened)))
}

/// A sign-up that was written down.
pub(crate) struct Wanted {
    pub(crate) email: String,
    pub(crate) password_hash: String,
    pub(crate) name: Option<String>,
    pub(crate) locale: Option<String>,
    pub(crate) browser: Option<Vec<u8>>,
}

/// Makes the account, without a password: the one that was chosen comes into force with the link. So whoever signed up
/// with somebody else's address before them has nothing of it, however often they did.
pub(crate) async fn answer(auth: &Auth, tx: &mut Tx, wanted: Wanted) -> storage::Result<()> {
    let now = auth.clock().now();
    let Ok(email) = EmailAddress::parse(&wanted.email) else { return Ok(()) };
    let new = NewAccount {
        email,
        password: String::new(),
        name: wanted.name.and_then(|name| DisplayName::parse(&name).ok()),
        locale: wanted.locale.and_then(|tag| Locale::parse(&tag)),
    };
    let (user, event) = match insert(auth, tx, &new, None, &[USER]).await {
        Ok(account) => (account.id, Event::new(Kind::AccountRegistered, now).by(account.id)),
        Err(RegisterError::Storage(error)) => return Err(error),
        Err(_) => match link::lock_addressed(tx, &wanted.email).await? {
            Some(account) if account.email_verified => {
                tx.append(Event::new(Kind::RegistrationRepeated, now).about(account.id));
                return Ok(());
            }
            Some(account) => (account.id, Event::new(Kind::EmailVerificationRequested, now).about(account.id)),
            None => return Ok(()),
        },
    };
    let new = NewLink {
        browser: wanted.browser.as_deref(),
        password_hash: Some(&wanted.password_hash),
        ..NewLink::default()
    };
    if let Some(link) = link::issue(auth, tx, user, Purpose::VerifyEmail, new).await? {
        tx.append(link::said(event, &link));
    }
    Ok(())
}

/// Makes an administrator, from the command line, without a session.
pub async fn create_administrator(auth: &Auth, new: NewAccount) -> Result<Account, RegisterError> {
    let hash = hash_new_password(auth, &new).await?;
    let mut tx = auth.db().begin().await?;
    let account = insert(auth, &mut tx, &new, Some(&hash), &[ADMIN, USER]).await?;
    tx.append(Event::new(Kind::AdministratorCreated, account.created_at).about(account.id));
    tx.commit().await?;
    Ok(account)
}

/// Checks the password and hashes it. Both take CPU, so both happen on a hashing thread.
pub(crate) async fn hash_new_password(auth: &Auth, new: &NewAccount) -> Result<String, RegisterError> {
    hash_for(auth, &new.password, &new.email, new.name.as_ref()).await
}

/// The same for somebody with this address and name.
pub(crate) async fn hash_for(
    auth: &Auth,
    password: &str,
    email: &EmailAddress,
    name: Option<&DisplayName>,
) -> Result<String, RegisterError> {
    auth.hasher().expect_room()?;
    let password = Password::prepare(password)?;
    let known = known_words(auth, email, name);
    let (policy, pepper, cost) = (auth.settings().policy.clone(), auth.pepper().clone(), auth.hasher().cost());
    let check_and_hash = move |memory: &mut Memory| -> Result<String, RegisterError> {
        password.check(&policy, &known)?;
        Ok(hashing::hash(memory, &pepper, &password, cost)?)
    };
    auth.hasher().enter().await?.run(check_and_hash).await?
}

/// What an attacker knows of a person, and so may not be their password.
pub(crate) fn known_words(auth: &Auth, email: &EmailAddress, name: Option<&DisplayName>) -> Vec<String> {
    let address = email.canonical();
    let (local, domain) = address.split_once('@').unwrap_or((address, ""));
    let host = auth.settings().issuer.split("//").nth(1).unwrap_or_default();
    let host = host.split([':', '/']).next().unwrap_or_default();
    let mut known = vec!["usher".to_owned(), address.to_owned(), local.to_owned(), domain.to_owned(), host.to_owned()];
    if let Some(name) = name {
        known.push(name.as_str().to_owned());
        known.extend(name.as_str().split_whitespace().map(str::to_owned));
    }
    known
}

pub(crate) async fn insert(
    auth: &Auth,
    tx: &mut Tx,
    new: &NewAccount,
    hash: Option<&str>,
    roles: &[&str],
) -> Result<Account, RegisterError> {
    let now = auth.clock().now();
    let account = users::NewAccount {
        email: new.email.clone(),
        // Whoever makes an administrator is at the console and vouches for the address. Otherwise nobody could come in
        // where it has to be verified and no mail is sent yet.
        email_verified: auth.settings().require_verified_email && roles.contains(&ADMIN),
        name: new.name.clone(),
        locale: new.locale.clone(),
    };
    let account = users::account::insert(tx, &account, roles, now).await?.ok_or(RegisterError::EmailTaken)?;
    if let Some(hash) = hash {
        credential::insert(tx, account.id, hash, now).await?;
    }
    // Guesses at an address before it had an account do not lock its owner out.
    attempts::forget(tx, &attempts::Counter::new(auth, new.email.canonical(), None)).await?;
    Ok(account)
}

/// Begins the first session of an account whose first password this transaction writes. `cookie` is that of a browser
/// that somebody signed in on before.
pub(crate) async fn open(
    auth: &Auth,
    tx: &mut Tx,
    account: Account,
    client: &Client,
    cookie: Option<&str>,
    now: Timestamp,
) -> storage::Result<Opened> {
    users::account::record_sign_in(tx, account.id, account.epoch, now).await?;
    let browser = browser::id(auth, cookie);
    let device = Device::new(auth, account.id, client, &browser);
    known_device::meet(tx, &account, &device, now).await?;
    let (session, _) = session::insert(tx, auth, &account, client, (How::Password, &device), now).await?;
    Ok(Opened { account: Account { last_login_at: Some(now), ..account }, session, password_version: 1, browser })
}
