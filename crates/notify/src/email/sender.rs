//! Whom mail is from.

use lettre::Address;
use lettre::message::Mailbox;

use crate::template::one_line;

/// Whom mail is from: `Harbour <no-reply@id.harbour.example>`.
#[derive(Clone)]
pub struct Sender(Mailbox);

/// Not a sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write it like no-reply@example.com or Harbour <no-reply@example.com>")]
pub struct InvalidSender;

impl Sender {
    /// Reads `address` or `name <address>`; without a name, `product` is it.
    pub fn parse(text: &str, product: &str) -> Result<Self, InvalidSender> {
        if text.chars().any(char::is_control) || !text.is_ascii() && !text.contains('<') {
            return Err(InvalidSender);
        }
        let mut mailbox: Mailbox = text.trim().parse().map_err(|_| InvalidSender)?;
        if !mailbox.email.to_string().is_ascii() {
            return Err(InvalidSender);
        }
        mailbox.name.get_or_insert_with(|| one_line(product));
        Ok(Self(mailbox))
    }

    /// Name and address.
    pub(crate) const fn mailbox(&self) -> &Mailbox {
        &self.0
    }

    /// Its address.
    pub(crate) fn address(&self) -> &Address {
        &self.0.email
    }

    /// Its name.
    pub(crate) fn name(&self) -> &str {
        self.0.name.as_deref().unwrap_or_default()
    }

    /// What stands behind the @.
    pub(crate) fn domain(&self) -> &str {
        self.0.email.domain()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sender_has_a_name_and_an_address_and_no_more() {
        let sender = Sender::parse("no-reply@id.example.com", "Harbour").unwrap();
        assert_eq!((sender.name(), sender.domain()), ("Harbour", "id.example.com"));
        let named = Sender::parse("Harbour Mail <mail@example.com>", "Harbour").unwrap();
        assert_eq!((named.name(), named.address().to_string().as_str()), ("Harbour Mail", "mail@example.com"));
        for wrong in ["", "example.com", "a@b@c", "a@example.com\r\nBcc: x@y.z", "A <a@example.com>, B <b@example.com>"]
        {
            assert!(Sender::parse(wrong, "Harbour").is_err(), "{wrong}");
        }
    }
}
