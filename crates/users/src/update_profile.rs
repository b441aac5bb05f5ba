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
    /// The value to be, if there is one.
    pub(crate) const fn value(&self) -> Option<&T> {
        match self {
            Self::Keep | Self::Clear => None,
            Self::Set(value) => Some(value),
        }
    }

    /// Whether it leaves a field that holds `current` as it is.
    fn keeps(&self, current: Option<&T>) -> bool
    where
        T: PartialEq,
    {
        *self == Self::Keep || self.value() == current
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
    if expected.is_some_and(|expected| expected != current.version) {
        return Err(UpdateProfileError::Stale);
    }
    let fields =
        [("name", change.name.keeps(current.name.as_ref())), ("locale", change.locale.keeps(current.locale.as_ref()))];
    let changed: Vec<&str> = fields.into_iter().filter(|(_, kept)| !kept).map(|(field, _)| field).collect();
    if changed.is_empty() {
        tx.commit().await?;
        return Ok(current);
    }
    if !account::set_profile(&mut tx, user, &change.name, &change.locale, expected, now).await? {
        return Err(UpdateProfileError::Stale);
    }
    let updated = account::find(&mut tx, user).await?.ok_or(UpdateProfileError::NotFound)?;
    // The event names the fields, not what was written there: that is personal.
    tx.append(Event::new(Kind::ProfileUpdated, now).by(user).with("fields", changed));
    tx.commit().await?;
    Ok(updated)
}
