//! What a message in an inbox says, to whoever reads it now.

use kernel::id::NotificationId;
use kernel::{Timestamp, UserId};
use serde_json::{Map, Value};
use storage::Connection;
use users::{Account, DisplayName, Locale, SaidKey, TimeZoneName};

use super::record::Notification;
use crate::Notify;
use crate::send::VALUES;
use crate::template::{Action, Brief, Facts, Input, RenderError, Template};

/// A message as its owner sees it.
#[derive(Clone, Debug)]
pub struct Shown {
    /// Its id.
    pub id: NotificationId,
    /// What it is for.
    pub category: String,
    /// What it says, by name.
    pub template: String,
    /// What it says in a few words.
    pub title: String,
    /// What it says.
    pub text: String,
    /// Where to go for more.
    pub link: Option<String>,
    /// The words on that.
    pub button: Option<String>,
    /// The language that this is in (BCP 47).
    pub language: String,
    /// When what it tells of happened.
    pub at: Timestamp,
    /// When it was read.
    pub read_at: Option<Timestamp>,
    /// Which of all changes was the last one to it.
    pub(crate) changed: i64,
}

/// Writes a message. What this program has no words for, because another version or another configuration wrote it, is
/// shown as what it is.
pub(super) fn show(notify: &Notify, notification: &Notification, account: &Account, key: Option<&SaidKey>) -> Shown {
    let said = (notification.template.as_str(), notification.data.as_str(), notification.event_at);
    let (brief, link) = match brief(notify, said, account, key) {
        Ok((brief, link)) => (brief, link),
        Err(error) => {
            tracing::warn!(notification = %notification.id, %error, "a message cannot be shown");
            (notify.templates().unreadable(account.locale.as_ref().map(Locale::as_str)), None)
        }
    };
    Shown {
        id: notification.id,
        category: notification.category.clone(),
        template: notification.template.clone(),
        title: brief.title,
        text: brief.text,
        button: link.as_ref().and(brief.button),
        link,
        language: brief.language,
        at: notification.event_at,
        read_at: notification.read_at,
        changed: notification.changed,
    }
}

/// What an application gave the words of a message, sealed for whoever it is said to.
pub(crate) fn values_of(said: &Map<String, Value>, key: Option<&SaidKey>) -> Result<Map<String, Value>, RenderError> {
    let Some(sealed) = said.get(VALUES).and_then(Value::as_str) else { return Ok(Map::new()) };
    let opened = key.and_then(|key| key.open(VALUES, sealed).ok());
    let values = opened.and_then(|text| serde_json::from_str(&text).ok());
    values.ok_or_else(|| RenderError("what the application said does not open".into()))
}

/// What opens what messages say of somebody.
pub(crate) async fn key_of(
    notify: &Notify,
    on: &mut impl Connection,
    user: UserId,
) -> storage::Result<Option<SaidKey>> {
    Ok(notify.users().said_keys(on, &[user]).await?.remove(&user))
}

/// A message of this template, about what the event said and when, in a few words, and where it leads.
pub(crate) fn brief(
    notify: &Notify,
    (template, data, at): (&str, &str, Timestamp),
    account: &Account,
    key: Option<&SaidKey>,
) -> Result<(Brief, Option<String>), RenderError> {
    let settings = notify.settings();
    let template = notify
        .message(template)
        .ok_or_else(|| RenderError(format!("there is no template `{template}` in this program")))?;
    let said: Map<String, Value> =
        serde_json::from_str(data).map_err(|_| RenderError("what the event said cannot be read".into()))?;
    let values = values_of(&said, key)?;
    let link = match (template.action(), template) {
        (Action::Page(page), _) => Some(format!("{}{page}", settings.origin)),
        (Action::Own, Template::Own(own)) => own.link(&settings.origin, &values),
        (Action::Own | Action::Link { .. }, _) => {
            return Err(RenderError("a link that works once is for no inbox".into()));
        }
    };
    // Without where it came from, it still says what happened.
    let device =
        said.get("device").and_then(Value::as_str).zip(key).and_then(|(text, key)| key.open("device", text).ok());
    let brief = notify.templates().brief(&Input {
        template,
        locale: account.locale.as_ref().map(Locale::as_str),
        product: &settings.product,
        origin: &settings.origin,
        name: account.name.as_ref().map(DisplayName::as_str),
        email: account.email.as_str(),
        at,
        zone: account.timezone.as_ref().map(TimeZoneName::as_str),
        link: link.as_deref(),
        code: None,
        expires_at: None,
        facts: Facts {
            device: device.as_deref(),
            count: said.get("failures").and_then(Value::as_i64),
            values: Some(&values),
            ..Facts::default()
        },
        // It stands in the layout of mails alone.
        reference: "",
    })?;
    Ok((brief, link))
}
