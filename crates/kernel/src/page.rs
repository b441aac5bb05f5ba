//! Keyset pages: a list answers `items` and an opaque `next` cursor. A cursor names the last row
//! seen, so that rows inserted meanwhile neither repeat nor vanish.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::{FieldError, Problem};

/// How many items a page has when nobody says.
pub const DEFAULT_LIMIT: u32 = 50;
/// How many items a page may have.
pub const MAX_LIMIT: u32 = 200;

/// One page of a list.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Page<T> {
    /// The rows.
    pub items: Vec<T>,
    /// Pass it as `cursor` to get the following page; null on the last.
    pub next: Option<String>,
}

/// `?limit=&cursor=`
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub struct PageQuery {
    /// Rows on a page: 1 to 200, 50 unless said.
    #[serde(default, deserialize_with = "whole_number")]
    #[param(value_type = Option<u32>, minimum = 1, maximum = 200)]
    limit: Option<u32>,
    /// The `next` of the page before.
    cursor: Option<String>,
}

impl PageQuery {
    /// The page behind this cursor, for a list whose query has more than a page's parts.
    pub const fn of_cursor(cursor: Option<String>) -> Self {
        Self { limit: None, cursor }
    }

    /// Rows to show, within 1 to [`MAX_LIMIT`].
    pub fn limit(&self) -> u32 {
        self.limit.unwrap_or(DEFAULT_LIMIT).clamp(1, MAX_LIMIT)
    }

    /// The id after which this page begins, or the problem with the cursor.
    pub fn after<Id: CursorId>(&self) -> Result<Option<Id>, Problem> {
        let Some(cursor) = &self.cursor else { return Ok(None) };
        let bytes = URL_SAFE_NO_PAD.decode(cursor).ok().and_then(|bytes| <[u8; 16]>::try_from(bytes).ok());
        match bytes {
            Some(bytes) => Ok(Some(Id::from_cursor(bytes))),
            None => Err(Problem::invalid_input(vec![FieldError::new(
                "cursor",
                "invalid_cursor",
                "Pass the `next` of the page before, unchanged.",
            )])),
        }
    }
}

/// How many items a page has whose address says `text`: a whole number, however small or large, is brought within 1
/// to [`MAX_LIMIT`]; anything else is nothing.
pub fn limit_of(text: &str) -> Option<u32> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // What does not fit is far too large, and what has a sign is too small.
    let number = if digits.len() == text.len() { digits.parse().unwrap_or(MAX_LIMIT) } else { 1 };
    Some(number.clamp(1, MAX_LIMIT))
}

fn whole_number<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
    limit_of(&text).map(Some).ok_or_else(|| serde::de::Error::custom("not a whole number"))
}

/// An id that can stand in a cursor.
pub trait CursorId {
    /// From the bytes in the cursor.
    fn from_cursor(bytes: [u8; 16]) -> Self;
    /// To the bytes in the cursor.
    fn to_cursor(&self) -> [u8; 16];
}

impl CursorId for crate::SessionId {
    fn from_cursor(bytes: [u8; 16]) -> Self {
        Self::from_bytes(bytes)
    }

    fn to_cursor(&self) -> [u8; 16] {
        *self.as_bytes()
    }
}

impl CursorId for crate::id::DeliveryId {
    fn from_cursor(bytes: [u8; 16]) -> Self {
        Self::from_bytes(bytes)
    }

    fn to_cursor(&self) -> [u8; 16] {
        *self.as_bytes()
    }
}

impl CursorId for crate::id::NotificationId {
    fn from_cursor(bytes: [u8; 16]) -> Self {
        Self::from_bytes(bytes)
    }

    fn to_cursor(&self) -> [u8; 16] {
        *self.as_bytes()
    }
}

impl CursorId for crate::id::WebhookDeliveryId {
    fn from_cursor(bytes: [u8; 16]) -> Self {
        Self::from_bytes(bytes)
    }

    fn to_cursor(&self) -> [u8; 16] {
        *self.as_bytes()
    }
}

impl CursorId for crate::JobId {
    fn from_cursor(bytes: [u8; 16]) -> Self {
        Self::from_bytes(bytes)
    }

    fn to_cursor(&self) -> [u8; 16] {
        *self.as_bytes()
    }
}

/// A number in the ledger, as a cursor: its eight bytes behind eight zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LedgerIndex(pub i64);

impl CursorId for LedgerIndex {
    fn from_cursor(bytes: [u8; 16]) -> Self {
        let mut number = [0; 8];
        number.copy_from_slice(&bytes[8..]);
        Self(i64::from_be_bytes(number))
    }

    fn to_cursor(&self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[8..].copy_from_slice(&self.0.to_be_bytes());
        bytes
    }
}

impl<T> Page<T> {
    /// Makes a page from `limit + 1` rows at most: the one too many says that there is more.
    pub fn from_rows<Id: CursorId>(mut rows: Vec<T>, limit: u32, id: impl Fn(&T) -> Id) -> Self {
        let limit = limit as usize;
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = rows.last().filter(|_| more).map(|row| URL_SAFE_NO_PAD.encode(id(row).to_cursor()));
        Self { items: rows, next }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i6_page_sizes_are_brought_within_bounds() {
        let cases = [("0", 1), ("-1", 1), ("-99999999999999999999", 1), ("1", 1), ("200", 200), ("201", 200)];
        for (text, limit) in cases.into_iter().chain([("1000000000", 200), ("99999999999999999999", 200)]) {
            assert_eq!(limit_of(text), Some(limit), "{text}");
        }
        for wrong in ["", "-", "NaN", "1e9", "1.5", "+1", " 1", "0x10", "\u{661}"] {
            assert_eq!(limit_of(wrong), None, "{wrong}");
        }
    }
}
