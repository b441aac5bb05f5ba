//! Signing up: a new account, signed in at once.

use kernel::{Event, Kind, Timestamp};
use storage::Tx;
use users::account::{ADMIN, USER};
use users::{Account, DisplayName, EmailAddress, Locale};

use crate::hashing::{Busy, HashError, Memory};
use crate::known_device::{self, Device};
use crate::{Auth, Client, Opened, Password, Weakness, attempts, browser, credential, hashing, session};

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

/// Makes an account and begins a session for it.
pub async fn register(auth: &Auth, new: NewAccount, client: &Client) -> Result<Opened, RegisterError> {
    let hash = hash_new_password(auth, &new).await?;
    let mut tx = auth.db().begin().await?;
    let account = insert(auth, &mut tx, &new, &hash, &[USER]).await?;
    let now = account.created_at;
    let opened = open(auth, &mut tx, account, client, None, now).await?;
    tx.append(
        Event::new(Kind::AccountRegistered, opened.session.created_at)
            .by(opened.account.id)
            .in_session(opened.session.id),
    );
    tx.commit().await?;
    Ok(opened)
}

/// Makes an administrator, from the command line, without a session.
pub async fn create_administrator(auth: &Auth, new: NewAccount) -> Result<Account, RegisterError> {
    let hash = hash_new_password(auth, &new).await?;
    let mut tx = auth.db().begin().await?;
    let account = insert(auth, &mut tx, &new, &hash, &[ADMIN, USER]).await?;
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
    hash: &str,
    roles: &[&str],
) -> Result<Account, RegisterError> {
    let now = auth.clock().now();
    let account = users::NewAccount {
        email: new.email.clone(),
        email_verified: false,
        name: new.name.clone(),
        locale: new.locale.clone(),
    };
    let account = users::account::insert(tx, &account, roles, now).await?.ok_or(RegisterError::EmailTaken)?;
    credential::insert(tx, account.id, hash, now).await?;
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
    let (session, _) = session::insert(tx, auth, &account, client, &device, now).await?;
    Ok(Opened { account: Account { last_login_at: Some(now), ..account }, session, password_version: 1, browser })
}
