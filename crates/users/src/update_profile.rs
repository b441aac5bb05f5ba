//! A person changes their own profile.

use kernel::{Event, Kind, UserId};

use crate::{Account, DisplayName, Locale, Status, Users, account};

/// What to do with one field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Change<T> {
    /// Leave it as it is.
    #[default]
    Keep,
    /// Make it empty.
    Clear,
    /// Make it this.
    Set(T),
}

impl<T> Change<T> {
    /// The new value, if the field changes.
    #[expect(clippy::option_option, reason = "outside: does it change; inside: is it empty then")]
    fn value(&self) -> Option<Option<&T>> {
        match self {
            Self::Keep => None,
            Self::Clear => Some(None),
            Self::Set(value) => Some(Some(value)),
        }
    }

    /// The same change with the value read as something stricter.
    pub fn try_map<U, E>(self, read: impl FnOnce(T) -> Result<U, E>) -> Result<Change<U>, E> {
        Ok(match self {
            Self::Keep => Change::Keep,
            Self::Clear => Change::Clear,
            Self::Set(value) => Change::Set(read(value)?),
        })
    }
}

impl<T> From<Option<T>> for Change<T> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Clear, Self::Set)
    }
}

/// What to change.
#[derive(Clone, Debug, Default)]
pub struct ProfileChange {
    /// The name to show.
    pub name: Change<DisplayName>,
    /// The language to read.
    pub locale: Change<Locale>,
}

/// The profile was not changed.
#[derive(Debug, thiserror::Error)]
pub enum UpdateProfileError {
    /// Somebody else changed it in between.
    #[error("the account has changed since it was read")]
    Stale,
    /// There is no such account, or it may not be used.
    #[error("no such account")]
    NotFound,
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] storage::Error),
}

/// Changes the profile; with `expected` (from `If-Match`) only if that is still its version.
pub async fn update_profile(
    users: &Users,
    user: UserId,
    change: ProfileChange,
    expected: Option<i64>,
) -> Result<Account, UpdateProfileError> {
    let now = users.clock.now();
    let mut tx = users.db.begin().await?;
    let current = account::find(&mut tx, user).await?.ok_or(UpdateProfileError::NotFound)?;
    if current.status != Status::Active {
        return Err(UpdateProfileError::NotFound);
    }
    let mut version = current.version;
    if expected.is_some_and(|expected| expected != version) {
        return Err(UpdateProfileError::Stale);
    }
    let mut changed = Vec::new();
    if let Some(name) = change.name.value() {
        if !account::set_name(&mut tx, user, name, version, now).await? {
            return Err(UpdateProfileError::Stale);
        }
        version += 1;
        changed.push("name");
    }
    if let Some(locale) = change.locale.value() {
        if !account::set_locale(&mut tx, user, locale, version, now).await? {
            return Err(UpdateProfileError::Stale);
        }
        changed.push("locale");
    }
    if changed.is_empty() {
        return Ok(current);
    }
    let updated = account::find(&mut tx, user).await?.ok_or(UpdateProfileError::NotFound)?;
    // The event names the fields, not what was written there: that is personal.
    tx.append(Event::new(Kind::ProfileUpdated, now).by(user).with("fields", changed));
    tx.commit().await?;
    Ok(updated)
}
