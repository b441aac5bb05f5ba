//! What a file in the store is called. A name of another form cannot be made, so none can leave the
//! root of the store, whatever somebody typed.

use std::fmt;

/// The longest name, in bytes.
const LONGEST: usize = 200;
/// The deepest.
const PARTS: usize = 8;

/// Parts of `a`–`z`, `0`–`9`, `-`, `_` and `.`, with `/` between them; none begins with a dot.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlobName(String);

/// The text cannot name a file in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this cannot be the name of a file: use parts of a-z, 0-9, -, _ and . with / between them")]
pub struct InvalidBlobName;

impl BlobName {
    /// The text as a name.
    pub fn parse(text: &str) -> Result<Self, InvalidBlobName> {
        let is_plain = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.');
        // An empty part would be another name for something, and a leading dot covers `.`, `..` and what
        // folders hide.
        let is_part = |part: &str| !part.is_empty() && !part.starts_with('.') && part.bytes().all(is_plain);
        let is_name = text.len() <= LONGEST && text.split('/').count() <= PARTS && text.split('/').all(is_part);
        if is_name { Ok(Self(text.to_owned())) } else { Err(InvalidBlobName) }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for BlobName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i4_a_name_cannot_leave_its_root() {
        for good in ["a", "avatars/0190a5b2/512.webp", "exports/7/part-0001.csv", "a/b/c/d/e/f/g/h"] {
            assert_eq!(BlobName::parse(good).unwrap().as_str(), good);
        }
        for bad in [
            "",
            "/",
            "/etc/passwd",
            "..",
            "../a",
            "a/../b",
            "a/..",
            "a/./b",
            "a//b",
            "a/",
            ".hidden",
            "a/.hidden",
            "a\\b",
            "C:",
            "a b",
            "a\0b",
            "a%2fb",
            "A",
            "é",
            "a\n",
            "a#1",
            "a?b",
            "a/b/c/d/e/f/g/h/i",
            &"a".repeat(201),
        ] {
            assert_eq!(BlobName::parse(bad), Err(InvalidBlobName), "{bad}");
        }
    }
}
