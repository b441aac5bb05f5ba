//! Choosing what one wants to hear.

use kernel::{Event, Kind, UserId};
use users::account;

use super::{Digest, Preferences, QuietHours, clock, record};
use crate::{ChannelName, Notify, delivery, digest};

/// One choice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The name of the category.
    pub category: String,
    /// On which channel.
    pub channel: ChannelName,
    /// Whether it is wanted there.
    pub wanted: bool,
}

/// All that somebody chooses: what is not named is as it is for everybody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PreferencesChange {
    /// What they want where.
    pub choices: Vec<Choice>,
    /// When they want to be left alone.
    pub quiet: Option<QuietHours>,
    /// Whether what can wait comes together.
    pub digest: Digest,
    /// At which hour of their clock, 0 to 23.
    pub digest_hour: i8,
}

/// Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangePreferencesError {
    /// There is no category of this name.
    #[error("there is no category `{0}`")]
    UnknownCategory(String),
    /// Nobody can switch this off.
    #[error("`{0}` cannot be switched off there")]
    AlwaysOn(String, ChannelName),
    /// There is no such account.
    #[error("there is no such account")]
    Gone,
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] storage::Error),
}

/// Chooses, in the place of all that was chosen before. What waits for a digest that is not to come any more comes at
/// once, and else when the next one does.
pub async fn change_preferences(
    notify: &Notify,
    user: UserId,
    change: PreferencesChange,
) -> Result<Preferences, ChangePreferencesError> {
    let categories = &notify.settings().categories;
    let mut wanted = Preferences {
        choices: std::collections::BTreeMap::new(),
        quiet: change.quiet,
        digest: change.digest,
        digest_hour: change.digest_hour.clamp(0, 23),
    };
    for Choice { category, channel, wanted: is_wanted } in change.choices {
        let offered =
            categories.find(&category).ok_or_else(|| ChangePreferencesError::UnknownCategory(category.clone()))?;
        if offered.is_always_on(channel) && !is_wanted {
            return Err(ChangePreferencesError::AlwaysOn(category, channel));
        }
        // What is as it is for everybody is no choice: it follows when an operator changes that.
        if offered.by_default(channel) != is_wanted {
            wanted.choices.entry(category).or_default().insert(channel.as_str().to_owned(), is_wanted);
        }
    }
    change_in(notify, user, |_| wanted).await
}

/// Changes what somebody has chosen.
pub(super) async fn change_in(
    notify: &Notify,
    user: UserId,
    change: impl FnOnce(&Preferences) -> Preferences,
) -> Result<Preferences, ChangePreferencesError> {
    let now = notify.users().clock.now();
    let mut tx = notify.db().begin().await?;
    if !account::lock(&mut tx, user).await? {
        return Err(ChangePreferencesError::Gone);
    }
    let account = account::find(&mut tx, user).await?.filter(|account| account.erased_at.is_none());
    let account = account.ok_or(ChangePreferencesError::Gone)?;
    let before = record::find(&mut tx, user).await?.unwrap_or_default();
    let after = change(&before);
    if after == before {
        return Ok(after);
    }
    record::put(&mut tx, user, &after, now).await?;
    if (after.digest, after.digest_hour) != (before.digest, before.digest_hour) {
        let due = after.digest.next(after.digest_hour, now, &clock(notify, &account)).unwrap_or(now);
        digest::record::come_at(&mut tx, user, due).await?;
    }
    let released = if before.quiet == after.quiet { 0 } else { delivery::come_now(&mut tx, user, now).await? };
    let event = Event::new(Kind::NotificationPreferencesChanged, now).by(user);
    tx.append(event.with("changed", changed(&before, &after)));
    tx.commit().await?;
    if released > 0 {
        // When each of them goes is asked once more when it is sent.
        notify.wake();
    }
    Ok(after)
}

/// What is another than before, by name.
fn changed(before: &Preferences, after: &Preferences) -> Vec<String> {
    let pairs = |preferences: &Preferences| -> Vec<(String, bool)> {
        let of = |(category, channels): (&String, &std::collections::BTreeMap<String, bool>)| {
            channels.iter().map(|(channel, wanted)| (format!("{category}.{channel}"), *wanted)).collect::<Vec<_>>()
        };
        preferences.choices.iter().flat_map(of).collect()
    };
    let (old, new) = (pairs(before), pairs(after));
    let mut names: Vec<String> = old
        .iter()
        .filter(|pair| !new.contains(pair))
        .chain(new.iter().filter(|pair| !old.contains(pair)))
        .map(|(name, _)| name.clone())
        .collect();
    if before.quiet != after.quiet {
        names.push("quiet_hours".to_owned());
    }
    if (before.digest, before.digest_hour) != (after.digest, after.digest_hour) {
        names.push("digest".to_owned());
    }
    names.sort();
    names.dedup();
    names
}
