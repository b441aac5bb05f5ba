//! What people call themselves, and the language they read.

use std::fmt;

use unicode_normalization::UnicodeNormalization as _;

/// A name to show: 1 to 100 characters, NFC, without control characters. It is shown as text
/// everywhere; nothing in it is ever a command.
#[derive(Clone, PartialEq, Eq)]
pub struct DisplayName(String);

/// Not a name that can be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidName {
    /// Nothing but spaces.
    #[error("Enter a name.")]
    Empty,
    /// More than 100 characters.
    #[error("Use at most 100 characters.")]
    TooLong,
    /// Line breaks, or characters that turn the direction of what follows.
    #[error("Remove line breaks and invisible characters.")]
    Control,
}

const MAX_CHARACTERS: usize = 100;

impl DisplayName {
    /// Reads a name as somebody typed it.
    pub fn parse(typed: &str) -> Result<Self, InvalidName> {
        let name: String = typed.trim().nfc().collect();
        if name.is_empty() {
            return Err(InvalidName::Empty);
        }
        if name.chars().count() > MAX_CHARACTERS {
            return Err(InvalidName::TooLong);
        }
        if name.chars().any(turns_or_breaks) {
            return Err(InvalidName::Control);
        }
        Ok(Self(name))
    }

    pub(crate) const fn from_stored(name: String) -> Self {
        Self(name)
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Control characters, line and paragraph separators, the bidirectional controls of UAX #9, and
/// characters that nobody sees. (The joiners U+200C and U+200D stay: scripts and emoji need them.)
pub fn turns_or_breaks(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

impl fmt::Debug for DisplayName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// A language tag (BCP 47) in its canonical form: `de`, `pt-BR`, `zh-Hant-TW`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Locale(String);

impl Locale {
    /// The longest tag, in bytes.
    pub const MAX_LENGTH: usize = 35;

    /// Reads a language tag; nothing if it is not well-formed (RFC 5646 §2.2.9), or its language has not
    /// the two or three letters that all languages have.
    pub fn parse(tag: &str) -> Option<Self> {
        if tag.len() > Self::MAX_LENGTH {
            return None;
        }
        let tag = oxilangtag::LanguageTag::parse_and_normalize(tag).ok()?;
        let language = tag.primary_language();
        let is_language = (2..=3).contains(&language.len()) && language.bytes().all(|byte| byte.is_ascii_alphabetic());
        is_language.then(|| Self(tag.into_inner()))
    }

    pub(crate) const fn from_stored(tag: String) -> Self {
        Self(tag)
    }

    /// The tag.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_trimmed_bounded_and_plain() {
        assert_eq!(DisplayName::parse("  Zoë \u{41}\u{301}  ").unwrap().as_str(), "Zoë Á");
        assert_eq!(DisplayName::parse("<b>Bob</b> {{7*7}}").unwrap().as_str(), "<b>Bob</b> {{7*7}}");
        assert_eq!(DisplayName::parse("  "), Err(InvalidName::Empty));
        assert_eq!(DisplayName::parse(&"é".repeat(101)), Err(InvalidName::TooLong));
        for wrong in ["Bob\r\nBcc: x@y", "a\u{202e}b", "a\u{2028}b", "a\0b", "\u{200b}"] {
            assert_eq!(DisplayName::parse(wrong), Err(InvalidName::Control));
        }
    }

    #[test]
    fn locales_have_the_form_of_a_language_tag() {
        assert_eq!(Locale::parse("ZH-hant-tw").unwrap().as_str(), "zh-Hant-TW");
        for good in ["de", "pt-BR", "zh-Hant-TW", "sr-Latn-RS"] {
            assert!(Locale::parse(good).is_some(), "{good}");
        }
        for wrong in [
            "",
            "d",
            "de_DE",
            "de-",
            "english",
            "de-\u{e9}",
            "en-US-",
            "x-private",
            "i-klingon",
            "de-DE-DE-DE",
            "x".repeat(40).as_str(),
        ] {
            assert!(Locale::parse(wrong).is_none(), "{wrong}");
        }
    }
}
