//! Which messages there are, and what each of them is made of.

use serde::Serialize;
use serde_json::Value;

use super::words::{Args, Voice};
use super::{Brief, Entry, Input, RenderError, one_line};
use crate::own::OwnMessage;

macro_rules! templates {
    ($($(#[$doc:meta])* $name:ident => $text:literal, $action:expr,)+) => {
        /// A message: what it says is named for it in the words of each language.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Template {
            $($(#[$doc])* $name,)+
            /// A message of an application.
            Own(OwnMessage),
        }

        impl Template {
            /// Those that are built in.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// Its name in the database, in files and in the API.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)+ Self::Own(own) => own.name() }
            }

            /// What there is to press in it.
            pub(crate) const fn action(self) -> Action {
                match self { $(Self::$name => $action,)+ Self::Own(_) => Action::Own }
            }
        }
    };
}

/// What there is to press in a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// A page of Usher's, the same for everybody.
    Page(&'static str),
    /// A link that works once, and perhaps a code for whoever cannot open it where they are.
    Link {
        /// Whether there is one.
        code: bool,
    },
    /// Where the application wants, if it wants.
    Own,
}

templates! {
    /// The link and the code that show that an address is somebody's.
    VerifyEmail => "verify-email", Action::Link { code: true },
    /// Somebody has an account now.
    Welcome => "welcome", Action::Page("/account"),
    /// The link to choose another password with.
    ResetPassword => "reset-password", Action::Link { code: false },
    /// The password is another one.
    PasswordChanged => "password-changed", Action::Page("/account"),
    /// The link that makes an address the account's, to that address.
    ChangeEmail => "change-email", Action::Link { code: false },
    /// Somebody asked for another address: to the one that it is not yet instead of.
    EmailChangeRequested => "email-change-requested", Action::Page("/account"),
    /// The address is another one: to the one before.
    EmailChanged => "email-changed", Action::Page("/account"),
    /// The link to sign in with.
    SignInLink => "sign-in-link", Action::Link { code: false },
    /// The link to take over an account that was made for somebody.
    Invitation => "invitation", Action::Link { code: false },
    /// A sign-in from where there was none before.
    NewDevice => "new-device", Action::Page("/account"),
    /// A sign-in after wrong passwords.
    SignInAfterFailures => "sign-in-after-failures", Action::Page("/account"),
    /// Too many wrong passwords.
    AccountLocked => "account-locked", Action::Page("/account"),
    /// A refresh token came back that had been replaced.
    SessionStolen => "session-stolen", Action::Page("/account"),
    /// What can wait, told together.
    Digest => "digest", Action::Page("/inbox"),
    /// Somebody signed up with the address of an account.
    RegistrationRepeated => "registration-repeated", Action::Page("/sign-in"),
}

impl Template {
    /// The name under which an event has the address that the message is about and goes to, where that is not the
    /// account's.
    pub(crate) const fn other_address(self) -> Option<&'static str> {
        match self {
            Self::ChangeEmail => Some("address"),
            Self::EmailChanged => Some("previous"),
            _ => None,
        }
    }

    /// Whether it says how many there were of something.
    pub(super) const fn has_count(self) -> bool {
        matches!(self, Self::SignInAfterFailures | Self::Digest)
    }

    /// The template of this name, of those that are built in.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|template| template.as_str() == name)
    }
}

/// One line of what happened when and where.
#[derive(Debug, Serialize)]
pub(super) struct Fact {
    label: String,
    value: String,
}

/// What the layouts are given. All of it is text: they escape it.
#[derive(Debug, Serialize)]
pub(super) struct Content {
    template: &'static str,
    language: String,
    direction: &'static str,
    start: &'static str,
    product: String,
    host: String,
    pub(super) preview: String,
    title: String,
    greeting: String,
    lead: String,
    code: Option<String>,
    link: Option<String>,
    button: String,
    button_fails: String,
    entries: Vec<Entry>,
    more: Option<String>,
    facts: Vec<Fact>,
    note: Option<String>,
    why: String,
    unsubscribe: Option<String>,
    unsubscribe_words: String,
    reference_label: String,
    reference: String,
}

/// One line that says what the message is.
pub(super) fn subject(voice: &Voice<'_>, input: &Input<'_>) -> Result<String, RenderError> {
    voice.must(&key(input, "subject"), &args(voice, input)?)
}

/// What it says in a few words.
pub(super) fn brief(voice: &Voice<'_>, input: &Input<'_>) -> Result<Brief, RenderError> {
    let args = args(voice, input)?;
    Ok(Brief {
        language: voice.language().to_owned(),
        title: one_line(&voice.must(&key(input, "title"), &args)?),
        // What a mail says of mails is not what an inbox says.
        text: match voice.may(&key(input, "inbox"), &args)? {
            Some(words) => words,
            None => voice.must(&key(input, "lead"), &args)?,
        },
        button: voice.may(&key(input, "button"), &args)?.map(|words| one_line(&words)),
    })
}

/// What the layouts are given.
pub(super) fn content(voice: &Voice<'_>, input: &Input<'_>) -> Result<Content, RenderError> {
    let args = args(voice, input)?;
    let must = |part: &str| voice.must(&key(input, part), &args);
    // What has a code and can be sent only after that has run out still has its link.
    let is_late = matches!(input.template.action(), Action::Link { code: true }) && input.code.is_none();
    let of_code = |part: &str| if is_late { format!("{part}-without-code") } else { part.to_owned() };
    let greeting = match input.name {
        Some(_) => voice.must("hello-name", &args)?,
        None => voice.must("hello", &args)?,
    };
    let rtl = voice.is_right_to_left();
    Ok(Content {
        template: input.template.as_str(),
        language: voice.language().to_owned(),
        direction: if rtl { "rtl" } else { "ltr" },
        start: if rtl { "right" } else { "left" },
        product: input.product.to_owned(),
        host: host(input.origin).to_owned(),
        preview: one_line(&must(&of_code("preview"))?),
        title: must("title")?,
        greeting: one_line(&greeting),
        lead: must(&of_code("lead"))?,
        code: input.code.map(|(code, _)| code.to_owned()),
        link: input.link.map(str::to_owned),
        button: if input.link.is_some() { must("button")? } else { String::new() },
        button_fails: voice.must("button-fails", &args)?,
        entries: input.facts.entries.to_vec(),
        more: more(voice, input)?,
        facts: facts(voice, input, &args)?,
        note: voice.may(&key(input, "note"), &args)?,
        why: match voice.may(&key(input, "why"), &args)? {
            Some(why) => why,
            None => voice.must("because-account", &args)?,
        },
        unsubscribe: input.facts.unsubscribe.map(str::to_owned),
        unsubscribe_words: voice.must("unsubscribe", &args)?,
        reference_label: voice.must("reference", &args)?,
        reference: input.reference.to_owned(),
    })
}

fn key(input: &Input<'_>, part: &str) -> String {
    format!("{}-{part}", input.template.as_str())
}

/// The public address without its scheme.
fn host(origin: &str) -> &str {
    origin.split_once("://").map_or(origin, |(_, host)| host)
}

fn args<'i>(voice: &Voice<'_>, input: &Input<'i>) -> Result<Args<'i>, RenderError> {
    let mut args = Args::new();
    args.set("product", input.product);
    args.set("host", host(input.origin));
    args.set("email", input.email);
    // Who has given no name is called by their address: words that name somebody say something to everybody.
    args.set("name", input.name.unwrap_or(input.email));
    if let Some(other) = input.facts.other_email {
        args.set("other", other);
    }
    // Words of somebody's own may name it where it is not known, as in an inbox.
    args.set("device", input.facts.device.unwrap_or_default());
    if let Some(count) = input.facts.count {
        args.set("count", count);
    }
    for (name, value) in input.facts.values.into_iter().flatten() {
        match value {
            Value::String(text) => args.set(name.as_str(), text.as_str()),
            Value::Number(number) => args.set(name.as_str(), number.as_i64().unwrap_or(0)),
            _ => {}
        }
    }
    if let Some((code, _)) = input.code {
        args.set("code", code);
    }
    // Where there is a code, it is the one that runs out first.
    let ends = input.code.map(|(_, ends)| ends).or(input.expires_at);
    if let Some(ends) = ends {
        args.set("lifetime", voice.lifetime(ends.since(input.at).as_secs())?);
    }
    Ok(args)
}

/// How much there is beside what is named.
fn more(voice: &Voice<'_>, input: &Input<'_>) -> Result<Option<String>, RenderError> {
    let named = i64::try_from(input.facts.entries.len()).unwrap_or(i64::MAX);
    let left = input.facts.count.unwrap_or(0) - named;
    if named == 0 || left <= 0 {
        return Ok(None);
    }
    let mut args = Args::new();
    args.set("n", left);
    voice.must("more-in-inbox", &args).map(Some)
}

/// When, where from, and until when.
fn facts(voice: &Voice<'_>, input: &Input<'_>, args: &Args<'_>) -> Result<Vec<Fact>, RenderError> {
    let mut facts = vec![Fact { label: voice.must("fact-when", args)?, value: voice.moment(input.at, input.zone)? }];
    if let Some(device) = input.facts.device {
        facts.push(Fact { label: voice.must("fact-from", args)?, value: one_line(device) });
    }
    if let Some(expires_at) = input.expires_at {
        let mut once = Args::new();
        once.set("moment", voice.moment(expires_at, input.zone)?);
        facts.push(Fact { label: voice.must("fact-until", args)?, value: voice.must("once", &once)? });
    }
    Ok(facts)
}
