//! One-time links: what has become of each. All SQL that touches `links`.
//!
//! [`issue`] makes one, in the transaction of a use case whose event names it (`link` and `expires_at`), so that whoever
//! reads the ledger can write the mail. [`good`] is the one look at a token that somebody shows, and [`consume`] uses
//! it: check and act in one statement. What a link is for and the secret in it are in `users::link`.

use kernel::id::LinkId;
use kernel::{SessionId, Timestamp, UserId};
use storage::{Connection, Result, Tx, execute, fetch_all, fetch_one, fetch_optional};
use users::link::{Bond, CODE_SECONDS, Purpose, Token};
use users::{Account, EmailAddress, PersonalDataError, Status};

use crate::Auth;

/// Nothing was done.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// Used, old, replaced, edited, for something else, or never ours; or the account may not be used. It does not say
    /// which.
    #[error("the link is not good any more")]
    InvalidToken,
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] storage::Error),
}

/// How links for a purpose are made.
struct Rule {
    /// How long one works, in seconds.
    lifetime: i64,
    /// How long after one the next is made at the earliest, in seconds.
    apart: i64,
    /// Whether a newer one takes the place of those before.
    replaces: bool,
}

const fn rule(purpose: Purpose) -> Rule {
    match purpose {
        Purpose::VerifyEmail => Rule { lifetime: 24 * 3_600, apart: 60, replaces: false },
        Purpose::ResetPassword => Rule { lifetime: 3_600, apart: 60, replaces: true },
        Purpose::ChangeEmail => Rule { lifetime: 3_600, apart: 0, replaces: true },
        Purpose::SignIn => Rule { lifetime: 600, apart: 60, replaces: true },
        Purpose::Invitation => Rule { lifetime: 7 * 86_400, apart: 0, replaces: true },
    }
}

/// How many links for one purpose an account can have made in an hour, and how many of all accounts can go to one
/// address that is not the account's.
const MOST_AN_HOUR: i64 = 5;
/// How often the code beside a link can be tried.
const MOST_TRIES: i64 = 5;

/// A link to be made for an account whose row the caller has locked.
#[derive(Default)]
pub(crate) struct NewLink<'a> {
    pub(crate) session: Option<SessionId>,
    /// Another address that it is about, and the same sealed for an event.
    pub(crate) other: Option<(&'a EmailAddress, &'a str)>,
    pub(crate) browser: Option<&'a [u8]>,
    pub(crate) password_hash: Option<&'a str>,
    /// Who asked for it, if that is somebody else.
    pub(crate) asked_by: Option<UserId>,
}

/// A link as it is stored.
#[derive(Clone, sqlx::FromRow)]
pub(crate) struct Link {
    pub(crate) id: LinkId,
    pub(crate) user_id: UserId,
    pub(crate) session_id: Option<SessionId>,
    pub(crate) other: Option<String>,
    pub(crate) browser: Option<Vec<u8>>,
    pub(crate) password_hash: Option<String>,
    pub(crate) asked_by: Option<UserId>,
    pub(crate) created_at: Timestamp,
    pub(crate) expires_at: Timestamp,
}

/// A link that works, and whose it is.
pub(crate) struct Good {
    pub(crate) link: Link,
    pub(crate) account: Account,
    /// Another address that it is about.
    pub(crate) other: Option<String>,
}

/// By which is counted how much is sent to an address.
fn lookup(auth: &Auth, email: &EmailAddress) -> [u8; 32] {
    auth.blind_index().sign(&[b"links", email.canonical().as_bytes()])
}

/// What a link keeps of the browser that asked for it: the value of its form cookie, as a keyed hash.
pub(crate) fn browser_tag(auth: &Auth, value: &str) -> [u8; 32] {
    auth.cookie_key().sign(&[b"links", value.as_bytes()])
}

/// Whether it was this browser that asked.
pub(crate) fn is_of_browser(auth: &Auth, link: &Link, value: Option<&str>) -> bool {
    let both = value.zip(link.browser.as_deref());
    both.is_some_and(|(value, tag)| auth.cookie_key().verify(&[b"links", value.as_bytes()], tag))
}

/// The active account with this address, its row locked.
pub(crate) async fn lock_addressed(tx: &mut Tx, email: &str) -> Result<Option<Account>> {
    let Ok(email) = EmailAddress::parse(email) else { return Ok(None) };
    let Some(found) = users::account::find_by_email(tx, &email).await? else { return Ok(None) };
    users::account::lock(tx, found.id).await?;
    let account = users::account::find(tx, found.id).await?;
    Ok(account.filter(|account| account.status == Status::Active && account.email.canonical() == email.canonical()))
}

/// Makes a link; nothing if there were too many lately. What it says then goes into the event of the same transaction:
/// [`said`].
pub(crate) async fn issue(
    auth: &Auth,
    tx: &mut Tx,
    user: UserId,
    purpose: Purpose,
    new: NewLink<'_>,
) -> Result<Option<Link>> {
    let now = auth.clock().now();
    let Rule { lifetime, apart, replaces } = rule(purpose);
    let since = now.plus_seconds(-3_600);
    let lookup = new.other.map(|(email, _)| lookup(auth, email));
    let lately = lately(tx, user, purpose, since).await?;
    let too_soon = lately.newest.is_some_and(|newest| newest > now.plus_seconds(-apart));
    let to_other = match &lookup {
        Some(lookup) => sent_to(tx, lookup, since).await?,
        None => 0,
    };
    if too_soon || lately.made >= MOST_AN_HOUR || to_other >= MOST_AN_HOUR {
        return Ok(None);
    }
    if replaces {
        end_all(tx, user, Some(purpose), now).await?;
    }
    let link = Link {
        id: LinkId::new(now),
        user_id: user,
        session_id: new.session,
        other: new.other.map(|(_, sealed)| sealed.to_owned()),
        browser: new.browser.map(<[u8]>::to_vec),
        password_hash: new.password_hash.map(str::to_owned),
        asked_by: new.asked_by,
        created_at: now,
        expires_at: now.plus_seconds(lifetime),
    };
    insert(tx, &link, purpose, lookup).await?;
    Ok(Some(link))
}

/// What the event says that a link was made by: enough to write the mail, and nothing that opens it.
pub(crate) fn said(event: kernel::Event, link: &Link) -> kernel::Event {
    event.with("link", link.id.to_string()).with("expires_at", link.expires_at.to_string())
}

async fn insert(tx: &mut Tx, link: &Link, purpose: Purpose, lookup: Option<[u8; 32]>) -> Result<()> {
    execute!(
        tx,
        "INSERT INTO links (id, user_id, purpose, session_id, other, other_lookup, browser, password_hash, failures,
                            created_at, expires_at, used_at, asked_by)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, $9, $10, NULL, $11)",
        link.id,
        link.user_id,
        purpose.as_str(),
        link.session_id,
        link.other.as_deref(),
        lookup.as_ref().map(<[u8; 32]>::as_slice),
        link.browser.as_deref(),
        link.password_hash.as_deref(),
        link.created_at,
        link.expires_at,
        link.asked_by
    )?;
    Ok(())
}

#[derive(sqlx::FromRow)]
struct Lately {
    made: i64,
    newest: Option<Timestamp>,
}

async fn lately(tx: &mut Tx, user: UserId, purpose: Purpose, since: Timestamp) -> Result<Lately> {
    fetch_one!(
        tx,
        "SELECT COUNT(*) AS made, MAX(created_at) AS newest FROM links
         WHERE user_id = $1 AND purpose = $2 AND created_at > $3",
        user,
        purpose.as_str(),
        since
    )
}

#[derive(sqlx::FromRow)]
struct Count {
    sent: i64,
}

async fn sent_to(tx: &mut Tx, lookup: &[u8; 32], since: Timestamp) -> Result<i64> {
    let row: Count = fetch_one!(
        tx,
        "SELECT COUNT(*) AS sent FROM links WHERE other_lookup = $1 AND created_at > $2",
        lookup.as_slice(),
        since
    )?;
    Ok(row.sent)
}

/// The link of this id, if it is for this and still works.
async fn find(on: &mut impl Connection, id: LinkId, purpose: Purpose, now: Timestamp) -> Result<Option<Link>> {
    fetch_optional!(
        on,
        "SELECT id, user_id, session_id, other, browser, password_hash, asked_by, created_at, expires_at FROM links
         WHERE id = $1 AND purpose = $2 AND used_at IS NULL AND expires_at > $3",
        id,
        purpose.as_str(),
        now
    )
}

/// The newest link of an account that still works.
pub(crate) async fn newest(
    on: &mut impl Connection,
    user: UserId,
    purpose: Purpose,
    now: Timestamp,
) -> Result<Option<Link>> {
    fetch_optional!(
        on,
        "SELECT id, user_id, session_id, other, browser, password_hash, asked_by, created_at, expires_at FROM links
         WHERE user_id = $1 AND purpose = $2 AND used_at IS NULL AND expires_at > $3 ORDER BY id DESC LIMIT 1",
        user,
        purpose.as_str(),
        now
    )
}

/// Whether an account had a link of this purpose made lately, whatever has become of it.
pub(crate) async fn was_made(on: &mut impl Connection, user: UserId, purpose: Purpose) -> Result<bool> {
    let row: Count = fetch_one!(
        on,
        "SELECT COUNT(*) AS sent FROM links WHERE user_id = $1 AND purpose = $2",
        user,
        purpose.as_str()
    )?;
    Ok(row.sent > 0)
}

/// The newest one of those that this browser asked for.
pub(crate) async fn newest_of_browser(
    on: &mut impl Connection,
    user: UserId,
    purpose: Purpose,
    browser: &[u8],
    now: Timestamp,
) -> Result<Option<Link>> {
    fetch_optional!(
        on,
        "SELECT id, user_id, session_id, other, browser, password_hash, asked_by, created_at, expires_at FROM links
         WHERE user_id = $1 AND purpose = $2 AND used_at IS NULL AND expires_at > $3 AND browser = $4
         ORDER BY id DESC LIMIT 1",
        user,
        purpose.as_str(),
        now,
        browser
    )
}

#[derive(sqlx::FromRow)]
struct Chosen {
    password_hash: String,
}

/// The hash of the password that was chosen with the only sign-up that there was. Of several nobody can tell whose this is,
/// and a stranger's must not come into force by a mail that the owner asks for: then it is none, and one can be chosen by
/// mail.
pub(crate) async fn chosen_password(on: &mut impl Connection, user: UserId, now: Timestamp) -> Result<Option<String>> {
    let rows: Vec<Chosen> = fetch_all!(
        on,
        "SELECT DISTINCT password_hash FROM links
         WHERE user_id = $1 AND purpose = $2 AND used_at IS NULL AND expires_at > $3 AND password_hash IS NOT NULL
         LIMIT 2",
        user,
        Purpose::VerifyEmail.as_str(),
        now
    )?;
    let mut rows = rows.into_iter();
    Ok(rows.next().filter(|_| rows.next().is_none()).map(|row| row.password_hash))
}

/// The link that this token is, if it is for this and everything about it is good now. Nothing is changed.
pub(crate) async fn good(
    auth: &Auth,
    on: &mut impl Connection,
    token: &Token,
    purpose: Purpose,
) -> std::result::Result<Good, LinkError> {
    let link = find(on, token.id, purpose, auth.clock().now()).await?.ok_or(LinkError::InvalidToken)?;
    let account = users::account::find(on, link.user_id).await?.ok_or(LinkError::InvalidToken)?;
    let other = open_other(auth, on, &link).await?;
    let bond = bond(&link, purpose, &account, other.as_deref());
    if account.status == Status::Active && auth.users().links.is_token(&bond, token) {
        Ok(Good { link, account, other })
    } else {
        Err(LinkError::InvalidToken)
    }
}

/// What the secret of a link is bound to.
pub(crate) fn bond<'a>(link: &Link, purpose: Purpose, account: &'a Account, other: Option<&'a str>) -> Bond<'a> {
    Bond {
        id: link.id,
        purpose,
        user: account.id,
        address: account.email.canonical(),
        other: other.unwrap_or_default(),
    }
}

/// The name under which another address is sealed, in a link and in the event that made it.
pub(crate) const OTHER: &str = "address";

/// The other address that a link is about.
pub(crate) async fn open_other(auth: &Auth, on: &mut impl Connection, link: &Link) -> Result<Option<String>> {
    let Some(sealed) = &link.other else { return Ok(None) };
    match auth.users().open_said(on, link.user_id, OTHER, sealed).await {
        Ok(other) => Ok(other),
        Err(PersonalDataError::Storage(error)) => Err(error),
        Err(PersonalDataError::Unsealable(cause)) => {
            tracing::error!(%cause, "the address that a link is about cannot be read");
            Ok(None)
        }
    }
}

/// Uses a link, once: check and act in one statement.
pub(crate) async fn consume(tx: &mut Tx, id: LinkId, purpose: Purpose, now: Timestamp) -> Result<bool> {
    let used = execute!(
        tx,
        "UPDATE links SET used_at = $1 WHERE id = $2 AND purpose = $3 AND used_at IS NULL AND expires_at > $1",
        now,
        id,
        purpose.as_str()
    )?;
    Ok(used == 1)
}

/// Takes one of the tries that the code beside a link has: check and act in one statement, before anything is compared.
/// Whether there was one left.
pub(crate) async fn take_try(tx: &mut Tx, id: LinkId, now: Timestamp) -> Result<bool> {
    let taken = execute!(
        tx,
        "UPDATE links SET failures = failures + 1
         WHERE id = $1 AND used_at IS NULL AND expires_at > $2 AND created_at > $3 AND failures < $4",
        id,
        now,
        now.plus_seconds(-CODE_SECONDS),
        MOST_TRIES
    )?;
    Ok(taken == 1)
}

/// Ends what an account has of one purpose, or of all. They still count among those that were made lately.
pub(crate) async fn end_all(tx: &mut Tx, user: UserId, purpose: Option<Purpose>, now: Timestamp) -> Result<()> {
    execute!(
        tx,
        "UPDATE links SET used_at = $1
         WHERE user_id = $2 AND (CAST($3 AS TEXT) IS NULL OR purpose = $3) AND used_at IS NULL",
        now,
        user,
        purpose.map(Purpose::as_str)
    )?;
    Ok(())
}

/// Forgets all links of an account.
pub(crate) async fn remove_all(tx: &mut Tx, user: UserId) -> Result<()> {
    execute!(tx, "DELETE FROM links WHERE user_id = $1", user)?;
    Ok(())
}

/// Removes what expired before then, at most `limit`. How much it was.
pub(crate) async fn sweep(tx: &mut Tx, before: Timestamp, limit: i64) -> Result<u64> {
    execute!(
        tx,
        "DELETE FROM links WHERE id IN (SELECT id FROM links WHERE expires_at < $1 ORDER BY expires_at LIMIT $2)",
        before,
        limit
    )
}
