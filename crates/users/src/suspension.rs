//! What is said with a suspension: why, and until when.

use kernel::Timestamp;

use crate::name::turns_or_breaks;

/// The longest reason, in characters.
const MAX_CHARACTERS: usize = 500;
/// The longest suspension that ends by itself, in seconds: ten years. Longer ones have no end.
const MAX_SECONDS: i64 = 10 * 366 * 86_400;

/// Why somebody was suspended or deleted, for operators: at most 500 characters, on one line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reason(String);

/// Not a reason that can be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidReason {
    /// More than 500 characters.
    #[error("Use at most 500 characters for the reason.")]
    TooLong,
    /// Line breaks, or characters that turn the direction of what follows.
    #[error("Remove line breaks and invisible characters from the reason.")]
    Control,
}

impl Reason {
    /// Reads a reason as somebody typed it. It may be empty.
    pub fn parse(typed: &str) -> Result<Self, InvalidReason> {
        let reason = typed.trim();
        if reason.chars().count() > MAX_CHARACTERS {
            return Err(InvalidReason::TooLong);
        }
        if reason.chars().any(turns_or_breaks) {
            return Err(InvalidReason::Control);
        }
        Ok(Self(reason.to_owned()))
    }

    /// The reason.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether nothing was said.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// When a suspension ends by itself: to come, and within ten years.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SuspensionEnd(Timestamp);

/// Not a moment that a suspension can end at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Choose a moment that is to come, within ten years. Leave it out for a suspension without an end.")]
pub struct InvalidEnd;

impl SuspensionEnd {
    /// This moment, seen from now.
    pub fn parse(moment: Timestamp, now: Timestamp) -> Result<Self, InvalidEnd> {
        let possible = moment > now && moment <= now.plus_seconds(MAX_SECONDS);
        if possible { Ok(Self(moment)) } else { Err(InvalidEnd) }
    }

    /// One that was read before, and may have come meanwhile.
    pub(crate) const fn from_stored(moment: Timestamp) -> Self {
        Self(moment)
    }

    /// The moment.
    pub const fn moment(self) -> Timestamp {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_one_bounded_line() {
        assert_eq!(Reason::parse(" Spam, twice ").unwrap().as_str(), "Spam, twice");
        assert!(Reason::parse("  ").unwrap().is_empty());
        assert!(Reason::parse(&"é".repeat(500)).is_ok());
        assert_eq!(Reason::parse(&"é".repeat(501)), Err(InvalidReason::TooLong));
        for wrong in ["a\nb", "a\u{1b}[31m", "a\u{202e}b", "a\u{7f}b", "a\0b"] {
            assert_eq!(Reason::parse(wrong), Err(InvalidReason::Control), "{wrong:?}");
        }
    }

    #[test]
    fn a_suspension_ends_in_the_future_and_within_ten_years() {
        let now = Timestamp::from_unix_seconds(1_795_000_000);
        assert!(SuspensionEnd::parse(now.plus_seconds(1), now).is_ok());
        assert!(SuspensionEnd::parse(now.plus_seconds(MAX_SECONDS), now).is_ok());
        for wrong in
            [now, now.plus_seconds(-1), now.plus_seconds(MAX_SECONDS + 1), Timestamp::from_unix_micros(i64::MAX)]
        {
            assert_eq!(SuspensionEnd::parse(wrong, now), Err(InvalidEnd));
        }
    }
}
