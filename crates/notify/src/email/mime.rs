//! A message on the wire (RFC 5322, RFC 2045): two alternatives, text and HTML, and the headers.

use std::time::{Duration, SystemTime};

use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message, MultiPart};
use lettre::{Address, address::AddressError};

use super::Sender;
use crate::channel::{Rendered, SendError};
use crate::template::one_line;

/// The address to send to: as it was typed, but for a domain that only the canonical form writes in a way that every
/// mail server knows.
pub(crate) fn address(original: &str, canonical: &str) -> String {
    let (local, domain) = original.rsplit_once('@').unwrap_or((original, ""));
    if domain.is_ascii() && !domain.ends_with('.') {
        return original.to_owned();
    }
    let domain = canonical.rsplit_once('@').map_or(domain, |(_, domain)| domain);
    format!("{local}@{domain}")
}

/// Whom a message is for.
pub(super) fn recipient(message: &Rendered) -> Result<Mailbox, SendError> {
    let email: Address = message.address.parse().map_err(|error: AddressError| {
        // What is wrong is said without the address: reasons are read by people who have no need to know it.
        SendError::never(format!("mail cannot be sent to the address of the account: {error}"))
    })?;
    Ok(Mailbox::new(message.name.as_deref().map(one_line), email))
}

/// How mail programs end mail of this kind at one click (RFC 8058 §3.1): the two headers.
pub(super) fn unsubscribe(message: &Rendered) -> Option<(String, String)> {
    let address = message.unsubscribe.as_ref()?;
    Some((format!("<{}>", one_line(address)), "List-Unsubscribe=One-Click".to_owned()))
}

/// The message with its headers. The same delivery always gives the same Message-ID and date.
pub(super) fn message(from: &Sender, message: &Rendered) -> Result<Message, SendError> {
    let header = |name: &'static str, value: String| HeaderValue::new(HeaderName::new_from_ascii_str(name), value);
    let micros = u64::try_from(message.at.unix_micros()).unwrap_or(0);
    let mut builder = Message::builder()
        .from(from.mailbox().clone())
        .to(recipient(message)?)
        .subject(one_line(&message.subject))
        .message_id(Some(message.message_id.clone()))
        .date(SystemTime::UNIX_EPOCH + Duration::from_micros(micros))
        .raw_header(header("Content-Language", message.language.clone()))
        // RFC 3834 §5: no holiday answers to what nobody reads.
        .raw_header(header("Auto-Submitted", "auto-generated".into()));
    if let Some((list, post)) = unsubscribe(message) {
        builder =
            builder.raw_header(header("List-Unsubscribe", list)).raw_header(header("List-Unsubscribe-Post", post));
    }
    builder
        .multipart(MultiPart::alternative_plain_html(message.text.clone(), message.html.clone()))
        .map_err(|error| SendError::never(format!("the message cannot be written: {error}")))
}
