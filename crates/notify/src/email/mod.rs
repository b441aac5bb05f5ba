//! E-mail: what a message looks like on the wire, and the three ways to hand it over.
//!
//! `smtp` speaks to a mail server, `sendgrid` to SendGrid's HTTP API, and `inbox` keeps mail on a development machine
//! instead of sending it.

pub(crate) mod inbox;
mod mime;
mod sender;
mod sendgrid;
mod smtp;
mod url;

use std::time::Duration;

pub use inbox::DevelopmentMail;
pub(crate) use mime::address;
pub use sender::{InvalidSender, Sender};
pub use sendgrid::SendGridSettings;
pub(crate) use sendgrid::first_bytes;
pub use smtp::{Security, SmtpSettings};
pub use url::InvalidMailUrl;

use crate::channel::{Channel, ChannelName, Receipt, Rendered, SendError};
use crate::{Notify, Settings};

/// How mail is handed over.
#[derive(Clone)]
pub enum Provider {
    /// Not at all.
    None,
    /// It is kept and shown to whoever develops.
    Inbox,
    /// To a mail server.
    Smtp(SmtpSettings),
    /// To SendGrid.
    SendGrid(SendGridSettings),
}

impl Provider {
    /// What this is called, for people.
    pub const fn describe(&self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Inbox => "development inbox",
            Self::Smtp(_) => "SMTP",
            Self::SendGrid(_) => "SendGrid",
        }
    }
}

/// The channel: one of the ways.
pub(crate) enum Email {
    Inbox(Notify),
    Smtp(Box<smtp::Smtp>),
    SendGrid(Box<sendgrid::SendGrid>),
}

impl Email {
    /// The way that is configured; nothing if there is none.
    pub(crate) fn open(notify: &Notify, settings: &Settings) -> Option<Self> {
        match &settings.provider {
            Provider::None => None,
            Provider::Inbox => Some(Self::Inbox(notify.clone())),
            Provider::Smtp(smtp) => Some(Self::Smtp(Box::new(smtp::Smtp::new(smtp.clone(), settings.from.clone())))),
            Provider::SendGrid(sendgrid) => {
                Some(Self::SendGrid(Box::new(sendgrid::SendGrid::new(sendgrid.clone(), settings.from.clone()))))
            }
        }
    }
}

impl Channel for Email {
    const PATIENCE: Duration = Duration::from_secs(30);

    fn name(&self) -> ChannelName {
        ChannelName::Email
    }

    async fn send(&self, message: &Rendered) -> Result<Receipt, SendError> {
        match self {
            Self::Inbox(notify) => inbox::keep(notify, message).await,
            Self::Smtp(smtp) => smtp.send(message).await,
            Self::SendGrid(sendgrid) => sendgrid.send(message).await,
        }
    }
}
