//! What a message in an inbox says, to whoever reads it now.

use kernel::Timestamp;
use kernel::id::NotificationId;
use serde_json::{Map, Value};
use users::{Account, DisplayName, Locale, TimeZoneName};

use super::record::Notification;
use crate::Notify;
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
pub(super) fn show(notify: &Notify, notification: &Notification, account: &Account) -> Shown {
    let (brief, link) = match write(notify, notification, account) {
        Ok((brief, link)) => (brief, Some(link)),
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

fn write(notify: &Notify, notification: &Notification, account: &Account) -> Result<(Brief, String), RenderError> {
    let settings = notify.settings();
    let template = Template::parse(&notification.template)
        .ok_or_else(|| RenderError(format!("there is no template `{}` in this program", notification.template)))?;
    let link = match template.action() {
        Action::Page(page) => format!("{}{page}", settings.origin),
        Action::Link { .. } => return Err(RenderError("a link that works once is for no inbox".into())),
    };
    let said: Map<String, Value> = serde_json::from_str(&notification.data)
        .map_err(|_| RenderError("what the event said cannot be read".into()))?;
    let brief = notify.templates().brief(&Input {
        template,
        locale: account.locale.as_ref().map(Locale::as_str),
        product: &settings.product,
        origin: &settings.origin,
        name: account.name.as_ref().map(DisplayName::as_str),
        email: account.email.as_str(),
        at: notification.event_at,
        zone: account.timezone.as_ref().map(TimeZoneName::as_str),
        link: Some(&link),
        code: None,
        expires_at: None,
        facts: Facts {
            // It is sealed, and stands among the facts of mails.
            device: None,
            other_email: None,
            count: said.get("failures").and_then(Value::as_i64),
        },
        // It stands in the layout of mails alone.
        reference: "",
    })?;
    Ok((brief, link))
}
