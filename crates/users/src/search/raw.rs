//! A filter as it stands in an address, before anybody has looked at what it says.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// What somebody typed, by the names of the API. Every part is optional; an empty one is as if it were not there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RawFilter {
    /// What stands in the name or the address.
    pub q: Option<String>,
    /// A role.
    pub role: Option<String>,
    /// `active`, `suspended` or `deleted`.
    pub status: Option<String>,
    /// `true` or `false`.
    pub verified: Option<String>,
    /// A moment.
    pub created_after: Option<String>,
    /// A moment.
    pub created_before: Option<String>,
    /// A moment.
    pub last_login_after: Option<String>,
    /// A telephone number.
    pub phone: Option<String>,
    /// What attributes have to be: `attribute.NAME` as somebody typed it, or `lookup.NAME` as a filter that was read
    /// before is written down, without the value itself.
    pub attributes: BTreeMap<String, String>,
}

/// Before the name of an attribute that somebody typed.
pub(super) const TYPED: &str = "attribute.";
/// Before the name of an attribute whose value was replaced by what it is looked up by.
pub(super) const LOOKUP: &str = "lookup.";
/// The longest such name.
const MAX_NAME: usize = 80;

/// A part of an address cannot be taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPart {
    /// It stands there twice.
    #[error("`{0}` stands twice in the address: say it once.")]
    Repeated(String),
    /// It has a NUL.
    #[error("Remove the NUL character (%00) from the address.")]
    Nul,
}

impl RawFilter {
    /// Takes what belongs to a filter out of `pairs`; the rest stays.
    pub fn take(pairs: &mut Vec<(String, String)>) -> Result<Self, InvalidPart> {
        let mut raw = Self::default();
        for (name, value) in std::mem::take(pairs) {
            if name.contains('\0') || value.contains('\0') {
                return Err(InvalidPart::Nul);
            }
            if (name.starts_with(TYPED) || name.starts_with(LOOKUP)) && name.len() <= MAX_NAME {
                if raw.attributes.insert(name.clone(), value).is_some() {
                    return Err(InvalidPart::Repeated(name));
                }
                continue;
            }
            let Some(part) = raw.part(&name) else {
                pairs.push((name, value));
                continue;
            };
            if part.is_some() {
                return Err(InvalidPart::Repeated(name));
            }
            *part = Some(value);
        }
        raw.attributes.retain(|_, value| !value.is_empty());
        for (_, part) in raw.parts_mut() {
            part.take_if(|value| value.is_empty());
        }
        Ok(raw)
    }

    fn part(&mut self, name: &str) -> Option<&mut Option<String>> {
        self.parts_mut().into_iter().find(|(known, _)| *known == name).map(|(_, part)| part)
    }

    fn parts_mut(&mut self) -> [(&'static str, &mut Option<String>); 8] {
        [
            ("q", &mut self.q),
            ("role", &mut self.role),
            ("status", &mut self.status),
            ("verified", &mut self.verified),
            ("created_after", &mut self.created_after),
            ("created_before", &mut self.created_before),
            ("last_login_after", &mut self.last_login_after),
            ("phone", &mut self.phone),
        ]
    }

    /// Its parts by name, in one order.
    pub fn pairs(&self) -> Vec<(String, String)> {
        let mut copy = self.clone();
        let parts = copy.parts_mut().into_iter().filter_map(|(name, part)| Some((name.to_owned(), part.take()?)));
        parts.chain(self.attributes.clone()).collect()
    }

    /// As it stands in an address, after the question mark: `q=ann&status=active`.
    pub fn to_query(&self) -> String {
        let pairs = self.pairs();
        pairs.iter().map(|(name, value)| format!("{}={}", escaped(name), escaped(value))).collect::<Vec<_>>().join("&")
    }
}

/// Percent-encoded, so that it stands for itself in a query (RFC 3986 §2.3).
fn escaped(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // A String takes whatever is written to it.
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(of: &[(&str, &str)]) -> Vec<(String, String)> {
        of.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_filter_is_taken_out_and_the_rest_is_left() {
        let mut given = pairs(&[("q", "a&b"), ("limit", "5"), ("status", ""), ("role", "user")]);
        let raw = RawFilter::take(&mut given).unwrap();
        assert_eq!(given, pairs(&[("limit", "5")]));
        assert_eq!(raw.pairs(), pairs(&[("q", "a&b"), ("role", "user")]));
        assert_eq!(raw.to_query(), "q=a%26b&role=user");
    }

    #[test]
    fn what_stands_twice_or_has_a_nul_is_refused() {
        assert_eq!(RawFilter::take(&mut pairs(&[("q", ""), ("q", "a")])), Err(InvalidPart::Repeated("q".into())));
        assert_eq!(RawFilter::take(&mut pairs(&[("other", "a\0")])), Err(InvalidPart::Nul));
    }
}
