//! What people say of themselves beside their name: each can only exist as it may be kept and shown.

use std::fmt;
use std::sync::Arc;

use kernel::Timestamp;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;
use unicode_normalization::UnicodeNormalization as _;

use crate::name::turns_or_breaks;

/// Not a text that can be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidText {
    /// More characters than it may have.
    #[error("Use at most {0} characters.")]
    TooLong(usize),
    /// Characters that nobody sees, or that turn the direction of what follows.
    #[error("Remove invisible characters.")]
    Control,
}

/// A text of some lines: NFC, line breaks as `\n`, nothing that nobody sees. Nothing if only spaces are left.
pub(crate) fn lines(typed: &str, most: usize) -> Result<Option<String>, InvalidText> {
    let text: String = typed.trim().nfc().collect::<String>().replace("\r\n", "\n");
    if text.chars().count() > most {
        return Err(InvalidText::TooLong(most));
    }
    if text.chars().any(|c| turns_or_breaks(c) && c != '\n') {
        return Err(InvalidText::Control);
    }
    Ok((!text.is_empty()).then_some(text))
}

/// What a person writes about themselves: at most 1,000 characters on as many lines as they like.
#[derive(Clone, PartialEq, Eq)]
pub struct Bio(String);

impl Bio {
    /// The longest, in characters.
    pub const MAX_CHARACTERS: usize = 1_000;

    /// Reads it as somebody typed it; nothing if there is nothing but spaces.
    pub fn parse(typed: &str) -> Result<Option<Self>, InvalidText> {
        Ok(lines(typed, Self::MAX_CHARACTERS)?.map(Self))
    }

    pub(crate) const fn from_stored(text: String) -> Self {
        Self(text)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Bio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// A time zone by its name in the IANA database, in that database's spelling: `Europe/Paris`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeZoneName(String);

impl TimeZoneName {
    /// Reads a name; nothing if the database has none like it. Upper and lower case do not matter.
    pub fn parse(typed: &str) -> Option<Self> {
        let found = jiff::tz::db().get(typed.trim()).ok()?;
        found.iana_name().map(|name| Self(name.to_owned()))
    }

    pub(crate) const fn from_stored(name: String) -> Self {
        Self(name)
    }

    /// The names of places, for people to choose from. The database has others, for programs.
    pub fn all() -> Vec<String> {
        let names = jiff::tz::db().available().map(|name| name.to_string());
        let mut all: Vec<String> =
            names.filter(|name| name.contains('/') && !name.starts_with("Etc/") && !name.starts_with("US/")).collect();
        all.sort_unstable();
        all
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// How many seconds a clock there is ahead of UTC at a moment.
    pub fn offset(&self, at: Timestamp) -> Option<i32> {
        let zone = jiff::tz::db().get(&self.0).ok()?;
        Some(zone.to_offset(jiff::Timestamp::from_second(at.unix_seconds()).ok()?).seconds())
    }

    /// What a clock there shows, so that people see whether it is theirs: `Tuesday, 13 October 2026, 15:32`.
    pub fn clock(&self, now: Timestamp) -> Option<String> {
        let zone = jiff::tz::db().get(&self.0).ok()?;
        let there = zone.to_datetime(jiff::Timestamp::from_second(now.unix_seconds()).ok()?);
        Some(there.strftime("%A, %-d %B %Y, %H:%M").to_string())
    }
}

/// Where somebody's picture is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Avatar {
    /// At this `https` address, on somebody else's server.
    Elsewhere(String),
    /// Here, under this name.
    Kept(String),
}

/// Not an address that a picture can be at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Use an address that begins with https:// and has at most 2,048 characters.")]
pub struct InvalidAvatarUrl;

impl Avatar {
    /// The longest address, in bytes.
    pub const MAX_LENGTH: usize = 2_048;

    /// Reads the address of a picture elsewhere. Only `https`: whatever else a browser would follow
    /// (`javascript:`, `data:`, plain `http`) is no address of a picture.
    pub fn parse(typed: &str) -> Result<Self, InvalidAvatarUrl> {
        let rest = typed.strip_prefix("https://").ok_or(InvalidAvatarUrl)?;
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let plain = typed.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"'<>\\^`{|}".contains(&byte));
        let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
        let hosts = !name.is_empty()
            && !host.contains('@')
            && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.:[]".contains(&byte));
        if typed.len() <= Self::MAX_LENGTH && plain && hosts {
            Ok(Self::Elsewhere(typed.to_owned()))
        } else {
            Err(InvalidAvatarUrl)
        }
    }

    /// As it is stored: an address begins with `https://`, the name of a picture does not.
    pub(crate) fn from_stored(text: String) -> Self {
        if text.starts_with("https://") { Self::Elsewhere(text) } else { Self::Kept(text) }
    }

    /// For its column.
    pub(crate) fn as_stored(&self) -> &str {
        match self {
            Self::Elsewhere(text) | Self::Kept(text) => text,
        }
    }
}

/// An application's own settings for a person: a JSON object, kept exactly as it was sent.
#[derive(Clone, PartialEq, Eq)]
pub struct Preferences(Arc<str>);

/// Not preferences that can be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPreferences {
    /// No JSON at all, and where it ends to be any.
    #[error("This is not JSON: look at line {line}, character {column}.")]
    NotJson {
        /// Counted from 1.
        line: usize,
        /// Counted from 1.
        column: usize,
    },
    /// Something else than an object.
    #[error("Send a JSON object.")]
    NotAnObject,
    /// More than 16 KiB.
    #[error("Send at most 16 KiB.")]
    TooLarge,
    /// More than 8 levels.
    #[error("Nest at most 8 levels.")]
    TooDeep,
    /// A number that no program could read back, or the NUL character.
    #[error("Use numbers within the range of a double, and no NUL characters.")]
    Unreadable,
}

impl Preferences {
    /// The largest, in bytes of its text.
    pub const MAX_BYTES: usize = 16 * 1024;
    /// How many levels of objects and lists there may be.
    pub const MAX_DEPTH: usize = 8;

    /// Reads them from the text of a request.
    pub fn parse(raw: &RawValue) -> Result<Self, InvalidPreferences> {
        let text = raw.get();
        if text.len() > Self::MAX_BYTES {
            return Err(InvalidPreferences::TooLarge);
        }
        if nesting(text) > Self::MAX_DEPTH {
            return Err(InvalidPreferences::TooDeep);
        }
        match serde_json::from_str(text).map_err(|_| InvalidPreferences::Unreadable)? {
            Value::Object(_) if text.contains("\\u0000") => Err(InvalidPreferences::Unreadable),
            Value::Object(_) => Ok(Self(Arc::from(text))),
            _ => Err(InvalidPreferences::NotAnObject),
        }
    }

    /// Reads them as somebody typed them; nothing if there is nothing but spaces.
    pub fn parse_text(typed: &str) -> Result<Option<Self>, InvalidPreferences> {
        let typed = typed.trim().replace("\r\n", "\n");
        if typed.is_empty() {
            return Ok(None);
        }
        let raw = RawValue::from_string(typed)
            .map_err(|wrong| InvalidPreferences::NotJson { line: wrong.line(), column: wrong.column() })?;
        Self::parse(&raw).map(Some)
    }

    pub(crate) fn from_stored(text: String) -> Self {
        Self(Arc::from(text))
    }

    /// The JSON text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Preferences {
    fn default() -> Self {
        Self(Arc::from("{}"))
    }
}

impl Serialize for Preferences {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // As it is: read into a value and written again, a number of 20 digits would be another one.
        serde_json::from_str::<&RawValue>(&self.0).map_err(serde::ser::Error::custom)?.serialize(serializer)
    }
}

impl fmt::Debug for Preferences {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{…}")
    }
}

/// How deep objects and lists are nested in a JSON text. It is read as text, so that depth costs nothing.
fn nesting(json: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let mut bytes = json.bytes();
    let mut in_text = false;
    while let Some(byte) = bytes.next() {
        match (in_text, byte) {
            (true, b'\\') => drop(bytes.next()),
            (_, b'"') => in_text = !in_text,
            (false, b'{' | b'[') => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            (false, b'}' | b']') => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bio_has_lines_and_nothing_invisible() {
        assert_eq!(Bio::parse("  One\r\ntwo <b> \n").unwrap().unwrap().as_str(), "One\ntwo <b>");
        assert_eq!(Bio::parse(" \n ").unwrap(), None);
        assert!(Bio::parse(&"é".repeat(1_000)).unwrap().is_some());
        assert_eq!(Bio::parse(&"é".repeat(1_001)), Err(InvalidText::TooLong(1_000)));
        for wrong in ["a\0b", "a\u{202e}b", "a\u{1b}[31m", "a\rb", "a\u{2028}b"] {
            assert_eq!(Bio::parse(wrong), Err(InvalidText::Control), "{wrong:?}");
        }
    }

    #[test]
    fn time_zones_are_those_of_the_database_in_its_spelling() {
        assert_eq!(TimeZoneName::parse("europe/paris").unwrap().as_str(), "Europe/Paris");
        assert_eq!(TimeZoneName::parse("UTC").unwrap().as_str(), "UTC");
        for wrong in ["", "Mars/Olympus", "+02:00", "Europe", "../etc/passwd", "Europe/Paris\0"] {
            assert_eq!(TimeZoneName::parse(wrong), None, "{wrong:?}");
        }
        let now = Timestamp::from_unix_seconds(1_790_000_000);
        let clock = |name: &str| TimeZoneName::parse(name).unwrap().clock(now).unwrap();
        assert_eq!(clock("UTC"), "Monday, 21 September 2026, 14:13");
        assert_eq!(clock("Asia/Kathmandu"), "Monday, 21 September 2026, 19:58");
        assert_eq!(clock("Pacific/Kiritimati"), "Tuesday, 22 September 2026, 04:13");
    }

    #[test]
    fn i2_a_picture_elsewhere_has_an_https_address() {
        for good in ["https://example.com/a.png", "https://cdn.example.com:8443/x?y=1#z", "https://[::1]/a"] {
            assert!(Avatar::parse(good).is_ok(), "{good}");
        }
        let long = format!("https://example.com/{}", "a".repeat(2_048));
        for wrong in [
            "javascript:alert(1)",
            "JavaScript:alert(1)",
            "data:image/png;base64,AAAA",
            "http://example.com/a.png",
            "//example.com/a.png",
            " https://example.com",
            "https://",
            "https:///a",
            "https://a b/",
            "https://user@host/",
            "https://example.com/\"onerror=\"",
            "https://example.com/\n",
            "",
            "ftp://example.com",
            long.as_str(),
        ] {
            assert_eq!(Avatar::parse(wrong), Err(InvalidAvatarUrl), "{wrong:?}");
        }
    }

    fn preferences(text: &str) -> Result<String, InvalidPreferences> {
        let raw = RawValue::from_string(text.to_owned()).unwrap();
        Preferences::parse(&raw).map(|kept| kept.as_str().to_owned())
    }

    #[test]
    fn i7_preferences_are_an_object_of_bounded_size_and_depth_kept_exactly() {
        for exact in [r#"{"b": 1.10, "a":[12345678901234567890]}"#, "{}", r#"{"x":"[[[[[[[[[[ \" {{{{"}"#] {
            assert_eq!(preferences(exact).unwrap(), exact);
        }
        let nested = |levels: usize| format!("{{\"a\":{}{}}}", "[".repeat(levels - 1), "]".repeat(levels - 1));
        assert!(preferences(&nested(8)).is_ok());
        assert_eq!(preferences(&nested(9)), Err(InvalidPreferences::TooDeep));
        assert_eq!(preferences(&nested(7_000)), Err(InvalidPreferences::TooDeep));
        let sized = |bytes: usize| format!("{{\"a\":\"{}\"}}", "x".repeat(bytes - 8));
        assert!(preferences(&sized(16_384)).is_ok());
        assert_eq!(preferences(&sized(16_385)), Err(InvalidPreferences::TooLarge));
        for wrong in ["[]", "null", "1", "\"{}\""] {
            assert_eq!(preferences(wrong), Err(InvalidPreferences::NotAnObject), "{wrong}");
        }
        assert_eq!(preferences(r#"{"a":1e999}"#), Err(InvalidPreferences::Unreadable));
        assert_eq!(preferences("{\"a\":\"\\u0000\"}"), Err(InvalidPreferences::Unreadable));
        assert_eq!(Preferences::default().as_str(), "{}");
    }

    #[test]
    fn i7_preferences_that_somebody_typed_are_an_object_and_what_is_none_says_where() {
        let typed = |text: &str| Preferences::parse_text(text).map(|read| read.map(|kept| kept.as_str().to_owned()));
        assert_eq!(typed(" \r\n "), Ok(None));
        assert_eq!(typed(" {\"a\":\r\n 1.10} "), Ok(Some("{\"a\":\n 1.10}".to_owned())));
        assert_eq!(typed("{\"a\": 1,\r\n \"b\" 2}"), Err(InvalidPreferences::NotJson { line: 2, column: 6 }));
        assert_eq!(typed("[1]"), Err(InvalidPreferences::NotAnObject));
        assert_eq!(typed(&format!("{{\"a\":{}{}}}", "[".repeat(9), "]".repeat(9))), Err(InvalidPreferences::TooDeep));
    }
}
