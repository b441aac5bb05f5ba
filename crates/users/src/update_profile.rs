//! A person changes their own profile.

use kernel::{Event, Kind, Timestamp, UserId};
use storage::Tx;

use crate::account::Profile;
use crate::{
    Account, Avatar, Bio, DisplayName, Locale, PersonalChange, PersonalDataError, Preferences, Status, TimeZoneName,
    Users, account, avatar, personal,
};

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

    /// What a field that holds `current` is to hold.
    pub(crate) fn applied_to(&self, current: Option<&T>) -> Option<T>
    where
        T: Clone,
    {
        match self {
            Self::Keep => current.cloned(),
            Self::Clear => None,
            Self::Set(value) => Some(value.clone()),
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
    /// What somebody writes about themselves.
    pub bio: Change<Bio>,
    /// Where their clock is.
    pub timezone: Change<TimeZoneName>,
    /// An application's settings for them.
    pub preferences: Change<Preferences>,
    /// Their picture on somebody else's server.
    pub avatar: Change<Avatar>,
    /// What of them is kept encrypted.
    pub personal: PersonalChange,
}

impl ProfileChange {
    /// The profile as it is to be, and the names of the fields that differ.
    pub(crate) fn applied_to(&self, before: &Profile) -> (Profile, Vec<String>) {
        let after = Profile {
            name: self.name.applied_to(before.name.as_ref()),
            locale: self.locale.applied_to(before.locale.as_ref()),
            bio: self.bio.applied_to(before.bio.as_ref()),
            timezone: self.timezone.applied_to(before.timezone.as_ref()),
            preferences: self.preferences.applied_to(Some(&before.preferences)).unwrap_or_default(),
            avatar: self.avatar.applied_to(before.avatar.as_ref()),
        };
        let differs = [
            ("name", after.name != before.name),
            ("locale", after.locale != before.locale),
            ("bio", after.bio != before.bio),
            ("timezone", after.timezone != before.timezone),
            ("preferences", after.preferences != before.preferences),
            ("avatar_url", after.avatar != before.avatar),
        ];
        let fields = differs.into_iter().filter(|(_, differs)| *differs).map(|(field, _)| field.to_owned()).collect();
        (after, fields)
    }
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
    /// What is stored does not open.
    #[error(transparent)]
    Personal(#[from] PersonalDataError),
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
    account::lock(&mut tx, user).await?;
    let current = account::find(&mut tx, user).await?.ok_or(UpdateProfileError::NotFound)?;
    if current.status != Status::Active {
        return Err(UpdateProfileError::NotFound);
    }
    if expected.is_some_and(|expected| expected != current.version) {
        return Err(UpdateProfileError::Stale);
    }
    let changed = change_locked(users, &mut tx, &current, &change, now).await?;
    if changed.is_empty() {
        return Ok(current);
    }
    let updated = account::find(&mut tx, user).await?.ok_or(UpdateProfileError::NotFound)?;
    // The event names the fields, not what was written there: that is personal.
    tx.append(Event::new(Kind::ProfileUpdated, now).by(user).with("fields", changed));
    tx.commit().await?;
    Ok(updated)
}

/// Writes what differs to an account whose row is locked and which is `current`. The names of what did.
pub(crate) async fn change_locked(
    users: &Users,
    tx: &mut Tx,
    current: &Account,
    change: &ProfileChange,
    now: Timestamp,
) -> Result<Vec<String>, PersonalDataError> {
    let (after, mut fields) = change.applied_to(&current.profile());
    fields.extend(personal::apply(users, tx, current.id, &change.personal, now).await?);
    if after.avatar != current.avatar {
        avatar::release_all(tx, current.id, now).await?;
    }
    if !fields.is_empty() {
        account::set_profile(tx, current.id, &after, now).await?;
    }
    Ok(fields)
}
