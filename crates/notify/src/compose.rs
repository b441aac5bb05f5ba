//! From a delivery to the message that is handed over: who it is for, in which language, and what it says.

use kernel::Timestamp;
use serde_json::{Map, Value};
use users::{Account, DisplayName, Locale, TimeZoneName};

use crate::channel::Rendered;
use crate::delivery::Claimed;
use crate::email;
use crate::template::{Action, Facts, Input, RenderError, Template};
use crate::{Category, Notify};

/// There is no message.
#[derive(Debug)]
pub(crate) enum ComposeError {
    /// Nobody is to be told any more, and why.
    Dropped(&'static str),
    /// It cannot be written: our own failure.
    Ours(String),
    /// The database failed.
    Storage(storage::Error),
}

impl From<storage::Error> for ComposeError {
    fn from(error: storage::Error) -> Self {
        Self::Storage(error)
    }
}

impl From<RenderError> for ComposeError {
    fn from(error: RenderError) -> Self {
        Self::Ours(error.0)
    }
}

/// What the event said.
struct Said(Map<String, Value>);

impl Said {
    fn read(text: &str) -> Result<Self, ComposeError> {
        serde_json::from_str(text)
            .map(Self)
            .map_err(|_| ComposeError::Ours("what the event said cannot be read".into()))
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(Value::as_str)
    }

    fn number(&self, name: &str) -> Option<i64> {
        self.0.get(name).and_then(Value::as_i64)
    }

    fn moment(&self, name: &str) -> Option<Timestamp> {
        serde_json::from_value(self.0.get(name)?.clone()).ok()
    }
}

/// Writes the message of a delivery.
pub(crate) async fn compose(notify: &Notify, claimed: &Claimed) -> Result<Rendered, ComposeError> {
    let template = Template::parse(&claimed.template)
        .ok_or_else(|| ComposeError::Ours(format!("there is no template `{}` in this program", claimed.template)))?;
    let category = Category::parse(&claimed.category)
        .ok_or_else(|| ComposeError::Ours(format!("there is no category `{}` in this program", claimed.category)))?;
    let said = Said::read(&claimed.data)?;
    let account = users::account::find(&mut notify.db().read().await?, claimed.user_id).await?;
    let account = account.ok_or(ComposeError::Dropped("the account is gone"))?;
    if account.erased_at.is_some() {
        return Err(ComposeError::Dropped("the account was erased"));
    }
    let expires_at = said.moment("expires_at");
    if expires_at.is_some_and(|end| end <= notify.users().clock.now()) {
        return Err(ComposeError::Dropped("what it leads to had expired before it could be sent"));
    }
    write(notify, claimed, &said, &account, template, category)
}

fn write(
    notify: &Notify,
    claimed: &Claimed,
    said: &Said,
    account: &Account,
    template: Template,
    category: Category,
) -> Result<Rendered, ComposeError> {
    let settings = notify.settings();
    let link = match template.action() {
        Action::Page(page) => format!("{}{page}", settings.origin),
        Action::Link { .. } => return Err(ComposeError::Ours("no event names this link".into())),
    };
    let name = account.name.as_ref().map(DisplayName::as_str);
    let written = notify.templates().write(&Input {
        template,
        // What the account says, or else what the request knew.
        locale: account.locale.as_ref().map(Locale::as_str).or_else(|| said.text("locale")),
        product: &settings.product,
        origin: &settings.origin,
        name,
        email: account.email.as_str(),
        at: claimed.event_at,
        zone: account.timezone.as_ref().map(TimeZoneName::as_str),
        link: Some(&link),
        code: None,
        expires_at: said.moment("expires_at"),
        facts: Facts { device: said.text("device"), other_email: None, count: said.number("failures") },
        reference: &reference(claimed),
    })?;
    Ok(Rendered {
        delivery: claimed.id,
        user: claimed.user_id,
        template,
        category,
        address: email::address(account.email.as_str(), account.email.canonical()),
        name: name.map(str::to_owned),
        language: written.language,
        subject: written.subject,
        preview: written.preview,
        html: written.html,
        text: written.text,
        link: Some(link),
        message_id: claimed.message_id.clone().unwrap_or_else(|| settings.message_id(claimed.id)),
        at: claimed.event_at,
    })
}

/// What people can quote: the last digits of the event's id, which the history of the account shows.
fn reference(claimed: &Claimed) -> String {
    let text = claimed.event_id.to_string().to_uppercase();
    let digits: String = text.chars().rev().filter(char::is_ascii_hexdigit).take(8).collect();
    let digits: Vec<char> = digits.chars().rev().collect();
    format!("{}-{}", digits[..4].iter().collect::<String>(), digits[4..].iter().collect::<String>())
}
