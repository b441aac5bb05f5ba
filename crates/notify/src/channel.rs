//! A way to tell somebody something.

use std::fmt;
use std::time::Duration;

use kernel::id::DeliveryId;
use kernel::{Timestamp, UserId};

use crate::{Category, Template};

/// The ways there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChannelName {
    /// E-mail: by SMTP, through a provider, or into the development inbox.
    Email,
    /// The inbox that people look into.
    InApp,
    /// Their devices: apps and browsers.
    Push,
}

impl ChannelName {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Email, Self::InApp, Self::Push];

    /// Its name in the database, the API and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::InApp => "in_app",
            Self::Push => "push",
        }
    }

    /// The channel of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|channel| channel.as_str() == name)
    }
}

/// A message as it is handed over. It has no `Debug`: an address and a link that works are in it.
pub struct Rendered {
    /// Which delivery it is of. A channel that can tell repeats apart does so by it.
    pub delivery: DeliveryId,
    /// Whom it is for.
    pub user: UserId,
    /// What it says.
    pub template: Template,
    /// What it is for.
    pub category: Category,
    /// The address it goes to.
    pub address: String,
    /// What whoever is there calls themselves.
    pub name: Option<String>,
    /// Its language (BCP 47).
    pub language: String,
    /// One line that says what it is.
    pub subject: String,
    /// One line that says what is in it.
    pub preview: String,
    /// All of it, as HTML.
    pub html: String,
    /// All of it, as text.
    pub text: String,
    /// Where whoever wants no more of this kind says so; nothing for what nobody can do without.
    pub unsubscribe: Option<String>,
    /// Where its button leads.
    pub link: Option<String>,
    /// Its Message-ID (RFC 5322 §3.6.4), the same at every try.
    pub message_id: String,
    /// When it was written.
    pub at: Timestamp,
}

/// What whoever took a message said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    /// Their name for it, where they have one.
    pub reference: Option<String>,
}

/// A reason as it is kept and logged: one line, not too long, and without any address: reasons are read by people who
/// have no need to know whose it is.
pub(crate) fn plain_reason(text: &str) -> String {
    let masked: Vec<&str> = text.split_whitespace().map(|word| if word.contains('@') { "<…>" } else { word }).collect();
    crate::template::one_line(&masked.join(" ")).chars().take(300).collect()
}

/// A message was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SendError {
    /// Not now: try this one again later.
    Later {
        /// Why not, for operators. No address and no link is in it.
        reason: String,
        /// Not before this time has gone by.
        after: Option<Duration>,
    },
    /// Nobody answers, or they take nothing from us now: the others need not be tried either.
    Away {
        /// Why not, for operators.
        reason: String,
        /// Not before this time has gone by.
        after: Option<Duration>,
    },
    /// Not ever.
    Never {
        /// Why not, for operators.
        reason: String,
    },
    /// There is nobody to be told any more.
    Nobody {
        /// Why not, for operators.
        reason: &'static str,
    },
}

impl SendError {
    /// Try this one again.
    pub fn later(reason: impl Into<String>) -> Self {
        Self::Later { reason: reason.into(), after: None }
    }

    /// Nobody is there.
    pub fn away(reason: impl Into<String>) -> Self {
        Self::Away { reason: reason.into(), after: None }
    }

    /// To try again would not help.
    pub fn never(reason: impl Into<String>) -> Self {
        Self::Never { reason: reason.into() }
    }
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Later { reason, .. } | Self::Away { reason, .. } | Self::Never { reason } => f.write_str(reason),
            Self::Nobody { reason } => f.write_str(reason),
        }
    }
}

/// A way to tell somebody something. A worker calls it for many messages at once, and stops waiting when a send takes
/// longer than [`Channel::PATIENCE`]: what is dropped then must leave nothing behind that the next send trips over.
pub trait Channel: Send + Sync + 'static {
    /// The longest that one send may take.
    const PATIENCE: Duration;

    /// Which it is.
    fn name(&self) -> ChannelName;

    /// Hands a message over. When it returns [`Receipt`], whoever is responsible from now on has it.
    fn send(&self, message: &Rendered) -> impl Future<Output = Result<Receipt, SendError>> + Send;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_names_nobody_and_is_one_line() {
        assert_eq!(plain_reason("550 <ann@example.com>: no\r\nsuch mailbox"), "550 <…> no such mailbox");
        assert_eq!(plain_reason(&"x".repeat(1_000)).len(), 300);
    }
}
