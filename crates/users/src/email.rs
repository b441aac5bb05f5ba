//! E-mail addresses: kept as typed, compared in a canonical form.
//!
//! The order matters (GHSA-7rqj-j65f-68wh): Unicode first (NFKC), then the rules, then folding. An
//! address that differs from another by case, a trailing dot or the spelling of its domain (`xn--`)
//! has the same canonical form and so is the same account. A local part that only looks like another
//! is refused, for mail to it would go elsewhere.

use std::fmt;

use unicode_normalization::UnicodeNormalization as _;

/// An address that can exist. It has no `Display`, and `Debug` masks it: it is personal data.
#[derive(Clone, PartialEq, Eq)]
pub struct EmailAddress {
    original: String,
    canonical: String,
}

/// Not an address that an account can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Enter an email address like name@example.com.")]
pub struct InvalidEmail;

/// RFC 5321 §4.5.3.1: 64 octets before the @, 255 after it, and 254 in all for a path.
const MAX_LOCAL: usize = 64;
const MAX_ADDRESS: usize = 254;

impl EmailAddress {
    /// Reads an address as somebody typed it.
    ///
    /// Quoted local parts (`"a b"@example.com`) and address literals (`a@[127.0.0.1]`) are refused:
    /// RFC 5321 has them, but no mailbox that people sign up with, and mailers disagree about them.
    pub fn parse(typed: &str) -> Result<Self, InvalidEmail> {
        let original = typed.trim_matches([' ', '\t']);
        if original.len() > MAX_ADDRESS || original.chars().any(char::is_control) {
            return Err(InvalidEmail);
        }
        let unicode: String = original.nfkc().collect();
        let (local, domain) = unicode.split_once('@').ok_or(InvalidEmail)?;
        if !is_local(local) {
            return Err(InvalidEmail);
        }
        // An original that only becomes an address by normalising (`victim＠example.com`) would be
        // read differently by a mailer: nobody gets to send there.
        if !original.contains('@') {
            return Err(InvalidEmail);
        }
        // A mailer takes the local part as it is: one that another spelling normalises to (full-width
        // letters, ligatures) would be somebody else's mailbox.
        let typed_local: String = original.split('@').next().unwrap_or_default().nfc().collect();
        if typed_local != local {
            return Err(InvalidEmail);
        }
        let domain = canonical_domain(domain)?;
        let local: String = local.to_lowercase().nfc().collect();
        if local.len() > MAX_LOCAL {
            return Err(InvalidEmail);
        }
        let canonical = format!("{local}@{domain}");
        if canonical.len() > MAX_ADDRESS {
            return Err(InvalidEmail);
        }
        Ok(Self { original: original.to_owned(), canonical })
    }

    /// An address as it is stored.
    pub(crate) const fn from_stored(original: String, canonical: String) -> Self {
        Self { original, canonical }
    }

    /// As it was typed: the form to send mail to.
    pub fn as_str(&self) -> &str {
        &self.original
    }

    /// As it is compared.
    pub fn canonical(&self) -> &str {
        &self.canonical
    }
}

/// RFC 5322 §3.2.3 `dot-atom`, with the letters and digits of all scripts (RFC 6531 §3.3).
fn is_local(local: &str) -> bool {
    let is_atom = |c: char| {
        c.is_alphanumeric() || unicode_normalization::char::is_combining_mark(c) || "!#$%&'*+-/=?^_`{|}~".contains(c)
    };
    !local.is_empty() && local.split('.').all(|atom| !atom.is_empty() && atom.chars().all(is_atom))
}

/// The domain in lower case, internationalised labels in `xn--` (UTS #46), without a trailing dot.
fn canonical_domain(domain: &str) -> Result<String, InvalidEmail> {
    let domain = domain.strip_suffix('.').unwrap_or(domain);
    let ascii = idna::domain_to_ascii_strict(domain).map_err(|_| InvalidEmail)?;
    let labels: Vec<&str> = ascii.split('.').collect();
    let hosts = labels.len() >= 2
        && labels.iter().all(|label| !label.is_empty())
        && labels.last().is_some_and(|top| top.chars().any(|c| c.is_ascii_alphabetic()));
    if hosts { Ok(ascii) } else { Err(InvalidEmail) }
}

impl fmt::Debug for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first = self.original.chars().next().unwrap_or('?');
        let domain = self.original.rsplit_once('@').map_or("", |(_, domain)| domain);
        write!(f, "{first}***@{domain}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(typed: &str) -> Option<String> {
        EmailAddress::parse(typed).ok().map(|address| address.canonical)
    }

    #[test]
    fn r4_unicode_first_then_rules_then_compare() {
        let ann = canonical("ann@example.com");
        for same in ["Ann@Example.COM", " ann@example.com\t", "ann@example.com.", "ann@ｅｘａｍｐｌｅ.com"] {
            assert_eq!(canonical(same), ann, "{same}");
        }
        assert_eq!(canonical("ann@BÜCHER.example"), canonical("ann@xn--bcher-kva.example"));
        assert_eq!(canonical("straße@example.com"), Some("straße@example.com".into()));
        assert_ne!(canonical("user+tag@example.com"), canonical("user@example.com"));
        for wrong in [
            "victim\u{ff20}evil.com",
            "ａｎｎ@example.com",
            "\u{fb01}sh@example.com",
            "a@b.com\0",
            "a@b@c.com",
            "",
            "@",
            "a@",
            "@b.com",
            "a",
            "a@b",
            "a..b@c.com",
            ".a@c.com",
            "a.@c.com",
            "\"a b\"@c.com",
            "a b@c.com",
            "a@[127.0.0.1]",
            "a@127.0.0.1",
            "a@b..com",
            "a@-b.com",
            "a@b.com\r\nBcc: x@y.com",
            "a@b_c.com",
            "<a@b.com>",
        ] {
            assert_eq!(canonical(wrong), None, "{wrong:?}");
        }
        assert_eq!(canonical(&format!("{}@example.com", "a".repeat(65))), None);
        assert_eq!(canonical(&format!("a@{}.com", "b".repeat(250))), None);
    }

    #[test]
    fn r4_the_original_is_kept_byte_for_byte() {
        assert_eq!(EmailAddress::parse("Ann.Lee@Example.COM").unwrap().as_str(), "Ann.Lee@Example.COM");
    }

    #[test]
    fn dotless_and_dotted_i_stay_apart() {
        assert_ne!(canonical("ı@example.com"), canonical("i@example.com"));
        assert_ne!(canonical("İ@example.com"), canonical("i@example.com"));
    }

    #[test]
    fn debug_masks() {
        assert_eq!(format!("{:?}", EmailAddress::parse("ann@example.com").unwrap()), "a***@example.com");
    }
}
