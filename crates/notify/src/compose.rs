//! From a delivery to the message that is handed over: who it is for, in which language, and what it says.

use kernel::Timestamp;
use kernel::id::LinkId;
use serde_json::{Map, Value};
use storage::Connection;
use users::link::{Bond, CODE_SECONDS, Purpose};
use users::{Account, DisplayName, EmailAddress, Locale, PersonalDataError, Status, TimeZoneName};

use crate::channel::{ChannelName, Rendered};
use crate::delivery::Claimed;
use crate::digest::{self, Contents};
use crate::email;
use crate::in_app;
use crate::preference::{self, Preferences, Topic};
use crate::template::{Action, Facts, Input, RenderError, Template};
use crate::{Category, Notify};

/// Why something is not sent that its recipient does not want.
pub(crate) const NOT_WANTED: &str = "its recipient has switched this off";

/// There is no message.
#[derive(Debug)]
pub(crate) enum ComposeError {
    /// Nobody is to be told any more, and why.
    Dropped(&'static str),
    /// Its recipient wants to be left alone until then.
    Held(Timestamp),
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
pub(crate) async fn compose(
    notify: &Notify,
    claimed: &Claimed,
    channel: ChannelName,
) -> Result<Rendered, ComposeError> {
    let template = notify
        .message(&claimed.template)
        .ok_or_else(|| ComposeError::Ours(format!("there is no template `{}` in this program", claimed.template)))?;
    let category =
        notify.settings().categories.find(&claimed.category).map(|offered| offered.category).ok_or_else(|| {
            ComposeError::Ours(format!("there is no category `{}` in this program", claimed.category))
        })?;
    let said = Said::read(&claimed.data)?;
    let mut read = notify.db().read().await?;
    let account = users::account::find(&mut read, claimed.user_id).await?;
    let account = account.ok_or(ComposeError::Dropped("the account is gone"))?;
    if account.erased_at.is_some() {
        return Err(ComposeError::Dropped("the account was erased"));
    }
    if matches!(template.action(), Action::Link { .. }) && account.status != Status::Active {
        return Err(ComposeError::Dropped("the link in it would lead nowhere: the account is not active"));
    }
    let expires_at = until(&said, template);
    if expires_at.is_some_and(|end| end <= notify.users().clock.now()) {
        return Err(ComposeError::Dropped("what it leads to had expired before it could be sent"));
    }
    let preferences = preference::record::find(&mut read, account.id).await?.unwrap_or_default();
    ask(notify, (template, category, channel), &preferences, &account)?;
    let digest = match template {
        Template::Digest => Some(digest::contents(notify, &mut read, claimed.id, (&account, &preferences)).await?),
        _ => None,
    };
    let other = other_address(notify, &mut read, &said, &account, template).await?;
    let device = device(notify, &mut read, &said, &account).await?;
    let values = match template {
        Template::Own(_) => {
            let key = in_app::key_of(notify, &mut read, account.id).await?;
            in_app::values_of(&said.0, key.as_ref())?
        }
        _ => Map::new(),
    };
    drop(read);
    let door = match template {
        Template::Own(own) => Door { link: own.link(&notify.settings().origin, &values), code: None },
        _ => door(notify, claimed, &said, &account, (template, other.as_ref()))?,
    };
    write(notify, claimed, &said, &account, Message { template, category, other, device, digest, values, door })
}

/// Where the event says that it came from, if it does. A message without it is better than none.
async fn device(
    notify: &Notify,
    on: &mut impl Connection,
    said: &Said,
    account: &Account,
) -> storage::Result<Option<String>> {
    let Some(sealed) = said.text("device") else { return Ok(None) };
    match notify.users().open_said(on, account.id, "device", sealed).await {
        Ok(device) => Ok(device),
        Err(PersonalDataError::Storage(error)) => Err(error),
        Err(PersonalDataError::Unsealable(error)) => {
            tracing::error!(%error, "where an event came from cannot be read");
            Ok(None)
        }
    }
}

/// Until when the link in a message works, if it has one. Others may tell of the same event.
fn until(said: &Said, template: Template) -> Option<Timestamp> {
    matches!(template.action(), Action::Link { .. }).then(|| said.moment("expires_at")).flatten()
}

/// Asks once more whether it is wanted, and now: they may have chosen otherwise since it was planned.
fn ask(
    notify: &Notify,
    (template, category, channel): (Template, Category, ChannelName),
    preferences: &Preferences,
    account: &Account,
) -> Result<(), ComposeError> {
    if matches!(template.action(), Action::Link { .. }) {
        return Ok(());
    }
    // What a digest tells is asked about one by one.
    let wanted = template == Template::Digest || preferences.wants(&notify.settings().categories, category, channel);
    if !wanted {
        return Err(ComposeError::Dropped(NOT_WANTED));
    }
    let now = notify.users().clock.now();
    match preferences.quiet_until(category, now, &preference::clock(notify, account)) {
        Some(until) => Err(ComposeError::Held(until)),
        None => Ok(()),
    }
}

/// The address that a message is about and goes to, where that is not the account's.
async fn other_address(
    notify: &Notify,
    on: &mut impl Connection,
    said: &Said,
    account: &Account,
    template: Template,
) -> Result<Option<EmailAddress>, ComposeError> {
    let Some(name) = template.other_address() else { return Ok(None) };
    let sealed = said.text(name).ok_or(ComposeError::Dropped("the event does not say to which address"))?;
    let opened = match notify.users().open_said(on, account.id, name, sealed).await {
        Ok(opened) => opened.ok_or(ComposeError::Dropped("the account was erased"))?,
        Err(PersonalDataError::Storage(error)) => return Err(error.into()),
        Err(PersonalDataError::Unsealable(error)) => return Err(ComposeError::Ours(error.to_string())),
    };
    let parsed = EmailAddress::parse(&opened);
    parsed.map(Some).map_err(|_| ComposeError::Ours("what the event has for an address is none".into()))
}

/// Where the button of a message leads, and what can be typed instead.
struct Door {
    link: Option<String>,
    code: Option<(String, Timestamp)>,
}

/// What the links in messages are for.
const fn purpose_of(template: Template) -> Option<Purpose> {
    match template {
        Template::VerifyEmail => Some(Purpose::VerifyEmail),
        Template::ResetPassword => Some(Purpose::ResetPassword),
        Template::ChangeEmail => Some(Purpose::ChangeEmail),
        Template::Invitation => Some(Purpose::Invitation),
        Template::SignInLink => Some(Purpose::SignIn),
        _ => None,
    }
}

/// Derives link and code anew at every try: they are the same, and stand in no row.
fn door(
    notify: &Notify,
    claimed: &Claimed,
    said: &Said,
    account: &Account,
    (template, other): (Template, Option<&EmailAddress>),
) -> Result<Door, ComposeError> {
    let origin = &notify.settings().origin;
    let has_code = match template.action() {
        Action::Page(page) => return Ok(Door { link: Some(format!("{origin}{page}")), code: None }),
        Action::Own => return Err(ComposeError::Ours("an application says where its own button leads".into())),
        Action::Link { code } => code,
    };
    let id: Option<LinkId> = said.text("link").and_then(|id| id.parse().ok());
    let (purpose, id) =
        purpose_of(template).zip(id).ok_or_else(|| ComposeError::Ours("no event names this link".into()))?;
    let bond = Bond {
        id,
        purpose,
        user: account.id,
        address: account.email.canonical(),
        other: other.map_or("", EmailAddress::as_str),
    };
    let links = &notify.users().links;
    let until = claimed.event_at.plus_seconds(CODE_SECONDS);
    let code = (has_code && notify.users().clock.now() < until).then(|| {
        let digits = links.code(&bond);
        (format!("{} {}", &digits[..3], &digits[3..]), until)
    });
    Ok(Door { link: Some(format!("{origin}{}?token={}", purpose.page(), links.token(&bond))), code })
}

/// What is to be written.
struct Message {
    template: Template,
    category: Category,
    other: Option<EmailAddress>,
    device: Option<String>,
    digest: Option<Contents>,
    values: Map<String, Value>,
    door: Door,
}

fn write(
    notify: &Notify,
    claimed: &Claimed,
    said: &Said,
    account: &Account,
    Message { template, category, other, device, digest, values, door }: Message,
) -> Result<Rendered, ComposeError> {
    let settings = notify.settings();
    let name = account.name.as_ref().map(DisplayName::as_str);
    let topic = match template {
        Template::Digest => Some(Topic::Digest),
        _ => category.can_wait().then_some(Topic::Category(category)),
    };
    let unsubscribe = topic.map(|topic| preference::unsubscribe_address(notify, account.id, topic));
    let count = digest.as_ref().map(|digest| digest.count).or_else(|| said.number("failures"));
    let addressee = other.as_ref().unwrap_or(&account.email);
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
        link: door.link.as_deref(),
        code: door.code.as_ref().map(|(code, until)| (code.as_str(), *until)),
        expires_at: until(said, template),
        facts: Facts {
            device: device.as_deref(),
            other_email: other.as_ref().map(EmailAddress::as_str),
            count,
            entries: digest.as_ref().map_or(&[], |digest| digest.entries.as_slice()),
            unsubscribe: unsubscribe.as_deref(),
            values: Some(&values),
        },
        reference: &reference(claimed),
    })?;
    Ok(Rendered {
        delivery: claimed.id,
        user: claimed.user_id,
        template,
        category,
        address: email::address(addressee.as_str(), addressee.canonical()),
        name: name.map(str::to_owned),
        language: written.language,
        subject: written.subject,
        preview: written.preview,
        html: written.html,
        text: written.text,
        unsubscribe,
        link: door.link,
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
