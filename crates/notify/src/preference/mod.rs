//! What somebody wants to hear, where and when: categories and channels, quiet hours, a digest.
//!
//! `record` has the row of whoever has chosen something; for everybody else it is as the configuration says. `change` is
//! how they choose, `unsubscribe` how they do it from a mail, without signing in. `quiet` reckons by their clock. What is
//! wanted is asked when a message is planned and once more when it is sent.

mod change;
mod quiet;
pub(crate) mod record;
mod unsubscribe;

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use kernel::{Timestamp, UserId};
use storage::Connection;
use users::{Account, TimeZoneName};

pub use change::{ChangePreferencesError, Choice, PreferencesChange, change_preferences};
pub use quiet::{Digest, InvalidQuietHours, QuietHours};
pub(crate) use unsubscribe::{Topic, address as unsubscribe_address};
pub use unsubscribe::{Unsubscribing, unsubscribe};

use crate::category::Categories;
use crate::template::Action;
use crate::{Category, ChannelName, Notify, Template};

/// At which hour a digest comes to whoever has not said.
pub const DIGEST_HOUR: i8 = 8;

/// What somebody has chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preferences {
    /// By category and channel, what differs from what holds for everybody.
    pub(crate) choices: BTreeMap<String, BTreeMap<String, bool>>,
    /// When they want to be left alone.
    pub quiet: Option<QuietHours>,
    /// Whether what can wait comes together.
    pub digest: Digest,
    /// At which hour of their clock.
    pub digest_hour: i8,
}

impl Default for Preferences {
    fn default() -> Self {
        Self { choices: BTreeMap::new(), quiet: None, digest: Digest::Off, digest_hour: DIGEST_HOUR }
    }
}

/// When a mail goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    /// At once.
    Now,
    /// Not before this moment: they want to be left alone.
    At(Timestamp),
    /// With others, at this moment.
    Together(Timestamp),
    /// Not at all: they have switched it off.
    Never,
}

impl Preferences {
    /// Whether they want this category on this channel.
    pub fn wants(&self, categories: &Categories, category: Category, channel: ChannelName) -> bool {
        let offered = categories.of(category);
        let chosen = self.choices.get(category.as_str()).and_then(|channels| channels.get(channel.as_str()));
        offered.is_always_on(channel) || chosen.copied().unwrap_or_else(|| offered.by_default(channel))
    }

    /// When a mail goes that is written now. A link that somebody has asked for always goes, and at once.
    pub(crate) fn when(
        &self,
        categories: &Categories,
        (template, category): (Template, Category),
        now: Timestamp,
        zone: &TimeZone,
    ) -> When {
        if matches!(template.action(), Action::Link { .. }) {
            return When::Now;
        }
        if !self.wants(categories, category, ChannelName::Email) {
            return When::Never;
        }
        if categories.of(category).digest
            && let Some(at) = self.digest.next(self.digest_hour, now, zone)
        {
            return When::Together(at);
        }
        match self.quiet_until(category, now, zone) {
            Some(end) => When::At(end),
            None => When::Now,
        }
    }

    /// When something goes to their devices that is planned now; nothing if they do not want it there.
    pub(crate) fn push_at(
        &self,
        categories: &Categories,
        category: Category,
        now: Timestamp,
        zone: &TimeZone,
    ) -> Option<Timestamp> {
        let wanted = self.wants(categories, category, ChannelName::Push);
        wanted.then(|| self.quiet_until(category, now, zone).unwrap_or(now))
    }

    /// Until when something of this category waits, if it does now.
    pub(crate) fn quiet_until(&self, category: Category, now: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        self.quiet.filter(|_| category.can_wait()).and_then(|quiet| quiet.until(now, zone))
    }

    /// Whether it matters what their clock shows.
    fn need_a_clock(&self) -> bool {
        self.quiet.is_some() || self.digest != Digest::Off
    }
}

/// The clock of an account.
pub(crate) fn clock(notify: &Notify, account: &Account) -> TimeZone {
    let named = account.timezone.as_ref().map(TimeZoneName::as_str);
    quiet::zone(Some(named.unwrap_or(&notify.settings().timezone)))
}

/// What these people have chosen, each with their clock where it matters. Who has chosen nothing is not in the answer.
pub(crate) async fn of_many(
    notify: &Notify,
    on: &mut impl Connection,
    people: &[UserId],
) -> storage::Result<BTreeMap<UserId, (Preferences, TimeZone)>> {
    let found = record::find_many(on, people).await?;
    let clocks: Vec<UserId> =
        found.iter().filter(|(_, preferences)| preferences.need_a_clock()).map(|(user, _)| *user).collect();
    let accounts = if clocks.is_empty() { Vec::new() } else { users::account::find_many(on, &clocks).await? };
    let zone = |user: UserId| match accounts.binary_search_by_key(&user, |account| account.id) {
        Ok(at) => clock(notify, &accounts[at]),
        Err(_) => TimeZone::UTC,
    };
    Ok(found.into_iter().map(|(user, preferences)| (user, (preferences, zone(user)))).collect())
}

/// What somebody has chosen.
pub async fn preferences(notify: &Notify, user: UserId) -> storage::Result<Preferences> {
    Ok(record::find(&mut notify.db().read().await?, user).await?.unwrap_or_default())
}
