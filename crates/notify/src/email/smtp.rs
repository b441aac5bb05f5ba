//! Handing mail to a mail server (RFC 5321), with connections that are used again.
//!
//! A connection is taken out of the pool for one message and put back when the server has answered to all of it. One
//! on which anything went wrong, or whose send was given up in the middle, is not put back: the answer to one message
//! must never be read as the answer to another.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use tokio::net::TcpStream;

use super::{Sender, mime};
use crate::channel::{Receipt, Rendered, SendError};
use crate::template::one_line;

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(10);
/// How long a connection is kept that nobody needs; many servers end one after a minute or five.
const KEPT: Duration = Duration::from_secs(30);
/// How many messages go over one connection: servers that share themselves out among several machines ask for an end.
const MESSAGES: u32 = 100;
/// How many connections are kept.
const CONNECTIONS: usize = 32;
/// The longest reason that is kept, in characters.
const REASON: usize = 300;

/// How a connection is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Security {
    /// TLS from the first byte (RFC 8314).
    Tls,
    /// STARTTLS (RFC 3207), or nothing is sent.
    StartTls,
    /// STARTTLS where it is offered: for this machine alone.
    StartTlsIfOffered,
    /// Not at all.
    Plain,
}

/// A mail server. It has no `Debug`: there is a password in it.
#[derive(Clone)]
pub struct SmtpSettings {
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is protected.
    pub security: Security,
    /// User and password.
    pub credentials: Option<(String, String)>,
    /// A certificate to trust beside those that everybody trusts: PEM.
    pub root_certificate: Option<Vec<u8>>,
}

/// The way through a mail server.
pub(crate) struct Smtp {
    settings: SmtpSettings,
    from: Sender,
    hello: ClientId,
    idle: Mutex<Vec<Kept>>,
}

struct Kept {
    connection: AsyncSmtpConnection,
    since: Instant,
    messages: u32,
}

impl Smtp {
    pub(super) fn new(settings: SmtpSettings, from: Sender) -> Self {
        let hello = ClientId::Domain(from.domain().to_owned());
        Self { settings, from, hello, idle: Mutex::default() }
    }

    /// Hands a message over.
    pub(super) async fn send(&self, message: &Rendered) -> Result<Receipt, SendError> {
        let mail = mime::message(&self.from, message)?;
        let bytes = mail.formatted();
        // A kept connection may have been ended by the server meanwhile. Nothing was said on it then, so another one
        // is tried at once.
        if let Some(mut kept) = self.take()
            && kept.connection.test_connected().await
        {
            return self.send_on(kept, &mail, &bytes).await;
        }
        let connection = self.connect().await?;
        self.send_on(Kept { connection, since: Instant::now(), messages: 0 }, &mail, &bytes).await
    }

    async fn send_on(&self, mut kept: Kept, mail: &lettre::Message, bytes: &[u8]) -> Result<Receipt, SendError> {
        match kept.connection.send(mail.envelope(), bytes).await {
            Ok(response) => {
                kept.messages += 1;
                self.keep(kept);
                Ok(Receipt { reference: response.first_line().map(shorten) })
            }
            Err(error) => Err(refusal(&error)),
        }
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, SendError> {
        let settings = &self.settings;
        let away =
            |error: lettre::transport::smtp::Error| SendError::away(format!("the mail server: {}", explain(&error)));
        let tls = || self.tls().map_err(away);
        let server = (settings.host.as_str(), settings.port);
        let mut connection = match settings.security {
            Security::Tls => {
                AsyncSmtpConnection::connect_tokio1(server, Some(CONNECT), &self.hello, Some(tls()?), None).await
            }
            _ => AsyncSmtpConnection::connect_with_transport(Box::new(dial(server).await?), &self.hello).await,
        }
        .map_err(away)?;
        match settings.security {
            Security::Tls | Security::Plain => {}
            Security::StartTls => connection.starttls(tls()?, &self.hello).await.map_err(away)?,
            Security::StartTlsIfOffered => {
                if connection.can_starttls() {
                    connection.starttls(tls()?, &self.hello).await.map_err(away)?;
                }
            }
        }
        if let Some((user, password)) = &settings.credentials {
            let credentials = Credentials::new(user.clone(), password.clone());
            // A wrong password is ours to mend, not the message's fault: it waits.
            connection.auth(DEFAULT_MECHANISMS, &credentials).await.map_err(away)?;
        }
        Ok(connection)
    }

    fn tls(&self) -> Result<TlsParameters, lettre::transport::smtp::Error> {
        let mut parameters = TlsParameters::builder(self.settings.host.clone());
        if let Some(pem) = &self.settings.root_certificate {
            parameters = parameters.add_root_certificate(Certificate::from_pem(pem)?);
        }
        parameters.build()
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Kept>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection that was used last, if it is young enough.
    fn take(&self) -> Option<Kept> {
        let mut idle = self.idle();
        idle.retain(|kept| kept.since.elapsed() < KEPT);
        idle.pop()
    }

    fn keep(&self, kept: Kept) {
        if kept.connection.has_broken() || kept.messages >= MESSAGES {
            return;
        }
        let mut idle = self.idle();
        if idle.len() < CONNECTIONS {
            idle.push(Kept { since: Instant::now(), ..kept });
        }
    }
}

/// A connection that holds nothing back (RFC 9293 §3.7.4): a message and the dot behind it are two writes, and a server
/// that waits for the dot acknowledges the first one only after 40 ms.
async fn dial(server: (&str, u16)) -> Result<TcpStream, SendError> {
    let away = |error: std::io::Error| SendError::away(format!("the mail server: {}", shorten(&error.to_string())));
    let connecting = tokio::time::timeout(CONNECT, TcpStream::connect(server));
    let stream = connecting.await.map_err(|elapsed| away(elapsed.into()))?.map_err(away)?;
    stream.set_nodelay(true).map_err(away)?;
    Ok(stream)
}

/// What a refusal means for this message.
fn refusal(error: &lettre::transport::smtp::Error) -> SendError {
    let reason = explain(error);
    // RFC 5321 §4.2.1. 421 ends the connection: the server takes nothing now.
    if error.status().is_some_and(|code| u16::from(code) == 421) {
        SendError::away(reason)
    } else if error.is_permanent() || error.is_client() {
        SendError::never(reason)
    } else {
        SendError::later(reason)
    }
}

/// What went wrong, in one line that is not too long.
fn explain(error: &lettre::transport::smtp::Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error).and_then(std::error::Error::source);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    shorten(&text)
}

fn shorten(text: &str) -> String {
    one_line(text).chars().take(REASON).collect()
}
