//! How a person can be reached outside of the internet.

use std::fmt;

use crate::profile::{InvalidText, lines};

/// A telephone number in the form of ITU-T E.164: `+` and 8 to 15 digits.
#[derive(Clone, PartialEq, Eq)]
pub struct PhoneNumber(String);

/// Not a telephone number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Enter the number with its country code, like +49 151 1234567.")]
pub struct InvalidPhoneNumber;

impl PhoneNumber {
    /// The longest text that is read, in bytes.
    pub const MAX_TYPED: usize = 40;

    /// Reads a number as somebody typed it. Spaces, hyphens and parentheses are dropped; the country code is
    /// a must, for without it nobody knows whose number it is.
    pub fn parse(typed: &str) -> Result<Self, InvalidPhoneNumber> {
        if typed.len() > Self::MAX_TYPED {
            return Err(InvalidPhoneNumber);
        }
        let kept: String = typed.chars().filter(|c| !matches!(c, ' ' | '-' | '(' | ')')).collect();
        let digits = kept.strip_prefix('+').ok_or(InvalidPhoneNumber)?;
        // No country code begins with 0.
        let fits = (8..=15).contains(&digits.len())
            && digits.bytes().all(|byte| byte.is_ascii_digit())
            && !digits.starts_with('0');
        if fits { Ok(Self(kept)) } else { Err(InvalidPhoneNumber) }
    }

    pub(crate) const fn from_stored(number: String) -> Self {
        Self(number)
    }

    /// The number, like `+4915112345678`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A postal address as it stands on a letter: at most 500 characters on as many lines as it needs. No parts:
/// what they are called and in which order they stand differs from country to country.
#[derive(Clone, PartialEq, Eq)]
pub struct Address(String);

impl Address {
    /// The longest, in characters.
    pub const MAX_CHARACTERS: usize = 500;

    /// Reads it as somebody typed it; nothing if there is nothing but spaces.
    pub fn parse(typed: &str) -> Result<Option<Self>, InvalidText> {
        Ok(lines(typed, Self::MAX_CHARACTERS)?.map(Self))
    }

    pub(crate) const fn from_stored(text: String) -> Self {
        Self(text)
    }

    /// The address.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("+…")
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_one_form_however_they_are_typed() {
        for typed in ["+4915112345678", "+49 151 12345678", "+49 (151) 1234-5678", " +49-151-12345678 "] {
            assert_eq!(PhoneNumber::parse(typed).unwrap().as_str(), "+4915112345678", "{typed}");
        }
        for wrong in [
            "",
            "+",
            "0151 12345678",
            "4915112345678",
            "+1234567",
            "+1234567890123456",
            "+49151x1234567",
            "++4915112345678",
            "+０４９１５１１２３４",
            "+049151123456",
            "+49151\u{202e}1234567",
            "+49151.1234567",
        ] {
            assert_eq!(PhoneNumber::parse(wrong), Err(InvalidPhoneNumber), "{wrong:?}");
        }
    }

    #[test]
    fn addresses_have_lines_and_no_parts() {
        assert_eq!(Address::parse("Rue X 1\r\n75001 Paris ").unwrap().unwrap().as_str(), "Rue X 1\n75001 Paris");
        assert_eq!(Address::parse("  ").unwrap(), None);
        assert_eq!(Address::parse(&"é".repeat(501)), Err(InvalidText::TooLong(500)));
        assert_eq!(Address::parse("a\u{202e}b"), Err(InvalidText::Control));
    }
}
