//! Accounts that come from elsewhere: read by the same parsers as those of the API, and written many at
//! a time. What they prove themselves with is not known here: `auth` writes that beside it.

use std::collections::{BTreeMap, BTreeSet};

use kernel::{Permissions, Timestamp, UserId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use storage::{Lock, Result, Tx};

use crate::account::{self, USER};
use crate::personal::{self, Sealed};
use crate::{
    Address, Authority, Avatar, Bio, DisplayName, EmailAddress, Locale, Party, PersonalChange, PhoneNumber,
    Preferences, Roles, Status, TimeZoneName, Users, role_record,
};

/// An account as a file has it: nothing of it was looked at.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct RawAccount {
    /// Its id in another Usher.
    pub id: Option<String>,
    /// Its address.
    pub email: Option<String>,
    /// Whether the address was shown to be the owner's.
    pub email_verified: bool,
    /// What its owner calls themselves.
    pub name: Option<String>,
    /// The language its owner reads.
    pub locale: Option<String>,
    /// What its owner writes about themselves.
    pub bio: Option<String>,
    /// Where its owner's clock is.
    pub timezone: Option<String>,
    /// Where its owner's picture is, on another server.
    pub avatar_url: Option<String>,
    /// The text of a JSON object with an application's settings.
    pub preferences: Option<String>,
    /// Its owner's telephone number.
    pub phone_number: Option<String>,
    /// Its owner's postal address.
    pub address: Option<String>,
    /// The attributes of the configuration.
    pub attributes: BTreeMap<String, Value>,
    /// Whether attributes that are not configured are left out, and the row is taken without them.
    pub drops_unknown_attributes: bool,
    /// `active` or `suspended`.
    pub status: Option<String>,
    /// Its roles beside `user`.
    pub roles: Vec<String>,
    /// When it was made.
    pub created_at: Option<Timestamp>,
    /// When it was last changed.
    pub updated_at: Option<Timestamp>,
    /// When somebody last signed in to it.
    pub last_login_at: Option<Timestamp>,
}

/// An account to be written.
pub struct ImportedAccount {
    /// Its id.
    pub id: UserId,
    /// Its address.
    pub email: EmailAddress,
    /// Whether the address was shown to be the owner's.
    pub email_verified: bool,
    /// What its owner calls themselves.
    pub name: Option<DisplayName>,
    /// The language its owner reads.
    pub locale: Option<Locale>,
    pub(crate) bio: Option<Bio>,
    pub(crate) timezone: Option<TimeZoneName>,
    pub(crate) preferences: Preferences,
    pub(crate) avatar: Option<Avatar>,
    pub(crate) personal: Option<Sealed>,
    /// Whether it may be used.
    pub status: Status,
    /// Its roles, `user` included.
    pub roles: Roles,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// When somebody last signed in to it.
    pub last_login_at: Option<Timestamp>,
}

/// Why a row is not taken. It never repeats what the row says: reports are read by more people than files.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {message}")]
pub struct RefusedRow {
    /// Which field.
    pub field: &'static str,
    /// What is wrong with it.
    pub message: String,
}

impl RefusedRow {
    /// Something is wrong with this field.
    pub fn new(field: &'static str, message: impl Into<String>) -> Self {
        Self { field, message: message.into() }
    }
}

impl ImportedAccount {
    /// Reads a row. What is not said about times is now; roles that the command line names come on top.
    pub fn parse(
        users: &Users,
        raw: &RawAccount,
        more_roles: &[String],
        now: Timestamp,
    ) -> std::result::Result<Self, RefusedRow> {
        let email = raw.email.as_deref().filter(|email| !email.trim().is_empty());
        let email = email.ok_or_else(|| RefusedRow::new("email", "The row has none."))?;
        let email = EmailAddress::parse(email).map_err(|error| RefusedRow::new("email", error.to_string()))?;
        let name = given(raw.name.as_deref()).map(DisplayName::parse).transpose();
        let locale = given(raw.locale.as_deref()).map(|tag| Locale::parse(&tag.replace('_', "-")));
        if locale.as_ref().is_some_and(Option::is_none) {
            return Err(RefusedRow::new("locale", "Use a language tag like de or pt-BR."));
        }
        let timezone = given(raw.timezone.as_deref()).map(TimeZoneName::parse);
        if timezone.as_ref().is_some_and(Option::is_none) {
            return Err(RefusedRow::new("timezone", "Use a name like Europe/Paris."));
        }
        let bio = given(raw.bio.as_deref()).map(Bio::parse).transpose();
        let avatar = given(raw.avatar_url.as_deref()).map(Avatar::parse).transpose();
        let status = match raw.status.as_deref() {
            None | Some("active" | "") => Status::Active,
            Some("suspended") => Status::Suspended,
            Some("deleted") => return Err(RefusedRow::new("status", "Deleted accounts are not imported.")),
            Some(_) => return Err(RefusedRow::new("status", "Use active or suspended.")),
        };
        let id = match given(raw.id.as_deref()) {
            Some(id) => id.parse().map_err(|_| RefusedRow::new("id", "Use a UUID, or leave it out."))?,
            None => UserId::new(now),
        };
        let roles: Vec<String> = raw.roles.iter().chain(more_roles).cloned().collect();
        let created_at = moment("created_at", raw.created_at, now)?.unwrap_or(now);
        Ok(Self {
            id,
            email,
            email_verified: raw.email_verified,
            name: name.map_err(|error| RefusedRow::new("name", error.to_string()))?,
            locale: locale.flatten(),
            bio: bio.map_err(|error| RefusedRow::new("bio", error.to_string()))?.flatten(),
            timezone: timezone.flatten(),
            preferences: preferences(raw.preferences.as_deref())?,
            avatar: avatar.map_err(|error| RefusedRow::new("avatar_url", error.to_string()))?,
            personal: personal(users, id, raw)?,
            status,
            roles: Roles::parse(&roles).map_err(|error| RefusedRow::new("roles", error.to_string()))?,
            created_at,
            updated_at: moment("updated_at", raw.updated_at, now)?.unwrap_or(created_at),
            last_login_at: moment("last_login_at", raw.last_login_at, now)?,
        })
    }
}

fn given(text: Option<&str>) -> Option<&str> {
    text.filter(|text| !text.trim().is_empty())
}

fn preferences(text: Option<&str>) -> std::result::Result<Preferences, RefusedRow> {
    let Some(text) = given(text) else { return Ok(Preferences::default()) };
    let raw = serde_json::from_str(text).map_err(|_| RefusedRow::new("preferences", "It is not JSON."))?;
    Preferences::parse(raw).map_err(|error| RefusedRow::new("preferences", error.to_string()))
}

/// Telephone number, address and attributes, sealed for the account that will be.
fn personal(users: &Users, id: UserId, raw: &RawAccount) -> std::result::Result<Option<Sealed>, RefusedRow> {
    let phone_number = given(raw.phone_number.as_deref()).map(PhoneNumber::parse).transpose();
    let address = given(raw.address.as_deref()).map(Address::parse).transpose();
    let known = |name: &String| !raw.drops_unknown_attributes || users.attributes.get(name).is_some();
    let attributes = raw.attributes.iter().filter(|(name, _)| known(name));
    let attributes: BTreeMap<String, Value> = attributes.map(|(name, value)| (name.clone(), value.clone())).collect();
    let attributes = users.attributes.parse(attributes, Party::Officers).map_err(|errors| {
        let error = errors.first().map_or_else(String::new, |error| error.message.to_string());
        RefusedRow::new("attributes", error)
    })?;
    let change = PersonalChange {
        phone_number: phone_number.map_err(|error| RefusedRow::new("phone_number", error.to_string()))?.into(),
        address: address.map_err(|error| RefusedRow::new("address", error.to_string()))?.flatten().into(),
        attributes,
    };
    personal::seal_new(users, id, &change).map_err(|error| RefusedRow::new("attributes", error.to_string()))
}

/// A moment between 1970 and a day from now: clocks differ, and half a day is not worth a refusal.
fn moment(
    field: &'static str,
    at: Option<Timestamp>,
    now: Timestamp,
) -> std::result::Result<Option<Timestamp>, RefusedRow> {
    let possible = |at: &Timestamp| at.unix_micros() >= 0 && *at <= now.plus_seconds(86_400);
    match at {
        Some(at) if !possible(&at) => Err(RefusedRow::new(field, "Use a moment that has been, since 1970.")),
        at => Ok(at),
    }
}

/// What is said of a role that a row wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoleVerdict {
    /// It may be given.
    Fine,
    /// There is no such role.
    Unknown,
    /// Whoever imports may not give it.
    Beyond,
    /// It comes to everything.
    Everything,
}

/// What each of these roles comes to for whoever imports. Asked in the transaction that writes them.
pub async fn judge_roles(
    tx: &mut Tx,
    authority: Authority,
    roles: BTreeSet<String>,
) -> Result<BTreeMap<String, RoleVerdict>> {
    let mine = authority.standing(tx).await?;
    let book = role_record::book(tx).await?;
    let judge = |role: &str| {
        let theirs = book.permissions_of([role]);
        match (book.contains(role), theirs) {
            (false, _) => RoleVerdict::Unknown,
            (true, _) if !mine.may_hand(&book, role) => RoleVerdict::Beyond,
            (true, Permissions::Everything) => RoleVerdict::Everything,
            (true, _) => RoleVerdict::Fine,
        }
    };
    let judged = roles.into_iter().map(|role| {
        let verdict = judge(&role);
        (role, verdict)
    });
    Ok(judged.collect())
}

/// Makes these accounts with their roles, each unless its address or its id is taken; says of each
/// whether it was made.
pub async fn insert_imported(tx: &mut Tx, rows: &[ImportedAccount], now: Timestamp) -> Result<Vec<bool>> {
    let made = account::insert_many(tx, rows).await?;
    // Rows first, then the lock: everybody takes them in this order. A role that was deleted since it was
    // judged is given to nobody, and none is deleted until these are committed.
    tx.hold(Lock::Roles).await?;
    let book = role_record::book(tx).await?;
    let mut granted = Vec::with_capacity(rows.len());
    for (row, _) in rows.iter().zip(&made).filter(|(_, made)| **made) {
        granted.extend(row.roles.names().filter(|role| book.contains(role)).map(|role| (row.id, role)));
    }
    account::insert_roles(tx, &granted, now).await?;
    let made_rows = rows.iter().zip(&made).filter(|(_, made)| **made);
    let sealed: Vec<(UserId, &Sealed)> =
        made_rows.filter_map(|(row, _)| row.personal.as_ref().map(|sealed| (row.id, sealed))).collect();
    personal::record::insert_many(tx, &sealed, now).await?;
    Ok(made)
}

impl ImportedAccount {
    /// The roles that it wants beside `user`, which everybody has.
    pub fn special_roles(&self) -> impl Iterator<Item = &str> {
        self.roles.names().filter(|role| *role != USER)
    }

    /// Takes a role away again.
    pub fn drop_roles(&mut self, dropped: impl Fn(&str) -> bool) {
        let kept: Vec<String> = self.roles.names().filter(|role| !dropped(role)).map(str::to_owned).collect();
        // What was among valid roles is valid.
        if let Ok(roles) = Roles::parse(&kept) {
            self.roles = roles;
        }
    }
}
