//! The account record: all SQL that touches `users` and `user_roles`.
//!
//! `holding` is about roles, `many` about many accounts at once, `ending` about their end.

mod ending;
mod holding;
mod many;

use kernel::{PictureId, Timestamp, UserId};
use storage::{Connection, Result, Tx, execute, fetch_all, fetch_one, fetch_optional};

use crate::profile::{Avatar, Bio, Preferences, TimeZoneName};
use crate::search::{fold, text};
use crate::{DisplayName, EmailAddress, Locale, avatar};

pub(crate) use ending::erase;
pub use ending::{RETURN_SECONDS, deleted_before, set_email, set_verified};
pub(crate) use holding::{any_other_with_role, hold_administrators, roles_if_active, set_roles};
pub use holding::{any_with_role, roles};
pub use many::{find_many, lock_many};
pub(crate) use many::{insert_many, insert_roles};

/// The role that everybody has.
pub const USER: &str = "user";
/// The role that may do everything.
pub const ADMIN: &str = "admin";

/// Whether an account may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It may.
    Active,
    /// An administrator said no.
    Suspended,
    /// Its owner or an administrator deleted it; it can be brought back for a while.
    Deleted,
}

impl Status {
    /// Its name in the database and the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Deleted => "deleted",
        }
    }

    /// The status of this name in the API.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Active, Self::Suspended, Self::Deleted].into_iter().find(|status| status.as_str() == name)
    }

    fn from_stored(text: &str) -> Self {
        match text {
            "active" => Self::Active,
            "suspended" => Self::Suspended,
            // The column's CHECK lets nothing else through; whatever is not known does not get in.
            _ => Self::Deleted,
        }
    }
}

/// One account, without anything that could prove to be it.
#[derive(Clone, Debug)]
pub struct Account {
    /// Its id.
    pub id: UserId,
    /// Its address.
    pub email: EmailAddress,
    /// Whether its owner has shown that the address is theirs.
    pub email_verified: bool,
    /// What its owner calls themselves.
    pub name: Option<DisplayName>,
    /// The language its owner reads.
    pub locale: Option<Locale>,
    /// What its owner writes about themselves.
    pub bio: Option<Bio>,
    /// Where its owner's clock is.
    pub timezone: Option<TimeZoneName>,
    /// An application's settings for its owner.
    pub preferences: Preferences,
    /// Its owner's picture.
    pub avatar: Option<Avatar>,
    /// Whether there is personal data, or an attribute of the configuration: `personal` has them.
    pub has_attributes: bool,
    /// Whether it may be used.
    pub status: Status,
    /// Its roles, in alphabetical order.
    pub roles: Vec<String>,
    /// Tokens of a lower epoch are dead.
    pub epoch: i64,
    /// Sessions begun in a lower epoch are over.
    pub sessions_from: i64,
    /// Counts changes, for `If-Match`.
    pub version: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// When somebody last signed in to it.
    pub last_login_at: Option<Timestamp>,
    /// Since when it is deleted.
    pub deleted_at: Option<Timestamp>,
    /// Since when nothing of a person is left in it.
    pub erased_at: Option<Timestamp>,
}

/// An account to be made.
#[derive(Clone, Debug)]
pub struct NewAccount {
    /// Its address.
    pub email: EmailAddress,
    /// Whether somebody vouches for it that the address is its owner's.
    pub email_verified: bool,
    /// What its owner calls themselves.
    pub name: Option<DisplayName>,
    /// The language its owner reads.
    pub locale: Option<Locale>,
}

/// What people say of themselves and of how they use Usher, as columns of the account.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Profile {
    pub(crate) name: Option<DisplayName>,
    pub(crate) locale: Option<Locale>,
    pub(crate) bio: Option<Bio>,
    pub(crate) timezone: Option<TimeZoneName>,
    pub(crate) preferences: Preferences,
    pub(crate) avatar: Option<Avatar>,
}

/// What a [`Row`] is read from, where a statement is put together.
pub(crate) const COLUMNS: &str = "id, email, email_canonical, email_verified, name, locale, bio, timezone, preferences, avatar, \
     status, epoch, sessions_from, version, created_at, updated_at, last_login_at, deleted_at, erased_at, \
     EXISTS (SELECT 1 FROM user_attributes WHERE user_id = users.id) AS has_attributes, \
     COALESCE((SELECT string_agg(role, ',') FROM user_roles WHERE user_id = users.id), '') AS roles";

/// An account as it is stored.
#[derive(sqlx::FromRow)]
pub(crate) struct Row {
    pub(crate) id: UserId,
    email: String,
    pub(crate) email_canonical: String,
    email_verified: bool,
    name: Option<String>,
    locale: Option<String>,
    bio: Option<String>,
    timezone: Option<String>,
    preferences: String,
    avatar: Option<String>,
    has_attributes: bool,
    status: String,
    epoch: i64,
    sessions_from: i64,
    version: i64,
    pub(crate) created_at: Timestamp,
    updated_at: Timestamp,
    pub(crate) last_login_at: Option<Timestamp>,
    deleted_at: Option<Timestamp>,
    erased_at: Option<Timestamp>,
    roles: String,
}

impl Account {
    pub(crate) fn profile(&self) -> Profile {
        Profile {
            name: self.name.clone(),
            locale: self.locale.clone(),
            bio: self.bio.clone(),
            timezone: self.timezone.clone(),
            preferences: self.preferences.clone(),
            avatar: self.avatar.clone(),
        }
    }

    /// Where its picture is: elsewhere, or at this origin; without one, a drawing of initials.
    pub fn avatar_url(&self, origin: &str) -> String {
        match &self.avatar {
            Some(Avatar::Elsewhere(url)) => url.clone(),
            Some(Avatar::Kept(_)) | None => format!("{origin}{}", self.picture_path(256)),
        }
    }

    /// Where, at our own origin, its picture is in this size, or a drawing of initials.
    pub fn picture_path(&self, size: u32) -> String {
        match &self.avatar {
            Some(Avatar::Kept(picture)) => format!("/avatars/{picture}/{size}.webp"),
            Some(Avatar::Elsewhere(_)) | None => {
                let called = self.name.as_ref().map_or(self.email.as_str(), DisplayName::as_str);
                avatar::initials_address(self.id, called)
            }
        }
    }
}

impl From<Row> for Account {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            email: EmailAddress::from_stored(row.email, row.email_canonical),
            email_verified: row.email_verified,
            name: row.name.map(DisplayName::from_stored),
            locale: row.locale.map(Locale::from_stored),
            bio: row.bio.map(Bio::from_stored),
            timezone: row.timezone.map(TimeZoneName::from_stored),
            preferences: Preferences::from_stored(row.preferences),
            avatar: row.avatar.map(Avatar::from_stored),
            has_attributes: row.has_attributes,
            status: Status::from_stored(&row.status),
            roles: split_roles(&row.roles),
            epoch: row.epoch,
            sessions_from: row.sessions_from,
            version: row.version,
            created_at: row.created_at,
            updated_at: row.updated_at,
            last_login_at: row.last_login_at,
            deleted_at: row.deleted_at,
            erased_at: row.erased_at,
        }
    }
}

/// Roles come out of the database as one text: `string_agg` is in both (SQLite since 3.44), arrays
/// are not. A role's name has no comma.
fn split_roles(joined: &str) -> Vec<String> {
    let mut roles: Vec<String> = joined.split(',').filter(|role| !role.is_empty()).map(str::to_owned).collect();
    roles.sort_unstable();
    roles
}

/// The account with this id, whatever its status.
pub async fn find(on: &mut impl Connection, id: UserId) -> Result<Option<Account>> {
    let row: Option<Row> = fetch_optional!(
        on,
        "SELECT id, email, email_canonical, email_verified, name, locale, bio, timezone, preferences, avatar, status,
                epoch, sessions_from, version, created_at, updated_at, last_login_at, deleted_at, erased_at,
                EXISTS (SELECT 1 FROM user_attributes WHERE user_id = users.id) AS has_attributes,
                COALESCE((SELECT string_agg(role, ',') FROM user_roles WHERE user_id = users.id), '') AS roles
         FROM users WHERE id = $1",
        id
    )?;
    Ok(row.map(Account::from))
}

/// The account with this address, whatever its status.
pub async fn find_by_email(on: &mut impl Connection, email: &EmailAddress) -> Result<Option<Account>> {
    let row: Option<Row> = fetch_optional!(
        on,
        "SELECT id, email, email_canonical, email_verified, name, locale, bio, timezone, preferences, avatar, status,
                epoch, sessions_from, version, created_at, updated_at, last_login_at, deleted_at, erased_at,
                EXISTS (SELECT 1 FROM user_attributes WHERE user_id = users.id) AS has_attributes,
                COALESCE((SELECT string_agg(role, ',') FROM user_roles WHERE user_id = users.id), '') AS roles
         FROM users WHERE email_canonical = $1",
        email.canonical()
    )?;
    Ok(row.map(Account::from))
}

/// Makes an account with these roles; nothing if the address is taken, in whatever spelling.
pub async fn insert(tx: &mut Tx, new: &NewAccount, roles: &[&str], now: Timestamp) -> Result<Option<Account>> {
    let id = UserId::new(now);
    let name_folded = new.name.as_ref().map(|name| fold(name.as_str()));
    let inserted = execute!(
        tx,
        "INSERT INTO users (id, email, email_canonical, email_verified, name, locale, status, epoch, sessions_from,
                            version, created_at, updated_at, last_login_at, name_folded, searchable)
         VALUES ($1, $2, $3, $4, $5, $6, 'active', 1, 1, 1, $7, $7, NULL, $8, $9)
         ON CONFLICT (email_canonical) DO NOTHING",
        id,
        new.email.as_str(),
        new.email.canonical(),
        new.email_verified,
        new.name.as_ref().map(DisplayName::as_str),
        new.locale.as_ref().map(Locale::as_str),
        now,
        name_folded.as_deref(),
        true
    )?;
    if inserted == 0 {
        return Ok(None);
    }
    text::insert(tx, id, name_folded.as_deref(), new.email.canonical()).await?;
    for role in roles {
        execute!(tx, "INSERT INTO user_roles (user_id, role, granted_at) VALUES ($1, $2, $3)", id, *role, now)?;
    }
    let mut roles: Vec<String> = roles.iter().map(|role| (*role).to_owned()).collect();
    roles.sort_unstable();
    Ok(Some(Account {
        id,
        email: new.email.clone(),
        email_verified: new.email_verified,
        name: new.name.clone(),
        locale: new.locale.clone(),
        bio: None,
        timezone: None,
        preferences: Preferences::default(),
        avatar: None,
        has_attributes: false,
        status: Status::Active,
        roles,
        epoch: 1,
        sessions_from: 1,
        version: 1,
        created_at: now,
        updated_at: now,
        last_login_at: None,
        deleted_at: None,
        erased_at: None,
    }))
}

/// Records a sign-in, if the account is still as it was when its password was checked.
pub async fn record_sign_in(tx: &mut Tx, id: UserId, epoch: i64, now: Timestamp) -> Result<bool> {
    let changed = execute!(
        tx,
        "UPDATE users SET last_login_at = $1 WHERE id = $2 AND epoch = $3 AND status = 'active'",
        now,
        id,
        epoch
    )?;
    Ok(changed == 1)
}

/// How many accounts have which status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct StatusCounts {
    /// May be used.
    pub active: i64,
    /// Suspended.
    pub suspended: i64,
    /// Deleted, and not gone yet.
    pub deleted: i64,
}

/// Counts all accounts, which reads each of them: not to be asked for at every request.
pub async fn count_by_status(on: &mut impl Connection) -> Result<StatusCounts> {
    fetch_one!(
        on,
        "SELECT COUNT(*) FILTER (WHERE status = 'active') AS active,
                COUNT(*) FILTER (WHERE status = 'suspended') AS suspended,
                COUNT(*) FILTER (WHERE status = 'deleted') AS deleted FROM users"
    )
}

/// The newest account, whatever its status.
pub(crate) async fn newest_id(on: &mut impl Connection) -> Result<Option<UserId>> {
    let row: Option<Id> = fetch_optional!(on, "SELECT id FROM users ORDER BY id DESC LIMIT 1")?;
    Ok(row.map(|row| row.id))
}

/// Makes every other change of this account wait. Whether there is one.
pub async fn lock(tx: &mut Tx, id: UserId) -> Result<bool> {
    let found = execute!(tx, "UPDATE users SET version = version WHERE id = $1", id)?;
    Ok(found == 1)
}

/// Writes the profile of an account whose row the caller has locked, and counts the change.
pub(crate) async fn set_profile(tx: &mut Tx, id: UserId, profile: &Profile, now: Timestamp) -> Result<()> {
    execute!(
        tx,
        "UPDATE users SET name = $1, locale = $2, bio = $3, timezone = $4, preferences = $5, avatar = $6,
             version = version + 1, updated_at = $7
         WHERE id = $8",
        profile.name.as_ref().map(DisplayName::as_str),
        profile.locale.as_ref().map(Locale::as_str),
        profile.bio.as_ref().map(Bio::as_str),
        profile.timezone.as_ref().map(TimeZoneName::as_str),
        profile.preferences.as_str(),
        profile.avatar.as_ref().map(Avatar::as_stored),
        now,
        id
    )?;
    text::refresh(tx, id).await
}

/// Writes the name of a picture that is kept here, or none, to an account whose row the caller has locked,
/// and counts the change.
pub(crate) async fn set_picture(tx: &mut Tx, id: UserId, picture: Option<PictureId>, now: Timestamp) -> Result<()> {
    execute!(
        tx,
        "UPDATE users SET avatar = $1, version = version + 1, updated_at = $2 WHERE id = $3",
        picture.map(|picture| picture.to_string()),
        now,
        id
    )?;
    Ok(())
}

/// Moves an account from one status to another, where it stays suspended until then, if it is.
/// Whether it was in that status; one that was deleted too long ago, or erased, stays so.
pub(crate) async fn set_status(
    tx: &mut Tx,
    id: UserId,
    from: Status,
    to: Status,
    suspended_until: Option<Timestamp>,
    now: Timestamp,
) -> Result<bool> {
    let changed = execute!(
        tx,
        "UPDATE users SET status = $1, suspended_until = $2, deleted_at = $3, version = version + 1, updated_at = $4
         WHERE id = $5 AND status = $6 AND erased_at IS NULL AND (deleted_at IS NULL OR deleted_at > $7)",
        to.as_str(),
        suspended_until,
        (to == Status::Deleted).then_some(now),
        now,
        id,
        from.as_str(),
        now.plus_seconds(-RETURN_SECONDS)
    )?;
    Ok(changed == 1)
}

#[derive(sqlx::FromRow)]
struct Id {
    id: UserId,
}

/// Accounts whose suspension has ended by now, `limit` of them, the longest over first.
pub(crate) async fn suspended_until(on: &mut impl Connection, now: Timestamp, limit: i64) -> Result<Vec<UserId>> {
    let rows: Vec<Id> = fetch_all!(
        on,
        "SELECT id FROM users WHERE suspended_until <= $1 AND status = 'suspended' ORDER BY suspended_until LIMIT $2",
        now,
        limit
    )?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}

/// Makes an account active whose suspension has ended by now. Whether it was one.
pub(crate) async fn end_suspension(tx: &mut Tx, id: UserId, now: Timestamp) -> Result<bool> {
    let changed = execute!(
        tx,
        "UPDATE users SET status = 'active', suspended_until = NULL, version = version + 1, updated_at = $1
         WHERE id = $2 AND status = 'suspended' AND suspended_until <= $1",
        now,
        id
    )?;
    Ok(changed == 1)
}

#[derive(sqlx::FromRow)]
struct Epoch {
    epoch: i64,
}

/// Raises the epoch: every token of the account is dead. Its sessions go on.
pub(crate) async fn end_tokens(tx: &mut Tx, id: UserId) -> Result<i64> {
    let row: Epoch = fetch_one!(tx, "UPDATE users SET epoch = epoch + 1 WHERE id = $1 RETURNING epoch", id)?;
    Ok(row.epoch)
}

/// Raises the epoch and ends every session begun before.
pub(crate) async fn end_everything(tx: &mut Tx, id: UserId) -> Result<i64> {
    let row: Epoch = fetch_one!(
        tx,
        "UPDATE users SET epoch = epoch + 1, sessions_from = epoch + 1 WHERE id = $1 RETURNING epoch",
        id
    )?;
    Ok(row.epoch)
}
