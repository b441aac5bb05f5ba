//! JSON as this crate trusts it: an object in which no member stands twice, at any depth, and
//! values that are only ever taken as exactly what they are.
//!
//! Two readers that each pick another one of two equal members see two different tokens (RFC 8725
//! §2.4), and a lenient number (`"exp": "9e99"`) has switched off expiry elsewhere (CVE-2026-25537).

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// A value, sorted into what a token, a key or an event may use. Fractions, nulls and integers beyond
/// 64 bits are `Other`: present, but never the right type.
pub(crate) enum Json {
    Text(String),
    Integer(i64),
    True,
    False,
    List(Vec<Json>),
    Object(Object),
    Other,
}

/// Why a member could not be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wrong {
    Missing,
    Type,
}

/// The members of an object, each of which can be taken once.
#[derive(Default)]
pub(crate) struct Object(BTreeMap<String, Json>);

impl Object {
    /// Reads a whole document that has to be one object. `serde_json` bounds the depth at 128.
    pub(crate) fn parse(document: &[u8]) -> Option<Self> {
        match serde_json::from_slice(document) {
            Ok(Json::Object(object)) => Some(object),
            Ok(_) | Err(_) => None,
        }
    }

    /// Reads an object in base64url.
    pub(crate) fn parse_base64(encoded: &str) -> Option<Self> {
        Self::parse(&decode(encoded)?)
    }

    pub(crate) fn has_any(&self, names: &[&str]) -> bool {
        names.iter().any(|name| self.0.contains_key(*name))
    }

    pub(crate) fn take(&mut self, name: &str) -> Result<Json, Wrong> {
        self.0.remove(name).ok_or(Wrong::Missing)
    }

    /// Text that is not empty: an empty subject or session would be shared by everyone who has none.
    pub(crate) fn take_text(&mut self, name: &str) -> Result<String, Wrong> {
        match self.take(name)? {
            Json::Text(text) if !text.is_empty() => Ok(text),
            _ => Err(Wrong::Type),
        }
    }

    /// A whole number of zero or more.
    pub(crate) fn take_integer(&mut self, name: &str) -> Result<i64, Wrong> {
        match self.take(name)? {
            Json::Integer(number) if number >= 0 => Ok(number),
            _ => Err(Wrong::Type),
        }
    }

    #[cfg(feature = "follow")]
    pub(crate) fn take_boolean(&mut self, name: &str) -> Result<bool, Wrong> {
        match self.take(name)? {
            Json::True => Ok(true),
            Json::False => Ok(false),
            _ => Err(Wrong::Type),
        }
    }

    pub(crate) fn take_list(&mut self, name: &str) -> Result<Vec<Json>, Wrong> {
        match self.take(name)? {
            Json::List(list) => Ok(list),
            _ => Err(Wrong::Type),
        }
    }

    /// A list of texts.
    pub(crate) fn take_texts(&mut self, name: &str) -> Result<Vec<String>, Wrong> {
        let text = |item| match item {
            Json::Text(text) => Ok(text),
            _ => Err(Wrong::Type),
        };
        self.take_list(name)?.into_iter().map(text).collect()
    }
}

/// Makes a member optional: its absence is `None`, a wrong type stays an error.
pub(crate) fn optional<T>(taken: Result<T, Wrong>) -> Result<Option<T>, Wrong> {
    match taken {
        Ok(value) => Ok(Some(value)),
        Err(Wrong::Missing) => Ok(None),
        Err(Wrong::Type) => Err(Wrong::Type),
    }
}

/// Decodes base64url without padding, in its one canonical form: stray last bits are refused, so
/// that no two texts stand for one signature.
pub(crate) fn decode(encoded: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(encoded).ok()
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(JsonVisitor)
    }
}

struct JsonVisitor;

impl<'de> Visitor<'de> for JsonVisitor {
    type Value = Json;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON without repeated members")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Json, E> {
        Ok(Json::Text(text.to_owned()))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Json, E> {
        Ok(Json::Integer(number))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Json, E> {
        Ok(i64::try_from(number).map_or(Json::Other, Json::Integer))
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Json, E> {
        Ok(Json::Other)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Json, E> {
        Ok(if value { Json::True } else { Json::False })
    }

    fn visit_unit<E: Error>(self) -> Result<Json, E> {
        Ok(Json::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Json::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Json, A::Error> {
        let mut object = BTreeMap::new();
        while let Some(name) = members.next_key::<String>()? {
            match object.entry(name) {
                Entry::Vacant(place) => place.insert(members.next_value()?),
                Entry::Occupied(_) => return Err(A::Error::custom("a member stands twice")),
            };
        }
        Ok(Json::Object(Object(object)))
    }
}
