//! A place in a list, to be handed out and handed back.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kernel::{Timestamp, UserId};
use serde::{Deserialize, Serialize};

use super::sort::{Key, Place};
use super::{Filter, Sort};

/// Behind which account a page begins. It belongs to one order and one filter: in another it would be a place
/// where nobody has been, so it is refused there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    pub(super) place: Place,
    list: String,
}

/// Not a cursor of this list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Pass the `next` of the page before, unchanged, with the same filter and sort.")]
pub struct InvalidCursor;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    /// Which list.
    l: String,
    /// The id.
    i: UserId,
    /// What the order compares: a moment in microseconds, or words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    m: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    w: Option<String>,
}

/// A name for a filter with an order.
fn list(filter: &Filter, sort: Sort) -> String {
    let text = format!("{}\n{}", sort.as_str(), filter.to_raw().to_query());
    URL_SAFE_NO_PAD.encode(&digest(&SHA256, text.as_bytes()).as_ref()[..9])
}

impl Cursor {
    pub(super) fn new(filter: &Filter, sort: Sort, place: Place) -> Self {
        Self { place, list: list(filter, sort) }
    }

    /// Reads what [`Cursor::to_text`] wrote, if it was for this list.
    pub fn parse(text: &str, filter: &Filter, sort: Sort) -> Result<Self, InvalidCursor> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| InvalidCursor)?;
        let written: Written = serde_json::from_slice(&bytes).map_err(|_| InvalidCursor)?;
        if written.l != list(filter, sort) {
            return Err(InvalidCursor);
        }
        let key = match (sort, written.m, written.w) {
            (Sort::CreatedAt | Sort::CreatedAtDescending | Sort::LastLoginAt, Some(moment), None) => {
                Key::Time(Timestamp::from_unix_micros(moment))
            }
            (Sort::Email | Sort::Name, None, Some(words)) if !words.contains('\0') => Key::Text(words),
            (Sort::Name | Sort::LastLoginAt, None, None) => Key::Nothing,
            _ => return Err(InvalidCursor),
        };
        Ok(Self { place: Place { key, id: written.i }, list: written.l })
    }

    /// As it is handed out.
    pub fn to_text(&self) -> String {
        let (m, w) = match &self.place.key {
            Key::Nothing => (None, None),
            Key::Time(moment) => (Some(moment.unix_micros()), None),
            Key::Text(words) => (None, Some(words.clone())),
        };
        let written = Written { l: self.list.clone(), i: self.place.id, m, w };
        // Two numbers and two texts can always be written.
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(&written).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(key: Key) -> Place {
        Place { key, id: UserId::from_bytes([7; 16]) }
    }

    #[test]
    fn a_cursor_comes_back_as_it_was_and_only_to_its_own_list() {
        let filter = Filter { role: Some("support".into()), ..Filter::default() };
        let keys = [Key::Nothing, Key::Text("zoë".into()), Key::Time(Timestamp::from_unix_micros(-5))];
        for key in keys {
            for sort in Sort::ALL {
                let text = Cursor::new(&filter, sort, place(key.clone())).to_text();
                let fits = match sort {
                    Sort::CreatedAt | Sort::CreatedAtDescending => matches!(key, Key::Time(_)),
                    Sort::Email => matches!(key, Key::Text(_)),
                    Sort::Name => !matches!(key, Key::Time(_)),
                    Sort::LastLoginAt => !matches!(key, Key::Text(_)),
                };
                let read = Cursor::parse(&text, &filter, sort).map(|cursor| cursor.place);
                assert_eq!(read, fits.then(|| place(key.clone())).ok_or(InvalidCursor));
                assert_eq!(Cursor::parse(&text, &Filter::default(), sort), Err(InvalidCursor));
                let other = if sort == Sort::Name { Sort::Email } else { Sort::Name };
                assert_eq!(Cursor::parse(&text, &filter, other), Err(InvalidCursor));
            }
        }
        for wrong in ["", "x", "e30", "\u{0}", "bnVsbA"] {
            assert_eq!(Cursor::parse(wrong, &filter, Sort::Name), Err(InvalidCursor), "{wrong:?}");
        }
    }
}
